//! The text of rows: an object of JSON a line, in the store as in an export, and the keys that they are stored under. Pure. Each number of
//! the schema stands for exactly these members: a reader refuses those that it does not know.

use super::json::{Line, Value, parse};
use super::lists::{By, Culprit};
use super::points::{Proof, Source};
use super::saved::{Anchor, Change, OnList, Saved, SavedList, SavedPeer, SavedPoint, SavedScore};
use super::score::{SCORE_MAX, Stage};
use crate::base::limits::{CAPABILITIES_MAX, FAILURES_MAX, METADATA_BYTES_MAX};
use crate::base::peer::{hex, unhex};
use crate::base::point::canonical;
use crate::base::reason::CloseReason;
use crate::base::text::{SHOWN_MAX, is_name, shown};
use crate::wire::hello::Capability;
use std::fmt::Display;
use std::net::SocketAddr;
use std::str::FromStr;

/// The version of these rows. A row that gets or loses a member after a release makes it the next one.
pub const SCHEMA: u32 = 1;
/// No row is longer: 32 capabilities and 256 bytes of metadata stay below half of it.
pub const LINE_MAX: usize = 16 * 1_024;
/// Rows of one store or export, at most: two lists of 65,536, the longest greylist, and the tables.
pub const ROWS_MAX: usize = 1 << 21;
/// Anchors in one row, whatever the settings say.
const ANCHORS_MAX: usize = 8;

/// Under which key a change is stored, and the row; `None`: the row goes.
pub fn entry(change: &Change) -> (String, Option<String>) {
    (key(change), row(change))
}

/// Under which key a change is stored.
pub fn key(change: &Change) -> String {
    match change {
        Change::Meta { .. } => "meta".to_owned(),
        Change::Anchors(_) => "anchors".to_owned(),
        Change::Point(SavedPoint { at, .. }) | Change::NoPoint(at) => format!("point {at}"),
        Change::Peer(SavedPeer { id, .. }) | Change::NoPeer(id) => format!("peer {id}"),
        Change::List(SavedList { list, subject, .. }) | Change::NoList(list, subject) => format!("{} {subject}", list.name()),
        Change::Score(SavedScore { peer, .. }) | Change::NoScore(peer) => format!("score {peer}"),
    }
}

/// The row of a change as a line, without its end; `None` for one that is to go.
pub fn row(change: &Change) -> Option<String> {
    let line = match change {
        Change::Meta { key, saved_at } => Line::of("meta").text("key", hex(key)).number("saved_at", *saved_at),
        Change::Point(point) => point_row(point),
        Change::Peer(peer) => Line::of("peer")
            .text("id", peer.id)
            .number("first_seen", peer.first_seen)
            .number("last_seen", peer.last_seen)
            .switch("private", peer.is_private)
            .list("failures", peer.failures.iter().map(failure).collect())
            .text_if("metadata", metadata(&peer.metadata)),
        Change::List(entry) => Line::of("list")
            .text("list", entry.list.name())
            .text("subject", entry.subject)
            .number("since", entry.since)
            .number_if("until", entry.until)
            .text_if("why", Some(&entry.why).filter(|why| !why.is_empty()))
            .text("by", entry.by.name())
            .number_if("offences", Some(entry.offences).filter(|count| *count > 0)),
        Change::Score(score) => Line::of("score")
            .text("peer", score.peer)
            .number("thousandths", score.thousandths)
            .text("stage", score.stage.name())
            .switch("lifted", score.is_lifted)
            .number("at", score.at),
        Change::Anchors(anchors) => {
            let pair = |anchor: &Anchor| Value::pair(Value::text(anchor.at), Value::text(anchor.peer));
            Line::of("anchors").list("anchors", anchors.iter().map(pair).collect())
        }
        Change::NoPoint(_) | Change::NoPeer(_) | Change::NoList(..) | Change::NoScore(_) => return None,
    };
    Some(line.end())
}

fn point_row(point: &SavedPoint) -> Line {
    let capability = |one: &Capability| Value::pair(Value::text(&one.name), Value::Number(one.value.into()));
    Line::of("point")
        .text("at", point.at)
        .text_if("peer", point.peer)
        .list("capabilities", point.capabilities.iter().map(capability).collect())
        .switch("own_word", point.is_own_word)
        .text("source", point.source)
        .text("proof", proof_name(point.proof))
        .switch("tried", point.is_tried)
        .number_if("attempts", Some(point.attempts).filter(|count| *count > 0))
        .number_if("reinstated", Some(point.reinstated).filter(|count| *count > 0))
        .number_if("bad_until", point.bad_until)
        .number("last_heard", point.last_heard)
        .number_if("last_dialed", point.last_dialed)
        .number_if("last_seen", point.last_seen)
        .number_if("last_miss", point.last_miss)
        .list("last_failure", point.last_failure.iter().map(failure).collect())
        .text_if("metadata", metadata(&point.metadata))
}

fn failure((at, reason): &(u64, CloseReason)) -> Value {
    Value::pair(Value::Number((*at).into()), Value::Number(reason.code().into()))
}

fn metadata(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hex(bytes))
}

/// The first line of an export made at `unix`.
pub fn head(unix: u64) -> String {
    Line::of("head").number("schema", SCHEMA).number("saved_at", unix).end()
}

/// Reads the first line of an export.
///
/// # Errors
/// What is wrong with it; one of a later version says so.
pub fn read_head(line: &str) -> Result<(), String> {
    let mut head = Members::of(line)?;
    if head.text("row")? != "head" {
        return Err("the head of an export is expected: {\"row\":\"head\", …}".to_owned());
    }
    match head.number::<u32>("schema")? {
        SCHEMA => {}
        has => return Err(format!("it has schema {has}, this version knows {SCHEMA}")),
    }
    let _: u64 = head.number("saved_at")?;
    head.end()
}

/// Reads a row.
///
/// # Errors
/// What is wrong with it.
pub fn read(line: &str) -> Result<Change, String> {
    if line.len() > LINE_MAX {
        return Err(format!("{} bytes, a row has at most {LINE_MAX}", line.len()));
    }
    let mut row = Members::of(line)?;
    let kind = row.text("row")?;
    let change = match kind.as_str() {
        "meta" => {
            let read = row.needed("key", |value| bytes(value, 16))?;
            let key = read.as_slice().try_into().map_err(|_| "'key' is not of 16 bytes".to_owned())?;
            Change::Meta { key, saved_at: row.number("saved_at")? }
        }
        "point" => Change::Point(read_point(&mut row)?),
        "peer" => Change::Peer(SavedPeer {
            id: row.parsed("id")?,
            first_seen: row.number("first_seen")?,
            last_seen: row.number("last_seen")?,
            is_private: row.switch("private")?,
            failures: row.failures("failures", FAILURES_MAX)?,
            metadata: row.metadata()?,
        }),
        "list" => Change::List(read_list(&mut row)?),
        "score" => Change::Score(SavedScore {
            peer: row.parsed("peer")?,
            thousandths: row.needed("thousandths", thousandths)?,
            stage: row.named("stage", &Stage::ALL, |stage| stage.name())?,
            is_lifted: row.switch("lifted")?,
            at: row.number("at")?,
        }),
        "anchors" => Change::Anchors(row.listed("anchors", ANCHORS_MAX, anchor)?),
        other => return Err(format!("'{}' is none of meta, point, peer, list, score, anchors", shown(other))),
    };
    row.end()?;
    Ok(change)
}

/// Takes in a row that was stored under `stored`. One that cannot be read, or is another's, costs itself alone.
pub fn take(saved: &mut Saved, stored: &str, row: &str) {
    let change = read(row).and_then(|change| {
        let is_its_own = key(&change) == stored;
        if is_its_own { Ok(change) } else { Err("it stands under another's key".to_owned()) }
    });
    match change {
        Ok(change) => saved.take(change),
        Err(text) => saved.unread.note(stored, &text),
    }
}

fn read_list(row: &mut Members) -> Result<SavedList, String> {
    let entry = SavedList {
        list: row.named("list", &[OnList::Banned, OnList::Trusted, OnList::Greylisted], |list| list.name())?,
        subject: row.parsed("subject")?,
        since: row.number("since")?,
        until: row.maybe("until", Value::into_number)?,
        why: row.maybe("why", why)?.unwrap_or_default(),
        by: row.named("by", &[By::Operator, By::Score], |by| by.name())?,
        offences: row.maybe("offences", Value::into_number)?.unwrap_or_default(),
    };
    if entry.list == OnList::Greylisted && Culprit::of(&entry.subject).is_none() {
        return Err(format!("'{}' on the greylist, which has peer ids and single addresses: ban the prefix", entry.subject));
    }
    Ok(entry)
}

fn read_point(row: &mut Members) -> Result<SavedPoint, String> {
    let last_failure = row.failures("last_failure", 1)?.pop();
    Ok(SavedPoint {
        at: row.needed("at", address)?,
        peer: row.maybe("peer", parsed)?,
        capabilities: row.listed("capabilities", CAPABILITIES_MAX, capability)?,
        is_own_word: row.switch("own_word")?,
        source: row.needed("source", source)?,
        proof: row.named("proof", &[Proof::Heard, Proof::Host, Proof::Dialed], |proof| proof_name(*proof))?,
        is_tried: row.switch("tried")?,
        attempts: row.maybe("attempts", Value::into_number)?.unwrap_or_default(),
        reinstated: row.maybe("reinstated", Value::into_number)?.unwrap_or_default(),
        bad_until: row.maybe("bad_until", Value::into_number)?,
        last_heard: row.number("last_heard")?,
        last_dialed: row.maybe("last_dialed", Value::into_number)?,
        last_seen: row.maybe("last_seen", Value::into_number)?,
        last_miss: row.maybe("last_miss", Value::into_number)?,
        last_failure,
        metadata: row.metadata()?,
    })
}

impl OnList {
    pub const fn name(self) -> &'static str {
        match self {
            OnList::Banned => "banned",
            OnList::Trusted => "trusted",
            OnList::Greylisted => "greylisted",
        }
    }
}

impl By {
    pub const fn name(self) -> &'static str {
        match self {
            By::Operator => "operator",
            By::Score => "score",
        }
    }
}

const fn proof_name(proof: Proof) -> &'static str {
    match proof {
        Proof::Heard => "heard",
        Proof::Host => "host",
        Proof::Dialed => "dialed",
    }
}

/// The members of a row that were not taken yet.
struct Members(Vec<(String, Value)>);

impl Members {
    fn of(line: &str) -> Result<Members, String> {
        let Value::Object(members) = parse(line)? else { return Err("a row is an object in braces".to_owned()) };
        let twice = members.iter().enumerate().find(|(i, (name, _))| members[..*i].iter().any(|(before, _)| before == name));
        match twice {
            Some((_, (name, _))) => Err(format!("'{}' stands there twice", shown(name))),
            None => Ok(Members(members)),
        }
    }

    /// A member that may be missing.
    fn maybe<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Result<Option<T>, String> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(at);
        read(value).map(Some).map_err(|text| format!("'{name}': {text}"))
    }

    fn needed<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Result<T, String> {
        self.maybe(name, read)?.ok_or_else(|| format!("'{name}' is missing"))
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        self.needed(name, Value::into_text)
    }

    fn number<T: TryFrom<i128>>(&mut self, name: &str) -> Result<T, String> {
        self.needed(name, Value::into_number)
    }

    fn switch(&mut self, name: &str) -> Result<bool, String> {
        let read = |value| if let Value::Switch(on) = value { Ok(on) } else { Err("true or false is expected".to_owned()) };
        Ok(self.maybe(name, read)?.unwrap_or_default())
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, String> {
        self.needed(name, parsed)
    }

    /// One of `all`, by its name.
    fn named<T: Copy>(&mut self, name: &str, all: &[T], name_of: impl Fn(&T) -> &'static str) -> Result<T, String> {
        let text = self.text(name)?;
        let found = all.iter().find(|one| name_of(one) == text).copied();
        let names: Vec<&str> = all.iter().map(name_of).collect();
        found.ok_or_else(|| format!("'{name}': '{}' is none of {}", shown(&text), names.join(", ")))
    }

    /// A list that may be missing.
    fn listed<T>(&mut self, name: &str, most: usize, one: impl Fn(Value) -> Result<T, String>) -> Result<Vec<T>, String> {
        let read = |value: Value| {
            let list = value.into_list()?;
            if list.len() > most {
                return Err(format!("{} values, at most {most} are kept", list.len()));
            }
            list.into_iter().map(one).collect()
        };
        Ok(self.maybe(name, read)?.unwrap_or_default())
    }

    /// A failure whose reason this version does not know is none: it comes from a later one.
    fn failures(&mut self, name: &str, most: usize) -> Result<Vec<(u64, CloseReason)>, String> {
        let one = |value: Value| {
            let (at, code) = value.into_pair()?;
            let (at, code): (u64, u16) = (at.into_number()?, code.into_number()?);
            Ok(CloseReason::from_code(code).map(|reason| (at, reason)))
        };
        Ok(self.listed(name, most, one)?.into_iter().flatten().collect())
    }

    fn metadata(&mut self) -> Result<Box<[u8]>, String> {
        let read = |value| bytes(value, METADATA_BYTES_MAX);
        Ok(self.maybe("metadata", read)?.unwrap_or_default().into())
    }

    /// Nothing may be left.
    fn end(self) -> Result<(), String> {
        self.0.first().map_or(Ok(()), |(name, _)| Err(format!("'{}' is no member of such a row", shown(name))))
    }
}

fn parsed<T: FromStr<Err: Display>>(value: Value) -> Result<T, String> {
    let text = value.into_text()?;
    text.parse().map_err(|error: T::Err| format!("'{}': {error}", shown(&text)))
}

fn bytes(value: Value, most: usize) -> Result<Vec<u8>, String> {
    let bytes = unhex(&value.into_text()?).ok_or_else(|| "hex digits are expected".to_owned())?;
    if bytes.len() > most { Err(format!("{} bytes, at most {most} are kept", bytes.len())) } else { Ok(bytes) }
}

fn address(value: Value) -> Result<SocketAddr, String> {
    let at: SocketAddr = parsed(value)?;
    if at.port() == 0 { Err("port 0 cannot be dialed".to_owned()) } else { Ok(SocketAddr::new(canonical(at.ip()), at.port())) }
}

fn anchor(value: Value) -> Result<Anchor, String> {
    let (at, peer) = value.into_pair()?;
    Ok(Anchor { at: address(at)?, peer: parsed(peer)? })
}

fn capability(value: Value) -> Result<Capability, String> {
    let (name, value) = value.into_pair()?;
    let name = name.into_text()?;
    if !is_name(&name) {
        return Err(format!("'{}' is no name of a capability", shown(&name)));
    }
    Ok(Capability { name, value: value.into_number()? })
}

fn why(value: Value) -> Result<Box<str>, String> {
    let why = value.into_text()?;
    let is_shown = why.chars().count() <= SHOWN_MAX + 1 && why.chars().all(|c| c == ' ' || c == '…' || c.is_ascii_graphic());
    if is_shown { Ok(why.into()) } else { Ok(shown(&why).into()) }
}

fn thousandths(value: Value) -> Result<i32, String> {
    let (number, most) = (value.into_number()?, SCORE_MAX * 1_000);
    if (-most..=most).contains(&number) { Ok(number) } else { Err(format!("{number} is not within -{most} to {most}")) }
}

/// A group as it is shown.
fn source(value: Value) -> Result<Source, String> {
    let text = value.into_text()?;
    if text == "own" {
        return Ok(Source::Own);
    }
    let group = text.parse().map(Source::Group);
    group.map_err(|error| format!("'{}' is neither 'own' nor a group of addresses: {error}", shown(&text)))
}
