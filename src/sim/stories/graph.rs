//! Who is linked with whom in a simulated network, and what that graph is like. Stories alone use it; it changes nothing.

use crate::base::verdict::Direction;
use crate::sim::host::Host;
use crate::sim::net::HostId;
use crate::sim::world::World;
use std::collections::BTreeMap;

/// Links that both ends know of, between the hosts that are counted.
#[derive(Debug)]
pub(super) struct Graph {
    pub hosts: Vec<HostId>,
    /// By place in `hosts`: the places of those that it is linked with.
    pub neighbours: Vec<Vec<usize>>,
    /// By place in `hosts`: links that others have dialed.
    pub inbound: Vec<usize>,
}

impl Graph {
    /// Of all living hosts that `counts` names, as far as `carries` says that a link's ends reach each other.
    pub fn of(world: &World, counts: impl Fn(HostId) -> bool, carries: impl Fn(HostId, HostId) -> bool) -> Graph {
        let all: Vec<&Host> = world.hosts().filter(|host| counts(host.id())).collect();
        let places: BTreeMap<_, _> = all.iter().enumerate().map(|(place, host)| (host.peer(), place)).collect();
        let mut graph = Graph { hosts: all.iter().map(|host| host.id()).collect(), neighbours: Vec::new(), inbound: Vec::new() };
        for host in &all {
            let (mut neighbours, mut inbound) = (Vec::new(), 0);
            for slot in host.pool().slots().iter().filter(|slot| slot.is_open()) {
                let Some(place) = slot.peer.and_then(|peer| places.get(&peer)).copied() else { continue };
                let other = all[place];
                if other.link_with(&host.peer()).is_some() && carries(host.id(), other.id()) {
                    neighbours.push(place);
                    inbound += usize::from(slot.direction == Direction::Inbound);
                }
            }
            graph.neighbours.push(neighbours);
            graph.inbound.push(inbound);
        }
        graph
    }

    /// Steps from one host to each other that it reaches.
    fn steps_from(&self, first: usize) -> Vec<Option<usize>> {
        let mut steps = vec![None; self.hosts.len()];
        let mut ring = vec![first];
        let mut step = 0;
        while !ring.is_empty() {
            ring.iter().for_each(|place| steps[*place] = Some(step));
            step += 1;
            ring =
                ring.iter().flat_map(|place| &self.neighbours[*place]).copied().filter(|next| steps[*next].is_none()).collect();
            ring.sort_unstable();
            ring.dedup();
        }
        steps
    }

    /// The most steps that any host is away from any other; none if some do not reach some.
    pub fn diameter(&self) -> Option<usize> {
        let farthest = |place| self.steps_from(place).into_iter().try_fold(0, |most, steps| Some(steps?.max(most)));
        (0..self.hosts.len()).try_fold(0, |most, place| Some(farthest(place)?.max(most)))
    }

    /// By place in `hosts`: how many it reaches, itself included.
    pub fn reach(&self) -> Vec<usize> {
        let mut reach = vec![0; self.hosts.len()];
        for place in 0..self.hosts.len() {
            if reach[place] == 0 {
                let piece: Vec<usize> =
                    (0..).zip(self.steps_from(place)).filter_map(|(place, steps)| steps.map(|_| place)).collect();
                piece.iter().for_each(|member| reach[*member] = piece.len());
            }
        }
        reach
    }
}

/// How unevenly something is shared out: 0 if all have the same, near 1 if one has everything (the coefficient of Gini).
pub(super) fn gini(shares: &[usize]) -> f64 {
    let mut sorted = shares.to_vec();
    sorted.sort_unstable();
    let sum: usize = sorted.iter().sum();
    let weighted: usize = (1..).zip(&sorted).map(|(rank, share): (usize, _)| rank * share).sum();
    if sum == 0 {
        return 0.0;
    }
    let count = sorted.len() as f64;
    2.0 * weighted as f64 / (count * sum as f64) - (count + 1.0) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_alike_is_even_and_who_takes_all_is_not() {
        assert!(gini(&[7; 50]).abs() < 1e-9);
        let mut one = [0; 100];
        one[3] = 20;
        assert!((gini(&one) - 0.99).abs() < 1e-9);
        assert!((gini(&[1, 3]) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_ring_is_as_wide_as_its_half_and_two_rings_are_not_one() {
        let ring = |first: usize, count: usize| {
            (0..count).map(move |place| vec![first + (place + 1) % count, first + (place + count - 1) % count])
        };
        let graph = |neighbours: Vec<Vec<usize>>| {
            let hosts = (0..neighbours.len() as u16).map(HostId).collect();
            Graph { hosts, inbound: vec![1; neighbours.len()], neighbours }
        };
        let one = graph(ring(0, 10).collect());
        assert_eq!((one.diameter(), one.reach()), (Some(5), vec![10; 10]));
        let two = graph(ring(0, 4).chain(ring(4, 3)).collect());
        assert_eq!((two.diameter(), two.reach()), (None, vec![4, 4, 4, 4, 3, 3, 3]));
    }
}
