//! C1: a program that saves an address book of 20,000 again and again is killed at any microsecond, and nothing is lost of what it was told is
//! saved. The program is this one: it runs itself as a child. `BOWLINE_KILLS` sets how often; the nightly command takes 1,000.
#![allow(clippy::disallowed_methods, reason = "a real process is killed in real time")]

use bowline::{Change, FileStore, PeerId, Proof, Saved, SavedPoint, Source, Store};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Addresses in the book.
const POINTS: u64 = 20_000;
/// What one save changes, as a node saves it: a tenth.
const SHARE: u64 = 10;
/// Where the child finds its file.
const FILE: &str = "BOWLINE_KILL_FILE";

/// A row of the book as generation `last` has written it.
fn point(number: u64, last: u64) -> SavedPoint {
    let [.., a, b, c] = (number as u32).to_be_bytes();
    SavedPoint {
        at: SocketAddr::from(([8, a, b, c], 9_000)),
        peer: Some(PeerId::from_bytes([c; 32])),
        capabilities: Vec::new(),
        is_own_word: false,
        source: Source::Own,
        proof: Proof::Dialed,
        is_tried: false,
        attempts: 0,
        reinstated: 0,
        bad_until: None,
        last_heard: last,
        last_dialed: None,
        last_seen: Some(last),
        last_miss: None,
        last_failure: None,
        metadata: Box::default(),
    }
}

/// What generation `number` saves: every tenth address, and which generation it is. The first saves all.
fn generation(number: u64) -> Vec<Change> {
    let is_due = |at: &u64| number == 0 || at % SHARE == number % SHARE;
    let points = (0..POINTS).filter(is_due).map(|at| Change::Point(point(at, number)));
    points.chain([Change::Meta { key: [1; 16], saved_at: number }]).collect()
}

/// The last generation up to `saved` that wrote an address.
fn last_of(at: u64, saved: u64) -> u64 {
    let back = (saved % SHARE + SHARE - at % SHARE) % SHARE;
    saved.saturating_sub(back)
}

/// Says what is wrong with a book that should be exactly generation `saved_at`.
fn check(saved: &Saved) -> Result<u64, String> {
    if saved.key.is_none() {
        return Err("it is empty".to_owned());
    }
    let mut points = saved.points.clone();
    points.sort_by_key(|point| point.at);
    if points.len() as u64 != POINTS {
        return Err(format!("it has {} addresses", points.len()));
    }
    for (at, found) in (0..).zip(&points) {
        let expected = point(at, last_of(at, saved.saved_at));
        if *found != expected {
            return Err(format!(
                "generation {}: address {at} is of {}, not {}",
                saved.saved_at, found.last_heard, expected.last_heard
            ));
        }
    }
    Ok(saved.saved_at)
}

/// The child's life: it looks at what is there, then saves until it is killed. In a run of all tests it is nobody's child, and has nothing to do.
#[test]
fn child() {
    let Ok(path) = std::env::var(FILE) else { return };
    let mut out = std::io::stdout();
    let mut say = |word: &str| writeln!(out, "{word}").and_then(|()| out.flush()).expect("somebody reads");
    let mut store = FileStore::new(path);
    let found = store.load().map_err(|fault| fault.to_string()).and_then(|saved| check(&saved));
    let Ok(found) = found else { return say(&format!("\nwrong: {found:?}")) };
    say(&format!("\nfound {found}"));
    for number in found + 1.. {
        store.save(&generation(number), true).expect("there is room");
        say(&format!("acked {number}"));
    }
}

struct Running {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
    /// The generation that was there when it began.
    found: u64,
}

/// Starts a child, and waits until it has looked at the file.
fn start(path: &Path) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(FILE, path);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let first = lines.find(|line| line.starts_with("found ") || line.starts_with("wrong")).expect("it has looked");
    let found = first.strip_prefix("found ").and_then(|number| number.parse().ok());
    Running { child, lines: Box::new(lines), found: found.unwrap_or_else(|| panic!("{first}")) }
}

impl Running {
    /// Kills it, and gives the last generation that it was told is saved.
    fn kill(mut self) -> u64 {
        self.child.kill().and_then(|()| self.child.wait()).expect("it was there");
        let acked = self.lines.filter_map(|line| line.strip_prefix("acked ")?.parse().ok());
        acked.last().unwrap_or(self.found)
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    let kills: u32 = std::env::var("BOWLINE_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(16);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let mut store = FileStore::new(&path);
    store.load().and_then(|_| store.save(&generation(0), true)).expect("there is room");
    drop(store);
    let begin = Instant::now();
    // How long a save takes here: a child's first.
    let mut child = start(&path);
    let began = Instant::now();
    child.lines.find(|line| line.starts_with("acked ")).expect("it saves");
    let span = 3 * began.elapsed().as_micros() as u64;
    let (mut acked, mut between, mut seed) = (child.kill().max(1), 0, 0x9e37_79b9_7f4a_7c15_u64);
    for kill in 0..kills {
        let child = start(&path);
        // One may have been saved of which the last child was not told, or could not tell any more.
        let found = child.found;
        assert!(found == acked || found == acked + 1, "kill {kill}: {found} is there, {acked} was acknowledged");
        between += u32::from(found > acked);
        // Any microsecond of the first saves (xorshift64).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        std::thread::sleep(Duration::from_micros(seed % span));
        acked = child.kill();
    }
    let last = check(&FileStore::new(&path).load().expect("it can be read")).expect("it is whole");
    assert!(last == acked || last == acked + 1, "{last} is there, {acked} was acknowledged");
    println!(
        "{kills} kills in {:.1} s, {last} generations saved, {between} of them not acknowledged any more; nothing was lost",
        begin.elapsed().as_secs_f64()
    );
    assert!(last >= u64::from(kills) / 4, "the children saved only {last} times: the kills come too early");
}
