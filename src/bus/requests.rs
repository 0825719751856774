//! Requests under way on one link, in both directions: who waits for which answer, and which answers the application owes. Callers ask
//! and answer, the reactor completes. It sends nothing and reads no clock; whoever calls it posts the outcome.
//!
//! ```text
//! asked:  ask() ──► waits ──► answered() | expired() | take_back() | cancel() | close()     one of them, once
//!                             expired() and take_back() leave it in the peer's count until release(): the peer has to hear of it first
//! owed:   owe() ──► owed  ──► settle()  | withdraw() | close()                settle() says true once
//! ```

use super::sync::Lock;
use crate::base::channel::ChannelId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::flow::batch::Ticket;
use crate::wire::refusal::Refusal;
use bytes::Bytes;
use crossbeam_channel::Sender;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The peer's answer.
    Answer(Bytes),
    /// The peer answered that it cannot serve it, and why.
    Refused(Refusal),
    /// No answer by the deadline. One that comes later is dropped and counted.
    TimedOut,
    /// The asker took it back.
    Cancelled,
    /// The link closed first.
    Closed(CloseReason),
}

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub enum Asker {
    /// A call that blocks: a channel with one free place.
    Call(Sender<Outcome>),
    /// An event in a queue.
    Event(Ticket),
}

/// Why a request cannot be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskError {
    /// The link is closed or closing.
    Closed(CloseReason),
    /// So many of this channel have no answer yet, and the peer takes no more.
    TooMany { max: u32 },
}

/// A request of ours.
#[derive(Debug)]
struct Asked {
    channel: ChannelId,
    deadline: Time,
    asker: Asker,
    /// It is in the mailbox, or was. Before, nobody can tell the peer behind it that it is over.
    is_queued: bool,
}

/// A request of ours that is over, for whoever posts the outcome.
#[derive(Debug)]
pub struct Over {
    pub channel: ChannelId,
    pub request: u32,
    pub asker: Asker,
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Requests {
    inner: Lock<Inner>,
}

#[derive(Debug)]
struct Leaving {
    channel: ChannelId,
    is_queued: bool,
}

#[derive(Debug)]
struct Inner {
    /// The last number that was given to a request.
    last: u32,
    asked: BTreeMap<u32, Asked>,
    /// Requests that are over for their askers, and the peer does not know it: they count as long as it counts them.
    leaving: BTreeMap<u32, Leaving>,
    /// None is late before.
    soonest: Time,
    /// By channel and number: two channels may use the same.
    owed: BTreeSet<(ChannelId, u32)>,
    closed: Option<CloseReason>,
}

impl Default for Inner {
    fn default() -> Inner {
        let (asked, leaving, owed) = Default::default();
        Inner { last: 0, asked, leaving, soonest: Time::MAX, owed, closed: None }
    }
}

impl Requests {
    /// Takes the number of a new request; the caller sends it next. The peer allows `max` without an answer on this channel.
    ///
    /// # Errors
    /// Why not now; the asker hears nothing then.
    pub fn ask(&self, channel: ChannelId, max: u32, deadline: Time, asker: Asker) -> Result<u32, AskError> {
        let mut inner = self.inner.lock();
        if let Some(reason) = inner.closed {
            return Err(AskError::Closed(reason));
        }
        let waiting = inner.asked.values().filter(|asked| asked.channel == channel).count();
        if waiting + inner.leaving.values().filter(|leaving| leaving.channel == channel).count() >= max as usize {
            return Err(AskError::TooMany { max });
        }
        let mut request = inner.last;
        loop {
            request = request.wrapping_add(1);
            // 0 is no request, and one that still waits keeps its number.
            if request != 0 && !inner.asked.contains_key(&request) && !inner.leaving.contains_key(&request) {
                break;
            }
        }
        inner.last = request;
        inner.soonest = inner.soonest.min(deadline);
        inner.asked.insert(request, Asked { channel, deadline, asker, is_queued: false });
        Ok(request)
    }

    /// An answer arrived. `None`: nobody waits for it (any more).
    pub fn answered(&self, channel: ChannelId, request: u32) -> Option<Over> {
        let mut inner = self.inner.lock();
        inner.asked.get(&request).filter(|asked| asked.channel == channel)?;
        inner.over(request)
    }

    /// Takes a request back that was never sent. `None`: it is over already.
    pub fn cancel(&self, request: u32) -> Option<Over> {
        self.inner.lock().over(request)
    }

    /// Takes a request back of which the peer may know. `None`: it is over already.
    pub fn take_back(&self, request: u32) -> Option<Over> {
        self.inner.lock().leave(request)
    }

    /// The request is in the mailbox. False if it is over already: the caller tells the peer, behind it, and then forgets it.
    pub fn queued(&self, request: u32) -> bool {
        let mut inner = self.inner.lock();
        inner.asked.get_mut(&request).map(|asked| asked.is_queued = true).is_some()
    }

    /// The peer hears that the request is over before it reads what comes behind this on its channel, or it never hears of it at all. One
    /// that is still to be queued counts on: whoever queues it forgets it.
    pub fn release(&self, request: u32) {
        let mut inner = self.inner.lock();
        if inner.leaving.get(&request).is_some_and(|leaving| leaving.is_queued) {
            inner.leaving.remove(&request);
        }
    }

    /// The same, by whoever would have queued it.
    pub fn forget(&self, request: u32) {
        self.inner.lock().leaving.remove(&request);
    }

    /// Takes out what has waited too long.
    pub fn expired(&self, now: Time) -> Vec<Over> {
        let mut inner = self.inner.lock();
        let late: Vec<u32> = inner.asked.iter().filter(|(_, asked)| asked.deadline <= now).map(|(request, _)| *request).collect();
        let over = late.into_iter().filter_map(|request| inner.leave(request)).collect();
        inner.soonest = inner.asked.values().map(|asked| asked.deadline).min().unwrap_or(Time::MAX);
        over
    }

    /// No request is late before.
    pub fn soonest(&self) -> Time {
        self.inner.lock().soonest
    }

    /// The link ends: nothing is asked any more, and what waits is over.
    pub fn close(&self, reason: CloseReason) -> Vec<Over> {
        let mut inner = self.inner.lock();
        inner.closed.get_or_insert(reason);
        inner.owed.clear();
        inner.leaving.clear();
        let asked = std::mem::take(&mut inner.asked);
        asked.into_iter().map(|(request, Asked { channel, asker, .. })| Over { channel, request, asker }).collect()
    }

    /// The peer asked: the application owes an answer.
    pub fn owe(&self, channel: ChannelId, request: u32) {
        let mut inner = self.inner.lock();
        if inner.closed.is_none() {
            inner.owed.insert((channel, request));
        }
    }

    /// The application answers. True once for each request that is owed an answer; the caller sends it then.
    pub fn settle(&self, channel: ChannelId, request: u32) -> bool {
        self.inner.lock().owed.remove(&(channel, request))
    }

    /// The peer took its request back: an answer would be dropped.
    pub fn withdraw(&self, channel: ChannelId, request: u32) {
        self.inner.lock().owed.remove(&(channel, request));
    }

    /// Requests of ours without an answer, and of the peer's that the application has not answered.
    pub fn waiting(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.asked.len(), inner.owed.len())
    }
}

impl Inner {
    fn over(&mut self, request: u32) -> Option<Over> {
        let Asked { channel, asker, .. } = self.asked.remove(&request)?;
        Some(Over { channel, request, asker })
    }

    fn leave(&mut self, request: u32) -> Option<Over> {
        let Asked { channel, asker, is_queued, .. } = self.asked.remove(&request)?;
        self.leaving.insert(request, Leaving { channel, is_queued });
        Some(Over { channel, request, asker })
    }
}
