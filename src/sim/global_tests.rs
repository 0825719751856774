//! Each rule of the whole network, broken on purpose: it must be found. That whole ones pass is shown by every story.

use super::*;
use crate::base::address::Address;
use crate::base::subject::Subject;
use crate::pool::policy::Policy;
use crate::sim::host::Plan;
use crate::sim::pipe::Weather;
use crate::sim::world::World;

fn ip(host: u8) -> IpAddr {
    [50, host, 0, 1].into()
}

/// A host that knows the first one; the first knows nobody.
fn plan(host: u8) -> Plan {
    let mut plan = Plan::new(ip(host));
    plan.settings.discovery_bootstrap = host == 1;
    if host > 1 {
        plan.settings.discovery_seeds = vec![Address::of(SocketAddr::new(ip(1), 9_732), None)];
    }
    plan
}

fn world(hosts: u8) -> World {
    let mut world = World::new(1, Weather::default());
    for host in 1..=hosts {
        world.add(plan(host)).expect("a valid plan");
    }
    world
}

fn change(world: &mut World, host: u16, change: impl FnOnce(&mut Policy)) {
    let pool = |host: &mut Host, _| {
        let mut policy = host.pool.policy().clone();
        change(&mut policy);
        host.pool.set_policy(policy);
    };
    world.call(HostId(host), pool).expect("it lives");
}

fn broken(world: &mut World, minutes: u64) -> Option<(HostId, &'static str)> {
    world.run_for(Duration::from_secs(60 * minutes)).err().map(|violation| (violation.host, violation.rule))
}

#[test]
fn who_does_not_dial_whom_it_knows_is_found() {
    let mut sound = world(3);
    assert_eq!(broken(&mut sound, 15), None);
    let mut lazy = world(3);
    change(&mut lazy, 2, |policy| policy.dials_max = 0);
    assert_eq!(broken(&mut lazy, 2), None, "it has two minutes");
    assert_eq!(broken(&mut lazy, 1), Some((HostId(2), "who has too few links dials whom it knows")));
}

#[test]
fn a_calm_network_in_two_pieces_is_found_and_two_networks_are_not() {
    for (name, found) in [("simulated", Some((HostId(1), "a calm network is one"))), ("another", None)] {
        let mut world = world(1);
        let mut stranger = plan(2);
        stranger.settings.discovery_seeds.clear();
        (stranger.settings.discovery_bootstrap, stranger.settings.network_name) = (true, name.to_owned());
        world.add(stranger).expect("a valid plan");
        assert_eq!(broken(&mut world, 10), None, "{name}: it has ten minutes");
        assert_eq!(broken(&mut world, 1), found, "{name}");
    }
}

#[test]
fn a_link_that_one_side_alone_has_is_found() {
    let mut world = world(3);
    assert_eq!(broken(&mut world, 5), None);
    // What the second says to the first does not arrive any more, and the rules are not told that anything is cut.
    world.network().cut(HostId(1), HostId(0));
    change(&mut world, 1, |policy| {
        (policy.bounds.min, policy.bounds.min_threshold, policy.bounds.min_target) = (0, 0, 0);
        (policy.bounds.max_target, policy.bounds.max_threshold, policy.bounds.outbound_target) = (0, 0, 0);
    });
    assert_eq!(broken(&mut world, 1), Some((HostId(0), "both sides know of a link")));
}

#[test]
fn a_book_beyond_its_bounds_is_found() {
    let mut world = world(4);
    assert_eq!(broken(&mut world, 2), None);
    change(&mut world, 0, |policy| policy.points_max = 1);
    assert_eq!(broken(&mut world, 1), Some((HostId(0), "tables stay within their memory")));
}

#[test]
fn a_table_beyond_its_part_of_the_memory_is_found() {
    let world = world(1);
    let host = world.host(HostId(0)).expect("it lives");
    assert!(is_within(host, "book", (10, 10), 100).is_ok());
    assert!(is_within(host, "book", (11, 10), 100).is_err(), "too many rows");
    assert!(is_within(host, "book", (10, 10), 1 << 30).is_err(), "too large ones");
}

#[test]
fn a_trusted_peer_that_finds_no_place_is_found_and_a_stranger_is_not() {
    for is_trusted in [false, true] {
        let mut world = world(2);
        assert_eq!(broken(&mut world, 1), None);
        let peer = world.peer(HostId(1)).expect("it has a plan");
        let trust = |host: &mut Host, now| host.pool.lists_mut().trust(now, Subject::Peer(peer), None);
        if is_trusted {
            world.call(HostId(0), trust).expect("it lives").expect("there is room");
        }
        let link = world.host(HostId(0)).and_then(|host| host.link_with(&peer)).expect("they have a link");
        world.disconnect(HostId(0), link, CloseReason::Evicted);
        let found = is_trusted.then_some((HostId(0), "trusted peers find places"));
        assert_eq!(broken(&mut world, 1), found);
    }
}

#[test]
fn a_deadline_that_nobody_keeps_is_found() {
    let mut world = world(1);
    assert_eq!(broken(&mut world, 1), None);
    let host = world.host(HostId(0)).expect("it lives");
    let wish = host.wish(Actor::Maintenance, false);
    // As planned, but its turn never comes.
    world.seat(HostId(0)).turns[Actor::Maintenance as usize] = Some((Time::MAX, wish));
    assert_eq!(broken(&mut world, 1), Some((HostId(0), "no deadline is missed")));
}
