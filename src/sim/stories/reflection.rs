//! The story of nodes that are told of somebody who has nothing to do with them, so that they dial him: how much of it does he see? Liars
//! name him in answers to each question for addresses, in nacks, and as the place where they themselves listen.

use super::chat::Talk;
use super::scene::{Failure, Outcome, address, outcome, plan, story, weather};
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::reactor::net::{Net, Source};
use crate::sim::host::{Host, Plan};
use crate::sim::net::HostId;
use crate::sim::rogue::Conduct;
use crate::sim::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The ports of the victim that nodes are told of.
const PORTS: u16 = 1_000;
/// The victim's place among the hosts' addresses.
const VICTIM: u16 = 40_000;
const MINUTE: Duration = Duration::from_secs(60);

/// What the victim has seen.
#[derive(Clone, Debug)]
pub struct Reflected {
    pub nodes: usize,
    pub liars: usize,
    /// Nodes that have dialed the victim at all.
    pub led_astray: usize,
    pub connections: usize,
    /// The most that came in one minute from all together.
    pub per_minute: usize,
    /// The shortest time between two from one node.
    pub closest: Option<Duration>,
    /// The most ports of the victim that one node has dialed.
    pub ports_per_node: usize,
    /// The most addresses of the victim in one node's book.
    pub known_per_node: usize,
    /// Honest nodes with fewer links than their lower threshold at the end.
    pub short: usize,
    pub outcome: Outcome,
}

/// Nodes form a network with liars among them, which tell of a victim with a thousand ports whenever they are asked, turn others away with
/// the same, and claim to listen there. The victim takes each connection, and hangs up or is silent, as the seed has it.
///
/// # Errors
/// What went wrong.
pub fn reflection(seed: u64, nodes: u16, liars: u16, lasts: Duration) -> Result<Reflected, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    let mut victim = Victim::new(&mut world, rng.percent(50))?;
    for number in 0..nodes {
        world.add(plan(number, &mut rng))?;
        if number < liars {
            let plan = liar(nodes + number, victim.ip, &mut rng);
            world.add(plan)?;
        }
    }
    let end = world.now() + lasts;
    while world.now() < end {
        world.run_for(Duration::from_millis(100))?;
        victim.answer(&mut world);
    }
    let honest: BTreeSet<IpAddr> = (0..nodes).map(address).collect();
    victim.seen.retain(|ip, _| honest.contains(ip));
    let is_honest = |host: &&Host| host.listening().iter().any(|at| honest.contains(&at.ip()));
    let known = |host: &Host| host.pool().points().iter().filter(|point| point.at.ip() == victim.ip).count();
    let is_short = |host: &&Host| host.links().len() < host.settings().bounds().min_threshold as usize;
    Ok(Reflected {
        nodes: usize::from(nodes),
        liars: usize::from(liars),
        known_per_node: world.hosts().filter(is_honest).map(known).max().unwrap_or(0),
        short: world.hosts().filter(is_honest).filter(is_short).count(),
        outcome: outcome(&world, &Talk::default()),
        ..victim.figures()
    })
}

/// A host that means harm to the victim. Half of them have few places, so that they turn others away.
fn liar(number: u16, victim: IpAddr, rng: &mut Rng) -> Plan {
    let mut plan = plan(number, rng);
    plan.conduct = Conduct::Eclipser { addresses: (1..=PORTS).map(|port| SocketAddr::new(victim, port)).collect() };
    let settings = &mut plan.settings;
    if rng.percent(50) {
        (settings.pool_min, settings.pool_expected, settings.pool_max, settings.pool_outbound_target) = (1, 2, 4, 2);
    }
    if rng.percent(50) {
        let port = 1 + rng.below(u64::from(PORTS)) as u16;
        settings.listen_advertise = Some(Address::of(SocketAddr::new(victim, port), None));
    }
    plan
}

/// A host that speaks no protocol and takes whatever comes.
struct Victim {
    id: HostId,
    ip: IpAddr,
    hangs_up: bool,
    links: u64,
    /// By who came: when, and to which port.
    seen: BTreeMap<IpAddr, Vec<(Time, u16)>>,
}

impl Victim {
    fn new(world: &mut World, hangs_up: bool) -> Result<Victim, Failure> {
        let ip = address(VICTIM);
        let id = world.add_bare(ip);
        for port in 1..=PORTS {
            let listened = world.port(id).listen(u32::from(port), SocketAddr::new(ip, port));
            listened.map_err(|error| story(world, format!("the victim does not listen at {port}: {error}")))?;
        }
        Ok(Victim { id, ip, hangs_up, links: 0, seen: BTreeMap::new() })
    }

    fn answer(&mut self, world: &mut World) {
        if !world.network().has_ready(self.id) {
            return;
        }
        let (now, mut ready) = (world.now(), Vec::new());
        world.network().take_ready(self.id, &mut ready);
        let mut port = world.port(self.id);
        for event in ready {
            match event.source {
                Source::Listener(listener) => {
                    while let Ok(Some(from)) = port.accept(listener, LinkId::from_u64(self.links), &|_| true) {
                        self.seen.entry(from.ip()).or_default().push((now, listener as u16));
                        if self.hangs_up {
                            port.close(LinkId::from_u64(self.links));
                        }
                        self.links += 1;
                    }
                }
                Source::Link(link) if event.is_ended => port.close(link),
                Source::Link(_) => {}
            }
        }
    }

    fn figures(&self) -> Reflected {
        let ports = |visits: &Vec<(Time, u16)>| visits.iter().map(|(_, port)| port).collect::<BTreeSet<_>>().len();
        let gaps = self.seen.values().flat_map(|visits| visits.windows(2).map(|two| two[1].0.since(two[0].0)));
        let mut all: Vec<Time> = self.seen.values().flatten().map(|(at, _)| *at).collect();
        all.sort_unstable();
        let in_minute = |first: usize| all[first..].iter().take_while(|at| at.since(all[first]) < MINUTE).count();
        Reflected {
            nodes: 0,
            liars: 0,
            led_astray: self.seen.len(),
            connections: all.len(),
            per_minute: (0..all.len()).map(in_minute).max().unwrap_or(0),
            closest: gaps.min(),
            ports_per_node: self.seen.values().map(ports).max().unwrap_or(0),
            known_per_node: 0,
            short: 0,
            outcome: Outcome { trace: 0, events: 0, took: Duration::ZERO, messages: 0 },
        }
    }
}
