//! Events as C reads them: one flat struct for every kind. Made here out of the bus's events; `f_queues` hands them out.

use super::b_errors::bowline_result;
use super::convert::of_reason;
use super::e_node::bowline_state;
use super::g_messages::bowline_msg;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::event::{Event, Message, NodeState, Response, Sent};
use crate::bus::fate::Fate;
use crate::bus::outbox::Notice;
use crate::bus::requests::Outcome;
use crate::node::node::Node;
use bytes::Bytes;

/// A number that names an open link with a peer. Unique for the life of the node, so a stale one is found out. 0 names none.
pub type bowline_peer = u64;
/// A number that names a request of a peer. 0 names none.
pub type bowline_request = u64;

/// bowline_event.detail of BOWLINE_EV_PEER_CONNECTED: the peer dialed.
pub const BOWLINE_DIRECTION_INBOUND: u32 = 0;
/// bowline_event.detail of BOWLINE_EV_PEER_CONNECTED: this node dialed.
pub const BOWLINE_DIRECTION_OUTBOUND: u32 = 1;

/// What an event is. Members of bowline_event that are not named here are 0; new kinds may come, so skip those that you do not know.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum bowline_event_kind {
    /// A message: peer, channel, data, len, msg, time_ns.
    BOWLINE_EV_MESSAGE = 1,
    /// A request of a peer: as a message, and request, which is the peer's own number for it. This version has no call to answer it; the
    /// peer's deadline ends it.
    BOWLINE_EV_REQUEST = 2,
    /// What became of a request: peer, channel, request, tag, result: BOWLINE_OK with the answer in data, len, msg; BOWLINE_E_REMOTE with
    /// the peer's number in detail and its text in data; BOWLINE_E_TIMEOUT, BOWLINE_E_CANCELED, BOWLINE_E_PEER_GONE with flags = code of
    /// the close reason. This version has no call to ask.
    BOWLINE_EV_RESPONSE = 3,
    /// What became of a message: peer, tag, result: BOWLINE_OK if it was handed to the kernel, BOWLINE_E_EXPIRED, BOWLINE_E_CANCELED,
    /// BOWLINE_E_DROPPED if it gave way to a newer one, BOWLINE_E_PEER_GONE with flags = code of the close reason.
    BOWLINE_EV_SEND_RESULT = 4,
    /// A link opened: peer, detail = BOWLINE_DIRECTION_*, tag of bowline_connect if that is what opened it. It comes before every
    /// message of the peer. A link that has closed before anybody polled this event is told of whole all the same, unless too many such
    /// links wait (see bowline_queue): then the oldest leaves no event at all.
    BOWLINE_EV_PEER_CONNECTED = 5,
    /// A link closed: peer, result, flags = code of the close reason, detail = code that the peer gave or 0, data = the reason as text.
    /// It comes after every message of the peer, and in any case if PEER_CONNECTED was polled.
    BOWLINE_EV_PEER_DISCONNECTED = 6,
    /// A dial of bowline_connect ended without a link: tag, result, flags = code of the close reason, data = the address as text.
    BOWLINE_EV_DIAL_FAILED = 7,
    /// A link was refused by this node: result, flags = code of the close reason, data = the address as text.
    BOWLINE_EV_PEER_REFUSED = 8,
    /// A peer was put on the greylist: result, flags = code of the close reason, data = the address as text, empty for a peer without a
    /// link.
    BOWLINE_EV_PEER_GREYLISTED = 9,
    /// A peer was banned for its score: result, flags = code of the close reason, data = the peer id in hex, a blank, and the last cause.
    BOWLINE_EV_PEER_BANNED = 10,
    /// The node's state changed: detail = bowline_state.
    BOWLINE_EV_NODE_STATE = 11,
    /// The node failed: result, data = why. Stop and free it.
    BOWLINE_EV_FATAL = 12,
    /// Somebody called bowline_queue_wakeup: tag.
    BOWLINE_EV_WAKEUP = 14,
    /// A peer's score is low: result, flags, data as for BOWLINE_EV_PEER_BANNED.
    BOWLINE_EV_PEER_WARNED = 16,
    /// Too few links lead to peers with a capability that pool.roles names, and nobody else with it can be dialed now: detail = links that
    /// there are, tag = links that are wanted, data = the capability. Not again within 10 minutes.
    BOWLINE_EV_ROLE_SHORT = 19,
    /// Messages of a channel have waited for channel.stall_after: peer, channel, tag = nanoseconds that the oldest has waited at least,
    /// detail = BOWLINE_DIRECTION_INBOUND if nobody polls them, BOWLINE_DIRECTION_OUTBOUND if the peer does not take them, data = how
    /// many they are, as text. Once for each time that it happens, and not again within a minute.
    BOWLINE_EV_CHANNEL_STALLED = 17,
    /// A channel of which CHANNEL_STALLED was told goes on: peer, channel, detail, tag = nanoseconds that it lasted. When the link closes
    /// instead, PEER_DISCONNECTED is all that comes.
    BOWLINE_EV_CHANNEL_RESUMED = 18,
    /// Links are above their bounds, and only those of trusted and persistent peers remain: detail = links that there are, tag = links
    /// that there should be. Once until they are in bounds again.
    BOWLINE_EV_SURPLUS = 20,
    /// Outbound links lead to so few groups of addresses that one party may hold them all: detail = groups. Once until there are 4 again.
    BOWLINE_EV_FEW_GROUPS = 21,
    /// Address book, lists and scores could not be saved: data = why, as text. It is tried again each maintenance.period, and told again
    /// only after it has succeeded.
    BOWLINE_EV_STORE_FAILED = 22,
    /// The file of store.path was damaged and was put aside; address book, lists and scores have begun anew: data = where it is now, and
    /// what was wrong with it, as text.
    BOWLINE_EV_STORE_SET_ASIDE = 23,
    /// Some rows of the store could not be read, and are missing; all others were: tag = how many, data = one of them and what is wrong
    /// with it, as text.
    BOWLINE_EV_STORE_ROWS_UNREAD = 24,
}

/// Kind of the event that ends a round of maintenance.
const ROUND_ENDED: i32 = 15;

/// An event, filled by bowline_queue_poll. Release it with bowline_events_release, or take its msg out by setting that to NULL.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_event {
    /// A bowline_event_kind.
    pub kind: i32,
    /// A bowline_result.
    pub result: i32,
    /// The link.
    pub peer: bowline_peer,
    /// The request.
    pub request: bowline_request,
    /// The number that the caller gave.
    pub tag: u64,
    /// When it happened, by the clock of bowline_clock_ns; 0 where that is not known.
    pub time_ns: u64,
    /// The channel.
    pub channel: u16,
    /// See the kind.
    pub flags: u16,
    /// See the kind.
    pub detail: u32,
    /// Bytes of msg, or a static text. Texts end with a NUL that len does not count.
    pub data: *const u8,
    /// How many.
    pub len: usize,
    /// What data lives in; NULL if it needs no freeing. Owned by the event.
    pub msg: *mut bowline_msg,
}

impl bowline_event {
    /// What an event that nobody filled in looks like.
    pub const NONE: bowline_event = bowline_event {
        kind: 0,
        result: bowline_result::BOWLINE_OK as i32,
        peer: 0,
        request: 0,
        tag: 0,
        time_ns: 0,
        channel: 0,
        flags: 0,
        detail: 0,
        data: std::ptr::null(),
        len: 0,
        msg: std::ptr::null_mut(),
    };

    const fn new(kind: bowline_event_kind) -> bowline_event {
        bowline_event { kind: kind as i32, ..bowline_event::NONE }
    }

    const fn because(self, reason: CloseReason) -> bowline_event {
        bowline_event { result: of_reason(reason) as i32, flags: reason.code(), ..self }
    }

    fn with_bytes(self, bytes: Bytes) -> bowline_event {
        bowline_event { data: bytes.as_ptr(), len: bytes.len(), msg: bowline_msg::sealed(bytes), ..self }
    }

    /// A text with the NUL that C code likes to find.
    fn with_text(self, text: &str) -> bowline_event {
        let mut bytes = text.replace('\0', "\u{fffd}").into_bytes();
        let len = bytes.len();
        bytes.push(0);
        bowline_event { len, ..self.with_bytes(Bytes::from(bytes)) }
    }

    /// The event as C reads it. `origin_ns` is the moment at which the node's own time began, by the clock of bowline_clock_ns.
    pub fn of(event: Event, node: &Node, origin_ns: u64) -> bowline_event {
        use bowline_event_kind as K;
        match event {
            Event::Message(message) => of_message(message, origin_ns),
            Event::Up(up) => {
                let detail = match up.direction {
                    Direction::Inbound => BOWLINE_DIRECTION_INBOUND,
                    Direction::Outbound => BOWLINE_DIRECTION_OUTBOUND,
                };
                let tag = up.tag.unwrap_or(0);
                bowline_event { peer: up.link.as_u64(), detail, tag, ..Self::new(K::BOWLINE_EV_PEER_CONNECTED) }
            }
            Event::Down(down) => {
                let told = down.told.map_or(0, |reason| u32::from(reason.code()));
                let event = Self::new(K::BOWLINE_EV_PEER_DISCONNECTED).because(down.reason).with_text(down.reason.text());
                bowline_event { peer: down.link.as_u64(), detail: told, ..event }
            }
            Event::Sent(sent) => of_sent(&sent),
            Event::Response(response) => of_response(response),
            Event::Notice(notice) => of_notice(notice),
            Event::State(NodeState::Failed) => {
                let event = Self::new(K::BOWLINE_EV_FATAL).with_text(&node.failure().unwrap_or_default());
                bowline_event { result: bowline_result::BOWLINE_E_FATAL as i32, ..event }
            }
            Event::State(state) => {
                let detail = (bowline_state::of(state) as i32).unsigned_abs();
                bowline_event { detail, ..Self::new(K::BOWLINE_EV_NODE_STATE) }
            }
            Event::Wakeup(tag) => bowline_event { tag, ..Self::new(K::BOWLINE_EV_WAKEUP) },
        }
    }
}

/// A moment of a node by the clock of bowline_clock_ns.
pub fn moment(at: Time, origin_ns: u64) -> u64 {
    origin_ns.wrapping_add(at.as_nanos())
}

fn of_message(message: Message, origin_ns: u64) -> bowline_event {
    use bowline_event_kind as K;
    let kind = if message.kind == Kind::Request { K::BOWLINE_EV_REQUEST } else { K::BOWLINE_EV_MESSAGE };
    bowline_event {
        peer: message.link.as_u64(),
        request: message.request.into(),
        time_ns: moment(message.at, origin_ns),
        channel: message.channel.0,
        ..bowline_event::new(kind).with_bytes(message.body)
    }
}

fn of_sent(sent: &Sent) -> bowline_event {
    use bowline_result as R;
    let event = bowline_event::new(bowline_event_kind::BOWLINE_EV_SEND_RESULT);
    let with = |result: bowline_result| bowline_event { result: result as i32, ..event };
    let event = match sent.fate {
        Fate::Accepted => event,
        Fate::Expired => with(R::BOWLINE_E_EXPIRED),
        Fate::Cancelled => with(R::BOWLINE_E_CANCELED),
        Fate::Displaced => with(R::BOWLINE_E_DROPPED),
        Fate::Closed(reason) => bowline_event { flags: reason.code(), ..with(R::BOWLINE_E_PEER_GONE) },
    };
    bowline_event { peer: sent.link.as_u64(), tag: sent.tag, ..event }
}

fn of_response(response: Response) -> bowline_event {
    use bowline_result as R;
    let Response { link, channel, request, tag, outcome, .. } = response;
    let event = bowline_event::new(bowline_event_kind::BOWLINE_EV_RESPONSE);
    let with = |result: bowline_result| bowline_event { result: result as i32, ..event };
    let event = match outcome {
        Outcome::Answer(answer) => event.with_bytes(answer),
        Outcome::Refused(refusal) => bowline_event { detail: refusal.code, ..with(R::BOWLINE_E_REMOTE) }.with_text(&refusal.text),
        Outcome::TimedOut => with(R::BOWLINE_E_TIMEOUT),
        Outcome::Cancelled => with(R::BOWLINE_E_CANCELED),
        Outcome::Closed(reason) => bowline_event { flags: reason.code(), ..with(R::BOWLINE_E_PEER_GONE) },
    };
    bowline_event { peer: link.as_u64(), channel: channel.0, request: request.into(), tag, ..event }
}

fn of_notice(notice: Notice) -> bowline_event {
    use bowline_event_kind as K;
    match notice {
        Notice::DialFailed { tag, to, reason } => {
            let event = bowline_event::new(K::BOWLINE_EV_DIAL_FAILED).because(reason).with_text(&to.to_string());
            bowline_event { tag, ..event }
        }
        Notice::Refused { remote, reason, .. } => {
            bowline_event::new(K::BOWLINE_EV_PEER_REFUSED).because(reason).with_text(&remote.to_string())
        }
        Notice::Greylisted { remote, reason, .. } => bowline_event::new(K::BOWLINE_EV_PEER_GREYLISTED)
            .because(reason)
            .with_text(&remote.map_or_else(String::new, |at| at.to_string())),
        Notice::Warned { peer, why, .. } => {
            let event = bowline_event::new(K::BOWLINE_EV_PEER_WARNED).because(CloseReason::ScoreTooLow);
            event.with_text(&format!("{peer} {why}"))
        }
        Notice::Banned { peer, why, .. } => {
            let event = bowline_event::new(K::BOWLINE_EV_PEER_BANNED).because(CloseReason::ScoreTooLow);
            event.with_text(&format!("{peer} {why}"))
        }
        Notice::RoleShort { capability, wanted, linked } => {
            let event = bowline_event::new(K::BOWLINE_EV_ROLE_SHORT).with_text(&capability);
            bowline_event { tag: wanted as u64, detail: u32::try_from(linked).unwrap_or(u32::MAX), ..event }
        }
        Notice::Surplus { links, target } => {
            let detail = u32::try_from(links).unwrap_or(u32::MAX);
            bowline_event { tag: target as u64, detail, ..bowline_event::new(K::BOWLINE_EV_SURPLUS) }
        }
        Notice::FewGroups { groups } => {
            let detail = u32::try_from(groups).unwrap_or(u32::MAX);
            bowline_event { detail, ..bowline_event::new(K::BOWLINE_EV_FEW_GROUPS) }
        }
        Notice::Stalled { link, channel, direction, age, messages, bytes, .. } => bowline_event {
            tag: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
            ..of_stall(K::BOWLINE_EV_CHANNEL_STALLED, link, channel, direction)
                .with_text(&format!("{messages} messages, {bytes} bytes"))
        },
        Notice::StallOver { link, channel, direction, lasted, .. } => bowline_event {
            tag: u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX),
            ..of_stall(K::BOWLINE_EV_CHANNEL_RESUMED, link, channel, direction)
        },
        Notice::StoreFailed { text } => bowline_event::new(K::BOWLINE_EV_STORE_FAILED).with_text(&text),
        Notice::StoreSetAside { path, text } => {
            bowline_event::new(K::BOWLINE_EV_STORE_SET_ASIDE).with_text(&format!("{}: {text}", path.display()))
        }
        Notice::RowsUnread { count, first } => {
            bowline_event { tag: count as u64, ..bowline_event::new(K::BOWLINE_EV_STORE_ROWS_UNREAD).with_text(&first) }
        }
        // The header gets a name for it together with the call that asks for a round.
        Notice::RoundEnded { ticket, links, .. } => {
            let detail = u32::try_from(links).unwrap_or(u32::MAX);
            bowline_event { kind: ROUND_ENDED, tag: ticket, detail, ..bowline_event::NONE }
        }
    }
}

fn of_stall(kind: bowline_event_kind, link: LinkId, channel: ChannelId, direction: Direction) -> bowline_event {
    let detail = match direction {
        Direction::Inbound => BOWLINE_DIRECTION_INBOUND,
        Direction::Outbound => BOWLINE_DIRECTION_OUTBOUND,
    };
    bowline_event { peer: link.as_u64(), channel: channel.0, detail, ..bowline_event::new(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::peer::PeerId;
    use std::time::Duration;

    #[test]
    fn stalls_say_which_channel_of_which_peer_and_for_how_long() {
        let (link, peer, channel) = (LinkId::from_u64(7), PeerId::from_bytes([1; 32]), ChannelId(0x11));
        let (direction, age) = (Direction::Outbound, Duration::from_secs(5));
        let event = of_notice(Notice::Stalled { link, peer, channel, direction, age, messages: 3, bytes: 40 });
        assert_eq!((event.kind, event.peer, event.channel), (17, 7, 0x11));
        assert_eq!((event.tag, event.detail), (5_000_000_000, BOWLINE_DIRECTION_OUTBOUND));
        assert_eq!(event.len, "3 messages, 40 bytes".len());
        // SAFETY: nobody else has the message of an event that was made here.
        unsafe { crate::ffi::g_messages::bowline_msg_free(event.msg) };
        let event = of_notice(Notice::StallOver { link, peer, channel, direction: Direction::Inbound, lasted: age });
        assert_eq!((event.kind, event.detail, event.tag), (18, BOWLINE_DIRECTION_INBOUND, 5_000_000_000));
    }
}
