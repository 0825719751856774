//! bowline's half of the comparison: two nodes, one link, one application channel with default queues, through the public API alone.
//! The application is the thread that calls: it sends message by message, and receives in batches.

use crate::harness::measure::{Figures, Trips, Window};
use crate::harness::node::{self, CHANNEL, PATIENCE, receive_some};
use crate::harness::task::{Cell, Task};
use bowline::{Event, Node, SendError, Sender};
use bytes::Bytes;
use std::net::SocketAddr;

/// Events taken at once: what fits the caches together with what they point to.
const BATCH: usize = 512;

/// The receiving end.
pub fn receive(task: &Task, ready: impl FnOnce(SocketAddr)) -> Result<Figures, String> {
    node::receive(task, BATCH, ready, echo)
}

/// The sending end.
pub fn send(task: &Task, to: SocketAddr) -> Result<Figures, String> {
    node::send(to, |node, link| {
        let sender = node.sender(link, CHANNEL).map_err(|error| error.to_string())?;
        match task.cell {
            Cell::Throughput { size, .. } => Ok(pour(size, &sender)),
            Cell::RoundTrip { size, .. } => trips(task, size, node, &sender),
        }
    })
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
        receive_some(node, &mut events, BATCH)?;
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
            receive_some(node, &mut events, BATCH)?;
            if events.drain(..).any(|event| matches!(event, Event::Message(_))) {
                break;
            }
        }
        if let Some(figures) = trips.end() {
            return Ok(figures);
        }
    }
}
