//! A simulated world: hosts on a network in memory, in virtual time, everything drawn from one seed. It moves time from one happening to
//! the next, lets the actors of the hosts take their turns with the small delays that threads would have, and looks after each step
//! whether everything still holds. The same seed and the same calls give the same run, to the last byte.
//!
//! ```
//! use bowline::sim::{host::Plan, pipe::Weather, world::World};
//! use std::time::Duration;
//!
//! let mut world = World::new(7, Weather::default());
//! let mut plan = Plan::new([10, 0, 0, 1].into());
//! plan.settings.discovery_bootstrap = true;
//! let first = world.add(plan)?;
//! world.run_for(Duration::from_secs(60))?;
//! assert!(world.host(first).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::agenda::Agenda;
use super::checks::{self, Gone, Pairs, Violation};
use super::desks::Asked;
use super::disk::Disk;
use super::global::{Global, LATE_MAX, Seen};
use super::host::{Actor, Host, Plan, StartError, Wish};
use super::net::{HostId, Network};
use super::pipe::{Weather, nanos};
use super::port::Port;
use super::rogue::Conduct;
use super::trace::{Trace, What};
use crate::base::limits::RESOLVE_TIMEOUT;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::event::Event;
use crate::bus::outbox::{Done, Job};
use crate::crypto::identity::{Draft, Identity};
use crate::crypto::keys::SecretKey;
use crate::crypto::sodium;
use crate::pool::dialing::DialError;
use crate::pool::saved::{Change, Saved};
use crate::pool::slots::Purpose;
use crate::pool::store::{Keeping, Store, StoreFault};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Time between two looks at all hosts together.
const LOOK: Duration = Duration::from_secs(1);
/// A disturbance that is longer than this may have cost streams whose other ends hear of it late: the kernel gives up after 30 s.
const PATIENCE: Duration = Duration::from_secs(28);
/// By then they have: a ping after 30 s, 60 s for its answer, 10 s for the news.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(100);
/// How long a thread takes to begin that need not wait.
const PROMPT: Duration = Duration::from_micros(1);
/// A name's answer takes so long at most, if it comes.
const ANSWER_MAX: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) enum Happening {
    Turn(HostId, Actor),
    Resolved(Box<Resolved>),
    /// The disk has taken what the program of that start was writing, or has failed.
    Written(HostId, u32),
    Look,
}

/// What a worker hears of a name.
#[derive(Debug)]
pub(super) struct Resolved {
    host: HostId,
    actor: Actor,
    ticket: u64,
    addresses: Vec<SocketAddr>,
}

/// By actor: its next turn, and the wish that it comes from.
pub(super) type Turns = [Option<(Time, Wish)>; Actor::ALL.len()];
/// By actor: when the agenda comes back to it for a deadline, at the latest. Deadlines are put off at almost every turn, and what the agenda
/// has follows them when its time comes, instead of piling up.
pub(super) type Timers = [Option<Time>; Actor::ALL.len()];

/// A save that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Save {
    pub ticket: u64,
    pub is_durable: bool,
}

/// What the world knows of a host, alive or not.
#[derive(Default)]
pub(super) struct Seat {
    /// None for a host that the user of the world plays.
    pub(super) plan: Option<(Plan, Identity)>,
    pub(super) host: Option<Box<Host>>,
    /// Times that it was started.
    pub(super) starts: u32,
    pub(super) is_frozen: bool,
    pub(super) thawed_at: Option<Time>,
    pub(super) has_crashed: bool,
    /// When it last lost its power.
    pub(super) dark_at: Option<Time>,
    /// When each actor takes its next turn.
    pub(super) turns: Turns,
    pub(super) timers: Timers,
    /// Seconds by which its wall clock is ahead.
    pub(super) clock_ahead: i64,
    pub(super) disk: Disk,
    /// Saves that its program was asked for, the first of which is under way, and the piece of it that is being written.
    pub(super) saves: VecDeque<Save>,
    pub(super) writing: Option<Vec<Change>>,
    pub(super) keeping: Keeping,
    /// It dies in the middle of the so many-th write from now.
    pub(super) dies_at_write: Option<u64>,
}

/// What a host finds when it starts. What is damaged was put aside: it starts without.
fn load(store: &mut impl Store) -> Result<Saved, StartError> {
    match store.load() {
        Err(StoreFault::Damaged { .. }) => Ok(Saved::default()),
        loaded => loaded.map_err(StartError::Store),
    }
}

/// What the hosts of a world meet each other with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// A hash instead of a curve (decision 0026).
    Stub,
    /// Those of a node.
    Real,
}

impl Keys {
    /// One seed in a hundred runs with real keys.
    fn of(seed: u64) -> Keys {
        if seed.is_multiple_of(100) { Keys::Real } else { Keys::Stub }
    }

    fn draw(self, rng: &mut Rng) -> SecretKey {
        if self == Keys::Real {
            return SecretKey::generate(rng);
        }
        let mut seed = [0; 32];
        rng.fill(&mut seed);
        SecretKey::for_simulation(&seed)
    }
}

/// See the file's head.
pub struct World {
    pub(super) network: Network,
    pub(super) rng: Rng,
    seed: u64,
    keys: Keys,
    seats: Vec<Seat>,
    agenda: Agenda<Happening>,
    pub(super) pairs: Pairs,
    pub(super) cuts: BTreeSet<(HostId, HostId)>,
    global: Global,
    /// Since when hosts are frozen or cut off from each other, and until when half links are to be expected after it.
    disturbed_since: Option<Time>,
    pub(super) settled_at: Time,
    /// Addresses of hosts that follow the protocol.
    pub(super) honest: BTreeSet<IpAddr>,
    /// Addresses that hosts have got after their start: others may expect somebody else there.
    pub(super) moved_to: BTreeSet<IpAddr>,
    /// What names resolve to.
    names: BTreeMap<String, Vec<SocketAddr>>,
    /// Answers of the resolver that never come, in percent.
    pub unresolved_percent: u64,
    /// True for threads that never wait for a processor: for figures that are to be exact.
    pub is_prompt: bool,
    /// True to hand the machines' log lines to the `log` crate.
    pub logs: bool,
}

impl World {
    /// An empty world at time zero. Streams between its hosts behave like `weather`. Its hosts have real keys if 100 divides the seed.
    pub fn new(seed: u64, weather: Weather) -> World {
        World::with_keys(seed, weather, Keys::of(seed))
    }

    /// As `new`, with the keys that the seed would not give.
    pub fn with_keys(seed: u64, weather: Weather, keys: Keys) -> World {
        // If it fails, every handshake will: that is seen soon enough.
        let _ = sodium::init();
        let mut world = World {
            network: Network::new(seed, weather),
            rng: Rng::from_seed(seed).fork("world"),
            seed,
            keys,
            seats: Vec::new(),
            agenda: Agenda::default(),
            pairs: Pairs::default(),
            cuts: BTreeSet::new(),
            global: Global::default(),
            disturbed_since: None,
            settled_at: Time::ZERO,
            honest: BTreeSet::new(),
            moved_to: BTreeSet::new(),
            names: BTreeMap::new(),
            unresolved_percent: 0,
            is_prompt: false,
            logs: false,
        };
        world.schedule(Time::ZERO + LOOK, Happening::Look);
        world
    }

    /// Adds a host and starts it.
    ///
    /// # Errors
    /// What is wrong with its plan.
    pub fn add(&mut self, plan: Plan) -> Result<HostId, StartError> {
        let id = self.add_seat(plan.address);
        let mut rng = Rng::from_seed(self.seed).fork(&format!("identity {}", id.number()));
        let mut draft = Draft::of(self.keys.draw(&mut rng), &mut rng, plan.settings.network_pow_bits);
        let identity = loop {
            // A world's user who asks for much work gets it: the draw ends, the network's difficulty says when.
            if let Some(identity) = draft.run(u64::from(u32::MAX)) {
                break identity;
            }
        };
        if plan.conduct == Conduct::Honest {
            self.honest.insert(plan.address);
        }
        self.network.set_nat(id, plan.has_nat);
        let seat = self.seat(id);
        (seat.disk, seat.plan) = (plan.disk.clone(), Some((plan, identity)));
        self.start(id).map(|()| id)
    }

    pub(super) fn add_seat(&mut self, address: IpAddr) -> HostId {
        self.seats.push(Seat::default());
        self.network.add(&[address]).expect("a world has fewer than 65,536 hosts")
    }

    /// Starts a host again that was stopped, has crashed or went dark. It is the same identity, and remembers what its disk does.
    ///
    /// # Errors
    /// `Twice` if it lives, `Bare` if it has no plan.
    pub fn start(&mut self, id: HostId) -> Result<(), StartError> {
        let rng = Rng::from_seed(self.seed).fork(&format!("host {} start {}", id.number(), self.seat(id).starts));
        let seat = self.seats.get_mut(usize::from(id.number())).ok_or(StartError::Bare(id))?;
        if seat.host.as_ref().is_some_and(|host| !host.has_ended()) {
            return Err(StartError::Twice(id));
        }
        let (plan, identity) = seat.plan.as_ref().ok_or(StartError::Bare(id))?;
        self.network.come_back(id);
        let saved = if plan.settings.store_path.is_empty() { None } else { Some(load(&mut seat.disk)?) };
        let host = Host::start(id, plan, identity, rng, &mut self.network);
        if host.is_err() {
            // The addresses at which it could listen are free again.
            self.network.crash(id);
        }
        let mut host = Box::new(host?);
        host.clock_ahead = seat.clock_ahead;
        if let Some(saved) = &saved {
            host.restore(self.network.now(), saved);
        }
        seat.host = Some(host);
        seat.starts += 1;
        seat.keeping = Keeping::default();
        (seat.is_frozen, seat.has_crashed, seat.turns) = (false, false, Turns::default());
        self.network.note(id, What::Started, LinkId::NONE, 0);
        self.plan_turns(id);
        Ok(())
    }

    pub fn now(&self) -> Time {
        self.network.now()
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What has happened so far.
    pub fn trace(&self) -> &Trace {
        self.network.trace()
    }

    /// A host's node; `None` while it has none.
    pub fn host(&self, id: HostId) -> Option<&Host> {
        self.seats.get(usize::from(id.number()))?.host.as_deref()
    }

    /// All hosts whose node lives.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.seats.iter().filter_map(|seat| seat.host.as_deref()).filter(|host| !host.has_ended())
    }

    /// The identity of a host with a plan.
    pub fn peer(&self, id: HostId) -> Option<PeerId> {
        self.seats.get(usize::from(id.number()))?.plan.as_ref().map(|(_, identity)| identity.id())
    }

    /// The network as a host sees it: to play one that has no node.
    pub fn port(&mut self, id: HostId) -> Port<'_> {
        self.network.port(id)
    }

    /// The network itself, to change the weather or to give a host fewer sockets.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// What a name resolves to from now on.
    pub fn name(&mut self, name: &str, addresses: &[SocketAddr]) {
        self.names.insert(name.to_ascii_lowercase(), addresses.to_vec());
    }

    /// Lets everything happen until `to`.
    ///
    /// # Errors
    /// The first rule that was broken; the world must not be used after it.
    pub fn run_until(&mut self, to: Time) -> Result<(), Violation> {
        while self.step(to)? {}
        self.network.advance(to);
        Ok(())
    }

    /// Lets everything happen for so long.
    ///
    /// # Errors
    /// As `run_until`.
    pub fn run_for(&mut self, time: Duration) -> Result<(), Violation> {
        self.run_until(self.now() + time)
    }

    /// Runs until `is_enough` holds, looked at each tenth of a second, but for no longer than `longest`. True if it did.
    ///
    /// # Errors
    /// As `run_until`.
    pub fn run_while_not(&mut self, longest: Duration, is_enough: impl Fn(&World) -> bool) -> Result<bool, Violation> {
        let end = self.now() + longest;
        while !is_enough(self) {
            if self.now() >= end {
                return Ok(false);
            }
            self.run_for(Duration::from_millis(100))?;
        }
        Ok(true)
    }

    /// The application of a host dials. Ends in an `Up` or a notice with `tag`.
    ///
    /// # Errors
    /// Why the pool does not let it; `Stopping` for a host without a node.
    pub fn dial(&mut self, id: HostId, to: SocketAddr, expect: Option<PeerId>, tag: u64) -> Result<LinkId, DialError> {
        let now = self.now();
        let host = self.seat(id).host.as_mut().ok_or(DialError::Stopping)?;
        let link = host.claim(host.clock(now), to, expect, Purpose::Asked { tag: Some(tag) })?;
        host.order(Command::Dial { link, to, expect, tag: Some(tag) });
        self.plan_turns(id);
        Ok(link)
    }

    /// The application of a host closes a link.
    pub fn disconnect(&mut self, id: HostId, link: LinkId, reason: CloseReason) {
        self.order(id, Command::Close { link, reason });
    }

    /// The application of a host orders something from its reactor, as the calls of a node do: other rates, say.
    pub fn order(&mut self, id: HostId, command: Command) {
        if let Some(host) = &mut self.seat(id).host {
            host.order(command);
            self.plan_turns(id);
        }
    }

    /// The application of a host calls its node. `None` for a host without one.
    pub(super) fn call<T>(&mut self, id: HostId, act: impl FnOnce(&mut Host, Time) -> T) -> Option<T> {
        let now = self.now();
        let host = self.seat(id).host.as_mut()?;
        let result = act(host, host.clock(now));
        self.plan_turns(id);
        Some(result)
    }

    /// What the application of a host has taken from its queue since the last call.
    pub fn take_events(&mut self, id: HostId) -> Vec<Event> {
        self.seat(id).host.as_mut().map(|host| host.take_events()).unwrap_or_default()
    }

    /// Whether the application of a host takes what arrives. While it does not, its peers run out of credit.
    pub fn set_taking(&mut self, id: HostId, is_taking: bool) {
        if let Some(host) = &mut self.seat(id).host {
            host.is_taking = is_taking;
            self.plan_turns(id);
        }
    }

    /// Stops a node in order: it says goodbye, and sends what is queued for at most `drain`.
    pub fn stop(&mut self, id: HostId, drain: Duration) {
        let deadline = self.now() + drain;
        if let Some(host) = &mut self.seat(id).host {
            host.stop(deadline);
            self.network.note(id, What::Stopped, LinkId::NONE, nanos(drain));
            if self.seat(id).plan.as_ref().is_some_and(|(plan, _)| !plan.settings.store_path.is_empty()) {
                // The last one, for which nobody waits.
                self.save(id, 0, true);
            }
            self.plan_turns(id);
        }
    }

    pub(super) fn seat(&mut self, id: HostId) -> &mut Seat {
        self.seats.get_mut(usize::from(id.number())).expect("a host id comes from `add` of the same world")
    }

    pub(super) fn schedule(&mut self, at: Time, happening: Happening) {
        self.agenda.put(at, happening);
    }

    /// Lets the next thing happen, if it happens by `to`. False if it does not.
    fn step(&mut self, to: Time) -> Result<bool, Violation> {
        let own = self.agenda.next_at();
        let network = self.network.next_at();
        let Some(next) = [own, network].into_iter().flatten().min().filter(|next| *next <= to) else { return Ok(false) };
        if network == Some(next) {
            self.network.step();
            while let Some(id) = self.network.take_touched() {
                self.plan_turns(id);
            }
            return Ok(true);
        }
        let Some((at, happening)) = self.agenda.take() else { return Ok(false) };
        self.network.advance(at);
        match happening {
            Happening::Turn(id, actor) => self.turn(at, id, actor)?,
            Happening::Resolved(resolved) => {
                let Resolved { host: id, actor, ticket, addresses } = *resolved;
                self.network.note(id, What::Resolved, LinkId::NONE, addresses.len() as u64);
                if let Some(host) = &mut self.seat(id).host {
                    host.finish(actor, Done::Resolved { ticket, addresses });
                    self.plan_turns(id);
                }
            }
            Happening::Written(id, start) => self.written(id, start),
            Happening::Look => {
                self.schedule(at + LOOK, Happening::Look);
                self.look(at)?;
            }
        }
        Ok(true)
    }

    /// Looks at all hosts together.
    fn look(&mut self, now: Time) -> Result<(), Violation> {
        for (number, seat) in self.seats.iter_mut().enumerate() {
            let id = HostId(number as u16);
            let Some(host) = seat.host.as_mut() else { continue };
            let violation = |(rule, found)| Violation { at: now, host: id, rule, found };
            checks::of_host(host, self.network.sockets(id), true).map_err(violation)?;
        }
        let is_disturbed = !self.cuts.is_empty() || self.seats.iter().any(|seat| seat.is_frozen);
        match (is_disturbed, self.disturbed_since) {
            (true, None) => self.disturbed_since = Some(now),
            // Whoever gave a stream up while the other end could not hear of it: that end learns it by a ping without an answer.
            (false, Some(since)) => {
                self.disturbed_since = None;
                self.settled_at = if now.since(since) > PATIENCE { now + SETTLED_AFTER } else { now };
            }
            _ => {}
        }
        let is_unsettled = is_disturbed || now < self.settled_at;
        let of = |is_so: fn(&Seat, Time) -> bool| {
            let seats = self.seats.iter().filter(|seat| is_so(seat, now));
            seats.filter_map(|seat| seat.plan.as_ref()).map(|(_, identity)| identity.id()).collect()
        };
        let crashed = of(|seat, _| seat.has_crashed);
        let dark = of(|seat, now| seat.dark_at.is_some_and(|dark_at| now.since(dark_at) <= SETTLED_AFTER));
        let hosts: Vec<&Host> = self.seats.iter().filter_map(|seat| seat.host.as_deref()).collect();
        self.pairs.check(now, &hosts, &Gone { crashed, dark }, is_unsettled)?;
        let all: Vec<Seen<'_>> = self.seats.iter().filter_map(|seat| seen(now, seat, &self.network)).collect();
        self.global.check(now, &all, is_unsettled)
    }

    /// An actor's turn, if it still is to have one now.
    fn turn(&mut self, at: Time, id: HostId, actor: Actor) -> Result<(), Violation> {
        let World { network, seats, honest, moved_to, agenda, .. } = self;
        let seat = &mut seats[usize::from(id.number())];
        let timer = &mut seat.timers[actor as usize];
        *timer = timer.filter(|queued| *queued != at);
        match seat.turns[actor as usize] {
            Some((planned, _)) if planned == at && !seat.is_frozen => {}
            // Its deadline was put off.
            Some((planned, Wish::At(_))) if planned > at && timer.is_none() => {
                *timer = Some(planned);
                agenda.put(planned, Happening::Turn(id, actor));
                return Ok(());
            }
            _ => return Ok(()),
        }
        seat.turns[actor as usize] = None;
        let Some(host) = seat.host.as_mut() else { return Ok(()) };
        // What a rogue holds against others is its own affair.
        let is_rogue = host.rogue.is_some();
        let is_honest = |at: SocketAddr| !is_rogue && honest.contains(&at.ip());
        let violation = |(rule, found)| Violation { at, host: id, rule, found };
        let mut asked = Asked::default();
        match actor {
            Actor::Reactor => host.turn(network),
            Actor::Application => {
                for event in host.take(network) {
                    checks::of_event(event, is_honest).map_err(violation)?;
                }
            }
            Actor::Welcome | Actor::Maintenance | Actor::Exchange => asked = host.work(actor, network),
            Actor::Rogue => host.misbehave(network),
        }
        checks::of_story(&host.story).map_err(violation)?;
        asked
            .ended
            .iter()
            .try_for_each(|end| checks::of_end(end, is_honest, |at| moved_to.contains(&at.ip())))
            .map_err(violation)?;
        checks::of_host(host, network.sockets(id), false).map_err(violation)?;
        self.carry_out(id, actor, asked);
        self.plan_turns(id);
        Ok(())
    }

    fn carry_out(&mut self, id: HostId, actor: Actor, asked: Asked) {
        for (level, target, text) in asked.log.into_iter().filter(|_| self.logs) {
            log::log!(target: target, level, "{} {id}: {text}", self.network.now());
        }
        for job in asked.jobs {
            match job {
                Job::Resolve { ticket, name, port, .. } => self.resolve(id, actor, ticket, &name, port),
                Job::Save { ticket, is_durable } => self.save(id, ticket, is_durable),
                // The host has done it itself.
                Job::Measure => {}
            }
        }
    }

    fn resolve(&mut self, id: HostId, actor: Actor, ticket: u64, name: &str, port: u16) {
        let is_lost = self.rng.percent(self.unresolved_percent);
        let known = self.names.get(name).filter(|_| !is_lost).into_iter().flatten();
        let addresses = known.map(|at| SocketAddr::new(at.ip(), port)).collect();
        let resolved = Resolved { host: id, actor, ticket, addresses };
        let after = if is_lost { nanos(RESOLVE_TIMEOUT) } else { self.rng.below(nanos(ANSWER_MAX)) };
        self.schedule(self.now() + Duration::from_nanos(after), Happening::Resolved(Box::new(resolved)));
    }

    /// Gives every actor of a host its next turn, as it wishes.
    pub(super) fn plan_turns(&mut self, id: HostId) {
        let now = self.now();
        let has_ready = self.network.has_ready(id);
        let World { seats, rng, agenda, is_prompt, .. } = self;
        let mut delay = || if *is_prompt { PROMPT } else { delay(rng) };
        let seat = &mut seats[usize::from(id.number())];
        let Some(host) = seat.host.as_ref().filter(|_| !seat.is_frozen) else { return };
        for actor in Actor::ALL {
            let wish = host.wish(actor, has_ready);
            let at = match (wish, seat.turns[actor as usize].map(|(_, planned)| planned)) {
                (Wish::Idle, _) => {
                    seat.turns[actor as usize] = None;
                    continue;
                }
                (wish, Some(planned)) if wish == planned => continue,
                (Wish::Soon, _) => now + delay(),
                (Wish::At(at), _) => at.max(now) + delay(),
            };
            seat.turns[actor as usize] = Some((at, wish));
            let timer = &mut seat.timers[actor as usize];
            if matches!(wish, Wish::At(_)) {
                if timer.is_some_and(|queued| queued <= at) {
                    continue;
                }
                *timer = Some(at);
            }
            agenda.put(at, Happening::Turn(id, actor));
        }
    }
}

/// A living host as the rules of the whole network see it.
fn seen<'a>(now: Time, seat: &'a Seat, network: &Network) -> Option<Seen<'a>> {
    let (host, (plan, _)) = (seat.host.as_deref().filter(|host| !host.has_ended())?, seat.plan.as_ref()?);
    let is_reachable = !plan.has_nat && network.host_at(plan.address) == Some(host.id());
    let is_honest = plan.conduct == Conduct::Honest;
    // Who has just been thawed has not had its turns yet.
    let is_frozen = seat.is_frozen || seat.thawed_at.is_some_and(|thawed| now.since(thawed) <= LATE_MAX);
    Some(Seen { host, address: plan.address, is_honest, is_reachable, is_frozen, started: host.started() })
}

/// How long a thread that could run waits for a processor: almost always microseconds, sometimes a time slice.
fn delay(rng: &mut Rng) -> Duration {
    let most = match rng.below(100) {
        0..90 => 60_000,
        90..99 => 1_000_000,
        _ => 15_000_000,
    };
    Duration::from_nanos(1_000 + rng.below(most))
}
