//! Seeded stories on simulated networks. `BOWLINE_SEEDS=n` tries n seeds of each, `BOWLINE_SEED=s` only that one; a failure prints the
//! line that replays it.

use bowline::sim::stories::dialing::{crossing_dials, redials};
use bowline::sim::stories::forming::{form_and_heal, part_and_join, partings};
use bowline::sim::stories::neighbours::bad_neighbours;
use bowline::sim::stories::roles::archives;
use bowline::sim::stories::scene::{Failure, Outcome};
use std::time::Duration;

/// Prints how to replay a seed, if its story panics.
struct Replay {
    seed: u64,
    name: &'static str,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: BOWLINE_SEED={} cargo test --test sim_network -- --nocapture {}", self.seed, self.name);
        }
    }
}

/// Plays a story in which nodes talk for every seed, and gives what came out.
fn over_seeds(name: &'static str, count: u64, play: impl Fn(u64) -> Result<Outcome, Failure>) -> Vec<Outcome> {
    let outcomes = over_silent_seeds(name, count, play);
    assert!(outcomes.iter().all(|outcome| outcome.messages > 0), "nobody said anything: {outcomes:?}");
    outcomes
}

/// Plays a story that is about links alone.
fn over_silent_seeds(name: &'static str, count: u64, play: impl Fn(u64) -> Result<Outcome, Failure>) -> Vec<Outcome> {
    let asked =
        |key| std::env::var(key).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{key}={text} is no number")));
    let seeds = match asked("BOWLINE_SEED") {
        Some(seed) => vec![seed],
        None => (1..=asked("BOWLINE_SEEDS").unwrap_or(count)).collect(),
    };
    let play = |seed| {
        let _replay = Replay { seed, name };
        let outcome = play(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        println!("{name} {seed}: {outcome:?}");
        outcome
    };
    seeds.into_iter().map(play).collect()
}

#[test]
fn thirty_nodes_form_a_network_and_heal() {
    over_seeds("thirty_nodes_form_a_network_and_heal", 1, |seed| form_and_heal(seed, 30));
}

#[test]
fn crossing_dials_end_in_one_link() {
    over_seeds("crossing_dials_end_in_one_link", 30, crossing_dials);
}

#[test]
fn who_dials_on_a_down_is_never_told_of_the_link_that_ended() {
    over_silent_seeds("who_dials_on_a_down_is_never_told_of_the_link_that_ended", 10, redials);
}

#[test]
fn a_short_cut_of_the_network_loses_nothing() {
    // The kernel gives a stream up after 30 s without an acknowledgement.
    over_seeds("a_short_cut_of_the_network_loses_nothing", 3, |seed| part_and_join(seed, 10, Duration::from_secs(25)));
}

#[test]
fn who_leaves_is_missed_at_once_and_heard_to_the_end() {
    over_seeds("who_leaves_is_missed_at_once_and_heard_to_the_end", 200, partings);
}

#[test]
fn bad_neighbours_harm_nobody_else() {
    over_seeds("bad_neighbours_harm_nobody_else", 2, bad_neighbours);
}

#[test]
fn everybody_gets_links_with_two_archives_and_again_when_half_of_them_are_lost() {
    over_seeds("everybody_gets_links_with_two_archives_and_again_when_half_of_them_are_lost", 2, |seed| {
        let (outcome, short) = archives(seed, true)?;
        assert_eq!(short, 0, "after two minutes all have them");
        Ok(outcome)
    });
    // By chance alone they do not.
    let by_chance = |seed| archives(seed, false).unwrap_or_else(|failure| panic!("{failure}")).1;
    let short: Vec<usize> = (1..=2).map(by_chance).collect();
    assert!(short.iter().sum::<usize>() > 5, "by chance all have them: {short:?}");
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let play = |seed| form_and_heal(seed, 9).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    let (first, again, other) = (play(1), play(1), play(2));
    assert_eq!(first, again);
    assert_ne!(first.trace, other.trace);
}
