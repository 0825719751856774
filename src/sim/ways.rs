//! What a user of the memory network says of single ways between its hosts: latency, jitter, rate, loss; and that nothing passes at all. Part of
//! the network; it draws nothing where nobody has said anything.

use super::net::{HostId, Network};
use super::pipe::Way;

/// What `Way::loss_ppm` is counted in.
const MILLION: u64 = 1_000_000;

impl Network {
    /// How it goes from one host to another from now on, also for the streams that there are.
    pub fn set_way(&mut self, from: HostId, to: HostId, way: Way) {
        self.ways.insert((from, to), way);
        self.go(way, |one, other| (one, other) == (from, to));
    }

    /// How it goes between any two hosts from now on, whatever was said of some before.
    pub fn set_all_ways(&mut self, way: Way) {
        self.ways.clear();
        self.way_of_others = Some(way);
        self.go(way, |_, _| true);
    }

    /// Parts every host from every other, whatever was said of some before.
    pub fn cut_all(&mut self) {
        self.cuts.clear();
        self.is_all_cut = true;
    }

    /// Undoes every `cut` and `cut_all`.
    pub fn heal_all(&mut self) {
        self.cuts.clear();
        self.is_all_cut = false;
        self.resume();
    }

    pub(super) fn way(&self, from: HostId, to: HostId) -> Option<Way> {
        self.ways.get(&(from, to)).copied().or(self.way_of_others)
    }

    /// Whether a packet on such a way is lost.
    pub(super) fn is_lost(&mut self, way: Option<Way>) -> bool {
        way.is_some_and(|way| way.loss_ppm > 0 && self.rng.below(MILLION) < u64::from(way.loss_ppm))
    }

    fn go(&mut self, way: Way, is_meant: impl Fn(HostId, HostId) -> bool) {
        for stream in self.streams.values_mut() {
            let hosts = [stream.ends[0].host, stream.ends[1].host];
            for (side, pipe) in stream.pipes.iter_mut().enumerate() {
                let (from, to) = (hosts[side], hosts[1 - side]);
                if from != to && is_meant(from, to) {
                    pipe.go(way);
                }
            }
        }
    }
}
