//! The pool: all tables of the control plane. The verbs of a link's life are in files of their own. Pure: no clock, no I/O, no waiting; every
//! verb is bounded work. It sits behind one mutex; the workers and the node's calls are its only users.
//!
//! A link's life, in order. Welcome alone moves an existing link; others only claim.
//!
//! 1. `claim_dial` (`dialing.rs`) before the first packet of a dial, `claim_arrival` (`arriving.rs`) before we greet who came. The place
//!    has a deadline from now on.
//! 2. `recognise` (`meeting.rs`) when a key was shown: shall we go on?
//! 3. `introduce` when the peer is authenticated: shall it have a place? One link per peer.
//! 4. `open` when both sides have admitted.
//! 5. `close` (`parting.rs`) when it is gone, from wherever: the place is free again, the address and the peer have learned from it.

use super::book::Book;
use super::keeping::Dirty;
use super::lists::{Lists, Standing};
use super::pace::{Pace, Paces};
use super::peers::Peers;
use super::points::{Point, Proof};
use super::policy::Policy;
use super::saved::Anchor;
use super::score::Scores;
use super::shareable::{Healthy, Shareable};
use super::slots::{Phase, Slot, Slots, Use};
use crate::base::address::Address;
use crate::base::limits::INTAKE_ENTRIES_MAX;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::point::{Group, host};
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// What the door was shown last, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shown {
    /// What it must hear of at once: the lists' version, and whether only trusted addresses are let in.
    pub at_once: (u64, bool),
    pub grey: u64,
    pub at: Time,
    pub version: u64,
}

/// All tables of the control plane.
#[derive(Debug)]
pub struct Pool {
    pub(super) own: PeerId,
    pub(super) own_addresses: Vec<Address>,
    /// Versions of the application's protocol that this node announces.
    pub(super) own_versions: Vec<u32>,
    pub(super) policy: Policy,
    pub(super) ids: LinkIds,
    pub(super) points: Book,
    /// Links that have been of use, until their addresses are tried.
    pub(super) of_use: BTreeSet<LinkId>,
    pub(super) peers: Peers,
    /// What answers to askers are made from.
    pub(super) shareable: Shareable,
    pub(super) healthy: Healthy,
    pub(super) lists: Lists,
    pub(super) slots: Slots,
    pub(super) scores: Scores,
    /// What is to be saved, beside the marks of the tables.
    pub(super) dirty: Dirty,
    /// Identities that the operator wants links with for ever.
    pub(super) persistent_peers: BTreeSet<PeerId>,
    pub(super) arrivals: Pace,
    pub(super) arrivals_per_host: Paces<IpAddr>,
    pub(super) dials: Pace,
    pub(super) dials_per_host: Paces<IpAddr>,
    pub(super) dials_per_prefix: Paces<IpNet>,
    /// Nothing is dialed but on request, and nobody is let in but who is trusted.
    pub(super) is_paused: bool,
    /// Peers to dial first after a restart.
    pub(super) anchors: Vec<Anchor>,
    /// Addresses that somebody wants to be felt.
    pub(super) checks_wanted: VecDeque<SocketAddr>,
    /// Links that were let go for wanted roles.
    pub(super) replacements: Pace,
    /// Counts the steps of links' lives, so that which came first is known even at equal times.
    step: u64,
    /// Maintenance wants somebody asked for addresses.
    pub(super) wants_addresses: bool,
    /// Addresses were learned since maintenance last looked.
    pub(super) has_fresh_points: bool,
    /// New addresses taken from each peer, and from each group of peers.
    pub(super) intake_per_peer: Paces<PeerId>,
    pub(super) intake_per_group: Paces<Group>,
    /// How many connections have ended for each reason, at whatever stage.
    pub(super) ends: BTreeMap<CloseReason, u64>,
    /// What the door was shown last.
    pub(super) shown: Shown,
    /// Whose groups keep their places at the limit nobody else can foresee.
    pub(super) evict_key: Option<[u8; 16]>,
    /// The node is stopping: nothing new begins.
    pub(super) is_stopping: bool,
}

impl Pool {
    /// An empty pool of the node `own`. `ids` is shared with the reactor, which takes its ids for arrivals.
    pub fn new(own: PeerId, policy: Policy, ids: LinkIds) -> Pool {
        Pool {
            own,
            own_addresses: Vec::new(),
            own_versions: Vec::new(),
            ids,
            points: Book::new([0; 16]),
            of_use: BTreeSet::new(),
            peers: Peers::default(),
            shareable: Shareable::default(),
            healthy: Healthy::default(),
            lists: Lists::new(policy.greylist_max),
            slots: Slots::default(),
            scores: Scores::new(policy.score),
            dirty: Dirty::default(),
            persistent_peers: BTreeSet::new(),
            arrivals: Pace::default(),
            arrivals_per_host: Paces::new(policy.accept_ip_entries_max),
            dials: Pace::default(),
            dials_per_host: Paces::new(policy.dial_entries_max),
            dials_per_prefix: Paces::new(policy.dial_entries_max),
            is_paused: false,
            anchors: Vec::new(),
            checks_wanted: VecDeque::new(),
            replacements: Pace::default(),
            step: 0,
            wants_addresses: false,
            has_fresh_points: false,
            intake_per_peer: Paces::new(INTAKE_ENTRIES_MAX),
            intake_per_group: Paces::new(INTAKE_ENTRIES_MAX),
            ends: BTreeMap::new(),
            shown: Shown::default(),
            evict_key: None,
            is_stopping: false,
            policy,
        }
    }

    pub(super) fn slot(&mut self, now: Time, link: LinkId, direction: Direction, remote: SocketAddr) -> Slot {
        Slot {
            link,
            direction,
            remote,
            phase: if direction == Direction::Outbound { Phase::Dialing } else { Phase::Arrived },
            purpose: None,
            peer: None,
            hello: None,
            point: None,
            sought: None,
            is_extra: false,
            since: now,
            deadline: now,
            claimed_at_step: self.next_step(),
            opened_at_step: None,
            min_rtt: None,
            useful: [None; Use::ALL.len()],
            messages_in: 0,
            doomed: None,
        }
    }

    /// One of the places beyond `pool.max` is free.
    pub(super) fn has_extra_place(&self) -> bool {
        self.slots.counts().extra() < self.policy.trusted_extra
    }

    pub(super) fn next_step(&mut self) -> u64 {
        self.step += 1;
        self.step
    }

    /// Private mode keeps it out: the operator has neither trusted it nor made it persistent. Of who arrives, `peer` and `point` are not
    /// known at first.
    pub(super) fn is_stranger(&self, now: Time, ip: IpAddr, peer: Option<&PeerId>, point: Option<SocketAddr>) -> bool {
        if !self.policy.is_trusted_only {
            return false;
        }
        let is_persistent = point.and_then(|at| self.points.get(at)).is_some_and(|point| point.is_persistent)
            || peer.is_some_and(|peer| self.is_persistent_peer(peer));
        !is_persistent && self.lists.standing(now, Some(ip), peer) != Standing::Trusted
    }

    /// True if somebody whom private mode lets in is known by his identity alone, wherever he comes from.
    pub(super) fn knows_identities(&self) -> bool {
        self.lists.trusts_identities() || !self.persistent_peers.is_empty()
    }

    /// Who listens at a persistent address of that host is to show who he is: no identity was named with it, so that only a dial tells.
    pub(super) fn may_be_persistent(&self, ip: IpAddr) -> bool {
        self.nameless_persistents().any(|point| host(point.at.ip()) == host(ip))
    }

    /// Persistent points that were named by the address alone.
    pub(super) fn nameless_persistents(&self) -> impl Iterator<Item = &Point> {
        self.points.fixed().filter(|point| point.is_persistent && point.expected.is_none())
    }

    /// Never dropped or refused for want of places, never greylisted.
    pub(super) fn is_protected(&self, now: Time, ip: IpAddr, peer: &PeerId) -> bool {
        self.is_persistent_peer(peer) || self.lists.standing(now, Some(ip), Some(peer)) == Standing::Trusted
    }

    /// The operator has named it as persistent, or its address, where a dial has met it.
    pub(super) fn is_persistent_peer(&self, peer: &PeerId) -> bool {
        let is_fixed = |point: &Point| point.is_persistent && point.proof == Proof::Dialed;
        self.persistent_peers.contains(peer) || self.points.of_peer(peer).any(is_fixed)
    }
}
