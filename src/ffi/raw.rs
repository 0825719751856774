//! Pointers from C made into Rust values: NULL, alignment, length, UTF-8 and `struct_size` are checked here and nowhere else.
//! It trusts the caller only for what no callee can check: that a pointer which is not NULL leads to what the header says.

use super::b_errors::bowline_result;
use super::guard::Failure;
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::mem::{MaybeUninit, size_of};
use std::time::Duration;

/// Largest `struct_size` and `event_size` that is believed, bytes: one page, as Linux does for its own growing structs. Without a
/// bound, a caller's uninitialised size would have us read gigabytes of its memory.
pub const STRUCT_SIZE_MAX: usize = 4_096;

/// Where a caller wants a value. Nothing is read through it, so the memory may be uninitialised.
#[derive(Debug)]
pub struct Out<'a, T> {
    to: *mut T,
    call: PhantomData<&'a mut T>,
}

impl<T> Out<'_, T> {
    /// A place that must be given.
    ///
    /// # Safety
    /// `to` is NULL or may be written during this call.
    pub unsafe fn of(to: *mut T) -> Result<Self, Failure> {
        aligned(to)?;
        Ok(Out { to, call: PhantomData })
    }

    /// A place that may be left out with NULL.
    ///
    /// # Safety
    /// As for `of`.
    pub unsafe fn optional(to: *mut T) -> Result<Option<Self>, Failure> {
        if to.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller of this function vouches for `to`.
        unsafe { Out::of(to) }.map(Some)
    }

    pub fn put(&self, value: T) {
        // SAFETY: `of` was promised that `to` may be written, and it is aligned.
        unsafe { self.to.write(value) }
    }
}

impl<T> Out<'_, *mut T> {
    /// Pointer outs are NULL until the call has succeeded, so that a caller who frees after a failure frees nothing.
    pub fn cleared(self) -> Self {
        self.put(std::ptr::null_mut());
        self
    }
}

/// Refuses NULL and misaligned pointers.
pub fn aligned<T>(pointer: *const T) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(bowline_result::BOWLINE_E_NULL.into());
    }
    if !pointer.is_aligned() {
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "a pointer is not aligned for what it should point to"));
    }
    Ok(())
}

/// A plain value that the caller lends.
///
/// # Safety
/// `from` is NULL or leads to a `T` that nobody changes during this call.
pub unsafe fn read<T: Copy>(from: *const T) -> Result<T, Failure> {
    aligned(from)?;
    // SAFETY: it is neither NULL nor misaligned, and the caller of this function vouches for the rest.
    Ok(unsafe { from.read() })
}

/// A NUL-terminated UTF-8 text that the caller lends.
///
/// # Safety
/// `from` is NULL or leads to a NUL-terminated text that nobody changes during this call.
pub unsafe fn text<'a>(from: *const c_char) -> Result<&'a str, Failure> {
    aligned(from)?;
    // SAFETY: it is not NULL, and the caller of this function vouches for the terminator.
    let text = unsafe { CStr::from_ptr(from) };
    text.to_str().map_err(|error| {
        let at = error.valid_up_to();
        Failure::new(bowline_result::BOWLINE_E_UTF8, format!("a text must be UTF-8; this one is not, from byte {at} on"))
    })
}

/// A text that may be left out with NULL, and is empty then.
///
/// # Safety
/// As for `text`.
pub unsafe fn optional_text<'a>(from: *const c_char) -> Result<&'a str, Failure> {
    // SAFETY: the caller of this function vouches for `from`.
    if from.is_null() { Ok("") } else { unsafe { text(from) } }
}

/// Bytes that the caller lends. `(NULL, 0)` is empty, as Go passes empty slices.
///
/// # Safety
/// `from` is NULL or leads to `len` bytes that nobody changes during this call.
pub unsafe fn bytes<'a>(from: *const c_void, len: usize) -> Result<&'a [u8], Failure> {
    // SAFETY: the caller of this function vouches for the bytes.
    unsafe { array(from.cast(), len) }
}

/// `bytes`, of another type.
///
/// # Safety
/// `from` is NULL or leads to `len` values that nobody changes during this call.
pub unsafe fn array<'a, T>(from: *const T, len: usize) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    if len > isize::MAX as usize / size_of::<T>() {
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, format!("{len} are more than can be addressed")));
    }
    aligned(from)?;
    // SAFETY: neither NULL nor misaligned nor longer than a slice can be, and the caller of this function vouches for the values.
    Ok(unsafe { std::slice::from_raw_parts(from, len) })
}

/// Writes `text` and a NUL as `snprintf` would, but never a part of it. `needed` (optional) always learns the room it takes.
///
/// # Safety
/// `buf` is NULL or may be written for `cap` bytes; `needed` is NULL or may be written.
pub unsafe fn fill(text: &str, buf: *mut c_char, cap: usize, needed: *mut usize) -> Result<(), Failure> {
    // SAFETY: the caller of this function vouches for `needed`.
    if let Some(needed) = unsafe { Out::optional(needed) }? {
        needed.put(text.len() + 1);
    }
    if cap > 0 {
        aligned(buf)?;
    }
    if cap <= text.len() {
        let says = format!("the text needs {} bytes with its NUL, the buffer has {cap}", text.len() + 1);
        return Err(Failure::new(bowline_result::BOWLINE_E_BUFFER, says));
    }
    // SAFETY: `cap` is larger than the text, the caller of this function vouches for `cap` bytes, and a text of ours cannot overlap them.
    unsafe {
        buf.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        buf.add(text.len()).write(0);
    }
    Ok(())
}

/// Writes `bytes`, all of them or none. `needed` (optional) always learns how many there are.
///
/// # Safety
/// `buf` is NULL or may be written for `cap` bytes; `needed` is NULL or may be written.
pub unsafe fn fill_bytes(bytes: &[u8], buf: *mut c_void, cap: usize, needed: *mut usize) -> Result<(), Failure> {
    // SAFETY: the caller of this function vouches for `needed`.
    if let Some(needed) = unsafe { Out::optional(needed) }? {
        needed.put(bytes.len());
    }
    if cap > 0 {
        aligned(buf.cast::<u8>())?;
    }
    if cap < bytes.len() {
        let says = format!("there are {} bytes, the buffer has room for {cap}", bytes.len());
        return Err(Failure::new(bowline_result::BOWLINE_E_BUFFER, says));
    }
    if !bytes.is_empty() {
        // SAFETY: `cap` is no smaller, the caller of this function vouches for it, and bytes of ours cannot overlap the buffer.
        unsafe { buf.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
    Ok(())
}

/// How long a call may wait: `None` is for ever.
pub fn timeout(timeout_ms: i64) -> Result<Option<Duration>, Failure> {
    match timeout_ms {
        -1 => Ok(None),
        0.. => Ok(Some(Duration::from_millis(timeout_ms.unsigned_abs()))),
        _ => {
            let says = format!("timeout_ms is {timeout_ms}: milliseconds, BOWLINE_NOWAIT (0) or BOWLINE_FOREVER (-1)");
            Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says))
        }
    }
}

/// A struct of the header that may grow: its first member is `uint32_t struct_size`.
///
/// # Safety
/// Implementors are `repr(C)` without padding, begin with `struct_size: u32`, and every bit pattern is a value of theirs.
pub unsafe trait Growing: Copy {
    /// Size in the first version that had the struct; smaller is refused for ever.
    const FIRST: usize;
}

fn believed(size: u32, first: usize) -> Result<usize, Failure> {
    let size = size as usize;
    if !(first..=STRUCT_SIZE_MAX).contains(&size) {
        let says =
            format!("struct_size is {size}: set it to sizeof the struct (at least {first}), or begin with its _INIT macro");
        return Err(Failure::new(bowline_result::BOWLINE_E_STRUCT_SIZE, says));
    }
    Ok(size)
}

/// A growing struct that the caller lends. Members that its header did not have yet are zero here; members that ours does not
/// have yet must be zero there, because they would be ignored.
///
/// # Safety
/// `from` is NULL or leads to a `T` of `struct_size` bytes that nobody changes during this call.
pub unsafe fn read_sized<T: Growing>(from: *const T) -> Result<T, Failure> {
    // SAFETY: `struct_size` is the first member, and the caller of this function vouches for it.
    let size = believed(unsafe { read(from.cast::<u32>()) }?, T::FIRST)?;
    aligned(from)?;
    let own = size_of::<T>();
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the caller vouches for `size` bytes and `value` has `own`; every bit pattern, zeros too, is a value of such a struct.
    let (value, rest) = unsafe {
        value.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(from.cast(), size.min(own));
        let rest = std::slice::from_raw_parts(from.cast::<u8>().add(size.min(own)), size.saturating_sub(own));
        (value.assume_init(), rest)
    };
    if rest.iter().any(|byte| *byte != 0) {
        let says = format!("struct_size is {size}, this library knows {own} bytes of the struct, and those beyond are not zero");
        return Err(Failure::new(bowline_result::BOWLINE_E_STRUCT_SIZE, says));
    }
    Ok(value)
}

/// Where a caller wants a growing struct; its `struct_size` is already there.
#[derive(Debug)]
pub struct OutSized<'a, T> {
    to: *mut T,
    size: usize,
    call: PhantomData<&'a mut T>,
}

impl<T: Growing> OutSized<'_, T> {
    /// # Safety
    /// `to` is NULL or leads to `struct_size` bytes that may be written, of which the first member is set.
    pub unsafe fn of(to: *mut T) -> Result<Self, Failure> {
        // SAFETY: `struct_size` is the first member, and the caller of this function vouches for it.
        let size = believed(unsafe { read(to.cast::<u32>().cast_const()) }?, T::FIRST)?;
        aligned(to)?;
        Ok(OutSized { to, size, call: PhantomData })
    }

    /// A place that may be left out with NULL.
    ///
    /// # Safety
    /// As for `of`.
    pub unsafe fn optional(to: *mut T) -> Result<Option<Self>, Failure> {
        if to.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller of this function vouches for `to`.
        unsafe { OutSized::of(to) }.map(Some)
    }

    /// Writes what the caller's header knows of `value`, zeros beyond what we know, and leaves `struct_size` as it was.
    pub fn put(&self, value: &T) {
        let own = size_of::<T>().min(self.size);
        let skip = size_of::<u32>();
        // SAFETY: `of` was promised `size` bytes; `own` and `skip` are within both structs.
        unsafe {
            let to = self.to.cast::<u8>();
            to.add(skip).copy_from_nonoverlapping(std::ptr::from_ref(value).cast::<u8>().add(skip), own - skip);
            to.add(own).write_bytes(0, self.size - own);
        }
    }
}

/// Somebody's text for people: what is not printable ASCII becomes '?', and it ends with a NUL.
pub fn printable<const N: usize>(text: &str) -> [c_char; N] {
    let mut out = [0; N];
    for (slot, c) in out[..N - 1].iter_mut().zip(text.chars()) {
        let shown = if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
        *slot = c_char::try_from(u32::from(shown)).unwrap_or(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Two {
        struct_size: u32,
        a: u32,
        b: u64,
    }

    // SAFETY: repr(C), no padding, integers only, the size first.
    unsafe impl Growing for Two {
        const FIRST: usize = 8;
    }

    fn code<T>(result: Result<T, Failure>) -> bowline_result {
        result.err().map_or(bowline_result::BOWLINE_OK, |failure| failure.code)
    }

    #[test]
    fn an_older_callers_missing_members_are_zero() {
        let old = Two { struct_size: 8, a: 1, b: 99 };
        // SAFETY: `old` has more bytes than it says.
        let read = unsafe { read_sized(&raw const old) }.expect("the size is right");
        assert_eq!((read.a, read.b), (1, 0));
    }

    #[test]
    fn a_newer_callers_extra_members_must_be_zero() {
        let mut new = [Two { struct_size: 32, a: 1, b: 2 }, Two { struct_size: 0, a: 0, b: 0 }];
        // SAFETY: the array has the 32 bytes that its first member says.
        assert_eq!(code(unsafe { read_sized(new.as_ptr()) }), bowline_result::BOWLINE_OK);
        new[1].b = 1;
        // SAFETY: as above.
        assert_eq!(code(unsafe { read_sized(new.as_ptr()) }), bowline_result::BOWLINE_E_STRUCT_SIZE);
    }

    #[test]
    fn wrong_sizes_are_refused() {
        for size in [0, 7, 4_097, u32::MAX] {
            let mut it = Two { struct_size: size, a: 1, b: 2 };
            // SAFETY: a size that is not believed is not read beyond.
            let codes = unsafe { (code(read_sized(&raw const it)), code(OutSized::of(&raw mut it))) };
            assert_eq!(codes, (bowline_result::BOWLINE_E_STRUCT_SIZE, bowline_result::BOWLINE_E_STRUCT_SIZE), "{size}");
        }
    }

    #[test]
    fn an_output_is_written_as_far_as_the_caller_knows_it() {
        let value = Two { struct_size: 16, a: 5, b: 6 };
        let mut old = Two { struct_size: 8, a: 0, b: 77 };
        // SAFETY: `old` has more bytes than it says.
        unsafe { OutSized::of(&raw mut old) }.expect("the size is right").put(&value);
        assert_eq!((old.struct_size, old.a, old.b), (8, 5, 77));

        let mut new = [Two { struct_size: 32, a: 0, b: 0 }, Two { struct_size: 9, a: 9, b: 9 }];
        // SAFETY: the array has the 32 bytes that its first member says.
        unsafe { OutSized::of(new.as_mut_ptr()) }.expect("the size is right").put(&value);
        assert_eq!((new[0].struct_size, new[0].b, new[1].struct_size, new[1].b), (32, 6, 0, 0));
    }

    #[test]
    fn empty_bytes_may_be_null_and_others_not() {
        // SAFETY: nothing is read where the length is 0, the pointer NULL or the length impossible.
        unsafe {
            assert_eq!(bytes(std::ptr::null(), 0).map(<[u8]>::len).ok(), Some(0));
            assert_eq!(code(bytes(std::ptr::null(), 1)), bowline_result::BOWLINE_E_NULL);
            assert_eq!(code(bytes(std::ptr::null(), usize::MAX)), bowline_result::BOWLINE_E_INVALID);
        }
    }

    #[test]
    fn a_peers_own_words_are_made_harmless_and_end_with_nul() {
        let shown: [c_char; 8] = printable("a\x1b[2Jéabcdef");
        let text: String = shown.iter().map(|c| char::from(c.cast_unsigned())).collect();
        assert_eq!(text, "a?[2J?a\0");
    }
}
