//! The C++ header from outside: it compiles as every C++ from 17 on, reaches every function of the C header, and its programs in
//! ffi-tests/cxx/ run with exceptions and without, with the shared and the static library, and under sanitizers. Each program consists of several
//! files that include it twice. What a machine does not have is skipped aloud.

use crate::text::Header;
use crate::tools::{Link, cxx, has, judge, linked, once, reads_header, run, say, scratch, source, succeeds, words};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Warnings are errors in our C++. The C test headers are taken as the system's: their macros are C.
const STRICT: &str = "-Wall -Wextra -Wpedantic -Wundef -Wshadow -Wconversion -Wold-style-cast -Wzero-as-null-pointer-constant -Wnon-virtual-dtor -Werror";
const RETURNING: &str = "-fno-exceptions -fno-rtti";
/// C functions that bowline.hpp need not call, each with its reason.
const UNREACHED: &[(&str, &str)] = &[];

/// The compilers that are there: C++'s own, and clang if that is another one.
fn compilers() -> Vec<String> {
    let mut found = vec![cxx(), "clang++".to_owned()];
    found.dedup();
    found.retain(|compiler| {
        let is_there = has(compiler);
        if !is_there {
            say(&format!("{compiler} is missing: C++ is not compiled with it"));
        }
        is_there
    });
    found
}

/// Compiles files of ffi-tests/cxx, each with its own flags, and links them, once for each name.
fn build(name: &str, compiler: &str, flags: &str, files: &[(&str, &str)], link: Link) -> PathBuf {
    let folder = scratch(name);
    once(&folder, || compiled(name, compiler, flags, files, (&folder, link)))
}

fn compiled(name: &str, compiler: &str, flags: &str, files: &[(&str, &str)], (folder, link): (&Path, Link)) -> PathBuf {
    let mut objects = Vec::new();
    for (file, own) in files {
        let object = folder.join(Path::new(file).with_extension("o").file_name().expect("a file"));
        let mut command = Command::new(compiler);
        command.args(words(STRICT)).args(words(flags)).args(words(own)).args(["-D_GNU_SOURCE", "-O0", "-c"]);
        command.arg("-I").arg(source("include")).arg("-isystem").arg(source("ffi-tests/c"));
        command.arg(source("ffi-tests/cxx").join(file)).arg("-o").arg(&object);
        succeeds(&mut command, name);
        objects.push(object);
    }
    let built = folder.join("program");
    let mut command = Command::new(compiler);
    command.args(words(flags)).args(&objects).arg("-o").arg(&built);
    linked(&mut command, folder, link);
    succeeds(&mut command, name);
    built
}

/// A program of one file, built as users build theirs but for the warnings.
pub fn example(file: &Path, link: Link) -> PathBuf {
    let name = file.file_stem().and_then(|name| name.to_str()).expect("a plain name");
    build(&format!("{name}-cxx"), &cxx(), "-std=c++17", &[(file.to_str().expect("a plain path"), "")], link)
}

/// Builds and runs all cases.
fn cases(name: &str, compiler: &str, flags: &str, link: Link) {
    if !has(compiler) {
        return say(&format!("{compiler} is missing: {name} is not run"));
    }
    let files = ["main.cc", "values.cc", "nodes.cc", "peers.cc", "watch.cc", "memnet.cc"].map(|file| (file, ""));
    let passed = judge(name, &run(&build(name, compiler, flags, &files, link)));
    say(&format!("{name}: {passed} C++ tests"));
}

#[test]
fn the_header_compiles_as_every_cxx_with_and_without_exceptions() {
    for compiler in compilers() {
        for standard in ["c++17", "c++20", "c++2b"] {
            for flags in ["", RETURNING] {
                reads_header(&compiler, standard, &format!("{STRICT} {flags}"), "../cxx/hpp.cc");
            }
        }
        reads_header(&compiler, "c++17", &format!("{STRICT} -DBOWLINE_HPP_NO_EXCEPTIONS"), "../cxx/hpp.cc");
    }
}

/// A handle that nobody takes over leaks: compilers say so.
#[test]
fn a_handle_is_not_let_go_in_silence() {
    if !has(&cxx()) {
        return say("no C++ compiler: warnings are not looked at");
    }
    let folder = scratch("let-go");
    for (number, owner) in ["bowline::config", "bowline::msg", "bowline::queue"].iter().enumerate() {
        let file = folder.join(format!("{number}.cc"));
        let compile = |call: &str| {
            let text = format!("#include \"bowline.hpp\"\nvoid let_go({owner} &it);\nvoid let_go({owner} &it) {{ {call}; }}\n");
            std::fs::write(&file, text).expect("writable");
            let mut command = Command::new(cxx());
            command.args(["-std=c++17", "-Wall", "-Werror", "-fsyntax-only", "-I"]).arg(source("include")).arg(&file);
            command.output().expect("it is there")
        };
        assert!(compile("static_cast<void>(it.release())").status.success(), "{owner}");
        let said = String::from_utf8_lossy(&compile("it.release()").stderr).into_owned();
        assert!(said.contains("nodiscard") || said.contains("unused"), "{owner}: {said}");
    }
}

#[test]
fn cxx_reaches_every_function() {
    let text = std::fs::read_to_string(source("include/bowline.hpp")).expect("include/bowline.hpp is checked in");
    let code: String = text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect();
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let used: std::collections::BTreeSet<&str> = code.split(|character| !is_word(character)).collect();
    for function in Header::read().functions {
        let name = function.name.as_str();
        let is_exempt = UNREACHED.iter().any(|(exempt, _)| *exempt == name);
        assert!(used.contains(name) != is_exempt, "{name}: in bowline.hpp: {}, exempt: {is_exempt}", used.contains(name));
    }
}

#[test]
fn files_with_and_without_exceptions_make_one_program() {
    if !has(&cxx()) {
        return say("no C++ compiler: mixed programs are not built");
    }
    // Both orders: the linker keeps the first of two functions with one name.
    let files = [("mixed/throwing.cc", ""), ("mixed/returning.cc", RETURNING)];
    for (name, files) in [("mixed", [files[0], files[1]]), ("mixed-turned", [files[1], files[0]])] {
        assert_eq!(run(&build(name, &cxx(), "-std=c++17", &files, Link::Shared)), "caught: 1, returned: 1\n");
    }
}

#[test]
fn a_library_of_another_version_is_refused() {
    if !has(&cxx()) {
        return say("no C++ compiler: a header of another version is not compiled");
    }
    for (name, flags) in [("version-throwing", ""), ("version-returning", RETURNING)] {
        let files = [("main.cc", ""), ("version.cc", "")];
        assert_eq!(judge(name, &run(&build(name, &cxx(), &format!("-std=c++17 {flags}"), &files, Link::Shared))), 1);
    }
}

#[test]
fn cases_with_exceptions() {
    cases("cxx17-throwing-shared", &cxx(), "-std=c++17", Link::Shared);
}

#[test]
fn cases_without_exceptions() {
    cases("cxx20-returning-static", &cxx(), &format!("-std=c++20 {RETURNING}"), Link::Static);
}

#[test]
fn cases_by_clang() {
    cases("cxx17-returning-shared-clang", "clang++", &format!("-std=c++17 {RETURNING}"), Link::Shared);
}

/// Addresses, leaks and undefined behaviour; each case looks for leaks at its end.
#[test]
fn cases_under_sanitizers() {
    const FLAGS: &str = "-std=c++20 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined";
    let probe = scratch("sanitizers").join("probe.cc");
    std::fs::write(&probe, "int main() {}\n").expect("writable");
    let built = Command::new(cxx()).args(words(FLAGS)).arg(&probe).arg("-o").arg(probe.with_extension("")).output();
    if !built.is_ok_and(|output| output.status.success()) {
        return say("no sanitizers for C++: the cases do not run under them");
    }
    cases("cxx20-throwing-static-sanitized", &cxx(), FLAGS, Link::Static);
}
