//! What becomes of a host's memory when its program, its power or its disk fails, and of its clock.

use super::*;
use crate::base::address::Address;
use crate::base::limits::SAVE_ROWS_MAX;
use crate::base::peer::PeerId;
use crate::pool::saved::Change;
use crate::sim::disk::Faults;
use crate::sim::host::{Host, Plan};
use crate::sim::pipe::Weather;
use std::time::Duration;

const HOST: HostId = HostId(0);
const STRANGER: PeerId = PeerId::from_bytes([9; 32]);

/// A host that saves its scores on such a disk.
fn world(faults: Faults) -> World {
    let mut world = World::new(1, Weather::default());
    let mut plan = Plan::new([50, 1, 0, 1].into());
    plan.settings.discovery_bootstrap = true;
    plan.settings.store_path = "on its disk".to_owned();
    plan.disk = Disk::with(faults);
    world.add(plan).expect("a valid plan");
    run(&mut world, 1);
    world
}

/// How many scores a write has.
fn scores(rows: &[Change]) -> usize {
    rows.iter().filter(|change| matches!(change, Change::Score(_))).count()
}

fn run(world: &mut World, seconds: u64) {
    world.run_for(Duration::from_secs(seconds)).expect("no rule is broken");
}

/// The application says something bad of somebody.
fn report(world: &mut World, delta: i32) {
    world.call(HOST, |host: &mut Host, now| host.pool.report(now, STRANGER, delta, "it lied")).expect("it lives");
}

/// Whether it remembers that.
fn remembers(world: &World) -> bool {
    let score = |host: &Host| host.pool.score(host.clock(world.now()), &STRANGER);
    world.host(HOST).and_then(score).is_some()
}

#[test]
fn scores_outlive_a_crash_once_they_are_saved() {
    let mut world = world(Faults::default());
    report(&mut world, -20);
    run(&mut world, 130);
    world.crash(HOST);
    run(&mut world, 10);
    world.start(HOST).expect("it can be started");
    assert!(remembers(&world));
}

#[test]
fn who_dies_in_the_middle_of_a_write_has_not_saved_it() {
    let mut world = world(Faults::default());
    report(&mut world, -20);
    run(&mut world, 130);
    world.crash_at_write(HOST, 1);
    report(&mut world, -20);
    run(&mut world, 130);
    assert!(world.host(HOST).is_none(), "it died while it wrote");
    let kept: Vec<usize> = world.disk(HOST).read().expect("it can be read").map(scores).collect();
    assert_eq!(kept, [1], "the write before is whole, the torn one is not there");
    world.start(HOST).expect("it can be started");
    assert!(remembers(&world));
}

#[test]
fn a_crash_during_a_slow_write_loses_it() {
    let mut world = world(Faults { delay: Duration::from_secs(100), ..Faults::default() });
    report(&mut world, -20);
    // The period of maintenance is two minutes.
    run(&mut world, 150);
    world.crash(HOST);
    world.start(HOST).expect("it can be started");
    assert!(!remembers(&world));
    report(&mut world, -20);
    run(&mut world, 230);
    world.crash(HOST);
    world.start(HOST).expect("it can be started");
    assert!(remembers(&world), "now it had the time");
}

#[test]
fn what_a_failing_or_full_disk_did_not_take_is_saved_later() {
    // The first call reads.
    for faults in [Faults { fails_at: Some(2), ..Faults::default() }, Faults { rows_max: Some(0), ..Faults::default() }] {
        let mut world = world(faults);
        report(&mut world, -20);
        run(&mut world, 130);
        assert_eq!(world.disk(HOST).read().expect("it can be read").count(), 0, "{faults:?}");
        world.disk(HOST).faults = Faults::default();
        run(&mut world, 130);
        assert_eq!(world.disk(HOST).read().expect("it can be read").count(), 1, "{faults:?}");
    }
}

#[test]
fn a_damaged_disk_is_put_aside_and_one_that_cannot_be_read_is_named() {
    let mut world = world(Faults::default());
    report(&mut world, -20);
    run(&mut world, 130);
    world.crash(HOST);
    world.disk(HOST).damage();
    world.start(HOST).expect("it starts without");
    assert!(!remembers(&world));
    world.crash(HOST);
    let calls = world.disk(HOST).calls();
    world.disk(HOST).faults.fails_at = Some(calls + 1);
    let error = world.start(HOST).expect_err("it cannot read what it saved");
    assert!(error.to_string().contains("cannot be read"), "{error}");
    world.start(HOST).expect("the next time it can");
}

#[test]
fn a_disk_that_is_found_damaged_by_a_write_gets_everything_again() {
    let mut world = world(Faults::default());
    report(&mut world, -20);
    run(&mut world, 130);
    world.disk(HOST).damage();
    world
        .call(HOST, |host: &mut Host, now| host.pool.report(now, PeerId::from_bytes([8; 32]), -20, "it lied"))
        .expect("it lives");
    run(&mut world, 130);
    let kept: Vec<usize> = world.disk(HOST).read().expect("it can be read").map(scores).collect();
    assert_eq!(kept, [2], "also what was saved before");
}

#[test]
fn a_save_is_written_in_pieces_and_a_crash_between_them_keeps_those_before() {
    let mut world = world(Faults::default());
    let strangers = SAVE_ROWS_MAX + 500;
    let reports = |host: &mut Host, now| {
        for number in 0..strangers as u32 {
            let mut bytes = [7; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            host.pool.report(now, PeerId::from_bytes(bytes), -20, "it lied");
        }
    };
    world.call(HOST, reports).expect("it lives");
    world.crash_at_write(HOST, 2);
    run(&mut world, 130);
    assert!(world.host(HOST).is_none(), "it died in its second piece");
    let kept: Vec<usize> = world.disk(HOST).read().expect("it can be read").map(<[Change]>::len).collect();
    // A piece has the key of the book and the anchors beside its rows.
    assert!(kept.len() == 1 && (SAVE_ROWS_MAX..SAVE_ROWS_MAX + 10).contains(&kept[0]), "{kept:?}");
}

#[test]
fn what_has_changed_since_the_last_save_is_saved_when_a_host_stops() {
    let mut world = world(Faults::default());
    report(&mut world, -20);
    world.stop(HOST, Duration::from_secs(1));
    run(&mut world, 10);
    world.start(HOST).expect("it can be started");
    assert!(remembers(&world));
}

#[test]
fn at_whichever_write_a_host_dies_it_finds_the_others_again_without_a_seed() {
    for k in 1..=3 {
        let mut world = World::new(k, Weather::rough());
        for number in 0..6 {
            let mut plan = Plan::new([50, 1 + number, 0, 1].into());
            plan.settings.store_path = "on its disk".to_owned();
            plan.settings.discovery_bootstrap = number == 0;
            if number > 0 {
                plan.settings.discovery_seeds = vec![Address::of("50.1.0.1:9732".parse().expect("an address"), None)];
            }
            world.add(plan).expect("a valid plan");
        }
        run(&mut world, 150);
        let victim = HostId(3);
        world.crash_at_write(victim, k);
        for _ in 0..10 {
            // Something changes in each period.
            if world.host(victim).is_some() {
                world.call(victim, |host: &mut Host, now| host.pool.report(now, STRANGER, -1, "it lied")).expect("it lives");
                run(&mut world, 60);
            }
        }
        assert!(world.host(victim).is_none(), "{k}: it never came to its write {k}");
        world.crash(HOST);
        world.start(victim).expect("it can be started");
        run(&mut world, 120);
        let links = world.host(victim).map_or(0, |host| host.links().len());
        assert_eq!(links, 4, "{k}: all who live");
    }
}

#[test]
fn a_wall_clock_steps_for_the_host_alone_and_outlives_a_restart() {
    let mut world = world(Faults::default());
    let saved_at = |world: &mut World| {
        report(world, -1);
        run(world, 130);
        let writes = world.disk(HOST).read().expect("it can be read");
        let at = |change: &Change| if let Change::Score(score) = change { Some(score.at) } else { None };
        writes.last().and_then(|rows| rows.iter().find_map(at)).expect("it has saved")
    };
    let first = saved_at(&mut world);
    world.step_clock(HOST, 3_600);
    let later = saved_at(&mut world);
    assert!((3_600..3_900).contains(&(later - first)), "{first}, {later}");
    world.crash(HOST);
    world.start(HOST).expect("it can be started");
    world.step_clock(HOST, -7_200);
    let earlier = saved_at(&mut world);
    assert!((3_600 - 400..3_600).contains(&(first - earlier)), "{first}, {earlier}");
}

/// Who lost its power for a moment is back before anybody can have missed it: others mean to have links with it that it knows nothing of,
/// until they say something to it. That breaks no rule, and they come back.
#[test]
fn who_loses_its_power_for_a_moment_breaks_no_rule() {
    for (seed, away) in [(1, 0), (2, 3), (3, 20), (4, 60), (5, 89)] {
        let mut world = World::new(seed, Weather::internet());
        for number in 0..5_u8 {
            let mut plan = Plan::new([50 + number, 1, 0, 1].into());
            let settings = &mut plan.settings;
            // They have nothing to say but pings.
            (settings.pex_enabled, settings.discovery_period) = (false, Duration::from_secs(24 * 3_600));
            settings.discovery_bootstrap = number == 0;
            let first = Address::of(std::net::SocketAddr::from(([50, 1, 0, 1], 9_732)), None);
            settings.discovery_persistent = if number > 0 { vec![first] } else { Vec::new() };
            world.add(plan).expect("a valid plan");
        }
        run(&mut world, 100);
        let links = |world: &World| world.host(HOST).map_or(0, |host| host.links().len());
        assert_eq!(links(&world), 4);
        world.go_dark(HOST);
        run(&mut world, away);
        world.start(HOST).expect("it can be started");
        run(&mut world, 300);
        assert_eq!(links(&world), 4, "{away} s");
    }
}
