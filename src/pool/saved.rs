//! What of the tables outlives a restart, as plain rows, and the changes that a store is told of. They hold no rule: `keeping.rs` makes
//! them and takes them back, `saved_json.rs` is their text. All moments are seconds since 1970.

use super::lists::By;
use super::points::{Proof, Source};
use super::score::Stage;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::text::shown_within;
use crate::wire::hello::Capability;
use std::net::SocketAddr;

/// Everything that was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// What places in the book are computed with.
    pub key: Option<[u8; 16]>,
    /// 0: not known.
    pub saved_at: u64,
    pub points: Vec<SavedPoint>,
    pub peers: Vec<SavedPeer>,
    pub lists: Vec<SavedList>,
    pub scores: Vec<SavedScore>,
    pub anchors: Vec<Anchor>,
    /// What could not be read, and is therefore missing above.
    pub unread: Unread,
}

/// Rows that could not be read. They stay where they are until something else is saved under their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    pub count: usize,
    /// The first of them: `row '<key>': <what is wrong with it>`.
    pub first: Vec<String>,
}

/// So many unread rows are told of one by one.
const UNREAD_TOLD: usize = 16;
/// The longest key: the name of a list and a peer id.
const KEY_SHOWN: usize = 80;

impl Unread {
    /// The row under that key cannot be read.
    pub fn note(&mut self, key: &str, text: &str) {
        self.count += 1;
        if self.first.len() < UNREAD_TOLD {
            self.first.push(format!("row '{}': {text}", shown_within(key, KEY_SHOWN)));
        }
    }
}

/// A known address as it is saved. That the operator configured it is not: that comes with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPoint {
    pub at: SocketAddr,
    pub peer: Option<PeerId>,
    pub capabilities: Vec<Capability>,
    pub is_own_word: bool,
    pub source: Source,
    pub proof: Proof,
    pub is_tried: bool,
    pub attempts: u32,
    pub reinstated: u8,
    pub bad_until: Option<u64>,
    pub last_heard: u64,
    pub last_dialed: Option<u64>,
    pub last_seen: Option<u64>,
    pub last_miss: Option<u64>,
    pub last_failure: Option<(u64, CloseReason)>,
    pub metadata: Box<[u8]>,
}

/// A known identity as it is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedPeer {
    pub id: PeerId,
    pub first_seen: u64,
    pub last_seen: u64,
    pub is_private: bool,
    /// The last failures, oldest first.
    pub failures: Vec<(u64, CloseReason)>,
    pub metadata: Box<[u8]>,
}

/// A list that somebody is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnList {
    Banned,
    Trusted,
    Greylisted,
}

/// An entry of a list as it is saved. A host of the greylist is its address, an IPv6 /64 its first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedList {
    pub list: OnList,
    pub subject: Subject,
    pub since: u64,
    /// When it leaves the list; `None`: when it is taken off.
    pub until: Option<u64>,
    pub why: Box<str>,
    pub by: By,
    /// Of the greylist: how often it has offended.
    pub offences: u32,
}

/// A score as it is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedScore {
    pub peer: PeerId,
    pub thousandths: i32,
    pub stage: Stage,
    /// The ban that it has led to was lifted: it is not to be repeated before the score has risen.
    pub is_lifted: bool,
    /// When it stood so: it fades from then on.
    pub at: u64,
}

/// A peer to dial first after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub at: SocketAddr,
    pub peer: PeerId,
}

/// One row that is to be saved, or is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Meta {
        key: [u8; 16],
        saved_at: u64,
    },
    Point(SavedPoint),
    NoPoint(SocketAddr),
    Peer(SavedPeer),
    NoPeer(PeerId),
    List(SavedList),
    NoList(OnList, Subject),
    Score(SavedScore),
    NoScore(PeerId),
    /// All anchors: those of before go.
    Anchors(Vec<Anchor>),
}

impl Change {
    /// The row is to go.
    pub fn is_gone(&self) -> bool {
        matches!(self, Change::NoPoint(_) | Change::NoPeer(_) | Change::NoList(..) | Change::NoScore(_))
    }
}

impl Saved {
    /// What is saved after a change, for rows that are read one by one: a row of the same key must not be there yet.
    pub fn take(&mut self, change: Change) {
        match change {
            Change::Meta { key, saved_at } => (self.key, self.saved_at) = (Some(key), saved_at),
            Change::Point(point) => self.points.push(point),
            Change::Peer(peer) => self.peers.push(peer),
            Change::List(entry) => self.lists.push(entry),
            Change::Score(score) => self.scores.push(score),
            Change::Anchors(anchors) => self.anchors = anchors,
            Change::NoPoint(_) | Change::NoPeer(_) | Change::NoList(..) | Change::NoScore(_) => {}
        }
    }
}
