//! Every bad input, from a rogue on a real TCP connection to a real node, beside a good link that carries numbered messages all the time.
//! A row is one way to misbehave and the one reason for it. Each ends the rogue's connection with that reason and does nothing to the good
//! link: the same link, every message in order, its peer not greylisted (`rogue/bed.rs` sees to that).
//!
//! Where a node says its reason: an open link's in `Down`, in the greylisting notice and in the goodbye; a dial's in `DialFailed`. A
//! connection that came and did not open is counted (`arrivals_refused`, and by reason in `Node::ends`); its reason is also in what the
//! rogue is told, where it is told anything, and in the notice if its host is greylisted, which a loopback address never is.

#![allow(clippy::disallowed_methods, reason = "tests of whole nodes run in real time")]

#[path = "rogue/bed.rs"]
mod bed;
#[path = "rogue/client.rs"]
mod client;
mod handshake_support;
#[path = "rogue/openings.rs"]
mod openings;
#[path = "rogue/wire.rs"]
mod wire;

use bed::{Bed, CHAT, Target};
use bowline::base::channel::Kind;
use bowline::session::handshake_message::{Introduction, Refusal, RejectCode};
use bowline::wire::hello::Hello;
use bowline::wire::pex::PexMessage;
use bowline::wire::record::RecordType;
use bowline::wire::segment::{self, Head};
use bowline::{Blame, ChannelId, CloseReason, Event, Notice, RequestError, RequestId};
use bytes::Bytes;
use client::{Rogue, bulk, hello, identity, last_payload, refusal, second_message, second_payload, third_message, weak_identity};
use openings::{greet, openings, unfit_capabilities};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use wire::{Wire, listen_addresses};

const LOOPBACK: &str = "127.0.0.1:0";

#[test]
fn bad_openings_are_refused_and_harm_nobody() {
    let bed = Bed::new(LOOPBACK, &[]);
    let mut expected = BTreeMap::new();
    for (number, row) in openings().iter().chain(&unfit_capabilities()).enumerate() {
        let told = (row.act)(&bed.target(0, number));
        assert_eq!(told, row.is_told.then_some(row.reason), "{}", row.what);
        let stats = bed.node.stats();
        assert_eq!((stats.arrivals_refused, stats.arrivals), (number as u64 + 1, number as u64 + 2), "{}", row.what);
        *expected.entry(row.reason).or_insert(0) += 1;
        bed.ended(row.what, &expected);
        bed.is_well(row.what);
    }
    bed.end();
}

#[test]
fn the_host_of_a_bad_opening_is_greylisted_for_its_reason() {
    let listen = listen_addresses();
    if listen == LOOPBACK {
        return;
    }
    for (number, row) in openings().iter().chain(&unfit_capabilities()).enumerate() {
        let bed = Bed::new(&listen, &[]);
        let target = bed.target(1, number);
        (row.act)(&target);
        // Who belongs elsewhere is no culprit, and neither is this node itself.
        let is_misfit = matches!(row.reason, CloseReason::WrongNetwork | CloseReason::WrongVersion);
        if row.reason.blame() == Blame::Peer && !is_misfit {
            let (peer, remote, reason) = bed.greylisted();
            assert_eq!((peer, remote.ip(), reason), (None, target.at.ip(), row.reason), "{}", row.what);
            assert_eq!(Wire::dial(target.at).until_closed(), b"", "{}: it is not let in again", row.what);
        } else {
            let other = Rogue::open(target.at, &identity(99), &hello());
            let link = bed.up(other.id);
            drop(other);
            assert_eq!(bed.down(link).reason, CloseReason::Truncated, "{}: it was let in again", row.what);
        }
        bed.is_well(row.what);
        bed.end();
    }
}

/// Something that a rogue says on an open link.
struct Word {
    what: &'static str,
    reason: CloseReason,
    /// The rogue hears a goodbye with the reason. Whoever sends records that are not authentic does not.
    is_told: bool,
    say: fn(&mut Rogue),
}

fn part(channel: ChannelId, kind: Kind, total: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let is_last = total as usize == bytes.len();
    segment::write(&mut out, Head { channel, kind, request: 3, total, is_first: true, is_last }, bytes);
    out
}

/// A whole message.
fn whole(channel: ChannelId, bytes: &[u8]) -> Vec<u8> {
    part(channel, Kind::Message, bytes.len() as u32, bytes)
}

fn pex(bytes: &[u8]) -> Vec<u8> {
    whole(ChannelId::PEX, bytes)
}

/// A PEX answer with so many empty addresses, at most 126 and at least 64: field 4, and in it field 1 again and again.
fn addresses(count: usize) -> Vec<u8> {
    let length = 2 * count;
    [&[0x22, length as u8 | 0x80, (length >> 7) as u8][..], &[0x0a, 0].repeat(count)].concat()
}

/// Says a data record.
fn data(rogue: &mut Rogue, body: &[u8]) {
    rogue.say(RecordType::Data, body);
}

fn words_that_are_no_records() -> Vec<Word> {
    use CloseReason::*;
    let row = |what, reason, is_told, say| Word { what, reason, is_told, say };
    vec![
        row("a record shorter than a tag and a type", Forged, false, |rogue| rogue.wire.say(&[0, 16])),
        // The length field cannot say more than a record may have.
        row("a record of the greatest length, forged", Forged, false, |rogue| rogue.wire.say(&[0xff; 2 + 65_535])),
        row("a forged tag", Forged, false, |rogue| {
            let mut record = rogue.sealed(RecordType::Ping as u8, &[1; 8]);
            record[2] ^= 1;
            rogue.wire.say(&record);
        }),
        row("a record twice", Forged, false, |rogue| {
            let record = rogue.sealed(RecordType::Ping as u8, &[1; 8]);
            rogue.wire.say(&record.repeat(2));
        }),
        row("a record of a type that is none", BadRecord, true, |rogue| {
            let record = rogue.sealed(7, b"x");
            rogue.wire.say(&record);
        }),
        row("a ping of seven bytes", BadRecord, true, |rogue| rogue.say(RecordType::Ping, &[0; 7])),
        row("a pong that nobody asked for", BadRecord, true, |rogue| rogue.say(RecordType::Pong, &[0; 8])),
        row("a second Hello", BadRecord, true, |rogue| {
            rogue.say(RecordType::Hello, &hello().encode().expect("a valid Hello"));
        }),
        row("a data record with nothing in it", BadSegment, true, |rogue| data(rogue, &[])),
        row("a segment longer than its record", BadSegment, true, |rogue| data(rogue, &[3, 0, 0x11, 0, 9, 1])),
        row("a segment with a reserved flag", BadSegment, true, |rogue| data(rogue, &[0x83, 0, 0x11, 0, 0])),
        row("a part without a beginning", BadSegment, true, |rogue| data(rogue, &[0, 0, 0x11, 0, 1, 1])),
        row("credit for nothing", BadSegment, true, |rogue| data(rogue, &[0x17, 0, 0x11, 0, 4, 0, 0, 0, 0])),
    ]
}

fn words_that_break_a_rule() -> Vec<Word> {
    use CloseReason::*;
    let row = |what, reason, say| Word { what, reason, is_told: true, say };
    vec![
        row("bytes beyond the credit", CreditExceeded, |rogue| {
            // Each fits the window of 64 KiB, and nobody takes the first.
            data(rogue, &whole(bulk().id, &[1; 40_000]));
            data(rogue, &whole(bulk().id, &[2; 40_000]));
        }),
        row("a message above its channel's limit", MessageTooBig, |rogue| {
            data(rogue, &part(bulk().id, Kind::Message, bulk().message_bytes_max + 1, b"x"));
        }),
        row("a PEX message above its limit", MessageTooBig, |rogue| {
            data(rogue, &part(ChannelId::PEX, Kind::Message, 64_001, b"x"))
        }),
        row("a channel that nobody has", UnknownChannel, |rogue| data(rogue, &whole(ChannelId(0x99), b"x"))),
        row("a channel that the rogue has not announced", UnknownChannel, |rogue| data(rogue, &whole(CHAT, b"x"))),
        row("a flood of pings", ControlFlood, |rogue| {
            let flood: Vec<u8> = (0..6).flat_map(|_| rogue.sealed(RecordType::Ping as u8, &[1; 8])).collect();
            rogue.wire.say(&flood);
        }),
        row("a flood of control messages", ControlFlood, |rogue| data(rogue, &pex(&PexMessage::Request.encode()).repeat(101))),
        row("a PEX answer that nobody asked for", PexUnsolicited, |rogue| {
            data(rogue, &pex(&PexMessage::ResponseV2(Vec::new()).encode()));
        }),
        row("a PEX answer that does not decode", PexMalformed, |rogue| data(rogue, &pex(&[0x22, 9]))),
        row("a PEX answer with 33 capabilities for an address", PexMalformed, |rogue| {
            data(rogue, &pex(&[&[0x22, 68, 0x0a, 66][..], &[0x12, 0].repeat(33)].concat()));
        }),
        row("a PEX answer with too many addresses", PexTooMany, |rogue| data(rogue, &pex(&addresses(101)))),
        // Four may come together, and one more each 100 ms.
        row("PEX requests too often", PexTooOften, |rogue| data(rogue, &pex(&PexMessage::RequestV2.encode()).repeat(90))),
        row("a PEX message of an unknown type", UnknownMessage, |rogue| data(rogue, &pex(&[0x4a, 0]))),
        row("a question on the PEX channel", UnknownMessage, |rogue| data(rogue, &part(ChannelId::PEX, Kind::Request, 1, b"x"))),
        row("a discovery request that does not decode", PexMalformed, |rogue| {
            data(rogue, &part(ChannelId::DISCOVER, Kind::Request, 1, &[0xff]));
        }),
    ]
}

#[test]
fn bad_words_on_an_open_link_end_it_and_harm_nobody() {
    let bed = Bed::new(LOOPBACK, &[]);
    for (number, row) in words_that_are_no_records().iter().chain(&words_that_break_a_rule()).enumerate() {
        let target = bed.target(0, number);
        let mut rogue = Rogue::open(target.at, &target.us, &hello());
        let link = bed.up(rogue.id);
        (row.say)(&mut rogue);
        assert_eq!(rogue.until_closed(), row.is_told.then_some(row.reason), "{}", row.what);
        let down = if row.reason == CloseReason::Forged {
            // It is nobody's fault, and `is_well` sees that nobody is listed for it.
            bed.down(link)
        } else {
            let (down, noted) = bed.down_and_greylisted(link);
            assert_eq!(noted, (Some(rogue.id), row.reason), "{}", row.what);
            down
        };
        assert_eq!((down.peer, down.reason, down.told), (rogue.id, row.reason, None), "{}", row.what);
        assert_eq!((bed.node.stats().arrivals_refused, bed.node.stats().links_in), (0, 1), "{}", row.what);
        bed.is_well(row.what);
    }
    bed.end();
}

#[test]
fn a_rogue_that_comes_again_is_refused_and_the_honest_peer_is_not() {
    let bed = Bed::new(LOOPBACK, &[]);
    let target = bed.target(0, 0);
    let mut rogue = Rogue::open(target.at, &target.us, &hello());
    let link = bed.up(rogue.id);
    data(&mut rogue, &[]);
    assert_eq!(bed.down_and_greylisted(link).1, (Some(rogue.id), CloseReason::BadSegment));
    assert_eq!(greet(&target, RecordType::Hello, &hello().encode().expect("a valid Hello")), Some(CloseReason::Greylisted));
    let refused = bed.wait("the refusal", |event| match event {
        Event::Notice(Notice::Refused { peer, reason, .. }) => Some((*peer, *reason)),
        _ => None,
    });
    assert_eq!(refused, (Some(rogue.id), CloseReason::Greylisted));
    bed.is_well("a rogue that comes again");
    bed.end();
}

/// What a rogue answers to a node that dials it.
struct Answer {
    what: &'static str,
    reason: CloseReason,
    answer: fn(Wire, &Target),
}

/// Refuses before there are keys.
fn refuse(mut wire: Wire, refusal: Refusal) {
    wire.read::<160>();
    wire.say(&refusal.encode(1));
    assert_eq!(wire.until_closed(), b"");
}

/// Answers with a second message that `forge` has changed.
fn second(mut wire: Wire, us: &bowline::Identity, payload: &Introduction, forge: fn(&mut [u8])) {
    let (_, mut second) = second_message(&mut wire, us, payload);
    forge(&mut second);
    wire.say(&second);
    assert_eq!(wire.until_closed(), b"", "nothing is shown to who answers badly");
}

/// Agrees on keys and answers the Hello.
fn answer(wire: Wire, target: &Target, kind: RecordType, body: &[u8], told: Option<CloseReason>) {
    let mut rogue = Rogue::answer(wire, &target.us);
    rogue.say(kind, body);
    assert_eq!(rogue.until_closed(), told);
}

fn answers() -> Vec<Answer> {
    use CloseReason::*;
    let row = |what, reason, answer| Answer { what, reason, answer };
    vec![
        row("another protocol", Garbage, |mut wire, _| {
            wire.say(b"SSH-2.0-OpenSSH\r\n");
            wire.read::<160>();
            assert_eq!(wire.until_closed(), b"");
        }),
        row("nothing but an end", Truncated, |mut wire, _| {
            wire.read::<160>();
        }),
        row("a refusal: another network", WrongNetwork, |wire, _| refuse(wire, Refusal::Reject(Some(RejectCode::Network)))),
        row("a refusal: another version", WrongVersion, |wire, _| refuse(wire, Refusal::Reject(Some(RejectCode::Version)))),
        row("a refusal without a known reason", Rejected, |wire, _| refuse(wire, Refusal::Reject(None))),
        row("a puzzle that is too hard", BadPuzzle, |wire, _| {
            refuse(wire, Refusal::Challenge { difficulty: 19, cookie: [7; 16] });
        }),
        row("a version that was not offered", Downgrade, |wire, at| {
            second(wire, &at.us, &second_payload(&at.us), |second| second[1] = 2);
        }),
        row("a stamp below the difficulty", BadStamp, |wire, _| {
            let weak = weak_identity();
            second(wire, &weak, &second_payload(&weak), |_| {});
        }),
        row("a low-order key", LowOrderKey, |wire, at| {
            second(wire, &at.us, &second_payload(&at.us), |second| second[4..36].fill(0))
        }),
        row("the node's own key", OwnKey, |wire, at| second(wire, &at.victim, &second_payload(&at.victim), |_| {})),
        row("another key than the dialed one", WrongIdentity, |wire, _| {
            second(wire, &identity(98), &second_payload(&identity(98)), |_| {});
        }),
        row("a forged second message", BadHandshake, |wire, at| {
            second(wire, &at.us, &second_payload(&at.us), |second| second[163] ^= 1);
        }),
        row("records that are too small", BadHandshake, |wire, at| {
            second(wire, &at.us, &Introduction { frame_max: 1_000, ..second_payload(&at.us) }, |_| {});
        }),
        row("a malformed Hello", BadHello, |wire, at| answer(wire, at, RecordType::Ack, &[0xff], Some(BadHello))),
        row("a Hello of another network", WrongNetwork, |wire, at| {
            let other = Hello { network: "another".to_owned(), ..hello() };
            answer(wire, at, RecordType::Ack, &other.encode().expect("a valid Hello"), Some(WrongNetwork));
        }),
        row("data instead of an ack", BadRecord, |wire, at| {
            answer(wire, at, RecordType::Data, &whole(bulk().id, b"early"), Some(BadRecord));
        }),
        row("a nack that is none", BadRecord, |wire, at| answer(wire, at, RecordType::Nack, &[9], Some(BadRecord))),
        row("a forged ack", Forged, |wire, at| {
            let mut rogue = Rogue::answer(wire, &at.us);
            let mut record = rogue.sealed(RecordType::Ack as u8, &hello().encode().expect("a valid Hello"));
            record[20] ^= 1;
            rogue.wire.say(&record);
            assert_eq!(rogue.until_closed(), None);
        }),
    ]
}

#[test]
fn bad_answers_end_the_dial_and_harm_nobody() {
    let bed = Bed::new(LOOPBACK, &[]);
    for (number, row) in answers().iter().enumerate() {
        let target = bed.target(0, number);
        let listener = TcpListener::bind(LOOPBACK).expect("a port");
        let to = listener.local_addr().expect("an address");
        // Posing as the node itself must be found out by the key, and not by what was expected.
        let expect = (row.reason != CloseReason::OwnKey && row.reason != CloseReason::BadStamp).then(|| target.us.id());
        bed.node.dial(to, expect, number as u64).expect("begun");
        (row.answer)(Wire::accept(&listener), &target);
        let failed = bed.wait(row.what, |event| match event {
            Event::Notice(Notice::DialFailed { tag, to, reason }) => Some((*tag, *to, *reason)),
            _ => None,
        });
        assert_eq!(failed, (number as u64, to, row.reason), "{}", row.what);
        bed.is_well(row.what);
    }
    bed.end();
}

/// Somebody who stays silent.
struct Silence {
    what: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// No sooner than after so many milliseconds it is closed.
    after_ms: u64,
    /// The reason, where somebody is told it: the rogue in a last word, or whoever dialed.
    seen: Option<CloseReason>,
    act: fn(&Bed, &Target) -> Option<CloseReason>,
}

/// Connects, does something, and is silent until it is closed.
fn never_open(bed: &Bed, target: &Target, act: fn(&mut Wire)) -> Option<CloseReason> {
    let mut wire = Wire::dial(target.at);
    act(&mut wire);
    let told = refusal(&wire.until_closed());
    assert_eq!(bed.node.stats().arrivals_refused, 1);
    told
}

/// Opens a link, does something, and is silent until it is closed.
fn fall_silent(bed: &Bed, target: &Target, act: fn(&mut Rogue)) -> Option<CloseReason> {
    let mut rogue = Rogue::open(target.at, &target.us, &hello());
    let link = bed.up(rogue.id);
    act(&mut rogue);
    let told = rogue.until_closed();
    assert_eq!(Some(bed.down(link).reason), told);
    told
}

/// Lets itself be dialed, and is silent until it is closed.
fn never_answer(bed: &Bed, target: &Target) -> Option<CloseReason> {
    let listener = TcpListener::bind(LOOPBACK).expect("a port");
    bed.node.dial(listener.local_addr().expect("an address"), Some(target.us.id()), 5).expect("begun");
    let mut wire = Wire::accept(&listener);
    wire.read::<160>();
    assert_eq!(wire.until_closed(), b"");
    bed.wait("the dial's end", |event| match event {
        Event::Notice(Notice::DialFailed { tag: 5, reason, .. }) => Some(Some(*reason)),
        _ => None,
    })
}

fn silences() -> Vec<Silence> {
    use CloseReason::{HandshakeTimeout, MessageTimeout, PingTimeout};
    let row = |what, settings, after_ms, seen, act| Silence { what, settings, after_ms, seen, act };
    const FIRST: &[(&str, &str)] = &[("handshake.first_timeout", "1s")];
    const WHOLE: &[(&str, &str)] = &[("handshake.timeout", "3s")];
    const PINGS: &[(&str, &str)] = &[("ping.accept_period", "2s"), ("ping.period", "2s"), ("ping.timeout", "2s")];
    const RECORDS: &[(&str, &str)] = &[("link.record_timeout", "1s")];
    const MESSAGES: &[(&str, &str)] = &[("link.record_timeout", "1s"), ("link.message_timeout", "2s")];
    vec![
        row("a connection without a word", FIRST, 1_000, None, |bed, at| never_open(bed, at, |_| {})),
        row("half a first message", FIRST, 1_000, None, |bed, at| never_open(bed, at, |wire| wire.say(b"BOWLINE1\x01\x01"))),
        row("no last message", WHOLE, 3_000, None, |bed, at| {
            never_open(bed, at, |wire| drop(third_message(wire, &identity(97), &last_payload(&identity(97)))))
        }),
        row("keys and no Hello", WHOLE, 3_000, Some(HandshakeTimeout), |bed, at| {
            let told = Rogue::dial(Wire::dial(at.at), &at.us).until_closed();
            assert_eq!(bed.node.stats().arrivals_refused, 1);
            told
        }),
        // The first ping leaves after a second.
        row("no answer to a ping", PINGS, 3_000, Some(PingTimeout), |bed, at| fall_silent(bed, at, |_| {})),
        row("half a record", RECORDS, 1_000, Some(PingTimeout), |bed, at| {
            fall_silent(bed, at, |rogue| {
                let record = rogue.sealed(RecordType::Ping as u8, &[1; 8]);
                rogue.wire.say(&record[..9]);
            })
        }),
        row("half a message", MESSAGES, 2_000, Some(MessageTimeout), |bed, at| {
            fall_silent(bed, at, |rogue| data(rogue, &part(bulk().id, Kind::Message, 50_000, &[7; 10_000])))
        }),
        row("half a message from one who says other things", MESSAGES, 2_000, Some(MessageTimeout), |bed, at| {
            let mut rogue = Rogue::open(at.at, &at.us, &hello());
            let link = bed.up(rogue.id);
            data(&mut rogue, &part(bulk().id, Kind::Message, 50_000, &[7; 10_000]));
            for _ in 0..4 {
                std::thread::sleep(Duration::from_millis(400));
                rogue.say(RecordType::Ping, &[1; 8]);
            }
            let told = rogue.until_closed();
            // Somebody between may do that to an honest peer: `is_well`, after each row, looks that nobody was listed.
            assert_eq!(bed.down(link).reason, MessageTimeout);
            assert_eq!(bed.node.stats().messages_unfinished, 1);
            told
        }),
        row("no answer to a dial", WHOLE, 3_000, Some(HandshakeTimeout), never_answer),
    ]
}

#[test]
fn who_stays_silent_is_closed_in_time_and_harms_nobody() {
    std::thread::scope(|scope| {
        for row in silences() {
            scope.spawn(move || {
                let bed = Bed::new(LOOPBACK, row.settings);
                let begin = Instant::now();
                assert_eq!((row.act)(&bed, &bed.target(0, 0)), row.seen, "{}", row.what);
                assert!(begin.elapsed() >= Duration::from_millis(row.after_ms), "{}: {:?}", row.what, begin.elapsed());
                bed.is_well(row.what);
                bed.end();
            });
        }
    });
}

#[test]
fn a_peer_that_stops_reading_is_closed_and_harms_nobody() {
    let bed = Bed::new(LOOPBACK, &[("link.write_stall_timeout", "1s")]);
    let target = bed.target(0, 0);
    // As much credit as there is, so that only the socket holds the node back; and little room in that.
    let mut greedy = hello();
    greedy.channels.iter_mut().for_each(|offer| offer.credit = i32::MAX as u32);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(16 * 1_024).expect("a small buffer");
    socket.connect(&target.at.into()).expect("it listens");
    let mut rogue = Rogue::open_on(Wire::of(TcpStream::from(socket)), &target.us, &greedy);
    let link = bed.up(rogue.id);
    let part = [7; 60_000];
    let mut sent = 0;
    while bed.node.send_timeout(link, bulk().id, &part, wire::PATIENCE).is_ok() {
        sent += 1;
        assert!(sent < 10_000, "600 MB fit no socket");
    }
    let down = bed.down(link);
    assert_eq!((down.peer, down.reason, down.told), (rogue.id, CloseReason::WriteStalled, None));
    assert!(down.unsent_messages > 0 && down.unsent_messages < sent, "{} of {sent}", down.unsent_messages);
    // It is closed behind what is on its way.
    assert!(!rogue.wire.until_closed().is_empty());
    bed.is_well("a peer that stops reading");
    bed.end();
}

/// Who asks and takes it back in one breath, over and over, is owed nothing: no answer may wait for it.
#[test]
fn a_request_that_is_taken_back_at_once_is_not_answered() {
    let bed = Bed::new(LOOPBACK, &[]);
    let target = bed.target(0, 0);
    let mut rogue = Rogue::open(target.at, &target.us, &hello());
    let link = bed.up(rogue.id);
    let mut body = Vec::new();
    for request in 1..=100 {
        for kind in [Kind::Request, Kind::Cancel] {
            let head = Head { channel: bulk().id, kind, request, total: 0, is_first: true, is_last: true };
            segment::write(&mut body, head, b"");
        }
    }
    data(&mut rogue, &body);
    for number in 1..=100 {
        let asked = bed.wait("a request", |event| match event {
            Event::Message(message) if message.kind == Kind::Request => Some(message.request),
            _ => None,
        });
        assert_eq!(asked, number);
        let id = RequestId { link, channel: bulk().id, number };
        let answered = bed.node.respond(id, &Bytes::new(), Duration::ZERO);
        assert_eq!(answered, Err(RequestError::NoRequest), "request {number}");
    }
    bed.node.disconnect(link, CloseReason::Requested).expect("it is open");
    assert_eq!(bed.down(link).reason, CloseReason::Requested);
    bed.end();
}

/// A node announces the protocol's own channels. Who does not is not asked there, and keeps its link: the fault would be ours.
#[test]
fn who_lacks_the_node_s_own_channels_is_left_in_peace() {
    let bed = Bed::new(LOOPBACK, &[]);
    let target = bed.target(0, 0);
    let channels = hello().channels.into_iter().filter(|offer| !offer.id.is_own()).collect();
    let mut rogue = Rogue::open(target.at, &target.us, &Hello { channels, is_private: false, ..hello() });
    let link = bed.up(rogue.id);
    // Long enough to be asked for addresses, which a newcomer is at once.
    std::thread::sleep(Duration::from_secs(1));
    bed.is_well("without the own channels");
    assert_eq!(bed.node.find_peer(&rogue.id), Some(link), "{:?}", bed.node.ends());
    rogue.say(RecordType::Close, &CloseReason::Requested.code().to_be_bytes());
    assert_eq!(bed.down(link).reason, CloseReason::Goodbye);
    bed.end();
}
