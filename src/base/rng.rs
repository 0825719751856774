//! Reproducible randomness for policy: choice, jitter, order. Never for keys, nonces or cookies (see `entropy`).
//! Every machine holds its own, forked by label from one root, so that adding a draw in one does not shift another.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng};

/// A seeded stream of pseudo-random numbers.
#[derive(Debug)]
pub struct Rng {
    seed: [u8; 32],
    stream: ChaCha8Rng,
}

impl Rng {
    pub fn from_seed(seed: u64) -> Rng {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Rng::from_bytes(bytes)
    }

    /// A stream of its own for `label`. The same parent seed and label give the same stream, whatever the parent drew before.
    pub fn fork(&self, label: &str) -> Rng {
        let mut seed = self.seed;
        // FNV-1a of the label, folded into the seed: only distinctness matters here, not secrecy.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        for (slot, byte) in seed.iter_mut().zip(hash.to_le_bytes()) {
            *slot ^= byte;
        }
        seed[31] = seed[31].wrapping_add(1);
        Rng::from_bytes(seed)
    }

    fn from_bytes(seed: [u8; 32]) -> Rng {
        Rng { seed, stream: ChaCha8Rng::from_seed(seed) }
    }

    pub fn next_u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// A number in `0..bound`, each equally likely; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Draws from the incomplete last round would favour small numbers, so they are thrown away.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.next_u64();
            if draw < limit {
                return draw % bound;
            }
        }
    }

    /// `below` for indices.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True in `percent` of 100 draws.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }

    /// Fills `bytes`; for test keys and simulated entropy only.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.stream.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_repeat_and_differ_by_label() {
        let mut root = Rng::from_seed(7);
        let first = root.fork("a").next_u64();
        root.next_u64();
        assert_eq!(first, root.fork("a").next_u64());
        assert_ne!(first, root.fork("b").next_u64());
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::from_seed(1);
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(7) < 7));
    }
}
