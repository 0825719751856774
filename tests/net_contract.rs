//! The contract of `reactor::net::Net`, one test per promise, for every transport: TCP over mio on real loopback sockets, and the memory
//! network in calm and in rough weather. A transport that passes can be put under the engine; one that is more generous still must
//! pass, so a test awaits what is promised and never asserts that nothing else comes.

use bowline::base::link_id::LinkId;
use bowline::reactor::mio_net::MioNet;
use bowline::reactor::net::{Net, Ready, Source};
use bowline::sim::net::{HostId, Network};
use bowline::sim::pipe::Weather;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Two hosts on a transport.
trait Transport {
    fn new() -> Self;
    /// Does something on a host.
    fn on<R>(&mut self, host: usize, act: impl FnOnce(&mut dyn Net) -> R) -> R;
    /// Waits a little for what becomes ready on a host. False when nothing can become ready any more.
    fn wait(&mut self, host: usize, ready: &mut Vec<Ready>) -> bool;
    /// A host's address.
    fn address(host: usize) -> IpAddr;
}

struct Tcp {
    nets: [MioNet; 2],
    waits: usize,
}

impl Transport for Tcp {
    fn new() -> Tcp {
        let net = || MioNet::new(128).expect("an event queue");
        Tcp { nets: [net(), net()], waits: 0 }
    }
    fn on<R>(&mut self, host: usize, act: impl FnOnce(&mut dyn Net) -> R) -> R {
        act(&mut self.nets[host])
    }
    fn wait(&mut self, host: usize, ready: &mut Vec<Ready>) -> bool {
        self.nets[host].wait(Some(Duration::from_millis(10)), ready).expect("waiting works");
        // A loopback that shows nothing for 20 seconds is broken, or the test is.
        self.waits = if ready.is_empty() { self.waits + 1 } else { 0 };
        self.waits < 2_000
    }
    fn address(_host: usize) -> IpAddr {
        [127, 0, 0, 1].into()
    }
}

struct Memory<const IS_ROUGH: bool> {
    network: Network,
    hosts: [HostId; 2],
}

impl<const IS_ROUGH: bool> Transport for Memory<IS_ROUGH> {
    fn new() -> Memory<IS_ROUGH> {
        let rough = Weather { buffer_bytes: 4_096, segment_bytes: 700, ..Weather::rough() };
        let mut network = Network::new(1, if IS_ROUGH { rough } else { Weather::default() });
        let hosts = [0, 1].map(|host| network.add(&[Self::address(host)]).expect("there is room"));
        Memory { network, hosts }
    }
    fn on<R>(&mut self, host: usize, act: impl FnOnce(&mut dyn Net) -> R) -> R {
        act(&mut self.network.port(self.hosts[host]))
    }
    fn wait(&mut self, host: usize, ready: &mut Vec<Ready>) -> bool {
        let can_go_on = self.network.has_ready(self.hosts[host]) || self.network.step();
        self.network.take_ready(self.hosts[host], ready);
        can_go_on
    }
    fn address(host: usize) -> IpAddr {
        [10, 0, 0, host as u8 + 1].into()
    }
}

/// Hosts on a transport, with what was told of their links and listeners and is not used up.
struct Bench<T> {
    transport: T,
    told: BTreeMap<(usize, Source), Told>,
    /// Pieces written by `fill`.
    pieces: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Told {
    is_readable: bool,
    is_writable: bool,
    is_ended: bool,
}

const LISTENER: u32 = 3;
/// The dialer's name of the link, and the accepter's.
const A: LinkId = LinkId::from_u64(1);
const B: LinkId = LinkId::from_u64(2);

impl<T: Transport> Bench<T> {
    fn new() -> Bench<T> {
        Bench { transport: T::new(), told: BTreeMap::new(), pieces: 0 }
    }

    /// A bench where host 1 listens.
    fn listening() -> (Bench<T>, SocketAddr) {
        let mut bench = Bench::new();
        let at = bench.on(1, |net| net.listen(LISTENER, SocketAddr::new(T::address(1), 0))).expect("a free port");
        (bench, at)
    }

    /// A bench with one link: host 0 dialed it as `A`, host 1 accepted it as `B`.
    fn linked() -> Bench<T> {
        let (mut bench, at) = Bench::listening();
        bench.dial(A, at);
        bench.accept(B);
        bench
    }

    fn on<R>(&mut self, host: usize, act: impl FnOnce(&mut dyn Net) -> R) -> R {
        self.transport.on(host, act)
    }

    fn dial(&mut self, link: LinkId, to: SocketAddr) {
        self.begin_dial(link, to);
        self.await_told(0, Source::Link(link), |told| told.is_writable);
        assert_eq!(self.on(0, |net| net.dialed(link)).map_err(|error| error.kind()), Ok(()));
    }

    fn begin_dial(&mut self, link: LinkId, to: SocketAddr) {
        self.on(0, |net| net.dial(link, to, None)).expect("a dial begins");
    }

    fn accept(&mut self, link: LinkId) -> SocketAddr {
        loop {
            match self.on(1, |net| net.accept(LISTENER, link, &|_| true)) {
                Ok(from) => return from.expect("everybody is let in"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            self.await_told(1, Source::Listener(LISTENER), |told| told.is_readable);
        }
    }

    /// Waits until something was told, and takes all that was told of it.
    fn await_told(&mut self, host: usize, source: Source, is_enough: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.told.entry((host, source)).or_default();
            if is_enough(told) {
                return std::mem::take(told);
            }
            let told = *told;
            let can_go_on = self.gather(host);
            assert!(
                can_go_on || self.told.get(&(host, source)).is_some_and(&is_enough),
                "host {host}, {source:?}: only {told:?}"
            );
        }
    }

    fn gather(&mut self, host: usize) -> bool {
        let mut ready = Vec::new();
        let can_go_on = self.transport.wait(host, &mut ready);
        for ready in ready {
            let told = self.told.entry((host, ready.source)).or_default();
            told.is_readable |= ready.is_readable;
            told.is_writable |= ready.is_writable;
            told.is_ended |= ready.is_ended;
        }
        can_go_on
    }

    /// Forgets what was told of a link: from here on only a new change counts.
    fn forget(&mut self, host: usize, link: LinkId) {
        self.told.remove(&(host, Source::Link(link)));
    }

    fn read(&mut self, host: usize, link: LinkId, room: usize) -> Result<Vec<u8>, ErrorKind> {
        let mut into = vec![0; room];
        let count = self.on(host, |net| net.read(link, &mut into)).map_err(|error| error.kind())?;
        into.truncate(count);
        Ok(into)
    }

    /// As the engine reads: what is there, then `WouldBlock` or a short read, then the next change, until `count` bytes are there.
    fn read_exactly(&mut self, host: usize, link: LinkId, count: usize) -> Vec<u8> {
        let mut got = Vec::new();
        while got.len() < count {
            let room = (count - got.len()).min(100_000);
            match self.read(host, link, room) {
                Ok(bytes) => {
                    assert!(!bytes.is_empty(), "the stream ended after {} of {count} bytes", got.len());
                    got.extend(bytes);
                }
                Err(error) => {
                    assert_eq!(error, ErrorKind::WouldBlock, "after {} of {count} bytes", got.len());
                    self.await_told(host, Source::Link(link), |told| told.is_readable);
                }
            }
        }
        got
    }

    fn read_to_end(&mut self, host: usize, link: LinkId) -> Vec<u8> {
        let mut got = Vec::new();
        loop {
            match self.read(host, link, 10_000) {
                Ok(bytes) if bytes.is_empty() => return got,
                Ok(bytes) => got.extend(bytes),
                Err(error) => {
                    assert_eq!(error, ErrorKind::WouldBlock, "after {} bytes", got.len());
                    self.await_told(host, Source::Link(link), |told| told.is_readable);
                }
            }
        }
    }

    fn write(&mut self, host: usize, link: LinkId, bytes: &[u8]) -> Result<usize, ErrorKind> {
        self.on(host, |net| net.write(link, bytes)).map_err(|error| error.kind())
    }

    /// Writes until there is no room: `WouldBlock`, or a write that took less than was given if `stops_at_short`. Gives the bytes.
    fn fill(&mut self, host: usize, link: LinkId, stops_at_short: bool) -> usize {
        let mut total = 0;
        loop {
            // Each piece has another length, so that the room does not end with a piece by rule.
            self.pieces += 1;
            let piece = vec![7; 80_000 + 7 * self.pieces];
            match self.write(host, link, &piece) {
                Ok(count) => {
                    total += count;
                    if stops_at_short && count < piece.len() {
                        return total;
                    }
                }
                Err(error) => {
                    assert_eq!(error, ErrorKind::WouldBlock);
                    assert!(!stops_at_short, "a full buffer shows in a short write first");
                    break;
                }
            }
        }
        total
    }
}

fn kind<V: std::fmt::Debug>(result: io::Result<V>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn port_zero_becomes_a_real_port<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    assert_eq!(at.ip(), T::address(1));
    assert_ne!(at.port(), 0);
    assert_eq!(kind(bench.on(1, |net| net.listen(4, at))), Some(ErrorKind::AddrInUse));
    let foreign = SocketAddr::from(([203, 0, 113, 1], 0));
    assert_eq!(kind(bench.on(1, |net| net.listen(5, foreign))), Some(ErrorKind::AddrNotAvailable));
}

fn a_dial_is_accepted_and_comes_from_the_dialer<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.on(0, |net| net.dial(A, at, Some(T::address(0)))).expect("a dial begins");
    bench.await_told(0, Source::Link(A), |told| told.is_writable);
    assert!(bench.on(0, |net| net.dialed(A)).is_ok());
    let from = bench.accept(B);
    assert_eq!(from.ip(), T::address(0));
    assert_ne!(from, at);
    assert_eq!(kind(bench.on(1, |net| net.accept(LISTENER, LinkId::from_u64(9), &|_| true))), Some(ErrorKind::WouldBlock));
    let foreign = Some(IpAddr::from([203, 0, 113, 1]));
    let refused = bench.on(0, |net| net.dial(LinkId::from_u64(8), at, foreign));
    assert_eq!(kind(refused), Some(ErrorKind::AddrNotAvailable));
}

fn who_is_not_let_in_is_closed_and_no_link_is_made<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.dial(A, at);
    let asked = Cell::new(None);
    let refuse = |from| {
        asked.set(Some(from));
        false
    };
    while asked.get().is_none() {
        match bench.on(1, |net| net.accept(LISTENER, B, &refuse)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                bench.await_told(1, Source::Listener(LISTENER), |told| told.is_readable);
            }
            accepted => assert!(matches!(accepted, Ok(None)), "{accepted:?}"),
        }
    }
    assert_eq!(asked.get(), Some(T::address(0)));
    assert_eq!(bench.read(1, B, 64), Err(ErrorKind::NotConnected));
    assert_eq!(bench.read_to_end(0, A), b"");
}

fn an_empty_stream_would_block_and_then_tells<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    assert_eq!(bench.read(1, B, 64), Err(ErrorKind::WouldBlock));
    bench.forget(1, B);
    assert_eq!(bench.write(0, A, b"one"), Ok(3));
    bench.await_told(1, Source::Link(B), |told| told.is_readable);
    assert_eq!(bench.read_exactly(1, B, 3), b"one");
}

fn a_short_read_has_emptied_the_stream<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    for round in 0..20_u8 {
        assert_eq!(bench.write(0, A, &[round]), Ok(1));
        bench.await_told(1, Source::Link(B), |told| told.is_readable);
        // No read finds nothing in between: the short read alone must be enough to be told again.
        assert_eq!(bench.read(1, B, 64), Ok(vec![round]));
    }
}

fn what_arrives_before_the_accept_is_told<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.dial(A, at);
    assert_eq!(bench.write(0, A, b"early"), Ok(5));
    bench.on(0, |net| net.finish(A));
    bench.accept(B);
    assert_eq!(bench.read_to_end(1, B), b"early");
}

fn room_is_told_after_would_block<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    for _ in 0..3 {
        let count = bench.fill(0, A, false);
        bench.forget(0, A);
        bench.read_exactly(1, B, count);
        bench.await_told(0, Source::Link(A), |told| told.is_writable);
    }
}

fn room_is_told_after_a_short_write<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    for _ in 0..3 {
        let count = bench.fill(0, A, true);
        bench.forget(0, A);
        bench.read_exactly(1, B, count);
        bench.await_told(0, Source::Link(A), |told| told.is_writable);
    }
}

fn data_before_the_end_arrives_whole<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    let sent: Vec<u8> = (0..3_000_u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(bench.write(0, A, &sent), Ok(sent.len()));
    bench.on(0, |net| net.close(A));
    assert_eq!(bench.read_to_end(1, B), sent);
}

fn the_end_is_told_with_the_last_bytes_or_after_them<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    assert_eq!(bench.write(0, A, b"last"), Ok(4));
    bench.on(0, |net| net.finish(A));
    // The engine goes on reading after a short read only if it was told of the end.
    bench.await_told(1, Source::Link(B), |told| told.is_ended);
    assert_eq!(bench.read(1, B, 64), Ok(b"last".to_vec()));
    assert_eq!(bench.read(1, B, 64), Ok(vec![]));
    assert_eq!(bench.read(1, B, 64), Ok(vec![]), "the end stays");
}

fn a_finished_stream_still_reads<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    assert_eq!(bench.write(0, A, b"question"), Ok(8));
    bench.on(0, |net| net.finish(A));
    assert_eq!(bench.write(0, A, b"more"), Err(ErrorKind::BrokenPipe));
    assert_eq!(bench.read_to_end(1, B), b"question");
    assert_eq!(bench.write(1, B, b"answer"), Ok(6));
    bench.on(1, |net| net.close(B));
    assert_eq!(bench.read_to_end(0, A), b"answer");
}

fn a_reset_is_an_error<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    assert_eq!(bench.write(0, A, b"unread"), Ok(6));
    bench.await_told(1, Source::Link(B), |told| told.is_readable);
    bench.on(1, |net| net.close(B));
    bench.await_told(0, Source::Link(A), |told| told.is_ended);
    assert_eq!(bench.read(0, A, 64), Err(ErrorKind::ConnectionReset));
    let error = bench.write(0, A, b"x").expect_err("nobody is there");
    assert!(matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

fn what_arrived_before_a_reset_is_still_read<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    assert_eq!(bench.write(0, A, b"unread"), Ok(6));
    bench.await_told(1, Source::Link(B), |told| told.is_readable);
    assert_eq!(bench.write(1, B, b"!"), Ok(1));
    bench.await_told(0, Source::Link(A), |told| told.is_readable);
    bench.on(1, |net| net.close(B));
    bench.await_told(0, Source::Link(A), |told| told.is_ended);
    assert_eq!(bench.read_exactly(0, A, 1), b"!");
    assert_eq!(bench.read(0, A, 64), Err(ErrorKind::ConnectionReset));
}

fn writing_to_who_has_gone_fails_in_the_end<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    bench.on(1, |net| net.close(B));
    assert_eq!(bench.read_to_end(0, A), b"");
    assert_eq!(bench.write(0, A, b"first"), Ok(5), "it cannot know yet");
    bench.forget(0, A);
    bench.await_told(0, Source::Link(A), |told| told.is_ended);
    let error = bench.write(0, A, b"second").expect_err("now it knows");
    assert!(matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

fn a_dial_that_nobody_hears_is_refused<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.on(1, |net| net.unlisten(LISTENER));
    bench.begin_dial(A, at);
    bench.await_told(0, Source::Link(A), |told| told.is_writable || told.is_ended);
    assert_eq!(kind(bench.on(0, |net| net.dialed(A))), Some(ErrorKind::ConnectionRefused));
}

fn a_closed_link_is_forgotten<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    bench.on(0, |net| net.close(A));
    bench.on(0, |net| net.close(A));
    for link in [A, LinkId::from_u64(77)] {
        assert_eq!(bench.read(0, link, 8), Err(ErrorKind::NotConnected));
        assert_eq!(bench.write(0, link, b"x"), Err(ErrorKind::NotConnected));
        assert_eq!(kind(bench.on(0, |net| net.dialed(link))), Some(ErrorKind::NotConnected));
        bench.on(0, |net| net.finish(link));
    }
}

fn a_large_transfer_passes_small_buffers_both_ways<T: Transport>() {
    const COUNT: usize = 1_500_000;
    let mut bench = Bench::<T>::linked();
    let byte = |at: usize, salt: usize| ((at * 31 + salt) % 253) as u8;
    let sent: [Vec<u8>; 2] = [0, 1].map(|salt| (0..COUNT).map(|at| byte(at, salt)).collect());
    let ends = [(0, A), (1, B)];
    let (mut written, mut got) = ([0; 2], [Vec::new(), Vec::new()]);
    while got.iter().any(|got| got.len() < COUNT) {
        let mut has_moved = false;
        for (host, link) in ends {
            let rest = &sent[host][written[host]..];
            if let Ok(count) = bench.write(host, link, &rest[..rest.len().min(60_000)]) {
                written[host] += count;
                has_moved |= count > 0;
            }
            if let Ok(bytes) = bench.read(host, link, 50_000) {
                has_moved |= !bytes.is_empty();
                got[host].extend(bytes);
            }
        }
        if !has_moved {
            // Somebody must be told something, or the transfer stands still.
            assert!(bench.gather(0) | bench.gather(1), "{written:?} written, {:?} read", got.map(|got| got.len()));
        }
    }
    assert!(got[0] == sent[1] && got[1] == sent[0], "what arrived is what was sent");
}

fn many_wait_at_a_listener_and_all_are_accepted<T: Transport>() {
    const COUNT: u64 = 100;
    let (mut bench, at) = Bench::<T>::listening();
    for number in 0..COUNT {
        bench.dial(LinkId::from_u64(1_000 + number), at);
    }
    for number in 0..COUNT {
        bench.accept(LinkId::from_u64(5_000 + number));
    }
    // Found empty once, it tells of the next.
    assert_eq!(kind(bench.on(1, |net| net.accept(LISTENER, B, &|_| true))), Some(ErrorKind::WouldBlock));
    bench.told.clear();
    bench.begin_dial(A, at);
    bench.await_told(1, Source::Listener(LISTENER), |told| told.is_readable);
    bench.accept(B);
}

fn who_stops_listening_keeps_the_links<T: Transport>() {
    let mut bench = Bench::<T>::linked();
    bench.on(1, |net| net.unlisten(LISTENER));
    bench.on(1, |net| net.unlisten(LISTENER));
    assert_eq!(kind(bench.on(1, |net| net.accept(LISTENER, LinkId::from_u64(9), &|_| true))), Some(ErrorKind::WouldBlock));
    assert_eq!(bench.write(0, A, b"still"), Ok(5));
    assert_eq!(bench.read_exactly(1, B, 5), b"still");
}

fn who_waits_when_listening_stops_is_turned_away<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.dial(A, at);
    bench.await_told(1, Source::Listener(LISTENER), |told| told.is_readable);
    bench.on(1, |net| net.unlisten(LISTENER));
    bench.await_told(0, Source::Link(A), |told| told.is_ended);
    assert_eq!(bench.read(0, A, 8), Err(ErrorKind::ConnectionReset));
}

fn shedding_takes_one_and_ends_it<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.dial(A, at);
    bench.await_told(1, Source::Listener(LISTENER), |told| told.is_readable);
    assert!(bench.on(1, |net| net.shed(LISTENER)));
    assert!(!bench.on(1, |net| net.shed(LISTENER)), "none is left");
    bench.await_told(0, Source::Link(A), |told| told.is_ended);
}

fn who_dies_in_the_backlog_holds_nobody_up<T: Transport>() {
    let (mut bench, at) = Bench::<T>::listening();
    bench.dial(LinkId::from_u64(50), at);
    bench.on(0, |net| net.close(LinkId::from_u64(50)));
    bench.dial(A, at);
    let mut arrived = Vec::new();
    // Either the dead one is accepted and ends, or the transport has dropped it.
    for number in 60.. {
        match bench.on(1, |net| net.accept(LISTENER, LinkId::from_u64(number), &|_| true)) {
            Ok(_) => arrived.push(LinkId::from_u64(number)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => {}
        }
    }
    assert_eq!(bench.write(0, A, b"alive"), Ok(5));
    let last = *arrived.last().expect("the living one was accepted");
    assert_eq!(bench.read_exactly(1, last, 5), b"alive");
}

macro_rules! contract {
    ($($name:ident)+) => {
        mod tcp {
            $(#[test] fn $name() { super::$name::<super::Tcp>(); })+
        }
        mod memory {
            $(#[test] fn $name() { super::$name::<super::Memory<false>>(); })+
        }
        mod memory_in_rough_weather {
            $(#[test] fn $name() { super::$name::<super::Memory<true>>(); })+
        }
    };
}

contract! {
    port_zero_becomes_a_real_port
    a_dial_is_accepted_and_comes_from_the_dialer
    who_is_not_let_in_is_closed_and_no_link_is_made
    an_empty_stream_would_block_and_then_tells
    a_short_read_has_emptied_the_stream
    what_arrives_before_the_accept_is_told
    room_is_told_after_would_block
    room_is_told_after_a_short_write
    data_before_the_end_arrives_whole
    the_end_is_told_with_the_last_bytes_or_after_them
    a_finished_stream_still_reads
    a_reset_is_an_error
    what_arrived_before_a_reset_is_still_read
    writing_to_who_has_gone_fails_in_the_end
    a_dial_that_nobody_hears_is_refused
    a_closed_link_is_forgotten
    a_large_transfer_passes_small_buffers_both_ways
    many_wait_at_a_listener_and_all_are_accepted
    who_stops_listening_keeps_the_links
    who_waits_when_listening_stops_is_turned_away
    shedding_takes_one_and_ends_it
    who_dies_in_the_backlog_holds_nobody_up
}
