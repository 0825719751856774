//! What is to happen in a simulation, by time; of one moment, what was put in first comes first. It moves no time and knows nothing of what it
//! holds. The network and the world have one each.

use crate::base::time::Time;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
struct Entry<T> {
    at: Time,
    number: u64,
    what: T,
}

impl<T> Ord for Entry<T> {
    /// The earliest is the greatest: a heap gives that first. Two entries never have one number.
    fn cmp(&self, other: &Entry<T>) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Entry<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Entry<T>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    entries: BinaryHeap<Entry<T>>,
    made: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Agenda<T> {
        Agenda { entries: BinaryHeap::new(), made: 0 }
    }
}

impl<T> Agenda<T> {
    pub fn put(&mut self, at: Time, what: T) {
        self.made += 1;
        self.entries.push(Entry { at, number: self.made, what });
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Time> {
        self.entries.peek().map(|entry| entry.at)
    }

    pub fn take(&mut self) -> Option<(Time, T)> {
        self.entries.pop().map(|entry| (entry.at, entry.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_earliest_comes_first_and_of_one_moment_the_first_put_in() {
        let mut agenda = Agenda::default();
        for (number, seconds) in [3, 1, 2, 1, 3, 1].into_iter().enumerate() {
            agenda.put(Time::ZERO + Duration::from_secs(seconds), number);
        }
        assert_eq!(agenda.next_at(), Some(Time::ZERO + Duration::from_secs(1)));
        let order: Vec<usize> = std::iter::from_fn(|| agenda.take()).map(|(_, number)| number).collect();
        assert_eq!(order, [1, 3, 5, 2, 0, 4]);
        assert_eq!(agenda.next_at(), None);
    }
}
