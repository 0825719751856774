//! Configured addresses whose host is a name: when each is asked for, and which of its addresses the pool holds for it. It resolves nothing
//! itself and waits for nothing; maintenance asks it.

use super::maintenance::Findings;
use crate::base::address::{Address, Host};
use crate::base::limits::ADDRESSES_PER_NAME;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::outbox::{Job, Outbox};
use crate::pool::points::State;
use crate::pool::table::Pool;
use std::net::SocketAddr;

const LOG: &str = "bowline::maintain";

/// A configured address whose host is a name.
#[derive(Debug)]
struct Name {
    address: Address,
    is_persistent: bool,
    /// The question under way.
    ticket: Option<u64>,
    next_question: Time,
    resolved: Vec<SocketAddr>,
}

/// All names, as many as were configured.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: Vec<Name>,
    tickets: u64,
    /// For lines on names that do not resolve.
    lines: Throttle,
}

impl Names {
    /// Adds a configured address, to be asked for at once.
    pub fn add(&mut self, now: Time, address: Address, is_persistent: bool) {
        let (ticket, next_question, resolved) = (None, now, Vec::new());
        self.all.push(Name { address, is_persistent, ticket, next_question, resolved });
    }

    /// Seeds that no question is under way for are to be asked for again at once.
    pub fn hurry_seeds(&mut self, now: Time) {
        for name in self.all.iter_mut().filter(|name| !name.is_persistent) {
            name.next_question = now;
        }
    }

    /// Names of persistent peers.
    pub fn persistents(&self) -> usize {
        self.all.iter().filter(|name| name.is_persistent).count()
    }

    pub fn has_persistent(&self, address: &Address) -> bool {
        self.all.iter().any(|name| name.is_persistent && name.address == *address)
    }

    /// The address is one of those that a persistent peer's name has resolved to.
    pub fn has_resolved(&self, at: SocketAddr) -> bool {
        self.all.iter().any(|name| name.is_persistent && name.resolved.contains(&at))
    }

    /// Forgets the name of a persistent peer; what it has resolved to loses its special place. False if there was none.
    pub fn remove_persistent(&mut self, now: Time, address: &Address, pool: &mut Pool) -> bool {
        let Some(index) = self.all.iter().position(|name| name.is_persistent && name.address == *address) else { return false };
        for at in self.all.remove(index).resolved {
            if !self.has_resolved(at) {
                pool.unfix(now, at);
            }
        }
        true
    }

    /// Asks for the addresses of configured names: at start, and again while none of them is in use.
    pub fn ask(&mut self, now: Time, pool: &Pool, out: &mut Outbox, found: &mut Findings) {
        for name in self.all.iter_mut().filter(|name| name.ticket.is_none()) {
            let is_used =
                |at: &SocketAddr| pool.points().get(*at).is_some_and(|point| matches!(point.state, State::Connected(_)));
            if now >= name.next_question && !name.resolved.iter().any(is_used) {
                self.tickets += 1;
                name.ticket = Some(self.tickets);
                let Host::Name(host) = &name.address.host else { continue };
                out.jobs.push(Job::Resolve { ticket: self.tickets, name: host.clone(), port: name.address.port });
            } else {
                found.wait_for((now < name.next_question).then_some(name.next_question));
            }
        }
    }

    /// A name was resolved: to these addresses, or to none in time. Those that it no longer has lose their special place in the pool.
    pub fn resolved(&mut self, now: Time, ticket: u64, addresses: &[SocketAddr], pool: &mut Pool, out: &mut Outbox) {
        let Some(name) = self.all.iter_mut().find(|name| name.ticket == Some(ticket)) else { return };
        name.ticket = None;
        let policy = pool.policy();
        name.next_question = now + if addresses.is_empty() { policy.dial_period } else { policy.maintenance_period };
        if addresses.is_empty() {
            let wait = policy.dial_period.as_secs();
            let text = || format!("{} does not resolve: it is asked for again in {wait} s", name.address);
            out.log.extend(self.lines.line(now, text).map(|line| (log::Level::Warn, LOG, line)));
            return;
        }
        let (old, new) = (&name.resolved, &addresses[..addresses.len().min(ADDRESSES_PER_NAME)]);
        for at in old.iter().filter(|at| !new.contains(at)) {
            pool.points_mut().unfix(*at);
        }
        for at in new.iter().filter(|at| !old.contains(at)) {
            pool.fix(now, *at, name.address.id, name.is_persistent);
        }
        name.resolved = new.to_vec();
    }
}
