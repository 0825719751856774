//! What a benchmark prints: medians with their range, and the ratios, taken round by round because a shared machine drifts.

use super::child::{Pair, Subject, measure};
use super::options::Options;
use super::task::Cell;

/// All runs of one cell: of each subject, by round. The first subject is what the others are compared with.
pub struct Runs {
    cell: Cell,
    /// CPUs of sender and receiver, if the kernel does not place them.
    cpus: Option<[usize; 2]>,
    of: Vec<(&'static str, Vec<Pair>)>,
}

/// Runs every cell with every subject, in turns, so often as the options say.
pub fn compare(
    options: &Options,
    subjects: &[Subject],
    cells: impl IntoIterator<Item = (Cell, Option<[usize; 2]>)>,
) -> Result<Vec<Runs>, String> {
    println!("{} rounds of {:.2} s each", options.rounds, options.span.as_secs_f64());
    let names = || subjects.iter().map(|subject| (subject.name, Vec::new())).collect();
    let mut runs: Vec<Runs> = cells.into_iter().map(|(cell, cpus)| Runs { cell, cpus, of: names() }).collect();
    for round in 1..=options.rounds {
        for Runs { cell, cpus, of } in &mut runs {
            for (subject, (_, pairs)) in subjects.iter().zip(of) {
                let pair = measure(subject, *cell, options.warm_up, options.span, *cpus);
                pairs.push(pair.map_err(|what| format!("round {round}, {cell}: {what}"))?);
            }
        }
    }
    Ok(runs)
}

impl Runs {
    /// One line for each subject and, for all but the first, one with its ratio and the goal, if it has one.
    pub fn print(&self, goal: impl Fn(&str, Cell) -> Option<f64>) {
        let Some((_, first)) = self.of.first() else { return };
        for (name, pairs) in &self.of {
            println!("{:<24} {name:<4} {}{}", self.cell.to_string(), self.describe(pairs), self.place());
        }
        for (name, pairs) in self.of.iter().skip(1) {
            let both = || first.iter().zip(pairs);
            let ratios = both().map(|(first, other)| other.score(self.cell) / first.score(self.cell).max(1.0));
            let Some(Spread { median, min, max }) = Spread::of(ratios) else { continue };
            let verdict = goal(name, self.cell).map_or(String::new(), |goal| self.verdict(median, goal));
            println!("{:<24} {name:<4} ratio {median:.2} [{min:.2}-{max:.2}]{verdict}{}", "", self.cpu_ratio(first, pairs));
        }
    }

    /// A time should be at most so much of the first subject's, a rate at least.
    fn verdict(&self, ratio: f64, goal: f64) -> String {
        let (words, is_met) = match self.cell {
            Cell::RoundTrip { at_once: 1, .. } => ("at most", ratio <= goal),
            _ => ("at least", ratio >= goal),
        };
        format!("  goal {words} {goal:.2}: {}", if is_met { "PASS" } else { "SHORT" })
    }

    /// The same by CPU time of both ends, which a busy machine disturbs less.
    fn cpu_ratio(&self, first: &[Pair], other: &[Pair]) -> String {
        let Cell::Throughput { .. } = self.cell else { return String::new() };
        let cost = |pair: &Pair| pair.sender.cpu_per_message() + pair.receiver.cpu_per_message();
        let ratios = first.iter().zip(other).map(|(first, other)| cost(first) / cost(other).max(1.0));
        Spread::of(ratios).map_or(String::new(), |ratio| format!("   ({:.2} by CPU time)", ratio.median))
    }

    fn place(&self) -> &'static str {
        if self.cpus.is_some() { "   (a CPU each)" } else { "" }
    }

    fn describe(&self, pairs: &[Pair]) -> String {
        let cell = self.cell;
        let spread = |each: &dyn Fn(&Pair) -> f64| Spread::of(pairs.iter().map(each)).expect("there is at least one run");
        let slow = || spread(&|pair| pair.sender.p99 as f64 / 1e3).median;
        match cell {
            Cell::Throughput { size, .. } => {
                let rate = spread(&|pair| pair.score(cell) / 1e6);
                let gigabytes = rate.median * size as f64 / 1e3;
                let sender = spread(&|pair| pair.sender.cpu_per_message()).median;
                let receiver = spread(&|pair| pair.receiver.cpu_per_message()).median;
                format!(
                    "{:.3} M msg/s [{:.3}-{:.3}] = {gigabytes:.3} GB/s   CPU ns/msg {sender:.0} + {receiver:.0}",
                    rate.median, rate.min, rate.max
                )
            }
            Cell::RoundTrip { at_once: 1, .. } => {
                let half = spread(&|pair| pair.score(cell) / 1e3);
                format!("p50 {:.1} us [{:.1}-{:.1}]   p99 {:.1} us", half.median, half.min, half.max, slow())
            }
            Cell::RoundTrip { .. } => {
                let rate = spread(&|pair| pair.score(cell) / 1e3);
                format!("{:.1} k/s [{:.1}-{:.1}]   p99 {:.1} us", rate.median, rate.min, rate.max, slow())
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
