//! Tests of a link's mailbox. In a file of their own, because the model checker takes in `link.rs` as it stands.

use super::link::{Body, Left, Link, Parcel, PushError};
use crate::base::channel::{Channel, ChannelId, Kind, Overflow};
use crate::base::limits::{BY_REFERENCE_MIN, REQUESTS_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::verdict::Direction;
use crate::wire::hello::{ChannelOffer, Hello};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CHAT: Channel = Channel {
    id: ChannelId(0x10),
    name: String::new(),
    priority: 1,
    message_bytes_max: 100,
    send_queue_bytes: 100,
    send_queue_messages: 3,
    receive_queue_bytes: 65_536,
    receive_queue_messages: 32_768,
    bytes_per_turn: 0,
    requests_max: 4,
    overflow: Overflow::Refuse,
    rate_bytes: 0,
    burst_bytes: 0,
    rate_messages: 0,
    burst_messages: 0,
};

/// A link on which the peer has CHAT, with a smaller largest message, and not the second channel.
fn link() -> Link {
    link_that(Overflow::Refuse)
}

/// The same with another policy.
fn link_that(overflow: Overflow) -> Link {
    let other = Channel { id: ChannelId(0x11), ..CHAT };
    let offer = ChannelOffer {
        id: CHAT.id,
        name: "chat".to_owned(),
        message_bytes_max: 90,
        credit: 65_536,
        requests_max: 4,
        segment_cost_min: 0,
    };
    let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
    let remote = "127.0.0.1:1".parse().expect("an address");
    Link::new(
        LinkId::from_u64(1),
        PeerId::from_bytes([1; 32]),
        Direction::Outbound,
        remote,
        hello,
        &[Channel { overflow, ..CHAT }, other],
    )
}

fn push(link: &Link, lane: usize, len: usize) -> Result<bool, PushError> {
    link.push(lane, Kind::Message, 0, Body::Slice(&vec![0; len]), None)
}

fn totals(left: Left) -> (usize, usize) {
    (left.messages, left.bytes)
}

#[test]
fn the_bell_is_asked_for_once_until_the_mail_is_collected() {
    let link = link();
    assert_eq!((push(&link, 0, 1), push(&link, 0, 1)), (Ok(true), Ok(false)));
    assert!(!link.give_back(CHAT.id, 5), "the mark is on already");
    let mut seen = Vec::new();
    assert!(
        link.collect(|lane, pending, taken| seen.push((lane, pending.len(), std::mem::take(taken)))),
        "nothing was taken out"
    );
    assert_eq!(seen, [(0, 2, 5), (1, 0, 0)]);
    assert_eq!(push(&link, 0, 1), Ok(true));
}

#[test]
fn a_queue_is_full_by_bytes_and_by_count_but_takes_one_message_of_any_size() {
    let link = link();
    assert_eq!(push(&link, 0, 60), Ok(true));
    assert_eq!(push(&link, 0, 41), Err(PushError::Full));
    assert_eq!((push(&link, 0, 1), push(&link, 0, 1)), (Ok(false), Ok(false)));
    assert_eq!(push(&link, 0, 1), Err(PushError::Full), "three messages");
    let small = Link::new(
        link.id,
        link.peer,
        link.direction,
        link.remote,
        Arc::clone(&link.hello),
        &[Channel { send_queue_bytes: 10, ..CHAT }],
    );
    assert_eq!(push(&small, 0, 90), Ok(true), "larger than the queue, but alone");
    assert_eq!(push(&small, 0, 0), Err(PushError::Full));
}

fn push_batch(link: &Link, lens: &[usize]) -> Result<(usize, bool), PushError> {
    let bodies: Vec<Vec<u8>> = lens.iter().map(|len| vec![0; *len]).collect();
    link.push_batch(0, &bodies, None, &mut Vec::new())
}

#[test]
fn a_batch_is_queued_as_far_as_there_is_room() {
    let link = link();
    assert_eq!(push_batch(&link, &[]), Ok((0, false)), "of nothing there is nothing to ring for");
    assert_eq!(push_batch(&link, &[10, 20, 80, 1]), Ok((2, true)), "the third is no message too many, but too many bytes");
    assert_eq!(push_batch(&link, &[1, 1]), Ok((1, false)), "three messages are enough, and the bell was asked for");
    assert_eq!(push_batch(&link, &[1]), Err(PushError::Full));
    assert_eq!(totals(link.close(CloseReason::Goodbye)), (3, 31));
    assert_eq!(push_batch(&link, &[1]), Err(PushError::Closed(CloseReason::Goodbye)));
}

#[test]
fn a_batch_ends_before_what_is_too_big() {
    let link = link();
    assert_eq!(push_batch(&link, &[1, 91, 1]), Ok((1, true)));
    assert_eq!(push_batch(&link, &[91, 1]), Err(PushError::TooBig { max: 90 }));
    let to_nobody = link.push_batch(1, &[b"x"], None, &mut Vec::new());
    assert_eq!(to_nobody, Err(PushError::NoChannel));
}

/// However large it is, the reactor does not wait for the mailbox longer than for some copies.
#[test]
fn a_large_batch_is_queued_in_pieces() {
    let offer = ChannelOffer { message_bytes_max: 1 << 20, ..link().hello.channels[0].clone() };
    let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
    let wide = Channel { message_bytes_max: 1 << 20, send_queue_bytes: 1 << 30, send_queue_messages: u32::MAX, ..CHAT };
    let remote = link().remote;
    let link = Link::new(LinkId::from_u64(1), PeerId::from_bytes([1; 32]), Direction::Outbound, remote, hello, &[wide]);
    assert_eq!(push_batch(&link, &[1_000; 200]), Ok((66, true)), "the 66th makes 64 KiB full");
    assert_eq!(push_batch(&link, &[0; 1_000]), Ok((256, false)), "empty ones take their time, too");
}

#[test]
fn the_old_give_way_to_a_batch_where_the_channel_says_so() {
    let link = link_that(Overflow::DropOldest);
    let mut displaced = Vec::new();
    let bodies = [[1_u8; 10]; 5];
    assert_eq!(link.push_batch(0, &bodies, None, &mut displaced), Ok((5, true)));
    assert_eq!((displaced.len(), totals(link.close(CloseReason::Goodbye))), (2, (3, 30)));
}

/// Whoever cancels has nobody to tell of what would give way.
#[test]
fn a_cancel_is_queued_whatever_is_there_and_displaces_nothing() {
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::Conflate] {
        let link = link_that(overflow);
        let fits = if overflow == Overflow::Conflate { 1 } else { 3 };
        (0..fits).for_each(|_| assert!(push(&link, 0, 10).is_ok()));
        link.withdraw(0, 7);
        let mut count = 0;
        link.collect(|_, pending, _| count += pending.len());
        assert_eq!(count, fits + 1, "{overflow:?}");
    }
}

#[test]
fn the_smaller_limit_of_both_sides_holds_and_a_channel_needs_both() {
    let link = link();
    assert_eq!(push(&link, 0, 91), Err(PushError::TooBig { max: 90 }));
    assert_eq!((push(&link, 1, 1), push(&link, 7, 1)), (Err(PushError::NoChannel), Err(PushError::NoChannel)));
    assert_eq!((link.lane(CHAT.id), link.lane(ChannelId(0x11))), (Some(0), None));
}

#[test]
fn a_closed_link_takes_nothing_and_counts_what_was_left() {
    let link = link();
    push(&link, 0, 30).expect("room");
    push(&link, 0, 20).expect("room");
    assert_eq!(totals(link.close(CloseReason::Reset)), (2, 50));
    assert_eq!(push(&link, 0, 1), Err(PushError::Closed(CloseReason::Reset)));
    assert_eq!(totals(link.close(CloseReason::Stopped)), (0, 0));
    assert!(!link.give_back(CHAT.id, 5), "nobody collects any more");
}

/// An owner of bytes whose last words go to the link that they were queued on.
struct Nosy {
    link: Arc<Link>,
    heard: Arc<AtomicBool>,
}

impl AsRef<[u8]> for Nosy {
    fn as_ref(&self) -> &[u8] {
        &[0; BY_REFERENCE_MIN]
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        assert_eq!(self.link.waiting_bytes(), 0);
        self.heard.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_owns_unsent_bytes_is_told_of_the_end_without_the_lock() {
    let max = BY_REFERENCE_MIN as u32;
    let offer = ChannelOffer {
        id: CHAT.id,
        name: "chat".to_owned(),
        message_bytes_max: max,
        credit: 65_536,
        requests_max: 4,
        segment_cost_min: 0,
    };
    let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
    let remote = "127.0.0.1:1".parse().expect("an address");
    let channel = Channel { message_bytes_max: max, ..CHAT };
    let peer = PeerId::from_bytes([1; 32]);
    let link = Arc::new(Link::new(LinkId::from_u64(1), peer, Direction::Outbound, remote, hello, &[channel]));
    let heard = Arc::new(AtomicBool::new(false));
    let bytes = Bytes::from_owner(Nosy { link: Arc::clone(&link), heard: Arc::clone(&heard) });
    assert_eq!(link.push(0, Kind::Message, 0, Body::Bytes(&bytes), None), Ok(true));
    drop(bytes);
    assert_eq!(totals(link.close(CloseReason::Reset)), (1, BY_REFERENCE_MIN));
    assert!(heard.load(Ordering::Relaxed));
}

#[test]
fn an_orderly_stop_refuses_new_messages_and_keeps_the_old() {
    let link = link();
    push(&link, 0, 30).expect("room");
    link.refuse_new(CloseReason::Stopped);
    assert_eq!(push(&link, 0, 1), Err(PushError::Closed(CloseReason::Stopped)));
    assert_eq!(link.waiting_bytes(), 30);
}

/// A peer that takes its requests back while it grants no credit makes last words wait that nobody will ever hear.
#[test]
fn last_words_are_bounded_too() {
    let link = link();
    let forced = |kind| Parcel { kind, request: 7, is_forced: true, ..Parcel::message(Body::Slice(b"no")) };
    let force = |kind| link.push_parcel(0, &forced(kind), None, &mut Vec::new());
    let bound = (CHAT.send_queue_messages + CHAT.requests_max) as usize;
    assert_eq!((0..100).take_while(|_| force(Kind::Error).is_ok()).count(), bound);
    assert_eq!(force(Kind::Error), Err(PushError::Full));
    assert_eq!(force(Kind::Cancel), Ok(false), "each follows a request that had room");
}

/// However many a peer allows: each has a row in our table.
#[test]
fn no_peer_makes_us_ask_more_than_a_table_holds() {
    let offer = ChannelOffer { requests_max: u32::MAX, ..link().hello.channels[0].clone() };
    let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
    let remote = "127.0.0.1:1".parse().expect("an address");
    let link = Link::new(LinkId::from_u64(1), PeerId::from_bytes([1; 32]), Direction::Outbound, remote, hello, &[CHAT]);
    assert_eq!(link.requests_max(0), REQUESTS_MAX);
}

/// Requests and answers stay, and protect nobody behind them.
#[test]
fn messages_behind_a_request_give_way_too() {
    for (overflow, left) in [(Overflow::DropOldest, 3), (Overflow::Conflate, 2)] {
        let channel = [Channel { overflow, ..CHAT }];
        let remote = "127.0.0.1:1".parse().expect("an address");
        let (id, peer, hello) = (LinkId::from_u64(1), PeerId::from_bytes([1; 32]), Arc::clone(&link().hello));
        let link = Link::new(id, peer, Direction::Outbound, remote, hello, &channel);
        link.push(0, Kind::Request, 7, Body::Slice(b"?"), None).expect("there is room");
        let mut displaced = Vec::new();
        for _ in 0..10 {
            let message = Parcel::message(Body::Slice(b"!"));
            link.push_parcel(0, &message, None, &mut displaced).expect("older ones give way");
        }
        assert_eq!((displaced.len(), totals(link.close(CloseReason::Stopped))), (11 - left, (left, left)), "{overflow:?}");
    }
}

#[test]
fn nothing_gives_way_to_what_needs_no_room() {
    let oldest = [Channel { overflow: Overflow::DropOldest, ..CHAT }];
    let offer = link().hello.channels.clone();
    let remote = "127.0.0.1:1".parse().expect("an address");
    let hello = Arc::new(Hello { channels: offer, ..Hello::default() });
    let link = Link::new(LinkId::from_u64(1), PeerId::from_bytes([1; 32]), Direction::Outbound, remote, hello, &oldest);
    (0..3).for_each(|_| assert!(push(&link, 0, 1).is_ok()));
    let mut displaced = Vec::new();
    let cancel = Parcel { kind: Kind::Cancel, request: 7, is_forced: true, ..Parcel::message(Body::Slice(b"")) };
    link.push_parcel(0, &cancel, None, &mut displaced).expect("it needs no room");
    assert!(displaced.is_empty());
}
