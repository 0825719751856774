//! What all handshakes of a node share: how loaded it is, its cookie secret, the puzzles already seen.

/// See the file's head.
#[derive(Debug, Default)]
pub struct Gate {}
