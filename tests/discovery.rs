//! The two scenarios of the bootstrap discovery's source, and the calls that ask peers for addresses: whole nodes on real loopback sockets,
//! through the public face only.

#![allow(clippy::disallowed_methods, reason = "tests of whole nodes run in real time")]

mod nodes;

use bowline::{AddError, Address, CloseReason, Error, Event, LinkId, Node, PointFilter};
use nodes::{PATIENCE, address, identity, network};
use std::time::{Duration, Instant};

/// A node with these settings besides. All are on one machine.
fn started(more: &[(&str, &str)]) -> Node {
    let crowd = [("accept.ip_burst", "1000"), ("accept.rate", "10000")];
    nodes::started(network(&[&crowd, more]).identity(identity()))
}

fn bootstrap(more: &[(&str, &str)]) -> Node {
    started(&[&[("discovery.bootstrap", "true")], more].concat())
}

/// Where a node can be dialed, as it tells others.
fn address_of(node: &Node) -> Address {
    format!("{}@{}", node.id(), node.listen_addresses()[0]).parse().expect("an address")
}

fn link(from: &Node, to: &Node) -> LinkId {
    from.connect(&address(to), PATIENCE).expect("a link")
}

/// The source's TestPeerDiscover: a new node calls the bootstrap node, and finds its own address in the answer.
#[test]
fn a_direct_peer_discover_call_is_answered_with_the_new_node() {
    let boot = bootstrap(&[]);
    let new = started(&[("discovery.seeds", &address(&boot))]);
    let link = link(&new, &boot);
    let peers = new.discover(link, PATIENCE).expect("an answer");
    assert!(peers.contains(&address_of(&new)), "{peers:?}");
}

/// The source's TestPeerDiscovery: the new node knows nothing but its seed and runs the cycle; the bootstrap node knows nobody and learns
/// who asks. After a while each knows the other: that is what they tell a third.
#[test]
fn bootstrap_and_new_node_discover_each_other() {
    let quick = [("discovery.period", "300ms"), ("control.rate", "1000"), ("control.burst", "1000")];
    let boot = bootstrap(&quick);
    let new = started(&[&[("discovery.seeds", address(&boot).as_str())][..], &quick].concat());
    let third = bootstrap(&quick);
    let (to_boot, to_new) = (link(&third, &boot), link(&third, &new));
    let end = Instant::now() + PATIENCE;
    let mut told = [(to_boot, &new, false), (to_new, &boot, false)];
    while told.iter().any(|(.., is_told)| !is_told) {
        assert!(Instant::now() < end, "{:?}", told.map(|(link, _, is_told)| (link, is_told)));
        for (link, wanted, is_told) in &mut told {
            // The third asks as often as the cycles do: it may be told to wait.
            *is_told |= third.discover(*link, PATIENCE).is_ok_and(|peers| peers.contains(&address_of(wanted)));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_seed_node_gives_its_addresses_and_lets_go() {
    let seed = bootstrap(&[("discovery.seed_mode", "true")]);
    let known = bootstrap(&[]);
    seed.connect(&address(&known), PATIENCE).expect("a link");
    let new = started(&[("discovery.seeds", &address(&seed))]);
    let end = Instant::now() + PATIENCE;
    let mut is_served = false;
    loop {
        assert!(Instant::now() < end, "the seed lets go, and its answer was heard before");
        // Who is connected is shown a moment after the event.
        if let Ok(Event::Down(down)) = new.recv_timeout(Duration::from_millis(50))
            && down.peer == seed.id()
        {
            assert_eq!(down.told, Some(CloseReason::Served));
            is_served = true;
        }
        if is_served && new.peers().iter().any(|peer| peer.id == known.id()) {
            break;
        }
    }
}

#[test]
fn who_cannot_be_asked_is_named() {
    let quiet = [("discovery.period", "24h")];
    let (node, private) = (bootstrap(&quiet), started(&[("pex.private", "true"), ("discovery.persistent", "127.0.0.1:1")]));
    let nobody = LinkId::from_u64(12_345);
    assert!(matches!(node.discover(nobody, PATIENCE), Err(Error::NoLink(link)) if link == nobody));
    assert!(matches!(node.ask_for_addresses(Some(nobody)), Err(Error::NoLink(link)) if link == nobody));
    assert!(matches!(node.ask_for_addresses(None), Err(Error::Refused(_))), "nobody is there");
    let link = link(&node, &private);
    let refused = node.discover(link, PATIENCE).expect_err("it is private");
    assert!(matches!(refused, Error::Refused(_)), "{refused}");
    assert!(matches!(node.ask_for_addresses(Some(link)), Err(Error::Refused(_))));
    nodes::until("the other end shows it", || nodes::shows(&private, &node.id()));
    let back = private.peers().first().map(|peer| peer.link).expect("it is linked");
    assert!(matches!(private.discover(back, PATIENCE), Err(Error::Refused(_))), "it asks nobody");
    node.stop(Duration::ZERO).expect("stopped");
    assert!(matches!(node.discover(link, PATIENCE), Err(Error::Stopped)));
    assert!(matches!(node.ask_for_addresses(None), Err(Error::Stopped)));
}

#[test]
fn a_peer_is_asked_for_addresses_on_request() {
    let (node, peer) = (bootstrap(&[]), bootstrap(&[]));
    let link = link(&node, &peer);
    // As soon as it is up it is asked without an order; the next request keeps its distance.
    let end = Instant::now() + PATIENCE;
    let asked = loop {
        match node.ask_for_addresses(Some(link)) {
            Err(Error::Refused(text)) => {
                assert!(Instant::now() < end, "{text}");
                std::thread::sleep(Duration::from_millis(50));
            }
            asked => break asked.expect("asked"),
        }
    };
    assert_eq!(asked, link);
}

/// Behind NAT a node does not know each address that leads to it; who told of one learns nothing, and it is dialed once.
#[test]
fn a_node_that_dials_itself_learns_that_and_forgets_the_address() {
    let node = bootstrap(&[("listen.advertise", "203.0.113.7:9732")]);
    let own: Address = node.listen_addresses()[0].to_string().parse().expect("an address");
    let met = node.connect(&own.to_string(), PATIENCE).expect_err("that is nobody else");
    assert!(matches!(met, Error::Link(CloseReason::OwnKey)), "{met}");
    assert!(node.points(&PointFilter::default()).iter().all(|point| point.address.port != own.port));
    assert!(matches!(node.add_address(&own.to_string()), Err(AddError::Own(_))), "nobody tells it so again");
}
