//! How long to wait before the next attempt. The jitter is drawn once per failure, by the caller's generator.

use super::rng::Rng;
use std::time::Duration;

/// Delay after `attempts` failures in a row: 2^attempts seconds plus jitter in [0, 1 s), never above `longest`
/// (CometBFT's reconnect rule; design section 6).
pub fn delay(attempts: u32, longest: Duration, rng: &mut Rng) -> Duration {
    let base = Duration::from_secs(1_u64.checked_shl(attempts.min(63)).unwrap_or(u64::MAX));
    let jitter = Duration::from_nanos(rng.below(1_000_000_000));
    base.saturating_add(jitter).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_the_longest() {
        let mut rng = Rng::from_seed(3);
        for attempts in 0..6 {
            let wait = delay(attempts, Duration::from_secs(3_600), &mut rng);
            let base = Duration::from_secs(1 << attempts);
            assert!(wait >= base && wait < base + Duration::from_secs(1));
        }
        assert_eq!(delay(4_000, Duration::from_secs(300), &mut rng), Duration::from_secs(300));
    }
}
