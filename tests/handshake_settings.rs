//! What the settings say of pings, control messages and puzzles is what sessions, simulated hosts and whole nodes do.
#![allow(clippy::disallowed_methods, reason = "one test talks to a whole node in real time")]

mod handshake_support;

use bowline::base::link_id::LinkId;
use bowline::base::reason::CloseReason;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::reactor::net::Net;
use bowline::session::gate::Gate;
use bowline::session::local::Local;
use bowline::session::local::Profile;
use bowline::settings::check::Checked;
use bowline::settings::value::PuzzleMode;
use bowline::sim::host::Plan;
use bowline::sim::net::HostId;
use bowline::sim::pipe::Weather;
use bowline::sim::world::World;
use bowline::wire::hello::Hello;
use bowline::wire::segment::{self, Head};
use bowline::{Address, Builder, ChannelId, Event, Kind, Settings, generate_identity};
use handshake_support::rogue::Rogue;
use handshake_support::{End, Pair, Script, address, channels, identity, local, profile};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

const DATA: u8 = 0;
/// Bytes of a challenge, and of the second message of the handshake.
const CHALLENGE: usize = 32;
const M2: usize = 164;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn checked(change: impl FnOnce(&mut Settings)) -> Checked {
    let mut settings = Settings { discovery_bootstrap: true, network_pow_bits: 0, ..Settings::new("bowline test") };
    change(&mut settings);
    settings.check().expect("valid settings")
}

/// A node with these settings, as its sessions see it.
fn node(seed: u64, change: impl FnOnce(&mut Settings)) -> Arc<Local> {
    let hello = Hello { network: "bowline test".into(), ..Hello::default() };
    local(Profile::of(&checked(change), identity(seed), &channels(), &hello, &[]))
}

fn pings_each(settings: &mut Settings, period: Duration) {
    (settings.ping_period, settings.ping_accept_period) = (period, period);
}

#[test]
fn nodes_that_agree_on_fast_pings_keep_their_link() {
    let fast = |settings: &mut Settings| pings_each(settings, seconds(1));
    let mut pair = Pair::of(&node(1, fast), &node(2, fast)).open();
    for second in 0..600 {
        pair.wait(seconds(1));
        assert_eq!((pair.a.error, pair.b.error), (None, None), "after {second} s");
    }
    // A ping and a pong of 27 bytes each way and second: they were really sent.
    assert!(pair.a_wrote.len() >= 590 * 2 * 27, "{} bytes", pair.a_wrote.len());
}

#[test]
fn pings_faster_than_the_peer_accepts_are_a_flood() {
    let fast = node(1, |settings| pings_each(settings, seconds(1)));
    let mut pair = Pair::of(&fast, &node(2, |_| {})).open();
    for _ in 0..5 {
        pair.wait(seconds(1));
        assert_eq!(pair.b.error, None, "five may come at once");
    }
    for _ in 0..5 {
        pair.wait(seconds(1));
    }
    assert_eq!(pair.b.error, Some(CloseReason::ControlFlood));
    // Without a limit the same is fine.
    let mut pair = Pair::of(&fast, &node(2, |settings| settings.ping_accept_period = Duration::ZERO)).open();
    (0..60).for_each(|_| pair.wait(seconds(1)));
    assert_eq!(pair.b.error, None);
}

/// A peer that has said so many control messages in one record to a node with these settings.
fn after_controls(count: usize, change: impl FnOnce(&mut Settings)) -> (Rogue, End) {
    let mut end = End::acceptor(&node(2, change), address("198.51.100.7:51234"), Script::seeded(1));
    let mut rogue = Rogue::open_with(&mut end, local(Profile { channels: channels(), ..profile(3) }).profile.hello.clone());
    rogue.say(&mut end, DATA, &control().repeat(count));
    (rogue, end)
}

fn control() -> Vec<u8> {
    let mut out = Vec::new();
    let head = Head { channel: ChannelId::PEX, kind: Kind::Message, request: 0, total: 0, is_first: true, is_last: true };
    segment::write(&mut out, head, b"");
    out
}

#[test]
fn control_messages_are_limited_by_the_settings() {
    let small = |settings: &mut Settings| (settings.control_burst, settings.control_rate) = (3, 2);
    let (mut rogue, mut end) = after_controls(3, small);
    assert_eq!((end.error, end.control.len()), (None, 3));
    let later = |rogue: &mut Rogue, end: &mut End, millis: u64, count: usize| {
        let record = rogue.sealed(DATA, &control().repeat(count));
        end.deliver(Time::ZERO + Duration::from_millis(millis), &record);
        end.error
    };
    // Two more a second, one after another.
    assert_eq!(later(&mut rogue, &mut end, 500, 1), None);
    assert_eq!(later(&mut rogue, &mut end, 1_000, 1), None);
    assert_eq!(later(&mut rogue, &mut end, 1_400, 1), Some(CloseReason::ControlFlood));
    let (_, end) = after_controls(4, small);
    assert_eq!((end.error, end.intake.control.len()), (Some(CloseReason::ControlFlood), 3), "no record makes us hold more");
    let (_, end) = after_controls(500, |settings| settings.control_burst = 500);
    assert_eq!((end.error, end.control.len()), (None, 500));
    let (_, end) = after_controls(501, |settings| settings.control_burst = 500);
    assert_eq!(end.error, Some(CloseReason::ControlFlood));
}

/// A pair whose acceptor asks for puzzles as these settings say, and is as loaded as it can be if `is_loaded`.
fn puzzled(mode: PuzzleMode, is_loaded: bool) -> Pair {
    let mut pair = Pair::plain();
    pair.b.gate = Gate::of(&mut Rng::from_seed(5), &checked(|settings| settings.puzzle_mode = mode));
    pair.b.gate.set_half_open(if is_loaded { 128 } else { 0 });
    pair
}

#[test]
fn puzzles_are_asked_for_as_the_settings_say() {
    for (mode, is_loaded, answer) in [
        (PuzzleMode::Auto, false, M2),
        (PuzzleMode::Auto, true, CHALLENGE),
        (PuzzleMode::Always, false, CHALLENGE),
        (PuzzleMode::Always, true, CHALLENGE),
        (PuzzleMode::Never, false, M2),
        (PuzzleMode::Never, true, M2),
    ] {
        let mut pair = puzzled(mode, is_loaded);
        let m1 = pair.a.write(pair.now, 1_000);
        pair.b.deliver(pair.now, &m1);
        assert_eq!(pair.b.write(pair.now, 1_000).len(), answer, "{mode:?}, loaded: {is_loaded}");
        // Every dialer gets in.
        puzzled(mode, is_loaded).open();
    }
}

#[test]
fn a_node_that_always_wants_a_puzzle_asks_for_one() {
    let of = |mode: &str| {
        let set = [
            ("network.name", "bowline test"),
            ("network.pow_bits", "0"),
            ("network.allow_private", "true"),
            ("listen.addresses", "127.0.0.1:0"),
            ("discovery.bootstrap", "true"),
            ("puzzle.mode", mode),
        ];
        let builder = set.into_iter().fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a known key"));
        let identity = generate_identity(0, &mut |_, _| true).expect("libsodium works").expect("not stopped");
        let node = builder.identity(identity).build().expect("valid settings");
        node.start().expect("a free port");
        node
    };
    for (mode, answer) in [("always", CHALLENGE), ("auto", M2)] {
        let (node, other) = (of(mode), of("auto"));
        let mut stream = TcpStream::connect(node.listen_addresses()[0]).expect("it listens");
        stream.set_read_timeout(Some(seconds(5))).expect("a socket");
        let m1 = End::dialer(&local(profile(1)), address("203.0.113.9:9732"), None, Script::seeded(3)).write(Time::ZERO, 1_000);
        stream.write_all(&m1).expect("sent");
        let mut got = [0; 1_024];
        assert_eq!(stream.read(&mut got).expect("an answer"), answer, "{mode}");
        other.connect(&node.listen_addresses()[0].to_string(), seconds(5)).expect("whoever solves it gets in");
    }
}

/// Two simulated hosts with these settings that have a link.
fn hosts(change: impl Fn(&mut Settings)) -> (World, [HostId; 2]) {
    let mut world = World::new(1, Weather::default());
    let at = |host: u8| SocketAddr::new([50, host, 7, 1].into(), 9_732);
    let ids = [1, 2].map(|host| {
        let mut plan = Plan::new(at(host).ip());
        change(&mut plan.settings);
        if host == 1 {
            plan.settings.discovery_bootstrap = true;
        } else {
            plan.settings.discovery_seeds = vec![Address::of(at(1), None)];
        }
        world.add(plan).expect("valid settings")
    });
    let is_linked = |world: &World| ids.iter().all(|id| world.host(*id).is_some_and(|host| host.links().len() == 1));
    assert!(world.run_while_not(seconds(60), is_linked).expect("no rule is broken"));
    (world, ids)
}

#[test]
fn a_network_with_fast_pings_stays_together() {
    let (mut world, ids) = hosts(|settings| pings_each(settings, seconds(1)));
    world.run_for(seconds(3_600)).expect("no rule is broken");
    for id in ids {
        let downs: Vec<Event> = world.take_events(id).into_iter().filter(|event| matches!(event, Event::Down(_))).collect();
        assert!(downs.is_empty(), "{downs:?}");
    }
}

#[test]
fn a_simulated_host_asks_for_puzzles_as_a_node_does() {
    let (mut world, ids) = hosts(|settings| settings.puzzle_mode = PuzzleMode::Always);
    let link = LinkId::from_u64(1);
    let stranger = world.add_bare([50, 9, 7, 1].into());
    let to = SocketAddr::new([50, 1, 7, 1].into(), 9_732);
    world.port(stranger).dial(link, to, None).expect("a dial begins");
    world.run_for(seconds(1)).expect("no rule is broken");
    let simulated = Profile::new(identity(1), "simulated");
    let m1 = End::dialer(&local(simulated), to, None, Script::seeded(3)).write(Time::ZERO, 1_000);
    assert_eq!(world.port(stranger).write(link, &m1).expect("there is room"), m1.len());
    world.run_for(seconds(1)).expect("no rule is broken");
    let mut got = [0; 1_024];
    assert_eq!(world.port(stranger).read(link, &mut got).expect("an answer"), CHALLENGE);
    assert!(ids.iter().all(|id| world.host(*id).is_some_and(|host| host.links().len() == 1)));
}
