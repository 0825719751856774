//! The node's clock: the only file that reads the time of the machine. Everything below gets moments as arguments.

use crate::base::limits::PAST;
use crate::base::time::{Epoch, Time};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait that a call takes for "for ever": a century, which every arithmetic survives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Monotonic time, `PAST` when the node was made, and the wall time of its zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    epoch: Epoch,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "this file is the one place that reads the clock")]
    pub fn start() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), epoch: Epoch::from_unix(unix.saturating_sub(PAST)) }
    }

    #[allow(clippy::disallowed_methods, reason = "this file is the one place that reads the clock")]
    pub fn uptime(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    pub fn now(&self) -> Time {
        Time::ZERO + PAST + self.uptime()
    }

    /// Seconds since 1970 at `now`.
    pub fn unix_seconds(&self, now: Time) -> u64 {
        self.epoch.unix_at(now).as_secs()
    }

    /// The instant, for waiting on a condition, that lies `wait` ahead; `None` is for ever.
    #[allow(clippy::disallowed_methods, reason = "this file is the one place that reads the clock")]
    pub fn deadline(&self, wait: Option<Duration>) -> Instant {
        Instant::now() + wait.unwrap_or(FOR_EVER).min(FOR_EVER)
    }
}

/// The machine's monotonic clock in nanoseconds, as C reads it: a number, which Rust's `Instant` does not show. Safe in a signal handler.
#[allow(unsafe_code, reason = "std does not show the number of this clock")]
pub fn machine_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a local variable; the call cannot fail for this clock, and would leave zero.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
