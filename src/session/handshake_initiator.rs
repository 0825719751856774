//! The dialing side of the handshake: M1 out, M2 or a refusal in, a word of our owner, M3 out. It trusts nothing before M2 is opened and
//! shows our key only after the owner has seen the peer's. `bowline.rs` drives it.
//!
//! ```text
//! new: M1 ──> Asked ── challenge ──> Solving ── solved: M1 ──> Asked        (once)
//!               └── M2 ──> Shown ── proceed: M3 ──> Agreed
//! ```

use super::agreed::{Agreed, agree, close_reason, judge, own_versions};
use super::dialect::Context;
use super::handshake_message::{
    Answer, Claim, First, Introduction, M1, M1_HEAD, M2, M2_HEAD, M3, PAYLOAD, R1, Refusal, TYPE_CHALLENGE, TYPE_M2, TYPE_REJECT,
    prologue,
};
use super::local::Local;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::crypto::keys::SecretKey;
use crate::crypto::noise::{Handshake, Role};
use crate::crypto::puzzle::{COOKIE, Solver};
use crate::crypto::record::Suite;
use std::net::SocketAddr;
use std::sync::Arc;

/// Hashes of a puzzle that are tried in one go: half a millisecond, so that the reactor is never held for longer.
const TRIES_PER_SLICE: u64 = 2_000;

/// Progress of one step.
pub enum Progress {
    /// Nothing yet, or nothing that the owner must know.
    None,
    /// The peer showed its key; go on with `proceed`.
    Shown(PeerId),
    /// The responder refused us without authentication.
    Rejected(Option<CloseReason>),
}

/// See the file's head.
pub struct Initiator {
    local: Arc<Local>,
    remote: SocketAddr,
    expect: Option<PeerId>,
    state: State,
    /// A second challenge is against the protocol.
    was_challenged: bool,
}

enum State {
    Asked(Box<Handshake>),
    Solving {
        ephemeral: SecretKey,
        solver: Solver,
        cookie: [u8; COOKIE],
    },
    Shown {
        handshake: Box<Handshake>,
        peer: PeerId,
        theirs: Introduction,
        suite: Suite,
    },
    /// Between two states, and after an error.
    Gone,
}

impl Initiator {
    /// Begins a handshake; M1 goes to `out`.
    pub fn new(
        local: Arc<Local>,
        remote: SocketAddr,
        expect: Option<PeerId>,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Initiator {
        let ephemeral = local.profile.identity.secret().ephemeral(cx.entropy);
        let mut initiator = Initiator { local, remote, expect, state: State::Gone, was_challenged: false };
        initiator.ask(ephemeral, None, out);
        initiator
    }

    /// Reads M2 or a refusal from the front of `input`; returns how many bytes it used.
    pub fn handle_bytes(&mut self, cx: &mut Context<'_>, input: &[u8]) -> Result<(usize, Progress), CloseReason> {
        if !matches!(self.state, State::Asked(_)) {
            return Ok((0, Progress::None));
        }
        match input.first() {
            None => Ok((0, Progress::None)),
            Some(&TYPE_M2) => {
                let Some(message) = input.first_chunk::<M2>() else { return Ok((0, Progress::None)) };
                Ok((M2, Progress::Shown(self.read_answer(message)?)))
            }
            Some(&(TYPE_CHALLENGE | TYPE_REJECT)) => {
                let Some(message) = input.first_chunk::<R1>() else { return Ok((0, Progress::None)) };
                match Refusal::decode(message).ok_or(CloseReason::BadHandshake)? {
                    Refusal::Reject(code) => Ok((R1, Progress::Rejected(code.map(|code| code.reason())))),
                    Refusal::Challenge { difficulty, cookie } => {
                        self.begin_puzzle(cx, difficulty, cookie)?;
                        Ok((R1, Progress::None))
                    }
                }
            }
            Some(_) => Err(CloseReason::Garbage),
        }
    }

    /// True while a puzzle is being solved: call `solve` again soon.
    pub const fn is_solving(&self) -> bool {
        matches!(self.state, State::Solving { .. })
    }

    /// Works on the puzzle for a slice; once it is solved the new M1 goes to `out`.
    pub fn solve(&mut self, out: &mut Vec<u8>) {
        let State::Solving { solver, cookie, .. } = &mut self.state else { return };
        let Some(solution) = solver.run(TRIES_PER_SLICE) else { return };
        let answer = Answer { cookie: *cookie, solution };
        if let State::Solving { ephemeral, .. } = std::mem::replace(&mut self.state, State::Gone) {
            self.ask(ephemeral, Some(answer), out);
        }
    }

    /// The owner wants this peer: M3 goes to `out`.
    pub fn proceed(&mut self, out: &mut Vec<u8>) -> Result<Agreed, CloseReason> {
        let State::Shown { mut handshake, peer, theirs, suite } = std::mem::replace(&mut self.state, State::Gone) else {
            return Err(CloseReason::Internal);
        };
        let profile = &self.local.profile;
        let ours = Introduction {
            chosen: theirs.chosen,
            versions: None,
            caps: profile.caps,
            stamp: *profile.identity.stamp(),
            port: profile.listen_port,
            your_ip: Some(self.remote.ip()),
            frame_max: profile.frame_max as u32,
        };
        let mut message = [0; M3];
        handshake.write_message(&ours.encode(), &mut message).map_err(close_reason)?;
        out.extend_from_slice(&message);
        agree(*handshake, peer, suite, &theirs, theirs.your_ip.map(|ip| SocketAddr::new(ip, theirs.port)))
    }

    /// Writes M1.
    fn ask(&mut self, ephemeral: SecretKey, answer: Option<Answer>, out: &mut Vec<u8>) {
        let profile = &self.local.profile;
        let claim = profile.is_claiming.then(|| Claim { peer: profile.identity.id(), stamp: *profile.identity.stamp() });
        let first = First { versions: own_versions(&self.local), network_id: self.local.network_id, claim, answer };
        let head = first.head();
        let secret = Arc::clone(profile.identity.secret());
        let mut handshake = Handshake::xx(Role::Initiator, &prologue(&head), secret, ephemeral);
        if let Some(peer) = self.expect {
            handshake.expect(peer);
        }
        let mut message = [0; M1];
        message[..M1_HEAD].copy_from_slice(&head);
        let written = handshake.write_message(&first.payload(), &mut message[M1_HEAD..]);
        written.expect("the first message of XX needs no other key and fits");
        out.extend_from_slice(&message);
        self.state = State::Asked(Box::new(handshake));
    }

    /// A fresh key for the second M1, so that nothing of the first need be kept.
    fn begin_puzzle(&mut self, cx: &mut Context<'_>, difficulty: u8, cookie: [u8; COOKIE]) -> Result<(), CloseReason> {
        if std::mem::replace(&mut self.was_challenged, true) {
            return Err(CloseReason::BadPuzzle);
        }
        let ephemeral = self.local.profile.identity.secret().ephemeral(cx.entropy);
        let solver = Solver::new(&cookie, &ephemeral.public(), difficulty).map_err(|_| CloseReason::BadPuzzle)?;
        self.state = State::Solving { ephemeral, solver, cookie };
        Ok(())
    }

    fn read_answer(&mut self, message: &[u8; M2]) -> Result<PeerId, CloseReason> {
        let State::Asked(mut handshake) = std::mem::replace(&mut self.state, State::Gone) else {
            return Err(CloseReason::Internal);
        };
        let (head, sealed) = message.split_at(M2_HEAD);
        let mut payload = [0; PAYLOAD];
        handshake.read_message(sealed, &mut payload).map_err(close_reason)?;
        let peer = handshake.remote().ok_or(CloseReason::Internal)?;
        if peer == self.local.profile.identity.id() {
            return Err(CloseReason::OwnKey);
        }
        let theirs = Introduction::decode(&payload, true).ok_or(CloseReason::BadHandshake)?;
        // What stands in clear must be what was sealed, and both must be the best that two honest sides would have chosen.
        let best = theirs.versions.and_then(|versions| own_versions(&self.local).common(versions));
        if head[2..] != [0, 0] || head[1] != theirs.chosen || best != Some(theirs.chosen) {
            return Err(CloseReason::Downgrade);
        }
        let suite = judge(&self.local, &peer, &theirs)?;
        self.state = State::Shown { handshake, peer, theirs, suite };
        Ok(peer)
    }
}
