//! Where a node listens, and how that changes while it runs. Part of the node's face: the reactor opens and closes, the pool learns what is
//! this node's own.

use super::error::Error;
use super::node::Node;
use super::pump;
use super::shared::Shared;
use crate::base::address::Address;
use crate::base::limits::{LISTENERS_MAX, STOP_TIMEOUT};
use crate::bus::command::{Command, ListenFault};
use crate::session::local;
use crossbeam_channel::{Receiver, bounded};
use std::net::SocketAddr;

impl Node {
    /// The addresses it really listens at (port 0 resolved); empty before the start.
    pub fn listen_addresses(&self) -> Vec<SocketAddr> {
        self.running().map(|running| running.shared.listening.read()).unwrap_or_default()
    }

    /// Listens at one address more, until the node stops, and returns where that is: port 0 lets the system choose. Peers that connect from
    /// now on are told of it as of `listen.addresses`, which stays what it was.
    ///
    /// # Errors
    /// `Listen` with the system's word if the address is occupied, forbidden or not of this machine; `TooMany` when it listens at 8, or
    /// peers could not be told of one more; `State` before the start, `Stopped`, `Failed`; `Timeout` if the reactor does not answer: what
    /// it opens later than that it closes again.
    ///
    /// # Blocks
    /// For a turn of the reactor; at most 5 s.
    pub fn listen_add(&self, at: SocketAddr) -> Result<SocketAddr, Error> {
        let shared = self.shared()?;
        let at = shared.seat.as_ref().map_or(at, |seat| seat.place(at));
        let (answer, opened) = bounded(1);
        let bound = self.ordered(Command::Listen { at, answer }, &opened)?.map_err(|fault| match fault {
            ListenFault::System(source) => Error::Listen { at, source },
            ListenFault::TooMany => Error::TooMany(format!("a node listens at {LISTENERS_MAX} addresses at most")),
            ListenFault::Hello(text) => Error::TooMany(format!("peers cannot be told of one more address: {text}")),
        })?;
        self.note_own(shared);
        Ok(bound)
    }

    /// Listens no longer at an address of `listen_addresses`, whether `listen_add` or the settings put it there. Links stay; who has
    /// connected there and was not accepted yet is turned away.
    ///
    /// # Errors
    /// `Unknown` if it does not listen there; `State` before the start, `Stopped`, `Failed`; `Timeout` if the reactor does not answer, which
    /// may close it yet: `listen_addresses` says.
    ///
    /// # Blocks
    /// For a turn of the reactor; at most 5 s.
    pub fn listen_remove(&self, at: SocketAddr) -> Result<(), Error> {
        let shared = self.shared()?;
        let place = shared.seat.as_ref().map_or(at, |seat| seat.place(at));
        let (answer, closed) = bounded(1);
        if !self.ordered(Command::Unlisten { at: place, answer }, &closed)? {
            return Err(Error::Unknown(format!("{at} as an address at which this node listens")));
        }
        self.note_own(shared);
        Ok(())
    }

    /// Where the node says that it can be dialed.
    pub(super) fn advertised(&self, shared: &Shared) -> Vec<Address> {
        local::advertised(self.settings().listen_advertise.as_ref(), shared.own, &shared.listening.read())
    }

    /// Gives the reactor an order, and waits for its answer.
    fn ordered<T>(&self, command: Command, answer: &Receiver<T>) -> Result<T, Error> {
        let shared = self.shared()?;
        shared.seat.as_ref().map_or(Ok(()), |seat| seat.check())?;
        shared.order(command);
        shared
            .wait_for(answer, STOP_TIMEOUT)
            .map_err(|error| if error.is_timeout() { Error::Timeout } else { shared.status.gone() })
    }

    /// The pool learns where this node can be dialed. No lock is held from reading to telling: whoever told what was old already finds out,
    /// and tells again.
    fn note_own(&self, shared: &Shared) {
        let mut own = self.advertised(shared);
        loop {
            let ((), out) = shared.work(|_, pool, out| {
                out.changed = true;
                pool.set_own_addresses(own.clone());
            });
            pump::tell(out, shared);
            let now = self.advertised(shared);
            if now == own {
                return;
            }
            own = now;
        }
    }
}
