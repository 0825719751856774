//! The reactor's thread: sleep in the transport, turn the engine, again. It takes no lock but the mailboxes', and nobody waits for it.

use super::clock::Clock;
use crate::bus::bell::Bell;
use crate::bus::counters::NodeCounters;
use crate::reactor::engine::{Engine, Next};
use crate::reactor::mio_net::MioNet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Runs the engine until it has been drained.
///
/// # Errors
/// What the system says when waiting for events fails; the node cannot go on then.
pub fn run(mut engine: Engine, mut net: MioNet, clock: &Clock, bell: &Arc<Bell>, counters: &Arc<NodeCounters>) -> io::Result<()> {
    let mut ready = Vec::new();
    let mut next = Next::Now;
    loop {
        let timeout = match next {
            Next::Ended => return Ok(()),
            Next::Now => Some(Duration::ZERO),
            Next::At(at) => Some(clock.now().until(at)),
            Next::Idle => None,
        };
        ready.clear();
        // Whoever rings from here on wakes us; whoever rang before is seen by `doze`.
        if timeout != Some(Duration::ZERO) && bell.doze(|| engine.is_idle()) {
            net.wait(timeout, &mut ready)?;
            bell.rise();
            counters.wakes.add(1);
        } else {
            net.wait(Some(Duration::ZERO), &mut ready)?;
        }
        #[cfg(feature = "fault-injection")]
        crate::base::faults::turn();
        let now = clock.now();
        next = engine.turn(now, clock.unix_seconds(now), &mut net, &ready);
    }
}
