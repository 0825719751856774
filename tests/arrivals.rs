//! What arrives in time and at what speed, in virtual time: a message that has begun must go on, unless what holds it up is ours; and a
//! channel with a rate is paced by its credit, whatever its peer has to say, and disturbs no other.

mod handshake_support;

use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::limits::RECORD_OVERHEAD;
use bowline::base::reason::{Blame, CloseReason};
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::flow::batch::Pending;
use bowline::flow::pot::{Budget, Pot};
use bowline::session::arrivals::Arrivals;
use bowline::session::dialect::Dialect;
use bowline::session::intake::Intake;
use bowline::session::lanes::Lanes;
use bowline::session::local::Profile;
use bowline::wire::record::PING_BYTES;
use bowline::wire::segment::{self, Head};
use handshake_support::{Pair, local, profile};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const CHANNEL: u16 = 0x20;
const LANE: usize = 2;
const OTHER_LANE: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a ping on the wire: its overhead, its type, its token.
const PING_RECORD: usize = RECORD_OVERHEAD + 1 + PING_BYTES;

fn seconds(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

fn segment(len: usize, total: u32, is_first: bool, is_last: bool) -> Vec<u8> {
    segment_on(CHANNEL, len, total, is_first, is_last)
}

fn segment_on(channel: u16, len: usize, total: u32, is_first: bool, is_last: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let head = Head { channel: ChannelId(channel), kind: Kind::Message, request: 0, total, is_first, is_last };
    segment::write(&mut out, head, &vec![7; len]);
    out
}

/// The incoming side of one link, of which a test says what comes and when.
struct Inbound {
    lanes: Lanes,
    arrivals: Arrivals,
    intake: Intake,
}

impl Inbound {
    fn new(channels: Vec<Channel>) -> Inbound {
        Inbound::with(Profile { channels, ..profile(1) })
    }

    fn with(profile: Profile) -> Inbound {
        let local = local(profile);
        let lanes = Lanes::new(&local, &local.profile.hello);
        let arrivals = Arrivals::new(Arc::clone(&local), Time::ZERO);
        Inbound { lanes, arrivals, intake: Intake::default() }
    }

    /// A record comes, and what it allows is granted.
    fn take(&mut self, now: Time, segments: &[u8]) {
        assert_eq!(self.arrivals.take(now, segments, &mut self.lanes, &mut self.intake), Ok(()));
        self.arrivals.write_credits(now, &mut Vec::new(), usize::MAX);
    }

    fn is_late(&mut self, now: Time) -> bool {
        match self.arrivals.handle_deadline(now) {
            Ok(()) => false,
            Err(reason) => {
                assert_eq!(reason, CloseReason::MessageTimeout);
                true
            }
        }
    }

    fn credit(&self) -> u32 {
        self.arrivals.describe(LANE, self.lanes.describe(LANE)).credit_in
    }
}

#[test]
fn a_message_whose_rest_does_not_come_is_late_and_its_bytes_go_back() {
    let pot = Pot::new(Budget { share: 0, common: 1 << 20, common_each: 1 << 20 });
    let channels = vec![Channel::new(CHANNEL, "c")];
    let mut inbound = Inbound::with(Profile { channels, pot: pot.clone(), ..profile(1) });
    assert_eq!(inbound.arrivals.deadline(), Time::MAX, "an idle link wants no timer");
    inbound.take(seconds(1), &segment(1_000, 100_000, true, false));
    inbound.take(seconds(2), &segment(50_000, 0, false, false));
    assert_eq!((pot.used(), inbound.arrivals.deadline()), (50_000, seconds(2) + TIMEOUT));
    assert!(!inbound.is_late(seconds(61)) && inbound.is_late(seconds(62)));
    drop(inbound);
    assert_eq!(pot.used(), 0);
}

#[test]
fn a_message_that_ends_in_time_leaves_no_timer() {
    let mut inbound = Inbound::new(vec![Channel::new(CHANNEL, "c")]);
    inbound.take(seconds(0), &segment(1_000, 2_000, true, false));
    inbound.take(seconds(59), &segment(1_000, 0, false, true));
    assert_eq!(inbound.arrivals.deadline(), Time::MAX);
    assert!(!inbound.is_late(seconds(10_000)));
}

/// The largest message in pieces of 4 KiB, one in so many seconds; how far it came.
fn trickle(period: u64) -> usize {
    const TOTAL: usize = 100 << 20;
    const PIECE: usize = 4_096;
    let channel = Channel { message_bytes_max: TOTAL as u32, ..Channel::new(CHANNEL, "c") };
    let mut inbound = Inbound::new(vec![channel]);
    inbound.take(seconds(0), &segment(PIECE, TOTAL as u32, true, false));
    for piece in 1..TOTAL / PIECE {
        let now = seconds(piece as u64 * period);
        if inbound.is_late(now) {
            return piece * PIECE;
        }
        inbound.take(now, &segment(PIECE, 0, false, (piece + 1) * PIECE == TOTAL));
    }
    TOTAL
}

#[test]
fn the_largest_message_over_a_slow_link_is_not_cut_and_an_endless_trickle_is() {
    assert_eq!(trickle(40), 100 << 20, "102 bytes a second, for 12 days");
    let came = trickle(42);
    assert!(came < 2 << 20, "98 bytes a second with headers, until the first minute is used up: {came}");
}

#[test]
fn while_the_peer_lacks_credit_no_time_passes() {
    let mut inbound = Inbound::new(vec![Channel { receive_queue_bytes: 4_096, ..Channel::new(CHANNEL, "c") }]);
    // A whole message that nobody takes, and the beginning of another: what is left is less than a sender cuts a piece for.
    inbound.take(seconds(0), &segment(2_995, 0, true, true));
    inbound.take(seconds(0), &segment(1_000, 50_000, true, false));
    assert!(inbound.credit() < 1_024, "{}", inbound.credit());
    assert_eq!(inbound.arrivals.deadline(), Time::MAX);
    assert!(!inbound.is_late(seconds(100_000)));
    inbound.arrivals.grant(ChannelId(CHANNEL), 3_000);
    inbound.arrivals.write_credits(seconds(100_000), &mut Vec::new(), usize::MAX);
    assert_eq!(inbound.arrivals.deadline(), seconds(100_060), "it begins anew");
    assert!(!inbound.is_late(seconds(100_059)) && inbound.is_late(seconds(100_060)));
}

#[test]
fn while_we_do_not_read_no_time_passes_but_for_who_sends_other_things_instead() {
    let channels = vec![Channel::new(CHANNEL, "c"), Channel { receive_queue_bytes: 16 << 20, ..Channel::new(0x21, "other") }];
    let mut inbound = Inbound::new(channels);
    inbound.take(seconds(0), &segment(1_000, 50_000, true, false));
    inbound.arrivals.resume(seconds(59));
    assert_eq!(inbound.arrivals.deadline(), seconds(119));
    (0..100).for_each(|_| inbound.take(seconds(60), &segment_on(0x21, 60_000, 0, true, true)));
    inbound.arrivals.resume(seconds(118));
    assert!(inbound.is_late(seconds(119)), "6 MB of another channel, and not a byte of this message");
}

/// A part of a message comes, so many bytes of a ping 31 s later, and then nothing more. How that ended, and what the peer was told.
fn broken_off(bytes_of_ping: usize) -> (Option<CloseReason>, Option<CloseReason>) {
    let side = |seed| local(Profile { channels: vec![Channel::new(CHANNEL, "c")], ..profile(seed) });
    let mut pair = Pair::of(&side(1), &side(2)).open();
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &[1; 100_000]);
    pair.a.give(LANE, &mut pending);
    // Less than a full record: one record, and the rest of the message stays behind.
    let wrote = pair.a.write(pair.now, 20_000);
    pair.b.deliver(pair.now, &wrote);
    pair.a.pass_time(seconds(31));
    let ping = pair.a.write(seconds(31), 1);
    assert_eq!(ping.len(), PING_RECORD, "a ping and nothing else");
    pair.b.deliver(seconds(31), &ping[..bytes_of_ping]);
    let late = Time::ZERO + TIMEOUT + Duration::from_millis(100);
    assert!(pair.b.session.lane(LANE).is_unfinished && pair.b.session_deadline().is_some_and(|at| at <= late));
    pair.b.pass_time(late);
    let farewell = pair.b.write(late, 1 << 20);
    pair.a.deliver(late, &farewell);
    (pair.b.error, pair.a.error)
}

#[test]
fn a_session_says_why_it_ends() {
    assert_eq!(broken_off(PING_RECORD), (Some(CloseReason::MessageTimeout), Some(CloseReason::Goodbye)));
}

/// The network may be cut between two records, the peer's machine may sleep, and somebody between may let through what he likes: a part of a
/// record, or other records and the message not. Nothing of that proves that the peer held the message back.
#[test]
fn who_does_not_end_a_message_is_let_go_and_not_blamed() {
    for bytes_of_ping in [0, 10, PING_RECORD] {
        assert_eq!(broken_off(bytes_of_ping).0, Some(CloseReason::MessageTimeout), "{bytes_of_ping}");
    }
    assert_eq!(CloseReason::MessageTimeout.blame(), Blame::Net);
}

/// A message of 300,000 bytes, sealed by one side and delivered to the other in pieces, one in so many seconds: how it ended, and when.
fn dripped(piece: usize, period: u64) -> (Option<CloseReason>, u64) {
    dripped_after(0, piece, period)
}

/// As `dripped`, but so many bytes come at once.
fn dripped_after(first: usize, piece: usize, period: u64) -> (Option<CloseReason>, u64) {
    let side = |seed| local(Profile { channels: vec![Channel::new(CHANNEL, "c")], ..profile(seed) });
    let mut pair = Pair::of(&side(1), &side(2)).open();
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &[1; 300_000]);
    pair.a.give(LANE, &mut pending);
    let wrote = pair.a.write(pair.now, 1 << 20);
    let mut now = Time::ZERO;
    pair.b.deliver(now, &wrote[..first]);
    for bytes in wrote[first..].chunks(piece) {
        now = now + Duration::from_secs(period);
        // The peer answers pings, and this test does not ask for them.
        pair.b.pass_time(now);
        if pair.b.error.is_some() {
            break;
        }
        pair.b.deliver(now, bytes);
    }
    assert_eq!(pair.b.received.len(), usize::from(pair.b.error.is_none()));
    (pair.b.error, now.since(Time::ZERO).as_secs())
}

#[test]
fn a_link_so_slow_that_a_record_takes_a_minute_is_not_cut_and_one_that_drips_is() {
    let (error, took) = dripped(1_000, 1);
    assert!(error.is_none() && took > 300, "{error:?} after {took} s: 65 s for each full record");
    assert_eq!(dripped(400, 3).0, None);
    // The first record comes whole, so that a message is under way; the others at less than 100 bytes a second.
    let (error, took) = dripped(70_000, 1);
    assert!(error.is_none() && took < 60);
    let (error, took) = dripped_after(65_074, 500, 20);
    assert!(error == Some(CloseReason::MessageTimeout) && took < 90, "{error:?} after {took} s");
}

/// A message on a channel that gets little of each record, beside bulk that never ends, over a link of so many bytes a second. How it ended,
/// and after how many seconds.
fn beside_bulk(rate: usize) -> (Option<CloseReason>, u64) {
    let small = Channel { bytes_per_turn: 200, ..Channel::new(CHANNEL, "c") };
    let channels =
        vec![small, Channel { receive_queue_bytes: 1 << 30, message_bytes_max: 8 << 20, ..Channel::new(0x21, "other") }];
    let side = |seed| local(Profile { channels: channels.clone(), ..profile(seed) });
    let mut pair = Pair::of(&side(1), &side(2)).open();
    let (mut pending, mut wire, mut seconds_passed) = (Pending::default(), Vec::new(), 0);
    pending.push(Kind::Message, 0, &[1; 9_000]);
    pair.a.give(LANE, &mut pending);
    while !pair.b.received.iter().any(|(channel, ..)| *channel == ChannelId(CHANNEL)) && pair.b.error.is_none() {
        if pair.a.session.is_drained(OTHER_LANE) {
            let mut bulk = Pending::default();
            bulk.push(Kind::Message, 0, &[2; 8 << 20]);
            pair.a.give(OTHER_LANE, &mut bulk);
        }
        if wire.len() < rate {
            wire.extend(pair.a.write(seconds(seconds_passed), 65_074));
        }
        seconds_passed += 1;
        let came: Vec<u8> = wire.drain(..rate.min(wire.len())).collect();
        pair.b.deliver(seconds(seconds_passed), &came);
        pair.b.pass_time(seconds(seconds_passed));
    }
    (pair.b.error, seconds_passed)
}

/// A node's answer with addresses has 200 bytes of a record while other channels are busy.
#[test]
fn who_is_busy_with_other_things_on_a_slow_link_is_not_late() {
    for rate in [1_000, 16_000, 60_000] {
        let (error, took) = beside_bulk(rate);
        assert_eq!(error, None, "{rate} bytes a second, after {took} s");
    }
}

/// A link whose receiver paces the first channel, and takes everything at once. What has come of it, millisecond for millisecond.
fn paced(channel: Channel, lengths: &[usize], limit: Duration) -> Vec<(Time, usize)> {
    let channels = vec![channel, Channel::new(0x21, "other")];
    let side = |seed| local(Profile { channels: channels.clone(), ..profile(seed) });
    let mut pair = Pair::of(&side(1), &side(2)).open();
    let (mut pending, mut other) = (Pending::default(), Pending::default());
    lengths.iter().for_each(|len| pending.push(Kind::Message, 0, &vec![1; *len]));
    (0..100).for_each(|_| other.push(Kind::Message, 0, &[2; 10_000]));
    pair.a.give(LANE, &mut pending);
    pair.a.give(OTHER_LANE, &mut other);
    let mut came = Vec::new();
    let mut others = 0;
    while pair.now < Time::ZERO + limit {
        pair.run();
        for (channel, _, _, body) in std::mem::take(&mut pair.b.received) {
            if channel.0 == CHANNEL {
                came.push((pair.now, body.len()));
            } else {
                others += 1;
            }
        }
        assert_eq!((pair.a.error, pair.b.error), (None, None), "nobody is closed for keeping to its credit");
        assert_eq!(others, 100, "the other channel is not disturbed");
        if came.len() == lengths.len() {
            return came;
        }
        let next = [pair.a.session_deadline(), pair.b.session_deadline()].into_iter().flatten().min().expect("somebody waits");
        assert!(next > pair.now, "no loop");
        pair.now = next;
    }
    panic!("{} of {} messages in {limit:?}", came.len(), lengths.len());
}

/// The most that came in any stretch of time, beyond what the rate brings in it: it must be within the burst.
fn worst_burst(came: &[(Time, u64)], rate: u64) -> u64 {
    let mut worst = 0;
    for from in 0..came.len() {
        let mut sum = 0;
        for (at, amount) in &came[from..] {
            sum += amount;
            let brought = (at.since(came[from].0).as_nanos() * u128::from(rate)).div_ceil(1_000_000_000) as u64;
            worst = worst.max(sum.saturating_sub(brought));
        }
    }
    worst
}

#[test]
fn bytes_are_paced_exactly() {
    let channel = Channel { rate_bytes: 10_000, burst_bytes: 20_000, ..Channel::new(CHANNEL, "c") };
    let came = paced(channel, &[395; 500], Duration::from_secs(100));
    let bytes: Vec<(Time, u64)> = came.iter().map(|(at, len)| (*at, *len as u64 + 5)).collect();
    let worst = worst_burst(&bytes, 10_000);
    assert!((19_000..=20_000).contains(&worst), "{worst}");
    // 200,000 bytes, of which 20,000 come at once.
    let took = came.last().expect("some").0.since(Time::ZERO).as_secs_f64();
    assert!((18.0 - 0.1..18.5).contains(&took), "{took} s");
}

#[test]
fn messages_are_paced_exactly() {
    let channel = Channel { rate_messages: 50, burst_messages: 20, ..Channel::new(CHANNEL, "c") };
    for len in [0, 100, 5_000] {
        let came = paced(channel.clone(), &[len; 300], Duration::from_secs(100));
        let messages: Vec<(Time, u64)> = came.iter().map(|(at, _)| (*at, 1)).collect();
        let worst = worst_burst(&messages, 50);
        assert!((18..=20).contains(&worst), "{worst} of {len} bytes");
        let took = came.last().expect("some").0.since(Time::ZERO).as_secs_f64();
        assert!((5.5..6.2).contains(&took), "{took} s: 300 messages, of which 20 come at once");
    }
}

#[test]
fn a_large_message_passes_a_narrow_channel() {
    let channel = Channel { rate_bytes: 2_048, ..Channel::new(CHANNEL, "c") };
    assert_eq!(channel.window(), 2_048);
    let came = paced(channel, &[200_000], Duration::from_secs(1_000));
    let took = came[0].0.since(Time::ZERO).as_secs_f64();
    assert!((96.0..102.0).contains(&took), "{took} s, and it was never late: we gave no credit");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mixture_of_messages_beats_a_rate_or_gets_stuck(
        bytes in prop_oneof![Just(0_u64), 1_024..100_000_u64], burst in prop_oneof![Just(0_u32), 1_024..200_000_u32],
        count in prop_oneof![Just(0_u32), 1..500_u32], at_once in prop_oneof![Just(0_u32), 4..100_u32],
        window in 1_024..300_000_u32, seed: u64
    ) {
        let channel = Channel {
            rate_bytes: bytes,
            burst_bytes: if bytes == 0 { 0 } else { burst },
            rate_messages: count,
            burst_messages: if count == 0 { 0 } else { at_once },
            receive_queue_bytes: window,
            ..Channel::new(CHANNEL, "c")
        };
        prop_assert_eq!(channel.check_rates(), Ok(()));
        let mut rng = Rng::from_seed(seed);
        let lengths: Vec<usize> = (0..60).map(|_| if rng.percent(20) { rng.index(20_000) } else { rng.index(300) }).collect();
        let came = paced(channel.clone(), &lengths, Duration::from_secs(10_000));
        if let Some(most) = channel.messages_at_once() {
            let messages: Vec<(Time, u64)> = came.iter().map(|(at, _)| (*at, 1)).collect();
            prop_assert!(worst_burst(&messages, count.into()) <= u64::from(most) + 1, "one that began before may end");
        }
        if let Some(most) = channel.bytes_at_once() {
            let all: Vec<(Time, u64)> = came.iter().map(|(at, len)| (*at, *len as u64)).collect();
            let largest = *lengths.iter().max().expect("some") as u64;
            prop_assert!(worst_burst(&all, bytes) <= u64::from(most) + largest, "what began before may end");
        }
    }
}
