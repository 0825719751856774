//! Choice of whom to dial: for links, for the operator, to prove an address. It changes nothing; chance comes as an argument. Maintenance
//! asks it.

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
    /// For a link; proven or not yet.
    Old,
    New,
    /// To see whether it is true: its supposed peer is connected.
    Feeler,
}

impl Pool {
    /// Up to `count` addresses to dial for links: new and old ones by CometBFT's bias, from groups that we have the fewest links
    /// with; among equals those with better scores have the better chance. Not the operator's own, which are dialed by rules of their own.
    pub fn whom_to_dial(&self, now: Time, count: usize, rng: &mut Rng) -> Candidates {
        self.candidates(now, count, rng, |point| !point.is_fixed())
    }

    /// As `whom_to_dial`, among some of the points.
    pub(super) fn candidates(&self, now: Time, count: usize, rng: &mut Rng, is_wanted: impl Fn(&Point) -> bool) -> Candidates {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let mut candidates = Candidates::default();
        let connected = self.connected();
        for point in self.points.iter().filter(|point| is_wanted(point)) {
            let Some(kind) = self.use_of(now, point, &connected).filter(|kind| *kind != Use::Feeler) else { continue };
            let at = self.dial_time(point);
            if at > now {
                candidates.next_at = Some(candidates.next_at.map_or(at, |next| next.min(at)));
            } else if kind == Use::Old {
                old.push((point.at, self.score_of(now, point)));
            } else {
                new.push((point.at, self.score_of(now, point)));
            }
        }
        let outbound = self.slots.counts().outbound as u64;
        let new_percent = outbound.min(8) * 10 + 10;
        let mut links = self.links_per_group();
        let (mut old, mut new) = (Spread::new(old, &links, &self.policy, rng), Spread::new(new, &links, &self.policy, rng));
        while candidates.now.len() < count {
            let picked = if rng.percent(new_percent) {
                new.take(&links).or_else(|| old.take(&links))
            } else {
                old.take(&links).or_else(|| new.take(&links))
            };
            let Some(at) = picked else { break };
            *links.entry(self.policy.group(at.ip())).or_default() += 1;
            candidates.now.push(at);
        }
        candidates
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
            let is_there = [point.expected, point.peer].into_iter().flatten().any(|peer| connected.contains(&peer));
            is_wanted && point.is_idle() && !is_there && self.may_dial(now, point)
        };
        let (due, waiting): (Vec<&Point>, Vec<&Point>) = self.points.fixed().filter(is_idle).partition(|p| p.next_dial <= now);
        let mut due: Vec<_> = due.into_iter().map(|point| (point.at, point.expected)).collect();
        rng.shuffle(&mut due);
        (due, waiting.into_iter().map(|point| point.next_dial).min())
    }

    /// An unproven address whose supposed peer is connected, to be proven by a dial that refuses itself once the key is shown.
    /// First those that the peer itself claims.
    pub fn whom_to_feel(&self, now: Time, rng: &mut Rng) -> Candidates {
        let connected = self.connected();
        let mut candidates = Candidates::default();
        let mut due: Vec<(Proof, SocketAddr)> = Vec::new();
        for point in self.points.iter().filter(|point| !point.is_fixed()) {
            if self.use_of(now, point, &connected) != Some(Use::Feeler) {
                continue;
            }
            let at = self.dial_time(point);
            if at > now {
                candidates.next_at = Some(candidates.next_at.map_or(at, |next| next.min(at)));
            } else {
                due.push((point.proof, point.at));
            }
        }
        rng.shuffle(&mut due);
        candidates.now = due.iter().max_by_key(|(proof, _)| *proof).map(|(_, at)| *at).into_iter().collect();
        candidates
    }

    /// What the point could be dialed for.
    fn use_of(&self, now: Time, point: &Point, connected: &BTreeSet<PeerId>) -> Option<Use> {
        if !point.is_idle() || !self.may_dial(now, point) {
            return None;
        }
        let is_connected = point.peer.is_some_and(|peer| connected.contains(&peer));
        match point.proof {
            Proof::Dialed if is_connected => None,
            Proof::Dialed => Some(Use::Old),
            Proof::Heard | Proof::Host if is_connected => Some(Use::Feeler),
            Proof::Heard | Proof::Host => Some(Use::New),
        }
    }

    /// When a point may be dialed: after its backoff, and never so often that others could aim us at it.
    fn dial_time(&self, point: &Point) -> Time {
        let period_over = point.last_dialed.map_or(Time::ZERO, |last| last + self.policy.dial_point_period);
        point.next_dial.max(period_over).max(self.dial_budget_at(point.at.ip()).unwrap_or_default())
    }

    /// Outbound links and dials per group.
    fn links_per_group(&self) -> BTreeMap<Group, usize> {
        let mut links = BTreeMap::new();
        let is_outbound = |slot: &&Slot| slot.direction == Direction::Outbound && slot.phase != Phase::Arrived;
        for slot in self.slots.iter().filter(is_outbound) {
            *links.entry(self.policy.group(slot.remote.ip())).or_default() += 1;
        }
        links
    }

    /// An address that nobody has proven and no link leads to, to see whether it is true. For dials that nothing but curiosity causes.
    pub fn whom_of_feeler(&self, now: Time, rng: &mut Rng) -> Option<SocketAddr> {
        let connected = self.connected();
        let is_new = |point: &&Point| !point.is_fixed() && self.use_of(now, point, &connected) == Some(Use::New);
        let due: Vec<SocketAddr> =
            self.points.iter().filter(is_new).filter(|point| self.dial_time(point) <= now).map(|point| point.at).collect();
        due.get(rng.index(due.len())).copied()
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

    fn take(&mut self, links: &BTreeMap<Group, usize>) -> Option<SocketAddr> {
        loop {
            let (queued, chance, group) = self.queue.pop_first()?;
            let has = links.get(&group).copied().unwrap_or(0);
            if has > queued {
                self.queue.insert((has, chance, group));
                continue;
            }
            let Some(at) = self.groups.get_mut(&group).and_then(Vec::pop) else { continue };
            self.queue.insert((has, chance, group));
            return Some(at);
        }
    }
}
