//! Where connections are accepted, and how that changes while the engine runs. Part of the engine: links never notice, and whoever asked
//! hears what became of it.

use super::engine::{Engine, Listener};
use super::net::Net;
use crate::base::limits::LISTENERS_MAX;
use crate::bus::command::ListenFault;
use crossbeam_channel::Sender;
use std::net::SocketAddr;

impl Engine {
    /// Connections accepted at `listener`, which listens at `at`, belong to this engine from now on.
    pub fn add_listener(&mut self, listener: u32, at: SocketAddr) {
        self.core.listeners.push(Listener { number: listener, at, waits: true });
        self.show_listeners();
    }

    /// Listens at one address more, unless nobody waits for that any more.
    pub(super) fn listen(&mut self, at: SocketAddr, answer: &Sender<Result<SocketAddr, ListenFault>>, net: &mut impl Net) {
        if self.core.listens_no_more {
            // Whoever gets no answer looks at the node.
            return;
        }
        let opened = self.open_listener(at, net);
        let bound = opened.as_ref().ok().copied();
        if let (Err(_), Some(bound)) = (answer.try_send(opened), bound) {
            self.close_listener(bound, net);
        }
    }

    /// Listens at one address less.
    pub(super) fn unlisten(&mut self, at: SocketAddr, answer: &Sender<bool>, net: &mut impl Net) {
        if self.core.listens_no_more {
            return;
        }
        let was_there = self.close_listener(at, net);
        // Who does not wait any more sees it in the list.
        let _ = answer.try_send(was_there);
    }

    /// The node stops. What it has said of itself stays said.
    pub(super) fn stop_listening(&mut self, net: &mut impl Net) {
        self.core.listens_no_more = true;
        self.core.listeners.drain(..).for_each(|listener| net.unlisten(listener.number));
    }

    fn open_listener(&mut self, at: SocketAddr, net: &mut impl Net) -> Result<SocketAddr, ListenFault> {
        let is_free = |number: &u32| self.core.listeners.iter().all(|listener| listener.number != *number);
        let number = (0..LISTENERS_MAX as u32).find(is_free).ok_or(ListenFault::TooMany)?;
        let bound = net.listen(number, at).map_err(ListenFault::System)?;
        let mut all = self.listening();
        all.push(bound);
        if let Err(text) = self.core.dialects.listens(&all) {
            net.unlisten(number);
            return Err(ListenFault::Hello(text));
        }
        self.add_listener(number, bound);
        Ok(bound)
    }

    fn close_listener(&mut self, at: SocketAddr, net: &mut impl Net) -> bool {
        let Some(place) = self.core.listeners.iter().position(|listener| listener.at == at) else { return false };
        net.unlisten(self.core.listeners.remove(place).number);
        // Less can always be said.
        let said = self.core.dialects.listens(&self.listening());
        debug_assert!(said.is_ok(), "{said:?}");
        self.show_listeners();
        true
    }

    fn listening(&self) -> Vec<SocketAddr> {
        self.core.listeners.iter().map(|listener| listener.at).collect()
    }

    fn show_listeners(&self) {
        self.core.ports.listening.publish(self.listening());
    }
}
