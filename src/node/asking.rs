//! The operator's calls that ask peers for addresses: each gives exchange an order and waits for what becomes of it. What peers tell is
//! learned as always; nothing is dialed here. Part of `Node`'s face.

use super::error::Error;
use super::node::Node;
use super::steering::misfit;
use crate::base::address::Address;
use crate::base::limits::{ORDERS_MAX, STOP_TIMEOUT};
use crate::base::link_id::LinkId;
use crate::bus::outbox::{Answered, NotDiscovered};
use crate::workers::exchange::Input;
use std::time::Duration;

/// Exchange asks in the step in which it reads the order. Who waits so long has a machine that does nothing else.
const PATIENCE: Duration = STOP_TIMEOUT;

impl Node {
    /// Asks the peer of `link` for addresses now (`None`: one of those that may be asked, by chance), and says who was asked. What it tells
    /// goes into the address book.
    ///
    /// # Errors
    /// `NoLink`; `Refused` when nobody, or not this peer, may be asked now; `Busy` when 64 orders wait already, `Timeout` after 5 s,
    /// `Stopped`, `Failed`, or `State` before the start.
    pub fn ask_for_addresses(&self, link: Option<LinkId>) -> Result<LinkId, Error> {
        let shared = self.shared()?;
        if let Some(gone) = link.filter(|link| shared.roster.find(*link).is_none()) {
            return Err(Error::NoLink(gone));
        }
        match shared.ask(&shared.exchange, |ticket| Input::Ask { ticket, link }, PATIENCE)? {
            Answered::Asked(Some(link)) => Ok(link),
            Answered::Asked(None) => Err(Error::Refused(
                "nobody may be asked for addresses now: this node or the peer is private or without PEX, owes an answer, or was asked just now"
                    .to_owned(),
            )),
            other => Err(misfit(&other)),
        }
    }

    /// Asks the peer of `link` which peers it knows to be healthy, page by page, and gives them as it told them: this node's own address is
    /// among them if it has one. They go into the address book, too.
    ///
    /// # Errors
    /// `NoLink`, also when the link closes meanwhile; `Refused` when the peer answers with an error or with what is no answer, or when it or
    /// this node is private; `Timeout` after `timeout` or `pex.request_timeout`; `Busy` when 64 orders wait already; `Stopped`, `Failed`, or `State` before the start.
    ///
    /// # Blocks
    /// At most `timeout`. Of several calls, one collects an answer of more than a page at a time.
    pub fn discover(&self, link: LinkId, timeout: Duration) -> Result<Vec<Address>, Error> {
        let shared = self.shared()?;
        shared.refuse_wait(timeout)?;
        match shared.ask(&shared.exchange, |ticket| Input::Discover { ticket, link }, timeout)? {
            Answered::Discovered(result) => result.map_err(|why| match why {
                NotDiscovered::NoLink => Error::NoLink(link),
                NotDiscovered::Busy => Error::Busy(ORDERS_MAX),
                NotDiscovered::TimedOut => Error::Timeout,
                NotDiscovered::Refused | NotDiscovered::Private | NotDiscovered::Malformed => {
                    Error::Refused(format!("{link}: {why}"))
                }
            }),
            other => Err(misfit(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::RESOLVE_TIMEOUT;
    use crate::node::resolver::LOOKUP;
    use crate::node::testbed::{PATIENCE, built, built_with, started};
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

    /// For so long a name hangs. Whoever waits for it takes longer than half of it.
    const HANGS: Duration = Duration::from_secs(40);

    /// Name servers of which some never answer in time.
    fn lookup(name: &str, port: u16) -> Vec<SocketAddr> {
        if name.starts_with("black") {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            std::thread::park_timeout(HANGS);
            return Vec::new();
        }
        vec![SocketAddr::from(([127, 0, 0, 1], port))]
    }

    #[test]
    fn black_holed_names_delay_neither_exchange_nor_stop() {
        let node = built();
        LOOKUP.set(lookup);
        node.start().expect("a free port");
        // Peers that say they listen at names: learned from their Hellos.
        let peers: Vec<Node> = (0..3)
            .map(|number| {
                let peer = built_with(&[("listen.advertise", &format!("black{number}.example:9732"))]);
                peer.start().expect("a free port");
                peer
            })
            .collect();
        let well = started();
        for peer in &peers {
            node.connect(&peer.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
        }
        let begin = node.now();
        while LOOKUPS.load(Ordering::SeqCst) == 0 {
            assert!(node.now().since(begin) < PATIENCE, "names that peers told of are asked for");
            std::thread::yield_now();
        }
        // A thread that resolves hangs now, and other such names wait. A name that the operator gives does not wait with them.
        let begin = node.now();
        let named = format!("well.example:{}", well.listen_addresses()[0].port());
        let link = node.connect(&named, PATIENCE).expect("a link");
        node.discover(link, PATIENCE).expect("an answer");
        assert!(node.now().since(begin) < HANGS / 2, "exchange waited for a name");
        let begin = well.now();
        node.stop(Duration::ZERO).expect("stopped");
        assert!(well.now().since(begin) < HANGS / 2, "stop waited for a name");
    }

    /// Name servers of which some take longer than callers wait, and then know the name.
    fn slow_lookup(name: &str, port: u16) -> Vec<SocketAddr> {
        if name.starts_with("slow") {
            std::thread::park_timeout(RESOLVE_TIMEOUT + RESOLVE_TIMEOUT / 3);
        }
        lookup(name, port)
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "real nodes run in real time")]
    fn seeds_whose_names_hang_keep_no_other_from_being_dialed() {
        let well = started();
        let port = well.listen_addresses()[0].port();
        let node_of = |hanging: usize, last: &str| {
            let hanging = (0..hanging).map(|number| format!("black{number}.example:9732"));
            let seeds: Vec<String> = hanging.chain([format!("{last}.example:{port}")]).collect();
            let node = built_with(&[("discovery.seeds", &seeds.join(",")), ("dial.period", "1s")]);
            LOOKUP.set(slow_lookup);
            node.start().expect("a free port");
            node
        };
        // The first has a thread left; the answer of the second comes late, and only once; the third has none left at first.
        let nodes = [node_of(4, "well"), node_of(2, "slow"), node_of(7, "well")];
        nodes[2].connect(&format!("well.example:{port}"), PATIENCE).expect("a caller does not wait with the seeds");
        let begin = well.now();
        while nodes.iter().any(|node| node.peers().is_empty()) {
            let linked: Vec<usize> = nodes.iter().map(|node| node.peers().len()).collect();
            assert!(well.now().since(begin) < PATIENCE, "{linked:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
