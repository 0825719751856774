//! What a worker is to its pump: a machine over the pool. It never sees a lock, a channel, a clock or a file.
//! `node/pump.rs` and the simulator step it.

use crate::base::time::Time;
use crate::bus::outbox::Outbox;
use crate::pool::table::Pool;

/// A worker's logic. Every method is called with the pool's lock held: bounded work, no logging (use `out.log`), no blocking.
pub trait Machine {
    type Input;
    /// Something happened.
    fn handle(&mut self, now: Time, input: Self::Input, pool: &mut Pool, out: &mut Outbox);
    /// The deadline has passed, or the machine was nudged.
    fn wake(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox);
    /// When to wake it, if nothing happens before.
    fn deadline(&self) -> Option<Time>;
}
