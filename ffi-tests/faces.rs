//! Nothing that Rust can do is missing from C: the public methods of the Rust face and the functions of the header are held against a table,
//! `faces.txt`. Whoever adds to one face adds to the other, or writes down why not.

use crate::text::Header;
use crate::tools::source;
use std::collections::{BTreeMap, BTreeSet};

/// The table: what stands for each method, and what is C's alone.
struct Table {
    methods: BTreeMap<String, Vec<String>>,
    alone: Vec<String>,
}

fn table() -> Table {
    let text = std::fs::read_to_string(source("ffi-tests/faces.txt")).expect("the table");
    let (mut methods, mut alone) = (BTreeMap::new(), Vec::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ').map(str::to_owned);
        let (first, rest) = (words.next().unwrap_or_default(), words.collect::<Vec<_>>());
        assert!(rest.len() > 1 || rest.first().is_some_and(|word| word.starts_with("bowline_")), "no reason: {line}");
        match (first.as_str(), rest[0].as_str()) {
            ("c", _) => alone.push(rest[0].clone()),
            (_, "-") => drop(methods.insert(first, Vec::new())),
            _ => drop(methods.insert(first, rest)),
        }
    }
    Table { methods, alone }
}

/// Public methods in `impl` blocks of `src/node`, as `Node::send`, and the functions that lib.rs shows.
fn rust_face() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(source("src/node")).expect("the room") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).unwrap_or_default();
        let mut of = None;
        for line in text.lines() {
            match line {
                "impl Node {" | "impl Builder {" | "impl Queue {" | "impl Sender {" | "impl MemNet {" => {
                    of = line.split(' ').nth(1)
                }
                "}" => of = None,
                _ => {}
            }
            let method = line.strip_prefix("    pub ").and_then(|rest| rest.trim_start_matches("const ").strip_prefix("fn "));
            if let (Some(of), Some(rest)) = (of, method) {
                let name = rest.split(['(', '<']).next().expect("a name");
                found.insert(format!("{of}::{name}"));
            }
        }
    }
    let lib = std::fs::read_to_string(source("src/lib.rs")).expect("lib.rs");
    let shown = lib.split("pub use ").skip(1).filter_map(|part| part.split(';').next());
    let names = shown.flat_map(|part| part.split(['{', '}', ',', '\n'])).filter_map(|part| part.split_whitespace().last());
    found.extend(names.filter(|name| name.ends_with("_identity")).map(str::to_owned));
    found
}

#[test]
fn nothing_that_rust_can_do_is_missing_from_c() {
    let table = table();
    let face = rust_face();
    assert!(face.len() > 100, "only {} methods were found", face.len());
    let known: BTreeSet<String> = table.methods.keys().cloned().collect();
    let missing: Vec<_> = face.difference(&known).collect();
    assert!(missing.is_empty(), "give these to C and to ffi-tests/faces.txt: {missing:?}");
    let gone: Vec<_> = known.difference(&face).collect();
    assert!(gone.is_empty(), "ffi-tests/faces.txt names what is no more: {gone:?}");
}

#[test]
fn nothing_is_in_c_that_the_table_does_not_explain() {
    let table = table();
    let declared: BTreeSet<String> = Header::read().functions.into_iter().map(|function| function.name).collect();
    let named: BTreeSet<&String> = table.methods.values().flatten().collect();
    let gone: Vec<_> = named.iter().filter(|name| !declared.contains(**name)).collect();
    assert!(gone.is_empty(), "ffi-tests/faces.txt names what the header has not: {gone:?}");
    let is_alone = |name: &String| {
        table.alone.iter().any(|word| word.strip_suffix('*').map_or(name == word, |prefix| name.starts_with(prefix)))
    };
    let unexplained: Vec<_> = declared.iter().filter(|name| !named.contains(name) && !is_alone(name)).collect();
    assert!(unexplained.is_empty(), "ffi-tests/faces.txt does not say what these are for: {unexplained:?}");
}

/// Counters reach C whole: each of `Stats`, `LinkStats` and `ChannelTotals` is read where the C structs are filled.
#[test]
fn no_counter_is_missing_from_c() {
    let counters = std::fs::read_to_string(source("src/bus/counters.rs")).expect("the counters");
    let fill =
        ["q_metrics", "l_peers"].map(|file| std::fs::read_to_string(source(&format!("src/ffi/{file}.rs"))).expect("a section"));
    let fields: Vec<&str> = counters
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(','))
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    assert!(fields.len() > 40, "only {} counters were found", fields.len());
    for field in fields {
        let read = format!("s.{field}");
        assert!(fill.iter().any(|text| text.contains(&read)), "{field} does not reach C");
    }
}
