//! The storekeeper: the one thread that reads and writes the store, so that a slow disk delays neither maintenance nor a call. It takes what
//! has changed out of the pool in pieces, and gives it back if it could not be saved. Whoever wants something saved asks; the last save is
//! its own, when its life line is cut.

use super::shared::Shared;
use crate::base::text::{panic_text, shown};
use crate::bus::outbox::Notice;
use crate::pool::store::{After, Keeping, Store, StoreFault};
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
pub fn run(mut store: Box<dyn Store>, inbox: &Receiver<Order>, life: &Receiver<Infallible>, shared: &Arc<Shared>) {
    let mut keeping = Keeping::default();
    let mut save = |is_durable| save(&mut *store, &mut keeping, is_durable, shared);
    loop {
        let first = select! {
            recv(inbox) -> order => order.ok(),
            recv(life) -> _ => None,
        };
        let Some(first) = first else { break };
        let orders: Vec<Order> = std::iter::once(first).chain(inbox.try_iter()).collect();
        let result = save(orders.iter().any(|order| order.is_durable));
        orders.into_iter().for_each(|order| (order.reply)(result.clone()));
    }
    let result = save(true);
    if let Err(text) = &result {
        log::error!(target: "bowline::store", "what has changed since the last save is lost: {text}");
    }
    inbox.try_iter().for_each(|order| (order.reply)(result.clone()));
}

/// Saves what has changed.
fn save(store: &mut dyn Store, keeping: &mut Keeping, is_durable: bool, shared: &Shared) -> Result<(), String> {
    let now = shared.clock.now();
    let unix = shared.clock.unix_seconds(now);
    keeping.begin();
    loop {
        let piece = keeping.piece(now, unix, is_durable, &mut shared.pool.lock());
        let Some(piece) = piece else { return Ok(()) };
        let result = contained(|| store.save(&piece, is_durable));
        let after = keeping.saved(&piece, is_durable, result, &mut shared.pool.lock());
        match after {
            After::More => {}
            After::Anew(fault) => {
                log::error!(target: "bowline::store", "the store, of which all that is known is saved anew: {fault}");
                if let StoreFault::Damaged { aside, text } = fault {
                    shared.routes.main().notify(Notice::StoreSetAside { path: aside, text });
                }
            }
            After::Done => return Ok(()),
            After::Failed(text) => return Err(text),
        }
    }
}

/// An application's store may panic: that is a load or save that failed.
pub fn contained<T>(work: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    let result = catch_unwind(AssertUnwindSafe(work));
    result.unwrap_or_else(|panic| Err(StoreFault::Io(format!("the store panicked: {}", shown(&panic_text(&*panic))))))
}
