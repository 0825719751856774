//! Where rows outlive a restart: what a store can do, and how it fails. It knows no file; the node passes one or memory, the simulator one
//! that fails on purpose, an application its own.

use super::saved::{Change, Saved};
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
