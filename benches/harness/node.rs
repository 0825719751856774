//! What programs with a node have in common: a node with one channel, and its two ends of a measurement. Other subjects have no node and
//! must not come through here.

use super::measure::{Figures, Window};
use super::task::{Cell, Task};
use bowline::{Builder, Channel, ChannelId, Error, Event, LinkId, Node, RecvError, generate_identity};
use std::net::SocketAddr;
use std::time::Duration;

pub const CHANNEL: ChannelId = ChannelId(0x10);
/// Nothing here waits longer; the other end is gone then.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The receiving end: a node that listens and tells where through `ready`. It counts messages, taking `batch` events at once, or has them
/// answered by `answer`, which is given their size.
pub fn receive(
    task: &Task,
    batch: usize,
    ready: impl FnOnce(SocketAddr),
    answer: impl FnOnce(usize, &Node) -> Result<Figures, String>,
) -> Result<Figures, String> {
    let node = start().map_err(|error| error.to_string())?;
    ready(*node.listen_addresses().first().ok_or("the node listens nowhere")?);
    let figures = match task.cell {
        Cell::Throughput { .. } => count(task, batch, &node),
        Cell::RoundTrip { size, .. } => answer(size, &node),
    };
    // A drain would only wait for messages that nobody counts any more.
    let _ = node.stop(Duration::ZERO);
    figures
}

/// The sending end: `act` has a node with a link to the other one.
pub fn send(to: SocketAddr, act: impl FnOnce(&Node, LinkId) -> Result<Figures, String>) -> Result<Figures, String> {
    let node = start().map_err(|error| error.to_string())?;
    let link = node.connect(&to.to_string(), PATIENCE).map_err(|error| error.to_string())?;
    let figures = act(&node, link);
    let _ = node.stop(Duration::ZERO);
    figures
}

/// Adds what has come, up to `batch` events.
pub fn receive_some(node: &Node, events: &mut Vec<Event>, batch: usize) -> Result<(), String> {
    match node.recv_batch(events, batch, Some(PATIENCE)) {
        Ok(_) => Ok(()),
        Err(RecvError::Timeout) => Err(format!("nothing came for {} s", PATIENCE.as_secs())),
        Err(error) => Err(error.to_string()),
    }
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

fn count(task: &Task, batch: usize, node: &Node) -> Result<Figures, String> {
    let mut window = Window::new(task.warm_up, task.span);
    let mut events = Vec::with_capacity(batch);
    loop {
        receive_some(node, &mut events, batch)?;
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
