//! bowline's half of the comparison: two nodes, one link, one application channel with default queues, through the public API alone.
//! The application is the thread that calls: it sends message by message, and receives in batches.

use crate::harness::measure::{Figures, Trips, Window};
use crate::harness::task::{Cell, Task};
use bowline::{Builder, Channel, ChannelId, Error, Event, Node, RecvError, SendError, Sender, generate_identity};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

const CHANNEL: ChannelId = ChannelId(0x10);
/// Events taken at once: what fits the caches together with what they point to.
const BATCH: usize = 512;
/// Nothing here waits longer; the other end is gone then.
const PATIENCE: Duration = Duration::from_secs(10);

/// The receiving end: a node that listens and tells where through `ready`.
pub fn receive(task: &Task, ready: impl FnOnce(SocketAddr)) -> Result<Figures, String> {
    let node = start().map_err(|error| error.to_string())?;
    ready(*node.listen_addresses().first().ok_or("the node listens nowhere")?);
    let figures = match task.cell {
        Cell::Throughput { .. } => count(task, &node),
        Cell::RoundTrip { size, .. } => echo(size, &node),
    };
    // A drain would only wait for messages that nobody counts any more.
    let _ = node.stop(Duration::ZERO);
    figures
}

/// The sending end.
pub fn send(task: &Task, to: SocketAddr) -> Result<Figures, String> {
    let node = start().map_err(|error| error.to_string())?;
    let link = node.connect(&to.to_string(), PATIENCE).map_err(|error| error.to_string())?;
    let sender = node.sender(link, CHANNEL).map_err(|error| error.to_string())?;
    let figures = match task.cell {
        Cell::Throughput { size, .. } => Ok(pour(size, &sender)),
        Cell::RoundTrip { size, .. } => trips(task, size, &node, &sender),
    };
    let _ = node.stop(Duration::ZERO);
    figures
}

fn start() -> Result<Node, Error> {
    let identity = generate_identity(0, &mut |_, _| true)?.ok_or(Error::NoIdentity)?;
    let node = Builder::new()
        .set("network.name", "bench")?
        .set("network.pow_bits", "0")?
        .set("network.allow_private", "true")?
        .set("listen.addresses", "127.0.0.1:0")?
        .set("discovery.bootstrap", "true")?
        .identity(identity)
        .channel(Channel::new(CHANNEL.0, "bench"))?
        .build()?;
    node.start()?;
    Ok(node)
}

fn count(task: &Task, node: &Node) -> Result<Figures, String> {
    let mut window = Window::new(task.warm_up, task.span);
    let mut events = Vec::with_capacity(BATCH);
    loop {
        receive_some(node, &mut events)?;
        let (mut messages, mut bytes) = (0, 0);
        for event in events.drain(..) {
            match event {
                Event::Message(message) => {
                    std::hint::black_box(message.body.first());
                    messages += 1;
                    bytes += message.body.len() as u64;
                }
                Event::Down(down) => return Err(format!("the link closed before the measurement ended: {}", down.reason)),
                _ => {}
            }
        }
        if messages > 0
            && let Some(figures) = window.note(messages, bytes)
        {
            return Ok(figures);
        }
    }
}

/// Sends until the receiver has seen enough and closes.
fn pour(size: usize, sender: &Sender) -> Figures {
    let message = Bytes::from(vec![0x5a; size]);
    // The clock is read about as often as in the pipe, once for 64 KiB.
    let step = (64 * 1_024 / size).max(1) as u64;
    let mut window = Window::endless();
    let mut sent = 0;
    while push(sender, &message).is_ok() {
        sent += 1;
        if sent == step {
            window.note(sent, sent * size as u64);
            sent = 0;
        }
    }
    window.end()
}

/// A message of many bytes is shared with the library instead of copied, as a program does that has it in a `Bytes`.
fn push(sender: &Sender, message: &Bytes) -> Result<(), SendError> {
    match sender.try_send_bytes(message) {
        Err(SendError::Full) => sender.send_bytes(message, Some(PATIENCE)),
        other => other,
    }
}

fn echo(size: usize, node: &Node) -> Result<Figures, String> {
    let answer = Bytes::from(vec![0x5a; size]);
    let mut events = Vec::with_capacity(BATCH);
    let mut sender = None;
    loop {
        receive_some(node, &mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Up(up) => sender = Some(node.sender(up.link, CHANNEL).map_err(|error| error.to_string())?),
                Event::Message(_) => {
                    let sender = sender.as_ref().ok_or("a message before its link was up")?;
                    push(sender, &answer).map_err(|error| error.to_string())?;
                }
                Event::Down(_) => return Ok(Figures::default()),
                _ => {}
            }
        }
    }
}

fn trips(task: &Task, size: usize, node: &Node, sender: &Sender) -> Result<Figures, String> {
    let question = Bytes::from(vec![0x5a; size]);
    let mut trips = Trips::new(task.warm_up, task.span);
    let mut events = Vec::with_capacity(BATCH);
    loop {
        trips.begin();
        push(sender, &question).map_err(|error| error.to_string())?;
        loop {
            receive_some(node, &mut events)?;
            if events.drain(..).any(|event| matches!(event, Event::Message(_))) {
                break;
            }
        }
        if let Some(figures) = trips.end() {
            return Ok(figures);
        }
    }
}

fn receive_some(node: &Node, events: &mut Vec<Event>) -> Result<(), String> {
    match node.recv_batch(events, BATCH, Some(PATIENCE)) {
        Ok(_) => Ok(()),
        Err(RecvError::Timeout) => Err(format!("nothing came for {} s", PATIENCE.as_secs())),
        Err(error) => Err(error.to_string()),
    }
}
