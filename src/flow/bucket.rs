//! A token bucket over bytes: how much may move now, and when more may. Integer arithmetic; it never reads a clock.
//! The reactor has one per direction for all links and one per direction and link; `turns` asks both.

use crate::base::limits::{FRAME_MIN, LINK_TURN_MIN, RECORD_OVERHEAD};
use crate::base::time::Time;
use std::time::Duration;

/// A bucket holds at least this much of its rate: below 20 ms, timers of 1 ms lose 5 % (performance reference 5).
const DEPTH: Duration = Duration::from_millis(20);
/// Bytes that move in one turn at most, up to 330 MB/s (performance reference 5).
const QUANTUM_MAX: u64 = 16 * 1_024;
/// A turn takes at most this much of a rate, so that others wait no longer for it (performance reference 5).
const QUANTUM_TIME: Duration = Duration::from_millis(5);
/// At faster rates a turn is as long as this and grows, or system calls alone would keep a rate of 5 GB/s from being reached: a hundred
/// links still share every 5 ms.
const QUANTUM_TIME_MIN: Duration = Duration::from_micros(50);
/// Bytes that move in one turn at most at any rate: what one read takes.
const QUANTUM_FAST_MAX: u64 = 256 * 1_024;
/// What a link seals at once takes at most this much of its rate while that is slow: a pong waits no longer for it.
const SEALED_TIME: Duration = Duration::from_millis(20);
/// It is the smallest record that every peer takes, until that takes less time than this: up to 82 MB/s. A full record would hold an urgent
/// message up four times as long, and an uncapped link needs the larger ones only for its speed.
const SEALED_TIME_MIN: Duration = Duration::from_micros(200);
const SEALED_SLOW_MAX: u64 = (FRAME_MIN + RECORD_OVERHEAD) as u64;

const NANOS: u128 = 1_000_000_000;

/// Bytes per turn and unit of weight that suit a rate in bytes/s; 0 is no limit.
pub fn quantum(rate: u64) -> u64 {
    if rate == 0 {
        return QUANTUM_MAX;
    }
    let fast = bytes_in(rate, QUANTUM_TIME_MIN).min(QUANTUM_FAST_MAX);
    bytes_in(rate, QUANTUM_TIME).clamp(LINK_TURN_MIN, QUANTUM_MAX).max(fast)
}

/// Bytes that a link should seal at once which moves `rate` bytes/s; 0 is no limit. What is sealed cannot be overtaken any more.
pub fn sealed_max(rate: u64) -> u64 {
    if rate == 0 {
        return u64::MAX;
    }
    bytes_in(rate, SEALED_TIME).clamp(LINK_TURN_MIN, SEALED_SLOW_MAX).max(bytes_in(rate, SEALED_TIME_MIN))
}

/// Bytes that trickle in at a rate and may be taken as long as there are any.
///
/// What time brings is counted to the billionth of a byte, so that no pattern of calls gains or loses anything.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Bytes per second; 0: no limit.
    rate: u64,
    /// Most bytes that it holds.
    capacity: u64,
    tokens: u64,
    /// Billionths of a byte beyond `tokens`, always less than one byte.
    carry: u64,
    /// The moment that `tokens` and `carry` hold for.
    at: Time,
}

impl TokenBucket {
    /// A full bucket for `rate` bytes/s; 0 is no limit.
    pub fn new(now: Time, rate: u64) -> TokenBucket {
        let capacity = depth(rate);
        TokenBucket { rate, capacity, tokens: capacity, carry: 0, at: now }
    }

    /// A full bucket that holds `burst` bytes (or of whatever else it counts), instead of what suits the turns of links.
    pub fn with_burst(now: Time, rate: u64, burst: u64) -> TokenBucket {
        TokenBucket { capacity: burst, tokens: burst, ..TokenBucket::new(now, rate) }
    }

    /// A bucket that never refuses.
    pub fn unlimited() -> TokenBucket {
        TokenBucket::new(Time::ZERO, 0)
    }

    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// Most bytes that can ever be there at once; `u64::MAX` without a limit.
    pub fn capacity(&self) -> u64 {
        if self.rate == 0 { u64::MAX } else { self.capacity }
    }

    /// Bytes that may be taken now.
    pub fn available(&self, now: Time) -> u64 {
        if self.rate == 0 { u64::MAX } else { self.level(now).0 }
    }

    /// Takes `bytes` if they are there; otherwise nothing is taken and it says false.
    pub fn take(&mut self, now: Time, bytes: u64) -> bool {
        if self.rate == 0 {
            return true;
        }
        self.settle(now);
        let left = self.tokens.checked_sub(bytes);
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }

    /// When `bytes` (or a full bucket, if that is less) will be there; `None` if they are there now.
    pub fn next_at(&self, now: Time, bytes: u64) -> Option<Time> {
        let (tokens, carry) = self.level(now);
        let missing = bytes.min(self.capacity()).saturating_sub(tokens);
        if self.rate == 0 || missing == 0 {
            return None;
        }
        let wait = (u128::from(missing) * NANOS - u128::from(carry)).div_ceil(u128::from(self.rate));
        Some(now.max(self.at) + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Goes on at another rate. What is there stays, up to the new capacity; a bucket that had no limit starts full.
    pub fn set_rate(&mut self, now: Time, rate: u64) {
        self.settle(now);
        let had_none = self.rate == 0;
        self.rate = rate;
        self.capacity = depth(rate);
        self.tokens = if had_none { self.capacity } else { self.tokens.min(self.capacity) };
    }

    /// Tokens and carry at `now`. A moment before the last one brings nothing.
    fn level(&self, now: Time) -> (u64, u64) {
        let elapsed = u128::from(now.since(self.at).as_nanos() as u64);
        let brought = elapsed * u128::from(self.rate) + u128::from(self.carry);
        let tokens = u128::from(self.tokens) + brought / NANOS;
        if tokens >= u128::from(self.capacity) {
            return (self.capacity, 0);
        }
        (tokens as u64, (brought % NANOS) as u64)
    }

    fn settle(&mut self, now: Time) {
        (self.tokens, self.carry) = self.level(now);
        self.at = self.at.max(now);
    }
}

/// The capacity for a rate: 20 ms of it, and two turns in any case, so that one can be filled while the other is taken.
fn depth(rate: u64) -> u64 {
    bytes_in(rate, DEPTH).max(2 * quantum(rate))
}

fn bytes_in(rate: u64, duration: Duration) -> u64 {
    u64::try_from(u128::from(rate) * duration.as_nanos() / NANOS).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Time = Time::from_nanos(77);

    fn after(nanos: u64) -> Time {
        START + Duration::from_nanos(nanos)
    }

    fn emptied(rate: u64) -> TokenBucket {
        let mut bucket = TokenBucket::new(START, rate);
        assert!(bucket.take(START, bucket.capacity()));
        bucket
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let mut bucket = TokenBucket::unlimited();
        assert!(bucket.take(START, u64::MAX) && bucket.take(START, u64::MAX));
        assert_eq!((bucket.available(START), bucket.next_at(START, u64::MAX)), (u64::MAX, None));
    }

    #[test]
    fn what_is_not_there_is_not_given() {
        let mut bucket = emptied(1_000_000);
        assert_eq!(bucket.capacity(), 20_000);
        assert!(!bucket.take(START, 1) && !bucket.take(after(999), 1));
        assert!(bucket.take(after(1_000), 1) && !bucket.take(after(1_000), 1));
        assert_eq!(bucket.next_at(after(1_000), 3), Some(after(4_000)));
        assert_eq!(bucket.available(after(3_600_000_000_000)), 20_000, "an idle hour fills it once");
    }

    #[test]
    fn more_than_a_full_bucket_waits_for_a_full_one() {
        let bucket = emptied(1_000_000);
        assert_eq!(bucket.next_at(START, u64::MAX), Some(after(20_000_000)));
        assert_eq!(TokenBucket::new(START, 1).capacity(), 2 * LINK_TURN_MIN);
    }

    #[test]
    fn a_new_rate_holds_from_now_on() {
        let mut bucket = emptied(1_000_000);
        bucket.set_rate(after(1_000_000), 2_000_000);
        assert_eq!(bucket.available(after(1_000_000)), 1_000, "a millisecond at the old rate");
        assert_eq!(bucket.available(after(2_000_000)), 3_000, "and one at the new");
        bucket.set_rate(after(2_000_000), 0);
        assert_eq!(bucket.available(after(2_000_000)), u64::MAX);
        bucket.set_rate(after(2_000_000), 1_000_000);
        assert_eq!(bucket.available(after(2_000_000)), 20_000);
        bucket.set_rate(after(2_000_000), 1);
        assert_eq!(bucket.available(after(2_000_000)), 2 * LINK_TURN_MIN);
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing() {
        let mut bucket = emptied(1_000_000);
        assert!(bucket.take(after(5_000), 5));
        assert!(!bucket.take(START, 1));
        assert_eq!(bucket.next_at(START, 1), Some(after(6_000)));
        assert!(bucket.take(after(6_000), 1) && !bucket.take(after(6_000), 1));
    }

    #[test]
    fn quanta_follow_the_rate() {
        let rates = [0, 1, 64 * 1_024, 1_000_000, 100_000_000, 1_000_000_000, 5_000_000_000, u64::MAX];
        assert_eq!(rates.map(quantum), [16_384, 1_460, 1_460, 5_000, 16_384, 50_000, 250_000, 262_144]);
        let rates = [0, 1, 64 * 1_024, 500_000, 8_000_000, 80_000_000, 500_000_000];
        assert_eq!(rates.map(sealed_max), [u64::MAX, 1_460, 1_460, 10_000, 16_434, 16_434, 100_000]);
    }

    proptest! {
        #[test]
        fn no_pattern_of_calls_gains_or_loses_a_byte(rate in 1_u64..2_000_000_000, steps in prop::collection::vec(1_u64..20_000_000, 1..300)) {
            let mut bucket = emptied(rate);
            let (mut nanos, mut taken) = (0, 0);
            for step in steps {
                // No step fills the bucket (20 ms), so nothing may spill over.
                nanos += step;
                let available = bucket.available(after(nanos));
                prop_assert!(available <= bucket.capacity());
                prop_assert!(bucket.take(after(nanos), available));
                taken += available;
            }
            prop_assert_eq!(u128::from(taken), u128::from(nanos) * u128::from(rate) / NANOS);
        }

        /// Whatever is asked for and whenever, also after a rest that has filled it.
        #[test]
        fn no_stretch_of_time_gets_more_than_its_rate_and_one_bucket(
            rate in 1_u64..2_000_000_000, steps in prop::collection::vec((0_u64..60_000_000, 0_u64..1_200), 1..80)
        ) {
            let mut bucket = TokenBucket::new(START, rate);
            let (mut nanos, mut taken) = (0, Vec::new());
            for (step, thousandths) in steps {
                nanos += step;
                let bytes = bucket.capacity() * thousandths / 1_000;
                let fits = bytes <= bucket.available(after(nanos));
                prop_assert_eq!(bucket.take(after(nanos), bytes), fits);
                taken.push((nanos, if fits { bytes } else { 0 }));
            }
            for (at, (begin, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (end, bytes) in &taken[at..] {
                    sum += u128::from(*bytes);
                    let most = u128::from(end - begin) * u128::from(rate) / NANOS + 1 + u128::from(bucket.capacity());
                    prop_assert!(sum <= most, "{sum} of {most} from {begin} to {end}");
                }
            }
        }

        #[test]
        fn a_rate_that_changes_brings_what_each_rate_brings(steps in prop::collection::vec((1_u64..2_000_000_000, 1_u64..19_000_000), 1..100)) {
            let mut bucket = emptied(steps[0].0);
            let (mut nanos, mut taken, mut brought) = (0, 0, 0_u128);
            for (rate, step) in &steps {
                bucket.set_rate(after(nanos), *rate);
                nanos += step;
                let available = bucket.available(after(nanos));
                prop_assert!(bucket.take(after(nanos), available));
                taken += u128::from(available);
                brought += u128::from(*step) * u128::from(*rate);
            }
            // Nothing is lost or won by a change, to the billionth of a byte; no step fills a bucket.
            prop_assert_eq!(taken, brought / NANOS);
        }

        #[test]
        fn quanta_and_records_take_a_bounded_part_of_any_rate(rate in 1_u64..=1 << 40) {
            let bucket = TokenBucket::new(START, rate);
            prop_assert!((LINK_TURN_MIN..=QUANTUM_FAST_MAX).contains(&quantum(rate)));
            prop_assert!(bucket.capacity() >= 2 * quantum(rate), "a turn always fits half a bucket");
            prop_assert!(quantum(rate) <= LINK_TURN_MIN.max(bytes_in(rate, QUANTUM_TIME)));
            prop_assert!(sealed_max(rate) <= LINK_TURN_MIN.max(bytes_in(rate, SEALED_TIME)));
        }

        #[test]
        fn next_at_is_the_first_moment_that_suffices(rate in 1_u64..2_000_000_000, bytes in 1_u64..5_000_000, gone in 0_u64..30_000_000) {
            let bucket = emptied(rate);
            let least = bytes.min(bucket.capacity());
            let Some(at) = bucket.next_at(after(gone), bytes) else {
                prop_assert!(bucket.available(after(gone)) >= least);
                return Ok(());
            };
            prop_assert!(at > after(gone));
            prop_assert!(bucket.available(at) >= least);
            prop_assert!(bucket.available(at - Duration::from_nanos(1)) < least);
        }

        #[test]
        fn no_input_overflows(rate: u64, now: u64, later: u64, bytes: u64, other: u64) {
            let mut bucket = TokenBucket::new(Time::from_nanos(now), rate);
            let later = Time::from_nanos(later);
            bucket.take(later, bytes);
            bucket.set_rate(later, other);
            let _ = (bucket.next_at(later, u64::MAX), bucket.available(Time::MAX), bucket.take(Time::MAX, bytes));
        }
    }
}
