//! The matrix of `slow_handlers`: a node with as many handlers as it has senders (CometBFT handles each peer's messages in a routine of that
//! peer's), senders that always have more to send, and one who asks on another channel how long a round trip takes.

use crate::loopback::{PATIENCE, address, build, start, times};
use bowline::{Channel, ChannelId, Event, LinkId, Node, Queue, RecvError};
use bytes::Bytes;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const BULK: ChannelId = ChannelId(0x40);
const TRIP: ChannelId = ChannelId(0x41);
const SIZES: [usize; 4] = [1, 8, 64, 512];
const SENDERS: [usize; 3] = [1, 8, 16];
const DELAYS: [u64; 4] = [0, 20, 100, 250];
/// Until queues are full and handlers in step.
const SETTLE: Duration = Duration::from_millis(300);
/// Between two round trips.
const PAUSE: Duration = Duration::from_millis(2);

/// A cell's figures.
struct Figures {
    per_second: f64,
    trips: Histogram<u64>,
}

pub fn tell(is_whole: bool) -> Result<(), String> {
    let span = Duration::from_secs(if is_whole { 3 } else { 1 });
    let pick = |all: &[usize], few: &[usize]| if is_whole { all.to_vec() } else { few.to_vec() };
    let delays: &[u64] = if is_whole { &DELAYS } else { &[0, 20, 250] };
    let (mut worst_rate, mut worst_trip) = (f64::INFINITY, 0_f64);
    println!(
        "{:>8} {:>8} {:>8} {:>12} {:>10} {:>20} {:>9} {:>9} {:>12}",
        "size", "senders", "delay", "messages/s", "MB/s", "of what is possible", "p50", "p99", "p99 / delay"
    );
    for senders in pick(&SENDERS, &[1, 8]) {
        let bed = Bed::new(senders)?;
        let idle = bed.trips(span / 2)?;
        println!(
            "{:>8} {senders:>8} {:>8} {:>12} {:>10} {:>20} {:>6.0} us {:>6.0} us",
            "idle",
            "",
            "",
            "",
            "",
            micros(&idle, 0.5),
            micros(&idle, 0.99)
        );
        for kib in pick(&SIZES, &[1, 64]) {
            let mut free = f64::INFINITY;
            for delay in delays {
                let figures = bed.cell(kib * 1_024, Duration::from_millis(*delay), span)?;
                let rate = figures.per_second;
                let (p50, p99) = (micros(&figures.trips, 0.5), micros(&figures.trips, 0.99));
                print!("{kib:>4} KiB {senders:>8} {delay:>5} ms {rate:>12.0} {:>10.1}", rate * (kib * 1_024) as f64 / 1e6);
                if *delay == 0 {
                    free = rate;
                    println!(" {:>20} {p50:>6.0} us {p99:>6.0} us {:>12}", "", "");
                    continue;
                }
                let possible = rate / (senders as f64 * 1e3 / *delay as f64).min(free);
                let part = p99 / (*delay as f64 * 1e3);
                println!(" {possible:>20.3} {p50:>6.0} us {p99:>6.0} us {part:>12.3}");
                worst_rate = worst_rate.min(possible);
                // Where the machine itself is busy, what waits does not wait for a handler.
                if rate < free / 2.0 {
                    worst_trip = worst_trip.max(part);
                }
            }
        }
        bed.end();
    }
    println!("the least of what is possible: {worst_rate:.3}");
    println!("the longest p99 on the other channel: {worst_trip:.3} of the handlers' time; 1 or more would be a stall");
    println!("(cells that move more than half of what goes without a delay are left out: there the machine is busy)");
    Ok(())
}

fn micros(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e3
}

/// A node with handlers, and its senders.
struct Bed {
    hub: Node,
    senders: Vec<(Node, LinkId)>,
    delay_us: Arc<AtomicU64>,
    handled: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Bed {
    fn new(senders: usize) -> Result<Bed, String> {
        let channels = [Channel::new(BULK.0, "bulk"), Channel { priority: 16, ..Channel::new(TRIP.0, "trip") }];
        let hub = build(&channels, &[])?;
        let queue = |channel| -> Result<Queue, bowline::Error> {
            let queue = hub.queue()?;
            hub.bind(channel, &queue)?;
            Ok(queue)
        };
        let queues = queue(BULK).and_then(|bulk| Ok((bulk, queue(TRIP)?)));
        let (bulk, trip) = queues.and_then(|queues| hub.start().map(|()| queues)).map_err(|error| error.to_string())?;
        let (delay_us, handled) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut threads: Vec<JoinHandle<()>> = (0..senders)
            .map(|_| {
                let (bulk, delay_us, handled) = (bulk.clone(), Arc::clone(&delay_us), Arc::clone(&handled));
                std::thread::spawn(move || handle(&bulk, &delay_us, &handled))
            })
            .collect();
        threads.push(std::thread::spawn({
            let hub = hub.clone();
            move || echo(&hub, &trip)
        }));
        let at = address(&hub)?;
        let connect = |_| -> Result<(Node, LinkId), String> {
            let node = start(&channels, &[])?;
            let link = node.connect(&at, PATIENCE).map_err(|error| error.to_string())?;
            Ok((node, link))
        };
        let senders = (0..senders).map(connect).collect::<Result<_, _>>()?;
        Ok(Bed { hub, senders, delay_us, handled, threads })
    }

    /// Measures one cell, and leaves nothing behind.
    fn cell(&self, size: usize, delay: Duration, span: Duration) -> Result<Figures, String> {
        self.delay_us.store(delay.as_micros() as u64, Ordering::Relaxed);
        let is_over = Arc::new(AtomicBool::new(false));
        let message = Bytes::from(vec![5; size]);
        let feed = |(node, link): &(Node, LinkId)| {
            let (sender, message, is_over) = (node.sender(*link, BULK), message.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let Ok(sender) = sender else { return };
                while !is_over.load(Ordering::Relaxed) {
                    // Full, most of the time: that is what is to be measured.
                    let _ = sender.send_bytes(&message, Some(Duration::from_millis(20)));
                }
            })
        };
        let feeders: Vec<JoinHandle<()>> = self.senders.iter().map(feed).collect();
        std::thread::sleep(SETTLE);
        let (begin, before) = (Instant::now(), self.handled.load(Ordering::Relaxed));
        let trips = self.trips(span);
        let handled = self.handled.load(Ordering::Relaxed) - before;
        let per_second = handled as f64 / begin.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        feeders.into_iter().for_each(|feeder| drop(feeder.join()));
        self.drain()?;
        Ok(Figures { per_second, trips: trips? })
    }

    /// Handlers take what is left without delay, until nothing has come for longer than any of them sleeps.
    fn drain(&self) -> Result<(), String> {
        self.delay_us.store(0, Ordering::Relaxed);
        let (begin, mut since, mut before) = (Instant::now(), Instant::now(), self.handled.load(Ordering::Relaxed));
        while since.elapsed() < Duration::from_millis(DELAYS[3] + 50) {
            if begin.elapsed() > PATIENCE {
                return Err(format!("what a cell has left is not handled after {} s", PATIENCE.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(10));
            let now = self.handled.load(Ordering::Relaxed);
            if now != before {
                (since, before) = (Instant::now(), now);
            }
        }
        Ok(())
    }

    /// Round trips of small messages on the other channel of the first sender's link.
    fn trips(&self, span: Duration) -> Result<Histogram<u64>, String> {
        let (node, link) = &self.senders[0];
        let (begin, mut took) = (Instant::now(), times());
        while begin.elapsed() < span {
            let asked = Instant::now();
            node.send(*link, TRIP, &[1; 100]).map_err(|error| error.to_string())?;
            while !matches!(node.recv_timeout(PATIENCE).map_err(|error| error.to_string())?, Event::Message(_)) {}
            took.saturating_record(asked.elapsed().as_nanos() as u64);
            std::thread::sleep(PAUSE);
        }
        Ok(took)
    }

    fn end(self) {
        for (node, _) in &self.senders {
            // Nothing is queued.
            let _ = node.stop(Duration::ZERO);
        }
        let _ = self.hub.stop(Duration::ZERO);
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// A handler: takes one message at a time, and its time over it.
fn handle(bulk: &Queue, delay_us: &AtomicU64, handled: &AtomicU64) {
    loop {
        match bulk.recv_timeout(PATIENCE) {
            Ok(Event::Message(_)) => {
                let delay = Duration::from_micros(delay_us.load(Ordering::Relaxed));
                if !delay.is_zero() {
                    std::thread::sleep(delay);
                }
                handled.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) | Err(RecvError::Timeout) => {}
            Err(_) => return,
        }
    }
}

/// The quick handler of the other channel.
fn echo(hub: &Node, trip: &Queue) {
    loop {
        match trip.recv_timeout(PATIENCE) {
            Ok(Event::Message(message)) => {
                // A peer that is gone needs no answer.
                let _ = hub.send(message.link, TRIP, &message.body);
            }
            Ok(_) | Err(RecvError::Timeout) => {}
            Err(_) => return,
        }
    }
}
