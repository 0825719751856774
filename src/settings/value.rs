//! The kinds of values that a setting may have: how each is read from text, printed again and measured against a range.
//! It knows no setting by name. Only `settings/table.rs` and the manual's generator call it.

use crate::base::address::{Address, AddressError};
use crate::base::quota::RoleQuota;
use crate::base::subject::Subject;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// What a setting's text looks like. The C face and the manual show it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    Count,
    AutoCount,
    Size,
    Duration,
    Switch,
    Text,
    Choice,
    Ip,
    Address,
    Addresses,
    Sockets,
    Quotas,
    Subjects,
}

impl Kind {
    /// How a text of this kind is written, as the rest of "expected …".
    pub const fn expects(self) -> &'static str {
        match self {
            Kind::Count => "a whole number such as 10",
            Kind::AutoCount => "a whole number such as 10, or auto",
            Kind::Size => "bytes such as 1000, 64KiB, 8MiB or 2GiB",
            Kind::Duration => "a duration such as 100ms, 30s, 2min or 24h",
            Kind::Switch => "true or false",
            Kind::Text => "printable ASCII",
            Kind::Choice => "auto, always or never",
            Kind::Ip => "an IP address, or nothing",
            Kind::Address => "an address such as [bowline://][<peer id>@]host:port, or nothing",
            Kind::Addresses => "addresses such as [bowline://][<peer id>@]host:port with commas between",
            Kind::Sockets => "addresses such as 0.0.0.0:9732 or [::]:9732 with commas between",
            Kind::Quotas => "capabilities with a number of links or a share of them, such as archive=2, light=10%",
            Kind::Subjects => "peer ids, addresses and prefixes such as 192.0.2.0/24 with commas between",
        }
    }
}

/// A value of a setting. `read` accepts what `print` gives, and gives the same value back.
pub trait Value: Sized {
    const KIND: Kind;
    /// The value of a text without blanks around it; `None` if it is none.
    fn read(text: &str) -> Option<Self>;
    /// The part of a text that is no value, in a list its first wrong entry; and what is wrong with it, if there is more to say.
    fn wrong(text: &str) -> (&str, Option<String>) {
        (text, None)
    }
    /// The canonical text.
    fn print(&self) -> String;
    /// What a range compares: the number, bytes, nanoseconds, characters or entries. `None` for values without ranges.
    fn measure(&self) -> Option<u64>;
    /// The measure that the text of a range's end stands for.
    fn measure_of(text: &str) -> Option<u64> {
        Self::read(text)?.measure()
    }
}

/// When a puzzle is asked of those who connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PuzzleMode {
    /// Under load only.
    #[default]
    Auto,
    Always,
    Never,
}

impl Value for PuzzleMode {
    const KIND: Kind = Kind::Choice;
    fn read(text: &str) -> Option<PuzzleMode> {
        match text {
            "auto" => Some(PuzzleMode::Auto),
            "always" => Some(PuzzleMode::Always),
            "never" => Some(PuzzleMode::Never),
            _ => None,
        }
    }
    fn print(&self) -> String {
        match self {
            PuzzleMode::Auto => "auto",
            PuzzleMode::Always => "always",
            PuzzleMode::Never => "never",
        }
        .to_owned()
    }
    fn measure(&self) -> Option<u64> {
        None
    }
}

impl Value for u32 {
    const KIND: Kind = Kind::Count;
    fn read(text: &str) -> Option<u32> {
        digits(text)?.try_into().ok()
    }
    fn print(&self) -> String {
        self.to_string()
    }
    fn measure(&self) -> Option<u64> {
        Some(u64::from(*self))
    }
}

/// A count that is derived from others while it is not set: `auto`, empty and 0 all leave it to the derivation.
impl Value for Option<u32> {
    const KIND: Kind = Kind::AutoCount;
    fn read(text: &str) -> Option<Option<u32>> {
        if text.is_empty() || text == "auto" {
            return Some(None);
        }
        Some(Some(u32::read(text)?).filter(|count| *count != 0))
    }
    fn print(&self) -> String {
        self.map_or_else(|| "auto".to_owned(), |count| count.to_string())
    }
    fn measure(&self) -> Option<u64> {
        self.map(u64::from)
    }
}

/// Units that a size is printed in, largest first.
const SIZES_PRINTED: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
/// Units that a size may have besides.
const SIZES_ALSO_READ: [(&str, u64); 4] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];

/// A size, or a rate in bytes per second.
impl Value for u64 {
    const KIND: Kind = Kind::Size;
    fn read(text: &str) -> Option<u64> {
        with_unit(text, &SIZES_PRINTED).or_else(|| with_unit(text, &SIZES_ALSO_READ))
    }
    fn print(&self) -> String {
        match self {
            0 => "0".to_owned(),
            bytes => in_largest_unit(*bytes, &SIZES_PRINTED),
        }
    }
    fn measure(&self) -> Option<u64> {
        Some(*self)
    }
}

/// Units of a duration in nanoseconds, largest first. Zero needs none.
const DURATIONS: [(&str, u64); 6] =
    [("h", 3_600_000_000_000), ("min", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl Value for Duration {
    const KIND: Kind = Kind::Duration;
    fn read(text: &str) -> Option<Duration> {
        let nanos = if text == "0" { 0 } else { with_unit(text, &DURATIONS)? };
        Some(Duration::from_nanos(nanos))
    }
    fn print(&self) -> String {
        match nanos(*self) {
            0 => "0s".to_owned(),
            nanos => in_largest_unit(nanos, &DURATIONS),
        }
    }
    fn measure(&self) -> Option<u64> {
        Some(nanos(*self))
    }
}

/// A setting's duration in nanoseconds; beyond 584 years it counts as that, which every range refuses.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Value for bool {
    const KIND: Kind = Kind::Switch;
    fn read(text: &str) -> Option<bool> {
        match text {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        }
    }
    fn print(&self) -> String {
        self.to_string()
    }
    fn measure(&self) -> Option<u64> {
        None
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;
    fn read(text: &str) -> Option<String> {
        text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()).then(|| text.to_owned())
    }
    fn print(&self) -> String {
        self.clone()
    }
    fn measure(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
    fn measure_of(text: &str) -> Option<u64> {
        digits(text)
    }
}

/// What may stand for a value or nothing: read and printed as its type does it.
trait Single: FromStr + Display {
    const KIND: Kind;
}

impl Single for IpAddr {
    const KIND: Kind = Kind::Ip;
}

impl Single for Address {
    const KIND: Kind = Kind::Address;
}

/// Nothing is the empty text.
impl<T: Single> Value for Option<T> {
    const KIND: Kind = T::KIND;
    fn read(text: &str) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }
    fn print(&self) -> String {
        self.as_ref().map_or_else(String::new, T::to_string)
    }
    fn measure(&self) -> Option<u64> {
        None
    }
}

/// What stands in a list with commas between: read and printed as its type does it.
trait Entry: FromStr + Display {
    const KIND: Kind;
    /// What is wrong with one, where the error of its type says more than that it is none.
    fn why(_error: Self::Err) -> Option<String> {
        None
    }
}

impl Entry for Address {
    const KIND: Kind = Kind::Addresses;
    fn why(error: AddressError) -> Option<String> {
        Some(error.to_string())
    }
}

impl Entry for SocketAddr {
    const KIND: Kind = Kind::Sockets;
}

impl Entry for RoleQuota {
    const KIND: Kind = Kind::Quotas;
}

impl Entry for Subject {
    const KIND: Kind = Kind::Subjects;
}

/// An empty text is an empty list, an empty entry is a mistake.
impl<T: Entry> Value for Vec<T> {
    const KIND: Kind = T::KIND;
    fn read(text: &str) -> Option<Vec<T>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        text.split(',').map(|entry| entry.trim().parse().ok()).collect()
    }
    fn wrong(text: &str) -> (&str, Option<String>) {
        let why = |entry| Some((entry, T::why(T::from_str(entry).err()?)));
        text.split(',').map(str::trim).find_map(why).unwrap_or((text, None))
    }
    fn print(&self) -> String {
        self.iter().map(T::to_string).collect::<Vec<_>>().join(",")
    }
    fn measure(&self) -> Option<u64> {
        Some(self.len() as u64)
    }
    fn measure_of(text: &str) -> Option<u64> {
        digits(text)
    }
}

/// A number of ASCII digits only: no sign, no blank, nothing that another language would read differently.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A number and one of `units` right behind it, multiplied; `None` also when it does not fit.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    digits(number)?.checked_mul(*size)
}

/// The number that is not 0, in the largest unit that divides it; the last unit is 1.
fn in_largest_unit(number: u64, units: &[(&str, u64)]) -> String {
    let largest = units.iter().find(|(_, size)| number.is_multiple_of(*size));
    largest.map_or_else(|| number.to_string(), |(unit, size)| format!("{}{unit}", number / size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations_are_read_with_their_units() {
        for (text, bytes) in
            [("0", 0), ("1000", 1_000), ("1B", 1), ("64KiB", 65_536), ("8MiB", 8 << 20), ("2GiB", 2 << 30), ("3MB", 3_000_000)]
        {
            assert_eq!(u64::read(text), Some(bytes), "{text}");
        }
        for (text, millis) in [("0", 0), ("0s", 0), ("100ms", 100), ("30s", 30_000), ("2min", 120_000), ("24h", 86_400_000)] {
            assert_eq!(Duration::read(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn wrong_texts_are_refused() {
        for text in ["", " 1", "1 ", "+1", "-1", "1.5", "0x10", "1_000", "99999999999", "١"] {
            assert_eq!(u32::read(text), None, "{text}");
        }
        for text in ["KiB", "1kib", "1 KiB", "18446744073709551615KiB", "99999999999999999999", "1KiBKiB"] {
            assert_eq!(u64::read(text), None, "{text}");
        }
        for text in ["", "1", "s", "1S", "1m", "-1s", "5124096h", "1.5s"] {
            assert_eq!(Duration::read(text), None, "{text}");
        }
        for text in ["True", "2", ""] {
            assert_eq!(bool::read(text), None, "{text}");
        }
        assert_eq!(String::read("a\nb"), None);
        assert_eq!(String::read("ü"), None);
        assert_eq!(Vec::<SocketAddr>::read("1.2.3.4:1,"), None);
        assert_eq!(Vec::<Address>::read(","), None);
        assert_eq!(Vec::<RoleQuota>::read("a=1,"), None);
        assert_eq!(Vec::<Subject>::read("192.0.2.0/33"), None);
        assert_eq!(Option::<IpAddr>::read("1.2.3"), None);
        assert_eq!(PuzzleMode::read("Auto"), None);
    }

    #[test]
    fn texts_are_printed_as_people_write_them() {
        let printed = |secs| Duration::from_secs(secs).print();
        assert_eq!([0, 1, 30, 60, 90, 120, 300, 86_400].map(printed), ["0s", "1s", "30s", "1min", "90s", "2min", "5min", "24h"]);
        assert_eq!(Duration::from_millis(1_500).print(), "1500ms");
        assert_eq!([0_u64, 1_000, 1_024, 65_536, 1 << 40].map(|size| size.print()), ["0", "1000", "1KiB", "64KiB", "1TiB"]);
        assert_eq!(Some(3_u32).print(), "3");
        assert_eq!(Option::<u32>::read("0"), Some(None));
        assert_eq!(None::<u32>.print(), "auto");
    }

    proptest! {
        #[test]
        fn printed_numbers_are_read_back(number: u64, shift in 0_u32..64) {
            let number = number >> shift << (shift / 2);
            prop_assert_eq!(u64::read(&number.print()), Some(number));
            let duration = Duration::from_nanos(number);
            prop_assert_eq!(Duration::read(&duration.print()), Some(duration));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in ".{0,40}") {
            let _ = (u32::read(&text), u64::read(&text), Duration::read(&text), Vec::<Address>::read(&text));
            let _ = (Vec::<SocketAddr>::read(&text), Option::<u32>::read(&text), String::read(&text), Vec::<RoleQuota>::read(&text));
        }
    }
}
