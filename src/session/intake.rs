//! What a session took in during one step, for the reactor to hand on.

use crate::base::channel::{ChannelId, Kind};
use crate::base::sizes;
use crate::flow::batch::Batch;
use crate::wire::refusal::Refusal;
use bytes::Bytes;

/// A message on one of the node's own channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlMessage {
    pub channel: ChannelId,
    pub kind: Kind,
    pub request: u32,
    pub body: Vec<u8>,
}

/// What the peer says to a request of ours, or of one of its own: not for a queue but for who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub channel: ChannelId,
    pub request: u32,
    pub word: Word,
    /// Segment bytes to grant back to the sender when it has been taken.
    pub cost: u32,
}

/// The three kinds of replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The answer to our request.
    Answer(Bytes),
    /// Why it does not serve our request.
    Refused(Refusal),
    /// It takes its own request back.
    Cancel,
}
const _: () = assert!(size_of::<ControlMessage>() <= sizes::CONTROL_MESSAGE);

/// Filled by `handle_bytes`, emptied by the reactor after each call.
#[derive(Debug, Default)]
pub struct Intake {
    /// Application messages: one batch per channel and step, a large message in a batch of its own.
    pub batches: Vec<Batch>,
    pub control: Vec<ControlMessage>,
    pub replies: Vec<Reply>,
    /// Bytes that the step has to read: a batch has room for what can come out of them, because growing it step by step would copy
    /// every message twice.
    pub(super) expected: usize,
}

impl Intake {
    /// Begins a batch for `channel`, and returns its index in `batches`.
    pub(super) fn begin(&mut self, channel: ChannelId) -> usize {
        self.batches.push(Batch { channel: Some(channel), bytes: Vec::with_capacity(self.expected), ..Batch::default() });
        self.batches.len() - 1
    }

    /// Gives back room that was not needed. A batch may wait for its application for long, and must not hold more memory than the peer
    /// paid credit for.
    pub(super) fn trim(&mut self) {
        for batch in &mut self.batches {
            if batch.bytes.capacity() > 2 * batch.bytes.len() {
                batch.bytes.shrink_to_fit();
            }
        }
    }
}
