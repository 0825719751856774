//! Tests of the event queue. In a file of their own, because the model checker takes in `queue.rs` as it stands.

use super::event::{Down, Event, Message, NodeState, Up};
use super::link::{Link, PushError};
use super::outbox::Notice;
use super::queue::{JOINED_BYTES_MAX, Queue, TakeError};
use crate::base::channel::ChannelId;
use crate::base::channel::{Channel, Kind};
use crate::base::limits::{NOTICES_MAX, STORIES_BYTES_MAX, STORIES_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::flow::batch::{Batch, Entry};
use crate::wire::hello::Hello;
use bytes::Bytes;
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
        version: None,
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
        Event::Message(message) if message.link == LinkId::LOCAL => format!("own:{}", String::from_utf8_lossy(&message.body)),
        Event::Message(message) => format!("{}:{}", message.link.as_u64(), String::from_utf8_lossy(&message.body)),
        Event::Down(down) => format!("-{}", down.link.as_u64()),
        Event::Sent(sent) => format!("sent {}", sent.tag),
        Event::Response(response) => format!("response {}", response.tag),
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
    assert!(inner.boxes.is_empty() && inner.stories.count() == 0 && inner.stories.bytes() == 0);
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
    assert!(inner.stories.bytes() <= STORIES_BYTES_MAX, "{} bytes", inner.stories.bytes());
    assert!(inner.stories.count() < 20 && inner.boxes.len() < 20);
}

const MIB: usize = 1 << 20;

/// A link opens and its Up is taken, which must be the next event.
fn opened(queue: &Queue, number: u64) -> Arc<Link> {
    let link = link(number);
    queue.open(&link, up(&link));
    assert_eq!(story(queue, 1), [format!("+{number}")]);
    link
}

fn say_and_go(queue: &Queue, link: &Link, messages: &[&[u8]]) {
    queue.deliver(link.id, [batch(messages, 9)].into_iter(), Time::ZERO);
    queue.close_link(down(link));
}

#[test]
fn what_closed_links_have_left_is_bounded_though_their_up_was_taken() {
    let queue = queue();
    let links: Vec<_> = (1..=30).map(|number| opened(&queue, number)).collect();
    links.iter().for_each(|link| say_and_go(&queue, link, &[&[b'x'; MIB]]));
    let kept = {
        let inner = queue.inner.lock();
        assert!(inner.stories.bytes() <= STORIES_BYTES_MAX, "{} bytes", inner.stories.bytes());
        assert_eq!(inner.boxes.len(), 30, "everybody has a Down to tell");
        inner.stories.count()
    };
    assert_eq!((kept, queue.losses()), (15, (15, 0)));
    let told = story(&queue, 99);
    let (downs, messages): (Vec<_>, Vec<_>) = told.iter().partition(|event| event.starts_with('-'));
    assert_eq!(downs.len(), 30, "Up and Down stay paired");
    assert!(messages.len() == 15 && messages[0].starts_with("16:"), "the oldest went");
    let inner = queue.inner.lock();
    assert!(inner.boxes.is_empty() && inner.stories.count() == 0 && inner.stories.bytes() == 0);
}

#[test]
fn so_is_their_number_and_messages_that_were_taken_are_not_lost() {
    let queue = queue();
    let links: Vec<_> = (1..=STORIES_MAX as u64 + 2).map(|number| opened(&queue, number)).collect();
    queue.deliver(links[0].id, [batch(&[b"a", b"b", b"c"], 9)].into_iter(), Time::ZERO);
    assert_eq!(story(&queue, 1), ["1:a"]);
    queue.close_link(down(&links[0]));
    links[1..].iter().for_each(|link| say_and_go(&queue, link, &[b"x"]));
    assert_eq!(queue.losses(), (3, 0), "two of the first and one of the second");
    assert_eq!(story(&queue, 3), ["-1", "-2", "3:x"]);
}

#[test]
fn a_story_that_was_begun_outlives_those_that_nobody_has_seen() {
    let queue = queue();
    let one = opened(&queue, 1);
    say_and_go(&queue, &one, &[b"a"]);
    for number in 2..40 {
        let link = link(number);
        queue.open(&link, up(&link));
        say_and_go(&queue, &link, &[&[b'x'; MIB]]);
    }
    assert!(queue.losses().0 > 20);
    let told = story(&queue, 999);
    assert!(told.contains(&"1:a".to_owned()) && told.contains(&"-1".to_owned()));
    assert!(!told.contains(&"+2".to_owned()) && !told.contains(&"-2".to_owned()), "unseen, it leaves no trace");
    assert!(told.contains(&"+39".to_owned()) && told.contains(&"-39".to_owned()));
}

#[test]
fn one_message_may_be_larger_than_the_bound_and_its_sender_may_leave() {
    let queue = queue();
    let one = opened(&queue, 1);
    say_and_go(&queue, &one, &[&vec![b'x'; STORIES_BYTES_MAX + 1]]);
    assert_eq!((story(&queue, 9).len(), queue.losses()), (2, (0, 0)));
}

#[test]
fn a_stop_loses_nothing_of_what_its_links_have_left() {
    let queue = queue();
    let links: Vec<_> = (1..=30).map(|number| opened(&queue, number)).collect();
    queue.change_state(NodeState::Stopping);
    links.iter().for_each(|link| say_and_go(&queue, link, &[&[b'x'; MIB]]));
    assert_eq!((story(&queue, 99).len(), queue.losses()), (1 + 2 * 30, (0, 0)));
}

#[test]
fn downs_are_bounded_however_slowly_somebody_polls() {
    // Events taken for every two links that come and go; each has three to tell.
    for polls in 1..=5 {
        let queue = queue();
        let mut most = 0;
        for number in 1..10_000 {
            let link = link(number);
            queue.open(&link, up(&link));
            say_and_go(&queue, &link, &[b"x"]);
            if number % 2 == 0 {
                story(&queue, polls);
            }
            most = most.max(queue.inner.lock().boxes.len());
        }
        // At most one link is open at a time here.
        assert!((STORIES_MAX..=2 * (STORIES_MAX + 1)).contains(&most), "{most}");
    }
}

#[test]
fn who_watched_for_readability_is_let_go_without_the_lock() {
    struct Curious(Arc<Queue>);
    impl Drop for Curious {
        fn drop(&mut self) {
            assert_eq!(self.0.losses(), (0, 0));
        }
    }
    let queue = Arc::new(queue());
    let curious = Curious(Arc::clone(&queue));
    queue.set_readable(Box::new(move |_| assert!(Arc::strong_count(&curious.0) > 0)));
    queue.set_readable(Box::new(|_| {}));
    assert_eq!(Arc::strong_count(&queue), 1, "it is gone");
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

fn own(channel: u16, body: &'static str) -> Message {
    let (link, peer, channel, kind) = (LinkId::LOCAL, PeerId::from_bytes([9; 32]), ChannelId(channel), Kind::Message);
    Message { link, peer, channel, kind, request: 0, at: Time::ZERO, body: Bytes::from_static(body.as_bytes()) }
}

#[test]
fn what_the_node_tells_itself_takes_turns_with_links() {
    let (queue, one) = (queue(), link(1));
    queue.open(&one, up(&one));
    for _ in 0..70 {
        queue.push_local(own(0x10, "a"), (100, 100), None).expect("there is room");
    }
    queue.deliver(one.id, [batch(&[b"x"], 6)].into_iter(), Time::ZERO);
    let taken = story(&queue, 100);
    let at = taken.iter().position(|event| event == "1:x").expect("it is there");
    assert_eq!((taken.len(), at), (72, 65), "an Up, a turn of 64, and the rest behind the link's");
}

#[test]
fn what_the_node_tells_itself_is_bounded_by_channel_in_number_and_bytes() {
    let queue = queue();
    let push = |channel, body| queue.push_local(own(channel, body), (2, 10), None);
    assert_eq!(push(0x10, "one of any size"), Ok(()), "when nothing waits");
    assert_eq!(push(0x10, ""), Err(PushError::Full));
    assert_eq!((push(0x11, "a"), push(0x11, "b"), push(0x11, "c")), (Ok(()), Ok(()), Err(PushError::Full)));
    assert_eq!(story(&queue, 2), ["own:one of any size", "own:a"]);
    assert_eq!((push(0x10, "12345"), push(0x10, "67890"), push(0x11, "c")), (Ok(()), Ok(()), Ok(())));
    queue.change_state(NodeState::Stopping);
    assert_eq!(push(0x12, ""), Err(PushError::Closed(CloseReason::Stopped)));
    assert_eq!(story(&queue, 9), ["Stopping", "own:b", "own:12345", "own:67890", "own:c"]);
}

#[test]
fn a_state_that_is_told_late_is_no_news() {
    let queue = queue();
    queue.change_state(NodeState::Stopped);
    queue.close();
    queue.change_state(NodeState::Running);
    assert_eq!(story(&queue, 9), ["Stopped"]);
    queue.change_state(NodeState::Stopping);
    assert!(!queue.has_events());
    queue.change_state(NodeState::Failed);
    assert_eq!(story(&queue, 9), ["Failed"], "a failure is, whenever it comes");
}

#[test]
fn what_nobody_can_take_is_no_event() {
    let queue = queue();
    queue.set_readable(Box::new(|_| {}));
    queue.change_state(NodeState::Running);
    assert!(queue.has_events());
    queue.abandon();
    queue.change_state(NodeState::Stopping);
    assert!(!queue.has_events());
}
