//! Welcome: it alone moves existing links through their lives, from the reactor's reports in their order. It decides who may come in
//! and who stays, by the pool's rules, and tells the others what changed. It never dials.

use super::farewell;
use super::machine::Machine;
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::bus::command::Command;
use crate::bus::outbox::{Notice, Outbox, Outcome};
use crate::bus::report::Report;
use crate::pool::slots::{Phase, Purpose};
use crate::pool::table::Pool;
use crate::wire::hello::Hello;
use std::net::SocketAddr;
use std::sync::Arc;

const LOG: &str = "bowline::welcome";

/// The welcome worker's machine.
#[derive(Debug)]
pub struct Welcome {
    rng: Rng,
    deadline: Option<Time>,
    /// For lines that anybody who connects can provoke.
    refused_lines: Throttle,
}

impl Welcome {
    pub fn new(rng: Rng) -> Welcome {
        Welcome { rng, deadline: None, refused_lines: Throttle::default() }
    }

    fn arrived(&mut self, now: Time, link: LinkId, from: SocketAddr, pool: &mut Pool, out: &mut Outbox) {
        match pool.claim_arrival(now, link, from) {
            Ok(evicted) => {
                if let Some(link) = evicted {
                    out.commands.push(Command::Close { link, reason: CloseReason::HalfOpenLimit });
                }
                out.commands.push(Command::Greet { link });
            }
            Err(reason) => {
                out.commands.push(Command::Close { link, reason });
                self.log_refusal(now, out, || format!("{from} not let in: {reason}"));
            }
        }
    }

    fn recognised(&mut self, now: Time, link: LinkId, peer: PeerId, pool: &mut Pool, out: &mut Outbox) {
        let verdict = pool.recognise(now, link, peer);
        if let Verdict::Refuse { motive, .. } = &verdict
            && *motive != CloseReason::Duplicate
        {
            self.log_refusal(now, out, || format!("{link} with {} refused early: {motive}", peer.short()));
        }
        // A dial that met a key has proven an address.
        out.changed |= pool.slots().get(link).is_some_and(|slot| slot.direction == Direction::Outbound);
        out.commands.push(Command::Judge { link, verdict });
    }

    fn introduced(&mut self, now: Time, link: LinkId, peer: PeerId, hello: &Arc<Hello>, pool: &mut Pool, out: &mut Outbox) {
        let remote = pool.slots().get(link).map(|slot| slot.remote);
        let introduction = pool.introduce(now, link, peer, hello, &mut self.rng);
        out.commands.extend(introduction.close.into_iter().map(|(link, reason)| Command::Close { link, reason }));
        if let (Verdict::Refuse { motive, .. }, Some(remote)) = (&introduction.verdict, remote) {
            out.notices.push(Notice::Refused { remote, peer: Some(peer), reason: *motive });
            self.log_refusal(now, out, || format!("{link} with {} at {remote} refused: {motive}", peer.short()));
        }
        out.commands.push(Command::Judge { link, verdict: introduction.verdict });
    }

    fn opened(&mut self, now: Time, link: LinkId, pool: &mut Pool, out: &mut Outbox) {
        let Some(slot) = pool.open(now, link) else { return };
        let Some(peer) = slot.peer else { return };
        if let Some(Purpose::Asked { .. }) = slot.purpose {
            out.outcomes.push(Outcome { link, result: Ok(peer) });
        }
        let way = if slot.direction == Direction::Inbound { "from" } else { "to" };
        out.log.push((log::Level::Info, LOG, format!("{link} open {way} {} with {peer}", slot.remote)));
        out.changed = true;
        out.nudge_exchange = true;
        // It may have crossed a bound, and it may have claimed an address that wants proof.
        out.nudge_maintenance = true;
    }

    fn closed(&mut self, now: Time, end: End<'_>, pool: &mut Pool, out: &mut Outbox) {
        let End { link, reason, told, alternatives } = end;
        let Some(closed) = pool.close(now, link, reason, told, alternatives, &mut self.rng) else { return };
        let slot = &closed.slot;
        let told_text = told.map(|told| format!(", told: {told}")).unwrap_or_default();
        let (level, what) = if slot.phase == Phase::Open {
            (log::Level::Info, "closed")
        } else if slot.direction == Direction::Outbound {
            (log::Level::Debug, "not opened")
        } else {
            (log::Level::Trace, "not opened")
        };
        if level < log::Level::Trace {
            out.log.push((level, LOG, format!("{link} with {} {what}: {reason}{told_text}", slot.remote)));
        }
        farewell::tell(&closed, reason, told, out);
    }

    fn log_refusal(&mut self, now: Time, out: &mut Outbox, text: impl FnOnce() -> String) {
        if let Some(suppressed) = self.refused_lines.allow(now) {
            let tail = if suppressed == 0 { String::new() } else { format!(" ({suppressed} such lines suppressed before)") };
            out.log.push((log::Level::Debug, LOG, text() + &tail));
        }
    }
}

/// A `Report::Closed`, unpacked.
struct End<'a> {
    link: LinkId,
    reason: CloseReason,
    told: Option<CloseReason>,
    alternatives: &'a [Address],
}

impl Machine for Welcome {
    type Input = Report;

    fn handle(&mut self, now: Time, input: Report, pool: &mut Pool, out: &mut Outbox) {
        match input {
            Report::Arrived { link, from } => self.arrived(now, link, from, pool, out),
            Report::Recognised { link, peer, .. } => self.recognised(now, link, peer, pool, out),
            Report::Introduced { link, peer, hello, .. } => self.introduced(now, link, peer, &hello, pool, out),
            Report::Opened { link } => self.opened(now, link, pool, out),
            Report::Closed { link, reason, told, alternatives } => {
                self.closed(now, End { link, reason, told, alternatives: &alternatives }, pool, out);
            }
        }
        self.deadline = pool.slots().next_deadline();
    }

    fn wake(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        farewell::sweep(now, &mut self.rng, pool, out);
        self.deadline = pool.slots().next_deadline();
    }

    fn deadline(&self) -> Option<Time> {
        self.deadline
    }
}
