//! Maintenance's part in role quotas: it dials peers with a capability that too few linked peers have, lets a link go for one at
//! `pool.max_target`, has others asked when it knows nobody, and says when a quota cannot be met. Called in each round of maintenance, before
//! other dials; the pool says who is wanted and who may go.

use super::filling::missing;
use super::maintenance::{Findings, dial};
use crate::base::quota::RoleQuota;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::command::Command;
use crate::bus::outbox::{Notice, Outbox};
use crate::pool::dialing::DialError;
use crate::pool::slots::Purpose;
use crate::pool::table::Pool;
use std::collections::BTreeMap;
use std::time::Duration;

const LOG: &str = "bowline::maintain";
/// Time between two notices that the same quota is not met.
pub(super) const NOTICE_PERIOD: Duration = Duration::from_secs(600);

/// What is remembered of a quota.
#[derive(Debug, Default)]
struct Shortage {
    /// Since when it has not been met.
    since: Option<Time>,
    told: Option<Time>,
}

/// What maintenance remembers of quotas; no more of them than there are quotas.
#[derive(Debug, Default)]
pub(super) struct Roles {
    shortages: BTreeMap<String, Shortage>,
}

/// What a round works with.
pub(super) struct Round<'a> {
    pub now: Time,
    /// The period of dialing begins again.
    pub is_dial_round: bool,
    pub is_filling: bool,
    pub rng: &'a mut Rng,
    pub pool: &'a mut Pool,
    pub out: &'a mut Outbox,
    pub found: &'a mut Findings,
}

impl Roles {
    /// Does what can be done for all quotas now.
    pub fn round(&mut self, round: &mut Round<'_>) {
        let quotas = round.pool.quotas().to_vec();
        self.shortages.retain(|capability, _| quotas.iter().any(|one| one.capability == *capability));
        for one in &quotas {
            // A share is one of the links that there will be.
            let links = round.pool.counts().links_and_dialing() + missing(round.now, round.pool, round.is_filling);
            let is_trying = round.dial_for(one, links);
            if round.is_dial_round && !is_trying && round.pool.tally(one, links).missing() > 0 {
                round.pool.want_addresses();
                round.out.nudge_exchange = true;
            }
            self.tell(one, is_trying, round);
        }
    }

    /// Says, now and then, that a quota has not been met for a whole period of dialing and nothing can be done.
    fn tell(&mut self, one: &RoleQuota, is_trying: bool, round: &mut Round<'_>) {
        let (now, pool) = (round.now, &*round.pool);
        let tally = pool.tally(one, pool.counts().links());
        let shortage = self.shortages.entry(tally.capability.clone()).or_default();
        if tally.linked >= tally.wanted {
            shortage.since = None;
            return;
        }
        let is_lasting = now.since(*shortage.since.get_or_insert(now)) >= pool.policy().dial_period;
        let is_new = shortage.told.is_none_or(|told| now.since(told) >= NOTICE_PERIOD);
        if is_trying || tally.dialing > 0 || !is_lasting || !is_new {
            return;
        }
        shortage.told = Some(now);
        let (wanted, linked) = (tally.wanted, tally.linked);
        let text = format!(
            "{linked} of {wanted} wanted links lead to peers with '{}', and nobody else with it can be dialed now",
            tally.capability
        );
        round.out.log.push((log::Level::Info, LOG, text));
        round.out.notices.push(Notice::RoleShort { capability: tally.capability, wanted, linked });
    }
}

impl Round<'_> {
    /// Dials for a quota. True if somebody is dialed for it, or could be but for the pace of dials.
    fn dial_for(&mut self, one: &RoleQuota, links: usize) -> bool {
        let tally = self.pool.tally(one, links);
        let mut is_trying = tally.dialing > 0;
        if tally.missing() == 0 {
            return is_trying;
        }
        let candidates = self.pool.whom_to_dial_for(self.now, &one.capability, tally.missing(), self.rng);
        self.found.wait_for(candidates.next_at);
        for at in candidates.now {
            let expect = self.pool.points().get(at).and_then(|point| point.expected);
            // Nobody goes for a dial that could not begin.
            if let Err(error) = self.pool.may_claim(self.now, at, expect, Purpose::Role) {
                is_trying |= matches!(error, DialError::TooFast(_) | DialError::TooFastThere(..));
                if self.found.note(error) {
                    continue;
                }
                break;
            }
            if !self.make_room() {
                break;
            }
            is_trying = true;
            if !dial(self.now, at, expect, Purpose::Role, self.pool, self.out, self.found) {
                break;
            }
        }
        is_trying
    }

    /// True if there is room for one more outbound link. At `pool.max_target`, and when no outbound place is free, another link goes
    /// for it, at a bounded pace and never below `pool.min`.
    fn make_room(&mut self) -> bool {
        let (bounds, counts) = (self.pool.policy().bounds, self.pool.counts());
        let (outbound_max, target) = (bounds.outbound_max as usize, bounds.max_target as usize);
        let is_outbound_full = counts.outbound.saturating_sub(counts.extra_outbound) >= outbound_max;
        if !is_outbound_full && counts.links() < target {
            // Dials may have taken the last places: how they end is waited for.
            return counts.ordinary_outbound() < outbound_max && counts.links_and_dialing() < target;
        }
        if counts.links() <= bounds.min as usize {
            return false;
        }
        let direction = is_outbound_full.then_some(Direction::Outbound);
        let Some(link) = self.pool.whom_to_replace(self.now, direction, self.rng) else { return false };
        if let Err(next_at) = self.pool.take_replacement(self.now) {
            self.found.wait_for(Some(next_at));
            return false;
        }
        self.pool.doom(self.now, link, CloseReason::Evicted);
        self.out.commands.push(Command::Close { link, reason: CloseReason::Evicted });
        true
    }
}
