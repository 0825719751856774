//! The ABI: what programs that were built with the header rely on, as a text of facts that is checked in (`abi/bowline.txt`) and compared, and
//! as libabigail sees it (`abi/bowline.abi`), where that is installed. `docs/decisions/0028` says why both.
//!
//! BOWLINE_ABI=write writes both. What breaks programs is then listed on standard error.

use crate::text::Function;
use crate::tools::{cc, has, say, scratch, source};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Facts in the header's order: what they are about, and what is so.
type Facts = Vec<(String, String)>;

const HEAD: &str = "# What programs built with bowline.h rely on, on 64-bit machines; offsets and sizes in bytes.\n\
    # Made by BOWLINE_ABI=write cargo test --test ffi abi; do not edit.\n";

/// `0.1` of `0.1.0`: what bowline_check_abi compares while the version is 0.x.
fn series() -> &'static str {
    env!("CARGO_PKG_VERSION").rsplit_once('.').expect("three numbers").0
}

fn checked_in(name: &str) -> PathBuf {
    source("ffi-tests/abi").join(name)
}

fn header_text() -> String {
    fs::read_to_string(source("include/bowline.h")).expect("it is checked in")
}

/// C without its comments, each macro on one line, and with one space where there were many.
fn plain(text: &str) -> String {
    let text = text.replace("\\\n", " ");
    let mut parts = text.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once("*/").expect("a comment ends").1);
    let bare = rest.fold(first, |bare, part| bare + part);
    let lines = bare.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

fn constants(text: &str) -> impl Iterator<Item = (String, String)> {
    // Beginnings of structs, versions and attributes are the header's own affair; a program has compiled them in.
    let defines = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split_once(' '));
    let own = |name: &str| name.starts_with("BOWLINE_VERSION") || name.ends_with("_INIT") || name == "BOWLINE_WARN_UNUSED";
    defines.filter(move |(name, _)| !own(name)).map(|(name, value)| (format!("constant {name}"), value.to_owned()))
}

/// Structs and enums, typedefs, functions.
fn declarations(text: &str, layout: &BTreeMap<&str, &str>) -> Facts {
    let mut facts = Facts::new();
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let code = code.join(" ").replace("BOWLINE_WARN_UNUSED ", "").replace("extern \"C\" { ", "");
    let at = |place: &str| (*layout.get(place).unwrap_or_else(|| panic!("layout.txt does not have {place}"))).to_owned();
    let mut rest = code.as_str();
    while let Some(end) = rest.find([';', '{']) {
        let statement = rest[..end].trim();
        rest = &rest[end + 1..];
        let words: Vec<&str> = statement.split(' ').collect();
        let name = words.get(2).copied().unwrap_or_default();
        if code.as_bytes()[code.len() - rest.len() - 1] == b'{' {
            let (body, after) = rest.split_once('}').expect("what begins ends");
            rest = after.split_once(';').expect("and is followed by ;").1;
            if words[0] == "enum" {
                facts.extend(enumerators(words[1], body));
            } else {
                facts.push((format!("struct {name}"), format!("{} bytes", at(name))));
                facts.extend(body.split(';').map(str::trim).filter(|member| !member.is_empty()).map(|member| {
                    let (kind, member) = member_of(member);
                    let place = format!("{name}.{}", member.split('[').next().expect("a name"));
                    (format!("struct {place}"), format!("{kind} at {}", at(&place)))
                }));
            }
        } else if let Some(declaration) = statement.strip_prefix("BOWLINE_API ") {
            let function = Function::declared(declaration);
            let taken: Vec<&str> = function.parameters.iter().map(|parameter| parameter.kind.as_str()).collect();
            facts.push((format!("function {}", function.name), format!("{} ({})", function.answer, taken.join(", "))));
        } else if let Some(alias) = statement.strip_prefix("typedef ").filter(|alias| !alias.starts_with("enum ")) {
            let name =
                alias.split_once("(*").map_or_else(|| member_of(alias).1, |(_, rest)| rest.split(')').next().expect("it ends"));
            facts.push((format!("type {name}"), alias.to_owned()));
        }
    }
    facts
}

/// `const char *` and `name` of `const char *name`.
fn member_of(text: &str) -> (String, &str) {
    let begin = text.rfind([' ', '*']).map_or(0, |place| place + 1);
    let array = text.find('[').map_or("", |place| &text[place..]);
    (format!("{}{array}", text[..begin].trim_end()), &text[begin..])
}

fn enumerators(name: &str, body: &str) -> Facts {
    let rows = body.split(',').map(str::trim).filter(|row| !row.is_empty());
    let numbered = rows.map(|row| row.split_once(" = ").unwrap_or_else(|| panic!("{row} has no number")));
    numbered.map(|(row, number)| (format!("enum {name} {row}"), number.to_owned())).collect()
}

fn facts(header: &str, layout: &str) -> Facts {
    let text = plain(header);
    let layout = layout.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    constants(&text).chain(declarations(&text, &layout)).collect()
}

fn present() -> Facts {
    facts(&header_text(), &fs::read_to_string(source("ffi-tests/layout.txt")).expect("it is checked in"))
}

fn written(facts: &Facts) -> String {
    let lines: String = facts.iter().map(|(about, what)| format!("{about} = {what}\n")).collect();
    format!("{HEAD}version = {}\n{lines}", series())
}

fn read(text: &str) -> Facts {
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    lines.map(|(about, what)| (about.to_owned(), what.to_owned())).collect()
}

/// It grows like those that tell their size: callers pass sizeof theirs as event_size.
const EVENT: &str = "struct bowline_event";

/// What differs, as lines that say what was and what is: first what breaks programs, then what only adds.
fn compare(old: &Facts, new: &Facts) -> (Vec<String>, Vec<String>) {
    let (before, now): (BTreeMap<_, _>, BTreeMap<_, _>) = (old.iter().cloned().collect(), new.iter().cloned().collect());
    let bytes = |facts: &BTreeMap<String, String>, about: &str| -> Option<u32> {
        facts.get(about)?.rsplit(' ').find_map(|word| word.parse().ok())
    };
    let owner = |about: &str| about.split('.').next().expect("a part").to_owned();
    // What tells its size may grow at the end.
    let grows = |about: &str| about == EVENT || before.contains_key(&format!("{about}.struct_size"));
    let (mut breaks, mut adds) = (Vec::new(), Vec::new());
    for (about, was) in old.iter().filter(|(about, _)| about != "version") {
        match now.get(about) {
            Some(is) if is == was => {}
            Some(is) if grows(about) && bytes(&now, about) > bytes(&before, about) => {
                adds.push(format!("  {about}: {was}, now {is}"));
            }
            is => {
                breaks.push(format!("- {about} = {was}\n+ {}", is.map_or("nothing".to_owned(), |is| format!("{about} = {is}"))))
            }
        }
    }
    for (about, is) in new.iter().filter(|(about, _)| !before.contains_key(about)) {
        let size = bytes(&before, &owner(about)).filter(|_| about.contains('.'));
        let behind = size.is_none_or(|size| grows(&owner(about)) && bytes(&now, about) >= Some(size));
        if behind { &mut adds } else { &mut breaks }.push(format!("+ {about} = {is}"));
    }
    (breaks, adds)
}

#[test]
fn the_abi_is_the_one_that_is_checked_in() {
    let file = checked_in("bowline.txt");
    let old = fs::read_to_string(&file).unwrap_or_default();
    let new = present();
    let (breaks, adds) = compare(&read(&old), &new);
    let advice = format!(
        "\nbreaks programs that were built with {0}:\n{1}\nis new:\n{2}\n\nWhile the version is 0.x, bowline_check_abi takes programs of its own minor \
         only. Once a {0} is released, what breaks its programs needs the next minor in Cargo.toml, or must become something that only adds. If it is \
         meant: BOWLINE_ABI=write cargo test --test ffi abi",
        series(),
        breaks.join("\n"),
        adds.join("\n"),
    );
    if std::env::var("BOWLINE_ABI").as_deref() == Ok("write") {
        if !breaks.is_empty() && !old.is_empty() {
            say(&advice);
        }
        return fs::write(&file, written(&new)).expect("writable");
    }
    assert!(old == written(&new), "the header is not what ffi-tests/abi/bowline.txt says.{advice}");
}

/// Each change to the header, and whether it breaks programs.
#[test]
fn a_change_that_breaks_is_told_from_one_that_adds() {
    let (header, layout) = (header_text(), fs::read_to_string(source("ffi-tests/layout.txt")).expect("it is checked in"));
    let old = facts(&header, &layout);
    assert_eq!(compare(&old, &old), (Vec::new(), Vec::new()));
    assert_eq!(read(&written(&old))[1..], old[..], "what is written is read");
    assert!(old.iter().any(|(about, _)| about == "enum bowline_state BOWLINE_STATE_NEW"));
    assert!(old.contains(&("struct bowline_addr.port".to_owned(), "uint16_t at 2".to_owned())));

    let changed = |from: &str, to: &str| {
        assert!(header.contains(from) || layout.contains(from), "{from} is in neither file");
        compare(&old, &facts(&header.replace(from, to), &layout.replace(from, to)))
    };
    let breaking = [
        ("uint64_t bowline_clock_ns(void)", "uint32_t bowline_clock_ns(void)"),
        ("bowline_clock_ns(void)", "bowline_clock_now(void)"),
        ("BOWLINE_STATE_NEW = 0", "BOWLINE_STATE_NEW = 9"),
        ("#define BOWLINE_AF_IPV4 4", "#define BOWLINE_AF_IPV4 2"),
        ("typedef uint16_t bowline_channel;", "typedef uint32_t bowline_channel;"),
        ("\nbowline_addr.port 2\n", "\nbowline_addr.port 4\n"),
        ("\nbowline_addr 24\n", "\nbowline_addr 32\n"),
    ];
    for (from, to) in breaking {
        assert!(!changed(from, to).0.is_empty(), "{to} breaks programs");
    }
    let adding = [
        ("    BOWLINE_STATE_NEW = 0", "    BOWLINE_STATE_LATER = 9,\n    BOWLINE_STATE_NEW = 0"),
        (
            "BOWLINE_API const char *bowline_version_string(void);",
            "BOWLINE_API const char *bowline_version_string(void);\nBOWLINE_API int f(void);",
        ),
        ("#define BOWLINE_AF_IPV4 4", "#define BOWLINE_AF_IPV4 4\n#define BOWLINE_AF_MORE 5"),
    ];
    for (from, to) in adding {
        let (breaks, adds) = changed(from, to);
        assert!(breaks.is_empty() && adds.len() == 1, "{to} only adds: {breaks:?}");
    }
}

/// What grows at its end only adds, where it says its size; in any other place it breaks.
#[test]
fn structs_grow_at_their_end_only() {
    let of = |size: u32, extra: &str, fixed: &str| {
        read(&format!("struct a = {size} bytes\nstruct a.{fixed} = uint32_t at 0\nstruct a.x = uint32_t at 4\n{extra}"))
    };
    let event = |size: u32, extra: &str| {
        read(&format!("struct bowline_event = {size} bytes\nstruct bowline_event.kind = int32_t at 0\n{extra}"))
    };
    let (breaks, adds) = compare(&event(72, ""), &event(80, "struct bowline_event.more = uint64_t at 72\n"));
    assert_eq!((breaks.len(), adds.len()), (0, 2), "callers tell its size");
    let growing = of(8, "", "struct_size");
    let (breaks, adds) = compare(&growing, &of(16, "struct a.y = uint64_t at 8\n", "struct_size"));
    assert_eq!((breaks.len(), adds.len()), (0, 2));
    assert_eq!(compare(&growing, &of(4, "", "struct_size")).0.len(), 1, "it shrank");
    assert_eq!(compare(&growing, &of(16, "struct a.y = uint16_t at 6\n", "struct_size")).0.len(), 1, "it is within the old size");
    assert_eq!(
        compare(&of(8, "", "first"), &of(16, "struct a.y = uint64_t at 8\n", "first")).0.len(),
        2,
        "it does not say its size"
    );
}

/// A library of the header's functions without what they do, compiled with what a debugger wants to know: the same on every machine, and
/// made in no time, unlike a build of the real one with debug information.
fn hollow(header: &str, name: &str) -> PathBuf {
    let folder = scratch("abi").join(name);
    fs::create_dir_all(&folder).expect("writable");
    fs::write(folder.join("bowline.h"), header).expect("writable");
    let body = |declaration: &str| format!("{declaration}\n{{\n    __builtin_trap();\n}}\n");
    let text = plain(header).replace("BOWLINE_WARN_UNUSED", "");
    let functions: String = text.split("\nBOWLINE_API").skip(1).filter_map(|rest| rest.split(';').next()).map(body).collect();
    fs::write(folder.join("hollow.c"), format!("#include \"bowline.h\"\n{functions}")).expect("writable");
    let library = folder.join("libbowline.so");
    let mut command = Command::new(cc());
    command.current_dir(&folder).args(["-std=c11", "-g", "-shared", "-fPIC", "hollow.c", "-o"]).arg(&library);
    let output = command.output().expect("the compiler runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// What abidiff has against a library, if anything. New functions are none of it, nor what is new at the end of a struct that tells its size.
fn objections(library: &Path) -> Option<String> {
    let names: Vec<String> = present()
        .iter()
        .filter_map(|(about, _)| Some(about.strip_prefix("struct ")?.strip_suffix(".struct_size")?.to_owned()))
        .chain(EVENT.strip_prefix("struct ").map(str::to_owned))
        .collect();
    let rules = library.with_extension("suppressions");
    let text = format!(
        "[suppress_type]\n type_kind = struct\n name_regexp = ^({})$\n has_data_member_inserted_at = end\n",
        names.join("|")
    );
    fs::write(&rules, text).expect("writable");
    let mut command = Command::new("abidiff");
    command.args(["--no-added-syms", "--suppressions"]).arg(rules).arg(checked_in("bowline.abi")).arg(library);
    let output = command.output().expect("abidiff runs");
    (!output.status.success())
        .then(|| format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn abidiff_sees_no_break() {
    if !cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
        return say("the ABI for abidiff was written on x86_64: it is not compared here");
    }
    if let Some(missing) = ["abidiff", "abidw", &cc()].into_iter().find(|tool| !has(tool)) {
        return say(&format!("{missing} is missing: the ABI is compared by text only"));
    }
    let header = header_text();
    let library = hollow(&header, "present");
    if std::env::var("BOWLINE_ABI").as_deref() == Ok("write") {
        let mut command = Command::new("abidw");
        command.arg("--headers-dir").arg(library.parent().expect("a folder")).arg("--out-file").arg(checked_in("bowline.abi"));
        command.args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--type-id-style", "hash"]).arg(&library);
        assert!(command.status().expect("abidw runs").success());
    }
    if let Some(text) = objections(&library) {
        panic!("the header breaks programs, or BOWLINE_ABI=write is due (see abi/bowline.txt):\n{text}");
    }
    for (name, from, to) in [
        ("answer", "uint64_t bowline_clock_ns(void)", "uint32_t bowline_clock_ns(void)"),
        ("name", "bowline_clock_ns(void)", "bowline_clock_now(void)"),
        ("member", "    uint8_t family;", "    uint16_t family;"),
        ("alias", "typedef uint16_t bowline_channel;", "typedef uint32_t bowline_channel;"),
    ] {
        assert!(header.contains(from), "{from} is not in the header");
        assert!(objections(&hollow(&header.replace(from, to), name)).is_some(), "{to} breaks programs");
    }
    for (name, from, to) in [
        (
            "function",
            "BOWLINE_API const char *bowline_version_string(void);",
            "BOWLINE_API const char *bowline_version_string(void);\n\nBOWLINE_API int f(void);",
        ),
        ("growth", "} bowline_send_opts;", "    uint64_t more;\n} bowline_send_opts;"),
        ("grown_event", "} bowline_event;", "    uint64_t more;\n} bowline_event;"),
    ] {
        assert!(header.contains(from), "{from} is not in the header");
        assert_eq!(objections(&hollow(&header.replace(from, to), name)), None, "{to} only adds");
    }
}
