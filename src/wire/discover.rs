//! Peer discovery of bootstrap nodes: a request and its answer, both on channel 0x01. The exchange worker calls it.

use super::generated as proto;
use super::scan::{self, NotProtobuf};
use crate::base::address::{ADDRESS_TEXT_MAX, Address, AddressError};
use crate::base::limits::DISCOVER_BYTES_MAX;
use prost::Message as _;

/// Peers in one page of an answer (design, section 6).
pub const PEERS_MAX: usize = 1_000;

/// Asks a node which peers it knows to be healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoverRequest {
    /// Where the asker can be dialed, for the node to learn.
    pub peer: Option<Address>,
    /// The last address of the page before; none asks for the first page.
    pub after: Option<Address>,
    /// Only who became healthy after that version of the node's set is wanted; 0: everybody.
    pub since: u64,
}

/// One page of healthy peers, in the order of the answerer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoverResponse {
    pub peers: Vec<Address>,
    /// More follow after the last one.
    pub has_more: bool,
    /// The version of the set, for the next request on the same link; 0: unknown, and the set is always told whole.
    pub version: u64,
}

/// A response as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoverReceived {
    pub response: DiscoverResponse,
    /// Addresses that could not be read and were left out.
    pub skipped: usize,
}

/// Bytes that are no discovery message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoverError {
    #[error("a discovery message has at most {max} bytes, this one {length}")]
    TooLong { length: usize, max: usize },
    #[error("peers: {0} > {PEERS_MAX}")]
    TooMany(usize),
    #[error("a discovery message that does not decode")]
    Malformed,
    #[error("the asker's address: {0}")]
    Address(#[from] AddressError),
}

impl From<NotProtobuf> for DiscoverError {
    fn from(_: NotProtobuf) -> DiscoverError {
        DiscoverError::Malformed
    }
}

/// A number with its field header.
const VERSION_BYTES_MAX: usize = 11;
/// Two addresses with field headers of 3 bytes, and a version.
const REQUEST_BYTES_MAX: usize = 2 * (ADDRESS_TEXT_MAX + 3) + VERSION_BYTES_MAX;

impl DiscoverRequest {
    pub fn encode(&self) -> Vec<u8> {
        let text = |address: &Option<Address>| address.as_ref().map(Address::to_string).unwrap_or_default();
        proto::PeerDiscoverReq { peer: text(&self.peer), after: text(&self.after), since: self.since }.encode_to_vec()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// If it is too long, malformed, or names an address that is none.
    pub fn decode(bytes: &[u8]) -> Result<DiscoverRequest, DiscoverError> {
        check_length(bytes, REQUEST_BYTES_MAX)?;
        let message = proto::PeerDiscoverReq::decode(bytes).map_err(|_| DiscoverError::Malformed)?;
        let read = |text: &str| if text.is_empty() { Ok(None) } else { text.parse().map(Some) };
        Ok(DiscoverRequest { peer: read(&message.peer)?, after: read(&message.after)?, since: message.since })
    }
}

impl DiscoverResponse {
    /// One page of `peers`: as many of them as a message may carry. `has_more` is set when some are left over.
    pub fn page(peers: &[Address], has_more: bool) -> DiscoverResponse {
        let mut room = DISCOVER_BYTES_MAX as usize - 2 - VERSION_BYTES_MAX;
        let fits = |peer: &&Address| {
            let cost = peer.to_string().len() + 3;
            let does = cost <= room;
            room = room.saturating_sub(cost);
            does
        };
        let page: Vec<Address> = peers.iter().take(PEERS_MAX).take_while(fits).cloned().collect();
        DiscoverResponse { has_more: has_more || page.len() < peers.len(), peers: page, version: 0 }
    }

    /// The bytes of this response, which `page` made.
    pub fn encode(&self) -> Vec<u8> {
        let peers = self.peers.iter().take(PEERS_MAX).map(Address::to_string).collect();
        proto::PeerDiscoverRes { peers, has_more: self.has_more, version: self.version }.encode_to_vec()
    }

    /// Reads a response. The peers are counted on the raw bytes first; one that is no address is skipped and counted.
    ///
    /// # Errors
    /// If it is too long, malformed or has too many peers.
    pub fn decode(bytes: &[u8]) -> Result<DiscoverReceived, DiscoverError> {
        check_length(bytes, DISCOVER_BYTES_MAX as usize)?;
        let count = scan::count(bytes, 1)?;
        if count > PEERS_MAX {
            return Err(DiscoverError::TooMany(count));
        }
        let message = proto::PeerDiscoverRes::decode(bytes).map_err(|_| DiscoverError::Malformed)?;
        let peers: Vec<Address> = message.peers.iter().filter_map(|text| text.parse().ok()).collect();
        let skipped = count - peers.len();
        let response = DiscoverResponse { peers, has_more: message.has_more, version: message.version };
        Ok(DiscoverReceived { response, skipped })
    }
}

fn check_length(bytes: &[u8], max: usize) -> Result<(), DiscoverError> {
    if bytes.len() > max { Err(DiscoverError::TooLong { length: bytes.len(), max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> Vec<Address> {
        let id = "ab".repeat(32);
        (0..count).map(|i| format!("{id}@[2001:db8:ffff:ffff:ffff:ffff:ffff:{i:x}]:65535").parse().expect("an address")).collect()
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let first = DiscoverRequest::default();
        let next = DiscoverRequest {
            peer: Some("h:1".parse().expect("one")),
            after: Some("1.2.3.4:5".parse().expect("one")),
            since: u64::MAX,
        };
        for request in [first, next] {
            assert_eq!(DiscoverRequest::decode(&request.encode()), Ok(request));
        }
        let response = DiscoverResponse { version: 7, ..DiscoverResponse::page(&peers(3), true) };
        assert_eq!(DiscoverResponse::decode(&response.encode()), Ok(DiscoverReceived { response, skipped: 0 }));
    }

    #[test]
    fn a_page_holds_a_thousand_addresses_and_says_that_more_follow() {
        let page = DiscoverResponse::page(&peers(1_001), false);
        assert_eq!((page.peers.len(), page.has_more), (1_000, true));
        let page = DiscoverResponse { version: u64::MAX, ..page };
        assert!(page.encode().len() <= DISCOVER_BYTES_MAX as usize);
        assert!(!DiscoverResponse::page(&peers(1_000), false).has_more);
        let name = format!("{0}.{0}.{0}", "a".repeat(63));
        let long: Vec<Address> = vec![format!("{}@{name}:65535", "ab".repeat(32)).parse().expect("an address"); 1_000];
        let page = DiscoverResponse { version: u64::MAX, ..DiscoverResponse::page(&long, false) };
        assert!(page.has_more && page.encode().len() <= DISCOVER_BYTES_MAX as usize);
    }

    #[test]
    fn wrong_bytes_are_refused_with_numbers() {
        assert_eq!(DiscoverResponse::decode(&[0x0a, 0].repeat(1_001)), Err(DiscoverError::TooMany(1_001)));
        assert_eq!(DiscoverResponse::decode(&[0x0a, 0, 0x0a, 3, b'h', b':', b'1']).map(|r| r.skipped), Ok(1));
        let long = vec![0; DISCOVER_BYTES_MAX as usize + 1];
        assert!(matches!(DiscoverResponse::decode(&long), Err(DiscoverError::TooLong { length: 131_073, max: 131_072 })));
        assert!(DiscoverRequest::decode(&vec![0; REQUEST_BYTES_MAX + 1]).is_err());
        assert_eq!(DiscoverRequest::decode(&[0x0a, 9]), Err(DiscoverError::Malformed));
        assert!(matches!(DiscoverRequest::decode(&[0x0a, 1, b'?']), Err(DiscoverError::Address(_))));
    }
}
