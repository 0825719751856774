//! A node's pool behind its lock. Anybody may look at it; it changes in one place only, which contains a panic and tells of it, because a
//! pool that is half-changed is of no use to anybody. What it must never do is hand out a way to change the pool past that. `Shared` has it.

use crate::base::text::panic_text;
use crate::bus::sync::{Guard, Lock};
use crate::pool::table::Pool;
use std::any::Any;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What whoever panicked has said.
pub type Panic = Box<dyn Any + Send>;

/// The pool, for all threads of a node.
pub struct PoolLock(Lock<Kept>);

struct Kept {
    pool: Pool,
    /// What a panic has said that left it half-changed: nobody changes it any more, or saves it.
    broken: Option<String>,
}

/// The pool as long as nobody changes it. A panic of who only looks leaves it whole.
pub struct Look<'a>(Guard<'a, Kept>);

impl Deref for Look<'_> {
    type Target = Pool;
    fn deref(&self) -> &Pool {
        &self.0.pool
    }
}

impl PoolLock {
    pub const fn new(pool: Pool) -> PoolLock {
        PoolLock(Lock::new(Kept { pool, broken: None }))
    }

    pub fn look(&self) -> Look<'_> {
        Look(self.0.lock())
    }

    /// Changes the pool. The lock opens after a panic, too, so the node has to fail then: `Shared` sees to it.
    ///
    /// # Errors
    /// The panic; also that of an earlier change, after which there is no other: whoever tells of it first names the cause.
    pub(super) fn change<T>(&self, act: impl FnOnce(&mut Pool) -> T) -> Result<T, Panic> {
        let mut kept = self.0.lock();
        if let Some(broken) = &kept.broken {
            return Err(Box::new(broken.clone()));
        }
        let done = catch_unwind(AssertUnwindSafe(|| {
            let done = act(&mut kept.pool);
            #[cfg(feature = "fault-injection")]
            crate::base::faults::pool();
            done
        }));
        kept.broken = done.as_ref().err().map(|panic| panic_text(&**panic));
        done
    }
}
