//! What the threads of one node share. The pool's lock is taken by workers and calls, never by the reactor.

use super::clock::Clock;
use super::error::{Error, SendError, VIRTUAL};
use super::groups::Groups;
use super::memnet::SeatAt;
use super::pool_lock::{Panic, PoolLock};
use super::published::{Published, Snapshot};
use super::resolver::Resolver;
use super::running;
use super::storekeeper::Storekeeper;
use crate::base::channel::{Channel, ChannelId};
use crate::base::limits::{ORDERS_MAX, WEIGHT_AT_FIRST};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::text::panic_text;
use crate::base::time::Time;
use crate::bus::bell::Bell;
use crate::bus::calls::Calls;
use crate::bus::command::Command;
use crate::bus::counters::NodeCounters;
use crate::bus::door::Door;
use crate::bus::event::NodeState;
use crate::bus::link::{Link, PushError};
use crate::bus::listening::Listening;
use crate::bus::outbox::{Answered, Ending, Notice, Outbox, Outcome};
use crate::bus::queue::Queue as EventQueue;
use crate::bus::roster::Roster;
use crate::bus::routes::Routes;
use crate::bus::sync::{Change, Lock};
use crate::flow::batch::Ticket;
use crate::pool::table::Pool;
use crate::settings::check::Checked;
use crate::workers::{exchange, maintenance};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, bounded};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// The answer that a waiting `connect` gets.
pub type Answer = Result<PeerId, Ending>;

/// What the threads share while a node runs.
pub struct Shared {
    /// Who this node is.
    pub own: PeerId,
    /// The settings that hold now. A call that changes them holds it while it takes the pool's lock; nobody takes them in another order.
    pub live: Mutex<Checked>,
    /// Where it listens, also where it did when it stopped.
    pub listening: Arc<Listening>,
    pub channels: Vec<Channel>,
    /// Channels that only their owners may use.
    pub sealed: Vec<ChannelId>,
    pub clock: Clock,
    pub pool: PoolLock,
    pub roster: Arc<Roster>,
    pub(super) groups: Lock<Groups>,
    pub routes: Arc<Routes>,
    pub counters: Arc<NodeCounters>,
    pub door: Arc<Door>,
    pub bell: Arc<Bell>,
    pub commands: Sender<Command>,
    pub nudge_maintenance: Sender<()>,
    pub nudge_exchange: Sender<()>,
    pub resolver: Resolver,
    pub published: Published,
    /// Calls that wait until a link opens or ends.
    pub waiters: Lock<BTreeMap<LinkId, Vec<Sender<Answer>>>>,
    /// Calls that wait for what they have asked a worker for, by ticket.
    pub tickets: Lock<BTreeMap<u64, Sender<Answered>>>,
    pub next_ticket: AtomicU64,
    /// Orders to maintenance.
    pub maintenance: Sender<maintenance::Input>,
    /// Orders to exchange.
    pub exchange: Sender<exchange::Input>,
    pub status: Arc<Status>,
    /// Who saves what is to outlive a restart.
    pub storekeeper: Storekeeper,
    /// Where the node sits if it is on a memory network.
    pub seat: Option<SeatAt>,
    /// There: orders to the reactor before its next turn. Nobody could wait for room in its channel, because whoever would make room is the
    /// same thread. The bound is what one turn, or the calls between two turns, order.
    pub orders: Lock<VecDeque<Command>>,
}

impl Shared {
    /// Sends an order to the reactor; waits while its channel is full. Orders to a reactor that has ended are dropped.
    pub fn order(&self, command: Command) {
        if self.seat.is_some() {
            self.orders.lock().push_back(command);
            return self.bell.ring();
        }
        if self.commands.send(command).is_ok() {
            self.bell.ring();
        }
    }

    /// What calls that send, ask and answer work with.
    pub fn calls(&self) -> Calls<'_> {
        Calls { routes: &self.routes, bell: &self.bell, counters: &self.counters }
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

    /// Answers all who wait for that link.
    pub fn answer(&self, outcome: &Outcome) {
        let waiting = self.waiters.lock().remove(&outcome.link);
        for waiter in waiting.unwrap_or_default() {
            // Who does not wait any more has left a full or closed channel behind; the outcome is then nobody's.
            let _ = waiter.try_send(outcome.result);
        }
    }

    /// Gives a worker an order, and waits for what becomes of it.
    ///
    /// # Errors
    /// `Busy` when too many orders wait, `Timeout`, `Stopped`, `Failed`.
    pub fn ask<T>(&self, worker: &Sender<T>, order: impl FnOnce(u64) -> T, timeout: Duration) -> Result<Answered, Error> {
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        let (answer, wait) = bounded(1);
        // Registered before the order goes out, so that the answer cannot be missed; and the state is looked at after that, so that a
        // stop either finds the caller or is found here.
        self.tickets.lock().insert(ticket, answer);
        let result = if self.status.state() != NodeState::Running {
            Err(self.status.gone())
        } else {
            match worker.try_send(order(ticket)) {
                Ok(()) => self.wait_for(&wait, timeout).map_err(|error| match error {
                    RecvTimeoutError::Timeout if self.clock.forbids(Some(timeout)) => Error::State(VIRTUAL),
                    RecvTimeoutError::Timeout => Error::Timeout,
                    RecvTimeoutError::Disconnected => self.status.gone(),
                }),
                Err(TrySendError::Full(_)) => Err(Error::Busy(ORDERS_MAX)),
                Err(TrySendError::Disconnected(_)) => Err(self.status.gone()),
            }
        };
        let was_waiting = self.tickets.lock().remove(&ticket).is_some();
        match result {
            // The answer was on its way already.
            Err(Error::Timeout) if !was_waiting => wait.recv().map_err(|_| self.status.gone()),
            result => result,
        }
    }

    /// An open link.
    ///
    /// # Errors
    /// `NoLink`; or what the end of the node is called, if that has taken all links since the caller looked.
    pub fn open_link(&self, link: LinkId) -> Result<Arc<Link>, Error> {
        let has_ended = || self.status.state() != NodeState::Running;
        self.roster.find(link).ok_or_else(|| if has_ended() { self.status.gone() } else { Error::NoLink(link) })
    }

    /// As `open_link`, for senders.
    ///
    /// # Errors
    /// `UnknownLink`, `Failed`, `Stopped`.
    pub fn link_for_sending(&self, link: LinkId) -> Result<Arc<Link>, SendError> {
        self.roster.find(link).ok_or_else(|| self.status.closed_for_sending().unwrap_or(SendError::UnknownLink(link)))
    }

    /// What somebody else of this node answers, at the latest after `timeout`. On a memory network it is asked at once, in this moment: what
    /// takes time does not come.
    ///
    /// # Errors
    /// As `Receiver::recv_timeout`.
    pub fn wait_for<T>(&self, answer: &Receiver<T>, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let Some(seat) = &self.seat else {
            // It may have come while this thread woke.
            return answer.recv_timeout(timeout).or_else(|error| answer.try_recv().map_err(|_| error));
        };
        seat.settle();
        answer.try_recv().map_err(|error| match error {
            TryRecvError::Empty => RecvTimeoutError::Timeout,
            TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
        })
    }

    /// Refuses a call that would wait where nothing waits.
    ///
    /// # Errors
    /// `State`.
    pub fn refuse_wait(&self, timeout: Duration) -> Result<(), Error> {
        if self.clock.forbids(Some(timeout)) { Err(Error::State(VIRTUAL)) } else { Ok(()) }
    }

    /// Hands an answer to the call that waits for it; gives it back if none does.
    pub fn hand_out(&self, ticket: u64, answered: Answered) -> Option<Answered> {
        let Some(waiter) = self.tickets.lock().remove(&ticket) else { return Some(answered) };
        // One that has just stopped to wait has left a closed channel behind.
        waiter.try_send(answered).err().map(TrySendError::into_inner)
    }

    /// Nobody's dial will end any more: all who wait are told.
    pub fn release_waiters(&self) {
        self.tickets.lock().clear();
        let waiting = std::mem::take(&mut *self.waiters.lock());
        for answer in waiting.into_values().flatten() {
            // A full channel has its answer already.
            let _ = answer.try_send(Err(CloseReason::Stopped.into()));
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

    /// Changes the pool where neither the door nor readers need to be shown anything. A panic fails the node, whose thread it ever was, and
    /// goes on.
    pub fn change_pool<T>(&self, act: impl FnOnce(&mut Pool) -> T) -> T {
        self.try_change_pool(act).unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// As `change_pool`, for who has to go on after a panic.
    ///
    /// # Errors
    /// The panic.
    pub fn try_change_pool<T>(&self, act: impl FnOnce(&mut Pool) -> T) -> Result<T, Panic> {
        let done = self.pool.change(act);
        done.inspect_err(|panic| running::fail(self, format!("work on the pool panicked: {}", panic_text(&**panic))))
    }

    /// Works on the pool, then shows the door and readers what has changed: whatever they may see goes this way. What follows from it is
    /// left in the outbox for the caller to carry out, without the lock.
    pub fn work<T>(&self, act: impl FnOnce(Time, &mut Pool, &mut Outbox) -> T) -> (T, Outbox) {
        let now = self.clock.now();
        let mut out = Outbox::default();
        let (result, snapshot, shut) = self.change_pool(|pool| {
            let result = act(now, pool, &mut out);
            out.notices.extend(pool.take_additions().into_iter().map(|address| Notice::AddressAdded { address }));
            self.counters.points_known.set(pool.points().len() as u64);
            self.counters.bans.set(pool.lists().banned_count() as u64);
            self.counters.greylisted.set(pool.lists().greylisted_count() as u64);
            (result, out.changed.then(|| self.published.make(now, pool)), pool.take_shut(now))
        });
        if let Some(shut) = shut {
            self.door.publish(shut);
        }
        if let Some(snapshot) = snapshot {
            self.publish(snapshot);
        }
        (result, out)
    }

    /// Replaces the snapshot that readers see, unless it is newer. Then links get the weights that their peers' scores have earned.
    pub fn publish(&self, snapshot: Snapshot) {
        let after = Arc::new(snapshot);
        let Some(before) = self.published.replace(Arc::clone(&after)) else { return };
        let rank = after.version();
        let weights = |of: &Snapshot| -> BTreeMap<LinkId, u32> { of.peers.iter().map(|peer| (peer.link, peer.weight)).collect() };
        let before = weights(&before);
        for (link, weight) in weights(&after) {
            if before.get(&link).copied().unwrap_or(WEIGHT_AT_FIRST) != weight {
                self.order(Command::SetWeight { link, weight, rank });
            }
        }
    }

    /// Tells every queue of a new state.
    pub fn announce(&self, state: NodeState) {
        self.routes.change_state(state);
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

/// A stop under way; it ends with this, also by a panic.
pub struct Stopping<'a>(&'a Status);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        *self.0.stopping.lock() = false;
        self.0.stopped.notify_all();
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

    /// Goes on to `state`, unless the node has failed: that is final. False if it has.
    pub fn advance(&self, state: NodeState) -> bool {
        let onward = |now| (now != NodeState::Failed as u8).then_some(state as u8);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, onward).is_ok()
    }

    /// The first failure is kept. True for that one.
    pub fn fail(&self, text: String) -> bool {
        let is_first = {
            let mut failure = self.failure.lock();
            let is_first = failure.is_none();
            failure.get_or_insert(text);
            is_first
        };
        self.state.store(NodeState::Failed as u8, Ordering::Release);
        is_first
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Why there is nothing to work with.
    pub fn gone(&self) -> Error {
        match self.state() {
            NodeState::New | NodeState::Running => Error::State("the node has not been started"),
            NodeState::Failed => Error::Failed(self.failure().unwrap_or_default()),
            NodeState::Stopping | NodeState::Stopped => Error::Stopped,
        }
    }

    /// Why nobody can send anything; `None` while the node runs.
    #[inline]
    pub fn closed_for_sending(&self) -> Option<SendError> {
        match self.state() {
            NodeState::Running => None,
            NodeState::Failed => Some(SendError::Failed),
            NodeState::New | NodeState::Stopping | NodeState::Stopped => Some(SendError::Stopped),
        }
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

    /// For the one caller that carries the stop out, to be held meanwhile; others wait in `wait_stopped`.
    pub fn begin_stop(&self) -> Option<Stopping<'_>> {
        let is_under_way = std::mem::replace(&mut *self.stopping.lock(), true);
        (!is_under_way).then(|| Stopping(self))
    }

    pub fn wait_stopped(&self) {
        let mut stopping = self.stopping.lock();
        while *stopping {
            self.stopped.wait(&mut stopping, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::base::time::Time;
    use crate::node::testbed::started;
    use crate::wire::hello::Hello;
    use std::net::SocketAddr;

    #[test]
    fn an_older_snapshot_never_replaces_a_newer_one() {
        let node = started();
        let shared = Arc::clone(&node.running().expect("started").shared);
        let older = shared.published.make(Time::ZERO, &shared.pool.look());
        let now = Time::ZERO;
        let newer = shared.change_pool(|pool| {
            let (link, peer) = (LinkId::from_u64(1 << 40), PeerId::from_bytes([1; 32]));
            pool.claim_arrival(now, link, SocketAddr::from(([127, 0, 0, 1], 50_000))).expect("may come");
            pool.introduce(now, link, peer, &Arc::new(Hello::default()), &mut Rng::from_seed(1));
            pool.open(now, link).expect("admitted");
            shared.published.make(now, pool)
        });
        shared.publish(newer);
        shared.publish(older);
        assert_eq!(node.peers().len(), 1);
        let late = shared.published.make(Time::ZERO, &shared.pool.look());
        shared.publish(Snapshot::last());
        shared.publish(late);
        assert!(node.peers().is_empty(), "a worker that outlives a stop changes nothing");
    }

    #[test]
    fn a_pool_that_is_half_changed_is_not_changed_any_more() {
        let node = started();
        let shared = Arc::clone(&node.running().expect("started").shared);
        let half = shared.try_change_pool(|pool| {
            pool.pause();
            panic!("on purpose");
        });
        assert!(half.is_err() && node.state() == NodeState::Failed);
        let mut is_changed = false;
        assert!(shared.try_change_pool(|_| is_changed = true).is_err() && !is_changed);
        assert_eq!(node.failure().as_deref(), Some("work on the pool panicked: on purpose"));
        assert!(shared.pool.look().is_paused(), "who only looks may");
    }

    #[test]
    fn a_failure_is_final() {
        let status = Status::default();
        assert!(status.advance(NodeState::Running));
        status.fail("on purpose".to_owned());
        assert!(!status.advance(NodeState::Stopping) && !status.advance(NodeState::Stopped));
        assert_eq!(status.state(), NodeState::Failed);
        assert!(matches!(status.gone(), Error::Failed(text) if text == "on purpose"));
    }
}
