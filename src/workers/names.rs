//! Addresses whose host is a name: configured ones (`Names`, maintenance's), with which addresses the pool holds for each; and those that
//! peers tell of (`Heard`, exchange's), of which few are asked for. Nothing is resolved here and nobody waits.

use super::maintenance::Findings;
use crate::base::address::{Address, Host, Scheme};
use crate::base::limits::{ADDRESSES_PER_NAME, NAMES_HEARD_MAX, NAMES_HEARD_PER_PEER};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::outbox::{Job, Outbox};
use crate::pool::points::State;
use crate::pool::table::Pool;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// A name that peers told of is asked for once in this time, whatever its ports: nobody can aim us at a name server.
const HEARD_FOR: Duration = Duration::from_secs(3_600);
/// Time between two questions for such names.
const QUESTION_PERIOD: Duration = Duration::from_secs(1);

const LOG: &str = "bowline::maintain";

/// A configured address whose host is a name.
#[derive(Debug)]
struct Name {
    address: Address,
    is_persistent: bool,
    /// The question under way.
    ticket: Option<u64>,
    next_question: Time,
    resolved: Vec<SocketAddr>,
}

/// All names, as many as were configured.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: Vec<Name>,
    tickets: u64,
    /// For lines on names that do not resolve.
    lines: Throttle,
}

impl Names {
    /// Adds a configured address, to be asked for at once.
    pub fn add(&mut self, now: Time, address: Address, is_persistent: bool) {
        let (ticket, next_question, resolved) = (None, now, Vec::new());
        self.all.push(Name { address, is_persistent, ticket, next_question, resolved });
    }

    /// Seeds that no question is under way for are to be asked for again at once.
    pub fn hurry_seeds(&mut self, now: Time) {
        for name in self.all.iter_mut().filter(|name| !name.is_persistent) {
            name.next_question = now;
        }
    }

    /// Names of persistent peers.
    pub fn persistents(&self) -> usize {
        self.all.iter().filter(|name| name.is_persistent).count()
    }

    pub fn has_persistent(&self, address: &Address) -> bool {
        self.all.iter().any(|name| name.is_persistent && name.address == *address)
    }

    /// The address is one of those that a persistent peer's name has resolved to.
    pub fn has_resolved(&self, at: SocketAddr) -> bool {
        self.all.iter().any(|name| name.is_persistent && name.resolved.contains(&at))
    }

    /// Forgets the name of a persistent peer; what it has resolved to loses its special place. False if there was none.
    pub fn remove_persistent(&mut self, now: Time, address: &Address, pool: &mut Pool) -> bool {
        let Some(index) = self.all.iter().position(|name| name.is_persistent && name.address == *address) else { return false };
        for at in self.all.remove(index).resolved {
            if !self.has_resolved(at) {
                pool.unfix(now, at);
            }
        }
        true
    }

    /// Asks for the addresses of configured names: at start, and again while none of them is in use.
    pub fn ask(&mut self, now: Time, pool: &Pool, out: &mut Outbox, found: &mut Findings) {
        for name in self.all.iter_mut().filter(|name| name.ticket.is_none()) {
            let is_used =
                |at: &SocketAddr| pool.points().get(*at).is_some_and(|point| matches!(point.state, State::Connected(_)));
            if now >= name.next_question && !name.resolved.iter().any(is_used) {
                self.tickets += 1;
                name.ticket = Some(self.tickets);
                let Host::Name(host) = &name.address.host else { continue };
                out.jobs.push(Job::Resolve { ticket: self.tickets, name: host.clone(), port: name.address.port });
            } else {
                found.wait_for((now < name.next_question).then_some(name.next_question));
            }
        }
    }

    /// A name was resolved: to these addresses, or to none in time. Those that it no longer has lose their special place in the pool.
    pub fn resolved(&mut self, now: Time, ticket: u64, addresses: &[SocketAddr], pool: &mut Pool, out: &mut Outbox) {
        let Some(name) = self.all.iter_mut().find(|name| name.ticket == Some(ticket)) else { return };
        name.ticket = None;
        let policy = pool.policy();
        name.next_question = now + if addresses.is_empty() { policy.dial_period } else { policy.maintenance_period };
        if addresses.is_empty() {
            let wait = policy.dial_period.as_secs();
            let text = || format!("{} does not resolve: it is asked for again in {wait} s", name.address);
            out.log.extend(self.lines.line(now, text).map(|line| (log::Level::Warn, LOG, line)));
            return;
        }
        let (old, new) = (&name.resolved, &addresses[..addresses.len().min(ADDRESSES_PER_NAME)]);
        for at in old.iter().filter(|at| !new.contains(at)) {
            pool.points_mut().unfix(*at);
        }
        for at in new.iter().filter(|at| !old.contains(at)) {
            pool.fix(now, *at, name.address.id, name.is_persistent);
        }
        name.resolved = new.to_vec();
    }
}

/// A name that a peer told of.
#[derive(Debug)]
struct HeardName {
    address: Address,
    from: SocketAddr,
    peer: PeerId,
    asked_at: Option<Time>,
    /// The question under way.
    ticket: Option<u64>,
}

/// Names that peers told of: few of each, and what finds no room is dropped. What they resolve to is hearsay of that peer.
#[derive(Debug, Default)]
pub(super) struct Heard {
    all: Vec<HeardName>,
    /// Links whose Hello was looked at.
    greeted: BTreeSet<LinkId>,
    tickets: u64,
    next_question: Time,
}

impl Heard {
    /// Takes what the peer of a link told of, if it is a name.
    pub fn add(&mut self, now: Time, address: &Address, (from, peer): (SocketAddr, PeerId)) {
        if !matches!(address.host, Host::Name(_)) || address.scheme != Scheme::Bowline {
            return;
        }
        let is_over = |name: &HeardName| name.ticket.is_none() && name.asked_at.is_some_and(|at| now.since(at) >= HEARD_FOR);
        self.all.retain(|name| !is_over(name));
        let is_known = self.all.iter().any(|name| name.address.host == address.host);
        let of_peer = self.all.iter().filter(|name| name.peer == peer).count();
        if !is_known && of_peer < NAMES_HEARD_PER_PEER && self.all.len() < NAMES_HEARD_MAX {
            self.all.push(HeardName { address: address.clone(), from, peer, asked_at: None, ticket: None });
        }
    }

    /// Takes the names that new peers say they listen at.
    pub fn greet(&mut self, now: Time, pool: &Pool) {
        self.greeted.retain(|link| pool.slots().get(*link).is_some_and(|slot| slot.is_link()));
        for slot in pool.slots().iter().filter(|slot| slot.is_open()) {
            let (Some(peer), Some(hello)) = (slot.peer, &slot.hello) else { continue };
            if !self.greeted.insert(slot.link) || hello.is_private {
                continue;
            }
            for address in &hello.listen {
                self.add(now, &Address { id: Some(peer), ..address.clone() }, (slot.remote, peer));
            }
        }
    }

    /// Asks for the next name when it is time. Gives when to come back.
    pub fn ask(&mut self, now: Time, out: &mut Outbox) -> Time {
        let is_waiting = |name: &HeardName| name.asked_at.is_none();
        if now >= self.next_question
            && let Some(name) = self.all.iter_mut().find(|name| is_waiting(name))
            && let Host::Name(host) = &name.address.host
        {
            self.tickets += 1;
            self.next_question = now + QUESTION_PERIOD;
            (name.ticket, name.asked_at) = (Some(self.tickets), Some(now));
            out.jobs.push(Job::Resolve { ticket: self.tickets, name: host.clone(), port: name.address.port });
        }
        if self.all.iter().any(is_waiting) { self.next_question } else { Time::MAX }
    }

    /// A name was resolved, or not in time. Its addresses are learned as if the peer had told them; true if any were new.
    pub fn resolved(&mut self, now: Time, ticket: u64, addresses: &[SocketAddr], pool: &mut Pool) -> bool {
        let Some(name) = self.all.iter_mut().find(|name| name.ticket == Some(ticket)) else { return false };
        name.ticket = None;
        let id = name.address.id;
        let offers: Vec<Address> = addresses.iter().take(ADDRESSES_PER_NAME).map(|at| Address::of(*at, id)).collect();
        pool.learn_all(now, offers.iter().map(|offer| (offer, &[][..])), name.from, Some(name.peer)) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{at, ms, peer, policy};
    use super::*;
    use crate::base::link_id::LinkIds;

    fn named(host: &str, who: usize) -> Address {
        format!("{}@{host}:9732", peer(who)).parse().expect("an address")
    }

    fn questions(heard: &mut Heard, now: Time) -> Vec<String> {
        let mut out = Outbox::default();
        heard.ask(now, &mut out);
        let name = |job| if let Job::Resolve { name, .. } = job { Some(name) } else { None };
        out.jobs.into_iter().filter_map(name).collect()
    }

    #[test]
    fn names_are_few_of_each_peer_one_a_second_and_each_once_an_hour() {
        let mut heard = Heard::default();
        for number in 0..9 {
            heard.add(ms(0), &named(&format!("a{number}.example"), 7), (at(1), peer(1)));
        }
        heard.add(ms(0), &"a0.example:1".parse().expect("an address"), (at(2), peer(2)));
        heard.add(ms(0), &"mconn://b.example:1".parse().expect("an address"), (at(2), peer(2)));
        heard.add(ms(0), &Address::of(at(3), None), (at(2), peer(2)));
        let asked: Vec<_> = (0..20).flat_map(|n| questions(&mut heard, ms(n * 500))).collect();
        assert_eq!(asked, ["a0.example", "a1.example", "a2.example", "a3.example"]);
        assert_eq!(questions(&mut heard, ms(1_000)).len(), 0);
        for ticket in 1..=4 {
            assert!(heard.all.iter().any(|name| name.ticket == Some(ticket)));
            let mut pool = Pool::new(peer(0), policy(), LinkIds::default());
            assert!(!heard.resolved(ms(10_000), ticket, &[], &mut pool));
        }
        heard.add(ms(3_599_999), &named("a0.example", 7), (at(1), peer(1)));
        assert!(questions(&mut heard, ms(3_599_999)).is_empty());
        heard.add(ms(3_600_000), &named("a0.example", 7), (at(1), peer(1)));
        assert_eq!(questions(&mut heard, ms(3_600_000)), ["a0.example"]);
        for number in 0..NAMES_HEARD_MAX * 2 {
            heard.add(ms(3_600_000), &named(&format!("c{number}.example"), 7), (at(1), peer(number)));
        }
        assert_eq!(heard.all.len(), NAMES_HEARD_MAX);
    }

    #[test]
    fn what_a_name_resolves_to_is_hearsay_of_who_told_it() {
        let mut heard = Heard::default();
        let mut pool = Pool::new(peer(0), policy(), LinkIds::default());
        heard.add(ms(0), &named("a.example", 7), (at(1), peer(1)));
        questions(&mut heard, ms(0));
        let all: Vec<SocketAddr> = (20..40).map(at).collect();
        assert!(heard.resolved(ms(1), 1, &all, &mut pool));
        assert_eq!(pool.points().len(), ADDRESSES_PER_NAME);
        let point = pool.points().get(at(20)).expect("learned");
        assert_eq!((point.peer, point.proof), (Some(peer(7)), crate::pool::points::Proof::Heard));
        assert!(!heard.resolved(ms(2), 1, &[at(50)], &mut pool), "nobody asked");
    }
}
