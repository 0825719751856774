//! What outlives a restart: the file, whatever became of it, and real nodes over loopback that start from it.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets and files run in real time")]

mod nodes;

use bowline::{
    Anchor, Builder, By, Change, CloseReason, DialError, Error, FileStore, Identity, ImportError, Imported, MemoryStore, Node,
    Notice, OnList, PeerId, PointFilter, Proof, Saved, SavedList, SavedPeer, SavedPoint, SavedScore, Source, Stage, Store,
    StoreFault, Subject,
};
use nodes::{BOOTSTRAP, ONE_LINK, identity, network, notices};
use std::ffi::OsStr;
use std::fs;
use std::io::Cursor;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that goes with its test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The names in it, sorted.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).expect("it is there");
        let mut names: Vec<String> =
            names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn peer(number: u16) -> PeerId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(bytes)
}

fn point(number: u16, last_heard: u64) -> SavedPoint {
    let [high, low] = number.to_be_bytes();
    SavedPoint {
        at: SocketAddr::from(([8, high, low, 1], 9_000)),
        peer: Some(peer(number)),
        capabilities: Vec::new(),
        is_own_word: false,
        source: Source::Own,
        proof: Proof::Dialed,
        is_tried: false,
        attempts: 0,
        reinstated: 0,
        bad_until: None,
        last_heard,
        last_dialed: None,
        last_seen: Some(last_heard),
        last_miss: None,
        last_failure: None,
        metadata: Box::default(),
    }
}

fn ban(subject: &str) -> SavedList {
    SavedList {
        list: OnList::Banned,
        subject: subject.parse().expect("a subject"),
        since: 1,
        until: None,
        why: "spam".into(),
        by: By::Operator,
        offences: 0,
    }
}

/// A row of each kind, and some more.
fn rows() -> Vec<Change> {
    let known =
        SavedPeer { id: peer(1), first_seen: 1, last_seen: 2, is_private: false, failures: Vec::new(), metadata: [1].into() };
    let mut rows = vec![
        Change::Meta { key: [3; 16], saved_at: 5 },
        Change::Anchors(vec![Anchor { at: point(1, 0).at, peer: peer(1) }]),
        Change::Peer(known),
        Change::List(ban("192.0.2.0/24")),
        Change::Score(SavedScore { peer: peer(1), thousandths: -7, stage: Stage::Fine, is_lifted: false, at: 6 }),
    ];
    rows.extend((0..50).map(|number| Change::Point(point(number, 8))));
    rows
}

fn expected() -> Saved {
    let mut store = MemoryStore::default();
    store.save(&rows(), true).expect("memory");
    store.load().expect("memory")
}

/// A file with `rows`, closed.
fn written(path: &Path) -> Vec<u8> {
    let mut store = FileStore::new(path);
    assert_eq!(store.load(), Ok(Saved::default()));
    store.save(&rows(), true).expect("there is room");
    drop(store);
    fs::read(path).expect("it is there")
}

#[test]
fn a_file_keeps_what_memory_keeps() {
    let folder = Folder::new();
    let path = folder.path("store");
    let (mut file, mut memory) = (FileStore::new(&path), MemoryStore::default());
    let steps = [
        rows(),
        vec![Change::NoPoint(point(3, 0).at), Change::NoPeer(peer(1)), Change::Point(point(4, 99))],
        vec![Change::NoList(OnList::Banned, "192.0.2.0/24".parse().expect("a prefix")), Change::NoScore(peer(1))],
        vec![Change::NoScore(peer(1)), Change::Anchors(Vec::new())],
    ];
    for step in steps {
        file.save(&step, true).expect("there is room");
        memory.save(&step, true).expect("memory");
        drop(file);
        file = FileStore::new(&path);
        let saved = file.load();
        assert_eq!(saved, memory.load());
        assert_eq!(saved.expect("it can be read").points.len(), if step.len() > 5 { 50 } else { 49 });
    }
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!((mode & 0o777, folder.names()), (0o600, vec!["store".to_owned()]));
}

#[test]
fn places_where_no_file_can_be_are_named_and_nothing_is_made() {
    let folder = Folder::new();
    let text = |path: &Path| match FileStore::new(path).load() {
        Err(StoreFault::Io(text)) => text,
        other => panic!("{}: {other:?}", path.display()),
    };
    assert!(text(&folder.path("missing/store")).contains("No such file"));
    assert!(text(folder.0.path()).contains("not a regular file"));
    assert!(text(Path::new("/dev/null")).contains("not a regular file"));
    // Also for root, who may write in any folder of his own.
    let read_only = text(Path::new("/proc/self/bowline-store"));
    assert!(read_only.contains("No such file") || read_only.contains("denied"), "{read_only}");
    symlink(folder.path("nowhere"), folder.path("dangling")).expect("a link");
    assert!(text(&folder.path("dangling")).contains("No such file"));
    assert_eq!(folder.names(), ["dangling"]);
    let mut open = FileStore::new(folder.path("open"));
    assert_eq!(open.load(), Ok(Saved::default()));
    assert!(text(&folder.path("open")).contains("has it open"));
    assert_eq!(open.save(&rows(), true), Ok(()), "and who has it is not disturbed");
}

#[test]
fn an_empty_file_is_a_new_store_and_a_link_is_followed() {
    let folder = Folder::new();
    fs::write(folder.path("empty"), "").expect("written");
    fs::set_permissions(folder.path("empty"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    symlink(folder.path("empty"), folder.path("link")).expect("a link");
    let mut store = FileStore::new(folder.path("link"));
    assert_eq!(store.load(), Ok(Saved::default()));
    store.save(&rows(), true).expect("there is room");
    drop(store);
    let mode = fs::metadata(folder.path("empty")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    assert_eq!(FileStore::new(folder.path("empty")).load(), Ok(expected()));
    // A damaged one is put aside where it is; the link stays, and works on.
    fs::write(folder.path("empty"), "no store").expect("written");
    let mut store = FileStore::new(folder.path("link"));
    let Err(StoreFault::Damaged { aside, .. }) = store.load() else { panic!("it is damaged") };
    assert_eq!(fs::read(&aside).expect("it is kept"), b"no store");
    assert!(aside.starts_with(folder.path("").canonicalize().expect("there")));
    store.save(&rows(), true).expect("there is room");
    drop(store);
    assert_eq!(FileStore::new(folder.path("link")).load(), Ok(expected()));
}

#[test]
fn files_that_are_no_store_are_put_aside_in_no_time() {
    let folder = Folder::new();
    let begin = Instant::now();
    for (number, (size, start)) in
        [(1_u64, ""), (1 << 20, ""), (1 << 30, ""), (5 << 30, ""), (100, "redb"), (1 << 20, "redb\x1a\n")].into_iter().enumerate()
    {
        let path = folder.path(&format!("odd{number}"));
        fs::write(&path, start).expect("written");
        // Without a byte on the disk.
        fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(size)).expect("a sparse file");
        let mut store = FileStore::new(&path);
        let Err(StoreFault::Damaged { aside, text }) = store.load() else { panic!("{size}: it is damaged") };
        assert!(!text.is_empty() && fs::metadata(&aside).expect("it is kept").len() == size);
        assert!(aside.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(&format!("odd{number}.damaged-"))));
        assert_eq!(store.load(), Ok(Saved::default()), "and it begins anew");
        drop(store);
        fs::remove_file(aside).expect("it is there");
    }
    assert!(begin.elapsed() < PATIENCE);
}

/// What a damaged file gives: everything, or everything of an earlier save, or a complaint with the file put aside. Returns whether it was
/// refused.
fn judge(path: &Path, bytes: &[u8], earlier: &[Saved]) -> bool {
    fs::write(path, bytes).expect("written");
    match FileStore::new(path).load() {
        Ok(saved) => {
            assert!(earlier.contains(&saved), "it has what nobody saved");
            fs::remove_file(path).expect("it is there");
            false
        }
        Err(StoreFault::Damaged { aside, .. }) => {
            assert_eq!(fs::read(&aside).expect("it is kept").len(), bytes.len());
            assert!(!path.exists());
            fs::remove_file(aside).expect("it is there");
            true
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// C4: no bit of the file may turn and be believed. `BOWLINE_FLIPS` sets how many are tried.
#[test]
fn a_file_that_was_cut_or_whose_bits_have_turned_is_never_believed() {
    let folder = Folder::new();
    let bytes = written(&folder.path("whole"));
    let earlier = [Saved::default(), expected()];
    let path = folder.path("store");
    let mut cut = 0;
    for length in
        [1, 8, 9, 10, 63, 64, 320, 511, 512, 4_095, 4_096, 4_097, 65_536, bytes.len() / 2, bytes.len() - 4_096, bytes.len() - 1]
    {
        cut += u32::from(judge(&path, &bytes[..length], &earlier));
    }
    let flips: usize = std::env::var("BOWLINE_FLIPS").ok().and_then(|count| count.parse().ok()).unwrap_or(400);
    // All of what is not zero is of use; a fixed stride of a prime visits the header and every kind of page.
    let used: Vec<usize> = (0..bytes.len()).filter(|at| *at < 320 || bytes[*at] != 0).collect();
    let mut refused = 0;
    for n in 0..flips {
        let mut turned = bytes.clone();
        let at = if n % 4 == 0 { n / 4 % 320 } else { used[n.wrapping_mul(7_919) % used.len()] };
        turned[at] ^= 1 << (n / 7 % 8);
        refused += u32::from(judge(&path, &turned, &earlier));
    }
    println!(
        "{cut} of 16 cut files and {refused} of {flips} with a turned bit were put aside, the others were read as they had been saved"
    );
    assert!(cut > 8 && refused > 0);
}

#[test]
fn a_store_of_a_later_version_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.path("store");
    written(&path);
    set_schema(&path, "2");
    let bytes = fs::read(&path).expect("there");
    assert_eq!(FileStore::new(&path).load(), Err(StoreFault::Newer { has: 2, knows: 1 }));
    let set = [("store.path", path.to_str().expect("a name"))];
    let node = builder(&set).identity(identity()).build().expect("valid settings");
    let error = node.start().expect_err("it is too new").to_string();
    assert!(error.contains("it has schema 2, this version knows 1") && error.contains(set[0].1), "{error}");
    assert!(fs::read(&path).expect("there") == bytes && folder.names() == ["store"], "it was touched");
    set_schema(&path, "x");
    assert!(matches!(FileStore::new(&path).load(), Err(StoreFault::Damaged { text, .. }) if text.contains("'x' is no schema")));
}

#[test]
fn a_file_of_another_format_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let path = folder.path("store");
    let whole = written(&path);
    let with_format = |formats: [u8; 2]| {
        let mut bytes = whole.clone();
        // Where redb's two commit slots say their format.
        (bytes[64], bytes[192]) = (formats[0], formats[1]);
        fs::write(&path, &bytes).expect("written");
        bytes
    };
    for format in [4, 2] {
        let bytes = with_format([format; 2]);
        let Err(StoreFault::Io(text)) = FileStore::new(&path).load() else { panic!("it is not ours to read") };
        assert!(text.contains(&format!("format {format}, this version reads 3")), "{text}");
        assert!(fs::read(&path).expect("there") == bytes && folder.names() == ["store"], "it was touched");
    }
    with_format([4, 3]);
    assert!(matches!(FileStore::new(&path).load(), Err(StoreFault::Damaged { .. })), "only a turned bit does that");
}

/// Writes the schema as a later version would.
fn set_schema(path: &Path, schema: &str) {
    set_row(path, "schema", schema);
}

/// Writes a row past the store.
fn set_row(path: &Path, key: &str, row: &str) {
    let table = redb::TableDefinition::<&str, &str>::new("rows");
    let database = redb::Database::open(path).expect("a store");
    let transaction = database.begin_write().expect("nobody else writes");
    transaction.open_table(table).expect("a table").insert(key, row).expect("written");
    transaction.commit().expect("written");
}

/// The file is whole: what one row says costs neither the bans nor the book.
#[test]
fn a_row_that_cannot_be_read_costs_itself_alone_and_is_told_of() {
    let folder = Folder::new();
    let path = folder.path("store");
    written(&path);
    let at = point(7, 0).at;
    set_row(&path, &format!("point {at}"), "{\"row\":\"point\"}");
    set_row(&path, "point 8.8.8.8:0", "{\"row\":\"point\",\"at\":\"8.8.8.8:0\"}");
    let saved = FileStore::new(&path).load().expect("the file is whole");
    let mut without = expected();
    without.points.retain(|point| point.at != at);
    without.unread = saved.unread.clone();
    assert_eq!((saved.unread.count, saved.unread.first.len()), (2, 2));
    assert_eq!(saved, without);

    let node = start(builder(&[("store.path", path.to_str().expect("a name"))]), identity());
    let told =
        notices(&node, |notice| if let Notice::RowsUnread { count, first } = notice { Some((count, first)) } else { None });
    let [(2, first)] = &told[..] else { panic!("told {told:?}") };
    assert!(first.starts_with(&format!("row 'point {at}': 'at' is missing")), "{first}");
    assert_eq!((node.bans().len(), folder.names()), (1, vec!["store".to_owned()]), "nothing was put aside");
    stop(&node);
    // What is saved under the same key takes its place.
    let mut store = FileStore::new(&path);
    assert_eq!(store.load().expect("whole").unread.count, 2);
    store.save(&[Change::Point(point(7, 8))], true).expect("there is room");
    assert_eq!(store.load().expect("whole").unread.count, 1);
}

fn builder(more: &[(&str, &str)]) -> Builder {
    network(&[BOOTSTRAP, ONE_LINK, more])
}

fn start(builder: Builder, identity: Identity) -> Node {
    let node = builder.identity(identity).build().expect("valid settings");
    node.start().expect("a free port");
    node
}

fn stop(node: &Node) {
    node.stop(Duration::from_secs(1)).expect("stops");
}

fn connect(from: &Node, to: &Node) -> Result<bowline::LinkId, Error> {
    from.connect(&to.listen_addresses()[0].to_string(), PATIENCE)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    nodes::within(PATIENCE, what, is_so);
}

/// What a node that runs has in its file, as far as it has got.
fn peek(path: &Path) -> Option<Saved> {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).ok()?;
    let saved = FileStore::new(&copy).load().ok();
    // It may have been put aside.
    let _ = fs::remove_file(&copy);
    saved
}

#[test]
fn a_score_survives_a_reconnect_and_a_restart_and_so_does_a_ban() {
    let folder = Folder::new();
    let path = folder.path("store");
    let set = [("store.path", path.to_str().expect("a name"))];
    let judge_identity = identity();
    let judge = start(builder(&set), judge_identity.clone());
    let (good, bad) = (start(builder(&[]), identity()), start(builder(&[]), identity()));
    let link = connect(&good, &judge).expect("a link");
    connect(&bad, &judge).expect("a link");
    until("both are linked", || judge.peers().len() == 2);
    judge.report(good.id(), 700, "blocks").expect("running");
    judge.report(bad.id(), -900, "lies").expect("running");
    good.disconnect(link, CloseReason::Requested).expect("open");
    until("nobody is linked", || judge.peers().is_empty());
    connect(&good, &judge).expect("a link again");
    assert_eq!(judge.score(&good.id()).map(|score| score.value), Some(700));
    // A ban is saved at once, not only by the stop.
    until("it is saved", || peek(&path).is_some_and(|saved| saved.lists.iter().any(|entry| entry.list == OnList::Banned)));
    stop(&judge);

    let judge = start(builder(&set), judge_identity);
    assert_eq!(judge.score(&good.id()).map(|score| score.value), Some(700));
    assert!(matches!(connect(&bad, &judge), Err(Error::Link(_))), "it is banned");
    connect(&good, &judge).expect("a link");
    stop(&judge);
}

/// What the operator orders is on the disk when the call returns, and has its words after a restart.
#[test]
fn a_ban_survives_a_restart_and_so_does_its_end() {
    let folder = Folder::new();
    let path = folder.path("store");
    let set = [("store.path", path.to_str().expect("a name"))];
    let (node, net) = (start(builder(&set), identity()), "192.0.2.0/24".parse().expect("a prefix"));
    node.ban(net, None, "spam").expect("there is room");
    let saved = peek(&path).expect("it was saved");
    assert_eq!(
        saved.lists.iter().map(|entry| (entry.subject, &*entry.why, entry.by)).collect::<Vec<_>>(),
        [(net, "spam", By::Operator)]
    );
    stop(&node);
    let node = start(builder(&set), identity());
    let bans = node.bans();
    assert_eq!(bans.iter().map(|ban| (ban.subject, &*ban.why, ban.by)).collect::<Vec<_>>(), [(net, "spam", By::Operator)]);
    node.unban(&net).expect("it is banned");
    assert_eq!(peek(&path).expect("it was saved").lists, []);
    stop(&node);
    assert_eq!(start(builder(&set), identity()).bans(), []);
}

/// What the operator orders on a running node stands above the settings that it starts with.
#[test]
fn a_ban_of_somebody_in_lists_trusted_survives_a_restart() {
    let folder = Folder::new();
    let path = folder.path("store");
    let [net, other] = ["192.0.2.0/24", "198.51.100.7"].map(|text| text.parse().expect("a subject"));
    let trusted = format!("{net},{other}");
    let set = [("store.path", path.to_str().expect("a name")), ("lists.trusted", &*trusted)];
    let node = start(builder(&set), identity());
    node.ban(net, None, "spam").expect("there is room");
    stop(&node);
    let node = start(builder(&set), identity());
    assert_eq!(node.bans().iter().map(|ban| ban.subject).collect::<Vec<_>>(), [net]);
    assert_eq!(node.trusted().iter().map(|trust| trust.subject).collect::<Vec<_>>(), [other]);
    stop(&node);
    let lists = FileStore::new(&path).load().expect("whole").lists;
    assert_eq!(lists.iter().map(|entry| (entry.list, entry.subject)).collect::<Vec<_>>(), [(OnList::Banned, net)]);
}

#[test]
fn a_dial_to_where_nobody_can_be_is_refused_by_name_and_leaves_nothing_in_the_store() {
    let folder = Folder::new();
    let path = folder.path("store");
    let node = start(builder(&[("store.path", path.to_str().expect("a name"))]), identity());
    for text in ["127.0.0.1:0", "8.8.8.8:0", "0.0.0.0:9", "224.0.0.1:9"] {
        let to = text.parse().expect("an address");
        let refused = node.dial(to, None, 1);
        assert!(matches!(refused, Err(Error::Dial(DialError::NotDialable(named))) if named == to), "{refused:?}");
    }
    stop(&node);
    let saved = FileStore::new(&path).load().expect("whole");
    assert_eq!((saved.points, saved.unread.count), (Vec::new(), 0));
}

#[test]
fn the_address_book_survives_and_is_a_way_in() {
    let folder = Folder::new();
    let path = folder.path("store");
    let set = [
        ("store.path", path.to_str().expect("a name")),
        ("discovery.bootstrap", "false"),
        ("pool.outbound_target", "1"),
        ("dial.point_period", "0s"),
    ];
    let other = start(builder(&[]), identity());
    let at = other.listen_addresses()[0].to_string();
    // Nothing is stored yet, so it needs a seed.
    let stranger = identity();
    let alone = builder(&set).identity(stranger.clone()).build().expect("it may have stored addresses");
    let error = alone.start().expect_err("it has none").to_string();
    assert!(error.contains("no seed, no persistent peer and not a bootstrap node"), "{error}");
    // Nor is an address one that the node will not dial: here its own.
    let mut memory = MemoryStore::default();
    memory.save(&[Change::Point(SavedPoint { peer: Some(stranger.id()), ..point(1, 1) })], true).expect("memory");
    let alone = builder(&set).store(Box::new(memory)).identity(stranger.clone()).build().expect("it may have stored addresses");
    let error = alone.start().expect_err("it knows itself alone").to_string();
    assert!(error.contains("no seed, no persistent peer and not a bootstrap node"), "{error}");
    let node = start(builder(&set).set("discovery.seeds", &at).expect("an address"), stranger.clone());
    until("it is linked", || node.peers().len() == 1);
    node.save(PATIENCE).expect("there is room");
    let saved = peek(&path).expect("it was saved");
    let point = saved.points.iter().find(|point| point.at.to_string() == at).expect("it was dialed");
    assert_eq!((point.peer, point.proof), (Some(other.id()), Proof::Dialed));
    assert!(saved.peers.iter().any(|peer| peer.id == other.id()));
    stop(&node);
    let node = start(builder(&set), stranger);
    assert!(node.stats().points_known >= 1, "what was stored is seen at once");
    until("it has dialed who it knew", || node.peers().len() == 1);
    stop(&node);
}

#[test]
fn a_damaged_file_costs_the_book_and_not_the_start() {
    let folder = Folder::new();
    let path = folder.path("store");
    fs::write(&path, vec![0x55; 10_000]).expect("written");
    let node = start(builder(&[("store.path", path.to_str().expect("a name"))]), identity());
    let told = notices(&node, |notice| if let Notice::StoreSetAside { path, text } = notice { Some((path, text)) } else { None });
    let [(aside, text)] = &told[..] else { panic!("told {} times", told.len()) };
    assert!(fs::read(aside).expect("it is kept") == vec![0x55; 10_000] && text.contains("magic number"), "{text}");
    node.report(peer(1), -900, "lies").expect("running");
    node.save(PATIENCE).expect("there is room");
    stop(&node);
    assert_eq!(FileStore::new(&path).load().expect("it is whole").scores.len(), 1);
}

/// Nobody takes a notice of a node that does not start.
#[test]
fn a_node_without_a_seed_whose_file_is_damaged_says_both() {
    let folder = Folder::new();
    let path = folder.path("store");
    fs::write(&path, vec![0x55; 10_000]).expect("written");
    let set = [("store.path", path.to_str().expect("a name")), ("discovery.bootstrap", "false")];
    let node = builder(&set).identity(identity()).build().expect("it may have stored addresses");
    let error = node.start().expect_err("it has none");
    let Error::Store { fault: StoreFault::Damaged { aside, .. }, .. } = &error else { panic!("{error}") };
    assert!(fs::read(aside).expect("it is kept") == vec![0x55; 10_000]);
    let text = error.to_string();
    for part in [set[0].1, aside.to_str().expect("a name"), "magic number", "no seed", "set discovery.seeds"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// An export taken during a ban for a score may be imported after its end: that is no pardon.
#[test]
fn who_has_served_his_ban_by_the_time_of_an_import_can_be_banned_again_and_who_was_pardoned_not() {
    let node = start(builder(&[]), identity());
    let rows = |number, lifted| {
        let id = peer(number);
        format!("{{\"row\":\"list\",\"list\":\"banned\",\"subject\":\"{id}\",\"since\":1,\"until\":9,\"by\":\"score\"}}\n")
            + &format!(
                "{{\"row\":\"score\",\"peer\":\"{id}\",\"thousandths\":-900000,\"stage\":\"banned\"{lifted},\"at\":4000000000}}\n"
            )
    };
    let head = "{\"row\":\"head\",\"schema\":1,\"saved_at\":5}\n";
    let lines = head.to_owned() + &rows(1, "") + &rows(2, ",\"lifted\":true");
    assert_eq!(node.import(&mut Cursor::new(lines)), Ok(Imported { scores: 2, ..Imported::default() }));
    (1..=2).for_each(|number| node.report(peer(number), -900, "lies").expect("running"));
    assert_eq!(node.bans().iter().map(|ban| ban.subject).collect::<Vec<_>>(), [Subject::Peer(peer(1))]);
}

#[test]
fn what_one_node_exports_another_imports() {
    let (from, to) = (start(builder(&[]), identity()), start(builder(&[]), identity()));
    let other = start(builder(&[]), identity());
    connect(&from, &other).expect("a link");
    from.report(peer(1), -900, "lies").expect("running");
    let mut lines = Vec::new();
    from.export(&mut lines).expect("memory");
    let text = String::from_utf8(lines.clone()).expect("text");
    assert!(text.starts_with(r#"{"row":"head","schema":1,"saved_at":1"#), "{text}");
    assert!(!text.contains("key") && !text.contains(&from.id().to_string()), "neither the key nor who it is: {text}");
    let imported = to.import(&mut Cursor::new(&lines)).expect("what was exported");
    assert_eq!((imported.lists, imported.scores, imported.peers), (1, 1, 1));
    let dialed = |node: &Node| node.points(&PointFilter { proof: Some(Proof::Dialed), ..PointFilter::default() }).len();
    assert_eq!(dialed(&to), dialed(&from), "it is the operator's word");
    assert!(dialed(&to) > 0 && imported.points >= 1 && to.score(&peer(1)).is_some_and(|score| score.value == -900));
    assert_eq!(to.import(&mut Cursor::new(&lines)), Ok(Imported::default()), "nothing of it is news");
    // One wrong line, and nothing is taken.
    let third = start(builder(&[]), identity());
    let count = text.lines().count();
    for (lines, line, says) in [
        (String::new(), 1, "it is empty"),
        ("{}".to_owned(), 1, "'row' is missing"),
        (text.replace(r#""schema":1"#, r#""schema":2"#), 1, "it has schema 2, this version knows 1"),
        (format!("{text}{{\"row\":\"point\",\"at\":\"127.0.0.1:65536\"}}\n"), count + 1, "invalid socket address"),
        (format!("{text}{}\n", text.lines().nth(1).expect("a row")), count + 1, "stands there twice"),
        (format!("{text}{{\"row\":\"anchors\"}}\n"), count + 1, "belongs to its store alone"),
        (format!("{text}{}\n", "x".repeat(100_000)), count + 1, "longer than the 16384 bytes"),
        (format!("{text}\n\n"), count + 1, "a value"),
    ] {
        let error: ImportError = third.import(&mut Cursor::new(lines)).expect_err(says);
        assert!(error.line == line && error.text.contains(says), "{error}");
        assert!(error.to_string().ends_with("; nothing was taken"));
    }
    assert_eq!(third.import(&mut Cursor::new(b"\xff\n")).map_err(|error| error.text), Err("it is not UTF-8".to_owned()));
    assert_eq!((third.stats().points_known, third.score(&peer(1))), (0, None));
    // An import bans at once.
    let link = connect(&other, &third).expect("a link");
    let head = text.lines().next().expect("a head");
    let ban = format!(
        "{head}\n{{\"row\":\"list\",\"list\":\"banned\",\"subject\":\"{}\",\"since\":1,\"by\":\"operator\"}}\n",
        other.id()
    );
    assert_eq!(third.import(&mut Cursor::new(ban)), Ok(Imported { lists: 1, ..Imported::default() }));
    // Those of whom it has heard meanwhile may be linked in its place.
    let has_gone =
        || third.peers().iter().all(|peer| peer.id != other.id()) && other.peers().iter().all(|peer| peer.link != link);
    until("it is gone", has_gone);
}
