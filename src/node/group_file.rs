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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::point::Group;

    #[test]
    fn a_map_is_read_and_what_is_none_is_named() {
        assert!(load("").is_ok());
        let path = std::env::temp_dir().join(format!("bowline-group-map-{}", std::process::id()));
        let text = path.to_str().expect("a path in letters");
        std::fs::write(&path, "10.0.0.0/8 64496\n").expect("a place for a file");
        let map = load(text).expect("a map");
        assert_eq!(map.group([10, 1, 1, 1].into()), Group::As(64_496));
        std::fs::write(&path, "10.0.0.0/8 64496\nnonsense\n").expect("a place for a file");
        let fault = load(text).expect_err("line 2 is none").to_string();
        assert!(fault.contains(text) && fault.contains("line 2 is 'nonsense'"), "{fault}");
        std::fs::remove_file(&path).expect("it was there");
        assert!(load(text).is_err_and(|error| error.to_string().starts_with(&format!("map of networks {text}: "))));
        assert!(load("/").is_err_and(|error| error.to_string().contains("not a regular file")));
    }
}
