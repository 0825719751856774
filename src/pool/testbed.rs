//! A pool with peers and addresses that have numbers, for the tests of its verbs.

use super::choose_dial::Candidates;
use super::dialing::DialError;
use super::lists::Culprit;
use super::points::State;
use super::policy::Policy;
use super::slots::Purpose;
use super::table::Pool;
use crate::base::address::Address;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Verdict;
use crate::settings::check::Bounds;
use crate::settings::table::Settings;
use crate::wire::hello::Hello;
use std::net::SocketAddr;
use std::sync::Arc;

pub(super) fn policy() -> Policy {
    let settings = Settings {
        discovery_bootstrap: true,
        network_allow_private: true,
        accept_rate: 100_000,
        accept_ip_burst: 10_000,
        dial_rate: 10_000,
        ..Settings::new("test")
    };
    Policy::from(&settings.check().expect("valid"))
}

pub(super) fn small() -> Policy {
    let bounds = Bounds {
        min: 1,
        min_threshold: 2,
        min_target: 3,
        expected: 4,
        max_target: 5,
        max_threshold: 6,
        max: 7,
        outbound_target: 2,
        outbound_max: 3,
    };
    Policy { bounds, half_open_max: 6, half_open_per_ip: 2, half_open_per_prefix: 3, dials_max: 2, ..policy() }
}

pub(super) fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

pub(super) fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, number, 0, 1], 9_000))
}

pub(super) struct Bench {
    pub pool: Pool,
    pub ids: LinkIds,
    pub rng: Rng,
    pub now: Time,
}

impl Bench {
    pub fn new(policy: Policy) -> Bench {
        let ids = LinkIds::default();
        Bench { pool: Pool::new(peer(100), policy, ids.clone()), ids, rng: Rng::from_seed(1), now: Time::ZERO }
    }

    pub fn hello(number: u8) -> Arc<Hello> {
        Arc::new(Hello { listen: vec![Address::of(at(number), None)], ..Hello::default() })
    }

    pub fn arrive(&mut self, number: u8) -> Result<LinkId, CloseReason> {
        let link = self.ids.next();
        let from = SocketAddr::new(at(number).ip(), 50_000);
        self.pool.claim_arrival(self.now, link, from).map(|_| link)
    }

    pub fn introduce(&mut self, link: LinkId, number: u8) -> Verdict {
        self.pool.introduce(self.now, link, peer(number), &Bench::hello(number), &mut self.rng).verdict
    }

    /// An open inbound link of that peer.
    pub fn inbound(&mut self, number: u8) -> LinkId {
        let link = self.arrive(number).expect("may come");
        assert_eq!(self.introduce(link, number), Verdict::Admit);
        assert!(self.pool.open(self.now, link).is_some());
        link
    }

    pub fn introduce_with(&mut self, link: LinkId, number: u8, versions: &[u32]) -> Verdict {
        let hello = Arc::new(Hello { application_versions: versions.to_vec(), ..Hello::default() });
        self.pool.introduce(self.now, link, peer(number), &hello, &mut self.rng).verdict
    }

    pub fn dial(&mut self, number: u8, why: Purpose) -> Result<LinkId, DialError> {
        self.pool.claim_dial(self.now, at(number), None, why)
    }

    /// An open outbound link with that peer.
    pub fn outbound(&mut self, number: u8) -> LinkId {
        let link = self.dial(number, Purpose::Wanted).expect("may dial");
        assert_eq!(self.pool.recognise(self.now, link, peer(number)), Verdict::Proceed);
        assert_eq!(self.introduce(link, number), Verdict::Admit);
        assert!(self.pool.open(self.now, link).is_some());
        link
    }

    pub fn close(&mut self, link: LinkId, reason: CloseReason) -> Option<Culprit> {
        self.pool.close(self.now, link, reason, None, &[], &mut self.rng).and_then(|closed| closed.greylisted)
    }

    pub fn state(&self, number: u8) -> Option<State> {
        self.pool.points().get(at(number)).map(|point| point.state)
    }

    pub fn candidates(&mut self, count: usize) -> Candidates {
        self.pool.whom_to_dial(self.now, count, &mut self.rng)
    }
}
