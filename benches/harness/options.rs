//! The command line of a comparison. Arguments that cargo adds (`--bench`) are accepted and mean nothing.

use std::time::Duration;

/// What every such benchmark understands.
pub const HELP: &str = "\
    --rounds N    runs of each cell and subject (7)
    --seconds S   seconds measured in each run (0.7)
    --pin         sender's process on CPU 0, receiver's on CPU 1 (otherwise the kernel places them)
    --size BYTES  messages of this size, one way, instead of all cells
    --only NAME   one subject alone
    --quick       one short round of everything: does it run at all?
    --help        this text";

/// How to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub rounds: usize,
    pub warm_up: Duration,
    pub span: Duration,
    pub is_pinned: bool,
    /// The one size that is asked for.
    pub size: Option<usize>,
    /// The one subject that is asked for.
    pub only: Option<&'static str>,
    pub is_help: bool,
}

impl Options {
    pub fn parse(args: impl Iterator<Item = String>, subjects: &[&'static str]) -> Result<Options, String> {
        let mut options = Options {
            rounds: 7,
            warm_up: Duration::from_millis(150),
            span: Duration::from_millis(700),
            is_pinned: false,
            size: None,
            only: None,
            is_help: false,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => {}
                "--help" | "-h" => options.is_help = true,
                "--pin" => options.is_pinned = true,
                "--only" => options.only = Some(one_of(subjects, args.next())?),
                "--quick" => {
                    options.rounds = 1;
                    options.warm_up = Duration::from_millis(50);
                    options.span = Duration::from_millis(150);
                }
                "--size" => options.size = Some(number(&arg, args.next(), 1.0, 1_048_576.0)? as usize),
                "--rounds" => options.rounds = number(&arg, args.next(), 1.0, 1_000.0)? as usize,
                "--seconds" => options.span = Duration::from_secs_f64(number(&arg, args.next(), 0.05, 60.0)?),
                other => return Err(format!("unknown argument '{other}'; --help lists them")),
            }
        }
        Ok(options)
    }

    /// The CPUs of sender and receiver, if the kernel is not to place them.
    pub fn cpus(&self) -> Option<[usize; 2]> {
        self.is_pinned.then_some([0, 1])
    }

    pub fn wants(&self, subject: &str) -> bool {
        self.only.is_none_or(|only| only == subject)
    }
}

fn one_of(subjects: &[&'static str], value: Option<String>) -> Result<&'static str, String> {
    let found = subjects.iter().find(|subject| value.as_deref() == Some(**subject));
    found.copied().ok_or_else(|| format!("--only takes one of {}", subjects.join(", ")))
}

fn number(name: &str, value: Option<String>, min: f64, max: f64) -> Result<f64, String> {
    let value = value.ok_or_else(|| format!("{name} needs a number"))?;
    let parsed = value.parse().ok().filter(|number| (min..=max).contains(number));
    parsed.ok_or_else(|| format!("{name} takes a number from {min} to {max}, not '{value}'"))
}
