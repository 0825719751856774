//! What is counted, per link and per node: relaxed atomics, each exact, together no single instant. Written by the reactor, workers and
//! receivers, read by anyone without a lock.

use crate::base::channel::ChannelId;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($(#[doc = $doc:literal])+ $name:ident, $(#[doc = $sdoc:literal])+ $snapshot:ident: $($(#[doc = $fdoc:literal])+ $field:ident,)+) => {
        $(#[doc = $doc])+
        #[derive(Debug, Default)]
        pub struct $name {
            $($(#[doc = $fdoc])+ pub $field: Count,)+
        }

        $(#[doc = $sdoc])+
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $snapshot {
            $($(#[doc = $fdoc])+ pub $field: u64,)+
        }

        impl $snapshot {
            /// Each value with its name, and what it is.
            pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($field), concat!($($fdoc),+), self.$field),)+]
            }
        }

        impl $name {
            /// All values now.
            pub fn read(&self) -> $snapshot {
                $snapshot { $($field: self.$field.value(),)+ }
            }
        }
    };
}

/// One counter or gauge.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters! {
    /// Counters of one open link.
    LinkCounters,
    /// The counters of one link at a moment.
    LinkStats:
    /// Bytes read from the socket.
    bytes_in,
    /// Bytes written to the socket.
    bytes_out,
    /// Application messages received.
    messages_in,
    /// Application messages sealed for sending.
    messages_out,
    /// Smoothed round-trip time, microseconds; 0 before the first pong.
    rtt_us,
    /// When something last arrived, nanoseconds since the node started.
    last_received_ns,
    /// When something was last written, nanoseconds since the node started.
    last_sent_ns,
    /// Bytes a second that may be sent on this link; 0: no limit of its own.
    rate_up,
    /// Bytes a second that may be received on this link; 0: no limit of its own.
    rate_down,
    /// Its share of what all links move together, beside others of weight 1.
    weight,
    /// A number of the application's: `Node::set_tag`.
    tag,
}

counters! {
    /// Counters of one channel of a node, on all links together.
    ChannelCounters,
    /// The counters of one channel at a moment.
    ChannelTotals:
    /// Messages received.
    messages_in,
    /// Their bytes.
    bytes_in,
    /// Messages taken from callers and sealed.
    messages_out,
    /// Their bytes.
    bytes_out,
}

counters! {
    /// Counters of a node.
    NodeCounters,
    /// The counters of a node at a moment.
    Stats:
    /// Open links that peers dialed.
    links_in,
    /// Open links that this node dialed.
    links_out,
    /// Addresses known.
    points_known,
    /// Bans in force, by the operator or for a score.
    bans,
    /// Entries on the greylist, those included whose time is over and that are only remembered.
    greylisted,
    /// Dials begun.
    dials,
    /// Dials that ended without a link.
    dials_failed,
    /// Connections accepted by the listeners.
    arrivals,
    /// Arrivals that were refused or failed before they opened.
    arrivals_refused,
    /// Connections closed at the door, before anything was made for them: banned, greylisted, or not trusted where only the trusted are let in.
    arrivals_shut,
    /// Bytes read from sockets.
    bytes_in,
    /// Bytes written to sockets.
    bytes_out,
    /// Application messages received.
    messages_in,
    /// Application messages taken from callers and sealed.
    messages_out,
    /// Bytes of application messages received.
    payload_in,
    /// Bytes of application messages sent.
    payload_out,
    /// Messages that were queued when their link closed.
    messages_unsent,
    /// Messages whose time to live was over before they were sent.
    messages_expired,
    /// Messages that their senders took back.
    messages_cancelled,
    /// Messages that gave way to newer ones, as their channel's overflow policy says.
    messages_displaced,
    /// Messages that were not taken for sending because their channel's queue was full, at once or until their wait was over.
    messages_refused,
    /// Messages of peers of which a part had come when their link ended.
    messages_unfinished,
    /// Messages of the node's own channels that were dropped: too many waited for a peer, or their link had ended.
    controls_dropped,
    /// Times that a channel of a link began to stall, in either direction; also those of which no notice was given.
    stalls,
    /// Messages, requests and answers that a typed channel's codec made nothing of.
    messages_malformed,
    /// Requests without an answer by their deadline.
    requests_late,
    /// Answers that nobody waited for any more.
    answers_late,
    /// Messages of closed links that nobody had taken, dropped because too many or too large stories of such links waited.
    messages_unseen,
    /// Notices dropped because nobody polled the queue.
    notices_dropped,
    /// PEX requests answered.
    pex_answered,
    /// Panics contained while handling a peer's message.
    panics_contained,
    /// Times a connection could not be accepted for want of descriptors.
    accept_no_files,
    /// Bytes a second that all links together may send; 0: no limit.
    rate_up,
    /// Bytes a second that all links together may receive; 0: no limit.
    rate_down,
    /// Turns of the reactor's loop.
    turns,
    /// Wake-ups of the reactor out of sleep.
    wakes,
}

/// The counters of a node's channels.
#[derive(Debug, Default)]
pub struct Traffic(Box<[(ChannelId, ChannelCounters)]>);

impl Traffic {
    pub fn of(channels: impl Iterator<Item = ChannelId>) -> Traffic {
        Traffic(channels.map(|channel| (channel, ChannelCounters::default())).collect())
    }

    /// The counters of a channel; a node has few.
    pub fn on(&self, channel: ChannelId) -> Option<&ChannelCounters> {
        self.0.iter().find(|(known, _)| *known == channel).map(|(_, counters)| counters)
    }
}
