//! What must hold of a simulated network as a whole, looked at each virtual second: the rules of the security reference 3.5 that no single
//! step can show. It looks and never changes anything but its own notes; `world.rs` asks it.
//!
//! | rule | as it is stated here |
//! |---|---|
//! | I1 | who has too few links and knows a true address that may be dialed has dialed within two minutes |
//! | I2 | ten minutes after the last disturbance, hosts of one network that live for so long reach each other |
//! | I6 | book, greylist and known identities stay within their bounds and their parts of the memory |
//! | I7 | no trusted peer is refused or dropped for want of places |
//! | I10 | no deadline lies further back than the longest wait for a processor |

use super::checks::{Finding, Violation, holds};
use super::host::{Actor, Host, Wish};
use super::net::HostId;
use crate::base::limits::{ADDRESSES_PER_NAME, PEERS_MAX};
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::pool::points::State;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// So long may a host with too few links leave a true address undialed.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// So long after a disturbance may a network lie in pieces.
const PIECES_MAX: Duration = Duration::from_secs(600);
/// So long may a deadline have passed: two time slices, the second for a turn that was put forward, and the millisecond between rounds.
pub(super) const LATE_MAX: Duration = Duration::from_millis(32);
/// How often the network is walked through.
const WALK: u64 = 10;

/// A living host as the world knows it.
pub(super) struct Seen<'a> {
    pub host: &'a Host,
    pub address: IpAddr,
    /// It follows the protocol.
    pub is_honest: bool,
    /// Others can dial it.
    pub is_reachable: bool,
    pub is_frozen: bool,
    pub started: Time,
}

/// What takes time to be true: how long it has been otherwise.
#[derive(Debug, Default)]
pub(super) struct Global {
    /// Who has too few links, since when, and a true address that it does not dial.
    idle_since: BTreeMap<HostId, (SocketAddr, Time)>,
    /// Since when nothing disturbs the network.
    calm_since: Time,
    looks: u64,
}

impl Global {
    /// Looks at all living hosts.
    pub fn check(&mut self, now: Time, all: &[Seen<'_>], is_disturbed: bool) -> Result<(), Violation> {
        if is_disturbed {
            self.calm_since = now;
        }
        self.looks += 1;
        for seen in all.iter().filter(|seen| !seen.is_frozen) {
            let violation = |(rule, found)| Violation { at: now, host: seen.host.id(), rule, found };
            within_memory(seen.host).map_err(violation)?;
            on_time(now, seen.host).map_err(violation)?;
        }
        if is_disturbed {
            self.idle_since.clear();
            return Ok(());
        }
        self.none_idles(now, all)?;
        if self.looks.is_multiple_of(WALK) { self.all_reach(now, all) } else { Ok(()) }
    }

    /// I1.
    fn none_idles(&mut self, now: Time, all: &[Seen<'_>]) -> Result<(), Violation> {
        let by_address: BTreeMap<IpAddr, &Seen<'_>> = all.iter().map(|seen| (seen.address, seen)).collect();
        let mut idle = BTreeMap::new();
        for seen in all.iter().filter(|seen| seen.is_honest && !seen.is_frozen && is_short(seen.host)) {
            let before = self.idle_since.get(&seen.host.id());
            let is_left = |at: SocketAddr| by_address.get(&at.ip()).is_some_and(|other| is_undialed(now, seen.host, other, at));
            let same = before.copied().filter(|(at, _)| is_left(*at));
            let others = || by_address.values().flat_map(|other| other.host.listening()).copied();
            if let Some(found) = same.or_else(|| others().find(|at| is_left(*at)).map(|at| (at, now))) {
                idle.insert(seen.host.id(), found);
            }
        }
        self.idle_since = idle;
        let late = self.idle_since.iter().find(|(_, (_, since))| now.since(*since) > IDLE_MAX);
        late.map_or(Ok(()), |(host, (at, since))| {
            let found = format!("{at} could be dialed since {since}");
            Err(Violation { at: now, host: *host, rule: "who has too few links dials whom it knows", found })
        })
    }

    /// I2.
    fn all_reach(&self, now: Time, all: &[Seen<'_>]) -> Result<(), Violation> {
        if now.since(self.calm_since) <= PIECES_MAX {
            return Ok(());
        }
        let honest: Vec<&Seen<'_>> = all.iter().filter(|seen| seen.is_honest && !seen.is_frozen).collect();
        let place: BTreeMap<PeerId, usize> = honest.iter().enumerate().map(|(place, seen)| (seen.host.peer(), place)).collect();
        let mut chiefs: Vec<usize> = (0..honest.len()).collect();
        for (one, seen) in honest.iter().enumerate() {
            let peers = seen.host.pool().slots().iter().filter(|slot| slot.is_open()).filter_map(|slot| slot.peer);
            for other in peers.filter_map(|peer| place.get(&peer)) {
                let (a, b) = (chief(&mut chiefs, one), chief(&mut chiefs, *other));
                chiefs[a.max(b)] = a.min(b);
            }
        }
        // Networks of different names need not meet, and newcomers may take their time.
        let mut islands: BTreeMap<&str, usize> = BTreeMap::new();
        for (one, seen) in honest.iter().enumerate().filter(|(_, seen)| now.since(seen.started) > PIECES_MAX) {
            let island = chief(&mut chiefs, one);
            if *islands.entry(&seen.host.settings().network_name).or_insert(island) != island {
                let found = format!("calm since {}, and it does not reach all others", self.calm_since);
                return Err(Violation { at: now, host: seen.host.id(), rule: "a calm network is one", found });
            }
        }
        Ok(())
    }
}

/// Who speaks for an island: its first host.
fn chief(chiefs: &mut [usize], mut of: usize) -> usize {
    while chiefs[of] != of {
        chiefs[of] = chiefs[chiefs[of]];
        of = chiefs[of];
    }
    of
}

/// It wants links and does not dial.
fn is_short(host: &Host) -> bool {
    let counts = host.pool().counts();
    host.is_maintaining() && counts.links() < host.pool().policy().bounds.min_threshold as usize && counts.dialing == 0
}

/// `other` is at `at`, would take a link, and may be dialed by `host`, which knows that address.
fn is_undialed(now: Time, host: &Host, other: &Seen<'_>, at: SocketAddr) -> bool {
    let is_willing = |other: &Host| {
        let (counts, policy) = (other.pool().counts(), other.pool().policy());
        other.listening().contains(&at) && counts.inbound < policy.inbound_max() && counts.links() < policy.bounds.max as usize
    };
    let is_due = |host: &Host| {
        let point = host.pool().points().get(at);
        point.is_some_and(|point| point.state == State::Candidate && point.next_dial <= host.clock(now))
    };
    let is_there = other.is_honest && other.is_reachable && !other.is_frozen && other.host.id() != host.id();
    is_there && is_due(host) && is_willing(other.host) && host.link_with(&other.host.peer()).is_none()
}

/// I6.
fn within_memory(host: &Host) -> Finding {
    let (pool, settings) = (host.pool(), host.settings());
    let fixed = (settings.discovery_seeds.len() + settings.discovery_persistent.len()) * ADDRESSES_PER_NAME;
    let peers_max = PEERS_MAX + settings.connections_max();
    let tables = [
        ("book", pool.points().len(), pool.policy().points_max + fixed, sizes::POINT),
        ("peers", pool.known().len(), peers_max, sizes::PEER),
        ("greylist", pool.lists().greylisted_count(), pool.policy().greylist_max, sizes::CULPRIT),
    ];
    tables.iter().try_for_each(|(name, count, max, each)| is_within(host, name, (*count, *max), *each))
}

/// `count` rows of a table are at most `max`, and fit into the part of the memory that is theirs.
fn is_within(host: &Host, name: &str, (count, max): (usize, usize), each: usize) -> Finding {
    let part = host.memory().parts.iter().find(|part| part.name == name).map_or(u64::MAX, |part| part.bytes);
    let is_kept = count <= max && (count * each) as u64 <= part;
    holds(is_kept, "tables stay within their memory", || {
        format!("{name}: {count} rows of {max}, {each} bytes each, {part} bytes")
    })
}

/// I7, of one link that has ended.
pub(super) fn of_trusted(is_trusted: bool, reason: CloseReason) -> Finding {
    let wants_place = matches!(reason, CloseReason::TooManyLinks | CloseReason::Evicted);
    holds(!(is_trusted && wants_place), "trusted peers find places", || reason.to_string())
}

/// I10.
fn on_time(now: Time, host: &Host) -> Finding {
    for actor in Actor::ALL {
        let Wish::At(at) = host.wish(actor, false) else { continue };
        holds(now.since(at) <= LATE_MAX, "no deadline is missed", || format!("{actor:?} wanted its turn at {at}"))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "global_tests.rs"]
mod tests;
