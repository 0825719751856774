//! The house rules that a program can check: floors, sizes, forbidden words, guards, the settings table, the C header.
//! It reads the source tree and never writes. Each rule is a row with a bad sample that it must find and a good one that it must not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "tidy/settings.rs"]
mod settings;

/// The rooms by floor; an import goes to a lower floor, or to a neighbour by a row of its own.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["flow", "wire", "crypto", "settings"],
    &["bus", "pool", "session"],
    &["reactor", "workers"],
    // The memory network of the simulator carries nodes, too; no simulation knows of a node.
    &["sim"],
    &["node"],
    &["admin", "cli", "ffi"],
];
/// C functions that need no guard: (file, name), each with its reason.
const UNGUARDED: &[(&str, &str)] = &[
    // Called by libc in a forked child, where only async-signal-safe things are allowed; it adds to an atomic number.
    ("src/ffi/fork.rs", "in_child"),
    // Only in a library for tests: it reads whether a guard was passed, and cannot panic.
    ("src/ffi/faults.rs", "faults_withdraw"),
];
/// Imports within a floor: (who, whom). None is needed so far.
const NEIGHBOURS: &[(&str, &str)] = &[];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Words that only some places may use. Tests may use them all unless `in_tests` says that they may not either.
struct Forbidden {
    word: &'static str,
    allowed: &'static [&'static str],
    in_tests: bool,
    why: &'static str,
}

/// `cli/` is the program, not the library: it measures a network and runs threads as any application does.
const CLOCKS: &[&str] = &["src/node/", "src/reactor/mio_net.rs", "src/cli/"];
/// The yardstick pipe must not go through the crate that it measures.
const SODIUM: &[&str] = &["src/crypto/", "benches/pipe/"];
const FORBIDDEN: &[Forbidden] = &[
    Forbidden { word: "Instant::now", allowed: CLOCKS, in_tests: false, why: "time is an argument (law 1)" },
    Forbidden { word: "SystemTime::now", allowed: CLOCKS, in_tests: false, why: "time is an argument (law 1)" },
    Forbidden { word: "clock_gettime", allowed: CLOCKS, in_tests: false, why: "time is an argument (law 1)" },
    Forbidden { word: "thread::sleep", allowed: CLOCKS, in_tests: false, why: "time is an argument (law 1)" },
    Forbidden { word: "thread::spawn", allowed: CLOCKS, in_tests: false, why: "threads are made by node/ alone" },
    Forbidden { word: "thread::Builder", allowed: CLOCKS, in_tests: false, why: "threads are made by node/ alone" },
    Forbidden { word: "getrandom", allowed: CLOCKS, in_tests: false, why: "randomness is an argument (law 1)" },
    Forbidden { word: "SysRng", allowed: CLOCKS, in_tests: false, why: "randomness is an argument (law 1)" },
    Forbidden { word: "for_simulation", allowed: &["src/crypto/", "src/sim/"], in_tests: true, why: "stub keys protect nobody" },
    Forbidden { word: "unbounded(", allowed: &[], in_tests: false, why: "every queue has a bound (law 4)" },
    Forbidden { word: "mpsc::channel(", allowed: &[], in_tests: false, why: "every queue has a bound (law 4)" },
    Forbidden { word: "sodiumoxide", allowed: SODIUM, in_tests: true, why: "all crypto goes through crypto/ (law 6)" },
    Forbidden { word: "libsodium_sys", allowed: SODIUM, in_tests: true, why: "all crypto goes through crypto/ (law 6)" },
    Forbidden { word: "use redb", allowed: &["src/node/store_redb"], in_tests: false, why: "one file knows how rows are stored" },
    Forbidden { word: ".unwrap()", allowed: &[], in_tests: false, why: "state the invariant with expect, or return an error" },
    Forbidden { word: "todo!", allowed: &[], in_tests: true, why: "finish it" },
    Forbidden { word: "unimplemented!", allowed: &[], in_tests: true, why: "finish it" },
    Forbidden { word: "dbg!", allowed: &[], in_tests: true, why: "finish it" },
];

/// One file, and the same text with parts blanked out; all have the same length and the same lines.
struct Source {
    path: String,
    text: String,
    /// Without comments and without what literals say.
    code: String,
    /// Comments alone.
    comments: String,
    /// `code` without tests.
    shipped: String,
}

/// What a rule found: line and sentence.
type Finding = (usize, String);

struct Rule {
    name: &'static str,
    check: fn(&Source) -> Vec<Finding>,
    path: &'static str,
    bad: fn() -> String,
    good: fn() -> String,
}

const RULES: &[Rule] = &[
    Rule {
        name: "an import never goes up",
        check: imports_go_down,
        path: "src/pool/sample.rs",
        bad: || "//! A.\nuse crate::{base::time::Time, reactor::engine};\n".into(),
        good: || "//! A.\nuse crate::{base::{time::Time, rng}, flow::pot};\n// crate::node\n".into(),
    },
    Rule {
        name: "an import within a floor has a row",
        check: imports_go_down,
        path: "src/flow/sample.rs",
        bad: || "//! A.\nfn f() { crate::wire::read(); }".into(),
        good: || "//! A.\nfn f() { crate::flow::pot::Pot::new(1); }".into(),
    },
    Rule {
        name: "every room has a floor",
        check: imports_go_down,
        path: "src/cellar/sample.rs",
        bad: || "//! A.\n".into(),
        good: String::new,
    },
    Rule {
        name: "files stay short",
        check: file_is_short,
        path: "src/pool/sample.rs",
        bad: || "//! A.\n".repeat(FILE_LINES_MAX + 1),
        good: || "//! A.\n".repeat(FILE_LINES_MAX),
    },
    Rule {
        name: "functions stay short",
        check: functions_are_short,
        path: "src/pool/sample.rs",
        bad: || format!("fn long(a: [u8; 2]) -> [u8; 2] {{\n{}}}", "  let x = '{'; // }\n".repeat(FUNCTION_LINES_MAX - 1)),
        good: || {
            format!(
                "trait A {{ fn none(&self); }}\nfn long() {{\n{}}}\nfn b() {{}}",
                "let x = \"}\";\n".repeat(FUNCTION_LINES_MAX - 2)
            )
        },
    },
    Rule {
        name: "a file opens with what it is",
        check: file_opens_with_doc,
        path: "src/pool/sample.rs",
        bad: || "use std::fmt;\n//! Late.\n".into(),
        good: || "//! What it is.\nuse std::fmt;\n".into(),
    },
    Rule {
        name: "mod.rs and lib.rs define nothing",
        check: index_defines_nothing,
        path: "src/pool/mod.rs",
        bad: || "//! A.\npub mod a;\npub const fn f() {}\n".into(),
        good: || "//! A.\npub mod a;\n#[cfg(test)]\nmod tests;\npub use a::constant;\n".into(),
    },
    Rule {
        name: "nothing is left for later",
        check: nothing_left_for_later,
        path: "src/pool/sample.rs",
        bad: || format!("//! A.\n/* {}: more */", "FIX".to_owned() + "ME"),
        good: || "//! A fixme that is a word of ours, in lower case.\n".into(),
    },
    Rule {
        name: "every C function has a guard",
        check: exports_are_guarded,
        path: "src/ffi/sample.rs",
        bad: || "pub unsafe extern \"C\" fn bowline_x(a: u8) -> i32 {\n // guard(\n bad_guard(a)\n}".into(),
        good: || "type F = extern \"C\" fn(i32);\npub extern \"C\" fn bowline_x() -> i32 {\n    guard(|| Ok(()))\n}".into(),
    },
];

#[test]
fn the_house_keeps_its_rules() {
    let sources = tree();
    assert!(sources.len() > 20, "only {} files found: is this the right tree?", sources.len());
    let mut findings = BTreeSet::new();
    for check in RULES.iter().map(|rule| rule.check).chain([forbidden as fn(&Source) -> Vec<Finding>]) {
        for source in &sources {
            findings.extend(check(source).into_iter().map(|(line, what)| format!("{}:{line}: {what}", source.path)));
        }
    }
    assert!(findings.is_empty(), "\n{}\n", findings.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_rule_finds_its_bad_sample_and_no_good_one() {
    for rule in RULES {
        assert!(!(rule.check)(&Source::new(rule.path, (rule.bad)())).is_empty(), "{}: the bad sample passes", rule.name);
        let path = if (rule.good)().is_empty() { "src/base/sample.rs" } else { rule.path };
        assert_eq!((rule.check)(&Source::new(path, (rule.good)())), [], "{}", rule.name);
    }
}

#[test]
fn every_forbidden_word_is_found_outside_of_its_rooms_only() {
    for row in FORBIDDEN {
        let word = row.word;
        let found = |path: &str, text: String| forbidden(&Source::new(path, text)).len();
        assert_eq!(found("src/pool/sample.rs", format!("fn f() {{\n x{word});\n}}")), 1, "{word}");
        assert_eq!(found("src/pool/sample.rs", format!("// {word}\nfn f() {{ \"{word}\"; r#\"{word}\"#; }}")), 0, "{word}");
        for room in row.allowed {
            assert_eq!(found(&format!("{room}sample.rs"), format!("fn f() {{ x{word}); }}")), 0, "{word}");
        }
        let in_tests = usize::from(row.in_tests);
        let test = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{ fn f() {{ x{word}); }} }}\nfn b() {{}}");
        assert_eq!(found("src/pool/sample.rs", test), in_tests, "{word}");
        assert_eq!(found("tests/sample.rs", format!("fn f() {{ x{word}); }}")), in_tests, "{word}");
        let after = format!("#[cfg(test)]\nuse a::b;\nfn f() {{ x{word}); }}");
        assert_eq!(found("src/pool/sample.rs", after), 1, "{word} behind an import for tests");
    }
}

/// Until there are exported functions, no header can be stale; from the first one on it must be there and name the same ones.
#[test]
fn the_header_names_exactly_the_exported_functions() {
    let exports: BTreeSet<String> =
        tree().iter().filter(|source| source.path.starts_with("src/ffi/")).flat_map(exported).collect();
    let header = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("include/bowline.h"));
    match header {
        Ok(header) => assert_eq!(declared(&header), exports, "include/bowline.h (left) and src/ffi (right) differ"),
        Err(_) if exports.is_empty() => println!("skipped: src/ffi exports no function yet, so there is no include/bowline.h"),
        Err(error) => panic!("src/ffi exports {} functions, and include/bowline.h: {error}", exports.len()),
    }
}

#[test]
fn exports_and_declarations_are_recognised() {
    let rust = "#[unsafe(no_mangle)]\npub extern \"C\" fn bowline_a() {}\nfn bowline_b() {}\npub extern \"C\" fn private() {}";
    let ours = exported(&Source::new("src/ffi/a.rs", rust.into()));
    assert_eq!(ours, ["bowline_a"]);
    let header =
        "#define bowline_m(x) x\n// bowline_c()\ntypedef void (*bowline_f)(int);\nint *bowline_a(void); /* bowline_d( */";
    assert_eq!(declared(header), BTreeSet::from(["bowline_a".to_owned()]));
}

fn imports_go_down(source: &Source) -> Vec<Finding> {
    let Some(room) = source.room() else { return Vec::new() };
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let Some(own) = floor(room) else { return vec![(1, format!("{room}/ has no floor: add a row to FLOORS"))] };
    let mut findings = Vec::new();
    for (line, other) in imported_rooms(&source.code) {
        let allowed = other == room || NEIGHBOURS.contains(&(room, &other)) || floor(&other).is_some_and(|floor| floor < own);
        if !allowed {
            findings
                .push((line, format!("{room}/ (floor {own}) imports {other} ({:?}); see FLOORS and NEIGHBOURS", floor(&other))));
        }
    }
    findings
}

/// What stands behind each `crate::`, also in braces, with its line.
fn imported_rooms(code: &str) -> Vec<(usize, String)> {
    let mut rooms = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        let line = line_of(code, at);
        if rest.starts_with('{') {
            let (mut depth, mut is_first) = (0, true);
            for (i, c) in rest.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => is_first = true,
                    c if depth == 1 && is_first && !c.is_whitespace() => {
                        rooms.push((line, identifier(&rest[i..]).to_owned()));
                        is_first = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            rooms.push((line, identifier(rest).to_owned()));
        }
    }
    // In a macro, `crate::$room` and the like name nothing that could be judged; the compiler's expansion is elsewhere.
    rooms.retain(|(_, room)| !room.is_empty());
    rooms
}

fn file_is_short(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        vec![(lines, format!("{lines} lines > {FILE_LINES_MAX}: make two files of it"))]
    } else {
        Vec::new()
    }
}

fn functions_are_short(source: &Source) -> Vec<Finding> {
    let long = functions(&source.code).into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    long.map(|f| (f.line, format!("{} has {} lines > {FUNCTION_LINES_MAX}: cut it", f.name, f.lines))).collect()
}

fn file_opens_with_doc(source: &Source) -> Vec<Finding> {
    // A file of one line, such as an empty main, explains itself.
    let is_open = source.text.starts_with("//! ") || source.text.lines().count() <= 1;
    if is_open { Vec::new() } else { vec![(1, "the first line is no //! that says what the file is".into())] }
}

fn index_defines_nothing(source: &Source) -> Vec<Finding> {
    const DEFINING: &[&str] = &["fn", "struct", "enum", "union", "trait", "impl", "const", "static", "type", "macro_rules"];
    if !(source.path == "src/lib.rs" || source.path.starts_with("src/") && source.path.ends_with("/mod.rs")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (i, line) in source.code.lines().enumerate() {
        let words = line.split_whitespace().filter(|word| !matches!(*word, "unsafe" | "async") && !word.starts_with("pub"));
        let first = words.map(identifier).next();
        if first.is_some_and(|first| DEFINING.contains(&first)) {
            findings.push((i + 1, format!("defines something ({}): give it a file", line.trim())));
        }
    }
    findings
}

fn nothing_left_for_later(source: &Source) -> Vec<Finding> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut findings = Vec::new();
    for (at, _) in marks.iter().flat_map(|mark| source.comments.match_indices(mark)) {
        findings.push((line_of(&source.comments, at), "something is left for later: finish it or write an issue".into()));
    }
    findings
}

fn forbidden(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in FORBIDDEN.iter().filter(|row| !row.allowed.iter().any(|allowed| source.path.starts_with(allowed))) {
        let code = if row.in_tests { &source.code } else { &source.shipped };
        for (at, word) in code.match_indices(row.word) {
            findings.push((line_of(code, at), format!("{word} may not be used here: {}", row.why)));
        }
    }
    findings
}

fn exports_are_guarded(source: &Source) -> Vec<Finding> {
    const GUARDS: &[&str] = &["guard(", "guard_err(", "guard_or("];
    if !source.path.starts_with("src/ffi/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for function in functions(&source.shipped).iter().filter(|function| source.is_c_function(function)) {
        let body = &source.shipped[function.body.clone()];
        let is_call = |at: usize| at == 0 || !is_word(body.as_bytes()[at - 1]);
        let is_exempt = UNGUARDED.contains(&(&source.path, &function.name));
        if !is_exempt && !GUARDS.iter().any(|guard| body.match_indices(guard).any(|(at, _)| is_call(at))) {
            findings.push((function.line, format!("{} calls no guard: a panic would reach C", function.name)));
        }
    }
    findings
}

/// The functions with a C symbol of ours.
fn exported(source: &Source) -> Vec<String> {
    let functions = functions(&source.shipped);
    functions.into_iter().filter(|f| source.is_c_function(f) && f.name.starts_with("bowline_")).map(|f| f.name).collect()
}

/// The functions that a C header declares: our names right before a parenthesis, outside of comments and macros.
fn declared(header: &str) -> BTreeSet<String> {
    let code: Vec<String> =
        blanked(header).0.lines().filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect();
    let code = code.join("\n");
    let names = code.match_indices("bowline_").filter(|(at, _)| *at == 0 || !is_word(code.as_bytes()[at - 1]));
    names.map(|(at, _)| identifier(&code[at..])).filter(|name| code.contains(&format!("{name}("))).map(str::to_owned).collect()
}

impl Source {
    fn new(path: &str, text: String) -> Source {
        let (code, comments) = blanked(&text);
        let is_test = !path.starts_with("src/") || path.ends_with("/tests.rs") || path.contains("/tests/");
        let shipped = if is_test { String::new() } else { without_tests(&code) };
        Source { path: path.to_owned(), text, code, comments, shipped }
    }

    /// The room that the file stands in; lib.rs and main.rs stand in none.
    fn room(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(room, _)| room)
    }

    /// True for `extern "C" fn name`; the literal is blanked in `code`, so the text is asked.
    fn is_c_function(&self, function: &Function) -> bool {
        self.text[..function.start].trim_end().ends_with("extern \"C\"")
    }
}

struct Function {
    name: String,
    /// Where `fn` stands.
    start: usize,
    line: usize,
    lines: usize,
    body: std::ops::Range<usize>,
}

/// Every function with a body.
fn functions(code: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        let name = identifier(code[start + 3..].trim_start());
        if name.is_empty() || start > 0 && is_word(code.as_bytes()[start - 1]) {
            continue;
        }
        let Some(body) = item_body(code, start) else { continue };
        let lines = code[start..body.end].lines().count();
        functions.push(Function { name: name.to_owned(), start, line: line_of(code, start), lines, body });
    }
    functions
}

/// The braces of the item that begins at `from`, without looking into parentheses; `None` if it ends with a semicolon.
fn item_body(code: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut depth = 0_i32;
    for (i, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' | b'}' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(i..block_end(code, i)),
            _ => {}
        }
    }
    None
}

/// One past the brace that closes the one at `open`.
fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (i, byte) in code.bytes().enumerate().skip(open) {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        if depth == 0 {
            return i + 1;
        }
    }
    code.len()
}

/// `code` without the items that only tests have.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for mark in ["#[cfg(test)]", "#[cfg(all(test,", "#[test]"] {
        for (at, _) in code.match_indices(mark) {
            let semicolon = code[at..].find(';').map_or(code.len(), |end| at + end + 1);
            let end = item_body(code, at).map_or(semicolon, |body| body.end);
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
    }
    String::from_utf8(out).expect("whole items were blanked")
}

/// The text as code alone and as comments alone; what literals say is in neither.
fn blanked(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut code, mut comments) = (Vec::new(), Vec::new());
    let mut i = 0;
    while i < bytes.len() {
        let (length, is_comment) = match (comment_length(&text[i..]), literal_length(text, i)) {
            (Some(length), _) => (length, Some(true)),
            (None, Some(length)) => (length, Some(false)),
            (None, None) => (text[i..].chars().next().map_or(1, char::len_utf8), None),
        };
        for byte in &bytes[i..i + length] {
            let blank = if *byte == b'\n' { b'\n' } else { b' ' };
            code.push(if is_comment.is_none() { *byte } else { blank });
            comments.push(if is_comment == Some(true) { *byte } else { blank });
        }
        i += length;
    }
    let whole = |bytes| String::from_utf8(bytes).expect("whole characters were copied");
    (whole(code), whole(comments))
}

/// Bytes of the comment that `rest` begins with.
fn comment_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut i) = (0_usize, 0);
    let bytes = rest.as_bytes();
    while i + 1 < bytes.len() {
        match &bytes[i..i + 2] {
            b"/*" => (depth, i) = (depth + 1, i + 2),
            b"*/" => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return Some(i);
        }
    }
    Some(rest.len())
}

/// Bytes of the string or character literal that begins at `at`.
fn literal_length(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    if rest.starts_with('"') {
        return Some(closing_quote(rest, b'"'));
    }
    if rest.starts_with('\'') {
        let mut chars = rest.char_indices().skip(1);
        let (_, first) = chars.next()?;
        let is_character = first == '\\' || chars.next().is_some_and(|(_, second)| second == '\'');
        return is_character.then(|| closing_quote(rest, b'\''));
    }
    // Raw strings, with b or c before: what precedes must not be part of a name.
    let is_inside_word = at > 0 && is_word(text.as_bytes()[at - 1]);
    let raw = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix)).filter(|_| !is_inside_word)?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let inner = raw[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |found| found + end.len());
    Some(rest.len() - inner.len() + length)
}

/// Length up to and with the quote that closes the one that `rest` begins with.
fn closing_quote(rest: &str, quote: u8) -> usize {
    let bytes = rest.as_bytes();
    let mut i = 1;
    while i < bytes.len() && bytes[i] != quote {
        i += if bytes[i] == b'\\' { 2 } else { 1 };
    }
    (i + 1).min(bytes.len())
}

fn identifier(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_word(byte)).unwrap_or(text.len());
    &text[..end]
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Every Rust file of ours.
fn tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec!["build.rs".to_owned()];
    for folder in ["src", "tests", "benches", "examples", "ffi-tests"] {
        collect(root, folder, &mut paths);
    }
    paths.retain(|path| path.ends_with(".rs") && root.join(path).exists());
    paths.iter().map(|path| Source::new(path, fs::read_to_string(root.join(path)).expect("a readable file"))).collect()
}

fn collect(root: &Path, folder: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() { collect(root, &path, paths) } else { paths.push(path) }
    }
}

#[test]
fn the_reader_of_source_text_is_not_fooled() {
    let text = "a/*b/*c*/d*/e // f\n\"g\\\"h\" 'i' '\\'' 'l: j r#\"k\"l\"# m br\"n\" for\"o\" b'p' é 'é' r#q \"\\\\\" s";
    let (code, comments) = blanked(text);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&code), ["a", "e", "'l:", "j", "m", "for", "b", "é", "r#q", "s"]);
    assert_eq!(words(&comments), ["/*b/*c*/d*/", "//", "f"]);
    assert_eq!((code.len(), comments.len()), (text.len(), text.len()));
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        blanked(&text[..end]);
    }
}

#[test]
fn functions_are_found_with_their_bodies() {
    let code = "fn a<T>(x: [u8; 3]) -> Vec<T>\nwhere\n T: Fn(u8),\n{ if x { 1 } }\ntype B = fn (u8);\nfn c();\nimpl D { pub const fn d(&self) {}\n}";
    let found: Vec<_> = functions(code).into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("a".to_owned(), 1, 4), ("d".to_owned(), 7, 1)]);
}
