//! What the operator has configured, addresses and names, with which addresses the pool holds for each (`Names`, maintenance's); and names
//! that peers tell of (`Heard`, exchange's), of which few are asked for. Nothing is resolved here and nobody waits.

use super::maintenance::Findings;
use crate::base::address::{Address, Host, Scheme};
use crate::base::limits::{ADDRESSES_PER_NAME, NAMES_HEARD_MAX, NAMES_HEARD_PER_PEER, RESOLVE_TIMEOUT, TELLINGS_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::{Group, is_host};
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::bus::outbox::{Job, Outbox};
use crate::pool::points::{State, canonical_socket};
use crate::pool::table::Pool;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A name that peers told of is asked for once in this time, whatever its ports: nobody can aim us at a name server.
const HEARD_FOR: Duration = Duration::from_secs(3_600);
/// Time between two questions for such names.
const QUESTION_PERIOD: Duration = Duration::from_secs(1);

const LOG: &str = "bowline::maintain";

/// A configured address. Its host is a name that is asked for, or an address, and then that is all it ever resolves to.
#[derive(Debug)]
struct Name {
    address: Address,
    is_persistent: bool,
    /// The question under way. It is answered sooner or later, and the name is not asked for again before.
    ticket: Option<u64>,
    /// When it was asked for last, or may be next.
    next_question: Time,
    /// Questions in a row that found nothing. Names with fewer are asked for first.
    misses: u32,
    is_late_told: bool,
    resolved: Vec<SocketAddr>,
}

impl Name {
    fn is_literal(&self) -> bool {
        self.address.socket().is_some()
    }

    /// It names the same host and port.
    fn is_at(&self, address: &Address) -> bool {
        let socket = |address: &Address| address.socket().map(canonical_socket);
        let is_same = (&self.address.host, self.address.port) == (&address.host, address.port);
        is_same || self.is_literal() && socket(&self.address) == socket(address)
    }

    fn has_other_identity(&self, address: &Address) -> bool {
        self.address.id.zip(address.id).is_some_and(|(one, other)| one != other)
    }
}

/// All that was configured. What several name, addresses or names, keeps its special place until the last of them lets it go.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: Vec<Name>,
    tickets: u64,
    /// For lines on names that do not resolve.
    lines: Throttle,
}

impl Names {
    /// Takes a configured address; a name is to be asked for at once. What is known without an identity may get one so. False if it is this
    /// node's own.
    pub fn add(&mut self, now: Time, address: Address, is_persistent: bool, pool: &mut Pool) -> bool {
        let at = address.socket().map(canonical_socket);
        if at.is_some_and(|at| !pool.fix(now, at, address.id, is_persistent)) {
            return false;
        }
        let known = self.all.iter().position(|name| name.is_persistent == is_persistent && name.is_at(&address));
        let index = known.unwrap_or(self.all.len());
        if let Some(name) = self.all.get_mut(index) {
            name.address.id = name.address.id.or(address.id);
        } else {
            let (ticket, misses, is_late_told) = (None, 0, false);
            let resolved = at.into_iter().collect();
            self.all.push(Name { address, is_persistent, ticket, next_question: now, misses, is_late_told, resolved });
        }
        for at in &self.all[index].resolved {
            pool.expect_at(*at, self.expected_at(*at));
        }
        true
    }

    /// Seeds that no question is under way for are to be asked for again at once.
    pub fn hurry_seeds(&mut self, now: Time) {
        for name in self.all.iter_mut().filter(|name| !name.is_persistent && name.ticket.is_none()) {
            name.next_question = now;
        }
    }

    pub fn persistents(&self) -> usize {
        self.all.iter().filter(|name| name.is_persistent).count()
    }

    /// The persistent peer that is configured there, as it was written.
    pub fn persistent_at(&self, address: &Address) -> Option<&Address> {
        self.all.iter().find(|name| name.is_persistent && name.is_at(address)).map(|name| &name.address)
    }

    /// Another identity is configured at that host and port.
    pub fn has_other_identity(&self, address: &Address) -> bool {
        self.all.iter().any(|name| name.is_at(address) && name.has_other_identity(address))
    }

    /// Forgets a persistent peer; what it has resolved to loses its special place. False if there was none, or one with another identity.
    pub fn remove_persistent(&mut self, address: &Address, pool: &mut Pool) -> bool {
        let is_it = |name: &Name| name.is_persistent && name.is_at(address) && !name.has_other_identity(address);
        let Some(index) = self.all.iter().position(is_it) else { return false };
        for at in self.all.remove(index).resolved {
            self.let_go(at, true, pool);
        }
        true
    }

    /// One who has named the address names it no more.
    fn let_go(&self, at: SocketAddr, is_persistent: bool, pool: &mut Pool) {
        let has_it = |name: &Name| name.is_persistent == is_persistent && name.resolved.contains(&at);
        if !self.all.iter().any(has_it) {
            pool.unfix(at, is_persistent);
        }
        pool.expect_at(at, self.expected_at(at));
    }

    /// Who must be at an address: whom the operator has written beside it; else who is expected where a name leads there, for what a name server
    /// answers is only its word.
    fn expected_at(&self, at: SocketAddr) -> Option<PeerId> {
        let of = |is_literal: bool| {
            let named = self.all.iter().filter(move |name| name.is_literal() == is_literal && name.resolved.contains(&at));
            named.filter_map(|name| name.address.id).next()
        };
        of(true).or_else(|| of(false))
    }

    /// Asks for the addresses of configured names: at start, and again while none of them is in use.
    pub fn ask(&mut self, now: Time, pool: &Pool, out: &mut Outbox, found: &mut Findings) {
        self.note_late(now, out);
        self.all.sort_by_key(|name| name.misses);
        for name in self.all.iter_mut().filter(|name| name.ticket.is_none()) {
            let Host::Name(host) = name.address.host.clone() else { continue };
            if now >= name.next_question && !name.resolved.iter().any(|at| is_linked(*at, pool)) {
                self.tickets += 1;
                (name.ticket, name.next_question, name.is_late_told) = (Some(self.tickets), now, false);
                out.jobs.push(Job::Resolve { ticket: self.tickets, name: host, port: name.address.port, is_heard: false });
            } else {
                found.wait_for((now < name.next_question).then_some(name.next_question));
            }
        }
    }

    /// Names that hang are waited for; the operator is told.
    fn note_late(&mut self, now: Time, out: &mut Outbox) {
        let is_late =
            |name: &&mut Name| name.ticket.is_some() && !name.is_late_told && now.since(name.next_question) >= RESOLVE_TIMEOUT;
        for name in self.all.iter_mut().filter(is_late) {
            name.is_late_told = true;
            let text =
                || format!("{} has not resolved for {} s: it is still waited for", name.address, RESOLVE_TIMEOUT.as_secs());
            out.log.extend(self.lines.line(now, text).map(|line| (log::Level::Warn, LOG, line)));
        }
    }

    /// A name was resolved: to these addresses, or to none. Those that it no longer has lose their special place in the pool, but
    /// one that a link uses.
    pub fn resolved(&mut self, now: Time, ticket: u64, addresses: &[SocketAddr], pool: &mut Pool, out: &mut Outbox) {
        let Some(index) = self.all.iter().position(|name| name.ticket == Some(ticket)) else { return };
        let (name, policy) = (&mut self.all[index], pool.policy());
        name.ticket = None;
        // Of more than are taken always the same: name servers give them in another order each time. A filter of names answers 0.0.0.0.
        let found: BTreeSet<SocketAddr> =
            addresses.iter().map(|at| canonical_socket(*at)).filter(|at| is_host(at.ip())).collect();
        name.misses = if found.is_empty() { name.misses.saturating_add(1) } else { 0 };
        name.next_question = now + if found.is_empty() { policy.dial_period } else { policy.maintenance_period };
        if found.is_empty() {
            let wait = policy.dial_period.as_secs();
            let why = match addresses.first() {
                Some(at) => format!("resolves to {}, where no node can be", at.ip()),
                None => "does not resolve".to_owned(),
            };
            let text = || format!("{} {why}: it is asked for again in {wait} s", name.address);
            out.log.extend(self.lines.line(now, text).map(|line| (log::Level::Warn, LOG, line)));
            return;
        }
        let is_used = |at: &&SocketAddr| is_linked(**at, pool);
        let used: BTreeSet<SocketAddr> = name.resolved.iter().filter(is_used).copied().collect();
        let new: Vec<SocketAddr> = used.iter().chain(found.difference(&used)).take(ADDRESSES_PER_NAME).copied().collect();
        let old = std::mem::replace(&mut name.resolved, new.clone());
        let is_persistent = name.is_persistent;
        for at in old.iter().filter(|at| !new.contains(at)) {
            self.let_go(*at, is_persistent, pool);
        }
        for at in new.iter().filter(|at| !old.contains(at)) {
            pool.fix(now, *at, self.expected_at(*at), is_persistent);
        }
    }
}

fn is_linked(at: SocketAddr, pool: &Pool) -> bool {
    pool.points().get(at).is_some_and(|point| matches!(point.state, State::Connected(_)))
}

/// What one peer says is at a name.
#[derive(Debug)]
struct Telling {
    port: u16,
    id: Option<PeerId>,
    from: SocketAddr,
    peer: PeerId,
}

/// A name that peers told of.
#[derive(Debug)]
struct HeardName {
    host: String,
    /// Who told of it first: it counts to the share of that peer, and of its group.
    peer: PeerId,
    group: Group,
    /// What was said of it and is not learned yet. Each may name another port or identity, and none counts for more than others.
    tellings: Vec<Telling>,
    /// What it has resolved to.
    ips: Vec<IpAddr>,
    asked_at: Option<Time>,
    /// The question under way.
    ticket: Option<u64>,
}

impl HeardName {
    /// It was asked for, and nothing more will come of that.
    fn is_over(&self) -> bool {
        self.ticket.is_none() && self.asked_at.is_some()
    }

    /// Learns what was said of it, each as hearsay of its peer. Gives how many addresses were new.
    fn learn(&mut self, now: Time, pool: &mut Pool) -> usize {
        let mut new = 0;
        for Telling { port, id, from, peer } in self.tellings.drain(..) {
            let offers: Vec<Address> = self.ips.iter().map(|ip| Address::of(SocketAddr::new(*ip, port), id)).collect();
            new += pool.learn_all(now, offers.iter().map(|offer| (offer, &[][..])), from, Some(peer));
        }
        new
    }
}

/// Names that peers told of: few of each, and what finds no room is dropped. What they resolve to is hearsay of those peers.
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
        let Host::Name(host) = &address.host else { return };
        if address.scheme != Scheme::Bowline {
            return;
        }
        let telling = Telling { port: address.port, id: address.id, from, peer };
        let is_forgotten = |name: &HeardName| name.is_over() && name.asked_at.is_some_and(|at| now.since(at) >= HEARD_FOR);
        self.all.retain(|name| !is_forgotten(name));
        if let Some(known) = self.all.iter_mut().find(|name| name.host == *host) {
            let has_told = known.tellings.iter().any(|told| told.peer == peer);
            if !has_told && known.tellings.len() < TELLINGS_MAX {
                known.tellings.push(telling);
            }
            return;
        }
        let (of_peer, group) = (self.all.iter().filter(|name| name.peer == peer).count(), Group::of(from.ip()));
        if of_peer < NAMES_HEARD_PER_PEER && self.has_room_for(group) {
            let (host, tellings) = (host.clone(), vec![telling]);
            self.all.push(HeardName { host, peer, group, tellings, ips: Vec::new(), asked_at: None, ticket: None });
        }
    }

    /// Whether one more name of a group finds a place: when all are taken the group that has the most gives one up, so that many peers in
    /// few networks do not keep others from being heard.
    fn has_room_for(&mut self, group: Group) -> bool {
        if self.all.len() < NAMES_HEARD_MAX {
            return true;
        }
        let mut crowds: BTreeMap<Group, usize> = BTreeMap::new();
        for name in &self.all {
            *crowds.entry(name.group).or_default() += 1;
        }
        let own = crowds.get(&group).copied().unwrap_or(0);
        let Some((most, crowd)) = crowds.into_iter().map(|(group, count)| (count, group)).max() else { return false };
        // The longest asked for goes first, then the last that waits; not one whose answer is on its way.
        let of_crowd = |name: &&HeardName| name.group == crowd && name.ticket.is_none();
        let oldest = self.all.iter().filter(of_crowd).filter_map(|name| name.asked_at).min();
        let goes = self.all.iter().rposition(|name| of_crowd(&name) && name.asked_at == oldest);
        match goes.filter(|_| most > own + 1) {
            Some(index) => {
                self.all.remove(index);
                true
            }
            None => false,
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

    /// Asks for the next name when it is time, and learns what was said of those that have resolved. Gives when to come back.
    pub fn ask(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) -> Time {
        for name in self.all.iter_mut().filter(|name| name.is_over()) {
            out.nudge_maintenance |= name.learn(now, pool) > 0;
        }
        let is_waiting = |name: &HeardName| name.asked_at.is_none();
        if self.all.iter().any(|name| name.ticket.is_some()) {
            // The resolver looks one such name up at a time: those behind one that hangs wait here, where they cannot be lost.
            return Time::MAX;
        }
        if now >= self.next_question
            && let Some(name) = self.all.iter_mut().find(|name| is_waiting(name))
        {
            self.tickets += 1;
            self.next_question = now + QUESTION_PERIOD;
            (name.ticket, name.asked_at) = (Some(self.tickets), Some(now));
            let (host, port) = (name.host.clone(), name.tellings.first().map_or(0, |telling| telling.port));
            out.jobs.push(Job::Resolve { ticket: self.tickets, name: host, port, is_heard: true });
        }
        if self.all.iter().any(is_waiting) { self.next_question } else { Time::MAX }
    }

    /// A name was resolved, or not. Its addresses are learned as if the peers had told them; true if any were new.
    pub fn resolved(&mut self, now: Time, ticket: u64, addresses: &[SocketAddr], pool: &mut Pool) -> bool {
        let Some(name) = self.all.iter_mut().find(|name| name.ticket == Some(ticket)) else { return false };
        name.ticket = None;
        name.ips = addresses.iter().take(ADDRESSES_PER_NAME).map(SocketAddr::ip).collect();
        name.learn(now, pool) > 0
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

    fn pool() -> Pool {
        Pool::new(peer(0), policy(), LinkIds::default())
    }

    fn questions(heard: &mut Heard, now: Time) -> Vec<String> {
        let mut out = Outbox::default();
        heard.ask(now, &mut pool(), &mut out);
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
        let mut asked = Vec::new();
        for half_second in 0..20 {
            let names = questions(&mut heard, ms(half_second * 500));
            assert!(names.is_empty() || half_second % 2 == 0, "one a second");
            asked.extend(names);
            heard.resolved(ms(half_second * 500), asked.len() as u64, &[], &mut pool());
        }
        assert_eq!(asked, ["a0.example", "a1.example", "a2.example", "a3.example"]);
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
    fn a_name_that_hangs_loses_no_other_that_was_heard() {
        let mut heard = Heard::default();
        heard.add(ms(0), &named("hangs.example", 7), (at(1), peer(1)));
        assert_eq!(questions(&mut heard, ms(0)), ["hangs.example"]);
        for number in 0..20 {
            heard.add(ms(1), &named(&format!("good{number}.example"), 7), (at(2 + number), peer(2 + number)));
        }
        assert!((1..30).all(|second| questions(&mut heard, ms(second * 1_000)).is_empty()), "one at a time");
        let mut pool = pool();
        assert!(!heard.resolved(ms(30_000), 1, &[], &mut pool));
        for number in 0..20_u64 {
            assert_eq!(questions(&mut heard, ms(30_000 + number * 1_000)), [format!("good{number}.example")]);
            assert!(heard.resolved(ms(30_000 + number * 1_000), 2 + number, &[at(50 + number as usize)], &mut pool));
        }
    }

    #[test]
    fn what_a_name_resolves_to_is_hearsay_of_who_told_it() {
        let mut heard = Heard::default();
        let mut pool = pool();
        heard.add(ms(0), &named("a.example", 7), (at(1), peer(1)));
        questions(&mut heard, ms(0));
        let all: Vec<SocketAddr> = (20..40).map(at).collect();
        assert!(heard.resolved(ms(1), 1, &all, &mut pool));
        assert_eq!(pool.points().len(), ADDRESSES_PER_NAME);
        let point = pool.points().get(at(20)).expect("learned");
        assert_eq!((point.peer, point.proof), (Some(peer(7)), crate::pool::points::Proof::Heard));
        assert!(!heard.resolved(ms(2), 1, &[at(50)], &mut pool), "nobody asked");
    }

    #[test]
    fn who_tells_of_a_name_first_does_not_say_alone_what_is_there() {
        let (mut heard, mut pool) = (Heard::default(), pool());
        let lie: Address = format!("{}@seed.example:1", peer(66)).parse().expect("an address");
        heard.add(ms(0), &lie, (at(1), peer(1)));
        heard.add(ms(0), &lie, (at(1), peer(1)));
        heard.add(ms(0), &named("seed.example", 7), (at(2), peer(2)));
        assert_eq!(questions(&mut heard, ms(0)), ["seed.example"], "one question for all");
        let ip = at(20).ip();
        assert!(heard.resolved(ms(1), 1, &[SocketAddr::new(ip, 1)], &mut pool));
        let who = |pool: &Pool, port: u16| pool.points().get(SocketAddr::new(ip, port)).and_then(|point| point.peer);
        assert_eq!((who(&pool, 1), who(&pool, 9_732)), (Some(peer(66)), Some(peer(7))));
        // Who comes later needs no question, and is heard as well.
        let late: Address = format!("{}@seed.example:9733", peer(8)).parse().expect("an address");
        heard.add(ms(5_000), &late, (at(3), peer(3)));
        let mut out = Outbox::default();
        heard.ask(ms(5_000), &mut pool, &mut out);
        assert_eq!((who(&pool, 9_733), out.jobs.len(), out.nudge_maintenance), (Some(peer(8)), 0, true));
    }

    #[test]
    fn many_peers_in_few_networks_keep_nobody_from_being_heard() {
        let mut heard = Heard::default();
        for number in 0..NAMES_HEARD_MAX * 2 {
            heard.add(ms(0), &named(&format!("sybil{number}.example"), 7), (at(1 + number % 2), peer(100 + number)));
        }
        assert_eq!(heard.all.len(), NAMES_HEARD_MAX);
        for second in 0..30 {
            assert_eq!(questions(&mut heard, ms(second * 1_000)).len(), 1);
            heard.resolved(ms(second * 1_000), second + 1, &[], &mut pool());
        }
        assert_eq!(questions(&mut heard, ms(30_000)).len(), 1);
        for number in 0..4 {
            heard.add(ms(30_000), &named(&format!("honest{number}.example"), 7), (at(9), peer(9)));
        }
        let has = |heard: &Heard, host: &str| heard.all.iter().any(|name| name.host == host);
        assert!((0..4).all(|number| has(&heard, &format!("honest{number}.example"))));
        assert_eq!(heard.all.len(), NAMES_HEARD_MAX, "none more for it");
        assert!(heard.all.iter().any(|name| name.ticket.is_some()), "what is asked for is waited for");
        heard.add(ms(30_000), &named("sybil999.example", 7), (at(1), peer(999)));
        assert!(!has(&heard, "sybil999.example"), "they have their share");
    }

    /// The hosts that are asked for now, with their tickets.
    fn asked(names: &mut Names, now: Time) -> Vec<(String, u64)> {
        let mut out = Outbox::default();
        names.ask(now, &pool(), &mut out, &mut Findings::default());
        let name = |job| if let Job::Resolve { name, ticket, .. } = job { Some((name, ticket)) } else { None };
        out.jobs.into_iter().filter_map(name).collect()
    }

    #[test]
    fn a_configured_name_that_hangs_is_asked_for_once_told_of_and_taken_late() {
        let (mut names, mut pool, mut out) = (Names::default(), pool(), Outbox::default());
        for host in ["slow", "dead", "good"] {
            names.add(ms(0), format!("{host}.example:9732").parse().expect("an address"), false, &mut pool);
        }
        let first = asked(&mut names, ms(0));
        assert_eq!(first.len(), 3);
        names.resolved(ms(1), first[1].1, &[], &mut pool, &mut out);
        names.resolved(ms(1), first[2].1, &[], &mut pool, &mut out);
        names.hurry_seeds(ms(2));
        let again = asked(&mut names, ms(2));
        assert_eq!(again.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>(), ["dead.example", "good.example"]);
        names.resolved(ms(3), again[1].1, &[at(2)], &mut pool, &mut out);
        names.resolved(ms(3), again[0].1, &[], &mut pool, &mut out);
        out.log.clear();
        for now in [10_000, 600_000, 3_600_000] {
            let before = out.log.len();
            names.ask(ms(now), &pool, &mut out, &mut Findings::default());
            let told =
                out.log[before..].iter().filter(|(.., line)| line.contains("slow.example:9732 has not resolved for 3 s")).count();
            assert_eq!(told, usize::from(now == 10_000), "{:?}", out.log);
        }
        let hosts = |out: &Outbox| {
            let host = |job: &Job| if let Job::Resolve { name, .. } = job { Some(name.clone()) } else { None };
            out.jobs.iter().filter_map(host).collect::<Vec<_>>()
        };
        assert_eq!(hosts(&out), ["good.example", "dead.example"], "who misses comes last, and who hangs is not asked for again");
        assert!(pool.points().get(at(3)).is_none());
        names.resolved(ms(3_600_001), first[0].1, &[at(3)], &mut pool, &mut out);
        assert!(pool.points().get(at(3)).is_some_and(|point| point.is_seed), "an answer is never too late");
    }
}
