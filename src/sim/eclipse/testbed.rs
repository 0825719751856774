//! Addresses and moments by number, for the tests of the books. It tests nothing itself; each book's tests use it.

use super::model::At;
use crate::base::time::Time;
use std::time::Duration;

/// A host of a /16.
pub(super) fn at(group: u32, number: u32) -> At {
    At(group << 16 | number)
}

pub(super) fn after(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}
