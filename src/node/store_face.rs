//! What a program does with what outlives a restart: save it now, write it out as lines of JSON, take such lines in. Part of the node's face;
//! any thread may make these calls.

use super::access;
use super::error::Error;
use super::node::Node;
use super::pump;
use super::storekeeper::{Refusal, WAITING_MAX};
use crate::base::reason::CloseReason;
use crate::base::text::shown;
use crate::pool::keeping::{Imported, Key};
use crate::pool::pages::PAGE;
use crate::pool::saved::{Change, Saved};
use crate::pool::saved_json::{LINE_MAX, ROWS_MAX, head, key, read, read_head, row};
use crossbeam_channel::bounded;
use std::collections::BTreeSet;
use std::io::{BufRead, Read, Write};
use std::time::Duration;

/// Why an import was refused. Nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{text}; nothing was taken", if *.line == 0 { String::new() } else { format!("line {line}: ") })]
pub struct ImportError {
    /// Counted from 1; 0 if no line is to blame.
    pub line: usize,
    pub text: String,
}

impl Node {
    /// Saves what has changed until now, and returns when it outlives the machine. Without a store there is nothing to save.
    ///
    /// # Errors
    /// `NotSaved` with the reason, `Timeout` (it may be saved all the same), `Busy` when 64 others wait for a save already, `State` before the
    /// start, `Stopped`, `Failed`.
    ///
    /// # Blocks
    /// At most `timeout`; some milliseconds for most disks.
    pub fn save(&self, timeout: Duration) -> Result<(), Error> {
        let shared = self.shared()?;
        let (done, result) = bounded(1);
        // A storekeeper that is gone has ended with its node.
        let gone = || self.shared().err().unwrap_or(Error::Stopped);
        let asked = shared.storekeeper.try_ask(true, Box::new(move |saved| drop(done.try_send(saved))));
        asked.map_err(|(refusal, _)| match refusal {
            Refusal::Busy => Error::Busy(WAITING_MAX),
            Refusal::Gone => gone(),
        })?;
        match shared.wait_for(&result, timeout) {
            Ok(saved) => saved.map_err(Error::NotSaved),
            Err(error) if error.is_timeout() => Err(Error::Timeout),
            Err(_) => Err(gone()),
        }
    }

    /// Writes known addresses and peers, lists and scores as lines of JSON, a row each. The identity is not among them, nor the key of the
    /// address book. `docs/operators.md` describes the rows.
    ///
    /// # Errors
    /// `System` when `to` takes no more, `State` before the start, `Stopped`, `Failed`.
    ///
    /// # Blocks
    /// As long as `to` does. The tables are locked for some microseconds at a time, so rows are those of slightly different moments.
    pub fn export(&self, to: &mut dyn Write) -> Result<(), Error> {
        let shared = self.shared()?;
        let failed = |source| Error::System { what: "writing an export", source };
        let unix = |now| shared.clock.unix_seconds(now);
        writeln!(to, "{}", head(unix(shared.clock.now()))).map_err(failed)?;
        let mut last = None;
        loop {
            let now = shared.clock.now();
            let changes: Vec<Change> = {
                let pool = shared.pool.look();
                let keys: Vec<Key> = pool.keys(last).take(PAGE).collect();
                last = keys.last().copied();
                keys.into_iter().map(|key| pool.change_of(now, unix(now), key)).collect()
            };
            for line in changes.iter().filter_map(row) {
                writeln!(to, "{line}").map_err(failed)?;
            }
            if changes.len() < PAGE {
                break;
            }
        }
        to.flush().map_err(failed)
    }

    /// Takes in what `export` wrote, here or elsewhere, and says how much of it was news: what is known already stays as it is, and what there
    /// is no room for or what has ended is left out. Bans close links at once. What it says is believed as if this node had seen it itself,
    /// also that an address was dialed or has proven good over time: take in only what a node of yours has written.
    ///
    /// # Errors
    /// The first line that is wrong, and what is wrong with it.
    ///
    /// # Blocks
    /// As long as `from` does, and about a second for 100,000 rows.
    pub fn import(&self, from: &mut dyn BufRead) -> Result<Imported, ImportError> {
        let refused = |error: Error| ImportError { line: 0, text: error.to_string() };
        let shared = self.shared().map_err(refused)?;
        let saved = read_all(from)?;
        let mut imported = Imported::default();
        for page in pages(saved) {
            let (taken, out) = shared.work(|now, pool, out| {
                let taken = pool.import(now, shared.clock.unix_seconds(now), &page);
                access::close(&pool.part_with_banned(now), CloseReason::Banned, out);
                out.changed = true;
                taken
            });
            imported += taken;
            pump::tell(out, shared);
        }
        Ok(imported)
    }
}

/// Everything in pieces of at most `PAGE` rows, lists first.
fn pages(saved: Saved) -> Vec<Saved> {
    let mut pages = Vec::new();
    pages.extend(saved.lists.chunks(PAGE).map(|lists| Saved { lists: lists.to_vec(), ..Saved::default() }));
    pages.extend(saved.points.chunks(PAGE).map(|points| Saved { points: points.to_vec(), ..Saved::default() }));
    pages.extend(saved.peers.chunks(PAGE).map(|peers| Saved { peers: peers.to_vec(), ..Saved::default() }));
    pages.extend(saved.scores.chunks(PAGE).map(|scores| Saved { scores: scores.to_vec(), ..Saved::default() }));
    pages
}

/// Reads all lines before anything is done with them.
fn read_all(from: &mut dyn BufRead) -> Result<Saved, ImportError> {
    let (mut saved, mut keys, mut number) = (Saved::default(), BTreeSet::new(), 0);
    while let Some(line) = read_line(from, number + 1)? {
        number += 1;
        let wrong = |text: String| ImportError { line: number, text };
        if number == 1 {
            read_head(&line).map_err(wrong)?;
            continue;
        }
        let change = read(&line).map_err(wrong)?;
        if matches!(change, Change::Meta { .. } | Change::Anchors(_)) {
            return Err(wrong("a row that belongs to its store alone".to_owned()));
        }
        if !keys.insert(key(&change)) {
            return Err(wrong(format!("'{}' stands there twice", shown(&key(&change)))));
        }
        if keys.len() > ROWS_MAX {
            return Err(wrong(format!("more than {ROWS_MAX} rows")));
        }
        saved.take(change);
    }
    if number == 0 {
        Err(ImportError { line: 1, text: "it is empty: the head of an export is expected".to_owned() })
    } else {
        Ok(saved)
    }
}

/// The next line without its end; `None` behind the last.
fn read_line(from: &mut dyn BufRead, number: usize) -> Result<Option<String>, ImportError> {
    let wrong = |text: String| ImportError { line: number, text };
    let mut line = Vec::new();
    from.take(LINE_MAX as u64 + 2).read_until(b'\n', &mut line).map_err(|error| wrong(error.to_string()))?;
    if line.is_empty() {
        return Ok(None);
    }
    let end = line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    line.truncate(end);
    if line.len() > LINE_MAX {
        return Err(wrong(format!("longer than the {LINE_MAX} bytes that a row may have")));
    }
    String::from_utf8(line).map(Some).map_err(|_| wrong("it is not UTF-8".to_owned()))
}
