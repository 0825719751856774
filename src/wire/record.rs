//! The types of records: the first byte of a record's plaintext. The session reads and writes them; nothing here seals or opens.

/// What a record carries (design, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordType {
    /// Segments, back to back.
    Data = 0,
    /// The initiator's Hello, its first record.
    Hello = 1,
    /// Eight bytes that a pong must repeat.
    Ping = 2,
    /// The eight bytes of the ping it answers.
    Pong = 3,
    /// The responder's Hello: it admits the link.
    Ack = 4,
    /// A refusal: `wire::nack`.
    Nack = 5,
    /// A goodbye: a close reason's code, u16 big-endian.
    Close = 6,
}

/// Bytes that a ping and its pong carry.
pub const PING_BYTES: usize = 8;
/// Bytes of a close record's body.
pub const CLOSE_BYTES: usize = 2;

impl RecordType {
    pub const fn from_byte(byte: u8) -> Option<RecordType> {
        match byte {
            0 => Some(RecordType::Data),
            1 => Some(RecordType::Hello),
            2 => Some(RecordType::Ping),
            3 => Some(RecordType::Pong),
            4 => Some(RecordType::Ack),
            5 => Some(RecordType::Nack),
            6 => Some(RecordType::Close),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seven_bytes_name_a_record() {
        let known = (0..=u8::MAX).filter(|byte| RecordType::from_byte(*byte).is_some_and(|kind| kind as u8 == *byte));
        assert_eq!(known.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    }
}
