//! The worst-case memory of a node as one number with its parts, from settings and channels alone.
//! It counts heap that peers or callers can make grow; code, stacks and the allocator's own losses come on top.

use super::check::Checked;
use crate::base::channel::Channel;
use crate::base::limits;

/// One part of the worst case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub bytes: u64,
    /// The arithmetic, in words and numbers.
    pub why: String,
}

/// The worst case, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub parts: Vec<Part>,
}

impl Memory {
    /// The one number.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }
}

/// State of a link besides its buffers, bytes: keys, timers, meters, table rows; measured structs are below half of it.
const LINK_STATE: u64 = 16 * 1_024;
/// Buffers of a link, bytes: what waits to be written and the tail of a record that is not complete yet.
const LINK_BUFFERS: u64 = (limits::WRITE_BUFFER + limits::FRAME_MAX + limits::RECORD_OVERHEAD) as u64;
/// Our control messages that may wait for one peer, bytes.
const LINK_CONTROL: u64 = limits::CONTROL_QUEUE_MAX as u64 * limits::PEX_BYTES_MAX as u64;
/// What is kept of a channel on each link besides its messages, bytes.
const CHANNEL_STATE: u64 = 512;
/// A handshake under way, bytes: both Hellos, state, and one record that came before the verdict.
const HANDSHAKE: u64 = (2 * limits::HELLO_BYTES_MAX + 4 * 1_024 + limits::FRAME_MAX + limits::RECORD_OVERHEAD) as u64;
/// A lifecycle event with the peer's Hello, bytes.
const EVENT: u64 = limits::HELLO_BYTES_MAX as u64 + 256;
/// Lifecycle events for which a link reserves places before it begins (architecture 2.5, row 2).
const EVENTS_PER_LINK: u64 = 4;
/// A greylist entry in its map and its queue of expiry, bytes.
const GREYLIST_ENTRY: u64 = 128;
/// The tokens of one IP address in their map, bytes.
const ACCEPT_ENTRY: u64 = 96;
/// A configured address, bytes: its text and its row in the pool.
const ADDRESS: u64 = 512;

impl Checked {
    /// The most memory that this node takes with these channels, whatever peers and callers do.
    pub fn memory_bytes_max(&self, channels: &[Channel]) -> Memory {
        let links = u64::from(self.bounds().max);
        let handshakes = u64::from(self.handshake_half_open_max) + u64::from(self.dial_parallel_max);
        let commands = limits::COMMANDS_MAX as u64;
        let control = limits::CONTROL_MAX as u64;
        let addresses = (self.discovery_seeds.len() + self.discovery_persistent.len()) as u64;
        let message = u64::from(limits::PEX_BYTES_MAX);
        let part = |name, count: u64, each: u64, what: &str| Part {
            name,
            bytes: count.saturating_mul(each),
            why: format!("{count} {what} x {each} bytes"),
        };
        let per_channel = channels.len() as u64 * CHANNEL_STATE;
        let parts = vec![
            Self::queues(channels, links),
            self.reassembly(channels, links),
            Self::stories(channels),
            part("links", links, LINK_STATE + LINK_BUFFERS + LINK_CONTROL + per_channel, "links with buffers and control queue"),
            part("handshakes", handshakes, HANDSHAKE, "accepted or dialed"),
            part("events", EVENTS_PER_LINK * (links + handshakes), EVENT, "lifecycle events"),
            part("commands", commands, message, "commands to the reactor"),
            part("control", control, message, "control messages to the exchange worker"),
            part("reactor", 1, (limits::READ_BUFFER + limits::RECORD_LENGTH_MAX) as u64, "read buffer"),
            part("greylist", u64::from(self.greylist_entries_max), GREYLIST_ENTRY, "entries"),
            part("accept", u64::from(self.accept_ip_entries_max), ACCEPT_ENTRY, "IP addresses with tokens"),
            part("addresses", addresses, ADDRESS, "configured addresses"),
        ];
        Memory { parts }
    }

    /// Messages that wait, in both directions. A send queue exists twice, in the mailbox and in the reactor's hand, and each takes one
    /// message of any size when it is empty. Of a received message at most half of the window is held back, so that two whole ones of any
    /// size may wait to be taken.
    fn queues(channels: &[Channel], links: u64) -> Part {
        let sent = |channel: &Channel| 2 * channel.message_bytes_max.max(channel.send_queue_bytes);
        let queued = |channel: &Channel| u64::from(sent(channel)) + Self::received(channel);
        let each: u64 = channels.iter().map(queued).sum();
        let why = format!("{links} links x {each} bytes in the queues of {} channels", channels.len());
        Part { name: "queues", bytes: links.saturating_mul(each), why }
    }

    fn received(channel: &Channel) -> u64 {
        u64::from(channel.receive_queue_bytes).max(2 * u64::from(channel.message_bytes_max))
    }

    /// What closed links have left for receivers: in the main queue, and in one for each channel at most.
    fn stories(channels: &[Channel]) -> Part {
        let (queues, stories) = (channels.len() as u64 + 1, limits::STORIES_MAX as u64);
        let messages: u64 = channels.iter().map(|channel| Self::received(channel).max(limits::STORIES_BYTES_MAX as u64)).sum();
        let why = format!("{stories} closed links x {EVENT} bytes in {queues} queues, and {messages} bytes of their messages");
        Part { name: "stories", bytes: queues * stories * EVENT + messages, why }
    }

    /// Half-arrived messages draw on one budget; with few links or small messages they cannot even use it up.
    fn reassembly(&self, channels: &[Channel], links: u64) -> Part {
        let all = links.saturating_mul(channels.iter().map(|channel| u64::from(channel.message_bytes_max)).sum());
        let budget = self.memory_messages_max;
        let why = format!("memory.messages_max is {budget} bytes; half-arrived messages on {links} links could take {all}");
        Part { name: "reassembly", bytes: budget.min(all), why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table::Settings;

    fn checked(change: impl FnOnce(&mut Settings)) -> Checked {
        let mut settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
        change(&mut settings);
        settings.check().expect("valid settings")
    }

    #[test]
    fn a_default_node_with_a_default_channel_stays_below_a_gibibyte() {
        let memory = checked(|_| ()).memory_bytes_max(&[Channel::new(0x10, "any")]);
        assert!(memory.bytes() < 1 << 30, "{memory:#?}");
        // 100 links: two queues of 1 MiB to send, two whole messages of 1 MiB received, one of 1 MiB half arrived.
        assert_eq!((memory.parts[0].bytes, memory.parts[1].bytes), (400 << 20, 100 << 20));
        assert!(memory.parts.iter().all(|part| !part.why.is_empty()));
    }

    #[test]
    fn closed_links_cost_a_bound_for_each_queue_or_their_largest_window() {
        let stories = |channels: &[Channel]| checked(|_| ()).memory_bytes_max(channels).parts[2].bytes;
        let (small, huge) = (Channel::new(0x10, "any"), Channel { message_bytes_max: 100 << 20, ..Channel::new(0x11, "huge") });
        let ups = 1_024 * EVENT;
        assert_eq!((stories(&[]), stories(std::slice::from_ref(&small))), (ups, 2 * ups + (16 << 20)));
        assert_eq!(stories(&[small, huge]), 3 * ups + (216 << 20));
    }

    #[test]
    fn more_links_cost_more_and_no_channel_costs_no_messages() {
        let few = checked(|s| s.pool_max = 60).memory_bytes_max(&[]);
        let many = checked(|s| s.pool_max = 600).memory_bytes_max(&[]);
        assert!(few.bytes() < many.bytes());
        assert_eq!((few.parts[0].bytes, few.parts[1].bytes), (0, 0));
        let huge = Channel { message_bytes_max: 100 << 20, ..Channel::new(0x10, "huge") };
        let memory = checked(|_| ()).memory_bytes_max(&[huge]);
        assert_eq!(memory.parts[1].bytes, 256 << 20, "the budget bounds what is half arrived");
        assert_eq!(memory.parts[0].bytes, (100 * 400) << 20, "and not what waits whole");
    }

    #[test]
    fn the_table_says_what_is_counted_here() {
        let said = |name: &str| Settings::row(name).expect("a row").memory;
        assert_eq!(said("greylist.entries_max"), format!("{GREYLIST_ENTRY} bytes each"));
        assert_eq!(said("accept.ip_entries_max"), format!("{ACCEPT_ENTRY} bytes each"));
        let mib = (LINK_STATE + LINK_BUFFERS + LINK_CONTROL) as f64 / f64::from(1 << 20);
        assert!(said("pool.max").starts_with(&format!("{mib:.1} MiB each")), "{mib}");
        let kib = HANDSHAKE.div_ceil(1_024);
        for name in ["handshake.half_open_max", "dial.parallel_max"] {
            assert_eq!(said(name), format!("{kib} KiB each"));
        }
    }
}
