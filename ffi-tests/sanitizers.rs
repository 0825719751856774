//! The C programs again, with tools that see what they do to memory: AddressSanitizer with UndefinedBehaviorSanitizer by gcc and by clang,
//! valgrind, ThreadSanitizer. A tool that is missing is said. BOWLINE_TOOLS=all runs everything; else what takes long runs in part.
//!
//! ThreadSanitizer needs a library that was compiled with it, by a nightly compiler; `.ci/run` makes it and sets BOWLINE_TSAN to its folder.

use super::tools::{self, Link, Tool, count, has, say, scratch, source, tap_with};
use std::env;
use std::path::Path;
use std::process::Command;

const ADDRESS: &str = "-fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined";
/// All of ffi-tests/c but `forks`: the allocator of gcc's AddressSanitizer does not survive the fork of a process with threads.
fn programs() -> Vec<&'static str> {
    crate::PROGRAMS.iter().copied().filter(|name| *name != "forks").collect()
}

/// What is run without BOWLINE_TOOLS=all where everything takes long.
const SHORT: [&str; 2] = ["access", "operate"];

/// A stop in it has 100 ms, which is little in a slow tool.
const HURRIED: &str = "calls_after_the_stop_say_so";

/// In the first a stop has 100 ms, in the second sending must be quicker than a drain of 600 ms, in the third a thread must come to its turn
/// beside one that computes, where valgrind has one at a time.
const HURRIED_SIGNALS: &str =
    "no_handler_is_installed_and_no_mask_changed a_stop_that_drains_is_not_cut_short a_search_for_a_key_is_not_cut_short";

/// A node has a second to read why it was refused, before the other closes the socket hard.
const LINGERS: &str = "failures_to_connect_have_their_own_results";

fn all_wanted() -> bool {
    env::var("BOWLINE_TOOLS").is_ok_and(|tools| tools == "all")
}

fn chosen(name: &str) -> Vec<&'static str> {
    if all_wanted() {
        return programs();
    }
    say(&format!("{name} sees a part of the C programs; BOWLINE_TOOLS=all shows it all"));
    SHORT.to_vec()
}

/// True if a program with these flags can be built: the compiler may be there without its runtime.
fn builds(compiler: &str, flags: &str) -> bool {
    let program = scratch("sanitizers").join(format!("{compiler}.c"));
    std::fs::write(&program, "int main(void) { return 0; }\n").expect("writable");
    let mut command = Command::new(compiler);
    command.args(flags.split_whitespace()).arg(&program).arg("-o").arg(program.with_extension("built"));
    has(compiler) && command.output().is_ok_and(|output| output.status.success())
}

fn address_sanitizer(compiler: &'static str, programs: &[&str]) {
    if !builds(compiler, ADDRESS) {
        return say(&format!("{compiler} with AddressSanitizer is missing: the C programs are not run with it"));
    }
    for name in programs {
        let mut settings = vec![
            ("BT_TMO", "4".to_owned()),
            ("ASAN_OPTIONS", "detect_leaks=1".to_owned()),
            ("UBSAN_OPTIONS", "print_stacktrace=1".to_owned()),
        ];
        match *name {
            // Their rows leave behind what they make; and one has a fork among them.
            "misuse_peers" => {}
            "misuse" => settings.push(("BT_SKIP", "a_forked_child_is_refused_and_lives".to_owned())),
            _ => settings.push(("BT_LEAKS", "1".to_owned())),
        }
        let tool = if compiler == "gcc" { ", gcc's asan and ubsan" } else { ", clang's asan and ubsan" };
        let tool = Tool { name: tool, compiler: Some(compiler), flags: ADDRESS, settings, ..Tool::default() };
        tap_with(name, Link::Static, &tool);
    }
}

#[test]
fn gcc_finds_no_wrong_access_no_leak_and_nothing_undefined() {
    address_sanitizer("gcc", &programs());
}

#[test]
fn clang_finds_no_wrong_access_no_leak_and_nothing_undefined() {
    address_sanitizer("clang", &chosen("clang's AddressSanitizer"));
}

#[test]
fn valgrind_finds_no_wrong_access_and_no_leak() {
    const LEAKS: &str = "valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite";
    if !has("valgrind") {
        return say("valgrind is missing: the C programs are not run in it");
    }
    // It survives a fork.
    for name in chosen("valgrind").into_iter().chain(all_wanted().then_some("forks")) {
        let wrap = match name {
            // Their rows leave behind what they make, and a child what is its parent's.
            "misuse" | "misuse_peers" | "forks" => "valgrind -q --error-exitcode=9",
            _ => LEAKS,
        };
        let skipped = [HURRIED, HURRIED_SIGNALS, LINGERS].join(" ");
        let settings = vec![("BT_TMO", "10".to_owned()), ("SOUP_SEEDS", "5".to_owned()), ("BT_SKIP", skipped)];
        tap_with(name, Link::Static, &Tool { name: ", valgrind", flags: "", wrap, settings, ..Tool::default() });
    }
}

/// The library's own threads, and threads of C that call it, without a data race.
#[test]
fn thread_sanitizer_finds_no_race() {
    let folder = env::var_os("BOWLINE_TSAN").map(|folder| source("").join(folder));
    let Some(library) = folder.map(|folder| folder.join("libbowline.a")).filter(|library| library.exists()) else {
        return say("BOWLINE_TSAN names no folder with a library that ThreadSanitizer watches: races are not looked for");
    };
    let sysroot = tools::output("rustc", &["+nightly", "--print", "sysroot"]);
    let compiler = tools::output("rustc", &["-vV"]);
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc says for what it compiles");
    let runtime = Path::new(sysroot.trim()).join(format!("lib/rustlib/{host}/lib/librustc-nightly_rt.tsan.a"));
    if !runtime.exists() || !builds("gcc", "-c -fsanitize=thread") {
        return say("nightly Rust or gcc has no ThreadSanitizer: races are not looked for");
    }
    let suppressions = source("ffi-tests/tsan.supp");
    // A child that was forked off threads has no ThreadSanitizer, unless it is asked to go on.
    let options = format!("exitcode=66 die_after_fork=0 suppressions={}", suppressions.display());
    let settings = vec![("BT_TMO", "5".to_owned()), ("TSAN_OPTIONS", options), ("SOUP_SEEDS", "20".to_owned())];
    let tool = Tool { name: ", tsan", settings, ..Tool::default() };
    // `life` and `storm` count threads, of which ThreadSanitizer has one itself; it delivers signals late, which `signals` counts.
    for name in programs().into_iter().filter(|name| !["life", "signals"].contains(name)) {
        let mut tool = Tool { settings: tool.settings.clone(), ..tool };
        let skipped = match name {
            // The third counts descriptors, of which ThreadSanitizer opens two for its first report, also for a suppressed one.
            "storm" => {
                "a_thousand_lives_leave_nothing a_thousand_nodes_that_never_start_leave_nothing peers_that_come_and_go_leave_nothing"
            }
            "misuse" => HURRIED,
            "talk" => LINGERS,
            _ => "",
        };
        tool.settings.push(("BT_SKIP", skipped.to_owned()));
        count(name, Link::Static, &tool, &with_tsan(name, &library, &runtime));
    }
}

/// gcc compiles the program, Rust's own runtime watches it: that of gcc lacks what Rust calls.
fn with_tsan(name: &str, library: &Path, runtime: &Path) -> std::path::PathBuf {
    let tool = Tool { name: ", tsan", ..Tool::default() };
    let plain = tools::build_with(&source(&format!("ffi-tests/c/{name}.c")), Link::Static, &tool);
    let folder = plain.parent().expect("it lies in a folder");
    let (object, built) = (folder.join("tsan.o"), folder.join("tsan"));
    let mut compile = Command::new("gcc");
    compile.args("-std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=thread -c".split_whitespace()).arg("-I").arg(source("include"));
    compile.arg("-I").arg(source("ffi-tests/c")).arg("-I").arg(folder).arg(source(&format!("ffi-tests/c/{name}.c")));
    tools::succeeds(compile.arg("-o").arg(&object), "gcc with ThreadSanitizer");
    let mut link = Command::new("gcc");
    link.arg(&object).arg("-Wl,--whole-archive").arg(runtime).arg("-Wl,--no-whole-archive").arg(library);
    tools::succeeds(link.args(tools::SYSTEM_LIBRARIES.split_whitespace()).arg("-o").arg(&built), "linking with ThreadSanitizer");
    built
}
