//! ChaCha20-Poly1305 with a counting nonce: Noise's CipherState. Only the handshake seals with it; records have a cipher of their own.

use super::secret::Secret;
use sodiumoxide::crypto::aead::chacha20poly1305_ietf::{self as aead, Key, Nonce, Tag};

/// Bytes that sealing adds.
pub const TAG: usize = aead::TAGBYTES;

/// A key and the number of the next message.
pub struct Cipher {
    key: Key,
    counter: u64,
}

/// A message was not opened. An attacker learns no more than that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not authenticate")]
pub struct Forged;

impl Cipher {
    pub fn new(key: &Secret<32>) -> Cipher {
        Cipher { key: Key(*key.as_bytes()), counter: 0 }
    }

    /// Encrypts `field` in place: its last `TAG` bytes are room for the tag.
    ///
    /// # Panics
    /// If `field` is shorter than a tag: whoever seals owns the buffer.
    pub fn seal(&mut self, associated: &[u8], field: &mut [u8]) {
        seal_with(&self.key, &self.nonce(), associated, field);
        self.advance();
    }

    /// Decrypts `text` in place. A forged message changes nothing, not even the counter.
    ///
    /// # Errors
    /// `Forged` if `tag` is no tag or does not fit.
    pub fn open_detached(&mut self, associated: &[u8], text: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
        open_with(&self.key, &self.nonce(), associated, text, tag)?;
        self.advance();
        Ok(())
    }

    /// Noise: four zero bytes, then the counter in little endian.
    fn nonce(&self) -> Nonce {
        let mut nonce = [0; aead::NONCEBYTES];
        nonce[4..].copy_from_slice(&self.counter.to_le_bytes());
        Nonce(nonce)
    }

    fn advance(&mut self) {
        self.counter = self.counter.checked_add(1).expect("a handshake has a handful of messages");
    }
}

fn seal_with(key: &Key, nonce: &Nonce, associated: &[u8], field: &mut [u8]) {
    let (text, tag) = field.split_at_mut(field.len() - TAG);
    tag.copy_from_slice(&aead::seal_detached(text, Some(associated), nonce, key).0);
}

fn open_with(key: &Key, nonce: &Nonce, associated: &[u8], text: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
    let tag = Tag::from_slice(tag).ok_or(Forged)?;
    aead::open_detached(text, Some(associated), &tag, nonce, key).map_err(|()| Forged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::peer::unhex;

    /// Here and not among the integration tests because a `Cipher` chooses its nonces itself.
    #[test]
    fn wycheproof_agrees() {
        let file = include_str!("../../tests/vectors/wycheproof/chacha20_poly1305_test.json");
        let file: serde_json::Value = serde_json::from_str(file).unwrap();
        let groups = file["testGroups"].as_array().unwrap();
        let (mut valid, mut invalid, mut other_nonces) = (0, 0, 0);
        for case in groups.iter().flat_map(|group| group["tests"].as_array().unwrap()) {
            let bytes = |name: &str| unhex(case[name].as_str().unwrap()).unwrap();
            let key = Key::from_slice(&bytes("key")).unwrap();
            let Some(nonce) = Nonce::from_slice(&bytes("iv")) else {
                assert_eq!(case["result"], "invalid");
                other_nonces += 1;
                continue;
            };
            let (associated, message, tag) = (bytes("aad"), bytes("msg"), bytes("tag"));
            let mut text = bytes("ct");
            let is_valid = case["result"] == "valid";
            assert_eq!(open_with(&key, &nonce, &associated, &mut text, &tag).is_ok(), is_valid, "case {}", case["tcId"]);
            if is_valid {
                assert_eq!(text, message);
                text.extend([0; TAG]);
                seal_with(&key, &nonce, &associated, &mut text);
                assert_eq!(text, [bytes("ct"), tag].concat());
                valid += 1;
            } else {
                invalid += 1;
            }
        }
        assert_eq!((valid, invalid, other_nonces), (256, 60, 9));
    }

    #[test]
    fn a_forged_message_does_not_advance_the_counter() {
        let key = Secret::from_bytes([3; 32]);
        let (mut ours, mut theirs) = (Cipher::new(&key), Cipher::new(&key));
        let mut sealed = [0; 5 + TAG];
        sealed[..5].copy_from_slice(b"hello");
        ours.seal(b"ad", &mut sealed);
        let mut open = |associated: &[u8], message: &[u8]| {
            let (text, tag) = message.split_at(5);
            let mut text = text.to_vec();
            theirs.open_detached(associated, &mut text, tag).map(|()| text)
        };
        for at in 0..sealed.len() {
            let mut bad = sealed;
            bad[at] ^= 1;
            assert_eq!(open(b"ad", &bad), Err(Forged));
        }
        assert_eq!(open(b"other", &sealed), Err(Forged));
        assert_eq!(open(b"ad", &sealed[..20]), Err(Forged));
        assert_eq!(open(b"ad", &sealed).unwrap(), b"hello");
    }
}
