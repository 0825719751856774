//! The crypto room against published vectors, against a second implementation (dryoc), and against forgers. One binary, because linking
//! is what takes long.

mod attacks;
mod bowline;
mod differential;
mod noise;
mod primitives;
mod vector;
