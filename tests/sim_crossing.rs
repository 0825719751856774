//! Simultaneous open: two nodes dial each other in 20,000 random orders, with and without breaks. `tests/nightly.rs` plays a million.
//! `BOWLINE_SEED=s` plays only that one; a failure names its seed.

use bowline::sim::crossing::{Crossed, cross, policy};

#[test]
fn crossing_dials_leave_one_link_that_both_agree_on() {
    let policy = policy();
    let seeds = match std::env::var("BOWLINE_SEED") {
        Ok(text) => {
            let seed: u64 = text.parse().unwrap_or_else(|_| panic!("BOWLINE_SEED={text} is no number"));
            seed..seed + 1
        }
        Err(_) => 0..20_000,
    };
    let count = seeds.end - seeds.start;
    let mut sum = Crossed::default();
    for seed in seeds {
        sum += cross(&policy, seed).unwrap_or_else(|why| panic!("{why}"));
    }
    println!("{count} stories: {sum:?}");
    assert!(
        count == 1 || (sum.broken > count / 2 && sum.smooth > count / 4 && sum.dials > 2 * count),
        "the stories are too tame: {sum:?}"
    );
}
