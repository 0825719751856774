//! TCP over mio: the only file that names mio and socket options. Sockets are non-blocking, close-on-exec, without Nagle's delay; writes
//! go through `send` with MSG_NOSIGNAL, never `writev`, so that no SIGPIPE can reach the host. Only the reactor thread calls it.

use super::net::{Net, Ready, Source};
use crate::base::link_id::LinkId;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Events fetched per call of the kernel.
const EVENTS: usize = 1_024;
/// A peer whose kernel acknowledges nothing for so long is gone (threat T4).
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Probes on a silent connection, in case our own pings are switched off.
const KEEPALIVE: Duration = Duration::from_secs(60);

const WAKER: Token = Token(usize::MAX);
/// Listener `n` has the token `LISTENERS - n`; link ids count up from 1 and never come near.
const LISTENERS: usize = usize::MAX - 1;

/// A TCP transport.
pub struct MioNet {
    poll: Poll,
    events: Events,
    backlog: i32,
    /// Bytes that the kernel may hold unsent for a stream; 0: as many as it likes.
    notsent_lowat: u32,
    listeners: BTreeMap<u32, TcpListener>,
    streams: BTreeMap<LinkId, TcpStream>,
    /// A descriptor kept so that a connection can be accepted and closed when no other is left (threat T40).
    spare: Option<File>,
}

impl MioNet {
    /// A transport at whose listeners so many connections may wait in the kernel; the system may allow fewer (`net.core.somaxconn`).
    ///
    /// # Errors
    /// What the system says when it has no descriptors for an event queue.
    pub fn new(backlog: u32) -> io::Result<MioNet> {
        Ok(MioNet {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS),
            backlog: backlog.try_into().unwrap_or(i32::MAX),
            notsent_lowat: 0,
            listeners: BTreeMap::new(),
            streams: BTreeMap::new(),
            spare: open_spare(),
        })
    }

    /// Bytes that the kernel may hold unsent for a stream that begins from now on; 0: as many as it likes.
    pub fn set_notsent_lowat(&mut self, bytes: u64) {
        self.notsent_lowat = bytes.try_into().unwrap_or(u32::MAX);
    }

    /// What ends a `wait` from another thread. One per transport.
    ///
    /// # Errors
    /// What the system says when it has no descriptor for it.
    pub fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        let waker = Waker::new(self.poll.registry(), WAKER)?;
        // A failure means that the counter behind it is full: then the loop has been woken already.
        Ok(Box::new(move || drop(waker.wake())))
    }

    /// Sleeps until something is ready, the waker is used, or `timeout` is over, and appends what is ready to `ready`.
    ///
    /// # Errors
    /// What the system says; an interruption is none.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in self.events.iter().filter(|event| event.token() != WAKER) {
            let token = event.token().0;
            let source = match u32::try_from(LISTENERS - token) {
                Ok(listener) => Source::Listener(listener),
                Err(_) => Source::Link(LinkId::from_u64(token as u64)),
            };
            let is_ended = event.is_read_closed() || event.is_error() || event.is_write_closed();
            ready.push(Ready { source, is_readable: event.is_readable(), is_writable: event.is_writable(), is_ended });
        }
        Ok(())
    }

    fn stream(&mut self, link: LinkId) -> io::Result<&mut TcpStream> {
        self.streams.get_mut(&link).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn adopt(&mut self, link: LinkId, mut stream: TcpStream) -> io::Result<()> {
        self.poll.registry().register(&mut stream, token(link), Interest::READABLE | Interest::WRITABLE)?;
        self.streams.insert(link, stream);
        Ok(())
    }
}

impl Net for MioNet {
    fn listen(&mut self, listener: u32, at: SocketAddr) -> io::Result<SocketAddr> {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
        // A node that restarts must get its port back although old connections linger in the kernel. Where the kernel chooses, it must
        // not choose one that somebody else has bound and not listened at yet.
        socket.set_reuse_address(at.port() != 0)?;
        if at.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&SockAddr::from(at))?;
        socket.listen(self.backlog)?;
        // What is accepted takes this over: links must not keep the port from whoever listens there next.
        socket.set_reuse_address(true)?;
        let mut socket = TcpListener::from_std(socket.into());
        register_listener(self.poll.registry(), &mut socket, listener)?;
        let bound = socket.local_addr()?;
        self.listeners.insert(listener, socket);
        Ok(bound)
    }

    fn unlisten(&mut self, listener: u32) {
        if let Some(mut socket) = self.listeners.remove(&listener) {
            // Closing the descriptor deregisters it anyway; an error here changes nothing.
            let _ = self.poll.registry().deregister(&mut socket);
        }
    }

    fn accept(&mut self, listener: u32, link: LinkId, admits: &dyn Fn(IpAddr) -> bool) -> io::Result<Option<SocketAddr>> {
        let socket = self.listeners.get(&listener).ok_or(io::ErrorKind::WouldBlock)?;
        let (stream, from) = socket.accept()?;
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if !admits(from.ip()) {
            return Ok(None);
        }
        prepare(socket2::SockRef::from(&stream), self.notsent_lowat);
        self.adopt(link, stream)?;
        Ok(Some(from))
    }

    fn shed(&mut self, listener: u32) -> bool {
        self.spare = None;
        let shed = self.listeners.get(&listener).is_some_and(|socket| socket.accept().is_ok());
        self.spare = open_spare();
        shed
    }

    fn dial(&mut self, link: LinkId, to: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
        if let Some(from) = from {
            socket.bind(&SockAddr::from(SocketAddr::new(from, 0)))?;
        }
        prepare(socket2::SockRef::from(&socket), self.notsent_lowat);
        match socket.connect(&SockAddr::from(to)) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        self.adopt(link, TcpStream::from_std(socket.into()))
    }

    fn dialed(&mut self, link: LinkId) -> io::Result<()> {
        let stream = self.stream(link)?;
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, link: LinkId, into: &mut [u8]) -> io::Result<usize> {
        self.stream(link)?.read(into)
    }

    fn write(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        self.stream(link)?.write(bytes)
    }

    fn finish(&mut self, link: LinkId) {
        if let Some(stream) = self.streams.get(&link) {
            // The peer may have gone already; then there is nobody to tell.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }

    fn close(&mut self, link: LinkId) {
        if let Some(mut stream) = self.streams.remove(&link) {
            let _ = self.poll.registry().deregister(&mut stream);
        }
    }
}

fn token(link: LinkId) -> Token {
    Token(link.as_u64() as usize)
}

fn register_listener(registry: &Registry, socket: &mut TcpListener, listener: u32) -> io::Result<()> {
    registry.register(socket, Token(LISTENERS - listener as usize), Interest::READABLE)
}

/// Options that make a link better but whose failure is no reason to refuse it.
fn prepare(socket: socket2::SockRef<'_>, notsent_lowat: u32) {
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    #[cfg(target_os = "linux")]
    if notsent_lowat > 0 {
        let _ = socket.set_tcp_notsent_lowat(notsent_lowat);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = notsent_lowat;
}

fn open_spare() -> Option<File> {
    File::open("/dev/null").ok()
}
