//! What can go wrong in a simulated world: hosts that die, stand still, lose their power or their address, networks in pieces, wrong clocks,
//! bad disks. Each verb breaks or mends one thing; stories and tests call them. It decides nothing of what a node does about it.

use super::disk::Disk;
use super::host::Actor;
use super::net::HostId;
use super::trace::What;
use super::world::{Happening, SETTLED_AFTER, Save, Turns, World};
use crate::base::link_id::LinkId;
use crate::bus::outbox::Done;
use crate::pool::store::{After, Store};
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
        seat.saves.clear();
        if let Some(rows) = seat.writing.take() {
            seat.disk.tear(rows, &mut rng);
        }
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

    /// Adds a host without a node: whoever made the world plays it, through `port`.
    pub fn add_bare(&mut self, address: IpAddr) -> HostId {
        self.pairs.note_bare(address);
        self.add_seat(address)
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
        self.moved_to.insert(to);
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

    /// A host is to save what has changed, when it has saved what it was asked for before.
    pub(super) fn save(&mut self, id: HostId, ticket: u64, is_durable: bool) {
        let seat = self.seat(id);
        seat.saves.push_back(Save { ticket, is_durable });
        if seat.saves.len() == 1 {
            seat.keeping.begin();
            self.write(id);
        }
    }

    /// The next piece of a save goes to the disk.
    fn write(&mut self, id: HostId) {
        let now = self.now();
        let seat = self.seat(id);
        let (Some(host), Some(save)) = (&mut seat.host, seat.saves.front()) else { return };
        let piece = seat.keeping.piece(host.clock(now), host.unix_seconds(now), save.is_durable, &mut host.pool);
        let Some(piece) = piece else { return self.end_save(id, Ok(())) };
        seat.writing = Some(piece);
        let (start, delay) = (seat.starts, seat.disk.faults.delay);
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
        let (Some(host), Some(save), Some(piece)) = (&mut seat.host, seat.saves.front(), seat.writing.take()) else { return };
        let result = seat.disk.save(&piece, save.is_durable);
        let what = if result.is_ok() { What::Saved } else { What::NotSaved };
        let after = seat.keeping.saved(&piece, save.is_durable, result, &mut host.pool);
        self.network.note(id, what, LinkId::NONE, piece.len() as u64);
        match after {
            After::More | After::Anew(_) => self.write(id),
            After::Done => self.end_save(id, Ok(())),
            After::Failed(text) => self.end_save(id, Err(text)),
        }
    }

    fn end_save(&mut self, id: HostId, result: Result<(), String>) {
        let seat = self.seat(id);
        let (Some(host), Some(Save { ticket, .. })) = (&mut seat.host, seat.saves.pop_front()) else { return };
        host.finish(Actor::Maintenance, Done::Saved { ticket, result });
        if !seat.saves.is_empty() {
            seat.keeping.begin();
            self.write(id);
        }
        self.plan_turns(id);
    }
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
