//! What can go wrong in a simulated world: hosts that die, stand still, lose their power or their address, networks in pieces, wrong clocks,
//! bad disks. Each verb breaks or mends one thing; stories and tests call them. It decides nothing of what a node does about it.

use super::disk::Disk;
use super::host::Actor;
use super::net::HostId;
use super::trace::What;
use super::world::{Happening, SETTLED_AFTER, Turns, World, Writing};
use crate::base::link_id::LinkId;
use crate::bus::outbox::Done;
use std::net::IpAddr;

impl World {
    /// The program of a host dies without a goodbye; its system closes the streams. What it was writing is torn.
    pub fn crash(&mut self, id: HostId) {
        self.end_program(id);
        self.seat(id).has_crashed = true;
        self.network.crash(id);
    }

    /// A host loses its power: nobody hears of it, and its disk keeps what was durable.
    pub fn go_dark(&mut self, id: HostId) {
        self.end_program(id);
        let mut rng = self.rng.fork("power");
        let now = self.now();
        let seat = self.seat(id);
        seat.dark_at = Some(now);
        seat.disk.lose_power(&mut rng);
        self.network.go_dark(id);
    }

    fn end_program(&mut self, id: HostId) {
        let mut rng = self.rng.fork("torn write");
        let seat = self.seat(id);
        seat.host = None;
        seat.dies_at_write = None;
        if let Some(writing) = seat.writing.pop_front() {
            seat.disk.tear(writing.rows, &mut rng);
        }
        seat.writing.clear();
    }

    /// The program of a host dies in the middle of its `k`-th write from now, 1 being the next.
    pub fn crash_at_write(&mut self, id: HostId, k: u64) {
        self.seat(id).dies_at_write = Some(k.max(1));
    }

    /// A host's disk, to break it or to read what it has.
    pub fn disk(&mut self, id: HostId) -> &mut Disk {
        &mut self.seat(id).disk
    }

    /// A host's program stands still until it is thawed; its system goes on.
    pub fn freeze(&mut self, id: HostId) {
        self.seat(id).is_frozen = true;
        self.network.note(id, What::Frozen, LinkId::NONE, 0);
    }

    /// Lets a frozen host go on.
    pub fn thaw(&mut self, id: HostId) {
        let now = self.now();
        let seat = self.seat(id);
        (seat.is_frozen, seat.thawed_at) = (false, Some(now));
        seat.turns = Turns::default();
        self.network.note(id, What::Thawed, LinkId::NONE, 0);
        self.plan_turns(id);
    }

    /// Nothing passes between two hosts any more.
    pub fn part(&mut self, one: HostId, other: HostId) {
        self.part_one_way(one, other);
        self.part_one_way(other, one);
    }

    /// Nothing that a host sends reaches the other any more; what the other sends still arrives.
    pub fn part_one_way(&mut self, from: HostId, to: HostId) {
        self.cuts.insert((from, to));
        self.network.cut(from, to);
    }

    /// Two parted hosts reach each other again.
    pub fn join(&mut self, one: HostId, other: HostId) {
        for (from, to) in [(one, other), (other, one)] {
            self.cuts.remove(&(from, to));
            self.network.heal(from, to);
        }
    }

    /// A host has another address from now on, and its old one is free for others. Its streams are dead, and nobody is told; it listens at
    /// the new address, and learns of nothing.
    pub fn readdress(&mut self, id: HostId, to: IpAddr) {
        self.network.readdress(id, to);
        self.settled_at = self.now() + SETTLED_AFTER;
        let seat = self.seat(id);
        let old = seat.plan.as_mut().map(|(plan, _)| std::mem::replace(&mut plan.address, to));
        if let Some(host) = &mut seat.host {
            host.readdress(to);
        }
        if old.is_some_and(|old| self.honest.remove(&old)) {
            self.honest.insert(to);
        }
    }

    /// A host's wall clock jumps by so many seconds.
    pub fn step_clock(&mut self, id: HostId, seconds: i64) {
        let seat = self.seat(id);
        seat.clock_ahead = seat.clock_ahead.saturating_add(seconds);
        if let Some(host) = &mut seat.host {
            host.clock_ahead = seat.clock_ahead;
        }
        self.network.note(id, What::ClockStepped, LinkId::NONE, seconds.unsigned_abs());
    }

    /// A host begins to save what has changed.
    pub(super) fn save(&mut self, id: HostId, ticket: u64, is_durable: bool) {
        let now = self.now();
        let seat = self.seat(id);
        let Some(host) = &mut seat.host else { return };
        let rows = host.pool.take_changes(host.clock(now), host.unix_seconds(now), usize::MAX);
        let (start, delay) = (seat.starts, seat.disk.faults.delay);
        seat.writing.push_back(Writing { ticket, is_durable, rows });
        let left = seat.dies_at_write.map(|left| left - 1);
        seat.dies_at_write = left;
        if left == Some(0) {
            return self.crash(id);
        }
        self.schedule(now + delay, Happening::Written(id, start));
    }

    /// The disk has done its work, or not.
    pub(super) fn written(&mut self, id: HostId, start: u32) {
        let seat = self.seat(id);
        if seat.starts != start {
            return;
        }
        let (Some(host), Some(Writing { ticket, is_durable, rows })) = (&mut seat.host, seat.writing.pop_front()) else { return };
        let count = rows.len() as u64;
        let result = seat.disk.write(rows.clone(), is_durable).map_err(|error| error.to_string());
        let is_saved = result.is_ok();
        if !is_saved {
            host.pool.keep_changes(&rows);
        }
        host.finish(Actor::Maintenance, Done::Saved { ticket, result });
        self.network.note(id, if is_saved { What::Saved } else { What::NotSaved }, LinkId::NONE, count);
        self.plan_turns(id);
    }
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
