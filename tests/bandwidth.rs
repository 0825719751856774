//! Rates and shares in virtual time: one host in the middle of many, with a cap, and what each link moves to the byte. Every figure comes
//! from a seed; nothing here depends on how busy the machine is.

use bowline::base::channel::{Channel, ChannelId};
use bowline::base::rng::Rng;
use bowline::bus::command::Command;
use star::{Load, Star, Way};
use std::time::Duration;

#[path = "bandwidth/live.rs"]
mod live;
mod nodes;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "bandwidth/star.rs"]
mod star;

/// The cap of most tests, bytes/s.
const CAP: u64 = 8_000_000;
const SEEDS: [u64; 2] = [1, 2];

/// Jain's index: 1 if all are equal, 1/n if one has everything.
fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|share| *share as f64).sum();
    let squares: f64 = shares.iter().map(|share| (*share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[track_caller]
fn assert_near(what: &str, is: f64, wanted: f64, tolerance: f64) {
    assert!((is / wanted - 1.0).abs() <= tolerance, "{what}: {is:.0} instead of {wanted:.0} within {tolerance}");
}

#[test]
fn twenty_peers_share_a_cap_whatever_one_of_them_does() {
    for (seed, way) in SEEDS.into_iter().zip([Way::Up, Way::Down]) {
        let mut star = Star::new(seed, 20, way, |settings| way.cap(settings, CAP));
        star.loads[0] = Load::Full { channels: 8 };
        star.loads[1..].fill(Load::Full { channels: 1 });
        star.set_weight(1, 2);
        star.run(Duration::from_secs(1));
        let begin = star.mark();
        star.run(Duration::from_secs(10));
        let moved = star.moved_since(begin);
        let (greedy, double, others) = (moved[0], moved[1], &moved[2..]);
        let each = others.iter().sum::<u64>() as f64 / others.len() as f64;
        println!(
            "seed {seed} {way:?}: Jain {:.4}, greedy {:.3}, double {:.3}",
            jain(others),
            greedy as f64 / each,
            double as f64 / each
        );
        assert!(jain(others) >= 0.98, "seed {seed} {way:?}: {}", jain(others));
        assert_near("the greedy one", greedy as f64, each, 0.05);
        assert_near("the one of double weight", double as f64, 2.0 * each, 0.05);
        assert_near("ten seconds", moved.iter().sum::<u64>() as f64, 10.0 * CAP as f64, 0.02);
        for second in star.windows_since(begin, Duration::from_secs(1)) {
            assert_near("any second", second as f64, CAP as f64, 0.05);
        }
    }
}

#[test]
fn who_needs_little_gets_it_and_the_rest_is_shared() {
    for way in [Way::Up, Way::Down] {
        let mut star = Star::new(1, 20, way, |settings| way.cap(settings, CAP / 2));
        star.loads[0] = Load::Full { channels: 8 };
        star.loads[1..].fill(Load::Steady { rate: 100_000 });
        star.run(Duration::from_secs(1));
        let begin = star.mark();
        star.run(Duration::from_secs(2));
        let moved = star.moved_since(begin);
        // Headers and pings come on top of what was asked for.
        moved[1..].iter().for_each(|moved| assert_near("a modest one", *moved as f64, 200_000.0, 0.03));
        assert_near("all", moved.iter().sum::<u64>() as f64, CAP as f64, 0.02);
        assert!(jain(&moved[1..]) >= 0.98);
    }
}

#[test]
fn what_one_leaves_another_has_within_100_ms() {
    const TENTH: Duration = Duration::from_millis(100);
    for (seed, way) in SEEDS.into_iter().zip([Way::Up, Way::Down]) {
        let mut star = Star::new(seed, 4, way, |settings| way.cap(settings, CAP));
        star.loads.fill(Load::Full { channels: 1 });
        star.run(Duration::from_secs(1));
        let begin = star.mark();
        star.loads[2..].fill(Load::Idle);
        star.run_until_still(&[2, 3], TENTH / 2);
        star.run(TENTH / 2);
        let redistributed = star.mark();
        star.run(Duration::from_millis(500));
        let moved = star.moved_since(redistributed);
        assert_near("each of two", moved[0] as f64, CAP as f64 / 4.0, 0.05);
        assert_near("the other", moved[1] as f64, CAP as f64 / 4.0, 0.05);
        // The two come back: after a tenth of a second they have their shares again.
        star.loads.fill(Load::Full { channels: 1 });
        star.run(TENTH);
        let returned = star.mark();
        star.run(Duration::from_millis(500));
        star.moved_since(returned).iter().for_each(|moved| assert_near("each of four", *moved as f64, CAP as f64 / 8.0, 0.05));
        // And nothing was left unused in between.
        for tenth in star.windows_since(begin, TENTH) {
            assert_near("any tenth of a second", tenth as f64, CAP as f64 / 10.0, 0.25);
        }
    }
}

#[test]
fn a_cap_of_64_kib_is_met_and_smooth() {
    const SLOW: u64 = 64 * 1_024;
    for (peers, way) in [(1, Way::Up), (1, Way::Down), (5, Way::Up), (5, Way::Down)] {
        let mut star = Star::new(3, peers, way, |settings| way.cap(settings, SLOW));
        star.loads.fill(Load::Full { channels: 2 });
        star.run(Duration::from_secs(2));
        let begin = star.mark();
        star.run(Duration::from_secs(20));
        let moved = star.moved_since(begin);
        assert_near("twenty seconds", moved.iter().sum::<u64>() as f64, 20.0 * SLOW as f64, 0.02);
        assert!(jain(&moved) >= 0.98, "{moved:?}");
        for second in star.windows_since(begin, Duration::from_secs(1)) {
            assert_near("any second", second as f64, SLOW as f64, 0.05);
        }
        let fifth = star.windows_since(begin, Duration::from_millis(200)).into_iter().max();
        assert!(fifth.is_some_and(|most| most <= SLOW / 5 + 2 * 1_460), "{fifth:?} in a fifth of a second");
    }
}

#[test]
fn rates_and_weights_change_while_data_flows() {
    for way in [Way::Up, Way::Down] {
        let mut star = Star::new(4, 4, way, |_| {});
        star.loads.fill(Load::Full { channels: 1 });
        for cap in [8_000_000, 1_000_000, 16_000_000, 64 * 1_024, 4_000_000] {
            star.order(way.rates(cap));
            // What a higher rate has put into the bucket may still go.
            star.run(Duration::from_millis(100));
            let begin = star.mark();
            // Long enough for many turns at the lowest, short enough not to move much at the highest.
            let seconds = if cap < 1_000_000 { 2 } else { 1 };
            star.run(Duration::from_secs(seconds));
            let moved = star.moved_since(begin);
            assert_near("a new cap", moved.iter().sum::<u64>() as f64, (seconds * cap) as f64, 0.05);
            assert!(jain(&moved) >= 0.98, "{cap}: {moved:?}");
        }
        star.order(way.link_rates(star.links[0], 100_000));
        star.set_weight(1, 4);
        star.run(Duration::from_millis(200));
        let begin = star.mark();
        star.run(Duration::from_secs(2));
        let moved = star.moved_since(begin);
        assert_near("a link's own rate", moved[0] as f64, 200_000.0, 0.03);
        assert_near("a share of four", moved[1] as f64, 7_800_000.0 * 4.0 / 6.0, 0.05);
        assert_near("a share of one", moved[2] as f64, 7_800_000.0 / 6.0, 0.05);
        let shown = star.link_stats(0);
        assert_eq!([shown.rate_up, shown.rate_down], if way == Way::Up { [100_000, 0] } else { [0, 100_000] });
        assert_eq!([star.link_stats(1).weight, star.link_stats(2).weight], [4, 1]);
        star.order(way.link_rates(star.links[0], 0));
        star.set_weight(1, 1);
        star.run(Duration::from_millis(200));
        let begin = star.mark();
        star.run(Duration::from_secs(1));
        star.moved_since(begin).iter().for_each(|moved| assert_near("each again", *moved as f64, 1_000_000.0, 0.05));
        star.order(way.rates(0));
        star.run(Duration::from_millis(200));
        let begin = star.mark();
        star.run(Duration::from_millis(300));
        let free = star.moved_since(begin).iter().sum::<u64>();
        assert!(free > 8_000_000, "without a cap {free} bytes in 300 ms");
    }
}

#[test]
fn idle_peers_cost_no_turns() {
    let turns = |cap: u64| {
        let mut star = Star::new(5, 20, Way::Up, |settings| {
            Way::Up.cap(settings, cap);
            Way::Down.cap(settings, cap);
        });
        star.run(Duration::from_secs(5));
        let before = star.hub_stats().turns;
        star.world.run_for(Duration::from_secs(60)).expect("the rules hold");
        star.hub_stats().turns - before
    };
    let (free, capped) = (turns(0), turns(CAP));
    println!("60 s with 20 idle peers: {free} turns without a cap, {capped} with one");
    // Pings and pongs, both ways, are all there is; whether a cap is set makes no difference but for how turns fall together.
    assert!(capped <= free + free / 4 && capped < 60 * 20, "{free} without a cap, {capped} with one");
}

#[test]
fn at_1_kib_a_second_pongs_still_come_in_seconds() {
    let mut star = Star::new(6, 2, Way::Up, |_| {});
    star.order(Command::SetLinkRates { link: star.links[0], up: 1_024, down: 0 });
    star.loads.fill(Load::Full { channels: 1 });
    star.run(Duration::from_secs(1));
    star.loads[1] = Load::Idle;
    star.run(Duration::from_secs(240));
    let rtt = star.leaf_stats(0).rtt_us;
    println!("round trip behind bulk at 1 KiB/s: {rtt} us");
    // A record that is half gone, and one turn's worth in the bucket.
    assert!((1..=4_000_000).contains(&rtt), "{rtt} us");
    assert_eq!(star.world.host(star.hub).map(|hub| hub.links().len()), Some(2), "nobody was given up");
}

#[test]
fn under_a_low_cap_pongs_of_twenty_busy_links_come_in_seconds() {
    let mut star = Star::new(7, 20, Way::Up, |settings| Way::Up.cap(settings, 64 * 1_024));
    star.loads.fill(Load::Full { channels: 2 });
    star.run(Duration::from_secs(100));
    let slowest = (0..20).map(|leaf| star.leaf_stats(leaf).rtt_us).max();
    println!("slowest round trip of twenty busy links at 64 KiB/s: {slowest:?} us");
    // A round of twenty turns of 1,460 bytes takes 446 ms; a pong may wait for the second.
    assert!(slowest.is_some_and(|rtt| (1..=1_500_000).contains(&rtt)), "{slowest:?}");
    assert_eq!(star.world.host(star.hub).map(|hub| hub.links().len()), Some(20), "nobody was given up");
}

/// Where bulk waits, and where what is urgent does.
const BULK: ChannelId = ChannelId(0x30);
const URGENT: ChannelId = ChannelId(0x31);

#[test]
fn an_urgent_message_waits_for_one_record_of_64_mib() {
    const RATE: u64 = 50_000_000;
    // A full record, and the most that is sealed at once under this rate.
    const RECORD_TIME: Duration = Duration::from_nanos(65_074 * 1_000_000_000 / RATE);
    const SEALED_TIME: Duration = Duration::from_nanos(16_434 * 1_000_000_000 / RATE);
    let channels = || {
        let bulk = Channel { send_queue_bytes: 80 << 20, receive_queue_bytes: 8 << 20, ..Channel::new(BULK.0, "bulk") };
        vec![bulk, Channel { priority: 16, ..Channel::new(URGENT.0, "urgent") }]
    };
    for seed in SEEDS {
        let mut star = Star::with(seed, 1, Way::Up, channels(), |settings| settings.bandwidth_peer_up = RATE);
        star.world.is_prompt = true;
        let mut rng = Rng::from_seed(seed);
        let unloaded = latencies(&mut star, &mut rng);
        let bulk = vec![7; 1 << 20];
        (0..64).for_each(|_| star.world.send(star.hub, star.links[0], BULK, &bulk).expect("room for 64 MiB"));
        star.world.run_for(Duration::from_millis(50)).expect("the rules hold");
        let loaded = latencies(&mut star, &mut rng);
        let waiting = star.hub_stats();
        assert!(waiting.bytes_out < 60 << 20, "the bulk was gone before the end: {}", waiting.bytes_out);
        let (alone, behind) = ([unloaded[0], unloaded[99]], [loaded[0], loaded[99]]);
        println!(
            "seed {seed}: {alone:?} unloaded, {behind:?} behind 64 MiB; a record takes {RECORD_TIME:?}, one as sealed {SEALED_TIME:?}"
        );
        // Each of them, not only most: no thread of this world is ever late.
        assert!(behind[1] <= alone[0] + RECORD_TIME, "seed {seed}: {behind:?} instead of {alone:?} and {RECORD_TIME:?}");
        // And what a link seals at once under this rate is less: the record before it, and its own. It is looked for each 20 us.
        let most = alone[1] + 2 * SEALED_TIME + Duration::from_micros(20);
        assert!(behind[1] <= most, "seed {seed}: {behind:?} instead of {alone:?} and twice {SEALED_TIME:?}");
    }
}

/// How long urgent messages take that are sent one by one at random moments, sorted.
fn latencies(star: &mut Star, rng: &mut Rng) -> Vec<Duration> {
    let mut took: Vec<Duration> = (0..100)
        .map(|_| {
            star.world.run_for(Duration::from_micros(500 + rng.below(3_000))).expect("the rules hold");
            star.leaf_events(0);
            let begin = star.world.now();
            star.world.send(star.hub, star.links[0], URGENT, &[1; 100]).expect("room");
            star.wait_for(0, URGENT).since(begin)
        })
        .collect();
    took.sort_unstable();
    took
}
