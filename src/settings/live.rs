//! Which settings may be changed while a node runs. It knows names alone: the node carries a change out, and says what of it has to wait
//! for a start.

use super::table::Setting;

/// Settings that a running node takes up at once, in the order of the table.
const LIVE: &[&str] = &[
    "accept.ip_burst",
    "accept.ip_period",
    "accept.rate",
    "handshake.half_open_per_ip",
    "handshake.half_open_per_group",
    "pool.min",
    "pool.expected",
    "pool.max",
    "pool.min_threshold",
    "pool.min_target",
    "pool.max_target",
    "pool.max_threshold",
    "pool.outbound_target",
    "pool.outbound_max",
    "pool.per_ip_max",
    "pool.per_group_max",
    "pool.trusted_extra",
    "pool.roles",
    "pool.evict_age_min",
    "pool.trusted_only",
    "maintenance.period",
    "dial.period",
    "dial.parallel_max",
    "dial.attempts_max",
    "dial.backoff_max",
    "dial.bad_period",
    "dial.persistent_period_max",
    "dial.rate",
    "dial.point_period",
    "dial.host_period",
    "dial.prefix_burst",
    "dial.prefix_period",
    "feeler.period",
    "book.anchors",
    "greylist.timeout",
    "greylist.timeout_max",
    "score.warn",
    "score.greylist",
    "score.ban",
    "score.ban_time",
    "pex.request_interval_min",
    "pex.request_timeout",
    "pex.addresses_max",
    "pex.idle_period",
    "pex.period_max",
    "pex.intake_period",
    "pex.intake_burst",
    "discovery.period",
    "discovery.checks",
    "discovery.crawl_period",
    "book.tried_after",
];

impl Setting {
    /// Whether a running node takes it up at once. Of `pool.max`, `pool.outbound_max`, `pool.trusted_extra` and `dial.parallel_max` no more
    /// than at the start: memory and descriptors were counted with it.
    pub fn is_live(&self) -> bool {
        LIVE.contains(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::TABLE;
    use super::*;

    #[test]
    fn each_is_a_row_and_they_stand_in_its_order() {
        let rows: Vec<&str> = TABLE.iter().filter(|setting| setting.is_live()).map(|setting| setting.name).collect();
        assert_eq!(rows, LIVE);
    }
}
