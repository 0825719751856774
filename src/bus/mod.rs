//! Mailboxes between threads: links, event queues, commands, the bell. The only shared mutable things besides the pool.

pub mod command;
pub mod outbox;
pub mod report;
