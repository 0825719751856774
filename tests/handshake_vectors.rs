//! The vectors' sessions through the real session code: messages, session ids and records, byte for byte.

mod handshake_support;

use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::peer::hex;
use bowline::base::reason::CloseReason;
use bowline::base::time::Time;
use bowline::crypto::record::{Opener, Suite};
use bowline::crypto::secret::Secret;
use bowline::flow::batch::Pending;
use bowline::session::dialect::{Dialect, Signal};
use bowline::session::local::Profile;
use bowline::wire::hello::Capability;
use bowline::wire::pex::PexMessage;
use bytes::Bytes;
use handshake_support::sessions::{CLAIM, PUZZLE, Vector, turn, vectors};
use handshake_support::{End, Pair};
use std::time::Duration;

/// What the two sides wrote: everything in the order of the turns.
fn transcript(pair: &mut Pair) -> (Vec<u8>, Vec<u8>) {
    pair.run();
    (std::mem::take(&mut pair.a_wrote), std::mem::take(&mut pair.b_wrote))
}

#[test]
fn messages_and_session_ids_agree_with_all_vectors() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 5);
    for vector in &vectors {
        let mut pair = vector.pair();
        let (a_wrote, b_wrote) = transcript(&mut pair);
        assert_eq!((pair.a.error, pair.b.error), (None, None), "{}", vector.name());
        let [m1, m2, m3] = vector.messages();
        // A challenged dialer speaks twice before M2, and the responder answers with 32 bytes more.
        let (skip_a, skip_b) = if vector.has(PUZZLE) { (160, 32) } else { (0, 0) };
        assert_eq!(a_wrote[skip_a..skip_a + 160], m1, "{}: M1", vector.name());
        assert_eq!(b_wrote[skip_b..skip_b + 164], m2, "{}: M2", vector.name());
        assert_eq!(a_wrote[skip_a + 160..skip_a + 288], m3, "{}: M3", vector.name());
        let id = vector.expect().array::<32>("session_id");
        assert_eq!((pair.a.session.session_id(), pair.b.session.session_id()), (Some(&id), Some(&id)));
        assert_eq!(pair.a.session.version().map(u64::from), Some(vector.number("chosen")));
        let ids = ["r_pk", "i_pk"].map(|name| Some(vector.expect().array::<32>(name)));
        assert_eq!([&pair.a, &pair.b].map(|end| end.session.peer().map(|peer| *peer.as_bytes())), ids);
        check_signals(vector, &pair);
    }
    println!("{} sessions: messages, session ids, versions and peers agree", vectors.len());
}

fn check_signals(vector: &Vector, pair: &Pair) {
    let is_claim = pair.b.signals.iter().any(|signal| matches!(signal, Signal::Recognised { is_claim: true, .. }));
    assert_eq!(is_claim, vector.has(CLAIM));
    let observed = |end: &End| {
        end.signals.iter().find_map(|signal| match signal {
            Signal::Introduced { observed, .. } => *observed,
            _ => None,
        })
    };
    let ip = |name: &str| std::net::Ipv6Addr::from(vector.array::<16>(name)).to_canonical();
    let (seen_a, seen_b) = (observed(&pair.a).expect("in M2"), observed(&pair.b).expect("in M3"));
    assert_eq!((seen_a.ip(), u64::from(seen_a.port())), (ip("i_ip"), vector.number("i_port")));
    assert_eq!(seen_b.ip(), ip("r_ip"));
}

/// The vectors' keys open what the sessions seal, through two changes of the key, and their frames are among it.
#[test]
fn records_are_sealed_with_the_keys_of_the_vectors() {
    let mut records = 0;
    for vector in vectors() {
        let mut pair = vector.pair();
        let (mut a_wrote, mut b_wrote) = transcript(&mut pair);
        let (skip_a, skip_b) = if vector.has(PUZZLE) { (448, 196) } else { (288, 164) };
        for turn in 0..2_100 {
            for end in [&mut pair.a, &mut pair.b] {
                let mut pending = Pending::default();
                pending.push(Kind::Message, 0, b"a record");
                end.give(2, &mut pending);
            }
            let (to_b, to_a) = transcript(&mut pair);
            assert_eq!((pair.a.error, pair.b.error), (None, None), "turn {turn}");
            a_wrote.extend(to_b);
            b_wrote.extend(to_a);
        }
        let expect = vector.expect();
        for (wrote, key) in [(&mut a_wrote[skip_a..], "k_i2r"), (&mut b_wrote[skip_b..], "k_r2i")] {
            let mut opener =
                Opener::new(Suite::XSalsa20Poly1305, &Secret::from_bytes(expect.array(key)), &expect.array::<64>("h"));
            let mut at = 0;
            while at < wrote.len() {
                let length = usize::from(u16::from_be_bytes([wrote[at], wrote[at + 1]]));
                let record = &mut wrote[at + 2..at + 2 + length];
                opener.open_in_place(record).expect("the vector's key opens it");
                let first = if key == "k_i2r" { 1 } else { 4 };
                assert_eq!(record[16], if at == 0 { first } else { 0 }, "hello or ack first, then data");
                at += 2 + length;
                records += 1;
            }
            assert!(opener.counter() > 2_100);
        }
    }
    println!("{records} records of real sessions open with the vectors' keys");
}

/// The puzzle of a vector is asked for and solved within a bounded number of slices.
#[test]
fn challenges_are_those_of_the_vectors() {
    for vector in vectors().into_iter().filter(|vector| vector.has(PUZZLE)) {
        let (mut a, mut b) = (vector.dialer(), vector.acceptor());
        b.deliver(Time::ZERO, &turn(&mut a));
        let challenge = turn(&mut b);
        assert_eq!((challenge.len(), challenge[0], u64::from(challenge[2])), (32, 3, vector.number("puzzle_bits")));
        assert_eq!(challenge[4..20], vector.expect().bytes("cookie"));
        a.deliver(Time::ZERO, &challenge);
        assert_eq!(turn(&mut a), vector.messages()[0]);
    }
}

/// One record of `proto/vectors/session.json`.
struct Record {
    direction: String,
    frame: Vec<u8>,
    note: String,
}

fn records() -> Vec<Record> {
    let file: serde_json::Value = serde_json::from_str(include_str!("../proto/vectors/session.json")).expect("JSON");
    let row = |row: &serde_json::Value| Record {
        direction: row["direction"].as_str().expect("text").to_owned(),
        frame: Vector(row.clone()).bytes("frame"),
        note: row["note"].as_str().expect("text").to_owned(),
    };
    file["records"].as_array().expect("rows").iter().map(row).collect()
}

/// The sides of that session: like `hidden_id`, with one small channel.
fn side(vector: &Vector, side: &str) -> Profile {
    let mut profile = vector.profile(side);
    let blocks = Channel { message_bytes_max: 10_000, receive_queue_bytes: 4_096, ..Channel::new(0x20, "blocks") };
    profile.channels = vec![blocks];
    profile.hello.agent = format!("vector/{side}");
    if side == "i" {
        profile.hello.application_versions = vec![1];
        profile.hello.listen = vec!["0.0.0.0:9732".parse().expect("an address")];
        profile.hello.metadata = vec![1];
    } else {
        profile.hello.application_versions = vec![1, 2];
        profile.hello.capabilities = vec![Capability { name: "archive".into(), value: 1 }];
        profile.hello.is_private = true;
    }
    profile
}

#[test]
fn a_whole_link_is_the_models_byte_for_byte() {
    let vector = vectors().remove(0);
    let (mut a, mut b) = (vector.dialer_as(side(&vector, "i")), vector.acceptor_as(side(&vector, "r")));
    let mut rows = records().into_iter();
    let total = rows.len();
    let mut check = |direction: &str, frame: &[u8]| {
        let row = rows.next().expect("a row");
        assert_eq!((row.direction.as_str(), hex(frame)), (direction, hex(&row.frame)), "{}", row.note);
    };
    let now = Time::ZERO;
    b.deliver(now, &turn(&mut a));
    a.deliver(now, &turn(&mut b));
    let third = turn(&mut a);
    check("i2r", &third[128..]);
    b.deliver(now, &third);
    let mut step = |end: &mut End, other: &mut End, direction: &str| {
        let frame = end.write(end.now, 1 << 20);
        check(direction, &frame);
        other.deliver(end.now, &frame);
        assert_eq!((end.error, other.error.filter(|error| *error != CloseReason::Goodbye)), (None, None));
    };
    step(&mut b, &mut a, "r2i");
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, b"one");
    pending.push(Kind::Request, 7, b"two");
    a.give(2, &mut pending);
    a.session.say(ChannelId::PEX, Kind::Message, 0, Bytes::from(PexMessage::RequestV2.encode())).expect("there is room");
    step(&mut a, &mut b, "i2r");
    let mut pending = Pending::default();
    pending.push(Kind::Response, 7, b"three");
    b.give(2, &mut pending);
    let answer = PexMessage::ResponseV2(Vec::new()).encode();
    b.session.say(ChannelId::PEX, Kind::Message, 0, Bytes::from(answer)).expect("there is room");
    step(&mut b, &mut a, "r2i");
    let mut pending = Pending::default();
    pending.push(Kind::Message, 0, &(0..6_000).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    a.give(2, &mut pending);
    step(&mut a, &mut b, "i2r");
    step(&mut b, &mut a, "r2i");
    step(&mut a, &mut b, "i2r");
    assert_eq!(b.received.len(), 3);
    step(&mut b, &mut a, "r2i");
    a.now = now + Duration::from_secs(1);
    a.pass_time(a.now);
    step(&mut a, &mut b, "i2r");
    step(&mut b, &mut a, "r2i");
    a.session.close(CloseReason::Stopped);
    check("i2r", &a.write(a.now, 1_000));
    assert!(rows.next().is_none());
    println!("{total} records of a whole link agree");
}
