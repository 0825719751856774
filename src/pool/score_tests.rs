//! Scores: how they fade, what they lead to, what they order, and what is remembered of them.

use super::lists::Standing;
use super::policy::Policy;
use super::saved::SavedScore;
use super::score::{Move, Rules, SCORE_MAX, Scores, Stage, penalty, weight};
use super::select::{Candidate, How, select};
use super::table::Pool;
use crate::base::limits::{SCORE_CAUSES_MAX, SCORES_MAX};
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::{Blame, CloseReason};
use crate::base::rng::Rng;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::settings::table::Settings;
use crate::wire::hello::Hello;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const HOUR: u64 = 3_600;

fn policy() -> Policy {
    let settings = Settings { discovery_bootstrap: true, network_allow_private: true, ..Settings::new("test") };
    Policy::from(&settings.check().expect("valid"))
}

fn rules() -> Rules {
    policy().score
}

fn peer(number: u16) -> PeerId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(bytes)
}

fn after(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn report(scores: &mut Scores, now: Time, number: u16, delta: i32) -> Option<Stage> {
    let is_kept_out = scores.stage(&peer(number)) >= Stage::Greylisted && now < after(HOUR);
    scores.change(now, peer(number), Move::Report { delta, why: "test" }, is_kept_out, false)
}

struct Bench {
    pool: Pool,
    ids: LinkIds,
    rng: Rng,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(policy())
    }

    fn with(policy: Policy) -> Bench {
        let ids = LinkIds::default();
        Bench { pool: Pool::new(peer(0), policy, ids.clone()), ids, rng: Rng::from_seed(4) }
    }

    fn link(&mut self, now: Time, number: u16) -> LinkId {
        let [high, low] = number.to_be_bytes();
        let (link, from) = (self.ids.next(), SocketAddr::from(([10, high, low, 1], 9_000)));
        self.pool.claim_arrival(now, link, from).expect("may come");
        let introduction = self.pool.introduce(now, link, peer(number), &Arc::new(Hello::default()), &mut self.rng);
        assert_eq!(introduction.verdict, crate::base::verdict::Verdict::Admit);
        self.pool.open(now, link);
        link
    }

    fn standing(&self, now: Time, number: u16) -> Standing {
        self.pool.lists().standing(now, None, Some(&peer(number)))
    }

    fn end(&mut self, now: Time, link: LinkId, reason: CloseReason) -> Option<Stage> {
        let closed = self.pool.close(now, link, reason, None, &[], &mut self.rng).expect("there");
        closed.banned.map(|judgement| judgement.stage)
    }
}

#[test]
fn a_score_halves_in_each_half_life_and_ends_at_zero() {
    let mut scores = Scores::new(rules());
    report(&mut scores, after(0), 1, 800);
    report(&mut scores, after(0), 2, -800);
    for (hours, left) in [(0, 800), (1, 400), (2, 200), (3, 100), (20, 0)] {
        assert_eq!(scores.value(after(hours * HOUR), &peer(1)), left);
        assert_eq!(scores.value(after(hours * HOUR), &peer(2)), -left);
    }
    assert_eq!(scores.value(after(u64::MAX / 2_000_000_000), &peer(1)), 0);
    assert_eq!(scores.value(after(0), &peer(3)), 0, "a stranger");
}

proptest! {
    #[test]
    fn fading_is_the_same_in_one_step_and_in_many(
        delta in -2_000_i32..2_000,
        half_life in 1_u64..100_000_000,
        steps in prop::collection::vec(0_u64..40_000_000, 1..40),
    ) {
        let rules = Rules { half_life: Duration::from_micros(1_000_000 + half_life), ..rules() };
        let (mut often, mut once) = (Scores::new(rules), Scores::new(rules));
        report(&mut often, after(0), 1, delta);
        report(&mut once, after(0), 1, delta);
        let mut now = after(0);
        for step in steps {
            now = now + Duration::from_micros(step);
            // A verdict of nothing brings the record up to date, where reading leaves it.
            report(&mut often, now, 1, 0);
            prop_assert_eq!(often.value(now, &peer(1)), once.value(now, &peer(1)));
        }
        let kept = |scores: &Scores| scores.row(now, 0, &peer(1), false).map_or(0, |row| row.thousandths);
        prop_assert_eq!(kept(&often), kept(&once));
    }

    #[test]
    fn scores_stay_in_bounds_whatever_is_reported(
        moves in prop::collection::vec((0_u64..10_000, any::<i32>(), 0_u8..3, ".{0,80}"), 1..60)
    ) {
        let mut bench = Bench::new();
        let mut now = after(0);
        for (seconds, delta, kind, why) in moves {
            now = now + Duration::from_secs(seconds);
            match kind {
                0 => drop(bench.pool.report(now, peer(1), delta, &why)),
                1 => drop(bench.pool.note_fault(now, peer(1), SocketAddr::from(([10, 0, 0, 1], 1)), CloseReason::BadRecord)),
                _ => {
                    let is_kept_out = bench.standing(now, 1) != Standing::Ordinary;
                    bench.pool.scores.change(now, peer(1), Move::Metadata(delta), is_kept_out, false);
                }
            }
            if let Some(score) = bench.pool.score(now, &peer(1)) {
                prop_assert!((-SCORE_MAX..=SCORE_MAX).contains(&score.value));
                prop_assert!(score.causes.len() <= SCORE_CAUSES_MAX);
                let is_shown = |why: &str| why.chars().count() <= 65 && !why.chars().any(char::is_control);
                prop_assert!(score.causes.iter().all(|cause| is_shown(&cause.why) && cause.delta.abs() <= 2 * SCORE_MAX));
            }
        }
        bench.pool.expire_scores(now + Duration::from_secs(1_000 * HOUR));
        let is_banned = bench.pool.lists().ban_of(now, &peer(1)).is_some();
        prop_assert_eq!(bench.pool.scores().is_empty(), !is_banned, "what has faded is forgotten, unless it is banned");
    }
}

#[test]
fn each_threshold_acts_once_until_the_score_has_risen_by_half() {
    let mut scores = Scores::new(rules());
    let moves = [-60, -40, -1, 40, -40, -300, -60, 10, -10, -300, -1].map(|delta| report(&mut scores, after(0), 1, delta));
    let expected = [
        None,
        Some(Stage::Warned),
        None,
        None,
        None,
        None,
        // -461 and up again: the greylist begins at -500.
        None,
        None,
        None,
        Some(Stage::Greylisted),
        None,
    ];
    assert_eq!(moves, expected);
    assert_eq!(report(&mut scores, after(0), 1, -100), Some(Stage::Banned));
    assert_eq!(report(&mut scores, after(0), 1, -100), None);
    assert_eq!(report(&mut scores, after(0), 2, -900), Some(Stage::Banned), "a fall through all of them is the last");
    // Five half-lives later it is above half of each, and the lists have let it go.
    let later = after(5 * HOUR);
    assert_eq!(report(&mut scores, later, 1, -90), Some(Stage::Warned));
    assert_eq!(report(&mut scores, later, 1, 200), None);
    assert_eq!(report(&mut scores, later, 1, -200), None, "warned of a moment ago");
    let off = Rules { warn: 0, greylist: 0, ban: 0, ..rules() };
    assert_eq!(report(&mut Scores::new(off), after(0), 1, -1_000), None, "0 is never");
}

/// A ban that ended by itself is served: the next bad verdict may bring another. One that the operator lifted is not.
#[test]
fn who_has_served_a_ban_can_be_banned_again() {
    let rules = Rules { ban_time: Duration::from_secs(60), ..rules() };
    let change = |scores: &mut Scores, seconds, is_kept_out| {
        scores.change(after(seconds), peer(1), Move::Report { delta: -900, why: "lies" }, is_kept_out, false)
    };
    let mut scores = Scores::new(rules);
    assert_eq!(change(&mut scores, 0, false), Some(Stage::Banned));
    assert_eq!(change(&mut scores, 1, true), None, "it is kept out");
    assert_eq!(change(&mut scores, 30, false), None, "it was lifted");
    assert_eq!(change(&mut scores, 60, false), Some(Stage::Banned), "it was served");
    let saved = SavedScore { peer: peer(1), thousandths: -900_000, stage: Stage::Banned, is_lifted: false, at: 0 };
    let mut scores = Scores::new(rules);
    assert!(scores.restore(after(100), Duration::ZERO, &saved, Some(after(110))));
    assert!(!scores.restore(after(100), Duration::ZERO, &saved, None), "it is there");
    assert_eq!(change(&mut scores, 109, false), None);
    assert_eq!(change(&mut scores, 110, false), Some(Stage::Banned));
}

#[test]
fn faults_cost_more_each_time_and_other_ends_nothing() {
    let mut bench = Bench::with(Policy { greylist_timeout: Duration::from_secs(1), ..policy() });
    let mut values = Vec::new();
    let mut banned = Vec::new();
    for round in 0..3 {
        let now = after(round * 2);
        let link = bench.link(now, 1);
        banned.push(bench.end(now, link, CloseReason::BadRecord));
        values.push(bench.pool.scores().value(now, &peer(1)));
    }
    assert_eq!(banned, [None, None, Some(Stage::Banned)]);
    assert!((-100..=-99).contains(&values[0]) && (-500..=-499).contains(&values[1]) && values[2] < -998, "{values:?}");
    assert_eq!(bench.standing(after(100 * HOUR), 1), Standing::Banned, "until the operator lifts it");
    let link = bench.link(after(10), 2);
    bench.end(after(10), link, CloseReason::Reset);
    assert_eq!(bench.pool.score(after(10), &peer(2)), None);
    for reason in CloseReason::ALL {
        assert!(penalty(*reason) == 0 || reason.blame() == Blame::Peer, "{reason:?}");
    }
    assert_eq!(penalty(CloseReason::ScoreTooLow), 0);
}

#[test]
fn a_verdict_disconnects_greylists_and_bans_but_not_whom_the_operator_trusts() {
    let mut bench = Bench::new();
    let now = after(1);
    let (link, trusted) = (bench.link(now, 1), bench.link(now, 2));
    bench.pool.lists_mut().trust(now, Subject::Peer(peer(2)), None).expect("not banned");
    let judgement = bench.pool.report(now, peer(1), -500, "a block\nthat lies").expect("a threshold");
    assert_eq!((judgement.stage, judgement.score, judgement.close), (Stage::Greylisted, -500, vec![link]));
    assert_eq!(judgement.why, "a block\\nthat lies");
    assert_eq!(bench.standing(now, 1), Standing::Greylisted);
    assert_eq!(bench.pool.slots().get(link).and_then(|slot| slot.doomed), Some(CloseReason::ScoreTooLow));
    let closed = bench.pool.close(now, link, CloseReason::ScoreTooLow, None, &[], &mut bench.rng).expect("there");
    assert_eq!((closed.greylisted, closed.banned), (None, None), "that was told before");
    assert_eq!(bench.pool.report(now, peer(2), -1_000, "x"), None);
    assert_eq!((bench.pool.scores().value(now, &peer(2)), bench.standing(now, 2)), (-1_000, Standing::Trusted));
    assert!(bench.pool.slots().get(trusted).is_some_and(|slot| slot.is_open()));
    // Whom the operator takes off the greylist may be put there again.
    bench.pool.lists_mut().flush_greylist();
    let again = bench.pool.report(now, peer(1), -1, "x").expect("acts again");
    assert_eq!((again.stage, again.close), (Stage::Greylisted, Vec::new()));
    assert_eq!(bench.pool.report(now, peer(1), -400, "x").map(|judgement| judgement.stage), Some(Stage::Banned));
    // A ban that is lifted is not repeated at once.
    bench.pool.lists_mut().unban(&Subject::Peer(peer(1)));
    assert_eq!(bench.pool.report(now, peer(1), -50, "x"), None);
}

#[test]
fn metadata_counts_once_however_often_its_peer_comes() {
    let mut bench = Bench::new();
    let now = after(1);
    for _ in 0..3 {
        let (link, from) = (bench.ids.next(), SocketAddr::from(([10, 0, 1, 1], 9_000)));
        bench.pool.claim_arrival(now, link, from).expect("may come");
        assert_eq!(bench.pool.note_metadata(now, link, peer(1), 70), None);
        assert_eq!(bench.pool.scores().value(now, &peer(1)), 70);
        bench.pool.close(now, link, CloseReason::Reset, None, &[], &mut bench.rng);
    }
    let (link, from) = (bench.ids.next(), SocketAddr::from(([10, 0, 1, 1], 9_000)));
    bench.pool.claim_arrival(now, link, from).expect("may come");
    let judgement = bench.pool.note_metadata(now, link, peer(1), -600).expect("a threshold");
    assert_eq!((judgement.stage, judgement.score), (Stage::Greylisted, -600));
    let introduction = bench.pool.introduce(now, link, peer(1), &Arc::new(Hello::default()), &mut bench.rng);
    assert_eq!(introduction.verdict, crate::base::verdict::Verdict::refuse(CloseReason::Greylisted));
}

#[test]
fn when_all_places_are_taken_bad_scores_are_kept() {
    let mut scores = Scores::new(rules());
    for number in 0..SCORES_MAX as u16 {
        let delta = if number % 2 == 0 { -50 } else { 1 + i32::from(number / 2 % 500) };
        report(&mut scores, after(0), number, delta);
    }
    for number in 0..1_000 {
        report(&mut scores, after(0), 10_000 + number, 900);
        assert!(scores.len() <= SCORES_MAX);
    }
    let bad = (0..SCORES_MAX as u16).filter(|number| scores.value(after(0), &peer(*number)) == -50).count();
    assert_eq!(bad, SCORES_MAX / 2);
    assert_eq!(scores.value(after(0), &peer(10_999)), 900);
}

/// Or whoever has many identities could have the good ones forgotten.
#[test]
fn many_bad_ones_push_out_their_like_and_not_the_good() {
    let mut scores = Scores::new(rules());
    for number in 0..100 {
        report(&mut scores, after(0), number, 10);
    }
    for number in 0..2 * SCORES_MAX as u16 {
        report(&mut scores, after(0), 1_000 + number, -50 - i32::from(number % 900));
        assert!(scores.len() <= SCORES_MAX);
    }
    assert!((0..100).all(|number| scores.value(after(0), &peer(number)) == 10));
}

#[test]
fn a_better_score_weighs_more_in_equal_steps() {
    let weights = [-1_000, -1, 0, 332, 333, 334, 666, 667, 999, 1_000].map(|score| weight(score, 4));
    assert_eq!(weights, [1, 1, 1, 1, 1, 2, 2, 3, 3, 4]);
    assert_eq!([weight(1_000, 1), weight(1_000, 0), weight(i32::MAX, 255)], [1, 1, 255]);
}

#[test]
fn the_lowest_scores_are_dropped_first() {
    let mut bench = Bench::new();
    let now = after(1);
    let links: Vec<LinkId> = (1..=8).map(|number| bench.link(now, number)).collect();
    bench.pool.report(now, peer(3), -80, "x");
    bench.pool.report(now, peer(5), -20, "x");
    bench.pool.report(now, peer(7), 50, "x");
    let mut others = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let dropped = bench.pool.whom_to_drop(now, 8, None, &mut bench.rng);
        assert_eq!((dropped[0], dropped[1], dropped[7]), (links[2], links[4], links[6]));
        others.insert(dropped[2]);
    }
    assert_eq!(others.len(), 5, "equals go at random");
}

#[test]
fn the_better_are_chosen_more_often_and_everybody_has_a_turn() {
    let mut rng = Rng::from_seed(9);
    let one = |who: usize, score, ms| Candidate { who, score, latency: Some(Duration::from_millis(ms)) };
    let candidates = vec![one(0, 900, 5), one(1, 120, 10), one(2, 180, 300), one(3, 0, 10), one(4, -300, 1)];
    let mut first = [0_u32; 5];
    for _ in 0..10_000 {
        first[select(candidates.clone(), How::Any, &mut rng)[0]] += 1;
    }
    // Of n candidates the k-th best wins 2 (n - k) of n (n - 1) draws.
    for (got, expected) in first.into_iter().zip([4_000, 3_000, 2_000, 1_000, 0]) {
        assert!(got.abs_diff(expected) < 200, "{first:?}");
    }
    let mut all = select(candidates.clone(), How::All, &mut rng);
    assert_eq!(all[4], 4, "the worst is the last resort");
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4]);
    for count in 0..8 {
        let some = select(candidates.clone(), How::N(count), &mut rng);
        let different: std::collections::BTreeSet<usize> = some.iter().copied().collect();
        assert_eq!((some.len(), different.len()), (count.min(5), count.min(5)));
    }
    assert_eq!(select(vec![one(3, 0, 1)], How::Any, &mut rng), [3]);
    assert!(select(Vec::<Candidate<usize>>::new(), How::Any, &mut rng).is_empty());
    let unmeasured = Candidate { latency: None, ..one(9, 0, 0) };
    assert_eq!(select(vec![unmeasured, one(1, 0, 9_000)], How::Any, &mut rng), [1], "what is not measured counts as slow");
}

#[test]
fn the_better_are_dialed_sooner_and_the_worse_have_a_chance() {
    let mut bench = Bench::new();
    let now = after(1);
    let at = |number: u8| SocketAddr::from(([10, number, 0, 1], 9_000));
    for number in 1..=2 {
        let address = crate::base::address::Address::of(at(number), None);
        bench.pool.learn_all(now, [(&address, &[][..])].into_iter(), at(99), None);
        bench.pool.points.prove(now, at(number), peer(u16::from(number)));
    }
    bench.pool.report(now, peer(1), 90, "x");
    bench.pool.report(now, peer(2), -90, "x");
    let mut first = 0_u32;
    for _ in 0..6_000 {
        first += u32::from(bench.pool.whom_to_dial(now, 1, &mut bench.rng).now == [at(1)]);
    }
    // The lower of two lots beats the higher of two others in five cases of six.
    assert!(first.abs_diff(5_000) < 150, "{first}");
}
