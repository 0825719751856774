//! A flat table, as octez has it: 400 points, whoever told of them, and a file of the peers that there were links with. The rules are those of
//! the Tezos reference, sections 2.4 and 4.2 to 4.9; scores are all equal and nobody is trusted. The model uses it.

use super::model::{Answer, At, Policy};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

/// max_known_points and max_known_peer_ids: a table with so many is brought down to so many.
const KNOWN_MAX: usize = 400;
const KNOWN_TARGET: usize = 300;
/// min_target of 10, 50 and 100 connections. The model's links to others do not count against it.
const OUTBOUND: usize = 36;
/// Reconnection: initial delay, its growth in percent, its bound, and the pause after a link.
const DELAY: Duration = Duration::from_secs(1);
const GROWTH_PERCENT: u32 = 120;
const DELAY_MAX: Duration = Duration::from_secs(2 * 24 * 3_600);
const PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Point {
    is_connected: bool,
    last_miss: Option<Time>,
    /// Not dialed until then, nor at that moment.
    end: Time,
    delay: Duration,
}

impl Default for Point {
    fn default() -> Point {
        Point { is_connected: false, last_miss: None, end: Time::ZERO, delay: DELAY }
    }
}

/// The tables of points, and of peers with the point that each was seen at.
#[derive(Debug, Default)]
pub struct Flat {
    points: BTreeMap<At, Point>,
    /// When each peer was created.
    peers: BTreeMap<At, Time>,
}

impl Flat {
    /// Adds a point; a full table loses those that were missed longest ago, and those never missed last.
    fn register(&mut self, at: At, rng: &mut Rng) -> &mut Point {
        if !self.points.contains_key(&at) && self.points.len() >= KNOWN_MAX {
            let idle = self.points.iter().filter(|(_, point)| !point.is_connected);
            // The table is hashed: equals come in no order.
            let mut idle: Vec<_> =
                idle.map(|(at, point)| (point.last_miss.is_none(), point.last_miss, rng.next_u64(), *at)).collect();
            idle.sort_unstable();
            for (.., at) in idle.into_iter().take(self.points.len() - KNOWN_TARGET) {
                self.points.remove(&at);
            }
        }
        self.points.entry(at).or_default()
    }

    /// A link with a peer at that point: both are known from now on. A full table of peers loses those that came last.
    fn connect(&mut self, now: Time, at: At, rng: &mut Rng) {
        self.register(at, rng).is_connected = true;
        if !self.peers.contains_key(&at) && self.peers.len() >= KNOWN_MAX {
            let is_idle = |at: &At| !self.points.get(at).is_some_and(|point| point.is_connected);
            let mut idle: Vec<_> = self.peers.iter().filter(|(at, _)| is_idle(at)).map(|(at, created)| (*created, *at)).collect();
            idle.sort_unstable();
            for (_, at) in idle.into_iter().rev().take(self.peers.len() - KNOWN_TARGET) {
                self.peers.remove(&at);
            }
        }
        self.peers.entry(at).or_insert(now);
    }
}

impl Policy for Flat {
    fn outbound_max(&self) -> usize {
        OUTBOUND
    }

    fn useful_after(&self) -> Duration {
        Duration::ZERO
    }

    fn learn(&mut self, _now: Time, at: At, _from: At, rng: &mut Rng) {
        self.register(at, rng);
    }

    fn outbound(&mut self, now: Time, _links: &[At], rng: &mut Rng) -> Option<At> {
        let may_dial = |point: &Point| !point.is_connected && (point.last_miss.is_none() || now > point.end);
        let free = self.points.iter().filter(|(_, point)| may_dial(point));
        let mut equals = Vec::new();
        for (at, point) in free {
            match equals.first().map(|(_, last_miss)| point.last_miss.cmp(last_miss)) {
                Some(Ordering::Greater) => continue,
                Some(Ordering::Equal) => {}
                Some(Ordering::Less) | None => equals.clear(),
            }
            equals.push((*at, point.last_miss));
        }
        equals.get(rng.index(equals.len())).map(|(at, _)| *at)
    }

    fn feeler(&mut self, _now: Time, _made: usize, _rng: &mut Rng) -> Option<At> {
        None
    }

    fn tried(&mut self, now: Time, at: At, answer: Answer, rng: &mut Rng) -> bool {
        if answer == Answer::Linked {
            self.connect(now, at, rng);
            return true;
        }
        let point = self.register(at, rng);
        point.last_miss = Some(now);
        point.end = now + point.delay;
        point.delay = (point.delay * GROWTH_PERCENT / 100).min(DELAY_MAX);
        true
    }

    fn arrived(&mut self, now: Time, from: At, rng: &mut Rng) -> bool {
        self.connect(now, from, rng);
        true
    }

    fn lasted(&mut self, _now: Time, _with: At, _direction: Direction) {}

    fn parted(&mut self, now: Time, with: At, _direction: Direction, _rng: &mut Rng) {
        if let Some(point) = self.points.get_mut(&with) {
            *point = Point { is_connected: false, last_miss: Some(now), end: now + PAUSE, delay: DELAY };
        }
    }

    /// The file has the peers; the point that each was last seen at is registered. Points without a peer are forgotten.
    fn restart(&mut self, _now: Time, _rng: &mut Rng) {
        self.points = self.peers.keys().map(|at| (*at, Point::default())).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{self, after};
    use super::*;

    fn at(number: u32) -> At {
        testbed::at(40 << 8, number)
    }

    #[test]
    fn a_full_table_loses_what_was_missed_longest_ago_and_keeps_links() {
        let (mut flat, mut rng) = (Flat::default(), Rng::from_seed(1));
        for number in 0..400 {
            flat.learn(after(0), at(number), at(900), &mut rng);
        }
        flat.tried(after(1), at(7), Answer::Linked, &mut rng);
        for number in 100..200 {
            flat.tried(after(2 + u64::from(number)), at(number), Answer::Missed, &mut rng);
        }
        flat.learn(after(500), at(1_000), at(900), &mut rng);
        assert_eq!(flat.points.len(), 301, "down to the target, and then the new one (#3175)");
        assert!((100..200).all(|number| !flat.points.contains_key(&at(number))), "whoever was missed goes first");
        assert!(flat.points.contains_key(&at(7)) && flat.points.contains_key(&at(1_000)));
    }

    #[test]
    fn who_was_never_missed_is_dialed_first_then_who_was_missed_longest_ago() {
        let (mut flat, mut rng) = (Flat::default(), Rng::from_seed(1));
        for number in 0..3 {
            flat.learn(after(0), at(number), at(900), &mut rng);
        }
        flat.tried(after(10), at(0), Answer::Missed, &mut rng);
        flat.tried(after(11), at(2), Answer::Missed, &mut rng);
        assert_eq!(flat.outbound(after(20), &[], &mut rng), Some(at(1)));
        flat.tried(after(20), at(1), Answer::Linked, &mut rng);
        assert_eq!(flat.outbound(after(20), &[], &mut rng), Some(at(0)));
        assert_eq!(flat.outbound(after(11), &[], &mut rng), None, "not within its delay");
        flat.parted(after(30), at(1), Direction::Outbound, &mut rng);
        flat.tried(after(30), at(0), Answer::Missed, &mut rng);
        assert_eq!(flat.points[&at(0)].delay, Duration::from_millis(1_440));
        assert_eq!(flat.outbound(after(90), &[], &mut rng), Some(at(2)));
        flat.tried(after(90), at(2), Answer::Linked, &mut rng);
        flat.tried(after(90), at(0), Answer::Linked, &mut rng);
        assert_eq!(flat.outbound(after(90), &[], &mut rng), None, "a minute passes after a link");
        assert_eq!(flat.outbound(after(91), &[], &mut rng), Some(at(1)));
    }

    #[test]
    fn a_restart_brings_back_those_who_were_linked_the_oldest_of_them_first() {
        let (mut flat, mut rng) = (Flat::default(), Rng::from_seed(1));
        for number in 0..401 {
            assert!(flat.arrived(after(u64::from(number)), at(number), &mut rng));
            flat.parted(after(u64::from(number)), at(number), Direction::Inbound, &mut rng);
        }
        flat.learn(after(500), at(2_000), at(900), &mut rng);
        flat.restart(after(500), &mut rng);
        let known: Vec<At> = flat.points.keys().copied().collect();
        let expected: Vec<At> = (0..300).chain([400]).map(at).collect();
        assert_eq!(known, expected, "of peers, those that came last go first; what was only heard of is lost");
        assert_eq!(flat.points[&at(0)].last_miss, None);
    }
}
