//! The engine over real sockets with things going wrong that no whole node can be made to do: a dialect that panics, a system without
//! descriptors, a transport that counts. Threads are not needed: the test turns the engine itself.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

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
use bowline::bus::queue::Queue;
use bowline::bus::report::{Control, Report};
use bowline::bus::roster::Roster;
use bowline::bus::routes::Routes;
use bowline::flow::batch::Pending;
use bowline::reactor::engine::{Dialects, Engine, Next, Ports};
use bowline::reactor::limits::Limits;
use bowline::reactor::mio_net::MioNet;
use bowline::reactor::net::{Net, Ready};
use bowline::session::dialect::{Context, Dialect, Signal};
use bowline::session::gate::Gate;
use bowline::session::intake::{ControlMessage, Intake};
use bowline::settings::table::Settings;
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A dialect that echoes every byte, panics at a `!`, and reports an error at a `?`. A `*` makes it ask for three moments at once, a `+`
/// opens the link, a `c` is a control message, a `d` sets a deadline that only `resume` puts off.
/// A `=` waits for a verdict for ever, a `#` takes nothing more.
#[derive(Default)]
struct Echo {
    out: Vec<u8>,
    moments: u32,
    opens: u32,
    is_open: bool,
    deadline: Option<Time>,
    is_waiting: bool,
    is_busy: bool,
}

/// How long a `d` gives.
const ECHO_DEADLINE: Duration = Duration::from_millis(300);

impl Dialect for Echo {
    fn handle_bytes(&mut self, cx: &mut Context<'_>, input: &mut [u8], intake: &mut Intake) -> Result<usize, CloseReason> {
        assert!(!input.contains(&b'!'), "the test asked for a panic");
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
        self.opens += u32::from(input.contains(&b'+'));
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
    fn say(&mut self, _: ChannelId, _: Kind, _: u32, _: Bytes) -> Result<(), CloseReason> {
        Ok(())
    }
    fn close(&mut self, reason: CloseReason) {
        if reason == CloseReason::Stalled {
            self.out = b"goodbye".to_vec();
        }
    }
    fn grant(&mut self, _: ChannelId, _: u32) {}
    fn is_drained(&self, _: usize) -> bool {
        true
    }
    fn refill(&mut self, _: usize, pending: &mut Pending) {
        pending.clear();
    }
    fn unsent(&self) -> (usize, usize) {
        (0, 0)
    }
    fn resume(&mut self, now: Time) {
        self.deadline = self.deadline.map(|_| now + ECHO_DEADLINE);
    }
    fn poll_write(&mut self, _: Time, out: &mut Vec<u8>, _: usize) {
        out.append(&mut self.out);
    }
    fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }
    fn poll_signal(&mut self) -> Option<Signal> {
        self.opens = self.opens.checked_sub(1)?;
        self.is_open = true;
        Some(Signal::Opened)
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
        Some(PeerId::from_bytes([7; 32]))
    }
    fn rtt(&self) -> Option<Duration> {
        None
    }
}

struct Echoes;

impl Dialects for Echoes {
    fn dial(&mut self, _: &mut Context<'_>, _: SocketAddr, _: Option<PeerId>) -> Box<dyn Dialect> {
        Box::new(Echo::default())
    }
    fn accept(&mut self, _: &mut Context<'_>, _: SocketAddr) -> Box<dyn Dialect> {
        Box::new(Echo::default())
    }
    fn channels(&self) -> &[Channel] {
        &[]
    }
}

/// TCP, except that accepting fails for want of descriptors so many times.
struct Scarce {
    inner: MioNet,
    failures: u32,
    shed: u32,
}

impl Net for Scarce {
    fn listen(&mut self, listener: u32, at: SocketAddr) -> io::Result<SocketAddr> {
        self.inner.listen(listener, at)
    }
    fn unlisten(&mut self, listener: u32) {
        self.inner.unlisten(listener);
    }
    fn accept(&mut self, listener: u32, link: LinkId) -> io::Result<SocketAddr> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.inner.accept(listener, link)
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
        self.inner.write(link, bytes)
    }
    fn finish(&mut self, link: LinkId) {
        self.inner.finish(link);
    }
    fn close(&mut self, link: LinkId) {
        self.inner.close(link);
    }
}

struct Rig {
    engine: Engine,
    net: Scarce,
    at: SocketAddr,
    commands: Sender<Command>,
    reports: Receiver<Report>,
    control: Receiver<Control>,
    counters: Arc<NodeCounters>,
    start: Instant,
    next: Next,
}

impl Rig {
    fn new(change: impl FnOnce(&mut Limits)) -> Rig {
        let mut limits = Limits {
            conns_max: 8,
            accept_rest: Duration::from_millis(100),
            dial_timeout: Duration::from_secs(5),
            greet_timeout: Duration::from_secs(5),
            write_stall_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
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
        let ports = Ports {
            commands: orders,
            reports: report,
            control,
            bell: Arc::new(Bell::new(Box::new(|| {}))),
            routes: Arc::new(Routes::new(Arc::new(Queue::new(Box::new(|_| {}))))),
            roster: Arc::new(Roster::default()),
            counters: Arc::clone(&counters),
            ids: LinkIds::default(),
        };
        let mut rng = Rng::from_seed(1);
        let gate = Gate::new(&mut rng, 12, 8);
        let mut engine = Engine::new(limits, ports, Box::new(Echoes), gate, Box::new(rng), Time::ZERO);
        let mut net = Scarce { inner: MioNet::new(128).expect("descriptors"), failures: 0, shed: 0 };
        let at = net.listen(0, "127.0.0.1:0".parse().expect("an address")).expect("a port");
        engine.add_listener(0);
        Rig { engine, net, at, commands, reports, control: controls, counters, start: Instant::now(), next: Next::Now }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.start.elapsed()
    }

    /// Turns the engine until `done`, sleeping as the reactor thread would; fails after 10 s.
    fn turn_until(&mut self, mut done: impl FnMut(&mut Rig) -> bool) {
        let mut ready: Vec<Ready> = Vec::new();
        while !done(self) {
            assert!(self.start.elapsed() < Duration::from_secs(10), "it takes too long");
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
    fn greeted(&mut self) -> (TcpStream, LinkId) {
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

    fn closed(&mut self, wanted: LinkId) -> CloseReason {
        let mut found = None;
        self.turn_until(|rig| {
            let closed = |r| if let Report::Closed { link, reason, .. } = r { (link == wanted).then_some(reason) } else { None };
            found = found.or_else(|| rig.reports.try_iter().find_map(closed));
            found.is_some()
        });
        found.expect("just seen")
    }

    fn echo(&mut self, stream: &mut TcpStream, text: &[u8]) {
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

#[test]
fn a_panic_while_decoding_costs_the_peer_its_link_and_nobody_else() {
    let mut rig = Rig::new(|_| {});
    let (mut good, _) = rig.greeted();
    let (mut bad, link) = rig.greeted();
    rig.echo(&mut good, b"before");
    bad.write_all(b"!").expect("sent");
    assert_eq!(rig.closed(link), CloseReason::PanicContained);
    assert_eq!(rig.counters.read().panics_contained, 1);
    rig.echo(&mut good, b"after");
}

#[test]
fn last_words_reach_a_peer_that_still_sends() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, link) = rig.greeted();
    peer.write_all(b"?").expect("sent");
    assert_eq!(rig.closed(link), CloseReason::BadRecord);
    // More that nobody reads any more: closing at once would reset the connection and lose the words.
    peer.write_all(&[b'x'; 100_000]).expect("sent");
    let mut got = Vec::new();
    rig.turn_until(|_| {
        let mut part = [0; 64];
        if let Ok(n) = peer.read(&mut part) {
            got.extend_from_slice(&part[..n]);
        }
        got.len() == b"last words".len()
    });
    drop(peer);
    rig.turn_until(|rig| rig.engine.is_empty());
}

#[test]
fn running_out_of_descriptors_sheds_rests_and_goes_on() {
    let mut rig = Rig::new(|_| {});
    rig.net.failures = 1;
    let shed = TcpStream::connect(rig.at).expect("the kernel accepts");
    rig.turn_until(|rig| rig.net.shed == 1);
    assert!(
        matches!(rig.next, Next::At(at) if rig.now().until(at) <= Duration::from_millis(100)),
        "it waits for a timer: {:?}",
        rig.next
    );
    let turns = rig.counters.read().turns;
    // No edge comes for a connection that waits already; the timer must look.
    let (mut second, _) = rig.greeted();
    rig.echo(&mut second, b"in");
    assert_eq!(rig.counters.read().accept_no_files, 1);
    assert!(rig.counters.read().turns - turns < 1_000, "it does not spin");
    drop(shed);
}

#[test]
fn the_listeners_rest_as_long_as_the_settings_say() {
    let mut settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
    settings.accept_retry_period = Duration::from_millis(700);
    let rest = Limits::of(&settings.check().expect("valid"), None).accept_rest;
    assert_eq!(rest, Duration::from_millis(700));
    let mut rig = Rig::new(|limits| limits.accept_rest = rest);
    rig.net.failures = 1;
    let _shed = TcpStream::connect(rig.at).expect("the kernel accepts");
    rig.turn_until(|rig| rig.net.shed == 1);
    let begin = rig.now();
    rig.greeted();
    let rested = rig.now().since(begin);
    assert!(rested >= Duration::from_millis(600), "{rested:?}");
}

#[test]
fn arrivals_beyond_the_bound_wait_in_the_kernel() {
    let mut rig = Rig::new(|limits| limits.conns_max = 2);
    let (first, link) = rig.greeted();
    let (_second, _) = rig.greeted();
    let mut third = TcpStream::connect(rig.at).expect("the backlog has room");
    third.write_all(b"hi").expect("sent");
    rig.turn_until(|rig| rig.start.elapsed() > Duration::from_millis(150));
    assert_eq!(rig.engine.len(), 2);
    drop(first);
    assert_eq!(rig.closed(link), CloseReason::Truncated);
    rig.turn_until(|rig| rig.engine.len() == 2);
}

#[test]
fn an_arrival_that_nobody_greets_is_closed() {
    let mut rig = Rig::new(|limits| limits.greet_timeout = Duration::from_millis(50));
    let _mute = TcpStream::connect(rig.at).expect("it listens");
    let mut closed = None;
    rig.turn_until(|rig| {
        let reason = |r| if let Report::Closed { reason, .. } = r { Some(reason) } else { None };
        closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
        closed.is_some()
    });
    assert_eq!(closed, Some(CloseReason::HandshakeTimeout));
}

#[test]
fn a_peer_that_does_not_read_is_closed() {
    let mut rig = Rig::new(|limits| limits.write_stall_timeout = Duration::from_millis(200));
    let (mut deaf, link) = rig.greeted();
    let flood = vec![b'x'; 64 * 1_024];
    let mut closed = None;
    rig.turn_until(|rig| {
        // Everything is echoed, nothing is read: buffers fill, then the echo stands still.
        let _ = deaf.write(&flood);
        let reason = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
        closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
        closed.is_some()
    });
    assert_eq!(closed, Some(CloseReason::WriteStalled));
}

#[test]
fn a_rate_is_kept() {
    // 100 KiB at 200 KiB/s, of which the bucket's depth passes at once.
    let mut rig = Rig::new(|limits| limits.link_up = 200 * 1_024);
    let (mut peer, _) = rig.greeted();
    let begin = rig.start.elapsed();
    peer.write_all(&[b'x'; 100 * 1_024]).expect("buffered");
    let mut got = 0;
    rig.turn_until(|_| {
        let mut part = [0; 4_096];
        while let Ok(n @ 1..) = peer.read(&mut part) {
            got += n;
        }
        got == 100 * 1_024
    });
    assert!(rig.start.elapsed() - begin >= Duration::from_millis(400), "faster than its rate");
}

#[test]
fn a_refused_dial_is_reported_and_a_drain_ends_everything() {
    let mut rig = Rig::new(|_| {});
    let (_peer, link) = rig.greeted();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let dialed = LinkId::from_u64(1_000);
    rig.commands.send(Command::Dial { link: dialed, to: free, expect: None, tag: None }).expect("room");
    assert_eq!(rig.closed(dialed), CloseReason::ConnectionRefused);
    let deadline = rig.now() + Duration::from_millis(200);
    rig.commands.send(Command::Drain { deadline }).expect("room");
    assert_eq!(rig.closed(link), CloseReason::Stopped);
    rig.turn_until(|rig| rig.next == Next::Ended);
    assert!(TcpStream::connect(rig.at).is_err(), "nobody listens any more");
}

#[test]
fn a_deadline_that_is_always_now_gets_one_slice_a_turn() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, _) = rig.greeted();
    peer.write_all(b"*").expect("sent");
    // The turn that reads it, and at least one more for each slice: what else is ready has its chance between them.
    let mut turns = 0;
    rig.turn_until(|rig| {
        turns += u32::from(matches!(rig.next, Next::At(Time::ZERO)));
        let mut part = [0; 8];
        turns > 0 && peer.read(&mut part).is_err() && !matches!(rig.next, Next::At(Time::ZERO))
    });
    assert_eq!(turns, 3, "one slice in each turn");
}

#[test]
fn control_messages_do_not_put_a_missing_pong_off() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, link) = rig.greeted();
    rig.echo(&mut peer, b"+d");
    let mut closed = None;
    let begin = rig.now();
    rig.turn_until(|rig| {
        let _ = peer.write(b"c");
        rig.control.try_iter().for_each(drop);
        let reason = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
        closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
        closed.is_some() || rig.now().since(begin) > 4 * ECHO_DEADLINE
    });
    assert_eq!(closed, Some(CloseReason::PingTimeout));
}

#[test]
fn while_we_do_not_read_a_peer_it_is_not_late_and_in_the_end_it_is_told() {
    let mut rig = Rig::new(|limits| limits.stall_timeout = 3 * ECHO_DEADLINE);
    let (mut peer, link) = rig.greeted();
    rig.echo(&mut peer, b"+d");
    let begin = rig.now();
    // The queue to exchange takes four and nobody takes them from it.
    rig.echo(&mut peer, b"cccccc");
    assert_eq!(rig.closed(link), CloseReason::Stalled);
    assert!(rig.now().since(begin) >= 3 * ECHO_DEADLINE);
    let mut part = [0; 16];
    rig.turn_until(|_| matches!(peer.read(&mut part), Ok(7)));
    assert_eq!(&part[..7], b"goodbye");
}

#[test]
fn a_link_that_is_not_open_holds_one_record_at_most() {
    for (first, reason) in [(b'=', None), (b'#', Some(CloseReason::BadHandshake))] {
        let mut rig = Rig::new(|_| {});
        let (mut peer, link) = rig.greeted();
        let mut flood = vec![b'x'; 200_000];
        flood[0] = first;
        let sent = peer.write(&flood).expect("the kernel takes it");
        assert!(sent > 100_000, "{sent}");
        let begin = rig.now();
        rig.turn_until(|rig| rig.now().since(begin) > Duration::from_millis(100));
        assert!(rig.counters.read().bytes_in <= 2 + 65_535, "{}", rig.counters.read().bytes_in);
        let closed = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
        assert_eq!(rig.reports.try_iter().find_map(closed), reason);
        assert!(rig.counters.read().turns < 1_000, "it does not spin");
    }
}
