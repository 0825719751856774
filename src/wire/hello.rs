//! Hello: what a node says of itself in its first record. Parsed, never trusted: the peer's key comes from the handshake.

use crate::base::address::Address;
use crate::base::channel::ChannelId;

/// A channel as announced: what we may send on it and how much at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOffer {
    pub id: ChannelId,
    pub name: String,
    /// Largest message that the announcer takes, bytes.
    pub message_bytes_max: u32,
    /// Segment bytes that may be under way to the announcer before it grants more.
    pub credit: u32,
}

/// A capability: a name of at most 32 bytes with a small value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability {
    pub name: String,
    pub value: u64,
}

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
