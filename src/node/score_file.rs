//! Scores on disk: read at the start, written by maintenance and at the stop, crash-safely (temporary file, fsync, rename, fsync of the
//! folder). What cannot be understood is never overwritten: the node does not start. The form is `pool/score_file.rs`'s.

use super::error::Error;
use super::identity_file::{beside, write_whole};
use super::node::Plan;
use super::shared::Shared;
use crate::pool::saved::SavedScore;
use crate::pool::score_file::{TEXT_MAX, decode, encode};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a file said.
#[derive(Default)]
pub struct Loaded {
    pub age: Duration,
    pub scores: Vec<SavedScore>,
}

/// Where scores are kept, if anywhere.
pub fn path(plan: &Plan) -> Option<PathBuf> {
    let path = &plan.settings.score_file;
    (!path.is_empty()).then(|| PathBuf::from(path))
}

/// Reads the scores; none without a file of that name.
///
/// # Errors
/// `ScoreFile` with the system's words, or the line that is wrong.
pub fn load(plan: &Plan) -> Result<Loaded, Error> {
    let Some(path) = path(plan) else { return Ok(Loaded::default()) };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Loaded::default()),
        Err(error) => return Err(Error::ScoreFile { path, text: error.to_string() }),
    };
    let unix = plan.clock.unix_seconds(plan.clock.now());
    let (age, scores) = decode(&text, unix).map_err(|error| Error::ScoreFile { path, text: error.to_string() })?;
    Ok(Loaded { age, scores })
}

fn read(path: &Path) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("this is not a regular file"));
    }
    let mut text = String::new();
    file.take(TEXT_MAX as u64 + 1).read_to_string(&mut text)?;
    if text.len() > TEXT_MAX {
        return Err(io::Error::other(format!("more than the {TEXT_MAX} bytes that all scores can have")));
    }
    Ok(text)
}

/// Writes all scores, if there is a file for them. Blocks for the disk; the pool's lock is held only while they are copied.
pub fn save(shared: &Shared) {
    let Some(path) = &shared.score_file else { return };
    let now = shared.clock.now();
    let saved = shared.pool.lock().saved_scores(now);
    let text = encode(&saved, shared.clock.unix_seconds(now));
    if let Err(error) = write(path, text.as_bytes()) {
        log::error!(target: "bowline::score", "scores were not saved in {}: {error}", path.display());
        // A disk that was full may have room in the next period.
        shared.pool.lock().keep_unsaved_scores();
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let (folder, temporary) = beside(path);
    let written = write_whole(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // It may not even be there.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}
