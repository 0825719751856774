//! Rules on the settings table: a row says what it is, and something reads it. A setting that is ignored is a defect, whatever its row says.

use super::{Source, identifier, is_word, tree};
use bowline::settings::table::{Setting, Settings, TABLE};

/// Fields that the bounds of the pool derive from (`settings/check.rs`), with what of `Bounds` must be read instead.
const DERIVED: &[(&str, &[&str])] = &[
    ("pool_min", &["min_threshold", "min_target"]),
    ("pool_expected", &["min_threshold", "max_target"]),
    ("pool_max", &["max", "max_threshold"]),
    ("pool_min_threshold", &["min_threshold"]),
    ("pool_min_target", &["min_target"]),
    ("pool_max_target", &["max_target"]),
    ("pool_max_threshold", &["max_threshold"]),
    ("pool_outbound_target", &["outbound_target"]),
    ("pool_outbound_max", &["outbound_max"]),
];

/// No readers: the settings' own room, and two in which only a part of all nodes lives, the simulator and the program.
const NO_READERS: &[&str] = &["src/settings/", "src/sim/", "src/cli/"];

#[test]
fn every_setting_says_what_it_is() {
    for setting in TABLE {
        assert_eq!(missing_columns(setting), [""; 0], "{}", setting.name);
    }
    let bare = Setting { doc: "", source: " ", unit: "", ..TABLE[0] };
    assert_eq!(missing_columns(&bare), ["doc", "source", "unit"]);
}

fn missing_columns(setting: &Setting) -> Vec<&'static str> {
    let columns = [("doc", setting.doc), ("source", setting.source), ("unit", setting.unit)];
    columns.into_iter().filter(|(_, text)| text.trim().is_empty()).map(|(column, _)| column).collect()
}

#[test]
fn every_setting_is_read() {
    let fields: Vec<String> = Settings::names().map(|name| name.replace('.', "_")).collect();
    assert_eq!(unread(&fields, &tree()), [""; 0], "nothing reads these settings: wire them up, or take their rows out");
    assert!(DERIVED.iter().all(|(field, _)| fields.iter().any(|known| known == field)), "a row of DERIVED has no field");
}

#[test]
fn a_setting_that_nothing_reads_is_found() {
    let fields = ["dial_rate".to_owned(), "pool_min_target".to_owned()];
    let read = "use crate::settings::check::Checked;\nfn f(s: &Checked) { g(s.dial_rate, s.bounds().min_target) }";
    let found = |path: &str, text: &str| unread(&fields, &[Source::new(path, text.into())]).len();
    assert_eq!(found("src/pool/sample.rs", read), 0);
    for (path, text) in [
        // A comment, a text, a test, another name, a call, an assignment, an initialiser, somebody else's field.
        ("src/pool/sample.rs", "use crate::settings::A;\n// s.dial_rate s.bounds.min_target\nfn f() { \"s.dial_rate\"; }"),
        (
            "src/pool/sample.rs",
            "use crate::settings::A;\n#[cfg(test)]\nmod tests { fn f() { s.dial_rate; b.bounds.min_target; } }",
        ),
        ("src/pool/sample.rs", "use crate::settings::A;\nfn f() { s.dial_rate_max; s.dial_rate(); s.min_target; }"),
        ("src/pool/sample.rs", "use crate::settings::A;\nfn f() { s.dial_rate = 3; S { dial_rate: 3 }; bounds.min_target = 4; }"),
        ("src/pool/sample.rs", "fn f(policy: &Policy) { policy.dial_rate; policy.min_target; }"),
        ("src/settings/sample.rs", read),
        ("src/sim/sample.rs", read),
        ("src/cli/sample.rs", read),
        ("tests/sample.rs", read),
    ] {
        assert_eq!(found(path, text), 2, "{path}: {text}");
    }
}

/// The fields that no file of the library reads which knows the settings.
fn unread<'a>(fields: &'a [String], sources: &[Source]) -> Vec<&'a str> {
    let is_reader = |source: &&Source| {
        let is_of_library = source.path.starts_with("src/") && !NO_READERS.iter().any(|room| source.path.starts_with(room));
        is_of_library && words(&source.shipped).any(|word| word == "settings")
    };
    let readers: Vec<&Source> = sources.iter().filter(is_reader).collect();
    let bounds: Vec<&Source> =
        sources.iter().filter(|source| !NO_READERS.iter().any(|room| source.path.starts_with(room))).collect();
    let is_read = |field: &str| match DERIVED.iter().find(|(derived, _)| *derived == field) {
        Some((_, of)) => of.iter().all(|name| bounds.iter().any(|source| reads(&source.shipped, "bounds", name))),
        None => readers.iter().any(|source| reads(&source.shipped, "", field)),
    };
    fields.iter().map(String::as_str).filter(|field| !is_read(field)).collect()
}

/// True if `code` reads a field of that name, of something called `owner` if that is not empty: `.name` with no call, no assignment and no
/// longer name behind it.
fn reads(code: &str, owner: &str, name: &str) -> bool {
    let mark = format!(".{name}");
    code.match_indices(&mark).any(|(at, _)| {
        let behind = &code[at + mark.len()..];
        let next = behind.trim_start();
        let is_longer = behind.bytes().next().is_some_and(is_word);
        let is_written = next.starts_with('=') && !next.starts_with("==");
        let before = code[..at].trim_end_matches("()");
        !is_longer && !is_written && !next.starts_with('(') && before.ends_with(owner)
    })
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(identifier)
}
