//! Who is kept out and who is let in whatever happens: the operator's bans and trust, and the automatic greylist.
//! An explicit ban beats trust, trust beats the greylist. In memory only; the node saves what must survive.

use super::marks::Marks;
use super::policy::Policy;
use super::saved::{OnList, SavedList};
use crate::base::peer::PeerId;
use crate::base::point;
use crate::base::shut::{Nets, Shut};
use crate::base::sizes;
use crate::base::subject::Subject;
use crate::base::text::shown;
use crate::base::time::Time;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

/// Most entries of each of the operator's lists.
pub const ENTRIES_MAX: usize = 65_536;
/// An offence counts for the next one for so long after its time on the greylist is over: as long as the longest time there, by default.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Doublings that are told apart.
const OFFENCES_MAX: u32 = 32;

/// Why a list was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    #[error("banned: lift the ban first, then trust")]
    Banned,
    #[error("the list is full: {ENTRIES_MAX} entries; remove some, or name a prefix instead of single addresses")]
    Full,
    #[error("{0} is not on the list as such: name exactly what was put there")]
    NotListed(Subject),
}

/// What the lists say of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Ordinary,
    Trusted,
    Banned,
    Greylisted,
}

/// Who put an entry on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Operator,
    Score,
}

/// One entry of one of the operator's lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub since: Time,
    /// When it leaves the list; `None`: never by itself.
    pub until: Option<Time>,
    /// At most 64 characters, printable.
    pub why: Box<str>,
    pub by: By,
    /// The settings name it: it is not saved.
    pub(super) is_configured: bool,
}

const _: () =
    assert!(size_of::<(PeerId, Entry)>() <= sizes::ENTRY_OF_LIST && size_of::<(IpNet, Entry)>() <= sizes::ENTRY_OF_LIST);

impl Entry {
    /// An entry made now. `why` is escaped and cut.
    pub fn new(now: Time, until: Option<Time>, why: &str, by: By) -> Entry {
        Entry { since: now, until, why: shown(why).into(), by, is_configured: false }
    }

    fn is_current(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    fn end(&self) -> Time {
        self.until.unwrap_or(Time::MAX)
    }
}

/// One of the operator's lists, by canonical subjects.
#[derive(Debug, Default)]
struct Names {
    peers: BTreeMap<PeerId, Entry>,
    nets: BTreeMap<IpNet, Entry>,
    /// The prefix lengths in use: a lookup tries only these.
    lengths: BTreeSet<u8>,
}

impl Names {
    fn insert(&mut self, subject: Subject, entry: Entry) -> Result<(), ListError> {
        if self.is_full_for(&subject) {
            return Err(ListError::Full);
        }
        match subject {
            Subject::Peer(peer) => {
                self.peers.insert(peer, entry);
            }
            Subject::Net(net) => {
                self.nets.insert(net, entry);
                self.lengths.insert(net.prefix_len());
            }
        }
        Ok(())
    }

    fn is_full_for(&self, subject: &Subject) -> bool {
        self.peers.len() + self.nets.len() >= ENTRIES_MAX && self.get(subject).is_none()
    }

    fn remove(&mut self, subject: &Subject) -> bool {
        match subject {
            Subject::Peer(peer) => self.peers.remove(peer).is_some(),
            Subject::Net(net) => self.nets.remove(net).is_some(),
        }
    }

    fn names_peer(&self, now: Time, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|entry| entry.is_current(now))
    }

    fn names_ip(&self, now: Time, ip: IpAddr) -> bool {
        self.covers(now, IpNet::from(ip))
    }

    /// True if one entry holds all of `net`.
    fn covers(&self, now: Time, net: IpNet) -> bool {
        let holds = |length: &u8| {
            let around = IpNet::new(net.addr(), *length).ok()?.trunc();
            self.nets.get(&around).filter(|entry| entry.is_current(now))
        };
        self.lengths.range(..=net.prefix_len()).any(|length| holds(length).is_some())
    }

    /// Drops what has ended, and gives it.
    fn expire(&mut self, now: Time) -> Vec<Subject> {
        let ended: Vec<Subject> = self.iter().filter(|(_, entry)| !entry.is_current(now)).map(|(subject, _)| subject).collect();
        for subject in &ended {
            self.remove(subject);
        }
        self.lengths = self.nets.keys().map(IpNet::prefix_len).collect();
        ended
    }

    fn get(&self, subject: &Subject) -> Option<&Entry> {
        match subject {
            Subject::Peer(peer) => self.peers.get(peer),
            Subject::Net(net) => self.nets.get(net),
        }
    }

    fn len(&self) -> usize {
        self.peers.len() + self.nets.len()
    }

    fn iter(&self) -> impl Iterator<Item = (Subject, &Entry)> {
        self.behind(None)
    }

    /// Entries in their order, identities first: from the first on, or those behind that one.
    fn behind(&self, after: Option<Subject>) -> impl Iterator<Item = (Subject, &Entry)> {
        let (peer, net) = match after {
            None => (Some(Bound::Unbounded), Bound::Unbounded),
            Some(Subject::Peer(peer)) => (Some(Bound::Excluded(peer)), Bound::Unbounded),
            Some(Subject::Net(net)) => (None, Bound::Excluded(net)),
        };
        let peers = peer.into_iter().flat_map(|from| self.peers.range((from, Bound::Unbounded)));
        let nets = self.nets.range((net, Bound::Unbounded));
        peers.map(|(peer, entry)| (Subject::Peer(*peer), entry)).chain(nets.map(|(net, entry)| (Subject::Net(*net), entry)))
    }

    fn of_door(&self) -> Nets {
        self.nets.iter().map(|(net, entry)| (*net, entry.end())).collect()
    }
}

/// Whom the greylist judges: an authenticated identity, else the host of an accepted connection (IPv6 by /64).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Culprit {
    Peer(PeerId),
    Host(IpAddr),
}

const _: () = assert!(size_of::<Culprit>() <= sizes::CULPRIT);

impl Culprit {
    /// As a subject: a host by its address, an IPv6 /64 by its first one.
    pub fn subject(&self) -> Subject {
        match self {
            Culprit::Peer(peer) => Subject::Peer(*peer),
            Culprit::Host(ip) => Subject::host(*ip),
        }
    }

    /// Who has that subject; `None` for a prefix.
    pub fn of(subject: &Subject) -> Option<Culprit> {
        match subject {
            Subject::Peer(peer) => Some(Culprit::Peer(*peer)),
            Subject::Net(net) => (net.prefix_len() == net.max_prefix_len()).then(|| Culprit::Host(net.addr()).canonical()),
        }
    }

    fn canonical(self) -> Culprit {
        match self {
            Culprit::Host(ip) => Culprit::Host(point::host(ip)),
            peer => peer,
        }
    }
}

/// How long somebody is on the greylist, and after how many offences.
#[derive(Clone, Copy, Debug)]
struct Grey {
    until: Time,
    offences: u32,
}

/// All lists of a node.
#[derive(Debug)]
pub struct Lists {
    banned: Names,
    trusted: Names,
    /// Also those whose time is over, while it counts for the next one.
    grey: BTreeMap<Culprit, Grey>,
    /// The same entries by their end, so that the next to end is found at once.
    grey_ends: BTreeSet<(Time, Culprit)>,
    grey_max: usize,
    version: u64,
    grey_version: u64,
    /// Entries that are not as they were saved.
    pub(super) marks: Marks<(OnList, Subject)>,
    /// The operator's word has changed a list: that is saved at once.
    pub(super) is_urgent: bool,
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
            version: 0,
            grey_version: 0,
            marks: Marks::default(),
            is_urgent: false,
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
        let is_grey = |culprit: Culprit| self.grey.get(&culprit).is_some_and(|grey| now < grey.until);
        let peer_is_grey = peer.is_some_and(|peer| is_grey(Culprit::Peer(*peer)));
        if peer_is_grey || ip.is_some_and(|ip| is_grey(Culprit::Host(point::host(ip)))) {
            return Standing::Greylisted;
        }
        Standing::Ordinary
    }

    /// When the ban of an identity ends, if there is one; `Some(None)`: when it is lifted.
    pub fn ban_of(&self, now: Time, peer: &PeerId) -> Option<Option<Time>> {
        self.banned.peers.get(peer).filter(|entry| entry.is_current(now)).map(|entry| entry.until)
    }

    /// When the greylisting of an identity ends, if there is one.
    pub fn greylisting_of(&self, now: Time, peer: &PeerId) -> Option<Time> {
        self.grey.get(&Culprit::Peer(*peer)).map(|grey| grey.until).filter(|until| now < *until)
    }

    /// Bans, whatever else the lists say. Trust in the same subject ends. The operator's word stands above a score: a ban of his stays as it
    /// is unless the score's lasts longer, and where no place is free, the oldest ban for a score makes room for his.
    ///
    /// # Errors
    /// `Full`.
    pub fn ban(&mut self, subject: Subject, entry: Entry) -> Result<(), ListError> {
        let subject = subject.canonical();
        let is_said = |old: &Entry| old.by == By::Operator && old.end() >= entry.end();
        if entry.by == By::Score && self.banned.get(&subject).is_some_and(is_said) {
            return Ok(());
        }
        if entry.by == By::Operator && self.banned.is_full_for(&subject) {
            self.drop_score_ban();
        }
        self.banned.insert(subject, entry)?;
        self.note(OnList::Banned, &subject);
        self.untrust(&subject);
        Ok(())
    }

    fn drop_score_ban(&mut self) {
        let of_scores = self.banned.iter().filter(|(_, entry)| entry.by == By::Score);
        if let Some((oldest, _)) = of_scores.min_by_key(|(_, entry)| entry.since) {
            self.unban(&oldest);
        }
    }

    /// Trusts, by the operator's word: greylist and shortage of places do not matter for it any more.
    ///
    /// # Errors
    /// `Banned` if the subject, or a prefix around it, is banned; `Full`.
    pub fn trust(&mut self, now: Time, subject: Subject, until: Option<Time>) -> Result<(), ListError> {
        if matches!(subject.canonical(), Subject::Net(net) if self.banned.covers(now, net)) {
            return Err(ListError::Banned);
        }
        self.keep_trust(now, subject, Entry::new(now, until, "", By::Operator))
    }

    /// The same for somebody whom the settings name, whatever else ends. Trust without end that the operator has said on a running node
    /// stands.
    ///
    /// # Errors
    /// `Banned` if just this subject is banned; `Full`.
    pub fn trust_configured(&mut self, now: Time, subject: Subject) -> Result<(), ListError> {
        let subject = subject.canonical();
        if self.trusted.get(&subject).is_some_and(|entry| entry.until.is_none()) {
            return Ok(());
        }
        self.add_trust(now, subject, Entry { is_configured: true, ..Entry::new(now, None, "", By::Operator) })
    }

    /// The same with an entry as it was saved. A prefix around it may have been banned later than it was trusted: the ban beats it as long
    /// as it lasts. Trust for a time takes nothing from whom the settings name.
    ///
    /// # Errors
    /// As `trust_configured`.
    pub fn keep_trust(&mut self, now: Time, subject: Subject, entry: Entry) -> Result<(), ListError> {
        let subject = subject.canonical();
        if entry.until.is_some() && self.is_configured(&subject) {
            return Ok(());
        }
        self.add_trust(now, subject, entry)?;
        self.marks.note((OnList::Trusted, subject));
        self.is_urgent = true;
        Ok(())
    }

    fn add_trust(&mut self, now: Time, subject: Subject, entry: Entry) -> Result<(), ListError> {
        if self.banned.get(&subject).is_some_and(|entry| entry.is_current(now)) {
            return Err(ListError::Banned);
        }
        self.trusted.insert(subject, entry)?;
        self.tell_door(&subject);
        Ok(())
    }

    /// The settings name exactly that subject, and trust in it is theirs.
    pub(super) fn is_configured(&self, subject: &Subject) -> bool {
        self.trusted.get(&subject.canonical()).is_some_and(|entry| entry.is_configured)
    }

    /// True if one more entry finds a place on that list without anybody going for it.
    pub(super) fn has_room_for(&self, list: OnList, subject: &Subject) -> bool {
        match list {
            OnList::Banned => !self.banned.is_full_for(subject),
            OnList::Trusted => !self.trusted.is_full_for(subject),
            OnList::Greylisted => self.grey.len() < self.grey_max,
        }
    }

    /// Lifts a ban; false if there was none of exactly that subject.
    pub fn unban(&mut self, subject: &Subject) -> bool {
        let subject = subject.canonical();
        let was_there = self.banned.remove(&subject);
        if was_there {
            self.note(OnList::Banned, &subject);
        }
        was_there
    }

    /// Ends trust; false if there was none in exactly that subject.
    pub fn untrust(&mut self, subject: &Subject) -> bool {
        let subject = subject.canonical();
        let was_there = self.trusted.remove(&subject);
        if was_there {
            self.note(OnList::Trusted, &subject);
        }
        was_there
    }

    pub fn banned(&self) -> impl Iterator<Item = (Subject, &Entry)> {
        self.banned.iter()
    }

    /// Bans.
    pub fn banned_count(&self) -> usize {
        self.banned.len()
    }

    pub fn trusted(&self) -> impl Iterator<Item = (Subject, &Entry)> {
        self.trusted.iter()
    }

    /// Bans in their order: from the first on, or those behind that one.
    pub fn banned_behind(&self, after: Option<Subject>) -> impl Iterator<Item = (Subject, &Entry)> {
        self.banned.behind(after)
    }

    /// Trust in its order: from the first on, or that behind that one.
    pub fn trusted_behind(&self, after: Option<Subject>) -> impl Iterator<Item = (Subject, &Entry)> {
        self.trusted.behind(after)
    }

    /// True if somebody is trusted by his identity, wherever he comes from.
    pub fn trusts_identities(&self) -> bool {
        !self.trusted.peers.is_empty()
    }

    /// Puts somebody on the greylist and says when that ends. Each time within seven days of the end of the last lasts twice as long. Who
    /// is there already has not offended again for that: one deed may be found out twice, and links that were open before end later.
    pub fn greylist(&mut self, now: Time, culprit: Culprit, policy: &Policy) -> Time {
        let culprit = culprit.canonical();
        let (offences, until) = match self.grey.get(&culprit) {
            Some(grey) if now < grey.until => (grey.offences, grey.until),
            Some(grey) if now < grey.until + REMEMBERED => ((grey.offences + 1).min(OFFENCES_MAX), now),
            _ => (1, now),
        };
        let until = until.max(now + time_of(offences, policy));
        self.keep_grey(culprit, until, offences);
        until
    }

    /// Puts somebody on the greylist until then, as it was saved.
    pub fn keep_grey(&mut self, culprit: Culprit, until: Time, offences: u32) {
        let culprit = culprit.canonical();
        if let Some(old) = self.grey.get(&culprit) {
            self.grey_ends.remove(&(old.until, culprit));
        } else if self.grey.len() >= self.grey_max
            && let Some((_, first)) = self.grey_ends.pop_first()
        {
            self.grey.remove(&first);
            self.marks.note_gone((OnList::Greylisted, first.subject()));
        }
        self.marks.note((OnList::Greylisted, culprit.subject()));
        self.grey.insert(culprit, Grey { until, offences: offences.clamp(1, OFFENCES_MAX) });
        self.grey_ends.insert((until, culprit));
        self.grey_version += 1;
    }

    /// Who is or was on the greylist, until when, and how often. Those whose time is over are kept out no more, but remembered.
    pub fn greylisted(&self) -> impl Iterator<Item = (Culprit, Time, u32)> {
        self.greylisted_behind(None)
    }

    /// The same in order: from the first on, or those behind that one.
    pub fn greylisted_behind(&self, after: Option<Culprit>) -> impl Iterator<Item = (Culprit, Time, u32)> {
        self.grey_behind(after).map(|(culprit, grey)| (*culprit, grey.until, grey.offences))
    }

    fn grey_behind(&self, after: Option<Culprit>) -> impl Iterator<Item = (&Culprit, &Grey)> {
        self.grey.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
    }

    /// Entries of the greylist, those that are only remembered included.
    pub fn greylisted_count(&self) -> usize {
        self.grey.len()
    }

    /// Empties the greylist, forgets whatever was remembered there, and says how many entries that were; bans stay.
    pub fn flush_greylist(&mut self) -> usize {
        self.grey_ends.clear();
        self.grey_version += 1;
        let all = std::mem::take(&mut self.grey);
        all.keys().for_each(|culprit| self.marks.note_gone((OnList::Greylisted, culprit.subject())));
        all.len()
    }

    /// Takes one off the greylist and forgets its offences; false if there were none.
    pub fn forgive(&mut self, culprit: &Culprit) -> bool {
        let culprit = culprit.canonical();
        self.grey_version += 1;
        self.marks.note_gone((OnList::Greylisted, culprit.subject()));
        self.grey.remove(&culprit).is_some_and(|grey| self.grey_ends.remove(&(grey.until, culprit)))
    }

    /// Drops whatever has ended.
    pub fn expire(&mut self, now: Time) {
        let banned = self.banned.expire(now).into_iter().map(|subject| (OnList::Banned, subject));
        let trusted = self.trusted.expire(now).into_iter().map(|subject| (OnList::Trusted, subject));
        banned.chain(trusted).for_each(|key| self.marks.note_gone(key));
        while let Some((until, culprit)) = self.grey_ends.first().copied()
            && until + REMEMBERED <= now
        {
            self.grey_ends.pop_first();
            self.grey.remove(&culprit);
            self.marks.note_gone((OnList::Greylisted, culprit.subject()));
        }
    }

    /// There is a store: from now on it is noted what is to be saved.
    pub(super) fn begin_marks(&mut self) {
        self.marks.begin(2 * ENTRIES_MAX + self.grey_max);
    }

    /// An entry of the operator's lists has changed, or is gone: the store and the door hear of it at once.
    fn note(&mut self, list: OnList, subject: &Subject) {
        self.marks.note((list, *subject));
        self.is_urgent = true;
        self.tell_door(subject);
    }

    /// The door knows addresses alone.
    fn tell_door(&mut self, subject: &Subject) {
        self.version += u64::from(matches!(subject, Subject::Net(_)));
    }

    /// The entries behind that one, or all, in their order; also those of the greylist that are only remembered. Trust that the settings
    /// name is not among them: it comes with them, and goes with them.
    pub(super) fn keys(&self, after: Option<(OnList, Subject)>) -> impl Iterator<Item = (OnList, Subject)> {
        // Where each list begins; `None` for one that is over.
        let from = |list: OnList| match after {
            Some((last, subject)) if last == list => Some(Some(subject)),
            Some((last, _)) if last > list => None,
            _ => Some(None),
        };
        let banned = from(OnList::Banned).into_iter().flat_map(|after| self.banned.behind(after));
        let trusted = from(OnList::Trusted).into_iter().flat_map(|after| self.trusted.behind(after));
        let grey = from(OnList::Greylisted).into_iter();
        let grey = grey.flat_map(|after| self.grey_behind(after.and_then(|subject| Culprit::of(&subject))));
        banned
            .map(|(subject, _)| (OnList::Banned, subject))
            .chain(trusted.filter(|(_, entry)| !entry.is_configured).map(|(subject, _)| (OnList::Trusted, subject)))
            .chain(grey.map(|(culprit, _)| (OnList::Greylisted, culprit.subject())))
    }

    /// An entry as it is saved, if it is there and has not ended; `unix` tells moments. Of an entry of the greylist it is not known since when
    /// it is there.
    pub(super) fn row(&self, now: Time, list: OnList, subject: &Subject, unix: impl Fn(Time) -> u64) -> Option<SavedList> {
        let subject = subject.canonical();
        let entry = match list {
            OnList::Banned => self.banned.get(&subject)?,
            OnList::Trusted => self.trusted.get(&subject)?,
            OnList::Greylisted => {
                let Grey { until, offences } = *self.grey.get(&Culprit::of(&subject)?)?;
                let (since, until) = (unix(now), Some(unix(until)));
                return Some(SavedList { list, subject, since, until, why: Box::default(), by: By::Score, offences });
            }
        };
        let (since, until, why) = (unix(entry.since), entry.until.map(unix), entry.why.clone());
        entry.is_current(now).then_some(SavedList { list, subject, since, until, why, by: entry.by, offences: 0 })
    }

    /// Moves with each ban, each trust, and the end of either by hand: the door must know at once.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Moves with the greylist.
    pub fn grey_version(&self) -> u64 {
        self.grey_version
    }

    /// What the door has to know.
    pub fn shut(&self, now: Time) -> Shut {
        let host = |(culprit, grey): (&Culprit, &Grey)| match culprit {
            Culprit::Host(ip) if now < grey.until => Some((*ip, grey.until)),
            _ => None,
        };
        let mut greylisted: Vec<_> = self.grey.iter().filter_map(host).collect();
        greylisted.shrink_to_fit();
        let (banned, trusted) = (self.banned.of_door(), self.trusted.of_door());
        Shut { version: 0, banned, trusted, greylisted, is_trusted_only: false }
    }
}

/// How long so many offences keep somebody on the greylist.
pub(super) fn time_of(offences: u32, policy: &Policy) -> Duration {
    policy.greylist_timeout.saturating_mul(1 << (offences.clamp(1, OFFENCES_MAX) - 1)).min(policy.greylist_timeout_max)
}
