//! Whole stories that every seed must survive: a network forms from one bootstrap node and heals, crossing dials end in one link, bad
//! neighbours harm nobody else. Each makes its world from a seed, plays, and says what came out; the rules of `checks.rs` hold
//! throughout. Tests run them over many seeds.

use super::checks::Violation;
use super::host::{Host, Plan, StartError};
use super::net::HostId;
use super::pipe::{Weather, nanos};
use super::world::World;
use crate::base::address::Address;
use crate::base::channel::{Channel, ChannelId};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::event::Event;
use crate::bus::outbox::Notice;
use crate::pool::dialing::DialError;
use crate::reactor::net::Net;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The channel that the stories speak on.
const CHAT: ChannelId = ChannelId(0x10);
const PORT: u16 = 9_732;

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
fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [50 + high, low, 7, 1].into()
}

fn at(number: u16) -> SocketAddr {
    SocketAddr::new(address(number), PORT)
}

/// The weather of a seed: every property is drawn by itself, so that rare combinations come up.
pub(super) fn weather(rng: &mut Rng) -> Weather {
    let mut weather = Weather::rough();
    let mut one_of = |choices: [u64; 3]| choices[rng.index(3)];
    weather.latency_min = Duration::from_micros(one_of([50, 1_000, 5_000]));
    weather.latency_max = Duration::from_millis(one_of([5, 100, 300]));
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

/// Everybody talks to everybody, and each message is looked for at the other end: none lost, none twice, none out of order.
#[derive(Debug, Default)]
pub(super) struct Talk {
    sent: BTreeMap<(HostId, LinkId), u64>,
    /// What was received: by the receiver's name of the link, which messages in their order.
    heard: BTreeMap<(HostId, LinkId), u64>,
    messages: u64,
}

impl Talk {
    /// Every host says something on every link, in messages of many sizes.
    fn say(&mut self, world: &mut World, rng: &mut Rng) {
        let links: Vec<(HostId, LinkId)> =
            world.hosts().flat_map(|host| host.links().into_iter().map(|link| (host.id(), link))).collect();
        for (host, link) in links {
            let size = if rng.percent(2) { rng.index(60_000) } else { rng.index(300) };
            self.say_on(world, host, link, size);
        }
    }

    /// A host says something of that size on one link.
    fn say_on(&mut self, world: &mut World, host: HostId, link: LinkId, size: usize) {
        let number = self.sent.entry((host, link)).or_default();
        let mut message = number.to_be_bytes().to_vec();
        message.resize(8 + size, *number as u8);
        // A full queue or a link that has just ended takes nothing, and then nothing is expected.
        if world.send(host, link, CHAT, &message).is_ok() {
            *number += 1;
        }
    }

    /// Takes what has arrived everywhere.
    fn listen(&mut self, world: &mut World) -> Result<(), Failure> {
        let hosts: Vec<HostId> = world.hosts().map(Host::id).collect();
        for host in hosts {
            for event in world.take_events(host) {
                let Event::Message(message) = event else { continue };
                let expected = self.heard.entry((host, message.link)).or_default();
                let number = message.body.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
                let is_whole = message.body.iter().skip(8).all(|byte| *byte == *expected as u8);
                if number != Some(*expected) || !is_whole {
                    let link = message.link;
                    return Err(story(world, format!("{host}, {link}: message {number:?} came instead of {expected}")));
                }
                *expected += 1;
                self.messages += 1;
            }
        }
        Ok(())
    }

    /// A host lost its memory: when it comes back, its links are numbered from the beginning.
    pub fn forget(&mut self, id: HostId) {
        self.sent.retain(|(host, _), _| *host != id);
        self.heard.retain(|(host, _), _| *host != id);
    }

    /// Messages that a host has heard.
    fn heard_by(&self, id: HostId) -> u64 {
        self.heard.iter().filter(|((host, _), _)| *host == id).map(|(_, count)| count).sum()
    }

    /// How many messages were sent on links that are open at both ends and have not arrived.
    fn missing(&self, world: &World) -> u64 {
        let mut missing = 0;
        for host in world.hosts() {
            for link in host.links() {
                let Some(other) = host.pool().slots().get(link).and_then(|slot| slot.peer) else { continue };
                let Some(other) = world.hosts().find(|candidate| candidate.peer() == other) else { continue };
                let Some(back) = other.link_with(&host.peer()) else { continue };
                let heard = self.heard.get(&(other.id(), back)).copied().unwrap_or(0);
                missing += self.sent.get(&(host.id(), link)).copied().unwrap_or(0).saturating_sub(heard);
            }
        }
        missing
    }

    /// Talks for a while, then waits until everything has arrived.
    pub fn converse(&mut self, world: &mut World, rng: &mut Rng, rounds: u32) -> Result<(), Failure> {
        for _ in 0..rounds {
            self.say(world, rng);
            world.run_for(Duration::from_millis(1 + rng.below(400)))?;
            self.listen(world)?;
        }
        for _ in 0..60 {
            if self.missing(world) == 0 {
                return Ok(());
            }
            world.run_for(Duration::from_secs(1))?;
            self.listen(world)?;
        }
        Err(story(world, format!("{} messages have not arrived after a minute", self.missing(world))))
    }
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
    let weather = Weather { latency_max: Duration::from_millis(1), jitter: Duration::ZERO, ..weather(&mut rng) };
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
