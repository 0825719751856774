//! Known identities: what must outlive a link, above all who asked whom when. Bounded; a reconnect resets nothing.
//! The exchange worker polices requests with it, the pool notes who came and went.

use super::marks::Marks;
use super::policy::Policy;
use crate::base::address::Address;
use crate::base::channel::ChannelId;
use crate::base::limits::{FAILURES_MAX, METADATA_BYTES_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::{Blame, CloseReason};
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::{Capability, Hello};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::ops::Bound;
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
    /// When and why links and dials have failed lately, the latest last; at most `FAILURES_MAX`.
    pub failures: VecDeque<(Time, CloseReason)>,
    /// What the application has noted of it; at most `METADATA_BYTES_MAX` bytes.
    pub metadata: Box<[u8]>,
}

const _: () = assert!(size_of::<(PeerId, Peer)>() + FAILURES_MAX * size_of::<(Time, CloseReason)>() <= sizes::PEER);

/// A request of a peer that was accepted, and the last link on which one came: that, or one that came too early.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Time,
    link: LinkId,
}

impl Peer {
    pub(super) fn new(now: Time) -> Peer {
        Peer {
            first_seen: now,
            last_seen: now,
            asked_us: None,
            asked_by_us: None,
            selection: None,
            is_private: false,
            links: 0,
            failures: VecDeque::new(),
            metadata: Box::default(),
        }
    }
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
    privacy_changes: u64,
    /// Rows that are not as they were saved.
    pub(super) marks: Marks<PeerId>,
}

impl Peers {
    pub fn get(&self, peer: &PeerId) -> Option<&Peer> {
        self.peers.get(peer)
    }

    pub fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer)
    }

    /// Known identities in their order: from the first on, or those behind that one.
    pub fn behind(&self, after: Option<PeerId>) -> impl Iterator<Item = (&PeerId, &Peer)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.peers.range((from, Bound::Unbounded))
    }

    /// Moves when a peer wants to be private from now on, or no longer, or is forgotten with that wish.
    pub fn privacy_changes(&self) -> u64 {
        self.privacy_changes
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
                self.remove(&id);
            }
        }
        self.marks.note(peer);
        let known = self.peers.entry(peer).or_insert_with(|| Peer::new(now));
        known.last_seen = now;
        self.privacy_changes += u64::from(known.is_private != hello.is_private);
        known.is_private = hello.is_private;
        known.links += 1;
    }

    fn remove(&mut self, id: &PeerId) {
        let was_private = self.peers.remove(id).is_some_and(|known| known.is_private);
        self.privacy_changes += u64::from(was_private);
        self.marks.note_gone(*id);
    }

    /// A link or dial that had met `peer` has ended: what the network or the peer did to it is remembered, if the peer is known.
    pub(super) fn note_end(&mut self, now: Time, peer: &PeerId, reason: CloseReason, told: Option<CloseReason>) {
        let is_refusal = matches!(reason, CloseReason::Nacked | CloseReason::Rejected);
        let is_failure = is_refusal || matches!(reason.blame(), Blame::Peer | Blame::Net);
        let Some(known) = self.peers.get_mut(peer).filter(|_| is_failure) else { return };
        if known.failures.len() >= FAILURES_MAX {
            known.failures.pop_front();
        }
        known.failures.push_back((now, told.unwrap_or(reason)));
        self.marks.note(*peer);
    }

    /// Keeps a note of the application, instead of the last one. False if the peer is not known, or the note is too long.
    pub fn set_metadata(&mut self, peer: &PeerId, metadata: &[u8]) -> bool {
        let Some(known) = self.peers.get_mut(peer).filter(|_| metadata.len() <= METADATA_BYTES_MAX) else { return false };
        known.metadata = metadata.into();
        self.marks.note(*peer);
        true
    }

    /// Forgets who has had no link for so long, but those with a note and those that `is_kept` names.
    pub(super) fn expire(&mut self, now: Time, after: Duration, is_kept: impl Fn(&PeerId) -> bool) {
        let is_absent = |known: &Peer| known.links == 0 && known.metadata.is_empty() && now.since(known.last_seen) >= after;
        let is_over = |(id, known): &(&PeerId, &Peer)| is_absent(known) && !is_kept(id);
        let over: Vec<PeerId> = self.peers.iter().filter(is_over).map(|(id, _)| *id).collect();
        over.iter().for_each(|id| self.remove(id));
    }

    /// A link of `peer` that was admitted is gone.
    pub(super) fn part(&mut self, now: Time, peer: &PeerId) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.links = known.links.saturating_sub(1);
            known.last_seen = now;
            self.marks.note(*peer);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.peers.iter()
    }

    /// Takes back somebody who was saved, or comes from elsewhere: true if he is known now and was not before.
    pub(super) fn restore(&mut self, peer: PeerId, known: Peer, policy: &Policy) -> bool {
        let is_taken = !self.peers.contains_key(&peer) && self.peers.len() < policy.peers_max;
        if is_taken {
            self.privacy_changes += u64::from(known.is_private);
            self.peers.insert(peer, known);
            self.marks.note(peer);
        }
        is_taken
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

#[cfg(test)]
mod tests {
    use super::super::slots::Purpose;
    use super::super::testbed::{Bench, at, peer, policy};
    use super::*;

    const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

    #[test]
    fn an_identity_is_forgotten_after_a_month_unless_something_is_kept_of_it() {
        let mut bench = Bench::new(policy());
        let links: Vec<LinkId> = (1..=5).map(|number| bench.inbound(number)).collect();
        for link in &links[1..] {
            bench.close(*link, CloseReason::Goodbye);
        }
        assert!(bench.pool.known_mut().set_metadata(&peer(3), b"runs an archive"));
        bench.pool.persistent_peers.insert(peer(4));
        let left = |bench: &Bench| (1..=5).filter(|number| bench.pool.known().get(&peer(*number)).is_some()).collect::<Vec<u8>>();
        let almost = bench.now + MONTH - Duration::from_secs(1);
        bench.pool.expire_peers(almost);
        assert_eq!(left(&bench), [1, 2, 3, 4, 5]);
        bench.pool.report(almost, peer(5), -20, "slow");
        bench.pool.expire_peers(bench.now + MONTH);
        assert_eq!(left(&bench), [1, 3, 4, 5], "linked, noted, persistent, with a score");
    }

    #[test]
    fn a_link_is_known_from_its_admission_on() {
        let mut bench = Bench::new(policy());
        let link = bench.arrive(1).expect("may come");
        bench.pool.persistent_peers.insert(peer(1));
        assert!(bench.pool.peer(bench.now, link).is_none(), "nobody knows yet who it is");
        bench.introduce(link, 1);
        let later = bench.now + Duration::from_secs(1);
        assert!(bench.pool.peers(later).is_empty());
        let opening = bench.pool.peer(later, link).expect("it was admitted");
        assert!(opening.is_persistent && (opening.id, opening.since) == (peer(1), later));
        bench.pool.open(later, link);
        assert_eq!(bench.pool.peer(later + Duration::from_secs(1), link).map(|open| open.since), Some(later));
    }

    #[test]
    fn the_last_failures_of_an_identity_are_known_with_their_causes() {
        let mut bench = Bench::new(policy());
        let failures = |bench: &Bench| {
            let known = bench.pool.known().get(&peer(1)).expect("it was linked");
            known.failures.iter().map(|(_, reason)| *reason).collect::<Vec<_>>()
        };
        for reason in [CloseReason::Requested, CloseReason::Goodbye, CloseReason::Evicted] {
            let link = bench.inbound(1);
            bench.close(link, reason);
        }
        assert!(failures(&bench).is_empty(), "these are none");
        for reason in [CloseReason::PingTimeout, CloseReason::Reset, CloseReason::Truncated, CloseReason::WriteStalled] {
            let link = bench.inbound(1);
            bench.close(link, reason);
        }
        let link = bench.pool.claim_dial(bench.now, at(1), None, Purpose::Wanted).expect("may dial");
        bench.pool.recognise(bench.now, link, peer(1));
        let (reason, told) = (CloseReason::Nacked, Some(CloseReason::TooManyLinks));
        bench.pool.close(bench.now, link, reason, told, &[], &mut bench.rng);
        use CloseReason::{Reset, TooManyLinks, Truncated, WriteStalled};
        assert_eq!(failures(&bench), [Reset, Truncated, WriteStalled, TooManyLinks], "the last four, as they were told");
    }

    #[test]
    fn a_note_is_kept_of_known_identities_alone_and_is_bounded() {
        let mut bench = Bench::new(policy());
        bench.inbound(1);
        let known = bench.pool.known_mut();
        assert!(!known.set_metadata(&peer(2), b"x") && !known.set_metadata(&peer(1), &[7; METADATA_BYTES_MAX + 1]));
        assert!(known.set_metadata(&peer(1), &[7; METADATA_BYTES_MAX]) && known.set_metadata(&peer(1), b""));
        assert_eq!(known.get(&peer(1)).map(|peer| peer.metadata.len()), Some(0));
    }
}
