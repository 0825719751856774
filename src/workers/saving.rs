//! When what has changed is saved: each period, and at once when somebody is kept out who was not. It orders the save, and tells once when it
//! has failed; maintenance asks it in each round.

use crate::bus::outbox::{Job, Notice, Outbox};
use crate::pool::table::Pool;

const LOG: &str = "bowline::store";

/// The save that is under way, and how the last one went.
#[derive(Debug, Default)]
pub struct Saving {
    ticket: u64,
    is_under_way: bool,
    has_failed: bool,
}

impl Saving {
    /// Orders a save if it is time: what fails is tried again in the next period, not at once.
    pub fn round(&mut self, is_period: bool, pool: &mut Pool, out: &mut Outbox) {
        if self.is_under_way {
            return;
        }
        let is_urgent = pool.take_urgent();
        if is_urgent || is_period && pool.has_changes() {
            self.is_under_way = true;
            self.ticket += 1;
            out.jobs.push(Job::Save { ticket: self.ticket, is_durable: is_urgent });
        }
    }

    /// A save has ended.
    pub fn saved(&mut self, ticket: u64, result: Result<(), String>, out: &mut Outbox) {
        if ticket != self.ticket {
            return;
        }
        self.is_under_way = false;
        let had_failed = std::mem::replace(&mut self.has_failed, result.is_err());
        match result {
            Err(text) if !had_failed => {
                out.log.push((log::Level::Error, LOG, format!("not saved, and tried again each maintenance.period: {text}")));
                out.notices.push(Notice::StoreFailed { text });
            }
            Ok(()) if had_failed => out.log.push((log::Level::Info, LOG, "saved again".to_owned())),
            _ => {}
        }
    }
}
