//! The name of one link (one connection of a peer) within a node. Never reused, so a stale one is simply not found.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One link of a node, unique for the life of the node. 0 names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl LinkId {
    pub const NONE: LinkId = LinkId(0);
    /// The node itself, as it is named by what is sent to it from within. Counting never gets there; and it is not the number with all
    /// bits set, which in C often means that there is none.
    pub const LOCAL: LinkId = LinkId(1 << 63);

    pub const fn from_u64(value: u64) -> LinkId {
        LinkId(value)
    }

    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == LinkId::LOCAL { f.write_str("the node itself") } else { write!(f, "link {}", self.0) }
    }
}

/// Hands out link ids: the pool takes them for dials, the reactor for arrivals.
#[derive(Clone, Debug, Default)]
pub struct LinkIds(Arc<AtomicU64>);

impl LinkIds {
    /// The next id; 2^64 of them never run out.
    pub fn next(&self) -> LinkId {
        LinkId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
