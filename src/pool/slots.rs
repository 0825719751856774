//! Places: every connection of the node has one from before its first packet until its `Closed`. Each place that is not open has a
//! deadline, so that nothing can be lost in it. Few hundred entries; counts are taken by looking, so that none can drift, and once after
//! each change.

use super::duplicate::Rival;
use super::policy::Policy;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::{Prefix, is_global};
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::Hello;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How far a link has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// We are dialing; who answers is not known yet.
    Dialing,
    /// Somebody connected to us; who it is is not proven yet.
    Arrived,
    /// Our dial: the peer has shown its key and we go on.
    Recognised,
    /// The peer is authenticated and we have admitted it.
    Admitted,
    /// Both sides have admitted it.
    Open,
}

/// Why a dial was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Maintenance wants another link.
    Wanted,
    /// Maintenance wants a link with somebody who has a capability.
    Role,
    /// The point is persistent.
    Persistent,
    /// It was a long outbound link before the restart.
    Anchor,
    /// To be asked for addresses.
    Seed,
    /// To be asked for addresses by a seed node, and let go.
    Crawl,
    /// Only to see whether an address is true: who answers is let go as soon as the key is shown.
    Feeler,
    /// The application or the operator asked. `tag` names the wish in notices; a caller that waits for the end needs none.
    Asked { tag: Option<u64> },
}

impl Purpose {
    /// The operator or the application wants this very address; whatever others say of it does not keep it waiting.
    pub fn is_operators(self) -> bool {
        matches!(self, Purpose::Persistent | Purpose::Seed | Purpose::Asked { .. })
    }

    /// A dial of maintenance's own for a link, which a round that was asked for waits for.
    pub fn is_of_round(self) -> bool {
        matches!(self, Purpose::Wanted | Purpose::Role | Purpose::Seed | Purpose::Anchor)
    }
}

/// How a peer may be of use: each way keeps some places at the limit, which the other does not earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The application has said so.
    Verdict,
    /// It has sent messages, or answered a question of ours.
    Messages,
}

impl Use {
    pub const ALL: [Use; 2] = [Use::Verdict, Use::Messages];
}

/// One place.
#[derive(Clone, Debug)]
pub struct Slot {
    pub link: LinkId,
    pub direction: Direction,
    pub remote: SocketAddr,
    pub phase: Phase,
    pub purpose: Option<Purpose>,
    /// Who it is: shown by the answerer of our dial, or authenticated.
    pub peer: Option<PeerId>,
    pub hello: Option<Arc<Hello>>,
    /// The known point whose state follows this link.
    pub point: Option<SocketAddr>,
    /// Whom the dial seeks: who must answer, or is supposed to.
    pub sought: Option<PeerId>,
    /// It has one of the places beyond `pool.max` that are kept for trusted and persistent peers.
    pub is_extra: bool,
    pub since: Time,
    /// When the place is taken back; open links have no deadline.
    pub deadline: Time,
    /// Steps of the pool at which it was claimed and opened: which came first is not a question of clocks.
    pub claimed_at_step: u64,
    pub opened_at_step: Option<u64>,
    /// The shortest round trip that was measured.
    pub min_rtt: Option<Duration>,
    /// When it was last of use, in each way.
    pub useful: [Option<Time>; Use::ALL.len()],
    /// Messages that had come when it was last looked at.
    pub messages_in: u64,
    /// We have given it up; its `Closed` is on the way.
    pub doomed: Option<CloseReason>,
}

const _: () = assert!(size_of::<(LinkId, Slot)>() <= sizes::SLOT);

impl Slot {
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open && self.doomed.is_none()
    }

    /// It counts as a link: admitted by us and not given up.
    pub fn is_link(&self) -> bool {
        self.phase >= Phase::Admitted && self.doomed.is_none()
    }

    /// The peer is authenticated.
    pub fn is_authenticated(&self) -> bool {
        self.phase >= Phase::Admitted
    }

    /// It was dialed only to see whether an address is true.
    pub fn is_feeler(&self) -> bool {
        self.purpose == Some(Purpose::Feeler)
    }

    /// The handshake of an accepted connection is under way.
    pub fn is_half_open(&self) -> bool {
        self.phase == Phase::Arrived && self.doomed.is_none()
    }
}

/// How many places of each kind are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Our dials for links, until they are admitted.
    pub dialing: usize,
    /// Our dials that only see whether an address is true: none of them becomes a link, and they have places of their own.
    pub feeling: usize,
    /// Accepted connections in their handshake.
    pub half_open: usize,
    /// Admitted or open, by who dialed.
    pub inbound: usize,
    pub outbound: usize,
    /// Of these, open.
    pub open: usize,
    /// Of all these, links and dials in the places beyond `pool.max`.
    pub extra_inbound: usize,
    pub extra_outbound: usize,
}

impl Counts {
    /// Links, in and out.
    pub fn links(&self) -> usize {
        self.inbound + self.outbound
    }

    /// Outbound links and those that may become some.
    pub fn outbound_and_dialing(&self) -> usize {
        self.outbound + self.dialing
    }

    /// Those of them that count against `pool.outbound_max`.
    pub fn ordinary_outbound(&self) -> usize {
        self.outbound_and_dialing() - self.extra_outbound
    }

    /// Inbound links that count against the places for inbound ones.
    pub fn ordinary_inbound(&self) -> usize {
        self.inbound - self.extra_inbound
    }

    /// Places taken beyond `pool.max`.
    pub fn extra(&self) -> usize {
        self.extra_inbound + self.extra_outbound
    }

    /// All that may be links soon by our own doing.
    pub fn links_and_dialing(&self) -> usize {
        self.links() + self.dialing
    }
}

/// All places.
#[derive(Debug, Default)]
pub struct Slots {
    slots: BTreeMap<LinkId, Slot>,
    /// Times that a place may have changed.
    version: u64,
    /// What was counted since the last of them.
    counted: Cell<Option<Counts>>,
}

impl Slots {
    pub fn get(&self, link: LinkId) -> Option<&Slot> {
        self.slots.get(&link)
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Slot> {
        self.note_change();
        self.slots.get_mut(&link)
    }

    /// For notes that nothing is counted by and nobody waits for: who has seen this version need not look again.
    pub(super) fn note_on(&mut self, link: LinkId) -> Option<&mut Slot> {
        self.slots.get_mut(&link)
    }

    fn note_change(&mut self) {
        self.version += 1;
        self.counted.set(None);
    }

    /// Moves with each change: who has seen this version has seen all of the places.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        self.note_change();
        self.slots.insert(slot.link, slot);
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<Slot> {
        self.note_change();
        self.slots.remove(&link)
    }

    pub fn counts(&self) -> Counts {
        let counts = self.counted.get().unwrap_or_else(|| self.count());
        self.counted.set(Some(counts));
        counts
    }

    fn count(&self) -> Counts {
        let mut counts = Counts::default();
        for slot in self.slots.values().filter(|slot| slot.doomed.is_none()) {
            match (slot.phase, slot.direction) {
                (Phase::Dialing | Phase::Recognised, _) if slot.is_feeler() => counts.feeling += 1,
                (Phase::Dialing | Phase::Recognised, _) => counts.dialing += 1,
                (Phase::Arrived, _) => counts.half_open += 1,
                (Phase::Admitted | Phase::Open, Direction::Inbound) => counts.inbound += 1,
                (Phase::Admitted | Phase::Open, Direction::Outbound) => counts.outbound += 1,
            }
            counts.open += usize::from(slot.phase == Phase::Open);
            match slot.direction {
                Direction::Inbound => counts.extra_inbound += usize::from(slot.is_extra),
                Direction::Outbound => counts.extra_outbound += usize::from(slot.is_extra),
            }
        }
        counts
    }

    /// The other links of `peer` that a link claimed at `step` competes with.
    pub fn rivals(&self, link: LinkId, peer: &PeerId, step: u64) -> Vec<Rival> {
        let is_rival = |slot: &&Slot| slot.link != link && slot.doomed.is_none() && slot.peer.as_ref() == Some(peer);
        let rival = |slot: &Slot| Rival {
            link: slot.link,
            direction: slot.direction,
            is_settled: slot.opened_at_step.is_some_and(|opened| opened < step),
        };
        self.slots.values().filter(is_rival).map(rival).collect()
    }

    /// The link with `peer`, if one is admitted or open.
    pub fn link_of(&self, peer: &PeerId) -> Option<LinkId> {
        self.slots.values().find(|slot| slot.is_link() && slot.peer.as_ref() == Some(peer)).map(|slot| slot.link)
    }

    /// A dial that seeks `peer` and has not met anybody yet. Those who only feel addresses seek nobody. `by_operator`: only dials that
    /// nobody but the operator has caused.
    pub fn seeking(&self, peer: &PeerId, by_operator: bool) -> Option<LinkId> {
        let is_of = |slot: &Slot| slot.purpose.is_some_and(|why| why.is_operators() || !by_operator);
        let seeks =
            |slot: &&Slot| slot.doomed.is_none() && slot.peer.is_none() && slot.sought.as_ref() == Some(peer) && is_of(slot);
        self.slots.values().find(seeks).map(|slot| slot.link)
    }

    /// A place under way or open that was made by dialing `at`.
    pub fn dialed(&self, at: SocketAddr) -> Option<LinkId> {
        let is_dial = |slot: &&Slot| slot.direction == Direction::Outbound && slot.remote == at && slot.doomed.is_none();
        self.slots.values().find(is_dial).map(|slot| slot.link)
    }

    /// Whether one more handshake from `ip` may begin. When all places are taken, the oldest of the most crowded prefix goes for
    /// it, unless that is the newcomer's own.
    ///
    /// # Errors
    /// `HalfOpenLimit`.
    pub fn admit_half_open(&self, ip: IpAddr, policy: &Policy) -> Result<Option<LinkId>, CloseReason> {
        let half_open = || self.slots.values().filter(|slot| slot.is_half_open());
        let mut crowds: BTreeMap<Prefix, usize> = BTreeMap::new();
        for slot in half_open() {
            *crowds.entry(Prefix::of(slot.remote.ip())).or_default() += 1;
        }
        let prefix = Prefix::of(ip);
        let own_crowd = crowds.get(&prefix).copied().unwrap_or(0);
        let of_host = half_open().filter(|slot| slot.remote.ip() == ip).count();
        let is_crowded = of_host >= policy.half_open_per_ip || own_crowd >= policy.half_open_per_prefix;
        if is_crowded && !is_this_machine(ip, policy) {
            return Err(CloseReason::HalfOpenLimit);
        }
        if half_open().count() < policy.half_open_max {
            return Ok(None);
        }
        let most = crowds.values().copied().max().unwrap_or(0);
        if own_crowd >= most {
            return Err(CloseReason::HalfOpenLimit);
        }
        let is_of_most = |slot: &&Slot| crowds.get(&Prefix::of(slot.remote.ip())) == Some(&most);
        let oldest = half_open().filter(is_of_most).min_by_key(|slot| slot.claimed_at_step);
        oldest.map(|slot| Some(slot.link)).ok_or(CloseReason::HalfOpenLimit)
    }

    /// Whether an inbound link from `ip` may be admitted: the places for outbound ones stay free, and nobody takes too many.
    pub fn has_inbound_place(&self, ip: IpAddr, policy: &Policy) -> bool {
        let counts = self.counts();
        let max = policy.bounds.max as usize;
        counts.ordinary_inbound() < policy.inbound_max()
            && counts.links_and_dialing() - counts.extra() < max
            && !self.is_crowded(ip, policy)
    }

    /// Whether the host or the group of `ip` has as many inbound links as it may.
    pub fn is_crowded(&self, ip: IpAddr, policy: &Policy) -> bool {
        if policy.allow_private && !is_global(ip) {
            return false;
        }
        let inbound = || self.slots.values().filter(|slot| slot.is_link() && slot.direction == Direction::Inbound);
        let group = policy.group(ip);
        inbound().filter(|slot| slot.remote.ip() == ip).count() >= policy.inbound_per_ip
            || inbound().filter(|slot| policy.group(slot.remote.ip()) == group).count() >= policy.inbound_per_group
    }

    /// The earliest deadline of a place that is not open.
    pub fn next_deadline(&self) -> Option<Time> {
        self.slots.values().filter(|slot| slot.phase != Phase::Open || slot.doomed.is_some()).map(|slot| slot.deadline).min()
    }

    /// Places whose deadline has passed.
    pub fn overdue(&self, now: Time) -> Vec<LinkId> {
        let is_overdue = |slot: &&Slot| (slot.phase != Phase::Open || slot.doomed.is_some()) && slot.deadline <= now;
        self.slots.values().filter(is_overdue).map(|slot| slot.link).collect()
    }
}

/// True where limits per address make no sense: a network on one machine, which the operator has allowed.
pub(super) fn is_this_machine(ip: IpAddr, policy: &Policy) -> bool {
    policy.allow_private && ip.is_loopback()
}
