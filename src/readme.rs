//! The README as a doc test, so that its programs compile. It holds nothing and nobody calls it.

#[doc = include_str!("../README.md")]
struct Readme;
