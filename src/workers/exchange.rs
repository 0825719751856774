//! Exchange: asks peers for addresses and answers them, by PEX (ReactorV2's rules) on channel 0x00; `workers/discovery.rs` does the same
//! for `PeerDiscover` on channel 0x01. What it learns goes into the pool; it never dials. What peers say comes
//! decoded (`workers/word.rs`).
//!
//! Who asks too often, answers unasked or sends what is no message is closed with the peer to blame.

use super::discovery::Discovery;
use super::machine::Machine;
use super::names::Heard;
use super::seeding::Serving;
use super::word::{Said, Word};
use crate::base::address::{Address, Scheme};
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::command::Command;
use crate::bus::outbox::{Answered, Done, Outbox};
use crate::pool::slots::{Purpose, Slot, Use};
use crate::pool::table::Pool;
use crate::wire::hello::{Capability, Hello};
use crate::wire::pex::{PexMessage, PexReceived};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const LOG: &str = "bowline::exchange";
/// Available peers that shorten the interval; more do not (ReactorV2).
const PEERS_COUNTED: u32 = 50;
/// The protocol allows requests on a link this far apart (ReactorV2 minReceiveRequestInterval). The operator's own interval may police less
/// strictly and ask more slowly, never the other way: or a setting that others do not know would make offenders of honest nodes.
const AGREED_INTERVAL: Duration = Duration::from_millis(100);
/// We keep this many times the allowed interval to one peer, because the network moves requests together (ReactorV2's margin).
const MARGIN: u32 = 2;
/// The store counts as full at this many percent.
const FULL_PERCENT: usize = 95;

/// What exchange is told.
#[derive(Debug)]
pub enum Input {
    /// By a peer, decoded.
    Said(Said),
    /// A name was resolved.
    Done(Done),
    /// By a caller: ask that peer for addresses now, or any; answered with the link that was asked.
    Ask { ticket: u64, link: Option<LinkId> },
    /// By a caller: ask that peer for those that it knows to be healthy; answered with them.
    Discover { ticket: u64, link: LinkId },
}

impl From<Said> for Input {
    fn from(said: Said) -> Input {
        Input::Said(said)
    }
}

/// What we have asked on a link.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    last: Time,
    /// Answers that may still come: one for each request that has none, however late.
    owed: u32,
    /// Requests since the last answer: once they are late, failures in a row.
    unanswered: u32,
}

/// The exchange worker's machine.
#[derive(Debug)]
pub struct Exchange {
    rng: Rng,
    /// Links that were asked, and what their peers owe.
    asked: BTreeMap<LinkId, Asked>,
    /// Open links that were never asked, oldest first, and the version of the places that they were last looked for at.
    unasked: Vec<LinkId>,
    seen: Option<u64>,
    next_ask: Time,
    last_ask: Option<Time>,
    /// Intervals between requests, in base intervals; 0 before the first.
    ratio: u64,
    /// Addresses received since the ratio was last computed, and how many of them were new.
    total: u64,
    new: u64,
    discovery: Discovery,
    heard: Heard,
    serving: Serving,
    deadline: Time,
    /// For lines about peers that break the rules.
    fault_lines: Throttle,
}

impl Exchange {
    pub fn new(rng: Rng) -> Exchange {
        Exchange {
            rng,
            asked: BTreeMap::new(),
            unasked: Vec::new(),
            seen: None,
            next_ask: Time::ZERO,
            last_ask: None,
            ratio: 0,
            total: 0,
            new: 0,
            discovery: Discovery::default(),
            heard: Heard::default(),
            serving: Serving::default(),
            deadline: Time::ZERO,
            fault_lines: Throttle::default(),
        }
    }

    /// Sees which links have come and gone; false if none has. It is called at each message, so it looks only when there is something to see.
    fn look(&mut self, pool: &Pool) -> bool {
        let version = Some(pool.slots().version());
        if self.seen == version {
            return false;
        }
        self.seen = version;
        self.asked.retain(|link, _| pool.slots().get(*link).is_some_and(Slot::is_link));
        let is_unasked = |slot: &&Slot| slot.is_open() && !self.asked.contains_key(&slot.link);
        self.unasked = pool.slots().iter().filter(is_unasked).map(|slot| slot.link).collect();
        true
    }

    /// Asks whoever is due to be asked: somebody when the interval is over, when maintenance wants it, or when a newcomer is up that may
    /// know more than our short book.
    fn ask_round(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        if !pool.policy().may_exchange() {
            self.deadline = Time::MAX;
            return;
        }
        let is_wanted = pool.take_wants_addresses();
        // Bounded by the links: each turn makes one peer unavailable.
        let mut is_first = true;
        loop {
            if let Some(link) = self.due_newcomer(now, pool) {
                let available = self.available(now, pool).len();
                self.ask(now, link, available, pool, out);
            } else if now >= self.next_ask || is_first && is_wanted {
                let available = self.available(now, pool);
                let Some(link) = available.get(self.rng.index(available.len())).copied() else {
                    self.next_ask = now + pool.policy().pex_idle_period;
                    break;
                };
                self.ask(now, link, available.len(), pool, out);
            } else {
                break;
            }
            is_first = false;
        }
        self.deadline = self.next_wake(now, pool);
    }

    /// Asks a peer, or any, on request. `None` if it may not be asked now.
    fn ask_now(&mut self, now: Time, wanted: Option<LinkId>, pool: &mut Pool, out: &mut Outbox) -> Option<LinkId> {
        if !pool.policy().may_exchange() {
            return None;
        }
        let available = self.available(now, pool);
        let any = available.get(self.rng.index(available.len())).copied();
        let may_ask = |link: &LinkId| pool.slots().get(*link).is_some_and(|slot| self.may_ask(now, slot, pool));
        let link = wanted.map_or(any, |link| Some(link).filter(may_ask))?;
        self.ask(now, link, available.len(), pool, out);
        Some(link)
    }

    /// Open links whose peer may be asked now: of these, those that have failed to answer least often since they last did. Who is silent
    /// is asked when nobody better is there, and keeps nobody from being asked.
    fn available(&self, now: Time, pool: &Pool) -> Vec<LinkId> {
        let failures = |slot: &Slot| self.asked.get(&slot.link).map_or(0, |asked| asked.unanswered);
        let may_be_asked = || pool.slots().iter().filter(|slot| self.may_ask(now, slot, pool));
        let least = may_be_asked().map(failures).min();
        may_be_asked().filter(|slot| Some(failures(slot)) == least).map(|slot| slot.link).collect()
    }

    fn may_ask(&self, now: Time, slot: &Slot, pool: &Pool) -> bool {
        self.asked_again_at(slot, pool).is_some_and(|at| at <= now)
    }

    /// When the peer of a link may be asked: after its pace, and one that owes an answer after our patience; `None` if it may not at all.
    fn asked_again_at(&self, slot: &Slot, pool: &Pool) -> Option<Time> {
        let hello = slot.hello.as_ref()?;
        if !slot.is_open() || hello.is_private {
            return None;
        }
        let owes = self.asked.get(&slot.link).filter(|asked| asked.owed > 0);
        let patient_until = owes.map_or(Time::ZERO, |asked| asked.last + pool.policy().pex_patience);
        let last = pool.known().get(&slot.peer?).and_then(|peer| peer.asked_by_us);
        let pace = pool.policy().pex_request_interval_min.max(AGREED_INTERVAL) * MARGIN;
        let paced_until = last.map_or(Time::ZERO, |last| last + pace);
        Some(paced_until.max(patient_until))
    }

    /// A link that was never asked: a seed's at once, another's as soon as the pace allows, while the book is short.
    fn due_newcomer(&self, now: Time, pool: &Pool) -> Option<LinkId> {
        let is_short = pool.points().len() < pool.policy().points_short;
        let pace = pool.policy().pex_request_interval_min;
        let is_any_due = is_short && self.last_ask.is_none_or(|last| now.since(last) >= pace);
        let is_due = |slot: &&Slot| (is_any_due || is_seed(slot, pool)) && self.may_ask(now, slot, pool);
        self.unasked.iter().filter_map(|link| pool.slots().get(*link)).find(is_due).map(|slot| slot.link)
    }

    fn ask(&mut self, now: Time, link: LinkId, available: usize, pool: &mut Pool, out: &mut Outbox) {
        let Some(slot) = pool.slots().get(link) else { return };
        let message = if is_legacy(slot, pool) { PexMessage::Request } else { PexMessage::RequestV2 };
        if let Some(peer) = slot.peer.and_then(|peer| pool.known_mut().get_mut(&peer)) {
            peer.asked_by_us = Some(now);
        }
        let asked = self.asked.entry(link).or_default();
        *asked = Asked { last: now, owed: asked.owed.saturating_add(1), unanswered: asked.unanswered.saturating_add(1) };
        self.unasked.retain(|other| *other != link);
        self.last_ask = Some(now);
        self.next_ask = now + self.interval(available.saturating_sub(1), pool);
        say(out, link, (ChannelId::PEX, Kind::Message, 0), message.encode());
    }

    /// The time until the next request, after one to somebody else than the `available` others: the more of what comes is known
    /// already, the longer, by the square.
    fn interval(&mut self, available: usize, pool: &Pool) -> Duration {
        let policy = pool.policy();
        if pool.points().len() * 100 >= policy.points_max * FULL_PERCENT {
            return policy.pex_period_max;
        }
        if self.total > 0 || self.ratio == 0 {
            let (total, new) = (u128::from(self.total) + 1, u128::from(self.new) + 1);
            self.ratio = u64::try_from(total * total / (new * new)).unwrap_or(u64::MAX).max(1);
            (self.total, self.new) = (0, 0);
        }
        let peers = u32::try_from(available).unwrap_or(PEERS_COUNTED).min(PEERS_COUNTED);
        let least = policy.pex_request_interval_min;
        let base = if peers == 0 { least } else { least * MARGIN / peers };
        let nanos = base.as_nanos().saturating_mul(u128::from(self.ratio));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(policy.pex_period_max)
    }

    fn next_wake(&self, now: Time, pool: &Pool) -> Time {
        let policy = pool.policy();
        let mut next = self.next_ask;
        // A newcomer waits for the pace of requests, or for its own if it was asked on an earlier link.
        let is_short = pool.points().len() < policy.points_short;
        let paced = self.last_ask.map_or(Time::ZERO, |last| last + policy.pex_request_interval_min);
        let newcomers = self.unasked.iter().filter_map(|link| pool.slots().get(*link));
        for slot in newcomers.filter(|slot| is_short || is_seed(slot, pool)) {
            let at = self.asked_again_at(slot, pool);
            next = at.map_or(next, |at| next.min(at.max(paced)));
        }
        next.max(now + Duration::from_millis(1))
    }

    /// A peer has said something on the node's own channels. Who breaks the rules is closed.
    fn hear(&mut self, now: Time, said: Said, pool: &mut Pool, out: &mut Outbox) {
        // What a link sent before it was closed may still come; nobody is there to be answered or blamed.
        if !pool.slots().get(said.link).is_some_and(Slot::is_link) {
            return;
        }
        let handled = match &said.word {
            Word::Pex(received) => self.pex(now, &said, received, pool, out),
            Word::Wrong(reason) => Err(*reason),
            Word::Question(_) | Word::Answer(_) | Word::Failure | Word::Cancel => {
                if matches!(said.word, Word::Question(_)) {
                    self.serving.note(now, said.link, Direction::Inbound, pool);
                }
                self.discovery.handle(now, said, &mut self.heard, pool, out);
                return self.wake(now, pool, out);
            }
        };
        if let Err(reason) = handled {
            let (link, peer) = (said.link, said.peer.short());
            pool.doom(now, link, reason);
            out.commands.push(Command::Close { link, reason });
            let line = self.fault_lines.line(now, || format!("{link} with {peer} closed: {reason}"));
            out.log.extend(line.map(|line| (log::Level::Info, LOG, line)));
        }
        self.wake(now, pool, out);
    }

    fn pex(
        &mut self,
        now: Time,
        said: &Said,
        received: &PexReceived,
        pool: &mut Pool,
        out: &mut Outbox,
    ) -> Result<(), CloseReason> {
        match &received.message {
            PexMessage::Request => self.answer(now, said, true, pool, out),
            PexMessage::RequestV2 => self.answer(now, said, false, pool, out),
            PexMessage::Response(addresses) => {
                self.learn(now, said.link, addresses.iter().map(|address| (address, &[][..])), pool, out)
            }
            PexMessage::ResponseV2(entries) => {
                let offers = entries.iter().map(|entry| (&entry.address, &entry.capabilities[..]));
                self.learn(now, said.link, offers, pool, out)
            }
        }
    }

    /// Answers by the type of the request. A private node, or one without PEX, stays silent; it polices all the same.
    fn answer(&mut self, now: Time, said: &Said, is_v1: bool, pool: &mut Pool, out: &mut Outbox) -> Result<(), CloseReason> {
        let interval_min = pool.policy().pex_request_interval_min.min(AGREED_INTERVAL);
        let is_admitted = pool.known_mut().admit_request(now, &said.peer, said.link, interval_min)?;
        if !is_admitted || !pool.policy().may_exchange() || !self.serving.admit(said.link, pool) {
            return Ok(());
        }
        self.serving.note(now, said.link, Direction::Inbound, pool);
        let entries = pool.whom_to_advertise(now, &said.peer, &mut self.rng);
        let answer = if is_v1 {
            PexMessage::Response(entries.into_iter().map(|entry| entry.address).collect())
        } else {
            PexMessage::ResponseV2(entries)
        };
        say(out, said.link, (ChannelId::PEX, Kind::Message, 0), answer.encode());
        Ok(())
    }

    /// Takes an answer that is owed. Of its addresses, of which the protocol allows 100, only so many are looked at as an answer of ours may
    /// have.
    fn learn<'a>(
        &mut self,
        now: Time,
        link: LinkId,
        offers: impl Iterator<Item = (&'a Address, &'a [Capability])>,
        pool: &mut Pool,
        out: &mut Outbox,
    ) -> Result<(), CloseReason> {
        let asked = self.asked.get_mut(&link).filter(|asked| asked.owed > 0).ok_or(CloseReason::PexUnsolicited)?;
        *asked = Asked { owed: asked.owed - 1, unanswered: 0, ..*asked };
        let Some((from, peer)) = pool.slots().get(link).map(|slot| (slot.remote, slot.peer)) else { return Ok(()) };
        // The next request keeps its distance from this moment: the peer took the last one before it answered, but perhaps long after
        // it was sent, and measures from there.
        if let Some(peer) = peer.and_then(|peer| pool.known_mut().get_mut(&peer)) {
            peer.asked_by_us = Some(now);
        }
        pool.note_use(now, link, Use::Messages);
        self.serving.note(now, link, Direction::Outbound, pool);
        let offers: Vec<_> = offers.take(pool.policy().pex_addresses_max).collect();
        if let Some(peer) = peer {
            offers.iter().for_each(|(address, _)| self.heard.add(now, address, (from, peer)));
        }
        self.total += offers.len() as u64;
        let new = pool.learn_all(now, offers.into_iter(), from, peer);
        self.new += new as u64;
        // What is known already may be news all the same: who has a wanted capability.
        out.nudge_maintenance |= new > 0 || pool.is_short_of_roles();
        Ok(())
    }
}

/// Peers that the operator configured to be asked, or that were dialed for it.
pub(super) fn is_seed(slot: &Slot, pool: &Pool) -> bool {
    slot.purpose == Some(Purpose::Crawl) || slot.point.and_then(|at| pool.points().get(at)).is_some_and(|point| point.is_seed)
}

/// A peer all of whose known addresses speak `mconn`, or that has none, is asked with v1. What we dialed speaks bowline, as does all that
/// the book knows.
fn is_legacy(slot: &Slot, pool: &Pool) -> bool {
    let speaks_bowline = |hello: &Hello| hello.listen.iter().any(|address| address.scheme == Scheme::Bowline);
    let is_known = || slot.peer.is_some_and(|peer| pool.points().of_peer(&peer).next().is_some());
    slot.point.is_none() && !slot.hello.as_deref().is_some_and(speaks_bowline) && !is_known()
}

/// Sends a message of the node itself: on a channel, of a kind, with a request id.
pub(super) fn say(out: &mut Outbox, link: LinkId, (channel, kind, request): (ChannelId, Kind, u32), body: Vec<u8>) {
    out.commands.push(Command::Say { link, channel, kind, request, body: Bytes::from(body) });
}

impl Machine for Exchange {
    type Input = Input;

    fn handle(&mut self, now: Time, input: Input, pool: &mut Pool, out: &mut Outbox) {
        match input {
            Input::Said(said) => self.hear(now, said, pool, out),
            Input::Done(Done::Resolved { ticket, addresses }) => {
                out.nudge_maintenance |= self.heard.resolved(now, ticket, &addresses, pool);
                self.wake(now, pool, out);
            }
            // Links are measured, and changes saved, for maintenance alone.
            Input::Done(Done::Measured(_) | Done::Saved { .. }) => {}
            Input::Ask { ticket, link } => {
                let asked = self.ask_now(now, link, pool, out);
                out.answers.push((ticket, Answered::Asked(asked)));
                self.wake(now, pool, out);
            }
            Input::Discover { ticket, link } => {
                self.discovery.order(ticket, link, out);
                self.wake(now, pool, out);
            }
        }
    }

    fn wake(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        let has_news = self.look(pool);
        self.ask_round(now, pool, out);
        let discovery = self.discovery.round(now, has_news, pool, out);
        if has_news {
            self.heard.greet(now, pool);
        }
        let names = self.heard.ask(now, pool, out);
        let serving = self.serving.round(now, pool, out);
        self.deadline = self.deadline.min(discovery).min(names).min(serving);
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.deadline)
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
