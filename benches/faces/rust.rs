//! What is measured, through the Rust API. The programs in C and Go beside it do the same, step by step.

use crate::harness::measure::{Figures, Trips, Window};
use crate::harness::task::{Cell, Task, Way};
use bowline::{
    Builder, Channel, ChannelId, Error, Event, Kind, LinkId, Message, Node, Outcome, RecvError, RequestId, generate_identity,
};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CHANNEL: ChannelId = ChannelId(0x10);
/// Events taken at once.
const BATCH: usize = 256;
/// Nothing here waits longer; the other end is gone then.
const PATIENCE: Duration = Duration::from_secs(10);

/// The receiving end: counts messages, or answers requests until the link closes.
pub fn receive(task: &Task, ready: impl FnOnce(SocketAddr)) -> Result<Figures, String> {
    let node = start().map_err(|error| error.to_string())?;
    ready(*node.listen_addresses().first().ok_or("the node listens nowhere")?);
    let figures = match task.cell {
        Cell::Throughput { .. } => count(task, &node),
        Cell::RoundTrip { size, .. } => answer(size, &node),
    };
    // A drain would only wait for messages that nobody counts any more.
    let _ = node.stop(Duration::ZERO);
    figures
}

/// The sending end.
pub fn send(task: &Task, to: SocketAddr) -> Result<Figures, String> {
    let node = start().map_err(|error| error.to_string())?;
    let link = node.connect(&to.to_string(), PATIENCE).map_err(|error| error.to_string())?;
    let figures = match task.cell {
        Cell::Throughput { size, way } => pour(size, way, &node, link),
        Cell::RoundTrip { size, at_once: 1 } => ask(task, size, &node, link),
        Cell::RoundTrip { size, at_once } => ask_many(task, size, at_once, &node, link),
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

fn receive_some(node: &Node, events: &mut Vec<Event>) -> Result<(), String> {
    match node.recv_batch(events, BATCH, Some(PATIENCE)) {
        Ok(_) => Ok(()),
        Err(RecvError::Timeout) => Err(format!("nothing came for {} s", PATIENCE.as_secs())),
        Err(error) => Err(error.to_string()),
    }
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
fn pour(size: usize, way: Way, node: &Node, link: LinkId) -> Result<Figures, String> {
    let sender = node.sender(link, CHANNEL).map_err(|error| error.to_string())?;
    let message = vec![0x5a; size];
    let batch = vec![message.as_slice(); if let Way::Batch(count) = way { count } else { 1 }];
    let mut window = Window::endless();
    // The end's figures count what was noted: all at once, as in the other languages.
    let mut sent = 0;
    loop {
        let result = match way {
            Way::Single => sender.send_timeout(&message, PATIENCE).map_err(|_| 0),
            Way::Object => sender.send_bytes(&Bytes::copy_from_slice(&message), Some(PATIENCE)).map_err(|_| 0),
            Way::Batch(_) => sender.send_batch(&batch, PATIENCE).map_err(|unsent| unsent.queued),
        };
        match result {
            Ok(()) => sent += batch.len() as u64,
            Err(some) => {
                sent += some as u64;
                window.note(sent, sent * size as u64);
                return Ok(window.end());
            }
        }
    }
}

fn answer(size: usize, node: &Node) -> Result<Figures, String> {
    let answer = vec![0x5a; size];
    let mut events = Vec::with_capacity(BATCH);
    loop {
        receive_some(node, &mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Message(Message { link, channel, request: number, kind: Kind::Request, .. }) => {
                    let request = RequestId { link, channel, number };
                    // One that the asker does not wait for any more is no fault.
                    let _ = node.respond(request, &Bytes::copy_from_slice(&answer), PATIENCE);
                }
                Event::Down(_) => return Ok(Figures::default()),
                _ => {}
            }
        }
    }
}

fn ask(task: &Task, size: usize, node: &Node, link: LinkId) -> Result<Figures, String> {
    let question = vec![0x5a; size];
    let mut trips = Trips::new(task.warm_up, task.span);
    loop {
        trips.begin();
        let answer = node.request(link, CHANNEL, &Bytes::copy_from_slice(&question), PATIENCE);
        std::hint::black_box(answer.map_err(|error| error.to_string())?.first());
        if let Some(figures) = trips.end() {
            return Ok(figures);
        }
    }
}

/// So many requests wait all the time: each answer brings the next one. The tag is a place, which knows when its request began.
fn ask_many(task: &Task, size: usize, at_once: usize, node: &Node, link: LinkId) -> Result<Figures, String> {
    let question = vec![0x5a; size];
    let mut trips = Trips::new(task.warm_up, task.span);
    let start = |place: usize| {
        let message = Bytes::copy_from_slice(&question);
        let started = node.start_request(link, CHANNEL, &message, PATIENCE, place as u64, None);
        started.map(|_| Instant::now()).map_err(|error| error.to_string())
    };
    let mut begun = (0..at_once).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut events = Vec::with_capacity(BATCH);
    loop {
        receive_some(node, &mut events)?;
        for event in events.drain(..) {
            let Event::Response(response) = event else { continue };
            let Outcome::Answer(answer) = response.outcome else { return Err(format!("no answer: {:?}", response.outcome)) };
            std::hint::black_box(answer.first());
            let place = response.tag as usize;
            if let Some(figures) = trips.end_of(begun[place]) {
                return Ok(figures);
            }
            begun[place] = start(place)?;
        }
    }
}
