//! The mailboxes' `sync` room as the model checker sees it: the names and promises of `src/bus/sync.rs` over shuttle's types.
//! `tests/wake_model.rs` puts it in the place of that file; nothing else uses it.

use super::super::may_expire;
use shuttle::rand::{Rng as _, thread_rng};
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::time::Instant;

pub use shuttle::sync::atomic::{AtomicBool, Ordering};

shuttle::thread_local! {
    static HELD: Cell<bool> = Cell::new(false);
}

fn taken() {
    HELD.with(|held| assert!(!held.replace(true), "one lock at a time: a second one was taken while one was held"));
}

fn released() {
    HELD.with(|held| held.set(false));
}

#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    pub fn lock(&self) -> Guard<'_, T> {
        taken();
        Guard { lock: &self.0, held: Some(hold(&self.0)) }
    }
}

fn hold<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().expect("no model panics with a lock held")
}

pub struct Guard<'a, T> {
    lock: &'a Mutex<T>,
    held: Option<MutexGuard<'a, T>>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.held.as_ref().expect("a guard holds its lock until it is dropped")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("a guard holds its lock until it is dropped")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.held = None;
        released();
    }
}

#[derive(Debug, Default)]
pub struct Change(Condvar);

impl Change {
    /// A deadline of `impatient()` may expire: then the thread was never in the list of those who can be notified, which is what a
    /// thread looks like whose time ran out but who has not taken the lock again. Every other deadline is too far to be met.
    pub fn wait<T>(&self, guard: &mut Guard<'_, T>, deadline: Option<Instant>) -> bool {
        let held = guard.held.take().expect("a guard holds its lock until it is dropped");
        released();
        let expires = may_expire(deadline) && thread_rng().gen_bool(0.5);
        guard.held = Some(if expires {
            drop(held);
            hold(guard.lock)
        } else {
            self.0.wait(held).expect("no model panics with a lock held")
        });
        taken();
        !expires
    }

    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
