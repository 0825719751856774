//! Dialing: the first verb of a link that we begin, `claim_dial`, and every reason why it may not begin now. It sends nothing; maintenance
//! and the node's calls order the dial.

use super::lists::Standing;
use super::pace::Allowance;
use super::points::canonical_socket;
use super::slots::Purpose;
use super::table::Pool;
use crate::base::limits::CHECKS_MAX;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use std::net::SocketAddr;

/// Why a dial cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    #[error("the node is stopping")]
    Stopping,
    #[error("{0} is this node's own address")]
    OwnAddress(SocketAddr),
    #[error("{0} or its peer is banned: lift the ban first")]
    Banned(SocketAddr),
    #[error("{0} or its peer is greylisted: trust it, or flush the greylist")]
    Greylisted(SocketAddr),
    #[error("a dial or link to {0} exists already: {1}")]
    Exists(SocketAddr, LinkId),
    #[error("{dialing} dials are under way, {max} are allowed at once: wait for one to end, or raise dial.parallel_max")]
    TooManyDials { dialing: usize, max: usize },
    #[error("{taken} of {max} outbound places are taken: close a link, or raise pool.outbound_max")]
    NoPlace { taken: usize, max: usize },
    #[error("dials follow too fast upon one another: the next may begin at {0}")]
    TooFast(Time),
}

impl Pool {
    /// Claims a place for a dial and takes its link id. In order: not ourselves; lists; no second dial to the address; places and pace.
    /// The caller sends `Command::Dial` with the id next.
    ///
    /// # Errors
    /// Why not now.
    pub fn claim_dial(&mut self, now: Time, to: SocketAddr, expect: Option<PeerId>, why: Purpose) -> Result<LinkId, DialError> {
        let to = canonical_socket(to);
        if self.is_stopping {
            return Err(DialError::Stopping);
        }
        if self.points.is_self(to) || expect == Some(self.own) {
            return Err(DialError::OwnAddress(to));
        }
        match self.lists.standing(now, Some(to.ip()), expect.as_ref()) {
            Standing::Banned => return Err(DialError::Banned(to)),
            Standing::Greylisted => return Err(DialError::Greylisted(to)),
            Standing::Ordinary | Standing::Trusted => {}
        }
        let existing = self.slots.dialed(to).or_else(|| {
            let peer = expect.filter(|_| why != Purpose::Feeler)?;
            self.slots.link_of(&peer)
        });
        if let Some(link) = existing {
            return Err(DialError::Exists(to, link));
        }
        let counts = self.slots.counts();
        if counts.dialing >= self.policy.dials_max {
            return Err(DialError::TooManyDials { dialing: counts.dialing, max: self.policy.dials_max });
        }
        let max = self.policy.bounds.outbound_max as usize;
        if counts.outbound_and_dialing() >= max {
            return Err(DialError::NoPlace { taken: counts.outbound_and_dialing(), max });
        }
        let allowance = Allowance::per_second(self.policy.dial_rate);
        if !matches!(why, Purpose::Asked { .. }) && !self.dials.take(now, allowance) {
            return Err(DialError::TooFast(self.dials.next_at(allowance)));
        }
        let link = self.ids.next();
        self.points.dial(now, to, link, &self.policy);
        let mut slot = self.slot(now, link, Direction::Outbound, to);
        slot.purpose = Some(why);
        slot.point = Some(to);
        slot.deadline = now + self.policy.dial_deadline;
        self.slots.insert(slot);
        Ok(link)
    }

    /// Asks for an address to be felt soon. What finds no place is not felt.
    pub fn want_check(&mut self, at: SocketAddr) {
        if self.checks_wanted.len() < CHECKS_MAX && !self.checks_wanted.contains(&at) {
            self.checks_wanted.push_back(at);
        }
    }

    /// The next address to be felt.
    pub fn take_check(&mut self) -> Option<SocketAddr> {
        self.checks_wanted.pop_front()
    }
}
