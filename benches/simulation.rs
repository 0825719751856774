//! `cargo bench --bench simulation`: how fast the simulator is. A network forms from one bootstrap node and then lives on; each part is
//! timed by itself, with stub keys and with real ones, in turns of one run. Time is that of the processor, so that a busy machine does not
//! count. It never fails because of time: the exit code says only whether the networks broke no rule.

use bowline::base::address::Address;
use bowline::sim::host::{Host, Plan};
use bowline::sim::pipe::Weather;
use bowline::sim::world::{Keys, World};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
Events a second of a simulated network, on one core.

    cargo bench --bench simulation -- [options]

    --nodes N     hosts, 200 unless told
    --minutes N   virtual minutes after the network has formed, 60 unless told
    --rounds N    runs of each kind, 2 unless told
    --only KIND   stub or real
    --quick       20 hosts, 2 minutes, one round: does it run at all?
    --help        this text

An event is a line of the trace: bytes written, under way, read, a turn of a reactor, a worker or an application.";

struct Options {
    nodes: u16,
    minutes: u64,
    rounds: u64,
    only: Option<Keys>,
}

/// What one part of a run took.
#[derive(Clone, Copy, Default)]
struct Part {
    events: u64,
    cpu: Duration,
    simulated: Duration,
}

/// What this process has used of its processor so far.
fn cpu_time() -> Duration {
    // SAFETY: getrusage writes one rusage, for which all zeros is a valid value, and keeps no pointer.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let of = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

impl Part {
    fn of(world: &mut World, time: Duration) -> Result<Part, String> {
        let (before, begun) = (world.trace().events(), cpu_time());
        world.run_for(time).map_err(|violation| violation.to_string())?;
        Ok(Part { events: world.trace().events() - before, cpu: cpu_time().saturating_sub(begun), simulated: time })
    }

    fn add(&mut self, other: Part) {
        self.events += other.events;
        self.cpu += other.cpu;
        self.simulated += other.simulated;
    }

    fn rate(self) -> f64 {
        self.events as f64 / self.cpu.as_secs_f64()
    }

    fn print(self, name: &str) {
        let (events, cpu, rate) = (self.events, self.cpu.as_secs_f64(), self.rate());
        let times = self.simulated.as_secs_f64() / cpu;
        println!("  {name:<8} {events:>10} events in {cpu:>7.2} s: {rate:>9.0} a second, {times:>6.0} x real time");
    }
}

const PARTS: [&str; 2] = ["forming", "living"];

fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [50 + high, low, 7, 1].into()
}

fn plan(number: u16) -> Plan {
    let mut plan = Plan::new(address(number));
    if number == 0 {
        plan.settings.discovery_bootstrap = true;
    } else {
        plan.settings.discovery_seeds = vec![Address::of(SocketAddr::new(address(0), 9_732), None)];
    }
    plan
}

/// A network forms for five minutes, then lives on.
fn play(options: &Options, seed: u64, keys: Keys) -> Result<[Part; 2], String> {
    let mut world = World::with_keys(seed, Weather::rough(), keys);
    for number in 0..options.nodes {
        world.add(plan(number)).map_err(|error| error.to_string())?;
    }
    let forming = Part::of(&mut world, Duration::from_secs(300))?;
    let living = Part::of(&mut world, Duration::from_secs(60 * options.minutes))?;
    let links: usize = world.hosts().map(|host: &Host| host.links().len()).sum();
    let (a_host, trace) = (links as f64 / f64::from(options.nodes), world.trace().hash());
    println!("{keys:?} keys, seed {seed}: {a_host:.1} links a host, trace {trace:032x}");
    Ok([forming, living])
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options { nodes: 200, minutes: 60, rounds: 2, only: None };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let mut number = |name: &str| {
            let text = args.next().ok_or(format!("{name} needs a number"))?;
            text.parse::<u16>().map_err(|_| format!("{name} needs a number up to 65,535, not '{text}'"))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => options = Options { nodes: 20, minutes: 2, rounds: 1, ..options },
            "--nodes" => options.nodes = number("--nodes")?,
            "--minutes" => options.minutes = number("--minutes")?.into(),
            "--rounds" => options.rounds = number("--rounds")?.into(),
            "--only" => {
                options.only = match args.next().as_deref() {
                    Some("stub") => Some(Keys::Stub),
                    Some("real") => Some(Keys::Real),
                    other => return Err(format!("--only needs stub or real, not {other:?}")),
                }
            }
            unknown => return Err(format!("unknown argument '{unknown}'; --help lists them")),
        }
    }
    Ok(Some(options))
}

fn tell(options: &Options) -> Result<(), String> {
    println!("{} hosts, 5 minutes of forming and {} of living", options.nodes, options.minutes);
    let mut sums = [[Part::default(); 2]; 2];
    for seed in 1..=options.rounds {
        for (keys, sums) in [Keys::Stub, Keys::Real].into_iter().zip(&mut sums) {
            if options.only.is_some_and(|only| only != keys) {
                continue;
            }
            let parts = play(options, seed, keys)?;
            parts.iter().zip(PARTS).for_each(|(part, name)| part.print(name));
            sums.iter_mut().zip(parts).for_each(|(sum, part)| sum.add(part));
        }
    }
    if options.only.is_none() {
        let [stub, real] = sums;
        for ((stub, real), name) in stub.iter().zip(real).zip(PARTS) {
            println!("{name}: stub keys {:.2} times as fast as real ones", stub.rate() / real.rate());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let result = match options() {
        Ok(Some(options)) => tell(&options),
        Ok(None) => {
            println!("{HELP}");
            Ok(())
        }
        Err(what) => Err(what),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("simulation: {what}");
            ExitCode::FAILURE
        }
    }
}
