//! Section E of the header: a node's life.

use super::b_errors::{bowline_error, bowline_result};
use super::c_config::bowline_config;
use super::callback;
use super::d_identity::{bowline_keypair, bowline_peer_id};
use super::f_queues::bowline_queue;
use super::fork::Home;
use super::guard::{Failure, guard, guard_err, guard_or};
use super::handle::{self, Handle};
use super::raw::{self, Out};
use super::s_addresses::bowline_addr;
use super::t_memnet::nanos;
use crate::bus::event::NodeState;
use crate::node::clock::machine_ns;
use crate::node::node::Node;

/// A node. Make it with bowline_node_new, free it with bowline_node_free.
pub struct bowline_node {
    _opaque: [u8; 0],
}

impl Handle for bowline_node {
    type Value = Hosted;
    const MAGIC: u64 = 0x626f_776c_6e6f_6465;
}

/// A node's life, as bowline_node_state and BOWLINE_EV_NODE_STATE tell it.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bowline_state {
    /// There is no node.
    BOWLINE_STATE_INVALID = -1,
    /// Made, not started.
    BOWLINE_STATE_NEW = 0,
    /// Started.
    BOWLINE_STATE_RUNNING = 1,
    /// bowline_node_stop was called.
    BOWLINE_STATE_STOPPING = 2,
    /// Stopped: it cannot be started again.
    BOWLINE_STATE_STOPPED = 3,
    /// Broken: bowline_node_fatal_error says why. Only stop and free make sense.
    BOWLINE_STATE_FAILED = 4,
}

impl bowline_state {
    pub const fn of(state: NodeState) -> bowline_state {
        match state {
            NodeState::New => bowline_state::BOWLINE_STATE_NEW,
            NodeState::Running => bowline_state::BOWLINE_STATE_RUNNING,
            NodeState::Stopping => bowline_state::BOWLINE_STATE_STOPPING,
            NodeState::Stopped => bowline_state::BOWLINE_STATE_STOPPED,
            NodeState::Failed => bowline_state::BOWLINE_STATE_FAILED,
        }
    }
}

/// What `bowline_node` really is.
pub struct Hosted {
    pub node: Node,
    home: Home,
    main: *mut bowline_queue,
    /// When the node's time began, by the clock of bowline_clock_ns, or that of its memory network.
    origin_ns: u64,
}

// SAFETY: `main` is only handed out and, by the last call on the node, freed; what it leads to may be used by any thread.
unsafe impl Send for Hosted {}
// SAFETY: as above.
unsafe impl Sync for Hosted {}

impl Hosted {
    /// The process that made the node.
    pub const fn home(&self) -> Home {
        self.home
    }

    /// The handle of the main queue.
    pub const fn main_queue(&self) -> *mut bowline_queue {
        self.main
    }

    /// When the node's time began, by the clock of bowline_clock_ns.
    pub const fn origin_ns(&self) -> u64 {
        self.origin_ns
    }

    /// The node, for calls that need it running.
    pub fn running(&self) -> Result<&Node, Failure> {
        match self.node.state() {
            NodeState::Running => Ok(&self.node),
            NodeState::New => Err(Failure::new(bowline_result::BOWLINE_E_STATE, "the node is not started")),
            NodeState::Stopping | NodeState::Stopped => Err(bowline_result::BOWLINE_E_STOPPED.into()),
            NodeState::Failed => Err(failed(&self.node)),
        }
    }
}

fn failed(node: &Node) -> Failure {
    Failure { code: bowline_result::BOWLINE_E_FATAL, text: node.failure() }
}

/// A node that C lends for the length of a call, in the process that made it.
///
/// # Safety
/// As for `handle::borrow`.
pub unsafe fn hosted<'a>(node: *const bowline_node) -> Result<&'a Hosted, Failure> {
    // SAFETY: the caller of this function vouches for `node`.
    let hosted = unsafe { handle::borrow(node) }?;
    callback::refuse_inside()?;
    hosted.home.check()?;
    Ok(hosted)
}

/// Makes a node and checks its whole configuration. No thread is started and no socket opened: bind queues now.
///
/// @param config   the configuration; the node keeps a copy
/// @param keypair  who the node is; the node keeps a copy
/// @param out      the node
/// @param err      may be NULL
/// @return BOWLINE_OK, CRYPTO, FORKED in a child of a process that had made nodes, or for a memory network of the parent's, IDENTITY if the proof of work is less than
///         network.pow_bits, INVALID, LIMIT if its memory network has 65,536 nodes, NULL, STATE if another thread searches for the key's
///         proof of work, or from within a callback.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_new(
    config: *const bowline_config,
    keypair: *const bowline_keypair,
    out: *mut *mut bowline_node,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration, a keypair and a writable pointer, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let out = Out::of(out)?.cleared();
            callback::refuse_inside()?;
            let (config, keypair) = (handle::borrow(config)?, handle::borrow(keypair)?);
            let home = Home::of_a_node()?;
            let node = config.builder()?.identity(keypair.identity()?).build()?;
            home.has_a_node();
            // It may lie before the machine's own time began: a moment of the node added to it is right all the same.
            let clock_ns = node.memnet().map_or_else(machine_ns, |net| nanos(net.now()));
            let origin_ns = clock_ns.wrapping_sub(node.now().as_nanos());
            let main = bowline_queue::main(&node, home, origin_ns);
            out.put(handle::give(Hosted { node, home, main, origin_ns }));
            Ok(())
        })
    }
}

/// Starts a node: binds the listeners, starts the threads, and returns when it is live: after some milliseconds, and as long as its
/// store takes to be read. A node starts once.
///
/// @param node  the node
/// @param err   may be NULL
/// @return BOWLINE_OK, ADDR_IN_USE, ADDR_UNAVAILABLE, IO, NO_FILES, PERMISSION, STATE if it was started before.
/// @threads any, once
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_start(node: *mut bowline_node, err: *mut *mut bowline_error) -> bowline_result {
    // SAFETY: the header asks for a node, or NULL; `err` may be NULL.
    unsafe { guard_err(err, || Ok(hosted(node.cast_const())?.node.start()?)) }
}

/// Stops a node: refuses new work, sends what is queued for up to drain_ms, says goodbye to its peers, joins its threads. Every call that
/// waits returns BOWLINE_E_STOPPED. It ends within 5 s in any case; calling it again does nothing. On a memory network no time passes: what
/// the streams take in this moment is sent.
///
/// @param node      the node
/// @param drain_ms  how long queued messages may take to leave; never longer than the key stop.drain says, nor is BOWLINE_FOREVER
/// @return BOWLINE_OK, STATE from within a memory network that is being advanced, TIMEOUT if the draining was cut short (the node has
///         stopped all the same).
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_stop(node: *mut bowline_node, drain_ms: i64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, or NULL.
        let hosted = unsafe { hosted(node.cast_const())? };
        let drain = raw::timeout(drain_ms)?.unwrap_or(crate::base::limits::STOP_TIMEOUT);
        Ok(hosted.node.stop(drain)?)
    })
}

/// Frees a node, and stops it first if need be, without draining: within 5 s in any case. Messages, lists and errors that came from it
/// stay valid, and so do queues of bowline_queue_new: a poll there hands out what was left, and then says BOWLINE_E_STOPPED. In a forked
/// child it frees nothing but the handle; from within a callback it frees nothing, and the log has a line about that.
///
/// @param node  may be NULL
/// @threads one; no other call on the node or its main queue may be under way or follow
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_free(node: *mut bowline_node) {
    guard_or((), || {
        if !node.is_null() && callback::refuses_to_free("bowline_node_free") {
            return;
        }
        // SAFETY: the header asks for NULL or a node that nobody uses any more.
        let Some(hosted) = (unsafe { handle::take(node) }) else { return };
        // SAFETY: the main queue's handle was made for this node alone and goes with it.
        let main = unsafe { handle::take(hosted.main) };
        if hosted.home.is_here() {
            // A stop that cuts the draining short is what was asked for.
            let _ = hosted.node.stop(std::time::Duration::ZERO);
            // Other queues of the node may live on, and the node with them.
            if let Some(main) = main {
                main.queue.retire();
            }
        } else {
            // The threads are not here, and a lock that one of them held would never open.
            std::mem::forget((hosted, main));
        }
    });
}

/// What a node is doing.
///
/// @param node  may be NULL
/// @return A bowline_state; BOWLINE_STATE_INVALID for NULL and for what is no node of this process, and in a callback.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_state(node: *const bowline_node) -> i32 {
    let invalid = bowline_state::BOWLINE_STATE_INVALID as i32;
    guard_or(invalid, || {
        // SAFETY: the header asks for a node, or NULL.
        unsafe { hosted(node) }.map_or(invalid, |hosted| bowline_state::of(hosted.node.state()) as i32)
    })
}

/// Why a node failed: the first cause, such as the text of a panic.
///
/// @param node  the node
/// @param err   may be NULL
/// @return BOWLINE_OK if it did not fail, else BOWLINE_E_FATAL.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_fatal_error(node: *const bowline_node, err: *mut *mut bowline_error) -> bowline_result {
    // SAFETY: the header asks for a node, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let node = &hosted(node)?.node;
            if node.state() == NodeState::Failed { Err(failed(node)) } else { Ok(()) }
        })
    }
}

/// A node's own identity.
///
/// @param node  the node
/// @param out   the id
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_id(node: *const bowline_node, out: *mut bowline_peer_id) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable id, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?, hosted(node)?) };
        out.put(bowline_peer_id::of(hosted.node.id()));
        Ok(())
    })
}

/// The addresses that a node listens on now, with the ports that the system chose where 0 was asked for: those of the configuration, as
/// bowline_listen_add and bowline_listen_remove have changed them. A node that has stopped says where it did.
///
/// @param node   the node
/// @param out    an array; may be NULL if cap is 0
/// @param cap    addresses that fit there
/// @param count  how many there are, also when they do not fit; 0 before the node is started
/// @return BOWLINE_OK, BUFFER if cap is too small (nothing is written to out then), NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_listen_addrs(
    node: *const bowline_node,
    out: *mut bowline_addr,
    cap: usize,
    count: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node, an array of `cap` addresses and a writable count, or NULL.
        let (count, hosted) = unsafe { (Out::of(count)?, hosted(node)?) };
        if cap > 0 {
            raw::aligned(out)?;
        }
        let addresses = hosted.node.listen_addresses();
        count.put(addresses.len());
        if addresses.len() > cap {
            return Err(bowline_result::BOWLINE_E_BUFFER.into());
        }
        for (at, address) in addresses.into_iter().enumerate() {
            // SAFETY: `at` is below `cap`, for which the caller vouches.
            unsafe { out.add(at).write(bowline_addr::of(address)) };
        }
        Ok(())
    })
}

/// The most memory that the node takes with its settings and channels, in bytes, whatever peers and callers do. The log names the parts.
///
/// @param node  the node
/// @param out   bytes
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_node_memory_max(node: *const bowline_node, out: *mut u64) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a node and a writable number, or NULL.
        let (out, hosted) = unsafe { (Out::of(out)?, hosted(node)?) };
        out.put(hosted.node.memory_max().bytes());
        Ok(())
    })
}
