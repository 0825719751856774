//! The node-wide budget of message bytes: whoever keeps a message's bytes charges them here first and releases them after.
//! It never blocks and never waits; what to do when it is used up is the asker's policy. Links and the reactor share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A budget of bytes, shared by its clones.
#[derive(Clone, Debug)]
pub struct Pot {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    used: AtomicU64,
    max: AtomicU64,
}

impl Pot {
    pub fn new(bytes_max: u64) -> Pot {
        Pot { shared: Arc::new(Shared { used: AtomicU64::new(0), max: AtomicU64::new(bytes_max) }) }
    }

    /// Takes `bytes` out of the budget if they fit; otherwise it says false and nothing is taken.
    pub fn try_charge(&self, bytes: u64) -> bool {
        // Relaxed is enough: the number guards no other memory.
        let max = self.max();
        let add = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= max);
        self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    /// Gives back bytes that `try_charge` took.
    pub fn release(&self, bytes: u64) {
        let subtract = |used: u64| Some(used.saturating_sub(bytes));
        let before = self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
        debug_assert!(before.is_ok_and(|used| used >= bytes), "released {bytes} bytes that were never charged");
    }

    /// `try_charge` that gives the bytes back by itself.
    pub fn charge(&self, bytes: u64) -> Option<Charge> {
        self.try_charge(bytes).then(|| Charge { pot: self.clone(), bytes })
    }

    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    pub fn max(&self) -> u64 {
        self.shared.max.load(Ordering::Relaxed)
    }

    /// Another budget from now on; what is charged stays charged, even above it.
    pub fn set_max(&self, bytes_max: u64) {
        self.shared.max.store(bytes_max, Ordering::Relaxed);
    }
}

/// Bytes charged to a pot, given back when it is dropped.
#[derive(Debug)]
#[must_use = "a charge that is dropped gives its bytes back at once"]
pub struct Charge {
    pot: Pot,
    bytes: u64,
}

impl Charge {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Charges `more` bytes to the same pot; false, and nothing changed, if they do not fit.
    pub fn grow(&mut self, more: u64) -> bool {
        let fits = self.pot.try_charge(more);
        self.bytes += if fits { more } else { 0 };
        fits
    }

    /// Cuts `bytes` off as a charge of their own, as far as there are so many: what is handed on takes its charge along.
    pub fn split(&mut self, bytes: u64) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Charge { pot: self.pot.clone(), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.pot.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_charge_that_does_not_fit_takes_nothing() {
        let pot = Pot::new(100);
        assert!(pot.try_charge(60) && !pot.try_charge(41) && !pot.try_charge(u64::MAX));
        assert_eq!(pot.used(), 60);
        assert!(pot.clone().try_charge(40), "clones share the budget");
        pot.release(100);
        assert_eq!(pot.used(), 0);
    }

    #[test]
    fn a_dropped_charge_gives_its_bytes_back() {
        let pot = Pot::new(100);
        let mut charge = pot.charge(50).expect("it fits");
        assert!(pot.charge(51).is_none());
        assert!(charge.grow(30) && !charge.grow(21));
        let part = charge.split(70);
        assert_eq!((charge.bytes(), part.bytes(), pot.used()), (10, 70, 80));
        drop(charge);
        assert_eq!(pot.used(), 70);
        drop(part);
        assert_eq!(pot.used(), 0);
    }

    #[test]
    fn a_smaller_budget_refuses_until_enough_is_given_back() {
        let pot = Pot::new(100);
        let charge = pot.charge(80).expect("it fits");
        pot.set_max(50);
        assert!(!pot.try_charge(0) && pot.used() == 80);
        drop(charge);
        assert!(pot.try_charge(50));
    }

    #[test]
    #[should_panic(expected = "released 2 bytes that were never charged")]
    #[cfg(debug_assertions)]
    fn releasing_too_much_is_found_in_tests() {
        let pot = Pot::new(10);
        assert!(pot.try_charge(1));
        pot.release(2);
    }

    #[test]
    fn threads_never_overdraw_it() {
        let pot = Pot::new(1_000);
        std::thread::scope(|scope| {
            for step in 1..5 {
                let pot = &pot;
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let charge = pot.charge(step * 100);
                        assert!(pot.used() <= 1_000);
                        drop(charge);
                    }
                });
            }
        });
        assert_eq!(pot.used(), 0);
    }

    proptest! {
        #[test]
        fn used_is_the_sum_of_the_living_charges(steps in prop::collection::vec((0_u64..500, 0_usize..8), 1..200)) {
            let pot = Pot::new(1_000);
            let mut living: Vec<Charge> = Vec::new();
            for (bytes, place) in steps {
                match (living.get_mut(place), bytes % 3) {
                    (Some(_), 0) => drop(living.swap_remove(place)),
                    (Some(charge), 1) => { let part = charge.split(bytes); living.push(part); }
                    (Some(charge), _) => { charge.grow(bytes); }
                    (None, _) => living.extend(pot.charge(bytes)),
                }
                prop_assert_eq!(pot.used(), living.iter().map(Charge::bytes).sum::<u64>());
                prop_assert!(pot.used() <= 1_000);
            }
            drop(living);
            prop_assert_eq!(pot.used(), 0);
        }
    }
}
