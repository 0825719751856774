//! A started node: which threads it has, in which order they begin and end, and what happens when one of them panics. A node on a memory
//! network is put together here, too; `stage.rs` drives it.

use super::error::Error;
use super::memnet::SeatAt;
use super::node::Plan;
use super::opening::Opened;
use super::pool_lock::PoolLock;
use super::published::Snapshot;
use super::pump::{Ears, Pump};
use super::resolver::Resolver;
use super::shared::{Shared, Status};
use super::storekeeper::Keeper;
use super::{opening, reactor_thread, system, workers};
use crate::base::limits::{COMMANDS_MAX, CONTROL_MAX, ORDERS_MAX, STOP_TIMEOUT};
use crate::base::reason::CloseReason;
use crate::base::text::{panic_text, shown};
use crate::bus::command::Command;
use crate::bus::event::NodeState;
use crate::bus::fate::News;
use crate::bus::outbox::NoticeKind;
use crate::bus::report::{Control, Report};
use crate::bus::roster::Roster;
use crate::bus::routes::Routes;
use crate::bus::sync::Lock;
use crate::flow::pot::Budget;
use crate::pool::table::Pool;
use crate::reactor::engine::{Engine, Ports};
use crate::reactor::limits::Limits;
use crate::reactor::mio_net::MioNet;
use crate::reactor::net::Net;
use crate::session::gate::Gate;
use crate::session::local::{Local, Profile};
use crate::workers::exchange::Exchange;
use crate::workers::maintenance::{self, Maintenance};
use crate::workers::welcome::Welcome;
use crossbeam_channel::{Receiver, Sender, bounded, never};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest wait for the last save: a disk that hangs must not make a stop late.
const SAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// A node with its threads.
pub struct Running {
    pub shared: Arc<Shared>,
    /// The longest drain, `stop.drain`: with the rest of a stop it stays below `STOP_TIMEOUT`.
    drain_max: Duration,
    body: Body,
}

/// What drives it.
enum Body {
    Threads(Box<Mutex<Option<Threads>>>),
    /// A memory network gives it its turns.
    Seat(SeatAt),
}

/// The threads, in the order in which they end.
struct Threads {
    maintain: Thread,
    reactor: Thread,
    welcome: Thread,
    exchange: Thread,
    storekeeper: Option<Thread>,
}

/// A thread, the line whose cutting ends it (the reactor has none: it is drained), and the sign that it has ended.
struct Thread {
    life: Option<Sender<Infallible>>,
    handle: JoinHandle<()>,
    ended: Receiver<Infallible>,
}

impl Thread {
    /// Waits at most `patience` for the thread's end, after cutting its life line if `cuts` (otherwise it ends by its inbox, which it
    /// empties first). False if it is still there: then it is abandoned.
    fn end(mut self, cuts: bool, patience: Duration) -> bool {
        if cuts {
            self.life = None;
        }
        // Nothing is ever sent: the wait ends when the thread drops its end, or with the time-out.
        let in_time = !self.ended.recv_timeout(patience).is_err_and(|error| error.is_timeout());
        if in_time {
            // It is past its last line; a panic was caught and reported inside.
            let _ = self.handle.join();
        }
        in_time
    }
}

/// Who we are towards peers.
pub fn profile(plan: &Plan, listening: &[SocketAddr]) -> Result<Local, Error> {
    let budget = Budget::divide(plan.settings.memory_messages_max, plan.settings.links_max() as u64);
    if let Some(channel) = plan.channels.iter().find(|channel| u64::from(channel.message_bytes_max) > budget.each()) {
        let (id, largest, each) = (channel.id, channel.message_bytes_max, budget.each());
        // A quarter of the budget is there for each peer, however many there are.
        let enough = 4 * u64::from(largest);
        return Err(Error::Channel(format!(
            "{id}: largest message {largest} bytes, but one peer gets {each} of memory.messages_max: {enough} there is enough"
        )));
    }
    let profile = Profile::of(&plan.settings, plan.identity.clone(), &plan.channels, &plan.hello, listening);
    Local::new(profile).map_err(|error| Error::Channel(error.to_string()))
}

/// Everything of a node but what drives it.
pub struct Parts {
    pub shared: Arc<Shared>,
    pub engine: Engine,
    pub workers: Pumps,
}

/// The workers; without a store there is no keeper.
pub struct Pumps {
    pub welcome: Pump<Welcome, Report>,
    pub exchange: Pump<Exchange, Control>,
    pub maintenance: Pump<Maintenance, maintenance::Input>,
    pub keeper: Option<Keeper>,
}

/// Starts everything: reactor, welcome, exchange, maintenance. On failure nothing is left behind, and the queues come back; unless some
/// threads were there already: then the node has failed, and its queues are closed.
pub fn start(plan: &Plan, status: &Arc<Status>, routes: Routes) -> Result<Running, Box<(Error, Option<Routes>)>> {
    if let Some(seat) = &plan.seat {
        return seat.start(plan, status, routes);
    }
    let opened = prepare(plan).and_then(|prepared| Ok((prepared, opening::open(plan)?)));
    let ((net, listening, local), opened) = match opened {
        Ok(opened) => opened,
        Err(error) => return Err(Box::new((error, Some(routes)))),
    };
    let Parts { shared, engine, workers } = assemble(plan, status, routes, (local, &listening), opened, system::files_max());
    match spawn_all(&shared, workers, engine, net) {
        Ok(threads) => {
            let body = Body::Threads(Box::new(Mutex::new(Some(threads))));
            Ok(Running { shared, drain_max: plan.settings.stop_drain, body })
        }
        Err(source) => {
            // Threads that did start end by themselves: their lines and channels are gone with this scope.
            fail(&shared, format!("the system had no thread to give: {source}"));
            Err(Box::new((Error::System { what: "starting a thread", source }, None)))
        }
    }
}

/// Puts a node together that is who `local` says and listens there.
pub fn assemble(
    plan: &Plan,
    status: &Arc<Status>,
    routes: Routes,
    (local, listening): (Arc<Local>, &[SocketAddr]),
    opened: Option<Opened>,
    files_max: Option<u64>,
) -> Parts {
    let limits = Limits::of(&plan.settings, files_max);
    let (commands, orders) = bounded(COMMANDS_MAX);
    let (report, reports) = bounded(Engine::reports_max(limits.conns_max));
    let (control, controls) = bounded(CONTROL_MAX);
    let (nudge_maintenance, maintenance_nudges) = bounded(1);
    let (nudge_exchange, exchange_nudges) = bounded(1);
    let (maintenance, maintenance_orders) = bounded(ORDERS_MAX);
    let (exchange, exchange_orders) = bounded(ORDERS_MAX);
    let mut machines = workers::machines(plan, local.profile.hello.listen.clone(), &plan.rng("policy"));
    let (store, storekeeper, notice) = opening::restore(plan, opened, &mut machines.pool);
    let shared = Arc::new(Shared {
        own: plan.identity.id(),
        live: Mutex::new(plan.settings.clone()),
        listening: Arc::default(),
        channels: plan.channels.clone(),
        sealed: plan.seals.iter().map(|(channel, _)| *channel).collect(),
        clock: plan.clock.clone(),
        pool: PoolLock::new(machines.pool),
        roster: Arc::new(Roster::default()),
        groups: Lock::default(),
        routes: Arc::new(routes),
        counters: Arc::clone(&plan.counters),
        door: Arc::default(),
        bell: Arc::clone(&plan.bell),
        commands,
        nudge_maintenance,
        nudge_exchange,
        resolver: plan.seat.as_ref().map_or_else(Default::default, |seat| Resolver::told(seat.names())),
        published: Default::default(),
        waiters: Lock::default(),
        tickets: Lock::default(),
        next_ticket: Default::default(),
        maintenance,
        exchange,
        status: Arc::clone(status),
        storekeeper,
        seat: plan.seat.clone(),
        orders: Lock::default(),
    });
    if shared.routes.wants(NoticeKind::AddressAdded) {
        shared.change_pool(Pool::tell_additions);
    }
    // Readers and the door know what the store has brought before anybody can ask or arrive.
    shared.work(|_, _, out| out.changed = true);
    let engine = engine(plan, limits, ports(plan, &shared, orders, report, control), local, listening);
    status.advance(NodeState::Running);
    notice.into_iter().for_each(|notice| shared.routes.notify(notice));
    let workers::Workers { welcome, exchange, maintenance, metadata_score } = machines.workers;
    let with = Arc::clone(&shared);
    // Nothing is ever sent to it: welcome is only spoken to.
    let ears = Ears { inbox: reports, orders: never(), nudges: never() };
    let decode = move |report| workers::welcome_input(report, metadata_score.as_ref(), &with);
    let welcome = Pump::new(welcome, ears, &shared, decode, workers::welcome_done);
    let with = Arc::clone(&shared);
    let ears = Ears { inbox: controls, orders: exchange_orders, nudges: exchange_nudges };
    let decode = move |control| workers::exchange_input(control, &with);
    let exchange = Pump::new(exchange, ears, &shared, decode, workers::exchange_done);
    let ears = Ears { inbox: maintenance_orders, orders: never(), nudges: maintenance_nudges };
    let maintenance = Pump::new(maintenance, ears, &shared, Some, workers::maintenance_done);
    let keeper = store.map(|(store, inbox)| Keeper::new(store, inbox, &shared));
    Parts { shared, engine, workers: Pumps { welcome, exchange, maintenance, keeper } }
}

/// What the reactor speaks and listens to.
fn ports(plan: &Plan, shared: &Shared, commands: Receiver<Command>, reports: Sender<Report>, control: Sender<Control>) -> Ports {
    Ports {
        commands,
        reports,
        control,
        bell: Arc::clone(&shared.bell),
        routes: Arc::clone(&shared.routes),
        roster: Arc::clone(&shared.roster),
        counters: Arc::clone(&shared.counters),
        traffic: Arc::clone(&plan.traffic),
        door: Arc::clone(&shared.door),
        listening: Arc::clone(&shared.listening),
        ids: plan.ids.clone(),
    }
}

/// The engine of a node that listens there.
fn engine(plan: &Plan, limits: Limits, ports: Ports, local: Arc<Local>, listening: &[SocketAddr]) -> Engine {
    let gate = Gate::of(&mut *plan.entropy("gate"), &plan.settings);
    let dialects = Box::new(crate::reactor::native::Native::new(local));
    let mut engine = Engine::new(limits, ports, dialects, gate, plan.entropy("engine"), plan.clock.now());
    (0..).zip(listening).for_each(|(listener, at)| engine.add_listener(listener, *at));
    engine
}

/// What a start needs first: listeners, and who we are where they listen.
fn prepare(plan: &Plan) -> Result<(MioNet, Vec<SocketAddr>, Arc<Local>), Error> {
    let (net, listening) = listen(plan)?;
    let local = Arc::new(profile(plan, &listening)?);
    Ok((net, listening, local))
}

/// A transport that listens at every address of the settings.
fn listen(plan: &Plan) -> Result<(MioNet, Vec<SocketAddr>), Error> {
    let system = |source| Error::System { what: "an event queue of the system", source };
    let mut net = MioNet::new(plan.settings.listen_backlog).map_err(system)?;
    net.set_notsent_lowat(plan.settings.link_notsent_lowat);
    let mut listening = Vec::new();
    for (number, at) in plan.settings.listen_addresses.iter().enumerate() {
        let bound = net.listen(number as u32, *at).map_err(|source| Error::Listen { at: *at, source })?;
        listening.push(bound);
    }
    let waker = net.waker().map_err(system)?;
    // A second start after a failed one brings a new transport; the bell must ring that one.
    *plan.waker.write() = Some(waker);
    Ok((net, listening))
}

fn spawn_all(shared: &Arc<Shared>, workers: Pumps, engine: Engine, net: MioNet) -> std::io::Result<Threads> {
    let clock = shared.clock.clone();
    let reactor = {
        let (bell, counters) = (Arc::clone(&shared.bell), Arc::clone(&shared.counters));
        let status = Arc::clone(shared);
        spawn("bwl-reactor", shared, move |_| {
            if let Err(error) = reactor_thread::run(engine, net, &clock, &bell, &counters) {
                fail(&status, format!("waiting for events failed: {error}"));
            }
        })?
    };
    let Pumps { welcome, exchange, maintenance, keeper } = workers;
    let welcome = spawn("bwl-welcome", shared, move |life| welcome.run(&life))?;
    let exchange = spawn("bwl-exchange", shared, move |life| exchange.run(&life))?;
    let maintain = spawn("bwl-maintain", shared, move |life| maintenance.run(&life))?;
    let keep = |keeper: Keeper| spawn("bwl-store", shared, move |life| keeper.run(&life));
    let storekeeper = keeper.map(keep).transpose()?;
    Ok(Threads { maintain, reactor, welcome, exchange, storekeeper })
}

/// Spawns a thread whose panic makes the node fail instead of the host.
fn spawn(
    name: &'static str,
    shared: &Arc<Shared>,
    body: impl FnOnce(Receiver<Infallible>) + Send + 'static,
) -> std::io::Result<Thread> {
    let (life, line) = bounded(0);
    let (end, ended) = bounded(0);
    let shared = Arc::clone(shared);
    let handle = system::spawn(name, move || {
        let _end: Sender<Infallible> = end;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(line))) {
            fail(&shared, format!("{name} panicked: {}", panic_text(&*panic)));
        }
    })?;
    Ok(Thread { life: Some(life), handle, ended })
}

/// A broken invariant of ours: the node stops working and says so at every call; the host lives.
pub fn fail(shared: &Shared, text: String) {
    let shows = shown(&text);
    if !shared.status.fail(text) {
        // Everybody was told then.
        log::warn!(target: "bowline::node", "the node had failed before this: {shows}");
        return;
    }
    log::error!(target: "bowline::node", "the node has failed: {shows}");
    shared.release_waiters();
    shared.resolver.stop();
    shared.end_own(CloseReason::Internal);
    let mut news = Vec::new();
    for link in shared.roster.all() {
        let left = link.close(CloseReason::Internal);
        shared.counters.messages_unsent.add(left.messages as u64);
        News::end(&link, left, CloseReason::Internal, &mut news);
        shared.roster.remove(link.id);
    }
    shared.routes.post(&mut news);
    shared.counters.links_in.set(0);
    shared.counters.links_out.set(0);
    shared.publish(Snapshot::last());
    shared.announce(NodeState::Failed);
    shared.routes.close();
    // If the reactor lives it lets go of its sockets; if its channel is full it is not living.
    if shared.commands.try_send(Command::Drain { deadline: shared.clock.now() }).is_ok() {
        shared.bell.ring();
    }
}

/// Everything has ended: nobody waits any more, and everybody is told, unless the node has failed.
pub fn finish(shared: &Shared) {
    shared.release_waiters();
    shared.publish(Snapshot::last());
    if shared.status.advance(NodeState::Stopped) {
        shared.announce(NodeState::Stopped);
        shared.routes.close();
    }
}

impl Running {
    /// A node that a memory network drives.
    pub fn on(seat: SeatAt, shared: Arc<Shared>, drain_max: Duration) -> Running {
        Running { shared, drain_max, body: Body::Seat(seat) }
    }

    /// See `Node::stop`.
    pub fn stop(&self, drain: Duration) -> Result<(), Error> {
        let status = &self.shared.status;
        if let Body::Seat(seat) = &self.body {
            seat.check()?;
        }
        let Some(_stopping) = status.begin_stop() else {
            status.wait_stopped();
            return self.outcome();
        };
        let drain = drain.min(self.drain_max);
        match &self.body {
            Body::Seat(seat) => seat.stop(&self.shared, drain).and_then(|in_time| self.stopped(in_time)),
            Body::Threads(threads) => {
                let threads = threads.lock().take();
                threads.map_or_else(|| self.outcome(), |threads| self.end(threads, drain))
            }
        }
    }

    /// How a stop went that was carried out before: well, unless the node had failed.
    fn outcome(&self) -> Result<(), Error> {
        self.shared.status.failure().map_or(Ok(()), |text| Err(Error::Failed(text)))
    }

    /// Ends the threads: first who begins work, then who carries it, last who only answers.
    fn end(&self, threads: Threads, drain: Duration) -> Result<(), Error> {
        let shared = &self.shared;
        if shared.status.advance(NodeState::Stopping) {
            shared.announce(NodeState::Stopping);
        }
        let begin = shared.clock.now();
        let left = || STOP_TIMEOUT.saturating_sub(shared.clock.now().since(begin)).max(Duration::from_millis(50));
        shared.release_waiters();
        shared.end_own(CloseReason::Stopped);
        shared.resolver.stop();
        // After a panic, too, the threads are to end.
        let _ = shared.try_change_pool(Pool::stop);
        let Threads { maintain, reactor, welcome, exchange, storekeeper } = threads;
        let maintain_ended = maintain.end(true, left());
        for command in [Command::StopListening, Command::Drain { deadline: begin + drain }] {
            // A reactor that takes no commands any more has failed; it must not hold the stop up.
            if shared.commands.send_timeout(command, left()).is_ok() {
                shared.bell.ring();
            }
        }
        let reactor_ended = reactor.end(false, left());
        let welcome_ended = welcome.end(!reactor_ended, left());
        let exchange_ended = exchange.end(!reactor_ended, left());
        // It saves once more, and lets go of its file; what a disk does not take in time is lost.
        let saved_in_time = storekeeper.is_none_or(|thread| thread.end(true, left().min(SAVE_TIMEOUT)));
        let all_ended = maintain_ended && reactor_ended && welcome_ended && exchange_ended && saved_in_time;
        finish(shared);
        let in_time = all_ended && (drain.is_zero() || shared.clock.now().since(begin) < drain);
        self.stopped(in_time)
    }

    /// How a stop went. A thread may have panicked meanwhile.
    fn stopped(&self, in_time: bool) -> Result<(), Error> {
        self.outcome()?;
        if in_time { Ok(()) } else { Err(Error::Timeout) }
    }

    /// The last handle of the node is dropped where it cannot be stopped: by what its memory network runs.
    pub fn leave(&self) {
        if let Body::Seat(seat) = &self.body {
            seat.leave(&self.shared);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::channel::ChannelId;
    use crate::bus::event::{Event, NodeState};
    use crate::node::error::{Error, RecvError, SendError};
    use crate::node::node::Node;
    use crate::node::system::REFUSED;
    use crate::node::testbed::{PATIENCE, built, built_with, started};
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn as_many_connections_wait_in_the_kernel_as_the_settings_say() {
        // Nobody accepts: what connects, waits. The kernel takes one more than it is told, the next gets no answer.
        let connected = |backlog: &str| {
            let node = built_with(&[("listen.backlog", backlog)]);
            let (_net, listening) = super::listen(node.plan()).expect("a free port");
            let connect = |_: &i32| TcpStream::connect_timeout(&listening[0], Duration::from_millis(300)).ok();
            (0..16).collect::<Vec<i32>>().iter().map_while(connect).collect::<Vec<TcpStream>>().len()
        };
        assert!((1..=4).contains(&connected("2")));
        assert_eq!(connected("64"), 16);
    }

    #[test]
    fn no_stop_drains_longer_than_the_settings_say() {
        let stopped_after = |drain_max: &str| {
            let (deaf, node) = (built(), built_with(&[("stop.drain", drain_max)]));
            deaf.start().and_then(|()| node.start()).expect("free ports");
            let link = node.connect(&deaf.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
            // Nobody takes them at the other end: when credit is used up they stay.
            while node.send_timeout(link, ChannelId(0x10), &[7; 60_000], Duration::from_millis(300)).is_ok() {}
            let begin = node.now();
            assert!(matches!(node.stop(PATIENCE), Err(Error::Timeout)));
            node.now().since(begin)
        };
        assert!(stopped_after("100ms") < Duration::from_secs(2));
        let longer = stopped_after("2500ms");
        assert!(longer >= Duration::from_millis(2_400), "{longer:?}");
    }

    #[test]
    fn a_panic_in_a_thread_fails_the_node_and_not_the_host() {
        let (sick, well) = (started(), started());
        let link = well.connect(&sick.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
        let up = |node: &Node| loop {
            if let Event::Up(up) = node.recv_timeout(PATIENCE).expect("the link is up at both ends") {
                break up.link;
            }
        };
        let own = up(&sick);
        assert_eq!(up(&well), link);
        let shared = Arc::clone(&sick.running().expect("started").shared);
        let thread = super::spawn("bwl-test", &shared, |_| panic!("on purpose")).expect("a thread");
        assert!(thread.end(false, PATIENCE));
        assert_eq!(sick.state(), NodeState::Failed);
        assert_eq!(sick.failure().as_deref(), Some("bwl-test panicked: on purpose"));
        assert_eq!(sick.try_send(own, ChannelId(0x10), b"x"), Err(SendError::Failed));
        assert!(matches!(sick.connect("127.0.0.1:1", PATIENCE), Err(Error::Failed(_))));
        let end = loop {
            if let Err(error) = sick.recv_timeout(PATIENCE) {
                break error;
            }
        };
        assert_eq!(end, RecvError::Failed);
        assert!(matches!(sick.stop(PATIENCE), Err(Error::Failed(_))));
        // The peer is rid of it, and as well as before.
        let down = loop {
            if let Event::Down(down) = well.recv_timeout(PATIENCE).expect("the link goes down") {
                break down.link;
            }
        };
        assert_eq!(down, link);
        assert_eq!(well.state(), NodeState::Running);
    }

    #[test]
    fn a_panic_of_a_caller_who_holds_the_pool_fails_the_node() {
        let node = started();
        let shared = Arc::clone(&node.running().expect("started").shared);
        let work = || shared.work(|_, _, _| -> () { panic!("on purpose") });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err(), "it goes on to the caller");
        assert_eq!(node.failure().as_deref(), Some("work on the pool panicked: on purpose"));
        assert!(matches!(node.connect("127.0.0.1:1", PATIENCE), Err(Error::Failed(_))));
        assert!(matches!(node.stop(PATIENCE), Err(Error::Failed(_))));
    }

    /// Does something that might never end, and gives up on it then.
    fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        crate::node::system::spawn("bwl-test", move || drop(done.send(act()))).expect("a thread");
        result.recv_timeout(PATIENCE).expect("it ends")
    }

    #[test]
    fn a_start_without_threads_fails_the_node_and_leaves_nobody_waiting() {
        for refused in ["bwl-reactor", "bwl-welcome", "bwl-exchange", "bwl-maintain"] {
            let node = built();
            let queue = node.queue().expect("before the start");
            let (started, end) = std::thread::scope(|scope| {
                let receiver = scope.spawn(|| {
                    loop {
                        if let Err(end) = queue.recv_timeout(PATIENCE) {
                            break end;
                        }
                    }
                });
                REFUSED.set(refused);
                let started = node.start();
                REFUSED.set("");
                (started, receiver.join().expect("no panic"))
            });
            assert!(matches!(started, Err(Error::System { .. })), "{refused}: {started:?}");
            assert_eq!(node.state(), NodeState::Failed);
            assert_eq!(end, RecvError::Failed, "{refused}");
            assert!(matches!(node.start(), Err(Error::State(_))));
            let twin = node.clone();
            assert!(matches!(in_time(move || twin.stop(PATIENCE)), Err(Error::Failed(_))), "{refused}");
            in_time(move || drop(node));
        }
    }
}
