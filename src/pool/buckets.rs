//! Places of addresses in the two tables of the book, new and tried, drawn with a key that only this node knows: nobody can foresee which
//! addresses compete for one. Pure; it knows no address but those that have a place. The book alone uses it.
//!
//! Of the new table, what one group of sources tells can reach 32 of 256 buckets; of the tried one, a group of addresses 4 of 64. The sizes are
//! CometBFT's, the draw is Bitcoin's. An address takes the first free place of its bucket from its own on; when all are taken, it competes
//! with the holder of its own. So a bucket of 64 knows 64 addresses, also in a small network.

use crate::base::limits::{BUCKET, NEW_BUCKETS, TRIED_BUCKETS};
use crate::crypto::hash::short;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Buckets that one group of sources can fill (CometBFT newBucketsPerGroup).
const NEW_PER_SOURCE: u64 = 32;
/// Buckets that one group of addresses can fill once they are tried (CometBFT oldBucketsPerGroup).
const TRIED_PER_GROUP: u64 = 4;
/// Places in the new table that one address may have (CometBFT maxNewBucketsPerAddress).
pub const PLACES_MAX: usize = 4;
/// No place.
const NONE: u16 = u16::MAX;
/// Places have numbers: those of the new table come first.
const TRIED_FROM: u16 = (NEW_BUCKETS * BUCKET) as u16;

const _: () = assert!((NEW_BUCKETS + TRIED_BUCKETS) * BUCKET < NONE as usize, "every place has a number");

/// The places of one address: up to four in the new table, or one in the tried one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places([u16; PLACES_MAX]);

impl Default for Places {
    fn default() -> Places {
        Places([NONE; PLACES_MAX])
    }
}

impl Places {
    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.0.into_iter().filter(|place| *place != NONE)
    }

    pub fn len(self) -> usize {
        self.iter().count()
    }

    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    pub fn is_tried(self) -> bool {
        self.iter().any(|place| place >= TRIED_FROM)
    }

    /// True if one of them is in that bucket.
    pub fn has_bucket(self, bucket: u16) -> bool {
        self.iter().any(|place| place / BUCKET as u16 == bucket)
    }

    /// Adds a place; without effect if there are four.
    pub fn add(&mut self, place: u16) {
        if let Some(free) = self.0.iter_mut().find(|place| **place == NONE) {
            *free = place;
        }
    }

    pub fn remove(&mut self, place: u16) {
        self.0.iter_mut().filter(|known| **known == place).for_each(|known| *known = NONE);
    }
}

/// What is found in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    Free(u16),
    /// The bucket is full; that address holds the place that is drawn.
    Taken(u16, SocketAddr),
}

/// Who holds which place.
#[derive(Debug)]
pub struct Buckets {
    key: [u8; 16],
    holders: BTreeMap<u16, SocketAddr>,
}

impl Buckets {
    pub fn new(key: [u8; 16]) -> Buckets {
        Buckets { key, holders: BTreeMap::new() }
    }

    pub fn key(&self) -> &[u8; 16] {
        &self.key
    }

    /// The bucket of an address in `group` that `source` has told of.
    pub fn new_bucket(&self, group: &[u8], source: &[u8]) -> u16 {
        self.nth_of_source(source, short(&self.key, &[b"n", group, source]) % NEW_PER_SOURCE)
    }

    /// All buckets of the new table that a source can fill.
    pub fn of_source(&self, source: &[u8]) -> impl Iterator<Item = u16> {
        (0..NEW_PER_SOURCE).map(|nth| self.nth_of_source(source, nth))
    }

    fn nth_of_source(&self, source: &[u8], nth: u64) -> u16 {
        (short(&self.key, &[b"N", source, &nth.to_be_bytes()]) % NEW_BUCKETS as u64) as u16
    }

    /// The bucket of a tried address in `group`.
    pub fn tried_bucket(&self, group: &[u8], at: SocketAddr) -> u16 {
        let one = short(&self.key, &[b"t", &to_bytes(at)]) % TRIED_PER_GROUP;
        NEW_BUCKETS as u16 + (short(&self.key, &[b"T", group, &one.to_be_bytes()]) % TRIED_BUCKETS as u64) as u16
    }

    /// Where `at` could be seated in a bucket.
    pub fn seek(&self, bucket: u16, at: SocketAddr) -> Seat {
        let own = (short(&self.key, &[b"s", &bucket.to_be_bytes(), &to_bytes(at)]) % BUCKET as u64) as u16;
        let place = |slot: u16| bucket * BUCKET as u16 + slot % BUCKET as u16;
        let free = (own..own + BUCKET as u16).map(place).find(|place| !self.holders.contains_key(place));
        match (free, self.holders.get(&place(own))) {
            (Some(free), _) => Seat::Free(free),
            (None, Some(holder)) => Seat::Taken(place(own), *holder),
            (None, None) => Seat::Free(place(own)),
        }
    }

    /// True for one of so many addresses, the same each time: whoever repeats himself has no more luck.
    pub fn is_lucky(&self, at: SocketAddr, source: &[u8], one_of: u64) -> bool {
        short(&self.key, &[b"l", &to_bytes(at), source]).is_multiple_of(one_of)
    }

    pub fn put(&mut self, place: u16, at: SocketAddr) {
        self.holders.insert(place, at);
    }

    pub fn free(&mut self, place: u16) {
        self.holders.remove(&place);
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, SocketAddr)> {
        self.holders.iter().map(|(place, at)| (*place, *at))
    }
}

/// An address as the bytes that its places are drawn from.
pub fn to_bytes(at: SocketAddr) -> [u8; 18] {
    let ip = match at.ip() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&at.port().to_be_bytes());
    bytes
}
