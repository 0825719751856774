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
        let (text, tag) = field.split_at_mut(field.len() - TAG);
        tag.copy_from_slice(&aead::seal_detached(text, Some(associated), &self.nonce(), &self.key).0);
        self.advance();
    }

    /// Decrypts `text` in place. A forged message changes nothing, not even the counter.
    ///
    /// # Errors
    /// `Forged` if `tag` is no tag or does not fit.
    pub fn open_detached(&mut self, associated: &[u8], text: &mut [u8], tag: &[u8]) -> Result<(), Forged> {
        let tag = Tag::from_slice(tag).ok_or(Forged)?;
        aead::open_detached(text, Some(associated), &tag, &self.nonce(), &self.key).map_err(|()| Forged)?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
