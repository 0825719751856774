//! Groups of links that the application makes: who is in one, who has left it, and what is sent to one. Through the public face, on the memory
//! network.

use bowline::{
    Broadcast, BroadcastOptions, Builder, Channel, ChannelId, CloseReason, Error, Event, LinkId, MemNet, Node, SendError,
};
use bytes::Bytes;
use std::time::Duration;

const CHAT: ChannelId = ChannelId(0x10);
const SIDE: ChannelId = ChannelId(0x11);
const SECOND: Duration = Duration::from_secs(1);

fn built(net: &MemNet, number: u64, channels: &[ChannelId]) -> Node {
    let set = [
        ("network.name", "groups"),
        ("network.pow_bits", "0"),
        ("network.allow_private", "true"),
        ("discovery.bootstrap", "true"),
    ];
    let builder = set.iter().fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a key"));
    let named = |builder: Builder, id: &ChannelId| builder.channel(Channel::new(id.0, "test")).expect("a channel");
    let builder = channels.iter().fold(builder, named);
    builder.identity(net.identity(number).expect("libsodium works")).memnet(net).build().expect("valid")
}

fn started(net: &MemNet, number: u64, channels: &[ChannelId]) -> Node {
    let node = built(net, number, channels);
    node.start().expect("it has an address");
    node
}

/// A hub with three links: the third peer has another channel only.
struct Wheel {
    net: MemNet,
    hub: Node,
    spokes: Vec<Node>,
    links: Vec<LinkId>,
}

fn wheel() -> Wheel {
    let net = MemNet::new(1);
    let hub = started(&net, 1, &[CHAT, SIDE]);
    let spokes = vec![started(&net, 2, &[CHAT]), started(&net, 3, &[CHAT]), started(&net, 4, &[SIDE])];
    let links = spokes.iter().map(|spoke| {
        hub.dial(spoke.listen_addresses()[0], None, 1).expect("it may dial");
        net.advance(SECOND).expect("from outside");
        hub.find_peer(&spoke.id()).expect("a link")
    });
    let links = links.collect();
    Wheel { net, hub, spokes, links }
}

fn heard(node: &Node) -> usize {
    std::iter::from_fn(|| node.try_recv().ok()).filter(|event| matches!(event, Event::Message(_))).count()
}

fn sorted(mut links: Vec<LinkId>) -> Vec<LinkId> {
    links.sort();
    links
}

#[test]
fn a_group_is_sent_to_as_one() {
    let Wheel { net, hub, spokes, links } = wheel();
    links.iter().for_each(|link| hub.group_add(7, *link).expect("there is room"));
    hub.group_add(7, links[0]).expect("again is as good as once");
    hub.group_add(8, links[1]).expect("a link may be in several");
    assert_eq!((sorted(hub.group(7)), hub.group(8), hub.group(9)), (sorted(links.clone()), vec![links[1]], vec![]));
    let message = Bytes::from_static(b"to you");
    let send = |group, channel, options| hub.broadcast_group(group, channel, &message, &options).expect("running");
    let queued = |queued| Broadcast { queued, ..Broadcast::default() };
    assert_eq!(send(7, CHAT, BroadcastOptions::default()), queued(2), "who has not the channel is passed over");
    assert_eq!(send(7, CHAT, BroadcastOptions { except: Some(links[0]), include_self: true }), queued(2));
    assert_eq!(send(8, CHAT, BroadcastOptions::default()), queued(1));
    assert_eq!(send(9, CHAT, BroadcastOptions::default()), queued(0), "nobody is in it");
    net.advance(SECOND).expect("from outside");
    assert_eq!(spokes.iter().chain([&hub]).map(heard).collect::<Vec<_>>(), [1, 3, 0, 1]);
    let large = Bytes::from(vec![0; 2_000_000]);
    let refused = |group, channel, message| {
        hub.broadcast_group(group, channel, message, &BroadcastOptions::default()).expect_err("refused")
    };
    assert!(matches!(refused(9, CHAT, &large), SendError::TooBig { .. }), "whoever is in it");
    assert!(matches!(refused(9, ChannelId(0x33), &message), SendError::NoChannel(_)));
}

#[test]
fn whoever_closes_has_left_its_groups() {
    let Wheel { net, hub, spokes: _spokes, links } = wheel();
    links.iter().for_each(|link| hub.group_add(7, *link).expect("there is room"));
    hub.group_add(8, links[0]).expect("there is room");
    let removed = |group, link| hub.group_remove(group, link).expect("running");
    assert_eq!((removed(7, Some(links[1])), removed(7, Some(links[1])), removed(9, None)), (1, 0, 0));
    hub.disconnect(links[0], CloseReason::Requested).expect("it is open");
    net.advance(SECOND).expect("from outside");
    assert_eq!((hub.group(7), hub.group(8)), (vec![links[2]], vec![]));
    assert_eq!((removed(7, Some(links[0])), removed(8, None)), (0, 0), "nobody takes out who has left");
    assert!(matches!(hub.group_add(7, links[0]), Err(Error::NoLink(link)) if link == links[0]));
    let said = hub.broadcast_group(7, SIDE, &Bytes::from_static(b"x"), &BroadcastOptions::default()).expect("running");
    assert_eq!(said, Broadcast { queued: 1, ..Broadcast::default() }, "it is not counted as refused");
    assert_eq!((removed(7, None), hub.group(7)), (1, vec![]));
}

#[test]
fn groups_are_made_while_the_node_runs() {
    let net = MemNet::new(1);
    let node = built(&net, 1, &[CHAT]);
    let options = BroadcastOptions::default();
    assert!(matches!(node.group_add(1, LinkId::from_u64(1)), Err(Error::State(_))));
    assert!(matches!(node.group_remove(1, None), Err(Error::State(_))));
    assert!(node.group(1).is_empty() && node.broadcast_group(1, CHAT, &Bytes::new(), &options).is_err());
    node.start().and_then(|()| node.stop(Duration::ZERO)).expect("in time");
    assert!(matches!(node.group_add(1, LinkId::from_u64(1)), Err(Error::Stopped)));
    assert!(matches!(node.group_remove(1, None), Err(Error::Stopped)));
    assert!(matches!(node.broadcast_group(1, CHAT, &Bytes::new(), &options), Err(SendError::Stopped)));
    assert!(node.group(1).is_empty());
}
