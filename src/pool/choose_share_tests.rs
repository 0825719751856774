//! Whose address to share, and with whom.

use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy};
use crate::base::address::Address;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::wire::hello::Hello;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
    bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(1), None);
    let told = bench.pool.whom_to_advertise(bench.now, &peer(1), &mut bench.rng);
    let told: BTreeSet<_> = told.into_iter().filter_map(|entry| entry.address.id).collect();
    assert_eq!(told, BTreeSet::from([peer(2), peer(3)]));
    assert!(!bench.pool.healthy(bench.now).iter().any(|address| address.id == Some(peer(4))));
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
