//! What all handshakes of a node share: how loaded it is, its cookie secret, the puzzles already seen. The reactor owns it and tells it
//! how many handshakes are under way; the responder asks it whether a stranger must solve a puzzle first.

use crate::base::entropy::Entropy;
use crate::base::limits::PUZZLES_SEEN_MAX;
use crate::base::peer::PeerId;
use crate::base::point::Prefix;
use crate::base::time::Time;
use crate::crypto::puzzle::{COOKIE, Cookies, DIFFICULTY_MAX, SOLUTION, check_solution};
use crate::settings::check::Checked;
use crate::settings::value::PuzzleMode;
use std::collections::BTreeSet;
use std::time::Duration;

/// Zero bits that a puzzle asks for: 4,096 hashes, about a millisecond of the dialer (security reference 2.4).
pub const DIFFICULTY_DEFAULT: u8 = 12;
/// The easiest puzzle that is worth asking for.
pub const DIFFICULTY_MIN: u8 = 8;

/// Share of one core that handshakes may cost: 20 percent (threat T5), so 200 ms in each second.
const CRYPTO_BUDGET: Duration = Duration::from_millis(200);
const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// See the file's head.
#[derive(Debug)]
pub struct Gate {
    cookies: Cookies,
    mode: PuzzleMode,
    difficulty: u8,
    half_open: usize,
    half_open_max: usize,
    /// Crypto time of the current window and of the one before.
    window: Time,
    spent: Duration,
    spent_before: Duration,
    /// Puzzles solved in this epoch and in the one before; older cookies are void.
    epoch: u64,
    seen: BTreeSet<u128>,
    seen_before: BTreeSet<u128>,
}

/// A puzzle as a first message presents it.
#[derive(Clone, Copy, Debug)]
pub struct Solved<'a> {
    pub cookie: &'a [u8; COOKIE],
    pub solution: &'a [u8; SOLUTION],
    pub ephemeral: &'a PeerId,
}

impl Gate {
    /// The gate of a node with these settings, with a fresh cookie secret.
    pub fn of(entropy: &mut dyn Entropy, settings: &Checked) -> Gate {
        let half_open_max = settings.handshake_half_open_max as usize;
        Gate { mode: settings.puzzle_mode, ..Gate::new(entropy, settings.puzzle_difficulty as u8, half_open_max) }
    }

    /// A gate with a fresh cookie secret. Above three quarters of `half_open_max` handshakes under way, strangers get puzzles of
    /// `difficulty` bits (held within 8..=18).
    pub fn new(entropy: &mut dyn Entropy, difficulty: u8, half_open_max: usize) -> Gate {
        Gate {
            cookies: Cookies::generate(entropy),
            mode: PuzzleMode::Auto,
            difficulty: difficulty.clamp(DIFFICULTY_MIN, DIFFICULTY_MAX),
            half_open: 0,
            half_open_max,
            window: Time::ZERO,
            spent: Duration::ZERO,
            spent_before: Duration::ZERO,
            epoch: 0,
            seen: BTreeSet::new(),
            seen_before: BTreeSet::new(),
        }
    }

    /// How many accepted connections have not finished their handshake.
    pub fn set_half_open(&mut self, count: usize) {
        self.half_open = count;
    }

    /// Counts crypto that a handshake is about to cost.
    pub fn spend(&mut self, now: Time, cost: Duration) {
        self.turn(now);
        self.spent += cost;
    }

    /// True if a stranger must solve a puzzle now.
    pub fn wants_puzzle(&mut self, now: Time) -> bool {
        match self.mode {
            PuzzleMode::Auto => self.is_loaded(now),
            PuzzleMode::Always => true,
            PuzzleMode::Never => false,
        }
    }

    /// True if more than half of the crypto budget went in the last second, or more than three quarters of the places for handshakes are
    /// taken.
    fn is_loaded(&mut self, now: Time) -> bool {
        self.turn(now);
        // The window before counts with the share of it that lies within the last second.
        let left = LOAD_WINDOW.saturating_sub(now.since(self.window));
        let recent = self.spent + self.spent_before.mul_f64(left.as_secs_f64() / LOAD_WINDOW.as_secs_f64());
        recent > CRYPTO_BUDGET / 2 || self.half_open * 4 > self.half_open_max * 3
    }

    pub const fn difficulty(&self) -> u8 {
        self.difficulty
    }

    /// A puzzle for whoever asks from `prefix` now.
    pub fn cookie(&self, unix_seconds: u64, prefix: &Prefix) -> [u8; COOKIE] {
        self.cookies.issue(prefix, Cookies::epoch(unix_seconds), self.difficulty)
    }

    /// True if the puzzle is ours, fresh, solved, and was not used before. It counts as used from now on.
    pub fn accept(&mut self, unix_seconds: u64, prefix: &Prefix, solved: Solved<'_>) -> bool {
        let epoch = Cookies::epoch(unix_seconds);
        self.turn_epoch(epoch);
        let is_solved = self.cookies.is_ours(solved.cookie, prefix, epoch, self.difficulty)
            && check_solution(solved.cookie, solved.ephemeral, solved.solution, self.difficulty);
        if !is_solved {
            return false;
        }
        // The cookie cannot be chosen by the dialer and both are uniform, so half of each mixed names the pair.
        let (key, _) = solved.ephemeral.as_bytes().split_first_chunk::<16>().expect("a key has 32 bytes");
        let name = u128::from_le_bytes(*key) ^ u128::from_le_bytes(*solved.cookie);
        // When the set is full no more puzzles are taken in this epoch: a busy node rather than a replayed one.
        self.seen.len() < PUZZLES_SEEN_MAX && !self.seen_before.contains(&name) && self.seen.insert(name)
    }

    fn turn(&mut self, now: Time) {
        let passed = now.since(self.window);
        if passed >= LOAD_WINDOW {
            self.spent_before = if passed < LOAD_WINDOW * 2 { self.spent } else { Duration::ZERO };
            self.spent = Duration::ZERO;
            self.window = now;
        }
    }

    fn turn_epoch(&mut self, epoch: u64) {
        if epoch != self.epoch {
            let before = std::mem::take(&mut self.seen);
            self.seen_before = if epoch == self.epoch + 1 { before } else { BTreeSet::new() };
            self.epoch = epoch;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::crypto::puzzle::Solver;

    fn gate() -> Gate {
        Gate::new(&mut Rng::from_seed(1), DIFFICULTY_MIN, 8)
    }

    fn seconds(tenths: u64) -> Time {
        Time::ZERO + Duration::from_millis(tenths * 100)
    }

    #[test]
    fn load_rises_with_crypto_and_fades_within_two_seconds() {
        let mut gate = gate();
        gate.spend(seconds(0), Duration::from_millis(100));
        assert!(!gate.is_loaded(seconds(0)));
        gate.spend(seconds(1), Duration::from_millis(1));
        assert!(gate.is_loaded(seconds(9)) && gate.is_loaded(seconds(10)));
        assert!(!gate.is_loaded(seconds(12)));
        gate.spend(seconds(12), Duration::from_secs(1));
        assert!(gate.is_loaded(seconds(21)) && !gate.is_loaded(seconds(40)));
    }

    #[test]
    fn three_quarters_of_the_half_open_places_are_a_load() {
        let mut gate = gate();
        gate.set_half_open(6);
        assert!(!gate.is_loaded(Time::ZERO));
        gate.set_half_open(7);
        assert!(gate.is_loaded(Time::ZERO));
    }

    #[test]
    fn a_solution_counts_once_and_for_two_epochs() {
        let mut gate = gate();
        let prefix = Prefix::of("198.51.100.7".parse().expect("an address"));
        let ephemeral = PeerId::from_bytes([9; 32]);
        let cookie = gate.cookie(6_000, &prefix);
        let mut solver = Solver::new(&cookie, &ephemeral, DIFFICULTY_MIN).expect("not too hard");
        let solution = solver.run(1 << 20).expect("a solution");
        let solved = Solved { cookie: &cookie, solution: &solution, ephemeral: &ephemeral };
        let elsewhere = Prefix::of("198.51.101.7".parse().expect("an address"));
        assert!(!gate.accept(6_000, &elsewhere, solved));
        assert!(!gate.accept(6_120, &prefix, solved), "the epoch after the next");
        assert!(gate.accept(6_060, &prefix, solved), "the next epoch");
        assert!(!gate.accept(6_060, &prefix, solved) && !gate.accept(6_119, &prefix, solved), "used");
    }

    #[test]
    fn the_difficulty_stays_within_its_bounds() {
        let mut rng = Rng::from_seed(1);
        let of = |difficulty| Gate::new(&mut rng, difficulty, 1).difficulty();
        assert_eq!([0, 12, 255].map(of), [8, 12, 18]);
    }
}
