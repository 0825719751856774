//! How fast one peer may send on one channel: token buckets of bytes and messages that keep credit back. A peer never has more credit than
//! there are tokens, so whatever it does with it, it keeps to the rate and waits in its own queue. `arrivals.rs` asks before it grants.

use crate::base::channel::Channel;
use crate::base::limits::SEGMENT_HEADER;
use crate::base::time::Time;
use crate::flow::bucket::TokenBucket;

/// Grants come at most so often a second, unless a sender would wait for a smaller one: each takes a segment, and perhaps a record.
const GRANTS_PER_SECOND: u64 = 10;

/// The limits of one channel of one link.
#[derive(Debug)]
pub struct Pace {
    bytes: TokenBucket,
    messages: TokenBucket,
    /// What a message costs of the credit at least: credit over this is how many may come.
    unit: u32,
    /// Credit that is worth a grant.
    step: u32,
    /// When the next grant can be made, as found last.
    pub next: Time,
}

impl Pace {
    /// What limits `channel`, if anything does. `piece_min` is credit without which a sender may wait.
    pub fn of(channel: &Channel, piece_min: u32, now: Time) -> Option<Box<Pace>> {
        let bucket = |rate: u64, burst: Option<u32>| match burst {
            Some(burst) => TokenBucket::with_burst(now, rate, burst.into()),
            None => TokenBucket::unlimited(),
        };
        let (at_once, messages_at_once) = (channel.bytes_at_once(), channel.messages_at_once());
        if at_once.is_none() && messages_at_once.is_none() {
            return None;
        }
        let window = channel.window();
        // A full bucket of messages must be worth the whole window, or the last bytes of it could never be granted.
        let fair = messages_at_once.map_or(0, |count| window.div_ceil(count));
        let unit = channel.segment_cost_min().max(SEGMENT_HEADER as u32).max(fair);
        let per_second =
            [at_once.map(|_| channel.rate_bytes), messages_at_once.map(|_| u64::from(channel.rate_messages) * u64::from(unit))];
        let step = per_second.into_iter().flatten().min().unwrap_or(u64::MAX) / GRANTS_PER_SECOND;
        let step = u32::try_from(step).unwrap_or(u32::MAX).min(window / 4).max(piece_min).max(1);
        let (bytes, messages) = (bucket(channel.rate_bytes, at_once), bucket(channel.rate_messages.into(), messages_at_once));
        Some(Box::new(Pace { bytes, messages, unit, step, next: Time::MAX }))
    }

    /// A segment that costs so much has come; it begins a message or goes on with one.
    pub fn note(&mut self, now: Time, cost: u32, begins: bool) {
        // The peer has no more credit than there are tokens, but for what rounding leaves.
        for (bucket, amount) in [(&mut self.bytes, u64::from(cost)), (&mut self.messages, u64::from(begins))] {
            let amount = amount.min(bucket.available(now));
            bucket.take(now, amount);
        }
    }

    /// Of `owed` bytes those that can be granted now to a peer that has `credit`.
    pub fn grantable(&self, now: Time, credit: u32, owed: u32) -> u32 {
        let messages = self.messages.available(now).saturating_mul(u64::from(self.unit));
        let most = self.bytes.available(now).min(messages).saturating_sub(u64::from(credit));
        owed.min(u32::try_from(most).unwrap_or(u32::MAX))
    }

    /// When a grant to a peer that has `credit` is worth making; `None`: now.
    pub fn next_at(&self, now: Time, credit: u32, owed: u32) -> Option<Time> {
        let wanted = credit + owed.min(self.step);
        let bytes = self.bytes.next_at(now, wanted.into());
        bytes.max(self.messages.next_at(now, wanted.div_ceil(self.unit).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn pace(channel: &Channel) -> Box<Pace> {
        Pace::of(channel, 1_024, Time::ZERO).expect("a limit")
    }

    #[test]
    fn without_a_rate_nothing_limits() {
        assert!(Pace::of(&Channel::new(0x20, "free"), 1_024, Time::ZERO).is_none());
    }

    #[test]
    fn bytes_come_back_with_time_and_credit_counts_as_used() {
        let channel = Channel { rate_bytes: 10_000, burst_bytes: 50_000, ..Channel::new(0x20, "c") };
        assert_eq!(channel.window(), 50_000);
        let mut pace = pace(&channel);
        assert_eq!(pace.grantable(at(0), 50_000, 10), 0, "all of it is out");
        pace.note(at(0), 50_000, true);
        assert_eq!((pace.grantable(at(0), 0, 50_000), pace.next_at(at(0), 0, 50_000)), (0, Some(Time::from_nanos(102_400_000))));
        assert_eq!(pace.grantable(at(1_000), 4_000, 50_000), 6_000, "10,000 in a second, of which 4,000 are out");
        assert_eq!(pace.grantable(at(1_000), 0, 300), 300);
        assert_eq!((pace.next_at(at(1_000), 0, 300), pace.grantable(at(60_000), 0, u32::MAX)), (None, 50_000));
    }

    #[test]
    fn messages_are_counted_whatever_their_size() {
        let channel = Channel { rate_messages: 10, burst_messages: 20, receive_queue_bytes: 1 << 20, ..Channel::new(0x20, "c") };
        let unit = (1_u32 << 20).div_ceil(20);
        assert_eq!((channel.segment_cost_min(), channel.window()), (unit, 1 << 20));
        let mut pace = pace(&channel);
        (0..20).for_each(|_| pace.note(at(0), unit, true));
        assert_eq!(pace.grantable(at(0), 0, 1 << 20), 0);
        assert_eq!(pace.next_at(at(0), 0, 1 << 20), Some(at(100)));
        assert_eq!(pace.grantable(at(100), 0, 1 << 20), unit, "one more");
        pace.note(at(100), unit, false);
        assert_eq!(pace.grantable(at(100), 0, 1 << 20), unit, "a piece of the same message is none more");
        assert_eq!(pace.grantable(at(9_000), 0, 1 << 20), 1 << 20, "the whole window when the bucket is full");
    }

    #[test]
    fn whatever_is_owed_can_be_granted_in_the_end() {
        for window in [1_024, 1_025, 1_027, 65_537] {
            for (bytes, count) in [(0, 1), (0, 7), (2_000, 0), (1_024, 1), (1 << 30, 100_000)] {
                let channel =
                    Channel { receive_queue_bytes: window, rate_bytes: bytes, rate_messages: count, ..Channel::new(0x20, "c") };
                let (window, mut pace) = (channel.window(), Pace::of(&channel, 256, Time::ZERO).expect("a limit"));
                pace.note(at(0), window, true);
                let later = at(1 << 40);
                assert_eq!((pace.next_at(later, 0, window), pace.grantable(later, 0, window)), (None, window));
                assert_eq!((pace.next_at(later, window - 1, 1), pace.grantable(later, window - 1, 1)), (None, 1));
            }
        }
    }
}
