//! One measurement as a value: what is measured, by which program, in which role. It travels to the child process as its arguments,
//! which programs in other languages read, too.

use std::fmt;
use std::time::Duration;

/// How messages are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each in a call, as the subject has them.
    Single,
    /// Each in a call and in a message object of its own.
    Object,
    /// So many in a call.
    Batch(usize),
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Messages of so many bytes, one way, as fast as they go.
    Throughput { size: usize, way: Way },
    /// A message of so many bytes there and back, so many at once.
    RoundTrip { size: usize, at_once: usize },
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: usize| if size >= 1_024 { format!("{} KiB", size / 1_024) } else { format!("{size} B") };
        match self {
            Cell::Throughput { size: bytes, way: Way::Single } => write!(f, "{} messages", size(*bytes)),
            Cell::Throughput { size: bytes, way: Way::Object } => write!(f, "{} objects", size(*bytes)),
            Cell::Throughput { size: bytes, way: Way::Batch(count) } => write!(f, "{} by {count}", size(*bytes)),
            Cell::RoundTrip { size: bytes, at_once: 1 } => write!(f, "{} round trip", size(*bytes)),
            Cell::RoundTrip { size: bytes, at_once } => write!(f, "{} trips, {at_once} at once", size(*bytes)),
        }
    }
}

impl Way {
    fn number(self) -> usize {
        match self {
            Way::Single => 0,
            Way::Object => 1,
            Way::Batch(count) => count,
        }
    }

    fn of(number: usize) -> Way {
        match number {
            0 => Way::Single,
            1 => Way::Object,
            count => Way::Batch(count),
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
    /// What is compared, by its name.
    pub subject: &'static str,
    pub role: Role,
    pub cell: Cell,
    /// Not counted at the beginning.
    pub warm_up: Duration,
    /// Counted.
    pub span: Duration,
}

/// The word that makes the benchmark a child; the task follows.
pub const CHILD: &str = "--child";
/// Words of a task.
pub const WORDS: usize = 7;

impl Task {
    /// The arguments behind `CHILD`: subject, role, kind, size, a number (how many trips at once; 0: single
    /// messages, 1: objects, or how many in a call), and times in milliseconds.
    pub fn to_args(self) -> [String; WORDS] {
        let (kind, size, number) = match self.cell {
            Cell::Throughput { size, way } => ("throughput", size, way.number()),
            Cell::RoundTrip { size, at_once } => ("trip", size, at_once),
        };
        let role = if self.role == Role::Receive { "receive" } else { "send" };
        let millis = |span: Duration| span.as_millis().to_string();
        let [subject, role, kind] = [self.subject, role, kind].map(str::to_owned);
        [subject, role, kind, size.to_string(), number.to_string(), millis(self.warm_up), millis(self.span)]
    }

    /// Reads what `to_args` wrote.
    pub fn from_args(args: &[String], subjects: &[&'static str]) -> Option<Task> {
        let [subject, role, kind, size, number, warm_up, span] = args else { return None };
        let (size, number) = (size.parse().ok()?, number.parse().ok()?);
        let millis = |text: &String| text.parse().ok().map(Duration::from_millis);
        let is_trip = kind == "trip";
        Some(Task {
            subject: subjects.iter().find(|known| *known == subject)?,
            role: if role == "receive" { Role::Receive } else { Role::Send },
            cell: if is_trip {
                Cell::RoundTrip { size, at_once: number }
            } else {
                Cell::Throughput { size, way: Way::of(number) }
            },
            warm_up: millis(warm_up)?,
            span: millis(span)?,
        })
    }
}
