//! Stories of the exchange of addresses: the scenarios of Tendermint's ReactorV2 tests, played by whole nodes. Tests alone call them.

use super::chat::Talk;
use super::graph::Graph;
use super::scene::{Failure, Outcome, at, outcome, plan, story, weather};
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::bus::command::Command;
use crate::bus::event::Event;
use crate::sim::host::{Host, Plan};
use crate::sim::net::HostId;
use crate::sim::rogue::Conduct;
use crate::sim::world::World;
use crate::wire::pex::PexMessage;
use bytes::Bytes;
use std::time::Duration;

/// How long all may take to get to know the others: where places are few it is left to feelers, one in two minutes.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// How a network begins in which the exchange is to make everybody known to everybody.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// Nodes, each of which knows the next one alone, in a ring.
    pub ring: u16,
    /// Nodes that come later, one in ten seconds, and know the first one alone.
    pub later: u16,
    /// Most links of a node.
    pub places: u32,
    /// How many others each is to know at least.
    pub known: u16,
}

/// What the exchange has done.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// How long it took after the last node had come until everybody knew as many others as it was to.
    pub known_after: Duration,
    /// The fewest and the most links of a node then.
    pub links: [usize; 2],
    pub outcome: Outcome,
}

/// Everybody gets to know the others by exchange, and gets its links.
///
/// # Errors
/// What went wrong.
pub fn get_to_know(seed: u64, Beginning { ring, later, places, known }: Beginning) -> Result<Known, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let nodes = ring + later;
    for number in 0..nodes {
        let mut plan = plan(number, &mut rng);
        let settings = &mut plan.settings;
        (settings.pool_min, settings.pool_expected, settings.pool_max) = (2, places - 2, places);
        settings.pool_outbound_target = (places / 2).min(5);
        settings.discovery_bootstrap = false;
        let knows = if number < ring { (number + 1) % ring } else { 0 };
        settings.discovery_seeds = vec![Address::of(at(knows), None)];
        world.add(plan)?;
        world.run_for(Duration::from_secs(if number < ring { 0 } else { 10 }))?;
    }
    let begins = world.now();
    let count = |host: &Host| {
        let is_known = |number: &u16| HostId(*number) != host.id() && host.pool().points().get(at(*number)).is_some();
        (0..nodes).filter(is_known).count()
    };
    if !world.run_while_not(LONGEST, |world| world.hosts().all(|host| count(host) >= usize::from(known)))? {
        let known: Vec<usize> = world.hosts().map(count).collect();
        return Err(story(&world, format!("after {LONGEST:?} of exchange so many others are known: {known:?}")));
    }
    let known_after = world.now().since(begins);
    world.run_for(Duration::from_secs(120))?;
    let wants = |host: &Host| (host.settings().bounds().min_threshold as usize).min(usize::from(nodes) - 1);
    if let Some(host) = world.hosts().find(|host| host.links().len() < wants(host)) {
        return Err(story(&world, format!("{} knows others and has {} links", host.id(), host.links().len())));
    }
    if Graph::of(&world, |_| true, |_, _| true).diameter().is_none() {
        return Err(story(&world, "all know others, and the network is in pieces".to_owned()));
    }
    let links = || world.hosts().map(|host| host.links().len());
    let links = [links().min().unwrap_or(0), links().max().unwrap_or(0)];
    Ok(Known { known_after, links, outcome: outcome(&world, &Talk::default()) })
}

/// How an asker or answerer can break the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Two requests within 100 ms.
    Haste,
    /// An answer that nobody asked for, of either version.
    Unasked,
    UnaskedV2,
    /// One address more than an answer may have.
    TooMany,
    /// A message of an unknown type.
    Unknown,
}

/// A node breaks a rule of the exchange on a link with an honest one. Gives why the honest one closed the link, and how many it has on its
/// greylist then.
///
/// # Errors
/// What went wrong; that nothing was closed, too.
pub fn breach(seed: u64, how: Breach) -> Result<(CloseReason, usize), Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let (honest, rogue) = (world.add(plan(0, &mut rng))?, plan(1, &mut rng));
    // It says nothing by itself but this, and its own view of others does not count.
    let rogue = world.add(Plan { conduct: Conduct::Eclipser { addresses: Vec::new() }, ..rogue })?;
    let bodies = match how {
        Breach::Haste => vec![PexMessage::RequestV2.encode(); 2],
        Breach::Unasked => vec![PexMessage::Response(Vec::new()).encode()],
        Breach::UnaskedV2 => vec![PexMessage::ResponseV2(Vec::new()).encode()],
        // Field 4 of the envelope, a v2 answer, with 101 empty addresses: counted before anything else is looked at.
        Breach::TooMany => vec![[&[0x22, 202, 1][..], &[0x0a, 0].repeat(101)].concat()],
        // Field 15 of the envelope, empty: nobody has defined it.
        Breach::Unknown => vec![vec![0x7a, 0]],
    };
    if !bodies.is_empty() {
        let is_linked =
            |world: &World| [honest, rogue].iter().all(|id| world.host(*id).is_some_and(|host| host.links().len() == 1));
        world.run_while_not(Duration::from_secs(120), is_linked)?;
    }
    for body in bodies {
        let Some(link) = world.host(rogue).and_then(|host| host.links().first().copied()) else {
            return Err(story(&world, "the hosts have no link".to_owned()));
        };
        say(&mut world, rogue, link, body.into());
        world.run_for(Duration::from_millis(1))?;
    }
    for _ in 0..1_000 {
        world.run_for(Duration::from_millis(100))?;
        let ends = world.take_events(honest).into_iter();
        let reason = ends.filter_map(|event| if let Event::Down(down) = event { Some(down.reason) } else { None }).next();
        if let Some(reason) = reason {
            let listed = world.host(honest).map_or(0, |host| host.pool().lists().greylisted_count());
            return Ok((reason, listed));
        }
    }
    Err(story(&world, format!("{how:?} has closed nothing")))
}

fn say(world: &mut World, id: HostId, link: LinkId, body: Bytes) {
    world.order(id, Command::Say { link, channel: ChannelId::PEX, kind: Kind::Message, request: 0, body });
}
