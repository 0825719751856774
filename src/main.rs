//! The `bowline` program: reads the command line and hands over. The exit code is 0 when all went well, 1 when not, 130 after Ctrl-C.
#![allow(clippy::disallowed_methods, reason = "the program stands above node/: it reads the clock and starts threads of its own")]

mod cli;

use cli::args::{Arguments, Command, settings_help, settings_markdown};
use cli::{identity, run, testnet};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Arguments::read().command {
        Command::Testnet(args) => testnet::command::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Identity(args) => identity::run(&args),
        Command::Settings(args) => {
            let text = if args.markdown { settings_markdown() } else { settings_help() };
            // A reader that went away (`| head`) is no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|what| {
        eprintln!("bowline: {what}");
        ExitCode::FAILURE
    })
}
