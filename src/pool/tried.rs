//! Who becomes tried, and who is felt: the book's second table. An address gets there by a useful link alone. Nobody loses his place there to a
//! newcomer before a dial has been given the chance to show that he is still good (Bitcoin's test before evict).

use super::book::{Book, Table};
use super::buckets::Seat;
use super::points::{GRACE, Point, State};
use super::policy::Policy;
use crate::base::rng::Rng;
use crate::base::time::Time;
use std::net::SocketAddr;
use std::time::Duration;

/// Newcomers that may wait for a tried place of somebody else (Bitcoin ADDRMAN_SET_TRIED_COLLISION_SIZE).
const COLLISIONS_MAX: usize = 10;
/// A holder seen this recently keeps his place; one dialed in vain this recently loses it (Bitcoin ADDRMAN_REPLACEMENT).
const REPLACEMENT: Duration = Duration::from_secs(4 * 3_600);
/// A newcomer gets the place of a holder whom nobody could test for so long (Bitcoin ADDRMAN_TEST_WINDOW).
const TEST_WINDOW: Duration = Duration::from_secs(40 * 60);
/// Draws for one address; each meets a group at random.
const DRAWS_MAX: usize = 100;

/// What became of an address that was proven good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    Tried,
    /// Its place is another's, who is tested first.
    Collides(SocketAddr),
    /// It was tried already.
    Known,
    /// It has no place in the book.
    Unknown,
}

impl Book {
    /// A link with the peer at `at` was of use for long enough.
    pub fn good(&mut self, now: Time, at: SocketAddr, policy: &Policy) -> Promotion {
        self.last_success = Some(now);
        self.change(at, |point| {
            point.succeed(now);
            point.attempts = 0;
        });
        let Some(point) = self.get(at).filter(|point| !point.places.is_empty()) else { return Promotion::Unknown };
        if point.is_tried() {
            return Promotion::Known;
        }
        self.settle_collisions(now, policy);
        match self.seek_tried(at) {
            Seat::Free(_) => {
                self.promote(at);
                Promotion::Tried
            }
            Seat::Taken(_, holder) => {
                if self.collisions.len() < COLLISIONS_MAX {
                    self.collisions.entry(at).or_insert(now);
                }
                Promotion::Collides(holder)
            }
        }
    }

    /// A dial to `at` found nobody. It counts towards giving the address up only if something else has answered since the last time: when
    /// our own network is down, nobody is to blame (Bitcoin).
    pub fn failed(&mut self, now: Time, at: SocketAddr, policy: &Policy) {
        let last_success = self.last_success;
        self.change(at, |point| {
            let is_counted = point.last_miss.is_none_or(|miss| last_success.is_some_and(|success| success >= miss));
            let most = if is_counted || point.is_fixed() { u32::MAX } else { policy.attempts_max.saturating_sub(1) };
            point.attempts = point.attempts.saturating_add(1).min(most.max(point.attempts));
            point.last_miss = Some(now);
            point.last_dialed.get_or_insert(now);
        });
    }

    /// A random group's random address of a table, if any of some draws may be dialed now and is usable.
    pub fn pick(&self, now: Time, table: Table, rng: &mut Rng, is_usable: impl Fn(&Point) -> bool) -> Option<SocketAddr> {
        let shelf = self.shelf(table)?;
        let is_due = |point: &&Point| point.due().is_some_and(|due| due <= now) && is_usable(point);
        (0..DRAWS_MAX).find_map(|_| self.get(shelf.draw(rng)?).filter(is_due)).map(|point| point.at)
    }

    /// A tried address that a newcomer wants the place of, else a new one: to be felt.
    pub fn feeler(&self, now: Time, rng: &mut Rng) -> Option<SocketAddr> {
        let holder = |newcomer: &SocketAddr| match self.seek_tried(*newcomer) {
            Seat::Taken(_, holder) => self.get(holder).filter(|point| point.due().is_some_and(|due| due <= now)),
            Seat::Free(_) => None,
        };
        let holders: Vec<SocketAddr> = self.collisions.keys().filter_map(holder).map(|point| point.at).collect();
        match holders.get(rng.index(holders.len())) {
            Some(holder) => Some(*holder),
            None => self.pick(now, Table::New, rng, |_| true),
        }
    }

    /// Ends what waits for a tried place: the holder was seen and keeps it, was dialed in vain and loses it, or could not be tested in time.
    pub(super) fn settle_collisions(&mut self, now: Time, policy: &Policy) {
        for (newcomer, since) in self.collisions.clone() {
            let is_waiting = self.get(newcomer).is_some_and(|point| !point.is_tried() && !point.places.is_empty());
            let Seat::Taken(place, at) = self.seek_tried(newcomer) else {
                if is_waiting {
                    self.promote(newcomer);
                }
                self.collisions.remove(&newcomer);
                continue;
            };
            let Some(holder) = self.get(at) else { continue };
            let within = |then: Option<Time>| then.map(|then| now.since(then)).filter(|age| *age < REPLACEMENT);
            let is_good = matches!(holder.state, State::Connected(_)) || within(holder.last_seen).is_some();
            let has_failed = within(holder.last_dialed).is_some_and(|age| age >= GRACE) || now.since(since) >= TEST_WINDOW;
            let is_tested = matches!(holder.state, State::Dialing(_));
            if is_waiting && !is_good && (is_tested || !has_failed) {
                continue;
            }
            self.collisions.remove(&newcomer);
            if is_waiting && !is_good {
                self.buckets.free(place);
                self.change(at, |point| point.places.remove(place));
                self.promote(newcomer);
                self.seat_again(now, at, policy, true);
            }
        }
    }

    fn seek_tried(&self, at: SocketAddr) -> Seat {
        self.buckets.seek(self.buckets.tried_bucket(&self.group(at), at), at)
    }

    /// From the new table into the tried one, where a place is free.
    fn promote(&mut self, at: SocketAddr) {
        self.unseat_all(at);
        let Some(mut point) = self.get(at).cloned() else { return };
        self.seat_tried(&mut point);
        self.change(at, |known| known.places = point.places);
    }
}
