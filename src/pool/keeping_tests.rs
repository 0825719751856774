//! What outlives a restart: what a store has is what the pool has, whatever happens to either, and what comes back has its age.

use super::keeping::{Imported, Key};
use super::lists::{By, Culprit, ListError, Standing};
use super::points::{Offer, Point, Proof, Source, State};
use super::policy::Policy;
use super::saved::{Change, Saved};
use super::saved_json::{entry, read, row};
use super::score::{Rules, Stage};
use super::slots::Purpose;
use super::table::Pool;
use super::testbed::{Bench, at, peer, policy};
use super::tried::Promotion;
use crate::base::address::Address;
use crate::base::limits::{BUCKET, POINTS_MAX};
use crate::base::point::Group;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::wire::hello::Capability;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 24 * HOUR;
/// Seconds since 1970 when the nodes of these tests begin.
pub(super) const UNIX: u64 = 1_800_000_000;

pub(super) fn after(seconds: u64) -> Time {
    // As a node's clock, which has counted some years when it is built.
    Time::ZERO + Duration::from_secs(1_000 * DAY + seconds)
}

/// What a store has, as lines.
pub(super) type Store = BTreeMap<String, String>;

pub(super) fn save(store: &mut Store, changes: &[Change]) {
    for (key, row) in changes.iter().map(entry) {
        match row {
            Some(row) => store.insert(key, row),
            None => store.remove(&key),
        };
    }
}

pub(super) fn load(store: &Store) -> Saved {
    let mut saved = Saved::default();
    store.values().for_each(|line| saved.take(read(line).expect("a row")));
    saved
}

/// All rows of a pool, as a store that has them all.
fn all(pool: &Pool, now: Time, unix: u64) -> Store {
    let mut store = Store::new();
    let rows: Vec<Change> = pool.keys(None).map(|key| pool.change_of(now, unix, key)).collect();
    save(&mut store, &rows);
    store
}

fn without_meta(mut store: Store) -> Store {
    store.retain(|key, _| key != "meta" && key != "anchors");
    store
}

pub(super) fn restored(store: &Store, unix: u64) -> Bench {
    let mut bench = Bench::new(policy());
    bench.pool.keep();
    bench.pool.restore(after(0), unix, &load(store));
    bench
}

pub(super) fn learn(bench: &mut Bench, number: u8, proof: Proof) {
    let address = Address::of(at(number), Some(peer(number)));
    let capabilities = [Capability { name: "archive".to_owned(), value: number.into() }];
    let offer = Offer { address: &address, capabilities: &capabilities, source: Source::Group(Group::of(at(9).ip())), proof };
    let policy = bench.pool.policy().clone();
    bench.pool.points_mut().learn(bench.now, &offer, &policy);
}

/// One thing that happens to the tables.
fn happen(bench: &mut Bench, what: u8, who: u8) {
    let (now, who) = (bench.now, who % 12 + 1);
    let subject = format!("10.{who}.0.0/16").parse().expect("a prefix");
    match what % 16 {
        0 => learn(bench, who, Proof::Heard),
        1 => learn(bench, who, Proof::Host),
        2 => drop(bench.pool.report(now, peer(who), -i32::from(what) * 3, "verdict")),
        3 => drop(bench.pool.ban(now, subject, None, "spam")),
        4 => drop(bench.pool.lists_mut().unban(&subject)),
        5 => drop(bench.pool.lists_mut().trust(now, subject, Some(now + Duration::from_secs(60)))),
        6 => drop(bench.pool.lists_mut().untrust(&subject)),
        7 => {
            let policy = bench.pool.policy().clone();
            bench.pool.lists_mut().greylist(now, Culprit::Host(at(who).ip()), &policy);
        }
        8 => drop(bench.pool.lists_mut().flush_greylist()),
        9 => drop(bench.pool.lists_mut().forgive(&Culprit::Host(at(who).ip()))),
        10 => drop(bench.arrive(who)),
        11 => drop(bench.pool.claim_dial(now, at(who), None, Purpose::Wanted)),
        12 => {
            bench.pool.lists_mut().expire(now);
            bench.pool.expire_points(now);
            bench.pool.expire_scores(now);
        }
        13 => drop(bench.pool.points_mut().fix(now, at(who), None, true)),
        14 => bench.pool.points_mut().note_self(at(who)),
        _ => {
            let link = bench.pool.slots().iter().map(|slot| slot.link).nth(usize::from(who) % 3);
            if let Some(link) = link {
                bench.pool.recognise(now, link, peer(who));
                bench.introduce(link, who);
                bench.pool.open(now, link);
                if what > 127 {
                    bench.close(link, CloseReason::Reset);
                }
            }
        }
    }
}

proptest! {
    /// The marks miss nothing: a store that is told of changes alone has what a store that is told everything has.
    #[test]
    fn a_store_that_is_told_of_changes_has_everything(events in prop::collection::vec((any::<u8>(), any::<u8>()), 0..60), size in 1_usize..9) {
        let mut bench = Bench::new(policy());
        bench.now = after(0);
        bench.pool.keep();
        let mut store = Store::new();
        for (what, who) in events {
            happen(&mut bench, what, who);
            let changes = bench.pool.take_changes(bench.now, UNIX, size);
            prop_assert!(changes.len() <= size + 2);
            // Every third save fails.
            if what % 3 == 0 { bench.pool.keep_changes(&changes) } else { save(&mut store, &changes) }
        }
        while bench.pool.has_changes() {
            save(&mut store, &bench.pool.take_changes(bench.now, UNIX, size));
        }
        prop_assert_eq!(without_meta(store.clone()), all(&bench.pool, bench.now, UNIX));
        // And the node that starts from it has it, too, with nothing to save but what is of no use to it.
        let mut again = restored(&store, UNIX);
        let mut left = store.clone();
        save(&mut left, &again.pool.take_changes(after(0), UNIX, 1_000));
        prop_assert_eq!(without_meta(left), all(&again.pool, after(0), UNIX));
    }
}

#[test]
fn nothing_is_noted_without_a_store() {
    let mut bench = Bench::new(policy());
    (0..=255).for_each(|what| happen(&mut bench, what, what));
    assert!(!bench.pool.has_changes() && !bench.pool.take_urgent() && bench.pool.keys(None).next().is_some());
}

#[test]
fn what_keeps_somebody_out_is_urgent_once() {
    let mut bench = Bench::new(policy());
    bench.pool.keep();
    let net = "192.0.2.0/24".parse().expect("a prefix");
    let now = bench.now;
    learn(&mut bench, 1, Proof::Heard);
    assert!(bench.pool.has_changes() && !bench.pool.take_urgent());
    bench.pool.ban(now, net, None, "spam").expect("there is room");
    assert!(bench.pool.take_urgent() && !bench.pool.take_urgent());
    assert!(bench.pool.lists_mut().unban(&net));
    assert!(bench.pool.take_urgent() && !bench.pool.lists_mut().unban(&net) && !bench.pool.take_urgent());
    bench.pool.report(now, peer(1), -20, "slow");
    assert!(!bench.pool.take_urgent());
    bench.pool.report(now, peer(1), -900, "lies");
    assert!(bench.pool.take_urgent());
}

#[test]
fn a_ban_an_address_and_a_peer_survive_a_restart_with_their_age() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    bench.pool.keep();
    learn(&mut bench, 1, Proof::Host);
    learn(&mut bench, 2, Proof::Heard);
    let link = bench.outbound(1);
    bench.now = after(10);
    bench.close(link, CloseReason::Reset);
    let (net, other) = ("198.51.100.0/24".parse().expect("a prefix"), "203.0.113.0/24".parse().expect("a prefix"));
    bench.pool.ban(after(10), net, None, "spam").expect("there is room");
    bench.pool.ban(after(10), other, Some(after(10 + HOUR)), "spam").expect("there is room");
    bench.pool.lists_mut().trust(after(10), "192.0.2.1".parse().expect("an address"), None).expect("not banned");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(10), UNIX + 10, 100));

    let again = restored(&store, UNIX + 10 + 600);
    let point = again.pool.points().get(at(1)).expect("it is known");
    assert_eq!((point.peer, point.proof, point.state, point.attempts), (Some(peer(1)), Proof::Dialed, State::Candidate, 0));
    let ago = |moment: Option<Time>| moment.map(|at| after(0).since(at).as_secs());
    assert_eq!((ago(point.last_seen), ago(point.last_dialed), ago(Some(point.last_heard))), (Some(600), Some(610), Some(610)));
    assert!(point.is_own_word && again.pool.points().get(at(2)).is_some_and(|point| point.capabilities.len() == 1));
    let known = again.pool.known().get(&peer(1)).expect("it is known");
    assert_eq!((ago(Some(known.first_seen)), ago(Some(known.last_seen)), known.links), (Some(610), Some(600), 0));
    let ip = |text: &str| Some(text.parse().expect("an address"));
    let standing = |now, text: &str| again.pool.lists().standing(now, ip(text), None);
    assert_eq!(standing(after(0), "198.51.100.7"), Standing::Banned);
    let (_, entry) = again.pool.lists().banned().find(|(subject, _)| *subject == net).expect("it is banned");
    assert_eq!((ago(Some(entry.since)), entry.until, &*entry.why, entry.by), (Some(600), None, "spam", By::Operator));
    assert_eq!(standing(after(0), "192.0.2.1"), Standing::Trusted);
    assert_eq!(standing(after(HOUR - 601), "203.0.113.7"), Standing::Banned);
    assert_eq!(standing(after(HOUR - 600), "203.0.113.7"), Standing::Ordinary);

    // After a long absence, or by a clock that says so, it is a day older and not forgotten at once; then it has that age.
    let mut later = restored(&store, UNIX + 400 * DAY);
    let forgotten_after = later.pool.policy().point_forgotten_after;
    later.pool.expire_points(after(0));
    assert!(later.pool.points().get(at(2)).is_some() && later.pool.points().get(at(1)).is_some());
    // Also when it is started once more at once.
    save(&mut store, &later.pool.take_changes(after(0), UNIX + 400 * DAY, 100));
    let mut once_more = restored(&store, UNIX + 400 * DAY);
    once_more.pool.expire_points(after(0));
    assert!(once_more.pool.points().get(at(2)).is_some());
    later.pool.expire_points(after(0) + forgotten_after - Duration::from_secs(DAY));
    assert!(later.pool.points().get(at(2)).is_none() && later.pool.points().get(at(1)).is_some());
}

#[test]
fn a_restart_keeps_scores_bans_and_greylistings_and_believes_no_clock() {
    let mut bench = Bench::new(policy());
    bench.pool.keep();
    let now = after(100);
    for (number, delta) in [(1, 800), (2, -500), (3, -900), (4, -98)] {
        bench.pool.report(now, peer(number), delta, "x");
    }
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(now, UNIX, 100));
    let values = |bench: &Bench| [1, 2, 3, 4].map(|number| bench.pool.scores().value(after(0), &peer(number)));
    let standing = |bench: &Bench, now, number| bench.pool.lists().standing(now, None, Some(&peer(number)));
    let at_once = restored(&store, UNIX);
    assert_eq!(values(&at_once), [800, -500, -900, -98]);
    let ordinary = Standing::Ordinary;
    let standings = [1, 2, 3, 4].map(|number| standing(&at_once, after(0), number));
    assert_eq!(standings, [ordinary, Standing::Greylisted, Standing::Banned, ordinary]);
    let later = restored(&store, UNIX + HOUR);
    assert_eq!(values(&later), [400, -250, -450, -49]);
    assert_eq!(standing(&later, after(22 * HOUR), 2), Standing::Greylisted);
    assert_eq!(standing(&later, after(23 * HOUR), 2), ordinary, "24 h after it began");
    // The clock went back by years: nothing has faded, and the greylist holds for no longer than it ever does.
    let back = restored(&store, 1);
    assert_eq!(values(&back), [800, -500, -900, -98]);
    assert_eq!(standing(&back, after(24 * HOUR), 2), ordinary);
    // And far ahead: everything has faded, but for the ban.
    let ahead = restored(&store, u64::MAX);
    assert_eq!(values(&ahead), [0, 0, 0, 0]);
    assert_eq!([2, 3].map(|number| standing(&ahead, after(0), number)), [ordinary, Standing::Banned]);
}

#[test]
fn an_import_adds_what_is_news_and_changes_nothing_that_is_known() {
    let mut from = Bench::new(policy());
    (1..=5).for_each(|number| learn(&mut from, number, Proof::Dialed));
    let now = from.now;
    from.pool.ban(now, "192.0.2.0/24".parse().expect("a prefix"), None, "spam").expect("there is room");
    from.pool.report(now, peer(1), 300, "blocks");
    let rows = load(&all(&from.pool, now, UNIX));
    let mut to = Bench::new(policy());
    to.pool.keep();
    learn(&mut to, 1, Proof::Heard);
    to.pool.report(to.now, peer(1), -10, "slow");
    let before = row(&to.pool.change_of(to.now, UNIX, Key::Point(at(1))));
    let imported = to.pool.import(to.now, UNIX, &rows);
    assert_eq!(imported, Imported { points: 4, lists: 1, ..Imported::default() });
    assert_eq!(row(&to.pool.change_of(to.now, UNIX, Key::Point(at(1)))), before);
    assert_eq!(to.pool.scores().value(to.now, &peer(1)), -10);
    assert!(to.pool.take_urgent(), "a ban is saved at once");
    assert_eq!(to.pool.import(to.now, UNIX, &rows), Imported::default(), "nothing of it is news");
}

/// Places are drawn with the saved key, and nothing else of them is saved.
#[test]
fn the_same_file_gives_the_same_places() {
    let mut bench = Bench::new(policy());
    bench.pool.set_book_key([9; 16]);
    bench.now = after(0);
    bench.pool.keep();
    let policy = bench.pool.policy().clone();
    (1..=90).for_each(|number| learn(&mut bench, number, Proof::Dialed));
    let promoted =
        (1..=30).filter(|number| bench.pool.points_mut().good(after(0), at(*number), &policy) == Promotion::Tried).count();
    assert!(promoted > 20, "{promoted}");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 1_000));
    let again = restored(&store, UNIX);
    assert_eq!(again.pool.points().key(), &[9; 16]);
    let buckets = |bench: &Bench| -> Vec<_> {
        let bucket = |point: &Point| point.places.iter().map(|place| place as usize / BUCKET).collect::<Vec<_>>();
        bench.pool.points().iter().map(|point| (point.at, point.is_tried(), bucket(point))).collect()
    };
    let tried = buckets(&again).iter().filter(|(_, is_tried, _)| *is_tried).count();
    assert!(buckets(&bench) == buckets(&again) && tried == promoted, "{tried}");
}

#[test]
fn anchors_are_saved_of_the_links_before_the_stop_and_serve_one_start() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    bench.pool.keep();
    let link = bench.outbound(1);
    bench.pool.stop();
    bench.close(link, CloseReason::Stopped);
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    assert_eq!(load(&store).anchors.iter().map(|anchor| (anchor.at, anchor.peer)).collect::<Vec<_>>(), [(at(1), peer(1))]);
    let mut again = restored(&store, UNIX);
    assert_eq!(again.pool.take_anchors().len(), 1);
    assert!(again.pool.has_changes(), "they are to go from the store");
    save(&mut store, &again.pool.take_changes(after(0), UNIX, 100));
    assert_eq!(load(&store).anchors, []);
}

#[test]
fn rows_are_read_on_from_any_key() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    (0..=255).for_each(|what| happen(&mut bench, what, what));
    let keys: Vec<Key> = bench.pool.keys(None).collect();
    let kinds = [Key::Point(at(0)), Key::Peer(peer(0)), Key::Score(peer(0))].map(|key| std::mem::discriminant(&key));
    assert!(kinds.iter().all(|kind| keys.iter().any(|key| std::mem::discriminant(key) == *kind)), "{keys:?}");
    for (number, last) in keys.iter().enumerate() {
        assert!(bench.pool.keys(Some(*last)).eq(keys[number + 1..].iter().copied()), "behind {last:?}");
    }
}

/// Else somebody whom the settings name no longer would be trusted for ever.
#[test]
fn trust_by_the_settings_is_never_saved_and_by_the_operator_is() {
    let mut bench = Bench::new(policy());
    let [configured, said] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().expect("an address"));
    for subject in [configured, said] {
        bench.pool.lists_mut().trust_configured(bench.now, subject).expect("nobody is banned");
    }
    bench.pool.keep();
    bench.pool.lists_mut().trust(bench.now, said, None).expect("nobody is banned");
    // The store turns out to be empty.
    bench.pool.keep_all();
    let saved = bench.pool.take_changes(bench.now, UNIX, 100);
    let trusted = saved.iter().filter_map(|change| if let Change::List(entry) = change { Some(entry.subject) } else { None });
    assert_eq!(trusted.collect::<Vec<_>>(), [said]);
}

/// Else a restart would let in whom the operator has banned, and forget it.
#[test]
fn a_ban_stands_above_trust_by_the_settings_after_a_restart_and_against_an_import() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    bench.pool.keep();
    let who = Subject::Peer(peer(1));
    bench.pool.lists_mut().trust_configured(after(0), who).expect("nobody is banned");
    bench.pool.ban(after(0), who, None, "spam").expect("there is room");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    let mut again = restored(&store, UNIX);
    assert_eq!(again.pool.lists_mut().trust_configured(after(0), who), Err(ListError::Banned));
    let standing = |bench: &Bench| bench.pool.lists().standing(after(0), None, Some(&peer(1)));
    assert_eq!(standing(&again), Standing::Banned);
    save(&mut store, &again.pool.take_changes(after(0), UNIX, 100));
    assert!(store.contains_key(&format!("banned {}", peer(1))), "{store:?}");

    // An import says neither the one nor the other against what is said here, and tells of it.
    let contradicted = Imported { contradicted: 1, ..Imported::default() };
    let mut other = Bench::new(policy());
    other.pool.lists_mut().trust_configured(other.now, who).expect("nobody is banned");
    assert_eq!(other.pool.import(after(0), UNIX, &load(&store)), contradicted);
    assert_eq!(standing(&other), Standing::Trusted);
    other.pool.lists_mut().untrust(&who);
    other.pool.lists_mut().trust(after(0), who, None).expect("nobody is banned");
    assert_eq!(again.pool.import(after(0), UNIX, &load(&all(&other.pool, after(0), UNIX))), contradicted);
    assert_eq!(standing(&again), Standing::Banned);
}

/// The ban beats it only while it lasts.
#[test]
fn trust_within_a_prefix_that_was_banned_later_survives_a_restart_and_an_import() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    bench.pool.keep();
    let [trusted, banned] = ["10.1.0.0/16", "10.0.0.0/8"].map(|text| text.parse().expect("a prefix"));
    bench.pool.lists_mut().trust(after(0), trusted, None).expect("not banned");
    bench.pool.ban(after(0), banned, Some(after(HOUR)), "spam").expect("there is room");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    let mut again = restored(&store, UNIX);
    save(&mut store, &again.pool.take_changes(after(0), UNIX, 100));
    let mut imported = Bench::new(policy());
    imported.now = after(0);
    let rows = load(&all(&again.pool, after(0), UNIX));
    assert_eq!(imported.pool.import(after(0), UNIX, &rows), Imported { lists: 2, ..Imported::default() });
    for bench in [&bench, &again, &imported] {
        let standing = |now| bench.pool.lists().standing(now, Some(at(1).ip()), None);
        assert_eq!([after(0), after(HOUR)].map(standing), [Standing::Banned, Standing::Trusted]);
    }
    assert!(store.contains_key("trusted 10.1.0.0/16"), "{store:?}");
    assert_eq!(again.pool.lists_mut().trust(after(0), trusted, None), Err(ListError::Banned), "it is not said anew");
}

#[test]
fn an_import_into_full_tables_costs_nobody_his_place_and_says_so() {
    let small = Policy { points_max: 64, greylist_max: 2, ..policy() };
    let mut bench = Bench::new(small);
    bench.now = after(0);
    (1..=64).for_each(|number| learn(&mut bench, number, Proof::Heard));
    let policy = bench.pool.policy().clone();
    for number in 1..=2 {
        bench.pool.lists_mut().greylist(after(0), Culprit::Peer(peer(number)), &policy);
    }
    let before = all(&bench.pool, after(0), UNIX);
    assert_eq!(before.len(), 66);
    let mut other = Bench::new(policy);
    other.now = after(0);
    (60..=74).for_each(|number| learn(&mut other, number, Proof::Dialed));
    other.pool.lists_mut().keep_grey(Culprit::Peer(peer(3)), after(9), 1);
    let rows = load(&all(&other.pool, after(0), UNIX));
    assert_eq!(bench.pool.import(after(0), UNIX, &rows), Imported { without_place: 10 + 1, ..Imported::default() });
    assert_eq!(all(&bench.pool, after(0), UNIX), before);
    bench.pool.points().check_invariants(bench.pool.policy());
}

/// Whoever was banned for a score, and how that ended, is known after a restart: lifted, it is not repeated; served, it may be.
#[test]
fn a_ban_for_a_score_that_was_lifted_stays_lifted_after_a_restart() {
    let policy = Policy { score: Rules { ban_time: Duration::from_secs(HOUR), ..policy().score }, ..policy() };
    for (is_lifted, restarts) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut bench = Bench::new(policy.clone());
        bench.pool.keep();
        let mut store = Store::new();
        bench.pool.report(after(0), peer(1), -900, "lies");
        save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
        let now = if is_lifted { after(1) } else { after(HOUR) };
        if is_lifted {
            assert!(bench.pool.lists_mut().unban(&Subject::Peer(peer(1))));
        } else {
            bench.pool.lists_mut().expire(now);
        }
        let unix = UNIX + after(0).until(now).as_secs();
        save(&mut store, &bench.pool.take_changes(now, unix, 100));
        for _ in 0..usize::from(restarts) * 2 {
            bench = Bench::new(policy.clone());
            bench.pool.keep();
            bench.pool.restore(now, unix, &load(&store));
            save(&mut store, &bench.pool.take_changes(now, unix, 100));
        }
        let stage = bench.pool.report(now, peer(1), -900, "lies").map(|judgement| judgement.stage);
        assert_eq!(stage, (!is_lifted).then_some(Stage::Banned), "restarts: {restarts}");
    }
    // One that ends while the node is away is served, too, however often it is started then.
    let mut bench = Bench::new(policy.clone());
    bench.pool.keep();
    bench.pool.report(after(0), peer(1), -900, "lies");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, 100));
    for _ in 0..2 {
        bench = Bench::new(policy.clone());
        bench.pool.keep();
        bench.pool.restore(after(0), UNIX + HOUR, &load(&store));
        save(&mut store, &bench.pool.take_changes(after(0), UNIX + HOUR, 100));
    }
    assert_eq!(store.get(&format!("banned {}", peer(1))), None);
    assert_eq!(bench.pool.report(after(0), peer(1), -900, "lies").map(|judgement| judgement.stage), Some(Stage::Banned));
}

/// Addresses have places by several sources, of which one is saved.
#[test]
fn a_full_new_table_loses_no_address_in_a_restart() {
    let wide = Policy { points_max: POINTS_MAX, points_per_source: 512, allow_private: false, ..policy() };
    let mut bench = Bench::new(wide.clone());
    bench.pool.set_book_key([9; 16]);
    bench.now = after(0);
    bench.pool.keep();
    let mut rng = Rng::from_seed(4);
    for number in 0..60_000_u32 {
        let [_, a, b, c] = (rng.below(15_000) as u32).to_be_bytes();
        let address = Address::of(SocketAddr::from(([40 + a % 30, b, c, 1], 9_000)), None);
        let from = SocketAddr::from(([90 + rng.below(60) as u8, rng.below(250) as u8, 1, 1], 1)).ip();
        let proof = if number % 3 == 0 { Proof::Dialed } else { Proof::Heard };
        let offer = Offer { address: &address, capabilities: &[], source: Source::Group(Group::of(from)), proof };
        bench.pool.points_mut().learn(after(0), &offer, &wide);
    }
    let known = |bench: &Bench| bench.pool.points().iter().map(|point| point.at).collect::<Vec<_>>();
    assert!(known(&bench).len() > 12_000, "{}", known(&bench).len());
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, usize::MAX));
    let mut again = Bench::new(wide.clone());
    again.pool.keep();
    again.pool.restore(after(0), UNIX, &load(&store));
    assert!(known(&again) == known(&bench), "{} of {}", known(&again).len(), known(&bench).len());
    again.pool.points().check_invariants(&wide);
}

/// Of whom one group of sources has told first and others later, there are more than that group's buckets hold.
#[test]
fn who_has_a_place_by_another_source_than_is_saved_keeps_one_in_a_restart() {
    const OF_SOURCE: usize = 32 * BUCKET;
    let wide = Policy { points_max: POINTS_MAX, ..policy() };
    let mut bench = Bench::new(wide.clone());
    bench.now = after(0);
    bench.pool.keep();
    for number in 0..2_600_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let address = Address::of(SocketAddr::from(([40 + high, low, 0, 1], 9_000)), None);
        for teller in 90..96 {
            let source = Source::Group(Group::of([teller, 1, 1, 1].into()));
            let offer = Offer { address: &address, capabilities: &[], source, proof: Proof::Dialed };
            bench.pool.points_mut().learn(after(0), &offer, &wide);
        }
    }
    let first = Source::Group(Group::of([90, 1, 1, 1].into()));
    let of_first = |bench: &Bench| bench.pool.points().iter().filter(|point| point.source == first).count();
    let known = of_first(&bench);
    assert!(known > OF_SOURCE, "{known}");
    let mut store = Store::new();
    save(&mut store, &bench.pool.take_changes(after(0), UNIX, usize::MAX));
    let mut again = Bench::new(wide.clone());
    again.pool.keep();
    again.pool.restore(after(0), UNIX, &load(&store));
    assert_eq!(of_first(&again), known);
    again.pool.points().check_invariants(&wide);
    // What another node says of its sources is worth no more than if they had told this one.
    let mut other = Bench::new(wide.clone());
    other.pool.import(other.now, UNIX, &load(&store));
    assert!(of_first(&other) <= OF_SOURCE, "{}", of_first(&other));
}

/// Time that a bad address serves while the node is away ends as it does while it runs.
#[test]
fn a_bad_address_whose_time_ends_while_the_node_is_away_is_reinstated_and_that_counts() {
    let mut bench = Bench::new(policy());
    bench.now = after(0);
    bench.pool.keep();
    learn(&mut bench, 1, Proof::Heard);
    let mut store = Store::new();
    let mut now = after(0);
    for round in 0..4 {
        let (bad_period, attempts) = (policy().bad_period, policy().attempts_max);
        bench.pool.points_mut().change(at(1), |point| {
            (point.attempts, point.state) = (attempts, State::Bad { until: now + bad_period });
        });
        let saved_at = UNIX + after(0).until(now).as_secs();
        save(&mut store, &bench.pool.take_changes(now, saved_at, 100));
        now = now + bad_period;
        bench = Bench::new(policy());
        bench.pool.keep();
        bench.pool.restore(now, saved_at + bad_period.as_secs(), &load(&store));
        bench.pool.expire_points(now);
        let point = bench.pool.points().get(at(1)).map(|point| (point.state, point.attempts, point.reinstated));
        assert_eq!(point, (round < 3).then_some((State::Candidate, 0, round + 1)), "as a node that runs forgets it at last");
    }
}
