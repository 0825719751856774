//! Compilers and programs for the tests: where the library is, how a C program is built with it, how what it says is judged.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Libraries that the static library needs, as rustc says with `--print native-static-libs`.
const SYSTEM_LIBRARIES: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";
/// Warnings are errors in our C.
const STRICT: &str = "-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Wpedantic -Wundef -Wshadow -Wstrict-prototypes -Wvla -Werror";

/// How a program gets the library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Shared,
    Static,
    /// It needs the header only.
    Nothing,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Link::Shared => "shared",
            Link::Static => "static",
            Link::Nothing => "alone",
        }
    }
}

/// A file of the repository.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// An empty folder for one test.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ffi").join(name);
    std::fs::create_dir_all(&folder).expect("cargo's folder for tests is writable");
    folder
}

/// Says something that is seen although the test passes: the test runner only captures what `println!` writes.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "ffi: {text}");
}

pub fn cc() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".to_owned())
}

pub fn cxx() -> String {
    env::var("CXX").unwrap_or_else(|_| "c++".to_owned())
}

/// True if there is such a program.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// What a program that must succeed prints.
pub fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// cargo builds the library beside the tests.
fn library(file: &str) -> PathBuf {
    let tests = env::current_exe().expect("this program has a path");
    let path = tests.parent().expect("it lies in a folder").join(file);
    assert!(path.exists(), "{} is missing: cargo builds it with the tests", path.display());
    path
}

pub fn shared_library() -> PathBuf {
    library("libbowline.so")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// Compiles the header alone, as one standard.
pub fn reads_header(compiler: &str, standard: &str, flags: &str, file: &str) {
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}")).args(words(flags)).arg("-fsyntax-only");
    command.arg("-I").arg(source("include")).arg(source("ffi-tests/c").join(file));
    succeeds(&mut command, standard);
}

fn succeeds(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Builds a C program; warnings fail it.
pub fn build(program: &Path, link: Link) -> PathBuf {
    let name = program.file_stem().and_then(|name| name.to_str()).expect("a plain name");
    let folder = scratch(&format!("{name}-{}", link.name()));
    let built = folder.join(name);
    let extra = env::var("BOWLINE_CFLAGS").unwrap_or_default();
    let mut command = Command::new(cc());
    command.args(words(STRICT)).args(words(&extra)).arg("-I").arg(source("include"));
    command.arg("-I").arg(source("ffi-tests/c")).arg(program).arg("-o").arg(&built);
    match link {
        Link::Nothing => {}
        Link::Static => {
            command.arg(library("libbowline.a")).args(words(SYSTEM_LIBRARIES));
        }
        Link::Shared => {
            // As an installed library lies: the loader asks for the SONAME, the linker for the bare name.
            for file in ["libbowline.so", "libbowline.so.0"] {
                let link = folder.join(file);
                let _ = std::fs::remove_file(&link);
                std::os::unix::fs::symlink(shared_library(), &link).expect("the folder is writable");
            }
            command.arg("-L").arg(&folder).arg(format!("-Wl,-rpath,{}", folder.display())).args(["-lbowline", "-lpthread"]);
        }
    }
    succeeds(&mut command, name);
    built
}

/// A built program, in the tool of BOWLINE_WRAP if there is one. It is ended after some minutes, so that no mistake can hang the tests.
pub fn command(program: &Path) -> Command {
    let wrap = env::var("BOWLINE_WRAP").unwrap_or_default();
    let mut command = Command::new("timeout");
    command.arg(if wrap.is_empty() { "120" } else { "1200" }).args(words(&wrap)).arg(program);
    command
}

/// Runs a program that must succeed; what it printed.
pub fn run(program: &Path) -> String {
    let output = command(program).output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}\n{said}{complaint}", program.display(), output.status);
    said
}

/// Builds and runs a test program of ffi-tests/c, which prints TAP.
pub fn tap(name: &str, link: Link) {
    if !has(&cc()) {
        return say(&format!("no C compiler: {name} is not run"));
    }
    let said = run(&build(&source(&format!("ffi-tests/c/{name}.c")), link));
    let planned = said.lines().find_map(|line| line.strip_prefix("1..")?.parse::<usize>().ok());
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(planned, Some(passed), "{name}:\n{said}");
    let rows = said.lines().filter_map(|line| line.strip_prefix("# ")?.strip_suffix(" rows")?.parse::<usize>().ok());
    let rows = match rows.sum() {
        0 => String::new(),
        rows => format!(" with {rows} rows of wrong calls"),
    };
    say(&format!("{name} ({}): {passed} C tests{rows}", link.name()));
}
