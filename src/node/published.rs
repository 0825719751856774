//! What readers see without waiting: who is connected, and which addresses are known to be healthy. Workers and calls make it under the
//! pool's lock and replace it whole; a reader takes what is there. It must never make a reader wait for a writer, nor a writer for a
//! reader, however long that one keeps what it has read.

use crate::base::address::Address;
use crate::base::time::Time;
use crate::bus::sync::Lock;
use crate::pool::peers::PeerInfo;
use crate::pool::table::Pool;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How it was at a moment.
#[derive(Clone, Default)]
pub struct Snapshot {
    version: u64,
    pub peers: Arc<[PeerInfo]>,
    pub healthy: Arc<[Address]>,
}

impl Snapshot {
    /// Nobody is connected, and nobody will be.
    pub fn last() -> Snapshot {
        Snapshot { version: u64::MAX, ..Snapshot::default() }
    }

    /// Rank of what is derived from it: what comes later is higher.
    pub fn version(&self) -> u64 {
        self.version
    }
}

/// The snapshot that readers see now.
#[derive(Default)]
pub struct Published {
    current: ArcSwap<Snapshot>,
    /// Snapshots made so far.
    made: AtomicU64,
    /// Held by a writer for a comparison and an exchange of pointers; readers never take it.
    turn: Lock<()>,
}

impl Published {
    /// The latest. Waits for nobody.
    pub fn read(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// How it is now. Only who holds the pool's lock has a pool to show: so versions follow what happened.
    pub fn make(&self, now: Time, pool: &Pool) -> Snapshot {
        let version = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        Snapshot { version, peers: pool.peers(now).into(), healthy: pool.healthy(now).into() }
    }

    /// Replaces what readers see, unless that is newer: two workers may come here in another order than under the pool's lock. Answers
    /// with what it has replaced.
    pub fn replace(&self, snapshot: Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        let _turn = self.turn.lock();
        (snapshot.version > self.current.load().version).then(|| self.current.swap(snapshot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(version: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot { version, ..Snapshot::default() })
    }

    #[test]
    fn neither_waits_for_the_other() {
        let published = Published::default();
        let held = published.read();
        // A writer comes through while a reader holds the first, and while that one's copy is kept.
        assert!(published.replace(made(1)).is_some());
        let kept = Arc::clone(&published.read());
        assert!(published.replace(made(2)).is_some());
        // A reader comes through while a writer is in the middle of its turn.
        let turn = published.turn.lock();
        assert_eq!(published.read().version, 2);
        drop(turn);
        assert_eq!((held.version, kept.version), (0, 1));
    }

    #[test]
    fn what_is_older_replaces_nothing() {
        let published = Published::default();
        assert!(published.replace(made(2)).is_some_and(|before| before.version == 0));
        assert!(published.replace(made(1)).is_none() && published.replace(made(2)).is_none());
        assert!(published.replace(Arc::new(Snapshot::last())).is_some());
        assert!(published.replace(made(3)).is_none(), "a worker that outlives a stop changes nothing");
    }
}
