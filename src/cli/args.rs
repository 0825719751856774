//! The command line of the `bowline` program, and the help that is made from the settings table.

use bowline::settings::table::{Setting, TABLE};
use bowline::settings::value::{Kind, Value};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// The peer-to-peer layer of a blockchain node: start a network, run a node, make an identity.
#[derive(Debug, Parser)]
#[command(name = "bowline", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole network in this process, let it find itself, gossip over it, and measure it
    Testnet(Testnet),
    /// Run a node, as a bootstrap node for one, until it is told to stop
    Run(Run),
    /// Make or show an identity file
    #[command(subcommand)]
    Identity(Identity),
    /// List every setting with its default, range and meaning
    Settings(Settings),
}

/// Every node is a real one with its own TCP addresses: node i listens on and dials from 127.(i+1).0.1, and all but node 0 know only
/// node 0. Limits are at their defaults. The exit code is 0 if every node reached its target, no message was lost, and no thread or
/// descriptor was left behind; 130 after Ctrl-C.
#[derive(Clone, Debug, Args)]
pub struct Testnet {
    /// Nodes of the network
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=250))]
    pub nodes: u32,
    /// Messages to gossip, each from a node chosen at random
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub messages: u32,
    /// Bytes of each message, such as 64, 1KiB or 1MiB
    #[arg(long, default_value = "1KiB", value_parser = message_size)]
    pub size: usize,
    /// Print nothing but a summary in JSON
    #[arg(long)]
    pub json: bool,
    /// Seed of the choice of who sends; the nodes draw their own randomness
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How long the network may take to form
    #[arg(long, default_value = "3min", value_parser = duration)]
    pub patience: Duration,
}

/// Settings come from the file, then from --set, which wins. The program logs to its standard error; RUST_LOG says how much (info).
/// SIGINT and SIGTERM stop the node in order.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Settings file in TOML: `[network]` and below it `name = "…"` is the setting network.name
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, such as discovery.bootstrap=true; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// Identity file; made if it is not there
    #[arg(long, value_name = "FILE", default_value = "bowline.identity")]
    pub identity: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Identity {
    /// Make a new identity; Ctrl-C gives up the search for its stamp
    New {
        /// Where to put it; an existing file is never overwritten
        file: PathBuf,
        /// Difficulty of the network: each bit doubles the search
        #[arg(long, default_value_t = 26, value_parser = clap::value_parser!(u32).range(0..=40))]
        pow_bits: u32,
    },
    /// Check an identity file and print its public part
    Show { file: PathBuf },
}

#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// As a Markdown table, as in docs/operators.md
    #[arg(long)]
    pub markdown: bool,
}

impl Arguments {
    /// Parses the command line; prints help or what is wrong and exits where clap does.
    pub fn read() -> Arguments {
        let command = Arguments::command().mut_subcommand("run", |run| run.after_long_help(settings_help()));
        Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

/// Every setting in a few lines, for `bowline run --help` and `bowline settings`.
pub fn settings_help() -> String {
    let mut text = String::from("Settings:\n");
    for setting in TABLE {
        let Setting { name, doc, .. } = setting;
        let live = if setting.is_live() { ", live" } else { "" };
        text.push_str(&format!("\n  {name} = {}    ({}{live})\n      {doc}\n", shown_default(setting), shown_range(setting)));
    }
    text
}

/// The table of docs/operators.md.
pub fn settings_markdown() -> String {
    let mut text = String::from("| setting | default | range | live | memory | meaning |\n|---|---|---|---|---|---|\n");
    for setting in TABLE {
        let Setting { name, memory, doc, .. } = setting;
        let (default, range) = (shown_default(setting), shown_range(setting));
        let live = if setting.is_live() { "yes" } else { "" };
        text.push_str(&format!("| `{name}` | `{default}` | {range} | {live} | {memory} | {doc} |\n"));
    }
    text
}

/// What is allowed; the ends of durations carry their unit themselves.
fn shown_range(setting: &Setting) -> String {
    match (setting.range, setting.kind) {
        (Some((min, max)), Kind::Duration) => format!("{min} to {max}"),
        (Some((min, max)), _) => format!("{min} to {max} {}", setting.unit),
        (None, Kind::Switch | Kind::Choice) => setting.kind.expects().to_owned(),
        (None, _) => setting.unit.to_owned(),
    }
}

/// An empty default is shown as such.
fn shown_default(setting: &Setting) -> &'static str {
    if setting.default.is_empty() { "\"\"" } else { setting.default }
}

fn message_size(text: &str) -> Result<usize, String> {
    let bytes = <u64 as Value>::read(text).ok_or("write bytes such as 64, 1KiB or 1MiB")?;
    let range = super::testnet::command::MESSAGE_SIZES;
    usize::try_from(bytes)
        .ok()
        .filter(|size| range.contains(size))
        .ok_or_else(|| format!("{bytes} is out of range, {} to {} bytes are allowed", range.start(), range.end()))
}

fn duration(text: &str) -> Result<Duration, String> {
    <Duration as Value>::read(text).ok_or_else(|| "write a duration such as 30s or 3min".to_owned())
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value, such as discovery.bootstrap=true")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_outside_of_a_message_are_refused() {
        assert_eq!(message_size("1KiB"), Ok(1_024));
        for (text, says) in [("8", "8 is out of range"), ("2GiB", "is out of range"), ("much", "write bytes")] {
            assert!(message_size(text).expect_err(text).contains(says), "{text}");
        }
    }

    #[test]
    fn an_assignment_may_contain_an_equals_sign() {
        assert_eq!(assignment("network.name = a=b"), Ok(("network.name".to_owned(), "a=b".to_owned())));
        assert!(assignment("network.name").is_err());
    }

    #[test]
    fn the_manual_has_every_setting() {
        let manual = include_str!("../../docs/operators.md");
        assert!(
            manual.contains(&settings_markdown()),
            "docs/operators.md is stale: put in what `bowline settings --markdown` prints"
        );
    }
}
