//! What may be dialed now, and what may not and why.

use super::dialing::DialError;
use super::lists::Culprit;
use super::policy::Policy;
use super::slots::Purpose;
use super::testbed::{Bench, at, policy, small};
use crate::base::address::Address;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use std::time::Duration;

#[test]
fn dials_stop_at_their_bounds_and_say_which() {
    let mut bench = Bench::new(small());
    bench.outbound(1);
    let first = bench.dial(2, Purpose::Wanted).expect("may dial");
    bench.dial(3, Purpose::Wanted).expect("may dial");
    assert_eq!(bench.dial(4, Purpose::Wanted), Err(DialError::TooManyDials { dialing: 2, max: 2 }));
    bench.close(first, CloseReason::Reset);
    bench.outbound(5);
    assert_eq!(bench.dial(6, Purpose::Wanted), Err(DialError::NoPlace { taken: 3, max: 3 }));
    bench.pool.ban(bench.now, Subject::host(at(7).ip()), None, "").expect("there is room");
    assert_eq!(bench.dial(7, Purpose::Wanted), Err(DialError::Banned(at(7))));
    bench.pool.lists_mut().keep_grey(Culprit::Host(at(8).ip()), bench.now + Duration::from_secs(9), 1);
    assert_eq!(bench.dial(8, Purpose::Wanted), Err(DialError::Greylisted(at(8))));
    bench.pool.set_own_addresses(vec![Address::of(at(9), None)]);
    assert_eq!(bench.dial(9, Purpose::Wanted), Err(DialError::OwnAddress(at(9))));
    bench.pool.stop();
    assert_eq!(bench.dial(10, Purpose::Wanted), Err(DialError::Stopping));
}

#[test]
fn only_the_operators_dials_may_be_faster_than_the_rate() {
    let mut bench = Bench::new(Policy { dial_rate: 1, ..policy() });
    bench.dial(1, Purpose::Wanted).expect("may dial");
    let next = bench.now + Duration::from_secs(1);
    assert_eq!(bench.dial(2, Purpose::Wanted), Err(DialError::TooFast(next)));
    assert!(bench.dial(3, Purpose::Asked { tag: Some(1) }).is_ok());
    bench.now = next;
    assert!(bench.dial(2, Purpose::Wanted).is_ok());
}
