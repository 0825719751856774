//! Moments: nanoseconds since a node started, and their relation to wall time.
//! It never reads a clock; `node/clock.rs` and the simulator make the values. Every floor uses it.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment: nanoseconds since the node started. 584 years fit, so arithmetic saturates and never wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment the node started.
    pub const ZERO: Time = Time(0);
    /// Later than every moment that can occur.
    pub const MAX: Time = Time(u64::MAX);

    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Time left until `later`; zero if it has passed.
    pub const fn until(self, later: Time) -> Duration {
        later.since(self)
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, by: Duration) -> Time {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, by: Duration) -> Time {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Time(self.0.saturating_sub(nanos))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// Wall time of `Time::ZERO`, read once at start: later steps of the wall clock change nothing in a running node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    unix: Duration,
}

impl Epoch {
    /// `unix` is the time since 1970-01-01 UTC at the moment the node started.
    pub const fn from_unix(unix: Duration) -> Epoch {
        Epoch { unix }
    }

    /// Time since 1970-01-01 UTC at `now`.
    pub fn unix_at(self, now: Time) -> Duration {
        self.unix.saturating_add(now.since(Time::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Time::MAX + Duration::from_secs(1), Time::MAX);
        assert_eq!(Time::ZERO - Duration::from_secs(1), Time::ZERO);
        assert_eq!(Time::ZERO.since(Time::MAX), Duration::ZERO);
        assert_eq!(Time::ZERO + Duration::MAX, Time::MAX);
    }

    #[test]
    fn an_epoch_counts_from_the_start_of_the_node() {
        let epoch = Epoch::from_unix(Duration::from_secs(1_700_000_000));
        assert_eq!(epoch.unix_at(Time::from_nanos(5_000_000_000)).as_secs(), 1_700_000_005);
    }
}
