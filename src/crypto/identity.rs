//! A node's identity: its secret key and the stamp that others ask for, and the text form in which `node/` stores them. No file is touched
//! here. The secret is never shown: not in errors, not in debug output.
//!
//! ```text
//! Draft::new ── run, run, … ──> Identity ── encode ──> text ── Identity::decode ──> Identity
//! ```

use super::keys::SecretKey;
use super::secret::{Secret, SecretText};
use super::stamp::{self, STAMP, Search};
use crate::base::entropy::Entropy;
use crate::base::peer::PeerId;
use std::sync::Arc;

/// Who a node is, for the native dialect only: a static key of a Noise protocol must not be used in any other protocol.
#[derive(Clone, Debug)]
pub struct Identity {
    secret: Arc<SecretKey>,
    stamp: [u8; STAMP],
}

impl Identity {
    /// An identity from its parts.
    ///
    /// # Errors
    /// `WeakStamp` if `stamp` does not reach `pow_bits`.
    pub fn new(secret: Arc<SecretKey>, stamp: [u8; STAMP], pow_bits: u32) -> Result<Identity, IdentityError> {
        let has = stamp::bits_of(&secret.public(), &stamp);
        if has < pow_bits {
            return Err(IdentityError::WeakStamp { has, needs: pow_bits });
        }
        Ok(Identity { secret, stamp })
    }

    pub fn id(&self) -> PeerId {
        self.secret.public()
    }

    pub const fn secret(&self) -> &Arc<SecretKey> {
        &self.secret
    }

    pub const fn stamp(&self) -> &[u8; STAMP] {
        &self.stamp
    }

    /// The difficulty that the stamp reaches.
    pub fn pow_bits(&self) -> u32 {
        stamp::bits_of(&self.id(), &self.stamp)
    }

    /// The text to store. `decode` reads it back.
    pub fn encode(&self) -> SecretText {
        let mut text = SecretText::with_capacity(TEXT_MAX);
        text.push(HEAD);
        text.push("\nmode native\npublic ");
        text.push_hex(self.id().as_bytes());
        text.push("\nsecret ");
        text.push_hex(self.secret.as_bytes());
        text.push("\nstamp ");
        text.push_hex(&self.stamp);
        text.push(&format!(
            "\npow-bits {}\n# Keep this file to yourself: who reads it can pose as this node.\n",
            self.pow_bits()
        ));
        text
    }

    /// Reads what `encode` wrote, and checks that the keys belong together and that the stamp reaches what the text says and the
    /// network's `pow_bits`.
    ///
    /// # Errors
    /// What is wrong and in which line; never what stood there.
    ///
    /// # Memory
    /// `text` belongs to the caller: `SecretText::from_vec` wipes it.
    pub fn decode(text: &[u8], pow_bits: u32) -> Result<Identity, IdentityError> {
        let fields = Fields::parse(text)?;
        let secret = SecretKey::from_bytes(*fields.secret.as_bytes());
        if secret.public() != PeerId::from_bytes(fields.public) {
            return Err(IdentityError::KeysDiffer);
        }
        Identity::new(Arc::new(secret), fields.stamp, fields.pow_bits.max(pow_bits))
    }
}

/// A key that still looks for its stamp.
#[derive(Debug)]
pub struct Draft {
    secret: Arc<SecretKey>,
    search: Search,
}

impl Draft {
    /// A fresh key from `entropy`, and a search that starts at a random place.
    pub fn new(entropy: &mut dyn Entropy, pow_bits: u32) -> Draft {
        Draft::of(SecretKey::generate(entropy), entropy, pow_bits)
    }

    /// A search for a key that is there already.
    pub(crate) fn of(secret: SecretKey, entropy: &mut dyn Entropy, pow_bits: u32) -> Draft {
        let mut start = [0; STAMP];
        entropy.fill(&mut start);
        let search = Search::new(&secret.public(), pow_bits, start);
        Draft { secret: Arc::new(secret), search }
    }

    /// Tries up to `tries` stamps; the draft keeps its progress between calls.
    pub fn run(&mut self, tries: u64) -> Option<Identity> {
        let stamp = self.search.run(tries)?;
        Some(Identity { secret: Arc::clone(&self.secret), stamp })
    }

    /// The id that the identity will have.
    pub fn id(&self) -> PeerId {
        self.secret.public()
    }

    /// Stamps that were tried and failed.
    pub const fn tried(&self) -> u64 {
        self.search.tried()
    }

    /// Stamps that a search tries on average.
    pub fn expected_tries(&self) -> u64 {
        self.search.expected_tries()
    }
}

/// A text that is no identity, or not one for this network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    #[error("the text has {has} bytes, an identity has at most {TEXT_MAX}: this is another file")]
    TooLong { has: usize },
    #[error("the first line is not \"{HEAD}\": this is no identity, or one of another version")]
    Head,
    #[error("line {line}: expected \"{expected}\"")]
    Line { line: usize, expected: &'static str },
    #[error("line {line} says \"{name}\" again")]
    Repeated { line: usize, name: &'static str },
    #[error("the line \"{name}\" is missing")]
    Missing { name: &'static str },
    #[error("the identity is for another protocol: a key is used in one protocol only, generate a new identity")]
    OtherMode,
    #[error("the public key does not belong to the secret key: the file is damaged, restore it or generate a new identity")]
    KeysDiffer,
    #[error(
        "the stamp reaches a difficulty of {has} bits, {needs} are needed: generate a new identity, or restore the file if it was good before"
    )]
    WeakStamp { has: u32, needs: u32 },
}

const HEAD: &str = "bowline-identity 1";
/// Longest text in bytes: head 19, mode 12, public 72, secret 72, stamp 55, pow-bits 13 and the comment 66 make 309; the rest is for
/// comments of people.
const TEXT_MAX: usize = 4_096;

/// What the lines of a text say.
struct Fields {
    public: [u8; 32],
    secret: Secret<32>,
    stamp: [u8; STAMP],
    pow_bits: u32,
}

impl Fields {
    fn parse(text: &[u8]) -> Result<Fields, IdentityError> {
        if text.len() > TEXT_MAX {
            return Err(IdentityError::TooLong { has: text.len() });
        }
        let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
        if lines.next().is_none_or(|(_, line)| line != HEAD.as_bytes()) {
            return Err(IdentityError::Head);
        }
        let (mut mode, mut public, mut secret, mut stamp, mut pow_bits) = (None, None, None, None, None);
        for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#")) {
            let line_number = index + 1;
            let (name, value) = split_name(line);
            match name {
                b"mode" => fill(&mut mode, line_number, "mode", "mode native", Some(value == b"native"))?,
                b"public" => fill(&mut public, line_number, "public", "public <64 hex digits>", unhex(value))?,
                b"secret" => fill(&mut secret, line_number, "secret", "secret <64 hex digits>", unhex(value))?,
                b"stamp" => fill(&mut stamp, line_number, "stamp", "stamp <48 hex digits>", unhex(value))?,
                b"pow-bits" => fill(&mut pow_bits, line_number, "pow-bits", "pow-bits <0 to 256>", bits(value))?,
                _ => {
                    return Err(IdentityError::Line {
                        line: line_number,
                        expected: "mode, public, secret, stamp, pow-bits or a # comment",
                    });
                }
            }
        }
        if !mode.ok_or(IdentityError::Missing { name: "mode" })? {
            return Err(IdentityError::OtherMode);
        }
        Ok(Fields {
            public: *public.ok_or(IdentityError::Missing { name: "public" })?.as_bytes(),
            secret: secret.ok_or(IdentityError::Missing { name: "secret" })?,
            stamp: *stamp.ok_or(IdentityError::Missing { name: "stamp" })?.as_bytes(),
            pow_bits: pow_bits.ok_or(IdentityError::Missing { name: "pow-bits" })?,
        })
    }
}

fn fill<T>(
    slot: &mut Option<T>,
    line: usize,
    name: &'static str,
    expected: &'static str,
    value: Option<T>,
) -> Result<(), IdentityError> {
    if slot.is_some() {
        return Err(IdentityError::Repeated { line, name });
    }
    *slot = Some(value.ok_or(IdentityError::Line { line, expected })?);
    Ok(())
}

fn split_name(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    (&line[..at], line[at..].trim_ascii())
}

/// Hex of exactly `N` bytes, without a copy that outlives the call.
fn unhex<const N: usize>(text: &[u8]) -> Option<Secret<N>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = Secret::ZERO;
    for (slot, [high, low]) in bytes.as_mut_bytes().iter_mut().zip(pairs) {
        *slot = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn bits(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|bits| *bits <= 256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::peer::hex;
    use crate::base::rng::Rng;

    fn made(pow_bits: u32) -> Identity {
        let mut draft = Draft::new(&mut Rng::from_seed(3), pow_bits);
        let identity = (0..10_000).find_map(|_| draft.run(10)).unwrap();
        assert_eq!(identity.id(), draft.id());
        identity
    }

    fn text(identity: &Identity) -> String {
        String::from_utf8(identity.encode().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn an_identity_survives_its_text() {
        let identity = made(8);
        let back = Identity::decode(identity.encode().as_bytes(), 8).unwrap();
        assert_eq!((back.id(), back.stamp()), (identity.id(), identity.stamp()));
        assert_eq!(back.secret().as_bytes(), identity.secret().as_bytes());
        let edited = text(&identity).replace('\n', "\r\n\n# mine\n");
        assert_eq!(Identity::decode(edited.as_bytes(), 0).unwrap().id(), identity.id());
    }

    #[test]
    fn a_draft_keeps_its_progress() {
        let mut draft = Draft::new(&mut Rng::from_seed(3), 20);
        assert!(draft.run(10).is_none() && draft.run(5).is_none());
        assert_eq!((draft.tried(), draft.expected_tries()), (15, 1 << 20));
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let identity = made(8);
        let good = text(&identity);
        let other = hex(SecretKey::from_bytes([9; 32]).public().as_bytes());
        let has = identity.pow_bits();
        let cases = [
            (String::new(), IdentityError::Head),
            (good.replace("identity 1", "identity 2"), IdentityError::Head),
            (good.replace("mode native", "mode tezos"), IdentityError::OtherMode),
            (good.replace("mode native\n", ""), IdentityError::Missing { name: "mode" }),
            (
                good.replace("secret ", "sekret "),
                IdentityError::Line { line: 4, expected: "mode, public, secret, stamp, pow-bits or a # comment" },
            ),
            (good.replace("secret ", "secret z"), IdentityError::Line { line: 4, expected: "secret <64 hex digits>" }),
            (good.replace("stamp ", "stamp 00"), IdentityError::Line { line: 5, expected: "stamp <48 hex digits>" }),
            (good.replace(&hex(identity.id().as_bytes()), &other), IdentityError::KeysDiffer),
            (format!("{good}mode native\n"), IdentityError::Repeated { line: 8, name: "mode" }),
            (good.replace("pow-bits ", "pow-bits -"), IdentityError::Line { line: 6, expected: "pow-bits <0 to 256>" }),
            (good.replace(&format!("pow-bits {has}"), "pow-bits 256"), IdentityError::WeakStamp { has, needs: 256 }),
            (format!("{good}{}", "#".repeat(TEXT_MAX)), IdentityError::TooLong { has: good.len() + TEXT_MAX }),
        ];
        for (text, expected) in cases {
            let error = Identity::decode(text.as_bytes(), 8).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains(&hex(&identity.secret().as_bytes()[..4])));
        }
        assert_eq!(Identity::decode(good.as_bytes(), 200).unwrap_err(), IdentityError::WeakStamp { has, needs: 200 });
    }

    #[test]
    fn no_byte_of_a_text_can_make_decoding_panic() {
        let good = text(&made(0));
        for at in 0..good.len() {
            for byte in [0, b'\n', b' ', 0xff] {
                let mut bad = good.clone().into_bytes();
                bad[at] = byte;
                let _ = Identity::decode(&bad, 0);
                let _ = Identity::decode(&bad[..at], 0);
            }
        }
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        let identity = made(0);
        let shown = format!("{identity:?}");
        assert!(shown.contains(&identity.id().short()) && !shown.contains(&hex(&identity.secret().as_bytes()[..4])));
    }
}
