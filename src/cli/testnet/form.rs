//! The first phase: from one known address to the target number of links at every node. Watches, never helps.

use super::command::Interrupted;
use super::figures::{Figures, Sample};
use super::plan::{Swarm, target};
use super::view::View;
use crate::cli::args::Testnet;
use crate::cli::host::Stop;
use std::time::{Duration, Instant};

/// How often the nodes are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Waits until every node has its target, or the patience is over, which the figures then say.
pub fn wait(
    swarm: &Swarm,
    args: &Testnet,
    stop: &Stop,
    view: &mut View,
    figures: &mut Figures,
) -> Result<Result<(), Interrupted>, String> {
    view.phase("forming");
    let target = target(args.nodes);
    let begun = Instant::now();
    let mut reached: Vec<Option<Duration>> = vec![None; swarm.members.len()];
    loop {
        let (links, known) = look(swarm)?;
        for ((member, reached), links) in swarm.members.iter().zip(&mut reached).zip(&links) {
            if *links >= target && reached.is_none() {
                *reached = Some(member.started.elapsed());
            }
        }
        let at_target = links.iter().filter(|links| **links >= target).count();
        let sample = Sample::new(begun.elapsed(), at_target, &links, &known);
        view.formed(&sample);
        figures.sample(sample);
        let is_over = at_target == swarm.members.len() || begun.elapsed() >= args.patience;
        if is_over || stop.signals.recv_timeout(TICK).is_ok() {
            figures.formed(&swarm.members, begun.elapsed(), &reached, links);
            return Ok(if is_over { Ok(()) } else { Err(Interrupted) });
        }
    }
}

/// Links and known addresses of every node.
fn look(swarm: &Swarm) -> Result<(Vec<u32>, Vec<u32>), String> {
    let mut links = Vec::with_capacity(swarm.members.len());
    let mut known = Vec::with_capacity(swarm.members.len());
    for (index, member) in swarm.members.iter().enumerate() {
        if let Some(what) = member.node.failure() {
            return Err(format!("node {index} failed: {what}"));
        }
        let stats = member.node.stats();
        // Counts of links and addresses are far below 2^32: a setting bounds both.
        links.push((stats.links_in + stats.links_out) as u32);
        known.push(stats.points_known as u32);
    }
    Ok((links, known))
}
