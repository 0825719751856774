//! The one table of settings: from its rows come the struct, the defaults, reading, printing and what the manual says.
//! A value that is derived from others is not here but in `check`. Every face sets through it, `check` takes its result.

use super::error::{SettingError, TEXT_MAX, unknown};
use super::value::{Kind, PuzzleMode, Value};
use crate::base::address::Address;
use crate::base::quota::RoleQuota;
use crate::base::subject::Subject;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One row: all that a person must know to set it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key, such as `pool.max`. The field of `Settings` has the same name with `_` for the dot.
    pub name: &'static str,
    pub kind: Kind,
    /// What one of it is, such as links or bytes; durations carry their unit in the text.
    pub unit: &'static str,
    pub default: &'static str,
    /// Smallest and largest value, as texts of the same kind; for texts characters, for lists entries.
    pub range: Option<(&'static str, &'static str)>,
    /// Where the default comes from.
    pub source: &'static str,
    /// What it costs in memory.
    pub memory: &'static str,
    pub doc: &'static str,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:literal $field:ident: $type:ty = $default:literal,
       $range:expr, $unit:literal, $source:literal, $memory:literal;)+) => {
        /// Everything an operator may set, as it was set: not yet checked. `check` makes the settings that a node runs on.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = $doc])+ #[doc = ""] #[doc = concat!("`", $name, "`, default `", $default, "`.")] pub $field: $type,)+
        }

        /// Every setting, in the manual's order.
        pub const TABLE: &[Setting] = &[$(Setting {
            name: $name,
            kind: <$type as Value>::KIND,
            unit: $unit,
            default: $default,
            range: $range,
            source: $source,
            memory: $memory,
            doc: concat!($($doc),+).trim_ascii(),
        }),+];

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $($field: read($name, $default, $range, $unit).expect("every default is in its range, as a test shows"),)+ }
            }
        }

        impl Settings {
            /// Changes the setting called `name` to what `text` says; on an error nothing is changed.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
                match name {
                    $($name => self.$field = read($name, text, $range, $unit)?,)+
                    _ => return Err(unknown(name, Settings::names())),
                }
                Ok(())
            }

            /// The canonical text of the setting called `name`, which `set` reads back; `None` if there is none.
            pub fn get(&self, name: &str) -> Option<String> {
                match name {
                    $($name => Some(self.$field.print()),)+
                    _ => None,
                }
            }

            /// What is out of range: the fields are public, so a program may have put anything there.
            pub(super) fn out_of_range(&self) -> Vec<SettingError> {
                [$(in_range($name, &self.$field, $range, $unit).err()),+].into_iter().flatten().collect()
            }
        }

        /// Name and field of each row, to compare them.
        #[cfg(test)]
        const FIELDS: &[(&str, &str)] = &[$(($name, stringify!($field))),+];
    };
}

impl Settings {
    /// The defaults for a network of that name.
    pub fn new(network: &str) -> Settings {
        Settings { network_name: network.to_owned(), ..Settings::default() }
    }

    /// The names of all settings, in the manual's order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|setting| setting.name)
    }

    /// The row of the setting called `name`.
    pub fn row(name: &str) -> Option<&'static Setting> {
        TABLE.iter().find(|setting| setting.name == name)
    }
}

type Range = Option<(&'static str, &'static str)>;

/// A row's range column.
const fn range(min: &'static str, max: &'static str) -> Range {
    Some((min, max))
}

/// The range column of values that have none.
const ANY: Range = None;

fn read<T: Value>(name: &'static str, text: &str, range: Range, unit: &'static str) -> Result<T, SettingError> {
    let trimmed = text.trim_ascii();
    let value = if text.len() <= TEXT_MAX { T::read(trimmed) } else { None };
    let value = value.ok_or_else(|| SettingError::unreadable::<T>(name, trimmed))?;
    in_range(name, &value, range, unit)?;
    Ok(value)
}

fn in_range<T: Value>(name: &'static str, value: &T, range: Range, unit: &'static str) -> Result<(), SettingError> {
    let (Some((min, max)), Some(measure)) = (range, value.measure()) else {
        return Ok(());
    };
    // The ends are read like values; a test reads them all, so one that does not parse cannot get here.
    let least = T::measure_of(min).unwrap_or(0);
    let most = T::measure_of(max).unwrap_or(u64::MAX);
    if (least..=most).contains(&measure) {
        return Ok(());
    }
    Err(SettingError::out_of_range(name, value, (min, max), unit))
}

// "name" field: type = "default", range, "unit", "source", "memory";
settings! {
    /// Name of the network; only nodes of the same network link up. It has no default, so that two networks never meet by accident.
    "network.name" network_name: String = "", range("0", "64"), "characters", "Tezos network version", "none";
    /// Leading zero bits that an identity's stamp must have: 26 cost minutes once, on a public network; tests use 0 to 16.
    "network.pow_bits" network_pow_bits: u32 = "26", range("0", "40"), "bits", "Tezos expected-proof-of-work", "none";
    /// Refuse initiators that do not claim an identity in their first message.
    "network.require_claim" network_require_claim: bool = "false", ANY, "switch", "security reference 2.3", "none";
    /// Refuse peers that announce no version of the application's protocol that this node announces too.
    "network.require_version" network_require_version: bool = "false", ANY, "switch", "design.md 4 (Hello)", "none";
    /// Take private, loopback and other special addresses as dialable and worth sharing: for private networks and tests.
    "network.allow_private" network_allow_private: bool = "false", ANY, "switch", "threat T26 (RFC 6890)", "none";

    /// Where to accept links; empty: nowhere. The default works on every machine; add `[::]:9732` where IPv6 is there
    /// (it is bound for IPv6 alone, so both may stand side by side). Port 0 lets the system choose.
    "listen.addresses" listen_addresses: Vec<SocketAddr> = "0.0.0.0:9732", range("0", "8"), "addresses", "Tezos listen-addr, port 9732", "a descriptor each";
    /// The address that others should dial, where it differs from what is listened on (behind NAT). Empty: the listened ones.
    "listen.advertise" listen_advertise: Option<Address> = "", ANY, "address", "Tezos advertised-net-port", "none";
    /// Connections that the kernel may keep waiting until they are accepted; its own limit (`net.core.somaxconn`) holds as well.
    "listen.backlog" listen_backlog: u32 = "1024", range("1", "65535"), "connections", "performance reference 6", "the kernel's only";

    /// Tokens for accepting from one IP address; one that comes back faster is closed before any work.
    "accept.ip_burst" accept_ip_burst: u32 = "4", range("1", "10000"), "connections", "threat T2", "none";
    /// How often an IP address gets a token back. Many nodes on one machine need an address each, or a shorter period.
    "accept.ip_period" accept_ip_period: Duration = "10s", range("1ms", "1h"), "time", "threat T2", "none";
    /// IP addresses whose tokens are remembered; the longest unseen is forgotten first.
    "accept.ip_entries_max" accept_ip_entries_max: u32 = "4096", range("64", "1048576"), "addresses", "50/s x 40 s to refill = 2,000, doubled", "139 bytes each";
    /// Connections accepted per second from everybody together; as many may come at once.
    "accept.rate" accept_rate: u32 = "50", range("1", "100000"), "connections/s", "threat T2", "none";
    /// Pause of the listeners when no file descriptor or no place for a connection is free, before they try again.
    "accept.retry_period" accept_retry_period: Duration = "100ms", range("10ms", "10s"), "time", "threat T40", "none";
    /// File descriptors left to the rest of the program: no link is accepted or dialed into them.
    "files.headroom" files_headroom: u32 = "64", range("0", "65536"), "descriptors", "threat T40", "none";

    /// Time for a whole handshake, counted from when the connection was accepted, or its dial connected.
    "handshake.timeout" handshake_timeout: Duration = "5s", range("100ms", "10min"), "time", "Tezos authentication-timeout, threat T1", "none";
    /// Time until the first handshake message must be complete.
    "handshake.first_timeout" handshake_first_timeout: Duration = "3s", range("100ms", "10min"), "time", "threat T1", "none";
    /// Accepted connections that may be in their handshake at once; when full, the oldest of the most crowded group goes.
    "handshake.half_open_max" handshake_half_open_max: u32 = "128", range("1", "65536"), "connections", "threat T1", "536 KiB each";
    /// Of these, from one IP address.
    "handshake.half_open_per_ip" handshake_half_open_per_ip: u32 = "4", range("1", "65536"), "connections", "threat T1", "none";
    /// Of these, from one IPv4 /24 or IPv6 /64.
    "handshake.half_open_per_group" handshake_half_open_per_group: u32 = "16", range("1", "65536"), "connections", "threat T1", "none";
    /// When those who connect must solve a puzzle: auto is under load. Every node can solve one; it costs the dialer a second round trip.
    "puzzle.mode" puzzle_mode: PuzzleMode = "auto", ANY, "mode", "threat T6", "13 MiB unless never";
    /// Leading zero bits that a puzzle asks for.
    "puzzle.difficulty" puzzle_difficulty: u32 = "12", range("8", "18"), "bits", "security reference 2.3", "none";

    /// The fewest links that are enough: the bounds from which on maintenance dials derive from it.
    "pool.min" pool_min: u32 = "10", range("0", "16384"), "links", "Tezos min-connections", "none";
    /// The number of links that maintenance aims around.
    "pool.expected" pool_expected: u32 = "50", range("1", "16384"), "links", "Tezos expected-connections", "none";
    /// Never more links than this, in and out together.
    "pool.max" pool_max: u32 = "100", range("1", "16384"), "links", "Tezos max-connections", "2.9 MiB each at worst, beside its messages";
    /// Below it, maintenance dials. Auto: min + (expected - min) / 3.
    "pool.min_threshold" pool_min_threshold: Option<u32> = "auto", range("1", "16384"), "links", "Tezos maintenance bounds", "none";
    /// It dials up to this. Auto: min + 2 (expected - min) / 3.
    "pool.min_target" pool_min_target: Option<u32> = "auto", range("1", "16384"), "links", "Tezos maintenance bounds", "none";
    /// It drops down to this. Auto: max - 2 (max - expected) / 3.
    "pool.max_target" pool_max_target: Option<u32> = "auto", range("1", "16384"), "links", "Tezos maintenance bounds", "none";
    /// Above it, maintenance drops links. Auto: max - (max - expected) / 3.
    "pool.max_threshold" pool_max_threshold: Option<u32> = "auto", range("1", "16384"), "links", "Tezos maintenance bounds", "none";
    /// Outbound links and dials to keep up; never above `pool.outbound_max`.
    "pool.outbound_target" pool_outbound_target: u32 = "10", range("0", "16384"), "links", "CometBFT MaxNumOutboundPeers", "none";
    /// Most outbound links and dials. These places are reserved: inbound links never take them. Auto: half of `pool.max`, rounded up.
    "pool.outbound_max" pool_outbound_max: Option<u32> = "auto", range("1", "16384"), "links", "design, section 6", "none";
    /// Inbound links from one IP address. Private addresses do not count where `network.allow_private` is on.
    "pool.per_ip_max" pool_per_ip_max: u32 = "8", range("1", "16384"), "links", "bowline: twice the half-open limit", "none";
    /// Inbound links from one IPv4 /16 or IPv6 /32. Private addresses do not count where `network.allow_private` is on.
    "pool.per_group_max" pool_per_group_max: u32 = "32", range("1", "16384"), "links", "threat T3; a third of pool.max", "none";
    /// Places beyond `pool.max` for trusted and persistent peers alone, in and out.
    "pool.trusted_extra" pool_trusted_extra: u32 = "16", range("0", "1024"), "links", "CometBFT unconditional peers; the figure is bowline's", "as a link of pool.max";

    /// Links to keep at peers with a capability: so many of them, or a share of all links, as in `archive=2, light=10%`. Together no
    /// more than `pool.max`.
    "pool.roles" pool_roles: Vec<RoleQuota> = "", range("0", "16"), "capabilities", "Tendermint RFC 000, capabilities; the figure is bowline's", "none";
    /// An inbound link is let go for a newcomer only when it is older than this: it bounds how fast places can change hands.
    "pool.evict_age_min" pool_evict_age_min: Duration = "60s", range("0s", "24h"), "time", "bowline: bounds the pace of a takeover", "none";
    /// Links with trusted and persistent peers alone: nobody else is dialed or let in, and nobody else hears why.
    "pool.trusted_only" pool_trusted_only: bool = "false", ANY, "switch", "Tezos private-mode", "none";
    /// Time between two rounds of maintenance.
    "maintenance.period" maintenance_period: Duration = "120s", range("100ms", "24h"), "time", "Tezos maintenance-idle-time", "none";

    /// Time between two rounds of dialing. The first comes at once; where peers are linked or dialed by then, at random within it.
    "dial.period" dial_period: Duration = "30s", range("100ms", "24h"), "time", "CometBFT ensurePeersPeriod", "none";
    /// Address to dial from; empty: the system chooses.
    "dial.from" dial_from: Option<IpAddr> = "", ANY, "address", "bowline: hosts with several addresses", "none";
    /// Dials under way at once, an eighth of them for seeds, persistent peers and dials on request alone, and persistent peers at most half; those that only see whether an address is true have 5 places of their own.
    "dial.parallel_max" dial_parallel_max: u32 = "16", range("2", "4096"), "dials", "bowline: 10/s for 1.6 s", "149 KiB each";
    /// Time for a dial to connect; then the handshake has `handshake.timeout`.
    "dial.timeout" dial_timeout: Duration = "10s", range("100ms", "10min"), "time", "Tezos connection-timeout", "none";
    /// Failures in a row that make an address bad; only then is it given up.
    "dial.attempts_max" dial_attempts_max: u32 = "16", range("1", "60"), "dials", "CometBFT maxAttemptsToDial", "none";
    /// Longest wait after a failed dial; the wait starts at 2 s to 3 s and doubles. It is never shorter than `dial.point_period` where that
    /// counts.
    "dial.backoff_max" dial_backoff_max: Duration = "24h", range("1s", "1000h"), "time", "2^16 s = 18.2 h stays below it", "none";
    /// How long an address stays bad before it may be tried again.
    "dial.bad_period" dial_bad_period: Duration = "24h", range("1s", "1000h"), "time", "CometBFT defaultBanTime", "none";
    /// Longest wait between two dials of a persistent peer, which is never given up.
    "dial.persistent_period_max" dial_persistent_period_max: Duration = "5min", range("1s", "24h"), "time", "design, section 6", "none";
    /// Dials per second, all together; dials on request do not count.
    "dial.rate" dial_rate: u32 = "10", range("1", "10000"), "dials/s", "threat T26", "none";
    /// Time between two dials of one address and port, so that nobody can aim this node at a victim. Counted by address and
    /// port, because many nodes may share a machine. Persistent peers, seeds and dials on request do not count.
    "dial.point_period" dial_point_period: Duration = "1min", range("0s", "24h"), "time", "threat T26", "none";
    /// Time between two dials of one host (an IPv4 address, an IPv6 /64), whatever the port. Persistent peers, seeds and dials on request do
    /// not count, nor do special addresses where `network.allow_private` is on.
    "dial.host_period" dial_host_period: Duration = "1min", range("0s", "24h"), "time", "threat T26", "none";
    /// Dials into one IPv4 /24 or IPv6 /48 that may follow at once. What does not count for `dial.host_period` does not count here.
    "dial.prefix_burst" dial_prefix_burst: u32 = "3", range("1", "1000"), "dials", "threat T26: 3 a minute", "none";
    /// How often such a prefix gets a dial back.
    "dial.prefix_period" dial_prefix_period: Duration = "20s", range("0s", "24h"), "time", "threat T26: 3 a minute", "none";
    /// Mean time between two dials that only see whether a known address is true; 0s: never.
    "feeler.period" feeler_period: Duration = "2min", range("0s", "24h"), "time", "Bitcoin FEELER_INTERVAL", "none";
    /// Peers that a restarted node dials first: those of its longest outbound links before.
    "book.anchors" book_anchors: u32 = "2", range("0", "8"), "addresses", "Bitcoin anchors", "none";

    /// Time between two pings on a link. Never below a peer's `ping.accept_period`: it would close the link as a flood.
    "ping.period" ping_period: Duration = "30s", range("100ms", "1h"), "time", "threat T4", "none";
    /// A link closes when a ping had no answer for this long.
    "ping.timeout" ping_timeout: Duration = "60s", range("100ms", "24h"), "time", "threat T4", "none";
    /// A peer may send a ping in this time, over time, and five at once; more are a flood, which ends the link. 0s: as often as it likes.
    "ping.accept_period" ping_accept_period: Duration = "5s", range("0s", "1h"), "time", "threat T38b", "none";
    /// A link closes when nobody took its messages for this long.
    "link.stall_timeout" link_stall_timeout: Duration = "120s", range("100ms", "24h"), "time", "design, section 4", "none";
    /// A link closes when the peer did not read for this long.
    "link.write_stall_timeout" link_write_stall_timeout: Duration = "30s", range("100ms", "24h"), "time", "threat T32", "none";
    /// Bytes that the kernel may hold unsent for one link (TCP_NOTSENT_LOWAT; Linux alone heeds it): no urgent message overtakes
    /// them. 128KiB suits where bulk and urgent messages share links. 0: as many as the kernel likes.
    "link.notsent_lowat" link_notsent_lowat: u64 = "0", range("0", "1GiB"), "bytes", "Linux tcp(7); off, as in the kernel", "the kernel's only";
    /// Time for one record to arrive once it has begun.
    "link.record_timeout" link_record_timeout: Duration = "30s", range("100ms", "24h"), "time", "threat T20", "none";
    /// A message that has begun to arrive and of which nothing more comes for so long ends its link. Only time counts in which the peer
    /// may send on that channel and in which we read the link.
    "link.message_timeout" link_message_timeout: Duration = "60s", range("100ms", "24h"), "time", "bowline: twice link.record_timeout, in which an honest peer's turn comes", "none";
    /// Over time so many bytes a second must come while a message is under way, those of other messages in between among them, or its
    /// link ends as well; 0: any byte is enough.
    "link.message_rate_min" link_message_rate_min: u64 = "100", range("0", "1GiB"), "bytes/s", "bowline: a piece of 1 KiB in 17 full records at 1 Mbit/s", "none";
    /// When messages of a channel have waited so long for the application, or for a peer that gives no credit or does not read, that is
    /// told as a stall; 0s: never.
    "channel.stall_after" channel_stall_after: Duration = "5s", range("0s", "24h"), "time", "bowline: far above any round trip, far below link.write_stall_timeout", "none";
    /// Messages of address exchange and discovery that a peer may send per second, over time; more are a flood, which ends the link.
    "control.rate" control_rate: u32 = "20", range("1", "100000"), "messages/s", "threat T38b", "none";
    /// Of these, so many may come at once.
    "control.burst" control_burst: u32 = "100", range("1", "100000"), "messages", "threat T38b", "64 bytes each, on each link";

    /// Whom this node trusts from the start: peer ids, addresses and prefixes. They are never greylisted or refused for want of places.
    "lists.trusted" lists_trusted: Vec<Subject> = "", range("0", "1024"), "entries", "Tezos trusted points; CometBFT unconditional_peer_ids", "512 bytes each";
    /// How long misbehaviour keeps an identity or address out.
    "greylist.timeout" greylist_timeout: Duration = "24h", range("1s", "10000h"), "time", "Tezos greylist-timeout", "none";
    /// Each further offence within 7 days of the end of the last time doubles the time, up to this.
    "greylist.timeout_max" greylist_timeout_max: Duration = "168h", range("1s", "10000h"), "time", "bowline: a week", "none";
    /// Most entries; the one that ends first goes first.
    "greylist.entries_max" greylist_entries_max: u32 = "65536", range("16", "1048576"), "entries", "threat T31", "376 bytes each";

    /// Time in which a score fades by half, good ones and bad ones.
    "score.half_life" score_half_life: Duration = "1h", range("1s", "1000h"), "time", "gossipsub retain_score 3600 s", "none";
    /// Points below zero at which a peer is told of as warned; 0: never.
    "score.warn" score_warn: u32 = "100", range("0", "1000"), "points", "gossipsub thresholds -10/-50/-80, times ten", "none";
    /// Points below zero at which a peer is disconnected and greylisted for `greylist.timeout`; 0: never.
    "score.greylist" score_greylist: u32 = "500", range("0", "1000"), "points", "gossipsub thresholds -10/-50/-80, times ten", "none";
    /// Points below zero at which a peer is disconnected and banned; 0: never.
    "score.ban" score_ban: u32 = "800", range("0", "1000"), "points", "gossipsub thresholds -10/-50/-80, times ten", "none";
    /// How long a ban for a score lasts; 0s: until the operator lifts it.
    "score.ban_time" score_ban_time: Duration = "0s", range("0s", "10000h"), "time", "design, section 6", "none";
    /// File in which the address book, lists and scores outlive a restart; empty: they are kept in memory alone. A damaged file is put aside
    /// and the node starts without; one of a newer version keeps it from starting.
    "store.path" store_path: String = "", range("0", "4096"), "characters", "dependencies reference, redb", "80 MiB";

    /// Ask peers for addresses and answer them.
    "pex.enabled" pex_enabled: bool = "true", ANY, "switch", "CometBFT pex", "none";
    /// Private node: it neither asks for addresses nor gives any, and asks others not to share its own.
    "pex.private" pex_private: bool = "false", ANY, "switch", "Tezos private-mode", "none";
    /// A peer that asks more often than this on one link breaks the protocol. Above 100ms, which all nodes agree on, it polices nobody more
    /// strictly, and only makes this node ask more slowly. A reconnect does not reset it: the first request on another link that comes
    /// too early is not answered.
    "pex.request_interval_min" pex_request_interval_min: Duration = "100ms", range("0s", "1h"), "time", "ReactorV2 minReceiveRequestInterval", "none";
    /// How long a discovery answer may take before it counts as failed. A peer that owes a PEX answer is asked again on that link after this
    /// time, but no sooner than after two `ping.timeout`, by when it has surely had the request; and only when no better one may be asked.
    "pex.request_timeout" pex_request_timeout: Duration = "30s", range("100ms", "1h"), "time", "bowline: ReactorV2 waits for ever", "none";
    /// Most addresses in an answer of ours, and most that are taken from one of theirs; up to 100 are no fault.
    "pex.addresses_max" pex_addresses_max: u32 = "100", range("1", "100"), "addresses", "ReactorV2 maxAddresses", "none";
    /// Wait when no peer can be asked.
    "pex.idle_period" pex_idle_period: Duration = "1s", range("10ms", "1h"), "time", "ReactorV2 noAvailablePeersWaitPeriod", "none";
    /// Longest wait between two requests, and the wait while the store is nearly full.
    "pex.period_max" pex_period_max: Duration = "10min", range("1s", "24h"), "time", "ReactorV2 fullCapacityInterval", "none";
    /// Time in which one more new address is taken from a peer, and from a group of peers, beyond `pex.intake_burst`; what is more is dropped.
    /// Special addresses, which `network.allow_private` allows, have no groups here.
    "pex.intake_period" pex_intake_period: Duration = "10s", range("0s", "1h"), "time", "Bitcoin MAX_ADDR_RATE_PER_SECOND 0.1", "none";
    /// New addresses that may be taken from either at once.
    "pex.intake_burst" pex_intake_burst: u32 = "1000", range("1", "100000"), "addresses", "Bitcoin MAX_ADDR_PROCESSING_TOKEN_BUCKET", "none";

    /// Nodes that are asked for addresses when there is nobody else to dial.
    "discovery.seeds" discovery_seeds: Vec<Address> = "", range("0", "256"), "addresses", "CometBFT seeds, bootstrap discovery SeedAddr", "42 KiB each";
    /// This is a bootstrap node: it needs no seed, and learns the address of everyone who asks.
    "discovery.bootstrap" discovery_bootstrap: bool = "false", ANY, "switch", "bootstrap discovery Bootstrap", "none";
    /// Peers to stay linked with: dialed at once and for ever.
    "discovery.persistent" discovery_persistent: Vec<Address> = "", range("0", "256"), "addresses", "CometBFT persistent_peers", "42 KiB each, counted for 256";
    /// Time between two rounds in which every known peer is asked for the peers it knows.
    "discovery.period" discovery_period: Duration = "60s", range("100ms", "24h"), "time", "bootstrap discovery period; the figure is bowline's", "none";
    /// Healthy addresses without a link that are checked in each round, those longest unseen first.
    "discovery.checks" discovery_checks: u32 = "8", range("0", "64"), "addresses", "bowline: no dial of the whole book each minute (threat T26)", "none";
    /// Crawl the network, give each peer addresses once, and let it go.
    "discovery.seed_mode" discovery_seed_mode: bool = "false", ANY, "switch", "CometBFT seed_mode", "none";
    /// Time between two rounds of the crawl.
    "discovery.crawl_period" discovery_crawl_period: Duration = "30s", range("100ms", "24h"), "time", "CometBFT crawlPeerPeriod", "none";

    /// Bytes sent per second on all links together; 0: no limit.
    "bandwidth.up" bandwidth_up: u64 = "0", range("0", "1TiB"), "bytes/s", "Tezos max-upload-speed", "none";
    /// Bytes received per second on all links together; 0: no limit.
    "bandwidth.down" bandwidth_down: u64 = "0", range("0", "1TiB"), "bytes/s", "Tezos max-download-speed", "none";
    /// Bytes sent per second on one link; 0: no limit.
    "bandwidth.peer_up" bandwidth_peer_up: u64 = "0", range("0", "1TiB"), "bytes/s", "threat T33; Avalanche per-peer throttle", "none";
    /// Bytes received per second on one link; 0: no limit.
    "bandwidth.peer_down" bandwidth_peer_down: u64 = "0", range("0", "1TiB"), "bytes/s", "threat T33; Avalanche per-peer throttle", "none";

    /// The most weight that a link may have: so many times the share of a link of weight 1. A peer with the best score gets it.
    "bandwidth.weight_max" bandwidth_weight_max: u32 = "4", range("1", "100"), "shares", "bowline: a trusted peer gets some times the rest, nobody everything", "none";

    /// An outbound link that has been open for so long and has been of use makes its address a tried one.
    "book.tried_after" book_tried_after: Duration = "10min", range("0s", "24h"), "time", "design, section 6", "none";
    /// File that says which network (AS number) prefixes belong to, a line each as in `192.0.2.0/24 64496`; the longest prefix counts.
    /// Addresses that it does not name are grouped by IPv4 /16 and IPv6 /32. Empty: all are.
    "book.group_map" book_group_map: String = "", range("0", "4096"), "characters", "Bitcoin asmap; the form is bowline's", "72 bytes a line";

    /// Bytes of half-arrived messages on all links together; a message whose next piece finds no room ends its link.
    "memory.messages_max" memory_messages_max: u64 = "272MiB", range("1MiB", "1TiB"), "bytes", "threat T32", "itself";

    /// The longest that a stop gives links to send what is queued and say goodbye; stop ends within 5 s in any case.
    "stop.drain" stop_drain: Duration = "3s", range("0s", "4s"), "time", "Tezos shutdown of the scheduler", "none";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    #[test]
    fn every_row_is_complete_and_named_like_its_field() {
        for (setting, (name, field)) in TABLE.iter().zip(FIELDS) {
            assert_eq!(setting.name, *name);
            assert_eq!(name.replace('.', "_"), *field);
            assert!(
                name.split('.').count() == 2 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_'),
                "{name}"
            );
            for (column, text) in
                [("doc", setting.doc), ("unit", setting.unit), ("source", setting.source), ("memory", setting.memory)]
            {
                assert!(!text.is_empty(), "{name} has no {column}");
            }
            assert!(setting.doc.ends_with('.'), "{name}: {}", setting.doc);
        }
        let names: std::collections::BTreeSet<_> = Settings::names().collect();
        assert_eq!(names.len(), TABLE.len(), "a name stands twice");
    }

    #[test]
    fn defaults_and_ranges_are_texts_that_set_reads() {
        for setting in TABLE {
            let mut settings = Settings::default();
            assert_eq!(settings.set(setting.name, setting.default), Ok(()));
            assert_eq!(settings, Settings::default());
            let Some((min, max)) = setting.range else { continue };
            if matches!(setting.kind, Kind::Text | Kind::Addresses | Kind::Sockets | Kind::Quotas | Kind::Subjects) {
                assert!(u32::read(min).is_some() && u32::read(max).is_some(), "{}", setting.name);
                continue;
            }
            for end in [min, max] {
                assert_eq!(settings.set(setting.name, end), Ok(()));
                settings = Settings::default();
            }
        }
    }

    /// A text for any setting: its own ends, and others that some kind reads.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            (0_u64..200_000, select(vec!["", "B", "KiB", "MiB", "kB", "ns", "us", "ms", "s", "min", "h"]))
                .prop_map(|(n, unit)| format!("{n}{unit}")),
            select(vec![
                "",
                "auto",
                "always",
                "true",
                "off",
                "127.0.0.1",
                "::1",
                "seed.example:1, [2001:db8::1]:2",
                "0.0.0.0:0,[::]:1",
                "archive=2, light=10%",
                " a b ",
                "~"
            ])
            .prop_map(str::to_owned),
            "[ -~]{0,80}",
            ".{0,20}",
        ]
    }

    proptest! {
        #[test]
        fn what_get_prints_set_reads_back(text in any_text(), other in any_text()) {
            for setting in TABLE {
                let mut settings = Settings::default();
                let _ = settings.set(setting.name, &other);
                let before = settings.clone();
                if settings.set(setting.name, &text).is_err() {
                    prop_assert_eq!(&settings, &before);
                }
                let printed = settings.get(setting.name).expect("a row of the table");
                let mut again = Settings::default();
                prop_assert_eq!(again.set(setting.name, &printed), Ok(()), "{} = {}", setting.name, printed);
                prop_assert_eq!(&again, &settings);
                prop_assert_eq!(again.get(setting.name), Some(printed));
            }
        }
    }

    #[test]
    fn wrong_values_say_what_would_be_right() {
        let mut settings = Settings::default();
        let long = "seed.example:9732,".repeat(40);
        for (name, text, says) in [
            ("pool.max", "many", "pool.max: 'many' does not parse, expected a whole number such as 10"),
            ("pool.max", "0", "pool.max: 0 is out of range, 1 to 16384 links are allowed"),
            ("dial.timeout", "30", "dial.timeout: '30' does not parse, expected a duration such as 100ms, 30s, 2min or 24h"),
            ("stop.drain", "1min", "stop.drain: 1min is out of range, 0s to 4s are allowed"),
            ("pool.maximum", "1", "no setting is called 'pool.maximum'; did you mean pool.max?"),
            ("", "1", "no setting is called ''; did you mean"),
            (
                "lists.trusted",
                "192.0.2.1, 10.0.0.0/33,192.0.2.2",
                "lists.trusted: '10.0.0.0/33' does not parse, expected peer ids, addresses and prefixes",
            ),
            (
                "discovery.seeds",
                &(long + "bad.example:65536"),
                "discovery.seeds: 'bad.example:65536' does not parse ('65536' is no port: 1 to 65535 are), expected addresses",
            ),
            (
                "discovery.seeds",
                "192.0.2.1:1,,192.0.2.2:1",
                "discovery.seeds: '' does not parse ('' has no port: write host:port, or [host]:port for IPv6), expected addresses",
            ),
        ] {
            let error = settings.set(name, text).expect_err(name).to_string();
            assert!(error.starts_with(says), "{error}");
        }
        let many = vec!["1.2.3.4:5"; 300].join(",");
        assert!(
            settings
                .set("discovery.seeds", &many)
                .expect_err("257 at most")
                .to_string()
                .contains("300 is out of range, 0 to 256")
        );
        assert!(settings.set("discovery.seeds", &"x".repeat(TEXT_MAX + 1)).expect_err("too long").to_string().len() < 700);
        assert_eq!(settings, Settings::default());
    }
}
