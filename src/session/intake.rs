//! What a session took in during one step, for the reactor to hand on.

use crate::base::channel::{ChannelId, Kind};
use crate::flow::batch::Batch;

/// Emptied batches that are kept for the next steps.
const SPARE_MAX: usize = 64;
/// A kept batch is no larger than this, bytes: one full read.
const SPARE_BYTES_MAX: usize = 256 * 1_024;

/// A message on one of the node's own channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlMessage {
    pub channel: ChannelId,
    pub kind: Kind,
    pub request: u32,
    pub body: Vec<u8>,
}

/// Filled by `handle_bytes`, emptied by the reactor after each call.
#[derive(Debug, Default)]
pub struct Intake {
    /// Application messages: one batch per channel and step, a large message in a batch of its own.
    pub batches: Vec<Batch>,
    pub control: Vec<ControlMessage>,
    spare: Vec<Batch>,
}

impl Intake {
    /// Takes back a batch whose messages were handed on, so that its buffers serve again.
    pub fn recycle(&mut self, mut batch: Batch) {
        if self.spare.len() < SPARE_MAX && batch.bytes.capacity() <= SPARE_BYTES_MAX {
            batch.bytes.clear();
            batch.entries.clear();
            (batch.channel, batch.cost) = (None, 0);
            self.spare.push(batch);
        }
    }

    /// Begins a batch for `channel` with room for `bytes`, and returns its index in `batches`.
    pub(super) fn begin(&mut self, channel: ChannelId, bytes: usize) -> usize {
        let mut batch = self.spare.pop().unwrap_or_default();
        batch.channel = Some(channel);
        batch.bytes.reserve(bytes);
        self.batches.push(batch);
        self.batches.len() - 1
    }
}
