//! Sending: from any thread into a link's mailbox. It blocks only where it says so, and never touches a socket.

use super::error::SendError;
use super::shared::Shared;
use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::bus::event::NodeState;
use crate::bus::link::{Body, Link, PushError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Sends on one channel of one link: the look-ups are done once. Cheap to clone; any thread may use it.
#[derive(Clone)]
pub struct Sender {
    shared: Arc<Shared>,
    link: Arc<Link>,
    lane: usize,
    channel: ChannelId,
}

impl Sender {
    pub(super) fn new(shared: &Arc<Shared>, link: Arc<Link>, channel: ChannelId) -> Result<Sender, SendError> {
        let lane = link.lane(channel).filter(|_| !channel.is_own()).ok_or(SendError::NoChannel(channel))?;
        Ok(Sender { shared: Arc::clone(shared), link, lane, channel })
    }

    /// The link that it sends on.
    pub fn link(&self) -> LinkId {
        self.link.id
    }

    /// Queues a copy of `message`, without waiting.
    ///
    /// # Errors
    /// `Full` when the channel's send queue of this link is; `Closed` when the link is gone; `TooBig`; `Stopped`.
    pub fn try_send(&self, message: &[u8]) -> Result<(), SendError> {
        self.push(&Body::Slice(message), None)
    }

    /// Queues `message` without copying it if it is large (32 KiB), without waiting.
    ///
    /// # Errors
    /// As `try_send`.
    pub fn try_send_bytes(&self, message: &Bytes) -> Result<(), SendError> {
        self.push(&Body::Bytes(message), None)
    }

    /// Queues a copy of `message`; waits for room as long as it takes.
    ///
    /// # Errors
    /// As `try_send`, but never `Full`.
    pub fn send(&self, message: &[u8]) -> Result<(), SendError> {
        self.push(&Body::Slice(message), Some(None))
    }

    /// Queues a copy of `message`; waits for room until `timeout` has passed.
    ///
    /// # Errors
    /// As `try_send`; `Full` when there was no room in time.
    pub fn send_timeout(&self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.push(&Body::Slice(message), Some(Some(timeout)))
    }

    /// As `send_timeout` (`None`: for ever), without copying a large message.
    ///
    /// # Errors
    /// As `send_timeout`.
    pub fn send_bytes(&self, message: &Bytes, timeout: Option<Duration>) -> Result<(), SendError> {
        self.push(&Body::Bytes(message), Some(timeout))
    }

    fn push(&self, body: &Body<'_>, wait: Option<Option<Duration>>) -> Result<(), SendError> {
        match self.link.push(self.lane, Kind::Message, 0, body, None) {
            Ok(rings) => {
                self.ring(rings);
                return Ok(());
            }
            Err(PushError::Full) if wait.is_some() => {}
            Err(error) => return Err(self.refused(error, body)),
        }
        // The clock is read only by those who wait.
        let deadline = wait.map(|wait| self.shared.clock.deadline(wait));
        let rings = self.link.push(self.lane, Kind::Message, 0, body, deadline).map_err(|error| self.refused(error, body))?;
        self.ring(rings);
        Ok(())
    }

    fn ring(&self, rings: bool) {
        if rings {
            self.shared.bell.ring_for(self.link.id);
        }
    }

    fn refused(&self, error: PushError, body: &Body<'_>) -> SendError {
        match (error, self.shared.status.state()) {
            (PushError::Closed(_), NodeState::Failed) => SendError::Failed,
            (PushError::Closed(_), NodeState::Stopping | NodeState::Stopped) => SendError::Stopped,
            (PushError::Closed(reason), _) => SendError::Closed(reason),
            (PushError::Full, _) => SendError::Full,
            (PushError::NoChannel, _) => SendError::NoChannel(self.channel),
            (PushError::TooBig { max }, _) => SendError::TooBig { len: body.bytes(), max },
        }
    }
}

/// What became of a broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broadcast {
    /// Links that have the message in their queue.
    pub queued: usize,
    /// Links whose queue was full: they do not get it.
    pub full: usize,
    /// Links that closed meanwhile, or whose peer takes smaller messages only.
    pub refused: usize,
}
