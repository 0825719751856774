//! One known address: where it came from, what is known of it and where it stands in its life; and which addresses may be known at all. Pure:
//! the book keeps the addresses (`book.rs`) and the pool's verbs move them (`life.rs`).

use super::buckets::Places;
use super::policy::{Policy, UNHEALTHY_AFTER};
use crate::base::address::{Address, Host, Scheme};
use crate::base::limits::CAPABILITIES_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::{Group, canonical, is_global, is_host};
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::wire::hello::Capability;
use std::cmp::Reverse;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Fruitless dials after which an unproven address makes room for others (CometBFT numRetries, Bitcoin ADDRMAN_RETRIES).
pub(super) const FRUITLESS: u32 = 3;
/// Failures in a row after which even a proven one does, if its last success is as old as `FAILING_FOR` (CometBFT maxFailures, minBadDays).
const FAILING: u32 = 10;
const FAILING_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Nobody gives way this soon after he was dialed: the dial may be under way (CometBFT, Bitcoin).
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// The life of a known address. One visible state; the numbers beside it say when it may move on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// May be dialed once its time has come.
    Candidate,
    /// A dial is under way.
    Dialing(LinkId),
    /// A persistent point whose link or dial ended; dialed again for ever.
    Reconnecting,
    /// A link with the peer at this address is open.
    Connected(LinkId),
    /// Given up: neither dialed nor shared until then. Never a ground to refuse who comes from there.
    Bad { until: Time },
}

/// What shows that the address is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Somebody said so.
    Heard,
    /// The peer itself said so on a link that came from that host.
    Host,
    /// We dialed it and a peer showed its key there.
    Dialed,
}

/// Who told of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The operator or the application.
    Own,
    /// A peer in this group.
    Group(Group),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Own => f.write_str("own"),
            Source::Group(group) => group.fmt(f),
        }
    }
}

/// One known address.
#[derive(Clone, Debug)]
pub struct Point {
    pub at: SocketAddr,
    /// Who answers there: proven if `proof` is `Dialed`, hearsay otherwise.
    pub peer: Option<PeerId>,
    /// What the peer can do. Only its own word counts for more than the choice of whom to dial, and only that is passed on.
    pub capabilities: Vec<Capability>,
    /// The capabilities are what `peer` itself said on a link; hearsay changes them no more.
    pub is_own_word: bool,
    pub source: Source,
    pub proof: Proof,
    pub state: State,
    pub is_persistent: bool,
    pub is_seed: bool,
    /// Who must answer, as the operator wrote it.
    pub expected: Option<PeerId>,
    /// Failures in a row.
    pub attempts: u32,
    /// Dials in a row that the peer has answered and refused.
    pub refusals: u8,
    /// Not dialed by maintenance before.
    pub next_dial: Time,
    /// Since when `proof` is more than hearsay.
    pub proven_since: Option<Time>,
    pub last_heard: Time,
    pub last_dialed: Option<Time>,
    pub last_seen: Option<Time>,
    pub last_miss: Option<Time>,
    /// The last failure, and why.
    pub last_failure: Option<(Time, CloseReason)>,
    /// At which version of the healthy set it joined it; 0: it is not in it.
    pub healthy_at: u64,
    /// What the application has noted of it.
    pub metadata: Box<[u8]>,
    /// Times that it was reinstated without a success since.
    pub reinstated: u8,
    /// Its places in the book's tables.
    pub(super) places: Places,
}

const _: () = assert!(size_of::<(SocketAddr, Point)>() <= sizes::POINT);

impl Point {
    pub(super) fn new(now: Time, at: SocketAddr, source: Source) -> Point {
        Point {
            at,
            peer: None,
            capabilities: Vec::new(),
            is_own_word: false,
            source,
            proof: Proof::Heard,
            state: State::Candidate,
            is_persistent: false,
            is_seed: false,
            expected: None,
            attempts: 0,
            refusals: 0,
            next_dial: Time::ZERO,
            proven_since: None,
            last_heard: now,
            last_dialed: None,
            last_seen: None,
            last_miss: None,
            last_failure: None,
            healthy_at: 0,
            metadata: Box::default(),
            reinstated: 0,
            places: Places::default(),
        }
    }

    /// Configured by the operator: never evicted, never bad.
    pub fn is_fixed(&self) -> bool {
        self.is_persistent || self.is_seed
    }

    /// Somebody, or the peer itself, says that it has that capability.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known.name == capability)
    }

    /// Says who answers there. What was known of somebody else's capabilities goes.
    pub(super) fn name(&mut self, peer: PeerId) {
        if self.peer.is_some_and(|known| known != peer) {
            self.capabilities = Vec::new();
            self.is_own_word = false;
        }
        self.peer = Some(peer);
    }

    /// The address as it is shared.
    pub fn address(&self) -> Address {
        Address::of(self.at, self.peer)
    }

    /// No link and no dial uses it.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Candidate | State::Reconnecting)
    }

    /// A dial has shown that it is there, nothing has shown otherwise since, and it was seen lately or is linked.
    pub fn is_healthy(&self, now: Time, policy: &Policy) -> bool {
        let is_linked = matches!(self.state, State::Connected(_));
        let is_fresh = is_linked || self.last_seen.is_some_and(|seen| now.since(seen) <= policy.shared_for);
        is_fresh && self.attempts < policy.unhealthy_after && self.counts_as_healthy()
    }

    /// As `is_healthy`, but for the time, and by the number that the policy has: what the version of the healthy set follows.
    pub(super) fn counts_as_healthy(&self) -> bool {
        self.proof == Proof::Dialed && self.attempts < UNHEALTHY_AFTER && !matches!(self.state, State::Bad { .. })
    }

    /// Who is there, as far as the operator or a dial of ours has said: what others say of an address must not keep it undialed.
    pub fn known_peer(&self) -> Option<PeerId> {
        self.expected.or(self.peer.filter(|_| self.proof == Proof::Dialed))
    }

    /// It has proven good over time: its place is in the tried table.
    pub fn is_tried(&self) -> bool {
        self.places.is_tried()
    }

    /// A link or a dial uses it.
    pub fn is_in_use(&self) -> bool {
        matches!(self.state, State::Dialing(_) | State::Connected(_))
    }

    /// When maintenance may dial it for a link; `None` for those that are dialed by rules of their own, or not at all now.
    pub(super) fn due(&self) -> Option<Time> {
        (self.state == State::Candidate && !self.is_fixed()).then_some(self.next_dial)
    }

    /// It competes for places: the operator's own need none, bad ones have lost theirs.
    pub(super) fn wants_place(&self) -> bool {
        !self.is_fixed() && !matches!(self.state, State::Bad { .. })
    }

    /// When somebody last said, or we last saw, that it is there.
    pub(super) fn last_known(&self) -> Time {
        self.last_heard.max(self.last_seen.unwrap_or(Time::ZERO))
    }

    /// It gives way to a newcomer (Bitcoin's IsTerrible, with CometBFT's numbers).
    pub(super) fn is_terrible(&self, now: Time, policy: &Policy) -> bool {
        let is_fresh = self.last_dialed.is_some_and(|dialed| now.since(dialed) < GRACE);
        let is_failing = match self.last_seen {
            None => self.attempts >= FRUITLESS,
            Some(seen) => self.attempts >= FAILING && now.since(seen) >= FAILING_FOR,
        };
        !self.is_in_use() && !is_fresh && (is_failing || now.since(self.last_known()) >= policy.horizon)
    }

    /// The peer answered there: what was held against the address is over.
    pub(super) fn succeed(&mut self, now: Time) {
        self.last_seen = Some(now);
        self.reinstated = 0;
    }

    /// Where a point rests while nothing uses it.
    pub(super) fn rest(&self) -> State {
        if self.is_persistent { State::Reconnecting } else { State::Candidate }
    }

    /// Smaller is worse: bad before others, unproven before proven, failed before untried, long unheard before fresh.
    pub(super) fn worth(&self) -> (bool, Proof, Reverse<u32>, Time) {
        (!matches!(self.state, State::Bad { .. }), self.proof, Reverse(self.attempts), self.last_seen.unwrap_or(self.last_heard))
    }
}

/// An address that somebody told of.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    pub address: &'a Address,
    /// What somebody else than the peer says of it; the peer's own word comes by `note_capabilities`.
    pub capabilities: &'a [Capability],
    pub source: Source,
    pub proof: Proof,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    New,
    Known,
    Refused,
}

/// How a use of a point ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nobody, or somebody else, answered.
    Missed,
    /// The peer answered and refused.
    Refused,
    /// The peer answered; the dial was only superfluous.
    Superfluous,
    /// An open link was lost.
    Lost,
    /// An open link was ended by us or them on purpose.
    Parted,
    /// The peer can never be of use: another network.
    Useless,
}

/// Capabilities as they are kept: no more than one Hello may announce.
pub(super) fn kept(capabilities: &[Capability]) -> Vec<Capability> {
    capabilities.iter().take(CAPABILITIES_MAX).cloned().collect()
}

/// The source group whose share a point counts to: undialed points of others.
pub(super) fn counted(point: &Point) -> Option<Group> {
    match point.source {
        Source::Group(group) if point.proof < Proof::Dialed && is_global(point.at.ip()) => Some(group),
        _ => None,
    }
}

/// The socket address of an address that this node could dial and may use.
pub fn dialable(address: &Address, policy: &Policy) -> Option<SocketAddr> {
    let Host::Ip(ip) = address.host else { return None };
    let at = SocketAddr::new(canonical(ip), address.port);
    let may_use = is_global(at.ip()) || policy.allow_private;
    (address.scheme == Scheme::Bowline && is_reachable(at) && may_use).then_some(at)
}

/// A node could be there: it has a port, and its host is a host and not many or any.
pub(super) fn is_reachable(at: SocketAddr) -> bool {
    at.port() != 0 && is_host(at.ip())
}

/// A socket address with IPv4-mapped hosts made IPv4, and without scope or flow.
pub fn canonical_socket(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(canonical(at.ip()), at.port())
}
