//! The border of the room: sodiumoxide has no other entrance.

use std::fs;
use std::path::Path;

/// Calls `visit` with every Rust file below `folder`.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn only_crypto_names_sodiumoxide() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut users = 0;
    walk(&sources, &mut |path, text| {
        if text.contains("sodiumoxide::") {
            assert!(path.starts_with(sources.join("crypto")), "{} must go through src/crypto", path.display());
            users += 1;
        }
    });
    assert!(users > 0, "the walk found the room itself");
}
