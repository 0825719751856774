//! Dialing: the first verb of a link that we begin, `claim_dial`, and every reason why it may not begin now; and who is dialed beside the
//! choice: seeds on request, anchors, addresses to be felt. It sends nothing; maintenance and the node's calls order the dial.

use super::lists::Standing;
use super::pace::Allowance;
use super::points::{Point, canonical_socket, is_reachable};
use super::saved::Anchor;
use super::slots::{Purpose, Slot};
use super::table::Pool;
use crate::base::limits::{CHECKS_MAX, FEELERS_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::point::{host, is_global};
use crate::base::time::Time;
use crate::base::verdict::Direction;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Why a dial cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    #[error("the node is stopping")]
    Stopping,
    #[error("nobody can be dialed at {0}: its port is 0, or its host is unspecified, multicast or broadcast")]
    NotDialable(SocketAddr),
    #[error("{0} is this node's own address")]
    OwnAddress(SocketAddr),
    #[error("{0} or its peer is banned: lift the ban first")]
    Banned(SocketAddr),
    #[error("{0} or its peer is greylisted: trust it, or flush the greylist")]
    Greylisted(SocketAddr),
    #[error("{0} is not trusted, and pool.trusted_only is on: trust it first")]
    NotTrusted(SocketAddr),
    #[error("a dial or link to {0} exists already: {1}")]
    Exists(SocketAddr, LinkId),
    #[error("the node is paused: resume it, or ask for this dial by name")]
    Paused,
    #[error("a dial that seeks the same peer is under way already: {0}")]
    Sought(LinkId),
    #[error("dials to the host or prefix of {0} follow too fast upon one another: the next may begin at {1}")]
    TooFastThere(SocketAddr, Time),
    #[error("{dialing} dials are under way, {max} are allowed at once: wait for one to end, or raise dial.parallel_max")]
    TooManyDials { dialing: usize, max: usize },
    #[error("{taken} of {max} outbound places are taken: close a link, or raise pool.outbound_max")]
    NoPlace { taken: usize, max: usize },
    #[error("dials follow too fast upon one another: the next may begin at {0}")]
    TooFast(Time),
}

impl Pool {
    /// Claims a place for a dial and takes its link id. In order: not paused; an address that can be dialed; not ourselves; lists; no second
    /// dial to the address or for the identity; places and paces. The caller sends `Command::Dial` with the id next.
    ///
    /// # Errors
    /// Why not now.
    pub fn claim_dial(&mut self, now: Time, to: SocketAddr, expect: Option<PeerId>, why: Purpose) -> Result<LinkId, DialError> {
        let to = canonical_socket(to);
        let (sought, is_trusted) = self.refuse_dial(now, to, expect, why)?;
        let counts = self.slots.counts();
        let is_favoured = why == Purpose::Persistent || is_trusted && why != Purpose::Feeler;
        let is_extra = is_favoured && self.has_extra_place();
        let max = self.policy.bounds.outbound_max as usize;
        if !is_extra && why != Purpose::Feeler && counts.ordinary_outbound() >= max {
            return Err(DialError::NoPlace { taken: counts.ordinary_outbound(), max });
        }
        self.refuse_pace(now, to, why)?;
        self.take_pace(now, to, why);
        let link = self.ids.next();
        self.points.dial(now, to, link, &self.policy);
        let mut slot = self.slot(now, link, Direction::Outbound, to);
        slot.purpose = Some(why);
        slot.point = Some(to);
        slot.sought = sought;
        slot.is_extra = is_extra;
        slot.deadline = now + self.policy.dial_deadline;
        self.slots.insert(slot);
        Ok(link)
    }

    /// Whether a dial might begin but for want of a place for its link: before a link is let go for it.
    ///
    /// # Errors
    /// As `claim_dial`, but never `NoPlace`.
    pub fn may_claim(&self, now: Time, to: SocketAddr, expect: Option<PeerId>, why: Purpose) -> Result<(), DialError> {
        let to = canonical_socket(to);
        self.refuse_dial(now, to, expect, why)?;
        self.refuse_pace(now, to, why)
    }

    /// What is in the way of a dial beside places for links and paces. Gives whom it seeks, and whether he is trusted.
    fn refuse_dial(
        &self,
        now: Time,
        to: SocketAddr,
        expect: Option<PeerId>,
        why: Purpose,
    ) -> Result<(Option<PeerId>, bool), DialError> {
        if self.is_stopping {
            return Err(DialError::Stopping);
        }
        if self.is_paused && !matches!(why, Purpose::Asked { .. }) {
            return Err(DialError::Paused);
        }
        if !is_reachable(to) {
            return Err(DialError::NotDialable(to));
        }
        if self.points.is_self(to) || expect == Some(self.own) {
            return Err(DialError::OwnAddress(to));
        }
        let standing = self.lists.standing(now, Some(to.ip()), expect.as_ref());
        match standing {
            Standing::Banned => return Err(DialError::Banned(to)),
            Standing::Greylisted => return Err(DialError::Greylisted(to)),
            Standing::Ordinary | Standing::Trusted => {}
        }
        let supposed = expect.or_else(|| self.points.get(to)?.peer);
        if self.is_stranger(now, to.ip(), supposed.as_ref(), Some(to)) {
            return Err(DialError::NotTrusted(to));
        }
        let sought = self.refuse_second(to, expect, why)?;
        let counts = self.slots.counts();
        // Whoever makes us feel addresses must not keep us from dialing for links, nor the other way round.
        let (dialing, max) = match why {
            Purpose::Feeler => (counts.feeling, FEELERS_MAX),
            _ if why.is_operators() => (counts.dialing, self.policy.dials_max),
            _ => (counts.dialing, self.policy.hearsay_dials_max()),
        };
        if dialing >= max {
            return Err(DialError::TooManyDials { dialing, max });
        }
        Ok((sought, standing == Standing::Trusted))
    }

    /// One dial per address and per identity, and none where a link is. Gives whom the dial seeks. Whom the operator seeks is kept waiting
    /// by nothing that others say: only by another dial of the operator's own.
    fn refuse_second(&self, to: SocketAddr, expect: Option<PeerId>, why: Purpose) -> Result<Option<PeerId>, DialError> {
        if let Some(link) = self.slots.dialed(to) {
            return Err(DialError::Exists(to, link));
        }
        if why == Purpose::Feeler {
            return Ok(None);
        }
        if let Some(link) = expect.and_then(|peer| self.slots.link_of(&peer)) {
            return Err(DialError::Exists(to, link));
        }
        let supposed = self.points.get(to).and_then(|point| point.expected.or(point.peer));
        let sought = expect.or(supposed);
        // Whom hearsay supposes there is no ground to refuse the operator.
        let rival = if why.is_operators() {
            expect.and_then(|peer| self.slots.seeking(&peer, true))
        } else {
            sought.and_then(|peer| self.slots.seeking(&peer, false))
        };
        rival.map_or(Ok(sought), |link| Err(DialError::Sought(link)))
    }

    /// What a dial costs that nobody asked for by name: of the pace of its host and of its prefix, unless the operator has named it, and of
    /// that of all dials. Whether they allow it now.
    fn refuse_pace(&self, now: Time, to: SocketAddr, why: Purpose) -> Result<(), DialError> {
        if matches!(why, Purpose::Asked { .. }) {
            return Ok(());
        }
        let there = self.dial_budget_at(to.ip()).filter(|_| !why.is_operators());
        if let Some(at) = there.filter(|at| *at > now) {
            return Err(DialError::TooFastThere(to, at));
        }
        let next_at = self.dials.next_at(Allowance::per_second(self.policy.dial_rate));
        if next_at > now { Err(DialError::TooFast(next_at)) } else { Ok(()) }
    }

    /// Takes what `refuse_pace` has looked at.
    fn take_pace(&mut self, now: Time, to: SocketAddr, why: Purpose) {
        if matches!(why, Purpose::Asked { .. }) {
            return;
        }
        self.dials.take(now, Allowance::per_second(self.policy.dial_rate));
        if !why.is_operators() && self.dial_budget_at(to.ip()).is_some() {
            let (per_host, per_prefix) = self.dial_allowances();
            self.dials_per_host.take(now, host(to.ip()), per_host);
            self.dials_per_prefix.take(now, prefix(to.ip()), per_prefix);
        }
    }

    /// When the paces of its host and prefix allow the next dial there; a moment that has passed means now, none that nothing is counted.
    pub(super) fn dial_budget_at(&self, ip: IpAddr) -> Option<Time> {
        if self.policy.allow_private && !is_global(ip) {
            return None;
        }
        let (per_host, per_prefix) = self.dial_allowances();
        let of_host = self.dials_per_host.next_at(&host(ip), per_host);
        Some(of_host.max(self.dials_per_prefix.next_at(&prefix(ip), per_prefix)))
    }

    fn dial_allowances(&self) -> (Allowance, Allowance) {
        let per_host = Allowance { interval: self.policy.dial_host_period, burst: 1 };
        (per_host, Allowance { interval: self.policy.dial_prefix_period, burst: self.policy.dial_prefix_burst })
    }

    /// Seeds that no link or dial uses, however long they were to wait, with the identity that must answer.
    pub fn idle_seeds(&self, now: Time) -> Vec<(SocketAddr, Option<PeerId>)> {
        let connected = self.connected();
        let is_there = |point: &Point| point.known_peer().is_some_and(|peer| connected.contains(&peer));
        let seeds = self.points.fixed().filter(|point| point.is_seed && point.is_idle() && self.may_dial(now, point));
        seeds.filter(|point| !is_there(point)).map(|point| (point.at, point.expected)).collect()
    }

    /// What is to be dialed first after a restart: peers of the longest outbound links, of different groups.
    pub fn anchors_now(&self) -> Vec<Anchor> {
        let mut links: Vec<_> =
            self.slots.iter().filter(|slot| slot.is_open() && slot.direction == Direction::Outbound).collect();
        links.sort_by_key(|slot| (slot.since, slot.link));
        let mut groups = BTreeSet::new();
        let is_new = |slot: &&Slot| groups.insert(self.policy.group(slot.remote.ip()));
        let anchor = |slot: &Slot| Some(Anchor { at: slot.remote, peer: slot.peer? });
        links.into_iter().filter(is_new).filter_map(anchor).take(self.policy.anchors_max).collect()
    }

    /// What was to be dialed first when the node ended; to be told before the first round.
    pub fn set_anchors(&mut self, anchors: Vec<Anchor>) {
        self.anchors = anchors;
        self.anchors.truncate(self.policy.anchors_max);
    }

    /// The anchors, once.
    pub fn take_anchors(&mut self) -> Vec<Anchor> {
        std::mem::take(&mut self.anchors)
    }

    /// How many groups the open outbound links lead to, and how many such links there are.
    pub fn outbound_groups(&self) -> (usize, usize) {
        let outbound = || self.slots.iter().filter(|slot| slot.is_open() && slot.direction == Direction::Outbound);
        let groups: BTreeSet<_> = outbound().map(|slot| self.policy.group(slot.remote.ip())).collect();
        (groups.len(), outbound().count())
    }

    /// Asks for an address to be felt soon. What finds no place is not felt.
    pub fn want_check(&mut self, at: SocketAddr) {
        if self.checks_wanted.len() < CHECKS_MAX && !self.checks_wanted.contains(&at) {
            self.checks_wanted.push_back(at);
        }
    }

    /// The next address to be felt. Who was forgotten meanwhile does not come back by it.
    pub fn take_check(&mut self) -> Option<SocketAddr> {
        let points = &self.points;
        std::iter::from_fn(|| self.checks_wanted.pop_front()).find(|at| points.get(*at).is_some())
    }
}

/// The prefix that dials are counted by: an IPv4 /24, or an IPv6 /48, as much as one customer gets (RFC 6177).
pub(super) fn prefix(ip: IpAddr) -> IpNet {
    let length = if ip.is_ipv4() { 24 } else { 48 };
    IpNet::new(ip, length).map_or_else(|_| IpNet::from(ip), |net| net.trunc())
}
