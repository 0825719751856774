//! The raw libsodium functions under the name that sodiumoxide asks for; it must never add one of its own.
//! Only sodiumoxide calls it.

pub use stable::*;
