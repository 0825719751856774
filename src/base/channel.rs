//! Channels: numbered lanes of a link, and what a message on one is. Vocabulary only; queues live in `bus`.

use super::limits;
use std::fmt;

/// A channel id as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

impl ChannelId {
    /// Peer exchange (`tendermint.p2p.PexMessage`).
    pub const PEX: ChannelId = ChannelId(0x00);
    /// `PeerDiscover` requests and answers.
    pub const DISCOVER: ChannelId = ChannelId(0x01);
    /// The first id that an application may use; those below are bowline's own.
    pub const FIRST_APPLICATION: ChannelId = ChannelId(0x10);

    /// True for the channels that the node itself serves; they never reach an application's queue.
    pub const fn is_own(self) -> bool {
        self.0 < Self::FIRST_APPLICATION.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {:#04x}", self.0)
    }
}

/// What a message is: the three-bit kind in a segment's flags (design: kinds 0..=4; credit, 5, never is a message).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    #[default]
    Message = 0,
    Request = 1,
    Response = 2,
    Error = 3,
    Cancel = 4,
}

impl Kind {
    pub const fn from_bits(bits: u8) -> Option<Kind> {
        match bits {
            0 => Some(Kind::Message),
            1 => Some(Kind::Request),
            2 => Some(Kind::Response),
            3 => Some(Kind::Error),
            4 => Some(Kind::Cancel),
            _ => None,
        }
    }

    /// Kinds 1..=4 carry a request id.
    pub const fn has_request_id(self) -> bool {
        !matches!(self, Kind::Message)
    }
}

/// What happens to a message for which a channel's send queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is refused, or its sender waits for room.
    #[default]
    Refuse,
    /// The oldest messages that wait make room for it. Requests and answers never do.
    DropOldest,
    /// It takes the place of all messages that wait: only the newest is worth sending. Requests and answers stay.
    Conflate,
}

/// A channel as its owner describes it. Both sides announce theirs in Hello; a message can be sent when both have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub id: ChannelId,
    /// Label for logs, events and metrics; at most 32 bytes, printable ASCII.
    pub name: String,
    /// Share of a link's bytes when several channels have something to send: a positive weight, higher is more.
    pub priority: u8,
    /// Largest message in bytes, in either direction; at most 100 MiB.
    pub message_bytes_max: u32,
    /// Bytes of messages that may wait to be sent on one link.
    pub send_queue_bytes: u32,
    /// Messages that may wait to be sent on one link.
    pub send_queue_messages: u32,
    /// Bytes that a peer may have under way to us on this channel (first credit): received and not yet taken.
    pub receive_queue_bytes: u32,
    /// Messages that a peer may have under way to us on this channel, or that nobody has taken: each costs at least so much of the bytes
    /// above that there cannot be more. At least 4.
    pub receive_queue_messages: u32,
    /// The most bytes that the channel may put into one record while others wait; 0: by priority alone.
    pub bytes_per_turn: u32,
    /// Requests of one peer that may wait for the application's answer; 0: this node serves none on the channel.
    pub requests_max: u32,
    /// What gives way when the send queue is full.
    pub overflow: Overflow,
    /// Bytes a second that one peer may send us on this channel, headers included; 0: no limit. It acts by credit: the peer waits.
    pub rate_bytes: u64,
    /// Of these, so many may come at once, and no more are ever under way; 0: what a second brings.
    pub burst_bytes: u32,
    /// Messages a second that one peer may send us on this channel, of any kind; 0: no limit. It acts like the other.
    pub rate_messages: u32,
    /// Of these, so many may come at once; 0: what a second brings.
    pub burst_messages: u32,
}

/// A limit on what a channel takes that no link could keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateFault {
    Bytes(u64),
    BurstBytes(u32),
    BurstMessages(u32),
    /// A burst without its rate: of what.
    BurstAlone(&'static str),
}

impl fmt::Display for RateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateFault::Bytes(rate) => {
                let (least, most) = (limits::RATE_MIN, limits::RATE_MAX);
                write!(f, "a limit of {rate} bytes a second; {least} to {most} are allowed, or 0 for none")
            }
            RateFault::BurstBytes(burst) => {
                let (least, most) = (limits::BURST_BYTES_MIN, i32::MAX);
                write!(f, "a burst of {burst} bytes; {least} to {most} are allowed, or 0 for what a second brings")
            }
            RateFault::BurstMessages(burst) => {
                let least = limits::RECEIVE_MESSAGES_MIN;
                write!(f, "a burst of {burst} messages; at least {least} are needed, or 0 for what a second brings")
            }
            RateFault::BurstAlone(what) => write!(f, "a burst of {what} without a limit: set how many a second, or leave both 0"),
        }
    }
}

impl Channel {
    /// A channel with the defaults: priority 1, 1 MiB messages, 256 KiB and 16,384 messages to send, 2 MiB, 32,768
    /// messages and 64 requests to receive, per link.
    pub fn new(id: u16, name: &str) -> Channel {
        Channel {
            id: ChannelId(id),
            name: name.to_owned(),
            priority: 1,
            message_bytes_max: limits::MESSAGE_BYTES_DEFAULT,
            send_queue_bytes: limits::SEND_QUEUE_BYTES_DEFAULT,
            send_queue_messages: limits::SEND_QUEUE_MESSAGES_DEFAULT,
            receive_queue_bytes: limits::RECEIVE_QUEUE_BYTES_DEFAULT,
            receive_queue_messages: limits::RECEIVE_QUEUE_MESSAGES_DEFAULT,
            bytes_per_turn: 0,
            requests_max: limits::REQUESTS_DEFAULT,
            overflow: Overflow::Refuse,
            rate_bytes: 0,
            burst_bytes: 0,
            rate_messages: 0,
            burst_messages: 0,
        }
    }

    /// The most segment bytes that a peer may have under way to us: its first credit. With a rate no more than may come at once.
    pub fn window(&self) -> u32 {
        self.receive_queue_bytes.min(self.bytes_at_once().unwrap_or(u32::MAX))
    }

    /// Bytes that may come at once, if there is a rate.
    pub fn bytes_at_once(&self) -> Option<u32> {
        let second = u32::try_from(self.rate_bytes).unwrap_or(u32::MAX).max(limits::BURST_BYTES_MIN);
        (self.rate_bytes > 0).then_some(if self.burst_bytes == 0 { second } else { self.burst_bytes })
    }

    /// Messages that may come at once, if there is a rate.
    pub fn messages_at_once(&self) -> Option<u32> {
        let second = self.rate_messages.max(limits::RECEIVE_MESSAGES_MIN);
        (self.rate_messages > 0).then_some(if self.burst_messages == 0 { second } else { self.burst_messages })
    }

    /// Whether the rates and bursts can be kept.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check_rates(&self) -> Result<(), RateFault> {
        if self.rate_bytes > 0 && !(limits::RATE_MIN..=limits::RATE_MAX).contains(&self.rate_bytes) {
            return Err(RateFault::Bytes(self.rate_bytes));
        }
        if self.burst_bytes > 0 && !(limits::BURST_BYTES_MIN..=i32::MAX as u32).contains(&self.burst_bytes) {
            return Err(RateFault::BurstBytes(self.burst_bytes));
        }
        if (1..limits::RECEIVE_MESSAGES_MIN).contains(&self.burst_messages) {
            return Err(RateFault::BurstMessages(self.burst_messages));
        }
        let alone = [(self.rate_bytes, self.burst_bytes, "bytes"), (self.rate_messages.into(), self.burst_messages, "messages")];
        match alone.iter().find(|(rate, burst, _)| *rate == 0 && *burst > 0) {
            Some((_, _, what)) => Err(RateFault::BurstAlone(what)),
            None => Ok(()),
        }
    }

    /// What a segment costs its sender at least, so that no more messages than may wait, or come at once, fit into the window; 0 if every
    /// segment does.
    pub fn segment_cost_min(&self) -> u32 {
        let window = self.window();
        let count =
            self.receive_queue_messages.min(self.messages_at_once().unwrap_or(u32::MAX)).max(limits::RECEIVE_MESSAGES_MIN);
        let cost = window.div_ceil(count).min(window / limits::RECEIVE_MESSAGES_MIN);
        if cost as usize <= limits::SEGMENT_HEADER { 0 } else { cost }
    }
}
