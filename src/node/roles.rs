//! Roles: sending to whoever can do a thing, any, all or some of the linked peers with a capability, chosen by score and latency; and how
//! many links are to lead to such peers. Part of the node's face; each call says whether it blocks.

use super::error::{Error, RequestError, SendError};
use super::node::Node;
use super::sender::{Broadcast, BroadcastOptions};
use crate::base::channel::ChannelId;
use crate::base::link_id::LinkId;
use crate::base::quota::Quota;
use crate::pool::quotas::RoleTally;
use crate::pool::select::{Candidate, How, select};
use bytes::Bytes;
use std::time::Duration;

/// Whom to send to: linked peers that announce `capability` and take `channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role<'a> {
    pub capability: &'a str,
    pub channel: ChannelId,
}

impl Role<'_> {
    fn nobody(self) -> SendError {
        SendError::NoPeer { capability: self.capability.to_owned(), channel: self.channel }
    }
}

impl Node {
    /// Links of peers with a role, in the order in which to try them. The best of them come early more often than others, but not always;
    /// see `docs/messaging.md`.
    ///
    /// # Errors
    /// `NoPeer` if none has it, `Stopped`, `Failed`.
    pub fn choose(&self, role: Role<'_>, how: How) -> Result<Vec<LinkId>, SendError> {
        self.choose_except(role, how, None)
    }

    fn choose_except(&self, role: Role<'_>, how: How, except: Option<LinkId>) -> Result<Vec<LinkId>, SendError> {
        let shared = self.open_for_sending()?;
        let mut candidates = Vec::new();
        for peer in shared.published.read().peers.iter() {
            let is_able = peer.hello.has(role.capability) && Some(peer.link) != except;
            let Some(link) = shared.roster.find(peer.link).filter(|link| is_able && link.lane(role.channel).is_some()) else {
                continue;
            };
            // Zero until a first ping was answered.
            let latency = Some(Duration::from_micros(link.counters.read().rtt_us)).filter(|rtt| !rtt.is_zero());
            candidates.push(Candidate { who: peer.link, score: peer.score, latency });
        }
        if candidates.is_empty() {
            return Err(role.nobody());
        }
        Ok(select(candidates, how, &mut self.plan().rng("choice")))
    }

    /// Queues `message` to one peer with the role, without waiting; if its queue is full or its link has closed meanwhile, to another.
    ///
    /// # Errors
    /// `NoPeer`; what kept the last one from taking it when none did; `Sealed`, `Stopped`, `Failed`.
    pub fn send_to(&self, role: Role<'_>, message: &Bytes) -> Result<LinkId, SendError> {
        self.open_for_sending()?.refuse_sealed(role.channel)?;
        self.send_to_within(role, message)
    }

    /// `send_to` for whoever may use the channel.
    pub(super) fn send_to_within(&self, role: Role<'_>, message: &Bytes) -> Result<LinkId, SendError> {
        let mut failed = role.nobody();
        for link in self.choose(role, How::All)? {
            match self.sender_within(link, role.channel).and_then(|sender| sender.try_send_bytes(message)) {
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
        self.broadcast_to_with(role, how, message, &BroadcastOptions::default())
    }

    /// As `broadcast_to`, but not to the link that `options` except, and if they say so to this node itself, too, whatever it can do.
    ///
    /// # Errors
    /// As `broadcast_to`; never `NoPeer` if the node itself is included.
    pub fn broadcast_to_with(
        &self,
        role: Role<'_>,
        how: How,
        message: &Bytes,
        options: &BroadcastOptions,
    ) -> Result<Broadcast, SendError> {
        self.open_for_sending()?.refuse_sealed(role.channel)?;
        let mut result = self.broadcast_to_within(role, how, message, options)?;
        if options.include_self {
            result.count(&self.sender_within(LinkId::LOCAL, role.channel)?.try_send_bytes(message));
        }
        Ok(result)
    }

    /// `broadcast_to_with` to peers, for whoever may use the channel.
    pub(super) fn broadcast_to_within(
        &self,
        role: Role<'_>,
        how: How,
        message: &Bytes,
        options: &BroadcastOptions,
    ) -> Result<Broadcast, SendError> {
        let chosen = match self.choose_except(role, how, options.except) {
            Err(SendError::NoPeer { .. }) if options.include_self => Vec::new(),
            chosen => chosen?,
        };
        let mut result = Broadcast::default();
        for link in chosen {
            result.count(&self.sender_within(link, role.channel).and_then(|sender| sender.try_send_bytes(message)));
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
        let link = self.choose_one(role)?;
        Ok((link, self.request(link, role.channel, message, timeout)?))
    }

    /// The link of one peer with the role.
    pub(super) fn choose_one(&self, role: Role<'_>) -> Result<LinkId, SendError> {
        self.choose(role, How::Any)?.first().copied().ok_or_else(|| role.nobody())
    }

    /// Keeps at least so many links, or so many of a hundred, at peers with a capability from now on; `None` ends that. Maintenance sees
    /// to it at once, and `role_quotas` says how far it has come. It holds until the node stops; a start begins with `pool.roles`.
    ///
    /// # Errors
    /// `Quota` for a name, number or sum that cannot be: nothing is changed then. `State` before the start, `Stopped`, `Failed`.
    pub fn set_role_quota(&self, capability: &str, quota: Option<Quota>) -> Result<(), Error> {
        let shared = self.shared()?;
        let mut live = shared.live.lock();
        let quotas = shared.change_pool(|pool| {
            pool.set_quota(capability, quota)?;
            Ok::<_, Error>(pool.quotas().to_vec())
        })?;
        live.set_roles(quotas);
        drop(live);
        self.maintain()
    }

    /// The quotas with what there should be and what there is now, in the order in which they were set.
    pub fn role_quotas(&self) -> Vec<RoleTally> {
        if let Some(running) = self.running() {
            let pool = running.shared.pool.look();
            return pool.tallies(pool.counts().links());
        }
        self.settings().pool_roles.iter().map(|one| RoleTally::nothing_yet(one.clone())).collect()
    }
}
