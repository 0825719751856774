//! What outlives a restart: the pool's verbs for whoever saves and loads it. Rows are made of what has changed, and taken back with their age;
//! whatever the clocks said meanwhile, nobody is kept out for longer than the rules say, and nothing is younger than now. They touch no store.

use super::book::Book;
use super::buckets::Seat;
use super::lists::{By, Culprit, Entry, ListError, time_of};
use super::peers::Peer;
use super::points::{Point, State, dialable};
use super::policy::Policy;
use super::saved::{Anchor, Change, OnList, Saved, SavedList, SavedPeer, SavedPoint, SavedScore};
use super::table::Pool;
use crate::base::limits::{NEW_BUCKETS, PEERS_MAX, POINTS_MAX, SCORES_MAX};
use crate::base::peer::PeerId;
use crate::base::subject::Subject;
use crate::base::time::Time;
use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Duration;

/// For so long at most addresses and peers grow older while the node does not run.
const ABSENT_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What is to be saved, beside the marks of the tables.
#[derive(Debug, Default)]
pub struct Dirty {
    /// Somebody is kept out who was not: that is saved at once.
    pub(super) is_urgent: bool,
    /// What is saved with any change is to be saved even without one.
    has_more: bool,
    /// The anchors of a node that has stopped, whose links are gone.
    pub(super) last_anchors: Option<Vec<Anchor>>,
}

/// A row, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Point(SocketAddr),
    Peer(PeerId),
    List(OnList, Subject),
    Score(PeerId),
}

/// How many rows of each kind were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub points: usize,
    pub peers: usize,
    pub lists: usize,
    pub scores: usize,
    /// Rows that have found no place: nobody who is known goes for them.
    pub without_place: usize,
    /// Entries of lists of whose subject the opposite is said here, which stands: bans of whom the operator or the settings trust, and
    /// trust in whom is banned.
    pub contradicted: usize,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    /// Known already, over, or of no use to this node.
    Left,
    NoPlace,
    Contradicted,
}

impl Imported {
    /// Counts a row of which that became.
    fn count(&mut self, taken: Taken, kind: impl FnOnce(&mut Imported) -> &mut usize) {
        match taken {
            Taken::New => *kind(self) += 1,
            Taken::Left => {}
            Taken::NoPlace => self.without_place += 1,
            Taken::Contradicted => self.contradicted += 1,
        }
    }
}

impl std::ops::AddAssign for Imported {
    fn add_assign(&mut self, more: Imported) {
        self.points += more.points;
        self.peers += more.peers;
        self.lists += more.lists;
        self.scores += more.scores;
        self.without_place += more.without_place;
        self.contradicted += more.contradicted;
    }
}

/// This moment by both clocks, to tell the one by the other.
#[derive(Clone, Copy, Debug)]
struct Now {
    now: Time,
    unix: u64,
}

impl Now {
    fn unix(self, at: Time) -> u64 {
        if at > self.now {
            self.unix.saturating_add(self.now.until(at).as_secs())
        } else {
            self.unix.saturating_sub(self.now.since(at).as_secs())
        }
    }

    /// A moment that is past: never later than now.
    fn past(self, unix: u64) -> Time {
        self.now - Duration::from_secs(self.unix.saturating_sub(unix))
    }

    fn at(self, unix: u64) -> Time {
        self.past(unix) + Duration::from_secs(unix.saturating_sub(self.unix))
    }
}

impl Pool {
    /// There is a store: from now on it is noted what is to be saved.
    pub fn keep(&mut self) {
        self.points.marks.begin(POINTS_MAX);
        self.peers.marks.begin(PEERS_MAX);
        self.scores.marks.begin(SCORES_MAX);
        self.lists.begin_marks();
    }

    /// True if something is to be saved.
    pub fn has_changes(&self) -> bool {
        let has_marks = [self.peers.marks.is_empty(), self.scores.marks.is_empty()].contains(&false);
        self.dirty.has_more || has_marks || !self.points.marks.is_empty() || !self.lists.marks.is_empty()
    }

    /// True once if somebody is kept out who was not, and that is to be saved at once.
    pub fn take_urgent(&mut self) -> bool {
        let is_urgent = std::mem::take(&mut self.dirty.is_urgent) | std::mem::take(&mut self.lists.is_urgent);
        is_urgent && self.has_changes()
    }

    /// Takes what has changed, at most so many rows and what goes with them; `unix` is now in seconds since 1970.
    pub fn take_changes(&mut self, now: Time, unix: u64, max: usize) -> Vec<Change> {
        let entries = self.lists.marks.take(max);
        for (list, subject) in &entries {
            // What a score has led to is saved with it: whether its ban was served or lifted.
            if let (OnList::Banned, Subject::Peer(peer)) = (list, subject)
                && self.scores.knows(peer)
            {
                self.scores.marks.note(*peer);
            }
        }
        let mut keys: Vec<Key> = entries.into_iter().map(|(list, subject)| Key::List(list, subject)).collect();
        keys.extend(self.scores.marks.take(max - keys.len()).into_iter().map(Key::Score));
        keys.extend(self.points.marks.take(max - keys.len()).into_iter().map(Key::Point));
        keys.extend(self.peers.marks.take(max - keys.len()).into_iter().map(Key::Peer));
        let mut changes: Vec<Change> = keys.into_iter().map(|key| self.change_of(now, unix, key)).collect();
        if std::mem::take(&mut self.dirty.has_more) || !changes.is_empty() {
            changes.extend(self.changes_beside(unix));
        }
        changes
    }

    /// What is saved with any change.
    fn changes_beside(&self, unix: u64) -> [Change; 2] {
        let anchors = self.dirty.last_anchors.clone().unwrap_or_else(|| self.anchors_now());
        [Change::Meta { key: *self.points.key(), saved_at: unix }, Change::Anchors(anchors)]
    }

    /// The node stops: who is an anchor now is saved when the links are gone.
    pub(super) fn note_last_anchors(&mut self) {
        self.dirty.last_anchors = Some(self.anchors_now());
    }

    /// They could not be saved: they are still to be.
    pub fn keep_changes(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Point(SavedPoint { at, .. }) | Change::NoPoint(at) => self.points.marks.note(*at),
                Change::Peer(SavedPeer { id, .. }) | Change::NoPeer(id) => self.peers.marks.note(*id),
                Change::List(SavedList { list, subject, .. }) | Change::NoList(list, subject) => {
                    self.lists.marks.note((*list, *subject));
                }
                Change::Score(saved) => self.scores.marks.note(saved.peer),
                Change::NoScore(peer) => self.scores.marks.note(*peer),
                Change::Meta { .. } | Change::Anchors(_) => self.dirty.has_more = true,
            }
        }
    }

    /// The store has nothing any more: everything is to be saved.
    pub fn keep_all(&mut self) {
        self.note_all(self.keys(None).collect());
    }

    fn note_all(&mut self, keys: Vec<Key>) {
        for key in keys {
            match key {
                Key::Point(at) => self.points.marks.note(at),
                Key::Peer(peer) => self.peers.marks.note(peer),
                Key::List(list, subject) => self.lists.marks.note((list, subject)),
                Key::Score(peer) => self.scores.marks.note(peer),
            }
        }
    }

    /// The keys of all rows in their order: from the first on, or those behind that one.
    pub fn keys(&self, after: Option<Key>) -> impl Iterator<Item = Key> {
        // Where each table begins; `None` for one that is over.
        let point = if let Some(Key::Point(at)) = after { Some(Some(at)) } else { after.is_none().then_some(None) };
        let peer = match after {
            Some(Key::Peer(peer)) => Some(Some(peer)),
            Some(Key::List(..) | Key::Score(_)) => None,
            _ => Some(None),
        };
        let entry = match after {
            Some(Key::List(list, subject)) => Some(Some((list, subject))),
            Some(Key::Score(_)) => None,
            _ => Some(None),
        };
        let scored = if let Some(Key::Score(peer)) = after { Some(peer) } else { None };
        let points = point.into_iter().flat_map(|after| self.points.behind(after)).map(|point| Key::Point(point.at));
        let peers = peer.into_iter().flat_map(|after| self.peers.behind(after)).map(|(peer, _)| Key::Peer(*peer));
        let lists = entry.into_iter().flat_map(|after| self.lists.keys(after)).map(|(list, subject)| Key::List(list, subject));
        points.chain(peers).chain(lists).chain(self.scores.peers_behind(scored).map(|peer| Key::Score(*peer)))
    }

    /// The row of a key as it is now, or that it is gone.
    pub fn change_of(&self, now: Time, unix: u64, key: Key) -> Change {
        let clock = Now { now, unix };
        match key {
            Key::Point(at) => self.points.get(at).map_or(Change::NoPoint(at), |point| Change::Point(saved_point(point, clock))),
            Key::Peer(id) => self.peers.get(&id).map_or(Change::NoPeer(id), |known| {
                let (first_seen, last_seen) = (clock.unix(known.first_seen), clock.unix(known.last_seen));
                let failures = known.failures.iter().map(|(at, reason)| (clock.unix(*at), *reason)).collect();
                let (is_private, metadata) = (known.is_private, known.metadata.clone());
                Change::Peer(SavedPeer { id, first_seen, last_seen, is_private, failures, metadata })
            }),
            Key::List(OnList::Trusted, subject) if self.lists.is_configured(&subject) => Change::NoList(OnList::Trusted, subject),
            Key::List(list, subject) => {
                let row = self.lists.row(now, list, &subject, |at| clock.unix(at));
                row.map_or(Change::NoList(list, subject), Change::List)
            }
            Key::Score(peer) => {
                let is_banned = self.lists.ban_of(now, &peer).is_some();
                self.scores.row(now, unix, &peer, is_banned).map_or(Change::NoScore(peer), Change::Score)
            }
        }
    }

    /// Takes back what was saved. What there is no room or use for goes from the store, too, and what has another time now is saved with it:
    /// else each restart would give it that time anew.
    pub fn restore(&mut self, now: Time, unix: u64, saved: &Saved) {
        if let Some(key) = saved.key {
            self.set_book_key(key);
        }
        // Ages of addresses and peers are those of the time that the node ran: after a long absence, or by a clock that is wrong for once, all
        // would be too old to be kept. Of rows without that time the wall clock says how old they are.
        let longest = if saved.saved_at == 0 { unix } else { saved.saved_at.saturating_add(ABSENT_MAX.as_secs()) };
        self.take_in(Now { now, unix }, Now { now, unix: unix.min(longest) }, saved, true);
        self.set_anchors(saved.anchors.clone());
        self.lists.is_urgent = false;
        for marks in [&mut self.peers.marks, &mut self.scores.marks] {
            marks.take(usize::MAX);
        }
        self.points.marks.take(usize::MAX);
        self.lists.marks.take(usize::MAX);
        self.note_all(self.unlike(now, unix, saved));
        // Anchors serve one start: who has made a node stop must not meet it again and again.
        self.dirty.has_more = !saved.anchors.is_empty();
    }

    /// Rows that were taken back otherwise than they were saved, or not at all. A score has faded by the time that is saved with it.
    fn unlike(&self, now: Time, unix: u64, saved: &Saved) -> Vec<Key> {
        let row = |key: Key| self.change_of(now, unix, key);
        let other_point = |was: &&SavedPoint| !matches!(row(Key::Point(was.at)), Change::Point(is) if is == **was);
        let other_peer = |was: &&SavedPeer| !matches!(row(Key::Peer(was.id)), Change::Peer(is) if is == **was);
        let points = saved.points.iter().filter(other_point).map(|was| Key::Point(was.at));
        let peers = saved.peers.iter().filter(other_peer).map(|was| Key::Peer(was.id));
        let lists = saved.lists.iter().map(|was| (Key::List(was.list, was.subject), was.until));
        let lists = lists.filter(|(key, until)| !matches!(row(*key), Change::List(is) if is.until == *until)).map(|(key, _)| key);
        let is_other_score = |was: &&SavedScore| was.at > unix || row(Key::Score(was.peer)).is_gone();
        let scores = saved.scores.iter().filter(is_other_score).map(|was| Key::Score(was.peer));
        points.chain(peers).chain(lists).chain(scores).collect()
    }

    /// Takes rows of another node, or of another time. What is known already stays as it is.
    pub fn import(&mut self, now: Time, unix: u64, saved: &Saved) -> Imported {
        let clock = Now { now, unix };
        let imported = self.take_in(clock, clock, saved, false);
        self.has_fresh_points |= imported.points > 0;
        imported
    }

    /// `age_clock` tells the ages of addresses and peers. `is_own`: all of it was in these tables before.
    fn take_in(&mut self, clock: Now, age_clock: Now, saved: &Saved, is_own: bool) -> Imported {
        let Now { now, unix } = clock;
        let mut imported = Imported::default();
        for entry in &saved.lists {
            imported.count(self.take_entry(clock, entry, is_own), |counts| &mut counts.lists);
        }
        // The best first: they have the better claim on a place.
        let mut points: Vec<&SavedPoint> = saved.points.iter().filter(|saved| saved.peer != Some(self.own)).collect();
        points.sort_by_key(|saved| Reverse((saved.is_tried, saved.proof)));
        for saved in points {
            let point = known_point(saved, age_clock, &self.policy);
            let taken = self.points.restore(point, saved.is_tried, is_own, &self.policy);
            imported.count(taken, |counts| &mut counts.points);
        }
        for saved in saved.peers.iter().filter(|saved| saved.id != self.own) {
            let is_known = self.peers.get(&saved.id).is_some();
            let is_new = self.peers.restore(saved.id, known_peer(saved, age_clock), &self.policy);
            imported.count(taken(is_known, is_new), |counts| &mut counts.peers);
        }
        for saved in saved.scores.iter().filter(|saved| saved.peer != self.own) {
            let age = Duration::from_secs(unix.saturating_sub(saved.at));
            // One that is not on the list any more has ended meanwhile, or its row is lost.
            let ban_ends = self.lists.ban_of(now, &saved.peer).unwrap_or((!saved.is_lifted).then_some(now));
            let is_known = self.scores.knows(&saved.peer);
            let is_new = self.scores.restore(now, age, saved, ban_ends);
            imported.count(taken(is_known, is_new), |counts| &mut counts.scores);
        }
        imported
    }

    /// One entry of a list. What a score has led to lasts no longer than a fresh one would.
    fn take_entry(&mut self, clock: Now, saved: &SavedList, is_own: bool) -> Taken {
        let is_known = |list: OnList| self.lists.row(clock.now, list, &saved.subject, |_| 0).is_some();
        if is_known(saved.list) || saved.subject == Subject::Peer(self.own) {
            return Taken::Left;
        }
        if saved.list == OnList::Banned && is_known(OnList::Trusted) {
            return Taken::Contradicted;
        }
        let entry = (saved.list != OnList::Greylisted).then(|| self.known_entry(clock, saved));
        if entry.as_ref().and_then(|entry| entry.until).is_some_and(|until| until <= clock.now) {
            return Taken::Left;
        }
        if !is_own && !self.lists.has_room_for(saved.list, &saved.subject) {
            return Taken::NoPlace;
        }
        let Some(entry) = entry else {
            let Some(culprit) = Culprit::of(&saved.subject) else { return Taken::Left };
            let longest = clock.now + time_of(saved.offences, &self.policy);
            let until = saved.until.map_or(longest, |until| clock.at(until).min(longest));
            self.lists.keep_grey(culprit, until, saved.offences);
            return Taken::New;
        };
        let result = match saved.list {
            OnList::Banned => self.lists.ban(saved.subject, entry),
            _ => self.lists.keep_trust(clock.now, saved.subject, entry),
        };
        match result {
            Ok(()) => Taken::New,
            Err(ListError::Banned) => Taken::Contradicted,
            Err(_) => Taken::NoPlace,
        }
    }

    /// An entry of the operator's lists as it was saved.
    fn known_entry(&self, clock: Now, saved: &SavedList) -> Entry {
        let ban_time = self.scores.rules().ban_time;
        let longest = (saved.by == By::Score && !ban_time.is_zero()).then(|| clock.now + ban_time);
        // Nor does any last longer than it was to, whatever the clocks say.
        let lasts = |until: u64| clock.now + Duration::from_secs(until.saturating_sub(saved.since));
        let until = saved.until.map(|until| clock.at(until).min(lasts(until))).into_iter().chain(longest).min();
        Entry { since: clock.past(saved.since), until, why: saved.why.clone(), by: saved.by, is_configured: false }
    }
}

fn taken(was_known: bool, is_new: bool) -> Taken {
    match (was_known, is_new) {
        (true, _) => Taken::Left,
        (false, true) => Taken::New,
        (false, false) => Taken::NoPlace,
    }
}

impl Book {
    /// Takes back an address that was saved, or comes from elsewhere, with a place in the table that it was in, or else in the new one. Nobody
    /// who is there loses his.
    pub(super) fn restore(&mut self, mut point: Point, was_tried: bool, is_own: bool, policy: &Policy) -> Taken {
        let is_wanted = dialable(&point.address(), policy) == Some(point.at) && !self.is_self(point.at);
        if !is_wanted || self.get(point.at).is_some() {
            return Taken::Left;
        }
        let wants_place = point.wants_place();
        let is_full = self.len() >= policy.points_max;
        let mut finds_place = || was_tried && self.seat_tried(&mut point) || self.seat_back(&mut point, is_own);
        if is_full || wants_place && !finds_place() {
            return Taken::NoPlace;
        }
        self.insert(point);
        Taken::New
    }

    /// Takes a free place of the new table: of the address's own bucket, else of another that its source can reach. One that was in this book
    /// may have had its place by another source: for it any will do.
    fn seat_back(&mut self, point: &mut Point, is_own: bool) -> bool {
        let source = self.source(point.at, point.source);
        let own = self.buckets.new_bucket(&self.group(point.at), &source);
        let any = (0..NEW_BUCKETS as u16).filter(|_| is_own);
        let mut buckets = std::iter::once(own).chain(self.buckets.of_source(&source)).chain(any);
        let free = |bucket| if let Seat::Free(place) = self.buckets.seek(bucket, point.at) { Some(place) } else { None };
        let Some(place) = buckets.find_map(free) else { return false };
        drop(buckets);
        self.buckets.put(place, point.at);
        point.places.add(place);
        true
    }
}

fn saved_point(point: &Point, clock: Now) -> SavedPoint {
    SavedPoint {
        at: point.at,
        peer: point.peer,
        capabilities: point.capabilities.clone(),
        is_own_word: point.is_own_word,
        source: point.source,
        proof: point.proof,
        is_tried: point.is_tried(),
        attempts: point.attempts,
        reinstated: point.reinstated,
        bad_until: if let State::Bad { until } = point.state { Some(clock.unix(until)) } else { None },
        last_heard: clock.unix(point.last_heard),
        last_dialed: point.last_dialed.map(|at| clock.unix(at)),
        last_seen: point.last_seen.map(|at| clock.unix(at)),
        last_miss: point.last_miss.map(|at| clock.unix(at)),
        last_failure: point.last_failure.map(|(at, reason)| (clock.unix(at), reason)),
        metadata: point.metadata.clone(),
    }
}

fn known_peer(saved: &SavedPeer, clock: Now) -> Peer {
    let failures = saved.failures.iter().map(|(at, reason)| (clock.past(*at), *reason)).collect();
    let (last_seen, is_private, metadata) = (clock.past(saved.last_seen), saved.is_private, saved.metadata.clone());
    let mut known = Peer::new(clock.past(saved.first_seen));
    (known.last_seen, known.is_private, known.failures, known.metadata) = (last_seen, is_private, failures, metadata);
    known
}

/// A saved address, idle. One that was bad is so for as long as it had left, and no longer than a fresh one, and is then judged as if the node
/// had run; any other may be dialed at once.
fn known_point(saved: &SavedPoint, clock: Now, policy: &Policy) -> Point {
    let mut point = Point::new(clock.past(saved.last_heard), saved.at, saved.source);
    point.peer = saved.peer;
    point.capabilities = saved.capabilities.clone();
    point.is_own_word = saved.is_own_word;
    point.proof = saved.proof;
    point.attempts = saved.attempts;
    point.proven_since =
        (saved.proof > super::points::Proof::Heard).then(|| clock.past(saved.last_seen.unwrap_or(saved.last_heard)));
    point.last_dialed = saved.last_dialed.map(|at| clock.past(at));
    point.last_seen = saved.last_seen.map(|at| clock.past(at));
    point.last_miss = saved.last_miss.map(|at| clock.past(at));
    point.last_failure = saved.last_failure.map(|(at, reason)| (clock.past(at), reason));
    point.reinstated = saved.reinstated;
    point.metadata = saved.metadata.clone();
    if let Some(until) = saved.bad_until {
        point.state = State::Bad { until: clock.at(until).min(clock.now + policy.bad_period) };
    }
    point
}
