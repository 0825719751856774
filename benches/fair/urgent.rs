//! An urgent message of 100 bytes on a link with tens of MiB of bulk before it, against the same message alone: capped at 50 MB/s, and
//! uncapped. The kernel may hold 128 KiB.

use super::{PATIENCE, address, median, print, start, times};
use bowline::{Channel, ChannelId, Event, LinkId, Node, RecvError};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const BULK: ChannelId = ChannelId(0x30);
const URGENT: ChannelId = ChannelId(0x31);
const RATE: u64 = 50_000_000;
/// Time that a full record takes at that rate: 65,074 bytes.
const RECORD: f64 = 65_074.0 / RATE as f64 * 1e6;

/// Median and 99th percentile in microseconds: of messages alone, and behind bulk.
type Run = ((f64, f64), (f64, f64));

pub fn tell(is_quick: bool) -> Result<(), String> {
    let (rounds, span) = if is_quick { (1, 300) } else { (5, 1_500) };
    let span = Duration::from_millis(span);
    let rate = RATE.to_string();
    for (name, rate) in [("capped at 50 MB/s", rate.as_str()), ("uncapped", "0")] {
        let (hub, peer, link) = pair(rate)?;
        let mut runs = Vec::new();
        for _ in 0..rounds {
            let alone = latencies(&hub, &peer, link, false, span)?;
            runs.push((alone, latencies(&hub, &peer, link, true, span)?));
        }
        for node in [&hub, &peer] {
            // The bulk that is left is of no use.
            let _ = node.stop(Duration::ZERO);
        }
        show(name, &runs, rate != "0");
    }
    Ok(())
}

fn pair(rate: &str) -> Result<(Node, Node, LinkId), String> {
    let bulk = Channel { send_queue_bytes: 64 << 20, ..Channel::new(BULK.0, "bulk") };
    let channels = [bulk, Channel { priority: 16, ..Channel::new(URGENT.0, "urgent") }];
    let settings = [("bandwidth.peer_up", rate), ("link.notsent_lowat", "128KiB")];
    let (hub, peer) = (start(&channels, &settings)?, start(&channels, &[])?);
    let link = hub.connect(&address(&peer)?, PATIENCE).map_err(|error| error.to_string())?;
    Ok((hub, peer, link))
}

/// Median and 99th percentile of one-way times, microseconds.
fn latencies(hub: &Node, peer: &Node, link: LinkId, is_loaded: bool, span: Duration) -> Result<(f64, f64), String> {
    let is_over = Arc::new(AtomicBool::new(false));
    let base = Instant::now();
    let taker = std::thread::spawn({
        let (peer, is_over) = (peer.clone(), Arc::clone(&is_over));
        move || take(&peer, base, &is_over)
    });
    let feeder = is_loaded.then(|| {
        let (hub, is_over) = (hub.clone(), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let bulk = Bytes::from(vec![7; 1 << 20]);
            let sender = hub.sender(link, BULK).map_err(|error| error.to_string())?;
            while !is_over.load(Ordering::Relaxed) {
                // 64 of them wait, most of the time.
                if sender.try_send_bytes(&bulk).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            Ok::<(), String>(())
        })
    });
    let settle = Duration::from_millis(200);
    let mut number = 0_u64;
    while base.elapsed() < settle + span {
        std::thread::sleep(Duration::from_micros(1_000 + number * 977 % 1_000));
        number += 1;
        if base.elapsed() >= settle {
            let mut message = (base.elapsed().as_nanos() as u64).to_be_bytes().to_vec();
            message.resize(100, 0);
            hub.send(link, URGENT, &message).map_err(|error| error.to_string())?;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    if let Some(feeder) = feeder {
        feeder.join().map_err(|_| "the feeder panicked")??;
    }
    let took = taker.join().map_err(|_| "the taker panicked")??;
    Ok((took.value_at_quantile(0.5) as f64 / 1e3, took.value_at_quantile(0.99) as f64 / 1e3))
}

/// Takes everything until it is over and nothing comes any more, so that the next run begins with an empty link.
fn take(peer: &Node, base: Instant, is_over: &AtomicBool) -> Result<hdrhistogram::Histogram<u64>, String> {
    let (mut took, mut events) = (times(), Vec::new());
    loop {
        match peer.recv_batch(&mut events, 512, Some(Duration::from_millis(200))) {
            Ok(_) => {}
            Err(RecvError::Timeout) if is_over.load(Ordering::Relaxed) => return Ok(took),
            Err(RecvError::Timeout) => {}
            Err(error) => return Err(error.to_string()),
        }
        let now = base.elapsed().as_nanos() as u64;
        for event in events.drain(..) {
            if let Event::Message(message) = event
                && message.channel == URGENT
                && let Some(sent) = message.body.first_chunk()
            {
                took.saturating_record(now - u64::from_be_bytes(*sent));
            }
        }
    }
}

fn show(name: &str, runs: &[Run], has_goal: bool) {
    let of = |figure: &dyn Fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    println!(
        "100 B behind 64 MiB, {name}: p50 {:.0} us alone, {:.0} us behind; p99 {:.0} us alone, {:.0} us behind",
        of(&|run| run.0.0),
        of(&|run| run.1.0),
        of(&|run| run.0.1),
        of(&|run| run.1.1)
    );
    let ratio = of(&|run| run.1.1 / run.0.1);
    if !has_goal {
        println!("{:<64} {ratio:>9.3}  no goal", "p99 behind / p99 alone");
        return;
    }
    let goal = of(&|run| run.1.1 / (2.0 * run.0.1 + RECORD));
    println!("{:<64} {ratio:>9.3}", "p99 behind / p99 alone");
    print("p99 behind / (twice p99 alone and a record)", goal, "at most 1", goal <= 1.0);
}
