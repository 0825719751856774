//! Cookies and puzzles for a node under load: who wants a handshake then must first spend some milliseconds of its own (security reference
//! 2.4, step 5). The responder keeps nothing per puzzle but one secret; the session decides when to ask and remembers what it has seen.
//!
//! ```text
//! cookie   BLAKE2b-128(key = secret, "bowline cookie\0" | prefix | epoch u64 LE | difficulty u8)
//! solved   BLAKE2b-256("bowline puzzle\0" | cookie | initiator's ephemeral key | solution 8) has `difficulty` leading zero bits
//! ```

use super::hash;
use super::secret::Secret;
use crate::base::entropy::Entropy;
use crate::base::peer::PeerId;
use crate::base::point::Prefix;

/// Bytes of a cookie.
pub const COOKIE: usize = 16;
/// Bytes of a solution.
pub const SOLUTION: usize = 8;
/// No puzzle is harder, asked or solved: about 70 ms of one core. More would let a stranger spend our time (Tor's proposal 362).
pub const DIFFICULTY_MAX: u8 = 18;
/// How long an epoch lasts; a cookie is good for the rest of its epoch and for the next.
pub const EPOCH_SECONDS: u64 = 60;

const PUZZLE_LABEL: &[u8; 15] = b"bowline puzzle\0";

/// Issues cookies and knows them again, for all handshakes of a node.
#[derive(Debug)]
pub struct Cookies {
    /// One for the life of the node: the epoch is part of what is hashed, so a cookie of one says nothing about another.
    secret: Secret<32>,
}

impl Cookies {
    pub const fn new(secret: Secret<32>) -> Cookies {
        Cookies { secret }
    }

    pub fn generate(entropy: &mut dyn Entropy) -> Cookies {
        let mut secret = Secret::ZERO;
        entropy.fill(secret.as_mut_bytes());
        Cookies { secret }
    }

    /// The epoch of a moment, given in seconds since 1970.
    pub const fn epoch(unix_seconds: u64) -> u64 {
        unix_seconds / EPOCH_SECONDS
    }

    /// The cookie for whoever asks from `prefix` in `epoch`.
    pub fn issue(&self, prefix: &Prefix, epoch: u64, difficulty: u8) -> [u8; COOKIE] {
        let parts: [&[u8]; 4] = [b"bowline cookie\0", prefix.as_bytes(), &epoch.to_le_bytes(), &[difficulty]];
        hash::blake2b_keyed(self.secret.as_bytes(), &parts)
    }

    /// True if we issued `cookie` for this prefix and difficulty in `epoch` or in the one before.
    pub fn is_ours(&self, cookie: &[u8; COOKIE], prefix: &Prefix, epoch: u64, difficulty: u8) -> bool {
        let issued_in = |epoch| hash::equal(cookie, &self.issue(prefix, epoch, difficulty));
        issued_in(epoch) || epoch.checked_sub(1).is_some_and(issued_in)
    }
}

/// True if `solution` solves the puzzle of `cookie` for this ephemeral key. It does not say whose cookie it is.
pub fn check_solution(cookie: &[u8; COOKIE], ephemeral: &PeerId, solution: &[u8; SOLUTION], difficulty: u8) -> bool {
    let mut solver = Solver::start(cookie, ephemeral, difficulty);
    solver.message[SOLUTION_AT..].copy_from_slice(solution);
    solver.is_solved()
}

const COOKIE_AT: usize = PUZZLE_LABEL.len();
const KEY_AT: usize = COOKIE_AT + COOKIE;
const SOLUTION_AT: usize = KEY_AT + PeerId::LEN;
const MESSAGE: usize = SOLUTION_AT + SOLUTION;

/// A search for a solution, in slices: it keeps its place between them.
#[derive(Debug)]
pub struct Solver {
    message: [u8; MESSAGE],
    difficulty: u8,
    /// The next solution to try, a little-endian number on the wire.
    next: u64,
}

/// The puzzle is harder than any honest node asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a puzzle of {difficulty} bits was asked for, at most {DIFFICULTY_MAX} are solved")]
pub struct TooHard {
    pub difficulty: u8,
}

impl Solver {
    /// # Errors
    /// `TooHard` above `DIFFICULTY_MAX`.
    pub fn new(cookie: &[u8; COOKIE], ephemeral: &PeerId, difficulty: u8) -> Result<Solver, TooHard> {
        if difficulty > DIFFICULTY_MAX {
            return Err(TooHard { difficulty });
        }
        Ok(Solver::start(cookie, ephemeral, difficulty))
    }

    /// Tries up to `tries` solutions. One that was found is tried, and found, again by the next call.
    pub fn run(&mut self, tries: u64) -> Option<[u8; SOLUTION]> {
        for _ in 0..tries {
            let solution = self.next.to_le_bytes();
            self.message[SOLUTION_AT..].copy_from_slice(&solution);
            if self.is_solved() {
                return Some(solution);
            }
            self.next = self.next.wrapping_add(1);
        }
        None
    }

    fn start(cookie: &[u8; COOKIE], ephemeral: &PeerId, difficulty: u8) -> Solver {
        let mut message = [0; MESSAGE];
        message[..COOKIE_AT].copy_from_slice(PUZZLE_LABEL);
        message[COOKIE_AT..KEY_AT].copy_from_slice(cookie);
        message[KEY_AT..SOLUTION_AT].copy_from_slice(ephemeral.as_bytes());
        Solver { message, difficulty, next: 0 }
    }

    fn is_solved(&self) -> bool {
        let hash = hash::blake2b_256(&self.message);
        let zeros = hash.iter().position(|byte| *byte != 0).map_or(256, |at| at as u32 * 8 + hash[at].leading_zeros());
        zeros >= u32::from(self.difficulty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn prefix(ip: &str) -> Prefix {
        Prefix::of(ip.parse().unwrap())
    }

    #[test]
    fn a_cookie_lives_to_the_end_of_the_next_epoch() {
        let cookies = Cookies::generate(&mut Rng::from_seed(1));
        let here = prefix("198.51.100.7");
        let cookie = cookies.issue(&here, 100, 12);
        let accepted: Vec<u64> = (98..104).filter(|epoch| cookies.is_ours(&cookie, &here, *epoch, 12)).collect();
        assert_eq!(accepted, [100, 101]);
        assert!(cookies.is_ours(&cookies.issue(&here, 0, 12), &here, 0, 12));
        assert_eq!((Cookies::epoch(59), Cookies::epoch(60)), (0, 1));
    }

    #[test]
    fn a_cookie_is_bound_to_secret_prefix_and_difficulty() {
        let cookies = Cookies::generate(&mut Rng::from_seed(1));
        let here = prefix("198.51.100.7");
        let cookie = cookies.issue(&here, 100, 12);
        assert!(cookies.is_ours(&cookie, &prefix("198.51.100.250"), 100, 12));
        assert!(!cookies.is_ours(&cookie, &prefix("198.51.101.7"), 100, 12));
        assert!(!cookies.is_ours(&cookie, &prefix("2001:db8::1"), 100, 12));
        assert!(!cookies.is_ours(&cookie, &here, 100, 11));
        assert!(!Cookies::generate(&mut Rng::from_seed(2)).is_ours(&cookie, &here, 100, 12));
    }

    #[test]
    fn a_puzzle_is_solved_in_slices_and_for_one_key_only() {
        let (mine, other) = (PeerId::from_bytes([1; 32]), PeerId::from_bytes([2; 32]));
        let mut solver = Solver::new(&[3; COOKIE], &mine, 12).unwrap();
        let solution = (0..1 << 20).find_map(|_| solver.run(7)).unwrap();
        assert_eq!(solver.run(1), Some(solution));
        assert!(check_solution(&[3; COOKIE], &mine, &solution, 12));
        assert!(!check_solution(&[3; COOKIE], &other, &solution, 12));
        assert!(!check_solution(&[4; COOKIE], &mine, &solution, 12));
        assert!(check_solution(&[4; COOKIE], &mine, &[0; SOLUTION], 0));
    }

    #[test]
    fn a_puzzle_above_the_cap_is_not_begun() {
        assert!(Solver::new(&[0; COOKIE], &PeerId::from_bytes([1; 32]), 18).is_ok());
        let error = Solver::new(&[0; COOKIE], &PeerId::from_bytes([1; 32]), 19).unwrap_err();
        assert_eq!(error.to_string(), "a puzzle of 19 bits was asked for, at most 18 are solved");
    }
}
