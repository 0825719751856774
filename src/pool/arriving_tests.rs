//! Who may come, at which pace, and whose place is taken for whom.

use super::dialing::DialError;
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy, small};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::base::verdict::Verdict;
use std::time::Duration;

#[test]
fn inbound_links_never_take_the_places_of_outbound_ones() {
    let mut bench = Bench::new(small());
    for number in 1..=4 {
        bench.inbound(number);
    }
    let link = bench.arrive(5).expect("may come");
    let Verdict::Refuse { motive, alternatives } = bench.introduce(link, 5) else { panic!("seven less three places") };
    assert_eq!((motive, alternatives.len()), (CloseReason::TooManyLinks, 4), "it hears of those who are linked");
    bench.close(link, CloseReason::TooManyLinks);
    for number in 6..=8 {
        bench.outbound(number);
    }
    let counts = bench.pool.counts();
    assert_eq!((counts.inbound, counts.outbound, counts.half_open), (4, 3, 0));
}

#[test]
fn a_trusted_peer_gets_a_place_of_somebody_else() {
    let mut bench = Bench::new(Policy { trusted_extra: 0, ..small() });
    let links: Vec<LinkId> = (1..=4).map(|number| bench.inbound(number)).collect();
    bench.pool.lists_mut().trust(Time::ZERO, Subject::Peer(peer(5)), None).expect("not banned");
    let link = bench.arrive(5).expect("may come");
    let introduction = bench.pool.introduce(bench.now, link, peer(5), &Bench::hello(5), &mut bench.rng);
    assert_eq!(introduction.verdict, Verdict::Admit);
    let [(evicted, CloseReason::Evicted)] = introduction.close[..] else { panic!("{introduction:?}") };
    assert!(links.contains(&evicted) && bench.pool.counts().inbound == 4);
}

#[test]
fn handshakes_are_limited_by_host_prefix_and_altogether() {
    let mut bench = Bench::new(small());
    let arrive = |bench: &mut Bench, text: &str| {
        let link = bench.ids.next();
        let from = text.parse().expect("a socket address");
        bench.pool.claim_arrival(bench.now, link, from).map(|evicted| (link, evicted))
    };
    let limit = Err(CloseReason::HalfOpenLimit);
    let (first, _) = arrive(&mut bench, "8.8.8.1:1").expect("room");
    arrive(&mut bench, "8.8.8.1:2").expect("room");
    assert_eq!(arrive(&mut bench, "8.8.8.1:3"), limit, "two of one host");
    arrive(&mut bench, "8.8.8.2:1").expect("room");
    assert_eq!(arrive(&mut bench, "8.8.8.3:1"), limit, "three of one /24");
    for text in ["9.9.9.1:1", "9.9.9.2:1", "7.7.7.1:1"] {
        arrive(&mut bench, text).expect("room");
    }
    let (_, evicted) = arrive(&mut bench, "6.6.6.6:1").expect("the crowd makes room");
    assert_eq!(evicted, Some(first), "the oldest of the most crowded prefix");
    assert_eq!(bench.pool.counts().half_open, 6);
}

#[test]
fn a_host_that_connects_too_often_leaves_room_for_others() {
    let mut bench = Bench::new(Policy { accept_ip_burst: 4, accept_rate: 50, ..policy() });
    let mut passed = 0;
    for _ in 0..1_000 {
        if let Ok(link) = bench.arrive(1) {
            passed += 1;
            bench.close(link, CloseReason::Truncated);
        }
    }
    assert_eq!(passed, 4);
    assert!(bench.arrive(2).is_ok());
    bench.pool.lists_mut().trust(Time::ZERO, Subject::host(at(1).ip()), None).expect("not banned");
    assert!(bench.arrive(1).is_ok(), "trust has no pace");
}

/// Private mode: whom the operator has named is met, nobody else is, in either direction.
#[test]
fn where_only_the_trusted_are_let_in_nobody_else_gets_anywhere() {
    let mut bench = Bench::new(Policy { is_trusted_only: true, ..policy() });
    let shown = |bench: &mut Bench| bench.pool.take_shut(bench.now).expect("something has changed");
    bench.pool.lists_mut().trust(bench.now, Subject::host(at(1).ip()), None).expect("not banned");
    assert_eq!(bench.arrive(2), Err(CloseReason::NotTrusted), "no identity is trusted, so an address is all that counts");
    let shut = shown(&mut bench);
    assert!(shut.turns_away(bench.now, at(2).ip()) && !shut.turns_away(bench.now, at(1).ip()));
    bench.inbound(1);
    // From now on somebody may come from anywhere, and who it is comes out later.
    bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(3)), None).expect("not banned");
    assert!(!shown(&mut bench).turns_away(bench.now, at(2).ip()));
    bench.inbound(3);
    let stranger = bench.arrive(4).expect("it has not shown itself");
    assert_eq!(bench.introduce(stranger, 4), Verdict::refuse(CloseReason::NotTrusted));
    assert_eq!(bench.dial(5, Purpose::Asked { tag: None }), Err(DialError::NotTrusted(at(5))));
    // Persistent peers were named, too: by the address, or by the identity wherever it is.
    bench.pool.fix(bench.now, at(6), None, true);
    bench.pool.fix(bench.now, at(7), Some(peer(8)), true);
    bench.outbound(6);
    bench.inbound(8);
    assert!(bench.candidates(9).now.is_empty());
    assert_eq!(bench.pool.part_with_strangers(bench.now), []);
    assert!(bench.pool.lists_mut().untrust(&Subject::Peer(peer(3))));
    let gone = bench.pool.part_with_strangers(bench.now);
    assert_eq!(
        gone.iter().map(|link| bench.pool.slots().get(*link).and_then(|slot| slot.peer)).collect::<Vec<_>>(),
        [Some(peer(3))]
    );
}

/// Its dial has met who is at a persistent address; before, such a peer may only show who he is, so that his dial learns who we are.
#[test]
fn where_only_the_trusted_are_let_in_a_persistent_peer_without_a_name_is_known_by_the_dial() {
    let mut bench = Bench::new(Policy { is_trusted_only: true, ..policy() });
    bench.pool.fix(bench.now, at(6), None, true);
    assert!(bench.pool.take_shut(bench.now).is_none_or(|shut| !shut.turns_away(bench.now, at(6).ip())));
    assert_eq!(bench.arrive(7), Err(CloseReason::NotTrusted), "nobody is awaited from there");
    let early = bench.arrive(6).expect("it may be he");
    assert_eq!(bench.pool.recognise(bench.now, early, peer(6)), Verdict::Proceed, "our key is shown");
    assert_eq!(bench.introduce(early, 6), Verdict::refuse(CloseReason::NotTrusted), "anybody may come from that host");
    bench.close(early, CloseReason::NotTrusted);
    let dial = bench.dial(6, Purpose::Persistent).expect("may dial");
    assert_eq!(bench.pool.recognise(bench.now, dial, peer(6)), Verdict::Proceed);
    bench.close(dial, CloseReason::Nacked);
    let other = bench.arrive(6).expect("it may be he");
    assert_eq!(bench.introduce(other, 9), Verdict::refuse(CloseReason::NotTrusted), "somebody else of that host");
    bench.close(other, CloseReason::NotTrusted);
    bench.inbound(6);
    assert_eq!(bench.pool.part_with_strangers(bench.now), []);
}

#[test]
fn the_door_hears_of_bans_at_once_and_of_the_greylist_once_a_second() {
    let mut bench = Bench::new(policy());
    assert_eq!(bench.pool.take_shut(bench.now).map(|shut| shut.version), None, "there is nothing to know");
    let grey = |bench: &mut Bench, number: u8| {
        let link = bench.arrive(number).expect("may come");
        assert!(bench.close(link, CloseReason::Garbage).is_some());
    };
    bench.now = bench.now + Duration::from_secs(5);
    grey(&mut bench, 1);
    let shut = bench.pool.take_shut(bench.now).expect("it is new");
    assert!(shut.turns_away(bench.now, at(1).ip()));
    grey(&mut bench, 2);
    assert!(bench.pool.take_shut(bench.now).is_none(), "not twice in a second");
    bench.pool.ban(bench.now, Subject::host(at(3).ip()), None, "").expect("there is room");
    let shut = bench.pool.take_shut(bench.now).expect("a ban does not wait");
    assert!((1..=3).all(|number| shut.turns_away(bench.now, at(number).ip())) && shut.version == 2);
    bench.pool.ban(bench.now, Subject::Peer(peer(9)), None, "").expect("there is room");
    assert!(bench.pool.take_shut(bench.now).is_none(), "it knows no identities");
    bench.pool.lists_mut().flush_greylist();
    assert!(bench.pool.take_shut(bench.now).is_none());
    bench.now = bench.now + Duration::from_secs(1);
    let shut = bench.pool.take_shut(bench.now).expect("a second is over");
    assert!(!shut.turns_away(bench.now, at(1).ip()) && shut.turns_away(bench.now, at(3).ip()));
}
