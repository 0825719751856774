//! A storm of sends in a simulated network: deadlines, cancels, requests, refusals, overflow, slow consumers, disconnects, crashes and
//! queues full of outcomes, all drawn from a seed. Whatever was accepted is reported exactly once, and what the report says is true.
//! `BOWLINE_SENDS=10000000` sends so many, `BOWLINE_SEED=s` begins with that seed; a failure prints the line that replays its world.

use bowline::base::rng::Rng;
use storm::{Counts, Storm};

#[path = "storm/oracle.rs"]
mod oracle;
#[path = "storm/storm.rs"]
mod storm;

/// Accepted sends of one world: enough for a queue that is full of outcomes, few enough to find the fault.
const PER_WORLD: u64 = 200_000;

/// Prints how to replay a world, if it panics.
struct Replay {
    seed: u64,
    sends: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Replay { seed, sends } = self;
            eprintln!("replay: BOWLINE_SEED={seed} BOWLINE_SENDS={sends} cargo test --test storm -- --nocapture {NAME}");
        }
    }
}

const NAME: &str = "every_accepted_send_is_reported_exactly_once";

fn asked(key: &str, otherwise: u64) -> u64 {
    let number = |text: String| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number"));
    std::env::var(key).map_or(otherwise, number)
}

/// One world.
fn play(seed: u64, sends: u64) -> (Counts, u128) {
    let _replay = Replay { seed, sends };
    let mut storm = Storm::new(seed);
    if sends == PER_WORLD {
        storm.fill_with_news();
    }
    while storm.counts().accepted() < sends {
        storm.step();
    }
    storm.end()
}

#[test]
fn every_accepted_send_is_reported_exactly_once() {
    let (mut seed, mut left) = (asked("BOWLINE_SEED", 1), asked("BOWLINE_SENDS", 240_000));
    let mut sum = Counts::default();
    while left > 0 {
        let sends = left.min(PER_WORLD);
        sum.add(&play(seed, sends).0);
        (seed, left) = (seed + 1, left - sends);
    }
    println!("{sum}");
    // It was a storm: everything that can become of a send did.
    assert!(sum.accepted() < PER_WORLD || sum.has_all(), "{sum}");
}

#[test]
fn a_storm_is_the_same_for_the_same_seed() {
    let seed = Rng::from_seed(asked("BOWLINE_SEED", 1)).fork("twice").next_u64();
    assert!(play(seed, 2_000) == play(seed, 2_000));
}
