//! bowline: the peer-to-peer layer of a blockchain node.
#![deny(unsafe_code)]

pub mod base;
pub mod bus;
pub mod crypto;
#[cfg(feature = "capi")]
#[allow(unsafe_code, reason = "the C face takes raw pointers; nothing else may")]
pub mod ffi;
pub mod flow;
pub mod node;
pub mod pool;
pub mod reactor;
pub mod session;
pub mod settings;
pub mod sim;
pub mod wire;
pub mod workers;
