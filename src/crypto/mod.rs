//! All cryptography: the only room that names sodiumoxide. Pure: keys, bytes and entropy in, bytes out.
