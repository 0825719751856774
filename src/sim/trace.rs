//! What happened in a simulated network: every event folded into one number, so that two runs can be compared, and the latest kept to be
//! read when something went wrong. It decides nothing. The network and the world write it.

use super::net::HostId;
use crate::base::link_id::LinkId;
use crate::base::time::Time;
use std::collections::VecDeque;
use std::fmt;

/// Events that are kept to be read.
const RECENT_MAX: usize = 400;
/// FNV-1a with 128 bits (RFC 9923): only distinctness matters here, not secrecy.
const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// One thing that happened to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub at: Time,
    pub host: HostId,
    pub what: What,
    /// The link that it is about; `LinkId::NONE` if it is about none.
    pub link: LinkId,
    /// Bytes, or whatever number tells two such events apart.
    pub size: u64,
}

/// Kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    // The network.
    Listening,
    Unlistening,
    Dialing,
    Knocked,
    Connected,
    Refused,
    Accepted,
    Read,
    Wrote,
    Arrived,
    Room,
    Finished,
    Ended,
    Reset,
    TimedOut,
    Closed,
    Crashed,
    WentDark,
    CameBack,
    // The hosts.
    Started,
    Turned,
    Welcomed,
    Maintained,
    Exchanged,
    Resolved,
    Took,
    Sent,
    Stopped,
    Frozen,
    Thawed,
    Moved,
    ClockStepped,
    Saved,
    NotSaved,
    Misbehaved,
}

/// A running record.
#[derive(Debug)]
pub struct Trace {
    hash: u128,
    events: u64,
    recent: VecDeque<Event>,
}

impl Default for Trace {
    fn default() -> Trace {
        Trace { hash: OFFSET, events: 0, recent: VecDeque::with_capacity(RECENT_MAX) }
    }
}

impl Trace {
    /// Adds an event.
    pub fn note(&mut self, event: Event) {
        let Event { at, host, what, link, size } = event;
        for word in [at.as_nanos(), u64::from(host.number()) << 8 | what as u64, link.as_u64(), size] {
            self.hash = (self.hash ^ u128::from(word)).wrapping_mul(PRIME);
        }
        self.events += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(event);
    }

    /// A number that is the same for two runs exactly if (as far as 128 bits can tell) everything in them was.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// Events so far.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The latest events, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = &Event> {
        self.recent.iter()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} {} {}", self.at, self.host, self.what, self.link, self.size)
    }
}
