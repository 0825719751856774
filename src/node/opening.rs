//! The store at a node's start: which one, what it has, and what becomes of a damaged one. A node that cannot know what it had saved does not
//! start; one whose file is damaged starts without, and says so loudly. `running.rs` calls it.

use super::error::Error;
use super::node::Plan;
use super::storekeeper::{Order, Storekeeper, contained};
use crate::base::address::Address;
use crate::bus::outbox::Notice;
use crate::pool::points::dialable;
use crate::pool::policy::Policy;
use crate::pool::saved::{Saved, SavedPoint, Unread};
use crate::pool::store::{Store, StoreFault};
use crate::pool::table::Pool;
use crate::settings::table::Settings;
use crossbeam_channel::Receiver;
use std::path::{Path, PathBuf};

const LOG: &str = "bowline::store";

/// A store with what it had.
pub struct Opened {
    store: Box<dyn Store>,
    saved: Saved,
    /// What the application is to hear of it.
    notice: Option<Notice>,
}

/// Opens the store and loads it, if there is one.
///
/// # Errors
/// `Store`: it cannot be read, or only by a later version, or it was damaged and the settings name no address. `Settings`: they name none,
/// and it has none.
pub fn open(plan: &Plan) -> Result<Option<Opened>, Error> {
    let path = PathBuf::from(&plan.settings.store_path);
    let given = plan.store.as_ref().and_then(|given| given.lock().take());
    let is_given = given.is_some();
    let opened = match given.or_else(|| file_at(&path)) {
        Some(mut store) => match load(&mut *store, &path) {
            Ok((saved, notice)) => Some(Opened { store, saved, notice }),
            Err(fault) => return Err(give_back(plan, is_given.then_some(store), Error::Store { path, fault })),
        },
        None => {
            log::info!(target: LOG, "address book, lists and scores are kept in memory alone: set store.path to keep them");
            None
        }
    };
    let known = opened.as_ref().map_or(0, |opened| usable(plan, &opened.saved));
    match Settings::clone(&plan.settings).check_knowing(known) {
        Ok(_) => Ok(opened),
        Err(complaints) => {
            let Some(Opened { store, notice, .. }) = opened else { return Err(Error::Settings(complaints)) };
            let error = match (Error::Settings(complaints), notice) {
                // Nobody will take the notice of a node that does not start.
                (error, Some(Notice::StoreSetAside { path: aside, text })) => {
                    let fault = StoreFault::Damaged { aside, text: format!("{text}; without what it had, {error}") };
                    Error::Store { path, fault }
                }
                (error, _) => error,
            };
            Err(give_back(plan, is_given.then_some(store), error))
        }
    }
}

/// Saved addresses that this node may dial, by its settings and its name: the pool takes back no others.
fn usable(plan: &Plan, saved: &Saved) -> usize {
    let (policy, own) = (Policy::from(&plan.settings), plan.identity.id());
    let is_usable = |point: &&SavedPoint| point.peer != Some(own) && dialable(&Address::of(point.at, None), &policy).is_some();
    saved.points.iter().filter(is_usable).count()
}

/// The start may be tried again: an application's store is kept for it.
fn give_back(plan: &Plan, store: Option<Box<dyn Store>>, error: Error) -> Error {
    if let Some(place) = plan.store.as_ref().filter(|_| store.is_some()) {
        *place.lock() = store;
    }
    error
}

/// What was saved; nothing after damage, which is to be told, as are rows that could not be read.
fn load(store: &mut dyn Store, path: &Path) -> Result<(Saved, Option<Notice>), StoreFault> {
    match contained(|| store.load()) {
        Ok(saved) => {
            let notice = tell_unread(&saved.unread, path);
            Ok((saved, notice))
        }
        Err(StoreFault::Damaged { aside, text }) => {
            let fault = StoreFault::Damaged { aside: aside.clone(), text: text.clone() };
            log::error!(target: LOG, "the store {}: {fault}", path.display());
            Ok((Saved::default(), Some(Notice::StoreSetAside { path: aside, text })))
        }
        Err(fault) => Err(fault),
    }
}

/// Says which rows could not be read, if there are any.
fn tell_unread(unread: &Unread, path: &Path) -> Option<Notice> {
    for text in &unread.first {
        log::error!(target: LOG, "the store {}: {text}; the others were read", path.display());
    }
    let more = unread.count.saturating_sub(unread.first.len());
    if more > 0 {
        log::error!(target: LOG, "the store {}: {more} more rows could not be read", path.display());
    }
    let first = unread.first.first()?.clone();
    Some(Notice::RowsUnread { count: unread.count, first })
}

/// Gives the pool what was saved, and then whom the settings trust: a ban stands above them. What comes back: the store with its orders, for
/// the storekeeper's thread; its desk; and what to tell.
#[allow(clippy::type_complexity, reason = "three things for three places of one caller")]
pub fn restore(
    plan: &Plan,
    opened: Option<Opened>,
    pool: &mut Pool,
) -> (Option<(Box<dyn Store>, Receiver<Order>)>, Storekeeper, Option<Notice>) {
    let now = plan.clock.now();
    let restored = match opened {
        None => (None, Storekeeper::default(), None),
        Some(Opened { store, saved, notice }) => {
            pool.keep();
            pool.restore(now, plan.clock.unix_seconds(now), &saved);
            let (storekeeper, orders) = Storekeeper::new();
            (Some((store, orders)), storekeeper, notice)
        }
    };
    for subject in &plan.settings.lists_trusted {
        if let Err(error) = pool.lists_mut().trust_configured(now, *subject) {
            log::warn!(target: LOG, "{subject} of lists.trusted is not trusted: {error}");
        }
    }
    restored
}

#[cfg(feature = "store")]
fn file_at(path: &Path) -> Option<Box<dyn Store>> {
    (!path.as_os_str().is_empty()).then(|| Box::new(super::store_redb::FileStore::new(path)) as Box<dyn Store>)
}

#[cfg(not(feature = "store"))]
fn file_at(path: &Path) -> Option<Box<dyn Store>> {
    if !path.as_os_str().is_empty() {
        log::warn!(target: LOG, "store.path is set, but this program was built without the feature `store`");
    }
    None
}
