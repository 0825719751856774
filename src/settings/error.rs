//! What can be wrong with one setting: its name, its text, its range. Each says what would be right.
//! `settings/table.rs` makes them, every face shows them.

use super::value::{Kind, Value};
use crate::base::address::ADDRESS_TEXT_MAX;
use crate::base::text::{shown, shown_within};

/// Why a setting was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    #[error("no setting is called '{name}'; did you mean {nearest}?")]
    Unknown { name: String, nearest: &'static str },
    #[error("{name}: '{text}' does not parse{}, expected {}", why_of(.why.as_ref()), .kind.expects())]
    Unreadable { name: &'static str, text: String, why: Option<String>, kind: Kind },
    #[error("{name}: {value} is out of range, {min} to {max} are allowed")]
    OutOfRange { name: &'static str, value: String, min: &'static str, max: String },
}

impl SettingError {
    /// `text` is no value of type `T`.
    pub(super) fn unreadable<T: Value>(name: &'static str, text: &str) -> SettingError {
        let (wrong, why) = T::wrong(text);
        SettingError::Unreadable { name, text: shown_within(wrong, ADDRESS_TEXT_MAX), why, kind: T::KIND }
    }

    /// `value` is outside of `min` to `max`.
    pub(super) fn out_of_range<T: Value>(
        name: &'static str,
        value: &T,
        (min, max): (&'static str, &'static str),
        unit: &'static str,
    ) -> SettingError {
        let is_measured = matches!(T::KIND, Kind::Text | Kind::Addresses | Kind::Sockets | Kind::Quotas | Kind::Subjects);
        let value = value.measure().filter(|_| is_measured).map_or_else(|| value.print(), |measure| measure.to_string());
        // Sizes and durations carry their unit in the text.
        let max = if matches!(T::KIND, Kind::Size | Kind::Duration) { max.to_owned() } else { format!("{max} {unit}") };
        SettingError::OutOfRange { name, value, min, max }
    }
}

/// What is wrong with the text, in brackets.
fn why_of(why: Option<&String>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

/// Longest text of one setting that is looked at, bytes: 256 addresses of at most 350 bytes need 89,856 with commas.
pub const TEXT_MAX: usize = 96 * 1_024;

/// Longest part of an unknown name that is compared with the known ones, bytes; none of those is half as long.
const NAME_COMPARED_MAX: usize = 64;

/// The error for a name that no setting has.
pub(super) fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> SettingError {
    let compared: Vec<u8> =
        name.bytes().take(NAME_COMPARED_MAX).map(|b| if b == b'_' { b'.' } else { b.to_ascii_lowercase() }).collect();
    let nearest = known.min_by_key(|candidate| distance(&compared, candidate.replace('_', ".").as_bytes()));
    SettingError::Unknown { name: shown(name), nearest: nearest.unwrap_or_default() }
}

/// Letters that must be put in, taken out or exchanged to make one name of the other (Levenshtein's distance).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for j in 0..b.len() {
            let exchanged = diagonal + usize::from(*letter != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_changed_letters() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("pool.max", "pool.max", 0)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn an_unknown_name_is_shown_safely_and_answered_with_the_nearest() {
        let known = || ["pool.max", "pool.min", "dial.timeout"].into_iter();
        assert_eq!(unknown("pool.maks", known()).to_string(), "no setting is called 'pool.maks'; did you mean pool.max?");
        assert!(unknown("Dial_Timeout", known()).to_string().ends_with("did you mean dial.timeout?"));
        let error = unknown(&"\x1b[2J".repeat(10_000), known()).to_string();
        assert!(error.len() < 200 && !error.contains('\x1b'));
    }
}
