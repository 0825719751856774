//! Prints the figures: as a page for people, or as one JSON object.

use super::figures::{Figures, Forming, Gossip, Spread, Totals};
use super::gossip::Tally;
use std::fmt::Write;
use std::time::Duration;

/// Rows of the degree distribution.
const ROWS: u32 = 8;
/// Width of its longest bar.
const BAR: usize = 40;

/// The page.
pub fn page(figures: &Figures, is_interrupted: bool) -> String {
    let mut page = String::new();
    let mut row = |name: &str, text: String| writeln!(page, "{name:<10}{text}").expect("a string takes everything");
    row("network", format!("{} nodes, {} links or more each", figures.nodes, figures.target));
    if let Some(forming) = &figures.forming {
        let Spread { min, median, max } = Spread::of(&forming.degrees);
        row("formed", formed(forming, figures.nodes));
        row("links", format!("min {min}, median {median}, max {max}"));
        distribution(&forming.degrees).into_iter().for_each(|line| row("", line));
        row("per node", cost(&forming.totals, figures.nodes, "to form"));
    }
    if let Some(gossip) = &figures.gossip {
        let Tally { copies, deliveries, skipped, .. } = gossip.tally;
        row("gossip", delivered(gossip, figures.size));
        row("latency", latency(gossip));
        row("copies", format!("{:.2} received for each delivered, {} not queued", ratio(copies, deliveries), skipped));
        row("per node", cost(&gossip.totals, figures.nodes, "to gossip"));
        row("overhead", format!("{:.4} bytes on the wire for each byte of message", overhead(gossip)));
    }
    row("shutdown", format!("{}", Seconds(figures.shut_down_in)));
    if is_interrupted {
        row("note", "interrupted".to_owned());
    }
    let problems = figures.problems(is_interrupted);
    let verdict = if problems.is_empty() { vec!["nothing lost, nothing left behind".to_owned()] } else { problems };
    verdict.into_iter().for_each(|what| row("result", what));
    page
}

fn formed(forming: &Forming, nodes: u32) -> String {
    let reached = forming.reached.len();
    let at = |index: usize| forming.reached.get(index).copied().map_or("-".to_owned(), |time| Seconds(time).to_string());
    format!(
        "{reached} of {nodes} at their target after {}; median {}, last {}",
        Seconds(forming.took),
        at(reached / 2),
        at(reached.saturating_sub(1))
    )
}

/// How many nodes have how many links, as bars.
fn distribution(degrees: &[u32]) -> Vec<String> {
    let (Some(min), Some(max)) = (degrees.first(), degrees.last()) else { return Vec::new() };
    let width = (max - min + 1).div_ceil(ROWS);
    let rows = (max - min + 1).div_ceil(width);
    let counts: Vec<usize> =
        (0..rows).map(|row| degrees.iter().filter(|degree| (*degree - min) / width == row).count()).collect();
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let line = |(row, count): (u32, &usize)| {
        let low = min + row * width;
        let name = if width == 1 { low.to_string() } else { format!("{low}-{}", low + width - 1) };
        format!("{name:>9} {:<BAR$} {count}", "#".repeat((count * BAR).div_ceil(most)))
    };
    (0..rows).zip(&counts).map(line).collect()
}

fn delivered(gossip: &Gossip, size: usize) -> String {
    let Tally { published, deliveries, expected, .. } = &gossip.tally;
    let share = 100.0 * ratio(*deliveries, *expected);
    format!(
        "{published} messages of {size} bytes in {}: {deliveries} of {expected} deliveries ({share:.3} %)",
        Seconds(gossip.took)
    )
}

fn latency(gossip: &Gossip) -> String {
    let at = |quantile: f64| millis(gossip.latencies.value_at_quantile(quantile));
    format!("p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms", at(0.5), at(0.9), at(0.99), millis(gossip.latencies.max()))
}

fn cost(totals: &Totals, nodes: u32, what: &str) -> String {
    let each = |bytes: u64| bytes as f64 / f64::from(nodes) / 1_024.0;
    let cpu = totals.cpu.as_secs_f64() * 1e3 / f64::from(nodes);
    format!("{:.1} KiB sent, {:.1} KiB received, {cpu:.1} ms of CPU {what}", each(totals.bytes_out), each(totals.bytes_in))
}

fn overhead(gossip: &Gossip) -> f64 {
    ratio(gossip.totals.bytes_out, gossip.totals.payload_out)
}

fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// A duration in seconds with two digits.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} s", self.0.as_secs_f64())
    }
}

/// One JSON object. Times in seconds, sizes in bytes; a phase that did not happen is null.
pub fn json(figures: &Figures, is_interrupted: bool) -> String {
    let problems = figures.problems(is_interrupted);
    let members = [
        ("nodes", figures.nodes.to_string()),
        ("target", figures.target.to_string()),
        ("seed", figures.seed.to_string()),
        ("forming", figures.forming.as_ref().map_or("null".to_owned(), |forming| json_forming(forming, figures.nodes))),
        ("gossip", figures.gossip.as_ref().map_or("null".to_owned(), |gossip| json_gossip(gossip, figures))),
        ("shutdown_s", seconds(figures.shut_down_in)),
        ("threads_left", figures.threads_left.len().to_string()),
        ("descriptors_left", figures.descriptors_left.len().to_string()),
        ("interrupted", is_interrupted.to_string()),
        ("ok", problems.is_empty().to_string()),
        ("problems", array(problems.iter().map(|problem| quoted(problem)))),
    ];
    object(&members)
}

fn json_forming(forming: &Forming, nodes: u32) -> String {
    let spread = |spread: &Spread| format!("[{},{},{}]", spread.min, spread.median, spread.max);
    let samples = forming.samples.iter().map(|sample| {
        object(&[
            ("at_s", seconds(sample.at)),
            ("at_target", sample.at_target.to_string()),
            ("links", spread(&sample.links)),
            ("known", spread(&sample.known)),
        ])
    });
    object(&[
        ("took_s", seconds(forming.took)),
        ("missed", forming.missed.to_string()),
        ("reached_s", array(forming.reached.iter().map(|time| seconds(*time)))),
        ("degrees", array(forming.degrees.iter().map(u32::to_string))),
        ("samples", array(samples)),
        ("per_node", json_cost(&forming.totals, nodes)),
    ])
}

fn json_gossip(gossip: &Gossip, figures: &Figures) -> String {
    let tally = &gossip.tally;
    let at = |quantile: f64| format!("{:.6}", gossip.latencies.value_at_quantile(quantile) as f64 / 1e9);
    object(&[
        ("messages", tally.published.to_string()),
        ("size", figures.size.to_string()),
        ("took_s", seconds(gossip.took)),
        ("complete", tally.complete.to_string()),
        ("deliveries", tally.deliveries.to_string()),
        ("expected", tally.expected.to_string()),
        ("delivery_ratio", format!("{:.6}", ratio(tally.deliveries, tally.expected))),
        ("copies", tally.copies.to_string()),
        ("skipped", tally.skipped.to_string()),
        ("latency_s", object(&[("p50", at(0.5)), ("p90", at(0.9)), ("p99", at(0.99)), ("max", at(1.0))])),
        ("wire_overhead", format!("{:.6}", overhead(gossip))),
        ("per_node", json_cost(&gossip.totals, figures.nodes)),
    ])
}

fn json_cost(totals: &Totals, nodes: u32) -> String {
    let each = |total: u64| (total / u64::from(nodes)).to_string();
    object(&[
        ("bytes_out", each(totals.bytes_out)),
        ("bytes_in", each(totals.bytes_in)),
        ("cpu_s", format!("{:.6}", totals.cpu.as_secs_f64() / f64::from(nodes))),
    ])
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_in_one_row_of_the_distribution() {
        for degrees in [vec![19; 20], vec![1], (0..100).collect::<Vec<u32>>(), vec![3, 3, 4, 9, 17, 17, 40]] {
            let rows = distribution(&degrees);
            let count: usize =
                rows.iter().map(|row| row.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()).expect("a count")).sum();
            assert_eq!(count, degrees.len(), "{rows:#?}");
            assert!(rows.len() <= ROWS as usize);
        }
        assert!(distribution(&[]).is_empty());
    }

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
        assert_eq!(object(&[("a", array([quoted("x"), "1".to_owned()].into_iter()))]), "{\"a\":[\"x\",1]}");
    }
}
