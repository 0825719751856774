//! A stranger's end of a real TCP connection: it says bytes and sees how and when it is closed. It knows no protocol.
//! `tests/rogue.rs` and `tests/node.rs` use it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// What a node does at once comes within this, however busy the machine is. A read that waits longer fails its test.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Wire(TcpStream);

impl Wire {
    pub fn dial(to: SocketAddr) -> Wire {
        Wire::of(TcpStream::connect(to).expect("it listens"))
    }

    pub fn accept(listener: &TcpListener) -> Wire {
        Wire::of(listener.accept().expect("the dial comes").0)
    }

    pub fn of(stream: TcpStream) -> Wire {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Wire(stream)
    }

    /// Says something; the node may close while it is said.
    pub fn say(&mut self, bytes: &[u8]) {
        if let Err(error) = self.0.write_all(bytes) {
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        }
    }

    pub fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.read_into(&mut bytes);
        bytes
    }

    pub fn read_into(&mut self, bytes: &mut [u8]) {
        let count = bytes.len();
        self.0.read_exact(bytes).unwrap_or_else(|error| panic!("{count} bytes were expected: {error}"));
    }

    /// What is still said until the node closes. An end and a reset are both as good; a node that leaves the socket open fails the test.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the node does not close: {error}");
        }
        rest
    }
}

/// An address of this machine that others could have: from there a host may be greylisted, from a loopback address never.
pub fn own_address() -> Option<IpAddr> {
    // Connecting a datagram socket sends nothing; the system only chooses where from it would.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|at| at.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// Where a node listens for strangers from this machine and, if it has an address, as if from another.
pub fn listen_addresses() -> String {
    let own = own_address().map(|ip| format!(",{ip}:0")).unwrap_or_default();
    if own.is_empty() {
        // Seen although the test passes: the runner only captures what `println!` writes.
        let _ = writeln!(std::io::stderr(), "this machine has loopback addresses only: greylisting of hosts is not looked at");
    }
    format!("127.0.0.1:0{own}")
}
