//! Choosing among peers that can all do a thing: by score and latency, with chance, so that not everybody's work lands on the same few.
//! Pure; `node/roles.rs` asks it.

use crate::base::rng::Rng;
use std::time::Duration;

/// Scores that differ by less are taken for equal, and latency decides.
const BAND: i32 = 100;

/// How many of the candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Any,
    All,
    /// As many, or all if there are fewer.
    N(usize),
}

/// One who could be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<T> {
    pub who: T,
    pub score: i32,
    /// Round trip; `None` while it is not measured, which counts as slow.
    pub latency: Option<Duration>,
}

impl<T> Candidate<T> {
    fn is_better_than(&self, other: &Candidate<T>) -> bool {
        let rank = |one: &Candidate<T>| (-one.score.div_euclid(BAND), one.latency.unwrap_or(Duration::MAX));
        rank(self) < rank(other)
    }
}

/// Whom to take, in the order in which to try them. Each is the better of two drawn by chance (the power of two choices): the best is
/// taken more often than others, the worst only when nobody else is left, and most have their turn.
pub fn select<T: Copy>(mut candidates: Vec<Candidate<T>>, how: How, rng: &mut Rng) -> Vec<T> {
    let count = match how {
        How::Any => 1,
        How::All => candidates.len(),
        How::N(count) => count.min(candidates.len()),
    };
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count && !candidates.is_empty() {
        let first = rng.index(candidates.len());
        // Drawn from the others, so that two different ones are compared whenever there are two.
        let second = (first + 1 + rng.index((candidates.len() - 1).max(1))) % candidates.len();
        let better = if candidates[second].is_better_than(&candidates[first]) { second } else { first };
        chosen.push(candidates.swap_remove(better).who);
    }
    chosen
}
