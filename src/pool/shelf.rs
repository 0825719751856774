//! Addresses by group, for a draw that no number of addresses in one group can sway: first a group, then one of its addresses. Pure; the
//! book keeps one for each table.

use crate::base::point::Group;
use crate::base::rng::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;

#[derive(Debug, Default)]
pub struct Shelf {
    /// All groups that have addresses, in no order: to draw one of.
    groups: Vec<Group>,
    members: BTreeMap<Group, Vec<SocketAddr>>,
}

impl Shelf {
    pub fn insert(&mut self, group: Group, at: SocketAddr) {
        let members = self.members.entry(group).or_default();
        if members.is_empty() {
            self.groups.push(group);
        }
        members.push(at);
    }

    pub fn remove(&mut self, group: Group, at: SocketAddr) {
        let Some(members) = self.members.get_mut(&group) else { return };
        if let Some(place) = members.iter().position(|member| *member == at) {
            members.swap_remove(place);
        }
        if members.is_empty() {
            self.members.remove(&group);
            self.groups.retain(|known| *known != group);
        }
    }

    /// A random group's random address.
    pub fn draw(&self, rng: &mut Rng) -> Option<SocketAddr> {
        let group = self.groups.get(rng.index(self.groups.len()))?;
        let members = self.members.get(group)?;
        members.get(rng.index(members.len())).copied()
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = (Group, SocketAddr)> {
        self.members.iter().flat_map(|(group, members)| members.iter().map(|at| (*group, *at)))
    }
}
