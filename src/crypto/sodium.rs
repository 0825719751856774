//! libsodium itself: started and tested once per process, its randomness, its name. `node/` and the C face call `init` before any thread
//! starts, because libsodium picks its fast code there and is safe to share only afterwards.

use super::cipher::{Cipher, TAG};
use super::hash;
use super::keys::SecretKey;
use super::record::{Opener, Sealer, Suite};
use super::secret::Secret;
use crate::base::limits::{RECORD_LENGTH_FIELD, RECORD_OVERHEAD};
use crate::base::peer::PeerId;
use sodiumoxide::crypto::sign::ed25519;
use std::sync::OnceLock;

/// libsodium cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    #[error("libsodium did not start")]
    Init,
    #[error("libsodium gives a wrong answer for {what}: this build of it must not be used, link another one")]
    SelfTest { what: &'static str },
}

/// Starts libsodium and asks it for known answers. Later calls return the first one's result.
///
/// # Errors
/// Nothing of this room may be used after an error.
pub fn init() -> Result<(), CryptoError> {
    static RESULT: OnceLock<Result<(), CryptoError>> = OnceLock::new();
    *RESULT.get_or_init(|| {
        sodiumoxide::init().map_err(|()| CryptoError::Init)?;
        self_test()
    })
}

/// Fills `bytes` from the operating system's randomness. Only `node/` may call it: everywhere else entropy is an argument.
///
/// # Panics
/// If `init` failed or would: keys must not be made then. The process ends if the operating system has no randomness.
pub fn fill_random(bytes: &mut [u8]) {
    init().expect("a node starts only after crypto has");
    sodiumoxide::randombytes::randombytes_into(bytes);
}

/// Name and version of the libsodium in use, with the one known weakness that bowline can live with (it converts no Ed25519 keys).
pub fn version() -> String {
    let weakness = if refuses_mixed_order_keys() { "" } else { " (without the fix of CVE-2025-69277)" };
    format!("libsodium {}{weakness}", sodiumoxide::version::version_string())
}

/// True if Ed25519 keys of mixed order are refused, as they are since libsodium 1.0.21 and in patched builds of 1.0.18, which call
/// themselves the same: so its behaviour is asked, not its version (dependencies reference, 1.3).
pub fn refuses_mixed_order_keys() -> bool {
    // The base point plus the point of order 2.
    let mut key = [0x99; 32];
    key[0] = 0x95;
    ed25519::to_curve25519_pk(&ed25519::PublicKey(key)).is_err()
}

/// One known answer for each primitive, and the refusals that safety hangs on.
fn self_test() -> Result<(), CryptoError> {
    let answers = [
        ("BLAKE2b", blake2b_is_right()),
        ("X25519", x25519_is_right()),
        ("low-order keys", low_order_keys_are_refused()),
        ("ChaCha20-Poly1305", chacha_is_right()),
        ("XSalsa20-Poly1305", records_are_right()),
    ];
    match answers.iter().find(|(_, is_right)| !is_right) {
        Some((what, _)) => Err(CryptoError::SelfTest { what }),
        None => Ok(()),
    }
}

/// BLAKE2b-256 of "abc".
fn blake2b_is_right() -> bool {
    hash::blake2b::<32>(&[b"a", b"bc"])
        == *b"\xbd\xdd\x81\x3c\x63\x42\x39\x72\x31\x71\xef\x3f\xee\x98\x57\x9b\x94\x96\x4e\x3b\xb1\xcb\x3e\x42\x72\x62\xc8\xc0\x68\xd5\x23\x19"
}

/// RFC 7748, 6.1: Alice's secret key and Bob's public key.
fn x25519_is_right() -> bool {
    let alice = SecretKey::from_bytes(
        *b"\x77\x07\x6d\x0a\x73\x18\xa5\x7d\x3c\x16\xc1\x72\x51\xb2\x66\x45\xdf\x4c\x2f\x87\xeb\xc0\x99\x2a\xb1\x77\xfb\xa5\x1d\xb9\x2c\x2a",
    );
    let bob = PeerId::from_bytes(
        *b"\xde\x9e\xdb\x7d\x7b\x7d\xc1\xb4\xd3\x5b\x61\xc2\xec\xe4\x35\x37\x3f\x83\x43\xc8\x5b\x78\x67\x4d\xad\xfc\x7e\x14\x6f\x88\x2b\x4f",
    );
    alice.dh(&bob).is_ok_and(|shared| {
        shared.as_bytes()
            == b"\x4a\x5d\x9d\x5b\xa4\xce\x2d\xe1\x72\x8e\x3b\xf4\x80\x35\x0f\x25\xe0\x7e\x21\xc9\x47\xd1\x9e\x33\x76\xf0\x9b\x3c\x1e\x16\x17\x42"
    })
}

/// Zero, and a point of order 8.
fn low_order_keys_are_refused() -> bool {
    let order_8 =
        *b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00";
    let ours = SecretKey::from_bytes([1; 32]);
    [[0; 32], order_8].into_iter().all(|key| ours.dh(&PeerId::from_bytes(key)).is_err())
}

/// "bowline" sealed as a handshake's first message, as an independent implementation of RFC 8439 does it.
fn chacha_is_right() -> bool {
    let mut field = [0; 7 + TAG];
    field[..7].copy_from_slice(b"bowline");
    Cipher::new(&Secret::from_bytes([7; 32])).seal(b"ad", &mut field);
    field == *b"\x55\xeb\x5e\x60\x09\x05\x61\xa4\x0a\xa6\x1b\x33\x3a\x6a\x5c\x3c\x1b\xb5\x3b\x69\x49\xee\x64"
}

/// The first record of the vector `hidden_id`: sealed, and opened again.
fn records_are_right() -> bool {
    let key = Secret::from_bytes(
        *b"\x6a\x7d\xd5\xcb\x81\x3b\x2f\xcc\x6f\xf6\x65\xfc\xbf\x26\x69\xad\xad\x82\x9e\x24\x2f\xd7\xd2\xb4\xc7\x79\x27\x12\xd8\x06\xd6\x37",
    );
    let mut h = [0; hash::WIDE];
    h[..16].copy_from_slice(b"\x17\x41\xa5\xfd\x7e\xc7\x65\x18\x1a\x48\xfb\xe5\x28\xfe\xc1\xe6");
    let mut record = [0; RECORD_OVERHEAD + 13];
    record[RECORD_OVERHEAD + 1..].copy_from_slice(b"record 0 i2r");
    let plain = record;
    let suite = Suite::XSalsa20Poly1305;
    let is_sealed = Sealer::new(suite, &key, &h).seal_in_place(&mut record).is_ok()
        && record == *b"\x00\x1d\xca\x11\x10\xbf\xae\x26\xbd\x13\x92\x64\x25\xf6\xda\xc2\x1e\x43\x93\xd6\x7e\x78\xcd\x46\xd1\xf5\x13\xd1\x82\x90\x4f";
    is_sealed
        && Opener::new(suite, &key, &h).open_in_place(&mut record[RECORD_LENGTH_FIELD..]).is_ok()
        && record[RECORD_OVERHEAD..] == plain[RECORD_OVERHEAD..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libsodium_passes_and_is_named() {
        assert_eq!(init(), Ok(()));
        assert_eq!(init(), Ok(()));
        assert!(version().starts_with("libsodium 1."));
        assert_eq!(version().contains("CVE"), !refuses_mixed_order_keys());
    }

    #[test]
    fn randomness_fills_and_differs() {
        let (mut a, mut b) = ([0; 32], [0; 32]);
        fill_random(&mut a);
        fill_random(&mut b);
        assert!(a != b && a != [0; 32]);
    }
}
