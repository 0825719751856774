//! Section M of the header: lists that were true at one moment and stay readable for ever.

use super::b_errors::bowline_result;
use super::guard::{Failure, guard, guard_or};
use super::handle::{self, Handle};
use super::j_roles::bowline_role_info;
use super::l_facts::{bowline_channel_info, bowline_known_info};
use super::l_peers::bowline_peer_info;
use super::l_scores::bowline_cause;
use super::n_access::bowline_ban_info;
use super::p_addrbook::bowline_addr_info;
use super::raw::{self, OutSized};
use std::ffi::{c_char, c_void};

/// An immutable list. Free it with bowline_list_free.
pub struct bowline_list {
    _opaque: [u8; 0],
}

/// What `bowline_list` really is.
pub enum List {
    Peers(Vec<bowline_peer_info>),
    Bans(Vec<bowline_ban_info>),
    /// Each with its note.
    Addresses(Vec<(bowline_addr_info, Box<[u8]>)>),
    /// Each with its note.
    Known(Vec<(bowline_known_info, Box<[u8]>)>),
    Roles(Vec<bowline_role_info>),
    Channels(Vec<bowline_channel_info>),
    Causes(Vec<bowline_cause>),
    Texts(Vec<String>),
}

impl List {
    fn len(&self) -> usize {
        match self {
            List::Peers(peers) => peers.len(),
            List::Bans(bans) => bans.len(),
            List::Addresses(addresses) => addresses.len(),
            List::Known(known) => known.len(),
            List::Roles(roles) => roles.len(),
            List::Channels(channels) => channels.len(),
            List::Causes(causes) => causes.len(),
            List::Texts(texts) => texts.len(),
        }
    }
}

impl Handle for bowline_list {
    type Value = List;
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
        unsafe { handle::borrow(list) }.map_or(0, List::len)
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
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Peers(peers) = list else { return Err(another("bowline_list_peer", "peers")) };
        out.put(peers.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?);
        Ok(())
    })
}

/// An entry of a list of bans, of the trusted, or of the greylist.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_BAN_INFO_INIT
/// @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_ban(list: *const bowline_list, index: usize, out: *mut bowline_ban_info) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Bans(bans) = list else { return Err(another("bowline_list_ban", "bans")) };
        out.put(bans.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?);
        Ok(())
    })
}

/// An entry of a list of known addresses.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_ADDR_INFO_INIT
/// @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_addr(
    list: *const bowline_list,
    index: usize,
    out: *mut bowline_addr_info,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Addresses(addresses) = list else { return Err(another("bowline_list_addr", "known addresses")) };
        out.put(&addresses.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?.0);
        Ok(())
    })
}

/// An entry of a list of identities.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_KNOWN_INFO_INIT
/// @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_known(
    list: *const bowline_list,
    index: usize,
    out: *mut bowline_known_info,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Known(known) = list else { return Err(another("bowline_list_known", "identities")) };
        out.put(&known.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?.0);
        Ok(())
    })
}

/// An entry of a list of role quotas.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_ROLE_INFO_INIT
/// @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_role(
    list: *const bowline_list,
    index: usize,
    out: *mut bowline_role_info,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Roles(roles) = list else { return Err(another("bowline_list_role", "role quotas")) };
        out.put(roles.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?);
        Ok(())
    })
}

/// An entry of a list of channels.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_CHANNEL_INFO_INIT
/// @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_channel(
    list: *const bowline_list,
    index: usize,
    out: *mut bowline_channel_info,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Channels(channels) = list else { return Err(another("bowline_list_channel", "channels")) };
        out.put(channels.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?);
        Ok(())
    })
}

/// An entry of a list of causes of a score.
///
/// @param list   the list
/// @param index  0 and up
/// @param out    begin with BOWLINE_CAUSE_INIT
/// @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_cause(list: *const bowline_list, index: usize, out: *mut bowline_cause) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list and a struct that begins with its size, or NULL.
        let (out, list) = unsafe { (OutSized::of(out)?, handle::borrow(list)?) };
        let List::Causes(causes) = list else { return Err(another("bowline_list_cause", "causes")) };
        out.put(causes.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?);
        Ok(())
    })
}

/// What the application has noted of an entry of a list of known addresses or identities, with bowline_addr_note or bowline_peer_note.
///
/// @param list    the list
/// @param index   0 and up
/// @param buf     where to; may be NULL if cap is 0
/// @param cap     bytes there; 256 are always enough
/// @param needed  may be NULL; how many there are, also if they do not fit; 0 if nothing was noted
/// @return BOWLINE_OK, BUFFER, INVALID if it is no such list, NOT_FOUND beyond the end, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_note(
    list: *const bowline_list,
    index: usize,
    buf: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list, `cap` bytes and a writable number, or NULL.
        unsafe {
            let note = match handle::borrow(list)? {
                List::Addresses(addresses) => addresses.get(index).map(|(_, note)| note),
                List::Known(known) => known.get(index).map(|(_, note)| note),
                _ => return Err(another("bowline_list_note", "known addresses or identities")),
            };
            raw::fill_bytes(note.ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?, buf, cap, needed)
        }
    })
}

/// An entry of a list of texts.
///
/// @param list    the list
/// @param index   0 and up
/// @param buf     where to; may be NULL if cap is 0
/// @param cap     bytes there
/// @param needed  may be NULL; the bytes that the text needs with its NUL, also if it does not fit
/// @return BOWLINE_OK, BUFFER, INVALID if it is no such list, NOT_FOUND beyond the end, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_list_text(
    list: *const bowline_list,
    index: usize,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a list, `cap` bytes and a writable number, or NULL.
        unsafe {
            let List::Texts(texts) = handle::borrow(list)? else { return Err(another("bowline_list_text", "texts")) };
            raw::fill(texts.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?, buf, cap, needed)
        }
    })
}

/// The list has entries of another kind.
fn another(call: &str, has: &str) -> Failure {
    Failure::new(bowline_result::BOWLINE_E_INVALID, format!("{call} takes a list of {has}, this one has something else"))
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
