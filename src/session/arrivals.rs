//! What arrives: segments are checked, charged to their channel's credit and joined to messages. Every rule of the peer's that can be
//! broken is checked here, and breaking one ends the link. `keyed.rs` calls it for every data record that was opened.
//!
//! Credit: a segment costs its whole length, or what we announced as the least if that is more, which bounds the number of messages. The
//! cost of a small message is granted back when the application took it. Of a message under way at most half of the window is kept back
//! until then, the rest is granted on arrival: so a message may be larger than the window, and a sender always gets a quarter of the window
//! to go on with. On a channel with a rate, grants wait for its tokens (`pace.rs`).
//!
//! A message that is under way has a limited time (`patience.rs`). It runs only while the peer has credit to go on.

use super::dialect::LaneState;
use super::intake::{ControlMessage, Intake, Reply, Word};
use super::lanes::Lanes;
use super::local::{Allowances, Local};
use super::pace::Pace;
use super::patience::{Patience, Rest};
use crate::base::channel::{Channel, ChannelId, Kind};
use crate::base::limits::{BY_REFERENCE_MIN, KEPT_PIECES_MAX};
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::flow::batch::{Batch, Entry};
use crate::flow::pot::Account;
use crate::flow::shares::bits;
use crate::wire::refusal::Refusal;
use crate::wire::segment::{self, CREDIT_SEGMENT, Segment};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One channel's incoming side.
#[derive(Debug)]
struct Inlet {
    channel: ChannelId,
    message_bytes_max: u32,
    /// First credit that we announced: the most that may be under way.
    window: u32,
    /// What a segment costs at least.
    cost_min: u32,
    /// With less credit than this the peer may wait instead of going on with a message.
    piece_min: u32,
    /// The channel's rates, if it has any.
    pace: Option<Box<Pace>>,
    /// Segment bytes that the peer may still send.
    credit: u32,
    /// Segment bytes that can be granted and have not been.
    owed: u32,
    /// Index of the step's open batch in the intake.
    batch: Option<usize>,
    is_own: bool,
    /// Requests of the peer that may be without an answer, and those that are.
    requests_max: u32,
    unanswered: BTreeSet<u32>,
    /// A message under way.
    partial: Option<Partial>,
    /// The buffer of an earlier one.
    kept: Vec<u8>,
}

/// A message of which the last segment is not there.
#[derive(Debug)]
struct Partial {
    kind: Kind,
    request: u32,
    total: u32,
    bytes: Vec<u8>,
    /// Segment bytes that are not granted back before the application took the message.
    held: u32,
    /// Bytes charged to the link's account: all from the second segment on.
    charged: u64,
    patience: Patience,
}

// `settings/memory.rs` counts with it: this is the larger part of what a link keeps of a channel.
const _: () = assert!(size_of::<Inlet>() + size_of::<Pace>() <= sizes::LANE / 2);

/// See the file's head.
#[derive(Debug)]
pub struct Arrivals {
    local: Arc<Local>,
    inlets: Vec<Inlet>,
    /// Of the node's memory for half-arrived messages.
    account: Account,
    /// Bits of the lanes with a batch in this step.
    touched: u64,
    /// Bits of the lanes whose credit is to be granted.
    due: u64,
    /// Bits of the lanes whose credit waits for tokens.
    paced: u64,
    /// Bits of the lanes with a message under way.
    partials: u64,
    /// Bytes of all segments so far.
    heard: u64,
    rest: Rest,
}

impl Arrivals {
    pub fn new(local: Arc<Local>, now: Time) -> Arrivals {
        let inlets = local.channels.iter().map(|channel| Inlet::new(channel, now)).collect();
        let account = local.profile.pot.account();
        Arrivals {
            local,
            inlets,
            account,
            touched: 0,
            due: 0,
            paced: 0,
            partials: 0,
            heard: 0,
            rest: Rest { bytes: 0, grew: now },
        }
    }

    /// Takes the segments of one data record. `lanes` gets the credit that the peer grants.
    ///
    /// # Errors
    /// The rule that the peer broke, or `OutOfMemory`.
    pub fn take(&mut self, now: Time, mut rest: &[u8], lanes: &mut Lanes, intake: &mut Intake) -> Result<(), CloseReason> {
        if rest.is_empty() {
            return Err(CloseReason::BadSegment);
        }
        self.heard += rest.len() as u64;
        while !rest.is_empty() {
            let (segment, after) = segment::take(rest).map_err(|_| CloseReason::BadSegment)?;
            let len = (rest.len() - after.len()) as u32;
            match segment {
                Segment::Whole { channel, kind, request, bytes } => {
                    let lane = self.lane(channel, lanes)?;
                    let inlet = &mut self.inlets[lane];
                    let cost = inlet.pay(now, len, true)?;
                    if inlet.partial.is_some() {
                        return Err(CloseReason::BadSegment);
                    }
                    if bytes.len() > inlet.message_bytes_max as usize {
                        return Err(CloseReason::MessageTooBig);
                    }
                    if inlet.is_own {
                        let control = ControlMessage { channel, kind, request, body: bytes.to_vec() };
                        push_control(intake, control, &self.local.profile.allowances)?;
                        inlet.owed += cost;
                    } else if inlet.is_for_queue(kind, request)? {
                        let batch = inlet.open_batch(intake);
                        self.touched |= 1 << lane;
                        append(batch, kind, request, bytes, cost);
                    } else {
                        inlet.reply(intake, kind, request, Bytes::copy_from_slice(bytes), cost)?;
                    }
                    self.note_due(now, lane);
                }
                Segment::First { channel, kind, request, total, bytes } => {
                    let lane = self.lane(channel, lanes)?;
                    let patience = Patience::new(now, self.heard, &self.local.profile.timeouts);
                    let partial = Partial { kind, request, total, bytes: Vec::new(), held: 0, charged: 0, patience };
                    self.begin(now, lane, len, partial, bytes)?;
                }
                Segment::Next { channel, kind, is_last, bytes } => {
                    let lane = self.lane(channel, lanes)?;
                    self.go_on(now, lane, len, kind, bytes)?;
                    self.end_if_whole(now, lane, is_last, intake)?;
                }
                Segment::Credit { channel, bytes } => {
                    let lane = self.lane(channel, lanes)?;
                    lanes.add_credit(lane, bytes).map_err(|_| CloseReason::BadSegment)?;
                }
            }
            rest = after;
        }
        Ok(())
    }

    /// The step is over: later messages go into batches of the next step.
    pub fn end_step(&mut self, intake: &mut Intake) {
        intake.trim();
        while self.touched != 0 {
            self.inlets[self.touched.trailing_zeros() as usize].batch = None;
            self.touched &= self.touched - 1;
        }
    }

    /// The answer to the peer's request is sealed: it may ask another.
    pub fn note_answered(&mut self, lane: usize, request: u32) {
        self.inlets[lane].unanswered.remove(&request);
    }

    /// The application took messages that cost so much. Where a rate holds the grant back, `pace` finds out until when.
    pub fn grant(&mut self, channel: ChannelId, bytes: u32) {
        let Some(lane) = self.local.lane(channel) else { return };
        let inlet = &mut self.inlets[lane];
        // Never more than what the peer has sent: a grant beyond that would be against our own rule.
        let under_way = inlet.window.saturating_sub(inlet.credit).saturating_sub(inlet.owed);
        inlet.owed += bytes.min(under_way);
        match &mut inlet.pace {
            Some(pace) => {
                pace.next = Time::ZERO;
                self.paced |= 1 << lane;
            }
            None => self.note_due(Time::ZERO, lane),
        }
    }

    /// Looks for tokens where credit waits for them.
    pub fn pace(&mut self, now: Time) {
        for lane in bits(self.paced) {
            self.note_due(now, lane);
        }
    }

    /// So many bytes of a record that is not whole are there, `is_new` if others were before.
    pub fn note_rest(&mut self, now: Time, bytes: usize, is_new: bool) {
        if is_new || bytes != self.rest.bytes {
            self.rest = Rest { bytes, grew: now };
        }
    }

    /// When the message under way on a lane is late; never while its sender may wait for credit.
    fn late_at(&self, lane: usize) -> Time {
        let Inlet { partial, credit, piece_min, .. } = &self.inlets[lane];
        let until = |partial: &Partial| partial.patience.until(self.rest, self.heard, &self.local.profile.timeouts);
        if credit < piece_min { Time::MAX } else { partial.as_ref().map_or(Time::MAX, until) }
    }

    /// Bytes were withheld from us by our own doing, and come again.
    pub fn resume(&mut self, now: Time) {
        for lane in bits(self.partials) {
            if let Some(partial) = &mut self.inlets[lane].partial {
                partial.patience.resume(now, self.heard, &self.local.profile.timeouts);
            }
        }
    }

    /// Time has passed.
    ///
    /// # Errors
    /// `MessageTimeout` when a message did not go on although it could.
    pub fn handle_deadline(&mut self, now: Time) -> Result<(), CloseReason> {
        self.pace(now);
        let is_late = bits(self.partials).any(|lane| self.late_at(lane) <= now);
        if is_late { Err(CloseReason::MessageTimeout) } else { Ok(()) }
    }

    /// When to call `handle_deadline`.
    pub fn deadline(&self) -> Time {
        if self.partials | self.paced == 0 {
            return Time::MAX;
        }
        let late = bits(self.partials).map(|lane| self.late_at(lane));
        let paced = bits(self.paced).filter_map(|lane| self.inlets[lane].pace.as_ref().map(|pace| pace.next));
        late.chain(paced).min().unwrap_or(Time::MAX)
    }

    /// Adds how the incoming side of a lane stands.
    pub fn describe(&self, lane: usize, state: LaneState) -> LaneState {
        let credit_in = self.inlets.get(lane).map_or(0, |inlet| inlet.credit);
        LaneState { credit_in, is_unfinished: self.partials & 1 << lane != 0, ..state }
    }

    /// True if credit is to be sent.
    pub const fn is_due(&self) -> bool {
        self.due != 0
    }

    /// Appends the credit segments that are due, while `out` stays within `limit` bytes.
    pub fn write_credits(&mut self, now: Time, out: &mut Vec<u8>, limit: usize) {
        while self.due != 0 && out.len() + CREDIT_SEGMENT <= limit {
            let lane = self.due.trailing_zeros() as usize;
            self.due &= self.due - 1;
            let inlet = &mut self.inlets[lane];
            let bytes = inlet.pace.as_ref().map_or(inlet.owed, |pace| pace.grantable(now, inlet.credit, inlet.owed));
            if bytes == 0 {
                continue;
            }
            segment::write_credit(out, inlet.channel, bytes);
            let was_short = inlet.credit < inlet.piece_min;
            inlet.credit += bytes;
            inlet.owed -= bytes;
            if let Some(partial) = inlet.partial.as_mut().filter(|_| was_short) {
                partial.patience.renew(now, &self.local.profile.timeouts);
            }
            if inlet.pace.is_some() {
                self.note_due(now, lane);
            }
        }
    }

    /// The lane of a channel that both sides have.
    #[inline]
    fn lane(&self, channel: ChannelId, lanes: &Lanes) -> Result<usize, CloseReason> {
        self.local.lane(channel).filter(|lane| lanes.is_open(*lane)).ok_or(CloseReason::UnknownChannel)
    }

    /// Marks a lane whose credit should be granted: a quarter of the window has gathered, or the peer has hardly any left.
    #[inline]
    fn note_due(&mut self, now: Time, lane: usize) {
        let inlet = &self.inlets[lane];
        let is_wanted = inlet.owed >= inlet.window / 4 || inlet.owed > 0 && inlet.credit < segment::PIECE_MIN;
        if inlet.pace.is_some() {
            self.note_paced(now, lane, is_wanted);
        } else if is_wanted {
            self.due |= 1 << lane;
        }
    }

    /// The rest of `note_due` for a channel with a rate.
    fn note_paced(&mut self, now: Time, lane: usize, is_wanted: bool) {
        let inlet = &mut self.inlets[lane];
        let (bit, credit, owed) = (1 << lane, inlet.credit, inlet.owed);
        let Some(pace) = &mut inlet.pace else { return };
        let wait = if is_wanted { pace.next_at(now, credit, owed) } else { None };
        pace.next = wait.unwrap_or(Time::MAX);
        self.due = if is_wanted && wait.is_none() { self.due | bit } else { self.due & !bit };
        self.paced = if wait.is_some() { self.paced | bit } else { self.paced & !bit };
    }

    fn begin(&mut self, now: Time, lane: usize, len: u32, mut partial: Partial, bytes: &[u8]) -> Result<(), CloseReason> {
        let inlet = &mut self.inlets[lane];
        let cost = inlet.pay(now, len, true)?;
        if inlet.partial.is_some() {
            return Err(CloseReason::BadSegment);
        }
        if partial.total > inlet.message_bytes_max {
            return Err(CloseReason::MessageTooBig);
        }
        partial.bytes = std::mem::take(&mut inlet.kept);
        partial.append(bytes);
        inlet.hold(&mut partial, cost);
        inlet.partial = Some(partial);
        self.partials |= 1 << lane;
        self.note_due(now, lane);
        Ok(())
    }

    fn go_on(&mut self, now: Time, lane: usize, len: u32, kind: Kind, bytes: &[u8]) -> Result<(), CloseReason> {
        let inlet = &mut self.inlets[lane];
        let cost = inlet.pay(now, len, false)?;
        let Some(mut partial) = inlet.partial.take() else { return Err(CloseReason::BadSegment) };
        if partial.kind != kind || partial.bytes.len() + bytes.len() > partial.total as usize {
            return Err(CloseReason::BadSegment);
        }
        if !self.account.charge(bytes.len() as u64) {
            return Err(CloseReason::OutOfMemory);
        }
        partial.charged += bytes.len() as u64;
        partial.append(bytes);
        partial.patience.grow(now, bytes.len(), self.heard, &self.local.profile.timeouts);
        inlet.hold(&mut partial, cost);
        inlet.partial = Some(partial);
        self.note_due(now, lane);
        Ok(())
    }

    /// Hands a message on if all of it is there; the last segment must be the one that completes it.
    fn end_if_whole(&mut self, now: Time, lane: usize, is_last: bool, intake: &mut Intake) -> Result<(), CloseReason> {
        let inlet = &mut self.inlets[lane];
        let is_whole = inlet.partial.as_ref().is_some_and(|partial| partial.bytes.len() == partial.total as usize);
        if is_whole != is_last {
            return Err(CloseReason::BadSegment);
        }
        let Some(partial) = inlet.partial.take_if(|_| is_whole) else { return Ok(()) };
        let Partial { kind, request, bytes, held, charged, .. } = partial;
        self.partials &= !(1 << lane);
        self.account.release(charged);
        if inlet.is_own {
            let control = ControlMessage { channel: inlet.channel, kind, request, body: bytes };
            push_control(intake, control, &self.local.profile.allowances)?;
            inlet.owed += held;
            self.note_due(now, lane);
        } else if !inlet.is_for_queue(kind, request)? {
            inlet.reply(intake, kind, request, Bytes::from(bytes), held)?;
            self.note_due(now, lane);
        } else if bytes.len() < BY_REFERENCE_MIN {
            append(inlet.open_batch(intake), kind, request, &bytes, held);
            self.touched |= 1 << lane;
            inlet.keep(bytes);
        } else {
            let entries = vec![Entry { end: bytes.len() as u32, kind, request }];
            let requests = u32::from(kind == Kind::Request);
            intake.batches.push(Batch { channel: Some(inlet.channel), bytes, entries, cost: held, requests });
            // What comes behind it must stay behind it.
            inlet.batch = None;
        }
        Ok(())
    }
}

impl Inlet {
    fn new(channel: &Channel, now: Time) -> Inlet {
        let (window, cost_min) = (channel.window(), channel.segment_cost_min());
        let piece_min = segment::piece_min(window, cost_min);
        Inlet {
            channel: channel.id,
            message_bytes_max: channel.message_bytes_max,
            window,
            cost_min,
            piece_min,
            pace: Pace::of(channel, piece_min, now),
            credit: window,
            owed: 0,
            batch: None,
            is_own: channel.id.is_own(),
            requests_max: channel.requests_max,
            unanswered: BTreeSet::new(),
            partial: None,
            kept: Vec::new(),
        }
    }

    /// True for what goes to the application's queue in its order; a request is counted until we have answered it.
    #[inline]
    fn is_for_queue(&mut self, kind: Kind, request: u32) -> Result<bool, CloseReason> {
        match kind {
            Kind::Message => Ok(true),
            Kind::Request if self.unanswered.len() >= self.requests_max as usize || !self.unanswered.insert(request) => {
                Err(CloseReason::TooManyRequests)
            }
            Kind::Request => Ok(true),
            Kind::Response | Kind::Error | Kind::Cancel => Ok(false),
        }
    }

    /// Takes in what is said to a request. Only an answer waits for somebody to take it.
    fn reply(&mut self, intake: &mut Intake, kind: Kind, request: u32, body: Bytes, cost: u32) -> Result<(), CloseReason> {
        let word = match kind {
            Kind::Response => Word::Answer(body),
            Kind::Error => Word::Refused(Refusal::decode(&body).ok_or(CloseReason::BadSegment)?),
            Kind::Cancel if body.is_empty() => Word::Cancel,
            Kind::Cancel | Kind::Message | Kind::Request => return Err(CloseReason::BadSegment),
        };
        let cost = if kind == Kind::Response { cost } else { self.grant_later(cost) };
        if kind == Kind::Cancel {
            self.unanswered.remove(&request);
        }
        intake.replies.push(Reply { channel: self.channel, request, word, cost });
        Ok(())
    }

    /// What needs no taking is granted back with the next credit; nothing is left to pay.
    const fn grant_later(&mut self, cost: u32) -> u32 {
        self.owed += cost;
        0
    }

    /// A segment of so many bytes has come, the first of a message or not; returns what it costs.
    #[inline]
    fn pay(&mut self, now: Time, len: u32, begins: bool) -> Result<u32, CloseReason> {
        let cost = len.max(self.cost_min);
        self.credit = self.credit.checked_sub(cost).ok_or(CloseReason::CreditExceeded)?;
        if let Some(pace) = &mut self.pace {
            pace.note(now, cost, begins);
        }
        Ok(cost)
    }

    /// Keeps `cost` back until the message is taken, as far as half of the window goes; the rest can be granted.
    fn hold(&mut self, partial: &mut Partial, cost: u32) {
        let held = cost.min((self.window / 2).saturating_sub(partial.held));
        partial.held += held;
        self.owed += cost - held;
    }

    /// The batch that this step's messages go to.
    #[inline]
    fn open_batch<'a>(&mut self, intake: &'a mut Intake) -> &'a mut Batch {
        let index = match self.batch {
            Some(index) => index,
            None => *self.batch.insert(intake.begin(self.channel)),
        };
        &mut intake.batches[index]
    }

    fn keep(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= KEPT_PIECES_MAX {
            bytes.clear();
            self.kept = bytes;
        }
    }
}

impl Partial {
    /// Appends, growing the buffer with what was received and never with what was announced: to at most twice the bytes that are there.
    fn append(&mut self, bytes: &[u8]) {
        let needs = self.bytes.len() + bytes.len();
        if self.bytes.capacity() < needs {
            let room = (2 * needs).min(self.total as usize);
            self.bytes.reserve_exact(room.max(needs) - self.bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// More than may come at once is a flood, whatever the time: so one record cannot make us hold thousands of them.
fn push_control(intake: &mut Intake, message: ControlMessage, allowances: &Allowances) -> Result<(), CloseReason> {
    if intake.control.len() >= allowances.controls_at_once as usize {
        return Err(CloseReason::ControlFlood);
    }
    intake.control.push(message);
    Ok(())
}

#[inline]
fn append(batch: &mut Batch, kind: Kind, request: u32, bytes: &[u8], cost: u32) {
    batch.bytes.extend_from_slice(bytes);
    batch.requests += u32::from(kind == Kind::Request);
    batch.entries.push(Entry { end: batch.bytes.len() as u32, kind, request });
    batch.cost += cost;
}
