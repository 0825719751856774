//! Pure parts of the byte path: token buckets, fair turns, batches of messages. No I/O, no locks.

pub mod batch;
pub mod bucket;
pub mod pot;
pub mod shares;
pub mod turns;
