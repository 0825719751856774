//! Tests of the event queue. In a file of their own, because the model checker takes in `queue.rs` as it stands.

use super::event::{Down, Event, NodeState, Up};
use super::link::Link;
use super::outbox::Notice;
use super::queue::{JOINED_BYTES_MAX, NOTICES_MAX, Queue, TakeError};
use crate::base::channel::ChannelId;
use crate::base::channel::{Channel, Kind};
use crate::base::limits::STORIES_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::flow::batch::{Batch, Entry};
use crate::wire::hello::Hello;
use std::sync::Arc;

const CHANNEL: ChannelId = ChannelId(0x10);

fn link(number: u64) -> Arc<Link> {
    let (id, peer) = (LinkId::from_u64(number), PeerId::from_bytes([number as u8; 32]));
    let remote = "127.0.0.1:1".parse().expect("an address");
    Arc::new(Link::new(id, peer, Direction::Inbound, remote, Arc::new(Hello::default()), &[Channel::new(CHANNEL.0, "chat")]))
}

fn up(link: &Link) -> Up {
    Up {
        link: link.id,
        peer: link.peer,
        direction: link.direction,
        remote: link.remote,
        hello: Arc::clone(&link.hello),
        tag: None,
    }
}

fn down(link: &Link) -> Down {
    let (reason, told) = (CloseReason::Reset, None);
    Down { link: link.id, peer: link.peer, reason, told, unsent_messages: 0, unsent_bytes: 0 }
}

/// A batch of the given messages that cost `cost`.
fn batch(messages: &[&[u8]], cost: u32) -> Batch {
    let mut batch = Batch { channel: Some(CHANNEL), cost, ..Batch::default() };
    for message in messages {
        batch.bytes.extend_from_slice(message);
        batch.entries.push(Entry { end: batch.bytes.len() as u32, kind: Kind::Message, request: 0 });
    }
    batch
}

fn queue() -> Queue {
    Queue::new(Box::new(|_| {}))
}

/// The waiting events in short: `+1`, `1:text`, `-1`, or a name.
fn story(queue: &Queue, max: usize) -> Vec<String> {
    let mut events = Vec::new();
    let _ = queue.take(&mut events, max, None);
    let short = |event: &Event| match event {
        Event::Up(up) => format!("+{}", up.link.as_u64()),
        Event::Message(message) => format!("{}:{}", message.link.as_u64(), String::from_utf8_lossy(&message.body)),
        Event::Down(down) => format!("-{}", down.link.as_u64()),
        Event::Notice(_) => "notice".to_owned(),
        Event::State(state) => format!("{state:?}"),
        Event::Wakeup(tag) => format!("wakeup {tag}"),
    };
    events.iter().map(short).collect()
}

#[test]
fn a_story_comes_in_order_and_links_take_turns() {
    let (queue, one, two) = (queue(), link(1), link(2));
    queue.open(&one, up(&one));
    queue.deliver(one.id, [batch(&[b"a", b"", b"b"], 9)].into_iter(), Time::ZERO);
    queue.open(&two, up(&two));
    assert_eq!(story(&queue, 1), ["+1"]);
    queue.deliver(two.id, [batch(&[b"x"], 6)].into_iter(), Time::ZERO);
    queue.close_link(down(&one));
    assert_eq!(story(&queue, 2), ["+2", "1:a"], "a batch that was begun is finished before others have their turn");
    assert_eq!(story(&queue, 9), ["1:", "1:b", "2:x", "-1"]);
    queue.deliver(one.id, [batch(&[b"late"], 9)].into_iter(), Time::ZERO);
    assert!(story(&queue, 9).is_empty(), "nothing comes after Down");
}

#[test]
fn credit_returns_when_a_batch_is_taken_and_not_before() {
    let (queue, one) = (queue(), link(1));
    let returned = || {
        let mut sum = 0;
        one.collect(|_, _, taken| sum += std::mem::take(taken));
        sum
    };
    queue.open(&one, up(&one));
    queue.deliver(one.id, [batch(&[b"a", b"b"], 70)].into_iter(), Time::ZERO);
    story(&queue, 2);
    assert_eq!(returned(), 0);
    story(&queue, 1);
    assert_eq!(returned(), 70);
}

#[test]
fn tiny_batches_are_joined_until_somebody_takes_from_them() {
    let (queue, one) = (queue(), link(1));
    queue.open(&one, up(&one));
    let batches_of = |queue: &Queue| queue.inner.lock().boxes[&one.id].batches.len();
    for text in [b"a", b"b", b"c"] {
        queue.deliver(one.id, [batch(&[text], 6)].into_iter(), Time::ZERO);
    }
    assert_eq!(batches_of(&queue), 1);
    assert_eq!(story(&queue, 2), ["+1", "1:a"]);
    queue.deliver(one.id, [batch(&[b"d"], 6)].into_iter(), Time::ZERO);
    assert_eq!(batches_of(&queue), 2);
    queue.deliver(one.id, [batch(&[&[b'e'; JOINED_BYTES_MAX]], 6)].into_iter(), Time::ZERO);
    assert_eq!(batches_of(&queue), 3, "large ones stay alone");
    assert_eq!(story(&queue, 3), ["1:b", "1:c", "1:d"]);
    let mut returned = 0;
    one.collect(|_, _, taken| returned += *taken);
    assert_eq!(returned, 24);
}

#[test]
fn a_link_that_came_and_went_before_anybody_looked_is_told_whole() {
    let (queue, one) = (queue(), link(1));
    queue.open(&one, up(&one));
    queue.deliver(one.id, [batch(&[b"a", b"b"], 9)].into_iter(), Time::ZERO);
    queue.close_link(down(&one));
    assert_eq!(story(&queue, 9), ["+1", "1:a", "1:b", "-1"]);
    assert_eq!(queue.losses(), (0, 0));
    let inner = queue.inner.lock();
    assert!(inner.boxes.is_empty() && inner.stories.is_empty() && inner.stories_bytes == 0);
}

#[test]
fn stories_that_nobody_reads_are_bounded_by_number_and_by_bytes() {
    let queue = queue();
    let come_and_go = |number: u64, message: &[u8]| {
        let link = link(number);
        queue.open(&link, up(&link));
        queue.deliver(link.id, [batch(&[message], 9)].into_iter(), Time::ZERO);
        queue.close_link(down(&link));
    };
    (1..=STORIES_MAX as u64 + 3).for_each(|number| come_and_go(number, b"x"));
    assert_eq!(queue.losses(), (3, 0));
    assert_eq!(story(&queue, 1), ["+4"], "the oldest went");
    (2_000..2_030).for_each(|number| come_and_go(number, &[0; 1 << 20]));
    let inner = queue.inner.lock();
    assert!(inner.stories_bytes <= 16 << 20, "{} bytes", inner.stories_bytes);
    assert!(inner.stories.len() < 20 && inner.boxes.len() < 20);
}

#[test]
fn notices_are_bounded_and_states_replace_each_other() {
    let queue = queue();
    queue.change_state(NodeState::Running);
    queue.change_state(NodeState::Stopping);
    let notice = || Notice::RoundEnded { ticket: 1, links: 1, is_stuck: false };
    (0..NOTICES_MAX + 5).for_each(|_| queue.notify(notice()));
    assert_eq!(queue.losses(), (0, 5));
    let told = story(&queue, 2 * NOTICES_MAX);
    assert_eq!(told.iter().filter(|event| *event == "notice").count(), NOTICES_MAX);
    assert_eq!(told[0], "Stopping");
}

#[test]
fn a_closed_queue_gives_what_is_left_and_then_says_stopped() {
    let queue = queue();
    assert!(queue.wakeup(7));
    queue.close();
    assert!(!queue.wakeup(8), "nothing comes into a closed queue");
    assert_eq!(story(&queue, 9), ["wakeup 7"]);
    assert_eq!(queue.take(&mut Vec::new(), 1, None), Err(TakeError::Stopped));
}
