//! Choice: whom to dial, whom to drop, whose address to share. It changes nothing but an asker's sticky draw; chance comes as an
//! argument. Maintenance, exchange and the pool's own refusals ask it.

use super::lists::Standing;
use super::peers::Selection;
use super::points::{Point, Proof, State};
use super::slots::{Phase, Slot};
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::Group;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::pex::PexAddress;
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
        let (mut old, mut new) = (Spread::new(old, &links, rng), Spread::new(new, &links, rng));
        while candidates.now.len() < count {
            let picked = if rng.percent(new_percent) {
                new.take(&links).or_else(|| old.take(&links))
            } else {
                old.take(&links).or_else(|| new.take(&links))
            };
            let Some(at) = picked else { break };
            *links.entry(Group::of(at.ip())).or_default() += 1;
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

    /// Up to `count` open links to drop: the lowest scores first, at random among equals (Tezos), of the unprotected. As many outbound ones
    /// as we want to keep stay, and those that a quota needs.
    pub fn whom_to_drop(&self, now: Time, count: usize, direction: Option<Direction>, rng: &mut Rng) -> Vec<LinkId> {
        let counts = self.slots.counts();
        let mut outbound = counts.outbound.saturating_sub(self.policy.bounds.outbound_target as usize);
        let mut roles = self.spare(counts.links().saturating_sub(count));
        let mut links = self.droppable(now, direction, rng);
        links.retain(|slot| {
            let is_outbound = slot.direction == Direction::Outbound;
            let may_go = (!is_outbound || outbound > 0) && roles.take(slot.hello.as_deref());
            outbound -= usize::from(may_go && is_outbound);
            may_go
        });
        links.into_iter().take(count).map(|slot| slot.link).collect()
    }

    /// Open links in the order in which they may be dropped: first those that were dialed in vain for a role, then by score, at random
    /// among equals. Not those of trusted and persistent peers.
    pub(super) fn droppable(&self, now: Time, direction: Option<Direction>, rng: &mut Rng) -> Vec<&Slot> {
        let is_persistent = |slot: &Slot| slot.point.and_then(|at| self.points.get(at)).is_some_and(|point| point.is_persistent);
        let is_protected = |slot: &Slot| slot.peer.is_some_and(|peer| self.is_protected(now, slot.remote.ip(), &peer));
        let is_of = |slot: &Slot| direction.is_none_or(|wanted| wanted == slot.direction);
        let may_go = |slot: &&Slot| slot.is_open() && is_of(slot) && !is_protected(slot) && !is_persistent(slot);
        let mut links: Vec<&Slot> = self.slots.iter().filter(may_go).collect();
        rng.shuffle(&mut links);
        let score = |slot: &Slot| slot.peer.map_or(0, |peer| self.scores.value(now, &peer));
        links.sort_by_cached_key(|slot| (!self.is_disappointing(slot), score(slot)));
        links
    }

    /// Addresses to share with `asker`: only such as we dialed, or whose peer came from that host itself; never those of private
    /// peers, of the asker, or of who is kept out. The draw is the same for a day, except that in a short book whoever joined since is
    /// told in any case. Peers with better scores have the better chance.
    pub fn whom_to_advertise(&mut self, now: Time, asker: &PeerId, rng: &mut Rng) -> Vec<PexAddress> {
        let selection = self.selection_of(now, asker, rng);
        let is_private = |peer: &PeerId| self.peers.get(peer).is_some_and(|known| known.is_private);
        let is_linked = |point: &Point| point.peer.is_some_and(|peer| self.peers.get(&peer).is_some_and(|known| known.links > 0));
        let may_share = |point: &&Point| {
            point.proof > Proof::Heard
                && point.peer.as_ref() != Some(asker)
                && !point.peer.as_ref().is_some_and(is_private)
                && point.attempts < self.policy.unhealthy_after
                && (is_linked(point) || now.since(point.last_seen.unwrap_or(point.last_heard)) <= self.policy.shared_for)
                && !matches!(point.state, State::Bad { .. })
                && self.may_dial(now, point)
        };
        let mut shared: Vec<&Point> = self.points.iter().filter(may_share).collect();
        let size = self.policy.answer_size(shared.len());
        let is_short = shared.len() < self.policy.points_short;
        let is_newcomer = |point: &Point| is_short && point.proven_since.is_some_and(|since| since >= selection.since);
        let order = |point: &&Point| (!is_newcomer(point), self.rank(now, selection.seed, point), point.at);
        let newcomers = shared.iter().filter(|point| is_newcomer(point)).count();
        let count = size.max(newcomers).min(self.policy.pex_addresses_max).min(shared.len());
        // Only the first ones are put in order: a peer may ask ten times a second, of a book of thousands.
        if (1..shared.len()).contains(&count) {
            shared.select_nth_unstable_by_key(count, order);
        }
        shared.truncate(count);
        shared.sort_by_key(order);
        // Rumours end here: what others said of a peer is not passed on.
        let said = |point: &Point| if point.is_own_word { point.capabilities.clone() } else { Vec::new() };
        let entry = |point: &Point| PexAddress { address: point.address(), capabilities: said(point) };
        shared.into_iter().map(entry).collect()
    }

    /// A point's place in a draw that is the same for the same seed, as long as its peer's score stays good, or bad.
    fn rank(&self, now: Time, seed: u64, point: &Point) -> u64 {
        draw(self.score_of(now, point), [seed, !seed].map(|seed| rank(seed, point.at)))
    }

    /// The score of the peer that is supposed to be at a point.
    fn score_of(&self, now: Time, point: &Point) -> i32 {
        point.peer.map_or(0, |peer| self.scores.value(now, &peer))
    }

    /// The asker's draw; a new one when the old one has served its time. A stranger's is not kept.
    fn selection_of(&mut self, now: Time, asker: &PeerId, rng: &mut Rng) -> Selection {
        let fresh = Selection { seed: rng.next_u64(), since: now };
        let kept = self.policy.selection_kept;
        let Some(peer) = self.peers.get_mut(asker) else { return fresh };
        match peer.selection {
            Some(old) if now.since(old.since) < kept => old,
            _ => *peer.selection.insert(fresh),
        }
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

    fn may_dial(&self, now: Time, point: &Point) -> bool {
        let standing = self.lists.standing(now, Some(point.at.ip()), point.peer.as_ref());
        matches!(standing, Standing::Ordinary | Standing::Trusted)
    }

    /// When a point may be dialed: after its backoff, and never so often that others could aim us at it.
    fn dial_time(&self, point: &Point) -> Time {
        let period_over = point.last_dialed.map_or(Time::ZERO, |last| last + self.policy.dial_point_period);
        point.next_dial.max(period_over)
    }

    /// Peers with a link, or whose key has been shown on a dial of ours.
    pub(super) fn connected(&self) -> BTreeSet<PeerId> {
        self.slots.iter().filter(|slot| slot.doomed.is_none()).filter_map(|slot| slot.peer).collect()
    }

    /// Outbound links and dials per group.
    fn links_per_group(&self) -> BTreeMap<Group, usize> {
        let mut links = BTreeMap::new();
        let is_outbound = |slot: &&Slot| slot.direction == Direction::Outbound && slot.phase != Phase::Arrived;
        for slot in self.slots.iter().filter(is_outbound) {
            *links.entry(Group::of(slot.remote.ip())).or_default() += 1;
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
    fn new(addresses: Vec<(SocketAddr, i32)>, links: &BTreeMap<Group, usize>, rng: &mut Rng) -> Spread {
        let mut chance = |score: i32| draw(score, [rng.next_u64(), rng.next_u64()]);
        let mut drawn: Vec<_> = addresses.into_iter().map(|(at, score)| (chance(score), at, score)).collect();
        drawn.sort_unstable_by(|one, other| other.cmp(one));
        let mut groups: BTreeMap<Group, Vec<SocketAddr>> = BTreeMap::new();
        let mut first: BTreeMap<Group, i32> = BTreeMap::new();
        for (_, at, score) in drawn {
            let group = Group::of(at.ip());
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

/// Lots are drawn, the lowest comes first: a good score counts the better of two, a bad one the worse, so that both matter and neither
/// decides.
fn draw(score: i32, [one, other]: [u64; 2]) -> u64 {
    match score.signum() {
        1 => one.min(other),
        -1 => one.max(other),
        _ => one,
    }
}

/// A number that looks random but is the same for the same seed and address (splitmix64's mixing, byte by byte).
fn rank(seed: u64, at: SocketAddr) -> u64 {
    let mix = |state: u64, value: u64| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let bits = match at.ip() {
        std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    };
    let state = mix(mix(seed, bits as u64), (bits >> 64) as u64);
    mix(state, u64::from(at.port()))
}
