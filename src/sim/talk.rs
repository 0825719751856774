//! What the application of a simulated host says: messages with a life and a tag, requests, answers. The calls of `node/sender.rs` and
//! `node/request.rs` without their waiting, on the same mailboxes and promises. It decides nothing; tests and stories call it.

use super::host::Host;
use super::net::HostId;
use super::trace::What;
use super::world::World;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::bus::calls::{Ask, Calls, NotAnswered, NotAsked};
use crate::bus::command::Command;
use crate::bus::link::{Body, Link, Parcel, PushError};
use crate::bus::requests::{AskError, Asker};
use crate::flow::batch::{Note, Ticket};
use crate::wire::refusal::Refusal;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How a message is to be sent: as `node::SendOptions`, but that nobody waits in a simulated world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How long the message may wait to be sent.
    pub ttl: Option<Duration>,
    /// One `Event::Sent` with it tells what became of the message.
    pub tag: Option<u64>,
}

/// Why a call did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    Send(PushError),
    Ask(AskError),
    /// Too many outcomes wait in the queue.
    TooManyNews,
    /// Nobody waits for this answer.
    NoRequest,
}

const GONE: NotDone = NotDone::Send(PushError::Closed(CloseReason::Requested));

impl Host {
    fn calls(&self) -> Calls<'_> {
        Calls { routes: &self.routes, bell: &self.bell, counters: &self.counters }
    }

    fn promise(&self, tag: u64) -> Result<Ticket, NotDone> {
        if self.routes.promise(0) { Ok(Ticket { tag, queue: 0 }) } else { Err(NotDone::TooManyNews) }
    }

    fn lane(&self, link: LinkId, channel: ChannelId) -> Result<(Arc<Link>, usize), NotDone> {
        let link = self.roster.find(link).ok_or(GONE)?;
        let lane = link.lane(channel).filter(|_| !channel.is_own()).ok_or(NotDone::Send(PushError::NoChannel))?;
        Ok((link, lane))
    }

    fn send_with(&self, now: Time, to: (LinkId, ChannelId), body: Body<'_>, options: Options) -> Result<(), NotDone> {
        let (link, lane) = self.lane(to.0, to.1)?;
        let ticket = options.tag.map(|tag| self.promise(tag)).transpose()?;
        let expires = options.ttl.map(|ttl| now + ttl);
        let parcel = Parcel { note: Note::of_message(expires, ticket), ..Parcel::message(body) };
        let sent = self.calls().send(&link, lane, &parcel, None);
        if let Some(ticket) = ticket.filter(|_| sent.is_err()) {
            self.routes.forget_promise(ticket);
        }
        sent.map_err(NotDone::Send)
    }

    fn ask(&self, to: (LinkId, ChannelId), message: &Bytes, late: Time, tag: u64) -> Result<u32, NotDone> {
        let (link, lane) = self.lane(to.0, to.1)?;
        let ticket = self.promise(tag)?;
        let ask = Ask { channel: to.1, lane, message, late, deadline: None };
        let asked = self.calls().ask(&link, &ask, Asker::Event(ticket));
        if asked.is_err() {
            self.routes.forget_promise(ticket);
        }
        asked.map_err(|error| match error {
            NotAsked::Refused(error) => NotDone::Ask(error),
            NotAsked::NotSent(error) => NotDone::Send(error),
        })
    }

    /// Places for news that are taken: those that wait in its queue, and those to come.
    pub fn promised(&self) -> usize {
        self.routes.main().promised()
    }
}

impl World {
    /// The application of a host sends a plain message.
    ///
    /// # Errors
    /// As `bus::link::Link::push_parcel`; `Closed` for a link that is not open.
    pub fn send(&mut self, id: HostId, link: LinkId, channel: ChannelId, message: &[u8]) -> Result<(), PushError> {
        match self.post(id, (link, channel), Body::Slice(message), Options::default()) {
            Err(NotDone::Send(error)) => Err(error),
            // Nothing else keeps a message without a tag.
            _ => Ok(()),
        }
    }

    /// The application of a host sends a message as `options` say.
    ///
    /// # Errors
    /// Why not; nothing is told of it then.
    pub fn send_with(
        &mut self,
        id: HostId,
        link: LinkId,
        channel: ChannelId,
        message: &Bytes,
        options: Options,
    ) -> Result<(), NotDone> {
        self.post(id, (link, channel), Body::Bytes(message), options)
    }

    fn post(&mut self, id: HostId, to: (LinkId, ChannelId), body: Body<'_>, options: Options) -> Result<(), NotDone> {
        let len = body.bytes();
        let sent = self.call(id, |host, now| host.send_with(now, to, body, options)).ok_or(GONE)?;
        self.network().note(id, What::Sent, to.0, len as u64);
        sent
    }

    /// The application of a host takes back what it sent with this tag, as far as nothing of it was sent.
    pub fn cancel(&mut self, id: HostId, link: LinkId, tag: u64) {
        self.order(id, Command::Cancel { link, tag, queue: None });
    }

    /// The application of a host asks. Returns the request's number; one `Event::Response` with `tag` follows.
    ///
    /// # Errors
    /// Why not; nothing follows then.
    pub fn ask(
        &mut self,
        id: HostId,
        link: LinkId,
        channel: ChannelId,
        message: &Bytes,
        timeout: Duration,
        tag: u64,
    ) -> Result<u32, NotDone> {
        self.call(id, |host, now| host.ask((link, channel), message, now + timeout, tag)).ok_or(GONE)?
    }

    /// The application of a host takes its request back. False if it is over already.
    pub fn cancel_request(&mut self, id: HostId, link: LinkId, channel: ChannelId, request: u32) -> bool {
        let take_back =
            |host: &mut Host, _| host.roster.find(link).is_some_and(|link| host.calls().take_back(&link, channel, request));
        let is_taken_back = self.call(id, take_back) == Some(true);
        if is_taken_back {
            self.order(id, Command::Withdraw { link, channel, request });
        }
        is_taken_back
    }

    /// The application of a host answers a request, or says why it does not serve it.
    ///
    /// # Errors
    /// Why not.
    pub fn answer(
        &mut self,
        id: HostId,
        link: LinkId,
        channel: ChannelId,
        request: u32,
        answer: Result<&Bytes, &Refusal>,
    ) -> Result<(), NotDone> {
        let refusal = answer.err().map(|refusal| Bytes::from(refusal.encode(usize::MAX)));
        let kind = if refusal.is_some() { Kind::Error } else { Kind::Response };
        let body = refusal.as_ref().or(answer.ok()).ok_or(NotDone::NoRequest)?;
        let parcel = Parcel { kind, request, ..Parcel::message(Body::Bytes(body)) };
        let answered = self.call(id, |host, _| {
            let link = host.roster.find(link).ok_or(NotAnswered::NoRequest)?;
            host.calls().answer(&link, channel, &parcel, None)
        });
        match answered {
            Some(Ok(())) => Ok(()),
            Some(Err(NotAnswered::NotSent(error))) => Err(NotDone::Send(error)),
            Some(Err(NotAnswered::NoRequest)) | None => Err(NotDone::NoRequest),
        }
    }
}
