//! The benchmark's command line. Arguments that cargo adds (`--bench`) are accepted and mean nothing.

use super::table::Runs;
use super::task::{Cell, Subject};
use std::time::Duration;

pub const HELP: &str = "\
Node to node over loopback against the minimal NaCl pipe, two processes each, in alternating runs.

    cargo bench --bench node_to_node -- [options]

    --rounds N    runs of each cell and subject (7)
    --seconds S   seconds measured in each run (0.7)
    --pin         sender's process on CPU 0, receiver's on CPU 1 (otherwise the kernel places them, and the round trip is
                  measured both ways: a wake-up of another CPU costs several times one of the same CPU)
    --size BYTES  messages of this size, one way, instead of all cells
    --pipe-only   measure the pipe alone: the ceiling of this machine
    --quick       one short round of everything: does it run at all?
    --help        this text";

/// How to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub rounds: usize,
    pub warm_up: Duration,
    pub span: Duration,
    pub is_pinned: bool,
    /// The one size that is asked for.
    pub size: Option<usize>,
    pub subjects: Vec<Subject>,
    pub is_help: bool,
}

impl Options {
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            rounds: 7,
            warm_up: Duration::from_millis(150),
            span: Duration::from_millis(700),
            is_pinned: false,
            size: None,
            subjects: vec![Subject::Pipe, Subject::Node],
            is_help: false,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => {}
                "--help" | "-h" => options.is_help = true,
                "--pin" => options.is_pinned = true,
                "--pipe-only" => options.subjects = vec![Subject::Pipe],
                "--quick" => {
                    options.rounds = 1;
                    options.warm_up = Duration::from_millis(50);
                    options.span = Duration::from_millis(150);
                }
                "--size" => options.size = Some(number(&arg, args.next(), 1.0, 1_048_576.0)? as usize),
                "--rounds" => options.rounds = number(&arg, args.next(), 1.0, 1_000.0)? as usize,
                "--seconds" => options.span = Duration::from_secs_f64(number(&arg, args.next(), 0.05, 60.0)?),
                other => return Err(format!("unknown argument '{other}'; --help lists them")),
            }
        }
        Ok(options)
    }

    /// What is measured, in the order it is measured and printed.
    pub fn runs(&self) -> Vec<Runs> {
        if let Some(size) = self.size {
            return vec![Runs::new(Cell::Throughput { size }, self.is_pinned.then_some([0, 1]))];
        }
        let trip = Cell::RoundTrip { size: 64 };
        let mut cells = [64 * 1_024, 1_024, 64].map(|size| (Cell::Throughput { size }, self.is_pinned)).to_vec();
        cells.push((trip, self.is_pinned));
        let has_two = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() >= 2);
        if has_two && !self.is_pinned {
            cells.push((trip, true));
        }
        cells.into_iter().map(|(cell, is_pinned)| Runs::new(cell, is_pinned.then_some([0, 1]))).collect()
    }
}

fn number(name: &str, value: Option<String>, min: f64, max: f64) -> Result<f64, String> {
    let value = value.ok_or_else(|| format!("{name} needs a number"))?;
    let parsed = value.parse().ok().filter(|number| (min..=max).contains(number));
    parsed.ok_or_else(|| format!("{name} takes a number from {min} to {max}, not '{value}'"))
}
