//! What both subjects of the comparison share: the task that a child process is given, the way time and CPU are measured, and the
//! running of two child processes against each other.

pub mod child;
pub mod measure;
pub mod options;
pub mod table;
pub mod task;
