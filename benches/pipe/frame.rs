//! The pipe's frames: `[length u32 LE][tag 16][box]`, where the boxes together carry a stream of `[length u32 LE][message]`.
//! Sealed and opened in place with the same libsodium as bowline's records; keys are fixed, because no handshake is measured.

use sodiumoxide::crypto::box_::{
    MACBYTES, NONCEBYTES, Nonce, PrecomputedKey, SEEDBYTES, Seed, Tag, keypair_from_seed, open_detached_precomputed, precompute,
    seal_detached_precomputed,
};
use std::io;

/// Plaintext of a full frame: 32 modulo 512, where libsodium's Salsa20 has no slow tail (performance reference, finding 2).
const FULL: usize = 65_056;
const LENGTH: usize = 4;
const HEAD: usize = LENGTH + MACBYTES;

/// Both ends derive the same key and start at the same nonce: one direction each way of a connection uses one pair of them, and a
/// stream is never read by anyone but the other end of the same benchmark.
fn key() -> PrecomputedKey {
    sodiumoxide::init().expect("libsodium initialises");
    let (public, _) = keypair_from_seed(&Seed([1; SEEDBYTES]));
    let (_, secret) = keypair_from_seed(&Seed([2; SEEDBYTES]));
    precompute(&public, &secret)
}

/// Packs messages into a frame and seals it.
pub struct Sealer {
    key: PrecomputedKey,
    nonce: Nonce,
    /// One frame; the plaintext begins at `HEAD`.
    frame: Box<[u8]>,
    end: usize,
    /// Bytes of the message being cut that are already in an earlier frame, its length field included.
    cut: usize,
}

impl Sealer {
    pub fn new() -> Sealer {
        let frame = vec![0; HEAD + FULL].into_boxed_slice();
        Sealer { key: key(), nonce: Nonce([0; NONCEBYTES]), frame, end: HEAD, cut: 0 }
    }

    /// Fills the frame with copies of `message`, the first continued where the last frame cut it. Returns how many ended in it.
    pub fn fill(&mut self, message: &[u8]) -> u64 {
        let mut ended = 0;
        while self.end < self.frame.len() {
            ended += u64::from(self.put(message));
        }
        ended
    }

    /// Puts one whole message into an empty frame.
    pub fn push(&mut self, message: &[u8]) {
        assert!(self.put(message), "a message for a round trip fits a frame");
    }

    /// Copies as much of the message (or of its rest) as fits. True if it ended.
    fn put(&mut self, message: &[u8]) -> bool {
        let length = (message.len() as u32).to_le_bytes();
        let whole = LENGTH + message.len();
        if self.cut == 0 && self.end + whole <= self.frame.len() {
            let (head, body) = self.frame[self.end..self.end + whole].split_at_mut(LENGTH);
            head.copy_from_slice(&length);
            body.copy_from_slice(message);
            self.end += whole;
            return true;
        }
        if self.cut < LENGTH {
            self.cut += self.copy(&length[self.cut..]);
        }
        if self.cut >= LENGTH {
            self.cut += self.copy(&message[self.cut - LENGTH..]);
        }
        let is_whole = self.cut == whole;
        if is_whole {
            self.cut = 0;
        }
        is_whole
    }

    /// Copies what fits of `bytes` and says how much that was.
    fn copy(&mut self, bytes: &[u8]) -> usize {
        let fits = bytes.len().min(self.frame.len() - self.end);
        self.frame[self.end..self.end + fits].copy_from_slice(&bytes[..fits]);
        self.end += fits;
        fits
    }

    /// Seals what is in the frame, in place, and returns the bytes to write.
    pub fn seal(&mut self) -> &[u8] {
        let Tag(tag) = seal_detached_precomputed(&mut self.frame[HEAD..self.end], &self.nonce, &self.key);
        self.nonce.increment_le_inplace();
        let length = (self.end - HEAD) as u32;
        self.frame[..LENGTH].copy_from_slice(&length.to_le_bytes());
        self.frame[LENGTH..HEAD].copy_from_slice(&tag);
        &self.frame[..self.end]
    }

    /// The frame was written; the next one begins.
    pub fn clear(&mut self) {
        self.end = HEAD;
    }
}

/// Opens frames in the buffer they were read into.
pub struct Opener {
    key: PrecomputedKey,
    nonce: Nonce,
    buffer: Box<[u8]>,
    /// Bytes in the buffer: the beginning of a frame that is not whole yet.
    have: usize,
    reader: Reader,
}

impl Opener {
    pub fn new(capacity: usize) -> Opener {
        let buffer = vec![0; capacity].into_boxed_slice();
        Opener { key: key(), nonce: Nonce([0; NONCEBYTES]), buffer, have: 0, reader: Reader::default() }
    }

    /// Where the next read goes.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.have..]
    }

    /// Opens the frames that `read` more bytes made whole and hands each piece of a message to `each`; a message that a frame's end
    /// cut comes in pieces, the last of which is marked.
    pub fn open(&mut self, read: usize, mut each: impl FnMut(&[u8], bool)) -> io::Result<()> {
        self.have += read;
        let mut at = 0;
        while let Some(head) = self.buffer[at..self.have].first_chunk::<HEAD>() {
            let (length, tag) = head.split_at(LENGTH);
            let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
            if length > FULL {
                return Err(invalid("a frame is longer than the pipe makes them"));
            }
            let tag = Tag::from_slice(tag).expect("sixteen bytes");
            let (begin, end) = (at + HEAD, at + HEAD + length);
            if end > self.have {
                break;
            }
            let plain = &mut self.buffer[begin..end];
            open_detached_precomputed(plain, &tag, &self.nonce, &self.key).map_err(|()| invalid("a frame does not open"))?;
            self.nonce.increment_le_inplace();
            self.reader.split(plain, &mut each);
            at = end;
        }
        self.buffer.copy_within(at..self.have, 0);
        self.have -= at;
        Ok(())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Finds the messages in the stream that the frames carry.
#[derive(Default)]
struct Reader {
    /// A length field that a frame's end cut.
    field: [u8; LENGTH],
    field_bytes: usize,
    /// Bytes of the present message that are still to come.
    left: usize,
}

impl Reader {
    fn split(&mut self, mut plain: &[u8], each: &mut impl FnMut(&[u8], bool)) {
        while !plain.is_empty() {
            if self.left == 0 {
                let Some((length, rest)) = self.length(plain) else { return };
                plain = rest;
                self.left = length;
                if length == 0 {
                    each(&[], true);
                    continue;
                }
            }
            let (piece, rest) = plain.split_at(self.left.min(plain.len()));
            self.left -= piece.len();
            plain = rest;
            if !piece.is_empty() {
                each(piece, self.left == 0);
            }
        }
    }

    /// Reads a length field, which may have begun in an earlier frame. `None` if it is still not whole.
    fn length<'a>(&mut self, plain: &'a [u8]) -> Option<(usize, &'a [u8])> {
        if self.field_bytes == 0
            && let Some((field, rest)) = plain.split_first_chunk::<LENGTH>()
        {
            return Some((u32::from_le_bytes(*field) as usize, rest));
        }
        let (piece, rest) = plain.split_at((LENGTH - self.field_bytes).min(plain.len()));
        self.field[self.field_bytes..self.field_bytes + piece.len()].copy_from_slice(piece);
        self.field_bytes += piece.len();
        if self.field_bytes < LENGTH {
            return None;
        }
        self.field_bytes = 0;
        Some((u32::from_le_bytes(self.field) as usize, rest))
    }
}
