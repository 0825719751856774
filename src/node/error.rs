//! What can go wrong for a caller, and what to do about it. Peers' faults are `CloseReason`s instead.

use crate::base::address::AddressError;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::quota::QuotaError;
use crate::base::reason::CloseReason;
use crate::pool::dialing::DialError;
use crate::pool::lists::ListError;
use crate::pool::pages::AddError;
use crate::pool::store::StoreFault;
use crate::settings::check::Complaint;
use crate::settings::error::SettingError;
use crate::wire::refusal::Refusal;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why nothing waits on a memory network.
pub const VIRTUAL: &str = "a node on a memory network never waits, because its time stands still until MemNet::advance moves it: \
    do not wait (a timeout of zero), advance, and take what has come";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A setting that waits for a start; `at_start` is what it was then, and still is or must not exceed.
    #[error("{key} is fixed when the node starts ({at_start}): start it anew with another")]
    Fixed { key: &'static str, at_start: String },
    #[error("the settings do not fit together: {}", list(.0))]
    Settings(Vec<Complaint>),
    #[error("{0}")]
    Channel(String),
    /// A capability to be announced that no peer would take.
    #[error("{0}")]
    Capability(String),
    #[error(transparent)]
    Quota(#[from] QuotaError),
    #[error("a node needs an identity: Builder::identity")]
    NoIdentity,
    #[error("the identity's stamp has {has} bits of proof of work, this network asks for {wants}: generate one with more")]
    WeakIdentity { has: u32, wants: u32 },
    #[error("peers without a common version are to be refused, but this node announces none: Builder::application_version")]
    NoVersion,
    #[error("identity file {path}: {text}")]
    IdentityFile { path: PathBuf, text: String, kind: FileFault },
    #[error("the store {}: {fault}", .path.display())]
    Store { path: PathBuf, fault: StoreFault },
    /// What has changed could not be saved; it is tried again by itself.
    #[error("not saved: {0}")]
    NotSaved(String),
    /// The file of `book.group_map` cannot be read.
    #[error("map of networks {path}: {text}")]
    GroupMap { path: PathBuf, text: String },
    #[error("the cryptography does not work here: {0}")]
    Crypto(String),
    #[error("cannot listen at {at}: {source}")]
    Listen { at: SocketAddr, source: std::io::Error },
    #[error("{what}: {source}")]
    System { what: &'static str, source: std::io::Error },
    #[error("{0}")]
    State(&'static str),
    #[error("{0}")]
    TooMany(String),
    #[error("{0} orders wait for this already: try again")]
    Busy(usize),
    #[error("the node has failed: {0}")]
    Failed(String),
    #[error("the node has stopped")]
    Stopped,
    #[error("it took longer than allowed")]
    Timeout,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the name {0} could not be resolved")]
    Unresolved(String),
    #[error("no link: {0}")]
    Link(CloseReason),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Add(#[from] AddError),
    /// An address or identity that the node does not know, or no more.
    #[error("{0} is not known")]
    Unknown(String),
    #[error("{len} bytes of metadata: at most {max} are kept")]
    Metadata { len: usize, max: usize },
    #[error("{0} does not exist (any more)")]
    NoLink(LinkId),
    #[error("{0}")]
    Refused(String),
    /// A rate that is out of range.
    #[error(transparent)]
    Rate(#[from] Complaint),
    #[error("weight {0} is out of range: 1 to {1} are allowed (bandwidth.weight_max)")]
    Weight(u32, u32),
}

/// What is wrong with an identity file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFault {
    Missing,
    /// Others than the owner may read or write it.
    Permission,
    /// It cannot be read or written.
    Io,
    /// Its contents are not an identity of this network.
    Invalid,
    Exists,
    /// The search for a stamp was stopped.
    Stopped,
}

fn list(complaints: &[Complaint]) -> String {
    let texts: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The channel's queue of this link is full (`try_send`), or was until the deadline (`send_timeout`).
    #[error("the send queue is full")]
    Full,
    #[error("the link has closed: {0}")]
    Closed(CloseReason),
    #[error("{0} does not exist (any more)")]
    UnknownLink(LinkId),
    #[error("{0} is not on both sides of this link")]
    NoChannel(ChannelId),
    #[error("{len} bytes, but at most {max} may be sent on this channel of this link")]
    TooBig { len: usize, max: u32 },
    /// `NEWS_MAX` outcomes of sends and requests wait in the queue that is to be told.
    #[error("too many outcomes wait in the queue: take them first")]
    TooManyNews,
    #[error("no linked peer has the capability '{capability}' and takes {channel}")]
    NoPeer { capability: String, channel: ChannelId },
    #[error("the queue belongs to another node")]
    ForeignQueue,
    /// The channel was declared with `Builder::typed`.
    #[error("{0} is typed: only its owner's handles send, ask and answer there")]
    Sealed(ChannelId),
    #[error("the node is not running")]
    Stopped,
    /// It was to wait on a memory network.
    #[error("{VIRTUAL}")]
    Virtual,
    #[error("the node has failed")]
    Failed,
}

/// How far a batch of messages came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after {queued} messages: {why}")]
pub struct Unsent {
    /// Messages that were queued, from the first.
    pub queued: usize,
    /// Why the next one was not.
    pub why: SendError,
}

/// Why a request was not asked, answered or served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    #[error(transparent)]
    Send(#[from] SendError),
    /// The peer's own number and text.
    #[error("the peer refused: {} ({})", .0.text, .0.code)]
    Refused(Refusal),
    #[error("no answer came in time")]
    TimedOut,
    #[error("the request was taken back")]
    Cancelled,
    #[error("the link closed before the answer came: {0}")]
    Closed(CloseReason),
    #[error("{max} requests on {channel} have no answer yet, and the peer takes no more: wait for one")]
    TooMany { channel: ChannelId, max: u32 },
    #[error("this request is not there to be answered (any more): it was answered, taken back, or its link has closed")]
    NoRequest,
    /// The answer came, and the channel's codec makes nothing of it.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
    #[error("the number {0:#x} is bowline's own: use one below 0xffffff00")]
    Code(u32),
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    #[error("nothing came in time")]
    Timeout,
    #[error("the node has stopped and everything was received")]
    Stopped,
    /// It was to wait on a memory network.
    #[error("{VIRTUAL}")]
    Virtual,
    #[error("the node has failed")]
    Failed,
}
