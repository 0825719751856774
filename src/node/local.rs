//! The node as its own peer: messages, requests and answers from within go to its queues without a link. Nothing here touches a
//! socket or serialises; only who waits for room blocks. Senders and requests call it for `LinkId::LOCAL`.

use super::error::{RequestError, SendError};
use super::request::not_asked;
use super::shared::Shared;
use crate::base::channel::{Channel, ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::bus::event::{Event, Message, Sent};
use crate::bus::fate::{Fate, News};
use crate::bus::link::{Body, PushError};
use crate::bus::requests::{Asker, Outcome};
use crate::flow::batch::Ticket;
use crate::wire::refusal::Refusal;
use bytes::Bytes;
use std::time::{Duration, Instant};

impl Shared {
    /// A channel that this node has declared.
    pub fn own_channel(&self, channel: ChannelId) -> Result<&Channel, SendError> {
        self.channels.iter().find(|own| own.id == channel).ok_or(SendError::NoChannel(channel))
    }

    /// Nobody takes a message that is larger than our own limit.
    pub fn refuse_large(&self, channel: ChannelId, len: usize) -> Result<(), SendError> {
        let max = self.own_channel(channel)?.message_bytes_max;
        if len > max as usize { Err(SendError::TooBig { len, max }) } else { Ok(()) }
    }

    /// A typed channel is closed to whoever has no handle of its owner.
    pub fn refuse_sealed(&self, channel: ChannelId) -> Result<(), SendError> {
        if self.sealed.contains(&channel) { Err(SendError::Sealed(channel)) } else { Ok(()) }
    }

    /// Nothing within the node is larger than what peers may send, but a typed channel's numbers, which are no messages.
    fn refuse_big(&self, channel: &Channel, len: usize) -> Result<(), SendError> {
        let max = channel.message_bytes_max;
        let is_fine = len <= max as usize || self.sealed.contains(&channel.id);
        if is_fine { Ok(()) } else { Err(SendError::TooBig { len, max }) }
    }

    /// Queues a message to this node itself. `wait` is as for `Sender`: not at all, for ever, or so long.
    pub fn push_own(
        &self,
        channel: ChannelId,
        kind: Kind,
        request: u32,
        body: &Body<'_>,
        wait: Option<Option<Duration>>,
    ) -> Result<(), SendError> {
        // The clock is read only by those who wait.
        let deadline = wait.map(|wait| move || self.clock.deadline(wait));
        self.push_own_until(channel, kind, request, body, deadline.as_ref().map(|deadline| deadline as &dyn Fn() -> Instant))
    }

    /// `push_own`, with the moment until which it may wait, asked if there is no room.
    pub fn push_own_until(
        &self,
        channel: ChannelId,
        kind: Kind,
        request: u32,
        body: &Body<'_>,
        deadline: Option<&dyn Fn() -> Instant>,
    ) -> Result<(), SendError> {
        // Before it is copied.
        self.refuse_big(self.own_channel(channel)?, body.bytes())?;
        let body = body.to_bytes();
        let sent = self.try_push_own(channel, kind, request, &body, None);
        let sent = match (sent, deadline) {
            (Err(SendError::Full), Some(deadline)) => self.try_push_own(channel, kind, request, &body, Some(deadline())),
            (sent, _) => sent,
        };
        sent.inspect_err(|error| self.count_full(error))
    }

    fn count_full(&self, error: &SendError) {
        self.counters.messages_refused.add(u64::from(*error == SendError::Full));
    }

    fn try_push_own(
        &self,
        channel: ChannelId,
        kind: Kind,
        request: u32,
        body: &Bytes,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        let (bounds, len) = (self.own_channel(channel)?, body.len());
        self.refuse_big(bounds, len)?;
        // A typed channel's values travel as numbers, and only their count means anything.
        let bytes_max = if self.sealed.contains(&channel) { usize::MAX } else { bounds.send_queue_bytes as usize };
        let (link, peer, at) = (LinkId::LOCAL, self.own, self.clock.now());
        let message = Message { link, peer, channel, kind, request, at, body: body.clone() };
        let max = (bounds.send_queue_messages as usize, bytes_max);
        self.routes.queue_of(channel).push_local(message, max, deadline).map_err(|error| match error {
            // Who waits asks again: it is counted when it is over.
            PushError::Full => SendError::Full,
            error => self.refused(error, channel, len),
        })
    }

    /// Tells the sender of a message to this node itself that it is there.
    pub fn tell_own(&self, ticket: Ticket) {
        let event = Event::Sent(Sent { link: LinkId::LOCAL, peer: self.own, tag: ticket.tag, fate: Fate::Accepted });
        self.routes.post(&mut vec![News { queue: ticket.queue, event, receipt: None }]);
    }

    /// Asks this node itself.
    pub fn ask_own(
        &self,
        channel: ChannelId,
        message: &Bytes,
        late: Time,
        deadline: Option<Instant>,
        asker: Asker,
    ) -> Result<u32, RequestError> {
        let (own, max) = (&self.roster.own, self.own_channel(channel)?.requests_max);
        let number = own.ask(channel, max, late, asker).map_err(|error| not_asked(error, channel))?;
        // The reactor tells who is late. It has set its timer to what it knows of; whoever asked for something sooner has rung.
        if own.soonest() == late {
            self.bell.ring_for(LinkId::LOCAL);
        }
        // It may be answered before `push_local` has returned.
        own.owe(channel, number);
        match self.try_push_own(channel, Kind::Request, number, message, deadline) {
            Ok(()) => Ok(number),
            // If it is over already, its outcome is on the way: then it was accepted.
            Err(error) => match own.cancel(channel, number) {
                Some(_) => {
                    own.forget(number);
                    self.count_full(&error);
                    own.withdraw(channel, number);
                    Err(error.into())
                }
                None => Ok(number),
            },
        }
    }

    /// Answers a request of this node to itself.
    pub fn answer_own(&self, channel: ChannelId, number: u32, kind: Kind, answer: &Bytes) -> Result<(), RequestError> {
        self.refuse_big(self.own_channel(channel)?, answer.len())?;
        if !self.roster.own.settle(channel, number) {
            return Err(RequestError::NoRequest);
        }
        self.roster.own.settled(channel, number);
        let Some(over) = self.roster.own.answered(channel, number) else {
            self.counters.answers_late.add(1);
            return Err(RequestError::NoRequest);
        };
        let refusal = (kind == Kind::Error).then(|| Refusal::decode(answer)).flatten();
        let outcome = refusal.map_or_else(|| Outcome::Answer(answer.clone()), Outcome::Refused);
        let mut news = Vec::new();
        News::complete_own(self.own, over, outcome, &mut news);
        self.routes.post(&mut news);
        Ok(())
    }

    /// Takes a request of this node to itself back. False if it is over already.
    pub fn cancel_own(&self, channel: ChannelId, number: u32) -> bool {
        let Some(over) = self.roster.own.cancel(channel, number) else { return false };
        self.roster.own.forget(number);
        self.roster.own.withdraw(channel, number);
        let mut news = Vec::new();
        News::complete_own(self.own, over, Outcome::Cancelled, &mut news);
        self.routes.post(&mut news);
        true
    }

    /// The node ends: so do its requests to itself.
    pub fn end_own(&self, reason: CloseReason) {
        let mut news = Vec::new();
        for over in self.roster.own.close(reason) {
            News::complete_own(self.own, over, Outcome::Closed(reason), &mut news);
        }
        self.routes.post(&mut news);
    }
}
