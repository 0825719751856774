//! The layout of the handshake's messages, byte for byte (security reference 2.3). No keys, no decisions: the two sides of the handshake
//! call it. Integers are little-endian here.
//!
//! ```text
//! M1 160   "BOWLINE1" | version min, max | flags | 0 x 5 | network id 16 | e 32 | claim key 32, stamp 24 | cookie 16 | solution 8 | 0 x 16
//! R1  32   03 version difficulty 00 | cookie 16 | 0 x 12        or        04 version code 00 | 0 x 28
//! M2 164   02 version 00 00 | e 32 | sealed s 48 | sealed payload 80
//! M3 128   sealed s 48 | sealed payload 80
//! payload  version, min, max, 00 | caps u32 | stamp 24 | port u16 | your ip 16 | max frame u32 | 0 x 10
//! ```

use crate::base::limits::{FRAME_MAX, FRAME_MIN};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::crypto::puzzle::{COOKIE, SOLUTION};
use crate::crypto::stamp::STAMP;
use std::net::{IpAddr, Ipv6Addr};

pub const M1: usize = 160;
pub const R1: usize = 32;
pub const M2: usize = 164;
pub const M3: usize = 128;
/// Bytes of M1 in front of Noise's first message; they go into the prologue.
pub const M1_HEAD: usize = 32;
/// Bytes of M2 in front of Noise's second message.
pub const M2_HEAD: usize = 4;
/// What Noise's first message carries in clear: claim and puzzle.
pub const M1_PAYLOAD: usize = 96;
/// What the second and third carry sealed.
pub const PAYLOAD: usize = 64;

pub const MAGIC: &[u8; 8] = b"BOWLINE1";
const PROLOGUE: &[u8; 10] = b"bowline/1\0";

const FLAG_CLAIM: u8 = 0b01;
const FLAG_PUZZLE: u8 = 0b10;

/// First byte of M2 and of the two answers that are not M2.
pub const TYPE_M2: u8 = 2;
pub const TYPE_CHALLENGE: u8 = 3;
pub const TYPE_REJECT: u8 = 4;

/// A range of versions, or the version chosen out of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub min: u8,
    pub max: u8,
}

impl Versions {
    /// The highest version of both ranges.
    pub fn common(self, other: Versions) -> Option<u8> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// A key shown in clear, with its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub peer: PeerId,
    pub stamp: [u8; STAMP],
}

/// A puzzle and its solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub cookie: [u8; COOKIE],
    pub solution: [u8; SOLUTION],
}

/// The first message, without the ephemeral key, which is Noise's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    pub versions: Versions,
    pub network_id: [u8; 16],
    pub claim: Option<Claim>,
    pub answer: Option<Answer>,
}

impl First {
    /// The 32 bytes in front of Noise's message.
    pub fn head(&self) -> [u8; M1_HEAD] {
        let mut head = [0; M1_HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8] = self.versions.min;
        head[9] = self.versions.max;
        head[10] = if self.claim.is_some() { FLAG_CLAIM } else { 0 } | if self.answer.is_some() { FLAG_PUZZLE } else { 0 };
        head[16..].copy_from_slice(&self.network_id);
        head
    }

    /// The payload of Noise's first message.
    pub fn payload(&self) -> [u8; M1_PAYLOAD] {
        let mut payload = [0; M1_PAYLOAD];
        if let Some(claim) = &self.claim {
            payload[..32].copy_from_slice(claim.peer.as_bytes());
            payload[32..56].copy_from_slice(&claim.stamp);
        }
        if let Some(answer) = &self.answer {
            payload[56..72].copy_from_slice(&answer.cookie);
            payload[72..80].copy_from_slice(&answer.solution);
        }
        payload
    }

    /// Reads M1; `None` if it breaks the layout. Versions and network are the caller's to judge.
    pub fn decode(message: &[u8; M1]) -> Option<First> {
        let flags = message[10];
        let is_layout = message.starts_with(MAGIC)
            && flags & !(FLAG_CLAIM | FLAG_PUZZLE) == 0
            && is_zero(&message[11..16])
            && is_zero(&message[144..])
            && message[8] <= message[9];
        let has_claim = flags & FLAG_CLAIM != 0;
        let has_answer = flags & FLAG_PUZZLE != 0;
        // A field whose flag is not set must be zero: nothing may hide in it.
        let is_clean = (has_claim || is_zero(&message[64..120])) && (has_answer || is_zero(&message[120..144]));
        (is_layout && is_clean).then(|| First {
            versions: Versions { min: message[8], max: message[9] },
            network_id: field(message, 16),
            claim: has_claim.then(|| Claim { peer: PeerId::from_bytes(field(message, 64)), stamp: field(message, 96) }),
            answer: has_answer.then(|| Answer { cookie: field(message, 120), solution: field(message, 136) }),
        })
    }
}

/// The initiator's ephemeral key in M1.
pub fn ephemeral(message: &[u8; M1]) -> PeerId {
    PeerId::from_bytes(field(message, M1_HEAD))
}

/// What goes into every key besides Noise's messages: the head of M1.
pub fn prologue(head: &[u8; M1_HEAD]) -> [u8; PROLOGUE.len() + M1_HEAD] {
    let mut prologue = [0; PROLOGUE.len() + M1_HEAD];
    prologue[..PROLOGUE.len()].copy_from_slice(PROLOGUE);
    prologue[PROLOGUE.len()..].copy_from_slice(head);
    prologue
}

/// An answer that is not M2: unauthenticated, so it may cause a retry or an end, never a lower version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Challenge { difficulty: u8, cookie: [u8; COOKIE] },
    Reject(Option<RejectCode>),
}

/// Why the responder does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RejectCode {
    Version = 1,
    Network = 2,
    Busy = 3,
    ClaimRequired = 4,
    Stamp = 5,
}

impl RejectCode {
    const fn from_byte(byte: u8) -> Option<RejectCode> {
        match byte {
            1 => Some(RejectCode::Version),
            2 => Some(RejectCode::Network),
            3 => Some(RejectCode::Busy),
            4 => Some(RejectCode::ClaimRequired),
            5 => Some(RejectCode::Stamp),
            _ => None,
        }
    }

    /// The reason that it stands for.
    pub const fn reason(self) -> CloseReason {
        match self {
            RejectCode::Version => CloseReason::WrongVersion,
            RejectCode::Network => CloseReason::WrongNetwork,
            RejectCode::Busy => CloseReason::TooManyLinks,
            RejectCode::ClaimRequired => CloseReason::ClaimRequired,
            RejectCode::Stamp => CloseReason::BadStamp,
        }
    }
}

impl Refusal {
    /// `version` is the newest that the responder speaks, for people who look at the wire.
    pub fn encode(&self, version: u8) -> [u8; R1] {
        let mut message = [0; R1];
        message[1] = version;
        match self {
            Refusal::Challenge { difficulty, cookie } => {
                message[0] = TYPE_CHALLENGE;
                message[2] = *difficulty;
                message[4..20].copy_from_slice(cookie);
            }
            Refusal::Reject(code) => {
                message[0] = TYPE_REJECT;
                message[2] = code.map_or(0, |code| code as u8);
            }
        }
        message
    }

    /// Reads R1; `None` if it breaks the layout. Codes that this version does not know are `Reject(None)`.
    pub fn decode(message: &[u8; R1]) -> Option<Refusal> {
        match message[0] {
            TYPE_CHALLENGE if message[3] == 0 && is_zero(&message[20..]) => {
                Some(Refusal::Challenge { difficulty: message[2], cookie: field(message, 4) })
            }
            TYPE_REJECT if is_zero(&message[3..]) => Some(Refusal::Reject(RejectCode::from_byte(message[2]))),
            _ => None,
        }
    }
}

/// The sealed payload of M2 and M3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    pub chosen: u8,
    /// The responder's range; the initiator leaves it out, for its own is in M1.
    pub versions: Option<Versions>,
    pub caps: u32,
    pub stamp: [u8; STAMP],
    /// In M2 the port that the initiator is seen at, in M3 the port that it listens on.
    pub port: u16,
    /// The address that the reader of this is seen at; `None` if unknown.
    pub your_ip: Option<IpAddr>,
    pub frame_max: u32,
}

impl Introduction {
    pub fn encode(&self) -> [u8; PAYLOAD] {
        let mut payload = [0; PAYLOAD];
        payload[0] = self.chosen;
        if let Some(versions) = self.versions {
            (payload[1], payload[2]) = (versions.min, versions.max);
        }
        payload[4..8].copy_from_slice(&self.caps.to_le_bytes());
        payload[8..32].copy_from_slice(&self.stamp);
        payload[32..34].copy_from_slice(&self.port.to_le_bytes());
        let ip = match self.your_ip {
            Some(IpAddr::V4(v4)) => v4.to_ipv6_mapped(),
            Some(IpAddr::V6(v6)) => v6,
            None => Ipv6Addr::UNSPECIFIED,
        };
        payload[34..50].copy_from_slice(&ip.octets());
        payload[50..54].copy_from_slice(&self.frame_max.to_le_bytes());
        payload
    }

    /// Reads a payload; `None` if it breaks the layout or a limit. `has_versions` says which of both messages it is from.
    pub fn decode(payload: &[u8; PAYLOAD], has_versions: bool) -> Option<Introduction> {
        let versions = Versions { min: payload[1], max: payload[2] };
        let is_range = if has_versions { versions.min <= versions.max } else { versions == Versions { min: 0, max: 0 } };
        let frame_max = u32::from_le_bytes(field(payload, 50));
        let is_frame = (FRAME_MIN..=FRAME_MAX).contains(&(frame_max as usize));
        let ip = Ipv6Addr::from(field::<16>(payload, 34));
        (is_range && is_frame && payload[3] == 0 && is_zero(&payload[54..])).then(|| Introduction {
            chosen: payload[0],
            versions: has_versions.then_some(versions),
            caps: u32::from_le_bytes(field(payload, 4)),
            stamp: field(payload, 8),
            port: u16::from_le_bytes(field(payload, 32)),
            your_ip: (!ip.is_unspecified()).then(|| IpAddr::V6(ip).to_canonical()),
            frame_max,
        })
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// `N` bytes at `at`; every caller's range lies within its fixed-size message.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first() -> First {
        First {
            versions: Versions { min: 1, max: 3 },
            network_id: [7; 16],
            claim: Some(Claim { peer: PeerId::from_bytes([1; 32]), stamp: [2; 24] }),
            answer: Some(Answer { cookie: [3; 16], solution: [4; 8] }),
        }
    }

    fn message(first: &First) -> [u8; M1] {
        let mut message = [9; M1];
        message[..M1_HEAD].copy_from_slice(&first.head());
        message[64..].copy_from_slice(&first.payload());
        message
    }

    #[test]
    fn a_first_message_survives_and_hides_nothing() {
        for (claim, answer) in [(true, true), (true, false), (false, true), (false, false)] {
            let full = first();
            let first = First { claim: full.claim.filter(|_| claim), answer: full.answer.filter(|_| answer), ..full };
            let message = message(&first);
            assert_eq!(First::decode(&message), Some(first));
            assert_eq!(ephemeral(&message), PeerId::from_bytes([9; 32]));
            for at in (0..8).chain(11..16).chain(144..160) {
                let mut bad = message;
                bad[at] ^= 1;
                assert_eq!(First::decode(&bad), None, "byte {at}");
            }
        }
        for (at, flag) in [(10, FLAG_CLAIM), (10, FLAG_PUZZLE), (10, 4), (10, 0x80)] {
            let mut bad = message(&first());
            bad[at] ^= flag;
            assert_eq!(First::decode(&bad), None, "flag {flag}");
        }
        let mut bad = message(&first());
        bad[8] = 4;
        assert_eq!(First::decode(&bad), None, "versions 4 to 3");
    }

    #[test]
    fn refusals_survive_and_others_are_none() {
        let codes = [RejectCode::Version, RejectCode::Network, RejectCode::Busy, RejectCode::ClaimRequired, RejectCode::Stamp];
        let challenge = Refusal::Challenge { difficulty: 12, cookie: [5; 16] };
        for refusal in codes.map(|code| Refusal::Reject(Some(code))).into_iter().chain([challenge, Refusal::Reject(None)]) {
            let message = refusal.encode(1);
            assert_eq!(Refusal::decode(&message), Some(refusal));
            for at in [0, 3, 20, 31] {
                let mut bad = message;
                bad[at] ^= 0x40;
                assert_eq!(Refusal::decode(&bad), None, "{refusal:?} byte {at}");
            }
        }
        let codes: Vec<_> = (1..6).filter_map(RejectCode::from_byte).map(RejectCode::reason).collect();
        assert_eq!(codes.len(), 5);
        assert_eq!(RejectCode::from_byte(6), None);
    }

    #[test]
    fn payloads_survive_and_break_on_every_rule() {
        let two = Introduction {
            chosen: 1,
            versions: Some(Versions { min: 1, max: 2 }),
            caps: 0x0102_0304,
            stamp: [6; 24],
            port: 9_732,
            your_ip: Some("198.51.100.7".parse().expect("an address")),
            frame_max: 65_519,
        };
        let three = Introduction { versions: None, your_ip: None, ..two };
        assert_eq!(Introduction::decode(&two.encode(), true), Some(two));
        assert_eq!(Introduction::decode(&three.encode(), false), Some(three));
        assert_eq!(Introduction::decode(&two.encode(), false), None, "a range in M3");
        for (at, value) in [(3, 1), (54, 1), (63, 1), (1, 9), (52, 1), (51, 0)] {
            let mut bad = two.encode();
            bad[at] = value;
            assert_eq!(Introduction::decode(&bad, true), None, "byte {at}");
        }
    }

    #[test]
    fn every_pair_of_ranges_has_the_version_that_an_oracle_finds() {
        // All pairs of ranges within 0..=15, against the set of versions that both contain.
        for (a, b) in (0..256_u32).flat_map(|a| (0..256_u32).map(move |b| (a, b))) {
            let range = |n: u32| Versions { min: (n >> 4) as u8, max: (n & 15) as u8 };
            let (ours, theirs) = (range(a), range(b));
            let oracle = (0..=15).rev().find(|v| (ours.min..=ours.max).contains(v) && (theirs.min..=theirs.max).contains(v));
            if ours.min <= ours.max && theirs.min <= theirs.max {
                assert_eq!(ours.common(theirs), oracle, "{ours:?} {theirs:?}");
            }
        }
    }
}
