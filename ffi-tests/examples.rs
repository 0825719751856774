//! The C examples are built as users build them, and talk to each other.

use crate::tools::{Link, build, cc, command, has, say, source};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A running example: what it says, line by line, and what it is told.
struct Talker {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: Option<ChildStdin>,
}

impl Talker {
    fn start(program: &Path, arguments: &[&str]) -> Talker {
        let mut command = command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let says = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        let hears = child.stdin.take();
        Talker { child, says, hears }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line of text");
        assert!(!line.is_empty(), "the example has ended");
        line.trim_end().to_owned()
    }

    /// The next line that contains `part`.
    fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.hears.as_mut().expect("it still listens"), "{line}").expect("it reads");
    }

    fn end(mut self) {
        self.hears = None;
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
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

#[test]
fn rumours_spread_beyond_neighbours() {
    if !has(&cc()) {
        return say("no C compiler: examples are not built");
    }
    let gossip = build(&source("examples/epoll_gossip.c"), Link::Static);
    let mut first = Talker::start(&gossip, &["127.0.0.1:0"]);
    let address = first.line();
    let mut middle = Talker::start(&gossip, &["127.0.0.1:0", &address]);
    let address = middle.line();
    let mut last = Talker::start(&gossip, &["127.0.0.1:0", &address]);
    last.line();
    // The links may not be up yet: a rumour that nobody heard is told again, in other words.
    let heard = std::thread::scope(|scope| {
        let listener = scope.spawn(|| last.line_with("rumour"));
        for number in 0.. {
            first.tell(&format!("rumour {number}"));
            if listener.is_finished() || number == 200 {
                break;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(100));
        }
        listener.join().expect("a line")
    });
    assert!(heard.starts_with("rumour"));
    first.end();
    middle.end();
    last.end();
}
