//! What the stories of `fair_shares` have in common: how figures are summed up, and printed beside their goals.

pub mod shares;
pub mod stalled;
pub mod urgent;

pub use crate::loopback::{PATIENCE, address, start, times};

/// The word that makes the benchmark a child; its task follows.
pub const CHILD: &str = "--child";
/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure beside its goal.
pub fn print(what: &str, figure: f64, goal: &str, is_met: bool) {
    println!("{what:<64} {figure:>9.3}  goal {goal}: {}", if is_met { "PASS" } else { "SHORT" });
}
