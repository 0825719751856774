//! What the control plane decides about a link that waits: the answer to a session's signal.
//! Welcome makes it, the reactor carries it, the session acts on it.

use super::address::Address;
use super::reason::CloseReason;

/// The answer to `Signal::Recognised` (Proceed or Refuse) and `Signal::Introduced` (Admit or Refuse).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer that showed its key may go on with the handshake.
    Proceed,
    /// The peer has a place: the link opens.
    Admit,
    /// No. `alternatives` (at most `limits::ADDRESSES_MAX`) travel in the nack, if the link got that far.
    Refuse { motive: CloseReason, alternatives: Vec<Address> },
}

impl Verdict {
    /// A refusal without alternatives.
    pub fn refuse(motive: CloseReason) -> Verdict {
        Verdict::Refuse { motive, alternatives: Vec::new() }
    }
}

/// Who dialed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
}
