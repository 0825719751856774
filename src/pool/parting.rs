//! Parting: a link is given up or has ended. Its place is free again; its address and its peer have learned from it. Whoever gives a link
//! up sends the order to close it himself.

use super::judge::Judgement;
use super::lists::Culprit;
use super::points::End;
use super::slots::{Phase, Slot};
use super::table::Pool;
use crate::base::address::Address;
use crate::base::limits::ADDRESSES_MAX;
use crate::base::link_id::LinkId;
use crate::base::reason::{Blame, CloseReason};
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;

/// A link that has ended, for those who tell of it.
#[derive(Clone, Debug)]
pub struct Closed {
    pub slot: Slot,
    /// Who was put on the greylist for it.
    pub greylisted: Option<Culprit>,
    /// The ban that its faults together have led to.
    pub banned: Option<Judgement>,
    /// New points learned from the alternatives of a nack.
    pub new_points: usize,
}

impl Pool {
    /// The link is gone. In order: its place is free; its address rests, for as long as the end deserves; the peer is noted absent;
    /// who broke the protocol is greylisted; the alternatives of a nack are learned. `None` for a link without a place.
    pub fn close(
        &mut self,
        now: Time,
        link: LinkId,
        reason: CloseReason,
        told: Option<CloseReason>,
        alternatives: &[Address],
        rng: &mut Rng,
    ) -> Option<Closed> {
        self.next_step();
        let slot = self.slots.remove(link)?;
        self.of_use.remove(&link);
        self.rest_point(now, &slot, reason, told, rng);
        // The dialect ends such a dial before anybody was recognised.
        if reason == CloseReason::OwnKey
            && slot.direction == Direction::Outbound
            && let Some(at) = slot.point.filter(|_| slot.peer.is_none())
        {
            self.points.note_self(at);
        }
        if let Some(peer) = &slot.peer {
            self.peers.note_end(now, peer, reason, told);
        }
        if slot.is_authenticated()
            && let Some(peer) = &slot.peer
        {
            self.peers.part(now, peer);
        }
        let greylisted = self.greylist_for(now, &slot, reason);
        let at_fault = slot.peer.filter(|_| slot.is_authenticated());
        let banned = at_fault.and_then(|peer| self.note_fault(now, peer, slot.remote, reason));
        let mut new_points = 0;
        if slot.direction == Direction::Outbound && slot.peer.is_some() {
            let offers = alternatives.iter().take(ADDRESSES_MAX).map(|address| (address, &[][..]));
            new_points = self.learn_all(now, offers, slot.remote, slot.peer);
        }
        Some(Closed { slot, greylisted, banned, new_points })
    }

    /// Gives a link up: it counts no longer, and its `Closed` is awaited for no longer than a handshake takes. The caller sends
    /// `Command::Close`. False if there is no such link, or it was given up before.
    pub fn doom(&mut self, now: Time, link: LinkId, reason: CloseReason) -> bool {
        let deadline = now + self.policy.arrival_deadline;
        match self.slots.get_mut(link) {
            Some(slot) if slot.doomed.is_none() => {
                slot.doomed = Some(reason);
                slot.deadline = deadline;
                true
            }
            _ => false,
        }
    }

    fn rest_point(&mut self, now: Time, slot: &Slot, reason: CloseReason, told: Option<CloseReason>, rng: &mut Rng) {
        // Who was forgotten meanwhile does not come back by it.
        let Some(at) = slot.point.filter(|at| self.points.get(*at).is_some()) else { return };
        let verdict = slot.doomed.or(told).unwrap_or(reason);
        let end = match verdict {
            _ if slot.phase == Phase::Open && reason.blame() == Blame::Net => End::Lost,
            _ if slot.phase == Phase::Open => End::Parted,
            CloseReason::Duplicate | CloseReason::Probed if slot.peer.is_some() => End::Superfluous,
            CloseReason::WrongNetwork if slot.peer.is_some() => End::Useless,
            _ if slot.peer.is_some() && (told.is_some() || slot.doomed.is_some() || reason == CloseReason::Nacked) => {
                End::Refused
            }
            _ => End::Missed,
        };
        self.points.rest(now, at, end, &self.policy, rng);
        if matches!(end, End::Missed | End::Refused | End::Lost | End::Useless) {
            self.points.note_failure(now, at, verdict);
        }
        // The address of a superfluous dial is that of the link that made it so; and one that an open link uses stays in use.
        let other = slot.peer.filter(|_| end == End::Superfluous).and_then(|peer| self.slots.link_of(&peer));
        if let Some(other) = other.and_then(|link| self.slots.get_mut(link)) {
            other.point.get_or_insert(at);
        }
        // So does one that is being dialed again already.
        let users = || self.slots.iter().filter(|other| other.doomed.is_none() && other.point == Some(at));
        let open = users().find(|user| user.is_open()).map(|user| user.link);
        let dialing = users().find(|user| user.direction == Direction::Outbound).map(|user| user.link);
        match (open, dialing) {
            (Some(link), _) => self.points.connect(now, at, link),
            (None, Some(link)) => self.points.dial(now, at, link, &self.policy),
            (None, None) => {}
        }
    }

    /// Who must stay away for what ended the link: an authenticated identity, or the host of an arrival. What only a dial saw proves
    /// nothing against an address, and another network's or version's node is no culprit.
    fn greylist_for(&mut self, now: Time, slot: &Slot, reason: CloseReason) -> Option<Culprit> {
        // For its score it was put there when it crossed the threshold, if it did.
        let is_misfit = matches!(
            reason,
            CloseReason::WrongNetwork | CloseReason::WrongVersion | CloseReason::ClaimRequired | CloseReason::ScoreTooLow
        );
        let is_protected = slot.peer.is_some_and(|peer| self.is_protected(now, slot.remote.ip(), &peer));
        if reason.blame() != Blame::Peer || is_misfit || is_protected {
            return None;
        }
        let culprit = match (slot.peer, slot.direction) {
            (Some(peer), _) if slot.is_authenticated() => Culprit::Peer(peer),
            (_, Direction::Inbound) if !slot.remote.ip().is_loopback() => Culprit::Host(slot.remote.ip()),
            _ => return None,
        };
        self.lists.greylist(now, culprit, &self.policy);
        Some(culprit)
    }
}
