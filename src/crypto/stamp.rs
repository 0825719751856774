//! The proof-of-work stamp of an identity: BLAKE2b-256(key, stamp), read as a little-endian integer, is below 2^(256 - bits) (the Tezos rule).
//! A check costs 0.3 µs, so strangers are judged by it before any curve arithmetic. The handshake checks, `identity` searches.

use super::hash;
use crate::base::peer::PeerId;

/// Bytes of a stamp.
pub const STAMP: usize = 24;

/// True if `stamp` reaches `bits` for `peer`. Every stamp reaches 0 bits, none is known to reach 256, none can reach more.
pub fn check(peer: &PeerId, stamp: &[u8; STAMP], bits: u32) -> bool {
    bits_of(peer, stamp) >= bits
}

/// The difficulty that `stamp` reaches for `peer`, 0..=256.
pub fn bits_of(peer: &PeerId, stamp: &[u8; STAMP]) -> u32 {
    leading_zeros_le(&hash::blake2b_256(&message(peer, stamp)))
}

/// A search for a stamp: it runs in slices, keeps its place between them, and may be dropped at any time.
#[derive(Debug)]
pub struct Search {
    /// Key and next stamp to try, side by side as they are hashed.
    message: [u8; PeerId::LEN + STAMP],
    bits: u32,
    tried: u64,
}

impl Search {
    /// Tries the stamps from `start` on (a big-endian number). Searches on several threads start at random places.
    pub fn new(peer: &PeerId, bits: u32, start: [u8; STAMP]) -> Search {
        Search { message: message(peer, &start), bits, tried: 0 }
    }

    /// Tries up to `tries` stamps. One that was found is tried, and found, again by the next call.
    pub fn run(&mut self, tries: u64) -> Option<[u8; STAMP]> {
        for _ in 0..tries {
            if leading_zeros_le(&hash::blake2b_256(&self.message)) >= self.bits {
                return Some(self.stamp());
            }
            increment(&mut self.message[PeerId::LEN..]);
            self.tried += 1;
        }
        None
    }

    /// Stamps that were tried and failed.
    pub const fn tried(&self) -> u64 {
        self.tried
    }

    /// Stamps that a search tries on average: 2^bits.
    pub fn expected_tries(&self) -> u64 {
        1_u64.checked_shl(self.bits).unwrap_or(u64::MAX)
    }

    /// The stamp to try next.
    fn stamp(&self) -> [u8; STAMP] {
        let mut stamp = [0; STAMP];
        stamp.copy_from_slice(&self.message[PeerId::LEN..]);
        stamp
    }
}

fn message(peer: &PeerId, stamp: &[u8; STAMP]) -> [u8; PeerId::LEN + STAMP] {
    let mut message = [0; PeerId::LEN + STAMP];
    message[..PeerId::LEN].copy_from_slice(peer.as_bytes());
    message[PeerId::LEN..].copy_from_slice(stamp);
    message
}

/// Leading zero bits of a little-endian integer: x < 2^(256 - n) exactly if it has at least n.
fn leading_zeros_le(bytes: &[u8; 32]) -> u32 {
    let mut zeros = 0;
    for byte in bytes.iter().rev() {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

/// Adds one to a big-endian number and wraps at its end.
fn increment(number: &mut [u8]) {
    for byte in number.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_the_difficulty() {
        let peer = PeerId::from_bytes([1; 32]);
        let found = |bits| Search::new(&peer, bits, [0; STAMP]).run(100_000).unwrap();
        assert_eq!(found(0), [0; STAMP]);
        for bits in [1, 8] {
            let stamp = found(bits);
            assert!(check(&peer, &stamp, bits) && check(&peer, &stamp, 0));
            assert_eq!(check(&peer, &stamp, bits + 1), bits_of(&peer, &stamp) > bits);
            assert!(!check(&peer, &stamp, 255) && !check(&peer, &stamp, 256) && !check(&peer, &stamp, u32::MAX));
        }
    }

    #[test]
    fn the_integer_is_little_endian() {
        let mut bytes = [0; 32];
        assert_eq!(leading_zeros_le(&bytes), 256);
        bytes[0] = 1;
        assert_eq!(leading_zeros_le(&bytes), 255);
        bytes[0] = 0xff;
        assert_eq!(leading_zeros_le(&bytes), 248);
        bytes[31] = 0x0f;
        assert_eq!(leading_zeros_le(&bytes), 4);
        bytes[31] = 0x80;
        assert_eq!(leading_zeros_le(&bytes), 0);
    }

    #[test]
    fn a_search_in_slices_finds_what_one_run_finds() {
        let peer = PeerId::from_bytes([2; 32]);
        let whole = Search::new(&peer, 10, [7; STAMP]).run(1 << 20).unwrap();
        let mut search = Search::new(&peer, 10, [7; STAMP]);
        assert_eq!(search.run(0), None);
        let sliced = (0..1 << 20).find_map(|_| search.run(3)).unwrap();
        assert_eq!((sliced, search.run(1)), (whole, Some(whole)));
        assert!(check(&peer, &whole, 10) && search.tried() > 0);
        assert_eq!(search.expected_tries(), 1_024);
        assert_eq!(Search::new(&peer, 64, [0; STAMP]).expected_tries(), u64::MAX);
    }

    #[test]
    fn a_stamp_is_a_big_endian_counter_that_wraps() {
        let mut number = [0, 0xff, 0xff];
        increment(&mut number);
        assert_eq!(number, [1, 0, 0]);
        number = [0xff; 3];
        increment(&mut number);
        assert_eq!(number, [0; 3]);
    }
}
