//! What the node counts as text for Prometheus and those who read the same format (OpenMetrics 1.0). Part of the node's face; no call
//! blocks, any thread may make it.

use super::node::Node;
use crate::base::reason::CloseReason;
use crate::bus::counters::{ChannelTotals, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// Values of `Stats` that also fall; all others only grow.
const GAUGES: [&str; 7] = ["links_in", "links_out", "points_known", "bans", "greylisted", "rate_up", "rate_down"];

impl Node {
    /// All counters as OpenMetrics text (`application/openmetrics-text; version=1.0.0; charset=utf-8`): of the node, of its channels by
    /// name, and of ended connections and dials by reason. Names begin with `bowline_`. Some kilobytes.
    pub fn metrics_text(&self) -> String {
        let channels = self.channels().iter().map(|channel| {
            // Names need not differ.
            (
                [("channel", format!("{:#04x}", channel.id.0)), ("name", channel.name.clone())],
                self.channel_totals(channel.id).unwrap_or_default(),
            )
        });
        let counted = Counted { stats: self.stats(), channels: channels.collect(), ends: self.ends() };
        let mut registry = Registry::with_prefix("bowline");
        registry.register_collector(Box::new(counted));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[derive(Debug)]
struct Counted {
    stats: Stats,
    channels: Vec<([(&'static str, String); 2], ChannelTotals)>,
    ends: Vec<(CloseReason, u64)>,
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, what, value) in self.stats.rows() {
            if GAUGES.contains(&name) {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(encoder.encode_descriptor(name, sentence(what), None, gauge.metric_type())?)?;
            } else {
                let counter = ConstCounter::new(value);
                counter.encode(encoder.encode_descriptor(name, sentence(what), None, counter.metric_type())?)?;
            }
        }
        let rows = self.channels.first().map(|(_, totals)| totals.rows()).unwrap_or_default();
        for (at, (name, what, _)) in rows.into_iter().enumerate() {
            let family = format!("channel_{name}");
            let values = self
                .channels
                .iter()
                .map(|(labels, totals)| (labels.each_ref().map(|(key, text)| (*key, text.as_str())), totals.rows()[at].2));
            family_of(&mut encoder, &family, sentence(what), values)?;
        }
        let ends = self.ends.iter().map(|(reason, count)| ([("reason", reason.text())], *count));
        family_of(&mut encoder, "ends", "Connections and dials that ended, by reason", ends)
    }
}

/// A counter for each label.
fn family_of<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    what: &str,
    values: impl Iterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, what, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A description as the format has it: without a full stop.
fn sentence(doc: &str) -> &str {
    doc.trim().trim_end_matches('.')
}
