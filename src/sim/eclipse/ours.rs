//! bowline's own address book and choice of whom to dial, as a node uses them: the production pool, with its links but without its workers. What
//! the workers add is done here by the same numbers: the feelers, and the anchors after a restart, which begins with the rows that a store
//! would have. The model uses it.

use super::model::{Answer, At, Policy, STEP};
use crate::base::address::Address;
use crate::base::limits::FEELERS_OF_CLAIMS_MAX;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::pool;
use crate::pool::saved::Saved;
use crate::pool::slots::{Purpose, Use};
use crate::pool::table::Pool;
use crate::settings::table::Settings;
use crate::wire::hello::Hello;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a round has chosen is not dialed later than this (`dial.period` and the time that dials take).
const ROUND: Duration = Duration::from_secs(60);
/// Half of the addresses are dead.
const SPARE: usize = 4;
const EXPIRE_EACH: Duration = Duration::from_secs(3_600);
/// Seconds since 1970 when a trial begins.
const UNIX: u64 = 1_800_000_000;

/// The settings of a node, as far as the model's long steps allow: what paces dials and arrivals within a second is off.
pub fn policy() -> pool::policy::Policy {
    let settings = Settings { discovery_bootstrap: true, ..Settings::new("eclipse") };
    let policy = pool::policy::Policy::from(&settings.check().expect("the defaults are valid"));
    pool::policy::Policy { dial_rate: u32::MAX, accept_rate: u32::MAX, accept_ip_burst: u32::MAX, ..policy }
}

const OWN: PeerId = PeerId::from_bytes([0xff; 32]);

/// A pool with its links.
#[derive(Debug)]
pub struct Ours {
    pool: Pool,
    ids: LinkIds,
    links: BTreeMap<At, LinkId>,
    /// Whom to dial next, as the last round chose, and when that was.
    round: (Time, Vec<At>),
    /// Whom to dial before all others, the last one first.
    anchors: Vec<At>,
    /// Random feelers in a step, and feelers to what linked peers claim, as the settings allow.
    feelers_max: usize,
    claims_max: usize,
    expired_at: Time,
    /// Feelers of this step to addresses that linked peers claim: the others are counted without them.
    claims: usize,
    /// Somebody was linked since none was left.
    has_claims: bool,
}

impl Ours {
    pub fn new(policy: &pool::policy::Policy, rng: &mut Rng) -> Ours {
        let ids = LinkIds::default();
        let mut pool = Pool::new(OWN, policy.clone(), ids.clone());
        let in_step = |period: Duration| (STEP.as_secs() / period.as_secs().max(1)) as usize;
        let mut key = [0; 16];
        rng.fill(&mut key);
        pool.set_book_key(key);
        Ours {
            pool,
            ids,
            links: BTreeMap::new(),
            round: (Time::ZERO, Vec::new()),
            anchors: Vec::new(),
            feelers_max: in_step(policy.feeler_period),
            // Each dial may take as long as it has at most.
            claims_max: FEELERS_OF_CLAIMS_MAX * in_step(policy.dial_deadline),
            expired_at: Time::ZERO,
            claims: 0,
            has_claims: false,
        }
    }

    /// Both sides say who they are, and the link opens; false if the pool refuses.
    fn meet(&mut self, now: Time, link: LinkId, with: At, rng: &mut Rng) -> bool {
        let hello = Arc::new(Hello { listen: vec![Address::of(with.socket(), None)], ..Hello::default() });
        let introduction = self.pool.introduce(now, link, peer(with), &hello, rng);
        if introduction.verdict != Verdict::Admit {
            self.close(now, link, CloseReason::Nacked, rng);
            return false;
        }
        let is_open = self.pool.open(now, link).is_some();
        debug_assert!(introduction.close.is_empty(), "one link with each peer");
        self.links.insert(with, link);
        self.has_claims = true;
        is_open
    }

    fn close(&mut self, now: Time, link: LinkId, reason: CloseReason, rng: &mut Rng) {
        self.pool.close(now, link, reason, None, &[], rng);
    }
}

/// Who is at an address.
fn peer(at: At) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&at.0.to_be_bytes());
    PeerId::from_bytes(bytes)
}

impl Policy for Ours {
    fn outbound_max(&self) -> usize {
        self.pool.policy().bounds.outbound_target as usize
    }

    fn useful_after(&self) -> Duration {
        self.pool.policy().tried_after
    }

    fn learn(&mut self, now: Time, at: At, from: At, _rng: &mut Rng) {
        let address = Address::of(at.socket(), Some(peer(at)));
        self.pool.learn_all(now, std::iter::once((&address, &[][..])), from.socket(), Some(peer(from)));
    }

    fn outbound(&mut self, now: Time, links: &[At], rng: &mut Rng) -> Option<At> {
        if let Some(anchor) = self.anchors.pop() {
            return Some(anchor);
        }
        // Maintenance does so each two minutes, and little changes by it in two days.
        if self.expired_at + EXPIRE_EACH <= now {
            self.expired_at = now;
            self.pool.expire_points(now);
        }
        // A node chooses as many as it misses, and anew for those that failed; to choose spare ones at once comes to the same.
        if self.round.1.is_empty() || now.since(self.round.0) > ROUND {
            let missing = self.outbound_max().saturating_sub(links.len());
            let chosen = self.pool.whom_to_dial(now, missing * SPARE, rng).now;
            self.round = (now, chosen.into_iter().rev().filter_map(At::of).collect());
        }
        self.round.1.pop()
    }

    /// First what linked peers claim of themselves, as soon as they do; then one in two minutes.
    fn feeler(&mut self, now: Time, made: usize, rng: &mut Rng) -> Option<At> {
        self.claims = self.claims.min(made);
        if self.has_claims && self.claims < self.claims_max {
            if let Some(claimed) = self.pool.whom_to_feel(now, rng).now.first() {
                self.claims += 1;
                return At::of(*claimed);
            }
            self.has_claims = false;
        }
        (made < self.feelers_max + self.claims).then(|| self.pool.whom_of_feeler(now, rng))?.and_then(At::of)
    }

    fn tried(&mut self, now: Time, at: At, answer: Answer, rng: &mut Rng) -> bool {
        let why = if answer == Answer::Felt { Purpose::Feeler } else { Purpose::Wanted };
        let Ok(link) = self.pool.claim_dial(now, at.socket(), None, why) else { return false };
        if answer == Answer::Missed {
            self.close(now, link, CloseReason::ConnectTimeout, rng);
            return true;
        }
        let verdict = self.pool.recognise(now, link, peer(at));
        if answer == Answer::Felt || verdict != Verdict::Proceed {
            let reason = if answer == Answer::Felt { CloseReason::Probed } else { CloseReason::Duplicate };
            self.close(now, link, reason, rng);
            return answer == Answer::Felt;
        }
        self.meet(now, link, at, rng)
    }

    fn arrived(&mut self, now: Time, from: At, rng: &mut Rng) -> bool {
        let link = self.ids.next();
        let came_from = SocketAddr::new(from.socket().ip(), 50_000);
        if self.pool.claim_arrival(now, link, came_from).is_err() {
            return false;
        }
        self.meet(now, link, from, rng)
    }

    fn lasted(&mut self, now: Time, with: At, _direction: Direction) {
        if let Some(link) = self.links.get(&with) {
            self.pool.note_use(now, *link, Use::Messages);
        }
    }

    fn parted(&mut self, now: Time, with: At, _direction: Direction, rng: &mut Rng) {
        if let Some(link) = self.links.remove(&with) {
            self.close(now, link, CloseReason::Reset, rng);
        }
    }

    /// What a store would have is all that is left.
    fn restart(&mut self, now: Time, rng: &mut Rng) {
        let anchors = self.pool.anchors_now();
        for link in std::mem::take(&mut self.links).into_values() {
            self.close(now, link, CloseReason::Stopped, rng);
        }
        let unix = UNIX + now.since(Time::ZERO).as_secs();
        let mut saved = Saved { anchors, key: Some(*self.pool.points().key()), saved_at: unix, ..Saved::default() };
        self.pool.keys(None).for_each(|key| saved.take(self.pool.change_of(now, unix, key)));
        self.pool = Pool::new(OWN, self.pool.policy().clone(), self.ids.clone());
        self.pool.restore(now, unix, &saved);
        self.anchors = saved.anchors.iter().rev().filter_map(|anchor| At::of(anchor.at)).collect();
        (self.round, self.has_claims) = ((now, Vec::new()), false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{after, at};
    use super::*;

    /// A node that starts again knows what its store has, and nothing else: neither links nor budgets nor what waits.
    #[test]
    fn a_restart_leaves_the_rows_and_the_anchors_which_are_dialed_first() {
        let (policy, mut rng) = (policy(), Rng::from_seed(1));
        let mut ours = Ours::new(&policy, &mut rng);
        for number in 0..200 {
            ours.learn(after(600 + u64::from(number)), at((40 << 8) + number, 1), at((60 << 8) + number % 50, 1), &mut rng);
        }
        let mut links = Vec::new();
        while links.len() < ours.outbound_max() {
            let next = ours.outbound(after(1_000), &links, &mut rng).expect("200 are known");
            assert!(ours.tried(after(1_000), next, Answer::Linked, &mut rng));
            links.push(next);
        }
        ours.lasted(after(5_000), links[0], Direction::Outbound);
        let known = |ours: &Ours| -> Vec<_> {
            ours.pool.points().iter().map(|point| (point.at, point.proof, point.is_tried())).collect()
        };
        let (before, now) = (known(&ours), after(9_000));
        ours.restart(now, &mut rng);
        assert_eq!(known(&ours), before);
        assert_eq!((ours.pool.slots().iter().count(), ours.links.len()), (0, 0));
        let later = now + STEP;
        let first: Vec<At> = (0..ours.anchors.len()).filter_map(|_| ours.outbound(later, &[], &mut rng)).collect();
        assert!(!first.is_empty() && first.iter().all(|anchor| links.contains(anchor)), "{first:?}");
    }
}
