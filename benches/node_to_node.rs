//! `cargo bench`: messages a second and round trips from node to node through the public API over loopback, against the minimal NaCl
//! pipe, in alternating runs of two processes each. It prints ratios and whether they reach the goals, and never fails because of time:
//! the exit code says only whether everything ran.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the real clock and starts processes")]

mod harness;
mod node;
mod pipe;

use harness::child::{Subject, be_child};
use harness::measure::Figures;
use harness::options::{self, Options};
use harness::table::compare;
use harness::task::{CHILD, Cell, Task, Way};
use std::net::SocketAddr;
use std::process::ExitCode;

const PIPE: &str = "pipe";
const NODE: &str = "node";

const HELP: &str = "\
Node to node over loopback against the minimal NaCl pipe, two processes each, in alternating runs. Without --pin the round trip is
measured both ways: a wake-up of another CPU costs several times one of the same CPU. '--only pipe' is the ceiling of this machine.

    cargo bench --bench node_to_node -- [options]
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((first, rest)) if first == CHILD => be_child(rest, &[PIPE, NODE], receive, send),
        _ => Options::parse(args.into_iter(), &[PIPE, NODE]).and_then(|options| run(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("node_to_node: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.is_help {
        println!("{HELP}\n{}", options::HELP);
        return Ok(());
    }
    let names = [PIPE, NODE].into_iter().filter(|name| options.wants(name));
    let subjects = names.map(Subject::own).collect::<Result<Vec<_>, _>>()?;
    let runs = compare(options, &subjects, cells(options))?;
    runs.iter().for_each(|runs| runs.print(|_, cell| Some(goal(cell))));
    Ok(())
}

fn goal(cell: Cell) -> f64 {
    match cell {
        Cell::Throughput { size, .. } if size < 1_024 => 0.5,
        Cell::Throughput { .. } => 0.8,
        Cell::RoundTrip { .. } => 1.6,
    }
}

/// What is measured, in the order it is measured and printed.
fn cells(options: &Options) -> Vec<(Cell, Option<[usize; 2]>)> {
    let one_way = |size| (Cell::Throughput { size, way: Way::Single }, options.cpus());
    if let Some(size) = options.size {
        return vec![one_way(size)];
    }
    let trip = Cell::RoundTrip { size: 64, at_once: 1 };
    let mut cells = [64 * 1_024, 1_024, 64].map(one_way).to_vec();
    cells.push((trip, options.cpus()));
    let has_two = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() >= 2);
    if has_two && !options.is_pinned {
        cells.push((trip, Some([0, 1])));
    }
    cells
}

fn receive(task: &Task, ready: impl FnOnce(SocketAddr)) -> Result<Figures, String> {
    match task.subject {
        PIPE => pipe::receive(task, ready).map_err(|error| format!("pipe, receiver: {error}")),
        _ => node::receive(task, ready).map_err(|error| format!("node, receiver: {error}")),
    }
}

fn send(task: &Task, to: SocketAddr) -> Result<Figures, String> {
    match task.subject {
        PIPE => pipe::send(task, to).map_err(|error| format!("pipe, sender: {error}")),
        _ => node::send(task, to).map_err(|error| format!("node, sender: {error}")),
    }
}
