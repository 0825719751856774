//! Filling up: how many links are missing, which dials are counted on to become some, and whom to dial for them. Maintenance asks it in each
//! round, and `roles.rs`. It orders no dial; it only ends those that keep the places of better ones.

use super::farewell;
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::outbox::Outbox;
use crate::pool::choose_dial::Candidates;
use crate::pool::slots::{Phase, Purpose, Slot};
use crate::pool::table::Pool;
use std::net::SocketAddr;
use std::time::Duration;

/// Candidates that are asked for, for each dial that is missing: some lead to a crowded host, or to a peer that is being dialed elsewhere
/// (CometBFT tries so many).
const CANDIDATES_PER_DIAL: usize = 3;
/// While links are below `pool.min`, a dial that nobody has answered for so long is none to count on: CometBFT waits no longer for any. Who is
/// there answers within a few round trips, and one second more if a first packet was lost (RFC 6298).
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// Dials that are missing: up to `min_target` while links are filled up, up to `outbound_target` in any case. With too few links others are
/// begun beside those that nobody answers, or a node whose most addresses are dead, or behind a cut, would wait for each; but all under way
/// together never lead past `max_target`.
pub(super) fn missing(now: Time, pool: &Pool, is_filling: bool) -> usize {
    let dialing = pool.counts().dialing;
    let free = places(pool, dialing).min(pool.policy().dials_max.saturating_sub(dialing));
    wanted(pool, is_filling, hopeful(now, pool)).min(free)
}

/// Links that are missing if so many dials become some.
pub(super) fn lacking(pool: &Pool, is_filling: bool, dialing: usize) -> usize {
    wanted(pool, is_filling, dialing).min(places(pool, dialing))
}

/// Addresses for so many dials. With too few links those come first where nobody was missed yet.
pub(super) fn candidates(now: Time, missing: usize, rng: &mut Rng, pool: &Pool) -> Candidates {
    let mut candidates = pool.whom_to_dial(now, missing * CANDIDATES_PER_DIAL, rng);
    if has_too_few(pool) {
        candidates.now.sort_by_key(|at| !is_fresh(pool, *at));
    }
    candidates
}

/// With too few links and no place for another dial, those that nobody answers give theirs to addresses that have not failed yet: first
/// everybody is tried in haste, then each with the patience of `dial.timeout`.
pub(super) fn make_room(now: Time, is_filling: bool, rng: &mut Rng, pool: &mut Pool, out: &mut Outbox) {
    if !has_too_few(pool) {
        return;
    }
    let kept_out = wanted(pool, is_filling, hopeful(now, pool)).saturating_sub(missing(now, pool, is_filling));
    let is_first =
        |slot: &&Slot| slot.purpose == Some(Purpose::Wanted) && slot.phase == Phase::Dialing && is_fresh(pool, slot.remote);
    let is_silent = |slot: &&Slot| is_first(slot) && slot.since + ANSWERED_WITHIN <= now;
    let silent: Vec<LinkId> = dials(pool).filter(is_silent).map(|slot| slot.link).take(kept_out).collect();
    let others = candidates(now, silent.len(), rng, pool).now;
    let others = others.into_iter().filter(|at| is_fresh(pool, *at)).count();
    for link in silent.into_iter().take(others) {
        farewell::close(now, link, CloseReason::ConnectTimeout, rng, pool, out);
    }
}

/// When the first dial that is counted on now is no more, with too few links.
pub(super) fn hopeful_until(now: Time, pool: &Pool) -> Option<Time> {
    has_too_few(pool).then(|| dials(pool).map(|slot| slot.since + ANSWERED_WITHIN).filter(|at| *at > now).min())?
}

/// How many dials are counted on to become links.
fn hopeful(now: Time, pool: &Pool) -> usize {
    let is_young = |slot: &&Slot| slot.since + ANSWERED_WITHIN > now;
    if has_too_few(pool) { dials(pool).filter(is_young).count() } else { pool.counts().dialing }
}

fn has_too_few(pool: &Pool) -> bool {
    pool.counts().links() < pool.policy().bounds.min as usize
}

/// Dials for a link that nobody has answered yet.
fn dials(pool: &Pool) -> impl Iterator<Item = &Slot> {
    let is_dial =
        |slot: &&Slot| slot.doomed.is_none() && matches!(slot.phase, Phase::Dialing | Phase::Recognised) && !slot.is_feeler();
    pool.slots().iter().filter(is_dial)
}

/// Nobody was missed there since somebody was last met.
fn is_fresh(pool: &Pool, at: SocketAddr) -> bool {
    pool.points().get(at).is_some_and(|point| point.attempts == 0)
}

/// Links that are wanted beside so many dials, whether there are places for them or not.
fn wanted(pool: &Pool, is_filling: bool, dialing: usize) -> usize {
    let (bounds, counts) = (pool.policy().bounds, pool.counts());
    let below = |target: u32, count: usize| (target as usize).saturating_sub(count);
    let of_links = if is_filling { below(bounds.min_target, counts.links() + dialing) } else { 0 };
    of_links.max(below(bounds.outbound_target, counts.outbound + dialing))
}

/// Places that are left beside so many dials.
fn places(pool: &Pool, dialing: usize) -> usize {
    let (bounds, counts) = (pool.policy().bounds, pool.counts());
    let outbound = (counts.outbound + dialing).saturating_sub(counts.extra_outbound);
    let free = |most: u32, taken: usize| (most as usize).saturating_sub(taken);
    free(bounds.max_target, counts.links() + dialing).min(free(bounds.outbound_max, outbound))
}
