//! The pool's verbs beside the life of links: what the operator orders, what workers learn and want, what readers see. They take
//! effect at once and send nothing; a caller closes the links that it is told to close.

use super::lists::{ListError, Lists, Standing};
use super::meeting::seen_at;
use super::pace::Allowance;
use super::peers::{PeerInfo, Peers};
use super::points::{Intake, Offer, Point, Points, Proof, Source, canonical_socket, dialable};
use super::policy::Policy;
use super::score;
use super::slots::{Counts, Slot, Slots};
use super::table::Pool;
use crate::base::address::{Address, Host};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::is_global;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::wire::hello::Capability;
use std::net::SocketAddr;
use std::sync::Arc;

impl Pool {
    pub fn own(&self) -> PeerId {
        self.own
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Goes on by other numbers; links beyond new bounds are dropped by the next maintenance.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Where this node can be dialed, as it tells others. Needed once the listeners are bound.
    pub fn set_own_addresses(&mut self, addresses: Vec<Address>) {
        self.points.set_own(addresses.iter().filter_map(Address::socket));
        self.own_addresses = addresses;
    }

    /// The versions of the application's protocol that this node announces; needed before the first peer where one is required.
    pub fn set_own_versions(&mut self, versions: Vec<u32>) {
        self.own_versions = versions;
    }

    pub fn own_addresses(&self) -> &[Address] {
        &self.own_addresses
    }

    pub fn points(&self) -> &Points {
        &self.points
    }

    pub fn points_mut(&mut self) -> &mut Points {
        &mut self.points
    }

    pub fn known(&self) -> &Peers {
        &self.peers
    }

    pub fn known_mut(&mut self) -> &mut Peers {
        &mut self.peers
    }

    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    pub fn lists_mut(&mut self) -> &mut Lists {
        &mut self.lists
    }

    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    pub fn counts(&self) -> Counts {
        self.slots.counts()
    }

    /// Adds a point that the operator configured. A persistent one with an identity protects every link with that peer.
    pub fn fix(&mut self, now: Time, at: SocketAddr, peer: Option<PeerId>, is_persistent: bool) -> bool {
        if let Some(peer) = peer.filter(|_| is_persistent) {
            self.persistent_peers.insert(peer);
        }
        if self.points.get(canonical_socket(at)).is_none() {
            // It gets its place in any case, but those that have lost their special place must not pile up.
            self.points.make_room(&self.policy);
        }
        self.points.fix(now, at, peer, is_persistent)
    }

    /// Learns addresses that `peer` at `from` told of, and says how many were new. Each is hearsay of that peer's group. Beyond what may
    /// be taken from either, what is new is dropped without a word: it is no fault, and known ones cost nothing.
    pub fn learn_all<'a>(
        &mut self,
        now: Time,
        offers: impl Iterator<Item = (&'a Address, &'a [Capability])>,
        from: SocketAddr,
        peer: Option<PeerId>,
    ) -> usize {
        let source = Source::Group(self.policy.group(from.ip()));
        let is_usable = |address: &Address| address.id != Some(self.own) && dialable(address, &self.policy).is_some();
        let offers: Vec<_> = offers.filter(|(address, _)| is_usable(address)).collect();
        let is_known = |pool: &Pool, address: &Address| {
            dialable(address, &pool.policy).is_some_and(|at| pool.points.get(at).is_some() || pool.points.is_self(at))
        };
        let unknown = offers.iter().filter(|(address, _)| !is_known(self, address)).count();
        let mut room = self.take_intake(now, from, peer, unknown);
        let mut new = 0;
        for (address, capabilities) in offers {
            let is_news = !is_known(self, address);
            if is_news && room == 0 {
                continue;
            }
            room -= usize::from(is_news);
            let offer = Offer { address, capabilities, source, proof: Proof::Heard };
            new += usize::from(self.points.learn(now, &offer, &self.policy) == Intake::New);
        }
        self.has_fresh_points |= new > 0;
        new
    }

    /// Takes places for `count` new addresses from what `peer` at `from` may tell, and says how many there are. Special addresses have no
    /// groups: a whole private network would be one.
    fn take_intake(&mut self, now: Time, from: SocketAddr, peer: Option<PeerId>, count: usize) -> usize {
        let allowance = Allowance { interval: self.policy.intake_period, burst: self.policy.intake_burst };
        let mut count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(peer) = peer.filter(|_| count > 0) {
            count = self.intake_per_peer.take_up_to(now, peer, count, allowance);
        }
        if is_global(from.ip()) && count > 0 {
            count = self.intake_per_group.take_up_to(now, self.policy.group(from.ip()), count, allowance);
        }
        count as usize
    }

    /// Drops addresses that are old or fruitless, and reinstates bad ones whose time is over.
    pub fn expire_points(&mut self, now: Time) {
        self.points.expire(now, &self.policy);
    }

    /// Bans, and gives the links that must close with `Banned` now.
    pub fn ban(&mut self, now: Time, subject: Subject, until: Option<Time>) -> Result<Vec<LinkId>, ListError> {
        self.lists.ban(subject, until)?;
        let is_banned = |slot: &&Slot| {
            slot.doomed.is_none() && self.lists.standing(now, Some(slot.remote.ip()), slot.peer.as_ref()) == Standing::Banned
        };
        let links: Vec<LinkId> = self.slots.iter().filter(is_banned).map(|slot| slot.link).collect();
        for link in &links {
            self.doom(now, *link, CloseReason::Banned);
        }
        Ok(links)
    }

    /// Maintenance wants somebody asked for addresses soon.
    pub fn want_addresses(&mut self) {
        self.wants_addresses = true;
    }

    /// True if addresses were wanted since the last call.
    pub fn take_wants_addresses(&mut self) -> bool {
        std::mem::take(&mut self.wants_addresses)
    }

    /// True if addresses were learned since the last call.
    pub fn take_fresh_points(&mut self) -> bool {
        std::mem::take(&mut self.has_fresh_points)
    }

    /// The node is stopping: from now on nothing is claimed and nobody admitted.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// The address that the peer of `link` claims for itself. An unspecified host stands for the one it is seen at.
    pub fn claim_of(&self, link: LinkId, claim: &Address) -> Option<Address> {
        let slot = self.slots.get(link)?;
        let claim = Address { id: slot.peer, ..seen_at(claim, slot.remote.ip()) };
        dialable(&claim, &self.policy).map(|_| claim)
    }

    /// Learns what `claim_of` gave; true if it was new.
    pub fn learn_claim(&mut self, now: Time, link: LinkId, claim: &Address) -> bool {
        let Some(seen) = self.slots.get(link).map(|slot| slot.remote.ip()) else { return false };
        let proof = if claim.host == Host::Ip(seen) { Proof::Host } else { Proof::Heard };
        let offer = Offer { address: claim, capabilities: &[], source: Source::Group(self.policy.group(seen)), proof };
        self.points.learn(now, &offer, &self.policy) == Intake::New
    }

    /// The peer of `link` has failed so often in a row to answer; 0 when it answered.
    pub fn note_answer(&mut self, link: LinkId, failures: u32) {
        if let Some(at) = self.slots.get(link).and_then(|slot| slot.point) {
            self.points.note_answer(at, failures);
        }
    }

    /// Counts the end of a connection, of whatever stage it was.
    pub fn count_end(&mut self, reason: CloseReason) {
        *self.ends.entry(reason).or_default() += 1;
    }

    /// How many connections have ended for each reason that occurred, by code.
    pub fn ends(&self) -> Vec<(CloseReason, u64)> {
        self.ends.iter().map(|(reason, count)| (*reason, *count)).collect()
    }

    /// Open links, with the scores of `now`.
    pub fn peers(&self, now: Time) -> Vec<PeerInfo> {
        self.slots.iter().filter(|slot| slot.is_open()).filter_map(|slot| self.info(now, slot)).collect()
    }

    /// What a peer's score makes of its share of the bandwidth.
    pub fn weight_of(&self, now: Time, peer: &PeerId) -> u32 {
        score::weight(self.scores.value(now, peer), self.policy.score.weight_max)
    }

    /// The operator wants a link with this peer for ever.
    pub fn is_persistent(&self, slot: &Slot) -> bool {
        slot.peer.is_some_and(|peer| self.persistent_peers.contains(&peer))
            || slot.point.and_then(|at| self.points.get(at)).is_some_and(|point| point.is_persistent)
    }

    fn info(&self, now: Time, slot: &Slot) -> Option<PeerInfo> {
        let id = slot.peer?;
        let hello = Arc::clone(slot.hello.as_ref()?);
        let dialed = slot.point.map(|at| Address::of(at, Some(id)));
        let listen = dialed.or_else(|| {
            let first = self.listen_of(&hello, slot.remote.ip()).into_iter().next()?;
            Some(Address { id: Some(id), ..first })
        });
        let is_persistent = self.is_persistent(slot);
        let is_trusted = self.lists.standing(slot.since, Some(slot.remote.ip()), Some(&id)) == Standing::Trusted;
        let (score, weight) = (self.scores.value(now, &id), self.weight_of(now, &id));
        let (link, remote, direction, since) = (slot.link, slot.remote, slot.direction, slot.since);
        Some(PeerInfo { link, id, remote, direction, since, hello, listen, is_trusted, is_persistent, score, weight })
    }

    /// Addresses that a dial has shown to be true, that have not failed since and were seen lately; not those of peers that want to stay
    /// private.
    pub fn healthy(&self, now: Time) -> Vec<Address> {
        self.healthy_since(now, 0)
    }

    /// Those of `healthy` that joined after a version of the set (`Points::healthy_version`).
    pub fn healthy_since(&self, now: Time, version: u64) -> Vec<Address> {
        self.healthy_points(now).filter(|point| point.healthy_at > version).map(Point::address).collect()
    }

    pub(super) fn healthy_points(&self, now: Time) -> impl Iterator<Item = &Point> {
        let is_private = |peer: &PeerId| self.peers.get(peer).is_some_and(|known| known.is_private);
        let healthy = self.points.iter().filter(move |point| point.is_healthy(now, &self.policy));
        healthy.filter(move |point| !point.peer.as_ref().is_some_and(is_private))
    }
}
