//! Scores as a text that outlives a restart: writing and reading it. Pure: no file, no clock; `node/score_file.rs` has both. A text that
//! is not whole or not understood is refused with the line, never read in part.

use super::saved::{Left, SavedScore};
use super::score::{SCORE_MAX, Stage};
use crate::base::limits::SCORES_MAX;
use crate::base::text::shown;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

/// The first line: what it is, and the version of its form.
const HEAD: &str = "bowline-scores 1";
/// Longest line of a score: id, number, stage, moment.
const LINE_MAX: usize = 64 + 1 + 8 + 1 + 10 + 1 + 20 + 1;
/// Longest text of all scores, bytes.
pub const TEXT_MAX: usize = 512 + SCORES_MAX * LINE_MAX;

/// A text that is no table of scores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}; mend it, or move the file away to begin with no scores")]
pub struct ScoreFileError {
    pub line: usize,
    text: String,
}

/// The text for `all`, saved at `unix` seconds since 1970.
pub fn encode(all: &[SavedScore], unix: u64) -> String {
    let mut text = format!(
        "{HEAD}\nsaved {unix}\n# peer id, score in thousandths, stage, kept out until (seconds since 1970; ever: until lifted; -: not)\n"
    );
    for saved in all {
        let until = match saved.left {
            None => "-".to_owned(),
            Some(Left::Ever) => "ever".to_owned(),
            Some(Left::For(left)) => unix.saturating_add(left.as_secs()).to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {} {} {until}", saved.peer, saved.thousandths, saved.stage.name());
    }
    let _ = writeln!(text, "end {}", all.len());
    text
}

/// Reads a text at `unix` seconds since 1970: how long ago it was saved, and what it says. A clock that went back makes it fresh.
///
/// # Errors
/// The line that is wrong, and what is wrong with it.
pub fn decode(text: &str, unix: u64) -> Result<(Duration, Vec<SavedScore>), ScoreFileError> {
    let error = |line: usize, text: String| ScoreFileError { line, text };
    let mut lines = text.lines().enumerate().map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.starts_with('#'));
    let (line, head) = lines.next().unwrap_or((1, ""));
    if head != HEAD {
        return Err(error(line, format!("'{}' where '{HEAD}' is expected", shown(head))));
    }
    let (line, saved) = lines.next().unwrap_or((line + 1, ""));
    let saved: u64 = saved
        .strip_prefix("saved ")
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| error(line, "the moment of saving is expected, as 'saved 1700000000'".to_owned()))?;
    let (mut all, mut seen, mut last) = (Vec::new(), BTreeSet::new(), line);
    while let Some((line, text)) = lines.next() {
        if let Some(count) = text.strip_prefix("end ") {
            if count.parse() != Ok(all.len()) {
                return Err(error(line, format!("{} scores are above, not {}", all.len(), shown(count))));
            }
            if let Some((line, _)) = lines.next() {
                return Err(error(line, "nothing may follow the end".to_owned()));
            }
            return Ok((Duration::from_secs(unix.saturating_sub(saved)), all));
        }
        let saved = entry(text, unix).map_err(|text| error(line, text))?;
        if !seen.insert(saved.peer) {
            return Err(error(line, format!("{} stands there twice", saved.peer.short())));
        }
        if all.len() == SCORES_MAX {
            return Err(error(line, format!("more than {SCORES_MAX} scores")));
        }
        all.push(saved);
        last = line;
    }
    Err(error(last + 1, "the text is cut: the line 'end' with the number of scores is missing".to_owned()))
}

fn entry(text: &str, unix: u64) -> Result<SavedScore, String> {
    let parts: Vec<&str> = text.split(' ').collect();
    let [peer, thousandths, stage, until] = parts[..] else {
        return Err(format!("'{}' where a peer id, a score, a stage and a moment are expected", shown(text)));
    };
    let peer = peer.parse().map_err(|_| format!("'{}' is no peer id", shown(peer)))?;
    let most = SCORE_MAX * 1_000;
    let thousandths = thousandths
        .parse()
        .ok()
        .filter(|score| (-most..=most).contains(score))
        .ok_or_else(|| format!("'{}' is no score of -{most} to {most} thousandths", shown(thousandths)))?;
    let named = |known: &&Stage| known.name() == stage;
    let stage = *Stage::ALL
        .iter()
        .find(named)
        .ok_or_else(|| format!("'{}' is none of fine, warned, greylisted, banned", shown(stage)))?;
    let left = match until {
        "-" => None,
        "ever" => Some(Left::Ever),
        moment => {
            let moment: u64 = moment.parse().map_err(|_| format!("'{}' is no moment", shown(moment)))?;
            moment.checked_sub(unix).filter(|left| *left > 0).map(|left| Left::For(Duration::from_secs(left)))
        }
    };
    Ok(SavedScore { peer, thousandths, stage, left })
}
