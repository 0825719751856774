//! The operator's calls between real nodes over loopback: rounds that are waited for, pauses, seeds, persistent peers.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{AddressError, CloseReason, Error, Event, Notice, PeerId, Round, Scheme};
use nodes::{PATIENCE, address, seeker, started, until};
use std::time::{Duration, Instant};

#[test]
fn a_round_that_is_asked_for_is_waited_for() {
    let seed = started(seeker(""));
    let node = seeker(&address(&seed)).build().expect("valid settings");
    assert!(matches!(node.maintain_and_wait(PATIENCE), Err(Error::State(_))), "before the start");
    node.start().expect("a free port");
    // The first round may end while the seed is being dialed by it; the one that was asked for ends after that dial.
    assert_eq!(node.maintain_and_wait(PATIENCE).expect("it ends"), Round { links: 1, is_stuck: false });
    until("the link is shown", || node.peers().len() == 1);
    seed.stop(Duration::from_secs(1)).expect("stops");
    until("the link is gone", || node.peers().is_empty());
    until("nobody is left to dial", || node.maintain_and_wait(PATIENCE).expect("it ends") == Round { links: 0, is_stuck: true });
    let twin = node.clone();
    let waiting = std::thread::spawn(move || (0..1_000).find_map(|_| twin.maintain_and_wait(PATIENCE).err()));
    node.stop(Duration::from_secs(1)).expect("stops");
    assert!(matches!(waiting.join().expect("no panic"), Some(Error::Stopped)), "a stop releases who waits");
}

#[test]
fn a_round_that_takes_too_long_is_told_of_when_it_ends() {
    // Nobody answers there: the dial lasts until its deadline.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let seed = deaf.local_addr().expect("bound").to_string();
    let node = started(seeker(&seed).set("dial.timeout", "1s").expect("a known key"));
    assert!(matches!(node.maintain_and_wait(Duration::from_millis(50)), Err(Error::Timeout)));
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "it is told");
        if let Ok(Event::Notice(Notice::RoundEnded { links, .. })) = node.recv_timeout(Duration::from_millis(100)) {
            assert_eq!(links, 0);
            break;
        }
    }
}

#[test]
fn a_paused_node_keeps_its_links_and_makes_none() {
    let (seed, friend) = (started(seeker("")), started(seeker("")));
    let node = started(seeker(&address(&seed)));
    until("it has its link", || node.peers().len() == 1);
    assert!(!node.is_paused());
    node.pause().and_then(|()| node.pause()).expect("running");
    assert!(node.is_paused() && node.peers().len() == 1);
    // Nobody comes in, nor hears why: the connection is closed before anything is said.
    let shut = friend.connect(&address(&node), PATIENCE);
    assert!(matches!(shut, Err(Error::Link(reason)) if reason != CloseReason::Paused), "{shut:?}");
    until("what is shut out is counted", || node.ends().iter().any(|(reason, _)| *reason == CloseReason::Paused));
    // Nobody is dialed, but on request.
    let link = node.find_peer(&seed.id()).expect("linked");
    node.disconnect(link, CloseReason::Requested).expect("it is open");
    until("the link is gone", || node.peers().is_empty());
    assert_eq!(node.maintain_and_wait(PATIENCE).expect("it ends"), Round { links: 0, is_stuck: true });
    assert_eq!(node.dial_seeds().expect("it answers"), 0);
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(node.peers().is_empty());
    node.connect(&address(&friend), PATIENCE).expect("by name it may");
    let link = node.find_peer(&friend.id()).expect("linked");
    node.disconnect(link, CloseReason::Requested).expect("it is open");
    until("that link is gone, too", || node.peers().is_empty());
    node.resume().expect("running");
    until("somebody is dialed again", || !node.peers().is_empty());
}

#[test]
fn seeds_are_dialed_on_request() {
    let (seed, friend) = (started(seeker("")), started(seeker("")));
    // Who loses a link cannot dial back.
    let node = started(seeker(&address(&seed)).set("listen.addresses", "").expect("nowhere"));
    until("it has its link", || node.find_peer(&seed.id()).is_some());
    node.connect(&address(&friend), PATIENCE).expect("a link");
    assert_eq!(node.dial_seeds().expect("it answers"), 0, "the seed is linked");
    let link = node.find_peer(&seed.id()).expect("linked");
    node.disconnect(link, CloseReason::Requested).expect("it is open");
    until("one link is enough", || node.peers().len() == 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(node.peers().len(), 1, "nothing is missing");
    assert_eq!(node.dial_seeds().expect("it answers"), 1);
    until("the seed is linked again", || node.find_peer(&seed.id()).is_some());
}

#[test]
fn persistent_peers_come_and_go() {
    let friend = started(seeker(""));
    let node = started(seeker(""));
    let named = format!("{}@{}", friend.id(), address(&friend));
    assert!(node.add_persistent(&named).expect("an address"));
    assert!(!node.add_persistent(&named).expect("an address"), "it is already");
    until("it is dialed", || node.peers().first().is_some_and(|shown| shown.id == friend.id() && shown.is_persistent));
    let link = node.find_peer(&friend.id()).expect("linked");
    node.disconnect(link, CloseReason::Requested).expect("it is open");
    until("it is dialed again", || node.find_peer(&friend.id()).is_some_and(|again| again != link));
    assert!(node.remove_persistent(&named).expect("an address"));
    assert!(!node.remove_persistent(&named).expect("an address"));
    assert!(matches!(node.add_persistent("nonsense"), Err(Error::Address(_))));
    let own = format!("{}@{}", node.id(), address(&node));
    assert!(matches!(node.add_persistent(&own), Err(Error::State(why)) if why.contains("itself")));
    node.stop(Duration::from_secs(1)).expect("stops");
    assert!(matches!(node.add_persistent(&named), Err(Error::Stopped)));
}

#[test]
fn what_cannot_be_persistent_is_refused_by_name() {
    let node = started(seeker(""));
    for text in ["mconn://192.0.2.1:9", "0.0.0.0:9", "224.0.0.1:9", "255.255.255.255:9", "[::]:9", "[ff02::1]:9"] {
        let error = node.add_persistent(text).expect_err(text);
        assert!(matches!(error, Error::Address(AddressError::Foreign(_) | AddressError::Nowhere(_))), "{text}: {error}");
    }
    let error = node.connect("mconn://127.0.0.1:9", PATIENCE).expect_err("of another protocol");
    assert!(matches!(error, Error::Address(AddressError::Foreign(Scheme::Mconn))), "{error}");
    node.ban("192.0.2.0/24".parse().expect("a prefix"), None, "").expect("not full");
    let refused = |text: &str| match node.add_persistent(text) {
        Err(Error::State(why)) => why,
        other => panic!("{text}: {other:?}"),
    };
    assert!(refused("192.0.2.1:9").contains("banned"));
    let error = node.ban("198.51.100.1".parse().expect("an address"), Some(Duration::ZERO), "").expect_err("of no time");
    assert!(matches!(&error, Error::Refused(why) if why.contains("ends at once")), "{error}");
    assert!(node.persistent().is_empty() && node.bans().len() == 1);
}

#[test]
fn a_persistent_address_has_one_identity_as_long_as_it_is_configured() {
    let (node, one, other) = (started(seeker("")), identity(1), identity(2));
    let at = "127.0.0.1:9";
    let change = |id: &str, is_added: bool| {
        let text = format!("{id}{at}");
        if is_added { node.add_persistent(&text) } else { node.remove_persistent(&text) }
    };
    assert!(change(&one, true).expect("new"));
    assert!(!change(&one, true).expect("known") && !change("", true).expect("known"));
    let refused = change(&other, true).expect_err("another one");
    assert!(matches!(refused, Error::State(why) if why.contains("another identity")), "{refused}");
    assert!(change(&one, false).expect("known"));
    assert!(change(&other, true).expect("nobody is expected there any more"));
    assert!(change(&other, false).expect("known") && change("", true).expect("new"));
    assert!(change(&one, true).expect("it has a name now") && !change("", true).expect("known"));
    assert!(change(&other, true).is_err());
}

/// An identity as it stands before an address.
fn identity(number: u8) -> String {
    format!("{}@", PeerId::from_bytes([number; 32]))
}
