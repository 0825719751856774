//! Whether the peer is there: pings, pongs, round-trip time, half records that stand still, and how often the peer may make us work with
//! control messages. Pure arithmetic on `Time`; `keyed.rs` calls it.

use super::local::{Allowances, Timeouts};
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::wire::record::PING_BYTES;
use std::time::Duration;

/// Pings that may come at once, whatever the time between two is: the network may hold some up and deliver them together.
const PINGS_AT_ONCE: u32 = 5;
/// The first ping leaves so long after the link opened: the round-trip time is wanted early, but not in the first burst.
const FIRST_PING: Duration = Duration::from_secs(1);

/// See the file's head.
#[derive(Debug)]
pub struct Liveness {
    timeouts: Timeouts,
    /// When the next ping is due; none while one is out.
    next_ping: Time,
    is_ping_due: bool,
    ping: Option<Ping>,
    pings_sent: u64,
    /// The pong that we owe: only the newest, for the peer cannot wait for more than one.
    pong: Option<[u8; PING_BYTES]>,
    rtt: Option<Duration>,
    pings: Allowance,
    controls: Allowance,
    /// Bytes of an incomplete record, and since when there are not more.
    stalled: Option<(usize, Time)>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    token: [u8; PING_BYTES],
    sent: Time,
    /// Since when its answer could have been read.
    waits_since: Time,
}

impl Liveness {
    pub fn new(now: Time, timeouts: Timeouts, allowances: Allowances) -> Liveness {
        let fresh = |every, burst| Allowance { every, burst, used: Duration::ZERO, since: now };
        Liveness {
            timeouts,
            next_ping: now + FIRST_PING.min(timeouts.ping),
            is_ping_due: false,
            ping: None,
            pings_sent: 0,
            pong: None,
            rtt: None,
            // A tenth less than was agreed on: a peer that pings exactly so often, by a clock that runs faster than ours, is no flood.
            pings: fresh(allowances.ping - allowances.ping / 10, PINGS_AT_ONCE),
            controls: fresh(Duration::from_secs(1) / allowances.controls_per_second.max(1), allowances.controls_at_once),
            stalled: None,
        }
    }

    /// Smoothed round-trip time: each new one counts an eighth (as TCP does, RFC 6298).
    pub const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub const fn wants_write(&self) -> bool {
        self.is_ping_due || self.pong.is_some()
    }

    /// The pong to be sent, if one is owed.
    pub fn take_pong(&mut self) -> Option<[u8; PING_BYTES]> {
        self.pong.take()
    }

    /// The ping to be sent now, if one is due. The clock of its round trip starts here.
    pub fn take_ping(&mut self, now: Time) -> Option<[u8; PING_BYTES]> {
        if !std::mem::take(&mut self.is_ping_due) {
            return None;
        }
        self.pings_sent += 1;
        let token = self.pings_sent.to_be_bytes();
        self.ping = Some(Ping { token, sent: now, waits_since: now });
        self.next_ping = now + self.timeouts.ping;
        Some(token)
    }

    /// A ping arrived.
    pub fn handle_ping(&mut self, now: Time, token: [u8; PING_BYTES]) -> Result<(), CloseReason> {
        if !self.pings.take(now) {
            return Err(CloseReason::ControlFlood);
        }
        self.pong = Some(token);
        Ok(())
    }

    /// A pong arrived: it must answer the ping that is out.
    pub fn handle_pong(&mut self, now: Time, token: [u8; PING_BYTES]) -> Result<(), CloseReason> {
        let ping = self.ping.take_if(|ping| ping.token == token).ok_or(CloseReason::BadRecord)?;
        let sample = now.since(ping.sent);
        self.rtt = Some(self.rtt.map_or(sample, |rtt| rtt - rtt / 8 + sample / 8));
        Ok(())
    }

    /// So many messages on our own channels arrived.
    pub fn handle_controls(&mut self, now: Time, count: usize) -> Result<(), CloseReason> {
        if (0..count).all(|_| self.controls.take(now)) { Ok(()) } else { Err(CloseReason::ControlFlood) }
    }

    /// Records have opened: what waits now is of another.
    pub const fn note_records(&mut self) {
        self.stalled = None;
    }

    /// So many bytes of an incomplete record wait for the rest of it.
    pub fn note_rest(&mut self, now: Time, bytes: usize) {
        match self.stalled {
            _ if bytes == 0 => self.stalled = None,
            Some((before, _)) if before == bytes => {}
            _ => self.stalled = Some((bytes, now)),
        }
    }

    /// We did not read for a while: what the peer may have sent meanwhile does not count as silence.
    pub fn resume(&mut self, now: Time) {
        if let Some(ping) = &mut self.ping {
            ping.waits_since = now;
        }
        if let Some((_, since)) = &mut self.stalled {
            *since = now;
        }
    }

    /// Time has passed.
    pub fn handle_deadline(&mut self, now: Time) -> Result<(), CloseReason> {
        let is_late = |since: Time, limit: Duration| now.since(since) >= limit;
        if self.ping.is_some_and(|ping| is_late(ping.waits_since, self.timeouts.pong)) {
            return Err(CloseReason::PingTimeout);
        }
        if self.stalled.is_some_and(|(_, since)| is_late(since, self.timeouts.record)) {
            return Err(CloseReason::PingTimeout);
        }
        // One ping at a time: the next leaves when the one before was answered.
        self.is_ping_due |= self.ping.is_none() && now >= self.next_ping;
        Ok(())
    }

    pub fn deadline(&self) -> Time {
        let ping = match self.ping {
            Some(ping) => ping.waits_since + self.timeouts.pong,
            None if self.is_ping_due => Time::MAX,
            None => self.next_ping,
        };
        ping.min(self.stalled.map_or(Time::MAX, |(_, since)| since + self.timeouts.record))
    }
}

/// How often something may happen: `burst` times at once, and once more every `every`.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    every: Duration,
    burst: u32,
    /// What has been used, as the time that it takes to come back.
    used: Duration,
    since: Time,
}

impl Allowance {
    fn take(&mut self, now: Time) -> bool {
        self.used = self.used.saturating_sub(now.since(self.since));
        self.since = now;
        let fits = self.used + self.every <= self.every * self.burst;
        if fits {
            self.used += self.every;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn liveness() -> Liveness {
        Liveness::new(Time::ZERO, Timeouts::default(), Allowances::default())
    }

    #[test]
    fn pings_leave_on_time_and_measure_the_round_trip() {
        let mut live = liveness();
        assert_eq!((live.deadline(), live.take_ping(at(0))), (at(1), None));
        live.handle_deadline(at(1)).expect("in time");
        assert!(live.wants_write() && live.deadline() == Time::MAX);
        let token = live.take_ping(at(1)).expect("a ping");
        assert!(!live.wants_write() && live.deadline() == at(61));
        assert_eq!(live.handle_pong(at(2), [0; 8]), Err(CloseReason::BadRecord));
        live.handle_pong(at(3), token).expect("ours");
        assert_eq!((live.rtt(), live.deadline()), (Some(Duration::from_secs(2)), at(31)));
        assert_eq!(live.handle_pong(at(3), token), Err(CloseReason::BadRecord), "answered already");
        live.handle_deadline(at(31)).expect("in time");
        let token = live.take_ping(at(31)).expect("a ping");
        live.handle_pong(at(41), token).expect("ours");
        assert_eq!(live.rtt(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_ping_without_answer_ends_the_link() {
        let mut live = liveness();
        live.handle_deadline(at(1)).expect("in time");
        live.take_ping(at(1)).expect("a ping");
        live.handle_deadline(at(60)).expect("in time");
        assert_eq!(live.handle_deadline(at(61)), Err(CloseReason::PingTimeout));
    }

    #[test]
    fn silence_does_not_count_while_we_do_not_read() {
        let mut live = liveness();
        live.handle_deadline(at(1)).expect("in time");
        let token = live.take_ping(at(1)).expect("a ping");
        live.note_rest(at(1), 10);
        live.resume(at(100));
        assert_eq!(live.deadline(), at(130));
        live.handle_deadline(at(129)).expect("in time");
        live.handle_pong(at(129), token).expect("ours");
        assert_eq!(live.rtt(), Some(Duration::from_secs(128)));
    }

    #[test]
    fn half_a_record_that_stands_still_ends_the_link() {
        let mut live = liveness();
        live.note_rest(at(0), 10);
        live.note_rest(at(20), 20);
        live.note_rest(at(25), 20);
        assert!(live.handle_deadline(at(49)).is_ok());
        assert_eq!(live.handle_deadline(at(50)), Err(CloseReason::PingTimeout));
        live.note_rest(at(50), 0);
        assert!(live.handle_deadline(at(50)).is_ok());
    }

    #[test]
    fn floods_of_control_are_ended() {
        let mut live = liveness();
        assert_eq!((0..9).filter(|_| live.handle_ping(at(0), [0; 8]).is_ok()).count(), 5);
        assert!(live.handle_ping(at(5), [1; 8]).is_ok() && live.handle_ping(at(5), [1; 8]).is_err());
        assert_eq!((live.take_pong(), live.take_pong()), (Some([1; 8]), None));
        assert!(live.handle_controls(at(5), 100).is_ok());
        assert_eq!(live.handle_controls(at(5), 1), Err(CloseReason::ControlFlood));
        assert!(live.handle_controls(at(6), 20).is_ok() && live.handle_controls(at(6), 1).is_err());
    }

    #[test]
    fn who_pings_as_often_as_it_may_by_a_faster_clock_is_no_flood() {
        let mut live = liveness();
        // A thousandth faster than ours: far more than two clocks differ, and for a week.
        for number in 0..120_000 {
            assert_eq!(live.handle_ping(Time::ZERO + Duration::from_millis(4_995) * number, [0; 8]), Ok(()), "{number}");
        }
    }
}
