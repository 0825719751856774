//! Choice of whom to dial: for links, for the operator, to prove an address. It changes nothing; chance comes as an argument. Maintenance
//! asks it.

use super::book::Table;
use super::choose::draw;
use super::points::{Point, Proof};
use super::policy::Policy;
use super::slots::{Phase, Slot};
use super::table::Pool;
use crate::base::peer::PeerId;
use crate::base::point::Group;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What maintenance may dial.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// In the order to dial them, at most as many as asked for.
    pub now: Vec<SocketAddr>,
    /// When the next one that must wait may be dialed.
    pub next_at: Option<Time>,
}

/// What a point would be dialed for, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Link,
    /// To see whether it is true: its supposed peer is connected.
    Feeler,
}

/// Of more addresses than this a sample is drawn: a choice must not cost more in a large book.
const SAMPLE_MAX: usize = 256;
/// Addresses that are looked at for one feeler: some may belong to who is linked, or kept out.
const FEELER_DRAWS: usize = 16;
/// Addresses that must wait, of which the first usable one is looked for.
const WAITING_MAX: usize = 64;

impl Pool {
    /// Up to `count` addresses to dial for links: new and old ones by CometBFT's bias, from groups that we have the fewest links
    /// with; among equals those with better scores have the better chance. Of many, a sample is drawn, group by group, so that many addresses
    /// in few groups give no more chances. Not the operator's own, which are dialed by rules of their own.
    pub fn whom_to_dial(&self, now: Time, count: usize, rng: &mut Rng) -> Candidates {
        let connected = self.connected();
        let is_usable = |point: &Point| self.use_of(now, point, &connected) == Some(Use::Link);
        let is_ready = |point: &Point| is_usable(point) && self.dial_time(point) <= now;
        let waits = self.points.not_due(now).take(WAITING_MAX).find(|point| is_usable(point)).map(|point| self.dial_time(point));
        let is_few = self.points.due(now).nth(SAMPLE_MAX).is_none();
        if !is_few {
            // Whom a budget holds back is not waited for where there are so many others.
            let found = self.sample(now, rng, is_ready);
            return Candidates { now: self.spread(now, found, count, rng), next_at: waits };
        }
        let (found, held): (Vec<&Point>, Vec<&Point>) =
            self.points.due(now).filter(|point| is_usable(point)).partition(|point| is_ready(point));
        let next_at = held.into_iter().map(|point| self.dial_time(point)).chain(waits).min();
        Candidates { now: self.spread(now, found, count, rng), next_at }
    }

    /// As `whom_to_dial`, among some of the points: it looks at each.
    pub(super) fn candidates(&self, now: Time, count: usize, rng: &mut Rng, is_wanted: impl Fn(&Point) -> bool) -> Candidates {
        let connected = self.connected();
        // The lists are looked at for those alone that are wanted.
        let is_usable = |point: &&Point| is_wanted(point) && self.use_of(now, point, &connected) == Some(Use::Link);
        let (found, waiting): (Vec<&Point>, Vec<&Point>) =
            self.points.iter().filter(is_usable).partition(|point| self.dial_time(point) <= now);
        let next_at = waiting.into_iter().map(|point| self.dial_time(point)).min();
        Candidates { now: self.spread(now, found, count, rng), next_at }
    }

    /// Some of the usable addresses of each table, each by a draw of its own.
    fn sample(&self, now: Time, rng: &mut Rng, is_usable: impl Fn(&Point) -> bool) -> Vec<&Point> {
        let mut sample = BTreeSet::new();
        for table in [Table::New, Table::Proven, Table::Tried] {
            // One that is not found by many draws is not found by more.
            let draws = (0..SAMPLE_MAX / 3).map_while(|_| self.points.pick(now, table, rng, &is_usable));
            sample.extend(draws);
        }
        sample.into_iter().filter_map(|at| self.points.get(at)).collect()
    }

    /// Puts addresses in the order to dial them. A tried one is called for by the bias, or a new one; when there is none, one that a dial has
    /// proven at least, then of the other table. But no group gets one link more while another, of whatever table, has fewer.
    fn spread(&self, now: Time, found: Vec<&Point>, count: usize, rng: &mut Rng) -> Vec<SocketAddr> {
        let mut links = self.links_per_group();
        let mut of = |is_in: fn(&Point) -> bool| {
            let scored = found.iter().filter(|point| is_in(point)).map(|point| (point.at, self.score_of(now, point))).collect();
            Spread::new(scored, &links, &self.policy, rng)
        };
        let mut tried = of(Point::is_tried);
        let mut proven = of(|point| !point.is_tried() && point.proof == Proof::Dialed);
        let mut new = of(|point| !point.is_tried() && point.proof < Proof::Dialed);
        let new_percent = self.slots.counts().outbound.min(8) as u64 * 10 + 10;
        let mut chosen = Vec::new();
        while chosen.len() < count {
            let by_bias =
                if rng.percent(new_percent) { [&mut new, &mut proven, &mut tried] } else { [&mut tried, &mut proven, &mut new] };
            let spreads = by_bias.into_iter().filter_map(|spread| Some((spread.least(&links)?, spread)));
            // The first of those with the least.
            let Some(at) = spreads.min_by_key(|(least, _)| *least).and_then(|(_, spread)| spread.take()) else { break };
            *links.entry(self.policy.group(at.ip())).or_default() += 1;
            chosen.push(at);
        }
        chosen
    }

    /// The operator's own points that are due, persistent ones or seeds, in random order, with the identity that must answer.
    pub fn whom_of_own_to_dial(
        &self,
        now: Time,
        is_persistent: bool,
        rng: &mut Rng,
    ) -> (Vec<(SocketAddr, Option<PeerId>)>, Option<Time>) {
        let connected = self.connected();
        let is_idle = |point: &&Point| {
            let is_wanted = if is_persistent { point.is_persistent } else { point.is_seed };
            let is_there = point.known_peer().is_some_and(|peer| connected.contains(&peer));
            is_wanted && point.is_idle() && !is_there && self.may_dial(now, point)
        };
        let (due, waiting): (Vec<&Point>, Vec<&Point>) = self.points.fixed().filter(is_idle).partition(|p| p.next_dial <= now);
        let mut due: Vec<_> = due.into_iter().map(|point| (point.at, point.expected)).collect();
        rng.shuffle(&mut due);
        (due, waiting.into_iter().map(|point| point.next_dial).min())
    }

    /// An address whose supposed peer is connected, unproven or from before the peer moved, to be proven by a dial that refuses itself once
    /// the key is shown. First those that the peer itself claims, and those that have failed the least: lies must not keep the true ones
    /// waiting. What only others say is felt once while the peer is linked; then it is left to feelers at random times.
    pub fn whom_to_feel(&self, now: Time, rng: &mut Rng) -> Candidates {
        let connected = self.connected();
        let linked_since: BTreeMap<PeerId, Time> =
            self.slots.iter().filter(|slot| slot.is_link()).filter_map(|slot| Some((slot.peer?, slot.since))).collect();
        let has_had_its_turn = |point: &Point| {
            let since = point.peer.and_then(|peer| linked_since.get(&peer));
            point.proof == Proof::Heard && point.last_dialed.is_some_and(|last| since.is_none_or(|since| last >= *since))
        };
        let is_usable = |point: &&Point| {
            !point.is_fixed() && !has_had_its_turn(point) && self.use_of(now, point, &connected) == Some(Use::Feeler)
        };
        let claimed = connected.iter().flat_map(|peer| self.points.of_peer(peer)).filter(is_usable);
        let (mut due, waiting): (Vec<&Point>, Vec<&Point>) = claimed.partition(|point| self.dial_time(point) <= now);
        rng.shuffle(&mut due);
        let next_at = waiting.into_iter().map(|point| self.dial_time(point)).min();
        let best = due.into_iter().max_by_key(|point| (point.proof == Proof::Host, point.proof, Reverse(point.attempts)));
        Candidates { now: best.map(|point| point.at).into_iter().collect(), next_at }
    }

    /// An address to dial only to see whether it is true: one whose place in the tried table a newcomer wants, else a new one.
    pub fn whom_of_feeler(&self, now: Time, rng: &mut Rng) -> Option<SocketAddr> {
        let connected = self.connected();
        let is_free = |point: &Point| self.use_of(now, point, &connected).is_some() && self.dial_time(point) <= now;
        let is_usable = |at: &SocketAddr| self.points.get(*at).is_some_and(is_free);
        (0..FEELER_DRAWS).find_map(|_| self.points.feeler(now, rng).filter(is_usable))
    }

    /// What the point could be dialed for.
    fn use_of(&self, now: Time, point: &Point, connected: &BTreeSet<PeerId>) -> Option<Use> {
        if !point.is_idle() || !self.may_dial(now, point) {
            return None;
        }
        let is_connected = point.peer.is_some_and(|peer| connected.contains(&peer));
        match point.proof {
            Proof::Dialed if is_connected => self.may_have_moved(point).then_some(Use::Feeler),
            Proof::Heard | Proof::Host if is_connected => Some(Use::Feeler),
            _ => Some(Use::Link),
        }
    }

    /// Its peer has since come, or was found, at another host: somebody else may be here now. It is felt once while that link lasts.
    fn may_have_moved(&self, point: &Point) -> bool {
        let link = point.peer.and_then(|peer| self.slots.link_of(&peer)).and_then(|link| self.slots.get(link));
        link.is_some_and(|slot| {
            let is_by_it = slot.point == Some(point.at) || slot.remote.ip() == point.at.ip();
            !is_by_it && point.last_dialed < Some(slot.since)
        })
    }

    /// When a point may be dialed: after its wait, and when its host and its prefix have a dial left.
    pub(super) fn dial_time(&self, point: &Point) -> Time {
        point.next_dial.max(self.dial_budget_at(point.at.ip()).unwrap_or_default())
    }

    /// Outbound links and dials per group.
    fn links_per_group(&self) -> BTreeMap<Group, usize> {
        let mut links = BTreeMap::new();
        let is_outbound =
            |slot: &&Slot| slot.direction == Direction::Outbound && slot.phase != Phase::Arrived && !slot.is_feeler();
        for slot in self.slots.iter().filter(is_outbound) {
            *links.entry(self.policy.group(slot.remote.ip())).or_default() += 1;
        }
        links
    }
}

/// Addresses by group, given out from the group with the fewest links first.
struct Spread {
    /// The addresses of each group; the last one is taken first.
    groups: BTreeMap<Group, Vec<SocketAddr>>,
    /// Groups by links when they were queued, then by chance and the score of who comes first.
    queue: BTreeSet<(usize, u64, Group)>,
}

impl Spread {
    fn new(addresses: Vec<(SocketAddr, i32)>, links: &BTreeMap<Group, usize>, policy: &Policy, rng: &mut Rng) -> Spread {
        let mut chance = |score: i32| draw(score, [rng.next_u64(), rng.next_u64()]);
        let mut drawn: Vec<_> = addresses.into_iter().map(|(at, score)| (chance(score), at, score)).collect();
        drawn.sort_unstable_by(|one, other| other.cmp(one));
        let mut groups: BTreeMap<Group, Vec<SocketAddr>> = BTreeMap::new();
        let mut first: BTreeMap<Group, i32> = BTreeMap::new();
        for (_, at, score) in drawn {
            let group = policy.group(at.ip());
            groups.entry(group).or_default().push(at);
            first.insert(group, score);
        }
        let of = |group: &Group| links.get(group).copied().unwrap_or(0);
        // A group draws for one of its addresses only: many addresses in one group must not give it more chances.
        let queue = first.into_iter().map(|(group, score)| (of(&group), chance(score), group)).collect();
        Spread { groups, queue }
    }

    /// How many links lead to the group that is next, after it was put in order; `None` when all addresses are given out.
    fn least(&mut self, links: &BTreeMap<Group, usize>) -> Option<usize> {
        loop {
            let (queued, chance, group) = self.queue.pop_first()?;
            if self.groups.get(&group).is_none_or(Vec::is_empty) {
                continue;
            }
            let has = links.get(&group).copied().unwrap_or(0);
            self.queue.insert((has, chance, group));
            if has == queued {
                return Some(has);
            }
        }
    }

    /// An address of the group that is next.
    fn take(&mut self) -> Option<SocketAddr> {
        let (_, _, group) = self.queue.first()?;
        self.groups.get_mut(group)?.pop()
    }
}
