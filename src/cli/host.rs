//! What the program asks the operating system about itself: CPU time, open descriptors, threads, signals.
#![allow(unsafe_code, reason = "getrusage and setrlimit have no safe face in the dependencies")]

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, io};

/// CPU time of this process so far, user and system, all threads.
pub fn cpu_time() -> Duration {
    // SAFETY: getrusage writes one rusage, for which all zeros is a valid value, and keeps no pointer.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Raises the soft limit of open descriptors to the hard one and returns it; most systems start programs with 1,024.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write one rlimit and keep no pointer.
    let result = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
    };
    if result == 0 { Ok(limit.rlim_cur) } else { Err(io::Error::last_os_error()) }
}

/// The threads and descriptors of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// By id; a thread gets its name only some time after its start.
    threads: BTreeMap<String, String>,
    /// With what they point to: a number alone may be used again.
    descriptors: BTreeSet<String>,
}

impl Census {
    pub fn take() -> io::Result<Census> {
        // What is gone when it is asked for its name is left out, such as the descriptor with which the directory was read.
        let named = |id: String| Some((fs::read_to_string(format!("/proc/self/task/{id}/comm")).ok()?, id));
        let pointed = |fd: String| Some(format!("{fd} -> {}", fs::read_link(format!("/proc/self/fd/{fd}")).ok()?.display()));
        let threads = entries("/proc/self/task")?.into_iter().filter_map(named);
        let threads = threads.map(|(name, id)| (id, name.trim().to_owned())).collect();
        let descriptors = entries("/proc/self/fd")?.into_iter().filter_map(pointed).collect();
        Ok(Census { threads, descriptors })
    }

    /// Threads and descriptors that are there now and were not in `before`. A thread that was joined may be listed for a moment longer,
    /// so everything is looked for again until `patience` is over.
    pub fn new_since(before: &Census, patience: Duration) -> io::Result<(Vec<String>, Vec<String>)> {
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        loop {
            let now = Census::take()?;
            let new = now.threads.into_iter().filter(|(id, _)| !before.threads.contains_key(id));
            let threads: Vec<String> = new.map(|(_, name)| name).collect();
            let descriptors: Vec<String> = now.descriptors.difference(&before.descriptors).cloned().collect();
            if threads.is_empty() && descriptors.is_empty() || waited >= patience {
                return Ok((threads, descriptors));
            }
            std::thread::park_timeout(step);
            waited += step;
        }
    }
}

fn entries(directory: &str) -> io::Result<Vec<String>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// SIGINT and SIGTERM as messages on a channel: whoever waits for something can wait for them as well. A second signal while the
/// first is still being obeyed ends the process at once.
pub struct Stop {
    pub signals: Receiver<()>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Exit code after a signal: 128 and the number of SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

impl Stop {
    pub fn listen() -> io::Result<Stop> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let (send, receive) = bounded(1);
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for (count, _) in signals.forever().enumerate() {
                if count > 0 || send.send(()).is_err() {
                    std::process::exit(i32::from(INTERRUPTED));
                }
            }
        })?;
        Ok(Stop { signals: receive, handle, thread: Some(thread) })
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It only forwards signals; that it panicked would have been printed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_census_sees_what_is_left_open() {
        let before = Census::take().expect("/proc is there");
        let file = std::fs::File::open("/proc/self/status").expect("a file to hold open");
        // Other tests of this process may open descriptors at the same time, so only this one is looked for.
        let (_, held) = Census::new_since(&before, Duration::ZERO).expect("/proc is there");
        assert!(held.iter().any(|what| what.ends_with("/status")), "{held:?}");
        drop(file);
    }

    #[test]
    fn cpu_time_grows() {
        let before = cpu_time();
        let work = (0..20_000_000_u64).fold(1_u64, |sum, n| std::hint::black_box(sum ^ n.wrapping_mul(31)));
        assert!(cpu_time() > before, "{work}");
    }
}
