//! The C face: convert, call, convert back.
