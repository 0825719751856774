//! Section R of the header: what the library says of itself, for people. The sink is the only thing that the nodes of a process share.

use super::b_errors::{bowline_error, bowline_result};
use super::callback::{self, Context};
use super::fork::Home;
use super::guard::{Failure, c_text, guard, guard_err};
use super::raw;
use env_filter::Filter;
use parking_lot::RwLock;
use std::ffi::{c_char, c_void};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Level of a line: something is broken.
pub const BOWLINE_LOG_ERROR: i32 = 1;
/// Level of a line: somebody should look at it.
pub const BOWLINE_LOG_WARN: i32 = 2;
/// Level of a line: what has happened.
pub const BOWLINE_LOG_INFO: i32 = 3;
/// Level of a line: for those who look for a mistake.
pub const BOWLINE_LOG_DEBUG: i32 = 4;
/// Level of a line: everything.
pub const BOWLINE_LOG_TRACE: i32 = 5;

/// Takes a line of the log. level is BOWLINE_LOG_*, target the part of the library ("bowline::node"), text the line; both end with the call.
pub type bowline_log_fn = Option<unsafe extern "C" fn(ctx: *mut c_void, level: i32, target: *const c_char, text: *const c_char)>;

/// Where lines go.
#[derive(Clone, Copy)]
struct Sink {
    write: unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char),
    ctx: Context,
}

/// Which lines go there.
#[derive(Clone, Default)]
struct Choice {
    /// `None` before there was a sink.
    filter: Option<Filter>,
    has_sink: bool,
}

impl Choice {
    /// Lines that nobody takes are not even put together.
    fn apply(&self) {
        let level = self.filter.as_ref().filter(|_| self.has_sink).map_or(log::LevelFilter::Off, Filter::filter);
        log::set_max_level(level);
    }
}

/// What the nodes of one process share.
struct Outlet {
    home: Home,
    /// Held for writing until the sink and the maximum level are as it says; taken before `sink`.
    choice: RwLock<Choice>,
    /// Held for reading while a line is written, so that whoever removes the sink waits for that.
    sink: RwLock<Option<Sink>>,
}

static OUTLET: AtomicPtr<Outlet> = AtomicPtr::new(std::ptr::null_mut());

/// That of this process. In a forked child the locks of the parent's may be held for ever, by threads that are not there: it has an own one,
/// which begins as the parent's was, unless that was just being changed. The parent's is left alone.
fn outlet() -> Result<&'static Outlet, Failure> {
    let home = Home::here()?;
    loop {
        let known = OUTLET.load(Ordering::Acquire);
        // SAFETY: what is stored there is never freed.
        let before = unsafe { known.as_ref() };
        if let Some(own) = before.filter(|outlet| outlet.home.is_here()) {
            return Ok(own);
        }
        let (choice, sink) = before.map(Outlet::inherited).unwrap_or_default();
        let made = Box::into_raw(Box::new(Outlet { home, choice: RwLock::new(choice), sink: RwLock::new(sink) }));
        if OUTLET.compare_exchange(known, made, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // SAFETY: it was made here and nobody has seen it.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

impl Outlet {
    /// What a parent's outlet was at the fork, without waiting and without letting go of any lock of it: that could wake threads that are not
    /// there.
    fn inherited(&self) -> (Choice, Option<Sink>) {
        let (choice, sink) = (self.choice.try_read().map(ManuallyDrop::new), self.sink.try_read().map(ManuallyDrop::new));
        match (choice, sink) {
            (Some(choice), Some(sink)) => (Choice::clone(&choice), **sink),
            _ => Default::default(),
        }
    }

    fn lets_through(&self, is_wanted: impl FnOnce(&Filter) -> bool) -> bool {
        self.choice.read().filter.as_ref().is_some_and(is_wanted)
    }
}

/// What is written while nobody has said it: the default of bowline's own program.
const DEFAULT_FILTER: &str = "info";

/// Not empty, so that it has an address of its own.
struct Lines(#[allow(dead_code, reason = "it is there to take up room")] u8);
static LINES: Lines = Lines(0);

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        !callback::is_inside() && outlet().is_ok_and(|outlet| outlet.lets_through(|filter| filter.enabled(metadata)))
    }

    fn log(&self, record: &log::Record<'_>) {
        // A line from within a callback would wait for whoever waits for that callback.
        if callback::is_inside() {
            return;
        }
        let Ok(outlet) = outlet() else { return };
        if !outlet.lets_through(|filter| filter.matches(record)) {
            return;
        }
        let (target, text) = (c_text(record.target()), c_text(&record.args().to_string()));
        let sink = outlet.sink.read();
        let Some(Sink { write, ctx }) = &*sink else { return };
        // SAFETY: the header asks for a function that may be called on any thread until it is removed.
        callback::run(|| unsafe { write(ctx.get(), record.level() as i32, target.as_ptr(), text.as_ptr()) });
        drop(sink);
        callback::complain();
    }

    fn flush(&self) {}
}

/// Whether lines come here, and to no logger of the program's own.
fn is_ours() -> bool {
    std::ptr::addr_eq(log::logger(), &raw const LINES)
}

/// The first word of a filter that stands where a level is due, and is none. For the parser a lone word that is no level is the name of a
/// program's part: a mistyped level would silence everything.
fn no_level(spec: &str) -> Option<&str> {
    let is_level = |word: &str| word.parse::<log::LevelFilter>().is_ok();
    let is_ours = |word: &str| word == "bowline" || word.starts_with("bowline::");
    let parts = spec.split('/').next()?.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.into_iter().find_map(|part| match part.split_once('=') {
        Some((_, level)) => Some(level.trim()).filter(|level| !is_level(level)),
        None => Some(part).filter(|word| !is_level(word) && !is_ours(word)),
    })
}

fn filter_of(spec: &str) -> Result<Filter, Failure> {
    let invalid = |why: String| {
        let says = format!(
            "the filter '{spec}': {why}; write a level (off, error, warn, info, debug, trace), or parts with a level each"
        );
        Failure::new(bowline_result::BOWLINE_E_INVALID, says)
    };
    if let Some(word) = no_level(spec) {
        return Err(invalid(format!("'{word}' is no level")));
    }
    let mut builder = env_filter::Builder::new();
    Ok(builder.try_parse(spec).map_err(|error| invalid(error.to_string()))?.build())
}

/// Has the lines of the log written by a function of the caller's: of all nodes of the process. Without one they go nowhere. Which lines, says
/// bowline_log_filter; before that, those of BOWLINE_LOG_INFO and above.
///
/// @param write  called on any thread, on several at once: it may only write the line somewhere. It must not call bowline_*, throw or jump
///               out, and what it blocks for the network waits for. NULL removes it and waits for calls that are under way
/// @param ctx    comes with each call; may be NULL; it must live until write is removed
/// @return BOWLINE_OK, EXISTS if this program, written in Rust, has a logger of its own, STATE from within a callback.
/// @threads any; not from a callback
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_log_set(write: bowline_log_fn, ctx: *mut c_void) -> bowline_result {
    guard(|| {
        callback::refuse_inside()?;
        if write.is_some() {
            // Once is enough; whose logger it is counts.
            let _ = log::set_logger(&LINES);
        }
        if !is_ours() {
            let says = "this program has a logger of its own: it gets the lines";
            return write.map_or(Ok(()), |_| Err(Failure::new(bowline_result::BOWLINE_E_EXISTS, says)));
        }
        let outlet = outlet()?;
        let mut choice = outlet.choice.write();
        if choice.filter.is_none() {
            choice.filter = Some(filter_of(DEFAULT_FILTER)?);
        }
        choice.has_sink = write.is_some();
        choice.apply();
        *outlet.sink.write() = write.map(|write| Sink { write, ctx: Context(ctx) });
        Ok(())
    })
}

/// Says which lines of the log are written.
///
/// @param spec  a level (off, error, warn, info, debug, trace), or parts with a level each: "warn,bowline::node=debug".
///              A part of bowline's own without one has all its lines written
/// @param err   may be NULL
/// @return BOWLINE_OK, INVALID, NULL, STATE before bowline_log_set or from within a callback, UTF8.
/// @threads any; not from a callback
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_log_filter(spec: *const c_char, err: *mut *mut bowline_error) -> bowline_result {
    // SAFETY: the header asks for a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            callback::refuse_inside()?;
            let filter = filter_of(raw::text(spec)?)?;
            let outlet = outlet()?;
            let mut choice = outlet.choice.write();
            if choice.filter.is_none() {
                let says = "nobody takes the lines: call bowline_log_set first";
                return Err(Failure::new(bowline_result::BOWLINE_E_STATE, says));
            }
            choice.filter = Some(filter);
            choice.apply();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::LevelFilter;

    unsafe extern "C" fn write(_: *mut c_void, _: i32, _: *const c_char, _: *const c_char) {}

    /// One test, because there is one log.
    #[test]
    fn lines_are_put_together_while_somebody_takes_them() {
        let ctx = std::ptr::null_mut();
        let set = |write: bowline_log_fn| {
            // SAFETY: `write` follows no pointer, and is never gone.
            assert_eq!(unsafe { bowline_log_set(write, ctx) }, bowline_result::BOWLINE_OK);
            log::max_level()
        };
        let filter = |spec: &std::ffi::CStr| {
            // SAFETY: it is a text, and no error object is asked for.
            assert_eq!(unsafe { bowline_log_filter(spec.as_ptr(), std::ptr::null_mut()) }, bowline_result::BOWLINE_OK);
            log::max_level()
        };
        assert_eq!(set(Some(write)), LevelFilter::Info);
        assert_eq!(filter(c"warn,bowline::node=trace"), LevelFilter::Trace);
        assert_eq!(set(None), LevelFilter::Off, "nobody takes them");
        assert_eq!(filter(c"debug"), LevelFilter::Off);
        assert_eq!(set(Some(write)), LevelFilter::Debug, "what was chosen meanwhile");
        assert_eq!(set(None), LevelFilter::Off);
    }
}
