//! Any bytes at all into the readers of the wire room: no panic, nothing beyond the limits, and what is read can be written and read again.

use bowline::base::address::Address;
use bowline::base::channel::{ChannelId, Kind};
use bowline::wire::discover::{DiscoverRequest, DiscoverResponse};
use bowline::wire::hello::{Capability, ChannelOffer, Hello};
use bowline::wire::nack::{NACK_BYTES_MAX, Nack};
use bowline::wire::pex::{PexAddress, PexMessage};
use bowline::wire::segment::{self, Head, Segment};
use proptest::collection::vec;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    vec(0x20_u8..0x7f, 1..=32).prop_map(|bytes| bytes.into_iter().map(char::from).collect())
}

fn address() -> impl Strategy<Value = Address> {
    let host = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
        vec(vec(0x61_u8..0x7b, 1..20), 1..5).prop_map(|labels| {
            labels.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect::<Vec<_>>().join(".")
        }),
    ];
    let id = proptest::option::of(any::<[u8; 32]>());
    (host, 1_u16.., id, any::<bool>()).prop_map(|(host, port, id, is_mconn)| {
        let id = id.map(|id| format!("{}@", bowline::base::peer::hex(&id))).unwrap_or_default();
        let scheme = if is_mconn { "mconn" } else { "bowline" };
        format!("{scheme}://{id}{host}:{port}").parse().expect("an address")
    })
}

fn capabilities() -> impl Strategy<Value = Vec<Capability>> {
    proptest::collection::btree_map(name(), any::<u64>(), 0..8)
        .prop_map(|map| map.into_iter().map(|(name, value)| Capability { name, value }).collect())
}

prop_compose! {
    fn hello()(
        agent in name(),
        network in name(),
        application_versions in vec(any::<u32>(), 0..=32),
        listen in vec(address(), 0..=4),
        channels in proptest::collection::btree_map(any::<u16>(), (name(), 1..=(100_u32 << 20), 1_024_u32.., 0..=4_096_u32), 0..=64),
        capabilities in capabilities(),
        is_private: bool,
        metadata in vec(any::<u8>(), 0..500),
    ) -> Hello {
        let offer = |(id, (name, message_bytes_max, credit, requests_max))| {
            let segment_cost_min = u32::from(id) % (credit / 4);
            ChannelOffer { id: ChannelId(id), name, message_bytes_max, credit, requests_max, segment_cost_min }
        };
        let channels = channels.into_iter().map(offer).collect();
        Hello { agent, network, application_versions, listen, channels, capabilities, is_private, metadata }
    }
}

/// A good message with a few bytes changed, or no message at all.
fn damaged(good: Vec<u8>, changes: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let mut bytes = good;
    for (at, byte) in changes {
        let len = bytes.len();
        if let Some(slot) = bytes.get_mut(at % len.max(1)) {
            *slot = *byte;
        }
    }
    bytes.truncate(bytes.len() - cut % (bytes.len() + 1));
    bytes
}

fn changes() -> impl Strategy<Value = (Vec<(usize, u8)>, usize)> {
    (vec((any::<usize>(), any::<u8>()), 0..4), prop_oneof![4 => Just(0_usize), 1 => any::<usize>()])
}

/// Reads with every reader; what is read must survive being written.
fn read_all(bytes: &[u8]) {
    if let Ok(hello) = Hello::decode(bytes) {
        assert_eq!(hello.encode().map(|bytes| Hello::decode(&bytes)), Ok(Ok(hello)));
    }
    if let Ok(nack) = Nack::decode(bytes) {
        assert!(nack.alternatives.len() <= 100);
        assert_eq!(Nack::decode(&nack.encode(NACK_BYTES_MAX)), Ok(nack));
    }
    if let Ok(received) = PexMessage::decode(bytes) {
        let again = PexMessage::decode(&received.message.encode()).expect("ours");
        assert!(received.skipped <= 100 && again.skipped == 0);
        assert_eq!(again.message, received.message);
    }
    if let Ok(request) = DiscoverRequest::decode(bytes) {
        assert_eq!(DiscoverRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(received) = DiscoverResponse::decode(bytes) {
        assert!(received.response.peers.len() + received.skipped <= 1_000);
        let again = DiscoverResponse::decode(&received.response.encode()).expect("ours");
        assert_eq!(again.response, received.response);
    }
    let mut rest = bytes;
    while let Ok((_, after)) = segment::take(rest) {
        assert!(after.len() < rest.len());
        rest = after;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..600)) {
        read_all(&bytes);
    }

    #[test]
    fn hellos_survive(hello in hello(), (changes, cut) in changes()) {
        if let Ok(bytes) = hello.encode() {
            prop_assert_eq!(Hello::decode(&bytes), Ok(hello));
            read_all(&damaged(bytes, &changes, cut));
        }
    }

    #[test]
    fn lists_of_addresses_survive(
        addresses in vec((address(), capabilities()), 0..110),
        has_more: bool,
        (changes, cut) in changes(),
    ) {
        let plain: Vec<Address> = addresses.iter().map(|(address, _)| address.clone()).collect();
        let nack = Nack { motive: None, alternatives: plain.clone() };
        prop_assert_eq!(Nack::decode(&nack.encode(NACK_BYTES_MAX)).expect("ours").alternatives, &plain[..plain.len().min(100)]);
        let page = DiscoverResponse::page(&plain, has_more);
        prop_assert_eq!(&DiscoverResponse::decode(&page.encode()).expect("ours").response, &page);
        let v2 = addresses.into_iter().map(|(address, capabilities)| PexAddress { address, capabilities }).collect();
        let messages = [nack.encode(NACK_BYTES_MAX), page.encode(), PexMessage::ResponseV2(v2).encode(), PexMessage::Response(plain).encode()];
        for bytes in messages {
            read_all(&bytes);
            read_all(&damaged(bytes, &changes, cut));
        }
    }

    #[test]
    fn segments_survive(
        channel: u16,
        bits in 0_u8..5,
        request: u32,
        body in vec(any::<u8>(), 0..2_000),
        more in 1_u32..1_000_000,
        is_first: bool,
        is_last: bool,
    ) {
        let kind = Kind::from_bits(bits).expect("five kinds");
        let request = if kind.has_request_id() && is_first { request } else { 0 };
        let (channel, total) = (ChannelId(channel), body.len() as u32 + more);
        let mut out = Vec::new();
        segment::write(&mut out, Head { channel, kind, request, total, is_first, is_last }, &body);
        prop_assert_eq!(out.len(), segment::header_len(kind, is_first, is_last) + body.len());
        let bytes = &body[..];
        let expected = match (is_first, is_last) {
            (true, true) => Segment::Whole { channel, kind, request, bytes },
            (true, false) => Segment::First { channel, kind, request, total, bytes },
            (false, _) => Segment::Next { channel, kind, is_last, bytes },
        };
        match segment::take(&out) {
            Ok(read) => prop_assert_eq!(read, (expected, &[][..])),
            Err(_) => prop_assert!(body.is_empty() && !(is_first && is_last), "only an empty part is refused"),
        }
    }
}
