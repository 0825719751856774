//! Who keeps a place at the inbound limit: a test for each protected class, and what an attacker gets who tries.

use super::policy::Policy;
use super::slots::Use;
use super::testbed::{Bench, at, policy};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::quota::RoleQuota;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::subject::Subject;
use crate::base::verdict::Verdict;
use crate::settings::check::Bounds;
use crate::wire::hello::{Capability, Hello};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

fn places(inbound: u32) -> Policy {
    let bounds = Bounds { max: inbound + 10, outbound_max: 10, max_threshold: inbound + 10, ..policy().bounds };
    Policy { bounds, inbound_per_group: 1_000, inbound_per_ip: 1_000, ..policy() }
}

struct House {
    bench: Bench,
    next: u64,
}

impl House {
    /// With so many places for inbound links.
    fn new(inbound: u32) -> House {
        House { bench: Bench::new(places(inbound)), next: 0 }
    }

    fn wait(&mut self, seconds: u64) {
        self.bench.now = self.bench.now + Duration::from_secs(seconds);
    }

    /// A stranger comes from there. Gives its link, and who had to go for it; or nothing, if it was refused.
    fn come(&mut self, from: [u8; 4], capability: Option<&str>) -> Option<(LinkId, Option<LinkId>)> {
        self.next += 1;
        let mut id = [0xee; 32];
        id[..8].copy_from_slice(&self.next.to_be_bytes());
        let (peer, link) = (PeerId::from_bytes(id), self.bench.ids.next());
        let capabilities = capability.map(|name| Capability { name: name.to_owned(), value: 0 }).into_iter().collect();
        let hello = Arc::new(Hello { capabilities, ..Hello::default() });
        let from = SocketAddr::new(IpAddr::from(from), 50_000);
        let Bench { pool, rng, now, .. } = &mut self.bench;
        pool.claim_arrival(*now, link, from).expect("may come");
        let introduction = pool.introduce(*now, link, peer, &hello, rng);
        let gone: Vec<LinkId> = introduction.close.iter().map(|(link, _)| *link).collect();
        assert!(introduction.close.iter().all(|(_, reason)| *reason == CloseReason::Evicted) && gone.len() <= 1);
        for link in &gone {
            pool.close(*now, *link, CloseReason::Evicted, None, &[], rng);
        }
        if let Verdict::Refuse { motive, .. } = introduction.verdict {
            assert_eq!((motive, gone.len()), (CloseReason::TooManyLinks, 0));
            pool.close(*now, link, motive, None, &[], rng);
            return None;
        }
        pool.open(*now, link).expect("admitted");
        Some((link, gone.first().copied()))
    }

    /// Fills places with links of as many groups, one a second.
    fn fill(&mut self, count: u8) -> Vec<LinkId> {
        let one = |house: &mut House, number: u8| {
            house.wait(1);
            let (link, gone) = house.come([20, number, 0, 1], None).expect("there is room");
            assert_eq!(gone, None);
            link
        };
        (0..count).map(|number| one(self, number)).collect()
    }

    /// Newcomers, each from a group of its own, until nobody more goes for them. Gives those who had to.
    fn press(&mut self) -> BTreeSet<LinkId> {
        let mut gone = BTreeSet::new();
        for number in 0..200 {
            match self.come([30, number, 0, 1], None) {
                Some((_, Some(link))) => drop(gone.insert(link)),
                Some((_, None)) => {}
                None => break,
            }
        }
        gone
    }
}

#[test]
fn the_young_are_not_let_go_so_that_places_change_hands_slowly() {
    let mut house = House::new(60);
    house.fill(60);
    // Sixty seconds after it came, the first may go; one place a second from then on, and the newcomers themselves are young.
    let mut taken = 0;
    for _ in 0..10 {
        house.wait(1);
        taken += house.press().len();
    }
    assert!(taken <= 10, "{taken}");
    house.wait(60);
    assert!(!house.press().is_empty());
}

#[test]
fn few_links_are_all_protected_and_newcomers_are_refused() {
    let mut house = House::new(4);
    house.fill(4);
    house.wait(3_600);
    assert_eq!(house.come([30, 1, 0, 1], None), None, "each is the oldest of one of four groups");
}

#[test]
fn groups_keep_their_oldest_by_a_secret_order() {
    // All but the class under test are without any merit, and of no age: all came at once.
    let kept = |seed: u64| -> BTreeSet<LinkId> {
        let mut house = House::new(40);
        house.bench.rng = Rng::from_seed(seed);
        let links: BTreeSet<LinkId> = (0..40).map(|n| house.come([20, n, 0, 1], None).expect("there is room").0).collect();
        house.wait(61);
        let gone = house.press();
        links.difference(&gone).copied().collect()
    };
    let (one, other) = (kept(1), kept(2));
    assert!(one.len() >= 4 && other.len() >= 4);
    assert_ne!(one, other, "nobody outside can foresee it");
    assert_eq!(one, kept(1));
}

/// Gives merits to some of the youngest, and sees that they outlive all pressure which the oldest half does not.
fn keeps(count: usize, merit: impl Fn(&mut House, LinkId, usize)) {
    let mut house = House::new(100);
    let links = house.fill(100);
    let young: Vec<LinkId> = links.iter().rev().take(count).copied().collect();
    for (place, link) in young.iter().enumerate() {
        merit(&mut house, *link, place);
    }
    house.wait(3_600);
    let gone = house.press();
    assert!(gone.len() > 30, "{} had to go", gone.len());
    assert!(young.iter().all(|link| !gone.contains(link)), "{young:?} of {gone:?}");
}

#[test]
fn the_nearest_stay() {
    keeps(8, |house, link, place| {
        let (now, near) = (house.bench.now, Duration::from_millis(1 + place as u64));
        house.bench.pool.note_measure(now, link, Some(near), 0);
        // A slow answer later takes nothing away.
        house.bench.pool.note_measure(now, link, Some(Duration::from_secs(9)), 0);
    });
}

#[test]
fn those_that_the_application_finds_useful_stay() {
    keeps(4, |house, link, place| {
        house.wait(place as u64);
        let now = house.bench.now;
        assert!(house.bench.pool.note_use(now, link, Use::Verdict));
    });
    keeps(4, |house, link, _| {
        let (now, slot) = (house.bench.now, house.bench.pool.slots().get(link).expect("open"));
        let peer = slot.peer.expect("introduced");
        assert_eq!(house.bench.pool.report(now, peer, 1, "a block"), None);
    });
}

#[test]
fn those_that_send_messages_stay() {
    keeps(4, |house, link, place| {
        let now = house.bench.now;
        house.bench.pool.note_measure(now, link, None, 5 + place as u64);
    });
}

#[test]
fn one_way_of_being_useful_takes_no_place_of_the_other() {
    let mut house = House::new(60);
    let links = house.fill(60);
    let (talkers, one) = (&links[20..59], links[59]);
    house.wait(10);
    let now = house.bench.now;
    house.bench.pool.note_use(now, one, Use::Verdict);
    for link in talkers {
        house.bench.pool.note_measure(now + Duration::from_secs(1), *link, None, 1_000);
    }
    house.wait(3_600);
    assert!(!house.press().contains(&one), "it was of use, though long ago");
}

#[test]
fn bad_scores_go_first_and_no_newcomer_crowds_a_group() {
    let mut house = House::new(80);
    let links = house.fill(80);
    // Neither the youngest nor in the largest group, but of the younger half.
    let bad = links[70];
    let peer = house.bench.pool.slots().get(bad).and_then(|slot| slot.peer).expect("introduced");
    house.bench.pool.report(house.bench.now, peer, -50, "lies");
    house.wait(3_600);
    let mut policy = house.bench.pool.policy().clone();
    policy.allow_private = false;
    policy.inbound_per_group = 1;
    house.bench.pool.set_policy(policy);
    assert_eq!(house.come([20, 3, 0, 9], None), None, "its group has all that it may have");
    let (_, gone) = house.come([30, 1, 0, 1], None).expect("somebody goes");
    assert!(gone == Some(bad), "{gone:?}");
}

#[test]
fn the_youngest_of_the_largest_group_goes() {
    let mut house = House::new(100);
    let honest = house.fill(60);
    let mut crowd = Vec::new();
    for number in 0..40 {
        house.wait(1);
        crowd.push(house.come([66, 6, 1, number], None).expect("there is room").0);
    }
    house.wait(61);
    let gone: Vec<LinkId> = (0..10).filter_map(|number| house.come([30, number, 0, 1], None)?.1).collect();
    let youngest: Vec<LinkId> = crowd.iter().rev().take(10).copied().collect();
    assert_eq!(gone, youngest);
    assert!(honest.iter().all(|link| house.bench.pool.slots().get(*link).is_some()));
}

/// Whoever holds one network only, and does there whatever he likes, puts out nobody but himself.
#[test]
fn an_attacker_with_one_group_evicts_only_itself() {
    let mut house = House::new(100);
    let honest: BTreeSet<LinkId> = house.fill(60).into_iter().collect();
    house.wait(600);
    let mut own = Vec::new();
    let mut evicted = BTreeSet::new();
    for round in 0..600_u32 {
        house.wait(5);
        let [.., b, c] = round.to_be_bytes();
        let Some((link, gone)) = house.come([66, 6, b, c], None) else { continue };
        // Near, and talkative: the best that a machine can be.
        let now = house.bench.now;
        house.bench.pool.note_measure(now, link, Some(Duration::from_micros(50)), 1_000);
        own.push(link);
        evicted.extend(gone);
    }
    assert!(evicted.len() > 300, "{} had to go", evicted.len());
    let lost = evicted.intersection(&honest).count();
    assert_eq!(lost, 0, "{lost} honest links of 60");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Merit {
    None,
    Trusted,
    Persistent,
    Needed,
    Outbound,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever else is so, nobody goes who is trusted or persistent, whom a quota needs, or whom this node has dialed.
    #[test]
    fn nobody_goes_who_is_trusted_needed_or_was_dialed(
        merits in prop::collection::vec((0..6_u8, 0..8_u8, 0..200_u64), 4..24),
        presses in 1..40_u8,
        seed: u64,
    ) {
        let mut house = House::new(24);
        house.bench.rng = Rng::from_seed(seed);
        let mut policy = house.bench.pool.policy().clone();
        let needed = merits.iter().filter(|(merit, ..)| *merit == 3).count() as u32;
        policy.roles = if needed == 0 { Vec::new() } else { vec![format!("archive={needed}").parse::<RoleQuota>().expect("a quota")] };
        house.bench.pool.set_policy(policy);
        let mut kept: BTreeMap<LinkId, Merit> = BTreeMap::new();
        let mut dialed = 0;
        for (number, (merit, group, pause)) in merits.into_iter().enumerate() {
            house.wait(pause);
            let from = [20, group, 0, number as u8];
            let merit = [Merit::None, Merit::Trusted, Merit::Persistent, Merit::Needed, Merit::Outbound, Merit::None][usize::from(merit)];
            let now = house.bench.now;
            let link = match merit {
                Merit::Outbound if dialed < 8 => {
                    dialed += 1;
                    house.bench.outbound(200 + dialed)
                }
                Merit::Needed => house.come(from, Some("archive")).expect("there is room").0,
                _ => house.come(from, None).expect("there is room").0,
            };
            let peer = house.bench.pool.slots().get(link).and_then(|slot| slot.peer).expect("introduced");
            match merit {
                Merit::Trusted => house.bench.pool.lists_mut().trust(now, Subject::Peer(peer), None).expect("not banned"),
                Merit::Persistent => drop(house.bench.pool.fix(now, at(100 + number as u8), Some(peer), true)),
                _ => {}
            }
            kept.insert(link, merit);
        }
        for number in 0..presses {
            house.wait(30);
            let Some((_, Some(gone))) = house.come([30, number % 5, 1, number], None) else { continue };
            let merit = kept.get(&gone).copied().unwrap_or(Merit::None);
            let was_dialed = merit == Merit::Outbound && house.bench.pool.counts().outbound < usize::from(dialed);
            prop_assert!(merit == Merit::None || merit == Merit::Outbound && !was_dialed, "{gone} was {merit:?}");
        }
        prop_assert_eq!(house.bench.pool.counts().outbound, usize::from(dialed));
        let archives = house.bench.pool.slots().iter().filter(|slot| slot.hello.as_ref().is_some_and(|hello| hello.has("archive"))).count();
        prop_assert_eq!(archives as u32, needed);
        prop_assert!(house.bench.pool.counts().inbound <= 24);
    }
}

#[test]
fn who_is_gone_already_is_measured_in_vain() {
    let mut house = House::new(4);
    let link = house.fill(1)[0];
    let now = house.bench.now;
    house.bench.close(link, CloseReason::Requested);
    house.bench.pool.note_measure(now, link, Some(Duration::from_millis(1)), 1);
    assert!(!house.bench.pool.note_use(now, link, Use::Messages));
    assert!(house.bench.pool.slots().get(link).is_none());
}
