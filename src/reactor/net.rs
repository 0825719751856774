//! The stream transport as the engine sees it: listen, accept, dial, read, write, close, and readiness from outside. TCP over mio and the
//! simulator's memory network are behind it; both pass the contract test in `tests/net_contract.rs`. It knows no protocol.

use crate::base::link_id::LinkId;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// What became ready: a listener (by its number) or a link's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Listener(u32),
    Link(LinkId),
}

/// A change of readiness. It may be spurious, and is given once per change (edge): whoever stops before `WouldBlock` must remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub source: Source,
    pub is_readable: bool,
    pub is_writable: bool,
    /// The peer has finished writing, or the stream has failed: read until the end, no further change will be reported.
    pub is_ended: bool,
}

/// A stream transport. No call blocks. A link's streams are named by its id, which is never reused. Calls for an unknown link give
/// `NotConnected`.
pub trait Net {
    /// Listens at `at` (port 0: any) under a number of the caller's choice, and returns the real address.
    fn listen(&mut self, listener: u32, at: SocketAddr) -> io::Result<SocketAddr>;

    /// Stops listening. Unknown numbers are ignored.
    fn unlisten(&mut self, listener: u32);

    /// Accepts a connection as `link` and returns where it comes from. `WouldBlock` when none waits. Who comes from where `admits` says no
    /// is closed before anything is made for it: `None`.
    fn accept(&mut self, listener: u32, link: LinkId, admits: &dyn Fn(IpAddr) -> bool) -> io::Result<Option<SocketAddr>>;

    /// Out of descriptors: accepts one waiting connection and closes it at once, with a descriptor kept in reserve. False if it could not.
    fn shed(&mut self, listener: u32) -> bool;

    /// Begins to connect, from the address `from` if given. The link becomes writable when it is decided; then ask `dialed`.
    fn dial(&mut self, link: LinkId, to: SocketAddr, from: Option<IpAddr>) -> io::Result<()>;

    /// How the dial went: `Ok`, an error, or `WouldBlock` if it is still under way.
    fn dialed(&mut self, link: LinkId) -> io::Result<()>;

    /// Reads some bytes; `Ok(0)` is the end of the stream.
    fn read(&mut self, link: LinkId, into: &mut [u8]) -> io::Result<usize>;

    /// Writes some bytes. Never raises SIGPIPE.
    fn write(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize>;

    /// Says that nothing more will be written; reading goes on.
    fn finish(&mut self, link: LinkId);

    /// Ends the stream and forgets the link. Unknown links are ignored.
    fn close(&mut self, link: LinkId);
}
