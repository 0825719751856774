//! Addresses that may be given to others, kept in orders in which an answer is found without looking at the whole book: by chance and for a
//! peer always the same, latest first, and page by page. A list is as old as the book is long, so whoever takes an address from it asks the
//! book whether it still holds. Pure; `choose_share.rs` makes the lists and answers from them.

use super::peers::Selection;
use crate::base::address::Address;
use crate::base::sizes;
use crate::base::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// Lists are made anew no sooner than this for each known address: to look at one takes less than a hundredth of it.
const PER_POINT: Duration = Duration::from_micros(500);
/// Of so few addresses they are made for each answer.
const FEW: usize = 128;

/// When a list was made.
#[derive(Clone, Copy, Debug, Default)]
struct Made(Option<Time>);

impl Made {
    /// It is to be made anew for a book of so many addresses.
    fn is_stale(self, now: Time, points: usize) -> bool {
        let age = PER_POINT * u32::try_from(points).unwrap_or(u32::MAX);
        points <= FEW || self.0.is_none_or(|made| now.since(made) >= age)
    }
}

/// An address that may be shared.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub at: SocketAddr,
    pub proven_since: Time,
    /// It is to have the better chance.
    pub is_favoured: bool,
}

/// Addresses to share.
#[derive(Debug, Default)]
pub struct Shareable {
    /// What places on the circle are drawn with.
    key: Option<u64>,
    /// Each address by its place on a circle; twice if it is favoured. Who asks is given those that follow a place of his own.
    circle: Vec<(u64, SocketAddr)>,
    /// Since when each is proven, the latest first.
    latest: Vec<(Time, SocketAddr)>,
    made: Made,
}

const _: () =
    assert!(2 * size_of::<(u64, SocketAddr)>() + size_of::<(Time, SocketAddr)>() + size_of::<Row>() <= sizes::SHAREABLE);

impl Shareable {
    pub fn is_stale(&self, now: Time, points: usize) -> bool {
        self.made.is_stale(now, points)
    }

    /// Makes the lists anew. `key` is kept from the first time.
    pub fn make(&mut self, now: Time, rows: &[Row], key: u64) {
        let key = *self.key.get_or_insert(key);
        let one = rows.iter().map(|row| (place(key, row.at), row.at));
        let other = rows.iter().filter(|row| row.is_favoured).map(|row| (place(!key, row.at), row.at));
        self.circle = one.chain(other).collect();
        self.circle.sort_unstable();
        self.latest = rows.iter().map(|row| (row.proven_since, row.at)).collect();
        self.latest.sort_unstable_by(|one, other| other.cmp(one));
        self.made = Made(Some(now));
    }

    /// How many may be shared.
    pub fn len(&self) -> usize {
        self.latest.len()
    }

    pub fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }

    /// Those proven since the draw, the latest first.
    pub fn newcomers(&self, selection: Selection) -> impl Iterator<Item = SocketAddr> {
        self.latest.iter().take_while(move |(since, _)| *since >= selection.since).map(|(_, at)| *at)
    }

    /// All of them from the place of the draw on, once around; some come twice.
    pub fn circle(&self, selection: Selection) -> impl Iterator<Item = SocketAddr> {
        let begin = self.circle.partition_point(|(place, _)| *place < selection.seed);
        let (before, behind) = self.circle.split_at(begin);
        behind.iter().chain(before).map(|(_, at)| *at)
    }
}

/// The healthy addresses in their order, to be told page by page.
#[derive(Debug, Default)]
pub struct Healthy {
    /// Each with the version of the healthy set that it joined at.
    rows: Vec<(Address, u64)>,
    /// The version of the set that is told here.
    pub version: u64,
    made: Made,
}

impl Healthy {
    pub fn is_stale(&self, now: Time, points: usize) -> bool {
        self.made.is_stale(now, points)
    }

    pub fn make(&mut self, now: Time, mut rows: Vec<(Address, u64)>, version: u64) {
        rows.sort_unstable();
        *self = Healthy { rows, version, made: Made(Some(now)) };
    }

    /// Those behind an address that joined the set after a version of it.
    pub fn behind(&self, after: Option<&Address>, since: u64) -> impl Iterator<Item = &Address> {
        let begin = after.map_or(0, |after| self.rows.partition_point(|(address, _)| address <= after));
        self.rows[begin..].iter().filter(move |(_, joined)| *joined > since).map(|(address, _)| address)
    }
}

/// A number that looks random but is the same for the same key and address (splitmix64's mixing, part by part).
pub fn place(key: u64, at: SocketAddr) -> u64 {
    let mix = |state: u64, value: u64| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let bits = match at.ip() {
        std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    };
    let state = mix(mix(key, bits as u64), (bits >> 64) as u64);
    mix(state, u64::from(at.port()))
}
