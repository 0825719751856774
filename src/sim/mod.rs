//! Whole networks in memory: the machines of `node/` without its threads, on streams without sockets, in virtual time from a seed.

mod agenda;
pub mod checks;
pub mod crossing;
mod desks;
pub mod disk;
pub mod eclipse;
mod faults;
mod global;
pub mod host;
pub mod net;
pub mod pipe;
pub mod port;
pub mod rogue;
pub mod stories;
mod streams;
pub mod talk;
pub mod trace;
mod ways;
pub mod world;
