//! The operating system's randomness, through libsodium: the only source of keys, nonces and cookie secrets in a real node.

use crate::base::entropy::Entropy;
use crate::base::rng::Rng;
use crate::crypto::sodium;

/// Randomness that nobody can guess. libsodium must have been initialised.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        sodium::fill_random(bytes);
    }
}

/// A generator for policy, seeded from the system.
pub fn policy_rng() -> Rng {
    let mut seed = [0; 8];
    sodium::fill_random(&mut seed);
    Rng::from_seed(u64::from_le_bytes(seed))
}
