//! The operator's calls that steer whom a node is linked with: rounds of maintenance, a pause, seeds, persistent peers. Each gives an order
//! and says what became of it; the workers carry it out. Part of `Node`'s face.

use super::error::Error;
use super::node::Node;
use crate::base::address::Address;
use crate::base::limits::STOP_TIMEOUT;
use crate::bus::outbox::Answered;
use crate::pool::table::Pool;
use crate::workers::maintenance::Input;
use std::time::Duration;

/// Orders that maintenance carries out in one step are done in milliseconds. Who waits so long has a machine that does nothing else.
const PATIENCE: Duration = STOP_TIMEOUT;

/// How a round of maintenance has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Links at its end.
    pub links: usize,
    /// They could not be brought into bounds: nobody is left to dial now, or only protected links to drop.
    pub is_stuck: bool,
}

impl Node {
    /// Has a round of maintenance run now, and waits for its end: until links are in bounds, or nothing more can be done now. Of a round
    /// that ends after `timeout`, `Notice::RoundEnded` tells. Of more than 64 that wait for dials the oldest ends as it stands.
    ///
    /// # Errors
    /// `Timeout`, `Busy` when 64 orders wait already, `Stopped`, `Failed`, or `State` before the start.
    ///
    /// # Blocks
    /// At most `timeout`: a round lasts as long as the dials that it begins.
    pub fn maintain_and_wait(&self, timeout: Duration) -> Result<Round, Error> {
        let shared = self.shared()?;
        shared.refuse_wait(timeout)?;
        match shared.ask(&shared.maintenance, |ticket| Input::Round { ticket }, timeout)? {
            Answered::Round { links, is_stuck } => Ok(Round { links, is_stuck }),
            other => Err(misfit(&other)),
        }
    }

    /// From now on the node neither dials, but for `connect` and `dial`, nor lets anybody in from other than trusted addresses: their
    /// connections are closed without a word, and counted as `Paused` (`ends`). Who was greeted already is told `Paused`. Links and dials
    /// under way go on. Again is as good as once.
    ///
    /// # Errors
    /// `Stopped`, `Failed`, or `State` before the start.
    pub fn pause(&self) -> Result<(), Error> {
        self.shared()?.change_pool(Pool::pause);
        self.maintain()
    }

    /// Ends a pause: what is missing is dialed at once.
    ///
    /// # Errors
    /// As `pause`.
    pub fn resume(&self) -> Result<(), Error> {
        self.shared()?.change_pool(Pool::resume);
        self.maintain()
    }

    /// True between `pause` and `resume`.
    pub fn is_paused(&self) -> bool {
        self.running().is_some_and(|running| running.shared.pool.look().is_paused())
    }

    /// Dials the seeds that are not linked now, as many as there are places for, whatever else is known, and says how many dials have begun.
    /// Names among them are asked for again, and dialed later as they are needed.
    ///
    /// # Errors
    /// `Busy` when 64 orders wait already, `Timeout` after 5 s, `Stopped`, `Failed`, or `State` before the start.
    pub fn dial_seeds(&self) -> Result<usize, Error> {
        let shared = self.shared()?;
        match shared.ask(&shared.maintenance, |ticket| Input::DialSeeds { ticket }, PATIENCE)? {
            Answered::Dialed(dials) => Ok(dials),
            other => Err(misfit(&other)),
        }
    }

    /// Keeps a link with the peer at `address` from now on, as with one of `discovery.persistent`: it is dialed at once and for ever, and has
    /// a place beyond `pool.max`. True if that is new. It is not saved: a node that starts anew has those of its settings.
    ///
    /// # Errors
    /// `Address` if it is none or no node can be dialed there, `State` if it is this node itself, banned, configured with another identity, or
    /// there are 256 persistent peers already; as `dial_seeds`.
    pub fn add_persistent(&self, address: &str) -> Result<bool, Error> {
        self.set_persistent(address, true)
    }

    /// Ends what `add_persistent` or the setting began for just this address. A link that there is stays, as any other. False if it was not
    /// persistent.
    ///
    /// # Errors
    /// `Address` if it is none; as `dial_seeds`.
    pub fn remove_persistent(&self, address: &str) -> Result<bool, Error> {
        self.set_persistent(address, false)
    }

    fn set_persistent(&self, address: &str, is_added: bool) -> Result<bool, Error> {
        let shared = self.shared()?;
        let address: Address = address.parse()?;
        if is_added {
            address.check_dialable()?;
        }
        match shared.ask(&shared.maintenance, |ticket| Input::Persistent { ticket, address, is_added }, PATIENCE)? {
            Answered::Changed(is_new) => Ok(is_new),
            other => Err(misfit(&other)),
        }
    }
}

/// Why an order was not carried out; or a broken invariant of ours, each order having one kind of answer.
pub(super) fn misfit(answered: &Answered) -> Error {
    match answered {
        Answered::Refused(why) => Error::State(why),
        _ => Error::State("a worker has answered another question"),
    }
}
