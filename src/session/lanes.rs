//! What we send: one lane per channel, packed into records by weight (deficit round robin), never beyond the peer's credit. Many small
//! messages share a record, a large one is cut and shares records with the other lanes. It copies each message once and allocates nothing.
//! `keyed.rs` calls it for every data record.

use super::local::Local;
use crate::base::channel::{ChannelId, Kind};
use crate::base::time::Time;
use crate::flow::batch::{Note, Pending, Removed, Ticket};
use crate::wire::hello::Hello;
use crate::wire::segment::{self, HEADER, Head};

/// Bytes that a lane of weight 1 may send in its turn while others wait too.
const QUANTUM: i64 = 4_096;
/// A message is not cut into pieces smaller than this to save credit or deficit, bytes: headers would eat the gain.
const PIECE_MIN: u32 = 1_024;
/// The smallest cut of a message: a first segment without request id, and one byte.
const CUT_MIN: usize = HEADER + 4 + 1;
/// A message of fewer bytes is not cut in two only to make a record exactly full: with two headers it would not fit any more.
const SPLIT_MIN: usize = 10;

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
    quantum: i64,
    deficit: i64,
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
    /// The lane whose turn it is.
    turn: usize,
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
                quantum: QUANTUM * i64::from(channel.priority),
                deficit: 0,
            }
        };
        let lanes: Vec<Lane> = local.channels.iter().map(lane).collect();
        let own = lanes.iter().enumerate().filter(|(_, lane)| lane.channel.is_own()).fold(0, |bits, (i, _)| bits | 1 << i);
        Lanes { lanes, ready: 0, own, turn: 0, left: Left::default() }
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

    /// Moves the tickets of messages that were sealed whole since the last call to the end of `into`.
    pub fn take_sealed(&mut self, into: &mut Vec<Ticket>) {
        into.append(&mut self.left.sealed);
    }

    /// The peer's requests that were answered since the last call, with their lanes.
    pub fn take_answered(&mut self) -> Vec<(usize, u32)> {
        std::mem::take(&mut self.left.answered)
    }

    /// Takes out the messages whose note `pick` picks. One of which a part is sealed stays, unless nothing will be sealed any more.
    pub fn take_out(&mut self, is_over: bool, pick: &mut dyn FnMut(&Note) -> bool) -> Vec<Removed> {
        let mut removed = if is_over { std::mem::take(&mut self.left.unsent) } else { Vec::new() };
        for lane in 0..self.lanes.len() {
            let slot = &mut self.lanes[lane];
            removed.append(&mut slot.queue.take_out(slot.sent > 0 && !is_over, &mut *pick));
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
        if self.lanes[lane].is_sendable() {
            self.ready |= 1 << lane;
        } else {
            self.ready &= !(1 << lane);
        }
    }

    /// Appends segments to `out` until it has `limit` bytes or nothing is ready. Own channels first, then by turns.
    pub fn pack(&mut self, out: &mut Vec<u8>, limit: usize) {
        let own = self.ready & self.own;
        for lane in bits(own) {
            if self.run(lane, out, limit, i64::MAX) == Stop::Full {
                return;
            }
        }
        while let Some(lane) = self.next_turn() {
            let is_alone = self.ready == 1 << lane;
            let quota = if is_alone { i64::MAX } else { self.lanes[lane].begin_turn() };
            let before = out.len();
            let stop = self.run(lane, out, limit, quota);
            let used = (out.len() - before) as i64;
            let slot = &mut self.lanes[lane];
            match stop {
                // A lane that has nothing to send saves nothing up.
                Stop::Idle => slot.deficit = 0,
                _ if is_alone => {}
                Stop::Turn | Stop::Full => slot.deficit -= used,
            }
            // Who was cut off by the end of the record goes on with the rest of its turn in the next.
            let goes_on = stop == Stop::Full && (is_alone || slot.deficit > 0);
            self.turn = if goes_on { lane } else { lane + 1 };
            if stop == Stop::Full {
                return;
            }
        }
    }

    /// The next ready lane at or after `turn`.
    fn next_turn(&self) -> Option<usize> {
        let ready = self.ready & !self.own;
        let after = if self.turn < 64 { ready >> self.turn << self.turn } else { 0 };
        let from = if after != 0 { after } else { ready };
        (from != 0).then(|| from.trailing_zeros() as usize)
    }

    /// Packs one lane until something stops it.
    fn run(&mut self, lane: usize, out: &mut Vec<u8>, limit: usize, quota: i64) -> Stop {
        let others = self.ready & !(1 << lane) != 0;
        let stop = self.lanes[lane].pack(lane, out, limit, quota, others, &mut self.left);
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
    /// Fills the deficit up if the last turn used it up, and returns it.
    fn begin_turn(&mut self) -> i64 {
        if self.deficit <= 0 {
            self.deficit += self.quantum;
        }
        self.deficit
    }

    /// Credit without which nothing is sent, unless the message is smaller. The receiver's rule (it keeps less than three quarters of
    /// the window back) promises a quarter of the window for a message under way.
    const fn piece_min(&self) -> u32 {
        if self.window / 4 < PIECE_MIN { self.window / 4 } else { PIECE_MIN }
    }

    fn is_sendable(&self) -> bool {
        self.message_bytes_max.is_some()
            && self.queue.front().is_some_and(|(head, body)| {
                let whole = segment::header_len(head.kind, self.sent == 0, true) + body.len() - self.sent;
                self.credit >= self.piece_min() || self.credit as usize >= whole
            })
    }

    /// Appends segments until the queue or credit, the `quota` or the record is used up.
    fn pack(&mut self, lane: usize, out: &mut Vec<u8>, limit: usize, quota: i64, others_wait: bool, left: &mut Left) -> Stop {
        let begin = out.len();
        let message_bytes_max = self.message_bytes_max.unwrap_or(0);
        loop {
            let Some((head, body)) = self.queue.front() else { return Stop::Idle };
            if head.len > message_bytes_max {
                // The mailbox refuses such messages; one that comes through would end the link at the peer.
                left.unsendable.0 += 1;
                left.unsendable.1 += body.len();
                left.unsent.push(self.queue.pop());
                continue;
            }
            let used = (out.len() - begin) as i64;
            if used >= quota {
                return Stop::Turn;
            }
            let (rest, is_first, room) = (&body[self.sent..], self.sent == 0, limit - out.len());
            let piece = piece(room, self.credit, quota - used);
            let whole = segment::header_len(head.kind, is_first, true) + rest.len();
            let (channel, kind, request, total) = (self.channel, head.kind, head.request, head.len);
            let mut part = Head { channel, kind, request, total, is_first, is_last: true };
            let fits = whole <= piece;
            if fits && !is_awkward(room - whole, rest.len(), others_wait || self.queue.len() > 1) {
                segment::write(out, part, rest);
                self.credit -= whole as u32;
                self.sent = 0;
                left.sealed.extend(self.queue.pop().note.and_then(|note| note.ticket));
                if matches!(kind, Kind::Response | Kind::Error) {
                    left.answered.push((lane, request));
                }
                continue;
            }
            if !fits && piece < room && self.credit < self.piece_min() {
                return Stop::Idle;
            }
            part.is_last = false;
            let header = segment::header_len(kind, is_first, false);
            let bytes = if fits { 1 } else { piece.saturating_sub(header).min(rest.len().saturating_sub(1)) };
            if bytes == 0 {
                return Stop::Full;
            }
            segment::write(out, part, &rest[..bytes]);
            self.credit -= (header + bytes) as u32;
            self.sent += bytes;
            if limit - out.len() < HEADER + 1 {
                return Stop::Full;
            }
        }
    }
}

/// The most that the next segment may take: what is left of the record, of the credit and of the lane's turn. A turn that would end just
/// before the record does is stretched to its end.
#[inline]
fn piece(room: usize, credit: u32, turn: i64) -> usize {
    let turn = usize::try_from(turn).unwrap_or(usize::MAX).max(PIECE_MIN as usize);
    let turn = if turn.saturating_add(CUT_MIN) > room { room } else { turn };
    room.min(credit as usize).min(turn)
}

/// True if a whole message would leave so few bytes of the record that no other segment fits. Then its first byte goes ahead, so that the
/// rest, one header longer, can be cut where the record ends. Full records have their exact length for the cipher's sake (performance
/// reference, finding 2), which is worth a header only if more follows.
#[inline]
const fn is_awkward(left: usize, len: usize, more_follows: bool) -> bool {
    left > 0 && left < CUT_MIN && more_follows && len >= SPLIT_MIN
}

/// The numbers of the bits that are set.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(bit)
    })
}
