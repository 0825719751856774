//! What the end of a link leaves behind: a free place, an address that rests, a culprit.

use super::dialing::DialError;
use super::lists::Culprit;
use super::points::State;
use super::slots::{Counts, Purpose};
use super::testbed::{Bench, at, peer, policy};
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::verdict::Verdict;
use std::time::Duration;

#[test]
fn a_dial_that_fails_frees_its_place_and_its_address_waits() {
    let mut bench = Bench::new(policy());
    let link = bench.dial(1, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.state(1), Some(State::Dialing(link)));
    assert_eq!(bench.dial(1, Purpose::Wanted), Err(DialError::Exists(at(1), link)));
    assert_eq!(bench.close(link, CloseReason::ConnectionRefused), None);
    assert_eq!((bench.pool.counts(), bench.state(1)), (Counts::default(), Some(State::Candidate)));
    let candidates = bench.candidates(5);
    assert!(candidates.now.is_empty());
    assert_eq!(candidates.next_at, Some(bench.now + Duration::from_secs(60)), "not twice a minute");
}

#[test]
fn only_proven_faults_are_greylisted() {
    use CloseReason::{BadHandshake, BadRecord, Garbage, Reset, WrongNetwork};
    let mut bench = Bench::new(policy());
    for (reason, is_grey) in [(BadRecord, true), (Reset, false), (WrongNetwork, false)] {
        let link = bench.inbound(1);
        let culprit = bench.close(link, reason);
        assert_eq!(culprit, is_grey.then_some(Culprit::Peer(peer(1))), "{reason:?}");
        bench.pool.lists_mut().flush_greylist();
    }
    let link = bench.arrive(2).expect("may come");
    assert_eq!(bench.pool.recognise(bench.now, link, peer(3)), Verdict::Proceed);
    assert_eq!(bench.close(link, Garbage), Some(Culprit::Host(at(2).ip())), "a claimed identity is blamed for nothing");
    let link = bench.dial(4, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.close(link, Garbage), None, "who knows who told us of that address");
    let link = bench.dial(5, Purpose::Wanted).expect("may dial");
    bench.pool.recognise(bench.now, link, peer(5));
    assert_eq!(bench.close(link, BadHandshake), None, "not authenticated yet");
    bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(6)), None).expect("not banned");
    let link = bench.inbound(6);
    assert_eq!(bench.close(link, BadRecord), None, "trusted");
}

#[test]
fn a_dial_beside_an_open_link_does_not_disconnect_its_address() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(1);
    for _ in 0..2 {
        let dial = bench.dial(1, Purpose::Asked { tag: Some(0) }).expect("may dial");
        bench.pool.recognise(bench.now, dial, peer(1));
        bench.close(dial, CloseReason::Duplicate);
        assert_eq!(bench.state(1), Some(State::Connected(link)));
    }
    let dial = bench.dial(1, Purpose::Asked { tag: Some(0) }).expect("may dial");
    bench.close(dial, CloseReason::ConnectTimeout);
    assert_eq!(bench.state(1), Some(State::Connected(link)));
    bench.close(link, CloseReason::Reset);
    assert_eq!(bench.state(1), Some(State::Candidate));
}

#[test]
fn a_link_that_was_given_up_leaves_its_address_to_the_next_dial() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(1);
    let again = |bench: &mut Bench| bench.dial(1, Purpose::Asked { tag: Some(0) });
    assert_eq!(again(&mut bench), Err(DialError::Exists(at(1), link)));
    assert!(bench.pool.doom(bench.now, link, CloseReason::Requested));
    let dial = again(&mut bench).expect("nothing is in the way");
    bench.close(link, CloseReason::Requested);
    assert_eq!(bench.state(1), Some(State::Dialing(dial)), "nobody takes it for idle");
    bench.close(dial, CloseReason::ConnectTimeout);
    assert_eq!(bench.state(1), Some(State::Candidate));
}

#[test]
fn a_full_node_stays_healthy_however_often_it_refuses_and_is_dialed_less_and_less() {
    let mut bench = Bench::new(policy());
    let mut waits = Vec::new();
    for _ in 0..12 {
        let link = bench.dial(1, Purpose::Asked { tag: None }).expect("may dial");
        bench.pool.recognise(bench.now, link, peer(1));
        let told = Some(CloseReason::TooManyLinks);
        bench.pool.close(bench.now, link, CloseReason::Nacked, told, &[], &mut bench.rng);
        assert_eq!(bench.pool.healthy(bench.now).len(), 1, "it is there");
        waits.push(bench.pool.points().get(at(1)).expect("it is known").next_dial.since(bench.now).as_secs());
        bench.now = bench.now + Duration::from_secs(600);
    }
    assert!(waits.is_sorted() && (256..258).contains(&waits[11]), "{waits:?}");
    let link = bench.outbound(1);
    bench.close(link, CloseReason::Reset);
    let wait = bench.pool.points().get(at(1)).expect("it is known").next_dial.since(bench.now);
    assert!(wait <= Duration::from_secs(60), "a link ends the row: {wait:?}");
}

#[test]
fn the_loss_of_a_link_does_not_heal_who_had_failed_to_answer() {
    for (failures, is_healthy) in [(2, true), (3, false), (40, false)] {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(1);
        let seen = bench.now;
        bench.pool.note_answer(link, failures);
        bench.now = bench.now + Duration::from_secs(600);
        bench.close(link, CloseReason::PingTimeout);
        assert_eq!(bench.pool.healthy(bench.now).len(), usize::from(is_healthy), "{failures} failures");
        let point = bench.pool.points().get(at(1)).expect("it is known");
        assert_eq!((point.last_seen == Some(seen), point.state), (!is_healthy, State::Candidate), "{failures} failures");
        // A dial that finds it does.
        bench.now = bench.now + Duration::from_secs(600);
        let link = bench.dial(1, Purpose::Feeler).expect("may dial");
        bench.pool.recognise(bench.now, link, peer(1));
        bench.close(link, CloseReason::Probed);
        assert_eq!(bench.pool.healthy(bench.now).len(), 1);
    }
}

/// Nor does it come back by the ends of other dials there, which would leave this node in its own book.
#[test]
fn an_address_that_is_this_node_is_forgotten_whatever_else_is_under_way_there() {
    let mut bench = Bench::new(policy());
    let links = [1, 2, 3].map(|nth| {
        let link = bench.dial(1, Purpose::Wanted).expect("may dial");
        assert!(nth == 3 || bench.pool.doom(bench.now, link, CloseReason::Internal));
        link
    });
    for (link, reason) in links.into_iter().zip([CloseReason::OwnKey, CloseReason::Reset, CloseReason::OwnKey]) {
        bench.close(link, reason);
        assert_eq!(bench.state(1), None, "{reason:?}");
    }
}
