//! The node-wide budget of message bytes: whoever keeps a message's bytes charges them to its account first and gives them back after.
//! Every link has a share of its own that nobody else can use up; beyond it, all draw on what is common, none on more than its limit.
//! Nothing here blocks or waits; what to do when it is used up is the asker's policy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the budget is divided, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What each account may always have.
    pub share: u64,
    /// What all of them may have together beyond their shares.
    pub common: u64,
    /// What one of them may have of it.
    pub common_each: u64,
}

impl Budget {
    /// `bytes` for so many accounts: a share for each, as large as half of it allows and at most `SHARE_MAX`. Of the rest, which is
    /// common, one account may have half, so that no one peer can use it up.
    pub fn divide(bytes: u64, accounts: u64) -> Budget {
        let share = SHARE_MAX.min(bytes / 2 / accounts.max(1));
        let common = bytes - share * accounts.max(1);
        Budget { share, common, common_each: common / 2 }
    }

    /// Bytes that one account can have while the others have no more than their shares.
    pub const fn each(&self) -> u64 {
        self.share.saturating_add(self.common_each)
    }

    /// Bytes that so many accounts can charge together.
    pub const fn bytes(&self, accounts: u64) -> u64 {
        self.common.saturating_add(self.share.saturating_mul(accounts))
    }
}

/// The most that is set aside for one account: half a default message, as much as a slow peer has under way.
const SHARE_MAX: u64 = 512 * 1_024;

/// The budget of a node, shared by its clones.
#[derive(Clone, Debug)]
pub struct Pot {
    budget: Budget,
    /// Bytes in use beyond the shares.
    used: Arc<AtomicU64>,
}

impl Pot {
    pub fn new(budget: Budget) -> Pot {
        Pot { budget, used: Arc::default() }
    }

    /// An account without charges; a link has one.
    pub fn account(&self) -> Account {
        Account { pot: self.clone(), bytes: 0 }
    }

    /// Bytes in use beyond the shares.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub fn budget(&self) -> Budget {
        self.budget
    }
}

/// The bytes charged by one link; given back when it is dropped.
#[derive(Debug)]
pub struct Account {
    pot: Pot,
    bytes: u64,
}

impl Account {
    /// Charges `bytes` if they fit; otherwise it says false and nothing is charged.
    pub fn charge(&mut self, bytes: u64) -> bool {
        let Budget { common, common_each, .. } = self.pot.budget;
        let Some(sum) = self.bytes.checked_add(bytes) else { return false };
        let (before, after) = (self.beyond(self.bytes), self.beyond(sum));
        let more = after - before;
        // Relaxed is enough: the number guards no other memory.
        let add = |used: u64| used.checked_add(more).filter(|used| *used <= common);
        let fits = after <= common_each || more == 0;
        let fits = fits && self.pot.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok();
        self.bytes = if fits { sum } else { self.bytes };
        fits
    }

    /// Gives back bytes that were charged.
    pub fn release(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.bytes, "released {bytes} of {} bytes", self.bytes);
        let rest = self.bytes.saturating_sub(bytes);
        let less = self.beyond(self.bytes) - self.beyond(rest);
        self.pot.used.fetch_sub(less, Ordering::Relaxed);
        self.bytes = rest;
    }

    /// Bytes charged.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of so many bytes, those beyond the share.
    const fn beyond(&self, bytes: u64) -> u64 {
        bytes.saturating_sub(self.pot.budget.share)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: Budget = Budget { share: 100, common: 1_000, common_each: 600 };

    #[test]
    fn a_division_adds_up() {
        let budget = Budget::divide(256 << 20, 100);
        assert_eq!((budget.share, budget.common), (512 << 10, 206 << 20));
        assert!(budget.each() >= 100 << 20, "the largest message fits");
        for (bytes, accounts) in [(0, 0), (0, 5), (1 << 20, 100), (7, 3), (u64::MAX, 16_384)] {
            let budget = Budget::divide(bytes, accounts);
            assert_eq!(budget.bytes(accounts.max(1)), bytes, "{accounts} accounts");
            assert!(budget.each() >= bytes / 4, "{accounts} accounts");
        }
    }

    #[test]
    fn a_share_is_there_whatever_others_do() {
        let pot = Pot::new(BUDGET);
        let (mut greedy, mut other, mut honest) = (pot.account(), pot.account(), pot.account());
        assert!(greedy.charge(700) && !greedy.charge(1), "its share and its limit");
        assert!(other.charge(500) && !other.charge(1), "what is left of the common part");
        assert!(honest.charge(100) && !honest.charge(1), "its share");
        assert_eq!(pot.used(), 1_000);
        greedy.release(300);
        assert!(honest.charge(300) && !honest.charge(1));
        drop((greedy, other, honest));
        assert_eq!(pot.used(), 0);
    }

    #[test]
    fn what_does_not_fit_charges_nothing() {
        let pot = Pot::new(BUDGET);
        let mut account = pot.account();
        assert!(!account.charge(701) && !account.charge(u64::MAX));
        assert_eq!((account.bytes(), pot.used()), (0, 0));
        assert!(account.charge(700) && !account.charge(u64::MAX));
    }

    #[test]
    #[should_panic(expected = "released 2 of 1 bytes")]
    #[cfg(debug_assertions)]
    fn releasing_too_much_is_found_in_tests() {
        let pot = Pot::new(BUDGET);
        let mut account = pot.account();
        assert!(account.charge(1));
        account.release(2);
    }

    #[test]
    fn threads_never_overdraw_it() {
        let pot = Pot::new(BUDGET);
        std::thread::scope(|scope| {
            for step in 1..5 {
                let pot = &pot;
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        let mut account = pot.account();
                        account.charge(step * 150);
                        assert!(pot.used() <= BUDGET.common);
                    }
                });
            }
        });
        assert_eq!(pot.used(), 0);
    }

    proptest! {
        #[test]
        fn nobody_is_refused_its_share_and_nothing_is_overdrawn(steps in prop::collection::vec((0_u64..400, 0_usize..6, prop::bool::ANY), 1..200)) {
            let pot = Pot::new(BUDGET);
            let mut accounts: Vec<Account> = (0..6).map(|_| pot.account()).collect();
            for (bytes, place, is_charge) in steps {
                let account = &mut accounts[place];
                let before = account.bytes();
                if is_charge {
                    let fits = account.charge(bytes);
                    prop_assert_eq!(account.bytes(), if fits { before + bytes } else { before });
                    prop_assert!(fits || before + bytes > BUDGET.share);
                } else {
                    account.release(bytes.min(before));
                }
                let beyond: u64 = accounts.iter().map(|account| account.bytes().saturating_sub(BUDGET.share)).sum();
                prop_assert_eq!(pot.used(), beyond);
                prop_assert!(beyond <= BUDGET.common && accounts.iter().all(|a| a.bytes() <= BUDGET.share + BUDGET.common_each));
            }
            drop(accounts);
            prop_assert_eq!(pot.used(), 0);
        }

        /// However the budget is divided: all of them together never have more than it, and what is left of a share is there.
        #[test]
        fn a_divided_budget_is_never_exceeded_and_every_share_can_be_had(
            bytes in 0_u64..10_000_000,
            count in 1_usize..12,
            steps in prop::collection::vec((0_u64..2_000_000, 0_usize..12, prop::bool::ANY), 1..100)
        ) {
            let budget = Budget::divide(bytes, count as u64);
            let pot = Pot::new(budget);
            let mut accounts: Vec<Account> = (0..count).map(|_| pot.account()).collect();
            for (amount, place, is_charge) in steps {
                let account = &mut accounts[place % count];
                if is_charge {
                    account.charge(amount);
                } else {
                    account.release(amount.min(account.bytes()));
                }
                prop_assert!(accounts.iter().map(Account::bytes).sum::<u64>() <= bytes);
            }
            for account in &mut accounts {
                let left = budget.share.saturating_sub(account.bytes());
                prop_assert!(account.charge(left), "{left} of a share of {}", budget.share);
            }
            prop_assert!(accounts.iter().map(Account::bytes).sum::<u64>() <= bytes);
        }
    }
}
