//! bowline/1 as a dialect: the handshake, then the records. It holds the absolute deadline, keeps the first error for ever, and sends each
//! step to the state that it belongs to. The reactor makes one per connection and drives it through `Dialect`.

use super::agreed::Agreed;
use super::dialect::{Context, Dialect, LaneState, Signal};
use super::handshake_initiator::{self, Initiator};
use super::handshake_responder::{self, Responder};
use super::intake::Intake;
use super::keyed::Keyed;
use super::lanes::Lanes;
use super::liveness::Liveness;
use super::local::Local;
use crate::base::channel::{ChannelId, Kind};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::flow::batch::{Note, Pending, Removed, Ticket};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One connection that speaks bowline/1.
pub struct Bowline {
    local: Arc<Local>,
    started: Time,
    phase: Phase,
    /// A key was shown and the owner has not said whether to go on.
    is_recognised: bool,
    /// Handshake messages that are not taken yet.
    out: Vec<u8>,
    signals: VecDeque<Signal>,
    failed: Option<CloseReason>,
    peer: Option<PeerId>,
    session_id: Option<[u8; 32]>,
    version: Option<u8>,
}

enum Phase {
    Asking(Box<Initiator>),
    Listening(Box<Responder>),
    Keyed(Box<Keyed>),
}

impl Bowline {
    /// Begins a session on a connection that we opened to `remote`. With `expect`, any other peer there ends it.
    pub fn dial(local: Arc<Local>, remote: SocketAddr, expect: Option<PeerId>, cx: &mut Context<'_>) -> Bowline {
        let mut out = Vec::new();
        let initiator = Initiator::new(Arc::clone(&local), remote, expect, cx, &mut out);
        Bowline::new(local, cx.now, Phase::Asking(Box::new(initiator)), out)
    }

    /// Begins a session on a connection that was accepted from `remote` at `started`.
    pub fn accept(local: Arc<Local>, remote: SocketAddr, started: Time) -> Bowline {
        let responder = Responder::new(Arc::clone(&local), remote);
        Bowline::new(local, started, Phase::Listening(Box::new(responder)), Vec::new())
    }

    fn new(local: Arc<Local>, started: Time, phase: Phase, out: Vec<u8>) -> Bowline {
        Bowline {
            local,
            started,
            phase,
            is_recognised: false,
            out,
            signals: VecDeque::new(),
            failed: None,
            peer: None,
            session_id: None,
            version: None,
        }
    }

    /// Names the session for both sides, once the handshake is done: for applications that bind to the channel.
    pub const fn session_id(&self) -> Option<&[u8; 32]> {
        self.session_id.as_ref()
    }

    /// The protocol version that was agreed on.
    pub const fn version(&self) -> Option<u8> {
        self.version
    }

    /// Reads handshake messages from the front of `input`; returns the bytes used.
    fn shake_hands(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Result<usize, CloseReason> {
        match &mut self.phase {
            Phase::Asking(initiator) => {
                let (used, progress) = initiator.handle_bytes(cx, input)?;
                match progress {
                    handshake_initiator::Progress::None => {}
                    handshake_initiator::Progress::Shown(peer) => {
                        self.peer = Some(peer);
                        self.is_recognised = true;
                        self.signals.push_back(Signal::Recognised { peer, is_claim: false });
                    }
                    handshake_initiator::Progress::Rejected(motive) => {
                        self.signals.push_back(Signal::Told { motive, alternatives: Vec::new() });
                        return Err(CloseReason::Rejected);
                    }
                }
                Ok(used)
            }
            Phase::Listening(responder) => {
                let (used, progress) = responder.handle_bytes(cx, input, &mut self.out)?;
                match progress {
                    handshake_responder::Progress::None => {}
                    handshake_responder::Progress::Claimed(peer) => {
                        self.is_recognised = true;
                        self.signals.push_back(Signal::Recognised { peer, is_claim: true });
                    }
                    handshake_responder::Progress::Agreed(agreed) => self.enter(Direction::Inbound, *agreed),
                }
                Ok(used)
            }
            Phase::Keyed(_) => Ok(0),
        }
    }

    fn enter(&mut self, direction: Direction, agreed: Agreed) {
        self.peer = Some(agreed.peer);
        self.session_id = Some(agreed.session_id);
        self.version = Some(agreed.version);
        self.phase = Phase::Keyed(Box::new(Keyed::new(Arc::clone(&self.local), direction, agreed)));
    }

    fn take_bytes(&mut self, cx: &mut Context<'_>, input: &mut [u8], intake: &mut Intake) -> Result<usize, CloseReason> {
        let mut used = 0;
        while !self.is_waiting() {
            if let Phase::Keyed(keyed) = &mut self.phase {
                return Ok(used + keyed.handle_bytes(cx, &mut input[used..], intake, &mut self.signals)?);
            }
            let more = self.shake_hands(cx, &input[used..])?;
            if more == 0 {
                break;
            }
            used += more;
        }
        Ok(used)
    }

    /// The answer to `Recognised`.
    fn judge_key(&mut self, cx: &mut Context<'_>, verdict: Verdict) -> Result<(), CloseReason> {
        self.is_recognised = false;
        match (&mut self.phase, verdict) {
            (Phase::Asking(initiator), Verdict::Proceed) => {
                let agreed = initiator.proceed(&mut self.out)?;
                self.enter(Direction::Outbound, agreed);
                Ok(())
            }
            (Phase::Listening(responder), Verdict::Proceed) => responder.proceed(cx, &mut self.out),
            (Phase::Listening(responder), Verdict::Refuse { motive, .. }) => {
                responder.refuse(motive, &mut self.out);
                Err(motive)
            }
            (_, Verdict::Refuse { motive, .. }) => Err(motive),
            (_, Verdict::Proceed | Verdict::Admit) => Err(CloseReason::Internal),
        }
    }

    fn take_verdict(&mut self, cx: &mut Context<'_>, verdict: Verdict) -> Result<(), CloseReason> {
        if self.is_recognised {
            return self.judge_key(cx, verdict);
        }
        match &mut self.phase {
            Phase::Keyed(keyed) => keyed.handle_verdict(cx.now, verdict, &mut self.signals),
            Phase::Asking(_) | Phase::Listening(_) => Err(CloseReason::Internal),
        }
    }

    fn take_deadline(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.opening_deadline().is_some_and(|deadline| cx.now >= deadline) {
            return Err(CloseReason::HandshakeTimeout);
        }
        match &mut self.phase {
            Phase::Asking(initiator) => {
                initiator.solve(&mut self.out);
                Ok(())
            }
            Phase::Listening(_) => Ok(()),
            Phase::Keyed(keyed) => keyed.handle_deadline(cx.now),
        }
    }

    /// When the link must be open, or its first message be there.
    fn opening_deadline(&self) -> Option<Time> {
        let timeouts = &self.local.profile.timeouts;
        match &self.phase {
            _ if self.is_open() => None,
            Phase::Listening(responder) if responder.is_listening() => {
                Some(self.started + timeouts.first_message.min(timeouts.handshake))
            }
            _ => Some(self.started + timeouts.handshake),
        }
    }

    /// Runs a step unless the session has ended, and keeps the first error.
    fn step<T>(&mut self, step: impl FnOnce(&mut Bowline) -> Result<T, CloseReason>) -> Result<T, CloseReason> {
        let result = self.failed.map_or_else(|| step(self), Err);
        self.failed = self.failed.or(result.as_ref().err().copied());
        result
    }

    fn keyed(&self) -> Option<&Keyed> {
        match &self.phase {
            Phase::Keyed(keyed) => Some(keyed),
            Phase::Asking(_) | Phase::Listening(_) => None,
        }
    }

    fn keyed_mut(&mut self) -> Option<&mut Keyed> {
        match &mut self.phase {
            Phase::Keyed(keyed) => Some(keyed),
            Phase::Asking(_) | Phase::Listening(_) => None,
        }
    }
}

impl Dialect for Bowline {
    fn handle_bytes(&mut self, cx: &mut Context<'_>, input: &mut [u8], intake: &mut Intake) -> Result<usize, CloseReason> {
        self.step(|session| session.take_bytes(cx, input, intake))
    }

    fn handle_verdict(&mut self, cx: &mut Context<'_>, verdict: Verdict) -> Result<(), CloseReason> {
        self.step(|session| session.take_verdict(cx, verdict))
    }

    fn handle_deadline(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        self.step(|session| session.take_deadline(cx))
    }

    fn say(&mut self, channel: ChannelId, kind: Kind, request: u32, body: Bytes) -> Result<(), CloseReason> {
        match self.keyed_mut() {
            Some(keyed) => keyed.say(channel, kind, request, body),
            None => Err(CloseReason::UnknownChannel),
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if let Phase::Keyed(keyed) = &mut self.phase {
            keyed.close(reason);
            self.failed = self.failed.or(Some(reason));
        }
    }

    fn grant(&mut self, channel: ChannelId, bytes: u32) {
        if let Some(keyed) = self.keyed_mut() {
            keyed.grant(channel, bytes);
        }
    }

    fn is_drained(&self, lane: usize) -> bool {
        self.keyed().and_then(Keyed::lanes).is_some_and(|lanes| lanes.is_drained(lane))
    }

    fn refill(&mut self, lane: usize, pending: &mut Pending) {
        if let Some(lanes) = self.keyed_mut().and_then(Keyed::lanes_mut) {
            lanes.refill(lane, pending);
        }
    }

    fn unsent(&self) -> (usize, usize) {
        self.keyed().and_then(Keyed::lanes).map_or((0, 0), Lanes::unsent)
    }

    fn lane(&self, lane: usize) -> LaneState {
        self.keyed().map_or_else(LaneState::default, |keyed| keyed.lane(lane))
    }

    fn take_sealed(&mut self, into: &mut Vec<Ticket>) {
        if let Some(lanes) = self.keyed_mut().and_then(Keyed::lanes_mut) {
            lanes.take_sealed(into);
        }
    }

    fn take_out(&mut self, is_over: bool, pick: &mut dyn FnMut(&Note) -> bool) -> Vec<Removed> {
        self.keyed_mut().and_then(Keyed::lanes_mut).map_or_else(Vec::new, |lanes| lanes.take_out(is_over, pick))
    }

    fn soonest(&self) -> Time {
        self.keyed().and_then(Keyed::lanes).map_or(Time::MAX, Lanes::soonest)
    }

    fn resume(&mut self, now: Time) {
        if let Some(keyed) = self.keyed_mut() {
            keyed.resume(now);
        }
    }

    fn poll_write(&mut self, now: Time, out: &mut Vec<u8>, budget: usize) {
        let handshake = self.out.len();
        out.append(&mut self.out);
        if let Some(keyed) = self.keyed_mut().filter(|_| handshake < budget) {
            keyed.poll_write(now, out, budget - handshake);
        }
    }

    fn wants_write(&self) -> bool {
        !self.out.is_empty() || self.keyed().is_some_and(Keyed::wants_write)
    }

    fn poll_signal(&mut self) -> Option<Signal> {
        self.signals.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        match (&self.phase, self.failed) {
            (_, Some(_)) => None,
            // A puzzle wants its next slice at once.
            (Phase::Asking(initiator), _) if initiator.is_solving() => Some(Time::ZERO),
            _ => self.opening_deadline().or_else(|| self.keyed().and_then(Keyed::deadline)),
        }
    }

    fn is_waiting(&self) -> bool {
        self.is_recognised || self.keyed().is_some_and(Keyed::is_waiting)
    }

    fn is_open(&self) -> bool {
        self.keyed().is_some_and(Keyed::is_open)
    }

    fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    fn rtt(&self) -> Option<Duration> {
        self.keyed().and_then(Keyed::liveness).and_then(Liveness::rtt)
    }
}
