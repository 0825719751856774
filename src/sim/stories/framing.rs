//! The story of liars who want somebody honest to be kept out: they name honest identities and addresses in everything that they say, stand
//! between honest nodes and spoil what these say to each other, and say again what they have overheard. It looks whether anybody honest is
//! ever on anybody's list.

use super::chat::Talk;
use super::scene::{Failure, Outcome, address, at, outcome, plan, story, weather};
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::subject::Subject;
use crate::pool::lists::Culprit;
use crate::pool::slots::Slot;
use crate::reactor::net::{Net, Source};
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::rogue::Conduct;
use crate::sim::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

const HONEST: u16 = 15;
/// Hosts whose words are replaced, and one that floods.
const FRAMERS: u16 = 3;
/// The address of the first host that stands between others.
const BETWEEN: u16 = 30_000;
/// What is overheard of a stream: its first message and more.
const OVERHEARD: usize = 1_024;

/// What somebody between does to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoils {
    /// Changes a byte of the first message of either side.
    Openings,
    /// Changes a byte anywhere in the handshake, or in what is said on the link soon after it.
    Links,
    /// Changes nothing; but from somewhere on it lets through few bytes at a time, or nothing for a while.
    Pace,
}

impl Spoils {
    /// Within so many bytes of a direction.
    fn within(self) -> u64 {
        match self {
            Spoils::Openings => 96,
            Spoils::Links => 3_000,
            Spoils::Pace => 150_000,
        }
    }
}

/// What the liars did, and what came of it.
#[derive(Clone, Debug)]
pub struct Framed {
    /// Connections that went through somebody who stands between.
    pub relayed: usize,
    /// Directions in which a byte was changed, or bytes were held back.
    pub spoiled: usize,
    /// Links of honest nodes that ended for what did not come in time: a pong, a whole record, the rest of a message.
    pub timeouts: u64,
    /// First messages that were said again to others.
    pub replayed: usize,
    /// Entries about liars on lists of honest nodes at the end.
    pub rogues_listed: usize,
    pub outcome: Outcome,
}

/// Fifteen nodes form a network with three liars and a flooder that claims to listen where honest nodes do, and are told that each identity
/// is where somebody stands between.
///
/// # Errors
/// What went wrong; above all, somebody honest on a list.
pub fn framing(seed: u64, lasts: Duration, spoils: Spoils) -> Result<Framed, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    for number in 0..HONEST {
        let mut plan = plan(number, &mut rng);
        // So few links that most pairs have none, and a way through somebody between is of use.
        (plan.settings.pool_min, plan.settings.pool_expected, plan.settings.pool_outbound_target) = (4, 8, 5);
        world.add(plan)?;
    }
    let ids: Vec<PeerId> = (0..HONEST).filter_map(|number| world.peer(HostId(number))).collect();
    let mut between = Vec::new();
    for number in 0..HONEST {
        between.push(Between::new(&mut world, number, spoils)?);
    }
    let names = names(&ids, &mut rng);
    for number in 0..=FRAMERS {
        let mut plan = plan(HONEST + number, &mut rng);
        plan.conduct = if number < FRAMERS { Conduct::Framer { names: names.clone() } } else { Conduct::Flooder };
        // Not the first, which is everybody's seed: nobody may have itself as its only seed.
        let victim = 1 + rng.index(ids.len() - 1);
        plan.settings.listen_advertise = Some(Address::of(at(victim as u16), Some(ids[victim])));
        world.add(plan)?;
    }
    let honest = Honest { ids: ids.into_iter().collect(), ips: (0..HONEST).map(address).collect() };
    let (end, mut talk) = (world.now() + lasts, Talk::default());
    while world.now() < end {
        if rng.percent(2) {
            talk.say(&mut world, &mut rng);
            if spoils == Spoils::Pace {
                say_much(&mut world, &mut talk, &mut rng);
            }
        }
        world.run_for(Duration::from_millis(50))?;
        talk.listen(&mut world)?;
        for one in &mut between {
            one.pass_on(&mut world, &mut rng);
        }
        honest.is_unlisted(&world)?;
    }
    let sum = |of: fn(&Between) -> usize| between.iter().map(of).sum();
    let entries = |host: &Host| host.pool().lists().greylisted().count();
    Ok(Framed {
        relayed: sum(|one| one.relayed),
        spoiled: sum(|one| one.spoiled),
        replayed: sum(|one| one.replayed),
        timeouts: world.hosts().map(timeouts).sum(),
        rogues_listed: world.hosts().filter(|host| honest.ids.contains(&host.peer())).map(entries).sum(),
        outcome: outcome(&world, &talk),
    })
}

/// On the links that lead through somebody between, messages of several records are said: so that one is half there when it is held back.
fn say_much(world: &mut World, talk: &mut Talk, rng: &mut Rng) {
    let is_between =
        |slot: &&Slot| slot.is_open() && (BETWEEN..BETWEEN + HONEST).any(|number| address(number) == slot.remote.ip());
    let links_of = |host: &Host| {
        let links: Vec<_> = host.pool().slots().iter().filter(is_between).map(|slot| (host.id(), slot.link)).collect();
        links
    };
    let links: Vec<(HostId, LinkId)> = world.hosts().flat_map(links_of).collect();
    for (host, link) in links {
        talk.say_on(world, host, link, 70_000 + rng.index(50_000));
    }
}

fn timeouts(host: &Host) -> u64 {
    let is_such = |reason: &CloseReason| matches!(reason, CloseReason::PingTimeout | CloseReason::MessageTimeout);
    host.pool().ends().into_iter().filter(|(reason, _)| is_such(reason)).map(|(_, count)| count).sum()
}

/// Every honest identity where somebody stands between, at another's address, and where nobody is; every honest address under nobody's name.
fn names(ids: &[PeerId], rng: &mut Rng) -> Vec<Address> {
    let mut names = Vec::new();
    for (number, id) in (0..).zip(ids) {
        let mut nobody = [0; 32];
        rng.fill(&mut nobody);
        names.push(Address::of(at(BETWEEN + number), Some(*id)));
        names.push(Address::of(at((number + 1) % HONEST), Some(*id)));
        names.push(Address::of(at(BETWEEN + HONEST + number), Some(*id)));
        names.push(Address::of(at(number), Some(PeerId::from_bytes(nobody))));
    }
    names
}

struct Honest {
    ids: BTreeSet<PeerId>,
    ips: BTreeSet<IpAddr>,
}

impl Honest {
    /// Nobody honest is on a list of anybody honest.
    fn is_unlisted(&self, world: &World) -> Result<(), Failure> {
        for host in world.hosts().filter(|host| self.ids.contains(&host.peer())) {
            let lists = host.pool().lists();
            for (culprit, ..) in lists.greylisted() {
                let is_framed = match culprit {
                    Culprit::Peer(id) => self.ids.contains(&id),
                    Culprit::Host(ip) => self.ips.contains(&ip),
                };
                if is_framed {
                    let why = culprit_history(host, &culprit);
                    return Err(story(world, format!("{} has {culprit:?} on its greylist, who is honest: {why}", host.id())));
                }
            }
            for (subject, _) in lists.banned() {
                let is_framed = match subject {
                    Subject::Peer(id) => self.ids.contains(&id),
                    Subject::Net(net) => self.ips.iter().any(|ip| net.contains(ip)),
                };
                if is_framed {
                    return Err(story(world, format!("{} has banned {subject:?}, who is honest", host.id())));
                }
            }
        }
        Ok(())
    }
}

/// What a host remembers of the failures of somebody.
fn culprit_history(host: &Host, culprit: &Culprit) -> String {
    match culprit {
        Culprit::Peer(id) => format!("{:?}", host.pool().known().get(id).map(|peer| &peer.failures)),
        Culprit::Host(_) => String::new(),
    }
}

/// One direction of a stream that goes through somebody.
#[derive(Default)]
struct Way {
    waiting: Vec<u8>,
    /// Bytes that came in.
    passed: u64,
    /// How many bytes it lets through at a time, once it holds back.
    drip: Option<usize>,
}

/// Somebody who takes connections, passes on what is said to an honest node and back, and spoils it.
struct Between {
    id: HostId,
    /// Whom it pretends to be.
    target: u16,
    spoils: Spoils,
    links: u64,
    /// By link: the other link, what goes out there, and at which byte it is spoiled.
    pairs: BTreeMap<LinkId, (LinkId, Way, Option<u64>)>,
    relayed: usize,
    spoiled: usize,
    replayed: usize,
}

impl Between {
    fn new(world: &mut World, target: u16, spoils: Spoils) -> Result<Between, Failure> {
        let id = world.add_bare(address(BETWEEN + target));
        let listened = world.port(id).listen(0, at(BETWEEN + target));
        listened.map_err(|error| story(world, format!("nobody can stand between: {error}")))?;
        Ok(Between { id, target, spoils, links: 0, pairs: BTreeMap::new(), relayed: 0, spoiled: 0, replayed: 0 })
    }

    fn next_link(&mut self) -> LinkId {
        self.links += 1;
        LinkId::from_u64(self.links)
    }

    fn pass_on(&mut self, world: &mut World, rng: &mut Rng) {
        let mut ready = Vec::new();
        world.network().take_ready(self.id, &mut ready);
        if ready.iter().any(|event| matches!(event.source, Source::Listener(_))) {
            self.accept(world, rng);
        }
        let links: Vec<LinkId> = self.pairs.keys().copied().collect();
        for link in links {
            if !self.pump(world, link, rng) {
                self.hang_up(world, link);
            }
        }
    }

    /// Takes who came, and dials the other end for each.
    fn accept(&mut self, world: &mut World, rng: &mut Rng) {
        loop {
            let (here, there) = (self.next_link(), self.next_link());
            let mut port = world.port(self.id);
            if port.accept(0, here, &|_| true).is_err() {
                return;
            }
            if port.dial(there, at(self.target), None).is_err() {
                port.close(here);
                continue;
            }
            self.relayed += 1;
            let mut spoils_at = || Some(rng.below(self.spoils.within()));
            self.pairs.insert(here, (there, Way::default(), spoils_at()));
            self.pairs.insert(there, (here, Way::default(), spoils_at()));
        }
    }

    /// Moves bytes from a link to its other one. False if it is over.
    fn pump(&mut self, world: &mut World, link: LinkId, rng: &mut Rng) -> bool {
        let Some((other, mut way, mut spoils_at)) = self.pairs.remove(&link) else { return true };
        let mut port = world.port(self.id);
        let mut bytes = [0; 4_096];
        let is_open = loop {
            match port.read(link, &mut bytes) {
                Ok(0) => break false,
                Ok(count) => {
                    let mut piece = bytes[..count].to_vec();
                    if let Some(place) = spoils_at.and_then(|at| at.checked_sub(way.passed)).filter(|place| *place < count as u64)
                    {
                        match self.spoils {
                            Spoils::Pace => way.drip = Some(rng.index(400)),
                            Spoils::Openings | Spoils::Links => piece[place as usize] ^= 1,
                        }
                        spoils_at = None;
                        self.spoiled += 1;
                    }
                    let is_first = way.passed == 0;
                    way.passed += count as u64;
                    way.waiting.extend(&piece);
                    if is_first {
                        self.say_again(world, &bytes[..count.min(OVERHEARD)], rng);
                        port = world.port(self.id);
                    }
                }
                Err(error) => break matches!(error.kind(), ErrorKind::WouldBlock),
            }
        };
        let may_pass = match way.drip {
            // Now and then, two seconds apart on average.
            Some(_) if rng.below(40) > 0 => 0,
            Some(bytes) => bytes.min(way.waiting.len()),
            None => way.waiting.len(),
        };
        let written = match port.write(other, &way.waiting[..may_pass]) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => way.waiting.len(),
        };
        way.waiting.drain(..written);
        let is_over = !is_open && way.waiting.is_empty();
        self.pairs.insert(link, (other, way, spoils_at));
        !is_over
    }

    /// Says to somebody else what it has overheard.
    fn say_again(&mut self, world: &mut World, first: &[u8], rng: &mut Rng) {
        let (link, to) = (self.next_link(), at(rng.index(usize::from(HONEST)) as u16));
        // Written as soon as it is up: it is one way of a pair without another end.
        if world.port(self.id).dial(link, to, None).is_ok() {
            self.replayed += 1;
            self.pairs.insert(self.no_link(), (link, Way { waiting: first.to_vec(), ..Way::default() }, None));
        }
    }

    /// A name for a link that there is not.
    fn no_link(&self) -> LinkId {
        LinkId::from_u64((1 << 40) + self.links)
    }

    fn hang_up(&mut self, world: &mut World, link: LinkId) {
        let Some((other, ..)) = self.pairs.remove(&link) else { return };
        self.pairs.remove(&other);
        let mut port = world.port(self.id);
        port.close(link);
        port.close(other);
    }
}
