//! Maintenance, step by step: what it dials, drops, asks and says.

use super::machine::Machine;
use super::maintenance::Input;
use super::testbed::{at, hello_of, ms, peer, policy};
use super::upkeep::{Bench, busy, dials};
use crate::base::address::Address;
use crate::base::limits::{FEELERS_OF_CLAIMS_MAX, ORDERS_MAX};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::{Answered, Done, Job, Notice, Outbox};
use crate::pool::policy::Policy;
use crate::settings::table::Settings;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

#[test]
fn the_first_round_is_held_back_when_links_exist_unless_addresses_are_learned() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..11);
    bench.pool.take_fresh_points();
    bench.inbound(ms(0), 100..101);
    assert!(dials(&bench.wake(ms(0))).is_empty());
    let deadline = bench.machine.deadline().expect("it always has one");
    assert!(deadline > ms(0) && deadline <= ms(30_000));
    bench.learn(11..12);
    assert_eq!(dials(&bench.wake(ms(1))).len(), 11);
}

#[test]
fn the_first_round_is_held_back_when_peers_are_being_dialed() {
    // As after a restart: addresses are known and none is news.
    let mut bench = Bench::new(busy(), &[Address::of(at(200), Some(peer(200)))], &[]);
    bench.learn(1..11);
    bench.pool.take_fresh_points();
    let first = dials(&bench.wake(ms(0)));
    assert_eq!(first.iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(200)], "the persistent peer at once, others later");
    let deadline = bench.machine.deadline().expect("it always has one");
    assert!(deadline > ms(0) && deadline <= ms(30_000));
    bench.fail(ms(1), &first);
    let held = (1..30_000).find(|step| dials(&bench.wake(ms(*step))).iter().any(|(_, to)| *to != at(200))).expect("in its time");
    assert!(held > 1_000, "{held} ms: drawn once, whatever becomes of the dial");
    // Who is all alone waits for nothing.
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..11);
    bench.pool.take_fresh_points();
    assert_eq!(dials(&bench.wake(ms(0))).len(), 10);
}

#[test]
fn too_many_links_are_dropped_down_to_the_target_at_random() {
    let mut bench = Bench::new(Policy { dial_rate: 1_000, accept_rate: 10_000, ..policy() }, &[], &[]);
    let mut wide = bench.pool.policy().clone();
    (wide.bounds.outbound_max, wide.bounds.outbound_target) = (10, 0);
    bench.pool.set_policy(wide);
    bench.inbound(ms(0), 1..85);
    assert!(bench.wake(ms(0)).commands.is_empty(), "84 is the threshold");
    bench.inbound(ms(1), 85..86);
    let out = bench.wake(ms(1));
    let is_eviction = |command: &&Command| matches!(command, Command::Close { reason: CloseReason::Evicted, .. });
    assert_eq!(out.commands.iter().filter(is_eviction).count(), 17);
    assert_eq!(bench.pool.counts().links(), 68);
    assert!(bench.wake(ms(2)).commands.is_empty(), "once is enough");
}

#[test]
fn when_only_protected_links_remain_it_stops_and_says_so() {
    let mut bench = Bench::new(busy(), &[], &[]);
    let mut wide = bench.pool.policy().clone();
    (wide.bounds.outbound_max, wide.bounds.outbound_target) = (10, 0);
    bench.pool.set_policy(wide);
    bench.pool.lists_mut().trust(ms(0), "10.0.0.0/8".parse::<Subject>().expect("a prefix"), None).expect("not banned");
    bench.inbound(ms(0), 1..86);
    let mut out = Outbox::default();
    bench.machine.handle(ms(0), Input::Round { ticket: 5 }, &mut bench.pool, &mut out);
    assert!(out.commands.is_empty());
    assert_eq!(out.answers, [(5, Answered::Round { links: 85, is_stuck: true })]);
    let surplus = || Notice::Surplus { links: 85, target: 68 };
    assert_eq!(out.notices, [surplus()]);
    assert!(bench.wake(ms(1)).notices.is_empty(), "told once");
    let links: Vec<LinkId> = bench.pool.slots().iter().map(|slot| slot.link).collect();
    bench.pool.close(ms(2), links[0], CloseReason::Reset, None, &[], &mut bench.rng);
    assert!(bench.wake(ms(2)).notices.is_empty(), "84 are in bounds");
    bench.inbound(ms(3), 86..87);
    assert_eq!(bench.wake(ms(3)).notices, [surplus()], "it is so again");
    assert!(out.log[0].2.contains("85 links are above pool.max_target (68)"), "{:?}", out.log);
}

#[test]
fn a_persistent_point_is_dialed_at_once_and_for_ever() {
    let mut bench = Bench::new(busy(), &[Address::of(at(1), Some(peer(1)))], &[]);
    let mut now = ms(0);
    for _ in 0..40 {
        let out = bench.wake(now);
        let dials = dials(&out);
        assert_eq!(dials.iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(1)]);
        assert!(matches!(out.commands[0], Command::Dial { expect: Some(expect), .. } if expect == peer(1)));
        bench.fail(now, &dials);
        bench.wake(now);
        let next = bench.pool.points().get(at(1)).expect("it is fixed").next_dial;
        assert!(next > now && next <= now + Duration::from_secs(300), "at most five minutes apart");
        assert!(bench.machine.deadline().is_some_and(|deadline| deadline <= next));
        now = next;
    }
    let link = dials(&bench.wake(now))[0].0;
    bench.open(now, link, 1);
    assert!(dials(&bench.wake(now + Duration::from_secs(600))).is_empty());
    bench.pool.close(now, link, CloseReason::Goodbye, Some(CloseReason::Evicted), &[], &mut bench.rng);
    let next = now + Duration::from_secs(2);
    assert_eq!(dials(&bench.wake(next)).len(), 1, "a goodbye does not end it");
}

#[test]
fn a_persistent_peer_that_came_by_itself_is_not_dialed() {
    let mut bench = Bench::new(busy(), &[Address::of(at(1), Some(peer(1)))], &[]);
    bench.inbound(ms(0), 1..2);
    assert!(dials(&bench.wake(ms(40_000))).is_empty());
}

#[test]
fn seeds_are_dialed_only_when_nothing_else_is_left() {
    let mut bench = Bench::new(busy(), &[], &[Address::of(at(1), None), Address::of(at(2), None)]);
    bench.learn(3..5);
    let out = bench.wake(ms(0));
    assert_eq!(dials(&out).iter().map(|dial| dial.1).collect::<BTreeSet<_>>(), BTreeSet::from([at(3), at(4)]));
    bench.fail(ms(1), &dials(&out));
    let seed = dials(&bench.wake(ms(1)));
    assert!(seed.len() == 1 && [at(1), at(2)].contains(&seed[0].1), "one seed");
    assert!(dials(&bench.wake(ms(2))).is_empty(), "it is under way");
    bench.fail(ms(3), &seed);
    let other = dials(&bench.wake(ms(3)));
    assert!(other.len() == 1 && other[0].1 != seed[0].1, "then the other");
}

#[test]
fn names_are_resolved_and_follow_what_they_resolve_to() {
    let seed: Address = "seed.example:9732".parse().expect("an address");
    let mut bench = Bench::new(busy(), &[], &[seed]);
    let job = |ticket| Job::Resolve { ticket, name: "seed.example".into(), port: 9_732, is_heard: false };
    assert_eq!(bench.wake(ms(0)).jobs, [job(1)]);
    assert!(bench.wake(ms(1)).jobs.is_empty(), "asked already");
    let resolved = |bench: &mut Bench, now, ticket, addresses: Vec<SocketAddr>| {
        let mut out = Outbox::default();
        bench.machine.handle(now, Input::Done(Done::Resolved { ticket, addresses }), &mut bench.pool, &mut out);
        out
    };
    assert!(dials(&resolved(&mut bench, ms(2), 9, vec![at(9)])).is_empty(), "nobody asked that");
    let out = resolved(&mut bench, ms(2), 1, vec![]);
    assert!(dials(&out).is_empty() && out.jobs.is_empty());
    assert_eq!(bench.wake(ms(30_002)).jobs, [job(2)]);
    let dialed = dials(&resolved(&mut bench, ms(30_003), 2, vec![at(1)]));
    assert_eq!(dialed.iter().map(|dial| dial.1).collect::<Vec<_>>(), [at(1)]);
    bench.fail(ms(30_004), &dialed);
    assert_eq!(bench.wake(ms(160_000)).jobs, [job(3)], "it may have moved");
    resolved(&mut bench, ms(160_001), 3, vec![at(2)]);
    let is_seed = |number| bench.pool.points().get(at(number)).is_some_and(|point| point.is_seed);
    assert!(is_seed(2) && !is_seed(1));
}

#[test]
fn claimed_addresses_of_linked_peers_are_proven_by_few_dials() {
    let mut bench = Bench::new(busy(), &[], &[]);
    for number in 1..=20 {
        let link = bench.ids.next();
        bench.pool.claim_arrival(ms(0), link, at(number)).expect("may come");
        bench.pool.introduce(ms(0), link, peer(number), &hello_of(number), &mut bench.rng);
        bench.pool.open(ms(0), link);
    }
    // The first round is held back, because links exist already.
    assert!(dials(&bench.wake(ms(0))).is_empty());
    let mut now = ms(30_000);
    for _ in 0..10 {
        let dials = dials(&bench.wake(now));
        assert!(dials.len() <= FEELERS_OF_CLAIMS_MAX);
        for (link, to) in dials {
            let number = (1..=20).find(|number| at(*number) == to).expect("one of them");
            bench.pool.recognise(now, link, peer(number));
            bench.pool.close(now, link, CloseReason::Duplicate, None, &[], &mut bench.rng);
        }
        now = now + Duration::from_millis(1);
    }
    assert_eq!(bench.pool.healthy(ms(240_001)).len(), 20);
    assert_eq!(bench.pool.counts().links(), 20);
}

#[test]
fn what_several_name_keeps_its_place_until_the_last_lets_it_go() {
    let named = |host: &str| format!("{host}:9732").parse::<Address>().expect("a name");
    let persistent = [named("one.example"), named("two.example"), Address::of(at(3), None)];
    let mut bench = Bench::new(busy(), &persistent, &[named("seed.example"), Address::of(at(5), None)]);
    let is = |bench: &Bench, number: usize| {
        let point = bench.pool.points().get(at(number));
        point.map_or((false, false), |point| (point.is_persistent, point.is_seed))
    };
    // What each name is said to have; names are asked for again each period.
    let resolve = |bench: &mut Bench, now: Time, of: &dyn Fn(&str) -> Vec<SocketAddr>| {
        let jobs = bench.wake(now).jobs;
        for job in jobs {
            let Job::Resolve { ticket, name, .. } = job else { continue };
            let (mut out, addresses) = (Outbox::default(), of(&name));
            bench.machine.handle(now, Input::Done(Done::Resolved { ticket, addresses }), &mut bench.pool, &mut out);
            bench.fail(now, &dials(&out));
        }
    };
    resolve(&mut bench, ms(0), &|name| match name {
        "one.example" => vec![at(1), at(2), at(3)],
        "two.example" => vec![at(2)],
        _ => vec![at(1), at(5)],
    });
    assert_eq!([1, 2, 3, 5].map(|number| is(&bench, number)), [(true, true), (true, false), (true, false), (false, true)]);
    resolve(&mut bench, ms(200_000), &|name| if name == "two.example" { vec![at(2)] } else { vec![at(4)] });
    let now = [1, 2, 3, 4, 5].map(|number| is(&bench, number));
    assert_eq!(
        now,
        [(false, false), (true, false), (true, false), (true, true), (false, true)],
        "others name the second, third and fifth"
    );
    // The operator ends what he began, and no more: the name has it still.
    let mut set = |address: Address, is_added: bool| {
        let mut out = Outbox::default();
        let order = Input::Persistent { ticket: 1, address, is_added };
        bench.machine.handle(ms(200_001), order, &mut bench.pool, &mut out);
        (out.answers[0].1.clone(), is(&bench, 2), is(&bench, 3))
    };
    let (yes, no) = (|| Answered::Changed(true), || Answered::Changed(false));
    assert_eq!(set(Address::of(at(3), None), false), (yes(), (true, false), (false, false)));
    assert_eq!(set(Address::of(at(2), None), false), (no(), (true, false), (false, false)));
    assert_eq!(set(Address::of(at(2), None), true), (yes(), (true, false), (false, false)));
    assert_eq!(set(named("two.example"), false), (yes(), (true, false), (false, false)));
    assert_eq!(set(Address::of(at(2), None), false), (yes(), (false, false), (false, false)));
}

#[test]
fn of_a_name_with_many_addresses_always_the_same_are_taken() {
    let mut bench = Bench::new(busy(), &["many.example:9732".parse().expect("a name")], &[]);
    let mut is_first = true;
    for turn in 0..12_u64 {
        let now = ms(turn * 200_000);
        let Some(Job::Resolve { ticket, .. }) = bench.wake(now).jobs.into_iter().find(|job| matches!(job, Job::Resolve { .. }))
        else {
            panic!("it is asked for again");
        };
        // A name server that turns its answers round.
        let addresses = (0..12).map(|number| at(1 + (number + turn as usize) % 12)).collect();
        let mut out = Outbox::default();
        bench.machine.handle(now, Input::Done(Done::Resolved { ticket, addresses }), &mut bench.pool, &mut out);
        assert_eq!(dials(&out).len(), if is_first { 8 } else { 0 }, "none comes, none goes");
        is_first = false;
        let persistent: Vec<SocketAddr> = bench.pool.points().fixed().map(|point| point.at).collect();
        assert_eq!(persistent, (1..=8).map(at).collect::<Vec<_>>());
    }
}

#[test]
fn an_address_that_is_linked_keeps_its_place_though_its_name_has_moved() {
    let mut bench = Bench::new(busy(), &["peer.example:9732".parse().expect("a name")], &[]);
    let resolve = |bench: &mut Bench, now: Time, ticket: u64, addresses: Vec<SocketAddr>| {
        let mut out = Outbox::default();
        bench.machine.handle(now, Input::Done(Done::Resolved { ticket, addresses }), &mut bench.pool, &mut out);
        dials(&out)
    };
    bench.wake(ms(0));
    let dialed = resolve(&mut bench, ms(0), 1, vec![at(1)]);
    bench.fail(ms(0), &dialed);
    // It is asked for again, and answers meanwhile.
    let out = bench.wake(ms(200_000));
    assert_eq!((out.jobs.len(), dials(&out).len()), (1, 1));
    bench.open(ms(200_000), dials(&out)[0].0, 1);
    resolve(&mut bench, ms(200_000), 2, vec![at(2)]);
    let persistent: Vec<SocketAddr> = bench.pool.points().fixed().map(|point| point.at).collect();
    assert_eq!(persistent, [at(1), at(2)]);
}

/// Linked peers that claim addresses where nobody answers.
fn black_holes(bench: &mut Bench, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let link = bench.ids.next();
        bench.pool.claim_arrival(ms(0), link, at(number)).expect("may come");
        bench.pool.introduce(ms(0), link, peer(number), &hello_of(number), &mut bench.rng);
        bench.pool.open(ms(0), link);
    }
}

#[test]
fn claims_where_nobody_answers_keep_no_dial_from_being_made() {
    let mut bench = Bench::new(Policy { dials_max: 12, ..busy() }, &[], &[Address::of(at(1), None)]);
    black_holes(&mut bench, 100..120);
    bench.wake(ms(0));
    let now = ms(30_000);
    let first = dials(&bench.wake(now));
    assert_eq!((first.len(), bench.pool.counts().feeling), (1 + FEELERS_OF_CLAIMS_MAX, FEELERS_OF_CLAIMS_MAX));
    assert_eq!(first[0].1, at(1), "the seed: nobody else is known who could be dialed for a link");
    bench.fail(now, &first[..1]);
    bench.learn(2..50);
    let links = dials(&bench.wake(now));
    assert_eq!((links.len(), bench.pool.counts().dialing), (11, 11), "of 12, dial.parallel_max");
    assert!(links.iter().all(|(_, to)| (2..50).any(|number| at(number) == *to)), "{links:?}");
}

#[test]
fn claims_where_nobody_answers_keep_no_random_feeler_from_being_made() {
    let mut policy = Policy { feeler_period: Duration::from_secs(1), ..busy() };
    (policy.bounds.outbound_target, policy.bounds.min_threshold, policy.bounds.min_target) = (0, 0, 0);
    let mut bench = Bench::new(policy, &[], &[]);
    black_holes(&mut bench, 100..140);
    bench.learn(2..50);
    let mut random = Vec::new();
    for second in 30..150 {
        for (link, to) in dials(&bench.wake(ms(second * 1_000))) {
            // Claims: nobody ever answers.
            if (2..50).any(|number| at(number) == to) {
                random.push(to);
                bench.fail(ms(second * 1_000), &[(link, to)]);
            }
        }
        assert!(bench.pool.counts().feeling <= FEELERS_OF_CLAIMS_MAX + 1);
    }
    assert!(random.len() > 5, "{random:?}");
}

#[test]
fn checks_wait_for_the_pace_of_a_host_and_forgotten_addresses_are_not_felt() {
    let mut policy = Policy { points_per_host: 9, ..busy() };
    (policy.bounds.outbound_target, policy.bounds.min_threshold, policy.bounds.min_target) = (0, 0, 0);
    let mut bench = Bench::new(policy, &[], &[]);
    let host = |port: u16| SocketAddr::from(([8, 8, 8, 8], port));
    for port in 1..=3 {
        bench.pool.learn_all(ms(0), [(&Address::of(host(port), None), &[][..])].into_iter(), at(99), None);
        bench.pool.want_check(host(port));
    }
    bench.pool.want_check(at(7));
    let mut felt = Vec::new();
    for second in 0..200 {
        for (link, to) in dials(&bench.wake(ms(second * 1_000))) {
            felt.push((second, to));
            bench.fail(ms(second * 1_000), &[(link, to)]);
        }
    }
    assert_eq!(felt, [(0, host(1)), (60, host(2)), (120, host(3))], "one of a host in a minute, and none is lost");
    assert!(bench.pool.points().get(at(7)).is_none());
}

#[test]
fn a_round_that_was_asked_for_ends_when_its_dials_have() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..3);
    let mut out = Outbox::default();
    bench.machine.handle(ms(0), Input::Round { ticket: 1 }, &mut bench.pool, &mut out);
    let under_way = dials(&out);
    assert!(under_way.len() == 2 && out.answers.is_empty());
    bench.open(ms(1), under_way[0].0, 1);
    bench.fail(ms(1), &under_way[1..]);
    let ended = Answered::Round { links: 1, is_stuck: true };
    assert_eq!(bench.wake(ms(2)).answers, [(1, ended)]);
    assert!(bench.wake(ms(3)).answers.is_empty(), "told once");
}

#[test]
fn a_round_waits_for_dials_that_only_their_pace_holds_back() {
    let mut bench = Bench::new(Policy { dial_rate: 1, ..busy() }, &[], &[]);
    bench.learn(1..3);
    let mut out = Outbox::default();
    bench.machine.handle(ms(0), Input::Round { ticket: 1 }, &mut bench.pool, &mut out);
    bench.fail(ms(1), &dials(&out));
    assert_eq!(bench.wake(ms(1)).answers, [], "the second may begin after a second");
    let second = dials(&bench.wake(ms(1_000)));
    assert_eq!(second.len(), 1);
    bench.fail(ms(1_001), &second);
    assert_eq!(bench.wake(ms(1_001)).answers, [(1, Answered::Round { links: 0, is_stuck: true })]);
}

#[test]
fn a_claimed_dial_has_its_time_to_connect_and_that_of_its_handshake() {
    let (dial, handshake) = (Duration::from_secs(1), Duration::from_secs(50));
    let settings =
        Settings { discovery_bootstrap: true, dial_timeout: dial, handshake_timeout: handshake, ..Settings::new("test") };
    assert!(Policy::from(&settings.check().expect("they are valid")).dial_deadline > dial + handshake);
}

#[test]
fn a_round_ends_when_links_are_in_bounds_whatever_is_under_way() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..40);
    let mut out = Outbox::default();
    bench.machine.handle(ms(0), Input::Round { ticket: 1 }, &mut bench.pool, &mut out);
    let begun = dials(&out);
    for dial in &begun[..10] {
        let number = (1..40).find(|number| at(*number) == dial.1).expect("one of ours");
        bench.open(ms(1), dial.0, number);
    }
    bench.inbound(ms(1), 100..125);
    assert!(bench.wake(ms(2)).answers.is_empty(), "35 links, filled up to 36");
    bench.inbound(ms(2), 125..126);
    assert!(bench.pool.counts().dialing > 0);
    assert_eq!(bench.wake(ms(3)).answers, [(1, Answered::Round { links: 36, is_stuck: false })]);
}

#[test]
fn a_round_with_links_above_the_threshold_is_not_stuck_though_they_were_to_be_more() {
    let mut policy = busy();
    policy.bounds.outbound_target = 0;
    let mut bench = Bench::new(policy, &[], &[]);
    let round = |bench: &mut Bench, ticket: u64| {
        let mut out = Outbox::default();
        bench.machine.handle(ms(ticket), Input::Round { ticket }, &mut bench.pool, &mut out);
        out.answers
    };
    assert_eq!(round(&mut bench, 1), [(1, Answered::Round { links: 0, is_stuck: true })]);
    bench.inbound(ms(1), 100..125);
    assert_eq!(round(&mut bench, 2), [(2, Answered::Round { links: 25, is_stuck: false })], "23 is the threshold, 36 the target");
}

#[test]
fn rounds_that_no_dial_ever_ends_are_bounded_and_the_oldest_end() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.learn(1..40);
    let mut ended = Vec::new();
    for ticket in 0..ORDERS_MAX as u64 + 10 {
        let mut out = Outbox::default();
        bench.machine.handle(ms(ticket), Input::Round { ticket }, &mut bench.pool, &mut out);
        ended.extend(out.answers);
    }
    let stuck = Answered::Round { links: 0, is_stuck: true };
    assert_eq!(ended, (0..10).map(|ticket| (ticket, stuck.clone())).collect::<Vec<_>>());
}

#[test]
fn a_short_book_has_somebody_asked_each_round() {
    let mut bench = Bench::new(busy(), &[], &[]);
    assert!(bench.wake(ms(0)).nudge_exchange && bench.pool.take_wants_addresses());
    assert!(!bench.wake(ms(1)).nudge_exchange && !bench.pool.take_wants_addresses());
    assert!(bench.wake(ms(30_000)).nudge_exchange);
}

#[test]
fn each_period_the_lists_and_the_book_are_cleaned() {
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.pool.ban(ms(0), Subject::host(at(1).ip()), Some(ms(50)), "").expect("there is room");
    bench.wake(ms(0));
    bench.wake(ms(119_999));
    assert_eq!(bench.pool.lists().banned().count(), 1);
    bench.wake(ms(120_000));
    assert_eq!(bench.pool.lists().banned().count(), 0);
}

#[test]
fn surplus_links_of_low_scores_go_first() {
    let mut tight = busy();
    (tight.bounds.max_target, tight.bounds.max_threshold) = (40, 40);
    let mut bench = Bench::new(tight, &[], &[]);
    bench.inbound(ms(0), 1..51);
    for number in 11..21 {
        bench.pool.report(ms(0), peer(number), -50, "slow");
    }
    let out = bench.wake(ms(1));
    let of = |command: &Command| match command {
        Command::Close { link, reason: CloseReason::Evicted } => bench.pool.slots().get(*link).and_then(|slot| slot.peer),
        _ => None,
    };
    let dropped: BTreeSet<_> = out.commands.iter().filter_map(of).collect();
    assert_eq!(dropped, (11..21).map(peer).collect());
}

#[test]
fn what_has_changed_is_saved_at_once_when_somebody_is_kept_out_and_else_each_period() {
    let saves = |out: &Outbox| -> Vec<(u64, bool)> {
        let save = |job: &Job| if let Job::Save { ticket, is_durable } = job { Some((*ticket, *is_durable)) } else { None };
        out.jobs.iter().filter_map(save).collect()
    };
    let period = busy().maintenance_period;
    let mut bench = Bench::new(busy(), &[], &[]);
    bench.pool.keep();
    // Somebody saves all that there is, and answers.
    let save = |bench: &mut Bench, now, ticket, result: Result<(), String>| {
        let changes = bench.pool.take_changes(now, 0, 100);
        if result.is_err() {
            bench.pool.keep_changes(&changes);
        }
        let mut out = Outbox::default();
        bench.machine.handle(now, Input::Done(Done::Saved { ticket, result }), &mut bench.pool, &mut out);
        assert_eq!(saves(&out), [], "not again at once");
        out.notices
    };
    assert_eq!(saves(&bench.wake(ms(0))), []);
    bench.pool.report(ms(1), peer(1), -20, "slow");
    assert_eq!(saves(&bench.wake(ms(2))), []);
    assert_eq!(saves(&bench.wake(ms(0) + period)), [(1, false)]);
    bench.pool.report(ms(0) + period, peer(2), -20, "slow");
    assert_eq!(saves(&bench.wake(ms(0) + 2 * period)), [], "one at a time");
    assert_eq!(save(&mut bench, ms(0) + 2 * period, 1, Ok(())), []);
    assert_eq!(saves(&bench.wake(ms(0) + 3 * period)), [], "nothing has changed");
    bench.pool.report(ms(0) + 3 * period, peer(1), -900, "lies");
    assert_eq!(saves(&bench.wake(ms(1) + 3 * period)), [(2, true)]);
    let full = || Err("no space".to_owned());
    let failed = Notice::StoreFailed { text: "no space".to_owned() };
    assert_eq!(save(&mut bench, ms(2) + 3 * period, 2, full()), [failed]);
    assert_eq!(saves(&bench.wake(ms(0) + 4 * period)), [(3, false)], "it is tried again");
    assert_eq!(save(&mut bench, ms(1) + 4 * period, 3, full()), [], "told once");
    assert_eq!(saves(&bench.wake(ms(0) + 5 * period)).len(), 1);
    assert_eq!(save(&mut bench, ms(1) + 5 * period, 4, Ok(())), []);
    assert_eq!(saves(&bench.wake(ms(0) + 6 * period)), []);
    let mut unsaved = Bench::new(busy(), &[], &[]);
    unsaved.pool.report(ms(0), peer(1), -900, "lies");
    assert_eq!(saves(&unsaved.wake(ms(1))), [], "there is no store");
}
