//! The tables for people: pages of rows that tell how each address and identity stands, and what is changed there by hand. Whoever reads a
//! whole table asks page by page, so that the pool's lock is never held for long. It moves no link; `Node`'s calls are its only users.

use super::lists::Standing;
use super::peers::Peer;
use super::points::{Intake, Offer, Point, Proof, Source, State, canonical_socket, dialable};
use super::table::Pool;
use crate::base::address::{Address, AddressError, Scheme};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use std::net::SocketAddr;

/// Rows that are looked at together: some tens of microseconds.
pub const PAGE: usize = 256;

/// A `State` without what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKind {
    Candidate,
    Dialing,
    Reconnecting,
    Connected,
    Bad,
}

impl State {
    pub const fn kind(self) -> StateKind {
        match self {
            State::Candidate => StateKind::Candidate,
            State::Dialing(_) => StateKind::Dialing,
            State::Reconnecting => StateKind::Reconnecting,
            State::Connected(_) => StateKind::Connected,
            State::Bad { .. } => StateKind::Bad,
        }
    }
}

/// Which addresses are asked for: those that fit all that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointFilter {
    pub state: Option<StateKind>,
    pub proof: Option<Proof>,
    /// Who answers there, or is supposed to.
    pub peer: Option<PeerId>,
}

impl PointFilter {
    fn fits(&self, point: &Point) -> bool {
        self.state.is_none_or(|state| point.state.kind() == state)
            && self.proof.is_none_or(|proof| point.proof == proof)
            && self.peer.is_none_or(|peer| point.peer == Some(peer))
    }
}

/// How a known address stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointInfo {
    /// With the peer that answers there: proven if `proof` is `Dialed`, hearsay otherwise.
    pub address: Address,
    pub state: State,
    pub proof: Proof,
    pub source: Source,
    pub is_persistent: bool,
    pub is_seed: bool,
    /// It has proven good over time: its place is in the tried table.
    pub is_tried: bool,
    /// Failures in a row.
    pub attempts: u32,
    /// Maintenance does not dial it before.
    pub next_dial: Time,
    pub last_heard: Time,
    pub last_dialed: Option<Time>,
    pub last_seen: Option<Time>,
    /// The last failure, and why.
    pub last_failure: Option<(Time, CloseReason)>,
    /// What the application has noted of it.
    pub metadata: Box<[u8]>,
}

impl PointInfo {
    fn of(point: &Point) -> PointInfo {
        PointInfo {
            address: point.address(),
            state: point.state,
            proof: point.proof,
            source: point.source,
            is_persistent: point.is_persistent,
            is_seed: point.is_seed,
            is_tried: point.is_tried(),
            attempts: point.attempts,
            next_dial: point.next_dial,
            last_heard: point.last_heard,
            last_dialed: point.last_dialed,
            last_seen: point.last_seen,
            last_failure: point.last_failure,
            metadata: point.metadata.clone(),
        }
    }
}

/// An identity that was authenticated once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    pub id: PeerId,
    pub first_seen: Time,
    /// When it came or went last: while it has a link, when that was admitted.
    pub last_seen: Time,
    /// Links with it that are open or about to open.
    pub links: u32,
    /// It does not want to be advertised.
    pub is_private: bool,
    pub score: i32,
    /// When and why its links, and dials that had met it, have failed: the last four, oldest first.
    pub failures: Vec<(Time, CloseReason)>,
    /// What the application has noted of it.
    pub metadata: Box<[u8]>,
}

/// Some rows of a table, and from which key on the next page goes; `None`: there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, K> {
    pub rows: Vec<T>,
    pub after: Option<K>,
}

impl<T, K> Page<T, K> {
    /// The next page of a table: its rows that are still to come, the key of each, and what is shown of it, if it is.
    pub fn of<R>(table: impl Iterator<Item = R>, key: impl Fn(&R) -> K, row: impl FnMut(R) -> Option<T>) -> Page<T, K> {
        let looked_at: Vec<R> = table.take(PAGE).collect();
        let after = looked_at.last().filter(|_| looked_at.len() == PAGE).map(key);
        Page { rows: looked_at.into_iter().filter_map(row).collect(), after }
    }
}

/// Why an address was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the name {0} could not be resolved")]
    Unresolved(String),
    #[error("{} addresses are not dialed by this node: give one of bowline", .0.name())]
    Foreign(Scheme),
    #[error("{0} is no address to dial: private and other special ones need network.allow_private, and some never are")]
    NotRoutable(SocketAddr),
    #[error("{0} is known already: remove it first to say something else of it")]
    Known(SocketAddr),
    #[error("{0} is this node itself")]
    Own(SocketAddr),
    #[error("{0} or its peer is banned: lift the ban first")]
    Banned(SocketAddr),
    #[error("the address book has no place for it: those that it could have belong to good addresses")]
    Full,
    #[error("the node is not running")]
    NotRunning,
}

/// What became of an address that was to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    Removed,
    Unknown,
    /// It is one of the operator's seeds or persistent points.
    Fixed,
    /// A link or dial uses it.
    InUse,
}

impl Pool {
    /// The known addresses behind `after`, in their order: of the next 256, those that the filter wants.
    pub fn points_page(&self, after: Option<SocketAddr>, filter: &PointFilter) -> Page<PointInfo, SocketAddr> {
        Page::of(self.points.behind(after), |point| point.at, |point| filter.fits(point).then(|| PointInfo::of(point)))
    }

    /// The operator's own addresses: persistent points, or seeds.
    pub fn fixed_points(&self, is_persistent: bool) -> Vec<PointInfo> {
        let wanted = |point: &&Point| if is_persistent { point.is_persistent } else { point.is_seed };
        self.points.fixed().filter(wanted).map(PointInfo::of).collect()
    }

    /// The known identities behind `after`, in their order: the next 256, with the scores of `now`.
    pub fn peers_page(&self, now: Time, after: Option<PeerId>) -> Page<KnownPeer, PeerId> {
        Page::of(self.peers.behind(after), |(id, _)| **id, |(id, peer)| Some(self.known_peer(now, id, peer)))
    }

    fn known_peer(&self, now: Time, id: &PeerId, peer: &Peer) -> KnownPeer {
        KnownPeer {
            id: *id,
            first_seen: peer.first_seen,
            last_seen: peer.last_seen,
            links: peer.links,
            is_private: peer.is_private,
            score: self.scores.value(now, id),
            failures: peer.failures.iter().copied().collect(),
            metadata: peer.metadata.clone(),
        }
    }

    /// Takes an address by the operator's word. In order: it is one that this node dials, not its own, not banned, not known. What is
    /// refused changes nothing.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn add_point(&mut self, now: Time, address: &Address) -> Result<(), AddError> {
        if address.scheme != Scheme::Bowline {
            return Err(AddError::Foreign(address.scheme));
        }
        let Some(at) = address.socket().map(canonical_socket) else { return Err(AddError::Unresolved(address.to_string())) };
        if self.points.is_self(at) || address.id == Some(self.own) {
            return Err(AddError::Own(at));
        }
        if dialable(address, &self.policy).is_none() {
            return Err(AddError::NotRoutable(at));
        }
        if self.lists.standing(now, Some(at.ip()), address.id.as_ref()) == Standing::Banned {
            return Err(AddError::Banned(at));
        }
        if self.points.get(at).is_some() {
            return Err(AddError::Known(at));
        }
        let offer = Offer { address, capabilities: &[], source: Source::Own, proof: Proof::Heard };
        match self.points.learn(now, &offer, &self.policy) {
            Intake::New => {
                self.has_fresh_points = true;
                Ok(())
            }
            Intake::Known | Intake::Refused => Err(AddError::Full),
        }
    }

    /// Forgets an address, unless something needs it.
    pub fn forget_point(&mut self, at: SocketAddr) -> Removal {
        let at = canonical_socket(at);
        match self.points.get(at) {
            None => Removal::Unknown,
            Some(point) if point.is_fixed() => Removal::Fixed,
            Some(point) if point.is_in_use() => Removal::InUse,
            Some(_) => {
                self.points.remove(at);
                Removal::Removed
            }
        }
    }
}
