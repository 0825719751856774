//! The control plane of a started node: its tables and machines, made from the settings, and how their inputs are made from what arrives.

use super::node::Plan;
use crate::base::address::Address;
use crate::base::rng::Rng;
use crate::bus::outbox::Done;
use crate::bus::report::{Control, Report};
use crate::pool::policy::Policy;
use crate::pool::table::Pool;
use crate::workers::exchange::Exchange;
use crate::workers::maintenance::{self, Maintenance};
use crate::workers::welcome::Welcome;

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

pub fn exchange_done(_: Done) -> Option<Control> {
    None
}
