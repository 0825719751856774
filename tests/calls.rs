//! What the calls of an application do to a mailbox where two of them, or a call and the reactor, meet at the worst moment.
#![allow(
    clippy::disallowed_methods,
    reason = "a call that waits is given a moment of the real clock, which nobody waits for here"
)]

use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::link_id::LinkId;
use bowline::base::peer::PeerId;
use bowline::base::time::Time;
use bowline::base::verdict::Direction;
use bowline::bus::bell::Bell;
use bowline::bus::calls::{Ask, Calls, NotAnswered, NotAsked};
use bowline::bus::counters::NodeCounters;
use bowline::bus::link::{Body, Link, Parcel, PushError};
use bowline::bus::queue::Queue;
use bowline::bus::requests::{AskError, Asker};
use bowline::bus::routes::Routes;
use bowline::flow::batch::Ticket;
use bowline::wire::hello::{ChannelOffer, Hello};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

const CHAT: ChannelId = ChannelId(0x10);
const ASKER: Asker = Asker::Event(Ticket { tag: 1, queue: 0 });

/// A link whose send queue is full.
fn full() -> Link {
    let channel = Channel { send_queue_messages: 2, ..Channel::new(CHAT.0, "chat") };
    let offer = ChannelOffer {
        id: CHAT,
        name: "chat".to_owned(),
        message_bytes_max: 1_000,
        credit: 65_536,
        requests_max: 1,
        segment_cost_min: 0,
    };
    let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
    let remote = "127.0.0.1:1".parse().expect("an address");
    let link = Link::new(LinkId::from_u64(1), PeerId::from_bytes([1; 32]), Direction::Outbound, remote, hello, &[channel]);
    (0..2).for_each(|_| assert!(link.push(0, Kind::Message, 0, Body::Slice(b"x"), None).is_ok()));
    link
}

fn ask(link: &Link, deadline: Option<&dyn Fn() -> Instant>) -> Result<u32, NotAsked> {
    let routes = Routes::new(Arc::new(Queue::new(Box::new(|_| {}))));
    let (bell, counters) = (Bell::new(Box::new(|| {})), NodeCounters::default());
    let message = Bytes::from_static(b"?");
    let ask = Ask { channel: CHAT, lane: 0, message: &message, late: Time::from_nanos(5), deadline };
    Calls { routes: &routes, bell: &bell, counters: &counters }.ask(link, &ask, ASKER)
}

/// What waits in the mailbox, which is empty then.
fn mail(link: &Link) -> Vec<(Kind, u32)> {
    let mut mail = Vec::new();
    link.collect(|_, pending, _| {
        while let Some((head, _)) = pending.front() {
            mail.push((head.kind, head.request));
            // A body of two bytes is nobody's code.
            drop(pending.pop());
        }
    });
    mail
}

#[test]
fn a_request_without_room_leaves_nothing_behind() {
    let link = full();
    assert_eq!(ask(&link, None), Err(NotAsked::NotSent(PushError::Full)));
    assert_eq!(link.requests.waiting(), (0, 0));
    assert_eq!(mail(&link).len(), 2);
    assert!(ask(&link, None).is_ok(), "it does not count");
}

/// The reactor finds it late while the call still waits for room to send it.
#[test]
fn a_request_that_was_late_before_it_was_queued_is_taken_out_again() {
    let link = full();
    let in_between = || {
        let late = link.requests.expired(Time::from_nanos(5));
        assert!(late.len() == 1 && !late[0].is_queued, "its asker is told now, and the peer not");
        assert!(matches!(ask(&link, None), Err(NotAsked::Refused(AskError::TooMany { max: 1 }))), "it may still be sent");
        assert_eq!(mail(&link).len(), 2);
        Instant::now()
    };
    assert!(ask(&link, Some(&in_between)).is_ok(), "it was accepted: its outcome was told");
    assert_eq!(mail(&link), [], "the peer hears nothing of it");
    assert!(ask(&link, None).is_ok(), "it counts no more");
}

/// The same, but the reactor has it in its hand before the call goes on.
#[test]
fn a_request_that_was_late_and_is_sent_all_the_same_is_taken_back_behind_itself() {
    let link = full();
    let number = link.requests.ask(CHAT, 1, Time::from_nanos(5), ASKER).expect("there is room");
    assert_eq!(link.requests.expired(Time::from_nanos(5)).len(), 1);
    assert!(link.requests.queued(number) && link.requests.is_to_be_told(number));
    assert!(link.withdraw(0, number) || !mail(&link).is_empty());
    link.requests.release(number);
    assert!(!link.requests.is_to_be_told(number) && ask(&link, None).is_ok(), "it counts no more");
}

fn answer(link: &Link, request: u32, deadline: Option<&dyn Fn() -> Instant>) -> Result<(), NotAnswered> {
    let routes = Routes::new(Arc::new(Queue::new(Box::new(|_| {}))));
    let (bell, counters) = (Bell::new(Box::new(|| {})), NodeCounters::default());
    let parcel = Parcel { kind: Kind::Response, request, ..Parcel::message(Body::Slice(b"!")) };
    Calls { routes: &routes, bell: &bell, counters: &counters }.answer(link, CHAT, &parcel, deadline)
}

/// A peer that asks, takes back while the answer waits for room, and asks again, for days.
#[test]
fn what_the_peer_took_back_while_its_answer_waited_is_owed_no_more() {
    let link = full();
    for request in 1..100 {
        link.requests.owe(CHAT, request);
        let in_between = || {
            link.requests.withdraw(CHAT, request);
            Instant::now()
        };
        assert_eq!(answer(&link, request, Some(&in_between)), Err(NotAnswered::NotSent(PushError::Full)));
        assert_eq!(link.requests.waiting(), (0, 0));
        assert_eq!(answer(&link, request, None), Err(NotAnswered::NoRequest));
    }
    // One that is asked anew under the same number is owed an answer, whatever becomes of the one before.
    link.requests.owe(CHAT, 7);
    let asked_anew = || {
        link.requests.withdraw(CHAT, 7);
        link.requests.owe(CHAT, 7);
        Instant::now()
    };
    assert_eq!(answer(&link, 7, Some(&asked_anew)), Err(NotAnswered::NotSent(PushError::Full)));
    assert_eq!(mail(&link).len(), 2);
    assert_eq!((answer(&link, 7, None), answer(&link, 7, None)), (Ok(()), Err(NotAnswered::NoRequest)));
    assert_eq!(link.requests.waiting(), (0, 0));
}
