//! Secret randomness as an argument: keys, nonces and cookie secrets are drawn through this.
//! `node/entropy.rs` gives the operating system's, the simulator a seeded stream. Nothing below may ask by itself.

/// A source of bytes that nobody else can guess (in a simulation: bytes that a seed repeats).
pub trait Entropy: Send {
    fn fill(&mut self, bytes: &mut [u8]);
}

impl Entropy for super::rng::Rng {
    fn fill(&mut self, bytes: &mut [u8]) {
        super::rng::Rng::fill(self, bytes);
    }
}
