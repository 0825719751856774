//! Sending: from any thread into a link's mailbox. It blocks only where it says so, and never touches a socket.

use super::error::{SendError, Unsent};
use super::node::Node;
use super::queue::Queue;
use super::shared::Shared;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::bus::command::Command;
use crate::bus::link::{Body, Link, Parcel};
use crate::flow::batch::Note;
use bytes::Bytes;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sends on one channel of one link: the look-ups are done once. Cheap to clone; any thread may use it.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    to: To,
    channel: ChannelId,
}

/// Where a sender's messages go.
#[derive(Clone)]
enum To {
    Peer { link: Arc<Link>, lane: usize },
    Ourselves,
}

impl Sender {
    fn new(shared: &Arc<Shared>, link: Arc<Link>, channel: ChannelId) -> Result<Sender, SendError> {
        let lane = lane_of(&link, channel)?;
        Ok(Sender { shared: Arc::clone(shared), to: To::Peer { link, lane }, channel })
    }

    /// What sends to this node itself.
    fn ourselves(shared: &Arc<Shared>, channel: ChannelId) -> Result<Sender, SendError> {
        shared.own_channel(channel)?;
        Ok(Sender { shared: Arc::clone(shared), to: To::Ourselves, channel })
    }

    /// The link that it sends on.
    pub fn link(&self) -> LinkId {
        match &self.to {
            To::Peer { link, .. } => link.id,
            To::Ourselves => LinkId::LOCAL,
        }
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

    /// Queues copies of `messages` in their order, many under one lock: for small messages that come by the dozen. Waits for room until
    /// `timeout` has passed; zero does not wait.
    ///
    /// # Errors
    /// As `send_timeout`, of the first message that was not queued; those before it were.
    pub fn send_batch(&self, messages: &[impl AsRef<[u8]>], timeout: Duration) -> Result<(), Unsent> {
        post_batch(&self.shared, &self.to, self.channel, messages, (!timeout.is_zero()).then_some(Some(timeout)))
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
        let wait = (!options.wait.is_zero()).then_some(Some(options.wait));
        let parcel = Parcel { note: Note::of_message(expires, ticket), ..Parcel::message(Body::Bytes(message)) };
        let sent = self.post(&parcel, wait);
        match (ticket, &self.to) {
            (Some(ticket), _) if sent.is_err() => self.shared.routes.forget_promise(ticket),
            // It is there at once: nothing can become of it any more but that it is taken.
            (Some(ticket), To::Ourselves) => self.shared.tell_own(ticket),
            _ => {}
        }
        sent
    }

    fn push(&self, body: Body<'_>, wait: Option<Option<Duration>>) -> Result<(), SendError> {
        self.post(&Parcel::message(body), wait)
    }

    #[inline]
    fn post(&self, parcel: &Parcel<'_>, wait: Option<Option<Duration>>) -> Result<(), SendError> {
        let To::Peer { link, lane } = &self.to else {
            refuse_wait(&self.shared, wait)?;
            return self.shared.push_own(self.channel, parcel.kind, parcel.request, &parcel.body, wait);
        };
        post_to(&self.shared, link, *lane, self.channel, parcel, wait)
    }
}

fn lane_of(link: &Link, channel: ChannelId) -> Result<usize, SendError> {
    link.lane(channel).filter(|_| !channel.is_own()).ok_or(SendError::NoChannel(channel))
}

/// In virtual time nobody can wait.
#[inline]
fn refuse_wait(shared: &Shared, wait: Option<Option<Duration>>) -> Result<(), SendError> {
    if wait.is_some_and(|wait| shared.clock.forbids(wait)) { Err(SendError::Virtual) } else { Ok(()) }
}

#[inline]
fn post_to(
    shared: &Shared,
    link: &Link,
    lane: usize,
    channel: ChannelId,
    parcel: &Parcel<'_>,
    wait: Option<Option<Duration>>,
) -> Result<(), SendError> {
    refuse_wait(shared, wait)?;
    // The clock is read only by those who wait.
    let deadline = wait.map(|wait| move || shared.clock.deadline(wait));
    let deadline = deadline.as_ref().map(|deadline| deadline as &dyn Fn() -> Instant);
    let sent = shared.calls().send(link, lane, parcel, deadline);
    sent.map_err(|error| shared.refused(error, channel, parcel.body.bytes()))
}

fn post_batch(
    shared: &Shared,
    to: &To,
    channel: ChannelId,
    messages: &[impl AsRef<[u8]>],
    wait: Option<Option<Duration>>,
) -> Result<(), Unsent> {
    let unsent = |queued| move |why| Unsent { queued, why };
    refuse_wait(shared, wait).map_err(unsent(0))?;
    // One moment for all of them.
    let until = &OnceCell::new();
    let deadline = wait.map(|wait| move || *until.get_or_init(|| shared.clock.deadline(wait)));
    let deadline = deadline.as_ref().map(|deadline| deadline as &dyn Fn() -> Instant);
    let To::Peer { link, lane } = to else {
        for (queued, message) in messages.iter().enumerate() {
            let body = Body::Slice(message.as_ref());
            shared.push_own_until(channel, Kind::Message, 0, &body, deadline).map_err(unsent(queued))?;
        }
        return Ok(());
    };
    shared.calls().send_batch(link, *lane, messages, deadline).map_err(|(queued, error)| {
        let bytes = messages.get(queued).map_or(0, |message| message.as_ref().len());
        Unsent { queued, why: shared.refused(error, channel, bytes) }
    })
}

impl Node {
    /// `sender` for whoever may use the channel.
    pub(super) fn sender_within(&self, link: LinkId, channel: ChannelId) -> Result<Sender, SendError> {
        let shared = self.open_for_sending()?;
        if link == LinkId::LOCAL {
            return Sender::ourselves(shared, channel);
        }
        let link = shared.link_for_sending(link)?;
        Sender::new(shared, link, channel)
    }

    /// One message, by whoever keeps no sender: the look-ups, without making one. `wait` is how long for room, if at all.
    #[inline]
    pub(crate) fn post(
        &self,
        link: LinkId,
        channel: ChannelId,
        body: Body<'_>,
        wait: Option<Option<Duration>>,
    ) -> Result<(), SendError> {
        let shared = self.open_for_sending()?;
        shared.refuse_sealed(channel)?;
        if link == LinkId::LOCAL {
            return Sender::ourselves(shared, channel)?.push(body, wait);
        }
        let link = shared.link_for_sending(link)?;
        let lane = lane_of(&link, channel)?;
        post_to(shared, &link, lane, channel, &Parcel::message(body), wait)
    }

    /// `Sender::send_batch`, by whoever keeps no sender.
    pub(crate) fn post_batch(
        &self,
        link: LinkId,
        channel: ChannelId,
        messages: &[impl AsRef<[u8]>],
        wait: Option<Option<Duration>>,
    ) -> Result<(), Unsent> {
        let unsent = |why| Unsent { queued: 0, why };
        let shared = self.open_for_sending().map_err(unsent)?;
        shared.refuse_sealed(channel).map_err(unsent)?;
        let to = self.sender_within(link, channel).map_err(unsent)?.to;
        post_batch(shared, &to, channel, messages, wait)
    }

    /// `cancel`, of everything or of what `queue` is to be told.
    pub(super) fn cancel_within(&self, link: LinkId, tag: u64, queue: Option<&Queue>) {
        let Ok(shared) = self.open_for_sending() else { return };
        let place = queue.map(|queue| shared.routes.place(&queue.inner));
        // A queue of another node is told nothing here.
        if place != Some(None) {
            shared.order(Command::Cancel { link, tag, queue: place.flatten() });
        }
    }

    /// Queues `message` to every peer that has `channel`, except one. Full queues are skipped and counted, never waited for. A large
    /// message is shared, not copied.
    ///
    /// # Errors
    /// `NoChannel` if this node has not declared it, `TooBig`, `Sealed`, `Stopped`, `Failed`.
    pub fn broadcast(&self, channel: ChannelId, message: &Bytes, except: Option<LinkId>) -> Result<Broadcast, SendError> {
        self.broadcast_with(channel, message, &BroadcastOptions { except, include_self: false })
    }

    /// As `broadcast`, to whom `options` say.
    ///
    /// # Errors
    /// As `broadcast`.
    pub fn broadcast_with(
        &self,
        channel: ChannelId,
        message: &Bytes,
        options: &BroadcastOptions,
    ) -> Result<Broadcast, SendError> {
        self.open_for_sending()?.refuse_sealed(channel)?;
        let mut result = self.broadcast_within(channel, message, options.except)?;
        if options.include_self {
            result.count(&self.sender_within(LinkId::LOCAL, channel)?.try_send_bytes(message));
        }
        Ok(result)
    }

    /// `broadcast` to peers, for whoever may use the channel.
    pub(super) fn broadcast_within(
        &self,
        channel: ChannelId,
        message: &Bytes,
        except: Option<LinkId>,
    ) -> Result<Broadcast, SendError> {
        let shared = self.open_for_sending()?;
        shared.refuse_large(channel, message.len())?;
        let mut result = Broadcast::default();
        for link in shared.roster.having(channel) {
            if Some(link.id) != except {
                result.count(&Sender::new(shared, link, channel).and_then(|sender| sender.try_send_bytes(message)));
            }
        }
        Ok(result)
    }
}

/// To whom a broadcast goes. The default: to every peer that has the channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroadcastOptions {
    /// Not to this link: where it came from.
    pub except: Option<LinkId>,
    /// To this node itself, too.
    pub include_self: bool,
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

impl Broadcast {
    pub(super) fn count(&mut self, sent: &Result<(), SendError>) {
        match sent {
            Ok(()) => self.queued += 1,
            Err(SendError::Full) => self.full += 1,
            Err(_) => self.refused += 1,
        }
    }
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
