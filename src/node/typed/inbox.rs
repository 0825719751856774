//! Receiving on a typed channel: the events of its queue, with the application's types. Only the owner reads them. Receiving blocks
//! where it says so.

use super::channel::{Core, Outlet, Protocol};
use super::codec::Malformed;
use super::depot::Value;
use super::request::{Answered, Incoming, Reply};
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::time::Time;
use crate::bus::event::{Down, Event, Message, NodeState, Sent, Up};
use crate::bus::outbox::Notice;
use crate::node::error::{Error, RecvError};
use crate::node::request::RequestId;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// The one who receives and answers on a typed channel, and who gives out the handles that send there. It can be moved, not copied.
pub struct Owner<P: Protocol>(Arc<Core<P>>);

/// A message of a peer, or of this node to itself (`LinkId::LOCAL`).
#[derive(Clone, Debug)]
pub struct Received<M> {
    pub link: LinkId,
    pub peer: PeerId,
    /// When it arrived.
    pub at: Time,
    pub message: M,
}

/// What happened on a typed channel. Of each peer that has the channel, and of no other, an Up and a Down come; of this node itself neither.
#[non_exhaustive]
pub enum TypedEvent<P: Protocol> {
    Up(Up),
    Message(Received<P::Message>),
    /// Somebody asks, and waits.
    Request(Incoming<P>),
    /// What a peer sent and the codec makes nothing of. It was dropped and counted (`Stats::messages_malformed`); who asked with it was
    /// told so. Whether that costs the peer its link is the application's to say, unless the codec panicked.
    Malformed(Received<Malformed>),
    Down(Down),
    /// What became of a message that was sent with a tag.
    Sent(Sent),
    /// What became of a request that was begun with a tag.
    Answered(Answered<P::Answer>),
    Notice(Notice),
    State(NodeState),
    Wakeup(u64),
}

impl<P: Protocol> Owner<P> {
    pub(super) fn new(core: Core<P>) -> Owner<P> {
        Owner(Arc::new(core))
    }

    pub fn channel(&self) -> ChannelId {
        self.0.channel
    }

    /// A handle that sends and asks on this channel.
    pub fn outlet(&self) -> Outlet<P> {
        Outlet(Arc::clone(&self.0))
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// `Stopped` when the node has stopped and everything was taken, `Failed` when it failed.
    pub fn recv(&self) -> Result<TypedEvent<P>, RecvError> {
        self.0.queue.recv().map(|event| self.read(event))
    }

    /// Waits at most `timeout` for the next event.
    ///
    /// # Errors
    /// As `recv`, and `Timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<TypedEvent<P>, RecvError> {
        self.0.queue.recv_timeout(timeout).map(|event| self.read(event))
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// As `recv`, and `Timeout` if there is none.
    pub fn try_recv(&self) -> Result<TypedEvent<P>, RecvError> {
        self.0.queue.try_recv().map(|event| self.read(event))
    }

    /// Wakes one waiting receiver: as `Queue::wakeup`.
    pub fn wakeup(&self, tag: u64) -> bool {
        self.0.queue.wakeup(tag)
    }

    /// A descriptor that is readable while events wait: as `Queue::fd`.
    ///
    /// # Errors
    /// What the system says when it has no descriptor.
    pub fn fd(&self) -> Result<RawFd, Error> {
        self.0.queue.fd()
    }

    fn read(&self, event: Event) -> TypedEvent<P> {
        match event {
            Event::Message(message) if message.link == LinkId::LOCAL => self.read_local(&message),
            Event::Message(message) => self.read_message(&message),
            Event::Response(response) => {
                let outcome = self.0.outcome(response.link, response.outcome);
                let id = RequestId { link: response.link, channel: response.channel, number: response.request };
                TypedEvent::Answered(Answered { request: id, peer: response.peer, tag: response.tag, outcome })
            }
            Event::Up(up) => TypedEvent::Up(up),
            Event::Down(down) => TypedEvent::Down(down),
            Event::Sent(sent) => TypedEvent::Sent(sent),
            Event::Notice(notice) => TypedEvent::Notice(notice),
            Event::State(state) => TypedEvent::State(state),
            Event::Wakeup(tag) => TypedEvent::Wakeup(tag),
        }
    }

    fn read_message(&self, message: &Message) -> TypedEvent<P> {
        let malformed = if message.kind == Kind::Request {
            match self.0.decode(message.link, &message.body) {
                Ok(request) => return TypedEvent::Request(self.incoming(message, request)),
                Err(malformed) => {
                    Reply::new(&self.0, id(message)).refuse_malformed();
                    malformed
                }
            }
        } else {
            match self.0.decode(message.link, &message.body) {
                Ok(read) => return TypedEvent::Message(received(message, read)),
                Err(malformed) => malformed,
            }
        };
        TypedEvent::Malformed(received(message, malformed))
    }

    fn read_local(&self, message: &Message) -> TypedEvent<P> {
        match self.0.depot.take(&message.body) {
            Some(Value::Message(read)) => TypedEvent::Message(received(message, read)),
            Some(Value::Request(request)) => TypedEvent::Request(self.incoming(message, request)),
            // The channel is sealed, so that only `Core::body` makes what comes here, and each is taken from the queue once.
            None | Some(Value::Answer(_)) => {
                unreachable!("a body in the queue names a message or a request that nobody has taken")
            }
        }
    }

    fn incoming(&self, message: &Message, request: P::Request) -> Incoming<P> {
        let reply = Reply::new(&self.0, id(message));
        Incoming { link: message.link, peer: message.peer, at: message.at, request, reply }
    }
}

fn received<M>(message: &Message, read: M) -> Received<M> {
    Received { link: message.link, peer: message.peer, at: message.at, message: read }
}

fn id(message: &Message) -> RequestId {
    RequestId { link: message.link, channel: message.channel, number: message.request }
}
