//! The address book as the application sees it: which addresses are known to be healthy. Part of the node's face; any thread may call.

use super::node::Node;
use crate::base::address::{Address, Host};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

impl Node {
    /// The addresses that are known to be healthy: a link or dial has proven each, lately, and its peer may be told of. Addresses of this
    /// node are not among them. A published snapshot: no reader waits for a writer, nor a writer for a reader. Empty before the start.
    pub fn healthy(&self) -> Arc<[Address]> {
        self.running().map(|running| Arc::clone(&running.shared.published.read().healthy)).unwrap_or_default()
    }

    /// The healthy addresses and then those of this node itself, as for a block that is relayed to everybody who is known, its author
    /// included: those of `listen.advertise` or else of `listen.addresses`, with the loopback address in the place of an unspecified one.
    pub fn peers_with_self(&self) -> Vec<Address> {
        let Some(running) = self.running() else { return Vec::new() };
        let own = running.shared.advertised.iter().map(reachable);
        running.shared.published.read().healthy.iter().cloned().chain(own).collect()
    }
}

/// That address as this machine can dial it.
fn reachable(own: &Address) -> Address {
    let host = match &own.host {
        Host::Ip(IpAddr::V4(ip)) if ip.is_unspecified() => Host::Ip(Ipv4Addr::LOCALHOST.into()),
        Host::Ip(IpAddr::V6(ip)) if ip.is_unspecified() => Host::Ip(Ipv6Addr::LOCALHOST.into()),
        other => other.clone(),
    };
    Address { host, ..own.clone() }
}
