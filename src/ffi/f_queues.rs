//! Section F of the header: event queues, the one way in which anything reaches the application.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::e_node::{bowline_node, hosted};
use super::event::bowline_event;
use super::fork::Home;
use super::g_messages::bowline_msg_free;
use super::guard::{Failure, guard, guard_or};
use super::handle::{self, Handle};
use super::raw::{self, Out, STRUCT_SIZE_MAX};
use crate::base::channel::ChannelId;
use crate::bus::event::NodeState;
use crate::node::error::{Error, RecvError};
use crate::node::node::Node;
use crate::node::queue::Queue;
use std::ffi::{c_char, c_int};
use std::mem::{align_of, size_of};

/// An event queue. Any number of threads may poll it; each event goes to one of them.
///
/// It is bounded however slowly it is polled. Messages of a connected peer wait up to the channel's receive queue, then the peer must wait.
/// What peers that are gone have left waits too: of 1,024 links, 16 MiB of messages, or one link's if those alone are more. Then the
/// oldest link whose PEER_CONNECTED was not polled leaves no event; if there is none, the oldest loses its messages and keeps its
/// PEER_DISCONNECTED, and no more of these wait than twice the open links and 1,024 together. bowline_metrics.msgs_dropped_in counts the
/// messages. While the node stops nothing is dropped.
pub struct bowline_queue {
    _opaque: [u8; 0],
}

impl Handle for bowline_queue {
    type Value = Polled;
    const MAGIC: u64 = 0x626f_776c_7175_6575;
}

/// What `bowline_queue` really is.
pub struct Polled {
    node: Node,
    queue: Queue,
    home: Home,
    is_main: bool,
    /// When the node's time began, by the clock of bowline_clock_ns.
    origin_ns: u64,
}

impl bowline_queue {
    /// The handle of a node's main queue.
    pub fn main(node: &Node, home: Home, origin_ns: u64) -> *mut bowline_queue {
        let queue = node.main_queue();
        handle::give(Polled { node: node.clone(), queue, home, is_main: true, origin_ns })
    }
}

/// Most events that one call hands out, whatever the array has room for.
const BATCH_MAX: usize = 65_536;

/// A queue that C lends for the length of a call, in the process that made it.
///
/// # Safety
/// As for `handle::borrow`.
unsafe fn polled<'a>(queue: *const bowline_queue) -> Result<&'a Polled, Failure> {
    // SAFETY: the caller of this function vouches for `queue`.
    let polled = unsafe { handle::borrow(queue) }?;
    polled.home.check()?;
    Ok(polled)
}

/// The caller's array of events, which may be of a larger kind than ours.
struct Slots {
    to: *mut u8,
    event_size: usize,
}

impl Slots {
    /// # Safety
    /// `to` is NULL or may be written for as many events of `event_size` bytes as are put.
    unsafe fn of(to: *mut bowline_event, event_size: usize) -> Result<Slots, Failure> {
        let own = size_of::<bowline_event>();
        if !(own..=STRUCT_SIZE_MAX).contains(&event_size) || !event_size.is_multiple_of(align_of::<bowline_event>()) {
            let says = format!("event_size is {event_size}: pass sizeof(bowline_event), at least {own}");
            return Err(Failure::new(bowline_result::BOWLINE_E_STRUCT_SIZE, says));
        }
        raw::aligned(to)?;
        Ok(Slots { to: to.cast(), event_size })
    }

    /// # Safety
    /// There is room for an event number `at`.
    unsafe fn put(&self, at: usize, event: bowline_event) {
        // SAFETY: `of` was promised the bytes, event_size is not smaller than ours and keeps the alignment.
        unsafe {
            let slot = self.to.add(at * self.event_size);
            slot.cast::<bowline_event>().write(event);
            slot.add(size_of::<bowline_event>()).write_bytes(0, self.event_size - size_of::<bowline_event>());
        }
    }
}

impl Polled {
    /// Waits for the first event and takes what is there, up to `max`.
    fn take(&self, max: usize, timeout_ms: i64) -> Result<Vec<crate::bus::event::Event>, Failure> {
        let timeout = raw::timeout(timeout_ms)?;
        let mut events = Vec::new();
        let taken = match timeout {
            Some(std::time::Duration::ZERO) => self.queue.try_recv_batch(&mut events, max),
            timeout => self.queue.recv_batch(&mut events, max, timeout),
        };
        match taken {
            Ok(_) => Ok(events),
            Err(RecvError::Timeout) if timeout_ms == 0 => Err(bowline_result::BOWLINE_E_AGAIN.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes another queue, for the channels that are bound to it. Only before the node is started.
///
/// @param node  the node
/// @param name  a label for people
/// @param out   the queue; free it with bowline_queue_free
/// @return BOWLINE_OK, LIMIT if there are 64, NULL, STATE if the node was started, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_new(
    node: *mut bowline_node,
    name: *const c_char,
    out: *mut *mut bowline_queue,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a text and a writable pointer, or NULL.
        let (out, hosted, _) = unsafe { (Out::of(out)?.cleared(), hosted(node.cast_const())?, raw::text(name)?) };
        let queue = hosted.node.queue().map_err(|error| match error {
            Error::State(says) if hosted.node.state() == NodeState::New => Failure::new(bowline_result::BOWLINE_E_LIMIT, says),
            error => error.into(),
        })?;
        out.put(handle::give(Polled {
            node: hosted.node.clone(),
            queue,
            home: hosted.home(),
            is_main: false,
            origin_ns: hosted.origin_ns(),
        }));
        Ok(())
    })
}

/// The queue that gets everything that is bound to no other. It belongs to the node and lives until bowline_node_free.
///
/// @param node  may be NULL
/// @return The queue; NULL for NULL and for what is no node of this process.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_main_queue(node: *mut bowline_node) -> *mut bowline_queue {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the header asks for a node, or NULL.
        unsafe { hosted(node.cast_const()) }.map_or(std::ptr::null_mut(), super::e_node::Hosted::main_queue)
    })
}

/// Frees a queue of bowline_queue_new; does nothing to a main queue. Free it when the node has stopped: what arrives on its channels
/// before would have no reader.
///
/// @param queue  may be NULL
/// @threads one; no other call on the queue may be under way or follow
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_free(queue: *mut bowline_queue) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a live queue.
        if unsafe { handle::borrow(queue.cast_const()) }.is_ok_and(|polled| polled.is_main) {
            return;
        }
        // SAFETY: nobody uses the queue any more, says the header.
        let Some(polled) = (unsafe { handle::take(queue) }) else { return };
        if !polled.home.is_here() {
            // A lock that a thread of the parent held would never open.
            std::mem::forget(polled);
        }
    });
}

/// Sends the messages of a channel to this queue instead of the main one. It also gets PEER_CONNECTED and PEER_DISCONNECTED of the peers
/// that have the channel. Only before the node is started; a later binding replaces an earlier one.
///
/// @param queue    the queue
/// @param channel  a channel of the node's configuration
/// @return BOWLINE_OK, NO_CHANNEL, NULL, STATE if the node was started.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_bind_channel(queue: *mut bowline_queue, channel: bowline_channel) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a queue, or NULL.
        let polled = unsafe { polled(queue.cast_const())? };
        polled.node.bind(ChannelId(channel), &polled.queue).map_err(|error| match error {
            Error::Channel(says) => Failure::new(bowline_result::BOWLINE_E_NO_CHANNEL, says),
            error => error.into(),
        })
    })
}

/// Takes the next event.
///
/// @param queue       the queue
/// @param out         the event; release it with bowline_events_release
/// @param event_size  sizeof(bowline_event)
/// @param timeout_ms  how long to wait for one
/// @return BOWLINE_OK, AGAIN if there is none and timeout_ms is 0, FATAL, STOPPED when the node has stopped and all was taken,
///         STRUCT_SIZE, TIMEOUT.
/// @threads any, any number
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_poll(
    queue: *mut bowline_queue,
    out: *mut bowline_event,
    event_size: usize,
    timeout_ms: i64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a queue and an event of `event_size` bytes, or NULL.
        let (slots, polled) = unsafe { (Slots::of(out, event_size)?, polled(queue.cast_const())?) };
        for event in polled.take(1, timeout_ms)? {
            // SAFETY: one event was taken for the one that there is room for.
            unsafe { slots.put(0, bowline_event::of(event, &polled.node, polled.origin_ns)) };
        }
        Ok(())
    })
}

/// Waits for the first event and takes those that are there: one call for many messages.
///
/// @param queue       the queue
/// @param out         an array; release it with bowline_events_release
/// @param event_size  sizeof(bowline_event)
/// @param cap         events that fit there, at least 1
/// @param count       how many were taken; 0 after a failure
/// @param timeout_ms  how long to wait for the first one
/// @return As bowline_queue_poll; INVALID if cap is 0.
/// @threads any, any number
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_poll_batch(
    queue: *mut bowline_queue,
    out: *mut bowline_event,
    event_size: usize,
    cap: usize,
    count: *mut usize,
    timeout_ms: i64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a queue, an array of `cap` events and a writable count, or NULL.
        let count = unsafe { Out::of(count)? };
        count.put(0);
        // SAFETY: as above.
        let (slots, polled) = unsafe { (Slots::of(out, event_size)?, polled(queue.cast_const())?) };
        if cap == 0 {
            return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "cap is 0: there must be room for an event"));
        }
        let events = polled.take(cap.min(BATCH_MAX), timeout_ms)?;
        let taken = events.len();
        for (at, event) in events.into_iter().enumerate() {
            // SAFETY: no more than `cap` events were taken.
            unsafe { slots.put(at, bowline_event::of(event, &polled.node, polled.origin_ns)) };
        }
        count.put(taken);
        Ok(())
    })
}

/// Frees the msg of each event that still has one, and zeroes the events.
///
/// @param events      an array that was polled; may be NULL if count is 0
/// @param event_size  sizeof(bowline_event), as in the poll
/// @param count       events there
/// @threads any; the owner of the array
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_events_release(events: *mut bowline_event, event_size: usize, count: usize) {
    guard_or((), || {
        // SAFETY: the header asks for an array of `count` events of `event_size` bytes, or NULL.
        let Ok(slots) = (unsafe { Slots::of(events, event_size) }) else { return };
        for at in 0..count {
            // SAFETY: `at` is below `count`; what a poll or an earlier release left there is an event.
            unsafe {
                let event = slots.to.add(at * event_size).cast::<bowline_event>().read();
                bowline_msg_free(event.msg);
                slots.put(at, bowline_event { result: 0, ..bowline_event::NONE });
            }
        }
    });
}

/// A descriptor that is readable exactly while the queue is not empty, or the node has stopped: level-triggered, for poll, select, epoll and
/// what stands on them. Another poller can empty the queue again: then polling says BOWLINE_E_AGAIN. It is made by the first call and
/// closed with the queue. Only poll it: never read, write or close it.
///
/// @param queue  may be NULL
/// @return The descriptor; -1 for NULL, or if the system has none left.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_fd(queue: *mut bowline_queue) -> c_int {
    guard_or(-1, || {
        // SAFETY: the header asks for a queue, or NULL.
        let Ok(polled) = (unsafe { polled(queue.cast_const()) }) else { return -1 };
        polled.queue.fd().unwrap_or(-1)
    })
}

/// Wakes one poller now, with an event BOWLINE_EV_WAKEUP.
///
/// @param queue  the queue
/// @param tag    comes with the event
/// @return BOWLINE_OK, LIMIT if thousands wait already, NULL, STOPPED.
/// @threads any; not from a signal handler
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_wakeup(queue: *mut bowline_queue, tag: u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a queue, or NULL.
        let polled = unsafe { polled(queue.cast_const())? };
        match (polled.queue.wakeup(tag), polled.node.state()) {
            (true, _) => Ok(()),
            (false, NodeState::New | NodeState::Running) => Err(bowline_result::BOWLINE_E_LIMIT.into()),
            (false, NodeState::Failed) => Err(bowline_result::BOWLINE_E_FATAL.into()),
            (false, NodeState::Stopping | NodeState::Stopped) => Err(bowline_result::BOWLINE_E_STOPPED.into()),
        }
    })
}
