//! Small networks with one host that means harm, or with one that fate does: the harm is done, and the others live on. The rules of
//! `sim::checks` and `sim::global` hold throughout. `BOWLINE_SEED=s` plays another seed.

use bowline::base::address::Address;
use bowline::base::reason::CloseReason;
use bowline::base::verdict::Direction;
use bowline::sim::host::{Host, Plan};
use bowline::sim::net::HostId;
use bowline::sim::pipe::Weather;
use bowline::sim::rogue::Conduct;
use bowline::sim::world::World;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Honest hosts, of which the first knows nobody and the others know it.
const HONEST: u8 = 6;

fn ip(host: u8) -> IpAddr {
    [50, host, 0, 1].into()
}

fn plan(host: u8) -> Plan {
    let mut plan = Plan::new(ip(host));
    plan.settings.discovery_bootstrap = host == 0;
    if host > 0 {
        plan.settings.discovery_seeds = vec![Address::of(SocketAddr::new(ip(0), 9_732), None)];
    }
    plan
}

fn world() -> World {
    let seed = std::env::var("BOWLINE_SEED").map_or(1, |text| text.parse().expect("BOWLINE_SEED is a number"));
    let mut world = World::new(seed, Weather::internet());
    for host in 0..HONEST {
        world.add(plan(host)).expect("a valid plan");
    }
    world
}

/// A network among whose hosts is one of that conduct.
fn with(conduct: Conduct) -> (World, HostId) {
    let mut world = world();
    let rogue = world.add(Plan { conduct, ..plan(99) }).expect("a valid plan");
    (world, rogue)
}

fn id(world: &World, number: u16) -> HostId {
    world.hosts().map(Host::id).find(|id| id.number() == number).expect("it lives")
}

fn run(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds)).unwrap_or_else(|violation| panic!("{violation}"));
}

fn honest(world: &World) -> impl Iterator<Item = &Host> {
    world.hosts().filter(|host| host.id().number() < u16::from(HONEST))
}

/// Every honest host has a link with every other.
fn assert_formed(world: &World) {
    for host in honest(world) {
        let others = honest(world).filter(|other| host.link_with(&other.peer()).is_some()).count();
        assert_eq!(others, usize::from(HONEST) - 1, "{}", host.id());
    }
}

fn ends(host: &Host, reason: CloseReason) -> u64 {
    host.pool().ends().into_iter().find(|(found, _)| *found == reason).map_or(0, |(_, count)| count)
}

#[test]
fn a_flooder_is_kept_out_and_nobody_else() {
    let (mut world, rogue) = with(Conduct::Flooder);
    run(&mut world, 120);
    assert_formed(&world);
    let peer = world.peer(rogue).expect("it has a plan");
    assert!(honest(&world).all(|host| host.link_with(&peer).is_none()));
    let faults: u64 =
        honest(&world).map(|host| ends(host, CloseReason::PexTooOften) + ends(host, CloseReason::ControlFlood)).sum();
    assert!(faults > 0, "it did flood");
}

#[test]
fn a_liar_puts_few_ports_of_its_victim_into_books() {
    let victim = ip(200);
    let (mut world, _) = with(Conduct::Liar { victim });
    world.add_bare(victim);
    run(&mut world, 600);
    assert_formed(&world);
    let ports = |host: &Host| host.pool().points().iter().filter(|point| point.at.ip() == victim).count();
    let most = honest(&world).map(ports).max().unwrap_or(0);
    assert!((1..=3).contains(&most), "{most} ports of the victim in one book");
}

#[test]
fn an_eclipser_is_believed_and_honest_links_stay() {
    let addresses: Vec<SocketAddr> = (0..200).map(|host| SocketAddr::new([60, 1, 0, host].into(), 9_732)).collect();
    let (mut world, _) = with(Conduct::Eclipser { addresses: addresses.clone() });
    run(&mut world, 600);
    assert_formed(&world);
    let is_known = |host: &Host| host.pool().points().iter().any(|point| addresses.contains(&point.at));
    assert!(honest(&world).any(is_known), "somebody has heard it");
}

#[test]
fn who_begins_handshakes_and_does_not_go_on_keeps_nobody_out() {
    for conduct in [Conduct::SlowLoris, Conduct::HalfOpener] {
        let (mut world, _) = with(conduct.clone());
        run(&mut world, 120);
        assert_formed(&world);
        let late: u64 = honest(&world).map(|host| ends(host, CloseReason::HandshakeTimeout)).sum();
        assert!(late > 10, "{conduct:?}: {late} handshakes took too long");
        let newcomer = world.add(plan(HONEST)).expect("a valid plan");
        run(&mut world, 60);
        let links = world.host(newcomer).map_or(0, |host| host.links().len());
        assert!(links >= usize::from(HONEST), "{conduct:?}: {links}");
    }
}

#[test]
fn a_host_behind_a_nat_dials_and_is_not_dialed() {
    let mut world = world();
    let hidden = world.add(Plan { has_nat: true, ..plan(99) }).expect("a valid plan");
    run(&mut world, 300);
    let host = world.host(hidden).expect("it lives");
    let inbound = host.pool().slots().iter().filter(|slot| slot.is_open() && slot.direction == Direction::Inbound).count();
    assert_eq!((host.links().len(), inbound), (usize::from(HONEST), 0));
}

#[test]
fn a_host_with_a_new_address_finds_its_way_back() {
    let mut world = world();
    run(&mut world, 60);
    assert_formed(&world);
    let moved = id(&world, 3);
    world.readdress(moved, ip(150));
    run(&mut world, 30);
    // Its old address is somebody else's.
    world.add_bare(ip(3));
    run(&mut world, 400);
    assert_formed(&world);
}

/// Who is dialed at an address that was another's is somebody honest where somebody else was expected.
#[test]
fn hosts_that_get_each_others_addresses_find_their_way_back_and_nobody_is_blamed() {
    let mut world = world();
    let [one, other, third] = [3, 4, 5].map(|number| id(&world, number));
    run(&mut world, 60);
    assert_formed(&world);
    world.readdress(one, ip(150));
    for (host, to) in [(other, ip(3)), (third, ip(4)), (one, ip(5))] {
        world.readdress(host, to);
        run(&mut world, 5);
    }
    let mut newcomer = plan(60);
    newcomer.settings.discovery_persistent = vec![Address::of(SocketAddr::new(ip(3), 9_732), world.peer(one))];
    let newcomer = world.add(newcomer).expect("a valid plan");
    run(&mut world, 600);
    assert_formed(&world);
    let listed: Vec<_> = world.hosts().flat_map(|host| host.pool().lists().greylisted()).map(|(culprit, ..)| culprit).collect();
    assert!(listed.is_empty(), "{listed:?}");
    let newcomer = world.host(newcomer).expect("it lives");
    assert!(ends(newcomer, CloseReason::WrongIdentity) > 0, "somebody else is where it expects its peer");
    let peer = world.peer(one).expect("it has a plan");
    assert!(newcomer.link_with(&peer).is_some(), "and it has found its peer elsewhere");
}

#[test]
fn a_one_way_cut_ends_links_and_heals() {
    let mut world = world();
    run(&mut world, 60);
    assert_formed(&world);
    let (one, other) = (id(&world, 1), id(&world, 2));
    world.part_one_way(one, other);
    run(&mut world, 200);
    let peer = world.peer(other).expect("it has a plan");
    assert!(world.host(one).is_some_and(|host| host.link_with(&peer).is_none()), "nothing came through");
    world.join(one, other);
    run(&mut world, 400);
    assert_formed(&world);
}

#[test]
fn a_step_of_a_wall_clock_ends_no_link() {
    let mut world = world();
    run(&mut world, 60);
    let links = |world: &World| honest(world).map(Host::links).collect::<Vec<_>>();
    let before = links(&world);
    for (host, seconds) in [(0, 3_600), (1, -3_600), (2, 8 * 3_600), (3, -1)] {
        let host = id(&world, host);
        world.step_clock(host, seconds);
    }
    run(&mut world, 300);
    assert_eq!(links(&world), before);
}
