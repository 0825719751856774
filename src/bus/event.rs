//! What an application reads from a queue. A link's story comes in order through each queue: Up, messages, Down.

use super::fate::Fate;
use super::outbox::Notice;
use super::requests::Outcome;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::Hello;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;

/// A link opened.
#[derive(Clone, Debug)]
pub struct Up {
    pub link: LinkId,
    pub peer: PeerId,
    pub direction: Direction,
    pub remote: SocketAddr,
    pub hello: Arc<Hello>,
    /// The highest version of the application's protocol that both sides announce, if there is one.
    pub version: Option<u32>,
    /// The tag of the `dial` that opened it, if the application asked for it with one.
    pub tag: Option<u64>,
}

/// A message of a peer.
#[derive(Clone, Debug)]
pub struct Message {
    pub link: LinkId,
    pub peer: PeerId,
    pub channel: ChannelId,
    pub kind: Kind,
    /// Pairs requests and answers; 0 for plain messages.
    pub request: u32,
    /// When it arrived.
    pub at: Time,
    /// The bytes. They keep the batch they arrived in alive (up to 64 KiB): copy what is kept for long.
    pub body: Bytes,
}

/// A link closed. Every message that the peer sent and that arrived comes before it.
#[derive(Clone, Debug)]
pub struct Down {
    pub link: LinkId,
    pub peer: PeerId,
    pub reason: CloseReason,
    /// What the peer gave as its reason, if it said goodbye.
    pub told: Option<CloseReason>,
    /// Messages that were queued to it and were never sent, and their bytes.
    pub unsent_messages: u64,
    pub unsent_bytes: u64,
}

/// What became of a message that was sent with a tag. Exactly one comes for each send that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub link: LinkId,
    pub peer: PeerId,
    /// The sender's own number.
    pub tag: u64,
    pub fate: Fate,
}

/// What became of a request that was begun with a tag. Exactly one comes for each that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub link: LinkId,
    pub peer: PeerId,
    pub channel: ChannelId,
    /// The number that the request was given.
    pub request: u32,
    /// The asker's own number.
    pub tag: u64,
    pub outcome: Outcome,
}

/// A node's life, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum NodeState {
    New = 0,
    Running = 1,
    Stopping = 2,
    Stopped = 3,
    Failed = 4,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    Up(Up),
    Message(Message),
    Down(Down),
    /// What became of a message. News of sends and requests come before messages that wait, and before the Down of their link.
    Sent(Sent),
    /// What became of a request.
    Response(Response),
    /// News that belong to no open link.
    Notice(Notice),
    /// The node changed its state.
    State(NodeState),
    /// Somebody called `wakeup` with this tag.
    Wakeup(u64),
}

const _: () = assert!(size_of::<Event>() <= sizes::EVENT);
