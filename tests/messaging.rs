//! Sends with a life and a fate, requests and answers, between real nodes over loopback.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{
    Channel, ChannelId, CloseReason, Event, Fate, Kind, LinkId, Message, Node, Outcome, Overflow, Refusal, RequestError,
    RequestId, SendError, SendOptions, Sent, Unsent,
};
use bytes::Bytes;
use nodes::{BOOTSTRAP, identity, network};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const CHAT: ChannelId = ChannelId(0x10);
/// Its window is small: a receiver that does not take stops it at once.
const TIGHT: ChannelId = ChannelId(0x11);
const OLDEST: ChannelId = ChannelId(0x12);
const NEWEST: ChannelId = ChannelId(0x13);
/// Serves no requests.
const MUTE: ChannelId = ChannelId(0x14);

fn started() -> Node {
    let tight = |id: ChannelId, name| Channel {
        receive_queue_bytes: 64 * 1_024,
        send_queue_bytes: 64 * 1_024,
        requests_max: 4,
        ..Channel::new(id.0, name)
    };
    let channels = [
        Channel::new(CHAT.0, "chat"),
        tight(TIGHT, "tight"),
        Channel { overflow: Overflow::DropOldest, ..tight(OLDEST, "oldest") },
        Channel { overflow: Overflow::Conflate, ..tight(NEWEST, "newest") },
        Channel { requests_max: 0, ..Channel::new(MUTE.0, "mute") },
    ];
    let builder =
        channels.into_iter().fold(network(&[BOOTSTRAP]), |builder, channel| builder.channel(channel).expect("a channel"));
    nodes::started(builder.identity(identity()))
}

/// A node that asks, one that answers, and the link at the asker's end.
fn pair() -> (Node, Node, LinkId) {
    let (a, b) = (started(), started());
    let link = a.connect(&b.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
    (a, b, link)
}

/// The first event that `wanted` makes something of.
fn wait<T>(node: &Node, wanted: impl Fn(Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = node.recv_timeout(PATIENCE).ok().and_then(&wanted) {
            return found;
        }
    }
    panic!("it did not come within {PATIENCE:?}");
}

fn message(event: Event) -> Option<Message> {
    if let Event::Message(message) = event { Some(message) } else { None }
}

fn sent(event: Event) -> Option<Sent> {
    if let Event::Sent(sent) = event { Some(sent) } else { None }
}

fn id(message: &Message) -> RequestId {
    assert_eq!(message.kind, Kind::Request);
    RequestId { link: message.link, channel: message.channel, number: message.request }
}

fn tagged(tag: u64) -> SendOptions {
    SendOptions { tag: Some(tag), wait: Duration::from_millis(50), ..SendOptions::default() }
}

/// Sends messages of 10,000 bytes with the tags 0.. on a channel whose receiver takes nothing, `count` of them or until one finds no
/// room; returns how many were taken.
fn fill(node: &Node, link: LinkId, channel: ChannelId, count: u64, options: impl Fn(u64) -> SendOptions) -> u64 {
    let send = |tag: u64| node.send_with(link, channel, &Bytes::from(vec![tag as u8; 10_000]), &options(tag));
    (0..count).take_while(|tag| send(*tag).is_ok()).count() as u64
}

/// The fates of so many sends, by tag.
fn fates(node: &Node, count: u64) -> BTreeMap<u64, Fate> {
    let mut fates = BTreeMap::new();
    while (fates.len() as u64) < count {
        let Sent { tag, fate, .. } = wait(node, sent);
        assert_eq!(fates.insert(tag, fate), None, "{tag} is told twice");
    }
    fates
}

#[test]
fn whoever_wants_is_told_that_the_kernel_has_it() {
    let (a, b, link) = pair();
    for tag in 0..100 {
        a.send_with(link, CHAT, &Bytes::from(vec![0; 100 * tag as usize]), &tagged(tag)).expect("there is room");
    }
    assert!(fates(&a, 100).values().all(|fate| *fate == Fate::Accepted));
    let other = a.queue();
    assert!(other.is_err(), "queues are made before the start");
    assert_eq!(
        a.send_with(link, CHAT, &Bytes::new(), &SendOptions { queue: Some(b.main_queue()), ..tagged(1) }),
        Err(SendError::ForeignQueue)
    );
}

#[test]
fn what_waits_too_long_is_taken_out_and_its_sender_is_told() {
    let (a, b, link) = pair();
    let life = |tag| SendOptions { ttl: Some(Duration::from_millis(500)), ..tagged(tag) };
    // Nobody takes at the other end: the window and the queue fill up.
    let taken = fill(&a, link, TIGHT, 100, life);
    assert!((12..30).contains(&taken), "a window, and a queue at each end of the hand-over: {taken}");
    // One is sent in part: it is too late to take it out, and it goes on when the receiver does.
    let mut told = fates(&a, taken - 1);
    let expired = told.values().filter(|fate| **fate == Fate::Expired).count() as u64;
    assert!(expired >= 6 && a.stats().messages_expired == expired, "{told:?}");
    let arrived: Vec<u8> = (0..taken - expired).map(|_| wait(&b, message).body[0]).collect();
    told.append(&mut fates(&a, 1));
    let accepted: Vec<u8> = told.iter().filter(|(_, fate)| **fate == Fate::Accepted).map(|(tag, _)| *tag as u8).collect();
    assert_eq!((arrived, told.len() as u64), (accepted, taken));
    // There is room again.
    assert_eq!(fill(&a, link, TIGHT, 5, tagged), 5);
    assert!((0..5).all(|tag| wait(&b, message).body == vec![tag; 10_000]));
}

#[test]
fn what_is_taken_back_is_not_sent() {
    let (a, b, link) = pair();
    let taken = fill(&a, link, TIGHT, 100, tagged);
    let last = taken - 1;
    a.cancel(link, last);
    a.cancel(link, 12_345);
    assert_eq!(fates_until(&a, last).get(&last), Some(&Fate::Cancelled));
    let arrived: Vec<u8> = (0..last).map(|_| wait(&b, message).body[0]).collect();
    assert_eq!(arrived, (0..last as u8).collect::<Vec<_>>());
    assert_eq!(a.stats().messages_cancelled, 1);
}

/// Fates until that of `last`.
fn fates_until(node: &Node, last: u64) -> BTreeMap<u64, Fate> {
    let mut fates = BTreeMap::new();
    while !fates.contains_key(&last) {
        let Sent { tag, fate, .. } = wait(node, sent);
        fates.insert(tag, fate);
    }
    fates
}

#[test]
fn the_oldest_give_way_where_the_channel_says_so() {
    let (a, b, link) = pair();
    assert_eq!(fill(&a, link, OLDEST, 100, tagged), 100);
    let mut arrived = Vec::new();
    while arrived.last() != Some(&99) {
        arrived.push(wait(&b, message).body[0]);
    }
    assert!(arrived.is_sorted() && arrived.len() < 40, "{arrived:?}");
    assert!(arrived.ends_with(&(94..100).collect::<Vec<u8>>()), "the newest are there: {arrived:?}");
    let fates = fates(&a, 100);
    let displaced = fates.values().filter(|fate| **fate == Fate::Displaced).count();
    assert_eq!((displaced, a.stats().messages_displaced), (100 - arrived.len(), displaced as u64));
    assert!(arrived.iter().all(|tag| fates[&u64::from(*tag)] == Fate::Accepted));
}

/// A request that finds no room lets messages give way, too, and nobody else would hear of them.
#[test]
fn what_gives_way_to_a_request_is_told() {
    let (a, _b, link) = pair();
    let count = fill(&a, link, OLDEST, 40, tagged);
    let before = a.stats().messages_displaced;
    assert!(before > 0, "the queue is full");
    a.start_request(link, OLDEST, &Bytes::from(vec![0; 30_000]), PATIENCE, 0, None).expect("messages give way");
    assert!(a.stats().messages_displaced > before);
    a.disconnect(link, CloseReason::Requested).expect("it is open");
    assert_eq!(fates(&a, count).len() as u64, count);
}

#[test]
fn who_gives_way_to_a_request_is_told_as_well() {
    let (a, b, link) = pair();
    assert_eq!(fill(&a, link, OLDEST, 100, tagged), 100);
    for number in 0..4_u8 {
        a.start_request(link, OLDEST, &Bytes::from(vec![number; 10_000]), PATIENCE, 500, None).expect("the oldest give way");
    }
    let mut asked = 0;
    while asked < 4 {
        asked += usize::from(wait(&b, message).kind == Kind::Request);
    }
    let displaced = fates(&a, 100).values().filter(|fate| **fate == Fate::Displaced).count();
    assert_eq!(a.stats().messages_displaced, displaced as u64);
}

#[test]
fn only_the_newest_waits_where_the_channel_says_so() {
    let (a, b, link) = pair();
    assert_eq!(fill(&a, link, NEWEST, 100, tagged), 100);
    let mut arrived = Vec::new();
    while arrived.last() != Some(&99) {
        arrived.push(wait(&b, message).body[0]);
    }
    assert!(arrived.is_sorted() && arrived.len() < 40, "{arrived:?}");
    assert_eq!(fates(&a, 100).values().filter(|fate| **fate == Fate::Displaced).count(), 100 - arrived.len());
}

#[test]
fn a_link_that_closes_tells_the_fate_of_everything_before_its_down() {
    let (a, b, link) = pair();
    let taken = fill(&a, link, TIGHT, 100, tagged);
    let asked = a.start_request(link, CHAT, &Bytes::from_static(b"?"), PATIENCE, 500, None).expect("it is asked");
    wait(&b, |event| message(event).filter(|message| message.kind == Kind::Request));
    a.disconnect(link, CloseReason::Requested).expect("it is open");
    let (mut told, mut completed) = (0, 0);
    loop {
        match a.recv_timeout(PATIENCE).expect("it goes on") {
            Event::Sent(sent) => {
                told += 1;
                assert!(matches!(sent.fate, Fate::Accepted | Fate::Closed(CloseReason::Requested)), "{sent:?}");
            }
            Event::Response(response) => {
                completed += 1;
                assert_eq!((response.tag, response.request, response.channel), (500, asked.number, CHAT));
                assert_eq!(response.outcome, Outcome::Closed(CloseReason::Requested));
            }
            Event::Down(_) => break,
            _ => {}
        }
    }
    assert_eq!((told, completed), (taken, 1));
    assert!(!a.cancel_request(asked), "it is over");
}

#[test]
fn requests_are_answered_in_any_order() {
    let (a, b, link) = pair();
    let answerer = std::thread::spawn({
        let b = b.clone();
        move || {
            let mut asked: Vec<Message> = Vec::new();
            while asked.len() < 20 {
                asked.extend(message(b.recv_timeout(PATIENCE).expect("they come")));
            }
            for request in asked.iter().rev() {
                if request.body[0] % 2 == 0 {
                    b.respond(id(request), &request.body.repeat(3).into(), PATIENCE).expect("it waits");
                } else {
                    b.refuse(id(request), 7_000 + u32::from(request.body[0]), "odd", PATIENCE).expect("it waits");
                }
                assert_eq!(b.respond(id(request), &Bytes::new(), PATIENCE), Err(RequestError::NoRequest), "twice");
            }
        }
    });
    let askers: Vec<_> = (0..20_u8)
        .map(|number| {
            let a = a.clone();
            std::thread::spawn(move || (number, a.request(link, CHAT, &vec![number; 2].into(), PATIENCE)))
        })
        .collect();
    for asker in askers {
        let (number, outcome) = asker.join().expect("no panic");
        let odd = Refusal { code: 7_000 + u32::from(number), text: "odd".to_owned() };
        let expected = if number % 2 == 0 { Ok(vec![number; 6].into()) } else { Err(RequestError::Refused(odd)) };
        assert_eq!(outcome, expected);
    }
    answerer.join().expect("no panic");
    let unknown = RequestId { link, channel: CHAT, number: 99 };
    assert_eq!(a.respond(unknown, &Bytes::new(), PATIENCE), Err(RequestError::NoRequest), "nobody asked");
    assert_eq!(a.refuse(unknown, u32::MAX, "", PATIENCE), Err(RequestError::Code(u32::MAX)));
}

#[test]
fn an_answer_as_large_as_the_channel_allows_comes_whole() {
    let (a, b, link) = pair();
    let large = Bytes::from((0..1 << 20).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    a.start_request(link, CHAT, &large, PATIENCE, 1, None).expect("it is asked");
    let asked = wait(&b, message);
    assert_eq!(asked.body, large);
    b.respond(id(&asked), &large, PATIENCE).expect("it waits");
    let outcome = wait(&a, |event| if let Event::Response(response) = event { Some(response.outcome) } else { None });
    assert!(outcome == Outcome::Answer(large));
}

#[test]
fn a_late_answer_is_dropped_and_counted() {
    let (a, b, link) = pair();
    let begin = Instant::now();
    let outcome = a.request(link, CHAT, &Bytes::from_static(b"?"), Duration::from_millis(200));
    assert_eq!(outcome, Err(RequestError::TimedOut));
    assert!(begin.elapsed() >= Duration::from_millis(200));
    assert_eq!(a.stats().requests_late, 1);
    let asked = wait(&b, message);
    // The cancel may be on its way: either it is withdrawn here or its answer is dropped there.
    let answer = b.respond(id(&asked), &Bytes::from_static(b"!"), PATIENCE);
    assert!(matches!(answer, Ok(()) | Err(RequestError::NoRequest)), "{answer:?}");
    // The link goes on.
    a.start_request(link, CHAT, &Bytes::from_static(b"again"), PATIENCE, 2, None).expect("it is asked");
    let asked = wait(&b, message);
    b.respond(id(&asked), &Bytes::from_static(b"!"), PATIENCE).expect("it waits");
    assert_eq!(wait(&a, |event| if let Event::Response(response) = event { Some(response.tag) } else { None }), 2);
}

#[test]
fn what_is_taken_back_needs_no_answer() {
    let (a, b, link) = pair();
    let asked = a.start_request(link, CHAT, &Bytes::from_static(b"?"), PATIENCE, 9, None).expect("it is asked");
    let at_b = wait(&b, message);
    assert!(a.cancel_request(asked) && !a.cancel_request(asked));
    let outcome =
        wait(&a, |event| if let Event::Response(response) = event { Some((response.tag, response.outcome)) } else { None });
    assert_eq!(outcome, (9, Outcome::Cancelled));
    // The cancel has come before this message, on the same channel.
    a.send(link, CHAT, b"behind it").expect("it is open");
    assert_eq!(&wait(&b, message).body[..], b"behind it");
    assert_eq!(b.respond(id(&at_b), &Bytes::new(), PATIENCE), Err(RequestError::NoRequest));
}

#[test]
fn the_peer_says_how_many_requests_may_wait() {
    let (a, b, link) = pair();
    let ask = |tag| a.start_request(link, TIGHT, &Bytes::from_static(b"?"), PATIENCE, tag, None);
    (0..4).for_each(|tag| assert!(ask(tag).is_ok(), "the peer lets four wait"));
    assert_eq!(ask(4), Err(RequestError::TooMany { channel: TIGHT, max: 4 }));
    let first = wait(&b, message);
    b.respond(id(&first), &Bytes::new(), PATIENCE).expect("it waits");
    wait(&a, |event| if let Event::Response(response) = event { Some(response) } else { None });
    ask(5).expect("one more may wait");
    let none = a.start_request(link, MUTE, &Bytes::new(), PATIENCE, 6, None);
    assert_eq!(none, Err(RequestError::TooMany { channel: MUTE, max: 0 }));
    assert_eq!(
        a.start_request(link, ChannelId(0x77), &Bytes::new(), PATIENCE, 7, None),
        Err(RequestError::Send(SendError::NoChannel(ChannelId(0x77))))
    );
}

/// The peer must hear that one is over before it gets another, or it would count one too many and end the link.
#[test]
fn a_request_that_was_taken_back_makes_room_for_another_in_time() {
    let (a, b, link) = pair();
    for round in 0..300 {
        let ask = || a.start_request(link, TIGHT, &Bytes::new(), PATIENCE, round, None);
        let asked: Vec<RequestId> = std::iter::from_fn(|| ask().ok()).take(4).collect();
        for id in asked {
            assert!(a.cancel_request(id));
            assert!(!a.cancel_request(id));
            ask().ok().map(|id| a.cancel_request(id));
        }
        while b.try_recv().is_ok() {}
    }
    assert_eq!(a.find_peer(&b.id()), Some(link), "{:?}", (a.ends(), b.ends()));
}

#[test]
fn a_stop_releases_who_waits_for_an_answer() {
    let (a, _b, link) = pair();
    let asker = std::thread::spawn({
        let a = a.clone();
        move || a.request(link, CHAT, &Bytes::from_static(b"?"), Duration::from_secs(60))
    });
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    a.stop(Duration::ZERO).expect("it runs");
    assert_eq!(asker.join().expect("no panic"), Err(RequestError::Closed(CloseReason::Stopped)));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

/// Defect of CometBFT's `routeChannel` with fifo queues: it waited for a peer whose queue was full, and everybody else on the channel with it.
#[test]
fn cometbft_route_channel_one_slow_peer_does_not_stall_the_others() {
    let (a, slow, _) = pair();
    let quick = started();
    a.connect(&quick.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
    let (mut sent, mut full) = (0_u32, 0_u32);
    for number in 0..300_u32 {
        let mut body = vec![0; 10_000];
        body[..4].copy_from_slice(&number.to_le_bytes());
        // Nobody takes at the slow one; the quick one takes each at once.
        let result = a.broadcast(TIGHT, &Bytes::from(body), None).expect("the channel exists");
        (sent, full) = (sent + result.queued as u32, full + result.full as u32);
        let got = wait(&quick, message);
        assert_eq!((got.channel, &got.body[..4]), (TIGHT, &number.to_le_bytes()[..]));
    }
    assert!(
        (312..330).contains(&sent) && sent + full == 600,
        "what the slow one has room for, and all to the other: {sent} {full}"
    );
    assert_eq!(a.stats().links_out, 2, "nobody was dropped");
    drop(slow);
}

/// Defect 4 of CometBFT's `wdrr_queue.go`: its loop ran while there was nothing to do.
#[test]
fn cometbft_wdrr_a_reactor_with_nothing_it_may_send_does_not_spin() {
    let (a, b, link) = pair();
    let taken = fill(&a, link, TIGHT, 100, |tag| SendOptions { tag: None, ..tagged(tag) });
    assert!(taken >= 12, "window and queues are full, and nobody takes: {taken}");
    std::thread::sleep(Duration::from_millis(200));
    let before = (a.stats().turns, b.stats().turns);
    std::thread::sleep(Duration::from_secs(1));
    let turns = (a.stats().turns - before.0, b.stats().turns - before.1);
    assert!(turns.0 < 50 && turns.1 < 50, "{turns:?} turns in a second");
}

/// Answers two requests of three, until nothing has come for a while.
fn answer_most(node: &Node) {
    let mut count = 0;
    while let Ok(event) = node.recv_timeout(Duration::from_secs(1)) {
        let Some(asked) = message(event).filter(|message| message.kind == Kind::Request) else { continue };
        count += 1;
        if count % 3 != 0 {
            // It may be withdrawn, or find no room.
            let _ = node.respond(id(&asked), &Bytes::from(vec![0; 5_000]), Duration::ZERO);
        }
    }
}

/// Asks, sends and takes back with deadlines that are about to pass; returns how many fates and outcomes are owed to it.
fn hurry(node: &Node, link: LinkId, end: Instant, mut seed: u64) -> u64 {
    let mut owed = 0;
    while Instant::now() < end {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = seed >> 33;
        let body = Bytes::from(vec![0; (random % 20_000) as usize]);
        let channel = [TIGHT, OLDEST, NEWEST][(random % 3) as usize];
        let soon = |micros| Duration::from_micros(random % micros);
        match random % 5 {
            // Whatever becomes of it, it returns.
            0 | 1 => drop(node.request(link, channel, &body, soon(5_000))),
            2 => {
                let asked = node.start_request(link, channel, &body, soon(5_000), random, None).ok();
                owed += u64::from(asked.is_some());
                asked.filter(|_| random.is_multiple_of(2)).map(|asked| node.cancel_request(asked));
            }
            _ => {
                let ttl = (random.is_multiple_of(2)).then(|| soon(3_000));
                let options = SendOptions { tag: Some(random), ttl, wait: soon(900), queue: None };
                owed += u64::from(node.send_with(link, channel, &body, &options).is_ok());
                if random.is_multiple_of(7) {
                    node.cancel(link, random);
                }
            }
        }
    }
    owed
}

/// Neither side ever counts more requests than the other allows, or the link would end; and nobody waits in vain.
#[test]
fn haste_ends_no_link_and_each_fate_is_told_once() {
    let (a, b, link) = pair();
    let end = Instant::now() + Duration::from_secs(3);
    let answerer = {
        let b = b.clone();
        std::thread::spawn(move || answer_most(&b))
    };
    let hasty = (1..7_u64).map(|seed| {
        let a = a.clone();
        std::thread::spawn(move || hurry(&a, link, end, seed))
    });
    let hasty: Vec<_> = hasty.collect();
    let mut told = 0;
    let mut tell = |event: Event| {
        assert!(!matches!(event, Event::Down(_)), "{event:?}");
        told += u64::from(matches!(event, Event::Sent(_) | Event::Response(_)));
    };
    while Instant::now() < end {
        a.recv_timeout(Duration::from_millis(50)).into_iter().for_each(&mut tell);
    }
    let owed: u64 = hasty.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    // All is sent or expired long before this.
    while let Ok(event) = a.recv_timeout(Duration::from_secs(2)) {
        tell(event);
    }
    answerer.join().expect("no panic");
    assert_eq!(told, owed);
}

/// The next plain messages, by their first bytes as a number.
fn numbers(node: &Node, count: usize) -> Vec<u32> {
    let number = |body: &[u8]| body.first_chunk().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes));
    let next = |_| wait(node, |event| if let Event::Message(message) = event { Some(number(&message.body)) } else { None });
    (0..count).map(next).collect()
}

#[test]
fn a_batch_goes_as_far_as_there_is_room_and_on_when_there_is() {
    let (a, b, link) = pair();
    let sender = a.sender(link, TIGHT).expect("it is there");
    let batch: Vec<Vec<u8>> = (0..400_u32).map(|number| [&number.to_le_bytes()[..], &[7; 996]].concat()).collect();
    let unsent = sender.send_batch(&batch, Duration::from_millis(300)).expect_err("nobody takes them");
    assert_eq!(unsent.why, SendError::Full);
    assert!((65..400).contains(&unsent.queued), "one queue at least is full: {unsent}");
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send_batch(&batch[unsent.queued..], PATIENCE).expect("room comes"));
        assert_eq!(numbers(&b, 400), (0..400).collect::<Vec<u32>>());
    });
    a.stop(Duration::ZERO).expect("it stops");
    let late = sender.send_batch(&batch, PATIENCE).expect_err("it has stopped");
    assert!(late.queued == 0 && matches!(late.why, SendError::Closed(_) | SendError::Stopped), "{late}");
}

#[test]
fn a_batch_to_this_node_waits_for_room_too() {
    let node = started();
    let sender = node.sender(LinkId::LOCAL, TIGHT).expect("it is its own");
    let batch: Vec<Vec<u8>> = (0..400_u32).map(|number| [&number.to_le_bytes()[..], &[7; 996]].concat()).collect();
    let Unsent { queued, why } = sender.send_batch(&batch, Duration::from_millis(50)).expect_err("nobody takes them");
    assert!(why == SendError::Full && (1..400).contains(&queued), "{queued}: {why}");
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send_batch(&batch[queued..], PATIENCE).expect("room comes"));
        assert_eq!(numbers(&node, 400), (0..400).collect::<Vec<u32>>());
    });
}
