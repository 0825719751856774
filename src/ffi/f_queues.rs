//! Section F of the header: event queues, the one way in which anything reaches the application.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::callback;
use super::e_node::{bowline_node, hosted};
use super::event::{bowline_event, notices_of, of_message};
use super::fork::Home;
use super::g_messages::bowline_msg;
use super::guard::{Failure, guard, guard_or};
use super::handle::{self, Handle};
use super::raw::{self, Out, STRUCT_SIZE_MAX};
use crate::base::channel::ChannelId;
use crate::bus::event::{Event, NodeState};
use crate::bus::queue::Sink;
use crate::node::error::{Error, RecvError};
use crate::node::node::Node;
use crate::node::queue::Queue;
use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
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
    pub(super) queue: Queue,
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

/// What tells an event loop that a queue has something.
pub type bowline_wake_fn = Option<unsafe extern "C" fn(ctx: *mut c_void)>;

/// Bytes of an event in the first version: smaller is refused for ever. Every part of it is as wide on every machine that is supported.
const EVENT_FIRST: usize = 72;

/// Most events that one call hands out, whatever the array has room for.
const BATCH_MAX: usize = 65_536;

/// A queue that C lends for the length of a call, in the process that made it.
///
/// # Safety
/// As for `handle::borrow`.
unsafe fn polled<'a>(queue: *const bowline_queue) -> Result<&'a Polled, Failure> {
    // SAFETY: the caller of this function vouches for `queue`.
    let polled = unsafe { handle::borrow(queue) }?;
    callback::refuse_inside()?;
    polled.home.check()?;
    Ok(polled)
}

/// A queue that events are to go to; `None` for NULL, the main one.
///
/// # Safety
/// As for `handle::borrow`.
pub(super) unsafe fn queue_of<'a>(queue: *const bowline_queue) -> Result<Option<&'a Queue>, Failure> {
    if queue.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller of this function vouches for `queue`.
    Ok(Some(&unsafe { polled(queue)? }.queue))
}

/// The caller's array of events. Each takes as many bytes as an event had in the caller's header: fewer than ours if that is older, more if
/// it is newer. `E` is our event; a test has one that has grown.
pub(super) struct Slots<E = bowline_event> {
    to: *mut u8,
    event_size: usize,
    of: PhantomData<E>,
}

impl<E: Copy> Slots<E> {
    /// # Safety
    /// `to` is NULL or may be written for as many events of `event_size` bytes as are put. `E` begins with the first version's event, and zeros
    /// are a value of every member behind that.
    pub(super) unsafe fn of(to: *mut E, event_size: usize) -> Result<Slots<E>, Failure> {
        const { assert!(size_of::<E>() >= EVENT_FIRST, "an event never shrinks") };
        if !(EVENT_FIRST..=STRUCT_SIZE_MAX).contains(&event_size) || !event_size.is_multiple_of(align_of::<E>()) {
            let says = format!("event_size is {event_size}: pass sizeof(bowline_event), at least {EVENT_FIRST}");
            return Err(Failure::new(bowline_result::BOWLINE_E_STRUCT_SIZE, says));
        }
        raw::aligned(to)?;
        Ok(Slots { to: to.cast(), event_size, of: PhantomData })
    }

    /// Writes as much of an event as the caller knows, and zeros for what we do not know.
    ///
    /// # Safety
    /// There is room for an event number `at`.
    pub(super) unsafe fn put(&self, at: usize, event: E) {
        // SAFETY: `of` was promised the bytes, and event_size keeps the alignment.
        unsafe {
            let slot = self.to.add(at * self.event_size);
            if self.event_size < size_of::<E>() {
                return Self::put_beginning(slot, self.event_size, event);
            }
            slot.cast::<E>().write(event);
            if self.event_size > size_of::<E>() {
                slot.add(size_of::<E>()).write_bytes(0, self.event_size - size_of::<E>());
            }
        }
    }

    /// For callers with an older header. Apart, so that the others' events are written where they are to lie.
    ///
    /// # Safety
    /// There is room for `bytes`, which an event has.
    #[cold]
    #[inline(never)]
    unsafe fn put_beginning(slot: *mut u8, bytes: usize, event: E) {
        // SAFETY: the caller of this function vouches for the room.
        unsafe { slot.copy_from_nonoverlapping((&raw const event).cast(), bytes) };
    }
}

impl Slots {
    /// Frees what an event holds.
    ///
    /// # Safety
    /// Event number `at` was put there, or is zero.
    unsafe fn release(&self, at: usize) {
        // SAFETY: the message is in every version's event.
        unsafe {
            let event = self.to.add(at * self.event_size).cast::<bowline_event>();
            bowline_msg::release((&raw const (*event).msg).read());
            self.put(at, bowline_event { result: 0, ..bowline_event::NONE });
        }
    }
}

/// The caller's array while events are taken out of a queue. Messages are put at once, which are many; what the others say may need the
/// node, whose locks are not to be had under the queue's.
struct Filling<'a> {
    slots: &'a Slots,
    origin_ns: u64,
    count: usize,
    others: Vec<(usize, Event)>,
}

impl Sink for Filling<'_> {
    fn count(&self) -> usize {
        self.count
    }

    #[inline]
    fn put(&mut self, event: Event) {
        match event {
            // SAFETY: `Polled::take` takes no more events than there is room for.
            Event::Message(message) => unsafe { self.slots.put(self.count, of_message(message, self.origin_ns)) },
            event => self.others.push((self.count, event)),
        }
        self.count += 1;
    }
}

impl Polled {
    /// Waits for the first event and puts what is there, up to `max`. Returns how many.
    ///
    /// # Safety
    /// There is room for `max` events.
    unsafe fn take(&self, slots: &Slots, max: usize, timeout_ms: i64) -> Result<usize, Failure> {
        let timeout = raw::timeout(timeout_ms)?;
        let wait = timeout.is_none_or(|timeout| !timeout.is_zero()).then_some(timeout);
        let mut filling = Filling { slots, origin_ns: self.origin_ns, count: 0, others: Vec::new() };
        let taken = self.queue.take(&mut filling, max, wait);
        for (at, event) in filling.others {
            // SAFETY: it was counted when it was taken.
            unsafe { slots.put(at, bowline_event::of(event, &self.node, self.origin_ns)) };
        }
        match taken {
            Err(RecvError::Timeout) if timeout_ms == 0 => Err(bowline_result::BOWLINE_E_AGAIN.into()),
            taken => Ok(taken?),
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
/// @return The queue; NULL for NULL and for what is no node. In a forked child calls on it say BOWLINE_E_FORKED, as those on the node.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_main_queue(node: *mut bowline_node) -> *mut bowline_queue {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the header asks for a node, or NULL.
        unsafe { handle::borrow(node.cast_const()) }.map_or(std::ptr::null_mut(), super::e_node::Hosted::main_queue)
    })
}

/// Frees a queue of bowline_queue_new; does nothing to a main queue. Free it when the node has stopped, or after bowline_node_free, as you
/// like: what arrives on its channels before would have no reader. From within a callback it frees nothing, and the log has a line about that.
///
/// @param queue  may be NULL
/// @threads one; no other call on the queue may be under way or follow; calls on its node may
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_free(queue: *mut bowline_queue) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a live queue.
        if unsafe { handle::borrow(queue.cast_const()) }.map_or(true, |polled| polled.is_main) {
            return;
        }
        if callback::refuses_to_free("bowline_queue_free") {
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
/// @return BOWLINE_OK, AGAIN if there is none and timeout_ms is 0, FATAL, STATE if timeout_ms is not 0 on a memory network, STOPPED when
///         the node has stopped and all was taken, STRUCT_SIZE, TIMEOUT.
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
        // SAFETY: there is room for one.
        unsafe { polled.take(&slots, 1, timeout_ms) }.map(drop)
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
        // SAFETY: there is room for `cap`.
        count.put(unsafe { polled.take(&slots, cap.min(BATCH_MAX), timeout_ms) }?);
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
            unsafe { slots.release(at) };
        }
    });
}

/// A descriptor that is readable exactly while the queue is not empty, or the node has stopped: level-triggered, for poll, select, epoll and
/// what stands on them. Another poller can empty the queue again: then polling says BOWLINE_E_AGAIN. It is made by the first call and
/// closed with the queue. Only poll it: never read, write or close it.
///
/// @param queue  may be NULL
/// @return The descriptor; -1 for NULL, if the system has none left, while a wake function is set, in a callback and in a forked child.
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

/// Has a function called whenever the queue, having been empty, is so no longer, and when the node has stopped; at once, before this returns,
/// if that is so now. It is for event loops without descriptors. Whoever is woken polls until the answer is BOWLINE_E_AGAIN, or there will be
/// no other call.
///
/// @param queue  the queue
/// @param wake   called on any thread, with ctx: it may only signal an event loop. It must not call bowline_*, block, throw or jump out.
///               NULL removes it and waits for a call that is under way
/// @param ctx    may be NULL; it must live until wake is removed or the node is freed
/// @return BOWLINE_OK, NULL, STATE if bowline_queue_fd is in use, or from within a callback.
/// @threads any; not from a callback
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_set_wake(
    queue: *mut bowline_queue,
    wake: bowline_wake_fn,
    ctx: *mut c_void,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a queue, or NULL.
        let polled = unsafe { polled(queue.cast_const())? };
        let (home, ctx) = (polled.home, callback::Context(ctx));
        let wake = wake.map(|wake| -> Box<dyn Fn() + Send + Sync> {
            Box::new(move || {
                // A forked child has no business with the parent's event loop.
                if home.is_here() {
                    // SAFETY: the header asks for a function that may be called on any thread until it is removed.
                    callback::run(|| unsafe { wake(ctx.get()) });
                }
            })
        });
        polled.queue.set_wake(wake)?;
        callback::complain();
        Ok(())
    })
}

/// Sends events of these kinds to this queue instead of the main one, each kind to one queue. They are those that belong to no link's
/// story: DIAL_FAILED, PEER_REFUSED, PEER_GREYLISTED, PEER_BANNED, PEER_WARNED, ADDR_ADDED (told only if it is bound), ROUND_ENDED,
/// CHANNEL_STALLED, CHANNEL_RESUMED, ROLE_SHORT, SURPLUS, FEW_GROUPS and the three of the store. Every queue hears of NODE_STATE and FATAL;
/// SEND_RESULT and RESPONSE go where the call said. Only before the node is started; a later binding replaces an earlier one.
///
/// @param queue  the queue
/// @param mask   bits BOWLINE_EV_BIT(kind), or-ed together
/// @return BOWLINE_OK, INVALID for a bit of another kind, NULL, STATE if the node was started.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_queue_bind_events(queue: *mut bowline_queue, mask: u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a queue, or NULL.
        let polled = unsafe { polled(queue.cast_const())? };
        let kinds = notices_of(mask).ok_or(bowline_result::BOWLINE_E_INVALID)?;
        Ok(polled.node.bind_notices(&kinds, &polled.queue)?)
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
        let is_woken = polled.queue.wakeup(tag);
        callback::complain();
        match (is_woken, polled.node.state()) {
            (true, _) => Ok(()),
            (false, NodeState::New | NodeState::Running) => Err(bowline_result::BOWLINE_E_LIMIT.into()),
            (false, NodeState::Failed) => Err(bowline_result::BOWLINE_E_FATAL.into()),
            (false, NodeState::Stopping | NodeState::Stopped) => Err(bowline_result::BOWLINE_E_STOPPED.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;

    /// An event as a later version may have it.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Grown {
        event: bowline_event,
        more: u64,
    }

    /// What is there; members that the caller does not know are zero.
    ///
    /// # Safety
    /// Event number `at` was put there.
    unsafe fn read<E: Copy>(slots: &Slots<E>, at: usize) -> E {
        let mut event = MaybeUninit::<E>::zeroed();
        // SAFETY: as many bytes as both events have, and zeros are a value.
        unsafe {
            let common = slots.event_size.min(size_of::<E>());
            event.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(slots.to.add(at * slots.event_size), common);
            event.assume_init()
        }
    }

    /// Three slots of that many words are written with two events, and read; what is behind them stays as it was.
    fn through<E: Copy>(words: usize, events: [E; 2]) -> (Vec<u64>, [E; 2]) {
        let mut room = vec![u64::MAX; 3 * words];
        // SAFETY: the room has three slots of that size, and is aligned for u64.
        unsafe {
            let slots = Slots::of(room.as_mut_ptr().cast::<E>(), 8 * words).expect("a size that is known");
            (0..2).for_each(|at| slots.put(at, events[at]));
            let got = [0, 1].map(|at| read(&slots, at));
            (room, got)
        }
    }

    #[test]
    fn an_older_callers_events_have_the_members_that_it_knows() {
        let first = EVENT_FIRST / 8;
        let event = |tag: u64| Grown { event: bowline_event { tag, detail: 7, len: 9, ..bowline_event::NONE }, more: 5 };
        let (room, got) = through(first, [event(1), event(2)]);
        assert!(room[2 * first..].iter().all(|word| *word == u64::MAX), "nothing is written beyond what it knows");
        assert!(got.iter().zip(1..).all(|(it, tag)| (it.event.tag, it.event.len, it.more) == (tag, 9, 0)));
    }

    #[test]
    fn a_newer_callers_stride_is_its_own_and_what_is_unknown_here_is_zero() {
        let first = EVENT_FIRST / 8;
        let event = |tag: u64| bowline_event { tag, ..bowline_event::NONE };
        let (room, got) = through(first + 2, [event(1), event(2)]);
        assert_eq!([room[first], room[first + 1], room[2 * first + 2], room[2 * first + 3]], [0; 4]);
        assert_eq!((got[0].tag, got[1].tag, room[2 * first + 4]), (1, 2, u64::MAX));
    }

    #[test]
    fn sizes_that_no_event_ever_had_are_refused() {
        for size in [0, EVENT_FIRST - 8, EVENT_FIRST + 4, STRUCT_SIZE_MAX + 8] {
            let mut event = bowline_event::NONE;
            // SAFETY: nothing is written.
            let refused = unsafe { Slots::of(&raw mut event, size) }.err().map(|failure| failure.code);
            assert_eq!(refused, Some(bowline_result::BOWLINE_E_STRUCT_SIZE), "{size}");
        }
    }
}
