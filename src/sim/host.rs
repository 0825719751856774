//! One host of a simulated network: the machines that a node's threads drive, driven one step at a time. It has no thread, no clock and no
//! socket; `world.rs` says when which of its actors takes its turn, and nothing here decides what a node does.

use super::checks::Story;
use super::desks::Desk;
use super::disk::Disk;
use super::net::{HostId, Network};
use super::rogue::{Conduct, Rogue};
use super::trace::What;
use crate::base::address::Address;
use crate::base::channel::Channel;
use crate::base::limits::{COMMANDS_MAX, CONTROL_MAX, PAST};
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::bell::Bell;
use crate::bus::command::Command;
use crate::bus::counters::{LinkStats, NodeCounters, Stats};
use crate::bus::event::Event;
use crate::bus::queue::Queue;
use crate::bus::report::{Control, Report};
use crate::bus::roster::Roster;
use crate::bus::routes::Routes;
use crate::crypto::identity::Identity;
use crate::flow::pot::Pot;
use crate::pool::dialing::DialError;
use crate::pool::policy::Policy;
use crate::pool::saved::Saved;
use crate::pool::slots::Purpose;
use crate::pool::store::StoreFault;
use crate::pool::table::Pool;
use crate::reactor::engine::{Engine, Next, Ports};
use crate::reactor::limits::Limits;
use crate::reactor::native::Native;
use crate::reactor::net::{Net, Ready};
use crate::session::gate::Gate;
use crate::session::local::{Local, LocalError, Profile};
use crate::settings::check::{Checked, Complaint};
use crate::settings::memory::Memory;
use crate::settings::table::Settings;
use crate::wire::hello::{Capability, Hello};
use crate::workers::exchange::Exchange;
use crate::workers::machine::Machine;
use crate::workers::maintenance::Maintenance;
use crate::workers::welcome::Welcome;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wall time of time zero in every simulation: 2023-11-14.
const UNIX_START: u64 = 1_700_000_000;
/// Most events that the application takes at once.
const TAKEN_MAX: u64 = 64;

/// What a host is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it is. It listens there, on the port of `listen.addresses` (9732), whatever hosts the settings name.
    pub address: IpAddr,
    pub settings: Settings,
    pub channels: Vec<Channel>,
    /// What it announces that it can do.
    pub capabilities: Vec<Capability>,
    /// Nobody can dial it.
    pub has_nat: bool,
    pub conduct: Conduct,
    /// What it saves its scores on, if `score.file` is set.
    pub disk: Disk,
}

impl Plan {
    /// A host with default settings on the network "simulated", where identities need no proof of work.
    pub fn new(address: IpAddr) -> Plan {
        let settings = Settings { network_pow_bits: 0, ..Settings::new("simulated") };
        let (conduct, disk) = (Conduct::Honest, Disk::default());
        Plan { address, settings, channels: Vec::new(), capabilities: Vec::new(), has_nat: false, conduct, disk }
    }

    /// Where it listens.
    pub fn listen(&self) -> Vec<SocketAddr> {
        self.settings.listen_addresses.iter().map(|at| SocketAddr::new(self.address, at.port())).collect()
    }
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<Complaint>),
    #[error(transparent)]
    Profile(#[from] LocalError),
    #[error("what it has saved cannot be read: {0}")]
    Store(StoreFault),
    #[error("it cannot listen at {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("{0} was started already")]
    Twice(HostId),
    #[error("{0} is no host with a plan: it was added bare")]
    Bare(HostId),
}

/// Who takes turns on a host: its reactor, its workers, its application. Each would be a thread. Last, the harm that a rogue means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    Reactor,
    Welcome,
    Maintenance,
    Exchange,
    Application,
    Rogue,
}

impl Actor {
    pub(super) const ALL: [Actor; 6] =
        [Actor::Reactor, Actor::Welcome, Actor::Maintenance, Actor::Exchange, Actor::Application, Actor::Rogue];
}

/// When an actor wants its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// As soon as the machine has a moment for it.
    Soon,
    At(Time),
    /// When something happens.
    Idle,
}

/// One host with everything a node consists of.
pub struct Host {
    pub(super) id: HostId,
    identity: PeerId,
    settings: Checked,
    memory: Memory,
    started: Time,
    /// Seconds by which its wall clock is ahead.
    pub(super) clock_ahead: i64,
    listening: Vec<SocketAddr>,
    engine: Engine,
    next: Next,
    pub(super) pool: Pool,
    pub(super) welcome: Welcome,
    pub(super) maintenance: Maintenance,
    pub(super) exchange: Exchange,
    /// By actor; those of the reactor and the application stay empty.
    pub(super) desks: [Desk; Actor::ALL.len()],
    pub(super) bell: Arc<Bell>,
    is_rung: Arc<AtomicBool>,
    pub(super) commands: Sender<Command>,
    pub(super) reports: Receiver<Report>,
    pub(super) controls: Receiver<Control>,
    pub(super) roster: Arc<Roster>,
    pub(super) routes: Arc<Routes>,
    is_readable: Arc<AtomicBool>,
    pub(super) counters: Arc<NodeCounters>,
    pub(super) pot: Pot,
    pub(super) conns_max: usize,
    /// False while the application does not take what arrives.
    pub(super) is_taking: bool,
    is_maintaining: bool,
    pub(super) rogue: Option<Box<Rogue>>,
    pub(super) rng: Rng,
    ready: Vec<Ready>,
    taken: Vec<Event>,
    /// Where its links lead.
    pub(super) remotes: BTreeMap<LinkId, SocketAddr>,
    pub(super) story: Story,
    /// Its places, connections and mailboxes when they were last compared: a version and two counts.
    pub(super) checked: Option<(u64, usize, usize)>,
}

/// What a simulated node says of itself.
fn hello(settings: &Checked, plan: &Plan) -> Hello {
    let (agent, network) = ("bowline/simulated".to_owned(), settings.network_name.clone());
    Hello { agent, network, is_private: settings.pex_private, capabilities: plan.capabilities.clone(), ..Hello::default() }
}

/// The tables of a node that can be dialed at `at`.
fn pool(settings: &Checked, own: PeerId, ids: LinkIds, at: Vec<Address>, mut rng: Rng) -> Pool {
    let mut pool = Pool::new(own, Policy::from(settings), ids);
    let mut key = [0; 16];
    rng.fill(&mut key);
    pool.set_book_key(key);
    pool.set_own_addresses(at);
    for subject in &settings.lists_trusted {
        pool.lists_mut().trust(Time::ZERO, *subject, None).expect("nobody is banned yet");
    }
    pool
}

/// The reactor of a node that listens there.
fn engine(
    settings: &Checked,
    limits: Limits,
    ports: Ports,
    local: &Arc<Local>,
    listening: &[SocketAddr],
    mut entropy: Rng,
) -> Engine {
    let gate = Gate::of(&mut entropy, settings);
    let dialects = Box::new(Native::new(Arc::clone(local)));
    let mut engine = Engine::new(limits, ports, dialects, gate, Box::new(entropy), Time::ZERO + PAST);
    (0..).zip(listening).for_each(|(listener, at)| engine.add_listener(listener, *at));
    engine
}

/// Listens at every address, numbered in order.
fn listen(id: HostId, listening: &[SocketAddr], network: &mut Network) -> Result<(), StartError> {
    for (number, at) in listening.iter().enumerate() {
        network.port(id).listen(number as u32, *at).map_err(|error| StartError::Listen(*at, error))?;
    }
    Ok(())
}

/// A bell, and whether it was rung.
fn bell() -> (Arc<Bell>, Arc<AtomicBool>) {
    let is_rung = Arc::new(AtomicBool::new(false));
    let rung = Arc::clone(&is_rung);
    (Arc::new(Bell::new(Box::new(move || rung.store(true, Ordering::Relaxed)))), is_rung)
}

/// Routes to the application's one queue, and whether something is in it.
fn routes(bell: &Arc<Bell>) -> (Arc<Routes>, Arc<AtomicBool>) {
    let ringer = Arc::clone(bell);
    let queue = Arc::new(Queue::new(Box::new(move |link| ringer.ring_for(link))));
    let is_readable = Arc::new(AtomicBool::new(false));
    let shown = Arc::clone(&is_readable);
    queue.set_readable(Box::new(move |is_readable| shown.store(is_readable, Ordering::Relaxed)));
    (Arc::new(Routes::new(queue)), is_readable)
}

impl Host {
    /// Starts a host: it listens, and its machines take their first turns when the world lets them.
    ///
    /// # Errors
    /// What is wrong with its plan.
    pub(super) fn start(
        id: HostId,
        plan: &Plan,
        identity: &Identity,
        rng: Rng,
        network: &mut Network,
    ) -> Result<Host, StartError> {
        let settings = plan.settings.clone().check().map_err(StartError::Settings)?;
        let listening = plan.listen();
        let profile = Profile::of(&settings, identity.clone(), &plan.channels, &hello(&settings, plan), &listening);
        let (own, pot) = (profile.hello.listen.clone(), profile.pot.clone());
        let local = Arc::new(Local::new(profile)?);
        listen(id, &listening, network)?;
        let limits = Limits::of(&settings, None);
        let ((commands, orders), (control, controls)) = (bounded(COMMANDS_MAX), bounded(CONTROL_MAX));
        let (conns_max, (report, reports)) = (limits.conns_max, bounded(Engine::reports_max(limits.conns_max)));
        let (bell, is_rung) = bell();
        let (routes, is_readable) = routes(&bell);
        let (roster, counters, ids) = (Arc::new(Roster::default()), Arc::new(NodeCounters::default()), LinkIds::default());
        let ports = Ports {
            commands: orders,
            reports: report,
            control,
            bell: Arc::clone(&bell),
            routes: Arc::clone(&routes),
            roster: Arc::clone(&roster),
            counters: Arc::clone(&counters),
            traffic: Arc::default(),
            door: Arc::default(),
            listening: Arc::default(),
            ids: ids.clone(),
        };
        let engine = engine(&settings, limits, ports, &local, &listening, rng.fork("entropy"));
        Ok(Host {
            id,
            identity: identity.id(),
            memory: settings.memory_bytes_max(&plan.channels),
            started: network.now(),
            clock_ahead: 0,
            listening,
            engine,
            next: Next::Now,
            pool: pool(&settings, identity.id(), ids, own, rng.fork("book")),
            welcome: Welcome::new(rng.fork("welcome")),
            maintenance: Maintenance::new(rng.fork("maintenance"), &settings.discovery_persistent, &settings.discovery_seeds),
            exchange: Exchange::new(rng.fork("exchange")),
            desks: Default::default(),
            bell,
            is_rung,
            commands,
            reports,
            controls,
            roster,
            routes,
            is_readable,
            counters,
            pot,
            conns_max,
            is_taking: true,
            is_maintaining: true,
            rogue: Rogue::of(&plan.conduct, rng.fork("rogue"), local),
            rng: rng.fork("steps"),
            ready: Vec::new(),
            taken: Vec::new(),
            remotes: BTreeMap::new(),
            story: Story::default(),
            checked: None,
            settings,
        })
    }

    pub fn id(&self) -> HostId {
        self.id
    }

    /// Who it is towards its peers.
    pub fn peer(&self) -> PeerId {
        self.identity
    }

    pub fn settings(&self) -> &Checked {
        &self.settings
    }

    /// Its tables: places, addresses, lists.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// Counters of an open link.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.roster.find(link).map(|link| link.counters.read())
    }

    /// Open links, oldest first.
    pub fn links(&self) -> Vec<LinkId> {
        self.roster.ids()
    }

    /// The open link with a peer.
    pub fn link_with(&self, peer: &PeerId) -> Option<LinkId> {
        self.roster.find_peer(peer).map(|link| link.id)
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// True once it was stopped and everything has ended.
    pub fn has_ended(&self) -> bool {
        self.next == Next::Ended && self.reports.is_empty()
    }

    /// The host's own time: it began when the host was started.
    pub(super) fn clock(&self, now: Time) -> Time {
        Time::ZERO + PAST + now.since(self.started)
    }

    /// Its wall clock, which may be wrong.
    pub(super) fn unix_seconds(&self, now: Time) -> u64 {
        (UNIX_START + now.since(Time::ZERO).as_secs()).saturating_add_signed(self.clock_ahead)
    }

    /// The most that it may take of the memory, part by part.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where it listens.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// By the world's time.
    pub(super) fn started(&self) -> Time {
        self.started
    }

    /// It has a store from now on, and takes back what it saved before.
    pub(super) fn restore(&mut self, now: Time, saved: &Saved) {
        let (clock, unix) = (self.clock(now), self.unix_seconds(now));
        self.pool.keep();
        self.pool.restore(clock, unix, saved);
    }

    /// Its host has another address from now on.
    pub(super) fn readdress(&mut self, to: IpAddr) {
        self.listening.iter_mut().for_each(|at| at.set_ip(to));
    }

    /// It keeps up its links: it was not stopped.
    pub(super) fn is_maintaining(&self) -> bool {
        self.is_maintaining
    }

    /// Streams that its reactor knows nothing of.
    pub(super) fn raw_streams(&self) -> usize {
        self.rogue.as_ref().map_or(0, |rogue| rogue.raw_streams())
    }

    /// What its clock says, by the world's.
    pub(super) fn world_time(&self, at: Time) -> Time {
        self.started + at.since(Time::ZERO + PAST)
    }

    /// When an actor wants its turn, by the world's time.
    pub(super) fn wish(&self, actor: Actor, has_ready: bool) -> Wish {
        let deadline = match actor {
            // Its threads are over; what the application has not taken it still may.
            _ if actor != Actor::Application && self.has_ended() => return Wish::Idle,
            Actor::Reactor => {
                return match self.next {
                    Next::Ended => Wish::Idle,
                    _ if has_ready || self.is_rung.load(Ordering::Relaxed) => Wish::Soon,
                    Next::Now => Wish::Soon,
                    Next::At(at) => Wish::At(self.world_time(at)),
                    Next::Idle => Wish::Idle,
                };
            }
            Actor::Application => {
                let has_news = self.is_taking && self.is_readable.load(Ordering::Relaxed);
                return if has_news { Wish::Soon } else { Wish::Idle };
            }
            Actor::Rogue => self.rogue.as_ref().and_then(|rogue| rogue.deadline()),
            Actor::Welcome if !self.reports.is_empty() => return Wish::Soon,
            Actor::Exchange if !self.controls.is_empty() => return Wish::Soon,
            Actor::Maintenance if !self.is_maintaining => return Wish::Idle,
            Actor::Welcome => self.welcome.deadline(),
            Actor::Maintenance => self.maintenance.deadline(),
            Actor::Exchange => self.exchange.deadline(),
        };
        let desk = &self.desks[actor as usize];
        if desk.is_nudged || !desk.done.is_empty() || !desk.held.is_empty() {
            return Wish::Soon;
        }
        deadline.map_or(Wish::Idle, |at| Wish::At(self.world_time(at)))
    }

    /// The reactor's turn, as in `node/reactor_thread.rs`.
    pub(super) fn turn(&mut self, network: &mut Network) {
        let now = self.clock(network.now());
        self.is_rung.store(false, Ordering::Relaxed);
        self.bell.rise();
        network.take_ready(self.id, &mut self.ready);
        let unix_seconds = self.unix_seconds(network.now());
        self.next = self.engine.turn(now, unix_seconds, &mut network.port(self.id), &self.ready);
        network.note(self.id, What::Turned, LinkId::NONE, self.ready.len() as u64);
        self.ready.clear();
        // Whoever rings from here on wakes it; whoever rang before is seen by `doze`.
        let wants_sleep = matches!(self.next, Next::At(_) | Next::Idle);
        if wants_sleep && !self.bell.doze(|| self.engine.is_idle()) {
            self.next = Next::Now;
        }
    }

    /// A place for a dial of the application, as in `node/dialing.rs`: a link that has parted gives way.
    pub(super) fn claim(&mut self, now: Time, to: SocketAddr, expect: Option<PeerId>, why: Purpose) -> Result<LinkId, DialError> {
        match self.pool.claim_dial(now, to, expect, why) {
            Err(DialError::Exists(_, link)) if self.roster.has_parted(link) => {
                self.pool.doom(now, link, CloseReason::Requested);
                self.pool.claim_dial(now, to, expect, why)
            }
            claimed => claimed,
        }
    }

    /// The node stops as `Node::stop` does: no new work, then a drain until `deadline` of the world's time.
    pub(super) fn stop(&mut self, deadline: Time) {
        self.is_maintaining = false;
        self.pool.stop();
        self.order(Command::StopListening);
        self.order(Command::Drain { deadline: self.clock(deadline) });
    }

    /// The application's turn: takes some of what has arrived.
    pub(super) fn take(&mut self, network: &mut Network) -> &[Event] {
        let before = self.taken.len();
        let count = 1 + self.rng.below(TAKEN_MAX);
        // Nothing there is no news; the queue is never closed while the host lives.
        let _ = self.routes.main().take(&mut self.taken, count as usize, None);
        let news = &self.taken[before..];
        news.iter().for_each(|event| self.story.tell(event));
        network.note(self.id, What::Took, LinkId::NONE, news.len() as u64);
        news
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.taken)
    }

    /// True if nothing is on its way between its reactor and its workers.
    pub(super) fn is_quiet(&self) -> bool {
        let is_idle = |desk: &Desk| desk.held.is_empty() && desk.done.is_empty();
        self.reports.is_empty() && self.controls.is_empty() && self.commands.is_empty() && self.desks.iter().all(is_idle)
    }

    /// Addresses that it tells others to dial.
    pub fn addresses(&self) -> &[Address] {
        self.pool.own_addresses()
    }
}
