//! The address book and the known peers on real nodes over loopback: what is added, removed, noted and shown, and what is refused.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{
    AddError, AddressError, CloseReason, Error, KnownPeer, Node, PeerId, PointFilter, PointInfo, Proof, Source, State, StateKind,
    Subject,
};
use nodes::{PATIENCE, address, builder, connect, started, until};
use std::net::TcpListener;
use std::time::Duration;

fn all(node: &Node) -> Vec<PointInfo> {
    node.points(&PointFilter::default())
}

fn point(node: &Node, at: &str) -> Option<PointInfo> {
    all(node).into_iter().find(|info| info.address.to_string().ends_with(at))
}

fn peer(node: &Node, id: &PeerId) -> Option<KnownPeer> {
    node.known_peers().into_iter().find(|known| known.id == *id)
}

/// Ends every link of `node`: one that the other side has dialed at the same moment, too.
fn part(node: &Node, reason: CloseReason) {
    for peer in node.peers().iter() {
        // It may have ended meanwhile.
        let _ = node.disconnect(peer.link, reason);
    }
}

/// An address where nobody listens, which nobody else gets while the test runs.
fn deserted() -> (String, TcpListener) {
    // The port is taken by a listener at another address of this machine.
    let elsewhere = TcpListener::bind("127.0.0.2:0").expect("a free port");
    let port = elsewhere.local_addr().expect("bound").port();
    (format!("127.0.0.3:{port}"), elsewhere)
}

#[test]
fn an_address_that_is_added_is_dialed_when_links_are_missing() {
    let other = started(builder(&[]));
    let node = started(builder(&[("pool.min_threshold", "1"), ("pool.min_target", "1"), ("dial.period", "24h")]));
    until("nobody is left to dial", || node.maintain_and_wait(PATIENCE).expect("it ends").is_stuck);
    node.add_address(&format!("{}@{}", other.id(), address(&other))).expect("an address");
    let is_linked = |info: &PointInfo| matches!(info.state, State::Connected(_));
    until("it is dialed", || point(&node, &address(&other)).is_some_and(|info| is_linked(&info)));
    let link = node.find_peer(&other.id()).expect("linked");
    let info = point(&node, &address(&other)).expect("known");
    assert_eq!((info.state, info.source, info.proof, info.attempts), (State::Connected(link), Source::Own, Proof::Dialed, 0));
    assert_eq!(info.address.id, Some(other.id()));
    assert!(info.last_dialed <= info.last_seen && info.last_seen.is_some());
}

#[test]
fn what_cannot_be_added_is_refused_by_name_and_nothing_is_lost() {
    let node = started(builder(&[("network.allow_private", "false")]));
    // Nobody is dialed: these addresses are others'.
    node.pause().expect("running");
    let (enemy, ours) = (PeerId::from_bytes([3; 32]), node.id());
    node.ban("9.9.0.0/16".parse().expect("a prefix"), None, "").expect("there is room");
    node.ban(Subject::Peer(enemy), None, "").expect("there is room");
    node.add_address("8.8.8.8:9").expect("an address");
    let before = all(&node);
    let refused = |text: &str| {
        let error = node.add_address(text).expect_err(text);
        assert_eq!(all(&node), before, "{text}");
        error
    };
    for text in
        ["8.8.4.4", "8.8.4.4:0", "8.8.4.4:65536", "8.8.4.4:-1", "12@8.8.4.4:9", "tcp://8.8.4.4:9", "8.8.4.999:9", "", ":9"]
    {
        let (error, parsed) = (refused(text), text.parse::<bowline::Address>().expect_err(text));
        assert_eq!(error, AddError::Address(parsed), "{text}");
    }
    assert_eq!(refused(&"8".repeat(400)), AddError::Address(AddressError::TooLong(400)));
    assert!(matches!(refused("mconn://8.8.4.4:9"), AddError::Foreign(_)));
    for text in
        ["10.0.0.1:9", "127.0.0.1:9", "192.168.1.1:9", "0.0.0.0:9", "224.0.0.1:9", "255.255.255.255:9", "[::1]:9", "[fe80::1]:9"]
    {
        assert_eq!(refused(text), AddError::NotRoutable(text.parse().expect("an address")));
    }
    let known = AddError::Known("8.8.8.8:9".parse().expect("an address"));
    assert_eq!((refused("8.8.8.8:9"), refused("[::ffff:8.8.8.8]:9")), (known.clone(), known.clone()));
    assert_eq!(refused(&format!("{enemy}@8.8.8.8:9")).to_string(), "8.8.8.8:9 or its peer is banned: lift the ban first");
    assert!(matches!(refused(&address(&node)), AddError::Own(_)));
    assert!(matches!(refused(&format!("{ours}@8.8.4.4:9")), AddError::Own(_)));
    assert!(matches!(refused("9.9.1.1:9"), AddError::Banned(_)));
    assert!(matches!(refused(&format!("{enemy}@8.8.4.4:9")), AddError::Banned(_)));
    assert_eq!(refused("nobody.invalid:9"), AddError::Unresolved("nobody.invalid".to_owned()));
    node.stop(Duration::ZERO).expect("stops");
    assert_eq!(node.add_address("8.8.4.4:9"), Err(AddError::NotRunning));
    assert_eq!(builder(&[]).build().expect("valid settings").add_address("8.8.4.4:9"), Err(AddError::NotRunning));
}

#[test]
fn an_address_is_removed_once_nothing_uses_it() {
    let (node, other) = (started(builder(&[])), started(builder(&[])));
    let at = address(&other);
    assert!(!node.remove_address(&at).expect("an address"), "it is not known");
    connect(&node, &other);
    until("it is healthy", || node.healthy().len() == 1);
    assert!(matches!(node.remove_address(&at), Err(Error::State(why)) if why.contains("a link or dial uses")));
    until("nothing uses it", || {
        part(&node, CloseReason::Requested);
        matches!(node.remove_address(&at), Ok(true))
    });
    assert!(node.healthy().is_empty(), "it is published");
    assert_eq!(point(&node, &at), None);
    assert!(matches!(node.remove_address("seed.example:9"), Err(Error::Refused(why)) if why.contains("seed.example")));
    assert!(matches!(node.remove_address("8.8.8.8"), Err(Error::Address(AddressError::NoPort(_)))));
}

#[test]
fn seeds_and_persistent_addresses_are_listed_and_not_removed() {
    let (seed, friend) = (started(builder(&[])), started(builder(&[])));
    let node = started(builder(&[("discovery.seeds", &address(&seed))]));
    node.add_persistent(&format!("{}@{}", friend.id(), address(&friend))).expect("an address");
    until("it is linked", || node.persistent().iter().any(|info| matches!(info.state, State::Connected(_))));
    let (seeds, persistent) = (node.seeds(), node.persistent());
    assert_eq!(seeds.iter().map(|info| info.address.socket()).collect::<Vec<_>>(), [Some(seed.listen_addresses()[0])]);
    assert!(seeds[0].is_seed && !seeds[0].is_persistent);
    let link = node.find_peer(&friend.id()).expect("linked");
    assert_eq!(
        persistent.iter().map(|info| (info.address.id, info.state)).collect::<Vec<_>>(),
        [(Some(friend.id()), State::Connected(link))]
    );
    for at in [address(&seed), address(&friend)] {
        assert!(matches!(node.remove_address(&at), Err(Error::State(why)) if why.contains("remove_persistent")));
    }
    assert!(node.remove_persistent(&format!("{}@{}", friend.id(), address(&friend))).expect("an address"));
    assert!(node.persistent().is_empty());
    until("now it is as any other", || {
        part(&node, CloseReason::Requested);
        matches!(node.remove_address(&address(&friend)), Ok(true))
    });
}

#[test]
fn the_life_of_an_address_can_be_seen() {
    let other = started(builder(&[]));
    let node = started(builder(&[("dial.attempts_max", "1")]));
    let of = |state| node.points(&PointFilter { state: Some(state), ..PointFilter::default() });
    let link = connect(&node, &other);
    assert_eq!(of(StateKind::Connected).iter().map(|info| info.state).collect::<Vec<_>>(), [State::Connected(link)]);
    until("it rests", || {
        part(&node, CloseReason::Requested);
        of(StateKind::Candidate).len() == 1
    });
    let rested = of(StateKind::Candidate).remove(0);
    assert!(rested.next_dial > rested.last_seen.expect("it was seen") && rested.last_failure.is_none());

    let (nowhere, _kept) = deserted();
    assert!(matches!(node.connect(&nowhere, PATIENCE), Err(Error::Link(CloseReason::ConnectionRefused))));
    until("it is given up", || of(StateKind::Bad).len() == 1);
    let info = point(&node, &nowhere).expect("known");
    let State::Bad { until: end } = info.state else { panic!("{info:?}") };
    assert!(
        end > node.now() && info.last_failure.is_some_and(|(at, why)| at <= node.now() && why == CloseReason::ConnectionRefused)
    );
    assert_eq!((info.attempts, info.proof, info.last_seen), (1, Proof::Heard, None));
    let proven = PointFilter { proof: Some(Proof::Dialed), peer: Some(other.id()), ..PointFilter::default() };
    assert_eq!(node.points(&proven).len(), 1);
    assert!(node.points(&PointFilter { peer: Some(node.id()), ..proven }).is_empty());
}

#[test]
fn known_peers_have_a_history_a_score_and_notes() {
    let (node, other) = (started(builder(&[])), started(builder(&[])));
    let (me, id) = (node.id(), other.id());
    let unknown = node.set_peer_metadata(&id, b"too early").expect_err("never seen");
    assert_eq!(unknown.to_string(), format!("{id} is not known"));
    connect(&node, &other);
    let known = peer(&node, &id).expect("known");
    assert_eq!((known.links, known.score, known.is_private, known.failures.len()), (1, 0, false, 0));
    assert_eq!(peer(&other, &me).map(|known| known.links), Some(1));
    node.report(id, 40, "good blocks").expect("running");
    node.set_peer_metadata(&id, &[7; 256]).expect("as many as there may be");
    for at in [&address(&other), &format!("bowline://[::ffff:127.0.0.1]:{}", other.listen_addresses()[0].port())] {
        node.set_point_metadata(at, at.as_bytes()).expect("it is known");
        assert_eq!(point(&node, &address(&other)).map(|info| info.metadata), Some(at.as_bytes().into()));
    }
    let notes = || {
        let of_points = all(&node).into_iter().map(|info| info.metadata);
        of_points.chain(node.known_peers().into_iter().map(|known| known.metadata)).collect::<Vec<_>>()
    };
    let before = notes();
    let too_many = [node.set_peer_metadata(&id, &[0; 257]), node.set_point_metadata(&address(&other), &[0; 257])];
    for result in too_many {
        let error = result.expect_err("too many");
        assert!(matches!(error, Error::Metadata { len: 257, max: 256 }), "{error}");
        assert_eq!(error.to_string(), "257 bytes of metadata: at most 256 are kept");
    }
    assert!(matches!(node.set_point_metadata("127.0.0.1:1", b"x"), Err(Error::Unknown(at)) if at == "127.0.0.1:1"));
    assert!(matches!(node.set_point_metadata("127.0.0.1:0", b"x"), Err(Error::Address(AddressError::Port(_)))));
    assert!(matches!(node.set_point_metadata("seed.example:9", b"x"), Err(Error::Refused(_))));
    assert_eq!(notes(), before, "nothing is lost");

    // The other goes without a word.
    until("it has parted", || {
        part(&node, CloseReason::PingTimeout);
        peer(&node, &id).is_some_and(|known| known.links == 0)
    });
    let known = peer(&node, &id).expect("known");
    assert_eq!((known.score, &known.metadata[..]), (40, &[7; 256][..]));
    assert!(known.failures.iter().all(|(_, why)| *why == CloseReason::PingTimeout), "{known:?}");
    assert!(known.first_seen < known.last_seen && known.failures.last().is_some_and(|(at, _)| *at == known.last_seen));
    node.set_peer_metadata(&id, b"").expect("known");
    assert!(peer(&node, &id).is_some_and(|known| known.metadata.is_empty()));
}

#[test]
fn a_book_of_many_pages_is_shown_whole_while_links_come_and_go() {
    // Nobody is dialed but by name.
    let (node, other) = (started(builder(&[("feeler.period", "0s")])), started(builder(&[])));
    for number in 0..2_000_u16 {
        let [high, low] = number.to_be_bytes();
        node.add_address(&format!("10.9.{high}.{low}:9")).expect("there is room");
    }
    std::thread::scope(|scope| {
        let restless = scope.spawn(|| {
            for _ in 0..20 {
                connect(&node, &other);
                until("it has gone", || {
                    part(&node, CloseReason::Requested);
                    node.peers().is_empty() && other.peers().is_empty()
                });
            }
        });
        while !restless.is_finished() {
            let shown = all(&node);
            let tens = shown.iter().filter(|info| info.address.to_string().starts_with("bowline://10.9."));
            assert_eq!(tens.count(), 2_000);
            assert!(shown.is_sorted_by_key(|info| info.address.socket()));
        }
    });
}

#[test]
fn there_is_nothing_to_see_before_the_start() {
    let node = builder(&[]).build().expect("valid settings");
    assert!(all(&node).is_empty() && node.known_peers().is_empty() && node.seeds().is_empty() && node.persistent().is_empty());
    assert!(matches!(node.set_point_metadata("8.8.8.8:9", b""), Err(Error::State(_))));
    assert!(matches!(node.remove_address("8.8.8.8:9"), Err(Error::State(_))));
}

#[test]
fn who_is_trusted_from_the_start_is_on_the_list() {
    let friend = Subject::Peer(PeerId::from_bytes([7; 32]));
    let node = started(builder(&[("lists.trusted", "192.0.2.0/24")]).trust(friend).trust(friend));
    let trusted: Vec<String> = node.trusted().iter().map(|info| info.subject.to_string()).collect();
    assert_eq!(trusted.len(), 2);
    assert!(trusted.contains(&"192.0.2.0/24".to_owned()) && trusted.contains(&friend.to_string()));
    let too_many = (0..1_025_u16).fold(builder(&[]), |builder, number| {
        let [high, low] = number.to_be_bytes();
        builder.trust(format!("10.0.{high}.{low}").parse().expect("an address"))
    });
    let error = too_many.build().err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("lists.trusted")));
}
