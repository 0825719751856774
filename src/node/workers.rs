//! The control plane of a started node: its tables and machines, made from the settings, and how their inputs are made from what arrives.

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
use crate::workers::exchange::Exchange;
use crate::workers::maintenance::{self, Maintenance};
use crate::workers::welcome::Welcome;
use crate::workers::word::Said;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The machines of the three workers.
pub struct Workers {
    pub welcome: Welcome,
    pub exchange: Exchange,
    pub maintenance: Maintenance,
}

/// The tables and who works on them.
pub struct Machines {
    pub pool: Pool,
    pub workers: Workers,
}

/// Makes the tables and the machines. `own` is where this node can be dialed.
pub fn machines(plan: &Plan, own: Vec<Address>, rng: &Rng) -> Machines {
    let settings = &plan.settings;
    let mut pool = Pool::new(plan.identity.id(), Policy::from(settings), plan.ids.clone());
    pool.set_own_addresses(own);
    pool.set_own_versions(plan.hello.application_versions.clone());
    let workers = Workers {
        welcome: Welcome::new(rng.fork("welcome")),
        exchange: Exchange::new(rng.fork("exchange")),
        maintenance: Maintenance::new(rng.fork("maintenance"), &settings.discovery_persistent, &settings.discovery_seeds),
    };
    Machines { pool, workers }
}

pub fn welcome_input(report: Report) -> Option<Report> {
    Some(report)
}

/// Welcome begins no jobs.
pub fn welcome_done(_: Done) -> Option<Report> {
    None
}

pub fn maintenance_done(done: Done) -> Option<maintenance::Input> {
    Some(maintenance::Input::Done(done))
}

/// Exchange begins no jobs.
pub fn exchange_done(_: Done) -> Option<Said> {
    None
}

/// Decodes a control message, contained and without a lock: a panic costs the peer its link and nobody else anything.
pub fn exchange_input(control: Control, shared: &Shared) -> Option<Said> {
    let link = control.link;
    let said = catch_unwind(AssertUnwindSafe(|| Said::decode(control)));
    if said.is_err() {
        shared.counters.panics_contained.add(1);
        // A peer can provoke this line: the counter goes on when the lines do not.
        if shared.counters.panics_contained.value() <= u64::from(LINES_MAX) {
            log::error!(target: "bowline::exchange", "{link}: a panic while decoding was contained");
        }
        shared.order(Command::Close { link, reason: CloseReason::PanicContained });
    }
    said.ok()
}
