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
    #[error("it is damaged, and was put aside as {}; address book, lists and scores begin anew: {text}", .aside.display())]
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
/// is empty then: once, everything is saved anew.
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
            Err(fault @ (StoreFault::Damaged { .. } | StoreFault::Lost)) if !self.is_anew => {
                self.is_anew = true;
                pool.keep_all();
                After::Anew(fault)
            }
            Err(fault) => {
                pool.keep_changes(piece);
                After::Failed(fault.to_string())
            }
        }
    }
}
