//! What stories are made of: hosts with plans, the weather of a seed, the moment when a network has formed, and what came out. Stories alone
//! use it; it plays none.

use super::chat::Talk;
use crate::base::address::Address;
use crate::base::channel::{Channel, ChannelId};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::sim::checks::Violation;
use crate::sim::host::{Host, Plan, StartError};
use crate::sim::pipe::{Latency, Weather};
use crate::sim::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The channel that the stories speak on.
pub(super) const CHAT: ChannelId = ChannelId(0x10);
pub(super) const PORT: u16 = 9_732;

/// What came out of a story that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Everything that happened, folded: equal for equal seeds.
    pub trace: u128,
    pub events: u64,
    /// Virtual time that the story took.
    pub took: Duration,
    /// Messages that were sent and arrived.
    pub messages: u64,
}

/// What went wrong in a story.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    #[error(transparent)]
    Rule(#[from] Violation),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{at}: {what}")]
    Story { at: Time, what: String },
}

pub(super) fn story(world: &World, what: String) -> Failure {
    Failure::Story { at: world.now(), what }
}

/// The address of the host with that number: each in a group of its own.
pub(super) fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [50 + high, low, 7, 1].into()
}

pub(super) fn at(number: u16) -> SocketAddr {
    SocketAddr::new(address(number), PORT)
}

/// The weather of a seed: every property is drawn by itself, so that rare combinations come up.
pub(super) fn weather(rng: &mut Rng) -> Weather {
    let mut weather = Weather::rough();
    let mut one_of = |choices: [u64; 3]| choices[rng.index(3)];
    let (min, max) = (Duration::from_micros(one_of([50, 1_000, 5_000])), Duration::from_millis(one_of([5, 100, 300])));
    weather.latency = Latency::Uniform { min, max };
    weather.jitter = Duration::from_millis(one_of([0, 1, 50]));
    weather.rate = one_of([0, 1 << 20, 8 << 20]);
    weather.buffer_bytes = one_of([8 << 10, 64 << 10, 1 << 20]) as usize;
    weather.segment_bytes = one_of([500, 1_460, 65_536]) as usize;
    weather
}

/// A host of a small network; all but the first know only the first, which is the bootstrap node. Some hosts share out a rate.
pub(super) fn plan(number: u16, rng: &mut Rng) -> Plan {
    let mut plan = Plan::new(address(number));
    // As little credit as there may be, so that it is used up and given back all the time.
    plan.channels = vec![Channel { receive_queue_bytes: 64 * 1_024, ..Channel::new(CHAT.0, "chat") }];
    if rng.percent(30) {
        (plan.settings.bandwidth_down, plan.settings.bandwidth_up) = (200_000, 200_000);
    }
    if rng.percent(20) {
        plan.settings.bandwidth_peer_down = 50_000;
    }
    let settings = &mut plan.settings;
    (settings.pool_min, settings.pool_expected, settings.pool_max, settings.pool_outbound_target) = (6, 10, 20, 5);
    if number == 0 {
        settings.discovery_bootstrap = true;
    } else {
        settings.discovery_seeds = vec![Address::of(at(0), None)];
    }
    plan
}

/// True if every living host has as many links as it wants at least, and each can reach each over them.
fn has_formed(world: &World) -> bool {
    let wants = |host: &Host, others: usize| (host.settings().bounds().min_threshold as usize).min(others);
    let others = world.hosts().count().saturating_sub(1);
    world.hosts().all(|host| host.links().len() >= wants(host, others)) && islands(world).len() <= 1
}

/// The hosts that can reach each other, group by group.
fn islands(world: &World) -> Vec<Vec<u16>> {
    let peers: BTreeMap<_, _> = world.hosts().map(|host| (host.peer(), host)).collect();
    let mut left: BTreeSet<_> = peers.keys().copied().collect();
    let mut islands = Vec::new();
    while let Some(first) = left.pop_first() {
        let (mut island, mut rest) = (Vec::new(), vec![first]);
        while let Some(host) = rest.pop().and_then(|peer| peers.get(&peer)) {
            island.push(host.id().number());
            rest.extend(host.pool().peers(Time::ZERO).into_iter().map(|info| info.id).filter(|peer| left.remove(peer)));
        }
        island.sort_unstable();
        islands.push(island);
    }
    islands
}

fn links(world: &World) -> Vec<usize> {
    world.hosts().map(|host| host.links().len()).collect()
}

pub(super) fn await_formed(world: &mut World, longest: Duration) -> Result<(), Failure> {
    if world.run_while_not(longest, has_formed)? {
        return Ok(());
    }
    Err(story(world, format!("no network after {longest:?}: links {:?}, islands {:?}", links(world), islands(world))))
}

pub(super) fn outcome(world: &World, talk: &Talk) -> Outcome {
    let (trace, events) = (world.trace().hash(), world.trace().events());
    Outcome { trace, events, took: world.now().since(Time::ZERO), messages: talk.messages }
}
