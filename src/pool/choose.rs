//! What all choices share: whom nobody may be led to, whose score counts, how lots are drawn. `choose_dial.rs`, `choose_drop.rs` and
//! `choose_share.rs` ask it; it chooses nobody itself.

use super::lists::Standing;
use super::points::Point;
use super::table::Pool;
use crate::base::peer::PeerId;
use crate::base::time::Time;
use std::collections::BTreeSet;

impl Pool {
    /// The score of the peer that is supposed to be at a point.
    pub(super) fn score_of(&self, now: Time, point: &Point) -> i32 {
        point.peer.map_or(0, |peer| self.scores.value(now, &peer))
    }

    pub(super) fn may_dial(&self, now: Time, point: &Point) -> bool {
        let standing = self.lists.standing(now, Some(point.at.ip()), point.known_peer().as_ref());
        matches!(standing, Standing::Ordinary | Standing::Trusted)
            && !self.is_stranger(now, point.at.ip(), point.peer.as_ref(), Some(point.at))
    }

    /// Peers with a link, or whose key has been shown on a dial of ours.
    pub(super) fn connected(&self) -> BTreeSet<PeerId> {
        self.slots.iter().filter(|slot| slot.doomed.is_none()).filter_map(|slot| slot.peer).collect()
    }
}

/// Lots are drawn, the lowest comes first: a good score counts the better of two, a bad one the worse, so that both matter and neither
/// decides.
pub(super) fn draw(score: i32, [one, other]: [u64; 2]) -> u64 {
    match score.signum() {
        1 => one.min(other),
        -1 => one.max(other),
        _ => one,
    }
}
