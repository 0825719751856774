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
    use crate::base::peer::unhex;
    use crate::base::rng::Rng;

    /// The seven encodings of low-order points: 0, 1, the two of order 8, p - 1, p, p + 1.
    const LOW_ORDER: [&str; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];

    #[test]
    fn two_sides_compute_the_same_secret() {
        let mut rng = Rng::from_seed(1);
        let (a, b) = (SecretKey::generate(&mut rng), SecretKey::generate(&mut rng));
        assert_eq!(a.dh(&b.public()).unwrap().as_bytes(), b.dh(&a.public()).unwrap().as_bytes());
        assert_ne!(a.public(), b.public());
    }

    #[test]
    fn low_order_keys_are_refused_with_and_without_the_high_bit() {
        let ours = SecretKey::from_bytes([7; 32]);
        for text in LOW_ORDER {
            let mut bytes = <[u8; 32]>::try_from(unhex(text).unwrap()).unwrap();
            assert_eq!(ours.dh(&PeerId::from_bytes(bytes)).unwrap_err(), LowOrder);
            bytes[31] ^= 0x80;
            assert_eq!(ours.dh(&PeerId::from_bytes(bytes)).unwrap_err(), LowOrder);
        }
    }

    #[test]
    fn a_secret_key_does_not_print_itself() {
        let secret = SecretKey::from_bytes([0xab; 32]);
        let shown = format!("{secret:?} {:?}", secret.dh(&SecretKey::from_bytes([1; 32]).public()).unwrap());
        assert!(!shown.contains("abab") && !shown.contains("171, 171"));
    }
}
