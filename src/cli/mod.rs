//! The `bowline` program, above the library's public face only.

pub mod args;
pub mod host;
pub mod identity;
pub mod run;
pub mod testnet;
