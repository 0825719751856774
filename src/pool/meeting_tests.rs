//! What is decided and noted of a peer between its first packet and its Up.

use super::dialing::DialError;
use super::points::{Proof, State};
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy};
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
