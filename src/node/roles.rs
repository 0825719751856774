//! Sending to whoever can do a thing: any, all or some of the linked peers with a capability, chosen by score and latency. Part of the
//! node's face; each call says whether it blocks.

use super::entropy::policy_rng;
use super::error::{RequestError, SendError};
use super::node::Node;
use super::sender::Broadcast;
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::pool::select::{Candidate, How, select};
use bytes::Bytes;
use std::time::Duration;

/// Whom to send to: linked peers that announce `capability` and take `channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role<'a> {
    pub capability: &'a str,
    pub channel: ChannelId,
}

impl Node {
    /// Links of peers with a role, in the order in which to try them. The best of them come early more often than others, but not always;
    /// see `docs/messaging.md`.
    ///
    /// # Errors
    /// `NoPeer` if none has it, `Stopped`, `Failed`.
    pub fn choose(&self, role: Role<'_>, how: How) -> Result<Vec<LinkId>, SendError> {
        let shared = self.open_for_sending()?;
        let mut candidates = Vec::new();
        for peer in shared.peers.read().peers.iter() {
            let is_able = peer.capabilities().iter().any(|has| has.name == role.capability);
            let Some(link) = shared.roster.find(peer.link).filter(|link| is_able && link.lane(role.channel).is_some()) else {
                continue;
            };
            // Zero until a first ping was answered.
            let latency = Some(Duration::from_micros(link.counters.read().rtt_us)).filter(|rtt| !rtt.is_zero());
            candidates.push(Candidate { who: peer.link, score: peer.score, latency });
        }
        if candidates.is_empty() {
            return Err(SendError::NoPeer { capability: role.capability.to_owned(), channel: role.channel });
        }
        Ok(select(candidates, how, &mut policy_rng()))
    }

    /// Queues `message` to one peer with the role, without waiting; if its queue is full or its link has closed meanwhile, to another.
    ///
    /// # Errors
    /// `NoPeer`; what kept the last one from taking it when none did; `Sealed`, `Stopped`, `Failed`.
    pub fn send_to(&self, role: Role<'_>, message: &Bytes) -> Result<LinkId, SendError> {
        self.open_for_sending()?.refuse_sealed(role.channel)?;
        let mut failed = SendError::NoPeer { capability: role.capability.to_owned(), channel: role.channel };
        for link in self.choose(role, How::All)? {
            match self.sender(link, role.channel).and_then(|sender| sender.try_send_bytes(message)) {
                Ok(()) => return Ok(link),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Queues `message` to as many peers with the role as `how` says. As with `broadcast`, full queues are skipped and counted.
    ///
    /// # Errors
    /// `NoPeer`, `Sealed`, `Stopped`, `Failed`.
    pub fn broadcast_to(&self, role: Role<'_>, how: How, message: &Bytes) -> Result<Broadcast, SendError> {
        self.open_for_sending()?.refuse_sealed(role.channel)?;
        let mut result = Broadcast::default();
        for link in self.choose(role, how)? {
            result.count(&self.sender(link, role.channel).and_then(|sender| sender.try_send_bytes(message)));
        }
        Ok(result)
    }

    /// Asks one peer with the role and waits for its answer. A peer that fails is not replaced by another: whether to ask twice is the
    /// caller's choice.
    ///
    /// # Errors
    /// `Send(NoPeer)`; as `request`.
    ///
    /// # Blocks
    /// At most `timeout`.
    pub fn request_to(&self, role: Role<'_>, message: &Bytes, timeout: Duration) -> Result<(LinkId, Bytes), RequestError> {
        self.open_for_sending()?.refuse_sealed(role.channel)?;
        let chosen = self.choose(role, How::Any)?;
        let none = || SendError::NoPeer { capability: role.capability.to_owned(), channel: role.channel };
        let link = *chosen.first().ok_or_else(none)?;
        Ok((link, self.request(link, role.channel, message, timeout)?))
    }
}
