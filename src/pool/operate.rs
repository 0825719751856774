//! The pool's verbs beside the life of links: what the operator orders, what workers learn and want, what readers see. They take
//! effect at once and send nothing; a caller closes the links that it is told to close.

use super::book::Book;
use super::lists::{By, Entry, ListError, Lists, Standing};
use super::meeting::seen_at;
use super::pace::Allowance;
use super::peers::{PeerInfo, Peers};
use super::points::{Intake, Offer, Point, Proof, Source, canonical_socket, dialable};
use super::policy::Policy;
use super::score;
use super::slots::{Counts, Slot, Slots};
use super::table::{Pool, Shown};
use crate::base::address::{Address, Host};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::is_global;
use crate::base::reason::CloseReason;
use crate::base::shut::Shut;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::Capability;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The greylist is shown to the door no sooner than this after the last time.
const SHOWN_AGAIN: Duration = Duration::from_secs(1);

impl Pool {
    pub fn own(&self) -> PeerId {
        self.own
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Goes on by other numbers; links beyond new bounds are dropped by the next maintenance.
    pub fn set_policy(&mut self, policy: Policy) {
        // The map of groups is no setting that changes while the node runs.
        let grouping = self.policy.grouping.clone();
        self.scores.set_rules(policy.score);
        self.policy = Policy { grouping, ..policy };
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

    pub fn points(&self) -> &Book {
        &self.points
    }

    pub fn points_mut(&mut self) -> &mut Book {
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
        if self.points.get(canonical_socket(at)).is_none() {
            // It gets its place in any case, but those that have lost their special place must not pile up.
            self.points.make_room(&self.policy);
        }
        let is_fixed = self.points.fix(now, at, peer, is_persistent);
        self.note_persistent_peers();
        is_fixed
    }

    /// Who is protected follows from the points alone, so that nobody stays so whom no point names any more.
    fn note_persistent_peers(&mut self) {
        self.persistent_peers =
            self.points.fixed().filter(|point| point.is_persistent).filter_map(|point| point.expected).collect();
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

    /// Drops addresses that are old or fruitless, reinstates bad ones whose time is over, and makes those of useful links tried.
    pub fn expire_points(&mut self, now: Time) {
        for link in self.of_use.clone() {
            self.try_link(now, link);
        }
        self.points.expire(now, &self.policy);
    }

    /// Says with what the places of the book are drawn. Nobody else may know it, or he could choose addresses that compete for one place.
    pub fn set_book_key(&mut self, key: [u8; 16]) {
        self.points.draw_anew(key, self.policy.grouping.clone(), &self.policy);
    }

    /// The peer of `link` has been of use: by a message or an answer that it sent, or by a verdict of the application. Once the link is
    /// `tried_after` old, its address becomes a tried one. Only of links that we dialed: else anyone could have himself tried by coming.
    pub(super) fn note_good(&mut self, now: Time, link: LinkId) {
        let is_ours = |slot: &Slot| slot.is_open() && slot.direction == Direction::Outbound;
        let at = self.slots.get(link).filter(|slot| is_ours(slot)).and_then(|slot| slot.point);
        if at.and_then(|at| self.points.get(at)).is_some_and(|point| point.wants_place() && !point.is_tried()) {
            self.of_use.insert(link);
            self.try_link(now, link);
        }
    }

    fn try_link(&mut self, now: Time, link: LinkId) {
        let Some(slot) = self.slots.get(link).filter(|slot| slot.is_open()) else {
            self.of_use.remove(&link);
            return;
        };
        if let Some(at) = slot.point.filter(|_| now.since(slot.since) >= self.policy.tried_after) {
            self.of_use.remove(&link);
            self.points.good(now, at, &self.policy);
        }
    }

    /// Bans by the operator's word, and gives the links that must close with `Banned` now.
    ///
    /// # Errors
    /// `Full`.
    pub fn ban(&mut self, now: Time, subject: Subject, until: Option<Time>, why: &str) -> Result<Vec<LinkId>, ListError> {
        self.lists.ban(subject, Entry::new(now, until, why, By::Operator))?;
        Ok(self.part_with_banned(now))
    }

    /// The links that must close with `Banned` now.
    pub fn part_with_banned(&mut self, now: Time) -> Vec<LinkId> {
        let is_banned = |slot: &&Slot| {
            slot.doomed.is_none() && self.lists.standing(now, Some(slot.remote.ip()), slot.peer.as_ref()) == Standing::Banned
        };
        let links: Vec<LinkId> = self.slots.iter().filter(is_banned).map(|slot| slot.link).collect();
        for link in &links {
            self.doom(now, *link, CloseReason::Banned);
        }
        links
    }

    /// Lets go of everybody whom `pool.trusted_only` keeps out and who is in: trust has ended, or the setting has changed. Gives the links
    /// that must close with `NotTrusted` now.
    pub fn part_with_strangers(&mut self, now: Time) -> Vec<LinkId> {
        let is_stranger = |slot: &&Slot| {
            let is_known = slot.is_authenticated() || slot.direction == Direction::Outbound;
            is_known && slot.doomed.is_none() && self.is_stranger(now, slot.remote.ip(), slot.peer.as_ref(), slot.point)
        };
        let links: Vec<LinkId> = self.slots.iter().filter(is_stranger).map(|slot| slot.link).collect();
        for link in &links {
            self.doom(now, *link, CloseReason::NotTrusted);
        }
        links
    }

    /// From now on `take_additions` says which addresses were added.
    pub fn tell_additions(&mut self) {
        self.points.additions.get_or_insert_default();
    }

    /// Addresses that were added since the last call and are still known, each with who is said to answer there.
    pub fn take_additions(&mut self) -> Vec<Address> {
        let added = self.points.additions.as_mut().map(std::mem::take).unwrap_or_default();
        added.into_iter().filter_map(|at| self.points.get(at).map(Point::address)).collect()
    }

    /// What the door has to know, if that has changed: bans and trust at once, the greylist once a second, for it may be long.
    pub fn take_shut(&mut self, now: Time) -> Option<Shut> {
        let is_nobody_awaited = || !self.knows_identities() && self.nameless_persistents().next().is_none();
        let is_shut_to_strangers = self.policy.is_trusted_only && is_nobody_awaited();
        let at_once = (self.lists.version(), is_shut_to_strangers);
        let grey = self.lists.grey_version();
        let is_due = at_once != self.shown.at_once || grey != self.shown.grey && now >= self.shown.at + SHOWN_AGAIN;
        if !is_due {
            return None;
        }
        self.shown = Shown { at_once, grey, at: now, version: self.shown.version + 1 };
        Some(Shut { version: self.shown.version, is_trusted_only: is_shut_to_strangers, ..self.lists.shut(now) })
    }

    /// Ends what `fix` began for a persistent point, or for a seed: it stays known, and a link with it open. False if there was no such point.
    pub fn unfix(&mut self, at: SocketAddr, is_persistent: bool) -> bool {
        let at = canonical_socket(at);
        let is_such = |point: &&Point| if is_persistent { point.is_persistent } else { point.is_seed };
        if self.points.get(at).filter(is_such).is_none() {
            return false;
        }
        self.points.unfix(at, is_persistent);
        self.note_persistent_peers();
        true
    }

    /// Who must be at an address that the operator configured.
    pub fn expect_at(&mut self, at: SocketAddr, peer: Option<PeerId>) {
        self.points.expect(at, peer);
        self.note_persistent_peers();
    }

    /// From now on nothing is dialed but on request, and nobody is let in but who is trusted. Links and dials that there are go on.
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.is_paused = false;
    }

    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Forgets identities that have had no link for long, unless they have a score, a note of the application, or are persistent.
    pub fn expire_peers(&mut self, now: Time) {
        let is_kept = |peer: &PeerId| self.persistent_peers.contains(peer) || self.scores.knows(peer);
        self.peers.expire(now, self.policy.peer_forgotten_after, is_kept);
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
        self.note_last_anchors();
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

    /// A link of an admitted peer, with its score of `now`. One that is not open here yet opens now.
    pub fn peer(&self, now: Time, link: LinkId) -> Option<PeerInfo> {
        let slot = self.slots.get(link)?;
        let info = self.info(now, slot)?;
        Some(if slot.is_open() { info } else { PeerInfo { since: now, ..info } })
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

    /// Moves when `healthy` may have other addresses; not for those that drop out with time alone.
    pub fn healthy_changes(&self) -> u64 {
        self.points.healthy_changes() + self.peers.privacy_changes()
    }

    /// Addresses that a dial has shown to be true, that have not failed since and were seen lately; not those of peers that want to stay
    /// private.
    pub fn healthy(&self, now: Time) -> Vec<Address> {
        self.healthy_points(now).map(Point::address).collect()
    }

    pub(super) fn healthy_points(&self, now: Time) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| self.is_told_as_healthy(now, point))
    }

    pub(super) fn is_told_as_healthy(&self, now: Time, point: &Point) -> bool {
        let is_private = |peer: PeerId| self.peers.get(&peer).is_some_and(|known| known.is_private);
        point.is_healthy(now, &self.policy) && !point.peer.is_some_and(is_private)
    }
}
