//! Segments: what a data record is made of. `flags u8 | channel u16 | length u16 | [total u32] | [request id u32] | bytes`, big-endian.
//! The session's lanes write them and its arrivals read them; which segment may follow which, and how many, is judged there.
//!
//! Flags: bit 0 first, bit 1 last, bits 2 to 4 the kind, others zero. `total` is there when the segment is the first of several, the
//! request id when it is the first and the kind has one.

use crate::base::channel::{ChannelId, Kind};
use crate::base::limits::SEGMENT_HEADER;

/// Bytes of the fields that every segment has.
pub const HEADER: usize = SEGMENT_HEADER;
/// A message is not cut into pieces smaller than this to save credit or keep to a share, bytes: headers would eat the gain. Whoever has less
/// credit may be waiting for more.
pub const PIECE_MIN: u32 = 1_024;
/// Bytes of the largest header: first of several, of a kind with request id.
pub const HEADER_MAX: usize = HEADER + 4 + 4;
/// Bytes of a credit segment.
pub const CREDIT_SEGMENT: usize = HEADER + 4;

const FIRST: u8 = 0b01;
const LAST: u8 = 0b10;
const WHOLE: u8 = FIRST | LAST;
const KIND_SHIFT: u32 = 2;
const KIND_CREDIT: u8 = 5;
const RESERVED: u8 = 0b1110_0000;

/// A segment in a received record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A whole message.
    Whole { channel: ChannelId, kind: Kind, request: u32, bytes: &'a [u8] },
    /// The beginning of a message of `total` bytes.
    First { channel: ChannelId, kind: Kind, request: u32, total: u32, bytes: &'a [u8] },
    /// More of the channel's message.
    Next { channel: ChannelId, kind: Kind, is_last: bool, bytes: &'a [u8] },
    /// The receiver of this may send so many more segment bytes on the channel.
    Credit { channel: ChannelId, bytes: u32 },
}

/// A segment that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    #[error("a segment header is cut: {0} bytes are left")]
    Cut(usize),
    #[error("reserved flags are set: {0:#04x}")]
    Reserved(u8),
    #[error("{0} is no kind of segment")]
    Kind(u8),
    #[error("a segment of {length} bytes in {left} bytes of record")]
    Length { length: usize, left: usize },
    #[error("a part of a message carries no bytes")]
    Empty,
    #[error("a first part of {length} bytes of a message of {total}")]
    Total { length: usize, total: u32 },
    #[error("a credit segment with flags {flags:#04x} and {length} bytes")]
    Credit { flags: u8, length: usize },
}

/// Reads the segment at the front of `rest` and returns it with what follows. The difference in length is what it costs.
///
/// # Errors
/// The rule it breaks.
#[inline]
pub fn take(rest: &[u8]) -> Result<(Segment<'_>, &[u8]), SegmentError> {
    let Some(([flags, c0, c1, l0, l1], body)) = rest.split_first_chunk::<HEADER>() else {
        return Err(SegmentError::Cut(rest.len()));
    };
    let channel = ChannelId(u16::from_be_bytes([*c0, *c1]));
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    // By far the most frequent: a whole message without request id.
    if *flags == WHOLE {
        let (bytes, rest) = cut(body, length)?;
        return Ok((Segment::Whole { channel, kind: Kind::Message, request: 0, bytes }, rest));
    }
    take_other(*flags, channel, length, body)
}

fn take_other(flags: u8, channel: ChannelId, length: usize, body: &[u8]) -> Result<(Segment<'_>, &[u8]), SegmentError> {
    if flags & RESERVED != 0 {
        return Err(SegmentError::Reserved(flags));
    }
    let bits = flags >> KIND_SHIFT;
    if bits == KIND_CREDIT {
        if flags & WHOLE != WHOLE || length != 4 {
            return Err(SegmentError::Credit { flags, length });
        }
        let (bytes, rest) = take_u32(body)?;
        return Ok((Segment::Credit { channel, bytes }, rest));
    }
    let kind = Kind::from_bits(bits).ok_or(SegmentError::Kind(bits))?;
    let (is_first, is_last) = (flags & FIRST != 0, flags & LAST != 0);
    if length == 0 && !(is_first && is_last) {
        return Err(SegmentError::Empty);
    }
    let (total, body) = if is_first && !is_last { take_u32(body)? } else { (0, body) };
    let (request, body) = if is_first && kind.has_request_id() { take_u32(body)? } else { (0, body) };
    let (bytes, rest) = cut(body, length)?;
    let segment = match (is_first, is_last) {
        (true, true) => Segment::Whole { channel, kind, request, bytes },
        (true, false) if total as usize <= length => return Err(SegmentError::Total { length, total }),
        (true, false) => Segment::First { channel, kind, request, total, bytes },
        (false, _) => Segment::Next { channel, kind, is_last, bytes },
    };
    Ok((segment, rest))
}

fn take_u32(body: &[u8]) -> Result<(u32, &[u8]), SegmentError> {
    let (field, rest) = body.split_first_chunk::<4>().ok_or(SegmentError::Cut(body.len()))?;
    Ok((u32::from_be_bytes(*field), rest))
}

#[inline]
fn cut(body: &[u8], length: usize) -> Result<(&[u8], &[u8]), SegmentError> {
    body.split_at_checked(length).ok_or(SegmentError::Length { length, left: body.len() })
}

/// Credit without which nothing of a message is sent, unless it is smaller. The receiver's rule (it keeps less than three quarters of the
/// window back) promises a quarter of the window for a message under way.
pub fn piece_min(window: u32, cost_min: u32) -> u32 {
    PIECE_MIN.min(window / 4).max(cost_min)
}

/// Bytes of the header of the next segment of a message, of which `sent` bytes are gone and `is_last` goes now.
#[inline]
pub const fn header_len(kind: Kind, is_first: bool, is_last: bool) -> usize {
    let total = if is_first && !is_last { 4 } else { 0 };
    let request = if is_first && kind.has_request_id() { 4 } else { 0 };
    HEADER + total + request
}

/// What a segment to be written is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub channel: ChannelId,
    pub kind: Kind,
    pub request: u32,
    /// Bytes of the whole message.
    pub total: u32,
    pub is_first: bool,
    pub is_last: bool,
}

/// Appends a segment of at most 65,535 bytes.
#[inline]
pub fn write(out: &mut Vec<u8>, head: Head, bytes: &[u8]) {
    debug_assert!(bytes.len() <= usize::from(u16::MAX), "a segment is shorter than a record");
    let flags = u8::from(head.is_first) | u8::from(head.is_last) << 1 | (head.kind as u8) << KIND_SHIFT;
    let [c0, c1] = head.channel.0.to_be_bytes();
    let [l0, l1] = (bytes.len() as u16).to_be_bytes();
    out.extend_from_slice(&[flags, c0, c1, l0, l1]);
    if head.is_first && !head.is_last {
        out.extend_from_slice(&head.total.to_be_bytes());
    }
    if head.is_first && head.kind.has_request_id() {
        out.extend_from_slice(&head.request.to_be_bytes());
    }
    out.extend_from_slice(bytes);
}

/// Appends a credit segment.
pub fn write_credit(out: &mut Vec<u8>, channel: ChannelId, bytes: u32) {
    let [c0, c1] = channel.0.to_be_bytes();
    out.extend_from_slice(&[KIND_CREDIT << KIND_SHIFT | WHOLE, c0, c1, 0, 4]);
    out.extend_from_slice(&bytes.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ChannelId = ChannelId(0x1234);

    fn written(kind: Kind, is_first: bool, is_last: bool, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, Head { channel: HERE, kind, request: 7, total: 9, is_first, is_last }, bytes);
        assert_eq!(out.len(), header_len(kind, is_first, is_last) + bytes.len());
        out
    }

    #[test]
    fn what_is_written_is_read_and_the_rest_is_left() {
        for kind in [Kind::Message, Kind::Request, Kind::Response, Kind::Error, Kind::Cancel] {
            let request = if kind.has_request_id() { 7 } else { 0 };
            let bytes = &b"xyz"[..];
            let cases = [
                (true, true, Segment::Whole { channel: HERE, kind, request, bytes }),
                (true, false, Segment::First { channel: HERE, kind, request, total: 9, bytes }),
                (false, false, Segment::Next { channel: HERE, kind, is_last: false, bytes }),
                (false, true, Segment::Next { channel: HERE, kind, is_last: true, bytes }),
            ];
            for (is_first, is_last, segment) in cases {
                let mut out = written(kind, is_first, is_last, bytes);
                for cut in 0..out.len() {
                    assert!(take(&out[..cut]).is_err(), "{segment:?} cut at {cut}");
                }
                out.extend_from_slice(b"rest");
                assert_eq!(take(&out), Ok((segment, &b"rest"[..])));
            }
        }
    }

    #[test]
    fn a_credit_segment_is_nine_bytes() {
        let mut out = Vec::new();
        write_credit(&mut out, HERE, 0x01020304);
        assert_eq!(out, [0x17, 0x12, 0x34, 0, 4, 1, 2, 3, 4]);
        assert_eq!(take(&out), Ok((Segment::Credit { channel: HERE, bytes: 0x01020304 }, &[][..])));
        assert_eq!(out.len(), CREDIT_SEGMENT);
    }

    #[test]
    fn every_rule_has_its_error() {
        let cases: [(&[u8], SegmentError); 12] = [
            (&[3, 0, 1, 0], SegmentError::Cut(4)),
            (&[0x23, 0, 1, 0, 0], SegmentError::Reserved(0x23)),
            (&[0x43, 0, 1, 0, 0], SegmentError::Reserved(0x43)),
            (&[0x83, 0, 1, 0, 0], SegmentError::Reserved(0x83)),
            (&[0x1b, 0, 1, 0, 0], SegmentError::Kind(6)),
            (&[0x1f, 0, 1, 0, 0], SegmentError::Kind(7)),
            (&[3, 0, 1, 0, 2, 9], SegmentError::Length { length: 2, left: 1 }),
            (&[2, 0, 1, 0, 0], SegmentError::Empty),
            (&[1, 0, 1, 0, 0, 0, 0, 0, 5], SegmentError::Empty),
            (&[1, 0, 1, 0, 1, 0, 0, 0, 1, 9], SegmentError::Total { length: 1, total: 1 }),
            (&[0x17, 0, 1, 0, 5, 0, 0, 0, 0, 0], SegmentError::Credit { flags: 0x17, length: 5 }),
            (&[0x15, 0, 1, 0, 4, 0, 0, 0, 0], SegmentError::Credit { flags: 0x15, length: 4 }),
        ];
        for (bytes, error) in cases {
            assert_eq!(take(bytes), Err(error), "{bytes:02x?}");
        }
    }

    #[test]
    fn no_flag_byte_makes_the_reader_panic() {
        for flags in 0..=u8::MAX {
            for length in 0..20 {
                let mut bytes = vec![1; length];
                if let Some(first) = bytes.first_mut() {
                    *first = flags;
                }
                if let Ok((segment, rest)) = take(&bytes) {
                    assert!(rest.len() + HEADER <= bytes.len(), "{segment:?}");
                }
            }
        }
    }
}
