//! What a session took in during one step, for the reactor to hand on.

use crate::base::channel::{ChannelId, Kind};
use crate::flow::batch::Batch;

/// A message on one of the node's own channels.
#[derive(Clone, Debug)]
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
}
