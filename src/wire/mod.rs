//! What goes over the wire, as bytes: protobuf messages, segments, record types. No keys, no I/O.

pub mod discover;
pub mod generated;
pub mod hello;
pub mod nack;
pub mod pex;
pub mod record;
pub mod refusal;
pub mod scan;
pub mod segment;
