//! Time and CPU of one end: a window over a flow of messages, or the distribution of round trips. All subjects in Rust are measured by
//! this same code, so that what it costs is the same for all; those in other languages do as it does.

use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// What one end has measured. Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub messages: u64,
    pub bytes: u64,
    pub wall: u64,
    pub cpu: u64,
    /// Round trips only: median and 99th percentile.
    pub p50: u64,
    pub p99: u64,
}

impl Figures {
    pub fn messages_per_second(&self) -> f64 {
        self.messages as f64 * 1e9 / self.wall.max(1) as f64
    }

    pub fn cpu_per_message(&self) -> f64 {
        self.cpu as f64 / self.messages.max(1) as f64
    }

    /// One line for the parent process.
    pub fn to_line(self) -> String {
        let Figures { messages, bytes, wall, cpu, p50, p99 } = self;
        format!("{messages} {bytes} {wall} {cpu} {p50} {p99}")
    }

    /// Reads what `to_line` wrote.
    pub fn from_line(line: &str) -> Option<Figures> {
        let numbers: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
        let [messages, bytes, wall, cpu, p50, p99] = numbers[..] else { return None };
        Some(Figures { messages, bytes, wall, cpu, p50, p99 })
    }
}

/// Counts messages from the end of the warm-up to the end of the span.
pub struct Window {
    warm_up: Duration,
    span: Duration,
    first: Option<Instant>,
    begun: Option<(Instant, u64)>,
    messages: u64,
    bytes: u64,
}

impl Window {
    pub fn new(warm_up: Duration, span: Duration) -> Window {
        Window { warm_up, span, first: None, begun: None, messages: 0, bytes: 0 }
    }

    /// A window from now until `end` is called.
    pub fn endless() -> Window {
        let now = Instant::now();
        Window { first: Some(now), begun: Some((now, cpu_time())), ..Window::new(Duration::ZERO, Duration::MAX) }
    }

    /// So much has arrived since the last call. The figures, once the span is over.
    pub fn note(&mut self, messages: u64, bytes: u64) -> Option<Figures> {
        let now = Instant::now();
        let first = *self.first.get_or_insert(now);
        let Some((begun, _)) = self.begun else {
            if now - first >= self.warm_up {
                self.begun = Some((now, cpu_time()));
            }
            return None;
        };
        self.messages += messages;
        self.bytes += bytes;
        (now - begun >= self.span).then(|| self.end())
    }

    /// The figures up to now.
    pub fn end(&mut self) -> Figures {
        let (begun, cpu) = self.begun.unwrap_or_else(|| (Instant::now(), cpu_time()));
        let wall = begun.elapsed().as_nanos() as u64;
        Figures { messages: self.messages, bytes: self.bytes, wall, cpu: cpu_time() - cpu, p50: 0, p99: 0 }
    }
}

/// Collects round-trip times from the end of the warm-up to the end of the span.
pub struct Trips {
    warm_up: Duration,
    span: Duration,
    first: Instant,
    begun: Instant,
    /// When the warm-up ended.
    counted: Option<Instant>,
    times: Histogram<u64>,
}

impl Trips {
    pub fn new(warm_up: Duration, span: Duration) -> Trips {
        let now = Instant::now();
        // Up to a minute with three digits: a trip that takes longer is recorded as a minute.
        let times = Histogram::new_with_max(60_000_000_000, 3).expect("a minute and three digits are within bounds");
        Trips { warm_up, span, first: now, begun: now, counted: None, times }
    }

    pub fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// The answer is here. The figures, once the span is over.
    pub fn end(&mut self) -> Option<Figures> {
        self.end_of(self.begun)
    }

    /// The answer to what was asked then is here: where there are several at once.
    pub fn end_of(&mut self, begun: Instant) -> Option<Figures> {
        let now = Instant::now();
        if now - self.first < self.warm_up {
            return None;
        }
        let since = *self.counted.get_or_insert(now);
        self.times.saturating_record((now - begun).as_nanos() as u64);
        (now - since >= self.span).then(|| Figures {
            messages: self.times.len(),
            wall: (now - since).as_nanos() as u64,
            p50: self.times.value_at_quantile(0.5),
            p99: self.times.value_at_quantile(0.99),
            ..Figures::default()
        })
    }
}

/// CPU time of this process so far, all threads, user and system, nanoseconds.
fn cpu_time() -> u64 {
    // SAFETY: getrusage writes one rusage, for which all zeros is a valid value, and keeps no pointer.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let nanos = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    nanos(usage.ru_utime) + nanos(usage.ru_stime)
}

/// Keeps this process, and the threads that it will start, on one CPU. It may be called between fork and exec.
pub fn pin(cpu: usize) -> std::io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(std::io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all zeros is the empty set; CPU_SET stays inside it because of the check above; the kernel only reads it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
