//! What becomes of sends and requests while their link lives: written, expired, cancelled, answered, late. Each is told once, through
//! the queues, at the end of the turn. Part of the engine.

use super::conn::Conn;
use super::engine::Core;
use crate::base::channel::{ChannelId, Kind};
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::bus::backlog::Drops;
use crate::bus::fate::{Fate, News};
use crate::bus::link::{Left, Link};
use crate::bus::requests::Outcome;
use crate::flow::batch::{Batch, Note, Removed, Ticket};
use crate::session::intake::{Reply, Word};
use std::sync::Arc;

impl Core {
    /// Hands the news of this turn to the queues.
    pub(super) fn tell_news(&mut self) {
        if !self.news.is_empty() {
            self.ports.routes.post(&mut self.news);
        }
    }

    /// The kernel has taken everything that was sealed.
    pub(super) fn note_written(&mut self, conn: &mut Conn) {
        if let Some(link) = &conn.link {
            self.news.extend(conn.sealed.drain(..).map(|ticket| News::sent(link, ticket, Fate::Accepted)));
        }
    }

    /// The link ends. What it owes to anybody is told before its Down.
    pub(super) fn note_end(&mut self, conn: &mut Conn, link: &Arc<Link>, left: Left, reason: CloseReason) {
        self.news.extend(conn.sealed.drain(..).map(|ticket| News::sent(link, ticket, Fate::Closed(reason))));
        News::end(link, left, reason, &mut self.news);
        self.tell_news();
    }

    /// Takes out what has expired, and tells those whose requests are late.
    pub(super) fn expire(&mut self, conn: &mut Conn) {
        let now = self.ambient.now;
        let Some(link) = conn.link.clone() else { return };
        // First who is late: whoever queues one of them from now on finds that it is over.
        let late = link.requests.expired(now);
        let removed = self.take_out(conn, Fate::Expired, |note| note.expires <= now);
        for over in late {
            self.ports.counters.requests_late.add(1);
            if over.is_queued && !has_request(&removed, over.request) {
                withdraw(&link, over.channel, over.request);
                conn.has_mail = true;
                link.requests.release(over.request);
            }
            News::complete(&link, over, Outcome::TimedOut, 0, &mut self.news);
        }
        conn.expires = link.look(now);
    }

    /// Tells whose requests to the node itself are late.
    pub(super) fn expire_own(&mut self) {
        let (now, own) = (self.ambient.now, &self.ports.roster.own);
        if own.soonest() > now {
            return;
        }
        for over in own.expired(now) {
            self.ports.counters.requests_late.add(1);
            own.withdraw(over.channel, over.request);
            // It was never anywhere but in a queue of our own.
            own.forget(over.request);
            News::complete_own(self.dialects.own(), over, Outcome::TimedOut, &mut self.news);
        }
    }

    /// The sender takes back what it sent with this tag, as far as nothing of it was sent.
    pub(super) fn cancel(&mut self, conn: &mut Conn, tag: u64, queue: Option<u16>) {
        let is_meant = |ticket: Ticket| ticket.tag == tag && queue.is_none_or(|queue| ticket.queue == queue);
        self.take_out(conn, Fate::Cancelled, |note| note.ticket.is_some_and(is_meant));
    }

    /// The asker has taken its request back: it is not sent any more, or the peer hears of it.
    pub(super) fn withdraw(&mut self, conn: &mut Conn, channel: ChannelId, request: u32) {
        let removed = self.take_out(conn, Fate::Cancelled, |note| note.request == request && request != 0);
        let Some(link) = &conn.link else { return };
        if removed.is_empty() && link.requests.is_to_be_told(request) {
            withdraw(link, channel, request);
            conn.has_mail = true;
            link.requests.release(request);
        }
    }

    /// Takes the messages out that `pick` picks, and tells their senders.
    fn take_out(&mut self, conn: &mut Conn, fate: Fate, mut pick: impl FnMut(&Note) -> bool) -> Vec<Removed> {
        let Some(link) = &conn.link else { return Vec::new() };
        let mut removed = link.take_out(&mut pick);
        if let Some(session) = &mut conn.session {
            removed.append(&mut session.take_out(false, &mut pick));
        }
        let counters = &self.ports.counters;
        let all = if fate == Fate::Expired { &counters.messages_expired } else { &counters.messages_cancelled };
        for gone in &removed {
            let Some(note) = gone.note else { continue };
            if note.request != 0 {
                link.requests.forget(note.request);
                continue;
            }
            all.add(1);
            let of_channel = |drops: &Drops| if fate == Fate::Expired { drops.expired.add(1) } else { drops.cancelled.add(1) };
            link.drops(gone.lane).map(of_channel);
        }
        let tickets = removed.iter().filter_map(|removed| removed.note?.ticket);
        self.news.extend(tickets.map(|ticket| News::sent(link, ticket, fate)));
        removed
    }

    /// What the peer says to requests: the answers to ours go to who asked, its own that it takes back are forgotten.
    pub(super) fn take_replies(&mut self, conn: &mut Conn) {
        let Some(link) = &conn.link else { return self.intake.replies.clear() };
        for Reply { channel, request, word, cost } in self.intake.replies.drain(..) {
            let outcome = match word {
                Word::Answer(body) => Outcome::Answer(body),
                Word::Refused(refusal) => Outcome::Refused(refusal),
                Word::Cancel => {
                    link.requests.withdraw(channel, request);
                    continue;
                }
            };
            let taken = match link.requests.answered(channel, request) {
                Some(over) => News::complete(link, over, outcome, cost, &mut self.news),
                None => {
                    self.ports.counters.answers_late.add(1);
                    cost
                }
            };
            if let Some(session) = conn.session.as_mut().filter(|_| taken > 0) {
                session.grant(channel, taken);
            }
        }
    }
}

/// Enters the requests of these batches in the link's table, before anybody can answer them.
pub(super) fn owe(link: &Link, batches: &[Batch]) {
    for batch in batches.iter().filter(|batch| batch.requests > 0) {
        let requests = batch.entries.iter().filter(|entry| entry.kind == Kind::Request);
        if let Some(channel) = batch.channel {
            requests.for_each(|entry| link.requests.owe(channel, entry.request));
        }
    }
}

fn has_request(removed: &[Removed], request: u32) -> bool {
    removed.iter().any(|removed| removed.note.is_some_and(|note| note.request == request))
}

/// The peer is to forget a request of ours.
fn withdraw(link: &Link, channel: ChannelId, request: u32) {
    if let Some(lane) = link.lane(channel) {
        // The reactor is here already: nobody rings.
        link.withdraw(lane, request);
    }
}

impl Conn {
    /// When something of the link expires or is late, as far as is known.
    pub(super) fn soonest(&self) -> Time {
        match &self.session {
            Some(session) if self.link.is_some() => self.expires.min(session.soonest()),
            _ => Time::MAX,
        }
    }
}
