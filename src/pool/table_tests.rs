//! The pool's verbs together: whatever happens in whatever order, no place is lost and no bound is passed.

use super::choose::Candidates;
use super::lists::{Culprit, Subject};
use super::points::{Proof, State};
use super::policy::Policy;
use super::slots::{Counts, Purpose};
use super::table::{DialError, Pool};
use crate::base::address::Address;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::settings::check::Bounds;
use crate::settings::table::Settings;
use crate::wire::hello::Hello;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn policy() -> Policy {
    let settings = Settings {
        discovery_bootstrap: true,
        network_allow_private: true,
        accept_rate: 100_000,
        accept_ip_burst: 10_000,
        dial_rate: 10_000,
        ..Settings::new("test")
    };
    Policy::from(&settings.check().expect("valid"))
}

fn small() -> Policy {
    let bounds = Bounds {
        min: 1,
        min_threshold: 2,
        min_target: 3,
        expected: 4,
        max_target: 5,
        max_threshold: 6,
        max: 7,
        outbound_target: 2,
        outbound_max: 3,
    };
    Policy { bounds, half_open_max: 6, half_open_per_ip: 2, half_open_per_prefix: 3, dials_max: 2, ..policy() }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, number, 0, 1], 9_000))
}

struct Bench {
    pool: Pool,
    ids: LinkIds,
    rng: Rng,
    now: Time,
}

impl Bench {
    fn new(policy: Policy) -> Bench {
        let ids = LinkIds::default();
        Bench { pool: Pool::new(peer(100), policy, ids.clone()), ids, rng: Rng::from_seed(1), now: Time::ZERO }
    }

    fn hello(number: u8) -> Arc<Hello> {
        Arc::new(Hello { listen: vec![Address::of(at(number), None)], ..Hello::default() })
    }

    fn arrive(&mut self, number: u8) -> Result<LinkId, CloseReason> {
        let link = self.ids.next();
        let from = SocketAddr::new(at(number).ip(), 50_000);
        self.pool.claim_arrival(self.now, link, from).map(|_| link)
    }

    fn introduce(&mut self, link: LinkId, number: u8) -> Verdict {
        self.pool.introduce(self.now, link, peer(number), &Bench::hello(number), &mut self.rng).verdict
    }

    /// An open inbound link of that peer.
    fn inbound(&mut self, number: u8) -> LinkId {
        let link = self.arrive(number).expect("may come");
        assert_eq!(self.introduce(link, number), Verdict::Admit);
        assert!(self.pool.open(self.now, link).is_some());
        link
    }

    fn introduce_with(&mut self, link: LinkId, number: u8, versions: &[u32]) -> Verdict {
        let hello = Arc::new(Hello { application_versions: versions.to_vec(), ..Hello::default() });
        self.pool.introduce(self.now, link, peer(number), &hello, &mut self.rng).verdict
    }

    fn dial(&mut self, number: u8, why: Purpose) -> Result<LinkId, DialError> {
        self.pool.claim_dial(self.now, at(number), None, why)
    }

    /// An open outbound link with that peer.
    fn outbound(&mut self, number: u8) -> LinkId {
        let link = self.dial(number, Purpose::Wanted).expect("may dial");
        assert_eq!(self.pool.recognise(self.now, link, peer(number)), Verdict::Proceed);
        assert_eq!(self.introduce(link, number), Verdict::Admit);
        assert!(self.pool.open(self.now, link).is_some());
        link
    }

    fn close(&mut self, link: LinkId, reason: CloseReason) -> Option<Culprit> {
        self.pool.close(self.now, link, reason, None, &[], &mut self.rng).and_then(|closed| closed.greylisted)
    }

    fn state(&self, number: u8) -> Option<State> {
        self.pool.points().get(at(number)).map(|point| point.state)
    }

    fn candidates(&mut self, count: usize) -> Candidates {
        self.pool.whom_to_dial(self.now, count, &mut self.rng)
    }
}

#[test]
fn a_dial_that_fails_frees_its_place_and_its_address_waits() {
    let mut bench = Bench::new(policy());
    let link = bench.dial(1, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.state(1), Some(State::Dialing(link)));
    assert_eq!(bench.dial(1, Purpose::Wanted), Err(DialError::Exists(at(1), link)));
    assert_eq!(bench.close(link, CloseReason::ConnectionRefused), None);
    assert_eq!((bench.pool.counts(), bench.state(1)), (Counts::default(), Some(State::Candidate)));
    let candidates = bench.candidates(5);
    assert!(candidates.now.is_empty());
    assert_eq!(candidates.next_at, Some(bench.now + Duration::from_secs(60)), "not twice a minute");
}

#[test]
fn dials_stop_at_their_bounds_and_say_which() {
    let mut bench = Bench::new(small());
    bench.outbound(1);
    let first = bench.dial(2, Purpose::Wanted).expect("may dial");
    bench.dial(3, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.dial(4, Purpose::Wanted), Err(DialError::TooManyDials { dialing: 2, max: 2 }));
    bench.close(first, CloseReason::Reset);
    bench.outbound(5);
    assert_eq!(bench.dial(6, Purpose::Wanted), Err(DialError::NoPlace { taken: 3, max: 3 }));
    bench.pool.ban(bench.now, Subject::host(at(7).ip()), None).expect("there is room");
    assert_eq!(bench.dial(7, Purpose::Wanted), Err(DialError::Banned(at(7))));
    bench.pool.lists_mut().greylist(Culprit::Host(at(8).ip()), bench.now + Duration::from_secs(9));
    assert_eq!(bench.dial(8, Purpose::Wanted), Err(DialError::Greylisted(at(8))));
    bench.pool.set_own_addresses(vec![Address::of(at(9), None)]);
    assert_eq!(bench.dial(9, Purpose::Wanted), Err(DialError::OwnAddress(at(9))));
    bench.pool.stop();
    assert_eq!(bench.dial(10, Purpose::Wanted), Err(DialError::Stopping));
}

#[test]
fn only_the_operators_dials_may_be_faster_than_the_rate() {
    let mut bench = Bench::new(Policy { dial_rate: 1, ..policy() });
    bench.dial(1, Purpose::Wanted).expect("may dial");
    let next = bench.now + Duration::from_secs(1);
    assert_eq!(bench.dial(2, Purpose::Wanted), Err(DialError::TooFast(next)));
    assert!(bench.dial(3, Purpose::Asked { tag: Some(1) }).is_ok());
    bench.now = next;
    assert!(bench.dial(2, Purpose::Wanted).is_ok());
}

#[test]
fn inbound_links_never_take_the_places_of_outbound_ones() {
    let mut bench = Bench::new(small());
    for number in 1..=4 {
        bench.inbound(number);
    }
    let link = bench.arrive(5).expect("may come");
    let Verdict::Refuse { motive, alternatives } = bench.introduce(link, 5) else { panic!("seven less three places") };
    assert_eq!((motive, alternatives.len()), (CloseReason::TooManyLinks, 4), "it hears of those who are linked");
    bench.close(link, CloseReason::TooManyLinks);
    for number in 6..=8 {
        bench.outbound(number);
    }
    let counts = bench.pool.counts();
    assert_eq!((counts.inbound, counts.outbound, counts.half_open), (4, 3, 0));
}

#[test]
fn a_trusted_peer_gets_a_place_of_somebody_else() {
    let mut bench = Bench::new(small());
    let links: Vec<LinkId> = (1..=4).map(|number| bench.inbound(number)).collect();
    bench.pool.lists_mut().trust(Time::ZERO, Subject::Peer(peer(5)), None).expect("not banned");
    let link = bench.arrive(5).expect("may come");
    let introduction = bench.pool.introduce(bench.now, link, peer(5), &Bench::hello(5), &mut bench.rng);
    assert_eq!(introduction.verdict, Verdict::Admit);
    let [(evicted, CloseReason::Evicted)] = introduction.close[..] else { panic!("{introduction:?}") };
    assert!(links.contains(&evicted) && bench.pool.counts().inbound == 4);
}

#[test]
fn handshakes_are_limited_by_host_prefix_and_altogether() {
    let mut bench = Bench::new(small());
    let arrive = |bench: &mut Bench, text: &str| {
        let link = bench.ids.next();
        let from = text.parse().expect("a socket address");
        bench.pool.claim_arrival(bench.now, link, from).map(|evicted| (link, evicted))
    };
    let limit = Err(CloseReason::HalfOpenLimit);
    let (first, _) = arrive(&mut bench, "8.8.8.1:1").expect("room");
    arrive(&mut bench, "8.8.8.1:2").expect("room");
    assert_eq!(arrive(&mut bench, "8.8.8.1:3"), limit, "two of one host");
    arrive(&mut bench, "8.8.8.2:1").expect("room");
    assert_eq!(arrive(&mut bench, "8.8.8.3:1"), limit, "three of one /24");
    for text in ["9.9.9.1:1", "9.9.9.2:1", "7.7.7.1:1"] {
        arrive(&mut bench, text).expect("room");
    }
    let (_, evicted) = arrive(&mut bench, "6.6.6.6:1").expect("the crowd makes room");
    assert_eq!(evicted, Some(first), "the oldest of the most crowded prefix");
    assert_eq!(bench.pool.counts().half_open, 6);
}

#[test]
fn a_host_that_connects_too_often_leaves_room_for_others() {
    let mut bench = Bench::new(Policy { accept_ip_burst: 4, accept_rate: 50, ..policy() });
    let mut passed = 0;
    for _ in 0..1_000 {
        if let Ok(link) = bench.arrive(1) {
            passed += 1;
            bench.close(link, CloseReason::Truncated);
        }
    }
    assert_eq!(passed, 4);
    assert!(bench.arrive(2).is_ok());
    bench.pool.lists_mut().trust(Time::ZERO, Subject::host(at(1).ip()), None).expect("not banned");
    assert!(bench.arrive(1).is_ok(), "trust has no pace");
}

#[test]
fn only_proven_faults_are_greylisted() {
    use CloseReason::{BadHandshake, BadRecord, Garbage, Reset, WrongNetwork};
    let mut bench = Bench::new(policy());
    for (reason, is_grey) in [(BadRecord, true), (Reset, false), (WrongNetwork, false)] {
        let link = bench.inbound(1);
        let culprit = bench.close(link, reason);
        assert_eq!(culprit, is_grey.then_some(Culprit::Peer(peer(1))), "{reason:?}");
        bench.pool.lists_mut().flush_greylist();
    }
    let link = bench.arrive(2).expect("may come");
    assert_eq!(bench.pool.recognise(bench.now, link, peer(3)), Verdict::Proceed);
    assert_eq!(bench.close(link, Garbage), Some(Culprit::Host(at(2).ip())), "a claimed identity is blamed for nothing");
    let link = bench.dial(4, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.close(link, Garbage), None, "who knows who told us of that address");
    let link = bench.dial(5, Purpose::Wanted).expect("may dial");
    bench.pool.recognise(bench.now, link, peer(5));
    assert_eq!(bench.close(link, BadHandshake), None, "not authenticated yet");
    bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(6)), None).expect("not banned");
    let link = bench.inbound(6);
    assert_eq!(bench.close(link, BadRecord), None, "trusted");
}

#[test]
fn a_node_that_dials_itself_remembers_it() {
    let mut bench = Bench::new(policy());
    let link = bench.dial(1, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.pool.recognise(bench.now, link, peer(100)), Verdict::refuse(CloseReason::OwnKey));
    bench.close(link, CloseReason::OwnKey);
    assert_eq!(bench.dial(1, Purpose::Wanted), Err(DialError::OwnAddress(at(1))));
    let link = bench.arrive(1).expect("may come");
    assert_eq!(bench.pool.recognise(bench.now, link, peer(100)), Verdict::refuse(CloseReason::OwnKey));
}

#[test]
fn a_ban_names_the_links_that_must_close() {
    let mut bench = Bench::new(policy());
    let (one, two) = (bench.inbound(1), bench.outbound(2));
    let third = bench.inbound(3);
    assert_eq!(bench.pool.ban(bench.now, Subject::Peer(peer(1)), None), Ok(vec![one]));
    let net = "10.2.0.0/16".parse().expect("a prefix");
    assert_eq!(bench.pool.ban(bench.now, net, None), Ok(vec![two]));
    assert_eq!(bench.pool.peers(bench.now).iter().map(|info| info.link).collect::<Vec<_>>(), [third]);
    let link = bench.arrive(4).expect("may come");
    assert_eq!(bench.introduce(link, 1), Verdict::refuse(CloseReason::Banned));
}

#[test]
fn a_superfluous_dial_proves_the_address_of_the_link() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(1);
    assert!(bench.pool.healthy().is_empty(), "only claimed so far");
    assert_eq!(bench.pool.whom_to_feel(bench.now, &mut bench.rng).now, [at(1)]);
    let feeler = bench.dial(1, Purpose::Feeler).expect("may dial");
    assert_eq!(bench.pool.recognise(bench.now, feeler, peer(1)), Verdict::refuse(CloseReason::Duplicate));
    bench.close(feeler, CloseReason::Duplicate);
    assert_eq!(bench.pool.healthy(), [Address::of(at(1), Some(peer(1)))]);
    assert_eq!(bench.state(1), Some(State::Connected(link)));
    bench.close(link, CloseReason::Goodbye);
    assert_eq!(bench.state(1), Some(State::Candidate));
}

#[test]
fn a_dial_beside_an_open_link_does_not_disconnect_its_address() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(1);
    for _ in 0..2 {
        let dial = bench.dial(1, Purpose::Asked { tag: Some(0) }).expect("may dial");
        bench.pool.recognise(bench.now, dial, peer(1));
        bench.close(dial, CloseReason::Duplicate);
        assert_eq!(bench.state(1), Some(State::Connected(link)));
    }
    let dial = bench.dial(1, Purpose::Asked { tag: Some(0) }).expect("may dial");
    bench.close(dial, CloseReason::ConnectTimeout);
    assert_eq!(bench.state(1), Some(State::Connected(link)));
    bench.close(link, CloseReason::Reset);
    assert_eq!(bench.state(1), Some(State::Candidate));
}

#[test]
fn a_link_that_was_given_up_leaves_its_address_to_the_next_dial() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(1);
    let again = |bench: &mut Bench| bench.dial(1, Purpose::Asked { tag: Some(0) });
    assert_eq!(again(&mut bench), Err(DialError::Exists(at(1), link)));
    assert!(bench.pool.doom(bench.now, link, CloseReason::Requested));
    let dial = again(&mut bench).expect("nothing is in the way");
    bench.close(link, CloseReason::Requested);
    assert_eq!(bench.state(1), Some(State::Dialing(dial)), "nobody takes it for idle");
    bench.close(dial, CloseReason::ConnectTimeout);
    assert_eq!(bench.state(1), Some(State::Candidate));
}

#[test]
fn a_claimed_address_elsewhere_is_hearsay_until_dialed() {
    let mut bench = Bench::new(policy());
    let link = bench.arrive(1).expect("may come");
    let hello = Arc::new(Hello { listen: vec![Address::of(at(2), None), Address::of(at(3), None)], ..Hello::default() });
    bench.pool.introduce(bench.now, link, peer(1), &hello, &mut bench.rng);
    bench.pool.open(bench.now, link);
    assert_eq!(bench.pool.points().get(at(2)).map(|point| point.proof), Some(Proof::Heard));
    assert!(bench.pool.whom_to_advertise(bench.now, &peer(9), &mut bench.rng).is_empty());
    let unspecified = Arc::new(Hello { listen: vec!["0.0.0.0:77".parse().expect("an address")], ..Hello::default() });
    let link = bench.arrive(4).expect("may come");
    bench.pool.introduce(bench.now, link, peer(4), &unspecified, &mut bench.rng);
    let seen = SocketAddr::new(at(4).ip(), 77);
    assert_eq!(bench.pool.points().get(seen).map(|point| point.proof), Some(Proof::Host));
}

#[test]
fn private_peers_askers_and_the_unproven_are_not_advertised() {
    let mut bench = Bench::new(policy());
    for number in 1..=3 {
        bench.outbound(number);
    }
    let private = bench.dial(4, Purpose::Wanted).expect("may dial");
    bench.pool.recognise(bench.now, private, peer(4));
    let hello = Arc::new(Hello { is_private: true, ..Hello::default() });
    bench.pool.introduce(bench.now, private, peer(4), &hello, &mut bench.rng);
    bench.pool.open(bench.now, private);
    let address = Address::of(at(5), None);
    bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(1));
    let told = bench.pool.whom_to_advertise(bench.now, &peer(1), &mut bench.rng);
    let told: BTreeSet<_> = told.into_iter().filter_map(|entry| entry.address.id).collect();
    assert_eq!(told, BTreeSet::from([peer(2), peer(3)]));
    assert!(!bench.pool.healthy().iter().any(|address| address.id == Some(peer(4))));
}

#[test]
fn answers_are_sticky_limited_and_show_newcomers() {
    let mut bench = Bench::new(Policy { points_max: 4_096, ..policy() });
    let prove = |bench: &mut Bench, number: u16| {
        let [a, b] = number.to_be_bytes();
        let at = SocketAddr::from(([11, a, b, 1], 1));
        let link = bench.pool.claim_dial(bench.now, at, None, Purpose::Asked { tag: Some(0) }).expect("may dial");
        let mut id = [7; 32];
        (id[0], id[1]) = (a, b);
        bench.pool.recognise(bench.now, link, PeerId::from_bytes(id));
        bench.close(link, CloseReason::TooManyLinks);
        at
    };
    bench.outbound(1);
    let asker = peer(1);
    for number in 0..200 {
        prove(&mut bench, number);
    }
    let ask = |bench: &mut Bench| -> Vec<SocketAddr> {
        let told = bench.pool.whom_to_advertise(bench.now, &asker, &mut bench.rng);
        told.iter().filter_map(|entry| entry.address.socket()).collect()
    };
    let draw = Some(super::peers::Selection { seed: 5, since: bench.now + Duration::from_secs(1) });
    bench.pool.known_mut().get_mut(&asker).expect("it is linked").selection = draw;
    let first = ask(&mut bench);
    assert_eq!(first.len(), 46, "23 % of 200");
    bench.now = bench.now + Duration::from_secs(60);
    assert_eq!(ask(&mut bench), first);
    let newcomer = prove(&mut bench, 999);
    let told = ask(&mut bench);
    assert!(told.contains(&newcomer) && told.len() == 46);
    assert!(told.iter().filter(|at| first.contains(at)).count() >= 45);
    for number in 1_000..2_000 {
        prove(&mut bench, number);
    }
    assert_eq!(ask(&mut bench).len(), 100);
}

#[test]
fn dials_spread_over_groups() {
    let mut bench = Bench::new(policy());
    let learn = |bench: &mut Bench, text: &str, from: SocketAddr| {
        let address: Address = text.parse().expect("an address");
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), from);
    };
    for n in 1..=50 {
        learn(&mut bench, &format!("20.1.0.{n}:1"), at(1));
    }
    for n in 1..=5 {
        learn(&mut bench, &format!("20.{}.0.1:1", n + 1), at(1));
    }
    let groups: BTreeSet<_> = bench.candidates(6).now.iter().map(|at| crate::base::point::Group::of(at.ip())).collect();
    assert_eq!(groups.len(), 6, "one of each, however many addresses one group has");
    assert_eq!(bench.candidates(100).now.len(), 55);
}

#[test]
fn the_bias_goes_from_old_addresses_to_new_ones() {
    let mut bench = Bench::new(policy());
    for number in 1..=40 {
        let link = bench.dial(number, Purpose::Wanted).expect("may dial");
        bench.pool.recognise(bench.now, link, peer(number));
        bench.close(link, CloseReason::Reset);
    }
    for number in 41..=80 {
        let address = Address::of(at(number), None);
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(1));
    }
    bench.now = bench.now + Duration::from_secs(1_000);
    let share_of_new = |bench: &mut Bench| {
        let mut new = 0;
        for _ in 0..400 {
            let picked = bench.candidates(1).now;
            new += usize::from(picked.first().is_some_and(|at| at.ip() >= self::at(41).ip()));
        }
        new / 4
    };
    let shy = share_of_new(&mut bench);
    assert!((2..20).contains(&shy), "10 % are new without links, not {shy} %");
    for number in 200..=208 {
        bench.outbound(number);
    }
    let bold = share_of_new(&mut bench);
    assert!((80..98).contains(&bold), "90 % are new with eight links, not {bold} %");
}

#[test]
fn a_name_that_always_resolves_elsewhere_does_not_fill_the_book() {
    let mut bench = Bench::new(Policy { points_max: 16, ..policy() });
    for number in 1..=200 {
        assert!(bench.pool.fix(bench.now, at(number), None, false), "the operator's own has its place");
        assert!(bench.pool.points().len() <= 17, "{} addresses", bench.pool.points().len());
        bench.pool.points_mut().unfix(at(number));
    }
}

#[test]
fn protected_links_and_needed_outbound_ones_are_not_dropped() {
    let mut bench = Bench::new(policy());
    let inbound: Vec<LinkId> = (1..=5).map(|number| bench.inbound(number)).collect();
    bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(1)), None).expect("not banned");
    bench.pool.fix(bench.now, at(2), Some(peer(2)), true);
    for number in 11..=22 {
        bench.outbound(number);
    }
    let dropped = bench.pool.whom_to_drop(bench.now, 100, None, &mut bench.rng);
    let (inbound_dropped, outbound_dropped): (Vec<LinkId>, Vec<LinkId>) =
        dropped.iter().copied().partition(|link| inbound.contains(link));
    assert_eq!((inbound_dropped.len(), outbound_dropped.len()), (3, 2), "twelve outbound less ten");
    assert!(!dropped.contains(&inbound[0]) && !dropped.contains(&inbound[1]));
    assert_eq!(bench.pool.whom_to_drop(bench.now, 2, Some(Direction::Inbound), &mut bench.rng).len(), 2);
}

/// One step of somebody: what happens to which link or node.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0..12_u8, 0..12_u8, any::<u8>()), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn places_return_to_none_and_bounds_hold_whatever_happens(steps in steps()) {
        let policy = small();
        let mut bench = Bench::new(policy.clone());
        let mut links: Vec<LinkId> = Vec::new();
        for (what, number, which) in steps {
            let link = links.get(which as usize % links.len().max(1)).copied().unwrap_or(LinkId::NONE);
            match what {
                0 | 1 => links.extend(bench.arrive(number)),
                2 | 3 => links.extend(bench.dial(number, Purpose::Wanted)),
                4 | 5 => drop(bench.pool.recognise(bench.now, link, peer(number))),
                6 | 7 => drop(bench.introduce(link, number)),
                8 => drop(bench.pool.open(bench.now, link)),
                9 => drop(bench.close(link, CloseReason::ALL[which as usize % CloseReason::ALL.len()])),
                10 => drop(bench.pool.doom(bench.now, link, CloseReason::Evicted)),
                _ => bench.now = bench.now + Duration::from_millis(u64::from(which) * 40),
            }
            let counts = bench.pool.counts();
            prop_assert!(counts.links_and_dialing() <= 7 && counts.inbound <= 4 && counts.outbound_and_dialing() <= 3);
            prop_assert!(counts.half_open <= 6 && counts.dialing <= 2);
            bench.pool.points().check_invariants(&policy);
        }
        // Every link ends, some by their report, the others by their deadline.
        for (i, link) in links.into_iter().enumerate() {
            if i % 2 == 0 || bench.pool.slots().get(link).is_some_and(|slot| slot.is_open()) {
                bench.close(link, CloseReason::Reset);
            }
        }
        bench.now = bench.now + Duration::from_secs(60);
        for link in bench.pool.slots().overdue(bench.now) {
            bench.close(link, CloseReason::HandshakeTimeout);
        }
        prop_assert!(bench.pool.slots().is_empty());
        prop_assert!(bench.pool.points().iter().all(|point| !matches!(point.state, State::Dialing(_) | State::Connected(_))));
        prop_assert!((0..12).all(|number| bench.pool.known().get(&peer(number)).is_none_or(|known| known.links == 0)));
    }
}

#[test]
fn who_shares_no_version_is_refused_where_one_is_required() {
    for is_version_required in [true, false] {
        let mut bench = Bench::new(Policy { is_version_required, ..policy() });
        bench.pool.set_own_versions(vec![2, 3]);
        let (near, far) = (bench.arrive(1).expect("may come"), bench.arrive(2).expect("may come"));
        assert_eq!(bench.introduce_with(near, 1, &[1, 2]), Verdict::Admit);
        let expected = if is_version_required { Verdict::refuse(CloseReason::NoCommonVersion) } else { Verdict::Admit };
        assert_eq!(bench.introduce_with(far, 2, &[1]), expected);
        assert_eq!(bench.close(far, CloseReason::NoCommonVersion), None, "it is no culprit");
    }
}
