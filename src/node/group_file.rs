//! The map of networks on disk: read once, when the node is made. Its form is `pool/group_map.rs`'s.

use super::error::Error;
use crate::pool::group_map::parse;
use crate::pool::policy::Grouping;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A map of all of the Internet has a million prefixes, in lines of at most 50 bytes.
const TEXT_MAX: u64 = 64 << 20;

/// Reads the map at `path`; without one, addresses are grouped by prefix.
///
/// # Errors
/// `GroupMap` with the system's words, or the line that is wrong.
pub fn load(path: &str) -> Result<Grouping, Error> {
    if path.is_empty() {
        return Ok(Grouping::default());
    }
    let fault = |text: String| Error::GroupMap { path: PathBuf::from(path), text };
    let text = read(Path::new(path)).map_err(|error| fault(error.to_string()))?;
    parse(&text).map_err(|error| fault(error.to_string()))
}

fn read(path: &Path) -> io::Result<String> {
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("this is not a regular file"));
    }
    let mut text = String::new();
    file.take(TEXT_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > TEXT_MAX {
        return Err(io::Error::other(format!("more than the {TEXT_MAX} bytes that a map can have")));
    }
    Ok(text)
}
