//! The `bowline` program from outside: what it prints, how it exits, and that a signal ends it in order.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

fn bowline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
    command.args(args).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

fn run(args: &[&str]) -> Output {
    bowline(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Starts the program, waits until a line of `stream` (1 output, 2 errors) contains `word`, and sends it a signal.
fn signal_at(args: &[&str], stream: u8, word: &str, signal: &str) -> (Child, String) {
    let mut child = bowline(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let source: Box<dyn Read> = match stream {
        1 => Box::new(child.stdout.take().expect("piped")),
        _ => Box::new(child.stderr.take().expect("piped")),
    };
    let mut lines = BufReader::new(source).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(word)).unwrap_or_else(|| panic!("no line contains {word}"));
    // The shell has kill built in; the program of that name may be missing on a small system.
    let killed = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().expect("a shell");
    assert!(killed.success());
    // Read on, so that it never writes to a closed pipe.
    lines.for_each(drop);
    (child, line)
}

#[test]
fn a_small_network_forms_gossips_and_leaves_nothing_behind() {
    let output = run(&["testnet", "--nodes", "6", "--messages", "20", "--size", "1KiB", "--json"]);
    let json = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{json}\n{}", text(&output.stderr));
    for part in
        ["\"missed\":0", "\"complete\":20", "\"deliveries\":100", "\"threads_left\":0", "\"descriptors_left\":0", "\"ok\":true"]
    {
        assert!(json.contains(part), "{part} is not in {json}");
    }
    // Nobody had anything left to send, so the goodbyes need not wait for the drain's deadline of a second.
    let shutdown = json.split("\"shutdown_s\":").nth(1).and_then(|rest| rest.split(',').next()?.parse::<f64>().ok());
    assert!(shutdown.expect("a number") < 0.8, "{json}");
    assert_eq!(json.lines().count(), 1, "with --json there is nothing but the summary");
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn ctrl_c_ends_the_network_in_order() {
    for word in ["starting", "forming", "gossiping"] {
        let (child, _) = signal_at(&["testnet", "--nodes", "8", "--messages", "1000000", "--size", "4KiB"], 2, word, "INT");
        let output = child.wait_with_output().expect("it ends");
        let page = text(&output.stdout);
        assert_eq!(output.status.code(), Some(130), "at {word}: {page}");
        assert!(page.contains("interrupted") && page.contains("nothing left behind"), "at {word}: {page}");
    }
}

#[test]
fn a_node_runs_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = folder.path().join("identity").display().to_string();
    let settings = folder.path().join("node.toml");
    std::fs::write(&settings, "[network]\nname = \"test\"\npow_bits = 0\n[listen]\naddresses = [\"127.0.0.1:0\"]\n")
        .expect("written");
    let config = settings.display().to_string();
    let args = ["run", "--config", &config, "--set", "discovery.bootstrap=true", "--identity", &identity];
    let (mut child, line) = signal_at(&args, 1, "bowline://", "TERM");
    let mut log = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let memory = log.lines().find_map(|line| line.split_once("at worst it takes ")).expect("the worst case of memory").1;
    let mib: u64 = memory.split_once(" MiB: ").expect("a number and its parts").0.parse().expect("a number");
    assert!((1..4_096).contains(&mib) && memory.contains("links ") && memory.contains("puzzles "), "{memory}");
    let shown = text(&run(&["identity", "show", &identity]).stdout);
    let id = shown.split_whitespace().nth(1).expect("an id");
    assert!(line.starts_with(&format!("bowline://{id}@127.0.0.1:")), "{line}\n{shown}");
}

#[test]
fn an_identity_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("identity").display().to_string();
    let made = run(&["identity", "new", &file, "--pow-bits", "4"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let before = std::fs::read(&file).expect("it is there");
    let again = run(&["identity", "new", &file, "--pow-bits", "4"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("never overwritten"));
    assert_eq!(std::fs::read(&file).expect("it is there"), before);
}

#[test]
fn wrong_settings_and_arguments_say_what_would_be_right() {
    for (args, code, says) in [
        (&["run", "--set", "pool.maks=3"][..], 1, "did you mean pool.max?"),
        (&["run", "--set", "network.name=x"], 1, "set discovery.seeds or discovery.bootstrap"),
        (&["run", "--config", "/nonexistent/file"], 1, "/nonexistent/file: No such file"),
        (&["identity", "show", "/nonexistent/file"], 1, "identity file /nonexistent/file"),
        (&["testnet", "--nodes", "1"], 2, "1 is not in 2..=250"),
        (&["testnet", "--size", "2GiB"], 2, "16 to 1048576 bytes are allowed"),
    ] {
        let output = run(args);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(says), "{args:?}: {errors}");
    }
}
