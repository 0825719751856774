//! One direction of a stream: bytes on their way, in order, with latency, a rate and a bounded buffer; then an end or a reset. It knows
//! neither hosts nor links. `net.rs` holds two per stream and says when time has come.

use crate::base::rng::Rng;
use crate::base::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// One-way time between two hosts; each pair draws its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Between the two, short ones more often than long ones: the smallest of three even draws.
    Uniform { min: Duration, max: Duration },
    /// As on the Internet: half of the pairs are nearer than `median`, and its logarithm spreads normally by `sigma_percent`.
    LogNormal { median: Duration, sigma_percent: u32, max: Duration },
}

impl Latency {
    /// The same for every pair.
    pub const fn of(each: Duration) -> Latency {
        Latency::Uniform { min: each, max: each }
    }

    /// The same, but nobody is farther than that, unless all are.
    pub const fn within(self, max: Duration) -> Latency {
        match self {
            Latency::Uniform { min, .. } => Latency::Uniform { min, max },
            Latency::LogNormal { median, sigma_percent, .. } => Latency::LogNormal { median, sigma_percent, max },
        }
    }

    pub(super) fn draw(self, rng: &mut Rng) -> Duration {
        match self {
            Latency::Uniform { min, max } => {
                let span = nanos(max.saturating_sub(min));
                let draw = (0..3).map(|_| rng.below(span + 1)).min().unwrap_or(0);
                min + Duration::from_nanos(draw)
            }
            Latency::LogNormal { median, sigma_percent, max } => {
                // The sum of twelve even draws is normal enough, with a variance of one. All in integers, so that every machine draws alike.
                let normal = (0..12).map(|_| rng.below(1 << 16) as i64).sum::<i64>() - (6 << 16);
                let factor = power_of_two(normal * i64::from(sigma_percent) / 100 * LOG2_E / (1 << 16));
                let drawn = (u128::from(nanos(median)) * u128::from(factor)) >> 16;
                Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX)).min(max)
            }
        }
    }
}

/// The logarithm of e to the base 2, times 2^16.
const LOG2_E: i64 = 94_548;

/// Two to the power of `exponent` / 2^16, times 2^16; within a third of a percent, and within what fits.
fn power_of_two(exponent: i64) -> u64 {
    let (whole, part) = (exponent >> 16, exponent & 0xffff);
    // 2^x = 1 + 0.6565 x + 0.3435 x^2 for x between 0 and 1.
    let mantissa = ((1 << 16) + ((43_024 * part) >> 16) + ((22_512 * ((part * part) >> 16)) >> 16)) as u64;
    match whole {
        0..=40 => mantissa << whole,
        -40..0 => mantissa >> -whole,
        _ if whole < 0 => 0,
        _ => u64::MAX,
    }
}

/// How a network's streams behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    pub latency: Latency,
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
        Weather {
            latency: Latency::of(Duration::from_millis(1)),
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
            latency: Latency::Uniform { min: Duration::from_millis(5), max: Duration::from_millis(300) },
            jitter: Duration::from_millis(20),
            rate: 4 << 20,
            buffer_bytes: 128 * 1_024,
            segment_bytes: 8 * 1_460,
        }
    }

    /// The Internet as it was measured: most pairs 20 to 150 ms apart, few of them far more, and no two alike.
    pub fn internet() -> Weather {
        let latency =
            Latency::LogNormal { median: Duration::from_millis(60), sigma_percent: 70, max: Duration::from_millis(300) };
        Weather { latency, ..Weather::rough() }
    }
}

/// How one direction between two hosts behaves, where it is not as the weather.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub latency: Duration,
    /// Every piece takes up to so much longer. Order is kept.
    pub jitter: Duration,
    /// Bytes a second of each stream; 0 = no limit.
    pub rate: u64,
    /// Of a million pieces so many are lost for good: their stream is reset. Of as many first packets of dials as many are sent again.
    pub loss_ppm: u32,
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
    /// Its own character; `None`: as the weather.
    pub way: Option<Way>,
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
            way: None,
            line_free: Time::ZERO,
            last_arrival: Time::ZERO,
            blocked_since: None,
            room_held: 0,
        }
    }

    /// Behaves like this from now on; what is under way arrives as it was to.
    pub fn go(&mut self, way: Way) {
        (self.latency, self.way) = (way.latency, Some(way));
    }

    /// Takes as many of `bytes` as there is room for, and gives the moments at which their pieces arrive.
    pub fn write(&mut self, now: Time, bytes: &[u8], weather: &Weather, rng: &mut Rng) -> (usize, Vec<Time>) {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        let (jitter, rate) = self.way.map_or((weather.jitter, weather.rate), |way| (way.jitter, way.rate));
        let mut rest = &bytes[..taken];
        let mut arrivals = Vec::new();
        while !rest.is_empty() {
            let most = rest.len().min(weather.segment_bytes.max(1));
            // Where a piece ends is nobody's to know: half of them are cut somewhere.
            let len = if rng.percent(50) { most } else { 1 + rng.index(most) };
            let (piece, later) = rest.split_at(len);
            rest = later;
            let sending = (len as u64 * 1_000_000_000).checked_div(rate).unwrap_or(0);
            let leaves = self.line_free.max(now);
            self.line_free = leaves + Duration::from_nanos(sending);
            let late = Duration::from_nanos(rng.below(nanos(jitter) + 1));
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
        let mut pipe = Pipe::new(weather.latency.draw(&mut rng), &weather);
        let least = Duration::from_millis(5);
        let sent: Vec<u8> = (0..=255).collect();
        let mut arrivals = Vec::new();
        for part in sent.chunks(64) {
            let (taken, times) = pipe.write(Time::ZERO, part, &weather, &mut rng);
            assert_eq!(taken, part.len());
            arrivals.extend(times);
        }
        arrivals.push(pipe.end(Time::ZERO));
        assert!(arrivals.is_sorted() && arrivals[0] >= Time::ZERO + least);
        // 256 bytes at a million a second take 256 microseconds on the line.
        let last = *arrivals.last().expect("some");
        assert!(last >= Time::ZERO + least + Duration::from_micros(256));
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
        let mut pipe = Pipe::new(Duration::from_millis(1), &weather);
        let (_, arrivals) = pipe.write(Time::ZERO, &[1; 10_000], &weather, &mut Rng::from_seed(1));
        // The first piece is on the line, and the reset comes behind it.
        assert_eq!(pipe.reset(Time::ZERO), arrivals[0]);
        let (bytes, has_ended) = drain(&mut pipe, Time::ZERO + Duration::from_secs(60));
        assert!((1..=1_000).contains(&bytes.len()) && has_ended);
    }

    #[test]
    fn latencies_of_the_internet_spread_as_a_log_normal_does() {
        let ms = Duration::from_millis;
        let latency = Latency::LogNormal { median: ms(60), sigma_percent: 70, max: ms(300) };
        let mut rng = Rng::from_seed(1);
        let mut drawn: Vec<Duration> = (0..20_000).map(|_| latency.draw(&mut rng)).collect();
        drawn.sort_unstable();
        // A normal spread has 16 percent below one sigma and 84 percent below plus one: 60 ms times or by e^0.7.
        for (percent, expected) in [(16, 29.8), (50, 60.0), (84, 120.8)] {
            let found = drawn[drawn.len() * percent / 100].as_secs_f64() * 1_000.0;
            assert!((found / expected - 1.0).abs() < 0.03, "{percent} percent: {found} ms instead of {expected}");
        }
        assert_eq!(drawn.last(), Some(&ms(300)), "some are farther than the farthest");
        assert!(drawn[0] < ms(10));
    }

    #[test]
    fn powers_of_two_are_those_of_the_reals() {
        for exponent in (-20 << 16..20 << 16).step_by(997) {
            let (found, real) = (power_of_two(exponent) as f64, (exponent as f64 / 65_536.0).exp2() * 65_536.0);
            assert!((found - real).abs() <= 1.0 + real / 300.0, "2^{exponent}/2^16: {found} instead of {real}");
        }
        assert_eq!((power_of_two(i64::MIN), power_of_two(i64::MAX)), (0, u64::MAX));
    }
}
