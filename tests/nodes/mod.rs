//! Real nodes over loopback for tests: how one is built, started, linked and waited for. It tests nothing itself.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "real nodes are waited for in real time")]

use bowline::{Builder, Event, Identity, LinkId, Node, Notice, PeerId, generate_identity};
use std::time::{Duration, Instant};

/// Nothing here waits longer, unless it is told to.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Settings, by key.
pub type Set<'a> = &'a [(&'a str, &'a str)];

/// It needs nobody to start with.
pub const BOOTSTRAP: Set<'static> = &[("discovery.bootstrap", "true")];
/// It dials when it has no link, and for no other reason of its own.
pub const ONE_LINK: Set<'static> = &[
    ("accept.ip_burst", "1000"),
    ("pool.outbound_target", "0"),
    ("pool.min", "0"),
    ("pool.min_threshold", "1"),
    ("pool.min_target", "1"),
];

pub fn identity() -> Identity {
    generate_identity(0, &mut |_, _| true).expect("libsodium works").expect("not stopped")
}

/// A node of the tests' network on this machine, still without an identity. Later settings have the last word.
pub fn network(sets: &[Set<'_>]) -> Builder {
    let all = [
        ("network.name", "test"),
        ("network.pow_bits", "0"),
        ("network.allow_private", "true"),
        ("listen.addresses", "127.0.0.1:0"),
    ];
    let set = all.iter().chain(sets.iter().copied().flatten());
    set.fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a known key"))
}

/// One that lets everyone of this machine in, and dials nobody by itself.
pub fn builder(more: Set<'_>) -> Builder {
    let alone = [
        ("accept.ip_burst", "1000"),
        ("dial.point_period", "0s"),
        ("pool.outbound_target", "0"),
        // From these derives a threshold of no links, below which it would dial.
        ("pool.min", "0"),
        ("pool.expected", "1"),
    ];
    network(&[BOOTSTRAP, &alone, more]).identity(identity())
}

/// One that keeps one link, to one of the seeds if it knows nobody else, and looks around often.
pub fn seeker(seeds: &str) -> Builder {
    let more = [("discovery.seeds", seeds), ("dial.period", "200ms"), ("dial.point_period", "0s")];
    network(&[BOOTSTRAP, ONE_LINK, &more]).identity(identity())
}

pub fn started(builder: Builder) -> Node {
    let node = builder.build().expect("valid settings");
    node.start().expect("a free port");
    node
}

/// Where it can be dialed.
pub fn address(node: &Node) -> String {
    node.listen_addresses()[0].to_string()
}

/// A link of `from` to `to`, open at both ends, and shown there.
pub fn connect(from: &Node, to: &Node) -> LinkId {
    let link = from.connect(&address(to), PATIENCE).expect("a link");
    until("the other end is open", || to.find_peer(&from.id()).is_some() && shows(to, &from.id()));
    link
}

/// Whether the snapshot of a node's links has one with the peer: it may come a moment after the event.
pub fn shows(node: &Node, peer: &PeerId) -> bool {
    node.peers().iter().any(|shown| shown.id == *peer)
}

pub fn until(what: &str, is_so: impl Fn() -> bool) {
    within(PATIENCE, what, is_so);
}

pub fn within(patience: Duration, what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The notices so far that `wanted` makes something of.
pub fn notices<T>(node: &Node, wanted: impl Fn(Notice) -> Option<T>) -> Vec<T> {
    let mut found = Vec::new();
    while let Ok(event) = node.recv_timeout(Duration::ZERO) {
        if let Event::Notice(notice) = event {
            found.extend(wanted(notice));
        }
    }
    found
}
