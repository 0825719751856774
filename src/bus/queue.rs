//! An event queue: everything an application receives. The reactor pushes and never waits; receivers wait here. What is large or not
//! its own it never drops under its lock. `tests/wake_model.rs` models it.
//!
//! Bounded: an open link's messages by its credit; the node's own to itself by its channels' send queues; news of sends and requests by
//! promises made before; what closed links have left by number and by bytes (`stories.rs`); notices by a ring. A Down whose Up was taken
//! always waits: links take turns and each Down takes one, so that no more of them wait than twice the links that can be open and the
//! stories together, whoever polls however slowly.

use super::backlog::Backlog;
use super::event::{Down, Event, Message, NodeState, Up};
use super::fate::News;
use super::link::{Link, PushError};
use super::outbox::Notice;
use super::stories::Stories;
use super::sync::{Change, Guard, Lock};
use crate::base::channel::ChannelId;
use crate::base::limits::{CHANNELS_MAX, NEWS_MAX, NOTICES_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::flow::batch::{Batch, Entry};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Where events are put that are taken. It is called under the queue's lock: it takes no lock itself and calls nobody's code.
pub trait Sink {
    /// Events that were put there.
    fn count(&self) -> usize;
    fn put(&mut self, event: Event);
}

impl Sink for Vec<Event> {
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn put(&mut self, event: Event) {
        self.push(event);
    }
}

/// Batches of one channel are joined up to so many bytes: beyond, copying them costs more than a batch of its own.
pub(super) const JOINED_BYTES_MAX: usize = 16 * 1_024;

/// Messages of the node to itself that are taken before links have their turn.
const LOCAL_TURN: usize = 64;

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
    /// Senders of local messages wait here for room.
    room: Change,
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
    /// News of sends and requests; `promised` counts those that wait or will come.
    news: VecDeque<News>,
    promised: usize,
    /// What the node sent to itself, and how many messages and bytes of each channel that is. It takes turns as a link does.
    local: VecDeque<Message>,
    local_load: BTreeMap<ChannelId, (usize, usize)>,
    /// Senders that wait for room there.
    local_waiting: usize,
    /// Receivers that wait.
    waiting: usize,
    is_closed: bool,
    readable: Option<ReadableFn>,
    is_raised: bool,
    /// Closed links that have more to tell than their Down.
    pub(super) stories: Stories,
    /// The last one that was told.
    state: Option<NodeState>,
    is_abandoned: bool,
    unseen: u64,
    dropped: u64,
}

pub(super) struct LinkBox {
    id: LinkId,
    peer: PeerId,
    /// Who gets credit back; nobody once it has closed.
    link: Option<Arc<Link>>,
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
            news: VecDeque::new(),
            promised: 0,
            local: VecDeque::new(),
            local_load: BTreeMap::new(),
            local_waiting: 0,
            waiting: 0,
            is_closed: false,
            readable: None,
            is_raised: false,
            stories: Stories::default(),
            state: None,
            is_abandoned: false,
            unseen: 0,
            dropped: 0,
        };
        Queue { inner: Lock::new(inner), news: Change::default(), room: Change::default(), ring }
    }

    /// A link opened.
    pub fn open(&self, link: &Arc<Link>, up: Up) {
        let mut inner = self.inner.lock();
        let (id, peer) = (link.id, link.peer);
        let link = Some(Arc::clone(link));
        inner.boxes.insert(id, LinkBox { id, peer, link, up: Some(up), batches: VecDeque::new(), down: None });
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

    /// Adds what of an open link waits here to be taken, by channel. Of messages that came close together the age is that of the first.
    pub fn backlogs(&self, link: LinkId, into: &mut BTreeMap<ChannelId, Backlog>) {
        let inner = self.inner.lock();
        for batch in inner.boxes.get(&link).iter().flat_map(|of_link| &of_link.batches) {
            let (messages, bytes) = (batch.entries.len() - batch.next, batch.waiting.len() + batch.taken.len() - batch.start);
            let waits = Backlog { messages: messages as u64, bytes: bytes as u64, since: Some(batch.at) };
            let sum = into.entry(batch.channel).or_default();
            *sum = sum.and(waits);
        }
    }

    /// The node sends a message to itself. At most so many messages and bytes of a channel wait; one of any size is taken when none does.
    /// Waits for room until `deadline`; `None`: not at all.
    ///
    /// # Errors
    /// `Full`, or `Closed` when the node stops.
    pub fn push_local(&self, message: Message, max: (usize, usize), deadline: Option<Instant>) -> Result<(), PushError> {
        let mut inner = self.inner.lock();
        let (channel, len) = (message.channel, message.body.len());
        loop {
            if inner.is_closed || inner.is_ending() {
                return Err(PushError::Closed(CloseReason::Stopped));
            }
            let (messages, bytes) = inner.local_load.get(&channel).copied().unwrap_or_default();
            if messages == 0 || messages < max.0 && bytes.saturating_add(len) <= max.1 {
                inner.local_load.insert(channel, (messages + 1, bytes + len));
                break;
            }
            let Some(deadline) = deadline else { return Err(PushError::Full) };
            inner.local_waiting += 1;
            let in_time = self.room.wait(&mut inner, Some(deadline));
            inner.local_waiting -= 1;
            if !in_time {
                return Err(PushError::Full);
            }
        }
        if inner.local.is_empty() {
            inner.turns.push_back(LinkId::LOCAL);
        }
        inner.local.push_back(message);
        self.tell(inner);
        Ok(())
    }

    /// A link closed. Its story is kept until it is taken, as long as there is room for such stories; then one that nobody has begun to
    /// read goes, or all but the Down of one that somebody has. The messages that go are counted.
    pub fn close_link(&self, down: Down) {
        let mut inner = self.inner.lock();
        let id = down.link;
        let Some(of_link) = inner.boxes.get_mut(&id) else { return };
        let was_empty = of_link.is_empty();
        of_link.down = Some(down);
        let link = of_link.link.take();
        let mut dropped = Vec::new();
        if was_empty {
            inner.turns.push_back(id);
        } else {
            inner.keep(id, &mut dropped);
        }
        self.tell(inner);
        // Without the lock: it may be much to free.
        drop((link, dropped));
    }

    /// Takes a place for the news of a send or request that is about to be made. False when `NEWS_MAX` wait or are to come: then it must
    /// not be made.
    pub fn promise(&self) -> bool {
        let mut inner = self.inner.lock();
        let fits = inner.promised < NEWS_MAX;
        inner.promised += usize::from(fits);
        fits
    }

    /// What was promised was not accepted: nothing will come of it.
    pub fn forget_promise(&self) {
        let mut inner = self.inner.lock();
        inner.promised = inner.promised.saturating_sub(1);
    }

    /// Places for news that are taken: of those that wait, and of those that will come.
    pub fn promised(&self) -> usize {
        self.inner.lock().promised
    }

    /// What was promised has come.
    pub fn post(&self, news: impl Iterator<Item = News>) {
        let mut inner = self.inner.lock();
        inner.news.extend(news);
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

    /// The node's state changed. A state that nobody has read yet is replaced; what comes late, from a thread that another has overtaken,
    /// is no news.
    pub fn change_state(&self, state: NodeState) {
        let mut inner = self.inner.lock();
        if inner.state >= Some(state) {
            return;
        }
        inner.state = Some(state);
        inner.urgent.retain(|event| !matches!(event, Event::State(_)));
        inner.urgent.push_back(Event::State(state));
        self.room.notify_all();
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
        self.room.notify_all();
    }

    /// True if something waits to be taken, and somebody could.
    pub fn has_events(&self) -> bool {
        let inner = self.inner.lock();
        !inner.is_abandoned && !inner.is_empty()
    }

    /// Nobody can take from it any more, nor asks to be told of something.
    pub fn abandon(&self) {
        let mut inner = self.inner.lock();
        inner.is_abandoned = true;
        let readable = inner.readable.take();
        drop(inner);
        drop(readable);
    }

    /// Sets who is told when the queue becomes readable or empty; told at once of the present state.
    pub fn set_readable(&self, readable: ReadableFn) {
        let mut inner = self.inner.lock();
        inner.is_raised = false;
        let before = inner.readable.replace(readable);
        self.settle(&mut inner);
        drop(inner);
        drop(before);
    }

    /// Events dropped so far: messages of closed links, because too many of them waited, and notices.
    pub fn losses(&self) -> (u64, u64) {
        let inner = self.inner.lock();
        (inner.unseen, inner.dropped)
    }

    /// Takes up to `max` events into `into` and returns how many. Waits for the first: not at all when `deadline` is `None`.
    ///
    /// # Errors
    /// `Timeout` when nothing came, `Stopped` when nothing will come any more.
    pub fn take(&self, into: &mut impl Sink, max: usize, deadline: Option<Instant>) -> Result<usize, TakeError> {
        let mut receipts: Vec<Receipt> = Vec::new();
        let before = into.count();
        let mut inner = self.inner.lock();
        loop {
            inner.take(into, max, &mut receipts);
            if into.count() > before || max == 0 {
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
        let has_room = inner.local_waiting > 0;
        self.settle(&mut inner);
        drop(inner);
        if has_room {
            self.room.notify_all();
        }
        if pass_on {
            self.news.notify_one();
        }
        for (link, channel, cost) in receipts {
            if link.give_back(channel, cost) {
                (self.ring)(link.id);
            }
        }
        Ok(into.count() - before)
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
        self.urgent.is_empty() && self.news.is_empty() && self.turns.is_empty()
    }

    /// The node stops: no link comes back, so what the last ones leave is kept.
    fn is_ending(&self) -> bool {
        self.state >= Some(NodeState::Stopping)
    }

    /// Keeps what a closed link has to tell, and makes room for it: what goes is moved to `dropped`.
    fn keep(&mut self, id: LinkId, dropped: &mut Vec<LinkBox>) {
        let of_link = &self.boxes[&id];
        self.stories.keep(id, of_link.batches.iter().map(Delivery::memory).sum(), of_link.up.is_none());
        while !self.is_ending()
            && let Some(id) = self.stories.drop_one()
        {
            let Some(mut of_link) = self.boxes.remove(&id) else { continue };
            self.unseen += of_link.messages();
            if of_link.up.is_some() {
                self.turns.retain(|turn| *turn != id);
            } else {
                // It keeps its turn: whoever has seen the Up gets the Down.
                self.boxes.insert(id, of_link.split_down());
            }
            dropped.push(of_link);
        }
    }

    /// The turn of what the node sent to itself.
    fn take_local(&mut self, into: &mut impl Sink, end: usize) {
        let count = (end - into.count()).min(LOCAL_TURN).min(self.local.len());
        for message in self.local.drain(..count) {
            if let Some((messages, bytes)) = self.local_load.get_mut(&message.channel) {
                (*messages, *bytes) = (*messages - 1, *bytes - message.body.len());
            }
            into.put(Event::Message(message));
        }
        if !self.local.is_empty() {
            self.turns.push_back(LinkId::LOCAL);
        }
    }

    fn take(&mut self, into: &mut impl Sink, max: usize, receipts: &mut Vec<Receipt>) {
        let end = into.count() + max;
        while into.count() < end {
            if let Some(event) = self.urgent.pop_front() {
                self.notices -= usize::from(matches!(event, Event::Notice(_)));
                into.put(event);
                continue;
            }
            if let Some(News { event, receipt, .. }) = self.news.pop_front() {
                self.promised = self.promised.saturating_sub(1);
                if let (Some((link, cost)), Event::Response(response)) = (receipt, &event) {
                    receipts.push((link, response.channel, cost));
                }
                into.put(event);
                continue;
            }
            let Some(id) = self.turns.pop_front() else { break };
            if id == LinkId::LOCAL {
                self.take_local(into, end);
                continue;
            }
            let of_link = self.boxes.get_mut(&id).expect("a link in the ring has a box");
            let (was_story, was_unseen) = (of_link.is_story(), of_link.up.is_some());
            let is_over = of_link.take(into, end, receipts);
            let is_empty = of_link.is_empty();
            if was_story && was_unseen {
                self.stories.begin(id);
            }
            if was_story && !of_link.is_story() {
                self.stories.end(id);
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

    /// True if it has closed and has more to tell than that.
    fn is_story(&self) -> bool {
        self.down.is_some() && (self.up.is_some() || !self.batches.is_empty())
    }

    /// Messages that nobody has taken.
    fn messages(&self) -> u64 {
        self.batches.iter().map(|batch| (batch.entries.len() - batch.next) as u64).sum()
    }

    /// Leaves the messages behind.
    fn split_down(&mut self) -> LinkBox {
        LinkBox { id: self.id, peer: self.peer, link: None, up: None, batches: VecDeque::new(), down: self.down.take() }
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
    fn take(&mut self, into: &mut impl Sink, end: usize, receipts: &mut Vec<Receipt>) -> bool {
        if let Some(up) = self.up.take() {
            into.put(Event::Up(up));
            return false;
        }
        if let Some(batch) = self.batches.front_mut() {
            batch.take((self.id, self.peer), into, end);
            if batch.next == batch.entries.len() {
                receipts.extend(self.link.iter().map(|link| (Arc::clone(link), batch.channel, batch.cost)));
                self.batches.pop_front();
            }
            return false;
        }
        if let Some(down) = self.down.take() {
            into.put(Event::Down(down));
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

    #[inline]
    fn take(&mut self, (link, peer): (LinkId, PeerId), into: &mut impl Sink, end: usize) {
        if self.next == 0 {
            self.taken = Bytes::from(std::mem::take(&mut self.waiting));
        }
        let count = (end - into.count()).min(self.entries.len() - self.next);
        for entry in &self.entries[self.next..self.next + count] {
            let stop = entry.end as usize;
            into.put(Event::Message(Message {
                link,
                peer,
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
