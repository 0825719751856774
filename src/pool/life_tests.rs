//! Whatever happens to known addresses, their states move along the edges that `docs/architecture.md` draws, and by the verbs that it names.

use super::pages::StateKind;
use super::points::{Offer, Proof, Source, State};
use super::policy::Policy;
use super::slots::{Phase, Purpose};
use super::testbed::{Bench, at, peer, small};
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// From where to where, by which verb; `None` is an address that is not known.
type Edge = (Option<StateKind>, Option<StateKind>, String);
/// What is done, to which address or peer, and which of many: of the links by the low byte, of the reasons by the high one.
type Step = (u8, u8, u16);

const VERBS: u8 = 18;
const NUMBERS: u8 = 7;
/// The node itself: who dials an address of its own meets it.
const SELF: u8 = 100;

fn kind(text: &str) -> Option<StateKind> {
    match text {
        "unknown" => None,
        "Candidate" => Some(StateKind::Candidate),
        "Dialing" => Some(StateKind::Dialing),
        "Reconnecting" => Some(StateKind::Reconnecting),
        "Connected" => Some(StateKind::Connected),
        "Bad" => Some(StateKind::Bad),
        other => panic!("'{other}' is no state"),
    }
}

/// The edges of the manual's table.
fn drawn() -> BTreeSet<Edge> {
    let manual = include_str!("../../docs/architecture.md");
    let (_, section) = manual.split_once("## The life of a known address\n").expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let rows = section.lines().filter(|line| line.starts_with("| `") || line.starts_with("| unknown"));
    let mut edges = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (from, to) = (kind(cells[0].trim_matches('`')), kind(cells[1].trim_matches('`')));
        for verb in cells[2].split(", ") {
            edges.insert((from, to, verb.trim_matches('`').to_owned()));
        }
    }
    edges
}

struct Walk {
    bench: Bench,
    policy: Policy,
    links: Vec<LinkId>,
    walked: BTreeSet<Edge>,
}

impl Walk {
    fn new(attempts_max: u32) -> Walk {
        let bad_period = Duration::from_secs(20);
        let policy = Policy { points_max: 8, attempts_max, bad_period, trusted_extra: 2, ..small() };
        Walk { bench: Bench::new(policy.clone()), policy, links: Vec::new(), walked: BTreeSet::new() }
    }

    fn states(&self) -> BTreeMap<SocketAddr, StateKind> {
        self.bench.pool.points().iter().map(|point| (point.at, point.state.kind())).collect()
    }

    /// One verb, and the edges that it has walked.
    fn step(&mut self, step: Step) {
        let before = self.states();
        let verb = self.act(step);
        let after = self.states();
        for at in before.keys().chain(after.keys()) {
            let (from, to) = (before.get(at).copied(), after.get(at).copied());
            if from != to {
                self.walked.insert((from, to, verb.to_owned()));
            }
        }
        for point in self.bench.pool.points().iter() {
            let (State::Dialing(link) | State::Connected(link)) = point.state else { continue };
            let slot = self.bench.pool.slots().get(link).expect("a state names a link that has its place");
            assert_eq!(slot.point, Some(point.at));
            assert!(!matches!(point.state, State::Connected(_)) || slot.phase == Phase::Open);
        }
    }

    fn act(&mut self, (what, number, which): Step) -> &'static str {
        let Walk { bench, policy, links, .. } = self;
        let [reason, which] = which.to_be_bytes();
        let link = links.get(usize::from(which) % links.len().max(1)).copied().unwrap_or(LinkId::NONE);
        let now = bench.now;
        match what {
            0 => {
                links.extend(bench.arrive(number));
                "claim_arrival"
            }
            1 | 2 => {
                let whys = [Purpose::Persistent, Purpose::Feeler, Purpose::Wanted, Purpose::Asked { tag: None }];
                let why = whys[usize::from(which) % whys.len()];
                links.extend(bench.dial(number, why));
                "claim_dial"
            }
            3 | 4 => {
                let who = if reason == 0 { SELF } else { number };
                bench.pool.recognise(now, link, peer(who));
                "recognise"
            }
            5 | 6 => {
                // Mostly who was recognised.
                let known = bench.pool.slots().get(link).and_then(|slot| slot.peer);
                bench.pool.introduce(now, link, known.unwrap_or(peer(number)), &Bench::hello(number), &mut bench.rng);
                "introduce"
            }
            7 | 8 => {
                bench.pool.open(now, link);
                "open"
            }
            9 | 10 => {
                let reason = CloseReason::ALL[usize::from(reason) % CloseReason::ALL.len()];
                let told = (number == 0).then_some(CloseReason::TooManyLinks);
                bench.pool.close(now, link, reason, told, &[Address::of(at(number), None)], &mut bench.rng);
                "close"
            }
            11 => {
                bench.pool.doom(now, link, CloseReason::Evicted);
                "doom"
            }
            12 => {
                bench.pool.fix(now, at(number), None, which % 2 == 0);
                "fix"
            }
            13 => {
                bench.pool.unfix(at(number), true);
                "unfix"
            }
            14 => {
                let address = Address::of(at(number), (which % 2 == 0).then_some(peer(number)));
                let source = Source::Group(policy.group(at(which).ip()));
                let offer = Offer { address: &address, capabilities: &[], source, proof: Proof::Heard };
                bench.pool.points_mut().learn(now, &offer, policy);
                "learn"
            }
            15 => {
                bench.pool.expire_points(now);
                "expire_points"
            }
            16 if which % 4 == 0 => {
                bench.pool.forget_point(at(number));
                "forget_point"
            }
            _ => {
                bench.now = now + Duration::from_millis(u64::from(which) * 40);
                "time"
            }
        }
    }
}

/// True for what any verb may do: a place in the book is needed, or was taken.
fn is_forgetting(edge: &Edge) -> bool {
    matches!(edge, (Some(StateKind::Candidate | StateKind::Bad), None, _))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_point_moves_only_along_the_drawn_edges(
        steps in proptest::collection::vec((0..VERBS, 0..NUMBERS, any::<u16>()), 1..200),
        attempts_max in 1..3_u32,
    ) {
        let mut walk = Walk::new(attempts_max);
        for step in steps {
            walk.step(step);
        }
        let others: Vec<Edge> = walk.walked.difference(&drawn()).filter(|edge| !is_forgetting(edge)).cloned().collect();
        prop_assert!(others.is_empty(), "{others:?}");
    }
}

/// A peer comes, and is admitted, from an address where a dial had met it; that is dialed again before the link opens. Then what follows.
fn beside_a_dial(attempts_max: u32, then: &[Step]) -> BTreeSet<Edge> {
    let mut walk = Walk::new(attempts_max);
    let before = [(1, 1, 3), (3, 1, 0x100), close(0, CloseReason::Duplicate), (0, 1, 0), (5, 1, 1), (1, 1, 3)];
    before.iter().chain(then).for_each(|step| walk.step(*step));
    walk.walked
}

/// The step that closes the n-th link for that reason.
fn close(nth: u8, reason: CloseReason) -> Step {
    let index = CloseReason::ALL.iter().position(|known| *known == reason).expect("all are there");
    (9, 1, u16::from_be_bytes([index as u8, nth]))
}

/// The step that closes the n-th link for that reason, as one that the peer has refused.
fn refused(nth: u8, reason: CloseReason) -> Step {
    let (what, _, which) = close(nth, reason);
    (what, 0, which)
}

/// Two uses of one address end while its peer has an open link: after the first it rests, or is bad; the second shows that it is connected.
fn twice_used(attempts_max: u32, is_fixed: bool) -> BTreeSet<Edge> {
    let mut walk = Walk::new(attempts_max);
    let steps = [
        (0, 5, 0),
        (0, 0, 0),
        (0, 0, 0),
        (1, 2, 0),
        (1, 2, 0),
        (1, 2, 0),
        (1, 4, 0),
        (0, 1, 0),
        (3, 4, 20_854),
        (5, 4, 953),
        (0, 3, 0),
        (1, 4, 0),
        (0, 1, 0),
        (0, 0, 0),
        refused(43, CloseReason::CreditExceeded),
        (0, 1, 0),
        (7, 0, 11_379),
        (0, 2, 0),
        (5, 0, 46_281),
        (0, 2, 0),
        (1, 0, 19_798),
        (1, 0, 0),
        (1, 0, 0),
        (0, 0, 0),
        (0, 0, 0),
        refused(214, CloseReason::PexTooOften),
    ];
    for (number, step) in steps.into_iter().enumerate() {
        if is_fixed && number == steps.len() - 1 {
            (0..NUMBERS).for_each(|number| walk.step((12, number, 0)));
        }
        walk.step(step);
    }
    walk.walked
}

#[test]
fn every_drawn_edge_is_walked() {
    let mut rng = Rng::from_seed(4);
    let in_vain = close(2, CloseReason::ConnectTimeout);
    let (open, doom, meet_self) = ((7, 1, 1), (11, 1, 1), (3, 1, 2));
    // What chance brings about too seldom.
    let mut walked = beside_a_dial(1, &[in_vain, open]);
    walked.extend(beside_a_dial(2, &[in_vain, open]));
    walked.extend(beside_a_dial(1, &[open, doom, in_vain]));
    walked.extend(beside_a_dial(1, &[open, close(1, CloseReason::Reset)]));
    walked.extend(beside_a_dial(1, &[open, meet_self]));
    walked.extend(beside_a_dial(1, &[open, close(2, CloseReason::OwnKey)]));
    for met in [[(1, 1, 2), close(0, CloseReason::OwnKey)], [(1, 1, 2), (3, 1, 0)], [(1, 1, 3), (3, 1, 0)]] {
        let mut walk = Walk::new(1);
        met.into_iter().for_each(|step| walk.step(step));
        walked.extend(walk.walked);
    }
    for (attempts_max, is_fixed) in [(1, false), (2, false), (2, true)] {
        walked.extend(twice_used(attempts_max, is_fixed));
    }
    for round in 0..300 {
        let mut walk = Walk::new(1 + round % 2);
        for _ in 0..200 {
            let what = (rng.below(u64::from(VERBS)) as u8, rng.below(u64::from(NUMBERS)) as u8);
            walk.step((what.0, what.1, rng.below(1 << 16) as u16));
        }
        walked.extend(walk.walked);
    }
    let drawn = drawn();
    let missing: Vec<_> = drawn.difference(&walked).collect();
    assert!(missing.is_empty(), "drawn, and never walked: {missing:?}; walked: {walked:#?}");
}

/// Else whoever is there next could never be configured: nothing could take back what nobody says any more.
#[test]
fn who_must_be_at_an_address_is_said_as_long_as_it_is_configured() {
    let mut bench = Bench::new(small());
    let expected = |bench: &Bench| bench.pool.points().get(at(1)).map(|point| point.expected);
    let now = bench.now;
    bench.pool.fix(now, at(1), Some(peer(1)), true);
    bench.pool.fix(now, at(1), None, false);
    assert!(bench.pool.unfix(at(1), true));
    assert_eq!(expected(&bench), Some(Some(peer(1))), "it is a seed");
    assert!(bench.pool.unfix(at(1), false));
    assert_eq!(expected(&bench), Some(None));
}
