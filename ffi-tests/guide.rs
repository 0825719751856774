//! docs/c-guide.md: its program is compiled and run, its tables are those of the code. BOWLINE_GUIDE=write writes the tables.

use crate::cxx;
use crate::text::Header;
use crate::tools::{Link, build, cc, has, run, say, scratch, source};
use bowline::CloseReason;

fn guide() -> String {
    std::fs::read_to_string(source("docs/c-guide.md")).expect("the guide is there")
}

/// The guide's program: two nodes that meet, and a message.
pub fn program() -> String {
    let guide = guide();
    guide.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the guide has a program").to_owned()
}

/// The commands of the guide that contain `part`.
pub fn commands(part: &str) -> String {
    let guide = guide();
    let mut blocks = guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(part)).unwrap_or_else(|| panic!("the guide has no {part}")).to_owned()
}

#[test]
fn the_program_of_the_guide_runs() {
    if !has(&cc()) {
        return say("no C compiler: the guide's program is not run");
    }
    let file = scratch("guide").join("hello.c");
    std::fs::write(&file, program()).expect("writable");
    for link in [Link::Shared, Link::Static] {
        assert_eq!(run(&build(&file, link)), "hello\n");
    }
}

#[test]
fn the_cxx_program_of_the_guide_runs() {
    if !has(&crate::tools::cxx()) {
        return say("no C++ compiler: the guide's program is not run");
    }
    let guide = guide();
    let program = guide.split("```cpp\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the guide has a program");
    let file = scratch("guide").join("hello.cc");
    std::fs::write(&file, program).expect("writable");
    assert_eq!(run(&cxx::example(&file, Link::Shared)), "hello\n");
}

#[test]
fn the_program_of_the_readme_compiles_and_links() {
    if !has(&cc()) {
        return say("no C compiler: the README's program is not compiled");
    }
    let readme = std::fs::read_to_string(source("README.md")).expect("the README is there");
    let program = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the README has a program");
    let file = scratch("readme").join("readme.c");
    std::fs::write(&file, program).expect("writable");
    for link in [Link::Shared, Link::Static] {
        build(&file, link);
    }
}

#[test]
fn the_tables_of_the_guide_are_those_of_the_code() {
    let guide = guide();
    let fresh = with_table(&with_table(&guide, "<!-- results:", &results()), "<!-- reasons:", &reasons());
    if std::env::var("BOWLINE_GUIDE").as_deref() == Ok("write") {
        return std::fs::write(source("docs/c-guide.md"), &fresh).expect("writable");
    }
    assert!(guide == fresh, "docs/c-guide.md is stale: run BOWLINE_GUIDE=write cargo test --test ffi guide");
}

/// `text` with `table` between the mark and the end that follows it.
fn with_table(text: &str, mark: &str, table: &str) -> String {
    let begin = text.find(mark).expect("the mark is there");
    let begin = begin + text[begin..].find('\n').expect("a line ends") + 1;
    let end = begin + text[begin..].find("<!-- end -->").expect("the end is marked");
    format!("{}{table}{}", &text[..begin], &text[end..])
}

fn results() -> String {
    let mut table = "| number | name | meaning | remark |\n|---:|---|---|---|\n".to_owned();
    let code = std::fs::read_to_string(source("src/ffi/b_errors.rs")).expect("the result table");
    for (name, number, doc) in Header::read().results {
        let row = code.lines().find(|line| line.contains(&format!("c\"{name}\","))).expect("every result has a row");
        let remarks = [("RETRYABLE", "try again"), ("PEER", "concerns one peer"), ("FATAL", "report it")];
        let flags = row.rsplit(',').nth(1).expect("the last column");
        let remarks: Vec<&str> = remarks.iter().filter(|(flag, _)| flags.contains(flag)).map(|(_, remark)| *remark).collect();
        table += &format!("| {number} | `{name}` | {doc} | {} |\n", remarks.join(", "));
    }
    table
}

fn reasons() -> String {
    let names = Header::read().results;
    let name = |result: i32| names.iter().find(|(_, number, _)| *number == result).expect("a result").0.clone();
    let mut table = "| code | name | meaning | result |\n|---:|---|---|---|\n".to_owned();
    for reason in CloseReason::ALL {
        let result = name(bowline::ffi::convert::of_reason(*reason) as i32);
        table += &format!("| {} | {} | {} | `{result}` |\n", reason.code(), reason.name(), reason.text());
    }
    table
}
