//! The end of a link, the same for whoever finds out: welcome by a report, both welcome and maintenance by a deadline.
//! It says what others must hear; the pool has already learned from it.

use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::command::Command;
use crate::bus::outbox::{Ending, Notice, Outbox, Outcome};
use crate::pool::judge::Judgement;
use crate::pool::lists::Culprit;
use crate::pool::parting::Closed;
use crate::pool::score::Stage;
use crate::pool::slots::{Phase, Purpose};
use crate::pool::table::Pool;

const LOG: &str = "bowline::score";

/// Tells of a link that has ended: the caller who asked for it, the application, the other workers.
pub(super) fn tell(closed: &Closed, reason: CloseReason, told: Option<CloseReason>, out: &mut Outbox) {
    let slot = &closed.slot;
    let reason = told.unwrap_or(reason);
    // Whoever dialed first, and whatever became of it, a caller may wait for the end of it.
    out.outcomes.push(Outcome { link: slot.link, result: Err(Ending { reason, peer: slot.peer }) });
    if let Some(Purpose::Asked { tag: Some(tag) }) = slot.purpose
        && slot.opened_at_step.is_none()
    {
        out.notices.push(Notice::DialFailed { tag, to: slot.remote, reason });
    }
    if let Some(culprit) = closed.greylisted {
        let peer = if let Culprit::Peer(peer) = culprit { Some(peer) } else { None };
        out.notices.push(Notice::Greylisted { peer, remote: Some(slot.remote), reason });
    }
    if let Some(banned) = &closed.banned {
        tell_judgement(banned, out);
    }
    let was_link = slot.is_authenticated();
    out.changed |= was_link || slot.direction == Direction::Outbound;
    out.nudge_exchange |= was_link;
    // Any end of a dial or link may call for another dial.
    out.nudge_maintenance |= was_link || slot.direction == Direction::Outbound || closed.new_points > 0;
}

/// Tells of a threshold that a score has crossed, closes the links that must go for it, and has it saved.
pub(crate) fn tell_judgement(judgement: &Judgement, out: &mut Outbox) {
    let Judgement { peer, stage, score, ref why, remote, ref close } = *judgement;
    let text = || format!("{} is {} at a score of {score}, last for: {why}", peer.short(), stage.name());
    let notice = match stage {
        Stage::Fine => return,
        Stage::Warned => Notice::Warned { peer, score, why: why.clone() },
        Stage::Greylisted => Notice::Greylisted { peer: Some(peer), remote, reason: CloseReason::ScoreTooLow },
        Stage::Banned => Notice::Banned { peer, score, why: why.clone() },
    };
    out.notices.push(notice);
    out.log.push((log::Level::Debug, LOG, text()));
    out.commands.extend(close.iter().map(|link| Command::Close { link: *link, reason: CloseReason::ScoreTooLow }));
    out.changed = true;
    out.nudge_maintenance |= stage > Stage::Warned;
}

/// Closes every place whose deadline has passed: its report was lost, or a verdict.
pub(super) fn sweep(now: Time, rng: &mut Rng, pool: &mut Pool, out: &mut Outbox) {
    for link in pool.slots().overdue(now) {
        let Some(slot) = pool.slots().get(link) else { continue };
        let reason = slot.doomed.unwrap_or(match slot.phase {
            Phase::Dialing => CloseReason::ConnectTimeout,
            _ => CloseReason::HandshakeTimeout,
        });
        close(now, link, reason, rng, pool, out);
    }
}

fn close(now: Time, link: LinkId, reason: CloseReason, rng: &mut Rng, pool: &mut Pool, out: &mut Outbox) {
    out.commands.push(Command::Close { link, reason });
    if let Some(closed) = pool.close(now, link, reason, None, &[], rng) {
        tell(&closed, reason, None, out);
    }
}
