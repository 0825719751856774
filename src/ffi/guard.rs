//! What stands between C and Rust in every call: a panic becomes a result, a failure becomes a code and, where the caller asked
//! for it, a sentence. Every exported function's body is one of the guards here; nothing else may face C.

use super::b_errors::{bowline_error, bowline_result};
use super::raw::Out;
use super::{callback, handle};
use crate::base::text::{panic_text, shown};
use std::any::Any;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why a call failed: a code for programs, and a sentence where there is something to say beyond the code.
#[derive(Debug)]
pub struct Failure {
    pub code: bowline_result,
    pub text: Option<String>,
}

impl Failure {
    /// A failure with a sentence that names what was wrong and what to do.
    pub fn new(code: bowline_result, text: impl Into<String>) -> Failure {
        Failure { code, text: Some(text.into()) }
    }
}

impl From<bowline_result> for Failure {
    fn from(code: bowline_result) -> Failure {
        Failure { code, text: None }
    }
}

/// Runs the body of a function that returns a result.
pub fn guard(body: impl FnOnce() -> Result<(), Failure>) -> bowline_result {
    match contained(body) {
        Ok(()) => bowline_result::BOWLINE_OK,
        Err(failure) => failure.code,
    }
}

/// `guard` for functions with a `bowline_error **err`: it is NULL after a success and an error object after every failure.
///
/// # Safety
/// `err` is NULL or may be written.
pub unsafe fn guard_err(err: *mut *mut bowline_error, body: impl FnOnce() -> Result<(), Failure>) -> bowline_result {
    // SAFETY: the caller of this function vouches for `err`.
    let err = match unsafe { Out::optional(err) } {
        Ok(err) => err.map(Out::cleared),
        Err(failure) => return failure.code,
    };
    let Err(failure) = contained(body) else { return bowline_result::BOWLINE_OK };
    let code = failure.code;
    if let Some(err) = err {
        // The text of a panic, too, goes this way, so building the object is contained as well.
        let _ = contained(|| {
            err.put(bowline_error::boxed(failure));
            Ok(())
        });
    }
    code
}

/// Runs the body of a function that cannot fail; `fallback` is its answer should it panic.
pub fn guard_or<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(|| begun(body))).unwrap_or_else(|panic| {
        told(&*panic);
        fallback
    })
}

/// What a panic said, which the log has, too. The panic hook is the program's: it is not touched.
fn told(panic: &(dyn Any + Send)) -> String {
    let said = format!("the library panicked: {}", panic_text(panic));
    if !callback::is_inside() {
        // The logger may be the program's own, and nothing may unwind into C.
        let _ = catch_unwind(|| log::error!(target: "bowline::ffi", "{}", shown(&said)));
    }
    said
}

/// Every call passes here, contained: a test may have ordered a panic.
fn begun<T>(body: impl FnOnce() -> T) -> T {
    #[cfg(feature = "fault-injection")]
    crate::base::faults::call();
    body()
}

fn contained(body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // What the body may leave half-changed is behind locks of the node, which turns Failed by itself when a panic strikes there.
    let done = catch_unwind(AssertUnwindSafe(|| begun(body)));
    done.unwrap_or_else(|panic| Err(Failure::new(bowline_result::BOWLINE_E_PANIC, told(&*panic))))
}

/// `text` as C reads it: what follows an embedded NUL would be lost, so NULs are replaced.
pub fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).expect("no NUL is left in the text")
}

impl bowline_error {
    /// The error object of a failure; ownership goes to the caller in C.
    fn boxed(failure: Failure) -> *mut bowline_error {
        let text = failure.text.map_or_else(|| failure.code.text().to_owned(), |text| c_text(&text));
        handle::give((failure.code, text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::b_errors::{bowline_error_code, bowline_error_free, bowline_error_text};
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn a_panic_becomes_a_result() {
        assert_eq!(guard(|| panic!("on purpose")), bowline_result::BOWLINE_E_PANIC);
        assert_eq!(guard_or(7, || panic!("on purpose")), 7);
    }

    #[test]
    fn a_panic_says_what_it_said() {
        let mut err = std::ptr::null_mut();
        // SAFETY: `err` is a local variable, and the object is freed once.
        unsafe {
            assert_eq!(guard_err(&raw mut err, || panic!("on {}", "purpose")), bowline_result::BOWLINE_E_PANIC);
            assert_eq!(bowline_error_code(err), bowline_result::BOWLINE_E_PANIC);
            assert_eq!(CStr::from_ptr(bowline_error_text(err)).to_str(), Ok("the library panicked: on purpose"));
            bowline_error_free(err);
        }
    }

    #[test]
    fn an_embedded_nul_does_not_cut_a_text() {
        assert_eq!(c_text("a\0b").to_str(), Ok("a\u{fffd}b"));
    }
}
