//! Groups: sets of links that the application makes and sends to as one, such as the validators of a round. Local to the node: no peer hears
//! of them. Part of the node's face; no call blocks, any thread may make it.

use super::error::{Error, SendError};
use super::node::Node;
use super::sender::{Broadcast, BroadcastOptions};
use crate::base::channel::ChannelId;
use crate::base::limits::GROUP_PLACES_MAX;
use crate::base::link_id::LinkId;
use crate::base::sizes;
use crate::bus::roster::Roster;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Who is in which group.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeSet<(u32, LinkId)>);

const _: () = assert!(size_of::<(u32, LinkId)>() <= sizes::GROUP_PLACE);

impl Groups {
    /// False if there is no place left. Links that have closed give theirs up first.
    fn add(&mut self, group: u32, link: LinkId, roster: &Roster) -> bool {
        if self.0.len() >= GROUP_PLACES_MAX && !self.0.contains(&(group, link)) {
            self.0.retain(|(_, link)| roster.find(*link).is_some());
        }
        let has_place = self.0.len() < GROUP_PLACES_MAX || self.0.contains(&(group, link));
        if has_place {
            self.0.insert((group, link));
        }
        has_place
    }

    /// How many open links have left it now.
    fn remove(&mut self, group: u32, link: Option<LinkId>, roster: &Roster) -> usize {
        let mut removed = 0;
        self.0.retain(|(known, member)| {
            let stays = *known != group || link.is_some_and(|link| link != *member);
            removed += usize::from(!stays && roster.find(*member).is_some());
            stays
        });
        removed
    }

    fn members(&self, group: u32) -> impl Iterator<Item = LinkId> {
        self.0.range((group, LinkId::from_u64(0))..=(group, LinkId::from_u64(u64::MAX))).map(|(_, link)| *link)
    }
}

impl Node {
    /// Puts an open link into a group, which begins with its first link. It leaves when it closes. A link may be in any number of groups; all
    /// groups together have 65,536 places.
    ///
    /// # Errors
    /// `NoLink`, `TooMany` if all places are taken, `State` before the start, `Stopped`, `Failed`.
    pub fn group_add(&self, group: u32, link: LinkId) -> Result<(), Error> {
        let shared = self.shared()?;
        shared.open_link(link)?;
        if shared.groups.lock().add(group, link, &shared.roster) {
            Ok(())
        } else {
            Err(Error::TooMany(format!("the groups have no place left: {GROUP_PLACES_MAX} links are in them")))
        }
    }

    /// Takes a link out of a group, or all links (`None`), and says how many that were. Those that have closed have left it already.
    ///
    /// # Errors
    /// `State` before the start, `Stopped`, `Failed`.
    pub fn group_remove(&self, group: u32, link: Option<LinkId>) -> Result<usize, Error> {
        let shared = self.shared()?;
        Ok(shared.groups.lock().remove(group, link, &shared.roster))
    }

    /// The open links of a group.
    pub fn group(&self, group: u32) -> Vec<LinkId> {
        let Some(running) = self.running() else { return Vec::new() };
        let members: Vec<LinkId> = running.shared.groups.lock().members(group).collect();
        members.into_iter().filter(|link| running.shared.roster.find(*link).is_some()).collect()
    }

    /// As `broadcast_with`, to the links of a group that have the channel.
    ///
    /// # Errors
    /// As `broadcast_with`.
    pub fn broadcast_group(
        &self,
        group: u32,
        channel: ChannelId,
        message: &Bytes,
        options: &BroadcastOptions,
    ) -> Result<Broadcast, SendError> {
        let shared = self.open_for_sending()?;
        shared.refuse_sealed(channel)?;
        shared.refuse_large(channel, message.len())?;
        let members: Vec<LinkId> = shared.groups.lock().members(group).collect();
        let mut result = Broadcast::default();
        for link in members {
            let has_channel = shared.roster.find(link).is_some_and(|link| link.lane(channel).is_some());
            if has_channel && Some(link) != options.except {
                result.count(&self.sender_within(link, channel).and_then(|sender| sender.try_send_bytes(message)));
            }
        }
        if options.include_self {
            result.count(&self.sender_within(LinkId::LOCAL, channel)?.try_send_bytes(message));
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::peer::PeerId;
    use crate::base::verdict::Direction;
    use crate::bus::link::Link;
    use std::net::SocketAddr;
    use std::sync::Arc;

    #[test]
    fn the_places_of_links_that_have_closed_are_given_again() {
        let (mut groups, roster) = (Groups::default(), Roster::default());
        let (one, other) = (LinkId::from_u64(1), LinkId::from_u64(2));
        for id in [one, other] {
            let (peer, at) = (PeerId::from_bytes([1; 32]), SocketAddr::from(([127, 0, 0, 1], 1)));
            roster.insert(Arc::new(Link::new(id, peer, Direction::Inbound, at, Arc::default(), &[])));
        }
        let places = u32::try_from(GROUP_PLACES_MAX).expect("they have numbers");
        assert!((1..places).all(|group| groups.add(group, one, &roster)));
        assert!(groups.add(1, other, &roster), "the last place");
        assert!(!groups.add(2, other, &roster), "there is none");
        assert!(groups.add(3, one, &roster), "it is there already");
        roster.remove(one);
        assert_eq!(groups.remove(5, Some(one), &roster), 0, "it has left already");
        assert!(groups.add(2, other, &roster) && groups.add(4, other, &roster));
        assert_eq!(groups.0.len(), 3, "those of the closed link were given up");
        assert_eq!((groups.remove(2, None, &roster), groups.remove(2, None, &roster)), (1, 0));
    }
}
