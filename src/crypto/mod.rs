//! All cryptography: the only room that names sodiumoxide. Pure: keys, bytes and entropy in, bytes out.
//! The one exception is `sodium::fill_random`, which asks the operating system and belongs to `node/`.

pub mod cipher;
pub mod hash;
pub mod identity;
pub mod keys;
pub mod noise;
pub mod puzzle;
pub mod record;
pub mod secret;
pub mod sodium;
pub mod stamp;
