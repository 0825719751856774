//! A pool with its maintenance and exchange, driven by hand, for the tests beside the checklists. Peers and addresses have numbers.

use bowline::base::address::Address;
use bowline::base::channel::{ChannelId, Kind};
use bowline::base::link_id::{LinkId, LinkIds};
use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::base::verdict::Verdict;
use bowline::bus::command::Command;
use bowline::bus::outbox::Outbox;
use bowline::bus::report::Control;
use bowline::pool::policy::Policy;
use bowline::pool::saved::{Saved, SavedPoint};
use bowline::pool::slots::Purpose;
use bowline::pool::table::Pool;
use bowline::settings::table::Settings;
use bowline::wire::hello::Hello;
use bowline::workers::exchange::Exchange;
use bowline::workers::machine::Machine;
use bowline::workers::maintenance::Maintenance;
use bowline::workers::word::Said;
use bowline::{Proof, Source};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The defaults on a network of private addresses, without dials at random times and without a pace.
pub fn policy() -> Policy {
    let settings = Settings {
        discovery_bootstrap: true,
        network_allow_private: true,
        feeler_period: Duration::ZERO,
        dial_rate: 1_000,
        accept_rate: 10_000,
        ..Settings::new("test")
    };
    Policy::from(&settings.check().expect("the defaults are valid"))
}

pub fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

/// Each in a group of its own.
pub fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, number, 0, 1], 9_732))
}

/// Seconds after the start.
pub fn secs(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

pub fn ms(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

/// An address as a store has it, which nobody has dialed yet.
pub fn saved_point(at: SocketAddr) -> SavedPoint {
    SavedPoint {
        at,
        peer: None,
        capabilities: Vec::new(),
        is_own_word: false,
        source: Source::Own,
        proof: Proof::Heard,
        is_tried: false,
        attempts: 0,
        reinstated: 0,
        bad_until: None,
        last_heard: 1_000,
        last_dialed: None,
        last_seen: None,
        last_miss: None,
        last_failure: None,
        metadata: Box::default(),
    }
}

pub struct Bench {
    pub pool: Pool,
    pub ids: LinkIds,
    pub rng: Rng,
    pub maintenance: Maintenance,
    pub exchange: Exchange,
}

impl Bench {
    pub fn new(policy: Policy) -> Bench {
        Bench::with(policy, &[], &[])
    }

    pub fn with(policy: Policy, persistent: &[Address], seeds: &[Address]) -> Bench {
        let ids = LinkIds::default();
        Bench {
            pool: Pool::new(peer(0), policy, ids.clone()),
            ids,
            rng: Rng::from_seed(1),
            maintenance: Maintenance::new(Rng::from_seed(2), persistent, seeds),
            exchange: Exchange::new(Rng::from_seed(3)),
        }
    }

    pub fn maintain(&mut self, now: Time) -> Outbox {
        let mut out = Outbox::default();
        self.maintenance.wake(now, &mut self.pool, &mut out);
        out
    }

    pub fn exchange(&mut self, now: Time) -> Outbox {
        let mut out = Outbox::default();
        self.exchange.wake(now, &mut self.pool, &mut out);
        out
    }

    /// A peer says something on the channel of the exchange.
    pub fn hear(&mut self, now: Time, link: LinkId, from: u8, body: Vec<u8>) -> Outbox {
        let mut out = Outbox::default();
        let (channel, kind) = (ChannelId::PEX, Kind::Message);
        let control = Control { link, peer: peer(from), channel, kind, request: 0, body: body.into() };
        self.exchange.handle(now, Said::decode(control).into(), &mut self.pool, &mut out);
        out
    }

    /// Somebody tells of addresses.
    pub fn learn(&mut self, now: Time, numbers: impl Iterator<Item = u8>) {
        for number in numbers {
            self.pool.learn_all(now, [(&Address::of(at(number), None), &[][..])].into_iter(), at(250), None);
        }
    }

    /// Takes addresses back as a store has them.
    pub fn restore(&mut self, points: Vec<SavedPoint>) {
        self.pool.restore(Time::ZERO, 1_000, &Saved { saved_at: 1_000, points, ..Saved::default() });
    }

    pub fn hello(number: u8) -> Arc<Hello> {
        Arc::new(Hello { listen: vec![Address::of(at(number), None)], ..Hello::default() })
    }

    pub fn arrive(&mut self, now: Time, number: u8) -> Result<LinkId, CloseReason> {
        let link = self.ids.next();
        self.pool.claim_arrival(now, link, SocketAddr::new(at(number).ip(), 50_000)).map(|_| link)
    }

    pub fn introduce(&mut self, now: Time, link: LinkId, number: u8) -> Verdict {
        self.pool.introduce(now, link, peer(number), &Bench::hello(number), &mut self.rng).verdict
    }

    /// An open inbound link.
    pub fn inbound(&mut self, now: Time, number: u8) -> LinkId {
        let link = self.arrive(now, number).expect("may come");
        assert_eq!(self.introduce(now, link, number), Verdict::Admit);
        assert!(self.pool.open(now, link).is_some());
        link
    }

    /// A dial has come to an open link.
    pub fn answer(&mut self, now: Time, link: LinkId, number: u8) {
        assert_eq!(self.pool.recognise(now, link, peer(number)), Verdict::Proceed);
        assert_eq!(self.introduce(now, link, number), Verdict::Admit);
        assert!(self.pool.open(now, link).is_some());
    }

    /// An open outbound link.
    pub fn outbound(&mut self, now: Time, number: u8) -> LinkId {
        let link = self.pool.claim_dial(now, at(number), None, Purpose::Wanted).expect("may dial");
        self.answer(now, link, number);
        link
    }

    pub fn close(&mut self, now: Time, link: LinkId, reason: CloseReason) -> bool {
        self.pool.close(now, link, reason, None, &[], &mut self.rng).is_some_and(|closed| closed.greylisted.is_some())
    }

    /// Dials fail as they do where nobody listens.
    pub fn refuse(&mut self, now: Time, dials: &[(LinkId, SocketAddr)]) {
        dials.iter().for_each(|(link, _)| assert!(!self.close(now, *link, CloseReason::ConnectionRefused)));
    }
}

/// What was ordered to be dialed.
pub fn dials(out: &Outbox) -> Vec<(LinkId, SocketAddr)> {
    let dial = |command: &Command| if let Command::Dial { link, to, .. } = command { Some((*link, *to)) } else { None };
    out.commands.iter().filter_map(dial).collect()
}
