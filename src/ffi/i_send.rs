//! Section I of the header: sending to one peer or to all. A call waits for room only as long as its options say.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::e_node::{Hosted, bowline_node, hosted};
use super::event::bowline_peer;
use super::f_queues::{bowline_queue, queue_of};
use super::g_messages::{bowline_msg, copied};
use super::guard::{Failure, guard};
use super::handle;
use super::raw::{self, Growing, Out, OutSized};
use crate::base::channel::ChannelId;
use crate::base::limits::BY_REFERENCE_MIN;
use crate::base::link_id::LinkId;
use crate::bus::link::Body;
use crate::node::error::SendError;
use crate::node::queue::Queue;
use crate::node::sender::{Broadcast, BroadcastOptions, SendOptions, Sender};
use bytes::Bytes;
use std::ffi::c_void;
use std::time::Duration;

/// bowline_send_opts.flags: exactly one BOWLINE_EV_SEND_RESULT, with tag, tells in report_queue what became of the message.
pub const BOWLINE_SEND_REPORT: u32 = 1;
/// bowline_send_opts.flags of a broadcast: to this node itself, too.
pub const BOWLINE_SEND_SELF: u32 = 2;

/// How a message is sent. Begin with BOWLINE_SEND_OPTS_INIT; NULL in its place means the same.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_send_opts {
    /// sizeof(bowline_send_opts).
    pub struct_size: u32,
    /// BOWLINE_SEND_* bits.
    pub flags: u32,
    /// How long the call may wait for room in the send queue; 0: not at all. 0 for a broadcast.
    pub timeout_ms: i64,
    /// How long the message may wait to be sent: if its first byte has not left by then, it is taken out of the queue. 0: for ever.
    pub ttl_ms: u32,
    /// 0.
    pub reserved: u32,
    /// With BOWLINE_SEND_REPORT: comes with the event, and bowline_send_cancel takes the message back by it. Else 0.
    pub tag: u64,
    /// With BOWLINE_SEND_REPORT: the queue that is told; NULL is the main one. Else NULL.
    pub report_queue: *mut bowline_queue,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers and a pointer only.
unsafe impl Growing for bowline_send_opts {
    const FIRST: usize = 40;
}

/// Bytes of the caller's: one message of a batch. It will not grow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_slice {
    /// The bytes; NULL if there are none.
    pub data: *const c_void,
    /// How many.
    pub len: usize,
}

/// A slice that was looked at: `AsRef` may believe it.
#[repr(transparent)]
struct Checked(bowline_slice);

impl Checked {
    /// # Safety
    /// `messages` is NULL or leads to `count` slices, each of which is NULL or leads to its bytes; they stay while the result is used.
    unsafe fn all<'a>(messages: *const bowline_slice, count: usize) -> Result<&'a [Checked], Failure> {
        // SAFETY: the caller of this function vouches for the array.
        let all = unsafe { raw::array(messages, count) }?;
        for message in all {
            // SAFETY: the caller of this function vouches for the bytes.
            unsafe { raw::bytes(message.data, message.len) }?;
        }
        // SAFETY: `Checked` is a `bowline_slice`, by repr(transparent), and each was looked at.
        Ok(unsafe { std::slice::from_raw_parts(all.as_ptr().cast(), all.len()) })
    }
}

impl AsRef<[u8]> for Checked {
    fn as_ref(&self) -> &[u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: `all` has looked at them, and its caller vouches that they are still there.
        unsafe { std::slice::from_raw_parts(self.0.data.cast(), self.0.len) }
    }
}

/// What became of a broadcast. Begin with BOWLINE_REACH_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_reach {
    /// sizeof(bowline_reach).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Peers that have the message in their queue.
    pub queued: u64,
    /// Peers whose queue was full: they do not get it.
    pub full: u64,
    /// Peers that closed meanwhile, or take smaller messages only.
    pub refused: u64,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_reach {
    const FIRST: usize = 32;
}

impl bowline_reach {
    pub(super) fn of(broadcast: Broadcast) -> bowline_reach {
        let Broadcast { queued, full, refused } = broadcast;
        bowline_reach { struct_size: 0, reserved: 0, queued: queued as u64, full: full as u64, refused: refused as u64 }
    }
}

/// How long a send may wait: `Some(None)` for ever, `None` not at all.
type Patience = Option<Option<Duration>>;

/// What a caller's options ask for.
#[derive(Default)]
pub(super) struct Wish<'a> {
    patience: Patience,
    ttl: Option<Duration>,
    tag: Option<u64>,
    queue: Option<&'a Queue>,
    includes_self: bool,
}

fn invalid<T>(says: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says))
}

impl<'a> Wish<'a> {
    /// # Safety
    /// `opts` is NULL or leads to options of `struct_size` bytes, whose queue is NULL or a queue.
    pub(super) unsafe fn of(opts: *const bowline_send_opts) -> Result<Wish<'a>, Failure> {
        if opts.is_null() {
            return Ok(Wish::default());
        }
        // SAFETY: the caller of this function vouches for `opts`.
        let opts = unsafe { raw::read_sized(opts) }?;
        let known = BOWLINE_SEND_REPORT | BOWLINE_SEND_SELF;
        if opts.flags & !known != 0 {
            let says = format!("bowline_send_opts.flags is {:#x}: this version knows {known:#x}", opts.flags);
            return Err(Failure::new(bowline_result::BOWLINE_E_UNSUPPORTED, says));
        }
        if opts.reserved != 0 {
            return invalid("bowline_send_opts.reserved must be 0");
        }
        let reports = opts.flags & BOWLINE_SEND_REPORT != 0;
        if !reports && (opts.tag != 0 || !opts.report_queue.is_null()) {
            return invalid("bowline_send_opts.tag and report_queue need the flag BOWLINE_SEND_REPORT");
        }
        let patience = raw::timeout(opts.timeout_ms)?.map_or(Some(None), |wait| (!wait.is_zero()).then_some(Some(wait)));
        Ok(Wish {
            patience,
            ttl: (opts.ttl_ms != 0).then(|| Duration::from_millis(opts.ttl_ms.into())),
            tag: reports.then_some(opts.tag),
            // SAFETY: the caller of this function vouches for the queue.
            queue: unsafe { queue_of(opts.report_queue.cast_const()) }?,
            includes_self: opts.flags & BOWLINE_SEND_SELF != 0,
        })
    }

    /// For one peer: the library's own options, if a plain send does not do.
    fn special(&self) -> Result<Option<SendOptions>, Failure> {
        if self.includes_self {
            return invalid("BOWLINE_SEND_SELF is for broadcasts: send to BOWLINE_PEER_LOCAL");
        }
        let wait = self.patience.map_or(Duration::ZERO, |patience| patience.unwrap_or(Duration::MAX));
        let is_special = self.ttl.is_some() || self.tag.is_some();
        Ok(is_special.then(|| SendOptions { wait, ttl: self.ttl, tag: self.tag, queue: self.queue.cloned() }))
    }

    /// For many.
    pub(super) fn broadcast(&self, except: bowline_peer) -> Result<BroadcastOptions, Failure> {
        if self.patience.is_some() {
            return invalid("a broadcast waits for nobody: bowline_send_opts.timeout_ms must be 0");
        }
        if self.ttl.is_some() || self.tag.is_some() {
            return invalid("a broadcast has no ttl_ms and no report: send to each peer for that");
        }
        let except = (except != 0).then(|| LinkId::from_u64(except));
        Ok(BroadcastOptions { except, include_self: self.includes_self })
    }
}

/// How long a send may wait whose options ask for nothing else: nearly all, and their way is short.
///
/// # Safety
/// As for `Wish::of`.
#[inline]
unsafe fn plain(opts: *const bowline_send_opts) -> Option<Patience> {
    if opts.is_null() {
        return Some(None);
    }
    if !opts.is_aligned() {
        return None;
    }
    // SAFETY: `struct_size` is the first member, and the others are there if it says so.
    unsafe {
        if (*opts).struct_size as usize != size_of::<bowline_send_opts>() {
            return None;
        }
        let bowline_send_opts { flags, timeout_ms, ttl_ms, reserved, tag, report_queue, .. } = &*opts;
        if *flags != 0 || *ttl_ms != 0 || *reserved != 0 || *tag != 0 || !report_queue.is_null() {
            return None;
        }
        match *timeout_ms {
            0 => Some(None),
            -1 => Some(Some(None)),
            1.. => Some(Some(Some(Duration::from_millis(timeout_ms.unsigned_abs())))),
            _ => None,
        }
    }
}

/// Sends to one peer what is not `plain`.
#[inline(never)]
fn special(hosted: &Hosted, peer: bowline_peer, channel: bowline_channel, bytes: &Bytes, wish: &Wish<'_>) -> Result<(), Failure> {
    let (special, sender) = (wish.special()?, sender(hosted, peer, channel)?);
    let result = match (special, wish.patience) {
        (Some(options), _) => sender.send_with(bytes, &options),
        (None, None) => sender.try_send_bytes(bytes),
        (None, Some(timeout)) => sender.send_bytes(bytes, timeout),
    };
    waited(wish.patience, result)
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
/// @param opts     may be NULL: then it does not wait. It waits for room in the queue for as long as their timeout_ms says
/// @return BOWLINE_OK, AGAIN if the queue is full and the call may not wait, INVALID, LIMIT if tens of thousands of reports wait in the
///         queue that is to be told, NO_CHANNEL, PEER_GONE, STATE if the node is not started, STOPPED, STRUCT_SIZE, TIMEOUT if the queue
///         stayed full, TOO_BIG, UNSUPPORTED. After a failure nothing is reported.
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
        let (hosted, data, patience) = unsafe { (hosted(node.cast_const())?, raw::bytes(data, len)?, plain(opts)) };
        let Some(patience) = patience else {
            // SAFETY: as above.
            let wish = unsafe { Wish::of(opts) }?;
            return special(hosted, peer, channel, &copied(data)?, &wish);
        };
        waited(patience, hosted.running()?.post(LinkId::from_u64(peer), ChannelId(channel), Body::Slice(data), patience))
    })
}

/// Sends copies of many messages to a peer, in their order: one call for what comes by the dozen. The caller's memory is free again on return.
///
/// @param node      the node
/// @param peer      the peer
/// @param channel   a channel that both sides have
/// @param messages  an array; may be NULL if count is 0
/// @param count     messages there
/// @param opts      may be NULL; only timeout_ms can be set: how long to wait for room for all of them
/// @param sent      may be NULL; how many were queued, from the first: all of them after BOWLINE_OK, those before the one that was refused
///                  after any other result
/// @return As bowline_send, of the first message that was not queued.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_send_batch(
    node: *mut bowline_node,
    peer: bowline_peer,
    channel: bowline_channel,
    messages: *const bowline_slice,
    count: usize,
    opts: *const bowline_send_opts,
    sent: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a writable count, or NULL.
        let sent = unsafe { Out::optional(sent)? };
        if let Some(sent) = &sent {
            sent.put(0);
        }
        // SAFETY: the header asks for a node, `count` slices with their bytes and options, or NULL.
        let (hosted, messages, wish) = unsafe { (hosted(node.cast_const())?, Checked::all(messages, count)?, Wish::of(opts)?) };
        if wish.special()?.is_some() {
            return invalid("a batch has no ttl_ms and no report: bowline_send has");
        }
        let batch = hosted.running()?.post_batch(LinkId::from_u64(peer), ChannelId(channel), messages, wish.patience);
        if let Some(sent) = sent {
            sent.put(batch.as_ref().map_or_else(|unsent| unsent.queued, |()| count));
        }
        waited(wish.patience, batch.map_err(|unsent| unsent.why))
    })
}

/// Sends a message to a peer without copying its bytes. It takes a reference of its own: free yours, whether the call succeeds or not.
/// From now on the message cannot be written.
///
/// @param node     the node
/// @param peer     the peer
/// @param channel  a channel that both sides have
/// @param msg      the message
/// @param opts     may be NULL: then it does not wait. It waits for room in the queue for as long as their timeout_ms says
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
        let (hosted, msg, patience) = unsafe { (hosted(node.cast_const())?, handle::borrow(msg.cast_const())?, plain(opts)) };
        let Some(patience) = patience else {
            // SAFETY: as above.
            let wish = unsafe { Wish::of(opts) }?;
            return special(hosted, peer, channel, &msg.seal(), &wish);
        };
        let (link, channel, bytes) = (LinkId::from_u64(peer), ChannelId(channel), msg.seal_to_read());
        let sent = match bytes.len() {
            // Only a long one is shared with the queue.
            BY_REFERENCE_MIN.. => hosted.running()?.post(link, channel, Body::Bytes(&msg.seal()), patience),
            _ => hosted.running()?.post(link, channel, Body::Slice(bytes), patience),
        };
        waited(patience, sent)
    })
}

/// Takes back every message that was sent to a peer with BOWLINE_SEND_REPORT and that tag, and of which no byte was sent: its report says
/// BOWLINE_E_CANCELED. Of one that is too late the report says what it would have said anyway.
///
/// @param node  the node
/// @param peer  the peer
/// @param tag   as in the options
/// @return BOWLINE_OK, also if there is none; STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_send_cancel(node: *mut bowline_node, peer: bowline_peer, tag: u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        hosted.running()?.cancel(LinkId::from_u64(peer), tag);
        Ok(())
    })
}

/// Waits until nothing waits to be sent to a peer, or to any, and the system has every byte: that the peer has them is not said. What others
/// send meanwhile is waited for, too.
///
/// @param node        the node
/// @param peer        the peer; 0: all that are connected now, of which those that close meanwhile are passed over
/// @param timeout_ms  how long to wait
/// @return BOWLINE_OK, INVALID, PEER_GONE if it is not connected or closes meanwhile, STATE if the node is not started, STOPPED, TIMEOUT.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_flush(node: *mut bowline_node, peer: bowline_peer, timeout_ms: i64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        let timeout = raw::timeout(timeout_ms)?.unwrap_or(Duration::MAX);
        Ok(hosted.running()?.flush((peer != 0).then(|| LinkId::from_u64(peer)), timeout)?)
    })
}

/// Sends a message to every peer that has the channel. Peers whose queue is full do not get it: nobody is waited for.
///
/// @param node     the node
/// @param channel  a channel of the node
/// @param msg      the message; as for bowline_send_msg
/// @param except   a peer that shall not get it (who it came from), or 0
/// @param opts     may be NULL; only the flag BOWLINE_SEND_SELF can be set
/// @param reach    may be NULL; begin with BOWLINE_REACH_INIT: how many got it
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
    reach: *mut bowline_reach,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a message, options and a struct that begins with its size, or NULL.
        let (reach, hosted, msg, wish) = unsafe {
            (OutSized::optional(reach)?, hosted(node.cast_const())?, handle::borrow(msg.cast_const())?, Wish::of(opts)?)
        };
        let options = wish.broadcast(except)?;
        let told = hosted.running()?.broadcast_with(ChannelId(channel), &msg.seal(), &options)?;
        if let Some(reach) = reach {
            reach.put(&bowline_reach::of(told));
        }
        Ok(())
    })
}
