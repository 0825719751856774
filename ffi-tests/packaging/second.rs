//! Another Rust static library, which panics and catches it. It is linked beside bowline's; never part of it.

use std::panic::catch_unwind;

/// Panics so many times, each caught; answers how many were.
#[unsafe(no_mangle)]
pub extern "C" fn second_catches(panics: u32) -> u32 {
    let caught = |number| u32::from(catch_unwind(|| panic!("{number} of {panics}")).is_err());
    (0..panics).map(caught).sum()
}
