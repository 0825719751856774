//! Maintenance: keeps the number of links in bounds. It drops what is too much, dials what is missing, keeps persistent peers linked and
//! proves claimed addresses. It claims and commands; what becomes of it comes back through welcome and a nudge.
//!
//! One round, in order: overdue places are closed; each period, what has expired goes; links above the bounds are dropped; persistent
//! points are dialed; then peers with roles that are wanted (`roles.rs`); then what is missing; seeds, when nothing else was left to dial;
//! last, addresses that want proof.

use super::farewell;
use super::machine::Machine;
use super::names::Names;
use super::roles::{self, Roles};
use super::seeding::Crawl;
use crate::base::address::Address;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::{Done, Job, Notice, Outbox};
use crate::pool::dialing::DialError;
use crate::pool::slots::{Phase, Purpose};
use crate::pool::table::Pool;
use std::net::SocketAddr;
use std::time::Duration;

const LOG: &str = "bowline::maintain";
/// Dials under way at once that only prove addresses.
pub(super) const FEELERS_MAX: usize = 4;
/// Never woken sooner than this after a round, whatever is due: a bound on rounds per second.
const REST: Duration = Duration::from_millis(1);

/// What maintenance is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A name was resolved.
    Done(Done),
    /// Run a round now; `Notice::RoundEnded` with the ticket tells its end.
    Round { ticket: u64 },
}

/// The maintenance worker's machine.
#[derive(Debug)]
pub struct Maintenance {
    rng: Rng,
    /// Configured addresses that are not in the pool yet.
    unfixed: Vec<(Address, bool)>,
    names: Names,
    is_started: bool,
    next_period: Time,
    next_dials: Time,
    /// The first round of dialing waits until then, unless addresses are learned.
    hold_until: Time,
    rounds: Vec<u64>,
    deadline: Time,
    stuck_lines: Throttle,
    roles: Roles,
    /// Of a seed node.
    crawl: Crawl,
}

/// What a round found out.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Something can be done then, and not before.
    next_at: Option<Time>,
    /// Dials are missing or links are too many, and nothing can be done now.
    is_stuck: bool,
}

impl Findings {
    pub fn wait_for(&mut self, at: Option<Time>) {
        self.next_at = [self.next_at, at].into_iter().flatten().min();
    }
}

impl Maintenance {
    /// A machine that keeps links with `persistent` for ever and falls back on `seeds`.
    pub fn new(rng: Rng, persistent: &[Address], seeds: &[Address]) -> Maintenance {
        let persistent = persistent.iter().map(|address| (address.clone(), true));
        Maintenance {
            rng,
            unfixed: persistent.chain(seeds.iter().map(|address| (address.clone(), false))).collect(),
            names: Names::default(),
            is_started: false,
            next_period: Time::ZERO,
            next_dials: Time::ZERO,
            hold_until: Time::ZERO,
            rounds: Vec::new(),
            deadline: Time::ZERO,
            stuck_lines: Throttle::default(),
            roles: Roles::default(),
            crawl: Crawl::default(),
        }
    }

    fn start(&mut self, now: Time, pool: &mut Pool) {
        self.is_started = true;
        for (address, is_persistent) in std::mem::take(&mut self.unfixed) {
            match address.socket() {
                Some(at) => {
                    pool.fix(now, at, address.id, is_persistent);
                }
                None => self.names.add(now, address, is_persistent),
            }
        }
        self.next_period = now + pool.policy().maintenance_period;
        self.next_dials = now;
        // A node that restarts among its peers does not dial in step with all others (CometBFT's first round).
        if pool.counts().links_and_dialing() > 0 {
            let period = u64::try_from(pool.policy().dial_period.as_nanos()).unwrap_or(u64::MAX);
            self.hold_until = now + Duration::from_nanos(self.rng.below(period));
        }
    }

    fn round(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        if !self.is_started {
            self.start(now, pool);
        }
        farewell::sweep(now, &mut self.rng, pool, out);
        let is_period = now >= self.next_period;
        if is_period {
            self.next_period = now + pool.policy().maintenance_period;
            pool.lists_mut().expire(now);
            pool.expire_points(now);
            pool.expire_scores(now);
            // Scores fade: who reads the snapshot sees it.
            out.changed = true;
        }
        if pool.take_unsaved_scores(is_period) {
            out.jobs.push(Job::SaveScores);
        }
        let is_dial_round = now >= self.next_dials;
        if is_dial_round {
            self.next_dials = now + pool.policy().dial_period;
        }
        if pool.take_fresh_points() {
            self.hold_until = now;
        }
        let mut found = Findings::default();
        self.names.ask(now, pool, out, &mut found);
        self.drop_surplus(now, pool, out, &mut found);
        self.dial_persistent(now, pool, out, &mut found);
        if now >= self.hold_until {
            let (rng, found) = (&mut self.rng, &mut found);
            if pool.policy().is_seed_mode {
                self.crawl.round(now, rng, pool, out, found);
            } else {
                self.roles.round(&mut roles::Round { now, is_dial_round, rng, pool, out, found });
                self.dial_missing(now, is_dial_round, pool, out, found);
            }
            self.feel(now, pool, out, found);
        } else {
            found.wait_for(Some(self.hold_until));
        }
        self.end_rounds(pool, out, &found);
        found.wait_for(pool.slots().next_deadline());
        found.wait_for(Some(self.next_period.min(self.next_dials)));
        self.deadline = found.next_at.unwrap_or(self.next_period).max(now + REST);
    }

    fn drop_surplus(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let bounds = pool.policy().bounds;
        let links = pool.counts().links();
        if links <= bounds.max_threshold as usize {
            return;
        }
        let surplus = links - bounds.max_target as usize;
        let dropped = pool.whom_to_drop(now, surplus, None, &mut self.rng);
        for link in &dropped {
            pool.doom(now, *link, CloseReason::Evicted);
            out.commands.push(Command::Close { link: *link, reason: CloseReason::Evicted });
        }
        if dropped.len() < surplus {
            found.is_stuck = true;
            let left = links - dropped.len();
            self.log_stuck(now, out, || {
                format!(
                    "{left} links are above pool.max_target ({}), and only protected ones and those that pool.roles needs remain",
                    bounds.max_target
                )
            });
        }
    }

    fn dial_persistent(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let (due, next_at) = pool.whom_of_own_to_dial(now, true, &mut self.rng);
        found.wait_for(next_at);
        for (at, expect) in due {
            if !dial(now, at, expect, Purpose::Persistent, pool, out, found) {
                break;
            }
        }
    }

    fn dial_missing(&mut self, now: Time, is_dial_round: bool, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let missing = missing(pool);
        let is_short = pool.points().len() < pool.policy().points_short;
        if is_dial_round && is_short && missing > 0 {
            pool.expire_points(now);
            pool.want_addresses();
            out.nudge_exchange = true;
        }
        if missing == 0 {
            return;
        }
        let candidates = pool.whom_to_dial(now, missing, &mut self.rng);
        found.wait_for(candidates.next_at);
        let is_dry = candidates.now.is_empty();
        for at in candidates.now {
            if !dial(now, at, None, Purpose::Wanted, pool, out, found) {
                break;
            }
        }
        if !is_dry || pool.counts().dialing > 0 {
            return;
        }
        let (seeds, next_at) = pool.whom_of_own_to_dial(now, false, &mut self.rng);
        found.wait_for(next_at);
        let Some((at, expect)) = seeds.first().copied() else {
            found.is_stuck = true;
            let (links, known) = (pool.counts().links(), pool.points().len());
            if is_dial_round {
                let text =
                    || format!("{missing} links are missing beside {links}; of {known} known addresses none may be dialed now");
                self.log_stuck(now, out, text);
            }
            return;
        };
        dial(now, at, expect, Purpose::Seed, pool, out, found);
    }

    /// Proves claimed addresses, so that they may be shared as healthy. Only while places are free.
    fn feel(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let is_feeler = |purpose: Option<Purpose>| purpose == Some(Purpose::Feeler);
        let feeling = pool.slots().iter().filter(|slot| is_feeler(slot.purpose) && slot.phase == Phase::Dialing).count();
        for _ in feeling..FEELERS_MAX {
            let candidates = pool.whom_to_feel(now, &mut self.rng);
            found.wait_for(candidates.next_at);
            let Some(at) = candidates.now.first().copied() else { return };
            if !dial(now, at, None, Purpose::Feeler, pool, out, found) {
                return;
            }
        }
    }

    /// Rounds that were asked for end when no dial for a link is under way: bounds are kept, or nothing more can be done now.
    fn end_rounds(&mut self, pool: &Pool, out: &mut Outbox, found: &Findings) {
        let is_for_link = |purpose: Option<Purpose>| matches!(purpose, Some(Purpose::Wanted | Purpose::Role | Purpose::Seed));
        let is_under_way = pool.slots().iter().any(|slot| is_for_link(slot.purpose) && slot.phase < Phase::Open);
        if is_under_way {
            return;
        }
        let links = pool.counts().links();
        let is_stuck = found.is_stuck;
        out.notices.extend(self.rounds.drain(..).map(|ticket| Notice::RoundEnded { ticket, links, is_stuck }));
    }

    fn log_stuck(&mut self, now: Time, out: &mut Outbox, text: impl FnOnce() -> String) {
        out.log.extend(self.stuck_lines.line(now, text).map(|line| (log::Level::Info, LOG, line)));
    }
}

/// Dials that are missing: up to `min_target` when links are below `min_threshold`, up to `outbound_target` in any case, never past
/// `max_target`.
pub(super) fn missing(pool: &Pool) -> usize {
    let (bounds, counts) = (pool.policy().bounds, pool.counts());
    let below = |target: u32, count: usize| (target as usize).saturating_sub(count);
    let of_links =
        if counts.links() < bounds.min_threshold as usize { below(bounds.min_target, counts.links_and_dialing()) } else { 0 };
    let of_outbound = below(bounds.outbound_target, counts.outbound_and_dialing());
    of_links
        .max(of_outbound)
        .min(below(bounds.max_target, counts.links_and_dialing()))
        .min(below(bounds.outbound_max, counts.outbound_and_dialing()))
        .min(pool.policy().dials_max.saturating_sub(counts.dialing))
}

/// Claims a dial and orders it. False if no further one can begin now.
pub(super) fn dial(
    now: Time,
    to: SocketAddr,
    expect: Option<PeerId>,
    why: Purpose,
    pool: &mut Pool,
    out: &mut Outbox,
    found: &mut Findings,
) -> bool {
    match pool.claim_dial(now, to, expect, why) {
        Ok(link) => {
            out.commands.push(Command::Dial { link, to, expect, tag: None });
            true
        }
        Err(DialError::TooFast(next_at)) => {
            found.wait_for(Some(next_at));
            false
        }
        Err(DialError::Stopping | DialError::TooManyDials { .. } | DialError::NoPlace { .. }) => false,
        Err(_) => true,
    }
}

impl Machine for Maintenance {
    type Input = Input;

    fn handle(&mut self, now: Time, input: Input, pool: &mut Pool, out: &mut Outbox) {
        match input {
            Input::Done(Done::Resolved { ticket, addresses }) => self.names.resolved(now, ticket, &addresses, pool),
            Input::Round { ticket } => {
                self.rounds.push(ticket);
                (self.hold_until, self.next_dials, self.next_period) = (now, now, now);
            }
        }
        self.round(now, pool, out);
    }

    fn wake(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        self.round(now, pool, out);
    }

    fn deadline(&self) -> Option<Time> {
        Some(self.deadline)
    }
}
