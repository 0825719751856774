//! The models of the event queue: receivers that come, sleep and go while the reactor delivers. Part of `tests/wake_model.rs`.

use super::base::time::Time;
use super::bus::event::{Down, Event, Message, Up};
use super::bus::queue::Queue;
use super::flow::batch::{Batch, Entry};
use super::*;

/// An event queue as deliverer and receivers use it.
pub trait Inbox: Send + Sync + 'static {
    /// One hand-over of so many messages.
    fn deliver(&self, messages: u8);
    /// One event at a time: so a hand-over of several needs several receivers, or turns.
    fn take(&self, into: &mut Vec<Event>, deadline: Option<Instant>) -> Result<usize, TakeError>;
    fn end(&self);
}

const QUEUE_LINK: LinkId = LinkId::from_u64(7);

impl Inbox for Queue {
    fn deliver(&self, messages: u8) {
        let entry = |at: u8| Entry { end: u32::from(at) + 1, kind: Kind::Message, request: 0 };
        let entries = (0..messages).map(entry).collect();
        let batch = Batch {
            channel: Some(channel(1).id),
            bytes: (0..messages).collect(),
            entries,
            cost: u32::from(messages),
            requests: 0,
        };
        Queue::deliver(self, QUEUE_LINK, std::iter::once(batch), Time::ZERO);
    }
    fn take(&self, into: &mut Vec<Event>, deadline: Option<Instant>) -> Result<usize, TakeError> {
        Queue::take(self, into, 1, deadline)
    }
    fn end(&self) {
        self.close();
    }
}

/// A queue whose receivers return credit through a doorbell, and the link that its messages come from.
pub fn queue() -> (Arc<Queue>, Arc<Link>) {
    (Arc::new(Queue::new(Box::new(|_| {}))), link(QUEUE_LINK.as_u64(), 8))
}

fn up(link: &Link) -> Up {
    Up {
        link: link.id,
        peer: link.peer,
        direction: link.direction,
        remote: link.remote,
        hello: Arc::clone(&link.hello),
        version: None,
        tag: None,
    }
}

fn down(link: &Link) -> Down {
    let (unsent_messages, unsent_bytes) = (0, 0);
    Down { link: link.id, peer: link.peer, reason: CloseReason::Goodbye, told: None, unsent_messages, unsent_bytes }
}

/// Receivers, and what they have got so far.
struct Receivers {
    got: Arc<(Mutex<Vec<Event>>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

impl Receivers {
    /// One receiver for each deadline; the impatient ones give up when their time is over, the others stay until the end.
    fn start(inbox: &Arc<impl Inbox>, deadlines: &[fn() -> Option<Instant>]) -> Receivers {
        let got = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let receiver = |deadline: fn() -> Option<Instant>| {
            let (inbox, got) = (Arc::clone(inbox), Arc::clone(&got));
            spawn(move || {
                let mut events = Vec::new();
                while inbox.take(&mut events, deadline()).is_ok() {
                    assert!(events.is_sorted_by_key(place), "{events:?}");
                    got.0.lock().expect("not poisoned").push(events[events.len() - 1].clone());
                    got.1.notify_one();
                }
            })
        };
        let threads = deadlines.iter().map(|deadline| receiver(*deadline)).collect();
        Receivers { got, threads }
    }

    /// Waits until so many events were taken. Nobody closes the queue before, so a lost wake-up has no rescue.
    fn await_events(&self, count: usize) {
        let mut got = self.got.0.lock().expect("not poisoned");
        while got.len() < count {
            got = self.got.1.wait(got).expect("not poisoned");
        }
    }

    fn end(self, inbox: &impl Inbox) -> Vec<Event> {
        inbox.end();
        join(self.threads);
        self.got.0.lock().expect("not poisoned").clone()
    }
}

/// An event's place in a link's story.
fn place(event: &Event) -> u8 {
    match event {
        Event::Up(_) => 0,
        Event::Message(message) => 1 + message.body[0],
        Event::Down(_) => u8::MAX,
        _ => panic!("not delivered: {event:?}"),
    }
}

/// A hand-over of two messages while two receivers come and sleep. Each takes one and is busy with it for ever after.
pub fn two_receivers_and_a_deliverer(inbox: Arc<impl Inbox>) {
    let receivers = (0..2).map(|_| {
        let inbox = Arc::clone(&inbox);
        spawn(move || assert_eq!(inbox.take(&mut Vec::new(), patient()), Ok(1)))
    });
    let receivers = receivers.collect();
    inbox.deliver(2);
    join(receivers);
}

#[test]
fn no_event_is_lost_between_two_receivers() {
    explore(|| {
        let (queue, link) = queue();
        queue.open(&link, up(&link));
        assert_eq!(Inbox::take(&*queue, &mut Vec::new(), None), Ok(1), "the link's Up");
        two_receivers_and_a_deliverer(queue);
        assert_eq!(Mailbox::collect(&*link), (0, 2), "the credit came back once");
    });
}

#[test]
fn a_story_is_told_whole_however_early_it_ends() {
    explore(|| {
        let (queue, link) = queue();
        let receivers = Receivers::start(&queue, &[patient, patient]);
        queue.open(&link, up(&link));
        Inbox::deliver(&*queue, 2);
        queue.close_link(down(&link));
        receivers.await_events(4);
        let mut got = receivers.end(&*queue);
        got.sort_by_key(place);
        let places: Vec<u8> = got.iter().map(place).collect();
        assert_eq!(places, [0, 1, 2, u8::MAX]);
    });
}

#[test]
fn a_receiver_whose_time_runs_out_takes_no_wake_up_with_it() {
    explore(|| {
        let (queue, link) = queue();
        let receivers = Receivers::start(&queue, &[impatient, patient]);
        queue.open(&link, up(&link));
        Inbox::deliver(&*queue, 2);
        receivers.await_events(3);
        receivers.end(&*queue);
    });
}

#[test]
fn the_descriptor_says_what_the_queue_holds() {
    explore(|| {
        let (queue, link) = queue();
        let raised = Arc::new(std::sync::Mutex::new(false));
        let shown = Arc::clone(&raised);
        queue.set_readable(Box::new(move |is_readable| {
            let before = std::mem::replace(&mut *shown.lock().expect("not poisoned"), is_readable);
            assert_ne!(before, is_readable, "only changes are told");
        }));
        let receivers = Receivers::start(&queue, &[patient, patient]);
        queue.open(&link, up(&link));
        Inbox::deliver(&*queue, 1);
        receivers.await_events(2);
        assert!(!*raised.lock().expect("not poisoned"), "empty again");
        receivers.end(&*queue);
        assert!(*raised.lock().expect("not poisoned"), "the end can be read for ever");
    });
}

/// The whole way round: a receiver's credit wakes the reactor that sleeps.
#[test]
fn a_taken_message_wakes_the_reactor() {
    explore(|| {
        let node = Node::<Bell>::new();
        let link = link(QUEUE_LINK.as_u64(), 8);
        let bell = Arc::clone(&node);
        let queue = Arc::new(Queue::new(Box::new(move |id| bell.bell.ring_for(id))));
        queue.open(&link, up(&link));
        let receivers = Receivers::start(&queue, &[patient]);
        Inbox::deliver(&*queue, 2);
        node.react(&[link], |had| had.credit == 2);
        receivers.end(&*queue);
    });
}

/// The node sends to itself, and one message fills its place: each sender that waits gets the place that a receiver made.
#[test]
fn who_waits_for_room_to_tell_the_node_itself_is_woken() {
    explore(|| {
        let (queue, link) = queue();
        let message = |at: u8| Message {
            link: LinkId::LOCAL,
            peer: link.peer,
            channel: channel(1).id,
            kind: Kind::Message,
            request: 0,
            at: Time::ZERO,
            body: vec![at].into(),
        };
        let senders = [0, 1].map(|at| {
            let (queue, message) = (Arc::clone(&queue), message(at));
            spawn(move || assert_eq!(queue.push_local(message, (1, 100), patient()), Ok(())))
        });
        for _ in 0..2 {
            assert_eq!(Inbox::take(&*queue, &mut Vec::new(), patient()), Ok(1));
        }
        join(senders.into());
    });
}
