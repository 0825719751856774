//! Requests and answers: what a Rust program asks peers, and what it answers them. Part of the node's face; each call says whether it
//! blocks, any thread may make it.

use super::error::{RequestError, SendError};
use super::node::Node;
use super::queue::Queue;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::bus::calls::{self, NotAnswered, NotAsked};
use crate::bus::command::Command;
use crate::bus::link::{Body, Parcel};
use crate::bus::requests::{AskError, Asker, Outcome};
use crate::wire::refusal::{OWN_CODES, Refusal};
use bytes::Bytes;
use crossbeam_channel::bounded;
use std::time::{Duration, Instant};

/// Names a request that was begun and not completed: by its link, channel and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId {
    pub link: LinkId,
    pub channel: ChannelId,
    pub number: u32,
}

/// The answer in an outcome.
pub(super) fn answer_of(outcome: Outcome) -> Result<Bytes, RequestError> {
    match outcome {
        Outcome::Answer(answer) => Ok(answer),
        Outcome::Refused(refusal) => Err(RequestError::Refused(refusal)),
        Outcome::TimedOut => Err(RequestError::TimedOut),
        Outcome::Cancelled => Err(RequestError::Cancelled),
        Outcome::Closed(reason) => Err(RequestError::Closed(reason)),
    }
}

/// Why the table of requests took none.
pub(super) fn not_asked(error: AskError, channel: ChannelId) -> RequestError {
    match error {
        AskError::Closed(reason) => RequestError::Closed(reason),
        AskError::TooMany { max } => RequestError::TooMany { channel, max },
    }
}

/// What one request is made of.
struct Ask<'a> {
    link: LinkId,
    channel: ChannelId,
    message: &'a Bytes,
    /// Until when an answer is waited for.
    late: Time,
    /// How long the call may wait for room in the send queue.
    timeout: Option<Duration>,
}

impl Node {
    /// Sends a request and waits for its answer, at most `timeout`. Requests may be answered in any order; any number of threads may wait.
    ///
    /// # Errors
    /// `Refused` with the peer's own number and text, `TimedOut`, `Closed` when the link closed first, `TooMany` when the peer lets no more
    /// wait on this channel, `Send` for what keeps a message from being sent.
    ///
    /// # Blocks
    /// Until the outcome is there; `stop` and the end of the link release it.
    pub fn request(&self, link: LinkId, channel: ChannelId, message: &Bytes, timeout: Duration) -> Result<Bytes, RequestError> {
        self.open_for_sending()?.refuse_sealed(channel)?;
        self.request_within(link, channel, message, timeout)
    }

    /// `request` for whoever may use the channel.
    pub(super) fn request_within(
        &self,
        link: LinkId,
        channel: ChannelId,
        message: &Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let shared = self.open_for_sending()?;
        if shared.clock.is_virtual() {
            return Err(SendError::Virtual.into());
        }
        let (tell, told) = bounded(1);
        let late = shared.clock.now() + timeout;
        let ask = Ask { link, channel, message, late, timeout: Some(timeout) };
        self.ask(&ask, Asker::Call(tell))?;
        // The reactor completes every request, at the latest when it is late; a node that fails drops the other end.
        answer_of(told.recv().unwrap_or(Outcome::Closed(CloseReason::Internal)))
    }

    /// Begins a request without waiting. Exactly one `Event::Response` with `tag` follows in `queue` (`None`: the main queue) if this
    /// returns a number, at the latest when `timeout` has passed; none follows an error.
    ///
    /// # Errors
    /// As `request`, but for what only an outcome can tell; `Send(Full)` when the send queue has no room, `Send(TooManyNews)` when tens of
    /// thousands of outcomes wait in the queue.
    pub fn start_request(
        &self,
        link: LinkId,
        channel: ChannelId,
        message: &Bytes,
        timeout: Duration,
        tag: u64,
        queue: Option<&Queue>,
    ) -> Result<RequestId, RequestError> {
        self.open_for_sending()?.refuse_sealed(channel)?;
        self.start_request_within(link, channel, message, timeout, tag, queue)
    }

    /// `start_request` for whoever may use the channel.
    pub(super) fn start_request_within(
        &self,
        link: LinkId,
        channel: ChannelId,
        message: &Bytes,
        timeout: Duration,
        tag: u64,
        queue: Option<&Queue>,
    ) -> Result<RequestId, RequestError> {
        let shared = self.open_for_sending()?;
        let promise = shared.promise(tag, queue.map(|queue| &queue.inner))?;
        let late = shared.clock.now() + timeout;
        let asked = self.ask(&Ask { link, channel, message, late, timeout: None }, Asker::Event(promise));
        if asked.is_err() {
            shared.routes.forget_promise(promise);
        }
        asked.map(|number| RequestId { link, channel, number })
    }

    /// Takes a request back: its outcome is `Cancelled`, at once, and the peer is told that no answer is wanted. False if it is over
    /// already, and for a typed channel's.
    pub fn cancel_request(&self, request: RequestId) -> bool {
        let is_open = self.open_for_sending().is_ok_and(|shared| shared.refuse_sealed(request.channel).is_ok());
        is_open && self.cancel_request_within(request)
    }

    /// `cancel_request` for whoever may use the channel.
    pub(super) fn cancel_request_within(&self, request: RequestId) -> bool {
        let Ok(shared) = self.open_for_sending() else { return false };
        if request.link == LinkId::LOCAL {
            return shared.cancel_own(request.channel, request.number);
        }
        let Some(link) = shared.roster.find(request.link) else { return false };
        if !shared.calls().take_back(&link, request.channel, request.number) {
            return false;
        }
        shared.order(Command::Withdraw { link: request.link, channel: request.channel, request: request.number });
        true
    }

    /// Answers a request: `link`, `channel` and `number` are those of the `Message` of kind `Request`. Once; waits for room in the send
    /// queue until `timeout` has passed.
    ///
    /// # Errors
    /// `NoRequest` if it was answered already, or the peer took it back, or the link has closed; `Send` for what keeps a message from
    /// being sent: the request may then be answered again.
    pub fn respond(&self, request: RequestId, answer: &Bytes, timeout: Duration) -> Result<(), RequestError> {
        self.open_for_sending()?.refuse_sealed(request.channel)?;
        self.answer(request, Kind::Response, answer, Some(timeout))
    }

    /// Answers a request with the reason why it is not served: a number below 0xffffff00 of the application's own, and a text of at most
    /// 256 bytes (what is longer, or more than the channel's largest message, is cut).
    ///
    /// # Errors
    /// As `respond`; `Code` for a number that is bowline's own.
    pub fn refuse(&self, request: RequestId, code: u32, text: &str, timeout: Duration) -> Result<(), RequestError> {
        self.open_for_sending()?.refuse_sealed(request.channel)?;
        self.refuse_within(request, code, text, timeout)
    }

    /// `refuse` for whoever may use the channel.
    pub(super) fn refuse_within(&self, request: RequestId, code: u32, text: &str, timeout: Duration) -> Result<(), RequestError> {
        if code >= OWN_CODES {
            return Err(RequestError::Code(code));
        }
        self.refuse_for(request, code, text, Some(timeout))
    }

    /// `refuse` with any number; without a time-out as `answer`. The text is cut to what the channel takes.
    pub(super) fn refuse_for(
        &self,
        request: RequestId,
        code: u32,
        text: &str,
        timeout: Option<Duration>,
    ) -> Result<(), RequestError> {
        let shared = self.open_for_sending()?;
        let max = if request.link == LinkId::LOCAL {
            shared.own_channel(request.channel)?.message_bytes_max
        } else {
            let link = shared.roster.find(request.link).ok_or(RequestError::NoRequest)?;
            link.lane(request.channel).and_then(|lane| link.message_bytes_max(lane)).ok_or(RequestError::NoRequest)?
        };
        let refusal = Refusal { code, text: text.to_owned() };
        self.answer(request, Kind::Error, &Bytes::from(refusal.encode(max as usize)), timeout)
    }

    /// Enters a request in the link's table and queues it.
    fn ask(&self, ask: &Ask<'_>, asker: Asker) -> Result<u32, RequestError> {
        let shared = self.open_for_sending()?;
        if ask.link == LinkId::LOCAL {
            let deadline = ask.timeout.map(|timeout| shared.clock.deadline(Some(timeout)));
            return shared.ask_own(ask.channel, ask.message, ask.late, deadline, asker);
        }
        let link = shared.link_for_sending(ask.link)?;
        let lane = link.lane(ask.channel).filter(|_| !ask.channel.is_own()).ok_or(SendError::NoChannel(ask.channel))?;
        let deadline = ask.timeout.map(|timeout| move || shared.clock.deadline(Some(timeout)));
        let deadline = deadline.as_ref().map(|deadline| deadline as &dyn Fn() -> Instant);
        let asking = calls::Ask { channel: ask.channel, lane, message: ask.message, late: ask.late, deadline };
        shared.calls().ask(&link, &asking, asker).map_err(|error| match error {
            NotAsked::Refused(error) => not_asked(error, ask.channel),
            NotAsked::NotSent(error) => shared.refused(error, ask.channel, ask.message.len()).into(),
        })
    }

    /// `respond` and `refuse` for whoever may use the channel. Without a time-out it is bowline's own last word on the request: it is queued
    /// beyond the channel's bounds, as far as as many such words can wait as the channel lets requests wait.
    pub(super) fn answer(
        &self,
        request: RequestId,
        kind: Kind,
        answer: &Bytes,
        timeout: Option<Duration>,
    ) -> Result<(), RequestError> {
        let RequestId { link, channel, number } = request;
        let shared = self.open_for_sending()?;
        if timeout.is_some_and(|timeout| shared.clock.forbids(Some(timeout))) {
            return Err(SendError::Virtual.into());
        }
        if link == LinkId::LOCAL {
            return shared.answer_own(channel, number, kind, answer);
        }
        let link = shared.roster.find(link).ok_or(RequestError::NoRequest)?;
        let is_forced = timeout.is_none();
        let parcel = Parcel { kind, request: number, is_forced, ..Parcel::message(Body::Bytes(answer)) };
        let deadline = timeout.map(|timeout| move || shared.clock.deadline(Some(timeout)));
        let deadline = deadline.as_ref().map(|deadline| deadline as &dyn Fn() -> Instant);
        shared.calls().answer(&link, channel, &parcel, deadline).map_err(|error| match error {
            NotAnswered::NoRequest => RequestError::NoRequest,
            NotAnswered::NotSent(error) => shared.refused(error, channel, answer.len()).into(),
        })
    }
}
