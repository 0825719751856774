//! What became of sends and requests, on the way to those who asked to hear of it: each is told exactly once. Plain values and the two
//! ends that a link's end brings about; the reactor and a failing node fill them in, `routes` carries them.

use super::event::{Event, Response, Sent};
use super::link::{Left, Link};
use super::requests::{Asker, Outcome, Over};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::flow::batch::Ticket;
use std::sync::Arc;

/// Where a sent message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its last byte was handed to the kernel. Whether the peer got it only an answer can say.
    Accepted,
    /// Its time to live was over before its first byte was sent.
    Expired,
    /// The sender took it back before its first byte was sent.
    Cancelled,
    /// It gave way to a newer message, as its channel's overflow policy says.
    Displaced,
    /// The link closed before its last byte was sent.
    Closed(CloseReason),
}

/// An event for one queue, with the credit to give back when it is taken.
#[derive(Debug)]
pub struct News {
    pub queue: u16,
    pub event: Event,
    pub receipt: Option<(Arc<Link>, u32)>,
}

const _: () = assert!(size_of::<News>() <= sizes::NEWS);

impl News {
    /// Tells the sender of a message.
    pub fn sent(link: &Link, ticket: Ticket, fate: Fate) -> News {
        let event = Event::Sent(Sent { link: link.id, peer: link.peer, tag: ticket.tag, fate });
        News { queue: ticket.queue, event, receipt: None }
    }

    /// Tells who asked: a call that waits at once, anybody else through `news`. `cost` is what taking the answer gives back.
    /// Returns the cost that has been taken with it.
    pub fn complete(link: &Arc<Link>, over: Over, outcome: Outcome, cost: u32, news: &mut Vec<News>) -> u32 {
        let Some(told) = News::answer(link.id, link.peer, over, outcome) else { return cost };
        let receipt = (cost > 0).then(|| (Arc::clone(link), cost));
        news.push(News { receipt, ..told });
        0
    }

    /// As `complete`, for a request of the node `own` to itself.
    pub fn complete_own(own: PeerId, over: Over, outcome: Outcome, news: &mut Vec<News>) {
        news.extend(News::answer(LinkId::LOCAL, own, over, outcome));
    }

    /// What is to be told in a queue; nothing if a call waits, which is told at once.
    fn answer(link: LinkId, peer: PeerId, over: Over, outcome: Outcome) -> Option<News> {
        match over.asker {
            Asker::Call(call) => {
                // A caller that does not wait any more has taken its request back; nobody misses the outcome.
                let _ = call.try_send(outcome);
                None
            }
            Asker::Event(ticket) => {
                let (channel, request, tag) = (over.channel, over.request, ticket.tag);
                let event = Event::Response(Response { link, peer, channel, request, tag, outcome });
                Some(News { queue: ticket.queue, event, receipt: None })
            }
        }
    }

    /// Tells of everything that ends with the link.
    pub fn end(link: &Arc<Link>, left: Left, reason: CloseReason, news: &mut Vec<News>) {
        let tickets = left.noted.iter().filter_map(|removed| removed.note?.ticket);
        news.extend(tickets.map(|ticket| News::sent(link, ticket, Fate::Closed(reason))));
        for over in link.requests.close(reason) {
            News::complete(link, over, Outcome::Closed(reason), 0, news);
        }
    }
}
