//! One connection's protocol as a pure machine: bytes in, bytes out, verdicts in, signals out. No sockets, no clock.

pub mod agreed;
pub mod arrivals;
pub mod bowline;
pub mod dialect;
pub mod gate;
pub mod handshake_initiator;
pub mod handshake_message;
pub mod handshake_responder;
pub mod intake;
pub mod keyed;
pub mod lanes;
pub mod liveness;
pub mod local;
pub mod pace;
pub mod patience;
