//! Peer-controlled text: made safe for a log line or an event, escaped and cut, and what a name is. Whoever logs what a peer sent calls
//! it, and whoever reads a name.

use super::limits::NAME_BYTES_MAX;

/// At most this many characters of a peer's text reach a log line (threat T36).
pub const SHOWN_MAX: usize = 64;

/// `text` with everything but printable ASCII escaped, cut to `SHOWN_MAX` characters of output.
pub fn shown(text: &str) -> String {
    shown_within(text, SHOWN_MAX)
}

/// The same, cut to `most` characters.
pub fn shown_within(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let mut piece = String::new();
        if c == ' ' || c.is_ascii_graphic() && c != '\\' {
            piece.push(c);
        } else {
            piece.extend(c.escape_default());
        }
        if out.len() + piece.len() > most {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

/// True for what may name a channel or a capability: 1 to 32 printable ASCII characters.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

/// What a caught panic says. It may hold what a peer sent: `shown` makes it safe for the log.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_reach_a_terminal() {
        assert_eq!(shown("a\n\x1b[2Jb\\"), "a\\n\\u{1b}[2Jb\\\\");
        assert_eq!(shown("ü"), "\\u{fc}");
    }

    #[test]
    fn a_name_is_short_and_printable() {
        for (name, is_fine) in [("a", true), ("a b,c=%", true), (&"a".repeat(32), true), (&"a".repeat(33), false), ("", false)] {
            assert_eq!(is_name(name), is_fine, "{name}");
        }
        assert!(!is_name("a\n") && !is_name("ü") && !is_name("\x7f"));
    }

    #[test]
    fn long_text_is_cut() {
        assert!(shown(&"\u{202e}".repeat(1_000)).chars().count() <= SHOWN_MAX + 1);
        assert_eq!(shown(&"a".repeat(64)), "a".repeat(64));
    }
}
