//! How links end: last words, reports in order, lingering sockets, and the orderly end of the whole engine. Part of the engine.

use super::conn::{Conn, Stage};
use super::engine::{Core, Engine};
use super::net::Net;
use crate::base::link_id::LinkId;
use crate::base::reason::{Blame, CloseReason};
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::event::Down;
use crate::bus::report::Report;

impl Core {
    /// Tells everybody above that a link is gone; after this only its last bytes matter.
    fn part(&mut self, conn: &mut Conn, reason: CloseReason) {
        // Down comes after everything that arrived.
        self.deliver();
        if let Some(link) = conn.link.take() {
            let mut left = link.close(reason);
            left.noted.append(&mut conn.lost);
            let (messages, bytes) = std::mem::take(&mut conn.lost_unsent);
            left.messages += messages;
            left.bytes += bytes;
            if let Some(session) = &mut conn.session {
                let (messages, bytes) = session.unsent();
                left.messages += messages;
                left.bytes += bytes;
                left.noted.append(&mut session.take_out(true, &mut |_| true));
                let lanes = 0..self.dialects.channels().len();
                let unfinished = lanes.filter(|lane| session.lane(*lane).is_unfinished).count();
                self.ports.counters.messages_unfinished.add(unfinished as u64);
            }
            let (unsent_messages, unsent_bytes) = (left.messages as u64, left.bytes as u64);
            self.note_end(conn, &link, left, reason);
            self.ports.roster.remove(conn.id);
            self.ports.counters.messages_unsent.add(unsent_messages);
            let down = Down { link: conn.id, peer: link.peer, reason, told: conn.told, unsent_messages, unsent_bytes };
            self.ports.routes.close_link(&link, &down);
            let counter = match conn.direction {
                Direction::Inbound => &self.ports.counters.links_in,
                Direction::Outbound => &self.ports.counters.links_out,
            };
            counter.set(counter.value().saturating_sub(1));
        } else {
            self.note_shaken(conn);
            let counter = match conn.direction {
                Direction::Inbound => &self.ports.counters.arrivals_refused,
                Direction::Outbound => &self.ports.counters.dials_failed,
            };
            counter.add(1);
        }
        let alternatives = std::mem::take(&mut conn.alternatives);
        self.report(Report::Closed { link: conn.id, reason, told: conn.told, alternatives });
    }
}

impl Engine {
    /// Ends a link by our own decision: a goodbye is sent first, if it is open and the peer is to hear one.
    pub(super) fn dismiss(&mut self, id: LinkId, reason: CloseReason, net: &mut impl Net) {
        self.core.dials.iter_mut().filter(|dial| dial.link == id).for_each(|dial| dial.closed = Some(reason));
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if let (Some(session), Stage::Speaking) = (&mut conn.session, &conn.stage) {
            session.close(reason);
        }
        self.end(id, reason, net);
    }

    /// Ends a link. What the session still has to say is sent, unless the stream itself is gone or the peer is to hear nothing.
    pub(super) fn end(&mut self, id: LinkId, reason: CloseReason, net: &mut impl Net) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let core = &mut self.core;
        if matches!(conn.stage, Stage::Lingering) {
            self.forget(id, net);
            return;
        }
        let may_speak = matches!(conn.stage, Stage::Speaking) && is_stream_whole(reason) && !reason.is_silent();
        core.part(conn, reason);
        conn.stage = Stage::Lingering;
        core.drop_control(conn);
        conn.paused_since = None;
        conn.tail = Vec::new();
        // What has not left by now never will: whoever waits for that is told of the end, not of a goodbye that was written.
        conn.flushes = Vec::new();
        if let Some(mut session) = conn.session.take().filter(|_| may_speak) {
            // A reason that the session does not know of yet: it says so, and seals nothing that was just reported as unsent.
            session.close(reason);
            session.poll_write(core.ambient.now, &mut conn.out, usize::MAX);
        }
        if conn.unwritten() == 0 || !may_speak {
            self.forget(id, net);
            return;
        }
        let linger = core.ambient.now + core.limits.linger;
        conn.stage_deadline = Some(core.draining.map_or(linger, |deadline| deadline.min(linger)));
        conn.progress = core.ambient.now;
        core.settle(conn);
    }

    /// The node stops: no new connections, half-open ones end, open ones send what is queued and say goodbye.
    pub(super) fn begin_drain(&mut self, deadline: Time, net: &mut impl Net) {
        self.core.draining = Some(deadline);
        self.stop_listening(net);
        self.core.dials.iter_mut().for_each(|dial| dial.closed = Some(CloseReason::Stopped));
        for conn in self.conns.values_mut() {
            if let Some(link) = &conn.link {
                link.refuse_new(CloseReason::Stopped);
                conn.has_mail = true;
                self.core.settle(conn);
            }
        }
        let half_open: Vec<LinkId> = self.conns.values().filter(|conn| !conn.is_open()).map(|conn| conn.id).collect();
        half_open.into_iter().for_each(|id| self.dismiss(id, CloseReason::Stopped, net));
    }

    /// While draining: says goodbye to links that have sent everything, and to all of them at the deadline.
    pub(super) fn drain(&mut self, net: &mut impl Net) {
        let Some(deadline) = self.core.draining else { return };
        let is_over = self.core.ambient.now >= deadline;
        let speaking = self.conns.values().filter(|conn| matches!(conn.stage, Stage::Speaking));
        let done: Vec<LinkId> = speaking.filter(|conn| is_over || conn.has_sent()).map(|conn| conn.id).collect();
        done.into_iter().for_each(|id| self.dismiss(id, CloseReason::Stopped, net));
        if is_over {
            // The goodbye got its chance with one write; a peer that does not read cannot hold the stop up.
            let ids: Vec<LinkId> = self.conns.keys().copied().collect();
            for id in ids {
                if let Some(conn) = self.conns.get_mut(&id) {
                    self.core.write_turn(conn, net, usize::MAX).1.ok();
                }
                self.end(id, CloseReason::Stopped, net);
            }
        }
    }
}

/// True if words can still reach the peer.
fn is_stream_whole(reason: CloseReason) -> bool {
    use CloseReason::{HandshakeTimeout, MessageTimeout, PingTimeout};
    reason.blame() != Blame::Net || matches!(reason, PingTimeout | MessageTimeout | HandshakeTimeout)
}
