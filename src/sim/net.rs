//! A network in memory: hosts with addresses, streams between them with latency, rate and bounded buffers, and what can go wrong with
//! them: nobody listens, resets, partitions, hosts that go dark. Time is moved by whoever owns it. `port.rs` shows it to an engine as a
//! `reactor::net::Net`; `world.rs` moves it, and tests may do so too.
//!
//! It behaves like TCP where TCP promises something and like its worst day where not: pieces are cut anywhere, readiness is told once per
//! change and only to who ran out, a reset overtakes what has not left yet.

use super::pipe::{Freight, Pipe, Weather};
use super::port::Port;
use super::trace::{Event, Trace, What};
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::reactor::net::{Ready, Source};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes that nobody acknowledges for so long end the stream (as `reactor::mio_net` asks the kernel to).
const GIVE_UP: Duration = Duration::from_secs(30);
/// A first packet without an answer is sent again after so long, then after twice as long, and so on (RFC 6298).
const KNOCK_AGAIN: Duration = Duration::from_secs(1);
/// After so many first packets a dial fails.
const KNOCKS_MAX: u32 = 7;
/// Connections that wait at a listener.
const BACKLOG: usize = 1_024;
/// From a host to itself.
const LOOPBACK: Duration = Duration::from_micros(20);
/// The first port of dials.
pub(super) const PORTS: u16 = 32_768;

/// One host of a simulated network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(super) u16);

impl HostId {
    /// Its place in the order in which hosts were added.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

/// Number of a stream and of one of its ends: 0 dialed, 1 accepted.
pub(super) type EndId = (u64, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The first packet of a dial arrives; so many were sent before.
    Knock(u64, u32),
    /// Its answer arrives at the dialer: somebody listens, or not.
    Answer(u64, bool),
    /// Something arrives at an end.
    Deliver(EndId),
    /// An end hears that so many bytes were read.
    Room(EndId, usize),
    /// What an end has sent since then was never acknowledged.
    GiveUp(EndId, Time),
}

#[derive(Debug, Default)]
pub(super) struct Station {
    pub addresses: Vec<IpAddr>,
    pub is_dark: bool,
    pub listeners: BTreeMap<u32, Listener>,
    pub ends: BTreeMap<LinkId, EndId>,
    pub ready: Vec<Ready>,
    pub next_port: u16,
    /// Streams that it may have at once.
    pub sockets_max: usize,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub at: SocketAddr,
    pub backlog: VecDeque<u64>,
    /// Somebody found it empty: the next arrival is told.
    pub is_asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Dialing,
    Open,
    /// The application has let go of it, or its host has.
    Gone,
}

#[derive(Debug)]
pub(super) struct End {
    pub host: HostId,
    pub at: SocketAddr,
    /// None until it is accepted.
    pub link: Option<LinkId>,
    pub phase: Phase,
    pub error: Option<ErrorKind>,
    /// It will write no more.
    pub is_finished: bool,
    /// The other end will write no more.
    pub is_ended: bool,
    /// Somebody found nothing to read, or no room: the next change is told.
    pub is_read_asked: bool,
    pub is_write_asked: bool,
}

impl End {
    fn new(host: HostId, at: SocketAddr, link: Option<LinkId>, phase: Phase) -> End {
        let (error, is_finished, is_ended, is_read_asked, is_write_asked) = (None, false, false, true, true);
        End { host, at, link, phase, error, is_finished, is_ended, is_read_asked, is_write_asked }
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    pub ends: [End; 2],
    /// `pipes[i]` carries what end `i` writes.
    pub pipes: [Pipe; 2],
}

/// A network in memory.
#[derive(Debug)]
pub struct Network {
    now: Time,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) stations: Vec<Station>,
    by_address: BTreeMap<IpAddr, HostId>,
    latencies: BTreeMap<(HostId, HostId), Duration>,
    pub(super) streams: BTreeMap<u64, Stream>,
    streams_made: u64,
    happenings: BinaryHeap<Reverse<(Time, u64, Happening)>>,
    sequence: u64,
    /// Ways that nothing passes.
    cuts: BTreeSet<(HostId, HostId)>,
    trace: Trace,
    /// Hosts with something ready, if nobody was told of them.
    touched: Vec<HostId>,
}

impl Network {
    /// An empty network at time zero.
    pub fn new(seed: u64, weather: Weather) -> Network {
        Network {
            now: Time::ZERO,
            rng: Rng::from_seed(seed).fork("network"),
            weather,
            stations: Vec::new(),
            by_address: BTreeMap::new(),
            latencies: BTreeMap::new(),
            streams: BTreeMap::new(),
            streams_made: 0,
            happenings: BinaryHeap::new(),
            sequence: 0,
            cuts: BTreeSet::new(),
            trace: Trace::default(),
            touched: Vec::new(),
        }
    }

    /// Adds a host. An address that another host has stays that one's.
    pub fn add(&mut self, addresses: &[IpAddr]) -> HostId {
        let host = HostId(u16::try_from(self.stations.len()).expect("a simulated network has fewer than 65,536 hosts"));
        for address in addresses {
            self.by_address.entry(*address).or_insert(host);
        }
        let (addresses, next_port, sockets_max) = (addresses.to_vec(), PORTS, usize::MAX);
        self.stations.push(Station { addresses, next_port, sockets_max, ..Station::default() });
        host
    }

    /// The network as one host sees it.
    pub fn port(&mut self, host: HostId) -> Port<'_> {
        Port { network: self, host }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// The host that has an address.
    pub fn host_at(&self, address: IpAddr) -> Option<HostId> {
        self.by_address.get(&address).copied()
    }

    /// What has happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Streams that begin from now on behave like this.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        self.latencies.clear();
    }

    /// Streams that a host may have at once; above it, it is out of descriptors.
    pub fn set_sockets_max(&mut self, host: HostId, sockets_max: usize) {
        self.station(host).sockets_max = sockets_max;
    }

    /// Nothing passes from one host to the other any more; call it for both ways to part them. Streams outlive a short cut.
    pub fn cut(&mut self, from: HostId, to: HostId) {
        self.cuts.insert((from, to));
    }

    /// Undoes `cut`: what waited is sent again.
    pub fn heal(&mut self, from: HostId, to: HostId) {
        self.cuts.remove(&(from, to));
        self.resume();
    }

    /// The program of a host dies; its system closes what it had, and refuses what comes.
    pub fn crash(&mut self, host: HostId) {
        self.note(host, What::Crashed, LinkId::NONE, 0);
        let station = self.station(host);
        let listeners: Vec<u32> = station.listeners.keys().copied().collect();
        let links: Vec<LinkId> = station.ends.keys().copied().collect();
        let mut port = self.port(host);
        listeners.into_iter().for_each(|listener| port.stop_listening(listener));
        links.into_iter().for_each(|link| port.let_go(link));
        self.station(host).ready.clear();
    }

    /// A host loses power or its cable: nothing it had is closed, nothing that is sent to it is answered.
    pub fn go_dark(&mut self, host: HostId) {
        self.note(host, What::WentDark, LinkId::NONE, 0);
        let station = self.station(host);
        station.is_dark = true;
        station.ready.clear();
        station.listeners.clear();
        for (number, side) in std::mem::take(&mut station.ends).into_values() {
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.ends[side].phase = Phase::Gone;
                stream.pipes[side].clear();
                stream.pipes[1 - side].arrived.clear();
            }
            self.tidy(number);
        }
    }

    /// A host that went dark is there again. It knows nothing of its streams: who still uses one gets a reset.
    pub fn come_back(&mut self, host: HostId) {
        self.note(host, What::CameBack, LinkId::NONE, 0);
        self.station(host).is_dark = false;
        self.resume();
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Time> {
        self.happenings.peek().map(|Reverse((at, ..))| *at)
    }

    /// Moves time to `to`, and lets happen what happens until then.
    pub fn advance(&mut self, to: Time) {
        while self.next_at().is_some_and(|at| at <= to) {
            self.step();
        }
        self.now = self.now.max(to);
    }

    /// Lets the next thing happen, at its time. False if nothing is left.
    pub fn step(&mut self) -> bool {
        let Some(Reverse((at, _, happening))) = self.happenings.pop() else { return false };
        self.now = self.now.max(at);
        match happening {
            Happening::Knock(stream, before) => self.knock(stream, before),
            Happening::Answer(stream, is_heard) => self.answer(stream, is_heard),
            Happening::Deliver(end) => self.deliver(end),
            Happening::Room(end, bytes) => self.make_room(end, bytes),
            Happening::GiveUp(end, since) => self.give_up(end, since),
        }
        true
    }

    /// True if something became ready for a host and was not taken.
    pub fn has_ready(&self, host: HostId) -> bool {
        self.stations.get(usize::from(host.0)).is_some_and(|station| !station.ready.is_empty())
    }

    /// A host for which something became ready since it was asked for last.
    pub(super) fn take_touched(&mut self) -> Option<HostId> {
        self.touched.pop()
    }

    /// Streams that a host has.
    pub fn sockets(&self, host: HostId) -> usize {
        self.stations.get(usize::from(host.0)).map_or(0, |station| station.ends.len())
    }

    /// Appends what became ready for a host.
    pub fn take_ready(&mut self, host: HostId, into: &mut Vec<Ready>) {
        into.append(&mut self.station(host).ready);
    }

    /// Adds to the trace.
    pub fn note(&mut self, host: HostId, what: What, link: LinkId, size: u64) {
        self.trace.note(Event { at: self.now, host, what, link, size });
    }

    pub(super) fn station(&mut self, host: HostId) -> &mut Station {
        self.stations.get_mut(usize::from(host.0)).expect("a host id comes from `add` of the same network")
    }

    /// Begins a dial and gives the number of its stream.
    pub(super) fn begin(&mut self, host: HostId, link: LinkId, from: SocketAddr, to: SocketAddr) -> u64 {
        let other = self.host_at(to.ip());
        let latency = self.latency(host, other.unwrap_or(host));
        self.streams_made += 1;
        let number = self.streams_made;
        let dialer = End::new(host, from, Some(link), Phase::Dialing);
        // Until somebody accepts it, the other end is nobody's. An address without a host never answers.
        let accepter = End::new(other.unwrap_or(host), to, None, Phase::Gone);
        let pipes = [Pipe::new(latency, &self.weather), Pipe::new(latency, &self.weather)];
        self.streams.insert(number, Stream { ends: [dialer, accepter], pipes });
        if other.is_some() {
            self.schedule(self.now + latency, Happening::Knock(number, 0));
        }
        number
    }

    fn latency(&mut self, one: HostId, other: HostId) -> Duration {
        if one == other {
            return LOOPBACK;
        }
        let Network { latencies, weather, rng, .. } = self;
        *latencies.entry((one.min(other), one.max(other))).or_insert_with(|| weather.latency(rng))
    }

    fn schedule(&mut self, at: Time, happening: Happening) {
        self.sequence += 1;
        self.happenings.push(Reverse((at, self.sequence, happening)));
    }

    /// Something of `end`'s is on its way to the other end, and arrives at these moments.
    pub(super) fn send(&mut self, (stream, side): EndId, arrivals: impl IntoIterator<Item = Time>) {
        for at in arrivals {
            self.schedule(at, Happening::Deliver((stream, 1 - side)));
        }
    }

    /// The other end of `end` may write so many bytes more, once it hears of it.
    pub(super) fn acknowledge(&mut self, (stream, side): EndId, bytes: usize) {
        let Some(latency) = self.streams.get(&stream).map(|stream| stream.pipes[side].latency) else { return };
        self.schedule(self.now + latency, Happening::Room((stream, 1 - side), bytes));
    }

    fn is_cut(&self, from: HostId, to: HostId) -> bool {
        let is_dark = |host: HostId| self.stations[usize::from(host.0)].is_dark;
        is_dark(from) || is_dark(to) || self.cuts.contains(&(from, to))
    }

    /// Tells a change to who has `end`, if it was accepted.
    pub(super) fn tell(&mut self, (stream, side): EndId, is_readable: bool, is_writable: bool) {
        let Some(end) = self.streams.get_mut(&stream).map(|stream| &mut stream.ends[side]) else { return };
        let Some(link) = end.link.filter(|_| end.phase != Phase::Gone) else { return };
        end.is_read_asked &= !is_readable;
        end.is_write_asked &= !is_writable;
        let is_ended = end.is_ended || end.error.is_some();
        let ready = Ready { source: Source::Link(link), is_readable, is_writable, is_ended };
        let host = end.host;
        self.make_ready(host, ready);
    }

    fn make_ready(&mut self, host: HostId, ready: Ready) {
        let waiting = &mut self.station(host).ready;
        waiting.push(ready);
        if waiting.len() == 1 {
            self.touched.push(host);
        }
    }

    fn knock(&mut self, number: u64, before: u32) {
        let Some(stream) = self.streams.get(&number) else { return };
        let [dialer, accepter] = &stream.ends;
        let (from, host, at, latency) = (dialer.host, accepter.host, accepter.at, stream.pipes[0].latency);
        let listens = |listener: &Listener| {
            listener.at.port() == at.port() && (listener.at.ip().is_unspecified() || listener.at.ip() == at.ip())
        };
        let is_cut = self.is_cut(from, host);
        let listener = self.station(host).listeners.iter_mut().find(|(_, listener)| listens(listener));
        if is_cut || listener.as_ref().is_some_and(|(_, listener)| listener.backlog.len() >= BACKLOG) {
            return self.knock_again(number, before);
        }
        let Some((listener, waiting)) = listener.map(|(number, listener)| (*number, listener)) else {
            self.note(host, What::Refused, LinkId::NONE, number);
            return self.schedule(self.now + latency, Happening::Answer(number, false));
        };
        waiting.backlog.push_back(number);
        if std::mem::take(&mut waiting.is_asked) {
            let ready = Ready { source: Source::Listener(listener), is_readable: true, is_writable: false, is_ended: false };
            self.make_ready(host, ready);
        }
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.ends[1].phase = Phase::Open;
        }
        self.note(host, What::Knocked, LinkId::NONE, number);
        self.schedule(self.now + latency, Happening::Answer(number, true));
    }

    fn knock_again(&mut self, number: u64, before: u32) {
        if before + 1 == KNOCKS_MAX {
            return self.fail((number, 0), ErrorKind::TimedOut);
        }
        let at = self.now + KNOCK_AGAIN.saturating_mul(1 << before);
        self.schedule(at, Happening::Knock(number, before + 1));
    }

    fn answer(&mut self, number: u64, is_heard: bool) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let [dialer, accepter] = &stream.ends;
        let (host, link, from) = (dialer.host, dialer.link.unwrap_or_default(), accepter.host);
        if self.is_cut(from, host) {
            // The answer is lost; it comes again when the way is free.
            return self.schedule(self.now + KNOCK_AGAIN, Happening::Answer(number, is_heard));
        }
        let Some(stream) = self.streams.get_mut(&number) else { return };
        match (stream.ends[0].phase, is_heard) {
            (Phase::Dialing, true) => {
                stream.ends[0].phase = Phase::Open;
                self.note(host, What::Connected, link, number);
                self.tell((number, 0), false, true);
            }
            (Phase::Dialing, false) => self.fail((number, 0), ErrorKind::ConnectionRefused),
            // The dialer has let go of it meanwhile.
            (Phase::Gone, true) => self.reset((number, 0)),
            (Phase::Gone | Phase::Open, _) => self.tidy(number),
        }
    }

    fn deliver(&mut self, (number, side): EndId) {
        let now = self.now;
        let Some(stream) = self.streams.get(&number) else { return };
        if self.is_cut(stream.ends[1 - side].host, stream.ends[side].host) {
            return self.block((number, 1 - side));
        }
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let Some(freight) = stream.pipes[1 - side].deliver(now) else { return };
        let (end, pipe) = (&mut stream.ends[side], &mut stream.pipes[1 - side]);
        let (host, link) = (end.host, end.link.unwrap_or_default());
        match freight {
            // Nobody is there: who sends must hear of it.
            Freight::Bytes(_) if end.phase == Phase::Gone || end.error.is_some() => self.reset((number, side)),
            Freight::Bytes(bytes) => {
                pipe.arrived.extend(&bytes);
                let is_asked = end.is_read_asked;
                self.note(host, What::Arrived, link, bytes.len() as u64);
                if is_asked {
                    self.tell((number, side), true, false);
                }
            }
            Freight::End => {
                end.is_ended = true;
                self.note(host, What::Ended, link, 0);
                self.tell((number, side), true, false);
            }
            Freight::Reset => self.fail((number, side), ErrorKind::ConnectionReset),
        }
        self.tidy(number);
    }

    fn make_room(&mut self, (number, side): EndId, bytes: usize) {
        let Some(stream) = self.streams.get(&number) else { return };
        if self.is_cut(stream.ends[1 - side].host, stream.ends[side].host) {
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.pipes[side].room_held += bytes;
            }
            return self.block((number, side));
        }
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let (end, pipe) = (&stream.ends[side], &mut stream.pipes[side]);
        pipe.room += bytes;
        // Like a kernel, it waits until a third is free: or writers would be woken for crumbs.
        if end.is_write_asked && end.phase == Phase::Open && pipe.room >= pipe.capacity.div_ceil(3) {
            let (host, link, room) = (end.host, end.link.unwrap_or_default(), pipe.room as u64);
            self.note(host, What::Room, link, room);
            self.tell((number, side), false, true);
        }
    }

    /// What `end` has sent does not get through.
    fn block(&mut self, (number, side): EndId) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if stream.pipes[side].blocked_since.is_none() {
            stream.pipes[side].blocked_since = Some(now);
            self.schedule(now + GIVE_UP, Happening::GiveUp((number, side), now));
        }
    }

    /// Ways are free again: whatever waited on them is sent again.
    fn resume(&mut self) {
        let blocked = |(number, stream): (&u64, &Stream)| {
            let number = *number;
            let is_blocked = |side: &usize| stream.pipes[*side].blocked_since.is_some();
            (0..2).filter(is_blocked).map(move |side| (number, side)).collect::<Vec<_>>()
        };
        let ends: Vec<EndId> = self.streams.iter().flat_map(blocked).collect();
        for (number, side) in ends {
            let Some(stream) = self.streams.get(&number) else { continue };
            let (from, to) = (stream.ends[side].host, stream.ends[1 - side].host);
            if self.is_cut(from, to) || self.is_cut(to, from) {
                continue;
            }
            let now = self.now;
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            let pipe = &mut stream.pipes[side];
            let (pieces, room, at) = (pipe.pieces(), std::mem::take(&mut pipe.room_held), now + pipe.latency);
            let arrival = pipe.resume(now);
            self.send((number, side), arrival.into_iter().flat_map(|at| std::iter::repeat_n(at, pieces)));
            if room > 0 {
                self.schedule(at, Happening::Room((number, side), room));
            }
        }
    }

    fn give_up(&mut self, (number, side): EndId, since: Time) {
        let is_blocked = |stream: &Stream| stream.pipes[side].blocked_since == Some(since);
        if self.streams.get(&number).is_some_and(is_blocked) {
            self.fail((number, side), ErrorKind::TimedOut);
        }
    }

    /// The stream is void for one end; the other hears nothing by this.
    pub(super) fn fail(&mut self, (number, side): EndId, error: ErrorKind) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let (end, pipes) = (&mut stream.ends[side], &mut stream.pipes);
        if end.error.is_none() {
            end.error = Some(error);
            let (host, link) = (end.host, end.link.unwrap_or_default());
            pipes.iter_mut().for_each(Pipe::clear);
            let what = if error == ErrorKind::TimedOut { What::TimedOut } else { What::Reset };
            self.note(host, what, link, 0);
            self.tell((number, side), true, true);
        }
        self.tidy(number);
    }

    /// Makes the stream void for the other end of `end`.
    pub(super) fn reset(&mut self, (number, side): EndId) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let at = stream.pipes[side].reset(now);
        self.send((number, side), [at]);
    }

    /// Forgets a stream that nobody has any more.
    pub(super) fn tidy(&mut self, number: u64) {
        let is_over = |end: &End| end.phase == Phase::Gone || end.error.is_some() && end.link.is_none();
        if self.streams.get(&number).is_some_and(|stream| stream.ends.iter().all(is_over)) {
            self.streams.remove(&number);
        }
    }
}
