//! Bitcoin's address manager and the way its peers are dialed: 1,024 new and 256 tried buckets of 64 places each, drawn by keyed hashes, a
//! feeler each two minutes that tests a tried address before it gives way, two anchors. The rules are those of the rivals reference, 4.2 and
//! 4.3. Whoever tells of an address says that it was just seen. The model uses it.

use super::model::{Answer, At, FEELERS, Policy, hash};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const NEW_BUCKETS: u64 = 1_024;
const TRIED_BUCKETS: u64 = 256;
const BUCKET: u64 = 64;
const NEW_PER_SOURCE: u64 = 64;
const TRIED_PER_GROUP: u64 = 8;
const NEW_PER_ADDRESS: usize = 8;
/// Outbound links that relay everything, and those that relay blocks alone: the latter are the anchors of the next start.
const FULL: usize = 8;
const ANCHORS: usize = 2;
/// IsTerrible.
const MINUTE: Duration = Duration::from_secs(60);
const HORIZON: Duration = Duration::from_secs(30 * 24 * 3_600);
const RETRIES: u32 = 3;
const FAILURES: u32 = 10;
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
/// ResolveCollisions.
const COLLISIONS_MAX: usize = 10;
const REPLACEMENT: Duration = Duration::from_secs(4 * 3_600);
const TEST_WINDOW: Duration = Duration::from_secs(40 * 60);
/// An address that was tried so recently is taken a hundredth as often, and not at all in the first picks.
const RECENT: Duration = Duration::from_secs(600);
const PICKS: usize = 100;
const PICKS_OF_RESTED: usize = 30;
/// Addresses that one peer may tell: a tenth a second, up to so many at once, and as many more once it was asked.
const TOLD_EACH: Duration = Duration::from_secs(10);
const TOLD_MAX: f64 = 1_000.0;
/// No place of the new table, which is 65,536 places.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Known {
    at: At,
    source: u16,
    heard: Time,
    is_tried: bool,
    /// Places in the new table, or the one in the tried table.
    places: Vec<u32>,
    attempts: u32,
    last_try: Option<Time>,
    last_counted: Option<Time>,
    last_success: Option<Time>,
}

impl Known {
    fn is_terrible(&self, now: Time) -> bool {
        if self.last_try.is_some_and(|at| now.since(at) <= MINUTE) {
            return false;
        }
        let has_no_success = self.last_success.is_none_or(|at| now.since(at) > WEEK);
        now.since(self.heard) > HORIZON
            || (self.last_success.is_none() && self.attempts >= RETRIES)
            || (has_no_success && self.attempts >= FAILURES)
    }

    /// GetChance.
    fn chance(&self, now: Time) -> f64 {
        let recent = if self.is_recent(now) { 0.01 } else { 1.0 };
        recent * 0.66_f64.powi(self.attempts.min(8) as i32)
    }

    fn is_recent(&self, now: Time) -> bool {
        self.last_try.is_some_and(|at| now.since(at) < RECENT)
    }
}

/// What a peer may still tell.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    left: f64,
    since: Time,
}

/// The book, the links of this run and the anchors of the last one.
#[derive(Debug)]
pub struct Bitcoin {
    key: u64,
    known: BTreeMap<At, u32>,
    rows: Vec<Option<Known>>,
    free: Vec<u32>,
    new: Vec<u32>,
    tried: BTreeMap<u32, u32>,
    /// Rows that are tried, in no order: to draw one of.
    tried_rows: Vec<u32>,
    new_count: usize,
    /// Rows that want a place in the tried table that another has.
    collisions: BTreeSet<u32>,
    last_good: Time,
    allowances: BTreeMap<At, Allowance>,
    full: Vec<At>,
    blocks: Vec<At>,
    anchors: Vec<At>,
}

impl Bitcoin {
    pub fn new(rng: &mut Rng) -> Bitcoin {
        Bitcoin {
            key: rng.next_u64(),
            known: BTreeMap::new(),
            rows: Vec::new(),
            free: Vec::new(),
            new: vec![NONE; (NEW_BUCKETS * BUCKET) as usize],
            tried: BTreeMap::new(),
            tried_rows: Vec::new(),
            new_count: 0,
            collisions: BTreeSet::new(),
            last_good: Time::ZERO,
            allowances: BTreeMap::new(),
            full: Vec::new(),
            blocks: Vec::new(),
            anchors: Vec::new(),
        }
    }

    fn new_place(&self, at: At, source: u16) -> u32 {
        let one = hash(self.key, &[1, at.group().into(), source.into()]) % NEW_PER_SOURCE;
        let bucket = hash(self.key, &[2, source.into(), one]) % NEW_BUCKETS;
        (bucket * BUCKET + hash(self.key, &[3, bucket, at.0.into()]) % BUCKET) as u32
    }

    fn tried_place(&self, at: At) -> u32 {
        let one = hash(self.key, &[4, at.0.into()]) % TRIED_PER_GROUP;
        let bucket = hash(self.key, &[5, at.group().into(), one]) % TRIED_BUCKETS;
        (bucket * BUCKET + hash(self.key, &[6, bucket, at.0.into()]) % BUCKET) as u32
    }

    fn row(&self, row: u32) -> &Known {
        self.rows[row as usize].as_ref().expect("a place names a row that is there")
    }

    fn row_mut(&mut self, row: u32) -> &mut Known {
        self.rows[row as usize].as_mut().expect("a place names a row that is there")
    }

    fn create(&mut self, now: Time, at: At, source: u16) -> u32 {
        let known = Known {
            at,
            source,
            heard: now,
            is_tried: false,
            places: Vec::with_capacity(1),
            attempts: 0,
            last_try: None,
            last_counted: None,
            last_success: None,
        };
        let row = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            self.rows.len() as u32 - 1
        });
        self.rows[row as usize] = Some(known);
        self.known.insert(at, row);
        self.new_count += 1;
        row
    }

    /// Delete: a new address without a place is forgotten.
    fn forget(&mut self, row: u32) {
        if let Some(known) = self.rows[row as usize].take() {
            self.known.remove(&known.at);
            self.collisions.remove(&row);
            self.free.push(row);
            self.new_count -= 1;
        }
    }

    /// ClearNew.
    fn clear(&mut self, place: u32) {
        let row = std::mem::replace(&mut self.new[place as usize], NONE);
        if row != NONE {
            self.row_mut(row).places.retain(|other| *other != place);
            if self.row(row).places.is_empty() {
                self.forget(row);
            }
        }
    }

    /// Add.
    fn add(&mut self, now: Time, at: At, source: u16, rng: &mut Rng) {
        if let Some(row) = self.known.get(&at).copied() {
            let known = self.row_mut(row);
            known.heard = now;
            let places = known.places.len();
            if known.is_tried || places >= NEW_PER_ADDRESS || rng.below(1 << places) != 0 {
                return;
            }
        }
        let place = self.new_place(at, source);
        let holder = self.new[place as usize];
        let own = self.known.get(&at).copied();
        if holder != NONE && own == Some(holder) {
            return;
        }
        // The newcomer takes a place from who is terrible, and from who has others if it has none itself.
        let gives_way = |other: &Known| other.is_terrible(now) || (other.places.len() > 1 && own.is_none());
        if holder != NONE && !gives_way(self.row(holder)) {
            return;
        }
        self.clear(place);
        let row = own.unwrap_or_else(|| self.create(now, at, source));
        self.new[place as usize] = row;
        self.row_mut(row).places.push(place);
    }

    /// Attempt: a failure counts if another dial has succeeded since the last one.
    fn note_failure(&mut self, now: Time, at: At) {
        let last_good = self.last_good;
        let Some(row) = self.known.get(&at).copied() else { return };
        let known = self.row_mut(row);
        known.last_try = Some(now);
        if known.last_counted.is_none_or(|counted| counted < last_good) {
            known.last_counted = Some(now);
            known.attempts += 1;
        }
    }

    /// Good: a new address becomes a tried one, or waits until the one that has its place was tested.
    fn good(&mut self, now: Time, at: At) {
        self.last_good = now;
        let Some(row) = self.known.get(&at).copied() else { return };
        let known = self.row_mut(row);
        (known.last_success, known.last_try, known.attempts) = (Some(now), Some(now), 0);
        if known.is_tried {
            return;
        }
        if !self.tried.contains_key(&self.tried_place(at)) {
            self.make_tried(row);
        } else if self.collisions.len() < COLLISIONS_MAX {
            self.collisions.insert(row);
        }
    }

    /// MakeTried: who has the place goes back to the new table, into the place of whoever is there.
    fn make_tried(&mut self, row: u32) {
        self.collisions.remove(&row);
        for place in std::mem::take(&mut self.row_mut(row).places) {
            self.new[place as usize] = NONE;
        }
        self.new_count -= 1;
        let place = self.tried_place(self.row(row).at);
        if let Some(old) = self.tried.remove(&place) {
            self.tried_rows.retain(|other| *other != old);
            let (at, source) = (self.row(old).at, self.row(old).source);
            let back = self.new_place(at, source);
            self.clear(back);
            self.new[back as usize] = old;
            let known = self.row_mut(old);
            known.is_tried = false;
            known.places = vec![back];
            self.new_count += 1;
        }
        self.tried.insert(place, row);
        self.tried_rows.push(row);
        let known = self.row_mut(row);
        known.is_tried = true;
        known.places = vec![place];
    }

    /// ResolveCollisions.
    fn resolve(&mut self, now: Time) {
        for row in self.collisions.clone() {
            if !self.collisions.contains(&row) {
                continue;
            }
            let place = self.tried_place(self.row(row).at);
            let Some(old) = self.tried.get(&place).map(|old| self.row(*old)) else {
                self.make_tried(row);
                continue;
            };
            let within = |at: Option<Time>, period: Duration| at.is_some_and(|at| now.since(at) < period);
            if within(old.last_success, REPLACEMENT) {
                self.collisions.remove(&row);
            } else if within(old.last_try, REPLACEMENT) {
                if !within(old.last_try, MINUTE) {
                    self.make_tried(row);
                }
            } else if !within(self.row(row).last_success, TEST_WINDOW) {
                self.make_tried(row);
            }
        }
    }

    /// Select: one of two tables, a place of it that is taken, and then its chance decides, which grows with each miss.
    fn select(&self, now: Time, is_new_only: bool, rng: &mut Rng) -> Option<At> {
        let is_tried = !is_new_only && !self.tried_rows.is_empty() && (self.new_count == 0 || rng.percent(50));
        if !is_tried && self.new_count == 0 {
            return None;
        }
        let mut factor = 1.0;
        loop {
            let row =
                if is_tried { self.tried_rows[rng.index(self.tried_rows.len())] } else { self.new[rng.index(self.new.len())] };
            if row == NONE {
                continue;
            }
            let known = self.row(row);
            if (rng.below(1 << 30) as f64) < factor * known.chance(now) * f64::from(1 << 30) {
                return Some(known.at);
            }
            factor *= 1.2;
        }
    }

    fn may_tell(&mut self, now: Time, from: At) -> bool {
        // Who is not linked any more, or was only asked for a start, is not held back.
        let Some(allowance) = self.allowances.get_mut(&from) else { return true };
        let more = now.since(allowance.since).as_secs_f64() / TOLD_EACH.as_secs_f64();
        if allowance.left < TOLD_MAX {
            allowance.left = (allowance.left + more).min(TOLD_MAX);
        }
        allowance.since = now;
        let may_tell = allowance.left >= 1.0;
        if may_tell {
            allowance.left -= 1.0;
        }
        may_tell
    }
}

impl Policy for Bitcoin {
    fn outbound_max(&self) -> usize {
        FULL + ANCHORS
    }

    fn useful_after(&self) -> Duration {
        Duration::ZERO
    }

    fn learn(&mut self, now: Time, at: At, from: At, rng: &mut Rng) {
        if self.may_tell(now, from) {
            self.add(now, at, from.group(), rng);
        }
    }

    fn outbound(&mut self, now: Time, links: &[At], rng: &mut Rng) -> Option<At> {
        if let Some(anchor) = self.anchors.pop() {
            return Some(anchor);
        }
        let groups: Vec<u16> = links.iter().map(|at| at.group()).collect();
        for pick in 0..PICKS {
            let at = self.select(now, false, rng)?;
            let row = self.known[&at];
            let is_rested = !self.row(row).is_recent(now) || pick >= PICKS_OF_RESTED;
            if is_rested && !groups.contains(&at.group()) {
                return Some(at);
            }
        }
        None
    }

    fn feeler(&mut self, now: Time, made: usize, rng: &mut Rng) -> Option<At> {
        if made >= FEELERS {
            return None;
        }
        self.resolve(now);
        let collisions: Vec<u32> = self.collisions.iter().copied().collect();
        let wanted = collisions.get(rng.index(collisions.len())).map(|row| self.tried_place(self.row(*row).at));
        let tested = wanted.and_then(|place| self.tried.get(&place)).map(|row| self.row(*row).at);
        tested.or_else(|| self.select(now, true, rng))
    }

    fn tried(&mut self, now: Time, at: At, answer: Answer, _rng: &mut Rng) -> bool {
        if answer == Answer::Missed {
            self.note_failure(now, at);
            return true;
        }
        self.good(now, at);
        if answer == Answer::Linked {
            self.allowances.insert(at, Allowance { left: TOLD_MAX + 1.0, since: now });
            if self.full.len() < FULL { self.full.push(at) } else { self.blocks.push(at) }
        }
        true
    }

    /// What it says of itself is told by itself.
    fn arrived(&mut self, now: Time, from: At, rng: &mut Rng) -> bool {
        self.allowances.insert(from, Allowance { left: 1.0, since: now });
        self.learn(now, from, from, rng);
        true
    }

    /// Only a dial makes an address tried.
    fn lasted(&mut self, _now: Time, _with: At, _direction: Direction) {}

    fn parted(&mut self, _now: Time, with: At, _direction: Direction, _rng: &mut Rng) {
        self.allowances.remove(&with);
        self.full.retain(|at| *at != with);
        self.blocks.retain(|at| *at != with);
    }

    /// The files have the tables, failures and successes, and the anchors; not when what was tried, nor who wants whose place.
    fn restart(&mut self, _now: Time, _rng: &mut Rng) {
        self.anchors = std::mem::take(&mut self.blocks);
        self.full.clear();
        self.allowances.clear();
        self.collisions.clear();
        for known in self.rows.iter_mut().flatten() {
            (known.last_try, known.last_counted) = (None, None);
        }
        self.last_good = Time::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{after, at};
    use super::*;

    fn book() -> (Bitcoin, Rng) {
        let mut rng = Rng::from_seed(1);
        (Bitcoin::new(&mut rng), rng)
    }

    fn is_tried(book: &Bitcoin, at: At) -> bool {
        book.known.get(&at).is_some_and(|row| book.row(*row).is_tried)
    }

    /// Two addresses that want the same place of the tried table.
    fn rivals(book: &Bitcoin) -> [At; 2] {
        let mut places = BTreeMap::new();
        for number in 0..=u16::MAX.into() {
            if let Some(other) = places.insert(book.tried_place(at(1, number)), number) {
                return [at(1, other), at(1, number)];
            }
        }
        unreachable!("512 places, 65,536 addresses")
    }

    #[test]
    fn one_source_reaches_64_buckets_and_who_holds_a_place_keeps_it() {
        let (mut book, mut rng) = book();
        for number in 0..20_000 {
            book.learn(after(1), at(1 + number % 5_000, number), at(9, 9), &mut rng);
        }
        let used: BTreeSet<usize> =
            (0..book.new.len()).filter(|place| book.new[*place] != NONE).map(|place| place / 64).collect();
        assert!((50..=64).contains(&used.len()), "{}", used.len());
        assert_eq!(book.known.len(), book.new_count);
        assert!(book.known.len() <= 64 * used.len());
        let first = at(1, 0);
        assert!(book.known.contains_key(&first), "whoever comes later does not push it out");
        for second in [100, 200, 300] {
            book.tried(after(second), at(8, 8), Answer::Felt, &mut rng);
            book.tried(after(second + 1), first, Answer::Missed, &mut rng);
        }
        let place = book.new_place(first, 9);
        let same = (1..5_000).map(|number| at(1, number)).find(|at| book.new_place(*at, 9) == place);
        book.learn(after(400), same.expect("one in 64 has its place"), at(9, 9), &mut rng);
        assert!(!book.known.contains_key(&first), "three failures and no success: terrible");
    }

    #[test]
    fn a_tried_address_is_tested_before_it_gives_way() {
        let (mut book, mut rng) = book();
        let [old, newcomer] = rivals(&book);
        for address in [old, newcomer] {
            book.learn(after(1), address, at(2, 2), &mut rng);
        }
        book.tried(after(10), old, Answer::Felt, &mut rng);
        assert!(is_tried(&book, old));
        book.tried(after(20), newcomer, Answer::Felt, &mut rng);
        book.resolve(after(100));
        assert!(book.collisions.is_empty() && is_tried(&book, old), "it has answered within four hours");
        book.tried(after(20_000), newcomer, Answer::Felt, &mut rng);
        assert_eq!(book.feeler(after(20_001), 0, &mut rng), Some(old), "it is tested first");
        book.tried(after(20_001), old, Answer::Missed, &mut rng);
        book.resolve(after(20_030));
        assert!(is_tried(&book, old), "it has a minute");
        book.resolve(after(20_062));
        assert!(is_tried(&book, newcomer) && !is_tried(&book, old) && book.known.contains_key(&old));
    }

    #[test]
    fn outbound_links_are_in_groups_of_their_own_and_the_last_two_are_dialed_first_after_a_restart() {
        let (mut book, mut rng) = book();
        for number in 0..200 {
            book.learn(after(1), at(number % 20, number), at(2, number), &mut rng);
        }
        let mut links = Vec::new();
        while links.len() < book.outbound_max() {
            let next = book.outbound(after(2), &links, &mut rng).expect("ten groups are left");
            assert!(links.iter().all(|link: &At| link.group() != next.group()));
            book.tried(after(2), next, Answer::Linked, &mut rng);
            links.push(next);
        }
        book.restart(after(1_000), &mut rng);
        let mut anchors = [book.outbound(after(1_001), &[], &mut rng), book.outbound(after(1_001), &[], &mut rng)];
        anchors.reverse();
        assert_eq!(anchors, [Some(links[8]), Some(links[9])]);
        let (mut crowd, mut rng) = self::book();
        for number in 0..50 {
            crowd.learn(after(1), at(1, number), at(2, number), &mut rng);
        }
        assert_eq!(crowd.outbound(after(2), &[at(1, 99)], &mut rng), None, "all are in a group that has a link");
    }

    #[test]
    fn who_dialed_us_tells_one_address_each_ten_seconds_and_who_was_asked_a_thousand() {
        let (mut book, mut rng) = book();
        let (stranger, peer) = (at(1, 1), at(2, 2));
        book.arrived(after(0), stranger, &mut rng);
        book.tried(after(0), peer, Answer::Linked, &mut rng);
        let mut told = |seconds: u64, from: At| (0..5_000).filter(|_| book.may_tell(after(seconds), from)).count();
        assert_eq!((told(0, stranger), told(0, peer)), (0, 1_001));
        assert_eq!((told(600, stranger), told(600, peer)), (60, 60));
        assert_eq!(told(1_000_000, stranger), 1_000);
    }
}
