//! What hosts say to each other in stories: everybody to everybody, in messages that tell when one is lost, doubled or out of order. Stories
//! alone use it.

use super::scene::{CHAT, Failure, story};
use crate::base::link_id::LinkId;
use crate::base::rng::Rng;
use crate::bus::event::Event;
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::world::World;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everybody talks to everybody, and each message is looked for at the other end: none lost, none twice, none out of order.
#[derive(Debug, Default)]
pub(super) struct Talk {
    sent: BTreeMap<(HostId, LinkId), u64>,
    /// What was received: by the receiver's name of the link, which messages in their order.
    heard: BTreeMap<(HostId, LinkId), u64>,
    /// Messages that have arrived.
    pub messages: u64,
}

impl Talk {
    /// Every host says something on every link, in messages of many sizes.
    pub fn say(&mut self, world: &mut World, rng: &mut Rng) {
        let links: Vec<(HostId, LinkId)> =
            world.hosts().flat_map(|host| host.links().into_iter().map(|link| (host.id(), link))).collect();
        for (host, link) in links {
            let size = if rng.percent(2) { rng.index(60_000) } else { rng.index(300) };
            self.say_on(world, host, link, size);
        }
    }

    /// A host says something of that size on one link.
    pub fn say_on(&mut self, world: &mut World, host: HostId, link: LinkId, size: usize) {
        let number = self.sent.entry((host, link)).or_default();
        let mut message = number.to_be_bytes().to_vec();
        message.resize(8 + size, *number as u8);
        // A full queue or a link that has just ended takes nothing, and then nothing is expected.
        if world.send(host, link, CHAT, &message).is_ok() {
            *number += 1;
        }
    }

    /// Takes what has arrived everywhere.
    pub fn listen(&mut self, world: &mut World) -> Result<(), Failure> {
        let hosts: Vec<HostId> = world.hosts().map(Host::id).collect();
        for host in hosts {
            for event in world.take_events(host) {
                let Event::Message(message) = event else { continue };
                let expected = self.heard.entry((host, message.link)).or_default();
                let number = message.body.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
                let is_whole = message.body.iter().skip(8).all(|byte| *byte == *expected as u8);
                if number != Some(*expected) || !is_whole {
                    let link = message.link;
                    return Err(story(world, format!("{host}, {link}: message {number:?} came instead of {expected}")));
                }
                *expected += 1;
                self.messages += 1;
            }
        }
        Ok(())
    }

    /// A host lost its memory: when it comes back, its links are numbered from the beginning.
    pub fn forget(&mut self, id: HostId) {
        self.sent.retain(|(host, _), _| *host != id);
        self.heard.retain(|(host, _), _| *host != id);
    }

    /// Messages that a host has heard.
    pub fn heard_by(&self, id: HostId) -> u64 {
        self.heard.iter().filter(|((host, _), _)| *host == id).map(|(_, count)| count).sum()
    }

    /// How many messages were sent on links that are open at both ends and have not arrived.
    fn missing(&self, world: &World) -> u64 {
        let mut missing = 0;
        for host in world.hosts() {
            for link in host.links() {
                let Some(other) = host.pool().slots().get(link).and_then(|slot| slot.peer) else { continue };
                let Some(other) = world.hosts().find(|candidate| candidate.peer() == other) else { continue };
                let Some(back) = other.link_with(&host.peer()) else { continue };
                let heard = self.heard.get(&(other.id(), back)).copied().unwrap_or(0);
                missing += self.sent.get(&(host.id(), link)).copied().unwrap_or(0).saturating_sub(heard);
            }
        }
        missing
    }

    /// Talks for a while, then waits until everything has arrived.
    pub fn converse(&mut self, world: &mut World, rng: &mut Rng, rounds: u32) -> Result<(), Failure> {
        for _ in 0..rounds {
            self.say(world, rng);
            world.run_for(Duration::from_millis(1 + rng.below(400)))?;
            self.listen(world)?;
        }
        for _ in 0..60 {
            if self.missing(world) == 0 {
                return Ok(());
            }
            world.run_for(Duration::from_secs(1))?;
            self.listen(world)?;
        }
        Err(story(world, format!("{} messages have not arrived after a minute", self.missing(world))))
    }
}
