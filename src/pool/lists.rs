//! Who is kept out and who is let in whatever happens: the operator's bans and trust, and the automatic greylist.
//! An explicit ban beats trust, trust beats the greylist. In memory only; the node saves what must survive.

use crate::base::peer::PeerId;
use crate::base::point;
use crate::base::sizes;
use crate::base::subject::Subject;
use crate::base::time::Time;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Most entries of each of the operator's lists.
pub const ENTRIES_MAX: usize = 65_536;

/// Why a list was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    #[error("banned: lift the ban first, then trust")]
    Banned,
    #[error("the list is full: {ENTRIES_MAX} entries; remove some, or name a prefix instead of single addresses")]
    Full,
}

/// What the lists say of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Ordinary,
    Trusted,
    Banned,
    Greylisted,
}

/// One of the operator's lists: subjects and when they leave it (`None`: never).
#[derive(Debug, Default)]
struct Names {
    peers: BTreeMap<PeerId, Option<Time>>,
    nets: BTreeMap<IpNet, Option<Time>>,
    /// The prefix lengths in use: a lookup tries only these.
    lengths: BTreeSet<u8>,
}

impl Names {
    fn insert(&mut self, subject: Subject, until: Option<Time>) -> Result<(), ListError> {
        if self.peers.len() + self.nets.len() >= ENTRIES_MAX && !self.contains(&subject) {
            return Err(ListError::Full);
        }
        match subject {
            Subject::Peer(peer) => {
                self.peers.insert(peer, until);
            }
            Subject::Net(net) => {
                self.nets.insert(net.trunc(), until);
                self.lengths.insert(net.prefix_len());
            }
        }
        Ok(())
    }

    fn remove(&mut self, subject: &Subject) -> bool {
        match subject {
            Subject::Peer(peer) => self.peers.remove(peer).is_some(),
            Subject::Net(net) => self.nets.remove(&net.trunc()).is_some(),
        }
    }

    fn contains(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Peer(peer) => self.peers.contains_key(peer),
            Subject::Net(net) => self.nets.contains_key(&net.trunc()),
        }
    }

    fn names_peer(&self, now: Time, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|until| is_current(now, *until))
    }

    fn names_ip(&self, now: Time, ip: IpAddr) -> bool {
        let holds = |length: &u8| {
            let net = IpNet::new(ip, *length).ok()?.trunc();
            self.nets.get(&net).filter(|until| is_current(now, **until))
        };
        self.lengths.iter().any(|length| holds(length).is_some())
    }

    fn expire(&mut self, now: Time) {
        self.peers.retain(|_, until| is_current(now, *until));
        self.nets.retain(|_, until| is_current(now, *until));
        self.lengths = self.nets.keys().map(IpNet::prefix_len).collect();
    }

    fn iter(&self) -> impl Iterator<Item = (Subject, Option<Time>)> {
        let peers = self.peers.iter().map(|(peer, until)| (Subject::Peer(*peer), *until));
        peers.chain(self.nets.iter().map(|(net, until)| (Subject::Net(*net), *until)))
    }
}

fn is_current(now: Time, until: Option<Time>) -> bool {
    until.is_none_or(|until| now < until)
}

/// Whom the greylist judges: an authenticated identity, else the host of an accepted connection (IPv6 by /64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Culprit {
    Peer(PeerId),
    Host(IpAddr),
}

const _: () = assert!(size_of::<Culprit>() <= sizes::CULPRIT);

/// All lists of a node.
#[derive(Debug)]
pub struct Lists {
    banned: Names,
    trusted: Names,
    grey: BTreeMap<Culprit, Time>,
    /// The same entries by their end, so that the next to end is found at once.
    grey_ends: BTreeSet<(Time, Culprit)>,
    grey_max: usize,
}

impl Lists {
    /// Lists whose greylist holds at most `grey_max` entries; the one that ends first makes room.
    pub fn new(grey_max: usize) -> Lists {
        Lists {
            banned: Names::default(),
            trusted: Names::default(),
            grey: BTreeMap::new(),
            grey_ends: BTreeSet::new(),
            grey_max: grey_max.max(1),
        }
    }

    /// What holds for an address, an identity, or both: ban, then trust, then greylist.
    pub fn standing(&self, now: Time, ip: Option<IpAddr>, peer: Option<&PeerId>) -> Standing {
        let ip = ip.map(point::canonical);
        let named =
            |names: &Names| peer.is_some_and(|peer| names.names_peer(now, peer)) || ip.is_some_and(|ip| names.names_ip(now, ip));
        if named(&self.banned) {
            return Standing::Banned;
        }
        if named(&self.trusted) {
            return Standing::Trusted;
        }
        let is_grey = |culprit: Culprit| self.grey.get(&culprit).is_some_and(|until| now < *until);
        let peer_is_grey = peer.is_some_and(|peer| is_grey(Culprit::Peer(*peer)));
        if peer_is_grey || ip.is_some_and(|ip| is_grey(Culprit::Host(point::host(ip)))) {
            return Standing::Greylisted;
        }
        Standing::Ordinary
    }

    /// When the ban of an identity ends, if there is one; `Some(None)`: when it is lifted.
    pub fn ban_of(&self, now: Time, peer: &PeerId) -> Option<Option<Time>> {
        self.banned.peers.get(peer).copied().filter(|until| is_current(now, *until))
    }

    /// When the greylisting of an identity ends, if there is one.
    pub fn greylisting_of(&self, now: Time, peer: &PeerId) -> Option<Time> {
        self.grey.get(&Culprit::Peer(*peer)).copied().filter(|until| now < *until)
    }

    /// Bans, whatever else the lists say. Trust in the same subject ends.
    pub fn ban(&mut self, subject: Subject, until: Option<Time>) -> Result<(), ListError> {
        self.banned.insert(subject, until)?;
        self.trusted.remove(&subject);
        Ok(())
    }

    /// Trusts: greylist and shortage of places do not matter for it any more.
    ///
    /// # Errors
    /// `Banned` if the subject, or for an address a prefix around it, is banned.
    pub fn trust(&mut self, now: Time, subject: Subject, until: Option<Time>) -> Result<(), ListError> {
        let is_banned = match &subject {
            Subject::Peer(peer) => self.banned.names_peer(now, peer),
            Subject::Net(net) => self.banned.names_ip(now, net.addr()),
        };
        if is_banned {
            return Err(ListError::Banned);
        }
        self.trusted.insert(subject, until)
    }

    /// Lifts a ban; false if there was none.
    pub fn unban(&mut self, subject: &Subject) -> bool {
        self.banned.remove(subject)
    }

    /// Ends trust; false if there was none.
    pub fn untrust(&mut self, subject: &Subject) -> bool {
        self.trusted.remove(subject)
    }

    pub fn banned(&self) -> impl Iterator<Item = (Subject, Option<Time>)> {
        self.banned.iter()
    }

    pub fn trusted(&self) -> impl Iterator<Item = (Subject, Option<Time>)> {
        self.trusted.iter()
    }

    /// Puts somebody on the greylist, or keeps it there for longer.
    pub fn greylist(&mut self, culprit: Culprit, until: Time) {
        let culprit = match culprit {
            Culprit::Host(ip) => Culprit::Host(point::host(ip)),
            peer => peer,
        };
        if let Some(old) = self.grey.get(&culprit).copied() {
            self.grey_ends.remove(&(old, culprit));
        } else if self.grey.len() >= self.grey_max
            && let Some((_, first)) = self.grey_ends.pop_first()
        {
            self.grey.remove(&first);
        }
        self.grey.insert(culprit, until);
        self.grey_ends.insert((until, culprit));
    }

    pub fn greylisted(&self) -> impl Iterator<Item = (Culprit, Time)> {
        self.grey.iter().map(|(culprit, until)| (*culprit, *until))
    }

    pub fn greylisted_count(&self) -> usize {
        self.grey.len()
    }

    /// Empties the greylist and says how many were on it; bans stay.
    pub fn flush_greylist(&mut self) -> usize {
        self.grey_ends.clear();
        std::mem::take(&mut self.grey).len()
    }

    /// Takes one off the greylist; false if it was not on it.
    pub fn forgive(&mut self, culprit: &Culprit) -> bool {
        let until = self.grey.remove(culprit);
        until.is_some_and(|until| self.grey_ends.remove(&(until, *culprit)))
    }

    /// Drops whatever has ended.
    pub fn expire(&mut self, now: Time) {
        self.banned.expire(now);
        self.trusted.expire(now);
        while let Some((until, culprit)) = self.grey_ends.first().copied()
            && until <= now
        {
            self.grey_ends.pop_first();
            self.grey.remove(&culprit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Time = Time::ZERO;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn subject(text: &str) -> Subject {
        text.parse().expect("a subject")
    }

    fn after(seconds: u64) -> Time {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn a_ban_beats_trust_and_trust_beats_the_greylist() {
        let mut lists = Lists::new(100);
        let peer = PeerId::from_bytes([7; 32]);
        let standing = |lists: &Lists| lists.standing(NOW, Some(ip("192.0.2.9")), Some(&peer));
        assert_eq!(standing(&lists), Standing::Ordinary);
        lists.greylist(Culprit::Peer(peer), after(10));
        assert_eq!(standing(&lists), Standing::Greylisted);
        lists.trust(NOW, subject("192.0.2.0/24"), None).expect("not banned");
        assert_eq!(standing(&lists), Standing::Trusted);
        lists.ban(Subject::Peer(peer), None).expect("there is room");
        assert_eq!(standing(&lists), Standing::Banned);
        assert_eq!(lists.trust(NOW, Subject::Peer(peer), None), Err(ListError::Banned));
        assert!(lists.unban(&Subject::Peer(peer)) && !lists.unban(&Subject::Peer(peer)));
        assert_eq!(lists.trust(NOW, Subject::Peer(peer), None), Ok(()));
        lists.ban(Subject::Peer(peer), None).expect("there is room");
        lists.unban(&Subject::Peer(peer));
        assert!(!lists.untrust(&Subject::Peer(peer)), "the ban ended the trust");
    }

    #[test]
    fn an_address_within_a_banned_prefix_is_banned_and_cannot_be_trusted() {
        let mut lists = Lists::new(100);
        lists.ban(subject("198.51.100.77/24"), Some(after(60))).expect("there is room");
        lists.ban(subject("2001:db8::/32"), None).expect("there is room");
        for (text, standing) in [
            ("198.51.100.1", Standing::Banned),
            ("::ffff:198.51.100.1", Standing::Banned),
            ("198.51.101.1", Standing::Ordinary),
            ("2001:db8:ffff::1", Standing::Banned),
            ("2001:db9::1", Standing::Ordinary),
        ] {
            assert_eq!(lists.standing(NOW, Some(ip(text)), None), standing, "{text}");
        }
        assert_eq!(lists.trust(NOW, subject("198.51.100.3"), None), Err(ListError::Banned));
        assert_eq!(lists.standing(after(60), Some(ip("198.51.100.1")), None), Standing::Ordinary, "it has ended");
        lists.expire(after(60));
        assert_eq!(lists.banned().count(), 1);
    }

    #[test]
    fn the_greylist_is_bounded_and_forgets_what_ends_first() {
        let mut lists = Lists::new(16);
        for n in 0..100_u8 {
            lists.greylist(Culprit::Host(ip(&format!("192.0.2.{n}"))), after(1_000 - u64::from(n)));
            assert!(lists.greylisted_count() <= 16);
        }
        assert_eq!(lists.standing(NOW, Some(ip("192.0.2.99")), None), Standing::Greylisted);
        assert_eq!(lists.standing(NOW, Some(ip("192.0.2.50")), None), Standing::Ordinary);
        assert_eq!(lists.greylisted_count(), 16);
        lists.expire(after(902));
        assert!(lists.greylisted().all(|(_, until)| until > after(902)));
        assert!(lists.flush_greylist() > 0 && lists.greylisted_count() == 0);
        lists.expire(after(10_000));
    }

    #[test]
    fn ipv6_is_greylisted_by_64_bits() {
        let mut lists = Lists::new(16);
        lists.greylist(Culprit::Host(ip("2001:db8:1:2:3::4")), after(10));
        lists.greylist(Culprit::Host(ip("2001:db8:1:2:9::9")), after(20));
        assert_eq!(lists.greylisted_count(), 1);
        assert_eq!(lists.standing(after(15), Some(ip("2001:db8:1:2::")), None), Standing::Greylisted);
        assert_eq!(lists.standing(NOW, Some(ip("2001:db8:1:3::")), None), Standing::Ordinary);
        assert!(lists.forgive(&Culprit::Host(ip("2001:db8:1:2::"))));
        assert_eq!(lists.greylisted_count(), 0);
    }
}
