//! The wake protocol under a model checker: the production mailbox files, compiled over shuttle's locks and atomics, in at least
//! 10,000 interleavings for each promise. A wake-up that is lost leaves a thread asleep for ever, and shuttle calls that a deadlock.
//!
//! Every promise has a twin in `wake_model/broken.rs`: the same model with one careless step, which must deadlock. A model whose
//! twin passes sees nothing.
//!
//! `SHUTTLE_RANDOM_SEED=…` explores others; a failure prints a schedule that `shuttle::replay` takes.

use bowline::{base, flow, wire};

/// The files under test, as they are. Only `sync` is another.
#[path = "../src/bus"]
#[allow(dead_code, reason = "the models use a part of what the mailboxes offer")]
mod bus {
    pub mod backlog;
    pub mod bell;
    pub mod command;
    pub mod counters;
    pub mod event;
    pub mod fate;
    pub mod link;
    pub mod outbox;
    pub mod queue;
    pub mod requests;
    pub mod stories;
    #[path = "../../tests/wake_model/sync.rs"]
    pub mod sync;
}
#[path = "wake_model/broken.rs"]
mod broken;
#[path = "wake_model/queues.rs"]
mod queues;

use base::channel::{Channel, Kind};
use base::link_id::LinkId;
use base::peer::PeerId;
use base::reason::CloseReason;
use base::verdict::Direction;
use bus::bell::Bell;
use bus::link::{Body, Link, PushError};
use bus::queue::TakeError;
use queues::{Inbox, queue};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{self, JoinHandle};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use wire::hello::{ChannelOffer, Hello};

/// Interleavings of each model, half of them drawn at random, half with few preemptions at the worst places (PCT).
const SCHEDULES: usize = 10_000;
/// Preemptions that PCT places.
const DEPTH: usize = 3;
const LANE: usize = 0;

/// Explores `model`. Its threads must all end.
fn explore(model: fn()) {
    run(RandomScheduler::new_from_seed(1, SCHEDULES / 2), model);
    run(PctScheduler::new_from_seed(1, DEPTH, SCHEDULES / 2), model);
}

fn run(scheduler: impl Scheduler + 'static, model: fn()) {
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    let schedules = shuttle::Runner::new(scheduler, config).run(model);
    assert!(schedules >= SCHEDULES / 2, "{schedules} schedules were explored");
}

/// A deadline that never comes.
fn patient() -> Option<Instant> {
    Some(start() + Duration::from_secs(1))
}

/// A deadline that may come at any time.
fn impatient() -> Option<Instant> {
    Some(start())
}

fn may_expire(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= start())
}

/// One moment to tell deadlines apart by; no model looks at a clock.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise")]
    *START.get_or_init(Instant::now)
}

/// What the reactor sleeps on: the wake-up of a transport. Many wakes before a sleep are one.
#[derive(Default)]
struct Sleep {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Sleep {
    fn wake(&self) {
        *self.is_woken.lock().expect("not poisoned") = true;
        self.woken.notify_one();
    }

    fn wait(&self) {
        let mut is_woken = self.is_woken.lock().expect("not poisoned");
        while !*is_woken {
            is_woken = self.woken.wait(is_woken).expect("not poisoned");
        }
        *is_woken = false;
    }
}

/// A doorbell as reactor and senders use it.
trait Doorbell: Send + Sync + 'static {
    fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self;
    fn ring_for(&self, link: LinkId);
    fn ring(&self);
    fn doze(&self, is_idle: impl FnOnce() -> bool) -> bool;
    fn rise(&self);
    fn collect(&self, into: &mut Vec<LinkId>);
}

impl Doorbell for Bell {
    fn new(wake: Box<dyn Fn() + Send + Sync>) -> Bell {
        Bell::new(wake)
    }
    fn ring_for(&self, link: LinkId) {
        Bell::ring_for(self, link);
    }
    fn ring(&self) {
        Bell::ring(self);
    }
    fn doze(&self, is_idle: impl FnOnce() -> bool) -> bool {
        Bell::doze(self, is_idle)
    }
    fn rise(&self) {
        Bell::rise(self);
    }
    fn collect(&self, into: &mut Vec<LinkId>) {
        Bell::collect(self, into);
    }
}

/// A link's mailbox as reactor, senders and receivers use it; the twins have another.
trait Mailbox: Send + Sync + 'static {
    fn id(&self) -> LinkId;
    fn push(&self, deadline: Option<Instant>) -> Result<bool, PushError>;
    fn give_back(&self, bytes: u32) -> bool;
    /// Messages and credit taken.
    fn collect(&self) -> (usize, u32);
}

impl Mailbox for Link {
    fn id(&self) -> LinkId {
        self.id
    }
    fn push(&self, deadline: Option<Instant>) -> Result<bool, PushError> {
        Link::push(self, LANE, Kind::Message, 0, Body::Slice(b"m"), deadline)
    }
    fn give_back(&self, bytes: u32) -> bool {
        Link::give_back(self, channel(1).id, bytes)
    }
    fn collect(&self) -> (usize, u32) {
        let (mut messages, mut credit) = (0, 0);
        let is_left = Link::collect(self, |_, pending, taken| {
            messages += pending.len();
            pending.clear();
            credit += std::mem::take(taken);
        });
        assert!(!is_left, "all lanes were emptied");
        (messages, credit)
    }
}

fn channel(queue_messages: u32) -> Channel {
    Channel { send_queue_messages: queue_messages, ..Channel::new(0x10, "model") }
}

fn link(number: u64, queue_messages: u32) -> Arc<Link> {
    let channel = channel(queue_messages);
    let offer = ChannelOffer {
        id: channel.id,
        name: channel.name.clone(),
        message_bytes_max: 100,
        credit: 1_024,
        requests_max: 4,
        segment_cost_min: 0,
    };
    let hello = Arc::new(Hello { channels: vec![offer], ..Hello::default() });
    let (peer, remote) = (PeerId::from_bytes([1; 32]), SocketAddr::from(([10, 0, 0, 1], 1)));
    Arc::new(Link::new(LinkId::from_u64(number), peer, Direction::Inbound, remote, hello, &[channel]))
}

/// The reactor with its doorbell, and a channel of commands.
struct Node<D> {
    bell: D,
    sleep: Arc<Sleep>,
    commands: Mutex<usize>,
}

impl<D: Doorbell> Node<D> {
    fn new() -> Arc<Node<D>> {
        let sleep = Arc::new(Sleep::default());
        let wake = Arc::clone(&sleep);
        Arc::new(Node { bell: D::new(Box::new(move || wake.wake())), sleep, commands: Mutex::new(0) })
    }

    /// As callers do it: into the mailbox, then ring.
    fn push(&self, link: &impl Mailbox) {
        if link.push(patient()).expect("the link stays open") {
            self.bell.ring_for(link.id());
        }
    }

    fn give_back(&self, link: &impl Mailbox, bytes: u32) {
        if link.give_back(bytes) {
            self.bell.ring_for(link.id());
        }
    }

    /// As workers do it: into the channel, then ring.
    fn command(&self) {
        *self.commands.lock().expect("not poisoned") += 1;
        self.bell.ring();
    }

    /// The reactor's loop, as in `Engine::turn` and the thread around it, until it has had enough.
    fn react(&self, links: &[Arc<impl Mailbox>], is_enough: impl Fn(&Had) -> bool) -> Had {
        let mut mail = Vec::new();
        let mut had = Had::default();
        loop {
            had.commands += std::mem::take(&mut *self.commands.lock().expect("not poisoned"));
            self.bell.collect(&mut mail);
            assert!(mail.len() <= links.len(), "a link rings once until it is collected: {mail:?}");
            for id in mail.drain(..) {
                let link = links.iter().find(|link| link.id() == id).expect("only known links ring");
                let (messages, credit) = link.collect();
                had.messages += messages;
                had.credit += credit;
            }
            if is_enough(&had) {
                return had;
            }
            if self.bell.doze(|| *self.commands.lock().expect("not poisoned") == 0) {
                self.sleep.wait();
                self.bell.rise();
            }
        }
    }
}

/// What the reactor got.
#[derive(Debug, Default, PartialEq, Eq)]
struct Had {
    messages: usize,
    credit: u32,
    commands: usize,
}

fn spawn(act: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::spawn(act)
}

fn join(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("no thread of a model panics"));
}

/// Two senders on a link each, one of them with a command as well, and the reactor.
fn two_senders_and_the_reactor<D: Doorbell>() {
    let node = Node::<D>::new();
    let links = [link(1, 8), link(2, 8)];
    let senders = links.iter().cloned().enumerate().map(|(at, link)| {
        let node = Arc::clone(&node);
        spawn(move || {
            node.push(&*link);
            if at == 0 {
                node.command();
            }
            node.push(&*link);
        })
    });
    let senders = senders.collect();
    node.react(&links, |had| *had == Had { messages: 4, credit: 0, commands: 1 });
    join(senders);
}

#[test]
fn no_wake_up_of_the_reactor_is_lost() {
    explore(two_senders_and_the_reactor::<Bell>);
}

/// Two senders share a mailbox with room for one message.
fn two_senders_and_one_place(link: Arc<impl Mailbox>) {
    let node = Node::<Bell>::new();
    let sender = || {
        let (node, link) = (Arc::clone(&node), Arc::clone(&link));
        spawn(move || (0..2).for_each(|_| node.push(&*link)))
    };
    let senders = vec![sender(), sender()];
    node.react(&[link], |had| had.messages == 4);
    join(senders);
}

#[test]
fn a_sender_that_waits_for_room_is_woken_by_collecting() {
    explore(|| two_senders_and_one_place(link(1, 1)));
}

/// A receiver returns credit while a sender pushes: both want the same mark.
fn credit_and_messages(link: Arc<impl Mailbox>) {
    let node = Node::<Bell>::new();
    let receiver = {
        let (node, link) = (Arc::clone(&node), Arc::clone(&link));
        spawn(move || (0..2).for_each(|_| node.give_back(&*link, 10)))
    };
    let sender = {
        let (node, link) = (Arc::clone(&node), Arc::clone(&link));
        spawn(move || (0..2).for_each(|_| node.push(&*link)))
    };
    node.react(&[link], |had| had.messages == 2 && had.credit == 20);
    join(vec![receiver, sender]);
}

#[test]
fn returned_credit_reaches_the_reactor() {
    explore(|| credit_and_messages(link(1, 8)));
}

#[test]
fn a_sender_whose_time_runs_out_holds_nobody_up() {
    explore(|| {
        let node = Node::<Bell>::new();
        let link = link(1, 1);
        let pushed = Arc::new(Mutex::new(0));
        let sender = |deadline: fn() -> Option<Instant>| {
            let (node, link, pushed) = (Arc::clone(&node), Arc::clone(&link), Arc::clone(&pushed));
            spawn(move || {
                for _ in 0..2 {
                    match Mailbox::push(&*link, deadline()) {
                        Ok(rings) => {
                            *pushed.lock().expect("not poisoned") += 1;
                            if rings {
                                node.bell.ring_for(link.id);
                            }
                        }
                        Err(error) => assert_eq!((error, may_expire(deadline())), (PushError::Full, true)),
                    }
                }
                node.command();
            })
        };
        let senders = vec![sender(patient), sender(impatient)];
        // A sender's command comes after its messages, so with both commands all messages are there.
        let had = node.react(&[link], |had| had.commands == 2);
        join(senders);
        assert_eq!(had.messages, *pushed.lock().expect("not poisoned"));
    });
}

/// Everybody waits for something that will never come, and the end of link and queue releases them.
fn the_end_releases_everybody(link: Arc<impl Mailbox + Ending>, inbox: Arc<impl Inbox>) {
    assert_eq!(link.push(None), Ok(true));
    let senders = (0..2).map(|_| {
        let link = Arc::clone(&link);
        spawn(move || assert_eq!(link.push(patient()), Err(PushError::Closed(CloseReason::Requested))))
    });
    let receivers = (0..2).map(|_| {
        let inbox = Arc::clone(&inbox);
        spawn(move || assert_eq!(inbox.take(&mut Vec::new(), patient()), Err(TakeError::Stopped)))
    });
    let threads = senders.chain(receivers).collect();
    link.end();
    inbox.end();
    join(threads);
}

/// How a link is ended.
trait Ending {
    fn end(&self);
}

/// Closed at once.
impl Ending for Link {
    fn end(&self) {
        let left = self.close(CloseReason::Requested);
        assert_eq!((left.messages, left.bytes), (1, 1), "what waited was not sent");
        assert!(!Link::give_back(self, channel(1).id, 1), "nobody rings for a closed link");
    }
}

#[test]
fn the_end_of_link_and_queue_releases_all_who_wait() {
    explore(|| the_end_releases_everybody(link(1, 1), queue().0));
}

#[test]
fn refusing_new_messages_releases_senders_and_keeps_what_waits() {
    explore(|| {
        let link = link(1, 1);
        assert_eq!(Mailbox::push(&*link, None), Ok(true));
        let sender = {
            let link = Arc::clone(&link);
            spawn(move || assert_eq!(Mailbox::push(&*link, patient()), Err(PushError::Closed(CloseReason::Stopped))))
        };
        link.refuse_new(CloseReason::Stopped);
        join(vec![sender]);
        assert_eq!(Mailbox::collect(&*link), (1, 0));
    });
}
