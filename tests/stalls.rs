//! Channels that stall, between real nodes over loopback: who is told, how often, and what can be seen of every channel meanwhile. Rates of
//! channels as an application sees them.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{
    Builder, Channel, ChannelId, ChannelStats, Direction, Error, Event, Fate, LinkId, Node, Notice, Overflow, Queue, SendError,
    SendOptions,
};
use bytes::Bytes;
use nodes::{BOOTSTRAP, identity, network};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_millis(300);
const CHAT: ChannelId = ChannelId(0x10);
/// Little room, so that a receiver that does not take stops it at once. Nobody takes from its queue unless a test does.
const TIGHT: ChannelId = ChannelId(0x11);
const OLDEST: ChannelId = ChannelId(0x12);
/// At most 100 KB a second come, 50 KB of them at once.
const PACED: ChannelId = ChannelId(0x13);

fn builder(settings: &[(&str, &str)]) -> Builder {
    network(&[BOOTSTRAP, settings]).identity(identity())
}

fn started(settings: &[(&str, &str)]) -> (Node, Queue) {
    let tight = |id: ChannelId, name| Channel {
        receive_queue_bytes: 64 * 1_024,
        send_queue_bytes: 64 * 1_024,
        send_queue_messages: 8,
        ..Channel::new(id.0, name)
    };
    let channels = [
        Channel::new(CHAT.0, "chat"),
        tight(TIGHT, "tight"),
        Channel { overflow: Overflow::DropOldest, ..tight(OLDEST, "oldest") },
        Channel { rate_bytes: 100_000, burst_bytes: 50_000, ..Channel::new(PACED.0, "paced") },
    ];
    let builder = channels.into_iter().fold(builder(settings), |builder, channel| builder.channel(channel).expect("a channel"));
    let node = builder.build().expect("valid settings");
    let queue = node.queue().expect("before the start");
    node.bind(TIGHT, &queue).expect("declared");
    node.bind(OLDEST, &queue).expect("declared");
    node.start().expect("a free port");
    (node, queue)
}

/// A node that sends and the link at its end, a node that receives with the queue of the tight channels, and the link at its end.
fn pair(settings: &[(&str, &str)]) -> (Node, LinkId, Node, Queue, LinkId) {
    let ((a, _), (b, queue)) = (started(settings), started(settings));
    let link = a.connect(&b.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
    let up = wait(&b, |event| if let Event::Up(up) = event { Some(up.link) } else { None });
    (a, link, b, queue, up)
}

fn wait<T>(node: &Node, wanted: impl Fn(Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = node.recv_timeout(PATIENCE).ok().and_then(&wanted) {
            return found;
        }
    }
    panic!("it did not come within {PATIENCE:?}");
}

fn until(what: &str, is_true: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn stall(event: Event) -> Option<Notice> {
    match event {
        Event::Notice(notice @ (Notice::Stalled { .. } | Notice::StallOver { .. })) => Some(notice),
        _ => None,
    }
}

fn stats(node: &Node, link: LinkId, channel: ChannelId) -> ChannelStats {
    let all = node.channel_stats(link).expect("an open link");
    assert_eq!(all.len(), 4, "the application's own channels");
    all.into_iter().find(|stats| stats.channel == channel).expect("declared")
}

/// Sends until the peer gives no more credit and the send queue is full.
fn fill(node: &Node, link: LinkId) -> u64 {
    let mut sent = 0;
    while node.send_timeout(link, TIGHT, &[7; 10_000], Duration::from_millis(200)).is_ok() {
        sent += 1;
    }
    sent
}

#[test]
fn both_ends_hear_which_channel_of_which_peer_stalls_and_when_it_goes_on() {
    let (a, link, b, queue, up) = pair(&[("channel.stall_after", "300ms")]);
    let sent = fill(&a, link);
    let heard =
        [(&a, link, b.id(), Direction::Outbound), (&b, up, a.id(), Direction::Inbound)].map(
            |(node, own, other, way)| match wait(node, stall) {
                Notice::Stalled { link, peer, channel, direction, age, messages, bytes } => {
                    assert_eq!((link, peer, channel, direction), (own, other, TIGHT, way));
                    assert!((AFTER..PATIENCE).contains(&age), "{age:?}");
                    assert_eq!(bytes, 10_000 * messages);
                    messages
                }
                other => panic!("{other:?}"),
            },
        );
    // A part of one may have come: it waits where it is not whole.
    until("every message waits at one end", || {
        stats(&a, link, TIGHT).outbound.messages + stats(&b, up, TIGHT).inbound.messages == sent
    });
    let (out, into) = (stats(&a, link, TIGHT), stats(&b, up, TIGHT));
    assert!(into.unfinished <= 1 && into.inbound.messages > 0, "{sent}: {out:?} {into:?}");
    assert!(heard[0] <= sent && heard[1] == into.inbound.messages, "{heard:?}");
    assert!(into.credit_in < 10_000 && out.credit_out == into.credit_in, "{out:?} {into:?}");
    assert!(into.inbound.age.is_some_and(|age| age >= AFTER) && out.outbound.age.is_some_and(|age| age >= AFTER));
    assert!(out.refused >= 1 && a.stats().messages_refused >= 1);
    // Other channels go on, and have no backlog.
    a.send(link, CHAT, b"still here").expect("room");
    let channel = wait(&b, |event| if let Event::Message(message) = event { Some(message.channel) } else { None });
    assert_eq!(channel, CHAT);
    assert_eq!(stats(&a, link, CHAT).outbound, bowline::Waiting::default());
    // While it lasts it is told once.
    std::thread::park_timeout(3 * AFTER);
    assert!(std::iter::from_fn(|| a.try_recv().ok()).all(|event| stall(event).is_none()));
    let mut taken = 0;
    while taken < sent {
        taken += u64::from(matches!(queue.recv_timeout(PATIENCE).expect("they come"), Event::Message(_)));
    }
    for (node, own, way) in [(&a, link, Direction::Outbound), (&b, up, Direction::Inbound)] {
        let Notice::StallOver { link, channel, direction, lasted, .. } = wait(node, stall) else { panic!("it is over") };
        assert_eq!((link, channel, direction), (own, TIGHT, way));
        assert!((AFTER..PATIENCE * 2).contains(&lasted), "{lasted:?}");
    }
    assert_eq!((stats(&a, link, TIGHT).outbound.messages, stats(&b, up, TIGHT).inbound.messages), (0, 0));
    // Another within a minute is counted and not told.
    assert_eq!((a.stats().stalls, b.stats().stalls), (1, 1));
    fill(&a, link);
    until("both stall again", || (a.stats().stalls, b.stats().stalls) == (2, 2));
    std::thread::park_timeout(AFTER);
    assert!(std::iter::from_fn(|| b.try_recv().ok()).all(|event| stall(event).is_none()));
}

#[test]
fn nobody_is_told_who_does_not_want_to_be() {
    let (a, link, b, _queue, _) = pair(&[("channel.stall_after", "0s")]);
    fill(&a, link);
    std::thread::park_timeout(3 * AFTER);
    assert_eq!((a.stats().stalls, b.stats().stalls), (0, 0));
}

#[test]
fn an_idle_link_wakes_nobody() {
    let (a, link, b, _queue, _) = pair(&[("channel.stall_after", "10ms"), ("ping.period", "1h"), ("ping.timeout", "2h")]);
    a.send(link, CHAT, b"once").expect("room");
    wait(&b, |event| if let Event::Message(_) = event { Some(()) } else { None });
    // The first ping leaves after a second.
    std::thread::park_timeout(Duration::from_millis(1_500));
    let turns = [&a, &b].map(|node| node.stats().turns);
    std::thread::park_timeout(Duration::from_millis(1_000));
    let more = [&a, &b].map(|node| node.stats().turns);
    assert!(more[0] - turns[0] <= 5 && more[1] - turns[1] <= 5, "{turns:?} {more:?}: looking every 10 ms would take 100");
}

#[test]
fn every_drop_is_counted_where_it_happened() {
    let (a, link, _b, _queue, _) = pair(&[]);
    fill(&a, link);
    assert_eq!(a.try_send(link, TIGHT, &[7; 10_000]), Err(SendError::Full));
    let full = stats(&a, link, TIGHT);
    assert!(full.refused >= 2 && a.stats().messages_refused == full.refused, "{full:?}");
    // The other tight channel: its queue makes room by itself.
    let message = Bytes::from(vec![7; 10_000]);
    let send = |tag: u64, ttl: Option<Duration>| {
        a.send_with(link, OLDEST, &message, &SendOptions { tag: Some(tag), ttl, ..SendOptions::default() })
    };
    for _ in 0..40 {
        send(1, None).expect("the oldest give way");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let dropped = stats(&a, link, OLDEST);
    assert!(dropped.displaced > 0 && dropped.displaced == a.stats().messages_displaced, "{dropped:?}");
    send(2, Some(Duration::from_millis(50))).expect("taken");
    until("one has expired", || stats(&a, link, OLDEST).expired == 1);
    send(3, None).expect("taken");
    a.cancel(link, 3);
    until("one is taken back", || stats(&a, link, OLDEST).cancelled == 1);
    let node = a.stats();
    assert_eq!((node.messages_expired, node.messages_cancelled), (1, 1));
    assert_eq!(stats(&a, link, TIGHT).displaced, 0, "each channel for itself");
}

#[test]
fn what_gives_way_to_a_request_is_told_and_counted() {
    let (a, link, _b, _queue, _) = pair(&[]);
    let message = Bytes::from(vec![7; 10_000]);
    let options = SendOptions { tag: Some(9), ..SendOptions::default() };
    for _ in 0..40 {
        a.send_with(link, OLDEST, &message, &options).expect("the oldest give way");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let before = a.stats().messages_displaced;
    a.start_request(link, OLDEST, &message, PATIENCE, 1, None).expect("it has room");
    let after = a.stats().messages_displaced;
    assert!(after > before, "a message gave way to the request");
    let told = std::iter::from_fn(|| a.try_recv().ok())
        .filter(|event| matches!(event, Event::Sent(sent) if sent.fate == Fate::Displaced));
    assert_eq!(told.count() as u64, after);
}

#[test]
fn who_is_not_there_has_no_stats() {
    let (a, link, b, _queue, _) = pair(&[]);
    assert!(matches!(a.channel_stats(LinkId::LOCAL), Err(Error::NoLink(_))));
    a.disconnect(link, bowline::CloseReason::Requested).expect("open");
    until("it has parted", || matches!(a.channel_stats(link), Err(Error::NoLink(_))));
    b.stop(Duration::ZERO).expect("it stops");
    assert!(matches!(b.channel_stats(link), Err(Error::Stopped)));
}

#[test]
fn a_channel_with_a_rate_paces_its_peer_and_disturbs_no_other() {
    let (a, link, b, _queue, up) = pair(&[]);
    let begin = Instant::now();
    for _ in 0..20 {
        a.send(link, PACED, &[7; 10_000]).expect("room");
    }
    // 200 KB are on their way, of which 50 KB come at once; what is sent now overtakes the rest.
    a.send(link, CHAT, b"meanwhile").expect("room");
    let (mut paced, mut before_chat, mut early) = (0, None, 0);
    while paced < 20 {
        let channel = wait(&b, |event| if let Event::Message(message) = event { Some(message.channel) } else { None });
        if channel == CHAT {
            before_chat = Some(paced);
        } else {
            paced += 1;
        }
        early += usize::from(begin.elapsed() < Duration::from_millis(500));
    }
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(1_490), "{took:?}: 150 KB at 100 KB a second");
    assert!(before_chat.is_some_and(|paced| paced <= 6), "{before_chat:?}");
    assert!(early <= 11, "{early} in half a second: 50 KB, 50 KB and the other");
    assert_eq!((a.find_peer(&b.id()), b.find_peer(&a.id())), (Some(link), Some(up)), "nobody was closed");
}

/// Messages that have begun and stand still for longer than they may, because of the receiver alone.
const BRIEF: [(&str, &str); 2] = [("link.record_timeout", "500ms"), ("link.message_timeout", "500ms")];

#[test]
fn an_application_that_does_not_take_never_blames_its_peer() {
    let (a, link, b, queue, up) = pair(&BRIEF);
    let mut sent = 0;
    while stats(&b, up, TIGHT).unfinished == 0 {
        a.send(link, TIGHT, &vec![7; 20_000 + 1_000 * sent]).expect("room");
        sent += 1;
        std::thread::park_timeout(Duration::from_millis(50));
    }
    std::thread::park_timeout(Duration::from_secs(2));
    assert_eq!((stats(&b, up, TIGHT).unfinished, b.find_peer(&a.id())), (1, Some(up)), "it stands still, and nobody is to blame");
    for number in 0..sent {
        let message = std::iter::from_fn(|| queue.recv_timeout(PATIENCE).ok())
            .find_map(|event| if let Event::Message(message) = event { Some(message) } else { None });
        assert_eq!(message.expect("it comes").body.len(), 20_000 + 1_000 * number);
    }
    assert_eq!(b.stats().messages_unfinished, 0);
}

#[test]
fn a_limit_of_our_own_never_blames_the_peer() {
    let (a, link, b, _queue, up) = pair(&[&BRIEF[..], &[("bandwidth.peer_down", "60000")]].concat());
    let begin = Instant::now();
    a.send(link, CHAT, &[7; 200_000]).expect("room");
    let len = wait(&b, |event| if let Event::Message(message) = event { Some(message.body.len()) } else { None });
    assert_eq!((len, b.find_peer(&a.id())), (200_000, Some(up)));
    assert!(begin.elapsed() > Duration::from_secs(2), "{:?}: as slow as it was to be", begin.elapsed());
}

#[test]
fn rates_that_nobody_could_keep_are_refused_by_name() {
    let plain = Channel::new(0x20, "x");
    for (channel, says) in [
        (
            Channel { rate_bytes: 1, ..plain.clone() },
            "channel 0x20: a limit of 1 bytes a second; 1024 to 1099511627776 are allowed, or 0 for none",
        ),
        (Channel { rate_bytes: 1 << 41, ..plain.clone() }, "channel 0x20: a limit of 2199023255552 bytes a second; 1024 to"),
        (Channel { rate_bytes: 5_000, burst_bytes: 1_023, ..plain.clone() }, "channel 0x20: a burst of 1023 bytes; 1024 to"),
        (
            Channel { rate_messages: 5, burst_messages: 3, ..plain.clone() },
            "channel 0x20: a burst of 3 messages; at least 4 are needed",
        ),
        (
            Channel { burst_bytes: 5_000, ..plain.clone() },
            "channel 0x20: a burst of bytes without a limit: set how many a second",
        ),
        (
            Channel { burst_messages: 5, ..plain.clone() },
            "channel 0x20: a burst of messages without a limit: set how many a second",
        ),
    ] {
        let Err(Error::Channel(found)) = Builder::new().channel(channel) else { panic!("{says}") };
        assert!(found.starts_with(says), "{found}");
    }
    let Err(error) = builder(&[("link.message_timeout", "10s")]).build() else { panic!("shorter than a record may take") };
    assert!(error.to_string().contains("link.record_timeout (30s) is above link.message_timeout (10s)"), "{error}");
}
