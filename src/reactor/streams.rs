//! Bytes in and bytes out of one connection: socket to session to queues, mailbox to session to socket. Part of the engine; it decides
//! nothing about a link's life, an error it returns ends the link.

use super::conn::{Conn, Stage};
use super::engine::Core;
use super::fates::owe;
use super::limits::{ARRIVED_MAX, ARRIVED_WAIT, DUE_LATE, LINGER_BYTES};
use super::net::Net;
use crate::base::limits::{READ_BUFFER, RECORD_LENGTH_FIELD, RECORD_LENGTH_MAX};
use crate::base::reason::CloseReason;
use crate::base::text::{panic_text, shown};
use crate::base::throttle::LINES_MAX;
use crate::base::time::Time;
use crate::bus::report::Control;
use crate::session::intake::Intake;
use bytes::Bytes;
use crossbeam_channel::TrySendError;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

impl Core {
    /// After anything happened to a connection: puts it into the turns where it has work, and arms its timer.
    pub(super) fn settle(&mut self, conn: &mut Conn) {
        if conn.wants_read() {
            self.reads.want(conn.seat);
        }
        if conn.wants_write() {
            self.writes.want(conn.seat);
        }
        if let Some(at) = conn.deadline(self.limits.write_stall_timeout, self.limits.stall_timeout)
            && at < conn.armed
        {
            conn.armed = at;
            self.timers.arm(at, conn.id);
        }
        if !conn.flushes.is_empty() && conn.has_sent() {
            // Who does not wait any more needs no answer.
            for flush in conn.flushes.drain(..) {
                let _ = flush.done.try_send(());
            }
        }
    }

    /// Reads once, at most `bytes_max`, and takes in what came. Gives the bytes moved beside the result.
    pub(super) fn read_turn(
        &mut self,
        conn: &mut Conn,
        net: &mut impl Net,
        bytes_max: usize,
    ) -> (usize, Result<(), CloseReason>) {
        if matches!(conn.stage, Stage::Lingering) {
            return self.discard(conn, net, bytes_max);
        }
        if !conn.wants_read() {
            return (0, Ok(()));
        }
        let have = conn.tail.len();
        // Before it is open a link may make us hold one record, whatever it sends while its verdict or our puzzle takes time.
        let limit = if conn.is_open() { self.buffer.len() } else { RECORD_LENGTH_FIELD + RECORD_LENGTH_MAX };
        let room = limit.saturating_sub(have).min(READ_BUFFER).min(bytes_max);
        let mut end = None;
        let mut got = 0;
        if room == 0 && !conn.is_tail_fresh {
            return (0, Err(CloseReason::BadHandshake));
        }
        if conn.is_readable && room > 0 {
            match net.read(conn.id, &mut self.buffer[have..have + room]) {
                Ok(0) => end = Some(CloseReason::Truncated),
                Ok(n) => got = n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => conn.is_readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => end = Some(CloseReason::Reset),
            }
            // A short read has emptied the socket; only an end that was already reported brings no further event.
            if got > 0 && got < room && !conn.is_ended {
                conn.is_readable = false;
            }
        }
        // Counted before the messages are handed on: who reads one finds its bytes counted.
        self.ports.counters.bytes_in.add(got as u64);
        if let Some(link) = conn.link.as_ref().filter(|_| got > 0) {
            link.counters.bytes_in.add(got as u64);
            link.counters.last_received_ns.set(self.ambient.now.as_nanos());
        }
        if got > 0 || conn.is_tail_fresh {
            self.buffer[..have].copy_from_slice(&conn.tail);
            conn.tail.clear();
            if let Err(reason) = self.feed(conn, have + got) {
                return (got, Err(reason));
            }
        }
        match end {
            // What is held back for a verdict is still worth having; the end is met again afterwards.
            Some(_) if conn.is_tail_fresh => (got, Ok(())),
            Some(reason) => (got, Err(reason)),
            None => (got, Ok(())),
        }
    }

    /// Gives the first `have` bytes of the buffer to the session and hands on what it took in.
    fn feed(&mut self, conn: &mut Conn, have: usize) -> Result<(), CloseReason> {
        let Some(session) = conn.session.as_mut() else { return Ok(()) };
        let mut cx = self.ambient.context();
        let (input, intake) = (&mut self.buffer[..have], &mut self.intake);
        // Decoding what a peer sent is contained: no lock is held, and a panic costs the peer its link and nobody else anything.
        let result = catch_unwind(AssertUnwindSafe(|| session.handle_bytes(&mut cx, input, intake)));
        let result = result.unwrap_or_else(|panic| {
            self.ports.counters.panics_contained.add(1);
            // A peer can provoke this line, and its text: the counter goes on when the lines do not.
            if self.ports.counters.panics_contained.value() <= u64::from(LINES_MAX) {
                let text = shown(&panic_text(&*panic));
                log::error!(target: "bowline::reactor", "{}: a panic while decoding was contained: {text}", conn.id);
            }
            self.intake = Intake::default();
            // Whatever state it left off in, only one thing is asked of it again, contained like this: which messages it still had. So it
            // has no last words.
            let session = conn.session.take();
            let unsent = catch_unwind(AssertUnwindSafe(|| session.as_ref().map(|session| session.unsent())));
            conn.lost_unsent = unsent.ok().flatten().unwrap_or_default();
            let lost = catch_unwind(AssertUnwindSafe(|| session.map(|mut session| session.take_out(true, &mut |_| true))));
            conn.lost = lost.ok().flatten().unwrap_or_default();
            Err(CloseReason::PanicContained)
        });
        self.signals(conn);
        self.hand_over(conn);
        let used = result?;
        conn.tail.extend_from_slice(&self.buffer[used..have]);
        conn.is_tail_fresh = !conn.tail.is_empty() && conn.session.as_ref().is_some_and(|session| session.is_waiting());
        Ok(())
    }

    /// Hands what the session took in to the queues and to exchange.
    fn hand_over(&mut self, conn: &mut Conn) {
        // A request before its cancel, which may have come with it: an answer would wait for a peer that has let go of it.
        if let Some(link) = &conn.link {
            owe(link, &self.intake.batches);
        }
        if !self.intake.replies.is_empty() {
            self.take_replies(conn);
        }
        if !self.intake.batches.is_empty()
            && let Some(link) = &conn.link
        {
            let messages: usize = self.intake.batches.iter().map(|batch| batch.entries.len()).sum();
            let payload: usize = self.intake.batches.iter().map(|batch| batch.bytes.len()).sum();
            link.counters.messages_in.add(messages as u64);
            self.ports.counters.messages_in.add(messages as u64);
            self.ports.counters.payload_in.add(payload as u64);
            for batch in &self.intake.batches {
                if let Some(traffic) = batch.channel.and_then(|channel| self.ports.traffic.on(channel)) {
                    traffic.messages_in.add(batch.entries.len() as u64);
                    traffic.bytes_in.add(batch.bytes.len() as u64);
                }
            }
            // Handed on together: a receiver that sleeps is woken once for much instead of often for little.
            if self.arrived.is_empty() {
                self.arrived_since = self.ambient.now;
            }
            conn.watch.begin(self.ambient.now, self.limits.stall_after);
            self.arrived_bytes += payload;
            match self.arrived.last_mut().filter(|(last, _)| last.id == conn.id) {
                Some((_, batches)) => batches.append(&mut self.intake.batches),
                None => self.arrived.push((Arc::clone(link), std::mem::take(&mut self.intake.batches))),
            }
            if self.arrived_bytes >= ARRIVED_MAX {
                self.deliver();
            }
        }
        self.intake.batches.clear();
        if !self.intake.control.is_empty() {
            conn.control.extend(self.intake.control.drain(..));
            self.hand_control(conn);
        }
    }

    /// Hands on what has arrived when a turn has read nothing more (`before` bytes were there when it began), or it has waited long
    /// enough. Until then the engine asks for another turn at once: to look whether more is there costs less than to wake a receiver.
    pub(super) fn deliver_if_due(&mut self, before: usize) {
        if self.arrived_bytes == before || self.ambient.now >= self.arrived_since + ARRIVED_WAIT {
            self.deliver();
        }
    }

    /// Hands the messages that have arrived to the queues.
    pub(super) fn deliver(&mut self) {
        self.arrived_bytes = 0;
        for (link, mut batches) in self.arrived.drain(..) {
            self.ports.routes.deliver(&link, &mut batches, self.ambient.now);
        }
    }

    /// Hands control messages to exchange as far as it has room; the link is not read while some are left.
    pub(super) fn hand_control(&mut self, conn: &mut Conn) {
        let Some(peer) = conn.link.as_ref().map(|link| link.peer) else {
            self.drop_control(conn);
            return;
        };
        while let Some(message) = conn.control.pop_front() {
            let body = Bytes::from(message.body);
            let control =
                Control { link: conn.id, peer, channel: message.channel, kind: message.kind, request: message.request, body };
            if let Err(error) = self.ports.control.try_send(control) {
                if let TrySendError::Full(control) = error {
                    let (channel, kind, request) = (control.channel, control.kind, control.request);
                    let body = control.body.to_vec();
                    conn.control.push_front(crate::session::intake::ControlMessage { channel, kind, request, body });
                    conn.paused_since.get_or_insert(self.ambient.now);
                    self.paused.push_back(conn.id);
                }
                return;
            }
        }
        // Only a pause of our own excuses silence: control messages alone must not keep a peer alive that answers no ping.
        if conn.paused_since.take().is_some()
            && let Some(session) = &mut conn.session
        {
            session.resume(self.ambient.now);
        }
    }

    /// Drops control messages of a link that has ended.
    pub(super) fn drop_control(&mut self, conn: &mut Conn) {
        self.ports.counters.controls_dropped.add(conn.control.len() as u64);
        conn.control.clear();
    }

    /// Fills the socket from the session and the mailbox, at most `bytes_max`. Gives the bytes moved beside the result.
    pub(super) fn write_turn(
        &mut self,
        conn: &mut Conn,
        net: &mut impl Net,
        bytes_max: usize,
    ) -> (usize, Result<(), CloseReason>) {
        let mut moved = 0;
        let mut result = Ok(());
        while conn.is_writable && moved < bytes_max {
            if conn.unwritten() == 0 {
                self.fill(conn);
                if conn.out.is_empty() {
                    break;
                }
                conn.progress = self.ambient.now;
            }
            let wanted = conn.unwritten().min(bytes_max - moved);
            match net.write(conn.id, &conn.out[conn.out_at..conn.out_at + wanted]) {
                Ok(n) => {
                    conn.out_at += n;
                    conn.progress = self.ambient.now;
                    moved += n;
                    if n < wanted {
                        conn.note_full(self.ambient.now);
                    }
                    if conn.unwritten() == 0 {
                        self.note_written(conn);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => conn.note_full(self.ambient.now),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    result = Err(CloseReason::Reset);
                    break;
                }
            }
        }
        self.ports.counters.bytes_out.add(moved as u64);
        if let Some(link) = conn.link.as_ref().filter(|_| moved > 0) {
            link.counters.bytes_out.add(moved as u64);
            link.counters.last_sent_ns.set(self.ambient.now.as_nanos());
        }
        if matches!(conn.stage, Stage::Lingering) && conn.unwritten() == 0 && !conn.is_write_finished {
            conn.is_write_finished = true;
            net.finish(conn.id);
        }
        (moved, result)
    }

    /// Collects the mailbox and lets the session seal the next records into the empty write buffer.
    fn fill(&mut self, conn: &mut Conn) {
        conn.out.clear();
        conn.out_at = 0;
        let budget = self.seal_max(conn.seat);
        let Some(session) = conn.session.as_mut() else { return };
        if let Some(link) = conn.link.as_ref().filter(|_| conn.has_mail || conn.is_mail_left) {
            conn.has_mail = false;
            let channels = self.dialects.channels();
            let (mut messages, mut payload) = (0, 0);
            let now = self.ambient.now;
            conn.is_mail_left = link.collect(|lane, pending, taken| {
                if *taken > 0 {
                    session.grant(channels[lane].id, std::mem::take(taken));
                }
                if !pending.is_empty() && session.is_drained(lane) {
                    messages += pending.len() as u64;
                    payload += pending.bytes() as u64;
                    if let Some(traffic) = self.ports.traffic.on(channels[lane].id) {
                        traffic.messages_out.add(pending.len() as u64);
                        traffic.bytes_out.add(pending.bytes() as u64);
                    }
                    pending.hand_on(now);
                    session.refill(lane, pending);
                }
                pending.look(now);
            });
            if messages > 0 {
                link.counters.messages_out.add(messages);
                self.ports.counters.messages_out.add(messages);
                self.ports.counters.payload_out.add(payload);
            }
        }
        session.poll_write(self.ambient.now, &mut conn.out, budget);
        session.take_sealed(&mut conn.sealed);
        let is_watched = conn.watch.at < Time::MAX || conn.link.is_none();
        if !is_watched && (conn.is_mail_left || session.unsent().0 > 0) {
            conn.watch.begin(self.ambient.now, self.limits.stall_after);
        }
    }

    /// Reads and forgets what a peer still sends on a link that has ended, so that our last words are not lost in a reset.
    fn discard(&mut self, conn: &mut Conn, net: &mut impl Net, bytes_max: usize) -> (usize, Result<(), CloseReason>) {
        let room = self.buffer.len().min(bytes_max);
        match net.read(conn.id, &mut self.buffer[..room]) {
            Ok(0) => (0, Err(CloseReason::Truncated)),
            Ok(n) => {
                conn.discarded += n;
                (n, if conn.discarded > LINGER_BYTES { Err(CloseReason::Truncated) } else { Ok(()) })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                conn.is_readable = false;
                (0, Ok(()))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (0, Ok(())),
            Err(_) => (0, Err(CloseReason::Reset)),
        }
    }

    /// A timer of the connection has come: its stage is over, its session wants time, or it stalls.
    pub(super) fn due(&mut self, conn: &mut Conn) -> Result<(), CloseReason> {
        let now = self.ambient.now;
        let has_passed = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if has_passed(conn.stage_deadline) {
            return Err(match conn.stage {
                Stage::Dialing => CloseReason::ConnectTimeout,
                _ => CloseReason::HandshakeTimeout,
            });
        }
        if has_passed(conn.stalls_at(self.limits.write_stall_timeout)) {
            return Err(CloseReason::WriteStalled);
        }
        if has_passed(conn.paused_since.map(|since| since + self.limits.stall_timeout)) {
            return Err(CloseReason::Stalled);
        }
        if conn.soonest() <= now {
            self.expire(conn);
        }
        if conn.watch.at <= now {
            self.look_for_stalls(conn);
        }
        let Some(session) = conn.session.as_mut() else { return Ok(()) };
        let is_capped = self.down.rate() > 0 || self.seats[conn.seat].down.rate() > 0;
        // Late: we were stopped, or had no processor, and whatever came meanwhile has not been read. The first moment only means at once.
        let is_late = session.is_open() && session.deadline().is_some_and(|at| at > Time::ZERO && now.since(at) >= DUE_LATE);
        if conn.paused_since.is_some() || conn.is_readable && (is_capped || is_late) {
            // We do not read it, or not yet, because its tokens are used up: an answer may wait in the socket.
            session.resume(now);
        }
        if has_passed(session.deadline()) {
            let result = session.handle_deadline(&mut self.ambient.context());
            self.signals(conn);
            return result;
        }
        Ok(())
    }
}
