//! Stories of two hosts that dial each other again and again, at the worst moments.

use super::chat::Talk;
use super::scene::{Failure, Outcome, at, outcome, plan, story, weather};
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::bus::event::Event;
use crate::bus::outbox::Notice;
use crate::pool::dialing::DialError;
use crate::sim::host::Host;
use crate::sim::pipe::Weather;
use crate::sim::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Two hosts dial each other again and again, at almost the same time, in any weather, and sometimes hang up in between. When all is
/// quiet they have exactly one link, and it is the same at both ends.
///
/// # Errors
/// What went wrong.
pub fn crossing_dials(seed: u64) -> Result<Outcome, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut talk = Talk::default();
    let ids = [0, 1].map(|number| {
        let mut plan = plan(number, &mut rng);
        plan.settings.discovery_bootstrap = true;
        plan.settings.discovery_seeds = Vec::new();
        world.add(plan)
    });
    let [one, other] = ids;
    let ids = [one?, other?];
    for round in 0..4 {
        let mut has_dialed = false;
        for _ in 0..1 + rng.index(3) {
            let dialer = rng.index(2);
            // One that is refused at once has a dial already, or has not heard yet that the last link ended.
            has_dialed |= world.dial(ids[dialer], at(1 - dialer as u16), None, round).is_ok();
            world.run_for(Duration::from_micros(rng.below(400_000)))?;
        }
        world.run_for(Duration::from_secs(15))?;
        let links = ids.map(|id| world.host(id).map(Host::links).unwrap_or_default());
        let [here, there] = &links;
        if !has_dialed {
            continue;
        }
        if here.len() != 1 || there.len() != 1 {
            return Err(story(&world, format!("after round {round}: {here:?} and {there:?} instead of one link")));
        }
        talk.converse(&mut world, &mut rng, 2)?;
        let hangs_up = rng.index(2);
        world.disconnect(ids[hangs_up], links[hangs_up][0], CloseReason::Requested);
        world.run_for(Duration::from_micros(rng.below(400_000)))?;
    }
    Ok(outcome(&world, &talk))
}

/// A host dials another, hangs up on the Up and dials again on the Down, a hundred times, before or after its workers have heard of
/// either. A link that has ended is never in the way, and each dial that begins has one end.
///
/// # Errors
/// What went wrong.
pub fn redials(seed: u64) -> Result<Outcome, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let drawn = weather(&mut rng);
    let weather = Weather { latency: drawn.latency.within(Duration::from_millis(1)), jitter: Duration::ZERO, ..drawn };
    let mut world = World::new(seed, weather);
    let ids = [0, 1].map(|number| {
        let mut plan = plan(number, &mut rng);
        plan.settings.discovery_bootstrap = true;
        plan.settings.discovery_seeds = Vec::new();
        (plan.settings.accept_rate, plan.settings.accept_ip_burst) = (100_000, 10_000);
        world.add(plan)
    });
    let [one, other] = ids;
    let (one, _) = (one?, other?);
    let (mut open, mut over, mut ends) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut tag = 0;
    let end = world.now() + Duration::from_secs(300);
    while tag < 100 || ends.values().any(|ends| *ends == 0) {
        if world.now() >= end {
            return Err(story(&world, format!("after {tag} dials: ends {ends:?}, links {open:?}")));
        }
        if tag < 100 && open.is_empty() && ends.values().all(|ends| *ends > 0) {
            match world.dial(one, at(1), None, tag) {
                Err(DialError::Exists(_, link)) if over.contains(&link) => {
                    return Err(story(&world, format!("dial {tag}: {link} is in the way, and is down")));
                }
                // Maintenance dials at the moment: its link comes, too.
                Err(_) => {}
                Ok(_) => {
                    ends.insert(tag, 0);
                    tag += 1;
                }
            }
        }
        world.run_for(Duration::from_micros(1 + rng.below(100)))?;
        for event in world.take_events(one) {
            let ended = match event {
                Event::Up(up) => {
                    open.insert(up.link);
                    world.disconnect(one, up.link, CloseReason::Requested);
                    up.tag
                }
                Event::Down(down) => {
                    open.remove(&down.link);
                    over.insert(down.link);
                    None
                }
                Event::Notice(Notice::DialFailed { tag, .. }) => Some(tag),
                _ => None,
            };
            if let Some(tag) = ended {
                *ends.entry(tag).or_insert(0) += 1;
            }
        }
    }
    world.run_for(Duration::from_secs(1))?;
    if let Some((tag, ends)) = ends.iter().find(|(_, ends)| **ends != 1) {
        return Err(story(&world, format!("dial {tag} has ended {ends} times")));
    }
    Ok(outcome(&world, &Talk::default()))
}
