//! Section J of the header, first part: sending to whoever can do a thing, and how many links are to lead to such peers. `docs/messaging.md` says how
//! peers are chosen.

use super::b_errors::{bowline_error, bowline_result};
use super::c_config::bowline_channel;
use super::e_node::{bowline_node, hosted};
use super::event::{bowline_event, bowline_peer};
use super::f_queues::Slots;
use super::g_messages::{bowline_msg, copied};
use super::guard::{Failure, guard, guard_err};
use super::handle;
use super::i_send::{Wish, bowline_reach, bowline_send_opts};
use super::k_requests::{ask, patience};
use super::m_lists::{List, bowline_list};
use super::raw::{self, Growing, Out, OutSized, printable};
use crate::base::channel::ChannelId;
use crate::base::quota::Quota;
use crate::node::error::SendError;
use crate::node::roles::Role;
use crate::pool::quotas::RoleTally;
use crate::pool::select::How;
use std::ffi::{c_char, c_void};

/// How many links lead to peers with a capability, and how many there should be. Begin with BOWLINE_ROLE_INFO_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_role_info {
    /// sizeof(bowline_role_info).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The quota as so many links; 0 if it is a share.
    pub count: u32,
    /// The quota as so many of a hundred of all links; 0 if it is a number.
    pub percent: u32,
    /// Links that there should be now.
    pub wanted: u64,
    /// Links that there are, open or about to be.
    pub linked: u64,
    /// Dials under way to addresses whose peers are said to have the capability.
    pub dialing: u64,
    /// The capability, NUL-terminated.
    pub capability: [c_char; 40],
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_role_info {
    const FIRST: usize = 80;
}

impl bowline_role_info {
    fn of(tally: &RoleTally) -> bowline_role_info {
        let (count, percent) = match tally.quota {
            Quota::Count(count) => (count, 0),
            Quota::Percent(percent) => (0, percent),
        };
        bowline_role_info {
            struct_size: 0,
            reserved: 0,
            count,
            percent,
            wanted: tally.wanted as u64,
            linked: tally.linked as u64,
            dialing: tally.dialing as u64,
            capability: printable(&tally.capability),
        }
    }
}

/// Peers that can do a thing, in the order in which to try them. The best by score and latency come early more often than others, not
/// always, so that not everybody's work lands on the same few.
///
/// @param node        the node
/// @param capability  what they announce
/// @param channel     a channel that they take
/// @param out         where to
/// @param cap         peers that fit there; as many are chosen, if there are so many
/// @param count       how many were chosen
/// @return BOWLINE_OK, INVALID if cap is 0, NOT_FOUND if nobody linked can do it, STATE if the node is not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_role_choose(
    node: *const bowline_node,
    capability: *const c_char,
    channel: bowline_channel,
    out: *mut bowline_peer,
    cap: usize,
    count: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a text, an array of `cap` numbers and a writable one, or NULL.
        let (count, hosted, capability) = unsafe { (Out::of(count)?, hosted(node)?, raw::text(capability)?) };
        raw::aligned(out)?;
        if cap == 0 {
            return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "cap is 0: there must be room for a peer"));
        }
        let chosen = hosted.running()?.choose(Role { capability, channel: ChannelId(channel) }, How::N(cap))?;
        for (at, link) in chosen.iter().enumerate() {
            // SAFETY: no more than `cap` were chosen.
            unsafe { out.add(at).write(link.as_u64()) };
        }
        count.put(chosen.len());
        Ok(())
    })
}

/// Sends a message to one peer that can do a thing, without waiting; if its queue is full or its link has closed meanwhile, to another.
///
/// @param node        the node
/// @param capability  what the peer announces
/// @param channel     a channel that it takes
/// @param msg         the message; as for bowline_send_msg
/// @param to          may be NULL; whom it was queued for
/// @return As bowline_send, if nobody took it of the last that was tried; NOT_FOUND if nobody linked can do it, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_role_send(
    node: *mut bowline_node,
    capability: *const c_char,
    channel: bowline_channel,
    msg: *mut bowline_msg,
    to: *mut bowline_peer,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a text, a message and a writable number, or NULL.
        let (to, hosted, capability, msg) = unsafe {
            (Out::optional(to)?, hosted(node.cast_const())?, raw::text(capability)?, handle::borrow(msg.cast_const())?)
        };
        let link = hosted.running()?.send_to(Role { capability, channel: ChannelId(channel) }, &msg.seal())?;
        if let Some(to) = to {
            to.put(link.as_u64());
        }
        Ok(())
    })
}

/// Sends a message to peers that can do a thing: to all of them, or to some. As with bowline_broadcast, nobody is waited for.
///
/// @param node        the node
/// @param capability  what they announce
/// @param channel     a channel that they take
/// @param most        to so many at most; 0: to all
/// @param msg         the message; as for bowline_send_msg
/// @param except      a peer that shall not get it, or 0
/// @param opts        may be NULL; only the flag BOWLINE_SEND_SELF can be set
/// @param reach       may be NULL; begin with BOWLINE_REACH_INIT: how many got it
/// @return As bowline_broadcast; NOT_FOUND if nobody linked can do it (never with BOWLINE_SEND_SELF), UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_role_broadcast(
    node: *mut bowline_node,
    capability: *const c_char,
    channel: bowline_channel,
    most: usize,
    msg: *mut bowline_msg,
    except: bowline_peer,
    opts: *const bowline_send_opts,
    reach: *mut bowline_reach,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a text, a message, options and a struct that begins with its size, or NULL.
        let (reach, hosted, capability, msg, wish) = unsafe {
            let (reach, hosted) = (OutSized::optional(reach)?, hosted(node.cast_const())?);
            (reach, hosted, raw::text(capability)?, handle::borrow(msg.cast_const())?, Wish::of(opts)?)
        };
        let (how, role) = (if most == 0 { How::All } else { How::N(most) }, Role { capability, channel: ChannelId(channel) });
        let options = wish.broadcast(except)?;
        let told = hosted.running()?.broadcast_to_with(role, how, &msg.seal(), &options)?;
        if let Some(reach) = reach {
            reach.put(&bowline_reach::of(told));
        }
        Ok(())
    })
}

/// Asks one peer that can do a thing, and waits for the answer. A peer that fails is not replaced by another: whether to ask twice is the
/// caller's choice.
///
/// @param node        the node
/// @param capability  what the peer announces
/// @param channel     a channel that it takes
/// @param data        the request; (NULL, 0) is an empty one
/// @param len         bytes
/// @param timeout_ms  how long to wait for the answer
/// @param response    as of bowline_request_wait; its peer says who was asked
/// @param event_size  sizeof(bowline_event)
/// @param err         may be NULL
/// @return As bowline_request_wait; NOT_FOUND if nobody linked can do it; UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_role_request_wait(
    node: *mut bowline_node,
    capability: *const c_char,
    channel: bowline_channel,
    data: *const c_void,
    len: usize,
    timeout_ms: i64,
    response: *mut bowline_event,
    event_size: usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, a text, `len` bytes and an event of `event_size` bytes, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (slots, hosted) = (Slots::of(response, event_size)?, hosted(node.cast_const())?);
            let (capability, data) = (raw::text(capability)?, copied(raw::bytes(data, len)?)?);
            slots.put(0, bowline_event { result: 0, ..bowline_event::NONE });
            let (role, timeout) = (Role { capability, channel: ChannelId(channel) }, patience(timeout_ms)?);
            let node = hosted.running()?;
            let chosen = node.choose(role, How::Any)?.first().copied();
            let nobody = || SendError::NoPeer { capability: capability.to_owned(), channel: role.channel };
            ask(node, chosen.ok_or_else(nobody)?, role.channel, &data, timeout, &slots)
        })
    }
}

/// Keeps at least so many links at peers with a capability from now on. Maintenance sees to it at once; bowline_roles_snapshot says how far it
/// has come. It holds until the node stops; a start begins with the setting pool.roles.
///
/// @param node        the node
/// @param capability  a name of 1 to 32 printable ASCII characters
/// @param count       so many links; or 0
/// @param percent     so many of a hundred of all links; or 0. Both 0: no quota any more
/// @param err         may be NULL
/// @return BOWLINE_OK, INVALID for a name, a number or a sum of quotas that cannot be, or if both are given: nothing is changed then. STATE if
///         the node is not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_role_quota_set(
    node: *mut bowline_node,
    capability: *const c_char,
    count: u32,
    percent: u32,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, capability) = (hosted(node.cast_const())?, raw::text(capability)?);
            let quota = match (count, percent) {
                (0, 0) => None,
                (count, 0) => Some(Quota::Count(count)),
                (0, percent) => Some(Quota::Percent(percent)),
                _ => {
                    let says = format!("a quota is {count} links or {percent} % of them, not both");
                    return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says));
                }
            };
            Ok(hosted.running()?.set_role_quota(capability, quota)?)
        })
    }
}

/// The quotas, each with how it stands, as a list that does not change any more: read it with bowline_list_role.
///
/// @param node  the node
/// @param out   the list; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_roles_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        out.put(handle::give(List::Roles(hosted.node.role_quotas().iter().map(bowline_role_info::of).collect())));
        Ok(())
    })
}
