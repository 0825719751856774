//! Section D of the header: keys, their proof of work, and peer ids as text.

use super::b_errors::{bowline_error, bowline_result};
use super::guard::{Failure, guard, guard_err, guard_or};
use super::handle::{self, Handle};
use super::raw::{self, Out};
use crate::base::peer::PeerId;
use crate::crypto::hash;
use crate::crypto::identity::Identity;
use crate::crypto::keys::SecretKey;
use crate::crypto::sodium;
use crate::crypto::stamp::{STAMP, Search};
use crate::node::clock::machine_ns;
use crate::node::identity_file;
use parking_lot::Mutex;
use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;

/// A secret key with its proof of work. The key is wiped when it is freed with bowline_keypair_free.
pub struct bowline_keypair {
    _opaque: [u8; 0],
}

impl Handle for bowline_keypair {
    type Value = Keypair;
    const MAGIC: u64 = 0x626f_776c_5f6b_6579;
}

/// Who a peer is: its 32-byte public key.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct bowline_peer_id {
    /// The key.
    pub bytes: [u8; 32],
}

impl bowline_peer_id {
    pub fn of(id: PeerId) -> bowline_peer_id {
        bowline_peer_id { bytes: *id.as_bytes() }
    }

    pub fn id(self) -> PeerId {
        PeerId::from_bytes(self.bytes)
    }
}

/// A buffer of this size holds the text of every peer id: 64 hex digits and NUL.
pub const BOWLINE_PEER_ID_TEXT_MAX: usize = 65;
/// bowline_keypair_load: make the key and the file if there is none.
pub const BOWLINE_KEYPAIR_CREATE: u32 = 1;

/// Largest proof of work that is searched for, bits; the range of the setting network.pow_bits ends here too.
const POW_BITS_MAX: u32 = 40;
/// Stamps tried between two looks at the clock: about 5 ms at 0.3 µs each.
const TRIES_PER_LOOK: u64 = 16_384;
/// Goes before a seed when a key is made of it, so that no other use of the same seed gives the same key.
const SEED_DOMAIN: &[u8] = b"bowline/1 identity from seed";

/// What `bowline_keypair` really is.
pub struct Keypair {
    id: PeerId,
    state: Mutex<State>,
}

/// A keypair is ready with the proof of work it has, and may be looking for a better one.
struct State {
    identity: Identity,
    /// Difficulty that is looked for, and how far the search has come.
    search: Option<(u32, Search)>,
}

impl Keypair {
    fn of(identity: Identity) -> Keypair {
        Keypair { id: identity.id(), state: Mutex::new(State { identity, search: None }) }
    }

    /// A key whose stamp is still whatever it is.
    fn without_work(secret: SecretKey) -> Result<Keypair, Failure> {
        let identity = Identity::new(Arc::new(secret), [0; STAMP], 0);
        identity.map(Keypair::of).map_err(|error| Failure::new(bowline_result::BOWLINE_E_INTERNAL, error.to_string()))
    }

    /// The identity to run a node with; not while another thread searches.
    pub fn identity(&self) -> Result<Identity, Failure> {
        let state = self.state.try_lock().ok_or_else(busy)?;
        Ok(state.identity.clone())
    }

    /// Looks for a stamp of `pow_bits` until it is there or the deadline has passed; always looks a little.
    fn work(&self, pow_bits: u32, deadline_ns: Option<u64>) -> Result<(), Failure> {
        let mut state = self.state.try_lock().ok_or_else(busy)?;
        if state.identity.pow_bits() >= pow_bits {
            return Ok(());
        }
        let begun = state.search.take().filter(|(bits, _)| *bits == pow_bits);
        let mut search = begun.map_or_else(|| Search::new(&self.id, pow_bits, [0; STAMP]), |(_, search)| search);
        loop {
            if let Some(stamp) = search.run(TRIES_PER_LOOK) {
                let found = Identity::new(Arc::clone(state.identity.secret()), stamp, pow_bits);
                state.identity = found.map_err(|error| Failure::new(bowline_result::BOWLINE_E_INTERNAL, error.to_string()))?;
                return Ok(());
            }
            if deadline_ns.is_some_and(|deadline| machine_ns() >= deadline) {
                state.search = Some((pow_bits, search));
                return Err(bowline_result::BOWLINE_E_TIMEOUT.into());
            }
        }
    }
}

fn busy() -> Failure {
    Failure::new(bowline_result::BOWLINE_E_STATE, "another thread searches for this key's proof of work")
}

fn check_bits(pow_bits: u32) -> Result<(), Failure> {
    if pow_bits > POW_BITS_MAX {
        let says = format!("{pow_bits} bits of proof of work would take years: at most {POW_BITS_MAX} are allowed");
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says));
    }
    Ok(())
}

fn start_sodium() -> Result<(), Failure> {
    sodium::init().map_err(|error| Failure::new(bowline_result::BOWLINE_E_CRYPTO, error.to_string()))
}

/// Makes a key from the system's randomness and searches for its proof of work: 26 bits cost minutes, 16 a moment, 0 nothing. If the
/// time is over first, *out holds the key and what was tried so far; call again with it to go on. The same way a ready key gets
/// a better proof of work.
///
/// @param pow_bits    leading zero bits to reach, 0 to 40; a network asks for its setting network.pow_bits
/// @param timeout_ms  how long to search; BOWLINE_FOREVER: until it is found
/// @param out         NULL in it before the first call; then the key
/// @return BOWLINE_OK, CRYPTO, INVALID, NULL, STATE if another thread searches, TIMEOUT.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_keypair_generate(
    pow_bits: u32,
    timeout_ms: i64,
    out: *mut *mut bowline_keypair,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a pointer that holds NULL or a live keypair, or NULL.
        let (out, known) = unsafe { (Out::of(out)?, raw::read(out.cast_const())?) };
        check_bits(pow_bits)?;
        let deadline = raw::timeout(timeout_ms)?
            .map(|timeout| machine_ns().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)));
        if !known.is_null() {
            // SAFETY: the header asks for a live keypair here.
            return unsafe { handle::borrow(known.cast_const()) }?.work(pow_bits, deadline);
        }
        let fresh = identity_file::generate(0, &mut |_, _| true)?.ok_or(bowline_result::BOWLINE_E_INTERNAL)?;
        let keypair = Keypair::of(fresh);
        let result = keypair.work(pow_bits, deadline);
        out.put(handle::give(keypair));
        result
    })
}

/// Makes the key that belongs to a seed, always the same: for tests, and for wallets that derive keys. It has no proof of work yet;
/// bowline_keypair_generate adds it.
///
/// @param seed  32 secret bytes that nobody can guess
/// @param out   the key
/// @return BOWLINE_OK, CRYPTO, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_keypair_from_seed(seed: *const u8, out: *mut *mut bowline_keypair) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for 32 bytes and a writable pointer, or NULL.
        let (out, seed) = unsafe { (Out::of(out)?.cleared(), raw::bytes(seed.cast(), 32)?) };
        start_sodium()?;
        let secret = SecretKey::from_bytes(hash::blake2b(&[SEED_DOMAIN, seed]));
        out.put(handle::give(Keypair::without_work(secret)?));
        Ok(())
    })
}

/// Loads a key from its file and verifies it again. A file that others than its owner may access is refused.
///
/// @param path   the file
/// @param flags  0 or BOWLINE_KEYPAIR_CREATE: if there is no file, make a key without proof of work and save it with mode 0600. For
///               a key with proof of work: bowline_keypair_generate, then bowline_keypair_save
/// @param out    the key
/// @param err    may be NULL
/// @return BOWLINE_OK, CRYPTO, INVALID contents, IO, NOT_FOUND, NULL, PERMISSION, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_keypair_load(
    path: *const c_char,
    flags: u32,
    out: *mut *mut bowline_keypair,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a text and a writable pointer, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (out, path) = (Out::of(out)?.cleared(), Path::new(raw::text(path)?));
            let identity = match flags {
                0 => identity_file::load(path, 0)?,
                BOWLINE_KEYPAIR_CREATE => identity_file::load_or_create(path, 0, &mut |_, _| true)?,
                other => {
                    let says = format!("flags are {other:#x}: 0 and BOWLINE_KEYPAIR_CREATE are known");
                    return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says));
                }
            };
            out.put(handle::give(Keypair::of(identity)));
            Ok(())
        })
    }
}

/// Saves a key to a new file with mode 0600, so that it is there whole or not at all. An existing file is never touched.
///
/// @param keypair  the key
/// @param path     the file
/// @param err      may be NULL
/// @return BOWLINE_OK, EXISTS, IO, NULL, PERMISSION, STATE if another thread searches, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_keypair_save(
    keypair: *const bowline_keypair,
    path: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a keypair and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (keypair, path) = (handle::borrow(keypair)?, Path::new(raw::text(path)?));
            Ok(identity_file::save_new(path, &keypair.identity()?)?)
        })
    }
}

/// The public identity of a key, which its proof of work does not change.
///
/// @param keypair  the key
/// @param out      the id
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_keypair_id(keypair: *const bowline_keypair, out: *mut bowline_peer_id) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a keypair and a writable id, or NULL.
        let (out, keypair) = unsafe { (Out::of(out)?, handle::borrow(keypair)?) };
        out.put(bowline_peer_id::of(keypair.id));
        Ok(())
    })
}

/// Frees a key and wipes it. A node that uses it keeps its own copy.
///
/// @param keypair  may be NULL
/// @threads any, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_keypair_free(keypair: *mut bowline_keypair) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a keypair that nobody uses any more.
        drop(unsafe { handle::take(keypair) });
    });
}

/// Reads a peer id: 64 hex digits.
///
/// @param text  the id
/// @param out   its bytes
/// @return BOWLINE_OK, INVALID, NULL, UTF8.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_id_parse(text: *const c_char, out: *mut bowline_peer_id) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a text and a writable id, or NULL.
        let (out, text) = unsafe { (Out::of(out)?, raw::text(text)?) };
        let id: PeerId = text.parse().map_err(|_| bowline_result::BOWLINE_E_INVALID)?;
        out.put(bowline_peer_id::of(id));
        Ok(())
    })
}

/// Writes a peer id as 64 lower-case hex digits.
///
/// @param id      the id
/// @param buf     where to; BOWLINE_PEER_ID_TEXT_MAX bytes are always enough
/// @param cap     bytes there
/// @param needed  may be NULL; the bytes that the text takes with its NUL, also when they are not there
/// @return BOWLINE_OK, BUFFER, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_peer_id_format(
    id: *const bowline_peer_id,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for an id and a buffer of `cap` bytes, or NULL.
        unsafe {
            let text = raw::read(id)?.id().to_string();
            raw::fill(&text, buf, cap, needed)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call with a budget too small to finish goes on where it was, and ends with the same key.
    #[test]
    fn a_search_is_resumed_until_it_ends() {
        let mut key = std::ptr::null_mut();
        let (mut first, mut last) = (bowline_peer_id { bytes: [0; 32] }, bowline_peer_id { bytes: [0; 32] });
        // SAFETY: all pointers lead to local variables; the key is freed once, at the end.
        unsafe {
            let mut result = bowline_keypair_generate(17, 0, &raw mut key);
            assert_eq!(bowline_keypair_id(key, &raw mut first), bowline_result::BOWLINE_OK);
            while result == bowline_result::BOWLINE_E_TIMEOUT {
                result = bowline_keypair_generate(17, 0, &raw mut key);
            }
            assert_eq!(result, bowline_result::BOWLINE_OK);
            assert_eq!(bowline_keypair_id(key, &raw mut last), bowline_result::BOWLINE_OK);
            let reached = handle::borrow(key.cast_const()).expect("alive").identity().expect("nobody searches").pow_bits();
            assert!(reached >= 17 && first == last);
            bowline_keypair_free(key);
        }
    }

    #[test]
    fn a_seed_gives_the_same_key_again_and_is_not_the_key() {
        let mut ids = [bowline_peer_id { bytes: [0; 32] }; 2];
        for id in &mut ids {
            let mut key = std::ptr::null_mut();
            // SAFETY: all pointers lead to local variables; the key is freed once.
            unsafe {
                assert_eq!(bowline_keypair_from_seed([7; 32].as_ptr(), &raw mut key), bowline_result::BOWLINE_OK);
                assert_eq!(bowline_keypair_id(key, id), bowline_result::BOWLINE_OK);
                bowline_keypair_free(key);
            }
        }
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[0].id(), SecretKey::from_bytes([7; 32]).public());
    }
}
