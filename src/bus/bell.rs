//! How anyone wakes the reactor: a list of links with mail and one coalesced wake. The wake costs a system call only when the reactor
//! has said that it sleeps. No wake-up may be lost; `tests/wake_model.rs` explores the interleavings of this very file.

use super::sync::{AtomicBool, Lock, Ordering};
use crate::base::link_id::LinkId;

/// The reactor's doorbell. Any thread rings, only the reactor dozes.
pub struct Bell {
    /// True from the moment the reactor decides to sleep until somebody has taken on the duty to wake it.
    asleep: AtomicBool,
    /// Links with mail; a link is in it at most once (`Link` keeps the mark), so its bound is the number of links.
    mail: Lock<Vec<LinkId>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl Bell {
    /// `wake` ends the reactor's sleep; it must not block.
    pub fn new(wake: Box<dyn Fn() + Send + Sync>) -> Bell {
        Bell { asleep: AtomicBool::new(false), mail: Lock::new(Vec::new()), wake }
    }

    /// Says that `link` has mail, and wakes the reactor if it sleeps. Only who turned the link's mark on may call.
    pub fn ring_for(&self, link: LinkId) {
        self.mail.lock().push(link);
        self.ring();
    }

    /// Wakes the reactor if it sleeps; call it after the reason to wake is visible (a command is in the channel).
    pub fn ring(&self) {
        // The swap makes one of several ringers pay for the wake. Sequential consistency pairs with `doze`: either the reactor sees
        // what was put there before this call, or this call sees that it sleeps.
        if self.asleep.swap(false, Ordering::SeqCst) {
            (self.wake)();
        }
    }

    /// The reactor is about to sleep. False if there is mail, or `is_idle` says that there is other work: then it must not.
    pub fn doze(&self, is_idle: impl FnOnce() -> bool) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let may_sleep = self.mail.lock().is_empty() && is_idle();
        if !may_sleep {
            self.rise();
        }
        may_sleep
    }

    /// The reactor is awake.
    pub fn rise(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Moves the links with mail into `into`, which must be empty.
    pub fn collect(&self, into: &mut Vec<LinkId>) {
        debug_assert!(into.is_empty(), "links that were collected before are served first");
        std::mem::swap(&mut *self.mail.lock(), into);
    }
}
