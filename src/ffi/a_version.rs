//! Section A of the header: which library this is, and its clock. Needs no object.

use super::b_errors::bowline_result;
use super::guard::{Failure, c_text, guard, guard_or};
use crate::node::clock::machine_ns;
use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

/// Version of this library as one number: `major << 16 | minor << 8 | patch`.
const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

/// The number that cargo wrote in digits.
const fn number(digits: &str) -> u32 {
    let mut value = 0;
    let mut rest = digits.as_bytes();
    while let [digit, tail @ ..] = rest {
        value = value * 10 + (*digit - b'0') as u32;
        rest = tail;
    }
    assert!(value < 256, "a part of the version fits its byte");
    value
}

/// The version of the library that runs: major << 16 | minor << 8 | patch. The header's own is BOWLINE_VERSION_NUMBER.
///
/// @return The number; cannot fail.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_version() -> u32 {
    guard_or(VERSION, || VERSION)
}

/// The version of the library that runs, as text: "0.1.0".
///
/// @return A static text; cannot fail.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_version_string() -> *const c_char {
    const TEXT: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("the version has no NUL in it"),
    };
    guard_or(TEXT.as_ptr(), || TEXT.as_ptr())
}

/// How the library was built: version, features, libsodium, compiler, target. For bug reports; the form may change.
///
/// @return A static text; cannot fail.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_build_info() -> *const c_char {
    static TEXT: OnceLock<CString> = OnceLock::new();
    guard_or(c"".as_ptr(), || TEXT.get_or_init(build_info).as_ptr())
}

fn build_info() -> CString {
    let features: Vec<&str> = [
        ("capi", cfg!(feature = "capi")),
        ("store", cfg!(feature = "store")),
        ("config", cfg!(feature = "config")),
        ("cli", cfg!(feature = "cli")),
        ("system-sodium", cfg!(feature = "system-sodium")),
        ("cometbft", cfg!(feature = "cometbft")),
        ("upnp", cfg!(feature = "upnp")),
        ("lan-discovery", cfg!(feature = "lan-discovery")),
    ]
    .iter()
    .filter_map(|(name, on)| on.then_some(*name))
    .collect();
    let built = if cfg!(debug_assertions) { "debug" } else { "release" };
    c_text(&format!(
        "bowline {}; features: {}; {}; {} for {}, {built}",
        env!("CARGO_PKG_VERSION"),
        features.join(" "),
        crate::crypto::sodium::version(),
        env!("BOWLINE_RUSTC"),
        env!("BOWLINE_TARGET"),
    ))
}

/// Whether a program that was compiled with some header may use this library. Call it once with BOWLINE_VERSION_NUMBER. While the
/// major version is 0 the minor one must be the same too.
///
/// @param header_version  BOWLINE_VERSION_NUMBER as the program was compiled with
/// @return BOWLINE_OK, or BOWLINE_E_VERSION if header and library do not belong together.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_check_abi(header_version: u32) -> bowline_result {
    guard(|| if fits(header_version, VERSION) { Ok(()) } else { Err(Failure::from(bowline_result::BOWLINE_E_VERSION)) })
}

/// From 1.0 on the major version decides; before it, the minor one as well.
const fn fits(header: u32, library: u32) -> bool {
    let significant = if library >> 16 == 0 { 8 } else { 16 };
    header >> significant == library >> significant
}

/// The clock that bowline_event.time_ns and bowline_peer_info count with: nanoseconds, monotonic, from no particular moment.
///
/// @return The present moment; cannot fail. Signal-safe.
/// @threads any
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bowline_clock_ns() -> u64 {
    guard_or(0, machine_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_another_minor_version_does_not_fit_before_1_0() {
        assert!(fits(0x000105, 0x000100) && !fits(0x000200, 0x000100) && !fits(0x010100, 0x000100));
    }

    #[test]
    fn a_header_of_another_major_version_never_fits() {
        assert!(fits(0x010300, 0x010205) && !fits(0x020205, 0x010205));
    }

    #[test]
    fn the_clock_does_not_run_backwards() {
        let before = bowline_clock_ns();
        assert!(before > 0 && bowline_clock_ns() >= before);
    }
}
