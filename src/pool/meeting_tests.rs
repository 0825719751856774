//! What is decided and noted of a peer between its first packet and its Up.

use super::dialing::DialError;
use super::points::{Proof, State};
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy, small};
use crate::base::address::Address;
use crate::base::reason::CloseReason;
use crate::base::verdict::Verdict;
use crate::wire::hello::Hello;
use std::net::SocketAddr;
use std::sync::Arc;

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
fn who_meets_itself_in_the_handshake_remembers_it_but_never_gives_up_what_the_operator_named() {
    let mut bench = Bench::new(policy());
    let address = Address::of(at(1), Some(peer(5)));
    bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(9), None);
    // The dialect ends the dial before a key is shown to the pool.
    let link = bench.dial(1, Purpose::Wanted).expect("may dial");
    bench.close(link, CloseReason::OwnKey);
    assert_eq!(bench.dial(1, Purpose::Wanted), Err(DialError::OwnAddress(at(1))));
    bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(9), None);
    assert!(bench.pool.points().get(at(1)).is_none(), "nobody tells it us again");
    bench.pool.fix(bench.now, at(2), None, true);
    let link = bench.dial(2, Purpose::Persistent).expect("may dial");
    bench.close(link, CloseReason::OwnKey);
    assert!(bench.pool.points().get(at(2)).is_some_and(|point| point.is_persistent && point.next_dial > bench.now));
    // An arrival with our key proves nothing of where it comes from.
    let link = bench.inbound(3);
    bench.close(link, CloseReason::OwnKey);
    assert!(bench.pool.points().get(at(3)).is_some());
}

#[test]
fn a_node_without_exchange_names_nobody_to_who_finds_no_place() {
    for (is_private, pex_enabled) in [(false, true), (true, true), (false, false)] {
        let mut policy = Policy { is_private, pex_enabled, is_bootstrap: false, ..small() };
        (policy.bounds.max, policy.bounds.outbound_max) = (3, 2);
        let mut bench = Bench::new(policy);
        bench.outbound(1);
        let mut link = bench.inbound(2);
        let mut verdict = Verdict::Admit;
        for number in 3..9 {
            link = bench.arrive(number).expect("may come");
            verdict = bench.introduce(link, number);
            if verdict != Verdict::Admit {
                break;
            }
        }
        let Verdict::Refuse { motive: CloseReason::TooManyLinks, alternatives } = verdict else { panic!("{link}: {verdict:?}") };
        assert_eq!(alternatives.is_empty(), is_private || !pex_enabled, "{alternatives:?}");
    }
}

#[test]
fn a_superfluous_dial_proves_the_address_of_the_link() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(1);
    assert!(bench.pool.healthy(bench.now).is_empty(), "only claimed so far");
    assert_eq!(bench.pool.whom_to_feel(bench.now, &mut bench.rng).now, [at(1)]);
    let feeler = bench.dial(1, Purpose::Feeler).expect("may dial");
    assert_eq!(bench.pool.recognise(bench.now, feeler, peer(1)), Verdict::refuse(CloseReason::Probed));
    bench.close(feeler, CloseReason::Probed);
    assert_eq!(bench.pool.healthy(bench.now), [Address::of(at(1), Some(peer(1)))]);
    assert_eq!(bench.state(1), Some(State::Connected(link)));
    bench.close(link, CloseReason::Goodbye);
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
