//! Peer-controlled text made safe for a log line or an event: escaped and cut. Whoever logs what a peer sent calls it.

/// At most this many characters of a peer's text reach a log line (threat T36).
pub const SHOWN_MAX: usize = 64;

/// `text` with everything but printable ASCII escaped, cut to `SHOWN_MAX` characters of output.
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let mut piece = String::new();
        if c == ' ' || c.is_ascii_graphic() && c != '\\' {
            piece.push(c);
        } else {
            piece.extend(c.escape_default());
        }
        if out.len() + piece.len() > SHOWN_MAX {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
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
    fn long_text_is_cut() {
        assert!(shown(&"\u{202e}".repeat(1_000)).chars().count() <= SHOWN_MAX + 1);
        assert_eq!(shown(&"a".repeat(64)), "a".repeat(64));
    }
}
