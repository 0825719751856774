//! `bowline identity`: makes an identity file, with the search for its stamp in view, or checks one and shows its public part.

use super::args::Identity as Arguments;
use super::host::{INTERRUPTED, Stop};
use bowline::{Error, FileFault, Identity, load_identity, load_or_create_identity};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{ErrorKind, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

/// Runs the command.
pub fn run(args: &Arguments) -> Result<ExitCode, String> {
    match args {
        Arguments::New { file, pow_bits } => {
            match std::fs::symlink_metadata(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Ok(_) => return Err(format!("{} is there already: an identity is never overwritten", file.display())),
                Err(error) => return Err(format!("{}: {error}", file.display())),
            }
            let stop = Stop::listen().map_err(|error| format!("signals: {error}"))?;
            let Some(identity) = load_or_search(file, *pow_bits, &stop)? else {
                eprintln!("given up, nothing was written");
                return Ok(ExitCode::from(INTERRUPTED));
            };
            show(&identity, file);
        }
        Arguments::Show { file } => show(&load_identity(file, 0).map_err(|error| error.to_string())?, file),
    }
    Ok(ExitCode::SUCCESS)
}

/// The identity in `file`; if there is none, one is made and stored. `None` if a signal ended the search.
pub fn load_or_search(file: &Path, pow_bits: u32, stop: &Stop) -> Result<Option<Identity>, String> {
    let bar = search_bar();
    let mut progress = |tried, expected| {
        bar.set_length(expected);
        bar.set_position(tried);
        stop.signals.try_recv().is_err()
    };
    let result = load_or_create_identity(file, pow_bits, &mut progress);
    bar.finish_and_clear();
    match result {
        Ok(identity) => Ok(Some(identity)),
        Err(Error::IdentityFile { kind: FileFault::Stopped, .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// How many stamps were tried, of those that are tried on average. A search may be lucky, or take several times as long.
fn search_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "searching a stamp [{bar:40}] {human_pos} tries, {human_len} on average, {elapsed}";
    let style = ProgressStyle::with_template(template).expect("the template is well-formed").progress_chars("=> ");
    ProgressBar::new(0).with_style(style)
}

fn show(identity: &Identity, file: &Path) {
    println!("id        {}", identity.id());
    println!("pow-bits  {}", identity.pow_bits());
    println!("file      {}", file.display());
}
