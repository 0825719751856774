//! What a machine wants done. A machine fills it under the pool's lock; the pump carries it out after the lock is released.

use super::command::Command;
use crate::base::address::Address;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::verdict::Direction;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A slow thing, done by a thread that may block. The result comes back as an input of the machine that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Resolve a name, however long that takes; `ticket` comes back with the answer. One that peers told of (`is_heard`) stands behind all
    /// others.
    Resolve { ticket: u64, name: String, port: u16, is_heard: bool },
    /// Look at the counters of all open links.
    Measure,
    /// Save what has changed; `ticket` comes back with the result.
    Save { ticket: u64, is_durable: bool },
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// The addresses of the name; empty if it has none or did not resolve.
    Resolved { ticket: u64, addresses: Vec<SocketAddr> },
    /// What they say.
    Measured(Vec<Measure>),
    /// What has changed was saved, or why not: then it is to be saved still.
    Saved { ticket: u64, result: Result<(), String> },
}

/// What the counters say of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    pub link: LinkId,
    /// Smoothed; none before the first pong.
    pub rtt: Option<Duration>,
    pub messages_in: u64,
}

/// News for the application that does not belong to an open link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A dial that the application asked for has ended without a link.
    DialFailed { tag: u64, to: SocketAddr, reason: CloseReason },
    /// An inbound or outbound link was refused by us.
    Refused { remote: SocketAddr, peer: Option<PeerId>, reason: CloseReason },
    /// A peer was greylisted; `remote` is unknown for one without a link whose score was reported down.
    Greylisted { peer: Option<PeerId>, remote: Option<SocketAddr>, reason: CloseReason },
    /// A peer's score has come down to `score.warn`, for this last cause. Not again within 10 minutes.
    Warned { peer: PeerId, score: i32, why: String },
    /// A peer's score has come down to `score.ban`: it is banned.
    Banned { peer: PeerId, score: i32, why: String },
    /// Fewer links than the quota of a capability wants lead to peers that have it, for longer than `dial.period`, and nobody else with it
    /// can be dialed now. Not again within 10 minutes.
    RoleShort { capability: String, wanted: usize, linked: usize },
    /// A round of maintenance that was asked for has ended, with so many links; `is_stuck` if it could not get them into bounds. Told if
    /// nobody waits for it any more.
    RoundEnded { ticket: u64, links: usize, is_stuck: bool },
    /// Links are above their bounds, and only protected ones remain. Told once until they are in bounds again.
    Surplus { links: usize, target: usize },
    /// Outbound links lead to so few groups of addresses that one party may hold them all. Told once until there are 4 again.
    FewGroups { groups: usize },
    /// Messages of a channel have waited for `channel.stall_after`. Inbound: nobody here takes them. Outbound: the peer gives no credit
    /// or does not read. `age` is that of the oldest, at least. Told once for each time that it happens, and not again within a minute.
    Stalled { link: LinkId, peer: PeerId, channel: ChannelId, direction: Direction, age: Duration, messages: u64, bytes: u64 },
    /// A channel of which `Stalled` was told goes on, after so long. If the link closes instead, its Down is all that comes.
    StallOver { link: LinkId, peer: PeerId, channel: ChannelId, direction: Direction, lasted: Duration },
    /// Address book, lists and scores could not be saved; it is tried again each `maintenance.period`. Told once until it succeeds.
    StoreFailed { text: String },
    /// The store was damaged: it was put aside, and address book, lists and scores have begun anew.
    StoreSetAside { path: PathBuf, text: String },
    /// So many rows of the store could not be read, and are missing: `first` names one and says why; the log names more. All others were.
    RowsUnread { count: usize, first: String },
    /// An address has come into the book, with who is said to answer there. Told only if `Node::bind_notices` asks for it: there may be
    /// thousands at once.
    AddressAdded { address: Address },
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeKind {
    DialFailed,
    Refused,
    Greylisted,
    Warned,
    Banned,
    RoleShort,
    RoundEnded,
    Surplus,
    FewGroups,
    Stalled,
    StallOver,
    StoreFailed,
    StoreSetAside,
    RowsUnread,
    AddressAdded,
}

impl Notice {
    pub const fn kind(&self) -> NoticeKind {
        match self {
            Notice::DialFailed { .. } => NoticeKind::DialFailed,
            Notice::Refused { .. } => NoticeKind::Refused,
            Notice::Greylisted { .. } => NoticeKind::Greylisted,
            Notice::Warned { .. } => NoticeKind::Warned,
            Notice::Banned { .. } => NoticeKind::Banned,
            Notice::RoleShort { .. } => NoticeKind::RoleShort,
            Notice::RoundEnded { .. } => NoticeKind::RoundEnded,
            Notice::Surplus { .. } => NoticeKind::Surplus,
            Notice::FewGroups { .. } => NoticeKind::FewGroups,
            Notice::Stalled { .. } => NoticeKind::Stalled,
            Notice::StallOver { .. } => NoticeKind::StallOver,
            Notice::StoreFailed { .. } => NoticeKind::StoreFailed,
            Notice::StoreSetAside { .. } => NoticeKind::StoreSetAside,
            Notice::RowsUnread { .. } => NoticeKind::RowsUnread,
            Notice::AddressAdded { .. } => NoticeKind::AddressAdded,
        }
    }
}

/// What became of what a caller asked a worker for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The round has ended with so many links; `is_stuck` if it could not get them into bounds.
    Round { links: usize, is_stuck: bool },
    /// Dials to so many seeds have begun.
    Dialed(usize),
    /// It is so now; false if it was so already.
    Changed(bool),
    /// It cannot be, and why.
    Refused(&'static str),
    /// That link's peer was asked for addresses; none if nobody can be asked now.
    Asked(Option<LinkId>),
    /// What the peer knows to be healthy, its asker's own claim included.
    Discovered(Result<Vec<Address>, NotDiscovered>),
}

/// Why nothing was discovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDiscovered {
    #[error("there is no such link (any more)")]
    NoLink,
    #[error("too many orders wait")]
    Busy,
    #[error("the peer answered with an error: it tells nobody, or was asked too often")]
    Refused,
    #[error("this node or that peer is private (pex.private): such nodes neither ask nor are asked")]
    Private,
    #[error("the answer does not decode")]
    Malformed,
    #[error("no answer in time")]
    TimedOut,
}

/// A link has opened, or has ended at whatever stage, for callers that wait for it. Almost always nobody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub link: LinkId,
    /// Who is at the other end, or why nobody is. `told` of the peer is preferred over our own view, where there is one.
    pub result: Result<PeerId, Ending>,
}

/// Why a dial or link ended, and whose it was, as far as that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    pub reason: CloseReason,
    pub peer: Option<PeerId>,
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Ending {
        Ending { reason, peer: None }
    }
}

/// One step's wishes, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    pub commands: Vec<Command>,
    pub jobs: Vec<Job>,
    pub notices: Vec<Notice>,
    pub outcomes: Vec<Outcome>,
    /// Answers for callers that wait, by ticket.
    pub answers: Vec<(u64, Answered)>,
    /// Wake the maintenance machine.
    pub nudge_maintenance: bool,
    /// Wake the exchange machine.
    pub nudge_exchange: bool,
    /// Who is connected or known healthy has changed: publish new snapshots.
    pub changed: bool,
    /// Lines for the log: level, target, text. Written after the lock is released.
    pub log: Vec<(log::Level, &'static str, String)>,
}

impl Outbox {
    /// True if nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
            && self.jobs.is_empty()
            && self.notices.is_empty()
            && self.outcomes.is_empty()
            && self.answers.is_empty()
            && self.log.is_empty()
            && !(self.nudge_maintenance || self.nudge_exchange || self.changed)
    }
}
