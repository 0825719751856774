//! The node: everything a Rust program does with one. Each call says whether it blocks; any thread may make it. The C face and the
//! program stand on this file and its neighbours `queue`, `sender` and `builder`.

use super::builder::{Builder, GivenStore, MetadataScore};
use super::clock::Clock;
use super::entropy::{SystemEntropy, policy_rng};
use super::error::{Error, RecvError, SendError};
use super::group_file;
use super::memnet::{MemNet, SeatAt};
use super::queue::Queue;
use super::running::{self, Running};
use super::sender::{SendOptions, Sender};
use super::shared::{Shared, Status};
use crate::base::address::{Address, AddressError, Host, Scheme};
use crate::base::channel::{Channel, ChannelId};
use crate::base::entropy::Entropy;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::bus::bell::Bell;
use crate::bus::command::Command;
use crate::bus::counters::{ChannelCounters, ChannelTotals, LinkStats, NodeCounters, Stats, Traffic};
use crate::bus::event::{Event, NodeState};
use crate::bus::link::Link;
use crate::bus::outbox::NoticeKind;
use crate::bus::queue::Queue as EventQueue;
use crate::bus::routes::Routes;
use crate::bus::sync::Lock;
use crate::crypto::identity::Identity;
use crate::crypto::sodium;
use crate::pool::peers::PeerInfo;
use crate::pool::policy::Grouping;
use crate::settings::check::Checked;
use crate::settings::memory::Memory;
use crate::wire::hello::Hello;
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Queues that a node may have beside the main one.
const QUEUES_MAX: usize = 64;

/// A node of the peer-to-peer network. Clones are the same node; when the last one is dropped it stops.
///
/// # Threads
/// Four of its own, whatever the number of peers, one more with a store, and up to two that resolve names. All have every signal blocked.
///
/// # Memory
/// `memory_max` says how much it is at worst.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    plan: Plan,
    status: Arc<Status>,
    main: Queue,
    routes: Lock<Option<Routes>>,
    /// Present from a successful start on, also after the stop.
    running: OnceLock<Running>,
}

/// What a node is started from.
pub(super) struct Plan {
    pub settings: Checked,
    pub identity: Identity,
    pub channels: Vec<Channel>,
    /// Typed channels, with the sign of their declaration.
    pub seals: Vec<(ChannelId, Arc<()>)>,
    /// The queues of typed channels, until their owners take them.
    pub unowned: Lock<BTreeMap<ChannelId, Queue>>,
    pub hello: Hello,
    pub metadata_score: Option<MetadataScore>,
    /// Which addresses are taken for one party's.
    pub grouping: Grouping,
    /// The application's own store, until a start takes it.
    pub store: GivenStore,
    pub clock: Clock,
    /// The memory network that it is on, and its place there, if it is on one.
    pub memnet: Option<MemNet>,
    pub seat: Option<SeatAt>,
    pub bell: Arc<Bell>,
    /// Where the bell finds the reactor's waker once there is one.
    pub waker: Waker,
    pub counters: Arc<NodeCounters>,
    pub traffic: Arc<Traffic>,
    pub ids: LinkIds,
}

/// The reactor's waker, once there is one. A start that failed leaves one behind, which the next start replaces.
pub(super) type Waker = Arc<RwLock<Option<Box<dyn Fn() + Send + Sync>>>>;

impl Plan {
    /// Randomness that nobody can guess; on a memory network, that its seed repeats.
    pub fn entropy(&self, what: &str) -> Box<dyn Entropy> {
        self.seat.as_ref().map_or_else(|| Box::new(SystemEntropy) as Box<dyn Entropy>, |seat| Box::new(seat.rng(what)))
    }

    /// Randomness for policy.
    pub fn rng(&self, what: &str) -> Rng {
        self.seat.as_ref().map_or_else(policy_rng, |seat| seat.rng(what))
    }
}

fn foreign_queue() -> Error {
    Error::Channel("the queue belongs to another node".to_owned())
}

impl Node {
    pub(super) fn new(builder: Builder) -> Result<Node, Error> {
        sodium::init().map_err(|error| Error::Crypto(error.to_string()))?;
        // Whether a store has addresses is seen at the start.
        let settings = if builder.store.is_some() { builder.settings.check_knowing(1) } else { builder.settings.check() };
        let settings = settings.map_err(Error::Settings)?;
        let identity = builder.identity.ok_or(Error::NoIdentity)?;
        let (has, wants) = (identity.pow_bits(), settings.network_pow_bits);
        if has < wants {
            return Err(Error::WeakIdentity { has, wants });
        }
        if settings.network_require_version && builder.application_versions.is_empty() {
            return Err(Error::NoVersion);
        }
        let grouping = builder.grouping.map_or_else(|| group_file::load(&settings.book_group_map), Ok)?;
        let hello = Hello {
            agent: builder.agent.unwrap_or_else(|| concat!("bowline/", env!("CARGO_PKG_VERSION")).to_owned()),
            network: settings.network_name.clone(),
            application_versions: builder.application_versions,
            listen: Vec::new(),
            channels: Vec::new(),
            capabilities: builder.capabilities,
            is_private: settings.pex_private,
            metadata: builder.metadata,
        };
        let waker = Waker::default();
        let bell = Arc::new(Bell::new(Box::new({
            let waker = Arc::clone(&waker);
            move || waker.read().iter().for_each(|wake| wake())
        })));
        let seat = builder.memnet.as_ref().map(|net| net.claim(&settings.listen_addresses)).transpose()?;
        let clock = builder.memnet.as_ref().map_or_else(Clock::start, MemNet::clock);
        let (counters, ids) = (Arc::new(NodeCounters::default()), LinkIds::default());
        let (channels, seals, unowned) = (builder.channels, builder.seals, Lock::default());
        let (metadata_score, store) = (builder.metadata_score, builder.store);
        let traffic = Arc::new(Traffic::of(channels.iter().map(|channel| channel.id)));
        let plan = Plan {
            settings,
            identity,
            channels,
            seals,
            unowned,
            hello,
            metadata_score,
            grouping,
            store,
            clock: clock.clone(),
            memnet: builder.memnet,
            seat,
            bell,
            waker,
            counters,
            traffic,
            ids,
        };
        // Whatever could only fail at the start is tried now: the profile checks channels and the size of Hello.
        running::profile(&plan, &[])?;
        let status = Arc::new(Status::default());
        let events = new_queue(&plan.bell);
        let main = Queue::new(Arc::clone(&events), clock.clone(), Arc::clone(&status));
        let mut routes = Routes::new(events);
        for (channel, _) in &plan.seals {
            let events = new_queue(&plan.bell);
            routes.add(Arc::clone(&events));
            routes.bind(*channel, &events);
            plan.unowned.lock().insert(*channel, Queue::new(events, clock.clone(), Arc::clone(&status)));
        }
        let routes = Lock::new(Some(routes));
        Ok(Node(Arc::new(Inner { plan, status, main, routes, running: OnceLock::new() })))
    }

    /// Binds the listeners and starts the threads; returns when the node is live. Once.
    ///
    /// # Errors
    /// `Store` when what was saved cannot be read (a damaged file is put aside instead, and told of), `Listen` names the address that is occupied or forbidden; the node is then as before
    /// and may be started again. `System` when the machine has no threads or descriptors left; for want of a thread the node fails, and
    /// only another one can be started. `State` when it was started already.
    ///
    /// # Blocks
    /// Some milliseconds.
    pub fn start(&self) -> Result<(), Error> {
        const TWICE: Error = Error::State("the node was started already; a stopped one cannot be started again: build another");
        let _starting = self.0.status.begin_start();
        let mut taken = self.0.routes.lock();
        let routes = taken.take().ok_or(TWICE)?;
        drop(taken);
        match running::start(&self.0.plan, &self.0.status, routes) {
            Ok(running) => {
                let shared = Arc::clone(&running.shared);
                self.0.running.set(running).map_err(|_| TWICE)?;
                shared.announce(NodeState::Running);
                Ok(())
            }
            Err(failed) => {
                let (error, routes) = *failed;
                *self.0.routes.lock() = routes;
                Err(error)
            }
        }
    }

    /// Stops the node: no new work, what is queued is sent for at most `drain` (never longer than the setting `stop.drain`), peers hear
    /// a goodbye, threads end.
    /// Every waiting call returns `Stopped`. Repeating it is harmless.
    ///
    /// # Errors
    /// `Timeout` when the drain was cut short (the node has stopped all the same), `Failed` when it had failed before.
    ///
    /// # Blocks
    /// At most 5 s, also when names do not resolve and peers do not read.
    pub fn stop(&self, drain: Duration) -> Result<(), Error> {
        self.0.stop(drain)
    }

    pub fn state(&self) -> NodeState {
        self.0.status.state()
    }

    /// Why the node has failed, if it has.
    pub fn failure(&self) -> Option<String> {
        self.0.status.failure()
    }

    /// Who this node is.
    pub fn id(&self) -> PeerId {
        self.0.plan.identity.id()
    }

    /// The versions of the application's protocol that it announces.
    pub fn application_versions(&self) -> &[u32] {
        &self.0.plan.hello.application_versions
    }

    /// The settings that it was built with, checked and completed.
    pub fn settings(&self) -> &Checked {
        &self.0.plan.settings
    }

    /// The most memory that it takes with its settings and channels, part by part, whatever peers and callers do.
    pub fn memory_max(&self) -> Memory {
        self.0.plan.settings.memory_bytes_max(&self.0.plan.channels)
    }

    /// Connects to `address` (`[bowline://][<peer id>@]host:port`) and waits until the link is open. A dial of it that is under way already
    /// is joined, a link that it has already is returned.
    ///
    /// # Errors
    /// `Address`, `Unresolved`, `Dial` when it is refused at once (as for `dial`), `Link` with the reason (a refusal by the peer comes as
    /// the motive it gave), `Timeout`, `State` before the start, `Stopped`, `Failed`.
    ///
    /// # Blocks
    /// At most `timeout`; and at most 3 s for a name, and `dial.timeout` for each of its addresses.
    pub fn connect(&self, address: &str, timeout: Duration) -> Result<LinkId, Error> {
        let shared = self.shared()?;
        shared.refuse_wait(Duration::MAX)?;
        let address: Address = address.parse()?;
        if address.scheme != Scheme::Bowline {
            return Err(AddressError::Foreign(address.scheme).into());
        }
        let deadline = shared.clock.now() + timeout;
        let candidates = match &address.host {
            Host::Ip(ip) => vec![SocketAddr::new(*ip, address.port)],
            Host::Name(name) => shared.resolver.wait(name, address.port, timeout),
        };
        // A stop ends the wait for a name, too.
        self.shared()?;
        let mut last = Error::Unresolved(address.to_string());
        for to in candidates {
            let until = deadline.min(shared.clock.now() + self.settings().dial_timeout);
            match shared.connect(to, address.id, until) {
                Ok(link) => return Ok(link),
                // The time is over for the others as well: dialing them would only disturb them.
                Err(Error::Timeout) if until == deadline => return Err(Error::Timeout),
                Err(Error::Timeout) => last = Error::Link(CloseReason::ConnectTimeout),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Begins to connect to `to`; ends in an `Event::Up` or a `Notice::DialFailed` with `tag`.
    ///
    /// # Errors
    /// `Dial` when it is refused at once (banned, connected, being dialed, no place, or this node itself), `Stopped`.
    pub fn dial(&self, to: SocketAddr, expect: Option<PeerId>, tag: u64) -> Result<LinkId, Error> {
        let shared = self.shared()?;
        shared.dial(to, expect, Some(tag), None)
    }

    /// Closes a link; the peer hears `reason`.
    ///
    /// # Errors
    /// `NoLink` if it is not open (any more), `Stopped`.
    pub fn disconnect(&self, link: LinkId, reason: CloseReason) -> Result<(), Error> {
        let shared = self.shared()?;
        shared.open_link(link)?;
        shared.order(Command::Close { link, reason });
        Ok(())
    }

    /// What sends on one channel of one link, with the look-ups done. `LinkId::LOCAL` is the node itself.
    ///
    /// # Errors
    /// `UnknownLink`, `NoChannel`, `Sealed`, `Stopped`, `Failed`.
    pub fn sender(&self, link: LinkId, channel: ChannelId) -> Result<Sender, SendError> {
        self.open_for_sending()?.refuse_sealed(channel)?;
        self.sender_within(link, channel)
    }

    /// Queues a copy of `message`, without waiting.
    ///
    /// # Errors
    /// As `sender` and `Sender::try_send`.
    pub fn try_send(&self, link: LinkId, channel: ChannelId, message: &[u8]) -> Result<(), SendError> {
        self.sender(link, channel)?.try_send(message)
    }

    /// Queues a copy of `message`; waits for room as long as it takes.
    ///
    /// # Errors
    /// As `sender` and `Sender::send`.
    pub fn send(&self, link: LinkId, channel: ChannelId, message: &[u8]) -> Result<(), SendError> {
        self.sender(link, channel)?.send(message)
    }

    /// Queues a copy of `message`; waits for room until `timeout` has passed.
    ///
    /// # Errors
    /// As `sender` and `Sender::send_timeout`.
    pub fn send_timeout(&self, link: LinkId, channel: ChannelId, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.sender(link, channel)?.send_timeout(message, timeout)
    }

    /// Queues `message` as `options` say: with a time to live, with news of what becomes of it.
    ///
    /// # Errors
    /// As `Sender::send_with`; `UnknownLink`.
    pub fn send_with(&self, link: LinkId, channel: ChannelId, message: &Bytes, options: &SendOptions) -> Result<(), SendError> {
        self.sender(link, channel)?.send_with(message, options)
    }

    /// Takes back everything that was sent on `link` with `tag` and of which no byte was sent: its fate is `Cancelled`. What is too late
    /// is told as if nothing had been said.
    pub fn cancel(&self, link: LinkId, tag: u64) {
        self.cancel_within(link, tag, None);
    }

    /// Waits for the next event of the main queue.
    ///
    /// # Errors
    /// `Stopped` when the node has stopped and everything was taken, `Failed`.
    pub fn recv(&self) -> Result<Event, RecvError> {
        self.0.main.recv()
    }

    /// Waits at most `timeout`.
    ///
    /// # Errors
    /// As `recv`, and `Timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvError> {
        self.0.main.recv_timeout(timeout)
    }

    /// The next event, if there is one.
    ///
    /// # Errors
    /// As `recv`, and `Timeout` if there is none.
    pub fn try_recv(&self) -> Result<Event, RecvError> {
        self.0.main.try_recv()
    }

    /// Waits for the first event (`None`: for ever) and appends up to `max` to `into`.
    ///
    /// # Errors
    /// As `recv_timeout`; `into` is unchanged then.
    pub fn recv_batch(&self, into: &mut Vec<Event>, max: usize, timeout: Option<Duration>) -> Result<usize, RecvError> {
        self.0.main.recv_batch(into, max, timeout)
    }

    /// The queue that gets everything that is bound nowhere else.
    pub fn main_queue(&self) -> Queue {
        self.0.main.clone()
    }

    /// Makes another queue, for channels that are bound to it. Only before the start.
    ///
    /// # Errors
    /// `State` after the start, or when there are 64 already.
    pub fn queue(&self) -> Result<Queue, Error> {
        let mut routes = self.0.routes.lock();
        let routes = routes.as_mut().ok_or(Error::State("queues are made before the node is started"))?;
        if routes.all().len() > QUEUES_MAX {
            return Err(Error::State("a node has at most 64 queues beside the main one"));
        }
        let events = new_queue(&self.0.plan.bell);
        routes.add(Arc::clone(&events));
        Ok(Queue::new(events, self.0.plan.clock.clone(), Arc::clone(&self.0.status)))
    }

    /// Sends the messages of `channel` to `queue` instead of the main one; it also gets Up and Down of the peers that have the channel.
    ///
    /// # Errors
    /// `Channel` if the channel was not declared, or is typed, or the queue is another node's, `State` after the start.
    pub fn bind(&self, channel: ChannelId, queue: &Queue) -> Result<(), Error> {
        if !self.0.plan.channels.iter().any(|own| own.id == channel) {
            return Err(Error::Channel(format!("{channel} was not declared")));
        }
        if self.0.plan.seals.iter().any(|(sealed, _)| *sealed == channel) {
            return Err(Error::Channel(format!("{channel} is typed: its owner alone receives there")));
        }
        let mut routes = self.0.routes.lock();
        let routes = routes.as_mut().ok_or(Error::State("channels are bound before the node is started"))?;
        if routes.bind(channel, &queue.inner) { Ok(()) } else { Err(foreign_queue()) }
    }

    /// Sends notices of these kinds to `queue` instead of the main one, each to one queue. `AddressAdded` is told only where it is bound.
    /// Only before the start.
    ///
    /// # Errors
    /// `Channel` if the queue is another node's, `State` after the start.
    pub fn bind_notices(&self, kinds: &[NoticeKind], queue: &Queue) -> Result<(), Error> {
        let mut routes = self.0.routes.lock();
        let routes = routes.as_mut().ok_or(Error::State("notices are bound before the node is started"))?;
        if routes.bind_notices(kinds, &queue.inner) { Ok(()) } else { Err(foreign_queue()) }
    }

    /// Who is connected: a published snapshot. No reader waits for a writer, nor a writer for a reader (`cargo bench --bench snapshots`).
    /// A link that `connect` has returned is in it. What an event tells may be in it a moment later, when a worker has heard of it as well;
    /// `find_peer` and `link` know it at once.
    pub fn peers(&self) -> Arc<[PeerInfo]> {
        self.0.running.get().map(|running| Arc::clone(&running.shared.published.read().peers)).unwrap_or_default()
    }

    /// The open link of a peer, if there is one.
    pub fn find_peer(&self, peer: &PeerId) -> Option<LinkId> {
        self.0.running.get().and_then(|running| running.shared.roster.find_peer(peer)).map(|link| link.id)
    }

    /// An open link.
    pub fn link(&self, link: LinkId) -> Option<Arc<Link>> {
        self.0.running.get().and_then(|running| running.shared.roster.find(link))
    }

    /// Counters of an open link.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.0.running.get().and_then(|running| running.shared.roster.find(link)).map(|link| link.counters.read())
    }

    /// Counters of the node.
    pub fn stats(&self) -> Stats {
        let mut stats = self.0.plan.counters.read();
        // Before the start nothing arrives.
        let queues = self.0.running.get().map(|running| running.shared.routes.all()).unwrap_or_default();
        stats.messages_unseen = queues.iter().map(|queue| queue.losses().0).sum();
        stats.notices_dropped = queues.iter().map(|queue| queue.losses().1).sum();
        stats
    }

    /// The channels that were declared, in their order.
    pub fn channels(&self) -> &[Channel] {
        &self.0.plan.channels
    }

    /// What went through a channel of this node so far, on all links together; `None` if it was not declared.
    pub fn channel_totals(&self, channel: ChannelId) -> Option<ChannelTotals> {
        self.0.plan.traffic.on(channel).map(ChannelCounters::read)
    }

    /// How many connections and dials have ended for each reason that occurred since the start, by code: those that never became links
    /// are in it, and are told of nowhere else. Takes the pool's lock for some microseconds.
    pub fn ends(&self) -> Vec<(CloseReason, u64)> {
        self.0.running.get().map(|running| running.shared.pool.look().ends()).unwrap_or_default()
    }

    /// This moment on the node's own clock, as in `Message::at`. That clock has counted some years when the node is built, so that what
    /// was saved before has its moments, too.
    pub fn now(&self) -> crate::base::time::Time {
        self.0.plan.clock.now()
    }

    /// Time since the node was built.
    pub fn uptime(&self) -> Duration {
        self.0.plan.clock.uptime()
    }

    /// Asks for a round of maintenance now. Does not wait for it.
    ///
    /// # Errors
    /// `Stopped`, `Failed`, or `State` before the start.
    pub fn maintain(&self) -> Result<(), Error> {
        // A nudge that waits already is as good as this one.
        let _ = self.shared()?.nudge_maintenance.try_send(());
        Ok(())
    }

    /// The memory network that it lives on, if it is on one.
    pub fn memnet(&self) -> Option<&MemNet> {
        self.0.plan.memnet.as_ref()
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    pub(super) fn running(&self) -> Option<&Running> {
        self.0.running.get()
    }

    pub(super) fn shared(&self) -> Result<&Arc<Shared>, Error> {
        match (self.0.running.get(), self.0.status.state()) {
            (Some(running), NodeState::Running) => Ok(&running.shared),
            _ => Err(self.0.status.gone()),
        }
    }

    pub(super) fn open_for_sending(&self) -> Result<&Arc<Shared>, SendError> {
        match (self.0.running.get(), self.0.status.closed_for_sending()) {
            (Some(running), None) => Ok(&running.shared),
            (_, closed) => Err(closed.unwrap_or(SendError::Stopped)),
        }
    }
}

impl Inner {
    fn stop(&self, drain: Duration) -> Result<(), Error> {
        loop {
            if let Some(running) = self.running.get() {
                return running.stop(drain);
            }
            let routes = self.routes.lock().take();
            if let Some(routes) = routes {
                // Never started, and without routes it never will be: receivers must not wait for ever.
                self.status.advance(NodeState::Stopped);
                routes.close();
                return Ok(());
            }
            let state = self.status.state();
            if state == NodeState::Stopped {
                return Ok(());
            }
            // Whoever is within a memory network may be waited for by that start.
            self.plan.seat.as_ref().map_or(Ok(()), |seat| seat.check())?;
            // A start has the routes: it brings a running node, or the routes back, or nothing at all if it has failed half way. Who
            // saw the failure before this wait sees after it what that start has brought.
            self.status.wait_started();
            if state == NodeState::Failed && self.running.get().is_none() {
                return Err(self.status.gone());
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody is left who could be told how it went.
        if let (Err(Error::State(_)), Some(running)) = (self.stop(Duration::ZERO), self.running.get()) {
            running.leave();
        }
    }
}

fn new_queue(bell: &Arc<Bell>) -> Arc<EventQueue> {
    let bell = Arc::clone(bell);
    Arc::new(EventQueue::new(Box::new(move |link| bell.ring_for(link))))
}
