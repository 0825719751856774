//! The event queue as an application sees it: what is joined and in which order it comes, who is woken, and what goes where. Whether a wake-up
//! can be lost, `wake_model.rs` asks.

use bowline::base::channel::{ChannelId, Kind};
use bowline::base::link_id::LinkId;
use bowline::base::peer::PeerId;
use bowline::base::time::Time;
use bowline::base::verdict::Direction;
use bowline::bus::event::{Event, Up};
use bowline::bus::link::Link;
use bowline::bus::queue::Queue;
use bowline::flow::batch::{Batch, Entry};
use bowline::{Builder, Error, MemNet, Node, NoticeKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn tiny_batches_are_joined_although_their_channels_take_turns() {
    let queue = Queue::new(Box::new(|_| {}));
    let (id, peer) = (LinkId::from_u64(1), PeerId::from_bytes([1; 32]));
    let (direction, remote) = (Direction::Inbound, "127.0.0.1:1".parse().expect("an address"));
    let link = Arc::new(Link::new(id, peer, direction, remote, Arc::default(), &[]));
    queue.open(&link, Up { link: id, peer, direction, remote, hello: Arc::default(), version: None, tag: None });
    let count = 1_000_u32;
    for i in 0..count {
        let bytes = i.to_be_bytes().to_vec();
        let entries = vec![Entry { end: 4, kind: Kind::Message, request: 0 }];
        let batch = Batch { channel: Some(ChannelId(16 + (i % 2) as u16)), bytes, entries, cost: 9, ..Batch::default() };
        queue.deliver(id, std::iter::once(batch), Time::ZERO);
    }
    let mut events = Vec::new();
    queue.take(&mut events, 2 * count as usize, None).expect("there are some");
    let number = |event: &Event| match event {
        Event::Message(message) => message.body[..].try_into().ok().map(u32::from_be_bytes),
        _ => None,
    };
    let got: Vec<u32> = events.iter().filter_map(number).collect();
    // One batch of each channel, and each channel's messages in the order they came.
    let sent: Vec<u32> = (0..count).step_by(2).chain((1..count).step_by(2)).collect();
    assert_eq!(got, sent);
}

/// A node on a memory network, not started yet.
fn built(net: &MemNet, number: u64) -> Node {
    let set = [
        ("network.name", "queue"),
        ("network.pow_bits", "0"),
        ("network.allow_private", "true"),
        ("discovery.bootstrap", "true"),
    ];
    let builder = set.iter().fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a key"));
    builder.identity(net.identity(number).expect("libsodium works")).memnet(net).build().expect("valid")
}

fn drained(queue: &bowline::Queue) -> Vec<Event> {
    std::iter::from_fn(|| queue.try_recv().ok()).collect()
}

/// A wake function, and how often it was called.
fn wake() -> (Box<dyn Fn() + Send + Sync>, impl Fn() -> usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let wake = move || {
        counted.fetch_add(1, Ordering::Relaxed);
    };
    (Box::new(wake), move || calls.load(Ordering::Relaxed))
}

#[test]
fn a_wake_function_is_called_when_there_is_something_and_was_nothing() {
    let net = MemNet::new(1);
    let node = built(&net, 1);
    let (queue, other) = (node.main_queue(), node.queue().expect("before the start"));
    let ((first, firsts), (second, seconds)) = (wake(), wake());
    queue.set_wake(Some(first)).expect("there is no descriptor");
    assert_eq!(firsts(), 0);
    node.start().expect("it has an address");
    assert_eq!(firsts(), 1, "the node runs");
    assert!(queue.wakeup(1));
    assert_eq!(firsts(), 1, "it was told already");
    assert_eq!(drained(&queue).len(), 2);
    assert!(queue.wakeup(2));
    assert_eq!(firsts(), 2);
    queue.set_wake(Some(second)).expect("there is no descriptor");
    assert_eq!((firsts(), seconds()), (2, 1), "something waits");
    drained(&queue);
    assert!(queue.wakeup(3));
    assert_eq!((firsts(), seconds()), (2, 2));
    drained(&queue);
    node.stop(Duration::ZERO).expect("in time");
    assert_eq!(seconds(), 3, "the stop wakes");
    queue.set_wake(None).expect("there is no descriptor");
    assert!(other.fd().is_ok());
    assert!(matches!(other.set_wake(None), Err(Error::State(_))), "either one or the other");
}

#[test]
fn whoever_replaces_a_wake_function_knows_that_it_is_not_called_any_more() {
    let net = MemNet::new(1);
    let node = built(&net, 1);
    let (queue, is_over, was_late) = (node.main_queue(), AtomicBool::new(false), Arc::new(AtomicBool::new(false)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                queue.wakeup(1);
                drained(&queue);
            }
        });
        let mut calls = 0;
        for _ in 0..2_000 {
            let (is_removed, late) = (Arc::new(AtomicBool::new(false)), Arc::clone(&was_late));
            let ((counted, count), removed) = (wake(), Arc::clone(&is_removed));
            let wake = move || {
                counted();
                late.fetch_or(removed.load(Ordering::SeqCst), Ordering::SeqCst);
            };
            queue.set_wake(Some(Box::new(wake))).expect("there is no descriptor");
            queue.wakeup(2);
            queue.set_wake(None).expect("there is no descriptor");
            is_removed.store(true, Ordering::SeqCst);
            calls += count();
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(calls >= 1_000, "they were called: {calls}");
    });
    assert!(!was_late.load(Ordering::SeqCst));
}

#[test]
fn notices_go_where_their_kinds_are_bound() {
    let net = MemNet::new(1);
    let (node, plain) = (built(&net, 1), built(&net, 2));
    let (first, second) = (node.queue().expect("before the start"), node.queue().expect("before the start"));
    node.bind_notices(&[NoticeKind::DialFailed, NoticeKind::AddressAdded], &first).expect("before the start");
    node.bind_notices(&[NoticeKind::DialFailed], &second).expect("a later one replaces an earlier one");
    assert!(matches!(plain.bind_notices(&[NoticeKind::DialFailed], &first), Err(Error::Channel(_))), "it is another node's");
    for node in [&node, &plain] {
        node.start().expect("it has an address");
        node.add_address("10.0.0.9:9732").expect("there is room");
        node.dial("10.0.0.8:9732".parse().expect("an address"), None, 5).expect("it may dial");
    }
    net.advance(Duration::from_secs(60)).expect("from outside");
    let kinds = |queue: &bowline::Queue| -> Vec<NoticeKind> {
        let notices = drained(queue).into_iter();
        notices.filter_map(|event| if let Event::Notice(notice) = event { Some(notice.kind()) } else { None }).collect()
    };
    let added = kinds(&first);
    assert!(!added.is_empty() && added.iter().all(|kind| *kind == NoticeKind::AddressAdded), "{added:?}");
    assert_eq!(kinds(&second), [NoticeKind::DialFailed]);
    let others = kinds(&node.main_queue());
    assert!(!others.contains(&NoticeKind::AddressAdded) && !others.contains(&NoticeKind::DialFailed), "{others:?}");
    let unbound = kinds(&plain.main_queue());
    assert!(unbound.contains(&NoticeKind::DialFailed) && !unbound.contains(&NoticeKind::AddressAdded), "{unbound:?}");
    assert!(matches!(node.bind_notices(&[NoticeKind::Banned], &first), Err(Error::State(_))), "after the start");
}
