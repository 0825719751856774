//! Feelers: dials that only see whether an address is true. Addresses that linked peers claim are proven, so that they may be shared as
//! healthy; what others want checked is; and now and then, at random times, an address that nobody has proven is tried, so that the book
//! holds true ones when they are needed. Maintenance calls it last in each round; it never makes a link.

use super::maintenance::{Findings, dial};
use crate::base::limits::FEELERS_OF_CLAIMS_MAX;
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::outbox::Outbox;
use crate::pool::dialing::DialError;
use crate::pool::slots::Purpose;
use crate::pool::table::Pool;
use std::time::Duration;

/// The feelers at random times.
#[derive(Debug, Default)]
pub(super) struct Feelers {
    next: Option<Time>,
    /// The last one: it has a place of its own, so that no claims can keep it from being made.
    last: Option<LinkId>,
}

impl Feelers {
    /// Dials what is to be felt now, as far as places are free.
    pub fn round(&mut self, now: Time, rng: &mut Rng, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        self.dial_random(now, rng, pool, out, found);
        self.check(now, pool, out, found);
        for _ in self.of_claims(pool)..FEELERS_OF_CLAIMS_MAX {
            let candidates = pool.whom_to_feel(now, rng);
            found.wait_for(candidates.next_at);
            let Some(at) = candidates.now.first().copied() else { return };
            if !dial(now, at, None, Purpose::Feeler, pool, out, found) {
                return;
            }
        }
    }

    /// Dials what somebody wants checked. What must wait for the pace of its host or of all dials is kept.
    fn check(&self, now: Time, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let (mut waiting, mut goes_on) = (Vec::new(), true);
        while goes_on
            && self.of_claims(pool) < FEELERS_OF_CLAIMS_MAX
            && let Some(at) = pool.take_check()
        {
            match pool.may_claim(now, at, None, Purpose::Feeler) {
                Ok(()) => goes_on = dial(now, at, None, Purpose::Feeler, pool, out, found),
                Err(error) => {
                    goes_on = found.note(error);
                    if !goes_on || matches!(error, DialError::TooFastThere(..)) {
                        waiting.push(at);
                    }
                }
            }
        }
        waiting.into_iter().for_each(|at| pool.want_check(at));
    }

    /// One at a time: while one is under way the next is skipped. Nobody can foresee when it comes (Bitcoin's Poisson feelers).
    fn dial_random(&mut self, now: Time, rng: &mut Rng, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        let mean = pool.policy().feeler_period;
        if mean.is_zero() {
            self.next = None;
            return;
        }
        let next = *self.next.get_or_insert_with(|| now + wait(mean, rng));
        if next > now {
            found.wait_for(Some(next));
            return;
        }
        let next = now + wait(mean, rng);
        self.next = Some(next);
        found.wait_for(Some(next));
        if self.last.is_none_or(|link| !is_under_way(pool, link))
            && let Some(at) = pool.whom_of_feeler(now, rng)
            && dial(now, at, None, Purpose::Feeler, pool, out, found)
        {
            self.last = pool.slots().dialed(at);
        }
    }

    /// Those under way that prove claims.
    fn of_claims(&self, pool: &Pool) -> usize {
        let all = pool.counts().feeling;
        all - usize::from(self.last.is_some_and(|link| is_under_way(pool, link)))
    }
}

fn is_under_way(pool: &Pool, feeler: LinkId) -> bool {
    pool.slots().get(feeler).is_some_and(|slot| slot.is_feeler() && slot.doomed.is_none())
}

/// The time to the next event of a Poisson process: exponential, by inversion. Bounded by 44 means, which a draw of 64 bits never exceeds.
fn wait(mean: Duration, rng: &mut Rng) -> Duration {
    // Never 0, whose logarithm is none; and never above 1.
    let uniform = ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    mean.mul_f64(-uniform.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_random_feelers_are_exponential() {
        let (mean, mut rng) = (Duration::from_secs(120), Rng::from_seed(9));
        let waits: Vec<Duration> = (0..20_000).map(|_| wait(mean, &mut rng)).collect();
        let average = waits.iter().sum::<Duration>().as_secs_f64() / 20_000.0;
        assert!((115.0..125.0).contains(&average), "{average}");
        // A share of 1/e waits longer than the mean, 1/e^2 longer than twice the mean.
        for (times, share) in [(1, 0.3679), (2, 0.1353)] {
            let longer = waits.iter().filter(|wait| **wait > mean * times).count() as f64 / 20_000.0;
            assert!((longer - share).abs() < 0.015, "{times}: {longer}");
        }
    }
}
