//! Known identities: what must outlive a link, above all who asked whom when. Bounded; a reconnect resets nothing.
//! The exchange worker polices requests with it, the pool notes who came and went.

use super::policy::Policy;
use crate::base::address::Address;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::{Capability, Hello};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is remembered of an identity that was authenticated once.
#[derive(Clone, Debug)]
pub struct Peer {
    pub first_seen: Time,
    pub last_seen: Time,
    /// Its last request that was accepted. One that was not moves nothing.
    asked_us: Option<Asked>,
    /// Our last request to this peer.
    pub asked_by_us: Option<Time>,
    /// What its selection of addresses is drawn with, and since when.
    pub selection: Option<Selection>,
    /// Its Hello said that it does not want to be advertised.
    pub is_private: bool,
    /// Links that are admitted or open.
    pub links: u32,
}

const _: () = assert!(size_of::<(PeerId, Peer)>() <= sizes::PEER);

/// A request of a peer that was accepted, and the last link on which one came: that, or one that came too early.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Time,
    link: LinkId,
}

/// A sticky draw: the same seed picks the same addresses as long as they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    pub seed: u64,
    pub since: Time,
}

/// All known identities.
#[derive(Debug, Default)]
pub struct Peers {
    peers: BTreeMap<PeerId, Peer>,
}

impl Peers {
    pub fn get(&self, peer: &PeerId) -> Option<&Peer> {
        self.peers.get(peer)
    }

    pub fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer)
    }

    pub fn len(&self) -> usize {
        self.peers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// A request of `peer` comes on a link: true if it is to be answered. On one link a peer asks only after it has our answer, so nothing
    /// can move two requests together: the second is its own doing. The first on another link may have been moved; it is left unanswered.
    ///
    /// # Errors
    /// `PexTooOften`.
    pub fn admit_request(&mut self, now: Time, peer: &PeerId, link: LinkId, interval_min: Duration) -> Result<bool, CloseReason> {
        let known = self.peers.get_mut(peer).ok_or(CloseReason::PexTooOften)?;
        match &mut known.asked_us {
            Some(last) if now.since(last.at) < interval_min && last.link == link => Err(CloseReason::PexTooOften),
            Some(last) if now.since(last.at) < interval_min => {
                last.link = link;
                Ok(false)
            }
            last => {
                *last = Some(Asked { at: now, link });
                Ok(true)
            }
        }
    }

    /// An authenticated link with `peer` is admitted. When the table is full, those longest unseen without a link go.
    pub(super) fn meet(&mut self, now: Time, peer: PeerId, hello: &Hello, policy: &Policy) {
        if !self.peers.contains_key(&peer) && self.peers.len() >= policy.peers_max {
            let absent = self.peers.iter().filter(|(_, known)| known.links == 0);
            let mut oldest: Vec<_> = absent.map(|(id, known)| (known.last_seen, *id)).collect();
            oldest.sort();
            for (_, id) in oldest.into_iter().take(policy.peers_max.div_ceil(32)) {
                self.peers.remove(&id);
            }
        }
        let known = self.peers.entry(peer).or_insert(Peer {
            first_seen: now,
            last_seen: now,
            asked_us: None,
            asked_by_us: None,
            selection: None,
            is_private: false,
            links: 0,
        });
        known.last_seen = now;
        known.is_private = hello.is_private;
        known.links += 1;
    }

    /// A link of `peer` that was admitted is gone.
    pub(super) fn part(&mut self, now: Time, peer: &PeerId) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.links = known.links.saturating_sub(1);
            known.last_seen = now;
        }
    }
}

/// An open link as users see it: a snapshot.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    pub link: LinkId,
    pub id: PeerId,
    pub remote: SocketAddr,
    pub direction: Direction,
    /// When the link opened.
    pub since: Time,
    /// What the peer said of itself.
    pub hello: Arc<Hello>,
    /// Where it can be dialed, as far as known.
    pub listen: Option<Address>,
    pub is_trusted: bool,
    pub is_persistent: bool,
    /// Its score when the snapshot was made: `Node::score` has it now, and with its causes.
    pub score: i32,
    /// What its score makes of its share of the bandwidth: so many times a stranger's.
    pub weight: u32,
}

impl PeerInfo {
    pub fn agent(&self) -> &str {
        &self.hello.agent
    }

    pub fn capabilities(&self) -> &[Capability] {
        &self.hello.capabilities
    }

    /// True if the peer takes messages on `channel`; the node's own channels every peer has.
    pub fn has_channel(&self, channel: ChannelId) -> bool {
        channel.is_own() || self.hello.channels.iter().any(|offer| offer.id == channel)
    }
}
