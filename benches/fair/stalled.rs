//! A hundred peers that never read while 10 MB/s are broadcast, beside one that does: what the sender's memory grows to, against the number
//! that it computes for itself, and how long a message takes to the honest one and back. The hundred are a process that is stopped. Each
//! run is a process of its own, so that what it grows to is not memory that an earlier run has left behind.

use super::{CHILD, PATIENCE, address, median, print, start, times};
use bowline::{Channel, ChannelId, Event, LinkId, Node};
use bytes::Bytes;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FLOOD: ChannelId = ChannelId(0x20);
const TRIP: ChannelId = ChannelId(0x21);
const PEERS: usize = 100;
const RATE: f64 = 10e6;
const MESSAGE: usize = 10_000;
/// Time over which it is seen whether those who do not read still take something.
const WARM_UP: Duration = Duration::from_millis(500);
/// Messages broadcast at once, at most, when the broadcaster was late.
const CATCH_UP_MAX: usize = 8;

/// For messages of the size that they carry: the computed number counts with the largest.
fn channels() -> [Channel; 2] {
    let small = |id: ChannelId, name| Channel { message_bytes_max: 64 * 1_024, ..Channel::new(id.0, name) };
    [small(FLOOD, "flood"), Channel { priority: 16, ..small(TRIP, "trip") }]
}

pub fn tell(is_quick: bool) -> Result<(), String> {
    let (rounds, span) = if is_quick { (1, Duration::from_secs(1)) } else { (3, Duration::from_secs(4)) };
    let (mut ratios, mut with, mut without, mut filling, mut memory) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), (0, 0, 0));
    let (mut refused, mut copies, mut is_counted) = (0, 0, true);
    for _ in 0..rounds {
        let alone = run_apart(0, span)?;
        let beside = run_apart(PEERS, span)?;
        (refused, copies) = (refused + beside.refused, copies + beside.copies);
        is_counted &= beside.copies == beside.broadcasts * (PEERS as u64 + 1);
        ratios.push(beside.p99 / alone.p99);
        with.push(beside.p99);
        without.push(alone.p99);
        filling.push(beside.p99_filling);
        memory = memory.max((beside.memory, beside.budget, beside.queues));
    }
    println!(
        "{PEERS} peers that never read, {} MB/s broadcast: honest p99 {:.0} us without them, {:.0} us with",
        RATE / 1e6,
        median(without),
        median(with)
    );
    println!("while the kernels of the hundred still take what is sent: {:.0} us", median(filling));
    let ratio = median(ratios);
    print("honest p99 with / without", ratio, "at most 2", ratio <= 2.0);
    let (grown, budget, queues) = memory;
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    println!(
        "memory grew by {:.1} MiB at most; {:.1} MiB are computed, {:.1} of it for queues",
        mib(grown),
        mib(budget),
        mib(queues)
    );
    print("memory / computed", grown as f64 / budget as f64, "at most 1", grown <= budget);
    println!("{refused} of {copies} copies found no room; each is in the count that its broadcast returned: {is_counted}");
    Ok(())
}

#[derive(Debug)]
struct Run {
    p99: f64,
    /// While the kernels of those who do not read still took bytes.
    p99_filling: f64,
    memory: u64,
    budget: u64,
    /// Its part for what waits in the queues of links.
    queues: u64,
    /// Broadcasts, the copies that they said were queued or refused, and those of these that were refused.
    broadcasts: u64,
    copies: u64,
    refused: u64,
}

impl Run {
    /// One line of figures.
    fn to_line(&self) -> String {
        let Run { p99, p99_filling, memory, budget, queues, broadcasts, copies, refused } = self;
        format!("{p99} {p99_filling} {memory} {budget} {queues} {broadcasts} {copies} {refused}")
    }

    /// Reads what `to_line` wrote.
    fn from_line(line: &str) -> Option<Run> {
        let mut words = line.split_whitespace();
        let (p99, p99_filling) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mut number = || words.next()?.parse().ok();
        let (memory, budget, queues, broadcasts) = (number()?, number()?, number()?, number()?);
        Some(Run { p99, p99_filling, memory, budget, queues, broadcasts, copies: number()?, refused: number()? })
    }
}

/// A run in a process of its own.
fn run_apart(stalled: usize, span: Duration) -> Result<Run, String> {
    let program = std::env::current_exe().map_err(|error| format!("the benchmark cannot find itself: {error}"))?;
    let mut command = Command::new(program);
    command.args([CHILD, HUB, &stalled.to_string(), &span.as_millis().to_string()]).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("the hub does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Run::from_line(&text).ok_or_else(|| format!("the hub said '{}' instead of figures", text.trim()))
}

fn run(stalled: usize, span: Duration) -> Result<Run, String> {
    let before = resident()?;
    let hub = start(&channels(), &[("pool.max", "120"), ("pool.expected", "110"), ("pool.outbound_max", "2")])?;
    let at = address(&hub)?;
    let mut honest = Peers::start(1, &at)?;
    honest.wait_linked()?;
    let honest_link =
        hub.peers().first().map(|peer| peer.link).or_else(|| hub_link(&hub)).ok_or("the honest peer has no link")?;
    let mut others = (stalled > 0).then(|| Peers::start(stalled, &at)).transpose()?;
    if let Some(others) = &mut others {
        others.wait_linked()?;
        others.stop_reading()?;
    }
    let run = broadcast(&hub, honest_link, stalled, span, before)?;
    // A drain would wait for those who never read.
    let _ = hub.stop(Duration::ZERO);
    Ok(run)
}

/// The link of the first Up.
fn hub_link(hub: &Node) -> Option<LinkId> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Ok(Event::Up(up)) = hub.recv_timeout(PATIENCE) {
            return Some(up.link);
        }
    }
    None
}

/// Broadcasts at the rate and sends a message there and back every millisecond or two: first until those who do not read
/// take nothing more (until then their kernels do, some megabytes each), then for `span`.
fn broadcast(hub: &Node, honest: LinkId, stalled: usize, span: Duration, before: u64) -> Result<Run, String> {
    let message = Bytes::from(vec![3; MESSAGE]);
    let (mut filling, mut steady, mut memory, mut sent) = (times(), times(), before, 0.0);
    let (mut broadcasts, mut copies, mut refused) = (0, 0, 0);
    let begin = Instant::now();
    let (mut full_since, mut looked) = (None, (begin, hub.stats().bytes_out));
    while full_since.is_none_or(|since: Instant| since.elapsed() < span) {
        for _ in 0..CATCH_UP_MAX {
            if sent < begin.elapsed().as_secs_f64() * RATE {
                let result = hub.broadcast(FLOOD, &message, None).map_err(|error| error.to_string())?;
                broadcasts += 1;
                refused += (result.full + result.refused) as u64;
                copies += (result.queued + result.full + result.refused) as u64;
                sent += MESSAGE as f64;
            }
        }
        let (since, bytes) = looked;
        if since.elapsed() >= WARM_UP {
            let now = hub.stats().bytes_out;
            // Twice what the honest peer gets: nobody else takes anything any more.
            if ((now - bytes) as f64) < 2.0 * RATE * since.elapsed().as_secs_f64() {
                full_since.get_or_insert_with(Instant::now);
            }
            looked = (Instant::now(), now);
        }
        if full_since.is_none() && begin.elapsed() > PATIENCE {
            return Err(format!("{stalled} peers that do not read still take bytes after {} s", PATIENCE.as_secs()));
        }
        let asked = Instant::now();
        hub.send(honest, TRIP, &[1; 100]).map_err(|error| error.to_string())?;
        while !matches!(hub.recv_timeout(PATIENCE).map_err(|error| error.to_string())?, Event::Message(_)) {}
        let took = if full_since.is_some() { &mut steady } else { &mut filling };
        took.saturating_record(asked.elapsed().as_nanos() as u64);
        memory = memory.max(resident()?);
        std::thread::sleep(Duration::from_millis(1));
    }
    let p99 = |took: &hdrhistogram::Histogram<u64>| took.value_at_quantile(0.99) as f64 / 1e3;
    let computed = hub.memory_max();
    let queues = computed.parts.iter().filter(|part| part.name == "queues").map(|part| part.bytes).sum();
    let (memory, budget) = (memory - before, computed.bytes());
    Ok(Run { p99: p99(&steady), p99_filling: p99(&filling), memory, budget, queues, broadcasts, copies, refused })
}

/// Bytes of this process that are in memory.
fn resident() -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/self/statm").map_err(|error| format!("/proc/self/statm: {error}"))?;
    let pages: u64 =
        text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).ok_or("/proc/self/statm has no second number")?;
    Ok(pages * 4_096)
}

/// A process with peers of the hub. Killed when dropped, stopped or not.
struct Peers(Child);

impl Peers {
    fn start(count: usize, to: &str) -> Result<Peers, String> {
        let program = std::env::current_exe().map_err(|error| format!("the benchmark cannot find itself: {error}"))?;
        let mut command = Command::new(program);
        command.args([CHILD, &count.to_string(), to]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().map(Peers).map_err(|error| format!("the peers do not start: {error}"))
    }

    /// Waits for the line that says that all have links.
    fn wait_linked(&mut self) -> Result<(), String> {
        let output = self.0.stdout.take().ok_or("the peers have no output")?;
        let mut line = String::new();
        // A child that fails ends, and with it its output.
        BufReader::new(output).read_line(&mut line).map_err(|error| error.to_string())?;
        if line.trim() == "linked" { Ok(()) } else { Err(format!("the peers said '{}' instead of linked", line.trim())) }
    }

    fn stop_reading(&self) -> Result<(), String> {
        let id = i32::try_from(self.0.id()).map_err(|error| error.to_string())?;
        // SAFETY: kill has no memory effects; the id is that of a child which was not waited for, so it names nobody else.
        let result = unsafe { libc::kill(id, libc::SIGSTOP) };
        if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().to_string()) }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Both fail for a child that has ended, which is what they are to bring about.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The word for a child that is the one who broadcasts; others are peers.
const HUB: &str = "hub";

pub fn be_child(args: &[String]) -> Result<(), String> {
    let number = |text: &String| text.parse::<usize>().map_err(|_| format!("no number: {text}"));
    match args {
        [hub, stalled, millis] if hub == HUB => {
            let run = run(number(stalled)?, Duration::from_millis(number(millis)? as u64))?;
            println!("{}", run.to_line());
            Ok(())
        }
        [count, to] => be_peers(number(count)?, to),
        _ => Err(format!("no task: {args:?}")),
    }
}

/// Peers of the node at an address: so many, each of which sends back what comes on the trip's channel.
fn be_peers(count: usize, to: &str) -> Result<(), String> {
    let nodes: Vec<Node> = (0..count).map(|_| start(&channels(), &[])).collect::<Result<_, _>>()?;
    for node in &nodes {
        node.connect(to, PATIENCE).map_err(|error| error.to_string())?;
    }
    println!("linked");
    let echoes: Vec<_> = nodes.into_iter().map(|node| std::thread::spawn(move || echo(&node))).collect();
    echoes.into_iter().for_each(|echo| drop(echo.join()));
    Ok(())
}

fn echo(node: &Node) {
    while let Ok(event) = node.recv() {
        match event {
            Event::Message(message) if message.channel == TRIP => {
                // A hub that is gone needs no answer.
                let _ = node.send(message.link, TRIP, &message.body);
            }
            Event::Down(_) => return,
            _ => {}
        }
    }
}
