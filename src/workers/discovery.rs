//! `PeerDiscover`: each period every connected peer is asked which peers it knows to be healthy; whoever asks us is told the same. A
//! bootstrap node learns the asker's address. Part of the exchange worker. One failure is logged and skipped, three in a row make
//! a peer unhealthy; nobody is closed for them.

use super::exchange::{is_seed, say};
use super::word::{Said, Word};
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::limits::ASKERS_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::outbox::Outbox;
use crate::pool::pace::{Allowance, Paces};
use crate::pool::slots::Slot;
use crate::pool::table::Pool;
use crate::wire::discover::{DiscoverReceived, DiscoverRequest, DiscoverResponse};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const LOG: &str = "bowline::exchange";
/// Requests under way at once; the others of a cycle wait.
const UNDER_WAY_MAX: usize = 8;
/// Pages taken from one peer in one cycle: 10,000 addresses, more than a book holds.
const PAGES_MAX: u32 = 10;
/// Requests of one peer that are answered: a cycle's pages at once, then one per second. An answer costs up to 128 KiB.
const ANSWERS: Allowance = Allowance { interval: Duration::from_secs(1), burst: PAGES_MAX };

/// A request that waits for its answer.
#[derive(Debug)]
struct Question {
    id: u32,
    since: Time,
    pages: u32,
}

/// The state of the cycle.
#[derive(Debug)]
pub(super) struct Discovery {
    next_cycle: Time,
    queue: VecDeque<LinkId>,
    under_way: BTreeMap<LinkId, Question>,
    /// Links that were asked before; a seed that is new is asked at once.
    met: BTreeSet<LinkId>,
    failures: BTreeMap<LinkId, u32>,
    questions: u32,
    askers: Paces<PeerId>,
    lines: Throttle,
}

impl Default for Discovery {
    fn default() -> Discovery {
        Discovery {
            next_cycle: Time::ZERO,
            queue: VecDeque::new(),
            under_way: BTreeMap::new(),
            met: BTreeSet::new(),
            failures: BTreeMap::new(),
            questions: 0,
            askers: Paces::new(ASKERS_MAX),
            lines: Throttle::default(),
        }
    }
}

impl Discovery {
    /// Begins a cycle when it is time and goes on with the one under way. Gives when to come back.
    pub(super) fn round(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) -> Time {
        let is_link = |link: &LinkId| pool.slots().get(*link).is_some_and(Slot::is_open);
        self.queue.retain(is_link);
        self.met.retain(is_link);
        self.under_way.retain(|link, _| is_link(link));
        self.failures.retain(|link, _| is_link(link));
        let timeout = pool.policy().pex_request_timeout;
        let late: Vec<LinkId> =
            self.under_way.iter().filter(|(_, question)| now.since(question.since) >= timeout).map(|(link, _)| *link).collect();
        for link in late {
            self.fail(now, link, "no answer in time", pool, out);
        }
        let open: Vec<LinkId> = pool.slots().iter().filter(|slot| slot.is_open()).map(|slot| slot.link).collect();
        if now >= self.next_cycle && !open.is_empty() {
            self.next_cycle = now + pool.policy().discovery_period;
            self.queue = open.into();
        } else {
            let is_new_seed = |slot: &&Slot| slot.is_open() && !self.met.contains(&slot.link) && is_seed(slot, pool);
            let seeds: Vec<LinkId> = pool.slots().iter().filter(is_new_seed).map(|slot| slot.link).collect();
            self.queue.retain(|link| !seeds.contains(link));
            self.queue.extend(seeds);
        }
        while self.under_way.len() < UNDER_WAY_MAX
            && let Some(link) = self.queue.pop_front()
        {
            if !self.under_way.contains_key(&link) {
                self.ask(now, link, None, 1, pool, out);
            }
        }
        let answers = self.under_way.values().map(|question| question.since + timeout).min().unwrap_or(Time::MAX);
        // Without links a cycle waits for the first, which comes with a nudge.
        let next_cycle = if pool.counts().open == 0 { Time::MAX } else { self.next_cycle };
        answers.min(next_cycle)
    }

    /// A peer asks, answers, or cannot answer. Nothing of it is a fault.
    pub(super) fn handle(&mut self, now: Time, said: Said, pool: &mut Pool, out: &mut Outbox) {
        let Said { link, peer, request, word } = said;
        match word {
            Word::Question(question) => self.answer(now, (link, peer, request), &question, pool, out),
            Word::Answer(answer) if self.is_expected(link, request) => self.learn(now, link, answer, pool, out),
            Word::Failure if self.is_expected(link, request) => {
                self.fail(now, link, "the peer answered with an error", pool, out);
            }
            // An answer that nobody waits for any more may only be late.
            Word::Answer(_) | Word::Failure | Word::Cancel | Word::Pex(_) | Word::Wrong(_) => {}
        }
    }

    fn ask(&mut self, now: Time, link: LinkId, after: Option<Address>, pages: u32, pool: &Pool, out: &mut Outbox) {
        self.questions = self.questions.wrapping_add(1);
        self.met.insert(link);
        self.under_way.insert(link, Question { id: self.questions, since: now, pages });
        let peer = pool.own_addresses().first().filter(|_| !pool.policy().is_private).cloned();
        let request = DiscoverRequest { peer, after };
        say(out, link, (ChannelId::DISCOVER, Kind::Request, self.questions), request.encode());
    }

    /// Tells the asker who is healthy, itself included if it named an address; others hear of that once a dial has proven it.
    fn answer(
        &mut self,
        now: Time,
        (link, asker, number): (LinkId, PeerId, u32),
        request: &DiscoverRequest,
        pool: &mut Pool,
        out: &mut Outbox,
    ) {
        if pool.policy().is_private || !self.askers.take(now, asker, ANSWERS) {
            return say(out, link, (ChannelId::DISCOVER, Kind::Error, number), Vec::new());
        }
        let mut peers: BTreeSet<Address> = pool.healthy().into_iter().collect();
        if let Some(claim) = &request.peer {
            let bound = pool.claim_of(link, claim);
            if pool.policy().is_bootstrap
                && let Some(claim) = &bound
                && pool.learn_claim(now, link, claim)
            {
                // Others are told of it only when a dial has proven it.
                out.nudge_maintenance = true;
            }
            peers.extend(bound);
        }
        let rest: Vec<Address> =
            peers.into_iter().filter(|peer| request.after.as_ref().is_none_or(|after| peer > after)).collect();
        let page = DiscoverResponse::page(&rest, false);
        say(out, link, (ChannelId::DISCOVER, Kind::Response, number), page.encode());
    }

    fn is_expected(&self, link: LinkId, request: u32) -> bool {
        self.under_way.get(&link).is_some_and(|question| question.id == request)
    }

    /// Takes an answer that was waited for.
    fn learn(&mut self, now: Time, link: LinkId, answer: Option<DiscoverReceived>, pool: &mut Pool, out: &mut Outbox) {
        let Some(received) = answer else {
            return self.fail(now, link, "an answer that does not decode", pool, out);
        };
        let Some(question) = self.under_way.remove(&link) else { return };
        if self.failures.remove(&link).is_some() {
            pool.note_answer(link, 0);
        }
        let Some((from, peer)) = pool.slots().get(link).map(|slot| (slot.remote, slot.peer)) else { return };
        let response = received.response;
        let new = pool.learn_all(now, response.peers.iter().map(|peer| (peer, &[][..])), from, peer);
        out.nudge_maintenance |= new > 0;
        if let Some(last) = response.peers.last().filter(|_| response.has_more && question.pages < PAGES_MAX) {
            self.ask(now, link, Some(last.clone()), question.pages + 1, pool, out);
        }
    }

    fn fail(&mut self, now: Time, link: LinkId, what: &str, pool: &mut Pool, out: &mut Outbox) {
        self.under_way.remove(&link);
        let failures = self.failures.entry(link).or_default();
        *failures = failures.saturating_add(1);
        pool.note_answer(link, *failures);
        out.changed |= *failures == pool.policy().unhealthy_after;
        let line = self.lines.line(now, || format!("{link}: discovery failed {failures} times in a row: {what}"));
        out.log.extend(line.map(|line| (log::Level::Info, LOG, line)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Exchange;
    use super::super::machine::Machine;
    use super::super::testbed::{at, hello_of, ms, peer, policy};
    use super::*;
    use crate::base::link_id::LinkIds;
    use crate::base::reason::CloseReason;
    use crate::base::rng::Rng;
    use crate::bus::command::Command;
    use crate::bus::report::Control;
    use crate::pool::policy::Policy;
    use crate::pool::slots::Purpose;

    struct Bench {
        pool: Pool,
        ids: LinkIds,
        rng: Rng,
        machine: Exchange,
    }

    impl Bench {
        fn new(policy: Policy) -> Bench {
            let ids = LinkIds::default();
            let mut pool = Pool::new(peer(0), policy, ids.clone());
            pool.set_own_addresses(vec![Address::of(at(0), Some(peer(0)))]);
            Bench { pool, ids, rng: Rng::from_seed(2), machine: Exchange::new(Rng::from_seed(3)) }
        }

        fn outbound(&mut self, now: Time, number: usize) -> LinkId {
            let link = self.pool.claim_dial(now, at(number), None, Purpose::Asked { tag: Some(0) }).expect("may dial");
            self.pool.recognise(now, link, peer(number));
            self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
            self.pool.open(now, link);
            link
        }

        /// A peer that says nothing of where it listens.
        fn inbound(&mut self, now: Time, number: usize) -> LinkId {
            let link = self.ids.next();
            self.pool.claim_arrival(now, link, at(number)).expect("may come");
            let hello = std::sync::Arc::new(crate::wire::hello::Hello::default());
            self.pool.introduce(now, link, peer(number), &hello, &mut self.rng);
            self.pool.open(now, link);
            link
        }

        fn wake(&mut self, now: Time) -> Vec<(LinkId, Kind, u32, Vec<u8>)> {
            let mut out = Outbox::default();
            self.machine.wake(now, &mut self.pool, &mut out);
            said(&out)
        }

        fn hear(&mut self, now: Time, link: LinkId, (kind, request): (Kind, u32), body: Vec<u8>) -> Outbox {
            let peer = self.pool.slots().get(link).and_then(|slot| slot.peer).expect("a link");
            let control = Control { link, peer, channel: ChannelId::DISCOVER, kind, request, body: body.into() };
            let mut out = Outbox::default();
            self.machine.handle(now, Said::decode(control).into(), &mut self.pool, &mut out);
            out
        }
    }

    fn said(out: &Outbox) -> Vec<(LinkId, Kind, u32, Vec<u8>)> {
        let of = |command: &Command| match command {
            Command::Say { link, channel: ChannelId::DISCOVER, kind, request, body } => {
                Some((*link, *kind, *request, body.to_vec()))
            }
            _ => None,
        };
        out.commands.iter().filter_map(of).collect()
    }

    fn asks(peer: Option<Address>) -> Vec<u8> {
        DiscoverRequest { peer, after: None }.encode()
    }

    fn peers_in(out: &Outbox) -> Vec<Address> {
        let answers = said(out);
        let (.., body) = answers.iter().find(|(_, kind, ..)| *kind == Kind::Response).expect("an answer");
        DiscoverResponse::decode(body).expect("ours are valid").response.peers
    }

    #[test]
    fn every_peer_is_asked_each_period_and_told_our_address() {
        let mut bench = Bench::new(policy());
        assert!(bench.wake(ms(0)).is_empty());
        let link = bench.outbound(ms(5), 1);
        let asked = bench.wake(ms(5));
        assert_eq!(asked.len(), 1, "the cycle begins with the first link");
        let request = DiscoverRequest::decode(&asked[0].3).expect("ours are valid");
        assert_eq!((asked[0].0, asked[0].1, request.peer), (link, Kind::Request, Some(Address::of(at(0), Some(peer(0))))));
        let out = bench.hear(ms(6), link, (Kind::Response, asked[0].2), {
            DiscoverResponse::page(&[Address::of(at(8), Some(peer(8))), Address::of(at(0), Some(peer(0)))], false).encode()
        });
        assert!(out.nudge_maintenance && bench.pool.points().get(at(8)).is_some());
        assert!(bench.pool.points().get(at(0)).is_none(), "our own address is dropped");
        assert!(bench.wake(ms(60_004)).is_empty());
        assert_eq!(bench.wake(ms(60_005)).len(), 1);
    }

    #[test]
    fn at_most_eight_requests_are_under_way() {
        let mut bench = Bench::new(policy());
        for number in 1..=20 {
            bench.inbound(ms(0), number);
        }
        let asked = bench.wake(ms(0));
        assert_eq!(asked.len(), 8);
        let answer = DiscoverResponse::page(&[], false).encode();
        let out = bench.hear(ms(1), asked[0].0, (Kind::Response, asked[0].2), answer);
        assert_eq!(said(&out).len(), 1, "the next");
    }

    #[test]
    fn the_asker_hears_of_itself_at_once_and_others_once_a_dial_has_proven_it() {
        let mut bench = Bench::new(policy());
        let (asker, other) = (bench.inbound(ms(0), 1), bench.inbound(ms(0), 2));
        let claim = Address::of(at(1), Some(peer(1)));
        let told = peers_in(&bench.hear(ms(1), asker, (Kind::Request, 9), asks(Some(claim.clone()))));
        assert_eq!(told.first(), Some(&claim));
        assert!(bench.pool.points().get(at(1)).is_some(), "a bootstrap node learns it");
        assert!(peers_in(&bench.hear(ms(2), other, (Kind::Request, 9), asks(None))).is_empty());
        let feeler = bench.pool.claim_dial(ms(3), at(1), None, Purpose::Feeler).expect("may dial");
        bench.pool.recognise(ms(3), feeler, peer(1));
        bench.pool.close(ms(3), feeler, CloseReason::Duplicate, None, &[], &mut bench.rng);
        assert_eq!(peers_in(&bench.hear(ms(4), other, (Kind::Request, 10), asks(None))), [claim]);
    }

    #[test]
    fn only_a_bootstrap_node_learns_from_the_request() {
        let mut bench = Bench::new(Policy { is_bootstrap: false, ..policy() });
        let link = bench.inbound(ms(0), 1);
        let unspecified: Address = "0.0.0.0:77".parse().expect("an address");
        let seen = Address { id: Some(peer(1)), host: crate::base::address::Host::Ip(at(1).ip()), ..unspecified.clone() };
        assert_eq!(peers_in(&bench.hear(ms(1), link, (Kind::Request, 1), asks(Some(unspecified)))), [seen]);
        assert!(bench.pool.points().is_empty());
    }

    #[test]
    fn a_long_answer_is_paged_to_its_end() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        let mut asked = bench.wake(ms(0));
        for page in 1..=PAGES_MAX {
            let last = Address::of(at(100 + page as usize), None);
            let body = DiscoverResponse::page(std::slice::from_ref(&last), true).encode();
            let out = bench.hear(ms(1), link, (Kind::Response, asked[0].2), body);
            asked = said(&out);
            assert_eq!(asked.len(), usize::from(page < PAGES_MAX));
            if let Some((.., body)) = asked.first() {
                assert_eq!(DiscoverRequest::decode(body).expect("valid").after, Some(last));
            }
        }
        assert_eq!(bench.pool.points().len(), 1 + PAGES_MAX as usize);
    }

    #[test]
    fn three_failures_in_a_row_make_a_peer_unhealthy_and_an_answer_heals_it() {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        for cycle in 0..3 {
            assert_eq!(bench.pool.healthy().len(), 1);
            let now = cycle * 60_000;
            let asked = bench.wake(ms(now));
            let what = [(Kind::Error, vec![]), (Kind::Response, vec![0xff]), (Kind::Error, vec![])];
            let (kind, body) = what[cycle as usize].clone();
            let out = bench.hear(ms(now + 1), link, (kind, asked[0].2), body);
            assert!(!out.commands.iter().any(|command| matches!(command, Command::Close { .. })), "nobody is closed for it");
            assert!(out.log[0].2.contains(&format!("failed {} times", cycle + 1)));
        }
        assert!(bench.pool.healthy().is_empty());
        let asked = bench.wake(ms(180_000));
        bench.wake(ms(210_000));
        assert!(bench.pool.healthy().is_empty(), "silence is a failure too");
        let late = DiscoverResponse::page(&[], false).encode();
        bench.hear(ms(210_001), link, (Kind::Response, asked[0].2), late.clone());
        assert!(bench.pool.healthy().is_empty(), "nobody waits for it any more");
        let asked = bench.wake(ms(240_000));
        bench.hear(ms(240_001), link, (Kind::Response, asked[0].2), late);
        assert_eq!(bench.pool.healthy().len(), 1);
    }

    #[test]
    fn who_asks_too_often_gets_an_error_and_who_asks_nonsense_is_closed() {
        let mut bench = Bench::new(policy());
        let link = bench.inbound(ms(0), 1);
        bench.wake(ms(0));
        let kinds: Vec<Kind> = (0..30).map(|id| said(&bench.hear(ms(1), link, (Kind::Request, id), asks(None)))[0].1).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Response).count(), PAGES_MAX as usize);
        assert_eq!(kinds.last(), Some(&Kind::Error));
        let out = bench.hear(ms(2), link, (Kind::Request, 99), vec![0xff]);
        assert!(out.commands.iter().any(|command| matches!(command, Command::Close { reason: CloseReason::PexMalformed, .. })));
    }
}
