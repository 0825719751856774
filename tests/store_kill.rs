//! A few kills of a node that saves; `tests/nightly.rs` has a thousand. `BOWLINE_KILLS` sets how many.
#![allow(clippy::disallowed_methods, reason = "a real process is killed in real time")]

mod killed;
mod nodes;

/// A start of a node with its full book takes a second or two in a debug build.
const KILLS: u32 = 5;

#[test]
fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    let kills = std::env::var("BOWLINE_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(KILLS);
    println!("{}", killed::kill(kills, 0));
}
