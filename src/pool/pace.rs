//! How often something may happen: so many at once, then one per interval. One moment of state per subject, so that thousands
//! of subjects are cheap. Bytes have `flow::bucket`; this is for events. The pool paces arrivals and dials with it.

use crate::base::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// The allowance: `burst` at once, one more each `interval`.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    pub interval: Duration,
    pub burst: u32,
}

impl Allowance {
    /// So many per second; as many at once.
    pub fn per_second(rate: u32) -> Allowance {
        Allowance { interval: Duration::from_secs(1) / rate.max(1), burst: rate.max(1) }
    }

    /// How far ahead of now the schedule may run.
    fn room(&self) -> Duration {
        self.interval.saturating_mul(self.burst.saturating_sub(1))
    }
}

/// One subject's schedule: the moment until which its allowance is spent (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    spent_until: Time,
}

impl Pace {
    /// Takes one if there is one.
    pub fn take(&mut self, now: Time, allowance: Allowance) -> bool {
        if self.next_at(allowance) > now {
            return false;
        }
        self.spent_until = self.spent_until.max(now) + allowance.interval;
        true
    }

    /// Takes as many as there are, at most `count`, and says how many.
    pub fn take_up_to(&mut self, now: Time, count: u32, allowance: Allowance) -> u32 {
        if self.next_at(allowance) > now {
            return 0;
        }
        let begin = self.spent_until.max(now);
        let more = (now + allowance.room()).since(begin).as_nanos().checked_div(allowance.interval.as_nanos());
        let taken = more.map_or(count, |more| count.min(u32::try_from(more + 1).unwrap_or(u32::MAX)));
        self.spent_until = begin + allowance.interval * taken;
        taken
    }

    /// When the next one may happen; a moment that has passed means now.
    pub fn next_at(&self, allowance: Allowance) -> Time {
        self.spent_until - allowance.room()
    }
}

/// A schedule for each of many subjects, bounded: when full, those with a whole allowance are forgotten, then the calmest.
#[derive(Debug)]
pub struct Paces<K> {
    paces: BTreeMap<K, Pace>,
    entries_max: usize,
}

impl<K: Ord + Clone> Paces<K> {
    pub fn new(entries_max: usize) -> Paces<K> {
        Paces { paces: BTreeMap::new(), entries_max: entries_max.max(1) }
    }

    /// Takes one of `subject`'s if there is one.
    pub fn take(&mut self, now: Time, subject: K, allowance: Allowance) -> bool {
        if self.paces.len() >= self.entries_max && !self.paces.contains_key(&subject) {
            self.make_room(now);
        }
        self.paces.entry(subject).or_default().take(now, allowance)
    }

    /// When the next one of `subject`'s may happen; a moment that has passed means now.
    pub fn next_at(&self, subject: &K, allowance: Allowance) -> Time {
        self.paces.get(subject).map_or(Time::ZERO, |pace| pace.next_at(allowance))
    }

    /// Takes as many of `subject`'s as there are, at most `count`, and says how many.
    pub fn take_up_to(&mut self, now: Time, subject: K, count: u32, allowance: Allowance) -> u32 {
        if self.paces.len() >= self.entries_max && !self.paces.contains_key(&subject) {
            self.make_room(now);
        }
        self.paces.entry(subject).or_default().take_up_to(now, count, allowance)
    }

    pub fn len(&self) -> usize {
        self.paces.len()
    }

    pub fn is_empty(&self) -> bool {
        self.paces.is_empty()
    }

    fn make_room(&mut self, now: Time) {
        self.paces.retain(|_, pace| pace.spent_until > now);
        if self.paces.len() < self.entries_max {
            return;
        }
        // An eighth at a time, so that a flood of subjects costs a scan only now and then.
        let mut order: Vec<(Time, K)> = self.paces.iter().map(|(key, pace)| (pace.spent_until, key.clone())).collect();
        order.sort();
        for (_, key) in order.into_iter().take(self.entries_max.div_ceil(8)) {
            self.paces.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let allowance = Allowance { interval: Duration::from_secs(10), burst: 4 };
        let mut pace = Pace::default();
        let passed = (0..10).filter(|_| pace.take(at(0), allowance)).count();
        assert_eq!(passed, 4);
        assert!(!pace.take(at(9_999), allowance));
        assert!(pace.take(at(10_000), allowance));
        assert!(!pace.take(at(10_000), allowance));
        assert_eq!(pace.next_at(allowance), at(20_000));
        let later = (0..10).filter(|_| pace.take(at(1_000_000), allowance)).count();
        assert_eq!(later, 4, "rest does not add up beyond the burst");
    }

    #[test]
    fn many_at_once_are_as_many_as_one_by_one() {
        for interval in [Duration::ZERO, Duration::from_secs(10)] {
            let allowance = Allowance { interval, burst: 7 };
            let (mut once, mut singly) = (Pace::default(), Pace::default());
            for (now, count) in [(0, 3), (0, 9), (1_000, 2), (25_000, 5), (25_000, 0), (500_000, 99), (500_001, 1)] {
                let one_by_one = (0..count).filter(|_| singly.take(at(now), allowance)).count();
                assert_eq!(once.take_up_to(at(now), count, allowance) as usize, one_by_one, "{interval:?} at {now}");
                assert_eq!(once.next_at(allowance), singly.next_at(allowance));
            }
        }
    }

    #[test]
    fn a_flood_of_subjects_stays_in_bounds() {
        let mut paces = Paces::new(64);
        let allowance = Allowance { interval: Duration::from_secs(10), burst: 1 };
        for subject in 0..10_000_u32 {
            assert!(paces.take(at(u64::from(subject)), subject, allowance));
            assert!(paces.len() <= 64);
        }
        assert!(!paces.take(at(10_000), 9_999, allowance), "the latest is remembered");
    }
}
