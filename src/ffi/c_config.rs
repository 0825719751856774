//! Section C of the header: the description of a node to be, as keys and values. The settings table is the only source of keys.

use super::b_errors::{bowline_error, bowline_result};
use super::fork::Home;
use super::guard::{Failure, c_text, guard, guard_err, guard_or};
use super::handle::{self, Handle};
use super::raw::{self, Growing, Out, OutSized};
use crate::base::channel::{Channel, Overflow};
use crate::node::builder::Builder;
use crate::node::memnet::MemNet;
use crate::settings::error::SettingError;
use crate::settings::table::{Setting, Settings, TABLE};
use crate::settings::value::Kind;
use parking_lot::Mutex;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

/// A channel id, as on the wire. Applications use 0x10 and above.
pub type bowline_channel = u16;

/// A node to be: settings and channels. Free it with bowline_config_free; a node keeps a copy of its own.
pub struct bowline_config {
    _opaque: [u8; 0],
}

/// What `bowline_config` really is. The header allows one thread; the lock makes a second one harmless.
pub struct Draft {
    inner: Mutex<Described>,
}

/// What a caller has described so far. The builder has the channels; it takes the settings at the end.
#[derive(Clone, Default)]
struct Described {
    settings: Settings,
    builder: Builder,
    /// The process that the memory network belongs to.
    home: Option<Home>,
}

impl Draft {
    /// What is described now, in the process that made the memory network, if there is one.
    pub fn builder(&self) -> Result<Builder, Failure> {
        let Described { settings, builder, home } = self.inner.lock().clone();
        home.map_or(Ok(()), Home::check)?;
        Ok(builder.settings(settings))
    }

    /// Puts the node on a memory network.
    pub fn use_memnet(&self, net: &MemNet, home: Home) {
        let mut described = self.inner.lock();
        described.home = Some(home);
        described.builder = std::mem::take(&mut described.builder).memnet(net);
    }

    /// Describes more. Nothing is changed by what fails.
    pub(super) fn change(&self, more: impl FnOnce(Builder) -> Result<Builder, Failure>) -> Result<(), Failure> {
        let mut described = self.inner.lock();
        described.builder = more(described.builder.clone())?;
        Ok(())
    }
}

impl Handle for bowline_config {
    type Value = Draft;
    const MAGIC: u64 = 0x626f_776c_5f63_6667;
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Failure {
        let code = match error {
            SettingError::Unknown { .. } => bowline_result::BOWLINE_E_NOT_FOUND,
            _ => bowline_result::BOWLINE_E_INVALID,
        };
        Failure::new(code, error.to_string())
    }
}

/// bowline_key_info.flags: bowline_node_set changes it while the node runs.
pub const BOWLINE_KEY_LIVE: u32 = 1;

/// bowline_channel_desc.flags: when the send queue is full, the oldest messages give way; without it the newest is refused.
pub const BOWLINE_CHANNEL_DROP_OLDEST: u8 = 1;
/// bowline_channel_desc.flags: a new message replaces those that wait: only the latest counts.
pub const BOWLINE_CHANNEL_CONFLATE: u8 = 2;
/// bowline_channel_desc.flags: this node answers no requests on the channel.
pub const BOWLINE_CHANNEL_NO_REQUESTS: u8 = 4;

/// A channel: one of the independent lanes of every link, with its own queues. Peers exchange messages on the channels that both have.
/// Begin with BOWLINE_CHANNEL_DESC_INIT; what is 0 is at its default, except the priority, which has none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_channel_desc {
    /// sizeof(bowline_channel_desc).
    pub struct_size: u32,
    /// Id on the wire, 0x10 or more; both sides use the same.
    pub id: bowline_channel,
    /// Weight 1 to 255 for a link's bytes when several channels have something to send; higher is more.
    pub priority: u8,
    /// BOWLINE_CHANNEL_* bits.
    pub flags: u8,
    /// Largest message in bytes, in either direction; a larger one is refused here and is a protocol fault of a peer. 0: 1 MiB.
    pub max_message: u32,
    /// Messages that one peer may send per second, of any kind; it waits rather than that it is closed. 0: no limit.
    pub rate_msgs_per_s: u32,
    /// Of these, so many may come at once, at least 4. 0: what a second brings.
    pub rate_burst: u32,
    /// Messages that may wait to be sent on one link. 0: 16,384.
    pub send_queue_msgs: u32,
    /// Messages of one peer that may wait to be polled, at least 4; small ones then cost more of recv_queue_bytes. 0: 32,768.
    pub recv_queue_msgs: u32,
    /// The most bytes that the channel may put into one record of a link while other channels wait, at least 64. 0: by priority alone.
    pub turn_bytes: u32,
    /// Bytes of messages that may wait to be sent on one link. 0: 256 KiB.
    pub send_queue_bytes: u64,
    /// Bytes of messages of one peer that may wait to be polled; the peer waits then. 0: 2 MiB.
    pub recv_queue_bytes: u64,
    /// Label for logs and metrics: 1 to 32 printable ASCII characters without spaces. Copied.
    pub name: *const c_char,
    /// Bytes that one peer may send per second, headers included, from 1,024 on; it waits. 0: no limit.
    pub rate_bytes_per_s: u64,
    /// Of these, so many may come at once, at least 1,024; no more are ever under way. 0: what a second brings.
    pub rate_bytes_burst: u32,
    /// Requests of one peer that may wait for the application's answer. 0: 64, or none with BOWLINE_CHANNEL_NO_REQUESTS.
    pub requests: u32,
}

// SAFETY: repr(C) without padding (asserted below), begins with struct_size, and holds integers and a pointer only.
unsafe impl Growing for bowline_channel_desc {
    const FIRST: usize = 72;
}

/// What a key of the configuration is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct bowline_key_info {
    /// sizeof(bowline_key_info).
    pub struct_size: u32,
    /// BOWLINE_KEY_LIVE, or 0: then a node keeps the value that it was made with.
    pub flags: u32,
    /// The key: "pool.max". This and the other texts are static.
    pub name: *const c_char,
    /// How a value is written: "count", "auto-count", "size", "duration", "switch", "text", "choice", "ip", "address",
    /// "addresses", "sockets", "quotas" or "subjects".
    pub value_type: *const c_char,
    /// The value while none is set.
    pub default_value: *const c_char,
    /// What is allowed, such as "1 to 16384 links"; "" if everything of its type is.
    pub limits: *const c_char,
    /// What it does.
    pub doc: *const c_char,
}

// SAFETY: repr(C) without padding (asserted below), begins with struct_size, and holds integers and pointers only.
unsafe impl Growing for bowline_key_info {
    const FIRST: usize = 48;
}

/// Makes a configuration in which every key is at its default.
///
/// @param out  the configuration
/// @return BOWLINE_OK, NULL.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_new(out: *mut *mut bowline_config) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a writable pointer, or NULL.
        let out = unsafe { Out::of(out)? }.cleared();
        out.put(handle::give(Draft { inner: Mutex::default() }));
        Ok(())
    })
}

/// Frees a configuration. Nodes made from it are not concerned.
///
/// @param config  may be NULL
/// @threads the owner, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_free(config: *mut bowline_config) {
    guard_or((), || {
        // SAFETY: the header asks for NULL or a configuration that nobody uses any more.
        drop(unsafe { handle::take(config) });
    });
}

/// Sets a key. The value is checked at once, alone; bowline_node_new checks them together.
///
/// @param config  the configuration
/// @param key     such as "pool.max"; bowline_config_key_info lists them
/// @param value   such as "100", "8MiB", "30s", "true" or "192.0.2.1:9732,[::1]:9732"
/// @param err     may be NULL
/// @return BOWLINE_OK, INVALID value, NOT_FOUND key, NULL, UTF8.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_set(
    config: *mut bowline_config,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration and two texts, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (draft, key, value) = (handle::borrow(config.cast_const())?, raw::text(key)?, raw::text(value)?);
            Ok(draft.inner.lock().settings.set(key, value)?)
        })
    }
}

/// Sets a key to a number: a count, bytes of a size, milliseconds of a duration, or 0 and 1 for a switch.
///
/// @param config  the configuration
/// @param key     such as "pool.max"
/// @param value   the number
/// @param err     may be NULL
/// @return BOWLINE_OK, INVALID value or a key that takes no number, NOT_FOUND key, NULL, UTF8.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_set_int(
    config: *mut bowline_config,
    key: *const c_char,
    value: i64,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration and a text, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (draft, key) = (handle::borrow(config.cast_const())?, raw::text(key)?);
            let mut described = draft.inner.lock();
            // An unknown key has no row; setting it says which one is meant.
            let text = Settings::row(key).map_or_else(|| Ok(String::new()), |row| number_as_text(row, value))?;
            Ok(described.settings.set(key, &text)?)
        })
    }
}

fn number_as_text(row: &Setting, value: i64) -> Result<String, Failure> {
    match row.kind {
        Kind::Count | Kind::AutoCount | Kind::Size | Kind::Switch => Ok(value.to_string()),
        Kind::Duration => Ok(format!("{value}ms")),
        _ => {
            let says = format!("{}: a number does not say it, expected {}", row.name, row.kind.expects());
            Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says))
        }
    }
}

/// Reads a key: the canonical text of its value, which bowline_config_set reads back.
///
/// @param config  the configuration
/// @param key     such as "pool.max"
/// @param buf     where to
/// @param cap     bytes there
/// @param needed  may be NULL; the bytes that the text takes with its NUL, also when they are not there
/// @return BOWLINE_OK, BUFFER, NOT_FOUND, NULL, UTF8.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_get(
    config: *const bowline_config,
    key: *const c_char,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a configuration, a text and a buffer of `cap` bytes, or NULL.
        unsafe {
            let (draft, key) = (handle::borrow(config)?, raw::text(key)?);
            let value = draft.inner.lock().settings.get(key).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?;
            raw::fill(&value, buf, cap, needed)
        }
    })
}

/// Every key with its value, one "key = value" in a line, defaults included.
///
/// @param config  the configuration
/// @param out     the text; free it with bowline_string_free
/// @return BOWLINE_OK, NULL.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_dump(config: *const bowline_config, out: *mut *mut c_char) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a configuration and a writable pointer, or NULL.
        let (out, draft) = unsafe { (Out::of(out)?.cleared(), handle::borrow(config)?) };
        let settings = draft.inner.lock().settings.clone();
        let lines = Settings::names().map(|name| format!("{name} = {}\n", settings.get(name).unwrap_or_default()));
        out.put(c_text(&lines.collect::<String>()).into_raw());
        Ok(())
    })
}

/// What the key number `index` is. Counting up from 0 until BOWLINE_E_NOT_FOUND lists them all, in the manual's order.
///
/// @param index  0 and up
/// @param out    begin with BOWLINE_KEY_INFO_INIT
/// @return BOWLINE_OK, NOT_FOUND, NULL, STRUCT_SIZE.
/// @threads any
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_key_info(index: usize, out: *mut bowline_key_info) -> bowline_result {
    guard(|| {
        // SAFETY: the header asks for a struct that begins with its size, or NULL.
        let out = unsafe { OutSized::of(out)? };
        static KEYS: OnceLock<Vec<KeyTexts>> = OnceLock::new();
        let keys = KEYS.get_or_init(|| TABLE.iter().map(KeyTexts::of).collect());
        let texts = keys.get(index).ok_or(bowline_result::BOWLINE_E_NOT_FOUND)?;
        out.put(&bowline_key_info {
            struct_size: 0,
            flags: if TABLE[index].is_live() { BOWLINE_KEY_LIVE } else { 0 },
            name: texts.name.as_ptr(),
            value_type: texts.value_type.as_ptr(),
            default_value: texts.default_value.as_ptr(),
            limits: texts.limits.as_ptr(),
            doc: texts.doc.as_ptr(),
        });
        Ok(())
    })
}

/// A row of the settings table as C reads texts.
struct KeyTexts {
    name: CString,
    value_type: CString,
    default_value: CString,
    limits: CString,
    doc: CString,
}

impl KeyTexts {
    fn of(row: &Setting) -> KeyTexts {
        let limits = match (row.range, row.kind) {
            (None, _) => String::new(),
            // Sizes and durations carry their unit in the text.
            (Some((min, max)), Kind::Size | Kind::Duration) => format!("{min} to {max}"),
            (Some((min, max)), _) => format!("{min} to {max} {}", row.unit),
        };
        KeyTexts {
            name: c_text(row.name),
            value_type: c_text(kind_name(row.kind)),
            // As bowline_config_get says it: the table may have it in another unit.
            default_value: c_text(&Settings::default().get(row.name).unwrap_or_default()),
            limits: c_text(&limits),
            doc: c_text(row.doc),
        }
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Count => "count",
        Kind::AutoCount => "auto-count",
        Kind::Size => "size",
        Kind::Duration => "duration",
        Kind::Switch => "switch",
        Kind::Text => "text",
        Kind::Choice => "choice",
        Kind::Ip => "ip",
        Kind::Address => "address",
        Kind::Addresses => "addresses",
        Kind::Sockets => "sockets",
        Kind::Quotas => "quotas",
        Kind::Subjects => "subjects",
    }
}

/// Declares a channel. All of a node's channels are declared before it starts, because the handshake announces them.
///
/// @param config  the configuration
/// @param desc    begin with BOWLINE_CHANNEL_DESC_INIT
/// @param err     may be NULL
/// @return BOWLINE_OK, EXISTS, INVALID, NULL, STRUCT_SIZE, UNSUPPORTED, UTF8.
/// @threads the owner
/// @since 0.1
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_config_add_channel(
    config: *mut bowline_config,
    desc: *const bowline_channel_desc,
    err: *mut *mut bowline_error,
) -> bowline_result {
    // SAFETY: the header asks for a configuration and a struct that begins with its size, or NULL; `err` may be NULL.
    unsafe {
        guard_err(err, || {
            let (draft, desc) = (handle::borrow(config.cast_const())?, raw::read_sized(desc)?);
            let name = raw::text(desc.name)?;
            draft.inner.lock().add(channel(&desc, name)?)
        })
    }
}

/// The channel that a descriptor describes. What this version cannot do is refused, never ignored.
fn channel(desc: &bowline_channel_desc, name: &str) -> Result<Channel, Failure> {
    let overflow = match desc.flags & !BOWLINE_CHANNEL_NO_REQUESTS {
        0 => Overflow::Refuse,
        BOWLINE_CHANNEL_DROP_OLDEST => Overflow::DropOldest,
        BOWLINE_CHANNEL_CONFLATE => Overflow::Conflate,
        _ => {
            let says = format!("bowline_channel_desc.flags is {:#x}: unknown, or two that exclude each other", desc.flags);
            return Err(Failure::new(bowline_result::BOWLINE_E_UNSUPPORTED, says));
        }
    };
    let serves_none = desc.flags & BOWLINE_CHANNEL_NO_REQUESTS != 0;
    if serves_none && desc.requests != 0 {
        let says = format!("bowline_channel_desc.requests is {} beside BOWLINE_CHANNEL_NO_REQUESTS", desc.requests);
        return Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says));
    }
    let defaults = Channel::new(desc.id, name);
    let bytes = |member: &str, value: u64, default: u32| match u32::try_from(value) {
        Ok(0) => Ok(default),
        Ok(value) => Ok(value),
        Err(_) => {
            let says = format!("bowline_channel_desc.{member} is {value}: at most {} are allowed", u32::MAX);
            Err(Failure::new(bowline_result::BOWLINE_E_INVALID, says))
        }
    };
    Ok(Channel {
        priority: desc.priority,
        message_bytes_max: bytes("max_message", desc.max_message.into(), defaults.message_bytes_max)?,
        send_queue_bytes: bytes("send_queue_bytes", desc.send_queue_bytes, defaults.send_queue_bytes)?,
        send_queue_messages: bytes("send_queue_msgs", desc.send_queue_msgs.into(), defaults.send_queue_messages)?,
        receive_queue_messages: bytes("recv_queue_msgs", desc.recv_queue_msgs.into(), defaults.receive_queue_messages)?,
        bytes_per_turn: desc.turn_bytes,
        requests_max: match desc.requests {
            _ if serves_none => 0,
            0 => defaults.requests_max,
            most => most,
        },
        overflow,
        receive_queue_bytes: bytes("recv_queue_bytes", desc.recv_queue_bytes, defaults.receive_queue_bytes)?,
        rate_bytes: desc.rate_bytes_per_s,
        burst_bytes: desc.rate_bytes_burst,
        rate_messages: desc.rate_msgs_per_s,
        burst_messages: desc.rate_burst,
        ..defaults
    })
}

impl Described {
    fn add(&mut self, channel: Channel) -> Result<(), Failure> {
        if self.builder.channels().iter().any(|known| known.id == channel.id) {
            let says = format!("{} is declared already", channel.id);
            return Err(Failure::new(bowline_result::BOWLINE_E_EXISTS, says));
        }
        self.builder = self.builder.clone().channel(channel)?;
        Ok(())
    }
}

/// Frees a text that the library made.
///
/// @param text  may be NULL
/// @threads any, once
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bowline_string_free(text: *mut c_char) {
    guard_or((), || {
        if !text.is_null() {
            // SAFETY: the header asks for a text that the library made and that nobody uses any more.
            drop(unsafe { CString::from_raw(text) });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desc() -> bowline_channel_desc {
        bowline_channel_desc {
            struct_size: 72,
            id: 0x10,
            priority: 1,
            flags: 0,
            max_message: 0,
            rate_msgs_per_s: 0,
            rate_burst: 0,
            send_queue_msgs: 0,
            recv_queue_msgs: 0,
            turn_bytes: 0,
            send_queue_bytes: 0,
            recv_queue_bytes: 0,
            name: std::ptr::null(),
            rate_bytes_per_s: 0,
            rate_bytes_burst: 0,
            requests: 0,
        }
    }

    #[test]
    fn a_zero_is_the_default() {
        assert_eq!(channel(&desc(), "blocks").ok(), Some(Channel::new(0x10, "blocks")));
    }

    #[test]
    fn bounds_reach_the_channel() {
        let set = bowline_channel_desc { recv_queue_msgs: 5_000, turn_bytes: 200, ..desc() };
        let wanted = Channel { receive_queue_messages: 5_000, bytes_per_turn: 200, ..Channel::new(0x10, "blocks") };
        assert_eq!(channel(&set, "blocks").ok(), Some(wanted));
        let paced = bowline_channel_desc {
            rate_msgs_per_s: 10,
            rate_burst: 20,
            rate_bytes_per_s: 5_000_000_000,
            rate_bytes_burst: 1 << 20,
            ..desc()
        };
        let wanted = Channel {
            rate_messages: 10,
            burst_messages: 20,
            rate_bytes: 5_000_000_000,
            burst_bytes: 1 << 20,
            ..Channel::new(0x10, "blocks")
        };
        assert_eq!(channel(&paced, "blocks").ok(), Some(wanted));
    }

    #[test]
    fn overflow_and_requests_reach_the_channel() {
        let set = bowline_channel_desc { flags: BOWLINE_CHANNEL_CONFLATE | BOWLINE_CHANNEL_NO_REQUESTS, ..desc() };
        let wanted = Channel { overflow: Overflow::Conflate, requests_max: 0, ..Channel::new(0x10, "blocks") };
        assert_eq!(channel(&set, "blocks").ok(), Some(wanted));
        let set = bowline_channel_desc { flags: BOWLINE_CHANNEL_DROP_OLDEST, requests: 7, ..desc() };
        let wanted = Channel { overflow: Overflow::DropOldest, requests_max: 7, ..Channel::new(0x10, "blocks") };
        assert_eq!(channel(&set, "blocks").ok(), Some(wanted));
        let both = bowline_channel_desc { flags: BOWLINE_CHANNEL_NO_REQUESTS, requests: 7, ..desc() };
        assert_eq!(channel(&both, "blocks").expect_err("both").code, bowline_result::BOWLINE_E_INVALID);
    }

    #[test]
    fn what_is_not_supported_is_refused_and_named() {
        let wishes = [bowline_channel_desc { flags: 8, ..desc() }, bowline_channel_desc { flags: 3, ..desc() }];
        for wish in wishes {
            let failure = channel(&wish, "blocks").expect_err("not supported");
            assert_eq!(failure.code, bowline_result::BOWLINE_E_UNSUPPORTED);
        }
    }

    #[test]
    fn numbers_become_texts_of_their_kind() {
        let text = |key, value| number_as_text(Settings::row(key).expect("a key"), value).ok();
        assert_eq!(text("pool.max", 7).as_deref(), Some("7"));
        assert_eq!(text("dial.timeout", 1_500).as_deref(), Some("1500ms"));
        assert_eq!(text("network.name", 7), None);
    }
}
