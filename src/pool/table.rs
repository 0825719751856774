//! The pool: all tables of the control plane, and the verbs of a link's life. Pure: no clock, no I/O, no waiting; every verb is
//! bounded work. It sits behind one mutex; the workers and the node's calls are its only users.
//!
//! A link's life, in order. Welcome alone moves an existing link; others only claim.
//!
//! 1. `claim_dial` before the first packet of a dial, `claim_arrival` before we greet who came. The place has a deadline from now on.
//! 2. `recognise` when a key was shown: shall we go on?
//! 3. `introduce` when the peer is authenticated: shall it have a place? One link per peer.
//! 4. `open` when both sides have admitted.
//! 5. `close` when it is gone, from wherever: the place is free again, the address and the peer have learned from it.

use super::duplicate::{self, Ruling};
use super::judge::Judgement;
use super::lists::{Culprit, Lists, Standing};
use super::pace::{Allowance, Pace, Paces};
use super::peers::Peers;
use super::points::{End, Offer, Points, Proof, Source, canonical_socket, dialable};
use super::policy::Policy;
use super::score::Scores;
use super::slots::{Phase, Purpose, Slot, Slots, is_this_machine};
use crate::base::address::{Address, Host};
use crate::base::limits::ADDRESSES_MAX;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::point::{Group, canonical};
use crate::base::reason::{Blame, CloseReason};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::wire::hello::Hello;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Listen addresses of one Hello that are looked at.
const LISTEN_MAX: usize = 4;

/// All tables of the control plane.
#[derive(Debug)]
pub struct Pool {
    pub(super) own: PeerId,
    pub(super) own_addresses: Vec<Address>,
    /// Versions of the application's protocol that this node announces.
    pub(super) own_versions: Vec<u32>,
    pub(super) policy: Policy,
    ids: LinkIds,
    pub(super) points: Points,
    pub(super) peers: Peers,
    pub(super) lists: Lists,
    pub(super) slots: Slots,
    pub(super) scores: Scores,
    /// Somebody is kept out for a score, and that is not saved yet.
    pub(super) has_unsaved_scores: bool,
    /// Identities that the operator wants links with for ever.
    pub(super) persistent_peers: BTreeSet<PeerId>,
    arrivals: Pace,
    arrivals_per_host: Paces<IpAddr>,
    dials: Pace,
    /// Links that were let go for wanted roles.
    pub(super) replacements: Pace,
    /// Counts the steps of links' lives, so that which came first is known even at equal times.
    step: u64,
    /// Maintenance wants somebody asked for addresses.
    pub(super) wants_addresses: bool,
    /// Addresses were learned since maintenance last looked.
    pub(super) has_fresh_points: bool,
    /// How many connections have ended for each reason, at whatever stage.
    pub(super) ends: BTreeMap<CloseReason, u64>,
    /// The node is stopping: nothing new begins.
    pub(super) is_stopping: bool,
}

/// Why a dial cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    #[error("the node is stopping")]
    Stopping,
    #[error("{0} is this node's own address")]
    OwnAddress(SocketAddr),
    #[error("{0} or its peer is banned: lift the ban first")]
    Banned(SocketAddr),
    #[error("{0} or its peer is greylisted: trust it, or flush the greylist")]
    Greylisted(SocketAddr),
    #[error("a dial or link to {0} exists already: {1}")]
    Exists(SocketAddr, LinkId),
    #[error("{dialing} dials are under way, {max} are allowed at once: wait for one to end, or raise dial.parallel_max")]
    TooManyDials { dialing: usize, max: usize },
    #[error("{taken} of {max} outbound places are taken: close a link, or raise pool.outbound_max")]
    NoPlace { taken: usize, max: usize },
    #[error("dials follow too fast upon one another: the next may begin at {0}")]
    TooFast(Time),
}

/// What `introduce` decided.
#[derive(Clone, Debug)]
pub struct Introduction {
    pub verdict: Verdict,
    /// Links to close before the verdict is carried out.
    pub close: Vec<(LinkId, CloseReason)>,
}

/// A link that has ended, for those who tell of it.
#[derive(Clone, Debug)]
pub struct Closed {
    pub slot: Slot,
    /// Who was put on the greylist for it.
    pub greylisted: Option<Culprit>,
    /// The ban that its faults together have led to.
    pub banned: Option<Judgement>,
    /// New points learned from the alternatives of a nack.
    pub new_points: usize,
}

impl Pool {
    /// An empty pool of the node `own`. `ids` is shared with the reactor, which takes its ids for arrivals.
    pub fn new(own: PeerId, policy: Policy, ids: LinkIds) -> Pool {
        Pool {
            own,
            own_addresses: Vec::new(),
            own_versions: Vec::new(),
            ids,
            points: Points::default(),
            peers: Peers::default(),
            lists: Lists::new(policy.greylist_max),
            slots: Slots::default(),
            scores: Scores::new(policy.score),
            has_unsaved_scores: false,
            persistent_peers: BTreeSet::new(),
            arrivals: Pace::default(),
            arrivals_per_host: Paces::new(policy.accept_ip_entries_max),
            dials: Pace::default(),
            replacements: Pace::default(),
            step: 0,
            wants_addresses: false,
            has_fresh_points: false,
            ends: BTreeMap::new(),
            is_stopping: false,
            policy,
        }
    }

    /// Claims a place for a dial and takes its link id. In order: not ourselves; lists; no second dial to the address; places and pace.
    /// The caller sends `Command::Dial` with the id next.
    ///
    /// # Errors
    /// Why not now.
    pub fn claim_dial(&mut self, now: Time, to: SocketAddr, expect: Option<PeerId>, why: Purpose) -> Result<LinkId, DialError> {
        let to = canonical_socket(to);
        if self.is_stopping {
            return Err(DialError::Stopping);
        }
        if self.points.is_self(to) || expect == Some(self.own) {
            return Err(DialError::OwnAddress(to));
        }
        match self.lists.standing(now, Some(to.ip()), expect.as_ref()) {
            Standing::Banned => return Err(DialError::Banned(to)),
            Standing::Greylisted => return Err(DialError::Greylisted(to)),
            Standing::Ordinary | Standing::Trusted => {}
        }
        let existing = self.slots.dialed(to).or_else(|| {
            let peer = expect.filter(|_| why != Purpose::Feeler)?;
            self.slots.link_of(&peer)
        });
        if let Some(link) = existing {
            return Err(DialError::Exists(to, link));
        }
        let counts = self.slots.counts();
        if counts.dialing >= self.policy.dials_max {
            return Err(DialError::TooManyDials { dialing: counts.dialing, max: self.policy.dials_max });
        }
        let max = self.policy.bounds.outbound_max as usize;
        if counts.outbound_and_dialing() >= max {
            return Err(DialError::NoPlace { taken: counts.outbound_and_dialing(), max });
        }
        let allowance = Allowance::per_second(self.policy.dial_rate);
        if !matches!(why, Purpose::Asked { .. }) && !self.dials.take(now, allowance) {
            return Err(DialError::TooFast(self.dials.next_at(allowance)));
        }
        let link = self.ids.next();
        self.points.dial(now, to, link, &self.policy);
        let mut slot = self.slot(now, link, Direction::Outbound, to);
        slot.purpose = Some(why);
        slot.point = Some(to);
        slot.deadline = now + self.policy.dial_deadline;
        self.slots.insert(slot);
        Ok(link)
    }

    /// Claims a place for a connection that came. In order: lists; the pace of arrivals; places for handshakes. Gives the handshake
    /// that makes room for it, if one must.
    ///
    /// # Errors
    /// The reason to close it with at once.
    pub fn claim_arrival(&mut self, now: Time, link: LinkId, from: SocketAddr) -> Result<Option<LinkId>, CloseReason> {
        let from = canonical_socket(from);
        if self.is_stopping {
            return Err(CloseReason::Stopped);
        }
        match self.lists.standing(now, Some(from.ip()), None) {
            Standing::Banned => return Err(CloseReason::Banned),
            Standing::Greylisted => return Err(CloseReason::Greylisted),
            Standing::Trusted => {}
            Standing::Ordinary => self.pace_arrival(now, from.ip())?,
        }
        let evicted = self.slots.admit_half_open(from.ip(), &self.policy)?;
        if let Some(evicted) = evicted {
            self.doom(now, evicted, CloseReason::HalfOpenLimit);
        }
        let mut slot = self.slot(now, link, Direction::Inbound, from);
        slot.deadline = now + self.policy.arrival_deadline;
        self.slots.insert(slot);
        Ok(evicted)
    }

    /// A key was shown. On an arrival it is a claim: a hopeless one is refused quietly, and nothing is noted, for nothing is proven.
    /// On a dial, in order: the address has proven itself; ourselves, banned, greylisted, superfluous ones are refused.
    pub fn recognise(&mut self, now: Time, link: LinkId, peer: PeerId) -> Verdict {
        let own_step = self.next_step();
        let Some(slot) = self.slots.get(link) else { return Verdict::refuse(CloseReason::HandshakeTimeout) };
        if let Some(reason) = slot.doomed {
            return Verdict::refuse(reason);
        }
        let (remote, direction, point) = (slot.remote, slot.direction, slot.point);
        if !matches!(slot.phase, Phase::Dialing | Phase::Arrived) {
            return self.refuse_misplaced(now, link);
        }
        let refused = self.refusal(now, remote.ip(), &peer);
        if direction == Direction::Inbound {
            return refused.map_or(Verdict::Proceed, Verdict::refuse);
        }
        if let Some(at) = point {
            if peer == self.own {
                self.points.note_self(at);
            } else {
                self.points.prove(now, at, peer);
                let linked = self.slots.link_of(&peer).and_then(|other| self.slots.get(other)?.hello.as_ref());
                if let Some(hello) = linked {
                    self.points.note_capabilities(&peer, &hello.capabilities);
                }
            }
        }
        let rivals = self.slots.rivals(link, &peer, own_step);
        let is_superfluous = duplicate::is_superfluous(&rivals);
        let refused = refused.or_else(|| is_superfluous.then_some(CloseReason::Duplicate));
        if let Some(slot) = self.slots.get_mut(link) {
            slot.peer = Some(peer);
            slot.phase = Phase::Recognised;
        }
        if let Some(reason) = refused {
            self.doom(now, link, reason);
        }
        refused.map_or(Verdict::Proceed, Verdict::refuse)
    }

    /// A peer is authenticated. In order: the place still stands; ourselves, banned, greylisted are refused, and who shares no version
    /// of the application's protocol if one is required; of two links with one peer one goes; an arrival needs a place, or gets addresses of others to try. Then it is admitted.
    pub fn introduce(&mut self, now: Time, link: LinkId, peer: PeerId, hello: &Arc<Hello>, rng: &mut Rng) -> Introduction {
        self.next_step();
        let refuse = |motive| Introduction { verdict: Verdict::refuse(motive), close: Vec::new() };
        let Some(slot) = self.slots.get(link) else { return refuse(CloseReason::HandshakeTimeout) };
        if let Some(reason) = slot.doomed {
            return refuse(reason);
        }
        let (remote, direction, step) = (slot.remote, slot.direction, slot.claimed_at_step);
        if !matches!(slot.phase, Phase::Arrived | Phase::Recognised) {
            return Introduction { verdict: self.refuse_misplaced(now, link), close: Vec::new() };
        }
        let is_stranger = self.policy.is_version_required && hello.common_version(&self.own_versions).is_none();
        let motive = self.refusal(now, remote.ip(), &peer).or(is_stranger.then_some(CloseReason::NoCommonVersion));
        if let Some(motive) = motive {
            self.doom(now, link, motive);
            return refuse(motive);
        }
        let rivals = self.slots.rivals(link, &peer, step);
        let Ruling::Admit { instead_of } = duplicate::rule(&self.own, &peer, link, direction, &rivals) else {
            self.doom(now, link, CloseReason::Duplicate);
            return refuse(CloseReason::Duplicate);
        };
        let mut close: Vec<_> = instead_of.into_iter().map(|rival| (rival, CloseReason::Duplicate)).collect();
        for (rival, reason) in &close {
            self.doom(now, *rival, *reason);
        }
        if direction == Direction::Inbound && !self.slots.has_inbound_place(remote.ip(), &self.policy) {
            match self.make_inbound_place(now, remote.ip(), &peer, hello, rng) {
                Some(evicted) => close.push((evicted, CloseReason::Evicted)),
                None => {
                    let motive = CloseReason::TooManyLinks;
                    self.doom(now, link, motive);
                    let alternatives = self.whom_to_advertise(now, &peer, rng);
                    let alternatives = alternatives.into_iter().take(ADDRESSES_MAX).map(|entry| entry.address).collect();
                    return Introduction { verdict: Verdict::Refuse { motive, alternatives }, close };
                }
            }
        }
        self.admit(now, link, peer, hello);
        Introduction { verdict: Verdict::Admit, close }
    }

    /// Both sides have admitted the link. Gives its place; `None` if it was given up meanwhile.
    pub fn open(&mut self, now: Time, link: LinkId) -> Option<&Slot> {
        let step = self.next_step();
        let slot = self.slots.get_mut(link).filter(|slot| slot.phase == Phase::Admitted)?;
        // Also if it was given up: the application has heard its Up.
        slot.opened_at_step = Some(step);
        if slot.doomed.is_some() {
            return None;
        }
        slot.phase = Phase::Open;
        slot.since = now;
        if let Some(at) = slot.point {
            self.points.connect(now, at, link);
        }
        Some(slot)
    }

    /// The link is gone. In order: its place is free; its address rests, for as long as the end deserves; the peer is noted absent;
    /// who broke the protocol is greylisted; the alternatives of a nack are learned. `None` for a link without a place.
    pub fn close(
        &mut self,
        now: Time,
        link: LinkId,
        reason: CloseReason,
        told: Option<CloseReason>,
        alternatives: &[Address],
        rng: &mut Rng,
    ) -> Option<Closed> {
        self.next_step();
        let slot = self.slots.remove(link)?;
        self.rest_point(now, &slot, reason, told, rng);
        if slot.is_authenticated()
            && let Some(peer) = &slot.peer
        {
            self.peers.part(now, peer);
        }
        let greylisted = self.greylist_for(now, &slot, reason);
        let at_fault = slot.peer.filter(|_| slot.is_authenticated());
        let banned = at_fault.and_then(|peer| self.note_fault(now, peer, slot.remote, reason));
        let mut new_points = 0;
        if slot.direction == Direction::Outbound && slot.peer.is_some() {
            new_points =
                self.learn_all(now, alternatives.iter().take(ADDRESSES_MAX).map(|address| (address, &[][..])), slot.remote);
        }
        Some(Closed { slot, greylisted, banned, new_points })
    }

    /// Gives a link up: it counts no longer, and its `Closed` is awaited for no longer than a handshake takes. The caller sends
    /// `Command::Close`. False if there is no such link, or it was given up before.
    pub fn doom(&mut self, now: Time, link: LinkId, reason: CloseReason) -> bool {
        let deadline = now + self.policy.arrival_deadline;
        match self.slots.get_mut(link) {
            Some(slot) if slot.doomed.is_none() => {
                slot.doomed = Some(reason);
                slot.deadline = deadline;
                true
            }
            _ => false,
        }
    }

    fn slot(&mut self, now: Time, link: LinkId, direction: Direction, remote: SocketAddr) -> Slot {
        Slot {
            link,
            direction,
            remote,
            phase: if direction == Direction::Outbound { Phase::Dialing } else { Phase::Arrived },
            purpose: None,
            peer: None,
            hello: None,
            point: None,
            since: now,
            deadline: now,
            claimed_at_step: self.next_step(),
            opened_at_step: None,
            doomed: None,
        }
    }

    fn next_step(&mut self) -> u64 {
        self.step += 1;
        self.step
    }

    fn pace_arrival(&mut self, now: Time, ip: IpAddr) -> Result<(), CloseReason> {
        let of_host = Allowance { interval: self.policy.accept_ip_period, burst: self.policy.accept_ip_burst };
        let is_calm =
            is_this_machine(ip, &self.policy) || self.arrivals_per_host.take(now, crate::base::point::host(ip), of_host);
        // The host is asked first, so that one that floods does not use up what all others share.
        let passes = is_calm && self.arrivals.take(now, Allowance::per_second(self.policy.accept_rate));
        if passes { Ok(()) } else { Err(CloseReason::HalfOpenLimit) }
    }

    /// A report that cannot come at this point of a link's life: the link ends rather than its place be counted twice.
    fn refuse_misplaced(&mut self, now: Time, link: LinkId) -> Verdict {
        self.doom(now, link, CloseReason::Internal);
        Verdict::refuse(CloseReason::Internal)
    }

    /// Why a peer at `ip` may have no link, whatever the places.
    fn refusal(&self, now: Time, ip: IpAddr, peer: &PeerId) -> Option<CloseReason> {
        if self.is_stopping {
            return Some(CloseReason::Stopped);
        }
        if *peer == self.own {
            return Some(CloseReason::OwnKey);
        }
        match self.lists.standing(now, Some(ip), Some(peer)) {
            Standing::Banned => Some(CloseReason::Banned),
            Standing::Greylisted => Some(CloseReason::Greylisted),
            Standing::Ordinary | Standing::Trusted => None,
        }
    }

    /// Room for a peer that never is refused for want of it: an unprotected inbound link goes, if there is one, of those that no quota
    /// needs. And, now and then, room for a peer whose role is wanted.
    fn make_inbound_place(&mut self, now: Time, ip: IpAddr, peer: &PeerId, hello: &Hello, rng: &mut Rng) -> Option<LinkId> {
        let inbound = Some(Direction::Inbound);
        let evicted = if self.is_protected(now, ip, peer) {
            let spare = self.whom_to_drop(now, 1, inbound, rng).first().copied();
            spare.or_else(|| self.droppable(now, inbound, rng).first().map(|slot| slot.link))?
        } else {
            self.whom_to_evict_for(now, ip, hello, rng)?
        };
        self.doom(now, evicted, CloseReason::Evicted);
        Some(evicted)
    }

    fn admit(&mut self, now: Time, link: LinkId, peer: PeerId, hello: &Arc<Hello>) {
        let Some(slot) = self.slots.get_mut(link) else { return };
        slot.phase = Phase::Admitted;
        slot.peer = Some(peer);
        slot.hello = Some(Arc::clone(hello));
        let (remote, direction) = (slot.remote, slot.direction);
        self.peers.meet(now, peer, hello, &self.policy);
        let listen = if hello.is_private { Vec::new() } else { self.listen_of(hello, remote.ip()) };
        let source = Source::Group(Group::of(remote.ip()));
        let mut proven = None;
        for address in &listen {
            let address = Address { id: Some(peer), ..address.clone() };
            let proof = if address.host == Host::Ip(remote.ip()) { Proof::Host } else { Proof::Heard };
            let offer = Offer { address: &address, capabilities: &[], source, proof };
            self.points.learn(now, &offer, &self.policy);
            // Only what a dial has proven is taken for connected: a peer may claim any port of its host, or of its neighbour.
            let is_proven = |at: &SocketAddr| {
                self.points.get(*at).is_some_and(|p| p.proof == Proof::Dialed && p.peer == Some(peer) && p.is_idle())
            };
            proven = proven.or(address.socket().filter(is_proven));
        }
        self.points.note_capabilities(&peer, &hello.capabilities);
        if let Some(slot) = self.slots.get_mut(link) {
            slot.point = if direction == Direction::Outbound { slot.point } else { proven };
        }
    }

    /// Where a peer says it listens; an unspecified host stands for the one it is seen at.
    pub(super) fn listen_of(&self, hello: &Hello, seen: IpAddr) -> Vec<Address> {
        hello
            .listen
            .iter()
            .take(LISTEN_MAX)
            .map(|address| seen_at(address, seen))
            .filter(|address| dialable(address, &self.policy).is_some())
            .collect()
    }

    /// Never dropped or refused for want of places, never greylisted.
    pub(super) fn is_protected(&self, now: Time, ip: IpAddr, peer: &PeerId) -> bool {
        self.persistent_peers.contains(peer) || self.lists.standing(now, Some(ip), Some(peer)) == Standing::Trusted
    }

    fn rest_point(&mut self, now: Time, slot: &Slot, reason: CloseReason, told: Option<CloseReason>, rng: &mut Rng) {
        let Some(at) = slot.point else { return };
        let verdict = slot.doomed.or(told).unwrap_or(reason);
        let end = match verdict {
            _ if slot.phase == Phase::Open && reason.blame() == Blame::Net => End::Lost,
            _ if slot.phase == Phase::Open => End::Parted,
            CloseReason::Duplicate if slot.peer.is_some() => End::Superfluous,
            CloseReason::WrongNetwork if slot.peer.is_some() => End::Useless,
            _ if slot.peer.is_some() && (told.is_some() || slot.doomed.is_some() || reason == CloseReason::Nacked) => {
                End::Refused
            }
            _ => End::Missed,
        };
        self.points.rest(now, at, end, &self.policy, rng);
        // The address of a superfluous dial is that of the link that made it so; and one that an open link uses stays in use.
        let other = slot.peer.filter(|_| end == End::Superfluous).and_then(|peer| self.slots.link_of(&peer));
        if let Some(other) = other.and_then(|link| self.slots.get_mut(link)) {
            other.point.get_or_insert(at);
        }
        // So does one that is being dialed again already.
        let users = || self.slots.iter().filter(|other| other.doomed.is_none() && other.point == Some(at));
        let open = users().find(|user| user.is_open()).map(|user| user.link);
        let dialing = users().find(|user| user.direction == Direction::Outbound).map(|user| user.link);
        match (open, dialing) {
            (Some(link), _) => self.points.connect(now, at, link),
            (None, Some(link)) => self.points.dial(now, at, link, &self.policy),
            (None, None) => {}
        }
    }

    /// Who must stay away for what ended the link: an authenticated identity, or the host of an arrival. What only a dial saw proves
    /// nothing against an address, and another network's or version's node is no culprit.
    fn greylist_for(&mut self, now: Time, slot: &Slot, reason: CloseReason) -> Option<Culprit> {
        // For its score it was put there when it crossed the threshold, if it did.
        let is_misfit = matches!(
            reason,
            CloseReason::WrongNetwork | CloseReason::WrongVersion | CloseReason::ClaimRequired | CloseReason::ScoreTooLow
        );
        let is_protected = slot.peer.is_some_and(|peer| self.is_protected(now, slot.remote.ip(), &peer));
        if reason.blame() != Blame::Peer || is_misfit || is_protected {
            return None;
        }
        let culprit = match (slot.peer, slot.direction) {
            (Some(peer), _) if slot.is_authenticated() => Culprit::Peer(peer),
            (_, Direction::Inbound) if !slot.remote.ip().is_loopback() => Culprit::Host(slot.remote.ip()),
            _ => return None,
        };
        self.lists.greylist(culprit, now + self.policy.greylist_timeout);
        Some(culprit)
    }
}

/// An address whose unspecified host stands for the one it is seen at.
pub(super) fn seen_at(address: &Address, seen: IpAddr) -> Address {
    match address.host {
        Host::Ip(ip) if ip.is_unspecified() => Address { host: Host::Ip(canonical(seen)), ..address.clone() },
        _ => address.clone(),
    }
}
