//! Who a peer is: its 32-byte X25519 public key, and its text form. No curve arithmetic here. Every floor uses it.

use std::fmt;
use std::str::FromStr;

/// A peer's identity: its X25519 public key. Written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// Bytes of an id.
    pub const LEN: usize = 32;

    pub const fn from_bytes(bytes: [u8; 32]) -> PeerId {
        PeerId(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hex digits, for log lines where space is short. Not unique.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({})", self.short())
    }
}

/// A text that is no peer id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer id is 64 hex digits, this text has {length} characters{}", if *.bad_digit { ", not all of them hex digits" } else { "" })]
pub struct PeerIdError {
    length: usize,
    bad_digit: bool,
}

impl FromStr for PeerId {
    type Err = PeerIdError;
    fn from_str(text: &str) -> Result<PeerId, PeerIdError> {
        let bytes = unhex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes
            .map(PeerId)
            .ok_or_else(|| PeerIdError { length: text.chars().count(), bad_digit: !text.bytes().all(|b| b.is_ascii_hexdigit()) })
    }
}

/// Lower-case hex of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    // Digits are UTF-8.
    String::from_utf8(text).unwrap_or_default()
}

/// The bytes of a hex text in either case; `None` if it is not one.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    digits.chunks_exact(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let id = PeerId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string(), "ab".repeat(32));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn a_wrong_text_says_what_is_wrong() {
        let short = "ab".parse::<PeerId>().unwrap_err();
        assert_eq!(short.to_string(), "a peer id is 64 hex digits, this text has 2 characters");
        let odd = "zz".repeat(32).parse::<PeerId>().unwrap_err();
        assert!(odd.to_string().ends_with("not all of them hex digits"));
        assert!("é".repeat(32).parse::<PeerId>().is_err());
    }
}
