//! Whose address to share, and with whom.

use super::dialing::DialError;
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy};
use crate::base::address::Address;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
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
fn a_claim_that_no_dial_has_proven_is_told_only_while_its_peer_is_linked() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(1);
    let told = |bench: &mut Bench| bench.pool.whom_to_advertise(bench.now, &peer(9), &mut bench.rng).len();
    assert_eq!(told(&mut bench), 1);
    bench.close(link, CloseReason::Goodbye);
    assert_eq!(told(&mut bench), 0, "who knows whose port that was");
    let link = bench.outbound(1);
    bench.close(link, CloseReason::Goodbye);
    assert_eq!(told(&mut bench), 1, "a dial has met it there");
}

/// A book of that many proven addresses, each of a peer of its own.
fn long_book(count: u16) -> Bench {
    let mut bench = Bench::new(Policy { points_max: 8_192, dials_max: 10, ..policy() });
    for number in 0..count {
        let [a, b] = number.to_be_bytes();
        let at = SocketAddr::from(([11, a, b, 1], 1));
        let link = bench.pool.claim_dial(bench.now, at, None, Purpose::Asked { tag: Some(0) }).expect("may dial");
        bench.pool.recognise(bench.now, link, numbered(number));
        bench.close(link, CloseReason::TooManyLinks);
    }
    bench.outbound(1);
    bench
}

fn numbered(number: u16) -> PeerId {
    let mut id = [7; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(id)
}

#[test]
fn an_answer_looks_at_few_addresses_and_tells_none_that_it_may_not() {
    let mut bench = long_book(2_000);
    let ask = |bench: &mut Bench, asker: u8| -> BTreeSet<SocketAddr> {
        let told = bench.pool.whom_to_advertise(bench.now, &peer(asker), &mut bench.rng);
        told.iter().filter_map(|entry| entry.address.socket()).collect()
    };
    let known = ask(&mut bench, 1);
    assert_eq!((known.len(), ask(&mut bench, 1)), (100, known.clone()));
    // The list is not made anew for this; who was in the answer is left out all the same.
    let banned = *known.first().expect("100 of them");
    bench.pool.ban(bench.now, Subject::host(banned.ip()), None, "").expect("there is room");
    let after = ask(&mut bench, 1);
    assert!(!after.contains(&banned) && after.len() == 100 && after.intersection(&known).count() == 99);
    // Strangers get draws of their own, which together tell of everybody, and nobody by far more often than others.
    let mut times = std::collections::BTreeMap::new();
    for _ in 0..2_000 {
        ask(&mut bench, 77).into_iter().for_each(|at| *times.entry(at).or_insert(0) += 1);
    }
    assert_eq!(times.len(), 2_000, "all but the banned one, and the linked one among them");
    let (least, most) = (times.values().min().copied().unwrap_or(0), times.values().max().copied().unwrap_or(0));
    assert!(least > 40 && most < 180, "{least} to {most}; 100 on average");
}

#[test]
fn a_long_list_is_made_anew_after_a_while_only_and_scores_count_in_it() {
    let mut bench = long_book(1_000);
    let ask = |bench: &mut Bench| bench.pool.whom_to_advertise(bench.now, &peer(77), &mut bench.rng);
    ask(&mut bench);
    for number in 0..500 {
        bench.pool.report(bench.now, numbered(number), if number < 250 { 50 } else { -50 }, "test");
    }
    let shares = |bench: &mut Bench| {
        let mut counts = [0_u32; 3];
        for _ in 0..1_000 {
            for entry in ask(bench) {
                let id = entry.address.id.expect("all have one");
                let number = u16::from_be_bytes([id.as_bytes()[0], id.as_bytes()[1]]);
                counts[usize::from(number / 250).min(2)] += 1;
            }
        }
        counts
    };
    let [good, _, others] = shares(&mut bench);
    assert!((others * 2 / 5..others * 3 / 5).contains(&good), "the circle is as it was: {good} {others}");
    bench.now = bench.now + Duration::from_secs(1);
    let [good, bad, others] = shares(&mut bench);
    let others = others / 2;
    assert!(good > others * 3 / 2 && bad * 3 / 2 < others && bad > 0, "{good} {bad} {others}");
}

#[test]
fn checks_are_spread_over_prefixes_and_none_is_lost() {
    let mut bench = Bench::new(Policy { allow_private: false, dial_host_period: Duration::from_secs(60), ..policy() });
    let meet = |bench: &mut Bench, text: &str, number: u8| {
        let at: SocketAddr = text.parse().expect("an address");
        let link = bench.pool.claim_dial(bench.now, at, None, Purpose::Asked { tag: Some(0) }).expect("may dial");
        bench.pool.recognise(bench.now, link, peer(number));
        bench.close(link, CloseReason::TooManyLinks);
        bench.now = bench.now + Duration::from_secs(1);
    };
    // Forty in one place, longest unseen, and four elsewhere.
    (1..=40).for_each(|number| meet(&mut bench, &format!("20.0.0.{number}:1"), number));
    (41..=44).for_each(|number| meet(&mut bench, &format!("{number}.0.0.1:1"), number));
    bench.now = bench.now + Duration::from_secs(600);
    let mut left: BTreeSet<SocketAddr> = bench.pool.points().iter().map(|point| point.at).collect();
    let mut rounds = 0;
    while !left.is_empty() {
        rounds += 1;
        let due = bench.pool.whom_to_check(bench.now, 8);
        if rounds == 1 {
            assert_eq!(due.len(), 5, "one of the crowd, and all others: {due:?}");
        }
        for at in due {
            // As a feeler that meets the peer again.
            let known = bench.pool.points().get(at).and_then(|point| point.peer).expect("it was met");
            let link = bench.pool.claim_dial(bench.now, at, None, Purpose::Feeler).expect("no budget holds it back");
            bench.pool.recognise(bench.now, link, known);
            bench.close(link, CloseReason::Probed);
            left.remove(&at);
        }
        bench.now = bench.now + Duration::from_secs(60);
        assert!(rounds < 60, "{left:?}");
    }
    // Another dial uses up what a check was chosen for: it is chosen again when there is more.
    let at = bench.pool.whom_to_check(bench.now, 1)[0];
    let other = SocketAddr::new(at.ip(), 2);
    bench.pool.claim_dial(bench.now, other, None, Purpose::Wanted).expect("nobody has dialed there for long");
    let held = bench.pool.claim_dial(bench.now, at, None, Purpose::Feeler);
    assert!(matches!(held, Err(DialError::TooFastThere(..))), "{held:?}");
    assert!(!bench.pool.whom_to_check(bench.now, 8).contains(&at));
    bench.now = bench.now + Duration::from_secs(60);
    assert_eq!(bench.pool.whom_to_check(bench.now, 1), [at]);
}

#[test]
fn a_check_of_a_forgotten_address_does_not_bring_it_back() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(1);
    bench.outbound(2);
    bench.close(link, CloseReason::Goodbye);
    bench.pool.want_check(at(1));
    bench.pool.want_check(at(2));
    assert_eq!(bench.pool.forget_point(at(1)), super::pages::Removal::Removed);
    assert_eq!((bench.pool.take_check(), bench.pool.take_check()), (Some(at(2)), None));
}

#[test]
fn healthy_addresses_are_told_page_by_page_without_those_that_are_not_any_more() {
    let mut bench = long_book(300);
    let page = |bench: &mut Bench, after: Option<&Address>, since| bench.pool.healthy_page(bench.now, after, since, 100);
    let (first, version) = page(&mut bench, None, 0);
    assert_eq!((first.len(), version), (100, 301));
    let (second, _) = page(&mut bench, first.last(), 0);
    assert!(first.is_sorted() && second.is_sorted() && first.last() < second.first());
    // One leaves before it is told, one joins: the list is as old as before, and so is the version that goes with it.
    let gone = second[5].socket().expect("an IP address");
    assert_eq!(bench.pool.forget_point(gone), super::pages::Removal::Removed);
    bench.outbound(2);
    let (again, version) = page(&mut bench, first.last(), 0);
    assert_eq!((again.len(), version), (100, 301));
    assert!(!again.iter().any(|address| address.socket() == Some(gone)));
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(page(&mut bench, None, 301), (vec![Address::of(at(2), Some(peer(2)))], 302));
    assert_eq!(page(&mut bench, None, 302), (vec![], 302));
    assert_eq!(page(&mut bench, None, 999).0.len(), 100, "a version that nobody told is none");
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
    bench.now = bench.now + Duration::from_secs(1);
    let told = ask(&mut bench);
    assert!(told.contains(&newcomer) && told.len() == 46);
    assert!(told.iter().filter(|at| first.contains(at)).count() >= 45);
    for number in 1_000..2_000 {
        prove(&mut bench, number);
    }
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(ask(&mut bench).len(), 100);
}
