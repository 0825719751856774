//! Whole nodes on real loopback sockets, through the public face only. Each test is one promise to the user.

#![allow(clippy::disallowed_methods, reason = "tests of whole nodes run in real time")]

mod nodes;
#[path = "rogue/wire.rs"]
mod wire;

use bowline::pool::dialing::DialError;
use bowline::{
    Builder, Channel, ChannelId, CloseReason, Direction, Error, Event, LinkId, Node, NodeState, Notice, RecvError, SendError,
    generate_identity,
};
use bytes::Bytes;
use nodes::{BOOTSTRAP, address, identity, network, started, until};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use wire::{PATIENCE, Wire, listen_addresses};

const CHAT: ChannelId = ChannelId(0x10);
const BULK: ChannelId = ChannelId(0x11);

fn builder() -> Builder {
    let crowd = [("accept.ip_burst", "1000"), ("accept.rate", "10000")];
    let builder = network(&[BOOTSTRAP, &crowd]).identity(identity());
    let bulk = Channel { receive_queue_bytes: 64 * 1_024, send_queue_bytes: 64 * 1_024, ..Channel::new(BULK.0, "bulk") };
    builder.channel(Channel::new(CHAT.0, "chat")).expect("a channel").channel(bulk).expect("a channel")
}

/// Two nodes with a link, and the link's ids at both ends.
fn pair() -> (Node, Node, LinkId, LinkId) {
    let (a, b) = (started(builder()), started(builder()));
    let from_b = b.connect(&address(&a), PATIENCE).expect("a link");
    let from_a = up(&a);
    assert_eq!(up(&b), from_b);
    (a, b, from_a, from_b)
}

fn up(node: &Node) -> LinkId {
    wait(node, |event| if let Event::Up(up) = event { Some(up.link) } else { None })
}

fn down(node: &Node) -> (CloseReason, u64) {
    wait(node, |event| if let Event::Down(down) = event { Some((down.reason, down.unsent_messages)) } else { None })
}

fn message(node: &Node) -> Vec<u8> {
    wait(node, |event| if let Event::Message(message) = event { Some(message.body.to_vec()) } else { None })
}

/// The first event that `wanted` makes something of.
fn wait<T>(node: &Node, wanted: impl Fn(Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let event = node.recv_timeout(end.saturating_duration_since(Instant::now())).expect("the event comes in time");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

#[test]
fn messages_arrive_whole_and_in_order() {
    let (a, b, _, from_b) = pair();
    let sizes = [0, 1, 64, 1_000, 32 * 1_024, 65_536, 1 << 20];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (number, size) in sizes.iter().cycle().take(50).enumerate() {
                b.send_timeout(from_b, CHAT, &vec![number as u8; *size], PATIENCE).expect("room in time");
            }
        });
        for (number, size) in sizes.iter().cycle().take(50).enumerate() {
            let body = message(&a);
            assert_eq!(body.len(), *size);
            assert!(body.iter().all(|byte| *byte == number as u8));
        }
    });
}

#[test]
fn a_broadcast_reaches_everybody_but_the_excepted() {
    let hub = started(builder());
    let spokes: Vec<Node> = (0..3).map(|_| started(builder())).collect();
    let links: Vec<LinkId> = spokes.iter().map(|spoke| hub.connect(&address(spoke), PATIENCE).expect("a link")).collect();
    let sent = hub.broadcast(CHAT, &Bytes::from_static(b"news"), Some(links[0])).expect("declared");
    assert_eq!((sent.queued, sent.full, sent.refused), (2, 0, 0));
    assert_eq!((message(&spokes[1]), message(&spokes[2])), (b"news".to_vec(), b"news".to_vec()));
    hub.send(links[0], CHAT, b"own").expect("open");
    assert_eq!(message(&spokes[0]), b"own");
}

#[test]
fn what_cannot_be_sent_says_why() {
    let (a, b, _, from_b) = pair();
    assert_eq!(b.try_send(LinkId::from_u64(999), CHAT, b"x"), Err(SendError::UnknownLink(LinkId::from_u64(999))));
    assert_eq!(b.try_send(from_b, ChannelId(0x77), b"x"), Err(SendError::NoChannel(ChannelId(0x77))));
    assert_eq!(b.try_send(from_b, ChannelId::PEX, b"x"), Err(SendError::NoChannel(ChannelId::PEX)));
    let big = vec![0; (1 << 20) + 1];
    assert_eq!(b.try_send(from_b, CHAT, &big), Err(SendError::TooBig { len: big.len(), max: 1 << 20 }));
    b.send(from_b, CHAT, b"still fine").expect("open");
    assert_eq!(message(&a), b"still fine");
}

#[test]
fn a_slow_consumer_stops_its_channel_and_nothing_else() {
    let (a, b, _, from_b) = pair();
    let part = vec![7; 16 * 1_024];
    let mut sent = 0;
    // Nobody reads at `a`: credit, then the queue run out.
    while b.send_timeout(from_b, BULK, &part, Duration::from_millis(300)).is_ok() {
        sent += 1;
        assert!(sent < 1_000, "the queue is bounded");
    }
    assert_eq!(b.try_send(from_b, BULK, &part), Err(SendError::Full));
    b.send(from_b, CHAT, b"urgent").expect("another channel has room");
    let mut bulk = 0;
    loop {
        match a.recv_timeout(PATIENCE).expect("the other channel goes on") {
            Event::Message(message) if message.channel == CHAT => break,
            Event::Message(message) => bulk += u32::from(message.body == part),
            _ => {}
        }
    }
    assert!(bulk < sent, "the channel never stopped: {bulk} of {sent} are there before anything was read");
    // Now that it is read, everything that was accepted comes, once, and then what came after it.
    std::thread::scope(|scope| {
        scope.spawn(|| b.send_timeout(from_b, BULK, b"last", PATIENCE).expect("room comes back"));
        loop {
            let Event::Message(message) = a.recv_timeout(PATIENCE).expect("the rest comes in time") else { continue };
            if &message.body[..] == b"last" {
                break;
            }
            assert_eq!(message.body, part);
            bulk += 1;
        }
    });
    assert_eq!(bulk, sent);
}

#[test]
fn another_network_is_refused_with_its_own_reason() {
    let a = started(builder());
    let b = started(builder().set("network.name", "other").expect("a name"));
    let error = b.connect(&address(&a), PATIENCE).expect_err("another network");
    assert!(matches!(error, Error::Link(CloseReason::WrongNetwork)), "{error}");
    assert!(a.peers().is_empty());
}

#[test]
fn another_identity_than_expected_is_refused() {
    let (a, b) = (started(builder()), started(builder()));
    let wrong = format!("{}@{}", "11".repeat(32), address(&a));
    let error = b.connect(&wrong, PATIENCE).expect_err("another identity");
    assert!(matches!(error, Error::Link(CloseReason::WrongIdentity)), "{error}");
    let right = format!("bowline://{}@{}", a.id(), address(&a));
    b.connect(&right, PATIENCE).expect("the right identity");
}

#[test]
fn a_node_does_not_connect_to_itself() {
    let a = started(builder());
    let error = a.connect(&address(&a), PATIENCE).expect_err("itself");
    assert!(matches!(error, Error::Dial(DialError::OwnAddress(own)) if own == a.listen_addresses()[0]), "{error}");
    // Where it does not know that the address is its own, it meets its own key.
    let a = started(builder().set("listen.addresses", "0.0.0.0:0").expect("an address"));
    let error = a.connect(&format!("127.0.0.1:{}", a.listen_addresses()[0].port()), PATIENCE).expect_err("itself");
    assert!(matches!(error, Error::Link(CloseReason::OwnKey)), "{error}");
    assert!(a.peers().is_empty());
}

#[test]
fn a_closed_port_and_a_bad_address_say_so() {
    let a = started(builder());
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let error = a.connect(&free.to_string(), PATIENCE).expect_err("nobody listens");
    assert!(matches!(error, Error::Link(CloseReason::ConnectionRefused)), "{error}");
    assert!(matches!(a.connect("no port", PATIENCE), Err(Error::Address(_))));
    a.dial(free, None, 42).expect("begun");
    wait(&a, |event| match event {
        Event::Notice(Notice::DialFailed { tag: 42, reason: CloseReason::ConnectionRefused, .. }) => Some(()),
        _ => None,
    });
}

#[test]
fn a_stamp_below_the_difficulty_is_refused() {
    let strict = || builder().set("network.pow_bits", "40").expect("in range");
    assert!(matches!(strict().build(), Err(Error::WeakIdentity { wants: 40, .. })));
    // A network that asks for 8 bits, and a peer with fewer.
    let identity = |bits| generate_identity(bits, &mut |_, _| true).expect("libsodium works").expect("not stopped");
    let a = started(builder().identity(identity(8)).set("network.pow_bits", "8").expect("in range"));
    let weak = std::iter::repeat_with(|| identity(0)).find(|identity| identity.pow_bits() < 8).expect("one of 256 reaches more");
    let bad_stamp = |result: Result<LinkId, Error>| matches!(result, Err(Error::Link(CloseReason::BadStamp)));
    // Shown before the handshake, it is told so; we see it ourselves in who answers our dial.
    let b = started(builder().identity(weak.clone()).set("network.require_claim", "true").expect("a switch"));
    assert!(bad_stamp(b.connect(&address(&a), PATIENCE)));
    let b = started(builder().identity(weak));
    assert!(bad_stamp(a.connect(&address(&b), PATIENCE)));
    // Shown at the end of the handshake, it is closed without a word.
    let error = b.connect(&address(&a), PATIENCE).expect_err("a weak stamp");
    assert!(matches!(error, Error::Link(CloseReason::Truncated | CloseReason::Reset)), "{error}");
    assert_eq!((a.stats().arrivals_refused, a.stats().dials_failed), (2, 1));
    assert!(a.peers().is_empty() && b.peers().is_empty());
}

#[test]
fn garbage_before_the_handshake_is_closed_silently_and_harms_nobody() {
    let a = started(builder().set("listen.addresses", &listen_addresses()).expect("addresses"));
    // It neither dials the other address of `a` nor can it be dialed: whoever comes is a stranger.
    let b = started(builder().set("listen.addresses", "").and_then(|b| b.set("pool.outbound_max", "1")).expect("in range"));
    let from_b = b.connect(&address(&a), PATIENCE).expect("a link");
    let from_a = up(&a);
    // From a loopback address nobody is greylisted; from another one the notice names the reason.
    for (number, to) in a.listen_addresses().into_iter().enumerate() {
        let mut stranger = Wire::dial(to);
        stranger.say(&b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".repeat(8));
        assert_eq!(stranger.until_closed(), b"", "not one byte is answered");
        until("it is counted", || a.stats().arrivals_refused == number as u64 + 1);
        if !to.ip().is_loopback() {
            let told = wait(&a, |event| match event {
                Event::Notice(Notice::Greylisted { peer, remote, reason }) => {
                    Some((peer, remote.expect("it connected").ip(), reason))
                }
                _ => None,
            });
            assert_eq!(told, (None, to.ip(), CloseReason::Garbage));
        }
    }
    assert_eq!((a.find_peer(&b.id()), b.find_peer(&a.id())), (Some(from_a), Some(from_b)), "the links are the same");
    b.send(from_b, CHAT, b"unharmed").expect("open");
    assert_eq!(message(&a), b"unharmed");
}

#[test]
fn a_silent_stranger_is_closed_at_the_deadline() {
    let a = started(builder().set("handshake.first_timeout", "200ms").expect("in range"));
    let begin = Instant::now();
    let mut stranger = Wire::dial(a.listen_addresses()[0]);
    stranger.say(b"BOWLINE1");
    assert_eq!(stranger.until_closed(), b"");
    let took = begin.elapsed();
    // The deadline that was set, and not the default one of three seconds.
    assert!(took >= Duration::from_millis(200) && took < Duration::from_millis(2_900), "{took:?}");
    assert_eq!((a.stats().arrivals, a.stats().arrivals_refused), (1, 1));
}

#[test]
fn dials_from_both_sides_end_in_one_link() {
    for _ in 0..10 {
        let (a, b) = (started(builder()), started(builder()));
        let (to_a, to_b): (SocketAddr, SocketAddr) = (a.listen_addresses()[0], b.listen_addresses()[0]);
        std::thread::scope(|scope| {
            scope.spawn(|| a.dial(to_b, Some(b.id()), 1));
            scope.spawn(|| b.dial(to_a, Some(a.id()), 2));
        });
        let end = Instant::now() + PATIENCE;
        let settled = || a.peers().len() == 1 && b.peers().len() == 1 && a.peers()[0].direction != b.peers()[0].direction;
        while !settled() && Instant::now() < end {
            std::thread::yield_now();
        }
        assert!(settled());
        let (link_a, link_b) = (a.find_peer(&b.id()).expect("linked"), b.find_peer(&a.id()).expect("linked"));
        a.send(link_a, CHAT, b"ping").expect("open");
        assert_eq!(message(&b), b"ping");
        b.send(link_b, CHAT, b"pong").expect("open");
        assert_eq!(message(&a), b"pong");
    }
}

#[test]
fn a_connect_joins_the_dial_that_is_under_way() {
    let a = started(builder());
    for _ in 0..10 {
        // Its maintenance dials the seed at the same time.
        let b = started(
            builder().set("discovery.bootstrap", "false").and_then(|b| b.set("discovery.seeds", &address(&a))).expect("set"),
        );
        let links: Vec<LinkId> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..3).map(|_| scope.spawn(|| b.connect(&address(&a), PATIENCE).expect("a link"))).collect();
            calls.into_iter().map(|call| call.join().expect("no panic")).collect()
        });
        assert!(links.iter().all(|link| Some(*link) == b.find_peer(&a.id())), "{links:?}");
        assert_eq!(b.connect(&address(&a), PATIENCE).expect("it is open already"), links[0]);
    }
}

/// What is told of a link until it is down; that no dial fails meanwhile.
fn await_down(node: &Node, link: LinkId) {
    wait(node, |event| match event {
        Event::Down(down) if down.link == link => Some(()),
        Event::Notice(Notice::DialFailed { tag, reason, .. }) => panic!("dial {tag} failed: {reason}"),
        _ => None,
    });
}

/// A node that nobody can dial, so that only it dials others.
fn started_deaf() -> Node {
    started(builder().set("listen.addresses", "").expect("no address is fine"))
}

#[test]
fn who_connects_on_a_down_gets_a_new_link() {
    let (a, b) = (started(builder()), started_deaf());
    for plain in [address(&a), format!("{}@{}", a.id(), address(&a))] {
        for round in 0..300 {
            let link = b.connect(&plain, PATIENCE).unwrap_or_else(|error| panic!("round {round}: {error}"));
            b.disconnect(link, CloseReason::Requested).expect("open");
            await_down(&b, link);
        }
    }
}

#[test]
fn who_dials_on_a_down_gets_its_own_up() {
    let (a, b) = (started(builder()), started_deaf());
    let to = a.listen_addresses()[0];
    for round in 0..300 {
        b.dial(to, None, round).unwrap_or_else(|error| panic!("round {round}: {error}"));
        let link = wait(&b, |event| match event {
            Event::Up(up) => Some((up.link, up.tag)),
            Event::Notice(Notice::DialFailed { tag, reason, .. }) => panic!("dial {tag} failed: {reason}"),
            _ => None,
        });
        assert_eq!(link.1, Some(round));
        b.disconnect(link.0, CloseReason::Requested).expect("open");
        await_down(&b, link.0);
    }
}

#[test]
fn who_connects_by_address_alone_gets_the_link_that_the_peer_dialed() {
    let (a, b, at_a, at_b) = pair();
    // `a` does not know who is there before it has asked; the two keep one link.
    assert_eq!(a.connect(&address(&b), PATIENCE).expect("a link"), at_a);
    assert_eq!(b.connect(&address(&a), PATIENCE).expect("a link"), at_b);
    until("one link is shown at both ends", || (a.peers().len(), b.peers().len()) == (1, 1));
}

#[test]
fn connects_from_both_sides_both_get_the_one_link() {
    let (a, b) = (started(builder()), started(builder()));
    let (to_a, to_b) = (format!("{}@{}", a.id(), address(&a)), format!("{}@{}", b.id(), address(&b)));
    for round in 0..50 {
        let (from_a, from_b) = std::thread::scope(|scope| {
            let from_a = scope.spawn(|| a.connect(&to_b, PATIENCE));
            let from_b = b.connect(&to_a, PATIENCE);
            (from_a.join().expect("no panic"), from_b)
        });
        let (from_a, from_b) = match (from_a, from_b) {
            (Ok(from_a), Ok(from_b)) => (from_a, from_b),
            other => panic!("round {round}: {other:?}"),
        };
        b.disconnect(from_b, CloseReason::Requested).expect("open");
        await_down(&b, from_b);
        await_down(&a, from_a);
    }
}

#[test]
fn a_connect_without_a_limit_of_its_own_ends_with_the_dials() {
    // Accepts and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let a = started(builder().set("dial.timeout", "200ms").expect("in range"));
    let begin = Instant::now();
    let error = a.connect(&mute.local_addr().expect("an address").to_string(), Duration::MAX).expect_err("nobody answers");
    assert!(matches!(error, Error::Link(CloseReason::ConnectTimeout)), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}: the default is ten seconds", begin.elapsed());
}

#[test]
fn a_goodbye_carries_its_reason_and_the_count_of_the_unsent() {
    let (a, b, from_a, from_b) = pair();
    let part = vec![7; 16 * 1_024];
    while b.send_timeout(from_b, BULK, &part, Duration::from_millis(200)).is_ok() {}
    b.disconnect(from_b, CloseReason::Requested).expect("open");
    let (reason, unsent) = down(&b);
    assert_eq!(reason, CloseReason::Requested);
    assert!(unsent > 0);
    let told = wait(&a, |event| if let Event::Down(down) = event { Some((down.link, down.reason, down.told)) } else { None });
    assert_eq!(told, (from_a, CloseReason::Goodbye, Some(CloseReason::Requested)));
    assert!(matches!(b.disconnect(from_b, CloseReason::Requested), Err(Error::NoLink(_))));
}

#[test]
fn stop_releases_everybody_who_waits_and_is_final() {
    let (a, b, _, from_b) = pair();
    let part = vec![7; 16 * 1_024];
    while b.send_timeout(from_b, BULK, &part, Duration::from_millis(200)).is_ok() {}
    // Accepts and says nothing: a connect to it waits.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = mute.local_addr().expect("an address").to_string();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| b.send(from_b, BULK, &part));
        let connecter = scope.spawn(|| b.connect(&to, PATIENCE));
        let receiver = scope.spawn(|| {
            loop {
                if let Err(error) = b.recv() {
                    return error;
                }
            }
        });
        // All three wait when the mute listener has its connection, and as long as it keeps it.
        let _held = mute.accept().expect("the dial comes");
        let begin = Instant::now();
        let _ = b.stop(Duration::from_millis(100));
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!(sender.join().expect("no panic"), Err(SendError::Stopped));
        assert!(matches!(connecter.join().expect("no panic"), Err(Error::Stopped | Error::Link(CloseReason::Stopped))));
        assert_eq!(receiver.join().expect("no panic"), RecvError::Stopped);
    });
    assert_eq!(b.state(), NodeState::Stopped);
    b.stop(Duration::ZERO).expect("harmless");
    assert!(matches!(b.start(), Err(Error::State(_))));
    assert_eq!(b.try_send(from_b, CHAT, b"x"), Err(SendError::Stopped));
    let (reason, _) = down(&a);
    assert_eq!(reason, CloseReason::Goodbye);
}

#[test]
fn a_stop_that_races_a_start_leaves_nothing_running() {
    // An address of its own: on one that others use, the next to listen at the port may be somebody else.
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = format!("127.{}.{low}.1:0", high | 0x80);
    for _ in 0..50 {
        let node = builder().set("listen.addresses", &own).and_then(Builder::build).expect("valid");
        std::thread::scope(|scope| {
            let start = scope.spawn(|| node.start());
            std::thread::yield_now();
            node.stop(Duration::ZERO).expect("nothing to drain");
            let started = start.join().expect("no panic");
            assert!(matches!(started, Ok(()) | Err(Error::State(_))), "{started:?}");
        });
        assert_eq!(node.state(), NodeState::Stopped);
        assert!(node.listen_addresses().iter().all(|at| TcpStream::connect(at).is_err()), "nobody listens");
    }
}

#[test]
fn what_is_queued_leaves_before_a_stop() {
    let (a, b, _, from_b) = pair();
    for _ in 0..1_000 {
        b.send(from_b, CHAT, &[1; 500]).expect("room");
    }
    b.stop(Duration::from_secs(3)).expect("the drain is long enough");
    for _ in 0..1_000 {
        assert_eq!(message(&a).len(), 500);
    }
}

#[test]
fn an_occupied_port_is_named_and_the_node_can_try_again() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address");
    let node = builder().set("listen.addresses", &at.to_string()).expect("an address").build().expect("valid");
    let error = node.start().expect_err("occupied");
    assert!(error.to_string().contains(&at.to_string()), "{error}");
    drop(taken);
    node.start().expect("free now");
}

#[test]
fn wrong_settings_are_all_named() {
    let error = Builder::new().set("pool.maximum", "1").err().expect("unknown");
    assert!(error.to_string().contains("did you mean pool.max"), "{error}");
    let error = Builder::new().set("pool.max", "0").err().expect("out of range");
    assert!(error.to_string().contains("1 to 16384"), "{error}");
    let error = builder().set("discovery.bootstrap", "false").expect("a switch").build().err().expect("no way in");
    assert!(error.to_string().contains("discovery.seeds"), "{error}");
    let error = builder().channel(Channel::new(CHAT.0, "again")).err().expect("twice");
    assert!(error.to_string().contains("twice"), "{error}");
    assert!(builder().channel(Channel::new(0, "pex")).is_err());
    assert!(matches!(
        Builder::new().set("network.name", "x").and_then(|b| b.set("discovery.bootstrap", "true")).and_then(Builder::build),
        Err(Error::NoIdentity)
    ));
}

#[test]
fn the_descriptor_is_readable_exactly_while_something_waits() {
    use std::os::fd::BorrowedFd;
    let (a, b, _, from_b) = pair();
    while a.try_recv().is_ok() {}
    let queue = a.main_queue();
    let fd = queue.fd().expect("a descriptor");
    assert_eq!(queue.fd().expect("the same"), fd);
    let is_readable = |wait_ms: i32| {
        // The descriptor stays open as long as `queue` lives.
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let _ = unsafe { BorrowedFd::borrow_raw(fd) };
        unsafe { libc::poll(&raw mut poll, 1, wait_ms) > 0 }
    };
    assert!(!is_readable(0));
    b.send(from_b, CHAT, b"one").expect("open");
    assert!(is_readable(10_000) && is_readable(0), "level, not edge");
    assert_eq!(message(&a), b"one");
    assert!(!is_readable(0));
    assert!(queue.wakeup(7));
    assert!(is_readable(0));
    assert!(matches!(queue.recv(), Ok(Event::Wakeup(7))));
    a.stop(Duration::ZERO).ok();
    assert!(is_readable(0), "a stopped queue is readable for ever");
    while queue.recv().is_ok() {}
    assert!(is_readable(0));
}

#[test]
fn a_bound_channel_goes_to_its_own_queue_with_up_and_down() {
    let (a, b) = (builder().build().expect("valid"), started(builder()));
    let bulk = a.queue().expect("before the start");
    a.bind(BULK, &bulk).expect("declared");
    a.start().expect("a free port");
    let from_b = b.connect(&address(&a), PATIENCE).expect("a link");
    b.send(from_b, BULK, b"bulk").expect("open");
    b.send(from_b, CHAT, b"chat").expect("open");
    assert_eq!(message(&a), b"chat");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match bulk.recv_timeout(PATIENCE).expect("events") {
            Event::Up(up) => seen.push(format!("up {:?}", up.direction)),
            Event::Message(message) => seen.push(format!("{:?}", message.body)),
            _ => {}
        }
    }
    assert_eq!(seen, [format!("up {:?}", Direction::Inbound), "b\"bulk\"".to_owned()]);
    assert!(matches!(a.queue(), Err(Error::State(_))));
}

#[test]
fn what_a_node_announces_and_counts_is_shown() {
    let a = started(builder().application_version(5).application_version(3));
    let b = started(builder().application_version(3));
    assert_eq!((a.application_versions(), b.application_versions()), (&[5, 3][..], &[3][..]));
    let names: Vec<_> = a.channels().iter().map(|channel| (channel.id, channel.name.as_str())).collect();
    assert_eq!(names, [(CHAT, "chat"), (BULK, "bulk")]);
    let link = b.connect(&address(&a), PATIENCE).expect("a link");
    let tag = || b.link_stats(link).expect("it is open").tag;
    assert_eq!(tag(), 0);
    b.set_tag(link, 7).expect("it is open");
    assert_eq!(tag(), 7);
    assert!(matches!(b.set_tag(LinkId::from_u64(999), 7), Err(Error::NoLink(_))));
    for text in [&b"one"[..], b"three"] {
        b.send(link, CHAT, text).expect("room");
        message(&a);
    }
    let totals = a.channel_totals(CHAT).expect("it is declared");
    assert_eq!((totals.messages_in, totals.messages_out), (2, 0));
    assert_eq!(b.channel_totals(CHAT).map(|totals| (totals.messages_in, totals.messages_out)), Some((0, 2)));
    assert_eq!(a.channel_totals(BULK).map(|totals| totals.messages_in), Some(0));
    assert!(a.channel_totals(ChannelId(0x33)).is_none());
    b.disconnect(link, CloseReason::Requested).expect("it is open");
    until("the end is counted", || !a.ends().is_empty());
    let text = a.metrics_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"# EOF"));
    assert!(lines.contains(&"bowline_channel_messages_in_total{channel=\"0x10\",name=\"chat\"} 2"), "{text}");
    assert!(lines.contains(&"bowline_channel_messages_in_total{channel=\"0x11\",name=\"bulk\"} 0"), "{text}");
    assert!(lines.contains(&"bowline_bans 0"), "{text}");
    assert!(lines.iter().any(|line| line.starts_with("bowline_ends_total{reason=") && line.ends_with("} 1")), "{text}");
    let series: Vec<_> =
        lines.iter().filter_map(|line| line.rsplit_once(' ')).filter(|(name, _)| !name.starts_with('#')).collect();
    let names: std::collections::BTreeSet<_> = series.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), series.len(), "no series is there twice");
    assert!(series.iter().all(|(_, value)| value.parse::<u64>().is_ok()), "{text}");
}
