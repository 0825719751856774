//! What goes over the wire, as bytes: protobuf messages, segments, record types. No keys, no I/O.
pub mod hello;
