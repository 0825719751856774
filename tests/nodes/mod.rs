//! Real nodes over loopback for tests: how one is built, started, linked and waited for. It tests nothing itself.

use bowline::{Builder, LinkId, Node, generate_identity};
use std::time::{Duration, Instant};

/// Nothing here waits longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node of the tests' network that lets everyone of this machine in, and dials nobody by itself. `more` has the last word.
pub fn builder(more: &[(&str, &str)]) -> Builder {
    let set = [
        ("network.name", "test"),
        ("network.pow_bits", "0"),
        ("network.allow_private", "true"),
        ("listen.addresses", "127.0.0.1:0"),
        ("discovery.bootstrap", "true"),
        ("accept.ip_burst", "1000"),
        ("dial.point_period", "0s"),
        ("pool.outbound_target", "0"),
        ("pool.min", "0"),
        ("pool.min_threshold", "0"),
        ("pool.min_target", "0"),
    ];
    let identity = generate_identity(0, &mut |_, _| true).expect("libsodium works").expect("not stopped");
    let builder = Builder::new().identity(identity);
    set.iter().chain(more).fold(builder, |builder, (key, value)| builder.set(key, value).expect("a known key"))
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

/// A link of `from` to `to`, open at both ends.
pub fn connect(from: &Node, to: &Node) -> LinkId {
    let link = from.connect(&address(to), PATIENCE).expect("a link");
    until("the other end is open", || to.find_peer(&from.id()).is_some());
    link
}

pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
