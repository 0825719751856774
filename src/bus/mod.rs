//! Mailboxes between threads: links, event queues, commands, the bell. The only shared mutable things besides the pool.
