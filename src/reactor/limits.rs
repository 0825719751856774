//! The numbers that the reactor works by, taken from the settings when a node is built. Plain data.

use crate::settings::check::Checked;
use std::net::IpAddr;
use std::time::Duration;

/// What bounds the reactor's work.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once, half-open and lingering ones included.
    pub conns_max: usize,
    /// After running out of descriptors or room, accepting rests for so long, because no event comes while the backlog only waits
    /// (threat T40).
    pub accept_rest: Duration,
    /// A dial that has no answer is given up after this.
    pub dial_timeout: Duration,
    /// An arrival that welcome has not greeted is closed after this.
    pub greet_timeout: Duration,
    /// A link whose peer takes no byte for so long, while its socket is full, is closed.
    pub write_stall_timeout: Duration,
    /// A link that we do not read for so long, because nobody took its control messages, is closed.
    pub stall_timeout: Duration,
    /// A channel on which messages have waited for so long stalls, and that is told; zero: never.
    pub stall_after: Duration,
    /// After a goodbye or a nack, how long a socket may take to send it.
    pub linger: Duration,
    /// Where dials come from, if not left to the system.
    pub dial_from: Option<IpAddr>,
    /// Bytes a second for all links together, 0 = no limit: down, up.
    pub down: u64,
    pub up: u64,
    /// Bytes a second for each link, 0 = no limit: down, up.
    pub link_down: u64,
    pub link_up: u64,
}

/// How long a socket may take for its last words.
const LINGER: Duration = Duration::from_secs(1);
/// How long an arrival waits for welcome at most (architecture reference 2.8).
const GREET_TIMEOUT: Duration = Duration::from_secs(2);

impl Limits {
    /// What bounds the reactor. `files_max` is the process' limit of descriptors: some are left to the host (threat T40).
    pub fn of(settings: &Checked, files_max: Option<u64>) -> Limits {
        let wanted = settings.connections_max();
        let files = files_max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let conns_max = wanted.min(files.saturating_sub(settings.files_headroom as usize)).max(1);
        if conns_max < wanted {
            log::warn!(target: "bowline::reactor", "{files} descriptors allow {conns_max} connections instead of {wanted}: raise the limit, or lower pool.max");
        }
        Limits {
            conns_max,
            accept_rest: settings.accept_retry_period,
            dial_timeout: settings.dial_timeout,
            greet_timeout: GREET_TIMEOUT,
            write_stall_timeout: settings.link_write_stall_timeout,
            stall_timeout: settings.link_stall_timeout,
            stall_after: settings.channel_stall_after,
            linger: LINGER,
            dial_from: settings.dial_from,
            down: settings.bandwidth_down,
            up: settings.bandwidth_up,
            link_down: settings.bandwidth_peer_down,
            link_up: settings.bandwidth_peer_up,
        }
    }
}

/// Bytes that a turn reads, and writes, at most (architecture reference 2.3): timers and commands never wait longer than about 1 ms.
pub const TURN_BYTES: usize = 1_024 * 1_024;
/// Bytes that one link may read or write in a turn when no rate is set: four full records, about 25 us of sealing each.
pub const UNCAPPED_SHARE: u64 = 256 * 1_024;
/// What a read or write turn counts at least, so that at most 256 of them fit one turn of the engine.
pub const MOVED_MIN: usize = TURN_BYTES / 256;
/// Bytes of messages that the engine gathers before it hands them on; more would only push them out of the caches.
pub const ARRIVED_MAX: usize = 256 * 1_024;
/// A message is handed on by the first turn that ends so much later, however many more come: what opening `ARRIVED_MAX` bytes takes.
pub const ARRIVED_WAIT: Duration = Duration::from_micros(250);
/// Commands and links with mail that a turn serves at most (architecture reference 2.3).
pub const TURN_COMMANDS: usize = 256;
/// Connections that a turn accepts at most.
pub const TURN_ACCEPTS: usize = 64;
/// When to look again whether there is room for a dial, or for a control message that exchange had none for: nobody rings for that.
pub const ROOM_RETRY: Duration = Duration::from_millis(10);
/// A deadline that is served so much later was missed by us: a loop that has the processor serves it within milliseconds.
pub const DUE_LATE: Duration = Duration::from_secs(1);
/// Bytes that a lingering link may still send us before its socket is closed hard.
pub const LINGER_BYTES: usize = 1_024 * 1_024;
