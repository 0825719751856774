//! CometBFT's address book and the way its peers are dialed: 256 new and 64 old buckets, filled by the groups of who told and of what was told.
//! The rules are those of the CometBFT reference, sections 2.1 and 3, with its faults. An identity has one address here, and nobody reaches
//! the 17 failures in a row after which one is banned: their waits add up to more than the two days of a trial. The model uses it.

use super::model::{Answer, At, Policy, hash};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use std::collections::BTreeMap;
use std::time::Duration;

/// max_num_outbound_peers.
const OUTBOUND: usize = 10;
const NEW_BUCKETS: u64 = 256;
const OLD_BUCKETS: u64 = 64;
/// The check is `len > 64`: 65 fit.
const BUCKET: usize = 65;
const NEW_PER_GROUP: u64 = 32;
const OLD_PER_GROUP: u64 = 4;
const NEW_PER_ADDRESS: usize = 4;
/// isBad: never within a minute; 7 days without an attempt; 3 attempts without a success ever; 10 without one for 7 days.
const MINUTE: Duration = Duration::from_secs(60);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
const RETRIES: u32 = 3;
const FAILURES: u32 = 10;
/// A peer is good after 10,000 votes and block parts. A hundred validators at 6 s a block cast 33 votes a second, which some ten peers bring.
const USEFUL_AFTER: Duration = Duration::from_secs(3_600);
/// Each missing peer is looked for with so many picks.
const PICKS: usize = 3;
/// A wait of 2^n s never gets longer than a trial.
const DOUBLINGS_MAX: u32 = 20;

#[derive(Clone, Debug)]
struct Known {
    at: At,
    attempts: u32,
    last_attempt: Time,
    last_success: Option<Time>,
    is_old: bool,
    buckets: Vec<u16>,
}

impl Known {
    fn is_bad(&self, now: Time) -> bool {
        let has_failed = |attempts: u32| self.attempts >= attempts;
        let no_success_for_a_week = self.last_success.is_some_and(|at| now.since(at) > WEEK);
        let idle = now.since(self.last_attempt);
        !self.is_old
            && idle > MINUTE
            && (idle > WEEK
                || (self.last_success.is_none() && has_failed(RETRIES))
                || (no_success_for_a_week && has_failed(FAILURES)))
    }
}

/// What the dialer remembers of an address that failed. A success or a restart forgets it.
#[derive(Clone, Copy, Debug, Default)]
struct Failed {
    attempts: u32,
    not_before: Time,
}

/// The book, and the dialer beside it.
#[derive(Debug)]
pub struct CometBft {
    key: u64,
    /// The row of each address. A row that was left is used again.
    known: BTreeMap<At, usize>,
    rows: Vec<Known>,
    free: Vec<usize>,
    new: Vec<Vec<usize>>,
    old: Vec<Vec<usize>>,
    old_count: usize,
    failed: BTreeMap<At, Failed>,
}

impl CometBft {
    pub fn new(rng: &mut Rng) -> CometBft {
        CometBft {
            key: rng.next_u64(),
            known: BTreeMap::new(),
            rows: Vec::new(),
            free: Vec::new(),
            new: vec![Vec::new(); NEW_BUCKETS as usize],
            old: vec![Vec::new(); OLD_BUCKETS as usize],
            old_count: 0,
            failed: BTreeMap::new(),
        }
    }

    fn new_bucket(&self, at: At, source: u16) -> u16 {
        let one = hash(self.key, &[1, at.group().into(), source.into()]) % NEW_PER_GROUP;
        (hash(self.key, &[2, source.into(), one]) % NEW_BUCKETS) as u16
    }

    fn old_bucket(&self, at: At) -> u16 {
        let one = hash(self.key, &[3, at.0.into()]) % OLD_PER_GROUP;
        (hash(self.key, &[4, at.group().into(), one]) % OLD_BUCKETS) as u16
    }

    /// AddAddress.
    fn add(&mut self, now: Time, at: At, source: u16, rng: &mut Rng) {
        let row = self.known.get(&at).copied();
        if let Some(known) = row.map(|row| &self.rows[row]) {
            let places = known.buckets.len();
            if known.is_old || places >= NEW_PER_ADDRESS || rng.index(2 * places) != 0 {
                return;
            }
        }
        let bucket = self.new_bucket(at, source);
        if row.is_some_and(|row| self.rows[row].buckets.contains(&bucket)) {
            return;
        }
        if self.new[bucket as usize].len() >= BUCKET {
            self.expire_one(now, bucket);
        }
        let row = row.unwrap_or_else(|| self.create(now, at));
        self.new[bucket as usize].push(row);
        self.rows[row].buckets.push(bucket);
    }

    fn create(&mut self, now: Time, at: At) -> usize {
        let fresh =
            Known { at, attempts: 0, last_attempt: now, last_success: None, is_old: false, buckets: Vec::with_capacity(1) };
        let row = self.free.pop().unwrap_or(self.rows.len());
        if row == self.rows.len() {
            self.rows.push(fresh);
        } else {
            self.rows[row] = fresh;
        }
        self.known.insert(at, row);
        row
    }

    fn forget(&mut self, row: usize) {
        self.known.remove(&self.rows[row].at);
        self.free.push(row);
    }

    /// expireNew: a bad one leaves the bucket, else the one that was tried longest ago; an untried one counts from when it was added.
    fn expire_one(&mut self, now: Time, bucket: u16) {
        let rows = &self.new[bucket as usize];
        let bad = rows.iter().position(|row| self.rows[*row].is_bad(now));
        let oldest = || (0..rows.len()).min_by_key(|place| self.rows[rows[*place]].last_attempt);
        let Some(place) = bad.or_else(oldest) else { return };
        let row = self.new[bucket as usize].remove(place);
        self.rows[row].buckets.retain(|other| *other != bucket);
        if self.rows[row].buckets.is_empty() {
            self.forget(row);
        }
    }

    /// MarkGood, and moveToOld for a new one.
    fn mark_good(&mut self, now: Time, at: At) {
        let Some(row) = self.known.get(&at).copied() else { return };
        let known = &mut self.rows[row];
        (known.attempts, known.last_attempt, known.last_success) = (0, now, Some(now));
        if known.is_old {
            return;
        }
        known.is_old = true;
        for bucket in std::mem::take(&mut known.buckets) {
            self.new[bucket as usize].retain(|other| *other != row);
        }
        let bucket = self.old_bucket(at) as usize;
        if self.old[bucket].len() >= BUCKET {
            // The one that makes room should go back to a new bucket, which refuses it as an old one: it is lost.
            let rows = &self.old[bucket];
            let oldest =
                (0..rows.len()).min_by_key(|place| self.rows[rows[*place]].last_attempt).expect("a full bucket has rows");
            let lost = self.old[bucket].remove(oldest);
            self.old_count -= 1;
            self.forget(lost);
        }
        self.old[bucket].push(row);
        self.old_count += 1;
    }

    /// PickAddress.
    fn pick(&self, bias: u64, rng: &mut Rng) -> Option<At> {
        let new_count = self.known.len() - self.old_count;
        let old_weight = (self.old_count as f64).sqrt() * (100 - bias.min(100)) as f64;
        let new_weight = (new_count as f64).sqrt() * bias.min(100) as f64;
        let draw = rng.below(1 << 53) as f64 / (1_u64 << 53) as f64;
        let is_old = (new_weight + old_weight) * draw < old_weight;
        let buckets = if is_old { &self.old } else { &self.new };
        if (if is_old { self.old_count } else { new_count }) == 0 {
            return None;
        }
        loop {
            let bucket = &buckets[rng.index(buckets.len())];
            if !bucket.is_empty() {
                return Some(self.rows[bucket[rng.index(bucket.len())]].at);
            }
        }
    }
}

impl Policy for CometBft {
    fn outbound_max(&self) -> usize {
        OUTBOUND
    }

    fn useful_after(&self) -> Duration {
        USEFUL_AFTER
    }

    fn learn(&mut self, now: Time, at: At, from: At, rng: &mut Rng) {
        self.add(now, at, from.group(), rng);
    }

    fn outbound(&mut self, now: Time, links: &[At], rng: &mut Rng) -> Option<At> {
        let bias = links.len().min(8) as u64 * 10 + 10;
        let missing = OUTBOUND.saturating_sub(links.len());
        let may_dial = |at: &At| !links.contains(at) && self.failed.get(at).is_none_or(|failed| failed.not_before <= now);
        (0..PICKS * missing).filter_map(|_| self.pick(bias, rng)).find(may_dial)
    }

    fn feeler(&mut self, _now: Time, _made: usize, _rng: &mut Rng) -> Option<At> {
        None
    }

    fn tried(&mut self, now: Time, at: At, answer: Answer, rng: &mut Rng) -> bool {
        if answer != Answer::Missed {
            self.failed.remove(&at);
            return true;
        }
        let failed = self.failed.entry(at).or_default();
        failed.attempts += 1;
        let wait = Duration::from_secs(1 << failed.attempts.min(DOUBLINGS_MAX)) + Duration::from_millis(rng.below(1_000));
        failed.not_before = now + wait;
        if let Some(row) = self.known.get(&at) {
            let known = &mut self.rows[*row];
            (known.attempts, known.last_attempt) = (known.attempts + 1, now);
        }
        true
    }

    /// AddPeer of an inbound one: what it says of itself is told by itself.
    fn arrived(&mut self, now: Time, from: At, rng: &mut Rng) -> bool {
        self.add(now, from, from.group(), rng);
        true
    }

    fn lasted(&mut self, now: Time, with: At, _direction: Direction) {
        self.mark_good(now, with);
    }

    fn parted(&mut self, _now: Time, _with: At, _direction: Direction, _rng: &mut Rng) {}

    /// The file has the book and its buckets. The dialer's memory is lost.
    fn restart(&mut self, _now: Time, _rng: &mut Rng) {
        self.failed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{after, at};
    use super::*;

    fn book() -> (CometBft, Rng) {
        let mut rng = Rng::from_seed(1);
        (CometBft::new(&mut rng), rng)
    }

    #[test]
    fn one_source_reaches_32_buckets_and_a_bucket_has_65() {
        let (mut book, mut rng) = book();
        for number in 0..20_000 {
            book.learn(after(1), at(number % 5_000, number), at(9, 9), &mut rng);
        }
        let used: Vec<usize> = book.new.iter().map(Vec::len).filter(|len| *len > 0).collect();
        assert!((20..=32).contains(&used.len()), "{}", used.len());
        assert!(used.iter().all(|len| *len == 65));
        assert_eq!(book.known.len(), 65 * used.len());
    }

    #[test]
    fn a_further_bucket_is_a_matter_of_luck_and_four_is_the_end() {
        let (mut book, mut rng) = book();
        let mut tellings = Vec::new();
        for source in 0..10_000 {
            book.learn(after(1), at(1, 1), at(source, 1), &mut rng);
            if book.rows[book.known[&at(1, 1)]].buckets.len() > tellings.len() {
                tellings.push(source);
            }
        }
        assert_eq!(tellings.len(), 4);
        assert_eq!(tellings[0], 0);
    }

    #[test]
    fn a_full_bucket_loses_a_bad_one_first_then_the_one_tried_longest_ago() {
        let (mut book, mut rng) = book();
        for number in 0..65 {
            book.learn(after(u64::from(number)), at(1, number), at(9, 9), &mut rng);
        }
        for _ in 0..3 {
            book.tried(after(100), at(1, 30), Answer::Missed, &mut rng);
        }
        book.learn(after(150), at(1, 100), at(9, 9), &mut rng);
        assert!(!book.known.contains_key(&at(1, 0)), "within a minute of an attempt none is bad");
        book.learn(after(161), at(1, 101), at(9, 9), &mut rng);
        assert!(!book.known.contains_key(&at(1, 30)) && book.known.contains_key(&at(1, 1)));
    }

    #[test]
    fn who_makes_room_in_an_old_bucket_is_lost() {
        let (mut book, mut rng) = book();
        for number in 0..1_000 {
            book.learn(after(1), at(1, number), at(2, number), &mut rng);
            book.lasted(after(2 + u64::from(number)), at(1, number), Direction::Outbound);
        }
        let used = book.old.iter().filter(|bucket| !bucket.is_empty()).count();
        assert!((2..=4).contains(&used), "{used}");
        assert_eq!((book.old_count, book.known.len()), (65 * used, 65 * used));
        assert!(book.known.contains_key(&at(1, 999)) && !book.known.contains_key(&at(1, 0)));
    }

    #[test]
    fn the_pick_weighs_the_roots_of_the_counts_and_an_empty_table_gives_nobody() {
        let (mut book, mut rng) = book();
        for number in 0..400 {
            book.learn(after(1), at(number, 1), at(number, 2), &mut rng);
        }
        for number in 0..100 {
            book.lasted(after(2), at(number, 1), Direction::Outbound);
        }
        // Old: √100 × 70; new: √300 × 30.
        let old = (0..10_000).filter(|_| book.pick(30, &mut rng).is_some_and(|at| at.group() < 100)).count();
        assert!((5_600..5_850).contains(&old), "{old}");
        for number in 100..400 {
            book.lasted(after(2), at(number, 1), Direction::Outbound);
        }
        assert!(book.pick(50, &mut rng).is_some());
        assert_eq!(book.pick(100, &mut rng), None, "no fallback to the old ones");
    }

    #[test]
    fn a_dead_address_waits_twice_as_long_each_time_until_a_restart() {
        let (mut book, mut rng) = book();
        book.learn(after(1), at(1, 1), at(2, 2), &mut rng);
        let found = |book: &mut CometBft, seconds: u64| {
            (0..9).any(|_| book.outbound(after(seconds), &[], &mut Rng::from_seed(seconds)).is_some())
        };
        for (seconds, wait) in [(10, 2), (20, 4), (40, 8)] {
            assert!(found(&mut book, seconds));
            book.tried(after(seconds), at(1, 1), Answer::Missed, &mut rng);
            assert!(!found(&mut book, seconds + wait - 1) && found(&mut book, seconds + wait + 1));
        }
        book.tried(after(60), at(1, 1), Answer::Missed, &mut rng);
        book.restart(after(61), &mut rng);
        assert!(found(&mut book, 61));
        assert_eq!(book.outbound(after(61), &[at(1, 1)], &mut rng), None, "it is linked");
    }
}
