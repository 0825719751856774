//! The defects of CometBFT's and Tendermint's connections and queues, as their sources have them, and which of our tests shows that each is
//! none of ours. Those that are at home nowhere else are here.

use bowline::base::address::Address;
use bowline::base::channel::{Channel, ChannelId};
use bowline::base::link_id::LinkId;
use bowline::bus::event::Event;
use bowline::reactor::net::Net;
use bowline::sim::host::Plan;
use bowline::sim::pipe::Weather;
use bowline::sim::world::World;
use star::{Load, Star, Way};
use std::net::SocketAddr;
use std::time::Duration;

#[allow(dead_code, reason = "tests/bandwidth.rs uses the rest")]
#[path = "bandwidth/star.rs"]
mod star;

const HERE: &str = include_str!("cometbft.rs");
const BANDWIDTH: &str = include_str!("bandwidth.rs");
const LANES: &str = include_str!("lanes.rs");
const MESSAGING: &str = include_str!("messaging.rs");
const NODE: &str = include_str!("node.rs");
const PINGS: &str = include_str!("handshake_settings.rs");
const TRAFFIC: &str = include_str!("handshake_traffic.rs");
const TYPED: &str = include_str!("typed.rs");

/// What is wrong there; the file and the test that has it right here.
const DEFECTS: [(&str, &str, &str); 24] = [
    // MConnection (v0.38).
    ("Send waits 10 s for room, whoever calls", MESSAGING, "what_waits_too_long_is_taken_out_and_its_sender_is_told"),
    ("CanSend compares with the default capacity", LANES, "cometbft_can_send_asks_for_the_channels_own_capacity"),
    (
        "channels share by messages sent lately, which decay",
        LANES,
        "bytes_are_shared_by_weight_also_when_channels_rest_and_come_back",
    ),
    ("a low priority waits as long as others have packets", LANES, "no_priority_starves_a_low_one"),
    ("a slow reactor holds up pongs", HERE, "cometbft_receive_a_slow_handler_does_not_hold_up_pongs"),
    ("a slow reactor holds up all channels", NODE, "a_slow_consumer_stops_its_channel_and_nothing_else"),
    (
        "a panic while a message is received ends more than it",
        TYPED,
        "a_codec_that_panics_costs_that_peer_its_link_and_nobody_else_anything",
    ),
    ("pings are not limited", PINGS, "pings_faster_than_the_peer_accepts_are_a_flood"),
    ("a rate comes in bursts of 100 ms", BANDWIDTH, "a_cap_of_64_kib_is_met_and_smooth"),
    ("what a sample leaves unused is lost", BANDWIDTH, "what_one_leaves_another_has_within_100_ms"),
    ("the packet size must be the same in the whole network", TRAFFIC, "a_peer_with_small_records_gets_small_records"),
    ("a full packet of channel 0x80 or above is too long", HERE, "cometbft_packets_channel_numbers_of_any_size_fit"),
    ("every channel of every peer may hold its largest message", TRAFFIC, "reassembly_is_charged_and_given_back"),
    // The router (v0.35).
    ("one limited address ends the accepting of all", HERE, "cometbft_accept_one_limited_address_does_not_end_it_for_all"),
    ("the window of the connection tracker is never set", HERE, "cometbft_conn_tracker_the_limit_of_an_address_lasts"),
    ("a priority has no effect", LANES, "cometbft_pqueue_priority_has_an_effect_under_saturation"),
    ("dropped bytes stay in the sum", LANES, "cometbft_pqueue_no_phantom_bytes_after_drops"),
    ("what is sent is counted for the last that was queued", HERE, "cometbft_pqueue_what_is_sent_is_counted_where_it_went"),
    ("an idle queue spins", LANES, "cometbft_wdrr_does_not_spin_when_idle"),
    ("an idle router spins", MESSAGING, "cometbft_wdrr_a_reactor_with_nothing_it_may_send_does_not_spin"),
    ("who waits for a queue does not see it close", NODE, "stop_releases_everybody_who_waits_and_is_final"),
    (
        "the best message is lost when the output is full",
        LANES,
        "cometbft_simple_priority_the_best_message_is_not_lost_when_the_output_is_full",
    ),
    ("one slow peer stalls a channel for all", MESSAGING, "cometbft_route_channel_one_slow_peer_does_not_stall_the_others"),
    (
        "what does not decode, or has no taker, is dropped in silence",
        TYPED,
        "what_does_not_decode_is_told_counted_and_harms_nothing",
    ),
];

#[test]
fn every_defect_has_its_test() {
    for (defect, file, test) in DEFECTS {
        assert!(file.contains(&format!("fn {test}(")), "{defect}: there is no test {test}");
    }
    let own = [HERE, LANES, MESSAGING].into_iter().flat_map(|file| file.split("\nfn cometbft_").skip(1));
    let unlisted: Vec<&str> = own
        .filter_map(|rest| rest.split('(').next())
        .filter(|name| !DEFECTS.iter().any(|(.., test)| test.strip_prefix("cometbft_") == Some(name)))
        .collect();
    assert!(unlisted.is_empty(), "not in the list: {unlisted:?}");
}

/// MConnection hands a message to its reactor in the routine that reads: while the reactor is slow, pongs are not read either.
#[test]
fn cometbft_receive_a_slow_handler_does_not_hold_up_pongs() {
    let mut star = Star::new(1, 1, Way::Up, |_| {});
    star.set_taking(0, false);
    star.loads[0] = Load::Full { channels: 1 };
    // Three pings and their time-outs.
    star.run(Duration::from_secs(200));
    let (here, there) = (star.link_stats(0), star.leaf_stats(0));
    assert!((100..200).contains(&there.messages_in), "its window of 2 MiB is full, and no more came: {}", there.messages_in);
    assert!(
        (1..100_000).contains(&here.rtt_us) && (1..100_000).contains(&there.rtt_us),
        "{} and {} us",
        here.rtt_us,
        there.rtt_us
    );
    // The other channels go on.
    let other = ChannelId(0x11);
    star.world.send(star.hub, star.links[0], other, b"beside it").expect("room");
    star.run(Duration::from_secs(1));
    assert_eq!(star.leaf_stats(0).messages_in, there.messages_in + 1);
}

/// A channel's number is a varint there, and the limit of a packet was computed with the shortest.
#[test]
fn cometbft_packets_channel_numbers_of_any_size_fit() {
    let ids = [0x10, 0x7f, 0x80, 0xff, 0x100, 0xffff];
    let channels: Vec<Channel> = ids.into_iter().map(|id| Channel::new(id, "any")).collect();
    let mut star = Star::with(1, 1, Way::Up, channels, |_| {});
    // Around a full record, and a message in many.
    for len in (65_030..65_060).chain([1 << 20]) {
        for id in ids {
            star.world.send(star.hub, star.links[0], ChannelId(id), &vec![1; len]).expect("room");
            assert!(star.wait_for(0, ChannelId(id)) > bowline::base::time::Time::ZERO);
        }
    }
    assert_eq!(star.hub_stats().links_in, 1, "nobody was given up");
}

/// A node, many connections from one address, and one from another.
fn crowded() -> (World, bowline::sim::net::HostId, bowline::sim::net::HostId) {
    let mut world = World::new(1, Weather::default());
    let at = |host: u8| [50 + host, 1, 7, 1].into();
    let mut plan = Plan::new(at(0));
    plan.settings.discovery_bootstrap = true;
    let node = world.add(plan).expect("a valid plan");
    let crowd = world.add_bare(at(1));
    for number in 0..100 {
        let (link, to) = (LinkId::from_u64(number + 1), SocketAddr::new(at(0), 9_732));
        world.port(crowd).dial(link, to, None).expect("a dial begins");
    }
    world.run_for(Duration::from_secs(2)).expect("the rules hold");
    let mut plan = Plan::new(at(2));
    plan.settings.discovery_persistent = vec![Address::of(SocketAddr::new(at(0), 9_732), None)];
    let honest = world.add(plan).expect("a valid plan");
    (world, node, honest)
}

/// `acceptPeers` returned when its connection tracker refused somebody.
#[test]
fn cometbft_accept_one_limited_address_does_not_end_it_for_all() {
    let (mut world, node, honest) = crowded();
    let peer = world.peer(honest).expect("it has a plan");
    let is_linked = |world: &World| world.host(node).is_some_and(|node| node.link_with(&peer).is_some());
    assert!(world.run_while_not(Duration::from_secs(10), is_linked).expect("the rules hold"), "nobody else may come");
}

/// `newConnTracker` did not keep the window that it was given.
#[test]
fn cometbft_conn_tracker_the_limit_of_an_address_lasts() {
    let (world, node, _) = crowded();
    let stats = world.host(node).expect("it lives").stats();
    let settings = world.host(node).expect("it lives").settings();
    let most = u64::from(settings.accept_ip_burst) + 1;
    // All but those were closed without a handshake, and none of the rest has come to its end.
    assert!(stats.arrivals_refused >= 100 - most, "{} of 100 were refused", stats.arrivals_refused);
}

/// Metrics of the priority queue labelled bytes with the channel of the message that was queued last.
#[test]
fn cometbft_pqueue_what_is_sent_is_counted_where_it_went() {
    let mut star = Star::new(1, 2, Way::Up, |_| {});
    let channel = ChannelId(0x10);
    let before = [star.link_stats(0), star.link_stats(1)];
    (0..30).for_each(|_| star.world.send(star.hub, star.links[0], channel, &[1; 1_000]).expect("room"));
    star.world.send(star.hub, star.links[1], channel, &[1; 10]).expect("room");
    star.world.run_for(Duration::from_secs(1)).expect("the rules hold");
    let sent = |leaf: usize| star.link_stats(leaf).messages_out - before[leaf].messages_out;
    assert_eq!([sent(0), sent(1)], [30, 1]);
    assert!(star.link_stats(0).bytes_out - before[0].bytes_out > 30_000);
    assert!(star.link_stats(1).bytes_out - before[1].bytes_out < 1_000);
    assert_eq!(star.leaf_events(1).iter().filter(|event| matches!(event, Event::Message(_))).count(), 1);
}
