//! The body of an error answer: why a request was not served. Pure bytes; whoever answers and whoever asked use it.

/// Bytes of the text; what is longer is cut off when writing and malformed when reading.
pub const TEXT_BYTES_MAX: usize = 256;
/// What a refusal takes at least: its number.
pub const REFUSAL_BYTES_MIN: u32 = 4;
/// Numbers from here on are bowline's own; an application uses those below.
pub const OWN_CODES: u32 = 0xffff_ff00;
/// The application let the request go without an answer.
pub const NOT_ANSWERED: u32 = OWN_CODES;
/// The request does not decode as what the channel carries.
pub const MALFORMED: u32 = OWN_CODES + 1;

/// Why a request was not served: the application's number, and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: u32,
    pub text: String,
}

impl Refusal {
    /// The number, u32 big-endian, and of the text what `max` bytes have room for; `max` is at least `REFUSAL_BYTES_MIN`.
    pub fn encode(&self, max: usize) -> Vec<u8> {
        let most = TEXT_BYTES_MAX.min(self.text.len()).min(max.saturating_sub(REFUSAL_BYTES_MIN as usize));
        let end = (0..=most).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        [&self.code.to_be_bytes(), &self.text.as_bytes()[..end]].concat()
    }

    /// Reads what `encode` wrote; `None` if it is too short, too long or not UTF-8.
    pub fn decode(bytes: &[u8]) -> Option<Refusal> {
        let (code, text) = bytes.split_first_chunk()?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= TEXT_BYTES_MAX)?;
        Some(Refusal { code: u32::from_be_bytes(*code), text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let refusal = Refusal { code: 7, text: "ä".repeat(200) };
        let read = Refusal::decode(&refusal.encode(usize::MAX)).expect("its own bytes");
        assert_eq!((read.code, read.text), (7, "ä".repeat(128)));
        let odd = Refusal { code: 7, text: format!("x{}", "ä".repeat(200)) };
        assert_eq!(Refusal::decode(&odd.encode(usize::MAX)).expect("its own bytes").text.len(), 255);
        assert_eq!(Refusal::decode(&odd.encode(8)), Some(Refusal { code: 7, text: "xä".to_owned() }), "no byte of the next fits");
        assert_eq!(Refusal::decode(&odd.encode(4)), Some(Refusal { code: 7, text: String::new() }));
    }

    #[test]
    fn what_is_malformed_is_no_refusal() {
        assert_eq!(Refusal::decode(&[0, 0, 1]), None);
        assert_eq!(Refusal::decode(&[0, 0, 0, 1, 0xff]), None);
        assert_eq!(Refusal::decode(&[b'x'; 4 + TEXT_BYTES_MAX + 1]), None);
        assert_eq!(Refusal::decode(&[0, 0, 0, 1]), Some(Refusal { code: 1, text: String::new() }));
    }

    proptest! {
        #[test]
        fn short_texts_come_back(code: u32, text in ".{0,64}") {
            let refusal = Refusal { code, text };
            prop_assert_eq!(Refusal::decode(&refusal.encode(usize::MAX)), Some(refusal));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            if let Some(refusal) = Refusal::decode(&bytes) {
                prop_assert_eq!(refusal.encode(usize::MAX), bytes);
            }
        }
    }
}
