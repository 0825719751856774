//! Where rows outlive a restart: what a store can do, and how it fails. It knows no file; the node passes one or memory, the simulator one
//! that fails on purpose, an application its own.

use super::saved::{Change, Saved};
use super::table::Pool;
use crate::base::limits::SAVE_ROWS_MAX;
use crate::base::time::Time;
use std::path::PathBuf;

/// Where a node's address book, peers, lists and scores outlive a restart. One thread uses it; it may block for its disk.
pub trait Store: Send {
    /// Everything that was saved. An empty store gives the default.
    ///
    /// # Errors
    /// If it cannot be read, or not by this version. After `Damaged` the store is empty and can be saved to.
    fn load(&mut self) -> Result<Saved, StoreFault>;

    /// Saves changes, all or none. When this returns, they outlive the program, and the machine if `is_durable`.
    ///
    /// # Errors
    /// If none of them was saved. After `Damaged` and `Lost` everything else that was saved is gone, too.
    fn save(&mut self, changes: &[Change], is_durable: bool) -> Result<(), StoreFault>;
}

/// Why a store could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    #[error("{0}")]
    Io(String),
    #[error("it is damaged, and was put aside as {}; nothing is left of address book, lists and scores: {text}", .aside.display())]
    Damaged { aside: PathBuf, text: String },
    #[error("what it had is gone: somebody has removed or emptied it")]
    Lost,
    #[error("it has schema {has}, this version knows {knows}: run the newer version, or name another file")]
    Newer { has: u32, knows: u32 },
}

/// What comes after a piece of a save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Another piece.
    More,
    /// What the store had is gone, for that reason: another piece, of all that is known.
    Anew(StoreFault),
    /// Everything was saved.
    Done,
    /// That was it, and why.
    Failed(String),
}

/// How saves follow one another, whoever has the store: the storekeeper's thread or a simulated host. Changes are saved in pieces, so that
/// none takes long; those that come meanwhile may wait for the next time. A store that turns out to be damaged, or to have lost what it had,
/// is empty then: everything is saved anew, once at once, and after that the next time.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// All that the store has taken outlives the machine.
    is_durable: bool,
    is_anew: bool,
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping { is_durable: true, is_anew: false }
    }
}

impl Keeping {
    /// A new save begins.
    pub fn begin(&mut self) {
        self.is_anew = false;
    }

    /// The next piece to save; none if the store has everything.
    pub fn piece(&self, now: Time, unix_seconds: u64, is_durable: bool, pool: &mut Pool) -> Option<Vec<Change>> {
        let changes = pool.take_changes(now, unix_seconds, SAVE_ROWS_MAX);
        let is_needed = !changes.is_empty() || is_durable && !self.is_durable;
        is_needed.then_some(changes)
    }

    /// What has become of a piece. What was not saved is kept for the next time.
    pub fn saved(&mut self, piece: &[Change], is_durable: bool, result: Result<(), StoreFault>, pool: &mut Pool) -> After {
        match result {
            Ok(()) => {
                self.is_durable = is_durable;
                if piece.len() < SAVE_ROWS_MAX { After::Done } else { After::More }
            }
            Err(fault) => {
                let is_emptied = matches!(fault, StoreFault::Damaged { .. } | StoreFault::Lost);
                if is_emptied {
                    pool.keep_all()
                } else {
                    pool.keep_changes(piece)
                }
                let is_first = is_emptied && !std::mem::replace(&mut self.is_anew, true);
                if is_first { After::Anew(fault) } else { After::Failed(fault.to_string()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lists::{By, Entry};
    use super::super::testbed::{Bench, policy};
    use super::*;
    use crate::base::subject::Subject;
    use std::collections::BTreeSet;

    const BANS: u16 = 5_000;

    /// Else a stop that finds everything saved would leave it where a power cut takes it.
    #[test]
    fn what_was_saved_without_haste_is_made_durable_once_somebody_asks_for_it() {
        let mut bench = Bench::new(policy());
        bench.pool.keep();
        let mut keeping = Keeping::default();
        assert_eq!(keeping.piece(bench.now, 1, true, &mut bench.pool), None, "there is nothing to save");
        bench.pool.ban(bench.now, Subject::host([9, 1, 1, 1].into()), None, "").expect("there is room");
        let piece = keeping.piece(bench.now, 1, false, &mut bench.pool).expect("a ban");
        assert_eq!(keeping.saved(&piece, false, Ok(()), &mut bench.pool), After::Done);
        assert_eq!(keeping.piece(bench.now, 1, false, &mut bench.pool), None, "nothing has changed");
        for result in [Err(StoreFault::Io(String::new())), Ok(())] {
            let piece = keeping.piece(bench.now, 1, true, &mut bench.pool).expect("it is not durable");
            assert_eq!(piece, []);
            keeping.saved(&piece, true, result, &mut bench.pool);
        }
        assert_eq!(keeping.piece(bench.now, 1, true, &mut bench.pool), None, "it is");
    }

    /// What was saved between the two losses is gone from the store, too.
    #[test]
    fn a_store_that_loses_what_it_has_twice_in_one_save_gets_all_of_it_the_next_time() {
        let mut bench = Bench::new(policy());
        bench.pool.keep();
        for number in 0..BANS {
            let [high, low] = number.to_be_bytes();
            let entry = Entry::new(bench.now, None, "", By::Operator);
            bench.pool.lists_mut().ban(Subject::host([9, 1, high, low].into()), entry).expect("there is room");
        }
        let (mut keeping, mut store, mut calls) = (Keeping::default(), BTreeSet::new(), 0);
        let mut save = |bench: &mut Bench| {
            keeping.begin();
            loop {
                let piece = keeping.piece(bench.now, 1, true, &mut bench.pool).expect("there is more");
                calls += 1;
                let result = if calls == 1 || calls == 3 { Err(StoreFault::Lost) } else { Ok(()) };
                match &result {
                    Ok(()) => store.extend(piece.iter().filter_map(|change| match change {
                        Change::List(entry) => Some(entry.subject),
                        _ => None,
                    })),
                    Err(_) => store.clear(),
                }
                let after = keeping.saved(&piece, true, result, &mut bench.pool);
                if matches!(after, After::Done | After::Failed(_)) {
                    return (after, store.len());
                }
            }
        };
        assert_eq!(save(&mut bench), (After::Failed(StoreFault::Lost.to_string()), 0));
        assert_eq!(save(&mut bench), (After::Done, BANS.into()));
    }
}
