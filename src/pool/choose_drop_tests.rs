//! Whom to drop.

use super::testbed::{Bench, at, peer, policy};
use crate::base::link_id::LinkId;
use crate::base::subject::Subject;
use crate::base::verdict::Direction;

#[test]
fn protected_links_and_needed_outbound_ones_are_not_dropped() {
    let mut bench = Bench::new(policy());
    let inbound: Vec<LinkId> = (1..=5).map(|number| bench.inbound(number)).collect();
    bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(1)), None).expect("not banned");
    bench.pool.fix(bench.now, at(2), Some(peer(2)), true);
    for number in 11..=22 {
        bench.outbound(number);
    }
    let dropped = bench.pool.whom_to_drop(bench.now, 100, None, &mut bench.rng);
    let (inbound_dropped, outbound_dropped): (Vec<LinkId>, Vec<LinkId>) =
        dropped.iter().copied().partition(|link| inbound.contains(link));
    assert_eq!((inbound_dropped.len(), outbound_dropped.len()), (3, 2), "twelve outbound less ten");
    assert!(!dropped.contains(&inbound[0]) && !dropped.contains(&inbound[1]));
    assert_eq!(bench.pool.whom_to_drop(bench.now, 2, Some(Direction::Inbound), &mut bench.rng).len(), 2);
}
