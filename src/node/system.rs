//! What std does not offer of the system: threads that never see a signal, and the limit of descriptors. The only unsafe code outside the
//! C face, beside the clock's: three calls of the C library. Only `node` calls it.
#![allow(
    unsafe_code,
    reason = "std has no call that blocks signals or reads limits, and spawns threads with the mask of the spawner"
)]

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

#[cfg(test)]
thread_local! {
    /// The name of a thread that the system refuses to whoever asks for it here: so tests see what a start does without it.
    pub static REFUSED: std::cell::Cell<&'static str> = const { std::cell::Cell::new("") };
}

/// Spawns a thread named `name` (at most 15 characters) in which every signal is blocked. The caller's own mask is restored.
///
/// # Errors
/// What the system says when it has no thread to give.
#[allow(clippy::disallowed_methods, reason = "every thread of the library is spawned here")]
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    debug_assert!(name.len() <= 15, "the kernel cuts thread names at 15 bytes");
    #[cfg(test)]
    if REFUSED.get() == name {
        return Err(io::Error::from_raw_os_error(libc::EAGAIN));
    }
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid for writing; `sigfillset` initialises the first before it is read.
    let blocked = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
    };
    let thread = Builder::new().name(name.to_owned()).spawn(body);
    if blocked == 0 {
        // SAFETY: `before` was initialised by the successful call above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    }
    thread
}

/// Descriptors that this process may have open; `None` if the system does not say.
pub fn files_max() -> Option<u64> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `limit` is valid for writing one `rlimit`, and is read only after the call has succeeded.
    let limit = unsafe { (libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) == 0).then(|| limit.assume_init()) };
    limit.map(|limit| limit.rlim_cur)
}
