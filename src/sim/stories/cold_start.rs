//! The story of a network that starts cold: nobody knows anybody but one bootstrap node. It says how fast the nodes find their links, and
//! what the network is like then.

use super::chat::Talk;
use super::graph::{Graph, gini};
use super::scene::{Failure, Outcome, PORT, address, outcome};
use crate::base::address::Address;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::sim::host::{Host, Plan};
use crate::sim::pipe::{Weather, nanos};
use crate::sim::world::World;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// All nodes start within this time.
const STARTS_WITHIN: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// The groups that share half of the nodes of a skewed world.
const CROWDED_GROUPS: u16 = 10;

/// Where the nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Each in a group of its own.
    Even,
    /// Every second one is in one of ten groups.
    Skewed,
}

impl Spread {
    fn address(self, number: u16) -> IpAddr {
        let [high, low] = number.to_be_bytes();
        match self {
            Spread::Skewed if !number.is_multiple_of(2) => [40, (number / 2 % CROWDED_GROUPS) as u8, high, low].into(),
            _ => address(number),
        }
    }
}

/// What a network is like after a cold start.
#[derive(Clone, Debug)]
pub struct Formed {
    pub nodes: usize,
    /// Of a hundred nodes, how many had as many links as their `min_target`, and from which second on.
    pub at_target: Vec<(u64, f64)>,
    /// From this second on 99 of a hundred had them.
    pub formed_after: Option<u64>,
    /// The most steps between any two nodes; none if it is in pieces.
    pub diameter: Option<usize>,
    /// How unevenly inbound links are shared out.
    pub inbound_gini: f64,
    /// The fewest, the middle and the most inbound links of a node.
    pub inbound: [usize; 3],
    /// Links of all nodes, each counted once.
    pub links: usize,
    pub outcome: Outcome,
}

/// So many nodes with default settings start within ten seconds; all know the bootstrap node alone. Then they are left alone.
///
/// # Errors
/// What went wrong.
pub fn cold_start(seed: u64, nodes: u16, spread: Spread, lasts: Duration) -> Result<Formed, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, Weather::internet());
    let first = Address::of(SocketAddr::new(spread.address(0), PORT), None);
    let mut starts: Vec<Duration> = (1..nodes).map(|_| Duration::from_nanos(rng.below(nanos(STARTS_WITHIN)))).collect();
    starts.sort_unstable();
    let mut plan = Plan::new(spread.address(0));
    plan.settings.discovery_bootstrap = true;
    world.add(plan)?;
    for (number, start) in (1..nodes).zip(starts) {
        world.run_until(Time::ZERO + start)?;
        let mut plan = Plan::new(spread.address(number));
        plan.settings.discovery_seeds = vec![first.clone()];
        world.add(plan)?;
    }
    let mut at_target: Vec<(u64, f64)> = Vec::new();
    world.run_until(Time::ZERO + STARTS_WITHIN)?;
    while world.now() < Time::ZERO + lasts {
        world.run_for(LOOK)?;
        let share = share_at_target(&world, nodes);
        if at_target.last().is_none_or(|(_, before)| *before != share) {
            at_target.push((world.now().since(Time::ZERO).as_secs(), share));
        }
    }
    let graph = Graph::of(&world, |_| true, |_, _| true);
    let mut inbound = graph.inbound.clone();
    inbound.sort_unstable();
    let late = at_target.iter().rposition(|(_, share)| *share < 99.0);
    Ok(Formed {
        nodes: graph.hosts.len(),
        formed_after: at_target.get(late.map_or(0, |late| late + 1)).map(|(after, _)| *after),
        at_target,
        diameter: graph.diameter(),
        inbound_gini: gini(&inbound),
        inbound: [inbound[0], inbound[inbound.len() / 2], inbound[inbound.len() - 1]],
        links: graph.neighbours.iter().map(Vec::len).sum::<usize>() / 2,
        outcome: outcome(&world, &Talk::default()),
    })
}

/// Of a hundred nodes, how many have as many links as their `min_target`, or as there are others.
fn share_at_target(world: &World, nodes: u16) -> f64 {
    let wants = |host: &Host| (host.settings().bounds().min_target as usize).min(usize::from(nodes) - 1);
    let count = world.hosts().filter(|host| host.links().len() >= wants(host)).count();
    100.0 * count as f64 / f64::from(nodes)
}
