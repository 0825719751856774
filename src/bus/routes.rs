//! Which queue gets what: each channel is bound to one queue, everything else goes to the main queue. Fixed before the node starts.

use super::backlog::Backlog;
use super::event::{Down, NodeState, Up};
use super::fate::News;
use super::link::Link;
use super::outbox::{Notice, NoticeKind};
use super::queue::Queue;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::time::Time;
use crate::flow::batch::{Batch, Ticket};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The queues of a node. The first is the main queue.
pub struct Routes {
    queues: Vec<Arc<Queue>>,
    bound: Vec<(ChannelId, usize)>,
    /// Where notices go that do not go to the main queue.
    noticed: Vec<(NoticeKind, usize)>,
}

impl Routes {
    pub fn new(main: Arc<Queue>) -> Routes {
        Routes { queues: vec![main], bound: Vec::new(), noticed: Vec::new() }
    }

    pub fn main(&self) -> &Arc<Queue> {
        &self.queues[0]
    }

    pub fn all(&self) -> &[Arc<Queue>] {
        &self.queues
    }

    /// Adds a queue.
    pub fn add(&mut self, queue: Arc<Queue>) {
        self.queues.push(queue);
    }

    /// Sends the messages of `channel` to `queue` (which must have been added). A later binding replaces an earlier one.
    pub fn bind(&mut self, channel: ChannelId, queue: &Arc<Queue>) -> bool {
        let Some(at) = self.queues.iter().position(|known| Arc::ptr_eq(known, queue)) else { return false };
        self.bound.retain(|(bound, _)| *bound != channel);
        self.bound.push((channel, at));
        true
    }

    /// Sends notices of these kinds to `queue` (which must have been added). A later binding replaces an earlier one.
    pub fn bind_notices(&mut self, kinds: &[NoticeKind], queue: &Arc<Queue>) -> bool {
        let Some(at) = self.queues.iter().position(|known| Arc::ptr_eq(known, queue)) else { return false };
        self.noticed.retain(|(kind, _)| !kinds.contains(kind));
        self.noticed.extend(kinds.iter().map(|kind| (*kind, at)));
        true
    }

    /// True if somebody has asked for notices of that kind by name.
    pub fn wants(&self, kind: NoticeKind) -> bool {
        self.noticed.iter().any(|(wanted, _)| *wanted == kind)
    }

    fn of(&self, channel: ChannelId) -> usize {
        self.bound.iter().find(|(bound, _)| *bound == channel).map_or(0, |(_, at)| *at)
    }

    /// The queues that follow a link: the main one, and those bound to a channel that the peer has.
    fn following<'a>(&'a self, link: &'a Link) -> impl Iterator<Item = &'a Arc<Queue>> {
        let follows =
            move |at: usize| at == 0 || self.bound.iter().any(|(channel, bound)| *bound == at && link.lane(*channel).is_some());
        self.queues.iter().enumerate().filter(move |(at, _)| follows(*at)).map(|(_, queue)| queue)
    }

    pub fn open(&self, link: &Arc<Link>, up: &Up) {
        self.following(link).for_each(|queue| queue.open(link, up.clone()));
    }

    /// Hands on what arrived. Almost always everything is for one queue, and goes there in one hand-over.
    pub fn deliver(&self, link: &Link, batches: &mut Vec<Batch>, at: Time) {
        if self.bound.is_empty() {
            self.queues[0].deliver(link.id, batches.drain(..), at);
            return;
        }
        for batch in batches.drain(..) {
            let Some(channel) = batch.channel else { continue };
            self.queues[self.of(channel)].deliver(link.id, std::iter::once(batch), at);
        }
    }

    /// The queue that gets the messages of `channel`.
    pub fn queue_of(&self, channel: ChannelId) -> &Queue {
        &self.queues[self.of(channel)]
    }

    /// What of an open link waits to be taken, by channel.
    pub fn backlogs(&self, link: LinkId) -> BTreeMap<ChannelId, Backlog> {
        let mut backlogs = BTreeMap::new();
        self.queues.iter().for_each(|queue| queue.backlogs(link, &mut backlogs));
        backlogs
    }

    /// Tells the application of something that belongs to no link's story.
    pub fn notify(&self, notice: Notice) {
        let bound = self.noticed.iter().find(|(kind, _)| *kind == notice.kind());
        self.queues[bound.map_or(0, |(_, at)| *at)].notify(notice);
    }

    /// Hands on what became of sends and requests; `news` comes back empty.
    pub fn post(&self, news: &mut Vec<News>) {
        while let Some(first) = news.first() {
            let at = first.queue;
            let (of_queue, rest) = std::mem::take(news).into_iter().partition(|news| news.queue == at);
            *news = rest;
            let of_queue: Vec<News> = of_queue;
            if let Some(queue) = self.queues.get(usize::from(at)) {
                queue.post(of_queue.into_iter());
            }
        }
    }

    /// Takes a place for news in a queue: see `Queue::promise`.
    pub fn promise(&self, queue: u16) -> bool {
        self.queues.get(usize::from(queue)).is_some_and(|queue| queue.promise())
    }

    /// What the ticket was for was not accepted.
    pub fn forget_promise(&self, ticket: Ticket) {
        if let Some(queue) = self.queues.get(usize::from(ticket.queue)) {
            queue.forget_promise();
        }
    }

    /// The place of a queue, for tickets.
    pub fn place(&self, queue: &Arc<Queue>) -> Option<u16> {
        self.queues.iter().position(|known| Arc::ptr_eq(known, queue)).and_then(|at| u16::try_from(at).ok())
    }

    pub fn close_link(&self, link: &Link, down: &Down) {
        self.following(link).for_each(|queue| queue.close_link(down.clone()));
    }

    pub fn change_state(&self, state: NodeState) {
        self.queues.iter().for_each(|queue| queue.change_state(state));
    }

    pub fn close(&self) {
        self.queues.iter().for_each(|queue| queue.close());
    }
}
