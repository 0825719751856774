//! Declaring a typed channel, and sending on it. A declaration becomes one `Owner`, and only an owner gives out handles. Sending blocks
//! only where it says so.

use super::codec::{Codec, Malformed, contained, encoded};
use super::depot::{Depot, Value};
use super::inbox::Owner;
use crate::base::channel::{Channel, ChannelId};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::text::shown;
use crate::base::throttle::LINES_MAX;
use crate::node::builder::Builder;
use crate::node::error::{Error, SendError};
use crate::node::node::Node;
use crate::node::queue::Queue;
use crate::node::roles::Role;
use crate::node::sender::{Broadcast, BroadcastOptions, SendOptions};
use crate::pool::select::How;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// What is said on a channel: the types, and the codec that serves them. `codec::Never` stands for what is never said.
pub trait Protocol: Sized + Send + Sync + 'static {
    /// What needs no answer.
    type Message: Clone + Send + 'static;
    /// What is asked.
    type Request: Clone + Send + 'static;
    /// What is answered.
    type Answer: Clone + Send + 'static;
    type Codec: Codec<Self::Message> + Codec<Self::Request> + Codec<Self::Answer>;
}

/// A typed channel of a node that is not there yet. `Node::own` makes its owner of it.
pub struct Declared<P: Protocol> {
    channel: ChannelId,
    codec: P::Codec,
    seal: Arc<()>,
}

/// What an owner and its handles share.
pub(super) struct Core<P: Protocol> {
    pub node: Node,
    pub channel: ChannelId,
    pub codec: P::Codec,
    pub queue: Queue,
    pub depot: Depot<P>,
}

/// Sends and asks on one typed channel: a handle that its owner gave out. Cheap to clone; any thread may use it. `LinkId::LOCAL` is the
/// node itself: what is sent there is cloned instead of encoded.
pub struct Outlet<P: Protocol>(pub(super) Arc<Core<P>>);

impl<P: Protocol> Clone for Outlet<P> {
    fn clone(&self) -> Outlet<P> {
        Outlet(Arc::clone(&self.0))
    }
}

impl Builder {
    /// Adds a channel whose messages have types. It is sealed: what is said there goes through the owner that `Node::own` makes of the
    /// declaration, and no call that takes a channel's number reaches it.
    ///
    /// # Errors
    /// As `channel`.
    pub fn typed<P: Protocol>(self, channel: Channel, codec: P::Codec) -> Result<(Builder, Declared<P>), Error> {
        let id = channel.id;
        let mut builder = self.channel(channel)?;
        let seal = Arc::new(());
        builder.seals.push((id, Arc::clone(&seal)));
        Ok((builder, Declared { channel: id, codec, seal }))
    }
}

impl Node {
    /// Makes the owner of a typed channel, before the start or after it: the only one who receives there. Until then what peers send there
    /// waits, and stops their sending there when their window is full; likewise when the owner is dropped.
    ///
    /// # Errors
    /// `Channel` if it was declared for another node.
    pub fn own<P: Protocol>(&self, declared: Declared<P>) -> Result<Owner<P>, Error> {
        let Declared { channel, codec, seal } = declared;
        let plan = self.plan();
        let is_ours = plan.seals.iter().any(|(_, known)| Arc::ptr_eq(known, &seal));
        let queue = if is_ours { plan.unowned.lock().remove(&channel) } else { None };
        let queue = queue.ok_or_else(|| Error::Channel(format!("{channel} was declared for another node")))?;
        Ok(Owner::new(Core { node: self.clone(), channel, codec, queue, depot: Depot::new() }))
    }
}

impl<P: Protocol> Outlet<P> {
    pub fn channel(&self) -> ChannelId {
        self.0.channel
    }

    /// Queues `message`, without waiting.
    ///
    /// # Errors
    /// `Full` when the channel's send queue of this link is, `UnknownLink`, `NoChannel` if the peer lacks the channel, `Closed`, `TooBig`,
    /// `Stopped`, `Failed`.
    pub fn try_send(&self, link: LinkId, message: &P::Message) -> Result<(), SendError> {
        self.send_with(link, message, &SendOptions::default())
    }

    /// Queues `message`; waits for room as long as it takes. See `send_timeout` for the node itself.
    ///
    /// # Errors
    /// As `try_send`, but never `Full`.
    pub fn send(&self, link: LinkId, message: &P::Message) -> Result<(), SendError> {
        let core = &self.0;
        let sender = core.node.sender_within(link, core.channel)?;
        sender.send_bytes(&core.body(link, message, Value::Message), None)
    }

    /// Queues `message`; waits for room until `timeout` has passed. An owner that sends to its own node must take what waits there: it
    /// may not wait for itself.
    ///
    /// # Errors
    /// As `try_send`; `Full` when there was no room in time.
    pub fn send_timeout(&self, link: LinkId, message: &P::Message, timeout: Duration) -> Result<(), SendError> {
        self.send_with(link, message, &SendOptions { wait: timeout, ..SendOptions::default() })
    }

    /// Queues `message` as `options` say. Its fate, if it has a tag, is told to the channel's owner unless they name another queue.
    ///
    /// # Errors
    /// As `send_timeout`; `TooManyNews`, `ForeignQueue`.
    pub fn send_with(&self, link: LinkId, message: &P::Message, options: &SendOptions) -> Result<(), SendError> {
        let core = &self.0;
        let sender = core.node.sender_within(link, core.channel)?;
        let body = core.body(link, message, Value::Message);
        if options.tag.is_none() || options.queue.is_some() {
            return sender.send_with(&body, options);
        }
        sender.send_with(&body, &SendOptions { queue: Some(core.queue.clone()), ..options.clone() })
    }

    /// Takes back what was sent on `link` with `tag` and is to be told to the channel's owner: as `Node::cancel`. Other channels may use
    /// the same tags.
    pub fn cancel(&self, link: LinkId, tag: u64) {
        self.0.node.cancel_within(link, tag, Some(&self.0.queue));
    }

    /// Queues `message` to whom `options` say; it is encoded once. Full queues are skipped and counted, never waited for.
    ///
    /// # Errors
    /// `TooBig`, `Stopped`, `Failed`.
    pub fn broadcast(&self, message: &P::Message, options: &BroadcastOptions) -> Result<Broadcast, SendError> {
        let core = &self.0;
        let mut result = core.node.broadcast_within(core.channel, &encoded(&core.codec, message), options.except)?;
        if options.include_self {
            result.count(&self.try_send(LinkId::LOCAL, message));
        }
        Ok(result)
    }

    /// Links of peers that announce a capability and take the channel: as `Node::choose`.
    ///
    /// # Errors
    /// As there.
    pub fn choose(&self, capability: &str, how: How) -> Result<Vec<LinkId>, SendError> {
        self.0.node.choose(self.0.role(capability), how)
    }

    /// Queues `message` to one peer that announces a capability, without waiting; if its queue is full, to another.
    ///
    /// # Errors
    /// `NoPeer`; what kept the last one from taking it when none did; `Stopped`, `Failed`.
    pub fn send_to(&self, capability: &str, message: &P::Message) -> Result<LinkId, SendError> {
        let core = &self.0;
        core.node.send_to_within(core.role(capability), &encoded(&core.codec, message))
    }

    /// Queues `message` to as many peers that announce a capability as `how` says, but not to the link that `options` except, and if they
    /// say so to this node itself, too, whatever it can do. It is encoded once. Full queues are skipped and counted, never waited for.
    ///
    /// # Errors
    /// `NoPeer`, unless the node itself is included; `Stopped`, `Failed`.
    pub fn broadcast_to(
        &self,
        capability: &str,
        how: How,
        message: &P::Message,
        options: &BroadcastOptions,
    ) -> Result<Broadcast, SendError> {
        let (core, bytes) = (&self.0, encoded(&self.0.codec, message));
        let mut result = core.node.broadcast_to_within(core.role(capability), how, &bytes, options)?;
        if options.include_self {
            result.count(&self.try_send(LinkId::LOCAL, message));
        }
        Ok(result)
    }
}

impl<P: Protocol> Core<P> {
    /// Peers that announce a capability, on this channel.
    pub fn role<'a>(&self, capability: &'a str) -> Role<'a> {
        Role { capability, channel: self.channel }
    }

    /// What carries a value to `link`: its bytes, or within the node its number in the depot.
    pub fn body<M: Clone>(&self, link: LinkId, value: &M, as_value: impl FnOnce(M) -> Value<P>) -> Bytes
    where
        P::Codec: Codec<M>,
    {
        if link == LinkId::LOCAL { self.depot.put(as_value(value.clone())) } else { encoded(&self.codec, value) }
    }

    /// Reads what a peer sent, contained and without a lock. What is malformed is counted; a codec that panics costs the peer its link.
    pub fn decode<M>(&self, link: LinkId, bytes: &Bytes) -> Result<M, Malformed>
    where
        P::Codec: Codec<M>,
    {
        let counters = &self.node.plan().counters;
        let decoded = contained(&self.codec, bytes).unwrap_or_else(|panic| {
            counters.panics_contained.add(1);
            // A peer can provoke this line: the counter goes on when the lines do not.
            if counters.panics_contained.value() <= u64::from(LINES_MAX) {
                log::error!(target: "bowline::typed", "{link}: the codec of {} panicked: {}", self.channel, shown(&panic));
            }
            // If the link or the node is gone, that is as good.
            let _ = self.node.disconnect(link, CloseReason::PanicContained);
            Err(Malformed(format!("the codec panicked: {panic}")))
        });
        counters.messages_malformed.add(u64::from(decoded.is_err()));
        decoded
    }
}
