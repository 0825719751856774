//! `cargo bench --bench snapshots`: what readers of `Node::peers` and `Node::healthy` cost a writer, and a writer them. Eight threads read,
//! one reports scores so that each report publishes a new snapshot. All figures are ratios of runs that alternate in one process; it never
//! fails because of time.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the real clock and starts threads")]

mod loopback;

use bowline::{Node, PeerId};
use hdrhistogram::Histogram;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const READERS: usize = 8;
/// Peers that the node is connected to while it is measured.
const PEERS: usize = 8;
/// Between two reports: a thousand snapshots a second, hundreds of times what maintenance makes.
const REPORT_PERIOD: Duration = Duration::from_millis(1);
/// Reads that a reader does between two rests: eight of them on few cores must leave the writer a core, or the scheduler is measured.
const READS_AT_ONCE: usize = 64;
const REST: Duration = Duration::from_millis(2);

const HELP: &str = "\
Readers of published snapshots beside a writer.

    cargo bench --bench snapshots -- [options]

    --quick       short runs: does it run at all?
    --help        this text";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = args.iter().find(|arg| *arg != "--quick") {
        eprintln!("snapshots: unknown argument '{unknown}'; --help lists them");
        return ExitCode::FAILURE;
    }
    let (rounds, each) = if args.is_empty() { (5, Duration::from_secs(2)) } else { (1, Duration::from_millis(300)) };
    match tell(rounds, each) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("snapshots: {what}");
            ExitCode::FAILURE
        }
    }
}

/// What one run has measured, nanoseconds.
struct Run {
    reads: Histogram<u64>,
    writes: Histogram<u64>,
}

impl Run {
    fn new() -> Run {
        Run { reads: loopback::times(), writes: loopback::times() }
    }

    fn add(&mut self, other: &Run) -> Result<(), String> {
        self.reads.add(&other.reads).map_err(|error| error.to_string())?;
        self.writes.add(&other.writes).map_err(|error| error.to_string())
    }
}

fn tell(rounds: usize, each: Duration) -> Result<(), String> {
    let node = loopback::start(&[], &[])?;
    let at = loopback::address(&node)?;
    let peers: Vec<Node> = (0..PEERS).map(|_| loopback::start(&[], &[])).collect::<Result<_, _>>()?;
    for peer in &peers {
        peer.connect(&at, loopback::PATIENCE).map_err(|error| error.to_string())?;
    }
    let (mut idle, mut both, mut alone) = (Run::new(), Run::new(), Run::new());
    for _ in 0..rounds {
        idle.add(&run(&node, READERS, false, each)?)?;
        both.add(&run(&node, READERS, true, each)?)?;
        alone.add(&run(&node, 0, true, each)?)?;
    }
    println!("readers   {READERS} threads, one read = peers() and healthy(), with a writer / without");
    ratios(&both.reads, &idle.reads);
    println!("writer    one report and its snapshot, with {READERS} readers / without");
    ratios(&both.writes, &alone.writes);
    println!("counts    {} reads, {} snapshots beside them", both.reads.len(), both.writes.len());
    Ok(())
}

fn ratios(with: &Histogram<u64>, without: &Histogram<u64>) {
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let (with, without) = (with.value_at_quantile(quantile), without.value_at_quantile(quantile));
        println!("  {name:6} {:5.2}   ({with} ns, {without} ns)", with as f64 / without.max(1) as f64);
    }
}

fn run(node: &Node, readers: usize, has_writer: bool, lasts: Duration) -> Result<Run, String> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading: Vec<_> = (0..readers).map(|_| scope.spawn(|| read(node, &is_over))).collect();
        let written = if has_writer { write(node, lasts) } else { Ok(rest(lasts)) };
        is_over.store(true, Ordering::Relaxed);
        let mut run = Run { reads: loopback::times(), writes: written? };
        for reader in reading {
            let reads = reader.join().map_err(|_| "a reader has panicked".to_owned())?;
            run.reads.add(&reads).map_err(|error| error.to_string())?;
        }
        Ok(run)
    })
}

fn rest(lasts: Duration) -> Histogram<u64> {
    thread::sleep(lasts);
    loopback::times()
}

fn read(node: &Node, is_over: &AtomicBool) -> Histogram<u64> {
    let mut times = loopback::times();
    while !is_over.load(Ordering::Relaxed) {
        for _ in 0..READS_AT_ONCE {
            let begin = Instant::now();
            let seen = std::hint::black_box((node.peers(), node.healthy()));
            times.saturating_record(begin.elapsed().as_nanos() as u64);
            drop(seen);
        }
        thread::sleep(REST);
    }
    times
}

/// Reports a stranger as good and as bad in turn: each changes what a link with it weighs, so each publishes.
fn write(node: &Node, lasts: Duration) -> Result<Histogram<u64>, String> {
    let stranger = PeerId::from_bytes([7; 32]);
    let (mut times, until) = (loopback::times(), Instant::now() + lasts);
    let mut delta = 400;
    while Instant::now() < until {
        let begin = Instant::now();
        node.report(stranger, delta, "bench").map_err(|error| error.to_string())?;
        times.saturating_record(begin.elapsed().as_nanos() as u64);
        delta = -delta;
        thread::sleep(REPORT_PERIOD);
    }
    Ok(times)
}
