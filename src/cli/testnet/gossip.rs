//! The second phase: messages from random nodes, flooded. Each node passes a message on to all its links when it sees it for the first
//! time, as an application would: over a channel, with an id to know it again.

use super::command::Interrupted;
use super::figures::Figures;
use super::plan::{GOSSIP, Swarm};
use super::view::View;
use crate::cli::args::Testnet;
use crate::cli::host::Stop;
use bowline::base::rng::Rng;
use bowline::{Channel, Event, Message, Node, RecvError};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Messages under way at once, and their bytes: the network is to be used, not to be buried.
const UNDER_WAY_MAX: usize = 8;
const UNDER_WAY_BYTES_MAX: usize = 4 << 20;
/// A message that has made no progress for so long is lost.
const STALL: Duration = Duration::from_secs(10);
/// How often the view is brought up to date.
const TICK: Duration = Duration::from_millis(100);
/// Events that an application takes at once.
const BATCH: usize = 256;

/// How long copies that do not come are waited for.
const SETTLE: Duration = Duration::from_secs(2);

/// The gossip in numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub published: u32,
    /// Messages that have reached every other node.
    pub complete: usize,
    /// Times that a node saw a message for the first time, and how many there ought to be.
    pub deliveries: u64,
    pub expected: u64,
    /// Messages received, the same ones again included.
    pub copies: u64,
    /// Copies that did not go into a full queue.
    pub skipped: u64,
}

/// The head of a message: its number, who sent it first, and when (nanoseconds since the network was planned).
struct Head {
    number: u32,
    origin: u32,
    sent: u64,
}

impl Head {
    const BYTES: usize = 16;

    /// A message of `size` bytes with this head.
    fn message(&self, size: usize) -> Bytes {
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.origin.to_le_bytes());
        bytes.extend_from_slice(&self.sent.to_le_bytes());
        bytes.resize(size.max(Head::BYTES), 0);
        Bytes::from(bytes)
    }

    fn read(message: &[u8]) -> Option<Head> {
        let (head, _) = message.split_first_chunk::<{ Head::BYTES }>()?;
        let word = |at: usize| head[at..at + 4].try_into().map(u32::from_le_bytes).expect("four bytes of sixteen");
        let sent = head[8..].try_into().map(u64::from_le_bytes).expect("eight bytes of sixteen");
        Some(Head { number: word(0), origin: word(4), sent })
    }
}

/// What the applications of all nodes share.
pub struct Shared {
    begun: Instant,
    size: usize,
    /// Nodes that a message must reach: all but its origin.
    others: u32,
    /// Nodes that have each message.
    reached: Vec<AtomicU32>,
    deliveries: AtomicU64,
    /// Copies of messages that were put into send queues, and that came out at other nodes.
    queued: AtomicU64,
    copies: AtomicU64,
    /// Copies that did not go into a full send queue.
    skipped: AtomicU64,
    done: (Sender<u32>, Receiver<u32>),
}

impl Shared {
    pub fn new(args: &Testnet) -> Shared {
        let messages = args.messages as usize;
        Shared {
            begun: Instant::now(),
            size: args.size,
            others: args.nodes - 1,
            reached: (0..messages).map(|_| AtomicU32::new(0)).collect(),
            deliveries: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            // Every message ends once, so a send never waits.
            done: bounded(messages.max(1)),
        }
    }

    /// The channel of the gossip. Its queues hold twice what is under way, so that none of it is skipped.
    pub fn channel(&self) -> Channel {
        let queue = (2 * UNDER_WAY_MAX * self.size).max(1 << 20);
        let queue = u32::try_from(queue).expect("sixteen messages of at most 1 MiB");
        Channel { send_queue_bytes: queue, ..Channel::new(GOSSIP.0, "gossip") }
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    /// Where the gossip stands.
    fn tally(&self, published: u32) -> Tally {
        let complete = self.reached.iter().filter(|reached| reached.load(Ordering::Relaxed) >= self.others).count();
        Tally {
            published,
            complete,
            deliveries: self.deliveries.load(Ordering::Relaxed),
            expected: u64::from(published) * u64::from(self.others),
            copies: self.copies.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }

    /// Waits until every copy that was queued has arrived, so that what the links carried can be compared with what they were given.
    /// Copies on a link that closed never arrive, so it ends as well when nothing has come for a while.
    fn settle(&self, stop: &Stop) -> Result<(), Interrupted> {
        let count = || self.copies.load(Ordering::Relaxed);
        let mut progress = (Instant::now(), count());
        while count() < self.queued.load(Ordering::Relaxed) && progress.0.elapsed() < SETTLE {
            if count() > progress.1 {
                progress = (Instant::now(), count());
            }
            if stop.signals.recv_timeout(TICK / 10).is_ok() {
                return Err(Interrupted);
            }
        }
        Ok(())
    }

    /// Passes a message on to every link but the one it came from.
    fn pass_on(&self, node: &Node, message: &Bytes, from: Option<&Message>) {
        // It fails only while the node stops, and then nobody is to get it.
        if let Ok(result) = node.broadcast(GOSSIP, message, from.map(|from| from.link)) {
            self.queued.fetch_add(result.queued as u64, Ordering::Relaxed);
            self.skipped.fetch_add(result.full as u64, Ordering::Relaxed);
        }
    }
}

/// One node's application: reads everything, passes on what is new, and notes when it came.
pub struct Inbox {
    index: u32,
    seen: Vec<bool>,
    /// From the first sending to the first arrival here, nanoseconds.
    pub latencies: Histogram<u64>,
    /// When the last new message came.
    pub last: Duration,
}

impl Inbox {
    pub fn new(index: u32, shared: &Shared) -> Inbox {
        Inbox { index, seen: vec![false; shared.reached.len()], latencies: latencies(), last: Duration::ZERO }
    }

    /// Reads until the node has stopped.
    pub fn attend(mut self, node: &Node, shared: &Shared) -> Inbox {
        let mut events = Vec::with_capacity(BATCH);
        loop {
            match node.recv_batch(&mut events, BATCH, Some(Duration::from_secs(1))) {
                Ok(_) | Err(RecvError::Timeout) => {}
                Err(_) => return self,
            }
            for event in events.drain(..) {
                if let Event::Message(message) = event {
                    self.take(node, shared, &message);
                }
            }
        }
    }

    fn take(&mut self, node: &Node, shared: &Shared, message: &Message) {
        shared.copies.fetch_add(1, Ordering::Relaxed);
        let Some(head) = Head::read(&message.body) else { return };
        let Some(seen) = self.seen.get_mut(head.number as usize) else { return };
        if head.origin == self.index || std::mem::replace(seen, true) {
            return;
        }
        let now = shared.now();
        self.latencies.saturating_record(now.saturating_sub(head.sent));
        self.last = Duration::from_nanos(now);
        shared.pass_on(node, &message.body, Some(message));
        shared.deliveries.fetch_add(1, Ordering::Relaxed);
        if shared.reached[head.number as usize].fetch_add(1, Ordering::Relaxed) + 1 == shared.others {
            // The channel has room for every message, and its receiver lives as long as `shared`.
            let _ = shared.done.0.send(head.number);
        }
    }
}

/// Up to a minute, three digits: what takes longer is recorded as a minute.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("a minute and three digits are within bounds")
}

/// Sends the messages, so many at a time, and waits until they have reached everybody or make no progress any more.
pub fn flood(
    swarm: &Swarm,
    args: &Testnet,
    stop: &Stop,
    view: &mut View,
    figures: &mut Figures,
) -> Result<Result<(), Interrupted>, String> {
    if args.messages == 0 {
        return Ok(Ok(()));
    }
    view.phase("gossiping");
    let shared = &swarm.shared;
    let mut rng = Rng::from_seed(args.seed).fork("origins");
    let window = (UNDER_WAY_BYTES_MAX / args.size).clamp(1, UNDER_WAY_MAX);
    let (mut published, mut under_way) = (0, 0);
    let mut progress = (Instant::now(), 0);
    let begun = shared.now();
    let mut outcome = Ok(());
    while published < args.messages || under_way > 0 {
        if published < args.messages && under_way < window {
            let origin = rng.index(swarm.members.len());
            let head = Head { number: published, origin: origin as u32, sent: shared.now() };
            shared.pass_on(&swarm.members[origin].node, &head.message(args.size), None);
            published += 1;
            under_way += 1;
            continue;
        }
        select! {
            recv(shared.done.1) -> _ => under_way -= 1,
            recv(stop.signals) -> _ => {
                outcome = Err(Interrupted);
                break;
            }
            default(TICK) => {}
        }
        let deliveries = shared.deliveries.load(Ordering::Relaxed);
        view.gossiped(deliveries);
        if deliveries > progress.1 {
            progress = (Instant::now(), deliveries);
        } else if progress.0.elapsed() >= STALL {
            break;
        }
    }
    let outcome = outcome.and_then(|()| shared.settle(stop));
    let tally = shared.tally(published);
    view.gossiped(tally.deliveries);
    figures.gossiped(&swarm.members, Duration::from_nanos(begun), tally);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let message = Head { number: 7, origin: 3, sent: 1 << 40 }.message(64);
        let head = Head::read(&message).expect("a whole head");
        assert_eq!((message.len(), head.number, head.origin, head.sent), (64, 7, 3, 1 << 40));
        assert!(Head::read(&message[..15]).is_none());
    }
}
