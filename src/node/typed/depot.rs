//! Values on their way within the node: the queue carries their numbers, the values wait here. A value leaves with whoever takes
//! it, or with the last copy of its number. It blocks nobody; outlets put, owners and askers take.

use super::channel::Protocol;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One of a protocol's three kinds.
pub(super) enum Value<P: Protocol> {
    Message(P::Message),
    Request(P::Request),
    Answer(P::Answer),
}

/// See the file's head. It holds no more than the queue and the table of requests, which are bounded.
pub(super) struct Depot<P: Protocol>(Arc<Mutex<Shelf<P>>>);

struct Shelf<P: Protocol> {
    last: u64,
    values: BTreeMap<u64, Value<P>>,
}

/// The number of a value, as what the queue carries.
struct Number<P: Protocol> {
    bytes: [u8; 8],
    shelf: Arc<Mutex<Shelf<P>>>,
}

impl<P: Protocol> AsRef<[u8]> for Number<P> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<P: Protocol> Drop for Number<P> {
    fn drop(&mut self) {
        let left = self.shelf.lock().values.remove(&u64::from_le_bytes(self.bytes));
        // Without the lock: it is the application's own code.
        drop(left);
    }
}

impl<P: Protocol> Depot<P> {
    pub fn new() -> Depot<P> {
        Depot(Arc::new(Mutex::new(Shelf { last: 0, values: BTreeMap::new() })))
    }

    /// Keeps a value for as long as the bytes are there that name it.
    pub fn put(&self, value: Value<P>) -> Bytes {
        let mut shelf = self.0.lock();
        shelf.last += 1;
        let number = shelf.last;
        shelf.values.insert(number, value);
        drop(shelf);
        Bytes::from_owner(Number { bytes: number.to_le_bytes(), shelf: Arc::clone(&self.0) })
    }

    /// The value that these bytes name. `None` for bytes that `put` did not give, and for a value that was taken.
    pub fn take(&self, number: &Bytes) -> Option<Value<P>> {
        let number = u64::from_le_bytes(number.as_ref().try_into().ok()?);
        self.0.lock().values.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::Raw;
    use super::*;

    struct Any;

    impl Protocol for Any {
        type Message = Bytes;
        type Request = Bytes;
        type Answer = Bytes;
        type Codec = Raw;
    }

    #[test]
    fn a_value_leaves_with_who_takes_it_or_with_its_number() {
        let depot = Depot::<Any>::new();
        let (first, second) = (depot.put(Value::Message(Bytes::from_static(b"1"))), depot.put(Value::Request(Bytes::new())));
        assert!(matches!(depot.take(&first), Some(Value::Message(one)) if one == "1"));
        assert!(depot.take(&first).is_none() && depot.take(&Bytes::from_static(b"no")).is_none());
        let copy = second.clone();
        drop(second);
        assert_eq!(depot.0.lock().values.len(), 1);
        drop(copy);
        assert!(depot.0.lock().values.is_empty());
    }
}
