//! Nodes on loopback for the tests of this room, which look inside. Tests of what users see are in `tests/node.rs`.

use super::builder::Builder;
use super::identity_file::generate;
use super::node::Node;
use crate::base::channel::Channel;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn built() -> Node {
    built_with(&[])
}

/// A node with these settings besides.
pub fn built_with(more: &[(&str, &str)]) -> Node {
    let identity = generate(0, &mut |_, _| true).expect("libsodium works").expect("not stopped");
    let set = [
        ("network.name", "test"),
        ("network.pow_bits", "0"),
        ("network.allow_private", "true"),
        ("listen.addresses", "127.0.0.1:0"),
        ("discovery.bootstrap", "true"),
    ];
    let set = set.iter().chain(more);
    let builder = set.fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a known key"));
    builder.identity(identity).channel(Channel::new(0x10, "chat")).expect("a channel").build().expect("valid")
}

pub fn started() -> Node {
    let node = built();
    node.start().expect("a free port");
    node
}
