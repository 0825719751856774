//! Mailboxes between threads: links, event queues, commands, the bell. The only shared mutable things besides the pool.

pub mod backlog;
pub mod bell;
pub mod calls;
pub mod command;
pub mod counters;
pub mod door;
pub mod event;
pub mod fate;
pub mod link;
pub mod listening;
pub mod outbox;
pub mod queue;
pub mod report;
pub mod requests;
pub mod roster;
pub mod routes;
pub mod stories;
pub mod sync;

#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod requests_tests;
