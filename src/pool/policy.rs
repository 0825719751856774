//! The numbers that the pool and the workers go by, as plain fields. They hold no rule and read no text.
//! The node makes them from checked settings, tests and the simulator from the defaults.

use super::score::Rules;
use crate::base::limits::{self, PEERS_MAX, POINTS_MAX};
use crate::base::point::{Group, canonical};
use crate::base::quota::RoleQuota;
use crate::settings::check::{Bounds, Checked};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Unproven addresses that one source group may put into the book: a 32nd of the new table (threat T28).
const POINTS_PER_SOURCE_MAX: usize = limits::NEW_BUCKETS * limits::BUCKET / 32;
/// Ports of one host in the book (threat T26).
const POINTS_PER_HOST_MAX: usize = 3;
/// A book with fewer addresses is short (CometBFT needAddressThreshold).
const POINTS_SHORT: usize = 1_000;
/// An unproven address that nobody has mentioned for so long is forgotten (CometBFT numMissingDays, 7 days).
const POINT_FORGOTTEN_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);
/// An address or identity that was not seen for so long is forgotten, whatever was proven once (Bitcoin ADDRMAN_HORIZON, 30 days).
const HORIZON: Duration = Duration::from_secs(30 * 24 * 3_600);
/// An asker gets the same selection for so long (Bitcoin keeps its answers for about a day).
const SELECTION_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Only addresses seen this recently are shared (threat T25).
const SHARED_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Pause before a point is dialed again whose open link ended (Tezos disconnection-delay).
const REDIAL_PAUSE: Duration = Duration::from_secs(60);
/// Failures in a row after which an address is no longer healthy (design, section 6).
pub(super) const UNHEALTHY_AFTER: u32 = 3;
/// A link that is open so many ping timeouts after a request has had a pong to a ping that was sent after it: so the peer has had the request,
/// and a network that stood still cannot bring the next one close behind it, which the peer would have to close the link for.
const PINGS_PATIENCE: u32 = 2;
/// A claim outlives its connection's own deadline by so much: only a lost report is caught by it.
const CLAIM_SLACK: Duration = Duration::from_secs(2);

/// Says the number of the network (AS) that an address is in, if it knows.
type NetworkOf = dyn Fn(IpAddr) -> Option<u32> + Send + Sync;

/// Which addresses one party is likely to hold. Without a map they are grouped by prefix.
#[derive(Clone, Default)]
pub struct Grouping(Option<Arc<NetworkOf>>);

impl Grouping {
    /// Groups by the numbers that `network_of` gives, and by prefix where it gives none. It must always give the same.
    pub fn by(network_of: impl Fn(IpAddr) -> Option<u32> + Send + Sync + 'static) -> Grouping {
        Grouping(Some(Arc::new(network_of)))
    }

    pub fn group(&self, ip: IpAddr) -> Group {
        let number = self.0.as_ref().and_then(|network_of| network_of(canonical(ip)));
        number.map_or_else(|| Group::of(ip), Group::As)
    }
}

impl fmt::Debug for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Grouping(map)" } else { "Grouping(prefix)" })
    }
}

/// Everything the control plane measures by.
#[derive(Clone, Debug)]
pub struct Policy {
    pub bounds: Bounds,
    /// Links to keep at peers with capabilities.
    pub roles: Vec<RoleQuota>,
    /// Places beyond `bounds.max` for trusted and persistent peers.
    pub trusted_extra: usize,
    /// Special addresses (RFC 6890) may be dialed and shared.
    pub allow_private: bool,
    /// Peers without a common version of the application's protocol are refused.
    pub is_version_required: bool,
    /// This node wants not to be advertised; it neither asks for addresses nor gives any.
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
    /// Only inbound links older than this give way to newcomers.
    pub evict_age_min: Duration,
    /// Links with trusted and persistent peers alone.
    pub is_trusted_only: bool,

    /// A claim for an arrival, for a dial, is given up after so long.
    pub arrival_deadline: Duration,
    pub dial_deadline: Duration,
    pub dials_max: usize,
    pub dial_rate: u32,
    /// Time between two dials of one point that nobody asked for by name.
    pub dial_point_period: Duration,
    /// The same for one host, and for one prefix, of which the tables keep so many.
    pub dial_host_period: Duration,
    pub dial_prefix_burst: u32,
    pub dial_prefix_period: Duration,
    pub dial_entries_max: usize,
    /// Mean time between two dials that only see whether an address is true; zero: none are made.
    pub feeler_period: Duration,
    pub anchors_max: usize,
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
    /// An identity without a link, of which nothing is kept on purpose, is forgotten after so long.
    pub peer_forgotten_after: Duration,
    pub unhealthy_after: u32,
    pub selection_kept: Duration,
    pub shared_for: Duration,
    /// When an outbound link's address becomes a tried one.
    pub tried_after: Duration,
    /// Tried and new addresses that nobody has seen for so long are forgotten.
    pub horizon: Duration,
    pub grouping: Grouping,

    pub greylist_timeout: Duration,
    /// The longest that repeated offences lead to.
    pub greylist_timeout_max: Duration,
    pub greylist_max: usize,
    pub score: Rules,

    pub pex_enabled: bool,
    pub pex_request_interval_min: Duration,
    pub pex_request_timeout: Duration,
    /// Who owes an answer is not asked again sooner.
    pub pex_patience: Duration,
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
}

impl From<&Checked> for Policy {
    fn from(s: &Checked) -> Policy {
        Policy {
            bounds: s.bounds(),
            roles: s.pool_roles.clone(),
            trusted_extra: s.pool_trusted_extra as usize,
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
            evict_age_min: s.pool_evict_age_min,
            is_trusted_only: s.pool_trusted_only,
            arrival_deadline: s.handshake_timeout + CLAIM_SLACK,
            dial_deadline: s.dial_timeout + s.handshake_timeout + CLAIM_SLACK,
            dials_max: s.dial_parallel_max as usize,
            dial_rate: s.dial_rate,
            dial_point_period: s.dial_point_period,
            dial_host_period: s.dial_host_period,
            dial_prefix_burst: s.dial_prefix_burst,
            dial_prefix_period: s.dial_prefix_period,
            dial_entries_max: limits::DIAL_ENTRIES_MAX,
            feeler_period: s.feeler_period,
            anchors_max: s.book_anchors as usize,
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
            peer_forgotten_after: HORIZON,
            unhealthy_after: UNHEALTHY_AFTER,
            selection_kept: SELECTION_KEPT,
            shared_for: SHARED_FOR,
            tried_after: s.book_tried_after,
            horizon: HORIZON,
            grouping: Grouping::default(),
            greylist_timeout: s.greylist_timeout,
            greylist_timeout_max: s.greylist_timeout_max,
            greylist_max: s.greylist_entries_max as usize,
            score: Rules::from(s),
            pex_enabled: s.pex_enabled,
            pex_request_interval_min: s.pex_request_interval_min,
            pex_request_timeout: s.pex_request_timeout,
            pex_patience: s.pex_request_timeout.max(s.ping_timeout * PINGS_PATIENCE),
            pex_addresses_max: (s.pex_addresses_max as usize).min(limits::ADDRESSES_MAX),
            pex_idle_period: s.pex_idle_period,
            pex_period_max: s.pex_period_max,
            discovery_period: s.discovery_period,
            discovery_checks: s.discovery_checks as usize,
            is_seed_mode: s.discovery_seed_mode,
            crawl_period: s.discovery_crawl_period,
            intake_period: s.pex_intake_period,
            intake_burst: s.pex_intake_burst,
        }
    }
}

impl Policy {
    /// The group of an address: one party is likely to hold all of it.
    pub fn group(&self, ip: IpAddr) -> Group {
        self.grouping.group(ip)
    }

    /// Of the dials at once, those that may go to addresses that the operator has not named: an eighth is left for persistent peers, seeds and
    /// dials on request, which would else wait behind addresses where nobody answers.
    pub fn hearsay_dials_max(&self) -> usize {
        self.dials_max - self.dials_max / 8
    }

    /// Most inbound links: the places for outbound ones stay free.
    pub fn inbound_max(&self) -> usize {
        self.bounds.inbound_max() as usize
    }

    /// A private node, or one without PEX, neither asks for addresses nor gives any.
    pub fn may_exchange(&self) -> bool {
        self.pex_enabled && !self.is_private
    }

    /// How many addresses an answer has, out of `known` that may be shared (CometBFT's 23 %, at least 32).
    pub fn answer_size(&self, known: usize) -> usize {
        self.pex_addresses_max.min((known * 23 / 100).max(32))
    }
}
