//! What both sides of the handshake share: the checks of the other's sealed payload, and what a finished handshake leaves. The initiator
//! and the responder call it, each for its part.

use super::handshake_message::{Introduction, Versions};
use super::local::Local;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::crypto::hash;
use crate::crypto::noise::{Handshake, NoiseError};
use crate::crypto::record::{Opener, Sealer, Suite};
use crate::crypto::stamp;
use std::net::SocketAddr;

/// What a finished handshake leaves to the session.
pub struct Agreed {
    pub peer: PeerId,
    pub version: u8,
    pub sealer: Sealer,
    pub opener: Opener,
    pub session_id: [u8; 32],
    /// Largest record plaintext that the peer takes.
    pub frame_max: usize,
    /// Our address as the peer sees it.
    pub observed: Option<SocketAddr>,
}

/// The versions that we speak.
pub(super) fn own_versions(local: &Local) -> Versions {
    let (min, max) = local.profile.versions;
    Versions { min, max }
}

/// What both sides check in the other's sealed payload besides versions: the stamp and a common suite.
pub(super) fn judge(local: &Local, peer: &PeerId, theirs: &Introduction) -> Result<Suite, CloseReason> {
    if !stamp::check(peer, &theirs.stamp, local.profile.pow_bits) {
        return Err(CloseReason::BadStamp);
    }
    Suite::common(local.profile.caps, theirs.caps).ok_or(CloseReason::BadHandshake)
}

/// The keys of a finished handshake.
pub(super) fn agree(
    handshake: Handshake,
    peer: PeerId,
    suite: Suite,
    theirs: &Introduction,
    observed: Option<SocketAddr>,
) -> Result<Agreed, CloseReason> {
    let split = handshake.split().map_err(close_reason)?;
    Ok(Agreed {
        peer,
        version: theirs.chosen,
        sealer: Sealer::new(suite, split.sending(), &split.h),
        opener: Opener::new(suite, split.receiving(), &split.h),
        session_id: hash::session_id(&split.h),
        frame_max: theirs.frame_max as usize,
        observed,
    })
}

/// The peer learns nothing of these: for each of them the connection just ends.
pub(super) fn close_reason(error: NoiseError) -> CloseReason {
    match error {
        NoiseError::UnexpectedKey => CloseReason::WrongIdentity,
        NoiseError::LowOrder(_) => CloseReason::LowOrderKey,
        NoiseError::Forged => CloseReason::BadHandshake,
        _ => CloseReason::Internal,
    }
}
