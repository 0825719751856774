//! Choice of whom to drop. It changes nothing; chance comes as an argument. Maintenance asks it, and whoever makes room for somebody else.

use super::slots::Slot;
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;

impl Pool {
    /// Up to `count` open links to drop: the lowest scores first, at random among equals (Tezos), of the unprotected. As many outbound ones
    /// as we want to keep stay, and those that a quota needs.
    pub fn whom_to_drop(&self, now: Time, count: usize, direction: Option<Direction>, rng: &mut Rng) -> Vec<LinkId> {
        let counts = self.slots.counts();
        let mut outbound = counts.outbound.saturating_sub(self.policy.bounds.outbound_target as usize);
        let mut roles = self.spare(counts.links().saturating_sub(count));
        let mut links = self.droppable(now, direction, rng);
        links.retain(|slot| {
            let is_outbound = slot.direction == Direction::Outbound;
            let may_go = (!is_outbound || outbound > 0) && roles.take(slot.hello.as_deref());
            outbound -= usize::from(may_go && is_outbound);
            may_go
        });
        links.into_iter().take(count).map(|slot| slot.link).collect()
    }

    /// Open links in the order in which they may be dropped: first those that were dialed in vain for a role, then by score, at random
    /// among equals. Not those of trusted and persistent peers.
    pub(super) fn droppable(&self, now: Time, direction: Option<Direction>, rng: &mut Rng) -> Vec<&Slot> {
        let is_persistent = |slot: &Slot| slot.point.and_then(|at| self.points.get(at)).is_some_and(|point| point.is_persistent);
        let is_protected = |slot: &Slot| slot.peer.is_some_and(|peer| self.is_protected(now, slot.remote.ip(), &peer));
        let is_of = |slot: &Slot| direction.is_none_or(|wanted| wanted == slot.direction);
        let may_go = |slot: &&Slot| slot.is_open() && is_of(slot) && !is_protected(slot) && !is_persistent(slot);
        let mut links: Vec<&Slot> = self.slots.iter().filter(may_go).collect();
        rng.shuffle(&mut links);
        let score = |slot: &Slot| slot.peer.map_or(0, |peer| self.scores.value(now, &peer));
        links.sort_by_cached_key(|slot| (!self.is_disappointing(slot), score(slot)));
        links
    }
}
