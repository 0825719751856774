//! Maintenance's dialing, step by step: how far it fills up, whom it dials only once, what it dials first, feels, asks and leaves alone.

use super::machine::Machine;
use super::maintenance::{Input, Maintenance};
use super::testbed::{at, hello_of, ms, peer};
use super::upkeep::{Bench, Dial, busy, dials};
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Verdict;
use crate::bus::command::Command;
use crate::bus::outbox::{Answered, Done, Job, Notice, Outbox};
use crate::pool::points::{Proof, State};
use crate::pool::policy::Policy;
use crate::pool::saved::Anchor;
use crate::pool::slots::Purpose;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// No links are missing: nothing is dialed but on purpose.
fn calm() -> Policy {
    let mut policy = busy();
    (policy.bounds.outbound_target, policy.bounds.min_threshold, policy.bounds.min_target) = (0, 0, 0);
    policy
}

fn named(number: usize, who: usize) -> Address {
    Address::of(at(number), Some(peer(who)))
}

/// An address that others could reach: budgets count it.
fn global(text: &str) -> Address {
    text.parse().expect("an address")
}

#[test]
fn a_node_that_fell_below_the_threshold_dials_until_the_target_though_dials_fail() {
    let mut bench = Bench::new(Policy { dial_point_period: Duration::ZERO, ..busy() }, &[], &[]);
    bench.learn(1..200);
    let (mut now, mut most) = (ms(0), 0);
    for step in 0..400 {
        now = now + Duration::from_millis(500);
        for (turn, dial) in bench.dials(now).into_iter().enumerate() {
            // Two of three fail.
            if (turn + step) % 3 == 0 { bench.answer(now, dial) } else { bench.end(now, dial.0, CloseReason::ConnectionRefused) }
        }
        most = most.max(bench.pool.counts().links());
        if bench.pool.counts().links() >= 36 {
            break;
        }
    }
    assert_eq!(bench.pool.counts().links(), 36, "min_target, not only min_threshold (23)");
    bench.wake(now);
    // Above the threshold, nobody is dialed for a link that is lost.
    let links: Vec<LinkId> = bench.pool.slots().iter().map(|slot| slot.link).take(10).collect();
    for link in links {
        bench.end(now, link, CloseReason::Reset);
    }
    assert!(bench.dials(now + Duration::from_secs(600)).is_empty(), "26 links are enough");
}

#[test]
fn filling_up_troubles_no_seed_when_links_are_enough() {
    let mut bench = Bench::new(busy(), &[], &[Address::of(at(1), None)]);
    bench.inbound(ms(0), 100..110);
    bench.wake(ms(0));
    assert_eq!(bench.dials(ms(40_000)).len(), 1, "the seed");
    let mut bench = Bench::new(Policy { dial_period: Duration::from_secs(3_600), ..busy() }, &[], &[Address::of(at(1), None)]);
    let mut few = bench.pool.policy().clone();
    few.bounds.outbound_target = 0;
    bench.pool.set_policy(few);
    assert_eq!(bench.dials(ms(0)).len(), 1, "nothing else is left");
    bench.inbound(ms(1), 100..125);
    let seed = bench.pool.slots().dialed(at(1)).expect("under way");
    bench.end(ms(2), seed, CloseReason::ConnectionRefused);
    assert!(bench.dials(ms(900_000)).is_empty(), "25 links of 36 are above the threshold");
    bench.learn(2..4);
    assert_eq!(bench.dials(ms(900_001)).len(), 2, "but others are dialed");
}

#[test]
fn a_node_with_all_its_links_still_asks_while_its_book_is_short() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..11);
    for dial in bench.dials(ms(0)) {
        bench.answer(ms(0), dial);
    }
    bench.inbound(ms(0), 100..140);
    bench.pool.take_wants_addresses();
    let out = bench.wake(ms(30_000));
    assert!(dials(&out).is_empty() && bench.pool.counts().links() == 50, "no link is missing");
    assert!(out.nudge_exchange && bench.pool.take_wants_addresses());
    let mut full = bench.pool.policy().clone();
    full.points_short = 10;
    bench.pool.set_policy(full);
    assert!(!bench.wake(ms(60_000)).nudge_exchange, "ten are not short of ten");
}

#[test]
fn two_addresses_of_one_identity_are_dialed_one_after_the_other() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.hear(&named(1, 7));
    bench.hear(&named(2, 7));
    bench.hear(&named(3, 8));
    let first = bench.dials(ms(0));
    let of_seven = |dials: &[Dial]| dials.iter().filter(|(_, to)| *to != at(3)).copied().collect::<Vec<Dial>>();
    assert_eq!((first.len(), of_seven(&first).len()), (2, 1), "one for each identity");
    assert!(bench.dials(ms(1)).is_empty());
    let (link, to) = of_seven(&first)[0];
    bench.end(ms(2), link, CloseReason::ConnectTimeout);
    let second = bench.dials(ms(2));
    assert!(second.len() == 1 && second[0].1 != to, "the other address has its turn");
    // The peer answers there: its other address is not dialed for a link.
    bench.pool.recognise(ms(3), second[0].0, peer(7));
    bench.pool.introduce(ms(3), second[0].0, peer(7), &Default::default(), &mut bench.rng);
    bench.pool.open(ms(3), second[0].0);
    let feelers = bench.dials(ms(100_000));
    let is_feeler = |link: &LinkId| bench.pool.slots().get(*link).is_some_and(|slot| slot.purpose == Some(Purpose::Feeler));
    assert!(of_seven(&feelers).iter().all(|(link, _)| is_feeler(link)), "{feelers:?}");
}

#[test]
fn a_liar_who_names_an_identity_delays_its_true_address_by_one_dial_at_most() {
    for seed in 0..20 {
        let mut bench = Bench::new(busy(), &[], &[]);
        bench.machine = Maintenance::new(Rng::from_seed(seed), &[], &[]);
        bench.hear(&named(1, 1));
        bench.hear(&named(2, 1));
        let (link, to) = bench.dials(ms(0))[0];
        if to == at(1) {
            continue;
        }
        // Somebody else answers at the lie.
        let verdict = bench.pool.recognise(ms(1), link, peer(2));
        assert_eq!(verdict, Verdict::Proceed);
        let next = bench.dials(ms(1));
        assert_eq!(next.iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(1)], "at once, while the liar's dial goes on");
    }
    // Whom the operator names waits for no hearsay at all.
    let mut bench = Bench::new(calm(), &[], &[]);
    bench.hear(&named(2, 1));
    let lie = bench.pool.claim_dial(ms(0), at(2), None, Purpose::Wanted).expect("may dial");
    assert!(
        bench
            .pool
            .claim_dial(ms(0), at(3), Some(peer(1)), Purpose::Wanted)
            .is_err_and(|e| e.to_string().contains(&lie.to_string()))
    );
    let persistent = Address::of(at(1), Some(peer(1)));
    let out = bench.order(ms(0), Input::Persistent { ticket: 1, address: persistent, is_added: true });
    assert_eq!(dials(&out).iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(1)]);
}

#[test]
fn a_host_is_dialed_once_a_minute_and_a_prefix_three_times() {
    let mut bench = Bench::new(Policy { points_per_host: 100, dial_point_period: Duration::ZERO, ..busy() }, &[], &[]);
    // Ten ports of one victim, a crowd in one /24, and somebody elsewhere.
    (0..10).for_each(|port| bench.hear(&global(&format!("8.8.8.8:{}", 9_000 + port))));
    (1..=10).for_each(|host| bench.hear(&global(&format!("9.9.9.{host}:9732"))));
    bench.hear(&global("1.1.1.1:9732"));
    let mut dialed: Vec<(Time, SocketAddr)> = Vec::new();
    let mut now = ms(0);
    while now < ms(300_000) {
        for (link, to) in bench.dials(now) {
            dialed.push((now, to));
            bench.end(now, link, CloseReason::ConnectionRefused);
        }
        now = now + Duration::from_millis(250);
    }
    let of = |prefix: &str, from: Time, to: Time| {
        dialed.iter().filter(|(at, host)| *at >= from && *at < to && host.to_string().starts_with(prefix)).count()
    };
    for begin in (0..240_000).step_by(250) {
        let (from, to) = (ms(begin), ms(begin + 60_000));
        assert!(of("8.8.8.8:", from, to) <= 1, "one dial of a host in a minute");
        assert!(of("9.9.9.", from, to) <= 3 + 3, "a burst, and one in 20 s");
    }
    assert!(of("8.8.8.8:", ms(0), now) >= 4 && of("9.9.9.", ms(0), now) >= 10, "it goes on: {}", dialed.len());
    assert!(of("9.9.9.", ms(0), ms(1)) == 3 && of("1.1.1.1:", ms(0), ms(1)) == 1, "others do not wait for them");
    let asked = || Purpose::Asked { tag: None };
    let claim = |bench: &mut Bench, why| bench.pool.claim_dial(now, "8.8.8.8:9999".parse().expect("an address"), None, why);
    let (first, next) = (claim(&mut bench, asked()).expect("on request"), claim(&mut bench, Purpose::Wanted));
    assert!(next.is_err(), "it is being dialed");
    bench.end(now, first, CloseReason::Reset);
    assert!(claim(&mut bench, Purpose::Persistent).is_ok(), "persistent peers do not count");
}

#[test]
fn an_ipv6_customer_is_one_prefix_and_a_64_one_host() {
    let mut bench = Bench::new(Policy { allow_private: false, ..calm() }, &[], &[]);
    let mut claim = |text: &str| {
        let to = global(text).socket().expect("an IP address");
        bench.pool.claim_dial(ms(0), to, None, Purpose::Wanted).is_ok()
    };
    assert!(claim("[2a00:1:1:1::1]:9732"));
    assert!(!claim("[2a00:1:1:1::2]:9732"), "the same /64");
    assert!(claim("[2a00:1:1:2::1]:9732") && claim("[2a00:1:1:3::1]:9732"));
    assert!(!claim("[2a00:1:1:4::1]:9732"), "the fourth of a /48");
    assert!(claim("[2a00:1:2:1::1]:9732"));
}

#[test]
fn feelers_come_at_random_times_and_let_go_of_who_answers() {
    let mut bench = Bench::new(Policy { feeler_period: Duration::from_secs(120), ..calm() }, &[], &[]);
    bench.learn(1..200);
    let (mut now, end) = (ms(0), ms(4 * 3_600_000));
    let mut felt: Vec<(Time, SocketAddr)> = Vec::new();
    while now < end {
        let out = bench.wake(now);
        for (link, to) in dials(&out) {
            felt.push((now, to));
            let number = (1..200).find(|number| at(*number) == to).expect("one of them");
            assert_eq!(bench.pool.recognise(now, link, peer(number)), Verdict::refuse(CloseReason::Probed));
            bench.end(now, link, CloseReason::Probed);
            let point = bench.pool.points().get(to).expect("known");
            assert_eq!((point.proof, point.attempts, point.state), (Proof::Dialed, 0, State::Candidate));
        }
        now = bench.machine.deadline().expect("it always has one").max(now + Duration::from_millis(1));
    }
    assert!((80..160).contains(&felt.len()), "{} in four hours", felt.len());
    assert_eq!(felt.iter().map(|(_, to)| to).collect::<BTreeSet<_>>().len(), felt.len(), "a proven one is not felt again");
    let gaps: Vec<Duration> = felt.windows(2).map(|two| two[1].0.since(two[0].0)).collect();
    assert!(gaps.iter().any(|gap| *gap < Duration::from_secs(30)) && gaps.iter().any(|gap| *gap > Duration::from_secs(240)));
    assert_eq!(bench.pool.counts().links(), 0);
    assert!(Bench::new(calm(), &[], &[]).dials(end).is_empty(), "0s: never");
}

#[test]
fn an_address_that_somebody_wants_checked_is_felt_at_once() {
    let mut bench = Bench::new(calm(), &[], &[]);
    bench.learn(1..71);
    (1..=70).for_each(|number| bench.pool.want_check(at(number)));
    bench.pool.want_check(at(1));
    let mut felt = Vec::new();
    for step in 0..30 {
        let dials = bench.dials(ms(step));
        assert!(dials.len() <= 4, "few at once");
        for (link, to) in dials {
            felt.push(to);
            bench.end(ms(step), link, CloseReason::ConnectionRefused);
        }
    }
    assert_eq!(felt, (1..=64).map(at).collect::<Vec<_>>(), "in their order, and no more than there is room for");
}

#[test]
fn a_seeds_answer_is_dialed_at_once_and_never_past_the_outbound_limit() {
    let mut bench = Bench::new(Policy { dials_max: 100, ..busy() }, &[], &[Address::of(at(1), None)]);
    let mut tight = bench.pool.policy().clone();
    tight.bounds.outbound_max = 12;
    bench.pool.set_policy(tight);
    let seed = bench.dials(ms(0))[0];
    assert_eq!(seed.1, at(1));
    bench.answer(ms(50), seed);
    assert!(bench.dials(ms(50)).is_empty(), "nobody else is known");
    bench.learn(2..102);
    assert_eq!(bench.dials(ms(60)).len(), 11, "the answer, as far as places go");
    assert_eq!(bench.pool.counts().outbound_and_dialing(), 12);
    assert!(bench.dials(ms(61)).is_empty());
}

#[test]
fn a_wait_is_drawn_once_and_not_at_each_look() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..2);
    let (link, _) = bench.dials(ms(0))[0];
    bench.end(ms(0), link, CloseReason::ConnectionRefused);
    let next = bench.pool.whom_to_dial(ms(0), 5, &mut bench.rng).next_at;
    assert!(next.is_some());
    for _ in 0..1_000 {
        assert_eq!(bench.pool.whom_to_dial(ms(0), 5, &mut bench.rng).next_at, next);
    }
}

#[test]
fn every_known_address_gets_its_turn() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..150);
    let (mut dialed, mut now) = (BTreeSet::new(), ms(0));
    while now < ms(60_000) {
        for (link, to) in bench.dials(now) {
            dialed.insert(to);
            bench.end(now, link, CloseReason::ConnectionRefused);
        }
        now = now + Duration::from_millis(100);
    }
    assert_eq!(dialed.len(), 149, "also those that there was no place for at first");
}

#[test]
fn anchors_are_dialed_before_all_others_and_once() {
    let mut bench = Bench::new(Policy { dial_rate: 2, ..busy() }, &[], &[Address::of(at(9), None)]);
    bench.learn(10..40);
    let anchor = |number| Anchor { at: at(number), peer: peer(number) };
    bench.pool.set_anchors(vec![anchor(1), anchor(2), anchor(3)]);
    let out = bench.wake(ms(0));
    assert_eq!(dials(&out).iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(1), at(2)], "two are kept");
    assert!(matches!(out.commands[0], Command::Dial { expect: Some(expect), .. } if expect == peer(1)));
    for (link, _) in dials(&out) {
        bench.end(ms(1), link, CloseReason::ConnectionRefused);
    }
    assert!(bench.dials(ms(29_999)).iter().all(|(_, to)| *to != at(9)), "others are known, and the anchors as they");
}

#[test]
fn anchors_at_one_host_are_dialed_one_after_the_other() {
    let mut bench = Bench::new(Policy { dial_host_period: Duration::from_secs(60), ..busy() }, &[], &[]);
    let [first, second] = [9_732, 9_733].map(|port| SocketAddr::from(([11, 5, 0, 1], port)));
    bench.pool.set_anchors(vec![Anchor { at: first, peer: peer(1) }, Anchor { at: second, peer: peer(2) }]);
    assert_eq!(bench.dials(ms(0)).iter().map(|dial| dial.1).collect::<Vec<_>>(), [first]);
    assert!(bench.dials(ms(59_999)).is_empty());
    assert_eq!(bench.dials(ms(60_000)).iter().map(|dial| dial.1).collect::<Vec<_>>(), [second]);
}

#[test]
fn anchors_are_the_longest_outbound_links_of_different_groups() {
    let mut bench = Bench::new(Policy { anchors_max: 3, ..calm() }, &[], &[]);
    bench.inbound(ms(0), 100..101);
    for number in 1..=5 {
        let link = bench.pool.claim_dial(ms(number), at(number as usize), None, Purpose::Wanted).expect("may dial");
        bench.answer(ms(number), (link, at(number as usize)));
    }
    let twin = SocketAddr::from(([10, 1, 0, 7], 9_732));
    let link = bench.pool.claim_dial(ms(1), twin, None, Purpose::Wanted).expect("may dial");
    let who = PeerId::from_bytes([9; 32]);
    bench.pool.recognise(ms(1), link, who);
    bench.pool.introduce(ms(1), link, who, &Default::default(), &mut bench.rng);
    bench.pool.open(ms(1), link);
    let anchors = bench.pool.anchors_now();
    assert_eq!(anchors.iter().map(|anchor| anchor.at).collect::<Vec<_>>(), [at(1), at(2), at(3)]);
    assert_eq!(anchors[0].peer, peer(1));
}

#[test]
fn a_paused_node_dials_nobody_and_lets_nobody_in_but_whom_it_trusts() {
    let mut bench = Bench::new(Policy { feeler_period: Duration::from_millis(1), ..busy() }, &[], &[Address::of(at(1), None)]);
    bench.learn(2..60);
    bench.pool.want_check(at(2));
    bench.pool.pause();
    for minute in 0..10 {
        assert!(bench.dials(ms(minute * 60_000)).is_empty());
    }
    let answered = bench.order(ms(600_000), Input::Round { ticket: 4 }).answers;
    assert_eq!(answered, [(4, Answered::Round { links: 0, is_stuck: true })], "a round ends all the same");
    assert_eq!(bench.order(ms(600_000), Input::DialSeeds { ticket: 5 }).answers, [(5, Answered::Dialed(0))]);
    let link = bench.ids.next();
    assert_eq!(bench.pool.claim_arrival(ms(600_000), link, at(70)), Err(CloseReason::Paused));
    bench.pool.lists_mut().trust(ms(0), "10.71.0.0/16".parse().expect("a prefix"), None).expect("not banned");
    assert!(bench.pool.claim_arrival(ms(600_000), link, at(71)).is_ok());
    bench.pool.claim_dial(ms(600_000), at(72), None, Purpose::Asked { tag: None }).expect("the operator may");
    bench.pool.resume();
    assert!(bench.dials(ms(600_001)).len() >= 10);
}

#[test]
fn who_has_come_but_not_in_when_a_pause_begins_is_refused() {
    let mut bench = Bench::new(calm(), &[], &[]);
    let link = bench.ids.next();
    bench.pool.claim_arrival(ms(0), link, at(1)).expect("may come");
    bench.pool.pause();
    let introduction = bench.pool.introduce(ms(1), link, peer(1), &hello_of(1), &mut bench.rng);
    assert_eq!(introduction.verdict, Verdict::refuse(CloseReason::Paused));
}

#[test]
fn seeds_are_dialed_on_request_however_many_links_there_are_and_however_long_they_were_to_wait() {
    let seeds = [Address::of(at(1), None), Address::of(at(2), Some(peer(2))), "seed.example:9732".parse().expect("a name")];
    let mut bench = Bench::new(calm(), &[], &seeds);
    bench.inbound(ms(0), 2..3);
    assert!(bench.dials(ms(40_000)).is_empty());
    let out = bench.order(ms(40_001), Input::DialSeeds { ticket: 3 });
    assert_eq!(out.answers, [(3, Answered::Dialed(1))], "one is linked already, one has no address yet");
    let [(link, to)] = dials(&out)[..] else { panic!("{out:?}") };
    assert_eq!(to, at(1));
    bench.end(ms(40_002), link, CloseReason::ConnectionRefused);
    assert!(bench.pool.points().get(at(1)).is_some_and(|point| point.next_dial > ms(40_002)));
    let out = bench.order(ms(40_002), Input::DialSeeds { ticket: 4 });
    assert_eq!(out.answers, [(4, Answered::Dialed(1))]);
    assert!(bench.dials(ms(40_003)).is_empty(), "it is under way");
}

#[test]
fn persistent_peers_come_and_go_while_the_node_runs() {
    let mut bench = Bench::new(calm(), &[], &[Address::of(at(2), None)]);
    let set = |bench: &mut Bench, address: &str, is_added| {
        let address = address.parse().expect("an address");
        let out = bench.order(ms(0), Input::Persistent { ticket: 1, address, is_added });
        (out.answers[0].1.clone(), out.jobs.len(), dials(&out))
    };
    let one = Address::of(at(1), Some(peer(1))).to_string();
    let (answered, _, dialed) = set(&mut bench, &one, true);
    assert_eq!((answered, dialed[0].1), (Answered::Changed(true), at(1)), "dialed at once");
    assert_eq!(set(&mut bench, &one, true).0, Answered::Changed(false));
    bench.end(ms(0), dialed[0].0, CloseReason::ConnectionRefused);
    assert_eq!(bench.pool.points().get(at(1)).map(|point| point.state), Some(State::Reconnecting));
    assert_eq!(set(&mut bench, &one, false).0, Answered::Changed(true));
    assert_eq!(set(&mut bench, &one, false).0, Answered::Changed(false));
    assert_eq!(bench.pool.points().get(at(1)).map(|point| point.state), Some(State::Candidate), "it is known still");
    assert!(bench.dials(ms(900_000)).is_empty(), "and missed no more");
    // A seed that was persistent for a while is a seed again.
    let two = at(2).to_string();
    assert_eq!(
        (set(&mut bench, &two, true).0, set(&mut bench, &two, false).0),
        (Answered::Changed(true), Answered::Changed(true))
    );
    assert!(bench.pool.points().get(at(2)).is_some_and(|point| point.is_seed && !point.is_persistent));
    // Names are asked for, and forgotten with what they have resolved to.
    let (answered, jobs, _) = set(&mut bench, "peer.example:9732", true);
    assert_eq!((answered, jobs), (Answered::Changed(true), 1));
    assert_eq!(set(&mut bench, "peer.example:9732", true).0, Answered::Changed(false));
    assert_eq!(set(&mut bench, "peer.example:9732", false).0, Answered::Changed(true));
    assert_eq!(set(&mut bench, "peer.example:9732", false).0, Answered::Changed(false));
    let own = Address::of(at(200), Some(peer(0))).to_string();
    assert!(matches!(set(&mut bench, &own, true).0, Answered::Refused(why) if why.contains("itself")));
    let own = format!("{}@own.example:9732", peer(0));
    assert!(matches!(set(&mut bench, &own, true).0, Answered::Refused(why) if why.contains("itself")));
    // A seed's identity is what the seed's entry says, when no other entry names one any more.
    let named_seed = Address::of(at(2), Some(peer(2))).to_string();
    let other = Address::of(at(2), Some(peer(3))).to_string();
    assert_eq!(set(&mut bench, &named_seed, true).0, Answered::Changed(true));
    assert!(matches!(set(&mut bench, &other, true).0, Answered::Refused(why) if why.contains("another identity")));
    assert_eq!(set(&mut bench, &two, false).0, Answered::Changed(true));
    assert_eq!(bench.pool.points().get(at(2)).map(|point| point.expected), Some(None));
    assert_eq!(
        (set(&mut bench, &other, true).0, set(&mut bench, &two, false).0),
        (Answered::Changed(true), Answered::Changed(true))
    );
    // Who is named with another identity is not who is removed.
    let (one, other) = (Address::of(at(3), Some(peer(3))).to_string(), Address::of(at(3), Some(peer(4))).to_string());
    assert_eq!(set(&mut bench, &one, true).0, Answered::Changed(true));
    assert_eq!(set(&mut bench, &other, false).0, Answered::Changed(false));
    assert_eq!(set(&mut bench, &one, false).0, Answered::Changed(true));
    // A name that was given without an identity gets one, as an address does.
    let anew = format!("{}@anew.example:9732", peer(5));
    assert_eq!(set(&mut bench, "anew.example:9732", true).0, Answered::Changed(true));
    assert_eq!(
        (set(&mut bench, &anew, true).0, set(&mut bench, &anew, true).0),
        (Answered::Changed(true), Answered::Changed(false))
    );
    assert_eq!(set(&mut bench, "anew.example:9732", false).0, Answered::Changed(true));
    assert_eq!(set(&mut bench, &anew, false).0, Answered::Changed(false), "they were one");
    // A name has one identity, too.
    let named = |number: usize| format!("{}@two.example:9732", peer(number));
    assert_eq!(set(&mut bench, &named(5), true).0, Answered::Changed(true));
    assert!(matches!(set(&mut bench, &named(6), true).0, Answered::Refused(why) if why.contains("another identity")));
    assert_eq!(set(&mut bench, &named(5), false).0, Answered::Changed(true));
    for number in 0..256 {
        let at = SocketAddr::from(([10, 200, 0, 1], 10_000 + number));
        assert_eq!(set(&mut bench, &at.to_string(), true).0, Answered::Changed(true));
    }
    assert!(matches!(set(&mut bench, "10.9.9.9:9", true).0, Answered::Refused(why) if why.contains("256")));
}

#[test]
fn a_peer_that_is_persistent_no_more_is_protected_no_more() {
    let mut bench = Bench::new(calm(), &[], &[]);
    let add = |number: usize| Input::Persistent { ticket: 1, address: named(number, 1), is_added: true };
    let dialed = dials(&bench.order(ms(0), add(1)));
    bench.order(ms(0), add(2));
    let link = dialed[0].0;
    bench.answer(ms(0), dialed[0]);
    let drop = |bench: &mut Bench| bench.pool.whom_to_drop(ms(1), 1, None, &mut bench.rng);
    bench.order(ms(0), Input::Persistent { ticket: 1, address: named(1, 1), is_added: false });
    assert!(drop(&mut bench).is_empty(), "another address names the peer");
    bench.order(ms(0), Input::Persistent { ticket: 1, address: Address::of(at(2), None), is_added: false });
    assert_eq!(drop(&mut bench), [link]);
}

#[test]
fn whom_two_names_lead_to_is_protected_no_longer_than_it_is_named() {
    let (mut bench, seen) = (Bench::new(calm(), &[], &[]), SocketAddr::from(([10, 1, 1, 1], 9_732)));
    let name = |number: usize| -> Address { format!("{}@peer{number}.example:9732", peer(number)).parse().expect("an address") };
    for number in [1, 2] {
        let out = bench.order(ms(0), Input::Persistent { ticket: 1, address: name(number), is_added: true });
        let [Job::Resolve { ticket, .. }] = out.jobs[..] else { panic!("{out:?}") };
        bench.order(ms(0), Input::Done(Done::Resolved { ticket, addresses: vec![seen] }));
    }
    bench.inbound(ms(0), 1..3);
    let droppable = |bench: &mut Bench| bench.pool.whom_to_drop(ms(1), 2, None, &mut bench.rng).len();
    assert_eq!(droppable(&mut bench), 1, "one address has one identity");
    for number in [1, 2] {
        bench.order(ms(0), Input::Persistent { ticket: 1, address: name(number), is_added: false });
    }
    assert_eq!(droppable(&mut bench), 2);
}

#[test]
fn no_name_server_says_who_must_be_at_an_address_that_the_operator_has_written() {
    let seed: Address = format!("{}@seed.example:9732", peer(2)).parse().expect("an address");
    let mut bench = Bench::new(calm(), &[Address::of(at(1), Some(peer(1)))], &[seed]);
    let out = bench.wake(ms(0));
    let Some(Job::Resolve { ticket, .. }) = out.jobs.first() else { panic!("{out:?}") };
    bench.order(ms(0), Input::Done(Done::Resolved { ticket: *ticket, addresses: vec![at(1)] }));
    let expected = |bench: &Bench| bench.pool.points().get(at(1)).and_then(|point| point.expected);
    assert_eq!(expected(&bench), Some(peer(1)));
    assert_eq!(bench.pool.points().get(at(1)).and_then(|point| point.peer), Some(peer(1)));
    bench.order(ms(0), Input::Persistent { ticket: 1, address: Address::of(at(1), None), is_added: false });
    assert_eq!(expected(&bench), Some(peer(2)), "now only the name leads there");
}

#[test]
fn a_name_that_resolves_to_where_no_node_can_be_is_told_of_and_asked_for_again() {
    let seed: Address = "seed.example:9732".parse().expect("an address");
    let mut bench = Bench::new(calm(), &[], &[seed, Address::of(at(7), None)]);
    let asked =
        |out: &Outbox| out.jobs.iter().find_map(|job| if let Job::Resolve { ticket, .. } = job { Some(*ticket) } else { None });
    for (hour, nowhere) in (0..).zip(["0.0.0.0:9732", "224.0.0.1:9732", "[::]:9732"]) {
        let now = ms(hour * 3_600_000);
        let at = nowhere.parse().expect("an address");
        let ticket = asked(&bench.wake(now)).expect("it is asked for");
        let out = bench.order(now, Input::Done(Done::Resolved { ticket, addresses: vec![at] }));
        assert!(out.log.iter().any(|(.., line)| line.contains("where no node can be")), "{:?}", out.log);
        assert!(bench.pool.points().get(at).is_none());
    }
}

#[test]
fn few_groups_are_told_once_until_there_are_enough() {
    let mut bench = Bench::new(calm(), &[], &[]);
    let link_at = |bench: &mut Bench, number: usize, host: u8| {
        let (to, who) = (SocketAddr::from(([10, number as u8, 0, host], 9_732)), PeerId::from_bytes([host; 32]));
        let link = bench.pool.claim_dial(ms(0), to, None, Purpose::Wanted).expect("may dial");
        bench.pool.recognise(ms(0), link, who);
        bench.pool.introduce(ms(0), link, who, &Default::default(), &mut bench.rng);
        bench.pool.open(ms(0), link);
        link
    };
    bench.wake(ms(0));
    for number in 1..=3 {
        link_at(&mut bench, number, number as u8);
    }
    let period = |number: u64| ms(number * 120_000);
    assert!(bench.wake(period(1)).notices.is_empty(), "three links in three groups are as many as they can be");
    for host in 4..=8 {
        link_at(&mut bench, 3, host);
    }
    assert_eq!(bench.wake(period(2)).notices, [Notice::FewGroups { groups: 3 }]);
    assert!(bench.wake(period(3)).notices.is_empty(), "told once");
    let fourth = link_at(&mut bench, 4, 9);
    assert!(bench.wake(period(4)).notices.is_empty());
    bench.end(period(4), fourth, CloseReason::Reset);
    assert_eq!(bench.wake(period(5)).notices, [Notice::FewGroups { groups: 3 }]);
}

#[test]
fn the_next_round_comes_for_each_reason() {
    // An address is learned, a dial fails, its wait is over, a link is lost (CometBFT's peer manager wakes for these four).
    let mut bench = Bench::new(Policy { dial_point_period: Duration::ZERO, ..busy() }, &[], &[]);
    assert!(bench.dials(ms(0)).is_empty());
    bench.learn(1..2);
    let (link, _) = bench.dials(ms(1))[0];
    bench.end(ms(2), link, CloseReason::ConnectionRefused);
    bench.learn(2..3);
    let (other, to) = bench.dials(ms(2))[0];
    assert_eq!(to, at(2), "the one that failed waits");
    bench.answer(ms(3), (other, to));
    bench.wake(ms(3));
    let elapsed = bench.pool.points().get(at(1)).expect("known").next_dial;
    assert!(bench.machine.deadline().is_some_and(|deadline| deadline <= elapsed));
    let again = bench.dials(elapsed);
    assert_eq!(again.iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(1)]);
    bench.end(elapsed, other, CloseReason::Reset);
    let after = bench.pool.points().get(at(2)).expect("known").next_dial;
    assert_eq!(bench.dials(after).iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(2)]);
}

#[test]
fn seeds_that_do_not_resolve_are_named_and_tried_again() {
    use crate::bus::outbox::Done;
    let mut bench = Bench::new(busy(), &[], &["seed.example:9732".parse().expect("a name")]);
    let mut said = Vec::new();
    let mut asked = 0;
    for round in 0..4_u64 {
        let now = ms(round * 30_000);
        let mut out = bench.wake(now);
        for job in std::mem::take(&mut out.jobs) {
            let Job::Resolve { ticket, .. } = job else { continue };
            asked += 1;
            let ended = bench.order(now, Input::Done(Done::Resolved { ticket, addresses: Vec::new() }));
            said.extend(ended.log);
        }
        said.extend(out.log);
    }
    assert_eq!(asked, 4, "each dial.period");
    assert!(said.iter().any(|(_, _, text)| text.contains("seed.example:9732")), "{said:?}");
}
