//! Scores: what an identity has earned, from the application's verdicts, its own faults and its metadata; how it fades, and which
//! threshold it has crossed. Pure, integers only, bounded. It keeps nobody out itself: `judge.rs` acts, the `choose_*.rs` and `select.rs` ask.
//!
//! A score fades by half in each half-life. Fading goes by whole ticks on a grid of its own, so that it is the same however often
//! somebody looks, and reading changes nothing.

use super::marks::Marks;
use super::saved::SavedScore;
use crate::base::limits::{SCORE_CAUSES_MAX, SCORES_MAX};
use crate::base::peer::PeerId;
use crate::base::reason::{Blame, CloseReason};
use crate::base::sizes;
use crate::base::text::shown;
use crate::base::time::Time;
use crate::settings::check::Checked;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

/// The best score, and with a minus the worst. One verdict moves it by at most as much.
pub const SCORE_MAX: i32 = 1_000;
/// Ticks in a half-life. More would make fading smoother than anybody can see.
const TICKS: u64 = 64;
/// 2^(-1/64) as a fraction of 2^32: what a tick leaves.
const KEPT: u64 = 4_248_701_965;
/// Parts of a point that are counted.
const POINT: i64 = 1 << 16;
/// A peer is not announced as warned again sooner than this, however its score goes up and down.
const WARN_PAUSE: Duration = Duration::from_secs(600);
/// What the first fault costs that no honest program commits, and one that an overloaded one might. The n-th that is still remembered
/// costs n^2 times as much (gossipsub's P7: squared, so that one slip is cheap and a habit is not).
const FAULT: i32 = 100;
const HASTE: i32 = 50;

/// The rules that a node's settings make.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub half_life: Duration,
    /// Points below zero at which a peer is warned of, greylisted, banned; 0 is never.
    pub warn: u32,
    pub greylist: u32,
    pub ban: u32,
    /// How long such a ban lasts; zero: until the operator lifts it.
    pub ban_time: Duration,
    /// How many shares of the bandwidth the best score gets.
    pub weight_max: u32,
}

/// How far down a score has come; each is told and acted on once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    #[default]
    Fine,
    Warned,
    Greylisted,
    Banned,
}

impl Stage {
    /// All, in their order.
    pub const ALL: [Stage; 4] = [Stage::Fine, Stage::Warned, Stage::Greylisted, Stage::Banned];

    pub const fn name(self) -> &'static str {
        match self {
            Stage::Fine => "fine",
            Stage::Warned => "warned",
            Stage::Greylisted => "greylisted",
            Stage::Banned => "banned",
        }
    }

    const fn below(self) -> Stage {
        match self {
            Stage::Banned => Stage::Greylisted,
            Stage::Greylisted => Stage::Warned,
            _ => Stage::Fine,
        }
    }
}

impl From<&Checked> for Rules {
    fn from(s: &Checked) -> Rules {
        Rules {
            half_life: s.score_half_life,
            warn: s.score_warn,
            greylist: s.score_greylist,
            ban: s.score_ban,
            ban_time: s.score_ban_time,
            weight_max: s.bandwidth_weight_max,
        }
    }
}

impl Rules {
    /// The score at which a stage begins; `None` for one that never does.
    fn begins(&self, stage: Stage) -> Option<i32> {
        let points = match stage {
            Stage::Fine => 0,
            Stage::Warned => self.warn,
            Stage::Greylisted => self.greylist,
            Stage::Banned => self.ban,
        };
        i32::try_from(points).ok().filter(|points| *points > 0).map(|points| -points)
    }

    fn stage_of(&self, value: i32) -> Stage {
        let reached = |stage: &&Stage| self.begins(**stage).is_some_and(|begins| value <= begins);
        Stage::ALL.iter().rev().find(reached).copied().unwrap_or_default()
    }

    fn tick_of(&self, now: Time) -> u64 {
        now.as_nanos() / self.tick_nanos()
    }

    fn tick_nanos(&self) -> u64 {
        (u64::try_from(self.half_life.as_nanos()).unwrap_or(u64::MAX) / TICKS).max(1)
    }
}

/// What a peer's bandwidth share is multiplied by: 1 up to a score of 0, then in equal steps up to `weight_max` at the best score.
/// `PeerInfo::weight` has it for each link; whoever gives a link its weight in the reactor does it when a snapshot is published.
pub fn weight(score: i32, weight_max: u32) -> u32 {
    let (score, steps) = (score.clamp(0, SCORE_MAX) as u64, u64::from(weight_max.max(1) - 1));
    // At most `weight_max`, which is a u32.
    1 + (score * steps / SCORE_MAX as u64) as u32
}

/// What a close for `reason` costs the peer that is to blame, the first time. Nodes of another network or version are no culprits, and
/// what the score itself has caused must not lower it.
pub fn penalty(reason: CloseReason) -> i32 {
    use CloseReason as R;
    match reason {
        R::WrongNetwork | R::WrongVersion | R::ClaimRequired | R::ScoreTooLow => 0,
        R::ControlFlood | R::ControlNotRead | R::TooManyRequests | R::PexTooOften | R::PexUnsolicited | R::PexTooMany => HASTE,
        reason if reason.blame() == Blame::Peer => FAULT,
        _ => 0,
    }
}

/// Points that fade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fading {
    parts: i64,
    tick: u64,
}

impl Fading {
    fn at(self, tick: u64) -> Fading {
        let (mut size, sign) = (self.parts.unsigned_abs(), self.parts.signum());
        for _ in self.tick..tick {
            if size == 0 {
                break;
            }
            size = (size * KEPT) >> 32;
        }
        Fading { parts: sign * size as i64, tick: tick.max(self.tick) }
    }

    fn plus(self, tick: u64, points: i32) -> Fading {
        let most = i64::from(SCORE_MAX) * POINT;
        let faded = self.at(tick);
        Fading { parts: (faded.parts + i64::from(points) * POINT).clamp(-most, most), ..faded }
    }

    /// To the nearest point.
    fn points(self) -> i32 {
        ((self.parts + self.parts.signum() * (POINT / 2)) / POINT) as i32
    }
}

/// One thing that has moved a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub delta: i32,
    /// At most 64 characters, printable.
    pub why: String,
    pub at: Time,
}

const _: () = assert!(size_of::<Cause>() <= sizes::CAUSE);

/// A score with what has moved it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    pub value: i32,
    /// The last ones, oldest first. They do not survive a restart; the value does.
    pub causes: Vec<Cause>,
}

#[derive(Clone, Debug, Default)]
struct Record {
    earned: Fading,
    /// Faults that are still remembered.
    faults: Fading,
    /// What its metadata is worth: replaced by each introduction, so that reconnecting adds nothing.
    metadata: i32,
    stage: Stage,
    /// When the ban ends that it has come to, if that ends by itself.
    ban_ends: Option<Time>,
    warned_at: Option<Time>,
    causes: VecDeque<Cause>,
}

const _: () = assert!(size_of::<(PeerId, Record)>() <= sizes::SCORE);

impl Record {
    fn value(&self, tick: u64) -> i32 {
        (self.earned.at(tick).points() + self.metadata).clamp(-SCORE_MAX, SCORE_MAX)
    }

    fn note(&mut self, now: Time, delta: i32, why: &str) {
        if self.causes.len() == SCORE_CAUSES_MAX {
            self.causes.pop_front();
        }
        let mut why = shown(why);
        why.shrink_to_fit();
        self.causes.push_back(Cause { delta, why, at: now });
    }

    /// The ban that it has come to has ended by itself.
    fn has_served(&self, now: Time) -> bool {
        self.ban_ends.is_some_and(|end| end <= now)
    }

    /// Leaves the stages that the score has risen out of: to half of where they begin, so that one that wavers is told once. While the
    /// lists still keep the peer out it stays where it is; when it has served its time, it may be put there again.
    fn rise(&mut self, now: Time, value: i32, is_kept_out: bool, rules: &Rules) {
        if is_kept_out {
            return;
        }
        if self.stage == Stage::Greylisted || self.stage == Stage::Banned && self.has_served(now) {
            self.stage = Stage::Warned;
        }
        while self.stage > Stage::Fine && rules.begins(self.stage).is_none_or(|begins| value > begins / 2) {
            self.stage = self.stage.below();
        }
    }
}

/// What moves a score.
#[derive(Clone, Copy, Debug)]
pub enum Move<'a> {
    /// The application's verdict.
    Report { delta: i32, why: &'a str },
    /// A link that ended for a fault of the peer.
    Fault(CloseReason),
    /// What the application's function says of its metadata.
    Metadata(i32),
}

/// All scores of a node.
#[derive(Debug)]
pub struct Scores {
    rules: Rules,
    records: BTreeMap<PeerId, Record>,
    /// Rows that are not as they were saved.
    pub(super) marks: Marks<PeerId>,
}

impl Scores {
    pub fn new(rules: Rules) -> Scores {
        Scores { rules, records: BTreeMap::new(), marks: Marks::default() }
    }

    /// Goes on by other thresholds and times. Scores fade as before: what they have faded is counted in shares of the half-life.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = Rules { half_life: self.rules.half_life, ..rules };
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The score of a peer; 0 for one of whom nothing is known.
    pub fn value(&self, now: Time, peer: &PeerId) -> i32 {
        self.records.get(peer).map_or(0, |record| record.value(self.rules.tick_of(now)))
    }

    /// The score with its causes; `None` for a peer of whom nothing is remembered.
    pub fn score(&self, now: Time, peer: &PeerId) -> Option<Score> {
        let record = self.records.get(peer)?;
        Some(Score { value: record.value(self.rules.tick_of(now)), causes: record.causes.iter().cloned().collect() })
    }

    pub fn stage(&self, peer: &PeerId) -> Stage {
        self.records.get(peer).map(|record| record.stage).unwrap_or_default()
    }

    /// Moves a score, and gives the stage that it has come down to by this, if it is a new one. `is_kept_out`: the lists hold what the
    /// score has led to. An exempt peer's score moves like any other, but leads to nothing.
    pub fn change(&mut self, now: Time, peer: PeerId, by: Move<'_>, is_kept_out: bool, is_exempt: bool) -> Option<Stage> {
        if let Move::Metadata(score) = by
            && self.records.get(&peer).map_or(0, |record| record.metadata) == score.clamp(-SCORE_MAX, SCORE_MAX)
        {
            return None;
        }
        self.make_room(now, &peer);
        let (rules, tick) = (self.rules, self.rules.tick_of(now));
        let record = self.records.entry(peer).or_default();
        self.marks.note(peer);
        record.rise(now, record.value(tick), is_kept_out, &rules);
        match by {
            Move::Report { delta, why } => {
                let delta = delta.clamp(-SCORE_MAX, SCORE_MAX);
                record.earned = record.earned.plus(tick, delta);
                record.note(now, delta, why);
            }
            Move::Fault(reason) => {
                record.faults = record.faults.plus(tick, 1);
                let nth = record.faults.points();
                let delta = -(penalty(reason).saturating_mul(nth).saturating_mul(nth)).min(SCORE_MAX);
                record.earned = record.earned.plus(tick, delta);
                record.note(now, delta, reason.text());
            }
            Move::Metadata(score) => {
                let score = score.clamp(-SCORE_MAX, SCORE_MAX);
                let delta = score - record.metadata;
                record.metadata = score;
                if delta != 0 {
                    record.note(now, delta, "its metadata");
                }
            }
        }
        let value = record.value(tick);
        record.rise(now, value, is_kept_out, &rules);
        let reached = rules.stage_of(value);
        if is_exempt || reached <= record.stage {
            return None;
        }
        record.stage = reached;
        let ends = reached == Stage::Banned && !rules.ban_time.is_zero();
        record.ban_ends = ends.then(|| now + rules.ban_time);
        if reached == Stage::Warned {
            let is_repeated = record.warned_at.is_some_and(|at| now.since(at) < WARN_PAUSE);
            record.warned_at = Some(now);
            return (!is_repeated).then_some(reached);
        }
        Some(reached)
    }

    /// A ban that could not be carried out leads to the greylist only.
    pub(super) fn soften(&mut self, peer: &PeerId) {
        if let Some(record) = self.records.get_mut(peer) {
            record.stage = Stage::Greylisted;
            self.marks.note(*peer);
        }
    }

    /// Forgets scores that have faded, but for those of peers that `is_kept` says are still needed.
    pub fn expire(&mut self, now: Time, is_kept: impl Fn(&PeerId, Stage) -> bool) {
        let tick = self.rules.tick_of(now);
        let is_faded = |record: &Record| record.earned.at(tick).points() == 0 && record.faults.at(tick).points() == 0;
        let marks = &mut self.marks;
        self.records.retain(|peer, record| {
            let stays = !is_faded(record) || is_kept(peer, record.stage);
            if !stays {
                marks.note_gone(*peer);
            }
            stays
        });
    }

    /// Something is remembered of that peer.
    pub fn knows(&self, peer: &PeerId) -> bool {
        self.records.contains_key(peer)
    }

    /// Of whom something is remembered, in their order: from the first on, or those behind that one.
    pub fn peers_behind(&self, after: Option<PeerId>) -> impl Iterator<Item = &PeerId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.records.range((from, Bound::Unbounded)).map(|(peer, _)| peer)
    }

    /// What is to be saved of a peer's score at `unix`: nothing of one that neither counts nor has led to anything. `is_banned`: the lists
    /// have a ban of that peer.
    pub fn row(&self, now: Time, unix: u64, peer: &PeerId, is_banned: bool) -> Option<SavedScore> {
        let record = self.records.get(peer)?;
        let thousandths = (record.earned.at(self.rules.tick_of(now)).parts * 1_000 / POINT) as i32;
        let is_worth_it = thousandths != 0 || record.stage > Stage::Fine;
        // Whoever has served his time may be banned again; a ban that is neither served nor on its list was lifted.
        let has_served = record.stage == Stage::Banned && record.has_served(now);
        let stage = if has_served { Stage::Warned } else { record.stage };
        let is_lifted = stage == Stage::Banned && !is_banned;
        is_worth_it.then_some(SavedScore { peer: *peer, thousandths, stage, is_lifted, at: unix })
    }

    /// Takes back a score that stood so `age` ago; `ban_ends` is that of the ban that it has led to. True if there was none, and a place.
    pub fn restore(&mut self, now: Time, age: Duration, saved: &SavedScore, ban_ends: Option<Time>) -> bool {
        if self.records.contains_key(&saved.peer) || self.records.len() >= SCORES_MAX {
            return false;
        }
        let ticks = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX) / self.rules.tick_nanos();
        let most = i64::from(SCORE_MAX) * POINT;
        let parts = (i64::from(saved.thousandths) * POINT / 1_000).clamp(-most, most);
        let faded = Fading { parts, tick: 0 }.at(ticks);
        let earned = Fading { parts: faded.parts, tick: self.rules.tick_of(now) };
        self.records.insert(saved.peer, Record { earned, stage: saved.stage, ban_ends, ..Record::default() });
        self.marks.note(saved.peer);
        true
    }

    /// When all places are taken, those go first of whom nothing bad is known, the least known first; then the least bad. If more than half
    /// are bad it is the other way round: identities cost little, and many bad ones must not push the good ones out.
    fn make_room(&mut self, now: Time, newcomer: &PeerId) {
        if self.records.len() < SCORES_MAX || self.records.contains_key(newcomer) {
            return;
        }
        let tick = self.rules.tick_of(now);
        let is_bad = |record: &Record| record.stage == Stage::Banned || record.value(tick) < 0;
        let is_crowded = self.records.values().filter(|record| is_bad(record)).count() > SCORES_MAX / 2;
        let order = |(peer, record): (&PeerId, &Record)| {
            let value = record.value(tick);
            ((is_bad(record) != is_crowded, record.stage == Stage::Banned, value.unsigned_abs()), *peer)
        };
        let mut worth: Vec<_> = self.records.iter().map(order).collect();
        worth.sort_unstable();
        // Some at once, so that the next newcomers need not look again.
        for (_, peer) in worth.into_iter().take(SCORES_MAX / 32) {
            self.records.remove(&peer);
            self.marks.note_gone(peer);
        }
    }
}
