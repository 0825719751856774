//! The event queue as an application sees it: what is joined and in which order it comes. Its wake-ups are in `wake_model.rs`.

use bowline::base::channel::{ChannelId, Kind};
use bowline::base::link_id::LinkId;
use bowline::base::peer::PeerId;
use bowline::base::time::Time;
use bowline::base::verdict::Direction;
use bowline::bus::event::{Event, Up};
use bowline::bus::link::Link;
use bowline::bus::queue::Queue;
use bowline::flow::batch::{Batch, Entry};
use std::sync::Arc;

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
