//! The disk of a simulated host: a journal in memory of what was saved, and what can go wrong with it. It knows no clock: a slow disk only
//! says how slow it is, and `world.rs` ends the write when its time has come. It is the `Store` of its host; tests and stories break it.
//!
//! It keeps the promise of a journal, no more: a write is there as a whole or not at all; one that was not durable may be gone when the power
//! was, and with it all behind it; the last one may be torn, and is dropped when somebody reads.

use crate::base::rng::Rng;
use crate::pool::saved::{Change, Saved};
use crate::pool::saved_json::entry;
use crate::pool::store::{Store, StoreFault};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why a disk did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    #[error("no space is left on the disk")]
    Full,
    #[error("the disk failed at its call {0}")]
    Failed(u64),
    #[error("what the disk has cannot be read: it was put aside, and the disk is empty")]
    Damaged,
}

/// How a disk misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The call with this number fails, reads and writes counted together from 1.
    pub fails_at: Option<u64>,
    /// Rows that have room.
    pub rows_max: Option<usize>,
    /// Time that a write takes.
    pub delay: Duration,
}

#[derive(Clone, Debug)]
struct Entry<R> {
    rows: Vec<R>,
    is_durable: bool,
    /// It ends in the middle.
    is_torn: bool,
}

/// See the file's head. `R` is a row.
#[derive(Clone, Debug)]
pub struct Disk<R = Change> {
    journal: Vec<Entry<R>>,
    calls: u64,
    is_damaged: bool,
    pub faults: Faults,
}

impl<R> Default for Disk<R> {
    fn default() -> Disk<R> {
        Disk { journal: Vec::new(), calls: 0, is_damaged: false, faults: Faults::default() }
    }
}

impl<R> Disk<R> {
    /// An empty disk that misbehaves so.
    pub fn with(faults: Faults) -> Disk<R> {
        Disk { faults, ..Disk::default() }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    fn call(&mut self) -> Result<(), DiskError> {
        self.calls += 1;
        if self.faults.fails_at == Some(self.calls) { Err(DiskError::Failed(self.calls)) } else { Ok(()) }
    }

    /// Saves rows, all or none. A durable write outlives the power, and so does all before it.
    ///
    /// # Errors
    /// If none of them was saved. After `Damaged` nothing else is there, either.
    pub fn write(&mut self, rows: Vec<R>, is_durable: bool) -> Result<(), DiskError> {
        self.call()?;
        self.look()?;
        let used: usize = self.journal.iter().map(|entry| entry.rows.len()).sum();
        if self.faults.rows_max.is_some_and(|max| used + rows.len() > max) {
            return Err(DiskError::Full);
        }
        if is_durable {
            self.journal.iter_mut().for_each(|entry| entry.is_durable = true);
        }
        self.journal.push(Entry { rows, is_durable, is_torn: false });
        Ok(())
    }

    /// Everything that was saved, write by write.
    ///
    /// # Errors
    /// If it cannot be read. `Damaged` is told once: the next call finds an empty disk.
    pub fn read(&mut self) -> Result<impl Iterator<Item = &[R]>, DiskError> {
        self.call()?;
        self.look()?;
        Ok(self.journal.iter().map(|entry| &entry.rows[..]))
    }

    /// Who wrote dies in the middle of a write: some of its rows have reached the disk.
    pub fn tear(&mut self, mut rows: Vec<R>, rng: &mut Rng) {
        self.calls += 1;
        self.cut_torn();
        rows.truncate(rng.index(rows.len() + 1));
        self.journal.push(Entry { rows, is_durable: false, is_torn: true });
    }

    /// The power goes: a prefix stays, with at least what was durable; what follows it is torn, or gone.
    pub fn lose_power(&mut self, rng: &mut Rng) {
        let safe = self.journal.iter().rposition(|entry| entry.is_durable).map_or(0, |last| last + 1);
        let kept = safe + rng.index(self.journal.len() - safe + 1);
        let is_torn = kept < self.journal.len() && rng.percent(50);
        self.journal.truncate(kept + usize::from(is_torn));
        if let Some(torn) = self.journal.last_mut().filter(|_| is_torn) {
            torn.rows.truncate(rng.index(torn.rows.len() + 1));
            torn.is_torn = true;
        }
    }

    /// Bits of it turn: whoever reads or writes next finds it damaged.
    pub fn damage(&mut self) {
        self.is_damaged = true;
    }

    /// Who comes first after some damage is told of it; what is torn is dropped.
    fn look(&mut self) -> Result<(), DiskError> {
        if std::mem::take(&mut self.is_damaged) {
            self.journal.clear();
            return Err(DiskError::Damaged);
        }
        self.cut_torn();
        Ok(())
    }

    fn cut_torn(&mut self) {
        self.journal.retain(|entry| !entry.is_torn);
    }
}

impl Store for Disk {
    fn load(&mut self) -> Result<Saved, StoreFault> {
        let mut rows = BTreeMap::new();
        for change in self.read()?.flatten() {
            match entry(change) {
                (key, Some(_)) => rows.insert(key, change.clone()),
                (key, None) => rows.remove(&key),
            };
        }
        let mut saved = Saved::default();
        rows.into_values().for_each(|change| saved.take(change));
        Ok(saved)
    }

    fn save(&mut self, changes: &[Change], is_durable: bool) -> Result<(), StoreFault> {
        Ok(self.write(changes.to_vec(), is_durable)?)
    }
}

impl From<DiskError> for StoreFault {
    fn from(error: DiskError) -> StoreFault {
        match error {
            DiskError::Damaged => StoreFault::Damaged { aside: "set aside".into(), text: error.to_string() },
            DiskError::Full | DiskError::Failed(_) => StoreFault::Io(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(disk: &mut Disk<u32>) -> Vec<u32> {
        disk.read().expect("it can be read").flatten().copied().collect()
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_and_the_next_one_is_kept() {
        let mut disk = Disk::with(Faults { fails_at: Some(2), ..Faults::default() });
        assert_eq!(disk.write(vec![1, 2], true), Ok(()));
        assert_eq!(disk.write(vec![3], true), Err(DiskError::Failed(2)));
        assert_eq!(disk.write(vec![4], true), Ok(()));
        assert_eq!((rows(&mut disk), disk.calls()), (vec![1, 2, 4], 4));
    }

    #[test]
    fn a_full_disk_takes_nothing_until_there_is_room() {
        let mut disk = Disk::with(Faults { rows_max: Some(2), ..Faults::default() });
        assert_eq!(disk.write(vec![1], true), Ok(()));
        assert_eq!(disk.write(vec![2, 3], true), Err(DiskError::Full));
        disk.faults.rows_max = None;
        assert_eq!(disk.write(vec![2, 3], true), Ok(()));
        assert_eq!(rows(&mut disk), [1, 2, 3]);
    }

    #[test]
    fn a_torn_write_is_dropped_whole() {
        let mut rng = Rng::from_seed(1);
        for _ in 0..100 {
            let mut disk = Disk::default();
            assert_eq!(disk.write(vec![1], false), Ok(()));
            disk.tear(vec![2, 3], &mut rng);
            let mut read_later = disk.clone();
            assert_eq!(rows(&mut disk), [1]);
            assert_eq!(read_later.write(vec![4], false), Ok(()));
            assert_eq!(rows(&mut read_later), [1, 4], "a write behind it does not bring it back");
        }
    }

    #[test]
    fn without_power_a_prefix_stays_with_all_that_was_durable() {
        let mut rng = Rng::from_seed(1);
        let mut kept = [0; 5];
        for _ in 0..300 {
            let mut disk = Disk::default();
            for (row, is_durable) in [(0, false), (1, true), (2, false), (3, false)] {
                assert_eq!(disk.write(vec![row], is_durable), Ok(()));
            }
            disk.lose_power(&mut rng);
            let rows = rows(&mut disk);
            assert_eq!(rows, (0..rows.len() as u32).collect::<Vec<_>>());
            kept[rows.len()] += 1;
        }
        assert!(kept[..2] == [0, 0] && kept[2..].iter().all(|count| *count > 30), "{kept:?}");
    }

    #[test]
    fn damage_is_told_once_and_leaves_an_empty_disk() {
        let mut disk = Disk::default();
        assert_eq!(disk.write(vec![1], true), Ok(()));
        disk.damage();
        assert_eq!(disk.read().map(|_| ()), Err(DiskError::Damaged));
        assert!(rows(&mut disk).is_empty());
    }
}
