//! What the calls of an application do to a link's mailbox: send, ask, answer, take a request back, each with the news that it brings
//! about. It is what a node and a simulated host have in common; it waits nowhere but for room in a mailbox, and never touches a handle
//! of the application's. `node/sender.rs`, `node/request.rs` and `sim/talk.rs` call it. Promises of news are the caller's: it takes one
//! before, and forgets it after an error.

use super::bell::Bell;
use super::counters::NodeCounters;
use super::fate::{Fate, News};
use super::link::{Body, Link, Parcel, PushError};
use super::requests::{AskError, Asker, Outcome};
use super::routes::Routes;
use crate::base::channel::{ChannelId, Kind};
use crate::base::time::Time;
use crate::flow::batch::{Note, Removed};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// What a call needs of its node.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    pub routes: &'a Routes,
    pub bell: &'a Bell,
    pub counters: &'a NodeCounters,
}

/// What a request is made of.
pub struct Ask<'a> {
    pub channel: ChannelId,
    pub lane: usize,
    pub message: &'a Bytes,
    /// Until when an answer is waited for.
    pub late: Time,
    /// Until when the call may wait for room in the send queue.
    pub deadline: Option<&'a dyn Fn() -> Instant>,
}

/// Why a request was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAsked {
    Refused(AskError),
    NotSent(PushError),
}

/// Why an answer was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnswered {
    /// Nobody waits for it: answered before, taken back, or the link has closed.
    NoRequest,
    /// It may still be answered, unless it was bowline's own last word on it.
    NotSent(PushError),
}

impl Calls<'_> {
    /// Queues a message. `deadline` says until when it may wait for room; it is asked only if there is none.
    ///
    /// # Errors
    /// As `Link::push_parcel`; nothing will be told of the message then.
    #[inline]
    pub fn send(
        &self,
        link: &Link,
        lane: usize,
        parcel: &Parcel<'_>,
        deadline: Option<&dyn Fn() -> Instant>,
    ) -> Result<(), PushError> {
        let mut displaced = Vec::new();
        let mut sent = link.push_parcel(lane, parcel, None, &mut displaced);
        if let (Err(PushError::Full), Some(deadline)) = (&sent, deadline) {
            sent = link.push_parcel(lane, parcel, Some(deadline()), &mut displaced);
        }
        self.note_sent(link, lane, sent, &displaced)
    }

    /// Queues copies of plain messages in their order, many under one lock. `deadline` as for `send`, for all of them.
    ///
    /// # Errors
    /// How many were queued before the first that could not be, and why that one could not.
    pub fn send_batch(
        &self,
        link: &Link,
        lane: usize,
        messages: &[impl AsRef<[u8]>],
        deadline: Option<&dyn Fn() -> Instant>,
    ) -> Result<(), (usize, PushError)> {
        let (mut queued, mut until) = (0, None);
        let mut displaced = Vec::new();
        while queued < messages.len() {
            let pushed = link.push_batch(lane, &messages[queued..], until, &mut displaced);
            if let (Err(PushError::Full), None, Some(deadline)) = (&pushed, until, deadline) {
                until = Some(deadline());
                continue;
            }
            let rings = pushed.map(|(some, rings)| {
                queued += some;
                rings
            });
            self.note_sent(link, lane, rings, &displaced).map_err(|error| (queued, error))?;
            displaced.clear();
        }
        Ok(())
    }

    /// Tells what gave way, counts what had no room, rings the bell.
    #[inline]
    fn note_sent(&self, link: &Link, lane: usize, sent: Result<bool, PushError>, displaced: &[Removed]) -> Result<(), PushError> {
        // Also when there was no room in the end: what has given way is gone.
        if !displaced.is_empty() {
            self.tell_displaced(link, displaced);
        }
        if sent == Err(PushError::Full) {
            self.counters.messages_refused.add(1);
            link.drops(lane).inspect(|drops| drops.refused.add(1));
        }
        if sent? {
            self.bell.ring_for(link.id);
        }
        Ok(())
    }

    /// Enters a request in the link's table and queues it. Returns its number; its asker hears exactly once.
    ///
    /// # Errors
    /// Why not; the asker hears nothing then.
    pub fn ask(&self, link: &Link, ask: &Ask<'_>, asker: Asker) -> Result<u32, NotAsked> {
        let max = link.requests_max(ask.lane);
        let number = link.requests.ask(ask.channel, max, ask.late, asker).map_err(NotAsked::Refused)?;
        let note = Note { expires: ask.late, ticket: None, request: number };
        let body = Body::Bytes(ask.message);
        let parcel = Parcel { kind: Kind::Request, request: number, note: Some(note), ..Parcel::message(body) };
        match self.send(link, ask.lane, &parcel, ask.deadline) {
            // If it is over already, its outcome is on the way: then it was accepted.
            Err(error) => {
                let is_over = link.requests.cancel(ask.channel, number).is_none();
                link.requests.forget(number);
                if is_over { Ok(number) } else { Err(NotAsked::NotSent(error)) }
            }
            Ok(()) => {
                // It was over while it waited for room. A peer that has not seen it need not be told, or its cancels would pile up
                // where nothing is sent.
                if link.requests.queued(number) {
                    let is_unsent = !link.take_out(|note| note.request == number).is_empty();
                    if !is_unsent && link.withdraw(ask.lane, number) {
                        self.bell.ring_for(link.id);
                    }
                    link.requests.forget(number);
                }
                Ok(number)
            }
        }
    }

    /// Answers a request, once.
    ///
    /// # Errors
    /// Why not.
    pub fn answer(
        &self,
        link: &Link,
        channel: ChannelId,
        parcel: &Parcel<'_>,
        deadline: Option<&dyn Fn() -> Instant>,
    ) -> Result<(), NotAnswered> {
        let lane = link.lane(channel).ok_or(NotAnswered::NoRequest)?;
        if !link.requests.settle(channel, parcel.request) {
            return Err(NotAnswered::NoRequest);
        }
        let sent = self.send(link, lane, parcel, deadline);
        // What was not sent may still be answered, unless this was the last word on it.
        if sent.is_ok() || parcel.is_forced {
            link.requests.settled(channel, parcel.request);
        } else {
            link.requests.owe_again(channel, parcel.request);
        }
        sent.map_err(NotAnswered::NotSent)
    }

    /// Takes a request of ours back and tells its asker. False if it is over already; else the caller orders its withdrawal.
    pub fn take_back(&self, link: &Arc<Link>, channel: ChannelId, number: u32) -> bool {
        let Some(over) = link.requests.cancel(channel, number) else { return false };
        let mut news = Vec::new();
        News::complete(link, over, Outcome::Cancelled, 0, &mut news);
        self.routes.post(&mut news);
        true
    }

    /// Tells the senders of messages that gave way.
    fn tell_displaced(&self, link: &Link, displaced: &[Removed]) {
        self.counters.messages_displaced.add(displaced.len() as u64);
        let tickets = displaced.iter().filter_map(|removed| removed.note?.ticket);
        let mut news: Vec<News> = tickets.map(|ticket| News::sent(link, ticket, Fate::Displaced)).collect();
        self.routes.post(&mut news);
    }
}
