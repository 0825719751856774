//! `PeerDiscover`: each period every connected peer is asked which peers it knows to be healthy; whoever asks us is told the same. A
//! bootstrap node learns the asker's address. Part of the exchange worker. One failure is logged and skipped, three in a row make
//! a peer unhealthy; nobody is closed for them. Healthy addresses without a link are checked, some in each period, by maintenance's feelers.
//! A private node asks nobody, and nobody asks it.

use super::exchange::{is_seed, say};
use super::names::Heard;
use super::word::{Said, Word};
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::limits::{ASKERS_MAX, DISCOVERED_MAX, ORDERS_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::outbox::{Answered, NotDiscovered, Outbox};
use crate::pool::pace::{Allowance, Paces};
use crate::pool::slots::Slot;
use crate::pool::table::Pool;
use crate::wire::discover::{DiscoverReceived, DiscoverRequest, DiscoverResponse, PEERS_MAX};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const LOG: &str = "bowline::exchange";
/// Requests of a cycle under way at once, and of callers; the others wait.
const UNDER_WAY_MAX: usize = 8;
/// Pages taken from one peer in one cycle.
const PAGES_MAX: u32 = (DISCOVERED_MAX / PEERS_MAX) as u32;
/// Requests of one peer that are answered: a cycle's pages at once, then one per second, or as often as this node asks others. An answer
/// costs up to 128 KiB.
const ANSWER_PERIOD: Duration = Duration::from_secs(1);

/// Once in this time a peer is asked for its whole set, so that what was dropped or forgotten here comes again.
const WHOLE_PERIOD: Duration = Duration::from_secs(3_600);

/// A request that waits for its answer: one page of a set.
#[derive(Debug, Default)]
struct Question {
    id: u32,
    asked_at: Time,
    /// Pages so far, with this one.
    pages: u32,
    /// Only what became healthy after that version of the peer's set is wanted; 0: all.
    since: u64,
    /// The version of the set when its first page was told.
    version: u64,
    order: Option<Order>,
}

/// What is known of the set of a linked peer.
#[derive(Debug, Default)]
struct Set {
    version: u64,
    /// When all of it was last told.
    whole_at: Time,
}

/// A caller's question that waits.
#[derive(Debug)]
struct Wish {
    ticket: u64,
    link: LinkId,
    /// It was asked, and has more than a page, while another answer was being collected.
    is_long: bool,
}

/// What a caller wants discovered, and the pages that have come so far. Of all orders one holds pages at a time: an answer is held until it
/// is whole.
#[derive(Debug)]
struct Order {
    ticket: u64,
    found: Vec<Address>,
}

impl Question {
    fn holds_pages(&self) -> bool {
        self.order.as_ref().is_some_and(|order| !order.found.is_empty())
    }
}

/// The state of the cycle.
#[derive(Debug)]
pub(super) struct Discovery {
    next_cycle: Time,
    queue: VecDeque<LinkId>,
    under_way: BTreeMap<LinkId, Question>,
    orders: VecDeque<Wish>,
    /// Links that were asked before, with what they have told; a seed that is new is asked at once.
    met: BTreeMap<LinkId, Set>,
    /// Open links that were not, when links last came or went.
    unmet: Vec<LinkId>,
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
            orders: VecDeque::new(),
            met: BTreeMap::new(),
            unmet: Vec::new(),
            failures: BTreeMap::new(),
            questions: 0,
            askers: Paces::new(ASKERS_MAX),
            lines: Throttle::default(),
        }
    }
}

impl Discovery {
    /// Begins a cycle when it is time and goes on with the one under way; `has_news` if places have changed since the last time. Gives
    /// when to come back.
    pub(super) fn round(&mut self, now: Time, has_news: bool, pool: &mut Pool, out: &mut Outbox) -> Time {
        if has_news || !self.orders.is_empty() {
            self.forget_gone(pool, out);
            let is_unmet = |slot: &&Slot| slot.is_open() && !self.met.contains_key(&slot.link);
            self.unmet = pool.slots().iter().filter(is_unmet).map(|slot| slot.link).collect();
        }
        let timeout = pool.policy().pex_request_timeout;
        let late: Vec<LinkId> = self
            .under_way
            .iter()
            .filter(|(_, question)| now.since(question.asked_at) >= timeout)
            .map(|(link, _)| *link)
            .collect();
        for link in late {
            self.fail(now, link, NotDiscovered::TimedOut, pool, out);
        }
        self.begin_orders(now, pool, out);
        self.list_whom_to_ask(now, pool, out);
        self.ask_listed(now, pool, out);
        let answers = self.under_way.values().map(|question| question.asked_at + timeout).min().unwrap_or(Time::MAX);
        // Without links a cycle waits for the first, which comes with a nudge.
        let next_cycle = if pool.counts().open == 0 { Time::MAX } else { self.next_cycle };
        answers.min(next_cycle)
    }

    /// Each period all linked peers are to be asked, but those that still wait for their turn of the last one: whoever came first and is silent
    /// must not take the turns of others. Between periods, seeds that are new.
    fn list_whom_to_ask(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        let is_cycle = now >= self.next_cycle && pool.counts().open > 0;
        if is_cycle {
            self.next_cycle = now + pool.policy().discovery_period;
            for at in pool.whom_to_check(now, pool.policy().discovery_checks) {
                pool.want_check(at);
                out.nudge_maintenance = true;
            }
        }
        if pool.policy().is_private {
            return self.queue.clear();
        }
        self.unmet.retain(|link| !self.met.contains_key(link));
        if !is_cycle && self.unmet.is_empty() {
            return;
        }
        let may_be_asked = |slot: &&Slot| slot.is_open() && slot.hello.as_ref().is_some_and(|hello| !hello.is_private);
        let waiting: BTreeSet<LinkId> = self.queue.iter().chain(self.under_way.keys()).copied().collect();
        let listed = |slot: &&Slot| may_be_asked(slot) && !waiting.contains(&slot.link);
        if is_cycle {
            self.queue.extend(pool.slots().iter().filter(listed).map(|slot| slot.link));
        } else {
            let seeds = self.unmet.iter().filter_map(|link| pool.slots().get(*link)).filter(|slot| is_seed(slot, pool));
            self.queue.extend(seeds.filter(listed).map(|slot| slot.link));
        }
    }

    /// Asks as many of those listed as may be under way, who has failed least often first.
    fn ask_listed(&mut self, now: Time, pool: &Pool, out: &mut Outbox) {
        while self.under_way.values().filter(|question| question.order.is_none()).count() < UNDER_WAY_MAX {
            let failures = |link: &LinkId| self.failures.get(link).copied().unwrap_or(0);
            let Some(next) = (0..self.queue.len()).min_by_key(|place| failures(&self.queue[*place])) else { return };
            let Some(link) = self.queue.remove(next).filter(|link| !self.under_way.contains_key(link)) else { continue };
            let set = self.met.entry(link).or_default();
            let is_whole = now.since(set.whole_at) >= WHOLE_PERIOD;
            let since = if is_whole { 0 } else { set.version };
            self.ask(now, link, None, Question { since, ..Question::default() }, pool, out);
        }
    }

    /// A peer asks, answers, or cannot answer. Nothing of it is a fault.
    pub(super) fn handle(&mut self, now: Time, said: Said, heard: &mut Heard, pool: &mut Pool, out: &mut Outbox) {
        let Said { link, peer, request, word } = said;
        match word {
            Word::Question(question) => self.answer(now, (link, peer, request), &question, heard, pool, out),
            Word::Answer(answer) if self.is_expected(link, request) => self.learn(now, link, answer, heard, pool, out),
            Word::Failure if self.is_expected(link, request) => {
                self.fail(now, link, NotDiscovered::Refused, pool, out);
            }
            // An answer that nobody waits for any more may only be late.
            Word::Answer(_) | Word::Failure | Word::Cancel | Word::Pex(_) | Word::Wrong(_) => {}
        }
    }

    /// A caller wants to know who is healthy, in the eyes of the peer of `link`.
    pub(super) fn order(&mut self, ticket: u64, link: LinkId, out: &mut Outbox) {
        if self.orders.len() < ORDERS_MAX {
            self.orders.push_back(Wish { ticket, link, is_long: false });
        } else {
            out.answers.push((ticket, Answered::Discovered(Err(NotDiscovered::Busy))));
        }
    }

    /// Asks what callers want to know: of several peers at once, so that a silent one keeps no other caller waiting. A private node asks
    /// nobody, and a private peer tells of nobody.
    fn begin_orders(&mut self, now: Time, pool: &Pool, out: &mut Outbox) {
        let is_private = |link: LinkId| {
            let hello = pool.slots().get(link).and_then(|slot| slot.hello.as_ref());
            pool.policy().is_private || hello.is_some_and(|hello| hello.is_private)
        };
        while self.under_way.values().filter(|question| question.order.is_some()).count() < UNDER_WAY_MAX {
            let is_collecting = self.under_way.values().any(Question::holds_pages);
            let must_wait = |wish: &Wish| self.under_way.contains_key(&wish.link) || wish.is_long && is_collecting;
            let next = self.orders.iter().position(|wish| !must_wait(wish));
            let Some(Wish { ticket, link, .. }) = next.and_then(|next| self.orders.remove(next)) else { return };
            if is_private(link) {
                out.answers.push((ticket, Answered::Discovered(Err(NotDiscovered::Private))));
                continue;
            }
            let order = Some(Order { ticket, found: Vec::new() });
            self.ask(now, link, None, Question { order, ..Question::default() }, pool, out);
        }
    }

    /// Nothing is kept of links that are gone; whoever waits for one is told.
    fn forget_gone(&mut self, pool: &Pool, out: &mut Outbox) {
        let is_link = |link: &LinkId| pool.slots().get(*link).is_some_and(Slot::is_open);
        self.queue.retain(is_link);
        self.met.retain(|link, _| is_link(link));
        self.failures.retain(|link, _| is_link(link));
        let mut tell = |ticket| out.answers.push((ticket, Answered::Discovered(Err(NotDiscovered::NoLink))));
        self.under_way.retain(|link, question| {
            let is_there = is_link(link);
            question.order.iter().filter(|_| !is_there).for_each(|order| tell(order.ticket));
            is_there
        });
        self.orders.retain(|wish| {
            let is_there = is_link(&wish.link);
            (!is_there).then(|| tell(wish.ticket));
            is_there
        });
    }

    /// Asks for a page of an answer: the first one, or the one after that address.
    fn ask(&mut self, now: Time, link: LinkId, after: Option<Address>, question: Question, pool: &Pool, out: &mut Outbox) {
        self.questions = self.questions.wrapping_add(1);
        self.met.entry(link).or_default();
        let since = question.since;
        let question = Question { id: self.questions, asked_at: now, pages: question.pages + 1, ..question };
        self.under_way.insert(link, question);
        let peer = pool.own_addresses().first().filter(|_| !pool.policy().is_private).cloned();
        let request = DiscoverRequest { peer, after, since };
        say(out, link, (ChannelId::DISCOVER, Kind::Request, self.questions), request.encode());
    }

    /// Tells the asker who is healthy, or became so since it last asked, itself included if it named an address; others hear of that once a dial has proven it.
    fn answer(
        &mut self,
        now: Time,
        (link, asker, number): (LinkId, PeerId, u32),
        request: &DiscoverRequest,
        heard: &mut Heard,
        pool: &mut Pool,
        out: &mut Outbox,
    ) {
        let answers = Allowance { interval: ANSWER_PERIOD.min(pool.policy().discovery_period), burst: PAGES_MAX };
        if pool.policy().is_private || !self.askers.take(now, asker, answers) {
            return say(out, link, (ChannelId::DISCOVER, Kind::Error, number), Vec::new());
        }
        let after = request.after.as_ref();
        // One more than a page shows that more follow.
        let (mut peers, version) = pool.healthy_page(now, after, request.since, PEERS_MAX + 1);
        if let Some(claim) = &request.peer {
            if let Some(slot) = pool.slots().get(link).filter(|_| pool.policy().is_bootstrap) {
                heard.add(now, &Address { id: Some(asker), ..claim.clone() }, (slot.remote, asker));
            }
            let bound = pool.claim_of(link, claim);
            if pool.policy().is_bootstrap
                && let Some(claim) = &bound
                && pool.learn_claim(now, link, claim)
            {
                // Others are told of it only when a dial has proven it.
                out.nudge_maintenance = true;
            }
            if let Some(bound) = bound.filter(|bound| after.is_none_or(|after| bound > after))
                && let Err(place) = peers.binary_search(&bound)
            {
                peers.insert(place, bound);
            }
        }
        let page = DiscoverResponse { version, ..DiscoverResponse::page(&peers, false) };
        say(out, link, (ChannelId::DISCOVER, Kind::Response, number), page.encode());
    }

    fn is_expected(&self, link: LinkId, request: u32) -> bool {
        self.under_way.get(&link).is_some_and(|question| question.id == request)
    }

    /// Takes an answer that was waited for.
    fn learn(
        &mut self,
        now: Time,
        link: LinkId,
        answer: Option<DiscoverReceived>,
        heard: &mut Heard,
        pool: &mut Pool,
        out: &mut Outbox,
    ) {
        let Some(received) = answer else {
            return self.fail(now, link, NotDiscovered::Malformed, pool, out);
        };
        let Some(mut question) = self.under_way.remove(&link) else { return };
        if self.failures.remove(&link).is_some() {
            pool.note_answer(link, 0);
        }
        let Some((from, peer)) = pool.slots().get(link).map(|slot| (slot.remote, slot.peer)) else { return };
        let response = received.response;
        if let Some(peer) = peer {
            response.peers.iter().for_each(|address| heard.add(now, address, (from, peer)));
        }
        let new = pool.learn_all(now, response.peers.iter().map(|peer| (peer, &[][..])), from, peer);
        out.nudge_maintenance |= new > 0;
        if question.pages == 1 {
            question.version = response.version;
        }
        let next = response.peers.last().filter(|_| response.has_more && question.pages < PAGES_MAX).cloned();
        if let Some(order) = &mut question.order {
            if next.is_some() && self.under_way.values().any(Question::holds_pages) {
                // It is asked again, from the first page on, when the other caller has his.
                return self.orders.push_front(Wish { ticket: order.ticket, link, is_long: true });
            }
            order.found.extend(response.peers);
        }
        if next.is_some() {
            return self.ask(now, link, next, question, pool, out);
        }
        if let Some(set) = self.met.get_mut(&link).filter(|_| !response.has_more) {
            set.version = question.version;
            set.whole_at = if question.since == 0 { now } else { set.whole_at };
        }
        if let Some(order) = question.order {
            out.answers.push((order.ticket, Answered::Discovered(Ok(order.found))));
        }
    }

    fn fail(&mut self, now: Time, link: LinkId, what: NotDiscovered, pool: &mut Pool, out: &mut Outbox) {
        if let Some(Question { order: Some(order), .. }) = self.under_way.remove(&link) {
            out.answers.push((order.ticket, Answered::Discovered(Err(what))));
        }
        // Who refuses is there: it was asked too often for it, or tells nobody.
        let is_failure = what != NotDiscovered::Refused;
        let failures = self.failures.get(&link).copied().unwrap_or(0).saturating_add(u32::from(is_failure));
        if is_failure {
            self.failures.insert(link, failures);
            pool.note_answer(link, failures);
            out.changed |= failures == pool.policy().unhealthy_after;
        }
        let line = self.lines.line(now, || format!("{link}: discovery failed {failures} times in a row: {what}"));
        out.log.extend(line.map(|line| (log::Level::Info, LOG, line)));
    }
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
