//! One measurement as a value: what is measured, by which program, in which role. It travels to the child process as its arguments.

use std::fmt;
use std::time::Duration;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Pipe,
    Node,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Messages of so many bytes, one way, as fast as they go.
    Throughput { size: usize },
    /// A message of so many bytes there and back, one at a time.
    RoundTrip { size: usize },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: usize| if size >= 1_024 { format!("{} KiB", size / 1_024) } else { format!("{size} B") };
        match self {
            Cell::Throughput { size: bytes } => write!(f, "{} messages", size(*bytes)),
            Cell::RoundTrip { size: bytes } => write!(f, "{} round trip", size(*bytes)),
        }
    }
}

/// Which end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Receive,
    Send,
}

/// What a child process has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub subject: Subject,
    pub role: Role,
    pub cell: Cell,
    /// Not counted at the beginning.
    pub warm_up: Duration,
    /// Counted.
    pub span: Duration,
    /// The only CPU that the process may run on.
    pub cpu: Option<usize>,
}

/// The word that makes the benchmark a child; the task follows.
pub const CHILD: &str = "--child";

impl Task {
    /// The arguments behind `CHILD`.
    pub fn to_args(self) -> Vec<String> {
        let (kind, size) = match self.cell {
            Cell::Throughput { size } => ("throughput", size),
            Cell::RoundTrip { size } => ("trip", size),
        };
        let subject = if self.subject == Subject::Pipe { "pipe" } else { "node" };
        let role = if self.role == Role::Receive { "receive" } else { "send" };
        let cpu = self.cpu.map_or("any".to_owned(), |cpu| cpu.to_string());
        let millis = |span: Duration| span.as_millis().to_string();
        let words = [subject, role, kind].map(str::to_owned);
        words.into_iter().chain([size.to_string(), millis(self.warm_up), millis(self.span), cpu]).collect()
    }

    /// Reads what `to_args` wrote.
    pub fn from_args(args: &[String]) -> Option<Task> {
        let [subject, role, kind, size, warm_up, span, cpu] = args else { return None };
        let size = size.parse().ok()?;
        let millis = |text: &String| text.parse().ok().map(Duration::from_millis);
        Some(Task {
            subject: if subject == "pipe" { Subject::Pipe } else { Subject::Node },
            role: if role == "receive" { Role::Receive } else { Role::Send },
            cell: if kind == "trip" { Cell::RoundTrip { size } } else { Cell::Throughput { size } },
            warm_up: millis(warm_up)?,
            span: millis(span)?,
            cpu: cpu.parse().ok(),
        })
    }
}
