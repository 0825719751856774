//! Exchange: asks peers for addresses and answers them, by PEX (ReactorV2's rules) on channel 0x00; `workers/discovery.rs` does the same
//! for `PeerDiscover` on channel 0x01. What it learns goes into the pool; it never dials. What peers say comes
//! decoded (`workers/word.rs`).
//!
//! Who asks too often, answers unasked or sends what is no message is closed with the peer to blame.

use super::discovery::Discovery;
use super::machine::Machine;
use super::word::{Said, Word};
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::Outbox;
use crate::pool::slots::Slot;
use crate::pool::table::Pool;
use crate::wire::pex::{PexMessage, PexReceived};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const LOG: &str = "bowline::exchange";
/// Available peers that shorten the interval; more do not (ReactorV2).
const PEERS_COUNTED: u32 = 50;
/// We keep this many times the allowed interval to one peer, because the network moves requests together (ReactorV2's margin).
const MARGIN: u32 = 2;
/// A peer that left so many requests unanswered on one link is not asked again on it.
const UNANSWERED_MAX: u32 = 3;
/// The store counts as full at this many percent.
const FULL_PERCENT: usize = 95;

/// What is under way with one link.
#[derive(Debug, Default)]
struct Ask {
    /// Answers that may still come: late ones are no fault.
    owed: u32,
    /// The request that is waited for, since then.
    waiting_since: Option<Time>,
    unanswered: u32,
}

/// The exchange worker's machine.
#[derive(Debug)]
pub struct Exchange {
    rng: Rng,
    asks: BTreeMap<LinkId, Ask>,
    next_ask: Time,
    last_ask: Option<Time>,
    /// Intervals between requests, in base intervals; 0 before the first.
    ratio: u64,
    /// Addresses received since the ratio was last computed, and how many of them were new.
    total: u64,
    new: u64,
    discovery: Discovery,
    deadline: Time,
    fault_lines: Throttle,
}

impl Exchange {
    pub fn new(rng: Rng) -> Exchange {
        Exchange {
            rng,
            asks: BTreeMap::new(),
            next_ask: Time::ZERO,
            last_ask: None,
            ratio: 0,
            total: 0,
            new: 0,
            discovery: Discovery::default(),
            deadline: Time::ZERO,
            fault_lines: Throttle::default(),
        }
    }

    /// Asks whoever is due to be asked. In order: what is gone or unanswered is tidied up; somebody is asked when the interval is
    /// over, when maintenance wants it, or when a newcomer is up that may know more than our short book.
    fn ask_round(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        self.tidy(now, pool);
        if !pool.policy().pex_enabled || pool.policy().is_private {
            self.deadline = Time::MAX;
            return;
        }
        let is_wanted = pool.take_wants_addresses();
        // Bounded by the links: each turn makes one peer unavailable.
        let mut is_first = true;
        loop {
            let available = self.available(now, pool);
            let fresh = available.iter().copied().find(|link| self.is_due_newcomer(now, *link, pool));
            if let Some(link) = fresh {
                self.ask(now, link, available.len(), pool, out);
            } else if now >= self.next_ask || is_first && is_wanted {
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

    /// Open links whose peer may be asked now.
    fn available(&self, now: Time, pool: &Pool) -> Vec<LinkId> {
        let may_ask = |slot: &&Slot| self.asked_again_at(slot, pool).is_some_and(|at| at <= now);
        pool.slots().iter().filter(may_ask).map(|slot| slot.link).collect()
    }

    /// When the peer of a link may be asked; `None` while it may not at all.
    fn asked_again_at(&self, slot: &Slot, pool: &Pool) -> Option<Time> {
        let hello = slot.hello.as_ref()?;
        let ask = self.asks.get(&slot.link);
        let is_busy = ask.is_some_and(|ask| ask.waiting_since.is_some() || ask.unanswered >= UNANSWERED_MAX);
        if !slot.is_open() || is_busy || hello.is_private {
            return None;
        }
        let last = pool.known().get(&slot.peer?).and_then(|peer| peer.asked_by_us);
        Some(last.map_or(Time::ZERO, |last| last + pool.policy().pex_request_interval_min * MARGIN))
    }

    /// A link that was never asked: a seed's at once, another's as soon as the pace allows, while the book is short.
    fn is_due_newcomer(&self, now: Time, link: LinkId, pool: &Pool) -> bool {
        if self.asks.contains_key(&link) {
            return false;
        }
        let is_seed = pool.slots().get(link).is_some_and(|slot| is_seed(slot, pool));
        let is_short = pool.points().len() < pool.policy().points_short;
        let pace = pool.policy().pex_request_interval_min;
        is_seed || is_short && self.last_ask.is_none_or(|last| now.since(last) >= pace)
    }

    fn ask(&mut self, now: Time, link: LinkId, available: usize, pool: &mut Pool, out: &mut Outbox) {
        let Some(slot) = pool.slots().get(link) else { return };
        let message = if is_legacy(slot) { PexMessage::Request } else { PexMessage::RequestV2 };
        if let Some(peer) = slot.peer.and_then(|peer| pool.known_mut().get_mut(&peer)) {
            peer.asked_by_us = Some(now);
        }
        let ask = self.asks.entry(link).or_default();
        ask.owed += 1;
        ask.waiting_since = Some(now);
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

    /// Forgets links that are gone; a peer that did not answer in time is available again.
    fn tidy(&mut self, now: Time, pool: &Pool) {
        let timeout = pool.policy().pex_request_timeout;
        self.asks.retain(|link, _| pool.slots().get(*link).is_some_and(Slot::is_link));
        for ask in self.asks.values_mut() {
            if ask.waiting_since.is_some_and(|since| now.since(since) >= timeout) {
                ask.waiting_since = None;
                ask.unanswered += 1;
            }
        }
    }

    fn next_wake(&self, now: Time, pool: &Pool) -> Time {
        let policy = pool.policy();
        let mut next = self.next_ask;
        for ask in self.asks.values() {
            next = ask.waiting_since.map_or(next, |since| next.min(since + policy.pex_request_timeout));
        }
        // A newcomer waits for the pace of requests, or for its own if it was asked on an earlier link.
        let is_short = pool.points().len() < policy.points_short;
        let is_new = |slot: &&Slot| !self.asks.contains_key(&slot.link) && (is_short || is_seed(slot, pool));
        let paced = self.last_ask.map_or(Time::ZERO, |last| last + policy.pex_request_interval_min);
        for slot in pool.slots().iter().filter(is_new) {
            let at = self.asked_again_at(slot, pool);
            next = at.map_or(next, |at| next.min(at.max(paced)));
        }
        next.max(now + Duration::from_millis(1))
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
                let count = addresses.len();
                self.learn(now, said.link, count, addresses.iter().map(|address| (address, &[][..])), pool, out)
            }
            PexMessage::ResponseV2(entries) => {
                let count = entries.len();
                let offers = entries.iter().map(|entry| (&entry.address, &entry.capabilities[..]));
                self.learn(now, said.link, count, offers, pool, out)
            }
        }
    }

    /// Answers by the type of the request. A private node, or one without PEX, stays silent; it polices all the same.
    fn answer(&mut self, now: Time, said: &Said, is_v1: bool, pool: &mut Pool, out: &mut Outbox) -> Result<(), CloseReason> {
        let interval_min = pool.policy().pex_request_interval_min;
        if !pool.known_mut().admit_request(now, &said.peer, interval_min) {
            return Err(CloseReason::PexTooOften);
        }
        if !pool.policy().pex_enabled || pool.policy().is_private {
            return Ok(());
        }
        let entries = pool.whom_to_advertise(now, &said.peer, &mut self.rng);
        let answer = if is_v1 {
            PexMessage::Response(entries.into_iter().map(|entry| entry.address).collect())
        } else {
            PexMessage::ResponseV2(entries)
        };
        say(out, said.link, (ChannelId::PEX, Kind::Message, 0), answer.encode());
        Ok(())
    }

    fn learn<'a>(
        &mut self,
        now: Time,
        link: LinkId,
        count: usize,
        offers: impl Iterator<Item = (&'a crate::base::address::Address, &'a [crate::wire::hello::Capability])>,
        pool: &mut Pool,
        out: &mut Outbox,
    ) -> Result<(), CloseReason> {
        let ask = self.asks.get_mut(&link).filter(|ask| ask.owed > 0).ok_or(CloseReason::PexUnsolicited)?;
        ask.owed -= 1;
        ask.unanswered = 0;
        ask.waiting_since = None;
        if count > pool.policy().pex_addresses_max {
            return Err(CloseReason::PexTooMany);
        }
        let Some(from) = pool.slots().get(link).map(|slot| slot.remote) else { return Ok(()) };
        let new = pool.learn_all(now, offers, from);
        self.total += count as u64;
        self.new += new as u64;
        out.nudge_maintenance |= new > 0;
        Ok(())
    }
}

/// Peers that the operator configured to be asked.
pub(super) fn is_seed(slot: &Slot, pool: &Pool) -> bool {
    slot.point.and_then(|at| pool.points().get(at)).is_some_and(|point| point.is_seed)
}

/// A peer all of whose known addresses speak `mconn`, or that has none, is asked with v1. What we dialed speaks bowline.
fn is_legacy(slot: &Slot) -> bool {
    use crate::base::address::Scheme;
    let speaks_bowline = |hello: &crate::wire::hello::Hello| hello.listen.iter().any(|address| address.scheme == Scheme::Bowline);
    slot.point.is_none() && !slot.hello.as_deref().is_some_and(speaks_bowline)
}

/// Sends a message of the node itself: on a channel, of a kind, with a request id.
pub(super) fn say(out: &mut Outbox, link: LinkId, (channel, kind, request): (ChannelId, Kind, u32), body: Vec<u8>) {
    out.commands.push(Command::Say { link, channel, kind, request, body: Bytes::from(body) });
}

impl Machine for Exchange {
    type Input = Said;

    fn handle(&mut self, now: Time, said: Said, pool: &mut Pool, out: &mut Outbox) {
        // What a link sent before it was closed may still come; nobody is there to be answered or blamed.
        if !pool.slots().get(said.link).is_some_and(Slot::is_link) {
            return;
        }
        let handled = match &said.word {
            Word::Pex(received) => self.pex(now, &said, received, pool, out),
            Word::Wrong(reason) => Err(*reason),
            Word::Question(_) | Word::Answer(_) | Word::Failure | Word::Cancel => {
                self.discovery.handle(now, said, pool, out);
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

    fn wake(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        self.ask_round(now, pool, out);
        self.deadline = self.deadline.min(self.discovery.round(now, pool, out));
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{at, hello_of, ms, peer, policy};
    use super::*;
    use crate::base::address::Address;
    use crate::base::link_id::LinkIds;
    use crate::bus::report::Control;
    use crate::pool::policy::Policy;
    use crate::pool::slots::Purpose;
    use crate::wire::hello::Hello;
    use crate::wire::pex::PexAddress;
    use std::sync::Arc;

    struct Bench {
        pool: Pool,
        ids: LinkIds,
        rng: Rng,
        machine: Exchange,
    }

    impl Bench {
        fn new(policy: Policy) -> Bench {
            let ids = LinkIds::default();
            let pool = Pool::new(peer(0), policy, ids.clone());
            Bench { pool, ids, rng: Rng::from_seed(2), machine: Exchange::new(Rng::from_seed(3)) }
        }

        fn inbound(&mut self, now: Time, number: usize, hello: Arc<Hello>) -> LinkId {
            let link = self.ids.next();
            self.pool.claim_arrival(now, link, at(number)).expect("may come");
            self.pool.introduce(now, link, peer(number), &hello, &mut self.rng);
            self.pool.open(now, link);
            link
        }

        fn outbound(&mut self, now: Time, number: usize) -> LinkId {
            let link = self.pool.claim_dial(now, at(number), None, Purpose::Asked { tag: Some(0) }).expect("may dial");
            self.pool.recognise(now, link, peer(number));
            self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
            self.pool.open(now, link);
            link
        }

        fn close(&mut self, now: Time, link: LinkId) {
            self.pool.close(now, link, CloseReason::Reset, None, &[], &mut self.rng);
        }

        fn wake(&mut self, now: Time) -> Outbox {
            let mut out = Outbox::default();
            self.machine.wake(now, &mut self.pool, &mut out);
            out
        }

        fn hear(&mut self, now: Time, link: LinkId, from: usize, body: Vec<u8>) -> Outbox {
            let (channel, kind) = (ChannelId::PEX, Kind::Message);
            self.control(now, Control { link, peer: peer(from), channel, kind, request: 0, body: body.into() })
        }

        fn control(&mut self, now: Time, control: Control) -> Outbox {
            let mut out = Outbox::default();
            self.machine.handle(now, Said::decode(control), &mut self.pool, &mut out);
            out
        }
    }

    /// PEX messages said, with their links.
    fn said(out: &Outbox) -> Vec<(LinkId, PexMessage)> {
        let decode = |command: &Command| match command {
            Command::Say { link, channel: ChannelId::PEX, body, .. } => {
                Some((*link, PexMessage::decode(body).expect("ours are valid").message))
            }
            _ => None,
        };
        out.commands.iter().filter_map(decode).collect()
    }

    fn closes(out: &Outbox) -> Vec<CloseReason> {
        let reason = |command: &Command| if let Command::Close { reason, .. } = command { Some(*reason) } else { None };
        out.commands.iter().filter_map(reason).collect()
    }

    /// An answer with addresses of these nodes.
    fn answer(numbers: std::ops::Range<usize>) -> Vec<u8> {
        let entry = |number| PexAddress { address: Address::of(at(number), Some(peer(number))), capabilities: Vec::new() };
        PexMessage::ResponseV2(numbers.map(entry).collect()).encode()
    }

    #[test]
    fn a_new_peer_is_asked_at_once_and_what_it_tells_is_dialed() {
        let mut bench = Bench::new(policy());
        assert!(said(&bench.wake(ms(0))).is_empty());
        let link = bench.outbound(ms(10), 1);
        assert_eq!(said(&bench.wake(ms(10))), [(link, PexMessage::RequestV2)]);
        assert!(said(&bench.wake(ms(11))).is_empty(), "one request at a time");
        let out = bench.hear(ms(20), link, 1, answer(50..60));
        assert!(out.nudge_maintenance && closes(&out).is_empty());
        assert_eq!(bench.pool.points().len(), 11);
    }

    #[test]
    fn what_breaks_the_rules_closes_the_link() {
        let cases: [(Vec<u8>, CloseReason); 5] = [
            (answer(50..51), CloseReason::PexUnsolicited),
            (vec![0xff], CloseReason::PexMalformed),
            (vec![], CloseReason::UnknownMessage),
            (vec![0x2a, 0], CloseReason::UnknownMessage),
            ([&[0x22, 202, 1][..], &[0x0a, 0].repeat(101)].concat(), CloseReason::PexTooMany),
        ];
        for (body, reason) in cases {
            let mut bench = Bench::new(policy());
            let link = bench.outbound(ms(0), 1);
            let out = bench.hear(ms(0), link, 1, body.clone());
            assert_eq!(closes(&out), [reason], "{body:?}");
            assert!(bench.hear(ms(1), link, 1, body).commands.is_empty(), "closed once");
        }
        for (channel, kind) in
            [(ChannelId::PEX, Kind::Request), (ChannelId(5), Kind::Message), (ChannelId::DISCOVER, Kind::Message)]
        {
            let mut bench = Bench::new(policy());
            let link = bench.outbound(ms(0), 1);
            let control = Control { link, peer: peer(1), channel, kind, request: 0, body: Bytes::new() };
            assert_eq!(closes(&bench.control(ms(0), control)), [CloseReason::UnknownMessage]);
        }
    }

    #[test]
    fn a_second_answer_to_one_request_is_unsolicited() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        bench.wake(ms(0));
        assert!(closes(&bench.hear(ms(1), link, 1, answer(50..51))).is_empty());
        assert_eq!(closes(&bench.hear(ms(2), link, 1, answer(50..51))), [CloseReason::PexUnsolicited]);
    }

    #[test]
    fn an_answer_after_the_timeout_is_late_and_not_unsolicited() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        bench.wake(ms(0));
        assert_eq!(bench.machine.deadline().map(|at| at <= ms(30_000)), Some(true));
        assert_eq!(said(&bench.wake(ms(30_000))).len(), 1, "it is available again");
        for now in [40_000, 40_001] {
            assert!(closes(&bench.hear(ms(now), link, 1, answer(50..51))).is_empty());
        }
        let mut silent = Bench::new(policy());
        silent.outbound(ms(0), 1);
        let asked: usize = (0..100).map(|n| said(&silent.wake(ms(n * 31_000))).len()).sum();
        assert_eq!(asked, 3, "who never answers is asked three times");
    }

    #[test]
    fn requests_faster_than_100_ms_close_the_link_and_a_reconnect_does_not_help() {
        let request = || PexMessage::RequestV2.encode();
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        assert_eq!(said(&bench.hear(ms(0), link, 1, request())).len(), 1 + 1, "an answer, and our own request");
        for now in 1..=3 {
            assert!(closes(&bench.hear(ms(now), link, 1, request())).is_empty(), "the network moves some together");
        }
        bench.close(ms(4), link);
        let link = bench.inbound(ms(5), 1, hello_of(1));
        assert_eq!(closes(&bench.hear(ms(99), link, 1, request())), [CloseReason::PexTooOften]);
        bench.close(ms(99), link);
        let link = bench.inbound(ms(99), 1, hello_of(1));
        assert!(closes(&bench.hear(ms(100), link, 1, request())).is_empty(), "the refused one moved nothing");
        assert_eq!(closes(&bench.hear(ms(199), link, 1, request())), [CloseReason::PexTooOften]);
    }

    #[test]
    fn we_keep_the_pace_that_we_expect_across_reconnects_too() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        assert_eq!(said(&bench.wake(ms(0))).len(), 1);
        bench.close(ms(1), link);
        bench.inbound(ms(2), 1, hello_of(1));
        assert!(said(&bench.wake(ms(2))).is_empty());
        assert!(said(&bench.wake(ms(199))).is_empty());
        let next = bench.machine.deadline().expect("it has one");
        assert_eq!(next, ms(200), "twice the allowed interval");
        assert_eq!(said(&bench.wake(next)).len(), 1);
    }

    #[test]
    fn the_answer_is_of_the_type_of_the_request() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        bench.outbound(ms(0), 2);
        let of = |bench: &mut Bench, now, request: PexMessage| {
            let said = said(&bench.hear(ms(now), link, 1, request.encode())).into_iter().map(|(_, message)| message);
            said.into_iter().find(|message| matches!(message, PexMessage::Response(_) | PexMessage::ResponseV2(_)))
        };
        bench.wake(ms(0));
        let address = Address::of(at(2), Some(peer(2)));
        assert_eq!(of(&mut bench, 500, PexMessage::Request), Some(PexMessage::Response(vec![address.clone()])));
        let entry = PexAddress { address, capabilities: Vec::new() };
        assert_eq!(of(&mut bench, 700, PexMessage::RequestV2), Some(PexMessage::ResponseV2(vec![entry])));
    }

    #[test]
    fn peers_without_bowline_addresses_are_asked_with_v1() {
        let mut bench = Bench::new(policy());
        let mconn = Hello { listen: vec!["mconn://10.1.0.1:1".parse().expect("an address")], ..Hello::default() };
        for (number, hello, request) in [
            (1, Arc::new(mconn), PexMessage::Request),
            (2, Arc::new(Hello::default()), PexMessage::Request),
            (3, hello_of(3), PexMessage::RequestV2),
        ] {
            let now = ms(number as u64 * 1_000);
            let link = bench.inbound(now, number, hello);
            assert!(said(&bench.wake(now)).contains(&(link, request)), "{number}");
        }
    }

    #[test]
    fn private_nodes_neither_ask_nor_answer_nor_are_asked() {
        let mut bench = Bench::new(Policy { is_private: true, is_bootstrap: false, ..policy() });
        let link = bench.outbound(ms(0), 1);
        assert!(said(&bench.wake(ms(0))).is_empty());
        assert!(
            bench
                .hear(ms(0), link, 1, PexMessage::RequestV2.encode())
                .commands
                .iter()
                .all(|c| !matches!(c, Command::Say { channel: ChannelId::PEX, .. }))
        );
        let mut hear = |_| closes(&bench.hear(ms(1), link, 1, PexMessage::RequestV2.encode()));
        assert_eq!((0..4).flat_map(&mut hear).collect::<Vec<_>>(), [CloseReason::PexTooOften], "it polices all the same");
        let mut bench = Bench::new(policy());
        bench.inbound(ms(0), 1, Arc::new(Hello { is_private: true, ..Hello::default() }));
        assert!(said(&bench.wake(ms(0))).is_empty());
    }

    #[test]
    fn the_interval_follows_reactor_v2() {
        let mut bench = Bench::new(policy());
        let mut interval = |total, new, available| {
            (bench.machine.total, bench.machine.new) = (total, new);
            bench.machine.interval(available, &bench.pool)
        };
        assert_eq!(interval(0, 0, 0), Duration::from_millis(100));
        assert_eq!(interval(0, 0, 1), Duration::from_millis(200));
        assert_eq!(interval(100, 100, 10), Duration::from_millis(20));
        assert_eq!(interval(100, 100, 80), Duration::from_millis(4), "50 count");
        assert_eq!(interval(100, 66, 1), Duration::from_millis(400), "(101/67)^2 = 2.27 is cut");
        assert_eq!(interval(100, 0, 50), Duration::from_millis(4 * 10_201));
        assert_eq!(interval(0, 0, 50), Duration::from_millis(4 * 10_201), "nothing heard changes nothing");
        assert_eq!(interval(u64::MAX - 1, 0, 1), Duration::from_secs(600));
        let full = Policy { points_max: 0, ..policy() };
        bench.pool.set_policy(full);
        assert_eq!(bench.machine.interval(3, &bench.pool), Duration::from_secs(600));
    }

    #[test]
    fn without_anybody_to_ask_it_looks_again_after_a_second() {
        let mut bench = Bench::new(policy());
        bench.wake(ms(0));
        assert_eq!(bench.machine.deadline(), Some(ms(1_000)));
    }

    #[test]
    fn messages_of_links_that_are_gone_are_ignored() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        bench.close(ms(1), link);
        assert!(bench.hear(ms(2), link, 1, vec![0xff]).commands.is_empty());
    }
}
