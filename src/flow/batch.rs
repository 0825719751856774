//! Batches of messages: what travels between an application thread and the reactor in one hand-over, because a channel send and an
//! allocation per message would cost more than the encryption (performance reference 3b). Pure containers; `bus` and `session` use them.

use crate::base::channel::{ChannelId, Kind};
use crate::base::sizes;
use bytes::Bytes;
use std::collections::VecDeque;

/// A buffer above this size is given back when it is empty: twice the default send queue.
const KEPT_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// One message inside a `Batch`: it ends at `end` and begins where the one before it ends.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub end: u32,
    pub kind: Kind,
    pub request: u32,
}

/// Received messages of one channel of one link, back to back.
#[derive(Debug, Default)]
pub struct Batch {
    pub channel: Option<ChannelId>,
    pub bytes: Vec<u8>,
    pub entries: Vec<Entry>,
    /// Segment bytes to grant back to the sender when the batch has been taken.
    pub cost: u32,
}

/// A message that waits to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub len: u32,
    pub request: u32,
    pub kind: Kind,
    pub by_reference: bool,
}

const _: () = assert!(size_of::<Entry>() <= sizes::ENTRY && size_of::<Waiting>() <= sizes::WAITING);

/// Messages of one channel of one link that wait to be sent: small ones back to back in one buffer, large ones by reference.
/// The caller appends under the link's lock, the reactor swaps the whole batch out.
#[derive(Debug, Default)]
pub struct Pending {
    bytes: Vec<u8>,
    large: VecDeque<Bytes>,
    entries: Vec<Waiting>,
    total: usize,
    next: usize,
    /// Where the next small message begins in `bytes`.
    at: usize,
}

impl Pending {
    /// Appends a message by copy.
    pub fn push(&mut self, kind: Kind, request: u32, message: &[u8]) {
        let len = message.len() as u32;
        self.bytes.extend_from_slice(message);
        self.total += message.len();
        self.entries.push(Waiting { len, request, kind, by_reference: false });
    }

    /// Appends a message by reference.
    pub fn push_bytes(&mut self, kind: Kind, request: u32, message: Bytes) {
        let len = message.len() as u32;
        self.total += message.len();
        self.large.push_back(message);
        self.entries.push(Waiting { len, request, kind, by_reference: true });
    }

    /// Messages not yet taken.
    pub fn len(&self) -> usize {
        self.entries.len() - self.next
    }

    pub fn is_empty(&self) -> bool {
        self.next == self.entries.len()
    }

    /// Bytes of the messages not yet taken (the one being sent counts whole).
    pub fn bytes(&self) -> usize {
        self.total
    }

    /// The message at the front: its head, and its bytes.
    pub fn front(&self) -> Option<(Waiting, &[u8])> {
        let head = *self.entries.get(self.next)?;
        let body = if head.by_reference {
            self.large.front().map(|bytes| &bytes[..]).unwrap_or_default()
        } else {
            &self.bytes[self.at..self.at + head.len as usize]
        };
        Some((head, body))
    }

    /// Removes the message at the front. An emptied batch keeps its buffers for the next use.
    pub fn pop(&mut self) {
        let Some(head) = self.entries.get(self.next) else { return };
        let len = head.len as usize;
        if head.by_reference {
            self.large.pop_front();
        } else {
            self.at += len;
        }
        self.total -= len;
        self.next += 1;
        if self.next == self.entries.len() {
            self.clear();
        }
    }

    /// Drops everything, keeping buffers of ordinary size.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.large.clear();
        self.entries.clear();
        (self.total, self.next, self.at) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_in_the_order_they_came() {
        let mut pending = Pending::default();
        pending.push(Kind::Message, 0, b"one");
        pending.push_bytes(Kind::Request, 7, Bytes::from_static(b"two"));
        pending.push(Kind::Message, 0, b"");
        assert_eq!((pending.len(), pending.bytes()), (3, 6));
        let mut seen = Vec::new();
        while let Some((head, body)) = pending.front() {
            seen.push((head.kind, head.request, body.to_vec()));
            pending.pop();
        }
        assert_eq!(seen, [(Kind::Message, 0, b"one".to_vec()), (Kind::Request, 7, b"two".to_vec()), (Kind::Message, 0, vec![])]);
        assert!(pending.is_empty() && pending.bytes() == 0);
    }
}
