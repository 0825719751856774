//! Peer exchange messages, with the field numbers of `tendermint.p2p.PexMessage` and ReactorV2's leniency: one address that cannot
//! be read is skipped and counted, a message that cannot be read is an error. The exchange worker calls it.

use super::generated as proto;
use super::hello::{Capability, check_capabilities, decode_capabilities, encode_capabilities};
use super::scan::{self, NotProtobuf};
use crate::base::address::{Address, Host, Scheme};
use crate::base::limits::{ADDRESSES_MAX, CAPABILITIES_MAX, PEX_BYTES_MAX};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use prost::Message as _;
use proto::pex_message::Sum;

/// One address of a v2 answer, and what the node there can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PexAddress {
    pub address: Address,
    pub capabilities: Vec<Capability>,
}

/// A message on the PEX channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PexMessage {
    /// v1: asks for addresses as id, IP and port.
    Request,
    Response(Vec<Address>),
    /// v2: asks for addresses as URLs.
    RequestV2,
    ResponseV2(Vec<PexAddress>),
}

/// A message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PexReceived {
    pub message: PexMessage,
    /// Addresses that could not be read and were left out.
    pub skipped: usize,
}

/// Bytes that are no PEX message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PexError {
    #[error("a PEX message has at most {PEX_BYTES_MAX} bytes, this one {0}")]
    TooLong(usize),
    #[error("addresses: {0} > {ADDRESSES_MAX}")]
    TooMany(usize),
    #[error("a PEX message that does not decode")]
    Malformed,
    #[error("a PEX message of unknown type")]
    UnknownType,
}

impl PexError {
    /// What a link that sent such a message is closed with.
    pub const fn reason(self) -> CloseReason {
        match self {
            PexError::TooMany(_) => CloseReason::PexTooMany,
            PexError::TooLong(_) | PexError::Malformed => CloseReason::PexMalformed,
            PexError::UnknownType => CloseReason::UnknownMessage,
        }
    }
}

impl From<NotProtobuf> for PexError {
    fn from(_: NotProtobuf) -> PexError {
        PexError::Malformed
    }
}

impl PexMessage {
    /// The bytes of this message. Addresses beyond the hundredth are left out, and in a v1 answer those with a host name: it has
    /// IP addresses only.
    pub fn encode(&self) -> Vec<u8> {
        let sum = match self {
            PexMessage::Request => Sum::PexRequest(proto::PexRequest {}),
            PexMessage::Response(addresses) => Sum::PexResponse(proto::PexResponse {
                addresses: addresses.iter().filter_map(encode_v1).take(ADDRESSES_MAX).collect(),
            }),
            PexMessage::RequestV2 => Sum::PexRequestV2(proto::PexRequestV2 {}),
            PexMessage::ResponseV2(addresses) => Sum::PexResponseV2(proto::PexResponseV2 { addresses: encode_v2(addresses) }),
        };
        proto::PexMessage { sum: Some(sum) }.encode_to_vec()
    }

    /// Reads a message. The addresses are counted on the raw bytes first.
    ///
    /// # Errors
    /// If the whole message is too long, malformed, of unknown type or has too many addresses.
    pub fn decode(bytes: &[u8]) -> Result<PexReceived, PexError> {
        if bytes.len() > PEX_BYTES_MAX as usize {
            return Err(PexError::TooLong(bytes.len()));
        }
        check_shape(bytes)?;
        let message = proto::PexMessage::decode(bytes).map_err(|_| PexError::Malformed)?;
        let (message, offered) = match message.sum.ok_or(PexError::UnknownType)? {
            Sum::PexRequest(_) => (PexMessage::Request, 0),
            Sum::PexRequestV2(_) => (PexMessage::RequestV2, 0),
            Sum::PexResponse(answer) => {
                let offered = answer.addresses.len();
                (PexMessage::Response(answer.addresses.into_iter().filter_map(decode_v1).collect()), offered)
            }
            Sum::PexResponseV2(answer) => {
                let offered = answer.addresses.len();
                (PexMessage::ResponseV2(answer.addresses.into_iter().filter_map(decode_v2).collect()), offered)
            }
        };
        let skipped = offered - message.addresses();
        Ok(PexReceived { message, skipped })
    }

    /// How many addresses it carries.
    fn addresses(&self) -> usize {
        match self {
            PexMessage::Request | PexMessage::RequestV2 => 0,
            PexMessage::Response(addresses) => addresses.len(),
            PexMessage::ResponseV2(addresses) => addresses.len(),
        }
    }
}

/// Exactly one of the known types, and at most a hundred addresses with at most `CAPABILITIES_MAX` capabilities each. A `oneof` that
/// occurs twice would be merged by the decoder, so it is refused here.
fn check_shape(bytes: &[u8]) -> Result<(), PexError> {
    let (mut known, mut addresses) = (0, 0);
    for field in scan::fields(bytes) {
        let field = field?;
        if !(1..=4).contains(&field.number) {
            continue;
        }
        known += 1;
        for inner in scan::fields(field.bytes.ok_or(PexError::Malformed)?) {
            let inner = inner?;
            if inner.number != 1 || !matches!(field.number, 2 | 4) {
                continue;
            }
            addresses += 1;
            let address = inner.bytes.ok_or(PexError::Malformed)?;
            if field.number == 4 && scan::count(address, 2)? > CAPABILITIES_MAX {
                return Err(PexError::Malformed);
            }
        }
    }
    match known {
        0 => Err(PexError::UnknownType),
        1 if addresses > ADDRESSES_MAX => Err(PexError::TooMany(addresses)),
        1 => Ok(()),
        _ => Err(PexError::Malformed),
    }
}

fn encode_v1(address: &Address) -> Option<proto::PexAddress> {
    let Host::Ip(ip) = &address.host else { return None };
    let id = address.id.map(|id| id.to_string()).unwrap_or_default();
    Some(proto::PexAddress { id, ip: ip.to_string(), port: u32::from(address.port) })
}

/// A v1 address names no scheme. One with the 64-digit id of a bowline peer is taken for a bowline address, one without id for an
/// mconn address; the 40-digit ids of mconn cannot be ours and are left out.
fn decode_v1(address: proto::PexAddress) -> Option<Address> {
    let id = match address.id.as_str() {
        "" => None,
        text => Some(text.parse::<PeerId>().ok()?),
    };
    let ip: std::net::IpAddr = address.ip.parse().ok()?;
    let port = u16::try_from(address.port).ok().filter(|port| *port != 0)?;
    let scheme = if id.is_some() { Scheme::Bowline } else { Scheme::Mconn };
    Some(Address { scheme, id, host: Host::Ip(ip.to_canonical()), port })
}

/// Each has its share of the bytes, so that no node crowds out another by what it says of itself: of capabilities only so many go as
/// have room there, the first ones first. A hundred URLs of the longest host names fit.
fn encode_v2(addresses: &[PexAddress]) -> Vec<proto::PexAddressV2> {
    let count = addresses.len().min(ADDRESSES_MAX);
    // Type and length of the message, and the same for the answer in it: at most 4 bytes each.
    let share = (PEX_BYTES_MAX as usize - 8) / count.max(1);
    addresses.iter().take(count).map(|entry| encode_within(share, entry)).collect()
}

fn encode_within(share: usize, entry: &PexAddress) -> proto::PexAddressV2 {
    // The address' own type and length take at most 4 bytes.
    let mut address = proto::PexAddressV2 { url: entry.address.to_string(), capabilities: Vec::new() };
    for capability in encode_capabilities(&entry.capabilities) {
        address.capabilities.push(capability);
        if address.encoded_len() + 4 > share {
            address.capabilities.pop();
            break;
        }
    }
    address
}

fn decode_v2(address: proto::PexAddressV2) -> Option<PexAddress> {
    let capabilities = decode_capabilities(address.capabilities);
    check_capabilities(&capabilities).ok()?;
    Some(PexAddress { address: address.url.parse().ok()?, capabilities })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PexAddress {
        PexAddress { address: text.parse().expect("an address"), capabilities: Vec::new() }
    }

    fn received(message: PexMessage) -> PexReceived {
        PexReceived { message, skipped: 0 }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let id = "ab".repeat(32);
        let v1 = vec![
            format!("{id}@10.1.2.3:9").parse().expect("an address"),
            "mconn://[2001:db8::1]:7".parse().expect("one"),
            format!("{id}@[2001:db8::2]:8").parse().expect("one"),
        ];
        let mut rich = url(&format!("{id}@seed.example:1"));
        rich.capabilities.push(Capability { name: "archive".into(), value: 3 });
        for message in [
            PexMessage::Request,
            PexMessage::RequestV2,
            PexMessage::Response(v1),
            PexMessage::ResponseV2(vec![rich, url("mconn://h:2")]),
            PexMessage::ResponseV2(vec![]),
        ] {
            assert_eq!(PexMessage::decode(&message.encode()), Ok(received(message)));
        }
    }

    #[test]
    fn the_bytes_are_tendermints() {
        assert_eq!(PexMessage::Request.encode(), [0x0a, 0]);
        assert_eq!(PexMessage::RequestV2.encode(), [0x1a, 0]);
        let v1 = PexMessage::Response(vec!["mconn://1.2.3.4:5".parse().expect("an address")]);
        assert_eq!(v1.encode(), [&[0x12, 13, 0x0a, 11, 0x12, 7][..], b"1.2.3.4", &[0x18, 5]].concat());
        let v2 = PexMessage::ResponseV2(vec![url("mconn://h:5")]);
        assert_eq!(v2.encode(), [&[0x22, 15, 0x0a, 13, 0x0a, 11][..], b"mconn://h:5"].concat());
    }

    #[test]
    fn single_addresses_that_cannot_be_read_are_skipped_and_counted() {
        let address = |url: &str| proto::PexAddressV2 { url: url.into(), capabilities: vec![] };
        let addresses = vec![address("http://x:1"), address("h:1"), address("")];
        let message = proto::PexMessage { sum: Some(Sum::PexResponseV2(proto::PexResponseV2 { addresses })) };
        let read = PexMessage::decode(&message.encode_to_vec()).expect("a message");
        assert_eq!(read, PexReceived { message: PexMessage::ResponseV2(vec![url("h:1")]), skipped: 2 });
        let address = |id: &str, ip: &str, port| proto::PexAddress { id: id.into(), ip: ip.into(), port };
        let addresses = vec![
            address(&"ab".repeat(20), "1.2.3.4", 1),
            address("", "name", 1),
            address("", "::1", 0),
            address("", "::1", 65_536),
            address("", "::1", 1),
        ];
        let message = proto::PexMessage { sum: Some(Sum::PexResponse(proto::PexResponse { addresses })) };
        assert_eq!(PexMessage::decode(&message.encode_to_vec()).expect("a message").skipped, 4);
    }

    #[test]
    fn too_many_unknown_and_malformed_are_different_errors() {
        let flood = |type_byte: u8| [&[type_byte, 202, 1][..], &[0x0a, 0].repeat(101)].concat();
        assert_eq!(PexMessage::decode(&flood(0x12)), Err(PexError::TooMany(101)));
        assert_eq!(PexMessage::decode(&flood(0x22)), Err(PexError::TooMany(101)));
        let two = [[0x22, 200, 1].to_vec(), [0x0a, 0].repeat(100), vec![0x22, 2, 0x0a, 0]].concat();
        assert_eq!(PexMessage::decode(&two), Err(PexError::Malformed));
        assert_eq!(PexMessage::decode(&[]), Err(PexError::UnknownType));
        assert_eq!(PexMessage::decode(&[0x2a, 0]), Err(PexError::UnknownType));
        assert_eq!(PexMessage::decode(&[0x0a, 0, 0x1a, 0]), Err(PexError::Malformed));
        assert_eq!(PexMessage::decode(&[0x08, 0]), Err(PexError::Malformed));
        assert_eq!(PexMessage::decode(&[0x0a]), Err(PexError::Malformed));
        assert_eq!(PexMessage::decode(&vec![0; 64_001]), Err(PexError::TooLong(64_001)));
        let capable = [&[0x22, 68, 0x0a, 66][..], &[0x12, 0].repeat(33)].concat();
        assert_eq!(PexMessage::decode(&capable), Err(PexError::Malformed));
    }

    #[test]
    fn no_address_crowds_out_another_by_its_capabilities() {
        let all: Vec<_> = (0..32).map(|i| Capability { name: format!("{i:032}"), value: u64::MAX }).collect();
        let long =
            |i: usize| format!("{}@{i}.{}:65535", "ab".repeat(32), ["x".repeat(60), "y".repeat(63), "z".repeat(63)].join("."));
        let mut entries: Vec<_> = (0..99).map(|i| PexAddress { capabilities: all.clone(), ..url(&long(i)) }).collect();
        entries.push(PexAddress { capabilities: all[..1].to_vec(), ..url("h:1") });
        let read = PexMessage::decode(&PexMessage::ResponseV2(entries.clone()).encode()).expect("ours").message;
        let PexMessage::ResponseV2(read) = read else { panic!("{read:?}") };
        assert!(
            read.iter()
                .zip(&entries)
                .all(|(is, was)| is.address == was.address && was.capabilities.starts_with(&is.capabilities))
        );
        assert_eq!((read.len(), read[99].capabilities.len()), (100, 1));
        assert!((1..32).contains(&read[0].capabilities.len()), "the first ones");
        let alone = PexMessage::ResponseV2(entries[..1].to_vec());
        assert_eq!(PexMessage::decode(&alone.encode()), Ok(received(alone)), "who is alone has room for all");
    }

    #[test]
    fn an_address_with_bad_capabilities_is_skipped_and_the_others_are_read() {
        let capability = |name: &str| proto::Capability { name: name.into(), value: 1 };
        let long = "x".repeat(33);
        for bad in [vec![""], vec!["a\n"], vec!["ü"], vec![long.as_str()], vec!["twice", "twice"]] {
            let addresses = vec![
                proto::PexAddressV2 { url: "h:1".into(), capabilities: bad.iter().map(|name| capability(name)).collect() },
                proto::PexAddressV2 { url: "h:2".into(), capabilities: vec![capability("archive")] },
            ];
            let message = proto::PexMessage { sum: Some(Sum::PexResponseV2(proto::PexResponseV2 { addresses })) };
            let read = PexMessage::decode(&message.encode_to_vec()).expect("a message");
            let archive = Capability { name: "archive".into(), value: 1 };
            let good = PexAddress { capabilities: vec![archive], ..url("h:2") };
            assert_eq!(read, PexReceived { message: PexMessage::ResponseV2(vec![good]), skipped: 1 }, "{bad:?}");
        }
    }

    #[test]
    fn an_answer_never_exceeds_its_limits() {
        let mut heavy = url(&format!("{}@{}.example:65535", "ab".repeat(32), "x".repeat(60)));
        heavy.capabilities = (0..32).map(|i| Capability { name: format!("{i:032}"), value: u64::MAX }).collect();
        let bytes = PexMessage::ResponseV2(vec![heavy; 120]).encode();
        assert!(bytes.len() <= PEX_BYTES_MAX as usize, "{}", bytes.len());
        assert_eq!(PexMessage::decode(&bytes).map(|received| received.message.addresses()), Ok(100));
        let many = PexMessage::Response(vec!["1.1.1.1:1".parse().expect("an address"); 150]).encode();
        assert!(matches!(PexMessage::decode(&many), Ok(PexReceived { message: PexMessage::Response(a), .. }) if a.len() == 100));
    }
}
