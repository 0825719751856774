//! Panics on order, for tests of what contains them. Only a library with the feature `fault-injection` has them, which nobody ships; it
//! must never decide anything else. The guards of the C face, the threads' loops and the pool's lock ask it; `ffi/faults` gives the orders.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a panic can be ordered besides in a call: a turn of a thread, by its name, or work on the pool under its lock, by callers or by
/// threads of a node.
const PLACES: [&str; 7] = ["bwl-reactor", "bwl-welcome", "bwl-maintain", "bwl-exchange", "bwl-store", "pool", "bwl-pool"];

/// One more than the index of the place whose next visitor panics; 0: none.
static ORDERED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The next call of this thread panics.
    static NEXT_CALL: Cell<bool> = const { Cell::new(false) };
}

/// The next guarded call of this thread panics.
pub fn order_call() {
    NEXT_CALL.set(true);
}

/// Whether the order of a call still waits; it is withdrawn.
pub fn withdraw_call() -> bool {
    NEXT_CALL.replace(false)
}

/// The next visitor of a place panics, whatever node it belongs to. False if there is no such place.
pub fn order_at(place: &str) -> bool {
    let index = PLACES.iter().position(|name| *name == place);
    ORDERED.store(index.map_or(0, |index| index + 1), Ordering::Relaxed);
    index.is_some()
}

/// A guarded call begins.
pub fn call() {
    assert!(!withdraw_call(), "a fault was ordered in this call");
}

/// Somebody works on a pool.
pub fn pool() {
    at(if own_name().starts_with("bwl-") { "bwl-pool" } else { "pool" });
}

/// A thread of the library begins a turn.
pub fn turn() {
    at(&own_name());
}

fn own_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Somebody comes by a place.
fn at(place: &str) {
    let ordered = ORDERED.load(Ordering::Relaxed);
    if ordered > 0 && PLACES[ordered - 1] == place {
        let is_mine = ORDERED.compare_exchange(ordered, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        assert!(!is_mine, "a fault was ordered in {place}");
    }
}
