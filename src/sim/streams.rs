//! The streams of the memory network: what becomes of a dial, of bytes, of room, of an end, step by step. `net.rs` says when; `port.rs`
//! begins what a host begins.

use super::net::{HostId, Listener, Network};
use super::pipe::{Freight, Pipe};
use super::trace::What;
use crate::base::link_id::LinkId;
use crate::base::time::Time;
use crate::reactor::net::{Ready, Source};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes that nobody acknowledges for so long end the stream (as `reactor::mio_net` asks the kernel to).
const GIVE_UP: Duration = Duration::from_secs(30);
/// A first packet without an answer is sent again after so long, then after twice as long, and so on (RFC 6298).
const KNOCK_AGAIN: Duration = Duration::from_secs(1);
/// After so many first packets a dial fails.
const KNOCKS_MAX: u32 = 7;
/// Connections that wait at a listener.
const BACKLOG: usize = 1_024;
/// From a host to itself.
const LOOPBACK: Duration = Duration::from_micros(20);

/// Number of a stream and of one of its ends: 0 dialed, 1 accepted.
pub(super) type EndId = (u64, usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Dialing,
    Open,
    /// The application has let go of it, or its host has.
    Gone,
}

#[derive(Debug)]
pub(super) struct End {
    pub host: HostId,
    pub at: SocketAddr,
    /// None until it is accepted.
    pub link: Option<LinkId>,
    pub phase: Phase,
    pub error: Option<ErrorKind>,
    /// It will write no more.
    pub is_finished: bool,
    /// The other end will write no more.
    pub is_ended: bool,
    /// Somebody found nothing to read, or no room: the next change is told.
    pub is_read_asked: bool,
    pub is_write_asked: bool,
}

impl End {
    fn new(host: HostId, at: SocketAddr, link: Option<LinkId>, phase: Phase) -> End {
        let (error, is_finished, is_ended, is_read_asked, is_write_asked) = (None, false, false, true, true);
        End { host, at, link, phase, error, is_finished, is_ended, is_read_asked, is_write_asked }
    }
}

#[derive(Debug)]
pub(super) struct Stream {
    pub ends: [End; 2],
    /// `pipes[i]` carries what end `i` writes.
    pub pipes: [Pipe; 2],
    /// One end has another address now: nothing gets through any more.
    pub is_severed: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    /// The first packet of a dial arrives; so many were sent before.
    Knock(u64, u32),
    /// Its answer arrives at the dialer: somebody listens, or not.
    Answer(u64, bool),
    /// Something arrives at an end.
    Deliver(EndId),
    /// An end hears that so many bytes were read.
    Room(EndId, usize),
    /// What an end has sent since then was never acknowledged.
    GiveUp(EndId, Time),
}

impl Network {
    /// Begins a dial and gives the number of its stream.
    pub(super) fn begin(&mut self, host: HostId, link: LinkId, from: SocketAddr, to: SocketAddr) -> u64 {
        let other = self.host_at(to.ip());
        let latency = self.latency(host, other.unwrap_or(host));
        self.streams_made += 1;
        let number = self.streams_made;
        let dialer = End::new(host, from, Some(link), Phase::Dialing);
        // Until somebody accepts it, the other end is nobody's. An address without a host never answers.
        let accepter = End::new(other.unwrap_or(host), to, None, Phase::Gone);
        let mut pipes = [Pipe::new(latency, &self.weather), Pipe::new(latency, &self.weather)];
        if let Some(other) = other.filter(|other| *other != host) {
            self.way(host, other).into_iter().for_each(|way| pipes[0].go(way));
            self.way(other, host).into_iter().for_each(|way| pipes[1].go(way));
        }
        let latency = pipes[0].latency;
        self.streams.insert(number, Stream { ends: [dialer, accepter], pipes, is_severed: false });
        if other.is_some() {
            self.schedule(self.now + latency, Happening::Knock(number, 0));
        }
        number
    }

    fn latency(&mut self, one: HostId, other: HostId) -> Duration {
        if one == other {
            return LOOPBACK;
        }
        let Network { latencies, weather, rng, .. } = self;
        *latencies.entry((one.min(other), one.max(other))).or_insert_with(|| weather.latency.draw(rng))
    }

    /// Something of `end`'s is on its way to the other end, and arrives at these moments.
    pub(super) fn send(&mut self, (stream, side): EndId, arrivals: impl IntoIterator<Item = Time>) {
        for at in arrivals {
            self.schedule(at, Happening::Deliver((stream, 1 - side)));
        }
    }

    /// The other end of `end` may write so many bytes more, once it hears of it.
    pub(super) fn acknowledge(&mut self, (stream, side): EndId, bytes: usize) {
        let Some(latency) = self.streams.get(&stream).map(|stream| stream.pipes[side].latency) else { return };
        self.schedule(self.now + latency, Happening::Room((stream, 1 - side), bytes));
    }

    /// Tells a change to who has `end`, if it was accepted.
    pub(super) fn tell(&mut self, (stream, side): EndId, is_readable: bool, is_writable: bool) {
        let Some(end) = self.streams.get_mut(&stream).map(|stream| &mut stream.ends[side]) else { return };
        let Some(link) = end.link.filter(|_| end.phase != Phase::Gone) else { return };
        end.is_read_asked &= !is_readable;
        end.is_write_asked &= !is_writable;
        let is_ended = end.is_ended || end.error.is_some();
        let ready = Ready { source: Source::Link(link), is_readable, is_writable, is_ended };
        let host = end.host;
        self.make_ready(host, ready);
    }

    pub(super) fn knock(&mut self, number: u64, before: u32) {
        let Some(stream) = self.streams.get(&number) else { return };
        let [dialer, accepter] = &stream.ends;
        let (from, host, at, latency) = (dialer.host, accepter.host, accepter.at, stream.pipes[1].latency);
        let listens = |listener: &Listener| {
            listener.at.port() == at.port() && (listener.at.ip().is_unspecified() || listener.at.ip() == at.ip())
        };
        let way = stream.pipes[0].way;
        let is_cut = stream.is_severed || self.is_cut(from, host) || self.host_at(at.ip()) != Some(host) || self.is_lost(way);
        if self.station(host).has_nat {
            // Nobody answers: the dial ends by the dialer's patience, or by its kernel's.
            return self.knock_again(number, before);
        }
        let listener = self.station(host).listeners.iter_mut().find(|(_, listener)| listens(listener));
        if is_cut || listener.as_ref().is_some_and(|(_, listener)| listener.backlog.len() >= BACKLOG) {
            return self.knock_again(number, before);
        }
        let Some((listener, waiting)) = listener.map(|(number, listener)| (*number, listener)) else {
            self.note(host, What::Refused, LinkId::NONE, number);
            return self.schedule(self.now + latency, Happening::Answer(number, false));
        };
        waiting.backlog.push_back(number);
        if std::mem::take(&mut waiting.is_asked) {
            let ready = Ready { source: Source::Listener(listener), is_readable: true, is_writable: false, is_ended: false };
            self.make_ready(host, ready);
        }
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.ends[1].phase = Phase::Open;
        }
        self.note(host, What::Knocked, LinkId::NONE, number);
        self.schedule(self.now + latency, Happening::Answer(number, true));
    }

    fn knock_again(&mut self, number: u64, before: u32) {
        if before + 1 == KNOCKS_MAX {
            return self.fail((number, 0), ErrorKind::TimedOut);
        }
        let at = self.now + KNOCK_AGAIN.saturating_mul(1 << before);
        self.schedule(at, Happening::Knock(number, before + 1));
    }

    pub(super) fn answer(&mut self, number: u64, is_heard: bool) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let [dialer, accepter] = &stream.ends;
        let (host, link, from) = (dialer.host, dialer.link.unwrap_or_default(), accepter.host);
        if stream.is_severed || self.is_cut(from, host) {
            // The answer is lost; it comes again when the way is free.
            return self.schedule(self.now + KNOCK_AGAIN, Happening::Answer(number, is_heard));
        }
        let Some(stream) = self.streams.get_mut(&number) else { return };
        match (stream.ends[0].phase, is_heard) {
            (Phase::Dialing, true) => {
                stream.ends[0].phase = Phase::Open;
                self.note(host, What::Connected, link, number);
                self.tell((number, 0), false, true);
            }
            (Phase::Dialing, false) => self.fail((number, 0), ErrorKind::ConnectionRefused),
            // The dialer has let go of it meanwhile.
            (Phase::Gone, true) => self.reset((number, 0)),
            (Phase::Gone | Phase::Open, _) => self.tidy(number),
        }
    }

    pub(super) fn deliver(&mut self, (number, side): EndId) {
        let now = self.now;
        let Some(stream) = self.streams.get(&number) else { return };
        if stream.is_severed || self.is_cut(stream.ends[1 - side].host, stream.ends[side].host) {
            return self.block((number, 1 - side));
        }
        let is_lost = self.is_lost(stream.pipes[1 - side].way);
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let Some(freight) = stream.pipes[1 - side].deliver(now) else { return };
        let (end, pipe) = (&mut stream.ends[side], &mut stream.pipes[1 - side]);
        let (host, link) = (end.host, end.link.unwrap_or_default());
        match freight {
            Freight::Bytes(_) if is_lost => {
                self.fail((number, side), ErrorKind::ConnectionReset);
                self.reset((number, side));
            }
            // Nobody is there: who sends must hear of it.
            Freight::Bytes(_) if end.phase == Phase::Gone || end.error.is_some() => self.reset((number, side)),
            Freight::Bytes(bytes) => {
                pipe.arrived.extend(&bytes);
                let is_asked = end.is_read_asked;
                self.note(host, What::Arrived, link, bytes.len() as u64);
                if is_asked {
                    self.tell((number, side), true, false);
                }
            }
            Freight::End => {
                end.is_ended = true;
                self.note(host, What::Ended, link, 0);
                self.tell((number, side), true, false);
            }
            Freight::Reset => self.fail((number, side), ErrorKind::ConnectionReset),
        }
        self.tidy(number);
    }

    pub(super) fn make_room(&mut self, (number, side): EndId, bytes: usize) {
        let Some(stream) = self.streams.get(&number) else { return };
        if stream.is_severed || self.is_cut(stream.ends[1 - side].host, stream.ends[side].host) {
            if let Some(stream) = self.streams.get_mut(&number) {
                stream.pipes[side].room_held += bytes;
            }
            return self.block((number, side));
        }
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let (end, pipe) = (&stream.ends[side], &mut stream.pipes[side]);
        pipe.room += bytes;
        // Like a kernel, it waits until a third is free: or writers would be woken for crumbs.
        if end.is_write_asked && end.phase == Phase::Open && pipe.room >= pipe.capacity.div_ceil(3) {
            let (host, link, room) = (end.host, end.link.unwrap_or_default(), pipe.room as u64);
            self.note(host, What::Room, link, room);
            self.tell((number, side), false, true);
        }
    }

    /// What `end` has sent does not get through.
    fn block(&mut self, (number, side): EndId) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        if stream.pipes[side].blocked_since.is_none() {
            stream.pipes[side].blocked_since = Some(now);
            self.schedule(now + GIVE_UP, Happening::GiveUp((number, side), now));
        }
    }

    /// Ways are free again: whatever waited on them is sent again.
    pub(super) fn resume(&mut self) {
        let blocked = |(number, stream): (&u64, &Stream)| {
            let number = *number;
            let is_blocked = |side: &usize| stream.pipes[*side].blocked_since.is_some();
            (0..2).filter(is_blocked).map(move |side| (number, side)).collect::<Vec<_>>()
        };
        let ends: Vec<EndId> = self.streams.iter().flat_map(blocked).collect();
        for (number, side) in ends {
            let Some(stream) = self.streams.get(&number) else { continue };
            let (from, to) = (stream.ends[side].host, stream.ends[1 - side].host);
            if stream.is_severed || self.is_cut(from, to) || self.is_cut(to, from) {
                continue;
            }
            let now = self.now;
            let Some(stream) = self.streams.get_mut(&number) else { continue };
            let pipe = &mut stream.pipes[side];
            let (pieces, room, at) = (pipe.pieces(), std::mem::take(&mut pipe.room_held), now + pipe.latency);
            let arrival = pipe.resume(now);
            self.send((number, side), arrival.into_iter().flat_map(|at| std::iter::repeat_n(at, pieces)));
            if room > 0 {
                self.schedule(at, Happening::Room((number, side), room));
            }
        }
    }

    pub(super) fn give_up(&mut self, (number, side): EndId, since: Time) {
        let is_blocked = |stream: &Stream| stream.pipes[side].blocked_since == Some(since);
        if self.streams.get(&number).is_some_and(is_blocked) {
            self.fail((number, side), ErrorKind::TimedOut);
        }
    }

    /// The stream is void for one end; the other hears nothing by this.
    pub(super) fn fail(&mut self, (number, side): EndId, error: ErrorKind) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let (end, pipes) = (&mut stream.ends[side], &mut stream.pipes);
        if end.error.is_none() {
            end.error = Some(error);
            let (host, link) = (end.host, end.link.unwrap_or_default());
            pipes.iter_mut().for_each(Pipe::clear);
            let what = if error == ErrorKind::TimedOut { What::TimedOut } else { What::Reset };
            self.note(host, what, link, 0);
            self.tell((number, side), true, true);
        }
        self.tidy(number);
    }

    /// Makes the stream void for the other end of `end`.
    pub(super) fn reset(&mut self, (number, side): EndId) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let at = stream.pipes[side].reset(now);
        self.send((number, side), [at]);
    }

    /// Forgets a stream that nobody has any more.
    pub(super) fn tidy(&mut self, number: u64) {
        let is_over = |end: &End| end.phase == Phase::Gone || end.error.is_some() && end.link.is_none();
        if self.streams.get(&number).is_some_and(|stream| stream.ends.iter().all(is_over)) {
            self.streams.remove(&number);
        }
    }
}
