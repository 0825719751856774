//! The C face of `base/faults`, for C programs that test what contains panics. It stands in no header: only a library with the feature
//! `fault-injection` has these symbols.

use super::guard::guard_or;
use super::raw;
use crate::base::faults;
use std::ffi::{c_char, c_int};

/// The next call of a bowline_* function on this thread panics.
#[unsafe(no_mangle)]
pub extern "C" fn faults_next_call() {
    guard_or((), faults::order_call);
}

/// 1 if no call of this thread has taken the order so far, which is withdrawn.
#[unsafe(no_mangle)]
pub extern "C" fn faults_withdraw() -> c_int {
    c_int::from(faults::withdraw_call())
}

/// The next visitor of a place panics: a thread by its name; "pool" in a call, "bwl-pool" in a thread. 0 if there is no such place.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn faults_at(place: *const c_char) -> c_int {
    // SAFETY: the test gives a text.
    guard_or(0, || unsafe { raw::text(place) }.map_or(0, |place| c_int::from(faults::order_at(place))))
}
