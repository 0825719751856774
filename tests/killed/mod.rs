//! C1: a node that saves a book of 20,000 addresses is killed at any microsecond, again and again, and nothing is lost of what it was told is
//! saved. The node is a process of its own: whichever test program plays the story runs itself as a child, of which only `child` runs.
#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::nodes::builder;
use bowline::{FileStore, Node, PointFilter, Store, Subject};
use std::fmt;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Addresses in the book: all but a fortieth of what it can hold.
const POINTS: usize = 20_000;
/// Those that want places, of which some find none; the others are bad, and need none.
const SEATED: usize = 16_000;
/// One in so many addresses changes before each save.
const CLASSES: usize = 10;
/// Where the child finds its store.
const FILE: &str = "BOWLINE_KILL_FILE";
/// Saves of the first child, which show how long one takes.
const FIRST: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a node found in its store.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    points: usize,
    /// The number that the ban has.
    ban: u64,
    /// The oldest number that an address of each class has.
    oldest: [u64; CLASSES],
    /// The newest number of all.
    newest: u64,
}

impl Found {
    fn of(node: &Node) -> Found {
        let points = node.points(&PointFilter::default());
        let mut found = Found { points: points.len(), oldest: [u64::MAX; CLASSES], ..Found::default() };
        for point in points {
            let number = u64::from_be_bytes((*point.metadata).try_into().unwrap_or_default());
            let class = class_of(point.address.socket().expect("no name"));
            found.oldest[class] = found.oldest[class].min(number);
            found.newest = found.newest.max(number);
        }
        found.ban = node.bans().first().map_or(0, |ban| ban.why.parse().expect("a number"));
        found
    }

    /// As the child's line has it.
    fn numbers(&self) -> Vec<u64> {
        [self.points as u64, self.ban, self.newest].into_iter().chain(self.oldest).collect()
    }

    fn read(line: &str) -> Option<Found> {
        let numbers: Vec<u64> = line.strip_prefix("found ")?.split(' ').map_while(|number| number.parse().ok()).collect();
        let (points, oldest) = (usize::try_from(*numbers.first()?).ok()?, numbers.get(3..)?.try_into().ok()?);
        Some(Found { points, ban: *numbers.get(1)?, newest: *numbers.get(2)?, oldest })
    }
}

fn class_of(at: SocketAddr) -> usize {
    let IpAddr::V4(ip) = at.ip() else { panic!("{at} is not of this book") };
    usize::from(ip.octets()[3]) % CLASSES
}

/// The class that save `number` changes.
fn class(number: u64) -> usize {
    (number % CLASSES as u64) as usize
}

/// Rows of an export: addresses `from..to`, in /16s of their own, every other one tried.
fn rows(from: usize, to: usize, is_bad: bool) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let bad = if is_bad { format!(r#","bad_until":{}"#, now + 30 * 24 * 3_600) } else { String::new() };
    let row = |number: usize| {
        let [.., a, b] = (number as u32).to_be_bytes();
        let (is_tried, peer) = (number.is_multiple_of(2), format!("{number:064x}"));
        format!(
            r#"{{"row":"point","at":"{}.{a}.{b}.{b}:9000","peer":"{peer}","source":"own","proof":"dialed","tried":{is_tried},"last_heard":{now},"last_seen":{now}{bad}}}"#,
            20 + number % 7
        )
    };
    let head = format!(r#"{{"row":"head","schema":1,"saved_at":{now}}}"#);
    std::iter::once(head).chain((from..to).map(row)).collect::<Vec<_>>().join("\n")
}

/// Fills the book to the last of its addresses.
fn fill(node: &Node) {
    let take = |rows: String| node.import(&mut Cursor::new(rows)).expect("rows").points;
    let seated = take(rows(0, SEATED, false));
    let bad = take(rows(SEATED, SEATED + POINTS - seated, true));
    assert_eq!(seated + bad, POINTS);
    node.save(PATIENCE).expect("there is room");
}

/// A node's life: it looks at what is there, then changes and saves until it is killed. In a run of all tests it is nobody's child, and has
/// nothing to do.
#[test]
fn child() {
    let Ok(path) = std::env::var(FILE) else { return };
    let mut out = std::io::stdout();
    let mut say = |word: String| writeln!(out, "{word}").and_then(|()| out.flush()).expect("somebody reads");
    let node = builder(&[("store.path", &path), ("feeler.period", "0s")]).build().expect("valid settings");
    node.start().expect("a store and a free port");
    if node.points(&PointFilter::default()).is_empty() {
        fill(&node);
    }
    let found = Found::of(&node);
    let numbers: Vec<String> = found.numbers().iter().map(u64::to_string).collect();
    say(format!("\nfound {}", numbers.join(" ")));
    let addresses = node.points(&PointFilter::default()).into_iter().map(|point| point.address);
    let addresses: Vec<SocketAddr> = addresses.filter_map(|address| address.socket()).collect();
    let banned: Subject = "192.0.2.0/24".parse().expect("a prefix");
    for number in found.newest.max(found.ban) + 1.. {
        say(format!("begins {number}"));
        let began = Instant::now();
        node.ban(banned, None, &number.to_string()).expect("there is room");
        for at in addresses.iter().filter(|at| class_of(**at) == class(number)) {
            node.set_point_metadata(&at.to_string(), &number.to_be_bytes()).expect("it is known");
        }
        node.save(PATIENCE).expect("there is room");
        // How long it took is known here alone: whoever reads may find several lines at once.
        say(format!("acked {number} {}", began.elapsed().as_micros()));
    }
}

struct Running {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
    found: Found,
}

/// Starts a child, and waits until it has looked at the file.
fn start(path: &Path) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "killed::child", "--nocapture", "--test-threads=1"]).env(FILE, path);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let found = lines.find_map(|line| Found::read(&line)).expect("it looks at its store");
    Running { child, lines: Box::new(lines), found }
}

/// A save that was acknowledged, and how many microseconds it took.
fn read_acked(line: &str) -> Option<(u64, u64)> {
    let (number, micros) = line.strip_prefix("acked ")?.split_once(' ')?;
    Some((number.parse().ok()?, micros.parse().ok()?))
}

impl Running {
    /// Kills it, and gives the saves of which it was told that they are done, and the last that it began.
    fn kill(mut self) -> (Vec<u64>, u64) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it was there");
        let (mut acked, mut begun) = (Vec::new(), 0);
        for line in self.lines {
            if let Some((number, _)) = read_acked(&line) {
                acked.push(number);
            } else if let Some(number) = line.strip_prefix("begins ") {
                begun = number.parse().unwrap_or(begun);
            }
        }
        (acked, begun)
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Killed {
    pub kills: u32,
    /// Saves that were acknowledged.
    pub acked: usize,
    /// Kills after which a save was found of which nobody had been told.
    pub untold: u32,
    /// Kills after which a part of such a save was found.
    pub halves: u32,
    pub took: Duration,
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Killed { kills, acked, untold, halves, took } = self;
        write!(f, "{kills} kills in {:.0} s: {acked} saves acknowledged, none lost; ", took.as_secs_f64())?;
        write!(f, "after {untold} kills there was one more, after {halves} a part of one")
    }
}

impl std::ops::AddAssign for Killed {
    fn add_assign(&mut self, other: Killed) {
        self.kills += other.kills;
        self.acked += other.acked;
        self.untold += other.untold;
        self.halves += other.halves;
        self.took = self.took.max(other.took);
    }
}

/// `kill` for several nodes at a time, each with a file of its own: most of the time they wait for their disk.
pub fn kill_side_by_side(kills: u32, nodes: u32) -> Killed {
    let share = |node: u32| kills * (node + 1) / nodes - kills * node / nodes;
    std::thread::scope(|scope| {
        let stories: Vec<_> = (0..nodes).map(|node| scope.spawn(move || kill(share(node), node.into()))).collect();
        stories.into_iter().fold(Killed::default(), |mut sum, story| {
            sum += story.join().expect("nothing is lost");
            sum
        })
    })
}

/// Kills a node so often while it saves, and says what became of it.
///
/// # Panics
/// If anything that was acknowledged is lost, or something is found that was never saved.
pub fn kill(kills: u32, story: u64) -> Killed {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    // How long a change and its save take here: the middle one of the first child's, once it has filled its book.
    let mut child = start(&path);
    let saves = child.lines.by_ref().filter_map(|line| read_acked(&line)).map(|(_, micros)| micros);
    let mut saves: Vec<u64> = saves.take(FIRST as usize).collect();
    assert_eq!(saves.len(), FIRST as usize, "it saves");
    saves.sort_unstable();
    let mut span = 3 * saves[saves.len() / 2].max(1);
    let (acked, begun) = child.kill();
    let mut begun = begun.max(FIRST);
    // The number that each class must have at least; the first of the child's saves were read above.
    let (mut sure, mut ban) = ([0; CLASSES], 0);
    for number in (1..=FIRST).chain(acked) {
        (sure[class(number)], ban) = (number, number);
    }
    let start_of_all = Instant::now();
    let (mut killed, mut seed) = (Killed { kills, ..Killed::default() }, 0x9e37_79b9_7f4a_7c15_u64.wrapping_add(story));
    for number in 0..=kills {
        let child = start(&path);
        let found = child.found;
        assert_eq!(found.points, POINTS, "kill {number}: addresses are lost");
        for (class, (found, sure)) in found.oldest.into_iter().zip(sure).enumerate() {
            assert!(found >= sure, "kill {number}: addresses of class {class} are of save {found}, {sure} was acknowledged");
        }
        assert!(found.ban >= ban, "kill {number}: the ban is of save {}, {ban} was acknowledged", found.ban);
        assert!(found.newest.max(found.ban) <= begun, "kill {number}: {found:?} is there, only {begun} was begun");
        let is_more = found.newest > sure.into_iter().max().unwrap_or(0);
        killed.untold += u32::from(is_more && found.oldest[class(found.newest)] == found.newest);
        killed.halves += u32::from(is_more && found.oldest[class(found.newest)] < found.newest);
        // What a node has found is as sure as what it was told.
        (sure, ban) = (found.oldest, found.ban);
        if number == kills {
            child.kill();
            break;
        }
        // Any microsecond of the first saves (xorshift64).
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        std::thread::sleep(Duration::from_micros(seed % span));
        let (acked, last) = child.kill();
        begun = begun.max(last);
        killed.acked += acked.len();
        // The machine may be busier now than when the first child saved, or idler.
        span = match acked.len() {
            0 => span + span / 2,
            1 | 2 => span,
            _ => span - span / 4,
        };
        for number in acked {
            (sure[class(number)], ban) = (number, number);
        }
    }
    killed.took = start_of_all.elapsed();
    let saved = FileStore::new(&path).load().expect("it is whole");
    assert_eq!((saved.points.len(), saved.lists.len()), (POINTS, 1));
    assert!(killed.acked >= kills as usize / 4, "the children saved only {} times: the kills come too early", killed.acked);
    killed
}
