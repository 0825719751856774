//! The assembly on threads, sockets and files, and the face for Rust programs.
