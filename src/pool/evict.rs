//! Who gives way when all inbound places are taken and somebody new comes: Bitcoin Core's eviction with what a node of any application can
//! know. Whoever fills the places would have to be better than others in every way at once, and from many networks, to keep them. It changes
//! nothing; `make_inbound_place` asks it last.

use super::slots::{Slot, Use};
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::point::Group;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::crypto::hash::blake2b_keyed;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Groups of which the oldest link stays: which ones nobody outside can foresee (Bitcoin protects 4 by keyed netgroup).
const GROUPS_KEPT: usize = 4;
/// Links that stay for the shortest round trips: to be near takes machines that are (Bitcoin, 8).
const NEAREST_KEPT: usize = 8;
/// Links that stay for each way of having been of use last (Bitcoin, 4 by transactions and 4 by blocks).
const USEFUL_KEPT: usize = 4;

impl Pool {
    /// The inbound link to let go for a newcomer, if nothing speaks for one. Those of trusted and persistent peers stay, those that a quota
    /// needs, and those younger than `pool.evict_age_min`. Of the others stay, in this order: the oldest of four groups by a secret order, the
    /// eight nearest, the four last useful in each way, then the older half. Of what is left, bad scores alone if there are any, the
    /// youngest of the largest group goes.
    pub(super) fn whom_to_evict(&mut self, now: Time, rng: &mut Rng) -> Option<LinkId> {
        let key = *self.evict_key.get_or_insert_with(|| {
            let mut key = [0; 16];
            rng.fill(&mut key);
            key
        });
        let spare = self.spare(self.slots.counts().links());
        let mut left = self.droppable(now, Some(Direction::Inbound), rng);
        left.retain(|slot| now.since(slot.since) >= self.policy.evict_age_min && !spare.needs(slot.hello.as_deref()));
        // Equal ones go by age everywhere: who was there first stays.
        left.sort_by_key(|slot| age(slot));
        let group = |slot: &Slot| self.policy.group(slot.remote.ip());
        self.keep_groups(&mut left, &key);
        keep(&mut left, NEAREST_KEPT, |slot| slot.min_rtt);
        for way in Use::ALL {
            keep(&mut left, USEFUL_KEPT, |slot| slot.useful[way as usize].map(Reverse));
        }
        left.drain(..left.len() / 2);
        let is_bad = |slot: &&Slot| slot.peer.is_some_and(|peer| self.scores.value(now, &peer) < 0);
        if left.iter().any(&is_bad) {
            left.retain(|slot| is_bad(slot));
        }
        let mut crowds: BTreeMap<Group, Vec<&Slot>> = BTreeMap::new();
        for slot in left {
            crowds.entry(group(slot)).or_default().push(slot);
        }
        // The youngest is the last of each; among equal crowds the one that has grown last.
        let largest = crowds.into_values().max_by_key(|crowd| (crowd.len(), crowd.last().map(|slot| age(slot))));
        largest?.last().map(|slot| slot.link)
    }

    /// Takes out the oldest link of each of the first groups by a secret order.
    fn keep_groups(&self, left: &mut Vec<&Slot>, key: &[u8; 16]) {
        let groups: BTreeSet<Group> = left.iter().map(|slot| self.policy.group(slot.remote.ip())).collect();
        let rank = |group: &Group| -> [u8; 16] { blake2b_keyed(key, &[group.to_string().as_bytes()]) };
        let ranks: BTreeMap<[u8; 16], Group> = groups.into_iter().map(|group| (rank(&group), group)).collect();
        for kept in ranks.into_values().take(GROUPS_KEPT) {
            if let Some(oldest) = left.iter().position(|slot| self.policy.group(slot.remote.ip()) == kept) {
                left.remove(oldest);
            }
        }
    }

    /// What the counters say of a link. Messages that have come since the last look are of use.
    pub fn note_measure(&mut self, now: Time, link: LinkId, rtt: Option<Duration>, messages_in: u64) {
        let Some(slot) = self.slots.note_on(link) else { return };
        slot.min_rtt = [slot.min_rtt, rtt].into_iter().flatten().min();
        if messages_in > slot.messages_in {
            slot.messages_in = messages_in;
            self.note_use(now, link, Use::Messages);
        }
    }

    /// The peer of that link was of use. False if there is no such link.
    pub fn note_use(&mut self, now: Time, link: LinkId, way: Use) -> bool {
        let Some(slot) = self.slots.note_on(link).filter(|slot| slot.is_link()) else { return false };
        slot.useful[way as usize] = Some(now);
        self.note_good(now, link);
        true
    }
}

/// Older ones have less, also of two that opened at the same moment.
fn age(slot: &Slot) -> (Time, Option<u64>) {
    (slot.since, slot.opened_at_step)
}

/// Takes out the first `count` by `rank` of those that have one.
fn keep<K: Ord>(left: &mut Vec<&Slot>, count: usize, rank: impl Fn(&Slot) -> Option<K>) {
    let mut ranked: Vec<(K, LinkId)> = left.iter().filter_map(|slot| Some((rank(slot)?, slot.link))).collect();
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    ranked.truncate(count);
    left.retain(|slot| ranked.iter().all(|(_, link)| *link != slot.link));
}
