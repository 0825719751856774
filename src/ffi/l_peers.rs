//! Section L of the header, first part: connecting, disconnecting, and who is connected.

use super::b_errors::{bowline_error, bowline_result};
use super::d_identity::bowline_peer_id;
use super::e_node::{Hosted, bowline_node, hosted};
use super::event::{bowline_peer, moment};
use super::guard::{Failure, guard, guard_err};
use super::handle;
use super::m_lists::{List, bowline_list};
use super::raw::{self, Growing, Out, OutSized, printable};
use super::s_addresses::bowline_addr;
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::counters::LinkStats;
use crate::pool::peers::PeerInfo;
use crate::wire::hello::Hello;
use std::ffi::c_char;
use std::time::Duration;

/// bowline_peer_info.flags: the peer dialed this node.
pub const BOWLINE_PEER_INBOUND: u32 = 1;
/// bowline_peer_info.flags: the operator trusts the peer.
pub const BOWLINE_PEER_TRUSTED: u32 = 2;
/// bowline_peer_info.flags: the peer is one of discovery.persistent, dialed again whenever it is gone.
pub const BOWLINE_PEER_STATIC: u32 = 4;

/// bowline_peer_info.flags: version is the highest version of the application's protocol that both sides announce.
pub const BOWLINE_PEER_HAS_VERSION: u32 = 8;

/// A connected peer at a moment. Begin with BOWLINE_PEER_INFO_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_peer_info {
    /// sizeof(bowline_peer_info).
    pub struct_size: u32,
    /// BOWLINE_PEER_* bits.
    pub flags: u32,
    /// Its link.
    pub peer: bowline_peer,
    /// Who it is.
    pub id: bowline_peer_id,
    /// The other end of its connection.
    pub remote: bowline_addr,
    /// What it has earned, from -1,000 to 1,000, when the list of peers was made: bowline_score has it now.
    pub score: i32,
    /// With BOWLINE_PEER_HAS_VERSION; else 0.
    pub version: u32,
    /// When the link opened, by the clock of bowline_clock_ns.
    pub connected_ns: u64,
    /// When something last arrived, by the clock of bowline_clock_ns.
    pub last_recv_ns: u64,
    /// When something was last sent, by the clock of bowline_clock_ns.
    pub last_send_ns: u64,
    /// Smoothed round-trip time in microseconds; 0 before the first measurement.
    pub rtt_us: u64,
    /// Bytes read from its connection.
    pub bytes_in: u64,
    /// Bytes written to its connection.
    pub bytes_out: u64,
    /// Messages received.
    pub msgs_in: u64,
    /// Messages sent.
    pub msgs_out: u64,
    /// Bytes a second that it may be sent; 0: no limit of its own.
    pub rate_up: u64,
    /// Bytes a second that it may send; 0: no limit of its own.
    pub rate_down: u64,
    /// Its share of what all links move together, beside others of weight 1.
    pub weight: u64,
    /// The application's own number, of bowline_peer_set_tag.
    pub user_tag: u64,
    /// Name and version of its software, as it says: printable ASCII, cut, NUL-terminated.
    pub agent: [c_char; 64],
    /// Where it can be dialed, as far as known; zeros if not. bowline_peer_listens has all that it says.
    pub listen: bowline_addr,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_peer_info {
    const FIRST: usize = 264;
}

/// What is known of a link from one source or another.
struct Known<'a> {
    link: LinkId,
    id: crate::base::peer::PeerId,
    direction: Direction,
    remote: std::net::SocketAddr,
    hello: &'a Hello,
}

impl bowline_peer_info {
    /// `row` is missing for a link that closes in this moment, `stats` for one that has closed since.
    fn of(known: &Known<'_>, row: Option<&PeerInfo>, stats: Option<&LinkStats>, hosted: &Hosted) -> bowline_peer_info {
        let mut flags = if known.direction == Direction::Inbound { BOWLINE_PEER_INBOUND } else { 0 };
        if row.is_some_and(|peer| peer.is_trusted) {
            flags |= BOWLINE_PEER_TRUSTED;
        }
        if row.is_some_and(|peer| peer.is_persistent) {
            flags |= BOWLINE_PEER_STATIC;
        }
        let version = known.hello.common_version(hosted.node.application_versions());
        if version.is_some() {
            flags |= BOWLINE_PEER_HAS_VERSION;
        }
        let listen = row.and_then(|peer| peer.listen.as_ref()).and_then(Address::socket);
        let none = LinkStats::default();
        let stats = stats.unwrap_or(&none);
        let origin_ns = hosted.origin_ns();
        let last = |node_ns: u64| if node_ns == 0 { 0 } else { moment(Time::from_nanos(node_ns), origin_ns) };
        bowline_peer_info {
            struct_size: 0,
            flags,
            peer: known.link.as_u64(),
            id: bowline_peer_id::of(known.id),
            remote: bowline_addr::of(known.remote),
            score: row.map_or(0, |peer| peer.score),
            version: version.unwrap_or(0),
            connected_ns: moment(row.map_or_else(|| hosted.node.now(), |peer| peer.since), origin_ns),
            last_recv_ns: last(stats.last_received_ns),
            last_send_ns: last(stats.last_sent_ns),
            rtt_us: stats.rtt_us,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            msgs_in: stats.messages_in,
            msgs_out: stats.messages_out,
            rate_up: stats.rate_up,
            rate_down: stats.rate_down,
            weight: stats.weight,
            user_tag: stats.tag,
            agent: printable(&known.hello.agent),
            listen: listen.map_or(bowline_addr::NONE, bowline_addr::of),
        }
    }
}

/// Starts to connect to a peer. It ends in one event: BOWLINE_EV_PEER_CONNECTED or BOWLINE_EV_DIAL_FAILED, with the tag.
///
/// @param node    the node
/// @param addr    where to
/// @param expect  may be NULL; who must answer there
/// @param flags   0; others are UNSUPPORTED in this version (for peers to stay connected with: discovery.persistent)
/// @param tag     comes with the event
/// @return BOWLINE_OK, BANNED, DUPLICATE, GREYLISTED, INVALID, LIMIT, REFUSED if only the trusted are dialed (pool.trusted_only), SELF, STATE
///         if the node is not started or paused, STOPPED, UNSUPPORTED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_connect(
    node: *mut bowline_node,
    addr: *const bowline_addr,
    expect: *const bowline_peer_id,
    flags: u32,
    tag: u64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an address and an id, or NULL.
        let (hosted, at, expect) = unsafe {
            let expect = if expect.is_null() { None } else { Some(raw::read(expect)?.id()) };
            (hosted(node.cast_const())?, raw::read(addr)?.socket()?, expect)
        };
        unsupported(flags)?;
        if at.port() == 0 {
            return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "nobody can be reached at port 0"));
        }
        hosted.running()?.dial(at, expect, tag)?;
        Ok(())
    })
}

fn unsupported(flags: u32) -> Result<(), Failure> {
    if flags != 0 {
        let says = format!("flags are {flags:#x}: this version knows none, pass 0");
        return Err(Failure::new(bowline_result::BOWLINE_E_UNSUPPORTED, says));
    }
    Ok(())
}

/// Connects to a peer and waits until the link is open. Resolves names.
///
/// @param node        the node
/// @param address     "[bowline://][<peer id>@]host:port"
/// @param timeout_ms  how long to wait; BOWLINE_FOREVER is bounded by 3 s for a name, and by the setting dial.timeout for each address
/// @param out         the link; its BOWLINE_EV_PEER_CONNECTED comes, too
/// @param err         may be NULL
/// @return BOWLINE_OK, or why there is no link: BANNED, DUPLICATE, GREYLISTED, HANDSHAKE, IDENTITY, INVALID, LIMIT, NETWORK_ID, REFUSED,
///         RESET, SELF, STATE if the node is not started or paused, STOPPED, TIMEOUT, UNREACHABLE, UTF8; CANCELED if another call's dial was
///         joined and given up; else the result that docs/c-guide.md lists for the close reason.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_connect_wait(
    node: *mut bowline_node,
    address: *const c_char,
    timeout_ms: i64,
    out: *mut bowline_peer,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, a text and a writable number, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (out, hosted, address) = (Out::of(out)?, hosted(node.cast_const())?, raw::text(address)?);
            let timeout = raw::timeout(timeout_ms)?.unwrap_or(Duration::MAX);
            out.put(hosted.running()?.connect(address, timeout)?.as_u64());
            Ok(())
        })
    }
}

/// Ends the link with a peer, which hears the reason. BOWLINE_EV_PEER_DISCONNECTED follows.
///
/// @param node    the node
/// @param peer    the peer
/// @param reason  0: closed on request; or the code of a close reason, which docs/c-guide.md lists
/// @param flags   0; others are UNSUPPORTED in this version
/// @return BOWLINE_OK, INVALID, PEER_GONE, STATE if the node is not started, STOPPED, UNSUPPORTED.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_disconnect(
    node: *mut bowline_node,
    peer: bowline_peer,
    reason: u32,
    flags: u32,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        unsupported(flags)?;
        let reason = match reason {
            0 => CloseReason::Requested,
            code => u16::try_from(code).ok().and_then(CloseReason::from_code).ok_or(bowline_result::BOWLINE_E_INVALID)?,
        };
        Ok(hosted.running()?.disconnect(LinkId::from_u64(peer), reason)?)
    })
}

/// What is known of a connected peer now.
///
/// @param node  the node
/// @param peer  the peer
/// @param out   begin with BOWLINE_PEER_INFO_INIT
/// @return BOWLINE_OK, NULL, PEER_GONE, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_get(
    node: *const bowline_node,
    peer: bowline_peer,
    out: *mut bowline_peer_info,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a struct that begins with its size, or NULL.
        let (out, hosted) = unsafe { (OutSized::of(out)?, hosted(node)?) };
        let link = hosted.node.link(LinkId::from_u64(peer)).ok_or(bowline_result::BOWLINE_E_PEER_GONE)?;
        let row = hosted.node.peer(link.id);
        let known = Known { link: link.id, id: link.peer, direction: link.direction, remote: link.remote, hello: &link.hello };
        out.put(&bowline_peer_info::of(&known, row.as_ref(), Some(&link.counters.read()), hosted));
        Ok(())
    })
}

/// The open link with a peer.
///
/// @param node  the node
/// @param id    who
/// @param out   the link
/// @return BOWLINE_OK, NOT_FOUND, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_find(
    node: *const bowline_node,
    id: *const bowline_peer_id,
    out: *mut bowline_peer,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an id and a writable number, or NULL.
        let (out, hosted, id) = unsafe { (Out::of(out)?, hosted(node)?, raw::read(id)?) };
        out.put(hosted.node.find_peer(&id.id()).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?.as_u64());
        Ok(())
    })
}

/// Who is connected, as a list that does not change any more.
///
/// @param node  the node
/// @param out   the list; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peers_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let peers = hosted.node.peers();
        let info = |peer: &PeerInfo| {
            let known =
                Known { link: peer.link, id: peer.id, direction: peer.direction, remote: peer.remote, hello: &peer.hello };
            bowline_peer_info::of(&known, Some(peer), hosted.node.link_stats(peer.link).as_ref(), hosted)
        };
        out.put(handle::give(List::Peers(peers.iter().map(info).collect())));
        Ok(())
    })
}
