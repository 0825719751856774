//! How long the rest of a message may take. Each byte that comes buys time at the least rate, never more than the limit for a standstill:
//! so neither an endless trickle nor a quick beginning holds memory for long. Bytes of other messages count as well, as far as an honest
//! sender may put them in between: who is busy on a slow link is not late. `arrivals.rs` has one for each message under way.

use super::local::Timeouts;
use crate::base::time::Time;
use std::time::Duration;

/// Other messages of a link may excuse no standstill beyond so many bytes: four times what an honest sender puts between two pieces of a
/// message on the channel of least weight, 17 full records (`flow/shares.rs`).
const OTHERS_MAX: u64 = 4 << 20;

/// Bytes of a record that is not whole, and when the last of them came.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    pub bytes: usize,
    pub grew: Time,
}

/// The time that so many bytes buy.
fn bought(bytes: u64, timeouts: &Timeouts) -> Duration {
    match timeouts.message_rate_min {
        0 => timeouts.message,
        rate => Duration::from_nanos(u64::try_from(bytes as u128 * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX)),
    }
}

/// The time that is left to one message.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    until: Time,
    /// Bytes of segments that had come on the link when this message last grew.
    heard: u64,
}

impl Patience {
    pub fn new(now: Time, heard: u64, timeouts: &Timeouts) -> Patience {
        Patience { until: now + timeouts.message, heard }
    }

    /// When it is over, if nothing comes. Of a record that is not whole, `rest`, nobody knows yet whose bytes it has: until it is opened
    /// they count as this message's, or a slow link would be late with every full record.
    pub fn until(&self, rest: Rest, heard: u64, timeouts: &Timeouts) -> Time {
        let bytes = rest.bytes as u64 + self.others(heard);
        if bytes == 0 {
            return self.until;
        }
        (self.until + bought(bytes, timeouts)).min(rest.grew + timeouts.message).max(self.until)
    }

    /// So many bytes of the message came.
    pub fn grow(&mut self, now: Time, bytes: usize, heard: u64, timeouts: &Timeouts) {
        // Those of this piece are among all that came.
        let bytes = self.others(heard).max(bytes as u64);
        self.until = (self.until + bought(bytes, timeouts)).min(now + timeouts.message);
        self.heard = heard;
    }

    /// Bytes that came since this message last grew, if they are no more than an honest sender puts in between.
    fn others(&self, heard: u64) -> u64 {
        Some(heard - self.heard).filter(|others| *others <= OTHERS_MAX).unwrap_or(0)
    }

    /// What kept it waiting was ours: its time begins anew.
    pub fn renew(&mut self, now: Time, timeouts: &Timeouts) {
        self.until = now + timeouts.message;
    }

    /// We did not read the link for a while, and something may wait there. Who has meanwhile sent far more of other things has no excuse.
    pub fn resume(&mut self, now: Time, heard: u64, timeouts: &Timeouts) {
        if heard - self.heard <= OTHERS_MAX {
            self.renew(now, timeouts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn rule(message: u64, message_rate_min: u64) -> Timeouts {
        Timeouts { message: Duration::from_secs(message), message_rate_min, ..Timeouts::default() }
    }

    fn until(patience: &Patience, rule: &Timeouts) -> Time {
        patience.until(Rest { bytes: 0, grew: Time::ZERO }, patience.heard, rule)
    }

    #[test]
    fn a_record_that_is_not_whole_counts_for_now() {
        let rule = rule(60, 100);
        let patience = Patience::new(at(0), 0, &rule);
        let with = |bytes, grew| patience.until(Rest { bytes, grew: at(grew) }, 0, &rule);
        assert_eq!((with(1_000, 30), with(60_000, 55)), (at(70), at(115)));
        assert_eq!(with(1, 50), at(60) + Duration::from_millis(10), "a trickle buys next to nothing");
        assert_eq!(until(&patience, &rule), at(60), "and only the message's own bytes in the end");
    }

    #[test]
    fn a_standstill_is_bounded_and_bytes_buy_time_up_to_that() {
        let rule = rule(60, 100);
        let mut patience = Patience::new(at(0), 0, &rule);
        assert_eq!(until(&patience, &rule), at(60));
        patience.grow(at(50), 1_000, 0, &rule);
        assert_eq!(until(&patience, &rule), at(70), "10 s more");
        patience.grow(at(60), 1 << 26, 0, &rule);
        assert_eq!(until(&patience, &rule), at(120), "a burst buys no more than that");
        patience.grow(at(60), usize::MAX, 0, &rule);
        assert_eq!(until(&patience, &rule), at(120));
    }

    #[test]
    fn other_messages_buy_time_as_far_as_they_may_come_between() {
        let rule = rule(60, 100);
        let mut patience = Patience::new(at(0), 1_000, &rule);
        let with = |patience: &Patience, heard, grew| patience.until(Rest { bytes: 0, grew: at(grew) }, heard, &rule);
        assert_eq!((with(&patience, 2_000, 30), with(&patience, 1_000 + OTHERS_MAX, 30)), (at(70), at(90)));
        assert_eq!(with(&patience, 1_001 + OTHERS_MAX, 30), at(60), "instead of this one");
        patience.grow(at(40), 1, 2_000, &rule);
        assert_eq!(until(&patience, &rule), at(70));
        patience.grow(at(40), 1, 2_001 + OTHERS_MAX, &rule);
        assert_eq!(until(&patience, &rule), at(70) + Duration::from_millis(10), "its own byte");
    }

    #[test]
    fn a_trickle_runs_out_and_the_least_rate_does_not() {
        for (bytes, is_enough) in [(100, true), (99, false)] {
            let rule = rule(60, 100);
            let mut patience = Patience::new(at(0), 0, &rule);
            let late = (1..100_000).find(|second| {
                let is_late = until(&patience, &rule) <= at(*second);
                patience.grow(at(*second), bytes, 0, &rule);
                is_late
            });
            assert_eq!(late.is_none(), is_enough, "{late:?}");
        }
        let rule = rule(60, 0);
        let mut patience = Patience::new(at(0), 0, &rule);
        (1..100).for_each(|step| patience.grow(at(50 * step), 1, 0, &rule));
        assert_eq!(until(&patience, &rule), at(50 * 99 + 60), "without a least rate any byte is enough");
    }

    #[test]
    fn our_pauses_excuse_it_unless_other_things_came_instead() {
        let rule = rule(60, 100);
        let mut patience = Patience::new(at(0), 7, &rule);
        patience.resume(at(50), 7 + OTHERS_MAX, &rule);
        assert_eq!(until(&patience, &rule), at(110));
        patience.resume(at(100), 8 + OTHERS_MAX, &rule);
        assert_eq!(until(&patience, &rule), at(110));
    }
}
