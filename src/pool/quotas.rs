//! Role quotas: how many links lead to peers with a capability, whom to dial and whom to let go for one, and whom to spare. What a linked
//! peer can do is its own word, from its Hello; what is said of others only chooses whom to dial. Maintenance asks it, and the pool's
//! own admissions and evictions.

use super::choose_dial::Candidates;
use super::pace::Allowance;
use super::points::Point;
use super::slots::{Phase, Purpose, Slot};
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::quota::{self, Quota, QuotaError, RoleQuota};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::Hello;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A link gives way to a wanted role this often at most, so that lies about roles cannot make a node lose its links in a hurry.
const REPLACEMENT: Allowance = Allowance { interval: Duration::from_secs(10), burst: 1 };

/// How a quota stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTally {
    pub capability: String,
    pub quota: Quota,
    /// Links that there should be.
    pub wanted: usize,
    /// Links that there are, open or about to be.
    pub linked: usize,
    /// Dials under way to addresses whose peers are said to have it.
    pub dialing: usize,
}

impl RoleTally {
    /// A quota of a node without links.
    pub fn nothing_yet(RoleQuota { capability, quota }: RoleQuota) -> RoleTally {
        RoleTally { capability, quota, wanted: quota.of(0), linked: 0, dialing: 0 }
    }

    /// Dials that are to begin yet.
    pub fn missing(&self) -> usize {
        self.wanted.saturating_sub(self.linked + self.dialing)
    }
}

/// What may go of the links that quotas count.
pub(super) struct Spare<'a>(Vec<(&'a str, usize)>);

impl Spare<'_> {
    /// True if a quota needs the link of that peer.
    pub fn needs(&self, hello: Option<&Hello>) -> bool {
        hello.is_some_and(|hello| self.0.iter().any(|(capability, spare)| *spare == 0 && hello.has(capability)))
    }

    /// True if the link of that peer is not needed, or there are more than enough of its kind; then there is one less.
    pub fn take(&mut self, hello: Option<&Hello>) -> bool {
        if self.needs(hello) {
            return false;
        }
        let Some(hello) = hello else { return true };
        self.0.iter_mut().filter(|(capability, _)| hello.has(capability)).for_each(|(_, spare)| *spare -= 1);
        true
    }
}

impl Pool {
    pub fn quotas(&self) -> &[RoleQuota] {
        &self.policy.roles
    }

    /// Sets the quota of a capability, or takes it away.
    ///
    /// # Errors
    /// If it, or all together, cannot be: nothing is changed then.
    pub fn set_quota(&mut self, capability: &str, quota: Option<Quota>) -> Result<(), QuotaError> {
        let mut roles = self.policy.roles.clone();
        let known = roles.iter().position(|one| one.capability == capability);
        match (known, quota) {
            (Some(at), Some(quota)) => roles[at].quota = quota,
            (Some(at), None) => drop(roles.remove(at)),
            (None, Some(quota)) => roles.push(RoleQuota { capability: capability.to_owned(), quota }),
            (None, None) => {}
        }
        quota::check(&roles, self.policy.bounds.max)?;
        self.policy.roles = roles;
        Ok(())
    }

    /// How all quotas stand, if there are to be so many links altogether.
    pub fn tallies(&self, links: usize) -> Vec<RoleTally> {
        self.policy.roles.iter().map(|one| self.tally(one, links)).collect()
    }

    /// How one quota stands, if there are to be so many links altogether.
    pub fn tally(&self, RoleQuota { capability, quota }: &RoleQuota, links: usize) -> RoleTally {
        let is_said_to = |at: SocketAddr| self.points.get(at).is_some_and(|point| point.has(capability));
        let is_dial =
            |slot: &&Slot| matches!(slot.phase, Phase::Dialing | Phase::Recognised) && slot.doomed.is_none() && !slot.is_feeler();
        let dialing = self.slots.iter().filter(is_dial).filter(|slot| slot.point.is_some_and(is_said_to)).count();
        let (capability, linked) = (capability.clone(), self.linked(capability));
        RoleTally { capability, quota: *quota, wanted: quota.of(links), linked, dialing }
    }

    /// True if dials for a role are to begin, once somebody who has it is known.
    pub fn is_short_of_roles(&self) -> bool {
        let links = self.slots.counts().links();
        self.policy.roles.iter().any(|one| self.tally(one, links).missing() > 0)
    }

    fn linked(&self, capability: &str) -> usize {
        let has = |slot: &&Slot| slot.is_link() && slot.hello.as_ref().is_some_and(|hello| hello.has(capability));
        self.slots.iter().filter(has).count()
    }

    /// Up to `count` addresses to dial for a capability: first those whose peers have said themselves that they have it, then those of
    /// whom others say so. What a peer has said of itself holds for all of its addresses. Seeds are among them, persistent peers are dialed
    /// in any case.
    pub fn whom_to_dial_for(&self, now: Time, capability: &str, count: usize, rng: &mut Rng) -> Candidates {
        let own = self.points.iter().filter(|point| point.is_own_word);
        let words: BTreeMap<PeerId, bool> = own.filter_map(|point| Some((point.peer?, point.has(capability)))).collect();
        let own_word = |peer: Option<PeerId>| peer.and_then(|peer| words.get(&peer).copied());
        let says_so = |point: &Point| !point.is_persistent && own_word(point.peer) == Some(true);
        let is_said_to = |point: &Point| !point.is_persistent && own_word(point.peer).is_none() && point.has(capability);
        let mut candidates = self.candidates(now, count, rng, says_so);
        let left = count - candidates.now.len();
        let hearsay = self.candidates(now, left, rng, is_said_to);
        candidates.now.extend(hearsay.now);
        candidates.next_at = [candidates.next_at, hearsay.next_at].into_iter().flatten().min();
        candidates
    }

    /// The link to let go for a peer with a wanted role: of the unprotected that have none the one with the lowest score, at random among
    /// equals; but first whoever was dialed for a role that he has not.
    pub fn whom_to_replace(&self, now: Time, direction: Option<Direction>, rng: &mut Rng) -> Option<LinkId> {
        let has_none = |slot: &&&Slot| !self.has_wanted_role(slot);
        self.droppable(now, direction, rng).iter().find(has_none).map(|slot| slot.link)
    }

    /// Takes the right to let a link go for a wanted role.
    ///
    /// # Errors
    /// When there is one again.
    pub fn take_replacement(&mut self, now: Time) -> Result<(), Time> {
        if self.replacements.take(now, REPLACEMENT) { Ok(()) } else { Err(self.replacements.next_at(REPLACEMENT)) }
    }

    /// The inbound link that makes room for an arrival whose role is wanted. Its host and group get no more places than others.
    pub(super) fn whom_to_evict_for(&mut self, now: Time, ip: IpAddr, hello: &Hello, rng: &mut Rng) -> Option<LinkId> {
        if !self.wants(hello) || self.slots.is_crowded(ip, &self.policy) {
            return None;
        }
        let evicted = self.whom_to_replace(now, Some(Direction::Inbound), rng)?;
        self.take_replacement(now).ok().map(|()| evicted)
    }

    /// What may go of the links that quotas count, down to so many altogether.
    pub(super) fn spare(&self, links: usize) -> Spare<'_> {
        let spare = |one: &RoleQuota| self.linked(&one.capability).saturating_sub(one.quota.of(links));
        Spare(self.policy.roles.iter().map(|one| (one.capability.as_str(), spare(one))).collect())
    }

    /// It was dialed for a role, and has none that is wanted.
    pub(super) fn is_disappointing(&self, slot: &Slot) -> bool {
        slot.purpose == Some(Purpose::Role) && !self.has_wanted_role(slot)
    }

    fn has_wanted_role(&self, slot: &Slot) -> bool {
        slot.hello.as_ref().is_some_and(|hello| self.policy.roles.iter().any(|one| hello.has(&one.capability)))
    }

    /// A link with this peer would bring a quota nearer to what is wanted.
    fn wants(&self, hello: &Hello) -> bool {
        let links = self.slots.counts().links() + 1;
        let is_short = |one: &RoleQuota| self.linked(&one.capability) < one.quota.of(links);
        self.policy.roles.iter().any(|one| hello.has(&one.capability) && is_short(one))
    }
}
