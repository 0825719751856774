//! Compilers and programs for the tests: where the library is, how a C program is built with it, how what it says is judged.

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Libraries that the static library needs, as rustc says with `--print native-static-libs`.
pub const SYSTEM_LIBRARIES: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";
/// Warnings are errors in our C.
const STRICT: &str = "-std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Wpedantic -Wundef -Wshadow -Wstrict-prototypes -Wvla -Werror";

/// How a program gets the library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Shared,
    Static,
    /// The static library in the folder that BOWLINE_FAULTS names, which panics on order.
    Faults,
    /// It needs the header only.
    Nothing,
}

impl Link {
    fn name(self) -> &'static str {
        match self {
            Link::Shared => "shared",
            Link::Static => "static",
            Link::Faults => "faults",
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

/// Where a library with the feature fault-injection lies, if there is one; a relative path begins at the repository.
pub fn faults() -> Option<PathBuf> {
    env::var_os("BOWLINE_FAULTS").map(|folder| source("").join(folder))
}

pub fn shared_library() -> PathBuf {
    library("libbowline.so")
}

/// What programs ask the loader for: the major version, and while that is 0 the minor, which may break them.
pub fn soname() -> String {
    let numbers: Vec<&str> = env!("CARGO_PKG_VERSION").split('.').collect();
    format!("libbowline.so.{}", numbers[..if numbers[0] == "0" { 2 } else { 1 }].join("."))
}

/// What is made once for all tests of this process, by the folder where it lies: two at a time would write into each other's files.
pub fn once(folder: &Path, make: impl FnOnce() -> PathBuf) -> PathBuf {
    static MADE: Mutex<BTreeMap<PathBuf, Arc<OnceLock<PathBuf>>>> = Mutex::new(BTreeMap::new());
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner).entry(folder.to_owned()).or_default().clone();
    made.get_or_init(make).clone()
}

/// A folder that looks as if the library was installed there: both libraries, and a pkg-config file that names the header's folder. With
/// `Link::Faults` it is the library that panics on order.
pub fn installed(name: &str, link: Link) -> PathBuf {
    // With a blank, as any path may have one.
    let prefix = scratch(&format!("installed for {name}"));
    once(&prefix, || {
        let lib = prefix.join("lib");
        std::fs::create_dir_all(lib.join("pkgconfig")).expect("the folder is writable");
        let from = faults().filter(|_| link == Link::Faults);
        let library = |file: &str| from.as_ref().map_or_else(|| library(file), |folder| folder.join(file));
        for (file, to) in [
            ("libbowline.so", library("libbowline.so")),
            (soname().as_str(), library("libbowline.so")),
            ("libbowline.a", library("libbowline.a")),
        ] {
            linked_file(&to, &lib.join(file));
        }
        let text = format!(
            "Name: bowline\nDescription: the library under test\nVersion: {}\nLibs: -L{} -lbowline\nLibs.private: {SYSTEM_LIBRARIES}\nCflags: -I{}\n",
            env!("CARGO_PKG_VERSION"),
            for_pkg_config(&lib),
            for_pkg_config(&source("include"))
        );
        std::fs::write(lib.join("pkgconfig/bowline.pc"), text).expect("the folder is writable");
        prefix.clone()
    })
}

/// pkg-config splits its flags at blanks.
fn for_pkg_config(path: &Path) -> String {
    path.display().to_string().replace(' ', "\\ ")
}

/// A symbolic link, in the place of what was there.
fn linked_file(to: &Path, link: &Path) {
    if std::fs::read_link(link).ok().as_deref() != Some(to) {
        let _ = std::fs::remove_file(link);
        std::os::unix::fs::symlink(to, link).expect("the folder is writable");
    }
}

pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

/// Compiles the header alone, as one standard.
pub fn reads_header(compiler: &str, standard: &str, flags: &str, file: &str) {
    let mut command = Command::new(compiler);
    command.arg(format!("-std={standard}")).args(words(flags)).arg("-fsyntax-only");
    command.arg("-I").arg(source("include")).arg(source("ffi-tests/c").join(file));
    succeeds(&mut command, standard);
}

pub fn succeeds(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// What a program is built and run with, to see what it does to memory.
#[derive(Default)]
pub struct Tool {
    pub name: &'static str,
    /// Another compiler than CC.
    pub compiler: Option<&'static str>,
    pub flags: &'static str,
    /// The program that runs it.
    pub wrap: &'static str,
    pub settings: Vec<(&'static str, String)>,
}

/// Builds a C program, once; warnings fail it.
pub fn build(program: &Path, link: Link) -> PathBuf {
    build_with(program, link, &Tool::default())
}

pub fn build_with(program: &Path, link: Link, tool: &Tool) -> PathBuf {
    let name = program.file_stem().and_then(|name| name.to_str()).expect("a plain name");
    let with: String = tool.name.chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = scratch(&format!("{name}-{}{with}", link.name()));
    once(&folder, || compiled(program, name, &folder, link, tool))
}

fn compiled(program: &Path, name: &str, folder: &Path, link: Link, tool: &Tool) -> PathBuf {
    let built = folder.join(name);
    let extra = env::var("BOWLINE_CFLAGS").unwrap_or_default();
    let mut command = Command::new(tool.compiler.map_or_else(cc, str::to_owned));
    command.args(words(STRICT)).args(words(&extra)).args(words(tool.flags)).arg("-I").arg(source("include"));
    std::fs::write(folder.join("documented.h"), super::text::Header::read().documented()).expect("the folder is writable");
    command.arg("-I").arg(source("ffi-tests/c")).arg("-I").arg(folder).arg(program).arg("-o").arg(&built);
    linked(&mut command, folder, link);
    succeeds(&mut command, name);
    built
}

/// Adds the library to a command that links a program in a folder.
pub fn linked(command: &mut Command, folder: &Path, link: Link) {
    match link {
        Link::Nothing => {}
        Link::Static | Link::Faults => {
            let faults = faults().filter(|_| link == Link::Faults).map(|folder| folder.join("libbowline.a"));
            command.arg(faults.unwrap_or_else(|| library("libbowline.a"))).args(words(SYSTEM_LIBRARIES));
        }
        Link::Shared => {
            // As an installed library lies: the loader asks for the SONAME, the linker for the bare name.
            for file in ["libbowline.so", &soname()] {
                linked_file(&shared_library(), &folder.join(file));
            }
            command.arg("-L").arg(folder).arg(format!("-Wl,-rpath,{}", folder.display())).args(["-lbowline", "-lpthread"]);
        }
    }
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
    run_with(program, &Tool::default())
}

fn run_with(program: &Path, tool: &Tool) -> String {
    let mut command = if tool.wrap.is_empty() {
        command(program)
    } else {
        let mut wrapped = Command::new("timeout");
        wrapped.arg("1200").args(words(tool.wrap)).arg(program);
        wrapped
    };
    let output =
        command.envs(tool.settings.iter().cloned()).output().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
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
    tap_with(name, link, &Tool::default());
}

pub fn tap_with(name: &str, link: Link, tool: &Tool) {
    count(name, link, tool, &build_with(&source(&format!("ffi-tests/c/{name}.c")), link, tool));
}

/// Runs a built test program, and says how many tests it has.
pub fn count(name: &str, link: Link, tool: &Tool, program: &Path) {
    let said = run_with(program, tool);
    let passed = judge(name, &said);
    let rows = said.lines().filter_map(|line| line.strip_prefix("# ")?.strip_suffix(" rows")?.parse::<usize>().ok());
    let rows = match rows.sum() {
        0 => String::new(),
        rows => format!(" with {rows} rows of wrong calls"),
    };
    say(&format!("{name} ({}{}): {passed} C tests{rows}", link.name(), tool.name));
}

/// How many tests a program's TAP says have passed: all that it planned.
pub fn judge(name: &str, said: &str) -> usize {
    let planned = said.lines().find_map(|line| line.strip_prefix("1..")?.parse::<usize>().ok());
    let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(planned, Some(passed), "{name}:\n{said}");
    passed
}
