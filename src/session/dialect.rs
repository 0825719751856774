//! The interface of a wire dialect: one connection's protocol as a pure machine. bowline/1 is the first; others must need no change
//! above this room. The reactor feeds it bytes, verdicts and time, and takes bytes, signals and messages out.

use super::gate::Gate;
use super::intake::Intake;
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::entropy::Entropy;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Verdict;
use crate::flow::batch::{Note, Pending, Removed, Ticket};
use crate::wire::hello::Hello;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a step may draw on; all of it belongs to the reactor.
pub struct Context<'a> {
    pub now: Time,
    /// Seconds since 1970, for cookie epochs only.
    pub unix_seconds: u64,
    /// Load, cookies and puzzles seen, shared by all handshakes of a node.
    pub gate: &'a mut Gate,
    pub entropy: &'a mut dyn Entropy,
}

/// What a session tells its owner, in order.
#[derive(Clone, Debug)]
pub enum Signal {
    /// The peer showed its key (`is_claim`: without proof). The session stops taking bytes until `Proceed` or `Refuse`.
    Recognised { peer: PeerId, is_claim: bool },
    /// The peer is authenticated and its Hello is in. The session stops taking bytes until `Admit` or `Refuse`.
    Introduced { peer: PeerId, hello: Arc<Hello>, observed: Option<SocketAddr> },
    /// Both sides have admitted the link: application messages may be sent and arrive.
    Opened,
    /// The peer refused us or said goodbye; the error returned by the same step ends the session.
    Told { motive: Option<CloseReason>, alternatives: Vec<Address> },
}

/// A lane at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneState {
    /// Messages that wait in the session to be sealed, and their bytes; one of which a part is sealed counts whole.
    pub messages: usize,
    pub bytes: usize,
    /// The first of them waits at least since then.
    pub since: Option<Time>,
    /// True if the peer's credit lets it send.
    pub is_sendable: bool,
    /// Bytes that we may send, and that the peer may send. In a dialect without credit, 0.
    pub credit_out: u32,
    pub credit_in: u32,
    /// A message of the peer has begun to arrive and is not whole.
    pub is_unfinished: bool,
}

/// One connection's protocol. Methods are of four kinds: `handle_*` for what happened, verbs for what the owner wants, `poll_*` for
/// what comes out, getters. After the first error every `handle_*` returns the same error.
pub trait Dialect: Send {
    /// Takes what arrived, opening records in place, and returns how many bytes it used. The unused rest (an incomplete message, or
    /// what follows while a verdict is awaited) must be offered again, with more behind it.
    ///
    /// # Errors
    /// The reason to close. What `poll_write` still gives (a reject, a nack) should be sent first.
    fn handle_bytes(&mut self, cx: &mut Context<'_>, input: &mut [u8], intake: &mut Intake) -> Result<usize, CloseReason>;

    /// The answer to the last signal. After `Refuse` the session ends by itself with the motive once the nack is written.
    fn handle_verdict(&mut self, cx: &mut Context<'_>, verdict: Verdict) -> Result<(), CloseReason>;

    /// `deadline` has passed: a timeout, a ping that is due, another slice of a puzzle.
    fn handle_deadline(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason>;

    /// Queues a message of the node itself (PEX, discovery); it goes out before application data.
    ///
    /// # Errors
    /// `ControlNotRead` when `limits::CONTROL_QUEUE_MAX` wait already; `UnknownChannel` when the peer lacks the channel.
    fn say(&mut self, channel: ChannelId, kind: Kind, request: u32, body: Bytes) -> Result<(), CloseReason>;

    /// Queues a goodbye; after it nothing more is written. Without keys it does nothing.
    fn close(&mut self, reason: CloseReason);

    /// The application took messages of `channel` that cost so many segment bytes: the peer may send as many more.
    fn grant(&mut self, channel: ChannelId, bytes: u32);

    /// True if the lane of `channel` (index in `Local::channels`) has sent all it was given: `refill` may swap in more.
    fn is_drained(&self, lane: usize) -> bool;

    /// Gives a drained lane its next messages by swapping; `pending` comes back empty, with the old buffers.
    fn refill(&mut self, lane: usize, pending: &mut Pending);

    /// Messages and bytes that were given to lanes and have not been sealed (for the report of a close).
    fn unsent(&self) -> (usize, usize);

    /// How a lane stands.
    fn lane(&self, lane: usize) -> LaneState;

    /// Moves the tickets of messages that were sealed whole since the last call to the end of `into`, in their order.
    fn take_sealed(&mut self, into: &mut Vec<Ticket>);

    /// Takes out the messages in lanes whose note `pick` picks: expired or cancelled. One of which a part is sealed stays, unless
    /// `is_over`: then nothing is sealed after it.
    fn take_out(&mut self, is_over: bool, pick: &mut dyn FnMut(&Note) -> bool) -> Vec<Removed>;

    /// No message in the lanes expires before; `Time::MAX` if none does.
    fn soonest(&self) -> Time;

    /// Bytes were withheld from the session by our own doing, and come again: the peer's silence counts from now.
    fn resume(&mut self, now: Time);

    /// Appends sealed bytes to `out`: handshake messages, control records, then segments of the lanes packed into full records by weight.
    /// Stops when nothing is ready or `out` has grown by `budget` (by at most one record more). With a small budget records are small, too.
    fn poll_write(&mut self, now: Time, out: &mut Vec<u8>, budget: usize);

    /// True if `poll_write` would give bytes.
    fn wants_write(&self) -> bool;

    fn poll_signal(&mut self) -> Option<Signal>;

    /// When to call `handle_deadline`.
    fn deadline(&self) -> Option<Time>;

    /// True while a verdict is awaited: offer no bytes.
    fn is_waiting(&self) -> bool;

    /// True once the link is open.
    fn is_open(&self) -> bool;

    /// Who it is, once authenticated (not a mere claim).
    fn peer(&self) -> Option<PeerId>;

    /// Smoothed round-trip time of pings.
    fn rtt(&self) -> Option<Duration>;
}
