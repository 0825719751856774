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
use std::time::Duration;

/// A list of healthy addresses is made anew after so long, though nothing has changed: who was not seen for long drops out with time.
const HEALTHY_FOR: Duration = Duration::from_secs(60);

/// How it was at a moment.
#[derive(Clone, Default)]
pub struct Snapshot {
    version: u64,
    pub peers: Arc<[PeerInfo]>,
    pub healthy: Arc<[Address]>,
    /// When the healthy ones were looked for, and what the pool's `healthy_changes` was then.
    looked: Option<(Time, u64)>,
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
        let last = self.current.load();
        let changes = pool.healthy_changes();
        let is_as_before = |(at, then): (Time, u64)| then == changes && now.since(at) < HEALTHY_FOR;
        // To look for them through all addresses takes long enough not to do it for each link that comes or goes.
        let (healthy, looked) = match last.looked.filter(|looked| is_as_before(*looked)) {
            Some(looked) => (Arc::clone(&last.healthy), looked),
            None => (pool.healthy(now).into(), (now, changes)),
        };
        Snapshot { version, peers: pool.peers(now).into(), healthy, looked: Some(looked) }
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
    use crate::base::link_id::LinkIds;
    use crate::base::peer::PeerId;
    use crate::base::reason::CloseReason;
    use crate::base::rng::Rng;
    use crate::pool::policy::Policy;
    use crate::pool::slots::Purpose;
    use crate::settings::table::Settings;
    use std::net::SocketAddr;

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

    #[test]
    fn healthy_addresses_are_looked_for_again_only_when_they_may_have_changed() {
        let settings = Settings { discovery_bootstrap: true, network_allow_private: true, ..Settings::new("test") };
        let policy = Policy::from(&settings.check().expect("valid settings"));
        let mut pool = Pool::new(PeerId::from_bytes([9; 32]), policy, LinkIds::default());
        let published = Published::default();
        let publish = |now: Time, pool: &Pool| {
            published.replace(Arc::new(published.make(now, pool)));
            Arc::clone(&published.read().healthy)
        };
        let empty = publish(Time::ZERO, &pool);
        let at = SocketAddr::from(([10, 0, 0, 1], 9_000));
        let link = pool.claim_dial(Time::ZERO, at, None, Purpose::Wanted).expect("may dial");
        assert!(Arc::ptr_eq(&empty, &publish(Time::ZERO, &pool)), "nothing is proven");
        pool.recognise(Time::ZERO, link, PeerId::from_bytes([1; 32]));
        let one = publish(Time::ZERO, &pool);
        assert_eq!(one[..], [Address::of(at, Some(PeerId::from_bytes([1; 32])))]);
        let almost = Time::ZERO + HEALTHY_FOR - Duration::from_nanos(1);
        assert!(Arc::ptr_eq(&one, &publish(almost, &pool)), "the same list serves again");
        let again = publish(Time::ZERO + HEALTHY_FOR, &pool);
        assert!(!Arc::ptr_eq(&one, &again) && again == one, "time may have changed it");
        pool.close(Time::ZERO, link, CloseReason::Goodbye, None, &[], &mut Rng::from_seed(1));
        pool.forget_point(at);
        assert!(publish(Time::ZERO + HEALTHY_FOR, &pool).is_empty());
    }
}
