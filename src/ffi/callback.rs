//! The caller's functions while they run: wake and log. They may only signal and write; what they must not do and can be found out is
//! refused, instead of waiting for itself for ever.

use super::b_errors::bowline_result;
use super::guard::Failure;
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    static IS_COMPLAINING: Cell<bool> = const { Cell::new(false) };
    /// What the caller's function called on this thread and was refused, until the log has it. Nothing here needs a destructor: a thread
    /// that ends may still free nodes.
    static COMPLAINT: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// The pointer that a caller gets back with each call.
#[derive(Clone, Copy)]
pub struct Context(pub *mut c_void);

// SAFETY: it is handed back to the caller's function and never followed; the header asks for one that any thread may use.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    pub const fn get(self) -> *mut c_void {
        self.0
    }
}

/// Runs one of the caller's functions.
pub fn run(body: impl FnOnce()) {
    let before = IS_INSIDE.replace(true);
    body();
    IS_INSIDE.set(before);
}

/// True if this thread is in one of the caller's functions now.
pub fn is_inside() -> bool {
    IS_INSIDE.get()
}

/// For calls that free and cannot answer: true if this is not the moment. The log says so afterwards.
pub fn refuses_to_free(what: &'static str) -> bool {
    if is_inside() {
        COMPLAINT.set(Some(what));
    }
    is_inside()
}

/// To be called when no lock is held, neither of the log nor of a queue: after a line of this thread, and by calls that may have run `wake`.
pub fn complain() {
    if is_inside() || IS_COMPLAINING.replace(true) {
        return;
    }
    if let Some(what) = COMPLAINT.take() {
        log::error!(target: "bowline::ffi", "{what} was called by a callback, which must not call the library: nothing was freed");
        // A log function that does it again at this very line is not told again.
        COMPLAINT.take();
    }
    IS_COMPLAINING.set(false);
}

/// For calls that wait until no function of the caller runs.
pub fn refuse_inside() -> Result<(), Failure> {
    if is_inside() {
        let says = "a callback may only signal or write: it must not call the library";
        return Err(Failure::new(bowline_result::BOWLINE_E_STATE, says));
    }
    Ok(())
}
