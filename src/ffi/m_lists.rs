//! Section M of the header: lists that were true at one moment and stay readable for ever.

use super::b_errors::bowline_result;
use super::guard::{guard, guard_or};
use super::handle::{self, Handle};
use super::l_peers::bowline_peer_info;
use super::raw::OutSized;

/// An immutable list. Free it with bowline_list_free.
pub struct bowline_list {
    _opaque: [u8; 0],
}

impl Handle for bowline_list {
    type Value = Vec<bowline_peer_info>;
    const MAGIC: u64 = 0x626f_776c_6c69_7374;
}

/// How many entries a list has.
///
/// @param list  may be NULL
/// @return Entries; 0 for NULL.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_len(list: *const bowline_list) -> usize {
    guard_or(0, || {
        // SAFETY: the header asks for NULL or a live list.
        unsafe { handle::borrow(list) }.map_or(0, Vec::len)
    })
}

/// An entry of a list of peers.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_PEER_INFO_INIT
/// @return BOWLINE_OK, INVALID if it is no list of peers, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_peer(
    list: *const bowline_list,
    index: usize,
    out: *mut bowline_peer_info,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, peers) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        out.put(peers.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?);
        Ok(())
    })
}

/// Frees a list. Also when the node is gone.
///
/// @param list  may be NULL
/// @threads any, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_free(list: *mut bowline_list) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a list that nobody uses any more.
        drop(unsafe { handle::take(list) });
    });
}
