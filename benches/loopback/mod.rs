//! Nodes over loopback, and times: what the benchmarks of the messaging layer have in common. It measures nothing by itself.

use bowline::{Builder, Channel, Error, Node, generate_identity};
use hdrhistogram::Histogram;
use std::time::Duration;

/// Nothing here waits longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node of the benchmark's network that takes as many links from this machine as come.
pub fn start(channels: &[Channel], more: &[(&str, &str)]) -> Result<Node, String> {
    let node = build(channels, more)?;
    node.start().map_err(|error| error.to_string())?;
    Ok(node)
}

/// The same, not started: queues may still be bound.
pub fn build(channels: &[Channel], more: &[(&str, &str)]) -> Result<Node, String> {
    let build = || -> Result<Node, Error> {
        let identity = generate_identity(0, &mut |_, _| true)?.ok_or(Error::NoIdentity)?;
        let set = [
            ("network.name", "bench"),
            ("network.pow_bits", "0"),
            ("network.allow_private", "true"),
            ("listen.addresses", "127.0.0.1:0"),
            ("discovery.bootstrap", "true"),
            ("pex.enabled", "false"),
            ("accept.ip_burst", "1000"),
            ("accept.ip_period", "1ms"),
            ("accept.rate", "1000"),
            ("handshake.half_open_per_ip", "128"),
            ("handshake.half_open_per_group", "128"),
            ("puzzle.mode", "never"),
        ];
        let builder = set.iter().chain(more).try_fold(Builder::new(), |builder, (key, value)| builder.set(key, value))?;
        let builder = channels.iter().try_fold(builder, |builder, channel| builder.channel(channel.clone()))?;
        builder.identity(identity).build()
    };
    build().map_err(|error| error.to_string())
}

/// Where a node listens.
pub fn address(node: &Node) -> Result<String, String> {
    node.listen_addresses().first().map(ToString::to_string).ok_or_else(|| "the node listens nowhere".to_owned())
}

/// Times up to a minute, in nanoseconds, with three digits.
pub fn times() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("a minute and three digits are within bounds")
}
