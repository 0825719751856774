//! Locks and atomics of the mailboxes, in one place so that a model checker can stand in for them (`tests/wake_model.rs` includes the
//! mailbox files with a `sync` of its own). In debug builds a thread that takes a second lock while holding one panics: law 2.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[cfg(debug_assertions)]
thread_local! {
    static HELD: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn taken() {
    #[cfg(debug_assertions)]
    HELD.with(|held| {
        assert_eq!(held.get(), 0, "one lock at a time: a second one was taken while one was held");
        held.set(1);
    });
}

fn released() {
    #[cfg(debug_assertions)]
    HELD.with(|held| held.set(0));
}

/// A leaf lock: whoever holds one takes no other, does not block, log or call foreign code. The one exception is the wake function of a queue
/// (`Queue::set_readable`): it is called under the queue's lock, so that whoever removes it knows that it does not run any more; its owner is
/// told that it may only signal.
#[derive(Debug, Default)]
pub struct Lock<T>(parking_lot::Mutex<T>);

impl<T> Lock<T> {
    pub const fn new(value: T) -> Lock<T> {
        Lock(parking_lot::Mutex::new(value))
    }

    pub fn lock(&self) -> Guard<'_, T> {
        taken();
        Guard(Some(self.0.lock()))
    }
}

/// Access to what a `Lock` protects.
pub struct Guard<'a, T>(Option<parking_lot::MutexGuard<'a, T>>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("a guard holds its lock until it is dropped")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("a guard holds its lock until it is dropped")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0 = None;
        released();
    }
}

/// Where threads wait for a change under a `Lock`. Wake-ups may be spurious: look again.
#[derive(Debug, Default)]
pub struct Change(parking_lot::Condvar);

impl Change {
    /// Releases the lock while waiting, for ever or until `deadline`. Returns false if the deadline has passed.
    pub fn wait<T>(&self, guard: &mut Guard<'_, T>, deadline: Option<Instant>) -> bool {
        let inner = guard.0.as_mut().expect("a guard holds its lock until it is dropped");
        released();
        let in_time = match deadline {
            Some(deadline) => !self.0.wait_until(inner, deadline).timed_out(),
            None => {
                self.0.wait(inner);
                true
            }
        };
        taken();
        in_time
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "one lock at a time")]
    fn a_second_lock_is_caught() {
        let (a, b) = (Lock::new(1), Lock::new(2));
        let _held = a.lock();
        let _second = b.lock();
    }

    #[test]
    fn locks_may_follow_each_other() {
        let (a, b) = (Lock::new(1), Lock::new(2));
        *a.lock() += 1;
        *b.lock() += 1;
        let sum = *a.lock();
        assert_eq!(sum + *b.lock(), 5);
    }
}
