//! A small world for the machines' tests: nodes of pools and workers, joined by streams that carry whole handshake messages. No
//! sockets, no sessions, no threads; the order of events is either by time or whatever the test chooses.

use super::exchange::Exchange;
use super::machine::Machine;
use super::maintenance::Maintenance;
use super::welcome::Welcome;
use super::word::Said;
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::bus::command::Command;
use crate::bus::outbox::{Notice, Outbox, Outcome};
use crate::bus::report::{Control, Report};
use crate::pool::policy::Policy;
use crate::pool::slots::Purpose;
use crate::pool::table::Pool;
use crate::settings::table::Settings;
use crate::wire::hello::Hello;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The defaults on a network of private addresses, without feelers at random times.
pub fn policy() -> Policy {
    let settings = Settings {
        discovery_bootstrap: true,
        network_allow_private: true,
        feeler_period: Duration::ZERO,
        ..Settings::new("test")
    };
    Policy::from(&settings.check().expect("the defaults are valid"))
}

pub fn peer(number: usize) -> PeerId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    PeerId::from_bytes(bytes)
}

/// The socket address of a node: each in a group of its own.
pub fn at(number: usize) -> SocketAddr {
    SocketAddr::from(([10, number as u8, 0, 1], 9_732))
}

pub fn hello_of(number: usize) -> Arc<Hello> {
    Arc::new(Hello { listen: vec![Address::of(at(number), None)], ..Hello::default() })
}

/// Milliseconds after the start.
pub fn ms(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

#[derive(Clone, Debug)]
enum Packet {
    Connect,
    Answer(PeerId),
    Hello(PeerId, Arc<Hello>),
    Ack(Arc<Hello>),
    Nack(CloseReason, Vec<Address>),
    Said { channel: ChannelId, kind: Kind, request: u32, body: Bytes },
    End(CloseReason),
    Cut,
}

#[derive(Clone, Debug)]
enum Event {
    Packet { wire: usize, side: usize, packet: Packet },
    Report { node: usize, report: Report },
}

pub struct Node {
    pub pool: Pool,
    pub welcome: Welcome,
    pub maintenance: Maintenance,
    pub exchange: Exchange,
    pub ids: LinkIds,
    pub hello: Arc<Hello>,
    pub is_alive: bool,
    /// Wire and side of each link that the reactor has.
    links: BTreeMap<LinkId, (usize, usize)>,
    nudges: (bool, bool),
    pub outcomes: Vec<Outcome>,
    pub notices: Vec<Notice>,
}

/// The two ends of a connection: node and link.
type Wire = [Option<(usize, LinkId)>; 2];

pub struct World {
    pub now: Time,
    pub nodes: Vec<Node>,
    wires: Vec<Wire>,
    events: BTreeMap<(Time, u64), Event>,
    sequence: u64,
    pub latency: Duration,
    /// Reports wait for their turn like packets, instead of being handled at once.
    pub has_slow_workers: bool,
}

impl World {
    pub fn new(nodes: usize, policy: impl Fn(usize) -> Policy, seeds: impl Fn(usize) -> Vec<Address>) -> World {
        let node = |number: usize| {
            let ids = LinkIds::default();
            let rng = Rng::from_seed(number as u64);
            let mut pool = Pool::new(peer(number), policy(number), ids.clone());
            pool.set_own_addresses(vec![Address::of(at(number), Some(peer(number)))]);
            Node {
                pool,
                welcome: Welcome::new(rng.fork("welcome")),
                maintenance: Maintenance::new(rng.fork("maintenance"), &[], &seeds(number)),
                exchange: Exchange::new(rng.fork("exchange")),
                ids,
                hello: hello_of(number),
                is_alive: true,
                links: BTreeMap::new(),
                nudges: (false, false),
                outcomes: Vec::new(),
                notices: Vec::new(),
            }
        };
        World {
            now: Time::ZERO,
            nodes: (0..nodes).map(node).collect(),
            wires: Vec::new(),
            events: BTreeMap::new(),
            sequence: 0,
            latency: Duration::from_millis(10),
            has_slow_workers: false,
        }
    }

    /// Node `from` dials node `to`, as its application may.
    pub fn dial(&mut self, from: usize, to: usize) -> LinkId {
        let now = self.now;
        let link = self.nodes[from].pool.claim_dial(now, at(to), None, Purpose::Asked { tag: Some(0) }).expect("may dial");
        self.command(from, Command::Dial { link, to: at(to), expect: None, tag: None });
        link
    }

    /// The node's process is gone: its connections are cut and nobody answers.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].is_alive = false;
        for (wire, side) in std::mem::take(&mut self.nodes[node].links).into_values() {
            self.send(wire, 1 - side, Packet::Cut);
        }
    }

    /// One end of a connection sees a reset, the other notices nothing.
    pub fn lose(&mut self, node: usize, link: LinkId) {
        if let Some((wire, side)) = self.nodes[node].links.get(&link).copied() {
            self.send(wire, side, Packet::Cut);
        }
    }

    /// Events that may come next: the first of each stream and of each worker's inbox.
    pub fn options(&self) -> Vec<(Time, u64)> {
        let mut seen = BTreeSet::new();
        let stream = |event: &Event| match event {
            Event::Packet { wire, side, .. } => (0, *wire, *side),
            Event::Report { node, .. } => (1, *node, 0),
        };
        self.events.iter().filter(|(_, event)| seen.insert(stream(event))).map(|(key, _)| *key).collect()
    }

    /// Lets one event happen.
    pub fn happen(&mut self, key: (Time, u64)) {
        let event = self.events.remove(&key).expect("one of the options");
        match event {
            Event::Packet { wire, side, packet } => self.arrive(wire, side, packet),
            Event::Report { node, report } => self.handle_report(node, report),
        }
    }

    /// Runs everything in the order of time, workers' deadlines and nudges included, until `end`.
    pub fn run_until(&mut self, end: Time) {
        loop {
            let event = self.events.keys().next().copied();
            let timer = self.nodes.iter().filter(|node| node.is_alive).filter_map(Node::deadline).min();
            let next = [event.map(|key| key.0), timer].into_iter().flatten().min().unwrap_or(end);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            match event.filter(|key| key.0 <= self.now) {
                Some(key) => self.happen(key),
                None if timer.is_none() => return,
                None => {}
            }
            for node in 0..self.nodes.len() {
                self.wake(node);
            }
        }
    }

    fn wake(&mut self, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[number];
        if !node.is_alive {
            return;
        }
        let is_due = |deadline: Option<Time>| deadline.is_some_and(|deadline| deadline <= now);
        let mut out = Outbox::default();
        let (maintain, exchange) = std::mem::take(&mut node.nudges);
        if is_due(node.welcome.deadline()) {
            node.welcome.wake(now, &mut node.pool, &mut out);
        }
        if maintain || is_due(node.maintenance.deadline()) {
            node.maintenance.wake(now, &mut node.pool, &mut out);
        }
        if exchange || is_due(node.exchange.deadline()) {
            node.exchange.wake(now, &mut node.pool, &mut out);
        }
        self.carry_out(number, out);
    }

    pub fn carry_out(&mut self, node: usize, out: Outbox) {
        let nudges = &mut self.nodes[node].nudges;
        *nudges = (nudges.0 || out.nudge_maintenance, nudges.1 || out.nudge_exchange);
        self.nodes[node].outcomes.extend(out.outcomes);
        self.nodes[node].notices.extend(out.notices);
        for command in out.commands {
            self.command(node, command);
        }
    }

    fn command(&mut self, node: usize, command: Command) {
        match command {
            Command::Dial { link, to, .. } => {
                let target = (0..self.nodes.len()).find(|other| at(*other) == to && self.nodes[*other].is_alive);
                let Some(_) = target else {
                    let reason = CloseReason::ConnectionRefused;
                    let report = Report::Closed { link, reason, told: None, alternatives: Vec::new() };
                    self.schedule(self.now + self.latency, Event::Report { node, report });
                    return;
                };
                let wire = self.wires.len();
                self.wires.push([Some((node, link)), target.map(|other| (other, LinkId::NONE))]);
                self.nodes[node].links.insert(link, (wire, 0));
                self.send(wire, 1, Packet::Connect);
            }
            Command::Greet { link } => {
                let own = self.nodes[node].pool.own();
                self.send_of(node, link, Packet::Answer(own));
            }
            Command::Judge { link, verdict } => self.judge(node, link, verdict),
            Command::Say { link, channel, kind, request, body } => {
                self.send_of(node, link, Packet::Said { channel, kind, request, body });
            }
            Command::Close { link, reason } => self.end(node, link, reason, Packet::End(reason)),
            Command::SetRates { .. } | Command::SetLinkRates { .. } | Command::SetWeight { .. } => {}
            Command::Cancel { .. } | Command::Withdraw { .. } | Command::Inspect { .. } | Command::Flush { .. } => {}
            Command::Listen { .. } | Command::Unlisten { .. } | Command::StopListening | Command::Drain { .. } => {}
        }
    }

    fn judge(&mut self, node: usize, link: LinkId, verdict: Verdict) {
        let Some((_, side)) = self.nodes[node].links.get(&link).copied() else { return };
        let (own, hello) = (self.nodes[node].pool.own(), Arc::clone(&self.nodes[node].hello));
        match verdict {
            Verdict::Proceed => self.send_of(node, link, Packet::Hello(own, hello)),
            Verdict::Admit => {
                if side == 1 {
                    self.send_of(node, link, Packet::Ack(hello));
                }
                self.report(node, Report::Opened { link });
            }
            // Before the initiator has shown itself nothing is said; the responder's nack carries alternatives.
            Verdict::Refuse { motive, alternatives } if side == 1 => {
                self.end(node, link, motive, Packet::Nack(motive, alternatives));
            }
            Verdict::Refuse { motive, .. } => self.end(node, link, motive, Packet::Cut),
        }
    }

    /// Ends a link from this side.
    fn end(&mut self, node: usize, link: LinkId, reason: CloseReason, last: Packet) {
        if !self.nodes[node].links.contains_key(&link) {
            return;
        }
        self.send_of(node, link, last);
        self.nodes[node].links.remove(&link);
        self.report(node, Report::Closed { link, reason, told: None, alternatives: Vec::new() });
    }

    fn arrive(&mut self, wire: usize, side: usize, packet: Packet) {
        let Some((node, link)) = self.wires[wire][side] else { return };
        if !self.nodes[node].is_alive {
            return self.send(wire, 1 - side, Packet::Cut);
        }
        if let Packet::Connect = packet {
            let link = self.nodes[node].ids.next();
            let from = self.wires[wire][0].map(|(dialer, _)| dialer).expect("a wire has a dialer");
            self.wires[wire][1] = Some((node, link));
            self.nodes[node].links.insert(link, (wire, side));
            // Who dials comes from a port of its own.
            let from = SocketAddr::new(at(from).ip(), 40_000 + (wire % 20_000) as u16);
            return self.report(node, Report::Arrived { link, from });
        }
        if !self.nodes[node].links.contains_key(&link) {
            return;
        }
        let other = self.wires[wire][1 - side].map(|(other, _)| other).expect("both ends are known");
        let remote = at(other);
        let introduced = |peer, direction, hello| Report::Introduced { link, peer, direction, remote, hello, observed: None };
        match packet {
            Packet::Connect => {}
            Packet::Answer(peer) => self.report(node, Report::Recognised { link, peer, is_claim: false }),
            Packet::Hello(peer, hello) => self.report(node, introduced(peer, Direction::Inbound, hello)),
            Packet::Ack(hello) => self.report(node, introduced(peer(other), Direction::Outbound, hello)),
            Packet::Nack(motive, alternatives) => self.gone(node, link, CloseReason::Nacked, Some(motive), alternatives),
            Packet::End(reason) => self.gone(node, link, CloseReason::Goodbye, Some(reason), Vec::new()),
            Packet::Cut => self.gone(node, link, CloseReason::Reset, None, Vec::new()),
            Packet::Said { channel, kind, request, body } => {
                let now = self.now;
                let mut out = Outbox::default();
                let host = &mut self.nodes[node];
                let control = Control { link, peer: peer(other), channel, kind, request, body };
                host.exchange.handle(now, Said::decode(control).into(), &mut host.pool, &mut out);
                self.carry_out(node, out);
            }
        }
    }

    fn gone(&mut self, node: usize, link: LinkId, reason: CloseReason, told: Option<CloseReason>, alternatives: Vec<Address>) {
        self.nodes[node].links.remove(&link);
        self.report(node, Report::Closed { link, reason, told, alternatives });
    }

    fn report(&mut self, node: usize, report: Report) {
        if self.has_slow_workers {
            self.schedule(self.now, Event::Report { node, report });
        } else {
            self.handle_report(node, report);
        }
    }

    fn handle_report(&mut self, number: usize, report: Report) {
        let now = self.now;
        let node = &mut self.nodes[number];
        if !node.is_alive {
            return;
        }
        let mut out = Outbox::default();
        node.welcome.handle(now, report.into(), &mut node.pool, &mut out);
        self.carry_out(number, out);
    }

    fn send_of(&mut self, node: usize, link: LinkId, packet: Packet) {
        if let Some((wire, side)) = self.nodes[node].links.get(&link).copied() {
            self.send(wire, 1 - side, packet);
        }
    }

    fn send(&mut self, wire: usize, side: usize, packet: Packet) {
        self.schedule(self.now + self.latency, Event::Packet { wire, side, packet });
    }

    fn schedule(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.events.insert((at, self.sequence), event);
    }

    /// The wires that both nodes have open with each other, as each of them sees it.
    pub fn open_wires(&self, one: usize, other: usize) -> [Vec<usize>; 2] {
        let wires = |node: usize, with: usize| {
            let node = &self.nodes[node];
            let open = node.pool.peers(Time::ZERO).into_iter().filter(|info| info.id == peer(with));
            open.map(|info| node.links.get(&info.link).map_or(usize::MAX, |end| end.0)).collect()
        };
        [wires(one, other), wires(other, one)]
    }
}

impl Node {
    fn deadline(&self) -> Option<Time> {
        let nudged = (self.nudges.0 || self.nudges.1).then_some(Time::ZERO);
        let deadlines = [nudged, self.welcome.deadline(), self.maintenance.deadline(), self.exchange.deadline()];
        deadlines.into_iter().flatten().min()
    }
}
