//! Section C of the header, second part: what a node will say of itself to its peers.

use super::b_errors::{bowline_error, bowline_result};
use super::c_config::bowline_config;
use super::guard::{Failure, guard_err};
use super::handle;
use super::raw;
use crate::wire::hello::METADATA_BYTES_MAX;
use std::ffi::{c_char, c_void};

/// Announces that the node can do a thing. Peers learn of it when they connect, others through them; bowline_role_choose and its like find
/// those who can. Announce first what others look for: in the lists of addresses that nodes exchange, long ones are cut.
///
/// @param config      the configuration
/// @param capability  a name of 1 to 32 printable ASCII characters; at most 32 of them
/// @param value       says whatever the application likes
/// @param err         may be NULL
/// @return BOWLINE_OK, INVALID for what is no name, is announced already, or is one too many; NULL, UTF8.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_add_capability(
    config: *mut bowline_config,
    capability: *const c_char,
    value: u64,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (draft, capability) = (handle::borrow(config.cast_const())?, raw::text(capability)?);
            draft.change(|builder| Ok(builder.capability(capability, value)?))
        })
    }
}

/// Announces a version of the application's own protocol. The highest that both sides announce is bowline_peer_info.version; the setting
/// network.require_version refuses peers that share none.
///
/// @param config   the configuration
/// @param version  any number; at most 32 of them, each once
/// @param err      may be NULL
/// @return BOWLINE_OK, EXISTS, LIMIT, NULL.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_add_version(
    config: *mut bowline_config,
    version: u32,
    err: *mut *mut bowline_error,
) -> bowline_result {
    use crate::wire::hello::APPLICATION_VERSIONS_MAX as MOST;
    // SAFETY: the header asks for a configuration, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let draft = handle::borrow(config.cast_const())?;
            draft.change(|builder| {
                let known = builder.application_versions();
                if known.contains(&version) {
                    let says = format!("version {version} is announced already");
                    return Err(Failure::new(bowline_result::BOWLINE_E_EXISTS, says));
                }
                if known.len() >= MOST {
                    let says = format!("version {version} is one too many: a node announces at most {MOST}");
                    return Err(Failure::new(bowline_result::BOWLINE_E_LIMIT, says));
                }
                Ok(builder.application_version(version))
            })
        })
    }
}

/// Sets bytes of the application's that every peer gets when it connects: bowline_peer_metadata reads them there.
///
/// @param config  the configuration
/// @param data    the bytes, which are copied; (NULL, 0) is none
/// @param len     how many, at most 4,096
/// @param err     may be NULL
/// @return BOWLINE_OK, NULL, TOO_BIG.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_set_metadata(
    config: *mut bowline_config,
    data: *const c_void,
    len: usize,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration and `len` bytes, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (draft, data) = (handle::borrow(config.cast_const())?, raw::bytes(data, len)?);
            if len > METADATA_BYTES_MAX {
                let says = format!("metadata of {len} bytes: at most {METADATA_BYTES_MAX} are allowed");
                return Err(Failure::new(bowline_result::BOWLINE_E_TOO_BIG, says));
            }
            draft.change(|builder| Ok(builder.metadata(data.to_vec())))
        })
    }
}

/// Sets what the node calls its software, for people: bowline_peer_info.agent there.
///
/// @param config  the configuration
/// @param agent   name and version; at most 64 bytes go out
/// @param err     may be NULL
/// @return BOWLINE_OK, NULL, UTF8.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_set_agent(
    config: *mut bowline_config,
    agent: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (draft, agent) = (handle::borrow(config.cast_const())?, raw::text(agent)?);
            draft.change(|builder| Ok(builder.agent(agent)))
        })
    }
}
