//! What may be dialed now, and what may not and why.

use super::dialing::DialError;
use super::lists::Culprit;
use super::points::{State, canonical_socket};
use super::policy::Policy;
use super::slots::{Counts, Purpose};
use super::testbed::{Bench, at, peer, policy, small};
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::verdict::Verdict;
use std::net::SocketAddr;
use std::time::Duration;

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
    bench.pool.ban(bench.now, Subject::host(at(7).ip()), None, "").expect("there is room");
    assert_eq!(bench.dial(7, Purpose::Wanted), Err(DialError::Banned(at(7))));
    bench.pool.lists_mut().keep_grey(Culprit::Host(at(8).ip()), bench.now + Duration::from_secs(9), 1);
    assert_eq!(bench.dial(8, Purpose::Wanted), Err(DialError::Greylisted(at(8))));
    bench.pool.set_own_addresses(vec![Address::of(at(9), None)]);
    assert_eq!(bench.dial(9, Purpose::Wanted), Err(DialError::OwnAddress(at(9))));
    bench.pool.stop();
    assert_eq!(bench.dial(10, Purpose::Wanted), Err(DialError::Stopping));
}

/// Nor is it known, or saved, from then on.
#[test]
fn where_nobody_can_be_is_not_dialed_whoever_asks() {
    let mut bench = Bench::new(policy());
    bench.pool.keep();
    for text in [
        "8.8.8.8:0",
        "0.0.0.0:9",
        "255.255.255.255:9",
        "224.0.0.1:9",
        "[::]:9",
        "[ff02::1]:9",
        "[::ffff:8.8.8.8]:0",
        "[::ffff:0.0.0.0]:9",
    ] {
        let to = text.parse().expect("an address");
        let refused = Err(DialError::NotDialable(canonical_socket(to)));
        for why in [Purpose::Asked { tag: Some(1) }, Purpose::Persistent, Purpose::Wanted] {
            assert_eq!(bench.pool.claim_dial(bench.now, to, None, why), refused, "{text}");
            assert_eq!(bench.pool.may_claim(bench.now, to, Some(peer(1)), why).err(), refused.err(), "{text}");
        }
    }
    assert!(bench.pool.points().is_empty() && !bench.pool.has_changes() && bench.pool.slots().iter().next().is_none());
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

/// Else what peers say of a host, and have felt there, would keep the operator's own peers there waiting.
#[test]
fn the_operators_dials_pay_no_pace_of_a_host_and_wait_for_none() {
    let (host, prefix) = (Duration::from_secs(60), Duration::from_secs(20));
    for (dial_host_period, dial_prefix_period) in [(host, Duration::ZERO), (Duration::ZERO, prefix)] {
        let policy = Policy { dial_host_period, dial_prefix_period, dial_prefix_burst: 1, dials_max: 100, ..policy() };
        let mut bench = Bench::new(policy);
        let mut ports = 1..;
        let mut dial = |why: Purpose| {
            let to = SocketAddr::from(([8, 8, 8, 8], ports.next().expect("there are enough")));
            let may = bench.pool.may_claim(bench.now, to, None, why);
            let claimed = bench.pool.claim_dial(bench.now, to, None, why).map(|_| ());
            assert_eq!(may, claimed, "{why:?}");
            claimed.map_err(|error| error == DialError::TooFastThere(to, bench.now + dial_host_period + dial_prefix_period))
        };
        let of_operator = [Purpose::Persistent, Purpose::Seed, Purpose::Asked { tag: None }];
        of_operator.into_iter().for_each(|why| assert_eq!(dial(why), Ok(()), "{why:?}"));
        assert_eq!(dial(Purpose::Wanted), Ok(()), "they have taken nothing from others");
        for why in [Purpose::Wanted, Purpose::Role, Purpose::Anchor, Purpose::Crawl, Purpose::Feeler] {
            assert_eq!(dial(why), Err(true), "{why:?}");
        }
        of_operator.into_iter().for_each(|why| assert_eq!(dial(why), Ok(()), "{why:?}"));
    }
}

#[test]
fn trusted_and_persistent_peers_have_places_beyond_the_limits() {
    let mut bench = Bench::new(Policy { trusted_extra: 3, dials_max: 9, ..small() });
    let inbound: Vec<LinkId> = (1..=4).map(|number| bench.inbound(number)).collect();
    let outbound: Vec<LinkId> = (5..=7).map(|number| bench.outbound(number)).collect();
    assert_eq!(bench.pool.counts().links(), 7, "pool.max");
    bench.pool.lists_mut().trust(bench.now, "10.16.0.0/12".parse().expect("a prefix"), None).expect("not banned");
    bench.pool.fix(bench.now, at(10), Some(peer(10)), true);
    assert!(bench.dial(8, Purpose::Persistent).is_ok(), "one of three, whoever it is that answers");
    assert!(bench.dial(16, Purpose::Wanted).is_ok(), "two");
    let third = bench.arrive(10).expect("may come");
    assert_eq!(bench.introduce(third, 10), Verdict::Admit, "three: it is persistent");
    let counts = bench.pool.counts();
    assert_eq!((counts.extra(), counts.extra_inbound, counts.ordinary_inbound(), counts.ordinary_outbound()), (3, 1, 4, 3));
    let full = Err(DialError::NoPlace { taken: 3, max: 3 });
    assert_eq!((bench.dial(17, Purpose::Wanted), bench.dial(9, Purpose::Persistent)), (full, full), "they are as others now");
    // What is beyond takes no place from others: a link of theirs that ends gives its place back.
    bench.close(outbound[0], CloseReason::Reset);
    bench.close(inbound[0], CloseReason::Reset);
    assert!(bench.dial(9, Purpose::Wanted).is_ok() && bench.dial(11, Purpose::Wanted).is_err());
    let link = bench.arrive(12).expect("may come");
    assert_eq!(bench.introduce(link, 12), Verdict::Admit);
    bench.close(third, CloseReason::Reset);
    assert!(bench.dial(17, Purpose::Wanted).is_ok(), "and so does one of theirs");
}

#[test]
fn a_feeler_takes_no_trusted_place_and_seeks_nobody() {
    let mut bench = Bench::new(Policy { trusted_extra: 1, ..policy() });
    bench.pool.lists_mut().trust(bench.now, Subject::host(at(1).ip()), None).expect("not banned");
    let link = bench.dial(1, Purpose::Feeler).expect("may dial");
    let slot = bench.pool.slots().get(link).expect("it has a place");
    assert!(!slot.is_extra && slot.sought.is_none());
}

/// Whatever a dial ends with and however far it came, its place is free and its address at rest.
#[test]
fn after_every_outcome_of_a_dial_its_address_is_at_rest() {
    for reason in CloseReason::ALL {
        for (phase, told) in (0..4).flat_map(|phase| [(phase, None), (phase, Some(CloseReason::TooManyLinks))]) {
            let mut bench = Bench::new(policy());
            let link = bench.dial(1, Purpose::Wanted).expect("may dial");
            if phase > 0 {
                bench.pool.recognise(bench.now, link, peer(1));
            }
            if phase > 1 {
                bench.introduce(link, 1);
            }
            if phase > 2 {
                bench.pool.open(bench.now, link);
            }
            let now = bench.now;
            assert!(bench.pool.close(now, link, *reason, told, &[], &mut bench.rng).is_some());
            if *reason == CloseReason::OwnKey && phase == 0 {
                assert_eq!(bench.state(1), None, "that is this node");
                continue;
            }
            let state = bench.state(1).expect("it is known");
            let is_at_rest = matches!(state, State::Candidate | State::Bad { .. });
            assert!(is_at_rest && bench.pool.counts() == Counts::default(), "{reason:?} {phase} {state:?}");
        }
    }
}

#[test]
fn the_first_wait_is_two_to_three_seconds_and_never_below_the_period_of_a_point() {
    for (period, (least, most)) in [(0, (2, 3)), (60, (60, 60))] {
        let period = Duration::from_secs(period);
        let mut bench = Bench::new(Policy { dial_point_period: period, ..policy() });
        let link = bench.dial(1, Purpose::Wanted).expect("may dial");
        bench.close(link, CloseReason::ConnectTimeout);
        let wait = bench.pool.points().get(at(1)).map(|point| point.next_dial.since(bench.now)).expect("known");
        assert!(wait >= Duration::from_secs(least) && wait <= Duration::from_secs(most), "{wait:?}");
    }
}

#[test]
fn another_identity_than_sought_counts_as_a_failure_of_the_address() {
    let mut bench = Bench::new(policy());
    let link = bench.pool.claim_dial(bench.now, at(1), Some(peer(1)), Purpose::Wanted).expect("may dial");
    bench.close(link, CloseReason::WrongIdentity);
    assert_eq!(bench.pool.points().get(at(1)).map(|point| point.attempts), Some(1));
}

#[test]
fn what_others_say_of_the_operators_addresses_does_not_keep_them_undialed() {
    let mut bench = Bench::new(small());
    let liar = bench.inbound(5);
    assert!(bench.pool.slots().get(liar).is_some());
    for (number, is_persistent) in [(1, true), (2, false)] {
        // Told before and after the operator names it without an identity.
        let told = Address::of(at(number), Some(peer(5)));
        bench.pool.learn_all(bench.now, [(&told, &[][..])].into_iter(), at(99), None);
        assert!(bench.pool.fix(bench.now, at(number), None, is_persistent));
        bench.pool.learn_all(bench.now, [(&told, &[][..])].into_iter(), at(99), None);
    }
    let due = |bench: &mut Bench, is_persistent: bool| {
        bench.pool.whom_of_own_to_dial(bench.now, is_persistent, &mut bench.rng).0.iter().map(|(at, _)| *at).collect::<Vec<_>>()
    };
    assert_eq!((due(&mut bench, true), due(&mut bench, false)), (vec![at(1)], vec![at(2)]));
    assert_eq!(bench.pool.idle_seeds(bench.now), [(at(2), None)]);
    bench.pool.ban(bench.now, Subject::Peer(peer(5)), None, "it lied").expect("there is room");
    assert_eq!(
        (due(&mut bench, true), due(&mut bench, false)),
        (vec![at(1)], vec![at(2)]),
        "whoever is said to be there is banned"
    );
}
