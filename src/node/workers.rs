//! The control plane of a started node: its tables and machines, made from the settings, and how their inputs are made from what arrives.

use super::node::Plan;
use crate::base::address::Address;
use crate::base::rng::Rng;
use crate::bus::outbox::Done;
use crate::bus::report::{Control, Report};
use crate::pool::policy::Policy;
use crate::pool::table::Pool;
use crate::reactor::limits::Limits;
use crate::settings::check::Checked;
use crate::workers::exchange::Exchange;
use crate::workers::maintenance::{self, Maintenance};
use crate::workers::welcome::Welcome;
use std::time::Duration;

/// Sockets that send their last words, beside open and half-open ones.
const LINGERING_MAX: usize = 64;
/// How long a socket may take for its last words.
const LINGER: Duration = Duration::from_secs(1);
/// How long an arrival waits for welcome at most (architecture reference 2.8).
const GREET_TIMEOUT: Duration = Duration::from_secs(2);

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

/// What bounds the reactor. `files_max` is the process' limit of descriptors: some are left to the host (threat T40).
pub fn limits(settings: &Checked, files_max: Option<u64>) -> Limits {
    let wanted = settings.pool_max as usize + settings.handshake_half_open_max as usize + LINGERING_MAX;
    let files = files_max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let conns_max = wanted.min(files.saturating_sub(settings.files_headroom as usize)).max(1);
    if conns_max < wanted {
        log::warn!(target: "bowline::node", "{files} descriptors allow {conns_max} connections instead of {wanted}: raise the limit, or lower pool.max");
    }
    Limits {
        conns_max,
        half_open_max: settings.handshake_half_open_max as usize,
        dial_timeout: settings.dial_timeout,
        greet_timeout: GREET_TIMEOUT,
        write_stall_timeout: settings.link_write_stall_timeout,
        stall_timeout: settings.link_stall_timeout,
        linger: LINGER,
        dial_from: settings.dial_from,
        down: settings.bandwidth_down,
        up: settings.bandwidth_up,
        link_down: settings.bandwidth_peer_down,
        link_up: settings.bandwidth_peer_up,
    }
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
