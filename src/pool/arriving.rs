//! Arriving: the first verb of a link that somebody else begins, `claim_arrival`, and the place that it may get of another. Welcome asks it
//! before anything is read from who came; nothing that came from there is believed here.

use super::lists::Standing;
use super::pace::Allowance;
use super::points::canonical_socket;
use super::slots::is_this_machine;
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::wire::hello::Hello;
use std::net::{IpAddr, SocketAddr};

impl Pool {
    /// Claims a place for a connection that came. In order: lists; the pace of arrivals; places for handshakes. Gives the handshake
    /// that makes room for it, if one must.
    ///
    /// # Errors
    /// The reason to close it with at once.
    pub fn claim_arrival(&mut self, now: Time, link: LinkId, from: SocketAddr) -> Result<Option<LinkId>, CloseReason> {
        let from = canonical_socket(from);
        if self.is_stopping {
            return Err(CloseReason::Stopped);
        }
        match self.lists.standing(now, Some(from.ip()), None) {
            Standing::Banned => return Err(CloseReason::Banned),
            Standing::Greylisted => return Err(CloseReason::Greylisted),
            Standing::Trusted => {}
            // Who is trusted as a peer may come from anywhere: who it is comes out later.
            Standing::Ordinary
                if self.is_stranger(now, from.ip(), None, None)
                    && !self.knows_identities()
                    && !self.may_be_persistent(from.ip()) =>
            {
                return Err(CloseReason::NotTrusted);
            }
            Standing::Ordinary if self.is_paused => return Err(CloseReason::Paused),
            Standing::Ordinary => self.pace_arrival(now, from.ip())?,
        }
        let evicted = self.slots.admit_half_open(from.ip(), &self.policy)?;
        if let Some(evicted) = evicted {
            self.doom(now, evicted, CloseReason::HalfOpenLimit);
        }
        let mut slot = self.slot(now, link, Direction::Inbound, from);
        slot.deadline = now + self.policy.arrival_deadline;
        self.slots.insert(slot);
        Ok(evicted)
    }

    fn pace_arrival(&mut self, now: Time, ip: IpAddr) -> Result<(), CloseReason> {
        let of_host = Allowance { interval: self.policy.accept_ip_period, burst: self.policy.accept_ip_burst };
        let is_calm =
            is_this_machine(ip, &self.policy) || self.arrivals_per_host.take(now, crate::base::point::host(ip), of_host);
        // The host is asked first, so that one that floods does not use up what all others share.
        let passes = is_calm && self.arrivals.take(now, Allowance::per_second(self.policy.accept_rate));
        if passes { Ok(()) } else { Err(CloseReason::HalfOpenLimit) }
    }

    /// Room for a peer that never is refused for want of it: an unprotected inbound link goes, if there is one, of those that no quota
    /// needs. Now and then, room for a peer whose role is wanted. For anybody else, the place of a link that nothing speaks for.
    pub(super) fn make_inbound_place(
        &mut self,
        now: Time,
        ip: IpAddr,
        peer: &PeerId,
        hello: &Hello,
        rng: &mut Rng,
    ) -> Option<LinkId> {
        let inbound = Some(Direction::Inbound);
        let evicted = if self.is_protected(now, ip, peer) {
            let spare = self.whom_to_drop(now, 1, inbound, rng).first().copied();
            spare.or_else(|| self.droppable(now, inbound, rng).first().map(|slot| slot.link))?
        } else {
            let for_role = self.whom_to_evict_for(now, ip, hello, rng);
            // Its host and group get no more places than others.
            for_role.or_else(|| self.whom_to_evict(now, rng).filter(|_| !self.slots.is_crowded(ip, &self.policy)))?
        };
        self.doom(now, evicted, CloseReason::Evicted);
        Some(evicted)
    }
}
