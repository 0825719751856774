//! A started node: which threads it has, in which order they begin and end, and what happens when one of them panics.

use super::clock::Clock;
use super::entropy::{SystemEntropy, policy_rng};
use super::error::Error;
use super::node::Plan;
use super::published::Snapshot;
use super::pump::{self, Ears};
use super::shared::{Shared, Status};
use super::storekeeper::{self, Order};
use super::{opening, reactor_thread, system, workers};
use crate::base::limits::{COMMANDS_MAX, CONTROL_MAX, ORDERS_MAX, STOP_TIMEOUT};
use crate::base::reason::CloseReason;
use crate::base::text::panic_text;
use crate::bus::command::Command;
use crate::bus::event::NodeState;
use crate::bus::fate::News;
use crate::bus::report::{Control, Report};
use crate::bus::roster::Roster;
use crate::bus::routes::Routes;
use crate::bus::sync::Lock;
use crate::flow::pot::Budget;
use crate::pool::store::Store;
use crate::reactor::engine::{Engine, Ports};
use crate::reactor::limits::Limits;
use crate::reactor::mio_net::MioNet;
use crate::reactor::net::Net;
use crate::session::gate::Gate;
use crate::session::local::{Local, Profile};
use crate::workers::{exchange, maintenance};
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
    pub listening: Vec<SocketAddr>,
    /// The longest drain, `stop.drain`: with the rest of a stop it stays below `STOP_TIMEOUT`.
    drain_max: Duration,
    threads: Mutex<Option<Threads>>,
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

/// Starts everything: reactor, welcome, exchange, maintenance. On failure nothing is left behind, and the queues come back; unless some
/// threads were there already: then the node has failed, and its queues are closed.
pub fn start(plan: &Plan, status: &Arc<Status>, routes: Routes) -> Result<Running, Box<(Error, Option<Routes>)>> {
    let opened = prepare(plan).and_then(|prepared| Ok((prepared, opening::open(plan)?)));
    let ((net, listening, local), opened) = match opened {
        Ok(opened) => opened,
        Err(error) => return Err(Box::new((error, Some(routes)))),
    };
    let limits = Limits::of(&plan.settings, system::files_max());
    let (commands, orders) = bounded(COMMANDS_MAX);
    let (report, reports) = bounded(Engine::reports_max(limits.conns_max));
    let (control, controls) = bounded(CONTROL_MAX);
    let (nudge_maintenance, maintenance_nudges) = bounded(1);
    let (nudge_exchange, exchange_nudges) = bounded(1);
    let (maintenance, maintenance_orders) = bounded(ORDERS_MAX);
    let (exchange, exchange_orders) = bounded(ORDERS_MAX);
    let rng = policy_rng();
    let mut machines = workers::machines(plan, local.profile.hello.listen.clone(), &rng);
    let (store, storekeeper, notice) = opening::restore(plan, opened, &mut machines.pool);
    let shared = Arc::new(Shared {
        own: plan.identity.id(),
        live: Mutex::new(plan.settings.clone()),
        advertised: local.profile.hello.listen.clone(),
        channels: plan.channels.clone(),
        sealed: plan.seals.iter().map(|(channel, _)| *channel).collect(),
        clock: plan.clock,
        pool: Lock::new(machines.pool),
        roster: Arc::new(Roster::default()),
        routes: Arc::new(routes),
        counters: Arc::clone(&plan.counters),
        door: Arc::default(),
        bell: Arc::clone(&plan.bell),
        commands,
        nudge_maintenance,
        nudge_exchange,
        resolver: super::resolver::Resolver::default(),
        published: Default::default(),
        waiters: Lock::default(),
        tickets: Lock::default(),
        next_ticket: Default::default(),
        maintenance,
        exchange,
        status: Arc::clone(status),
        storekeeper,
    });
    // Readers and the door know what the store has brought before anybody can ask or arrive.
    shared.work(|_, _, out| out.changed = true);
    let engine = engine(plan, limits, ports(plan, &shared, orders, report, control), local, listening.len());
    status.advance(NodeState::Running);
    notice.into_iter().for_each(|notice| shared.routes.main().notify(notice));
    let inboxes = Inboxes { reports, controls, maintenance_orders, exchange_orders, maintenance_nudges, exchange_nudges, store };
    match spawn_all(&shared, machines.workers, engine, net, inboxes) {
        Ok(threads) => Ok(Running { shared, listening, drain_max: plan.settings.stop_drain, threads: Mutex::new(Some(threads)) }),
        Err(source) => {
            // Threads that did start end by themselves: their lines and channels are gone with this scope.
            fail(&shared, format!("the system had no thread to give: {source}"));
            Err(Box::new((Error::System { what: "starting a thread", source }, None)))
        }
    }
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
        door: Arc::clone(&shared.door),
        ids: plan.ids.clone(),
    }
}

/// The engine of a node with so many listeners.
fn engine(plan: &Plan, limits: Limits, ports: Ports, local: Arc<Local>, listeners: usize) -> Engine {
    let gate = Gate::of(&mut SystemEntropy, &plan.settings);
    let dialects = Box::new(crate::reactor::native::Native::new(local));
    let mut engine = Engine::new(limits, ports, dialects, gate, Box::new(SystemEntropy), plan.clock.now());
    (0..listeners as u32).for_each(|listener| engine.add_listener(listener));
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

struct Inboxes {
    reports: Receiver<Report>,
    controls: Receiver<Control>,
    maintenance_orders: Receiver<maintenance::Input>,
    exchange_orders: Receiver<exchange::Input>,
    maintenance_nudges: Receiver<()>,
    exchange_nudges: Receiver<()>,
    store: Option<(Box<dyn Store>, Receiver<Order>)>,
}

fn spawn_all(
    shared: &Arc<Shared>,
    workers: workers::Workers,
    engine: Engine,
    net: MioNet,
    inboxes: Inboxes,
) -> std::io::Result<Threads> {
    let clock: Clock = shared.clock;
    let reactor = {
        let (bell, counters) = (Arc::clone(&shared.bell), Arc::clone(&shared.counters));
        let status = Arc::clone(shared);
        spawn("bwl-reactor", shared, move |_| {
            if let Err(error) = reactor_thread::run(engine, net, clock, &bell, &counters) {
                fail(&status, format!("waiting for events failed: {error}"));
            }
        })?
    };
    let Inboxes { reports, controls, maintenance_orders, exchange_orders, maintenance_nudges, exchange_nudges, store } = inboxes;
    let workers::Workers { welcome, exchange, maintenance, metadata_score } = workers;
    // Nothing is sent there: welcome is only spoken to.
    let (no_nudges, welcome_nudges) = bounded(0);
    let on = |shared: &Arc<Shared>| Arc::clone(shared);
    let with = on(shared);
    let welcome = spawn("bwl-welcome", shared, move |life| {
        let _open = no_nudges;
        pump::run(
            welcome,
            Ears { inbox: reports, orders: never(), nudges: welcome_nudges, life },
            &with,
            |report| workers::welcome_input(report, metadata_score.as_ref(), &with),
            workers::welcome_done,
        );
    })?;
    let with = on(shared);
    let exchange = spawn("bwl-exchange", shared, move |life| {
        let decode = |control| workers::exchange_input(control, &with);
        let ears = Ears { inbox: controls, orders: exchange_orders, nudges: exchange_nudges, life };
        pump::run(exchange, ears, &with, decode, workers::exchange_done);
    })?;
    let with = on(shared);
    let maintain = spawn("bwl-maintain", shared, move |life| {
        let ears = Ears { inbox: maintenance_orders, orders: never(), nudges: maintenance_nudges, life };
        pump::run(maintenance, ears, &with, Some, workers::maintenance_done);
    })?;
    let with = on(shared);
    let keep = |(store, orders)| spawn("bwl-store", shared, move |life| storekeeper::run(store, &orders, &life, &with));
    let storekeeper = store.map(keep).transpose()?;
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
fn fail(shared: &Arc<Shared>, text: String) {
    log::error!(target: "bowline::node", "the node has failed: {text}");
    shared.status.fail(text);
    shared.release_waiters();
    shared.resolver.stop();
    shared.end_own(CloseReason::Internal);
    let mut news = Vec::new();
    for link in shared.roster.all() {
        let left = link.close(CloseReason::Internal);
        shared.counters.messages_unsent.add(left.messages as u64);
        News::end(&link, left, CloseReason::Internal, &mut news);
    }
    shared.routes.post(&mut news);
    shared.announce(NodeState::Failed);
    shared.routes.close();
    // If the reactor lives it lets go of its sockets; if its channel is full it is not living.
    if shared.commands.try_send(Command::Drain { deadline: shared.clock.now() }).is_ok() {
        shared.bell.ring();
    }
}

impl Running {
    /// See `Node::stop`.
    pub fn stop(&self, drain: Duration) -> Result<(), Error> {
        let status = &self.shared.status;
        if !status.begin_stop() {
            status.wait_stopped();
            return self.outcome();
        }
        let threads = self.threads.lock().take();
        let result = threads.map_or_else(|| self.outcome(), |threads| self.end(threads, drain.min(self.drain_max)));
        status.end_stop();
        result
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
        shared.pool.lock().stop();
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
        shared.release_waiters();
        shared.publish(Snapshot::last());
        // A thread may have panicked meanwhile.
        if !shared.status.advance(NodeState::Stopped) {
            return self.outcome();
        }
        shared.announce(NodeState::Stopped);
        shared.routes.close();
        let is_cut_short = !all_ended || drain > Duration::ZERO && shared.clock.now().since(begin) >= drain;
        if is_cut_short { Err(Error::Timeout) } else { Ok(()) }
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
