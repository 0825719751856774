//! The assembly of the same machines under virtual time, with an in-memory network.
