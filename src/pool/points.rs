//! Known addresses: where each came from, what is known of it and where it stands in its life. It never dials and never judges
//! peers. Only the pool's verbs change a point's state.

use super::policy::Policy;
use crate::base::address::{Address, Host, Scheme};
use crate::base::backoff;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::{Group, canonical, is_global};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::wire::hello::Capability;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// Addresses that turned out to be this node itself and are remembered as such (threat T23).
const SELVES_MAX: usize = 64;
/// Capabilities kept per point; a host may announce more.
const CAPABILITIES_KEPT: usize = 16;
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
    pub capabilities: Vec<Capability>,
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
}

impl Point {
    fn new(now: Time, at: SocketAddr, source: Source) -> Point {
        Point {
            at,
            peer: None,
            capabilities: Vec::new(),
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
        }
    }

    /// Configured by the operator: never evicted, never bad.
    pub fn is_fixed(&self) -> bool {
        self.is_persistent || self.is_seed
    }

    /// The address as it is shared.
    pub fn address(&self) -> Address {
        Address::of(self.at, self.peer)
    }

    /// No link and no dial uses it.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Candidate | State::Reconnecting)
    }

    /// A dial has shown that it is there, and nothing has shown otherwise since.
    pub fn is_healthy(&self, policy: &Policy) -> bool {
        self.proof == Proof::Dialed && self.attempts < policy.unhealthy_after && !matches!(self.state, State::Bad { .. })
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

/// All known addresses. Bounded by `Policy::points_max`; the fixed ones and those in use are never evicted.
#[derive(Debug, Default)]
pub struct Points {
    points: BTreeMap<SocketAddr, Point>,
    fixed: BTreeSet<SocketAddr>,
    /// Undialed points of each source group.
    by_source: BTreeMap<Group, usize>,
    /// Addresses that this node listens on or is dialed at.
    own: BTreeSet<SocketAddr>,
    selves: VecDeque<SocketAddr>,
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
        point.capabilities = offer.capabilities.iter().take(CAPABILITIES_KEPT).cloned().collect();
        self.insert(point);
        Intake::New
    }

    fn learn_more(&mut self, now: Time, at: SocketAddr, offer: &Offer<'_>) {
        self.change(at, |point| {
            point.last_heard = now;
            // Hearsay never overwrites what a better witness said: else anyone could rename a point and have it missed.
            if offer.proof > point.proof || point.peer.is_none() {
                point.peer = offer.address.id.or(point.peer);
            }
            if !offer.capabilities.is_empty() && offer.proof >= point.proof {
                point.capabilities = offer.capabilities.iter().take(CAPABILITIES_KEPT).cloned().collect();
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
    fn make_room(&mut self, policy: &Policy) -> bool {
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
            point.peer = peer.or(point.peer);
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
            point.peer = Some(peer);
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

    fn insert(&mut self, point: Point) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table::Settings;
    use std::time::Duration;

    fn policy() -> Policy {
        let settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
        Policy { points_max: 64, points_per_source: 8, ..Policy::from(&settings.check().expect("valid")) }
    }

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    fn hear(points: &mut Points, text: &str, from: &str, policy: &Policy) -> Intake {
        offer(points, text, from, Proof::Heard, policy)
    }

    fn offer(points: &mut Points, text: &str, from: &str, proof: Proof, policy: &Policy) -> Intake {
        let source = Source::Group(Group::of(from.parse().expect("an address")));
        let intake =
            points.learn(Time::ZERO, &Offer { address: &address(text), capabilities: &[], source, proof }, policy);
        points.check_invariants(policy);
        intake
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().expect("a socket address")
    }

    #[test]
    fn addresses_that_nobody_could_dial_are_refused() {
        let (mut points, policy) = (Points::default(), policy());
        points.set_own([socket("8.8.8.8:9")]);
        points.note_self(socket("9.9.9.9:9"));
        for text in [
            "0.0.0.0:1",
            "255.255.255.255:1",
            "[::]:1",
            "224.0.0.1:1",
            "[ff02::1]:1",
            "10.0.0.1:1",
            "127.0.0.1:1",
            "169.254.0.1:1",
            "[fe80::1]:1",
            "seed.example:1",
            "mconn://8.8.4.4:1",
            "8.8.8.8:9",
            "9.9.9.9:9",
        ] {
            assert_eq!(hear(&mut points, text, "1.1.1.1", &policy), Intake::Refused, "{text}");
        }
        assert_eq!(hear(&mut points, "[::ffff:8.8.4.4]:1", "1.1.1.1", &policy), Intake::New);
        assert_eq!(hear(&mut points, "8.8.4.4:1", "1.1.1.1", &policy), Intake::Known);
        let private = Policy { allow_private: true, ..policy };
        assert_eq!(hear(&mut points, "10.0.0.1:1", "1.1.1.1", &private), Intake::New);
    }

    #[test]
    fn a_host_and_a_source_have_their_share_and_no_more() {
        let (mut points, policy) = (Points::default(), policy());
        let new = |points: &mut Points, texts: Vec<String>, from: &str| {
            texts.iter().filter(|text| hear(points, text, from, &policy) == Intake::New).count()
        };
        assert_eq!(new(&mut points, (1..100).map(|port| format!("8.8.8.8:{port}")).collect(), "1.1.1.1"), 3);
        assert_eq!(new(&mut points, (1..100).map(|n| format!("8.8.9.{n}:1")).collect(), "1.1.2.2"), 5, "1.1/16 is one source");
        assert_eq!(new(&mut points, (1..100).map(|n| format!("8.8.10.{n}:1")).collect(), "1.2.1.1"), 8);
        points.prove(Time::ZERO, socket("8.8.10.1:1"), PeerId::from_bytes([1; 32]));
        assert_eq!(new(&mut points, vec!["8.8.11.1:1".into(), "8.8.11.2:1".into()], "1.2.1.1"), 1, "a proven one counts no more");
    }

    #[test]
    fn a_full_book_drops_the_worst_and_keeps_what_is_fixed_or_in_use() {
        let (mut points, policy) = (Points::default(), policy());
        let (fixed, used, proven) = (socket("9.1.1.1:1"), socket("9.2.2.2:1"), socket("9.3.3.3:1"));
        points.fix(Time::ZERO, fixed, None, false);
        points.dial(Time::ZERO, used, LinkId::from_u64(1), &policy);
        points.dial(Time::ZERO, proven, LinkId::from_u64(2), &policy);
        points.prove(Time::ZERO, proven, PeerId::from_bytes([1; 32]));
        points.rest(Time::ZERO, proven, End::Lost, &policy, &mut Rng::from_seed(1));
        for n in 0..2_000_u32 {
            let [_, _, a, b] = n.to_be_bytes();
            hear(&mut points, &format!("20.{a}.{b}.1:1"), &format!("30.{}.1.1", n % 200), &policy);
            assert!(points.len() <= 64);
        }
        for at in [fixed, used, proven] {
            assert!(points.get(at).is_some(), "{at}");
        }
    }

    #[test]
    fn sixteen_failures_make_an_address_bad_and_a_day_reinstates_it() {
        let (mut points, policy, mut rng) = (Points::default(), policy(), Rng::from_seed(1));
        let at = socket("8.8.8.8:1");
        let fixed = socket("8.8.4.4:1");
        hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
        points.fix(Time::ZERO, fixed, None, true);
        let mut now = Time::ZERO;
        for attempt in 1..=16_u32 {
            for at in [at, fixed] {
                points.dial(now, at, LinkId::from_u64(1), &policy);
                points.rest(now, at, End::Missed, &policy, &mut rng);
            }
            let point = points.get(at).expect("it is known");
            let least = Duration::from_secs(1 << attempt);
            assert!(point.next_dial >= now + least && point.next_dial <= now + least + Duration::from_secs(1));
            assert_eq!(matches!(point.state, State::Bad { .. }), attempt == 16);
            let fixed = points.get(fixed).expect("it is fixed");
            assert!(fixed.state == State::Reconnecting && fixed.next_dial <= now + policy.persistent_period_max);
            now = point.next_dial;
        }
        let end = points.get(at).map(|point| point.state);
        let Some(State::Bad { until }) = end else { panic!("{end:?}") };
        points.expire(until - Duration::from_nanos(1), &policy);
        assert!(matches!(points.get(at).map(|p| p.state), Some(State::Bad { .. })));
        points.expire(until, &policy);
        assert_eq!(points.get(at).map(|p| (p.state, p.attempts)), Some((State::Candidate, 0)));
    }

    #[test]
    fn refusals_delay_but_never_make_an_address_bad() {
        let (mut points, policy, mut rng) = (Points::default(), policy(), Rng::from_seed(1));
        let at = socket("8.8.8.8:1");
        hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
        for _ in 0..100 {
            points.rest(Time::ZERO, at, End::Refused, &policy, &mut rng);
        }
        let point = points.get(at).expect("it is known");
        assert!(point.state == State::Candidate && point.next_dial < Time::ZERO + Duration::from_secs(258));
        points.rest(Time::ZERO, at, End::Useless, &policy, &mut rng);
        assert!(matches!(points.get(at).map(|p| p.state), Some(State::Bad { .. })));
    }

    #[test]
    fn hearsay_never_renames_a_proven_address() {
        let (mut points, policy) = (Points::default(), policy());
        let (honest, liar) = ("ab".repeat(32), "cd".repeat(32));
        let at = socket("8.8.8.8:1");
        hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
        hear(&mut points, &format!("{liar}@8.8.8.8:1"), "1.1.1.1", &policy);
        assert_eq!(points.get(at).and_then(|p| p.peer), liar.parse().ok(), "better than nothing");
        offer(&mut points, &format!("{honest}@8.8.8.8:1"), "8.8.8.8", Proof::Host, &policy);
        hear(&mut points, &format!("{liar}@8.8.8.8:1"), "1.1.1.1", &policy);
        assert_eq!(points.get(at).and_then(|p| p.peer), honest.parse().ok());
        points.prove(Time::ZERO, at, liar.parse().expect("an id"));
        offer(&mut points, &format!("{honest}@8.8.8.8:1"), "8.8.8.8", Proof::Host, &policy);
        assert_eq!(points.get(at).and_then(|p| p.peer), liar.parse().ok(), "what a dial saw stands");
    }

    #[test]
    fn old_hearsay_is_forgotten_and_a_crowded_source_loses_its_fruitless_ones() {
        let (mut points, policy, mut rng) = (Points::default(), policy(), Rng::from_seed(1));
        for n in 0..8 {
            hear(&mut points, &format!("8.8.8.{n}:1"), "1.1.1.1", &policy);
        }
        let at = socket("8.8.8.0:1");
        for _ in 0..3 {
            points.rest(Time::ZERO, at, End::Missed, &policy, &mut rng);
        }
        points.expire(Time::ZERO, &policy);
        assert!(points.get(at).is_none() && points.len() == 7);
        points.expire(Time::ZERO + policy.point_forgotten_after, &policy);
        assert!(points.is_empty());
        points.check_invariants(&policy);
    }

    #[test]
    fn an_own_address_is_forgotten_at_once() {
        let (mut points, policy) = (Points::default(), policy());
        hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
        points.set_own([socket("8.8.8.8:1")]);
        assert!(points.is_empty() && points.is_self(socket("8.8.8.8:1")));
        for port in 1..200 {
            points.note_self(SocketAddr::from(([9, 9, 9, 9], port)));
        }
        assert!(points.is_self(socket("9.9.9.9:199")) && !points.is_self(socket("9.9.9.9:1")));
    }
}
