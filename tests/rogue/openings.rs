//! Connections that misbehave before they are links, a row each.

use crate::bed::Target;
use crate::client::{
    Rogue, bulk, claiming, first_message, hello, honest_first, last_payload, refusal, third_message, weak_identity,
};
use crate::whole;
use crate::wire::Wire;
use bowline::CloseReason;
use bowline::crypto::hash;
use bowline::session::handshake_message::{First, Introduction, Versions};
use bowline::wire::hello::Hello;
use bowline::wire::record::RecordType;

/// A connection that ends before it is a link.
pub struct Opening {
    pub what: &'static str,
    pub reason: CloseReason,
    /// The rogue is told the reason. Whoever has not shown any good will is not.
    pub is_told: bool,
    /// Misbehaves, and gives what the rogue was told until it was closed.
    pub act: fn(&Target) -> Option<CloseReason>,
}

/// Says something and listens until the node closes.
fn say(target: &Target, bytes: &[u8]) -> Option<CloseReason> {
    let mut wire = Wire::dial(target.at);
    wire.say(bytes);
    refusal(&wire.until_closed())
}

/// Says a first message and listens until the node closes.
fn say_first(target: &Target, first: &First) -> Option<CloseReason> {
    say(target, &first_message(&target.us, first).1)
}

/// Says a last handshake message that `forge` has changed.
fn say_last(target: &Target, payload: &Introduction, forge: fn(&mut [u8])) -> Option<CloseReason> {
    let mut wire = Wire::dial(target.at);
    let (_, mut third) = third_message(&mut wire, &target.us, payload);
    forge(&mut third);
    wire.say(&third);
    refusal(&wire.until_closed())
}

/// Has keys, and says a first record.
pub fn greet(target: &Target, kind: RecordType, body: &[u8]) -> Option<CloseReason> {
    let mut rogue = Rogue::dial(Wire::dial(target.at), &target.us);
    rogue.say(kind, body);
    rogue.until_closed()
}

/// A valid Hello with more fields behind it.
pub fn with_more(fields: &[u8]) -> Vec<u8> {
    [&hello().encode().expect("a valid Hello")[..], fields].concat()
}

/// Hellos whose capabilities break a rule.
pub fn unfit_capabilities() -> Vec<Opening> {
    let row = |what, act| Opening { what, reason: CloseReason::BadHello, is_told: true, act };
    vec![
        row("a Hello with 33 capabilities", |at| {
            let each = |number: u8| [0x32, 3, 0x0a, 1, b'0' + number];
            greet(at, RecordType::Hello, &with_more(&(0..33).flat_map(each).collect::<Vec<_>>()))
        }),
        row("a Hello with a capability without a name", |at| greet(at, RecordType::Hello, &with_more(&[0x32, 0]))),
        row("a Hello with a capability that does not print", |at| {
            greet(at, RecordType::Hello, &with_more(&[0x32, 3, 0x0a, 1, b'\n']))
        }),
        row("a Hello with a capability of 33 letters", |at| {
            greet(at, RecordType::Hello, &with_more(&[&[0x32, 35, 0x0a, 33][..], &[b'x'; 33]].concat()))
        }),
        row("a Hello with a capability twice", |at| {
            greet(at, RecordType::Hello, &with_more(&[0x32, 3, 0x0a, 1, b'x'].repeat(2)))
        }),
    ]
}

pub fn openings() -> Vec<Opening> {
    use CloseReason::*;
    let row = |what, reason, is_told, act| Opening { what, reason, is_told, act };
    vec![
        row("another protocol", Garbage, false, |at| say(at, b"GET / HTTP/1.1\r\n\r\n")),
        row("one wrong byte", Garbage, false, |at| say(at, b"BOWLINE2")),
        row("a first message with a flag that is none", Garbage, false, |at| {
            let (_, mut first) = first_message(&at.us, &honest_first());
            first[10] = 0x80;
            say(at, &first)
        }),
        row("another network", WrongNetwork, true, |at| {
            say_first(at, &First { network_id: hash::network_id("another"), ..honest_first() })
        }),
        row("another version", WrongVersion, true, |at| {
            say_first(at, &First { versions: Versions { min: 2, max: 9 }, ..honest_first() })
        }),
        row("a claim with a stamp below the difficulty", BadStamp, true, |at| say_first(at, &claiming(&weak_identity()))),
        row("a stamp below the difficulty", BadStamp, false, |at| {
            let weak = Target { us: weak_identity(), victim: at.victim.clone(), at: at.at };
            say_last(&weak, &last_payload(&weak.us), |_| {})
        }),
        row("a low-order key", LowOrderKey, false, |at| {
            let (_, mut first) = first_message(&at.us, &honest_first());
            first[32..64].fill(0);
            say(at, &first)
        }),
        row("a claim of the node's own key", OwnKey, false, |at| say_first(at, &claiming(&at.victim))),
        row("the node's own key", OwnKey, false, |at| {
            let twin = Target { us: at.victim.clone(), victim: at.victim.clone(), at: at.at };
            say_last(&twin, &last_payload(&twin.us), |_| {})
        }),
        row("another version than the agreed one", Downgrade, false, |at| {
            say_last(at, &Introduction { chosen: 2, ..last_payload(&at.us) }, |_| {})
        }),
        row("a forged last message", BadHandshake, false, |at| say_last(at, &last_payload(&at.us), |third| third[127] ^= 1)),
        row("no common record suite", BadHandshake, false, |at| {
            say_last(at, &Introduction { caps: 2, ..last_payload(&at.us) }, |_| {})
        }),
        row("a malformed Hello", BadHello, true, |at| greet(at, RecordType::Hello, &[0xff])),
        row("a Hello of more than 8 KiB", BadHello, true, |at| {
            // Field 15, which readers skip: 8,192 bytes of it.
            let padding = [&[0x7a, 0x80, 0x40][..], &[0; 8_192]].concat();
            greet(at, RecordType::Hello, &[hello().encode().expect("a valid Hello"), padding].concat())
        }),
        row("a Hello of another network", WrongNetwork, true, |at| {
            let other = Hello { network: "another".to_owned(), ..hello() };
            greet(at, RecordType::Hello, &other.encode().expect("a valid Hello"))
        }),
        row("data before the Hello", BadRecord, true, |at| greet(at, RecordType::Data, &whole(bulk().id, b"early"))),
        row("a forged Hello", Forged, false, |at| {
            let mut rogue = Rogue::dial(Wire::dial(at.at), &at.us);
            let mut record = rogue.sealed(RecordType::Hello as u8, &hello().encode().expect("a valid Hello"));
            record[20] ^= 1;
            rogue.wire.say(&record);
            rogue.until_closed()
        }),
    ]
}
