//! The assembly on threads, sockets and files, and the face for Rust programs.

pub mod access;
pub mod asking;
mod bandwidth;
mod book;
pub mod builder;
pub(crate) mod clock;
mod dialing;
mod entropy;
pub mod error;
mod exposition;
mod group_file;
mod groups;
pub mod identity_file;
mod known;
mod listeners;
mod live;
mod local;
pub mod memnet;
#[allow(clippy::module_inception, reason = "a node is the room's subject; no other word names it")]
pub mod node;
mod opening;
mod pool_lock;
mod published;
mod pump;
pub mod queue;
mod reactor_thread;
pub mod request;
mod resolver;
pub mod roles;
mod running;
pub mod scores;
pub mod sender;
mod shared;
mod stage;
pub mod steering;
pub mod store_face;
pub mod store_memory;
#[cfg(feature = "store")]
pub mod store_redb;
#[cfg(all(test, feature = "store"))]
mod store_redb_tests;
mod storekeeper;
mod system;
#[cfg(test)]
mod testbed;
pub mod typed;
mod workers;
