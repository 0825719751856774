//! Which links are open: id to mailbox. Written by the reactor when a link opens or closes, and by whoever sees the
//! node fail; read by every sender.

use super::link::Link;
use super::outbox::Measure;
use super::requests::Requests;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use parking_lot::RwLock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Partings that are remembered: more than ever wait for welcome, which takes some microseconds for each.
const PARTED_MAX: usize = 1_024;

/// The open links of a node. The lock is held for a look-up or a copy only.
#[derive(Debug, Default)]
pub struct Roster {
    links: RwLock<BTreeMap<LinkId, Arc<Link>>>,
    /// The last that were removed: their Down is told, and their places may not have heard of it yet.
    parted: RwLock<VecDeque<LinkId>>,
    /// Requests of the node to itself: those that it asked and those that it owes are the same.
    pub own: Requests,
}

impl Roster {
    pub fn insert(&self, link: Arc<Link>) {
        self.links.write().insert(link.id, link);
    }

    pub fn remove(&self, id: LinkId) -> Option<Arc<Link>> {
        let removed = self.links.write().remove(&id)?;
        let mut parted = self.parted.write();
        if parted.len() == PARTED_MAX {
            parted.pop_front();
        }
        parted.push_back(id);
        Some(removed)
    }

    /// True if the link was open and was removed, for as long as the places may not know of it.
    pub fn has_parted(&self, id: LinkId) -> bool {
        self.parted.read().contains(&id)
    }

    pub fn find(&self, id: LinkId) -> Option<Arc<Link>> {
        self.links.read().get(&id).cloned()
    }

    pub fn find_peer(&self, peer: &PeerId) -> Option<Arc<Link>> {
        self.links.read().values().find(|link| link.peer == *peer).cloned()
    }

    /// All open links, oldest first.
    pub fn all(&self) -> Vec<Arc<Link>> {
        self.links.read().values().cloned().collect()
    }

    /// Their ids, oldest first.
    pub fn ids(&self) -> Vec<LinkId> {
        self.links.read().keys().copied().collect()
    }

    /// The open links whose peer has `channel`.
    pub fn having(&self, channel: ChannelId) -> Vec<Arc<Link>> {
        self.links.read().values().filter(|link| link.lane(channel).is_some()).cloned().collect()
    }

    /// What the counters of all open links say now.
    pub fn measures(&self) -> Vec<Measure> {
        let measure = |link: &Arc<Link>| {
            let rtt = Some(Duration::from_micros(link.counters.rtt_us.value())).filter(|rtt| !rtt.is_zero());
            Measure { link: link.id, rtt, messages_in: link.counters.messages_in.value() }
        };
        self.all().iter().map(measure).collect()
    }

    pub fn len(&self) -> usize {
        self.links.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.links.read().is_empty()
    }
}
