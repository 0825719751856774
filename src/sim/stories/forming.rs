//! Stories of networks that form from one bootstrap node, lose hosts and ways, and heal.

use super::chat::Talk;
use super::scene::{Failure, Outcome, await_formed, outcome, plan, story, weather};
use crate::base::rng::Rng;
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::pipe::nanos;
use crate::sim::world::World;
use std::time::Duration;

/// So many hosts, all knowing only the bootstrap node, form a network, talk, lose a third (half of these crash, half go dark, nobody
/// says goodbye), form again and talk again. In half of the seeds the bootstrap node is among the lost. In the others the lost ones come
/// back, knowing only the bootstrap node again, and find their places.
///
/// # Errors
/// What went wrong.
pub fn form_and_heal(seed: u64, hosts: u16) -> Result<Outcome, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut talk = Talk::default();
    for number in 0..hosts {
        world.add(plan(number, &mut rng))?;
        world.run_for(Duration::from_millis(rng.below(300)))?;
    }
    await_formed(&mut world, Duration::from_secs(300))?;
    talk.converse(&mut world, &mut rng, 10)?;
    let loses_bootstrap = rng.percent(50);
    let mut lost: Vec<HostId> = world.hosts().map(Host::id).skip(1).collect();
    rng.shuffle(&mut lost);
    lost.truncate(usize::from(hosts) / 3);
    if let Some(first) = lost.first_mut().filter(|_| loses_bootstrap) {
        *first = HostId(0);
    }
    // They die in the middle of what they say, so that the end comes right behind the last bytes.
    talk.say(&mut world, &mut rng);
    world.run_for(Duration::from_micros(rng.below(300)))?;
    for id in &lost {
        if rng.percent(50) {
            world.crash(*id)
        } else {
            world.go_dark(*id)
        }
        talk.forget(*id);
    }
    // Dark ones are noticed by their silence: a ping after 30 s, without answer for 60 s.
    world.run_for(Duration::from_secs(100))?;
    await_formed(&mut world, Duration::from_secs(300))?;
    talk.converse(&mut world, &mut rng, 10)?;
    if !loses_bootstrap {
        for id in lost {
            world.start(id)?;
            world.run_for(Duration::from_millis(rng.below(300)))?;
        }
        await_formed(&mut world, Duration::from_secs(300))?;
        talk.converse(&mut world, &mut rng, 3)?;
    }
    Ok(outcome(&world, &talk))
}

/// A network is cut in two for so long, while everybody talks, and joined again. A cut that is shorter than anybody's patience loses
/// nothing: every message arrives in the end, and nobody is to blame.
///
/// # Errors
/// What went wrong.
pub fn part_and_join(seed: u64, hosts: u16, longest: Duration) -> Result<Outcome, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut talk = Talk::default();
    for number in 0..hosts {
        world.add(plan(number, &mut rng))?;
    }
    await_formed(&mut world, Duration::from_secs(300))?;
    talk.converse(&mut world, &mut rng, 3)?;
    let mut ids: Vec<HostId> = world.hosts().map(Host::id).collect();
    rng.shuffle(&mut ids);
    let (here, there) = ids.split_at(ids.len() / 2);
    let ways: Vec<(HostId, HostId)> = here.iter().flat_map(|one| there.iter().map(|other| (*one, *other))).collect();
    ways.iter().for_each(|(one, other)| world.part(*one, *other));
    let joins_at = world.now() + longest / 4 + Duration::from_nanos(rng.below(nanos(longest) * 3 / 4));
    while world.now() < joins_at {
        talk.say(&mut world, &mut rng);
        world.run_for(Duration::from_millis(200 + rng.below(800)))?;
        talk.listen(&mut world)?;
    }
    ways.iter().for_each(|(one, other)| world.join(*one, *other));
    await_formed(&mut world, Duration::from_secs(600))?;
    talk.converse(&mut world, &mut rng, 3)?;
    Ok(outcome(&world, &talk))
}

/// Two hosts leave a third: one stops in order, with messages queued, and everything that it said arrives before its goodbye; the other's
/// program dies right behind its last words, and that is noticed at once.
///
/// # Errors
/// What went wrong.
pub fn partings(seed: u64) -> Result<Outcome, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut talk = Talk::default();
    for number in 0..3 {
        world.add(plan(number, &mut rng))?;
    }
    await_formed(&mut world, Duration::from_secs(300))?;
    let (stays, stops, dies) = (HostId(0), HostId(1), HostId(2));
    let link_to_stayer = |world: &World, id| {
        let stayer = world.peer(stays)?;
        world.host(id)?.link_with(&stayer)
    };
    let (Some(from_stops), Some(from_dies)) = (link_to_stayer(&world, stops), link_to_stayer(&world, dies)) else {
        return Err(story(&world, "three hosts that have formed have links".to_owned()));
    };
    let said = 1 + rng.below(20);
    for _ in 0..said {
        // Together less than the smallest buffer, so that the slowest way carries it within the drain.
        talk.say_on(&mut world, stops, from_stops, rng.index(300));
    }
    world.stop(stops, Duration::from_secs(3));
    talk.say_on(&mut world, dies, from_dies, rng.index(300));
    world.run_for(Duration::from_micros(rng.below(150)))?;
    world.crash(dies);
    world.run_for(Duration::from_secs(5))?;
    if !world.host(stops).is_some_and(Host::has_ended) {
        return Err(story(&world, "a stop with 3 s to drain is not over after 5 s".to_owned()));
    }
    talk.listen(&mut world)?;
    let Some(stayer) = world.host(stays) else { return Err(story(&world, "the host that stays is gone".to_owned())) };
    if !stayer.links().is_empty() {
        return Err(story(&world, format!("links with who has gone: {:?}", stayer.links())));
    }
    let heard = talk.heard_by(stays);
    if heard < said {
        return Err(story(&world, format!("{heard} of {said} messages arrived from who stopped in order")));
    }
    Ok(outcome(&world, &talk))
}
