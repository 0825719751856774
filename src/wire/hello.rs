//! Hello: what a node says of itself in its first record. Parsed, never trusted: the peer's key comes from the handshake.
//! The session encodes ours and decodes the peer's; whoever reads a `Hello` may rely on every limit named here.

use super::generated as proto;
use super::scan::{self, NotProtobuf};
use crate::base::address::{ADDRESS_TEXT_MAX, Address, AddressError};
use crate::base::channel::ChannelId;
use crate::base::limits::{CAPABILITIES_MAX, CHANNELS_MAX, HELLO_BYTES_MAX, LISTENERS_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
use crate::base::sizes;
use crate::base::text::{is_name, shown};
use prost::Message as _;

/// Bytes of the agent's text.
pub const AGENT_BYTES_MAX: usize = 128;
/// Bytes of a network's name.
pub const NETWORK_BYTES_MAX: usize = 128;
/// Versions of the application's protocol that one Hello may name.
pub const APPLICATION_VERSIONS_MAX: usize = 32;
/// Bytes of the application's metadata: half a Hello.
pub const METADATA_BYTES_MAX: usize = 4 * 1_024;
/// Smallest first credit of a channel: a quarter of it still carries the largest segment header and some bytes.
pub const CREDIT_MIN: u32 = 1_024;

/// A channel as announced: what we may send on it and how much at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOffer {
    pub id: ChannelId,
    pub name: String,
    /// Largest message that the announcer takes, bytes.
    pub message_bytes_max: u32,
    /// Segment bytes that may be under way to the announcer before it grants more.
    pub credit: u32,
    /// Requests that may wait for the announcer's answer; 0: it serves none.
    pub requests_max: u32,
    /// Credit that a segment to the announcer takes at least; at most a quarter of `credit`.
    pub segment_cost_min: u32,
}

/// A capability: a name of at most 32 bytes with a small value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    pub name: String,
    pub value: u64,
}

const _: () = assert!(size_of::<Capability>() <= sizes::CAPABILITY);

/// What a node says of itself; at most 8 KiB encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// Name and version of the software, for people.
    pub agent: String,
    /// The network's name; must be ours.
    pub network: String,
    /// Versions of the application's protocol.
    pub application_versions: Vec<u32>,
    /// Where the node can be dialed, as it believes. An unspecified host (0.0.0.0) stands for the address it is seen at.
    pub listen: Vec<Address>,
    pub channels: Vec<ChannelOffer>,
    pub capabilities: Vec<Capability>,
    /// True if the node does not want to be advertised.
    pub is_private: bool,
    /// The application's own bytes.
    pub metadata: Vec<u8>,
}

/// Largest Hello in memory: its texts are no longer than its encoding, and so many parts may stand beside them.
const PARTS: usize = size_of::<Hello>()
    + APPLICATION_VERSIONS_MAX * size_of::<u32>()
    + LISTENERS_MAX * size_of::<Address>()
    + CHANNELS_MAX * size_of::<ChannelOffer>()
    + CAPABILITIES_MAX * size_of::<Capability>();
const _: () = assert!(HELLO_BYTES_MAX + PARTS <= sizes::HELLO);

/// A Hello that breaks a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HelloError {
    #[error("a Hello has at most {HELLO_BYTES_MAX} bytes, this one {0}")]
    TooLong(usize),
    #[error("a Hello that does not decode")]
    Malformed,
    #[error("{what}: {count} > {max}")]
    TooMany { what: &'static str, count: usize, max: usize },
    #[error("the name '{0}' is not 1 to {NAME_BYTES_MAX} printable ASCII characters")]
    Name(String),
    #[error("{0} is no channel id: 0 to 65535 are")]
    ChannelNumber(u32),
    #[error("{0} is announced twice")]
    Twice(String),
    #[error("{0}: a largest message of {1} bytes; 1 to {MESSAGE_BYTES_MAX} are allowed")]
    MessageMax(ChannelId, u32),
    #[error("{0}: a first credit of {1} bytes; at least {CREDIT_MIN} are needed")]
    Credit(ChannelId, u32),
    #[error("{0}: a segment costs {1} bytes at least; more than a quarter of the first credit of {2} is not allowed")]
    SegmentCost(ChannelId, u32, u32),
    #[error("listen address: {0}")]
    Listen(#[from] AddressError),
}

impl From<NotProtobuf> for HelloError {
    fn from(_: NotProtobuf) -> HelloError {
        HelloError::Malformed
    }
}

impl Hello {
    /// The channel's offer, if the node has it.
    pub fn offer(&self, channel: ChannelId) -> Option<&ChannelOffer> {
        self.channels.iter().find(|offer| offer.id == channel)
    }

    /// True if the node says that it has that capability.
    pub fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known.name == capability)
    }

    /// The highest version of the application's protocol that `own` has, too; `None` if there is none.
    pub fn common_version(&self, own: &[u32]) -> Option<u32> {
        self.application_versions.iter().copied().filter(|version| own.contains(version)).max()
    }

    /// The bytes of this Hello.
    ///
    /// # Errors
    /// If it breaks a limit that the peer would refuse it for.
    pub fn encode(&self) -> Result<Vec<u8>, HelloError> {
        self.check()?;
        let message = proto::Hello {
            agent: self.agent.clone(),
            network: self.network.clone(),
            application_versions: self.application_versions.clone(),
            listen: self.listen.iter().map(Address::to_string).collect(),
            channels: self.channels.iter().map(encode_offer).collect(),
            capabilities: encode_capabilities(&self.capabilities),
            is_private: self.is_private,
            metadata: self.metadata.clone(),
        };
        let bytes = message.encode_to_vec();
        if bytes.len() > HELLO_BYTES_MAX {
            return Err(HelloError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a Hello and checks every limit.
    ///
    /// # Errors
    /// What is wrong with it, with the numbers.
    pub fn decode(bytes: &[u8]) -> Result<Hello, HelloError> {
        if bytes.len() > HELLO_BYTES_MAX {
            return Err(HelloError::TooLong(bytes.len()));
        }
        // A packed field may be cut in pieces, so its occurrences are counted as well as its elements.
        let lists = [
            (3, "application versions", APPLICATION_VERSIONS_MAX),
            (4, "listen addresses", LISTENERS_MAX),
            (5, "channels", CHANNELS_MAX),
            (6, "capabilities", CAPABILITIES_MAX),
        ];
        for (number, what, max) in lists {
            at_most(what, scan::count(bytes, number)?, max)?;
        }
        let message = proto::Hello::decode(bytes).map_err(|_| HelloError::Malformed)?;
        for text in &message.listen {
            if text.len() > ADDRESS_TEXT_MAX {
                return Err(HelloError::Listen(AddressError::TooLong(text.len())));
            }
        }
        let hello = Hello {
            agent: message.agent,
            network: message.network,
            application_versions: message.application_versions,
            listen: message.listen.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            channels: message.channels.into_iter().map(decode_offer).collect::<Result<_, _>>()?,
            capabilities: decode_capabilities(message.capabilities),
            is_private: message.is_private,
            metadata: message.metadata,
        };
        hello.check()?;
        Ok(hello)
    }

    /// The limits that both directions share.
    fn check(&self) -> Result<(), HelloError> {
        at_most("agent bytes", self.agent.len(), AGENT_BYTES_MAX)?;
        at_most("network name bytes", self.network.len(), NETWORK_BYTES_MAX)?;
        at_most("application versions", self.application_versions.len(), APPLICATION_VERSIONS_MAX)?;
        at_most("listen addresses", self.listen.len(), LISTENERS_MAX)?;
        at_most("channels", self.channels.len(), CHANNELS_MAX)?;
        at_most("metadata bytes", self.metadata.len(), METADATA_BYTES_MAX)?;
        check_capabilities(&self.capabilities)?;
        for (i, offer) in self.channels.iter().enumerate() {
            check_name(&offer.name)?;
            if offer.message_bytes_max == 0 || offer.message_bytes_max > MESSAGE_BYTES_MAX {
                return Err(HelloError::MessageMax(offer.id, offer.message_bytes_max));
            }
            if offer.credit < CREDIT_MIN {
                return Err(HelloError::Credit(offer.id, offer.credit));
            }
            if offer.segment_cost_min > offer.credit / 4 {
                return Err(HelloError::SegmentCost(offer.id, offer.segment_cost_min, offer.credit));
            }
            if self.channels[..i].iter().any(|earlier| earlier.id == offer.id) {
                return Err(HelloError::Twice(offer.id.to_string()));
            }
        }
        Ok(())
    }
}

/// The limits of a set of capabilities, in a Hello as in a PEX answer.
pub(super) fn check_capabilities(capabilities: &[Capability]) -> Result<(), HelloError> {
    at_most("capabilities", capabilities.len(), CAPABILITIES_MAX)?;
    for (i, capability) in capabilities.iter().enumerate() {
        check_name(&capability.name)?;
        if capabilities[..i].iter().any(|earlier| earlier.name == capability.name) {
            return Err(HelloError::Twice(format!("capability '{}'", capability.name)));
        }
    }
    Ok(())
}

pub(super) fn encode_capabilities(capabilities: &[Capability]) -> Vec<proto::Capability> {
    capabilities.iter().map(|c| proto::Capability { name: c.name.clone(), value: c.value }).collect()
}

pub(super) fn decode_capabilities(capabilities: Vec<proto::Capability>) -> Vec<Capability> {
    capabilities.into_iter().map(|c| Capability { name: c.name, value: c.value }).collect()
}

fn encode_offer(offer: &ChannelOffer) -> proto::ChannelOffer {
    proto::ChannelOffer {
        id: u32::from(offer.id.0),
        name: offer.name.clone(),
        message_bytes_max: offer.message_bytes_max,
        credit: offer.credit,
        requests_max: offer.requests_max,
        segment_cost_min: offer.segment_cost_min,
    }
}

fn decode_offer(offer: proto::ChannelOffer) -> Result<ChannelOffer, HelloError> {
    let id = u16::try_from(offer.id).map_err(|_| HelloError::ChannelNumber(offer.id))?;
    Ok(ChannelOffer {
        id: ChannelId(id),
        name: offer.name,
        message_bytes_max: offer.message_bytes_max,
        credit: offer.credit,
        requests_max: offer.requests_max,
        segment_cost_min: offer.segment_cost_min,
    })
}

fn check_name(name: &str) -> Result<(), HelloError> {
    if is_name(name) { Ok(()) } else { Err(HelloError::Name(shown(name))) }
}

fn at_most(what: &'static str, count: usize, max: usize) -> Result<(), HelloError> {
    if count > max { Err(HelloError::TooMany { what, count, max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Hello {
        Hello {
            agent: "bowline/0.1".into(),
            network: "test".into(),
            application_versions: vec![1, 300],
            listen: vec!["0.0.0.0:9732".parse().expect("an address")],
            channels: vec![ChannelOffer {
                id: ChannelId(0x20),
                name: "blocks".into(),
                message_bytes_max: 1 << 20,
                credit: 1 << 20,
                requests_max: 64,
                segment_cost_min: 64,
            }],
            capabilities: vec![Capability { name: "archive".into(), value: u64::MAX }],
            is_private: true,
            metadata: vec![0, 255],
        }
    }

    #[test]
    fn the_highest_version_that_both_have_is_the_common_one() {
        let common = |own: &[u32]| Hello { application_versions: vec![3, 1, 7], ..sample() }.common_version(own);
        assert_eq!((common(&[1, 2, 3]), common(&[7, 3]), common(&[2, 8]), common(&[])), (Some(3), Some(7), None, None));
    }

    fn fault(change: impl Fn(&mut Hello)) -> String {
        let mut hello = sample();
        change(&mut hello);
        hello.encode().expect_err("breaks a limit").to_string()
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for hello in [sample(), Hello::default()] {
            assert_eq!(Hello::decode(&hello.encode().expect("in bounds")), Ok(hello));
        }
    }

    #[test]
    fn every_limit_is_checked_and_says_its_numbers() {
        assert_eq!(fault(|h| h.agent = "a".repeat(129)), "agent bytes: 129 > 128");
        assert_eq!(fault(|h| h.network = "a".repeat(129)), "network name bytes: 129 > 128");
        assert_eq!(fault(|h| h.application_versions = vec![0; 33]), "application versions: 33 > 32");
        assert_eq!(fault(|h| h.listen = vec![h.listen[0].clone(); 9]), "listen addresses: 9 > 8");
        assert_eq!(fault(|h| h.channels = vec![h.channels[0].clone(); 65]), "channels: 65 > 64");
        assert_eq!(fault(|h| h.channels = vec![h.channels[0].clone(); 2]), "channel 0x20 is announced twice");
        assert_eq!(fault(|h| h.capabilities = vec![h.capabilities[0].clone(); 33]), "capabilities: 33 > 32");
        assert!(fault(|h| h.capabilities = vec![h.capabilities[0].clone(); 2]).contains("'archive' is announced twice"));
        assert_eq!(fault(|h| h.metadata = vec![0; 4_097]), "metadata bytes: 4097 > 4096");
        assert!(fault(|h| h.channels[0].name = "\n".into()).contains("the name '\\n'"));
        assert!(fault(|h| h.channels[0].name = String::new()).contains("the name ''"));
        assert!(fault(|h| h.channels[0].credit = 1_023).contains("1023 bytes; at least 1024"));
        assert!(fault(|h| h.channels[0].segment_cost_min = 262_145).contains("a quarter of the first credit of 1048576"));
        assert!(fault(|h| h.channels[0].message_bytes_max = 0).contains("of 0 bytes"));
        assert!(fault(|h| h.channels[0].message_bytes_max = (100 << 20) + 1).contains("104857601 bytes"));
    }

    #[test]
    fn counts_are_judged_before_decoding() {
        // 4,000 empty channel offers: two bytes each on the wire.
        let flood = [0x2a, 0].repeat(4_000);
        assert_eq!(Hello::decode(&flood), Err(HelloError::TooMany { what: "channels", count: 4_000, max: 64 }));
        assert_eq!(Hello::decode(&[0; HELLO_BYTES_MAX + 1]), Err(HelloError::TooLong(HELLO_BYTES_MAX + 1)));
        let packed = [&[0x1a, 33][..], &[1; 33]].concat();
        assert!(matches!(Hello::decode(&packed), Err(HelloError::TooMany { count: 33, .. })));
        assert_eq!(Hello::decode(&[0x0a, 9]), Err(HelloError::Malformed));
        assert_eq!(Hello::decode(&[0x0a, 1, 0xff]), Err(HelloError::Malformed));
        let far = [0x2a, 4, 0x08, 0x80, 0x80, 0x04];
        assert_eq!(Hello::decode(&far), Err(HelloError::ChannelNumber(65_536)));
        assert!(matches!(Hello::decode(&[0x22, 1, b'x']), Err(HelloError::Listen(_))));
    }
}
