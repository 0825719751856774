//! The two tables: who gets a place, who becomes tried, who is drawn, who goes.

use super::book::{Book, Table};
use super::points::*;
use super::policy::{Grouping, Policy};
use super::tried::Promotion;
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::Group;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::settings::table::Settings;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn policy() -> Policy {
    let settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
    Policy::from(&settings.check().expect("valid"))
}

/// A host of a group: each is an IPv4 /16.
fn at(group: u16, host: u16) -> SocketAddr {
    let ([a, b], [c, d]) = (group.to_be_bytes(), host.to_be_bytes());
    SocketAddr::from(([20 + a, b, c, d], 1))
}

fn source(group: u16) -> Source {
    let [a, b] = group.to_be_bytes();
    Source::Group(Group::V4([100 + a, b]))
}

fn tell(book: &mut Book, now: Time, at: SocketAddr, from: u16, policy: &Policy) -> Intake {
    let address = Address::of(at, None);
    book.learn(now, &Offer { address: &address, capabilities: &[], source: source(from), proof: Proof::Heard }, policy)
}

fn tell_all(book: &mut Book, now: Time, all: impl IntoIterator<Item = SocketAddr>, from: u16, policy: &Policy) {
    for at in all {
        tell(book, now, at, from, policy);
    }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn places(book: &Book, at: SocketAddr) -> usize {
    book.get(at).map_or(0, |point| point.places.len())
}

fn is_tried(book: &Book, at: SocketAddr) -> bool {
    book.get(at).is_some_and(Point::is_tried)
}

#[test]
fn no_bucket_holds_more_than_64_and_each_holds_as_many() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    let new = (0..200).filter(|host| tell(&mut book, Time::ZERO, at(1, *host), 1, &policy) == Intake::New).count();
    assert_eq!((new, book.len()), (64, 64), "what one source tells of one group is one bucket");
    book.check_invariants(&policy);
    // In whatever order they come, no number of sources and groups leads to more.
    let mut rng = Rng::from_seed(1);
    for _ in 0..30_000 {
        let (group, host, from) = (rng.below(900) as u16, rng.below(900) as u16, rng.below(900) as u16);
        tell(&mut book, Time::ZERO, at(group, host), from, &policy);
    }
    let mut buckets = [0; 256];
    book.buckets.iter().for_each(|(place, _)| buckets[usize::from(place) / 64] += 1);
    assert!(buckets.iter().all(|held| *held <= 64) && buckets.contains(&64), "{buckets:?}");
    book.check_invariants(&policy);
}

#[test]
fn one_group_holds_a_32nd_of_the_new_table() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    let mut rng = Rng::from_seed(1);
    for _ in 0..5_000 {
        tell(&mut book, Time::ZERO, at(rng.below(1_000) as u16, rng.below(60_000) as u16), 1, &policy);
    }
    assert_eq!(book.len(), 16_384 / 32);
    let buckets: BTreeSet<u16> = book.buckets.iter().map(|(place, _)| place / 64).collect();
    assert!(buckets.len() <= 32, "{}", buckets.len());
}

#[test]
fn a_further_place_is_a_matter_of_luck() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    let known: Vec<SocketAddr> = (0..400).map(|group| at(group, 1)).collect();
    known.iter().for_each(|at| assert_eq!(tell(&mut book, Time::ZERO, *at, 1, &policy), Intake::New));
    let with = |book: &Book, count: usize| known.iter().filter(|at| places(book, **at) == count).count();
    for _ in 0..20 {
        known.iter().for_each(|at| assert_eq!(tell(&mut book, Time::ZERO, *at, 2, &policy), Intake::Known));
    }
    let second = with(&book, 2);
    assert!((150..250).contains(&second), "one of two gets a second place, however often one source repeats it: {second}");
    for from in 3..100 {
        tell_all(&mut book, Time::ZERO, known.iter().copied(), from, &policy);
    }
    assert!(with(&book, 4) > 390, "{} have four", with(&book, 4));
    book.check_invariants(&policy);
}

/// CometBFT's rule for who gives way, which is Bitcoin's.
#[test]
fn who_gives_way_to_newcomers() {
    let (policy, now) = (policy(), Time::ZERO + 100 * DAY);
    let ago = |age: Duration| Some(Time::from_nanos(now.as_nanos() - age.as_nanos() as u64));
    // Heard, dialed, seen so long ago; failures in a row; does it give way?
    let rows = [
        (DAY, None, None, 0, false),
        (29 * DAY, None, None, 0, false),
        (30 * DAY, None, None, 0, true),
        (30 * DAY, None, Some(29 * DAY), 0, false),
        (30 * DAY, Some(59 * MINUTE / 60), None, 0, false),
        (DAY, Some(HOUR), None, 2, false),
        (DAY, Some(HOUR), None, 3, true),
        (DAY, Some(59 * MINUTE / 60), None, 3, false),
        (DAY, Some(MINUTE), None, 3, true),
        (DAY, Some(HOUR), Some(6 * DAY), 15, false),
        (DAY, Some(HOUR), Some(7 * DAY), 9, false),
        (DAY, Some(HOUR), Some(7 * DAY), 10, true),
    ];
    for (row, (heard, dialed, seen, attempts, gives_way)) in rows.into_iter().enumerate() {
        let mut point = Point::new(Time::ZERO, at(1, 1), source(1));
        point.last_heard = ago(heard).expect("a time");
        (point.last_dialed, point.last_seen, point.attempts) = (dialed.and_then(ago), seen.and_then(ago), attempts);
        assert_eq!(point.is_terrible(now, &policy), gives_way, "row {row}");
        point.state = State::Connected(LinkId::from_u64(1));
        assert!(!point.is_terrible(now, &policy), "row {row}: it is in use");
    }
}

#[test]
fn a_newcomer_takes_the_place_of_who_gives_way_and_of_nobody_else() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    let hosts = 0..64;
    hosts.clone().for_each(|host| assert_eq!(tell(&mut book, Time::ZERO, at(1, host), 1, &policy), Intake::New));
    let now = Time::ZERO + HOUR;
    assert_eq!(tell(&mut book, now, at(1, 100), 1, &policy), Intake::Refused);
    for host in hosts.clone() {
        book.change(at(1, host), |point| point.attempts = 3);
    }
    assert_eq!(tell(&mut book, now, at(1, 100), 1, &policy), Intake::New);
    assert_eq!((book.len(), hosts.filter(|host| book.get(at(1, *host)).is_some()).count()), (64, 63));
    book.check_invariants(&policy);
}

#[test]
fn a_peer_has_eight_addresses_at_most() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    let say = |book: &mut Book, group: u16, proof: Proof| {
        let address = Address::of(at(group, 1), Some(peer(1)));
        book.learn(Time::ZERO, &Offer { address: &address, capabilities: &[], source: source(1), proof }, &policy)
    };
    for group in 0..8 {
        assert_eq!(say(&mut book, group, Proof::Heard), Intake::New);
    }
    assert_eq!(say(&mut book, 8, Proof::Heard), Intake::New);
    assert_eq!(book.get(at(8, 1)).and_then(|point| point.peer), None, "nobody pushes out what others have said");
    assert_eq!(say(&mut book, 9, Proof::Host), Intake::New, "but its own word counts for more");
    assert_eq!(book.of_peer(&peer(1)).count(), 8);
    // A dial decides: the address is its own whatever was said.
    assert_eq!(tell(&mut book, Time::ZERO, at(10, 1), 1, &policy), Intake::New);
    book.prove(Time::ZERO, at(10, 1), peer(1));
    assert_eq!((book.of_peer(&peer(1)).count(), book.get(at(10, 1)).and_then(|point| point.peer)), (8, Some(peer(1))));
    assert!(book.get(at(9, 1)).is_some());
    book.check_invariants(&policy);
}

#[test]
fn a_useful_address_becomes_tried_and_leaves_the_new_table() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    assert_eq!(book.good(Time::ZERO, at(1, 1), &policy), Promotion::Unknown);
    tell(&mut book, Time::ZERO, at(1, 1), 1, &policy);
    assert_eq!(book.good(Time::ZERO, at(1, 1), &policy), Promotion::Tried);
    assert_eq!(book.good(Time::ZERO, at(1, 1), &policy), Promotion::Known);
    assert_eq!((is_tried(&book, at(1, 1)), places(&book, at(1, 1))), (true, 1));
    // What others say of it gives it no place in the new table again.
    (2..100).for_each(|from| tell_all(&mut book, Time::ZERO, [at(1, 1)], from, &policy));
    assert_eq!(places(&book, at(1, 1)), 1);
    // Nor do the operator's own, nor those given up, take places from others.
    book.fix(Time::ZERO, at(1, 1), None, true);
    assert_eq!(places(&book, at(1, 1)), 0);
    book.check_invariants(&policy);
}

/// A book with a group whose four tried buckets are full, one who wants a place there, and who holds it.
fn collision(now: Time, policy: &Policy) -> (Book, SocketAddr, SocketAddr) {
    let mut book = Book::new([7; 16]);
    for host in 0..1_000 {
        tell(&mut book, now, at(1, host), host, policy);
        if let Promotion::Collides(holder) = book.good(now, at(1, host), policy) {
            return (book, at(1, host), holder);
        }
    }
    panic!("four buckets hold no thousand addresses");
}

#[test]
fn who_holds_a_tried_place_is_tested_before_he_loses_it() {
    let (policy, start) = (policy(), Time::ZERO + DAY);
    // How long the newcomer waits, how long ago the holder was seen and dialed then, and who has the place.
    let rows = [
        (5 * MINUTE, 5 * HOUR, None, None),
        (5 * MINUTE, 5 * HOUR, Some(30 * MINUTE / 60), None),
        (5 * MINUTE, 5 * HOUR, Some(2 * MINUTE), Some(true)),
        (5 * MINUTE, 3 * HOUR, Some(2 * MINUTE), Some(false)),
        (39 * MINUTE, 5 * HOUR, Some(5 * HOUR), None),
        (40 * MINUTE, 5 * HOUR, Some(5 * HOUR), Some(true)),
        (40 * MINUTE, 5 * HOUR, None, Some(true)),
    ];
    for (row, (waited, seen, dialed, wins)) in rows.into_iter().enumerate() {
        let (mut book, newcomer, holder) = collision(start, &policy);
        assert!(!is_tried(&book, newcomer) && is_tried(&book, holder) && places(&book, newcomer) > 0);
        let now = start + waited;
        let ago = |age: Duration| Time::from_nanos(now.as_nanos() - age.as_nanos() as u64);
        book.change(holder, |point| (point.last_seen, point.last_dialed) = (Some(ago(seen)), dialed.map(ago)));
        book.expire(now, &policy);
        assert_eq!(is_tried(&book, newcomer), wins == Some(true), "row {row}");
        assert_eq!(is_tried(&book, holder), wins != Some(true), "row {row}");
        assert_eq!(book.collisions.is_empty(), wins.is_some(), "row {row}");
        assert!(places(&book, holder) == 1 && places(&book, newcomer) == 1, "row {row}: who leaves tried is found in new");
        book.check_invariants(&policy);
    }
}

#[test]
fn a_holder_who_is_being_dialed_or_linked_is_not_replaced() {
    let (policy, start) = (policy(), Time::ZERO + DAY);
    let (mut book, newcomer, holder) = collision(start, &policy);
    let now = start + 5 * HOUR;
    book.change(holder, |point| (point.state, point.last_dialed) = (State::Dialing(LinkId::from_u64(1)), Some(start + HOUR)));
    book.expire(now, &policy);
    assert!(is_tried(&book, holder) && book.collisions.contains_key(&newcomer), "the dial will tell");
    book.change(holder, |point| point.state = State::Connected(LinkId::from_u64(1)));
    book.expire(now, &policy);
    assert!(is_tried(&book, holder) && book.collisions.is_empty());
}

#[test]
fn no_more_than_ten_wait_for_tried_places() {
    let policy = policy();
    let (mut book, ..) = collision(Time::ZERO, &policy);
    // Whoever holds a place was not seen lately, and not tested yet.
    let now = Time::ZERO + 5 * HOUR;
    for host in 1_000..2_000 {
        tell(&mut book, now, at(1, host), host, &policy);
        book.good(now, at(1, host), &policy);
    }
    assert_eq!(book.collisions.len(), 10);
    let tried = book.iter().filter(|point| point.is_tried()).count();
    assert!((64..=4 * 64).contains(&tried) && tried % 64 == 0, "a group has four buckets, which may fall together: {tried}");
    book.check_invariants(&policy);
}

#[test]
fn a_contested_place_is_felt_first_and_new_addresses_else() {
    let (policy, now, mut rng) = (policy(), Time::ZERO, Rng::from_seed(1));
    let mut calm = Book::new([7; 16]);
    assert_eq!(calm.feeler(now, &mut rng), None);
    for group in 0..20 {
        tell(&mut calm, now, at(group, 1), 1, &policy);
        tell(&mut calm, now, at(group, 2), 1, &policy);
        calm.good(now, at(group, 2), &policy);
    }
    let felt: BTreeSet<SocketAddr> = (0..1_000).filter_map(|_| calm.feeler(now, &mut rng)).collect();
    assert_eq!(felt, (0..20).map(|group| at(group, 1)).collect());
    let (book, _, holder) = collision(now, &policy);
    assert!((0..100).all(|_| book.feeler(now, &mut rng) == Some(holder)));
}

#[test]
fn many_addresses_in_one_group_give_no_more_chances() {
    let (mut book, policy, mut rng) = (Book::new([7; 16]), policy(), Rng::from_seed(1));
    (0..500).for_each(|host| tell_all(&mut book, Time::ZERO, [at(0, host)], host, &policy));
    tell_all(&mut book, Time::ZERO, (1..10).map(|group| at(group, 1)), 1, &policy);
    assert!(book.len() > 400);
    let flood = (0..10_000)
        .filter_map(|_| book.pick(Time::ZERO, Table::New, &mut rng, |_| true))
        .filter(|picked| picked.ip() < at(1, 0).ip());
    assert!((900..1_100).contains(&flood.count()), "one group of ten is drawn one time of ten");
    assert_eq!(book.pick(Time::ZERO, Table::New, &mut rng, |point| point.at == at(60, 1)), None);
    assert_eq!(book.pick(Time::ZERO, Table::Tried, &mut rng, |_| true), None);
}

#[test]
fn an_address_that_was_reinstated_three_times_in_vain_is_forgotten() {
    let (mut book, policy, mut now) = (Book::new([7; 16]), policy(), Time::ZERO);
    let (dead, back) = (at(1, 1), at(2, 1));
    for at in [dead, back] {
        tell(&mut book, now, at, 1, &policy);
        book.prove(now, at, peer(1));
    }
    for round in 0..8 {
        // One of them is only busy, the other has gone.
        for at in [dead, back] {
            book.change(at, |point| point.attempts = policy.attempts_max);
            book.rest(now, at, End::Missed, &policy, &mut Rng::from_seed(1));
        }
        assert!(book.get(back).is_some_and(|point| matches!(point.state, State::Bad { .. }) && point.places.is_empty()));
        now = now + policy.bad_period;
        book.expire(now, &policy);
        assert_eq!(book.get(dead).is_some(), round < 3, "round {round}");
        assert_eq!(places(&book, back), 1, "who is reinstated has a place again");
        book.rest(now, back, End::Refused, &policy, &mut Rng::from_seed(1));
        book.check_invariants(&policy);
    }
}

#[test]
fn what_nobody_has_seen_for_a_month_is_forgotten_whatever_was_proven() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    for host in 1..=3 {
        tell(&mut book, Time::ZERO, at(1, host), 1, &policy);
        book.prove(Time::ZERO, at(1, host), peer(host as u8));
    }
    book.good(Time::ZERO, at(1, 1), &policy);
    book.expire(Time::ZERO + 30 * DAY - MINUTE, &policy);
    assert_eq!(book.len(), 3);
    book.connect(Time::ZERO + DAY, at(1, 3), LinkId::from_u64(1));
    book.expire(Time::ZERO + 30 * DAY, &policy);
    assert_eq!(book.iter().map(|point| point.at).collect::<Vec<_>>(), [at(1, 3)]);
    book.check_invariants(&policy);
}

#[test]
fn when_nothing_answers_nobody_is_given_up() {
    let (mut book, policy, mut now) = (Book::new([7; 16]), policy(), Time::ZERO);
    let all = [at(1, 1), at(2, 1)];
    tell_all(&mut book, now, all, 1, &policy);
    let miss = |book: &mut Book, now: &mut Time| {
        for at in all {
            book.rest(*now, at, End::Missed, &policy, &mut Rng::from_seed(1));
        }
        *now = *now + HOUR;
    };
    (0..100).for_each(|_| miss(&mut book, &mut now));
    for at in all {
        let point = book.get(at).expect("it is known");
        assert_eq!((point.state, point.attempts), (State::Candidate, policy.attempts_max - 1), "it waits long, and no more");
    }
    // Somebody has answered: the next failure is the address's own.
    book.last_success = Some(now);
    now = now + HOUR;
    miss(&mut book, &mut now);
    assert!(all.iter().all(|at| book.get(*at).is_some_and(|point| matches!(point.state, State::Bad { .. }))));
}

#[test]
fn the_healthy_set_has_a_version_that_moves_when_somebody_joins() {
    let (mut book, policy, mut rng) = (Book::new([7; 16]), policy(), Rng::from_seed(1));
    tell(&mut book, Time::ZERO, at(1, 1), 1, &policy);
    tell(&mut book, Time::ZERO, at(2, 1), 1, &policy);
    let healthy_at = |book: &Book, group| book.get(at(group, 1)).map(|point| point.healthy_at);
    assert_eq!((book.healthy_version(), healthy_at(&book, 1)), (0, Some(0)));
    book.prove(Time::ZERO, at(1, 1), peer(1));
    book.prove(Time::ZERO, at(2, 1), peer(2));
    assert_eq!((book.healthy_version(), healthy_at(&book, 1), healthy_at(&book, 2)), (2, Some(1), Some(2)));
    for _ in 0..3 {
        book.rest(Time::ZERO, at(1, 1), End::Missed, &policy, &mut rng);
    }
    assert_eq!((book.healthy_version(), healthy_at(&book, 1)), (2, Some(0)));
    book.connect(Time::ZERO, at(1, 1), LinkId::from_u64(1));
    assert_eq!((book.healthy_version(), healthy_at(&book, 1)), (3, Some(3)));
}

#[test]
fn a_note_is_kept_if_it_is_short() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    tell(&mut book, Time::ZERO, at(1, 1), 1, &policy);
    assert!(
        book.set_metadata(at(1, 1), &[1; 256]) && !book.set_metadata(at(1, 1), &[2; 257]) && !book.set_metadata(at(2, 1), &[])
    );
    assert_eq!(book.get(at(1, 1)).map(|point| point.metadata.to_vec()), Some(vec![1; 256]));
}

#[test]
fn an_answer_has_23_of_100_but_at_least_32_and_at_most_100() {
    let policy = policy();
    for (known, size) in [(0, 32), (1, 32), (139, 32), (144, 33), (200, 46), (434, 99), (435, 100), (1_000, 100), (2_000, 100)] {
        assert_eq!(policy.answer_size(known), size, "{known}");
    }
}

/// Whatever is told, dialed, linked and lost: every index says what looking through all says. Places are drawn anew in between.
#[test]
fn no_index_drifts() {
    for seed in 0..4 {
        let (mut book, policy, mut rng) = (Book::new([1; 16]), policy(), Rng::from_seed(seed));
        let (groups, hosts) = if seed % 2 == 0 { (3, 300) } else { (300, 3) };
        let mut now = Time::ZERO;
        for step in 0..4_000_u64 {
            now = now + Duration::from_secs(rng.below(2_000));
            let at = at(rng.below(groups) as u16, rng.below(hosts) as u16);
            let (link, peer) = (LinkId::from_u64(step + 1), peer(rng.below(40) as u8));
            match rng.below(12) {
                0..=3 => tell_all(&mut book, now, [at], rng.below(20) as u16, &policy),
                4 => {
                    let address = Address::of(at, Some(peer));
                    book.learn(
                        now,
                        &Offer { address: &address, capabilities: &[], source: source(1), proof: Proof::Host },
                        &policy,
                    );
                }
                5 => book.dial(now, at, link, &policy),
                6 => book.prove(now, at, peer),
                7 => book.connect(now, at, link),
                8 => {
                    let end = [End::Missed, End::Missed, End::Refused, End::Lost, End::Parted, End::Useless][rng.index(6)];
                    book.rest(now, at, end, &policy, &mut rng);
                }
                9 => {
                    book.good(now, at, &policy);
                }
                10 if rng.percent(10) => {
                    book.fix(now, at, None, rng.percent(50));
                }
                10 => book.unfix(at, rng.percent(50)),
                _ => book.expire(now, &policy),
            }
            if step % 50 == 0 {
                book.check_invariants(&policy);
            }
            if step % 1_000 == 999 {
                let tried = |book: &Book| book.iter().filter(|point| point.is_tried()).count();
                let before = (book.len(), tried(&book));
                let by: fn(IpAddr) -> Option<u32> = |ip| Some(u32::from(ip.is_ipv4()));
                let grouping = if step == 1_999 { Grouping::by(by) } else { Grouping::default() };
                book.draw_anew([step as u8; 16], grouping, &policy);
                book.check_invariants(&policy);
                assert!(book.len() <= before.0 && tried(&book) <= before.1);
            }
        }
        assert!(book.len() > 100);
    }
}

#[test]
fn made_up_addresses_of_somebody_do_not_keep_his_true_one_out() {
    let (mut book, policy, victim) = (Book::new([7; 16]), policy(), peer(5));
    let mut tell = |at: SocketAddr, id: Option<PeerId>| {
        let address = Address::of(at, id);
        let offer = Offer { address: &address, capabilities: &[], source: source(at.port()), proof: Proof::Heard };
        (book.learn(Time::ZERO, &offer, &policy), book.get(at).and_then(|point| point.peer))
    };
    for group in 0..8 {
        assert_eq!(tell(at(group, 1), Some(victim)), (Intake::New, Some(victim)));
    }
    assert_eq!(tell(at(100, 1), Some(victim)), (Intake::New, None), "a dial shows who is there");
    assert_eq!(tell(at(101, 1), Some(peer(6))), (Intake::New, Some(peer(6))));
    assert_eq!(book.of_peer(&victim).count(), 8);
    book.check_invariants(&policy);
}

#[test]
fn a_host_of_ipv6_has_a_64_for_its_share() {
    let (mut book, policy) = (Book::new([7; 16]), policy());
    let mut tell = |net: u16, host: u16| {
        let at = SocketAddr::from(([0x2001, 0x4860, 0, net, 0, 0, 0, host], 9_000));
        tell(&mut book, Time::ZERO, at, host, &policy)
    };
    let taken = (1..100).filter(|host| tell(7, *host) == Intake::New).count();
    assert_eq!(taken, policy.points_per_host);
    assert_eq!(tell(8, 1), Intake::New, "the next host has a share of its own");
}
