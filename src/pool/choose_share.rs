//! Choice of whose address to share. It changes nothing but an asker's sticky draw and the lists that answers are made from
//! (`shareable.rs`); chance comes as an argument. Exchange asks it, and the pool's own refusals. An answer costs no look at the whole book.

use super::dialing::prefix;
use super::peers::Selection;
use super::points::{Point, Proof, State};
use super::shareable::{Row, place};
use super::table::Pool;
use crate::base::address::Address;
use crate::base::peer::PeerId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::wire::pex::PexAddress;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Places on the circle that are looked at for each address that is wanted: some may not be shared any more, or not with this asker.
const STEPS: usize = 4;

impl Pool {
    /// Addresses to share with `asker`: such as we dialed, and such as the peer itself claims at the host that its link comes from; never those
    /// of private peers, of the asker, or of who is kept out. The draw is the same for a day, except that in a short book whoever joined
    /// since is told in any case. Peers with better scores have the better chance.
    pub fn whom_to_advertise(&mut self, now: Time, asker: &PeerId, rng: &mut Rng) -> Vec<PexAddress> {
        let selection = self.selection_of(now, asker, rng);
        if self.shareable.is_stale(now, self.points.len()) {
            self.make_shareable(now, rng.next_u64());
        }
        let may_have = |at: SocketAddr| {
            let point = self.points.get(at)?;
            (point.peer.as_ref() != Some(asker) && self.may_share(now, point)).then_some(point)
        };
        let max = self.policy.pex_addresses_max;
        let is_short = self.shareable.len() < self.policy.points_short;
        let newcomers = self.shareable.newcomers(selection).filter(|_| is_short).filter_map(may_have);
        let mut chosen: Vec<&Point> = newcomers.take(max).collect();
        let mut taken: BTreeSet<SocketAddr> = chosen.iter().map(|point| point.at).collect();
        let count = self.policy.answer_size(self.shareable.len()).max(chosen.len()).min(max);
        let mut unlucky = Vec::new();
        // Twice around at most: in a short list everybody is looked at.
        for at in self.shareable.circle(selection).take(STEPS * count.max(1)) {
            if chosen.len() >= count {
                break;
            }
            let Some(point) = may_have(at).filter(|_| taken.insert(at)) else { continue };
            // A bad score halves the chance.
            let is_unlucky = self.score_of(now, point) < 0 && place(!selection.seed, at).is_multiple_of(2);
            if is_unlucky { unlucky.push(point) } else { chosen.push(point) }
        }
        let left = count.saturating_sub(chosen.len());
        chosen.extend(unlucky.into_iter().take(left));
        // Rumours end here: what others said of a peer is not passed on.
        let said = |point: &Point| if point.is_own_word { point.capabilities.clone() } else { Vec::new() };
        let entry = |point: &Point| PexAddress { address: point.address(), capabilities: said(point) };
        chosen.into_iter().map(entry).collect()
    }

    fn make_shareable(&mut self, now: Time, key: u64) {
        let row = |point: &Point| Row {
            at: point.at,
            proven_since: point.proven_since.unwrap_or(Time::ZERO),
            is_favoured: self.score_of(now, point) > 0,
        };
        let rows: Vec<Row> = self.points.iter().filter(|point| self.may_share(now, point)).map(row).collect();
        self.shareable.make(now, &rows, key);
    }

    fn may_share(&self, now: Time, point: &Point) -> bool {
        let known = point.peer.and_then(|peer| self.peers.get(&peer));
        let is_linked = known.is_some_and(|known| known.links > 0);
        // A claim that nothing has proven is passed on only while whoever claims it can be held to it.
        let is_true = point.proof == Proof::Dialed || point.proof == Proof::Host && is_linked;
        is_true
            && !known.is_some_and(|known| known.is_private)
            && point.attempts < self.policy.unhealthy_after
            && (is_linked || point.last_seen.is_some_and(|seen| now.since(seen) <= self.policy.shared_for))
            && !matches!(point.state, State::Bad { .. })
            && self.may_dial(now, point)
    }

    /// Healthy addresses in their order, the first ones behind `after` that joined the set after its version `since`, at most `count`; and the
    /// version of the set that is told. A version that was never told names nothing: all are told.
    pub fn healthy_page(&mut self, now: Time, after: Option<&Address>, since: u64, count: usize) -> (Vec<Address>, u64) {
        if self.healthy.is_stale(now, self.points.len()) {
            let rows = self.healthy_points(now).map(|point| (point.address(), point.healthy_at)).collect();
            self.healthy.make(now, rows, self.points.healthy_version());
        }
        let since = if since <= self.healthy.version { since } else { 0 };
        // Most of those who ask have heard of all: each link does so once a minute.
        if since == self.healthy.version {
            return (Vec::new(), since);
        }
        let is_so = |address: &&Address| {
            let point = address.socket().and_then(|at| self.points.get(at));
            point.is_some_and(|point| point.peer == address.id && self.is_told_as_healthy(now, point))
        };
        let page = self.healthy.behind(after, since).filter(is_so).take(count).cloned().collect();
        (page, self.healthy.version)
    }

    /// Healthy addresses that no link shows to be alive, longest unseen first: to be felt, as far as they may be dialed now, and no more of a
    /// prefix than one where dials are counted by prefix: else many in one place would use up the turns of all others. Who is not felt stays
    /// the longest unseen.
    pub fn whom_to_check(&self, now: Time, count: usize) -> Vec<SocketAddr> {
        let connected = self.connected();
        let is_due = |point: &&Point| {
            let is_rested = point.last_dialed.is_none_or(|dialed| now.since(dialed) >= self.policy.dial_point_period);
            let is_alive = point.peer.is_some_and(|peer| connected.contains(&peer));
            point.is_idle() && !is_alive && is_rested && self.dial_time(point) <= now && self.may_dial(now, point)
        };
        let mut due: Vec<_> = self.healthy_points(now).filter(is_due).map(|point| (point.last_seen, point.at)).collect();
        due.sort_unstable();
        let mut prefixes = BTreeSet::new();
        let mut is_first_there = |at: &SocketAddr| self.dial_budget_at(at.ip()).is_none() || prefixes.insert(prefix(at.ip()));
        due.into_iter().map(|(_, at)| at).filter(|at| is_first_there(at)).take(count).collect()
    }

    /// The asker's draw; a new one when the old one has served its time. A stranger's is not kept.
    fn selection_of(&mut self, now: Time, asker: &PeerId, rng: &mut Rng) -> Selection {
        let fresh = Selection { seed: rng.next_u64(), since: now };
        let kept = self.policy.selection_kept;
        let Some(peer) = self.peers.get_mut(asker) else { return fresh };
        match peer.selection {
            Some(old) if now.since(old.since) < kept => old,
            _ => *peer.selection.insert(fresh),
        }
    }
}
