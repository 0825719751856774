//! Maintenance for role quotas, step by step: whom it dials, whom it lets go, whom it asks and what it says.

use super::machine::Machine;
use super::maintenance::Maintenance;
use super::roles::NOTICE_PERIOD;
use super::testbed::{at, ms, peer, policy};
use crate::base::address::Address;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::quota::Quota;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::{Notice, Outbox};
use crate::pool::policy::Policy;
use crate::pool::slots::Purpose;
use crate::pool::table::Pool;
use crate::wire::hello::{Capability, Hello};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

fn archive() -> Vec<Capability> {
    vec![Capability { name: "archive".to_owned(), value: 1 }]
}

fn hello(is_archive: bool) -> Arc<Hello> {
    Arc::new(Hello { capabilities: if is_archive { archive() } else { Vec::new() }, ..Hello::default() })
}

struct Bench {
    pool: Pool,
    ids: LinkIds,
    rng: Rng,
    machine: Maintenance,
}

impl Bench {
    /// No round of dialing is held back, and ordinary links are not missed.
    fn new(change: impl FnOnce(&mut Policy), quota: Quota) -> Bench {
        let mut policy = Policy { dial_rate: 1_000, accept_rate: 10_000, ..policy() };
        policy.bounds.outbound_target = 0;
        (policy.bounds.min_threshold, policy.bounds.min_target) = (0, 0);
        change(&mut policy);
        let ids = LinkIds::default();
        let mut pool = Pool::new(peer(0), policy, ids.clone());
        pool.set_quota("archive", Some(quota)).expect("it fits");
        Bench { pool, ids, rng: Rng::from_seed(2), machine: Maintenance::new(Rng::from_seed(3), &[], &[]) }
    }

    fn wake(&mut self, now: Time) -> Outbox {
        let mut out = Outbox::default();
        self.machine.wake(now, &mut self.pool, &mut out);
        out
    }

    fn hear(&mut self, numbers: Range<usize>, is_archive: bool) {
        let capabilities = if is_archive { archive() } else { Vec::new() };
        for number in numbers {
            self.pool.learn_all(ms(0), [(&Address::of(at(number), None), &capabilities[..])].into_iter(), at(99), None);
        }
    }

    fn inbound(&mut self, numbers: Range<usize>) {
        for number in numbers {
            let link = self.ids.next();
            self.pool.claim_arrival(ms(0), link, at(number)).expect("may come");
            self.pool.introduce(ms(0), link, peer(number), &hello(false), &mut self.rng);
            self.pool.open(ms(0), link);
        }
    }

    /// The peer answers the dial and says what it can do.
    fn open(&mut self, now: Time, (link, to): (LinkId, SocketAddr), is_archive: bool) {
        let number = (0..250).find(|number| at(*number) == to).expect("one of ours");
        self.pool.recognise(now, link, peer(number));
        self.pool.introduce(now, link, peer(number), &hello(is_archive), &mut self.rng);
        self.pool.open(now, link);
    }

    fn end(&mut self, now: Time, link: LinkId) {
        self.pool.close(now, link, CloseReason::Reset, None, &[], &mut self.rng);
    }
}

fn dials(out: &Outbox) -> Vec<(LinkId, SocketAddr)> {
    let dial = |command: &Command| if let Command::Dial { link, to, .. } = command { Some((*link, *to)) } else { None };
    out.commands.iter().filter_map(dial).collect()
}

fn evictions(out: &Outbox) -> Vec<LinkId> {
    let evicted = |command: &Command| match command {
        Command::Close { link, reason: CloseReason::Evicted } => Some(*link),
        _ => None,
    };
    out.commands.iter().filter_map(evicted).collect()
}

#[test]
fn who_is_said_to_have_a_wanted_capability_is_dialed_until_enough_have_it() {
    let mut bench = Bench::new(|_| (), Quota::Count(3));
    bench.hear(1..30, false);
    bench.hear(30..40, true);
    let first = dials(&bench.wake(ms(0)));
    assert!(first.len() == 3 && first.iter().all(|(_, to)| (30..40).any(|number| at(number) == *to)), "{first:?}");
    assert!(dials(&bench.wake(ms(1))).is_empty(), "they are under way");
    // One has it, one has not, one is not there.
    bench.open(ms(2), first[0], true);
    bench.open(ms(2), first[1], false);
    bench.end(ms(2), first[2].0);
    let second = dials(&bench.wake(ms(2)));
    assert_eq!(second.len(), 2);
    for dial in second {
        bench.open(ms(3), dial, true);
    }
    assert!(dials(&bench.wake(ms(3))).is_empty() && bench.pool.tallies(4)[0].linked == 3);
    // The one that had it not is never dialed for it again; one that has it and is lost is.
    bench.end(ms(4), first[1].0);
    bench.end(ms(4), first[0].0);
    let again: Vec<_> = (0..20).flat_map(|round| dials(&bench.wake(ms(70_000 + round)))).map(|(_, to)| to).collect();
    assert_eq!(again, [first[0].1], "who has said so himself comes before those of whom it is said");
}

#[test]
fn the_ordinary_dials_come_after_and_are_so_many_fewer() {
    let with_targets = |policy: &mut Policy| {
        policy.dials_max = 100;
        (policy.bounds.min_threshold, policy.bounds.min_target) = (23, 36);
    };
    let mut bench = Bench::new(with_targets, Quota::Percent(25));
    bench.hear(1..100, false);
    bench.hear(100..150, true);
    let first = dials(&bench.wake(ms(0)));
    let is_archive = |(_, to): &&(LinkId, SocketAddr)| (100..150).any(|number| at(number) == *to);
    assert_eq!(first.len(), 36, "min_target");
    assert!(first[..9].iter().all(|dial| is_archive(&dial)), "a quarter of what there will be, and first");
}

#[test]
fn at_the_upper_threshold_a_link_without_a_role_goes_for_each_at_a_bounded_pace() {
    let mut bench = Bench::new(|policy| policy.bounds.outbound_max = 10, Quota::Count(3));
    bench.inbound(100..184);
    bench.hear(1..10, true);
    let worst = bench.pool.slots().link_of(&peer(150)).expect("linked");
    bench.pool.report(ms(0), peer(150), -50, "slow");
    let (mut gone, mut archives) = (Vec::new(), 0);
    let mut now = ms(30_000);
    let begin = now;
    while archives < 3 {
        let out = bench.wake(now);
        gone.extend(evictions(&out));
        assert_eq!(evictions(&out).len(), dials(&out).len(), "one goes for each that is dialed");
        for dial in dials(&out) {
            bench.open(now, dial, true);
            archives += 1;
        }
        assert!(bench.pool.counts().links() <= 84);
        let next = bench.machine.deadline().expect("it always has one");
        assert!(next > now);
        now = next;
        gone.iter().for_each(|link| bench.end(now, *link));
    }
    assert_eq!((gone.len(), gone[0]), (3, worst), "the lowest score first");
    assert!(now.since(begin) >= Duration::from_secs(20), "one in ten seconds");
    assert!(bench.wake(now + Duration::from_secs(60)).commands.is_empty(), "enough is enough");
}

#[test]
fn who_lies_about_a_role_is_the_next_to_go() {
    let mut bench = Bench::new(|policy| policy.bounds.outbound_max = 10, Quota::Count(2));
    bench.inbound(100..184);
    bench.hear(1..8, true);
    let mut gone = Vec::new();
    let mut now = ms(30_000);
    for _ in 0..200 {
        let out = bench.wake(now);
        gone.extend(evictions(&out));
        for dial in dials(&out) {
            bench.open(now, dial, false);
        }
        gone.iter().for_each(|link| bench.end(now, *link));
        now = now + Duration::from_secs(1);
    }
    let honest = (100..184).filter(|number| bench.pool.slots().link_of(&peer(*number)).is_none()).count();
    assert_eq!((gone.len(), honest), (7, 1), "seven liars cost one honest link");
}

#[test]
fn nobody_goes_below_the_minimum_nor_protected_nor_for_a_dial_that_cannot_begin() {
    let full = |policy: &mut Policy| {
        policy.bounds.outbound_max = 10;
        (policy.bounds.max_target, policy.bounds.max_threshold) = (20, 20);
    };
    // At the minimum.
    let mut bench = Bench::new(
        |policy| {
            full(policy);
            policy.bounds.min = 20
        },
        Quota::Count(3),
    );
    bench.inbound(100..120);
    bench.hear(1..10, true);
    assert!(bench.wake(ms(40_000)).commands.is_empty());
    // Only protected ones.
    let mut bench = Bench::new(full, Quota::Count(3));
    bench.pool.lists_mut().trust(ms(0), "10.0.0.0/8".parse().expect("a prefix"), None).expect("not banned");
    bench.inbound(100..120);
    bench.hear(1..10, true);
    assert!(bench.wake(ms(40_000)).commands.is_empty());
    // As many dials as may be under way.
    let mut bench = Bench::new(
        |policy| {
            full(policy);
            policy.dials_max = 0
        },
        Quota::Count(3),
    );
    bench.inbound(100..120);
    bench.hear(1..10, true);
    assert!(bench.wake(ms(40_000)).commands.is_empty());
    // Nobody to dial.
    let mut bench = Bench::new(full, Quota::Count(3));
    bench.inbound(100..120);
    assert!(bench.wake(ms(40_000)).commands.is_empty());
}

#[test]
fn dials_for_roles_never_lead_past_the_upper_target() {
    let mut bench = Bench::new(|policy| policy.bounds.outbound_max = 10, Quota::Count(3));
    bench.inbound(100..167);
    bench.hear(1..10, true);
    let out = bench.wake(ms(40_000));
    assert_eq!((evictions(&out).len(), dials(&out).len()), (0, 1), "67 links: one more is the target, how it ends is waited for");
    bench.open(ms(40_000), dials(&out)[0], true);
    let out = bench.wake(ms(40_001));
    assert_eq!((evictions(&out).len(), dials(&out).len()), (1, 1), "68 links: one goes for the next");
    assert!(bench.pool.counts().links_and_dialing() <= 68);
}

#[test]
fn nobody_goes_while_dials_are_too_fast_or_seek_the_same_peer() {
    // All dials of this second are spent.
    let slow = |policy: &mut Policy| (policy.dial_rate, policy.bounds.outbound_max) = (1, 10);
    let mut bench = Bench::new(slow, Quota::Count(3));
    bench.inbound(100..184);
    bench.hear(1..10, true);
    bench.pool.claim_dial(ms(40_000), at(200), None, Purpose::Persistent).expect("may dial");
    let out = bench.wake(ms(40_001));
    assert_eq!((evictions(&out), dials(&out)), (vec![], vec![]));
    assert!(bench.machine.deadline().is_some_and(|deadline| deadline <= ms(41_000)), "it goes on then");
    let out = bench.wake(ms(41_000));
    assert_eq!((evictions(&out).len(), dials(&out).len()), (1, 1));
    // The only one who is said to have the role is being dialed at another address of his.
    let mut bench = Bench::new(|policy| policy.bounds.outbound_max = 10, Quota::Count(3));
    bench.inbound(100..184);
    let told = Address::of(at(1), Some(peer(1)));
    bench.pool.learn_all(ms(0), [(&told, &archive()[..])].into_iter(), at(99), None);
    bench.pool.claim_dial(ms(40_000), at(2), Some(peer(1)), Purpose::Asked { tag: None }).expect("may dial");
    let out = bench.wake(ms(40_001));
    assert_eq!((evictions(&out), dials(&out)), (vec![], vec![]));
}

#[test]
fn dials_under_way_are_waited_for_before_anybody_goes() {
    let mut bench = Bench::new(|policy| policy.bounds.outbound_max = 3, Quota::Count(1));
    bench.inbound(100..120);
    let asked = |bench: &mut Bench, number| {
        let link = bench.pool.claim_dial(ms(0), at(number), None, Purpose::Asked { tag: None }).expect("may dial");
        (link, at(number))
    };
    let under_way: Vec<_> = (1..4).map(|number| asked(&mut bench, number)).collect();
    bench.hear(50..51, true);
    assert!(bench.wake(ms(1)).commands.is_empty());
    bench.end(ms(2), under_way[0].0);
    let out = bench.wake(ms(2));
    assert_eq!((evictions(&out).len(), dials(&out).len()), (0, 1));
}

#[test]
fn a_seed_is_dialed_for_its_role_and_must_be_who_it_is_to_be() {
    let mut bench = Bench::new(|_| (), Quota::Count(2));
    bench.pool.fix(ms(0), at(1), Some(peer(1)), false);
    bench.pool.fix(ms(0), at(2), Some(peer(2)), true);
    bench.hear(1..3, true);
    let dialed = |command: &Command| match command {
        Command::Dial { to, expect, .. } => Some((*to, *expect)),
        _ => None,
    };
    // The first round of dialing is held back: the persistent peer is dialed before.
    let found: Vec<_> = [0, 30_000].iter().flat_map(|at| bench.wake(ms(*at)).commands).filter_map(|it| dialed(&it)).collect();
    assert_eq!(found, [(at(2), Some(peer(2))), (at(1), Some(peer(1)))], "the persistent peer counts, and is not dialed twice");
}

#[test]
fn without_an_outbound_place_an_outbound_link_goes() {
    let mut bench = Bench::new(|policy| policy.bounds.outbound_max = 3, Quota::Count(1));
    bench.inbound(100..120);
    bench.hear(1..4, false);
    let mut some = bench.pool.policy().clone();
    some.bounds.outbound_target = 3;
    bench.pool.set_policy(some);
    for dial in dials(&bench.wake(ms(0))) {
        bench.open(ms(0), dial, false);
    }
    assert_eq!(bench.pool.counts().outbound, 3);
    bench.hear(50..51, true);
    let out = bench.wake(ms(40_000));
    assert_eq!((evictions(&out).len(), dials(&out).iter().map(|dial| dial.1).collect::<Vec<_>>()), (1, vec![at(50)]));
    assert_eq!((bench.pool.counts().outbound, bench.pool.counts().inbound), (2, 20));
}

#[test]
fn when_nobody_with_a_role_is_known_others_are_asked_and_it_is_said_now_and_then() {
    let known = |policy: &mut Policy| policy.points_short = 0;
    let mut bench = Bench::new(known, Quota::Count(2));
    let (mut asked, mut told) = (0, Vec::new());
    for second in 0..3_600 {
        let now = ms(second * 1_000);
        let out = bench.wake(now);
        asked += usize::from(out.nudge_exchange && bench.pool.take_wants_addresses());
        let notices = out.notices.into_iter().filter(|notice| matches!(notice, Notice::RoleShort { .. }));
        told.extend(notices.map(|notice| (second, notice)));
    }
    assert_eq!(asked, 120, "once in each period of dialing");
    let expected = Notice::RoleShort { capability: "archive".to_owned(), wanted: 2, linked: 0 };
    assert!(told.iter().all(|(_, notice)| *notice == expected));
    assert_eq!(told.len() as u64, 3_600 / NOTICE_PERIOD.as_secs(), "{told:?}");
    assert_eq!(told[0].0, 30, "not before a whole period of dialing has passed");
    // Somebody is heard of, and has it; then nobody is asked and nothing is said.
    bench.hear(1..3, true);
    let now = ms(3_600_000);
    for dial in dials(&bench.wake(now)) {
        bench.open(now, dial, true);
    }
    bench.pool.take_wants_addresses();
    for second in 3_601..6_000 {
        let out = bench.wake(ms(second * 1_000));
        assert!(!out.nudge_exchange && !bench.pool.take_wants_addresses());
        assert!(out.notices.is_empty() && out.log.is_empty());
    }
}
