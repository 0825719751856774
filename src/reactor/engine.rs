//! The data plane: all connections of a node, one bounded turn after another. Pure over a `Net`: it asks for no time, touches no socket
//! itself, never blocks and never takes the pool's lock. `node/reactor_thread.rs` and the simulator turn it.
//!
//! A turn has a fixed order: readiness, commands, mail, timers, accepting, reading, writing. What could not be finished stays
//! in a ring, with its readiness remembered, because an edge is reported only once.

use super::conn::{Conn, Stage};
use super::limits::{Limits, MOVED_MIN, ROOM_RETRY, TURN_BYTES, TURN_COMMANDS};
use super::net::{Net, Ready, Source};
use super::rates::share;
use super::timers::Timers;
use crate::base::channel::Channel;
use crate::base::entropy::Entropy;
use crate::base::limits;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::bell::Bell;
use crate::bus::command::Command;
use crate::bus::counters::{NodeCounters, Traffic};
use crate::bus::door::Door;
use crate::bus::fate::News;
use crate::bus::link::Link;
use crate::bus::listening::Listening;
use crate::bus::report::{Control, Report};
use crate::bus::roster::Roster;
use crate::bus::routes::Routes;
use crate::flow::batch::Batch;
use crate::flow::bucket::TokenBucket;
use crate::flow::turns::{Turn, Turns};
use crate::session::dialect::{Context, Dialect};
use crate::session::gate::Gate;
use crate::session::intake::Intake;
use crossbeam_channel::{Receiver, Sender};
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// Makes sessions: which dialect a connection speaks.
pub trait Dialects: Send {
    /// For a connection that we have dialed.
    fn dial(&mut self, cx: &mut Context<'_>, remote: SocketAddr, expect: Option<PeerId>) -> Box<dyn Dialect>;
    /// For a connection that was accepted and greeted.
    fn accept(&mut self, cx: &mut Context<'_>, remote: SocketAddr) -> Box<dyn Dialect>;
    /// This node's channels, in lane order.
    fn channels(&self) -> &[Channel];
    /// Who this node is.
    fn own(&self) -> PeerId;
    /// The versions of the application's protocol that this node announces; none in a dialect that does not announce them.
    fn application_versions(&self) -> &[u32] {
        &[]
    }
    /// The node listens there from now on: what it says of itself in new connections follows.
    ///
    /// # Errors
    /// What is too long to be said; nothing has changed then.
    fn listens(&mut self, _at: &[SocketAddr]) -> Result<(), String> {
        Ok(())
    }
}

/// An address at which connections are accepted.
pub(super) struct Listener {
    pub number: u32,
    pub at: SocketAddr,
    /// A connection may be waiting there.
    pub waits: bool,
}

/// The reactor's ends of all mailboxes.
pub struct Ports {
    pub commands: Receiver<Command>,
    /// Bounded by `reports_max` of `Limits::conns_max`: places are reserved, so that sending cannot fail.
    pub reports: Sender<Report>,
    pub control: Sender<Control>,
    pub bell: Arc<Bell>,
    pub routes: Arc<Routes>,
    pub roster: Arc<Roster>,
    pub counters: Arc<NodeCounters>,
    pub traffic: Arc<Traffic>,
    pub door: Arc<Door>,
    pub listening: Arc<Listening>,
    pub ids: LinkIds,
}

/// When the engine wants its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Work is left.
    Now,
    /// When something is ready, the bell rings, or at this moment.
    At(Time),
    /// When something is ready or the bell rings.
    Idle,
    /// Never: it was drained and has ended.
    Ended,
}

/// All connections of a node.
pub struct Engine {
    pub(super) conns: BTreeMap<LinkId, Conn>,
    pub(super) core: Core,
}

/// What sessions draw on.
pub(super) struct Ambient {
    pub now: Time,
    pub unix_seconds: u64,
    pub gate: Gate,
    pub entropy: Box<dyn Entropy>,
}

impl Ambient {
    pub(super) fn context(&mut self) -> Context<'_> {
        Context { now: self.now, unix_seconds: self.unix_seconds, gate: &mut self.gate, entropy: &mut *self.entropy }
    }
}

/// A dial that waits for room. One that was closed meanwhile still waits for the place of its report.
pub(super) struct WaitingDial {
    pub link: LinkId,
    pub to: SocketAddr,
    pub expect: Option<PeerId>,
    pub tag: Option<u64>,
    pub closed: Option<CloseReason>,
}

/// A connection's place in the turns.
pub(super) struct Seat {
    pub link: LinkId,
    pub down: TokenBucket,
    pub up: TokenBucket,
    pub weight: u32,
    /// Rank of the word that set it.
    pub weight_rank: u64,
}

/// Everything that connections share.
pub(super) struct Core {
    pub limits: Limits,
    pub ports: Ports,
    pub dialects: Box<dyn Dialects>,
    pub ambient: Ambient,
    pub timers: Timers,
    /// Who may read next, and who write; a link's seat is its number there.
    pub reads: Turns,
    pub writes: Turns,
    pub seats: Slab<Seat>,
    pub down: TokenBucket,
    pub up: TokenBucket,
    /// The one read buffer: a link's tail is put in front, so there is room for a record more.
    pub buffer: Vec<u8>,
    pub intake: Intake,
    /// Messages taken in and not handed on, by link in the order they came; their bytes; since when.
    pub arrived: Vec<(Arc<Link>, Vec<Batch>)>,
    pub arrived_bytes: usize,
    /// What became of sends and requests in this turn.
    pub news: Vec<News>,
    pub arrived_since: Time,
    pub mail: Vec<LinkId>,
    pub listeners: Vec<Listener>,
    /// Accepting rests until then: no descriptors, or no room.
    pub accept_rest: Option<Time>,
    /// Dials that wait for room.
    pub dials: VecDeque<WaitingDial>,
    /// Links that wait for exchange to take their control messages.
    pub paused: VecDeque<LinkId>,
    pub draining: Option<Time>,
    /// The node stops: no listener is opened or closed any more.
    pub listens_no_more: bool,
    /// Accepted connections that are not open yet.
    pub half_open: usize,
}

impl Engine {
    pub fn new(
        limits: Limits,
        ports: Ports,
        dialects: Box<dyn Dialects>,
        gate: Gate,
        entropy: Box<dyn Entropy>,
        now: Time,
    ) -> Engine {
        ports.counters.rate_up.set(limits.up);
        ports.counters.rate_down.set(limits.down);
        let core = Core {
            down: TokenBucket::new(now, limits.down),
            up: TokenBucket::new(now, limits.up),
            reads: Turns::new(share(limits.down)),
            writes: Turns::new(share(limits.up)),
            seats: Slab::new(),
            limits,
            ports,
            dialects,
            ambient: Ambient { now, unix_seconds: 0, gate, entropy },
            timers: Timers::default(),
            buffer: vec![0; limits::READ_BUFFER + limits::RECORD_LENGTH_MAX + 2],
            intake: Intake::default(),
            arrived: Vec::new(),
            arrived_bytes: 0,
            news: Vec::new(),
            arrived_since: now,
            mail: Vec::new(),
            listeners: Vec::new(),
            accept_rest: None,
            dials: VecDeque::new(),
            paused: VecDeque::new(),
            draining: None,
            listens_no_more: false,
            half_open: 0,
        };
        Engine { conns: BTreeMap::new(), core }
    }

    /// Capacity that the report channel must have for `conns_max` connections.
    pub const fn reports_max(conns_max: usize) -> usize {
        limits::reports_max(conns_max)
    }

    /// Connections of any stage.
    pub fn len(&self) -> usize {
        self.conns.len()
    }

    pub fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    /// Connections and waiting dials whose end was not reported yet; those that linger are over for everybody above.
    pub fn living(&self) -> impl Iterator<Item = LinkId> {
        let conns = self.conns.values().filter(|conn| !matches!(conn.stage, Stage::Lingering)).map(|conn| conn.id);
        conns.chain(self.core.dials.iter().map(|dial| dial.link))
    }

    /// Where it looks up who is turned away.
    pub fn door(&self) -> &Door {
        &self.core.ports.door
    }

    /// True if no command waits: asked by the thread that is about to sleep.
    pub fn is_idle(&self) -> bool {
        self.core.ports.commands.is_empty()
    }

    /// One turn of bounded work. `unix_seconds` is wall time, for cookies only.
    pub fn turn(&mut self, now: Time, unix_seconds: u64, net: &mut impl Net, ready: &[Ready]) -> Next {
        self.core.ambient.now = now;
        self.core.ambient.unix_seconds = unix_seconds;
        self.core.ports.counters.turns.add(1);
        self.core.ambient.gate.set_half_open(self.core.half_open);
        for ready in ready {
            self.note(net, *ready);
        }
        self.commands(net);
        self.collect_mail();
        self.timers(net);
        self.core.expire_own();
        self.retry_control();
        self.accept(net);
        self.dial_waiting(net);
        let gathered = self.core.arrived_bytes;
        self.read(net);
        self.core.deliver_if_due(gathered);
        self.write(net);
        self.drain(net);
        self.core.tell_news();
        self.next()
    }

    fn note(&mut self, net: &mut impl Net, ready: Ready) {
        let id = match ready.source {
            Source::Listener(number) => {
                let of_this = self.core.listeners.iter_mut().filter(|listener| listener.number == number);
                of_this.for_each(|listener| listener.waits = true);
                return;
            }
            Source::Link(id) => id,
        };
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.is_readable |= ready.is_readable || ready.is_ended;
        if ready.is_writable {
            conn.note_writable(self.core.ambient.now);
        }
        conn.is_ended |= ready.is_ended;
        if matches!(conn.stage, Stage::Dialing) && (ready.is_writable || ready.is_ended) {
            match self.core.dialed(conn, net) {
                Ok(()) => self.core.settle(conn),
                Err(reason) => self.end(id, reason, net),
            }
            return;
        }
        self.core.settle(conn);
    }

    fn commands(&mut self, net: &mut impl Net) {
        for _ in 0..TURN_COMMANDS {
            let Ok(command) = self.core.ports.commands.try_recv() else { break };
            self.command(command, net);
        }
    }

    fn command(&mut self, command: Command, net: &mut impl Net) {
        match command {
            Command::Dial { link, to, expect, tag } => {
                let closed = self.core.draining.map(|_| CloseReason::Stopped);
                self.core.dials.push_back(WaitingDial { link, to, expect, tag, closed });
            }
            Command::Greet { link } => self.step(link, net, Core::greet),
            Command::Judge { link, verdict } => self.step(link, net, |core, conn| core.judge(conn, verdict)),
            Command::Say { link, channel, kind, request, body } => self.step(link, net, |core, conn| match &mut conn.session {
                Some(session) if conn.link.is_some() => match session.say(channel, kind, request, body) {
                    // The socket would take more: what waits, waits for our own tokens or turn. The peer is not to blame; this message
                    // is lost, and whoever misses it asks again.
                    Err(CloseReason::ControlNotRead) if conn.is_writable => {
                        core.ports.counters.controls_dropped.add(1);
                        Ok(())
                    }
                    // Nor for a channel that it has not announced: it is just not told, and does not answer.
                    Err(CloseReason::UnknownChannel) => Ok(()),
                    said => said,
                },
                _ => Ok(()),
            }),
            Command::Cancel { link, tag, queue } => self.with(link, net, |core, conn| core.cancel(conn, tag, queue)),
            Command::Withdraw { link, channel, request } => {
                self.with(link, net, |core, conn| core.withdraw(conn, channel, request))
            }
            Command::SetRates { up, down } => self.core.set_rates(up, down),
            Command::SetLinkRates { link, up, down } => self.with(link, net, |core, conn| core.set_link_rates(conn, up, down)),
            Command::SetWeight { link, weight, rank } => self.with(link, net, |core, conn| core.set_weight(conn, weight, rank)),
            Command::Inspect { link, answer } => self.with(link, net, |core, conn| {
                // Who does not wait any more needs no answer; who gets none knows that the link is gone.
                core.channel_stats(conn).map(|stats| answer.try_send(stats));
            }),
            Command::Flush { link, flush } => self.with(link, net, |core, conn| {
                // What was pushed before is in the mailbox, and its bell may ring later than this.
                conn.has_mail = true;
                conn.flushes.retain(|flush| flush.waits.strong_count() > 0);
                conn.flushes.push(flush);
                core.settle(conn);
            }),
            Command::Close { link, reason } => self.dismiss(link, reason, net),
            Command::Listen { at, answer } => self.listen(at, &answer, net),
            Command::Unlisten { at, answer } => self.unlisten(at, &answer, net),
            Command::StopListening => self.stop_listening(net),
            Command::Drain { deadline } => self.begin_drain(deadline, net),
        }
    }

    /// Does something with a connection that is not lingering, and ends it if that fails.
    fn step(&mut self, id: LinkId, net: &mut impl Net, act: impl FnOnce(&mut Core, &mut Conn) -> Result<(), CloseReason>) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if matches!(conn.stage, Stage::Lingering) {
            return;
        }
        match act(&mut self.core, conn) {
            Ok(()) => self.core.settle(conn),
            Err(reason) => self.end(id, reason, net),
        }
    }

    /// As `step`, for what cannot fail.
    fn with(&mut self, id: LinkId, net: &mut impl Net, act: impl FnOnce(&mut Core, &mut Conn)) {
        self.step(id, net, |core, conn| {
            act(core, conn);
            Ok(())
        });
    }

    fn collect_mail(&mut self) {
        if self.core.mail.is_empty() {
            self.core.ports.bell.collect(&mut self.core.mail);
        }
        for _ in 0..self.core.mail.len().min(TURN_COMMANDS) {
            let Some(id) = self.core.mail.pop() else { break };
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.has_mail = true;
                let now = self.core.ambient.now;
                conn.expires = conn.link.as_ref().map_or(Time::MAX, |link| link.look(now));
                if !conn.is_writable && conn.is_open() {
                    conn.watch.begin(now, self.core.limits.stall_after);
                }
                self.core.settle(conn);
            }
        }
    }

    fn timers(&mut self, net: &mut impl Net) {
        // First all that are due, then their links: one that asks for the next moment at once, to go on with a puzzle, gets it next turn.
        let now = self.core.ambient.now;
        let due: Vec<(Time, LinkId)> = std::iter::from_fn(|| self.core.timers.due(now)).collect();
        for (at, id) in due {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            if conn.armed == at {
                conn.armed = Time::MAX;
            }
            match self.core.due(conn) {
                Ok(()) => self.core.settle(conn),
                Err(reason) => self.end(id, reason, net),
            }
        }
    }

    /// Read turns, until nobody has work and tokens or the turn's bytes are used up.
    fn read(&mut self, net: &mut impl Net) {
        let mut left = TURN_BYTES;
        while left > 0 {
            let Core { reads, seats, down, ambient, .. } = &mut self.core;
            let (seat, bytes_max) = match reads.next(ambient.now, down, |seat| &seats[seat].down) {
                Turn::Move { key, bytes_max } => (key, bytes_max),
                Turn::Wait(_) | Turn::Idle => return,
            };
            let id = seats[seat].link;
            let conn = self.conns.get_mut(&id).expect("a seat belongs to a connection");
            let (moved, result) = self.core.read_turn(conn, net, bytes_max as usize);
            let has_more = result.is_ok() && conn.wants_read();
            let Core { reads, seats, down, ambient, .. } = &mut self.core;
            reads.moved(ambient.now, seat, moved as u64, has_more, down, &mut seats[seat].down);
            // A turn that moves nothing must still count, or a link that cannot move would hold the loop.
            left = left.saturating_sub(moved.max(MOVED_MIN));
            match result {
                Ok(()) => self.core.settle(conn),
                Err(reason) => self.end(id, reason, net),
            }
        }
    }

    /// Write turns, likewise.
    fn write(&mut self, net: &mut impl Net) {
        let mut left = TURN_BYTES;
        while left > 0 {
            let Core { writes, seats, up, ambient, .. } = &mut self.core;
            let (seat, bytes_max) = match writes.next(ambient.now, up, |seat| &seats[seat].up) {
                Turn::Move { key, bytes_max } => (key, bytes_max),
                Turn::Wait(_) | Turn::Idle => return,
            };
            let id = seats[seat].link;
            let conn = self.conns.get_mut(&id).expect("a seat belongs to a connection");
            let (moved, result) = self.core.write_turn(conn, net, bytes_max as usize);
            // A lane may have drained: what is left in the mailbox gets its chance.
            conn.has_mail |= moved > 0 && conn.is_mail_left;
            let has_more = result.is_ok() && conn.wants_write();
            let Core { writes, seats, up, ambient, .. } = &mut self.core;
            writes.moved(ambient.now, seat, moved as u64, has_more, up, &mut seats[seat].up);
            left = left.saturating_sub(moved.max(MOVED_MIN));
            match result {
                Ok(()) => self.core.settle(conn),
                Err(reason) => self.end(id, reason, net),
            }
        }
    }

    /// Control messages that exchange had no room for.
    fn retry_control(&mut self) {
        if self.core.ports.control.is_full() {
            return;
        }
        for _ in 0..self.core.paused.len() {
            let Some(id) = self.core.paused.pop_front() else { break };
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            self.core.hand_control(conn);
            self.core.settle(conn);
        }
    }

    fn next(&mut self) -> Next {
        // Asked anew: some may have come into the turns after their loops were over, or were cut off. They have work, even while others
        // wait for tokens of their own.
        let Core { reads, writes, seats, down, up, ambient, .. } = &mut self.core;
        let read = reads.next(ambient.now, down, |seat| &seats[seat].down);
        let write = writes.next(ambient.now, up, |seat| &seats[seat].up);
        let core = &self.core;
        let is_over = core.draining.is_some_and(|deadline| core.dials.is_empty() || core.ambient.now >= deadline);
        if is_over && self.conns.is_empty() {
            return Next::Ended;
        }
        let accepts = core.accept_rest.is_none() && core.listeners.iter().any(|listener| listener.waits);
        let moves = [read, write].iter().any(|turn| matches!(turn, Turn::Move { .. }));
        let mail = !core.mail.is_empty() || !core.arrived.is_empty();
        if moves || mail || accepts || !core.ports.commands.is_empty() {
            return Next::Now;
        }
        let retry = (!core.paused.is_empty() || !core.dials.is_empty()).then(|| core.ambient.now + ROOM_RETRY);
        let tokens = |turn| if let Turn::Wait(at) = turn { Some(at) } else { None };
        let own = Some(core.ports.roster.own.soonest()).filter(|at| *at < Time::MAX);
        let next = [core.timers.next(), own, core.accept_rest, core.draining, retry, tokens(read), tokens(write)]
            .into_iter()
            .flatten()
            .min();
        next.map_or(Next::Idle, Next::At)
    }

    /// Gives a new connection its seat in the turns.
    pub(super) fn insert(&mut self, id: LinkId, direction: Direction, remote: SocketAddr) -> &mut Conn {
        let (now, limits) = (self.core.ambient.now, &self.core.limits);
        let (down, up) = (TokenBucket::new(now, limits.link_down), TokenBucket::new(now, limits.link_up));
        let weight = limits::WEIGHT_AT_FIRST;
        let seat = self.core.seats.insert(Seat { link: id, down, up, weight, weight_rank: 0 });
        self.core.reads.add(seat, weight);
        self.core.writes.add(seat, weight);
        let conn = Conn::new(id, seat, direction, remote, &self.core.limits, now);
        self.core.half_open += usize::from(direction == Direction::Inbound);
        self.conns.entry(id).or_insert(conn)
    }

    /// Closes the stream and forgets the connection.
    pub(super) fn forget(&mut self, id: LinkId, net: &mut impl Net) {
        net.close(id);
        if let Some(conn) = self.conns.remove(&id) {
            self.core.reads.remove(conn.seat);
            self.core.writes.remove(conn.seat);
            self.core.seats.remove(conn.seat);
        }
    }
}
