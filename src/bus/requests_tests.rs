//! What the table of requests promises: each is over once, numbers are never taken twice, the peer's limit holds.

use super::requests::{AskError, Asker, Requests};
use crate::base::channel::ChannelId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::flow::batch::Ticket;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const A: ChannelId = ChannelId(0x20);
const B: ChannelId = ChannelId(0x21);

fn asker(tag: u64) -> Asker {
    Asker::Event(Ticket { tag, queue: 0 })
}

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

#[test]
fn the_limit_counts_each_channel_by_itself() {
    let requests = Requests::default();
    let first = requests.ask(A, 2, Time::MAX, asker(0)).expect("there is room");
    requests.ask(A, 2, Time::MAX, asker(1)).expect("there is room");
    assert_eq!(requests.ask(A, 2, Time::MAX, asker(2)), Err(AskError::TooMany { max: 2 }));
    requests.ask(B, 2, Time::MAX, asker(3)).expect("another channel");
    assert!(requests.answered(B, first).is_none(), "an answer on another channel is none");
    assert!(requests.answered(A, first).is_some() && requests.answered(A, first).is_none());
    requests.ask(A, 2, Time::MAX, asker(4)).expect("there is room again");
}

/// Or the peer would get one more than it allows before it hears that another is over, and end the link for it.
#[test]
fn what_is_over_keeps_its_place_until_the_peer_can_be_told() {
    let requests = Requests::default();
    let full = |requests: &Requests| requests.ask(A, 2, Time::MAX, asker(9)) == Err(AskError::TooMany { max: 2 });
    let first = requests.ask(A, 2, Time::MAX, asker(0)).expect("there is room");
    let late = requests.ask(A, 2, at(5), asker(1)).expect("there is room");
    requests.forget(first);
    assert!(requests.cancel(B, first).is_none(), "another channel's");
    assert!(requests.cancel(A, first).is_some() && requests.cancel(A, first).is_none());
    assert_eq!(requests.expired(at(5)).len(), 1);
    assert!(full(&requests) && requests.expired(at(5)).is_empty());
    assert_eq!((requests.soonest(), requests.waiting()), (Time::MAX, (0, 0)));
    requests.forget(late);
    let other = requests.ask(A, 2, Time::MAX, asker(2)).expect("the peer hears of the first before");
    assert!(full(&requests));
    assert!(requests.answered(A, first).is_none(), "it crossed the cancel");
    requests.ask(A, 2, Time::MAX, asker(3)).expect("an answer frees its place, too");
    assert_eq!(requests.close(CloseReason::Reset).len(), 2);
    assert!(other != first && other != late);
}

/// Its cancel would overtake it, and the peer would count it for ever.
#[test]
fn one_that_is_over_before_it_is_queued_keeps_its_place_until_its_cancel_is_behind_it() {
    let requests = Requests::default();
    let full = |requests: &Requests| requests.ask(A, 1, Time::MAX, asker(9)) == Err(AskError::TooMany { max: 1 });
    let first = requests.ask(A, 1, Time::MAX, asker(0)).expect("there is room");
    assert!(requests.cancel(A, first).is_some());
    requests.release(first);
    assert!(full(&requests) && requests.queued(first), "whoever has queued it tells the peer");
    requests.forget(first);
    let second = requests.ask(A, 1, Time::MAX, asker(1)).expect("there is room");
    assert!(!requests.queued(second));
    requests.release(second);
    assert!(full(&requests), "it is not over");
    assert!(requests.cancel(A, second).is_some());
    requests.release(second);
    requests.ask(A, 1, Time::MAX, asker(2)).expect("there is room");
}

#[test]
fn a_closed_link_completes_all_and_takes_none() {
    let requests = Requests::default();
    let numbers: BTreeSet<u32> = (0..5).map(|tag| requests.ask(A, 9, at(tag), asker(tag)).expect("there is room")).collect();
    requests.owe(A, 1);
    let over: BTreeSet<u32> = requests.close(CloseReason::Reset).into_iter().map(|over| over.request).collect();
    assert_eq!(over, numbers);
    assert_eq!(requests.ask(A, 9, Time::MAX, asker(9)), Err(AskError::Closed(CloseReason::Reset)));
    assert!(!requests.settle(A, 1), "nobody is there to hear it");
    requests.owe(A, 2);
    assert_eq!(requests.waiting(), (0, 0));
    assert!(requests.close(CloseReason::Stopped).is_empty());
    assert_eq!(requests.ask(A, 9, Time::MAX, asker(9)), Err(AskError::Closed(CloseReason::Reset)), "the first reason stays");
}

#[test]
fn an_answer_is_given_once() {
    let requests = Requests::default();
    requests.owe(A, 7);
    requests.owe(B, 7);
    assert!(!requests.settle(A, 8), "nobody asked");
    assert!(requests.settle(A, 7) && !requests.settle(A, 7));
    requests.withdraw(B, 7);
    assert!(!requests.settle(B, 7), "the peer took it back");
}

proptest! {
    #[test]
    fn every_request_is_over_exactly_once(steps in prop::collection::vec((0_u8..5, 0_u64..60, 0_usize..8), 1..300)) {
        let requests = Requests::default();
        let mut waiting: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        let mut over = BTreeSet::new();
        let tag_of = |asker: &Asker| match asker {
            Asker::Event(ticket) => ticket.tag,
            Asker::Call(_) => unreachable!("nobody waits in a call here"),
        };
        for (tag, (step, time, place)) in steps.into_iter().enumerate() {
            let tag = tag as u64;
            let chosen = waiting.keys().nth(place).copied();
            let ended = match (step, chosen) {
                (0 | 1, _) => {
                    let request = requests.ask(A, u32::MAX, at(time), asker(tag)).expect("no limit");
                    prop_assert!(request != 0 && waiting.insert(request, (tag, time)).is_none());
                    Vec::new()
                }
                (2, Some(request)) => Vec::from_iter(requests.answered(A, request)),
                (3, Some(request)) => Vec::from_iter(requests.cancel(A, request)),
                _ => {
                    let ended = requests.expired(at(time));
                    let late = waiting.values().filter(|(_, deadline)| *deadline <= time).count();
                    prop_assert_eq!(ended.len(), late);
                    ended
                }
            };
            for ended in ended {
                requests.forget(ended.request);
                let (tag, _) = waiting.remove(&ended.request).expect("it waited");
                prop_assert_eq!(tag, tag_of(&ended.asker));
                prop_assert!(over.insert(tag), "twice over");
            }
            let soonest = waiting.values().map(|(_, deadline)| at(*deadline)).min().unwrap_or(Time::MAX);
            prop_assert!(requests.soonest() <= soonest);
            prop_assert_eq!(requests.waiting(), (waiting.len(), 0));
        }
        prop_assert_eq!(requests.close(CloseReason::Stopped).len(), waiting.len());
    }
}
