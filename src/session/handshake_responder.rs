//! The accepting side of the handshake: M1 in, cheap checks first, perhaps a refusal or a puzzle, M2 out, M3 in. No curve arithmetic is
//! done for whoever fails a cheaper check, and nobody is blamed before M3 is opened. `bowline.rs` drives it.
//!
//! ```text
//! Listening ── M1 ──> (claim: Claimed ── proceed) ── M2 ──> Answered ── M3 ──> Agreed
//!     └── M1 without the puzzle that is wanted ── challenge ──> Listening        (once)
//! ```

use super::agreed::{Agreed, agree, close_reason, judge, own_versions};
use super::dialect::Context;
use super::gate::Solved;
use super::handshake_message::{
    First, Introduction, M1, M1_HEAD, M1_PAYLOAD, M2, M2_HEAD, M3, MAGIC, PAYLOAD, Refusal, RejectCode, TYPE_M2, ephemeral,
    prologue,
};
use super::local::Local;
use crate::base::peer::PeerId;
use crate::base::point::Prefix;
use crate::base::reason::CloseReason;
use crate::crypto::noise::{Handshake, Role};
use crate::crypto::stamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What M2 costs: a key, two Diffie-Hellmans and two seals (security reference 2.4, step 6, measured).
const M2_COST: Duration = Duration::from_micros(85);
/// What opening M3 costs (step 7).
const M3_COST: Duration = Duration::from_micros(28);

/// Progress of one step.
pub enum Progress {
    None,
    /// The dialer claims this key; go on with `proceed`.
    Claimed(PeerId),
    Agreed(Box<Agreed>),
}

/// See the file's head.
pub struct Responder {
    local: Arc<Local>,
    remote: SocketAddr,
    state: State,
}

enum State {
    Listening {
        has_challenged: bool,
    },
    Claimed {
        message: Box<[u8; M1]>,
        first: First,
    },
    Answered {
        handshake: Box<Handshake>,
        chosen: u8,
    },
    /// Between two states, and after an error.
    Gone,
}

impl Responder {
    pub const fn new(local: Arc<Local>, remote: SocketAddr) -> Responder {
        Responder { local, remote, state: State::Listening { has_challenged: false } }
    }

    /// True until the whole first message is there.
    pub const fn is_listening(&self) -> bool {
        matches!(self.state, State::Listening { .. })
    }

    /// Reads M1 or M3 from the front of `input`; returns how many bytes it used. A refusal goes to `out`.
    pub fn handle_bytes(
        &mut self,
        cx: &mut Context<'_>,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Progress), CloseReason> {
        match self.state {
            State::Listening { has_challenged } => {
                // Whoever speaks another protocol is sent away at its first wrong byte, without an answer.
                let shown = input.len().min(MAGIC.len());
                if input[..shown] != MAGIC[..shown] {
                    return Err(CloseReason::Garbage);
                }
                let Some(message) = input.first_chunk::<M1>() else { return Ok((0, Progress::None)) };
                Ok((M1, self.read_first(cx, message, has_challenged, out)?))
            }
            State::Answered { .. } => {
                let Some(message) = input.first_chunk::<M3>() else { return Ok((0, Progress::None)) };
                Ok((M3, Progress::Agreed(Box::new(self.read_last(cx, message)?))))
            }
            State::Claimed { .. } | State::Gone => Ok((0, Progress::None)),
        }
    }

    /// The owner lets the claimed key go on: M2 goes to `out`.
    pub fn proceed(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Result<(), CloseReason> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Claimed { message, first } => self.answer(cx, &message, &first, out),
            _ => Err(CloseReason::Internal),
        }
    }

    /// The owner does not. A full house says so; lists stay secret.
    pub fn refuse(&mut self, motive: CloseReason, out: &mut Vec<u8>) {
        if matches!(motive, CloseReason::TooManyLinks | CloseReason::HalfOpenLimit) {
            self.reject(RejectCode::Busy, out);
        }
        self.state = State::Gone;
    }

    /// Steps 2 to 5 of the reference, cheapest first.
    fn read_first(
        &mut self,
        cx: &mut Context<'_>,
        message: &[u8; M1],
        has_challenged: bool,
        out: &mut Vec<u8>,
    ) -> Result<Progress, CloseReason> {
        let first = First::decode(message).ok_or(CloseReason::Garbage)?;
        let profile = &self.local.profile;
        if own_versions(&self.local).common(first.versions).is_none() {
            return Err(self.reject(RejectCode::Version, out));
        }
        if first.network_id != self.local.network_id {
            return Err(self.reject(RejectCode::Network, out));
        }
        match &first.claim {
            Some(claim) if claim.peer == profile.identity.id() => return Err(CloseReason::OwnKey),
            Some(claim) if !stamp::check(&claim.peer, &claim.stamp, profile.pow_bits) => {
                return Err(self.reject(RejectCode::Stamp, out));
            }
            None if profile.is_claim_required => return Err(self.reject(RejectCode::ClaimRequired, out)),
            _ => {}
        }
        if cx.gate.wants_puzzle(cx.now) && !self.is_solved(cx, message, &first) {
            if has_challenged {
                return Err(CloseReason::BadPuzzle);
            }
            self.challenge(cx, out);
            return Ok(Progress::None);
        }
        if let Some(claim) = first.claim {
            self.state = State::Claimed { message: Box::new(*message), first };
            return Ok(Progress::Claimed(claim.peer));
        }
        self.answer(cx, message, &first, out)?;
        Ok(Progress::None)
    }

    fn is_solved(&self, cx: &mut Context<'_>, message: &[u8; M1], first: &First) -> bool {
        let prefix = Prefix::of(self.remote.ip());
        first.answer.as_ref().is_some_and(|answer| {
            let solved = Solved { cookie: &answer.cookie, solution: &answer.solution, ephemeral: &ephemeral(message) };
            cx.gate.accept(cx.unix_seconds, &prefix, solved)
        })
    }

    fn challenge(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        let cookie = cx.gate.cookie(cx.unix_seconds, &Prefix::of(self.remote.ip()));
        let challenge = Refusal::Challenge { difficulty: cx.gate.difficulty(), cookie };
        out.extend_from_slice(&challenge.encode(self.local.profile.versions.1));
        self.state = State::Listening { has_challenged: true };
    }

    /// Sends a reject code, and returns the reason to close with.
    fn reject(&self, code: RejectCode, out: &mut Vec<u8>) -> CloseReason {
        out.extend_from_slice(&Refusal::Reject(Some(code)).encode(self.local.profile.versions.1));
        code.reason()
    }

    /// Step 6: the first curve arithmetic.
    fn answer(&mut self, cx: &mut Context<'_>, message: &[u8; M1], first: &First, out: &mut Vec<u8>) -> Result<(), CloseReason> {
        cx.gate.spend(cx.now, M2_COST);
        let profile = &self.local.profile;
        let versions = own_versions(&self.local);
        let chosen = versions.common(first.versions).ok_or(CloseReason::Internal)?;
        let (head, noise) = message.split_first_chunk::<M1_HEAD>().ok_or(CloseReason::Internal)?;
        let secret = Arc::clone(profile.identity.secret());
        let ephemeral = secret.ephemeral(cx.entropy);
        let mut handshake = Handshake::xx(Role::Responder, &prologue(head), secret, ephemeral);
        if let Some(claim) = &first.claim {
            handshake.expect(claim.peer);
        }
        handshake.read_message(noise, &mut [0; M1_PAYLOAD]).map_err(close_reason)?;
        let ours = Introduction {
            chosen,
            versions: Some(versions),
            caps: profile.caps,
            stamp: *profile.identity.stamp(),
            port: self.remote.port(),
            your_ip: Some(self.remote.ip()),
            frame_max: profile.frame_max as u32,
        };
        let mut answer = [0; M2];
        answer[..2].copy_from_slice(&[TYPE_M2, chosen]);
        handshake.write_message(&ours.encode(), &mut answer[M2_HEAD..]).map_err(close_reason)?;
        out.extend_from_slice(&answer);
        self.state = State::Answered { handshake: Box::new(handshake), chosen };
        Ok(())
    }

    /// Step 7.
    fn read_last(&mut self, cx: &mut Context<'_>, message: &[u8; M3]) -> Result<Agreed, CloseReason> {
        let State::Answered { mut handshake, chosen } = std::mem::replace(&mut self.state, State::Gone) else {
            return Err(CloseReason::Internal);
        };
        cx.gate.spend(cx.now, M3_COST);
        let mut payload = [0; PAYLOAD];
        handshake.read_message(message, &mut payload).map_err(close_reason)?;
        let peer = handshake.remote().ok_or(CloseReason::Internal)?;
        if peer == self.local.profile.identity.id() {
            return Err(CloseReason::OwnKey);
        }
        let theirs = Introduction::decode(&payload, false).ok_or(CloseReason::BadHandshake)?;
        if theirs.chosen != chosen {
            return Err(CloseReason::Downgrade);
        }
        let suite = judge(&self.local, &peer, &theirs)?;
        let observed = theirs.your_ip.map(|ip| SocketAddr::new(ip, self.local.profile.listen_port));
        agree(*handshake, peer, suite, &theirs, observed)
    }
}
