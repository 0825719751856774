//! The objects that C holds by pointer. Each lies behind a word that names its kind, so that NULL, a pointer to something else and
//! (as far as freed memory can tell) a freed one are refused instead of followed.

use super::b_errors::bowline_result;
use super::guard::Failure;
use super::raw::aligned;
use std::mem::MaybeUninit;
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

/// The memory of an object that is gone, for another one.
pub struct Place<H: Handle>(Box<MaybeUninit<Object<H::Value>>>);

impl<H: Handle> Place<H> {
    /// The system's allocator gives it.
    pub fn fresh() -> Place<H> {
        Place(Box::new_uninit())
    }

    /// `give` without an allocation: `write` makes the value where it is to lie.
    ///
    /// # Safety
    /// `write` makes all of it.
    #[inline(always)]
    pub unsafe fn give(self, write: impl FnOnce(*mut H::Value)) -> *mut H {
        let object = Box::into_raw(self.0).cast::<Object<H::Value>>();
        // SAFETY: the memory is an object's, and nobody else has it.
        unsafe {
            write(&raw mut (*object).value);
            (&raw mut (*object).magic).write(AtomicU64::new(H::MAGIC));
        }
        object.cast()
    }
}

/// An object that C lends for the length of a call.
///
/// # Safety
/// `handle` is NULL, or leads to at least eight readable bytes; if they are the word of `H`, it came from `give` and nobody frees it
/// during the call.
#[inline]
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
    // SAFETY: as here; the value is moved out once, and the memory freed.
    unsafe {
        let object = claim(handle)?;
        let value = (&raw const (*object).value).read();
        drop(Place::<H>(Box::from_raw(object.cast())));
        Some(value)
    }
}

/// `take` of a value that is dropped where it lies. Returns its memory.
///
/// # Safety
/// As for `take`.
#[inline]
pub unsafe fn end<H: Handle>(handle: *mut H) -> Option<Place<H>> {
    // SAFETY: as here; the value is dropped once, and the memory is no object any more.
    unsafe {
        let object = claim(handle)?;
        (&raw mut (*object).value).drop_in_place();
        Some(Place(Box::from_raw(object.cast())))
    }
}

/// Makes the word say that the object was freed. It came from `give` and `Box`, and this is the only call that frees it.
///
/// # Safety
/// As for `take`.
#[inline]
unsafe fn claim<H: Handle>(handle: *mut H) -> Option<*mut Object<H::Value>> {
    // SAFETY: the caller of this function vouches for `handle`.
    unsafe { borrow(handle) }.ok()?;
    let object = handle.cast::<Object<H::Value>>();
    // SAFETY: `borrow` has found a live object of `H` there.
    let magic = unsafe { &(*object).magic };
    // Of two threads that free one object at the same time only one may go on.
    magic.compare_exchange(H::MAGIC, FREED, Ordering::AcqRel, Ordering::Relaxed).ok()?;
    Some(object)
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
    fn a_place_is_used_again() {
        let cat: *mut Cat = give("tom".to_owned());
        // SAFETY: each object is alive until it is taken; between them the memory is kept by its place.
        unsafe {
            let place = end(cat).expect("it is alive");
            assert!(borrow(cat.cast_const()).is_err(), "it was freed");
            let next = place.give(|to| to.write("tim".to_owned()));
            assert_eq!((next, take(next).as_deref()), (cat, Some("tim")));
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
