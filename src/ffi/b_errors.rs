//! Section B of the header: every result there is, its text, and the error object that says more.

use super::guard::{c_text, guard_or};
use super::handle::{self, Handle};
use super::raw::Out;
use crate::base::reason::CloseReason;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

/// What a call answers: 0, or a negative number that never changes its meaning. -1 to -19: the caller; -20 to -39: flow; -40 to -69:
/// peers and the network; -70 to -89: the system; -90 to -99: never expected.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bowline_result {
    /// Success.
    BOWLINE_OK = 0,
    /// An argument has a value that is not allowed.
    BOWLINE_E_INVALID = -1,
    /// A pointer that must be given is NULL.
    BOWLINE_E_NULL = -2,
    /// The call does not fit the present state of the object.
    BOWLINE_E_STATE = -3,
    /// The struct_size or event_size is none that this library knows.
    BOWLINE_E_STRUCT_SIZE = -4,
    /// The buffer is too small.
    BOWLINE_E_BUFFER = -5,
    /// A text is not valid UTF-8.
    BOWLINE_E_UTF8 = -6,
    /// There is nothing of that name or number.
    BOWLINE_E_NOT_FOUND = -7,
    /// There is one of that name or number already.
    BOWLINE_E_EXISTS = -8,
    /// This version of the library cannot do that.
    BOWLINE_E_UNSUPPORTED = -9,
    /// This process was forked off the one that it belongs to, or that had nodes.
    BOWLINE_E_FORKED = -10,
    /// The versions do not fit each other.
    BOWLINE_E_VERSION = -11,
    /// The setting cannot be changed while the node runs.
    BOWLINE_E_READ_ONLY = -12,
    /// Not now, and the call was told not to wait.
    BOWLINE_E_AGAIN = -20,
    /// The time is over.
    BOWLINE_E_TIMEOUT = -21,
    /// Larger than allowed.
    BOWLINE_E_TOO_BIG = -23,
    /// Ended on request.
    BOWLINE_E_CANCELED = -24,
    /// Not sent before its deadline, and dropped.
    BOWLINE_E_EXPIRED = -25,
    /// The node has stopped.
    BOWLINE_E_STOPPED = -26,
    /// A limit is reached.
    BOWLINE_E_LIMIT = -27,
    /// Something was dropped for want of room.
    BOWLINE_E_DROPPED = -28,
    /// That peer is not connected any more.
    BOWLINE_E_PEER_GONE = -40,
    /// This node or the peer does not have the channel.
    BOWLINE_E_NO_CHANNEL = -41,
    /// That request is over.
    BOWLINE_E_NO_REQUEST = -42,
    /// The peer answered with an error.
    BOWLINE_E_REMOTE = -43,
    /// The connection was refused.
    BOWLINE_E_REFUSED = -44,
    /// The address cannot be reached.
    BOWLINE_E_UNREACHABLE = -45,
    /// The connection broke.
    BOWLINE_E_RESET = -46,
    /// The handshake failed.
    BOWLINE_E_HANDSHAKE = -47,
    /// The identity is another one, or is not valid.
    BOWLINE_E_IDENTITY = -48,
    /// The peer belongs to another network.
    BOWLINE_E_NETWORK_ID = -49,
    /// The peer broke the protocol.
    BOWLINE_E_PROTOCOL = -50,
    /// The peer or address is banned.
    BOWLINE_E_BANNED = -51,
    /// The peer or address is greylisted for a while.
    BOWLINE_E_GREYLISTED = -52,
    /// The address to listen on is in use.
    BOWLINE_E_ADDR_IN_USE = -53,
    /// The address to listen on is not one of this machine.
    BOWLINE_E_ADDR_UNAVAILABLE = -54,
    /// The peer is this node itself.
    BOWLINE_E_SELF = -55,
    /// There is a link with this peer already.
    BOWLINE_E_DUPLICATE = -56,
    /// The peer behaved badly.
    BOWLINE_E_MISBEHAVED = -57,
    /// The operating system reported an error.
    BOWLINE_E_IO = -70,
    /// Out of memory.
    BOWLINE_E_NO_MEMORY = -71,
    /// Out of file descriptors.
    BOWLINE_E_NO_FILES = -72,
    /// Permission is missing, or is wider than is safe.
    BOWLINE_E_PERMISSION = -73,
    /// The cryptography library failed.
    BOWLINE_E_CRYPTO = -74,
    /// The library panicked in this call: a bug of bowline.
    BOWLINE_E_PANIC = -90,
    /// The node failed earlier: see bowline_node_fatal_error.
    BOWLINE_E_FATAL = -91,
    /// A broken invariant: a bug of bowline.
    BOWLINE_E_INTERNAL = -92,
}

/// The same call may succeed later.
pub const BOWLINE_RESULT_RETRYABLE: u32 = 1;
/// The node, or the library, is broken: stop and report it.
pub const BOWLINE_RESULT_FATAL: u32 = 2;
/// It is about one peer; others are not concerned.
pub const BOWLINE_RESULT_PEER: u32 = 4;

/// A row of the result table.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_result_info {
    /// The result.
    pub code: bowline_result,
    /// BOWLINE_RESULT_* bits.
    pub flags: u32,
    /// Its name: "BOWLINE_E_TIMEOUT". Static.
    pub name: *const c_char,
    /// What it means. Static.
    pub text: *const c_char,
}

/// The rows hold pointers, which only promise threads anything because they lead to constants.
struct Table([bowline_result_info; 47]);

// SAFETY: every pointer in the table leads to a constant.
unsafe impl Sync for Table {}

const fn row(code: bowline_result, name: &'static CStr, text: &'static CStr, flags: u32) -> bowline_result_info {
    bowline_result_info { code, flags, name: name.as_ptr(), text: text.as_ptr() }
}

const RETRYABLE: u32 = BOWLINE_RESULT_RETRYABLE;
const FATAL: u32 = BOWLINE_RESULT_FATAL;
const PEER: u32 = BOWLINE_RESULT_PEER;

#[rustfmt::skip]
static TABLE: Table = Table([
    row(bowline_result::BOWLINE_OK, c"BOWLINE_OK", c"success", 0),
    row(bowline_result::BOWLINE_E_INVALID, c"BOWLINE_E_INVALID", c"an argument has a value that is not allowed", 0),
    row(bowline_result::BOWLINE_E_NULL, c"BOWLINE_E_NULL", c"a pointer that must be given is NULL", 0),
    row(bowline_result::BOWLINE_E_STATE, c"BOWLINE_E_STATE", c"the call does not fit the present state of the object", 0),
    row(bowline_result::BOWLINE_E_STRUCT_SIZE, c"BOWLINE_E_STRUCT_SIZE", c"the struct_size or event_size is none that this library knows", 0),
    row(bowline_result::BOWLINE_E_BUFFER, c"BOWLINE_E_BUFFER", c"the buffer is too small", 0),
    row(bowline_result::BOWLINE_E_UTF8, c"BOWLINE_E_UTF8", c"a text is not valid UTF-8", 0),
    row(bowline_result::BOWLINE_E_NOT_FOUND, c"BOWLINE_E_NOT_FOUND", c"there is nothing of that name or number", 0),
    row(bowline_result::BOWLINE_E_EXISTS, c"BOWLINE_E_EXISTS", c"there is one of that name or number already", 0),
    row(bowline_result::BOWLINE_E_UNSUPPORTED, c"BOWLINE_E_UNSUPPORTED", c"this version of the library cannot do that", 0),
    row(bowline_result::BOWLINE_E_FORKED, c"BOWLINE_E_FORKED", c"this process was forked off the one that it belongs to, or that had nodes", 0),
    row(bowline_result::BOWLINE_E_VERSION, c"BOWLINE_E_VERSION", c"the versions do not fit each other", 0),
    row(bowline_result::BOWLINE_E_READ_ONLY, c"BOWLINE_E_READ_ONLY", c"the setting cannot be changed while the node runs", 0),
    row(bowline_result::BOWLINE_E_AGAIN, c"BOWLINE_E_AGAIN", c"not now, and the call was told not to wait", RETRYABLE),
    row(bowline_result::BOWLINE_E_TIMEOUT, c"BOWLINE_E_TIMEOUT", c"the time is over", RETRYABLE),
    row(bowline_result::BOWLINE_E_TOO_BIG, c"BOWLINE_E_TOO_BIG", c"larger than allowed", 0),
    row(bowline_result::BOWLINE_E_CANCELED, c"BOWLINE_E_CANCELED", c"ended on request", 0),
    row(bowline_result::BOWLINE_E_EXPIRED, c"BOWLINE_E_EXPIRED", c"not sent before its deadline, and dropped", RETRYABLE),
    row(bowline_result::BOWLINE_E_STOPPED, c"BOWLINE_E_STOPPED", c"the node has stopped", 0),
    row(bowline_result::BOWLINE_E_LIMIT, c"BOWLINE_E_LIMIT", c"a limit is reached", RETRYABLE),
    row(bowline_result::BOWLINE_E_DROPPED, c"BOWLINE_E_DROPPED", c"something was dropped for want of room", 0),
    row(bowline_result::BOWLINE_E_PEER_GONE, c"BOWLINE_E_PEER_GONE", c"that peer is not connected any more", PEER),
    row(bowline_result::BOWLINE_E_NO_CHANNEL, c"BOWLINE_E_NO_CHANNEL", c"this node or the peer does not have the channel", PEER),
    row(bowline_result::BOWLINE_E_NO_REQUEST, c"BOWLINE_E_NO_REQUEST", c"that request is over", 0),
    row(bowline_result::BOWLINE_E_REMOTE, c"BOWLINE_E_REMOTE", c"the peer answered with an error", PEER),
    row(bowline_result::BOWLINE_E_REFUSED, c"BOWLINE_E_REFUSED", c"the connection was refused", RETRYABLE | PEER),
    row(bowline_result::BOWLINE_E_UNREACHABLE, c"BOWLINE_E_UNREACHABLE", c"the address cannot be reached", RETRYABLE | PEER),
    row(bowline_result::BOWLINE_E_RESET, c"BOWLINE_E_RESET", c"the connection broke", RETRYABLE | PEER),
    row(bowline_result::BOWLINE_E_HANDSHAKE, c"BOWLINE_E_HANDSHAKE", c"the handshake failed", PEER),
    row(bowline_result::BOWLINE_E_IDENTITY, c"BOWLINE_E_IDENTITY", c"the identity is another one, or is not valid", PEER),
    row(bowline_result::BOWLINE_E_NETWORK_ID, c"BOWLINE_E_NETWORK_ID", c"the peer belongs to another network", PEER),
    row(bowline_result::BOWLINE_E_PROTOCOL, c"BOWLINE_E_PROTOCOL", c"the peer broke the protocol", PEER),
    row(bowline_result::BOWLINE_E_BANNED, c"BOWLINE_E_BANNED", c"the peer or address is banned", PEER),
    row(bowline_result::BOWLINE_E_GREYLISTED, c"BOWLINE_E_GREYLISTED", c"the peer or address is greylisted for a while", PEER),
    row(bowline_result::BOWLINE_E_ADDR_IN_USE, c"BOWLINE_E_ADDR_IN_USE", c"the address to listen on is in use", 0),
    row(bowline_result::BOWLINE_E_ADDR_UNAVAILABLE, c"BOWLINE_E_ADDR_UNAVAILABLE", c"the address to listen on is not one of this machine", 0),
    row(bowline_result::BOWLINE_E_SELF, c"BOWLINE_E_SELF", c"the peer is this node itself", PEER),
    row(bowline_result::BOWLINE_E_DUPLICATE, c"BOWLINE_E_DUPLICATE", c"there is a link with this peer already", PEER),
    row(bowline_result::BOWLINE_E_MISBEHAVED, c"BOWLINE_E_MISBEHAVED", c"the peer behaved badly", PEER),
    row(bowline_result::BOWLINE_E_IO, c"BOWLINE_E_IO", c"the operating system reported an error", 0),
    row(bowline_result::BOWLINE_E_NO_MEMORY, c"BOWLINE_E_NO_MEMORY", c"out of memory", 0),
    row(bowline_result::BOWLINE_E_NO_FILES, c"BOWLINE_E_NO_FILES", c"out of file descriptors", RETRYABLE),
    row(bowline_result::BOWLINE_E_PERMISSION, c"BOWLINE_E_PERMISSION", c"permission is missing, or is wider than is safe", 0),
    row(bowline_result::BOWLINE_E_CRYPTO, c"BOWLINE_E_CRYPTO", c"the cryptography library failed", 0),
    row(bowline_result::BOWLINE_E_PANIC, c"BOWLINE_E_PANIC", c"the library panicked in this call: a bug of bowline", FATAL),
    row(bowline_result::BOWLINE_E_FATAL, c"BOWLINE_E_FATAL", c"the node failed earlier: see bowline_node_fatal_error", FATAL),
    row(bowline_result::BOWLINE_E_INTERNAL, c"BOWLINE_E_INTERNAL", c"a broken invariant: a bug of bowline", FATAL),
]);

impl bowline_result {
    /// What the result means, as half a sentence.
    pub fn text(self) -> &'static CStr {
        text_of(self as i32)
    }
}

fn row_of(result: i32) -> Option<&'static bowline_result_info> {
    TABLE.0.iter().find(|row| row.code as i32 == result)
}

fn text_of(result: i32) -> &'static CStr {
    // SAFETY: every text in the table is a constant C string.
    row_of(result).map_or(c"a result that this version of the library does not know", |row| unsafe { CStr::from_ptr(row.text) })
}

/// What a result means, for people: half a sentence.
///
/// @param result  any number
/// @return A static text, never NULL.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_result_text(result: i32) -> *const c_char {
    guard_or(c"".as_ptr(), || text_of(result).as_ptr())
}

/// The name of a result: "BOWLINE_E_TIMEOUT"; "BOWLINE_E_UNKNOWN" for numbers that are none.
///
/// @param result  any number
/// @return A static text, never NULL.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_result_name(result: i32) -> *const c_char {
    guard_or(c"".as_ptr(), || row_of(result).map_or(c"BOWLINE_E_UNKNOWN".as_ptr(), |row| row.name))
}

/// Every result that there is, for those who generate bindings or documents.
///
/// @param out  the first row of a static array; may be NULL to ask for the count only
/// @return How many rows there are.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_result_table(out: *mut *const bowline_result_info) -> usize {
    guard_or(0, || {
        // SAFETY: the header asks for NULL or a writable pointer.
        if let Ok(Some(out)) = unsafe { Out::optional(out) } {
            out.put(TABLE.0.as_ptr());
        }
        TABLE.0.len()
    })
}

/// A failure in a full sentence. Immutable; free it with bowline_error_free.
pub struct bowline_error {
    _opaque: [u8; 0],
}

impl Handle for bowline_error {
    type Value = (bowline_result, CString);
    const MAGIC: u64 = 0x626f_776c_5f65_7272;
}

/// The result that came with an error object.
///
/// @param error  may be NULL
/// @return The result; BOWLINE_OK for NULL; BOWLINE_E_INVALID for what is no error object.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_error_code(error: *const bowline_error) -> bowline_result {
    guard_or(bowline_result::BOWLINE_E_PANIC, || {
        if error.is_null() {
            return bowline_result::BOWLINE_OK;
        }
        // SAFETY: the header asks for NULL or a live error object.
        unsafe { handle::borrow(error) }.map_or_else(|failure| failure.code, |(code, _)| *code)
    })
}

/// What went wrong, with the names and numbers of the case, and what to do.
///
/// @param error  may be NULL
/// @return A text that lives as long as the error object; "" for NULL.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_error_text(error: *const bowline_error) -> *const c_char {
    guard_or(c"".as_ptr(), || {
        // SAFETY: the header asks for NULL or a live error object.
        unsafe { handle::borrow(error) }.map_or(c"".as_ptr(), |(_, text)| text.as_ptr())
    })
}

/// Frees an error object.
///
/// @param error  may be NULL
/// @threads any, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_error_free(error: *mut bowline_error) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or an error object that nobody uses any more.
        drop(unsafe { handle::take(error) });
    })
}

/// What the code of a close reason means, as events carry it in flags.
///
/// @param reason  the code
/// @return A static text, never NULL: "unknown reason" for what is none.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_reason_text(reason: u32) -> *const c_char {
    guard_or(c"unknown reason".as_ptr(), || {
        static TEXTS: OnceLock<Vec<(u16, CString)>> = OnceLock::new();
        let texts = TEXTS.get_or_init(|| CloseReason::ALL.iter().map(|reason| (reason.code(), c_text(reason.text()))).collect());
        let known = texts.iter().find(|(code, _)| u32::from(*code) == reason);
        known.map_or(c"unknown reason".as_ptr(), |(_, text)| text.as_ptr())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique() {
        let codes: std::collections::BTreeSet<_> = TABLE.0.iter().map(|row| row.code as i32).collect();
        // SAFETY: every name in the table is a constant C string.
        let names: std::collections::BTreeSet<_> = TABLE.0.iter().map(|row| unsafe { CStr::from_ptr(row.name) }).collect();
        assert_eq!((codes.len(), names.len()), (TABLE.0.len(), TABLE.0.len()));
    }

    #[test]
    fn an_unknown_number_has_a_text_too() {
        assert_eq!(text_of(-1_000), c"a result that this version of the library does not know");
        // SAFETY: the answer is a constant C string.
        assert_eq!(unsafe { CStr::from_ptr(bowline_result_name(i32::MIN)) }, c"BOWLINE_E_UNKNOWN");
    }
}
