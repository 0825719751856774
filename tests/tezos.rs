//! Octez' limits, pool, maintenance and tests, as its sources have them: what they do, what is wrong with it, and which of our tests shows
//! that we do the one and have not the other. Those that are at home nowhere else are here.

use bowline::base::address::Address;
use bowline::base::channel::{Channel, ChannelId};
use bowline::base::limits::INTAKE_ENTRIES_MAX;
use bowline::base::link_id::LinkId;
use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::subject::Subject;
use bowline::base::verdict::Verdict;
use bowline::bus::event::Event;
use bowline::pool::dialing::DialError;
use bowline::pool::lists::Culprit;
use bowline::pool::policy::Policy;
use bowline::pool::saved::{Change, Saved};
use bowline::pool::slots::Purpose;
use bowline::reactor::net::Net;
use bowline::settings::table::{Settings, TABLE};
use bowline::sim::host::{Host, Plan};
use bowline::sim::net::HostId;
use bowline::sim::pipe::Weather;
use bowline::sim::world::World;
use bowline::wire::hello::Hello;
use checklist::bench::{Bench, at, dials, ms, peer, policy, secs};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

mod checklist;
#[path = "tezos/pool.rs"]
mod pool;
#[path = "tezos/settings.rs"]
mod settings;
#[path = "tezos/tests.rs"]
mod tests;

const HOUR: u64 = 3_600;
const CHAT: ChannelId = ChannelId(0x10);

#[test]
fn every_item_has_its_test() {
    let lists =
        [("limits", settings::LIMITS), ("defects", settings::DEFECTS), ("the pool", pool::POOL), ("their tests", tests::TESTS)];
    checklist::hold(&lists, &[include_str!("tezos.rs")], "every_item_has_its_test");
}

/// Octez' file said 5 s where its text said 10, and a key that was missing meant no limit.
#[test]
fn what_is_not_configured_is_bounded_and_as_the_table_says() {
    let settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
    let mut read = settings.clone();
    for row in TABLE.iter().filter(|row| !row.default.is_empty() && !row.name.starts_with("discovery.boot")) {
        read.set(row.name, row.default).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        assert_eq!(read.get(row.name), settings.get(row.name), "{}: the default has one value", row.name);
    }
    let policy = Policy::from(&settings.check().expect("the defaults are valid"));
    let tables = [policy.points_max, policy.peers_max, policy.greylist_max, policy.dial_entries_max, INTAKE_ENTRIES_MAX];
    assert!(tables.iter().all(|most| (1..=1 << 17).contains(most)), "{tables:?}");
    let places = [policy.half_open_max, policy.half_open_per_ip, policy.dials_max, policy.bounds.max as usize];
    assert!(places.iter().all(|most| (1..=1 << 14).contains(most)), "{places:?}");
    assert!(policy.dial_deadline > policy.arrival_deadline, "who dials waits for the connection, too");
}

/// The setting of that name was the default of another one.
#[test]
fn the_greylist_lasts_as_long_as_its_setting_says() {
    for hours in [1, 24, 100] {
        let mut bench = Bench::new(Policy { greylist_timeout: Duration::from_secs(hours * HOUR), ..policy() });
        let link = bench.inbound(ms(0), 1);
        assert!(bench.close(ms(0), link, CloseReason::PexUnsolicited));
        let comes = |bench: &mut Bench, now| {
            let link = bench.arrive(now, 1).expect("it has not shown itself");
            bench.introduce(now, link, 1)
        };
        assert_eq!(comes(&mut bench, secs(hours * HOUR - 100)), Verdict::refuse(CloseReason::Greylisted));
        assert_eq!(comes(&mut bench, secs(hours * HOUR)), Verdict::Admit, "{hours} h");
    }
}

/// `clear acls` lifted the operator's bans, and what had been greylisted was shown for ever.
#[test]
fn flushing_the_greylist_leaves_bans_and_shows_nothing() {
    let mut bench = Bench::new(policy());
    bench.pool.ban(ms(0), Subject::Peer(peer(7)), None, "").expect("there is room");
    bench.pool.ban(ms(0), Subject::host(at(8).ip()), None, "").expect("there is room");
    for number in 1..=5 {
        let link = bench.inbound(ms(0), number);
        assert!(bench.close(ms(0), link, CloseReason::PexUnsolicited));
    }
    assert_eq!(bench.pool.lists_mut().flush_greylist(), 5);
    assert_eq!((bench.pool.lists().greylisted().count(), bench.pool.lists().banned().count()), (0, 2));
    bench.inbound(ms(1), 1);
    assert_eq!(bench.arrive(ms(1), 8), Err(CloseReason::Banned));
}

#[test]
fn a_ban_of_an_address_holds_for_all_ports_and_for_open_links() {
    let mut bench = Bench::new(policy());
    let (out, inbound, other) = (bench.outbound(ms(0), 1), bench.inbound(ms(0), 2), bench.inbound(ms(0), 3));
    for number in [1, 2] {
        bench.pool.ban(ms(1), Subject::host(at(number).ip()), None, "").expect("there is room");
    }
    let parted: BTreeSet<LinkId> = bench.pool.part_with_banned(ms(1)).into_iter().collect();
    assert!(parted.is_subset(&BTreeSet::from([out, inbound])));
    let is_open = |bench: &Bench, link| bench.pool.slots().get(link).is_some_and(|slot| slot.is_open() && slot.doomed.is_none());
    assert_eq!([out, inbound, other].map(|link| is_open(&bench, link)), [false, false, true]);
    for port in [1, 9_732, 50_000, 65_535] {
        let from = SocketAddr::new(at(1).ip(), port);
        let link = bench.ids.next();
        assert_eq!(bench.pool.claim_arrival(ms(2), link, from).err(), Some(CloseReason::Banned), "{port}");
        let dialed = bench.pool.claim_dial(ms(2), from, None, Purpose::Asked { tag: None });
        assert_eq!(dialed, Err(DialError::Banned(from)));
    }
}

/// The state of a connection was gone when its addresses were looked for.
#[test]
fn who_breaks_a_rule_is_listed_although_his_link_has_ended() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(ms(0), 1);
    assert!(bench.pool.doom(ms(1), link, CloseReason::PexMalformed), "the order to close it is on its way");
    assert!(bench.close(ms(2), link, CloseReason::PexMalformed));
    assert!(bench.pool.slots().get(link).is_none());
    let again = bench.arrive(ms(3), 1).expect("it has not shown itself");
    assert_eq!(bench.introduce(ms(3), again, 1), Verdict::refuse(CloseReason::Greylisted));
    // A host that has shown no identity is listed by its address.
    let link = bench.arrive(ms(4), 2).expect("may come");
    assert!(bench.close(ms(4), link, CloseReason::Garbage));
    assert!(bench.pool.lists().greylisted().any(|(culprit, ..)| culprit == Culprit::Host(at(2).ip())));
    assert_eq!(bench.arrive(ms(5), 2), Err(CloseReason::Greylisted));
}

/// The wait of a point that failed was kept through a link, and went on where it had been when that ended.
#[test]
fn an_address_whose_link_has_ended_rests_and_its_failures_are_forgotten() {
    let mut bench = Bench::new(policy());
    bench.learn(ms(0), 1..2);
    let asked = |bench: &mut Bench, now| bench.pool.claim_dial(now, at(1), None, Purpose::Asked { tag: None }).expect("may dial");
    let found =
        |bench: &Bench| bench.pool.points().get(at(1)).map(|point| (point.attempts, point.next_dial)).expect("it is known");
    for attempt in 1..=2 {
        let link = asked(&mut bench, ms(attempt));
        bench.refuse(ms(attempt), &[(link, at(1))]);
        assert_eq!(u64::from(found(&bench).0), attempt);
    }
    let (_, waits) = found(&bench);
    assert!(waits >= secs(4), "the second wait");
    assert!(bench.pool.whom_to_dial(ms(10), 9, &mut bench.rng).now.is_empty());
    let link = asked(&mut bench, ms(10));
    bench.answer(ms(10), link, 1);
    assert_eq!(found(&bench).0, 0);
    bench.close(secs(100), link, CloseReason::Goodbye);
    assert_eq!(found(&bench), (0, secs(160)));
    assert!(bench.pool.whom_to_dial(secs(159), 9, &mut bench.rng).now.is_empty());
    assert_eq!(bench.pool.whom_to_dial(secs(160), 9, &mut bench.rng).now, [at(1)]);
    asked(&mut bench, secs(101));
}

/// All candidates were marked as seen, also those for which the round had no place.
#[test]
fn what_a_round_had_no_room_for_is_dialed_when_room_is_there() {
    let mut bench = Bench::new(Policy { dials_max: 4, ..policy() });
    bench.learn(ms(0), 1..41);
    let mut seen = BTreeSet::new();
    let mut now = ms(0);
    let mut under_way = dials(&bench.maintain(now));
    while !under_way.is_empty() {
        assert!(under_way.len() <= 4);
        seen.extend(under_way.iter().map(|(_, to)| *to));
        bench.refuse(now, &under_way);
        // No round is due: the end of a dial alone makes room.
        now = now + Duration::from_millis(2);
        under_way = dials(&bench.maintain(now));
        assert!(now < secs(30));
        if seen.len() == 40 {
            break;
        }
    }
    assert_eq!(seen.len(), 40, "each had its turn within one period");
}

/// Octez drops the lowest score first, which is always the same, then the newest, whether it is linked or not is not asked.
#[test]
fn a_full_table_forgets_who_was_away_longest_and_nobody_who_is_linked() {
    let mut bench = Bench::new(Policy { peers_max: 32, ..policy() });
    let stays = bench.inbound(ms(0), 200);
    for number in 1..=100 {
        let now = secs(u64::from(number));
        let link = bench.inbound(now, number);
        bench.close(now, link, CloseReason::Goodbye);
        assert!(bench.pool.known().len() <= 32, "{number}");
    }
    assert!(bench.pool.slots().get(stays).is_some() && bench.pool.known().get(&peer(200)).is_some());
    let known: Vec<bool> = (1..=100).map(|number| bench.pool.known().get(&peer(number)).is_some()).collect();
    assert!(known[99] && known[80] && !known[0] && !known[40], "the latest are known");
}

#[test]
fn what_was_heard_and_never_dialed_survives_a_restart() {
    let mut bench = Bench::new(policy());
    bench.pool.keep();
    bench.learn(ms(0), 1..30);
    let changes = bench.pool.take_changes(ms(1), 1_000, usize::MAX);
    let points = changes.into_iter().filter_map(|change| if let Change::Point(point) = change { Some(point) } else { None });
    let saved = Saved { points: points.collect(), saved_at: 1_000, ..Saved::default() };
    let mut next = Bench::new(policy());
    next.pool.restore(ms(0), 1_060, &saved);
    assert_eq!(next.pool.points().len(), 29);
    assert!(!dials(&next.maintain(ms(0))).is_empty(), "and is dialed");
}

/// The discovery datagram has its port in a signed number.
#[test]
fn high_ports_are_announced_as_they_are() {
    let mut bench = Bench::new(policy());
    for (number, port) in [(1, 32_767), (2, 32_768), (3, 65_535)] {
        let claim = Address::of(SocketAddr::new(at(number).ip(), port), None);
        let hello = Hello { listen: vec![claim], ..Hello::default() };
        let hello = Hello::decode(&hello.encode().expect("it is short")).expect("it is ours");
        let link = bench.arrive(ms(0), number).expect("may come");
        bench.pool.introduce(ms(0), link, peer(number), &hello.into(), &mut bench.rng);
        bench.pool.open(ms(0), link);
        let point = bench.pool.points().get(SocketAddr::new(at(number).ip(), port)).expect("the announced port is kept");
        assert_eq!(point.peer, Some(peer(number)));
        assert!(bench.pool.points().get(SocketAddr::new(at(number).ip(), 50_000)).is_none(), "not the one that it came from");
    }
}

fn ip(number: u8) -> IpAddr {
    [50 + number, 1, 0, 1].into()
}

fn socket(number: u8) -> SocketAddr {
    SocketAddr::new(ip(number), 9_732)
}

/// Hosts that know nobody and can talk.
fn strangers(world: &mut World, count: u8, change: impl Fn(&mut Settings)) -> Vec<HostId> {
    let plan = |number| {
        let mut plan = Plan::new(ip(number));
        plan.settings.discovery_bootstrap = true;
        change(&mut plan.settings);
        plan.channels = vec![Channel::new(CHAT.0, "chat")];
        plan
    };
    (0..count).map(|number| world.add(plan(number)).expect("a valid plan")).collect()
}

fn run(world: &mut World, time: Duration) {
    world.run_for(time).unwrap_or_else(|violation| panic!("{violation}"));
}

fn link_between(world: &World, from: HostId, to: HostId) -> Option<LinkId> {
    let peer: PeerId = world.peer(to)?;
    world.host(from)?.link_with(&peer)
}

/// A node that takes no part in finding peers (`pex.enabled` and `pex.private`: PeerDiscover is not the exchange's) hears applications'
/// messages within a second, and tells nobody of anybody.
#[test]
fn without_exchange_messages_pass_and_nobody_is_told() {
    for is_enabled in [false, true] {
        let mut world = World::new(1, Weather::default());
        // The first and the third know the second alone.
        let hosts: Vec<HostId> = [1, 2, 1]
            .into_iter()
            .zip(0..)
            .map(|(knows, number)| {
                let mut plan = Plan::new(ip(number));
                (plan.settings.pex_enabled, plan.settings.pex_private) = (is_enabled, !is_enabled);
                plan.settings.discovery_persistent = vec![Address::of(socket(knows), None)];
                plan.channels = vec![Channel::new(CHAT.0, "chat")];
                world.add(plan).expect("a valid plan")
            })
            .collect();
        run(&mut world, Duration::from_secs(10));
        let link = link_between(&world, hosts[0], hosts[1]).expect("a link");
        world.send(hosts[0], link, CHAT, b"ping").expect("there is room");
        run(&mut world, Duration::from_secs(1));
        let heard = world.take_events(hosts[1]);
        assert!(heard.iter().any(|event| matches!(event, Event::Message(message) if message.body[..] == b"ping"[..])));
        run(&mut world, Duration::from_secs(300));
        let knows = world.host(hosts[0]).is_some_and(|host| host.pool().points().get(socket(2)).is_some());
        assert_eq!(knows, is_enabled, "of the third by the second");
    }
}

/// Octez' test of random visits, without its sleeps on the wall clock.
#[test]
fn ten_that_come_and_go_five_times_hear_each_other_each_time() {
    let mut world = World::new(1, Weather::internet());
    let hosts = strangers(&mut world, 10, |settings| {
        settings.pex_enabled = false;
        (settings.pool_min, settings.pool_outbound_target) = (1, 1);
        settings.discovery_period = Duration::from_secs(HOUR);
    });
    for visit in 0..5_u64 {
        let pairs: Vec<_> = (0..10).map(|from| (from, (from + 1 + visit as usize) % 10)).collect();
        for (from, to) in &pairs {
            // One who visits us has our link already.
            let _ = world.dial(hosts[*from], socket(*to as u8), None, visit);
        }
        run(&mut world, Duration::from_secs(5));
        for (from, to) in &pairs {
            let link = link_between(&world, hosts[*from], hosts[*to]).unwrap_or_else(|| panic!("{from}, {to}, visit {visit}"));
            world.send(hosts[*from], link, CHAT, &visit.to_be_bytes()).expect("there is room");
        }
        run(&mut world, Duration::from_secs(2));
        for host in &hosts {
            let is_ping =
                |event: &&Event| matches!(event, Event::Message(message) if message.body[..] == visit.to_be_bytes()[..]);
            assert_eq!(world.take_events(*host).iter().filter(is_ping).count(), 1, "{host}, visit {visit}");
        }
        for host in &hosts {
            let links = world.host(*host).map(Host::links).unwrap_or_default();
            links.into_iter().for_each(|link| world.disconnect(*host, link, CloseReason::Goodbye));
        }
        // An address that was linked rests for a minute.
        run(&mut world, Duration::from_secs(90));
    }
}

/// In v24.3 who connected and left at once made a reader spin for ever.
#[test]
fn a_storm_of_visitors_costs_each_the_same_and_then_there_is_peace() {
    let mut world = World::new(1, Weather::default());
    let node = strangers(&mut world, 1, |_| {})[0];
    let crowd: Vec<HostId> = (1..=50).map(|number| world.add_bare(ip(number))).collect();
    run(&mut world, Duration::from_secs(60));
    let minute = |world: &mut World| {
        let before = world.trace().events();
        run(world, Duration::from_secs(60));
        world.trace().events() - before
    };
    let calm = minute(&mut world);
    let storm = |world: &mut World, visits: u64| {
        let before = world.trace().events();
        for visit in 0..visits {
            for (number, host) in crowd.iter().enumerate() {
                let link = LinkId::from_u64(1 + visit * 50 + number as u64 + before * 1_000);
                world.port(*host).dial(link, socket(0), None).expect("a dial begins");
                run(world, Duration::from_millis(10));
                world.port(*host).close(link);
            }
        }
        run(world, Duration::from_secs(20));
        (world.trace().events() - before) / (visits * 50)
    };
    let (few, many) = (storm(&mut world, 2), storm(&mut world, 20));
    assert!(few > 0 && many <= 60, "{few}, then {many} events for a visit");
    let after = minute(&mut world);
    assert!(after <= calm + 10, "{calm} events in a minute before, {after} after");
    assert!(world.host(node).is_some_and(|host| host.pool().slots().is_empty()), "nobody is left");
}
