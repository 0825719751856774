//! Who may come and who may not: the operator's bans and trust, and the automatic greylist, on a running node. Part of the node's face;
//! any thread may make these calls. With a store, one that changes a list waits until that is saved, for at most a second; without, none
//! blocks. `docs/operators.md` has the precedence of the lists.

use super::error::Error;
use super::node::Node;
use super::pump;
use super::shared::Shared;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::bus::command::Command;
use crate::bus::outbox::Outbox;
use crate::pool::lists::{By, Culprit, Entry, ListError, Standing};
use crate::pool::pages::Page;
use crate::pool::slots::Use;
use crate::pool::table::Pool;
use crossbeam_channel::bounded;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// An entry of the list of bans, or of that of the trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    pub subject: Subject,
    pub since: Time,
    /// When it ends by itself; `None`: never.
    pub until: Option<Time>,
    /// As it was given, escaped and cut to 64 characters.
    pub why: String,
    pub by: By,
}

/// Somebody whom the greylist keeps out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GreyInfo {
    pub culprit: Culprit,
    pub until: Time,
    /// How often it was put there, while each time was within a week of the last.
    pub offences: u32,
}

/// How long a call waits for its change to be saved: a disk that hangs must not hang the operator.
const SAVE_PATIENCE: Duration = Duration::from_secs(1);

impl Node {
    /// Bans a peer, an address or a prefix, for so long or until it is lifted. It beats trust, and ends it for the same subject. Links are
    /// closed at once; nobody is told why, and nobody who comes from there later hears a word. Gives the number of links, dials and
    /// handshakes that it closed. An entry for the same subject is replaced. `why` is for people: escaped and cut to 64 characters.
    ///
    /// # Errors
    /// `List` when the list is full; `Refused` for this node itself, or a ban of no time; `State` before the start, `Stopped`, `Failed`.
    pub fn ban(&self, subject: Subject, lasts: Option<Duration>, why: &str) -> Result<usize, Error> {
        let shared = self.shared()?;
        if subject == Subject::Peer(self.id()) {
            return Err(Error::Refused("a node does not ban itself".to_owned()));
        }
        some_time(lasts, "a ban")?;
        change(shared, |now, pool, out| {
            let links = pool.ban(now, subject, lasts.map(|lasts| now + lasts), why)?;
            close(&links, CloseReason::Banned, out);
            Ok(links.len())
        })
    }

    /// Lifts a ban, of the operator or for a score. Other bans that hold the same address stay.
    ///
    /// # Errors
    /// `List(NotListed)` if exactly that subject is not banned; `State` before the start, `Stopped`, `Failed`.
    pub fn unban(&self, subject: &Subject) -> Result<(), Error> {
        change(self.shared()?, |_, pool, out| {
            out.nudge_maintenance = true;
            if pool.lists_mut().unban(subject) { Ok(()) } else { Err(ListError::NotListed(*subject).into()) }
        })
    }

    /// Every ban, of the operator and for scores.
    pub fn bans(&self) -> Vec<ListInfo> {
        self.pages(|now, pool, after| page(now, pool.lists().banned_behind(after)))
    }

    /// Trusts a peer, an address or a prefix, for so long or until it is taken back: it is not greylisted, not dropped, and gets a place
    /// where there is none. An identity is worth more than an address, which anybody at that host has. Whom `lists.trusted` names is trusted
    /// without end; trust for a time changes nothing of that.
    ///
    /// # Errors
    /// `List` when the subject, or a prefix around it, is banned, or the list is full; `Refused` for trust of no time; `State` before the
    /// start, `Stopped`, `Failed`.
    pub fn trust(&self, subject: Subject, lasts: Option<Duration>) -> Result<(), Error> {
        let shared = self.shared()?;
        some_time(lasts, "trust")?;
        change(shared, |now, pool, out| {
            pool.lists_mut().trust(now, subject, lasts.map(|lasts| now + lasts))?;
            out.nudge_maintenance = true;
            Ok(())
        })
    }

    /// Trusts no longer. Where only trusted peers are let in (`pool.trusted_only`), links that were there for it are closed at once.
    ///
    /// # Errors
    /// `List(NotListed)` if exactly that subject is not trusted; `State` before the start, `Stopped`, `Failed`.
    pub fn untrust(&self, subject: &Subject) -> Result<(), Error> {
        change(self.shared()?, |now, pool, out| {
            if !pool.lists_mut().untrust(subject) {
                return Err(ListError::NotListed(*subject).into());
            }
            close(&pool.part_with_strangers(now), CloseReason::NotTrusted, out);
            Ok(())
        })
    }

    /// Whom this node trusts.
    pub fn trusted(&self) -> Vec<ListInfo> {
        self.pages(|now, pool, after| page(now, pool.lists().trusted_behind(after)))
    }

    /// Whom the greylist keeps out now.
    pub fn greylist(&self) -> Vec<GreyInfo> {
        self.pages(|now, pool, after| {
            let row = |(culprit, until, offences)| (now < until).then_some(GreyInfo { culprit, until, offences });
            Page::of(pool.lists().greylisted_behind(after), |(culprit, ..)| *culprit, row)
        })
    }

    /// Empties the greylist, and forgets all offences. Gives how many it kept out. Bans stay.
    ///
    /// # Errors
    /// `State` before the start, `Stopped`, `Failed`.
    pub fn flush_greylist(&self) -> Result<usize, Error> {
        change(self.shared()?, |now, pool, out| {
            let count = pool.lists().greylisted().filter(|(_, until, _)| now < *until).count();
            pool.lists_mut().flush_greylist();
            out.nudge_maintenance = true;
            Ok(count)
        })
    }

    /// Takes one off the greylist and forgets its offences; false if there were none.
    ///
    /// # Errors
    /// `State` before the start, `Stopped`, `Failed`.
    pub fn forgive(&self, culprit: &Culprit) -> Result<bool, Error> {
        change(self.shared()?, |_, pool, out| {
            out.nudge_maintenance = true;
            Ok(pool.lists_mut().forgive(culprit))
        })
    }

    /// What the lists say of an address, an identity, or an identity at an address. Before the start they say nothing.
    pub fn standing(&self, ip: Option<IpAddr>, peer: Option<&PeerId>) -> Standing {
        let Some(running) = self.running() else { return Standing::Ordinary };
        let now = running.shared.clock.now();
        running.shared.pool.look().lists().standing(now, ip, peer)
    }

    /// The peer of that link was of use to the application just now: a block before anybody else, an answer that helped. Four inbound links
    /// that were of use last keep their places when all are taken. It moves no score; `report` does, and with a positive one says this, too.
    ///
    /// # Errors
    /// `NoLink`; `State` before the start, `Stopped`, `Failed`.
    pub fn useful(&self, link: LinkId) -> Result<(), Error> {
        let shared = self.shared()?;
        let now = shared.clock.now();
        let is_noted = shared.change_pool(|pool| pool.note_use(now, link, Use::Verdict));
        if is_noted { Ok(()) } else { Err(Error::NoLink(link)) }
    }

    /// Keeps a number of the application's with an open link: `LinkStats::tag`. A new link has 0.
    ///
    /// # Errors
    /// `NoLink`.
    pub fn set_tag(&self, link: LinkId, tag: u64) -> Result<(), Error> {
        self.link(link).ok_or(Error::NoLink(link))?.counters.tag.set(tag);
        Ok(())
    }
}

/// What ends at once is a mistake of the caller: nothing would come of it.
fn some_time(lasts: Option<Duration>, what: &str) -> Result<(), Error> {
    if lasts != Some(Duration::ZERO) {
        return Ok(());
    }
    Err(Error::Refused(format!("{what} that ends at once has no effect: say how long it lasts, or leave that open")))
}

/// Changes the lists and carries out what follows.
fn change<T>(shared: &Arc<Shared>, act: impl FnOnce(Time, &mut Pool, &mut Outbox) -> Result<T, Error>) -> Result<T, Error> {
    let (result, out) = shared.work(|now, pool, out| {
        // Who is trusted stands in the snapshot.
        out.changed = true;
        act(now, pool, out)
    });
    pump::tell(out, shared);
    if result.is_ok() {
        let (done, saved) = bounded(1);
        shared.storekeeper.ask(true, Box::new(move |result| drop(done.try_send(result))));
        // Maintenance tells of a failure; the change is kept for the next save.
        let _ = shared.wait_for(&saved, SAVE_PATIENCE);
    }
    result
}

pub(super) fn close(links: &[LinkId], reason: CloseReason, out: &mut Outbox) {
    out.commands.extend(links.iter().map(|link| Command::Close { link: *link, reason }));
    out.nudge_maintenance = true;
}

fn is_current(now: Time, entry: &Entry) -> bool {
    entry.until.is_none_or(|until| now < until)
}

/// Those of the next entries of a list of the operator's that are current.
fn page<'a>(now: Time, entries: impl Iterator<Item = (Subject, &'a Entry)>) -> Page<ListInfo, Subject> {
    Page::of(entries, |(subject, _)| *subject, |(subject, entry)| is_current(now, entry).then(|| info(subject, entry)))
}

fn info(subject: Subject, entry: &Entry) -> ListInfo {
    let Entry { since, until, ref why, by, .. } = *entry;
    ListInfo { subject, since, until, why: why.to_string(), by }
}
