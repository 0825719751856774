//! What the tests of the engine stand on: a dialect that does what bytes tell it, a transport with faults, and an engine that the test
//! turns itself. Part of `tests/reactor.rs`.

use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::link_id::{LinkId, LinkIds};
use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::base::verdict::Verdict;
use bowline::bus::bell::Bell;
use bowline::bus::command::Command;
use bowline::bus::counters::NodeCounters;
use bowline::bus::door::Door;
use bowline::bus::listening::Listening;
use bowline::bus::queue::Queue;
use bowline::bus::report::{Control, Report};
use bowline::bus::roster::Roster;
use bowline::bus::routes::Routes;
use bowline::flow::batch::{Note, Pending, Removed, Ticket};
use bowline::reactor::engine::{Dialects, Engine, Next, Ports};
use bowline::reactor::limits::Limits;
use bowline::reactor::mio_net::MioNet;
use bowline::reactor::net::{Net, Ready};
use bowline::session::dialect::{Context, Dialect, LaneState, Signal};
use bowline::session::gate::Gate;
use bowline::session::intake::{ControlMessage, Intake};
use bowline::wire::hello::{ChannelOffer, Hello};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A dialect that echoes every byte, panics at a `!` and whenever it is asked again, and reports an error at a `?`. A `*` makes it ask for
/// three moments at once, a `+` opens the link, a `c` is a control message, a `d` sets a deadline that only `resume` puts off.
/// A `=` waits for a verdict for ever, a `#` takes nothing more, an `n` gives no credit: what is queued stays in the mailbox.
/// It has no room for control messages of request `FULL`.
#[derive(Default)]
struct Echo {
    out: Vec<u8>,
    moments: u32,
    signals: VecDeque<Signal>,
    is_open: bool,
    is_broken: bool,
    has_no_credit: bool,
    deadline: Option<Time>,
    is_waiting: bool,
    is_busy: bool,
}

/// How long a `d` gives.
pub const ECHO_DEADLINE: Duration = Duration::from_millis(300);
const ECHO: PeerId = PeerId::from_bytes([7; 32]);
const CHAT: ChannelId = ChannelId(0x10);
/// A request for which a session has no room.
pub const FULL: u32 = 57;

impl Echo {
    fn assert_whole(&self) {
        assert!(!self.is_broken, "the test asked for a panic");
    }
}

impl Dialect for Echo {
    fn handle_bytes(&mut self, cx: &mut Context<'_>, input: &mut [u8], intake: &mut Intake) -> Result<usize, CloseReason> {
        self.is_broken |= input.contains(&b'!');
        self.assert_whole();
        if input.contains(&b'?') {
            self.out.extend_from_slice(b"last words");
            return Err(CloseReason::BadRecord);
        }
        self.is_waiting |= input.contains(&b'=');
        self.is_busy |= input.contains(&b'#');
        if self.is_waiting || self.is_busy {
            return Ok(0);
        }
        self.moments += 3 * u32::from(input.contains(&b'*'));
        self.has_no_credit |= input.contains(&b'n');
        if input.contains(&b'+') {
            let offer = ChannelOffer {
                id: CHAT,
                name: "chat".to_owned(),
                message_bytes_max: 1_024,
                credit: 1_024,
                requests_max: 4,
                segment_cost_min: 0,
            };
            let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
            self.signals.extend([Signal::Introduced { peer: ECHO, hello, observed: None }, Signal::Opened]);
        }
        if input.contains(&b'd') {
            self.deadline = Some(cx.now + ECHO_DEADLINE);
        }
        for _ in input.iter().filter(|byte| **byte == b'c') {
            let (channel, kind) = (ChannelId::PEX, Kind::Message);
            intake.control.push(ControlMessage { channel, kind, request: 0, body: Vec::new() });
        }
        self.out.extend_from_slice(input);
        Ok(input.len())
    }
    fn handle_verdict(&mut self, _: &mut Context<'_>, _: Verdict) -> Result<(), CloseReason> {
        Ok(())
    }
    fn handle_deadline(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        if self.deadline.is_some_and(|at| at <= cx.now) {
            return Err(CloseReason::PingTimeout);
        }
        self.moments = self.moments.saturating_sub(1);
        Ok(())
    }
    fn say(&mut self, _: ChannelId, _: Kind, request: u32, _: Bytes) -> Result<(), CloseReason> {
        if request == FULL { Err(CloseReason::ControlNotRead) } else { Ok(()) }
    }
    fn close(&mut self, reason: CloseReason) {
        self.assert_whole();
        if matches!(reason, CloseReason::Stalled | CloseReason::Stopped) {
            self.out = b"goodbye".to_vec();
        }
    }
    fn grant(&mut self, _: ChannelId, _: u32) {}
    fn is_drained(&self, _: usize) -> bool {
        !self.has_no_credit
    }
    fn refill(&mut self, _: usize, pending: &mut Pending) {
        pending.clear();
    }
    fn unsent(&self) -> (usize, usize) {
        self.assert_whole();
        (0, 0)
    }
    fn lane(&self, _: usize) -> LaneState {
        LaneState { is_sendable: !self.has_no_credit, ..LaneState::default() }
    }
    fn take_sealed(&mut self, _: &mut Vec<Ticket>) {}
    fn take_out(&mut self, _: bool, _: &mut dyn FnMut(&Note) -> bool) -> Vec<Removed> {
        Vec::new()
    }
    fn soonest(&self) -> Time {
        Time::MAX
    }
    fn resume(&mut self, now: Time) {
        self.deadline = self.deadline.map(|_| now + ECHO_DEADLINE);
    }
    fn poll_write(&mut self, _: Time, out: &mut Vec<u8>, _: usize) {
        self.assert_whole();
        out.append(&mut self.out);
    }
    fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }
    fn poll_signal(&mut self) -> Option<Signal> {
        self.assert_whole();
        let signal = self.signals.pop_front()?;
        self.is_open |= matches!(signal, Signal::Opened);
        Some(signal)
    }
    fn deadline(&self) -> Option<Time> {
        if self.moments > 0 { Some(Time::ZERO) } else { self.deadline }
    }
    fn is_waiting(&self) -> bool {
        self.is_waiting
    }
    fn is_open(&self) -> bool {
        self.is_open
    }
    fn peer(&self) -> Option<PeerId> {
        Some(ECHO)
    }
    fn rtt(&self) -> Option<Duration> {
        None
    }
}

struct Echoes([Channel; 1]);

impl Dialects for Echoes {
    fn own(&self) -> PeerId {
        PeerId::from_bytes([0; 32])
    }

    fn dial(&mut self, _: &mut Context<'_>, _: SocketAddr, _: Option<PeerId>) -> Box<dyn Dialect> {
        Box::new(Echo::default())
    }
    fn accept(&mut self, _: &mut Context<'_>, _: SocketAddr) -> Box<dyn Dialect> {
        Box::new(Echo::default())
    }
    fn channels(&self) -> &[Channel] {
        &self.0
    }
}

/// TCP, except that accepting fails for want of descriptors so many times, and that the peers of a full one take nothing.
pub struct Scarce {
    inner: MioNet,
    pub failures: u32,
    pub shed: u32,
    pub is_full: bool,
    /// When it was first found to be full.
    pub found_full: Option<Instant>,
}

impl Net for Scarce {
    fn listen(&mut self, listener: u32, at: SocketAddr) -> io::Result<SocketAddr> {
        self.inner.listen(listener, at)
    }
    fn unlisten(&mut self, listener: u32) {
        self.inner.unlisten(listener);
    }
    fn accept(&mut self, listener: u32, link: LinkId, admits: &dyn Fn(IpAddr) -> bool) -> io::Result<Option<SocketAddr>> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.inner.accept(listener, link, admits)
    }
    fn shed(&mut self, listener: u32) -> bool {
        self.shed += 1;
        self.inner.shed(listener)
    }
    fn dial(&mut self, link: LinkId, to: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
        self.inner.dial(link, to, from)
    }
    fn dialed(&mut self, link: LinkId) -> io::Result<()> {
        self.inner.dialed(link)
    }
    fn read(&mut self, link: LinkId, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(link, into)
    }
    fn write(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full {
            self.found_full.get_or_insert_with(Instant::now);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.inner.write(link, bytes)
    }
    fn finish(&mut self, link: LinkId) {
        self.inner.finish(link);
    }
    fn close(&mut self, link: LinkId) {
        self.inner.close(link);
    }
}

pub struct Rig {
    pub engine: Engine,
    pub net: Scarce,
    pub at: SocketAddr,
    pub commands: Sender<Command>,
    pub reports: Receiver<Report>,
    pub control: Receiver<Control>,
    pub bell: Arc<Bell>,
    pub roster: Arc<Roster>,
    pub counters: Arc<NodeCounters>,
    pub door: Arc<Door>,
    pub listening: Arc<Listening>,
    pub start: Instant,
    pub next: Next,
}

impl Rig {
    pub fn new(change: impl FnOnce(&mut Limits)) -> Rig {
        let mut limits = Limits {
            conns_max: 8,
            accept_rest: Duration::from_millis(100),
            dial_timeout: Duration::from_secs(5),
            greet_timeout: Duration::from_secs(5),
            write_stall_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
            stall_after: Duration::from_secs(5),
            linger: Duration::from_secs(1),
            dial_from: None,
            down: 0,
            up: 0,
            link_down: 0,
            link_up: 0,
        };
        change(&mut limits);
        let (commands, orders) = bounded(64);
        let (report, reports) = bounded(Engine::reports_max(limits.conns_max));
        let (control, controls) = bounded(4);
        let counters = Arc::new(NodeCounters::default());
        let (bell, roster) = (Arc::new(Bell::new(Box::new(|| {}))), Arc::new(Roster::default()));
        let door: Arc<Door> = Arc::default();
        let listening: Arc<Listening> = Arc::default();
        let ports = Ports {
            commands: orders,
            reports: report,
            control,
            bell: Arc::clone(&bell),
            routes: Arc::new(Routes::new(Arc::new(Queue::new(Box::new(|_| {}))))),
            roster: Arc::clone(&roster),
            counters: Arc::clone(&counters),
            traffic: Arc::default(),
            door: Arc::clone(&door),
            listening: Arc::clone(&listening),
            ids: LinkIds::default(),
        };
        let mut rng = Rng::from_seed(1);
        let gate = Gate::new(&mut rng, 12, 8);
        let mut engine =
            Engine::new(limits, ports, Box::new(Echoes([Channel::new(CHAT.0, "chat")])), gate, Box::new(rng), Time::ZERO);
        let mut net =
            Scarce { inner: MioNet::new(128).expect("descriptors"), failures: 0, shed: 0, is_full: false, found_full: None };
        let at = net.listen(0, "127.0.0.1:0".parse().expect("an address")).expect("a port");
        engine.add_listener(0, at);
        let (start, next) = (Instant::now(), Next::Now);
        Rig { engine, net, at, commands, reports, control: controls, bell, roster, counters, door, listening, start, next }
    }

    pub fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// Turns the engine until `done`, sleeping as the reactor thread would; fails after 10 s.
    pub fn turn_until(&mut self, mut done: impl FnMut(&mut Rig) -> bool) {
        let mut ready: Vec<Ready> = Vec::new();
        let begin = Instant::now();
        while !done(self) {
            assert!(begin.elapsed() < Duration::from_secs(10), "it takes too long");
            let wait = match self.next {
                Next::Now | Next::Ended => Duration::ZERO,
                Next::At(at) => self.now().until(at).min(Duration::from_millis(20)),
                Next::Idle => Duration::from_millis(20),
            };
            ready.clear();
            self.net.inner.wait(Some(wait), &mut ready).expect("epoll works");
            let now = self.now();
            self.next = self.engine.turn(now, 0, &mut self.net, &ready);
        }
    }

    /// A stranger whose connection has arrived and was greeted.
    pub fn greeted(&mut self) -> (TcpStream, LinkId) {
        let stream = TcpStream::connect(self.at).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        let mut arrived = None;
        self.turn_until(|rig| {
            arrived = rig.reports.try_iter().find_map(|r| if let Report::Arrived { link, .. } = r { Some(link) } else { None });
            arrived.is_some()
        });
        let link = arrived.expect("just seen");
        self.commands.send(Command::Greet { link }).expect("room");
        (stream, link)
    }

    pub fn closed(&mut self, wanted: LinkId) -> CloseReason {
        let mut found = None;
        self.turn_until(|rig| {
            let closed = |r| if let Report::Closed { link, reason, .. } = r { (link == wanted).then_some(reason) } else { None };
            found = found.or_else(|| rig.reports.try_iter().find_map(closed));
            found.is_some()
        });
        found.expect("just seen")
    }

    pub fn echo(&mut self, stream: &mut TcpStream, text: &[u8]) {
        stream.write_all(text).expect("sent");
        let mut got = Vec::new();
        self.turn_until(|_| {
            let mut part = [0; 64];
            if let Ok(n) = stream.read(&mut part) {
                got.extend_from_slice(&part[..n]);
            }
            got.len() >= text.len()
        });
        assert_eq!(got, text);
    }
}
