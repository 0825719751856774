//! Stories of networks whose nodes have roles: all want links with some of those who have a capability, and find them by what others say.

use super::chat::Talk;
use super::scene::{Failure, Outcome, await_formed, outcome, plan, story, weather};
use crate::base::quota::{Quota, RoleQuota};
use crate::base::rng::Rng;
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::world::World;
use crate::wire::hello::Capability;
use std::collections::BTreeSet;
use std::time::Duration;

const HOSTS: u16 = 30;
const ARCHIVES: usize = 6;
/// Links that each host is to have with archives.
const WANTED: usize = 2;

/// Thirty hosts form a network from one bootstrap node, six of them archives. The others have few places, so that links must go for
/// others. Each wants links with two archives, if it `wants_archives`; then it gets them, and after three archives
/// have died or gone dark it gets them again among those that are left. Gives what came out, and how many hosts had too few when the
/// network had been there for two minutes.
///
/// # Errors
/// What went wrong.
pub fn archives(seed: u64, wants_archives: bool) -> Result<(Outcome, usize), Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut talk = Talk::default();
    let mut numbers: Vec<u16> = (0..HOSTS).collect();
    rng.shuffle(&mut numbers);
    let archives: BTreeSet<HostId> = numbers.into_iter().take(ARCHIVES).map(HostId).collect();
    let places = if rng.percent(50) { 8 } else { 12 };
    for number in 0..HOSTS {
        let mut plan = plan(number, &mut rng);
        let settings = &mut plan.settings;
        if archives.contains(&HostId(number)) {
            plan.capabilities = vec![Capability { name: "archive".to_owned(), value: 1 }];
            settings.pool_max = 60;
        } else {
            (settings.pool_min, settings.pool_expected, settings.pool_max, settings.pool_outbound_target) = (3, 6, places, 4);
        }
        if wants_archives {
            settings.pool_roles = vec![RoleQuota { capability: "archive".to_owned(), quota: Quota::Count(WANTED as u32) }];
        }
        world.add(plan)?;
        world.run_for(Duration::from_millis(rng.below(300)))?;
    }
    await_formed(&mut world, Duration::from_secs(300))?;
    world.run_for(Duration::from_secs(120))?;
    let short = short_of(&world, &archives).len();
    if !wants_archives {
        return Ok((outcome(&world, &talk), short));
    }
    await_archives(&mut world, &archives, "at first")?;
    talk.converse(&mut world, &mut rng, 2)?;
    let mut left = archives;
    for number in 0..ARCHIVES / 2 {
        let Some(id) = left.pop_first() else { break };
        if number % 2 == 0 {
            world.crash(id)
        } else {
            world.go_dark(id)
        }
        talk.forget(id);
    }
    // A dark one is noticed by its silence: a ping after 30 s, without answer for 60 s.
    world.run_for(Duration::from_secs(100))?;
    await_archives(&mut world, &left, "with those that are left")?;
    await_formed(&mut world, Duration::from_secs(300))?;
    talk.converse(&mut world, &mut rng, 2)?;
    Ok((outcome(&world, &talk), short))
}

/// Living hosts with too few links with archives, and how many they have.
fn short_of(world: &World, archives: &BTreeSet<HostId>) -> Vec<(HostId, usize)> {
    let peers: Vec<_> = archives.iter().filter_map(|id| world.peer(*id)).collect();
    let count = |host: &Host| peers.iter().filter(|peer| host.link_with(peer).is_some()).count();
    world.hosts().map(|host| (host.id(), count(host))).filter(|(_, count)| *count < WANTED).collect()
}

fn await_archives(world: &mut World, archives: &BTreeSet<HostId>, when: &str) -> Result<(), Failure> {
    if world.run_while_not(Duration::from_secs(600), |world| short_of(world, archives).is_empty())? {
        return Ok(());
    }
    let short: Vec<String> = short_of(world, archives).into_iter().map(|(id, count)| format!("{id} has {count}")).collect();
    Err(story(world, format!("{when}, too few links with archives after ten minutes: {}", short.join(", "))))
}
