//! An event queue as a Rust program sees it: blocking, batched, or by a descriptor for its own event loop.

use super::clock::Clock;
use super::error::{Error, RecvError};
use super::shared::Status;
use crate::bus::event::{Event, NodeState};
use crate::bus::queue::{Queue as Inner, Sink, TakeError};
use parking_lot::Mutex;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// An event queue. Any thread may take from it, any number at once; each event goes to one of them.
///
/// # Memory
/// Messages of an open link are bounded by its credit (`Channel::receive_queue_bytes`); notices by 1,024. Of closed links the queue keeps
/// the stories, Up, messages and Down, until they are taken: of 1,024 links, 16 MiB of messages, or one story if that alone is larger.
/// What is more goes, first whole stories whose Up nobody has taken, oldest first, then messages of the others, which keep their
/// Down: an Up that was taken has its Down in any case. At most twice as many Downs wait as there are links and stories together.
/// `Stats::messages_unseen` counts the messages that went. While the node stops nothing goes.
#[derive(Clone)]
pub struct Queue {
    pub(super) inner: Arc<Inner>,
    clock: Clock,
    status: Arc<Status>,
    readers: Arc<Readers>,
}

/// What the clones of a `Queue` share. It ends with the last of them: then nobody takes any more.
struct Readers {
    inner: Arc<Inner>,
    signal: Mutex<Signal>,
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.inner.abandon();
    }
}

/// How those who do not wait in a call learn that there is something.
#[derive(Default)]
enum Signal {
    #[default]
    Unused,
    /// The end that they poll, kept open as long as somebody could.
    Descriptor(PipeReader),
    Wake,
}

impl Queue {
    pub(super) fn new(inner: Arc<Inner>, clock: Clock, status: Arc<Status>) -> Queue {
        let readers = Arc::new(Readers { inner: Arc::clone(&inner), signal: Mutex::default() });
        Queue { inner, clock, status, readers }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// `Stopped` when the node has stopped and everything was taken, `Failed` when it failed.
    pub fn recv(&self) -> Result<Event, RecvError> {
        self.one(Some(None))
    }

    /// Waits at most `timeout` for the next event.
    ///
    /// # Errors
    /// As `recv`, and `Timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvError> {
        self.one(Some(Some(timeout)))
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// As `recv`, and `Timeout` if there is none.
    pub fn try_recv(&self) -> Result<Event, RecvError> {
        self.one(None)
    }

    /// Waits for the first event (`None`: for ever) and appends up to `max` to `into`. One hand-over for many messages.
    ///
    /// # Errors
    /// As `recv_timeout`; `into` is unchanged then.
    pub fn recv_batch(&self, into: &mut Vec<Event>, max: usize, timeout: Option<Duration>) -> Result<usize, RecvError> {
        self.take(into, max, Some(timeout))
    }

    /// Appends up to `max` waiting events to `into`, without waiting.
    ///
    /// # Errors
    /// As `try_recv`.
    pub fn try_recv_batch(&self, into: &mut Vec<Event>, max: usize) -> Result<usize, RecvError> {
        self.take(into, max, None)
    }

    /// Wakes one waiting receiver with an `Event::Wakeup(tag)`. False if thousands wait already, or the node has stopped.
    pub fn wakeup(&self, tag: u64) -> bool {
        self.inner.wakeup(tag)
    }

    /// A descriptor that is readable exactly while the queue is not empty or the node has stopped (level-triggered). It is made by the
    /// first call and closed with the last `Queue` of this kind. Only poll it: never read, write or close it.
    ///
    /// # Errors
    /// What the system says when it has no descriptor; `State` if `set_wake` is in use.
    pub fn fd(&self) -> Result<RawFd, Error> {
        let mut signal = self.readers.signal.lock();
        match &*signal {
            Signal::Descriptor(reader) => return Ok(reader.as_raw_fd()),
            Signal::Wake => return Err(Error::State("the queue wakes by a function: remove it to have a descriptor")),
            Signal::Unused => {}
        }
        let failed = |source| Error::System { what: "a pipe for the queue's descriptor", source };
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let twin = reader.try_clone().map_err(failed)?;
        // At most one byte is ever in the pipe, so that neither end can block.
        self.inner.set_readable(Box::new(move |is_readable| {
            let _ = if is_readable { (&writer).write(&[1]).map(drop) } else { (&twin).read(&mut [0]).map(drop) };
        }));
        let fd = reader.as_raw_fd();
        *signal = Signal::Descriptor(reader);
        Ok(fd)
    }

    /// Calls `wake` whenever the queue, having been empty, is so no longer, and when the node has stopped; at once if that is so now. Whoever
    /// is woken takes events until there are none. It runs on whatever thread brings the event, under the queue's lock: it may only signal
    /// an event loop, and must not block, panic or call the node or the queue. `None` removes it, and waits for a call that is under way.
    ///
    /// # Errors
    /// `State` if `fd` is in use.
    pub fn set_wake(&self, wake: Option<Box<dyn Fn() + Send + Sync>>) -> Result<(), Error> {
        let mut signal = self.readers.signal.lock();
        if matches!(*signal, Signal::Descriptor(_)) {
            return Err(Error::State("the queue has a descriptor, which says the same: poll that"));
        }
        *signal = if wake.is_some() { Signal::Wake } else { Signal::Unused };
        self.inner.set_readable(match wake {
            Some(wake) => Box::new(move |is_readable| {
                if is_readable {
                    wake();
                }
            }),
            None => Box::new(|_| {}),
        });
        Ok(())
    }

    /// Nobody polls it any more, whoever has it: nothing in it is an event for anybody, and its descriptor is closed.
    pub(crate) fn retire(&self) {
        self.inner.abandon();
        *self.readers.signal.lock() = Signal::Unused;
    }

    fn one(&self, wait: Option<Option<Duration>>) -> Result<Event, RecvError> {
        let mut events = Vec::with_capacity(1);
        self.take(&mut events, 1, wait)?;
        events.pop().ok_or(RecvError::Timeout)
    }

    /// `recv_batch`, or `try_recv_batch` if `wait` is `None`, into something else.
    pub(crate) fn take(&self, into: &mut impl Sink, max: usize, wait: Option<Option<Duration>>) -> Result<usize, RecvError> {
        if wait.is_some_and(|wait| self.clock.forbids(wait)) {
            return Err(RecvError::Virtual);
        }
        let deadline = wait.map(|wait| self.clock.deadline(wait));
        self.inner.take(into, max, deadline).map_err(|error| match error {
            TakeError::Timeout => RecvError::Timeout,
            TakeError::Stopped if self.status.state() == NodeState::Failed => RecvError::Failed,
            TakeError::Stopped => RecvError::Stopped,
        })
    }
}
