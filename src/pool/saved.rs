//! What of the tables outlives a restart, as plain rows. They hold no rule; `judge.rs` makes them and takes them back, the score file
//! writes and reads them.

use super::score::Stage;
use crate::base::peer::PeerId;
use std::net::SocketAddr;
use std::time::Duration;

/// A score as it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedScore {
    pub peer: PeerId,
    pub thousandths: i32,
    pub stage: Stage,
    /// How long the lists keep it out yet.
    pub left: Option<Left>,
}

/// How long somebody is kept out yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    For(Duration),
    Ever,
}

/// A peer to dial first after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub at: SocketAddr,
    pub peer: PeerId,
}
