//! What many trials of the model come to: how often the node was eclipsed and how much of it the attackers held, with how sure that is.

use super::model::{Attack, Outcome, Policy, play};
use crate::base::rng::Rng;
use std::fmt;

/// 95 % of a normal distribution are within so many deviations.
const Z: f64 = 1.96;

/// The sums of trials of one policy under one attack.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub trials: u64,
    pub eclipsed: u64,
    /// Trials after whose restart nobody at all was linked.
    pub lonely: u64,
    share: f64,
    share_squared: f64,
}

impl Figures {
    /// Plays trials `from..to` of a seed. Each is the same, whichever are played beside it.
    pub fn of<P: Policy>(attack: Attack, seed: u64, trials: std::ops::Range<u64>, make: impl Fn(&mut Rng) -> P) -> Figures {
        let mut figures = Figures::default();
        let root = Rng::from_seed(seed);
        for trial in trials {
            let mut rng = root.fork(&format!("trial {trial} of {attack:?}"));
            let mut policy = make(&mut rng.fork("key"));
            figures.add(play(&mut policy, attack, &mut rng));
        }
        figures
    }

    pub fn add(&mut self, outcome: Outcome) {
        self.trials += 1;
        self.eclipsed += u64::from(outcome.is_eclipsed());
        self.lonely += u64::from(outcome.links == 0);
        self.share += outcome.share();
        self.share_squared += outcome.share() * outcome.share();
    }

    /// It may be said that the node is eclipsed in at most that share of trials, and that the attackers hold at most that share of links: of the
    /// former what was found, for 3,000 trials without a hit prove no less than 0.13 %; of the latter the upper bound.
    pub fn is_within(&self, eclipsed_max: f64, share_max: f64) -> bool {
        let (share, off) = self.mean_share();
        self.eclipsed_share().0 <= eclipsed_max && share + off <= share_max
    }

    /// The share of trials in which the node was eclipsed, and between which bounds its true value is (Wilson, 95 %).
    pub fn eclipsed_share(&self) -> (f64, f64, f64) {
        let (low, high) = wilson(self.eclipsed, self.trials);
        (self.eclipsed as f64 / self.trials.max(1) as f64, low, high)
    }

    /// The mean share of links that were the attackers', and how far the true one may be from it (95 %).
    pub fn mean_share(&self) -> (f64, f64) {
        let trials = self.trials.max(1) as f64;
        let mean = self.share / trials;
        let variance = (self.share_squared / trials - mean * mean).max(0.0);
        (mean, Z * (variance / trials).sqrt())
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Figures) {
        self.trials += other.trials;
        self.eclipsed += other.eclipsed;
        self.lonely += other.lonely;
        self.share += other.share;
        self.share_squared += other.share_squared;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (eclipsed, low, high) = self.eclipsed_share();
        let (mean, off) = self.mean_share();
        write!(f, "{:7.2} % [{:6.2}, {:6.2}]   {mean:.3} ± {off:.3}", 100.0 * eclipsed, 100.0 * low, 100.0 * high)
    }
}

/// The bounds within which the true share is in 95 of 100 cases (Wilson's score interval): of use also when nothing was hit.
pub fn wilson(hits: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let n = trials as f64;
    let share = hits as f64 / n;
    let middle = share + Z * Z / (2.0 * n);
    let off = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - off) / scale).max(0.0), ((middle + off) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_wilsons() {
        // Worked by hand: z² = 3.8416; 10 of 100 gives (0.119208 ± 0.062062) / 1.038416.
        let near = |one: f64, other: f64| (one - other).abs() < 1e-4;
        let (low, high) = wilson(10, 100);
        assert!(near(low, 0.05523) && near(high, 0.17437), "{low} {high}");
        let (low, high) = wilson(0, 3_000);
        assert!(near(low, 0.0) && near(high, 0.001279), "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert!(wilson(5, 5).1 > 0.999 && wilson(5, 5).0 < 0.6);
    }

    #[test]
    fn shares_are_counted_over_trials() {
        let mut figures = Figures::default();
        for (links, hostile) in [(10, 10), (10, 0), (0, 0), (10, 5)] {
            figures.add(Outcome { links, hostile });
        }
        assert_eq!((figures.trials, figures.eclipsed, figures.lonely), (4, 1, 1));
        let (mean, off) = figures.mean_share();
        assert!((mean - 0.375).abs() < 1e-9 && (off - 1.96 * (0.171875_f64 / 4.0).sqrt()).abs() < 1e-9);
        // Its upper bound is 0.782.
        assert!(figures.is_within(0.25, 0.79) && !figures.is_within(0.25, 0.77) && !figures.is_within(0.24, 1.0));
    }
}
