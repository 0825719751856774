//! Filling up: how many are dialed, which dials are counted on, and which make room.

use super::machine::Machine;
use super::testbed::{at, ms, peer, policy};
use super::upkeep::{Bench, busy, dials};
use crate::base::link_id::LinkId;
use crate::bus::command::Command;
use crate::bus::outbox::Outbox;
use crate::pool::policy::Policy;
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
    assert_eq!(dials(&bench.wake(ms(0))).len(), 16, "dial.parallel_max");
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
    assert_eq!(dials(&bench.wake(ms(3_000))).len(), 8, "as many again");
    assert!(dials(&bench.wake(ms(5_999))).is_empty(), "dial.parallel_max are under way");
    // With as many links as there must be, all count that are under way.
    let mut bench = Bench::new(Policy { bounds, ..busy() }, &[], &[]);
    bench.inbound(ms(0), 100..106);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 5, "outbound_target");
    assert!(dials(&bench.wake(ms(3_000))).is_empty());
}

/// Closes that a round has ordered, by the addresses that were dialed.
fn given_up(bench: &Bench, out: &Outbox, dialed: &[(LinkId, SocketAddr)]) -> Vec<SocketAddr> {
    let closed = |link: LinkId| {
        assert!(bench.pool.slots().get(link).is_none(), "its place is free");
        dialed.iter().find(|(dial, _)| *dial == link).map(|(_, to)| *to)
    };
    let close = |command: &Command| if let Command::Close { link, .. } = command { closed(*link) } else { None };
    out.commands.iter().filter_map(close).collect()
}

#[test]
fn with_too_few_links_first_dials_make_room_for_addresses_that_have_not_failed_and_later_ones_have_their_time() {
    let policy = busy();
    let bounds = Bounds { min: 6, min_threshold: 7, min_target: 8, max_target: 8, outbound_target: 5, ..policy.bounds };
    let mut bench = Bench::new(Policy { bounds, ..policy }, &[], &[]);
    bench.learn(1..13);
    let first = dials(&bench.wake(ms(0)));
    assert_eq!(first.len(), 8, "min_target, and max_target");
    let out = bench.wake(ms(2_999));
    assert!(dials(&out).is_empty() && given_up(&bench, &out, &first).is_empty());
    let out = bench.wake(ms(3_000));
    let second = dials(&out);
    assert_eq!(given_up(&bench, &out, &first).len(), 4, "as many as there are others");
    assert_eq!(second.len(), 4);
    assert!(second.iter().all(|(_, to)| first.iter().all(|(_, before)| before != to)), "{second:?} after {first:?}");
    let counts = bench.pool.counts();
    assert_eq!(counts.links_and_dialing(), 8, "never past max_target, if all are answered late");
    // The four that were given up have failed once and are due again; nobody makes room for them.
    let out = bench.wake(ms(6_000));
    assert!(dials(&out).is_empty() && given_up(&bench, &out, &second).is_empty());
    // Who has answered keeps its place, whatever others there are.
    bench.pool.recognise(ms(6_000), second[0].0, peer(1));
    bench.learn(20..40);
    let out = bench.wake(ms(6_001));
    let dialed: Vec<_> = first.iter().chain(&second).copied().collect();
    let given_up = given_up(&bench, &out, &dialed);
    assert_eq!((given_up.len(), dials(&out).len()), (7, 7));
    assert!(!given_up.contains(&second[0].1));
    assert!(dials(&out).iter().all(|(_, to)| (20..40).any(|number| at(number) == *to)), "those that failed come last");
}

#[test]
fn with_enough_links_no_dial_makes_room() {
    let policy = busy();
    let bounds = Bounds { min: 6, min_threshold: 7, min_target: 8, max_target: 8, outbound_target: 5, ..policy.bounds };
    let mut bench = Bench::new(Policy { bounds, ..policy }, &[], &[]);
    bench.inbound(ms(0), 100..106);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 2);
    let out = bench.wake(ms(9_000));
    assert!(out.commands.is_empty(), "{:?}", out.commands);
}

#[test]
fn with_enough_links_only_the_outbound_target_is_kept() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.inbound(ms(0), 100..130);
    bench.learn(1..61);
    assert_eq!(dials(&bench.wake(ms(0))).len(), 10);
    assert!(dials(&bench.wake(ms(1))).is_empty());
}
