//! When which link wants to be looked at again. Entries are hints: the engine asks the link for its real deadline when one comes due.

use crate::base::link_id::LinkId;
use crate::base::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A heap of deadlines. A link has at most a few entries: a new one is added only when it is earlier than the one armed.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Time, LinkId)>>,
}

impl Timers {
    pub fn arm(&mut self, at: Time, link: LinkId) {
        self.heap.push(Reverse((at, link)));
    }

    /// The earliest entry that is due.
    pub fn due(&mut self, now: Time) -> Option<(Time, LinkId)> {
        let Reverse((at, _)) = *self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    pub fn next(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_due_in_order_and_not_early() {
        let mut timers = Timers::default();
        let at = Time::from_nanos;
        timers.arm(at(20), LinkId::from_u64(1));
        timers.arm(at(10), LinkId::from_u64(2));
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.due(at(9)), None);
        assert_eq!(timers.due(at(30)), Some((at(10), LinkId::from_u64(2))));
        assert_eq!(timers.due(at(30)), Some((at(20), LinkId::from_u64(1))));
        assert_eq!(timers.due(at(30)), None);
    }
}
