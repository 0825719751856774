//! Sending: from any thread into a link's mailbox. It blocks only where it says so, and never touches a socket.

use super::error::SendError;
use super::queue::Queue;
use super::shared::Shared;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::time::Time;
use crate::bus::fate::{Fate, News};
use crate::bus::link::{Body, Link, Parcel, PushError};
use crate::flow::batch::{Note, Removed};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Sends on one channel of one link: the look-ups are done once. Cheap to clone; any thread may use it.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    link: Arc<Link>,
    lane: usize,
    channel: ChannelId,
}

impl Sender {
    pub(super) fn new(shared: &Arc<Shared>, link: Arc<Link>, channel: ChannelId) -> Result<Sender, SendError> {
        let lane = link.lane(channel).filter(|_| !channel.is_own()).ok_or(SendError::NoChannel(channel))?;
        Ok(Sender { shared: Arc::clone(shared), link, lane, channel })
    }

    /// The link that it sends on.
    pub fn link(&self) -> LinkId {
        self.link.id
    }

    /// Queues a copy of `message`, without waiting.
    ///
    /// # Errors
    /// `Full` when the channel's send queue of this link is; `Closed` when the link is gone; `TooBig`; `Stopped`.
    pub fn try_send(&self, message: &[u8]) -> Result<(), SendError> {
        self.push(Body::Slice(message), None)
    }

    /// Queues `message` without copying it if it is large (32 KiB), without waiting.
    ///
    /// # Errors
    /// As `try_send`.
    pub fn try_send_bytes(&self, message: &Bytes) -> Result<(), SendError> {
        self.push(Body::Bytes(message), None)
    }

    /// Queues a copy of `message`; waits for room as long as it takes.
    ///
    /// # Errors
    /// As `try_send`, but never `Full`.
    pub fn send(&self, message: &[u8]) -> Result<(), SendError> {
        self.push(Body::Slice(message), Some(None))
    }

    /// Queues a copy of `message`; waits for room until `timeout` has passed.
    ///
    /// # Errors
    /// As `try_send`; `Full` when there was no room in time.
    pub fn send_timeout(&self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.push(Body::Slice(message), Some(Some(timeout)))
    }

    /// As `send_timeout` (`None`: for ever), without copying a large message.
    ///
    /// # Errors
    /// As `send_timeout`.
    pub fn send_bytes(&self, message: &Bytes, timeout: Option<Duration>) -> Result<(), SendError> {
        self.push(Body::Bytes(message), Some(timeout))
    }

    /// Queues `message` as `options` say.
    ///
    /// # Errors
    /// As `send_timeout`; `TooManyNews` when tens of thousands of outcomes wait in the queue that is to be told; `ForeignQueue`. After an
    /// error nothing is told.
    pub fn send_with(&self, message: &Bytes, options: &SendOptions) -> Result<(), SendError> {
        let expires = options.ttl.map(|ttl| self.shared.clock.now() + ttl);
        let promise = |tag| self.shared.promise(tag, options.queue.as_ref().map(|queue| &queue.inner));
        let ticket = options.tag.map(promise).transpose()?;
        let has_note = expires.is_some() || ticket.is_some();
        let note = has_note.then(|| Note { expires: expires.unwrap_or(Time::MAX), ticket, request: 0 });
        let parcel = Parcel { note, ..Parcel::message(Body::Bytes(message)) };
        let sent = self.post(&parcel, (!options.wait.is_zero()).then_some(Some(options.wait)));
        if let Some(ticket) = ticket.filter(|_| sent.is_err()) {
            self.shared.routes.forget_promise(ticket);
        }
        sent
    }

    fn push(&self, body: Body<'_>, wait: Option<Option<Duration>>) -> Result<(), SendError> {
        self.post(&Parcel::message(body), wait)
    }

    fn post(&self, parcel: &Parcel<'_>, wait: Option<Option<Duration>>) -> Result<(), SendError> {
        let mut displaced = Vec::new();
        let mut sent = self.link.push_parcel(self.lane, parcel, None, &mut displaced);
        if let (Err(PushError::Full), Some(wait)) = (&sent, wait) {
            // The clock is read only by those who wait.
            let deadline = self.shared.clock.deadline(wait);
            sent = self.link.push_parcel(self.lane, parcel, Some(deadline), &mut displaced);
        }
        if !displaced.is_empty() {
            self.tell_displaced(&displaced);
        }
        let rings = sent.map_err(|error| self.shared.refused(error, self.channel, parcel.body.bytes()))?;
        if rings {
            self.shared.bell.ring_for(self.link.id);
        }
        Ok(())
    }

    /// Tells the senders of messages that gave way.
    fn tell_displaced(&self, displaced: &[Removed]) {
        self.shared.counters.messages_displaced.add(displaced.len() as u64);
        let tickets = displaced.iter().filter_map(|removed| removed.note?.ticket);
        let mut news: Vec<News> = tickets.map(|ticket| News::sent(&self.link, ticket, Fate::Displaced)).collect();
        self.shared.routes.post(&mut news);
    }
}

/// How a message is to be sent. The default does not wait, never expires and tells nobody.
#[derive(Clone, Default)]
pub struct SendOptions {
    /// How long the call may wait for room in the send queue.
    pub wait: Duration,
    /// How long the message may wait to be sent. If its first byte has not left by then it is taken out of the queue and counted.
    pub ttl: Option<Duration>,
    /// A number of the sender's: exactly one `Event::Sent` with it tells what became of the message, and `Node::cancel` takes it back.
    pub tag: Option<u64>,
    /// The queue that is told; `None`: the main queue.
    pub queue: Option<Queue>,
}

/// What became of a broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Links that have the message in their queue.
    pub queued: usize,
    /// Links whose queue was full: they do not get it.
    pub full: usize,
    /// Links that closed meanwhile, or whose peer takes smaller messages only.
    pub refused: usize,
}
