//! Which closed links an event queue still tells of, how much they hold, and which of them must go when it is too much. It knows
//! numbers only and drops nothing itself; the queue asks it, under its lock.

use crate::base::limits::{STORIES_BYTES_MAX, STORIES_MAX};
use crate::base::link_id::LinkId;
use std::collections::VecDeque;

/// Closed links whose Up or messages wait for a receiver.
#[derive(Debug, Default)]
pub struct Stories {
    /// Those that nobody has begun to read, in the order they closed, with the bytes of their messages.
    unseen: VecDeque<(LinkId, usize)>,
    /// Those whose Up was taken, likewise.
    begun: VecDeque<(LinkId, usize)>,
    bytes: usize,
}

impl Stories {
    /// A link closed while its Up or some of its messages wait.
    pub fn keep(&mut self, link: LinkId, bytes: usize, is_begun: bool) {
        self.bytes += bytes;
        if is_begun { self.begun.push_back((link, bytes)) } else { self.unseen.push_back((link, bytes)) }
    }

    /// A receiver has taken the Up of a story.
    pub fn begin(&mut self, link: LinkId) {
        if let Some(at) = self.unseen.iter().position(|(unseen, _)| *unseen == link) {
            self.begun.extend(self.unseen.remove(at));
        }
    }

    /// Nothing of a story waits any more, except its Down.
    pub fn end(&mut self, link: LinkId) {
        if let Some(at) = self.begun.iter().position(|(begun, _)| *begun == link) {
            self.bytes -= self.begun.remove(at).map_or(0, |(_, bytes)| bytes);
        }
    }

    /// The story that must go, if they are too many or too large: the oldest that nobody has begun to read, or else the oldest. The
    /// last one stays however large it is, or a message larger than the bound could never be received from a peer that then leaves.
    pub fn drop_one(&mut self) -> Option<LinkId> {
        let is_too_much = self.count() > STORIES_MAX || self.bytes > STORIES_BYTES_MAX;
        if !is_too_much || self.count() == 1 {
            return None;
        }
        let (link, bytes) = self.unseen.pop_front().or_else(|| self.begun.pop_front())?;
        self.bytes -= bytes;
        Some(link)
    }

    pub fn count(&self) -> usize {
        self.unseen.len() + self.begun.len()
    }

    /// Bytes of messages in them. What was taken out of a story counts until nothing of it waits.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
