//! A network in memory: hosts with addresses, streams between them with latency, rate and bounded buffers, and what can go wrong with
//! them: nobody listens, resets, partitions, hosts that go dark. Time is moved by whoever owns it. `port.rs` shows it to an engine as a
//! `reactor::net::Net`; `world.rs` moves it, and tests may do so too.
//!
//! It behaves like TCP where TCP promises something and like its worst day where not: pieces are cut anywhere, readiness is told once per
//! change and only to who ran out, a reset overtakes what has not left yet.

use super::agenda::Agenda;
use super::pipe::{Way, Weather};
use super::port::Port;
use super::streams::{EndId, Happening, Phase, Stream};
use super::trace::{Event, Trace, What};
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::reactor::net::Ready;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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

#[derive(Debug, Default)]
pub(super) struct Station {
    pub addresses: Vec<IpAddr>,
    pub is_dark: bool,
    /// Nobody can dial it.
    pub has_nat: bool,
    pub listeners: BTreeMap<u32, Listener>,
    pub ends: BTreeMap<LinkId, EndId>,
    pub ready: Vec<Ready>,
    pub next_port: u16,
    /// Streams that it may have at once.
    pub sockets_max: usize,
}

impl Station {
    fn new(addresses: &[IpAddr]) -> Station {
        Station { addresses: addresses.to_vec(), next_port: PORTS, sockets_max: usize::MAX, ..Station::default() }
    }
}

#[derive(Debug)]
pub(super) struct Listener {
    pub at: SocketAddr,
    pub backlog: VecDeque<u64>,
    /// Somebody found it empty: the next arrival is told.
    pub is_asked: bool,
}

/// A network in memory.
#[derive(Debug)]
pub struct Network {
    pub(super) now: Time,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) stations: Vec<Station>,
    by_address: BTreeMap<IpAddr, HostId>,
    pub(super) latencies: BTreeMap<(HostId, HostId), Duration>,
    pub(super) streams: BTreeMap<u64, Stream>,
    pub(super) streams_made: u64,
    agenda: Agenda<Happening>,
    /// Ways of which it was said whether something passes; of the others `is_all_cut` says it.
    pub(super) cuts: BTreeMap<(HostId, HostId), bool>,
    /// Nothing passes between any two hosts.
    pub(super) is_all_cut: bool,
    /// Ways that are not as the weather, and how all others are, if they are not either.
    pub(super) ways: BTreeMap<(HostId, HostId), Way>,
    pub(super) way_of_others: Option<Way>,
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
            agenda: Agenda::default(),
            cuts: BTreeMap::new(),
            is_all_cut: false,
            ways: BTreeMap::new(),
            way_of_others: None,
            trace: Trace::default(),
            touched: Vec::new(),
        }
    }

    /// Adds a host. An address that another host has stays that one's. `None` if there are 65,536 already.
    pub fn add(&mut self, addresses: &[IpAddr]) -> Option<HostId> {
        let host = HostId(u16::try_from(self.stations.len()).ok()?);
        for address in addresses {
            self.by_address.entry(*address).or_insert(host);
        }
        self.stations.push(Station::new(addresses));
        Some(host)
    }

    /// A host has no address any more, until it is given some.
    pub(crate) fn take_addresses(&mut self, host: HostId) {
        for address in std::mem::take(&mut self.station(host).addresses) {
            if self.by_address.get(&address) == Some(&host) {
                self.by_address.remove(&address);
            }
        }
    }

    /// Forgets a host that nobody uses any more: there is a new one with its id, without addresses, and all ways to it are as to others. False
    /// while a stream remembers it.
    pub(crate) fn renew(&mut self, host: HostId) -> bool {
        if self.streams.values().any(|stream| stream.ends.iter().any(|end| end.host == host)) {
            return false;
        }
        *self.station(host) = Station::new(&[]);
        let is_another = |(from, to): &(HostId, HostId)| *from != host && *to != host;
        self.by_address.retain(|_, owner| *owner != host);
        self.latencies.retain(|pair, _| is_another(pair));
        self.ways.retain(|pair, _| is_another(pair));
        self.cuts.retain(|pair, _| is_another(pair));
        true
    }

    /// An address is this host's from now on, and no other's.
    pub(crate) fn give(&mut self, host: HostId, address: IpAddr) {
        let before = self.by_address.insert(address, host);
        if before == Some(host) {
            return;
        }
        if let Some(before) = before {
            self.station(before).addresses.retain(|has| *has != address);
        }
        self.station(host).addresses.push(address);
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

    /// Whether a host is behind a box that lets nobody in: what comes unasked is lost.
    pub fn set_nat(&mut self, host: HostId, has_nat: bool) {
        self.station(host).has_nat = has_nat;
    }

    /// A host has another address from now on, if nobody else has it, and listens there. What it had at the old ones is dead, and nobody
    /// is told.
    pub fn readdress(&mut self, host: HostId, to: IpAddr) {
        self.note(host, What::Moved, LinkId::NONE, 0);
        let station = self.station(host);
        let old = std::mem::replace(&mut station.addresses, vec![to]);
        let named = station.listeners.values_mut().filter(|listener| !listener.at.ip().is_unspecified());
        named.for_each(|listener| listener.at.set_ip(to));
        let streams: Vec<u64> = station.ends.values().map(|(number, _)| *number).collect();
        for number in streams {
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.is_severed = true;
            }
        }
        self.by_address.retain(|address, owner| *owner != host || !old.contains(address));
        self.by_address.entry(to).or_insert(host);
    }

    /// Nothing passes from one host to the other any more; call it for both ways to part them. Streams outlive a short cut.
    pub fn cut(&mut self, from: HostId, to: HostId) {
        self.cuts.insert((from, to), true);
    }

    /// Undoes `cut`, and `cut_all` for these two: what waited is sent again.
    pub fn heal(&mut self, from: HostId, to: HostId) {
        if self.is_all_cut {
            self.cuts.insert((from, to), false);
        } else {
            self.cuts.remove(&(from, to));
        }
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
        self.agenda.next_at()
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
        let Some((at, happening)) = self.agenda.take() else { return false };
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
    pub(crate) fn take_touched(&mut self) -> Option<HostId> {
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

    pub(super) fn schedule(&mut self, at: Time, happening: Happening) {
        self.agenda.put(at, happening);
    }

    pub(super) fn is_cut(&self, from: HostId, to: HostId) -> bool {
        let is_dark = |host: HostId| self.stations[usize::from(host.0)].is_dark;
        is_dark(from) || is_dark(to) || self.cuts.get(&(from, to)).copied().unwrap_or(self.is_all_cut && from != to)
    }

    pub(super) fn make_ready(&mut self, host: HostId, ready: Ready) {
        let waiting = &mut self.station(host).ready;
        waiting.push(ready);
        if waiting.len() == 1 {
            self.touched.push(host);
        }
    }
}
