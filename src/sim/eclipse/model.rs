//! The model in which address books are compared: a day in an honest network, a day of flood, a restart, and then who is dialed. Nothing but
//! the choice of addresses is in it: no bytes, no handshakes, no routing. A book never learns from it who is honest.
//! `docs/simulation.md` says what it assumes, and why.

use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

/// Honest nodes, and the /16s that they are in (reliability reference, 3.6).
const HONEST: usize = 2_000;
const HONEST_GROUPS: u32 = 600;
/// Attackers' /16s begin here, far from the honest ones.
const HOSTILE_FROM: u32 = 80 << 8;
const HONEST_FROM: u32 = 40 << 8;
/// What happens in between happens at once.
pub const STEP: Duration = Duration::from_secs(600);
const STEPS_A_DAY: u64 = 144;
/// An honest node is up, and then down, for so long on average: half of the honest addresses answer at any time.
const STAYS: u64 = 12 * 6;
/// Honest nodes that dialed the node and stay while they are up. Each node of a network is dialed as often as it dials.
const HONEST_INBOUND: usize = 10;
/// Addresses that one honest peer tells in a step.
const TOLD: usize = 20;
/// Addresses that the node gets from its seed.
const SEEDED: usize = 100;
/// Links that the attackers keep to the node, at most; each from a group of its own (reliability reference, 3.6: 40 for 64 groups).
const HOSTILE_LINKS: usize = 40;
/// How long the attackers keep one of them before another of their addresses takes its place: as long as the slowest of the books takes to
/// find a link of use (CometBFT's, an hour), for they know the rules; a minute less would keep all of them out of its old table.
const HOSTILE_STAY: Duration = Duration::from_secs(3_600);
/// The attackers tell each of their addresses once, and again as long as they have not made so many tellings.
const TELLINGS_MIN: usize = 4_000;
/// With each of their addresses they tell one where nobody answers, of so many /16s that are nobody's: it costs them nothing, fills places,
/// and keeps those that are told of later out (the trash of Heilman and others, 2015).
const TRASH_FROM: u32 = 60 << 8;
const TRASH_GROUPS: u64 = 4_096;
/// Feelers in one step where there is one in two minutes (Bitcoin FEELER_INTERVAL).
pub const FEELERS: usize = 5;
/// Dials for links in one step, at most, and feelers of any kind.
const DIALS_A_STEP: usize = 60;
const FEELERS_MAX: usize = 64;
/// Dials after the restart, at most, and the time between two of them.
const DIALS_AT_START: usize = 1_000;
const DIAL_GAP: Duration = Duration::from_secs(5);

/// An address: the bits of an IPv4 one. All have the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub u32);

impl At {
    /// Its /16.
    pub fn group(self) -> u16 {
        (self.0 >> 16) as u16
    }

    pub fn socket(self) -> SocketAddr {
        SocketAddrV4::new(Ipv4Addr::from_bits(self.0), 9_732).into()
    }

    /// What `socket` gave.
    pub fn of(socket: SocketAddr) -> Option<At> {
        match socket {
            SocketAddr::V4(v4) => Some(At(v4.ip().to_bits())),
            SocketAddr::V6(_) => None,
        }
    }

    fn is_hostile(self) -> bool {
        u32::from(self.group()) >= HOSTILE_FROM
    }
}

/// What became of a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody answered.
    Missed,
    /// Somebody did, and that was all that was wanted.
    Felt,
    /// Somebody did, and the link stays.
    Linked,
}

/// A book of addresses, with the rules by which a node uses it. Every verb is told of; none finds out by itself.
pub trait Policy {
    /// Outbound links that it keeps.
    fn outbound_max(&self) -> usize;
    /// How long a link lasts before it counts as of use.
    fn useful_after(&self) -> Duration;
    /// The peer at `from` tells of an address.
    fn learn(&mut self, now: Time, at: At, from: At, rng: &mut Rng);
    /// Whom to dial for a link, beside those outbound links. `None`: nobody for now.
    fn outbound(&mut self, now: Time, links: &[At], rng: &mut Rng) -> Option<At>;
    /// Whom to dial only to see whether the address is true, after so many feelers in this step.
    fn feeler(&mut self, now: Time, made: usize, rng: &mut Rng) -> Option<At>;
    /// A dial has ended so. False: the policy forbade it, and there was none.
    fn tried(&mut self, now: Time, at: At, answer: Answer, rng: &mut Rng) -> bool;
    /// Somebody has linked to the node and says where it can be dialed. False: it was not let in.
    fn arrived(&mut self, now: Time, from: At, rng: &mut Rng) -> bool;
    /// A link has been of use until now.
    fn lasted(&mut self, now: Time, with: At, direction: Direction);
    /// A link is gone.
    fn parted(&mut self, now: Time, with: At, direction: Direction, rng: &mut Rng);
    /// The node stops, and starts with what outlives that. All links are gone.
    fn restart(&mut self, now: Time, rng: &mut Rng);
}

/// What the attackers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attack {
    /// /16s that they have addresses in.
    pub groups: u32,
    /// Addresses, spread evenly; somebody answers at each.
    pub addresses: u32,
}

/// Who the node was linked with after its restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub links: usize,
    pub hostile: usize,
}

impl Outcome {
    /// It has links, and all of them are the attackers'.
    pub fn is_eclipsed(self) -> bool {
        self.links > 0 && self.hostile == self.links
    }

    pub fn share(self) -> f64 {
        self.hostile as f64 / self.links.max(1) as f64
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    with: At,
    direction: Direction,
    since: Time,
}

struct Node {
    at: At,
    is_up: bool,
}

/// One trial.
struct Trial<'a, P> {
    policy: &'a mut P,
    rng: &'a mut Rng,
    now: Time,
    honest: Vec<Node>,
    hostile: Vec<At>,
    /// Who is told of next.
    next_told: usize,
    links: Vec<Link>,
}

/// Plays one trial: a day in peace, a day of `attack`, a restart.
pub fn play<P: Policy>(policy: &mut P, attack: Attack, rng: &mut Rng) -> Outcome {
    let mut trial = Trial::new(policy, attack, rng);
    trial.start();
    for _ in 0..STEPS_A_DAY {
        trial.step(0);
    }
    let tellings = (attack.addresses as usize).max(TELLINGS_MIN).div_ceil(STEPS_A_DAY as usize);
    for _ in 0..STEPS_A_DAY {
        trial.step(tellings);
    }
    trial.restart()
}

impl<'a, P: Policy> Trial<'a, P> {
    fn new(policy: &'a mut P, attack: Attack, rng: &'a mut Rng) -> Trial<'a, P> {
        let honest = (0..HONEST as u32).map(|number| {
            let group = HONEST_FROM + rng.below(HONEST_GROUPS.into()) as u32;
            Node { at: At(group << 16 | (256 + number)), is_up: rng.percent(50) }
        });
        let honest = honest.collect();
        let groups = attack.groups.max(1);
        let mut hostile: Vec<At> =
            (0..attack.addresses).map(|number| At((HOSTILE_FROM + number % groups) << 16 | (256 + number / groups))).collect();
        rng.shuffle(&mut hostile);
        Trial { policy, rng, now: Time::ZERO + STEP, honest, hostile, next_told: 0, links: Vec::new() }
    }

    fn start(&mut self) {
        let seed = self.honest[0].at;
        self.honest[0].is_up = true;
        for _ in 0..SEEDED {
            self.tell_honest(seed);
        }
    }

    fn step(&mut self, tellings: usize) {
        self.churn();
        self.arrive();
        if tellings > 0 {
            self.press();
        }
        if let Some(teller) = self.random_link(|link| !link.with.is_hostile()) {
            for _ in 0..TOLD {
                self.tell_honest(teller);
            }
        }
        for _ in 0..tellings {
            let Some(teller) = self.random_link(|link| link.with.is_hostile()) else { break };
            for at in [self.next_hostile(), self.trash()] {
                self.policy.learn(self.now, at, teller, self.rng);
            }
        }
        for _ in 0..DIALS_A_STEP {
            if !self.dial() {
                break;
            }
        }
        for made in 0..FEELERS_MAX {
            let Some(at) = self.policy.feeler(self.now, made, self.rng) else { break };
            let answer = if self.answers(at) { Answer::Felt } else { Answer::Missed };
            self.policy.tried(self.now, at, answer, self.rng);
        }
        self.now = self.now + STEP;
        self.note_useful();
    }

    /// The node stops for a step, comes back and dials until it has its links.
    fn restart(&mut self) -> Outcome {
        self.links.clear();
        self.policy.restart(self.now, self.rng);
        self.churn();
        self.now = self.now + STEP;
        for _ in 0..DIALS_AT_START {
            if !self.dial() {
                break;
            }
            self.now = self.now + DIAL_GAP;
        }
        Outcome { links: self.links.len(), hostile: self.links.iter().filter(|link| link.with.is_hostile()).count() }
    }

    /// Some honest nodes go down and others come up; links with those that went end.
    fn churn(&mut self) {
        for _ in 0..HONEST as u64 / STAYS {
            let number = self.rng.index(HONEST);
            let node = &mut self.honest[number];
            node.is_up = !node.is_up;
            if !node.is_up {
                let at = node.at;
                self.part(at);
            }
        }
    }

    fn part(&mut self, with: At) {
        let Some(place) = self.links.iter().position(|link| link.with == with) else { return };
        let link = self.links.swap_remove(place);
        self.policy.parted(self.now, link.with, link.direction, self.rng);
    }

    /// Honest nodes dial the node as others of its kind are dialed.
    fn arrive(&mut self) {
        let inbound = self.links.iter().filter(|link| link.direction == Direction::Inbound && !link.with.is_hostile()).count();
        if inbound < HONEST_INBOUND && self.rng.below(6) == 0 {
            let number = self.rng.index(HONEST);
            if self.honest[number].is_up {
                self.link_inbound(self.honest[number].at);
            }
        }
    }

    /// The attackers keep their links to the node, and after an hour another of their addresses takes the place of each.
    fn press(&mut self) {
        let is_pressing = |link: &&Link| link.direction == Direction::Inbound && link.with.is_hostile();
        let over: Vec<At> = self
            .links
            .iter()
            .filter(is_pressing)
            .filter(|link| link.since + HOSTILE_STAY <= self.now)
            .map(|link| link.with)
            .collect();
        for with in over {
            self.part(with);
        }
        let mut taken: Vec<u16> = self.links.iter().filter(is_pressing).map(|link| link.with.group()).collect();
        for _ in 0..2 * HOSTILE_LINKS {
            if taken.len() >= HOSTILE_LINKS {
                break;
            }
            let at = self.hostile[self.rng.index(self.hostile.len())];
            if !taken.contains(&at.group()) {
                self.link_inbound(at);
                taken.push(at.group());
            }
        }
    }

    fn link_inbound(&mut self, with: At) {
        let is_linked = self.links.iter().any(|link| link.with == with);
        if !is_linked && self.policy.arrived(self.now, with, self.rng) {
            self.links.push(Link { with, direction: Direction::Inbound, since: self.now });
        }
    }

    fn random_link(&mut self, is_wanted: impl Fn(&Link) -> bool) -> Option<At> {
        let count = self.links.iter().filter(|link| is_wanted(link)).count();
        let chosen = self.rng.index(count);
        self.links.iter().filter(|link| is_wanted(link)).nth(chosen).map(|link| link.with)
    }

    fn tell_honest(&mut self, teller: At) {
        let at = self.honest[self.rng.index(HONEST)].at;
        self.policy.learn(self.now, at, teller, self.rng);
    }

    fn next_hostile(&mut self) -> At {
        let at = self.hostile[self.next_told];
        self.next_told = (self.next_told + 1) % self.hostile.len();
        at
    }

    fn trash(&mut self) -> At {
        let group = TRASH_FROM + self.rng.below(TRASH_GROUPS) as u32;
        At(group << 16 | self.rng.below(1 << 16) as u32)
    }

    /// One dial for a link; false if none is wanted or possible.
    fn dial(&mut self) -> bool {
        let outbound = self.links.iter().filter(|link| link.direction == Direction::Outbound);
        let linked: Vec<At> = outbound.map(|link| link.with).collect();
        if linked.len() >= self.policy.outbound_max() {
            return false;
        }
        let Some(at) = self.policy.outbound(self.now, &linked, self.rng) else { return false };
        let is_linked = self.links.iter().any(|link| link.with == at);
        let answer = match (self.answers(at), is_linked) {
            (false, _) => Answer::Missed,
            (true, true) => Answer::Felt,
            (true, false) => Answer::Linked,
        };
        if self.policy.tried(self.now, at, answer, self.rng) && answer == Answer::Linked {
            self.links.push(Link { with: at, direction: Direction::Outbound, since: self.now });
        }
        true
    }

    fn answers(&self, at: At) -> bool {
        // The low half of an honest address is its number; see `new`.
        at.is_hostile()
            || self.honest.get((at.0 as u16).wrapping_sub(256) as usize).is_some_and(|node| node.at == at && node.is_up)
    }

    /// Tells of links that have just become of use, and of them again each hour.
    fn note_useful(&mut self) {
        let after = self.policy.useful_after();
        for link in &self.links {
            let age = self.now.since(link.since);
            if age >= after && (age - after).as_secs().is_multiple_of(3_600) {
                self.policy.lasted(self.now, link.with, link.direction);
            }
        }
    }
}

const _: () = assert!(HONEST_FROM + HONEST_GROUPS <= TRASH_FROM && TRASH_FROM + TRASH_GROUPS as u32 <= HOSTILE_FROM);

/// A hash that an attacker cannot foresee, for the books' places. In a model any good mixing does: its attackers do not try to break it
/// (splitmix64's finalizer over each part).
pub fn hash(key: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(key, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}
