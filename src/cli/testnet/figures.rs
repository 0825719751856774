//! What the testnet has measured, and whether it was good. Collects during the run; `report` prints it.

use super::gossip::{Inbox, Tally, latencies};
use super::plan::{Member, target};
use crate::cli::args::Testnet;
use crate::cli::host::cpu_time;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Smallest, middle and largest of some counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    pub min: u32,
    pub median: u32,
    pub max: u32,
}

impl Spread {
    pub fn of(values: &[u32]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        Spread { min: at(0), median: at(sorted.len() / 2), max: at(sorted.len().saturating_sub(1)) }
    }
}

/// The network at one moment of its forming.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Duration,
    pub at_target: usize,
    pub links: Spread,
    pub known: Spread,
}

impl Sample {
    pub fn new(at: Duration, at_target: usize, links: &[u32], known: &[u32]) -> Sample {
        Sample { at, at_target, links: Spread::of(links), known: Spread::of(known) }
    }
}

/// What all nodes have sent, and what it cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub payload_out: u64,
    pub cpu: Duration,
}

impl Totals {
    fn of(members: &[Member]) -> Totals {
        let mut totals = Totals { cpu: cpu_time(), ..Totals::default() };
        for stats in members.iter().map(|member| member.node.stats()) {
            totals.bytes_in += stats.bytes_in;
            totals.bytes_out += stats.bytes_out;
            totals.payload_out += stats.payload_out;
        }
        totals
    }

    fn since(self, earlier: Totals) -> Totals {
        Totals {
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            payload_out: self.payload_out.saturating_sub(earlier.payload_out),
            cpu: self.cpu.saturating_sub(earlier.cpu),
        }
    }
}

/// The forming of the network.
#[derive(Debug, Default)]
pub struct Forming {
    pub samples: Vec<Sample>,
    pub took: Duration,
    /// When each node first had its target, sorted; those that never had it are missing.
    pub reached: Vec<Duration>,
    pub missed: usize,
    /// Links of each node at the end, sorted.
    pub degrees: Vec<u32>,
    pub totals: Totals,
}

/// The gossip.
#[derive(Debug)]
pub struct Gossip {
    begun: Duration,
    pub took: Duration,
    pub tally: Tally,
    pub latencies: Histogram<u64>,
    pub totals: Totals,
}

/// Everything.
#[derive(Debug)]
pub struct Figures {
    pub nodes: u32,
    pub size: usize,
    pub seed: u64,
    pub target: u32,
    pub forming: Option<Forming>,
    pub gossip: Option<Gossip>,
    pub shut_down_in: Duration,
    pub threads_left: Vec<String>,
    pub descriptors_left: Vec<String>,
    faults: Vec<String>,
    samples: Vec<Sample>,
    begin: Totals,
    formed: Totals,
}

/// Samples that are kept; of a longer run every other one is dropped, again and again.
const SAMPLES_MAX: usize = 600;

impl Figures {
    pub fn new(args: &Testnet) -> Figures {
        Figures {
            nodes: args.nodes,
            size: args.size,
            seed: args.seed,
            target: target(args.nodes),
            forming: None,
            gossip: None,
            shut_down_in: Duration::ZERO,
            threads_left: Vec::new(),
            descriptors_left: Vec::new(),
            faults: Vec::new(),
            samples: Vec::new(),
            begin: Totals { cpu: cpu_time(), ..Totals::default() },
            formed: Totals::default(),
        }
    }

    pub fn sample(&mut self, sample: Sample) {
        if self.samples.len() >= SAMPLES_MAX {
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        self.samples.push(sample);
    }

    /// The network has formed, or its time is over.
    pub fn formed(&mut self, members: &[Member], took: Duration, reached: &[Option<Duration>], mut degrees: Vec<u32>) {
        self.formed = Totals::of(members);
        let mut times: Vec<Duration> = reached.iter().flatten().copied().collect();
        times.sort_unstable();
        degrees.sort_unstable();
        self.forming = Some(Forming {
            samples: std::mem::take(&mut self.samples),
            took,
            // Who never had it, or has lost it again by now.
            missed: (reached.len() - times.len()).max(degrees.iter().filter(|links| **links < self.target).count()),
            reached: times,
            degrees,
            totals: self.formed.since(self.begin),
        });
    }

    /// The gossip is over. When the messages came follows with `add_inbox`.
    pub fn gossiped(&mut self, members: &[Member], begun: Duration, tally: Tally) {
        let totals = Totals::of(members).since(self.formed);
        self.gossip = Some(Gossip { begun, took: Duration::ZERO, tally, latencies: latencies(), totals });
    }

    /// What one node's application has seen.
    pub fn add_inbox(&mut self, inbox: &Inbox) {
        let Some(gossip) = &mut self.gossip else { return };
        gossip.took = gossip.took.max(inbox.last.saturating_sub(gossip.begun));
        // Both histograms have the same bounds, so that nothing can be out of range.
        let _ = gossip.latencies.add(&inbox.latencies);
    }

    /// Something that must not happen.
    pub fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    pub fn leaked(&mut self, threads: Vec<String>, descriptors: Vec<String>) {
        self.threads_left = threads;
        self.descriptors_left = descriptors;
    }

    /// Everything that makes this run a failure. A run that was interrupted may have missed targets, but may not leak.
    pub fn problems(&self, is_interrupted: bool) -> Vec<String> {
        let mut problems = self.faults.clone();
        if !is_interrupted {
            let missed = self.forming.as_ref().map_or(0, |forming| forming.missed);
            if missed > 0 {
                problems.push(format!("{missed} of {} nodes missed their target of {} links", self.nodes, self.target));
            }
            let lost = self.gossip.as_ref().map_or(0, |gossip| gossip.tally.published as usize - gossip.tally.complete);
            if lost > 0 {
                problems.push(format!("{lost} messages did not reach every node"));
            }
        }
        for (what, left) in [("thread", &self.threads_left), ("descriptor", &self.descriptors_left)] {
            if !left.is_empty() {
                problems.push(format!("{} {what}s were left behind: {}", left.len(), left.join(", ")));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_the_sorted_values() {
        assert_eq!(Spread::of(&[5, 1, 3]), Spread { min: 1, median: 3, max: 5 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }

    #[test]
    fn what_is_missed_lost_or_left_behind_is_a_problem_and_an_interruption_excuses_no_leak() {
        let args = Testnet { nodes: 2, messages: 1, size: 64, json: true, seed: 1, patience: Duration::ZERO };
        let mut figures = Figures::new(&args);
        assert!(figures.problems(false).is_empty());
        figures.forming = Some(Forming { missed: 1, ..Forming::default() });
        figures.gossiped(&[], Duration::ZERO, Tally { published: 3, complete: 1, ..Tally::default() });
        assert_eq!(figures.problems(false).len(), 2);
        assert!(figures.problems(true).is_empty());
        figures.leaked(vec!["bwl-reactor".to_owned()], vec!["9 -> socket:[1]".to_owned()]);
        assert_eq!(figures.problems(true).len(), 2);
        figures.fault("node 1 failed".to_owned());
        assert_eq!(figures.problems(false).len(), 5);
    }

    #[test]
    fn samples_of_a_long_run_are_thinned_evenly() {
        let args = Testnet { nodes: 2, messages: 0, size: 64, json: true, seed: 1, patience: Duration::ZERO };
        let mut figures = Figures::new(&args);
        for second in 0..2_000 {
            figures.sample(Sample::new(Duration::from_secs(second), 0, &[], &[]));
        }
        assert!(figures.samples.len() <= SAMPLES_MAX);
        assert!(figures.samples.is_sorted_by_key(|sample| sample.at));
        assert_eq!(figures.samples[0].at, Duration::ZERO);
    }
}
