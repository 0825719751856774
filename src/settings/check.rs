//! From settings to checked settings: what must agree across fields agrees, and what derives from others is derived.
//! It reads no file and resolves no name. The node checks once, when it is built.

use super::error::SettingError;
use super::table::Settings;
use crate::base::address::{Address, AddressError};
use crate::base::limits::{LINK_TURN_MIN, RATE_MAX, RATE_MIN};
use crate::base::quota::{self, QuotaError, RoleQuota};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

/// What is wrong with settings that are each in range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Complaint {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("network.name is not set: choose 1 to 64 characters that all nodes of the network share")]
    NoNetworkName,
    #[error("no seed, no persistent peer and not a bootstrap node: set discovery.seeds or discovery.bootstrap")]
    NoWayIn,
    #[error("no seed and no persistent peer but this node itself: name another one, or set discovery.bootstrap")]
    OnlyItself,
    #[error("{name}: {address}: {why}")]
    Undialable { name: &'static str, address: Box<Address>, why: AddressError },
    #[error("{one} and {other} name two identities at {at}: remove the one that is not there")]
    TwoIdentities { one: &'static str, other: &'static str, at: Box<Address> },
    #[error("{low} ({low_value}) is above {high} ({high_value}): lower the one or raise the other")]
    Order { low: &'static str, low_value: String, high: &'static str, high_value: String },
    #[error("{name} ({value} bytes/s) is too slow: set at least {least} bytes/s, so that {why}, or 0 for no limit")]
    TooSlow { name: &'static str, value: u64, least: u64, why: &'static str },
    #[error("{name} ({value} bytes/s) is too fast: set at most {RATE_MAX} bytes/s, or 0 for no limit")]
    TooFast { name: &'static str, value: u64 },
    #[error("pool.roles: {0}")]
    Roles(#[from] QuotaError),
    #[error("{one} and {other} exclude each other: {why}")]
    Conflict { one: &'static str, other: &'static str, why: &'static str },
}

/// How many links a node wants, all of it derived: min <= min_threshold <= min_target <= expected <= max_target <= max_threshold <= max.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub min: u32,
    /// Below it, maintenance dials up to `min_target`.
    pub min_threshold: u32,
    pub min_target: u32,
    pub expected: u32,
    /// Above `max_threshold`, maintenance drops down to it.
    pub max_target: u32,
    pub max_threshold: u32,
    pub max: u32,
    /// Outbound links and dials to keep up; at most `outbound_max`.
    pub outbound_target: u32,
    /// Places for outbound links and dials, which inbound links never take.
    pub outbound_max: u32,
}

impl Bounds {
    /// The places that inbound links may take.
    pub fn inbound_max(&self) -> u32 {
        self.max - self.outbound_max
    }

    /// Tezos' arithmetic: thirds of the gaps between minimum, expected and maximum (10/50/100 gives 23, 36, 68, 84).
    fn derive(settings: &Settings) -> Bounds {
        let Settings { pool_min: min, pool_expected: expected, pool_max: max, .. } = *settings;
        let step_min = expected.saturating_sub(min) / 3;
        let step_max = max.saturating_sub(expected) / 3;
        let outbound_max = settings.pool_outbound_max.unwrap_or(max.div_ceil(2));
        Bounds {
            min,
            min_threshold: settings.pool_min_threshold.unwrap_or(min + step_min),
            min_target: settings.pool_min_target.unwrap_or(min + 2 * step_min),
            expected,
            max_target: settings.pool_max_target.unwrap_or(max - 2 * step_max),
            max_threshold: settings.pool_max_threshold.unwrap_or(max - step_max),
            max,
            outbound_target: settings.pool_outbound_target.min(outbound_max),
            outbound_max,
        }
    }
}

/// Settings that a node can run on. They are read like `Settings`, and nothing changes them any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    settings: Settings,
    bounds: Bounds,
}

impl Deref for Checked {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Checked {
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The same with other quotas, which somebody has checked against `pool.max`.
    pub fn set_roles(&mut self, roles: Vec<RoleQuota>) {
        self.settings.pool_roles = roles;
    }

    pub fn into_settings(self) -> Settings {
        self.settings
    }
}

impl Settings {
    /// Checks what one field cannot say alone, for a node that knows no address but those in the settings, and perhaps in its store.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first of it.
    pub fn check(self) -> Result<Checked, Vec<Complaint>> {
        let may_have_stored = usize::from(!self.store_path.is_empty());
        self.check_knowing(may_have_stored)
    }

    /// `check` for a node that already knows so many addresses, stored or told by the application: it may do without a seed.
    pub fn check_knowing(self, stored_addresses: usize) -> Result<Checked, Vec<Complaint>> {
        let mut complaints: Vec<Complaint> = self.out_of_range().into_iter().map(Complaint::from).collect();
        if !complaints.is_empty() {
            // The arithmetic below relies on the ranges.
            return Err(complaints);
        }
        let bounds = Bounds::derive(&self);
        complaints.extend(self.complaints_on_network(stored_addresses));
        complaints.extend(self.complaints_on_order(&bounds));
        complaints.extend(self.complaints_on_speed());
        complaints.extend(quota::check(&self.pool_roles, bounds.max).err().map(Complaint::from));
        if complaints.is_empty() { Ok(Checked { settings: self, bounds }) } else { Err(complaints) }
    }

    fn complaints_on_network(&self, stored_addresses: usize) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.network_name.is_empty() {
            complaints.push(Complaint::NoNetworkName);
        }
        if self.network_name.bytes().any(|b| !(b == b' ' || b.is_ascii_graphic())) {
            complaints.push(SettingError::unreadable::<String>("network.name", &self.network_name).into());
        }
        let knows_somebody = stored_addresses > 0 || !self.discovery_seeds.is_empty() || !self.discovery_persistent.is_empty();
        if !self.discovery_bootstrap && !knows_somebody {
            complaints.push(Complaint::NoWayIn);
        }
        let (seeds, persistent) = (&self.discovery_seeds, &self.discovery_persistent);
        let mut named = seeds.iter().chain(persistent).peekable();
        if !self.discovery_bootstrap && stored_addresses == 0 && named.peek().is_some() && named.all(|one| self.is_own(one)) {
            complaints.push(Complaint::OnlyItself);
        }
        for (name, addresses) in [("discovery.seeds", seeds), ("discovery.persistent", persistent)] {
            let undialable = |address: &Address| {
                let why = address.check_dialable().err()?;
                Some(Complaint::Undialable { name, address: Box::new(address.clone()), why })
            };
            complaints.extend(addresses.iter().filter_map(undialable));
        }
        complaints.extend(self.complaints_on_identities());
        if self.discovery_bootstrap && self.pex_private {
            let why = "a bootstrap node gives addresses to everyone, a private node to nobody";
            complaints.push(Complaint::Conflict { one: "discovery.bootstrap", other: "pex.private", why });
        }
        if self.discovery_bootstrap && self.pool_trusted_only {
            let why = "a bootstrap node lets everyone in, a node for trusted peers nobody else";
            complaints.push(Complaint::Conflict { one: "pool.trusted_only", other: "discovery.bootstrap", why });
        }
        if self.discovery_seed_mode && self.pex_private {
            let why = "a seed node gives addresses to everyone, a private node to nobody";
            complaints.push(Complaint::Conflict { one: "discovery.seed_mode", other: "pex.private", why });
        }
        if self.discovery_seed_mode && !self.pex_enabled {
            let why = "a seed node does nothing but exchange addresses: turn pex.enabled on";
            complaints.push(Complaint::Conflict { one: "discovery.seed_mode", other: "pex.enabled", why });
        }
        complaints
    }

    /// Seeds and persistent peers of which two are at one address.
    fn complaints_on_identities(&self) -> Vec<Complaint> {
        let (mut first, mut complaints) = (BTreeMap::new(), Vec::new());
        for (other, addresses) in
            [("discovery.seeds", &self.discovery_seeds), ("discovery.persistent", &self.discovery_persistent)]
        {
            for address in addresses {
                let (Some(id), at) = (address.id, Address { id: None, ..address.clone() }) else { continue };
                let (one, known) = *first.entry(at.clone()).or_insert((other, id));
                if known != id {
                    complaints.push(Complaint::TwoIdentities { one, other, at: Box::new(at) });
                }
            }
        }
        complaints
    }

    /// The node listens there, or says that it does.
    fn is_own(&self, address: &Address) -> bool {
        let is_advertised =
            self.listen_advertise.as_ref().is_some_and(|own| own.host == address.host && own.port == address.port);
        let is_there = |own: &SocketAddr, at: SocketAddr| {
            let is_anywhere = own.ip().is_unspecified() && at.ip().is_loopback() && own.is_ipv4() == at.is_ipv4();
            own.port() == at.port() && (own.ip() == at.ip() || is_anywhere)
        };
        is_advertised || address.socket().is_some_and(|at| self.listen_addresses.iter().any(|own| is_there(own, at)))
    }

    fn complaints_on_order(&self, bounds: &Bounds) -> Vec<Complaint> {
        let corners = [
            ordered("pool.min", &bounds.min, "pool.expected", &bounds.expected),
            ordered("pool.expected", &bounds.expected, "pool.max", &bounds.max),
        ];
        let between = [
            ordered("pool.min", &bounds.min, "pool.min_threshold", &bounds.min_threshold),
            ordered("pool.min_threshold", &bounds.min_threshold, "pool.min_target", &bounds.min_target),
            ordered("pool.min_target", &bounds.min_target, "pool.expected", &bounds.expected),
            ordered("pool.expected", &bounds.expected, "pool.max_target", &bounds.max_target),
            ordered("pool.max_target", &bounds.max_target, "pool.max_threshold", &bounds.max_threshold),
            ordered("pool.max_threshold", &bounds.max_threshold, "pool.max", &bounds.max),
        ];
        let Settings { handshake_half_open_per_ip: per_ip, handshake_half_open_per_group: per_group, .. } = self;
        let others = [
            ordered("pool.outbound_max", &bounds.outbound_max, "pool.max", &bounds.max),
            ordered("handshake.half_open_per_ip", per_ip, "handshake.half_open_per_group", per_group),
            ordered("handshake.half_open_per_group", per_group, "handshake.half_open_max", &self.handshake_half_open_max),
            ordered("handshake.first_timeout", &self.handshake_first_timeout, "handshake.timeout", &self.handshake_timeout),
            ordered("ping.accept_period", &self.ping_accept_period, "ping.period", &self.ping_period),
            ordered("ping.period", &self.ping_period, "ping.timeout", &self.ping_timeout),
            ordered("link.record_timeout", &self.link_record_timeout, "link.message_timeout", &self.link_message_timeout),
            ordered("greylist.timeout", &self.greylist_timeout, "greylist.timeout_max", &self.greylist_timeout_max),
            rising("score.warn", &self.score_warn, "score.greylist", &self.score_greylist),
            rising("score.greylist", &self.score_greylist, "score.ban", &self.score_ban),
            rising("score.warn", &self.score_warn, "score.ban", &self.score_ban),
        ];
        // What derives from wrong corners is wrong too, and says nothing new.
        let between = between.into_iter().filter(|_| corners.iter().all(Option::is_none));
        between.collect::<Vec<_>>().into_iter().chain(corners).chain(others).flatten().collect()
    }

    fn complaints_on_speed(&self) -> Vec<Complaint> {
        let all = self.check_rates(self.bandwidth_up, self.bandwidth_down);
        let each = check_link_rates(self.bandwidth_peer_up, self.bandwidth_peer_down);
        [all, each].into_iter().filter_map(Result::err).collect()
    }

    /// Whether all links together may have these rates, bytes/s.
    ///
    /// # Errors
    /// `TooSlow` or `TooFast`, with what would do.
    pub fn check_rates(&self, up: u64, down: u64) -> Result<(), Complaint> {
        // A peer with the same settings closes a link on which a record that has begun stands still for the record timeout.
        let timeout = self.link_record_timeout.max(Duration::from_secs(1)).as_secs();
        let least = RATE_MIN.max((LINK_TURN_MIN * u64::from(self.pool_max + self.pool_trusted_extra)).div_ceil(timeout));
        let why = "each of pool.max and pool.trusted_extra links gets its turn within link.record_timeout";
        check_rate("bandwidth.up", up, least, why)?;
        check_rate("bandwidth.down", down, least, why)
    }
}

/// Whether a link may have these rates, bytes/s.
///
/// # Errors
/// As `Settings::check_rates`.
pub fn check_link_rates(up: u64, down: u64) -> Result<(), Complaint> {
    let why = "a record and a pong pass in seconds";
    check_rate("bandwidth.peer_up", up, RATE_MIN, why)?;
    check_rate("bandwidth.peer_down", down, RATE_MIN, why)
}

fn check_rate(name: &'static str, value: u64, least: u64, why: &'static str) -> Result<(), Complaint> {
    match value {
        0 => Ok(()),
        _ if value < least => Err(Complaint::TooSlow { name, value, least, why }),
        _ if value > RATE_MAX => Err(Complaint::TooFast { name, value }),
        _ => Ok(()),
    }
}

fn ordered<T: super::value::Value + PartialOrd>(low: &'static str, a: &T, high: &'static str, b: &T) -> Option<Complaint> {
    (a > b).then(|| Complaint::Order { low, low_value: a.print(), high, high_value: b.print() })
}

/// The same for thresholds of which 0 switches one off.
fn rising(low: &'static str, a: &u32, high: &'static str, b: &u32) -> Option<Complaint> {
    if *b == 0 { None } else { ordered(low, a, high, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Settings {
        Settings { discovery_bootstrap: true, ..Settings::new("test") }
    }

    fn complaints(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = valid();
        change(&mut settings);
        settings.check().expect_err("something is wrong").iter().map(Complaint::to_string).collect()
    }

    #[test]
    fn bounds_are_derived_as_tezos_does() {
        let derive = |min, expected, max| {
            let bounds =
                Settings { pool_min: min, pool_expected: expected, pool_max: max, ..valid() }.check().expect("valid").bounds();
            [
                bounds.min_threshold,
                bounds.min_target,
                bounds.max_target,
                bounds.max_threshold,
                bounds.outbound_max,
                bounds.outbound_target,
            ]
        };
        assert_eq!(derive(10, 50, 100), [23, 36, 68, 84, 50, 10]);
        assert_eq!(derive(25, 50, 75), [33, 41, 59, 67, 38, 10]);
        assert_eq!(derive(1, 1, 1), [1, 1, 1, 1, 1, 1]);
        assert_eq!(derive(0, 1, 3), [0, 0, 3, 3, 2, 2]);
    }

    #[test]
    fn bounds_set_by_hand_are_taken() {
        let settings = Settings {
            pool_min_threshold: Some(12),
            pool_max_target: Some(90),
            pool_max_threshold: Some(91),
            pool_outbound_max: Some(5),
            ..valid()
        };
        let bounds = settings.check().expect("valid").bounds();
        assert_eq!((bounds.min_threshold, bounds.min_target, bounds.max_target, bounds.max_threshold), (12, 36, 90, 91));
        assert_eq!((bounds.outbound_max, bounds.outbound_target, bounds.inbound_max()), (5, 5, 95));
    }

    #[test]
    fn derived_bounds_are_always_in_order() {
        for (min, expected, max) in (0..40).flat_map(|min| (min.max(1)..50).map(move |expected| (min, expected, expected + min)))
        {
            let settings = Settings { pool_min: min, pool_expected: expected, pool_max: max, ..valid() };
            assert!(settings.check().is_ok(), "{min} {expected} {max}");
        }
    }

    #[test]
    fn a_node_without_a_way_in_is_refused() {
        let alone = || Settings::new("test");
        let message = "no seed, no persistent peer and not a bootstrap node: set discovery.seeds or discovery.bootstrap";
        assert_eq!(alone().check(), Err(vec![Complaint::NoWayIn]));
        assert_eq!(Complaint::NoWayIn.to_string(), message);
        assert!(alone().check_knowing(1).is_ok());
        for name in ["discovery.seeds", "discovery.persistent"] {
            let mut settings = alone();
            settings.set(name, "192.0.2.1:9732").expect("an address");
            assert!(settings.check().is_ok(), "{name}");
        }
    }

    #[test]
    fn a_node_that_names_itself_alone_has_no_way_in() {
        let own = |settings: &mut Settings, listen: &str, advertise: &str| {
            settings.discovery_bootstrap = false;
            let set = [("listen.addresses", listen), ("listen.advertise", advertise)];
            set.into_iter().try_for_each(|(name, text)| settings.set(name, text)).expect("addresses");
        };
        for (listen, advertise, seeds) in [
            ("192.0.2.1:9732", "", "192.0.2.1:9732"),
            ("0.0.0.0:9732", "node.example:9732", "node.example:9732"),
            ("0.0.0.0:9732,[::]:9732", "", "127.0.0.1:9732,[::1]:9732"),
            ("192.0.2.1:9732", "192.0.2.2:9732", "192.0.2.1:9732,192.0.2.2:9732"),
        ] {
            let found = complaints(|s| {
                own(s, listen, advertise);
                s.set("discovery.seeds", seeds).expect("addresses");
            });
            assert_eq!(found, [Complaint::OnlyItself.to_string()], "{seeds}");
            let mut settings = valid();
            own(&mut settings, listen, advertise);
            settings.set("discovery.seeds", seeds).expect("addresses");
            assert!(settings.clone().check_knowing(1).is_ok(), "{seeds}");
            settings.set("discovery.persistent", "192.0.2.9:9732").expect("an address");
            assert!(settings.check().is_ok(), "{seeds}");
        }
    }

    #[test]
    fn an_address_has_one_identity_in_all_lists() {
        let (a, b) = (format!("{:02x}", 1).repeat(32), format!("{:02x}", 2).repeat(32));
        for host in ["192.0.2.1", "peer.example"] {
            let at = |id: &str| format!("{id}@{host}:9732");
            let found = complaints(|s| {
                s.set("discovery.seeds", &format!("{},{host}:9732", at(&a))).expect("addresses");
                s.set("discovery.persistent", &format!("{},{}", at(&a), at(&b))).expect("addresses");
            });
            let expected = format!(
                "discovery.seeds and discovery.persistent name two identities at bowline://{host}:9732: remove the one that is not there"
            );
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn addresses_that_no_node_can_be_dialed_at_are_refused() {
        let addresses = "192.0.2.1:1,mconn://192.0.2.1:1,0.0.0.0:9,224.0.0.1:9,255.255.255.255:9,[::]:9,[ff02::1]:9";
        for name in ["discovery.seeds", "discovery.persistent"] {
            let found = complaints(|s| s.set(name, addresses).expect("addresses"));
            assert_eq!(found.len(), 6, "{found:?}");
            let first = format!("{name}: mconn://192.0.2.1:1: mconn addresses are not dialed by this node: give one of bowline");
            assert_eq!(found[0], first);
            assert!(found[1].starts_with(&format!("{name}: bowline://0.0.0.0:9: no node can be at 0.0.0.0")), "{}", found[1]);
        }
    }

    #[test]
    fn disagreeing_fields_are_named_with_their_values() {
        for (found, expected) in [
            (complaints(|s| s.pool_min = 60), "pool.min (60) is above pool.expected (50): lower the one or raise the other"),
            (complaints(|s| s.pool_max = 20), "pool.expected (50) is above pool.max (20): lower the one or raise the other"),
            (
                complaints(|s| s.pool_outbound_max = Some(101)),
                "pool.outbound_max (101) is above pool.max (100): lower the one or raise the other",
            ),
            (
                complaints(|s| s.pool_min_target = Some(11)),
                "pool.min_threshold (23) is above pool.min_target (11): lower the one or raise the other",
            ),
            (
                complaints(|s| s.ping_timeout = Duration::from_secs(1)),
                "ping.period (30s) is above ping.timeout (1s): lower the one or raise the other",
            ),
            (
                complaints(|s| s.bandwidth_peer_up = 100),
                "bandwidth.peer_up (100 bytes/s) is too slow: set at least 1024 bytes/s, so that a record and a pong pass in seconds, or 0 for no limit",
            ),
            (
                complaints(|s| s.bandwidth_down = 5_645),
                "bandwidth.down (5645 bytes/s) is too slow: set at least 5646 bytes/s, so that each of pool.max and pool.trusted_extra links gets its turn within link.record_timeout, or 0 for no limit",
            ),
            (
                complaints(|s| s.set("pool.roles", "archive=60, light=41%").expect("in range")),
                "pool.roles: the quotas ask for 101 links together, and there are never more than 100 (pool.max): lower them, or raise it",
            ),
            (
                complaints(|s| s.set("pool.roles", "archive=0").expect("in range")),
                "pool.roles: a quota of 0 for 'archive' asks for nothing: give at least 1, or leave it out",
            ),
            (
                complaints(|s| s.greylist_timeout_max = Duration::from_secs(3_600)),
                "greylist.timeout (24h) is above greylist.timeout_max (1h): lower the one or raise the other",
            ),
            (
                complaints(|s| s.pool_trusted_only = true),
                "pool.trusted_only and discovery.bootstrap exclude each other: a bootstrap node lets everyone in, a node for trusted peers nobody else",
            ),
            (
                complaints(|s| s.pex_private = true),
                "discovery.bootstrap and pex.private exclude each other: a bootstrap node gives addresses to everyone, a private node to nobody",
            ),
            (
                complaints(|s| {
                    (s.discovery_bootstrap, s.discovery_seed_mode, s.pex_private) = (false, true, true);
                    s.discovery_seeds = vec!["192.0.2.1:9732".parse().expect("an address")];
                }),
                "discovery.seed_mode and pex.private exclude each other: a seed node gives addresses to everyone, a private node to nobody",
            ),
            (
                complaints(|s| (s.discovery_seed_mode, s.pex_enabled) = (true, false)),
                "discovery.seed_mode and pex.enabled exclude each other: a seed node does nothing but exchange addresses: turn pex.enabled on",
            ),
            (
                complaints(|s| s.network_name.clear()),
                "network.name is not set: choose 1 to 64 characters that all nodes of the network share",
            ),
            (complaints(|s| s.network_name = "a\nb".into()), "network.name: 'a\\nb' does not parse, expected printable ASCII"),
            (complaints(|s| s.network_name = "x".repeat(65)), "network.name: 65 is out of range, 0 to 64 characters are allowed"),
            (
                complaints(|s| s.dial_timeout = Duration::MAX),
                "dial.timeout: 18446744073709551615ns is out of range, 100ms to 10min are allowed",
            ),
        ] {
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn rates_are_bounded_on_both_sides() {
        let settings = Settings { pool_max: 10, pool_expected: 10, pool_min: 1, pool_trusted_extra: 0, ..valid() };
        for (up, down) in [(0, 0), (RATE_MIN, 0), (0, RATE_MIN), (RATE_MAX, RATE_MAX)] {
            assert_eq!((settings.check_rates(up, down), check_link_rates(up, down)), (Ok(()), Ok(())), "{up} {down}");
        }
        for wrong in [1, RATE_MIN - 1, RATE_MAX + 1, u64::MAX] {
            for (up, down) in [(wrong, 0), (0, wrong)] {
                assert!(settings.check_rates(up, down).is_err() && check_link_rates(up, down).is_err(), "{up} {down}");
            }
        }
    }

    #[test]
    fn all_complaints_come_at_once() {
        let settings = Settings { pool_min: 60, bandwidth_up: 1, ..Settings::default() };
        assert_eq!(settings.check().expect_err("four mistakes").len(), 4);
    }
}
