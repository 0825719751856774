//! One open link's mailbox towards the network: what callers want sent, and credit that receivers give back. The only mutable thing
//! that a caller and the reactor share. It never touches a socket; callers push, the reactor collects.

use super::backlog::{Backlog, Drops};
use super::counters::LinkCounters;
use super::requests::Requests;
use super::sync::{Change, Guard, Lock};
use crate::base::channel::{Channel, ChannelId, Kind, Overflow};
use crate::base::limits::{BY_REFERENCE_MIN, LAST_WORD_BYTES, REQUESTS_MAX};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::flow::batch::{Note, Pending, Removed};
use crate::wire::hello::Hello;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A batch is queued in pieces of so many bytes and so many messages, so that the reactor waits for the mailbox for some 10 microseconds
/// only, and no more than that gives way before anybody is told.
const BATCH_BYTES: usize = 64 * 1024;
const BATCH_MESSAGES: usize = 256;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// No room in the channel's queue (or none before the deadline).
    Full,
    /// The link is closed or closing.
    Closed(CloseReason),
    /// This node or the peer does not have the channel.
    NoChannel,
    /// Larger than the smaller of both sides' limits, in bytes.
    TooBig { max: u32 },
}

/// A message to be sent: copied from a slice, or taken over.
pub enum Body<'a> {
    Slice(&'a [u8]),
    Bytes(&'a Bytes),
}

impl Body<'_> {
    pub fn bytes(&self) -> usize {
        match self {
            Body::Slice(slice) => slice.len(),
            Body::Bytes(bytes) => bytes.len(),
        }
    }

    /// It, for whoever keeps it.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Body::Slice(slice) => Bytes::copy_from_slice(slice),
            Body::Bytes(bytes) => Bytes::clone(bytes),
        }
    }
}

/// A message with what belongs to it.
pub struct Parcel<'a> {
    pub kind: Kind,
    /// Pairs requests and answers; 0 for plain messages.
    pub request: u32,
    pub body: Body<'a>,
    pub note: Option<Note>,
    /// It needs no room: a cancel, of which there are no more than requests that had room, or bowline's own last word on a request.
    pub is_forced: bool,
}

impl<'a> Parcel<'a> {
    /// A plain message that nobody wants to hear of.
    pub fn message(body: Body<'a>) -> Parcel<'a> {
        Parcel { kind: Kind::Message, request: 0, body, note: None, is_forced: false }
    }
}

/// What a link that closed has left.
#[derive(Debug, Default)]
pub struct Left {
    /// Messages that were never sent, and their bytes.
    pub messages: usize,
    pub bytes: usize,
    /// Those with a note.
    pub noted: Vec<Removed>,
}

/// A channel of this link, as both sides have it.
#[derive(Debug)]
struct Lane {
    channel: ChannelId,
    /// Largest message both sides allow; `None` if the peer has not announced the channel.
    message_bytes_max: Option<u32>,
    /// Requests of ours that the peer lets wait for its answer.
    requests_max: u32,
    queue_bytes: usize,
    queue_messages: usize,
    /// Last words on requests that may wait beyond the bounds above: so many requests of the peer can be without an answer.
    last_words: usize,
    overflow: Overflow,
    drops: Drops,
}

// `settings/memory.rs` counts with it: a lane, its messages' container, the credit to grant.
const _: () = assert!(size_of::<Lane>() + size_of::<Pending>() + size_of::<u32>() <= sizes::LANE / 4);

/// An open link. Shared by the reactor, the roster and the event queues.
#[derive(Debug)]
pub struct Link {
    pub id: LinkId,
    pub peer: PeerId,
    pub direction: Direction,
    pub remote: SocketAddr,
    pub hello: Arc<Hello>,
    pub counters: LinkCounters,
    pub requests: Requests,
    lanes: Box<[Lane]>,
    mail: Lock<Mail>,
    room: Change,
}

#[derive(Debug)]
struct Mail {
    pending: Vec<Pending>,
    /// Segment bytes to grant to the peer, by lane: receivers took them.
    taken: Vec<u32>,
    /// True exactly while the link's id is in the bell's list or in the reactor's hand.
    is_marked: bool,
    /// True from the moment a sooner expiry was rung for until the reactor has asked for it.
    is_alarmed: bool,
    /// Senders that wait for room.
    waiting: usize,
    closed: Option<CloseReason>,
}

impl Lane {
    fn has_room(&self, pending: &Pending, len: usize) -> bool {
        // A message larger than the whole queue is taken when the queue is empty, or it could never be sent.
        pending.is_empty() || pending.bytes() + len <= self.queue_bytes && pending.len() < self.queue_messages
    }

    /// True for what is queued beyond the bounds. A peer that takes its requests back while it grants no credit cannot make more last
    /// words wait than it may have requests without an answer.
    fn is_room_forced(&self, pending: &Pending, kind: Kind, len: usize) -> bool {
        let bytes = self.queue_bytes.max(self.message_bytes_max.unwrap_or(0) as usize) + self.last_words * LAST_WORD_BYTES;
        kind == Kind::Cancel
            || pending.bytes() + len <= bytes && pending.len() < self.queue_messages.saturating_add(self.last_words)
    }

    /// Lets plain messages give way to one of `len` bytes, as the channel's policy says.
    fn make_room(&self, pending: &mut Pending, kind: Kind, len: usize, displaced: &mut Vec<Removed>) {
        let gives_way = |pending: &Pending| match self.overflow {
            Overflow::Refuse => false,
            Overflow::DropOldest => !self.has_room(pending, len),
            Overflow::Conflate => kind == Kind::Message,
        };
        // Also those behind requests and answers, which stay.
        while gives_way(pending)
            && let Some(removed) = pending.take_first(|waiting| waiting.kind == Kind::Message)
        {
            displaced.push(removed);
            self.drops.displaced.add(1);
        }
    }
}

impl Link {
    /// `channels` are this node's own, in lane order; what the peer has is in its Hello.
    pub fn new(
        id: LinkId,
        peer: PeerId,
        direction: Direction,
        remote: SocketAddr,
        hello: Arc<Hello>,
        channels: &[Channel],
    ) -> Link {
        let lane = |channel: &Channel| {
            let offer = hello.channels.iter().find(|offer| offer.id == channel.id);
            Lane {
                channel: channel.id,
                message_bytes_max: offer.map(|offer| offer.message_bytes_max.min(channel.message_bytes_max)),
                requests_max: offer.map_or(0, |offer| offer.requests_max.min(REQUESTS_MAX)),
                queue_bytes: channel.send_queue_bytes as usize,
                queue_messages: channel.send_queue_messages as usize,
                last_words: channel.requests_max as usize,
                overflow: channel.overflow,
                drops: Drops::default(),
            }
        };
        let lanes: Box<[Lane]> = channels.iter().map(lane).collect();
        let mail = Mail {
            pending: lanes.iter().map(|_| Pending::default()).collect(),
            taken: vec![0; lanes.len()],
            is_marked: false,
            is_alarmed: false,
            waiting: 0,
            closed: None,
        };
        Link {
            id,
            peer,
            direction,
            remote,
            hello,
            counters: LinkCounters::default(),
            requests: Requests::default(),
            lanes,
            mail: Lock::new(mail),
            room: Change::default(),
        }
    }

    /// The lane of a channel, if both sides have it.
    pub fn lane(&self, channel: ChannelId) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.channel == channel && lane.message_bytes_max.is_some())
    }

    /// What could not be sent on this lane.
    pub fn drops(&self, lane: usize) -> Option<&Drops> {
        self.lanes.get(lane).map(|lane| &lane.drops)
    }

    /// The largest message that both sides allow; `None` if the peer lacks the channel.
    pub fn message_bytes_max(&self, lane: usize) -> Option<u32> {
        self.lanes.get(lane)?.message_bytes_max
    }

    /// Requests of ours on this lane that the peer lets wait for its answer.
    pub fn requests_max(&self, lane: usize) -> u32 {
        self.lanes.get(lane).map_or(0, |lane| lane.requests_max)
    }

    /// Queues a plain message: `push_parcel` without a note, where nobody asks what gave way to it.
    ///
    /// # Errors
    /// See `PushError`; nothing was queued then.
    pub fn push(
        &self,
        lane: usize,
        kind: Kind,
        request: u32,
        body: Body<'_>,
        deadline: Option<Instant>,
    ) -> Result<bool, PushError> {
        self.push_parcel(lane, &Parcel { kind, request, ..Parcel::message(body) }, deadline, &mut Vec::new())
    }

    /// Queues a message. True if the caller must ring the bell for this link. What gave way to it is added to `displaced`.
    ///
    /// Waits for room until `deadline`: `None` does not wait; the outer code passes a far moment for "for ever".
    ///
    /// # Errors
    /// See `PushError`; nothing was queued then.
    pub fn push_parcel(
        &self,
        lane: usize,
        parcel: &Parcel<'_>,
        deadline: Option<Instant>,
        displaced: &mut Vec<Removed>,
    ) -> Result<bool, PushError> {
        let len = parcel.body.bytes();
        self.refuse_large(lane, len)?;
        let mut mail = self.mail.lock();
        self.admit(&mut mail, lane, parcel, deadline, displaced)?;
        let pending = &mut mail.pending[lane];
        match &parcel.body {
            Body::Bytes(bytes) if len >= BY_REFERENCE_MIN => {
                pending.push_bytes(parcel.kind, parcel.request, Bytes::clone(bytes));
            }
            Body::Bytes(bytes) => pending.push(parcel.kind, parcel.request, bytes),
            Body::Slice(slice) => pending.push(parcel.kind, parcel.request, slice),
        }
        let rings = !std::mem::replace(&mut mail.is_marked, true);
        let Some(note) = parcel.note else { return Ok(rings) };
        let is_sooner = mail.pending.iter().all(|pending| note.expires < pending.soonest());
        mail.pending[lane].annotate(note);
        // The reactor has set its timer to what it knows of.
        let alarms = is_sooner && !std::mem::replace(&mut mail.is_alarmed, true);
        Ok(rings || alarms)
    }

    fn refuse_large(&self, lane: usize, len: usize) -> Result<(), PushError> {
        let max = self.message_bytes_max(lane).ok_or(PushError::NoChannel)?;
        if len > max as usize { Err(PushError::TooBig { max }) } else { Ok(()) }
    }

    /// Waits until there is room for `parcel`, as `push_parcel` says.
    fn admit(
        &self,
        mail: &mut Guard<'_, Mail>,
        lane: usize,
        parcel: &Parcel<'_>,
        deadline: Option<Instant>,
        displaced: &mut Vec<Removed>,
    ) -> Result<(), PushError> {
        let (room, len) = (&self.lanes[lane], parcel.body.bytes());
        loop {
            if let Some(reason) = mail.closed {
                return Err(PushError::Closed(reason));
            }
            let pending = &mut mail.pending[lane];
            if parcel.is_forced && room.is_room_forced(pending, parcel.kind, len) {
                return Ok(());
            }
            room.make_room(pending, parcel.kind, len, displaced);
            if room.has_room(pending, len) {
                return Ok(());
            }
            let Some(deadline) = deadline else { return Err(PushError::Full) };
            mail.waiting += 1;
            let in_time = self.room.wait(mail, Some(deadline));
            mail.waiting -= 1;
            if !in_time {
                return mail.closed.map_or(Err(PushError::Full), |reason| Err(PushError::Closed(reason)));
            }
        }
    }

    /// Queues copies of plain messages in their order under one lock: as many as there is room for and as are copied in a moment. Waits
    /// until `deadline` for room for the first, not for others. Returns how many it has queued, at least one of some, and whether the
    /// caller must ring the bell.
    ///
    /// # Errors
    /// As `push_parcel`, of the first message; nothing was queued then.
    pub fn push_batch(
        &self,
        lane: usize,
        messages: &[impl AsRef<[u8]>],
        deadline: Option<Instant>,
        displaced: &mut Vec<Removed>,
    ) -> Result<(usize, bool), PushError> {
        let (mut queued, mut bytes) = (0, 0);
        let mut mail = self.mail.lock();
        for message in messages.iter().map(AsRef::as_ref) {
            let parcel = Parcel::message(Body::Slice(message));
            let deadline = deadline.filter(|_| queued == 0);
            let admitted = self.refuse_large(lane, message.len());
            match admitted.and_then(|()| self.admit(&mut mail, lane, &parcel, deadline, displaced)) {
                Ok(()) => mail.pending[lane].push(Kind::Message, 0, message),
                Err(error) if queued == 0 => return Err(error),
                Err(_) => break,
            }
            queued += 1;
            bytes += message.len();
            if bytes >= BATCH_BYTES || queued == BATCH_MESSAGES {
                break;
            }
        }
        Ok((queued, queued > 0 && !std::mem::replace(&mut mail.is_marked, true)))
    }

    /// Queues a cancel of a request of ours. Each follows a request that had room once, so they are no more than those. True if the
    /// caller must ring the bell, as `push_parcel`; a link that has closed needs no cancel.
    pub fn withdraw(&self, lane: usize, request: u32) -> bool {
        let parcel = Parcel { kind: Kind::Cancel, request, is_forced: true, ..Parcel::message(Body::Slice(b"")) };
        self.push_parcel(lane, &parcel, None, &mut Vec::new()).unwrap_or(false)
    }

    /// No message in the mailbox expires and no request is late before. The reactor asks whenever the bell rang for the link, and so
    /// sees since when messages wait.
    pub fn look(&self, now: Time) -> Time {
        let mut mail = self.mail.lock();
        mail.is_alarmed = false;
        mail.pending.iter_mut().for_each(|pending| pending.look(now));
        let soonest = mail.pending.iter().map(Pending::soonest).min().unwrap_or(Time::MAX);
        drop(mail);
        soonest.min(self.requests.soonest())
    }

    /// Takes out the messages whose note `pick` picks: expired or cancelled. Drop what it returns without a lock.
    pub fn take_out(&self, mut pick: impl FnMut(&Note) -> bool) -> Vec<Removed> {
        let mut mail = self.mail.lock();
        let mut removed = Vec::new();
        for (lane, pending) in mail.pending.iter_mut().enumerate() {
            removed.extend(pending.take_out(false, &mut pick).into_iter().map(|gone| Removed { lane, ..gone }));
        }
        if mail.waiting > 0 && !removed.is_empty() {
            self.room.notify_all();
        }
        removed
    }

    /// A receiver took messages that cost `bytes` of segments. True if the caller must ring the bell for this link.
    pub fn give_back(&self, channel: ChannelId, bytes: u32) -> bool {
        let Some(lane) = self.lanes.iter().position(|lane| lane.channel == channel) else { return false };
        let mut mail = self.mail.lock();
        mail.taken[lane] = mail.taken[lane].saturating_add(bytes);
        mail.closed.is_none() && !std::mem::replace(&mut mail.is_marked, true)
    }

    /// The reactor takes the mail: `each` sees every lane's waiting messages and returned credit, and may swap or zero them. It must
    /// drop no message: that may run its owner's code, and the lock is held.
    /// Returns true if messages are left, so that the reactor must come again when a lane has drained.
    pub fn collect(&self, mut each: impl FnMut(usize, &mut Pending, &mut u32)) -> bool {
        let mut mail = self.mail.lock();
        let mail = &mut *mail;
        mail.is_marked = false;
        let mut is_left = false;
        for (lane, (pending, taken)) in mail.pending.iter_mut().zip(&mut mail.taken).enumerate() {
            each(lane, pending, taken);
            is_left |= !pending.is_empty();
        }
        if mail.waiting > 0 {
            self.room.notify_all();
        }
        is_left
    }

    /// The link ends: nothing more is taken, waiting senders are released. Returns what was never sent; requests are closed by themselves.
    pub fn close(&self, reason: CloseReason) -> Left {
        let mut mail = self.mail.lock();
        mail.closed.get_or_insert(reason);
        let unsent: Vec<Pending> = mail.pending.iter_mut().map(std::mem::take).collect();
        self.room.notify_all();
        drop(mail);
        // Their owners' code runs when they are dropped, so only here, without the lock.
        let mut left = Left::default();
        for mut pending in unsent {
            left.messages += pending.len();
            left.bytes += pending.bytes();
            left.noted.append(&mut pending.take_out(false, |_| true));
        }
        left
    }

    /// Refuses new messages with `reason`; those that wait may still be sent (an orderly stop).
    pub fn refuse_new(&self, reason: CloseReason) {
        self.mail.lock().closed.get_or_insert(reason);
        self.room.notify_all();
    }

    /// What waits in the mailbox, lane by lane (not what the reactor has in hand).
    pub fn backlogs(&self, now: Time) -> Vec<Backlog> {
        let mut mail = self.mail.lock();
        let backlog = |pending: &mut Pending| {
            pending.look(now);
            Backlog { messages: pending.len() as u64, bytes: pending.bytes() as u64, since: pending.since() }
        };
        mail.pending.iter_mut().map(backlog).collect()
    }

    /// Bytes that wait in the mailbox, over all lanes (not those the reactor has in hand).
    pub fn waiting_bytes(&self) -> usize {
        self.mail.lock().pending.iter().map(Pending::bytes).sum()
    }
}
