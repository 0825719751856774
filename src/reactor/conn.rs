//! One connection as the reactor keeps it: stream state, session, mailbox, bytes on their way. Only the engine touches it.

use super::limits::Limits;
use super::stalls::Watch;
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::command::Flush;
use crate::bus::link::Link;
use crate::flow::batch::{Removed, Ticket};
use crate::session::dialect::Dialect;
use crate::session::intake::ControlMessage;
use crate::wire::hello::Hello;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where a connection is in its life.
pub enum Stage {
    /// The dial is under way.
    Dialing,
    /// Accepted; welcome has not said Greet yet.
    Arrived,
    /// The session speaks: handshake, then open.
    Speaking,
    /// Closed for everybody above; the last bytes leave, then the socket closes.
    Lingering,
}

/// One connection.
pub struct Conn {
    pub id: LinkId,
    /// Its number in the read and write turns.
    pub seat: usize,
    pub stage: Stage,
    pub direction: Direction,
    pub remote: SocketAddr,
    pub expect: Option<PeerId>,
    /// The application's name for the dial.
    pub tag: Option<u64>,
    pub session: Option<Box<dyn Dialect>>,
    /// The mailbox, once open.
    pub link: Option<Arc<Link>>,
    pub hello: Option<Arc<Hello>>,
    /// The mailbox has news: it must be collected.
    pub has_mail: bool,
    /// Nothing in the mailbox expires before, and none of our requests is late.
    pub expires: Time,
    /// Who wants to know when what is in `out` was written.
    pub sealed: Vec<Ticket>,
    /// Messages that a session had which panicked.
    pub lost: Vec<Removed>,
    /// How many it had, and their bytes.
    pub lost_unsent: (usize, usize),
    /// What waits on its channels for too long.
    pub watch: Watch,
    /// Messages were left in the mailbox when it was collected, because their lane was busy.
    pub is_mail_left: bool,
    /// Bytes read and not yet used: an incomplete message, or what waits for a verdict.
    pub tail: Vec<u8>,
    /// True if `tail` may hold something complete: the session was waiting when it was left.
    pub is_tail_fresh: bool,
    /// Callers that wait until everything has been written. Those whose time is over go when the next one comes.
    pub flushes: Vec<Flush>,
    /// Sealed bytes; those before `out_at` are written.
    pub out: Vec<u8>,
    pub out_at: usize,
    /// Readiness that was reported and not used up.
    pub is_readable: bool,
    pub is_writable: bool,
    /// The peer has finished writing: what is there is read to the end.
    pub is_ended: bool,
    /// Control messages that exchange has no room for; while there are some, nothing is read.
    pub control: VecDeque<ControlMessage>,
    pub paused_since: Option<Time>,
    /// When a byte was last written, or writing began; later by the time for which the socket would have taken more since.
    pub progress: Time,
    /// Since when the socket takes bytes, if it does.
    pub writable_since: Time,
    /// Deadline of the stage itself: dial, greeting, linger.
    pub stage_deadline: Option<Time>,
    /// The earliest timer that is armed for it.
    pub armed: Time,
    /// What the peer said in a nack or goodbye.
    pub told: Option<CloseReason>,
    pub alternatives: Vec<Address>,
    /// Bytes discarded while lingering.
    pub discarded: usize,
    pub is_write_finished: bool,
}

impl Conn {
    pub fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// Sealed bytes that the socket has not taken.
    pub fn unwritten(&self) -> usize {
        self.out.len() - self.out_at
    }

    /// True if nothing waits to be sent, and the system has every byte.
    pub fn has_sent(&self) -> bool {
        let is_empty = !self.has_mail && !self.is_mail_left && self.unwritten() == 0;
        is_empty && self.session.as_ref().is_none_or(|session| session.unsent() == (0, 0))
    }

    /// A connection that has just begun.
    pub fn new(id: LinkId, seat: usize, direction: Direction, remote: SocketAddr, limits: &Limits, now: Time) -> Conn {
        let (stage, timeout) = match direction {
            Direction::Outbound => (Stage::Dialing, limits.dial_timeout),
            Direction::Inbound => (Stage::Arrived, limits.greet_timeout),
        };
        Conn {
            id,
            seat,
            stage,
            direction,
            remote,
            expect: None,
            tag: None,
            session: None,
            link: None,
            hello: None,
            has_mail: false,
            expires: Time::MAX,
            sealed: Vec::new(),
            lost: Vec::new(),
            lost_unsent: (0, 0),
            watch: Watch::default(),
            is_mail_left: false,
            tail: Vec::new(),
            is_tail_fresh: false,
            flushes: Vec::new(),
            out: Vec::new(),
            out_at: 0,
            is_readable: false,
            is_writable: false,
            is_ended: false,
            control: VecDeque::new(),
            paused_since: None,
            progress: now,
            writable_since: now,
            stage_deadline: Some(now + timeout),
            armed: Time::MAX,
            told: None,
            alternatives: Vec::new(),
            discarded: 0,
            is_write_finished: false,
        }
    }

    /// The socket takes bytes.
    pub fn note_writable(&mut self, now: Time) {
        if !self.is_writable {
            self.is_writable = true;
            self.writable_since = now;
        }
    }

    /// The socket takes no more. Time in which it would have, while we had no tokens, is not held against the peer.
    pub fn note_full(&mut self, now: Time) {
        self.is_writable = false;
        self.progress = self.progress + now.since(self.progress.max(self.writable_since));
    }

    /// When the peer will have taken nothing for `write_stall`, if the socket is full.
    pub fn stalls_at(&self, write_stall: Duration) -> Option<Time> {
        (self.unwritten() > 0 && !self.is_writable).then(|| self.progress + write_stall)
    }

    /// True if a write turn could move something: into the socket, or from the mailbox into the session.
    pub fn wants_write(&self) -> bool {
        let has_words = || self.session.as_ref().is_some_and(|session| session.wants_write());
        // A mailbox that is gone with its link moves nothing any more, whatever it said last.
        let has_mail = self.has_mail && self.is_open();
        self.is_writable && (self.unwritten() > 0 || has_mail || has_words())
    }

    /// True if a read turn could move something.
    pub fn wants_read(&self) -> bool {
        match self.stage {
            Stage::Lingering => self.is_readable,
            Stage::Speaking => {
                let is_waiting = self.session.as_ref().is_none_or(|session| session.is_waiting());
                self.control.is_empty() && !is_waiting && (self.is_readable || self.is_tail_fresh)
            }
            Stage::Dialing | Stage::Arrived => false,
        }
    }

    /// When to look at it if nothing happens. `write_stall` and `stall` are the limits of those names.
    pub fn deadline(&self, write_stall: Duration, stall: Duration) -> Option<Time> {
        let session = match self.stage {
            Stage::Speaking => self.session.as_ref().and_then(|session| session.deadline()),
            _ => None,
        };
        let paused = self.paused_since.map(|since| since + stall);
        let expiry = Some(self.soonest()).filter(|at| *at < Time::MAX);
        let watch = Some(self.watch.at).filter(|at| *at < Time::MAX && self.is_open());
        [self.stage_deadline, session, self.stalls_at(write_stall), paused, expiry, watch].into_iter().flatten().min()
    }
}
