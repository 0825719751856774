//! The storekeeper: the one thread that reads and writes the store, so that a slow disk delays neither maintenance nor a call. It takes what
//! has changed out of the pool in pieces, and gives it back if it could not be saved. Whoever wants something saved asks; the last save is
//! its own, when its life line is cut.

use super::pump::Worker;
use super::shared::Shared;
use crate::base::text::{panic_text, shown};
use crate::base::time::Time;
use crate::bus::outbox::Notice;
use crate::pool::store::{After, Keeping, Store, StoreFault};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Callers that may wait for a save; they wait for the same one.
pub const WAITING_MAX: usize = 64;

/// Receives what became of a save. Called on the storekeeper's thread: it must not block.
pub type Reply = Box<dyn FnOnce(Result<(), String>) + Send>;

/// Somebody wants saved what has changed until now.
pub struct Order {
    pub is_durable: bool,
    pub reply: Reply,
}

/// Why an order for a save was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{WAITING_MAX} others wait for a save already")]
    Busy,
    #[error("the node has stopped")]
    Gone,
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

    /// Asks for a save. Never blocks. Without a store there is nothing to save, and it is done.
    pub fn ask(&self, is_durable: bool, reply: Reply) {
        if let Err((refusal, reply)) = self.try_ask(is_durable, reply) {
            reply(Err(refusal.to_string()));
        }
    }

    /// As `ask`, for who has another answer to a refusal.
    ///
    /// # Errors
    /// The refusal, and the reply, which was not called.
    pub fn try_ask(&self, is_durable: bool, reply: Reply) -> Result<(), (Refusal, Reply)> {
        let Some(orders) = &self.0 else {
            reply(Ok(()));
            return Ok(());
        };
        let refusal = |refused| match refused {
            TrySendError::Full(Order { reply, .. }) => (Refusal::Busy, reply),
            TrySendError::Disconnected(Order { reply, .. }) => (Refusal::Gone, reply),
        };
        orders.try_send(Order { is_durable, reply }).map_err(refusal)
    }
}

/// A store, who asks for saves, and what of a save is under way.
pub struct Keeper {
    store: Box<dyn Store>,
    inbox: Receiver<Order>,
    keeping: Keeping,
    shared: Arc<Shared>,
}

impl Keeper {
    pub fn new(store: Box<dyn Store>, inbox: Receiver<Order>, shared: &Arc<Shared>) -> Keeper {
        Keeper { store, inbox, keeping: Keeping::default(), shared: Arc::clone(shared) }
    }

    /// The thread's life.
    pub fn run(mut self, life: &Receiver<Infallible>) {
        loop {
            let first = select! {
                recv(self.inbox) -> order => order.ok(),
                recv(life) -> _ => None,
            };
            let Some(first) = first else { break };
            #[cfg(feature = "fault-injection")]
            crate::base::faults::turn();
            self.save_for(Some(first));
        }
        self.end();
    }

    /// Saves for whoever has asked.
    fn save_for(&mut self, first: Option<Order>) {
        let orders: Vec<Order> = first.into_iter().chain(self.inbox.try_iter()).collect();
        let result = self.save(orders.iter().any(|order| order.is_durable));
        orders.into_iter().for_each(|order| (order.reply)(result.clone()));
    }

    /// The last save.
    pub fn end(&mut self) {
        let result = self.save(true);
        if let Err(text) = &result {
            log::error!(target: "bowline::store", "what has changed since the last save is lost: {text}");
        }
        self.inbox.try_iter().for_each(|order| (order.reply)(result.clone()));
    }

    fn save(&mut self, is_durable: bool) -> Result<(), String> {
        save(&mut *self.store, &mut self.keeping, is_durable, &self.shared)
    }
}

/// On a memory network.
impl Worker for Keeper {
    fn wish(&self, now: Time) -> Option<Time> {
        self.has_input().then_some(now)
    }

    fn turn(&mut self) {
        self.save_for(None);
    }

    fn has_input(&self) -> bool {
        !self.inbox.is_empty()
    }
}

/// Saves what has changed.
fn save(store: &mut dyn Store, keeping: &mut Keeping, is_durable: bool, shared: &Shared) -> Result<(), String> {
    let now = shared.clock.now();
    let unix = shared.clock.unix_seconds(now);
    keeping.begin();
    loop {
        let piece = shared.change_pool(|pool| keeping.piece(now, unix, is_durable, pool));
        let Some(piece) = piece else { return Ok(()) };
        let result = contained(|| store.save(&piece, is_durable));
        let after = shared.change_pool(|pool| keeping.saved(&piece, is_durable, result, pool));
        match after {
            After::More => {}
            After::Anew(fault) => {
                log::error!(target: "bowline::store", "the store, of which all that is known is saved anew: {fault}");
                if let StoreFault::Damaged { aside, text } = fault {
                    shared.routes.notify(Notice::StoreSetAside { path: aside, text });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_heard_is_told_why() {
        let (keeper, inbox) = Storekeeper::new();
        for _ in 0..WAITING_MAX {
            assert!(keeper.try_ask(true, Box::new(drop)).is_ok());
        }
        assert!(matches!(keeper.try_ask(true, Box::new(drop)), Err((Refusal::Busy, _))));
        let (said, heard) = bounded(1);
        keeper.ask(false, Box::new(move |result| drop(said.try_send(result))));
        assert_eq!(heard.try_recv(), Ok(Err("64 others wait for a save already".to_owned())));
        drop(inbox);
        assert!(matches!(keeper.try_ask(true, Box::new(drop)), Err((Refusal::Gone, _))));
        assert!(Storekeeper::default().try_ask(true, Box::new(drop)).is_ok(), "there is nothing to save");
    }
}
