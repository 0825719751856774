//! Stories of few places: networks in which all want more or less than there is, and one whose node wants nobody but friends. They are the
//! scenarios of Tezos' tests of its connection pool, played by whole nodes.

use super::chat::Talk;
use super::graph::Graph;
use super::scene::{Failure, Outcome, at, outcome, plan, story, weather};
use crate::base::address::Address;
use crate::base::rng::Rng;
use crate::base::subject::Subject;
use crate::bus::event::Event;
use crate::bus::outbox::Notice;
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::world::World;
use std::time::Duration;

/// Nine nodes expect six links each: all get at least `min_target`, and nobody keeps more than `max_target`, for as long as it is looked at.
///
/// # Errors
/// What went wrong.
pub fn nine_nodes(seed: u64) -> Result<Outcome, Failure> {
    const NODES: u16 = 9;
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    for number in 0..NODES {
        let mut plan = plan(number, &mut rng);
        let settings = &mut plan.settings;
        (settings.pool_min, settings.pool_expected, settings.pool_max, settings.pool_outbound_target) = (3, 6, 9, 3);
        world.add(plan)?;
    }
    let is_within = |host: &Host| {
        let bounds = host.settings().bounds();
        (bounds.min_target..=bounds.max_threshold).contains(&(host.links().len() as u32))
    };
    if !world.run_while_not(Duration::from_secs(300), |world| world.hosts().all(is_within))? {
        let links: Vec<usize> = world.hosts().map(|host| host.links().len()).collect();
        return Err(story(&world, format!("nine nodes are not within their bounds after five minutes: {links:?}")));
    }
    // A round of maintenance later they still are.
    world.run_for(Duration::from_secs(150))?;
    match world.hosts().find(|host| host.links().len() < host.settings().bounds().min_threshold as usize || !is_below(host)) {
        Some(host) => Err(story(&world, format!("{} has {} links again", host.id(), host.links().len()))),
        None => Ok(outcome(&world, &Talk::default())),
    }
}

fn is_below(host: &Host) -> bool {
    host.links().len() <= host.settings().bounds().max_threshold as usize
}

/// What a crowded node has done for those whom it had no place for.
#[derive(Clone, Copy, Debug)]
pub struct Crowded {
    /// Arrivals that it turned away.
    pub turned_away: u64,
    /// How long it took until all had their links.
    pub formed_after: Duration,
    pub outcome: Outcome,
}

/// Twenty nodes know one alone, and it has four places: whom it turns away it tells of others, so that all form one network.
///
/// # Errors
/// What went wrong.
pub fn overcrowded(seed: u64) -> Result<Crowded, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    for number in 0..=20 {
        let mut plan = plan(number, &mut rng);
        if number == 0 {
            let settings = &mut plan.settings;
            (settings.pool_min, settings.pool_expected, settings.pool_max, settings.pool_outbound_target) = (1, 2, 4, 1);
        }
        world.add(plan)?;
    }
    let begins = world.now();
    let has_all = |host: &Host| host.links().len() >= host.settings().bounds().min_threshold as usize;
    let is_one = |world: &World| Graph::of(world, |_| true, |_, _| true).diameter().is_some();
    if !world.run_while_not(Duration::from_secs(600), |world| world.hosts().all(has_all) && is_one(world))? {
        let links: Vec<usize> = world.hosts().map(|host| host.links().len()).collect();
        return Err(story(&world, format!("the crowd has not found itself: {links:?}")));
    }
    let turned_away = world.host(HostId(0)).map_or(0, |host| host.stats().arrivals_refused);
    let formed_after = world.now().since(begins);
    Ok(Crowded { turned_away, formed_after, outcome: outcome(&world, &Talk::default()) })
}

/// A node has links with trusted peers alone, knows one of two, and has both after a while: the second it heard of from the first. A
/// stranger who dials it hears nothing, and it dials no stranger.
///
/// # Errors
/// What went wrong.
pub fn among_friends(seed: u64) -> Result<Outcome, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    for number in 0..4 {
        world.add(plan(number, &mut rng))?;
    }
    world.run_for(Duration::from_secs(60))?;
    let (known, unknown, stranger) = (HostId(1), HostId(2), HostId(3));
    let mut plan = plan(4, &mut rng);
    plan.settings.pool_trusted_only = true;
    plan.settings.lists_trusted = [known, unknown].into_iter().filter_map(|id| world.peer(id)).map(Subject::Peer).collect();
    plan.settings.discovery_seeds = vec![Address::of(at(known.number()), None)];
    let private = world.add(plan)?;
    let peers = |ids: &[HostId], world: &World| ids.iter().filter_map(|id| world.peer(*id)).collect::<Vec<_>>();
    let friends = peers(&[known, unknown], &world);
    let has_friends = |world: &World| {
        let host = world.host(private);
        host.is_some_and(|host| friends.iter().all(|friend| host.link_with(friend).is_some()))
    };
    for tag in 0..60 {
        // Too soon after the last dial, or on a dial of its own: another time.
        let _ = world.dial(stranger, at(4), None, tag);
        world.run_for(Duration::from_secs(10))?;
        let strangers = world.host(private).map_or(0, |host| host.links().len());
        let is_let_in = peers(&[HostId(0), stranger], &world)
            .iter()
            .any(|peer| world.host(private).is_some_and(|host| host.link_with(peer).is_some()));
        if is_let_in {
            return Err(story(&world, format!("a stranger is among {strangers} links of a node that has friends alone")));
        }
        if tag >= 6 && has_friends(&world) {
            let heard = world.take_events(stranger);
            let is_turned_away = |event: &Event| matches!(event, Event::Notice(Notice::DialFailed { to, .. }) if *to == at(4));
            if !heard.iter().any(is_turned_away) {
                return Err(story(&world, "the stranger's dials came to no end".to_owned()));
            }
            return Ok(outcome(&world, &Talk::default()));
        }
    }
    Err(story(&world, "after ten minutes a node that has friends alone has not found both".to_owned()))
}
