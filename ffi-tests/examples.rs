//! The examples are built as users build them, and talk to each other: those in C, C++, Rust and Go in one network.
#![allow(clippy::disallowed_methods, reason = "programs are waited for in real time")]

use crate::cxx;
use crate::go;
use crate::tools::{Link, build, cc, command, has, say, source, succeeds};
use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a program has said so far.
#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Said {
    /// The first line from number `from` on that contains `part`, and its number; `None` when the time is over.
    fn find(&self, from: usize, part: &str, patience: Duration) -> Option<(usize, String)> {
        let is_missing = |lines: &mut Vec<String>| !lines.iter().skip(from).any(|line| line.contains(part));
        let lines = self.lines.lock().expect("no reader panics");
        let (lines, _) = self.more.wait_timeout_while(lines, patience, is_missing).expect("no reader panics");
        lines.iter().enumerate().skip(from).find(|(_, line)| line.contains(part)).map(|(at, line)| (at, line.clone()))
    }
}

/// A running example: what it says, line by line, and what it is told.
pub struct Talker {
    name: String,
    child: Child,
    said: Arc<Said>,
    /// Lines of these that were looked at.
    read: usize,
    hears: Option<ChildStdin>,
}

impl Talker {
    pub fn start(program: &Path, arguments: &[&str]) -> Talker {
        Talker::start_by(command(program), program, arguments)
    }

    /// The same with a command that starts the program.
    pub fn start_by(mut command: Command, program: &Path, arguments: &[&str]) -> Talker {
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let (out, hears, said) =
            (child.stdout.take().expect("a pipe was asked for"), child.stdin.take(), Arc::new(Said::default()));
        let told = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                told.lines.lock().expect("nobody panics with it").push(line);
                told.more.notify_all();
            }
        });
        Talker { name: program.display().to_string(), child, said, read: 0, hears }
    }

    pub fn line(&mut self) -> String {
        self.line_with("")
    }

    /// The next line that contains `part`.
    pub fn line_with(&mut self, part: &str) -> String {
        let found = self.said.find(self.read, part, PATIENCE);
        let (at, line) = found.unwrap_or_else(|| {
            panic!("{} never says \"{part}\", but {:?}", self.name, self.said.lines.lock().expect("no reader panics"))
        });
        self.read = at + 1;
        line
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.hears.as_mut().expect("it still listens"), "{line}").expect("it reads");
    }

    /// Everything that it has said.
    pub fn end(mut self) -> Vec<String> {
        self.hears = None;
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{}: {status}", self.name);
        self.said.lines.lock().expect("no reader panics").clone()
    }
}

/// An example in Rust, as cargo builds it beside these tests. `cargo test --test ffi` alone does not build it.
fn rust_example(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("this program has a path");
    let profile = tests.ancestors().nth(2).expect("cargo's folder for a profile");
    let target = profile.parent().expect("cargo's folder");
    let folder = profile.file_name().and_then(|name| name.to_str()).expect("a plain name");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--offline", "--example", name, "--profile", if folder == "debug" { "dev" } else { folder }]);
    command.arg("--manifest-path").arg(source("Cargo.toml")).arg("--target-dir").arg(target);
    succeeds(&mut command, name);
    profile.join("examples").join(name)
}

#[test]
fn people_chat() {
    if !has(&cc()) {
        return say("no C compiler: examples are not built");
    }
    let chat = build(&source("examples/chat.c"), Link::Shared);
    let mut alice = Talker::start(&chat, &["127.0.0.1:0"]);
    let address = alice.line();
    assert!(address.starts_with("bowline://"), "{address}");
    let mut bob = Talker::start(&chat, &["127.0.0.1:0", &address]);
    bob.line_with("is here");
    bob.tell("good morning");
    assert!(alice.line_with("good morning").ends_with(": good morning"));
    alice.tell("and to you");
    bob.line_with("and to you");
    bob.end();
    alice.line_with("is gone: the peer said goodbye");
    alice.end();
}

/// A program for each language and way of waiting that this machine can build.
fn gossips() -> Vec<PathBuf> {
    let mut programs = vec![rust_example("gossip")];
    if has(&cc()) {
        programs.push(build(&source("examples/gossip.c"), Link::Shared));
        programs.push(build(&source("examples/epoll_gossip.c"), Link::Static));
        programs.push(build(&source("examples/poll_gossip.c"), Link::Shared));
    } else {
        say("no C compiler: gossip in C is not built");
    }
    if has(&crate::tools::cxx()) {
        programs.push(cxx::example(&source("examples/gossip.cc"), Link::Static));
    } else {
        say("no C++ compiler: gossip in C++ is not built");
    }
    programs.extend(go::gossip());
    // So that there is somebody behind a neighbour in any case.
    programs.extend_from_within(..2.min(programs.len()));
    programs
}

/// Each knows only the one before it.
#[test]
fn rumours_spread_through_every_language() {
    let mut nodes: Vec<Talker> = Vec::new();
    let mut peer: Option<String> = None;
    for program in gossips() {
        let mut node = match &peer {
            Some(peer) => Talker::start(&program, &["127.0.0.1:0", peer]),
            None => Talker::start(&program, &["127.0.0.1:0"]),
        };
        let address = node.line();
        assert!(address.contains("127.0.0.1:"), "{address}");
        peer = Some(address);
        nodes.push(node);
    }
    for speaker in 0..nodes.len() {
        // Links may not be up yet, or change: a rumour that somebody has not heard is told again, in other words.
        let (rumour, begun) = (format!("rumour of {speaker},"), Instant::now());
        let has_heard =
            |at: usize, node: &Talker| at == speaker || node.said.find(0, &rumour, Duration::from_millis(100)).is_some();
        for version in 0.. {
            nodes[speaker].tell(&format!("{rumour} {version}"));
            if nodes.iter().enumerate().all(|(at, node)| has_heard(at, node)) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "not all have heard of {}", nodes[speaker].name);
        }
    }
    // Nobody says the same twice, whatever ways it came.
    let marks: Vec<String> = (0..20).map(|number| format!("mark {number};")).collect();
    marks.iter().for_each(|mark| nodes[0].tell(mark));
    let last = nodes.last_mut().expect("there are nodes");
    last.line_with(&marks[19]);
    for node in nodes {
        let said: Vec<String> = node.end().into_iter().filter(|line| line.contains("mark ")).collect();
        let different: BTreeSet<&String> = said.iter().collect();
        assert_eq!(said.len(), different.len(), "{said:?}");
    }
}

/// A line that is longer than the program's buffer is told in parts, and control characters do not come out.
#[test]
fn what_is_heard_does_not_steer_the_terminal() {
    if !has(&cc()) {
        return say("no C compiler: gossip in C is not built");
    }
    let program = build(&source("examples/epoll_gossip.c"), Link::Static);
    let mut first = Talker::start(&program, &["127.0.0.1:0"]);
    let mut second = Talker::start(&program, &["127.0.0.1:0", &first.line()]);
    second.line_with("is here");
    second.tell("\u{1b}[2Jgone?");
    second.tell(&(0..500).map(|number| format!("{number:04} ")).collect::<String>());
    assert_eq!(first.line_with("gone?"), "?[2Jgone?");
    let parts = ["0000 ", "0200 ", "0400 "].map(|begin| first.line_with(begin).len());
    assert_eq!(parts, [1000, 1000, 500]);
    first.end();
    second.end();
}
