//! Filling up: how many links are missing, and which dials are counted on to become some. Maintenance asks it in each round, and `roles.rs`.
//! It orders nothing.

use crate::base::time::Time;
use crate::pool::slots::{Phase, Purpose, Slot};
use crate::pool::table::Pool;
use std::time::Duration;

/// While links are below `pool.min`, a dial that nobody has answered for so long is none to count on: CometBFT waits no longer for any. Who is
/// there answers within a few round trips, and one second more if a first packet was lost (RFC 6298).
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);

/// Dials that are missing: up to `min_target` while links are filled up, up to `outbound_target` in any case. With too few links others are
/// begun beside those that nobody answers, or a node whose most addresses are dead, or behind a cut, would wait for each; but all under way
/// together never lead past `max_target`.
pub(super) fn missing(now: Time, pool: &Pool, is_filling: bool) -> usize {
    let dialing = pool.counts().dialing;
    let free = places(pool, dialing).min(pool.policy().hearsay_dials_max().saturating_sub(dialing));
    wanted(pool, is_filling, hopeful(now, pool)).min(free)
}

/// Links that are missing if so many dials become some.
pub(super) fn lacking(pool: &Pool, is_filling: bool, dialing: usize) -> usize {
    wanted(pool, is_filling, dialing).min(places(pool, dialing))
}

/// Whether a dial that is to bring links, or addresses, is counted on: then seeds are left alone.
pub(super) fn has_hope(now: Time, pool: &Pool) -> bool {
    let is_of_need = |purpose| matches!(purpose, Purpose::Wanted | Purpose::Role | Purpose::Anchor | Purpose::Seed);
    let has_too_few = has_too_few(pool);
    dials(pool).any(|slot| slot.purpose.is_some_and(is_of_need) && is_counted_on(now, slot, has_too_few))
}

/// How many dials for that are under way.
pub(super) fn count(pool: &Pool, purpose: Purpose) -> usize {
    dials(pool).filter(|slot| slot.purpose == Some(purpose)).count()
}

/// When the first dial that is counted on now is no more.
pub(super) fn hopeful_until(now: Time, pool: &Pool) -> Option<Time> {
    let has_too_few = has_too_few(pool);
    let ends = dials(pool).filter(|slot| has_too_few || slot.purpose == Some(Purpose::Persistent));
    ends.map(|slot| slot.since + ANSWERED_WITHIN).filter(|at| *at > now).min()
}

/// How many dials are counted on to become links.
fn hopeful(now: Time, pool: &Pool) -> usize {
    let has_too_few = has_too_few(pool);
    dials(pool).filter(|slot| is_counted_on(now, slot, has_too_few)).count()
}

/// Somebody has answered, or may be about to. Persistent peers are dialed for ever, dead ones as well: they are never waited for.
fn is_counted_on(now: Time, slot: &Slot, has_too_few: bool) -> bool {
    let is_in_time = slot.since + ANSWERED_WITHIN > now;
    slot.phase == Phase::Recognised || is_in_time || !has_too_few && slot.purpose != Some(Purpose::Persistent)
}

pub(super) fn has_too_few(pool: &Pool) -> bool {
    pool.counts().links() < pool.policy().bounds.min as usize
}

/// Dials for a link that is not made yet.
fn dials(pool: &Pool) -> impl Iterator<Item = &Slot> {
    let is_dial =
        |slot: &&Slot| slot.doomed.is_none() && matches!(slot.phase, Phase::Dialing | Phase::Recognised) && !slot.is_feeler();
    pool.slots().iter().filter(is_dial)
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
