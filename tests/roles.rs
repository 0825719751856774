//! Capabilities and role quotas between real nodes over loopback: what is announced, passed on, dialed for, and refused.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{Capability, CloseReason, Error, Event, Node, Notice, Quota, QuotaError};
use nodes::{PATIENCE, seeker, started, until};
use std::time::{Duration, Instant};

/// Wanted and linked, of the first quota.
fn archives_of(node: &Node) -> (usize, usize) {
    node.role_quotas().first().map(|tally| (tally.wanted, tally.linked)).expect("it has a quota")
}

#[test]
fn a_node_finds_the_archives_that_it_is_to_have_by_what_others_say() {
    let hub = started(seeker(""));
    let seeds = hub.listen_addresses()[0].to_string();
    let archive = |_| started(seeker(&seeds).capability("archive", 7).expect("a name"));
    let _archives: Vec<Node> = (0..3).map(archive).collect();
    let plain: Vec<Node> = (0..3).map(|_| started(seeker(&seeds))).collect();
    until("all are linked to the hub", || hub.peers().len() == 6);

    let seeker = seeker(&seeds).role_quota("archive", Quota::Count(2)).expect("a quota").build().expect("valid settings");
    assert_eq!(archives_of(&seeker), (2, 0), "before the start");
    seeker.start().expect("a free port");
    let announced = [Capability { name: "archive".to_owned(), value: 7 }];
    let archives_shown = || seeker.peers().iter().filter(|peer| peer.capabilities() == announced).count();
    until("it has two archives", || archives_of(&seeker) == (2, 2) && archives_shown() == 2);
    assert_eq!(seeker.peers().len(), 3, "and nobody else but the hub");
    assert!(plain.iter().all(|node| seeker.find_peer(&node.id()).is_none()));

    // Changed at run time: more of them, and nonsense changes nothing.
    seeker.set_role_quota("archive", Some(Quota::Percent(75))).expect("it fits");
    until("three of four links", || archives_of(&seeker) == (3, 3));
    for (capability, quota) in [("archive", Quota::Count(101)), ("", Quota::Count(1)), ("light", Quota::Percent(0))] {
        assert!(matches!(seeker.set_role_quota(capability, Some(quota)), Err(Error::Quota(_))), "{capability} {quota:?}");
    }
    assert_eq!(seeker.role_quotas().len(), 1);

    // What cannot be met is said. Of another capability: of one it is said once in ten minutes, and on a slow machine the start was enough.
    seeker.set_role_quota("archive", None).expect("running");
    seeker.set_role_quota("relay", Some(Quota::Count(3))).expect("it fits");
    let end = Instant::now() + PATIENCE;
    let told = loop {
        assert!(Instant::now() < end, "it is told");
        if let Ok(Event::Notice(Notice::RoleShort { capability, wanted, linked })) =
            seeker.recv_timeout(Duration::from_millis(100))
            && capability == "relay"
        {
            break (wanted, linked);
        }
    };
    assert_eq!(told, (3, 0));
    seeker.set_role_quota("relay", None).expect("running");
    assert!(seeker.role_quotas().is_empty());
}

#[test]
fn capabilities_and_quotas_that_cannot_be_are_refused_when_they_are_given() {
    let refused = |name: &str| seeker("").capability(name, 1).err().expect("it is no name").to_string();
    for (name, says) in [("", "the capability '' is no name"), ("a\nb", "'a\\nb' is no name"), ("ü", "is no name of 1 to 32")] {
        assert!(refused(name).contains(says), "{}", refused(name));
    }
    assert!(refused(&"x".repeat(33)).contains("is no name of 1 to 32 printable ASCII characters"));
    let all = (0..32).fold(seeker(""), |builder, number| builder.capability(&number.to_string(), number).expect("it fits"));
    let wrong = |name| all.clone().capability(name, 1).err().expect("one too many").to_string();
    assert_eq!(wrong("32"), "the capability '32' is one too many: a node has at most 32");
    assert_eq!(wrong("31"), "the capability '31' is announced twice");
    assert_eq!(started(all).peers().len(), 0, "32 are fine");

    for (capability, quota) in
        [("", Quota::Count(1)), ("a,b", Quota::Count(1)), ("a", Quota::Count(0)), ("a", Quota::Percent(101))]
    {
        assert!(matches!(seeker("").role_quota(capability, quota), Err(Error::Quota(_))), "{capability} {quota:?}");
    }
    let many = (0..16).fold(seeker(""), |builder, n| builder.role_quota(&n.to_string(), Quota::Count(1)).expect("it fits"));
    assert!(matches!(many.clone().role_quota("x", Quota::Count(1)), Err(Error::Quota(QuotaError::TooMany(17)))));
    let replaced = many.role_quota("3", Quota::Count(85)).expect("it replaces the first").build();
    assert!(replaced.is_ok(), "15 and 85");
    let error = seeker("").role_quota("a", Quota::Count(101)).expect("alone it is fine").build().err().expect("too much");
    assert!(error.to_string().contains("the quotas ask for 101 links together, and there are never more than 100"), "{error}");
    let node = seeker("").build().expect("valid settings");
    assert!(matches!(node.set_role_quota("archive", Some(Quota::Count(1))), Err(Error::State(_))), "not started");
    assert!(node.role_quotas().is_empty());
}

#[test]
fn an_arrival_with_a_wanted_role_gets_the_place_of_one_without() {
    let set = [("pool.max", "4"), ("pool.expected", "2"), ("pool.outbound_max", "1"), ("pool.roles", "archive=1")];
    let narrow = set.iter().fold(seeker(""), |builder, (key, value)| builder.set(key, value).expect("a known key"));
    let node = started(narrow.set("pool.max_target", "4").and_then(|b| b.set("pool.max_threshold", "4")).expect("known keys"));
    let to = node.listen_addresses()[0].to_string();
    let plain: Vec<Node> = (0..4).map(|_| started(seeker(""))).collect();
    for other in &plain[..3] {
        other.connect(&to, PATIENCE).expect("there is room");
    }
    let refused = plain[3].connect(&to, PATIENCE);
    assert!(matches!(refused, Err(Error::Link(CloseReason::TooManyLinks))), "{refused:?}");
    let archive = started(seeker("").capability("archive", 1).expect("a name"));
    archive.connect(&to, PATIENCE).expect("its role is wanted");
    until("it has the place of one of the others", || archives_of(&node) == (1, 1) && node.peers().len() == 3);
}
