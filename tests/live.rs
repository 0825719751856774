//! Settings of a running node, and the addresses that it knows to be healthy, between real nodes over loopback.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{CloseReason, Error, Node, Quota, Subject};
use nodes::{PATIENCE, address, builder, connect, started, until};
use std::time::Duration;

#[test]
fn targets_that_change_while_a_node_runs_are_kept_at_once() {
    // It looks around once a day, or when it is told to.
    let hub = started(builder(&[("maintenance.period", "24h"), ("dial.period", "24h")]));
    let peers: Vec<Node> = (0..6).map(|_| started(builder(&[]))).collect();
    for peer in &peers {
        connect(peer, &hub);
    }
    assert_eq!(hub.peers().len(), 6);
    for (key, value) in [("pool.expected", "3"), ("pool.max_target", "3"), ("pool.max_threshold", "4"), ("pool.max", "5")] {
        hub.set(key, value).expect("it fits");
        assert_eq!(hub.setting(key).as_deref(), Some(value));
    }
    until("what is above the threshold is dropped to the target", || hub.peers().len() == 3);
    hub.set("pool.max", "100").expect("as at the start");
}

#[test]
fn places_for_trusted_peers_change_while_a_node_runs() {
    let narrow = [("pool.max", "2"), ("pool.outbound_max", "1"), ("pool.max_target", "2"), ("pool.max_threshold", "2")];
    let hub = started(builder(&narrow));
    let peers: Vec<Node> = (0..3).map(|_| started(builder(&[]))).collect();
    for peer in &peers {
        hub.trust(Subject::Peer(peer.id()), None).expect("not banned");
    }
    hub.set("pool.trusted_extra", "0").expect("fewer");
    connect(&peers[0], &hub);
    let refused = peers[1].connect(&address(&hub), PATIENCE);
    assert!(matches!(refused, Err(Error::Link(CloseReason::TooManyLinks))), "{refused:?}");
    hub.set("pool.trusted_extra", "1").expect("no more than at the start");
    connect(&peers[2], &hub);
    assert!(matches!(hub.set("pool.trusted_extra", "17"), Err(Error::Fixed { key: "pool.trusted_extra", .. })));
}

#[test]
fn a_change_that_cannot_be_changes_nothing_and_says_why() {
    let node = started(builder(&[("pool.max", "60")]));
    let refused = |key: &str, text: &str| {
        let before = node.setting(key);
        let error = node.set(key, text).expect_err("it cannot be");
        assert_eq!(node.setting(key), before, "{key}");
        error.to_string()
    };
    assert_eq!(refused("network.name", "other"), "network.name is fixed when the node starts (test): start it anew with another");
    assert_eq!(refused("pool.max", "61"), "pool.max is fixed when the node starts (60): start it anew with another");
    assert!(refused("pool.min", "51").contains("pool.min (51) is above pool.expected (1)"));
    assert!(refused("dial.period", "soon").contains("dial.period"));
    assert!(refused("dial.perriod", "1s").contains("dial.period"), "it names the nearest");
    // Lower, and then up again to what there was.
    node.set("pool.max", "55").expect("lower");
    node.set("pool.max", "60").expect("as at the start");
    // What was set by another call is kept.
    node.set_role_quota("archive", Some(Quota::Count(2))).expect("it fits");
    node.set("dial.period", "5s").expect("in range");
    assert_eq!(node.role_quotas().len(), 1);
    assert_eq!(node.setting("pool.roles").as_deref(), Some("archive=2"));
    node.stop(Duration::ZERO).expect("stops");
    assert!(matches!(node.set("dial.period", "1s"), Err(Error::Stopped)));
    let fresh = builder(&[]).build().expect("valid settings");
    assert!(matches!(fresh.set("dial.period", "1s"), Err(Error::State(_))));
    assert_eq!(fresh.setting("dial.period").as_deref(), Some("30s"));
}

#[test]
fn healthy_addresses_are_published_and_with_self_for_a_block() {
    let (node, other) = (started(builder(&[])), started(builder(&[])));
    assert!(node.healthy().is_empty());
    connect(&node, &other);
    let there = address(&other);
    until("a link has proven the address", || node.healthy().iter().any(|one| one.to_string().ends_with(&there)));
    let all = node.peers_with_self();
    assert_eq!(all.len(), 2);
    assert!(all[1].to_string().ends_with(&address(&node)), "{all:?}");
    assert_eq!(all[1].id, Some(node.id()));

    // Who listens everywhere is reached here by the loopback address.
    let wide = started(builder(&[("listen.addresses", "0.0.0.0:0")]));
    let own = wide.peers_with_self();
    let port = wide.listen_addresses()[0].port();
    assert!(own.len() == 1 && own[0].to_string().ends_with(&format!("127.0.0.1:{port}")), "{own:?}");
}
