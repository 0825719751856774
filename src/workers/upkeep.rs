//! Maintenance alone over a pool, for its tests: it is woken, and what it orders is carried out by the test, or not.

use super::machine::Machine;
use super::maintenance::{Input, Maintenance};
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

/// A dial that was ordered.
pub type Dial = (LinkId, SocketAddr);

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

    /// The dials of a round.
    pub fn dials(&mut self, now: Time) -> Vec<Dial> {
        dials(&self.wake(now))
    }

    pub fn order(&mut self, now: Time, order: Input) -> Outbox {
        let mut out = Outbox::default();
        self.machine.handle(now, order, &mut self.pool, &mut out);
        out
    }

    pub fn hear(&mut self, address: &Address) {
        self.pool.learn_all(ms(0), [(address, &[][..])].into_iter(), at(99), None);
    }

    pub fn learn(&mut self, numbers: Range<usize>) {
        numbers.for_each(|number| self.hear(&Address::of(at(number), None)));
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

    /// Whoever has that address answers.
    pub fn answer(&mut self, now: Time, (link, to): Dial) {
        let number = (0..250).find(|number| at(*number) == to).expect("one of ours");
        self.open(now, link, number);
    }

    pub fn end(&mut self, now: Time, link: LinkId, reason: CloseReason) {
        self.pool.close(now, link, reason, None, &[], &mut self.rng);
    }

    pub fn fail(&mut self, now: Time, dials: &[Dial]) {
        dials.iter().for_each(|(link, _)| self.end(now, *link, CloseReason::ConnectionRefused));
    }
}

pub fn dials(out: &Outbox) -> Vec<Dial> {
    let dial = |command: &Command| if let Command::Dial { link, to, .. } = command { Some((*link, *to)) } else { None };
    out.commands.iter().filter_map(dial).collect()
}

pub fn busy() -> Policy {
    Policy { dial_rate: 1_000, accept_rate: 10_000, ..policy() }
}
