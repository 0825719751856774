//! What is measured, through the Rust API. The programs in C and Go beside it do the same, step by step.

use crate::harness::measure::{Figures, Trips, Window};
use crate::harness::node::{self, CHANNEL, PATIENCE, receive_some};
use crate::harness::task::{Cell, Task, Way};
use bowline::{Event, Kind, LinkId, Message, Node, Outcome, RequestId};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Instant;

/// Events taken at once.
const BATCH: usize = 256;

/// The receiving end.
pub fn receive(task: &Task, ready: impl FnOnce(SocketAddr)) -> Result<Figures, String> {
    node::receive(task, BATCH, ready, answer)
}

/// The sending end.
pub fn send(task: &Task, to: SocketAddr) -> Result<Figures, String> {
    node::send(to, |node, link| match task.cell {
        Cell::Throughput { size, way } => pour(size, way, node, link),
        Cell::RoundTrip { size, at_once: 1 } => ask(task, size, node, link),
        Cell::RoundTrip { size, at_once } => ask_many(task, size, at_once, node, link),
    })
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
        receive_some(node, &mut events, BATCH)?;
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
        receive_some(node, &mut events, BATCH)?;
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
