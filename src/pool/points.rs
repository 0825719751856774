//! Known addresses: where each came from, what is known of it and where it stands in its life. It never dials and never judges
//! peers. Only the pool's verbs change a point's state.

use super::policy::{Policy, UNHEALTHY_AFTER};
use crate::base::address::{Address, Host, Scheme};
use crate::base::backoff;
use crate::base::limits::CAPABILITIES_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::{Group, canonical, is_global};
use crate::base::rng::Rng;
use crate::base::sizes;
use crate::base::time::Time;
use crate::wire::hello::Capability;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Addresses that turned out to be this node itself and are remembered as such (threat T23).
const SELVES_MAX: usize = 64;
/// Fruitless dials after which an unproven address makes room for others of its source (CometBFT numRetries).
const FRUITLESS: u32 = 3;
/// Refusals by a peer that answers never count up to bad; its wait stays below 2^8 s.
const REFUSALS_MAX: u32 = 8;

/// The life of a known address. One visible state; the numbers beside it say when it may move on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// May be dialed once its time has come.
    Candidate,
    /// A dial is under way.
    Dialing(LinkId),
    /// A persistent point whose link or dial ended; dialed again for ever.
    Reconnecting,
    /// A link with the peer at this address is open.
    Connected(LinkId),
    /// Given up: neither dialed nor shared until then. Never a ground to refuse who comes from there.
    Bad { until: Time },
}

/// What shows that the address is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Somebody said so.
    Heard,
    /// The peer itself said so on a link that came from that host.
    Host,
    /// We dialed it and a peer showed its key there.
    Dialed,
}

/// Who told of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The operator or the application.
    Own,
    /// A peer in this group.
    Group(Group),
}

/// One known address.
#[derive(Clone, Debug)]
pub struct Point {
    pub at: SocketAddr,
    /// Who answers there: proven if `proof` is `Dialed`, hearsay otherwise.
    pub peer: Option<PeerId>,
    /// What the peer can do. Only its own word counts for more than the choice of whom to dial, and only that is passed on.
    pub capabilities: Vec<Capability>,
    /// The capabilities are what `peer` itself said on a link; hearsay changes them no more.
    pub is_own_word: bool,
    pub source: Source,
    pub proof: Proof,
    pub state: State,
    pub is_persistent: bool,
    pub is_seed: bool,
    /// Who must answer, as the operator wrote it.
    pub expected: Option<PeerId>,
    /// Failures in a row.
    pub attempts: u32,
    /// Not dialed by maintenance before.
    pub next_dial: Time,
    /// Since when `proof` is more than hearsay.
    pub proven_since: Option<Time>,
    pub last_heard: Time,
    pub last_dialed: Option<Time>,
    pub last_seen: Option<Time>,
    pub last_miss: Option<Time>,
    /// At which version of the healthy set it joined it; 0: it is not in it.
    pub healthy_at: u64,
}

const _: () = assert!(size_of::<(SocketAddr, Point)>() <= sizes::POINT);

impl Point {
    fn new(now: Time, at: SocketAddr, source: Source) -> Point {
        Point {
            at,
            peer: None,
            capabilities: Vec::new(),
            is_own_word: false,
            source,
            proof: Proof::Heard,
            state: State::Candidate,
            is_persistent: false,
            is_seed: false,
            expected: None,
            attempts: 0,
            next_dial: Time::ZERO,
            proven_since: None,
            last_heard: now,
            last_dialed: None,
            last_seen: None,
            last_miss: None,
            healthy_at: 0,
        }
    }

    /// Configured by the operator: never evicted, never bad.
    pub fn is_fixed(&self) -> bool {
        self.is_persistent || self.is_seed
    }

    /// Somebody, or the peer itself, says that it has that capability.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known.name == capability)
    }

    /// Says who answers there. What was known of somebody else's capabilities goes.
    fn name(&mut self, peer: PeerId) {
        if self.peer.is_some_and(|known| known != peer) {
            self.capabilities = Vec::new();
            self.is_own_word = false;
        }
        self.peer = Some(peer);
    }

    /// The address as it is shared.
    pub fn address(&self) -> Address {
        Address::of(self.at, self.peer)
    }

    /// No link and no dial uses it.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Candidate | State::Reconnecting)
    }

    /// A dial has shown that it is there, nothing has shown otherwise since, and it was seen lately or is linked.
    pub fn is_healthy(&self, now: Time, policy: &Policy) -> bool {
        let is_linked = matches!(self.state, State::Connected(_));
        let is_fresh = is_linked || self.last_seen.is_some_and(|seen| now.since(seen) <= policy.shared_for);
        is_fresh && self.attempts < policy.unhealthy_after && self.counts_as_healthy()
    }

    /// As `is_healthy`, but for the time, and by the number that the policy has: what the version of the healthy set follows.
    fn counts_as_healthy(&self) -> bool {
        self.proof == Proof::Dialed && self.attempts < UNHEALTHY_AFTER && !matches!(self.state, State::Bad { .. })
    }

    /// Where a point rests while nothing uses it.
    fn rest(&self) -> State {
        if self.is_persistent { State::Reconnecting } else { State::Candidate }
    }

    /// Smaller is worse: bad before others, unproven before proven, failed before untried, long unheard before fresh.
    fn worth(&self) -> (bool, Proof, Reverse<u32>, Time) {
        (!matches!(self.state, State::Bad { .. }), self.proof, Reverse(self.attempts), self.last_seen.unwrap_or(self.last_heard))
    }
}

/// An address that somebody told of.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    pub address: &'a Address,
    /// What somebody else than the peer says of it; the peer's own word comes by `note_capabilities`.
    pub capabilities: &'a [Capability],
    pub source: Source,
    pub proof: Proof,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    New,
    Known,
    Refused,
}

/// How a use of a point ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody, or somebody else, answered.
    Missed,
    /// The peer answered and refused.
    Refused,
    /// The peer answered; the dial was only superfluous.
    Superfluous,
    /// An open link was lost.
    Lost,
    /// An open link was ended by us or them on purpose.
    Parted,
    /// The peer can never be of use: another network.
    Useless,
}

/// All known addresses. Bounded by `Policy::points_max` and the number of fixed ones beside; these and those in use are never evicted.
#[derive(Debug, Default)]
pub struct Points {
    points: BTreeMap<SocketAddr, Point>,
    fixed: BTreeSet<SocketAddr>,
    /// Undialed points of each source group.
    by_source: BTreeMap<Group, usize>,
    /// Addresses that this node listens on or is dialed at.
    own: BTreeSet<SocketAddr>,
    selves: VecDeque<SocketAddr>,
    /// How often a point has joined the healthy set.
    healthy_version: u64,
}

impl Points {
    pub fn get(&self, at: SocketAddr) -> Option<&Point> {
        self.points.get(&at)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Point> {
        self.points.values()
    }

    /// The operator's own: persistent points and seeds.
    pub fn fixed(&self) -> impl Iterator<Item = &Point> {
        self.fixed.iter().filter_map(|at| self.points.get(at))
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The version of the healthy set: each point that joins it makes a new one.
    pub fn healthy_version(&self) -> u64 {
        self.healthy_version
    }

    /// True for this node's own addresses, as configured or as found out.
    pub fn is_self(&self, at: SocketAddr) -> bool {
        self.own.contains(&at) || self.selves.contains(&at)
    }

    /// Says which addresses are this node's own; known points at them are forgotten.
    pub fn set_own(&mut self, own: impl IntoIterator<Item = SocketAddr>) {
        self.own = own.into_iter().map(canonical_socket).collect();
        for at in self.own.clone() {
            self.remove(at);
        }
    }

    /// A dial to `at` met this node itself: it is forgotten and not learned again while remembered.
    pub fn note_self(&mut self, at: SocketAddr) {
        if self.selves.len() >= SELVES_MAX {
            self.selves.pop_front();
        }
        self.selves.push_back(at);
        self.remove(at);
    }

    /// Takes what somebody told of. In order: the address must be one that we can dial and may use; a known point learns what is
    /// new; a new one must be within its host's and its source's share; the worst make room.
    pub fn learn(&mut self, now: Time, offer: &Offer<'_>, policy: &Policy) -> Intake {
        let Some(at) = dialable(offer.address, policy) else { return Intake::Refused };
        if self.is_self(at) {
            return Intake::Refused;
        }
        if self.points.contains_key(&at) {
            self.learn_more(now, at, offer);
            return Intake::Known;
        }
        if !self.may_add(at, offer, policy) || !self.make_room(policy) {
            return Intake::Refused;
        }
        let mut point = Point::new(now, at, offer.source);
        point.peer = offer.address.id;
        point.proof = offer.proof;
        point.proven_since = (offer.proof > Proof::Heard).then_some(now);
        point.capabilities = kept(offer.capabilities);
        self.insert(point);
        Intake::New
    }

    /// `peer` itself has said what it can do: that replaces what others said of it, at whatever address, and they can not change it back.
    pub(super) fn note_capabilities(&mut self, peer: &PeerId, capabilities: &[Capability]) {
        let is_news =
            |point: &&mut Point| point.peer.as_ref() == Some(peer) && !(point.is_own_word && point.capabilities == capabilities);
        // What a source's share counts by does not change.
        for point in self.points.values_mut().filter(is_news) {
            point.capabilities = kept(capabilities);
            point.is_own_word = true;
        }
    }

    fn learn_more(&mut self, now: Time, at: SocketAddr, offer: &Offer<'_>) {
        self.change(at, |point| {
            point.last_heard = now;
            // Hearsay never overwrites what a better witness said: else anyone could rename a point and have it missed.
            if let Some(peer) = offer.address.id.filter(|_| offer.proof > point.proof || point.peer.is_none()) {
                point.name(peer);
            }
            // Who says nothing of capabilities does not deny them: the older messages cannot name any. And what is said of somebody else
            // than who answers there says nothing of this point.
            let is_of_this = offer.address.id.is_none() || offer.address.id == point.peer;
            if !offer.capabilities.is_empty() && is_of_this && !point.is_own_word {
                point.capabilities = kept(offer.capabilities);
            }
            if offer.proof > point.proof {
                point.proof = offer.proof;
                point.proven_since.get_or_insert(now);
            }
        });
    }

    /// The shares of a host (ports) and of a source group (undialed addresses). Special addresses, where they are allowed, have none:
    /// all nodes of a private network are in few groups, those of a test often at one host.
    fn may_add(&self, at: SocketAddr, offer: &Offer<'_>, policy: &Policy) -> bool {
        let Source::Group(group) = offer.source else { return true };
        if !is_global(at.ip()) {
            return true;
        }
        let ports = self.points.range(SocketAddr::new(at.ip(), 0)..=SocketAddr::new(at.ip(), u16::MAX)).count();
        ports < policy.points_per_host && self.by_source.get(&group).is_none_or(|count| *count < policy.points_per_source)
    }

    /// Makes the table have a free place. A share of the worst goes at once, so that a flood costs a sort only now and then.
    pub(super) fn make_room(&mut self, policy: &Policy) -> bool {
        if self.points.len() < policy.points_max {
            return true;
        }
        let is_evictable = |point: &&Point| !point.is_fixed() && !matches!(point.state, State::Dialing(_) | State::Connected(_));
        let mut worst: Vec<_> = self.points.values().filter(is_evictable).map(|point| (point.worth(), point.at)).collect();
        worst.sort();
        for (_, at) in worst.into_iter().take(policy.points_max.div_ceil(32)) {
            self.remove(at);
        }
        self.points.len() < policy.points_max
    }

    /// Adds an address that the operator configured, or marks the known one. It is never evicted.
    pub fn fix(&mut self, now: Time, at: SocketAddr, peer: Option<PeerId>, is_persistent: bool) -> bool {
        let at = canonical_socket(at);
        if self.is_self(at) {
            return false;
        }
        if !self.points.contains_key(&at) {
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

    /// Ends the special place of a configured address, for example when its name resolves elsewhere now.
    pub fn unfix(&mut self, at: SocketAddr) {
        self.fixed.remove(&at);
        self.change(at, |point| {
            (point.is_persistent, point.is_seed) = (false, false);
            if point.state == State::Reconnecting {
                point.state = State::Candidate;
            }
        });
    }

    /// A dial to `at` begins; an address nobody told of (the application dials it) becomes known.
    pub(super) fn dial(&mut self, now: Time, at: SocketAddr, link: LinkId, policy: &Policy) {
        if !self.points.contains_key(&at) && self.make_room(policy) {
            self.insert(Point::new(now, at, Source::Own));
        }
        self.change(at, |point| {
            point.state = State::Dialing(link);
            point.last_dialed = Some(now);
        });
    }

    /// A peer showed its key at `at`, which we had dialed.
    pub(super) fn prove(&mut self, now: Time, at: SocketAddr, peer: PeerId) {
        self.change(at, |point| {
            point.proof = Proof::Dialed;
            point.proven_since.get_or_insert(now);
            point.name(peer);
            point.last_seen = Some(now);
        });
    }

    /// A link with the peer at `at` is open.
    pub(super) fn connect(&mut self, now: Time, at: SocketAddr, link: LinkId) {
        self.change(at, |point| {
            point.state = State::Connected(link);
            point.attempts = 0;
            point.last_seen = Some(now);
        });
    }

    /// The dial or link that used `at` has ended.
    pub(super) fn rest(&mut self, now: Time, at: SocketAddr, end: End, policy: &Policy, rng: &mut Rng) {
        self.change(at, |point| {
            point.state = point.rest();
            match end {
                End::Missed => {
                    point.attempts += 1;
                    point.last_miss = Some(now);
                }
                End::Refused => {
                    point.attempts = point.attempts.max((point.attempts + 1).min(REFUSALS_MAX));
                    point.last_seen = Some(now);
                }
                End::Superfluous | End::Lost | End::Parted => {
                    point.attempts = 0;
                    point.last_seen = Some(now);
                }
                End::Useless => point.attempts = policy.attempts_max,
            }
            let longest = if point.is_fixed() { policy.persistent_period_max } else { policy.backoff_max };
            let wait = match end {
                End::Parted if !point.is_fixed() => policy.redial_pause,
                _ => backoff::delay(point.attempts, longest, rng),
            };
            point.next_dial = now + wait;
            if point.attempts >= policy.attempts_max && !point.is_fixed() {
                point.state = State::Bad { until: now + policy.bad_period };
            }
        });
    }

    /// The peer at `at` has failed to answer this often in a row; 0 when it answered. Counted as failed dials are.
    pub(super) fn note_answer(&mut self, at: SocketAddr, failures: u32) {
        self.change(at, |point| point.attempts = failures);
    }

    /// Drops what is old or fruitless and reinstates what was bad for long enough.
    pub fn expire(&mut self, now: Time, policy: &Policy) {
        let mut dead = Vec::new();
        let mut reinstated = Vec::new();
        for point in self.points.values().filter(|point| !point.is_fixed()) {
            let group = if let Source::Group(group) = point.source { Some(group) } else { None };
            let crowded = group.is_some_and(|group| self.by_source.get(&group).is_some_and(|n| *n >= policy.points_per_source));
            match point.state {
                State::Bad { until } if until <= now => reinstated.push(point.at),
                State::Candidate if point.proof == Proof::Dialed => {}
                State::Candidate if now.since(point.last_heard) >= policy.point_forgotten_after => dead.push(point.at),
                State::Candidate if crowded && point.attempts >= FRUITLESS => dead.push(point.at),
                _ => {}
            }
        }
        for at in dead {
            self.remove(at);
        }
        for at in reinstated {
            self.change(at, |point| {
                point.state = point.rest();
                (point.attempts, point.next_dial) = (0, now);
            });
        }
    }

    /// All changes go through here, so that the count per source cannot drift.
    fn change(&mut self, at: SocketAddr, change: impl FnOnce(&mut Point)) {
        if let Some(mut point) = self.remove_entry(at) {
            change(&mut point);
            self.insert(point);
        }
    }

    fn insert(&mut self, mut point: Point) {
        if !point.counts_as_healthy() {
            point.healthy_at = 0;
        } else if point.healthy_at == 0 {
            self.healthy_version += 1;
            point.healthy_at = self.healthy_version;
        }
        if let Some(group) = counted(&point) {
            *self.by_source.entry(group).or_default() += 1;
        }
        self.points.insert(point.at, point);
    }

    fn remove(&mut self, at: SocketAddr) {
        self.fixed.remove(&at);
        self.remove_entry(at);
    }

    fn remove_entry(&mut self, at: SocketAddr) -> Option<Point> {
        let point = self.points.remove(&at)?;
        if let Some(group) = counted(&point)
            && let Some(count) = self.by_source.get_mut(&group)
        {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&group);
            }
        }
        Some(point)
    }

    #[cfg(test)]
    pub(super) fn check_invariants(&self, policy: &Policy) {
        let mut counts: BTreeMap<Group, usize> = BTreeMap::new();
        for point in self.points.values() {
            if let Some(group) = counted(point) {
                *counts.entry(group).or_default() += 1;
            }
        }
        assert_eq!(counts, self.by_source);
        assert!(counts.values().all(|count| *count <= policy.points_per_source));
        assert!(self.points.len() <= policy.points_max.max(self.fixed.len()));
        assert!(self.fixed.iter().all(|at| self.points.get(at).is_some_and(Point::is_fixed)));
    }
}

/// Capabilities as they are kept: no more than one Hello may announce.
fn kept(capabilities: &[Capability]) -> Vec<Capability> {
    capabilities.iter().take(CAPABILITIES_MAX).cloned().collect()
}

/// The source group whose share a point counts to: undialed points of others.
fn counted(point: &Point) -> Option<Group> {
    match point.source {
        Source::Group(group) if point.proof < Proof::Dialed && is_global(point.at.ip()) => Some(group),
        _ => None,
    }
}

/// The socket address of an address that this node could dial and may use.
pub fn dialable(address: &Address, policy: &Policy) -> Option<SocketAddr> {
    let Host::Ip(ip) = address.host else { return None };
    let ip = canonical(ip);
    let is_usable = match ip {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_broadcast() && !v4.is_multicast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    let may_use = is_global(ip) || policy.allow_private;
    (address.scheme == Scheme::Bowline && address.port != 0 && is_usable && may_use).then(|| SocketAddr::new(ip, address.port))
}

/// A socket address with IPv4-mapped hosts made IPv4, and without scope or flow.
pub fn canonical_socket(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(canonical(at.ip()), at.port())
}
