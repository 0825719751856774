//! Codecs: how an application's types become bytes and how a peer's bytes become types. Decoding is run contained, because the bytes are
//! a stranger's. Channels, requests and metadata use it; it knows no link.

use crate::base::text::panic_text;
use crate::bus::event::Up;
use crate::node::builder::Builder;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Turns values of one type into bytes and back. One codec may serve several types.
///
/// # Panics
/// `decode` may: the panic is contained, and the link whose bytes caused it is closed. `encode` runs in the sender's call, so that a panic
/// there is the caller's.
pub trait Codec<M>: Send + Sync + 'static {
    /// Appends the bytes of `message`.
    fn encode(&self, message: &M, into: &mut Vec<u8>);

    /// Reads what a peer sent.
    ///
    /// # Errors
    /// What is wrong with it; the owner of the channel is told.
    fn decode(&self, bytes: &Bytes) -> Result<M, Malformed>;
}

/// Bytes that are no value of the expected type, with what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// A type without values, for the parts of a protocol that are not used: a channel without requests has `Never` to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

const NEVER: &str = "this channel's protocol has nothing of this kind";

/// The bytes themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec<Bytes> for Raw {
    fn encode(&self, message: &Bytes, into: &mut Vec<u8>) {
        into.extend_from_slice(message);
    }

    fn decode(&self, bytes: &Bytes) -> Result<Bytes, Malformed> {
        Ok(bytes.clone())
    }
}

impl Codec<Never> for Raw {
    fn encode(&self, message: &Never, _: &mut Vec<u8>) {
        match *message {}
    }

    fn decode(&self, _: &Bytes) -> Result<Never, Malformed> {
        Err(Malformed(NEVER.to_owned()))
    }
}

/// Protobuf messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prost;

impl<M: prost::Message + Default + 'static> Codec<M> for Prost {
    fn encode(&self, message: &M, into: &mut Vec<u8>) {
        into.reserve(message.encoded_len());
        message.encode_raw(into);
    }

    fn decode(&self, bytes: &Bytes) -> Result<M, Malformed> {
        M::decode(bytes.clone()).map_err(|error| Malformed(error.to_string()))
    }
}

impl Codec<Never> for Prost {
    fn encode(&self, message: &Never, _: &mut Vec<u8>) {
        match *message {}
    }

    fn decode(&self, _: &Bytes) -> Result<Never, Malformed> {
        Err(Malformed(NEVER.to_owned()))
    }
}

/// Values behind an `Arc`, by the codec of what is inside: for values that are costly to clone, as local delivery does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared<C>(pub C);

impl<M: Send + Sync + 'static, C: Codec<M>> Codec<Arc<M>> for Shared<C> {
    fn encode(&self, message: &Arc<M>, into: &mut Vec<u8>) {
        self.0.encode(message, into);
    }

    fn decode(&self, bytes: &Bytes) -> Result<Arc<M>, Malformed> {
        self.0.decode(bytes).map(Arc::new)
    }
}

/// Two functions: the first encodes, the second decodes.
impl<M, E, D> Codec<M> for (E, D)
where
    E: Fn(&M, &mut Vec<u8>) + Send + Sync + 'static,
    D: Fn(&Bytes) -> Result<M, Malformed> + Send + Sync + 'static,
{
    fn encode(&self, message: &M, into: &mut Vec<u8>) {
        (self.0)(message, into);
    }

    fn decode(&self, bytes: &Bytes) -> Result<M, Malformed> {
        (self.1)(bytes)
    }
}

/// Decodes, contained: the outer error is the text of a panic.
pub(super) fn contained<M>(codec: &impl Codec<M>, bytes: &Bytes) -> Result<Result<M, Malformed>, String> {
    catch_unwind(AssertUnwindSafe(|| codec.decode(bytes))).map_err(|panic| panic_text(&*panic))
}

pub(super) fn encoded<M>(codec: &impl Codec<M>, message: &M) -> Bytes {
    let mut bytes = Vec::new();
    codec.encode(message, &mut bytes);
    bytes.into()
}

impl Builder {
    /// What the node says of itself in Hello, as a value of the application's: `metadata` with a codec.
    pub fn metadata_of<M>(self, codec: &impl Codec<M>, metadata: &M) -> Builder {
        self.metadata(encoded(codec, metadata).into())
    }
}

impl Up {
    /// What the peer says of itself: `hello.metadata` with a codec.
    ///
    /// # Errors
    /// What is wrong with it. A codec that panics is contained.
    pub fn metadata_of<M>(&self, codec: &impl Codec<M>) -> Result<M, Malformed> {
        let bytes = Bytes::copy_from_slice(&self.hello.metadata);
        contained(codec, &bytes).unwrap_or_else(|panic| Err(Malformed(format!("the codec panicked: {panic}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_reads_what_it_wrote() {
        fn there_and_back<M: PartialEq>(codec: &impl Codec<M>, value: &M) -> bool {
            contained(codec, &encoded(codec, value)).is_ok_and(|read| read.as_ref() == Ok(value))
        }
        assert!(there_and_back(&Raw, &Bytes::from_static(b"abc")));
        assert!(there_and_back(&Prost, &"a string is a protobuf message, too".to_owned()));
        assert!(there_and_back(&Shared(Raw), &Arc::new(Bytes::from_static(b"abc"))));
        let read = |bytes: &Bytes| bytes.first().copied().ok_or(Malformed("empty".to_owned()));
        assert!(there_and_back(&(|byte: &u8, into: &mut Vec<u8>| into.push(*byte), read), &7));
    }

    #[test]
    fn what_is_wrong_is_said_and_a_panic_is_contained() {
        let garbage = Bytes::from_static(&[0xff; 3]);
        let read: Result<Result<String, Malformed>, String> = contained(&Prost, &garbage);
        assert!(read.expect("no panic").is_err_and(|malformed| !malformed.0.is_empty()));
        let read: Result<Result<Never, Malformed>, String> = contained(&Raw, &garbage);
        assert_eq!(read, Ok(Err(Malformed(NEVER.to_owned()))));
        let panics = (|_: &u8, _: &mut Vec<u8>| {}, |bytes: &Bytes| -> Result<u8, Malformed> { panic!("{} bytes", bytes.len()) });
        assert_eq!(contained(&panics, &garbage), Err("3 bytes".to_owned()));
    }
}
