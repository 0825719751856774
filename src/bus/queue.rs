//! An event queue: everything an application receives. Bounded: messages by each link's credit, the stories of links
//! that closed before anybody read their Up by a number and by bytes, notices by a ring. The reactor pushes and never waits; receivers wait here. `tests/wake_model.rs` models it.

use super::event::{Down, Event, Message, NodeState, Up};
use super::link::Link;
use super::outbox::Notice;
use super::sync::{Change, Guard, Lock};
use crate::base::channel::ChannelId;
use crate::base::limits::{CHANNELS_MAX, STORIES_BYTES_MAX, STORIES_MAX};
use crate::base::link_id::LinkId;
use crate::base::time::Time;
use crate::flow::batch::{Batch, Entry};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Notices that wait in a queue; more push the oldest out, and are counted.
pub(super) const NOTICES_MAX: usize = 1_024;

/// Batches of one channel are joined up to so many bytes: beyond, copying them costs more than a batch of its own.
pub(super) const JOINED_BYTES_MAX: usize = 16 * 1_024;

/// Why a receiver got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// Nothing came before the deadline.
    Timeout,
    /// The node has stopped and the queue is empty.
    Stopped,
}

/// Called with true when the queue begins to be readable and with false when it is empty again. Called under the queue's lock, so that
/// descriptor and queue never disagree: it must not block.
pub type ReadableFn = Box<dyn Fn(bool) + Send + Sync>;

/// Credit that a receiver must return once the queue's lock is released.
type Receipt = (Arc<Link>, ChannelId, u32);

/// An event queue. Any number of threads may take from it.
pub struct Queue {
    pub(super) inner: Lock<Inner>,
    news: Change,
    /// Rings the reactor for a link: a receiver returned credit.
    ring: Box<dyn Fn(LinkId) + Send + Sync>,
}

pub(super) struct Inner {
    /// What links have to tell. A link is in `turns` exactly while its box is not empty.
    pub(super) boxes: BTreeMap<LinkId, LinkBox>,
    turns: VecDeque<LinkId>,
    /// What comes before any link: state, notices, wake-ups.
    urgent: VecDeque<Event>,
    notices: usize,
    /// Receivers that wait.
    waiting: usize,
    is_closed: bool,
    readable: Option<ReadableFn>,
    is_raised: bool,
    /// Closed links whose Up nobody has taken, oldest first, with the bytes of their messages; and the sum of these.
    pub(super) stories: VecDeque<(LinkId, usize)>,
    pub(super) stories_bytes: usize,
    unseen: u64,
    dropped: u64,
}

pub(super) struct LinkBox {
    link: Arc<Link>,
    up: Option<Up>,
    pub(super) batches: VecDeque<Delivery>,
    down: Option<Down>,
}

/// A batch on its way to a receiver.
pub(super) struct Delivery {
    channel: ChannelId,
    /// Grows while nobody has taken from it; then it is `taken`.
    waiting: Vec<u8>,
    /// What receivers share slices of.
    taken: Bytes,
    entries: Vec<Entry>,
    next: usize,
    start: usize,
    cost: u32,
    at: Time,
}

impl Queue {
    /// `ring` is called, without a lock held, with the id of a link whose credit returned.
    pub fn new(ring: Box<dyn Fn(LinkId) + Send + Sync>) -> Queue {
        let inner = Inner {
            boxes: BTreeMap::new(),
            turns: VecDeque::new(),
            urgent: VecDeque::new(),
            notices: 0,
            waiting: 0,
            is_closed: false,
            readable: None,
            is_raised: false,
            stories: VecDeque::new(),
            stories_bytes: 0,
            unseen: 0,
            dropped: 0,
        };
        Queue { inner: Lock::new(inner), news: Change::default(), ring }
    }

    /// A link opened.
    pub fn open(&self, link: &Arc<Link>, up: Up) {
        let mut inner = self.inner.lock();
        let id = link.id;
        inner.boxes.insert(id, LinkBox { link: Arc::clone(link), up: Some(up), batches: VecDeque::new(), down: None });
        inner.turns.push_back(id);
        self.tell(inner);
    }

    /// Messages arrived on an open link. The batch is emptied.
    pub fn deliver(&self, link: LinkId, batches: impl Iterator<Item = Batch>, at: Time) {
        let mut inner = self.inner.lock();
        let Inner { boxes, turns, .. } = &mut *inner;
        let Some(of_link) = boxes.get_mut(&link) else { return };
        let was_empty = of_link.is_empty();
        batches.for_each(|batch| of_link.push(batch, at));
        if was_empty && !of_link.is_empty() {
            turns.push_back(link);
        }
        self.tell(inner);
    }

    /// A link closed. If its Up was not taken yet, its whole story is kept for later, as long as there is room for such stories; then
    /// the oldest of them is dropped, and its messages are counted.
    pub fn close_link(&self, down: Down) {
        let mut inner = self.inner.lock();
        let id = down.link;
        let Some(of_link) = inner.boxes.get_mut(&id) else { return };
        let was_empty = of_link.is_empty();
        of_link.down = Some(down);
        if of_link.up.is_some() {
            let bytes = of_link.batches.iter().map(Delivery::memory).sum();
            inner.keep_unseen(id, bytes);
        }
        if was_empty {
            inner.turns.push_back(id);
        }
        self.tell(inner);
    }

    /// News that belong to no open link. The oldest are dropped when `NOTICES_MAX` wait.
    pub fn notify(&self, notice: Notice) {
        let mut inner = self.inner.lock();
        if inner.notices == NOTICES_MAX {
            let oldest = inner.urgent.iter().position(|event| matches!(event, Event::Notice(_)));
            oldest.map(|at| inner.urgent.remove(at));
            inner.dropped += 1;
        } else {
            inner.notices += 1;
        }
        inner.urgent.push_back(Event::Notice(notice));
        self.tell(inner);
    }

    /// The node's state changed. A state that nobody has read yet is replaced.
    pub fn change_state(&self, state: NodeState) {
        let mut inner = self.inner.lock();
        inner.urgent.retain(|event| !matches!(event, Event::State(_)));
        inner.urgent.push_back(Event::State(state));
        self.tell(inner);
    }

    /// Wakes one receiver with `tag`. At most `NOTICES_MAX` wake-ups wait; false if they do.
    pub fn wakeup(&self, tag: u64) -> bool {
        let mut inner = self.inner.lock();
        let fits = inner.urgent.len() < 2 * NOTICES_MAX && !inner.is_closed;
        if fits {
            inner.urgent.push_back(Event::Wakeup(tag));
        }
        self.tell(inner);
        fits
    }

    /// The node has stopped: receivers take what is left and then get `Stopped`.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        self.settle(&mut inner);
        drop(inner);
        self.news.notify_all();
    }

    /// Sets who is told when the queue becomes readable or empty; told at once of the present state.
    pub fn set_readable(&self, readable: ReadableFn) {
        let mut inner = self.inner.lock();
        inner.is_raised = false;
        inner.readable = Some(readable);
        self.settle(&mut inner);
    }

    /// Events dropped so far: messages of links that came and went unseen, and notices.
    pub fn losses(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.unseen, inner.dropped)
    }

    /// Takes up to `max` events into `into` and returns how many. Waits for the first: not at all when `deadline` is `None`.
    ///
    /// # Errors
    /// `Timeout` when nothing came, `Stopped` when nothing will come any more.
    pub fn take(&self, into: &mut Vec<Event>, max: usize, deadline: Option<Instant>) -> Result<usize, TakeError> {
        let mut receipts: Vec<Receipt> = Vec::new();
        let before = into.len();
        let mut inner = self.inner.lock();
        loop {
            inner.take(into, max, &mut receipts);
            if into.len() > before || max == 0 {
                break;
            }
            if inner.is_closed {
                return Err(TakeError::Stopped);
            }
            let Some(deadline) = deadline else { return Err(TakeError::Timeout) };
            inner.waiting += 1;
            let in_time = self.news.wait(&mut inner, Some(deadline));
            inner.waiting -= 1;
            if !in_time && inner.is_empty() && !inner.is_closed {
                return Err(TakeError::Timeout);
            }
        }
        // Another receiver may sleep although there is more: the wake-up that it needs was spent on this thread.
        let pass_on = inner.waiting > 0 && !inner.is_empty();
        self.settle(&mut inner);
        drop(inner);
        if pass_on {
            self.news.notify_one();
        }
        for (link, channel, cost) in receipts {
            if link.give_back(channel, cost) {
                (self.ring)(link.id);
            }
        }
        Ok(into.len() - before)
    }

    /// Wakes a receiver, after releasing the lock, and keeps the descriptor true.
    fn tell(&self, mut inner: Guard<'_, Inner>) {
        self.settle(&mut inner);
        let wake = inner.waiting > 0 && !inner.is_empty();
        drop(inner);
        if wake {
            self.news.notify_one();
        }
    }

    fn settle(&self, inner: &mut Inner) {
        let is_readable = inner.is_closed || !inner.is_empty();
        if let Some(readable) = &inner.readable
            && is_readable != inner.is_raised
        {
            readable(is_readable);
            inner.is_raised = is_readable;
        }
    }
}

impl Inner {
    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.turns.is_empty()
    }

    /// Keeps the story of a closed link that nobody has begun to read; the oldest go when there is no room.
    fn keep_unseen(&mut self, id: LinkId, bytes: usize) {
        self.stories.push_back((id, bytes));
        self.stories_bytes += bytes;
        while self.stories.len() > STORIES_MAX || self.stories_bytes > STORIES_BYTES_MAX {
            let Some((oldest, bytes)) = self.stories.pop_front() else { break };
            self.stories_bytes -= bytes;
            if let Some(dropped) = self.boxes.remove(&oldest) {
                let messages: usize = dropped.batches.iter().map(|batch| batch.entries.len()).sum();
                self.unseen += messages as u64;
            }
            self.turns.retain(|turn| *turn != oldest);
        }
    }

    /// A receiver has begun to read the story of a closed link: it is kept for it now.
    fn note_seen(&mut self, id: LinkId) {
        if let Some(at) = self.stories.iter().position(|(story, _)| *story == id) {
            self.stories_bytes -= self.stories.remove(at).map_or(0, |(_, bytes)| bytes);
        }
    }

    fn take(&mut self, into: &mut Vec<Event>, max: usize, receipts: &mut Vec<Receipt>) {
        let end = into.len() + max;
        while into.len() < end {
            if let Some(event) = self.urgent.pop_front() {
                self.notices -= usize::from(matches!(event, Event::Notice(_)));
                into.push(event);
                continue;
            }
            let Some(id) = self.turns.pop_front() else { break };
            let of_link = self.boxes.get_mut(&id).expect("a link in the ring has a box");
            let is_begun_late = of_link.up.is_some() && of_link.down.is_some();
            let is_over = of_link.take(into, end, receipts);
            let is_empty = of_link.is_empty();
            if is_begun_late {
                self.note_seen(id);
            }
            if is_over {
                self.boxes.remove(&id);
            } else if !is_empty {
                // A batch that was begun is finished first; then the next link has its turn.
                let is_begun = self.boxes[&id].batches.front().is_some_and(|batch| batch.next > 0);
                if is_begun { self.turns.push_front(id) } else { self.turns.push_back(id) }
            }
        }
    }
}

impl LinkBox {
    fn is_empty(&self) -> bool {
        self.up.is_none() && self.batches.is_empty() && self.down.is_none()
    }

    /// Queues a batch; a small one joins the last of its channel, so that many tiny steps cost no more memory than their credit.
    fn push(&mut self, batch: Batch, at: Time) {
        // Also over other channels' batches: who alternates between two channels must not have it cheaper.
        let mut recent = self.batches.iter_mut().rev().take(CHANNELS_MAX);
        let last = recent.find(|last| Some(last.channel) == batch.channel);
        match last.filter(|last| last.next == 0 && last.waiting.len() + batch.bytes.len() <= JOINED_BYTES_MAX) {
            Some(last) => last.join(&batch),
            None => self.batches.extend(Delivery::of(batch, at)),
        }
    }

    /// One turn: Up, one batch (or as much of it as fits), or Down. True after Down.
    fn take(&mut self, into: &mut Vec<Event>, end: usize, receipts: &mut Vec<Receipt>) -> bool {
        if let Some(up) = self.up.take() {
            into.push(Event::Up(up));
            return false;
        }
        if let Some(batch) = self.batches.front_mut() {
            batch.take(&self.link, into, end);
            if batch.next == batch.entries.len() {
                receipts.push((Arc::clone(&self.link), batch.channel, batch.cost));
                self.batches.pop_front();
            }
            return false;
        }
        if let Some(down) = self.down.take() {
            into.push(Event::Down(down));
            return true;
        }
        false
    }
}

impl Delivery {
    /// Bytes that it holds, for the bound on stories that nobody reads.
    fn memory(&self) -> usize {
        self.waiting.capacity() + self.taken.len() + self.entries.capacity() * size_of::<Entry>()
    }

    fn of(batch: Batch, at: Time) -> Option<Delivery> {
        let channel = batch.channel?;
        let Batch { bytes, entries, cost, .. } = batch;
        let taken = Bytes::new();
        (!entries.is_empty()).then_some(Delivery { channel, waiting: bytes, taken, entries, next: 0, start: 0, cost, at })
    }

    fn join(&mut self, batch: &Batch) {
        let offset = self.waiting.len() as u32;
        self.waiting.extend_from_slice(&batch.bytes);
        self.entries.extend(batch.entries.iter().map(|entry| Entry { end: offset + entry.end, ..*entry }));
        self.cost = self.cost.saturating_add(batch.cost);
    }

    fn take(&mut self, link: &Arc<Link>, into: &mut Vec<Event>, end: usize) {
        if self.next == 0 {
            self.taken = Bytes::from(std::mem::take(&mut self.waiting));
        }
        let count = (end - into.len()).min(self.entries.len() - self.next);
        for entry in &self.entries[self.next..self.next + count] {
            let stop = entry.end as usize;
            into.push(Event::Message(Message {
                link: link.id,
                peer: link.peer,
                channel: self.channel,
                kind: entry.kind,
                request: entry.request,
                at: self.at,
                body: self.taken.slice(self.start..stop),
            }));
            self.start = stop;
        }
        self.next += count;
    }
}
