//! The Noise handshake, suite 25519_ChaChaPoly_BLAKE2b (Noise specification, revision 34, without pre-shared keys): a driver that walks a
//! pattern's tokens. It knows no layout, no stamps and no lists: the session lays messages out and judges what they say.
//!
//! ```text
//! new ── write/read_message in turns ──> is_finished ── split ──> Split { keys, h }
//!          └── error ──> broken: every later call says so
//! ```

use super::cipher::{Cipher, TAG};
use super::hash;
use super::keys::{LowOrder, SecretKey};
use super::secret::Secret;
use crate::base::peer::PeerId;
use std::fmt;
use std::sync::Arc;

/// Bytes of a public key on the wire.
const KEY: usize = PeerId::LEN;

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Initiator,
    Responder,
}

/// A step of a handshake message: a key that is sent, or a Diffie-Hellman (the initiator's key first).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    E,
    S,
    Ee,
    Es,
    Se,
    Ss,
}

/// A handshake pattern.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// The whole protocol name, which every key depends on.
    pub name: &'static str,
    /// The responder knows the initiator's static key beforehand.
    pub is_initiator_known: bool,
    /// The initiator knows the responder's static key beforehand.
    pub is_responder_known: bool,
    /// The initiator writes the first, the responder the second, and so on.
    pub messages: &'static [&'static [Token]],
}

/// The pattern of bowline/1: both sides learn and prove each other's static key within three messages.
pub const XX: Pattern = Pattern {
    name: "Noise_XX_25519_ChaChaPoly_BLAKE2b",
    is_initiator_known: false,
    is_responder_known: false,
    messages: &[&[Token::E], &[Token::E, Token::Ee, Token::S, Token::Es], &[Token::S, Token::Se]],
};

/// The keys that one side brings. What a pattern does not use may be absent.
#[derive(Debug, Default)]
pub struct Keys {
    pub secret: Option<Arc<SecretKey>>,
    /// Fresh for every handshake; wiped at its end.
    pub ephemeral: Option<SecretKey>,
    /// The other side's static key, if the pattern says that it is known beforehand.
    pub remote: Option<PeerId>,
}

/// Why a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    #[error("the message or its buffer has {has} bytes, {needs} are needed")]
    Length { has: usize, needs: usize },
    #[error("a handshake message does not authenticate")]
    Forged,
    #[error(transparent)]
    LowOrder(#[from] LowOrder),
    #[error("the peer shows another static key than the expected one")]
    UnexpectedKey,
    #[error("the pattern needs a key that was not given")]
    MissingKey,
    #[error("it is the other side's turn, or the handshake is over")]
    OutOfTurn,
    #[error("the handshake is not finished")]
    Unfinished,
    #[error("the handshake failed before")]
    Broken,
}

/// What a finished handshake leaves: one key for each direction, and the hash that names the session.
#[derive(Debug)]
pub struct Split {
    pub from_initiator: Secret<32>,
    pub from_responder: Secret<32>,
    pub h: [u8; hash::WIDE],
    role: Role,
}

impl Split {
    /// The key of what we send.
    pub const fn sending(&self) -> &Secret<32> {
        match self.role {
            Role::Initiator => &self.from_initiator,
            Role::Responder => &self.from_responder,
        }
    }

    /// The key of what we receive.
    pub const fn receiving(&self) -> &Secret<32> {
        match self.role {
            Role::Initiator => &self.from_responder,
            Role::Responder => &self.from_initiator,
        }
    }
}

/// A handshake under way (Noise's HandshakeState).
pub struct Handshake {
    pattern: &'static Pattern,
    role: Role,
    /// Messages written or read so far.
    turn: usize,
    is_broken: bool,
    symmetric: Symmetric,
    keys: Keys,
    remote_ephemeral: Option<PeerId>,
    expected: Option<PeerId>,
}

impl Handshake {
    /// # Errors
    /// `MissingKey` if the pattern has known static keys and `keys` lacks one.
    pub fn new(pattern: &'static Pattern, role: Role, prologue: &[u8], keys: Keys) -> Result<Handshake, NoiseError> {
        let mut symmetric = Symmetric::new(pattern.name);
        symmetric.mix_hash(prologue);
        let ours = keys.secret.as_ref().map(|secret| secret.public());
        let (initiator, responder) = match role {
            Role::Initiator => (ours, keys.remote),
            Role::Responder => (keys.remote, ours),
        };
        for (is_known, key) in [(pattern.is_initiator_known, initiator), (pattern.is_responder_known, responder)] {
            if is_known {
                symmetric.mix_hash(key.ok_or(NoiseError::MissingKey)?.as_bytes());
            }
        }
        Ok(Handshake { pattern, role, turn: 0, is_broken: false, symmetric, keys, remote_ephemeral: None, expected: None })
    }

    /// The handshake of bowline/1.
    pub fn xx(role: Role, prologue: &[u8], secret: Arc<SecretKey>, ephemeral: SecretKey) -> Handshake {
        let keys = Keys { secret: Some(secret), ephemeral: Some(ephemeral), remote: None };
        Handshake::new(&XX, role, prologue, keys).expect("XX has no keys known beforehand")
    }

    /// The static key that the peer must show (dialed or claimed): any other ends the handshake as soon as it is read.
    pub fn expect(&mut self, peer: PeerId) {
        self.expected = Some(peer);
    }

    /// Bytes that the next message, ours or theirs, adds to its payload.
    pub fn overhead(&self) -> usize {
        let mut is_sealed = self.symmetric.cipher.is_some();
        let mut bytes = 0;
        for token in self.tokens() {
            match token {
                Token::E => bytes += KEY,
                Token::S => bytes += KEY + if is_sealed { TAG } else { 0 },
                Token::Ee | Token::Es | Token::Se | Token::Ss => is_sealed = true,
            }
        }
        bytes + if is_sealed { TAG } else { 0 }
    }

    /// Writes our next message with `payload` in it and returns its length.
    ///
    /// # Errors
    /// `Length` and `OutOfTurn` change nothing; every other error breaks the handshake, and what stands in `out` must not be sent.
    pub fn write_message(&mut self, payload: &[u8], out: &mut [u8]) -> Result<usize, NoiseError> {
        self.check_turn(true)?;
        let length = self.overhead() + payload.len();
        let has = out.len();
        let message = out.get_mut(..length).ok_or(NoiseError::Length { has, needs: length })?;
        self.is_broken = true;
        self.write_tokens(payload, message)?;
        self.end_turn();
        Ok(length)
    }

    /// Reads the peer's next message, puts its payload into `payload` and returns the payload's length.
    ///
    /// # Errors
    /// `Length` and `OutOfTurn` change nothing; every other error breaks the handshake.
    pub fn read_message(&mut self, input: &[u8], payload: &mut [u8]) -> Result<usize, NoiseError> {
        self.check_turn(false)?;
        let overhead = self.overhead();
        let length = input.len().checked_sub(overhead).ok_or(NoiseError::Length { has: input.len(), needs: overhead })?;
        let has = payload.len();
        let payload = payload.get_mut(..length).ok_or(NoiseError::Length { has, needs: length })?;
        self.is_broken = true;
        self.read_tokens(input, payload)?;
        self.end_turn();
        Ok(length)
    }

    pub const fn is_finished(&self) -> bool {
        self.turn == self.pattern.messages.len()
    }

    /// The peer's static key, once it was read. Proven only when the message after the Diffie-Hellman with it was read.
    pub const fn remote(&self) -> Option<PeerId> {
        self.keys.remote
    }

    pub const fn remote_ephemeral(&self) -> Option<PeerId> {
        self.remote_ephemeral
    }

    /// The session's keys; the handshake's own are wiped.
    ///
    /// # Errors
    /// `Unfinished` if messages are missing, `Broken` if one failed.
    pub fn split(self) -> Result<Split, NoiseError> {
        if self.is_broken {
            return Err(NoiseError::Broken);
        }
        if !self.is_finished() {
            return Err(NoiseError::Unfinished);
        }
        let [first, second] = hash::hkdf::<2>(&self.symmetric.chaining_key, &[]);
        Ok(Split { from_initiator: half(&first), from_responder: half(&second), h: self.symmetric.h, role: self.role })
    }

    fn tokens(&self) -> &'static [Token] {
        self.pattern.messages.get(self.turn).copied().unwrap_or(&[])
    }

    fn check_turn(&self, is_writing: bool) -> Result<(), NoiseError> {
        if self.is_broken {
            return Err(NoiseError::Broken);
        }
        let is_ours = (self.role == Role::Initiator) == self.turn.is_multiple_of(2);
        if self.is_finished() || is_ours != is_writing {
            return Err(NoiseError::OutOfTurn);
        }
        Ok(())
    }

    fn end_turn(&mut self) {
        self.is_broken = false;
        self.turn += 1;
    }

    /// `message` has exactly the message's length.
    fn write_tokens(&mut self, payload: &[u8], message: &mut [u8]) -> Result<(), NoiseError> {
        let mut rest = message;
        for token in self.tokens() {
            let key = match token {
                Token::E => self.keys.ephemeral.as_ref().map(SecretKey::public),
                Token::S => self.keys.secret.as_ref().map(|secret| secret.public()),
                Token::Ee | Token::Es | Token::Se | Token::Ss => {
                    self.mix_shared(*token)?;
                    continue;
                }
            };
            let sealed = if *token == Token::S { self.symmetric.tag() } else { 0 };
            let (field, after) = rest.split_at_mut(KEY + sealed);
            field[..KEY].copy_from_slice(key.ok_or(NoiseError::MissingKey)?.as_bytes());
            if sealed > 0 {
                self.symmetric.seal(field)
            } else {
                self.symmetric.mix_hash(field)
            }
            rest = after;
        }
        rest[..payload.len()].copy_from_slice(payload);
        self.symmetric.seal(rest);
        Ok(())
    }

    /// `payload` has exactly the payload's length.
    fn read_tokens(&mut self, input: &[u8], payload: &mut [u8]) -> Result<(), NoiseError> {
        let mut rest = input;
        for token in self.tokens() {
            match token {
                Token::E => {
                    let (field, after) = rest.split_at(KEY);
                    self.symmetric.mix_hash(field);
                    self.remote_ephemeral = Some(public(field));
                    rest = after;
                }
                Token::S => {
                    let (field, after) = rest.split_at(KEY + self.symmetric.tag());
                    let mut key = [0; KEY];
                    self.symmetric.open(field, &mut key)?;
                    let key = PeerId::from_bytes(key);
                    if self.expected.is_some_and(|expected| expected != key) {
                        return Err(NoiseError::UnexpectedKey);
                    }
                    self.keys.remote = Some(key);
                    rest = after;
                }
                Token::Ee | Token::Es | Token::Se | Token::Ss => self.mix_shared(*token)?,
            }
        }
        self.symmetric.open(rest, payload)
    }

    fn mix_shared(&mut self, token: Token) -> Result<(), NoiseError> {
        let (mut is_ours_static, mut is_theirs_static) = match token {
            Token::Es => (false, true),
            Token::Se => (true, false),
            Token::Ss => (true, true),
            Token::Ee | Token::E | Token::S => (false, false),
        };
        if self.role == Role::Responder {
            std::mem::swap(&mut is_ours_static, &mut is_theirs_static);
        }
        let ours = if is_ours_static { self.keys.secret.as_deref() } else { self.keys.ephemeral.as_ref() };
        let theirs = if is_theirs_static { self.keys.remote } else { self.remote_ephemeral };
        let (ours, theirs) = ours.zip(theirs).ok_or(NoiseError::MissingKey)?;
        self.symmetric.mix_key(ours.dh(&theirs)?.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("role", &self.role).field("turn", &self.turn).finish_non_exhaustive()
    }
}

/// What both sides have mixed so far (Noise's SymmetricState).
struct Symmetric {
    h: [u8; hash::WIDE],
    chaining_key: Secret<{ hash::WIDE }>,
    cipher: Option<Cipher>,
}

impl Symmetric {
    fn new(name: &str) -> Symmetric {
        let mut h = [0; hash::WIDE];
        match h.get_mut(..name.len()) {
            Some(slot) => slot.copy_from_slice(name.as_bytes()),
            None => h = hash::blake2b(&[name.as_bytes()]),
        }
        Symmetric { h, chaining_key: Secret::from_bytes(h), cipher: None }
    }

    /// Bytes that `seal` needs beyond its text: none before the first shared secret.
    const fn tag(&self) -> usize {
        if self.cipher.is_some() { TAG } else { 0 }
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.h = hash::blake2b(&[&self.h, data]);
    }

    fn mix_key(&mut self, input: &[u8]) {
        let [chaining_key, key] = hash::hkdf::<2>(&self.chaining_key, input);
        self.chaining_key = chaining_key;
        self.cipher = Some(Cipher::new(&half(&key)));
    }

    /// Seals `field` in place, its tag included, or leaves it clear as long as there is no key; then mixes it.
    fn seal(&mut self, field: &mut [u8]) {
        if let Some(cipher) = &mut self.cipher {
            cipher.seal(&self.h, field);
        }
        self.mix_hash(field);
    }

    /// The opposite of `seal`: `field` is `tag()` bytes longer than `text`.
    fn open(&mut self, field: &[u8], text: &mut [u8]) -> Result<(), NoiseError> {
        let (clear, tag) = field.split_at(text.len());
        text.copy_from_slice(clear);
        if let Some(cipher) = &mut self.cipher {
            cipher.open_detached(&self.h, text, tag).map_err(|_| NoiseError::Forged)?;
        }
        self.mix_hash(field);
        Ok(())
    }
}

fn public(field: &[u8]) -> PeerId {
    PeerId::from_bytes(field.try_into().expect("the field has the length of a key"))
}

/// Noise cuts 64-byte outputs to 32-byte keys.
fn half(wide: &Secret<{ hash::WIDE }>) -> Secret<32> {
    let mut key = Secret::ZERO;
    key.as_mut_bytes().copy_from_slice(&wide.as_bytes()[..32]);
    key
}
