//! What the stories of `fair_shares` have in common: nodes over loopback, times of urgent messages, and how a figure is printed beside
//! its goal.

pub mod shares;
pub mod stalled;
pub mod urgent;

use bowline::{Builder, Channel, Error, Node, generate_identity};
use hdrhistogram::Histogram;
use std::time::Duration;

/// The word that makes the benchmark a child; its task follows.
pub const CHILD: &str = "--child";
/// Nothing here waits longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node of the benchmark's network that takes as many links from this machine as come.
pub fn start(channels: &[Channel], more: &[(&str, &str)]) -> Result<Node, String> {
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
        let node = builder.identity(identity).build()?;
        node.start()?;
        Ok(node)
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

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A figure beside its goal.
pub fn print(what: &str, figure: f64, goal: &str, is_met: bool) {
    println!("{what:<64} {figure:>9.3}  goal {goal}: {}", if is_met { "PASS" } else { "SHORT" });
}
