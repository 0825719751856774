//! The library as it is installed: `bindings/install/install.sh` fills a prefix, the prefix is moved, and consumers of each kind are built
//! from it as the guide says. The programs and their build files are in `packaging/`.

use crate::examples::Talker;
use crate::text::Header;
use crate::tools::{SYSTEM_LIBRARIES, cc, command, has, output, say, scratch, shared_library, soname, source};
use crate::{go, guide};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn installer(arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.arg(source("bindings/install/install.sh")).args(arguments);
    command.env_remove("DESTDIR").env_remove("CARGO_TARGET_DIR");
    command
}

/// The libraries that cargo built with these tests.
fn from() -> String {
    format!("--from={}", shared_library().parent().expect("it lies in a folder").display())
}

fn answer(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a command that must succeed prints.
fn said(command: &mut Command) -> String {
    let output = answer(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    text
}

/// What a command that must fail complains of.
fn complaint(command: &mut Command) -> String {
    let output = answer(command);
    assert!(!output.status.success(), "{command:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn cleared(name: &str) -> PathBuf {
    let folder = scratch("packaging").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("cargo's folder for tests is writable");
    folder
}

/// A prefix that was filled elsewhere and then moved here; None, said aloud, where a tool is missing.
fn installed() -> Option<&'static Path> {
    static PREFIX: OnceLock<Option<PathBuf>> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| {
        if let Some(missing) = ["ld", "objcopy", "ar", "nm", &cc()].into_iter().find(|tool| !has(tool)) {
            say(&format!("{missing} is missing: the library is not installed, and no consumer is built"));
            return None;
        }
        let place = cleared("prefix");
        let staged = place.join("staged");
        said(installer(&["--prefix", "/opt/bowline", &from()]).env("DESTDIR", &staged));
        fs::rename(staged.join("opt/bowline"), place.join("moved")).expect("it was installed there");
        Some(place.join("moved"))
    });
    prefix.as_deref()
}

/// Every file and link below a folder, by its path from there.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("it is below").display().to_string());
            }
        }
    }
    found
}

/// What an installation in a prefix consists of.
fn expected(libdir: &str, with_static: bool) -> BTreeSet<String> {
    let headers = files(&source("include")).into_iter().map(|name| format!("include/{name}"));
    let mut names = vec![
        "libbowline.so".to_owned(),
        soname(),
        format!("libbowline.so.{VERSION}"),
        "pkgconfig/bowline.pc".to_owned(),
        "cmake/bowline/bowlineConfig.cmake".to_owned(),
        "cmake/bowline/bowlineConfigVersion.cmake".to_owned(),
        "cmake/bowline/files".to_owned(),
    ];
    if with_static {
        names.push("libbowline.a".to_owned());
    }
    headers.chain(names.into_iter().map(|name| format!("{libdir}/{name}"))).collect()
}

/// Symbols that nm lists, without their kinds.
fn symbols(flags: &[&str], library: &Path) -> BTreeSet<String> {
    let listed = output("nm", &[flags, &[library.to_str().expect("a plain path")]].concat());
    listed.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect()
}

fn declared() -> BTreeSet<String> {
    Header::read().functions.into_iter().map(|function| function.name).collect()
}

/// A folder with the guide's program and the files of `packaging/`, where consumers are built.
fn workshop(name: &str) -> PathBuf {
    let folder = cleared(name);
    fs::write(folder.join("hello.c"), guide::program()).expect("writable");
    for entry in fs::read_dir(source("ffi-tests/packaging")).expect("it is checked in") {
        let path = entry.expect("readable").path();
        fs::copy(&path, folder.join(path.file_name().expect("a file"))).expect("writable");
    }
    folder
}

/// A line of shell as an author types it, in a workshop, for whom pkg-config knows the prefix.
fn shell(folder: &Path, prefix: &Path, libdir: &str, line: &str) -> String {
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-euc", line]).env_remove("PKG_CONFIG_LIBDIR");
    command.env("PKG_CONFIG_PATH", prefix.join(libdir).join("pkgconfig"));
    said(&mut command)
}

/// Runs a consumer; where the loader finds the shared library is said, because a prefix for tests is none that it knows.
fn runs(program: &Path, libraries: Option<&Path>) -> String {
    let mut command = command(program);
    command.env_remove("LD_LIBRARY_PATH");
    if let Some(folder) = libraries {
        command.env("LD_LIBRARY_PATH", folder);
    }
    said(&mut command)
}

fn has_pkg_config() -> bool {
    has("pkg-config") || {
        say("pkg-config is missing: consumers that ask it are not built");
        false
    }
}

/// How the guide compiles its program with the shared library, and with the static one.
const SHARED: &str = "--cflags --libs";
const LINKED_IN: &str = "-Bstatic";

#[test]
fn everything_is_where_it_belongs() {
    let Some(prefix) = installed() else { return };
    assert_eq!(files(prefix), expected("lib", true));
    for link in ["libbowline.so".to_owned(), soname()] {
        let target = fs::read_link(prefix.join("lib").join(link)).expect("a link");
        assert_eq!(target, OsStr::new(&format!("libbowline.so.{VERSION}")));
    }
    let library = prefix.join("lib/libbowline.so");
    assert_eq!(symbols(&["-D", "--defined-only"], &library), declared());
    if has("readelf") {
        let dynamic = output("readelf", &["-d", library.to_str().expect("a plain path")]);
        assert!(dynamic.contains(&format!("[{}]", soname())), "the library has another name than its link:\n{dynamic}");
    }
}

#[test]
fn the_static_library_has_no_symbol_but_the_headers() {
    let Some(prefix) = installed() else { return };
    let archive = prefix.join("lib/libbowline.a");
    assert_eq!(symbols(&["-g", "--defined-only"], &archive), declared());
    let wanted = output("nm", &["-u", archive.to_str().expect("a plain path")]);
    assert!(!wanted.contains("sodium_"), "it wants a libsodium from outside:\n{wanted}");
    let built = fs::metadata(shared_library().with_extension("a")).expect("cargo built it").len();
    assert!(fs::metadata(&archive).expect("it is there").len() < built, "nothing was left out");
}

/// cargo-c is told the same as the script knows.
#[test]
fn the_metadata_for_cargo_c_are_ours() {
    let manifest = fs::read_to_string(source("Cargo.toml")).expect("it is checked in");
    for header in files(&source("include")) {
        let asset = format!("{{ from = \"include/{header}\", to = \"\" }}");
        assert!(manifest.contains(&asset), "package.metadata.capi.install.include does not have {asset}");
    }
    let described = fs::read_to_string(source("bindings/install/bowline.pc.in")).expect("it is checked in");
    let described = described.lines().find_map(|line| line.strip_prefix("Description: ")).expect("a line");
    assert!(manifest.contains(&format!("description = \"{described}\"")), "{described}");
}

/// A program gets what it calls and not the rest.
#[test]
fn the_static_library_is_linked_by_section() {
    let Some(prefix) = installed() else { return };
    let folder = workshop("sections");
    let program = "#include <bowline.h>\nint main(void) { return bowline_check_abi(BOWLINE_VERSION_NUMBER); }\n";
    fs::write(folder.join("small.c"), program).expect("writable");
    let size = |flag: &str, name: &str| {
        let mut command = Command::new(cc());
        command.current_dir(&folder).args([flag, "-s", "small.c", "-o", name, "-I"]).arg(prefix.join("include"));
        said(command.arg(prefix.join("lib/libbowline.a")).args(SYSTEM_LIBRARIES.split_whitespace()));
        runs(&folder.join(name), None);
        fs::metadata(folder.join(name)).expect("it was built").len()
    };
    let (all, part) = (size("-Wl,--no-gc-sections", "all"), size("-Wl,--gc-sections", "part"));
    assert!(part * 4 < all, "{part} bytes of {all}");
}

#[test]
fn pkg_config_finds_the_shared_library() {
    let Some(prefix) = installed().filter(|_| has_pkg_config()) else { return };
    let folder = workshop("pkg-config-shared");
    shell(&folder, prefix, "lib", &guide::commands(SHARED));
    assert_eq!(runs(&folder.join("hello"), Some(&prefix.join("lib"))), "hello\n");
    assert_eq!(shell(&folder, prefix, "lib", "pkg-config --modversion bowline").trim(), VERSION);
}

#[test]
fn pkg_config_finds_the_static_library() {
    let Some(prefix) = installed().filter(|_| has_pkg_config()) else { return };
    let folder = workshop("pkg-config-static");
    shell(&folder, prefix, "lib", &guide::commands(LINKED_IN));
    assert_eq!(runs(&folder.join("hello"), None), "hello\n");
}

/// What the static library needs of the system, in the four places that say so.
#[test]
fn the_libraries_of_the_system_are_those_that_rustc_names() {
    let template = |name: &str| fs::read_to_string(source("bindings/install").join(name)).expect("it is checked in");
    let private = template("bowline.pc.in");
    let private = private.lines().find_map(|line| line.strip_prefix("Libs.private: ")).expect("a line");
    assert_eq!(private, SYSTEM_LIBRARIES);
    let cmake = template("bowlineConfig.cmake.in");
    let cmake = cmake.split("@REQUIRES_CMAKE@").nth(1).and_then(|rest| rest.split('"').next()).expect("a property");
    let cmake: Vec<String> = cmake.split(';').map(|name| format!("-l{name}")).collect();
    assert_eq!(cmake.join(" "), SYSTEM_LIBRARIES);
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if !has(&rustc) {
        return say("rustc is missing: the system's libraries are not compared");
    }
    let folder = workshop("native");
    let mut command = Command::new(rustc);
    command.current_dir(&folder).args(["--edition=2024", "--crate-type=staticlib", "--print=native-static-libs", "second.rs"]);
    let output = answer(&mut command);
    let note = String::from_utf8_lossy(&output.stderr).into_owned();
    let named = note.lines().find_map(|line| line.split_once("native-static-libs: ")).unwrap_or_else(|| panic!("{note}")).1;
    assert_eq!(named, SYSTEM_LIBRARIES);
}

fn cmake(prefix: &Path, name: &str) -> Option<PathBuf> {
    if !has("cmake") {
        say("cmake is missing: its consumer is not built");
        return None;
    }
    let folder = workshop(name);
    let numbers: Vec<u32> = VERSION.split('.').map(|part| part.parse().expect("a number")).collect();
    let (major, minor, patch) = (numbers[0], numbers[1], numbers[2]);
    let mut configure = Command::new("cmake");
    configure.current_dir(&folder).args(["-S", ".", "-B", "."]).arg(format!("-DRIGHT={major}.{minor}"));
    let whole = if major == 0 { ";0" } else { "" };
    configure.arg(format!("-DWRONG={major}.{};{}.0;{major}.{minor}.{}{whole}", minor + 1, major + 1, patch + 1));
    said(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())).env("CC", cc()));
    said(Command::new("cmake").current_dir(&folder).args(["--build", "."]));
    Some(folder)
}

#[test]
fn cmake_finds_both_libraries() {
    let Some(prefix) = installed() else { return };
    if has("cmake") {
        // A project without a language, as one that only packs things up.
        let bare = cleared("cmake-bare");
        let text = "cmake_minimum_required(VERSION 3.13)\nproject(bare NONE)\nfind_package(bowline CONFIG REQUIRED)\n";
        fs::write(bare.join("CMakeLists.txt"), text).expect("writable");
        let mut configure = Command::new("cmake");
        configure.current_dir(&bare).args(["-S", ".", "-B", "."]);
        said(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    }
    let Some(folder) = cmake(prefix, "cmake") else { return };
    assert_eq!(runs(&folder.join("shared"), None), "hello\n", "CMake writes where the library is");
    assert_eq!(runs(&folder.join("linked_in"), None), "hello\n");
    // As /lib is a link to /usr/lib.
    let linked = cleared("cmake-linked");
    std::os::unix::fs::symlink(prefix.join("lib"), linked.join("lib")).expect("writable");
    let Some(folder) = cmake(&linked, "cmake through a link") else { return };
    assert_eq!(runs(&folder.join("shared"), None), "hello\n");
}

#[test]
fn go_finds_the_shared_library() {
    let Some(prefix) = installed().filter(|_| has_pkg_config()) else { return };
    if !has("go") {
        return say("go is missing: its consumer is not built");
    }
    let folder = workshop("go");
    // Go compiles its own runtime once, and keeps it there.
    let cache = scratch("packaging").join("go-cache");
    shell(&folder, prefix, "lib", &format!("GOCACHE='{}' GOTOOLCHAIN=local GOFLAGS= go build -o hello main.go", cache.display()));
    // Not in the tool of BOWLINE_WRAP: none understands Go's stacks.
    let version = said(Command::new(folder.join("hello")).env("LD_LIBRARY_PATH", prefix.join("lib")));
    assert_eq!(version.trim(), VERSION);
}

/// The Go package itself, as users have it: with the shared library, and with the one whose symbols were made local.
#[test]
fn the_go_package_is_built_from_the_prefix() {
    let Some(prefix) = installed().filter(|_| has_pkg_config()) else { return };
    if !go::can_run("the Go package is not built from the installed prefix") {
        return;
    }
    for (name, tags) in [("go-shared", ""), ("go-linked-in", "bowline_static")] {
        let program = go::built_gossip(prefix, &cleared(name), tags);
        let start = |arguments: &[&str]| {
            let mut command = command(&program);
            command.env_remove("LD_LIBRARY_PATH");
            if tags.is_empty() {
                command.env("LD_LIBRARY_PATH", prefix.join("lib"));
            }
            Talker::start_by(command, &program, arguments)
        };
        let mut first = start(&["127.0.0.1:0"]);
        let address = first.line();
        let mut second = start(&["127.0.0.1:0", &address]);
        go::spread(&mut second, &mut first, name);
        second.end();
        first.end();
    }
}

/// A program with a libsodium of its own and with another Rust library takes bowline's static library as well as the shared one.
#[test]
fn another_libsodium_and_another_rust_live_beside_it() {
    let Some(prefix) = installed() else { return };
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if !has(&rustc) {
        return say("rustc is missing: no other Rust library is linked beside");
    }
    let folder = workshop("beside");
    let mut command = Command::new(rustc);
    said(command.current_dir(&folder).args(["--edition=2024", "--crate-type=staticlib", "-Cpanic=unwind", "second.rs"]));
    // The same with its symbols made local as ours are: a panic that it catches shows that unwinding outlives that.
    fs::write(folder.join("names"), "second_catches\n").expect("writable");
    let mut localise = Command::new("sh");
    said(localise.current_dir(&folder).arg(source("bindings/install/localise.sh")).args(["libsecond.a", "liblocal.a", "names"]));
    assert_eq!(symbols(&["-g", "--defined-only"], &folder.join("liblocal.a")), BTreeSet::from(["second_catches".to_owned()]));
    let lib = prefix.join("lib");
    for (number, libraries) in [
        ["libbowline.a", "libsecond.a"],
        ["libsecond.a", "libbowline.a"],
        ["libbowline.a", "liblocal.a"],
        ["libsecond.a", "libbowline.so"],
    ]
    .iter()
    .enumerate()
    {
        let host = folder.join(format!("host{number}"));
        let mut command = Command::new(cc());
        command.current_dir(&folder).args(["-Wall", "-Wextra", "-Werror", "-Wl,--fatal-warnings", "host.c", "-I"]);
        command.arg(prefix.join("include")).arg("-o").arg(&host);
        for library in libraries {
            command.arg(if library.starts_with("libbowline") { lib.join(library) } else { folder.join(library) });
        }
        said(command.args(SYSTEM_LIBRARIES.split_whitespace()));
        assert_eq!(runs(&host, Some(&lib)), "hello\nbeside each other\n", "{libraries:?}");
    }
}

/// The script again changes nothing; without a static library it needs no tools, and takes the old one away; what it removes is its own.
#[test]
fn it_is_installed_again_elsewhere_and_removed() {
    if installed().is_none() {
        return;
    }
    let prefix = cleared("again");
    let name = prefix.to_str().expect("a plain path");
    let libdir = "lib/x86_64-linux-gnu";
    let to = ["--prefix", name, "--libdir", libdir];
    let with = |more: &[&str]| said(installer(&[&to[..], more].concat()).env("LD", "false").env("OBJCOPY", "no-such-tool"));
    fs::create_dir_all(prefix.join(libdir)).expect("writable");
    for file in ["libbowline.a", "libother.a"] {
        fs::write(prefix.join(libdir).join(file), "old").expect("writable");
    }
    for _ in 0..2 {
        with(&["--no-static", &from()]);
        let mut found = files(&prefix);
        assert!(found.remove(&format!("{libdir}/libother.a")), "it took what is not its own");
        assert_eq!(found, expected(libdir, false));
    }
    if has_pkg_config() {
        let folder = workshop("elsewhere");
        shell(&folder, &prefix, libdir, &guide::commands(SHARED));
        assert_eq!(runs(&folder.join("hello"), Some(&prefix.join(libdir))), "hello\n");
    }
    if let Some(folder) = cmake(&prefix, "cmake-elsewhere") {
        assert_eq!(runs(&folder.join("shared"), None), "hello\n");
        assert!(!folder.join("linked_in").exists(), "there is no static library");
    }
    let removed = with(&["--uninstall"]);
    assert_eq!(removed.lines().count(), expected(libdir, false).len());
    assert_eq!(files(&prefix), BTreeSet::from([format!("{libdir}/libother.a")]));
    assert_eq!(with(&["--uninstall"]), "", "there was nothing left");
}

/// The source as it would be at another version, with the script that installs it.
fn source_of(version: &str) -> PathBuf {
    let copy = cleared(&format!("source-{version}"));
    for folder in ["bindings/install", "include"] {
        fs::create_dir_all(copy.join(folder)).expect("writable");
        for file in files(&source(folder)) {
            fs::copy(source(folder).join(&file), copy.join(folder).join(&file)).expect("writable");
        }
    }
    let manifest = fs::read_to_string(source("Cargo.toml")).expect("it is checked in");
    let (now, then) = (format!("\nversion = \"{VERSION}\""), format!("\nversion = \"{version}\""));
    fs::write(copy.join("Cargo.toml"), manifest.replacen(&now, &then, 1)).expect("writable");
    copy.join("bindings/install/install.sh")
}

/// What an older version left behind goes, but for a library that programs of another series load; what is not ours stays.
#[test]
fn an_upgrade_leaves_nothing_behind_that_nobody_loads() {
    let prefix = cleared("upgraded");
    let name = prefix.to_str().expect("a plain path");
    let run = |script: &Path, arguments: &[&str]| {
        said(Command::new("sh").arg(script).args(["--prefix", name]).args(arguments).env_remove("DESTDIR"))
    };
    let libraries = || {
        let found = files(&prefix).into_iter().filter_map(|file| file.strip_prefix("lib/libbowline.so").map(str::to_owned));
        found.collect::<Vec<_>>().join(" ")
    };
    fs::create_dir_all(prefix.join("include")).expect("writable");
    fs::write(prefix.join("include/bowline.h"), "another's").expect("writable");
    let first = source_of("0.7.0");
    assert_eq!(run(&first, &["--uninstall"]), "", "nothing is installed");
    assert!(prefix.join("include/bowline.h").exists(), "it took what it had not installed");
    run(&first, &["--no-static", &from()]);
    assert_eq!(libraries(), " .0.7 .0.7.0");
    run(&source_of("0.7.1"), &["--no-static", &from()]);
    assert_eq!(libraries(), " .0.7 .0.7.1");
    run(&source_of("0.8.0"), &["--no-static", &from()]);
    assert_eq!(libraries(), " .0.7 .0.7.1 .0.8 .0.8.0");
    let last = source_of("1.0.0");
    run(&last, &["--no-static", &from()]);
    assert_eq!(libraries(), " .0.7 .0.7.1 .0.8 .0.8.0 .1 .1.0.0");
    fs::write(prefix.join("lib/libbowline.so.9"), "another's").expect("writable");
    run(&last, &["--uninstall"]);
    assert_eq!(files(&prefix), BTreeSet::from(["lib/libbowline.so.9".to_owned()]));
}

/// Two builds in one prefix share the headers, until the last of them goes.
#[test]
fn headers_stay_as_long_as_another_libdir_needs_them() {
    let prefix = cleared("twofold");
    let run = |libdir: &str, option: &str| {
        let mut command = installer(&["--prefix", prefix.to_str().expect("a plain path"), "--libdir", libdir, option]);
        said(command.arg(from()))
    };
    for libdir in ["lib", "lib32", "lib/deep"] {
        run(libdir, "--no-static");
    }
    run("lib32", "--uninstall");
    run("lib", "--uninstall");
    assert_eq!(files(&prefix), expected("lib/deep", false));
    run("lib/deep", "--uninstall");
    assert_eq!(files(&prefix), BTreeSet::new());
    // Neither a prefix within this one nor another name of this libdir is another libdir.
    let inner = prefix.join("local");
    said(&mut installer(&["--prefix", inner.to_str().expect("a plain path"), "--no-static", &from()]));
    std::os::unix::fs::symlink("lib", prefix.join("lib64")).expect("writable");
    run("lib", "--no-static");
    run("lib", "--no-static");
    run("lib", "--uninstall");
    assert_eq!(files(&inner), expected("lib", false));
    fs::remove_dir_all(&inner).and_then(|()| fs::remove_file(prefix.join("lib64"))).expect("writable");
    assert_eq!(files(&prefix), BTreeSet::new());
}

/// Paths that a shell would take apart; the script is found through a link. pkg-config itself loses quotes, CMake does not.
#[test]
fn a_prefix_may_have_blanks_and_quotes() {
    let folder = workshop("in a blank");
    let link = folder.join("install");
    std::os::unix::fs::symlink(source("bindings/install/install.sh"), &link).expect("writable");
    for (name, has_quote) in [("the prefix", false), ("the prefix's own", true)] {
        let prefix = folder.join(name);
        let mut command = Command::new("sh");
        command.arg(&link).arg("--prefix").arg(&prefix).args(["--no-static", &from()]).env_remove("DESTDIR");
        said(&mut command);
        assert_eq!(files(&prefix), expected("lib", false));
        if !has_quote && has_pkg_config() && has(&cc()) {
            // What pkg-config says is for a shell to read once more.
            shell(&folder, &prefix, "lib", &format!("eval \"{}\"", guide::commands(SHARED).trim()));
            assert_eq!(runs(&folder.join("hello"), Some(&prefix.join("lib"))), "hello\n");
        }
        if let Some(built) = cmake(&prefix, &format!("cmake with {name}")) {
            assert_eq!(runs(&built.join("shared"), None), "hello\n");
        }
    }
}

#[test]
fn the_script_says_what_is_wrong() {
    let empty = cleared("empty");
    let nothing = empty.to_str().expect("a plain path");
    fs::write(empty.join("file"), "").expect("writable");
    let inside = format!("{nothing}/file/prefix");
    let built = from();
    fs::create_dir_all(empty.join("full/lib/libbowline.so")).expect("writable");
    let full = format!("{nothing}/full");
    let cases: [(&[&str], &str); 14] = [
        (&["--prefix", nothing, "--target-dir", nothing], "run 'cargo build --release --lib' first"),
        (
            &["--prefix", nothing, "--target-dir", nothing, "--profile=dev"],
            "debug/libbowline.so is missing: run 'cargo build --lib --profile dev'",
        ),
        (&["--prefix", "here"], "--prefix here: give the whole path"),
        (&["--prefix", "/opt/x", "--libdir", "/usr/lib"], "--libdir /usr/lib: it lies within the prefix"),
        (&["--libdir", "../lib"], "it lies within the prefix"),
        (&["--prefix"], "--prefix needs a value"),
        (&["--static"], "there is no option --static"),
        (&["uninstall"], "there is no option uninstall"),
        (&["--prefix", &inside, "--no-static", &built], "cannot be written: choose another --prefix"),
        (&["--libdir", "l&b", &built], "--libdir l&b: letters"),
        (&["--libdir", "", &built], "--libdir : letters"),
        (&["--no-static=x"], "there is no option --no-static with a value"),
        (&["--uninstall=no"], "there is no option --uninstall with a value"),
        (&["--prefix", &full, "--no-static", &built], "lib/libbowline.so is a folder: remove it"),
    ];
    for (arguments, part) in cases {
        let text = complaint(&mut installer(arguments));
        assert!(text.contains(part), "{arguments:?} says\n{text}instead of {part}");
    }
    if installed().is_none() {
        return;
    }
    for tool in ["OBJCOPY", "NM"] {
        let no_tool = complaint(installer(&["--prefix", nothing, &built]).env(tool, "no-such-tool"));
        assert!(no_tool.contains("no-such-tool is missing: install binutils"), "{no_tool}");
    }
    let other_nm = complaint(installer(&["--prefix", nothing, &built]).env("NM", "false"));
    assert!(other_nm.contains("false cannot read what ld has made"), "{other_nm}");
    // Libraries without our functions, as those that are older than the header lack some.
    for (file, content) in [("libbowline.so", "bowline_version"), ("libbowline.a", "!<arch>\n")] {
        for library in ["libbowline.so", "libbowline.a"] {
            let from = if library == "libbowline.a" { shared_library().with_extension("a") } else { shared_library() };
            let _ = fs::remove_file(empty.join(library));
            std::os::unix::fs::symlink(from, empty.join(library)).expect("writable");
        }
        fs::remove_file(empty.join(file)).and_then(|()| fs::write(empty.join(file), content)).expect("writable");
        let old = complaint(&mut installer(&["--prefix", nothing, "--from", nothing]));
        assert!(old.contains(file) && old.contains("is older than include/bowline.h"), "{file}: {old}");
        assert!(!empty.join("include").exists(), "half of it was installed");
    }
    let help = said(&mut installer(&["--help"]));
    assert!(help.contains("--no-static"), "{help}");
}
