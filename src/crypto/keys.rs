//! X25519 key pairs and Diffie-Hellman. A shared secret exists only if libsodium accepted the other side's key: low-order keys are refused
//! here, in the one place where keys meet. The handshake and the identity call it.
//!
//! The simulator has keys of its own kind, which cost a hash instead of a curve and protect nobody (decision 0026). They never meet a real
//! key: both sides of a handshake would compute different secrets.

use super::hash::blake2b;
use crate::base::entropy::Entropy;
use crate::base::peer::PeerId;
use sodiumoxide::crypto::scalarmult::curve25519::{GroupElement, Scalar, scalarmult, scalarmult_base};
use std::fmt;

/// Keeps the hashes of stub keys apart from all others.
const STUB: &[u8] = b"bowline stub key";

/// What a key computes with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    X25519,
    /// Whoever knows both public keys knows the secret.
    Stub,
}

/// A secret key with its public key. Wiped when dropped; never printed, never cloned.
pub struct SecretKey {
    kind: Kind,
    scalar: Scalar,
    public: PeerId,
}

impl SecretKey {
    /// Every 32 bytes are a secret key: X25519 sets and clears the bits it needs.
    pub fn from_bytes(bytes: [u8; 32]) -> SecretKey {
        let scalar = Scalar(bytes);
        let public = PeerId::from_bytes(scalarmult_base(&scalar).0);
        SecretKey { kind: Kind::X25519, scalar, public }
    }

    pub fn generate(entropy: &mut dyn Entropy) -> SecretKey {
        let mut scalar = Scalar([0; 32]);
        entropy.fill(&mut scalar.0);
        let public = PeerId::from_bytes(scalarmult_base(&scalar).0);
        SecretKey { kind: Kind::X25519, scalar, public }
    }

    /// A key for simulated networks alone: fast, and no secret at all.
    pub(crate) fn for_simulation(seed: &[u8; 32]) -> SecretKey {
        let public = PeerId::from_bytes(blake2b(&[STUB, seed]));
        SecretKey { kind: Kind::Stub, scalar: Scalar(*seed), public }
    }

    /// A fresh key that this one can meet others of its kind with: for one handshake.
    pub fn ephemeral(&self, entropy: &mut dyn Entropy) -> SecretKey {
        match self.kind {
            Kind::X25519 => SecretKey::generate(entropy),
            Kind::Stub => {
                let mut seed = [0; 32];
                entropy.fill(&mut seed);
                SecretKey::for_simulation(&seed)
            }
        }
    }

    pub const fn public(&self) -> PeerId {
        self.public
    }

    /// The secret that only the holders of both keys can compute.
    ///
    /// # Errors
    /// `LowOrder` if `theirs` is one of the few points that would make the result zero, whatever our key.
    pub fn dh(&self, theirs: &PeerId) -> Result<Shared, LowOrder> {
        if self.kind == Kind::Stub {
            return self.meet_stub(theirs);
        }
        scalarmult(&self.scalar, &GroupElement(*theirs.as_bytes())).map(Shared).map_err(|()| LowOrder)
    }

    /// The same for both sides, and refused where X25519's most common low-order key is: that path must be reached in simulations, too.
    fn meet_stub(&self, theirs: &PeerId) -> Result<Shared, LowOrder> {
        if theirs.as_bytes() == &[0; 32] {
            return Err(LowOrder);
        }
        let (one, other) = (self.public.min(*theirs), self.public.max(*theirs));
        Ok(Shared(GroupElement(blake2b(&[STUB, one.as_bytes(), other.as_bytes()]))))
    }

    /// For the identity file only.
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.scalar.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {:?})", self.public)
    }
}

/// What two keys have in common. Wiped when dropped.
pub struct Shared(GroupElement);

impl Shared {
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared(…)")
    }
}

/// The other side's public key has low order: the shared secret would be zero, and known to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public key has low order: the shared secret would be known to everybody")]
pub struct LowOrder;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn two_sides_compute_the_same_secret() {
        let mut rng = Rng::from_seed(1);
        let (a, b) = (SecretKey::generate(&mut rng), SecretKey::generate(&mut rng));
        assert_eq!(a.dh(&b.public()).unwrap().as_bytes(), b.dh(&a.public()).unwrap().as_bytes());
        assert_ne!(a.public(), b.public());
    }

    #[test]
    fn stub_keys_meet_each_other_and_no_real_key() {
        let (a, b) = (SecretKey::for_simulation(&[1; 32]), SecretKey::for_simulation(&[2; 32]));
        let secret = |one: &SecretKey, other: &SecretKey| *one.dh(&other.public()).unwrap().as_bytes();
        assert_eq!(secret(&a, &b), secret(&b, &a));
        assert_ne!(secret(&a, &b), secret(&a, &a));
        let (real, mut rng) = (SecretKey::from_bytes([1; 32]), Rng::from_seed(1));
        assert_ne!(real.public(), a.public());
        assert_ne!(secret(&a, &real), secret(&real, &a), "the real key does not agree to it");
        assert!(a.dh(&PeerId::from_bytes([0; 32])).is_err());
        let (stub, real) = (a.ephemeral(&mut rng), real.ephemeral(&mut rng));
        assert_eq!(secret(&stub, &b), secret(&b, &stub), "a stub's ephemeral keys are stubs");
        assert_ne!(secret(&real, &b), secret(&b, &real), "and a real key's are real");
    }

    #[test]
    fn a_secret_key_does_not_print_itself() {
        let secret = SecretKey::from_bytes([0xab; 32]);
        let shown = format!("{secret:?} {:?}", secret.dh(&SecretKey::from_bytes([1; 32]).public()).unwrap());
        assert!(!shown.contains("abab") && !shown.contains("171, 171"));
    }
}
