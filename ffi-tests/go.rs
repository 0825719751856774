//! The Go package of bindings/go: it covers the header, and its own tests pass, plain, under the race detector, with every pointer that goes to C
//! looked at, and with the static library. Its example talks with the one in C.

use crate::examples::Talker;
use crate::text::Header;
use crate::tools::{Link, build, cc, has, installed, once, say, scratch, source};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Functions that the package has no use for, and why.
const LEFT_OUT: [(&str, &str); 12] = [
    ("bowline_addr_format", "net/netip writes addresses"),
    ("bowline_addr_from_sockaddr", "Go has no socket addresses of C"),
    ("bowline_addr_parse", "net/netip reads addresses"),
    ("bowline_error_code", "the call has answered it"),
    ("bowline_msg_data_mut", "a message is made of Go's bytes and does not change"),
    ("bowline_msg_new", "as bowline_msg_data_mut"),
    ("bowline_msg_wrap", "Go's memory moves"),
    ("bowline_peer_id_format", "encoding/hex does it"),
    ("bowline_queue_poll", "bowline_queue_poll_batch is used"),
    ("bowline_queue_set_wake", "bowline_queue_fd is used, which Go's poller watches"),
    ("bowline_request_wait", "it would take a thread for each request: bowline_request_start is used"),
    ("bowline_role_request_wait", "as bowline_request_wait: bowline_role_choose is used before bowline_request_start"),
];

fn package() -> PathBuf {
    source("bindings/go")
}

/// The code of the package's files without its tests, as one text.
fn sources() -> String {
    let files = std::fs::read_dir(package()).expect("the package").map(|entry| entry.expect("a file").path());
    let is_source = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".go") && !name.ends_with("_test.go")
    };
    files.filter(is_source).map(|path| code(&std::fs::read_to_string(path).expect("text")) + "\n").collect()
}

/// What a file of Go has compiled: its own code, and the C before `import "C"` with what cgo is told there, without comments.
fn code(text: &str) -> String {
    let (before, after) = text.split_once("import \"C\"").unwrap_or(("", text));
    let in_c = before.lines().rev().map_while(|line| line.strip_prefix("//")).map(str::trim);
    let in_c = in_c.filter(|line| !line.starts_with("//") && !line.starts_with("#cgo"));
    let in_go = after.lines().map(|line| line.split("//").next().unwrap_or_default());
    in_c.chain(in_go).collect::<Vec<_>>().join("\n")
}

/// The words of a text that begin so.
fn words<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with(prefix)).collect()
}

#[test]
fn the_package_covers_the_header() {
    let (header, sources) = (Header::read(), sources());
    let used = words(&sources, "bowline_");
    let left_out: BTreeSet<&str> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    for function in &header.functions {
        let name = function.name.as_str();
        assert!(
            used.contains(name) != left_out.contains(name),
            "{name}: the package in bindings/go must use it, or LEFT_OUT say why not; not both"
        );
    }
    let declared: BTreeSet<&str> = header.functions.iter().map(|function| function.name.as_str()).collect();
    let unknown: Vec<_> = left_out.difference(&declared).collect();
    assert!(unknown.is_empty(), "no functions of the header: {unknown:?}");
}

#[test]
fn a_comment_is_no_use() {
    let text = "package x\n// bowline_a: not this.\n\n// // Nor bowline_b.\n// int f(void) { return bowline_c(); }\n// #cgo noescape bowline_d\nimport \"C\"\n\
                // bowline_e\nfunc g() { C.bowline_f() } // bowline_h\n";
    assert_eq!(words(&code(text), "bowline_"), BTreeSet::from(["bowline_c", "bowline_f"]));
}

#[test]
fn the_package_knows_every_event() {
    let header = std::fs::read_to_string(source("include/bowline.h")).expect("the header");
    let sources = sources();
    let (mut declared, used) = (words(&header, "BOWLINE_EV_"), words(&sources, "BOWLINE_EV_"));
    // It makes a bit of a kind, and is none.
    declared.remove("BOWLINE_EV_BIT");
    assert!(declared.len() > 20, "{declared:?}");
    assert_eq!(declared, used, "events of the header and of bindings/go");
}

/// Go with the library where pkg-config finds it. Nothing is fetched; what it builds is kept in its usual cache.
fn go(arguments: &[&str]) -> Command {
    go_with(&installed("go", Link::Shared), arguments)
}

/// The same with the library in a prefix.
pub fn go_with(prefix: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["580", "go"]).args(arguments).current_dir(package());
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).env("LD_LIBRARY_PATH", prefix.join("lib"));
    command.envs([("GOPROXY", "off"), ("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local"), ("CGO_ENABLED", "1")]);
    command
}

pub fn succeeds(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}{complaint}", output.status);
}

/// The first Go that has what the package uses; go.mod names it, too.
const GO_MINOR_MIN: u32 = 24;

/// The minor version in what `go version` says: "go version go1.24.3 linux/amd64".
fn minor(said: &str) -> Option<u32> {
    said.split_once(" go1.")?.1.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// False, aloud, if something is missing.
pub fn can_run(what: &str) -> bool {
    let version = Command::new("go").arg("version").output().ok();
    let go = version.and_then(|output| minor(&String::from_utf8_lossy(&output.stdout)));
    let reason = match go {
        None => "go is missing",
        Some(minor) if minor < GO_MINOR_MIN => "this Go is older than 1.24",
        Some(_) if !has("pkg-config") => "pkg-config is missing",
        Some(_) if !has(&cc()) => "no C compiler",
        Some(_) => return true,
    };
    say(&format!("{reason}: {what}"));
    false
}

#[test]
fn an_old_go_is_told_from_a_new_one() {
    assert_eq!(minor("go version go1.19.8 linux/amd64"), Some(19));
    assert_eq!(minor("go version go1.24 linux/amd64"), Some(24));
    assert_eq!(minor("nonsense"), None);
    let module = std::fs::read_to_string(package().join("go.mod")).expect("go.mod");
    assert!(module.contains(&format!("\ngo 1.{GO_MINOR_MIN}\n")), "{module}");
}

#[test]
fn the_package_is_vetted_and_formatted() {
    if !can_run("the Go package is not vetted") {
        return;
    }
    succeeds(go(&["vet", "./..."]));
    let formatted = Command::new("gofmt").arg("-l").arg(".").current_dir(package()).output();
    match formatted {
        Ok(output) => assert!(output.stdout.is_empty(), "gofmt -w: {}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => say("gofmt is missing: the form of the Go package is not looked at"),
    }
}

#[test]
fn the_packages_tests_pass_under_the_race_detector() {
    if can_run("the tests of the Go package are not run") {
        succeeds(go(&["test", "-race", "-count=1", "-timeout=9m", "./..."]));
    }
}

/// Every pointer is looked at, wherever it is stored or passed: none of Go's may be kept by C.
#[test]
fn the_packages_tests_pass_with_pointers_checked() {
    if can_run("the Go package is not run with checked pointers") {
        let mut tests = go(&["test", "-count=1", "-timeout=9m", "."]);
        tests.env("GOEXPERIMENT", "cgocheck2");
        succeeds(tests);
    }
}

/// The library is inside of the program: none has to be found when it starts.
#[test]
fn the_packages_tests_pass_with_the_static_library() {
    if can_run("the Go package is not linked with the static library") {
        let mut tests = go(&["test", "-count=1", "-tags=bowline_static", "-timeout=9m", "."]);
        tests.env_remove("LD_LIBRARY_PATH");
        succeeds(tests);
    }
}

/// A failed node says so in Go, too. It needs the library of `panics.rs`.
#[test]
fn the_package_tells_of_a_failed_node() {
    if !crate::panics::is_there() || !can_run("the Go package does not see a node fail") {
        return;
    }
    let prefix = installed("go-faults", Link::Faults);
    succeeds(go_with(
        &prefix,
        &["test", "-count=1", "-tags=bowline_faults", "-run=TestAFailedNode|TestTheLogOfOthers", "-v", "-timeout=5m", "."],
    ));
}

/// The package's gossip node, or `None` if it cannot be built here.
pub fn gossip() -> Option<PathBuf> {
    if !can_run("the Go example is not built") {
        return None;
    }
    let folder = scratch("go-gossip");
    Some(once(&folder, || built_gossip(&installed("go", Link::Shared), &folder, "bowline_static")))
}

/// The same, built in a folder with the library in a prefix.
pub fn built_gossip(prefix: &Path, folder: &Path, tags: &str) -> PathBuf {
    let program = folder.join("gossip");
    let path = program.to_str().expect("a plain path");
    succeeds(go_with(prefix, &["build", "-tags", tags, "-o", path, "./examples/gossip"]));
    program
}

#[test]
fn go_and_c_gossip() {
    let Some(program) = gossip() else { return };
    let in_c = build(&source("examples/epoll_gossip.c"), Link::Static);
    let begin = |program: &Path, arguments: &[&str]| {
        let mut talker = Talker::start(program, arguments);
        let address = talker.line();
        (talker, address)
    };
    // A rumour goes from Go through C to Go, and one of the middle to both ends.
    let (mut first, address) = begin(&program, &["127.0.0.1:0"]);
    let (mut middle, address) = begin(&in_c, &["127.0.0.1:0", &address]);
    let (mut last, _) = begin(&program, &["127.0.0.1:0", &address]);
    spread(&mut first, &mut last, "from go");
    spread(&mut middle, &mut last, "from c");
    first.line_with("from c");
    last.end();
    middle.end();
    first.end();
}

/// The links may not be up yet: a rumour that nobody heard is told again, in other words.
pub fn spread(teller: &mut Talker, listener: &mut Talker, rumour: &str) {
    std::thread::scope(|scope| {
        let heard = scope.spawn(|| listener.line_with(rumour));
        for number in 0..200 {
            teller.tell(&format!("{rumour} {number}"));
            if heard.is_finished() {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        assert!(heard.join().expect("a line").starts_with(rumour));
    });
}
