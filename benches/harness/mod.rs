//! What the benchmarks of two processes share: the task that a child process is given, the way time and CPU are measured, the
//! running of two child processes against each other, what those with a node do, and the table of what came of it.

pub mod child;
pub mod measure;
pub mod node;
pub mod options;
pub mod table;
pub mod task;
