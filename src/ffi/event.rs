//! Events as C reads them: one flat struct for every kind. Made here out of the bus's events; `f_queues` hands them out.

use super::b_errors::bowline_result;
use super::convert::of_reason;
use super::e_node::bowline_state;
use super::g_messages::bowline_msg;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::event::{Down, Event, Message, NodeState, Response, Sent, Up};
use crate::bus::fate::Fate;
use crate::bus::outbox::{Notice, NoticeKind};
use crate::bus::requests::Outcome;
use crate::node::node::Node;
use bytes::Bytes;
use std::net::SocketAddr;

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
    /// A request of a peer: as a message, and request, its number. Answer it once, with bowline_respond, by peer, channel and number; or the
    /// peer's deadline ends it.
    BOWLINE_EV_REQUEST = 2,
    /// What became of a request: peer, channel, request, tag, result: BOWLINE_OK with the answer in data, len, msg; BOWLINE_E_REMOTE with
    /// the peer's number in detail and its text in data; BOWLINE_E_TIMEOUT, BOWLINE_E_CANCELED, BOWLINE_E_STOPPED if this node stops,
    /// BOWLINE_E_PEER_GONE with flags = code of the close reason. Exactly one for each bowline_request_start that returned BOWLINE_OK.
    BOWLINE_EV_RESPONSE = 3,
    /// What became of a message: peer, tag, result: BOWLINE_OK if it was handed to the kernel, BOWLINE_E_EXPIRED, BOWLINE_E_CANCELED,
    /// BOWLINE_E_DROPPED if it gave way to a newer one, BOWLINE_E_PEER_GONE with flags = code of the close reason.
    BOWLINE_EV_SEND_RESULT = 4,
    /// A link opened: peer, detail = BOWLINE_DIRECTION_*, tag of bowline_connect if that is what opened it, data = the 32 bytes of the peer's
    /// id. It comes before every
    /// message of the peer. A link that has closed before anybody polled this event is told of whole all the same, unless too many such
    /// links wait (see bowline_queue): then the oldest leaves no event at all.
    BOWLINE_EV_PEER_CONNECTED = 5,
    /// A link closed: peer, result, flags = code of the close reason (bowline_reason_text has it for people), detail = code that the peer
    /// gave or 0, data = the 32 bytes of the peer's id, tag = messages that were queued to it and never sent, request = their bytes.
    /// It comes after every message of the peer, and in any case if PEER_CONNECTED was polled.
    BOWLINE_EV_PEER_DISCONNECTED = 6,
    /// A dial of bowline_connect ended without a link: tag, result, flags = code of the close reason, data = the address as text.
    BOWLINE_EV_DIAL_FAILED = 7,
    /// A link was refused by this node: result, flags = code of the close reason, data = "<peer id>@<address>", the id as 64 hex digits; the
    /// address alone if it was not known yet who came.
    BOWLINE_EV_PEER_REFUSED = 8,
    /// A peer was put on the greylist: result, flags = code of the close reason, data as for BOWLINE_EV_PEER_REFUSED; the id alone for a
    /// peer without a link.
    BOWLINE_EV_PEER_GREYLISTED = 9,
    /// A peer was banned for its score: result, flags = code of the close reason, detail = its score, of type int32_t, data = the peer id in
    /// hex, a blank, and the last cause.
    BOWLINE_EV_PEER_BANNED = 10,
    /// The node's state changed: detail = bowline_state.
    BOWLINE_EV_NODE_STATE = 11,
    /// The node failed: result, data = why. Stop and free it. Its links have ended, though not each PEER_DISCONNECTED may be told.
    BOWLINE_EV_FATAL = 12,
    /// Somebody called bowline_queue_wakeup: tag.
    BOWLINE_EV_WAKEUP = 14,
    /// A round of maintenance has ended after bowline_maintain_wait gave it up: tag = the round's number, detail = links that there are,
    /// flags = 1 if they could not be brought into bounds, else 0.
    BOWLINE_EV_ROUND_ENDED = 15,
    /// A peer's score is low: result, flags, detail, data as for BOWLINE_EV_PEER_BANNED.
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
    /// An address has come into the book: data = the address as text, as bowline_addrbook_add takes it. Told only in a queue to which bowline_queue_bind_events
    /// binds it: there may be thousands at once.
    BOWLINE_EV_ADDR_ADDED = 13,
    /// Some rows of the store could not be read, and are missing; all others were: tag = how many, data = one of them and what is wrong
    /// with it, as text.
    BOWLINE_EV_STORE_ROWS_UNREAD = 24,
}

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
    /// When it happened, by the clock of bowline_clock_ns, or by bowline_memnet_now; 0 where that is not known.
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

    #[inline]
    fn with_bytes(self, bytes: Bytes) -> bowline_event {
        bowline_event { data: bytes.as_ptr(), len: bytes.len(), msg: bowline_msg::sealed(bytes), ..self }
    }

    fn with_id(self, peer: PeerId) -> bowline_event {
        self.with_bytes(Bytes::copy_from_slice(peer.as_bytes()))
    }

    /// A text with the NUL that C code likes to find.
    fn with_text(self, text: &str) -> bowline_event {
        let mut bytes = text.replace('\0', "\u{fffd}").into_bytes();
        let len = bytes.len();
        bytes.push(0);
        bowline_event { len, ..self.with_bytes(Bytes::from(bytes)) }
    }

    /// A response without the names of its request.
    pub fn of_outcome(outcome: Outcome) -> bowline_event {
        use bowline_result as R;
        let event = Self::new(bowline_event_kind::BOWLINE_EV_RESPONSE);
        let with = |result: bowline_result| bowline_event { result: result as i32, ..event };
        match outcome {
            Outcome::Answer(answer) => event.with_bytes(answer),
            Outcome::Refused(refusal) => {
                bowline_event { detail: refusal.code, ..with(R::BOWLINE_E_REMOTE) }.with_text(&refusal.text)
            }
            Outcome::TimedOut => with(R::BOWLINE_E_TIMEOUT),
            Outcome::Cancelled => with(R::BOWLINE_E_CANCELED),
            Outcome::Closed(CloseReason::Stopped) => with(R::BOWLINE_E_STOPPED),
            Outcome::Closed(reason) => bowline_event { flags: reason.code(), ..with(R::BOWLINE_E_PEER_GONE) },
        }
    }

    /// The event as C reads it. `origin_ns` is the moment at which the node's own time began, by the clock of bowline_clock_ns.
    pub fn of(event: Event, node: &Node, origin_ns: u64) -> bowline_event {
        use bowline_event_kind as K;
        match event {
            Event::Message(message) => of_message(message, origin_ns),
            Event::Up(up) => of_up(&up),
            Event::Down(down) => of_down(&down),
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

/// The notices of a mask of kinds; `None` if a bit is none of theirs.
pub fn notices_of(mask: u64) -> Option<Vec<NoticeKind>> {
    use bowline_event_kind as K;
    const KINDS: [(K, NoticeKind); 15] = [
        (K::BOWLINE_EV_DIAL_FAILED, NoticeKind::DialFailed),
        (K::BOWLINE_EV_PEER_REFUSED, NoticeKind::Refused),
        (K::BOWLINE_EV_PEER_GREYLISTED, NoticeKind::Greylisted),
        (K::BOWLINE_EV_PEER_BANNED, NoticeKind::Banned),
        (K::BOWLINE_EV_ADDR_ADDED, NoticeKind::AddressAdded),
        (K::BOWLINE_EV_ROUND_ENDED, NoticeKind::RoundEnded),
        (K::BOWLINE_EV_PEER_WARNED, NoticeKind::Warned),
        (K::BOWLINE_EV_CHANNEL_STALLED, NoticeKind::Stalled),
        (K::BOWLINE_EV_CHANNEL_RESUMED, NoticeKind::StallOver),
        (K::BOWLINE_EV_ROLE_SHORT, NoticeKind::RoleShort),
        (K::BOWLINE_EV_SURPLUS, NoticeKind::Surplus),
        (K::BOWLINE_EV_FEW_GROUPS, NoticeKind::FewGroups),
        (K::BOWLINE_EV_STORE_FAILED, NoticeKind::StoreFailed),
        (K::BOWLINE_EV_STORE_SET_ASIDE, NoticeKind::StoreSetAside),
        (K::BOWLINE_EV_STORE_ROWS_UNREAD, NoticeKind::RowsUnread),
    ];
    let known = KINDS.iter().fold(0, |bits, (kind, _)| bits | 1 << *kind as u32);
    let wanted = KINDS.iter().filter(|(kind, _)| mask & 1 << *kind as u32 != 0);
    (mask & !known == 0).then(|| wanted.map(|(_, notice)| *notice).collect())
}

/// A moment of a node by the clock of bowline_clock_ns; 1 if it was before that clock began, as one that was saved long ago.
pub fn moment(at: Time, origin_ns: u64) -> u64 {
    let ns = origin_ns.wrapping_add(at.as_nanos());
    // The machine has not run for 292 years: what looks like that is negative.
    if ns.cast_signed() <= 0 { 1 } else { ns }
}

// What follows names every part of what it makes an event of, so that none is forgotten. Who a link's peer is, its PEER_CONNECTED has told.

fn of_up(up: &Up) -> bowline_event {
    // bowline_peer_get and its neighbours tell the others.
    let Up { link, peer, direction, remote: _, hello: _, version: _, tag } = up;
    let event = bowline_event::new(bowline_event_kind::BOWLINE_EV_PEER_CONNECTED).with_id(*peer);
    bowline_event { peer: link.as_u64(), detail: of_direction(*direction), tag: tag.unwrap_or(0), ..event }
}

fn of_down(down: &Down) -> bowline_event {
    let Down { link, peer, reason, told, unsent_messages, unsent_bytes } = down;
    let detail = told.map_or(0, |reason| u32::from(reason.code()));
    let event = bowline_event::new(bowline_event_kind::BOWLINE_EV_PEER_DISCONNECTED).because(*reason).with_id(*peer);
    bowline_event { peer: link.as_u64(), detail, tag: *unsent_messages, request: *unsent_bytes, ..event }
}

#[inline]
pub fn of_message(message: Message, origin_ns: u64) -> bowline_event {
    use bowline_event_kind as K;
    let Message { link, peer: _, channel, kind, request, at, body } = message;
    let kind = if kind == Kind::Request { K::BOWLINE_EV_REQUEST } else { K::BOWLINE_EV_MESSAGE };
    bowline_event {
        peer: link.as_u64(),
        request: request.into(),
        time_ns: moment(at, origin_ns),
        channel: channel.0,
        ..bowline_event::new(kind).with_bytes(body)
    }
}

fn of_sent(sent: &Sent) -> bowline_event {
    use bowline_result as R;
    let Sent { link, peer: _, tag, fate } = sent;
    let event = bowline_event::new(bowline_event_kind::BOWLINE_EV_SEND_RESULT);
    let with = |result: bowline_result| bowline_event { result: result as i32, ..event };
    let event = match *fate {
        Fate::Accepted => event,
        Fate::Expired => with(R::BOWLINE_E_EXPIRED),
        Fate::Cancelled => with(R::BOWLINE_E_CANCELED),
        Fate::Displaced => with(R::BOWLINE_E_DROPPED),
        Fate::Closed(reason) => bowline_event { flags: reason.code(), ..with(R::BOWLINE_E_PEER_GONE) },
    };
    bowline_event { peer: link.as_u64(), tag: *tag, ..event }
}

fn of_response(response: Response) -> bowline_event {
    let Response { link, peer: _, channel, request, tag, outcome } = response;
    let event = bowline_event::of_outcome(outcome);
    bowline_event { peer: link.as_u64(), channel: channel.0, request: request.into(), tag, ..event }
}

fn of_notice(notice: Notice) -> bowline_event {
    use bowline_event_kind as K;
    match notice {
        Notice::DialFailed { tag, to, reason } => {
            let event = bowline_event::new(K::BOWLINE_EV_DIAL_FAILED).because(reason).with_text(&to.to_string());
            bowline_event { tag, ..event }
        }
        Notice::Refused { remote, peer, reason } => {
            bowline_event::new(K::BOWLINE_EV_PEER_REFUSED).because(reason).with_text(&who(peer, Some(remote)))
        }
        Notice::Greylisted { remote, peer, reason } => {
            bowline_event::new(K::BOWLINE_EV_PEER_GREYLISTED).because(reason).with_text(&who(peer, remote))
        }
        Notice::Warned { peer, score, why } => of_score(K::BOWLINE_EV_PEER_WARNED, peer, score, &why),
        Notice::Banned { peer, score, why } => of_score(K::BOWLINE_EV_PEER_BANNED, peer, score, &why),
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
        Notice::Stalled { link, peer: _, channel, direction, age, messages, bytes } => bowline_event {
            tag: u64::try_from(age.as_nanos()).unwrap_or(u64::MAX),
            ..of_stall(K::BOWLINE_EV_CHANNEL_STALLED, link, channel, direction)
                .with_text(&format!("{messages} messages, {bytes} bytes"))
        },
        Notice::StallOver { link, peer: _, channel, direction, lasted } => bowline_event {
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
        Notice::AddressAdded { address } => bowline_event::new(K::BOWLINE_EV_ADDR_ADDED).with_text(&address.to_string()),
        Notice::RoundEnded { ticket, links, is_stuck } => {
            let detail = u32::try_from(links).unwrap_or(u32::MAX);
            bowline_event { tag: ticket, detail, flags: is_stuck.into(), ..bowline_event::new(K::BOWLINE_EV_ROUND_ENDED) }
        }
    }
}

fn of_stall(kind: bowline_event_kind, link: LinkId, channel: ChannelId, direction: Direction) -> bowline_event {
    bowline_event { peer: link.as_u64(), channel: channel.0, detail: of_direction(direction), ..bowline_event::new(kind) }
}

fn of_score(kind: bowline_event_kind, peer: PeerId, score: i32, why: &str) -> bowline_event {
    let event = bowline_event::new(kind).because(CloseReason::ScoreTooLow).with_text(&format!("{peer} {why}"));
    bowline_event { detail: score.cast_unsigned(), ..event }
}

const fn of_direction(direction: Direction) -> u32 {
    match direction {
        Direction::Inbound => BOWLINE_DIRECTION_INBOUND,
        Direction::Outbound => BOWLINE_DIRECTION_OUTBOUND,
    }
}

/// Somebody, as far as is known: an identity, an address, or both as an address of bowline has them.
fn who(peer: Option<PeerId>, at: Option<SocketAddr>) -> String {
    match (peer, at) {
        (Some(peer), Some(at)) => format!("{peer}@{at}"),
        (Some(peer), None) => peer.to_string(),
        (None, at) => at.map_or_else(String::new, |at| at.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_the_machines_clock_began_is_its_first() {
        let origin_ns = 50u64.wrapping_sub(1_000);
        assert_eq!([1_100, 950, 951, 3, 0].map(|at| moment(Time::from_nanos(at), origin_ns)), [150, 1, 1, 1, 1]);
    }

    use std::time::Duration;

    fn text(notice: Notice) -> (bowline_event, String) {
        let event = of_notice(notice);
        // SAFETY: an event has `len` bytes at `data`, and nobody else has the message of one that was made here.
        let text = unsafe { String::from_utf8_lossy(std::slice::from_raw_parts(event.data, event.len)).into_owned() };
        unsafe { crate::ffi::g_messages::bowline_msg_free(event.msg) };
        (event, text)
    }

    #[test]
    fn who_was_refused_or_greylisted_is_named_as_far_as_known() {
        let (peer, at, reason) = (PeerId::from_bytes([0xab; 32]), SocketAddr::from(([192, 0, 2, 1], 9)), CloseReason::Banned);
        let id = "ab".repeat(32);
        let refused = |peer: Option<PeerId>| text(Notice::Refused { remote: at, peer, reason }).1;
        assert_eq!((refused(Some(peer)), refused(None)), (format!("{id}@192.0.2.1:9"), "192.0.2.1:9".to_owned()));
        let greylisted = |peer, remote| text(Notice::Greylisted { peer, remote, reason }).1;
        assert_eq!((greylisted(Some(peer), None), greylisted(None, None)), (id.clone(), String::new()));
        assert_eq!(greylisted(Some(peer), Some(at)), format!("{id}@192.0.2.1:9"));
    }

    #[test]
    fn scores_and_rounds_that_are_stuck_are_told() {
        let peer = PeerId::from_bytes([1; 32]);
        for (kind, notice) in [
            (16, Notice::Warned { peer, score: -250, why: "late".to_owned() }),
            (10, Notice::Banned { peer, score: -250, why: "late".to_owned() }),
        ] {
            let (event, text) = text(notice);
            assert_eq!((event.kind, event.detail.cast_signed()), (kind, -250));
            assert_eq!(text, format!("{peer} late"));
        }
        let round = |is_stuck| of_notice(Notice::RoundEnded { ticket: 3, links: 2, is_stuck });
        assert_eq!((round(true).flags, round(false).flags, round(true).detail, round(true).tag), (1, 0, 2, 3));
    }

    #[test]
    fn the_end_of_a_link_says_whose_it_was() {
        let (link, peer, reason) = (LinkId::from_u64(7), PeerId::from_bytes([5; 32]), CloseReason::Requested);
        let event = of_down(&Down { link, peer, reason, told: None, unsent_messages: 1, unsent_bytes: 2 });
        // SAFETY: as above.
        let id = unsafe { std::slice::from_raw_parts(event.data, event.len) }.to_vec();
        unsafe { crate::ffi::g_messages::bowline_msg_free(event.msg) };
        assert_eq!((&id[..], event.tag, event.request, event.flags), (&[5; 32][..], 1, 2, reason.code()));
    }

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
