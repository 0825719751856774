//! Requests under way on one link, in both directions: who waits for which answer, and which answers the application owes. Callers ask
//! and answer, the reactor completes. It sends nothing and reads no clock; whoever calls it posts the outcome.
//!
//! ```text
//! asked:  ask() ──► waits ──► answered() | expired() | cancel() | close()     one of them, once
//!                             expired() and cancel() keep its place until release() or forget(): the peer counts it until it is told
//! owed:   owe() ──► owed  ──► settle()  | withdraw() | close()                settle() says true once
//!                             settle() keeps its place until settled(), or owe_again() if nothing was sent
//! ```

use super::sync::Lock;
use crate::base::channel::ChannelId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::flow::batch::Ticket;
use crate::wire::refusal::Refusal;
use bytes::Bytes;
use crossbeam_channel::Sender;
use std::collections::BTreeMap;

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
    /// `None`: it is over, and the peer has not been told so. It keeps its place, because the peer counts it.
    asker: Option<Asker>,
    /// It is in the mailbox, or was. Before, nobody can tell the peer behind it that it is over.
    is_queued: bool,
}

const _: () = assert!(size_of::<(u32, Asked)>() <= sizes::ASKED);

/// A request of ours that is over, for whoever posts the outcome.
#[derive(Debug)]
pub struct Over {
    pub channel: ChannelId,
    pub request: u32,
    pub asker: Asker,
    /// It was in the mailbox, so whoever ends it tells the peer. Else whoever queues it finds that it is over.
    pub is_queued: bool,
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Requests {
    inner: Lock<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The last number that was given to a request.
    last: u32,
    asked: BTreeMap<u32, Asked>,
    /// None is late before.
    soonest: Time,
    /// By channel and number: two channels may use the same. True while an answer is on its way into the mailbox.
    owed: BTreeMap<(ChannelId, u32), bool>,
    closed: Option<CloseReason>,
}

impl Default for Inner {
    fn default() -> Inner {
        let (asked, owed) = Default::default();
        Inner { last: 0, asked, soonest: Time::MAX, owed, closed: None }
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
        if inner.asked.values().filter(|asked| asked.channel == channel).count() >= max as usize {
            return Err(AskError::TooMany { max });
        }
        let mut request = inner.last;
        loop {
            request = request.wrapping_add(1);
            // 0 is no request, and one that still waits keeps its number.
            if request != 0 && !inner.asked.contains_key(&request) {
                break;
            }
        }
        inner.last = request;
        inner.soonest = inner.soonest.min(deadline);
        inner.asked.insert(request, Asked { channel, deadline, asker: Some(asker), is_queued: false });
        Ok(request)
    }

    /// An answer arrived. `None`: nobody waits for it (any more).
    pub fn answered(&self, channel: ChannelId, request: u32) -> Option<Over> {
        let mut inner = self.inner.lock();
        if inner.asked.get(&request)?.channel != channel {
            return None;
        }
        inner.asked.remove(&request)?.over(request)
    }

    /// Takes a request back; its place is free with `release` or `forget`. `None`: it is over already.
    pub fn cancel(&self, channel: ChannelId, request: u32) -> Option<Over> {
        self.inner.lock().over(channel, request)
    }

    /// Takes out what has waited too long; the places are free with `release`.
    pub fn expired(&self, now: Time) -> Vec<Over> {
        let mut inner = self.inner.lock();
        let is_late = |asked: &Asked| asked.asker.is_some() && asked.deadline <= now;
        let late = inner.asked.iter().filter(|(_, asked)| is_late(asked)).map(|(request, asked)| (asked.channel, *request));
        let late: Vec<(ChannelId, u32)> = late.collect();
        let over = late.into_iter().filter_map(|(channel, request)| inner.over(channel, request)).collect();
        let waiting = inner.asked.values().filter(|asked| asked.asker.is_some());
        inner.soonest = waiting.map(|asked| asked.deadline).min().unwrap_or(Time::MAX);
        over
    }

    /// The request is in the mailbox. True if it is over already: the caller then takes it out again, or tells the peer behind it, and
    /// forgets it.
    pub fn queued(&self, request: u32) -> bool {
        let mut inner = self.inner.lock();
        let Some(asked) = inner.asked.get_mut(&request) else { return false };
        asked.is_queued = true;
        asked.asker.is_none()
    }

    /// True if the request is over, was in the mailbox and has its place yet: the peer may have heard of it, and is to be told.
    pub fn is_to_be_told(&self, request: u32) -> bool {
        self.inner.lock().asked.get(&request).is_some_and(|asked| asked.is_queued && asked.asker.is_none())
    }

    /// What tells the peer that the request is over is queued: another may take its place behind that. One that is itself still to be
    /// queued keeps its place: whoever queues it forgets it.
    pub fn release(&self, request: u32) {
        let mut inner = self.inner.lock();
        if inner.asked.get(&request).is_some_and(|asked| asked.is_queued) {
            inner.forget(request);
        }
    }

    /// A request that is over frees its place: it was taken out of the queues or never queued, so that the peer will not hear of it, or
    /// whoever has queued it has told the peer.
    pub fn forget(&self, request: u32) {
        self.inner.lock().forget(request);
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
        let asked = std::mem::take(&mut inner.asked);
        asked.into_iter().filter_map(|(request, mut asked)| asked.over(request)).collect()
    }

    /// The peer asked: the application owes an answer.
    pub fn owe(&self, channel: ChannelId, request: u32) {
        let mut inner = self.inner.lock();
        if inner.closed.is_none() {
            inner.owed.insert((channel, request), false);
        }
    }

    /// The application answers. True once for each request that is owed an answer; the caller sends it then, and says how that ended.
    pub fn settle(&self, channel: ChannelId, request: u32) -> bool {
        let mut inner = self.inner.lock();
        inner.owed.get_mut(&(channel, request)).is_some_and(|is_settled| !std::mem::replace(is_settled, true))
    }

    /// The answer is sent. One that the peer has asked anew under the same number meanwhile is still owed.
    pub fn settled(&self, channel: ChannelId, request: u32) {
        let mut inner = self.inner.lock();
        if inner.owed.get(&(channel, request)) == Some(&true) {
            inner.owed.remove(&(channel, request));
        }
    }

    /// Nothing was sent: it may still be answered, unless the peer has taken it back meanwhile.
    pub fn owe_again(&self, channel: ChannelId, request: u32) {
        if let Some(is_settled) = self.inner.lock().owed.get_mut(&(channel, request)) {
            *is_settled = false;
        }
    }

    /// The peer took its request back: an answer would be dropped.
    pub fn withdraw(&self, channel: ChannelId, request: u32) {
        self.inner.lock().owed.remove(&(channel, request));
    }

    /// Requests of ours without an answer, and of the peer's that the application has not answered.
    pub fn waiting(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.asked.values().filter(|asked| asked.asker.is_some()).count(), inner.owed.len())
    }
}

impl Asked {
    /// It is over, whoever ends it first; its place is kept.
    fn over(&mut self, request: u32) -> Option<Over> {
        let asker = self.asker.take()?;
        Some(Over { channel: self.channel, request, asker, is_queued: self.is_queued })
    }
}

impl Inner {
    fn over(&mut self, channel: ChannelId, request: u32) -> Option<Over> {
        self.asked.get_mut(&request).filter(|asked| asked.channel == channel)?.over(request)
    }

    fn forget(&mut self, request: u32) {
        if self.asked.get(&request).is_some_and(|asked| asked.asker.is_none()) {
            self.asked.remove(&request);
        }
    }
}
