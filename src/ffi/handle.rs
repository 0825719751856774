//! The objects that C holds by pointer. Each lies behind a word that names its kind, so that NULL, a pointer to something else and
//! (as far as freed memory can tell) a freed one are refused instead of followed.

use super::b_errors::bowline_result;
use super::guard::Failure;
use super::raw::aligned;
use std::sync::atomic::{AtomicU64, Ordering};

/// An opaque type of the header.
pub trait Handle: Sized {
    /// What the pointer really leads to.
    type Value;
    /// The word in front of it: any number, another one for each type.
    const MAGIC: u64;
}

/// What lies at the address that C has. `repr(C)`: the word must come first, whatever the type behind the pointer really is.
#[repr(C)]
struct Object<V> {
    magic: AtomicU64,
    value: V,
}

/// The word of an object that was freed.
const FREED: u64 = 0;

/// Hands an object to C, which frees it with the `_free` of its type.
pub fn give<H: Handle>(value: H::Value) -> *mut H {
    Box::into_raw(Box::new(Object { magic: AtomicU64::new(H::MAGIC), value })).cast()
}

/// An object that C lends for the length of a call.
///
/// # Safety
/// `handle` is NULL, or leads to at least eight readable bytes; if they are the word of `H`, it came from `give` and nobody frees it
/// during the call.
pub unsafe fn borrow<'a, H: Handle>(handle: *const H) -> Result<&'a H::Value, Failure>
where
    H::Value: 'a,
{
    let object = handle.cast::<Object<H::Value>>();
    aligned(object)?;
    // SAFETY: it is neither NULL nor misaligned, and the word is what the caller of this function vouches for.
    let magic = unsafe { &(*object).magic };
    if magic.load(Ordering::Acquire) != H::MAGIC {
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "a handle is of another type, or was freed"));
    }
    // SAFETY: the word says that this is a live object of `H`, and the caller vouches that it stays alive for the call.
    Ok(unsafe { &(*object).value })
}

/// Takes an object back from C to free it. `None` for NULL, for another type and for what was freed: there is nothing to free then.
///
/// # Safety
/// As for `borrow`; and nobody else uses the object any more.
pub unsafe fn take<H: Handle>(handle: *mut H) -> Option<H::Value> {
    // SAFETY: the caller of this function vouches for `handle`.
    unsafe { borrow(handle) }.ok()?;
    let object = handle.cast::<Object<H::Value>>();
    // SAFETY: `borrow` has found a live object of `H` there.
    let magic = unsafe { &(*object).magic };
    // Of two threads that free one object at the same time only one may go on.
    magic.compare_exchange(H::MAGIC, FREED, Ordering::AcqRel, Ordering::Relaxed).ok()?;
    // SAFETY: `give` made it with `Box`, and the exchange makes this the only call that takes it back.
    Some(unsafe { Box::from_raw(object) }.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Cat;
    impl Handle for Cat {
        type Value = String;
        const MAGIC: u64 = 0xca7;
    }

    #[derive(Debug)]
    struct Dog;
    impl Handle for Dog {
        type Value = u8;
        const MAGIC: u64 = 0xd09;
    }

    #[test]
    fn an_object_comes_back_as_it_went() {
        let cat: *mut Cat = give("tom".to_owned());
        // SAFETY: `cat` is alive until it is taken.
        unsafe {
            assert_eq!(borrow(cat).map(String::as_str).ok(), Some("tom"));
            assert_eq!(take(cat).as_deref(), Some("tom"));
        }
    }

    #[test]
    fn another_type_is_refused_and_left_alone() {
        let cat: *mut Cat = give("tom".to_owned());
        // SAFETY: a wrong type is only looked at; `cat` is taken once.
        unsafe {
            let failure = borrow(cat.cast::<Dog>()).expect_err("a cat is no dog");
            assert_eq!(failure.code, bowline_result::BOWLINE_E_INVALID);
            assert_eq!(take(cat.cast::<Dog>()), None);
            assert_eq!(take(cat).as_deref(), Some("tom"));
        }
    }

    #[test]
    fn null_and_misaligned_are_refused() {
        // SAFETY: neither pointer is followed.
        unsafe {
            assert_eq!(borrow::<Dog>(std::ptr::null()).expect_err("NULL").code, bowline_result::BOWLINE_E_NULL);
            assert_eq!(borrow::<Dog>(std::ptr::without_provenance(9)).expect_err("odd").code, bowline_result::BOWLINE_E_INVALID);
            assert_eq!(take::<Dog>(std::ptr::null_mut()), None);
        }
    }
}
