//! Every primitive against dryoc, a second implementation that shares no code with libsodium, on random inputs.

use bowline::base::peer::PeerId;
use bowline::crypto::cipher::{Cipher, TAG};
use bowline::crypto::hash;
use bowline::crypto::keys::SecretKey;
use bowline::crypto::record::{Opener, Sealer, Suite};
use bowline::crypto::secret::Secret;
use dryoc::classic::crypto_aead_chacha20poly1305_ietf::{
    crypto_aead_chacha20poly1305_ietf_decrypt, crypto_aead_chacha20poly1305_ietf_encrypt,
};
use dryoc::classic::crypto_box::{crypto_box_easy_afternm, crypto_box_open_easy_afternm};
use dryoc::classic::crypto_core::{crypto_scalarmult, crypto_scalarmult_base};
use dryoc::classic::crypto_generichash::crypto_generichash;
use proptest::collection::vec;
use proptest::prelude::*;

/// BLAKE2b by dryoc.
fn blake2b<const N: usize>(key: Option<&[u8]>, input: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    crypto_generichash(&mut out, input, key).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn scalar_multiplication(secret: [u8; 32], point: [u8; 32]) {
        let ours = SecretKey::from_bytes(secret);
        let (mut public, mut shared) = ([0; 32], [0; 32]);
        crypto_scalarmult_base(&mut public, &secret);
        prop_assert_eq!(ours.public(), PeerId::from_bytes(public));
        let theirs = crypto_scalarmult(&mut shared, &secret, &point).ok().map(|()| shared);
        prop_assert_eq!(ours.dh(&PeerId::from_bytes(point)).ok().map(|shared| *shared.as_bytes()), theirs);
    }

    #[test]
    fn hashing(key: [u8; 32], long_key: [u8; 64], a in vec(any::<u8>(), 0..300), b in vec(any::<u8>(), 0..300)) {
        let whole = [&a[..], &b].concat();
        prop_assert_eq!(hash::blake2b::<16>(&[&a, &b]), blake2b(None, &whole));
        prop_assert_eq!(hash::blake2b::<64>(&[&a, &b]), blake2b(None, &whole));
        prop_assert_eq!(hash::blake2b_256(&whole), blake2b(None, &whole));
        prop_assert_eq!(hash::blake2b_keyed::<32, 32>(&key, &[&a, &b]), blake2b(Some(&key), &whole));
        prop_assert_eq!(hash::blake2b_keyed::<16, 64>(&long_key, &[&a, &b]), blake2b(Some(&long_key), &whole));
    }

    #[test]
    fn message_authentication(key: [u8; 64], message in vec(any::<u8>(), 0..300)) {
        let pad = |pad: u8| { let mut block = [pad; 128]; for (slot, byte) in block.iter_mut().zip(key) { *slot ^= byte; } block };
        let inner: [u8; 64] = blake2b(None, &[&pad(0x36)[..], &message].concat());
        let expected: [u8; 64] = blake2b(None, &[&pad(0x5c)[..], &inner].concat());
        let ours = hash::hmac(&Secret::from_bytes(key), &[&message]);
        prop_assert_eq!(ours.as_bytes(), &expected);
    }

    #[test]
    fn handshake_cipher(key: [u8; 32], ad in vec(any::<u8>(), 0..100), text in vec(any::<u8>(), 0..2_000), turns in 0..5_u8) {
        let (mut sealer, mut opener) = (Cipher::new(&Secret::from_bytes(key)), Cipher::new(&Secret::from_bytes(key)));
        for turn in 0..=turns {
            let mut nonce = [0; 12];
            nonce[4] = turn;
            let mut field = [&text[..], &[0; TAG]].concat();
            sealer.seal(&ad, &mut field);
            let mut back = vec![0; text.len()];
            crypto_aead_chacha20poly1305_ietf_decrypt(&mut back, &field, Some(&ad), &nonce, &key).unwrap();
            prop_assert_eq!(&back, &text);
            let mut theirs = vec![0; text.len() + TAG];
            crypto_aead_chacha20poly1305_ietf_encrypt(&mut theirs, &text, Some(&ad), &nonce, &key).unwrap();
            let (sealed, tag) = theirs.split_at_mut(text.len());
            prop_assert_eq!(opener.open_detached(&ad, sealed, tag), Ok(()));
            prop_assert_eq!(sealed, &text[..]);
        }
    }

    #[test]
    fn records(key: [u8; 32], prefix: [u8; 16], text in vec(any::<u8>(), 1..2_000), turns in 0..5_u8) {
        let mut h = [0; 64];
        h[..16].copy_from_slice(&prefix);
        let suite = Suite::XSalsa20Poly1305;
        let (mut sealer, mut opener) = (Sealer::new(suite, &Secret::from_bytes(key), &h), Opener::new(suite, &Secret::from_bytes(key), &h));
        for turn in 0..=turns {
            let mut nonce = [0; 24];
            nonce[..16].copy_from_slice(&prefix);
            nonce[23] = turn;
            let mut record = [&[0; 18][..], &text].concat();
            sealer.seal_in_place(&mut record).unwrap();
            let mut back = vec![0; text.len()];
            crypto_box_open_easy_afternm(&mut back, &record[2..], &nonce, &key).unwrap();
            prop_assert_eq!(&back, &text);
            let mut theirs = vec![0; text.len() + 16];
            crypto_box_easy_afternm(&mut theirs, &text, &nonce, &key).unwrap();
            prop_assert_eq!(&theirs, &record[2..]);
            prop_assert_eq!(opener.open_in_place(&mut theirs), Ok(()));
            prop_assert_eq!(&theirs[16..], &text[..]);
        }
    }
}
