//! Noise: every psk-less pattern of two public vector files, both sides, handshake and transport messages.

use crate::vector::{array, bytes, json, maybe_bytes};
use bowline::base::peer::PeerId;
use bowline::crypto::cipher::{Cipher, TAG};
use bowline::crypto::keys::SecretKey;
use bowline::crypto::noise::{Handshake, Keys, Pattern, Role, Token};
use serde_json::Value;
use std::sync::Arc;

/// Name, who is known beforehand, messages: the patterns of the Noise specification, 7.4, 7.5 and appendix 18.1.
const PATTERNS: [(&str, &str, &str); 38] = [
    ("N", "r", "e es"),
    ("K", "ir", "e es ss"),
    ("X", "r", "e es s ss"),
    ("NN", "", "e, e ee"),
    ("KN", "i", "e, e ee se"),
    ("NK", "r", "e es, e ee"),
    ("KK", "ir", "e es ss, e ee se"),
    ("NX", "", "e, e ee s es"),
    ("KX", "i", "e, e ee se s es"),
    ("XN", "", "e, e ee, s se"),
    ("IN", "", "e s, e ee se"),
    ("XK", "r", "e es, e ee, s se"),
    ("IK", "r", "e es s ss, e ee se"),
    ("XX", "", "e, e ee s es, s se"),
    ("IX", "", "e s, e ee se s es"),
    ("NK1", "r", "e, e ee es"),
    ("NX1", "", "e, e ee s, es"),
    ("X1N", "", "e, e ee, s, se"),
    ("X1K", "r", "e es, e ee, s, se"),
    ("XK1", "r", "e, e ee es, s se"),
    ("X1K1", "r", "e, e ee es, s, se"),
    ("X1X", "", "e, e ee s es, s, se"),
    ("XX1", "", "e, e ee s, es s se"),
    ("X1X1", "", "e, e ee s, es s, se"),
    ("K1N", "i", "e, e ee, se"),
    ("K1K", "ir", "e es, e ee, se"),
    ("KK1", "ir", "e, e ee se es"),
    ("K1K1", "ir", "e, e ee es, se"),
    ("K1X", "i", "e, e ee s es, se"),
    ("KX1", "i", "e, e ee se s, es"),
    ("K1X1", "i", "e, e ee s, se es"),
    ("I1N", "", "e s, e ee, se"),
    ("I1K", "r", "e es s, e ee, se"),
    ("IK1", "r", "e s, e ee se es"),
    ("I1K1", "r", "e s, e ee es, se"),
    ("I1X", "", "e s, e ee s es, se"),
    ("IX1", "", "e s, e ee se s, es"),
    ("I1X1", "", "e s, e ee s, se es"),
];

/// The pattern of a row; `None` for those with pre-shared keys. Leaked: a pattern lives as long as the program.
fn pattern(row: &Value) -> Option<&'static Pattern> {
    let protocol = row["protocol_name"].as_str().unwrap();
    let name = protocol.strip_prefix("Noise_").unwrap().strip_suffix("_25519_ChaChaPoly_BLAKE2b").unwrap();
    let (_, known, messages) = PATTERNS.iter().find(|(known_name, _, _)| *known_name == name)?;
    let token = |text: &str| match text {
        "e" => Token::E,
        "s" => Token::S,
        "ee" => Token::Ee,
        "es" => Token::Es,
        "se" => Token::Se,
        "ss" => Token::Ss,
        _ => panic!("no token {text}"),
    };
    let messages: Vec<&'static [Token]> =
        messages.split(", ").map(|message| &*message.split(' ').map(token).collect::<Vec<_>>().leak()).collect();
    Some(Box::leak(Box::new(Pattern {
        name: protocol.to_owned().leak(),
        is_initiator_known: known.contains('i'),
        is_responder_known: known.contains('r'),
        messages: messages.leak(),
    })))
}

fn side(row: &Value, pattern: &'static Pattern, role: Role) -> Handshake {
    let who = if role == Role::Initiator { "init" } else { "resp" };
    let key = |name: &str| maybe_bytes(row, &format!("{who}_{name}")).map(|bytes| <[u8; 32]>::try_from(bytes).unwrap());
    let keys = Keys {
        secret: key("static").map(|bytes| Arc::new(SecretKey::from_bytes(bytes))),
        ephemeral: key("ephemeral").map(SecretKey::from_bytes),
        remote: key("remote_static").map(PeerId::from_bytes),
    };
    Handshake::new(pattern, role, &bytes(row, &format!("{who}_prologue")), keys).unwrap()
}

/// Runs one row and returns how many messages it had.
fn run(row: &Value, pattern: &'static Pattern) -> usize {
    let mut initiator = side(row, pattern, Role::Initiator);
    let mut responder = side(row, pattern, Role::Responder);
    let messages = row["messages"].as_array().unwrap();
    let (handshake, transport) = messages.split_at(pattern.messages.len());
    for (index, message) in handshake.iter().enumerate() {
        let (writer, reader) = if index % 2 == 0 { (&mut initiator, &mut responder) } else { (&mut responder, &mut initiator) };
        let (payload, expected) = (bytes(message, "payload"), bytes(message, "ciphertext"));
        assert_eq!(writer.overhead() + payload.len(), expected.len());
        let (mut out, mut back) = (vec![0; expected.len()], vec![0; payload.len()]);
        assert_eq!(writer.write_message(&payload, &mut out), Ok(expected.len()));
        assert_eq!(out, expected, "message {index}");
        assert_eq!(reader.read_message(&out, &mut back), Ok(payload.len()));
        assert_eq!(back, payload);
    }
    let (initiator, responder) = (initiator.split().unwrap(), responder.split().unwrap());
    assert_eq!(initiator.h, responder.h);
    if row["handshake_hash"].is_string() {
        assert_eq!(initiator.h, array(row, "handshake_hash"));
    }
    let mut up = (Cipher::new(initiator.sending()), Cipher::new(responder.receiving()));
    let mut down = (Cipher::new(responder.sending()), Cipher::new(initiator.receiving()));
    for (index, message) in transport.iter().enumerate() {
        // In a one-way pattern only the initiator speaks.
        let is_up = handshake.len() == 1 || (handshake.len() + index).is_multiple_of(2);
        let (sealer, opener) = if is_up { (&mut up.0, &mut up.1) } else { (&mut down.0, &mut down.1) };
        let payload = bytes(message, "payload");
        let mut field = payload.clone();
        field.extend([0; TAG]);
        sealer.seal(&[], &mut field);
        assert_eq!(field, bytes(message, "ciphertext"), "transport message {index}");
        let (text, tag) = field.split_at_mut(payload.len());
        assert_eq!(opener.open_detached(&[], text, tag), Ok(()));
        assert_eq!(text, payload);
    }
    messages.len()
}

fn run_file(text: &str) -> (usize, usize, usize) {
    let (mut passed, mut messages, mut with_psk) = (0, 0, 0);
    for row in json(text)["vectors"].as_array().unwrap() {
        match pattern(row) {
            Some(pattern) => {
                messages += run(row, pattern);
                passed += 1;
            }
            None => {
                assert!(row["protocol_name"].as_str().unwrap().contains("psk"), "only psk patterns are left out");
                with_psk += 1;
            }
        }
    }
    (passed, messages, with_psk)
}

#[test]
fn cacophony_agrees() {
    assert_eq!(run_file(include_str!("../vectors/noise/cacophony.json")), (38, 228, 21));
}

#[test]
fn snow_agrees() {
    let (passed, _, with_psk) = run_file(include_str!("../vectors/noise/snow.json"));
    assert_eq!((passed, with_psk), (38, 13));
}
