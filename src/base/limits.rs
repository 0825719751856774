//! Protocol constants: each with unit, source and arithmetic. What an operator may change is in `settings` instead.

use std::time::Duration;

/// Versions of bowline's wire protocol that this library speaks.
pub const VERSION_MIN: u8 = 1;
pub const VERSION_MAX: u8 = 1;

/// Largest value of a record's length field: u16 (security reference 2.3).
pub const RECORD_LENGTH_MAX: usize = 65_535;
/// Tag of XSalsa20-Poly1305, bytes.
pub const RECORD_TAG: usize = 16;
/// Length field in front of a record, bytes.
pub const RECORD_LENGTH_FIELD: usize = 2;
/// Bytes that a record adds to its plaintext.
pub const RECORD_OVERHEAD: usize = RECORD_LENGTH_FIELD + RECORD_TAG;
/// Largest plaintext (type byte and body) that fits a record: 65,535 - 16.
pub const FRAME_MAX: usize = RECORD_LENGTH_MAX - RECORD_TAG;
/// Smallest `max_frame` that a peer may announce (design, section 4).
pub const FRAME_MIN: usize = 16_416;
/// Plaintext of a full record. 32 modulo 512, because libsodium's Salsa20 then has no slow tail (performance reference, finding 2).
pub const FRAME_FULL: usize = 65_056;
/// Plaintext of the smallest record that is filled up, while a rate is set: with its overhead it fits a turn of `LINK_TURN_MIN`.
pub const FRAME_LEAST: usize = 1_056;
/// Records sealed with one key before it is replaced (security reference 2.3).
pub const REKEY_RECORDS: u64 = 1_024;

/// Largest Hello in bytes (design, section 4).
pub const HELLO_BYTES_MAX: usize = 8 * 1_024;
/// Addresses in one PEX answer and alternatives in one nack (ReactorV2 `maxAddresses`).
pub const ADDRESSES_MAX: usize = 100;
/// Largest PEX message in bytes (design, section 5).
pub const PEX_BYTES_MAX: u32 = 64_000;
/// Largest discovery message, bytes: 1,000 addresses with id and IPv6 host (14 for the scheme and signs, 64, 39, 5 for the port) and 3
/// bytes of field header are 125,000; pages of longer host names are shorter.
pub const DISCOVER_BYTES_MAX: u32 = 128 * 1_024;
/// Channels that one node may announce: 64 descriptors of at most 64 bytes fit a Hello beside the rest.
pub const CHANNELS_MAX: usize = 64;
/// Capabilities of one node, in its Hello and in the book.
pub const CAPABILITIES_MAX: usize = 32;
/// Bytes of a capability's or channel's name.
pub const NAME_BYTES_MAX: usize = 32;
/// Our control messages that may wait for one peer; one that does not read what it asked for is closed (architecture 2.5, row 3b).
pub const CONTROL_QUEUE_MAX: usize = 16;

/// Default largest message, bytes (design, section 6, queues).
pub const MESSAGE_BYTES_DEFAULT: u32 = 1 << 20;
/// Largest message that a channel may allow, bytes (design, section 6).
pub const MESSAGE_BYTES_MAX: u32 = 100 << 20;
/// A quarter of a core's second-level cache: with 1 MiB the reactor reads what the caller wrote from memory, and small messages are a fifth slower.
pub const SEND_QUEUE_BYTES_DEFAULT: u32 = 256 << 10;
/// Count bound of an application channel's send queue (design, section 6: at least 4,096).
pub const SEND_QUEUE_MESSAGES_DEFAULT: u32 = 16_384;
/// Two of the largest default messages, which is what may wait at worst in any case.
pub const RECEIVE_QUEUE_BYTES_DEFAULT: u32 = 2 << 20;
/// Messages of one peer that may be under way to us or wait to be taken: with the default bytes, small ones cost 64 each.
pub const RECEIVE_QUEUE_MESSAGES_DEFAULT: u32 = 32_768;
/// Fewer would cost each a larger part of the window than is always granted for a message under way.
pub const RECEIVE_MESSAGES_MIN: u32 = 4;
/// Bytes of a rate-limited channel that may come at once, at least: the smallest first credit that a Hello may announce.
pub const BURST_BYTES_MIN: u32 = 1_024;
/// Requests of one peer on one channel that may wait for an answer, unless the channel says otherwise: at 100 ms an answer, 640 a second.
pub const REQUESTS_DEFAULT: u32 = 64;
/// The most that a channel may allow, and the most that are asked of a peer which allows more: each has a row in a table at both ends.
pub const REQUESTS_MAX: u32 = 4_096;
/// Bytes of bowline's own last word on a request that nobody answers (`wire/refusal.rs`): a number and a short sentence.
pub const LAST_WORD_BYTES: usize = 64;
/// Closed links of which an event queue still tells an Up or messages: links come and go as peers like, also while nobody polls.
pub const STORIES_MAX: usize = 1_024;
/// Bytes of their messages: eight default receive queues. One story alone may be larger.
pub const STORIES_BYTES_MAX: usize = 16 << 20;

/// A message of at least this many bytes is queued by reference instead of copied: below it the copy is cheaper than an allocation.
pub const BY_REFERENCE_MIN: usize = 32 * 1_024;
/// A buffer of at most so many bytes is kept for the next message of its channel that comes in pieces.
pub const KEPT_PIECES_MAX: usize = 4 * 1_024;

/// A call does not wait longer for a name (ReactorV2 `resolveTimeout`); a name of the settings that takes longer is told of.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);
/// `stop` always ends within this (issue: start and stop).
pub const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Header of the shortest segment, bytes: what a message costs at least.
pub const SEGMENT_HEADER: usize = 5;
/// Bytes per turn below which a channel could hardly cut a message: headers would eat the gain.
pub const TURN_BYTES_MIN: u32 = 64;

/// Bytes read from one socket into the reactor's one read buffer (performance reference, advice 4).
pub const READ_BUFFER: usize = 256 * 1_024;
/// Sealed bytes gathered before a write: one full record (performance reference, advice 3); a second would only leave the caches.
pub const WRITE_BUFFER: usize = FRAME_FULL;
/// Commands that may wait for the reactor (architecture 2.5, row 1).
pub const COMMANDS_MAX: usize = 1_024;
/// Control messages that may wait for the exchange worker (architecture 2.5, row 3).
pub const CONTROL_MAX: usize = 256;
/// Orders of callers that may wait for maintenance, or for exchange.
pub const ORDERS_MAX: usize = 64;
/// Sockets that send their last words, beside open and half-open ones.
pub const LINGERING_MAX: usize = 64;
/// Reports that one link can cause: Arrived, Recognised, Introduced, Opened, Closed. The reservation rule counts with it.
pub const REPORTS_PER_LINK: usize = 5;

/// Reports that may wait for welcome: twice what so many connections can cause, because those of links that are gone may still wait.
pub const fn reports_max(conns_max: usize) -> usize {
    2 * conns_max * REPORTS_PER_LINK
}

/// Places in all groups of links that an application makes. Our choice: every link of a large node in several groups.
pub const GROUP_PLACES_MAX: usize = 65_536;
/// Notices that wait in an event queue; more push the oldest out, and are counted. Wake-ups may be twice as many.
pub const NOTICES_MAX: usize = 1_024;
/// News of sends and requests that may wait in a queue or be promised to it.
pub const NEWS_MAX: usize = 65_536;

/// A link's weight until its peer's score or the application gives it another.
pub const WEIGHT_AT_FIRST: u32 = 1;
/// Least bytes that a link moves in its turn while a rate is set: one Ethernet segment (performance reference 5).
pub const LINK_TURN_MIN: u64 = 1_460;
/// Slowest rate that may be set, bytes/s: a turn of `LINK_TURN_MIN` and the smallest record that is sealed then take 1.4 s each, a full
/// record of a peer that knows nothing of the rate 64 s.
pub const RATE_MIN: u64 = 1_024;
/// Fastest rate that may be set, bytes/s.
pub const RATE_MAX: u64 = 1 << 40;

/// Capabilities that links may be kept for: each costs maintenance a look at the whole book.
pub const QUOTAS_MAX: usize = 16;

/// Tables of the address book: buckets of new addresses and of tried ones, and places in each (CometBFT `params.go`).
pub const NEW_BUCKETS: usize = 256;
pub const TRIED_BUCKETS: usize = 64;
pub const BUCKET: usize = 64;
/// Known addresses, at most, beside the configured ones: 16,384 new and 4,096 tried.
pub const POINTS_MAX: usize = (NEW_BUCKETS + TRIED_BUCKETS) * BUCKET;
/// Addresses at which a node listens (`listen.addresses`), and of which a Hello tells: at their longest (350 bytes) they take a third of it.
pub const LISTENERS_MAX: usize = 8;
/// Addresses of one identity in the book, beside the configured ones: a node listens at no more.
pub const POINTS_PER_PEER_MAX: usize = LISTENERS_MAX;
/// Bytes of an application's note on an address or identity.
pub const METADATA_BYTES_MAX: usize = 256;
/// Addresses of one configured name that are used.
pub const ADDRESSES_PER_NAME: usize = 8;
/// Names that peers told of and that are remembered, for an hour at most, and of each peer.
pub const NAMES_HEARD_MAX: usize = 64;
pub const NAMES_HEARD_PER_PEER: usize = 4;
/// Peers that are heard on what is at one such name while it is asked for; those who come later are heard at once.
pub const TELLINGS_MAX: usize = 8;
/// Known identities, at most, beside those with a link.
pub const PEERS_MAX: usize = 4_096;
/// Failures that are remembered of a known identity.
pub const FAILURES_MAX: usize = 4;
/// Persistent peers that may be configured, from the start and later, together.
pub const PERSISTENT_MAX: usize = 256;
/// Hosts, and prefixes, whose dials are counted.
pub const DIAL_ENTRIES_MAX: usize = 4_096;
/// Dials at once that only see whether an address is true: of claims, and one at random times beside them.
pub const FEELERS_OF_CLAIMS_MAX: usize = 4;
pub const FEELERS_MAX: usize = FEELERS_OF_CLAIMS_MAX + 1;
/// Addresses that may wait to be checked by a feeler.
pub const CHECKS_MAX: usize = 64;
/// Memory that the store's file may use, bytes; redb's own default is 1 GiB (dependencies reference, 2.1).
pub const STORE_CACHE_BYTES: usize = 4 << 20;
/// Rows that one save takes at once.
pub const SAVE_ROWS_MAX: usize = 2_000;
/// Scores that are remembered, of peers with and without a link.
pub const SCORES_MAX: usize = 4_096;
/// Causes that are remembered of each score.
pub const SCORE_CAUSES_MAX: usize = 8;
/// Identities whose discovery requests are counted.
pub const ASKERS_MAX: usize = 4_096;
/// Addresses that are taken from one peer's discovery answers in one cycle or call: ten pages of 1,000.
pub const DISCOVERED_MAX: usize = 10_000;
/// Peers, and groups of peers, whose new addresses are counted.
pub const INTAKE_ENTRIES_MAX: usize = 4_096;
/// Solved puzzles that are remembered per epoch. At 85 us each, 20 percent of a core answer 2,350 in a second, 141,000 in an epoch.
pub const PUZZLES_SEEN_MAX: usize = 141_000;
/// What a node's clock has counted when the node is made: what was saved before that has a moment, too, for three years.
pub const PAST: Duration = Duration::from_secs(100_000_000);
