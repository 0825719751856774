//! `bowline testnet`: a whole network of real nodes in one process. It forms from one bootstrap address, carries messages, is measured,
//! and goes away again; what did not work is said and makes the exit code.
//!
//! ```text
//! census ── plan: build and start ── form: wait for the targets ── gossip: flood messages ── stop all ── census ── figures
//! ```

use super::figures::Figures;
use super::plan::{self, Swarm};
use super::view::View;
use super::{form, gossip, report};
use crate::cli::args::Testnet;
use crate::cli::host::{Census, INTERRUPTED, Stop, raise_descriptor_limit};
use std::io::Write;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

/// Bytes of a message: its own head, and at most what a channel carries by default.
pub const MESSAGE_SIZES: RangeInclusive<usize> = 16..=1 << 20;

/// How long threads may take to vanish from the process table after they were joined.
const CENSUS_PATIENCE: Duration = Duration::from_secs(2);

/// A phase was cut short by a signal.
pub struct Interrupted;

/// Runs the command.
pub fn run(args: &Testnet) -> Result<ExitCode, String> {
    let stop = Stop::listen().map_err(|error| format!("signals: {error}"))?;
    require_descriptors(args.nodes)?;
    let before = Census::take().map_err(|error| format!("/proc/self: {error}"))?;
    let mut view = View::new(args);
    let mut figures = Figures::new(args);
    let mut swarm = Swarm::build(args)?;
    let phases = (|| {
        if swarm.start(&stop, &mut view)?.is_err() || form::wait(&swarm, args, &stop, &mut view, &mut figures)?.is_err() {
            return Ok(Err(Interrupted));
        }
        gossip::flood(&swarm, args, &stop, &mut view, &mut figures)
    })();
    // Whatever happened, the nodes are shut down in order and what they leave behind is looked for.
    view.phase("shutting down");
    swarm.stop(&mut figures);
    view.end();
    let (threads, descriptors) = Census::new_since(&before, CENSUS_PATIENCE).map_err(|error| format!("/proc/self: {error}"))?;
    figures.leaked(threads, descriptors);
    let outcome: Result<Result<(), Interrupted>, String> = phases;
    let is_interrupted = outcome?.is_err();
    let text = if args.json { report::json(&figures, is_interrupted) + "\n" } else { report::page(&figures, is_interrupted) };
    // A reader that went away is no failure of the network.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(match (figures.problems(is_interrupted).is_empty(), is_interrupted) {
        (true, true) => ExitCode::from(INTERRUPTED),
        (true, false) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
    })
}

/// Refuses to begin what would end in the middle for want of descriptors.
fn require_descriptors(nodes: u32) -> Result<(), String> {
    let limit = raise_descriptor_limit().map_err(|error| format!("the limit of open files: {error}"))?;
    let needed = plan::descriptors(nodes);
    if limit < needed {
        return Err(format!(
            "{nodes} nodes need {needed} open files and the limit is {limit}: raise it (ulimit -n) or start fewer nodes"
        ));
    }
    Ok(())
}
