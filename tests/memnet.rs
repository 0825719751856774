//! Nodes on the memory network, as whoever writes a protocol tests it: through the public face only, in virtual time, no test waits for anything.

use bowline::{
    Builder, Channel, ChannelId, Error, Event, Fate, LinkId, MemNet, MemWay, Message, Node, NodeState, Outcome, RecvError,
    RequestError, SendError, SendOptions, Standing, Subject, Unsent,
};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const CHAT: ChannelId = ChannelId(0x10);
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 9_732))
}

fn ip(number: u8) -> IpAddr {
    at(number).ip()
}

fn builder(net: &MemNet, number: u8, more: &[(&str, &str)]) -> Builder {
    let listen = at(number).to_string();
    let set = [
        ("network.name", "memory"),
        ("network.pow_bits", "0"),
        ("network.allow_private", "true"),
        ("discovery.bootstrap", "true"),
        ("listen.addresses", &listen),
    ];
    let builder = set.iter().chain(more).fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("a key"));
    let builder = builder.channel(Channel::new(CHAT.0, "chat")).expect("a channel");
    builder.identity(net.identity(u64::from(number)).expect("libsodium works")).memnet(net)
}

fn node(net: &MemNet, number: u8) -> Node {
    let node = builder(net, number, &[]).build().expect("valid");
    node.start().expect("the address is free");
    node
}

fn events(node: &Node) -> Vec<Event> {
    std::iter::from_fn(|| node.try_recv().ok()).collect()
}

/// A link between two nodes, by its ids at both.
fn linked(net: &MemNet, from: &Node, to: &Node) -> (LinkId, LinkId) {
    from.dial(to.listen_addresses()[0], None, 7).expect("it may dial");
    net.advance(SECOND).expect("from outside");
    (from.find_peer(&to.id()).expect("a link"), to.find_peer(&from.id()).expect("a link"))
}

fn messages(node: &Node) -> Vec<Message> {
    events(node).into_iter().filter_map(|event| if let Event::Message(message) = event { Some(message) } else { None }).collect()
}

#[test]
fn two_nodes_meet_and_a_message_takes_as_long_as_the_way() {
    let net = MemNet::new(1);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let way = |ms: u64| MemWay { latency: Duration::from_millis(ms), ..MemWay::default() };
    net.set_way(ip(1), ip(2), way(40)).expect("both are there");
    net.set_way(ip(2), ip(1), way(3)).expect("both are there");
    let (to_b, to_a) = linked(&net, &a, &b);
    assert!(matches!(events(&a)[..], [Event::State(NodeState::Running), Event::Up(ref up)] if up.tag == Some(7)));
    events(&b);
    assert_eq!(net.now(), SECOND);
    a.try_send(to_b, CHAT, b"hello").expect("room");
    assert_eq!(b.try_recv().err(), Some(RecvError::Timeout), "nothing happens by itself");
    net.advance(40 * MS - Duration::from_nanos(1)).expect("from outside");
    assert_eq!(b.try_recv().err(), Some(RecvError::Timeout));
    net.advance(Duration::from_nanos(1)).expect("from outside");
    let got = messages(&b);
    assert_eq!((&got[0].body[..], net.time_of(got[0].at)), (&b"hello"[..], SECOND + 40 * MS));
    b.try_send(to_a, CHAT, b"well met").expect("room");
    assert_eq!(net.advance_to_event(SECOND).ok(), Some(true));
    assert_eq!(net.now(), SECOND + 43 * MS, "the other direction is another way");
    assert_eq!(&messages(&a)[0].body[..], b"well met");
}

#[test]
fn what_nobody_can_take_any_more_is_no_event() {
    let net = MemNet::new(1);
    let build = |number| builder(&net, number, &[]).build().expect("valid");
    let (a, b) = (build(1), build(2));
    let dropped = b.queue().expect("before the start");
    b.bind(CHAT, &dropped).expect("the channel is there");
    let twin = dropped.clone();
    drop(dropped);
    [&a, &b].into_iter().for_each(|node| node.start().expect("the address is free"));
    let (to_b, _) = linked(&net, &a, &b);
    for node in [&a, &b] {
        events(node);
    }
    a.try_send(to_b, CHAT, b"hello").expect("room");
    assert_eq!(net.advance_to_event(SECOND).ok(), Some(true), "a clone can take it");
    let now = net.now();
    drop(twin);
    assert_eq!(net.advance_to_event(SECOND).ok(), Some(false), "nobody can");
    assert_eq!(net.now(), now + SECOND);
    b.stop(Duration::ZERO).expect("from outside");
    let stopped = |node: &Node| events(node).iter().any(|event| matches!(event, Event::State(NodeState::Stopped)));
    assert!(stopped(&b));
    net.advance(SECOND).expect("from outside");
    events(&a);
    assert_eq!(net.advance_to_event(SECOND).ok(), Some(false), "after the stop neither");
}

/// A gossip of its own: whoever has a rumour tells it to all its links, once.
struct Gossip {
    net: MemNet,
    nodes: Vec<Node>,
    heard: Vec<Vec<(Vec<u8>, Duration)>>,
    log: String,
}

impl Gossip {
    fn new(seed: u64, count: u8) -> Gossip {
        let net = MemNet::new(seed);
        let nodes: Vec<Node> = (1..=count)
            .map(|number| {
                let seed = at(1).to_string();
                let seeds: &[(&str, &str)] = if number == 1 { &[] } else { &[("discovery.seeds", &seed)] };
                let node = builder(&net, number, seeds).build().expect("valid");
                node.start().expect("the address is free");
                node
            })
            .collect();
        net.set_all_ways(MemWay { latency: 30 * MS, jitter: 20 * MS, ..MemWay::default() }).expect("in range");
        let heard = vec![Vec::new(); nodes.len()];
        Gossip { net, nodes, heard, log: String::new() }
    }

    fn tell(&mut self, from: usize, rumour: &[u8]) {
        self.heard[from].push((rumour.to_vec(), self.net.now()));
        self.nodes[from].broadcast(CHAT, &Bytes::copy_from_slice(rumour), None).expect("the channel is there");
    }

    /// Lives for so long.
    fn run(&mut self, time: Duration) {
        let end = self.net.now() + time;
        while self.net.advance_to_event(end - self.net.now()).expect("from outside") {
            for (number, node) in self.nodes.iter().enumerate() {
                for event in events(node) {
                    self.log += &format!("{:?} {number}: {event:?}\n", self.net.now());
                    let Event::Message(message) = event else { continue };
                    if self.heard[number].iter().all(|(known, _)| known[..] != message.body[..]) {
                        self.heard[number].push((message.body.to_vec(), self.net.now()));
                        node.broadcast(CHAT, &message.body, Some(message.link)).expect("the channel is there");
                    }
                }
            }
        }
        assert_eq!(self.net.now(), end);
    }

    /// How many nodes have heard of it, and when the last of them did.
    fn reach(&self, rumour: &[u8]) -> (usize, Duration) {
        let times = self.heard.iter().filter_map(|all| all.iter().find(|(known, _)| known[..] == *rumour)).map(|(_, at)| *at);
        (times.clone().count(), times.max().unwrap_or_default())
    }

    fn links(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.peers().len()).collect()
    }
}

#[test]
fn a_network_finds_itself_gossips_is_parted_and_grows_together_again_in_virtual_time() {
    let mut gossip = Gossip::new(5, 6);
    gossip.run(300 * SECOND);
    assert!(gossip.links().iter().all(|links| *links >= 3), "seeds, exchange and maintenance linked them: {:?}", gossip.links());
    gossip.tell(3, b"first");
    let begin = gossip.net.now();
    gossip.run(SECOND);
    let (count, last) = gossip.reach(b"first");
    assert!(count == 6 && (30 * MS..=300 * MS).contains(&(last - begin)), "{count} by {last:?}");
    for (one, other) in (1..=3).flat_map(|one| (4..=6).map(move |other| (one, other))) {
        gossip.net.set_cut(ip(one), ip(other), true).expect("both are there");
    }
    gossip.run(600 * SECOND);
    assert!(gossip.links().iter().all(|links| *links == 2), "each side is whole, and no more: {:?}", gossip.links());
    gossip.tell(0, b"of one half");
    gossip.run(60 * SECOND);
    assert_eq!(gossip.reach(b"of one half").0, 3);
    gossip.net.set_all_cut(false).expect("from outside");
    gossip.run(1_200 * SECOND);
    assert!(gossip.links().iter().all(|links| *links >= 3), "{:?}", gossip.links());
    gossip.tell(5, b"of all");
    gossip.run(SECOND);
    assert_eq!(gossip.reach(b"of all").0, 6);
}

#[test]
fn the_same_seed_and_calls_give_the_same_events_and_another_seed_gives_others() {
    let run = |seed: u64| {
        let mut gossip = Gossip::new(seed, 5);
        gossip.run(300 * SECOND);
        gossip.tell(2, b"rumour");
        gossip.net.set_way(ip(1), ip(2), MemWay { latency: 5 * MS, loss_ppm: 200_000, ..MemWay::default() }).expect("in range");
        gossip.run(600 * SECOND);
        let fingerprint = gossip.net.fingerprint().expect("from outside");
        (gossip.log, fingerprint)
    };
    let (log, fingerprint) = run(11);
    assert!(log.contains("Up(") && log.contains("Message(") && log.contains("Down("), "{log}");
    assert_eq!((log.clone(), fingerprint), run(11));
    let (other, its) = run(12);
    assert!(other != log && its != fingerprint);
}

#[test]
fn two_networks_share_nothing() {
    let (one, other) = (MemNet::new(1), MemNet::new(1));
    let (a, b) = (node(&one, 1), node(&other, 2));
    let (twin, far) = (node(&other, 1), node(&one, 2));
    a.dial(at(2), None, 1).expect("it may dial");
    one.advance(60 * SECOND).expect("from outside");
    assert_eq!(other.now(), Duration::ZERO);
    other.advance(SECOND).expect("from outside");
    assert!(a.find_peer(&far.id()).is_some());
    assert!(b.peers().is_empty() && twin.peers().is_empty());
}

#[test]
fn a_cut_ends_links_as_a_dead_wire_does_and_after_it_they_come_back() {
    let net = MemNet::new(2);
    let (a, b) = (builder(&net, 1, &[("discovery.persistent", "10.0.0.2:9732")]), node(&net, 2));
    let a = a.build().and_then(|node| node.start().map(|()| node)).expect("it starts");
    net.advance(10 * SECOND).expect("from outside");
    let link = a.find_peer(&b.id()).expect("a persistent peer is dialed at once");
    net.set_cut(ip(1), ip(2), true).expect("both are there");
    a.try_send(link, CHAT, b"into the void").expect("room");
    net.advance(20 * SECOND).expect("from outside");
    assert!(a.link(link).is_some(), "a short cut is survived");
    net.advance(120 * SECOND).expect("from outside");
    assert!(a.link(link).is_none() && b.find_peer(&a.id()).is_none());
    let down = |node: &Node| events(node).iter().any(|event| matches!(event, Event::Down(_)));
    assert!(down(&a) && down(&b));
    net.set_cut(ip(1), ip(2), false).expect("both are there");
    net.advance(600 * SECOND).expect("from outside");
    assert!(a.find_peer(&b.id()).is_some());
    net.set_all_cut(true).expect("from outside");
    net.advance(120 * SECOND).expect("from outside");
    assert!(a.find_peer(&b.id()).is_none());
    net.set_cut(ip(1), ip(2), false).expect("both are there");
    net.advance(600 * SECOND).expect("from outside");
    assert!(a.find_peer(&b.id()).is_some(), "what is said of two holds more than what was said of all");
    net.set_all_cut(true).expect("from outside");
    net.advance(120 * SECOND).expect("from outside");
    assert!(a.find_peer(&b.id()).is_none(), "until something is said of all again");
}

#[test]
fn loss_resets_streams_and_a_rate_makes_bytes_wait() {
    let net = MemNet::new(3);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let (to_b, _) = linked(&net, &a, &b);
    events(&b);
    net.set_way(ip(1), ip(2), MemWay { rate: 10_000, ..MemWay::default() }).expect("in range");
    let begin = net.now();
    a.try_send(to_b, CHAT, &[7; 50_000]).expect("room");
    net.advance(60 * SECOND).expect("from outside");
    let arrived = net.time_of(messages(&b)[0].at) - begin;
    assert!((5 * SECOND..6 * SECOND).contains(&arrived), "50 KB at 10 KB a second: {arrived:?}");
    net.set_way(ip(1), ip(2), MemWay { loss_ppm: 1_000_000, ..MemWay::default() }).expect("in range");
    a.try_send(to_b, CHAT, b"lost").expect("room");
    net.advance(SECOND).expect("from outside");
    assert!(a.link(to_b).is_none() && messages(&b).is_empty());
}

#[test]
fn a_request_is_late_in_virtual_time() {
    let net = MemNet::new(4);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let (to_b, _) = linked(&net, &a, &b);
    events(&a);
    a.start_request(to_b, CHAT, &Bytes::from_static(b"?"), 3_600 * SECOND, 9, None).expect("asked");
    net.advance(3_600 * SECOND - MS).expect("from outside");
    assert!(events(&a).is_empty(), "an hour is not over");
    net.advance(MS).expect("from outside");
    assert!(matches!(&events(&a)[..], [Event::Response(response)] if response.tag == 9 && response.outcome == Outcome::TimedOut));
}

#[test]
fn messages_expire_and_bans_end_in_virtual_time() {
    let net = MemNet::new(14);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let (to_b, _) = linked(&net, &a, &b);
    // A quarter of a megabyte at two kilobytes a second: what comes behind it waits.
    net.set_way(ip(1), ip(2), MemWay { rate: 2_000, ..MemWay::default() }).expect("in range");
    let fill = |_: &usize| a.try_send(to_b, CHAT, &[0; 60_000]).is_ok();
    assert!((0..100).take_while(fill).count() < 100, "the queue is full");
    net.advance(SECOND).expect("from outside");
    // The stream's buffer has taken most of it; half of this stays in the queue.
    assert!(fill(&0) && fill(&0));
    events(&a);
    let options = SendOptions { ttl: Some(3 * SECOND), tag: Some(4), ..SendOptions::default() };
    a.send_with(to_b, CHAT, &Bytes::from_static(b"soon"), &options).expect("there is room by now");
    net.advance(2_999 * MS).expect("from outside");
    let early = events(&a);
    assert!(early.is_empty(), "{early:?}");
    net.advance(SECOND).expect("from outside");
    assert!(matches!(&events(&a)[..], [Event::Sent(sent)] if (sent.tag, &sent.fate) == (4, &Fate::Expired)));
    a.ban(Subject::Peer(b.id()), Some(3_600 * SECOND), "for an hour").expect("it is no friend");
    net.advance(3_599 * SECOND).expect("from outside");
    let standing = || a.standing(None, Some(&b.id()));
    assert!(matches!(standing(), Standing::Banned) && a.find_peer(&b.id()).is_none());
    net.advance(2 * SECOND).expect("from outside");
    assert_eq!(standing(), Standing::Ordinary);
    let late = node(&net, 3);
    net.advance(SECOND).expect("from outside");
    assert_eq!((late.uptime(), late.now()), (SECOND, a.now()), "one clock, and a life of its own");
}

#[test]
fn what_would_wait_is_refused_and_says_what_to_do() {
    let net = MemNet::new(6);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let (to_b, _) = linked(&net, &a, &b);
    let body = Bytes::from_static(b"x");
    assert_eq!(a.recv().err(), Some(RecvError::Virtual));
    assert_eq!(a.recv_timeout(MS).err(), Some(RecvError::Virtual), "also while something is there");
    assert_eq!(a.send(to_b, CHAT, b"x"), Err(SendError::Virtual));
    assert_eq!(a.send_timeout(to_b, CHAT, b"x", MS), Err(SendError::Virtual));
    let sender = a.sender(to_b, CHAT).expect("it is open");
    assert_eq!(sender.send_batch(&[b"x"], MS), Err(Unsent { queued: 0, why: SendError::Virtual }));
    assert_eq!(sender.send_batch(&[b"x"], Duration::ZERO), Ok(()));
    assert_eq!(a.request(to_b, CHAT, &body, SECOND).err(), Some(RequestError::Send(SendError::Virtual)));
    let refused = |error: Option<Error>| error.is_some_and(|error| error.to_string().contains("MemNet::advance"));
    assert!(refused(a.connect("10.0.0.2:9732", SECOND).err()));
    assert!(refused(a.maintain_and_wait(SECOND).err()));
    assert!(refused(a.discover(to_b, SECOND).err()));
    // What only the node itself must answer is answered.
    assert_eq!(a.channel_stats(to_b).expect("it is open").len(), 1);
    assert!(a.add_persistent("10.0.0.9:9732").expect("it is heard"));
    assert!(!a.add_persistent("10.0.0.9:9732").expect("it is heard in the same moment again"));
    a.save(SECOND).expect("nothing is to be saved");
    assert!(a.recv_timeout(Duration::ZERO).is_ok() && a.send_timeout(to_b, CHAT, b"x", Duration::ZERO).is_ok());
}

#[test]
fn a_node_stops_and_its_address_is_free_again() {
    let net = MemNet::new(7);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let (to_b, _) = linked(&net, &a, &b);
    let twin = builder(&net, 1, &[]).build().expect("valid");
    assert!(matches!(twin.start(), Err(Error::Listen { .. })), "one node for each address");
    a.try_send(to_b, CHAT, b"last words").expect("room");
    a.stop(SECOND).expect("all is sent");
    assert_eq!((a.state(), net.now()), (NodeState::Stopped, SECOND), "it took no time");
    assert!(matches!(a.try_send(to_b, CHAT, b"x"), Err(SendError::Stopped)));
    net.advance(SECOND).expect("from outside");
    let tail: Vec<Event> = events(&b).split_off(2);
    assert!(matches!(&tail[..], [Event::Message(_), Event::Down(down)] if down.told.is_some()), "{tail:?}");
    twin.start().expect("it is free");
    linked(&net, &b, &twin);
    drop(a);
    assert_eq!(twin.state(), NodeState::Running, "who has stopped does not stop its successor");
    drop(twin);
    net.advance(SECOND).expect("a dropped node leaves the others");
    assert!(b.peers().is_empty());
    drop(net);
    assert_eq!(b.state(), NodeState::Running, "a node keeps its network");
    b.memnet().expect("it is on one").advance(SECOND).expect("from outside");
}

#[test]
fn an_address_is_one_nodes_while_there_is_one() {
    let net = MemNet::new(7);
    let both = format!("{},{}", at(1), at(2));
    let of_both = [("listen.addresses", &both[..])];
    let (a, b) = (node(&net, 1), node(&net, 2));
    let refused = builder(&net, 1, &of_both).build().map(drop).expect_err("one is another's").to_string();
    assert!(refused.contains("10.0.0.2 is the address of another node"), "{refused}");
    net.set_cut(ip(1), ip(3), true).expect_err("nobody was there");
    drop((a, b));
    net.advance(SECOND).expect("from outside");
    let wide = builder(&net, 1, &of_both).build().expect("nobody has them any more");
    wide.start().expect("it has both");
    assert_eq!(wide.listen_addresses(), [at(1), at(2)]);
    let c = node(&net, 3);
    c.dial(at(2), None, 7).expect("it may dial");
    net.advance(SECOND).expect("from outside");
    assert!(c.find_peer(&wide.id()).is_some(), "who dials the second address arrives there");
    drop((wide, c));
    net.advance(SECOND).expect("from outside");
    let (a, b) = (node(&net, 1), node(&net, 2));
    a.dial(at(2), None, 7).expect("it may dial");
    net.advance(SECOND).expect("from outside");
    assert!(a.find_peer(&b.id()).is_some(), "two nodes share what one had");
}

#[test]
fn names_addresses_and_ways_must_be_known() {
    let net = MemNet::new(8);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let unknown = net.set_cut(ip(1), ip(77), true).expect_err("nobody is there").to_string();
    assert!(unknown.contains("10.0.0.77"), "{unknown}");
    let far = MemWay { latency: 3_601 * SECOND, ..MemWay::default() };
    assert!(matches!(net.set_all_ways(far), Err(Error::Refused(_))));
    assert!(matches!(net.set_all_ways(MemWay { loss_ppm: 1_000_001, ..MemWay::default() }), Err(Error::Refused(_))));
    assert!(matches!(net.advance(Duration::MAX), Err(Error::State(_))));
    net.set_name("Seed.example", &[ip(2)]);
    a.add_persistent("seed.example:9732").expect("it is heard");
    a.add_persistent("nowhere.example:9732").expect("it is heard");
    net.advance(10 * SECOND).expect("from outside");
    assert!(a.find_peer(&b.id()).is_some());
    let nameless = builder(&net, 3, &[("listen.addresses", "0.0.0.0:9732")]).build().expect("valid");
    nameless.start().expect("it gets an address");
    assert_eq!(nameless.listen_addresses(), [at(3)], "the first that is free");
}

#[test]
fn what_runs_within_may_not_enter() {
    let net = MemNet::new(9);
    let (within, seen) = (net.clone(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
    let notes = std::sync::Arc::clone(&seen);
    let scoring = builder(&net, 1, &[]).score_of_metadata(move |_| {
        notes.lock().expect("no panic").push(within.advance(SECOND).err().map(|error| error.to_string()));
        0
    });
    let a = scoring.build().and_then(|node| node.start().map(|()| node)).expect("it starts");
    let b = node(&net, 2);
    linked(&net, &b, &a);
    let seen = seen.lock().expect("no panic").clone();
    assert!(matches!(&seen[..], [Some(text)] if text.contains("by this thread")), "{seen:?}");
}

/// A node whose last handle goes where nothing can be stopped ends when the network is entered next.
#[test]
fn a_node_may_be_dropped_within() {
    let net = MemNet::new(12);
    let b = node(&net, 2);
    let a = node(&net, 1);
    linked(&net, &b, &a);
    let doomed = std::sync::Mutex::new(Some(a));
    let scoring = builder(&net, 3, &[]).score_of_metadata(move |_| {
        drop(doomed.lock().expect("no panic").take());
        0
    });
    let c = scoring.build().and_then(|node| node.start().map(|()| node)).expect("it starts");
    b.dial(c.listen_addresses()[0], None, 1).expect("it may dial");
    net.advance(SECOND).expect("from outside");
    net.advance(SECOND).expect("from outside");
    assert_eq!(b.peers().len(), 1);
    assert!(b.find_peer(&c.id()).is_some());
    node(&net, 1);
}

#[test]
fn threads_that_advance_take_turns() {
    let net = MemNet::new(13);
    let (a, b) = (node(&net, 1), node(&net, 2));
    let (to_b, _) = linked(&net, &a, &b);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..10).for_each(|_| net.advance(SECOND).expect("nobody is within")));
        }
        scope.spawn(|| (0..10).for_each(|_| a.try_send(to_b, CHAT, b"meanwhile").expect("room")));
    });
    net.advance(SECOND).expect("from outside");
    assert_eq!(net.now(), 22 * SECOND);
    assert_eq!(messages(&b).len(), 10);
}

#[test]
fn a_store_is_kept_without_a_thread() {
    let net = MemNet::new(10);
    let folder = std::env::temp_dir().join(format!("bowline-memnet-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("store").to_string_lossy().into_owned();
    let keeping = || builder(&net, 1, &[("store.path", &file)]).build().and_then(|node| node.start().map(|()| node));
    let (a, b) = (keeping().expect("it starts"), node(&net, 2));
    linked(&net, &a, &b);
    a.save(SECOND).expect("saved");
    a.stop(Duration::ZERO).expect("it stops");
    let again = keeping().expect("it starts");
    assert!(again.known_peers().iter().any(|known| known.id == b.id()));
    again.stop(Duration::ZERO).expect("it stops");
    std::fs::remove_dir_all(&folder).expect("it was ours");
}
