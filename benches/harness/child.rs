//! Each measurement is a program that runs twice: a receiver, which tells on its standard output where it listens, and a sender. Both end
//! with one line of figures. The program is the benchmark itself, or one in another language that reads the same arguments. A child
//! that does not end in time is killed, so that the benchmark always ends.

use super::measure::{Figures, pin};
use super::task::{CHILD, Cell, Role, Task, WORDS};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A child has this long beyond the time it measures: start, connection set-up, and a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the two ends of one measurement saw.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub sender: Figures,
    pub receiver: Figures,
}

impl Pair {
    /// The number that is compared: messages per second, or the median round trip in nanoseconds if there is one at a time.
    pub fn score(&self, cell: Cell) -> f64 {
        match cell {
            Cell::Throughput { .. } => self.receiver.messages_per_second(),
            Cell::RoundTrip { at_once: 1, .. } => self.sender.p50 as f64,
            Cell::RoundTrip { .. } => self.sender.messages_per_second(),
        }
    }
}

/// What is compared: its name, and the program that does it.
#[derive(Clone, Debug)]
pub struct Subject {
    pub name: &'static str,
    pub program: PathBuf,
}

impl Subject {
    /// One that the benchmark itself does.
    pub fn own(name: &'static str) -> Result<Subject, String> {
        let program = std::env::current_exe().map_err(|error| format!("the benchmark cannot find itself: {error}"))?;
        Ok(Subject { name, program })
    }
}

/// Runs one measurement in two processes of its own. `cpus` are the sender's and the receiver's.
pub fn measure(
    subject: &Subject,
    cell: Cell,
    warm_up: Duration,
    span: Duration,
    cpus: Option<[usize; 2]>,
) -> Result<Pair, String> {
    let patience = PATIENCE + warm_up + span;
    let task = |role| Task { subject: subject.name, role, cell, warm_up, span };
    let program = &subject.program;
    let receiver = Running::start(program, task(Role::Receive), cpus.map(|[_, receiver]| receiver), None)?;
    let at = receiver.line("its address", patience)?;
    let at: SocketAddr = at.parse().map_err(|_| format!("the receiver said '{at}' instead of its address"))?;
    let sender = Running::start(program, task(Role::Send), cpus.map(|[sender, _]| sender), Some(at))?;
    // With round trips the sender ends first, with throughput the receiver; the other end follows when its connection closes.
    let sender = sender.figures(patience)?;
    let receiver = receiver.figures(patience)?;
    Ok(Pair { sender, receiver })
}

/// A child process. Killed when dropped before its end.
struct Running {
    name: String,
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(program: &Path, task: Task, cpu: Option<usize>, to: Option<SocketAddr>) -> Result<Running, String> {
        let name = format!("{} {:?}", task.subject, task.role).to_lowercase();
        let mut command = Command::new(program);
        command.arg(CHILD).args(task.to_args()).args(to.map(|to| to.to_string()));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(cpu) = cpu {
            // SAFETY: between fork and exec it makes one system call, and allocates nothing.
            unsafe { command.pre_exec(move || pin(cpu)) };
        }
        let mut process = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
        let output = process.stdout.take().expect("the output is piped");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            // Ends with the child's output, or when nobody wants its lines any more.
            BufReader::new(output).lines().map_while(Result::ok).take_while(|line| send.send(line.clone()).is_ok()).count();
        });
        Ok(Running { name, process, lines })
    }

    fn line(&self, what: &str, patience: Duration) -> Result<String, String> {
        let lost = |_| format!("{} did not say {what} within {} s, or ended before", self.name, patience.as_secs());
        self.lines.recv_timeout(patience).map_err(lost)
    }

    fn figures(mut self, patience: Duration) -> Result<Figures, String> {
        let line = self.line("its figures", patience)?;
        let figures = Figures::from_line(&line).ok_or_else(|| format!("{} said '{line}' instead of figures", self.name))?;
        let status = self.process.wait().map_err(|error| format!("{}: {error}", self.name))?;
        if status.success() { Ok(figures) } else { Err(format!("{} ended with {status}", self.name)) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for a child that has ended and was waited for, which is what they are to bring about.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One end of one measurement, in Rust. Prints where it listens (the receiver, by what it is handed) and its figures.
pub fn be_child(
    args: &[String],
    subjects: &[&'static str],
    receive: impl FnOnce(&Task, fn(SocketAddr)) -> Result<Figures, String>,
    send: impl FnOnce(&Task, SocketAddr) -> Result<Figures, String>,
) -> Result<(), String> {
    let wrong = || format!("no task: {args:?}");
    let (task, to) = args.split_at_checked(WORDS).ok_or_else(wrong)?;
    let task = Task::from_args(task, subjects).ok_or_else(wrong)?;
    let figures = match task.role {
        Role::Receive => receive(&task, |at| say(&at.to_string())),
        Role::Send => send(&task, to.first().and_then(|to| to.parse().ok()).ok_or_else(wrong)?),
    };
    say(&figures?.to_line());
    Ok(())
}

/// One line to the parent, at once: its pipe is not a terminal, so it would otherwise wait for the end.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // A parent that is gone wants no lines.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
