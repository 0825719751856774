//! A session that has keys: records in and out, greetings and verdicts, goodbyes. It opens records in place in the reactor's read buffer
//! and seals them in place in its write buffer. `bowline.rs` drives it once the handshake is done.
//!
//! ```text
//! initiator   hello out ── ack in ──> Judged ── admit ──> Open          responder   hello in ──> Judged ── admit: ack out ──> Open
//!                       └─ nack in: Nacked     └ refuse: nack out                             └ refuse: nack out
//! ```

use super::agreed::Agreed;
use super::arrivals::Arrivals;
use super::dialect::{Context, LaneState, Signal};
use super::intake::Intake;
use super::lanes::Lanes;
use super::liveness::Liveness;
use super::local::Local;
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::limits::{CONTROL_QUEUE_MAX, FRAME_LEAST, RECORD_LENGTH_FIELD, RECORD_OVERHEAD, RECORD_TAG};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::crypto::record::{Opener, Sealer};
use crate::wire::hello::Hello;
use crate::wire::nack::Nack;
use crate::wire::record::{CLOSE_BYTES, PING_BYTES, RecordType};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

/// Smallest value of a record's length field: a tag and the type byte.
const LENGTH_MIN: usize = RECORD_TAG + 1;

/// See the file's head.
pub struct Keyed {
    local: Arc<Local>,
    direction: Direction,
    peer: PeerId,
    observed: Option<SocketAddr>,
    sealer: Sealer,
    opener: Opener,
    /// Plaintext bytes of a full record that we send.
    frame_full: usize,
    stage: Stage,
    /// Our hello or ack, until it is sealed.
    greeting: Option<RecordType>,
    /// The last record that we send, until it is sealed.
    farewell: Option<(RecordType, Vec<u8>)>,
    /// Nothing is written any more.
    is_mute: bool,
    /// The peer may still refuse us: it dialed and has not said anything since its hello.
    may_refuse: bool,
}

enum Stage {
    /// The peer's hello or ack is not there.
    Greeting,
    /// It is; our owner decides.
    Judged(Arc<Hello>),
    Open(Box<Traffic>),
}

/// What only an open link has.
struct Traffic {
    lanes: Lanes,
    arrivals: Arrivals,
    liveness: Liveness,
}

impl Keyed {
    pub fn new(local: Arc<Local>, direction: Direction, agreed: Agreed) -> Keyed {
        Keyed {
            local,
            direction,
            peer: agreed.peer,
            observed: agreed.observed,
            sealer: agreed.sealer,
            opener: agreed.opener,
            frame_full: full_frame(agreed.frame_max),
            stage: Stage::Greeting,
            greeting: (direction == Direction::Outbound).then_some(RecordType::Hello),
            farewell: None,
            is_mute: false,
            may_refuse: direction == Direction::Inbound,
        }
    }

    pub const fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Judged(_))
    }

    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Takes as many whole records as there are, until a verdict is needed; returns the bytes used.
    pub fn handle_bytes(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut [u8],
        intake: &mut Intake,
        signals: &mut VecDeque<Signal>,
    ) -> Result<usize, CloseReason> {
        let result = self.take_records(cx, input, intake, signals);
        if let Stage::Open(traffic) = &mut self.stage {
            traffic.arrivals.end_step(intake);
            if let Ok(used) = result {
                if used > 0 {
                    traffic.liveness.note_records();
                }
                traffic.liveness.note_rest(cx.now, input.len() - used);
                traffic.arrivals.note_rest(cx.now, input.len() - used, used > 0);
            }
        }
        result.inspect_err(|reason| self.close(*reason))
    }

    /// The answer to `Introduced`.
    pub fn handle_verdict(&mut self, now: Time, verdict: Verdict, signals: &mut VecDeque<Signal>) -> Result<(), CloseReason> {
        let Stage::Judged(hello) = &self.stage else { return Err(CloseReason::Internal) };
        match verdict {
            Verdict::Admit => {
                let traffic = Traffic {
                    lanes: Lanes::new(&self.local, hello),
                    arrivals: Arrivals::new(Arc::clone(&self.local), now),
                    liveness: Liveness::new(now, self.local.profile.timeouts, self.local.profile.allowances),
                };
                self.stage = Stage::Open(Box::new(traffic));
                if self.direction == Direction::Inbound {
                    self.greeting = Some(RecordType::Ack);
                }
                signals.push_back(Signal::Opened);
                Ok(())
            }
            Verdict::Refuse { motive, .. } if motive.is_silent() => Err(self.mute(motive)),
            Verdict::Refuse { motive, alternatives } => {
                self.farewell = Some(self.nack(motive, alternatives));
                Err(motive)
            }
            Verdict::Proceed => {
                self.close(CloseReason::Internal);
                Err(CloseReason::Internal)
            }
        }
    }

    pub fn handle_deadline(&mut self, now: Time) -> Result<(), CloseReason> {
        let Stage::Open(traffic) = &mut self.stage else { return Ok(()) };
        let Traffic { liveness, arrivals, .. } = &mut **traffic;
        let result = liveness.handle_deadline(now).and_then(|()| arrivals.handle_deadline(now));
        result.inspect_err(|reason| self.close(*reason))
    }

    pub fn say(&mut self, channel: ChannelId, kind: Kind, request: u32, body: Bytes) -> Result<(), CloseReason> {
        let lane = self.local.lane(channel).filter(|_| channel.is_own());
        let Stage::Open(traffic) = &mut self.stage else { return Err(CloseReason::UnknownChannel) };
        let lane = lane.filter(|lane| traffic.lanes.is_open(*lane)).ok_or(CloseReason::UnknownChannel)?;
        if traffic.lanes.own_waiting() >= CONTROL_QUEUE_MAX {
            return Err(CloseReason::ControlNotRead);
        }
        traffic.lanes.own_queue(lane).push_bytes(kind, request, body);
        traffic.lanes.note_ready(lane);
        Ok(())
    }

    /// Makes a goodbye the last record: a close on an open link, a nack before. Or nothing, if the peer is to hear nothing.
    pub fn close(&mut self, reason: CloseReason) {
        if reason.is_silent() {
            self.mute(reason);
            return;
        }
        if self.farewell.is_none() {
            self.farewell = Some(match self.stage {
                Stage::Open(_) => (RecordType::Close, reason.code().to_be_bytes().to_vec()),
                Stage::Greeting | Stage::Judged(_) => self.nack(reason, Vec::new()),
            });
        }
    }

    pub fn grant(&mut self, channel: ChannelId, bytes: u32) {
        if let Stage::Open(traffic) = &mut self.stage {
            traffic.arrivals.grant(channel, bytes);
        }
    }

    /// What we send, once the link is open.
    pub fn lanes(&self) -> Option<&Lanes> {
        match &self.stage {
            Stage::Open(traffic) => Some(&traffic.lanes),
            Stage::Greeting | Stage::Judged(_) => None,
        }
    }

    pub fn lanes_mut(&mut self) -> Option<&mut Lanes> {
        match &mut self.stage {
            Stage::Open(traffic) => Some(&mut traffic.lanes),
            Stage::Greeting | Stage::Judged(_) => None,
        }
    }

    pub fn liveness(&self) -> Option<&Liveness> {
        match &self.stage {
            Stage::Open(traffic) => Some(&traffic.liveness),
            Stage::Greeting | Stage::Judged(_) => None,
        }
    }

    /// Bytes were withheld from us by our own doing, and come again.
    pub fn resume(&mut self, now: Time) {
        if let Stage::Open(traffic) = &mut self.stage {
            traffic.liveness.resume(now);
            traffic.arrivals.resume(now);
        }
    }

    /// When to call `handle_deadline`.
    pub fn deadline(&self) -> Option<Time> {
        match &self.stage {
            Stage::Open(traffic) => Some(traffic.liveness.deadline().min(traffic.arrivals.deadline())),
            Stage::Greeting | Stage::Judged(_) => None,
        }
    }

    /// How a lane stands.
    pub fn lane(&self, lane: usize) -> LaneState {
        match &self.stage {
            Stage::Open(traffic) => traffic.arrivals.describe(lane, traffic.lanes.describe(lane)),
            Stage::Greeting | Stage::Judged(_) => LaneState::default(),
        }
    }

    pub fn wants_write(&self) -> bool {
        let has_news = self.greeting.is_some() || self.farewell.is_some();
        !self.is_mute && (has_news || matches!(&self.stage, Stage::Open(traffic) if traffic.wants_write()))
    }

    /// Appends sealed records to `out`, until it has grown by `budget`. Where that is less than a full record, it is one smaller record.
    pub fn poll_write(&mut self, now: Time, out: &mut Vec<u8>, budget: usize) {
        if self.is_mute {
            return;
        }
        let begin = out.len();
        if let Some(kind) = self.greeting.take() {
            let local = Arc::clone(&self.local);
            self.seal(out, kind, &local.hello_bytes);
        }
        if let Some((kind, body)) = self.farewell.take() {
            self.seal(out, kind, &body);
            self.is_mute = true;
            return;
        }
        let Stage::Open(traffic) = &mut self.stage else { return };
        traffic.arrivals.pace(now);
        let (pong, ping) = (traffic.liveness.take_pong(), traffic.liveness.take_ping(now));
        if let Some(token) = pong {
            self.seal(out, RecordType::Pong, &token);
        }
        if let Some(token) = ping {
            self.seal(out, RecordType::Ping, &token);
        }
        let frame = self.frame_within(budget);
        while out.len() - begin < budget && self.seal_data(now, out, frame) && frame == self.frame_full {}
    }

    /// Plaintext bytes of a record that leaves no more than `budget` sealed bytes, within reason.
    fn frame_within(&self, budget: usize) -> usize {
        if budget >= self.frame_full {
            self.frame_full
        } else {
            full_frame(budget.saturating_sub(RECORD_OVERHEAD).max(FRAME_LEAST))
        }
    }

    fn take_records(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut [u8],
        intake: &mut Intake,
        signals: &mut VecDeque<Signal>,
    ) -> Result<usize, CloseReason> {
        let length_max = RECORD_TAG + self.local.profile.frame_max;
        let mut used = 0;
        intake.expected = input.len();
        while !self.is_waiting() {
            let rest = &mut input[used..];
            let Some((field, behind)) = rest.split_first_chunk_mut::<RECORD_LENGTH_FIELD>() else { break };
            let length = usize::from(u16::from_be_bytes(*field));
            if !(LENGTH_MIN..=length_max).contains(&length) {
                return Err(self.mute(CloseReason::Forged));
            }
            let Some(record) = behind.get_mut(..length) else { break };
            // A forged record ends the link without a word: whoever forged it learns nothing. And nothing, not even its length, is the
            // peer's doing: who stands between could have an honest identity listed.
            self.opener.open_in_place(record).map_err(|_| self.mute(CloseReason::Forged))?;
            self.take_plain(cx.now, &record[RECORD_TAG..], intake, signals)?;
            used += RECORD_LENGTH_FIELD + length;
        }
        Ok(used)
    }

    /// One opened record: its type byte and body.
    fn take_plain(
        &mut self,
        now: Time,
        plain: &[u8],
        intake: &mut Intake,
        signals: &mut VecDeque<Signal>,
    ) -> Result<(), CloseReason> {
        let (kind, body) = plain.split_first().ok_or(CloseReason::BadRecord)?;
        let kind = RecordType::from_byte(*kind).ok_or(CloseReason::BadRecord)?;
        let Stage::Open(traffic) = &mut self.stage else { return self.take_greeting(kind, body, signals) };
        let may_refuse = std::mem::replace(&mut self.may_refuse, false);
        match kind {
            RecordType::Data => {
                let before = intake.control.len();
                traffic.arrivals.take(now, body, &mut traffic.lanes, intake)?;
                traffic.liveness.handle_controls(now, intake.control.len() - before)
            }
            RecordType::Ping => traffic.liveness.handle_ping(now, token(body)?),
            RecordType::Pong => traffic.liveness.handle_pong(now, token(body)?),
            RecordType::Close => {
                let code = <[u8; CLOSE_BYTES]>::try_from(body).map_err(|_| CloseReason::BadRecord)?;
                let motive = CloseReason::from_code(u16::from_be_bytes(code));
                signals.push_back(Signal::Told { motive, alternatives: Vec::new() });
                Err(self.mute(CloseReason::Goodbye))
            }
            RecordType::Nack if may_refuse => Err(self.take_nack(body, signals)),
            RecordType::Hello | RecordType::Ack | RecordType::Nack => Err(CloseReason::BadRecord),
        }
    }

    /// The peer's first record.
    fn take_greeting(&mut self, kind: RecordType, body: &[u8], signals: &mut VecDeque<Signal>) -> Result<(), CloseReason> {
        match (kind, self.direction) {
            (RecordType::Hello, Direction::Inbound) | (RecordType::Ack, Direction::Outbound) => {}
            (RecordType::Nack, Direction::Outbound) => return Err(self.take_nack(body, signals)),
            _ => return Err(CloseReason::BadRecord),
        }
        let hello = Hello::decode(body).map_err(|_| CloseReason::BadHello)?;
        if hello.network != self.local.profile.hello.network {
            return Err(CloseReason::WrongNetwork);
        }
        let hello = Arc::new(hello);
        self.stage = Stage::Judged(Arc::clone(&hello));
        signals.push_back(Signal::Introduced { peer: self.peer, hello, observed: self.observed });
        Ok(())
    }

    /// A refusal that fits the peer's records.
    fn nack(&self, motive: CloseReason, alternatives: Vec<Address>) -> (RecordType, Vec<u8>) {
        (RecordType::Nack, Nack { motive: Some(motive), alternatives }.encode(self.frame_full - 1))
    }

    /// The peer refuses us.
    fn take_nack(&mut self, body: &[u8], signals: &mut VecDeque<Signal>) -> CloseReason {
        let Ok(Nack { motive, alternatives }) = Nack::decode(body) else { return CloseReason::BadRecord };
        signals.push_back(Signal::Told { motive, alternatives });
        self.mute(CloseReason::Nacked)
    }

    /// Ends the link without a goodbye.
    fn mute(&mut self, reason: CloseReason) -> CloseReason {
        self.is_mute = true;
        reason
    }

    /// Seals one data record of at most `frame` bytes if there is anything for it.
    fn seal_data(&mut self, now: Time, out: &mut Vec<u8>, frame: usize) -> bool {
        let Stage::Open(traffic) = &mut self.stage else { return false };
        if !traffic.has_segments() {
            return false;
        }
        let begin = out.len();
        let limit = begin + RECORD_OVERHEAD + frame;
        out.reserve(RECORD_OVERHEAD + frame);
        out.extend_from_slice(&HEAD_OF_DATA);
        traffic.arrivals.write_credits(now, out, limit);
        traffic.lanes.pack(out, limit);
        for (lane, request) in traffic.lanes.take_answered() {
            traffic.arrivals.note_answered(lane, request);
        }
        if out.len() == begin + HEAD_OF_DATA.len() {
            out.truncate(begin);
            return false;
        }
        self.finish(out, begin);
        true
    }

    fn seal(&mut self, out: &mut Vec<u8>, kind: RecordType, body: &[u8]) {
        let begin = out.len();
        out.extend_from_slice(&HEAD_OF_DATA[..RECORD_OVERHEAD]);
        out.push(kind as u8);
        out.extend_from_slice(body);
        self.finish(out, begin);
    }

    /// Seals what stands behind `begin`. It can fail only after 2^63 records; then nothing more is said and the peer's pings go unanswered.
    fn finish(&mut self, out: &mut Vec<u8>, begin: usize) {
        if self.sealer.seal_in_place(&mut out[begin..]).is_err() {
            out.truncate(begin);
            self.is_mute = true;
        }
    }
}

impl Traffic {
    const fn has_segments(&self) -> bool {
        self.lanes.is_ready() || self.arrivals.is_due()
    }

    const fn wants_write(&self) -> bool {
        self.has_segments() || self.liveness.wants_write()
    }
}

/// Room for length and tag, and the type byte of a data record.
const HEAD_OF_DATA: [u8; RECORD_OVERHEAD + 1] = [0; RECORD_OVERHEAD + 1];
const _: () = assert!(RecordType::Data as u8 == 0);

/// The plaintext length of full records for a peer that takes `frame_max`: the largest that is 32 modulo 512, because the cipher then has no
/// slow tail (performance reference, finding 2).
const fn full_frame(frame_max: usize) -> usize {
    (frame_max - 32) / 512 * 512 + 32
}

fn token(body: &[u8]) -> Result<[u8; PING_BYTES], CloseReason> {
    body.try_into().map_err(|_| CloseReason::BadRecord)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{FRAME_FULL, FRAME_MAX, FRAME_MIN};

    #[test]
    fn full_records_are_32_modulo_512_and_fit() {
        assert_eq!((full_frame(FRAME_MAX), full_frame(FRAME_FULL)), (FRAME_FULL, FRAME_FULL));
        assert_eq!((full_frame(FRAME_MIN), full_frame(FRAME_FULL - 1)), (FRAME_MIN, FRAME_FULL - 512));
    }
}
