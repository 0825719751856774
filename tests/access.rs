//! The lists on real nodes over loopback: who is let in, who is turned away, and what he hears.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{By, Channel, ChannelId, CloseReason, Culprit, Error, Event, Identity, LinkId, ListError, Node, Standing, Subject};
use nodes::{BOOTSTRAP, ONE_LINK, address, identity, network};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const CHAT: ChannelId = ChannelId(0x10);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn built(identity: Identity, more: &[(&str, &str)]) -> Node {
    // Who is given no way in waits for others.
    let is_alone = more.iter().all(|(key, _)| !key.starts_with("discovery."));
    let builder = network(&[ONE_LINK, if is_alone { BOOTSTRAP } else { &[] }, more]);
    builder.channel(Channel::new(CHAT.0, "chat")).expect("a channel").identity(identity).build().expect("valid settings")
}

fn started(more: &[(&str, &str)]) -> Node {
    let node = built(identity(), more);
    node.start().expect("a free port");
    node
}

fn connect(from: &Node, to: &Node) -> Result<LinkId, Error> {
    from.connect(&address(to), PATIENCE)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    nodes::within(PATIENCE, what, is_so);
}

fn down(node: &Node) -> bowline::Down {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Ok(Event::Down(down)) = node.recv_timeout(Duration::from_millis(200)) {
            return down;
        }
    }
    panic!("no link went down");
}

/// Not a word came: the connection was closed, or reset.
fn is_silence(error: &Error) -> bool {
    matches!(error, Error::Link(CloseReason::Truncated | CloseReason::Reset))
}

#[test]
fn a_ban_disconnects_at_once_and_is_silent() {
    let (node, peer) = (started(&[]), started(&[]));
    connect(&peer, &node).expect("a link");
    until("it is linked", || node.peers().len() == 1);
    let begin = node.now();
    assert_eq!(node.ban(Subject::Peer(peer.id()), None, "spam\n").expect("running"), 1);
    assert_eq!(node.standing(None, Some(&peer.id())), Standing::Banned);
    let end = down(&peer);
    assert!(matches!(end.reason, CloseReason::Truncated | CloseReason::Reset), "{end:?}");
    assert_eq!(end.told, None, "nobody is told");
    assert_eq!(down(&node).reason, CloseReason::Banned);
    until("nobody is linked", || node.peers().is_empty() && peer.peers().is_empty());
    let again = connect(&peer, &node).expect_err("banned");
    assert!(is_silence(&again), "{again:?}");
    let bans = node.bans();
    let [ban] = &bans[..] else { panic!("{bans:?}") };
    assert_eq!((ban.subject, ban.until, ban.why.as_str(), ban.by), (Subject::Peer(peer.id()), None, "spam\\n", By::Operator));
    assert!(ban.since >= begin && ban.since <= node.now());
    assert!(matches!(node.connect(&format!("{}@{}", peer.id(), address(&peer)), PATIENCE), Err(Error::Dial(_))));
    assert!(matches!(node.ban(Subject::Peer(node.id()), None, "me"), Err(Error::Refused(_))));
    node.unban(&Subject::Peer(peer.id())).expect("it was banned");
    assert!(matches!(node.unban(&Subject::Peer(peer.id())), Err(Error::List(ListError::NotListed(_)))));
    connect(&peer, &node).expect("a link again");
}

#[test]
fn a_banned_address_is_turned_away_at_the_door_until_its_time_is_over() {
    let (node, peer) = (started(&[]), started(&[]));
    connect(&peer, &node).expect("a link");
    until("it is linked", || node.peers().len() == 1);
    let net: Subject = "127.0.0.0/8".parse().expect("a prefix");
    let lasts = Duration::from_secs(2);
    // The link, and what maintenance had under way to see whether its addresses are true.
    assert!(node.ban(net, Some(lasts), "").expect("running") >= 1);
    let banned_until = node.now() + lasts;
    assert_eq!(down(&peer).told, None);
    // A stranger of whom nobody has ever heard is among those.
    let before = node.stats().arrivals_shut;
    let mut stream = TcpStream::connect(node.listen_addresses()[0]).expect("the kernel accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let end = stream.read(&mut [0; 1]);
    assert!(matches!(&end, Ok(0)) || matches!(&end, Err(error) if error.kind() == ErrorKind::ConnectionReset), "{end:?}");
    until("it is counted", || node.stats().arrivals_shut > before);
    let error = connect(&peer, &node).expect_err("banned");
    assert!(is_silence(&error), "{error:?}");
    assert_eq!(node.standing(Some(HERE), None), Standing::Banned);
    // Nobody has to do anything for it.
    until("it is over", || node.now() > banned_until);
    assert_eq!((node.standing(Some(HERE), None), node.bans()), (Standing::Ordinary, Vec::new()));
    connect(&peer, &node).expect("a link again");
}

#[test]
fn a_ban_beats_trust_and_trust_beats_the_greylist() {
    let (node, peer) = (started(&[]), started(&[]));
    let id = Subject::Peer(peer.id());
    node.report(peer.id(), -600, "lies").expect("running");
    let refused = connect(&peer, &node).expect_err("greylisted");
    assert!(matches!(refused, Error::Link(CloseReason::Greylisted)), "{refused:?}");
    let grey = node.greylist();
    assert_eq!((grey.len(), grey[0].culprit, grey[0].offences), (1, Culprit::Peer(peer.id()), 1));
    node.trust(id, None).expect("not banned");
    assert_eq!(node.trusted().len(), 1);
    connect(&peer, &node).expect("trust beats the greylist");
    until("it is linked", || node.peers().iter().any(|known| known.is_trusted));
    assert_eq!(node.ban(id, None, "").expect("running"), 1);
    assert!(node.trusted().is_empty(), "a ban ends trust");
    assert!(matches!(node.trust(id, None), Err(Error::List(ListError::Banned))));
    // An address that is trusted does not help who is banned himself.
    node.trust(Subject::host(HERE), None).expect("not banned");
    until("nobody is linked", || node.peers().is_empty() && peer.peers().is_empty());
    let error = connect(&peer, &node).expect_err("banned");
    assert!(is_silence(&error), "{error:?}");
    node.unban(&id).expect("it was banned");
    node.untrust(&Subject::host(HERE)).expect("it was trusted");
    assert!(matches!(node.untrust(&id), Err(Error::List(ListError::NotListed(_)))));
    assert_eq!(node.standing(None, Some(&peer.id())), Standing::Greylisted, "it has not served its time");
    assert_eq!(node.flush_greylist().expect("running"), 1);
    assert_eq!((node.greylist(), node.flush_greylist().expect("running")), (Vec::new(), 0));
    connect(&peer, &node).expect("a link");
    assert!(!node.forgive(&Culprit::Peer(peer.id())).expect("running"));
}

/// Tezos' private mode: the network ignores it, it ignores the network; whom it trusts it finds without being told to connect.
#[test]
fn a_private_node_has_links_with_trusted_peers_alone() {
    let (friend, stranger) = (started(&[]), started(&[]));
    let friend_at = format!("{}@{}", friend.id(), address(&friend));
    let stranger_at = address(&stranger);
    let hidden = started(&[
        ("pool.trusted_only", "true"),
        ("lists.trusted", &friend.id().to_string()),
        ("discovery.seeds", &format!("{friend_at},{stranger_at}")),
        ("pool.outbound_target", "10"),
    ]);
    until("it has found its friend", || hidden.find_peer(&friend.id()).is_some());
    let error = connect(&stranger, &hidden).expect_err("not trusted");
    assert!(is_silence(&error), "{error:?}");
    let error = connect(&hidden, &stranger).expect_err("not trusted").to_string();
    assert!(error.contains("pool.trusted_only"), "{error}");
    hidden.trust(Subject::Peer(stranger.id()), None).expect("not banned");
    connect(&stranger, &hidden).expect("trusted now");
    until("both are linked", || hidden.peers().len() == 2);
    hidden.untrust(&Subject::Peer(stranger.id())).expect("it was trusted");
    let end = down(&stranger);
    assert_eq!(end.told, None, "{end:?}");
    until("the friend alone is left", || hidden.peers().len() == 1);
    assert!(hidden.find_peer(&friend.id()).is_some());
}

#[test]
fn two_private_nodes_that_name_each_other_by_address_alone_are_linked() {
    // A node needs somebody to begin with: nobody is there.
    let private = || started(&[("pool.trusted_only", "true"), ("discovery.persistent", "127.0.0.1:1")]);
    let (one, other) = (private(), private());
    assert!(one.add_persistent(&address(&other)).expect("an address"));
    assert!(other.add_persistent(&address(&one)).expect("an address"));
    until("they are linked", || one.find_peer(&other.id()).is_some() && other.find_peer(&one.id()).is_some());
}

#[test]
fn what_was_of_use_can_be_said_of_open_links() {
    let (node, peer) = (started(&[]), started(&[]));
    let link = connect(&node, &peer).expect("a link");
    node.useful(link).expect("open");
    node.disconnect(link, CloseReason::Requested).expect("open");
    until("it is gone", || matches!(node.useful(link), Err(Error::NoLink(_))));
}

#[test]
fn lists_are_there_once_the_node_runs() {
    let node = built(identity(), &[("lists.trusted", "192.0.2.0/24,2001:db8::1")]);
    let host = Subject::host(HERE);
    assert!(matches!(node.ban(host, None, ""), Err(Error::State(_))));
    assert!(node.bans().is_empty() && node.trusted().is_empty());
    node.start().expect("a free port");
    assert_eq!(node.trusted().iter().map(|entry| entry.subject.to_string()).collect::<Vec<_>>(), ["192.0.2.0/24", "2001:db8::1"]);
    assert_eq!(node.standing(Some("192.0.2.77".parse().expect("an address")), None), Standing::Trusted);
    node.stop(Duration::ZERO).expect("stops");
    assert!(matches!(node.trust(host, None), Err(Error::Stopped)));
}

#[test]
fn what_ends_at_once_is_refused_by_name_and_changes_nothing() {
    let (node, host) = (started(&[]), Subject::host(HERE));
    node.trust(host, None).expect("there is room");
    let says = |error: Error| error.to_string();
    assert!(says(node.ban(host, Some(Duration::ZERO), "").expect_err("no time")).contains("a ban that ends at once"));
    assert!(says(node.trust(host, Some(Duration::ZERO)).expect_err("no time")).contains("trust that ends at once"));
    assert_eq!((node.bans().len(), node.trusted().len()), (0, 1));
}

/// More than are looked at together: whoever reads a list sees each entry once.
#[test]
fn long_lists_are_shown_whole() {
    let node = started(&[]);
    let subject = |number: u16, family: &str| {
        let text = if family == "v4" {
            format!("198.18.{}.{}", number / 256, number % 256)
        } else {
            format!("2001:db8:{number:x}::/48")
        };
        text.parse::<Subject>().expect("a subject")
    };
    let mut banned: Vec<Subject> = (0..300).flat_map(|number| [subject(number, "v4"), subject(number, "v6")]).collect();
    for subject in &banned {
        node.ban(*subject, None, "").expect("there is room");
    }
    banned.sort();
    assert_eq!(node.bans().iter().map(|ban| ban.subject).collect::<Vec<_>>(), banned);
    let mut lines = Vec::new();
    node.export(&mut lines).expect("memory");
    let lines = String::from_utf8(lines).expect("text");
    assert_eq!(lines.matches(r#""list":"banned""#).count(), banned.len());
}
