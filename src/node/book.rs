//! The address book as the application sees it: which addresses are known to be healthy, and those that it adds and removes by hand. Part of
//! the node's face; any thread may call. `known.rs` shows the whole book.

use super::error::Error;
use super::known;
use super::node::Node;
use super::pump;
use crate::base::address::{Address, Host};
use crate::base::limits::RESOLVE_TIMEOUT;
use crate::bus::event::NodeState;
use crate::pool::pages::{AddError, Removal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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
        let own = self.advertised(&running.shared);
        running.shared.published.read().healthy.iter().cloned().chain(own.iter().map(reachable)).collect()
    }

    /// Adds an address (`[bowline://][<peer id>@]host:port`) to the book: maintenance dials it when it needs links, as one that others told
    /// of. Of a name, all that it resolves to are added now; it is well if one was. To have a link now call `connect`, for ever
    /// `add_persistent`.
    ///
    /// # Errors
    /// `Address` or `Foreign` for what is no address of bowline, `Unresolved`, `NotRoutable`, `Own`, `Banned`, `Known`, `Full`, and
    /// `NotRunning`. Nothing is changed then.
    ///
    /// # Blocks
    /// At most 3 s for a name, else not.
    pub fn add_address(&self, address: &str) -> Result<(), AddError> {
        let address: Address = address.parse()?;
        let shared = self.shared().map_err(|_| AddError::NotRunning)?;
        let candidates: Vec<Address> = match &address.host {
            Host::Ip(_) => vec![address],
            Host::Name(name) => {
                let found = shared.resolver.wait(name, address.port, RESOLVE_TIMEOUT);
                let at = |found: SocketAddr| Address { host: Host::Ip(found.ip()), ..address.clone() };
                let found: Vec<Address> = found.into_iter().map(at).collect();
                if found.is_empty() {
                    let is_running = self.state() == NodeState::Running;
                    return Err(if is_running { AddError::Unresolved(name.clone()) } else { AddError::NotRunning });
                }
                found
            }
        };
        let (results, out) = shared.work(|now, pool, out| {
            out.nudge_maintenance = true;
            candidates.iter().map(|candidate| pool.add_point(now, candidate)).collect::<Vec<_>>()
        });
        pump::tell(out, shared);
        results.into_iter().reduce(Result::or).unwrap_or(Ok(()))
    }

    /// Forgets an address; false if it is not known. Whoever knows it may tell of it again: ban it where that must not be.
    ///
    /// # Errors
    /// `Address` if it is none, `Refused` if it is a name, `State` while a link or dial uses it, if it is a seed or persistent
    /// (`remove_persistent` ends that), or before the start; `Stopped`, `Failed`.
    pub fn remove_address(&self, address: &str) -> Result<bool, Error> {
        let shared = self.shared()?;
        let at = known::known_at(address)?;
        let (removal, out) = shared.work(|_, pool, out| {
            // It may have been a healthy one.
            out.changed = true;
            pool.forget_point(at)
        });
        pump::tell(out, shared);
        match removal {
            Removal::Removed => Ok(true),
            Removal::Unknown => Ok(false),
            Removal::InUse => Err(Error::State("a link or dial uses this address: end that first, or ban the address")),
            Removal::Fixed => {
                Err(Error::State("it is a seed or persistent, which are not removed: remove_persistent ends the latter"))
            }
        }
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
