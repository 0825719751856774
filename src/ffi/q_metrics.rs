//! Section Q of the header: what a node counts.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::e_node::{bowline_node, hosted};
use super::guard::{c_text, guard};
use super::raw::{Growing, Out, OutSized};
use crate::base::channel::ChannelId;
use crate::base::reason::CloseReason;
use std::ffi::c_char;

/// What a node has counted so far. Each number is exact; together they are of no single instant. Begin with BOWLINE_METRICS_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_metrics {
    /// sizeof(bowline_metrics).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Nanoseconds since the node was made.
    pub uptime_ns: u64,
    /// Open links that peers dialed.
    pub peers_in: u64,
    /// Open links that this node dialed.
    pub peers_out: u64,
    /// Addresses known.
    pub addrs_known: u64,
    /// Bans in force, by the operator or for a score.
    pub bans: u64,
    /// Entries on the greylist, those included whose time is over and that are only remembered.
    pub greylisted: u64,
    /// Dials begun.
    pub dials_total: u64,
    /// Dials that ended without a link.
    pub dials_failed: u64,
    /// Connections accepted by the listeners.
    pub accepts_total: u64,
    /// Arrivals that were refused or failed before they opened.
    pub accepts_refused: u64,
    /// Connections closed at the door, before anything was made for them: banned, greylisted, or not trusted where only the trusted are let in.
    pub accepts_shut: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
    /// Application messages received.
    pub msgs_in: u64,
    /// Application messages taken from callers and sealed.
    pub msgs_out: u64,
    /// Bytes of application messages received.
    pub payload_in: u64,
    /// Bytes of application messages sent.
    pub payload_out: u64,
    /// Messages that were queued when their link closed.
    pub msgs_unsent: u64,
    /// Messages whose time to live was over before they were sent.
    pub msgs_expired: u64,
    /// Messages that their senders took back.
    pub msgs_canceled: u64,
    /// Messages that gave way to newer ones in a full queue.
    pub msgs_displaced: u64,
    /// Messages that were not taken for sending because their channel's queue was full, at once or until their wait was over.
    pub msgs_refused: u64,
    /// Messages of peers of which a part had come when their link ended.
    pub msgs_unfinished: u64,
    /// Messages of the node's own channels that were dropped: too many waited for a peer, or their link had ended.
    pub controls_dropped: u64,
    /// Times that a channel of a link began to stall; also those that were not told.
    pub stalls: u64,
    /// Messages that a typed channel made nothing of; C has no such channels.
    pub msgs_malformed: u64,
    /// Requests without an answer by their deadline.
    pub requests_timeout: u64,
    /// Answers that nobody waited for any more.
    pub answers_late: u64,
    /// Messages of peers that are gone, dropped because nobody polled them and too many waited (see bowline_queue).
    pub msgs_dropped_in: u64,
    /// Events that belong to no open link, dropped because nobody polled.
    pub events_dropped: u64,
    /// Requests of peers for addresses that were answered.
    pub pex_answered: u64,
    /// Panics contained while handling a peer's message.
    pub panics: u64,
    /// Times a connection could not be accepted for want of descriptors.
    pub accepts_no_files: u64,
    /// Bytes a second that all links together may send; 0: no limit.
    pub rate_up: u64,
    /// Bytes a second that all links together may receive; 0: no limit.
    pub rate_down: u64,
    /// Turns of the event loop.
    pub turns: u64,
    /// Times that the event loop was woken out of sleep.
    pub wakes: u64,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_metrics {
    const FIRST: usize = 304;
}

/// What went through a channel so far, on all links together. Begin with BOWLINE_CHANNEL_METRICS_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_channel_metrics {
    /// sizeof(bowline_channel_metrics).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Messages received.
    pub msgs_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Messages taken for sending and sealed.
    pub msgs_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_channel_metrics {
    const FIRST: usize = 40;
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
            uptime_ns: u64::try_from(hosted.node.uptime().as_nanos()).unwrap_or(u64::MAX),
            peers_in: stats.links_in,
            peers_out: stats.links_out,
            addrs_known: stats.points_known,
            bans: stats.bans,
            greylisted: stats.greylisted,
            dials_total: stats.dials,
            dials_failed: stats.dials_failed,
            accepts_total: stats.arrivals,
            accepts_refused: stats.arrivals_refused,
            accepts_shut: stats.arrivals_shut,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            msgs_in: stats.messages_in,
            msgs_out: stats.messages_out,
            payload_in: stats.payload_in,
            payload_out: stats.payload_out,
            msgs_unsent: stats.messages_unsent,
            msgs_expired: stats.messages_expired,
            msgs_canceled: stats.messages_cancelled,
            msgs_displaced: stats.messages_displaced,
            msgs_refused: stats.messages_refused,
            msgs_unfinished: stats.messages_unfinished,
            controls_dropped: stats.controls_dropped,
            stalls: stats.stalls,
            msgs_malformed: stats.messages_malformed,
            requests_timeout: stats.requests_late,
            answers_late: stats.answers_late,
            msgs_dropped_in: stats.messages_unseen,
            events_dropped: stats.notices_dropped,
            pex_answered: stats.pex_answered,
            panics: stats.panics_contained,
            accepts_no_files: stats.accept_no_files,
            rate_up: stats.rate_up,
            rate_down: stats.rate_down,
            turns: stats.turns,
            wakes: stats.wakes,
        });
        Ok(())
    })
}

/// What went through a channel so far.
///
/// @param node     the node
/// @param channel  a channel of the node
/// @param out      begin with BOWLINE_CHANNEL_METRICS_INIT
/// @return BOWLINE_OK, NO_CHANNEL, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_metrics_channel(
    node: *const bowline_node,
    channel: bowline_channel,
    out: *mut bowline_channel_metrics,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a struct that begins with its size, or NULL.
        let (out, hosted) = unsafe { (OutSized::of(out)?, hosted(node)?) };
        let totals = hosted.node.channel_totals(ChannelId(channel)).ok_or(bowline_result::BOWLINE_E_NO_CHANNEL)?;
        out.put(&bowline_channel_metrics {
            struct_size: 0,
            reserved: 0,
            msgs_in: totals.messages_in,
            bytes_in: totals.bytes_in,
            msgs_out: totals.messages_out,
            bytes_out: totals.bytes_out,
        });
        Ok(())
    })
}

/// All counters as OpenMetrics text, as Prometheus reads it ("application/openmetrics-text; version=1.0.0; charset=utf-8"): of the node, of
/// its channels, and of ended connections by reason. Some kilobytes. bowline serves no HTTP: do that where the application does.
///
/// @param node  the node
/// @param out   the text; free it with bowline_string_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_metrics_text(node: *const bowline_node, out: *mut *mut c_char) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        out.put(c_text(&hosted.node.metrics_text()).into_raw());
        Ok(())
    })
}

/// How often connections and dials have ended for a reason since the start, those included that never became links and are told of nowhere
/// else.
///
/// @param node    the node
/// @param reason  code of a close reason, which docs/c-guide.md lists
/// @param out     how often
/// @return BOWLINE_OK, INVALID if there is no such reason, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_metrics_ends(node: *const bowline_node, reason: u32, out: *mut u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable number, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?, hosted(node)?) };
        let reason = u16::try_from(reason).ok().and_then(CloseReason::from_code).ok_or(bowline_result::BOWLINE_E_INVALID)?;
        let ends = hosted.node.ends();
        out.put(ends.iter().find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count));
        Ok(())
    })
}
