//! What the benchmark prints: medians with their range, and the ratios, taken round by round because a shared machine drifts.

use super::child::Pair;
use super::task::{Cell, Subject};

/// All runs of one cell, by round.
pub struct Runs {
    pub cell: Cell,
    /// CPUs of sender and receiver, if the kernel does not place them.
    pub cpus: Option<[usize; 2]>,
    pub pipe: Vec<Pair>,
    pub node: Vec<Pair>,
}

impl Runs {
    pub fn new(cell: Cell, cpus: Option<[usize; 2]>) -> Runs {
        Runs { cell, cpus, pipe: Vec::new(), node: Vec::new() }
    }

    pub fn add(&mut self, subject: Subject, pair: Pair) {
        match subject {
            Subject::Pipe => self.pipe.push(pair),
            Subject::Node => self.node.push(pair),
        }
    }

    /// One line for each subject and, where both ran, their ratio against the goal.
    pub fn print(&self) {
        for (name, pairs) in [("pipe", &self.pipe), ("node", &self.node)] {
            if pairs.is_empty() {
                continue;
            }
            println!("{:<18} {name}  {}{}", self.cell.to_string(), self.describe(pairs), self.place());
        }
        let ratios = self.pipe.iter().zip(&self.node).map(|(pipe, node)| node.score(self.cell) / pipe.score(self.cell).max(1.0));
        let Some(ratio) = Spread::of(ratios) else { return };
        let (goal, is_met) = match self.cell {
            Cell::Throughput { size } if size < 1_024 => ("at least 0.50", ratio.median >= 0.5),
            Cell::Throughput { .. } => ("at least 0.80", ratio.median >= 0.8),
            Cell::RoundTrip { .. } => ("at most 1.60", ratio.median <= 1.6),
        };
        let verdict = if is_met { "PASS" } else { "SHORT" };
        let Spread { median, min, max } = ratio;
        println!("{:<18} ratio {median:.2} [{min:.2}-{max:.2}]  goal {goal}: {verdict}{}", "", self.cpu_ratio());
    }

    /// The same by CPU time of both ends, which a busy machine disturbs less.
    fn cpu_ratio(&self) -> String {
        let Cell::Throughput { .. } = self.cell else { return String::new() };
        let cost = |pair: &Pair| pair.sender.cpu_per_message() + pair.receiver.cpu_per_message();
        let ratios = self.pipe.iter().zip(&self.node).map(|(pipe, node)| cost(pipe) / cost(node).max(1.0));
        Spread::of(ratios).map_or(String::new(), |ratio| format!("   ({:.2} by CPU time)", ratio.median))
    }

    fn place(&self) -> &'static str {
        if self.cpus.is_some() { "   (a CPU each)" } else { "" }
    }

    fn describe(&self, pairs: &[Pair]) -> String {
        let cell = self.cell;
        let spread = |each: &dyn Fn(&Pair) -> f64| Spread::of(pairs.iter().map(each)).expect("there is at least one run");
        match cell {
            Cell::Throughput { size } => {
                let rate = spread(&|pair| pair.score(cell) / 1e6);
                let gigabytes = rate.median * size as f64 / 1e3;
                let sender = spread(&|pair| pair.sender.cpu_per_message()).median;
                let receiver = spread(&|pair| pair.receiver.cpu_per_message()).median;
                format!(
                    "{:.3} M msg/s [{:.3}-{:.3}] = {gigabytes:.3} GB/s   CPU ns/msg {sender:.0} + {receiver:.0}",
                    rate.median, rate.min, rate.max
                )
            }
            Cell::RoundTrip { .. } => {
                let half = spread(&|pair| pair.sender.p50 as f64 / 1e3);
                let slow = spread(&|pair| pair.sender.p99 as f64 / 1e3);
                format!("p50 {:.1} us [{:.1}-{:.1}]   p99 {:.1} us", half.median, half.min, half.max, slow.median)
            }
        }
    }
}

/// Median and range.
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Spread { median: values[values.len() / 2], min, max })
    }
}
