//! Rates and weights of links while the node runs, how their channels stand, and waiting until everything is sent. Part of the node's face: it checks what is asked and
//! orders it from the reactor; any thread may call it, `flush` alone waits for bytes.

use super::error::Error;
use super::node::Node;
use crate::base::limits::STOP_TIMEOUT;
use crate::base::link_id::LinkId;
use crate::bus::backlog::ChannelStats;
use crate::bus::command::{Command, Flush};
use crate::settings::check::check_link_rates;
use crossbeam_channel::bounded;
use std::sync::Arc;
use std::time::Duration;

impl Node {
    /// Sets how many bytes a second all links together may send and receive from now on; 0: no limit. It holds until the node stops; a
    /// start begins with `bandwidth.up` and `bandwidth.down`. `stats` says what holds now.
    ///
    /// # Errors
    /// `Rate` when one is too slow for each of `pool.max` links to get its turn in time, or too fast: nothing is changed then. `State`
    /// before the start, `Stopped`, `Failed`.
    pub fn set_bandwidth(&self, up: u64, down: u64) -> Result<(), Error> {
        self.settings().check_rates(up, down)?;
        self.shared()?.order(Command::SetRates { up, down });
        Ok(())
    }

    /// Sets how many bytes a second `link` may send and receive, as long as it lives, instead of `bandwidth.peer_up` and
    /// `bandwidth.peer_down`; 0: no limit of its own. `link_stats` says what holds now.
    ///
    /// # Errors
    /// `Rate` when one is slower than 1 KiB/s, so that a record would take longer than peers wait, or too fast: nothing is changed then.
    /// `NoLink`, `State`, `Stopped`, `Failed`.
    pub fn set_peer_bandwidth(&self, link: LinkId, up: u64, down: u64) -> Result<(), Error> {
        check_link_rates(up, down)?;
        self.order_for(link, Command::SetLinkRates { link, up, down })
    }

    /// Sets the share that `link` gets of what all links move together, as long as it lives: so many times that of a link of weight 1,
    /// instead of what its peer's score has earned. Whatever the others do not use is shared out by weight, too. `link_stats` says what
    /// holds now.
    ///
    /// # Errors
    /// `Weight` unless it is from 1 to `bandwidth.weight_max`. `NoLink`, `State`, `Stopped`, `Failed`.
    pub fn set_weight(&self, link: LinkId, weight: u32) -> Result<(), Error> {
        let max = self.settings().bandwidth_weight_max;
        if !(1..=max).contains(&weight) {
            return Err(Error::Weight(weight, max));
        }
        self.order_for(link, Command::SetWeight { link, weight, rank: u64::MAX })
    }

    /// How each channel of the application stands on an open link: what waits in both directions and for how long, credit, and what could
    /// not be sent.
    ///
    /// # Errors
    /// `NoLink`, `State`, `Stopped`, `Failed`; `Timeout` if the reactor does not answer.
    ///
    /// # Blocks
    /// For a turn of the reactor; at most 5 s.
    pub fn channel_stats(&self, link: LinkId) -> Result<Vec<ChannelStats>, Error> {
        let (answer, stats) = bounded(1);
        self.order_for(link, Command::Inspect { link, answer })?;
        self.shared()?
            .wait_for(&stats, STOP_TIMEOUT)
            .map_err(|error| if error.is_timeout() { Error::Timeout } else { Error::NoLink(link) })
    }

    /// Waits until nothing waits to be sent on a link, or on any (`None`), and the system has every byte: that the peer has them is not said.
    /// What others send meanwhile is waited for, too.
    ///
    /// # Errors
    /// `NoLink` if it is not open, or closes meanwhile; of all links, those that close are passed over. `Timeout`; `State` before the start,
    /// `Stopped`, `Failed`.
    ///
    /// # Blocks
    /// At most `timeout`; not after the node's stop.
    pub fn flush(&self, link: Option<LinkId>, timeout: Duration) -> Result<(), Error> {
        let shared = self.shared()?;
        shared.refuse_wait(timeout)?;
        let deadline = shared.clock.deadline(Some(timeout));
        let links: Vec<LinkId> = match link {
            Some(link) => vec![shared.open_link(link)?.id],
            None => shared.roster.all().iter().map(|link| link.id).collect(),
        };
        let waits = Arc::new(());
        let order = |link: LinkId| {
            let (done, flushed) = bounded(1);
            shared.order(Command::Flush { link, flush: Flush { done, waits: Arc::downgrade(&waits) } });
            (link, flushed)
        };
        let ordered: Vec<_> = links.into_iter().map(order).collect();
        if let Some(seat) = &shared.seat {
            seat.settle();
        }
        for (closed, flushed) in ordered {
            match flushed.recv_deadline(deadline) {
                Err(error) if error.is_timeout() => return Err(Error::Timeout),
                Err(_) => {
                    self.shared()?;
                    if link.is_some() {
                        return Err(Error::NoLink(closed));
                    }
                }
                Ok(()) => {}
            }
        }
        Ok(())
    }

    fn order_for(&self, link: LinkId, command: Command) -> Result<(), Error> {
        let shared = self.shared()?;
        shared.open_link(link)?;
        shared.order(command);
        Ok(())
    }
}
