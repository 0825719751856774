//! Section K of the header: asking peers, and answering them. A request is named by its link, its channel and its number, as its event
//! carries them: nothing is kept for C, and a stale name is found out.

use super::b_errors::{bowline_error, bowline_result};
use super::c_config::bowline_channel;
use super::e_node::{bowline_node, hosted};
use super::event::{bowline_event, bowline_peer, bowline_request};
use super::f_queues::{Slots, bowline_queue, queue_of};
use super::g_messages::{bowline_msg, copied};
use super::guard::{Failure, guard, guard_err};
use super::handle;
use super::raw::{self, Out};
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::bus::requests::Outcome;
use crate::node::error::RequestError;
use crate::node::node::Node;
use crate::node::request::RequestId;
use bytes::Bytes;
use std::ffi::{c_char, c_void};
use std::time::Duration;

fn id(peer: bowline_peer, channel: bowline_channel, request: bowline_request) -> Result<RequestId, Failure> {
    let number = u32::try_from(request).map_err(|_| bowline_result::BOWLINE_E_NO_REQUEST)?;
    Ok(RequestId { link: LinkId::from_u64(peer), channel: ChannelId(channel), number })
}

/// How long an answer, or room for one, is waited for.
pub(super) fn patience(timeout_ms: i64) -> Result<Duration, Failure> {
    Ok(raw::timeout(timeout_ms)?.unwrap_or(Duration::MAX))
}

/// Asks, waits, and puts what comes of it into the first slot: an answer, or the peer's refusal.
///
/// # Safety
/// As for `Slots::put`.
pub(super) unsafe fn ask(
    node: &Node,
    link: LinkId,
    channel: ChannelId,
    request: &Bytes,
    timeout: Duration,
    slots: &Slots,
) -> Result<(), Failure> {
    let told = |outcome| {
        let event = bowline_event { peer: link.as_u64(), channel: channel.0, ..bowline_event::of_outcome(outcome) };
        // SAFETY: the caller of this function vouches for the slot.
        unsafe { slots.put(0, event) };
    };
    match node.request(link, channel, request, timeout) {
        Ok(answer) => {
            told(Outcome::Answer(answer));
            Ok(())
        }
        Err(RequestError::Refused(refusal)) => {
            let says = RequestError::Refused(refusal.clone()).into();
            told(Outcome::Refused(refusal));
            Err(says)
        }
        Err(error) => waited(timeout, Err(error)),
    }
}

/// Asks a peer and waits for the answer. Any number of threads may wait, and answers may come in any order.
///
/// @param node        the node
/// @param peer        the peer; BOWLINE_PEER_LOCAL asks this node's own application
/// @param channel     a channel that both sides have
/// @param data        the request; (NULL, 0) is an empty one
/// @param len         bytes
/// @param timeout_ms  how long to wait for the answer
/// @param response    a BOWLINE_EV_RESPONSE, filled if the result is OK or REMOTE; release it with bowline_events_release
/// @param event_size  sizeof(bowline_event)
/// @param err         may be NULL
/// @return BOWLINE_OK, AGAIN if the send queue is full and timeout_ms is 0, CANCELED, INVALID, LIMIT if the peer lets no more wait, NO_CHANNEL, PEER_GONE, REMOTE if the peer refused (its number
///         is in response->detail, its text in response->data), STATE if the node is not started, STOPPED, STRUCT_SIZE, TIMEOUT, TOO_BIG.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_request_wait(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    data: *const c_void,
    len: usize,
    timeout_ms: i64,
    response: *mut bowline_event,
    event_size: usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, `len` bytes and an event of `event_size` bytes, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (slots, hosted, data) =
                (Slots::of(response, event_size)?, hosted(node.cast_const())?, copied(raw::bytes(data, len)?)?);
            slots.put(0, bowline_event { result: 0, ..bowline_event::NONE });
            let (link, channel, timeout) = (LinkId::from_u64(peer), ChannelId(channel), patience(timeout_ms)?);
            ask(hosted.running()?, link, channel, &data, timeout, &slots)
        })
    }
}

/// Begins a request. Exactly one BOWLINE_EV_RESPONSE with the tag follows if this returns BOWLINE_OK, at the latest when the time is over;
/// none follows a failure.
///
/// @param node        the node
/// @param peer        the peer; BOWLINE_PEER_LOCAL asks this node's own application
/// @param channel     a channel that both sides have
/// @param msg         the request; it takes a reference of its own
/// @param timeout_ms  how long the answer may take; with 0 it is too late at once
/// @param tag         comes with the event
/// @param queue       where the event goes; NULL: the main queue
/// @param out         may be NULL; the request's number, for bowline_request_cancel
/// @return BOWLINE_OK, AGAIN if the send queue is full, INVALID (also for a queue of another node), LIMIT, NO_CHANNEL, PEER_GONE, STATE if
///         the node is not started, STOPPED, TOO_BIG.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_request_start(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    msg: *mut bowline_msg,
    timeout_ms: i64,
    tag: u64,
    queue: *mut bowline_queue,
    out: *mut bowline_request,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a message, a queue and a writable number, or NULL.
        let (out, hosted, msg, queue) = unsafe {
            (Out::optional(out)?, hosted(node.cast_const())?, handle::borrow(msg.cast_const())?, queue_of(queue.cast_const())?)
        };
        let (link, channel, timeout) = (LinkId::from_u64(peer), ChannelId(channel), patience(timeout_ms)?);
        let request = hosted.running()?.start_request(link, channel, &msg.seal(), timeout, tag, queue)?;
        if let Some(out) = out {
            out.put(request.number.into());
        }
        Ok(())
    })
}

/// Takes a request back: its event comes at once, with BOWLINE_E_CANCELED, and the peer is told that no answer is wanted.
///
/// @param node     the node
/// @param peer     whom it was sent to
/// @param channel  its channel
/// @param request  its number, from bowline_request_start
/// @return BOWLINE_OK, NO_REQUEST if it is over already, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_request_cancel(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    request: bowline_request,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        let is_taken = hosted.running()?.cancel_request(id(peer, channel, request)?);
        if is_taken { Ok(()) } else { Err(bowline_result::BOWLINE_E_NO_REQUEST.into()) }
    })
}

/// Answers a request of a peer, once, with a copy of some bytes.
///
/// @param node        the node
/// @param peer        who asked, from BOWLINE_EV_REQUEST
/// @param channel     the channel, from the event
/// @param request     the number, from the event
/// @param data        the answer; (NULL, 0) is an empty one
/// @param len         bytes
/// @param timeout_ms  how long to wait for room in the send queue
/// @return BOWLINE_OK, AGAIN or TIMEOUT if there was no room (it may be answered again then), NO_REQUEST if it was answered before, or taken
///         back, or the link has closed, STATE if the node is not started, STOPPED, TOO_BIG.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_respond(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    request: bowline_request,
    data: *const c_void,
    len: usize,
    timeout_ms: i64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and `len` bytes, or NULL.
        let (hosted, data) = unsafe { (hosted(node.cast_const())?, copied(raw::bytes(data, len)?)?) };
        let (request, timeout) = (id(peer, channel, request)?, patience(timeout_ms)?);
        waited(timeout, hosted.running()?.respond(request, &data, timeout))
    })
}

/// Answers a request of a peer, once, without copying the bytes.
///
/// @param node        the node
/// @param peer        who asked, from BOWLINE_EV_REQUEST
/// @param channel     the channel, from the event
/// @param request     the number, from the event
/// @param msg         the answer; it takes a reference of its own
/// @param timeout_ms  how long to wait for room in the send queue
/// @return As bowline_respond.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_respond_msg(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    request: bowline_request,
    msg: *mut bowline_msg,
    timeout_ms: i64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a message, or NULL.
        let (hosted, msg) = unsafe { (hosted(node.cast_const())?, handle::borrow(msg.cast_const())?) };
        let (request, timeout) = (id(peer, channel, request)?, patience(timeout_ms)?);
        waited(timeout, hosted.running()?.respond(request, &msg.seal(), timeout))
    })
}

/// Answers a request of a peer, once, with why it is not served: it sees BOWLINE_E_REMOTE, the number and the text.
///
/// @param node        the node
/// @param peer        who asked, from BOWLINE_EV_REQUEST
/// @param channel     the channel, from the event
/// @param request     the number, from the event
/// @param app_code    a number of the application's own, below 0xffffff00
/// @param text        for people; at most 256 bytes of it are sent
/// @param timeout_ms  how long to wait for room in the send queue
/// @return As bowline_respond; INVALID for a number that is bowline's own, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_respond_error(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    request: bowline_request,
    app_code: u32,
    text: *const c_char,
    timeout_ms: i64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a text, or NULL.
        let (hosted, text) = unsafe { (hosted(node.cast_const())?, raw::text(text)?) };
        let (request, timeout) = (id(peer, channel, request)?, patience(timeout_ms)?);
        waited(timeout, hosted.running()?.refuse(request, app_code, text, timeout))
    })
}

/// A queue that stayed full is a matter of time for those who waited.
fn waited(timeout: Duration, result: Result<(), RequestError>) -> Result<(), Failure> {
    use crate::node::error::SendError;
    match result {
        Err(RequestError::Send(SendError::Full)) if !timeout.is_zero() => Err(bowline_result::BOWLINE_E_TIMEOUT.into()),
        result => Ok(result?),
    }
}
