//! Whether this process is the one that made an object, and whether it may make nodes. Threads do not survive a fork, and locks may be held
//! for ever by threads that are gone, so a child must not touch a node of its parent. Where nodes were, it must not make any either: the
//! locks of all nodes share one table of waiting threads (parking_lot's), in which those of the parent stand for ever, at addresses that
//! are others' by then. A counter moved by `pthread_atfork` tells, without a system call.
//! (A child of a bare clone(2) is not told apart; such children only ever exec.)

use super::b_errors::bowline_result;
use super::guard::Failure;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Forks between the first process that used the library and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The generation in which the first node was made, as this process knows.
static FIRST_NODE: AtomicU32 = AtomicU32::new(u32::MAX);

/// Runs in the child, where only async-signal-safe things are allowed: an atomic addition is.
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The process that an object belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Home(u32);

impl Home {
    /// This process.
    pub fn here() -> Result<Home, Failure> {
        static WATCHED: OnceLock<bool> = OnceLock::new();
        let watched = WATCHED.get_or_init(|| {
            // SAFETY: the handler is a function of this library, which is never unloaded (`-z nodelete`).
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) == 0 }
        });
        if !watched {
            return Err(Failure::new(bowline_result::BOWLINE_E_NO_MEMORY, "no memory to register the fork handler"));
        }
        Ok(Home(GENERATION.load(Ordering::Relaxed)))
    }

    /// This process, if it may make a node.
    pub fn of_a_node() -> Result<Home, Failure> {
        let home = Home::here()?;
        if FIRST_NODE.load(Ordering::Relaxed) < home.0 {
            let says = "this process was forked off one that had made nodes: it can only exec or exit; fork before the first node is made";
            return Err(Failure::new(bowline_result::BOWLINE_E_FORKED, says));
        }
        Ok(home)
    }

    /// It has made one.
    pub fn has_a_node(self) {
        FIRST_NODE.fetch_min(self.0, Ordering::Relaxed);
    }

    pub fn is_here(self) -> bool {
        self.0 == GENERATION.load(Ordering::Relaxed)
    }

    /// Refuses a call in a forked child.
    pub fn check(self) -> Result<(), Failure> {
        if self.is_here() {
            return Ok(());
        }
        let says = "this belongs to the parent process: a forked child can only exec or exit";
        Err(Failure::new(bowline_result::BOWLINE_E_FORKED, says))
    }
}
