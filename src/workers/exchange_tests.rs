//! Tests of the exchange machine: who is asked when, what is answered, and what costs a peer its link.

use super::super::testbed::{at, hello_of, ms, peer, policy};
use super::*;
use crate::base::link_id::LinkIds;
use crate::base::quota::Quota;
use crate::bus::report::Control;
use crate::pool::policy::Policy;
use crate::wire::pex::PexAddress;
use std::sync::Arc;

struct Bench {
    pool: Pool,
    ids: LinkIds,
    rng: Rng,
    machine: Exchange,
}

impl Bench {
    fn new(policy: Policy) -> Bench {
        let ids = LinkIds::default();
        let pool = Pool::new(peer(0), policy, ids.clone());
        Bench { pool, ids, rng: Rng::from_seed(2), machine: Exchange::new(Rng::from_seed(3)) }
    }

    fn inbound(&mut self, now: Time, number: usize, hello: Arc<Hello>) -> LinkId {
        let link = self.ids.next();
        self.pool.claim_arrival(now, link, at(number)).expect("may come");
        self.pool.introduce(now, link, peer(number), &hello, &mut self.rng);
        self.pool.open(now, link);
        link
    }

    fn outbound(&mut self, now: Time, number: usize) -> LinkId {
        let link = self.pool.claim_dial(now, at(number), None, Purpose::Asked { tag: Some(0) }).expect("may dial");
        self.pool.recognise(now, link, peer(number));
        self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
        self.pool.open(now, link);
        link
    }

    fn close(&mut self, now: Time, link: LinkId) {
        self.pool.close(now, link, CloseReason::Reset, None, &[], &mut self.rng);
    }

    fn wake(&mut self, now: Time) -> Outbox {
        let mut out = Outbox::default();
        self.machine.wake(now, &mut self.pool, &mut out);
        out
    }

    fn hear(&mut self, now: Time, link: LinkId, from: usize, body: Vec<u8>) -> Outbox {
        let (channel, kind) = (ChannelId::PEX, Kind::Message);
        self.control(now, Control { link, peer: peer(from), channel, kind, request: 0, body: body.into() })
    }

    fn control(&mut self, now: Time, control: Control) -> Outbox {
        let mut out = Outbox::default();
        self.machine.handle(now, Said::decode(control).into(), &mut self.pool, &mut out);
        out
    }
}

/// PEX messages said, with their links.
fn said(out: &Outbox) -> Vec<(LinkId, PexMessage)> {
    let decode = |command: &Command| match command {
        Command::Say { link, channel: ChannelId::PEX, body, .. } => {
            Some((*link, PexMessage::decode(body).expect("ours are valid").message))
        }
        _ => None,
    };
    out.commands.iter().filter_map(decode).collect()
}

/// An address in a private network of thousands.
fn far(number: usize) -> std::net::SocketAddr {
    std::net::SocketAddr::from(([10, 200, (number / 256) as u8, (number % 256) as u8], 9_732))
}

/// How many answers are among them.
fn answers(out: &Outbox) -> usize {
    said(out).iter().filter(|(_, message)| matches!(message, PexMessage::Response(_) | PexMessage::ResponseV2(_))).count()
}

fn closes(out: &Outbox) -> Vec<CloseReason> {
    let reason = |command: &Command| if let Command::Close { reason, .. } = command { Some(*reason) } else { None };
    out.commands.iter().filter_map(reason).collect()
}

/// An answer with addresses of these nodes.
fn answer(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let entry = |number| PexAddress { address: Address::of(at(number), Some(peer(number))), capabilities: Vec::new() };
    PexMessage::ResponseV2(numbers.map(entry).collect()).encode()
}

#[test]
fn a_new_peer_is_asked_at_once_and_what_it_tells_is_dialed() {
    let mut bench = Bench::new(policy());
    assert!(said(&bench.wake(ms(0))).is_empty());
    let link = bench.outbound(ms(10), 1);
    assert_eq!(said(&bench.wake(ms(10))), [(link, PexMessage::RequestV2)]);
    assert!(said(&bench.wake(ms(11))).is_empty(), "one request at a time");
    let out = bench.hear(ms(20), link, 1, answer(50..60));
    assert!(out.nudge_maintenance && closes(&out).is_empty());
    assert_eq!(bench.pool.points().len(), 11);
}

#[test]
fn an_address_with_a_malformed_capability_is_left_out_and_costs_nothing_else() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(10), 1);
    bench.wake(ms(10));
    let url = |number: usize| format!("bowline://{}", at(number));
    let entry = |number: usize, name: &str| {
        let (url, inner) = (url(number), 2 + name.len());
        let head = [&[0x0a, url.len() as u8][..], url.as_bytes(), &[0x12, inner as u8, 0x0a, name.len() as u8]].concat();
        let address = [&head[..], name.as_bytes()].concat();
        [&[0x0a, address.len() as u8][..], &address].concat()
    };
    let entries = [entry(50, "archive"), entry(51, "\n")].concat();
    let out = bench.hear(ms(20), link, 1, [&[0x22, entries.len() as u8][..], &entries].concat());
    assert!(closes(&out).is_empty() && out.nudge_maintenance);
    assert!(bench.pool.points().get(at(50)).is_some_and(|point| point.has("archive")));
    assert!(bench.pool.points().get(at(51)).is_none());
}

#[test]
fn capabilities_of_known_addresses_are_news_while_a_quota_is_short() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    let archive = Capability { name: "archive".to_owned(), value: 1 };
    let told = |bench: &mut Bench, now| {
        bench.wake(now);
        let entry = PexAddress { address: Address::of(at(50), Some(peer(50))), capabilities: vec![archive.clone()] };
        bench.hear(now, link, 1, PexMessage::ResponseV2(vec![entry]).encode()).nudge_maintenance
    };
    let quota = |bench: &mut Bench, quota| bench.pool.set_quota("archive", quota).expect("it fits");
    assert!(told(&mut bench, ms(0)), "a new address");
    assert!(!told(&mut bench, ms(60_000)), "nobody wants it");
    quota(&mut bench, Some(Quota::Count(1)));
    assert!(told(&mut bench, ms(120_000)));
    quota(&mut bench, None);
    assert!(!told(&mut bench, ms(180_000)));
}

#[test]
fn what_breaks_the_rules_closes_the_link() {
    let cases: [(Vec<u8>, CloseReason); 6] = [
        (answer(50..51), CloseReason::PexUnsolicited),
        (vec![0xff], CloseReason::PexMalformed),
        (vec![], CloseReason::UnknownMessage),
        (vec![0x2a, 0], CloseReason::UnknownMessage),
        ([&[0x22, 202, 1][..], &[0x0a, 0].repeat(101)].concat(), CloseReason::PexTooMany),
        // One address with 33 capabilities.
        ([&[0x22, 68, 0x0a, 66][..], &[0x12, 0].repeat(33)].concat(), CloseReason::PexMalformed),
    ];
    for (body, reason) in cases {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        let out = bench.hear(ms(0), link, 1, body.clone());
        assert_eq!(closes(&out), [reason], "{body:?}");
        assert!(bench.hear(ms(1), link, 1, body).commands.is_empty(), "closed once");
    }
    for (channel, kind) in [(ChannelId::PEX, Kind::Request), (ChannelId(5), Kind::Message), (ChannelId::DISCOVER, Kind::Message)]
    {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        let control = Control { link, peer: peer(1), channel, kind, request: 0, body: Bytes::new() };
        assert_eq!(closes(&bench.control(ms(0), control)), [CloseReason::UnknownMessage]);
    }
}

#[test]
fn a_second_answer_to_one_request_is_unsolicited() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    bench.wake(ms(0));
    assert!(closes(&bench.hear(ms(1), link, 1, answer(50..51))).is_empty());
    assert_eq!(closes(&bench.hear(ms(2), link, 1, answer(50..51))), [CloseReason::PexUnsolicited]);
}

#[test]
fn who_owes_an_answer_is_asked_again_once_it_has_surely_had_the_request() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    assert_eq!(said(&bench.wake(ms(0))).len(), 1);
    assert!(said(&bench.wake(ms(119_000))).is_empty(), "two ping timeouts");
    assert_eq!(said(&bench.wake(ms(120_000))), [(link, PexMessage::RequestV2)]);
    assert!(said(&bench.wake(ms(239_999))).is_empty());
    assert_eq!(said(&bench.wake(ms(240_999))), [(link, PexMessage::RequestV2)], "it looks again after a second");
    // As many answers as are owed, however late, and no more.
    for now in [300_000, 300_001, 300_002] {
        assert!(closes(&bench.hear(ms(now), link, 1, answer(50..51))).is_empty(), "{now}");
    }
    assert_eq!(closes(&bench.hear(ms(300_003), link, 1, answer(50..51))), [CloseReason::PexUnsolicited]);
    // A longer timeout of the operator's holds too.
    let mut bench = Bench::new(Policy { pex_patience: Duration::from_secs(200), ..policy() });
    bench.outbound(ms(0), 1);
    let asked: Vec<usize> = [0, 199_000, 200_000].map(|now| said(&bench.wake(ms(now))).len()).into();
    assert_eq!(asked, [1, 0, 1]);
}

#[test]
fn patience_is_the_timeout_but_never_less_than_two_ping_timeouts() {
    let patience = |timeout: &str, ping: &str| {
        let mut settings =
            crate::settings::table::Settings { discovery_bootstrap: true, ..crate::settings::table::Settings::new("test") };
        settings.set("pex.request_timeout", timeout).expect("in range");
        settings.set("ping.timeout", ping).expect("in range");
        Policy::from(&settings.check().expect("valid")).pex_patience.as_secs()
    };
    assert_eq!([patience("30s", "60s"), patience("150s", "60s"), patience("30s", "10min")], [120, 150, 1_200]);
}

#[test]
fn the_silent_are_asked_when_nobody_better_is_there() {
    let mut bench = Bench::new(Policy { points_short: 0, ..policy() });
    let (silent, other) = (bench.outbound(ms(0), 1), bench.outbound(ms(0), 2));
    let mut asked = BTreeMap::new();
    let mut minutes = |bench: &mut Bench, from: u64, to: u64| {
        asked.clear();
        for second in from * 60..to * 60 {
            for (link, _) in said(&bench.wake(ms(second * 1_000))) {
                *asked.entry(link).or_insert(0) += 1;
                if link == other {
                    bench.hear(ms(second * 1_000), link, 2, answer(50..51));
                }
            }
        }
        [silent, other].map(|link| asked.get(&link).copied().unwrap_or(0))
    };
    let [of_silent, of_other] = minutes(&mut bench, 0, 2);
    assert!(of_silent <= 1 && of_other > 0);
    let [of_silent, of_other] = minutes(&mut bench, 2, 300);
    assert!(of_silent <= 1 && of_other > 10, "{of_silent} {of_other}");
    bench.close(ms(18_000_000), other);
    assert_eq!(minutes(&mut bench, 300, 360)[0], 30, "each two minutes");
}

#[test]
fn requests_faster_than_100_ms_close_the_link_and_a_reconnect_does_not_help() {
    let request = || PexMessage::RequestV2.encode();
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    assert_eq!(said(&bench.hear(ms(0), link, 1, request())).len(), 1 + 1, "an answer, and our own request");
    bench.close(ms(4), link);
    let link = bench.inbound(ms(5), 1, hello_of(1));
    assert!(bench.hear(ms(98), link, 1, request()).commands.is_empty(), "left unanswered: the network may have moved it");
    assert_eq!(closes(&bench.hear(ms(99), link, 1, request())), [CloseReason::PexTooOften]);
    bench.close(ms(99), link);
    let link = bench.inbound(ms(99), 1, hello_of(1));
    let out = bench.hear(ms(100), link, 1, request());
    assert_eq!((closes(&out), answers(&out)), (vec![], 1), "those that were not accepted moved nothing");
    assert_eq!(closes(&bench.hear(ms(199), link, 1, request())), [CloseReason::PexTooOften]);
}

#[test]
fn a_second_request_within_100_ms_closes_the_link() {
    for request in [PexMessage::Request, PexMessage::RequestV2] {
        let mut bench = Bench::new(policy());
        let link = bench.inbound(ms(0), 1, hello_of(1));
        for now in [0, 100, 250] {
            let out = bench.hear(ms(now), link, 1, request.encode());
            assert_eq!((closes(&out), answers(&out)), (vec![], 1), "{now}");
        }
        assert_eq!(closes(&bench.hear(ms(349), link, 1, request.encode())), [CloseReason::PexTooOften]);
    }
}

#[test]
fn no_setting_of_ours_makes_an_offender_of_who_keeps_to_the_protocol() {
    let strict = Policy { pex_request_interval_min: Duration::from_secs(5), pex_addresses_max: 10, ..policy() };
    let mut bench = Bench::new(strict);
    let link = bench.outbound(ms(0), 1);
    bench.wake(ms(0));
    assert!(closes(&bench.hear(ms(1), link, 1, answer(50..150))).is_empty(), "100 addresses are no fault");
    assert_eq!(bench.pool.points().len(), 11, "but no more than 10 are taken");
    for now in [10, 110, 210] {
        let out = bench.hear(ms(now), link, 1, PexMessage::RequestV2.encode());
        assert_eq!((closes(&out), answers(&out)), (vec![], 1), "{now}");
    }
    assert_eq!(closes(&bench.hear(ms(309), link, 1, PexMessage::RequestV2.encode())), [CloseReason::PexTooOften]);
}

#[test]
fn no_setting_of_ours_makes_us_ask_faster_than_the_protocol_allows() {
    let hasty = Policy { pex_request_interval_min: Duration::ZERO, pex_idle_period: Duration::from_millis(1), ..policy() };
    let mut bench = Bench::new(hasty);
    let link = bench.outbound(ms(0), 1);
    let mut asked_at = Vec::new();
    for now in 0..2_000 {
        if !said(&bench.wake(ms(now))).is_empty() {
            asked_at.push(now);
            bench.hear(ms(now), link, 1, answer(50 + asked_at.len()..51 + asked_at.len()));
        }
    }
    assert!(asked_at.len() > 1 && asked_at.windows(2).all(|two| two[1] - two[0] >= 200), "{asked_at:?}");
}

#[test]
fn nothing_to_tell_is_told() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(ms(0), 1, Arc::new(Hello::default()));
    for (now, request, empty) in
        [(0, PexMessage::Request, PexMessage::Response(vec![])), (500, PexMessage::RequestV2, PexMessage::ResponseV2(vec![]))]
    {
        assert!(said(&bench.hear(ms(now), link, 1, request.encode())).contains(&(link, empty)), "{now}");
    }
    // And it is an answer: who gives it owes none.
    bench.wake(ms(1_000));
    assert!(closes(&bench.hear(ms(1_001), link, 1, PexMessage::Response(vec![]).encode())).is_empty());
    assert_eq!(said(&bench.wake(ms(700_000))), [(link, PexMessage::Request)]);
}

#[test]
fn refused_addresses_count_as_heard() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    bench.wake(ms(0));
    // Three new ones; beside them our own identity, one that cannot be dialed, and one that is known.
    let urls = ["10.9.0.1:1", "10.9.0.2:1", "10.9.0.3:1", "255.255.255.255:1", "mconn://10.9.0.1:1"].map(str::to_owned);
    let urls = urls.into_iter().chain([format!("{}@10.9.0.9:1", peer(0)), at(1).to_string()]);
    let entry = |url: String| PexAddress { address: url.parse().expect("an address"), capabilities: Vec::new() };
    bench.hear(ms(1), link, 1, PexMessage::ResponseV2(urls.map(entry).collect()).encode());
    assert_eq!((bench.machine.total, bench.machine.new), (7, 3));
}

#[test]
fn the_asked_peer_is_drawn_uniformly() {
    const DRAWS: u64 = 10_000;
    let mut bench = Bench::new(Policy { points_short: 0, ..policy() });
    let mut links: BTreeMap<LinkId, (usize, u64)> = BTreeMap::new();
    for number in 1..=10 {
        let now = ms(number as u64 * 10);
        let link = if number % 2 == 0 { bench.outbound(now, number) } else { bench.inbound(now, number, hello_of(number)) };
        links.insert(link, (number, 0));
    }
    for draw in 1..=DRAWS {
        let asked = said(&bench.wake(ms(draw * 700_000)));
        let [(link, _)] = asked[..] else { panic!("one at a time: {asked:?}") };
        let (number, count) = links.get_mut(&link).expect("a link");
        *count += 1;
        bench.hear(ms(draw * 700_000 + 1), link, *number, PexMessage::ResponseV2(vec![]).encode());
    }
    // Chi squared of 9 degrees of freedom: above 27.9 once in 1,000.
    let chi: f64 = links.values().map(|(_, count)| (*count as f64 - 1_000.0).powi(2) / 1_000.0).sum();
    assert!(chi < 27.9, "{chi}: {links:?}");
}

#[test]
fn one_peer_that_never_answers_stops_no_exchange() {
    let mut bench = Bench::new(policy());
    let links: Vec<LinkId> = (1..=20).map(|number| bench.outbound(ms(0), number)).collect();
    let mut asked = [0; 20];
    let mut told = 100;
    for now in 0..20_000 {
        if bench.machine.deadline().is_some_and(|at| at > ms(now)) {
            continue;
        }
        for (link, _) in said(&bench.wake(ms(now))) {
            let who = links.iter().position(|known| *known == link).expect("a link");
            asked[who] += 1;
            if who > 0 {
                told += 1;
                bench.hear(ms(now), link, who + 1, answer(told..told + 1));
            }
        }
    }
    assert_eq!(asked[0], 1, "it owes an answer");
    assert!(asked[1..].iter().all(|count| *count > 5), "{asked:?}");
}

#[test]
fn steady_questions_do_not_put_our_own_off() {
    let requests = |is_questioned: bool| {
        let mut bench = Bench::new(policy());
        let link = bench.outbound(ms(0), 1);
        let other = bench.inbound(ms(0), 2, Arc::new(Hello { is_private: true, ..Hello::default() }));
        let mut count = 0;
        for now in 0..20_000 {
            let mut out = Vec::new();
            if is_questioned && now % 100 == 0 {
                out.extend(said(&bench.hear(ms(now), other, 2, PexMessage::RequestV2.encode())));
            }
            if bench.machine.deadline().is_some_and(|at| at <= ms(now)) {
                out.extend(said(&bench.wake(ms(now))));
            }
            let own = out.iter().filter(|said| **said == (link, PexMessage::RequestV2)).count();
            count += own;
            if own > 0 {
                // Something new each time, so that the interval stays short.
                bench.hear(ms(now), link, 1, answer(100 + count..101 + count));
            }
        }
        count
    };
    let (quiet, questioned) = (requests(false), requests(true));
    assert!(quiet > 15 && questioned.abs_diff(quiet) <= 1, "{quiet} and {questioned}");
}

#[test]
fn a_source_gets_1000_addresses_and_then_6_a_minute() {
    let mut bench = Bench::new(Policy { points_per_source: 100_000, ..policy() });
    let link = bench.outbound(ms(0), 1);
    let mut told = 50;
    let mut tell = |bench: &mut Bench, now: Time, answers: usize| {
        let before = bench.pool.points().len();
        for _ in 0..answers {
            let offers: Vec<Address> = (told..told + 100).map(|number| Address::of(far(number), None)).collect();
            told += 100;
            bench.pool.learn_all(now, offers.iter().map(|offer| (offer, &[][..])), at(1), Some(peer(1)));
        }
        bench.pool.points().len() - before
    };
    assert_eq!(tell(&mut bench, ms(0), 20), 1_000);
    assert_eq!(tell(&mut bench, ms(60_000), 2), 6);
    assert_eq!(tell(&mut bench, ms(60_000), 2), 0, "dropped without a word");
    assert!(bench.pool.slots().get(link).is_some_and(|slot| slot.is_open()));
    let known: Vec<Address> = bench.pool.points().iter().map(|point| point.address()).collect();
    bench.pool.learn_all(ms(120_000), known.iter().map(|offer| (offer, &[][..])), at(1), Some(peer(1)));
    assert_eq!(tell(&mut bench, ms(120_000), 1), 6, "known ones cost nothing");
    // Another peer has an allowance of its own; a whole group of peers has no more than one of them.
    let mut of = |from: &str, who: usize| {
        let offers: Vec<Address> = (0..200)
            .map(|number| format!("{}.{who}.{}.1:1", 20 + number % 50, number / 50).parse().expect("an address"))
            .collect();
        let from = from.parse().expect("an address");
        bench.pool.learn_all(ms(120_000), offers.iter().map(|offer| (offer, &[][..])), from, Some(peer(who)))
    };
    let of_group: usize = (100..110).map(|who| of(&format!("8.8.{who}.1:1"), who)).sum();
    assert!(of_group <= 1_000, "{of_group}");
    assert_eq!(of("8.9.0.1:1", 110), 200);
}

#[test]
fn the_interval_is_that_of_a_literal_model() {
    let mut rng = Rng::from_seed(9);
    let mut bench = Bench::new(policy());
    let mut rounded = 0;
    for _ in 0..100_000 {
        let total = rng.below(20_000);
        let (new, peers) = (rng.below(total + 1), rng.below(60));
        // Go's reactor: float32 arithmetic, then a cut to whole nanoseconds' factor.
        let ratio = (total + 1) as f32 / (new + 1) as f32;
        let factor = (ratio * ratio) as u64;
        let exact = u128::from(total + 1).pow(2) / u128::from(new + 1).pow(2);
        let base = if peers == 0 { 100_000_000 } else { 200_000_000 / peers.min(50) };
        bench.machine.ratio = 0;
        (bench.machine.total, bench.machine.new) = (total, new);
        let interval = bench.machine.interval(peers as usize, &bench.pool);
        assert_eq!(interval, Duration::from_nanos(base * exact as u64).min(Duration::from_secs(600)), "{total} {new} {peers}");
        // Where the two differ, float32 has rounded: to a whole number that the exact ratio does not reach, or by its 24 bits.
        if u128::from(factor) != exact {
            rounded += 1;
            assert!(u128::from(factor).abs_diff(exact) <= 1 + (exact >> 22), "{total} {new}: {factor} instead of {exact}");
        }
    }
    assert!((1..1_000).contains(&rounded), "{rounded} of 100,000 are rounded by float32");
}

#[test]
fn nothing_is_learned_of_a_private_peer() {
    let mut bench = Bench::new(policy());
    let private = Arc::new(Hello { is_private: true, ..(*hello_of(1)).clone() });
    bench.inbound(ms(0), 1, private);
    assert!(bench.pool.points().is_empty(), "not from its Hello");
    let link = bench.outbound(ms(0), 2);
    bench.wake(ms(0));
    bench.hear(ms(1), link, 2, answer(1..2));
    // Hearsay may name its address, but nobody hears it from us.
    let out = bench.hear(ms(500), link, 2, PexMessage::RequestV2.encode());
    assert!(said(&out).contains(&(link, PexMessage::ResponseV2(vec![]))), "{out:?}");
}

#[test]
fn we_keep_the_pace_that_we_expect_across_reconnects_too() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    assert_eq!(said(&bench.wake(ms(0))).len(), 1);
    bench.close(ms(1), link);
    bench.inbound(ms(2), 1, hello_of(1));
    assert!(said(&bench.wake(ms(2))).is_empty());
    assert!(said(&bench.wake(ms(199))).is_empty());
    let next = bench.machine.deadline().expect("it has one");
    assert_eq!(next, ms(200), "twice the allowed interval");
    assert_eq!(said(&bench.wake(next)).len(), 1);
}

#[test]
fn a_request_that_was_long_under_way_does_not_bring_the_next_too_close_behind_it() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    assert_eq!(said(&bench.wake(ms(0))), [(link, PexMessage::RequestV2)]);
    // Lost once and sent again by TCP: the peer took it at 300 ms, and closes for whatever comes before 400 ms.
    bench.hear(ms(301), link, 1, answer(50..60));
    assert!(said(&bench.wake(ms(302))).is_empty());
    assert!(said(&bench.wake(ms(400))).is_empty());
    assert_eq!(said(&bench.wake(ms(1_302))), [(link, PexMessage::RequestV2)], "it looks again after a second");
}

#[test]
fn the_answer_is_of_the_type_of_the_request() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    bench.outbound(ms(0), 2);
    let of = |bench: &mut Bench, now, request: PexMessage| {
        let said = said(&bench.hear(ms(now), link, 1, request.encode())).into_iter().map(|(_, message)| message);
        said.into_iter().find(|message| matches!(message, PexMessage::Response(_) | PexMessage::ResponseV2(_)))
    };
    bench.wake(ms(0));
    let address = Address::of(at(2), Some(peer(2)));
    assert_eq!(of(&mut bench, 500, PexMessage::Request), Some(PexMessage::Response(vec![address.clone()])));
    let entry = PexAddress { address, capabilities: Vec::new() };
    assert_eq!(of(&mut bench, 700, PexMessage::RequestV2), Some(PexMessage::ResponseV2(vec![entry])));
}

#[test]
fn peers_without_bowline_addresses_are_asked_with_v1() {
    let mut bench = Bench::new(policy());
    let mconn = Hello { listen: vec!["mconn://10.1.0.1:1".parse().expect("an address")], ..Hello::default() };
    for (number, hello, request) in [
        (1, Arc::new(mconn), PexMessage::Request),
        (2, Arc::new(Hello::default()), PexMessage::Request),
        (3, hello_of(3), PexMessage::RequestV2),
    ] {
        let now = ms(number as u64 * 1_000);
        let link = bench.inbound(now, number, hello);
        assert!(said(&bench.wake(now)).contains(&(link, request)), "{number}");
    }
    let known = Address::of(at(4), Some(peer(4)));
    bench.pool.learn_all(ms(4_000), [(&known, &[][..])].into_iter(), at(1), None);
    let link = bench.inbound(ms(4_000), 4, Arc::new(Hello::default()));
    assert!(said(&bench.wake(ms(4_000))).contains(&(link, PexMessage::RequestV2)), "the book knows a bowline address of it");
}

#[test]
fn private_nodes_neither_ask_nor_answer_nor_are_asked() {
    let mut bench = Bench::new(Policy { is_private: true, is_bootstrap: false, ..policy() });
    let link = bench.outbound(ms(0), 1);
    assert!(said(&bench.wake(ms(0))).is_empty());
    assert!(
        bench
            .hear(ms(0), link, 1, PexMessage::RequestV2.encode())
            .commands
            .iter()
            .all(|c| !matches!(c, Command::Say { channel: ChannelId::PEX, .. }))
    );
    assert_eq!(
        closes(&bench.hear(ms(1), link, 1, PexMessage::RequestV2.encode())),
        [CloseReason::PexTooOften],
        "it polices all the same"
    );
    let mut bench = Bench::new(policy());
    bench.inbound(ms(0), 1, Arc::new(Hello { is_private: true, ..Hello::default() }));
    assert!(said(&bench.wake(ms(0))).is_empty());
}

#[test]
fn the_interval_follows_reactor_v2() {
    let mut bench = Bench::new(policy());
    let mut interval = |total, new, available| {
        (bench.machine.total, bench.machine.new) = (total, new);
        bench.machine.interval(available, &bench.pool)
    };
    assert_eq!(interval(0, 0, 0), Duration::from_millis(100));
    assert_eq!(interval(0, 0, 1), Duration::from_millis(200));
    assert_eq!(interval(100, 100, 10), Duration::from_millis(20));
    assert_eq!(interval(100, 100, 80), Duration::from_millis(4), "50 count");
    assert_eq!(interval(100, 66, 1), Duration::from_millis(400), "(101/67)^2 = 2.27 is cut");
    assert_eq!(interval(100, 0, 50), Duration::from_millis(4 * 10_201));
    assert_eq!(interval(0, 0, 50), Duration::from_millis(4 * 10_201), "nothing heard changes nothing");
    assert_eq!(interval(u64::MAX - 1, 0, 1), Duration::from_secs(600));
    let full = Policy { points_max: 0, ..policy() };
    bench.pool.set_policy(full);
    assert_eq!(bench.machine.interval(3, &bench.pool), Duration::from_secs(600));
}

#[test]
fn without_anybody_to_ask_it_looks_again_after_a_second() {
    let mut bench = Bench::new(policy());
    bench.wake(ms(0));
    assert_eq!(bench.machine.deadline(), Some(ms(1_000)));
}

#[test]
fn messages_of_links_that_are_gone_are_ignored() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    bench.close(ms(1), link);
    assert!(bench.hear(ms(2), link, 1, vec![0xff]).commands.is_empty());
}
