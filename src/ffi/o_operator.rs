//! Section O of the header: what an operator changes, asks and orders while a node runs.

use super::b_errors::{bowline_error, bowline_result};
use super::e_node::{bowline_node, hosted};
use super::event::bowline_peer;
use super::guard::{guard, guard_err, guard_or};
use super::raw::{self, Out};
use super::s_addresses::bowline_addr;
use crate::base::link_id::LinkId;
use std::ffi::{c_char, c_int};
use std::time::Duration;

/// Changes a setting of a running node, until it stops: of those that bowline_config_key_info marks as live.
///
/// @param node   the node
/// @param key    its name
/// @param value  as for bowline_config_set
/// @param err    may be NULL
/// @return BOWLINE_OK, INVALID (also if it does not agree with the other settings), NOT_FOUND key, READ_ONLY if it is not live, or would need
///         more memory or descriptors than the node was started with, STATE if the node is not started, STOPPED, UTF8. Nothing is changed
///         after a failure.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_set(
    node: *mut bowline_node,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and texts, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, key, value) = (hosted(node.cast_const())?, raw::text(key)?, raw::text(value)?);
            Ok(hosted.running()?.set(key, value)?)
        })
    }
}

/// What a setting says now, as text.
///
/// @param node    the node
/// @param key     its name
/// @param buf     where to; may be NULL if cap is 0
/// @param cap     bytes there
/// @param needed  may be NULL; the bytes that the text needs with its NUL, also if it does not fit
/// @return BOWLINE_OK, BUFFER, NOT_FOUND, NULL, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_get(
    node: *const bowline_node,
    key: *const c_char,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a text, `cap` bytes and a writable number, or NULL.
        unsafe {
            let (hosted, key) = (hosted(node)?, raw::text(key)?);
            let value = hosted.node.setting(key).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?;
            raw::fill(&value, buf, cap, needed)
        }
    })
}

/// Asks for a round of maintenance now: links are brought into their bounds, lists and scores expire. Does not wait for it.
///
/// @param node  the node
/// @return BOWLINE_OK, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_maintain(node: *mut bowline_node) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        Ok(unsafe { hosted(node.cast_const())? }.running()?.maintain()?)
    })
}

/// Asks for a round of maintenance and waits for its end: until links are in bounds, or nothing more can be done now.
///
/// @param node        the node
/// @param timeout_ms  how long to wait; of a round that ends later BOWLINE_EV_ROUND_ENDED tells
/// @param links       may be NULL; the links at its end
/// @param is_stuck    may be NULL; 1 if they could not be brought into bounds: nobody is left to dial now, or only protected links to drop
/// @return BOWLINE_OK, AGAIN if 64 orders wait already, STATE if the node is not started, STOPPED, TIMEOUT.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_maintain_wait(
    node: *mut bowline_node,
    timeout_ms: i64,
    links: *mut usize,
    is_stuck: *mut c_int,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and writable numbers, or NULL.
        let (hosted, links, is_stuck) = unsafe { (hosted(node.cast_const())?, Out::optional(links)?, Out::optional(is_stuck)?) };
        let timeout = raw::timeout(timeout_ms)?.unwrap_or(Duration::MAX);
        let round = hosted.running()?.maintain_and_wait(timeout)?;
        if let Some(links) = links {
            links.put(round.links);
        }
        if let Some(is_stuck) = is_stuck {
            is_stuck.put(round.is_stuck.into());
        }
        Ok(())
    })
}

/// From now on the node neither dials, but on request, nor lets anybody in from other than trusted addresses. Links go on.
///
/// @param node  the node
/// @return BOWLINE_OK (also if it is paused already), STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_pause(node: *mut bowline_node) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        Ok(unsafe { hosted(node.cast_const())? }.running()?.pause()?)
    })
}

/// Ends a pause: what is missing is dialed at once.
///
/// @param node  the node
/// @return BOWLINE_OK (also if it is not paused), STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_resume(node: *mut bowline_node) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        Ok(unsafe { hosted(node.cast_const())? }.running()?.resume()?)
    })
}

/// Whether a node is paused.
///
/// @param node  may be NULL
/// @return 1 between bowline_pause and bowline_resume, else 0; 0 for NULL.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_is_paused(node: *const bowline_node) -> c_int {
    guard_or(0, || {
        // SAFETY: the header asks for a node, or NULL.
        unsafe { hosted(node) }.map_or(0, |hosted| hosted.node.is_paused().into())
    })
}

/// Dials the seeds that are not linked now, as many as there are places for, whatever else is known. Maintenance is asked, which answers
/// within milliseconds, at most 5 s.
///
/// @param node    the node
/// @param dialed  may be NULL; how many dials have begun
/// @return BOWLINE_OK, AGAIN if 64 orders wait already, STATE if the node is not started, STOPPED, TIMEOUT after 5 s.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_dial_seeds(node: *mut bowline_node, dialed: *mut usize) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable number, or NULL.
        let (dialed, hosted) = unsafe { (Out::optional(dialed)?, hosted(node.cast_const())?) };
        let count = hosted.running()?.dial_seeds()?;
        if let Some(dialed) = dialed {
            dialed.put(count);
        }
        Ok(())
    })
}

/// Keeps a link with the peer at an address from now on, as with one of discovery.persistent: it is dialed at once and for ever, and has a
/// place beyond pool.max. It is not saved. Maintenance is asked, which answers within milliseconds, at most 5 s.
///
/// @param node     the node
/// @param address  "[bowline://][<peer id>@]host:port"
/// @param err      may be NULL
/// @return BOWLINE_OK, AGAIN if 64 orders wait already, EXISTS if it is one already, INVALID, STATE if it is this node itself, banned,
///         configured with another identity, one too many, or the node is not started, STOPPED, TIMEOUT after 5 s, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_persistent_add(
    node: *mut bowline_node,
    address: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, address) = (hosted(node.cast_const())?, raw::text(address)?);
            let is_new = hosted.running()?.add_persistent(address)?;
            if is_new { Ok(()) } else { Err(bowline_result::BOWLINE_E_EXISTS.into()) }
        })
    }
}

/// Ends what bowline_persistent_add or the setting began for an address. A link that there is stays, as any other. Maintenance
/// is asked, which answers within milliseconds, at most 5 s.
///
/// @param node     the node
/// @param address  as it was given
/// @param err      may be NULL
/// @return BOWLINE_OK, AGAIN if 64 orders wait already, INVALID, NOT_FOUND if it was not persistent, STATE if the node is not started,
///         STOPPED, TIMEOUT after 5 s, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_persistent_remove(
    node: *mut bowline_node,
    address: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, address) = (hosted(node.cast_const())?, raw::text(address)?);
            let was_there = hosted.running()?.remove_persistent(address)?;
            if was_there { Ok(()) } else { Err(bowline_result::BOWLINE_E_NOT_FOUND.into()) }
        })
    }
}

/// Asks a peer for addresses now. What it tells goes into the address book. Waits until the peer is asked, for milliseconds, at most 5 s; not
/// for what it tells.
///
/// @param node   the node
/// @param peer   whom; 0: one of those that may be asked, by chance
/// @param asked  may be NULL; who was asked
/// @param err    may be NULL
/// @return BOWLINE_OK, AGAIN if 64 orders wait already, INVALID if nobody, or not this peer, may be asked now, PEER_GONE, STATE if the node is
///         not started, STOPPED, TIMEOUT after 5 s.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_ask_addresses(
    node: *mut bowline_node,
    peer: bowline_peer,
    asked: *mut bowline_peer,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a writable number, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (asked, hosted) = (Out::optional(asked)?, hosted(node.cast_const())?);
            let link = (peer != 0).then(|| LinkId::from_u64(peer));
            let link = hosted.running()?.ask_for_addresses(link)?;
            if let Some(asked) = asked {
                asked.put(link.as_u64());
            }
            Ok(())
        })
    }
}

/// Bounds what all links together may send and receive, at once.
///
/// @param node  the node
/// @param up    bytes a second; 0: no bound
/// @param down  bytes a second; 0: no bound
/// @param err   may be NULL
/// @return BOWLINE_OK, INVALID, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_set_bandwidth(
    node: *mut bowline_node,
    up: u64,
    down: u64,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, or NULL; `err` may be NULL.
    unsafe { guard_err(err, || Ok(hosted(node.cast_const())?.running()?.set_bandwidth(up, down)?)) }
}

/// Bounds what a link may send and receive as long as it lives, instead of bandwidth.peer_up and bandwidth.peer_down.
///
/// @param node  the node
/// @param peer  the peer
/// @param up    bytes a second; 0: no bound of its own
/// @param down  bytes a second; 0: no bound of its own
/// @param err   may be NULL
/// @return BOWLINE_OK, INVALID, PEER_GONE, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_set_peer_bandwidth(
    node: *mut bowline_node,
    peer: bowline_peer,
    up: u64,
    down: u64,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, or NULL; `err` may be NULL.
    unsafe { guard_err(err, || Ok(hosted(node.cast_const())?.running()?.set_peer_bandwidth(LinkId::from_u64(peer), up, down)?)) }
}

/// Gives a link so many times the share of a link of weight 1, as long as it lives, instead of what its peer's score has earned.
///
/// @param node    the node
/// @param peer    the peer
/// @param weight  1 to bandwidth.weight_max
/// @param err     may be NULL
/// @return BOWLINE_OK, INVALID, PEER_GONE, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_set_weight(
    node: *mut bowline_node,
    peer: bowline_peer,
    weight: u32,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, or NULL; `err` may be NULL.
    unsafe { guard_err(err, || Ok(hosted(node.cast_const())?.running()?.set_weight(LinkId::from_u64(peer), weight)?)) }
}

/// Listens at one address more, until the node stops. Peers that connect from now on are told of it as of listen.addresses, which stays what
/// it was; links that there are notice nothing. Takes a turn of the node's reactor, at most 5 s.
///
/// @param node   the node
/// @param addr   where; port 0 lets the system choose
/// @param bound  may be NULL; where that is, as bowline_node_listen_addrs has it from now on
/// @param err    may be NULL
/// @return BOWLINE_OK, ADDR_IN_USE, ADDR_UNAVAILABLE, INVALID, IO if the system has another reason, LIMIT if it listens at 8 or peers could
///         not be told of one more, NO_FILES, NO_MEMORY, PERMISSION, STATE if the node is not started, STOPPED, TIMEOUT after 5 s: it does
///         not listen there then.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_listen_add(
    node: *mut bowline_node,
    addr: *const bowline_addr,
    bound: *mut bowline_addr,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, an address and a writable address, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (bound, hosted, at) = (Out::optional(bound)?, hosted(node.cast_const())?, raw::read(addr)?.socket()?);
            let listening = hosted.running()?.listen_add(at)?;
            if let Some(bound) = bound {
                bound.put(bowline_addr::of(listening));
            }
            Ok(())
        })
    }
}

/// Listens no longer at an address, whether bowline_listen_add or listen.addresses began it. Links stay; who has connected there and was not
/// accepted yet is turned away. When this returns, the port is free for who binds with SO_REUSEADDR, and for everybody once those links
/// are gone. Takes a turn of the node's reactor, at most 5 s.
///
/// @param node   the node
/// @param bound  the address as bowline_node_listen_addrs has it
/// @return BOWLINE_OK, INVALID, NOT_FOUND if the node does not listen there, STATE if it is not started, STOPPED, TIMEOUT after 5 s.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_listen_remove(node: *mut bowline_node, bound: *const bowline_addr) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and an address, or NULL.
        let (hosted, at) = unsafe { (hosted(node.cast_const())?, raw::read(bound)?.socket()?) };
        Ok(hosted.running()?.listen_remove(at)?)
    })
}

/// Saves the address book, lists and scores now, and waits until that is on the disk.
///
/// @param node        the node
/// @param timeout_ms  how long to wait
/// @param err         may be NULL
/// @return BOWLINE_OK (also for a node that keeps nothing), AGAIN if 64 others wait for a save already, IO if it could not be written, STATE
///         if the node is not started, STOPPED, TIMEOUT.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_save(node: *mut bowline_node, timeout_ms: i64, err: *mut *mut bowline_error) -> bowline_result {
    // SAFETY: the header asks for a node, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let timeout = raw::timeout(timeout_ms)?.unwrap_or(Duration::MAX);
            Ok(hosted(node.cast_const())?.running()?.save(timeout)?)
        })
    }
}
