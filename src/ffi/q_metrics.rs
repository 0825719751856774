//! Section Q of the header: what a node counts.

use super::b_errors::bowline_result;
use super::e_node::{bowline_node, hosted};
use super::guard::guard;
use super::raw::{Growing, OutSized};

/// What a node has counted so far. Each number is exact; together they are of no single instant. Begin with BOWLINE_METRICS_INIT.
/// What this version does not count is 0, as said at the member.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_metrics {
    /// sizeof(bowline_metrics).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Open links that peers dialed.
    pub peers_in: u64,
    /// Open links that this node dialed.
    pub peers_out: u64,
    /// Dials begun.
    pub dials_total: u64,
    /// Dials that ended without a link.
    pub dials_failed: u64,
    /// Connections accepted.
    pub accepts_total: u64,
    /// Accepted connections that were refused or failed before they opened.
    pub accepts_refused: u64,
    /// Bytes read from connections.
    pub bytes_in: u64,
    /// Bytes written to connections.
    pub bytes_out: u64,
    /// Messages received.
    pub msgs_in: u64,
    /// Messages taken for sending and sealed.
    pub msgs_out: u64,
    /// Messages of peers that are gone, dropped because nobody polled them and too many waited (see bowline_queue).
    pub msgs_dropped_in: u64,
    /// Messages whose time to live was over before they were sent.
    pub msgs_expired: u64,
    /// Messages above their channel's limit; not counted in this version.
    pub msgs_too_big: u64,
    /// Requests under way; there are none in this version.
    pub requests_pending: u64,
    /// Requests without an answer in time; there are none in this version.
    pub requests_timeout: u64,
    /// Bans in force; there are none in this version.
    pub bans: u64,
    /// Entries on the greylist; not counted in this version.
    pub greylisted: u64,
    /// Panics contained while a peer's message was handled.
    pub panics: u64,
    /// Nanoseconds since the node was made.
    pub uptime_ns: u64,
    /// Addresses known.
    pub addrs_known: u64,
    /// Messages that were still queued when their link closed.
    pub msgs_unsent: u64,
    /// Events about dials and refusals that were dropped because nobody polled.
    pub events_dropped: u64,
    /// Messages that were not taken for sending because their channel's queue was full, at once or until the wait was over.
    pub msgs_refused: u64,
    /// Messages that gave way to newer ones in a full queue.
    pub msgs_displaced: u64,
    /// Messages that their senders took back.
    pub msgs_canceled: u64,
    /// Messages of peers of which a part had come when their link closed.
    pub msgs_unfinished: u64,
    /// Times that a channel of a link began to stall; also those that were not told.
    pub stalls: u64,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_metrics {
    const FIRST: usize = 224;
}

/// What a node has counted so far.
///
/// @param node  the node
/// @param out   begin with BOWLINE_METRICS_INIT
/// @return BOWLINE_OK, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_metrics_get(node: *const bowline_node, out: *mut bowline_metrics) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a struct that begins with its size, or NULL.
        let (out, hosted) = unsafe { (OutSized::of(out)?, hosted(node)?) };
        let stats = hosted.node.stats();
        out.put(&bowline_metrics {
            struct_size: 0,
            reserved: 0,
            peers_in: stats.links_in,
            peers_out: stats.links_out,
            dials_total: stats.dials,
            dials_failed: stats.dials_failed,
            accepts_total: stats.arrivals,
            accepts_refused: stats.arrivals_refused,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            msgs_in: stats.messages_in,
            msgs_out: stats.messages_out,
            msgs_dropped_in: stats.messages_unseen,
            msgs_expired: stats.messages_expired,
            msgs_too_big: 0,
            requests_pending: 0,
            requests_timeout: 0,
            bans: 0,
            greylisted: 0,
            panics: stats.panics_contained,
            uptime_ns: u64::try_from(hosted.node.uptime().as_nanos()).unwrap_or(u64::MAX),
            addrs_known: stats.points_known,
            msgs_unsent: stats.messages_unsent,
            events_dropped: stats.notices_dropped,
            msgs_refused: stats.messages_refused,
            msgs_displaced: stats.messages_displaced,
            msgs_canceled: stats.messages_cancelled,
            msgs_unfinished: stats.messages_unfinished,
            stalls: stats.stalls,
        });
        Ok(())
    })
}
