//! Which rows have changed since they were saved. Each table notes its own keys; `keeping.rs` takes them. Nothing is noted until a store is
//! there, and memory is bounded whatever happens to the store.

use std::collections::BTreeSet;

/// The keys of a table's rows that are to be saved, or are gone and are to go from the store.
#[derive(Debug)]
pub struct Marks<K> {
    keys: BTreeSet<K>,
    /// Keys beside which those of rows that are gone are not noted: their rows stay in the store until a load finds them. 0: nothing is.
    max: usize,
}

impl<K> Default for Marks<K> {
    fn default() -> Marks<K> {
        Marks { keys: BTreeSet::new(), max: 0 }
    }
}

impl<K: Ord> Marks<K> {
    /// Notes from now on. With those of rows that are there, there are at most `max` keys and one of each row.
    pub fn begin(&mut self, max: usize) {
        self.max = max;
    }

    /// The row of `key` is there, and not as it was saved.
    pub fn note(&mut self, key: K) {
        if self.max > 0 {
            self.keys.insert(key);
        }
    }

    /// The row of `key` is gone.
    pub fn note_gone(&mut self, key: K) {
        if self.keys.len() < self.max {
            self.keys.insert(key);
        }
    }

    /// Takes the first keys, at most so many.
    pub fn take(&mut self, count: usize) -> Vec<K> {
        std::iter::from_fn(|| self.keys.pop_first()).take(count).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_bounded_and_taken_once() {
        let mut marks = Marks::default();
        marks.note(1);
        assert!(marks.is_empty(), "nobody saves");
        marks.begin(3);
        (0..10).for_each(|key| marks.note_gone(key));
        marks.note(20);
        marks.note(20);
        marks.note_gone(20);
        assert_eq!(marks.take(2), [0, 1]);
        assert_eq!(marks.take(9), [2, 20]);
        assert!(marks.is_empty() && marks.take(1).is_empty());
    }
}
