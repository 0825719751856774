//! Section P of the header: the address book, as text comes in and as lists go out.

use super::b_errors::{bowline_error, bowline_result};
use super::d_identity::bowline_peer_id;
use super::e_node::{bowline_node, hosted};
use super::event::{bowline_peer, moment};
use super::guard::{Failure, c_text, guard, guard_err};
use super::handle;
use super::m_lists::{List, bowline_list};
use super::raw::{self, Growing, Out, OutSized, printable};
use super::s_addresses::bowline_addr;
use crate::base::link_id::LinkId;
use crate::base::time::Time;
use crate::pool::pages::{PointFilter, PointInfo};
use crate::pool::points::{Proof, State};
use std::ffi::{c_char, c_void};
use std::io::Cursor;
use std::time::Duration;

/// bowline_addr_info.flags: it is one of discovery.seeds.
pub const BOWLINE_ADDR_SEED: u32 = 1;
/// bowline_addr_info.flags: it is persistent.
pub const BOWLINE_ADDR_PERSISTENT: u32 = 2;
/// bowline_addr_info.flags: it has proven good over time.
pub const BOWLINE_ADDR_TRIED: u32 = 4;

/// bowline_addr_info.state: may be dialed once its time has come.
pub const BOWLINE_ADDR_CANDIDATE: u32 = 0;
/// bowline_addr_info.state: a dial is under way, which peer names.
pub const BOWLINE_ADDR_DIALING: u32 = 1;
/// bowline_addr_info.state: persistent, and dialed again for ever.
pub const BOWLINE_ADDR_RECONNECTING: u32 = 2;
/// bowline_addr_info.state: a link is open, which peer names.
pub const BOWLINE_ADDR_CONNECTED: u32 = 3;
/// bowline_addr_info.state: given up until bad_until_ns.
pub const BOWLINE_ADDR_BAD: u32 = 4;

/// bowline_addr_info.proof: somebody said so.
pub const BOWLINE_PROOF_HEARD: u32 = 0;
/// bowline_addr_info.proof: the peer itself said so, on a link from that host.
pub const BOWLINE_PROOF_HOST: u32 = 1;
/// bowline_addr_info.proof: this node dialed it, and a peer showed its key there.
pub const BOWLINE_PROOF_DIALED: u32 = 2;

/// A known address. Begin with BOWLINE_ADDR_INFO_INIT. Moments are by the clock of bowline_clock_ns; 0: never.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_addr_info {
    /// sizeof(bowline_addr_info).
    pub struct_size: u32,
    /// BOWLINE_ADDR_SEED, _PERSISTENT, _TRIED.
    pub flags: u32,
    /// BOWLINE_ADDR_CANDIDATE, _DIALING, _RECONNECTING, _CONNECTED, _BAD.
    pub state: u32,
    /// BOWLINE_PROOF_*.
    pub proof: u32,
    /// Failures in a row.
    pub attempts: u32,
    /// Code of the close reason of the last failure; 0 if there was none.
    pub failure: u32,
    /// Who answers there, or is said to; zeros if nobody is known.
    pub id: bowline_peer_id,
    /// Where.
    pub addr: bowline_addr,
    /// The dial or link; 0 if there is none.
    pub peer: bowline_peer,
    /// It is not dialed for links before; 0: it may be at once.
    pub next_dial_ns: u64,
    /// When somebody told of it last.
    pub last_heard_ns: u64,
    /// When it was dialed last.
    pub last_dialed_ns: u64,
    /// When a peer was met there last.
    pub last_seen_ns: u64,
    /// When it failed last.
    pub failed_ns: u64,
    /// Until when it is given up.
    pub bad_until_ns: u64,
    /// Who told of it: "own" for the operator or the application, else the group of addresses of the peer that did, such as "192.0.0.0/16".
    pub source: [c_char; 32],
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_addr_info {
    const FIRST: usize = 168;
}

impl bowline_addr_info {
    /// None for an address whose host is a name: the book has none.
    fn of(point: &PointInfo, origin_ns: u64) -> Option<bowline_addr_info> {
        let at = |time: Option<Time>| time.map_or(0, |time| moment(time, origin_ns));
        let flag = |is_set: bool, bit: u32| if is_set { bit } else { 0 };
        let link = |link: LinkId| link.as_u64();
        let (state, peer, bad_until) = match point.state {
            State::Candidate => (BOWLINE_ADDR_CANDIDATE, 0, None),
            State::Dialing(dial) => (BOWLINE_ADDR_DIALING, link(dial), None),
            State::Reconnecting => (BOWLINE_ADDR_RECONNECTING, 0, None),
            State::Connected(open) => (BOWLINE_ADDR_CONNECTED, link(open), None),
            State::Bad { until } => (BOWLINE_ADDR_BAD, 0, Some(until)),
        };
        let proof = match point.proof {
            Proof::Heard => BOWLINE_PROOF_HEARD,
            Proof::Host => BOWLINE_PROOF_HOST,
            Proof::Dialed => BOWLINE_PROOF_DIALED,
        };
        Some(bowline_addr_info {
            struct_size: 0,
            flags: flag(point.is_seed, BOWLINE_ADDR_SEED)
                | flag(point.is_persistent, BOWLINE_ADDR_PERSISTENT)
                | flag(point.is_tried, BOWLINE_ADDR_TRIED),
            state,
            proof,
            attempts: point.attempts,
            failure: point.last_failure.map_or(0, |(_, reason)| reason.code().into()),
            id: point.address.id.map_or(bowline_peer_id { bytes: [0; 32] }, bowline_peer_id::of),
            addr: bowline_addr::of(point.address.socket()?),
            peer,
            next_dial_ns: at((point.next_dial > Time::ZERO).then_some(point.next_dial)),
            last_heard_ns: moment(point.last_heard, origin_ns),
            last_dialed_ns: at(point.last_dialed),
            last_seen_ns: at(point.last_seen),
            failed_ns: at(point.last_failure.map(|(when, _)| when)),
            bad_until_ns: at(bad_until),
            source: printable(&point.source.to_string()),
        })
    }
}

/// Adds an address to the book: maintenance dials it when it needs links. For a link now call bowline_connect, for ever
/// bowline_persistent_add. Waits for a name only, at most 3 s.
///
/// @param node     the node
/// @param address  "[bowline://][<peer id>@]host:port"; of a name, all that it resolves to are added now
/// @param err      may be NULL
/// @return BOWLINE_OK, BANNED, EXISTS if it is known, INVALID (also if it is no address to dial), LIMIT if the book has no place for it, SELF,
///         STATE if the node is not started, STOPPED, UNREACHABLE for a name that does not resolve within 3 s, UTF8. Nothing is changed after
///         a failure.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addrbook_add(
    node: *mut bowline_node,
    address: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, address) = (hosted(node.cast_const())?, raw::text(address)?);
            // The node may stop or fail while a name is resolved: then that is the answer.
            let added = hosted.running()?.add_address(address);
            added.map_err(|error| hosted.running().err().unwrap_or_else(|| error.into()))
        })
    }
}

/// Forgets an address. Whoever knows it may tell of it again: ban it where that must not be.
///
/// @param node     the node
/// @param address  as text; no name
/// @param err      may be NULL
/// @return BOWLINE_OK, INVALID, NOT_FOUND if it is not known, STATE while a link or dial uses it, if it is a seed or persistent, or the node is
///         not started, STOPPED, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addrbook_remove(
    node: *mut bowline_node,
    address: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, address) = (hosted(node.cast_const())?, raw::text(address)?);
            let was_there = hosted.running()?.remove_address(address)?;
            if was_there { Ok(()) } else { Err(bowline_result::BOWLINE_E_NOT_FOUND.into()) }
        })
    }
}

/// Every known address, as a list that does not change any more.
///
/// @param node  the node
/// @param out   the list, for bowline_list_addr; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addrbook_snapshot(node: *const bowline_node, out: *mut *mut bowline_list) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let (points, origin_ns) = (hosted.node.points(&PointFilter::default()), hosted.origin_ns());
        out.put(handle::give(List::Addresses(
            points.into_iter().filter_map(|point| Some((bowline_addr_info::of(&point, origin_ns)?, point.metadata))).collect(),
        )));
        Ok(())
    })
}

/// Hands out a list of texts.
fn texts(out: &Out<'_, *mut bowline_list>, all: impl Iterator<Item = String>) {
    out.put(handle::give(List::Texts(all.collect())));
}

/// The addresses that are known to be healthy: a link or dial has proven each, lately, and its peer may be told of.
///
/// @param node       the node
/// @param with_self  not 0: and then the addresses of this node itself
/// @param out        the list, for bowline_list_text; free it with bowline_list_free
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_healthy_snapshot(
    node: *const bowline_node,
    with_self: u32,
    out: *mut *mut bowline_list,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable pointer, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?.cleared(), hosted(node)?) };
        let node = &hosted.node;
        if with_self == 0 {
            texts(&out, node.healthy().iter().map(ToString::to_string));
        } else {
            texts(&out, node.peers_with_self().iter().map(ToString::to_string));
        }
        Ok(())
    })
}

/// Asks a peer which peers it knows to be healthy, and waits for all that it tells. They go into the address book, too.
///
/// @param node        the node
/// @param peer        whom
/// @param timeout_ms  how long to wait
/// @param out         the list, for bowline_list_text; free it with bowline_list_free
/// @param err         may be NULL
/// @return BOWLINE_OK, AGAIN if 64 orders wait already, INVALID when the peer refuses, or it or this node is private, PEER_GONE, STATE if the
///         node is not started, STOPPED, TIMEOUT.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_discover_wait(
    node: *mut bowline_node,
    peer: bowline_peer,
    timeout_ms: i64,
    out: *mut *mut bowline_list,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and a writable pointer, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (out, hosted) = (Out::of(out)?.cleared(), hosted(node.cast_const())?);
            let timeout = raw::timeout(timeout_ms)?.unwrap_or(Duration::MAX);
            let found = hosted.running()?.discover(LinkId::from_u64(peer), timeout)?;
            texts(&out, found.iter().map(ToString::to_string));
            Ok(())
        })
    }
}

/// Notes at most 256 bytes of a known address, in the place of what was noted before. They are forgotten with the address.
///
/// @param node     the node
/// @param address  as text; no name
/// @param data     the bytes; (NULL, 0) takes the note away
/// @param len      how many
/// @param err      may be NULL
/// @return BOWLINE_OK, INVALID, NOT_FOUND if it is not known, STATE if the node is not started, STOPPED, TOO_BIG, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_addr_note(
    node: *mut bowline_node,
    address: *const c_char,
    data: *const c_void,
    len: usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, a text and `len` bytes, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, address, data) = (hosted(node.cast_const())?, raw::text(address)?, raw::bytes(data, len)?);
            Ok(hosted.running()?.set_point_metadata(address, data)?)
        })
    }
}

/// Notes at most 256 bytes of a known identity, in the place of what was noted before. While there are some it is not forgotten with time.
///
/// @param node  the node
/// @param id    who
/// @param data  the bytes; (NULL, 0) takes the note away
/// @param len   how many
/// @param err   may be NULL
/// @return BOWLINE_OK, INVALID, NOT_FOUND if it never had a link or is forgotten, STATE if the node is not started, STOPPED, TOO_BIG.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_note(
    node: *mut bowline_node,
    id: *const bowline_peer_id,
    data: *const c_void,
    len: usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, an id and `len` bytes, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (hosted, id, data) = (hosted(node.cast_const())?, raw::read(id)?, raw::bytes(data, len)?);
            Ok(hosted.running()?.set_peer_metadata(&id.id(), data)?)
        })
    }
}

/// How much of an import was news. Begin with BOWLINE_IMPORTED_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_imported {
    /// sizeof(bowline_imported).
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// New addresses.
    pub addrs: u64,
    /// New identities.
    pub peers: u64,
    /// New entries of lists.
    pub lists: u64,
    /// New scores.
    pub scores: u64,
    /// Rows that have found no place: nobody who is known goes for them.
    pub without_place: u64,
    /// Entries of lists of whose subject the opposite is said here, which stands.
    pub contradicted: u64,
}

// SAFETY: repr(C) without padding (asserted by a test), begins with struct_size, and holds integers only.
unsafe impl Growing for bowline_imported {
    const FIRST: usize = 56;
}

/// Known addresses and peers, lists and scores, as lines of JSON. The identity is not among them. docs/operators.md describes the rows.
/// It takes a time that grows with the rows (100,000 are in the order of a second), and holds nobody up meanwhile.
///
/// @param node  the node
/// @param out   the text; free it with bowline_string_free
/// @param len   may be NULL; its bytes without the NUL
/// @param err   may be NULL
/// @return BOWLINE_OK, STATE if the node is not started, STOPPED.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_export(
    node: *const bowline_node,
    out: *mut *mut c_char,
    len: *mut usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node and writable places, or NULL; `len` and `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (out, len, hosted) = (Out::of(out)?.cleared(), Out::optional(len)?, hosted(node)?);
            let mut bytes = Vec::new();
            hosted.running()?.export(&mut bytes)?;
            let text = c_text(&String::from_utf8_lossy(&bytes));
            if let Some(len) = len {
                len.put(text.as_bytes().len());
            }
            out.put(text.into_raw());
            Ok(())
        })
    }
}

/// Takes in what bowline_export wrote, here or elsewhere. What is known already stays as it is; what is wrong with any line keeps all of it
/// out. It is believed as if this node had seen it itself: take in only what a node of yours has written. Takes about a second for 100,000
/// rows, and holds nobody up for long meanwhile.
///
/// @param node  the node
/// @param data  the lines
/// @param len   bytes
/// @param out   may be NULL; begin with BOWLINE_IMPORTED_INIT
/// @param err   may be NULL
/// @return BOWLINE_OK, INVALID with the number of the wrong line in err, STATE if the node is not started, STOPPED, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_import(
    node: *mut bowline_node,
    data: *const c_void,
    len: usize,
    out: *mut bowline_imported,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a node, `len` bytes and a struct that begins with its size, or NULL; `out` and `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let out = if out.is_null() { None } else { Some(OutSized::of(out)?) };
            let (hosted, data) = (hosted(node.cast_const())?, raw::bytes(data, len)?);
            let imported = hosted.node.import(&mut Cursor::new(data)).map_err(|error| {
                // Where no line is to blame the node may be: it does not run, or no more.
                let of_node = if error.line == 0 { hosted.running().err() } else { None };
                of_node.unwrap_or_else(|| Failure::new(bowline_result::BOWLINE_E_INVALID, error.to_string()))
            })?;
            if let Some(out) = out {
                out.put(&bowline_imported {
                    struct_size: 0,
                    reserved: 0,
                    addrs: imported.points as u64,
                    peers: imported.peers as u64,
                    lists: imported.lists as u64,
                    scores: imported.scores as u64,
                    without_place: imported.without_place as u64,
                    contradicted: imported.contradicted as u64,
                });
            }
            Ok(())
        })
    }
}
