//! Bytes that nobody may read after use: wiped when dropped, never printed, never cloned. Everything in this room that holds a key uses it.

use sodiumoxide::utils::memzero;
use std::fmt;

/// `N` secret bytes. Moving one may leave a copy on the stack: build it in place and pass it by reference.
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    pub const ZERO: Secret<N> = Secret([0; N]);

    pub const fn from_bytes(bytes: [u8; N]) -> Secret<N> {
        Secret(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// For filling it in place, so that no copy is left elsewhere.
    pub const fn as_mut_bytes(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        memzero(&mut self.0);
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A text with a secret in it, such as an identity file: wiped when dropped, never printed.
pub struct SecretText(Vec<u8>);

impl SecretText {
    /// Takes over what was read from a file, so that it is wiped too.
    pub const fn from_vec(bytes: Vec<u8>) -> SecretText {
        SecretText(bytes)
    }

    /// Room for `capacity` bytes. A text that outgrows it moves, and what it leaves behind is not wiped.
    pub(super) fn with_capacity(capacity: usize) -> SecretText {
        SecretText(Vec::with_capacity(capacity))
    }

    pub(super) fn push(&mut self, text: &str) {
        debug_assert!(self.0.len() + text.len() <= self.0.capacity(), "a secret text never moves");
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends `bytes` as lower-case hex.
    pub(super) fn push_hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            for nibble in [byte >> 4, byte & 15] {
                let digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                self.push(char::from(digit).encode_utf8(&mut [0]));
            }
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        memzero(&mut self.0);
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::from_bytes([0xab; 32])), "Secret(…)");
        let mut text = SecretText::with_capacity(4);
        text.push_hex(&[0x0f, 0xa9]);
        assert_eq!(text.as_bytes(), b"0fa9");
        assert_eq!(format!("{text:?}"), "SecretText(…)");
    }
}
