//! Scores: what an application reports of its peers, and what has become of it. Part of the node's face; no call blocks, any thread may
//! make it.

use super::error::Error;
use super::node::Node;
use super::pump;
use crate::base::peer::PeerId;
use crate::pool::score::Score;
use crate::workers::farewell;

impl Node {
    /// Reports what a peer, linked or not, has earned: its score moves by `delta` (at most 1,000 points either way) and fades from there.
    /// `why` is kept, escaped and cut to 64 characters, among the causes. Crossing a threshold has its consequence before this returns,
    /// and is told by a notice.
    ///
    /// # Errors
    /// `Refused` for this node itself; `State` before the start, `Stopped`, `Failed`.
    pub fn report(&self, peer: PeerId, delta: i32, why: &str) -> Result<(), Error> {
        let shared = self.shared()?;
        if peer == self.id() {
            return Err(Error::Refused("a node keeps no score of itself".to_owned()));
        }
        let ((), out) = shared.work(|now, pool, out| {
            let weight = pool.weight_of(now, &peer);
            if let Some(judgement) = pool.report(now, peer, delta, why) {
                farewell::tell_judgement(&judgement, out);
            }
            out.changed |= pool.weight_of(now, &peer) != weight;
        });
        pump::tell(out, shared);
        Ok(())
    }

    /// The score of a peer now, with its last causes; `None` if nothing is remembered of it, as for a stranger.
    pub fn score(&self, peer: &PeerId) -> Option<Score> {
        let shared = &self.running()?.shared;
        shared.pool.look().score(shared.clock.now(), peer)
    }
}
