//! What the node's own words for failure are in C: errors and close reasons as results. Pure tables; every section uses them.

use super::b_errors::bowline_result;
use super::guard::Failure;
use crate::base::reason::CloseReason;
use crate::node::error::{Error, FileFault, RecvError, RequestError, SendError};
use crate::pool::dialing::DialError;
use crate::pool::lists::ListError;
use crate::pool::pages::AddError;
use crate::settings::error::SettingError;
use std::io::ErrorKind;

use bowline_result::*;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match &error {
            Error::Setting(SettingError::Unknown { .. }) => BOWLINE_E_NOT_FOUND,
            Error::Fixed { .. } => BOWLINE_E_READ_ONLY,
            Error::Setting(_)
            | Error::Settings(_)
            | Error::Channel(_)
            | Error::Capability(_)
            | Error::Quota(_)
            | Error::Address(_)
            | Error::Refused(_)
            | Error::Rate(_)
            | Error::Weight(..) => BOWLINE_E_INVALID,
            Error::NoIdentity => BOWLINE_E_NULL,
            Error::NoVersion => BOWLINE_E_INVALID,
            Error::WeakIdentity { .. } => BOWLINE_E_IDENTITY,
            Error::IdentityFile { kind, .. } => of_file(*kind),
            Error::GroupMap { .. } => BOWLINE_E_INVALID,
            Error::Store { .. } | Error::NotSaved(_) => BOWLINE_E_IO,
            Error::Crypto(_) => BOWLINE_E_CRYPTO,
            Error::Listen { source, .. } | Error::System { source, .. } => of_io(source.kind(), source.raw_os_error()),
            Error::State(_) => BOWLINE_E_STATE,
            Error::Busy(_) => BOWLINE_E_AGAIN,
            Error::TooMany(_) => BOWLINE_E_LIMIT,
            Error::Failed(_) => BOWLINE_E_FATAL,
            Error::Stopped => BOWLINE_E_STOPPED,
            Error::Timeout => BOWLINE_E_TIMEOUT,
            Error::Unresolved(_) => BOWLINE_E_UNREACHABLE,
            Error::Link(reason) => of_reason(*reason),
            Error::Dial(error) => of_dial(error),
            Error::List(ListError::Full) => BOWLINE_E_LIMIT,
            Error::List(ListError::Banned) => BOWLINE_E_BANNED,
            Error::List(ListError::NotListed(_)) => BOWLINE_E_NOT_FOUND,
            Error::Add(error) => return error.clone().into(),
            Error::Unknown(_) => BOWLINE_E_NOT_FOUND,
            Error::Metadata { .. } => BOWLINE_E_TOO_BIG,
            Error::NoLink(_) => BOWLINE_E_PEER_GONE,
        };
        Failure::new(code, error.to_string())
    }
}

const fn of_file(fault: FileFault) -> bowline_result {
    match fault {
        FileFault::Missing => BOWLINE_E_NOT_FOUND,
        FileFault::Permission => BOWLINE_E_PERMISSION,
        FileFault::Io => BOWLINE_E_IO,
        FileFault::Invalid => BOWLINE_E_INVALID,
        FileFault::Exists => BOWLINE_E_EXISTS,
        FileFault::Stopped => BOWLINE_E_CANCELED,
    }
}

const fn of_dial(error: &DialError) -> bowline_result {
    match error {
        DialError::Stopping => BOWLINE_E_STOPPED,
        DialError::NotDialable(_) => BOWLINE_E_INVALID,
        DialError::OwnAddress(_) => BOWLINE_E_SELF,
        DialError::Banned(_) => BOWLINE_E_BANNED,
        DialError::Greylisted(_) => BOWLINE_E_GREYLISTED,
        DialError::NotTrusted(_) => BOWLINE_E_REFUSED,
        DialError::Exists(..) | DialError::Sought(_) => BOWLINE_E_DUPLICATE,
        DialError::Paused => BOWLINE_E_STATE,
        DialError::TooManyDials { .. } | DialError::NoPlace { .. } | DialError::TooFast(_) | DialError::TooFastThere(..) => {
            BOWLINE_E_LIMIT
        }
    }
}

fn of_io(kind: ErrorKind, code: Option<i32>) -> bowline_result {
    match (kind, code) {
        (_, Some(libc::EMFILE | libc::ENFILE)) => BOWLINE_E_NO_FILES,
        (ErrorKind::AddrInUse, _) => BOWLINE_E_ADDR_IN_USE,
        (ErrorKind::AddrNotAvailable, _) => BOWLINE_E_ADDR_UNAVAILABLE,
        (ErrorKind::PermissionDenied, _) => BOWLINE_E_PERMISSION,
        (ErrorKind::OutOfMemory, _) => BOWLINE_E_NO_MEMORY,
        _ => BOWLINE_E_IO,
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Failure {
        let code = match &error {
            // What waits says TIMEOUT instead; see `i_send`.
            SendError::Full => BOWLINE_E_AGAIN,
            SendError::Closed(_) | SendError::UnknownLink(_) => BOWLINE_E_PEER_GONE,
            SendError::NoChannel(_) => BOWLINE_E_NO_CHANNEL,
            SendError::TooBig { .. } => BOWLINE_E_TOO_BIG,
            SendError::NoPeer { .. } => BOWLINE_E_NOT_FOUND,
            SendError::TooManyNews => BOWLINE_E_LIMIT,
            SendError::ForeignQueue | SendError::Sealed(_) => BOWLINE_E_INVALID,
            SendError::Stopped => BOWLINE_E_STOPPED,
            SendError::Virtual => BOWLINE_E_STATE,
            SendError::Failed => BOWLINE_E_FATAL,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Failure {
        let code = match &error {
            AddError::Address(_) | AddError::Foreign(_) | AddError::NotRoutable(_) => BOWLINE_E_INVALID,
            AddError::Unresolved(_) => BOWLINE_E_UNREACHABLE,
            AddError::Known(_) => BOWLINE_E_EXISTS,
            AddError::Own(_) => BOWLINE_E_SELF,
            AddError::Banned(_) => BOWLINE_E_BANNED,
            AddError::Full => BOWLINE_E_LIMIT,
            AddError::NotRunning => BOWLINE_E_STATE,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Failure {
        let code = match error {
            RequestError::Send(error) => return error.into(),
            RequestError::Refused(_) => BOWLINE_E_REMOTE,
            RequestError::TimedOut => BOWLINE_E_TIMEOUT,
            RequestError::Cancelled => BOWLINE_E_CANCELED,
            RequestError::Closed(CloseReason::Stopped) => BOWLINE_E_STOPPED,
            RequestError::Closed(_) => BOWLINE_E_PEER_GONE,
            RequestError::TooMany { .. } => BOWLINE_E_LIMIT,
            RequestError::NoRequest => BOWLINE_E_NO_REQUEST,
            RequestError::Malformed(_) => BOWLINE_E_PROTOCOL,
            RequestError::Code(_) => BOWLINE_E_INVALID,
        };
        Failure::new(code, error.to_string())
    }
}

impl From<RecvError> for Failure {
    fn from(error: RecvError) -> Failure {
        match error {
            // What does not wait says AGAIN instead; see `f_queues`.
            RecvError::Timeout => BOWLINE_E_TIMEOUT,
            RecvError::Stopped => BOWLINE_E_STOPPED,
            RecvError::Virtual => BOWLINE_E_STATE,
            RecvError::Failed => BOWLINE_E_FATAL,
        }
        .into()
    }
}

/// Why a link ended, coarser than the reason's own code, which events carry besides.
pub const fn of_reason(reason: CloseReason) -> bowline_result {
    use CloseReason as R;
    match reason {
        R::Stopped => BOWLINE_E_STOPPED,
        R::Requested | R::Goodbye | R::Probed => BOWLINE_E_CANCELED,
        R::Paused => BOWLINE_E_STATE,
        R::Evicted | R::TooManyLinks | R::HalfOpenLimit | R::Served => BOWLINE_E_LIMIT,
        R::Duplicate => BOWLINE_E_DUPLICATE,
        R::OwnKey => BOWLINE_E_SELF,
        R::Banned => BOWLINE_E_BANNED,
        R::Greylisted => BOWLINE_E_GREYLISTED,
        R::ConnectionRefused | R::Rejected | R::Nacked | R::NotTrusted => BOWLINE_E_REFUSED,
        R::ConnectTimeout | R::PingTimeout | R::MessageTimeout | R::WriteStalled | R::Stalled => BOWLINE_E_TIMEOUT,
        R::Unreachable | R::ResolveFailed => BOWLINE_E_UNREACHABLE,
        R::Reset | R::Truncated => BOWLINE_E_RESET,
        R::NoFiles => BOWLINE_E_NO_FILES,
        R::WrongNetwork => BOWLINE_E_NETWORK_ID,
        R::BadStamp | R::LowOrderKey | R::WrongIdentity => BOWLINE_E_IDENTITY,
        R::HandshakeTimeout
        | R::Garbage
        | R::WrongVersion
        | R::NoCommonVersion
        | R::Downgrade
        | R::BadHandshake
        | R::ClaimRequired
        | R::BadPuzzle => BOWLINE_E_HANDSHAKE,
        R::Forged
        | R::BadRecord
        | R::BadSegment
        | R::CreditExceeded
        | R::MessageTooBig
        | R::UnknownChannel
        | R::BadHello
        | R::PexMalformed
        | R::UnknownMessage
        | R::PanicContained => BOWLINE_E_PROTOCOL,
        R::ScoreTooLow
        | R::TooManyRequests
        | R::ControlFlood
        | R::ControlNotRead
        | R::PexTooOften
        | R::PexUnsolicited
        | R::PexTooMany => BOWLINE_E_MISBEHAVED,
        R::OutOfMemory => BOWLINE_E_NO_MEMORY,
        R::Internal => BOWLINE_E_INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_close_reason_is_a_success() {
        assert!(CloseReason::ALL.iter().all(|reason| of_reason(*reason) != BOWLINE_OK));
    }

    #[test]
    fn a_want_of_descriptors_is_told_from_other_errors_of_the_system() {
        assert_eq!(of_io(ErrorKind::Other, Some(libc::EMFILE)), BOWLINE_E_NO_FILES);
        assert_eq!(of_io(ErrorKind::AddrInUse, Some(libc::EADDRINUSE)), BOWLINE_E_ADDR_IN_USE);
        assert_eq!(of_io(ErrorKind::Other, None), BOWLINE_E_IO);
    }
}
