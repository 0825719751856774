//! Looks at protobuf bytes before they are decoded: how often each field occurs. An empty element costs two bytes on the wire and
//! dozens in memory, so the count must be judged first (threat T9). The validating files of this room call it.

use prost::encoding::{WireType, decode_key, decode_varint};

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message")]
pub struct NotProtobuf;

/// A field of a message: its number, and its bytes if it is of the length-delimited kind.
pub struct Field<'a> {
    pub number: u32,
    pub bytes: Option<&'a [u8]>,
}

/// Walks the fields of a message, top level only.
pub struct Fields<'a> {
    rest: &'a [u8],
}

/// The fields of `message`.
pub fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// How often field `number` occurs.
///
/// # Errors
/// If the bytes are no protobuf message.
pub fn count(message: &[u8], number: u32) -> Result<usize, NotProtobuf> {
    fields(message).try_fold(0, |sum, field| Ok(sum + usize::from(field?.number == number)))
}

impl<'a> Fields<'a> {
    fn step(&mut self) -> Result<Field<'a>, NotProtobuf> {
        let (number, kind) = decode_key(&mut self.rest).map_err(|_| NotProtobuf)?;
        let length = match kind {
            WireType::Varint => {
                decode_varint(&mut self.rest).map_err(|_| NotProtobuf)?;
                return Ok(Field { number, bytes: None });
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.rest).map_err(|_| NotProtobuf)?;
                usize::try_from(length).map_err(|_| NotProtobuf)?
            }
            // Groups are gone from proto3 and would nest.
            WireType::StartGroup | WireType::EndGroup => return Err(NotProtobuf),
        };
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(NotProtobuf)?;
        self.rest = rest;
        Ok(Field { number, bytes: (kind == WireType::LengthDelimited).then_some(bytes) })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, NotProtobuf>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.rest = &[];
        }
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_without_decoding() {
        let message = [0x0a, 0, 0x0a, 1, b'x', 0x10, 0x96, 1, 0x1d, 1, 2, 3, 4, 0x0a, 0];
        assert_eq!(count(&message, 1), Ok(3));
        assert_eq!(count(&message, 2), Ok(1));
        assert_eq!(count(&message, 9), Ok(0));
    }

    #[test]
    fn what_is_cut_or_grouped_is_no_message() {
        for bytes in [&[0x0a][..], &[0x0a, 5, 1], &[0x0b, 0x0c], &[0x08, 0xff], &[0x00, 0x00], &[0x1d, 1, 2]] {
            assert_eq!(count(bytes, 1), Err(NotProtobuf), "{bytes:02x?}");
        }
    }
}
