//! Maintenance alone over a pool, for its tests: it is woken, and what it orders is carried out by the test, or not.

use super::machine::Machine;
use super::maintenance::Maintenance;
use super::testbed::{at, hello_of, ms, peer, policy};
use crate::base::address::Address;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::Outbox;
use crate::pool::policy::Policy;
use crate::pool::table::Pool;
use crate::wire::hello::Hello;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

pub struct Bench {
    pub pool: Pool,
    pub ids: LinkIds,
    pub rng: Rng,
    pub machine: Maintenance,
}

impl Bench {
    pub fn new(policy: Policy, persistent: &[Address], seeds: &[Address]) -> Bench {
        let ids = LinkIds::default();
        let pool = Pool::new(peer(0), policy, ids.clone());
        let machine = Maintenance::new(Rng::from_seed(3), persistent, seeds);
        Bench { pool, ids, rng: Rng::from_seed(2), machine }
    }

    pub fn wake(&mut self, now: Time) -> Outbox {
        let mut out = Outbox::default();
        self.machine.wake(now, &mut self.pool, &mut out);
        out
    }

    pub fn learn(&mut self, numbers: Range<usize>) {
        for number in numbers {
            self.pool.learn_all(ms(0), [(&Address::of(at(number), None), &[][..])].into_iter(), at(99), None);
        }
    }

    /// Links that others made with us.
    pub fn inbound(&mut self, now: Time, numbers: Range<usize>) {
        for number in numbers {
            let link = self.ids.next();
            self.pool.claim_arrival(now, link, at(number)).expect("may come");
            let hello = Arc::new(Hello::default());
            self.pool.introduce(now, link, peer(number), &hello, &mut self.rng);
            self.pool.open(now, link);
        }
    }

    pub fn open(&mut self, now: Time, link: LinkId, number: usize) {
        self.pool.recognise(now, link, peer(number));
        self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
        self.pool.open(now, link);
    }

    pub fn fail(&mut self, now: Time, dials: &[(LinkId, SocketAddr)]) {
        for (link, _) in dials {
            self.pool.close(now, *link, CloseReason::ConnectionRefused, None, &[], &mut self.rng);
        }
    }
}

pub fn dials(out: &Outbox) -> Vec<(LinkId, SocketAddr)> {
    let dial = |command: &Command| if let Command::Dial { link, to, .. } = command { Some((*link, *to)) } else { None };
    out.commands.iter().filter_map(dial).collect()
}

pub fn busy() -> Policy {
    Policy { dial_rate: 1_000, accept_rate: 10_000, ..policy() }
}
