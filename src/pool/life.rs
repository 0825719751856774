//! The life of known addresses: fixed by the operator, dialed, proven, linked, at rest. Only the pool's verbs move them, and each keeps the
//! book's indexes by going through `Book::change`.

use super::book::Book;
use super::points::{End, Point, Proof, Source, State, canonical_socket, kept};
use super::policy::Policy;
use crate::base::backoff;
use crate::base::limits::POINTS_PER_PEER_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::wire::hello::Capability;
use std::net::SocketAddr;

/// Refusals by a peer that answers lengthen its wait to 2^8 s at most.
const REFUSALS_MAX: u8 = 8;

impl Book {
    /// Adds an address that the operator configured, or marks the known one. It is never evicted.
    pub fn fix(&mut self, now: Time, at: SocketAddr, peer: Option<PeerId>, is_persistent: bool) -> bool {
        let at = canonical_socket(at);
        if self.is_self(at) {
            return false;
        }
        if self.get(at).is_none() {
            self.insert(Point::new(now, at, Source::Own));
        }
        self.change(at, |point| {
            point.source = Source::Own;
            point.expected = peer.or(point.expected);
            if let Some(peer) = peer {
                point.name(peer);
            }
            if is_persistent {
                point.is_persistent = true;
            } else {
                point.is_seed = true;
            }
            // Nobody may make us give up the operator's own, nor may what was before delay it.
            if matches!(point.state, State::Bad { .. } | State::Candidate) {
                point.state = point.rest();
                (point.attempts, point.next_dial) = (0, Time::ZERO);
            }
        });
        self.fixed.insert(at);
        true
    }

    /// Ends the special place of a persistent address, or of a seed, for example when its name resolves elsewhere now. What is neither any
    /// more gets a place in the new table when the book is tidied next, or is forgotten.
    pub fn unfix(&mut self, at: SocketAddr, is_persistent: bool) {
        self.change(at, |point| {
            let special = if is_persistent { &mut point.is_persistent } else { &mut point.is_seed };
            *special = false;
            if point.state == State::Reconnecting {
                point.state = point.rest();
            }
        });
        if self.get(at).is_some_and(|point| !point.is_fixed()) {
            self.fixed.remove(&at);
            // Nobody names any more who must be there.
            self.change(at, |point| point.expected = None);
        }
    }

    /// Who must be at an address that is still configured.
    pub fn expect(&mut self, at: SocketAddr, peer: Option<PeerId>) {
        if self.fixed.contains(&at) {
            self.change(at, |point| point.expected = peer);
        }
    }

    /// A dial to `at` begins; an address nobody told of (the application dials it) becomes known, with a place if one is free.
    pub(super) fn dial(&mut self, now: Time, at: SocketAddr, link: LinkId, policy: &Policy) {
        if self.get(at).is_none() && self.make_room(policy) {
            let mut point = Point::new(now, at, Source::Own);
            self.seat(now, &mut point, policy, false);
            self.insert(point);
        }
        self.change(at, |point| {
            point.state = State::Dialing(link);
            point.last_dialed = Some(now);
        });
    }

    /// A peer showed its key at `at`, which we had dialed.
    pub(super) fn prove(&mut self, now: Time, at: SocketAddr, peer: PeerId) {
        self.last_success = Some(now);
        self.change(at, |point| {
            point.proof = Proof::Dialed;
            point.proven_since.get_or_insert(now);
            point.name(peer);
            point.succeed(now);
        });
        self.trim(&peer, POINTS_PER_PEER_MAX, Some(at));
    }

    /// A link with the peer at `at` is open.
    pub(super) fn connect(&mut self, now: Time, at: SocketAddr, link: LinkId) {
        self.last_success = Some(now);
        self.change(at, |point| {
            point.state = State::Connected(link);
            (point.attempts, point.refusals) = (0, 0);
            point.succeed(now);
        });
    }

    /// The dial or link that used `at` has ended.
    pub(super) fn rest(&mut self, now: Time, at: SocketAddr, end: End, policy: &Policy, rng: &mut Rng) {
        if end == End::Missed {
            self.failed(now, at, policy);
        }
        self.change(at, |point| {
            point.state = point.rest();
            match end {
                End::Missed => {}
                // It is there: a full node is as healthy as any.
                End::Refused => {
                    (point.attempts, point.refusals) = (0, (point.refusals + 1).min(REFUSALS_MAX));
                    point.succeed(now);
                }
                // It had failed to answer before the link was lost, so the link has shown nothing since.
                End::Lost if point.attempts >= policy.unhealthy_after => point.attempts = policy.unhealthy_after,
                End::Superfluous | End::Lost | End::Parted => {
                    point.attempts = 0;
                    point.succeed(now);
                }
                End::Useless => point.attempts = policy.attempts_max,
            }
            let longest = if point.is_fixed() { policy.persistent_period_max } else { policy.backoff_max };
            let wait = match end {
                End::Parted if !point.is_fixed() => policy.redial_pause,
                _ => backoff::delay(point.attempts.max(u32::from(point.refusals)), longest, rng),
            };
            point.next_dial = now + wait;
            if !point.is_fixed() {
                // Others must not be able to aim us at an address again and again.
                let period_over = point.last_dialed.map_or(Time::ZERO, |last| last + policy.dial_point_period);
                point.next_dial = point.next_dial.max(period_over);
                if point.attempts >= policy.attempts_max {
                    point.state = State::Bad { until: now + policy.bad_period };
                }
            }
        });
    }

    /// Keeps why a use of `at` failed.
    pub(super) fn note_failure(&mut self, now: Time, at: SocketAddr, reason: CloseReason) {
        self.change(at, |point| point.last_failure = Some((now, reason)));
    }

    /// The peer at `at` has failed to answer this often in a row; 0 when it answered. Counted as failed dials are.
    pub(super) fn note_answer(&mut self, at: SocketAddr, failures: u32) {
        self.change(at, |point| point.attempts = failures);
    }

    /// `peer` itself has said what it can do: that replaces what others said of it, at whatever address, and they can not change it back.
    pub(super) fn note_capabilities(&mut self, peer: &PeerId, capabilities: &[Capability]) {
        let is_news = |point: &&Point| !(point.is_own_word && point.capabilities == capabilities);
        let stale: Vec<SocketAddr> = self.of_peer(peer).filter(is_news).map(|point| point.at).collect();
        for at in stale {
            self.change(at, |point| {
                point.capabilities = kept(capabilities);
                point.is_own_word = true;
            });
        }
    }
}
