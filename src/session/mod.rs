//! One connection's protocol as a pure machine: bytes in, bytes out, verdicts in, signals out. No sockets, no clock.

pub mod dialect;
pub mod gate;
pub mod intake;
