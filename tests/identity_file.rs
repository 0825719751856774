//! The identity file: private, verified, never overwritten, and each way in which it cannot be read has its own fault. Nothing is ever
//! changed by a failure.

use bowline::{Error, FileFault, Identity, PeerId, generate_identity, load_identity, load_or_create_identity, save_identity};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn identity(bits: u32) -> Identity {
    generate_identity(bits, &mut |_, _| true).expect("libsodium works").expect("not stopped")
}

/// What is wrong with a file; the error names it.
fn fault<T>(path: &Path, result: Result<T, Error>) -> FileFault {
    match result {
        Err(Error::IdentityFile { kind, path: named, text }) => {
            assert!(named == path && !text.is_empty());
            kind
        }
        Err(other) => panic!("{}: {other}", path.display()),
        Ok(_) => panic!("{} was taken for an identity", path.display()),
    }
}

/// A folder with a good identity of 4 bits, and what stands in the file.
fn saved() -> (TempDir, PathBuf, PeerId, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("identity");
    let identity = identity(4);
    save_identity(&path, &identity).expect("a writable folder");
    let text = fs::read(&path).expect("readable");
    (folder, path, identity.id(), text)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn an_identity_file_is_private_verified_and_never_overwritten() {
    let (folder, path, id, text) = saved();
    assert_eq!(load_identity(&path, 4).expect("just saved").id(), id);
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1, "no temporary file stays");
    assert_eq!(fault(&path, save_identity(&path, &identity(0))), FileFault::Exists);
    assert_eq!(load_or_create_identity(&path, 4, &mut |_, _| true).expect("it is good").id(), id);
    assert_eq!(fault(&path, load_identity(&path, 40)), FileFault::Invalid);
    for mode in [0o640, 0o604, 0o620, 0o602, 0o601, 0o710] {
        chmod(&path, mode);
        assert_eq!(fault(&path, load_identity(&path, 0)), FileFault::Permission, "{mode:o}");
    }
    assert_eq!(fs::read(&path).expect("readable"), text);
}

#[test]
fn a_missing_file_is_made_and_a_stopped_search_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("identity");
    assert_eq!(fault(&path, load_identity(&path, 0)), FileFault::Missing);
    let mut looks = 0;
    let mut stop = |_, _| {
        looks += 1;
        looks < 3
    };
    assert!(matches!(generate_identity(60, &mut stop), Ok(None)), "a search can be stopped");
    assert_eq!(fault(&path, load_or_create_identity(&path, 60, &mut |_, _| false)), FileFault::Stopped);
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
    let made = load_or_create_identity(&path, 4, &mut |_, _| true).expect("a writable folder");
    assert_eq!(load_identity(&path, 4).expect("just made").id(), made.id());
}

#[test]
fn a_truncated_or_damaged_file_is_no_identity() {
    let (_folder, path, _, text) = saved();
    let found = text.windows(9).position(|part| part == b"pow-bits ").expect("it says its difficulty");
    // Cut anywhere before its last number: a write that was not finished.
    for cut in 0..=found + "pow-bits ".len() {
        fs::write(&path, &text[..cut]).expect("ours");
        assert_eq!(fault(&path, load_identity(&path, 0)), FileFault::Invalid, "cut at {cut}");
    }
    for broken in [&b"garbage"[..], &[0xff; 5_000], &[0; 309]] {
        fs::write(&path, broken).expect("ours");
        assert_eq!(fault(&path, load_identity(&path, 0)), FileFault::Invalid);
        assert_eq!(fault(&path, load_or_create_identity(&path, 0, &mut |_, _| true)), FileFault::Invalid);
        assert_eq!(fs::read(&path).expect("readable"), broken, "it is not replaced");
    }
}

/// Runs `act` as somebody who is not root, for whom permissions count; `None` where root can become nobody else.
#[cfg(target_os = "linux")]
fn as_anybody<T: Send>(act: impl FnOnce() -> T + Send) -> Option<T> {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        return Some(act());
    }
    let as_nobody = || {
        // SAFETY: changes as whom this one thread looks at files, and with it takes root's right to all of them; the thread ends here.
        unsafe { libc::setfsuid(NOBODY) };
        // SAFETY: changes nothing, for nobody has this number, and answers with who it is now.
        let now = unsafe { libc::setfsuid(libc::uid_t::MAX) };
        (now as libc::uid_t == NOBODY).then(act)
    };
    std::thread::scope(|scope| scope.spawn(as_nobody).join().expect("no panic"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_be_read_or_written_is_a_question_of_permission() {
    use std::io::Write as _;
    let (folder, path, _, text) = saved();
    chmod(folder.path(), 0o755);
    chmod(&path, 0o000);
    let Some(loaded) = as_anybody(|| fault(&path, load_identity(&path, 0))) else {
        // Seen although the test passes: the runner only captures what `println!` writes.
        let _ = writeln!(std::io::stderr(), "root cannot become anybody else here: files without permission are not tried");
        return;
    };
    assert_eq!(loaded, FileFault::Permission);
    let again = || fault(&path, load_or_create_identity(&path, 0, &mut |_, _| true));
    assert_eq!(as_anybody(again), Some(FileFault::Permission));
    chmod(folder.path(), 0o555);
    let new = folder.path().join("new");
    assert_eq!(as_anybody(|| fault(&new, save_identity(&new, &identity(0)))), Some(FileFault::Permission));
    chmod(folder.path(), 0o755);
    chmod(&path, 0o600);
    assert_eq!(fs::read(&path).expect("readable"), text);
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
}

/// A row: what stands at the path, and the fault.
fn unreadable(folder: &Path) -> Vec<(&'static str, PathBuf, FileFault)> {
    let at = |name: &str| folder.join(name);
    fs::create_dir(at("folder")).expect("a folder");
    fs::write(at("file"), b"x").expect("a file");
    symlink(at("itself"), at("itself")).expect("a link");
    symlink("/dev/null", at("device")).expect("a link");
    symlink(at("nothing"), at("dangling")).expect("a link");
    let fifo = std::ffi::CString::new(at("fifo").into_os_string().into_encoded_bytes()).expect("no zero byte");
    // SAFETY: makes a named pipe at a path that ends with a zero byte.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    vec![
        ("a folder", at("folder"), FileFault::Invalid),
        ("a pipe that nobody writes to", at("fifo"), FileFault::Invalid),
        ("a device", at("device"), FileFault::Invalid),
        ("a socket", at("socket"), FileFault::Io),
        ("a link to itself", at("itself"), FileFault::Io),
        ("a link to nothing", at("dangling"), FileFault::Missing),
        ("a file where a folder should be", at("file/identity"), FileFault::Io),
        ("a name that is too long", at(&"x".repeat(300)), FileFault::Io),
        ("a name that is none", at("a\0b"), FileFault::Io),
        // The first page of a process is never there: reading it is an input/output error (EIO), in a file of mode 0600.
        #[cfg(target_os = "linux")]
        ("a disk that fails", PathBuf::from("/proc/self/mem"), FileFault::Io),
    ]
}

#[test]
fn what_stands_in_the_place_of_the_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = unreadable(folder.path());
    let _socket = UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let before = fs::read_dir(folder.path()).expect("there").count();
    for (what, path, expected) in rows {
        assert_eq!(fault(&path, load_identity(&path, 0)), expected, "{what}");
        // Where a link leads nowhere, nothing is made either: the name is taken.
        let expected = if expected == FileFault::Missing { FileFault::Exists } else { expected };
        assert_eq!(fault(&path, load_or_create_identity(&path, 0, &mut |_, _| true)), expected, "{what}: it stays as it is");
        if path.starts_with(folder.path()) {
            let saved = fault(&path, save_identity(&path, &identity(0)));
            assert!(matches!(saved, FileFault::Exists | FileFault::Io), "{what}: {saved:?}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), before, "nothing was made or left");
}
