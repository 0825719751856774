//! Reading the vector files: JSON rows with hex in them.

use bowline::base::peer::{PeerId, unhex};
use serde_json::Value;

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("a vector file is JSON")
}

/// The field `name` of a row, in bytes; `None` if the row has no such field.
pub fn maybe_bytes(row: &Value, name: &str) -> Option<Vec<u8>> {
    row[name].as_str().map(|text| unhex(text).expect("a vector's field is hex"))
}

pub fn bytes(row: &Value, name: &str) -> Vec<u8> {
    maybe_bytes(row, name).unwrap_or_else(|| panic!("the vector lacks {name}"))
}

pub fn array<const N: usize>(row: &Value, name: &str) -> [u8; N] {
    bytes(row, name).try_into().unwrap_or_else(|_| panic!("{name} has another length"))
}

pub fn peer(row: &Value, name: &str) -> PeerId {
    PeerId::from_bytes(array(row, name))
}

pub fn number<T: TryFrom<u64>>(row: &Value, name: &str) -> T {
    row[name].as_u64().and_then(|n| T::try_from(n).ok()).unwrap_or_else(|| panic!("{name} is no such number"))
}
