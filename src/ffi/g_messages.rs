//! Section G of the header: messages as counted references to bytes. A message is written while it has one owner and was never sent;
//! then it is shared, never copied, by every queue it waits in.

use super::b_errors::bowline_result;
use super::guard::{Failure, guard, guard_or};
use super::handle::{self, Handle, Place};
use super::raw::{self, Out};
use crate::base::limits::MESSAGE_BYTES_MAX;
use bytes::Bytes;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A message: bytes that several owners may share. Free it with bowline_msg_free.
pub struct bowline_msg {
    _opaque: [u8; 0],
}

impl Handle for bowline_msg {
    type Value = Counted;
    const MAGIC: u64 = 0x626f_776c_5f6d_7367;
}

/// How a caller's own memory is given back: once, on any thread. It may only free; it must not call bowline_*, throw or block.
pub type bowline_free_fn = Option<unsafe extern "C" fn(data: *mut c_void, len: usize, ctx: *mut c_void)>;

/// What `bowline_msg` really is.
pub struct Counted {
    references: AtomicUsize,
    body: Mutex<Body>,
}

enum Body {
    /// Being written by its only owner.
    Draft(Vec<u8>),
    /// Never changes again.
    Sealed(Bytes),
}

/// Places of freed messages that a thread keeps for new ones: those of a usual batch, some 40 KiB. The system's allocator is made for
/// far fewer at once.
const SPARE_MAX: usize = 512;

thread_local! {
    static SPARE: RefCell<Vec<Place<bowline_msg>>> = const { RefCell::new(Vec::new()) };
}

impl bowline_msg {
    /// A message that C will free.
    #[inline(always)]
    pub fn sealed(bytes: Bytes) -> *mut bowline_msg {
        bowline_msg::give(Body::Sealed(bytes))
    }

    #[inline(always)]
    fn give(body: Body) -> *mut bowline_msg {
        // A thread that ends has no spare places any more.
        let place = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten().unwrap_or_else(Place::fresh);
        // SAFETY: these are all parts of it.
        unsafe {
            place.give(|counted| {
                (&raw mut (*counted).references).write(AtomicUsize::new(1));
                (&raw mut (*counted).body).write(Mutex::new(body));
            })
        }
    }

    /// Drops a reference, and the message with the last one.
    ///
    /// # Safety
    /// `msg` is NULL or a message to which the caller holds a reference.
    pub(super) unsafe fn release(msg: *mut bowline_msg) {
        if msg.is_null() {
            return;
        }
        // SAFETY: the caller of this function vouches for `msg`.
        let Ok(counted) = (unsafe { handle::borrow(msg.cast_const()) }) else { return };
        // Release and acquire: what the other owners did with the bytes happened before they are freed. The only owner knows without a
        // change that it is the last.
        if counted.references.load(Ordering::Acquire) != 1 && counted.references.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // It may call the program's own function, so it comes before the spare places are touched.
        // SAFETY: that was the last reference.
        let Some(place) = (unsafe { handle::end(msg) }) else { return };
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(place);
            }
        });
    }
}

impl Body {
    /// Moving a draft's bytes here leaves them where they are.
    fn seal(&mut self) -> &Bytes {
        if let Body::Draft(draft) = self {
            *self = Body::Sealed(Bytes::from(std::mem::take(draft)));
        }
        match self {
            Body::Sealed(bytes) => bytes,
            Body::Draft(_) => unreachable!("it was sealed above"),
        }
    }
}

impl Counted {
    /// The bytes, which nobody can change from now on.
    pub fn seal(&self) -> Bytes {
        self.body.lock().seal().clone()
    }

    /// `seal` for a short while: without an owner more.
    pub fn seal_to_read(&self) -> &[u8] {
        let (data, len) = {
            let mut body = self.body.lock();
            let bytes = body.seal();
            (bytes.as_ptr(), bytes.len())
        };
        // SAFETY: what is sealed never changes, and lives as long as the message.
        unsafe { std::slice::from_raw_parts(data, len) }
    }

    fn place(&self) -> (*const u8, usize) {
        match &*self.body.lock() {
            Body::Draft(draft) => (draft.as_ptr(), draft.len()),
            Body::Sealed(bytes) => (bytes.as_ptr(), bytes.len()),
        }
    }

    fn place_to_write(&self) -> *mut u8 {
        match &mut *self.body.lock() {
            Body::Draft(draft) if self.references.load(Ordering::Acquire) == 1 => draft.as_mut_ptr(),
            _ => std::ptr::null_mut(),
        }
    }
}

fn check_size(len: usize) -> Result<(), Failure> {
    let max = MESSAGE_BYTES_MAX as usize;
    if len > max {
        let says = format!("a message of {len} bytes: no channel allows more than {max}");
        return Err(Failure::new(bowline_result::BOWLINE_E_TOO_BIG, says));
    }
    Ok(())
}

/// A copy of a caller's bytes, unless they are too many for any channel.
pub(super) fn copied(data: &[u8]) -> Result<Bytes, Failure> {
    check_size(data.len())?;
    Ok(Bytes::copy_from_slice(data))
}

/// Room for `len` bytes, or the result that says there is none: the library must not end a host that is short of memory.
fn room(len: usize) -> Result<Vec<u8>, Failure> {
    check_size(len)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Failure::from(bowline_result::BOWLINE_E_NO_MEMORY))?;
    Ok(bytes)
}

/// Makes a message of zeros, to be filled in place through bowline_msg_data_mut.
///
/// @param len  bytes
/// @param out  the message, with one reference
/// @return BOWLINE_OK, NULL, TOO_BIG, NO_MEMORY.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_new(len: usize, out: *mut *mut bowline_msg) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a writable pointer, or NULL.
        let out = unsafe { Out::of(out)? }.cleared();
        let mut bytes = room(len)?;
        bytes.resize(len, 0);
        out.put(bowline_msg::give(Body::Draft(bytes)));
        Ok(())
    })
}

/// Makes a message of a copy.
///
/// @param data  the bytes; (NULL, 0) makes an empty message
/// @param len   how many
/// @param out   the message, with one reference; it can still be written
/// @return BOWLINE_OK, INVALID, NULL, TOO_BIG, NO_MEMORY.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_copy(data: *const c_void, len: usize, out: *mut *mut bowline_msg) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for `len` bytes and a writable pointer, or NULL.
        let (out, data) = unsafe { (Out::of(out)?.cleared(), raw::bytes(data, len)?) };
        let mut bytes = room(len)?;
        bytes.extend_from_slice(data);
        out.put(bowline_msg::give(Body::Draft(bytes)));
        Ok(())
    })
}

/// Memory of the caller, given back when the last message over it is gone.
struct Lent {
    data: *const u8,
    len: usize,
    release: unsafe extern "C" fn(*mut c_void, usize, *mut c_void),
    ctx: *mut c_void,
}

// SAFETY: the header says that the memory is not changed while it is lent and that `release` may run on any thread.
unsafe impl Send for Lent {}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `bowline_msg_wrap` has checked pointer and length, and the caller keeps the memory until `release`.
        unsafe { raw::bytes(self.data.cast(), self.len) }.unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: the caller gave the function for just these arguments, and this runs once.
        unsafe { (self.release)(self.data.cast_mut().cast(), self.len, self.ctx) }
    }
}

/// Makes a message over the caller's own memory, without a copy. The memory must not change until it is given back. Not for memory
/// that a garbage collector moves or frees (Go).
///
/// @param data     the bytes; (NULL, 0) makes an empty message
/// @param len      how many
/// @param free_fn  gives the memory back: called once, on any thread, when the last reference is gone; not called if this call fails
/// @param ctx      handed to free_fn
/// @param out      the message, with one reference; it cannot be written
/// @return BOWLINE_OK, INVALID, NULL, TOO_BIG.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_wrap(
    data: *const c_void,
    len: usize,
    free_fn: bowline_free_fn,
    ctx: *mut c_void,
    out: *mut *mut bowline_msg,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for `len` bytes and a writable pointer, or NULL.
        let out = unsafe {
            raw::bytes(data, len)?;
            Out::of(out)?.cleared()
        };
        check_size(len)?;
        let release = free_fn.ok_or(bowline_result::BOWLINE_E_NULL)?;
        let lent = Lent { data: data.cast(), len, release, ctx };
        out.put(bowline_msg::sealed(Bytes::from_owner(lent)));
        Ok(())
    })
}

/// The bytes of a message. They stay where they are until the last reference is freed.
///
/// @param msg  may be NULL
/// @return The bytes; NULL for NULL. Of an empty message the pointer means nothing.
/// @threads any holder of a reference
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_data(msg: *const bowline_msg) -> *const u8 {
    guard_or(std::ptr::null(), || {
        // SAFETY: the header asks for NULL or a live message.
        unsafe { handle::borrow(msg) }.map_or(std::ptr::null(), |msg| msg.place().0)
    })
}

/// The bytes of a message for writing: only its single owner may, and only before it was sent for the first time.
///
/// @param msg  may be NULL
/// @return The bytes; NULL if there are several references, if the message was sent or received, or wraps the caller's memory.
/// @threads the owner
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_data_mut(msg: *mut bowline_msg) -> *mut u8 {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the header asks for NULL or a live message.
        unsafe { handle::borrow(msg.cast_const()) }.map_or(std::ptr::null_mut(), Counted::place_to_write)
    })
}

/// How many bytes a message has.
///
/// @param msg  may be NULL
/// @return Bytes; 0 for NULL.
/// @threads any holder of a reference
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_len(msg: *const bowline_msg) -> usize {
    guard_or(0, || {
        // SAFETY: the header asks for NULL or a live message.
        unsafe { handle::borrow(msg) }.map_or(0, |msg| msg.place().1)
    })
}

/// Adds a reference, for another owner who will free it.
///
/// @param msg  may be NULL
/// @return msg; NULL for NULL.
/// @threads any holder of a reference
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_ref(msg: *mut bowline_msg) -> *mut bowline_msg {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the header asks for NULL or a live message.
        match unsafe { handle::borrow(msg.cast_const()) } {
            Ok(counted) => {
                counted.references.fetch_add(1, Ordering::Relaxed);
                msg
            }
            Err(_) => std::ptr::null_mut(),
        }
    })
}

/// Drops a reference; the last one frees the message. Also when the node that it came from is gone.
///
/// @param msg  may be NULL
/// @threads any holder of a reference, once for each reference
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_msg_free(msg: *mut bowline_msg) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a message to which the caller holds a reference.
        unsafe { bowline_msg::release(msg) }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checked place, so that a test can look at it.
    fn counted(msg: *mut bowline_msg) -> &'static Counted {
        // SAFETY: the tests use it before they free the message.
        unsafe { handle::borrow(msg.cast_const()) }.expect("a live message")
    }

    fn fresh(len: usize) -> *mut bowline_msg {
        let mut msg = std::ptr::null_mut();
        // SAFETY: `msg` is a local variable.
        assert_eq!(unsafe { bowline_msg_new(len, &raw mut msg) }, bowline_result::BOWLINE_OK);
        msg
    }

    #[test]
    fn a_message_is_writable_until_it_is_shared_or_sent() {
        let msg = fresh(3);
        // SAFETY: the message is alive until its last reference is freed below.
        unsafe {
            bowline_msg_data_mut(msg).write(7);
            bowline_msg_ref(msg);
            assert!(bowline_msg_data_mut(msg).is_null());
            bowline_msg_free(msg);
            let before = bowline_msg_data_mut(msg);
            assert!(!before.is_null());

            assert_eq!(counted(msg).seal(), [7, 0, 0].as_slice());
            assert!(bowline_msg_data_mut(msg).is_null());
            assert_eq!(bowline_msg_data(msg), before.cast_const(), "the bytes stay where they are");
            bowline_msg_free(msg);
        }
    }

    #[test]
    fn a_freed_message_is_refused_also_while_its_place_is_kept() {
        let msg = fresh(3);
        // SAFETY: the only reference of `msg` is freed; its place is kept by this thread, so that it may be looked at.
        unsafe {
            bowline_msg_free(msg);
            assert!(bowline_msg_data(msg).is_null());
            bowline_msg_free(msg);
            let next = fresh(4);
            assert_eq!((next, bowline_msg_len(next)), (msg, 4), "the place is used again");
            bowline_msg_free(next);
        }
    }

    #[test]
    fn places_beyond_those_kept_are_freed() {
        let many: Vec<_> = (0..2 * SPARE_MAX).map(|_| fresh(1)).collect();
        // SAFETY: each message is freed once.
        many.into_iter().for_each(|msg| unsafe { bowline_msg_free(msg) });
        assert_eq!(SPARE.with_borrow(Vec::len), SPARE_MAX);
    }

    #[test]
    fn bytes_outlive_the_message() {
        let msg = fresh(5);
        let bytes = counted(msg).seal();
        // SAFETY: the only reference of `msg` is freed once.
        unsafe { bowline_msg_free(msg) };
        assert_eq!(bytes.len(), 5);
    }

    #[test]
    fn lent_memory_comes_back_once_and_after_the_last_user() {
        static BACK: AtomicUsize = AtomicUsize::new(0);
        unsafe extern "C" fn back(_: *mut c_void, len: usize, _: *mut c_void) {
            BACK.fetch_add(len, Ordering::Relaxed);
        }
        let memory = [1_u8, 2, 3];
        let mut msg = std::ptr::null_mut();
        // SAFETY: `memory` lives until the end of the test; each reference is freed once.
        unsafe {
            let made = bowline_msg_wrap(memory.as_ptr().cast(), 3, Some(back), std::ptr::null_mut(), &raw mut msg);
            assert_eq!(made, bowline_result::BOWLINE_OK);
            let bytes = counted(msg).seal();
            bowline_msg_free(msg);
            assert_eq!((BACK.load(Ordering::Relaxed), bytes.as_ptr()), (0, memory.as_ptr()));
            drop(bytes);
        }
        assert_eq!(BACK.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_message_has_an_upper_size() {
        let mut msg = std::ptr::null_mut();
        // SAFETY: `msg` is a local variable, and bytes beyond the limit are not read.
        unsafe {
            assert_eq!(bowline_msg_new(usize::MAX, &raw mut msg), bowline_result::BOWLINE_E_TOO_BIG);
            assert_eq!(bowline_msg_new(MESSAGE_BYTES_MAX as usize + 1, &raw mut msg), bowline_result::BOWLINE_E_TOO_BIG);
        }
        assert!(msg.is_null());
    }
}
