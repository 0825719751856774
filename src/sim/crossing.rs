//! Two nodes that dial each other at the same time, in every order that chance finds: production pools and welcome workers, joined by streams
//! that carry whole handshake messages. Reports, orders and messages wait for their turn as they do in a node; streams break, are cut in
//! silence or are hung up at any moment. No bytes, no sessions, no other worker. Tests play it over many seeds.

use crate::base::address::Address;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::bus::command::Command;
use crate::bus::outbox::Outbox;
use crate::bus::report::Report;
use crate::pool::policy::Policy;
use crate::pool::slots::{Purpose, Slot};
use crate::pool::table::Pool;
use crate::settings::table::Settings;
use crate::wire::hello::Hello;
use crate::workers::machine::Machine;
use crate::workers::welcome::Welcome;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Steps of a story, at most; none comes near it.
const STEPS_MAX: usize = 10_000;
/// Time between two steps: as a rule far below any deadline, now and then so long that deadlines pass.
const GAP_MS: u64 = 20;
const LONG_GAP_MS: u64 = 1_000;

/// What travels on a stream.
#[derive(Clone, Debug)]
enum Packet {
    Connect,
    /// The responder's key.
    Answer,
    /// The initiator's key and Hello.
    Hello,
    /// The responder's Hello: it has admitted the link.
    Ack,
    Nack(CloseReason),
    Goodbye(CloseReason),
    Reset,
}

/// How far the reactor is with its end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The other side has not heard of it yet.
    None,
    /// The initiator waits for a key, the responder for Hello.
    Asking,
    /// The initiator has shown itself and waits for Ack.
    Shown,
    /// An arrival or a key was told of, and the worker decides.
    Seen,
    /// The peer has introduced itself, and the worker decides.
    Met,
    Open,
    Gone,
}

#[derive(Debug)]
struct End {
    link: LinkId,
    stage: Stage,
    /// What comes next.
    inbox: VecDeque<Packet>,
}

/// One connection; side 0 has dialed.
#[derive(Debug)]
struct Wire {
    dialer: usize,
    /// The initiator's first message claims its key, and the responder looks at that first.
    has_claim: bool,
    /// Nothing passes any more, and nobody is told.
    is_cut: bool,
    ends: [End; 2],
}

impl Wire {
    fn node(&self, side: usize) -> usize {
        if side == 0 { self.dialer } else { 1 - self.dialer }
    }
}

#[derive(Debug)]
struct Node {
    pool: Pool,
    welcome: Welcome,
    ids: LinkIds,
    reports: VecDeque<Report>,
    commands: VecDeque<Command>,
}

/// Something that may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Packet {
        wire: usize,
        side: usize,
    },
    /// One end of a cut stream finds out.
    Timeout {
        wire: usize,
        side: usize,
    },
    Report {
        node: usize,
    },
    Command {
        node: usize,
    },
    Dial {
        node: usize,
    },
    Mischief,
}

/// What a story came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    pub steps: u64,
    pub dials: u64,
    /// Connections that were broken, cut or hung up on purpose.
    pub broken: u64,
    /// Stories in which nothing was broken and nobody was late.
    pub smooth: u64,
}

impl std::ops::AddAssign for Crossed {
    fn add_assign(&mut self, other: Crossed) {
        self.steps += other.steps;
        self.dials += other.dials;
        self.broken += other.broken;
        self.smooth += other.smooth;
    }
}

#[derive(Debug)]
struct World {
    now: Time,
    nodes: [Node; 2],
    wires: Vec<Wire>,
    /// Dials and mischief that are still to come.
    dials: [u32; 2],
    mischief: u32,
    gap_ms: u64,
    is_smooth: bool,
    crossed: Crossed,
}

/// The policy of both nodes: the defaults, on private addresses.
pub fn policy() -> Policy {
    let settings = Settings { discovery_bootstrap: true, network_allow_private: true, ..Settings::new("crossing") };
    Policy::from(&settings.check().expect("the defaults are valid"))
}

/// Plays one story. Both nodes dial, some more than once; half of the stories have breaks. When all is quiet, both agree: they have one link,
/// and without breaks exactly one. Then they dial again, nothing breaks, and they have exactly one; one that they had stays.
///
/// # Errors
/// What went wrong, and the number of steps until then.
pub fn cross(policy: &Policy, seed: u64) -> Result<Crossed, String> {
    let mut rng = Rng::from_seed(seed);
    let mut world = World::new(policy, &mut rng);
    let fail = |world: &World, text: String| format!("seed {seed}, step {}: {text}", world.crossed.steps);
    world.run(&mut rng).map_err(|text| fail(&world, text))?;
    let first = world.links().map_err(|text| fail(&world, text))?;
    if world.is_smooth && first.is_none() {
        return Err(fail(&world, "nothing broke, and no link is left".to_owned()));
    }
    world.crossed.smooth = u64::from(world.is_smooth);
    (world.gap_ms, world.dials) = (GAP_MS, [1, u32::from(rng.percent(50))]);
    // What was refused a moment ago may be dialed again.
    world.now = world.now + Duration::from_secs(3_600);
    world.run(&mut rng).map_err(|text| fail(&world, text))?;
    let last = world.links().map_err(|text| fail(&world, text))?;
    match (first, last) {
        (_, None) => Err(fail(&world, "they have dialed again, nothing broke, and no link is left".to_owned())),
        (Some(first), Some(last)) if first != last => Err(fail(&world, format!("connection {last} took the place of {first}"))),
        _ => Ok(world.crossed),
    }
}

impl World {
    fn new(policy: &Policy, rng: &mut Rng) -> World {
        let node = |number: usize| {
            let ids = LinkIds::default();
            let mut pool = Pool::new(peer(number), policy.clone(), ids.clone());
            pool.set_own_addresses(vec![Address::of(at(number), Some(peer(number)))]);
            let welcome = Welcome::new(rng.fork(if number == 0 { "one" } else { "other" }));
            Node { pool, welcome, ids, reports: VecDeque::new(), commands: VecDeque::new() }
        };
        let nodes = [node(0), node(1)];
        let mischief = if rng.percent(50) { 1 + rng.below(3) as u32 } else { 0 };
        let is_late = rng.percent(10);
        World {
            now: Time::ZERO + Duration::from_secs(1),
            nodes,
            wires: Vec::new(),
            dials: [1 + u32::from(rng.percent(25)), 1 + u32::from(rng.percent(25))],
            mischief,
            gap_ms: if is_late { LONG_GAP_MS } else { GAP_MS },
            is_smooth: mischief == 0 && !is_late,
            crossed: Crossed::default(),
        }
    }

    /// Lets things happen in random order until nothing is left to happen.
    fn run(&mut self, rng: &mut Rng) -> Result<(), String> {
        let mut steps = Vec::new();
        for _ in 0..STEPS_MAX {
            self.options(&mut steps);
            if steps.is_empty() {
                return Ok(());
            }
            let step = steps[rng.index(steps.len())];
            self.now = self.now + Duration::from_millis(rng.below(self.gap_ms));
            self.crossed.steps += 1;
            self.happen(step, rng);
            self.wake();
            self.check()?;
        }
        Err("it never comes to rest".to_owned())
    }

    fn options(&self, steps: &mut Vec<Step>) {
        steps.clear();
        for (number, wire) in self.wires.iter().enumerate() {
            for (side, end) in wire.ends.iter().enumerate() {
                let is_there = !matches!(end.stage, Stage::None | Stage::Gone);
                // A session that waits for its verdict reads nothing; that the stream is broken shows all the same.
                let may_read = match end.inbox.front() {
                    Some(Packet::Connect) => true,
                    Some(Packet::Reset) => is_there,
                    Some(_) => is_there && !matches!(end.stage, Stage::Seen | Stage::Met),
                    None => false,
                };
                if may_read {
                    steps.push(Step::Packet { wire: number, side });
                }
                if wire.is_cut && is_there {
                    steps.push(Step::Timeout { wire: number, side });
                }
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            if !node.reports.is_empty() {
                steps.push(Step::Report { node: number });
            }
            if !node.commands.is_empty() {
                steps.push(Step::Command { node: number });
            }
            if self.dials[number] > 0 {
                steps.push(Step::Dial { node: number });
            }
        }
        if self.mischief > 0 && !self.wires.is_empty() {
            steps.push(Step::Mischief);
        }
    }

    fn happen(&mut self, step: Step, rng: &mut Rng) {
        match step {
            Step::Packet { wire, side } => self.arrive(wire, side),
            Step::Timeout { wire, side } => {
                let reason = match (self.wires[wire].ends[side].stage, side) {
                    (Stage::Open, _) => CloseReason::PingTimeout,
                    (Stage::Asking, 0) => CloseReason::ConnectTimeout,
                    _ => CloseReason::HandshakeTimeout,
                };
                self.gone(wire, side, reason, None);
            }
            Step::Report { node } => {
                let Some(report) = self.nodes[node].reports.pop_front() else { return };
                self.hand(node, |node, now, out| node.welcome.handle(now, report.into(), &mut node.pool, out));
            }
            Step::Command { node } => self.obey(node, rng),
            Step::Dial { node } => self.dial(node),
            Step::Mischief => self.do_mischief(rng),
        }
    }

    /// Deadlines of places that have passed.
    fn wake(&mut self) {
        for number in 0..2 {
            if self.nodes[number].welcome.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.hand(number, |node, now, out| node.welcome.wake(now, &mut node.pool, out));
            }
        }
    }

    fn hand(&mut self, node: usize, work: impl FnOnce(&mut Node, Time, &mut Outbox)) {
        let mut out = Outbox::default();
        work(&mut self.nodes[node], self.now, &mut out);
        self.nodes[node].commands.extend(out.commands);
    }

    /// The application of a node wants a link with the other, unless it has one or a dial for one.
    fn dial(&mut self, node: usize) {
        self.dials[node] -= 1;
        let (now, to) = (self.now, at(1 - node));
        let Ok(link) = self.nodes[node].pool.claim_dial(now, to, None, Purpose::Asked { tag: Some(0) }) else { return };
        self.crossed.dials += 1;
        self.nodes[node].commands.push_back(Command::Dial { link, to, expect: None, tag: None });
    }

    /// Breaks a connection in one of four ways.
    fn do_mischief(&mut self, rng: &mut Rng) {
        self.mischief -= 1;
        self.crossed.broken += 1;
        let number = rng.index(self.wires.len());
        match rng.below(4) {
            0 => self.wires[number].is_cut = true,
            1 => (0..2).for_each(|side| self.break_end(number, side)),
            // One side hears of it at once, the other when it waits in vain.
            2 => {
                self.break_end(number, rng.index(2));
                self.wires[number].is_cut = true;
            }
            _ => {
                let side = rng.index(2);
                let (node, link) = (self.wires[number].node(side), self.wires[number].ends[side].link);
                let reason = CloseReason::Requested;
                // A worker gives up a link at any stage; the application hangs up on one that is open, and the pool hears of it last.
                let is_open = self.wires[number].ends[side].stage == Stage::Open;
                if (is_open && rng.percent(50)) || self.nodes[node].pool.doom(self.now, link, reason) {
                    self.nodes[node].commands.push_back(Command::Close { link, reason });
                }
            }
        }
        if self.wires[number].is_cut {
            for end in &mut self.wires[number].ends {
                end.inbox.retain(|packet| matches!(packet, Packet::Reset));
            }
        }
    }

    /// A reset overtakes nothing that has arrived, and nothing comes after it.
    fn break_end(&mut self, wire: usize, side: usize) {
        if self.wires[wire].ends[side].stage != Stage::None {
            self.wires[wire].ends[side].inbox.push_back(Packet::Reset);
        }
    }

    /// The reactor carries out the next order.
    fn obey(&mut self, node: usize, rng: &mut Rng) {
        let Some(command) = self.nodes[node].commands.pop_front() else { return };
        match command {
            Command::Dial { link, .. } => {
                let end = |link, stage| End { link, stage, inbox: VecDeque::new() };
                let mut ends = [end(link, Stage::Asking), end(LinkId::NONE, Stage::None)];
                ends[1].inbox.push_back(Packet::Connect);
                self.wires.push(Wire { dialer: node, has_claim: rng.percent(50), is_cut: false, ends });
            }
            Command::Greet { link } => {
                let Some((wire, side)) = self.find(node, link) else { return };
                if self.wires[wire].has_claim {
                    let peer = peer(1 - node);
                    self.report(node, Report::Recognised { link, peer, is_claim: true });
                } else {
                    self.set(wire, side, Stage::Asking, Some(Packet::Answer));
                }
            }
            Command::Judge { link, verdict } => self.judge(node, link, verdict),
            Command::Close { link, reason } => {
                let Some((wire, side)) = self.find(node, link) else { return };
                let end = &self.wires[wire].ends[side];
                let last = match (end.stage, side) {
                    (Stage::Open, _) => Packet::Goodbye(reason),
                    (Stage::Shown | Stage::Met, _) => Packet::Nack(reason),
                    _ => Packet::Reset,
                };
                self.end(wire, side, reason, last);
            }
            _ => {}
        }
    }

    fn judge(&mut self, node: usize, link: LinkId, verdict: Verdict) {
        let Some((wire, side)) = self.find(node, link) else { return };
        let stage = self.wires[wire].ends[side].stage;
        if !matches!(stage, Stage::Seen | Stage::Met) {
            return;
        }
        match (verdict, side) {
            (Verdict::Proceed, 0) => self.set(wire, side, Stage::Shown, Some(Packet::Hello)),
            (Verdict::Proceed, _) => self.set(wire, side, Stage::Asking, Some(Packet::Answer)),
            (Verdict::Admit, _) => {
                self.set(wire, side, Stage::Open, (side == 1).then_some(Packet::Ack));
                self.report(node, Report::Opened { link });
            }
            // The initiator has shown nothing of itself yet.
            (Verdict::Refuse { motive, .. }, 0) if stage == Stage::Seen => self.end(wire, side, motive, Packet::Reset),
            (Verdict::Refuse { motive, .. }, _) => self.end(wire, side, motive, Packet::Nack(motive)),
        }
    }

    /// The next message of a stream arrives.
    fn arrive(&mut self, wire: usize, side: usize) {
        let Some(packet) = self.wires[wire].ends[side].inbox.pop_front() else { return };
        let node = self.wires[wire].node(side);
        if matches!(packet, Packet::Connect) {
            let link = self.nodes[node].ids.next();
            let end = &mut self.wires[wire].ends[side];
            (end.link, end.stage) = (link, Stage::Seen);
            // Who dials comes from a port of its own.
            let from = SocketAddr::new(at(1 - node).ip(), 40_000 + wire as u16);
            return self.report(node, Report::Arrived { link, from });
        }
        let (link, stage) = (self.wires[wire].ends[side].link, self.wires[wire].ends[side].stage);
        match packet {
            Packet::Answer if stage == Stage::Asking && side == 0 => {
                self.set(wire, side, Stage::Seen, None);
                self.report(node, Report::Recognised { link, peer: peer(1 - node), is_claim: false });
            }
            Packet::Hello if stage == Stage::Asking => self.introduce(wire, side),
            Packet::Ack if stage == Stage::Shown => self.introduce(wire, side),
            Packet::Nack(motive) if stage == Stage::Asking => self.gone(wire, side, CloseReason::Rejected, Some(motive)),
            Packet::Nack(motive) => self.gone(wire, side, CloseReason::Nacked, Some(motive)),
            Packet::Goodbye(reason) => self.gone(wire, side, CloseReason::Goodbye, Some(reason)),
            _ => self.gone(wire, side, CloseReason::Reset, None),
        }
    }

    fn introduce(&mut self, wire: usize, side: usize) {
        let node = self.wires[wire].node(side);
        let link = self.wires[wire].ends[side].link;
        self.set(wire, side, Stage::Met, None);
        let direction = if side == 0 { Direction::Outbound } else { Direction::Inbound };
        let hello = Arc::new(Hello { listen: vec![Address::of(at(1 - node), None)], ..Hello::default() });
        let (peer, remote) = (peer(1 - node), at(1 - node));
        self.report(node, Report::Introduced { link, peer, direction, remote, hello, observed: None });
    }

    fn set(&mut self, wire: usize, side: usize, stage: Stage, packet: Option<Packet>) {
        self.wires[wire].ends[side].stage = stage;
        if let Some(packet) = packet {
            self.send(wire, 1 - side, packet);
        }
    }

    fn send(&mut self, wire: usize, side: usize, packet: Packet) {
        let Wire { is_cut, ends, .. } = &mut self.wires[wire];
        let end = &mut ends[side];
        let is_broken = matches!(end.inbox.back(), Some(Packet::Reset));
        if !*is_cut && !is_broken && end.stage != Stage::Gone {
            end.inbox.push_back(packet);
        }
    }

    /// This side ends the connection, with a last word.
    fn end(&mut self, wire: usize, side: usize, reason: CloseReason, last: Packet) {
        self.send(wire, 1 - side, last);
        self.gone(wire, side, reason, None);
    }

    /// The connection is over at this side. Whatever the other still sends meets a reset.
    fn gone(&mut self, wire: usize, side: usize, reason: CloseReason, told: Option<CloseReason>) {
        let node = self.wires[wire].node(side);
        let end = &mut self.wires[wire].ends[side];
        end.stage = Stage::Gone;
        end.inbox.clear();
        let link = end.link;
        self.report(node, Report::Closed { link, reason, told, alternatives: Vec::new() });
        let other = &self.wires[wire].ends[1 - side];
        if matches!(other.inbox.back(), None | Some(Packet::Connect | Packet::Answer | Packet::Hello | Packet::Ack)) {
            self.send(wire, 1 - side, Packet::Reset);
        }
    }

    fn report(&mut self, node: usize, report: Report) {
        self.nodes[node].reports.push_back(report);
    }

    /// Connection and side of a link that the reactor of a node still has.
    fn find(&self, node: usize, link: LinkId) -> Option<(usize, usize)> {
        let is_it = |wire: &Wire, side: usize| {
            let end = &wire.ends[side];
            wire.node(side) == node && end.link == link && end.stage != Stage::Gone
        };
        let side = |wire: &Wire| (0..2).find(|side| is_it(wire, *side));
        self.wires.iter().enumerate().find_map(|(number, wire)| Some((number, side(wire)?)))
    }

    /// What holds at every moment: no pool counts two links with its peer, no reactor has two open, nobody is blamed.
    fn check(&self) -> Result<(), String> {
        for (number, node) in self.nodes.iter().enumerate() {
            let counted = node.pool.slots().iter().filter(|slot| slot.is_link()).count();
            let is_open = |wire: &&Wire| (0..2).any(|side| wire.node(side) == number && wire.ends[side].stage == Stage::Open);
            let open = self.wires.iter().filter(is_open).count();
            if counted > 1 || open > 1 {
                return Err(format!("node {number} counts {counted} links, {open} are open: {:?}", self.wires));
            }
            if node.pool.lists().greylisted_count() > 0 {
                return Err(format!("node {number} has listed its peer: {:?}", self.wires));
            }
        }
        Ok(())
    }

    /// The connection that is left when all is quiet; an error if the nodes do not agree, or a place is taken by nothing.
    fn links(&self) -> Result<Option<usize>, String> {
        let of = |number: usize| {
            let node = &self.nodes[number];
            let open: Vec<usize> =
                node.pool.slots().iter().filter(|slot| slot.is_open()).map(|slot| self.wire_of(number, slot)).collect();
            (node.pool.slots().len(), open)
        };
        match (of(0), of(1)) {
            ((0, _), (0, _)) => Ok(None),
            ((1, here), (1, there)) if here.len() == 1 && here == there => Ok(Some(here[0])),
            (here, there) => Err(format!("places and open connections: {here:?}, {there:?}: {:?}", self.wires)),
        }
    }

    fn wire_of(&self, node: usize, slot: &Slot) -> usize {
        self.find(node, slot.link).map_or(usize::MAX, |(wire, _)| wire)
    }
}

fn peer(number: usize) -> PeerId {
    PeerId::from_bytes([1 + number as u8; 32])
}

fn at(number: usize) -> SocketAddr {
    SocketAddr::from(([10, 1 + number as u8, 0, 1], 9_732))
}
