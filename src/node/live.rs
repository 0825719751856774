//! Settings that change while the node runs. Part of the node's face: a change is checked with everything else that holds, and taken up
//! whole or not at all. Any thread may call; no call waits for more than the pool's lock.

use super::access;
use super::error::Error;
use super::node::Node;
use super::pump;
use crate::base::reason::CloseReason;
use crate::pool::policy::Policy;
use crate::settings::check::Checked;
use crate::settings::table::Settings;
use crate::settings::value::Value;

impl Node {
    /// Changes the setting `key` to what `text` says, until the node stops: those that are marked live in `docs/operators.md`. Links beyond
    /// new bounds are let go by the next rounds of maintenance, of which one begins at once; what waits already waits as long as it was to.
    ///
    /// # Errors
    /// `Setting` when there is no such key, or the text does not say a value in its range; `Settings` when it does not agree with the
    /// others; `Fixed` when it is not live, or would need more memory or descriptors than the node was started with. Nothing is changed
    /// then. `State` before the start, `Stopped`, `Failed`.
    pub fn set(&self, key: &str, text: &str) -> Result<(), Error> {
        let shared = self.shared()?;
        let at_start = self.settings();
        // From here to the end one call at a time: two of them must not check each against what the other replaces.
        let mut live = shared.live.lock();
        let mut wanted: Settings = (**live).clone();
        wanted.set(key, text)?;
        if let Some(row) = Settings::row(key).filter(|row| !row.is_live()) {
            return Err(Error::Fixed { key: row.name, at_start: at_start.get(row.name).unwrap_or_default() });
        }
        // Addresses are known by now, or nobody needs any.
        let checked = wanted.check_knowing(usize::MAX).map_err(Error::Settings)?;
        if let Some((key, most)) = beyond(&checked, at_start) {
            return Err(Error::Fixed { key, at_start: most });
        }
        let ((), out) = shared.work(|now, pool, out| {
            pool.set_policy(Policy::from(&checked));
            access::close(&pool.part_with_strangers(now), CloseReason::NotTrusted, out);
            (out.nudge_maintenance, out.nudge_exchange) = (true, true);
        });
        *live = checked;
        pump::tell(out, shared);
        Ok(())
    }

    /// What the setting `key` says now, in the text that `set` reads; `None` if there is no such key.
    pub fn setting(&self, key: &str) -> Option<String> {
        match self.running() {
            Some(running) => running.shared.live.lock().get(key),
            None => self.settings().get(key),
        }
    }
}

/// What asks for more than was counted with at the start, and how much that was.
fn beyond(wanted: &Checked, at_start: &Checked) -> Option<(&'static str, String)> {
    let (now, then) = (wanted.bounds(), at_start.bounds());
    let rows = [
        ("pool.max", now.max, then.max),
        ("pool.outbound_max", now.outbound_max, then.outbound_max),
        ("pool.trusted_extra", wanted.pool_trusted_extra, at_start.pool_trusted_extra),
        ("dial.parallel_max", wanted.dial_parallel_max, at_start.dial_parallel_max),
    ];
    rows.into_iter().find(|(_, now, then)| now > then).map(|(key, _, then)| (key, then.print()))
}
