//! `cargo bench --bench fair_shares`: how a node shares what it may send, over real sockets on this machine. The exact figures are those of
//! `tests/bandwidth.rs`, in virtual time; here the same stories are told with a kernel and a busy machine in between, as ratios of runs
//! that alternate. It never fails because of time: the exit code says only whether everything ran.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the real clock and starts threads and processes")]

mod fair;
mod loopback;

use std::process::ExitCode;

const HELP: &str = "\
Shares, urgent messages and peers that do not read, over loopback.

    cargo bench --bench fair_shares -- [options] [shares] [urgent] [stalled]

    --quick       short runs: does it run at all?
    --help        this text

Without names all three are told.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let result = match args.split_first() {
        Some((first, rest)) if first == fair::CHILD => fair::stalled::be_child(rest),
        _ => tell(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("fair_shares: {what}");
            ExitCode::FAILURE
        }
    }
}

fn tell(args: &[String]) -> Result<(), String> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let is_quick = args.iter().any(|arg| arg == "--quick");
    let names: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--quick").collect();
    if let Some(unknown) = names.iter().find(|name| !["shares", "urgent", "stalled"].contains(name)) {
        return Err(format!("unknown argument '{unknown}'; --help lists them"));
    }
    let is_asked = |name: &str| names.is_empty() || names.contains(&name);
    if is_asked("shares") {
        fair::shares::tell(is_quick)?;
    }
    if is_asked("urgent") {
        fair::urgent::tell(is_quick)?;
    }
    if is_asked("stalled") {
        fair::stalled::tell(is_quick)?;
    }
    Ok(())
}
