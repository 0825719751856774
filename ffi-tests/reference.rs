//! docs/c-reference: pages for people, one for each section of the header, made of the header's own comments. BOWLINE_GUIDE=write writes
//! them; a page that is not as the header says fails the tests.

use crate::tools::source;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Something that the header declares at its top level.
struct Item<'a> {
    name: &'a str,
    /// Its comment, without the stars.
    doc: String,
    declaration: &'a str,
}

fn items(header: &str) -> Vec<Item<'_>> {
    let parts = header.split("\n/**\n").skip(1).filter_map(|part| part.split_once("\n */\n"));
    let items = parts.filter_map(|(doc, rest)| {
        let declaration = rest.split("\n\n").next()?.trim_end();
        let doc: Vec<&str> = doc.lines().map(|line| line.trim_start_matches(" *").trim_start_matches(' ')).collect();
        Some(Item { name: name_of(declaration)?, doc: doc.join("\n"), declaration })
    });
    items.collect()
}

/// The name that a declaration is about.
fn name_of(declaration: &str) -> Option<&str> {
    let word = |text: &'static str| {
        let rest = &declaration[declaration.find(text)? + text.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        (end > 0).then_some(&rest[..end])
    };
    if declaration.starts_with("#define ") {
        return word("#define ");
    }
    if declaration.starts_with("enum ") {
        return word("enum ");
    }
    if let Some(name) = word("typedef struct ") {
        return Some(name);
    }
    if declaration.starts_with("typedef ") && declaration.contains("(*") {
        return word("(*");
    }
    if declaration.starts_with("typedef ") {
        return declaration.trim_end_matches(';').split(' ').next_back();
    }
    let before = declaration.split('(').next()?;
    before.rsplit([' ', '*']).next().filter(|name| name.starts_with("bowline_"))
}

/// A section: the letter, and what its files say at their head.
#[derive(Default)]
struct Section {
    heads: Vec<String>,
    text: String,
}

/// Names of the items, each with the letter of the section whose files define it.
fn sections() -> (BTreeMap<char, Section>, Vec<(char, String)>) {
    let (mut sections, mut files) = (BTreeMap::<char, Section>::new(), Vec::new());
    let build = std::fs::read_to_string(source("build.rs")).expect("build.rs");
    let listed = build.split("const SECTIONS").nth(1).and_then(|rest| rest.split("];").next()).expect("the sections");
    for file in listed.split('"').skip(1).step_by(2) {
        let text = std::fs::read_to_string(source(&format!("src/ffi/{file}.rs"))).expect("a section");
        // Events are what queues hand out.
        let letter = if file == "event" { 'f' } else { file.chars().next().expect("a name") };
        let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        let head = head.join(" ");
        if let Some((_, what)) = head.split_once(" of the header").and_then(|(_, rest)| rest.split_once(": ")) {
            sections.entry(letter).or_default().heads.push(what[..1].to_uppercase() + &what[1..]);
        }
        files.push((letter, text));
    }
    (sections, files)
}

fn letter_of(name: &str, files: &[(char, String)]) -> char {
    let defines = |text: &String| {
        ["fn ", "struct ", "const ", "type ", "enum "].iter().any(|kind| {
            let mut rest = text.as_str();
            while let Some(at) = rest.find(&format!("{kind}{name}")) {
                rest = &rest[at + kind.len() + name.len()..];
                if !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                    return true;
                }
            }
            false
        })
    };
    // What build.rs writes belongs to no file: the version, and beginnings of structs.
    files.iter().find(|(_, text)| defines(text)).map_or('a', |(letter, _)| *letter)
}

fn describe(item: &Item<'_>) -> String {
    let mut text = format!("### {}\n\n```c\n{}\n```\n\n", item.name, item.declaration);
    let (prose, tags) = item.doc.split_once("\n@").map_or((item.doc.as_str(), ""), |(prose, tags)| (prose, tags));
    let _ = writeln!(text, "{}\n", prose.trim());
    for tag in tags.split("\n@").filter(|tag| !tag.is_empty()) {
        let tag: Vec<&str> = tag.split_whitespace().collect();
        let line = match tag[0] {
            "param" => format!("- `{}`: {}", tag[1], tag[2..].join(" ")),
            "return" => format!("- Returns: {}", tag[1..].join(" ")),
            "threads" => format!("- Threads: {}", tag[1..].join(" ")),
            other => format!("- {}{}: {}", other[..1].to_uppercase(), &other[1..], tag[1..].join(" ")),
        };
        let _ = writeln!(text, "{line}");
    }
    text + "\n"
}

/// Pages by their file names.
fn pages(header: &str) -> BTreeMap<String, String> {
    let (mut sections, files) = sections();
    for item in items(header) {
        let letter = letter_of(item.name, &files);
        sections.get_mut(&letter).expect("a section").text += &describe(&item);
    }
    let mut index = "# Reference of the C face\n\nMade of the comments of `include/bowline.h`; its conventions hold for all of it. The guide is \
                     `docs/c-guide.md`.\n\n"
        .to_owned();
    let mut pages = BTreeMap::new();
    for (letter, section) in sections {
        let (title, file) = (letter.to_ascii_uppercase(), format!("{letter}.md"));
        let heads = section.heads.join("\n\n");
        let _ = writeln!(index, "- [{title}]({file}): {}", section.heads[0]);
        pages
            .insert(file, format!("# Section {title} of the C face\n\n{heads}\n\n{}", section.text).trim_end().to_owned() + "\n");
    }
    pages.insert("README.md".to_owned(), index);
    pages
}

#[test]
fn the_pages_of_the_reference_are_those_of_the_header() {
    let header = std::fs::read_to_string(source("include/bowline.h")).expect("the header");
    let (pages, folder) = (pages(&header), source("docs/c-reference"));
    if std::env::var("BOWLINE_GUIDE").as_deref() == Ok("write") {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("writable");
        for (file, text) in &pages {
            std::fs::write(folder.join(file), text).expect("writable");
        }
        return;
    }
    let listed = std::fs::read_dir(&folder).map(Iterator::count).unwrap_or_default();
    let fresh = pages.iter().all(|(file, text)| std::fs::read_to_string(folder.join(file)).is_ok_and(|found| found == *text));
    assert!(fresh && listed == pages.len(), "docs/c-reference is stale: run BOWLINE_GUIDE=write cargo test --test ffi reference");
}

#[test]
fn every_function_has_its_place_in_the_reference() {
    let header = std::fs::read_to_string(source("include/bowline.h")).expect("the header");
    let all: String = pages(&header).into_values().collect();
    for function in crate::text::Header::read().functions {
        assert_eq!(all.matches(&format!("### {}\n", function.name)).count(), 1, "{}", function.name);
    }
}
