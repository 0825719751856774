//! Typed channels: an application's own types instead of bytes, each channel sealed to one owner.

pub mod channel;
pub mod codec;
mod depot;
pub mod inbox;
#[cfg(doctest)]
mod proofs;
pub mod request;

pub use channel::{Declared, Outlet, Protocol};
pub use codec::{Codec, Malformed, Never, Prost, Raw, Shared};
pub use inbox::{Owner, Received, TypedEvent};
pub use request::{Answered, Incoming, Reply};
