//! The node's clock: the only file that reads the time of the machine. Everything below gets moments as arguments. A node on a memory network
//! has that network's time instead, which stands still until somebody moves it.

use crate::base::limits::PAST;
use crate::base::time::{Epoch, Time};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest wait that a call takes for "for ever": a century, which every arithmetic survives.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Wall time at the beginning of virtual time, as in every simulation: 2023-11-14.
const VIRTUAL_UNIX_START: Duration = Duration::from_secs(1_700_000_000);

/// Monotonic time, `PAST` when the node was made (or when virtual time began), and the wall time of its zero.
#[derive(Clone, Debug)]
pub struct Clock {
    pace: Pace,
    epoch: Epoch,
}

/// What moves time.
#[derive(Clone, Debug)]
enum Pace {
    Machine(Instant),
    /// With what it said when the node was made.
    Virtual(VirtualTime, u64),
}

/// Nanoseconds that have passed on a memory network. Its owner moves it; the clocks of its nodes read it.
#[derive(Clone, Debug, Default)]
pub struct VirtualTime(Arc<AtomicU64>);

impl VirtualTime {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn set(&self, nanos: u64) {
        self.0.store(nanos, Ordering::Release);
    }
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "this file is the one place that reads the clock")]
    pub fn start() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { pace: Pace::Machine(Instant::now()), epoch: Epoch::from_unix(unix.saturating_sub(PAST)) }
    }

    /// The clock of a node on a memory network.
    pub fn of(time: VirtualTime) -> Clock {
        let built = time.get();
        Clock { pace: Pace::Virtual(time, built), epoch: Epoch::from_unix(VIRTUAL_UNIX_START.saturating_sub(PAST)) }
    }

    /// True if time moves only when somebody moves it: whoever waited for it to pass would wait for ever.
    pub fn is_virtual(&self) -> bool {
        matches!(self.pace, Pace::Virtual(..))
    }

    /// True if a call that may wait so long must be refused here. `None` is for ever.
    pub fn forbids(&self, wait: Option<Duration>) -> bool {
        self.is_virtual() && wait != Some(Duration::ZERO)
    }

    #[allow(clippy::disallowed_methods, reason = "this file is the one place that reads the clock")]
    pub fn uptime(&self) -> Duration {
        match &self.pace {
            Pace::Machine(start) => Instant::now().saturating_duration_since(*start),
            Pace::Virtual(time, built) => Duration::from_nanos(time.get().saturating_sub(*built)),
        }
    }

    pub fn now(&self) -> Time {
        let passed = match &self.pace {
            Pace::Machine(_) => self.uptime(),
            // All nodes of a network have one clock.
            Pace::Virtual(time, _) => Duration::from_nanos(time.get()),
        };
        Time::ZERO + PAST + passed
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
