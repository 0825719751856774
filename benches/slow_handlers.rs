//! `cargo bench --bench slow_handlers`: what a handler that takes its time does to a link. The matrix of CometBFT's PR 5746 (message sizes
//! of 1, 8, 64 and 512 KiB, 1, 8 and 16 senders, handlers that take 0, 20, 100 and 250 ms) over loopback, and beside each cell the
//! round trips of small messages on another channel of the first of these links. All figures are of one run on one machine, so that their
//! ratios mean something: the rate against what the handlers allow, the round trips against the handlers' time. A link on which one
//! handler stalls the others, as CometBFT's does while a reactor is slow, would show round trips of that time or more. It never fails
//! because of a figure: the exit code says only whether everything ran.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the real clock and starts threads")]

mod handlers;
mod loopback;

use std::process::ExitCode;

const HELP: &str = "\
Slow handlers beside quick ones, over loopback: a matrix of message sizes, senders and handler times.

    cargo bench --bench slow_handlers -- [options]

    --whole       all 48 cells, 3 s each; otherwise 12 of them, 1 s each
    --help        this text

of what is possible   messages/s, of the lesser of what the handlers allow and what goes without a delay
p50, p99              round trips of 100 bytes on another channel of the first sender's link
p99 / delay           below 1: who handles that other channel does not wait for the slow handler";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => handlers::tell(false),
        ["--whole"] => handlers::tell(true),
        ["--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(format!("unknown arguments {args:?}; --help lists them")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("slow_handlers: {what}");
            ExitCode::FAILURE
        }
    }
}
