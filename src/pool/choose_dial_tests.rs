//! Whom to dial: groups, bias.

use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy};
use crate::base::address::Address;
use crate::base::reason::CloseReason;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn dials_spread_over_groups() {
    let mut bench = Bench::new(policy());
    let learn = |bench: &mut Bench, text: &str, from: SocketAddr| {
        let address: Address = text.parse().expect("an address");
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), from, None);
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
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(1), None);
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
