//! `cargo bench --bench faces`: the same work through the Rust API, the C face and the Go package: messages one way and requests with
//! their answers, over loopback between two processes that both speak the same language, in alternating runs. It prints ratios to Rust
//! and whether C reaches its goal, and never fails because of time: the exit code says only whether everything ran.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the real clock and starts processes")]

#[path = "faces/programs.rs"]
mod programs;
#[path = "faces/rust.rs"]
mod rust;

mod harness;

use harness::child::{Subject, be_child};
use harness::options::{self, Options};
use harness::table::compare;
use harness::task::{CHILD, Cell, Way};
use std::process::ExitCode;

const RUST: &str = "rust";
const C: &str = "c";
const GO: &str = "go";
/// Messages in a batch that is sent.
const BATCH: usize = 64;

const HELP: &str = "\
The C face and the Go package against the Rust API, two processes each, in alternating runs. C is compiled with cc (or CC), Go is left out
if there is none; both use the shared library that cargo has built beside this benchmark.

    cargo bench --bench faces -- [options]
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((first, rest)) if first == CHILD => be_child(rest, &[RUST], rust::receive, rust::send),
        _ => Options::parse(args.into_iter(), &[RUST, C, GO]).and_then(|options| run(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("faces: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.is_help {
        println!("{HELP}\n{}", options::HELP);
        return Ok(());
    }
    let runs = compare(options, &subjects(options)?, cells(options))?;
    runs.iter().for_each(|runs| runs.print(goal));
    Ok(())
}

/// Rust first: the others are compared with it.
fn subjects(options: &Options) -> Result<Vec<Subject>, String> {
    let mut subjects = Vec::new();
    if options.wants(RUST) {
        subjects.push(Subject::own(RUST)?);
    }
    if options.wants(C) {
        subjects.push(Subject { name: C, program: programs::in_c()? });
    }
    if options.wants(GO) {
        match programs::in_go()? {
            Some(program) => subjects.push(Subject { name: GO, program }),
            None => println!("go 1.24 or pkg-config is missing: the Go package is not measured"),
        }
    }
    Ok(subjects)
}

/// Batches in C cost hardly more than in Rust; what the rest costs is stated.
fn goal(name: &str, cell: Cell) -> Option<f64> {
    (name == C && matches!(cell, Cell::Throughput { way: Way::Batch(_), .. })).then_some(0.95)
}

/// What is measured, in the order it is measured and printed.
fn cells(options: &Options) -> Vec<(Cell, Option<[usize; 2]>)> {
    let sizes = options.size.map_or_else(|| vec![64 * 1_024, 4 * 1_024, 512, 16], |size| vec![size]);
    let ways = |size| [Way::Batch(BATCH), Way::Single, Way::Object].map(|way| Cell::Throughput { size, way });
    let mut cells: Vec<Cell> = sizes.into_iter().flat_map(ways).collect();
    if options.size.is_none() {
        cells.extend([1, 32].map(|at_once| Cell::RoundTrip { size: 64, at_once }));
    }
    cells.into_iter().map(|cell| (cell, options.cpus())).collect()
}
