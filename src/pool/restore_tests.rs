//! What a pool makes of rows whose times, or whose neighbours, are wrong or missing: nothing lasts longer, and nothing looks fresher, than the
//! rules would have it.

use super::keeping_tests::{DAY, HOUR, Store, UNIX, after, learn, load, restored, save};
use super::lists::Standing;
use super::points::{Proof, State};
use super::policy::Policy;
use super::saved::{Saved, SavedList};
use super::score::{Rules, Stage};
use super::testbed::{Bench, at, peer, policy};
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use std::time::Duration;

/// Whatever the clocks said, or the rows do not say: no address is bad, and nobody banned for a score, for longer than the rules of today have it.
#[test]
fn no_time_in_a_file_lasts_longer_than_the_rules_say() {
    const YEARS: u64 = 3_650 * DAY;
    let policy = Policy { score: Rules { ban_time: Duration::from_secs(HOUR), ..policy().score }, ..policy() };
    let mut old = Bench::new(policy.clone());
    old.now = after(0);
    old.pool.keep();
    learn(&mut old, 1, Proof::Dialed);
    old.pool.points_mut().change(at(1), |point| point.state = State::Bad { until: after(0) + policy.bad_period });
    old.pool.report(after(0), peer(1), -900, "lies");
    let mut store = Store::new();
    save(&mut store, &old.pool.take_changes(after(0), UNIX + YEARS, 100));
    let mut rows = load(&store);
    assert_eq!(rows.lists[0].until, Some(UNIX + YEARS + HOUR));
    // It was to last until somebody lifts it, by the rules of then.
    let endless = SavedList { until: None, subject: Subject::Peer(peer(2)), ..rows.lists[0].clone() };
    rows.lists.push(endless);
    // The clock was ahead by years; or it is not known when it was saved.
    for saved_at in [UNIX + YEARS, 0] {
        for is_own in [true, false] {
            let mut again = Bench::new(policy.clone());
            let saved = Saved { saved_at, ..rows.clone() };
            again.pool.keep();
            if is_own {
                again.pool.restore(after(0), UNIX, &saved);
            } else {
                assert_eq!(again.pool.import(after(0), UNIX, &saved).without_place, 0);
            }
            // And the next restart goes on from there.
            let mut store = Store::new();
            save(&mut store, &again.pool.take_changes(after(0), UNIX, 100));
            again = Bench::new(policy.clone());
            again.pool.restore(after(60), UNIX + 60, &load(&store));
            let state = |bench: &Bench| bench.pool.points().get(at(1)).map(|point| point.state);
            assert_eq!(state(&again), Some(State::Bad { until: after(0) + policy.bad_period }));
            again.pool.expire_points(after(0) + policy.bad_period);
            assert_eq!(state(&again), Some(State::Candidate));
            let bans = [1, 2].map(|number| again.pool.lists().ban_of(after(0), &peer(number)));
            assert_eq!(bans, [Some(Some(after(HOUR))); 2]);
        }
    }
}

/// By a clock that went back a ban, or trust, for an hour would else last for the days that it went back, too.
#[test]
fn what_was_for_a_time_lasts_no_longer_by_a_clock_that_went_back() {
    let mut bench = Bench::new(policy());
    bench.pool.keep();
    let [banned, trusted] = [1, 2].map(|number| Subject::Peer(peer(number)));
    bench.pool.ban(after(0), banned, Some(after(HOUR)), "spam").expect("there is room");
    bench.pool.lists_mut().trust(after(0), trusted, Some(after(HOUR))).expect("not banned");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    for unix in [UNIX, UNIX - 10 * DAY] {
        let again = restored(&store, unix);
        let standings = |now| [1, 2].map(|number| again.pool.lists().standing(now, None, Some(&peer(number))));
        assert_eq!(standings(after(HOUR - 1)), [Standing::Banned, Standing::Trusted], "{unix}");
        assert_eq!(standings(after(HOUR)), [Standing::Ordinary; 2], "{unix}");
    }
}

/// Else what it was not told would make an old address a fresh one, which is told to others.
#[test]
fn a_store_that_does_not_say_when_it_was_saved_makes_nothing_younger() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    bench.pool.keep();
    let link = bench.outbound(1);
    bench.close(link, CloseReason::Goodbye);
    learn(&mut bench, 2, Proof::Heard);
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    store.remove("meta");
    let age = |bench: &Bench| {
        let seen = bench.pool.points().get(at(1)).and_then(|point| point.last_seen);
        seen.map(|seen| (after(0).since(seen).as_secs(), bench.pool.healthy(after(0)).len()))
    };
    assert_eq!(age(&restored(&store, UNIX + HOUR)), Some((HOUR, 1)));
    let mut later = restored(&store, UNIX + 60 * DAY);
    assert_eq!(age(&later), Some((60 * DAY, 0)));
    later.pool.expire_points(after(0));
    assert_eq!(later.pool.points().len(), 0, "nobody has seen them for too long");
}

/// What has become of its ban stands in the row of the score itself: that of the ban may have ended, or be lost, or come in another piece.
#[test]
fn a_ban_whose_row_has_ended_or_is_lost_was_served_and_not_lifted() {
    let policy = Policy { score: Rules { ban_time: Duration::from_secs(HOUR), ..policy().score }, ..policy() };
    for is_lifted in [false, true] {
        let mut from = Bench::new(policy.clone());
        from.now = after(0);
        from.pool.keep();
        from.pool.report(after(0), peer(1), -900, "lies");
        if is_lifted {
            assert!(from.pool.lists_mut().unban(&Subject::Peer(peer(1))));
        }
        let mut store = Store::new();
        save(&mut store, &from.pool.take_changes(after(0), UNIX, 100));
        let Saved { lists, scores, .. } = load(&store);
        assert_eq!((lists.len(), scores[0].is_lifted), (usize::from(!is_lifted), is_lifted));
        let pieces = [Saved { lists, ..Saved::default() }, Saved { scores, ..Saved::default() }];
        let mut imported = Bench::new(policy.clone());
        for piece in &pieces {
            imported.pool.import(after(0), UNIX + HOUR, piece);
        }
        store.remove(&format!("banned {}", peer(1)));
        let unread = restored(&store, UNIX);
        for mut bench in [imported, unread] {
            assert_eq!(bench.pool.lists().ban_of(after(0), &peer(1)), None);
            let stage = bench.pool.report(after(0), peer(1), -900, "lies").map(|judgement| judgement.stage);
            assert_eq!(stage, (!is_lifted).then_some(Stage::Banned));
        }
    }
}

/// Else he would be a stranger after that time, whom the settings trust.
#[test]
fn trust_for_a_time_takes_nothing_from_whom_the_settings_name() {
    let who = Subject::Peer(peer(1));
    let trusted = format!("trusted {}", peer(1));
    let hour = Some(after(HOUR));
    let standing = |bench: &Bench, now: Time| bench.pool.lists().standing(now, None, Some(&peer(1)));
    let fresh = || restored(&Store::new(), UNIX);
    let mut bench = fresh();
    bench.pool.lists_mut().trust_configured(after(0), who).expect("not banned");
    bench.pool.lists_mut().trust(after(0), who, hour).expect("not banned");
    bench.pool.lists_mut().expire(after(HOUR));
    assert_eq!(standing(&bench, after(HOUR)), Standing::Trusted);
    assert!(!bench.pool.has_changes(), "it is not saved");

    // Nor if the settings name him later, before and after the end of that time.
    let mut store = Store::new();
    let mut bench = fresh();
    bench.pool.lists_mut().trust(after(0), who, hour).expect("not banned");
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    for away in [60, 2 * HOUR] {
        assert!(store.contains_key(&trusted));
        let mut bench = restored(&store, UNIX + away);
        bench.pool.lists_mut().trust_configured(after(0), who).expect("not banned");
        save(&mut store, &bench.pool.take_changes(after(0), UNIX + away, 100));
        bench.pool.lists_mut().expire(after(HOUR));
        assert_eq!(standing(&bench, after(HOUR)), Standing::Trusted);
    }
    assert!(!store.contains_key(&trusted), "the settings' own trust is never saved");
}

/// It fades from when it was saved: by a clock that was ahead it would else stand for years, as bad after each restart.
#[test]
fn a_score_from_a_clock_that_was_ahead_is_saved_with_the_time_of_today() {
    let mut old = Bench::new(policy());
    old.pool.keep();
    old.pool.report(after(0), peer(1), -450, "lies");
    let mut store = Store::new();
    save(&mut store, &old.pool.take_changes(after(0), UNIX + 3_650 * DAY, 100));
    let mut again = Bench::new(policy());
    again.pool.keep();
    again.pool.restore(after(0), UNIX, &load(&store));
    save(&mut store, &again.pool.take_changes(after(0), UNIX, 100));
    assert_eq!(load(&store).scores[0].at, UNIX);
}
