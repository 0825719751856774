//! The worst-case memory of a node as one number with its parts, from settings and channels alone: an upper bound of the heap that peers
//! and callers can make it hold. Code, stacks, what the kernel keeps, the allocator's own rounding and messages that the application has
//! taken come on top; so does, for the moment between a verdict and its execution, a link that makes room for another.
//!
//! Whoever adds a structure that a peer can fill adds a part here.

use super::check::Checked;
use super::value::PuzzleMode;
use crate::base::address::ADDRESS_TEXT_MAX;
use crate::base::channel::Channel;
use crate::base::limits;
use crate::base::sizes::{self, grown, in_tree};
use crate::base::text::SHOWN_MAX;
use std::fmt;

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

impl fmt::Display for Memory {
    /// In MiB, rounded up: the number, then its parts, largest first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let mut parts: Vec<&Part> = self.parts.iter().collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        let parts: Vec<String> = parts.into_iter().map(|part| format!("{} {}", part.name, mib(part.bytes))).collect();
        write!(f, "{} MiB: {}", mib(self.bytes()), parts.join(", "))
    }
}

/// Channels of bowline's own: address exchange and discovery.
const OWN_CHANNELS: usize = 2;
/// A record as it arrives.
const RECORD: usize = limits::FRAME_MAX + limits::RECORD_OVERHEAD;

/// State of a link besides what is counted below: keys, timers, meters, rows of the tables, a row of the published snapshot.
const LINK_STATE: usize = 16 * 1_024;
/// What waits to be written: records are added while there is less than one, behind a greeting.
const LINK_OUT: usize = grown(2 * (limits::WRITE_BUFFER + limits::RECORD_OVERHEAD) + limits::HELLO_BYTES_MAX);
/// The tail of a record that is not complete.
const LINK_TAIL: usize = grown(RECORD);
/// Our own messages that wait for one peer.
const LINK_SAYS: usize = limits::CONTROL_QUEUE_MAX * limits::DISCOVER_BYTES_MAX as usize;
/// Its messages on our own channels, while exchange has no room for them: a window of each, and one message that was complete with it.
const LINK_SAID: usize = 2 * (limits::PEX_BYTES_MAX as usize + limits::DISCOVER_BYTES_MAX as usize + 2_048);
/// And so many of them at most, by their cost.
const LINK_SAID_COUNT: usize = LINK_SAID / limits::SEGMENT_HEADER;
/// All this, but what depends on the settings.
const LINK: usize = LINK_STATE + sizes::HELLO + LINK_OUT + LINK_TAIL + LINK_SAYS + LINK_SAID;
/// What is kept of a channel on each link besides its messages.
const LANE: usize = sizes::LANE + limits::KEPT_PIECES_MAX;
/// A handshake under way: the peer's Hello, state, and one record that came before the verdict.
const HANDSHAKE: usize = sizes::HELLO + 4 * 1_024 + LINK_TAIL;
/// A control message that is being read takes so many times its largest size: as bytes, as texts, as addresses.
const READING: usize = 8;
/// What the reports of a link hold, with its Hello and the alternatives of a nack, and its place in the pool until they are read.
const REPORTED: usize = limits::REPORTS_PER_LINK * (sizes::REPORT + 8)
    + sizes::HELLO
    + limits::ADDRESSES_MAX * (sizes::ADDRESS + ADDRESS_TEXT_MAX)
    + in_tree(sizes::SLOT);
/// A known address with its capabilities and the application's note, what it is found by (source, peer, time, place, and a group of its own:
/// the least that a list has room for is four), and its row while the worst are looked for.
const POINT: usize = in_tree(sizes::POINT)
    + limits::CAPABILITIES_MAX * (sizes::CAPABILITY + limits::NAME_BYTES_MAX)
    + limits::METADATA_BYTES_MAX
    + in_tree(32)
    + in_tree(64)
    + in_tree(40)
    + in_tree(40)
    + in_tree(32)
    + 4 * 32
    + grown(8)
    + grown(sizes::ADDRESS);
/// What each known address takes in the lists that answers are made from: of those to share, and of the healthy ones with their versions.
const POINT_IN_ANSWER: usize = grown(sizes::SHAREABLE) + grown(sizes::ADDRESS + 8);
/// What each takes while it is healthy: in the list that readers see, in the one that takes its place, and while that is made.
const POINT_PUBLISHED: usize = 2 * sizes::ADDRESS + grown(sizes::ADDRESS);
/// A known identity with the application's note, and its row while the oldest are looked for.
const PEER: usize = in_tree(sizes::PEER) + limits::METADATA_BYTES_MAX + 16 + grown(40);
/// A score with its causes, its row while room is made, and its line while it is saved.
const SCORE: usize =
    in_tree(sizes::SCORE) + limits::SCORE_CAUSES_MAX * (sizes::CAUSE + SCORE_TEXT_MAX + 16) + grown(72) + grown(56) + grown(112);
/// The longest text of a cause: what `base/text.rs` shows of any, and a sign that it was cut.
const SCORE_TEXT_MAX: usize = SHOWN_MAX + 8;
/// A row on its way to the store, as it is and as text; and the key of one that is to be saved, while the store takes none.
const SAVED_ROW: usize = POINT + grown(4 * 1_024);
const MARK: usize = in_tree(40);
/// Who asks for discovery, and its row while room is made.
const ASKER: usize = in_tree(40) + grown(40);
/// The allowance of a peer and of a group for new addresses, and the rows while room is made.
const INTAKE: usize = in_tree(40) + in_tree(16) + 2 * grown(48);
/// The tokens of one IP address, and its row while room is made.
const ACCEPT_ENTRY: usize = in_tree(25) + grown(32);
/// A greylist entry in its map and in its queue of expiry, and as the door shows it: while a new one is made the old one is there, too.
const GREYLIST_ENTRY: usize = in_tree(sizes::CULPRIT + 16) + in_tree(sizes::CULPRIT + 8) + 2 * sizes::ROW_OF_DOOR;
/// An entry of the operator's lists with its text, and as the door shows it.
const LIST_ENTRY: usize = in_tree(sizes::ENTRY_OF_LIST) + LIST_TEXT_MAX + 16 + 2 * sizes::ROW_OF_DOOR;
/// Entries of each of the two lists and the longest of their texts, as in `pool/lists.rs`: scores ban, too.
const LIST_ENTRIES: usize = 65_536;
const LIST_TEXT_MAX: usize = 72;
/// A solved puzzle.
const PUZZLE: usize = in_tree(16);
/// What the body of a message of the node to itself takes beside its bytes: what counts its users, and a number.
const LOCAL_BODY: usize = 48;
/// A configured address: its text in the settings and with maintenance, and what it resolves to.
const ADDRESS: usize = 2 * (sizes::ADDRESS + ADDRESS_TEXT_MAX) + limits::ADDRESSES_PER_NAME * (in_tree(32) + 32) + 256;

/// What the parts are computed from.
struct Sum<'a> {
    settings: &'a Checked,
    channels: &'a [Channel],
    parts: Vec<Part>,
}

impl Checked {
    /// Links at once: those of everybody, and the places beyond for trusted and persistent peers.
    pub fn links_max(&self) -> usize {
        (self.bounds().max + self.pool_trusted_extra) as usize
    }

    /// Connections of any kind at once: links and dials for such, feelers, handshakes of accepted ones, and those that send their last words.
    pub fn connections_max(&self) -> usize {
        self.links_max() + limits::FEELERS_MAX + self.handshake_half_open_max as usize + limits::LINGERING_MAX
    }

    /// The most memory that this node takes with these channels, whatever peers and callers do.
    pub fn memory_bytes_max(&self, channels: &[Channel]) -> Memory {
        let mut sum = Sum { settings: self, channels, parts: Vec::new() };
        sum.messages();
        sum.connections();
        sum.between_threads();
        sum.tables();
        Memory { parts: sum.parts }
    }
}

impl Sum<'_> {
    /// Adds `count` times `each` bytes.
    fn add(&mut self, name: &'static str, count: usize, each: u64, what: &str) {
        let count = count as u64;
        self.parts.push(Part { name, bytes: count.saturating_mul(each), why: format!("{count} {what} x {each} bytes") });
    }

    fn links(&self) -> usize {
        self.settings.links_max()
    }

    fn lanes(&self) -> usize {
        self.channels.len() + OWN_CHANNELS
    }

    /// The main queue, and those that a channel can be bound to.
    fn queues(&self) -> usize {
        1 + self.channels.len()
    }

    /// Configured addresses: persistent ones may come later, too.
    fn configured(&self) -> usize {
        self.settings.discovery_seeds.len() + self.settings.discovery_persistent.len().max(limits::PERSISTENT_MAX)
    }

    /// Messages that wait, in both directions, and those that have arrived in part.
    fn messages(&mut self) {
        let each: u64 = self.channels.iter().map(|channel| queued_to_send(channel) + queued_to_take(channel)).sum();
        let what = format!("links, what waits in the queues of {} channels", self.channels.len());
        self.add("queues", self.links(), each, &what);
        let own = limits::PEX_BYTES_MAX as usize + limits::DISCOVER_BYTES_MAX as usize;
        let whole = self.channels.iter().map(|channel| channel.message_bytes_max as usize).sum::<usize>() + own;
        let all = (self.links() as u64).saturating_mul(whole as u64);
        // A message that grows may hold twice what is there; of its first piece nothing is charged to the budget.
        let budget = self.settings.memory_messages_max;
        let unpaid = (self.links() * self.lanes() * grown(limits::FRAME_MAX)) as u64;
        let bytes = all.min(budget.saturating_mul(2).saturating_add(unpaid));
        let why = format!(
            "{all} bytes if a largest message is under way on each channel of each link, or less by memory.messages_max of {budget} bytes"
        );
        self.parts.push(Part { name: "reassembly", bytes, why });
    }

    /// What each connection takes besides messages.
    fn connections(&mut self) {
        let settings = self.settings;
        let said = grown(LINK_SAID_COUNT.min(settings.control_burst as usize) * sizes::CONTROL_MESSAGE);
        let half_open = settings.handshake_half_open_max as usize;
        self.add(
            "links",
            self.links(),
            (LINK + said + self.lanes() * LANE) as u64,
            "links with what they write, read, say and are told",
        );
        let dials = settings.dial_parallel_max as usize + limits::FEELERS_MAX;
        self.add("handshakes", half_open + dials, HANDSHAKE as u64, "accepted or dialed");
        self.add("lingering", half_open + limits::LINGERING_MAX, LINK_OUT as u64, "connections that send their last words");
    }

    /// What waits between the threads: the reactor's buffers, the channels of the workers, the application's queues.
    fn between_threads(&mut self) {
        let (conns, message) = (self.settings.connections_max(), limits::DISCOVER_BYTES_MAX as usize);
        let step = limits::READ_BUFFER + RECORD;
        // Beside the read buffer: of each channel one batch has room for all that was read, and one more behind each large message.
        let batches = 1 + self.lanes() + step / limits::BY_REFERENCE_MIN;
        self.add("reactor", 1 + batches, step as u64, "buffers for what is read in one step");
        let unheard = limits::reports_max(conns) / limits::REPORTS_PER_LINK;
        self.add("reports", unheard, REPORTED as u64, "connections whose reports welcome has not read");
        self.add("commands", limits::COMMANDS_MAX, (message + sizes::COMMAND) as u64, "orders to the reactor");
        self.add(
            "control",
            limits::CONTROL_MAX + READING,
            (message + sizes::CONTROL) as u64,
            "messages to exchange, and one that it reads",
        );
        // Beside the messages themselves (a sixteenth is for the list of their batches), what is known of each link. One story alone may
        // be larger than the bound.
        let story = sizes::HELLO + 1_024 + self.lanes() * sizes::LANE;
        let largest = self.channels.iter().map(queued_to_take).sum::<u64>() as usize;
        let messages = limits::STORIES_BYTES_MAX.max(largest);
        let stories = messages + messages / 16 + limits::STORIES_MAX * story;
        self.add("stories", self.queues(), stories as u64, "event queues with what closed links have left there");
        self.add(
            "notices",
            self.queues(),
            grown(3 * limits::NOTICES_MAX * sizes::EVENT) as u64,
            "event queues with notices and wake-ups",
        );
        // Beside the bodies of answers, which the receive queues count.
        let news = limits::NEWS_MAX * (grown(sizes::NEWS) + in_tree(sizes::ASKED));
        self.add("news", self.queues(), news as u64, "event queues with what became of sends and requests");
        let local: u64 = self.channels.iter().map(queued_to_self).sum();
        self.add("local", 1, local, "node with what it sends to itself");
    }

    /// What is remembered.
    fn tables(&mut self) {
        let settings = self.settings;
        let points = limits::POINTS_MAX + self.configured() * limits::ADDRESSES_PER_NAME;
        self.add("book", points, POINT as u64, "known addresses");
        self.add("answers", points, POINT_IN_ANSWER as u64, "known addresses in the lists that answers are made from");
        self.add("published", points, POINT_PUBLISHED as u64, "known addresses in two lists of healthy ones");
        self.add("groups", limits::GROUP_PLACES_MAX, in_tree(sizes::GROUP_PLACE) as u64, "places in groups of links");
        self.add("peers", limits::PEERS_MAX + settings.connections_max(), PEER as u64, "known identities");
        self.add("scores", limits::SCORES_MAX, SCORE as u64, "remembered scores");
        self.add("askers", limits::ASKERS_MAX, ASKER as u64, "identities whose discovery requests are counted");
        self.add("intake", limits::INTAKE_ENTRIES_MAX, INTAKE as u64, "peers and groups whose new addresses are counted");
        let each = grown(sizes::ADDRESS) + ADDRESS_TEXT_MAX;
        self.add("discovered", limits::DISCOVERED_MAX, each as u64, "addresses that a caller has discovered");
        let each = grown(sizes::ADDRESS + 64) + ADDRESS_TEXT_MAX + limits::TELLINGS_MAX * 112 + limits::ADDRESSES_PER_NAME * 24;
        self.add("names", limits::NAMES_HEARD_MAX, each as u64, "names that peers told of");
        let epochs = if settings.puzzle_mode == PuzzleMode::Never { 0 } else { 2 };
        self.add("puzzles", epochs * limits::PUZZLES_SEEN_MAX, PUZZLE as u64, "puzzles that were solved");
        self.add("greylist", settings.greylist_entries_max as usize, GREYLIST_ENTRY as u64, "entries");
        self.add("lists", 2 * LIST_ENTRIES, LIST_ENTRY as u64, "bans and trusted ones");
        self.add("budgets", 2 * limits::DIAL_ENTRIES_MAX, ACCEPT_ENTRY as u64, "hosts and prefixes whose dials are counted");
        self.add("accept", settings.accept_ip_entries_max as usize, ACCEPT_ENTRY as u64, "IP addresses with tokens");
        self.store();
        self.add("addresses", self.configured(), ADDRESS as u64, "configured addresses");
    }
}

impl Sum<'_> {
    /// What saving takes, where there is a file.
    fn store(&mut self) {
        let greylist = self.settings.greylist_entries_max as usize;
        let marks = 2 * (limits::POINTS_MAX + limits::PEERS_MAX + limits::SCORES_MAX + 2 * LIST_ENTRIES + greylist);
        let each = limits::STORE_CACHE_BYTES + limits::SAVE_ROWS_MAX * SAVED_ROW + marks * MARK;
        let files = usize::from(!self.settings.store_path.is_empty());
        self.add("store", files, each as u64, "file: its cache, rows on their way to it, keys of rows that wait");
    }
}

/// Messages that wait to be sent on a link: twice, in the mailbox and in the reactor's hand. Each takes one message of any size when it is
/// empty, and last words on requests beyond its bounds; and gaps that others have left may be as large as what waits.
fn queued_to_send(channel: &Channel) -> u64 {
    let bytes = u64::from(channel.message_bytes_max).max(2 * u64::from(channel.send_queue_bytes));
    let last_words = u64::from(channel.requests_max) * (limits::LAST_WORD_BYTES + sizes::WAITING) as u64;
    let each = (sizes::WAITING + sizes::NOTE) as u64;
    2 * 2 * (bytes + last_words + 2 * u64::from(channel.send_queue_messages) * each)
}

/// What a node has sent to itself and not taken: its bytes, or on a typed channel a number and the place of the value (the value is the
/// application's own), and its requests.
fn queued_to_self(channel: &Channel) -> u64 {
    let bytes = u64::from(channel.message_bytes_max.max(channel.send_queue_bytes));
    let message = (grown(sizes::EVENT) + in_tree(LOCAL_BODY)) as u64;
    let request = in_tree(sizes::EVENT) as u64;
    bytes + u64::from(channel.send_queue_messages) * message + u64::from(channel.requests_max) * request
}

/// Messages of a link that wait to be taken. Small ones cost at least so much of the window each, header included, and are noted in a
/// list. Of a large one at most half of the window is held back, so that two whole ones of any size may wait.
fn queued_to_take(channel: &Channel) -> u64 {
    let cost = limits::SEGMENT_HEADER.max(channel.segment_cost_min() as usize);
    let each = grown(sizes::ENTRY) + grown(cost - limits::SEGMENT_HEADER);
    let small = u64::from(channel.window()).div_ceil(cost as u64) * each as u64;
    // A request stands in two tables until it is answered, by number, and by channel and number.
    let requests = u64::from(channel.requests_max) * (in_tree(4) + in_tree(8)) as u64;
    small.max(2 * u64::from(channel.message_bytes_max)) + requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table::Settings;
    use std::collections::BTreeSet;

    fn checked(change: impl FnOnce(&mut Settings)) -> Checked {
        let mut settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
        change(&mut settings);
        settings.check().expect("valid settings")
    }

    fn any() -> Channel {
        Channel::new(0x10, "any")
    }

    fn part(memory: &Memory, name: &str) -> u64 {
        let parts: Vec<u64> = memory.parts.iter().filter(|part| part.name == name).map(|part| part.bytes).collect();
        assert_eq!(parts.len(), 1, "{name}");
        parts[0]
    }

    #[test]
    fn a_default_node_with_a_default_channel_stays_below_its_bound() {
        let memory = checked(|_| ()).memory_bytes_max(&[any()]);
        // 2.8 GiB. The places for trusted peers are a sixth of what links take; the address book is 93 MiB: 20,480 addresses with 32
        // capabilities and a note each.
        assert!(memory.bytes() < 12 << 28, "{memory:#?}");
        assert_eq!(memory.bytes(), memory.parts.iter().map(|part| part.bytes).sum::<u64>());
        assert!(memory.parts.iter().all(|part| part.bytes > 0 || part.name == "store"), "{memory:#?}");
        assert!(memory.parts.iter().all(|part| !part.why.is_empty()));
        // 100 links, and 16 of trusted peers beyond them, with one message of 1 MiB that has arrived in part, beside those on our own channels.
        assert_eq!(part(&memory, "reassembly"), 116 * ((1 << 20) + 64_000 + 131_072));
    }

    /// Every part of the sum follows what it is a part for, and the sum follows the part.
    #[test]
    fn every_part_moves_the_sum() {
        let seed = |s: &mut Settings| s.discovery_seeds = vec!["192.0.2.1:9732".parse().expect("an address")];
        type Change = fn(&mut Settings);
        let by_settings: [(&str, Change); 17] = [
            ("queues", |s| s.pool_max = 200),
            ("links", |s| s.pool_trusted_extra = 0),
            ("reassembly", |s| s.pool_max = 200),
            ("links", |s| s.control_burst = 200),
            ("handshakes", |s| s.dial_parallel_max = 32),
            ("lingering", |s| s.handshake_half_open_max = 256),
            ("reports", |s| s.handshake_half_open_max = 256),
            ("book", seed),
            ("answers", seed),
            ("published", seed),
            ("peers", |s| s.pool_max = 200),
            ("puzzles", |s| s.puzzle_mode = PuzzleMode::Never),
            ("greylist", |s| s.greylist_entries_max = 100),
            ("accept", |s| s.accept_ip_entries_max = 100),
            ("addresses", seed),
            ("store", |s| s.store_path = "book".to_owned()),
            ("reassembly", |s| s.memory_messages_max = 1 << 20),
        ];
        let before = checked(|_| ()).memory_bytes_max(&[any()]);
        for (name, change) in by_settings {
            let after = checked(change).memory_bytes_max(&[any()]);
            let (was, is) = (part(&before, name), part(&after, name));
            assert_ne!(was, is, "{name}");
            let others =
                |memory: &Memory| memory.parts.iter().filter(|part| part.name != name).map(|part| part.bytes).sum::<u64>();
            assert_eq!(after.bytes() - others(&after), is, "{name}");
        }
        let by_others = [
            "reactor",
            "stories",
            "notices",
            "news",
            "commands",
            "control",
            "askers",
            "discovered",
            "names",
            "intake",
            "local",
            "scores",
            "lists",
            "groups",
            "budgets",
        ];
        let tested: BTreeSet<&str> = by_settings.iter().map(|(name, _)| *name).chain(by_others).collect();
        assert_eq!(before.parts.iter().map(|part| part.name).collect::<BTreeSet<_>>(), tested);
    }

    #[test]
    fn what_is_the_same_for_every_node_counts_too() {
        let before = checked(|_| ()).memory_bytes_max(&[any()]);
        let after = checked(|_| ()).memory_bytes_max(&[any(), Channel::new(0x11, "other")]);
        for name in ["queues", "reassembly", "links", "reactor", "stories", "notices", "news", "local"] {
            assert!(part(&before, name) < part(&after, name), "{name}");
        }
        for (name, least) in [
            ("commands", limits::COMMANDS_MAX * limits::DISCOVER_BYTES_MAX as usize),
            ("control", limits::CONTROL_MAX * limits::DISCOVER_BYTES_MAX as usize),
            ("askers", limits::ASKERS_MAX * 40),
            ("peers", limits::PEERS_MAX * (104 + limits::METADATA_BYTES_MAX)),
            ("budgets", 2 * limits::DIAL_ENTRIES_MAX * 40),
            ("names", limits::NAMES_HEARD_MAX * (320 + limits::TELLINGS_MAX * 104)),
            ("discovered", limits::DISCOVERED_MAX * 64),
            ("intake", limits::INTAKE_ENTRIES_MAX * (40 + 16)),
            ("scores", limits::SCORES_MAX * (128 + 8 * 100)),
            ("book", limits::POINTS_MAX * (264 + limits::CAPABILITIES_MAX * 64)),
            ("lists", 2 * LIST_ENTRIES * (80 + 64)),
            ("puzzles", 2 * limits::PUZZLES_SEEN_MAX * 16),
            ("stories", 2 * limits::STORIES_BYTES_MAX),
            ("reports", limits::reports_max(116 + 128 + limits::LINGERING_MAX) * 120),
        ] {
            assert!(part(&before, name) >= least as u64, "{name}");
        }
    }

    #[test]
    fn more_links_cost_more_and_no_channel_costs_no_messages() {
        let few = checked(|s| s.pool_max = 60).memory_bytes_max(&[]);
        let many = checked(|s| s.pool_max = 600).memory_bytes_max(&[]);
        assert!(few.bytes() < many.bytes());
        assert_eq!(part(&few, "queues"), 0);
        let huge = Channel { message_bytes_max: 100 << 20, ..Channel::new(0x10, "huge") };
        let memory = checked(|_| ()).memory_bytes_max(&[huge]);
        let unpaid = 116 * 3 * 2 * limits::FRAME_MAX as u64;
        assert_eq!(part(&memory, "reassembly"), (544 << 20) + unpaid, "the budget bounds what has arrived in part");
        assert!(part(&memory, "queues") >= (100 * 600) << 20, "and not what waits whole");
    }

    #[test]
    fn the_table_says_what_is_counted_here() {
        let said = |name: &str| Settings::row(name).expect("a row").memory;
        let store = checked(|s| s.store_path = "book".to_owned()).memory_bytes_max(&[]);
        assert_eq!(said("store.path"), format!("{} MiB", part(&store, "store").div_ceil(1 << 20)));
        assert_eq!(said("greylist.entries_max"), format!("{GREYLIST_ENTRY} bytes each"));
        assert_eq!(said("accept.ip_entries_max"), format!("{ACCEPT_ENTRY} bytes each"));
        let mib = (LINK + OWN_CHANNELS * LANE + 2 * REPORTED) as f64 / f64::from(1 << 20);
        assert!(said("pool.max").starts_with(&format!("{mib:.1} MiB each")), "{mib}");
        let kib = |bytes: usize| format!("{} KiB each", bytes.div_ceil(1_024));
        assert_eq!(said("handshake.half_open_max"), kib(HANDSHAKE + LINK_OUT + 2 * REPORTED));
        assert_eq!(said("dial.parallel_max"), kib(HANDSHAKE));
        assert_eq!(said("control.burst"), format!("{} bytes each, on each link", grown(sizes::CONTROL_MESSAGE)));
        let puzzles = (2 * limits::PUZZLES_SEEN_MAX * PUZZLE) as f64 / f64::from(1 << 20);
        assert_eq!(said("puzzle.mode"), format!("{puzzles:.0} MiB unless never"));
        let address = kib(ADDRESS + limits::ADDRESSES_PER_NAME * (POINT + POINT_IN_ANSWER + POINT_PUBLISHED));
        assert_eq!(said("discovery.seeds"), address);
        assert_eq!(said("discovery.persistent"), format!("{address}, counted for {}", limits::PERSISTENT_MAX));
    }

    #[test]
    fn the_manual_names_every_part() {
        let manual = include_str!("../../docs/operators.md");
        let (_, section) = manual.split_once("## Memory\n").expect("a section");
        let section = section.split("\n## ").next().expect("its text");
        let named: Vec<&str> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name).collect();
        let memory = checked(|_| ()).memory_bytes_max(&[any()]);
        assert_eq!(named, memory.parts.iter().map(|part| part.name).collect::<Vec<_>>());
    }

    #[test]
    fn it_reads_as_one_number_with_its_parts() {
        let part = |name, bytes| Part { name, bytes, why: String::new() };
        let memory = Memory { parts: vec![part("small", 1), part("large", 3 << 20)] };
        assert_eq!(memory.to_string(), "4 MiB: large 3, small 1");
    }
}
