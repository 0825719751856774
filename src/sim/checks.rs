//! What must hold in every simulated network, whatever happens in it. It looks and never changes anything but its own notes. The world asks
//! it after each step of a host, and about all hosts each second.

use super::desks::End;
use super::global::of_trusted;
use super::host::Host;
use super::net::HostId;
use crate::base::limits::FEELERS_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::{Blame, CloseReason};
use crate::base::time::Time;
use crate::bus::event::Event;
use crate::bus::outbox::Notice;
use crate::pool::slots::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Two links between one pair may last so long while their ends find out (security reference 3.5, I3).
const TWO_LINKS_MAX: Duration = Duration::from_secs(2);
/// A link that one side has and the other has not: until the news is there.
const HALF_LINK_MAX: Duration = Duration::from_secs(10);

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub at: Time,
    pub host: HostId,
    /// What should have held.
    pub rule: &'static str,
    /// What was found instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}: {}", self.host, self.at, self.rule, self.found)
    }
}

impl std::error::Error for Violation {}

/// What one host's queue has told of its links: Up, messages, Down, in this order and each link once.
#[derive(Debug, Default)]
pub(super) struct Story {
    open: BTreeMap<LinkId, PeerId>,
    over: BTreeSet<LinkId>,
    /// The first event that did not follow what was told before.
    misfit: Option<String>,
}

impl Story {
    pub fn tell(&mut self, event: &Event) {
        let fits = match event {
            Event::Up(up) => !self.over.contains(&up.link) && self.open.insert(up.link, up.peer).is_none(),
            Event::Message(message) => self.open.get(&message.link) == Some(&message.peer),
            Event::Down(down) => self.over.insert(down.link) && self.open.remove(&down.link) == Some(down.peer),
            _ => true,
        };
        if !fits {
            self.misfit.get_or_insert_with(|| format!("{event:?}"));
        }
    }
}

pub(super) type Finding = Result<(), (&'static str, String)>;

pub(super) fn holds(fact: bool, rule: &'static str, found: impl FnOnce() -> String) -> Finding {
    if fact { Ok(()) } else { Err((rule, found())) }
}

/// What must hold of a host after each of its steps. `sockets` are the streams that it has in the network. What costs a look at every link
/// is looked at when links have come, gone or changed; `is_thorough` has it looked at in any case.
pub(super) fn of_host(host: &mut Host, sockets: usize, is_thorough: bool) -> Finding {
    let (counts, policy) = (host.pool.counts(), host.pool.policy());
    let bounds = policy.bounds;
    let (most, extra) = (bounds.max as usize, policy.trusted_extra);
    holds(counts.links_and_dialing() - counts.extra() <= most, "links stay below pool.max", || {
        format!("{counts:?}, {bounds:?}")
    })?;
    holds(counts.extra() <= extra, "places beyond it stay below pool.trusted_extra", || format!("{counts:?}, {extra}"))?;
    let outbound = counts.ordinary_outbound();
    holds(outbound <= bounds.outbound_max as usize, "outbound links stay below pool.outbound_max", || format!("{counts:?}"))?;
    holds(counts.ordinary_inbound() <= policy.inbound_max(), "inbound links leave the others their places", || {
        format!("{counts:?}")
    })?;
    holds(counts.half_open <= policy.half_open_max, "handshakes stay below their bound", || format!("{counts:?}"))?;
    holds(counts.dialing <= policy.dials_max && counts.feeling <= FEELERS_MAX, "dials stay below their bound", || {
        format!("{counts:?}")
    })?;
    if host.has_ended() {
        return of_ended_host(host, sockets);
    }
    let conns = host.engine().len();
    holds(conns <= host.conns_max, "connections stay below their bound", || format!("{conns} > {}", host.conns_max))?;
    let known = conns + host.raw_streams();
    holds(sockets == known, "every stream belongs to a connection", || format!("{sockets} streams, {known} connections"))?;
    let (used, max) = (host.pot.used(), host.pot.budget().common);
    holds(used <= max, "messages stay within the memory set aside", || format!("{used} > {max} bytes"))?;
    let version = (host.pool.slots().version(), conns, host.roster.len());
    if !host.is_quiet() || host.checked == Some(version) && !is_thorough {
        return Ok(());
    }
    host.checked = Some(version);
    of_quiet_host(host)
}

/// While nothing is on its way between the reactor and the workers, both know the same links.
fn of_quiet_host(host: &Host) -> Finding {
    let slots = || host.pool.slots().iter();
    let mut living: Vec<LinkId> = host.engine().living().collect();
    living.sort_unstable();
    holds(slots().map(|slot| slot.link).eq(living.iter().copied()), "places and connections are the same links", || {
        let (living, places): (BTreeSet<LinkId>, BTreeSet<LinkId>) =
            (living.iter().copied().collect(), slots().map(|slot| slot.link).collect());
        format!("without a place {:?}, without a connection {:?}", &living - &places, &places - &living)
    })?;
    let mailboxes = host.links();
    let open: Vec<LinkId> = slots().filter(|slot| slot.phase == Phase::Open).map(|slot| slot.link).collect();
    holds(mailboxes == open, "open places and mailboxes are the same links", || format!("{open:?} and {mailboxes:?}"))
}

/// What must hold of a host that was stopped and has ended.
fn of_ended_host(host: &Host, sockets: usize) -> Finding {
    holds(host.engine().is_empty() && sockets == 0, "a stopped node has no connections", || format!("{sockets} streams"))?;
    let places = host.pool.slots().len();
    holds(places == 0, "a stopped node has no places taken", || format!("{places} places"))?;
    let used = host.pot.used();
    holds(used == 0, "a stopped node has given all memory back", || format!("{used} bytes"))
}

/// A link's story is told in order.
pub(super) fn of_story(story: &Story) -> Finding {
    let found = || story.misfit.clone().unwrap_or_default();
    holds(story.misfit.is_none(), "a link's story is Up, messages, Down", found)
}

/// No one who follows the protocol is blamed for the end of a link. Where somebody else was before, he is not who is expected there.
pub(super) fn of_end(end: &End, is_honest: impl Fn(SocketAddr) -> bool, has_moved_in: impl Fn(SocketAddr) -> bool) -> Finding {
    let is_taken_for_another = end.reason == CloseReason::WrongIdentity && end.remote.is_some_and(has_moved_in);
    let is_wronged = end.reason.blame() == Blame::Peer && !is_taken_for_another && end.remote.is_some_and(is_honest);
    let End { link, remote, reason, told, is_trusted } = end;
    of_trusted(*is_trusted, *reason)?;
    let found = || format!("{link} with {remote:?} ended: {reason}; told: {told:?}");
    holds(!is_wronged, "nobody who follows the protocol is blamed", found)
}

/// Nor is it put on the greylist.
pub(super) fn of_event(event: &Event, is_honest: impl Fn(SocketAddr) -> bool) -> Finding {
    let Event::Notice(Notice::Greylisted { remote, reason, .. }) = event else { return Ok(()) };
    let is_wronged = remote.is_some_and(is_honest);
    holds(!is_wronged, "nobody who follows the protocol is greylisted", || format!("{remote:?}: {reason}"))
}

/// Hosts whose links at other hosts mean less than those of the living.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Programs that have died. Their system has told the other ends.
    pub crashed: BTreeSet<PeerId>,
    /// Who has lost its power so lately that other ends cannot all know of it yet.
    pub dark: BTreeSet<PeerId>,
}

/// What takes time to be true: how long it has been otherwise.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    twice_since: BTreeMap<(HostId, PeerId), Time>,
    half_since: BTreeMap<(HostId, LinkId), Time>,
    /// Where hosts without a node are. Through them a link may lead to a node, and they tell of its end when they like, if ever.
    bare: BTreeSet<IpAddr>,
}

impl Pairs {
    /// A host without a node is there.
    pub fn note_bare(&mut self, at: IpAddr) {
        self.bare.insert(at);
    }

    /// Two hosts have one link, or none, and both know of it; nobody has a link with a program that is dead. While the network is
    /// disturbed, half links are not counted; nor are links with the former life of somebody who had lost its power: no stream tells of that.
    pub fn check(&mut self, now: Time, hosts: &[&Host], gone: &Gone, is_disturbed: bool) -> Result<(), Violation> {
        let place: BTreeMap<PeerId, usize> = hosts.iter().enumerate().map(|(place, host)| (host.peer(), place)).collect();
        // Each link with who is at its other end; and who has one with whom. A large world has tens of thousands, looked at each second.
        let mut links = Vec::new();
        let mut linked = vec![false; hosts.len() * hosts.len()];
        for (one, host) in hosts.iter().enumerate() {
            for slot in host.pool.slots().iter().filter(|slot| slot.is_link()) {
                let Some(peer) = slot.peer else { continue };
                let other = place.get(&peer).copied();
                if let Some(other) = other {
                    linked[one * hosts.len() + other] = true;
                }
                links.push((one, slot, peer, other));
            }
        }
        let (mut twice, mut half) = (BTreeMap::new(), BTreeMap::new());
        let mut seen = BTreeSet::new();
        let mut is_seen = vec![false; linked.len()];
        for (one, slot, peer, other) in links.into_iter().filter(|(_, slot, ..)| slot.is_open()) {
            let id = hosts[one].id;
            let is_second = match other {
                Some(other) => std::mem::replace(&mut is_seen[one * hosts.len() + other], true),
                None => !seen.insert((one, peer)),
            };
            if is_second {
                twice.insert((id, peer), *self.twice_since.get(&(id, peer)).unwrap_or(&now));
            }
            let is_of_former_life =
                |other: usize| gone.dark.contains(&peer) && hosts[one].world_time(slot.since) < hosts[other].started();
            let is_half = match other {
                Some(other) => !linked[other * hosts.len() + one] && !is_of_former_life(other),
                None => gone.crashed.contains(&peer),
            };
            if is_half && !is_disturbed && !self.bare.contains(&slot.remote.ip()) {
                half.insert((id, slot.link), *self.half_since.get(&(id, slot.link)).unwrap_or(&now));
            }
        }
        (self.twice_since, self.half_since) = (twice, half);
        let late = |since: &Time, most: Duration| now.since(*since) > most;
        if let Some(((host, peer), _)) = self.twice_since.iter().find(|(_, since)| late(since, TWO_LINKS_MAX)) {
            let (rule, found) = ("two hosts have one link", format!("two links with {}", peer.short()));
            return Err(Violation { at: now, host: *host, rule, found });
        }
        if let Some(((host, link), _)) = self.half_since.iter().find(|(_, since)| late(since, HALF_LINK_MAX)) {
            let (rule, found) = ("both sides know of a link", format!("only this side has {link}"));
            return Err(Violation { at: now, host: *host, rule, found });
        }
        Ok(())
    }
}
