//! Section T of the header: the memory network, on which an application's protocol is tested in virtual time.

use super::b_errors::bowline_result;
use super::c_config::bowline_config;
use super::callback;
use super::fork::Home;
use super::guard::{Failure, guard, guard_or};
use super::handle::{self, Handle};
use super::raw::{self, Out};
use super::s_addresses::bowline_addr;
use crate::node::memnet::{MemNet, MemWay};
use std::ffi::c_char;
use std::net::IpAddr;
use std::time::Duration;

/// A network in memory with a time of its own, for tests. Nodes whose configuration says bowline_config_use_memnet are on it: whole nodes, of
/// the same code as on sockets, but without threads and descriptors. Nothing happens on it unless bowline_memnet_advance or
/// bowline_memnet_advance_to_event is called, on the thread that calls it; time stands still in between. The same seed and the same calls give
/// the same events, to the last byte, where keys come from bowline_keypair_from_seed.
///
/// Each node has an IP address of its own, that of its first listen.addresses, or one of 10.0.0.0/8 if it names none, and others that it names,
/// which are no other node's; in most tests network.allow_private is "true". A network has room for 65,536 nodes: those that are freed give
/// theirs back when it is full, and their addresses and links are forgotten then.
///
/// A call that would wait says BOWLINE_E_STATE on such a node, whatever is there already: poll, send, respond with BOWLINE_NOWAIT, use
/// bowline_connect and bowline_request_start, not bowline_connect_wait, bowline_request_wait and bowline_maintain_wait. bowline_node_stop takes no time:
/// it sends what the streams take in this moment. Moments in events and elsewhere are those of bowline_memnet_now.
///
/// Any thread may call; of two at once one waits for the other. What the network runs, such as a wake function, must not call these functions
/// nor start or stop its nodes: BOWLINE_E_STATE.
pub struct bowline_memnet {
    _opaque: [u8; 0],
}

impl Handle for bowline_memnet {
    type Value = Lent;
    const MAGIC: u64 = 0x626f_776c_6d65_6d6e;
}

/// What `bowline_memnet` really is.
pub struct Lent {
    net: MemNet,
    home: Home,
}

/// A network that C lends for the length of a call, in the process that made it.
///
/// # Safety
/// As for `handle::borrow`.
unsafe fn lent<'a>(net: *const bowline_memnet) -> Result<&'a MemNet, Failure> {
    // SAFETY: the caller of this function vouches for `net`.
    let lent = unsafe { handle::borrow(net) }?;
    callback::refuse_inside()?;
    lent.home.check()?;
    Ok(&lent.net)
}

/// Two addresses, or two NULLs.
///
/// # Safety
/// Each is NULL or may be read.
unsafe fn pair(one: *const bowline_addr, other: *const bowline_addr) -> Result<Option<(IpAddr, IpAddr)>, Failure> {
    if one.is_null() && other.is_null() {
        return Ok(None);
    }
    if one.is_null() || other.is_null() {
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "give both addresses, or neither: NULL and NULL mean all"));
    }
    // SAFETY: the caller of this function vouches for both.
    let (one, other) = unsafe { (raw::read(one)?.socket()?, raw::read(other)?.socket()?) };
    Ok(Some((one.ip(), other.ip())))
}

/// Nanoseconds as C counts them.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Makes an empty network at time 0, on which every way takes 1 ms.
///
/// @param seed  whatever is drawn, is drawn from it
/// @param out   the network
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_new(seed: u64, out: *mut *mut bowline_memnet) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a writable pointer, or NULL.
        let out = unsafe { Out::of(out)? }.cleared();
        out.put(handle::give(Lent { net: MemNet::new(seed), home: Home::here()? }));
        Ok(())
    })
}

/// Frees the handle of a network. Its nodes, and configurations that name it, keep the network; without a handle its time stands still.
///
/// @param net  may be NULL
/// @threads any, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_free(net: *mut bowline_memnet) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a network whose handle nobody uses any more.
        let Some(lent) = (unsafe { handle::take(net) }) else { return };
        if !lent.home.is_here() {
            // A lock that a thread of the parent held would never open.
            std::mem::forget(lent);
        }
    });
}

/// Puts nodes of this configuration on a memory network. The configuration keeps the network.
///
/// @param config  the configuration
/// @param net     the network
/// @return BOWLINE_OK, NULL.
/// @threads the owner of the configuration
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_use_memnet(config: *mut bowline_config, net: *mut bowline_memnet) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a configuration and a network, or NULL.
        let (draft, net) = unsafe { (handle::borrow(config.cast_const())?, lent(net.cast_const())?) };
        draft.use_memnet(net, Home::here()?);
        Ok(())
    })
}

/// Says how it goes from one address to another from now on, for streams that there are and those to come; the other direction stays as it
/// is. Of addresses only the IP counts.
///
/// @param net          the network
/// @param from         an address that a node of this network has been made with; NULL for both: every way, whatever was said before
/// @param to           another
/// @param latency_us   how long a piece of a stream is under way, at most an hour
/// @param jitter_us    up to so much longer, drawn evenly; order is kept; at most an hour
/// @param loss_ppm     of a million pieces so many are lost for good: their stream is reset, at both ends. Of as many first packets of dials
///                     as many are sent again, a second later
/// @param bytes_per_s  bytes that each stream carries in a second; 0: no limit
/// @return BOWLINE_OK, INVALID, also for one address without the other or the same twice, NOT_FOUND if no node has been made with it, NULL,
///         STATE from within.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_link(
    net: *mut bowline_memnet,
    from: *const bowline_addr,
    to: *const bowline_addr,
    latency_us: u64,
    jitter_us: u64,
    loss_ppm: u32,
    bytes_per_s: u64,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a network and two addresses, or NULL.
        let (net, pair) = unsafe { (lent(net.cast_const())?, pair(from, to)?) };
        let (latency, jitter) = (Duration::from_micros(latency_us), Duration::from_micros(jitter_us));
        let way = MemWay { latency, jitter, rate: bytes_per_s, loss_ppm };
        Ok(match pair {
            Some((from, to)) => net.set_way(from, to, way),
            None => net.set_all_ways(way),
        }?)
    })
}

/// Cuts two addresses off from each other, in both directions, or lets them reach each other again. Nobody is told: a stream outlives a cut of
/// less than 30 s, and what waited is sent again; after that its ends find out, and dials meet silence. What is said of two holds for them,
/// whatever was said of all, until something is said of all again.
///
/// @param net    the network
/// @param a      an address that a node of this network has been made with; NULL for both: every node from every other, or an end to every cut
/// @param b      another
/// @param cut    1 or 0
/// @return BOWLINE_OK, INVALID, also for one address without the other or the same twice, NOT_FOUND if no node has been made with it, NULL,
///         STATE from within.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_cut(
    net: *mut bowline_memnet,
    a: *const bowline_addr,
    b: *const bowline_addr,
    cut: u32,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a network and two addresses, or NULL.
        let (net, pair) = unsafe { (lent(net.cast_const())?, pair(a, b)?) };
        if cut > 1 {
            return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, "cut is 1 or 0"));
        }
        Ok(match pair {
            Some((a, b)) => net.set_cut(a, b, cut == 1),
            None => net.set_all_cut(cut == 1),
        }?)
    })
}

/// Says what a name leads to from now on. On a memory network no name is looked up anywhere else.
///
/// @param net   the network
/// @param name  such as "seed.example", in capitals or not
/// @param addr  its only address; of it only the IP counts
/// @return BOWLINE_OK, INVALID, NULL, UTF8.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_name(
    net: *mut bowline_memnet,
    name: *const c_char,
    addr: *const bowline_addr,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a network, a text and an address, or NULL.
        let (net, name, at) = unsafe { (lent(net.cast_const())?, raw::text(name)?, raw::read(addr)?.socket()?) };
        net.set_name(name, &[at.ip()]);
        Ok(())
    })
}

/// Lets everything happen that is due within so many nanoseconds, on the calling thread, and moves time that far. 0 lets happen what is due
/// now. What other threads send meanwhile is seen sooner or later: for a run that can be repeated, one thread makes all calls.
///
/// @param net  the network
/// @param ns   how far
/// @return BOWLINE_OK, NULL, STATE from within, and beyond two centuries.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_advance(net: *mut bowline_memnet, ns: u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a network, or NULL.
        let net = unsafe { lent(net.cast_const())? };
        Ok(net.advance(Duration::from_nanos(ns))?)
    })
}

/// As bowline_memnet_advance, but no further than to the moment at which a queue of any node has an event to be polled; not at all if one has
/// already, be its node stopped or failed. Poll all queues with BOWLINE_NOWAIT after it, and call it again.
///
/// @param net  the network
/// @param ns   how far at most
/// @return BOWLINE_OK if there is an event, NULL, STATE as bowline_memnet_advance, TIMEOUT if there is none and time was moved that far.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_advance_to_event(net: *mut bowline_memnet, ns: u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a network, or NULL.
        let net = unsafe { lent(net.cast_const())? };
        if net.advance_to_event(Duration::from_nanos(ns))? { Ok(()) } else { Err(bowline_result::BOWLINE_E_TIMEOUT.into()) }
    })
}

/// Virtual time that has passed.
///
/// @param net  may be NULL
/// @return Nanoseconds since bowline_memnet_new; 0 for what is no network of this process, and from within a callback.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_now(net: *const bowline_memnet) -> u64 {
    guard_or(0, || {
        // SAFETY: the header asks for a network, or NULL.
        unsafe { lent(net) }.map_or(0, |net| nanos(net.now()))
    })
}

/// A number over everything that has happened on a network: two runs in which all was the same have the same, others almost surely not.
///
/// @param net  the network
/// @param out  the number
/// @return BOWLINE_OK, NULL, STATE from within.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_memnet_fingerprint(net: *mut bowline_memnet, out: *mut u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a network and a writable number, or NULL.
        let (out, net) = unsafe { (Out::of(out)?, lent(net.cast_const())?) };
        let all = net.fingerprint()?;
        out.put((all >> 64) as u64 ^ all as u64);
        Ok(())
    })
}
