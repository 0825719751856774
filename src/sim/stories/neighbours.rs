//! The story of hosts that misbehave among others that do not.

use super::chat::Talk;
use super::scene::{Failure, Outcome, address, at, await_formed, outcome, plan, story, weather};
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::reactor::net::Net;
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::world::World;
use std::collections::BTreeSet;
use std::time::Duration;

/// Eight hosts talk while others misbehave: one sends garbage, one connects and says nothing; of the eight, one stands still as a program,
/// one does not take its messages, and one has no descriptor to spare for those who come. The rest notice nothing.
///
/// # Errors
/// What went wrong.
pub fn bad_neighbours(seed: u64) -> Result<Outcome, Failure> {
    const HOSTS: u16 = 8;
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut talk = Talk::default();
    for number in 0..HOSTS {
        world.add(plan(number, &mut rng))?;
    }
    await_formed(&mut world, Duration::from_secs(300))?;
    let (frozen, deaf) = (HostId(HOSTS - 1), HostId(HOSTS - 2));
    let good: Vec<HostId> = (0..HOSTS - 2).map(HostId).collect();
    let before = links_among(&world, &good);
    let mut noise = [Neighbour::new(&mut world, 100, true), Neighbour::new(&mut world, 101, false)];
    let sockets = world.network().sockets(good[0]) + 1;
    world.network().set_sockets_max(good[0], sockets);
    world.freeze(frozen);
    world.set_taking(deaf, false);
    let thaws_at = rng.index(100);
    for round in 0..100 {
        // It may sleep longer than its peers wait for it; then they let go of it, and nobody is to blame.
        if round == thaws_at {
            world.thaw(frozen);
        }
        for neighbour in &mut noise {
            neighbour.annoy(&mut world, &mut rng, HOSTS - 2);
        }
        talk.say(&mut world, &mut rng);
        world.run_for(Duration::from_millis(500 + rng.below(1_000)))?;
        talk.listen(&mut world)?;
    }
    let after = links_among(&world, &good);
    if world.host(good[0]).is_none_or(|host| host.stats().accept_no_files == 0) {
        return Err(story(&world, "the shortage of descriptors never came".to_owned()));
    }
    if !before.is_subset(&after) {
        return Err(story(&world, format!("links among the good were lost: {:?}", &before - &after)));
    }
    world.set_taking(deaf, true);
    world.run_for(Duration::from_secs(60))?;
    talk.listen(&mut world)?;
    talk.converse(&mut world, &mut rng, 3)?;
    Ok(outcome(&world, &talk))
}

/// The links that some hosts have with each other.
fn links_among(world: &World, ids: &[HostId]) -> BTreeSet<(HostId, LinkId)> {
    let peers: BTreeSet<_> = ids.iter().filter_map(|id| world.peer(*id)).collect();
    let hosts = ids.iter().filter_map(|id| world.host(*id));
    let links_of = |host: &Host| {
        let among = host.pool().peers(Time::ZERO).into_iter().filter(|info| peers.contains(&info.id));
        among.map(|info| (host.id(), info.link)).collect::<Vec<_>>()
    };
    hosts.flat_map(links_of).collect()
}

/// Somebody who connects and follows no protocol.
struct Neighbour {
    id: HostId,
    links: u64,
    sends_garbage: bool,
}

impl Neighbour {
    fn new(world: &mut World, number: u16, sends_garbage: bool) -> Neighbour {
        Neighbour { id: world.add_bare(address(number)), links: 0, sends_garbage }
    }

    /// Connects to somebody, writes on everything it has, and now and then lets go.
    fn annoy(&mut self, world: &mut World, rng: &mut Rng, hosts: u16) {
        let mut port = world.port(self.id);
        self.links += 1;
        // It may be out of luck: a refused dial annoys nobody.
        let _ = port.dial(LinkId::from_u64(self.links), at(rng.index(usize::from(hosts)) as u16), None);
        for link in (1..=self.links).rev().take(20).map(LinkId::from_u64) {
            let mut garbage = vec![0; rng.index(2_000)];
            rng.fill(&mut garbage);
            if self.sends_garbage {
                let _ = port.write(link, &garbage);
            }
            if rng.percent(5) {
                port.close(link);
            }
        }
    }
}
