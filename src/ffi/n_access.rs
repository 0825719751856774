//! Section N of the header: who may come and who may not. `docs/operators.md` has the precedence of the lists.

use super::b_errors::{bowline_error, bowline_result};
use super::d_identity::bowline_peer_id;
use super::e_node::{Hosted, bowline_node, hosted};
use super::event::moment;
use super::guard::{Failure, guard, guard_err};
use super::handle;
use super::m_lists::{List, bowline_list};
use super::raw::{self, Growing, Out, printable};
use super::s_addresses::bowline_addr;
use crate::base::subject::Subject;
use crate::node::access::{GreyInfo, ListInfo};
use crate::pool::lists::{By, Culprit, Standing};
use std::ffi::c_char;
use std::net::SocketAddr;

/// bowline_ban_info.kind: an identity, in id.
pub const BOWLINE_SUBJECT_PEER: u32 = 1;
/// bowline_ban_info.kind: the addresses of a prefix, in addr and prefix_len.
pub const BOWLINE_SUBJECT_NET: u32 = 2;

/// bowline_ban_info.by: the operator, or the settings.
pub const BOWLINE_BY_OPERATOR: u32 = 1;
/// bowline_ban_info.by: the peer's score.
pub const BOWLINE_BY_SCORE: u32 = 2;
/// bowline_ban_info.by: it broke the protocol, and is on the greylist.
pub const BOWLINE_BY_FAULT: u32 = 3;

/// bowline_standing: no list says anything.
pub const BOWLINE_STANDING_ORDINARY: u32 = 0;
/// bowline_standing: the operator trusts it.
pub const BOWLINE_STANDING_TRUSTED: u32 = 1;
/// bowline_standing: the greylist keeps it out for a while.
pub const BOWLINE_STANDING_GREYLISTED: u32 = 2;
/// bowline_standing: banned.
pub const BOWLINE_STANDING_BANNED: u32 = 3;

/// An entry of the list of bans, of the trusted, or of the greylist. Begin with BOWLINE_BAN_INFO_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_ban_info {
    /// sizeof(bowline_ban_info).
    pub struct_size: u32,
    /// BOWLINE_SUBJECT_*.
    pub kind: u32,
    /// BOWLINE_BY_*.
    pub by: u32,
    /// Leading bits of addr that count; 0 for an identity.
    pub prefix_len: u32,
    /// How often it was greylisted, while each time was within a week of the last; 0 on the other lists.
    pub offences: u32,
    /// 0.
    pub reserved: u32,
    /// Who; zeros for a prefix.
    pub id: bowline_peer_id,
    /// The first address of the prefix, with port 0.
    pub addr: bowline_addr,
    /// When it was put there, by the clock of bowline_clock_ns; 0 on the greylist.
    pub since_ns: u64,
    /// When it ends by itself, by the clock of bowline_clock_ns; 0: never.
    pub until_ns: u64,
    /// Why, as the operator said: printable ASCII, cut, NUL-terminated.
    pub why: [c_char; 72],
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_ban_info {
    const FIRST: usize = 168;
}

impl bowline_ban_info {
    fn of(subject: &Subject) -> bowline_ban_info {
        let none = bowline_ban_info {
            struct_size: 0,
            kind: BOWLINE_SUBJECT_PEER,
            by: BOWLINE_BY_FAULT,
            prefix_len: 0,
            offences: 0,
            reserved: 0,
            id: bowline_peer_id { bytes: [0; 32] },
            addr: bowline_addr::NONE,
            since_ns: 0,
            until_ns: 0,
            why: [0; 72],
        };
        match subject {
            Subject::Peer(peer) => bowline_ban_info { id: bowline_peer_id::of(*peer), ..none },
            Subject::Net(net) => bowline_ban_info {
                kind: BOWLINE_SUBJECT_NET,
                prefix_len: net.prefix_len().into(),
                addr: bowline_addr::of(SocketAddr::new(net.addr(), 0)),
                ..none
            },
        }
    }

    fn of_entry(entry: &ListInfo, origin_ns: u64) -> bowline_ban_info {
        let by = match entry.by {
            By::Operator => BOWLINE_BY_OPERATOR,
            By::Score => BOWLINE_BY_SCORE,
        };
        bowline_ban_info {
            by,
            since_ns: moment(entry.since, origin_ns),
            until_ns: entry.until.map_or(0, |until| moment(until, origin_ns)),
            why: printable(&entry.why),
            ..bowline_ban_info::of(&entry.subject)
        }
    }

    fn of_culprit(entry: &GreyInfo, origin_ns: u64) -> bowline_ban_info {
        let (until_ns, offences) = (moment(entry.until, origin_ns), entry.offences);
        bowline_ban_info { until_ns, offences, ..bowline_ban_info::of(&entry.culprit.subject()) }
    }
}

/// Whom a text names.
///
/// # Safety
/// As for `raw::text`.
unsafe fn subject(target: *const c_char) -> Result<Subject, Failure> {
    // SAFETY: the caller of this function vouches for `target`.
    let text = unsafe { raw::text(target) }?;
    text.parse()
        .map_err(|error: crate::base::subject::SubjectError| Failure::new(bowline_result::BOWLINE_E_INVALID, error.to_string()))
}

/// Bans a peer, an address or a prefix. It beats trust, and ends it for the same subject. Links are closed at once, and nobody is told why. An
/// entry for the same subject is replaced. With a store it is saved before the call returns, or a second has passed.
///
/// @param node     the node
/// @param target   a peer id of 64 hex digits, an address, or a prefix such as "192.0.2.0/24" or "2001:db8::/32"
/// @param lasts_ms how long; BOWLINE_FOREVER until it is lifted
/// @param why      may be NULL; for people, kept to 64 characters
/// @param closed   may be NULL; how many links, dials and handshakes it ended
/// @param err      may be NULL
/// @return BOWLINE_OK, INVALID (also for this node itself, and for no time), LIMIT if the list is full, STATE if the node is not started,
///         STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_ban(
    node: *mut bowline_node,
    target: *const c_char,
    lasts_ms: i64,
    why: *const c_char,
    closed: *mut usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, texts and a writable number, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (closed, hosted, target) = (Out::optional(closed)?, hosted(node.cast_const())?, subject(target)?);
            let why = raw::optional_text(why)?;
            let count = hosted.running()?.ban(target, raw::timeout(lasts_ms)?, why)?;
            if let Some(closed) = closed {
                closed.put(count);
            }
            Ok(())
        })
    }
}

/// Lifts a ban, of the operator or for a score. Other bans that hold the same address stay. With a store it is saved before the call returns, or a second has passed.
///
/// @param node    the node
/// @param target  exactly what was banned
/// @param err     may be NULL
/// @return BOWLINE_OK, INVALID, NOT_FOUND if exactly that is not banned, STATE if the node is not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_unban(
    node: *mut bowline_node,
    target: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, target) = (hosted(node.cast_const())?, subject(target)?);
            Ok(hosted.running()?.unban(&target)?)
        })
    }
}

/// Trusts a peer, an address or a prefix: it is not greylisted, not dropped, and gets a place where there is none.
/// With a store it is saved before the call returns, or a second has passed.
///
/// @param node     the node
/// @param target   as for bowline_ban
/// @param lasts_ms how long; BOWLINE_FOREVER until it is taken back
/// @param err      may be NULL
/// @return BOWLINE_OK, BANNED if it, or a prefix around it, is banned, INVALID, LIMIT if the list is full, STATE if the node is not started,
///         STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_trust(
    node: *mut bowline_node,
    target: *const c_char,
    lasts_ms: i64,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, target) = (hosted(node.cast_const())?, subject(target)?);
            Ok(hosted.running()?.trust(target, raw::timeout(lasts_ms)?)?)
        })
    }
}

/// Trusts no longer. Where only trusted peers are let in (pool.trusted_only), links that were there for it are closed.
/// With a store it is saved before the call returns, or a second has passed.
///
/// @param node    the node
/// @param target  exactly what was trusted
/// @param err     may be NULL
/// @return BOWLINE_OK, INVALID, NOT_FOUND if exactly that is not trusted, STATE if the node is not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_untrust(
    node: *mut bowline_node,
    target: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, target) = (hosted(node.cast_const())?, subject(target)?);
            Ok(hosted.running()?.untrust(&target)?)
        })
    }
}

/// Takes one off the greylist and forgets its offences. With a store it is saved before the call returns, or a second has passed.
///
/// @param node    the node
/// @param target  a peer id, or an address
/// @param err     may be NULL
/// @return BOWLINE_OK, INVALID (also for a prefix), NOT_FOUND if it was not there, STATE if the node is not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_forgive(
    node: *mut bowline_node,
    target: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, target) = (hosted(node.cast_const())?, subject(target)?);
            let says = "the greylist has peers and single addresses, no prefixes";
            let culprit = Culprit::of(&target).ok_or_else(|| Failure::new(bowline_result::BOWLINE_E_INVALID, says))?;
            let was_there = hosted.running()?.forgive(&culprit)?;
            if was_there { Ok(()) } else { Err(bowline_result::BOWLINE_E_NOT_FOUND.into()) }
        })
    }
}

/// Empties the greylist and forgets all offences. Bans stay. With a store it is saved before the call returns, or a second has passed.
///
/// @param node     the node
/// @param removed  may be NULL; how many it kept out
/// @return BOWLINE_OK, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_greylist_flush(node: *mut bowline_node, removed: *mut usize) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable number, or NULL.
        let (removed, hosted) = unsafe { (Out::optional(removed)?, hosted(node.cast_const())?) };
        let count = hosted.running()?.flush_greylist()?;
        if let Some(removed) = removed {
            removed.put(count);
        }
        Ok(())
    })
}

/// What the lists say of an identity, an address, or an identity at an address.
///
/// @param node  the node
/// @param id    may be NULL
/// @param addr  may be NULL; its port does not matter
/// @param out   BOWLINE_STANDING_*; ORDINARY before the start
/// @return BOWLINE_OK, INVALID, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_standing(
    node: *const bowline_node,
    id: *const bowline_peer_id,
    addr: *const bowline_addr,
    out: *mut u32,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an id, an address and a writable number, or NULL.
        let (out, hosted, id, at) = unsafe {
            let id = if id.is_null() { None } else { Some(raw::read(id)?.id()) };
            let at = if addr.is_null() { None } else { Some(raw::read(addr)?.socket()?) };
            (Out::of(out)?, hosted(node)?, id, at)
        };
        out.put(match hosted.node.standing(at.map(|at| at.ip()), id.as_ref()) {
            Standing::Ordinary => BOWLINE_STANDING_ORDINARY,
            Standing::Trusted => BOWLINE_STANDING_TRUSTED,
            Standing::Greylisted => BOWLINE_STANDING_GREYLISTED,
            Standing::Banned => BOWLINE_STANDING_BANNED,
        });
        Ok(())
    })
}

/// Hands out a list of what `of` makes of a node.
///
/// # Safety
/// `node` is as for `hosted`, and `out` is NULL or may be written.
unsafe fn snapshot(
    node: *const bowline_node,
    out: *mut *mut bowline_list,
    of: impl FnOnce(&Hosted) -> Vec<bowline_ban_info>,
) -> Result<(), Failure> {
    // SAFETY: the caller of this function vouches for both.
    let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
    out.put(handle::give(List::Bans(of(hosted))));
    Ok(())
}

/// Every ban, of the operator and for scores, as a list that does not change any more.
///
/// @param node  the node
/// @param out   the list, for bowline_list_ban; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_bans_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    let of =
        |hosted: &Hosted| hosted.node.bans().iter().map(|entry| bowline_ban_info::of_entry(entry, hosted.origin_ns())).collect();
    // SAFETY: the header asks for a node and a writable pointer, or NULL.
    guard(|| unsafe { snapshot(node, out, of) })
}

/// Whom the node trusts, as a list that does not change any more.
///
/// @param node  the node
/// @param out   the list, for bowline_list_ban; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_trusted_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    let of = |hosted: &Hosted| {
        hosted.node.trusted().iter().map(|entry| bowline_ban_info::of_entry(entry, hosted.origin_ns())).collect()
    };
    // SAFETY: the header asks for a node and a writable pointer, or NULL.
    guard(|| unsafe { snapshot(node, out, of) })
}

/// Whom the greylist keeps out now, as a list that does not change any more.
///
/// @param node  the node
/// @param out   the list, for bowline_list_ban; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_greylist_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    let of = |hosted: &Hosted| {
        hosted.node.greylist().iter().map(|entry| bowline_ban_info::of_culprit(entry, hosted.origin_ns())).collect()
    };
    // SAFETY: the header asks for a node and a writable pointer, or NULL.
    guard(|| unsafe { snapshot(node, out, of) })
}
