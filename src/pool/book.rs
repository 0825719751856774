//! The address book: all known addresses with their places in two tables, new and tried, and what is needed to find them without looking
//! through all. It takes what others tell, seats it, and forgets. It dials nobody and has no clock and no chance of its own. `life.rs` moves
//! its addresses, `tried.rs` says who becomes tried; the pool's verbs call both.

use super::buckets::{self, Buckets, Seat};
use super::marks::Marks;
use super::points::{FRUITLESS, Intake, Offer, Point, Proof, Source, State, canonical_socket, counted, dialable, kept};
use super::policy::{Grouping, Policy};
use super::shelf::Shelf;
use crate::base::limits::{METADATA_BYTES_MAX, POINTS_PER_PEER_MAX};
use crate::base::peer::PeerId;
use crate::base::point::{Group, host, is_global};
use crate::base::time::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::{Bound, RangeInclusive};

/// Addresses that turned out to be this node itself and are remembered as such (threat T23).
const SELVES_MAX: usize = 64;
/// An address that was reinstated this often without a success is forgotten when its time is over once more.
const REINSTATED_MAX: u8 = 3;

/// Where an address stands for a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// In the new table; no dial has shown who is there.
    New,
    /// In the new table; a dial of ours has.
    Proven,
    /// In the tried table.
    Tried,
}

/// By what an address is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Keys {
    /// The source group whose share it counts to.
    source: Option<Group>,
    peer: Option<PeerId>,
    due: Option<Time>,
    table: Option<Table>,
    is_healthy: bool,
}

impl Keys {
    fn of(point: &Point) -> Keys {
        Keys {
            source: counted(point),
            peer: point.peer,
            due: point.due(),
            table: table_of(point),
            is_healthy: point.counts_as_healthy(),
        }
    }
}

/// Which table an address is in; `None` without a place.
fn table_of(point: &Point) -> Option<Table> {
    let in_new = if point.proof == Proof::Dialed { Table::Proven } else { Table::New };
    (!point.places.is_empty()).then_some(if point.is_tried() { Table::Tried } else { in_new })
}

/// All that could be known at the host of `at`: a host of IPv6 has a /64, as everywhere.
fn of_host(at: SocketAddr) -> RangeInclusive<SocketAddr> {
    let first = host(at.ip());
    let last = match first {
        IpAddr::V4(_) => first,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() | u128::from(u64::MAX)).into(),
    };
    SocketAddr::new(first, 0)..=SocketAddr::new(last, u16::MAX)
}

/// All known addresses. Bounded by `Policy::points_max` and the number of fixed ones beside; these and those in use are never evicted.
#[derive(Debug)]
pub struct Book {
    points: BTreeMap<SocketAddr, Point>,
    pub(super) fixed: BTreeSet<SocketAddr>,
    /// Undialed points of each source group.
    by_source: BTreeMap<Group, usize>,
    by_peer: BTreeSet<(PeerId, SocketAddr)>,
    /// Who may be dialed for a link, by when.
    waiting: BTreeSet<(Time, SocketAddr)>,
    shelves: BTreeMap<Table, Shelf>,
    pub(super) buckets: Buckets,
    pub(super) grouping: Grouping,
    /// Addresses whose place in the tried table another holds, and since when they wait for it.
    pub(super) collisions: BTreeMap<SocketAddr, Time>,
    /// The last time that any dial or link showed that the network is there.
    pub(super) last_success: Option<Time>,
    healthy_version: u64,
    healthy_changes: u64,
    /// Addresses that this node listens on or is dialed at.
    own: BTreeSet<SocketAddr>,
    selves: VecDeque<SocketAddr>,
    /// What was added since somebody looked, if anybody wants to know.
    pub(super) additions: Option<Vec<SocketAddr>>,
    /// Rows that are not as they were saved.
    pub(super) marks: Marks<SocketAddr>,
}

impl Book {
    /// An empty book whose places are drawn with `key`, which nobody else may know.
    pub fn new(key: [u8; 16]) -> Book {
        Book {
            points: BTreeMap::new(),
            fixed: BTreeSet::new(),
            by_source: BTreeMap::new(),
            by_peer: BTreeSet::new(),
            waiting: BTreeSet::new(),
            shelves: BTreeMap::new(),
            buckets: Buckets::new(key),
            grouping: Grouping::default(),
            collisions: BTreeMap::new(),
            last_success: None,
            healthy_version: 0,
            healthy_changes: 0,
            own: BTreeSet::new(),
            selves: VecDeque::new(),
            additions: None,
            marks: Marks::default(),
        }
    }

    /// Draws all places anew, with another key or by other groups. Who was tried stays so where a place is free.
    pub fn draw_anew(&mut self, key: [u8; 16], grouping: Grouping, policy: &Policy) {
        let mut points: Vec<Point> = std::mem::take(&mut self.points).into_values().collect();
        for point in &points {
            self.reindex(point.at, Keys::of(point), Keys::default());
        }
        (self.buckets, self.grouping) = (Buckets::new(key), grouping);
        self.collisions.clear();
        // The proven ones first: they are worth more.
        points.sort_by_key(|point| std::cmp::Reverse((point.is_tried(), point.proof)));
        for mut point in points {
            let was_tried = point.is_tried();
            point.places = buckets::Places::default();
            let is_seated = was_tried && self.seat_tried(&mut point) || self.seat(Time::ZERO, &mut point, policy, false);
            if is_seated || point.is_in_use() || !point.wants_place() {
                self.insert(point);
            }
        }
    }

    /// What its places are drawn with.
    pub fn key(&self) -> &[u8; 16] {
        self.buckets.key()
    }

    pub fn get(&self, at: SocketAddr) -> Option<&Point> {
        self.points.get(&at)
    }

    /// Every known address: for rare calls only.
    pub fn iter(&self) -> impl Iterator<Item = &Point> {
        self.points.values()
    }

    /// Known addresses in their order: from the first on, or those behind that one.
    pub fn behind(&self, after: Option<SocketAddr>) -> impl Iterator<Item = &Point> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.points.range((from, Bound::Unbounded)).map(|(_, point)| point)
    }

    /// The operator's own: persistent points and seeds.
    pub fn fixed(&self) -> impl Iterator<Item = &Point> {
        self.fixed.iter().filter_map(|at| self.points.get(at))
    }

    /// The addresses where `peer` is, or is supposed to be.
    pub fn of_peer(&self, peer: &PeerId) -> impl Iterator<Item = &Point> {
        let (first, last) = (SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from(([u16::MAX; 8], u16::MAX)));
        self.by_peer.range((*peer, first)..=(*peer, last)).filter_map(|(_, at)| self.points.get(at))
    }

    /// Those that may be dialed for a link now, longest due first.
    pub fn due(&self, now: Time) -> impl Iterator<Item = &Point> {
        self.waiting.iter().take_while(move |(due, _)| *due <= now).filter_map(|(_, at)| self.points.get(at))
    }

    /// Those that may be dialed for a link later, soonest first.
    pub fn not_due(&self, now: Time) -> impl Iterator<Item = &Point> {
        let last = SocketAddr::from(([u16::MAX; 8], u16::MAX));
        self.waiting.range((Bound::Excluded((now, last)), Bound::Unbounded)).filter_map(|(_, at)| self.points.get(at))
    }

    /// When the first of those that may be dialed for a link is due; it may be past.
    pub fn next_candidate_at(&self) -> Option<Time> {
        self.waiting.first().map(|(due, _)| *due)
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Moves with each address that becomes healthy.
    pub fn healthy_version(&self) -> u64 {
        self.healthy_version
    }

    /// Moves with each change of the healthy addresses or of who answers there; not with those that drop out with time alone.
    pub fn healthy_changes(&self) -> u64 {
        self.healthy_changes
    }

    pub(super) fn shelf(&self, table: Table) -> Option<&Shelf> {
        self.shelves.get(&table)
    }

    /// The group of an address, as its places are drawn by.
    pub(super) fn group(&self, at: SocketAddr) -> [u8; 6] {
        self.grouping.group(at.ip()).to_bytes()
    }

    /// Who told of an address, as bytes. A special address counts as told by itself: all nodes of a private network are in few groups, and would
    /// have few places.
    pub(super) fn source(&self, at: SocketAddr, source: Source) -> Vec<u8> {
        match source {
            _ if !is_global(at.ip()) => buckets::to_bytes(at).to_vec(),
            Source::Own => self.group(at).to_vec(),
            Source::Group(group) => group.to_bytes().to_vec(),
        }
    }

    /// True for this node's own addresses, as configured or as found out.
    pub fn is_self(&self, at: SocketAddr) -> bool {
        self.own.contains(&at) || self.selves.contains(&at)
    }

    /// Says which addresses are this node's own; known points at them are forgotten.
    pub fn set_own(&mut self, own: impl IntoIterator<Item = SocketAddr>) {
        self.own = own.into_iter().map(canonical_socket).collect();
        for at in self.own.clone() {
            self.remove(at);
        }
    }

    /// A dial to `at` met this node itself: it is forgotten and not learned again while remembered. The operator's own stays: who stands between
    /// could have led the dial back here.
    pub fn note_self(&mut self, at: SocketAddr) {
        if self.is_self(at) || self.fixed.contains(&at) {
            return;
        }
        if self.selves.len() >= SELVES_MAX {
            self.selves.pop_front();
        }
        self.selves.push_back(at);
        self.remove(at);
    }

    /// Keeps what the application notes of an address. False if it is not known, or the note is longer than `METADATA_BYTES_MAX`.
    pub fn set_metadata(&mut self, at: SocketAddr, metadata: &[u8]) -> bool {
        let is_kept = metadata.len() <= METADATA_BYTES_MAX && self.points.contains_key(&at);
        if is_kept {
            self.change(at, |point| point.metadata = metadata.into());
        }
        is_kept
    }

    /// Takes what somebody told of. In order: the address must be one that we can dial and may use; a known point learns what is
    /// new, and with luck gets a further place; a new one must be within its host's, its peer's and its source's share, and find a place.
    pub fn learn(&mut self, now: Time, offer: &Offer<'_>, policy: &Policy) -> Intake {
        let Some(at) = dialable(offer.address, policy) else { return Intake::Refused };
        if self.is_self(at) {
            return Intake::Refused;
        }
        if self.points.contains_key(&at) {
            self.learn_more(now, at, offer);
            self.seat_further(now, at, offer.source, policy);
            return Intake::Known;
        }
        if !self.may_add(at, offer, policy) || !self.make_room(policy) {
            return Intake::Refused;
        }
        let mut point = Point::new(now, at, offer.source);
        // Beyond the peer's share it is taken without the name: else a few made-up addresses of somebody would keep his true one out.
        point.peer = offer.address.id.filter(|peer| offer.source == Source::Own || self.make_room_for(peer, offer.proof));
        point.proof = offer.proof;
        point.proven_since = (offer.proof > Proof::Heard).then_some(now);
        point.capabilities = kept(offer.capabilities);
        if !self.seat(now, &mut point, policy, false) {
            return Intake::Refused;
        }
        self.insert(point);
        Intake::New
    }

    fn learn_more(&mut self, now: Time, at: SocketAddr, offer: &Offer<'_>) {
        let name = offer.address.id.filter(|peer| {
            let is_known = self.points.get(&at).is_some_and(|point| point.peer == Some(*peer));
            is_known || self.has_room_for(peer, offer.proof)
        });
        self.change(at, |point| {
            point.last_heard = now;
            // Hearsay never overwrites what a better witness said: else anyone could rename a point and have it missed.
            if let Some(peer) = name.filter(|_| offer.proof > point.proof || point.peer.is_none()) {
                point.name(peer);
            }
            // Who says nothing of capabilities does not deny them: the older messages cannot name any. And what is said of somebody else
            // than who answers there says nothing of this point.
            let is_of_this = offer.address.id.is_none() || offer.address.id == point.peer;
            if !offer.capabilities.is_empty() && is_of_this && !point.is_own_word {
                point.capabilities = kept(offer.capabilities);
            }
            if offer.proof > point.proof {
                point.proof = offer.proof;
                point.proven_since.get_or_insert(now);
            }
        });
        if let Some(peer) = name {
            self.trim(&peer, POINTS_PER_PEER_MAX, Some(at));
        }
    }

    /// The shares of a host (ports) and of a source group (undialed addresses). Special addresses, where they are allowed, have none: all
    /// nodes of a private network are in few groups, those of a test often at one host.
    fn may_add(&self, at: SocketAddr, offer: &Offer<'_>, policy: &Policy) -> bool {
        let Source::Group(group) = offer.source else { return true };
        if is_global(at.ip()) {
            let ports = self.points.range(of_host(at)).count();
            let of_source = self.by_source.get(&group).copied().unwrap_or(0);
            if ports >= policy.points_per_host || of_source >= policy.points_per_source {
                return false;
            }
        }
        true
    }

    /// Makes room for one more address of `peer`, as `has_room_for` says; false if there is none.
    fn make_room_for(&mut self, peer: &PeerId, proof: Proof) -> bool {
        let has_room = self.has_room_for(peer, proof);
        if has_room {
            self.trim(peer, POINTS_PER_PEER_MAX - 1, None);
        }
        has_room
    }

    /// Whether one more address of `peer` may be taken with that proof: below its share, or in the place of one that has less.
    fn has_room_for(&self, peer: &PeerId, proof: Proof) -> bool {
        let mine = || self.of_peer(peer).filter(|point| !point.is_fixed());
        mine().count() < POINTS_PER_PEER_MAX
            || mine().any(|point| !point.is_in_use() && (point.proof < proof || point.attempts >= FRUITLESS))
    }

    /// Forgets the worst addresses of a peer beyond so many.
    pub(super) fn trim(&mut self, peer: &PeerId, count: usize, keep: Option<SocketAddr>) {
        let mut mine: Vec<_> = self
            .of_peer(peer)
            .filter(|point| !point.is_fixed())
            .map(|point| (point.is_in_use(), point.worth(), point.at))
            .collect();
        mine.sort();
        let surplus = mine.len().saturating_sub(count);
        for (_, _, at) in mine.into_iter().filter(|(is_in_use, _, at)| !is_in_use && Some(*at) != keep).take(surplus) {
            self.remove(at);
        }
    }

    /// Makes the book have a free row. A share of the worst goes at once, so that a flood costs a sort only now and then.
    pub(super) fn make_room(&mut self, policy: &Policy) -> bool {
        if self.points.len() < policy.points_max {
            return true;
        }
        let is_evictable = |point: &&Point| !point.is_fixed() && !point.is_in_use();
        let mut worst: Vec<_> = self.points.values().filter(is_evictable).map(|point| (point.worth(), point.at)).collect();
        worst.sort();
        for (_, at) in worst.into_iter().take(policy.points_max.div_ceil(32)) {
            self.remove(at);
        }
        self.points.len() < policy.points_max
    }

    /// Gives an address a place in the new table: a free one of its bucket, or that of a holder who gives way; of any, if it is forced.
    pub(super) fn seat(&mut self, now: Time, point: &mut Point, policy: &Policy, is_forced: bool) -> bool {
        if !point.wants_place() {
            return false;
        }
        let bucket = self.buckets.new_bucket(&self.group(point.at), &self.source(point.at, point.source));
        let place = match self.buckets.seek(bucket, point.at) {
            Seat::Free(place) => place,
            Seat::Taken(place, holder) => {
                let gives_way = |held: &Point| held.is_terrible(now, policy) || held.places.len() > 1;
                if !is_forced && !self.points.get(&holder).is_none_or(gives_way) {
                    return false;
                }
                self.unseat(holder, place);
                place
            }
        };
        self.buckets.put(place, point.at);
        point.places.add(place);
        true
    }

    /// Gives a new address one more place if somebody else told of it, with less and less luck (CometBFT 1/2n).
    fn seat_further(&mut self, now: Time, at: SocketAddr, source: Source, policy: &Policy) {
        let Some(point) = self.points.get(&at).filter(|point| is_global(at.ip()) && point.wants_place() && !point.is_tried())
        else {
            return;
        };
        let (places, source) = (point.places, self.source(at, source));
        let bucket = self.buckets.new_bucket(&self.group(at), &source);
        let is_open = (1..buckets::PLACES_MAX).contains(&places.len()) && !places.has_bucket(bucket);
        if !is_open || !self.buckets.is_lucky(at, &source, 2 * places.len() as u64) {
            return;
        }
        let place = match self.buckets.seek(bucket, at) {
            Seat::Free(place) => place,
            Seat::Taken(place, holder) if self.points.get(&holder).is_none_or(|held| held.is_terrible(now, policy)) => {
                self.unseat(holder, place);
                place
            }
            Seat::Taken(..) => return,
        };
        self.buckets.put(place, at);
        self.change(at, |point| point.places.add(place));
    }

    /// Takes a place in the tried table for an address that is in none, if one is free.
    pub(super) fn seat_tried(&mut self, point: &mut Point) -> bool {
        let bucket = self.buckets.tried_bucket(&self.group(point.at), point.at);
        let Seat::Free(place) = self.buckets.seek(bucket, point.at) else { return false };
        self.buckets.put(place, point.at);
        point.places.add(place);
        true
    }

    /// Takes one place from its holder, who is forgotten if he has no other and nothing uses him.
    pub(super) fn unseat(&mut self, holder: SocketAddr, place: u16) {
        self.buckets.free(place);
        self.change(holder, |point| point.places.remove(place));
        if self.points.get(&holder).is_some_and(|point| point.places.is_empty() && !point.is_in_use()) {
            self.remove(holder);
        }
    }

    /// Takes all places from an address.
    pub(super) fn unseat_all(&mut self, at: SocketAddr) {
        let Some(places) = self.points.get(&at).map(|point| point.places) else { return };
        places.iter().for_each(|place| self.buckets.free(place));
        self.change(at, |point| point.places = buckets::Places::default());
    }

    /// Gives an address without a place one. False if there is none; a row that nothing uses is forgotten then.
    pub(super) fn seat_again(&mut self, now: Time, at: SocketAddr, policy: &Policy, is_forced: bool) -> bool {
        let Some(point) = self.points.get(&at) else { return false };
        if !point.wants_place() || !point.places.is_empty() {
            return true;
        }
        let mut point = point.clone();
        let is_seated = self.seat(now, &mut point, policy, is_forced);
        let is_in_use = point.is_in_use();
        self.change(at, |known| known.places = point.places);
        if !is_seated && !is_in_use {
            self.remove(at);
        }
        is_seated
    }

    /// Drops what is old or fruitless, reinstates what was bad for long enough, and ends what waits for a tried place.
    pub fn expire(&mut self, now: Time, policy: &Policy) {
        let mut dead = Vec::new();
        let mut reinstated = Vec::new();
        let mut unseated = Vec::new();
        for point in self.points.values().filter(|point| !point.is_fixed()) {
            let group = if let Source::Group(group) = point.source { Some(group) } else { None };
            let crowded = group.is_some_and(|group| self.by_source.get(&group).is_some_and(|n| *n >= policy.points_per_source));
            let is_rumour = point.proof < Proof::Dialed;
            match point.state {
                State::Bad { until } if until <= now && point.reinstated >= REINSTATED_MAX => dead.push(point.at),
                State::Bad { until } if until <= now => reinstated.push(point.at),
                State::Candidate if now.since(point.last_known()) >= policy.horizon => dead.push(point.at),
                State::Candidate if is_rumour && now.since(point.last_heard) >= policy.point_forgotten_after => {
                    dead.push(point.at)
                }
                State::Candidate if is_rumour && crowded && point.attempts >= FRUITLESS => dead.push(point.at),
                State::Candidate if point.places.is_empty() => unseated.push(point.at),
                _ => {}
            }
        }
        for at in dead {
            self.remove(at);
        }
        for at in &reinstated {
            self.change(*at, |point| {
                point.state = point.rest();
                point.reinstated += 1;
                (point.attempts, point.next_dial) = (0, now);
            });
        }
        for at in unseated.into_iter().chain(reinstated) {
            self.seat_again(now, at, policy, false);
        }
        self.settle_collisions(now, policy);
    }

    /// All changes go through here, so that no index can drift. Who wants no place any more leaves it.
    pub(super) fn change(&mut self, at: SocketAddr, change: impl FnOnce(&mut Point)) {
        let Some(point) = self.points.get_mut(&at) else { return };
        let before = Keys::of(point);
        change(point);
        if !point.wants_place() {
            std::mem::take(&mut point.places).iter().for_each(|place| self.buckets.free(place));
        }
        let after = Keys::of(point);
        self.marks.note(at);
        self.reindex(at, before, after);
    }

    pub(super) fn insert(&mut self, point: Point) {
        let (at, keys) = (point.at, Keys::of(&point));
        if let Some(additions) = &mut self.additions {
            additions.push(at);
        }
        self.points.insert(at, point);
        self.marks.note(at);
        self.reindex(at, Keys::default(), keys);
    }

    pub(super) fn remove(&mut self, at: SocketAddr) {
        let Some(point) = self.points.remove(&at) else { return };
        self.fixed.remove(&at);
        self.marks.note_gone(at);
        point.places.iter().for_each(|place| self.buckets.free(place));
        self.reindex(at, Keys::of(&point), Keys::default());
    }

    fn reindex(&mut self, at: SocketAddr, before: Keys, after: Keys) {
        if before.source != after.source {
            if let Some(group) = before.source
                && let Some(count) = self.by_source.get_mut(&group)
            {
                *count -= 1;
                if *count == 0 {
                    self.by_source.remove(&group);
                }
            }
            if let Some(group) = after.source {
                *self.by_source.entry(group).or_default() += 1;
            }
        }
        if before.peer != after.peer {
            before.peer.map(|peer| self.by_peer.remove(&(peer, at)));
            after.peer.map(|peer| self.by_peer.insert((peer, at)));
        }
        if before.due != after.due {
            before.due.map(|due| self.waiting.remove(&(due, at)));
            after.due.map(|due| self.waiting.insert((due, at)));
        }
        if before.table != after.table {
            let group = self.grouping.group(at.ip());
            if let Some(shelf) = before.table.and_then(|table| self.shelves.get_mut(&table)) {
                shelf.remove(group, at);
            }
            if let Some(table) = after.table {
                self.shelves.entry(table).or_default().insert(group, at);
            }
        }
        let healthy = |keys: &Keys| keys.is_healthy.then_some(keys.peer);
        self.healthy_changes += u64::from(healthy(&before) != healthy(&after));
        if before.is_healthy != after.is_healthy
            && let Some(point) = self.points.get_mut(&at)
        {
            self.healthy_version += u64::from(after.is_healthy);
            point.healthy_at = if after.is_healthy { self.healthy_version } else { 0 };
        }
    }
}

#[cfg(test)]
impl Book {
    /// Every index says what looking through all says.
    pub(super) fn check_invariants(&self, policy: &Policy) {
        let mut sources: BTreeMap<Group, usize> = BTreeMap::new();
        let (mut peers, mut waiting, mut shelves, mut holders) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for point in self.points.values() {
            let keys = Keys::of(point);
            keys.source.into_iter().for_each(|group| *sources.entry(group).or_default() += 1);
            peers.extend(keys.peer.map(|peer| (peer, point.at)));
            waiting.extend(keys.due.map(|due| (due, point.at)));
            shelves.extend(keys.table.map(|table| (table, self.grouping.group(point.at.ip()), point.at)));
            holders.extend(point.places.iter().map(|place| (place, point.at)));
            assert!(point.places.is_empty() || point.wants_place(), "{point:?}");
            assert!(!point.is_tried() || point.places.len() == 1, "{point:?}");
            assert_eq!(point.healthy_at > 0, point.counts_as_healthy(), "{point:?}");
        }
        let shelved = self.shelves.iter().flat_map(|(table, shelf)| shelf.iter().map(|(group, at)| (*table, group, at)));
        assert_eq!(shelves, shelved.collect());
        assert_eq!((&sources, &peers, &waiting), (&self.by_source, &self.by_peer, &self.waiting));
        assert_eq!(holders, self.buckets.iter().collect());
        assert!(sources.values().all(|count| *count <= policy.points_per_source));
        assert!(self.points.len() <= policy.points_max.max(self.fixed.len()));
        assert!(self.fixed.iter().all(|at| self.points.get(at).is_some_and(Point::is_fixed)));
    }
}
