//! The numbers that the pool and the workers go by, as plain fields. They hold no rule and read no text.
//! The node makes them from checked settings, tests and the simulator from the defaults.

use super::score::Rules;
use crate::base::limits::{self, PEERS_MAX, POINTS_MAX};
use crate::base::point::Group;
use crate::base::quota::RoleQuota;
use crate::settings::check::{Bounds, Checked};
use std::net::IpAddr;
use std::time::Duration;

/// Unproven addresses that one source group may put into the book: 64 of 1,024, as in Bitcoin's new table (threat T28).
const POINTS_PER_SOURCE_MAX: usize = POINTS_MAX / 16;
/// Ports of one host in the book (threat T26).
const POINTS_PER_HOST_MAX: usize = 3;
/// A book with fewer addresses is short (CometBFT needAddressThreshold).
const POINTS_SHORT: usize = 1_000;
/// An unproven address that nobody has mentioned for so long is forgotten (CometBFT numMissingDays, 7 days).
const POINT_FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);
/// An asker gets the same selection for so long (Bitcoin keeps its answers for about a day).
const SELECTION_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Only addresses seen this recently are shared (threat T25).
const SHARED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Pause before a point is dialed again whose open link ended (Tezos disconnection-delay).
const REDIAL_PAUSE: Duration = Duration::from_secs(60);
/// Failures in a row after which an address is no longer healthy (design, section 6).
pub(super) const UNHEALTHY_AFTER: u32 = 3;
/// A claim outlives its connection's own deadline by so much: only a lost report is caught by it.
const CLAIM_SLACK: Duration = Duration::from_secs(2);

/// Everything the control plane measures by.
#[derive(Clone, Debug)]
pub struct Policy {
    pub bounds: Bounds,
    /// Links to keep at peers with capabilities.
    pub roles: Vec<RoleQuota>,
    /// Special addresses (RFC 6890) may be dialed and shared.
    pub allow_private: bool,
    /// Peers without a common version of the application's protocol are refused.
    pub is_version_required: bool,
    /// This node wants not to be advertised; it neither asks nor answers.
    pub is_private: bool,
    /// Learn the address of everyone who asks for peers.
    pub is_bootstrap: bool,

    pub accept_ip_burst: u32,
    pub accept_ip_period: Duration,
    pub accept_ip_entries_max: usize,
    /// Connections accepted per second from everybody; as many may come at once.
    pub accept_rate: u32,
    pub half_open_max: usize,
    pub half_open_per_ip: usize,
    pub half_open_per_prefix: usize,
    /// Inbound links per host and per group.
    pub inbound_per_ip: usize,
    pub inbound_per_group: usize,

    /// A claim for an arrival, for a dial, is given up after so long.
    pub arrival_deadline: Duration,
    pub dial_deadline: Duration,
    pub dials_max: usize,
    pub dial_rate: u32,
    /// Time between two dials of one point that nobody asked for by name.
    pub dial_point_period: Duration,
    pub dial_period: Duration,
    pub attempts_max: u32,
    pub backoff_max: Duration,
    pub bad_period: Duration,
    pub persistent_period_max: Duration,
    pub redial_pause: Duration,
    pub maintenance_period: Duration,

    pub points_max: usize,
    pub points_per_source: usize,
    pub points_per_host: usize,
    pub points_short: usize,
    pub point_forgotten_after: Duration,
    pub peers_max: usize,
    pub unhealthy_after: u32,
    pub selection_kept: Duration,
    pub shared_for: Duration,

    pub greylist_timeout: Duration,
    pub greylist_max: usize,
    pub score: Rules,

    pub pex_enabled: bool,
    pub pex_request_interval_min: Duration,
    pub pex_request_timeout: Duration,
    pub pex_addresses_max: usize,
    pub pex_idle_period: Duration,
    pub pex_period_max: Duration,
    pub discovery_period: Duration,
    /// Healthy addresses without a link that are checked in each round.
    pub discovery_checks: usize,
    /// This node crawls, gives each peer addresses once, and lets it go.
    pub is_seed_mode: bool,
    pub crawl_period: Duration,
    /// New addresses that are taken from a peer, and from a group of peers: so many at once, one more each period.
    pub intake_period: Duration,
    pub intake_burst: u32,
    pub intake_entries_max: usize,
}

impl From<&Checked> for Policy {
    fn from(s: &Checked) -> Policy {
        Policy {
            bounds: s.bounds(),
            roles: s.pool_roles.clone(),
            allow_private: s.network_allow_private,
            is_version_required: s.network_require_version,
            is_private: s.pex_private,
            is_bootstrap: s.discovery_bootstrap,
            accept_ip_burst: s.accept_ip_burst,
            accept_ip_period: s.accept_ip_period,
            accept_ip_entries_max: s.accept_ip_entries_max as usize,
            accept_rate: s.accept_rate,
            half_open_max: s.handshake_half_open_max as usize,
            half_open_per_ip: s.handshake_half_open_per_ip as usize,
            half_open_per_prefix: s.handshake_half_open_per_group as usize,
            inbound_per_ip: s.pool_per_ip_max as usize,
            inbound_per_group: s.pool_per_group_max as usize,
            arrival_deadline: s.handshake_timeout + CLAIM_SLACK,
            dial_deadline: s.dial_timeout + CLAIM_SLACK,
            dials_max: s.dial_parallel_max as usize,
            dial_rate: s.dial_rate,
            dial_point_period: s.dial_point_period,
            dial_period: s.dial_period,
            attempts_max: s.dial_attempts_max,
            backoff_max: s.dial_backoff_max,
            bad_period: s.dial_bad_period,
            persistent_period_max: s.dial_persistent_period_max,
            redial_pause: REDIAL_PAUSE,
            maintenance_period: s.maintenance_period,
            points_max: POINTS_MAX,
            points_per_source: POINTS_PER_SOURCE_MAX,
            points_per_host: POINTS_PER_HOST_MAX,
            points_short: POINTS_SHORT,
            point_forgotten_after: POINT_FORGOTTEN_AFTER,
            peers_max: PEERS_MAX,
            unhealthy_after: UNHEALTHY_AFTER,
            selection_kept: SELECTION_KEPT,
            shared_for: SHARED_FOR,
            greylist_timeout: s.greylist_timeout,
            greylist_max: s.greylist_entries_max as usize,
            score: Rules {
                half_life: s.score_half_life,
                warn: s.score_warn,
                greylist: s.score_greylist,
                ban: s.score_ban,
                ban_time: s.score_ban_time,
                weight_max: s.bandwidth_weight_max,
                is_saved: !s.score_file.is_empty(),
            },
            pex_enabled: s.pex_enabled,
            pex_request_interval_min: s.pex_request_interval_min,
            pex_request_timeout: s.pex_request_timeout,
            pex_addresses_max: (s.pex_addresses_max as usize).min(limits::ADDRESSES_MAX),
            pex_idle_period: s.pex_idle_period,
            pex_period_max: s.pex_period_max,
            discovery_period: s.discovery_period,
            discovery_checks: s.discovery_checks as usize,
            is_seed_mode: s.discovery_seed_mode,
            crawl_period: s.discovery_crawl_period,
            intake_period: s.pex_intake_period,
            intake_burst: s.pex_intake_burst,
            intake_entries_max: limits::INTAKE_ENTRIES_MAX,
        }
    }
}

impl Policy {
    /// The group of an address: one party is likely to hold all of it.
    pub fn group(&self, ip: IpAddr) -> Group {
        Group::of(ip)
    }

    /// Most inbound links: the places for outbound ones stay free.
    pub fn inbound_max(&self) -> usize {
        self.bounds.inbound_max() as usize
    }

    /// How many addresses an answer has, out of `known` that may be shared (CometBFT's 23 %, at least 32).
    pub fn answer_size(&self, known: usize) -> usize {
        self.pex_addresses_max.min((known * 23 / 100).max(32))
    }
}
