//! Nodes without threads: their reactors and workers take turns on one thread, in virtual time, as the network in memory and their own deadlines
//! ask for. What happens at the same moment happens in a fixed order: first the network, then hosts by number, and of a host the reactor,
//! welcome, exchange, maintenance, storekeeper. It decides nothing that a node decides. `memnet.rs` holds it under a lock.

use super::clock::VirtualTime;
use super::error::Error;
use super::memnet::occupied;
use super::pump::Worker;
use super::running::{self, Parts, Pumps};
use super::shared::Shared;
use super::storekeeper::Keeper;
use crate::base::limits::PAST;
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::text::panic_text;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::event::NodeState;
use crate::bus::queue::Queue;
use crate::pool::table::Pool;
use crate::reactor::engine::{Engine, Next};
use crate::reactor::net::{Net, Ready};
use crate::sim::net::{HostId, Network};
use crate::sim::pipe::Weather;
use crate::sim::trace::What;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Turns of one actor in one moment; then it takes a microsecond, so that one who never has enough does not stop time.
const TURNS_MAX: u32 = 10_000;
const MICROSECOND: Duration = Duration::from_micros(1);
/// The reactor, and at most four workers.
const ACTORS: usize = 5;
/// The first and the last of the addresses that nodes get who name none: those of 10.0.0.0/8.
const FIRST_ADDRESS: u32 = 0x0a00_0001;
const LAST_ADDRESS: u32 = 0x0aff_fffe;

/// Wakes a reactor.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// See the file's head.
pub struct Stage {
    pub network: Network,
    time: VirtualTime,
    seats: BTreeMap<HostId, Seat>,
    /// Who takes a turn when: each actor once at most.
    turns: BTreeSet<(Time, HostId, usize)>,
    /// Somebody has rung for a reactor.
    is_rung: Arc<AtomicBool>,
    next_address: u32,
    /// How many nodes have been built for a host and are not gone yet.
    guests: BTreeMap<HostId, u32>,
    /// Hosts without a guest, in the order in which the last one left. Their addresses and ways are kept for whoever comes back, until the
    /// network is full.
    vacant: VecDeque<HostId>,
    /// Queues of nodes that have ended, for as long as somebody may poll them.
    parted: Vec<Weak<Queue>>,
}

/// A started node.
struct Seat {
    shared: Arc<Shared>,
    engine: Engine,
    next: Next,
    /// Welcome, exchange, and while it keeps its links maintenance.
    workers: Vec<Box<dyn Worker>>,
    keeper: Option<Keeper>,
    is_rung: Arc<AtomicBool>,
    ready: Vec<Ready>,
    /// By actor: when it takes its next turn; the moment of its last one, and how many it has had in that moment.
    planned: [Option<Time>; ACTORS],
    last: [(Time, u32); ACTORS],
}

/// Where maintenance stands among the workers.
const MAINTENANCE: usize = 2;

/// Where that is on a host with this address: a wildcard becomes it.
pub fn place(at: SocketAddr, own: IpAddr) -> SocketAddr {
    SocketAddr::new(if at.ip().is_unspecified() { own } else { at.ip() }, at.port())
}

/// A moment of the network by a node's clock.
fn nodes_time(at: Time) -> Time {
    at + PAST
}

/// A moment of a node's clock by the network's.
fn networks_time(at: Time) -> Time {
    Time::ZERO + at.since(Time::ZERO + PAST)
}

impl Stage {
    pub fn new(seed: u64, weather: Weather, time: VirtualTime) -> Stage {
        let network = Network::new(seed, weather);
        let (seats, turns, is_rung) = (BTreeMap::new(), BTreeSet::new(), Arc::default());
        let (next_address, guests, vacant, parted) = (FIRST_ADDRESS, BTreeMap::new(), VecDeque::new(), Vec::new());
        Stage { network, time, seats, turns, is_rung, next_address, guests, vacant, parted }
    }

    /// The host of a node that is to listen there, its address, and where it is to listen: wildcards become the host's own address.
    /// `give_back` ends it.
    ///
    /// # Errors
    /// `Refused` if another node's host has an address, `TooMany`.
    pub fn claim(&mut self, listen: &[SocketAddr]) -> Result<(HostId, IpAddr, Vec<SocketAddr>), Error> {
        let mut own: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()).collect();
        if own.is_empty() {
            own.push(self.free_address());
        }
        let first = self.network.host_at(own[0]);
        let is_others = |at: &&IpAddr| {
            self.network.host_at(**at).is_some_and(|owner| Some(owner) != first && self.guests.contains_key(&owner))
        };
        if let Some(taken) = own.iter().find(is_others) {
            let why = "is the address of another node of this memory network: name addresses that no other node has";
            return Err(Error::Refused(format!("{taken} {why}")));
        }
        let host = first.map_or_else(|| self.new_host(), Ok)?;
        if !self.guests.contains_key(&host) {
            // Its last node may have had others.
            self.network.take_addresses(host);
        }
        own.iter().for_each(|address| self.network.give(host, *address));
        *self.guests.entry(host).or_default() += 1;
        self.vacant.retain(|vacant| *vacant != host);
        let mut at: Vec<SocketAddr> = Vec::new();
        for address in listen {
            let address = place(*address, own[0]);
            if address.port() == 0 || !at.contains(&address) {
                at.push(address);
            }
        }
        Ok((host, own[0], at))
    }

    /// A node that was built for that host is gone.
    pub fn give_back(&mut self, host: HostId) {
        let Some(guests) = self.guests.get_mut(&host) else { return };
        *guests -= 1;
        if *guests == 0 {
            self.guests.remove(&host);
            self.vacant.push_back(host);
        }
    }

    /// A host that nobody uses, or has used for longest.
    fn new_host(&mut self) -> Result<HostId, Error> {
        if let Some(host) = self.network.add(&[]) {
            return Ok(host);
        }
        let unused = self.vacant.iter().position(|host| self.network.renew(*host));
        unused.and_then(|at| self.vacant.remove(at)).ok_or_else(|| {
            Error::TooMany(
                "65,536 nodes are on this memory network, which is full: let go of those that have done their work".to_owned(),
            )
        })
    }

    fn free_address(&mut self) -> IpAddr {
        loop {
            let address = IpAddr::V4(Ipv4Addr::from_bits(self.next_address));
            self.next_address = if self.next_address < LAST_ADDRESS { self.next_address + 1 } else { FIRST_ADDRESS };
            if self.network.host_at(address).is_none() {
                return address;
            }
        }
    }

    /// Listens for a node that is about to start.
    ///
    /// # Errors
    /// `Listen`: another node lives there.
    pub fn listen(&mut self, host: HostId, at: &[SocketAddr]) -> Result<Vec<SocketAddr>, Error> {
        if self.seats.contains_key(&host) {
            let address = at.first().copied().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
            return Err(occupied(address));
        }
        let mut listening = Vec::new();
        for (number, at) in at.iter().enumerate() {
            match self.network.port(host).listen(number as u32, *at) {
                Ok(bound) => listening.push(bound),
                Err(source) => {
                    self.network.crash(host);
                    return Err(Error::Listen { at: *at, source });
                }
            }
        }
        Ok(listening)
    }

    /// Takes a node in; gives what wakes its reactor.
    pub fn seat(&mut self, host: HostId, parts: Parts) -> Wake {
        let Parts { shared, engine, workers: Pumps { welcome, exchange, maintenance, keeper } } = parts;
        let workers: Vec<Box<dyn Worker>> = vec![Box::new(welcome), Box::new(exchange), Box::new(maintenance)];
        let is_rung = Arc::new(AtomicBool::new(false));
        let (rung, any) = (Arc::clone(&is_rung), Arc::clone(&self.is_rung));
        let (planned, last, next, ready) = (Default::default(), Default::default(), Next::Now, Vec::new());
        self.seats.insert(host, Seat { shared, engine, next, workers, keeper, is_rung, ready, planned, last });
        self.network.note(host, What::Started, LinkId::NONE, 0);
        Box::new(move || {
            rung.store(true, Ordering::Release);
            any.store(true, Ordering::Release);
        })
    }

    /// Lets happen what happens until `to`, and moves time there; or, if it `stops`, to where a queue has an event that nobody has taken. True
    /// if one has.
    pub fn run(&mut self, to: Time, stops: bool) -> bool {
        if stops && self.has_events() {
            return true;
        }
        self.plan_all();
        loop {
            let (network, turn) = (self.network.next_at(), self.turns.first().copied());
            let Some(at) = network.into_iter().chain(turn.map(|(at, ..)| at)).min().filter(|at| *at <= to) else { break };
            self.time.set(at.as_nanos().max(self.time.get()));
            match turn.filter(|_| network != Some(at)) {
                None => {
                    self.network.step();
                }
                Some((_, host, actor)) => {
                    self.network.advance(at);
                    self.turn(host, actor);
                    self.plan(host);
                    // A turn in which it failed was its last.
                    let has_events = self.seats.get(&host).map(Seat::has_events);
                    if stops && has_events.unwrap_or_else(|| self.parted_have_events()) {
                        return true;
                    }
                }
            }
            while let Some(host) = self.network.take_touched() {
                self.plan(host);
            }
            if self.is_rung.swap(false, Ordering::AcqRel) {
                self.plan_all();
            }
        }
        self.network.advance(to);
        self.time.set(to.as_nanos().max(self.time.get()));
        false
    }

    fn has_events(&mut self) -> bool {
        self.parted_have_events() || self.seats.values().any(Seat::has_events)
    }

    /// Nodes that have ended leave their last events, which count until somebody has taken them or nobody can any more.
    fn parted_have_events(&mut self) -> bool {
        self.parted.retain(|queue| queue.upgrade().is_some_and(|queue| queue.has_events()));
        !self.parted.is_empty()
    }

    fn plan_all(&mut self) {
        let hosts: Vec<HostId> = self.seats.keys().copied().collect();
        hosts.into_iter().for_each(|host| self.plan(host));
    }

    /// Gives every actor of a host its next turn, as it wishes.
    fn plan(&mut self, host: HostId) {
        let (now, has_ready) = (self.network.now(), self.network.has_ready(host));
        let Some(seat) = self.seats.get_mut(&host) else { return };
        for actor in 0..ACTORS {
            let (moment, turns) = seat.last[actor];
            let earliest = if moment == now && turns >= TURNS_MAX { now + MICROSECOND } else { now };
            let at = seat.wish(actor, now, has_ready).map(|at| at.max(earliest));
            if at == seat.planned[actor] {
                continue;
            }
            if let Some(before) = std::mem::replace(&mut seat.planned[actor], at) {
                self.turns.remove(&(before, host, actor));
            }
            self.turns.extend(at.map(|at| (at, host, actor)));
        }
    }

    /// An actor's turn. A panic in it makes its node fail, and nothing else.
    fn turn(&mut self, host: HostId, actor: usize) {
        let now = self.network.now();
        let Some(seat) = self.seats.get_mut(&host) else { return };
        if let Some(planned) = seat.planned[actor].take() {
            self.turns.remove(&(planned, host, actor));
        }
        let (moment, turns) = seat.last[actor];
        seat.last[actor] = (now, if moment == now { turns + 1 } else { 1 });
        let network = &mut self.network;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| seat.turn(actor, host, network))) {
            running::fail(&seat.shared, format!("it panicked: {}", panic_text(&*panic)));
            self.remove(host);
        }
    }

    fn remove(&mut self, host: HostId) {
        if let Some(seat) = self.seats.remove(&host) {
            for (actor, at) in seat.planned.into_iter().enumerate() {
                at.map(|at| self.turns.remove(&(at, host, actor)));
            }
            self.parted.retain(|queue| queue.strong_count() > 0);
            self.parted.extend(seat.shared.routes.all().iter().map(Arc::downgrade));
            self.network.crash(host);
        }
    }

    /// Stops a node within this moment: what its streams have room for leaves, peers hear a goodbye when it arrives. True if nothing was left to
    /// send; always without a `drain`. One that has ended is not looked for: another may live there now.
    pub fn stop(&mut self, host: HostId, shared: &Arc<Shared>, drain: Duration) -> bool {
        if !self.seats.get(&host).is_some_and(|seat| Arc::ptr_eq(&seat.shared, shared)) {
            return true;
        }
        let ended = catch_unwind(AssertUnwindSafe(|| self.end(host, drain)));
        if let Err(panic) = &ended {
            running::fail(shared, format!("it panicked while it stopped: {}", panic_text(&**panic)));
        }
        self.remove(host);
        running::finish(shared);
        ended.unwrap_or(true)
    }

    fn end(&mut self, host: HostId, drain: Duration) -> bool {
        let Some(seat) = self.seats.get_mut(&host) else { return true };
        let shared = Arc::clone(&seat.shared);
        if shared.status.advance(NodeState::Stopping) {
            shared.announce(NodeState::Stopping);
        }
        shared.release_waiters();
        shared.end_own(CloseReason::Stopped);
        shared.resolver.stop();
        // After a panic, too, the node is to end.
        let _ = shared.try_change_pool(Pool::stop);
        seat.workers.truncate(MAINTENANCE);
        let now = nodes_time(self.network.now());
        shared.order(Command::StopListening);
        let mut in_time = true;
        if !drain.is_zero() {
            shared.order(Command::Drain { deadline: now + drain });
            seat.run_out(host, &mut self.network);
            // A stream that only waits for the other end's last words has said its own.
            in_time = seat.engine.living().next().is_none();
        }
        if seat.next != Next::Ended {
            shared.order(Command::Drain { deadline: now });
            seat.run_out(host, &mut self.network);
        }
        for worker in &mut seat.workers {
            let mut turns = 0..TURNS_MAX;
            while worker.has_input() && turns.next().is_some() {
                worker.turn();
            }
        }
        seat.keeper.iter_mut().for_each(Keeper::end);
        self.network.note(host, What::Stopped, LinkId::NONE, 0);
        in_time
    }
}

impl Seat {
    fn has_events(&self) -> bool {
        self.shared.routes.all().iter().any(|queue| queue.has_events())
    }

    fn worker(&self, actor: usize) -> Option<&dyn Worker> {
        match actor.checked_sub(1)? {
            at if at <= MAINTENANCE => self.workers.get(at).map(|worker| &**worker),
            _ => self.keeper.as_ref().map(|keeper| keeper as &dyn Worker),
        }
    }

    /// When an actor wants its turn, by the network's time.
    fn wish(&self, actor: usize, now: Time, has_ready: bool) -> Option<Time> {
        if actor > 0 {
            return self.worker(actor)?.wish(nodes_time(now)).map(networks_time);
        }
        match self.next {
            Next::Ended => None,
            _ if has_ready || self.is_rung.load(Ordering::Acquire) || !self.shared.orders.lock().is_empty() => Some(now),
            Next::Now => Some(now),
            Next::At(at) => Some(networks_time(at)),
            Next::Idle => None,
        }
    }

    fn turn(&mut self, actor: usize, host: HostId, network: &mut Network) {
        match actor.checked_sub(1) {
            None => self.reactor_turn(host, network),
            Some(at) if at <= MAINTENANCE => self.workers.get_mut(at).into_iter().for_each(|worker| worker.turn()),
            Some(_) => self.keeper.iter_mut().for_each(Worker::turn),
        }
    }

    /// As in `reactor_thread.rs`.
    fn reactor_turn(&mut self, host: HostId, network: &mut Network) {
        let Seat { shared, engine, is_rung, ready, .. } = self;
        is_rung.store(false, Ordering::Release);
        shared.bell.rise();
        loop {
            let mut orders = shared.orders.lock();
            let Some(order) = orders.pop_front() else { break };
            if let Err(refused) = shared.commands.try_send(order) {
                // The rest has its turn when there is room.
                if refused.is_full() {
                    orders.push_front(refused.into_inner());
                }
                break;
            }
        }
        network.take_ready(host, ready);
        let now = shared.clock.now();
        self.next = engine.turn(now, shared.clock.unix_seconds(now), &mut network.port(host), ready);
        network.note(host, What::Turned, LinkId::NONE, ready.len() as u64);
        ready.clear();
        // Whoever rings from here on wakes it; whoever rang before is seen by `doze`.
        let wants_sleep = matches!(self.next, Next::At(_) | Next::Idle);
        if wants_sleep && !shared.bell.doze(|| engine.is_idle()) {
            self.next = Next::Now;
        }
    }

    /// Turns of the reactor for as long as it has something to do in this moment.
    fn run_out(&mut self, host: HostId, network: &mut Network) {
        for _ in 0..TURNS_MAX {
            self.reactor_turn(host, network);
            let has_more = self.next == Next::Now
                || network.has_ready(host)
                || self.is_rung.load(Ordering::Acquire)
                || !self.shared.orders.lock().is_empty();
            if self.next == Next::Ended || !has_more {
                break;
            }
        }
    }
}

#[cfg(test)]
mod broken {
    use super::*;

    /// A worker that always wants a turn, and panics in it if it `is_sick`.
    struct Restless {
        is_sick: bool,
    }

    impl Worker for Restless {
        fn wish(&self, now: Time) -> Option<Time> {
            Some(now)
        }

        fn turn(&mut self) {
            assert!(!self.is_sick, "on purpose");
        }

        fn has_input(&self) -> bool {
            true
        }
    }

    impl Stage {
        /// The next turn of a node's first worker panics.
        pub fn spoil(&mut self, host: HostId) {
            self.replace(host, Restless { is_sick: true });
        }

        /// A node's first worker always wants another turn.
        pub fn keep_busy(&mut self, host: HostId) {
            self.replace(host, Restless { is_sick: false });
        }

        fn replace(&mut self, host: HostId, worker: Restless) {
            self.seats.get_mut(&host).expect("it is started").workers[0] = Box::new(worker);
        }
    }
}
