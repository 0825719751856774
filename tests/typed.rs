//! Typed channels, versions, metadata and local delivery, between real nodes over loopback.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::typed::{Codec, Malformed, Outlet, Owner, Prost, Protocol, TypedEvent};
use bowline::{
    BroadcastOptions, Builder, Channel, ChannelId, CloseReason, Error, Event, Fate, How, Kind, LinkId, Message, Node, NodeState,
    Outcome, Refusal, RequestError, RequestId, Role, SendError, SendOptions, Up,
};
use bytes::Bytes;
use nodes::{BOOTSTRAP, identity, network, started};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[path = "../examples/typed_ping.rs"]
mod typed_ping;

const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);
const CHAT: ChannelId = ChannelId(0x10);
/// The bytes of a `Line` at which the codec panics.
const PANICS: &[u8] = b"\n\x05panic";

#[derive(Clone, PartialEq, prost::Message)]
struct Line {
    #[prost(string, tag = "1")]
    text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Ask {
    #[prost(uint32, tag = "1")]
    number: u32,
}

fn line(text: &str) -> Line {
    Line { text: text.to_owned() }
}

/// Counts what it is asked to do.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl<M: prost::Message + Default + 'static> Codec<M> for Counting {
    fn encode(&self, message: &M, into: &mut Vec<u8>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        Prost.encode(message, into);
    }

    fn decode(&self, bytes: &Bytes) -> Result<M, Malformed> {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert!(bytes != PANICS, "a codec with a fault");
        Prost.decode(bytes)
    }
}

struct Chat;

impl Protocol for Chat {
    type Message = Line;
    type Request = Ask;
    type Answer = Line;
    type Codec = Counting;
}

fn builder() -> Builder {
    network(&[BOOTSTRAP]).identity(identity())
}

/// Small, so that its bounds are soon met.
fn channel() -> Channel {
    Channel { send_queue_messages: 4, send_queue_bytes: 100, requests_max: 4, ..Channel::new(CHAT.0, "chat") }
}

fn typed(codec: &Counting) -> (Node, Owner<Chat>) {
    typed_by(builder(), codec)
}

fn typed_by(builder: Builder, codec: &Counting) -> (Node, Owner<Chat>) {
    let (builder, declared) = builder.typed::<Chat>(channel(), codec.clone()).expect("a channel");
    let node = builder.build().expect("valid settings");
    let owner = node.own(declared).expect("it was declared for this node");
    node.start().expect("a free port");
    (node, owner)
}

fn raw() -> Node {
    started(builder().channel(channel()).expect("a channel"))
}

fn dial(from: &Node, to: &Node) -> Result<LinkId, Error> {
    from.connect(&to.listen_addresses()[0].to_string(), PATIENCE)
}

/// The first event that `wanted` makes something of.
fn wait<T>(owner: &Owner<Chat>, wanted: impl Fn(TypedEvent<Chat>) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = owner.recv_timeout(PATIENCE).ok().and_then(&wanted) {
            return found;
        }
    }
    panic!("it did not come within {PATIENCE:?}");
}

fn wait_raw<T>(node: &Node, wanted: impl Fn(Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = node.recv_timeout(PATIENCE).ok().and_then(&wanted) {
            return found;
        }
    }
    panic!("it did not come within {PATIENCE:?}");
}

macro_rules! picks {
    ($($name:ident: $pattern:pat => $value:expr, $out:ty;)+) => {
        $(fn $name(event: TypedEvent<Chat>) -> Option<$out> {
            if let $pattern = event { Some($value) } else { None }
        })+
    };
}

picks! {
    text: TypedEvent::Message(received) => (received.link, received.message.text), (LinkId, String);
    incoming: TypedEvent::Request(incoming) => incoming, bowline::typed::Incoming<Chat>;
    answered: TypedEvent::Answered(answered) => (answered.tag, answered.outcome), (u64, Result<Line, RequestError>);
    sent: TypedEvent::Sent(sent) => (sent.link, sent.tag, sent.fate), (LinkId, u64, Fate);
    malformed: TypedEvent::Malformed(malformed) => malformed, bowline::typed::Received<Malformed>;
    down: TypedEvent::Down(down) => down.reason, CloseReason;
}

fn message(event: Event) -> Option<Message> {
    if let Event::Message(message) = event { Some(message) } else { None }
}

fn up(event: Event) -> Option<Up> {
    if let Event::Up(up) = event { Some(up) } else { None }
}

fn id(message: &Message) -> RequestId {
    assert_eq!(message.kind, Kind::Request);
    RequestId { link: message.link, channel: message.channel, number: message.request }
}

fn asks(handle: &Outlet<Chat>, link: LinkId, number: u32) -> std::thread::JoinHandle<Result<Line, RequestError>> {
    let handle = handle.clone();
    std::thread::spawn(move || handle.request(link, &Ask { number }, PATIENCE))
}

fn own_refusal<T>(outcome: Result<T, RequestError>) -> u32 {
    match outcome {
        Err(RequestError::Refused(Refusal { code, .. })) => code,
        _ => panic!("no refusal"),
    }
}

#[test]
fn the_example_runs() {
    typed_ping::main().expect("it ends well");
}

#[test]
fn messages_requests_and_answers_have_types() {
    let codec = Counting::default();
    let ((a, of_a), (b, of_b)) = (typed(&codec), typed(&codec));
    let link = dial(&a, &b).expect("a link");
    let handle = of_a.outlet();
    let options = SendOptions { tag: Some(7), ..SendOptions::default() };
    handle.send_with(link, &line("hello"), &options).expect("there is room");
    assert_eq!(wait(&of_b, text).1, "hello");
    assert_eq!(wait(&of_a, sent), (link, 7, Fate::Accepted), "the owner is told");
    let asker = asks(&handle, link, 5);
    let asked = wait(&of_b, incoming);
    assert_eq!((asked.peer, asked.request.number), (a.id(), 5));
    asked.answer(&line("five"), PATIENCE).expect("it waits");
    assert_eq!(asker.join().expect("no panic"), Ok(line("five")));
    handle.start_request(link, &Ask { number: 6 }, PATIENCE, 66).expect("it is asked");
    wait(&of_b, incoming).refuse(4, "not six", PATIENCE).expect("it waits");
    let refusal = Refusal { code: 4, text: "not six".to_owned() };
    assert_eq!(wait(&of_a, answered), (66, Err(RequestError::Refused(refusal))));
    let told = handle.broadcast(&line("all"), &BroadcastOptions { include_self: true, ..BroadcastOptions::default() });
    assert_eq!(told.expect("it runs").queued, 2);
    assert_eq!(wait(&of_b, text).1, "all");
    assert_eq!(wait(&of_a, text), (LinkId::LOCAL, "all".to_owned()));
}

#[test]
fn who_is_not_answered_need_not_wait() {
    let codec = Counting::default();
    let ((a, of_a), (b, of_b)) = (typed(&codec), typed(&codec));
    let links = [dial(&a, &b).expect("a link"), LinkId::LOCAL];
    for (link, asked) in links.into_iter().zip([&of_b, &of_a]) {
        let (begin, asker) = (Instant::now(), asks(&of_a.outlet(), link, 1));
        drop(wait(asked, incoming));
        assert_eq!(own_refusal(asker.join().expect("no panic")), 0xffff_ff00, "{link}");
        assert!(begin.elapsed() < PATIENCE / 2);
    }
}

#[test]
fn an_answer_without_room_ends_its_request_all_the_same() {
    let wide = || Channel { requests_max: 20, receive_queue_bytes: 64 * 1_024, send_queue_messages: 100, ..channel() };
    let start = || {
        let (builder, declared) = builder().typed::<Chat>(wide(), Counting::default()).expect("a channel");
        let node = builder.build().expect("valid settings");
        let owner = node.own(declared).expect("it was declared for this node");
        node.start().expect("a free port");
        (node, owner)
    };
    let ((a, of_a), (b, of_b)) = (start(), start());
    let link = dial(&a, &b).expect("a link");
    let handle = of_a.outlet();
    (0..20).for_each(|tag| assert!(handle.start_request(link, &Ask { number: 1 }, PATIENCE, tag).is_ok()));
    // The asker takes nothing: its window and the queue here fill up.
    let long = line(&"x".repeat(30_000));
    let answer = |_| match wait(&of_b, incoming).answer(&long, SHORT / 4) {
        Ok(()) => true,
        Err(RequestError::Send(SendError::Full)) => false,
        other => panic!("{other:?}"),
    };
    let with_room = (0..20).filter(|number: &i32| answer(*number)).count();
    assert!((2..20).contains(&with_room), "{with_room}");
    let outcomes: Vec<_> = (0..20).map(|_| wait(&of_a, answered).1).collect();
    let (answers, refusals): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| outcome.is_ok());
    assert_eq!(answers.len(), with_room);
    assert!(refusals.into_iter().all(|refusal| own_refusal(refusal) == 0xffff_ff00));
}

#[test]
fn what_does_not_decode_is_told_counted_and_harms_nothing() {
    let (a, of_a) = typed(&Counting::default());
    let b = raw();
    let link = dial(&b, &a).expect("a link");
    b.send(link, CHAT, &[0xff; 9]).expect("it is open");
    let told = wait(&of_a, malformed);
    assert_eq!(told.peer, b.id());
    assert!(!told.message.0.is_empty());
    let asker = std::thread::spawn({
        let b = b.clone();
        move || b.request(link, CHAT, &Bytes::from_static(&[0xff; 9]), PATIENCE)
    });
    wait(&of_a, malformed);
    assert_eq!(own_refusal(asker.join().expect("no panic")), 0xffff_ff01);
    // An answer that is none.
    let back = a.find_peer(&b.id()).expect("it is open");
    let asker = asks(&of_a.outlet(), back, 1);
    b.respond(id(&wait_raw(&b, message)), &Bytes::from_static(&[0xff; 9]), PATIENCE).expect("it waits");
    assert!(matches!(asker.join().expect("no panic"), Err(RequestError::Malformed(_))));
    assert_eq!((a.stats().messages_malformed, a.stats().panics_contained), (3, 0));
    b.send(link, CHAT, b"\n\x02ok").expect("the link goes on");
    assert_eq!(wait(&of_a, text), (back, "ok".to_owned()));
}

#[test]
fn a_codec_that_panics_costs_that_peer_its_link_and_nobody_else_anything() {
    let (a, of_a) = typed(&Counting::default());
    let (b, c) = (raw(), raw());
    let (bad, good) = (dial(&b, &a).expect("a link"), dial(&c, &a).expect("a link"));
    b.send(bad, CHAT, PANICS).expect("it is open");
    assert_eq!(wait(&of_a, malformed).peer, b.id());
    assert_eq!(wait(&of_a, down), CloseReason::PanicContained);
    assert_eq!((a.stats().panics_contained, a.state()), (1, NodeState::Running));
    c.send(good, CHAT, b"\n\x02ok").expect("it is open");
    assert_eq!(wait(&of_a, text).1, "ok");
}

#[test]
fn a_typed_channel_is_closed_to_who_only_knows_its_number() {
    let (builder, declared) = builder().typed::<Chat>(channel(), Counting::default()).expect("a channel");
    let node = builder.build().expect("valid settings");
    assert!(matches!(node.bind(CHAT, &node.main_queue()), Err(Error::Channel(_))));
    node.start().expect("a free port");
    let nothing = Bytes::new();
    let sealed = SendError::Sealed(CHAT);
    assert_eq!(node.send(LinkId::LOCAL, CHAT, b"x"), Err(sealed.clone()));
    assert_eq!(node.broadcast(CHAT, &nothing, None), Err(sealed.clone()));
    assert_eq!(node.request(LinkId::LOCAL, CHAT, &nothing, SHORT), Err(sealed.clone().into()));
    assert_eq!(node.start_request(LinkId::LOCAL, CHAT, &nothing, SHORT, 1, None), Err(sealed.clone().into()));
    let request = RequestId { link: LinkId::LOCAL, channel: CHAT, number: 1 };
    assert_eq!(node.respond(request, &nothing, SHORT), Err(sealed.clone().into()));
    assert_eq!(node.refuse(request, 1, "", SHORT), Err(sealed.clone().into()));
    let role = Role { capability: "any", channel: CHAT };
    assert_eq!(node.send_to(role, &nothing), Err(sealed.clone()));
    assert_eq!(node.broadcast_to(role, How::All, &nothing), Err(sealed.clone()));
    assert_eq!(node.request_to(role, &nothing, SHORT), Err(sealed.into()));
    let other = raw();
    assert!(matches!(other.own(declared), Err(Error::Channel(_))), "it was declared for another node");
}

/// Two channels may use the same tags, and a request's number is no secret.
#[test]
fn what_one_channel_sent_another_cannot_take_back() {
    let tight = |id, name| Channel { receive_queue_bytes: 64 * 1_024, ..Channel::new(id, name) };
    let (chat, other) = (tight(CHAT.0, "chat"), tight(0x11, "other"));
    let far = started(builder().channel(chat.clone()).and_then(|builder| builder.channel(other.clone())).expect("channels"));
    let (builder, chat) = builder().typed::<Chat>(chat, Counting::default()).expect("a channel");
    let (builder, other) = builder.typed::<Chat>(other, Counting::default()).expect("a channel");
    let node = started(builder);
    let (chat, other) = (node.own(chat).expect("its own"), node.own(other).expect("its own"));
    let link = dial(&node, &far).expect("a link");
    let (chat, handle) = (chat.outlet(), other.outlet());
    // Nobody takes them: the last ones wait.
    let text = line(&"x".repeat(10_000));
    for tag in 0..20 {
        handle.send_with(link, &text, &SendOptions { tag: Some(tag), ..SendOptions::default() }).expect("there is room");
    }
    chat.cancel(link, 19);
    handle.cancel(link, 18);
    let first = wait(&other, |event| sent(event).filter(|(.., fate)| *fate != Fate::Accepted));
    assert_eq!(first, (link, 18, Fate::Cancelled));
    let local = handle.start_request(LinkId::LOCAL, &Ask { number: 1 }, PATIENCE, 1).expect("it is asked");
    let remote = handle.start_request(link, &Ask { number: 1 }, PATIENCE, 1).expect("it is asked");
    for request in [local, remote] {
        assert!(!chat.cancel_request(request) && !node.cancel_request(request));
        assert!(!chat.cancel_request(RequestId { channel: CHAT, ..request }));
        assert!(handle.cancel_request(request));
    }
}

#[test]
fn who_is_not_answered_hears_so_however_small_messages_are() {
    let tiny = Channel { message_bytes_max: 10, ..channel() };
    let far = started(builder().channel(tiny.clone()).expect("a channel"));
    let (builder, declared) = builder().typed::<Chat>(tiny, Counting::default()).expect("a channel");
    let node = started(builder);
    let owner = node.own(declared).expect("its own");
    let link = dial(&far, &node).expect("a link");
    far.start_request(link, CHAT, &Bytes::new(), PATIENCE, 1, None).expect("it is asked");
    drop(wait(&owner, incoming));
    let outcome = wait_raw(&far, |event| if let Event::Response(response) = event { Some(response.outcome) } else { None });
    let Outcome::Refused(Refusal { code, text }) = outcome else { panic!("{outcome:?} came instead") };
    assert_eq!((code, text.len()), (0xffff_ff00, 6), "of the sentence there is what has room");
}

/// What carries a value within the node is no message, so the bound on messages is none for it.
#[test]
fn a_value_reaches_the_node_itself_however_small_messages_are() {
    let tiny = Channel { message_bytes_max: 1, requests_max: 0, ..channel() };
    let (builder, declared) = builder().typed::<Chat>(tiny, Counting::default()).expect("a channel");
    let node = started(builder);
    let owner = node.own(declared).expect("its own");
    owner.outlet().try_send(LinkId::LOCAL, &line("longer")).expect("there is room");
    assert_eq!(wait(&owner, text), (LinkId::LOCAL, "longer".to_owned()));
}

#[test]
fn what_a_node_tells_and_asks_itself_is_not_encoded() {
    let codec = Counting::default();
    let (node, owner) = typed(&codec);
    let handle = owner.outlet();
    let options = SendOptions { tag: Some(1), ..SendOptions::default() };
    handle.send_with(LinkId::LOCAL, &line("to myself"), &options).expect("there is room");
    assert_eq!(wait(&owner, sent), (LinkId::LOCAL, 1, Fate::Accepted));
    assert_eq!(wait(&owner, text), (LinkId::LOCAL, "to myself".to_owned()));
    let asker = asks(&handle, LinkId::LOCAL, 5);
    let asked = wait(&owner, incoming);
    assert_eq!((asked.link, asked.peer, asked.request.number), (LinkId::LOCAL, node.id(), 5));
    asked.answer(&line("five"), PATIENCE).expect("it waits");
    assert_eq!(asker.join().expect("no panic"), Ok(line("five")));
    assert_eq!(codec.0.load(Ordering::SeqCst), 0);
}

#[test]
fn what_a_node_tells_itself_is_bounded_and_ends_with_it() {
    let (node, owner) = typed(&Counting::default());
    let handle = owner.outlet();
    let send = |text: &str| handle.try_send(LinkId::LOCAL, &line(text));
    // Values have no bytes to count: a long one takes one place, as the others do.
    assert!((0..4).all(|_| send(&"long".repeat(100)).is_ok()));
    assert_eq!(send("5"), Err(SendError::Full));
    assert_eq!(handle.send_timeout(LinkId::LOCAL, &line("5"), SHORT), Err(SendError::Full));
    let waits = |text: &'static str, handle: &Outlet<Chat>| {
        let handle = handle.clone();
        std::thread::spawn(move || handle.send_timeout(LinkId::LOCAL, &line(text), PATIENCE))
    };
    let sender = waits("waited", &handle);
    std::thread::sleep(SHORT);
    wait(&owner, text);
    assert_eq!(sender.join().expect("no panic"), Ok(()), "there is room now");
    let (sender, begin) = (waits("never", &handle), Instant::now());
    std::thread::sleep(SHORT);
    node.stop(Duration::ZERO).expect("it runs");
    assert_eq!(sender.join().expect("no panic"), Err(SendError::Stopped));
    assert!(begin.elapsed() < PATIENCE / 2);
    assert_eq!(send("late"), Err(SendError::Stopped));
    let left = std::iter::from_fn(|| owner.recv_timeout(PATIENCE).ok()).filter_map(text).count();
    assert_eq!(left, 4, "what it had taken is there to be received");
}

#[test]
fn requests_of_a_node_to_itself_end_like_any_other() {
    let (node, owner) = typed(&Counting::default());
    let handle = owner.outlet();
    let begin = |number, timeout, tag| handle.start_request(LinkId::LOCAL, &Ask { number }, timeout, tag);
    // Nobody takes it.
    let (at, outcome) = (Instant::now(), handle.request(LinkId::LOCAL, &Ask { number: 1 }, SHORT));
    assert_eq!(outcome, Err(RequestError::TimedOut));
    assert!((SHORT..PATIENCE / 2).contains(&at.elapsed()));
    begin(2, SHORT, 22).expect("it is asked");
    let cancelled = begin(3, PATIENCE, 33).expect("it is asked");
    assert!(handle.cancel_request(cancelled) && !handle.cancel_request(cancelled));
    let (mut asked, mut told) = (Vec::new(), Vec::new());
    while asked.len() + told.len() < 5 {
        match owner.recv_timeout(PATIENCE).expect("three requests and two outcomes come") {
            TypedEvent::Request(incoming) => asked.push(incoming),
            TypedEvent::Answered(answered) => told.push((answered.tag, answered.outcome)),
            _ => {}
        }
    }
    // The second one's deadline is later than one that was waited for already.
    assert_eq!(told, [(33, Err(RequestError::Cancelled)), (22, Err(RequestError::TimedOut))]);
    assert_eq!(node.stats().requests_late, 2);
    assert!(asked.into_iter().all(|late| late.answer(&line("late"), PATIENCE) == Err(RequestError::NoRequest)));
    let many: Vec<_> = (0..5).map(|tag| begin(9, PATIENCE, tag).is_ok()).collect();
    assert_eq!(many, [true, true, true, true, false], "the channel lets four wait");
    node.stop(Duration::ZERO).expect("it runs");
    let ended = std::iter::from_fn(|| owner.recv_timeout(PATIENCE).ok()).filter_map(answered);
    assert!(ended.map(|(_, outcome)| outcome).eq(vec![Err(RequestError::Closed(CloseReason::Stopped)); 4]));
}

#[test]
fn bytes_reach_the_node_itself_too() {
    let node = raw();
    node.send(LinkId::LOCAL, CHAT, b"to myself").expect("there is room");
    let came = wait_raw(&node, message);
    assert_eq!((came.link, came.peer, came.channel, &came.body[..]), (LinkId::LOCAL, node.id(), CHAT, &b"to myself"[..]));
    let all = BroadcastOptions { include_self: true, ..BroadcastOptions::default() };
    assert_eq!(node.broadcast_with(CHAT, &Bytes::from_static(b"all"), &all).expect("it runs").queued, 1);
    assert_eq!(&wait_raw(&node, message).body[..], b"all");
    let asker = std::thread::spawn({
        let node = node.clone();
        move || node.request(LinkId::LOCAL, CHAT, &Bytes::from_static(b"?"), PATIENCE)
    });
    let asked = wait_raw(&node, message);
    node.respond(id(&asked), &Bytes::from_static(b"!"), PATIENCE).expect("it waits");
    assert_eq!(node.respond(id(&asked), &Bytes::new(), PATIENCE), Err(RequestError::NoRequest), "twice");
    assert_eq!(asker.join().expect("no panic"), Ok(Bytes::from_static(b"!")));
    node.start_request(LinkId::LOCAL, CHAT, &Bytes::new(), PATIENCE, 8, None).expect("it is asked");
    node.refuse(id(&wait_raw(&node, message)), 3, "no", PATIENCE).expect("it waits");
    let outcome = wait_raw(&node, |event| if let Event::Response(response) = event { Some(response.outcome) } else { None });
    assert_eq!(outcome, Outcome::Refused(Refusal { code: 3, text: "no".to_owned() }));
    // Of bytes the channel's bound counts, too: one message of any size, or several within it.
    assert_eq!(node.try_send(LinkId::LOCAL, CHAT, &[0; 60]), Ok(()));
    assert_eq!(node.try_send(LinkId::LOCAL, CHAT, &[0; 60]), Err(SendError::Full));
    let none = ChannelId(0x77);
    assert_eq!(node.try_send(LinkId::LOCAL, none, b""), Err(SendError::NoChannel(none)));
    let (len, max) = ((1 << 20) + 1, 1 << 20);
    assert_eq!(node.try_send(LinkId::LOCAL, CHAT, &vec![0; len]), Err(SendError::TooBig { len, max }));
}

#[test]
fn versions_are_agreed_and_who_shares_none_is_refused_where_that_is_asked() {
    let with = |versions: &[u32], is_required| {
        let builder = builder().channel(channel()).expect("a channel").require_common_version(is_required);
        versions.iter().fold(builder, |builder, version| builder.application_version(*version))
    };
    assert!(matches!(with(&[], true).build(), Err(Error::NoVersion)));
    let strict = || started(with(&[1, 3, 2], true));
    let other = || started(with(&[8], false));
    let (same, close, far) = (started(with(&[3, 2, 9], false)), strict(), other());
    dial(&same, &close).expect("they share two");
    assert_eq!((wait_raw(&same, up).version, wait_raw(&close, up).version), (Some(3), Some(3)));
    dial(&same, &far).expect("neither asks for a common one");
    assert_eq!((wait_raw(&same, up).version, wait_raw(&far, up).version), (None, None));
    // Nodes that nobody has told of one another yet, so that none dials by itself.
    for (from, to) in [(other(), strict()), (strict(), other())] {
        let refused = dial(&from, &to);
        assert!(matches!(refused, Err(Error::Link(CloseReason::NoCommonVersion))), "{refused:?}");
    }
}

#[test]
fn messages_and_requests_find_peers_by_capability() {
    let codec = Counting::default();
    let (asker, owner) = typed(&codec);
    let able = || typed_by(builder().capability("archive", 1).expect("a name"), &codec);
    let (archives, (plain, of_plain)) = ([able(), able()], typed(&codec));
    for node in archives.iter().map(|(node, _)| node).chain([&plain]) {
        dial(&asker, node).expect("a link");
    }
    let end = Instant::now() + PATIENCE;
    while asker.peers().len() < 3 {
        assert!(Instant::now() < end, "all are linked");
        std::thread::sleep(SHORT / 20);
    }
    let links: Vec<LinkId> = archives.iter().filter_map(|(node, _)| asker.find_peer(&node.id())).collect();
    let handle = owner.outlet();
    let chosen = handle.choose("archive", How::All).expect("two have it");
    assert!(chosen.len() == 2 && chosen.iter().all(|link| links.contains(link)));

    let encoded = codec.0.load(Ordering::SeqCst);
    let sent = handle.send_to("archive", &line("one of you")).expect("sent");
    assert_eq!(codec.0.load(Ordering::SeqCst), encoded + 1);
    let (_, reached) = &archives[links.iter().position(|link| *link == sent).expect("an archive")];
    assert_eq!(wait(reached, text).1, "one of you");

    let to = |how, except, include_self| {
        handle.broadcast_to("archive", how, &line("all"), &BroadcastOptions { except, include_self }).expect("sent").queued
    };
    assert_eq!((to(How::All, None, false), to(How::N(1), None, false), to(How::All, Some(links[0]), true)), (2, 1, 2));
    assert_eq!(wait(&owner, text), (LinkId::LOCAL, "all".to_owned()));
    let heard = archives.each_ref().map(|(_, of)| {
        std::iter::from_fn(|| of.recv_timeout(SHORT).ok()).filter_map(text).filter(|(_, said)| said == "all").count()
    });
    assert!(heard.iter().sum::<usize>() == 4 && heard[1] >= 2 && heard[0] >= 1, "{heard:?}");
    assert!(std::iter::from_fn(|| of_plain.recv_timeout(SHORT).ok()).filter_map(text).next().is_none());

    let asking = std::thread::spawn({
        let handle = handle.clone();
        move || handle.request_to("archive", &Ask { number: 7 }, PATIENCE)
    });
    let asked = loop {
        let requests = archives.iter().filter_map(|(_, of)| of.recv_timeout(SHORT / 4).ok().and_then(incoming));
        if let Some(asked) = requests.into_iter().next() {
            break asked;
        }
    };
    assert_eq!(asked.request.number, 7);
    asked.answer(&line("seven"), PATIENCE).expect("it waits");
    let (link, answer) = asking.join().expect("no panic").expect("answered");
    assert!(links.contains(&link) && answer == line("seven"));
}

#[test]
fn without_a_peer_with_the_capability_a_typed_channel_says_so() {
    let (node, owner) = typed(&Counting::default());
    let (other, _of_other) = typed(&Counting::default());
    dial(&node, &other).expect("a link");
    let handle = owner.outlet();
    let nobody = SendError::NoPeer { capability: "oracle".to_owned(), channel: CHAT };
    let options = BroadcastOptions::default();
    assert_eq!(handle.send_to("oracle", &line("x")), Err(nobody.clone()));
    assert_eq!(handle.broadcast_to("oracle", How::All, &line("x"), &options), Err(nobody.clone()));
    assert_eq!(handle.request_to("oracle", &Ask { number: 1 }, SHORT), Err(nobody.clone().into()));
    let with_self = BroadcastOptions { include_self: true, ..options };
    assert_eq!(handle.broadcast_to("oracle", How::Any, &line("to me"), &with_self).map(|sent| sent.queued), Ok(1));
    assert_eq!(wait(&owner, text), (LinkId::LOCAL, "to me".to_owned()));
    // By its number alone nobody reaches the channel, whoever has the capability.
    let (role, nothing, sealed) = (Role { capability: "oracle", channel: CHAT }, Bytes::new(), SendError::Sealed(CHAT));
    assert_eq!(node.send_to(role, &nothing), Err(sealed.clone()));
    assert_eq!(node.broadcast_to(role, How::All, &nothing), Err(sealed.clone()));
    assert_eq!(node.broadcast_to_with(role, How::All, &nothing, &with_self), Err(sealed));
    // Bytes reach the node itself, too.
    let raw = raw();
    assert_eq!(raw.broadcast_to(role, How::All, &nothing), Err(nobody));
    assert_eq!(raw.broadcast_to_with(role, How::All, &Bytes::from_static(b"me"), &with_self).map(|sent| sent.queued), Ok(1));
    assert_eq!(&wait_raw(&raw, message).body[..], b"me");
}

#[test]
fn metadata_has_the_type_of_the_application() {
    let (a, b) = (raw(), started(builder().metadata_of(&Prost, &line("I am b")).channel(channel()).expect("a channel")));
    dial(&a, &b).expect("a link");
    let (of_b, of_a) = (wait_raw(&a, up), wait_raw(&b, up));
    assert_eq!(of_b.metadata_of(&Prost), Ok(line("I am b")));
    assert_eq!(of_a.metadata_of(&Prost), Ok(line("")), "none is the empty message");
    let strict = (|_: &u8, _: &mut Vec<u8>| {}, |bytes: &Bytes| -> Result<u8, Malformed> { Ok(bytes[100]) });
    assert!(of_b.metadata_of(&strict).is_err_and(|malformed| malformed.0.contains("panicked")));
}
