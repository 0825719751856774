//! What becomes of addresses that others tell of.

use super::book::Book;
use super::points::*;
use super::policy::Policy;
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::Group;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::settings::table::Settings;
use crate::wire::hello::Capability;
use std::net::SocketAddr;
use std::time::Duration;

fn policy() -> Policy {
    let settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
    Policy { points_max: 64, points_per_source: 8, ..Policy::from(&settings.check().expect("valid")) }
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn hear(points: &mut Book, text: &str, from: &str, policy: &Policy) -> Intake {
    offer(points, text, from, Proof::Heard, policy)
}

fn offer(points: &mut Book, text: &str, from: &str, proof: Proof, policy: &Policy) -> Intake {
    let source = Source::Group(Group::of(from.parse().expect("an address")));
    let intake = points.learn(Time::ZERO, &Offer { address: &address(text), capabilities: &[], source, proof }, policy);
    points.check_invariants(policy);
    intake
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("a socket address")
}

#[test]
fn addresses_that_nobody_could_dial_are_refused() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    points.set_own([socket("8.8.8.8:9")]);
    points.note_self(socket("9.9.9.9:9"));
    for text in [
        "0.0.0.0:1",
        "255.255.255.255:1",
        "[::]:1",
        "224.0.0.1:1",
        "[ff02::1]:1",
        "10.0.0.1:1",
        "127.0.0.1:1",
        "169.254.0.1:1",
        "[fe80::1]:1",
        "[2001:10::1]:1",
        "seed.example:1",
        "mconn://8.8.4.4:1",
        "8.8.8.8:9",
        "9.9.9.9:9",
    ] {
        assert_eq!(hear(&mut points, text, "1.1.1.1", &policy), Intake::Refused, "{text}");
    }
    let portless = Address::of(SocketAddr::from(([8, 8, 4, 4], 0)), None);
    let source = Source::Group(Group::V4([1, 1]));
    let offer = Offer { address: &portless, capabilities: &[], source, proof: Proof::Heard };
    assert_eq!(points.learn(Time::ZERO, &offer, &policy), Intake::Refused);
    assert_eq!(hear(&mut points, "[::ffff:8.8.4.4]:1", "1.1.1.1", &policy), Intake::New);
    assert_eq!(hear(&mut points, "8.8.4.4:1", "1.1.1.1", &policy), Intake::Known);
    let private = Policy { allow_private: true, ..policy };
    assert_eq!(hear(&mut points, "10.0.0.1:1", "1.1.1.1", &private), Intake::New);
}

#[test]
fn a_host_and_a_source_have_their_share_and_no_more() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    let new = |points: &mut Book, texts: Vec<String>, from: &str| {
        texts.iter().filter(|text| hear(points, text, from, &policy) == Intake::New).count()
    };
    assert_eq!(new(&mut points, (1..100).map(|port| format!("8.8.8.8:{port}")).collect(), "1.1.1.1"), 3);
    assert_eq!(new(&mut points, (1..100).map(|n| format!("8.8.9.{n}:1")).collect(), "1.1.2.2"), 5, "1.1/16 is one source");
    assert_eq!(new(&mut points, (1..100).map(|n| format!("8.8.10.{n}:1")).collect(), "1.2.1.1"), 8);
    points.prove(Time::ZERO, socket("8.8.10.1:1"), PeerId::from_bytes([1; 32]));
    assert_eq!(new(&mut points, vec!["8.8.11.1:1".into(), "8.8.11.2:1".into()], "1.2.1.1"), 1, "a proven one counts no more");
}

#[test]
fn a_full_book_drops_the_worst_and_keeps_what_is_fixed_or_in_use() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    let (fixed, used, proven) = (socket("9.1.1.1:1"), socket("9.2.2.2:1"), socket("9.3.3.3:1"));
    points.fix(Time::ZERO, fixed, None, false);
    points.dial(Time::ZERO, used, LinkId::from_u64(1), &policy);
    points.dial(Time::ZERO, proven, LinkId::from_u64(2), &policy);
    points.prove(Time::ZERO, proven, PeerId::from_bytes([1; 32]));
    points.rest(Time::ZERO, proven, End::Lost, &policy, &mut Rng::from_seed(1));
    for n in 0..2_000_u32 {
        let [_, _, a, b] = n.to_be_bytes();
        hear(&mut points, &format!("20.{a}.{b}.1:1"), &format!("30.{}.1.1", n % 200), &policy);
        assert!(points.len() <= 64);
    }
    for at in [fixed, used, proven] {
        assert!(points.get(at).is_some(), "{at}");
    }
}

#[test]
fn sixteen_failures_make_an_address_bad_and_a_day_reinstates_it() {
    let (mut points, policy, mut rng) = (Book::new([7; 16]), policy(), Rng::from_seed(1));
    let at = socket("8.8.8.8:1");
    let fixed = socket("8.8.4.4:1");
    let other = socket("9.9.9.9:1");
    hear(&mut points, "9.9.9.9:1", "1.1.1.1", &policy);
    hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
    points.fix(Time::ZERO, fixed, None, true);
    let mut now = Time::ZERO;
    for attempt in 1..=16_u32 {
        // Something answers, so the network is there.
        points.prove(now, other, PeerId::from_bytes([1; 32]));
        for at in [at, fixed] {
            points.dial(now, at, LinkId::from_u64(1), &policy);
            points.rest(now, at, End::Missed, &policy, &mut rng);
        }
        let point = points.get(at).expect("it is known");
        let least = Duration::from_secs(1 << attempt).max(policy.dial_point_period);
        assert!(point.next_dial >= now + least && point.next_dial <= now + least + Duration::from_secs(1));
        assert_eq!(matches!(point.state, State::Bad { .. }), attempt == 16);
        let fixed = points.get(fixed).expect("it is fixed");
        assert!(fixed.state == State::Reconnecting && fixed.next_dial <= now + policy.persistent_period_max);
        now = point.next_dial;
    }
    let end = points.get(at).map(|point| point.state);
    let Some(State::Bad { until }) = end else { panic!("{end:?}") };
    points.expire(until - Duration::from_nanos(1), &policy);
    assert!(matches!(points.get(at).map(|p| p.state), Some(State::Bad { .. })));
    points.expire(until, &policy);
    assert_eq!(points.get(at).map(|p| (p.state, p.attempts)), Some((State::Candidate, 0)));
}

#[test]
fn refusals_delay_but_never_make_an_address_bad() {
    let (mut points, policy, mut rng) = (Book::new([7; 16]), policy(), Rng::from_seed(1));
    let at = socket("8.8.8.8:1");
    hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
    for _ in 0..100 {
        points.rest(Time::ZERO, at, End::Refused, &policy, &mut rng);
    }
    let point = points.get(at).expect("it is known");
    assert!(point.state == State::Candidate && point.next_dial < Time::ZERO + Duration::from_secs(258));
    points.rest(Time::ZERO, at, End::Useless, &policy, &mut rng);
    assert!(matches!(points.get(at).map(|p| p.state), Some(State::Bad { .. })));
}

#[test]
fn hearsay_never_renames_a_proven_address() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    let (honest, liar) = ("ab".repeat(32), "cd".repeat(32));
    let at = socket("8.8.8.8:1");
    hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
    hear(&mut points, &format!("{liar}@8.8.8.8:1"), "1.1.1.1", &policy);
    assert_eq!(points.get(at).and_then(|p| p.peer), liar.parse().ok(), "better than nothing");
    offer(&mut points, &format!("{honest}@8.8.8.8:1"), "8.8.8.8", Proof::Host, &policy);
    hear(&mut points, &format!("{liar}@8.8.8.8:1"), "1.1.1.1", &policy);
    assert_eq!(points.get(at).and_then(|p| p.peer), honest.parse().ok());
    points.prove(Time::ZERO, at, liar.parse().expect("an id"));
    offer(&mut points, &format!("{honest}@8.8.8.8:1"), "8.8.8.8", Proof::Host, &policy);
    assert_eq!(points.get(at).and_then(|p| p.peer), liar.parse().ok(), "what a dial saw stands");
}

fn capabilities(names: &[&str]) -> Vec<Capability> {
    names.iter().map(|name| Capability { name: (*name).to_owned(), value: 1 }).collect()
}

#[test]
fn what_a_peer_says_of_itself_stands_against_what_others_say_of_it() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    let (peer, other) = (PeerId::from_bytes([1; 32]), PeerId::from_bytes([2; 32]));
    let [at, elsewhere] = ["8.8.8.8:1", "8.8.4.4:1"].map(socket);
    let say = |points: &mut Book, who: PeerId, at: SocketAddr, names: &[&str]| {
        let source = Source::Group(Group::of("1.1.1.1".parse().expect("an address")));
        let (address, capabilities) = (Address::of(at, Some(who)), capabilities(names));
        points.learn(Time::ZERO, &Offer { address: &address, capabilities: &capabilities, source, proof: Proof::Heard }, &policy)
    };
    let has = |points: &Book, at, name: &str| points.get(at).is_some_and(|point| point.has(name));
    assert_eq!(say(&mut points, peer, at, &["archive"]), Intake::New);
    say(&mut points, peer, elsewhere, &["archive"]);
    assert!(has(&points, at, "archive") && !points.get(at).is_some_and(|point| point.is_own_word));
    say(&mut points, peer, at, &[]);
    assert!(has(&points, at, "archive"), "who names none denies none");
    say(&mut points, other, at, &["oracle"]);
    assert!(has(&points, at, "archive") && !has(&points, at, "oracle"), "what another can do says nothing of this one");
    // It has something else, or nothing at all; that holds for every address of it.
    for own in [&["light"][..], &[]] {
        points.note_capabilities(&peer, &capabilities(own));
        say(&mut points, peer, at, &["archive"]);
        for at in [at, elsewhere] {
            assert_eq!(
                points.get(at).map(|point| (point.capabilities.clone(), point.is_own_word)),
                Some((capabilities(own), true))
            );
        }
    }
    // Somebody else answers there: nothing is known of him.
    points.note_capabilities(&peer, &capabilities(&["light"]));
    points.prove(Time::ZERO, at, peer);
    assert!(has(&points, at, "light"));
    points.prove(Time::ZERO, at, other);
    assert!(points.get(at).is_some_and(|point| point.capabilities.is_empty() && !point.is_own_word));
    assert!(has(&points, elsewhere, "light"));
}

#[test]
fn no_point_keeps_more_capabilities_than_a_hello_has() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    let many: Vec<_> = (0..100).map(|i| Capability { name: format!("{i}"), value: 1 }).collect();
    let source = Source::Group(Group::of("1.1.1.1".parse().expect("an address")));
    for _ in 0..2 {
        let offer = Offer { address: &address("8.8.8.8:1"), capabilities: &many, source, proof: Proof::Heard };
        points.learn(Time::ZERO, &offer, &policy);
        assert_eq!(points.get(socket("8.8.8.8:1")).map(|point| point.capabilities.len()), Some(32));
    }
}

#[test]
fn old_hearsay_is_forgotten_and_a_crowded_source_loses_its_fruitless_ones() {
    let (mut points, policy, mut rng) = (Book::new([7; 16]), policy(), Rng::from_seed(1));
    for n in 0..8 {
        hear(&mut points, &format!("8.8.8.{n}:1"), "1.1.1.1", &policy);
    }
    let at = socket("8.8.8.0:1");
    for _ in 0..3 {
        points.rest(Time::ZERO, at, End::Missed, &policy, &mut rng);
    }
    points.expire(Time::ZERO, &policy);
    assert!(points.get(at).is_none() && points.len() == 7);
    points.expire(Time::ZERO + policy.point_forgotten_after, &policy);
    assert!(points.is_empty());
    points.check_invariants(&policy);
}

#[test]
fn an_own_address_is_forgotten_at_once() {
    let (mut points, policy) = (Book::new([7; 16]), policy());
    hear(&mut points, "8.8.8.8:1", "1.1.1.1", &policy);
    points.set_own([socket("8.8.8.8:1")]);
    assert!(points.is_empty() && points.is_self(socket("8.8.8.8:1")));
    for port in 1..200 {
        points.note_self(SocketAddr::from(([9, 9, 9, 9], port)));
    }
    assert!(points.is_self(socket("9.9.9.9:199")) && !points.is_self(socket("9.9.9.9:1")));
}
