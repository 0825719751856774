//! The pool.

/// All tables of the control plane.
#[derive(Debug, Default)]
pub struct Pool {}
