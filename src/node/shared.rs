//! What the threads of one node share. The pool's lock is taken by workers and calls, never by the reactor.

use super::clock::Clock;
use super::error::SendError;
use super::resolver::Resolver;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::bus::bell::Bell;
use crate::bus::command::Command;
use crate::bus::counters::NodeCounters;
use crate::bus::event::NodeState;
use crate::bus::link::PushError;
use crate::bus::queue::Queue as EventQueue;
use crate::bus::roster::Roster;
use crate::bus::routes::Routes;
use crate::bus::sync::{Change, Lock};
use crate::flow::batch::Ticket;
use crate::pool::peers::PeerInfo;
use crate::pool::table::Pool;
use crossbeam_channel::Sender;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The answer that a waiting `connect` gets.
pub type Answer = Result<PeerId, CloseReason>;

/// What the threads share while a node runs.
pub struct Shared {
    pub clock: Clock,
    pub pool: Lock<Pool>,
    pub roster: Arc<Roster>,
    pub routes: Arc<Routes>,
    pub counters: Arc<NodeCounters>,
    pub bell: Arc<Bell>,
    pub commands: Sender<Command>,
    pub nudge_maintenance: Sender<()>,
    pub nudge_exchange: Sender<()>,
    pub resolver: Resolver,
    /// Who is connected: replaced whole, so that readers never wait for a writer.
    pub peers: RwLock<Arc<[PeerInfo]>>,
    /// Calls that wait for the end of a dial.
    pub waiters: Lock<BTreeMap<LinkId, Vec<Sender<Answer>>>>,
    pub status: Arc<Status>,
    /// Where scores are kept, if anywhere.
    pub score_file: Option<PathBuf>,
}

impl Shared {
    /// Sends an order to the reactor; waits while its channel is full. Orders to a reactor that has ended are dropped.
    pub fn order(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.bell.ring();
        }
    }

    /// A place for the news of a send or request in `queue` (`None`: the main queue).
    pub fn promise(&self, tag: u64, queue: Option<&Arc<EventQueue>>) -> Result<Ticket, SendError> {
        let queue = queue.map_or(Some(0), |queue| self.routes.place(queue)).ok_or(SendError::ForeignQueue)?;
        if self.routes.promise(queue) { Ok(Ticket { tag, queue }) } else { Err(SendError::TooManyNews) }
    }

    /// Why a mailbox did not take a message of `len` bytes, for its sender.
    pub fn refused(&self, error: PushError, channel: ChannelId, len: usize) -> SendError {
        match (error, self.status.state()) {
            (PushError::Closed(_), NodeState::Failed) => SendError::Failed,
            (PushError::Closed(_), NodeState::Stopping | NodeState::Stopped) => SendError::Stopped,
            (PushError::Closed(reason), _) => SendError::Closed(reason),
            (PushError::Full, _) => SendError::Full,
            (PushError::NoChannel, _) => SendError::NoChannel(channel),
            (PushError::TooBig { max }, _) => SendError::TooBig { len, max },
        }
    }

    /// Nobody's dial will end any more: all who wait are told.
    pub fn release_waiters(&self) {
        let waiting = std::mem::take(&mut *self.waiters.lock());
        for answer in waiting.into_values().flatten() {
            // A full channel has its answer already.
            let _ = answer.try_send(Err(CloseReason::Stopped));
        }
    }

    /// Whoever listens to `answer` does not wait for the end of this dial any more.
    pub fn give_up(&self, link: LinkId, answer: &Sender<Answer>) {
        let mut waiters = self.waiters.lock();
        if let Some(of_link) = waiters.get_mut(&link) {
            of_link.retain(|waiting| !waiting.same_channel(answer));
            if of_link.is_empty() {
                waiters.remove(&link);
            }
        }
    }

    /// Replaces the snapshot that readers see.
    pub fn publish(&self, peers: Vec<PeerInfo>) {
        *self.peers.write() = peers.into();
    }
}

/// A node's state and, if it failed, why. Outlives the threads.
#[derive(Default)]
pub struct Status {
    state: AtomicU8,
    failure: Lock<Option<String>>,
    stopping: Lock<bool>,
    stopped: Change,
    /// Starts under way: at most one gets further than taking the routes.
    starting: Lock<u32>,
    started: Change,
}

/// A start under way; it ends with this.
pub struct Starting<'a>(&'a Status);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        *self.0.starting.lock() -= 1;
        self.0.started.notify_all();
    }
}

impl Status {
    pub fn state(&self) -> NodeState {
        match self.state.load(Ordering::Acquire) {
            0 => NodeState::New,
            1 => NodeState::Running,
            2 => NodeState::Stopping,
            3 => NodeState::Stopped,
            _ => NodeState::Failed,
        }
    }

    pub fn set(&self, state: NodeState) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// The first failure is kept.
    pub fn fail(&self, text: String) {
        self.failure.lock().get_or_insert(text);
        self.set(NodeState::Failed);
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// To be held from before a start takes the routes until what it has made can be seen: a stop waits for that.
    pub fn begin_start(&self) -> Starting<'_> {
        *self.starting.lock() += 1;
        Starting(self)
    }

    pub fn wait_started(&self) {
        let mut starting = self.starting.lock();
        while *starting > 0 {
            self.started.wait(&mut starting, None);
        }
    }

    /// True for the one caller that carries the stop out; others wait in `wait_stopped`.
    pub fn begin_stop(&self) -> bool {
        !std::mem::replace(&mut *self.stopping.lock(), true)
    }

    pub fn end_stop(&self) {
        *self.stopping.lock() = false;
        self.stopped.notify_all();
    }

    pub fn wait_stopped(&self) {
        let mut stopping = self.stopping.lock();
        while *stopping {
            self.stopped.wait(&mut stopping, None);
        }
    }
}
