//! The memory network for whoever writes a protocol: nodes as they are, on the simulator's network in memory, in virtual time that only the
//! caller moves. This file is its face: a lock around the stage, whose nodes take their turns on the caller's thread (`stage.rs`), and a check
//! that nobody enters it from within. It starts no thread, opens no socket, reads no clock, and draws everything from its seed.

use super::clock::{Clock, VirtualTime};
use super::error::Error;
use super::node::Plan;
use super::opening;
use super::resolver::Names;
use super::running::{self, Running};
use super::shared::{Shared, Status};
use super::stage::{self, Stage};
use crate::base::limits::PAST;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::routes::Routes;
use crate::crypto::identity::{Draft, Identity};
use crate::crypto::sodium;
use crate::sim::net::HostId;
use crate::sim::pipe::{Way, Weather};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Virtual time ends after so long: two centuries, which every arithmetic survives.
const TIME_MAX: Duration = Duration::from_secs(200 * 365 * 24 * 3_600);
/// Longest latency and jitter: beyond it no handshake could end.
const LATENCY_MAX: Duration = Duration::from_secs(3_600);
const MILLION: u32 = 1_000_000;
const FROM_WITHIN: &str = "the memory network is being advanced by this thread: what runs within it must not enter it";

thread_local! {
    /// Networks that this thread is inside of.
    static INSIDE: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// A network in memory with a time of its own, for tests of protocols: nodes that are built with `Builder::memnet` are on it. They are whole
/// nodes, of the same code as on sockets and threads, but nothing happens unless `advance` or `advance_to_event` is called, on the thread that
/// calls it. The same seed and the same calls give the same events, to the last byte, if identities are the same, too
/// (`Identity` from a seed). Clones are the same network.
///
/// Each node has an IP address of its own: that of its first `listen.addresses`, or one of 10.0.0.0/8 if it names none or 0.0.0.0; and others
/// that it names, unless another node has them. Most settings that suit a test say `network.allow_private=true`. A network has room for 65,536
/// nodes. Addresses of those that are gone, and ways to them, are forgotten when it is full and others come.
///
/// ```
/// use bowline::{Builder, Channel, ChannelId, Event, MemNet, Node};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let net = MemNet::new(7);
/// let node = |number: u64| -> Result<Node, bowline::Error> {
///     let set = [("network.name", "example"), ("network.pow_bits", "0"), ("network.allow_private", "true"), ("discovery.bootstrap", "true")];
///     let builder = set.into_iter().try_fold(Builder::new(), |builder, (key, value)| builder.set(key, value))?;
///     let node = builder.identity(net.identity(number)?).channel(Channel::new(0x10, "chat"))?.memnet(&net).build()?;
///     node.start().map(|()| node)
/// };
/// let (alice, bob) = (node(1)?, node(2)?);
/// bob.dial(alice.listen_addresses()[0], None, 0)?;
/// net.advance(Duration::from_secs(1))?;
/// let link = bob.find_peer(&alice.id()).ok_or("no link")?;
/// bob.try_send(link, ChannelId(0x10), b"hello")?;
/// net.advance(Duration::from_millis(1))?;
/// let greeted = std::iter::from_fn(|| alice.try_recv().ok()).any(|event| matches!(event, Event::Message(_)));
/// assert!(greeted);
/// # Ok(())
/// # }
/// ```
///
/// # Waiting
/// Calls that wait never end if time stands still. So on such a node they are refused: `RecvError::Virtual`, `SendError::Virtual`,
/// `Error::State`. Receive with `try_recv`, send with `try_send`, dial with `dial`, ask with `start_request`. Calls that wait only for the node
/// itself (`save`, `channel_stats`, `add_persistent`, lists) work.
///
/// # Threads
/// Any thread may call; one at a time is inside, others wait for it. What runs inside, such as functions that score metadata, must not enter:
/// its calls are refused with `State`.
#[derive(Clone)]
pub struct MemNet(Arc<Inner>);

struct Inner {
    seed: u64,
    time: VirtualTime,
    names: Names,
    /// Streams of randomness given out so far.
    draws: AtomicU64,
    /// Hosts whose nodes were dropped from within.
    left: Mutex<Vec<(HostId, Weak<Shared>)>>,
    /// Hosts whose nodes are gone, each as often as it was claimed.
    given_back: Mutex<Vec<HostId>>,
    stage: Mutex<Stage>,
}

/// This thread is inside of a network until it is dropped.
struct Within;

impl Drop for Within {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(|inside| inside.pop());
    }
}

impl Inner {
    fn is_inside(&self) -> bool {
        INSIDE.with_borrow(|inside| inside.contains(&(&raw const *self as usize)))
    }

    fn check(&self) -> Result<(), Error> {
        if self.is_inside() { Err(Error::State(FROM_WITHIN)) } else { Ok(()) }
    }

    /// Does something inside, when whoever is there has left.
    fn enter<T>(&self, act: impl FnOnce(&mut Stage) -> T) -> Result<T, Error> {
        self.check()?;
        let mut stage = self.stage.lock();
        INSIDE.with_borrow_mut(|inside| inside.push(&raw const *self as usize));
        let _within = Within;
        // Whoever goes may hold the last handle of another, which leaves then.
        while let Some((host, shared)) = self.next_to_go() {
            if let Some(shared) = shared.upgrade() {
                stage.stop(host, &shared, Duration::ZERO);
            }
        }
        let given_back = std::mem::take(&mut *self.given_back.lock());
        given_back.into_iter().for_each(|host| stage.give_back(host));
        Ok(act(&mut stage))
    }

    /// A host whose node was dropped, and the node. The lock is not held while it ends.
    fn next_to_go(&self) -> Option<(HostId, Weak<Shared>)> {
        self.left.lock().pop()
    }

    fn rng(&self, what: &str) -> Rng {
        let number = self.draws.fetch_add(1, Ordering::Relaxed);
        Rng::from_seed(self.seed).fork(&format!("{what} {number}"))
    }
}

impl MemNet {
    /// An empty network at time zero, on which every way takes 1 ms.
    pub fn new(seed: u64) -> MemNet {
        let time = VirtualTime::default();
        let stage = Mutex::new(Stage::new(seed, Weather::default(), time.clone()));
        let (names, draws, left, given_back) = (Names::default(), AtomicU64::new(0), Mutex::default(), Mutex::default());
        MemNet(Arc::new(Inner { seed, time, names, draws, left, given_back, stage }))
    }

    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Virtual time that has passed. Its wall clock began in 2023.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.time.get())
    }

    /// When that was which an event has as its moment (`Message::at`), as `now` counts.
    pub fn time_of(&self, at: Time) -> Duration {
        at.since(Time::ZERO + PAST)
    }

    /// An identity without proof of work, for a network whose `network.pow_bits` is 0: always the same for one seed and number.
    ///
    /// # Errors
    /// `Crypto` if libsodium does not work here.
    pub fn identity(&self, number: u64) -> Result<Identity, Error> {
        sodium::init().map_err(|error| Error::Crypto(error.to_string()))?;
        let mut rng = Rng::from_seed(self.0.seed).fork(&format!("identity {number}"));
        Draft::new(&mut rng, 0).run(1).ok_or_else(|| Error::Crypto("an identity without work needed some".to_owned()))
    }

    /// Lets everything happen that is due within `by`, and moves time that far.
    ///
    /// # Errors
    /// `State` from within, and beyond two centuries.
    pub fn advance(&self, by: Duration) -> Result<(), Error> {
        self.run(by, false).map(drop)
    }

    /// As `advance`, but no further than to the moment at which a queue has an event that nobody has taken, and not at all if one has already;
    /// also a queue of a node that has stopped or failed, while there is a handle to take events with. True if one has.
    ///
    /// # Errors
    /// As `advance`.
    pub fn advance_to_event(&self, longest: Duration) -> Result<bool, Error> {
        self.run(longest, true)
    }

    fn run(&self, by: Duration, stops: bool) -> Result<bool, Error> {
        self.0.enter(|stage| {
            let to = self.now().saturating_add(by);
            if to > TIME_MAX {
                return Err(Error::State("virtual time ends after two centuries"));
            }
            Ok(stage.run(Time::ZERO + to, stops))
        })?
    }

    /// How it goes from one address to another from now on, also for streams that are there. The other direction stays as it is.
    ///
    /// # Errors
    /// `Unknown` for an address that no node on this network has been built with; `Refused` for more than an hour or a loss above a million;
    /// `State` from within.
    pub fn set_way(&self, from: IpAddr, to: IpAddr, way: MemWay) -> Result<(), Error> {
        check(&way)?;
        self.with_pair(from, to, |stage, from, to| stage.network.set_way(from, to, way))
    }

    /// How it goes between all hosts from now on, whatever was said of some before.
    ///
    /// # Errors
    /// As `set_way`.
    pub fn set_all_ways(&self, way: MemWay) -> Result<(), Error> {
        check(&way)?;
        self.0.enter(|stage| stage.network.set_all_ways(way))
    }

    /// Nothing passes between the two any more, in either direction, or it does again. Streams outlive a cut of less than 30 s; what waited is
    /// sent again. It holds for these two, whatever was said of all, until something is said of all again.
    ///
    /// # Errors
    /// `Unknown` and `State`, as for `set_way`.
    pub fn set_cut(&self, one: IpAddr, other: IpAddr, is_cut: bool) -> Result<(), Error> {
        self.with_pair(one, other, |stage, one, other| {
            for (from, to) in [(one, other), (other, one)] {
                if is_cut { stage.network.cut(from, to) } else { stage.network.heal(from, to) }
            }
        })
    }

    /// Parts all hosts from each other; or undoes every cut that there is.
    ///
    /// # Errors
    /// `State` from within.
    pub fn set_all_cut(&self, is_cut: bool) -> Result<(), Error> {
        self.0.enter(|stage| if is_cut { stage.network.cut_all() } else { stage.network.heal_all() })
    }

    /// What a name leads to from now on. No name is looked up anywhere else.
    pub fn set_name(&self, name: &str, addresses: &[IpAddr]) {
        self.0.names.lock().insert(name.to_ascii_lowercase(), addresses.to_vec());
    }

    /// A number over everything that has happened on the network so far: two runs in which all was the same have the same.
    ///
    /// # Errors
    /// `State` from within.
    pub fn fingerprint(&self) -> Result<u128, Error> {
        self.0.enter(|stage| stage.network.trace().hash())
    }

    fn with_pair<T>(&self, one: IpAddr, other: IpAddr, act: impl FnOnce(&mut Stage, HostId, HostId) -> T) -> Result<T, Error> {
        self.0.enter(|stage| {
            let host = |at: IpAddr| {
                stage
                    .network
                    .host_at(at)
                    .ok_or_else(|| Error::Unknown(format!("{at} as the address of a node on this memory network")))
            };
            let is_same = one == other;
            let (one, other) = (host(one)?, host(other)?);
            if is_same {
                return Err(Error::Refused("a way leads from one address to another".to_owned()));
            }
            Ok(act(stage, one, other))
        })?
    }

    pub(super) fn clock(&self) -> Clock {
        Clock::of(self.0.time.clone())
    }

    /// A place for a node that is to listen there.
    pub(super) fn claim(&self, listen: &[SocketAddr]) -> Result<SeatAt, Error> {
        let (host, address, listen) = self.0.enter(|stage| stage.claim(listen))??;
        Ok(SeatAt { place: Arc::new(Place { net: Arc::downgrade(&self.0), host }), address, listen })
    }
}

pub use crate::sim::pipe::Way as MemWay;

fn check(way: &Way) -> Result<(), Error> {
    let wrong = if way.latency > LATENCY_MAX || way.jitter > LATENCY_MAX {
        Some(format!("a latency of {:?} and a jitter of {:?}: an hour each is the most", way.latency, way.jitter))
    } else if way.loss_ppm > MILLION {
        Some(format!("a loss of {} in a million", way.loss_ppm))
    } else {
        None
    };
    wrong.map_or(Ok(()), |wrong| Err(Error::Refused(wrong)))
}

/// A node's place on a memory network. It does not keep the network; the node does.
#[derive(Clone)]
pub struct SeatAt {
    place: Arc<Place>,
    /// What a wildcard stands for there.
    address: IpAddr,
    /// Where the node is to listen, with addresses that it has there.
    listen: Vec<SocketAddr>,
}

/// A claim on a host, which ends with the node.
struct Place {
    net: Weak<Inner>,
    host: HostId,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(inner) = self.net.upgrade() {
            inner.given_back.lock().push(self.host);
        }
    }
}

impl SeatAt {
    fn inner(&self) -> Result<Arc<Inner>, Error> {
        self.place.net.upgrade().ok_or(Error::State("the memory network is gone"))
    }

    /// Randomness of its own for each call.
    pub(super) fn rng(&self, what: &str) -> Rng {
        self.inner().map_or_else(|_| Rng::from_seed(0), |inner| inner.rng(&format!("{} {what}", self.place.host)))
    }

    pub(super) fn names(&self) -> Names {
        self.inner().map(|inner| Arc::clone(&inner.names)).unwrap_or_default()
    }

    /// Lets everything happen that is due at this very moment. From within nothing does.
    pub(super) fn settle(&self) {
        if let Ok(inner) = self.inner() {
            // Whoever is inside goes on with it anyway.
            let _ = inner.enter(|stage| stage.run(stage.network.now(), false));
        }
    }

    /// `running::start` for a node here.
    pub(super) fn start(
        &self,
        plan: &Plan,
        status: &Arc<Status>,
        routes: Routes,
    ) -> Result<Running, Box<(Error, Option<Routes>)>> {
        let inner = match self.inner().and_then(|inner| inner.check().map(|()| inner)) {
            Ok(inner) => inner,
            Err(error) => return Err(Box::new((error, Some(routes)))),
        };
        let mut routes = Some(routes);
        let started = inner.enter(|stage| {
            let listening = stage.listen(self.place.host, &self.listen)?;
            let ready = running::profile(plan, &listening).and_then(|local| Ok((local, opening::open(plan)?)));
            let (local, opened) = ready.inspect_err(|_| stage.network.crash(self.place.host))?;
            let routes = routes.take().ok_or(Error::State("the node was started already"))?;
            let parts = running::assemble(plan, status, routes, (Arc::new(local), &listening), opened, None);
            let shared = Arc::clone(&parts.shared);
            *plan.waker.write() = Some(stage.seat(self.place.host, parts));
            Ok(Running::on(self.clone(), shared, plan.settings.stop_drain))
        });
        started.and_then(|started| started).map_err(|error| Box::new((error, routes)))
    }

    /// Where that is on the network.
    pub(super) fn place(&self, at: SocketAddr) -> SocketAddr {
        stage::place(at, self.address)
    }

    /// Whether the node may be stopped by this thread now. If not, the node ends when the network is entered next.
    pub(super) fn check(&self) -> Result<(), Error> {
        let inner = self.inner()?;
        inner.check()
    }

    /// Whoever dropped the last handle of a node from within cannot stop it.
    pub(super) fn leave(&self, shared: &Arc<Shared>) {
        if let Ok(inner) = self.inner() {
            inner.left.lock().push((self.place.host, Arc::downgrade(shared)));
        }
    }

    /// Ends the node as far as it can end in this moment. True if it had nothing left to send.
    pub(super) fn stop(&self, shared: &Arc<Shared>, drain: Duration) -> Result<bool, Error> {
        self.inner()?.enter(|stage| stage.stop(self.place.host, shared, drain))
    }
}

/// Why a node cannot listen where another one lives.
pub(super) fn occupied(at: SocketAddr) -> Error {
    Error::Listen { at, source: ErrorKind::AddrInUse.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::event::{Event, NodeState};
    use crate::node::builder::Builder;
    use crate::node::node::Node;

    fn built(net: &MemNet, number: u64) -> Result<Node, Error> {
        let set = [("network.name", "test"), ("network.pow_bits", "0"), ("network.allow_private", "true")];
        let set = set.into_iter().chain([("discovery.bootstrap", "true")]);
        let builder = set.fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a known key"));
        builder.identity(net.identity(number).expect("libsodium works")).memnet(net).build()
    }

    fn started(net: &MemNet, number: u64) -> Node {
        let node = built(net, number).expect("valid");
        node.start().map(|()| node).expect("it has an address")
    }

    #[test]
    fn a_panic_in_a_turn_fails_that_node_and_no_other() {
        let net = MemNet::new(1);
        let (sick, well) = (started(&net, 1), started(&net, 2));
        well.dial(sick.listen_addresses()[0], None, 1).expect("it may dial");
        net.advance(Duration::from_secs(1)).expect("from outside");
        assert!(well.find_peer(&sick.id()).is_some());
        let seat = sick.plan().seat.clone().expect("it is on one");
        net.0.enter(|stage| stage.spoil(seat.place.host)).expect("from outside");
        net.advance(Duration::from_secs(1)).expect("time goes on");
        assert_eq!(sick.state(), NodeState::Failed);
        assert_eq!(sick.failure().as_deref(), Some("it panicked: on purpose"));
        assert!(matches!(sick.stop(Duration::ZERO), Err(Error::Failed(_))));
        assert!(well.find_peer(&sick.id()).is_none() && well.state() == NodeState::Running);
    }

    /// Nor does it keep whoever stops it then waiting.
    #[test]
    fn a_panic_while_a_node_stops_fails_it_and_ends_it() {
        let net = MemNet::new(1);
        let sick = started(&net, 1);
        let seat = sick.plan().seat.clone().expect("it is on one");
        net.0.enter(|stage| stage.spoil(seat.place.host)).expect("from outside");
        assert!(matches!(sick.stop(Duration::ZERO), Err(Error::Failed(_))));
        assert_eq!(sick.failure().as_deref(), Some("it panicked while it stopped: on purpose"));
        assert!(matches!(sick.stop(Duration::ZERO), Err(Error::Failed(_))));
        let successor = started(&net, 2);
        drop(sick);
        assert_eq!(successor.state(), NodeState::Running);
    }

    fn drained(node: &Node) -> Vec<Event> {
        std::iter::from_fn(|| node.try_recv().ok()).collect()
    }

    /// Whoever polls only when there is something hears of the end, too.
    #[test]
    fn events_of_a_node_that_has_ended_are_events() {
        let net = MemNet::new(1);
        let (sick, well) = (started(&net, 1), started(&net, 2));
        let seat = sick.plan().seat.clone().expect("it is on one");
        drained(&sick);
        drained(&well);
        net.0.enter(|stage| stage.spoil(seat.place.host)).expect("from outside");
        let begin = net.now();
        assert_eq!(net.advance_to_event(Duration::from_secs(3_600)).ok(), Some(true));
        assert_eq!(net.now(), begin, "it failed at once");
        assert_eq!(net.advance_to_event(Duration::from_secs(1)).ok(), Some(true), "nobody has taken it yet");
        assert!(matches!(drained(&sick)[..], [.., Event::State(NodeState::Failed)]));
        assert_eq!(net.advance_to_event(Duration::from_secs(1)).ok(), Some(false));
        well.stop(Duration::ZERO).expect("it is well");
        assert_eq!(net.advance_to_event(Duration::from_secs(1)).ok(), Some(true));
        drop(well);
        assert_eq!(net.advance_to_event(Duration::from_secs(1)).ok(), Some(false), "nobody can take them any more");
    }

    #[test]
    fn a_full_network_says_so_and_has_room_again_when_nodes_have_gone() {
        let net = MemNet::new(1);
        let (gone, peer) = (started(&net, 1), started(&net, 2));
        peer.dial(gone.listen_addresses()[0], None, 1).expect("it may dial");
        net.advance(Duration::from_secs(1)).expect("from outside");
        let (address, host) = (gone.listen_addresses()[0].ip(), gone.plan().seat.as_ref().expect("it is on one").place.host);
        let hosts = net.0.enter(|stage| std::iter::from_fn(|| stage.claim(&[]).ok()).count());
        assert_eq!(hosts.ok(), Some(65_534));
        let another = || built(&net, 3);
        for _ in 0..3 {
            let full = another().map(drop);
            assert!(matches!(full, Err(Error::TooMany(ref text)) if text.contains("65,536")), "{full:?}");
        }
        drop(gone);
        assert!(matches!(another(), Err(Error::TooMany(_))), "its stream has not ended yet");
        net.set_cut(address, peer.listen_addresses()[0].ip(), true).expect("its address is known until then");
        net.set_cut(address, peer.listen_addresses()[0].ip(), false).expect("its address is known until then");
        net.advance(Duration::from_secs(10)).expect("from outside");
        let heir = another().expect("there is room");
        assert_eq!(heir.plan().seat.as_ref().expect("it is on one").place.host, host);
        assert!(matches!(net.set_cut(address, peer.listen_addresses()[0].ip(), true), Err(Error::Unknown(_))));
        assert!(matches!(another(), Err(Error::TooMany(_))));
        drop(heir);
        another().and_then(|node| node.start()).expect("what never listened leaves nothing");
    }

    /// A reactor that always wants another turn takes a microsecond at last.
    #[test]
    fn whoever_never_has_enough_does_not_stop_time() {
        let net = MemNet::new(1);
        let node = started(&net, 1);
        let seat = node.plan().seat.clone().expect("it is on one");
        net.0.enter(|stage| stage.keep_busy(seat.place.host)).expect("from outside");
        net.advance(Duration::from_micros(3)).expect("it comes back");
        assert_eq!(net.now(), Duration::from_micros(3));
    }
}
