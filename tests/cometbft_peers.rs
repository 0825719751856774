//! CometBFT's and Tendermint's exchange of addresses, peer manager and address book, as their sources have them: what they do, what is wrong
//! with it, and which of our tests shows that we do the one and have not the other. Those that are at home nowhere else are here. What
//! is sent and queued is in `tests/cometbft.rs`.

use bowline::base::address::Address;
use bowline::base::channel::{Channel, ChannelId};
use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::subject::Subject;
use bowline::base::verdict::Verdict;
use bowline::bus::event::Event;
use bowline::bus::outbox::{Done, Job};
use bowline::pool::dialing::DialError;
use bowline::pool::lists::Culprit;
use bowline::pool::policy::Policy;
use bowline::pool::saved::SavedPoint;
use bowline::pool::slots::Purpose;
use bowline::settings::check::Bounds;
use bowline::sim::host::Plan;
use bowline::sim::pipe::Weather;
use bowline::sim::world::World;
use bowline::wire::pex::{PexAddress, PexMessage};
use bowline::workers::machine::Machine;
use bowline::workers::maintenance::Input;
use bowline::{Proof, State};
use checklist::bench::{Bench, at, dials, ms, peer, policy, saved_point, secs};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

#[path = "cometbft_peers/book.rs"]
mod book;
mod checklist;
#[path = "cometbft_peers/manager.rs"]
mod manager;
#[path = "cometbft_peers/pex.rs"]
mod pex;

#[test]
fn every_item_has_its_test() {
    let lists = [
        ("the PEX reactor", pex::REACTOR),
        ("ReactorV2", pex::REACTOR_V2),
        ("the peer manager", manager::MANAGER),
        ("issues", manager::ISSUES),
        ("the address book", book::BOOK),
        ("their tests", book::TESTS),
    ];
    checklist::hold(&lists, &[include_str!("cometbft_peers.rs")], "every_item_has_its_test");
}

/// Two outbound links are all that it wants.
fn small() -> Policy {
    let bounds = Bounds {
        min: 1,
        min_threshold: 1,
        min_target: 2,
        expected: 3,
        max_target: 5,
        max_threshold: 6,
        max: 7,
        outbound_target: 2,
        outbound_max: 3,
    };
    Policy { bounds, ..policy() }
}

/// An answer with addresses of these nodes.
fn answer(numbers: impl Iterator<Item = u8>) -> Vec<u8> {
    let entry = |number| PexAddress { address: Address::of(at(number), Some(peer(number))), capabilities: Vec::new() };
    PexMessage::ResponseV2(numbers.map(entry).collect()).encode()
}

/// Until v0.38.16 the fast dials behind a seed's answer asked a random peer each time.
#[test]
fn what_a_seed_tells_is_dialed_and_nobody_is_asked_for_more() {
    let mut bench = Bench::with(policy(), &[], &[Address::of(at(1), None)]);
    let out = bench.maintain(ms(0));
    let [(link, _)] = dials(&out)[..] else { panic!("the seed alone is known") };
    assert!(out.nudge_exchange && bench.pool.take_wants_addresses(), "a round asks");
    bench.answer(ms(10), link, 1);
    assert!(!bench.exchange(ms(10)).commands.is_empty(), "it is asked");
    let out = bench.hear(ms(20), link, 1, answer(20..40));
    assert!(out.nudge_maintenance);
    let out = bench.maintain(ms(20));
    assert!(dials(&out).len() > 5);
    assert!(!out.nudge_exchange && !bench.pool.take_wants_addresses(), "the round was then, not now");
}

/// `ensurePeers` returned before it looked at the bad ones, as long as the outbound places were taken.
#[test]
fn a_node_with_all_its_links_reinstates_bad_addresses() {
    let mut bench = Bench::new(Policy { attempts_max: 1, ..small() });
    bench.outbound(ms(0), 1);
    bench.outbound(ms(0), 2);
    bench.learn(ms(0), 3..4);
    let link = bench.pool.claim_dial(ms(1), at(3), None, Purpose::Asked { tag: None }).expect("may dial");
    bench.refuse(ms(1), &[(link, at(3))]);
    let state = |bench: &Bench| bench.pool.points().get(at(3)).map(|point| point.state);
    let Some(State::Bad { until }) = state(&bench) else { panic!("one failure is enough here: {:?}", state(&bench)) };
    bench.maintain(until);
    assert_eq!(bench.pool.counts().outbound, 2, "it wants no more links");
    bench.maintain(until + bench.pool.policy().maintenance_period);
    assert_eq!(state(&bench), Some(State::Candidate));
}

/// `MarkBad` did nothing for an identity that the book did not know, and `IsBanned` had no caller.
#[test]
fn who_was_never_seen_can_be_banned_and_stays_out() {
    let mut bench = Bench::new(policy());
    bench.pool.ban(ms(0), Subject::Peer(peer(9)), None, "known for harm").expect("there is room");
    let link = bench.arrive(ms(1), 9).expect("it has not shown itself");
    assert_eq!(bench.introduce(ms(1), link, 9), Verdict::refuse(CloseReason::Banned));
    let dialed = bench.pool.claim_dial(ms(1), at(9), Some(peer(9)), Purpose::Asked { tag: None });
    assert_eq!(dialed, Err(DialError::Banned(at(9))));
}

/// Peers that came were marked bad by the address of their socket, whose port the system had drawn.
#[test]
fn a_fault_of_who_came_is_not_held_against_the_port_he_came_from() {
    let mut bench = Bench::new(policy());
    bench.learn(ms(0), 1..2);
    let link = bench.inbound(ms(0), 1);
    let before = bench.pool.points().len();
    assert!(bench.close(ms(1), link, CloseReason::PexUnsolicited));
    let listed: Vec<Culprit> = bench.pool.lists().greylisted().map(|(culprit, ..)| culprit).collect();
    assert_eq!(listed, [Culprit::Peer(peer(1))], "who has shown itself is listed by that");
    assert_eq!(bench.pool.points().len(), before);
    assert!(bench.pool.points().iter().all(|point| !matches!(point.state, State::Bad { .. })));
}

/// `randomPickAddresses` appended one before it looked at how many were wanted.
#[test]
fn no_more_are_chosen_than_were_asked_for() {
    let mut bench = Bench::new(policy());
    assert!(bench.pool.whom_to_dial(ms(0), 5, &mut bench.rng).now.is_empty());
    bench.learn(ms(0), 1..40);
    for count in [0, 1, 2, 7, 39, 40] {
        assert_eq!(bench.pool.whom_to_dial(ms(0), count, &mut bench.rng).now.len(), count.min(39));
    }
    assert_eq!(bench.pool.whom_to_check(ms(0), 0), []);
}

/// `id@ip:port` without brackets could not be read again; a port beyond 32,767 is negative where it is kept as Tezos' discovery does.
#[test]
fn ipv6_addresses_and_high_ports_pass_in_both_versions() {
    for text in ["[2001:db8::1]:65535", "[::1]:32768", "192.0.2.1:65535"] {
        let address = Address { id: Some(peer(7)), ..text.parse().expect("an address") };
        let v1 = PexMessage::Response(vec![address.clone()]);
        let v2 = PexMessage::ResponseV2(vec![PexAddress { address: address.clone(), capabilities: Vec::new() }]);
        for message in [v1, v2] {
            let read = PexMessage::decode(&message.encode()).expect("it is ours");
            assert_eq!((read.message, read.skipped), (message, 0), "{text}");
        }
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

#[test]
fn links_never_exceed_the_maximum_however_many_come() {
    let mut bench = Bench::new(small());
    bench.outbound(ms(0), 1);
    bench.learn(ms(0), 100..110);
    for step in 0..200_u8 {
        let now = secs(1 + 3_600 * u64::from(step));
        if let Ok(link) = bench.arrive(now, 2 + step)
            && bench.introduce(now, link, 2 + step) == Verdict::Admit
        {
            bench.pool.open(now, link);
        }
        for (link, to) in dials(&bench.maintain(now)) {
            let number = (1..=220).find(|number| at(*number) == to).expect("one of ours");
            // Some dials are only to see who is there.
            if bench.pool.recognise(now, link, peer(number)) != Verdict::Proceed {
                bench.close(now, link, CloseReason::Probed);
            } else if bench.introduce(now, link, number) == Verdict::Admit {
                bench.pool.open(now, link);
            }
        }
        assert!(bench.pool.counts().links() <= 7, "{:?}", bench.pool.counts());
    }
    assert!(bench.pool.counts().links() >= 5);
}

/// `Accepted` cleared the failures of every address that anybody had said to be the peer's.
#[test]
fn who_comes_proves_none_of_the_addresses_said_to_be_his() {
    let mut bench = Bench::new(policy());
    let claim = Address::of(at(50), Some(peer(1)));
    bench.pool.learn_all(ms(0), [(&claim, &[][..])].into_iter(), at(250), None);
    for attempt in 0..3 {
        let now = secs(600 * attempt);
        let link = bench.pool.claim_dial(now, at(50), None, Purpose::Asked { tag: None }).expect("may dial");
        bench.refuse(now, &[(link, at(50))]);
    }
    let found = |bench: &Bench| bench.pool.points().get(at(50)).map(|point| (point.attempts, point.proof, point.last_seen));
    assert_eq!(found(&bench), Some((3, Proof::Heard, None)));
    bench.inbound(secs(2_000), 1);
    assert_eq!(found(&bench), Some((3, Proof::Heard, None)));
}

#[test]
fn an_answer_has_neither_the_asker_nor_ourselves() {
    let mut bench = Bench::new(policy());
    bench.pool.set_own_addresses(vec![Address::of(at(200), Some(peer(0)))]);
    for number in 1..=3 {
        bench.outbound(ms(0), number);
    }
    bench.learn(ms(0), 200..201);
    let told = bench.pool.whom_to_advertise(ms(1), &peer(1), &mut bench.rng);
    let told: BTreeSet<SocketAddr> = told.iter().filter_map(|entry| entry.address.socket()).collect();
    assert_eq!(told, BTreeSet::from([at(2), at(3)]));
}

#[test]
fn our_own_address_in_a_store_is_not_taken_back() {
    let mut bench = Bench::new(policy());
    bench.pool.set_own_addresses(vec![Address::of(at(200), None)]);
    let own = SavedPoint { peer: Some(peer(0)), ..saved_point(at(201)) };
    bench.restore(vec![saved_point(at(200)), own, saved_point(at(1))]);
    assert_eq!(bench.pool.points().iter().map(|point| point.at).collect::<Vec<_>>(), [at(1)]);
}

/// `processPeerEvent` made an entry without a map of addresses.
#[test]
fn a_verdict_on_somebody_unknown_counts_when_he_comes() {
    let mut bench = Bench::new(policy());
    assert_eq!(bench.pool.report(ms(0), peer(9), -10, "slow"), None);
    bench.inbound(ms(1), 9);
    assert_eq!(bench.pool.score(ms(1), &peer(9)).map(|score| score.value), Some(-10));
    assert!(bench.pool.report(ms(2), peer(8), -10_000, "lies").is_some(), "so far that it is banned");
    let link = bench.arrive(ms(3), 8).expect("it has not shown itself");
    assert!(matches!(bench.introduce(ms(3), link, 8), Verdict::Refuse { .. }));
}

/// `Ready` was broadcast before the router had a queue for the peer.
#[test]
fn what_is_sent_at_the_moment_of_up_arrives() {
    let channel = ChannelId(0x10);
    for seed in 1..=20 {
        let mut world = World::new(seed, Weather::internet());
        let mut plans = [Plan::new([50, 1, 0, 1].into()), Plan::new([51, 1, 0, 1].into())];
        plans[0].settings.discovery_bootstrap = true;
        plans[1].settings.discovery_seeds = vec![Address::of(SocketAddr::new(plans[0].address, 9_732), None)];
        plans.iter_mut().for_each(|plan| plan.channels = vec![Channel::new(channel.0, "any")]);
        let hosts = plans.map(|plan| world.add(plan).expect("a valid plan"));
        let mut heard = [false; 2];
        for _ in 0..30_000 {
            world.run_for(Duration::from_millis(1)).expect("the rules hold");
            for (here, host) in hosts.into_iter().enumerate() {
                for event in world.take_events(host) {
                    match event {
                        Event::Up(up) => world.send(host, up.link, channel, b"at once").expect("there is room"),
                        Event::Message(message) => heard[here] = message.body[..] == b"at once"[..],
                        _ => {}
                    }
                }
            }
            if heard == [true; 2] {
                break;
            }
        }
        assert_eq!(heard, [true; 2], "seed {seed}");
    }
}

/// The loop that reconnects gave up after 8 hours, later after a day.
#[test]
fn a_persistent_peer_is_dialed_after_weeks_of_silence() {
    let mut bench = Bench::with(policy(), &[Address::of(at(1), Some(peer(1)))], &[]);
    let (mut now, mut count) = (ms(0), 0);
    while now < secs(21 * 24 * 3_600) {
        let dials = dials(&bench.maintain(now));
        count += dials.len();
        bench.refuse(now, &dials);
        bench.maintain(now);
        let next = bench.pool.points().get(at(1)).expect("it is fixed").next_dial;
        assert!(next > now && next <= now + Duration::from_secs(300), "five minutes are the longest");
        now = next;
    }
    assert!(count > 21 * 24 * 12, "{count}");
}

/// The exchange dialed persistent peers, too, and each loss began another loop.
#[test]
fn the_operators_own_are_dialed_by_one_rule_and_once_at_a_time() {
    let mut bench = Bench::with(policy(), &[Address::of(at(1), None)], &[Address::of(at(2), None)]);
    let first = dials(&bench.maintain(ms(0)));
    assert_eq!(first.iter().filter(|(_, to)| *to == at(1)).count(), 1);
    bench.learn(ms(1), 1..3);
    assert!(bench.pool.whom_to_dial(secs(600), 10, &mut bench.rng).now.is_empty(), "nor by what others say of them");
    let again = bench.pool.claim_dial(ms(2), at(1), None, Purpose::Persistent);
    assert!(matches!(again, Err(DialError::Exists(..))), "{again:?}");
    let (mut now, mut under_way) = (ms(3), first);
    for _ in 0..50 {
        bench.refuse(now, &under_way);
        now = now + Duration::from_secs(60);
        under_way = dials(&bench.maintain(now));
        let more = dials(&bench.maintain(now + Duration::from_millis(5)));
        let of_one = under_way.iter().chain(&more).filter(|(_, to)| *to == at(1)).count();
        assert!(of_one <= 1, "{of_one} dials at once");
        under_way.extend(more);
    }
}

/// The class that the bias called for was empty, and nobody was dialed in that round.
#[test]
fn where_one_table_is_empty_the_other_serves() {
    for is_tried in [false, true] {
        let mut bench = Bench::new(policy());
        let proof = if is_tried { Proof::Dialed } else { Proof::Heard };
        let peer_of = |number| is_tried.then(|| PeerId::from_bytes([number; 32]));
        let row = |number| SavedPoint { is_tried, proof, peer: peer_of(number), last_seen: Some(999), ..saved_point(at(number)) };
        bench.restore((1..=20).map(row).collect());
        for outbound in 0..9 {
            assert_eq!(bench.pool.points().iter().filter(|point| point.is_tried()).count() == 20, is_tried);
            assert_eq!(bench.pool.whom_to_dial(ms(0), 5, &mut bench.rng).now.len(), 5, "{outbound} links, {is_tried}");
            bench.outbound(ms(0), 100 + outbound);
        }
    }
}

/// A name was replaced by the first of its addresses when it was read.
#[test]
fn a_name_leads_to_all_of_its_addresses() {
    let mut bench = Bench::with(policy(), &[], &["seed.example:9732".parse().expect("an address")]);
    let jobs = bench.maintain(ms(0)).jobs;
    let [Job::Resolve { ticket, .. }] = jobs[..] else { panic!("{jobs:?}") };
    let done = Done::Resolved { ticket, addresses: vec![at(1), at(2)] };
    let mut out = Default::default();
    bench.maintenance.handle(ms(1), Input::Done(done), &mut bench.pool, &mut out);
    let seeds: Vec<SocketAddr> = bench.pool.fixed_points(false).iter().filter_map(|point| point.address.socket()).collect();
    assert_eq!(seeds, [at(1), at(2)]);
    let mut dialed = dials(&out);
    bench.refuse(ms(2), &dialed);
    dialed.extend(dials(&bench.maintain(ms(2))));
    assert_eq!(dialed.iter().map(|(_, to)| *to).collect::<BTreeSet<_>>(), BTreeSet::from([at(1), at(2)]));
}

/// Without an order of precedence both ends of a crossing refused each other.
#[test]
fn ten_that_all_dial_each_other_at_once_have_one_link_each() {
    let mut world = World::new(1, Weather::internet());
    let ip = |number: u8| [50 + number, 1, 0, 1].into();
    let hosts: Vec<_> = (0..10)
        .map(|number| {
            let mut plan = Plan::new(ip(number));
            (plan.settings.discovery_bootstrap, plan.settings.pex_enabled) = (true, false);
            world.add(plan).expect("a valid plan")
        })
        .collect();
    for (from, host) in hosts.iter().enumerate() {
        for to in (0..10).filter(|to| *to != from as u8) {
            world.dial(*host, SocketAddr::new(ip(to), 9_732), None, u64::from(to)).expect("may dial");
        }
    }
    world.run_for(Duration::from_secs(30)).expect("the rules hold");
    for host in &hosts {
        let links = world.host(*host).expect("it lives").links().len();
        assert_eq!(links, 9, "{host}: one with each");
        let ups = world.take_events(*host).iter().filter(|event| matches!(event, Event::Up(_))).count();
        assert!((9..=18).contains(&ups), "{host}: {ups}");
    }
}
