//! Messages over an open link: they arrive whole and in order whatever the chunks, records are full when there is enough, channels share by
//! weight, credit holds a sender back and nobody else, and memory grows with what was received.

mod handshake_support;

use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::limits::{BY_REFERENCE_MIN, WRITE_BUFFER};
use bowline::base::rng::Rng;
use bowline::flow::batch::Pending;
use bowline::flow::pot::{Budget, Pot};
use bowline::session::dialect::Dialect;
use bowline::session::local::Profile;
use bowline::wire::refusal::Refusal;
use bytes::Bytes;
use handshake_support::{End, Message, Pair, channels, local, profile};
use proptest::prelude::*;

const KINDS: [Kind; 5] = [Kind::Message, Kind::Request, Kind::Response, Kind::Error, Kind::Cancel];
/// Lanes of the test's channels: the node's own take the first two.
const FIRST_LANE: usize = 2;

fn message(rng: &mut Rng, channel: &Channel) -> Message {
    let longest = channel.message_bytes_max.min(400_000) as u64;
    let len = match rng.below(8) {
        0 => rng.below(3),
        1..=4 => rng.below(200),
        5 => rng.below(5_000),
        6 => rng.below(70_000),
        _ => rng.below(longest + 1),
    };
    let mut body = vec![0; len.min(longest) as usize];
    rng.fill(&mut body);
    let kind = KINDS[rng.index(KINDS.len())];
    let request = if kind.has_request_id() { rng.next_u64() as u32 } else { 0 };
    match kind {
        Kind::Cancel => body.clear(),
        Kind::Error => body = Refusal { code: rng.next_u64() as u32, text: "x".repeat(rng.index(300)) }.encode(usize::MAX),
        Kind::Message | Kind::Request | Kind::Response => {}
    }
    (channel.id, kind, request, body)
}

fn push(pending: &mut Pending, (_, kind, request, body): &Message) {
    if body.len() >= BY_REFERENCE_MIN {
        pending.push_bytes(*kind, *request, Bytes::from(body.clone()));
    } else {
        pending.push(*kind, *request, body);
    }
}

/// Gives every drained lane some of its messages.
fn refill(end: &mut End, queues: &mut [Vec<Message>], rng: &mut Rng) -> bool {
    let mut is_left = false;
    for (i, queue) in queues.iter_mut().enumerate() {
        is_left |= !queue.is_empty();
        if !queue.is_empty() && end.session.is_drained(FIRST_LANE + i) {
            let mut pending = Pending::default();
            for message in queue.drain(..(1 + rng.index(queue.len()))) {
                push(&mut pending, &message);
            }
            end.give(FIRST_LANE + i, &mut pending);
            assert!(pending.is_empty());
        }
    }
    is_left
}

/// What goes to a queue, and what goes to those who asked: each in its order.
fn by_channel(messages: &[Message], channel: ChannelId) -> [Vec<&Message>; 2] {
    let of_channel = || messages.iter().filter(|message| message.0 == channel);
    let is_queued = |message: &&Message| matches!(message.1, Kind::Message | Kind::Request);
    [of_channel().filter(is_queued).collect(), of_channel().filter(|message| !is_queued(message)).collect()]
}

fn exchange(seed: u64, chunk: usize, is_taking: bool) {
    let mut rng = Rng::from_seed(seed);
    let mut pair = Pair::plain().open();
    let mut sizes = Rng::from_seed(seed ^ 1);
    pair.chunk = Box::new(move || 1 + sizes.index(chunk));
    (pair.a.is_taking, pair.b.is_taking) = (is_taking, is_taking);
    let channels = channels();
    let queues = |rng: &mut Rng| -> Vec<Vec<Message>> {
        channels.iter().map(|channel| (0..rng.below(12)).map(|_| message(rng, channel)).collect()).collect()
    };
    let (mut from_a, mut from_b) = (queues(&mut rng), queues(&mut rng));
    let (sent_a, sent_b) = (from_a.concat(), from_b.concat());
    for round in 0.. {
        let is_left = refill(&mut pair.a, &mut from_a, &mut rng) | refill(&mut pair.b, &mut from_b, &mut rng);
        pair.run();
        assert_eq!((pair.a.error, pair.b.error), (None, None));
        pair.a.take_all();
        pair.b.take_all();
        if !is_left && !pair.a.session.wants_write() && !pair.b.session.wants_write() {
            break;
        }
        assert!(round < 100_000, "the exchange stands still");
    }
    for channel in &channels {
        assert_eq!(by_channel(&pair.b.received, channel.id), by_channel(&sent_a, channel.id));
        assert_eq!(by_channel(&pair.a.received, channel.id), by_channel(&sent_b, channel.id));
    }
    assert_eq!((pair.a.received.len(), pair.b.received.len()), (sent_b.len(), sent_a.len()));
    assert_eq!((pair.a.session.unsent(), pair.b.session.unsent()), ((0, 0), (0, 0)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_whole_and_in_order(seed: u64, chunk in 1_usize..200_000, is_taking: bool) {
        exchange(seed, chunk, is_taking);
    }
}

#[test]
fn messages_arrive_byte_by_byte() {
    exchange(3, 1, true);
}

/// A pair whose windows are so wide that only the lanes and the records shape what is written.
fn wide(priorities: &[u8]) -> Pair {
    let channels = || {
        let channel = |(i, priority): (usize, &u8)| Channel {
            priority: *priority,
            receive_queue_bytes: 100 << 20,
            receive_queue_messages: u32::MAX,
            message_bytes_max: 50 << 20,
            ..Channel::new(0x20 + i as u16, "wide")
        };
        priorities.iter().enumerate().map(channel).collect()
    };
    Pair::of(&local(Profile { channels: channels(), ..profile(1) }), &local(Profile { channels: channels(), ..profile(2) }))
        .open()
}

/// Lengths of the records in `bytes`, as plaintext.
fn plaintexts(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [a, b, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        lengths.push(length - 16);
        bytes = &rest[length..];
    }
    lengths
}

#[test]
fn records_are_exactly_full_while_there_is_enough() {
    let mut rng = Rng::from_seed(8);
    for longest in [17, 64, 69, 300, 2_000, 65_000, 500_000] {
        let mut pair = wide(&[1, 3]);
        let mut total = 0;
        for lane in [2, 3] {
            let mut pending = Pending::default();
            while pending.bytes() < 3_000_000 {
                let len = 10 + rng.index(longest - 9);
                pending.push(Kind::Message, 0, &vec![7; len]);
            }
            total += pending.bytes();
            pair.a.give(lane, &mut pending);
        }
        let wrote = pair.a.write(pair.now, usize::MAX);
        let lengths = plaintexts(&wrote);
        let (last, full) = lengths.split_last().expect("some records");
        let short: Vec<_> = full.iter().filter(|length| **length != 65_056).collect();
        assert!(short.is_empty() && *last <= 65_056, "{longest}: {} of {} records are short: {short:?}", short.len(), full.len());
        pair.b.deliver(pair.now, &wrote);
        assert_eq!(pair.b.received.iter().map(|message| message.3.len()).sum::<usize>(), total);
    }
}

#[test]
fn a_peer_with_small_records_gets_small_records() {
    let mut theirs = profile(2);
    theirs.frame_max = 20_511;
    theirs.channels = vec![Channel::new(0x20, "a")];
    let ours = Profile { channels: theirs.channels.clone(), ..profile(1) };
    let mut pair = Pair::of(&local(ours), &local(theirs)).open();
    let mut pending = Pending::default();
    (0..20).for_each(|_| pending.push(Kind::Message, 0, &[1; 30_000]));
    pair.a.give(2, &mut pending);
    let wrote = pair.a.write(pair.now, usize::MAX);
    assert_eq!(plaintexts(&wrote)[..20], [39 * 512 + 32; 20]);
    pair.b.deliver(pair.now, &wrote);
    assert_eq!((pair.b.error, pair.b.received.len()), (None, 20));
}

#[test]
fn a_budget_is_exceeded_by_less_than_a_record() {
    let mut pair = wide(&[1]);
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &vec![1; 1_000_000]);
    pair.a.give(2, &mut pending);
    assert_eq!(pair.a.session.unsent(), (1, 1_000_000));
    let wrote = pair.a.write(pair.now, 65_056 + 18);
    assert_eq!(plaintexts(&wrote), [65_056]);
    let wrote = pair.a.write(pair.now, 65_074 + 1);
    assert_eq!(plaintexts(&wrote), [65_056, 65_056]);
    assert!(pair.a.session.wants_write());
}

/// Bytes of each lane in what `end` writes within `budget`.
fn shares(pair: &mut Pair, lanes: usize, budget: usize) -> Vec<f64> {
    let wrote = pair.a.write(pair.now, budget);
    pair.b.deliver(pair.now, &wrote);
    assert_eq!(pair.b.error, None);
    let count = |lane: usize| {
        let bytes = pair.b.received.iter().filter(|message| usize::from(message.0.0) == 0x20 + lane).map(|m| m.3.len());
        bytes.sum::<usize>() as f64
    };
    (0..lanes).map(count).collect()
}

#[test]
fn lanes_share_by_weight_and_a_large_message_does_not_hold_up_small_ones() {
    let mut pair = wide(&[1, 2, 5]);
    for lane in 2..5 {
        let mut pending = Pending::default();
        (0..20_000).for_each(|_| pending.push(Kind::Message, 0, &[1; 400]));
        pair.a.give(lane, &mut pending);
    }
    let shares = shares(&mut pair, 3, 4 << 20);
    assert!((shares[1] / shares[0] - 2.0).abs() < 0.05 && (shares[2] / shares[0] - 5.0).abs() < 0.1, "{shares:?}");

    let mut pair = wide(&[1, 1]);
    let mut large = Pending::default();
    large.push_bytes(Kind::Message, 0, Bytes::from(vec![1; 40 << 20]));
    pair.a.give(2, &mut large);
    let mut small = Pending::default();
    (0..100).for_each(|_| small.push(Kind::Message, 0, &[2; 64]));
    pair.a.give(3, &mut small);
    let wrote = pair.a.write(pair.now, WRITE_BUFFER);
    pair.b.deliver(pair.now, &wrote);
    assert_eq!(pair.b.received.len(), 100, "all of them are in the first record");
}

#[test]
fn a_channel_whose_messages_nobody_takes_stops_alone() {
    let mut pair = Pair::plain().open();
    pair.b.is_taking = false;
    for lane in [2, 3] {
        let mut pending = Pending::default();
        (0..3_000).for_each(|_| pending.push(Kind::Message, 0, &[lane as u8; 1_000]));
        pair.a.give(lane, &mut pending);
    }
    pair.run();
    let cost = |channel: u16, end: &End| end.owed.iter().filter(|owed| owed.0.0 == channel).map(|owed| owed.1).sum::<u32>();
    let (blocks, votes) = (cost(0x20, &pair.b), cost(0x21, &pair.b));
    let window = bowline::base::limits::RECEIVE_QUEUE_BYTES_DEFAULT;
    assert!(blocks <= window && blocks > window - 2_000, "{blocks}");
    assert!(votes <= 4_096 && votes > 2_000, "{votes}");
    assert!(!pair.a.session.wants_write() && !pair.b.session.wants_write());
    // The application takes one channel's messages: only that one goes on.
    let before = pair.b.received.len();
    let taken: Vec<_> = pair.b.owed.extract_if(.., |owed| owed.0.0 == 0x21).collect();
    taken.iter().for_each(|(channel, cost)| pair.b.session.grant(*channel, *cost));
    pair.run();
    assert!(pair.b.received.len() > before && cost(0x20, &pair.b) == blocks);
    // Another channel and the node's own are not held up.
    pair.a.session.say(ChannelId::PEX, Kind::Message, 0, Bytes::from_static(b"\x0a\x00")).expect("there is room");
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &[9; 100]);
    pair.a.give(4, &mut pending);
    pair.run();
    assert_eq!((pair.b.control.len(), pair.b.received.last().map(|m| m.0)), (1, Some(ChannelId(0x1234))));
    // Taking everything, again and again, brings the rest.
    for _ in 0..3_000 {
        pair.b.take_all();
        pair.run();
    }
    assert_eq!((pair.b.received.len(), pair.b.error), (6_001, None));
}

#[test]
fn a_message_may_be_larger_than_the_window_even_if_nobody_takes_anything_before_it_is_whole() {
    let mut pair = Pair::plain().open();
    pair.b.is_taking = false;
    let mut pending = Pending::default();
    pending.push(Kind::Request, 5, &vec![3; 300_000]);
    pair.a.give(4, &mut pending);
    pair.run();
    assert_eq!(pair.b.received, [(ChannelId(0x1234), Kind::Request, 5, vec![3; 300_000])]);
    // Half of the window of 1,024 bytes waits for the application.
    assert_eq!(pair.b.owed.iter().map(|owed| owed.1).sum::<u32>(), 512);
}

#[test]
fn with_a_small_budget_records_are_small_and_nothing_is_lost() {
    for (budget, most) in [(1, 1_074), (1_460, 1_074), (16_434, 16_434), (40_000, 40_000), (WRITE_BUFFER, 65_074)] {
        let mut pair = wide(&[255]);
        let mut pending = Pending::default();
        pending.push(Kind::Message, 0, &vec![7; 200_000]);
        (0..100).for_each(|_| pending.push(Kind::Message, 0, &[7; 100]));
        pair.a.give(2, &mut pending);
        while pair.a.session.wants_write() {
            let wrote = pair.a.write(pair.now, budget);
            assert!(!wrote.is_empty() && wrote.len() <= most, "{} bytes within {budget}", wrote.len());
            pair.b.deliver(pair.now, &wrote);
            // Credit comes back, and whatever else is due.
            let answer = pair.b.write(pair.now, WRITE_BUFFER);
            pair.a.deliver(pair.now, &answer);
        }
        assert_eq!((pair.b.received.len(), pair.b.error), (101, None), "budget {budget}");
    }
}

#[test]
fn own_messages_go_first_and_too_many_are_refused() {
    let mut pair = wide(&[255]);
    let mut pending = Pending::default();
    (0..1_000).for_each(|_| pending.push(Kind::Message, 0, &[1; 1_000]));
    pair.a.give(2, &mut pending);
    for i in 0..16 {
        assert_eq!(pair.a.session.say(ChannelId::DISCOVER, Kind::Message, 0, Bytes::from(vec![i; 3_000])), Ok(()));
    }
    let say = |pair: &mut Pair, channel| pair.a.session.say(channel, Kind::Request, 1, Bytes::new());
    assert_eq!(say(&mut pair, ChannelId::DISCOVER), Err(bowline::base::reason::CloseReason::ControlNotRead));
    assert_eq!(say(&mut pair, ChannelId(0x20)), Err(bowline::base::reason::CloseReason::UnknownChannel));
    assert_eq!(say(&mut pair, ChannelId(0x0f)), Err(bowline::base::reason::CloseReason::UnknownChannel));
    let wrote = pair.a.write(pair.now, WRITE_BUFFER);
    pair.b.deliver(pair.now, &wrote);
    assert_eq!((pair.b.control.len(), pair.b.received.len()), (16, 16));
    assert!(pair.b.control.iter().enumerate().all(|(i, message)| message.body == vec![i as u8; 3_000]));
    assert_eq!(say(&mut pair, ChannelId::DISCOVER), Ok(()));
}

#[test]
fn reassembly_is_charged_and_given_back() {
    let budget = Budget { share: 0, common: 300_000, common_each: 200_000 };
    let theirs = local(Profile { channels: channels(), pot: Pot::new(budget), ..profile(2) });
    let ours = local(Profile { channels: channels(), ..profile(1) });
    let mut pair = Pair::of(&ours, &theirs).open();
    for _ in 0..2 {
        let mut pending = Pending::default();
        pending.push(Kind::Message, 0, &vec![1; 250_000]);
        pair.a.give(2, &mut pending);
        let first = pair.a.write(pair.now, WRITE_BUFFER);
        pair.b.deliver(pair.now, &first);
        assert_eq!(theirs.profile.pot.used(), 0, "a first segment is not charged");
        let second = pair.a.write(pair.now, WRITE_BUFFER);
        pair.b.deliver(pair.now, &second);
        assert_eq!(theirs.profile.pot.used(), 65_055 - 5);
        pair.run();
        assert_eq!((theirs.profile.pot.used(), pair.b.error), (0, None));
    }
    assert_eq!(pair.b.received.len(), 2);
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &vec![1; 300_000]);
    pair.a.give(2, &mut pending);
    pair.run();
    assert_eq!(pair.b.error, Some(bowline::base::reason::CloseReason::OutOfMemory));
    drop(pair);
    assert_eq!(theirs.profile.pot.used(), 0);
}
