//! The storekeeper: the one thread that reads and writes the store, so that a slow disk delays neither maintenance nor a call. It takes what
//! has changed out of the pool in pieces, and gives it back if it could not be saved. Whoever wants something saved asks; the last save is
//! its own, when its life line is cut.

use super::shared::Shared;
use crate::base::limits::SAVE_ROWS_MAX;
use crate::base::text::{panic_text, shown};
use crate::bus::outbox::Notice;
use crate::pool::store::{Store, StoreFault};
use crossbeam_channel::{Receiver, Sender, bounded, select};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Callers that may wait for a save; they wait for the same one.
pub const WAITING_MAX: usize = 64;

/// Receives what became of a save. Called on the storekeeper's thread: it must not block.
pub type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Somebody wants saved what has changed until now.
pub struct Order {
    pub is_durable: bool,
    pub reply: Reply,
}

/// Where orders go; without a store, nowhere.
#[derive(Default)]
pub struct Storekeeper(Option<Sender<Order>>);

impl Storekeeper {
    /// A storekeeper's desk, and the end that `run` is given.
    pub fn new() -> (Storekeeper, Receiver<Order>) {
        let (orders, inbox) = bounded(WAITING_MAX);
        (Storekeeper(Some(orders)), inbox)
    }

    /// Waits until what has changed is saved, or could not be, and not longer than `patience`.
    pub fn wait(&self, patience: Duration) {
        let (done, saved) = bounded(1);
        self.ask(true, Box::new(move |result| drop(done.try_send(result))));
        // Maintenance tells of a failure; the change is kept for the next save.
        let _ = saved.recv_timeout(patience);
    }

    /// Asks for a save. Never blocks. Without a store there is nothing to save, and it is done.
    pub fn ask(&self, is_durable: bool, reply: Reply) {
        let Some(orders) = &self.0 else { return reply(Ok(())) };
        if let Err(refused) = orders.try_send(Order { is_durable, reply }) {
            let order = refused.into_inner();
            (order.reply)(Err(format!("{WAITING_MAX} others wait for a save already, or the node has stopped")));
        }
    }
}

/// The thread's life.
pub fn run(store: Box<dyn Store>, inbox: &Receiver<Order>, life: &Receiver<Infallible>, shared: &Arc<Shared>) {
    let mut keeping = Keeping { store, is_durable: true };
    loop {
        let first = select! {
            recv(inbox) -> order => order.ok(),
            recv(life) -> _ => None,
        };
        let Some(first) = first else { break };
        let orders: Vec<Order> = std::iter::once(first).chain(inbox.try_iter()).collect();
        let result = keeping.save(orders.iter().any(|order| order.is_durable), shared);
        orders.into_iter().for_each(|order| (order.reply)(result.clone()));
    }
    let result = keeping.save(true, shared);
    if let Err(text) = &result {
        log::error!(target: "bowline::store", "what has changed since the last save is lost: {text}");
    }
    inbox.try_iter().for_each(|order| (order.reply)(result.clone()));
}

/// A store, and whether all that it has taken outlives the machine.
struct Keeping {
    store: Box<dyn Store>,
    is_durable: bool,
}

impl Keeping {
    /// Saves what has changed, in pieces; changes that come meanwhile may wait for the next time. A store that turns out to be damaged, or to
    /// have lost what it had, is empty then: once, everything is saved anew.
    fn save(&mut self, is_durable: bool, shared: &Shared) -> Result<(), String> {
        let Err(fault) = self.save_all(is_durable, shared) else { return Ok(()) };
        match &fault {
            StoreFault::Damaged { aside, text } => {
                shared.routes.main().notify(Notice::StoreSetAside { path: aside.clone(), text: text.clone() });
            }
            StoreFault::Lost => {}
            _ => return Err(fault.to_string()),
        }
        log::error!(target: "bowline::store", "the store, of which all that is known is saved anew: {fault}");
        shared.pool.lock().keep_all();
        self.save_all(is_durable, shared).map_err(|fault| fault.to_string())
    }

    fn save_all(&mut self, is_durable: bool, shared: &Shared) -> Result<(), StoreFault> {
        let now = shared.clock.now();
        let unix = shared.clock.unix_seconds(now);
        loop {
            let changes = shared.pool.lock().take_changes(now, unix, SAVE_ROWS_MAX);
            if changes.is_empty() && (self.is_durable || !is_durable) {
                return Ok(());
            }
            if let Err(fault) = contained(|| self.store.save(&changes, is_durable)) {
                shared.pool.lock().keep_changes(&changes);
                return Err(fault);
            }
            self.is_durable = is_durable;
            if changes.len() < SAVE_ROWS_MAX {
                return Ok(());
            }
        }
    }
}

/// An application's store may panic: that is a load or save that failed.
pub fn contained<T>(work: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    let result = catch_unwind(AssertUnwindSafe(work));
    result.unwrap_or_else(|panic| Err(StoreFault::Io(format!("the store panicked: {}", shown(&panic_text(&*panic))))))
}
