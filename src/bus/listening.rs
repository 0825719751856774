//! Where the node listens: the reactor shows it whenever that changes, callers read it. Nobody else may change it.

use super::sync::Lock;
use std::net::SocketAddr;

/// The real addresses of the listeners, in the order in which they were opened.
#[derive(Debug, Default)]
pub struct Listening(Lock<Vec<SocketAddr>>);

impl Listening {
    /// Shows `all` from now on.
    pub fn publish(&self, all: Vec<SocketAddr>) {
        *self.0.lock() = all;
    }

    pub fn read(&self) -> Vec<SocketAddr> {
        self.0.lock().clone()
    }
}
