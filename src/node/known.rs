//! The tables as an operator sees them on a running node: addresses, the node's own configured ones among them, and identities; and what the
//! application notes of either. Part of the node's face; any thread may call. A table is read page by page: the pool's lock is held for some
//! microseconds at a time, and what changes meanwhile may be seen before or after.

use super::error::Error;
use super::node::Node;
use crate::base::address::{Address, Host};
use crate::base::limits::METADATA_BYTES_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::time::Time;
use crate::pool::pages::{KnownPeer, Page, PointFilter, PointInfo};
use crate::pool::peers::PeerInfo;
use crate::pool::table::Pool;
use std::net::SocketAddr;

impl Node {
    /// The known addresses that fit the filter, by address, with the state of each: candidate, dialing, reconnecting, connected with which
    /// link, or bad until when. Empty before the start.
    pub fn points(&self, filter: &PointFilter) -> Vec<PointInfo> {
        self.pages(|_, pool, after| pool.points_page(after, filter))
    }

    /// An open link as `peers` shows it, from the moment on in which its `Up` is told. Where the snapshot does not have it yet the pool is
    /// asked, whose lock is held for a moment.
    pub fn peer(&self, link: LinkId) -> Option<PeerInfo> {
        let shared = &self.running()?.shared;
        shared.roster.find(link)?;
        let shown = shared.published.read().peers.iter().find(|peer| peer.link == link).cloned();
        shown.or_else(|| shared.pool.look().peer(shared.clock.now(), link))
    }

    /// The persistent addresses, of the settings and by `add_persistent`. A name stands for what it has resolved to last.
    pub fn persistent(&self) -> Vec<PointInfo> {
        self.running().map(|running| running.shared.pool.look().fixed_points(true)).unwrap_or_default()
    }

    /// The seeds. A name stands for what it has resolved to last.
    pub fn seeds(&self) -> Vec<PointInfo> {
        self.running().map(|running| running.shared.pool.look().fixed_points(false)).unwrap_or_default()
    }

    /// Every identity that has had a link, by id, until it is forgotten: with a link or without. Empty before the start.
    pub fn known_peers(&self) -> Vec<KnownPeer> {
        self.pages(|now, pool, after| pool.peers_page(now, after))
    }

    /// Notes at most 256 bytes of a known address, in the place of what was noted before. They are forgotten with the address.
    ///
    /// # Errors
    /// `Address` if it is none, `Refused` if it is a name, `Metadata` if they are too many, `Unknown` if the address is not known; nothing is
    /// changed then. `State` before the start, `Stopped`, `Failed`.
    pub fn set_point_metadata(&self, address: &str, metadata: &[u8]) -> Result<(), Error> {
        let at = known_at(address)?;
        check(metadata)?;
        let is_noted = self.shared()?.change_pool(|pool| pool.points_mut().set_metadata(at, metadata));
        if is_noted { Ok(()) } else { Err(Error::Unknown(at.to_string())) }
    }

    /// Notes at most 256 bytes of a known identity, in the place of what was noted before. While there are some it is not forgotten with
    /// time; but when 4,096 identities are known, those longest away make room for new ones all the same.
    ///
    /// # Errors
    /// `Metadata` if they are too many, `Unknown` if it never had a link or is forgotten; nothing is changed then. `State` before the start,
    /// `Stopped`, `Failed`.
    pub fn set_peer_metadata(&self, peer: &PeerId, metadata: &[u8]) -> Result<(), Error> {
        check(metadata)?;
        let is_noted = self.shared()?.change_pool(|pool| pool.known_mut().set_metadata(peer, metadata));
        if is_noted { Ok(()) } else { Err(Error::Unknown(peer.to_string())) }
    }

    /// All rows of a table. Each page is taken over outside of the lock.
    pub(super) fn pages<T, K>(&self, page: impl Fn(Time, &Pool, Option<K>) -> Page<T, K>) -> Vec<T> {
        let Some(running) = self.running() else { return Vec::new() };
        let now = running.shared.clock.now();
        let next = |after| page(now, &running.shared.pool.look(), after);
        let Page { mut rows, mut after } = next(None);
        while after.is_some() {
            let more = next(after);
            rows.extend(more.rows);
            after = more.after;
        }
        rows
    }
}

/// The address by which the book knows `text`.
pub(super) fn known_at(text: &str) -> Result<SocketAddr, Error> {
    let address: Address = text.parse()?;
    match &address.host {
        Host::Ip(ip) => Ok(SocketAddr::new(*ip, address.port)),
        Host::Name(name) => {
            Err(Error::Refused(format!("{name} is a name: the book knows addresses, name one that it resolves to")))
        }
    }
}

fn check(metadata: &[u8]) -> Result<(), Error> {
    let (len, max) = (metadata.len(), METADATA_BYTES_MAX);
    if len <= max { Ok(()) } else { Err(Error::Metadata { len, max }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::subject::Subject;
    use crate::node::published::Snapshot;
    use crate::node::testbed::{PATIENCE, started};

    #[test]
    fn a_link_is_known_whole_before_a_snapshot_shows_it() {
        let (node, other) = (started(), started());
        node.trust(Subject::Peer(other.id()), None).expect("there is room");
        let link = node.connect(&other.listen_addresses()[0].to_string(), PATIENCE).expect("they meet");
        let shown = node.peer(link).expect("connect shows it");
        // As it is between an Up and the turn of the worker that shows the link.
        node.running().expect("started").shared.publish(Snapshot::last());
        assert!(node.peers().is_empty());
        let known = node.peer(link).expect("it is open");
        assert!(known.is_trusted && (known.id, known.since, known.direction) == (other.id(), shown.since, shown.direction));
        assert!(node.peer(LinkId::from_u64(link.as_u64() + 1)).is_none());
    }
}
