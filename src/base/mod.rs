//! Vocabulary that every floor may use: time, randomness, names of peers, links and channels, reasons.
//! It depends on nothing else in the crate and does no I/O.

pub mod address;
pub mod backoff;
pub mod channel;
pub mod entropy;
#[cfg(feature = "fault-injection")]
pub mod faults;
pub mod limits;
pub mod link_id;
pub mod peer;
pub mod point;
pub mod quota;
pub mod reason;
pub mod rng;
pub mod shut;
pub mod sizes;
pub mod subject;
pub mod text;
pub mod throttle;
pub mod time;
pub mod verdict;
