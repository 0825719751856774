//! What must be told of every send and request, and what is: the other half of `tests/storm.rs`. It knows nothing of how sends are
//! carried out, only what was accepted, what was told, and what arrived.

use bowline::base::channel::ChannelId;
use bowline::base::link_id::LinkId;
use bowline::base::time::Time;
use bowline::bus::event::{Message, Response, Sent};
use bowline::bus::fate::Fate;
use bowline::bus::requests::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What can become of a send or request, in the order of `Counts`.
const ENDS: [&str; 11] = [
    "accepted by the kernel",
    "expired",
    "cancelled",
    "displaced",
    "closed",
    "answered",
    "refused by the peer",
    "timed out",
    "taken back",
    "closed before an answer",
    "lost with their program",
];
const LOST: usize = 10;

/// How many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ends: [u64; ENDS.len()],
    /// Sends without a tag that were accepted: nothing may be told of them.
    pub untagged: u64,
    /// Calls that were refused, by why: no room, too many outcomes, something else.
    pub refused: [u64; 3],
    /// Messages that arrived, links that ended, programs that crashed.
    pub arrived: u64,
    pub downs: u64,
    pub crashes: u64,
    /// Answers that nobody waited for any more.
    pub unwanted: u64,
    tagged: u64,
}

impl Counts {
    /// Sends and requests that were accepted.
    pub fn accepted(&self) -> u64 {
        self.tagged + self.untagged
    }

    pub fn add(&mut self, other: &Counts) {
        self.ends.iter_mut().zip(other.ends).for_each(|(sum, count)| *sum += count);
        self.refused.iter_mut().zip(other.refused).for_each(|(sum, count)| *sum += count);
        self.untagged += other.untagged;
        self.tagged += other.tagged;
        self.arrived += other.arrived;
        self.downs += other.downs;
        self.crashes += other.crashes;
        self.unwanted += other.unwanted;
    }

    /// True if nothing that can happen is missing.
    pub fn has_all(&self) -> bool {
        let others = [self.untagged, self.arrived, self.downs, self.crashes, self.unwanted];
        self.ends.iter().chain(&self.refused).chain(&others).all(|count| *count > 0)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: u64 = self.ends[..LOST].iter().sum();
        writeln!(f, "{} accepted: {} with a tag, {told} of these told exactly once", self.accepted(), self.tagged)?;
        for (count, name) in self.ends.iter().zip(ENDS) {
            writeln!(f, "{count:>10} {name}")?;
        }
        let [full, news, other] = self.refused;
        writeln!(f, "{full:>10} not accepted: no room\n{news:>10} not accepted: too many outcomes wait")?;
        writeln!(f, "{other:>10} not accepted: link gone, or too many requests")?;
        writeln!(f, "{:>10} messages arrived, each once and in order", self.arrived)?;
        writeln!(f, "{:>10} answers that nobody waited for any more", self.unwanted)?;
        write!(f, "{:>10} ends of links heard of, {} crashes", self.downs, self.crashes)
    }
}

/// A send or request that was accepted.
#[derive(Debug)]
struct Said {
    host: usize,
    to: usize,
    link: LinkId,
    channel: ChannelId,
    /// For requests: their number.
    request: Option<u32>,
    is_tagged: bool,
    /// It must not expire or be late before.
    due: Time,
    /// What was told of it, as its place in `ENDS`.
    end: Option<usize>,
    /// The sender has asked to take it back.
    is_unwanted: bool,
    has_arrived: bool,
}

/// See the file's head. Sends have numbers, which are their tags and the first bytes of their bodies.
#[derive(Default)]
pub struct Oracle {
    said: Vec<Said>,
    pub counts: Counts,
    /// Ends of links that were told, by host and link.
    downs: BTreeSet<(usize, LinkId)>,
    /// The last message that arrived, by the receiver, its link and channel.
    last: BTreeMap<(usize, LinkId, ChannelId), u64>,
    crashed: BTreeSet<usize>,
    /// Sends and requests of which nothing was told yet, by host and link.
    open: BTreeMap<(usize, LinkId), u64>,
}

impl Oracle {
    /// The number of the next send.
    pub fn next(&self) -> u64 {
        self.said.len() as u64
    }

    /// A message was accepted. `due`: its time to live ends then.
    pub fn sent(&mut self, from: (usize, LinkId, ChannelId), to: usize, is_tagged: bool, due: Option<Time>) {
        let due = due.unwrap_or(Time::MAX);
        self.accept(from, to, None, is_tagged, due);
    }

    /// A request was accepted.
    pub fn asked(&mut self, from: (usize, LinkId, ChannelId), to: usize, number: u32, due: Time) {
        self.accept(from, to, Some(number), true, due);
    }

    fn accept(
        &mut self,
        (host, link, channel): (usize, LinkId, ChannelId),
        to: usize,
        request: Option<u32>,
        is_tagged: bool,
        due: Time,
    ) {
        if is_tagged {
            self.counts.tagged += 1;
            *self.open.entry((host, link)).or_default() += 1;
        } else {
            self.counts.untagged += 1;
        }
        let (end, is_unwanted, has_arrived) = (None, false, false);
        self.said.push(Said { host, to, link, channel, request, is_tagged, due, end, is_unwanted, has_arrived });
    }

    /// The sender takes it back: it may be `Cancelled` from now on.
    pub fn cancelled(&mut self, number: u64) {
        self.said[number as usize].is_unwanted = true;
    }

    /// True while nothing was told of it.
    pub fn is_open(&self, number: u64) -> bool {
        self.said[number as usize].end.is_none()
    }

    /// Takes down the one end of a send.
    fn end(&mut self, host: usize, number: u64, end: usize) -> &Said {
        let is_over = self.downs.contains(&(host, self.said[number as usize].link));
        let said = &mut self.said[number as usize];
        assert!(said.is_tagged, "{number}: {} was told of what has no tag: {said:?}", ENDS[end]);
        assert_eq!(said.host, host, "{number}: {} was told to another host", ENDS[end]);
        assert_eq!(said.end, None, "{number}: {} is told again: {said:?}", ENDS[end]);
        assert!(!is_over, "{number}: {} comes behind the Down of its link: {said:?}", ENDS[end]);
        said.end = Some(end);
        self.counts.ends[end] += 1;
        *self.open.entry((host, said.link)).or_default() -= 1;
        said
    }

    /// The sender hears of a message.
    pub fn told(&mut self, host: usize, now: Time, told: &Sent) {
        let end = match told.fate {
            Fate::Accepted => 0,
            Fate::Expired => 1,
            Fate::Cancelled => 2,
            Fate::Displaced => 3,
            Fate::Closed(_) => 4,
        };
        let said = self.end(host, told.tag, end);
        assert_eq!((said.link, said.request), (told.link, None), "{told:?}");
        match told.fate {
            Fate::Expired => assert!(said.due <= now, "{told:?} at {now}: {said:?}"),
            Fate::Cancelled => assert!(said.is_unwanted, "{told:?}: {said:?}"),
            Fate::Displaced => assert!(super::storm::gives_way(said.channel), "{told:?}: {said:?}"),
            Fate::Accepted | Fate::Closed(_) => return,
        }
        assert!(!said.has_arrived, "{told:?} and has arrived: {said:?}");
    }

    /// The asker hears of a request.
    pub fn completed(&mut self, host: usize, now: Time, response: &Response) {
        let end = match &response.outcome {
            Outcome::Answer(_) => 5,
            Outcome::Refused(_) => 6,
            Outcome::TimedOut => 7,
            Outcome::Cancelled => 8,
            Outcome::Closed(_) => 9,
        };
        let said = self.end(host, response.tag, end);
        assert_eq!(
            (said.link, said.channel, said.request),
            (response.link, response.channel, Some(response.request)),
            "{response:?}"
        );
        match &response.outcome {
            Outcome::Answer(body) => {
                assert!(said.has_arrived && body[..8] == response.tag.to_be_bytes(), "another's answer: {response:?}, {said:?}");
            }
            Outcome::Refused(refusal) => {
                assert!(said.has_arrived && u64::from(refusal.code) == response.tag, "{response:?}, {said:?}")
            }
            Outcome::TimedOut => assert!(said.due <= now, "{response:?} at {now}: {said:?}"),
            Outcome::Cancelled => assert!(said.is_unwanted, "{response:?}: {said:?}"),
            Outcome::Closed(_) => {}
        }
    }

    /// Something arrived: a message, or a request. Returns its number.
    pub fn arrived(&mut self, host: usize, message: &Message) -> u64 {
        let number = message.body.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).expect("every body begins with a number");
        let said = &mut self.said[number as usize];
        let is_kept = !matches!(said.end, Some(1..=3));
        assert!(is_kept, "{number} arrived although it was {}: {said:?}", said.end.map_or("", |end| ENDS[end]));
        assert_eq!((said.to, said.channel), (host, message.channel), "{number} arrived elsewhere");
        assert!(!std::mem::replace(&mut said.has_arrived, true), "{number} arrived again: {said:?}");
        let last = self.last.insert((host, message.link, message.channel), number);
        assert!(last.is_none_or(|last| last < number), "{number} arrived behind {last:?}");
        self.counts.arrived += 1;
        number
    }

    /// A link ended, and its host has heard of it.
    pub fn down(&mut self, host: usize, link: LinkId) {
        assert!(self.downs.insert((host, link)), "{host}: {link} ended twice");
        self.counts.downs += 1;
        let open = self.open.remove(&(host, link)).unwrap_or(0);
        assert_eq!(open, 0, "of so many nothing was told before the Down of their link, {link} of {host}");
    }

    /// The program of a host died: whoever asked is gone, too. Its links have other numbers from now on.
    pub fn crashed(&mut self, host: usize) {
        for said in self.said.iter_mut().filter(|said| said.host == host && said.is_tagged && said.end.is_none()) {
            said.end = Some(LOST);
            self.counts.ends[LOST] += 1;
        }
        self.counts.crashes += 1;
        self.crashed.insert(host);
        self.open.retain(|(of, _), _| *of != host);
        self.downs.retain(|(of, _)| *of != host);
        self.last.retain(|(of, ..), _| *of != host);
    }

    /// Everything is over: nothing is left to be told, and what was written to a link that did not end has arrived.
    pub fn end_all(&self) {
        for (number, said) in self.said.iter().enumerate() {
            assert!(!said.is_tagged || said.end.is_some(), "nothing was told of {number}: {said:?}");
            let may_be_lost = self.crashed.contains(&said.host)
                || self.crashed.contains(&said.to)
                || self.downs.contains(&(said.host, said.link));
            assert!(may_be_lost || said.end != Some(0) || said.has_arrived, "{number} was written and never arrived: {said:?}");
        }
        let told: u64 = self.counts.ends.iter().sum();
        assert_eq!(told, self.counts.tagged, "one end each");
    }
}
