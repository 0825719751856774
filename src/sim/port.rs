//! The simulated network as one host sees it: `reactor::net::Net` over `sim::net`. An engine works on it as on real sockets; a test may
//! use it directly to play a peer that follows no protocol.

use super::net::{HostId, Listener, Network};
use super::streams::{EndId, Phase, Stream};
use super::trace::What;
use crate::base::link_id::LinkId;
use crate::reactor::net::Net;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

/// One host's access to the network.
#[derive(Debug)]
pub struct Port<'a> {
    pub(super) network: &'a mut Network,
    pub(super) host: HostId,
}

impl Port<'_> {
    fn end(&mut self, link: LinkId) -> io::Result<(EndId, &mut Stream)> {
        let gone = || io::Error::from(ErrorKind::NotConnected);
        let (number, side) = self.network.station(self.host).ends.get(&link).copied().ok_or_else(gone)?;
        let stream = self.network.streams.get_mut(&number).ok_or_else(gone)?;
        Ok(((number, side), stream))
    }

    fn note(&mut self, what: What, link: LinkId, size: usize) {
        self.network.note(self.host, what, link, size as u64);
    }

    /// Counts a stream more, if there may be one.
    fn check_sockets(&mut self) -> io::Result<()> {
        let station = self.network.station(self.host);
        if station.ends.len() >= station.sockets_max {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        Ok(())
    }

    fn has_address(&mut self, address: IpAddr) -> bool {
        self.network.station(self.host).addresses.contains(&address)
    }

    fn next_port(&mut self) -> u16 {
        let station = self.network.station(self.host);
        station.next_port = station.next_port.checked_add(1).unwrap_or(super::net::PORTS);
        station.next_port
    }

    /// Stops listening; who waits there is turned away.
    pub(super) fn stop_listening(&mut self, listener: u32) {
        let Some(listener) = self.network.station(self.host).listeners.remove(&listener) else { return };
        for number in listener.backlog {
            if let Some(stream) = self.network.streams.get_mut(&number) {
                stream.ends[1].phase = Phase::Gone;
                self.network.reset((number, 1));
            }
        }
    }

    /// Lets go of a stream as a kernel does: what was written still leaves, but unread bytes make it a reset.
    pub(super) fn let_go(&mut self, link: LinkId) {
        let now = self.network.now();
        let Some((number, side)) = self.network.station(self.host).ends.remove(&link) else { return };
        let Some(stream) = self.network.streams.get_mut(&number) else { return };
        let before = std::mem::replace(&mut stream.ends[side].phase, Phase::Gone);
        let is_alive = before == Phase::Open && stream.ends[side].error.is_none();
        if is_alive && !stream.pipes[1 - side].arrived.is_empty() {
            stream.pipes[1 - side].arrived.clear();
            self.network.reset((number, side));
        } else if is_alive && !stream.ends[side].is_finished {
            let at = stream.pipes[side].end(now);
            self.network.send((number, side), [at]);
        }
        self.network.tidy(number);
    }

    fn adopt(&mut self, link: LinkId, number: u64) -> io::Result<SocketAddr> {
        let stream = self.network.streams.get_mut(&number).ok_or(ErrorKind::ConnectionAborted)?;
        stream.ends[1].link = Some(link);
        let from = stream.ends[0].at;
        let is_readable = !stream.pipes[0].arrived.is_empty() || stream.ends[1].is_ended || stream.ends[1].error.is_some();
        self.network.station(self.host).ends.insert(link, (number, 1));
        self.network.tell((number, 1), is_readable, true);
        self.note(What::Accepted, link, 0);
        Ok(from)
    }
}

impl Net for Port<'_> {
    fn listen(&mut self, listener: u32, at: SocketAddr) -> io::Result<SocketAddr> {
        if !at.ip().is_unspecified() && !self.has_address(at.ip()) {
            return Err(ErrorKind::AddrNotAvailable.into());
        }
        let at = if at.port() == 0 { SocketAddr::new(at.ip(), self.next_port()) } else { at };
        let listeners = &mut self.network.station(self.host).listeners;
        let clashes = |other: &Listener| {
            let is_same_ip = other.at.ip() == at.ip() || other.at.ip().is_unspecified() || at.ip().is_unspecified();
            other.at.port() == at.port() && is_same_ip && other.at.is_ipv4() == at.is_ipv4()
        };
        if listeners.values().any(clashes) {
            return Err(ErrorKind::AddrInUse.into());
        }
        listeners.insert(listener, Listener { at, backlog: Default::default(), is_asked: true });
        self.note(What::Listening, LinkId::NONE, usize::from(at.port()));
        Ok(at)
    }

    fn unlisten(&mut self, listener: u32) {
        self.note(What::Unlistening, LinkId::NONE, listener as usize);
        self.stop_listening(listener);
    }

    fn accept(&mut self, listener: u32, link: LinkId, admits: &dyn Fn(IpAddr) -> bool) -> io::Result<Option<SocketAddr>> {
        let would_block = || io::Error::from(ErrorKind::WouldBlock);
        let waiting = self.network.station(self.host).listeners.get_mut(&listener).ok_or_else(would_block)?;
        let Some(number) = waiting.backlog.front().copied() else {
            waiting.is_asked = true;
            return Err(would_block());
        };
        self.check_sockets()?;
        if let Some(waiting) = self.network.station(self.host).listeners.get_mut(&listener) {
            waiting.backlog.pop_front();
        }
        let from = self.adopt(link, number)?;
        if !admits(from.ip()) {
            self.close(link);
            return Ok(None);
        }
        Ok(Some(from))
    }

    fn shed(&mut self, listener: u32) -> bool {
        let waiting = self.network.station(self.host).listeners.get_mut(&listener);
        let Some(number) = waiting.and_then(|listener| listener.backlog.pop_front()) else { return false };
        if let Some(stream) = self.network.streams.get_mut(&number) {
            stream.ends[1].phase = Phase::Gone;
            self.network.reset((number, 1));
        }
        true
    }

    fn dial(&mut self, link: LinkId, to: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
        self.check_sockets()?;
        let own = self.network.station(self.host).addresses.iter().find(|own| own.is_ipv4() == to.is_ipv4()).copied();
        let from = match from {
            Some(from) if !self.has_address(from) => return Err(ErrorKind::AddrNotAvailable.into()),
            Some(from) => from,
            None => own.ok_or(ErrorKind::NetworkUnreachable)?,
        };
        let from = SocketAddr::new(from, self.next_port());
        let number = self.network.begin(self.host, link, from, to);
        self.network.station(self.host).ends.insert(link, (number, 0));
        self.note(What::Dialing, link, usize::from(to.port()));
        Ok(())
    }

    fn dialed(&mut self, link: LinkId) -> io::Result<()> {
        let ((_, side), stream) = self.end(link)?;
        let end = &stream.ends[side];
        match (end.error, end.phase) {
            (Some(error), _) => Err(error.into()),
            (None, Phase::Dialing) => Err(ErrorKind::WouldBlock.into()),
            (None, _) => Ok(()),
        }
    }

    fn read(&mut self, link: LinkId, into: &mut [u8]) -> io::Result<usize> {
        let (id, stream) = self.end(link)?;
        let (end, pipe) = (&mut stream.ends[id.1], &mut stream.pipes[1 - id.1]);
        // As on Linux, what has arrived can be read although a reset came behind it.
        if let Some(error) = end.error.filter(|_| pipe.arrived.is_empty()) {
            return Err(error.into());
        }
        let count = pipe.read(into);
        // A short read has emptied the stream, as far as the reader can tell: it is told of the next change.
        end.is_read_asked |= count < into.len();
        if count == 0 && !into.is_empty() && !end.is_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        if count > 0 {
            self.network.acknowledge(id, count);
        }
        self.note(What::Read, link, count);
        Ok(count)
    }

    fn write(&mut self, link: LinkId, bytes: &[u8]) -> io::Result<usize> {
        let (number, side) = self.end(link)?.0;
        let now = self.network.now();
        let Network { streams, rng, weather, .. } = &mut *self.network;
        let stream = streams.get_mut(&number).ok_or(ErrorKind::NotConnected)?;
        let (end, pipe) = (&mut stream.ends[side], &mut stream.pipes[side]);
        if let Some(error) = end.error {
            return Err(error.into());
        }
        if end.is_finished {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if end.phase == Phase::Dialing || pipe.room == 0 && !bytes.is_empty() {
            end.is_write_asked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        let (count, arrivals) = pipe.write(now, bytes, weather, rng);
        end.is_write_asked |= count < bytes.len();
        self.network.send((number, side), arrivals);
        self.note(What::Wrote, link, count);
        Ok(count)
    }

    fn finish(&mut self, link: LinkId) {
        let now = self.network.now();
        let Ok((id, stream)) = self.end(link) else { return };
        let end = &mut stream.ends[id.1];
        if end.phase != Phase::Open || std::mem::replace(&mut end.is_finished, true) {
            return;
        }
        let at = stream.pipes[id.1].end(now);
        self.network.send(id, [at]);
        self.note(What::Finished, link, 0);
    }

    fn close(&mut self, link: LinkId) {
        self.note(What::Closed, link, 0);
        self.let_go(link);
    }
}
