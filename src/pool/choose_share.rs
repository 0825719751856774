//! Choice of whose address to share. It changes nothing but an asker's sticky draw; chance comes as an argument. Exchange asks it, and the
//! pool's own refusals.

use super::choose::draw;
use super::peers::Selection;
use super::points::{Point, Proof, State};
use super::table::Pool;
use crate::base::peer::PeerId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::wire::pex::PexAddress;
use std::net::SocketAddr;

impl Pool {
    /// Addresses to share with `asker`: only such as we dialed, or whose peer came from that host itself; never those of private
    /// peers, of the asker, or of who is kept out. The draw is the same for a day, except that in a short book whoever joined since is
    /// told in any case. Peers with better scores have the better chance.
    pub fn whom_to_advertise(&mut self, now: Time, asker: &PeerId, rng: &mut Rng) -> Vec<PexAddress> {
        let selection = self.selection_of(now, asker, rng);
        let is_private = |peer: &PeerId| self.peers.get(peer).is_some_and(|known| known.is_private);
        let is_linked = |point: &Point| point.peer.is_some_and(|peer| self.peers.get(&peer).is_some_and(|known| known.links > 0));
        let may_share = |point: &&Point| {
            point.proof > Proof::Heard
                && point.peer.as_ref() != Some(asker)
                && !point.peer.as_ref().is_some_and(is_private)
                && point.attempts < self.policy.unhealthy_after
                && (is_linked(point) || now.since(point.last_seen.unwrap_or(point.last_heard)) <= self.policy.shared_for)
                && !matches!(point.state, State::Bad { .. })
                && self.may_dial(now, point)
        };
        let mut shared: Vec<&Point> = self.points.iter().filter(may_share).collect();
        let size = self.policy.answer_size(shared.len());
        let is_short = shared.len() < self.policy.points_short;
        let is_newcomer = |point: &Point| is_short && point.proven_since.is_some_and(|since| since >= selection.since);
        let order = |point: &&Point| (!is_newcomer(point), self.rank(now, selection.seed, point), point.at);
        let newcomers = shared.iter().filter(|point| is_newcomer(point)).count();
        let count = size.max(newcomers).min(self.policy.pex_addresses_max).min(shared.len());
        // Only the first ones are put in order: a peer may ask ten times a second, of a book of thousands.
        if (1..shared.len()).contains(&count) {
            shared.select_nth_unstable_by_key(count, order);
        }
        shared.truncate(count);
        shared.sort_by_key(order);
        // Rumours end here: what others said of a peer is not passed on.
        let said = |point: &Point| if point.is_own_word { point.capabilities.clone() } else { Vec::new() };
        let entry = |point: &Point| PexAddress { address: point.address(), capabilities: said(point) };
        shared.into_iter().map(entry).collect()
    }

    /// Healthy addresses that no link shows to be alive, longest unseen first: to be felt, as far as they may be dialed now.
    pub fn whom_to_check(&self, now: Time, count: usize) -> Vec<SocketAddr> {
        let connected = self.connected();
        let is_due = |point: &&Point| {
            let is_rested = point.last_dialed.is_none_or(|dialed| now.since(dialed) >= self.policy.dial_point_period);
            let is_alive = point.peer.is_some_and(|peer| connected.contains(&peer));
            point.is_idle() && !is_alive && is_rested && point.next_dial <= now && self.may_dial(now, point)
        };
        let mut due: Vec<_> = self.healthy_points(now).filter(is_due).map(|point| (point.last_seen, point.at)).collect();
        due.sort_unstable();
        due.into_iter().take(count).map(|(_, at)| at).collect()
    }

    /// A point's place in a draw that is the same for the same seed, as long as its peer's score stays good, or bad.
    fn rank(&self, now: Time, seed: u64, point: &Point) -> u64 {
        draw(self.score_of(now, point), [seed, !seed].map(|seed| rank(seed, point.at)))
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

/// A number that looks random but is the same for the same seed and address (splitmix64's mixing, byte by byte).
fn rank(seed: u64, at: SocketAddr) -> u64 {
    let mix = |state: u64, value: u64| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let bits = match at.ip() {
        std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()),
        std::net::IpAddr::V6(v6) => v6.to_bits(),
    };
    let state = mix(mix(seed, bits as u64), (bits >> 64) as u64);
    mix(state, u64::from(at.port()))
}
