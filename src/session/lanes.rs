//! What we send: one lane per channel, packed into records by weight, never beyond the peer's credit. Many small messages share a record, a
//! large one is cut and shares records with the other lanes. It copies each message once and allocates nothing. `keyed.rs` calls it for
//! every data record.
//!
//! The node's own lanes go first. The others share what is left of each record by weight (`flow/shares.rs` has the rule), in bytes, with
//! headers. No lane may take the place that the first pieces of those behind it need. So a message that arrives on an idle lane is in the
//! next record that is sealed, or its first `PIECE_MIN` bytes are, whatever waits on other lanes at whatever priority: full records have
//! room for a piece of each of 62. It pays for that later: its lane then waits until its share has come up to it, 17 full records at most.
//! Who has a limit per turn gets no more of a record while others wait, and what it does not use of its share is gone.

use super::dialect::LaneState;
use super::local::Local;
use crate::base::channel::{ChannelId, Kind};
use crate::base::sizes;
use crate::base::time::Time;
use crate::flow::batch::{Note, Pending, Removed, Ticket};
use crate::flow::shares::{Shares, bits};
use crate::wire::hello::Hello;
use crate::wire::segment::{self, HEADER, Head, PIECE_MIN};

/// The smallest cut of a message: a first segment without request id, and one byte.
const CUT_MIN: usize = HEADER + 4 + 1;
/// A message of fewer bytes is not cut in two only to make a record exactly full: with two headers it would not fit any more.
const SPLIT_MIN: usize = 10;

/// Who would leave fewer bytes than this of a record goes on to its end: the next lane's piece might leave a gap that nothing fits.
const REST_MIN: usize = 2 * CUT_MIN + SPLIT_MIN;

/// One channel's outgoing side.
#[derive(Debug)]
struct Lane {
    channel: ChannelId,
    queue: Pending,
    /// Bytes of the front message that are sealed already.
    sent: usize,
    /// Segment bytes that the peer still takes.
    credit: u32,
    /// The most that `credit` can be: what the peer announced.
    window: u32,
    /// Largest message that the peer takes; `None` if it lacks the channel.
    message_bytes_max: Option<u32>,
    /// What a segment costs of the credit at least.
    cost_min: u32,
    /// The most that it may send in one turn while others wait, bytes.
    turn_max: usize,
}

// `settings/memory.rs` counts with it.
const _: () = assert!(size_of::<Lane>() <= sizes::LANE / 4);

/// What a lane may send in one go, bytes.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Its share. The first piece may be larger than that.
    share: usize,
    /// What nothing may exceed.
    max: usize,
}

impl Turn {
    /// All there is room for.
    const WHOLE: Turn = Turn { share: usize::MAX, max: usize::MAX };

    /// What the next segment may take after `used` bytes.
    fn rest(self, used: usize) -> usize {
        let share = if used == 0 { self.share.max(PIECE_MIN as usize) } else { self.share.saturating_sub(used) };
        share.min(self.max.saturating_sub(used))
    }
}

/// Why a lane stopped packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Nothing more to send, or no credit for it.
    Idle,
    /// Its turn is over.
    Turn,
    /// The record is full.
    Full,
}

/// The peer granted more than it had announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuchCredit;

/// See the file's head.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    /// Bit of each lane that has something to send and credit for it.
    ready: u64,
    /// Bits of the node's own channels, which go first.
    own: u64,
    shares: Shares,
    left: Left,
}

/// What became of messages that have left the lanes.
#[derive(Debug, Default)]
struct Left {
    /// Senders who want to know of messages that are sealed whole.
    sealed: Vec<Ticket>,
    /// Requests of the peer, and their lanes, of which the answer is sealed whole.
    answered: Vec<(usize, u32)>,
    /// Messages that the peer would not have taken (and their bytes): never sent. The notes of some, for the link's end.
    unsendable: (usize, usize),
    unsent: Vec<Removed>,
}

impl Lanes {
    /// Lanes for all of our channels; those that the peer lacks stay shut.
    pub fn new(local: &Local, theirs: &Hello) -> Lanes {
        let lane = |channel: &crate::base::channel::Channel| {
            let offer = theirs.offer(channel.id);
            let window = offer.map_or(0, |offer| offer.credit);
            Lane {
                channel: channel.id,
                queue: Pending::default(),
                sent: 0,
                credit: window,
                window,
                message_bytes_max: offer.map(|offer| offer.message_bytes_max),
                cost_min: offer.map_or(0, |offer| offer.segment_cost_min),
                turn_max: if channel.bytes_per_turn == 0 { usize::MAX } else { channel.bytes_per_turn as usize },
            }
        };
        let lanes: Vec<Lane> = local.channels.iter().map(lane).collect();
        let own = lanes.iter().enumerate().filter(|(_, lane)| lane.channel.is_own()).fold(0, |bits, (i, _)| bits | 1 << i);
        let shares = Shares::new(local.channels.iter().map(|channel| channel.priority));
        Lanes { lanes, ready: 0, own, shares, left: Left::default() }
    }

    /// True if the peer has the channel of this lane.
    #[inline]
    pub fn is_open(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.message_bytes_max.is_some())
    }

    /// True if something can be packed.
    pub const fn is_ready(&self) -> bool {
        self.ready != 0
    }

    /// True if the lane has sent all it was given and can take more.
    pub fn is_drained(&self, lane: usize) -> bool {
        self.lanes.get(lane).is_some_and(|lane| lane.queue.is_empty() && lane.message_bytes_max.is_some())
    }

    /// Swaps `pending` with the emptied queue of a drained lane.
    pub fn refill(&mut self, lane: usize, pending: &mut Pending) {
        if self.is_drained(lane) {
            std::mem::swap(&mut self.lanes[lane].queue, pending);
            self.note_ready(lane);
        }
    }

    /// The queue of one of the node's own lanes; call `note_ready` after adding to it.
    pub fn own_queue(&mut self, lane: usize) -> &mut Pending {
        &mut self.lanes[lane].queue
    }

    /// Messages that wait in the node's own lanes.
    pub fn own_waiting(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.channel.is_own()).map(|lane| lane.queue.len()).sum()
    }

    /// Messages and bytes of application lanes that are not sealed.
    pub fn unsent(&self) -> (usize, usize) {
        let application = self.lanes.iter().filter(|lane| !lane.channel.is_own());
        application.fold(self.left.unsendable, |(count, bytes), lane| (count + lane.queue.len(), bytes + lane.queue.bytes()))
    }

    /// How the outgoing side of a lane stands.
    pub fn describe(&self, lane: usize) -> LaneState {
        let Some(lane) = self.lanes.get(lane) else { return LaneState::default() };
        let Lane { queue, credit, .. } = lane;
        let (messages, bytes, since) = (queue.len(), queue.bytes(), queue.since());
        LaneState { messages, bytes, since, is_sendable: lane.is_sendable(), credit_out: *credit, ..LaneState::default() }
    }

    /// Moves the tickets of messages that were sealed whole since the last call to the end of `into`.
    pub fn take_sealed(&mut self, into: &mut Vec<Ticket>) {
        into.append(&mut self.left.sealed);
    }

    /// The peer's requests that were answered since the last call, with their lanes.
    pub fn take_answered(&mut self) -> Vec<(usize, u32)> {
        std::mem::take(&mut self.left.answered)
    }

    /// Takes out the messages whose note `pick` picks. One of which a part is sealed stays. If nothing will be sealed any more (`is_over`)
    /// it goes as well, and so do those that nobody wants to hear of.
    pub fn take_out(&mut self, is_over: bool, pick: &mut dyn FnMut(&Note) -> bool) -> Vec<Removed> {
        let mut removed = if is_over { std::mem::take(&mut self.left.unsent) } else { Vec::new() };
        for lane in 0..self.lanes.len() {
            let slot = &mut self.lanes[lane];
            let gone = slot.queue.take_out(slot.sent > 0 && !is_over, &mut *pick);
            removed.extend(gone.into_iter().map(|gone| Removed { lane, ..gone }));
            if is_over {
                // Of what is at the front now nothing was sealed, whatever was of the one before.
                slot.queue.clear();
                slot.sent = 0;
            }
            self.note_ready(lane);
        }
        removed
    }

    /// No message in the lanes expires before.
    pub fn soonest(&self) -> Time {
        self.lanes.iter().map(|lane| lane.queue.soonest()).min().unwrap_or(Time::MAX)
    }

    /// The peer takes `bytes` more.
    pub fn add_credit(&mut self, lane: usize, bytes: u32) -> Result<(), TooMuchCredit> {
        let Some(slot) = self.lanes.get_mut(lane) else { return Ok(()) };
        // It can only grant what we have sent, so the sum never exceeds what it announced, and a grant of nothing is a waste of our time.
        let sum = slot.credit.checked_add(bytes).filter(|sum| bytes > 0 && *sum <= slot.window);
        slot.credit = sum.ok_or(TooMuchCredit)?;
        self.note_ready(lane);
        Ok(())
    }

    /// Recomputes whether a lane can send.
    pub fn note_ready(&mut self, lane: usize) {
        let was_ready = self.ready & 1 << lane != 0;
        if !self.lanes[lane].is_sendable() {
            self.ready &= !(1 << lane);
        } else if !was_ready {
            self.ready |= 1 << lane;
            self.shares.forfeit(lane);
        }
    }

    /// Appends segments to `out` until it has `limit` bytes or nothing is ready.
    pub fn pack(&mut self, out: &mut Vec<u8>, limit: usize) {
        // Those who have had all that a turn may give them.
        let mut spent = 0;
        while self.ready != 0 {
            let rest = self.ready & !spent;
            let (set, is_last) = if rest == 0 { (self.ready, true) } else { (rest, false) };
            let own = set & self.own;
            let stop = if own != 0 {
                self.pack_own(own, is_last, out, limit, &mut spent)
            } else {
                self.pack_shares(set, is_last, out, limit, &mut spent)
            };
            if stop == Stop::Full {
                break;
            }
        }
        bits(spent).for_each(|lane| self.shares.forfeit(lane));
        if self.ready == 0 {
            self.shares.settle();
        }
    }

    /// A turn of each of the node's own lanes in `set`.
    fn pack_own(&mut self, set: u64, is_last: bool, out: &mut Vec<u8>, limit: usize, spent: &mut u64) -> Stop {
        for lane in bits(set) {
            let turn = Turn { max: self.turn_max(lane, is_last), ..Turn::WHOLE };
            if self.run(lane, out, limit, turn) == Stop::Full {
                return Stop::Full;
            }
            *spent |= 1 << lane;
        }
        Stop::Turn
    }

    /// A turn of each lane in `set` whose share allows it.
    fn pack_shares(&mut self, set: u64, is_last: bool, out: &mut Vec<u8>, limit: usize, spent: &mut u64) -> Stop {
        let is_alone = set.is_power_of_two();
        let mut waiting = if is_alone { set } else { self.shares.hand_out(set, limit - out.len()) };
        while waiting != 0 {
            let lane = waiting.trailing_zeros() as usize;
            waiting &= waiting - 1;
            // What those behind it need for a first piece is not its own to take.
            let free = (limit - out.len()).saturating_sub(waiting.count_ones() as usize * PIECE_MIN as usize);
            let share = if is_alone { usize::MAX } else { self.shares.balance(lane).min(free) };
            let before = out.len();
            let stop = self.run(lane, out, limit, Turn { share, max: self.turn_max(lane, is_last) });
            let used = out.len() - before;
            if is_alone {
                self.shares.pass(lane, used);
            } else {
                self.shares.charge(lane, used);
            }
            if self.ready & 1 << lane == 0 {
                self.shares.forfeit(lane);
            } else if self.lanes[lane].turn_max != usize::MAX {
                *spent |= 1 << lane;
            }
            if stop == Stop::Full {
                return Stop::Full;
            }
        }
        Stop::Turn
    }

    /// The limit of a lane's turn, if others are there whom it is to spare.
    fn turn_max(&self, lane: usize, is_last: bool) -> usize {
        if is_last || self.ready == 1 << lane { usize::MAX } else { self.lanes[lane].turn_max }
    }

    /// Packs one lane until something stops it.
    fn run(&mut self, lane: usize, out: &mut Vec<u8>, limit: usize, turn: Turn) -> Stop {
        let others = self.ready & !(1 << lane) != 0;
        let stop = self.lanes[lane].pack(lane, out, limit, turn, others, &mut self.left);
        match stop {
            Stop::Idle => self.ready &= !(1 << lane),
            // Its last message may have left with the record, or its credit.
            Stop::Full => self.note_ready(lane),
            Stop::Turn => {}
        }
        stop
    }
}

impl Lane {
    fn piece_min(&self) -> u32 {
        segment::piece_min(self.window, self.cost_min)
    }

    fn is_sendable(&self) -> bool {
        self.message_bytes_max.is_some()
            && self.queue.front().is_some_and(|(head, body)| {
                let whole = segment::header_len(head.kind, self.sent == 0, true) + body.len() - self.sent;
                self.credit >= self.piece_min() || self.credit as usize >= whole.max(self.cost_min as usize)
            })
    }

    /// Appends segments until the queue or credit, the turn or the record is used up.
    fn pack(&mut self, lane: usize, out: &mut Vec<u8>, limit: usize, turn: Turn, others_wait: bool, left: &mut Left) -> Stop {
        let begin = out.len();
        let message_bytes_max = self.message_bytes_max.unwrap_or(0);
        let mut fills_up = false;
        loop {
            let Some((head, body)) = self.queue.front() else { return Stop::Idle };
            if head.len > message_bytes_max {
                // The mailbox refuses such messages; one that comes through would end the link at the peer.
                left.unsendable.0 += 1;
                left.unsendable.1 += body.len();
                left.unsent.push(self.queue.pop());
                continue;
            }
            let (used, room) = (out.len() - begin, limit - out.len());
            let (rest, is_first) = (&body[self.sent..], self.sent == 0);
            let whole = segment::header_len(head.kind, is_first, true) + rest.len();
            fills_up |= used > 0 && room < REST_MIN && turn.max == usize::MAX;
            let share = if fills_up { room } else { turn.rest(used) };
            if used > 0 && share < whole.min(room) && share < turn.max.min(PIECE_MIN as usize) {
                return Stop::Turn;
            }
            if self.credit < self.cost_min || whole > self.credit as usize && self.credit < self.piece_min() {
                return Stop::Idle;
            }
            let piece = piece(room, self.credit, share);
            let (channel, kind, request, total) = (self.channel, head.kind, head.request, head.len);
            let mut part = Head { channel, kind, request, total, is_first, is_last: true };
            let fits = whole <= piece;
            let may_fill_up = turn.max == usize::MAX && (others_wait || self.queue.len() > 1);
            if fits && !is_awkward(room - whole, rest.len(), may_fill_up) {
                segment::write(out, part, rest);
                self.pay(whole);
                self.sent = 0;
                if let Some(ticket) = self.queue.pop_sent() {
                    left.sealed.push(ticket);
                }
                if matches!(kind, Kind::Response | Kind::Error) {
                    left.answered.push((lane, request));
                }
                continue;
            }
            part.is_last = false;
            let header = segment::header_len(kind, is_first, false);
            let bytes = if fits { 1 } else { piece.saturating_sub(header).min(rest.len().saturating_sub(1)) };
            if bytes == 0 {
                return Stop::Full;
            }
            segment::write(out, part, &rest[..bytes]);
            self.pay(header + bytes);
            self.sent += bytes;
            fills_up |= fits;
            if limit - out.len() < HEADER + 1 {
                return Stop::Full;
            }
        }
    }

    /// A segment of so many bytes goes out.
    fn pay(&mut self, len: usize) {
        self.credit -= self.cost_min.max(len as u32);
    }
}

/// The most that the next segment may take: what is left of the record, of the credit and of the lane's turn. A turn that would end just
/// before the record does is stretched to its end.
#[inline]
fn piece(room: usize, credit: u32, turn: usize) -> usize {
    let turn = if turn.saturating_add(REST_MIN) > room { room } else { turn };
    room.min(credit as usize).min(turn)
}

/// True if a whole message would leave so few bytes of the record that no other segment fits. Then its first byte goes ahead, so that the
/// rest, one header longer, can be cut where the record ends. Full records have their exact length for the cipher's sake (performance
/// reference, finding 2), which is worth a header only if more follows.
#[inline]
const fn is_awkward(left: usize, len: usize, more_follows: bool) -> bool {
    left > 0 && left < CUT_MIN && more_follows && len >= SPLIT_MIN
}
