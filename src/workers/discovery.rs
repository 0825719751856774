//! `PeerDiscover`: each period every connected peer is asked which peers it knows to be healthy; whoever asks us is told the same. A
//! bootstrap node learns the asker's address. Part of the exchange worker. One failure is logged and skipped, three in a row make
//! a peer unhealthy; nobody is closed for them.

use super::exchange::{is_seed, say};
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::outbox::Outbox;
use crate::bus::report::Control;
use crate::pool::pace::{Allowance, Paces};
use crate::pool::slots::Slot;
use crate::pool::table::Pool;
use crate::wire::discover::{DiscoverRequest, DiscoverResponse};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const LOG: &str = "bowline::exchange";
/// Requests under way at once; the others of a cycle wait.
const UNDER_WAY_MAX: usize = 8;
/// Pages taken from one peer in one cycle: 10,000 addresses, more than a book holds.
const PAGES_MAX: u32 = 10;
/// Requests of one peer that are answered: a cycle's pages at once, then one per second. An answer costs up to 128 KiB.
const ANSWERS: Allowance = Allowance { interval: Duration::from_secs(1), burst: PAGES_MAX };
/// Identities whose requests are counted.
const ASKERS_MAX: usize = 4_096;

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

    pub(super) fn handle(&mut self, now: Time, control: &Control, pool: &mut Pool, out: &mut Outbox) -> Result<(), CloseReason> {
        match control.kind {
            Kind::Request => self.answer(now, control, pool, out),
            Kind::Response => {
                self.learn(now, control, pool, out);
                Ok(())
            }
            Kind::Error if self.is_expected(control) => {
                self.fail(now, control.link, "the peer answered with an error", pool, out);
                Ok(())
            }
            Kind::Error | Kind::Cancel => Ok(()),
            Kind::Message => Err(CloseReason::UnknownMessage),
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
    fn answer(&mut self, now: Time, control: &Control, pool: &mut Pool, out: &mut Outbox) -> Result<(), CloseReason> {
        let request = DiscoverRequest::decode(&control.body).map_err(|_| CloseReason::PexMalformed)?;
        if pool.policy().is_private || !self.askers.take(now, control.peer, ANSWERS) {
            say(out, control.link, (ChannelId::DISCOVER, Kind::Error, control.request), Vec::new());
            return Ok(());
        }
        let mut peers: BTreeSet<Address> = pool.healthy().into_iter().collect();
        if let Some(claim) = request.peer {
            let bound = pool.claim_of(control.link, &claim);
            if pool.policy().is_bootstrap
                && let Some(claim) = &bound
                && pool.learn_claim(now, control.link, claim)
            {
                // Others are told of it only when a dial has proven it.
                out.nudge_maintenance = true;
            }
            peers.extend(bound);
        }
        let rest: Vec<Address> =
            peers.into_iter().filter(|peer| request.after.as_ref().is_none_or(|after| peer > after)).collect();
        let page = DiscoverResponse::page(&rest, false);
        say(out, control.link, (ChannelId::DISCOVER, Kind::Response, control.request), page.encode());
        Ok(())
    }

    fn is_expected(&self, control: &Control) -> bool {
        self.under_way.get(&control.link).is_some_and(|question| question.id == control.request)
    }

    /// Takes an answer. One that nobody waits for any more is dropped: it may only be late.
    fn learn(&mut self, now: Time, control: &Control, pool: &mut Pool, out: &mut Outbox) {
        if !self.is_expected(control) {
            return;
        }
        let Ok(received) = DiscoverResponse::decode(&control.body) else {
            self.fail(now, control.link, "an answer that does not decode", pool, out);
            return;
        };
        let Some(question) = self.under_way.remove(&control.link) else { return };
        if self.failures.remove(&control.link).is_some() {
            pool.note_answer(control.link, 0);
        }
        let Some(from) = pool.slots().get(control.link).map(|slot| slot.remote) else { return };
        let response = received.response;
        let new = pool.learn_all(now, response.peers.iter().map(|peer| (peer, &[][..])), from);
        out.nudge_maintenance |= new > 0;
        if let Some(last) = response.peers.last().filter(|_| response.has_more && question.pages < PAGES_MAX) {
            self.ask(now, control.link, Some(last.clone()), question.pages + 1, pool, out);
        }
    }

    fn fail(&mut self, now: Time, link: LinkId, what: &str, pool: &mut Pool, out: &mut Outbox) {
        self.under_way.remove(&link);
        let failures = self.failures.entry(link).or_default();
        *failures = failures.saturating_add(1);
        pool.note_answer(link, *failures);
        out.changed |= *failures == pool.policy().unhealthy_after;
        if self.lines.allow(now).is_some() {
            out.log.push((log::Level::Info, LOG, format!("{link}: discovery failed {failures} times in a row: {what}")));
        }
    }
}
