//! One direction of a stream: bytes on their way, in order, with latency, a rate and a bounded buffer; then an end or a reset. It knows
//! neither hosts nor links. `net.rs` holds two per stream and says when time has come.

use crate::base::rng::Rng;
use crate::base::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// How a network's streams behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// One-way time between two hosts; each pair draws its own, short ones more often than long ones.
    pub latency_min: Duration,
    pub latency_max: Duration,
    /// Every piece takes up to so much longer. Order is kept.
    pub jitter: Duration,
    /// Bytes a second in each direction of a stream; 0 = no limit.
    pub rate: u64,
    /// Bytes that may be written and not yet read.
    pub buffer_bytes: usize,
    /// Bytes that arrive together at most.
    pub segment_bytes: usize,
}

impl Default for Weather {
    /// Calm: 1 ms, no limit of the rate, 256 KiB of buffer as on a common kernel.
    fn default() -> Weather {
        let latency = Duration::from_millis(1);
        Weather {
            latency_min: latency,
            latency_max: latency,
            jitter: Duration::ZERO,
            rate: 0,
            buffer_bytes: 256 * 1_024,
            segment_bytes: 64 * 1_024,
        }
    }
}

impl Weather {
    /// The Internet on an ordinary day (security reference 3.5): 5 to 300 ms, 4 MiB/s, pieces of some packets.
    pub fn rough() -> Weather {
        Weather {
            latency_min: Duration::from_millis(5),
            latency_max: Duration::from_millis(300),
            jitter: Duration::from_millis(20),
            rate: 4 << 20,
            buffer_bytes: 128 * 1_024,
            segment_bytes: 8 * 1_460,
        }
    }

    /// The latency of a pair of hosts.
    pub(super) fn latency(&self, rng: &mut Rng) -> Duration {
        let span = nanos(self.latency_max.saturating_sub(self.latency_min));
        // The smallest of three draws: most pairs are near, a few are far.
        let draw = (0..3).map(|_| rng.below(span + 1)).min().unwrap_or(0);
        self.latency_min + Duration::from_nanos(draw)
    }
}

/// What travels.
#[derive(Debug)]
pub(super) enum Freight {
    Bytes(Vec<u8>),
    /// Nothing more will be written.
    End,
    /// The stream is void.
    Reset,
}

#[derive(Debug)]
struct Piece {
    /// When the line takes it.
    leaves: Time,
    arrives: Time,
    freight: Freight,
}

/// See the file's head.
#[derive(Debug)]
pub(super) struct Pipe {
    /// What is on its way, in order.
    under_way: VecDeque<Piece>,
    /// What has arrived and was not read.
    pub arrived: VecDeque<u8>,
    /// Bytes that may be written now, and when nothing is written and not read.
    pub room: usize,
    pub capacity: usize,
    pub latency: Duration,
    /// When the line has put everything on its way.
    line_free: Time,
    last_arrival: Time,
    /// Since when something cannot get through.
    pub blocked_since: Option<Time>,
    /// Room that was made and that the writer could not be told of.
    pub room_held: usize,
}

impl Pipe {
    pub fn new(latency: Duration, weather: &Weather) -> Pipe {
        Pipe {
            under_way: VecDeque::new(),
            arrived: VecDeque::new(),
            room: weather.buffer_bytes.max(1),
            capacity: weather.buffer_bytes.max(1),
            latency,
            line_free: Time::ZERO,
            last_arrival: Time::ZERO,
            blocked_since: None,
            room_held: 0,
        }
    }

    /// Takes as many of `bytes` as there is room for, and gives the moments at which their pieces arrive.
    pub fn write(&mut self, now: Time, bytes: &[u8], weather: &Weather, rng: &mut Rng) -> (usize, Vec<Time>) {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        let mut rest = &bytes[..taken];
        let mut arrivals = Vec::new();
        while !rest.is_empty() {
            let most = rest.len().min(weather.segment_bytes.max(1));
            // Where a piece ends is nobody's to know: half of them are cut somewhere.
            let len = if rng.percent(50) { most } else { 1 + rng.index(most) };
            let (piece, later) = rest.split_at(len);
            rest = later;
            let sending = (len as u64 * 1_000_000_000).checked_div(weather.rate).unwrap_or(0);
            let leaves = self.line_free.max(now);
            self.line_free = leaves + Duration::from_nanos(sending);
            let late = Duration::from_nanos(rng.below(nanos(weather.jitter) + 1));
            arrivals.push(self.put(leaves, self.line_free + self.latency + late, Freight::Bytes(piece.to_vec())));
        }
        (taken, arrivals)
    }

    /// Sends an end behind everything; gives the moment of its arrival.
    pub fn end(&mut self, now: Time) -> Time {
        let leaves = self.line_free.max(now);
        self.put(leaves, leaves + self.latency, Freight::End)
    }

    /// Sends a reset: what has not left yet never will. Gives the moment of its arrival.
    pub fn reset(&mut self, now: Time) -> Time {
        self.under_way.retain(|piece| piece.leaves <= now);
        self.last_arrival = self.under_way.back().map_or(Time::ZERO, |piece| piece.arrives);
        self.put(now, now + self.latency, Freight::Reset)
    }

    fn put(&mut self, leaves: Time, at: Time, freight: Freight) -> Time {
        self.last_arrival = self.last_arrival.max(at);
        self.under_way.push_back(Piece { leaves, arrives: self.last_arrival, freight });
        self.last_arrival
    }

    /// The next piece whose time has come.
    pub fn deliver(&mut self, now: Time) -> Option<Freight> {
        let is_due = self.under_way.front().is_some_and(|piece| piece.arrives <= now);
        if is_due { self.under_way.pop_front().map(|piece| piece.freight) } else { None }
    }

    /// Nothing got through for a while: what waits is sent again from now on. Gives the moment at which it arrives.
    pub fn resume(&mut self, now: Time) -> Option<Time> {
        self.blocked_since = None;
        let at = now + self.latency;
        self.under_way.iter_mut().for_each(|piece| piece.arrives = at.max(piece.arrives));
        self.last_arrival = self.last_arrival.max(at);
        self.under_way.front().map(|_| at)
    }

    /// Pieces on their way.
    pub fn pieces(&self) -> usize {
        self.under_way.len()
    }

    /// Moves what has arrived into `into`.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.arrived.len());
        // In two pieces, not byte by byte: simulations move hundreds of megabytes.
        let (front, back) = self.arrived.as_slices();
        let first = count.min(front.len());
        into[..first].copy_from_slice(&front[..first]);
        into[first..count].copy_from_slice(&back[..count - first]);
        self.arrived.drain(..count);
        count
    }

    /// The stream is void: nothing more arrives.
    pub fn clear(&mut self) {
        self.under_way.clear();
        self.blocked_since = None;
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(pipe: &mut Pipe, now: Time) -> (Vec<u8>, bool) {
        let (mut bytes, mut has_ended) = (Vec::new(), false);
        while let Some(freight) = pipe.deliver(now) {
            assert!(!has_ended, "nothing follows an end");
            match freight {
                Freight::Bytes(piece) => bytes.extend(piece),
                Freight::End | Freight::Reset => has_ended = true,
            }
        }
        (bytes, has_ended)
    }

    #[test]
    fn bytes_arrive_in_order_late_and_before_the_end() {
        let weather = Weather { rate: 1_000_000, segment_bytes: 10, ..Weather::rough() };
        let mut rng = Rng::from_seed(1);
        let mut pipe = Pipe::new(weather.latency(&mut rng), &weather);
        let sent: Vec<u8> = (0..=255).collect();
        let mut arrivals = Vec::new();
        for part in sent.chunks(64) {
            let (taken, times) = pipe.write(Time::ZERO, part, &weather, &mut rng);
            assert_eq!(taken, part.len());
            arrivals.extend(times);
        }
        arrivals.push(pipe.end(Time::ZERO));
        assert!(arrivals.is_sorted() && arrivals[0] >= Time::ZERO + weather.latency_min);
        // 256 bytes at a million a second take 256 microseconds on the line.
        let last = *arrivals.last().expect("some");
        assert!(last >= Time::ZERO + weather.latency_min + Duration::from_micros(256));
        assert_eq!(drain(&mut pipe, last), (sent, true));
    }

    #[test]
    fn a_full_buffer_takes_no_more() {
        let weather = Weather { buffer_bytes: 100, ..Weather::default() };
        let mut pipe = Pipe::new(Duration::ZERO, &weather);
        let mut rng = Rng::from_seed(1);
        assert_eq!(pipe.write(Time::ZERO, &[1; 70], &weather, &mut rng).0, 70);
        assert_eq!(pipe.write(Time::ZERO, &[1; 70], &weather, &mut rng).0, 30);
        assert_eq!(pipe.write(Time::ZERO, &[1; 70], &weather, &mut rng).0, 0);
    }

    #[test]
    fn a_reset_overtakes_what_has_not_left() {
        let weather = Weather { rate: 1_000, segment_bytes: 1_000, ..Weather::default() };
        let mut pipe = Pipe::new(weather.latency_min, &weather);
        let (_, arrivals) = pipe.write(Time::ZERO, &[1; 10_000], &weather, &mut Rng::from_seed(1));
        // The first piece is on the line, and the reset comes behind it.
        assert_eq!(pipe.reset(Time::ZERO), arrivals[0]);
        let (bytes, has_ended) = drain(&mut pipe, Time::ZERO + Duration::from_secs(60));
        assert!((1..=1_000).contains(&bytes.len()) && has_ended);
    }
}
