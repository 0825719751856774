//! Why a link ended: one name, one stable code, one party to blame. Every close carries one, on the wire, in events and logs.
//! Codes are never reused; retired ones stay listed here.

use std::fmt;

/// Whose doing a close was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The peer broke the protocol: may cost it score or a place on the greylist, if it was authenticated.
    Peer,
    /// Our own decision or fault.
    Us,
    /// Nobody's: the network failed.
    Net,
    /// Our user asked for it.
    User,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $blame:ident, $text:literal;)+) => {
        /// Why a link ended. The code goes on the wire: u16, big-endian, in close records; a number in a nack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum CloseReason {
            $($(#[doc = $doc])+ $name = $code,)+
        }

        impl CloseReason {
            /// Every reason, in the order of the codes.
            pub const ALL: &[CloseReason] = &[$(CloseReason::$name),+];

            /// The stable number.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The reason of a code; `None` for codes that this version does not know.
            pub const fn from_code(code: u16) -> Option<CloseReason> {
                match code {
                    $($code => Some(CloseReason::$name),)+
                    _ => None,
                }
            }

            /// The name, as in logs and metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(CloseReason::$name => stringify!($name),)+
                }
            }

            pub const fn blame(self) -> Blame {
                match self {
                    $(CloseReason::$name => Blame::$blame,)+
                }
            }

            /// Nobody is told: who is turned away so hears nothing, as if nobody were there.
            pub const fn is_silent(self) -> bool {
                matches!(self, CloseReason::Banned | CloseReason::NotTrusted)
            }

            /// What happened, as half a sentence.
            pub const fn text(self) -> &'static str {
                match self {
                    $(CloseReason::$name => $text,)+
                }
            }
        }
    };
}

reasons! {
    /// The node is stopping.
    Stopped = 1, User, "the node is stopping";
    /// The application or operator asked for it.
    Requested = 2, User, "closed on request";
    /// Maintenance made room.
    Evicted = 3, Us, "dropped to keep the number of links in bounds";
    /// A link with this peer exists already.
    Duplicate = 4, Us, "another link with this peer exists";
    /// The peer is this node itself.
    OwnKey = 5, Us, "that is this node itself";
    /// The peer or its address is banned by the operator.
    Banned = 6, Us, "banned by the operator";
    /// The peer or its address misbehaved lately.
    Greylisted = 7, Us, "greylisted for earlier misbehaviour";
    /// All places are taken.
    TooManyLinks = 8, Us, "no place is free";
    /// Too many handshakes are under way, altogether or from that address or group.
    HalfOpenLimit = 9, Us, "too many handshakes under way";
    /// A bootstrap or seed node has answered and makes room.
    Served = 10, Us, "addresses were given, the place is needed";
    /// This node wants a common version of the application's protocol, and there is none.
    NoCommonVersion = 11, Us, "no common version of the application's protocol";
    /// A dial that was only to see who answers has seen it.
    Probed = 12, Us, "the address was only to be verified";
    /// This node has links with trusted peers alone.
    NotTrusted = 13, Us, "only trusted peers are let in";
    /// The operator has paused the node: it neither dials nor takes new links.
    Paused = 14, Us, "paused by the operator";

    /// The peer's machine refused the connection.
    ConnectionRefused = 20, Net, "connection refused";
    /// No answer to the connection attempt in time.
    ConnectTimeout = 21, Net, "no answer to the connection attempt";
    /// No route, or another error of the network.
    Unreachable = 22, Net, "the address cannot be reached";
    /// The name could not be resolved in time.
    ResolveFailed = 23, Net, "the name could not be resolved";
    /// The connection was reset.
    Reset = 24, Net, "connection reset";
    /// The stream ended without a goodbye.
    Truncated = 25, Net, "the stream ended without a goodbye";
    /// The handshake did not end by its absolute deadline.
    HandshakeTimeout = 26, Net, "the handshake took too long";
    /// A ping had no answer.
    PingTimeout = 27, Net, "a ping was not answered";
    /// No descriptor was free.
    NoFiles = 28, Us, "out of file descriptors";
    /// Bytes that were not sealed with the link's key. Whoever carries them between the two may have changed them: nobody is to blame.
    Forged = 29, Net, "a record that was changed on the way";

    /// Bytes before the handshake that are none of this protocol.
    Garbage = 40, Peer, "not a bowline handshake";
    /// Another network's name.
    WrongNetwork = 41, Peer, "another network";
    /// No common protocol version.
    WrongVersion = 42, Peer, "no common protocol version";
    /// The version negotiation was tampered with.
    Downgrade = 43, Peer, "the version negotiation was tampered with";
    /// The proof-of-work stamp is below the network's difficulty.
    BadStamp = 44, Peer, "the identity's stamp is below the difficulty";
    /// A public key of low order.
    LowOrderKey = 45, Peer, "a public key of low order";
    /// Another identity than the one that was dialed or claimed.
    WrongIdentity = 46, Peer, "another identity than expected";
    /// A handshake message that does not authenticate or is malformed.
    BadHandshake = 47, Peer, "a handshake message that is not valid";
    /// This node requires an identity claim.
    ClaimRequired = 48, Peer, "an identity claim is required";
    /// The puzzle asked for under load was not solved, or was too hard.
    BadPuzzle = 49, Peer, "the puzzle was not solved";
    /// A record that is malformed or does not authenticate.
    BadRecord = 50, Peer, "a record that is not valid";
    /// A malformed segment.
    BadSegment = 51, Peer, "a segment that is not valid";
    /// Bytes beyond the granted credit.
    CreditExceeded = 52, Peer, "bytes beyond the granted credit";
    /// A message above its channel's limit.
    MessageTooBig = 53, Peer, "a message above its channel's limit";
    /// A channel that was not announced.
    UnknownChannel = 54, Peer, "a channel that was not announced";
    /// A malformed Hello.
    BadHello = 55, Peer, "a Hello that is not valid";
    /// Control records faster than allowed.
    ControlFlood = 56, Peer, "control records faster than allowed";
    /// The peer does not read what it asked for.
    ControlNotRead = 57, Peer, "does not read the answers it asked for";
    /// Handling the peer's message panicked; the panic was contained.
    PanicContained = 58, Peer, "its message made a handler panic";
    /// More requests without an answer than the channel allows, or one number for two of them.
    TooManyRequests = 59, Peer, "more unanswered requests than the channel allows";

    /// PEX requests too soon after one another.
    PexTooOften = 60, Peer, "PEX requests too soon after one another";
    /// A PEX answer that nobody asked for.
    PexUnsolicited = 61, Peer, "a PEX answer without a request";
    /// More addresses than a PEX answer may have.
    PexTooMany = 62, Peer, "too many addresses in a PEX answer";
    /// A PEX message that does not decode.
    PexMalformed = 63, Peer, "a PEX message that is not valid";
    /// An unknown PEX message type, or a message that its channel does not carry.
    UnknownMessage = 64, Peer, "an unknown message type";
    /// A message that has begun and whose rest did not come in time. Whoever carries the bytes may have held it back: nobody is to blame.
    MessageTimeout = 65, Net, "the rest of a message did not come in time";

    /// The peer refused the link before authentication.
    Rejected = 70, Us, "the peer rejected the handshake";
    /// The peer refused the link with a nack.
    Nacked = 71, Us, "the peer refused the link";
    /// The peer said goodbye.
    Goodbye = 72, Us, "the peer said goodbye";
    /// We held reading back for too long because nobody took the messages.
    Stalled = 73, Us, "nobody took this link's messages for too long";
    /// The peer did not read for too long.
    WriteStalled = 74, Net, "the peer did not read for too long";
    /// The node-wide memory budget was used up.
    OutOfMemory = 75, Us, "the memory budget is used up";

    /// The application's verdicts, its faults or its metadata brought the peer's score down to the greylist.
    ScoreTooLow = 80, Peer, "its score is too low";

    /// A broken invariant of ours.
    Internal = 90, Us, "internal error";
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        let codes: std::collections::BTreeSet<_> = CloseReason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), CloseReason::ALL.len());
        assert!(CloseReason::ALL.iter().all(|r| CloseReason::from_code(r.code()) == Some(*r)));
        assert_eq!(CloseReason::from_code(9_999), None);
    }
}
