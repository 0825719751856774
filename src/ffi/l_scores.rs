//! Section L of the header, second part: what peers have earned.

use super::b_errors::bowline_result;
use super::d_identity::bowline_peer_id;
use super::e_node::{bowline_node, hosted};
use super::event::{bowline_peer, moment};
use super::guard::guard;
use super::handle;
use super::m_lists::{List, bowline_list};
use super::raw::{self, Growing, Out, printable};
use crate::base::link_id::LinkId;
use crate::pool::score::Cause;
use std::ffi::c_char;

/// One thing that has moved a peer's score. Begin with BOWLINE_CAUSE_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_cause {
    /// sizeof(bowline_cause).
    pub struct_size: u32,
    /// By how much, in points.
    pub delta: i32,
    /// When, by the clock of bowline_clock_ns.
    pub time_ns: u64,
    /// Why: printable ASCII, cut, NUL-terminated.
    pub why: [c_char; 72],
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_cause {
    const FIRST: usize = 88;
}

impl bowline_cause {
    fn of(cause: &Cause, origin_ns: u64) -> bowline_cause {
        let time_ns = moment(cause.at, origin_ns);
        bowline_cause { struct_size: 0, delta: cause.delta, time_ns, why: printable(&cause.why) }
    }
}

/// Reports what a connected peer has earned: its score moves by delta and fades from there. Crossing a threshold of the settings has its
/// consequence before this returns (a warning, the greylist, a ban), and an event tells of it.
///
/// @param node   the node
/// @param peer   the peer
/// @param delta  points, at most 1,000 either way
/// @param why    may be NULL; for people, kept to 64 characters
/// @return BOWLINE_OK, INVALID for this node itself, PEER_GONE (then bowline_report, by its id), STATE if the node is not started, STOPPED,
///         UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_report(
    node: *mut bowline_node,
    peer: bowline_peer,
    delta: i32,
    why: *const c_char,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a text, or NULL.
        let (hosted, why) = unsafe { (hosted(node.cast_const())?, raw::optional_text(why)?) };
        let node = hosted.running()?;
        let link = node.link(LinkId::from_u64(peer)).ok_or(bowline_result::BOWLINE_E_PEER_GONE)?;
        Ok(node.report(link.peer, delta, why)?)
    })
}

/// As bowline_peer_report, of an identity, connected or not.
///
/// @param node   the node
/// @param id     who
/// @param delta  points, at most 1,000 either way
/// @param why    may be NULL; for people, kept to 64 characters
/// @return BOWLINE_OK, INVALID for this node itself, STATE if the node is not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_report(
    node: *mut bowline_node,
    id: *const bowline_peer_id,
    delta: i32,
    why: *const c_char,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an id and a text, or NULL.
        let (hosted, id, why) = unsafe { (hosted(node.cast_const())?, raw::read(id)?, raw::optional_text(why)?) };
        Ok(hosted.running()?.report(id.id(), delta, why)?)
    })
}

/// The score of an identity now, connected or not.
///
/// @param node    the node
/// @param id      who
/// @param score   from -1,000 to 1,000
/// @param causes  may be NULL; what has moved it last, the oldest first: read it with bowline_list_cause, free it with bowline_list_free.
///                Causes do not outlive a restart, the score does
/// @return BOWLINE_OK, NOT_FOUND if nothing is remembered of it, as of a stranger: a score of 0. STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_score(
    node: *const bowline_node,
    id: *const bowline_peer_id,
    score: *mut i32,
    causes: *mut *mut bowline_list,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an id, a writable number and a writable pointer, or NULL.
        let (causes, score, hosted, id) = unsafe {
            let causes = Out::optional(causes)?.map(Out::cleared);
            (causes, Out::of(score)?, hosted(node)?, raw::read(id)?)
        };
        let known = hosted.running()?.score(&id.id()).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?;
        score.put(known.value);
        if let Some(causes) = causes {
            let origin_ns = hosted.origin_ns();
            let list = known.causes.iter().map(|cause| bowline_cause::of(cause, origin_ns)).collect();
            causes.put(handle::give(List::Causes(list)));
        }
        Ok(())
    })
}

/// Says that a peer has just been useful: it brought a block or a transaction that was new. Who was useful lately is kept when links must go.
///
/// @param node  the node
/// @param peer  the peer
/// @return BOWLINE_OK, PEER_GONE, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_useful(node: *mut bowline_node, peer: bowline_peer) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        Ok(hosted.running()?.useful(LinkId::from_u64(peer))?)
    })
}
