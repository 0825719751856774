//! Tests of the C face from outside: C and C++ compilers read the header, C programs use the shared and the static library. What a machine
//! does not have is skipped with a line on standard error. `tools.rs` runs compilers and programs; `text.rs` reads the header.
//!
//! BOWLINE_CFLAGS adds flags to every C program (`-fsanitize=address,undefined`); BOWLINE_WRAP runs it in a tool (`valgrind -q`).
#![cfg(all(feature = "capi", target_os = "linux"))]

mod abi;
mod cxx;
mod examples;
mod faces;
mod go;
mod guide;
mod packaging;
mod panics;
mod reference;
mod sanitizers;
mod text;
mod tools;

use std::collections::BTreeSet;
use text::Header;
use tools::{Link, has, output, run, say, scratch, source, tap};

#[test]
fn the_header_that_is_checked_in_is_fresh() {
    let made = std::fs::read_to_string(concat!(env!("OUT_DIR"), "/bowline.h")).expect("the build makes it");
    let checked_in = std::fs::read_to_string(source("include/bowline.h")).expect("it is checked in");
    assert!(made == checked_in, "include/bowline.h is stale: run BOWLINE_HEADER=write cargo check");
}

#[test]
fn every_function_says_what_it_takes_and_answers() {
    for function in Header::read().functions {
        let (name, doc) = (&function.name, &function.doc);
        assert!(
            doc.lines().next().is_some_and(|line| line.trim_end().ends_with(['.', ',']) || line.len() > 40),
            "{name}: no sentence"
        );
        for part in ["@threads", "@since"] {
            assert!(doc.contains(part), "{name} has no {part}");
        }
        assert_eq!(doc.contains("@return"), function.answer != "void", "{name}: @return");
        let documented: Vec<&str> =
            doc.lines().filter_map(|line| line.strip_prefix("@param ")?.split_whitespace().next()).collect();
        let taken: Vec<&str> = function.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(documented, taken, "{name}: @param");
    }
}

/// Who calls from an event loop must know which calls hold it up.
#[test]
fn every_function_that_may_wait_says_how_long() {
    // For the node's threads, for names, for the disk: `TIMEOUT` is not always an answer of theirs.
    const WAIT: [&str; 20] = [
        "bowline_addrbook_add",
        "bowline_ask_addresses",
        "bowline_ban",
        "bowline_dial_seeds",
        "bowline_export",
        "bowline_forgive",
        "bowline_greylist_flush",
        "bowline_import",
        "bowline_listen_add",
        "bowline_listen_remove",
        "bowline_node_free",
        "bowline_node_start",
        "bowline_node_stop",
        "bowline_peer_channels",
        "bowline_persistent_add",
        "bowline_persistent_remove",
        "bowline_queue_poll",
        "bowline_trust",
        "bowline_unban",
        "bowline_untrust",
    ];
    let functions = Header::read().functions;
    assert!(WAIT.iter().all(|name| functions.iter().any(|function| function.name == *name)), "the list names what is no more");
    for function in functions {
        let (name, doc) = (&function.name, &function.doc);
        let is_unit = |word: &str| matches!(word.trim_end_matches([',', '.', ';', ':', ')']), "s" | "ms" | "second");
        let words: Vec<&str> = doc.split_whitespace().collect();
        let is_number = |word: &str| word == "a" || word.chars().all(|c| c.is_ascii_digit());
        let says = words.windows(2).any(|pair| is_number(pair[0]) && is_unit(pair[1])) || doc.contains("milliseconds");
        let is_told = says || ["timeout_ms", "drain_ms"].iter().any(|word| doc.contains(word));
        // A memory network's time is not the caller's.
        let may_be_late = words.iter().any(|word| word.starts_with("TIMEOUT")) && !name.starts_with("bowline_memnet");
        let waits = WAIT.contains(&name.as_str()) || may_be_late;
        assert!(!waits || is_told, "{name} may wait, and does not say how long");
    }
}

#[test]
fn the_shared_library_exports_the_header_and_nothing_else() {
    if !has("nm") {
        return say("nm is missing: exported symbols are not compared");
    }
    let listed = output("nm", &["-D", "--defined-only", tools::shared_library().to_str().expect("a plain path")]);
    let exported: BTreeSet<String> =
        listed.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    let declared: BTreeSet<String> = Header::read().functions.into_iter().map(|function| function.name).collect();
    assert_eq!(exported, declared);
}

#[test]
fn the_shared_library_is_named_and_stays_loaded() {
    if !has("readelf") {
        return say("readelf is missing: the library's name is not looked at");
    }
    let dynamic = output("readelf", &["-d", tools::shared_library().to_str().expect("a plain path")]);
    assert!(dynamic.contains(&format!("[{}]", tools::soname())), "no SONAME:\n{dynamic}");
    assert!(dynamic.contains("NODELETE"), "it could be unloaded under its threads:\n{dynamic}");
}

#[test]
fn the_header_compiles_as_every_c() {
    if !has(&tools::cc()) {
        return say("no C compiler: the header is not compiled");
    }
    for standard in ["c99", "c11", "c17", "c2x"] {
        let flags =
            "-Wall -Wextra -Wpedantic -Wundef -Wshadow -Wstrict-prototypes -Wold-style-definition -Wconversion -Wpadded -Werror";
        tools::reads_header(&tools::cc(), standard, flags, "header.c");
    }
}

#[test]
fn the_header_compiles_as_every_cxx() {
    if !has(&tools::cxx()) {
        return say("no C++ compiler: the header is not compiled as C++");
    }
    for standard in ["c++11", "c++14", "c++17", "c++20"] {
        let flags =
            "-Wall -Wextra -Wpedantic -Wundef -Wshadow -Wconversion -Wold-style-cast -Wzero-as-null-pointer-constant -Werror";
        tools::reads_header(&tools::cxx(), standard, flags, "header.cc");
    }
}

/// The same table is held against Rust by `ffi::layout`.
#[test]
fn structs_lie_in_c_as_the_table_says() {
    let table = std::fs::read_to_string(source("ffi-tests/layout.txt")).expect("the table");
    let rows: Vec<(&str, &str)> =
        table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let checks: String = rows
        .iter()
        .map(|(place, bytes)| match place.split_once('.') {
            Some((name, member)) => format!("_Static_assert(offsetof({name}, {member}) == {bytes}, \"{place}\");\n"),
            None => format!("_Static_assert(sizeof({place}) == {bytes}, \"{place}\");\n"),
        })
        .collect();
    let listed: BTreeSet<String> = rows.iter().map(|(place, _)| (*place).to_owned()).collect();
    assert_eq!(listed, Header::read().places(), "places of the table and of the header");
    let program = scratch("layout").join("layout.c");
    std::fs::write(&program, format!("#include \"bowline.h\"\n{checks}int main(void) {{ return 0; }}\n")).expect("writable");
    if !has(&tools::cc()) {
        return say("no C compiler: the layout of structs is not compared");
    }
    tools::build(&program, Link::Nothing);
}

#[test]
fn the_result_table_says_what_the_header_says() {
    let header = Header::read();
    let table = std::fs::read_to_string(source("src/ffi/b_errors.rs")).expect("the table");
    let rows = table.lines().filter(|line| line.trim_start().starts_with("row(bowline_result::BOWLINE_")).count();
    assert_eq!(rows, header.results.len(), "rows of the table and enumerators of the header");
    for (name, _, doc) in &header.results {
        let text = doc.trim_end_matches('.');
        let lower = text[..1].to_lowercase() + &text[1..];
        assert!(table.contains(&format!("c\"{name}\", c\"{lower}\"")), "{name}: the table does not say \"{lower}\"");
    }
}

/// Each function is called with nothing but zeros and NULLs, and comes back.
#[test]
fn every_function_survives_nothing_but_zeros() {
    let calls: String = Header::read().functions.iter().map(text::Function::call_with_zeros).collect();
    let program = scratch("zeros").join("zeros.c");
    let text = format!("#include \"bowline.h\"\n#include <stdio.h>\nint main(void)\n{{\n{calls}    return 0;\n}}\n");
    std::fs::write(&program, text).expect("writable");
    if !has(&tools::cc()) {
        return say("no C compiler: functions are not called with zeros");
    }
    for link in [Link::Shared, Link::Static] {
        run(&tools::build(&program, link));
    }
}

#[test]
fn every_function_stands_in_the_misuse_table() {
    let mut rows = String::new();
    for file in ["misuse", "misuse_peers"] {
        let text = std::fs::read_to_string(source(&format!("ffi-tests/c/{file}.c"))).expect("the table");
        let begin = text.find("static void null_where").expect("the table begins");
        let end = begin + text[begin..].find("\n}\n").expect("the table ends");
        rows.push_str(&text[begin..end]);
    }
    for function in Header::read().functions {
        assert!(rows.contains(&format!("{}(", function.name)), "{} is in no row", function.name);
    }
}

/// The tests that make every call (in a forked child, from many threads, in any order) know every call on a node or a queue.
#[test]
fn every_call_on_a_node_stands_in_the_hard_table() {
    // What begins and ends lives has tests of its own; the last three answer no result.
    const APART: [&str; 8] = [
        "bowline_node_start",
        "bowline_node_stop",
        "bowline_node_free",
        "bowline_queue_free",
        "bowline_node_state",
        "bowline_node_main_queue",
        "bowline_queue_fd",
        "bowline_is_paused",
    ];
    let table = std::fs::read_to_string(source("ffi-tests/c/hard.h")).expect("the table");
    for function in Header::read().functions {
        let is_on = |kind: &str| function.parameters.first().is_some_and(|parameter| parameter.kind.contains(kind));
        let is_asked = (is_on("bowline_node ") || is_on("bowline_queue ")) && !APART.contains(&function.name.as_str());
        let row = format!("X({},", function.name.strip_prefix("bowline_").unwrap_or_default());
        assert!(!is_asked || table.contains(&row), "{} is no row of ffi-tests/c/hard.h", function.name);
    }
}

/// Each program as two tests: with the shared and with the static library.
macro_rules! programs {
    ($($name:ident),+) => {
        /// All of them.
        const PROGRAMS: &[&str] = &[$(stringify!($name)),+];

        $(mod $name {
            #[test]
            fn shared() {
                super::tap(stringify!($name), super::Link::Shared);
            }

            #[test]
            fn linked_in() {
                super::tap(stringify!($name), super::Link::Static);
            }
        })+
    };
}

programs!(
    basics,
    misuse,
    misuse_peers,
    life,
    talk,
    batch,
    calls,
    peers,
    roles,
    access,
    operate,
    book,
    watch,
    memnet,
    forks,
    signals,
    wakes,
    storm,
    stale,
    values,
    soup
);
