//! A store in memory: for tests, for nodes that are rebuilt in one program, and as what each other store must be like. It outlives nodes, not
//! the program. Clones are the same store.

use crate::bus::sync::Lock;
use crate::pool::saved::{Change, Saved};
use crate::pool::saved_json::{entry, take};
use crate::pool::store::{Store, StoreFault};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the file's head.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Lock<BTreeMap<String, String>>>);

impl Store for MemoryStore {
    fn load(&mut self) -> Result<Saved, StoreFault> {
        let mut saved = Saved::default();
        for (key, row) in self.0.lock().iter() {
            take(&mut saved, key, row);
        }
        Ok(saved)
    }

    fn save(&mut self, changes: &[Change], _is_durable: bool) -> Result<(), StoreFault> {
        let mut rows = self.0.lock();
        for (key, row) in changes.iter().map(entry) {
            match row {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }
}
