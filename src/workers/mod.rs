//! The control plane: welcome, maintenance and exchange as pure machines over the pool. No locks, channels, clocks or files.

pub mod discovery;
pub mod exchange;
pub(crate) mod farewell;
mod feelers;
mod filling;
pub mod machine;
pub mod maintenance;
mod names;
mod roles;
mod saving;
mod seeding;
pub mod welcome;
pub mod word;

#[cfg(test)]
mod dialing_tests;
#[cfg(test)]
mod filling_tests;
#[cfg(test)]
mod maintenance_tests;
#[cfg(test)]
mod roles_tests;
#[cfg(test)]
mod testbed;
#[cfg(test)]
mod upkeep;
#[cfg(test)]
mod world_tests;
