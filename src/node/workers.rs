//! The control plane of a started node: its tables and machines, made from the settings, and how their inputs are made from what arrives.

use super::builder::MetadataScore;
use super::node::Plan;
use super::shared::Shared;
use crate::base::address::Address;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::LINES_MAX;
use crate::bus::command::Command;
use crate::bus::outbox::Done;
use crate::bus::report::{Control, Report};
use crate::pool::policy::Policy;
use crate::pool::table::Pool;
use crate::workers::exchange::{self, Exchange};
use crate::workers::maintenance::{self, Maintenance};
use crate::workers::welcome::{self, Welcome};
use crate::workers::word::Said;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The machines of the three workers.
pub struct Workers {
    pub welcome: Welcome,
    pub exchange: Exchange,
    pub maintenance: Maintenance,
    pub metadata_score: Option<MetadataScore>,
}

/// The tables and who works on them.
pub struct Machines {
    pub pool: Pool,
    pub workers: Workers,
}

/// Makes the tables and the machines. `own` is where this node can be dialed.
pub fn machines(plan: &Plan, own: Vec<Address>, rng: &Rng) -> Machines {
    let settings = &plan.settings;
    let policy = Policy { grouping: plan.grouping.clone(), ..Policy::from(settings) };
    let mut pool = Pool::new(plan.identity.id(), policy, plan.ids.clone());
    let mut key = [0; 16];
    plan.entropy("book").fill(&mut key);
    pool.set_book_key(key);
    pool.set_own_addresses(own);
    pool.set_own_versions(plan.hello.application_versions.clone());
    let workers = Workers {
        welcome: Welcome::new(rng.fork("welcome")),
        exchange: Exchange::new(rng.fork("exchange")),
        maintenance: Maintenance::new(rng.fork("maintenance"), &settings.discovery_persistent, &settings.discovery_seeds),
        metadata_score: plan.metadata_score.clone(),
    };
    Machines { pool, workers }
}

/// Asks the application what a peer's metadata is worth, contained and without a lock: a panic counts as no opinion, for it may be the
/// application's fault as well as the peer's.
pub fn welcome_input(report: Report, score: Option<&MetadataScore>, shared: &Shared) -> Option<welcome::Input> {
    let (Report::Introduced { link, hello, .. }, Some(score)) = (&report, score) else { return Some(report.into()) };
    let metadata_score = catch_unwind(AssertUnwindSafe(|| score(&hello.metadata))).unwrap_or_else(|_| {
        note_panic(shared, || format!("{link}: a panic in the score function for metadata was contained"));
        0
    });
    Some(welcome::Input { report, metadata_score })
}

/// Welcome begins no jobs.
pub fn welcome_done(_: Done) -> Option<welcome::Input> {
    None
}

pub fn maintenance_done(done: Done) -> Option<maintenance::Input> {
    Some(maintenance::Input::Done(done))
}

pub fn exchange_done(done: Done) -> Option<exchange::Input> {
    Some(exchange::Input::Done(done))
}

/// Decodes a control message, contained and without a lock: a panic costs the peer its link and nobody else anything.
pub fn exchange_input(control: Control, shared: &Shared) -> Option<exchange::Input> {
    let link = control.link;
    let said = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        assert!(!tests::IS_BROKEN.get(), "on purpose");
        Said::decode(control)
    }));
    if said.is_err() {
        note_panic(shared, || format!("{link}: a panic while decoding was contained"));
        shared.order(Command::Close { link, reason: CloseReason::PanicContained });
    }
    said.ok().map(exchange::Input::Said)
}

fn note_panic(shared: &Shared, text: impl FnOnce() -> String) {
    shared.counters.panics_contained.add(1);
    // A peer can provoke this line: the counter goes on when the lines do not.
    if shared.counters.panics_contained.value() <= u64::from(LINES_MAX) {
        log::error!(target: "bowline::node", "{}", text());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::channel::{ChannelId, Kind};
    use crate::bus::event::Event;
    use crate::node::node::Node;
    use crate::node::testbed::{PATIENCE, started};
    use crate::wire::pex::PexMessage;
    use std::cell::Cell;

    thread_local! {
        /// Decoding panics on this thread.
        pub(super) static IS_BROKEN: Cell<bool> = const { Cell::new(false) };
    }

    fn down(node: &Node) -> (crate::base::link_id::LinkId, CloseReason) {
        loop {
            if let Event::Down(down) = node.recv_timeout(PATIENCE).expect("a link goes down") {
                return (down.link, down.reason);
            }
        }
    }

    #[test]
    fn a_panic_while_reading_an_answer_costs_the_peer_its_link_alone() {
        let (node, [bad, good]) = (started(), [started(), started()]);
        let [to_bad, to_good] =
            [&bad, &good].map(|peer| node.connect(&peer.listen_addresses()[0].to_string(), PATIENCE).expect("a link"));
        let shared = &node.running().expect("started").shared;
        let answer = |link, peer: &Node| Control {
            link,
            peer: peer.id(),
            channel: ChannelId::PEX,
            kind: Kind::Message,
            request: 0,
            body: PexMessage::ResponseV2(vec![]).encode().into(),
        };
        IS_BROKEN.set(true);
        let input = exchange_input(answer(to_bad, &bad), shared);
        IS_BROKEN.set(false);
        assert!(input.is_none());
        assert_eq!(down(&node), (to_bad, CloseReason::PanicContained));
        assert_eq!(node.stats().panics_contained, 1);
        assert!(exchange_input(answer(to_good, &good), shared).is_some());
        // The worker that decodes goes on, too.
        assert!(node.discover(to_good, PATIENCE).is_ok());
        assert!(node.peers().iter().any(|peer| peer.link == to_good));
    }
}
