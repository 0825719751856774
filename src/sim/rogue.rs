//! Hosts that speak the protocol and mean harm. A rogue is a host like others whose words are replaced on the way out, or that does more than
//! a node would: it opens streams past its own reactor, or floods its links. What it must never do is touch another host but through the
//! network. `host.rs` owns one, `desks.rs` and `world.rs` let it act.

use super::port::Port;
use crate::base::address::Address;
use crate::base::channel::{ChannelId, Kind};
use crate::base::limits::ADDRESSES_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Verdict;
use crate::bus::command::Command;
use crate::pool::table::Pool;
use crate::reactor::net::Net;
use crate::session::dialect::Context;
use crate::session::gate::Gate;
use crate::session::handshake_initiator::Initiator;
use crate::session::local::Local;
use crate::wire::discover::DiscoverResponse;
use crate::wire::pex::{PexAddress, PexMessage};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How a host behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    #[default]
    Honest,
    /// Asks every peer for addresses without pause.
    Flooder,
    /// Whatever addresses it is asked for are ports of one victim.
    Liar { victim: IpAddr },
    /// Opens streams and writes one byte of a good handshake a second.
    SlowLoris,
    /// Opens streams, begins handshakes and never goes on.
    HalfOpener,
    /// Whatever addresses it is asked for are some of these.
    Eclipser { addresses: Vec<SocketAddr> },
    /// Whatever addresses it is asked for are some of these, under the identities that they name.
    Framer { names: Vec<Address> },
}

/// Time between two rounds of a rogue that acts by itself.
const ROUND: Duration = Duration::from_millis(500);
const FLOOD_ROUND: Duration = Duration::from_millis(10);
/// Streams past the reactor that it keeps; the oldest goes for a new one.
const RAW_MAX: usize = 200;
/// Their links are named from here on: far beyond those of the reactor.
const RAW_LINKS: u64 = 1 << 48;

/// See the file's head.
pub(super) struct Rogue {
    conduct: Conduct,
    rng: Rng,
    /// For first messages of handshakes.
    local: Arc<Local>,
    gate: Gate,
    next: Time,
    /// Streams past the reactor, with what was not written yet.
    raw: VecDeque<(LinkId, VecDeque<u8>)>,
    made: u64,
}

impl Rogue {
    /// None for an honest host.
    pub fn of(conduct: &Conduct, mut rng: Rng, local: Arc<Local>) -> Option<Box<Rogue>> {
        let gate = Gate::new(&mut rng, 0, 0);
        let conduct = Some(conduct.clone()).filter(|conduct| *conduct != Conduct::Honest)?;
        Some(Box::new(Rogue { conduct, rng, local, gate, next: Time::ZERO, raw: VecDeque::new(), made: 0 }))
    }

    /// Streams of its host that its reactor knows nothing of.
    pub fn raw_streams(&self) -> usize {
        self.raw.len()
    }

    /// When it acts by itself.
    pub fn deadline(&self) -> Option<Time> {
        matches!(self.conduct, Conduct::Flooder | Conduct::SlowLoris | Conduct::HalfOpener).then_some(self.next)
    }

    /// Replaces the addresses that its workers tell, in answers and to those whom they turn away.
    pub fn twist(&mut self, commands: &mut [Command]) {
        for command in commands {
            if let Command::Judge { verdict: Verdict::Refuse { alternatives, .. }, .. } = command {
                *alternatives = self.lies().unwrap_or_else(|| std::mem::take(alternatives));
            }
            let Command::Say { channel, kind, body, .. } = command else { continue };
            let Some(lies) = self.lies() else { return };
            match (*channel, *kind, PexMessage::decode(body).map(|read| read.message)) {
                (ChannelId::PEX, _, Ok(PexMessage::Response(_))) => *body = PexMessage::Response(lies).encode().into(),
                (ChannelId::PEX, _, Ok(PexMessage::ResponseV2(_))) => {
                    let bare = |address| PexAddress { address, capabilities: Vec::new() };
                    *body = PexMessage::ResponseV2(lies.into_iter().map(bare).collect()).encode().into();
                }
                (ChannelId::DISCOVER, Kind::Response, _) => *body = DiscoverResponse::page(&lies, false).encode().into(),
                _ => {}
            }
        }
    }

    /// Addresses that it would have others dial, each with an identity of its own unless it names one; none if it does not lie.
    fn lies(&mut self) -> Option<Vec<Address>> {
        if let Conduct::Framer { names } = &self.conduct {
            let draw = |_| names.get(self.rng.index(names.len().max(1))).cloned();
            return Some((0..ADDRESSES_MAX).filter_map(draw).collect());
        }
        let at: Vec<SocketAddr> = match &self.conduct {
            Conduct::Liar { victim } => {
                (0..ADDRESSES_MAX).map(|_| SocketAddr::new(*victim, 1 + self.rng.below(65_535) as u16)).collect()
            }
            Conduct::Eclipser { addresses } if addresses.is_empty() => Vec::new(),
            Conduct::Eclipser { addresses } => (0..ADDRESSES_MAX).map(|_| addresses[self.rng.index(addresses.len())]).collect(),
            _ => return None,
        };
        let mut name = || {
            let mut bytes = [0; 32];
            self.rng.fill(&mut bytes);
            PeerId::from_bytes(bytes)
        };
        Some(at.into_iter().map(|at| Address::of(at, Some(name()))).collect())
    }

    /// Does what it does by itself; gives what its reactor is to say.
    pub fn act(&mut self, now: Time, unix_seconds: u64, pool: &Pool, port: &mut Port<'_>) -> Vec<Command> {
        match self.conduct {
            Conduct::Flooder => {
                self.next = now + FLOOD_ROUND;
                let body = Bytes::from(PexMessage::RequestV2.encode());
                let open = pool.slots().iter().filter(|slot| slot.is_open());
                open.map(|slot| ask(slot.link, &body)).collect()
            }
            Conduct::SlowLoris | Conduct::HalfOpener => {
                self.next = now + ROUND;
                self.open(now, unix_seconds, pool, port);
                self.write(port);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Opens one more stream to somebody whom the host knows.
    fn open(&mut self, now: Time, unix_seconds: u64, pool: &Pool, port: &mut Port<'_>) {
        let known = pool.points().len();
        let Some(to) = (known > 0).then(|| self.rng.index(known)).and_then(|place| pool.points().iter().nth(place)) else {
            return;
        };
        if self.raw.len() == RAW_MAX
            && let Some((oldest, _)) = self.raw.pop_front()
        {
            port.close(oldest);
        }
        self.made += 1;
        let link = LinkId::from_u64(RAW_LINKS + self.made);
        // Out of descriptors: next time, then.
        if port.dial(link, to.at, None).is_err() {
            return;
        }
        let mut message = Vec::new();
        let cx = &mut Context { now, unix_seconds, gate: &mut self.gate, entropy: &mut self.rng };
        Initiator::new(Arc::clone(&self.local), to.at, None, cx, &mut message);
        self.raw.push_back((link, message.into()));
    }

    fn write(&mut self, port: &mut Port<'_>) {
        let most = if self.conduct == Conduct::SlowLoris { 1 } else { usize::MAX };
        for (link, rest) in &mut self.raw {
            let piece: Vec<u8> = rest.iter().copied().take(most).collect();
            // A stream that is not up yet, or is gone, takes nothing.
            let written = if piece.is_empty() { 0 } else { port.write(*link, &piece).unwrap_or(0) };
            rest.drain(..written);
        }
    }
}

fn ask(link: LinkId, body: &Bytes) -> Command {
    Command::Say { link, channel: ChannelId::PEX, kind: Kind::Message, request: 0, body: body.clone() }
}
