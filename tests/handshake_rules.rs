//! What an authenticated peer may not do: each broken rule ends the link with its reason, and no plaintext can do more than that.

mod handshake_support;

use bowline::base::channel::{ChannelId, Kind};
use bowline::base::limits::REQUESTS_DEFAULT;
use bowline::base::reason::CloseReason;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::flow::batch::Pending;
use bowline::session::dialect::{Dialect, Signal};
use bowline::session::local::Profile;
use bowline::wire::hello::Hello;
use bowline::wire::nack::{NACK_BYTES_MAX, Nack};
use bowline::wire::segment::{self, Head};
use handshake_support::rogue::Rogue;
use handshake_support::{End, Script, address, channels, local, profile};

const DATA: u8 = 0;
const HELLO: u8 = 1;
const PING: u8 = 2;
const PONG: u8 = 3;
const ACK: u8 = 4;
const NACK: u8 = 5;
const CLOSE: u8 = 6;

fn acceptor() -> End {
    let local = local(Profile { channels: channels(), ..profile(2) });
    End::acceptor(&local, address("198.51.100.7:51234"), Script::seeded(1))
}

fn dialer() -> End {
    let local = local(Profile { channels: channels(), ..profile(2) });
    End::dialer(&local, address("203.0.113.9:9732"), None, Script::seeded(1))
}

/// The Hello of a node with the test's channels, except the last one.
fn hello() -> Hello {
    let local = local(Profile { channels: channels()[..2].to_vec(), ..profile(3) });
    local.profile.hello.clone()
}

fn opened() -> (Rogue, End) {
    let mut end = acceptor();
    (Rogue::open_with(&mut end, hello()), end)
}

fn first(channel: u16, kind: Kind, total: u32, bytes: &[u8]) -> Vec<u8> {
    part(channel, kind, total, bytes, true, false)
}

fn part(channel: u16, kind: Kind, total: u32, bytes: &[u8], is_first: bool, is_last: bool) -> Vec<u8> {
    let mut out = Vec::new();
    segment::write(&mut out, Head { channel: ChannelId(channel), kind, request: 3, total, is_first, is_last }, bytes);
    out
}

fn whole(channel: u16, bytes: &[u8]) -> Vec<u8> {
    part(channel, Kind::Message, 0, bytes, true, true)
}

fn of_kind(channel: u16, kind: Kind, request: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let head = Head { channel: ChannelId(channel), kind, request, total: 0, is_first: true, is_last: true };
    segment::write(&mut out, head, bytes);
    out
}

fn credit(channel: u16, bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    segment::write_credit(&mut out, ChannelId(channel), bytes);
    out
}

#[test]
fn every_broken_rule_has_its_reason() {
    use CloseReason::*;
    let message = Kind::Message;
    let cases: Vec<(&str, u8, Vec<u8>, CloseReason)> = vec![
        ("no segment", DATA, vec![], BadSegment),
        ("half a header", DATA, vec![3, 0, 0x20], BadSegment),
        ("a reserved flag", DATA, vec![0x83, 0, 0x20, 0, 0], BadSegment),
        ("a kind that is none", DATA, vec![0x1b, 0, 0x20, 0, 0], BadSegment),
        ("a length beyond the record", DATA, vec![3, 0, 0x20, 0, 9, 1], BadSegment),
        ("a good segment, then rubbish", DATA, [whole(0x20, b"x"), vec![0]].concat(), BadSegment),
        ("an unknown channel", DATA, whole(0x99, b"x"), UnknownChannel),
        ("a channel that only we have", DATA, whole(0x1234, b"x"), UnknownChannel),
        ("credit for an unknown channel", DATA, credit(0x99, 1), UnknownChannel),
        ("credit for nothing", DATA, credit(0x20, 0), BadSegment),
        ("credit that was not used", DATA, credit(0x20, 1), BadSegment),
        ("credit that overflows", DATA, credit(0x20, u32::MAX), BadSegment),
        ("a message too big", DATA, first(0x20, message, (1 << 20) + 1, b"x"), MessageTooBig),
        ("PEX too big", DATA, first(0, message, 64_001, b"x"), MessageTooBig),
        ("more than the credit", DATA, whole(0x21, &[0; 4_092]), CreditExceeded),
        ("a part without beginning", DATA, part(0x20, message, 0, b"x", false, true), BadSegment),
        ("two beginnings", DATA, first(0x20, message, 9, b"x").repeat(2), BadSegment),
        ("a whole one inside another", DATA, [first(0x20, message, 9, b"x"), whole(0x20, b"y")].concat(), BadSegment),
        (
            "more than the total",
            DATA,
            [first(0x20, message, 3, b"x"), part(0x20, message, 0, b"xyz", false, true)].concat(),
            BadSegment,
        ),
        (
            "an end before the total",
            DATA,
            [first(0x20, message, 9, b"x"), part(0x20, message, 0, b"y", false, true)].concat(),
            BadSegment,
        ),
        (
            "the total without an end",
            DATA,
            [first(0x20, message, 2, b"x"), part(0x20, message, 0, b"y", false, false)].concat(),
            BadSegment,
        ),
        (
            "another kind in the middle",
            DATA,
            [first(0x20, Kind::Request, 3, b"x"), part(0x20, Kind::Response, 0, b"y", false, false)].concat(),
            BadSegment,
        ),
        ("a second hello", HELLO, vec![], BadRecord),
        ("an ack from a dialer", ACK, vec![], BadRecord),
        ("a ping of seven bytes", PING, vec![0; 7], BadRecord),
        ("a pong that nobody asked for", PONG, vec![0; 8], BadRecord),
        ("a close of three bytes", CLOSE, vec![0; 3], BadRecord),
        ("a nack that is none", NACK, vec![9], BadRecord),
        ("a type that is none", 7, vec![], BadRecord),
        ("a type far away", 255, vec![0; 40], BadRecord),
    ];
    let count = cases.len();
    for (what, kind, body, reason) in cases {
        let (mut rogue, mut end) = opened();
        rogue.listen(&mut end);
        rogue.say(&mut end, kind, &body);
        assert_eq!(end.error, Some(reason), "{what}");
        assert_eq!(rogue.listen(&mut end), [(CLOSE, reason.code().to_be_bytes().to_vec())], "{what}: a goodbye with the reason");
        assert!(!end.session.wants_write() && end.session.deadline().is_none(), "{what}");
        let mut again = rogue.sealed(DATA, &whole(0x20, b"later"));
        end.deliver(Time::ZERO, &again.split_off(0));
        assert_eq!(end.error, Some(reason), "{what}: the first error stays");
    }
    println!("{count} broken rules");
}

#[test]
fn credit_is_counted_to_the_byte() {
    let (mut rogue, mut end) = opened();
    end.is_taking = false;
    rogue.listen(&mut end);
    rogue.say(&mut end, DATA, &whole(0x21, &[0; 4_091]));
    assert_eq!((end.error, end.received.len()), (None, 1));
    assert_eq!(rogue.listen(&mut end), [], "nothing is granted before the application took it");
    end.take_all();
    assert_eq!(rogue.listen(&mut end), [(DATA, credit(0x21, 4_096))]);
    rogue.say(&mut end, DATA, &whole(0x21, &[0; 4_000]));
    rogue.say(&mut end, DATA, &whole(0x21, &[0; 86]));
    assert_eq!(end.error, None);
    rogue.say(&mut end, DATA, &whole(0x21, b""));
    assert_eq!(end.error, Some(CloseReason::CreditExceeded));
}

#[test]
fn small_grants_gather_until_a_quarter_of_the_window() {
    let (mut rogue, mut end) = opened();
    rogue.listen(&mut end);
    let mut body = Vec::new();
    (0..10).for_each(|_| body.extend(whole(0x21, &[0; 97])));
    rogue.say(&mut end, DATA, &body);
    assert_eq!(rogue.listen(&mut end), [], "1,020 of 4,096 bytes");
    rogue.say(&mut end, DATA, &whole(0x21, b""));
    assert_eq!(rogue.listen(&mut end), [(DATA, credit(0x21, 1_025))]);
    // A grant that nothing stands for is not passed on.
    end.session.grant(ChannelId(0x21), 4_000);
    end.session.grant(ChannelId(0x99), 4_000);
    assert!(!end.session.wants_write());
}

#[test]
fn a_peer_that_has_hardly_any_credit_left_gets_the_least() {
    let (mut rogue, mut end) = opened();
    end.is_taking = false;
    rogue.listen(&mut end);
    rogue.say(&mut end, DATA, &[whole(0x21, &[0; 95]), whole(0x21, &[0; 3_900])].concat());
    end.session.grant(ChannelId(0x21), 100);
    assert_eq!(rogue.listen(&mut end), [(DATA, credit(0x21, 100))]);
}

#[test]
fn what_we_may_send_is_what_the_peer_grants() {
    let (mut rogue, mut end) = opened();
    rogue.listen(&mut end);
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &[1; 10_000]);
    end.give(3, &mut pending);
    let records = rogue.listen(&mut end);
    assert_eq!(records.iter().map(|record| record.1.len()).sum::<usize>(), 4_096);
    assert!(!end.session.wants_write());
    // Too little for a piece that is worth its header; together they are enough.
    rogue.say(&mut end, DATA, &credit(0x21, 1_000));
    assert!(!end.session.wants_write());
    rogue.say(&mut end, DATA, &credit(0x21, 500));
    assert_eq!(rogue.listen(&mut end)[0].1.len(), 1_500);
}

#[test]
fn requests_beyond_the_channels_number_end_the_link() {
    let request = |id: u32| of_kind(0x21, Kind::Request, id, b"?");
    let (mut rogue, mut end) = opened();
    (1..=REQUESTS_DEFAULT).for_each(|id| rogue.say(&mut end, DATA, &request(id)));
    assert_eq!(end.error, None);
    // One is answered, one is taken back: two more may come.
    let mut pending = Pending::default();
    pending.push(Kind::Response, 3, b"!");
    end.give(3, &mut pending);
    rogue.listen(&mut end);
    rogue.say(&mut end, DATA, &of_kind(0x21, Kind::Cancel, 4, b""));
    (3..=4).for_each(|id| rogue.say(&mut end, DATA, &request(id)));
    assert_eq!(end.error, None);
    rogue.say(&mut end, DATA, &request(99));
    assert_eq!(end.error, Some(CloseReason::TooManyRequests));

    let (mut rogue, mut end) = opened();
    (0..2).for_each(|_| rogue.say(&mut end, DATA, &request(7)));
    assert_eq!(end.error, Some(CloseReason::TooManyRequests), "one number for two");
}

#[test]
fn what_is_said_to_requests_is_checked() {
    for (kind, body, expected) in [
        (Kind::Error, &b"\0\0\0"[..], Some(CloseReason::BadSegment)),
        (Kind::Error, b"\0\0\0\x07\xff", Some(CloseReason::BadSegment)),
        (Kind::Error, &[b'x'; 261], Some(CloseReason::BadSegment)),
        (Kind::Error, b"\0\0\0\x07no", None),
        (Kind::Cancel, b"x", Some(CloseReason::BadSegment)),
        (Kind::Cancel, b"", None),
        // An answer that nobody waits for is dropped above, without harm.
        (Kind::Response, b"late", None),
    ] {
        let (mut rogue, mut end) = opened();
        rogue.say(&mut end, DATA, &of_kind(0x21, kind, 7, body));
        assert_eq!(end.error, expected, "{kind:?} {body:?}");
    }
}

#[test]
fn a_flood_of_control_ends_the_link() {
    let (mut rogue, mut end) = opened();
    (0..5).for_each(|_| rogue.say(&mut end, PING, &[1; 8]));
    assert_eq!(end.error, None);
    assert_eq!(rogue.listen(&mut end).iter().filter(|record| record.0 == PONG).count(), 1, "pongs coalesce");
    rogue.say(&mut end, PING, &[1; 8]);
    assert_eq!(end.error, Some(CloseReason::ControlFlood));

    let (mut rogue, mut end) = opened();
    rogue.say(&mut end, DATA, &whole(0x00, b"\x0a\x00").repeat(100));
    assert_eq!((end.error, end.control.len()), (None, 100));
    rogue.say(&mut end, DATA, &whole(0x01, b"x"));
    assert_eq!(end.error, Some(CloseReason::ControlFlood));

    let (mut rogue, mut end) = opened();
    rogue.say(&mut end, DATA, &whole(0x00, b"").repeat(10_000));
    assert_eq!((end.error, end.intake.control.len()), (Some(CloseReason::ControlFlood), 100));
}

#[test]
fn lengths_of_records_are_checked_before_anything_else() {
    for length in [0_u16, 1, 15, 16, 40_017, 65_535] {
        let local = local(Profile { frame_max: 40_000, ..profile(2) });
        let mut end = End::acceptor(&local, address("198.51.100.7:51234"), Script::seeded(1));
        let mut rogue = Rogue::open_with(&mut end, hello());
        rogue.listen(&mut end);
        end.deliver(Time::ZERO, &length.to_be_bytes());
        assert_eq!(end.error, Some(CloseReason::Forged), "{length}");
        assert_eq!(rogue.listen(&mut end), [], "without a word");
    }
    let (mut rogue, mut end) = opened();
    rogue.listen(&mut end);
    end.deliver(Time::ZERO, &[255, 255]);
    assert_eq!(end.error, None, "the largest length that there is waits for its bytes");
}

#[test]
fn greetings_that_break_a_rule_are_refused() {
    let good = hello().encode().expect("valid");
    let other = Hello { network: "another".into(), ..hello() }.encode().expect("valid");
    for (kind, body, reason) in [
        (HELLO, vec![0xff], CloseReason::BadHello),
        (HELLO, other.clone(), CloseReason::WrongNetwork),
        (ACK, good.clone(), CloseReason::BadRecord),
        (NACK, Nack { motive: None, alternatives: vec![] }.encode(NACK_BYTES_MAX), CloseReason::BadRecord),
        (DATA, whole(0x20, b"early"), CloseReason::BadRecord),
        (PING, vec![0; 8], CloseReason::BadRecord),
        (CLOSE, vec![0, 1], CloseReason::BadRecord),
    ] {
        let mut end = acceptor();
        let mut rogue = Rogue::dial(&mut end, hello());
        rogue.say(&mut end, kind, &body);
        assert_eq!((end.error, end.is_open()), (Some(reason), false), "{kind}");
        let nack = Nack { motive: Some(reason), alternatives: vec![] }.encode(NACK_BYTES_MAX);
        assert_eq!(rogue.listen(&mut end), [(NACK, nack)]);
    }
    for (kind, body, reason) in [
        (ACK, vec![0xff], CloseReason::BadHello),
        (ACK, other, CloseReason::WrongNetwork),
        (HELLO, good, CloseReason::BadRecord),
        (DATA, whole(0x20, b"early"), CloseReason::BadRecord),
        (CLOSE, vec![0, 1], CloseReason::BadRecord),
    ] {
        let mut end = dialer();
        let mut rogue = Rogue::answer(&mut end, hello());
        rogue.say(&mut end, kind, &body);
        assert_eq!((end.error, end.is_open()), (Some(reason), false), "{kind}");
    }
}

#[test]
fn a_dialer_that_dislikes_the_answer_may_refuse_but_only_at_once() {
    let nack = Nack { motive: Some(CloseReason::Banned), alternatives: vec!["h:1".parse().expect("an address")] };
    let (mut rogue, mut end) = opened();
    rogue.say(&mut end, NACK, &nack.encode(NACK_BYTES_MAX));
    assert_eq!(end.error, Some(CloseReason::Nacked));
    let told = end.signals.last();
    assert!(
        matches!(told, Some(Signal::Told { motive: Some(CloseReason::Banned), alternatives }) if alternatives.len() == 1),
        "{told:?}"
    );
    let (mut rogue, mut end) = opened();
    rogue.say(&mut end, DATA, &whole(0x20, b"first"));
    rogue.say(&mut end, NACK, &nack.encode(NACK_BYTES_MAX));
    assert_eq!(end.error, Some(CloseReason::BadRecord));
}

#[test]
fn data_that_comes_with_the_hello_waits_for_the_verdict() {
    let mut end = acceptor();
    end.verdict = None;
    let mut rogue = Rogue::dial(&mut end, hello());
    let mut bytes = rogue.sealed(HELLO, &rogue.hello.encode().expect("valid"));
    bytes.extend(rogue.sealed(DATA, &whole(0x20, b"early")));
    end.deliver(Time::ZERO, &bytes);
    assert!(end.session.is_waiting() && end.received.is_empty() && !end.inbox.is_empty());
    end.judge(Time::ZERO, bowline::base::verdict::Verdict::Admit).expect("waited for");
    end.deliver(Time::ZERO, &[]);
    assert_eq!(end.received, [(ChannelId(0x20), Kind::Message, 0, b"early".to_vec())]);
}

/// A record of random segments: mostly the ones that may come next (`left` remembers what each channel's message lacks), now and then any
/// other, and sometimes with a byte changed.
fn random_body(rng: &mut Rng, left: &mut [usize; 4]) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..1 + rng.below(5) {
        let lane = rng.index(4);
        let channel = if rng.below(1_000) > 0 { [0x20, 0x21, 0x00, 0x01][lane] } else { [0x1234, 0x99][rng.index(2)] };
        let mut bytes = vec![0; 1 + rng.index(300)];
        rng.fill(&mut bytes);
        let total = rng.below(600) as u32;
        if rng.below(500) == 0 {
            let kind = [Kind::Message, Kind::Request, Kind::Cancel][rng.index(3)];
            body.extend(part(channel, kind, total, &bytes, rng.percent(50), rng.percent(50)));
        } else if rng.below(500) == 0 {
            body.extend(credit(channel, rng.below(5_000) as u32));
        } else if left[lane] > 0 {
            bytes.truncate(left[lane]);
            left[lane] -= bytes.len();
            body.extend(part(channel, Kind::Message, 0, &bytes, false, left[lane] == 0));
        } else if (total as usize) > bytes.len() {
            left[lane] = total as usize - bytes.len();
            body.extend(first(channel, Kind::Message, total, &bytes));
        } else {
            body.extend(whole(channel, &bytes));
        }
    }
    if rng.percent(2) {
        let at = rng.index(body.len());
        body[at] ^= 1 << rng.below(8);
    }
    if rng.percent(1) {
        body.truncate(rng.index(body.len() + 1));
    }
    body
}

#[test]
fn no_plaintext_makes_a_session_panic() {
    let mut rng = Rng::from_seed(2_026);
    let (mut links, mut records, mut messages) = (0, 0, 0);
    let mut ends = std::collections::BTreeMap::new();
    while records < 30_000 {
        let (mut rogue, mut end) = opened();
        links += 1;
        end.is_taking = rng.percent(80);
        let mut left = [0; 4];
        while end.error.is_none() && records < 30_000 {
            records += 1;
            let kind = if rng.below(500) > 0 { DATA } else { rng.below(9) as u8 };
            let body =
                if rng.below(500) > 0 { random_body(&mut rng, &mut left) } else { vec![rng.below(256) as u8; rng.index(100)] };
            rogue.say(&mut end, kind, &body);
            if rng.percent(10) {
                end.take_all();
                let _ = rogue.listen(&mut end);
            }
        }
        messages += end.received.len();
        *ends.entry(format!("{:?}", end.error)).or_insert(0) += 1;
    }
    println!("{records} records on {links} links, {messages} messages, ends {ends:?}");
    assert!(messages > 1_000 && ends.len() > 5, "the generator reaches the depths: {messages} {ends:?}");
}

#[test]
fn no_stream_makes_a_fresh_session_panic() {
    let mut rng = Rng::from_seed(7);
    for round in 0..3_000 {
        let mut end = if round % 2 == 0 { acceptor() } else { dialer() };
        let mut bytes = vec![0; rng.index(600)];
        rng.fill(&mut bytes);
        if round % 3 == 0 {
            let start: &[u8] = if round % 2 == 0 { b"BOWLINE1\x01\x01" } else { &[2, 1, 0, 0] };
            let len = start.len().min(bytes.len());
            bytes[..len].copy_from_slice(&start[..len]);
        }
        for piece in bytes.chunks(1 + rng.index(200)) {
            end.deliver(Time::ZERO, piece);
        }
        assert!(!end.is_open() && !end.signals.iter().any(|signal| matches!(signal, Signal::Introduced { .. })));
    }
}
