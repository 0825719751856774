//! The identity on disk: its own 0600 file, written crash-safely (temporary file, fsync, rename, fsync of the folder), re-verified on load.
//! It is never overwritten. The program and the C face call it; the format is `crypto/identity.rs`'s.

use super::entropy::SystemEntropy;
use super::error::{Error, FileFault};
use crate::base::peer::hex;
use crate::crypto::identity::{Draft, Identity};
use crate::crypto::secret::SecretText;
use crate::crypto::sodium;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Longest identity file that is read, bytes; a real one has about 300.
const FILE_BYTES_MAX: u64 = 4_096;
/// Stamps tried between two looks at whether the search shall go on: about 30 ms (0.27 us each).
const TRIES_PER_STEP: u64 = 100_000;

fn fault(path: &Path, kind: FileFault, text: impl ToString) -> Error {
    Error::IdentityFile { path: path.to_owned(), text: text.to_string(), kind }
}

/// Loads an identity and verifies key and stamp again.
///
/// # Errors
/// `IdentityFile` says whether it is missing, readable by others than its owner, unreadable, or not an identity with a stamp of
/// `pow_bits`. Nothing is changed on disk.
pub fn load(path: &Path, pow_bits: u32) -> Result<Identity, Error> {
    sodium::init().map_err(|error| Error::Crypto(error.to_string()))?;
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(|error| {
        let kind = match error.kind() {
            ErrorKind::NotFound => FileFault::Missing,
            ErrorKind::PermissionDenied => FileFault::Permission,
            _ => FileFault::Io,
        };
        fault(path, kind, error)
    })?;
    let about = file.metadata().map_err(|error| fault(path, FileFault::Io, error))?;
    if !about.is_file() {
        return Err(fault(path, FileFault::Invalid, "this is not a regular file"));
    }
    if about.mode() & 0o077 != 0 {
        let text = format!(
            "others may access it (mode {:04o}): chmod 600 it, or make a new identity if it may have been read",
            about.mode() & 0o7777
        );
        return Err(fault(path, FileFault::Permission, text));
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(fault(path, FileFault::Invalid, format!("{} bytes, an identity has at most {FILE_BYTES_MAX}", about.len())));
    }
    // Of the final size from the start, so that growing leaves no copy of the secret behind.
    let mut text = Vec::with_capacity(FILE_BYTES_MAX as usize + 1);
    let read = (&mut file).take(FILE_BYTES_MAX).read_to_end(&mut text);
    let text = SecretText::from_vec(text);
    read.map_err(|error| fault(path, FileFault::Io, error))?;
    Identity::decode(text.as_bytes(), pow_bits).map_err(|error| fault(path, FileFault::Invalid, error))
}

/// Saves a new identity. An existing file is never touched.
///
/// # Errors
/// `IdentityFile`: `Exists`, or `Io` with the system's words; then no file of that name was made.
pub fn save_new(path: &Path, identity: &Identity) -> Result<(), Error> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => fault(path, FileFault::Exists, "the file exists; it is never overwritten"),
        ErrorKind::PermissionDenied => fault(path, FileFault::Permission, error),
        _ => fault(path, FileFault::Io, error),
    };
    let (folder, temporary) = beside(path);
    let written = write_whole(&temporary, identity.encode().as_bytes())
        // A link fails if the name exists, where a rename would silently replace what is there.
        .and_then(|()| std::fs::hard_link(&temporary, path));
    // The temporary name goes in any case.
    let removed = std::fs::remove_file(&temporary);
    written.map_err(failed)?;
    removed.map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The folder of a file, and a new name in it for a file that is to take its place.
fn beside(path: &Path) -> (&Path, PathBuf) {
    let folder = folder_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let mut random = [0; 8];
    sodium::fill_random(&mut random);
    name.push(format!(".{}.tmp", hex(&random)));
    (folder, folder.join(name))
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Searches for an identity with `pow_bits` of proof of work. Blocks for about 0.3 us x 2^pow_bits.
///
/// `go_on` is called every few ten milliseconds with the number of stamps tried and the number expected; false stops the search.
///
/// # Errors
/// `Crypto` when libsodium fails its self-test. `Ok(None)` when `go_on` stopped it.
pub fn generate(pow_bits: u32, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Identity>, Error> {
    sodium::init().map_err(|error| Error::Crypto(error.to_string()))?;
    let mut draft = Draft::new(&mut SystemEntropy, pow_bits);
    loop {
        if let Some(identity) = draft.run(TRIES_PER_STEP) {
            return Ok(Some(identity));
        }
        if !go_on(draft.tried(), draft.expected_tries()) {
            return Ok(None);
        }
    }
}

/// Loads the identity, or makes and saves one if the file is missing.
///
/// # Errors
/// As `load`, `generate` and `save_new`; `Stopped` when `go_on` ended the search.
pub fn load_or_create(path: &Path, pow_bits: u32, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Identity, Error> {
    match load(path, pow_bits) {
        Err(Error::IdentityFile { kind: FileFault::Missing, .. }) => {}
        loaded => return loaded,
    }
    let identity = generate(pow_bits, go_on)?
        .ok_or_else(|| fault(path, FileFault::Stopped, "the search was stopped, nothing was written"))?;
    save_new(path, &identity)?;
    Ok(identity)
}
