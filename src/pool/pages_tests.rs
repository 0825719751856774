//! Pages of the tables, and addresses that come and go by hand.

use super::pages::{AddError, PAGE, PointFilter, PointInfo, Removal, StateKind};
use super::points::{Proof, Source, State};
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, peer, policy};
use crate::base::address::Address;
use crate::base::limits::BUCKET;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

fn nth(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([10, 1, high, low], 9_000))
}

fn add(bench: &mut Bench, text: &str) -> Result<(), AddError> {
    let address: Address = text.parse()?;
    bench.pool.add_point(bench.now, &address)
}

fn shown(bench: &Bench, filter: PointFilter) -> Vec<PointInfo> {
    bench.pool.points_page(None, &filter).rows
}

fn healthy(bench: &Bench) -> Vec<Address> {
    bench.pool.healthy(bench.now)
}

#[test]
fn each_address_is_shown_once_though_the_book_changes_between_pages() {
    let mut bench = Bench::new(policy());
    for number in (0..1_200).step_by(2) {
        bench.pool.add_point(bench.now, &Address::of(nth(number), None)).expect("there is room");
    }
    let all = PointFilter::default();
    let mut pages = vec![bench.pool.points_page(None, &all)];
    while let Some(after) = pages.last().expect("one at least").after {
        // One comes and one goes before what was shown, and one each behind it.
        let round = pages.len() as u16;
        for number in [round, 1_100 + round] {
            bench.pool.add_point(bench.now, &Address::of(nth(2 * number + 1), None)).expect("there is room");
        }
        assert_eq!(bench.pool.forget_point(nth(2 * round)), Removal::Removed);
        assert_eq!(bench.pool.forget_point(nth(1_190 + 2 * round)), Removal::Removed);
        pages.push(bench.pool.points_page(Some(after), &all));
    }
    assert_eq!(pages.iter().map(|page| page.rows.len()).max(), Some(PAGE));
    let seen: Vec<SocketAddr> =
        pages.iter().flat_map(|page| &page.rows).map(|info| info.address.socket().expect("an address")).collect();
    assert!(seen.is_sorted_by(|one, next| one < next), "each once, in order");
    let always = (0..1_190).step_by(2).map(nth);
    assert!(always.filter(|at| !seen.contains(at)).count() == 0, "who was there all the time is shown");
    assert!(!seen.contains(&nth(1_192)) && seen.contains(&nth(2_203)), "what changed behind the last page is seen");
}

#[test]
fn a_page_that_ends_the_table_says_so() {
    let mut bench = Bench::new(policy());
    assert!(bench.pool.points_page(None, &PointFilter::default()).after.is_none());
    for number in 0..PAGE as u16 {
        bench.pool.add_point(bench.now, &Address::of(nth(number), None)).expect("there is room");
    }
    // Only the next one can show that nothing follows.
    let page = bench.pool.points_page(None, &PointFilter { proof: Some(Proof::Dialed), ..PointFilter::default() });
    assert_eq!((page.rows.len(), page.after), (0, Some(nth(PAGE as u16 - 1))), "none fits, more may follow");
    let page = bench.pool.points_page(page.after, &PointFilter::default());
    assert_eq!((page.rows.len(), page.after), (0, None));
}

#[test]
fn a_filter_gives_those_that_fit_all_of_it() {
    let mut bench = Bench::new(Policy { attempts_max: 1, ..policy() });
    let link = bench.outbound(1);
    let dialing = bench.dial(2, Purpose::Wanted).expect("may dial");
    let missed = bench.dial(3, Purpose::Wanted).expect("may dial");
    bench.close(missed, CloseReason::ConnectionRefused);
    bench.pool.fix(bench.now, at(4), Some(peer(4)), true);
    bench.pool.fix(bench.now, at(5), None, false);
    let of = |state| shown(&bench, PointFilter { state: Some(state), ..PointFilter::default() });
    let states = |state| of(state).iter().map(|info| (info.address.to_string(), info.state)).collect::<Vec<_>>();
    let text = |number: u8, known: Option<u8>| Address::of(at(number), known.map(peer)).to_string();
    assert_eq!(states(StateKind::Connected), [(text(1, Some(1)), State::Connected(link))]);
    assert_eq!(states(StateKind::Dialing), [(text(2, None), State::Dialing(dialing))]);
    let until = bench.now + bench.pool.policy().bad_period;
    assert_eq!(states(StateKind::Bad), [(text(3, None), State::Bad { until })]);
    assert_eq!(of(StateKind::Bad)[0].last_failure, Some((bench.now, CloseReason::ConnectionRefused)));
    assert_eq!(states(StateKind::Reconnecting), [(text(4, Some(4)), State::Reconnecting)]);
    assert_eq!(states(StateKind::Candidate), [(text(5, None), State::Candidate)]);
    assert!(of(StateKind::Candidate)[0].is_seed && of(StateKind::Reconnecting)[0].is_persistent);
    let proven = PointFilter { proof: Some(Proof::Dialed), ..PointFilter::default() };
    assert_eq!(shown(&bench, proven).len(), 1);
    assert_eq!(shown(&bench, PointFilter { peer: Some(peer(4)), ..proven }), [], "both must fit");
    assert_eq!(shown(&bench, PointFilter { peer: Some(peer(1)), ..proven }).len(), 1);
    assert_eq!(bench.pool.fixed_points(true).len() + bench.pool.fixed_points(false).len(), 2);
}

#[test]
fn what_is_added_by_hand_is_refused_for_its_reason_and_nothing_changes() {
    let mut bench = Bench::new(Policy { allow_private: false, ..policy() });
    bench.pool.set_own_addresses(vec![Address::of(SocketAddr::from(([8, 8, 8, 8], 9)), None)]);
    bench.pool.ban(bench.now, "9.9.0.0/16".parse().expect("a prefix"), None, "").expect("there is room");
    bench.pool.ban(bench.now, crate::base::subject::Subject::Peer(peer(3)), None, "").expect("there is room");
    add(&mut bench, "1.2.3.4:9").expect("an address");
    assert!(bench.pool.take_fresh_points(), "maintenance looks at it at once");
    let before = format!("{:?}", bench.pool.points());
    let (own, banned) = (peer(100), peer(3));
    for (text, says) in [
        ("1.2.3.4".to_owned(), "'1.2.3.4' has no port"),
        ("1.2.3.4:0".to_owned(), "'0' is no port"),
        ("1.2.3.4:65536".to_owned(), "'65536' is no port"),
        ("tcp://1.2.3.4:9".to_owned(), "unknown scheme 'tcp'"),
        ("mconn://1.2.3.5:9".to_owned(), "mconn addresses are not dialed by this node"),
        ("12@1.2.3.5:9".to_owned(), "a peer id is 64 hex digits"),
        ("1.2.3.999:9".to_owned(), "neither an IP address"),
        ("10.0.0.1:9".to_owned(), "10.0.0.1:9 is no address to dial"),
        ("127.0.0.1:9".to_owned(), "network.allow_private"),
        ("0.0.0.0:9".to_owned(), "0.0.0.0:9 is no address to dial"),
        ("[ff0e::1]:9".to_owned(), "[ff0e::1]:9 is no address to dial"),
        ("[fe80::1]:9".to_owned(), "[fe80::1]:9 is no address to dial"),
        ("1.2.3.4:9".to_owned(), "1.2.3.4:9 is known already"),
        ("[::ffff:1.2.3.4]:9".to_owned(), "1.2.3.4:9 is known already"),
        (format!("{}@1.2.3.4:9", peer(7)), "1.2.3.4:9 is known already"),
        ("8.8.8.8:9".to_owned(), "8.8.8.8:9 is this node itself"),
        (format!("{own}@1.2.3.5:9"), "1.2.3.5:9 is this node itself"),
        ("9.9.1.1:9".to_owned(), "9.9.1.1:9 or its peer is banned"),
        (format!("{banned}@1.2.3.5:9"), "1.2.3.5:9 or its peer is banned"),
        ("seed.example:9".to_owned(), "could not be resolved"),
    ] {
        let error = add(&mut bench, &text).expect_err(&text).to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert_eq!(format!("{:?}", bench.pool.points()), before);
    assert!(!bench.pool.take_fresh_points());
}

#[test]
fn a_full_book_says_so_and_gives_up_nobody_who_is_good() {
    let mut bench = Bench::new(policy());
    // What the operator says of one network has one bucket.
    let near = |number: u16| Address::of(SocketAddr::from(([8, 8, 8, 8], number)), None);
    for number in 1..=BUCKET as u16 {
        bench.pool.add_point(bench.now, &near(number)).expect("there is room");
    }
    assert_eq!(bench.pool.add_point(bench.now, &near(65)), Err(AddError::Full));
    assert_eq!(bench.pool.points().len(), BUCKET);
    assert_eq!(bench.pool.forget_point(SocketAddr::from(([8, 8, 8, 8], 7))), Removal::Removed);
    assert_eq!(bench.pool.add_point(bench.now, &near(65)), Ok(()), "its place is free");
}

#[test]
fn what_the_operator_adds_is_his_word() {
    let mut bench = Bench::new(policy());
    add(&mut bench, &format!("{}@10.9.0.1:9", peer(9))).expect("an address");
    let info = shown(&bench, PointFilter::default()).remove(0);
    assert_eq!((info.address.id, info.source, info.proof), (Some(peer(9)), Source::Own, Proof::Heard));
    assert_eq!((info.state, info.is_tried, info.attempts, info.next_dial), (State::Candidate, false, 0, Time::ZERO));
    assert_eq!(bench.candidates(5).now, [SocketAddr::from(([10, 9, 0, 1], 9))]);
}

#[test]
fn an_address_is_forgotten_unless_something_needs_it() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(1);
    assert_eq!(bench.pool.forget_point(at(2)), Removal::Unknown);
    bench.pool.fix(bench.now, at(3), None, false);
    assert_eq!(bench.pool.forget_point(at(3)), Removal::Fixed);
    assert_eq!(bench.pool.forget_point(at(1)), Removal::InUse);
    bench.close(link, CloseReason::Goodbye);
    assert_eq!(healthy(&bench).len(), 1);
    assert_eq!(bench.pool.forget_point(at(1)), Removal::Removed);
    assert!(healthy(&bench).is_empty() && bench.state(1).is_none());
    let policy = bench.pool.policy().clone();
    bench.pool.points().check_invariants(&policy);
}

#[test]
fn identities_are_shown_with_their_history() {
    let mut bench = Bench::new(policy());
    bench.now = Time::ZERO + Duration::from_secs(10);
    let (first, link) = (bench.now, bench.inbound(1));
    bench.now = bench.now + Duration::from_secs(5);
    bench.close(link, CloseReason::PingTimeout);
    bench.pool.report(bench.now, peer(1), 30, "a good block");
    assert!(bench.pool.known_mut().set_metadata(&peer(1), b"miner"));
    bench.inbound(2);
    let page = bench.pool.peers_page(bench.now, None);
    assert_eq!(page.after, None);
    let [one, two] = &page.rows[..] else { panic!("{page:?}") };
    assert_eq!((one.id, one.first_seen, one.last_seen, one.links), (peer(1), first, bench.now, 0));
    assert_eq!(
        (one.score, &one.failures[..], &one.metadata[..]),
        (30, &[(bench.now, CloseReason::PingTimeout)][..], &b"miner"[..])
    );
    assert_eq!((two.id, two.links, two.is_private, two.score), (peer(2), 1, false, 0));
    assert_eq!(bench.pool.peers_page(bench.now, Some(peer(1))).rows.len(), 1);
}

#[test]
fn who_is_healthy_is_looked_for_again_when_that_may_have_changed() {
    let mut bench = Bench::new(policy());
    let mut last = bench.pool.healthy_changes();
    let mut has_changed =
        |bench: &Bench| std::mem::replace(&mut last, bench.pool.healthy_changes()) != bench.pool.healthy_changes();
    let link = bench.outbound(1);
    assert!(has_changed(&bench), "one has joined");
    let other = bench.inbound(2);
    add(&mut bench, "10.3.0.1:9").expect("an address");
    bench.close(other, CloseReason::Goodbye);
    assert!(!has_changed(&bench), "links come and go, and hearsay");
    bench.close(link, CloseReason::Goodbye);
    for _ in 0..bench.pool.policy().unhealthy_after {
        bench.now = bench.now + Duration::from_secs(600);
        let link = bench.dial(1, Purpose::Asked { tag: None }).expect("may dial");
        bench.close(link, CloseReason::ConnectTimeout);
    }
    assert!(has_changed(&bench) && healthy(&bench).is_empty(), "one has left");
    let hello = |is_private| std::sync::Arc::new(crate::wire::hello::Hello { is_private, ..Default::default() });
    for (is_private, count) in [(false, 1), (true, 0), (true, 0), (false, 1)] {
        let was = count == healthy(&bench).len();
        bench.now = bench.now + Duration::from_secs(600);
        let link = bench.dial(1, Purpose::Asked { tag: None }).expect("may dial");
        bench.pool.recognise(bench.now, link, peer(1));
        bench.pool.introduce(bench.now, link, peer(1), &hello(is_private), &mut bench.rng);
        bench.pool.open(bench.now, link);
        assert_eq!((has_changed(&bench), healthy(&bench).len()), (!was, count), "{is_private}");
        bench.close(link, CloseReason::Goodbye);
    }
    bench.pool.forget_point(at(1));
    assert!(has_changed(&bench), "one is forgotten");
}
