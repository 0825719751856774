//! `cargo bench`: messages a second and round trips from node to node through the public API over loopback, against the minimal NaCl
//! pipe, in alternating runs of two processes each. It prints ratios and whether they reach the goals, and never fails because of time:
//! the exit code says only whether everything ran.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the real clock and starts processes")]

mod harness;
mod node;
mod pipe;

use harness::child::measure;
use harness::measure::{Figures, pin};
use harness::options::{HELP, Options};
use harness::table::Runs;
use harness::task::{CHILD, Role, Subject, Task};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((first, rest)) if first == CHILD => be_child(rest),
        _ => Options::parse(args.into_iter()).and_then(|options| compare(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("node_to_node: {what}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> Result<(), String> {
    if options.is_help {
        println!("{HELP}");
        return Ok(());
    }
    println!("{} rounds of {:.2} s each", options.rounds, options.span.as_secs_f64());
    let mut runs = options.runs();
    for round in 1..=options.rounds {
        for of_cell in &mut runs {
            for subject in &options.subjects {
                let pair = measure(*subject, of_cell.cell, options.warm_up, options.span, of_cell.cpus)
                    .map_err(|what| format!("round {round}, {}: {what}", of_cell.cell))?;
                of_cell.add(*subject, pair);
            }
        }
    }
    runs.iter().for_each(Runs::print);
    Ok(())
}

/// One end of one measurement. Prints where it listens (the receiver) and its figures.
fn be_child(args: &[String]) -> Result<(), String> {
    let wrong = || format!("no task: {args:?}");
    let (task, to) = args.split_at_checked(7).ok_or_else(wrong)?;
    let task = Task::from_args(task).ok_or_else(wrong)?;
    if let Some(cpu) = task.cpu {
        pin(cpu).map_err(|error| format!("CPU {cpu}: {error}"))?;
    }
    let figures = match task.role {
        Role::Receive => receive(&task),
        Role::Send => send(&task, to.first().and_then(|to| to.parse().ok()).ok_or_else(wrong)?),
    };
    say(&figures?.to_line());
    Ok(())
}

fn receive(task: &Task) -> Result<Figures, String> {
    let ready = |at: SocketAddr| say(&at.to_string());
    match task.subject {
        Subject::Pipe => pipe::receive(task, ready).map_err(|error| format!("pipe, receiver: {error}")),
        Subject::Node => node::receive(task, ready).map_err(|error| format!("node, receiver: {error}")),
    }
}

fn send(task: &Task, to: SocketAddr) -> Result<Figures, String> {
    match task.subject {
        Subject::Pipe => pipe::send(task, to).map_err(|error| format!("pipe, sender: {error}")),
        Subject::Node => node::send(task, to).map_err(|error| format!("node, sender: {error}")),
    }
}

/// One line to the parent, at once: its pipe is not a terminal, so it would otherwise wait for the end.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone wants no lines.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
