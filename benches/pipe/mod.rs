//! The minimal NaCl pipe: the yardstick that bowline is measured against. Two processes, one connection, one epoll loop a side: the
//! sender packs messages into a buffer, seals it in place and writes it; the receiver reads, opens in place and hands out slices.
//! It has no queue, no second thread, no flow control, no peers: what it reaches is what this cipher and this kernel allow.

mod frame;
mod stream;

use crate::harness::measure::{Figures, Trips, Window};
use crate::harness::task::{Cell, Task};
use frame::{Opener, Sealer};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use stream::Stream;

/// Bytes that the receiver asks the kernel for at once (performance reference, advice 4).
const READ_BYTES: usize = 256 * 1_024;

/// One side of a measurement that receives: accepts one connection on a free port, which it tells through `ready`.
pub fn receive(task: &Task, ready: impl FnOnce(SocketAddr)) -> io::Result<Figures> {
    let listener = StdListener::bind("127.0.0.1:0")?;
    ready(listener.local_addr()?);
    let (socket, _) = listener.accept()?;
    let mut stream = Stream::new(socket)?;
    match task.cell {
        Cell::Throughput { .. } => count(task, &mut stream),
        Cell::RoundTrip { size, .. } => echo(size, &mut stream),
    }
}

/// The other side: sends to `to` until the receiver has seen enough, or makes round trips.
pub fn send(task: &Task, to: SocketAddr) -> io::Result<Figures> {
    let mut stream = Stream::new(std::net::TcpStream::connect(to)?)?;
    match task.cell {
        Cell::Throughput { size, .. } => pour(size, &mut stream),
        Cell::RoundTrip { size, .. } => trips(task, size, &mut stream),
    }
}

fn count(task: &Task, stream: &mut Stream) -> io::Result<Figures> {
    let mut opener = Opener::new(READ_BYTES);
    let mut window = Window::new(task.warm_up, task.span);
    loop {
        let read = stream.read_some(opener.space())?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the sender ended before the measurement did"));
        }
        let mut messages = 0;
        let mut bytes = 0;
        opener.open(read, |piece, is_last| {
            std::hint::black_box(piece.first());
            bytes += piece.len() as u64;
            messages += u64::from(is_last);
        })?;
        if let Some(figures) = window.note(messages, bytes) {
            return Ok(figures);
        }
    }
}

fn pour(size: usize, stream: &mut Stream) -> io::Result<Figures> {
    let message = vec![0x5a; size];
    let mut sealer = Sealer::new();
    let mut window = Window::endless();
    loop {
        let messages = sealer.fill(&message);
        let sealed = sealer.seal();
        if stream.write_all(sealed).is_err() {
            // The receiver has seen enough and is gone; any other failure shows there as an early end.
            return Ok(window.end());
        }
        sealer.clear();
        window.note(messages, messages * size as u64);
    }
}

fn echo(size: usize, stream: &mut Stream) -> io::Result<Figures> {
    let mut opener = Opener::new(READ_BYTES);
    let mut sealer = Sealer::new();
    let answer = vec![0x5a; size];
    loop {
        let read = stream.read_some(opener.space())?;
        if read == 0 {
            return Ok(Figures::default());
        }
        let mut asked = 0;
        opener.open(read, |_, is_last| asked += u64::from(is_last))?;
        for _ in 0..asked {
            sealer.push(&answer);
            stream.write_all(sealer.seal())?;
            sealer.clear();
        }
    }
}

fn trips(task: &Task, size: usize, stream: &mut Stream) -> io::Result<Figures> {
    let mut opener = Opener::new(READ_BYTES);
    let mut sealer = Sealer::new();
    let question = vec![0x5a; size];
    let mut trips = Trips::new(task.warm_up, task.span);
    loop {
        trips.begin();
        sealer.push(&question);
        stream.write_all(sealer.seal())?;
        sealer.clear();
        let mut answers = 0;
        while answers == 0 {
            let read = stream.read_some(opener.space())?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the echo ended before the measurement did"));
            }
            opener.open(read, |_, is_last| answers += u32::from(is_last))?;
        }
        if let Some(figures) = trips.end() {
            return Ok(figures);
        }
    }
}
