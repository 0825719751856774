//! The door: who is turned away at the socket. Whoever changes the pool publishes it; the reactor reads it, and needs no pool for it. It
//! only spares work: welcome judges everybody who passes, by the lists themselves.

use super::sync::Lock;
use crate::base::shut::Shut;
use std::sync::Arc;

/// What the reactor knows of the lists.
#[derive(Debug, Default)]
pub struct Door(Lock<Arc<Shut>>);

impl Door {
    /// Shows `shut` from now on, unless what is shown is newer: two workers may come here in another order than they had the pool.
    pub fn publish(&self, shut: Shut) {
        let shut = Arc::new(shut);
        let mut shown = self.0.lock();
        if shut.version <= shown.version {
            return;
        }
        let old = std::mem::replace(&mut *shown, shut);
        drop(shown);
        // The last one to let go of many rows gives them back here, not under the lock.
        drop(old);
    }

    pub fn read(&self) -> Arc<Shut> {
        Arc::clone(&self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_one_never_replaces_a_newer_one() {
        let door = Door::default();
        for (version, shown) in [(2, 2), (1, 2), (3, 3)] {
            door.publish(Shut { version, ..Shut::default() });
            assert_eq!(door.read().version, shown);
        }
    }
}
