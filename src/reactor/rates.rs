//! Rates and weights of links, set while data flows, and what they mean for the size of turns and records. Part of the engine, which calls
//! it; it moves no byte itself.

use super::conn::Conn;
use super::engine::Core;
use super::limits::UNCAPPED_SHARE;
use crate::base::limits::WRITE_BUFFER;
use crate::bus::link::Link;
use crate::flow::bucket::{quantum, sealed_max};

/// Bytes of one read or write turn: few where a rate is shared, so that sharing is smooth; else as many as make a system call worth it.
pub(super) fn share(rate: u64) -> u64 {
    if rate == 0 { UNCAPPED_SHARE } else { quantum(rate) }
}

impl Core {
    /// Bytes a second for all links together from now on.
    pub(super) fn set_rates(&mut self, up: u64, down: u64) {
        let now = self.ambient.now;
        self.up.set_rate(now, up);
        self.down.set_rate(now, down);
        self.writes.set_quantum(share(up));
        self.reads.set_quantum(share(down));
        self.ports.counters.rate_up.set(up);
        self.ports.counters.rate_down.set(down);
    }

    /// Bytes a second for one link from now on.
    pub(super) fn set_link_rates(&mut self, conn: &mut Conn, up: u64, down: u64) {
        let now = self.ambient.now;
        let seat = &mut self.seats[conn.seat];
        seat.up.set_rate(now, up);
        seat.down.set_rate(now, down);
        // It may wait for a moment that its old rate has named.
        self.writes.wake_all();
        self.reads.wake_all();
        self.show(conn);
    }

    /// A link's share of what all links move together.
    pub(super) fn set_weight(&mut self, conn: &mut Conn, weight: u32, rank: u64) {
        let seat = &mut self.seats[conn.seat];
        if rank < seat.weight_rank {
            return;
        }
        (seat.weight, seat.weight_rank) = (weight.max(1), rank);
        self.writes.set_weight(conn.seat, weight);
        self.reads.set_weight(conn.seat, weight);
        self.show(conn);
    }

    fn show(&self, conn: &Conn) {
        if let Some(link) = &conn.link {
            self.show_rates(conn.seat, link);
        }
    }

    /// Puts a link's rates and weight where callers read them.
    pub(super) fn show_rates(&self, seat: usize, link: &Link) {
        let seat = &self.seats[seat];
        link.counters.rate_up.set(seat.up.rate());
        link.counters.rate_down.set(seat.down.rate());
        link.counters.weight.set(u64::from(seat.weight));
    }

    /// Bytes that a link may seal at once: a full record, or what its own rate and its share of all links' rate carry away soon. What is
    /// sealed waits in the link's buffer, and neither a pong nor an urgent message can pass it.
    pub(super) fn seal_max(&self, seat: usize) -> usize {
        let own = sealed_max(self.seats[seat].up.rate());
        let all = match self.up.rate() {
            0 => u64::MAX,
            rate => sealed_max((rate / self.writes.busy().max(1) as u64).max(1)),
        };
        usize::try_from(own.min(all)).unwrap_or(usize::MAX).min(WRITE_BUFFER)
    }
}
