//! What can go wrong in the memory network, fault by fault, and what a world says to wrong use.

use bowline::base::link_id::LinkId;
use bowline::base::time::Time;
use bowline::reactor::net::{Net, Ready};
use bowline::sim::host::{Plan, StartError};
use bowline::sim::net::{HostId, Network};
use bowline::sim::pipe::Weather;
use bowline::sim::world::World;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const A: LinkId = LinkId::from_u64(1);
const B: LinkId = LinkId::from_u64(2);
const LISTENER: u32 = 0;

fn ip(host: u8) -> IpAddr {
    [10, 0, 0, host].into()
}

fn at(host: u8) -> SocketAddr {
    SocketAddr::new(ip(host), 9_000)
}

/// Two hosts; the second listens.
fn pair() -> (Network, HostId, HostId) {
    let mut network = Network::new(1, Weather::default());
    let [one, other] = [1, 2].map(|host| network.add(&[ip(host)]).expect("there is room"));
    network.port(other).listen(LISTENER, at(2)).expect("nobody else is there");
    (network, one, other)
}

/// Two hosts with a link: the first calls it `A`, the second `B`.
fn linked() -> (Network, HostId, HostId) {
    let (mut network, one, other) = pair();
    network.port(one).dial(A, at(2), None).expect("a dial begins");
    run(&mut network, 1.0);
    network.port(other).accept(LISTENER, B, &|_| true).expect("somebody is there");
    run(&mut network, 1.0);
    ready(&mut network, one);
    ready(&mut network, other);
    (network, one, other)
}

fn run(network: &mut Network, seconds: f64) {
    let to = network.now() + Duration::from_secs_f64(seconds);
    network.advance(to);
}

fn ready(network: &mut Network, host: HostId) -> Vec<Ready> {
    let mut ready = Vec::new();
    network.take_ready(host, &mut ready);
    ready
}

fn part(network: &mut Network, one: HostId, other: HostId) {
    network.cut(one, other);
    network.cut(other, one);
}

fn join(network: &mut Network, one: HostId, other: HostId) {
    network.heal(one, other);
    network.heal(other, one);
}

fn write(network: &mut Network, host: HostId, link: LinkId, bytes: &[u8]) -> Result<usize, ErrorKind> {
    network.port(host).write(link, bytes).map_err(|error| error.kind())
}

fn read(network: &mut Network, host: HostId, link: LinkId) -> Result<Vec<u8>, ErrorKind> {
    let mut into = [0; 64];
    let count = network.port(host).read(link, &mut into).map_err(|error| error.kind())?;
    Ok(into[..count].to_vec())
}

#[test]
fn a_short_cut_delays_and_loses_nothing() {
    for one_way in [false, true] {
        let (mut network, one, other) = linked();
        network.cut(one, other);
        if !one_way {
            network.cut(other, one);
        }
        assert_eq!(write(&mut network, one, A, b"late"), Ok(4));
        run(&mut network, 20.0);
        assert_eq!(read(&mut network, other, B), Err(ErrorKind::WouldBlock));
        join(&mut network, one, other);
        run(&mut network, 1.0);
        assert_eq!(read(&mut network, other, B), Ok(b"late".to_vec()));
    }
}

#[test]
fn a_long_cut_ends_the_stream_for_who_writes_and_later_for_the_other() {
    let (mut network, one, other) = linked();
    part(&mut network, one, other);
    assert_eq!(write(&mut network, one, A, b"lost"), Ok(4));
    run(&mut network, 29.0);
    assert_eq!(write(&mut network, one, A, b"too"), Ok(3));
    run(&mut network, 2.0);
    assert!(ready(&mut network, one).iter().any(|ready| ready.is_ended));
    assert_eq!(write(&mut network, one, A, b"x"), Err(ErrorKind::TimedOut));
    network.port(one).close(A);
    join(&mut network, one, other);
    run(&mut network, 60.0);
    assert_eq!(read(&mut network, other, B), Err(ErrorKind::WouldBlock), "nobody has told it");
    assert_eq!(write(&mut network, other, B, b"anybody?"), Ok(8));
    run(&mut network, 1.0);
    assert_eq!(read(&mut network, other, B), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_dial_outlives_a_short_cut_and_gives_a_long_one_up() {
    for (seconds, outcome) in [(2.0, Ok(())), (200.0, Err(ErrorKind::TimedOut))] {
        let (mut network, one, other) = pair();
        part(&mut network, one, other);
        network.port(one).dial(A, at(2), None).expect("a dial begins");
        run(&mut network, seconds);
        join(&mut network, one, other);
        run(&mut network, 10.0);
        assert_eq!(network.port(one).dialed(A).map_err(|error| error.kind()), outcome);
    }
}

#[test]
fn an_address_that_nobody_has_never_answers() {
    let (mut network, one, _) = pair();
    network.port(one).dial(A, at(77), None).expect("a dial begins");
    run(&mut network, 1_000.0);
    assert!(ready(&mut network, one).is_empty());
    assert_eq!(network.port(one).dialed(A).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_host_that_went_dark_is_silent_and_resets_when_it_is_back() {
    let (mut network, one, other) = linked();
    network.go_dark(other);
    run(&mut network, 1_000.0);
    assert!(ready(&mut network, one).is_empty(), "silence tells nothing");
    assert_eq!(write(&mut network, one, A, b"anybody?"), Ok(8));
    run(&mut network, 5.0);
    network.come_back(other);
    run(&mut network, 1.0);
    assert_eq!(read(&mut network, one, A), Err(ErrorKind::ConnectionReset));
    assert_eq!(network.sockets(other), 0);
}

#[test]
fn a_crash_ends_idle_streams_and_resets_those_with_unread_bytes() {
    for (unread, outcome) in [(false, Ok(Vec::new())), (true, Err(ErrorKind::ConnectionReset))] {
        let (mut network, one, other) = linked();
        if unread {
            assert_eq!(write(&mut network, one, A, b"unread"), Ok(6));
            run(&mut network, 1.0);
        }
        network.crash(other);
        run(&mut network, 1.0);
        assert_eq!(read(&mut network, one, A), outcome);
        network.port(one).dial(LinkId::from_u64(5), at(2), None).expect("a dial begins");
        run(&mut network, 1.0);
        let dialed = network.port(one).dialed(LinkId::from_u64(5));
        assert_eq!(dialed.map_err(|error| error.kind()), Err(ErrorKind::ConnectionRefused));
    }
}

#[test]
fn without_descriptors_nothing_is_accepted_or_dialed_until_one_is_free() {
    let (mut network, one, other) = linked();
    network.set_sockets_max(other, 1);
    network.port(one).dial(LinkId::from_u64(5), at(2), None).expect("a dial begins");
    run(&mut network, 1.0);
    let error = network.port(other).accept(LISTENER, LinkId::from_u64(6), &|_| true).expect_err("all are taken");
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    let error = network.port(other).dial(LinkId::from_u64(7), at(1), None).expect_err("all are taken");
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    network.port(other).close(B);
    assert!(network.port(other).accept(LISTENER, LinkId::from_u64(6), &|_| true).is_ok(), "it still waits");
}

#[test]
fn nobody_can_dial_a_host_behind_a_nat_and_it_can_dial_others() {
    let (mut network, one, other) = pair();
    network.port(one).listen(LISTENER, at(1)).expect("nobody else is there");
    network.set_nat(other, true);
    network.port(one).dial(A, at(2), None).expect("a dial begins");
    network.port(other).dial(B, at(1), None).expect("a dial begins");
    run(&mut network, 1.0);
    assert_eq!(network.port(one).dialed(A).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    assert!(network.port(other).dialed(B).is_ok());
    run(&mut network, 200.0);
    assert_eq!(network.port(one).dialed(A).map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
}

#[test]
fn who_has_a_new_address_is_lost_at_the_old_one_and_found_at_the_new_one() {
    let (mut network, one, other) = linked();
    network.readdress(other, ip(9));
    assert_eq!(write(&mut network, one, A, b"lost"), Ok(4));
    run(&mut network, 31.0);
    assert_eq!(write(&mut network, one, A, b"x"), Err(ErrorKind::TimedOut));
    network.port(one).dial(LinkId::from_u64(5), at(9), None).expect("a dial begins");
    run(&mut network, 1.0);
    assert!(network.port(one).dialed(LinkId::from_u64(5)).is_ok());
    // Somebody else has the old address now.
    let heir = network.add(&[ip(2)]).expect("there is room");
    assert_eq!(network.host_at(ip(2)), Some(heir));
    network.port(one).dial(LinkId::from_u64(6), at(2), None).expect("a dial begins");
    run(&mut network, 1.0);
    let dialed = network.port(one).dialed(LinkId::from_u64(6));
    assert_eq!(dialed.map_err(|error| error.kind()), Err(ErrorKind::ConnectionRefused), "it does not listen");
}

#[test]
fn a_world_says_what_is_wrong_with_a_plan() {
    let mut world = World::new(1, Weather::default());
    let error = world.add(Plan::new(ip(1))).expect_err("it knows nobody and is no bootstrap node");
    assert!(matches!(&error, StartError::Settings(complaints) if complaints.len() == 1), "{error}");
    let mut plan = Plan::new(ip(2));
    plan.settings.discovery_bootstrap = true;
    let host = world.add(plan.clone()).expect("a valid plan");
    assert!(matches!(world.start(host), Err(StartError::Twice(_))));
    let bare = world.add_bare(ip(3));
    assert!(matches!(world.start(bare), Err(StartError::Bare(_))));
    plan.settings.listen_addresses = vec![at(0); 2];
    plan.address = ip(4);
    assert!(matches!(world.add(plan), Err(StartError::Listen(..))), "one port cannot be listened at twice");
    world.run_for(Duration::from_secs(10)).expect("a lonely world breaks no rule");
    assert_eq!(world.now(), Time::ZERO + Duration::from_secs(10));
}
