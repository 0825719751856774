//! BLAKE2b and what is built on it: HMAC, Noise's key derivation, and the named hashes of bowline/1 (security reference 2.3).
//! Lengths are checked by the compiler, so nothing here can fail.

use super::secret::Secret;
use crate::base::peer::PeerId;
use sodiumoxide::crypto::generichash::{self, DIGEST_MAX, DIGEST_MIN, KEY_MAX, KEY_MIN, State};
use sodiumoxide::crypto::shorthash;
use sodiumoxide::utils::memcmp;

/// Bytes of the widest BLAKE2b: Noise's HASHLEN.
pub const WIDE: usize = 64;
/// BLAKE2b's block, which HMAC pads its key to (RFC 7693: bb = 128).
const BLOCK: usize = 128;

/// BLAKE2b of `parts` one after another, `N` bytes of 16..=64.
pub fn blake2b<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    finish(start(N, None), parts)
}

/// BLAKE2b with a key of 16..=64 bytes.
pub fn blake2b_keyed<const N: usize, const K: usize>(key: &[u8; K], parts: &[&[u8]]) -> [u8; N] {
    const { assert!(K >= KEY_MIN && K <= KEY_MAX, "BLAKE2b keys have 16 to 64 bytes here") };
    finish(start(N, Some(key)), parts)
}

/// SipHash-2-4 of `parts` one after another: a place in a table that nobody else can foresee.
pub fn short(key: &[u8; 16], parts: &[&[u8]]) -> u64 {
    let shorthash::Digest(digest) = shorthash::shorthash(&parts.concat(), &shorthash::Key(*key));
    u64::from_le_bytes(digest)
}

/// BLAKE2b-256 of one slice: the shortest way, for proof-of-work searches.
pub fn blake2b_256(bytes: &[u8]) -> [u8; 32] {
    let digest = generichash::hash(bytes, Some(32), None).expect("32 is a valid length");
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

/// HMAC-BLAKE2b-512 with a 64-byte key, as Noise uses it.
pub fn hmac(key: &Secret<WIDE>, parts: &[&[u8]]) -> Secret<WIDE> {
    let padded = |pad: u8| {
        let mut block = Secret::<BLOCK>::from_bytes([pad; BLOCK]);
        for (slot, byte) in block.as_mut_bytes().iter_mut().zip(key.as_bytes()) {
            *slot ^= byte;
        }
        block
    };
    let mut inner = start(WIDE, None);
    absorb(&mut inner, padded(0x36).as_bytes());
    let inner: Secret<WIDE> = Secret::from_bytes(finish(inner, parts));
    let mut outer = start(WIDE, None);
    absorb(&mut outer, padded(0x5c).as_bytes());
    Secret::from_bytes(finish(outer, &[inner.as_bytes()]))
}

/// Noise's HKDF with `N` outputs (2 or 3) of 64 bytes each.
pub fn hkdf<const N: usize>(chaining_key: &Secret<WIDE>, input: &[u8]) -> [Secret<WIDE>; N] {
    const { assert!(N == 2 || N == 3, "Noise derives two or three keys") };
    let root = hmac(chaining_key, &[input]);
    let mut outputs = [const { Secret::ZERO }; N];
    for i in 0..N {
        let previous: &[u8] = if i == 0 { &[] } else { outputs[i - 1].as_bytes() };
        outputs[i] = hmac(&root, &[previous, &[i as u8 + 1]]);
    }
    outputs
}

/// Compares in a time that depends on the lengths only.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    memcmp(a, b)
}

/// A peer's BLAKE2b-128, for display. Decisions use the whole key.
pub fn fingerprint(peer: &PeerId) -> [u8; 16] {
    blake2b(&[peer.as_bytes()])
}

/// What a network's name becomes in the first handshake message.
pub fn network_id(name: &str) -> [u8; 16] {
    blake2b(&[b"bowline network id\0", name.as_bytes()])
}

/// A name of the session that both sides share and nobody else can cause: for applications that bind to the channel.
pub fn session_id(handshake_hash: &[u8; WIDE]) -> [u8; 32] {
    blake2b(&[b"bowline session\0", handshake_hash])
}

fn start(length: usize, key: Option<&[u8]>) -> State {
    State::new(Some(length), key).expect("lengths are checked at compile time")
}

fn absorb(state: &mut State, bytes: &[u8]) {
    state.update(bytes).expect("an unfinished BLAKE2b takes more");
}

fn finish<const N: usize>(mut state: State, parts: &[&[u8]]) -> [u8; N] {
    const { assert!(N >= DIGEST_MIN && N <= DIGEST_MAX, "BLAKE2b gives 16 to 64 bytes here") };
    for part in parts {
        absorb(&mut state, part);
    }
    let mut out = [0; N];
    out.copy_from_slice(state.finalize().expect("it is finished once").as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hash_like_their_concatenation() {
        assert_eq!(blake2b::<32>(&[b"ab", b"", b"c"]), blake2b_256(b"abc"));
        assert_ne!(blake2b_keyed::<32, 32>(&[1; 32], &[b"abc"]), blake2b_256(b"abc"));
    }

    #[test]
    fn two_derived_keys_are_the_first_two_of_three() {
        let ck = Secret::from_bytes([9; 64]);
        let [a, b] = hkdf::<2>(&ck, b"input");
        let [x, y, z] = hkdf::<3>(&ck, b"input");
        assert_eq!((a.as_bytes(), b.as_bytes()), (x.as_bytes(), y.as_bytes()));
        assert_ne!(y.as_bytes(), z.as_bytes());
    }

    /// The last example of the SipHash paper's appendix A: 15 bytes.
    #[test]
    fn a_short_hash_is_siphash() {
        let bytes: [u8; 16] = std::array::from_fn(|i| i as u8);
        assert_eq!(short(&bytes, &[&bytes[..7], &[], &bytes[7..15]]), 0xa129_ca61_49be_45e5);
        assert_ne!(short(&[0; 16], &[&bytes[..15]]), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn equal_compares_lengths_and_bytes() {
        assert!(equal(b"", b"") && equal(b"ab", b"ab"));
        assert!(!equal(b"ab", b"ac") && !equal(b"ab", b"abc"));
    }
}
