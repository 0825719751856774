//! What the models must catch: the production mailboxes in a few lines, with one careless step each. Every one must leave a thread
//! asleep for ever. Without a fault they pass, so that it is the fault that is caught and not the copy.

use super::bus::event::Event;
use super::bus::sync::{AtomicBool, Change, Guard, Lock, Ordering};
use super::queues::two_receivers_and_a_deliverer;
use super::*;

const NONE: u8 = 0;
/// The reactor looks for mail, and then says that it sleeps.
const LOOKS_FIRST: u8 = 1;
/// The bell is rung before the mail is in.
const RINGS_FIRST: u8 = 2;
/// The mark is taken off after the lock is released.
const UNMARKS_LATE: u8 = 3;
/// Whether somebody waits is asked before the mail is taken, not with it.
const LOOKS_EARLY: u8 = 4;
/// Credit waits for the next message.
const GIVES_QUIETLY: u8 = 5;
/// The end wakes one of those who wait.
const ENDS_FOR_ONE: u8 = 6;
/// A receiver leaves the rest to others without waking one.
const KEEPS_THE_WAKE: u8 = 7;
/// Receivers are woken before the event is in.
const TELLS_FIRST: u8 = 8;

struct FaultyBell<const FAULT: u8> {
    asleep: AtomicBool,
    mail: Lock<Vec<LinkId>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl<const FAULT: u8> Doorbell for FaultyBell<FAULT> {
    fn new(wake: Box<dyn Fn() + Send + Sync>) -> Self {
        FaultyBell { asleep: AtomicBool::new(false), mail: Lock::new(Vec::new()), wake }
    }

    fn ring_for(&self, link: LinkId) {
        if FAULT == RINGS_FIRST {
            self.ring();
            self.mail.lock().push(link);
            return;
        }
        self.mail.lock().push(link);
        self.ring();
    }

    fn ring(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            (self.wake)();
        }
    }

    fn doze(&self, is_idle: impl FnOnce() -> bool) -> bool {
        if FAULT != LOOKS_FIRST {
            self.asleep.store(true, Ordering::SeqCst);
        }
        let may_sleep = self.mail.lock().is_empty() && is_idle();
        self.asleep.store(may_sleep, Ordering::SeqCst);
        may_sleep
    }

    fn rise(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn collect(&self, into: &mut Vec<LinkId>) {
        std::mem::swap(&mut *self.mail.lock(), into);
    }
}

/// A mailbox with room for so many messages.
struct FaultyLink<const FAULT: u8> {
    room_for: usize,
    mail: Lock<Mail>,
    room: Change,
}

#[derive(Default)]
struct Mail {
    messages: usize,
    taken: u32,
    is_marked: bool,
    waiting: usize,
    is_closed: bool,
}

impl<const FAULT: u8> FaultyLink<FAULT> {
    fn new(room_for: usize) -> Arc<Self> {
        Arc::new(FaultyLink { room_for, mail: Lock::default(), room: Change::default() })
    }
}

impl<const FAULT: u8> Mailbox for FaultyLink<FAULT> {
    fn id(&self) -> LinkId {
        LinkId::from_u64(1)
    }

    fn push(&self, deadline: Option<Instant>) -> Result<bool, PushError> {
        let mut mail = self.mail.lock();
        while mail.messages == self.room_for && !mail.is_closed {
            mail.waiting += 1;
            self.room.wait(&mut mail, deadline);
            mail.waiting -= 1;
        }
        if mail.is_closed {
            return Err(PushError::Closed(CloseReason::Requested));
        }
        mail.messages += 1;
        Ok(!std::mem::replace(&mut mail.is_marked, true))
    }

    fn give_back(&self, bytes: u32) -> bool {
        let mut mail = self.mail.lock();
        mail.taken += bytes;
        FAULT != GIVES_QUIETLY && !std::mem::replace(&mut mail.is_marked, true)
    }

    fn collect(&self) -> (usize, u32) {
        let seen = self.mail.lock().waiting;
        let mut mail = self.mail.lock();
        if FAULT != UNMARKS_LATE {
            mail.is_marked = false;
        }
        let waiting = if FAULT == LOOKS_EARLY { seen } else { mail.waiting };
        let got = (std::mem::take(&mut mail.messages), std::mem::take(&mut mail.taken));
        drop(mail);
        if waiting > 0 {
            self.room.notify_all();
        }
        if FAULT == UNMARKS_LATE {
            self.mail.lock().is_marked = false;
        }
        got
    }
}

impl<const FAULT: u8> Ending for FaultyLink<FAULT> {
    fn end(&self) {
        self.mail.lock().is_closed = true;
        if FAULT == ENDS_FOR_ONE { self.room.notify_one() } else { self.room.notify_all() }
    }
}

/// A queue of bare messages.
#[derive(Default)]
struct FaultyQueue<const FAULT: u8> {
    inner: Lock<Inner>,
    news: Change,
}

#[derive(Default)]
struct Inner {
    messages: Vec<u8>,
    waiting: usize,
    is_closed: bool,
}

impl<const FAULT: u8> FaultyQueue<FAULT> {
    fn tell(&self, inner: Guard<'_, Inner>) {
        let wake = inner.waiting > 0;
        drop(inner);
        if wake {
            self.news.notify_one();
        }
    }
}

impl<const FAULT: u8> Inbox for FaultyQueue<FAULT> {
    fn deliver(&self, messages: u8) {
        if FAULT == TELLS_FIRST {
            self.tell(self.inner.lock());
        }
        let mut inner = self.inner.lock();
        inner.messages.extend(0..messages);
        if FAULT != TELLS_FIRST {
            self.tell(inner);
        }
    }

    fn take(&self, into: &mut Vec<Event>, deadline: Option<Instant>) -> Result<usize, TakeError> {
        let mut inner = self.inner.lock();
        while inner.messages.is_empty() {
            if inner.is_closed {
                return Err(TakeError::Stopped);
            }
            inner.waiting += 1;
            let in_time = self.news.wait(&mut inner, deadline);
            inner.waiting -= 1;
            if !in_time && inner.messages.is_empty() {
                return Err(TakeError::Timeout);
            }
        }
        into.push(Event::Wakeup(inner.messages.remove(0).into()));
        if FAULT != KEEPS_THE_WAKE && !inner.messages.is_empty() {
            self.tell(inner);
        }
        Ok(1)
    }

    fn end(&self) {
        self.inner.lock().is_closed = true;
        if FAULT == ENDS_FOR_ONE { self.news.notify_one() } else { self.news.notify_all() }
    }
}

#[test]
fn without_a_fault_the_copies_pass() {
    explore(two_senders_and_the_reactor::<FaultyBell<NONE>>);
    explore(|| two_senders_and_one_place(FaultyLink::<NONE>::new(1)));
    explore(|| credit_and_messages(FaultyLink::<NONE>::new(8)));
    explore(|| two_receivers_and_a_deliverer(Arc::<FaultyQueue<NONE>>::default()));
    explore(|| the_end_releases_everybody(FaultyLink::<NONE>::new(1), Arc::<FaultyQueue<NONE>>::default()));
}

#[test]
#[should_panic(expected = "deadlock")]
fn looking_before_saying_that_one_sleeps_is_caught() {
    explore(two_senders_and_the_reactor::<FaultyBell<LOOKS_FIRST>>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn ringing_before_the_mail_is_in_is_caught() {
    explore(two_senders_and_the_reactor::<FaultyBell<RINGS_FIRST>>);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_mark_taken_off_late_is_caught() {
    explore(|| credit_and_messages(FaultyLink::<UNMARKS_LATE>::new(8)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn asking_too_early_who_waits_is_caught() {
    explore(|| two_senders_and_one_place(FaultyLink::<LOOKS_EARLY>::new(1)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn credit_that_rings_for_nobody_is_caught() {
    explore(|| credit_and_messages(FaultyLink::<GIVES_QUIETLY>::new(8)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn an_end_that_wakes_one_sender_is_caught() {
    explore(|| the_end_releases_everybody(FaultyLink::<ENDS_FOR_ONE>::new(1), Arc::<FaultyQueue<NONE>>::default()));
}

#[test]
#[should_panic(expected = "deadlock")]
fn an_end_that_wakes_one_receiver_is_caught() {
    explore(|| the_end_releases_everybody(FaultyLink::<NONE>::new(1), Arc::<FaultyQueue<ENDS_FOR_ONE>>::default()));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_receiver_that_keeps_the_wake_up_is_caught() {
    explore(|| two_receivers_and_a_deliverer(Arc::<FaultyQueue<KEEPS_THE_WAKE>>::default()));
}

#[test]
#[should_panic(expected = "deadlock")]
fn telling_before_the_event_is_in_is_caught() {
    explore(|| two_receivers_and_a_deliverer(Arc::<FaultyQueue<TELLS_FIRST>>::default()));
}
