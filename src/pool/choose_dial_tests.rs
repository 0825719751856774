//! Whom to dial: groups, bias.

use super::dialing::DialError;
use super::points::Point;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy, small};
use crate::base::address::Address;
use crate::base::limits::FEELERS_MAX;
use crate::base::link_id::LinkId;
use crate::base::quota::Quota;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::verdict::Verdict;
use crate::wire::hello::{Capability, Hello};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
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

#[test]
fn of_a_large_book_the_choice_is_as_wide() {
    let mut bench = Bench::new(policy());
    // 60 groups of 10, and one of hundreds.
    for number in 0..600_u16 {
        let few = Address::of(SocketAddr::from(([30, (number % 60) as u8, 0, number as u8], 1)), None);
        let many = Address::of(SocketAddr::from(([31, 1, (number / 200) as u8, (number % 200) as u8], 1)), None);
        let from = SocketAddr::from(([40, (number / 4) as u8, 0, 1], 1));
        bench.pool.learn_all(bench.now, [(&few, &[][..]), (&many, &[][..])].into_iter(), from, None);
    }
    assert!(bench.pool.points().len() > 1_000, "{}", bench.pool.points().len());
    let mut of_many = 0;
    for _ in 0..100 {
        let chosen = bench.candidates(20).now;
        let groups: BTreeSet<_> = chosen.iter().map(|at| crate::base::point::Group::of(at.ip())).collect();
        assert_eq!((chosen.len(), groups.len()), (20, 20), "none twice, and each in a group of its own");
        of_many += chosen.iter().filter(|at| at.ip() >= SocketAddr::from(([31, 0, 0, 0], 0)).ip()).count();
    }
    assert!((15..60).contains(&of_many), "20 of 61 groups, 100 times: {of_many}");
}

/// What CometBFT's bias says comes after the spread: many tried addresses in one group do not get two links while another group has none.
#[test]
fn no_group_gets_a_second_link_before_the_others_have_one() {
    let mut bench = Bench::new(policy());
    let all = [[20, 1, 0, 1], [20, 1, 0, 2], [20, 1, 0, 3], [20, 2, 0, 1], [20, 3, 0, 1]].map(|ip| SocketAddr::from((ip, 1)));
    for at in all {
        let address = Address::of(at, None);
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), self::at(1), None);
    }
    let policy = bench.pool.policy().clone();
    for at in &all[..3] {
        bench.pool.points_mut().good(bench.now, *at, &policy);
    }
    for _ in 0..50 {
        let chosen = bench.candidates(3).now;
        let groups: BTreeSet<_> = chosen.iter().map(|at| policy.group(at.ip())).collect();
        assert_eq!((chosen.len(), groups.len()), (3, 3), "{chosen:?}");
    }
    assert_eq!(bench.candidates(10).now.len(), 5);
}

#[test]
fn a_feeler_goes_to_new_addresses_of_whom_nobody_is_linked() {
    let mut bench = Bench::new(policy());
    bench.outbound(1);
    let linked = Address::of(at(2), Some(peer(1)));
    let others = [3, 4].map(|number| Address::of(at(number), None));
    let all = [&linked, &others[0], &others[1]].map(|address| (address, &[][..]));
    bench.pool.learn_all(bench.now, all.into_iter(), at(1), None);
    bench.pool.ban(bench.now, Subject::host(at(4).ip()), None, "").expect("a host");
    let felt: BTreeSet<_> = (0..200).filter_map(|_| bench.pool.whom_of_feeler(bench.now, &mut bench.rng)).collect();
    assert_eq!(felt, [at(2), at(3)].into(), "an address of a linked peer may be proven, that of a banned one not");
}

#[test]
fn what_a_peer_claims_is_felt_before_what_others_say_of_it_and_that_once() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(1);
    let say = |bench: &mut Bench, number: u8, claimer: u8| {
        let address = Address::of(at(number), Some(peer(claimer)));
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(99), None);
    };
    (10..14).for_each(|number| say(&mut bench, number, 1));
    let mut felt = Vec::new();
    for _ in 0..40 {
        let candidates = bench.pool.whom_to_feel(bench.now, &mut bench.rng);
        if let Some(to) = candidates.now.first().copied() {
            felt.push(to);
            let link = bench.pool.claim_dial(bench.now, to, None, Purpose::Feeler).expect("may dial");
            bench.close(link, CloseReason::ConnectTimeout);
        }
        bench.now = bench.now + Duration::from_secs(600);
    }
    let hearsay: BTreeSet<_> = (10..14).map(at).collect();
    assert_eq!(felt[0], at(1), "the peer's own claim");
    assert!(felt.iter().filter(|to| **to == at(1)).count() > 5, "it is tried again, for the peer says so itself");
    let others: Vec<_> = felt.iter().filter(|to| hearsay.contains(to)).collect();
    assert_eq!((others.len(), others.iter().copied().copied().collect()), (4, hearsay), "each once");
    // A claim that has not failed yet comes before one that has.
    bench.inbound(2);
    let next = bench.pool.whom_to_feel(bench.now, &mut bench.rng).now;
    assert_eq!(next, [at(2)]);
    // With a new link of the peer it may be otherwise.
    bench.close(link, CloseReason::Reset);
    bench.now = bench.now + Duration::from_secs(60);
    bench.inbound(1);
    let first_due = |bench: &Bench| bench.pool.points().get(at(10)).map(|point| point.last_dialed);
    let before = first_due(&bench);
    for _ in 0..20 {
        if let Some(to) = bench.pool.whom_to_feel(bench.now, &mut bench.rng).now.first().copied() {
            let link = bench.pool.claim_dial(bench.now, to, None, Purpose::Feeler).expect("may dial");
            bench.close(link, CloseReason::ConnectTimeout);
        }
        bench.now = bench.now + Duration::from_secs(600);
    }
    assert_ne!(first_due(&bench), before, "felt once more");
}

/// The peer of 1, where a dial has met it, comes from `host` and says that it listens at `listen`; it is admitted, and open if `opens`.
fn come_from(bench: &mut Bench, host: IpAddr, listen: Option<u8>, opens: bool) -> LinkId {
    let link = bench.ids.next();
    bench.pool.claim_arrival(bench.now, link, SocketAddr::new(host, 50_000)).expect("may come");
    let listen = listen.map(|number| Address::of(at(number), None)).into_iter().collect();
    let hello = Arc::new(Hello { listen, ..Hello::default() });
    assert_eq!(bench.pool.introduce(bench.now, link, peer(1), &hello, &mut bench.rng).verdict, Verdict::Admit);
    assert!(!opens || bench.pool.open(bench.now, link).is_some());
    link
}

#[test]
fn where_a_peer_was_that_has_moved_is_felt_once_behind_what_it_claims_now() {
    let later = Duration::from_secs(600);
    let mut bench = Bench::new(policy());
    let feel = |bench: &mut Bench, is_there: bool| {
        bench.now = bench.now + later;
        let to = bench.pool.whom_to_feel(bench.now, &mut bench.rng).now.first().copied()?;
        let link = bench.pool.claim_dial(bench.now, to, None, Purpose::Feeler).expect("may dial");
        if is_there {
            bench.pool.recognise(bench.now, link, peer(1));
        }
        bench.close(link, if is_there { CloseReason::Probed } else { CloseReason::ConnectTimeout });
        Some(to)
    };
    let link = bench.outbound(1);
    assert_eq!(feel(&mut bench, true), None, "it is linked by it");
    bench.close(link, CloseReason::Reset);
    bench.now = bench.now + later;
    let link = come_from(&mut bench, at(2).ip(), Some(2), true);
    assert_eq!(feel(&mut bench, true), Some(at(2)), "its claim comes first");
    assert_eq!(feel(&mut bench, false), Some(at(1)));
    (0..5).for_each(|_| assert_eq!(feel(&mut bench, false), None, "once while that link lasts"));
    // It moves on: both may be somebody else's now.
    bench.close(link, CloseReason::Reset);
    bench.now = bench.now + later;
    come_from(&mut bench, at(3).ip(), None, true);
    let felt: BTreeSet<_> = (0..5).filter_map(|_| feel(&mut bench, true)).collect();
    assert_eq!(felt, [at(1), at(2)].into());
    assert_eq!(feel(&mut bench, true), None);
}

#[test]
fn where_a_peer_still_is_by_its_link_is_not_felt() {
    for (host, listen, opens, is_felt) in
        [(1, None, true, false), (2, Some(1), false, false), (2, Some(1), true, false), (2, None, true, true)]
    {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(1);
        bench.close(link, CloseReason::Reset);
        bench.now = bench.now + Duration::from_secs(600);
        come_from(&mut bench, at(host).ip(), listen, opens);
        let felt = bench.pool.whom_to_feel(bench.now, &mut bench.rng).now;
        assert_eq!(felt, if is_felt { vec![at(1)] } else { Vec::new() }, "from {host}, claims {listen:?}, open: {opens}");
    }
}

/// A large book is looked through under the lock: what costs little comes first.
#[test]
fn only_of_addresses_that_are_wanted_the_lists_are_asked() {
    let mut bench = Bench::new(policy());
    for number in 1..=50 {
        let address = Address::of(at(number), None);
        bench.pool.learn_all(bench.now, [(&address, &[][..])].into_iter(), at(99), None);
    }
    bench.pool.ban(bench.now, "10.0.0.0/8".parse::<Subject>().expect("a prefix"), None, "").expect("there is room");
    let asked = std::cell::Cell::new(0);
    let is_wanted = |point: &Point| {
        asked.set(asked.get() + 1);
        point.at == at(1)
    };
    let candidates = bench.pool.candidates(bench.now, 5, &mut bench.rng, is_wanted);
    assert!(candidates.now.is_empty(), "it is banned");
    assert_eq!(asked.get(), 50, "the lists have kept none from the cheaper question");
}

#[test]
fn feelers_have_places_of_their_own() {
    let mut bench = Bench::new(small());
    for number in 10..10 + FEELERS_MAX as u8 {
        bench.dial(number, Purpose::Feeler).expect("may dial");
    }
    let full = DialError::TooManyDials { dialing: FEELERS_MAX, max: FEELERS_MAX };
    assert_eq!(bench.dial(30, Purpose::Feeler), Err(full));
    for number in 1..=3 {
        bench.outbound(number);
    }
    let counts = bench.pool.counts();
    assert_eq!((counts.dialing, counts.feeling, counts.ordinary_outbound()), (0, FEELERS_MAX, 3), "outbound_max is reached");
    assert_eq!(bench.dial(4, Purpose::Wanted), Err(DialError::NoPlace { taken: 3, max: 3 }));
    // Nor do they count as dials for a role.
    let mut bench = Bench::new(policy());
    bench.pool.set_quota("archive", Some(Quota::Count(1))).expect("it fits");
    let archive = [Capability { name: "archive".to_owned(), value: 1 }];
    bench.pool.learn_all(bench.now, [(&Address::of(at(5), None), &archive[..])].into_iter(), at(99), None);
    bench.dial(5, Purpose::Feeler).expect("may dial");
    assert_eq!(bench.pool.tallies(10)[0].missing(), 1);
}

#[test]
fn an_address_becomes_tried_when_its_link_was_long_and_of_use() {
    let mut bench = Bench::new(policy());
    let is_tried = |bench: &Bench, number| bench.pool.points().get(at(number)).is_some_and(Point::is_tried);
    let (early, late, idle) = (bench.outbound(1), bench.outbound(2), bench.outbound(3));
    let praised = bench.outbound(4);
    // One that we had dialed once comes to us: that proves nothing over time.
    let link = bench.outbound(5);
    bench.close(link, CloseReason::Reset);
    let arrived = bench.inbound(5);
    assert_eq!(bench.pool.slots().get(arrived).and_then(|slot| slot.point), Some(at(5)));
    bench.pool.note_good(bench.now, early);
    bench.now = bench.now + Duration::from_secs(599);
    bench.pool.note_good(bench.now, late);
    bench.pool.expire_points(bench.now);
    assert!((1..=5).all(|number| !is_tried(&bench, number)));
    bench.now = bench.now + Duration::from_secs(1);
    bench.pool.expire_points(bench.now);
    assert!(is_tried(&bench, 1) && is_tried(&bench, 2), "once the link is old enough");
    bench.pool.report(bench.now, peer(4), 5, "good blocks");
    bench.pool.report(bench.now, peer(3), -5, "a bad block");
    bench.pool.note_good(bench.now, arrived);
    assert_eq!((3..=5).map(|number| is_tried(&bench, number)).collect::<Vec<_>>(), [false, true, false]);
    // What was of use and has ended too early is not remembered.
    bench.pool.note_good(bench.now, idle);
    assert!(is_tried(&bench, 3) && praised != idle);
    let short = bench.outbound(6);
    bench.pool.note_good(bench.now, short);
    bench.close(short, CloseReason::Reset);
    bench.now = bench.now + Duration::from_secs(6_000);
    bench.pool.expire_points(bench.now);
    assert!(!is_tried(&bench, 6) && bench.pool.of_use.is_empty());
}
