//! How the channels of a link stand, and which of them stall: messages wait there for the application, or for the peer, longer than
//! `channel.stall_after`. Part of the engine. A link is looked at only while something waits on it, at most once in that time, and twice
//! as often while it stalls; an idle link has no timer for it.

use super::conn::Conn;
use super::engine::Core;
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::backlog::{Backlog, ChannelStats, Waiting};
use crate::bus::link::Link;
use crate::bus::outbox::Notice;
use std::time::Duration;

/// A channel is told to stall at most so often in each direction.
const NEWS_PERIOD: Duration = Duration::from_secs(60);
/// Between two looks at a link, however short the setting is.
const LOOK_MIN: Duration = Duration::from_millis(1);

/// What a connection remembers of its stalls.
#[derive(Debug)]
pub struct Watch {
    /// When to look next; `Time::MAX` while nothing waits.
    pub at: Time,
    /// Those that last, and those that were told lately.
    stalls: Vec<Stall>,
}

#[derive(Debug)]
struct Stall {
    lane: usize,
    direction: Direction,
    /// Since when the message waits that was the oldest when it began.
    since: Time,
    lasts: bool,
    /// True if it was told and its end was not.
    is_told: bool,
    told_at: Option<Time>,
}

// Two for each lane: little beside what else a link keeps of it (`settings/memory.rs`).
const _: () = assert!(2 * size_of::<Stall>() <= sizes::LANE / 8);

impl Default for Watch {
    fn default() -> Watch {
        Watch { at: Time::MAX, stalls: Vec::new() }
    }
}

impl Watch {
    /// Something waits: looks when it will have waited for `after`, which is zero if nobody wants to know.
    pub fn begin(&mut self, now: Time, after: Duration) {
        if self.at == Time::MAX && !after.is_zero() {
            self.at = now + after;
        }
    }

    /// The stall of that lane, if one lasts or was told lately.
    fn find(&mut self, lane: usize, direction: Direction) -> Option<&mut Stall> {
        self.stalls.iter_mut().find(|stall| (stall.lane, stall.direction) == (lane, direction))
    }

    /// A lane stalls. True if it did not before.
    fn note(&mut self, lane: usize, direction: Direction, since: Time) -> bool {
        let Some(stall) = self.find(lane, direction) else {
            self.stalls.push(Stall { lane, direction, since, lasts: true, is_told: false, told_at: None });
            return true;
        };
        if !stall.lasts {
            (stall.lasts, stall.since) = (true, since);
            return true;
        }
        false
    }

    /// True if that lane's stall is to be told now.
    fn tells(&mut self, now: Time, lane: usize, direction: Direction) -> bool {
        let is_due = |stall: &&mut Stall| !stall.is_told && stall.told_at.is_none_or(|at| now.since(at) >= NEWS_PERIOD);
        let Some(stall) = self.find(lane, direction).filter(is_due) else { return false };
        (stall.is_told, stall.told_at) = (true, Some(now));
        true
    }

    /// A lane does not stall. Since when it did, if its stall was told and ends with this.
    fn end(&mut self, lane: usize, direction: Direction) -> Option<Time> {
        let stall = self.find(lane, direction)?;
        stall.lasts = false;
        std::mem::take(&mut stall.is_told).then_some(stall.since)
    }

    /// Forgets what is over and was not told lately.
    fn forget(&mut self, now: Time) {
        self.stalls.retain(|stall| stall.lasts || stall.told_at.is_some_and(|at| now.since(at) < NEWS_PERIOD));
    }
}

impl Core {
    /// How each channel of the application stands on an open link, and whether what waits to be sent there waits for our own turn.
    fn stand(&self, conn: &Conn, link: &Link) -> Vec<(usize, ChannelStats, bool)> {
        let now = self.ambient.now;
        let arrived = self.ports.routes.backlogs(conn.id);
        let stand = |(lane, waits): (usize, Backlog)| {
            let channel = self.dialects.channels().get(lane)?.id;
            let state = conn.session.as_ref()?.lane(lane);
            let in_hand = Backlog { messages: state.messages as u64, bytes: state.bytes as u64, since: state.since };
            let drops = link.drops(lane)?;
            let stats = ChannelStats {
                channel,
                is_shared: link.lane(channel).is_some(),
                outbound: Waiting::of(in_hand.and(waits), now),
                inbound: Waiting::of(arrived.get(&channel).copied().unwrap_or_default(), now),
                unfinished: u64::from(state.is_unfinished),
                credit_out: state.credit_out.into(),
                credit_in: state.credit_in.into(),
                refused: drops.refused.value(),
                displaced: drops.displaced.value(),
                expired: drops.expired.value(),
                cancelled: drops.cancelled.value(),
            };
            let is_ours = conn.is_writable && (state.is_sendable || state.messages == 0);
            (!channel.is_own()).then_some((lane, stats, is_ours))
        };
        link.backlogs(now).into_iter().enumerate().filter_map(stand).collect()
    }

    /// How each channel of the application stands on a link; nothing unless it is open.
    pub(super) fn channel_stats(&self, conn: &Conn) -> Option<Vec<ChannelStats>> {
        let link = conn.link.as_ref()?;
        Some(self.stand(conn, link).into_iter().map(|(_, stats, _)| stats).collect())
    }

    /// Looks whether something has waited for too long, tells what has changed, and says when to look again.
    pub(super) fn look_for_stalls(&mut self, conn: &mut Conn) {
        let (now, after) = (self.ambient.now, self.limits.stall_after);
        conn.watch.at = Time::MAX;
        let Some(link) = conn.link.clone() else { return };
        let (id, peer) = (link.id, link.peer);
        for (lane, stats, is_ours) in self.stand(conn, &link) {
            let channel = stats.channel;
            let sides = [(Direction::Inbound, stats.inbound, false), (Direction::Outbound, stats.outbound, is_ours)];
            for (direction, waiting, is_ours) in sides {
                let Waiting { messages, bytes, age } = waiting;
                let age = age.unwrap_or_default();
                let again = if age < after { after - age } else { after / 2 };
                if messages > 0 {
                    conn.watch.at = conn.watch.at.min(now + again.max(LOOK_MIN));
                }
                if messages == 0 || age < after || is_ours {
                    if let Some(since) = conn.watch.end(lane, direction) {
                        let lasted = now.since(since);
                        self.ports.routes.notify(Notice::StallOver { link: id, peer, channel, direction, lasted });
                    }
                    continue;
                }
                let since = Time::from_nanos(now.as_nanos().saturating_sub(age.as_nanos() as u64));
                if conn.watch.note(lane, direction, since) {
                    self.ports.counters.stalls.add(1);
                }
                if conn.watch.tells(now, lane, direction) {
                    self.ports.routes.notify(Notice::Stalled { link: id, peer, channel, direction, age, messages, bytes });
                }
            }
        }
        conn.watch.forget(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_stall_is_told_once_and_again_only_after_a_minute() {
        let (mut watch, lane, inbound) = (Watch::default(), 2, Direction::Inbound);
        assert!(watch.note(lane, inbound, at(0)) && watch.tells(at(5), lane, inbound));
        assert!(!watch.note(lane, inbound, at(1)) && !watch.tells(at(100), lane, inbound), "it still lasts");
        assert_eq!((watch.end(lane, inbound), watch.end(lane, inbound)), (Some(at(0)), None));
        watch.forget(at(64));
        assert!(watch.note(lane, inbound, at(59)) && !watch.tells(at(64), lane, inbound), "told a minute ago");
        assert_eq!(watch.end(lane, inbound), None, "nobody was told that it began");
        assert!(watch.note(lane, inbound, at(60)) && watch.tells(at(65), lane, inbound));
        assert!(
            watch.note(lane, Direction::Outbound, at(60)) && watch.tells(at(65), lane, Direction::Outbound),
            "each for itself"
        );
    }

    #[test]
    fn nothing_is_remembered_for_long() {
        let mut watch = Watch::default();
        for lane in 0..62 {
            assert!(watch.note(lane, Direction::Inbound, at(0)) && watch.tells(at(5), lane, Direction::Inbound));
            watch.end(lane, Direction::Inbound);
        }
        watch.forget(at(64));
        assert_eq!(watch.stalls.len(), 62);
        watch.forget(at(65));
        assert!(watch.stalls.is_empty());
    }

    #[test]
    fn a_watch_begins_once_and_not_where_nobody_wants_to_know() {
        let mut watch = Watch::default();
        watch.begin(at(1), Duration::ZERO);
        assert_eq!(watch.at, Time::MAX);
        watch.begin(at(1), Duration::from_secs(5));
        watch.begin(at(2), Duration::from_secs(5));
        assert_eq!(watch.at, at(6));
    }
}
