//! Batches of messages: what travels between an application thread and the reactor in one hand-over, because a channel send and an
//! allocation per message would cost more than the encryption (performance reference 3b). Pure containers; `bus` and `session` use them.

use crate::base::channel::{ChannelId, Kind};
use crate::base::sizes;
use crate::base::time::Time;
use bytes::Bytes;
use std::collections::VecDeque;

/// A buffer above this size is given back when it is empty: twice the default send queue.
const KEPT_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Bytes of messages that have gone may stay in a buffer up to this, or up to what it still has to send: below, moving the rest
/// together costs more than it frees. So may so many of the messages themselves, or as many as still wait.
const GONE_BYTES_MAX: usize = 4 * 1_024;
const GONE_MAX: usize = 64;

/// One message inside a `Batch`: it ends at `end` and begins where the one before it ends.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub end: u32,
    pub kind: Kind,
    pub request: u32,
}

/// Received messages of one channel of one link, back to back.
#[derive(Debug, Default)]
pub struct Batch {
    pub channel: Option<ChannelId>,
    pub bytes: Vec<u8>,
    pub entries: Vec<Entry>,
    /// Segment bytes to grant back to the sender when the batch has been taken.
    pub cost: u32,
    /// Entries that are requests.
    pub requests: u32,
}

/// A message that waits to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub len: u32,
    pub request: u32,
    pub kind: Kind,
    pub by_reference: bool,
    has_note: bool,
    /// Taken out; its bytes are still in the buffer.
    is_gone: bool,
}

/// Who wants to hear of a message's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The sender's own number.
    pub tag: u64,
    /// The event queue that is told: its place in `bus::routes`.
    pub queue: u16,
}

/// What a message carries beside its bytes; most carry nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// From then on it must not be sent; `Time::MAX`: it never expires.
    pub expires: Time,
    pub ticket: Option<Ticket>,
    /// The number of a request; 0 for what is none.
    pub request: u32,
}

impl Note {
    /// The note of a message; `None` for one that never expires and of which nobody wants to hear.
    pub fn of_message(expires: Option<Time>, ticket: Option<Ticket>) -> Option<Note> {
        let has_note = expires.is_some() || ticket.is_some();
        has_note.then(|| Note { expires: expires.unwrap_or(Time::MAX), ticket, request: 0 })
    }
}

/// What is left of a message that was removed. A shared body belongs to somebody's code: drop it where no lock is held.
#[derive(Debug, Default)]
#[must_use = "its note says who waits for news of it, its body must not be dropped under a lock"]
pub struct Removed {
    pub note: Option<Note>,
    pub len: u32,
    pub body: Option<Bytes>,
    /// Where it waited; whoever removes it from several queues says so.
    pub lane: usize,
}

const _: () = assert!(size_of::<Entry>() <= sizes::ENTRY && size_of::<Waiting>() <= sizes::WAITING);
const _: () = assert!(size_of::<Note>() <= sizes::NOTE);

/// Messages of one channel of one link that wait to be sent: small ones back to back in one buffer, large ones by reference.
/// The caller appends under the link's lock, the reactor swaps the whole batch out.
#[derive(Debug)]
pub struct Pending {
    bytes: Vec<u8>,
    large: VecDeque<Bytes>,
    /// Those before `next` have left; the one at `next` is not gone.
    entries: Vec<Waiting>,
    /// One for each entry from `next` on that has one.
    notes: VecDeque<Note>,
    /// No note expires before.
    soonest: Time,
    total: usize,
    next: usize,
    /// Where the next small message begins in `bytes`.
    at: usize,
    /// Entries behind `next` that are gone, and their bytes in the buffer.
    gone: usize,
    gone_bytes: usize,
    /// The message at the front waits at least since then, if anybody has looked.
    since: Option<Time>,
    /// And all that wait, once they were handed on.
    handed_on: Option<Time>,
}

impl Default for Pending {
    fn default() -> Pending {
        Pending {
            bytes: Vec::new(),
            large: VecDeque::new(),
            entries: Vec::new(),
            notes: VecDeque::new(),
            soonest: Time::MAX,
            total: 0,
            next: 0,
            at: 0,
            gone: 0,
            gone_bytes: 0,
            since: None,
            handed_on: None,
        }
    }
}

impl Pending {
    /// Appends a message by copy.
    #[inline]
    pub fn push(&mut self, kind: Kind, request: u32, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.append(kind, request, message.len(), false);
    }

    /// Appends a message by reference.
    pub fn push_bytes(&mut self, kind: Kind, request: u32, message: Bytes) {
        let len = message.len();
        self.large.push_back(message);
        self.append(kind, request, len, true);
    }

    #[inline]
    fn append(&mut self, kind: Kind, request: u32, len: usize, by_reference: bool) {
        self.total += len;
        self.entries.push(Waiting { len: len as u32, request, kind, by_reference, has_note: false, is_gone: false });
    }

    /// Gives the message that was appended last its note; once.
    pub fn annotate(&mut self, note: Note) {
        let Some(last) = self.entries.last_mut().filter(|last| !last.has_note) else { return };
        last.has_note = true;
        self.soonest = self.soonest.min(note.expires);
        self.notes.push_back(note);
    }

    /// Messages not yet taken.
    pub fn len(&self) -> usize {
        self.entries.len() - self.next - self.gone
    }

    pub fn is_empty(&self) -> bool {
        self.next == self.entries.len()
    }

    /// Bytes of the messages not yet taken (the one being sent counts whole).
    pub fn bytes(&self) -> usize {
        self.total
    }

    /// No message expires before; `Time::MAX` if none ever does. One that `take_out` has left in front does not expire any more.
    pub fn soonest(&self) -> Time {
        self.soonest
    }

    /// Notes since when the message at the front waits. Senders read no clock for it: who takes messages out looks at them.
    pub fn look(&mut self, now: Time) {
        if !self.is_empty() {
            self.since.get_or_insert(now);
        }
    }

    /// As `look`; nothing is added any more, so that all of them wait at least since now.
    pub fn hand_on(&mut self, now: Time) {
        self.look(now);
        self.handed_on = Some(now);
    }

    /// The message at the front waits at least since then, as far as anybody has looked.
    pub fn since(&self) -> Option<Time> {
        self.since
    }

    /// The message at the front: its head, and its bytes.
    pub fn front(&self) -> Option<(Waiting, &[u8])> {
        let head = *self.entries.get(self.next)?;
        let body = if head.by_reference {
            self.large.front().map(|bytes| &bytes[..]).unwrap_or_default()
        } else {
            &self.bytes[self.at..self.at + head.len as usize]
        };
        Some((head, body))
    }

    /// Removes the message at the front. An emptied batch keeps its buffers for the next use.
    pub fn pop(&mut self) -> Removed {
        let Some(head) = self.entries.get(self.next).copied() else { return Removed::default() };
        self.total -= head.len as usize;
        let note = if head.has_note { self.notes.pop_front() } else { None };
        let body = self.pass(head);
        self.pass_gone();
        Removed { note, len: head.len, body, lane: 0 }
    }

    /// Removes the message at the front, which was sent whole. Gives the ticket of who wants to hear of it.
    #[inline]
    pub fn pop_sent(&mut self) -> Option<Ticket> {
        // The common case by itself: it is most of what small messages cost here.
        let head = *self.entries.get(self.next)?;
        if head.has_note || head.by_reference || self.gone > 0 {
            return self.pop().note.and_then(|note| note.ticket);
        }
        self.total -= head.len as usize;
        self.pass(head);
        None
    }

    /// Takes out the messages with a note that `pick` picks, wherever they stand. With `keep_front` the first one stays: some of it
    /// was sent. Takes time in proportion to all that wait.
    pub fn take_out(&mut self, keep_front: bool, mut pick: impl FnMut(&Note) -> bool) -> Vec<Removed> {
        let mut removed = Vec::new();
        let mut notes = std::mem::take(&mut self.notes).into_iter();
        let mut large = 0;
        self.soonest = Time::MAX;
        for at in self.next..self.entries.len() {
            let entry = self.entries[at];
            if let Some(note) = entry.has_note.then(|| notes.next()).flatten() {
                let is_kept = keep_front && at == self.next;
                if pick(&note) && !is_kept {
                    removed.push(self.mark_gone(at, Some(note), large));
                } else {
                    // Whoever asks when to come back would come at once, again and again, for one that is to stay.
                    self.soonest = if is_kept { self.soonest } else { self.soonest.min(note.expires) };
                    self.notes.push_back(note);
                }
            }
            large += usize::from(entry.by_reference);
        }
        self.pass_gone();
        self.close_gaps();
        removed
    }

    /// Takes out the first message that `pick` picks, wherever it stands; none of it was sent.
    pub fn take_first(&mut self, pick: impl Fn(&Waiting) -> bool) -> Option<Removed> {
        let is_picked = |waiting: &Waiting| !waiting.is_gone && pick(waiting);
        let at = self.next + self.entries[self.next..].iter().position(is_picked)?;
        let removed = if at == self.next { self.pop() } else { self.take_at(at) };
        self.close_gaps();
        Some(removed)
    }

    /// Takes out one that is not the first.
    fn take_at(&mut self, at: usize) -> Removed {
        let before = &self.entries[self.next..at];
        let note = before.iter().filter(|waiting| waiting.has_note).count();
        let large = before.iter().filter(|waiting| waiting.by_reference).count();
        let note = if self.entries[at].has_note { self.notes.remove(note) } else { None };
        self.mark_gone(at, note, large)
    }

    /// Takes out the message at a place; its note is out already, and so many before it wait by reference. Its place stays, as a gap.
    fn mark_gone(&mut self, at: usize, note: Option<Note>, large: usize) -> Removed {
        let entry = &mut self.entries[at];
        (entry.has_note, entry.is_gone) = (false, true);
        self.gone += 1;
        self.total -= entry.len as usize;
        self.gone_bytes += if entry.by_reference { 0 } else { entry.len as usize };
        let body = entry.by_reference.then(|| std::mem::take(&mut self.large[large]));
        Removed { note, len: entry.len, body, lane: 0 }
    }

    /// Bytes of the buffer that wait; what waits by reference has none there.
    fn kept(&self) -> usize {
        self.bytes.len() - self.at - self.gone_bytes
    }

    /// Closes the gaps when they take more room than what waits.
    fn close_gaps(&mut self) {
        let is_sparse = self.next + self.gone > GONE_MAX.max(self.len());
        if is_sparse || self.at + self.gone_bytes > GONE_BYTES_MAX.max(self.kept()) {
            self.compact();
        }
    }

    /// Steps over the entry at the front.
    #[inline]
    fn pass(&mut self, head: Waiting) -> Option<Bytes> {
        let body = if head.by_reference { self.large.pop_front() } else { None };
        self.at += if head.by_reference { 0 } else { head.len as usize };
        self.next += 1;
        self.since = self.handed_on;
        if self.next == self.entries.len() {
            self.clear();
        }
        body
    }

    /// Steps over the entries at the front that are gone.
    fn pass_gone(&mut self) {
        while let Some(head) = self.entries.get(self.next).copied().filter(|head| head.is_gone) {
            self.gone -= 1;
            self.gone_bytes -= if head.by_reference { 0 } else { head.len as usize };
            self.pass(head);
        }
    }

    fn compact(&mut self) {
        let (mut bytes, mut entries) = (Vec::with_capacity(self.kept()), Vec::with_capacity(self.len()));
        let mut large = std::mem::take(&mut self.large).into_iter();
        let mut at = self.at;
        for entry in &self.entries[self.next..] {
            let end = at + if entry.by_reference { 0 } else { entry.len as usize };
            let body = if entry.by_reference { large.next() } else { None };
            if !entry.is_gone {
                bytes.extend_from_slice(&self.bytes[at..end]);
                self.large.extend(body);
                entries.push(*entry);
            }
            at = end;
        }
        (self.bytes, self.entries) = (bytes, entries);
        (self.next, self.at, self.gone, self.gone_bytes) = (0, 0, 0, 0);
    }

    /// Drops everything, keeping buffers of ordinary size.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.large.clear();
        self.entries.clear();
        self.notes.clear();
        self.total = 0;
        (self.next, self.at, self.gone, self.gone_bytes, self.soonest) = (0, 0, 0, 0, Time::MAX);
        (self.since, self.handed_on) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_leave_in_the_order_they_came() {
        let mut pending = Pending::default();
        pending.push(Kind::Message, 0, b"one");
        pending.push_bytes(Kind::Request, 7, Bytes::from_static(b"two"));
        pending.push(Kind::Message, 0, b"");
        assert_eq!((pending.len(), pending.bytes()), (3, 6));
        let mut seen = Vec::new();
        while let Some((head, body)) = pending.front() {
            seen.push((head.kind, head.request, body.to_vec()));
            let _ = pending.pop();
        }
        assert_eq!(seen, [(Kind::Message, 0, b"one".to_vec()), (Kind::Request, 7, b"two".to_vec()), (Kind::Message, 0, vec![])]);
        assert!(pending.is_empty() && pending.bytes() == 0);
    }

    /// Large ones wait elsewhere: their bytes are no reason to keep those of small ones that have gone, or to make room.
    #[test]
    fn what_waits_by_reference_takes_no_room_in_the_buffer() {
        let mut pending = Pending::default();
        pending.push_bytes(Kind::Request, 1, Bytes::from(vec![0; 1 << 20]));
        for number in 0..20_000_u32 {
            pending.push(Kind::Message, number, &[0; 100]);
            let _ = pending.take_first(|waiting| waiting.kind == Kind::Message);
            assert!(pending.bytes.capacity() < 32 * 1_024, "{} after {number}", pending.bytes.capacity());
        }
        assert_eq!((pending.len(), pending.bytes()), (1, 1 << 20));
    }

    /// The oldest give way while nothing is sent, for days: the queue holds what waits, and not what has gone.
    #[test]
    fn what_has_gone_takes_no_room_however_long_the_rest_waits() {
        let mut pending = Pending::default();
        for number in 0..100_000_u32 {
            pending.push(Kind::Message, number, &[0; 100]);
            if pending.len() > 10 {
                let _ = pending.take_first(|waiting| waiting.kind == Kind::Message);
            }
        }
        assert!(pending.bytes.capacity() < 32 * 1_024 && pending.entries.capacity() < 1_024);
        // Behind one that never goes, by reference and without a byte.
        let mut pending = Pending::default();
        pending.push(Kind::Request, 1, b"stuck");
        for number in 0..100_000_u64 {
            let expires = Time::from_nanos(number);
            pending.push_bytes(Kind::Message, 0, Bytes::new());
            pending.annotate(Note { expires, ticket: None, request: 0 });
            assert_eq!(pending.take_out(false, |note| note.expires == expires).len(), 1);
        }
        assert!(pending.large.capacity() < 1_024 && pending.entries.capacity() < 1_024);
        assert_eq!(pending.front().map(|(_, body)| body), Some(&b"stuck"[..]));
    }

    #[test]
    fn the_age_of_the_front_is_never_said_too_high() {
        let at = Time::from_nanos;
        let mut pending = Pending::default();
        pending.look(at(1));
        assert_eq!(pending.since(), None, "nothing waits");
        (0..3).for_each(|_| pending.push(Kind::Message, 0, b"x"));
        pending.look(at(5));
        pending.look(at(6));
        assert_eq!(pending.since(), Some(at(5)));
        let _ = pending.pop();
        assert_eq!(pending.since(), None, "the next may have come later");
        pending.look(at(7));
        pending.hand_on(at(9));
        assert_eq!(pending.since(), Some(at(7)));
        let _ = pending.pop();
        assert_eq!(pending.since(), Some(at(9)), "it was there when they were handed on");
        let _ = pending.pop();
        pending.push(Kind::Message, 0, b"y");
        assert_eq!(pending.since(), None);
    }

    /// A queue that says by itself what it should hold: number, bytes, expiry.
    type Model = VecDeque<(u64, Vec<u8>, Option<Time>)>;

    /// The next message of `len` bytes in both; its bytes name its number.
    fn push(pending: &mut Pending, model: &mut Model, number: u64, len: usize, life: Option<u64>) {
        let body: Vec<u8> = number.to_le_bytes().iter().copied().cycle().take(len).collect();
        let expires = life.map(Time::from_nanos);
        let note = expires.map(|expires| Note { expires, ticket: Some(Ticket { tag: number, queue: 0 }), request: 0 });
        if len.is_multiple_of(3) {
            pending.push_bytes(Kind::Message, number as u32, Bytes::from(body.clone()));
        } else {
            pending.push(Kind::Message, number as u32, &body);
        }
        note.into_iter().for_each(|note| pending.annotate(note));
        model.push_back((number, body, expires));
    }

    proptest! {
        #[test]
        fn whatever_expires_the_rest_leaves_whole_and_in_order(
            steps in prop::collection::vec((0_u8..5, 0_usize..3_000, 1_u64..100, prop::bool::ANY), 1..300)
        ) {
            let (mut pending, mut model) = (Pending::default(), Model::new());
            for (number, (step, len, time, flag)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => push(&mut pending, &mut model, number as u64, len, flag.then_some(time)),
                    2 => {
                        let head = pending.front().map(|(head, body)| (u64::from(head.request), body.to_vec()));
                        prop_assert_eq!(&head, &model.front().map(|(number, body, _)| (*number, body.clone())));
                        let removed = pending.pop();
                        let expected = model.pop_front();
                        let tag = removed.note.and_then(|note| note.ticket).map(|ticket| ticket.tag);
                        prop_assert_eq!(tag, expected.and_then(|(number, _, expires)| expires.map(|_| number)));
                    }
                    3 => {
                        // The request's number is the message's.
                        let is_odd = |number: u64| number % 2 == 1;
                        let removed = pending.take_first(|waiting| is_odd(u64::from(waiting.request)));
                        let at = model.iter().position(|(number, ..)| is_odd(*number));
                        let expected = at.and_then(|at| model.remove(at));
                        prop_assert_eq!(removed.is_some(), expected.is_some());
                        if let (Some(removed), Some((number, body, expires))) = (removed, expected) {
                            let tag = removed.note.and_then(|note| note.ticket).map(|ticket| ticket.tag);
                            prop_assert_eq!((removed.len as usize, tag), (body.len(), expires.map(|_| number)));
                        }
                    }
                    _ => {
                        let now = Time::from_nanos(time);
                        let removed = pending.take_out(flag, |note| note.expires <= now);
                        let first = model.front().map(|(number, ..)| *number).filter(|_| flag);
                        let is_over = |number: u64, expires: Option<Time>| expires.is_some_and(|at| at <= now) && Some(number) != first;
                        let expected: Vec<u64> =
                            model.iter().filter(|(number, _, expires)| is_over(*number, *expires)).map(|(number, ..)| *number).collect();
                        let tags: Vec<u64> =
                            removed.iter().filter_map(|gone| gone.note?.ticket).map(|ticket| ticket.tag).collect();
                        prop_assert_eq!(tags, expected);
                        model.retain(|(number, _, expires)| !is_over(*number, *expires));
                        let soonest = model.iter().skip(usize::from(flag)).filter_map(|(.., expires)| *expires).min();
                        let soonest = soonest.unwrap_or(Time::MAX);
                        prop_assert_eq!(pending.soonest(), soonest);
                        prop_assert!(pending.gone_bytes <= GONE_BYTES_MAX.max(pending.total), "gaps are closed");
                    }
                }
                prop_assert!(pending.next + pending.gone <= GONE_MAX.max(pending.len()) || step != 3, "gaps are closed");
                prop_assert_eq!((pending.len(), pending.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!(pending.bytes(), model.iter().map(|(_, body, _)| body.len()).sum::<usize>());
            }
        }
    }
}
