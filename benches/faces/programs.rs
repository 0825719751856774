//! The programs in C and Go: made anew each time, against the shared library that cargo has built beside the benchmark.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// While the major version is 0 the minor belongs to the name.
const SONAME: &str = concat!("libbowline.so.", env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
const _: () = assert!(matches!(env!("CARGO_PKG_VERSION_MAJOR").as_bytes(), b"0"), "from 1.0 on it is the major version alone");

/// A folder as if the library was installed there: the linker asks for the bare name, the loader for the SONAME, Go for a pkg-config file.
fn installed() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("the benchmark cannot find itself: {error}"))?;
    let library = own.with_file_name("libbowline.so");
    if !library.exists() {
        return Err(format!("{} is missing: cargo builds it with the benchmark", library.display()));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faces");
    let make = || {
        std::fs::create_dir_all(&folder)?;
        for name in ["libbowline.so", SONAME] {
            let link = folder.join(name);
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&library, link)?;
        }
        let text = format!(
            "Name: bowline\nDescription: the library that is measured\nVersion: {}\nLibs: -L{lib} -Wl,-rpath,{lib} -lbowline\nCflags: -I{}\n",
            env!("CARGO_PKG_VERSION"),
            source("include").display(),
            lib = folder.display(),
        );
        std::fs::write(folder.join("bowline.pc"), text)
    };
    make().map_err(|error: std::io::Error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// A file of the repository.
fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

pub fn in_c() -> Result<PathBuf, String> {
    let folder = installed()?;
    let program = folder.join("face-c");
    let mut command = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
    command.args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-I"]).arg(source("include"));
    command.arg(source("benches/faces/face.c")).arg("-o").arg(&program).arg("-L").arg(&folder);
    command.arg(format!("-Wl,-rpath,{}", folder.display())).arg("-lbowline");
    succeeds(&mut command).map(|()| program)
}

/// What a program says of its version, if it is there.
fn version_of(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The minor of "go version go1.24.1 linux/amd64".
fn go_minor(version: &str) -> Option<u32> {
    version.split_once(" go1.")?.1.split(|digit: char| !digit.is_ascii_digit()).next()?.parse().ok()
}

/// `None` if Go is missing or older than the package wants it, or pkg-config is missing.
pub fn in_go() -> Result<Option<PathBuf>, String> {
    let wanted = include_str!("../../bindings/go/go.mod").lines().find_map(|line| line.strip_prefix("go 1.")?.parse().ok());
    let minor = version_of("go", "version").as_deref().and_then(go_minor);
    if minor.is_none() || minor < wanted || version_of("pkg-config", "--version").is_none() {
        return Ok(None);
    }
    let folder = installed()?;
    let program = folder.join("face-go");
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(&program).arg(".").current_dir(source("benches/faces/go"));
    // Nothing is fetched. The folder of the library comes into the program, as into that in C.
    command.env("PKG_CONFIG_PATH", &folder).env("CGO_LDFLAGS_ALLOW", "-Wl,-rpath,.*");
    command.envs([("GOPROXY", "off"), ("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local"), ("CGO_ENABLED", "1")]);
    succeeds(&mut command).map(|()| Some(program))
}
