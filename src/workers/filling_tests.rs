//! Filling up: how many are dialed, which dials are counted on, and for whom places are left.

use super::machine::Machine;
use super::testbed::{at, ms, peer, policy};
use super::upkeep::{Bench, busy, dials};
use crate::base::address::Address;
use crate::pool::policy::Policy;
use crate::pool::slots::Purpose;
use crate::settings::check::Bounds;
use std::net::SocketAddr;

#[test]
fn what_is_missing_is_dialed_in_parallel_up_to_the_target() {
    let mut bench = Bench::new(Policy { dials_max: 100, ..busy() }, &[], &[]);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 36, "min_target");
    assert!(dials(&bench.wake(ms(1))).is_empty(), "they are under way");
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 14, "of 16, dial.parallel_max");
    let mut bench = Bench::new(policy(), &[], &[]);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 10, "dial.rate");
    assert_eq!(bench.machine.deadline(), Some(ms(100)), "when the next dial may begin");
}

#[test]
fn with_too_few_links_dials_that_nobody_answers_are_not_counted_on() {
    let policy = busy();
    let bounds = Bounds { min: 6, min_threshold: 7, min_target: 8, max_target: 22, outbound_target: 5, ..policy.bounds };
    let mut bench = Bench::new(Policy { bounds, ..policy }, &[], &[]);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 8, "min_target");
    assert_eq!(bench.machine.deadline(), Some(ms(3_000)), "when somebody should have answered");
    assert!(dials(&bench.wake(ms(2_999))).is_empty());
    assert_eq!(dials(&bench.wake(ms(3_000))).len(), 6, "as many again, as far as dial.parallel_max allows");
    assert!(dials(&bench.wake(ms(5_999))).is_empty(), "they are under way");
    // With as many links as there must be, all count that are under way.
    let mut bench = Bench::new(Policy { bounds, ..busy() }, &[], &[]);
    bench.inbound(ms(0), 100..106);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 5, "outbound_target");
    assert!(dials(&bench.wake(ms(3_000))).is_empty());
}

#[test]
fn who_has_answered_is_counted_on_however_long_it_takes() {
    let bounds = Bounds { min: 6, min_threshold: 7, min_target: 8, max_target: 22, outbound_target: 5, ..policy().bounds };
    let mut bench = Bench::new(Policy { bounds, ..busy() }, &[], &[]);
    bench.learn(1..61);
    let first = dials(&bench.wake(ms(0)));
    for (number, (link, _)) in first.iter().enumerate().take(5) {
        bench.pool.recognise(ms(1_000), *link, peer(100 + number));
    }
    assert_eq!(dials(&bench.wake(ms(3_000))).len(), 3, "for the three that nobody answers");
}

#[test]
fn a_seed_is_not_left_alone_for_dials_that_nobody_answers() {
    let seeds = [250, 251].map(|number| Address::of(at(number), None));
    for has_answer in [false, true] {
        let mut bench = Bench::new(busy(), &[], &seeds);
        bench.learn(1..4);
        let first = bench.dials(ms(0));
        assert_eq!(first.len(), 3, "all that are known, and no seed");
        if has_answer {
            bench.pool.recognise(ms(1_000), first[0].0, peer(100));
        }
        assert!(bench.dials(ms(2_999)).is_empty(), "somebody may answer yet");
        let to_seeds = bench.dials(ms(3_000)).into_iter().filter(|(_, to)| [at(250), at(251)].contains(to)).count();
        assert_eq!(to_seeds, usize::from(!has_answer), "has_answer: {has_answer}");
        // That one is waited for in its turn.
        assert!(bench.dials(ms(5_999)).is_empty());
        assert_eq!(bench.dials(ms(6_000)).len(), usize::from(!has_answer), "has_answer: {has_answer}");
    }
}

#[test]
fn links_beyond_the_limits_take_no_place_from_dials() {
    let persistent = [200, 201, 202].map(|number| Address::of(at(number), None));
    let bounds = Bounds { min_target: 12, min_threshold: 7, min: 6, outbound_target: 5, outbound_max: 6, ..policy().bounds };
    let mut bench = Bench::new(Policy { bounds, trusted_extra: 3, ..busy() }, &persistent, &[]);
    let first = bench.dials(ms(0));
    assert_eq!(first.len(), 3);
    first.into_iter().for_each(|dial| bench.answer(ms(0), dial));
    assert_eq!(bench.pool.counts().extra_outbound, 3);
    bench.learn(1..61);
    assert_eq!(bench.dials(ms(1)).len(), 6, "outbound_max");
}

#[test]
fn dials_beside_those_that_nobody_answers_never_lead_past_the_places() {
    for (max_target, outbound_max) in [(10, 50), (22, 10)] {
        let bounds =
            Bounds { min: 6, min_threshold: 7, min_target: 8, max_target, outbound_target: 5, outbound_max, ..policy().bounds };
        let mut bench = Bench::new(Policy { bounds, ..busy() }, &[], &[]);
        bench.learn(1..61);
        assert_eq!(dials(&bench.wake(ms(0))).len(), 8);
        assert_eq!(dials(&bench.wake(ms(3_000))).len(), 2, "if all are answered late");
    }
}

#[test]
fn an_eighth_of_the_dials_is_left_to_whom_the_operator_names() {
    let persistent = Address::of(at(200), None);
    let mut bench = Bench::new(busy(), std::slice::from_ref(&persistent), &[]);
    bench.learn(1..61);
    let first = dials(&bench.wake(ms(0)));
    assert_eq!(first.len(), 14, "of 16, with that to the persistent peer");
    bench.fail(ms(0), &[*first.iter().find(|(_, to)| *to == at(200)).expect("it is dialed first")]);
    // Nobody answers elsewhere: what is missing is dialed at once, and the persistent peer again in its time.
    assert_eq!(dials(&bench.wake(ms(1))).len(), 1);
    let again = dials(&bench.wake(ms(5_000)));
    assert!(again.iter().any(|(_, to)| *to == at(200)), "{again:?}");
    bench.pool.claim_dial(ms(5_000), at(201), None, Purpose::Asked { tag: None }).expect("a place is left for it");
}

/// An hour in which each dial ends after ten seconds and new addresses come every ten: at which seconds the seed is dialed, and at which others
/// that are not persistent.
fn hour(persistent: &[Address], learns: bool) -> (Vec<u64>, Vec<u64>) {
    let mut bench = Bench::new(Policy { dial_rate: 10, ..busy() }, persistent, &[Address::of(at(250), None)]);
    let (mut under_way, mut told) = (Vec::new(), 1);
    let (mut to_seed, mut to_others) = (Vec::new(), Vec::new());
    for second in 0..3_600 {
        let now = ms(second * 1_000);
        let (over, rest): (Vec<_>, Vec<_>) = under_way.into_iter().partition(|(since, _)| since + 10 <= second);
        under_way = rest;
        bench.fail(now, &over.into_iter().map(|(_, dial)| dial).collect::<Vec<_>>());
        if learns && second % 10 == 0 && told < 240 {
            bench.learn(told..told + 1);
            told += 1;
        }
        for dial in dials(&bench.wake(now)) {
            match dial.1 {
                to if to == at(250) => to_seed.push(second),
                to if persistent.iter().all(|address| address.socket() != Some(to)) => to_others.push(second),
                _ => {}
            }
            under_way.push((second, dial));
        }
    }
    (to_seed, to_others)
}

#[test]
fn no_hearsay_and_no_dead_peers_of_ones_own_keep_a_node_from_its_seeds() {
    assert!(hour(&[], true).0.len() >= 10, "an address each ten seconds");
    let dead: Vec<Address> =
        (0..256).map(|number| Address::of(SocketAddr::from(([11, 1, number as u8, 1], 9_732)), None)).collect();
    for count in [20, 40, 256] {
        let (to_seed, to_others) = hour(&dead[..count], true);
        assert!(to_seed.len() >= 10 && to_seed[0] <= 60, "{count} persistent peers where nobody answers: {to_seed:?}");
        assert!(to_others.len() >= 60 && to_others[0] <= 10, "{count} persistent peers where nobody answers: {to_others:?}");
    }
}

#[test]
fn dead_persistent_peers_are_no_dials_for_links_to_count_on() {
    let dead: Vec<Address> =
        (0..256).map(|number| Address::of(SocketAddr::from(([11, 1, number as u8, 1], 9_732)), None)).collect();
    let mut bench = Bench::new(Policy { dials_max: 40, ..busy() }, &dead, &[]);
    bench.inbound(ms(0), 100..130);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 20, "half of the dials, to persistent peers");
    assert_eq!(dials(&bench.wake(ms(3_000))).len(), 10, "the outbound target, of others");
}

#[test]
fn with_enough_links_only_the_outbound_target_is_kept() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.inbound(ms(0), 100..130);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 10);
    assert!(dials(&bench.wake(ms(1))).is_empty());
}
