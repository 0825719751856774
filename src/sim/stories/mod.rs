//! Whole stories that every seed must survive. Each makes its world from a seed, plays, and says what came out; the rules of `checks.rs`
//! hold throughout. Tests run them over many seeds.

mod chat;
pub mod churn;
pub mod cold_start;
pub mod crowds;
pub mod dialing;
pub mod exchange;
pub mod forming;
pub mod framing;
mod graph;
pub mod neighbours;
pub mod reflection;
pub mod roles;
pub mod scene;
