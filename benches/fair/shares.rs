//! Twenty peers under a cap of 8 MB/s: one is sent as much as goes on eight channels, one has double weight, all have more to get than
//! their share.

use super::{PATIENCE, address, print, start};
use bowline::{Channel, ChannelId, LinkId, Node, RecvError};
use std::time::{Duration, Instant};

const PEERS: usize = 20;
const CAP: u64 = 8_000_000;
const FIRST: u16 = 0x10;
const CHANNELS: u16 = 8;
const STEP: Duration = Duration::from_millis(10);

pub fn tell(is_quick: bool) -> Result<(), String> {
    let span = Duration::from_secs(if is_quick { 2 } else { 10 });
    let channels: Vec<Channel> = (0..CHANNELS).map(|n| Channel::new(FIRST + n, &format!("load-{n}"))).collect();
    let hub = start(&channels, &[("bandwidth.up", &CAP.to_string())])?;
    let at = address(&hub)?;
    let peers: Vec<Node> = (0..PEERS).map(|_| start(&channels, &[])).collect::<Result<_, _>>()?;
    let takers: Vec<_> = peers.iter().cloned().map(|peer| std::thread::spawn(move || take_all(&peer))).collect();
    let begin = Instant::now();
    let linked = peers.iter().try_for_each(|peer| peer.connect(&at, PATIENCE).map(|_| ()));
    linked.map_err(|error| error.to_string())?;
    let links: Vec<LinkId> = loop {
        let links: Vec<LinkId> = peers.iter().filter_map(|peer| hub.find_peer(&peer.id())).collect();
        if links.len() == PEERS {
            break links;
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("only {} of {PEERS} peers have a link", links.len()));
        }
        std::thread::sleep(STEP);
    };
    hub.set_weight(links[1], 2).map_err(|error| error.to_string())?;
    let samples = sample(&hub, &links, Duration::from_secs(1), span)?;
    show(&samples, span);
    for node in peers.iter().chain([&hub]) {
        // What is still queued is nobody's business any more.
        let _ = node.stop(Duration::ZERO);
    }
    takers.into_iter().for_each(|taker| drop(taker.join()));
    Ok(())
}

fn take_all(node: &Node) {
    let mut events = Vec::new();
    while !matches!(node.recv_batch(&mut events, 512, Some(PATIENCE)), Err(RecvError::Stopped | RecvError::Failed)) {
        events.clear();
    }
}

/// Keeps all queues full and notes when each link had moved how many bytes, from the end of the warm-up on.
fn sample(hub: &Node, links: &[LinkId], warm_up: Duration, span: Duration) -> Result<Vec<(Instant, Vec<u64>)>, String> {
    let begin = Instant::now();
    let message = vec![2; 16 * 1_024];
    let mut samples = Vec::new();
    while begin.elapsed() < warm_up + span {
        for (at, link) in links.iter().enumerate() {
            let channels = if at == 0 { CHANNELS } else { 1 };
            for channel in (FIRST..FIRST + channels).map(ChannelId) {
                while hub.try_send(*link, channel, &message).is_ok() {}
            }
        }
        if begin.elapsed() >= warm_up {
            let moved = |link: &LinkId| hub.link_stats(*link).map(|stats| stats.bytes_out);
            let moved = links.iter().map(moved).collect::<Option<Vec<u64>>>().ok_or("a link has closed")?;
            samples.push((Instant::now(), moved));
        }
        std::thread::sleep(STEP);
    }
    Ok(samples)
}

fn show(samples: &[(Instant, Vec<u64>)], span: Duration) {
    let (Some((begin, first)), Some((end, last))) = (samples.first(), samples.last()) else { return };
    let moved: Vec<f64> = first.iter().zip(last).map(|(first, last)| (last - first) as f64).collect();
    let others = &moved[2..];
    let each = others.iter().sum::<f64>() / others.len() as f64;
    let jain = others.iter().sum::<f64>().powi(2) / (others.len() as f64 * others.iter().map(|share| share * share).sum::<f64>());
    let rate = |from: &(Instant, Vec<u64>), to: &(Instant, Vec<u64>)| {
        let bytes = to.1.iter().sum::<u64>() - from.1.iter().sum::<u64>();
        bytes as f64 / (to.0 - from.0).as_secs_f64() / CAP as f64
    };
    let seconds: Vec<f64> = samples
        .iter()
        .filter_map(|from| Some(rate(from, samples.iter().find(|to| to.0 - from.0 >= Duration::from_secs(1) && to.0 > from.0)?)))
        .collect();
    let worst = seconds
        .iter()
        .copied()
        .fold(1.0, |worst: f64, second| if (second - 1.0).abs() > (worst - 1.0).abs() { second } else { worst });
    let whole = moved.iter().sum::<f64>() / (*end - *begin).as_secs_f64() / CAP as f64;
    println!("{PEERS} peers, cap {} MB/s, {} s", CAP / 1_000_000, span.as_secs());
    print("Jain's index of the others", jain, "at least 0.98", jain >= 0.98);
    print("all bytes / cap", whole, "0.98 to 1.02", (0.98..=1.02).contains(&whole));
    print("the worst second / cap", worst, "0.95 to 1.05", (0.95..=1.05).contains(&worst));
    print("greedy / one of the others", moved[0] / each, "0.95 to 1.05", (0.95..=1.05).contains(&(moved[0] / each)));
    print("double weight / one of the others", moved[1] / each, "1.9 to 2.1", (1.9..=2.1).contains(&(moved[1] / each)));
}
