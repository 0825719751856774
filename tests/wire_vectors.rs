//! Messages and segments against `proto/vectors/wire.json`, which a model without any of our code has written: both ways, byte for byte.

use bowline::base::address::Address;
use bowline::base::channel::{Channel, ChannelId, Kind};
use bowline::base::peer::{hex, unhex};
use bowline::base::reason::CloseReason;
use bowline::wire::discover::{DiscoverRequest, DiscoverResponse};
use bowline::wire::hello::{Capability, ChannelOffer, Hello};
use bowline::wire::nack::{NACK_BYTES_MAX, Nack};
use bowline::wire::pex::{PexAddress, PexMessage};
use bowline::wire::segment::{self, Head, Segment};
use serde_json::Value;

fn rows() -> Vec<(String, Vec<u8>)> {
    let file: Value = serde_json::from_str(include_str!("../proto/vectors/wire.json")).expect("JSON");
    let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
    let row = |row: &Value| (text(row, "name"), unhex(&text(row, "bytes")).expect("hex"));
    file["messages"].as_array().expect("rows").iter().map(row).collect()
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn with_id(rest: &str) -> Address {
    address(&format!("bowline://{}@{rest}", "ab".repeat(32)))
}

fn capability(name: &str, value: u64) -> Capability {
    Capability { name: name.into(), value }
}

fn full_hello() -> Hello {
    let offer = |(id, name, message_bytes_max, credit, requests_max): (u16, &str, u32, u32, u32)| ChannelOffer {
        id: ChannelId(id),
        name: name.into(),
        message_bytes_max,
        credit,
        requests_max,
        segment_cost_min: 0,
    };
    let channels = [
        (0, "pex", 64_000, 64_512, 0),
        (1, "discover", 131_072, 131_072, 0),
        (0x20, "blocks", 1 << 20, 1 << 20, 64),
        (0x1234, "far", 300_000, 1_024, 0),
    ];
    Hello {
        agent: "bowline/0.1.0".into(),
        network: "BOWLINE_TEST_2026".into(),
        application_versions: vec![1, 300],
        listen: vec![address("0.0.0.0:9732"), address("[2001:db8::1]:9733")],
        channels: channels.map(offer).into(),
        capabilities: vec![capability("archive", 1), capability("height", u64::MAX)],
        is_private: true,
        metadata: vec![0, 255],
    }
}

/// One channel with a bound on the number of messages, as its description announces it.
fn counted_hello() -> Hello {
    let votes = Channel {
        message_bytes_max: 65_536,
        receive_queue_bytes: 1 << 20,
        receive_queue_messages: 4_096,
        ..Channel::new(0x20, "votes")
    };
    let offer = ChannelOffer {
        id: votes.id,
        name: votes.name.clone(),
        message_bytes_max: votes.message_bytes_max,
        credit: votes.receive_queue_bytes,
        requests_max: 0,
        segment_cost_min: votes.segment_cost_min(),
    };
    Hello { network: "test".into(), channels: vec![offer], ..Hello::default() }
}

fn hello(bytes: &[u8], expected: &Hello) -> Vec<u8> {
    assert_eq!(Hello::decode(bytes).as_ref(), Ok(expected));
    expected.encode().expect("in bounds")
}

fn nack(bytes: &[u8], motive: CloseReason, alternatives: Vec<Address>) -> Vec<u8> {
    let expected = Nack { motive: Some(motive), alternatives };
    assert_eq!(Nack::decode(bytes).as_ref(), Ok(&expected));
    expected.encode(NACK_BYTES_MAX)
}

fn pex(bytes: &[u8], expected: PexMessage) -> Vec<u8> {
    let encoded = expected.encode();
    let received = PexMessage::decode(bytes).expect("a message");
    assert_eq!((received.message, received.skipped), (expected, 0));
    encoded
}

fn request(bytes: &[u8], expected: DiscoverRequest) -> Vec<u8> {
    assert_eq!(DiscoverRequest::decode(bytes), Ok(expected.clone()));
    expected.encode()
}

fn response(bytes: &[u8], expected: DiscoverResponse) -> Vec<u8> {
    assert_eq!(DiscoverResponse::decode(bytes).map(|received| received.response), Ok(expected.clone()));
    expected.encode()
}

fn taken(bytes: &[u8], segment: Segment<'_>, head: Head, body: &[u8]) -> Vec<u8> {
    assert_eq!(segment::take(bytes), Ok((segment, &[][..])));
    let mut out = Vec::new();
    segment::write(&mut out, head, body);
    out
}

fn whole(bytes: &[u8], kind: Kind, body: &[u8]) -> Vec<u8> {
    let request = if kind.has_request_id() { 0x0102_0304 } else { 0 };
    let channel = ChannelId(0x20);
    let head = Head { channel, kind, request, total: 0, is_first: true, is_last: true };
    taken(bytes, Segment::Whole { channel, kind, request, bytes: body }, head, body)
}

fn first(bytes: &[u8], kind: Kind, request: u32, total: u32, body: &[u8]) -> Vec<u8> {
    let channel = ChannelId(0x1234);
    let head = Head { channel, kind, request, total, is_first: true, is_last: false };
    taken(bytes, Segment::First { channel, kind, request, total, bytes: body }, head, body)
}

fn next(bytes: &[u8], is_last: bool, body: &[u8]) -> Vec<u8> {
    let (channel, kind) = (ChannelId(0x1234), Kind::Message);
    let head = Head { channel, kind, request: 0, total: 13, is_first: false, is_last };
    taken(bytes, Segment::Next { channel, kind, is_last, bytes: body }, head, body)
}

fn credit(bytes: &[u8], amount: u32) -> Vec<u8> {
    let channel = ChannelId(0x20);
    assert_eq!(segment::take(bytes), Ok((Segment::Credit { channel, bytes: amount }, &[][..])));
    let mut out = Vec::new();
    segment::write_credit(&mut out, channel, amount);
    out
}

#[test]
fn messages_and_segments_agree_with_the_model() {
    let rows = rows();
    for (name, bytes) in &rows {
        let ours = match name.as_str() {
            "hello_empty" => hello(bytes, &Hello::default()),
            "hello_full" => hello(bytes, &full_hello()),
            "hello_counted" => hello(bytes, &counted_hello()),
            "nack" => {
                let alternatives = vec![with_id("198.51.100.7:9732"), address("seed.example:9732")];
                nack(bytes, CloseReason::TooManyLinks, alternatives)
            }
            "nack_bare" => nack(bytes, CloseReason::Banned, vec![]),
            "pex_request" => pex(bytes, PexMessage::Request),
            "pex_response" => {
                pex(bytes, PexMessage::Response(vec![with_id("198.51.100.7:9732"), address("mconn://[2001:db8::1]:26656")]))
            }
            "pex_request_v2" => pex(bytes, PexMessage::RequestV2),
            "pex_response_v2" => {
                let ours = PexAddress { address: with_id("198.51.100.7:9732"), capabilities: vec![capability("archive", 1)] };
                let other = PexAddress { address: address("mconn://seed.example:26656"), capabilities: vec![] };
                pex(bytes, PexMessage::ResponseV2(vec![ours, other]))
            }
            "discover_request" => {
                let (peer, after) = (Some(address("198.51.100.7:9732")), Some(address("203.0.113.9:1")));
                request(bytes, DiscoverRequest { peer, after, since: 0 })
            }
            "discover_request_since" => request(bytes, DiscoverRequest { since: 300, ..DiscoverRequest::default() }),
            "discover_response_version" => {
                let peers = vec![address("198.51.100.7:9732")];
                response(bytes, DiscoverResponse { peers, has_more: false, version: 301 })
            }
            "discover_response" => {
                let peers = vec![with_id("198.51.100.7:9732"), address("seed.example:9732")];
                response(bytes, DiscoverResponse { peers, has_more: true, version: 0 })
            }
            "segment_whole" => whole(bytes, Kind::Message, b"hello"),
            "segment_empty" => whole(bytes, Kind::Message, b""),
            "segment_request" => whole(bytes, Kind::Request, b"ask"),
            "segment_response" => whole(bytes, Kind::Response, b"answer"),
            "segment_error" => whole(bytes, Kind::Error, b"no"),
            "segment_cancel" => whole(bytes, Kind::Cancel, b""),
            "segment_first" => first(bytes, Kind::Message, 0, 13, b"one "),
            "segment_next" => next(bytes, false, b"two "),
            "segment_last" => next(bytes, true, b"three"),
            "segment_first_request" => first(bytes, Kind::Request, 7, 9, b"one "),
            "segment_credit" => credit(bytes, 262_144),
            other => panic!("no test knows the row {other}"),
        };
        assert_eq!(hex(&ours), hex(bytes), "{name}");
    }
    assert_eq!(rows.len(), 24);
    println!("{} rows agree", rows.len());
}

#[test]
fn the_protocol_page_lists_every_code() {
    let page = include_str!("../docs/protocol.md");
    let listed: Vec<&str> =
        page.split("## 8. Codes").nth(1).expect("section 8").lines().filter(|line| line.starts_with("| ")).collect();
    let expected =
        CloseReason::ALL.iter().map(|reason| format!("| {} | `{}` | {} |", reason.code(), reason.name(), reason.text()));
    assert_eq!(listed[1..], expected.collect::<Vec<_>>());
}
