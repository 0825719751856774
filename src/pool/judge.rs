//! What a score leads to: warned, greylisted, banned, disconnected. The pool's verbs for whoever moves a score: the node's `report`,
//! welcome for metadata, the end of a link for faults. They take effect at once and send nothing; the caller closes and tells.

use super::lists::{By, Culprit, Entry};
use super::saved::{Left, SavedScore};
use super::score::{Move, Score, Scores, Stage};
use super::slots::Use;
use super::table::Pool;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

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
        let is_kept_out = self.left(now, &peer, self.scores.stage(&peer)).is_some();
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
            self.has_unsaved_scores = true;
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
                self.persistent_peers.contains(peer) || standing == super::lists::Standing::Trusted
            }
        }
    }

    /// How long the lists keep a peer out yet: by a ban that its score led to, or by the greylist.
    fn left(&self, now: Time, peer: &PeerId, stage: Stage) -> Option<Left> {
        let left = |until: Option<Time>| until.map_or(Left::Ever, |until| Left::For(now.until(until)));
        if stage == Stage::Banned {
            return self.lists.ban_of(now, peer).map(left);
        }
        self.lists.greylisting_of(now, peer).map(|until| left(Some(until)))
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

    /// True if scores are to be saved now: somebody is kept out who was not, or, once in a while, anything has changed.
    pub fn take_unsaved_scores(&mut self, is_due: bool) -> bool {
        let is_urgent = std::mem::take(&mut self.has_unsaved_scores);
        let is_wanted = self.scores.rules().is_saved && (is_urgent || is_due);
        is_wanted && self.scores.take_changed()
    }

    /// They could not be saved: they are still to be.
    pub fn keep_unsaved_scores(&mut self) {
        self.scores.keep_changed();
    }

    /// All scores, to be saved.
    pub fn saved_scores(&self, now: Time) -> Vec<SavedScore> {
        self.scores.saved(now, |peer, stage| self.left(now, peer, stage))
    }

    /// Takes back what was saved `age` ago, with the bans and greylistings that it led to. Those last no longer than a fresh one would,
    /// whatever the clocks said meanwhile.
    pub fn restore_scores(&mut self, now: Time, age: Duration, all: &[SavedScore]) {
        let (grey_max, ban_max) = (self.policy.greylist_timeout, self.scores.rules().ban_time);
        for saved in all.iter().filter(|saved| saved.peer != self.own) {
            self.scores.restore(now, age, saved);
            match (saved.stage, saved.left) {
                (_, None) => {}
                (Stage::Banned, Some(left)) => {
                    let until = match left {
                        Left::Ever => None,
                        Left::For(left) if ban_max.is_zero() => Some(now + left),
                        Left::For(left) => Some(now + left.min(ban_max)),
                    };
                    if self.lists.ban(Subject::Peer(saved.peer), Entry::new(now, until, "its score", By::Score)).is_err() {
                        self.lists.keep_grey(Culprit::Peer(saved.peer), now + grey_max, 1);
                    }
                }
                (_, Some(left)) => {
                    let left = if let Left::For(left) = left { left.min(grey_max) } else { grey_max };
                    self.lists.keep_grey(Culprit::Peer(saved.peer), now + left, 1);
                }
            }
        }
    }
}
