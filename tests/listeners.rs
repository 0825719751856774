//! Listening at more and at fewer addresses while the node runs: over loopback, and on the memory network.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{Builder, Channel, Error, MemNet, Node};
use nodes::{PATIENCE, seeker, started, until};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What the peer says of where it can be dialed.
fn told(node: &Node, of: &Node) -> Vec<SocketAddr> {
    let link = node.find_peer(&of.id()).and_then(|link| node.link(link)).expect("linked");
    link.hello.listen.iter().filter_map(bowline::Address::socket).collect()
}

#[test]
fn an_address_more_is_dialed_told_of_and_taken_back() {
    let (node, early, late, last) = (started(seeker("")), started(seeker("")), started(seeker("")), started(seeker("")));
    let first = node.listen_addresses()[0];
    early.connect(&first.to_string(), PATIENCE).expect("a link");
    let more = node.listen_add(free()).expect("a free port");
    assert!(more.port() != 0 && node.listen_addresses() == [first, more]);
    late.connect(&more.to_string(), PATIENCE).expect("somebody listens there");
    assert_eq!(told(&early, &node), [first], "what was said stays said");
    assert_eq!(told(&late, &node), [first, more]);
    assert_eq!(node.peers_with_self().iter().filter_map(bowline::Address::socket).filter(|at| *at == more).count(), 1);
    assert!(node.add_address(&more.to_string()).is_err(), "it is this node's own");
    // The configured one goes, the port is free at once, links stay.
    node.listen_remove(first).expect("it listens there");
    assert_eq!(node.listen_addresses(), [more]);
    drop(TcpListener::bind(first).expect("nobody listens there"));
    assert!(matches!(node.listen_remove(first), Err(Error::Unknown(_))));
    assert!(node.find_peer(&early.id()).is_some() && node.find_peer(&late.id()).is_some());
    last.connect(&more.to_string(), PATIENCE).expect("a link");
    assert_eq!(told(&last, &node), [more]);
    node.add_address(&first.to_string()).expect("it is no longer this node's own");
    // And again, at the same address: all of it.
    assert_eq!(node.listen_add(first).ok(), Some(first));
    node.listen_remove(first).and_then(|()| node.listen_remove(more)).expect("it listens there");
    assert!(node.listen_addresses().is_empty());
    assert!(last.connect(&first.to_string(), PATIENCE).is_err(), "nobody listens there");
    until("all links stay", || node.peers().len() == 3);
}

#[test]
fn what_cannot_be_listened_at_is_named() {
    let node = seeker("").build().expect("valid");
    assert!(matches!(node.listen_add(free()), Err(Error::State(_))), "before the start");
    assert!(matches!(node.listen_remove(free()), Err(Error::State(_))));
    node.start().expect("a free port");
    let taken = TcpListener::bind(free()).and_then(|taken| taken.local_addr().map(|at| (taken, at))).expect("a free port");
    let kind = |at: SocketAddr| match node.listen_add(at) {
        Err(Error::Listen { at: said, source }) if said == at => Some(source.kind()),
        _ => None,
    };
    assert_eq!(kind(taken.1), Some(ErrorKind::AddrInUse));
    assert_eq!(kind(SocketAddr::from(([192, 0, 2, 1], 0))), Some(ErrorKind::AddrNotAvailable));
    assert_eq!(node.listen_addresses().len(), 1, "nothing has changed");
    (1..8).for_each(|_| assert!(node.listen_add(free()).is_ok(), "up to 8"));
    assert!(matches!(node.listen_add(free()), Err(Error::TooMany(_))));
    assert_eq!(node.listen_addresses().len(), 8);
    let (to, friend) = (node.listen_addresses()[7], started(seeker("")));
    friend.connect(&to.to_string(), PATIENCE).expect("the last one is listened at, too");
    node.stop(Duration::ZERO).expect("stops");
    assert!(matches!(node.listen_add(free()), Err(Error::Stopped)));
    assert!(matches!(node.listen_remove(to), Err(Error::Stopped)));
    assert_eq!(node.listen_addresses().len(), 8, "where it did");
}

/// With `listen.advertise` peers are told of that, wherever it listens; a Hello that is full leaves no room for one address more.
#[test]
fn what_peers_are_told_has_its_bounds() {
    let advertising = started(seeker("").set("listen.advertise", "203.0.113.9:9732").expect("a known key"));
    let more = advertising.listen_add(free()).expect("a free port");
    let friend = started(seeker(""));
    friend.connect(&more.to_string(), PATIENCE).expect("a link");
    assert_eq!(told(&friend, &advertising), [SocketAddr::from(([203, 0, 113, 9], 9_732))]);
    // A Hello that is filled until nothing but the configured address fits.
    let filled = |capabilities: u32| {
        let builder = (0..62).try_fold(seeker("").metadata(vec![7; 4_096]), |builder, number| {
            builder.channel(Channel::new(0x20 + number, &format!("{number:0>32}")))
        });
        let builder = (0..capabilities).try_fold(builder?, |builder, number| builder.capability(&format!("{number:0>32}"), 1));
        builder?.build().and_then(|node| node.start().map(|()| node))
    };
    let full = (0..32).map(filled).take_while(Result::is_ok).last().and_then(Result::ok).expect("one fits");
    let refused = full.listen_add(free());
    assert!(matches!(refused, Err(Error::TooMany(ref text)) if text.contains("Hello")), "{refused:?}");
    let listening = full.listen_addresses();
    friend.connect(&listening[0].to_string(), PATIENCE).expect("it can still say what it says");
    assert_eq!(told(&friend, &full), listening);
}

#[test]
fn on_the_memory_network_it_is_the_same() {
    let net = MemNet::new(1);
    let node = |number: u64, listen: &str| {
        let set = [
            ("network.name", "memory"),
            ("network.pow_bits", "0"),
            ("network.allow_private", "true"),
            ("discovery.bootstrap", "true"),
            ("listen.addresses", listen),
        ];
        let builder = set.into_iter().fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a key"));
        let node = builder.identity(net.identity(number).expect("libsodium works")).memnet(&net).build().expect("valid");
        node.start().map(|()| node).expect("its address is free")
    };
    let (a, b, c) = (node(1, "10.0.0.1:9732"), node(2, "10.0.0.2:9732"), node(3, ""));
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let more = a.listen_add(any).expect("a free port");
    assert!(more.ip() == SocketAddr::from(([10, 0, 0, 1], 1)).ip() && more.port() != 0, "{more}: a wildcard is its own address");
    assert!(matches!(a.listen_add(more), Err(Error::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse));
    let others = a.listen_add(SocketAddr::from(([10, 0, 0, 2], 1)));
    assert!(matches!(others, Err(Error::Listen { source, .. }) if source.kind() == ErrorKind::AddrNotAvailable));
    b.dial(more, None, 1).expect("it may dial");
    net.advance(Duration::from_secs(1)).expect("from outside");
    assert_eq!(told(&b, &a), a.listen_addresses());
    a.listen_remove(more).expect("it listens there");
    net.advance(Duration::from_secs(1)).expect("from outside");
    assert!(b.find_peer(&a.id()).is_some(), "the link stays");
    c.dial(more, None, 1).expect("it may dial");
    net.advance(Duration::from_secs(1)).expect("from outside");
    assert!(c.find_peer(&a.id()).is_none(), "nobody listens there");
    // Who listened nowhere can be met from now on.
    let at = c.listen_add(any).expect("a free port");
    a.dial(at, None, 1).expect("it may dial");
    net.advance(Duration::from_secs(1)).expect("from outside");
    assert!(a.find_peer(&c.id()).is_some());
}
