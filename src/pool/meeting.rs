//! Meeting: the verbs of a link between its first packet and its end. A key is shown, a peer is authenticated, both sides have admitted
//! it. They decide and note, and send nothing; welcome carries out what they decide.

use super::duplicate::{self, Ruling};
use super::lists::Standing;
use super::points::{Offer, Proof, Source, dialable};
use super::slots::{Phase, Purpose, Slot};
use super::table::Pool;
use crate::base::address::{Address, Host};
use crate::base::limits::ADDRESSES_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::canonical;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::wire::hello::Hello;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Listen addresses of one Hello that are looked at.
const LISTEN_MAX: usize = 4;

/// What `introduce` decided.
#[derive(Clone, Debug)]
pub struct Introduction {
    pub verdict: Verdict,
    /// Links to close before the verdict is carried out.
    pub close: Vec<(LinkId, CloseReason)>,
}

impl Pool {
    /// A key was shown. On an arrival it is a claim: a hopeless one is refused quietly, and nothing is noted, for nothing is proven.
    /// On a dial, in order: the address has proven itself; ourselves, banned, greylisted ones are refused, and who was only to be felt, and
    /// superfluous ones.
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
        let refused = self.refusal(now, remote.ip(), &peer, point);
        if direction == Direction::Inbound {
            // Two that name each other by address alone would else never show each other who they are.
            let refused = refused.filter(|reason| *reason != CloseReason::NotTrusted || !self.may_be_persistent(remote.ip()));
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
        let is_feeler = self.slots.get(link).is_some_and(|slot| slot.purpose == Some(Purpose::Feeler));
        let refused = refused.or_else(|| is_feeler.then_some(CloseReason::Probed));
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
    /// of the application's protocol if one is required, and strangers while the node is paused; of two links with one peer one goes; an
    /// arrival needs a place, one of those beyond `pool.max` if it is trusted or persistent, or gets addresses of others to try. Then it
    /// is admitted.
    pub fn introduce(&mut self, now: Time, link: LinkId, peer: PeerId, hello: &Arc<Hello>, rng: &mut Rng) -> Introduction {
        self.next_step();
        let refuse = |motive| Introduction { verdict: Verdict::refuse(motive), close: Vec::new() };
        let Some(slot) = self.slots.get(link) else { return refuse(CloseReason::HandshakeTimeout) };
        if let Some(reason) = slot.doomed {
            return refuse(reason);
        }
        let (remote, direction, point, step) = (slot.remote, slot.direction, slot.point, slot.claimed_at_step);
        if !matches!(slot.phase, Phase::Arrived | Phase::Recognised) {
            return Introduction { verdict: self.refuse_misplaced(now, link), close: Vec::new() };
        }
        let is_stranger = self.policy.is_version_required && hello.common_version(&self.own_versions).is_none();
        let is_protected = self.is_protected(now, remote.ip(), &peer);
        let is_paused = self.is_paused && direction == Direction::Inbound && !is_protected;
        let motive = self.refusal(now, remote.ip(), &peer, point).or(is_stranger.then_some(CloseReason::NoCommonVersion));
        let motive = motive.or(is_paused.then_some(CloseReason::Paused));
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
        let is_extra = self.slots.get(link).is_some_and(|slot| slot.is_extra) || is_protected && self.has_extra_place();
        if direction == Direction::Inbound && !is_extra && !self.slots.has_inbound_place(remote.ip(), &self.policy) {
            match self.make_inbound_place(now, remote.ip(), &peer, hello, rng) {
                Some(evicted) => close.push((evicted, CloseReason::Evicted)),
                None => {
                    let motive = CloseReason::TooManyLinks;
                    self.doom(now, link, motive);
                    let alternatives = self.alternatives(now, &peer, rng);
                    return Introduction { verdict: Verdict::Refuse { motive, alternatives }, close };
                }
            }
        }
        if let Some(slot) = self.slots.get_mut(link) {
            slot.is_extra = is_extra;
        }
        self.admit(now, link, peer, hello);
        Introduction { verdict: Verdict::Admit, close }
    }

    /// Whom a peer that finds no place may try instead. A private node, or one without PEX, names nobody.
    fn alternatives(&mut self, now: Time, peer: &PeerId, rng: &mut Rng) -> Vec<Address> {
        if !self.policy.may_exchange() {
            return Vec::new();
        }
        let others = self.whom_to_advertise(now, peer, rng);
        others.into_iter().take(ADDRESSES_MAX).map(|entry| entry.address).collect()
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

    fn admit(&mut self, now: Time, link: LinkId, peer: PeerId, hello: &Arc<Hello>) {
        let Some(slot) = self.slots.get_mut(link) else { return };
        slot.phase = Phase::Admitted;
        slot.peer = Some(peer);
        slot.hello = Some(Arc::clone(hello));
        let (remote, direction) = (slot.remote, slot.direction);
        self.peers.meet(now, peer, hello, &self.policy);
        let listen = if hello.is_private { Vec::new() } else { self.listen_of(hello, remote.ip()) };
        let source = Source::Group(self.policy.group(remote.ip()));
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

    /// Why a peer at `ip` may have no link, whatever the places.
    fn refusal(&self, now: Time, ip: IpAddr, peer: &PeerId, point: Option<SocketAddr>) -> Option<CloseReason> {
        if self.is_stopping {
            return Some(CloseReason::Stopped);
        }
        if *peer == self.own {
            return Some(CloseReason::OwnKey);
        }
        match self.lists.standing(now, Some(ip), Some(peer)) {
            Standing::Banned => Some(CloseReason::Banned),
            Standing::Greylisted => Some(CloseReason::Greylisted),
            Standing::Ordinary if self.is_stranger(now, ip, Some(peer), point) => Some(CloseReason::NotTrusted),
            Standing::Ordinary | Standing::Trusted => None,
        }
    }

    /// A report that cannot come at this point of a link's life: the link ends rather than its place be counted twice.
    fn refuse_misplaced(&mut self, now: Time, link: LinkId) -> Verdict {
        self.doom(now, link, CloseReason::Internal);
        Verdict::refuse(CloseReason::Internal)
    }
}

/// An address whose unspecified host stands for the one it is seen at.
pub(super) fn seen_at(address: &Address, seen: IpAddr) -> Address {
    match address.host {
        Host::Ip(ip) if ip.is_unspecified() => Address { host: Host::Ip(canonical(seen)), ..address.clone() },
        _ => address.clone(),
    }
}
