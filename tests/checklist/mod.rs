//! Checklists of what other peer-to-peer layers do, and of what is wrong with them: every item names a test of ours. The lists are in the
//! test files beside this directory; this file looks whether the named tests are there and run. It knows no list.

#[allow(dead_code, reason = "each list uses a part of it")]
pub mod bench;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What is done or wrong there, and the test that has it right here.
pub type Row = (&'static str, &'static str);

/// Finds all tests under a directory: by name, the files and whether it runs without being asked for.
fn find(dir: &Path, found: &mut BTreeMap<String, Vec<(String, bool)>>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for path in entries.map(|entry| entry.expect("the tree stays as it is").path()) {
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let file = path.display().to_string();
            for (name, runs) in tests_of(&text) {
                found.entry(name).or_default().push((file.clone(), runs));
            }
        }
    }
}

/// The tests of one file, and whether each runs without being asked for.
fn tests_of(text: &str) -> Vec<(String, bool)> {
    let mut tests = Vec::new();
    for behind in text.split("#[test]").skip(1) {
        // Further attributes may stand between.
        let Some((attributes, rest)) = behind.split_once("fn ") else { continue };
        let name: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
        if attributes.lines().all(|line| line.trim().is_empty() || line.trim().starts_with("#[")) {
            tests.push((name, !attributes.contains("#[ignore")));
        }
    }
    tests
}

/// Every item of the lists names a test that is there and runs, and every test of the `own` files is named by an item, except `check`.
pub fn hold(lists: &[(&str, &[Row])], own: &[&str], check: &str) {
    let mut tests = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["src", "tests"].iter().for_each(|dir| find(&root.join(dir), &mut tests));
    let mut wrong = Vec::new();
    let rows = || lists.iter().flat_map(|(section, rows)| rows.iter().map(move |(item, test)| (*section, *item, *test)));
    for (section, item, test) in rows() {
        let Some(places) = tests.get(test) else {
            wrong.push(format!("{section}: {item}: there is no test {test}"));
            continue;
        };
        println!("{section}: {item}: {}::{test}", places[0].0.trim_start_matches(&root.display().to_string()));
        if places.iter().any(|(_, runs)| !runs) {
            wrong.push(format!("{section}: {item}: {test} does not run unless asked for"));
        }
    }
    for (name, _) in own.iter().flat_map(|text| tests_of(text)).filter(|(name, _)| name != check) {
        if !rows().any(|(.., test)| test == name) {
            wrong.push(format!("{name} proves no item of the lists"));
        }
    }
    assert!(wrong.is_empty(), "{} things are wrong with the lists:\n{}", wrong.len(), wrong.join("\n"));
}

/// A list that names nobody, or somebody who does not run, is found.
#[test]
fn lists_that_name_no_test_are_found() {
    let text = "#[test]\nfn runs() {}\n#[test]\n#[ignore = \"slow\"]\nfn waits() {}\nfn helps() {}";
    assert_eq!(tests_of(text), [("runs".to_owned(), true), ("waits".to_owned(), false)]);
    let fails = |rows: &'static [Row], own: &'static [&'static str]| {
        std::panic::catch_unwind(|| hold(&[("a section", rows)], own, "runs")).is_err()
    };
    assert!(!fails(&[("an item", "lists_that_name_no_test_are_found")], &[]));
    assert!(fails(&[("an item", "nobody_has_written_this")], &[]));
    assert!(fails(&[], &["#[test]\nfn unlisted() {}"]));
}
