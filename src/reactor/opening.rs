//! How links begin: accepting, dialing, greeting, verdicts, and what sessions signal on the way to open. Part of the engine; it
//! carries out what welcome decides and decides nothing itself.

use super::conn::{Conn, Stage};
use super::engine::{Core, Engine, Listener, WaitingDial};
use super::limits::TURN_ACCEPTS;
use super::net::Net;
use crate::base::limits::REPORTS_PER_LINK;
use crate::base::reason::CloseReason;
use crate::base::verdict::{Direction, Verdict};
use crate::bus::event::Up;
use crate::bus::link::Link;
use crate::bus::report::Report;
use crate::session::dialect::Signal;
use std::io;
use std::sync::Arc;

impl Core {
    /// True if another connection may begin: there is room for it, and for all reports that it can cause.
    fn has_room(&self, conns: usize) -> bool {
        let places = self.ports.reports.capacity().unwrap_or(usize::MAX);
        let promised = self.ports.reports.len() + conns * REPORTS_PER_LINK;
        conns < self.limits.conns_max && promised + REPORTS_PER_LINK <= places
    }

    /// No event will come for what waits at the listeners already, so a timer must.
    fn rest_accepting(&mut self) {
        self.accept_rest = Some(self.ambient.now + self.limits.accept_rest);
    }

    pub(super) fn report(&mut self, report: Report) {
        // Places were reserved when the connection began; the channel is only gone when welcome is, at the end of a stop.
        if let Err(crossbeam_channel::TrySendError::Full(report)) = self.ports.reports.try_send(report) {
            panic!("a place for each report is reserved, but there was none for {report:?}");
        }
    }

    /// A dialed connection became writable: connected, or failed.
    pub(super) fn dialed(&mut self, conn: &mut Conn, net: &mut impl Net) -> Result<(), CloseReason> {
        match net.dialed(conn.id) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(dial_reason(&error)),
        }
        conn.stage = Stage::Speaking;
        conn.stage_deadline = None;
        conn.note_writable(self.ambient.now);
        let (remote, expect) = (conn.remote, conn.expect);
        let mut cx = self.ambient.context();
        conn.session = Some(self.dialects.dial(&mut cx, remote, expect));
        Ok(())
    }

    /// Welcome lets an arrival speak.
    pub(super) fn greet(&mut self, conn: &mut Conn) -> Result<(), CloseReason> {
        if !matches!(conn.stage, Stage::Arrived) {
            return Ok(());
        }
        conn.stage = Stage::Speaking;
        conn.stage_deadline = None;
        conn.note_writable(self.ambient.now);
        conn.is_readable = true;
        let mut cx = self.ambient.context();
        conn.session = Some(self.dialects.accept(&mut cx, conn.remote));
        Ok(())
    }

    /// Welcome answers a signal.
    pub(super) fn judge(&mut self, conn: &mut Conn, verdict: Verdict) -> Result<(), CloseReason> {
        let Some(session) = conn.session.as_mut() else { return Ok(()) };
        if !session.is_waiting() {
            return Ok(());
        }
        let mut cx = self.ambient.context();
        let result = session.handle_verdict(&mut cx, verdict);
        self.signals(conn);
        conn.is_tail_fresh = !conn.tail.is_empty();
        result
    }

    /// Passes on what the session signals.
    pub(super) fn signals(&mut self, conn: &mut Conn) {
        while let Some(signal) = conn.session.as_mut().and_then(|session| session.poll_signal()) {
            match signal {
                Signal::Recognised { peer, is_claim } => self.report(Report::Recognised { link: conn.id, peer, is_claim }),
                Signal::Introduced { peer, hello, observed } => {
                    conn.hello = Some(Arc::clone(&hello));
                    let (link, direction, remote) = (conn.id, conn.direction, conn.remote);
                    self.report(Report::Introduced { link, peer, direction, remote, hello, observed });
                }
                Signal::Opened => self.open(conn),
                Signal::Told { motive, alternatives } => {
                    conn.told = motive;
                    conn.alternatives = alternatives;
                }
            }
        }
        if let (Some(link), Some(session)) = (&conn.link, &conn.session)
            && let Some(rtt) = session.rtt()
        {
            link.counters.rtt_us.set(rtt.as_micros().try_into().unwrap_or(u64::MAX));
        }
    }

    /// A handshake is over, well or not. Only accepted ones count as half open: our own dials must not raise a puzzle for others.
    pub(super) fn note_shaken(&mut self, conn: &Conn) {
        self.half_open = self.half_open.saturating_sub(usize::from(conn.direction == Direction::Inbound));
    }

    /// The link is open: it gets a mailbox, and everybody hears of it in order.
    fn open(&mut self, conn: &mut Conn) {
        let peer = conn.session.as_ref().and_then(|session| session.peer()).expect("an open session has authenticated its peer");
        let hello = conn.hello.take().unwrap_or_default();
        let link = Arc::new(Link::new(conn.id, peer, conn.direction, conn.remote, Arc::clone(&hello), self.dialects.channels()));
        let version = hello.common_version(self.dialects.application_versions());
        let up = Up { link: conn.id, peer, direction: conn.direction, remote: conn.remote, hello, version, tag: conn.tag };
        self.note_shaken(conn);
        let counter = match conn.direction {
            Direction::Inbound => &self.ports.counters.links_in,
            Direction::Outbound => &self.ports.counters.links_out,
        };
        counter.add(1);
        self.show_rates(conn.seat, &link);
        // First the mailbox, then Up: who answers an Up at once finds the link.
        self.ports.roster.insert(Arc::clone(&link));
        self.ports.routes.open(&link, &up);
        conn.link = Some(link);
        self.report(Report::Opened { link: conn.id });
    }
}

impl Engine {
    /// Accepts what waits at the listeners, as long as there is room.
    pub(super) fn accept(&mut self, net: &mut impl Net) {
        if self.core.accept_rest.is_some_and(|until| until > self.core.ambient.now) {
            return;
        }
        self.core.accept_rest = None;
        for at in 0..self.core.listeners.len() {
            for _ in 0..TURN_ACCEPTS {
                let Listener { number: listener, waits, .. } = self.core.listeners[at];
                if !waits || self.core.accept_rest.is_some() {
                    break;
                }
                if !self.core.has_room(self.conns.len()) {
                    self.core.rest_accepting();
                    break;
                }
                self.accept_one(at, listener, net);
            }
        }
    }

    fn accept_one(&mut self, at: usize, listener: u32, net: &mut impl Net) {
        let id = self.core.ports.ids.next();
        let (now, ports) = (self.core.ambient.now, &self.core.ports);
        let accepted = net.accept(listener, id, &|from| !ports.door.read().turns_away(now, from));
        if accepted.is_ok() {
            ports.counters.arrivals.add(1);
        }
        match accepted {
            // Without a word.
            Ok(None) => ports.counters.arrivals_shut.add(1),
            Ok(Some(from)) => {
                self.insert(id, Direction::Inbound, from);
                self.core.report(Report::Arrived { link: id, from });
                let conn = self.conns.get_mut(&id).expect("it was just inserted");
                self.core.settle(conn);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.core.listeners[at].waits = false,
            Err(error) if is_out_of_files(&error) => {
                self.core.ports.counters.accept_no_files.add(1);
                net.shed(listener);
                self.core.rest_accepting();
            }
            // The connection died in the backlog, or the call was interrupted: the next one.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whatever else it is may be so again at once: rest, and look again.
            Err(_) => self.core.rest_accepting(),
        }
    }

    /// Begins the dials that wait, as long as there is room.
    pub(super) fn dial_waiting(&mut self, net: &mut impl Net) {
        while !self.core.dials.is_empty() && self.core.has_room(self.conns.len()) {
            let Some(WaitingDial { link: id, to, expect, tag, closed }) = self.core.dials.pop_front() else { break };
            self.core.ports.counters.dials.add(1);
            if let Some(reason) = closed {
                self.core.report(Report::Closed { link: id, reason, told: None, alternatives: Vec::new() });
                continue;
            }
            let from = self.core.limits.dial_from.filter(|from| from.is_ipv4() == to.is_ipv4());
            let begun = net.dial(id, to, from);
            let conn = self.insert(id, Direction::Outbound, to);
            conn.expect = expect;
            conn.tag = tag;
            if let Err(error) = begun {
                self.end(id, dial_reason(&error), net);
            } else if let Some(conn) = self.conns.get_mut(&id) {
                self.core.settle(conn);
            }
        }
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// What an error of a dial means.
fn dial_reason(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => CloseReason::ConnectionRefused,
        io::ErrorKind::TimedOut => CloseReason::ConnectTimeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => CloseReason::Reset,
        _ if is_out_of_files(error) => CloseReason::NoFiles,
        _ => CloseReason::Unreachable,
    }
}
