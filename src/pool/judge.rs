//! What a score leads to: warned, greylisted, banned, disconnected. The pool's verbs for whoever moves a score: the node's `report`,
//! welcome for metadata, the end of a link for faults. They take effect at once and send nothing; the caller closes and tells.

use super::lists::{By, Culprit, Entry};
use super::score::{Move, Score, Scores, Stage};
use super::slots::Use;
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use std::net::{IpAddr, SocketAddr};

/// A threshold that a score has crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub peer: PeerId,
    /// What it led to; never `Fine`.
    pub stage: Stage,
    pub score: i32,
    /// The last cause.
    pub why: String,
    /// Where its link is or was, if it has one.
    pub remote: Option<SocketAddr>,
    /// Links to close with `ScoreTooLow`.
    pub close: Vec<LinkId>,
}

impl Pool {
    pub fn scores(&self) -> &Scores {
        &self.scores
    }

    /// The score of a peer with its causes.
    pub fn score(&self, now: Time, peer: &PeerId) -> Option<Score> {
        self.scores.score(now, peer)
    }

    /// The application's verdict on a peer, linked or not. Gives the threshold that it made the score cross.
    pub fn report(&mut self, now: Time, peer: PeerId, delta: i32, why: &str) -> Option<Judgement> {
        let link = self.slots.link_of(&peer);
        if let Some(link) = link.filter(|_| delta > 0) {
            self.note_use(now, link, Use::Verdict);
        }
        let remote = link.and_then(|link| self.slots.get(link)).map(|slot| slot.remote);
        self.judge(now, peer, remote, Move::Report { delta, why })
    }

    /// What the application's function says of the metadata of a peer that is about to be introduced on `link`.
    pub fn note_metadata(&mut self, now: Time, link: LinkId, peer: PeerId, score: i32) -> Option<Judgement> {
        let slot = self.slots.get(link).filter(|slot| slot.doomed.is_none())?;
        let remote = Some(slot.remote);
        self.judge(now, peer, remote, Move::Metadata(score))
    }

    /// A link of an authenticated peer ended for a fault of the peer. It is on the greylist for it already, so only a ban is new.
    pub(super) fn note_fault(&mut self, now: Time, peer: PeerId, remote: SocketAddr, reason: CloseReason) -> Option<Judgement> {
        if super::score::penalty(reason) == 0 {
            return None;
        }
        let judgement = self.judge(now, peer, Some(remote), Move::Fault(reason))?;
        (judgement.stage == Stage::Banned).then_some(judgement)
    }

    fn judge(&mut self, now: Time, peer: PeerId, remote: Option<SocketAddr>, by: Move<'_>) -> Option<Judgement> {
        let is_exempt = self.is_exempt(now, remote.map(|at| at.ip()), &peer);
        let is_kept_out = self.is_kept_out(now, &peer, self.scores.stage(&peer));
        let mut stage = self.scores.change(now, peer, by, is_kept_out, is_exempt)?;
        if stage == Stage::Banned {
            let ban_time = self.scores.rules().ban_time;
            let until = (!ban_time.is_zero()).then(|| now + ban_time);
            let why = self.scores.score(now, &peer).and_then(|score| score.causes.last().map(|cause| cause.why.clone()));
            let entry = Entry::new(now, until, &why.unwrap_or_default(), By::Score);
            if self.lists.ban(Subject::Peer(peer), entry).is_err() {
                // The list of bans is full; the greylist makes room for itself.
                self.scores.soften(&peer);
                stage = Stage::Greylisted;
            }
        }
        if stage == Stage::Greylisted {
            self.lists.greylist(now, Culprit::Peer(peer), &self.policy);
        }
        let mut close: Vec<LinkId> = Vec::new();
        if stage >= Stage::Greylisted {
            self.dirty.is_urgent = true;
            let is_its = |slot: &&super::slots::Slot| slot.peer == Some(peer) && slot.is_link();
            close.extend(self.slots.iter().filter(is_its).map(|slot| slot.link));
        }
        for link in &close {
            self.doom(now, *link, CloseReason::ScoreTooLow);
        }
        let score = self.scores.score(now, &peer).unwrap_or_default();
        let why = score.causes.last().map(|cause| cause.why.clone()).unwrap_or_default();
        Some(Judgement { peer, stage, score: score.value, why, remote, close })
    }

    /// Trusted and persistent peers: their scores lead to nothing.
    fn is_exempt(&self, now: Time, ip: Option<IpAddr>, peer: &PeerId) -> bool {
        match ip {
            Some(ip) => self.is_protected(now, ip, peer),
            None => {
                let standing = self.lists.standing(now, None, Some(peer));
                self.is_persistent_peer(peer) || standing == super::lists::Standing::Trusted
            }
        }
    }

    /// The lists keep a peer of that stage out yet: by a ban that its score led to, or by the greylist.
    fn is_kept_out(&self, now: Time, peer: &PeerId, stage: Stage) -> bool {
        match stage {
            Stage::Banned => self.lists.ban_of(now, peer).is_some(),
            _ => self.lists.greylisting_of(now, peer).is_some(),
        }
    }

    /// Forgets scores that have faded and lead to nothing any more.
    pub fn expire_scores(&mut self, now: Time) {
        let (lists, peers) = (&self.lists, &self.peers);
        let is_linked = |peer: &PeerId| peers.get(peer).is_some_and(|known| known.links > 0);
        let is_banned = |peer: &PeerId, stage| stage == Stage::Banned && lists.ban_of(now, peer).is_some();
        let is_kept =
            |peer: &PeerId, stage| is_linked(peer) || is_banned(peer, stage) || lists.greylisting_of(now, peer).is_some();
        self.scores.expire(now, is_kept);
    }
}
