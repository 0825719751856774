//! What is seen while the testnet runs: bars and a small table on a terminal, a line a second elsewhere, nothing with --json.
//! It goes to standard error, so that standard output holds the figures alone.

use super::figures::{Sample, Spread};
use crate::cli::args::Testnet;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two plain lines.
const LINE_PERIOD: Duration = Duration::from_secs(1);

/// The view.
pub struct View {
    kind: Kind,
    nodes: u64,
    deliveries: u64,
    begun: Instant,
    /// The last plain line, and when it was written.
    told: Option<(Instant, String)>,
}

enum Kind {
    Terminal(Terminal),
    Lines,
    Nothing,
}

struct Terminal {
    phase: ProgressBar,
    at_target: ProgressBar,
    delivered: ProgressBar,
    table: [ProgressBar; 3],
}

impl View {
    pub fn new(args: &Testnet) -> View {
        let nodes = u64::from(args.nodes);
        let deliveries = u64::from(args.messages) * (nodes - 1);
        let kind = match (args.json, std::io::stderr().is_terminal()) {
            (true, _) => Kind::Nothing,
            (false, true) => Kind::Terminal(Terminal::new(nodes, deliveries)),
            (false, false) => Kind::Lines,
        };
        View { kind, nodes, deliveries, begun: Instant::now(), told: None }
    }

    /// Another phase begins.
    pub fn phase(&mut self, name: &'static str) {
        self.told = None;
        match &self.kind {
            Kind::Terminal(terminal) => terminal.phase.set_message(name),
            Kind::Lines => eprintln!("{:>7.1} s  {name}", self.begun.elapsed().as_secs_f64()),
            Kind::Nothing => {}
        }
    }

    /// How far the forming is.
    pub fn formed(&mut self, sample: &Sample) {
        let is_complete = sample.at_target as u64 == self.nodes;
        if let Kind::Terminal(terminal) = &self.kind {
            terminal.at_target.set_position(sample.at_target as u64);
            terminal.table[1].set_message(row("links", sample.links));
            terminal.table[2].set_message(row("known addresses", sample.known));
        } else if is_complete || self.is_time() {
            let Sample { at_target, links, known, .. } = sample;
            self.line(format!(
                "{at_target}/{} at target, links {}/{}/{}, known addresses {}/{}/{} (min/median/max)",
                self.nodes, links.min, links.median, links.max, known.min, known.median, known.max
            ));
        }
    }

    /// How far the gossip is.
    pub fn gossiped(&mut self, delivered: u64) {
        if let Kind::Terminal(terminal) = &self.kind {
            terminal.delivered.set_position(delivered);
        } else if delivered == self.deliveries || self.is_time() {
            self.line(format!("{delivered} of {} deliveries", self.deliveries));
        }
    }

    /// The figures come next.
    pub fn end(&mut self) {
        if let Kind::Terminal(terminal) = &self.kind {
            terminal.phase.finish_and_clear();
            for bar in [&terminal.at_target, &terminal.delivered].into_iter().chain(&terminal.table) {
                bar.finish_and_clear();
            }
        }
    }

    /// Bars draw themselves when they change, lines when a second is over.
    fn is_time(&self) -> bool {
        self.told.as_ref().is_none_or(|(at, _)| at.elapsed() >= LINE_PERIOD)
    }

    fn line(&mut self, text: String) {
        if matches!(self.kind, Kind::Lines) && self.told.as_ref().is_none_or(|(_, last)| *last != text) {
            eprintln!("{:>7.1} s  {text}", self.begun.elapsed().as_secs_f64());
        }
        self.told = Some((Instant::now(), text));
    }
}

impl Terminal {
    fn new(nodes: u64, deliveries: u64) -> Terminal {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let style = |template: &str| {
            let style = ProgressStyle::with_template(template).expect("the templates below are well-formed");
            style.progress_chars("=> ")
        };
        let bar = |length: u64, name: &'static str| {
            let bar = all.add(ProgressBar::new(length));
            bar.set_style(style("{prefix:>16} [{bar:40}] {pos}/{len}"));
            bar.set_prefix(name);
            bar
        };
        let text = |message: String| {
            let line = all.add(ProgressBar::new(0));
            line.set_style(style("{msg}"));
            line.set_message(message);
            line
        };
        // The first line shows the time that has passed; it is drawn again with every sample.
        let phase = all.add(ProgressBar::new(0));
        phase.set_style(style("{elapsed:>16} {msg}"));
        let at_target = bar(nodes, "at target");
        let delivered = bar(deliveries, "delivered");
        let table = [
            text(format!("{:>16} {:>8} {:>8} {:>8}", "", "min", "median", "max")),
            text(row("links", Spread::default())),
            text(row("known addresses", Spread::default())),
        ];
        Terminal { phase, at_target, delivered, table }
    }
}

fn row(name: &str, spread: Spread) -> String {
    format!("{name:>16} {:>8} {:>8} {:>8}", spread.min, spread.median, spread.max)
}
