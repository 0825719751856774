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
mod group_file;
pub mod identity_file;
mod live;
mod local;
#[allow(clippy::module_inception, reason = "a node is the room's subject; no other word names it")]
pub mod node;
mod published;
mod pump;
pub mod queue;
mod reactor_thread;
pub mod request;
mod resolver;
pub mod roles;
mod running;
mod score_file;
pub mod scores;
pub mod sender;
mod shared;
pub mod steering;
mod system;
#[cfg(test)]
mod testbed;
pub mod typed;
mod workers;
