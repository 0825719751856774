//! What waits on the channels of a link, in each direction, and what did not get through: plain values for readers, and the counters that
//! a link keeps of each channel. Senders and the reactor count, `Link` keeps them.

use super::counters::Count;
use crate::base::channel::ChannelId;
use crate::base::time::Time;
use std::time::Duration;

/// Messages that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub messages: u64,
    pub bytes: u64,
    /// The oldest of them waits at least since then.
    pub since: Option<Time>,
}

impl Backlog {
    /// Both together.
    pub fn and(self, other: Backlog) -> Backlog {
        let since = [self.since, other.since].into_iter().flatten().min();
        Backlog { messages: self.messages + other.messages, bytes: self.bytes + other.bytes, since }
    }
}

/// Messages of one channel that a link's senders could not send.
#[derive(Debug, Default)]
pub struct Drops {
    /// The send queue was full, and there was no room in time.
    pub refused: Count,
    pub displaced: Count,
    pub expired: Count,
    pub cancelled: Count,
}

/// One direction of a channel at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub messages: u64,
    /// Their bytes, without headers.
    pub bytes: u64,
    /// How long the oldest has waited, at least; `None` if there is none.
    pub age: Option<Duration>,
}

impl Waiting {
    pub fn of(backlog: Backlog, now: Time) -> Waiting {
        let Backlog { messages, bytes, since } = backlog;
        let age = (messages > 0).then(|| since.map_or(Duration::ZERO, |since| now.since(since)));
        Waiting { messages, bytes, age }
    }
}

/// A channel of a link at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    pub channel: ChannelId,
    /// True if the peer has the channel, too.
    pub is_shared: bool,
    /// Our messages that wait to be sent: in the send queue and in the reactor's hand. What is sealed waits no longer.
    pub outbound: Waiting,
    /// The peer's messages that are there and that nobody has taken.
    pub inbound: Waiting,
    /// Messages of the peer of which a part has come: 0 or 1.
    pub unfinished: u64,
    /// Segment bytes that we may send before the peer grants more, and that the peer may send.
    pub credit_out: u64,
    pub credit_in: u64,
    /// Our messages that were not taken because the send queue was full (one that waited for room counts once).
    pub refused: u64,
    /// Our messages that gave way to newer ones.
    pub displaced: u64,
    /// Our messages that expired before their first byte was sent.
    pub expired: u64,
    /// Our messages that were taken back.
    pub cancelled: u64,
}
