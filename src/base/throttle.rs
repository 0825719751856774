//! Keeps one call site from flooding the log: so many lines per hour, then silence, then one line that counts the silence.
//! One lives beside each group of log lines that a peer can provoke; it never logs by itself.

use super::time::Time;
use std::time::Duration;

/// Lines that one site may write per window (threat T36 bounds a site to 1 MiB an hour; 1,000 lines of at most 1 KiB).
pub const LINES_MAX: u32 = 1_000;
const WINDOW: Duration = Duration::from_secs(3_600);

/// The allowance of one log site.
#[derive(Debug, Default)]
pub struct Throttle {
    since: Time,
    lines: u32,
    suppressed: u64,
}

impl Throttle {
    /// `Some(n)` if a line may be written now; n lines were suppressed before it and should be mentioned.
    pub fn allow(&mut self, now: Time) -> Option<u64> {
        if now.since(self.since) >= WINDOW {
            self.since = now;
            self.lines = 0;
        }
        if self.lines >= LINES_MAX {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }

    /// The line to write now, if one may be written, with a word on those that were suppressed before it.
    pub fn line(&mut self, now: Time, text: impl FnOnce() -> String) -> Option<String> {
        let suppressed = self.allow(now)?;
        let tail = if suppressed == 0 { String::new() } else { format!(" ({suppressed} such lines suppressed before)") };
        Some(text() + &tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut throttle = Throttle::default();
        let passed = (0..5_000).filter(|_| throttle.allow(Time::ZERO).is_some()).count();
        assert_eq!(passed, 1_000);
        assert_eq!(throttle.line(Time::ZERO, || unreachable!("nobody writes it")), None);
        let line = throttle.line(Time::ZERO + WINDOW, || "again".to_owned());
        assert_eq!(line.as_deref(), Some("again (4001 such lines suppressed before)"));
        assert_eq!(throttle.line(Time::ZERO + WINDOW, || "more".to_owned()).as_deref(), Some("more"));
    }
}
