//! What workers and callers ask of the reactor. One bounded channel carries it (`limits::COMMANDS_MAX`); senders may block, the
//! reactor never does.

use super::backlog::ChannelStats;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Verdict;
use bytes::Bytes;
use crossbeam_channel::Sender;
use std::io;
use std::net::SocketAddr;
use std::sync::Weak;

/// One order to the reactor. Orders for a link that is gone are dropped: its `Closed` is already on its way.
#[derive(Clone, Debug)]
pub enum Command {
    /// Open a connection for a link that the pool has claimed. Ends in `Recognised` or `Closed`.
    /// `tag` names the wish of the application, if it was one: it comes back in Up.
    Dial { link: LinkId, to: SocketAddr, expect: Option<PeerId>, tag: Option<u64> },
    /// The arrival may go on: read its first message.
    Greet { link: LinkId },
    /// The answer to `Recognised` or `Introduced`.
    Judge { link: LinkId, verdict: Verdict },
    /// Send a message of the node itself (PEX, discovery).
    Say { link: LinkId, channel: ChannelId, kind: Kind, request: u32, body: Bytes },
    /// Take back what was sent with this tag and of which no byte was sent; if a queue is named, what is to be told there.
    Cancel { link: LinkId, tag: u64, queue: Option<u16> },
    /// Our request is over: do not send it, or tell the peer.
    Withdraw { link: LinkId, channel: ChannelId, request: u32 },
    /// Bytes a second for all links together; 0: no limit.
    SetRates { up: u64, down: u64 },
    /// Bytes a second for one link as long as it lives; 0: no limit of its own.
    SetLinkRates { link: LinkId, up: u64, down: u64 },
    /// A link's share of what all links move together, beside others of weight 1. A word of lower rank than the last one comes too late.
    SetWeight { link: LinkId, weight: u32, rank: u64 },
    /// Say what waits on the link's channels, as far as the reactor has it: one answer, at the end of the turn at the latest.
    Inspect { link: LinkId, answer: Sender<Vec<ChannelStats>> },
    /// Say when nothing waits on the link any more and the system has every byte. If the link ends before, nothing is said.
    Flush { link: LinkId, flush: Flush },
    /// End a link; a goodbye with the reason is sent if it is open.
    Close { link: LinkId, reason: CloseReason },
    /// Listen there, too (port 0: any), and say where that is. Who has given up waiting gets no listener either.
    Listen { at: SocketAddr, answer: Sender<Result<SocketAddr, ListenFault>> },
    /// Close the listener there; links stay. Say whether there was one.
    Unlisten { at: SocketAddr, answer: Sender<bool> },
    /// Close the listeners; links stay.
    StopListening,
    /// Say goodbye on every link, send what is queued until `deadline`, then end the loop.
    Drain { deadline: Time },
}

/// Why there is no new listener.
#[derive(Debug)]
pub enum ListenFault {
    System(io::Error),
    /// There are `LISTENERS_MAX`.
    TooMany,
    /// Peers could not be told of one more: what is too long.
    Hello(String),
}

/// A caller that waits until a link has sent everything.
#[derive(Clone, Debug)]
pub struct Flush {
    pub done: Sender<()>,
    /// Nobody holds the other end any more once the caller's time is over.
    pub waits: Weak<()>,
}

const _: () = assert!(size_of::<Command>() <= sizes::COMMAND);
