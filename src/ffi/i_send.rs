//! Section I of the header: sending to one peer or to all. A call waits for room only as long as its options say.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::e_node::{Hosted, bowline_node, hosted};
use super::event::bowline_peer;
use super::f_queues::bowline_queue;
use super::g_messages::bowline_msg;
use super::guard::{Failure, guard};
use super::handle;
use super::raw::{self, Growing, Out};
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::node::error::SendError;
use crate::node::sender::Sender;
use std::ffi::c_void;
use std::time::Duration;

/// How a message is sent. Begin with BOWLINE_SEND_OPTS_INIT; NULL in its place means the same.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_send_opts {
    /// sizeof(bowline_send_opts).
    pub struct_size: u32,
    /// 0; others are BOWLINE_E_UNSUPPORTED in this version.
    pub flags: u32,
    /// How long the call may wait for room in the send queue; 0: not at all.
    pub timeout_ms: i64,
    /// Must be 0: a deadline for a queued message is BOWLINE_E_UNSUPPORTED in this version.
    pub ttl_ms: u32,
    /// 0.
    pub reserved: u32,
    /// Must be 0: it belongs to reports, which are BOWLINE_E_UNSUPPORTED in this version.
    pub tag: u64,
    /// Must be NULL, as tag.
    pub report_queue: *mut bowline_queue,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers and a pointer only.
unsafe impl Growing for bowline_send_opts {
    const FIRST: usize = 40;
}

/// How long a send may wait: `Some(None)` for ever, `None` not at all.
type Patience = Option<Option<Duration>>;

/// What the options ask for. What this version cannot do is refused, never ignored.
///
/// # Safety
/// `opts` is NULL or leads to options of `struct_size` bytes.
unsafe fn patience(opts: *const bowline_send_opts) -> Result<Patience, Failure> {
    if opts.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller of this function vouches for `opts`.
    let opts = unsafe { raw::read_sized(opts) }?;
    let unsupported = [
        ("flags", opts.flags != 0, "it reports nothing"),
        ("ttl_ms", opts.ttl_ms != 0, "a queued message has no deadline"),
        ("tag", opts.tag != 0, "it reports nothing"),
        ("report_queue", !opts.report_queue.is_null(), "it reports nothing"),
    ];
    if let Some((member, _, why)) = unsupported.iter().find(|(_, is_set, _)| *is_set) {
        let says = format!("bowline_send_opts.{member} is set: in this version {why}, leave it 0");
        return Err(Failure::new(bowline_result::BOWLINE_E_UNSUPPORTED, says));
    }
    if opts.reserved != 0 {
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "bowline_send_opts.reserved must be 0"));
    }
    Ok(raw::timeout(opts.timeout_ms)?.map_or(Some(None), |timeout| (!timeout.is_zero()).then_some(Some(timeout))))
}

fn sender(hosted: &Hosted, peer: bowline_peer, channel: bowline_channel) -> Result<Sender, Failure> {
    Ok(hosted.running()?.sender(LinkId::from_u64(peer), ChannelId(channel))?)
}

/// A queue that stayed full is a matter of time for those who waited.
fn waited(patience: Patience, result: Result<(), SendError>) -> Result<(), Failure> {
    match result {
        Err(SendError::Full) if patience.is_some() => Err(bowline_result::BOWLINE_E_TIMEOUT.into()),
        result => Ok(result?),
    }
}

/// Sends a copy of some bytes to a peer: queues them, for the network to take. The caller's memory is free again on return.
///
/// @param node     the node
/// @param peer     the peer
/// @param channel  a channel that both sides have
/// @param data     the bytes; (NULL, 0) sends an empty message
/// @param len      how many
/// @param opts     may be NULL
/// @return BOWLINE_OK, AGAIN if the queue is full and the call may not wait, NO_CHANNEL, PEER_GONE, STATE if the node is not started,
///         STOPPED, STRUCT_SIZE, TIMEOUT if the queue stayed full, TOO_BIG, UNSUPPORTED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_send(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    data: *const c_void,
    len: usize,
    opts: *const bowline_send_opts,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, `len` bytes and options, or NULL.
        let (hosted, data, patience) = unsafe { (hosted(node.cast_const())?, raw::bytes(data, len)?, patience(opts)?) };
        let sender = sender(hosted, peer, channel)?;
        let result = match patience {
            None => sender.try_send(data),
            Some(None) => sender.send(data),
            Some(Some(timeout)) => sender.send_timeout(data, timeout),
        };
        waited(patience, result)
    })
}

/// Sends a message to a peer without copying its bytes. It takes a reference of its own: free yours, whether the call succeeds or not.
/// From now on the message cannot be written.
///
/// @param node     the node
/// @param peer     the peer
/// @param channel  a channel that both sides have
/// @param msg      the message
/// @param opts     may be NULL
/// @return As bowline_send.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_send_msg(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    msg: *mut bowline_msg,
    opts: *const bowline_send_opts,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a message and options, or NULL.
        let (hosted, msg, patience) = unsafe { (hosted(node.cast_const())?, handle::borrow(msg.cast_const())?, patience(opts)?) };
        let sender = sender(hosted, peer, channel)?;
        let bytes = msg.seal();
        let result = match patience {
            None => sender.try_send_bytes(&bytes),
            Some(timeout) => sender.send_bytes(&bytes, timeout),
        };
        waited(patience, result)
    })
}

/// Sends a message to every peer that has the channel. Peers whose queue is full do not get it: nobody is waited for.
///
/// @param node     the node
/// @param channel  a channel of the node
/// @param msg      the message; as for bowline_send_msg
/// @param except   a peer that shall not get it (who it came from), or 0
/// @param opts     may be NULL; its timeout_ms must be 0
/// @param queued   may be NULL; how many peers it was queued for
/// @return BOWLINE_OK (also if no peer was there), INVALID, NO_CHANNEL, STATE if the node is not started, STOPPED, STRUCT_SIZE, TOO_BIG,
///         UNSUPPORTED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_broadcast(
    node: *mut bowline_node,
    channel: bowline_channel,
    msg: *mut bowline_msg,
    except: bowline_peer,
    opts: *const bowline_send_opts,
    queued: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a message, options and a writable number, or NULL.
        let (hosted, msg, patience, queued) =
            unsafe { (hosted(node.cast_const())?, handle::borrow(msg.cast_const())?, patience(opts)?, Out::optional(queued)?) };
        if patience.is_some() {
            let says = "a broadcast waits for nobody: bowline_send_opts.timeout_ms must be 0";
            return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says));
        }
        let except = (except != 0).then(|| LinkId::from_u64(except));
        let result = hosted.running()?.broadcast(ChannelId(channel), &msg.seal(), except)?;
        if let Some(queued) = queued {
            queued.put(result.queued);
        }
        Ok(())
    })
}
