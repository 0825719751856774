//! X25519 key pairs and Diffie-Hellman. A shared secret exists only if libsodium accepted the other side's key: low-order keys are refused
//! here, in the one place where keys meet. The handshake and the identity call it.

use crate::base::entropy::Entropy;
use crate::base::peer::PeerId;
use sodiumoxide::crypto::scalarmult::curve25519::{GroupElement, Scalar, scalarmult, scalarmult_base};
use std::fmt;

/// A secret key with its public key. Wiped when dropped; never printed, never cloned.
pub struct SecretKey {
    scalar: Scalar,
    public: PeerId,
}

impl SecretKey {
    /// Every 32 bytes are a secret key: X25519 sets and clears the bits it needs.
    pub fn from_bytes(bytes: [u8; 32]) -> SecretKey {
        let scalar = Scalar(bytes);
        let public = PeerId::from_bytes(scalarmult_base(&scalar).0);
        SecretKey { scalar, public }
    }

    pub fn generate(entropy: &mut dyn Entropy) -> SecretKey {
        let mut scalar = Scalar([0; 32]);
        entropy.fill(&mut scalar.0);
        let public = PeerId::from_bytes(scalarmult_base(&scalar).0);
        SecretKey { scalar, public }
    }

    pub const fn public(&self) -> PeerId {
        self.public
    }

    /// The secret that only the holders of both keys can compute.
    ///
    /// # Errors
    /// `LowOrder` if `theirs` is one of the few points that would make the result zero, whatever our key.
    pub fn dh(&self, theirs: &PeerId) -> Result<Shared, LowOrder> {
        scalarmult(&self.scalar, &GroupElement(*theirs.as_bytes())).map(Shared).map_err(|()| LowOrder)
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
    fn a_secret_key_does_not_print_itself() {
        let secret = SecretKey::from_bytes([0xab; 32]);
        let shown = format!("{secret:?} {:?}", secret.dh(&SecretKey::from_bytes([1; 32]).public()).unwrap());
        assert!(!shown.contains("abab") && !shown.contains("171, 171"));
    }
}
