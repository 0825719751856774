//! The pool's verbs together: whatever happens in whatever order, no place is lost and no bound is passed.

use super::points::State;
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy, small};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::verdict::Verdict;
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn a_ban_names_the_links_that_must_close() {
    let mut bench = Bench::new(policy());
    let (one, two) = (bench.inbound(1), bench.outbound(2));
    let third = bench.inbound(3);
    assert_eq!(bench.pool.ban(bench.now, Subject::Peer(peer(1)), None, ""), Ok(vec![one]));
    let net = "10.2.0.0/16".parse().expect("a prefix");
    assert_eq!(bench.pool.ban(bench.now, net, None, ""), Ok(vec![two]));
    assert_eq!(bench.pool.peers(bench.now).iter().map(|info| info.link).collect::<Vec<_>>(), [third]);
    let link = bench.arrive(4).expect("may come");
    assert_eq!(bench.introduce(link, 1), Verdict::refuse(CloseReason::Banned));
}

#[test]
fn a_name_that_always_resolves_elsewhere_does_not_fill_the_book() {
    let mut bench = Bench::new(Policy { points_max: 16, ..policy() });
    for number in 1..=200 {
        assert!(bench.pool.fix(bench.now, at(number), None, false), "the operator's own has its place");
        assert!(bench.pool.points().len() <= 17, "{} addresses", bench.pool.points().len());
        bench.pool.points_mut().unfix(at(number), false);
    }
}

/// One step of somebody: what happens to which link or node.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0..12_u8, 0..12_u8, any::<u8>()), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn places_return_to_none_and_bounds_hold_whatever_happens(steps in steps()) {
        let policy = Policy { trusted_extra: 2, ..small() };
        let mut bench = Bench::new(policy.clone());
        bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(11)), None).expect("not banned");
        bench.pool.fix(bench.now, at(10), Some(peer(10)), true);
        let mut links: Vec<LinkId> = Vec::new();
        for (what, number, which) in steps {
            let link = links.get(which as usize % links.len().max(1)).copied().unwrap_or(LinkId::NONE);
            match what {
                0 | 1 => links.extend(bench.arrive(number)),
                2 => links.extend(bench.dial(number, Purpose::Wanted)),
                3 => links.extend(bench.dial(number, if number < 9 { Purpose::Wanted } else { Purpose::Persistent })),
                4 | 5 => drop(bench.pool.recognise(bench.now, link, peer(number))),
                6 | 7 => drop(bench.introduce(link, number)),
                8 => drop(bench.pool.open(bench.now, link)),
                9 => drop(bench.close(link, CloseReason::ALL[which as usize % CloseReason::ALL.len()])),
                10 => drop(bench.pool.doom(bench.now, link, CloseReason::Evicted)),
                _ => bench.now = bench.now + Duration::from_millis(u64::from(which) * 40),
            }
            let counts = bench.pool.counts();
            prop_assert!(counts.links_and_dialing() <= 7 + counts.extra() && counts.extra() <= 2);
            prop_assert!(counts.ordinary_inbound() <= 4 && counts.ordinary_outbound() <= 3);
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
