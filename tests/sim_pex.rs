//! The scenarios of ReactorV2's tests of the exchange of addresses, and those of Tezos' connection pool, played by whole nodes in a simulated
//! network. `BOWLINE_SEEDS=n` tries n seeds of each, `BOWLINE_SEED=s` only that one.

use bowline::base::reason::CloseReason;
use bowline::sim::stories::crowds::{among_friends, nine_nodes, overcrowded};
use bowline::sim::stories::exchange::{Beginning, Breach, breach, get_to_know};
use std::fmt::{Debug, Display};

/// Plays a story for every seed, and prints and gives what came out.
fn over_seeds<T: Debug, E: Display>(name: &str, play: impl Fn(u64) -> Result<T, E>) -> Vec<T> {
    let asked =
        |key| std::env::var(key).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{key}={text} is no number")));
    let seeds = match asked("BOWLINE_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=asked("BOWLINE_SEEDS").unwrap_or(1),
    };
    let play = |seed| {
        let replay = format!("replay: BOWLINE_SEED={seed} cargo test --test sim_pex -- --nocapture {name}");
        let figures = play(seed).unwrap_or_else(|failure| panic!("{failure}\n{replay}"));
        println!("{name} {seed}: {figures:?}");
        figures
    };
    seeds.map(play).collect()
}

#[test]
fn two_nodes_make_a_third_known_to_each_other() {
    over_seeds("two_nodes", |seed| get_to_know(seed, Beginning { ring: 2, later: 1, places: 20, known: 2 }));
}

#[test]
fn a_ring_of_ten_becomes_a_full_network() {
    let all = over_seeds("a_ring_of_ten", |seed| get_to_know(seed, Beginning { ring: 10, later: 0, places: 20, known: 9 }));
    assert!(all.iter().all(|known| known.links[0] >= 5), "{all:?}");
}

#[test]
fn few_places_keep_nobody_from_knowing_all_of_a_large_network() {
    let all = over_seeds("few_places", |seed| get_to_know(seed, Beginning { ring: 20, later: 0, places: 6, known: 19 }));
    assert!(all.iter().all(|known| known.links[1] <= 6), "{all:?}");
}

#[test]
fn many_places_are_no_trouble_in_a_small_network() {
    let all = over_seeds("many_places", |seed| get_to_know(seed, Beginning { ring: 4, later: 0, places: 100, known: 3 }));
    assert!(all.iter().all(|known| known.links == [3, 3]), "{all:?}");
}

#[test]
fn a_network_that_grows_makes_its_newcomers_known() {
    over_seeds("a_network_that_grows", |seed| get_to_know(seed, Beginning { ring: 5, later: 10, places: 20, known: 14 }));
}

#[test]
fn who_breaks_a_rule_of_the_exchange_is_closed_and_listed_for_it() {
    for (how, reason) in [
        (Breach::Haste, CloseReason::PexTooOften),
        (Breach::Unasked, CloseReason::PexUnsolicited),
        (Breach::UnaskedV2, CloseReason::PexUnsolicited),
        (Breach::TooMany, CloseReason::PexTooMany),
        (Breach::Unknown, CloseReason::UnknownMessage),
    ] {
        let all = over_seeds(&format!("who_breaks_a_rule {how:?}"), |seed| breach(seed, how));
        assert!(all.iter().all(|end| *end == (reason, 1)), "{how:?}: {all:?}");
    }
}

#[test]
fn nine_nodes_that_expect_six_links_stay_within_their_bounds() {
    over_seeds("nine_nodes", nine_nodes);
}

#[test]
fn whom_a_crowded_node_turns_away_finds_the_others() {
    let all = over_seeds("whom_a_crowded_node", overcrowded);
    assert!(all.iter().all(|crowded| crowded.turned_away >= 10), "hardly anybody was turned away: {all:?}");
}

#[test]
fn a_node_among_friends_finds_them_and_nobody_else() {
    over_seeds("a_node_among_friends", among_friends);
}
