//! Section L of the header, third part: what peers say of themselves, how their channels stand, and everybody who was ever linked.

use super::b_errors::bowline_result;
use super::c_config::bowline_channel;
use super::d_identity::bowline_peer_id;
use super::e_node::{Hosted, bowline_node, hosted};
use super::event::{bowline_peer, moment};
use super::guard::{Failure, guard};
use super::handle;
use super::m_lists::{List, bowline_list};
use super::raw::{self, Growing, Out};
use crate::base::link_id::LinkId;
use crate::bus::backlog::{ChannelStats, Waiting};
use crate::bus::link::Link;
use crate::pool::pages::KnownPeer;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

/// bowline_known_info.flags: it does not want to be advertised.
pub const BOWLINE_KNOWN_PRIVATE: u32 = 1;

/// How a channel of a peer stands. Begin with BOWLINE_CHANNEL_INFO_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_channel_info {
    /// sizeof(bowline_channel_info).
    pub struct_size: u32,
    /// The channel.
    pub channel: bowline_channel,
    /// 1 if the peer has it, too; else 0.
    pub is_shared: u16,
    /// This node's messages that wait to be sent.
    pub out_msgs: u64,
    /// Their bytes.
    pub out_bytes: u64,
    /// How long the oldest of them has waited at least, nanoseconds.
    pub out_age_ns: u64,
    /// The peer's messages that wait to be polled.
    pub in_msgs: u64,
    /// Their bytes.
    pub in_bytes: u64,
    /// How long the oldest of them has waited at least, nanoseconds.
    pub in_age_ns: u64,
    /// Messages of the peer of which a part has come: 0 or 1.
    pub unfinished: u64,
    /// Bytes that this node may send before the peer grants more.
    pub credit_out: u64,
    /// Bytes that the peer may send before this node grants more.
    pub credit_in: u64,
    /// This node's messages that were not taken because the send queue was full.
    pub refused: u64,
    /// This node's messages that gave way to newer ones.
    pub displaced: u64,
    /// This node's messages whose ttl_ms was over before they were sent.
    pub expired: u64,
    /// This node's messages that were taken back.
    pub canceled: u64,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_channel_info {
    const FIRST: usize = 112;
}

impl bowline_channel_info {
    fn of(stats: &ChannelStats) -> bowline_channel_info {
        let age = |waiting: Waiting| waiting.age.map_or(0, nanoseconds);
        bowline_channel_info {
            struct_size: 0,
            channel: stats.channel.0,
            is_shared: stats.is_shared.into(),
            out_msgs: stats.outbound.messages,
            out_bytes: stats.outbound.bytes,
            out_age_ns: age(stats.outbound),
            in_msgs: stats.inbound.messages,
            in_bytes: stats.inbound.bytes,
            in_age_ns: age(stats.inbound),
            unfinished: stats.unfinished,
            credit_out: stats.credit_out,
            credit_in: stats.credit_in,
            refused: stats.refused,
            displaced: stats.displaced,
            expired: stats.expired,
            canceled: stats.cancelled,
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// An identity that was linked once. Begin with BOWLINE_KNOWN_INFO_INIT. Moments are by the clock of bowline_clock_ns; 0: never.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_known_info {
    /// sizeof(bowline_known_info).
    pub struct_size: u32,
    /// BOWLINE_KNOWN_*.
    pub flags: u32,
    /// Who.
    pub id: bowline_peer_id,
    /// Links with it that are open or about to open.
    pub links: u32,
    /// Its score.
    pub score: i32,
    /// When it came first.
    pub first_seen_ns: u64,
    /// When it came or went last; while it has a link, when that was admitted.
    pub last_seen_ns: u64,
    /// When its links, or dials that had met it, failed: the last four, the oldest first.
    pub failed_ns: [u64; 4],
    /// Codes of the close reasons of these.
    pub failures: [u32; 4],
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_known_info {
    const FIRST: usize = 112;
}

impl bowline_known_info {
    fn of(known: &KnownPeer, origin_ns: u64) -> bowline_known_info {
        let (mut failed_ns, mut failures) = ([0; 4], [0; 4]);
        for (at, (when, reason)) in known.failures.iter().take(failures.len()).enumerate() {
            (failed_ns[at], failures[at]) = (moment(*when, origin_ns), reason.code().into());
        }
        bowline_known_info {
            struct_size: 0,
            flags: if known.is_private { BOWLINE_KNOWN_PRIVATE } else { 0 },
            id: bowline_peer_id::of(known.id),
            links: known.links,
            score: known.score,
            first_seen_ns: moment(known.first_seen, origin_ns),
            last_seen_ns: moment(known.last_seen, origin_ns),
            failed_ns,
            failures,
        }
    }
}

fn link_of(hosted: &Hosted, peer: bowline_peer) -> Result<Arc<Link>, Failure> {
    Ok(hosted.node.link(LinkId::from_u64(peer)).ok_or(bowline_result::BOWLINE_E_PEER_GONE)?)
}

/// Whether a peer says that it can do a thing, and the number that it gives with it.
///
/// @param node        the node
/// @param peer        the peer
/// @param capability  a name
/// @param value       may be NULL; the number
/// @return BOWLINE_OK, NOT_FOUND if it does not say so, PEER_GONE, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_capability(
    node: *const bowline_node,
    peer: bowline_peer,
    capability: *const c_char,
    value: *mut u64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, a text and a writable number, or NULL.
        let (value, hosted, name) = unsafe { (Out::optional(value)?, hosted(node)?, raw::text(capability)?) };
        let link = link_of(hosted, peer)?;
        let capability = link.hello.capabilities.iter().find(|capability| capability.name == name);
        let capability = capability.ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?;
        if let Some(value) = value {
            value.put(capability.value);
        }
        Ok(())
    })
}

/// What a peer says that it can do, as a list of texts "name=number".
///
/// @param node  the node
/// @param peer  the peer
/// @param out   the list: read it with bowline_list_text, free it with bowline_list_free
/// @return BOWLINE_OK, NULL, PEER_GONE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_capabilities(
    node: *const bowline_node,
    peer: bowline_peer,
    out: *mut *mut bowline_list,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let link = link_of(hosted, peer)?;
        let texts = link.hello.capabilities.iter().map(|capability| format!("{}={}", capability.name, capability.value));
        out.put(handle::give(List::Texts(texts.collect())));
        Ok(())
    })
}

/// Where a peer says that it can be dialed, as a list of texts: its own word, in which 0.0.0.0 stands for the address it is seen at.
///
/// @param node  the node
/// @param peer  the peer
/// @param out   the list: read it with bowline_list_text, free it with bowline_list_free
/// @return BOWLINE_OK, NULL, PEER_GONE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_listens(
    node: *const bowline_node,
    peer: bowline_peer,
    out: *mut *mut bowline_list,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let link = link_of(hosted, peer)?;
        out.put(handle::give(List::Texts(link.hello.listen.iter().map(ToString::to_string).collect())));
        Ok(())
    })
}

/// The application's own bytes that a peer has given with bowline_config_set_metadata.
///
/// @param node    the node
/// @param peer    the peer
/// @param buf     where to; may be NULL if cap is 0
/// @param cap     bytes there; 4,096 are always enough
/// @param needed  may be NULL; how many there are, also if they do not fit
/// @return BOWLINE_OK, BUFFER, PEER_GONE.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_metadata(
    node: *const bowline_node,
    peer: bowline_peer,
    buf: *mut c_void,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, `cap` bytes and a writable number, or NULL.
        unsafe {
            let link = link_of(hosted(node)?, peer)?;
            raw::fill_bytes(&link.hello.metadata, buf, cap, needed)
        }
    })
}

/// How the channels of a peer stand, as a list that does not change any more: read it with bowline_list_channel. The event-loop thread is
/// asked, which answers within milliseconds, at most 5 s.
///
/// @param node  the node
/// @param peer  the peer
/// @param out   the list; free it with bowline_list_free
/// @return BOWLINE_OK, NULL, PEER_GONE, STATE if the node is not started, STOPPED, TIMEOUT after 5 s.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_channels(
    node: *const bowline_node,
    peer: bowline_peer,
    out: *mut *mut bowline_list,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let channels = hosted.running()?.channel_stats(LinkId::from_u64(peer))?;
        out.put(handle::give(List::Channels(channels.iter().map(bowline_channel_info::of).collect())));
        Ok(())
    })
}

/// Keeps a number of the application's with a connected peer: bowline_peer_info.user_tag. It goes with the link.
///
/// @param node  the node
/// @param peer  the peer
/// @param tag   any number; a new link has 0
/// @return BOWLINE_OK, PEER_GONE.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_set_tag(node: *mut bowline_node, peer: bowline_peer, tag: u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        Ok(hosted.node.set_tag(LinkId::from_u64(peer), tag)?)
    })
}

/// Every identity that was linked once, until it is forgotten, as a list that does not change any more: read it with bowline_list_known, and
/// the notes of bowline_peer_note with bowline_list_note. Empty before the start.
///
/// @param node  the node
/// @param out   the list; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_known_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let row = |known: KnownPeer| (bowline_known_info::of(&known, hosted.origin_ns()), known.metadata);
        out.put(handle::give(List::Known(hosted.node.known_peers().into_iter().map(row).collect())));
        Ok(())
    })
}
