//! A real node with one good link to an honest node, on which numbered messages flow both ways all the time. Rogues come to it; the bed
//! sees whether the good link notices anything: its messages come in order, it stays the same link, and its peer is never greylisted.

use crate::client::{NETWORK, POW_BITS, bulk, identity};
use crate::wire::PATIENCE;
use bowline::{Builder, Channel, ChannelId, CloseReason, Down, Event, Identity, LinkId, Node, Notice, PeerId, Queue};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The good link's channel; rogues do not announce it.
pub const CHAT: ChannelId = ChannelId(0x10);
/// Between two messages of the good link.
const PACE: Duration = Duration::from_millis(5);

/// See the file's head.
pub struct Bed {
    pub node: Node,
    pub identity: Identity,
    ends: [End; 2],
}

/// What a rogue needs to know.
pub struct Target {
    pub at: SocketAddr,
    /// Who the node is, with its secret: a rogue may pose as it.
    pub victim: Identity,
    /// Who the rogue is.
    pub us: Identity,
}

/// One end of the good link. Two threads say and hear numbers; a number that is out of order ends the one that hears.
struct End {
    node: Node,
    queue: Queue,
    link: LinkId,
    said: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    talker: Option<JoinHandle<()>>,
    listener: Option<JoinHandle<()>>,
}

fn builder(identity: Identity, listen: &str, settings: &[(&str, &str)]) -> Builder {
    let set = [
        ("network.name", NETWORK),
        ("network.pow_bits", &POW_BITS.to_string()),
        ("network.allow_private", "true"),
        ("listen.addresses", listen),
        ("discovery.bootstrap", "true"),
        ("accept.ip_burst", "1000"),
        ("accept.rate", "1000"),
    ];
    let set = set.into_iter().chain(settings.iter().copied());
    let builder = set.fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("in range"));
    builder.identity(identity).channel(Channel::new(CHAT.0, "chat")).and_then(|b| b.channel(bulk())).expect("channels")
}

/// A started node and the queue of its good link.
fn started(builder: Builder) -> (Node, Queue) {
    let node = builder.build().expect("valid settings");
    let queue = node.queue().expect("before the start");
    node.bind(CHAT, &queue).expect("declared");
    node.start().expect("a free port");
    (node, queue)
}

impl Bed {
    /// A node that listens at those addresses, and its honest peer. That one listens nowhere and is told of no address where anybody
    /// does, so that whoever comes is a rogue.
    pub fn new(listen: &str, settings: &[(&str, &str)]) -> Bed {
        let identity = identity(1);
        let secretive = builder(identity.clone(), listen, settings).set("listen.advertise", "127.0.0.1:1").expect("an address");
        let (node, queue) = started(secretive);
        let (honest, far_queue) = started(builder(crate::client::identity(2), "", settings));
        let far = honest.connect(&node.listen_addresses()[0].to_string(), PATIENCE).expect("a good link");
        let Event::Up(up) = event(&node, "the good link's Up") else { panic!("a story begins with Up") };
        let ends = [End::new(node.clone(), queue, up.link), End::new(honest, far_queue, far)];
        let bed = Bed { node, identity, ends };
        bed.is_well("before anything");
        bed
    }

    /// What the rogue of that number needs, where the node listens at its `place`th address.
    pub fn target(&self, place: usize, number: usize) -> Target {
        let at = self.node.listen_addresses()[place];
        Target { at, victim: self.identity.clone(), us: identity(100 + number as u64) }
    }

    fn honest(&self) -> PeerId {
        self.ends[1].node.id()
    }

    /// Waits until connections have ended so often for each reason, and for no other.
    pub fn ended(&self, what: &str, expected: &BTreeMap<CloseReason, u64>) {
        let (end, expected) =
            (Instant::now() + PATIENCE, expected.iter().map(|(reason, count)| (*reason, *count)).collect::<Vec<_>>());
        while self.node.ends() != expected {
            assert!(Instant::now() < end, "{what}: {:?} instead of {expected:?}", self.node.ends());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The next event that `wanted` makes something of. Messages of rogues are nobody's business.
    pub fn wait<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = event(&self.node, what);
            match wanted(&event) {
                Some(found) => return found,
                None => assert!(matches!(event, Event::Message(_)), "{what}: {event:?} came instead"),
            }
        }
    }

    /// The link of a rogue that has just opened it.
    pub fn up(&self, peer: PeerId) -> LinkId {
        self.wait("a rogue's Up", |event| match event {
            Event::Up(up) if up.peer == peer => Some(up.link),
            _ => None,
        })
    }

    /// How a rogue's link ended.
    pub fn down(&self, link: LinkId) -> Down {
        self.wait("a rogue's Down", |event| match event {
            Event::Down(down) if down.link == link => Some(down.clone()),
            _ => None,
        })
    }

    /// How a rogue's link ended, and who was greylisted for what: either may be told first.
    pub fn down_and_greylisted(&self, link: LinkId) -> (Down, (Option<PeerId>, CloseReason)) {
        let (mut ended, mut noted) = (None, None);
        loop {
            match event(&self.node, "a rogue's Down and a notice of greylisting") {
                Event::Down(down) if down.link == link => ended = Some(down),
                Event::Notice(Notice::Greylisted { peer, reason, .. }) => noted = Some((peer, reason)),
                event => assert!(matches!(event, Event::Message(_)), "{event:?} came as well"),
            }
            match (ended, noted) {
                (Some(down), Some(noted)) => return (down, noted),
                other => (ended, noted) = other,
            }
        }
    }

    /// Who was greylisted, and for what.
    pub fn greylisted(&self) -> (Option<PeerId>, SocketAddr, CloseReason) {
        self.wait("a notice of greylisting", |event| match event {
            Event::Notice(Notice::Greylisted { peer, remote, reason }) => Some((*peer, remote.expect("it had a link"), *reason)),
            _ => None,
        })
    }

    /// Messages go on both ways, on the same link, and nothing was told that nobody has asked for.
    pub fn is_well(&self, what: &str) {
        let [near, far] = &self.ends;
        for (from, to) in [(near, far), (far, near)] {
            let said = from.said.load(Ordering::SeqCst);
            to.await_heard(said + 1, what);
        }
        assert_eq!(near.node.find_peer(&self.honest()), Some(near.link), "{what}: the good link is another");
        assert_eq!(far.node.find_peer(&near.node.id()), Some(far.link), "{what}: the good link is another");
        while let Ok(event) = self.node.try_recv() {
            assert!(matches!(event, Event::State(_) | Event::Message(_)), "{what}: {event:?} came as well");
        }
    }

    /// Every number has arrived, nothing was greylisted, and the honest peer may come again.
    pub fn end(mut self) {
        for end in &mut self.ends {
            end.fall_silent();
        }
        self.is_silent_and_well();
        for end in &mut self.ends {
            end.stop_listening();
        }
        let [near, far] = &self.ends;
        far.node.disconnect(far.link, CloseReason::Requested).expect("it is open");
        assert_eq!(self.down(near.link).reason, CloseReason::Goodbye);
        until("the honest peer has parted", || far.node.peers().is_empty());
        let at = near.node.listen_addresses()[0].to_string();
        far.node.connect(&at, PATIENCE).expect("who did nothing may come again");
        self.up(self.honest());
    }

    fn is_silent_and_well(&self) {
        let [near, far] = &self.ends;
        for (from, to) in [(near, far), (far, near)] {
            let said = from.said.load(Ordering::SeqCst);
            assert!(said > 0, "somebody said something");
            to.await_heard(said, "the last number");
        }
        assert_eq!(near.node.find_peer(&self.honest()), Some(near.link));
        assert_eq!(far.node.find_peer(&near.node.id()), Some(far.link));
        if let Ok(event) = self.node.try_recv() {
            panic!("{event:?} came after the last rogue");
        }
    }
}

/// The next event that is not about the node itself.
fn event(node: &Node, what: &str) -> Event {
    loop {
        match node.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}")) {
            Event::State(_) => {}
            event => return event,
        }
    }
}

fn until(what: &str, is_true: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::park_timeout(PACE);
    }
}

impl End {
    fn new(node: Node, queue: Queue, link: LinkId) -> End {
        let (said, heard, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let talker = {
            let (node, said, is_over) = (node.clone(), Arc::clone(&said), Arc::clone(&is_over));
            std::thread::spawn(move || talk(&node, link, &said, &is_over))
        };
        let listener = {
            let (queue, heard) = (queue.clone(), Arc::clone(&heard));
            std::thread::spawn(move || listen(&queue, link, &heard))
        };
        End { node, queue, link, said, heard, is_over, talker: Some(talker), listener: Some(listener) }
    }

    fn await_heard(&self, count: u64, what: &str) {
        until(&format!("{what}: the good link goes on"), || {
            assert!(self.listener.as_ref().is_some_and(|listener| !listener.is_finished()), "{what}: a number was out of order");
            self.heard.load(Ordering::SeqCst) >= count
        });
    }

    fn fall_silent(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.talker.take().expect("once").join().expect("every number was taken");
    }

    fn stop_listening(&mut self) {
        assert!(self.queue.wakeup(0));
        self.listener.take().expect("once").join().expect("every number came in order");
    }
}

impl Drop for End {
    /// A test that fails leaves no thread that says so again.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.queue.wakeup(0);
    }
}

fn talk(node: &Node, link: LinkId, said: &AtomicU64, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let number = said.load(Ordering::SeqCst);
        if let Err(error) = node.send_timeout(link, CHAT, &number.to_be_bytes(), PATIENCE) {
            assert!(is_over.load(Ordering::SeqCst), "the good link takes nothing: {error}");
            return;
        }
        said.store(number + 1, Ordering::SeqCst);
        std::thread::park_timeout(PACE);
    }
}

fn listen(queue: &Queue, link: LinkId, heard: &AtomicU64) {
    loop {
        match queue.recv_timeout(PATIENCE).expect("the good link goes on") {
            Event::Message(message) => {
                let number = heard.load(Ordering::SeqCst);
                assert_eq!((message.link, &message.body[..]), (link, &number.to_be_bytes()[..]));
                heard.store(number + 1, Ordering::SeqCst);
            }
            Event::Wakeup(_) => return,
            Event::Up(up) => assert_eq!(up.link, link),
            Event::State(_) => {}
            event => panic!("{event:?} on the good link"),
        }
    }
}
