//! Who is in the network: builds the nodes, starts them one after the other, and stops them all at once.

use super::command::Interrupted;
use super::figures::Figures;
use super::gossip::{Inbox, Shared};
use super::view::View;
use crate::cli::args::Testnet;
use crate::cli::host::Stop;
use bowline::settings::check::Bounds;
use bowline::{Builder, Channel, ChannelId, Node, Settings, generate_identity};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Difficulty of the identities: enough to run the search, too little to wait for (2^8 hashes are 0.1 ms).
const POW_BITS: u32 = 8;
const NETWORK: &str = "bowline testnet";
/// The channel that the gossip goes over.
pub const GOSSIP: ChannelId = ChannelId(0x10);

/// One node and the thread that reads its events, as an application would.
pub struct Member {
    pub node: Node,
    pub started: Instant,
    reader: JoinHandle<Inbox>,
}

/// All nodes. Node 0 is the bootstrap node.
pub struct Swarm {
    waiting: Vec<u32>,
    pub members: Vec<Member>,
    pub shared: Arc<Shared>,
    channel: Channel,
}

impl Swarm {
    pub fn build(args: &Testnet) -> Result<Swarm, String> {
        let shared = Arc::new(Shared::new(args));
        let channel = shared.channel();
        Ok(Swarm { waiting: (0..args.nodes).rev().collect(), members: Vec::new(), shared, channel })
    }

    /// Starts every node. All but the first are told the first one's address and nothing else.
    pub fn start(&mut self, stop: &Stop, view: &mut View) -> Result<Result<(), Interrupted>, String> {
        view.phase("starting");
        let mut way_in = None;
        while let Some(index) = self.waiting.pop() {
            if stop.signals.try_recv().is_ok() {
                return Ok(Err(Interrupted));
            }
            let said = |error: bowline::Error| format!("node {index} on {}: {error}", address(index));
            let node = self.node(index, way_in.as_deref()).map_err(said)?;
            node.start().map_err(said)?;
            if way_in.is_none() {
                let at = node.listen_addresses().first().copied().ok_or("node 0 listens nowhere")?;
                way_in = Some(format!("{}@{at}", node.id()));
            }
            let started = Instant::now();
            let (reads, shared) = (node.clone(), Arc::clone(&self.shared));
            let reader = std::thread::Builder::new()
                .name(format!("app-{index}"))
                .spawn(move || Inbox::new(index, &shared).attend(&reads, &shared))
                .map_err(|error| format!("node {index}: no thread for its application: {error}"))?;
            self.members.push(Member { node, started, reader });
        }
        Ok(Ok(()))
    }

    fn node(&self, index: u32, way_in: Option<&str>) -> Result<Node, bowline::Error> {
        let here = address(index);
        let mut builder = Builder::new();
        let common = [
            ("network.name", NETWORK.to_owned()),
            ("network.pow_bits", POW_BITS.to_string()),
            ("network.allow_private", "true".to_owned()),
            ("listen.addresses", format!("{here}:0")),
            ("dial.from", here.to_string()),
        ];
        let own = match way_in {
            None => ("discovery.bootstrap", "true".to_owned()),
            Some(seed) => ("discovery.seeds", seed.to_owned()),
        };
        for (name, value) in common.into_iter().chain([own]) {
            builder = builder.set(name, &value)?;
        }
        let identity = generate_identity(POW_BITS, &mut |_, _| true)?.ok_or(bowline::Error::NoIdentity)?;
        builder.agent("bowline testnet").identity(identity).channel(self.channel.clone())?.build()
    }

    /// Stops all nodes at once, waits for their ends, and collects what their applications have seen.
    pub fn stop(&mut self, figures: &mut Figures) {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for member in &self.members {
                scope.spawn(|| member.node.stop(Duration::from_secs(1)));
            }
        });
        figures.shut_down_in = begun.elapsed();
        for (index, Member { node, reader, .. }) in self.members.drain(..).enumerate() {
            if let Some(what) = node.failure() {
                figures.fault(format!("node {index} failed: {what}"));
            }
            match reader.join() {
                Ok(inbox) => figures.add_inbox(&inbox),
                Err(_) => figures.fault(format!("the application of node {index} panicked")),
            }
        }
    }
}

/// Where node `index` listens and dials from: an address group of its own.
fn address(index: u32) -> Ipv4Addr {
    let group = u8::try_from(index + 1).expect("the command line allows at most 250 nodes");
    Ipv4Addr::new(127, group, 0, 1)
}

/// The bounds that every node keeps: the defaults.
pub fn bounds() -> Bounds {
    let settings = Settings { discovery_bootstrap: true, ..Settings::new(NETWORK) };
    settings.check().expect("the defaults are consistent, as their tests show").bounds()
}

/// Links that a node must reach: the number below which its maintenance dials on, or everybody where the network is smaller.
pub fn target(nodes: u32) -> u32 {
    bounds().min_threshold.min(nodes - 1)
}

/// Open files that the network may need: both ends of every link, each node's own, and what bowline leaves to its host. A node may have
/// more links than `max_target` for a while, the average of all nodes has not.
pub fn descriptors(nodes: u32) -> u64 {
    let Bounds { max_target, .. } = bounds();
    // Listener, epoll, waker and a few while starting.
    let own = 8;
    u64::from(nodes) * u64::from(max_target.min(nodes - 1) + own) + 128
}
