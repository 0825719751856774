//! Maintenance: keeps the number of links in bounds. It drops what is too much, dials what is missing, keeps persistent peers linked and
//! proves claimed addresses. It claims and commands; what becomes of it comes back through welcome and a nudge.
//!
//! One round, in order: overdue places are closed; each period, what has expired goes; links above the bounds are dropped. Unless the node
//! is paused: anchors and persistent points are dialed; then peers with roles that are wanted (`roles.rs`); a seed, when links have been too few
//! for long; then what is missing; seeds, when nothing else was left to dial; last, addresses that want proof (`feelers.rs`).

use super::farewell;
use super::feelers::Feelers;
use super::filling;
use super::machine::Machine;
use super::names::Names;
use super::roles::{self, Roles};
use super::saving::Saving;
use super::seeding::Crawl;
use crate::base::address::Address;
use crate::base::limits::{ORDERS_MAX, PERSISTENT_MAX};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::{Answered, Done, Job, Measure, Notice, Outbox};
use crate::pool::dialing::DialError;
use crate::pool::lists::Standing;
use crate::pool::saved::Anchor;
use crate::pool::slots::{Phase, Purpose};
use crate::pool::table::Pool;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

const LOG: &str = "bowline::maintain";
const ITSELF: &str = "that is this node itself";
const OTHER_IDENTITY: &str =
    "another identity is configured at that address: remove that persistent peer first, or change discovery.seeds";
const TOO_MANY_PERSISTENT: &str = "256 persistent peers are kept, which is the most: remove one first";
/// Outbound links to fewer groups of addresses may all be one party's (threat T28).
const GROUPS_MIN: usize = 4;
/// Candidates that are asked for, for each dial that is missing: some lead to a crowded host, or to a peer that is being dialed elsewhere
/// (CometBFT tries so many).
pub(super) const CANDIDATES_PER_DIAL: usize = 3;
/// It asks to be woken no sooner than this after a round, whatever is due; inputs and nudges have a round at once.
const REST: Duration = Duration::from_millis(1);

/// What maintenance is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A name was resolved.
    Done(Done),
    /// Run a round now; answered when it has ended.
    Round { ticket: u64 },
    /// Dial the seeds now, as many as there are places for; answered with how many dials began.
    DialSeeds { ticket: u64 },
    /// Keep a link with the peer at that address from now on, or no longer; answered with whether that is new.
    Persistent { ticket: u64, address: Address, is_added: bool },
}

/// The maintenance worker's machine.
#[derive(Debug)]
pub struct Maintenance {
    rng: Rng,
    /// Configured addresses that are not in the pool yet.
    unfixed: Vec<(Address, bool)>,
    names: Names,
    is_started: bool,
    /// Links came below `min_threshold`, and are to come up to `min_target`.
    is_filling: bool,
    anchors: Vec<Anchor>,
    feelers: Feelers,
    next_period: Time,
    next_dials: Time,
    /// The first round of dialing waits until then, unless addresses are learned; none: whether it does is to be seen yet.
    hold_until: Option<Time>,
    /// When a seed is dialed though addresses are left; none: links are enough.
    seed_at: Option<Time>,
    /// Rounds that callers wait for, the oldest first.
    rounds: VecDeque<u64>,
    deadline: Time,
    stuck_lines: Throttle,
    is_surplus_told: bool,
    are_few_groups_told: bool,
    roles: Roles,
    saving: Saving,
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
    /// The pace of all dials keeps the next one waiting: there is more to come.
    is_paced: bool,
}

impl Findings {
    pub fn wait_for(&mut self, at: Option<Time>) {
        self.next_at = [self.next_at, at].into_iter().flatten().min();
    }

    /// Takes note of why a dial cannot begin. True if another one might.
    pub fn note(&mut self, error: DialError) -> bool {
        match error {
            DialError::TooFast(next_at) => {
                self.is_paced = true;
                self.wait_for(Some(next_at));
                false
            }
            DialError::TooFastThere(_, next_at) => {
                self.wait_for(Some(next_at));
                true
            }
            DialError::Stopping | DialError::Paused | DialError::TooManyDials { .. } | DialError::NoPlace { .. } => false,
            _ => true,
        }
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
            is_filling: false,
            anchors: Vec::new(),
            feelers: Feelers::default(),
            next_period: Time::ZERO,
            next_dials: Time::ZERO,
            hold_until: None,
            seed_at: None,
            rounds: VecDeque::new(),
            deadline: Time::ZERO,
            stuck_lines: Throttle::default(),
            is_surplus_told: false,
            are_few_groups_told: false,
            roles: Roles::default(),
            saving: Saving::default(),
            crawl: Crawl::default(),
        }
    }

    fn start(&mut self, now: Time, pool: &mut Pool) {
        self.is_started = true;
        for (address, is_persistent) in std::mem::take(&mut self.unfixed) {
            self.names.add(now, address, is_persistent, pool);
        }
        self.anchors = pool.take_anchors();
        self.next_period = now + pool.policy().maintenance_period;
        self.next_dials = now;
    }

    /// When the first round may dial: a node that restarts among its peers does not do so in step with all others (CometBFT's first round).
    /// Anchors and persistent peers have been dialed by now, so that it has peers if it knows any.
    fn held_until(&mut self, now: Time, pool: &Pool) -> Time {
        let period = u64::try_from(pool.policy().dial_period.as_nanos()).unwrap_or(u64::MAX);
        let has_peers = pool.counts().links_and_dialing() > 0;
        let rng = &mut self.rng;
        let drawn = || if has_peers { now + Duration::from_nanos(rng.below(period)) } else { now };
        *self.hold_until.get_or_insert_with(drawn)
    }

    fn round(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        if !self.is_started {
            self.start(now, pool);
        }
        farewell::sweep(now, &mut self.rng, pool, out);
        let is_period = now >= self.next_period;
        if is_period {
            self.clean(now, pool, out);
        }
        self.saving.round(is_period, pool, out);
        let is_dial_round = now >= self.next_dials;
        if is_dial_round {
            self.next_dials = now + pool.policy().dial_period;
            out.jobs.extend((pool.counts().open > 0).then_some(Job::Measure));
        }
        if pool.take_fresh_points() {
            self.hold_until = Some(now);
        }
        self.note_filling(pool);
        let mut found = Findings::default();
        self.drop_surplus(now, pool, out, &mut found);
        if !pool.is_paused() {
            self.dial_all(now, is_dial_round, pool, out, &mut found);
        }
        self.end_rounds(pool, out, &found);
        found.wait_for(pool.slots().next_deadline());
        found.wait_for(filling::hopeful_until(now, pool));
        found.wait_for(Some(self.next_period.min(self.next_dials)));
        self.deadline = found.next_at.unwrap_or(self.next_period).max(now + REST);
    }

    /// What each period forgets and looks after.
    fn clean(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        self.next_period = now + pool.policy().maintenance_period;
        pool.lists_mut().expire(now);
        pool.expire_points(now);
        pool.expire_peers(now);
        pool.expire_scores(now);
        let strangers = pool.part_with_strangers(now);
        out.commands.extend(strangers.into_iter().map(|link| Command::Close { link, reason: CloseReason::NotTrusted }));
        // Scores fade: who reads the snapshot sees it.
        out.changed = true;
        let (groups, links) = pool.outbound_groups();
        if groups >= GROUPS_MIN {
            self.are_few_groups_told = false;
        } else if groups < links && !std::mem::replace(&mut self.are_few_groups_told, true) {
            out.notices.push(Notice::FewGroups { groups });
        }
    }

    /// Below the threshold, links are filled up to the target, whatever becomes of single dials: a node that has come back to the
    /// threshold would else fall below it with the next loss.
    fn note_filling(&mut self, pool: &Pool) {
        let (bounds, links) = (pool.policy().bounds, pool.counts().links());
        if links >= bounds.min_target as usize {
            self.is_filling = false;
        } else if links < bounds.min_threshold as usize {
            self.is_filling = true;
        }
    }

    fn dial_all(&mut self, now: Time, is_dial_round: bool, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        self.names.ask(now, pool, out, found);
        self.dial_anchors(now, pool, out, found);
        self.dial_persistent(now, pool, out, found);
        let held_until = self.held_until(now, pool);
        if now < held_until {
            found.wait_for(Some(held_until));
            return;
        }
        if pool.policy().is_seed_mode {
            self.crawl.round(now, &mut self.rng, pool, out, found);
            self.feelers.round(now, &mut self.rng, pool, out, found);
            return;
        }
        let (rng, is_filling) = (&mut self.rng, self.is_filling);
        self.roles.round(&mut roles::Round { now, is_dial_round, is_filling, rng, pool, out, found });
        self.dial_seed_in_need(now, pool, out, found);
        self.dial_missing(now, is_dial_round, pool, out, found);
        self.feelers.round(now, &mut self.rng, pool, out, found);
    }

    fn drop_surplus(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let bounds = pool.policy().bounds;
        let links = pool.counts().links();
        if links <= bounds.max_threshold as usize {
            self.is_surplus_told = false;
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
            let (left, target) = (links - dropped.len(), bounds.max_target as usize);
            if !std::mem::replace(&mut self.is_surplus_told, true) {
                out.notices.push(Notice::Surplus { links: left, target });
            }
            self.log_stuck(now, out, || {
                format!(
                    "{left} links are above pool.max_target ({}), and only protected ones and those that pool.roles needs remain",
                    bounds.max_target
                )
            });
        }
    }

    /// Peers of long links before the restart come first: who has waited for it has not chosen them.
    fn dial_anchors(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let mut later = Vec::new();
        for anchor in self.anchors.drain(..) {
            let (at, peer) = (anchor.at, Some(anchor.peer));
            let is_held = matches!(pool.may_claim(now, at, peer, Purpose::Anchor), Err(DialError::TooFastThere(..)));
            if !dial(now, at, peer, Purpose::Anchor, pool, out, found) || is_held {
                later.push(anchor);
            }
        }
        self.anchors = later;
    }

    fn dial_persistent(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let (due, next_at) = pool.whom_of_own_to_dial(now, true, &mut self.rng);
        found.wait_for(next_at);
        // However many of them are dead: the other half of the dials is for seeds, and for who is known otherwise.
        let free = pool.policy().dials_max.div_ceil(2).saturating_sub(filling::count(pool, Purpose::Persistent));
        for (at, expect) in due.into_iter().take(free) {
            if !dial(now, at, expect, Purpose::Persistent, pool, out, found) {
                break;
            }
        }
    }

    /// Whoever fills the book with places where nobody answers, a few at a time, must not keep the node from its seeds: with too few links for
    /// a whole `dial.period` one is dialed, whatever addresses are left, and another each period.
    fn dial_seed_in_need(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        if !filling::has_too_few(pool) {
            self.seed_at = None;
            return;
        }
        let period = pool.policy().dial_period;
        let due = *self.seed_at.get_or_insert(now + period);
        if now < due {
            return found.wait_for(Some(due));
        }
        let (seeds, next_at) = pool.whom_of_own_to_dial(now, false, &mut self.rng);
        found.wait_for(next_at);
        if let Some((at, expect)) = seeds.first().copied()
            && dial(now, at, expect, Purpose::Seed, pool, out, found)
        {
            self.seed_at = Some(now + period);
        }
    }

    fn dial_missing(&mut self, now: Time, is_dial_round: bool, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let is_short = pool.points().len() < pool.policy().points_short;
        if is_dial_round && is_short {
            pool.expire_points(now);
            pool.want_addresses();
            out.nudge_exchange = true;
        }
        let missing = filling::missing(now, pool, self.is_filling);
        if missing == 0 {
            return;
        }
        let candidates = pool.whom_to_dial(now, missing * CANDIDATES_PER_DIAL, &mut self.rng);
        found.wait_for(candidates.next_at);
        let is_dry = candidates.now.is_empty();
        let before = out.commands.len();
        for at in candidates.now {
            let has_begun_all = out.commands.len() - before >= missing;
            if has_begun_all || !dial(now, at, None, Purpose::Wanted, pool, out, found) {
                break;
            }
        }
        if !is_dry || filling::has_hope(now, pool) {
            return;
        }
        let links = pool.counts().links();
        if filling::missing(now, pool, links < pool.policy().bounds.min_threshold as usize) == 0 {
            // Links are enough, only not as many as they are filled up to: that is nothing to trouble a seed with.
            return;
        }
        let (seeds, next_at) = pool.whom_of_own_to_dial(now, false, &mut self.rng);
        found.wait_for(next_at);
        let Some((at, expect)) = seeds.first().copied() else {
            found.is_stuck = true;
            let known = pool.points().len();
            if is_dial_round {
                let text =
                    || format!("{missing} links are missing beside {links}; of {known} known addresses none may be dialed now");
                self.log_stuck(now, out, text);
            }
            return;
        };
        dial(now, at, expect, Purpose::Seed, pool, out, found);
    }

    /// Rounds that were asked for end when the bounds are kept, whatever is under way, or when nothing more can be done: no dial for a
    /// link is under way, or waits for the pace of all dials. Of more than `ORDERS_MAX` the oldest end: dials may follow upon one another
    /// for ever, where nobody answers.
    fn end_rounds(&mut self, pool: &Pool, out: &mut Outbox, found: &Findings) {
        let is_for_link = |purpose: Option<Purpose>| purpose.is_some_and(Purpose::is_of_round);
        let is_under_way = || pool.slots().iter().any(|slot| is_for_link(slot.purpose) && slot.phase < Phase::Open);
        let links = pool.counts().links();
        let has_roles = || pool.tallies(links).iter().all(|tally| tally.linked >= tally.wanted);
        // A seed node keeps no links.
        let is_lacking = |is_filling| filling::lacking(pool, is_filling, 0) > 0 && !pool.policy().is_seed_mode;
        let bounds = pool.policy().bounds;
        let is_kept = !is_lacking(self.is_filling) && links <= bounds.max_threshold as usize && has_roles();
        let ended = if is_kept || !is_under_way() && !found.is_paced {
            self.rounds.len()
        } else {
            self.rounds.len().saturating_sub(ORDERS_MAX)
        };
        // Links above the threshold are in bounds, though they are to be more.
        let is_stuck = found.is_stuck || is_lacking(links < bounds.min_threshold as usize);
        out.answers.extend(self.rounds.drain(..ended).map(|ticket| (ticket, Answered::Round { links, is_stuck })));
    }

    fn dial_seeds(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) -> usize {
        self.names.hurry_seeds(now);
        let mut seeds = pool.idle_seeds(now);
        self.rng.shuffle(&mut seeds);
        let before = out.commands.len();
        for (at, expect) in seeds {
            if !dial(now, at, expect, Purpose::Seed, pool, out, &mut Findings::default()) {
                break;
            }
        }
        out.commands.len() - before
    }

    fn set_persistent(&mut self, now: Time, address: Address, is_added: bool, pool: &mut Pool) -> Answered {
        if !is_added {
            return Answered::Changed(self.names.remove_persistent(&address, pool));
        }
        let (ip, known) = (address.socket().map(|at| at.ip()), self.names.persistent_at(&address));
        let is_known = known.is_some_and(|known| address.id.is_none() || known.id == address.id);
        let is_full = known.is_none() && self.names.persistents() >= PERSISTENT_MAX;
        let is_banned = pool.lists().standing(now, ip, address.id.as_ref()) == Standing::Banned;
        let refused = match () {
            () if self.names.has_other_identity(&address) => Some(OTHER_IDENTITY),
            () if is_banned => Some("that address or its peer is banned: lift the ban first"),
            () if is_known => None,
            () if address.id == Some(pool.own()) => Some(ITSELF),
            () if is_full => Some(TOO_MANY_PERSISTENT),
            () => (!self.names.add(now, address, true, pool)).then_some(ITSELF),
        };
        refused.map_or(Answered::Changed(!is_known), Answered::Refused)
    }

    fn log_stuck(&mut self, now: Time, out: &mut Outbox, text: impl FnOnce() -> String) {
        out.log.extend(self.stuck_lines.line(now, text).map(|line| (log::Level::Info, LOG, line)));
    }
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
        Err(error) => found.note(error),
    }
}

impl Machine for Maintenance {
    type Input = Input;

    fn handle(&mut self, now: Time, input: Input, pool: &mut Pool, out: &mut Outbox) {
        if !self.is_started {
            self.start(now, pool);
        }
        match input {
            Input::Done(Done::Measured(links)) => {
                for Measure { link, rtt, messages_in } in links {
                    pool.note_measure(now, link, rtt, messages_in);
                }
                return;
            }
            Input::Done(Done::Resolved { ticket, addresses }) => self.names.resolved(now, ticket, &addresses, pool, out),
            Input::Done(Done::Saved { ticket, result }) => self.saving.saved(ticket, result, out),
            Input::Round { ticket } => {
                self.rounds.push_back(ticket);
                (self.hold_until, self.next_dials, self.next_period) = (Some(now), now, now);
            }
            Input::DialSeeds { ticket } => {
                let begun = self.dial_seeds(now, pool, out);
                out.answers.push((ticket, Answered::Dialed(begun)));
            }
            Input::Persistent { ticket, address, is_added } => {
                let answered = self.set_persistent(now, address, is_added, pool);
                out.answers.push((ticket, answered));
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
