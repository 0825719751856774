//! Typed requests, from both sides. Who is asked holds a `Reply` that can be used once, and says so itself when it is dropped.
//! Asking blocks where it says so; dropping never does.

use super::channel::{Core, Outlet, Protocol};
use super::depot::Value;
use crate::base::channel::Kind;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::time::Time;
use crate::bus::requests::Outcome;
use crate::node::error::{RequestError, SendError};
use crate::node::request::{RequestId, answer_of};
use crate::wire::refusal::{MALFORMED, NOT_ANSWERED, Refusal};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A request that waits for its answer. Dropping it, or its `reply`, tells the asker that none will come.
pub struct Incoming<P: Protocol> {
    /// Who asks; `LinkId::LOCAL` is this node itself.
    pub link: LinkId,
    pub peer: PeerId,
    /// When it arrived.
    pub at: Time,
    pub request: P::Request,
    pub reply: Reply<P>,
}

impl<P: Protocol> Incoming<P> {
    /// See `Reply::answer`.
    ///
    /// # Errors
    /// As there.
    pub fn answer(self, answer: &P::Answer, timeout: Duration) -> Result<(), RequestError> {
        self.reply.answer(answer, timeout)
    }

    /// See `Reply::refuse`.
    ///
    /// # Errors
    /// As there.
    pub fn refuse(self, code: u32, text: &str, timeout: Duration) -> Result<(), RequestError> {
        self.reply.refuse(code, text, timeout)
    }
}

/// The right to answer one request, once.
pub struct Reply<P: Protocol> {
    core: Arc<Core<P>>,
    /// `None` once it is used.
    id: Option<RequestId>,
}

impl<P: Protocol> Reply<P> {
    pub(super) fn new(core: &Arc<Core<P>>, id: RequestId) -> Reply<P> {
        Reply { core: Arc::clone(core), id: Some(id) }
    }

    /// Answers; waits for room in the send queue until `timeout` has passed.
    ///
    /// # Errors
    /// `NoRequest` if the asker took it back or the link has closed; `Send` for what keeps an answer from being sent: the asker is then
    /// told that none will come.
    pub fn answer(mut self, answer: &P::Answer, timeout: Duration) -> Result<(), RequestError> {
        let Some(id) = self.id else { return Err(RequestError::NoRequest) };
        let body = self.core.body(id.link, answer, Value::Answer);
        let answered = self.core.node.answer(id, Kind::Response, &body, Some(timeout));
        self.used(answered)
    }

    /// Answers with the reason why the request is not served: a number below 0xffffff00 of the application's own, and a text.
    ///
    /// # Errors
    /// As `answer`; `Code` for a number that is bowline's own.
    pub fn refuse(mut self, code: u32, text: &str, timeout: Duration) -> Result<(), RequestError> {
        let Some(id) = self.id else { return Err(RequestError::NoRequest) };
        let refused = self.core.node.refuse_within(id, code, text, timeout);
        self.used(refused)
    }

    pub(super) fn refuse_malformed(mut self) {
        self.say(MALFORMED, "the request is malformed");
    }

    fn used(&mut self, answered: Result<(), RequestError>) -> Result<(), RequestError> {
        if matches!(answered, Ok(()) | Err(RequestError::NoRequest)) {
            self.id = None;
        }
        answered
    }

    /// Tells the asker, without waiting, what bowline itself has to say.
    fn say(&mut self, code: u32, text: &str) {
        if let Some(id) = self.id.take() {
            let say = |text: &str| {
                let refusal = Refusal { code, text: text.to_owned() };
                self.core.node.answer(id, Kind::Error, &Bytes::from(refusal.encode()), None)
            };
            // Where messages are smaller than that sentence the number alone must do. The asker may be gone, and the node too.
            if let Err(RequestError::Send(SendError::TooBig { .. })) = say(text) {
                let _ = say("");
            }
        }
    }
}

impl<P: Protocol> Drop for Reply<P> {
    fn drop(&mut self) {
        self.say(NOT_ANSWERED, "the request was not answered");
    }
}

/// What became of a request that was begun with a tag.
#[derive(Clone, Debug)]
pub struct Answered<A> {
    pub request: RequestId,
    pub peer: PeerId,
    /// The asker's own number.
    pub tag: u64,
    pub outcome: Result<A, RequestError>,
}

impl<P: Protocol> Outlet<P> {
    /// Asks, and waits for the answer, at most `timeout`. Any number of threads may wait. The owner may not ask its own node here: nobody
    /// would take the request.
    ///
    /// # Errors
    /// As `Node::request`; `Malformed` for an answer that the codec makes nothing of.
    pub fn request(&self, link: LinkId, request: &P::Request, timeout: Duration) -> Result<P::Answer, RequestError> {
        let core = &self.0;
        let body = core.body(link, request, Value::Request);
        let answer = core.node.request_within(link, core.channel, &body, timeout)?;
        core.outcome(link, Outcome::Answer(answer))
    }

    /// Begins a request without waiting: exactly one `TypedEvent::Answered` with `tag` follows at the channel's owner.
    ///
    /// # Errors
    /// As `Node::start_request`.
    pub fn start_request(
        &self,
        link: LinkId,
        request: &P::Request,
        timeout: Duration,
        tag: u64,
    ) -> Result<RequestId, RequestError> {
        let core = &self.0;
        let body = core.body(link, request, Value::Request);
        core.node.start_request_within(link, core.channel, &body, timeout, tag, Some(&core.queue))
    }

    /// Takes a request of this channel back: as `Node::cancel_request`. False for another channel's.
    pub fn cancel_request(&self, request: RequestId) -> bool {
        request.channel == self.0.channel && self.0.node.cancel_request_within(request)
    }
}

impl<P: Protocol> Core<P> {
    /// What became of a request, with the answer read.
    pub fn outcome(&self, link: LinkId, outcome: Outcome) -> Result<P::Answer, RequestError> {
        let answer = answer_of(outcome)?;
        if link != LinkId::LOCAL {
            return self.decode(link, &answer).map_err(|malformed| RequestError::Malformed(malformed.0));
        }
        match self.depot.take(&answer) {
            Some(Value::Answer(answer)) => Ok(answer),
            // Each number is given to one asker, who takes its value once.
            _ => Err(RequestError::NoRequest),
        }
    }
}
