//! Nack: a refusal after authentication, with places to try instead. The session writes and reads it.

use super::generated as proto;
use super::scan;
use crate::base::address::{ADDRESS_TEXT_MAX, Address};
use crate::base::limits::ADDRESSES_MAX;
use crate::base::reason::CloseReason;
use prost::Message as _;

/// Key and length in front of an alternative of at most 350 bytes.
const ALTERNATIVE_HEADER_MAX: usize = 3;
/// Key and a number below 2^16.
const MOTIVE_BYTES_MAX: usize = 4;
/// Largest nack in bytes: 100 alternatives, and the motive.
pub const NACK_BYTES_MAX: usize = ADDRESSES_MAX * (ADDRESS_TEXT_MAX + ALTERNATIVE_HEADER_MAX) + MOTIVE_BYTES_MAX;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    /// `None` stands for a code that this version does not know.
    pub motive: Option<CloseReason>,
    pub alternatives: Vec<Address>,
}

/// Bytes that are no nack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NackError {
    #[error("a nack has at most {NACK_BYTES_MAX} bytes, this one {0}")]
    TooLong(usize),
    #[error("alternatives: {0} > {ADDRESSES_MAX}")]
    TooMany(usize),
    #[error("a nack that does not decode")]
    Malformed,
}

impl Nack {
    /// The bytes of this nack, at most `bytes_max`: alternatives that do not fit, and those beyond the hundredth, are left out.
    pub fn encode(&self, bytes_max: usize) -> Vec<u8> {
        let mut room = bytes_max.min(NACK_BYTES_MAX) - MOTIVE_BYTES_MAX;
        let fits = |text: &String| {
            let cost = text.len() + ALTERNATIVE_HEADER_MAX;
            let does = cost <= room;
            room -= if does { cost } else { 0 };
            does
        };
        let alternatives = self.alternatives.iter().take(ADDRESSES_MAX).map(Address::to_string).filter(fits).collect();
        proto::Nack { motive: self.motive.map_or(0, |motive| u32::from(motive.code())), alternatives }.encode_to_vec()
    }

    /// Reads a nack. An alternative that is no address is left out: it can only be of a newer kind.
    ///
    /// # Errors
    /// If it is too long, does not decode or has too many alternatives.
    pub fn decode(bytes: &[u8]) -> Result<Nack, NackError> {
        if bytes.len() > NACK_BYTES_MAX {
            return Err(NackError::TooLong(bytes.len()));
        }
        let count = scan::count(bytes, 2).map_err(|_| NackError::Malformed)?;
        if count > ADDRESSES_MAX {
            return Err(NackError::TooMany(count));
        }
        let message = proto::Nack::decode(bytes).map_err(|_| NackError::Malformed)?;
        let motive = u16::try_from(message.motive).ok().and_then(CloseReason::from_code);
        Ok(Nack { motive, alternatives: message.alternatives.iter().filter_map(|text| text.parse().ok()).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        let alternatives = vec!["seed.example:9732".parse().expect("an address"); 100];
        let nack = Nack { motive: Some(CloseReason::TooManyLinks), alternatives };
        assert_eq!(Nack::decode(&nack.encode(NACK_BYTES_MAX)), Ok(nack));
    }

    #[test]
    fn unknown_motives_and_strange_alternatives_do_not_hide_the_refusal() {
        let message = proto::Nack { motive: 70_000, alternatives: vec!["?".into(), "h:1".into()] };
        let nack = Nack::decode(&message.encode_to_vec()).expect("a nack");
        assert_eq!((nack.motive, nack.alternatives.len()), (None, 1));
    }

    #[test]
    fn counts_and_lengths_are_judged_before_decoding() {
        assert_eq!(Nack::decode(&[0x12, 0].repeat(101)), Err(NackError::TooMany(101)));
        assert_eq!(Nack::decode(&vec![0; NACK_BYTES_MAX + 1]), Err(NackError::TooLong(NACK_BYTES_MAX + 1)));
        assert_eq!(Nack::decode(&[0x12, 4]), Err(NackError::Malformed));
        let longest = Nack { motive: Some(CloseReason::Internal), alternatives: vec![long_address(); 120] };
        let bytes = longest.encode(NACK_BYTES_MAX);
        assert!(bytes.len() <= NACK_BYTES_MAX && Nack::decode(&bytes).expect("fits").alternatives.len() == 100);
        let bytes = longest.encode(16_000);
        assert!(bytes.len() <= 16_000 && Nack::decode(&bytes).expect("fits").alternatives.len() == 47);
    }

    fn long_address() -> Address {
        let name = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61));
        format!("{}@{name}:65535", "ab".repeat(32)).parse().expect("the longest name is an address")
    }
}
