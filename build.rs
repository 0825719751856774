//! Generates what is generated: the protobuf messages of `proto/` and the C header. Everything goes to OUT_DIR; the source tree is changed
//! only on request.

use std::path::{Path, PathBuf};
use std::{env, io};

fn main() -> io::Result<()> {
    if env::var_os("CARGO_FEATURE_CAPI").is_some() {
        c_face();
    }
    messages()
}

/// Compiles the schema. protox does it in Rust; whoever sets PROTOC gets that compiler instead.
fn messages() -> io::Result<()> {
    const FILES: [&str; 4] =
        ["proto/bowline/hello.proto", "proto/bowline/nack.proto", "proto/bowline/pex.proto", "proto/bowline/discover.proto"];
    println!("cargo::rerun-if-changed=proto/bowline");
    println!("cargo::rerun-if-env-changed=PROTOC");
    let mut config = prost_build::Config::new();
    if env::var_os("PROTOC").is_some() {
        config.compile_protos(&FILES, &["proto"])
    } else {
        config.compile_fds(protox::compile(FILES, ["proto"]).map_err(io::Error::other)?)
    }
}

/// Sections of the C header: files of `src/ffi`, in the header's order. cbindgen does not follow `mod`, so each is listed.
const SECTIONS: [&str; 24] = [
    "a_version",
    "b_errors",
    "c_config",
    "c_hello",
    "d_identity",
    "e_node",
    "event",
    "f_queues",
    "g_messages",
    "i_send",
    "j_roles",
    "j_groups",
    "k_requests",
    "l_peers",
    "l_scores",
    "l_facts",
    "m_lists",
    "n_access",
    "o_operator",
    "p_addrbook",
    "q_metrics",
    "r_log",
    "s_addresses",
    "t_memnet",
];

/// The C face: makes `include/bowline.h`, names the shared library and tells the crate how it is built.
///
/// The header is always made in OUT_DIR and compared with the one that is checked in. `BOWLINE_HEADER=write` replaces that one,
/// `BOWLINE_HEADER=check` fails the build if they differ; otherwise a warning says so (and a test fails).
fn c_face() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-env-changed=BOWLINE_HEADER");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=include/bowline.h");
    println!("cargo:rustc-env=BOWLINE_TARGET={}", variable("TARGET"));
    println!("cargo:rustc-env=BOWLINE_RUSTC={}", compiler());
    if variable("CARGO_CFG_TARGET_OS") == "linux" {
        // Without a SONAME programs would ask for whatever path they were linked with. The threads' destructors live in the library,
        // so it must never be unloaded.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libbowline.so.{}", series());
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    let header = c_header(&root);
    let made = PathBuf::from(variable("OUT_DIR")).join("bowline.h");
    std::fs::write(&made, &header).unwrap_or_else(|error| panic!("{} cannot be written: {error}", made.display()));
    settle(&root.join("include/bowline.h"), &header);
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("cargo sets {name}: {error}"))
}

/// What of the version programs are bound to: the major, and while that is 0 the minor, which may break them.
fn series() -> String {
    let (major, minor) = (variable("CARGO_PKG_VERSION_MAJOR"), variable("CARGO_PKG_VERSION_MINOR"));
    if major == "0" { format!("{major}.{minor}") } else { major }
}

fn compiler() -> String {
    let said = std::process::Command::new(variable("RUSTC")).arg("--version").output();
    let said = said.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    said.map_or_else(|| "rustc".to_owned(), |text| text.trim().to_owned())
}

/// Brings the header that is checked in and the one just made together, as BOWLINE_HEADER says.
fn settle(checked_in: &Path, header: &str) {
    if std::fs::read_to_string(checked_in).is_ok_and(|text| text == header) {
        return;
    }
    match env::var("BOWLINE_HEADER").as_deref() {
        Ok("write") => std::fs::write(checked_in, header)
            .unwrap_or_else(|error| panic!("{} cannot be written: {error}", checked_in.display())),
        Ok("check") => panic!("include/bowline.h is stale: run BOWLINE_HEADER=write cargo check"),
        _ => println!("cargo:warning=include/bowline.h is stale: run BOWLINE_HEADER=write cargo check"),
    }
}

fn c_header(root: &Path) -> String {
    let mut builder = cbindgen::Builder::new().with_config(c_config());
    for section in SECTIONS {
        let file = root.join("src/ffi").join(section).with_extension("rs");
        println!("cargo:rerun-if-changed={}", file.display());
        builder = builder.with_src(file);
    }
    let bindings = builder.generate().unwrap_or_else(|error| panic!("the C header cannot be made from src/ffi: {error}"));
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).unwrap_or_else(|error| panic!("the C header is text: {error}"))
}

fn c_config() -> cbindgen::Config {
    use cbindgen::{Config, DocumentationLength, DocumentationStyle, Language, SortKey, Style};
    let mut config = Config {
        language: Language::C,
        header: Some(C_CONVENTIONS.trim_end().to_owned()),
        include_guard: Some("BOWLINE_H".to_owned()),
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(str::to_owned).to_vec(),
        after_includes: Some(c_macros()),
        cpp_compat: true,
        style: Style::Both,
        usize_is_size_t: true,
        line_length: 120,
        tab_width: 4,
        documentation: true,
        documentation_style: DocumentationStyle::Doxy,
        documentation_length: DocumentationLength::Full,
        sort_by: SortKey::None,
        ..Config::default()
    };
    config.function.prefix = Some("BOWLINE_API".to_owned());
    config.function.must_use = Some("BOWLINE_WARN_UNUSED".to_owned());
    config.function.sort_by = Some(SortKey::None);
    config.export.include = C_ENUMS.map(str::to_owned).to_vec();
    config
}

/// Enums that no signature names, because numbers come and go as integers.
const C_ENUMS: [&str; 2] = ["bowline_state", "bowline_event_kind"];

/// What cbindgen cannot make: the version as cargo has it, and macros for beginning a growing struct.
fn c_macros() -> String {
    let part =
        |name: &str| variable(&format!("CARGO_PKG_VERSION_{name}")).parse::<u32>().unwrap_or_else(|e| panic!("{name}: {e}"));
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    let number = major << 16 | minor << 8 | patch;
    format!(
        "
/** Version of this header; bowline_version() is the library's. */
#define BOWLINE_VERSION_MAJOR {major}
#define BOWLINE_VERSION_MINOR {minor}
#define BOWLINE_VERSION_PATCH {patch}
/** MAJOR << 16 | MINOR << 8 | PATCH, for bowline_check_abi(). */
#define BOWLINE_VERSION_NUMBER 0x{number:06x}u
{C_MACROS}"
    )
}

const C_MACROS: &str = r"
/** Before every function: empty, or what a platform needs. */
#ifndef BOWLINE_API
#define BOWLINE_API
#endif
#if defined(__GNUC__) || defined(__clang__)
#define BOWLINE_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define BOWLINE_WARN_UNUSED
#endif

/** timeout_ms: wait without limit. */
#define BOWLINE_FOREVER INT64_C(-1)
/** timeout_ms: do not wait. A call that needs another's answer says BOWLINE_E_TIMEOUT then. */
#define BOWLINE_NOWAIT INT64_C(0)

/** A bowline_peer that names this node's own application. */
#define BOWLINE_PEER_LOCAL UINT64_C(0x8000000000000000)

/** Bit of an event kind, for bowline_queue_bind_events. */
#define BOWLINE_EV_BIT(kind) (UINT64_C(1) << (kind))

/** The beginning of each struct that may grow. */
#define BOWLINE_CHANNEL_DESC_INIT { sizeof(bowline_channel_desc), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0 }
#define BOWLINE_KEY_INFO_INIT { sizeof(bowline_key_info), 0, NULL, NULL, NULL, NULL, NULL }
#define BOWLINE_SEND_OPTS_INIT { sizeof(bowline_send_opts), 0, 0, 0, 0, 0, NULL }
#define BOWLINE_ADDR_INIT { 0, 0, 0, 0, { 0 } }
#define BOWLINE_REACH_INIT { sizeof(bowline_reach), 0, 0, 0, 0 }
#define BOWLINE_ROLE_INFO_INIT { sizeof(bowline_role_info), 0, 0, 0, 0, 0, 0, { 0 } }
#define BOWLINE_PEER_INFO_INIT { \
    sizeof(bowline_peer_info), 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, \
    BOWLINE_ADDR_INIT }
#define BOWLINE_CAUSE_INIT { sizeof(bowline_cause), 0, 0, { 0 } }
#define BOWLINE_CHANNEL_INFO_INIT { sizeof(bowline_channel_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define BOWLINE_KNOWN_INFO_INIT { sizeof(bowline_known_info), 0, { { 0 } }, 0, 0, 0, 0, { 0 }, { 0 } }
#define BOWLINE_BAN_INFO_INIT { sizeof(bowline_ban_info), 0, 0, 0, 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, 0, 0, { 0 } }
#define BOWLINE_ADDR_INFO_INIT { \
    sizeof(bowline_addr_info), 0, 0, 0, 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, 0, 0, 0, 0, 0, 0, 0, { 0 } }
#define BOWLINE_IMPORTED_INIT { sizeof(bowline_imported), 0, 0, 0, 0, 0, 0, 0 }
#define BOWLINE_CHANNEL_METRICS_INIT { sizeof(bowline_channel_metrics), 0, 0, 0, 0, 0 }
#define BOWLINE_METRICS_INIT { \
    sizeof(bowline_metrics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 0, 0, 0, 0 }
";

const C_CONVENTIONS: &str = r"/*
 * bowline.h: the peer-to-peer layer of a blockchain node, for C and C++.
 * Made from src/ffi by cbindgen; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What holds for every function:
 *
 * Results. A function that can fail answers a bowline_result: BOWLINE_OK or a negative BOWLINE_E_* that never changes its
 *   number. Any function may answer BOWLINE_E_NULL (a pointer that must be given is NULL), BOWLINE_E_INVALID (a handle of
 *   another type, a value out of range), BOWLINE_E_PANIC (a bug, contained); those on a node, queue or memory network also
 *   BOWLINE_E_FORKED (called in a forked child), BOWLINE_E_FATAL (the node failed earlier), BOWLINE_E_STATE (called from a wake or
 *   log callback). Its other results stand at @return, without BOWLINE_E_.
 * Outputs come last and are written only on success; pointers are set to NULL first. Where there is a bowline_error **err
 *   (it may be NULL), it is set to NULL on success and to a sentence about the case on every failure; free it.
 * Ownership. const X * is lent for the call. X **out is yours: free it with bowline_x_free, which takes NULL and, except for node
 *   and queue, may be called at any time, on any thread, even when the node is gone. Never free() what the library made.
 * Bytes are (pointer, length); (NULL, 0) is empty. Texts are NUL-terminated UTF-8.
 * Structs that begin with struct_size may grow: begin with their _INIT macro, or set it to sizeof. What is zero is at its default.
 * Threads. A node, queue, message, list, keypair or error may be used by any number of threads at once, a config by one.
 *   bowline_node_free and bowline_queue_free must be the last call on their object. Waits are bounded by timeout_ms, or as the function says, measured
 *   by a monotonic clock, and all end when bowline_node_stop is called. On a memory network (bowline_memnet) nothing waits.
 * Moments (time_ns, since_ns, ...) are by the clock of bowline_clock_ns; 0 where there is none, 1 for one at or before its beginning.
 * Peers are numbers, not pointers: one that is gone is answered with BOWLINE_E_PEER_GONE, never followed.
 * Signals and forks. The library's threads have every signal blocked; no handler is installed; a broken connection never
 *   raises SIGPIPE. All descriptors are close-on-exec. A forked child may exec, exit and free; nodes it makes only if it was forked
 *   before the first node was made.
 */
";
