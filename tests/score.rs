//! Scores and roles between real nodes over loopback: verdicts have their consequence, and are not forgotten.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

mod nodes;

use bowline::{
    Builder, Channel, ChannelId, CloseReason, Error, Event, How, Identity, Kind, Message, Node, Notice, RequestError, RequestId,
    Role, SendError,
};
use bytes::Bytes;
use nodes::{BOOTSTRAP, ONE_LINK, identity, network};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const CHAT: ChannelId = ChannelId(0x10);

fn builder(more: &[(&str, &str)]) -> Builder {
    network(&[BOOTSTRAP, ONE_LINK, more]).channel(Channel::new(CHAT.0, "chat")).expect("a channel")
}

fn start(builder: Builder, identity: Identity) -> Node {
    let node = builder.identity(identity).build().expect("valid settings");
    node.start().expect("a free port");
    node
}

fn started(more: &[(&str, &str)]) -> Node {
    start(builder(more), identity())
}

fn connect(from: &Node, to: &Node) -> Result<bowline::LinkId, Error> {
    from.connect(&to.listen_addresses()[0].to_string(), PATIENCE)
}

/// The first event that `wanted` makes something of.
fn wait<T>(node: &Node, wanted: impl Fn(Event) -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Ok(event) = node.recv_timeout(Duration::from_millis(200))
            && let Some(found) = wanted(event)
        {
            return found;
        }
    }
    panic!("it did not come in time");
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    nodes::within(PATIENCE, what, is_so);
}

#[test]
fn verdicts_warn_then_disconnect_and_greylist_and_say_why() {
    let (judge, peer) = (started(&[]), started(&[]));
    connect(&peer, &judge).expect("a link");
    let link = wait(&judge, |event| if let Event::Up(up) = event { Some(up.link) } else { None });
    assert_eq!(judge.score(&peer.id()), None);
    judge.report(peer.id(), -60, "slow").expect("running");
    judge.report(peer.id(), -60, "slow\nagain").expect("running");
    let warned = wait(&judge, |event| match event {
        Event::Notice(Notice::Warned { peer, score, why }) => Some((peer, score, why)),
        _ => None,
    });
    assert_eq!(warned, (peer.id(), -120, "slow\\nagain".to_owned()));
    until("the link is shown with it", || judge.peers().first().is_some_and(|shown| shown.score == -120));
    assert_eq!(judge.find_peer(&peer.id()), Some(link), "a warning leaves the link alone");
    judge.report(peer.id(), -400, "a block that lies").expect("running");
    let reason = wait(&peer, |event| if let Event::Down(down) = event { Some(down.told) } else { None });
    assert_eq!(reason, Some(CloseReason::ScoreTooLow));
    let (mut down, mut grey) = (None, None);
    while down.is_none() || grey.is_none() {
        let (one, other) = wait(&judge, |event| match event {
            Event::Down(one) => Some((Some(one.reason), None)),
            Event::Notice(Notice::Greylisted { peer, reason, .. }) => Some((None, Some((peer, reason)))),
            Event::Notice(Notice::Warned { .. }) => panic!("warned twice"),
            _ => None,
        });
        (down, grey) = (down.or(one), grey.or(other));
    }
    assert_eq!((down, grey), (Some(CloseReason::ScoreTooLow), Some((Some(peer.id()), CloseReason::ScoreTooLow))));
    // It does not come back, and its score is as before.
    until("it has let go of the link", || peer.peers().is_empty());
    let again = connect(&peer, &judge);
    assert!(matches!(again, Err(Error::Link(CloseReason::Greylisted))), "{again:?}");
    let score = judge.score(&peer.id()).expect("it is remembered");
    let causes: Vec<_> = score.causes.iter().map(|cause| (cause.delta, cause.why.as_str())).collect();
    assert_eq!((score.value, causes), (-520, vec![(-60, "slow"), (-60, "slow\\nagain"), (-400, "a block that lies")]));
    assert!(matches!(judge.report(judge.id(), 1, "me"), Err(Error::Refused(_))));
}

#[test]
fn metadata_is_scored_at_the_introduction_and_a_panic_in_it_harms_nobody() {
    let judging = builder(&[]).score_of_metadata(|metadata| match metadata {
        b"archive" => 200,
        b"liar" => -600,
        b"panic" => panic!("on purpose"),
        _ => 0,
    });
    let judge = start(judging, identity());
    let come = |metadata: &[u8]| {
        let node = start(builder(&[]).metadata(metadata.to_vec()), identity());
        let linked = connect(&node, &judge);
        (node, linked)
    };
    let (archive, linked) = come(b"archive");
    linked.expect("a link");
    until("it is linked", || judge.find_peer(&archive.id()).is_some());
    assert_eq!(judge.score(&archive.id()).map(|score| score.value), Some(200));
    let (liar, refused) = come(b"liar");
    assert!(matches!(refused, Err(Error::Link(CloseReason::Greylisted))), "{refused:?}");
    assert_eq!(judge.score(&liar.id()).map(|score| score.value), Some(-600));
    let (odd, linked) = come(b"panic");
    linked.expect("a link");
    assert_eq!((judge.score(&odd.id()), judge.stats().panics_contained), (None, 1));
}

#[test]
fn messages_find_the_peers_with_a_capability() {
    let asker = started(&[]);
    let archives: Vec<Node> = (0..4).map(|_| start(builder(&[]).capability("archive", 1).expect("a name"), identity())).collect();
    let plain = started(&[]);
    for node in archives.iter().chain([&plain]) {
        connect(&asker, node).expect("a link");
    }
    until("all are linked", || asker.peers().len() == 5);
    let role = Role { capability: "archive", channel: CHAT };
    let links = |nodes: &[Node]| nodes.iter().filter_map(|node| asker.find_peer(&node.id())).collect::<BTreeSet<_>>();
    let able = links(&archives);
    assert_eq!(able.len(), 4);
    for (how, count) in [(How::Any, 1), (How::N(3), 3), (How::N(9), 4), (How::All, 4)] {
        let chosen = asker.choose(role, how).expect("there are some");
        let different: BTreeSet<_> = chosen.iter().copied().collect();
        assert!(different.is_subset(&able) && different.len() == count && chosen.len() == count, "{how:?}: {chosen:?}");
    }
    // Among peers of which one is bad, the bad one is the last resort; and no one of the others is left out.
    asker.report(archives[0].id(), -200, "slow").expect("running");
    let message = Bytes::from_static(b"find me");
    let reached: BTreeSet<_> = (0..200).map(|_| asker.send_to(role, &message).expect("sent")).collect();
    assert_eq!(reached, links(&archives[1..]));
    let result = asker.broadcast_to(role, How::All, &message).expect("sent");
    assert_eq!((result.queued, result.full, result.refused), (4, 0, 0));
    let got = |node: &Node| wait(node, |event| if let Event::Message(message) = event { Some(message.body) } else { None });
    assert!(archives.iter().all(|node| got(node) == message));
    assert!(plain.recv_timeout(Duration::from_millis(300)).map_or(true, |event| !matches!(event, Event::Message(_))));

    let nobody = Role { capability: "oracle", channel: CHAT };
    let none = SendError::NoPeer { capability: "oracle".to_owned(), channel: CHAT };
    assert_eq!(asker.send_to(nobody, &message), Err(none.clone()));
    assert_eq!(asker.broadcast_to(nobody, How::All, &message), Err(none.clone()));
    let asked = asker.request_to(nobody, &message, PATIENCE).expect_err("nobody");
    assert_eq!(asked, RequestError::Send(none));
    let undeclared = Role { capability: "archive", channel: ChannelId(0x77) };
    assert!(matches!(asker.choose(undeclared, How::Any), Err(SendError::NoPeer { .. })));
}

#[test]
fn a_good_score_gives_a_link_its_weight_and_the_application_s_word_is_above_it() {
    let (judge, peer) = (started(&[]), started(&[]));
    let link = connect(&judge, &peer).expect("a link");
    let weight = || judge.link_stats(link).map(|stats| stats.weight);
    until("a stranger's weight is 1", || weight() == Some(1));
    judge.report(peer.id(), 1_000, "a block before anybody else").expect("running");
    until("the best score has the most weight", || weight() == Some(4));
    assert_eq!(judge.peers()[0].weight, 4);
    judge.report(peer.id(), -500, "a slow answer").expect("running");
    until("half the score has half the steps", || weight() == Some(2));
    judge.set_weight(link, 3).expect("in range");
    until("the application's word counts", || weight() == Some(3));
    judge.report(peer.id(), -600, "another").expect("running");
    // Orders are carried out in turn: when this one is, so is whatever the report has ordered.
    judge.set_peer_bandwidth(link, 1 << 30, 0).expect("in range");
    until("the rate is set", || judge.link_stats(link).is_some_and(|stats| stats.rate_up == 1 << 30));
    assert_eq!(weight(), Some(3));
}

#[test]
fn a_request_is_answered_by_one_who_can() {
    let asker = started(&[]);
    let able = start(builder(&[]).capability("archive", 1).expect("a name"), identity());
    let plain = started(&[]);
    for node in [&able, &plain] {
        connect(&asker, node).expect("a link");
    }
    until("both are linked", || asker.peers().len() == 2);
    let link = asker.find_peer(&able.id()).expect("linked");
    let role = Role { capability: "archive", channel: CHAT };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let request = |event| match event {
                Event::Message(Message { link, channel, kind: Kind::Request, request: number, .. }) => {
                    Some(RequestId { link, channel, number })
                }
                _ => None,
            };
            able.respond(wait(&able, request), &Bytes::from_static(b"here"), PATIENCE).expect("answered");
            able.refuse(wait(&able, request), 7, "gone", PATIENCE).expect("refused");
        });
        let question = Bytes::from_static(b"where?");
        assert_eq!(asker.request_to(role, &question, PATIENCE), Ok((link, Bytes::from_static(b"here"))));
        let refused = asker.request_to(role, &question, PATIENCE);
        assert!(matches!(refused, Err(RequestError::Refused(refusal)) if refusal.code == 7));
    });
}
