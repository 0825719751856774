//! Records: what a session seals after the handshake, in place and without allocation (security reference 2.3). One `Sealer` and one
//! `Opener` per link, each for its direction; the session calls them for every record, so they do nothing but count and call libsodium.
//!
//! ```text
//! u16 BE n | tag 16 | ciphertext n - 16          17 <= n <= 65,535
//! key    of the direction, replaced every 1,024 records:  k <- BLAKE2b-256(key = k, "bowline/1 rekey\0" | record number / 1,024 as u64 LE)
//! nonce  h[0..16] | record number of the direction as u64 BE
//! ```

use super::hash;
use super::secret::Secret;
use crate::base::limits::{RECORD_LENGTH_FIELD, RECORD_LENGTH_MAX, RECORD_OVERHEAD, RECORD_TAG, REKEY_RECORDS};
use sodiumoxide::crypto::box_::{self, Nonce, PrecomputedKey, Tag};
use std::fmt;

/// Where the changing part of a nonce begins.
const COUNTER_AT: usize = 16;
/// No record has this number or a higher one: long before a counter could wrap (threat T18).
const RECORDS_MAX: u64 = 1 << 63;
/// Smallest value of the length field: a tag and the type byte.
const LENGTH_MIN: usize = RECORD_TAG + 1;

/// How records are sealed. The handshake chooses: each suite is a bit of `caps`, and the highest that both sides have wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Suite {
    /// NaCl's box with a precomputed key. Mandatory.
    XSalsa20Poly1305 = 0,
}

impl Suite {
    /// The bits of all suites that this library has.
    pub const CAPS: u32 = 1 << Suite::XSalsa20Poly1305 as u32;
    /// Bits of `caps` that stand for suites: 0..=7.
    const MASK: u32 = 0xff;

    /// The suite of two sides that announced these `caps`; `None` if they have none in common.
    pub const fn common(ours: u32, theirs: u32) -> Option<Suite> {
        match (ours & theirs & Suite::CAPS & Suite::MASK).checked_ilog2() {
            Some(0) => Some(Suite::XSalsa20Poly1305),
            _ => None,
        }
    }
}

/// A record was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    #[error("a record of {bytes} bytes: {} to {} with length field and tag are possible", RECORD_OVERHEAD + 1, RECORD_LENGTH_FIELD + RECORD_LENGTH_MAX)]
    Length { bytes: usize },
    #[error("all {RECORDS_MAX} records of this direction are used up: open a new link")]
    Exhausted,
}

/// A record was not opened: forged, out of order, of an impossible length, or after one that was. Which, nobody outside may learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record does not authenticate")]
pub struct OpenFailed;

/// Seals what we send.
pub struct Sealer(Direction);

impl Sealer {
    /// `key` is this direction's key of the handshake, `h` the handshake hash.
    pub fn new(suite: Suite, key: &Secret<32>, h: &[u8; hash::WIDE]) -> Sealer {
        Sealer(Direction::new(suite, key, h))
    }

    /// Seals `record` = room for length and tag (18 bytes), then the plaintext.
    ///
    /// # Errors
    /// Nothing has changed then. `Length` is a fault of the caller; `Exhausted` ends the link.
    pub fn seal_in_place(&mut self, record: &mut [u8]) -> Result<(), SealError> {
        let bytes = record.len();
        let length = bytes.checked_sub(RECORD_LENGTH_FIELD).and_then(|n| u16::try_from(n).ok());
        let Some(length) = length.filter(|n| usize::from(*n) >= LENGTH_MIN) else {
            return Err(SealError::Length { bytes });
        };
        if self.0.counter >= RECORDS_MAX {
            return Err(SealError::Exhausted);
        }
        let (head, text) = record.split_at_mut(RECORD_OVERHEAD);
        let tag = box_::seal_detached_precomputed(text, &self.0.nonce, &self.0.key);
        head[..RECORD_LENGTH_FIELD].copy_from_slice(&length.to_be_bytes());
        head[RECORD_LENGTH_FIELD..].copy_from_slice(&tag.0);
        self.0.advance();
        Ok(())
    }

    /// Records sealed so far: the number of the next.
    pub const fn counter(&self) -> u64 {
        self.0.counter
    }
}

/// Opens what the peer sends.
pub struct Opener {
    direction: Direction,
    has_failed: bool,
}

impl Opener {
    /// `key` is this direction's key of the handshake, `h` the handshake hash.
    pub fn new(suite: Suite, key: &Secret<32>, h: &[u8; hash::WIDE]) -> Opener {
        Opener { direction: Direction::new(suite, key, h), has_failed: false }
    }

    /// Opens a record without its length field: tag, then ciphertext. The plaintext stands behind the 16 bytes of the tag.
    ///
    /// # Errors
    /// `OpenFailed`, and then for ever: one forged record ends a link.
    pub fn open_in_place(&mut self, record: &mut [u8]) -> Result<(), OpenFailed> {
        let opened = !self.has_failed && self.open(record).is_some();
        self.has_failed = !opened;
        if opened { Ok(()) } else { Err(OpenFailed) }
    }

    fn open(&mut self, record: &mut [u8]) -> Option<()> {
        if record.len() < LENGTH_MIN || record.len() > RECORD_LENGTH_MAX || self.direction.counter >= RECORDS_MAX {
            return None;
        }
        let (tag, text) = record.split_at_mut(RECORD_TAG);
        let tag = Tag::from_slice(tag)?;
        box_::open_detached_precomputed(text, &tag, &self.direction.nonce, &self.direction.key).ok()?;
        self.direction.advance();
        Some(())
    }

    /// Records opened so far: the number of the next.
    pub const fn counter(&self) -> u64 {
        self.direction.counter
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("counter", &self.counter()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("counter", &self.counter()).finish_non_exhaustive()
    }
}

/// The key, nonce and count of one direction. The key is never cloned; the old one is wiped when it is replaced.
struct Direction {
    key: PrecomputedKey,
    nonce: Nonce,
    counter: u64,
}

impl Direction {
    fn new(suite: Suite, key: &Secret<32>, h: &[u8; hash::WIDE]) -> Direction {
        let Suite::XSalsa20Poly1305 = suite;
        let mut nonce = [0; box_::NONCEBYTES];
        nonce[..COUNTER_AT].copy_from_slice(&h[..COUNTER_AT]);
        Direction { key: PrecomputedKey(*key.as_bytes()), nonce: Nonce(nonce), counter: 0 }
    }

    /// Called after success only, so that a forged record moves nothing.
    fn advance(&mut self) {
        self.counter += 1;
        self.nonce.0[COUNTER_AT..].copy_from_slice(&self.counter.to_be_bytes());
        if self.counter.is_multiple_of(REKEY_RECORDS) {
            self.rekey();
        }
    }

    #[cold]
    fn rekey(&mut self) {
        let epoch = self.counter / REKEY_RECORDS;
        let next = hash::blake2b_keyed::<32, 32>(&self.key.0, &[b"bowline/1 rekey\0", &epoch.to_le_bytes()]);
        self.key = PrecomputedKey(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Sealer, Opener) {
        let (key, h) = (Secret::from_bytes([5; 32]), [6; 64]);
        (Sealer::new(Suite::XSalsa20Poly1305, &key, &h), Opener::new(Suite::XSalsa20Poly1305, &key, &h))
    }

    /// Makes both ends continue at `counter`, with the key they have.
    fn jump(direction: &mut Direction, counter: u64) {
        direction.counter = counter;
        direction.nonce.0[COUNTER_AT..].copy_from_slice(&counter.to_be_bytes());
    }

    fn sealed(sealer: &mut Sealer, text: &[u8]) -> Vec<u8> {
        let mut record = vec![0; RECORD_OVERHEAD];
        record.extend_from_slice(text);
        sealer.seal_in_place(&mut record).unwrap();
        record
    }

    #[test]
    fn records_end_before_the_counter_could_wrap() {
        let (mut sealer, mut opener) = pair();
        jump(&mut sealer.0, RECORDS_MAX - 1);
        jump(&mut opener.direction, RECORDS_MAX - 1);
        let mut record = sealed(&mut sealer, b"last");
        assert_eq!(opener.open_in_place(&mut record[2..]), Ok(()));
        assert_eq!(sealer.seal_in_place(&mut [0; 30]), Err(SealError::Exhausted));
        assert_eq!(opener.open_in_place(&mut [0; 30]), Err(OpenFailed));
        assert_eq!((sealer.counter(), opener.counter()), (RECORDS_MAX, RECORDS_MAX));
    }

    #[test]
    fn a_rekey_that_is_off_by_one_opens_nothing() {
        for skew in [REKEY_RECORDS - 1, REKEY_RECORDS + 1] {
            let (mut sealer, mut opener) = pair();
            for _ in 0..skew {
                sealed(&mut sealer, b"x");
            }
            // An end that replaces its key one record early or late: right count, wrong key.
            if skew < REKEY_RECORDS {
                jump(&mut opener.direction, REKEY_RECORDS);
                opener.direction.rekey();
            }
            jump(&mut opener.direction, skew);
            let mut record = sealed(&mut sealer, b"x");
            assert_eq!(opener.open_in_place(&mut record[2..]), Err(OpenFailed));
        }
    }

    #[test]
    fn the_highest_common_suite_is_used() {
        assert_eq!(Suite::common(1, 3), Some(Suite::XSalsa20Poly1305));
        assert_eq!(Suite::common(1, 0xffff_ff01), Some(Suite::XSalsa20Poly1305));
        assert_eq!(Suite::common(1, 0x100), None);
        assert_eq!(Suite::common(1, 2), None);
    }

    #[test]
    fn an_impossible_length_is_named() {
        let (mut sealer, _) = pair();
        for bytes in [0, 1, 2, 18, 65_538] {
            let error = sealer.seal_in_place(&mut vec![0; bytes]).unwrap_err();
            assert_eq!(error, SealError::Length { bytes });
            assert!(error.to_string().ends_with("19 to 65537 with length field and tag are possible"));
        }
        assert_eq!(sealer.seal_in_place(&mut vec![0; 65_537]), Ok(()));
        assert_eq!(sealer.seal_in_place(&mut [0; 19]), Ok(()));
    }
}
