//! Forgers: every byte of a handshake flipped, low-order keys in every position, spliced and replayed messages, forged and displaced records.

use bowline::base::peer::{PeerId, unhex};
use bowline::crypto::cipher::{Cipher, TAG};
use bowline::crypto::hash;
use bowline::crypto::keys::{LowOrder, SecretKey};
use bowline::crypto::noise::{Handshake, Keys, NoiseError, Pattern, Role, Token};
use bowline::crypto::record::{OpenFailed, Opener, Sealer, Suite};
use bowline::crypto::secret::Secret;
use std::sync::Arc;

/// Payload lengths of bowline/1's three messages, and the whole messages'.
const PAYLOADS: [usize; 3] = [96, 64, 64];
const MESSAGES: [usize; 3] = [128, 160, 128];

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

/// An initiator (static key 1) and a responder (2), with ephemerals that depend on `session`.
fn pair(session: u8) -> (Handshake, Handshake) {
    let side = |role, secret, ephemeral| Handshake::xx(role, b"prologue", Arc::new(key(secret)), key(ephemeral));
    (side(Role::Initiator, 1, session), side(Role::Responder, 2, session + 1))
}

fn write(writer: &mut Handshake, turn: usize) -> Result<Vec<u8>, NoiseError> {
    let mut out = vec![0; MESSAGES[turn]];
    assert_eq!(writer.write_message(&[7; 96][..PAYLOADS[turn]], &mut out)?, out.len());
    Ok(out)
}

fn read(reader: &mut Handshake, message: &[u8]) -> Result<(), NoiseError> {
    reader.read_message(message, &mut [0; 96]).map(|_| ())
}

/// Runs all three messages, each changed by `forge` on its way; the turn and the error where it ended.
fn run(session: u8, mut forge: impl FnMut(usize, &mut Vec<u8>)) -> Result<(), (usize, NoiseError)> {
    let (mut initiator, mut responder) = pair(session);
    for turn in 0..3 {
        let (writer, reader) = if turn == 1 { (&mut responder, &mut initiator) } else { (&mut initiator, &mut responder) };
        let mut message = write(writer, turn).map_err(|error| (turn, error))?;
        forge(turn, &mut message);
        read(reader, &message).map_err(|error| (turn, error))?;
    }
    assert_eq!(initiator.split().unwrap().h, responder.split().unwrap().h);
    Ok(())
}

fn recorded(session: u8) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    run(session, |_, message| messages.push(message.clone())).unwrap();
    messages
}

/// The seven low-order encodings, with and without the bit that X25519 ignores.
fn low_order() -> Vec<[u8; 32]> {
    let texts = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let plain = texts.map(|text| <[u8; 32]>::try_from(unhex(text).unwrap()).unwrap());
    plain
        .into_iter()
        .flat_map(|bytes| {
            [0, 0x80].map(|bit| {
                let mut with = bytes;
                with[31] ^= bit;
                with
            })
        })
        .collect()
}

#[test]
fn every_flipped_bit_ends_the_handshake_at_that_message_or_the_next() {
    assert_eq!(run(10, |_, _| ()), Ok(()));
    for (turn, length) in MESSAGES.into_iter().enumerate() {
        for at in 0..length {
            for bit in [0x01, 0x80] {
                let (ended, error) = run(10, |now, message| {
                    if now == turn {
                        message[at] ^= bit
                    }
                })
                .unwrap_err();
                assert_eq!(error, NoiseError::Forged, "message {turn}, byte {at}");
                // The first message has nothing to authenticate with: the second one finds out.
                assert_eq!(ended, turn.max(1));
            }
        }
    }
}

#[test]
fn another_prologue_ends_the_handshake() {
    let (mut initiator, _) = pair(10);
    let mut responder = Handshake::xx(Role::Responder, b"prolog", Arc::new(key(2)), key(11));
    read(&mut responder, &write(&mut initiator, 0).unwrap()).unwrap();
    assert_eq!(read(&mut initiator, &write(&mut responder, 1).unwrap()), Err(NoiseError::Forged));
}

#[test]
fn messages_of_other_sessions_are_refused() {
    let (old, here) = (recorded(20), recorded(10));
    assert_ne!(old[1], here[1]);
    for turn in [1, 2] {
        let error = run(10, |now, message| {
            if now == turn {
                message.copy_from_slice(&old[now]);
            }
        })
        .unwrap_err();
        assert_eq!(error, (turn, NoiseError::Forged));
    }
    // A first message may be replayed, but what follows from the recording does not open the fresh answer's session.
    let (_, mut responder) = pair(30);
    read(&mut responder, &here[0]).unwrap();
    write(&mut responder, 1).unwrap();
    assert_eq!(read(&mut responder, &here[2]), Err(NoiseError::Forged));
    // Our own message sent back to us is none of the peer's.
    let (mut initiator, _) = pair(10);
    let own = write(&mut initiator, 0).unwrap();
    assert_eq!(read(&mut initiator, &[&own[..], &[0; 32]].concat()), Err(NoiseError::Forged));
}

#[test]
fn no_secret_is_shared_with_a_low_order_key() {
    assert_eq!(low_order().len(), 14);
    for low in low_order() {
        assert_eq!(key(7).dh(&PeerId::from_bytes(low)).unwrap_err(), LowOrder);
    }
}

#[test]
fn low_order_ephemerals_are_refused() {
    for low in low_order() {
        let error = run(10, |turn, message| {
            if turn == 0 {
                message[..32].copy_from_slice(&low)
            }
        })
        .unwrap_err();
        assert_eq!(error, (1, NoiseError::LowOrder(LowOrder)), "the responder does not answer");
        let error = run(10, |turn, message| {
            if turn == 1 {
                message[..32].copy_from_slice(&low)
            }
        })
        .unwrap_err();
        assert_eq!(error, (1, NoiseError::LowOrder(LowOrder)));
    }
}

/// A forger that follows the protocol as far as it must to bring its static key to the other side. It has a Noise of its own, because the
/// library cannot be made to send such a key.
struct Forger {
    h: [u8; 64],
    chaining_key: Secret<64>,
    cipher: Option<Cipher>,
}

impl Forger {
    fn new() -> Forger {
        let mut h = [0; 64];
        h[..33].copy_from_slice(b"Noise_XX_25519_ChaChaPoly_BLAKE2b");
        let mut forger = Forger { h, chaining_key: Secret::from_bytes(h), cipher: None };
        forger.mix_hash(b"prologue");
        forger
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.h = hash::blake2b(&[&self.h, data]);
    }

    fn mix_key(&mut self, ours: &SecretKey, theirs: &[u8]) {
        let theirs = PeerId::from_bytes(theirs.try_into().unwrap());
        let [chaining_key, key] = hash::hkdf::<2>(&self.chaining_key, ours.dh(&theirs).unwrap().as_bytes());
        self.chaining_key = chaining_key;
        let half: [u8; 32] = key.as_bytes()[..32].try_into().unwrap();
        self.cipher = Some(Cipher::new(&Secret::from_bytes(half)));
    }

    fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let mut field = [text, &[0; TAG]].concat();
        self.cipher.as_mut().unwrap().seal(&self.h, &mut field);
        self.mix_hash(&field);
        field
    }

    fn open(&mut self, field: &[u8]) -> Vec<u8> {
        let (text, tag) = field.split_at(field.len() - TAG);
        let mut text = text.to_vec();
        self.cipher.as_mut().unwrap().open_detached(&self.h, &mut text, tag).unwrap();
        self.mix_hash(field);
        text
    }
}

#[test]
fn a_low_order_static_key_of_the_responder_is_refused() {
    for low in low_order() {
        let (mut initiator, _) = pair(10);
        let first = write(&mut initiator, 0).unwrap();
        let mut forger = Forger::new();
        forger.mix_hash(&first[..32]);
        forger.mix_hash(&first[32..]);
        let ephemeral = key(50);
        forger.mix_hash(ephemeral.public().as_bytes());
        forger.mix_key(&ephemeral, &first[..32]);
        let second = [&ephemeral.public().as_bytes()[..], &forger.seal(&low), &[0; 80]].concat();
        assert_eq!(read(&mut initiator, &second), Err(NoiseError::LowOrder(LowOrder)));
        assert_eq!(initiator.split().unwrap_err(), NoiseError::Broken);
    }
}

#[test]
fn a_low_order_static_key_of_the_initiator_is_refused() {
    for low in low_order() {
        let (_, mut responder) = pair(10);
        let (mut forger, ephemeral) = (Forger::new(), key(50));
        let first = [&ephemeral.public().as_bytes()[..], &[7; 96]].concat();
        forger.mix_hash(&first[..32]);
        forger.mix_hash(&first[32..]);
        read(&mut responder, &first).unwrap();
        let second = write(&mut responder, 1).unwrap();
        forger.mix_hash(&second[..32]);
        forger.mix_key(&ephemeral, &second[..32]);
        let theirs = forger.open(&second[32..80]);
        forger.mix_key(&ephemeral, &theirs);
        forger.open(&second[80..]);
        let third = [&forger.seal(&low)[..], &[0; 80]].concat();
        assert_eq!(read(&mut responder, &third), Err(NoiseError::LowOrder(LowOrder)));
        assert_eq!(responder.split().unwrap_err(), NoiseError::Broken);
    }
}

#[test]
fn a_low_order_key_known_beforehand_is_refused() {
    static NK: Pattern = Pattern {
        name: "Noise_NK_25519_ChaChaPoly_BLAKE2b",
        is_initiator_known: false,
        is_responder_known: true,
        messages: &[&[Token::E, Token::Es], &[Token::E, Token::Ee]],
    };
    for low in low_order() {
        let keys = Keys { secret: None, ephemeral: Some(key(9)), remote: Some(PeerId::from_bytes(low)) };
        let mut initiator = Handshake::new(&NK, Role::Initiator, b"", keys).unwrap();
        assert_eq!(initiator.write_message(b"", &mut [0; 64]), Err(NoiseError::LowOrder(LowOrder)));
    }
    assert!(matches!(Handshake::new(&NK, Role::Initiator, b"", Keys::default()), Err(NoiseError::MissingKey)));
}

#[test]
fn another_key_than_the_expected_one_ends_the_handshake_for_good() {
    let (mut initiator, mut responder) = pair(10);
    initiator.expect(key(3).public());
    read(&mut responder, &write(&mut initiator, 0).unwrap()).unwrap();
    let second = write(&mut responder, 1).unwrap();
    assert_eq!(read(&mut initiator, &second), Err(NoiseError::UnexpectedKey));
    assert_eq!(initiator.remote(), None);
    assert_eq!(read(&mut initiator, &second), Err(NoiseError::Broken));
    assert_eq!(write(&mut initiator, 2), Err(NoiseError::Broken));
    assert_eq!(initiator.split().unwrap_err(), NoiseError::Broken);
}

#[test]
fn wrong_turns_and_lengths_change_nothing() {
    let (mut initiator, mut responder) = pair(10);
    assert_eq!(write(&mut responder, 0), Err(NoiseError::OutOfTurn));
    assert_eq!(read(&mut initiator, &[0; 128]), Err(NoiseError::OutOfTurn));
    assert_eq!(initiator.write_message(&[0; 96], &mut [0; 127]), Err(NoiseError::Length { has: 127, needs: 128 }));
    let first = write(&mut initiator, 0).unwrap();
    assert_eq!(read(&mut responder, &first[..31]), Err(NoiseError::Length { has: 31, needs: 32 }));
    assert_eq!(responder.read_message(&first, &mut [0; 95]), Err(NoiseError::Length { has: 95, needs: 96 }));
    read(&mut responder, &first).unwrap();
    let second = write(&mut responder, 1).unwrap();
    for length in 0..96 {
        assert_eq!(read(&mut initiator, &second[..length]), Err(NoiseError::Length { has: length, needs: 96 }));
    }
    read(&mut initiator, &second).unwrap();
    assert!(matches!(responder.split(), Err(NoiseError::Unfinished)));
    write(&mut initiator, 2).unwrap();
    assert_eq!(write(&mut initiator, 2), Err(NoiseError::OutOfTurn));
    assert!(initiator.is_finished() && initiator.split().is_ok());
}

#[test]
fn a_half_open_handshake_fits_its_budget() {
    // 128 of them, of at most 1 KiB each (security reference, R-6).
    assert!(size_of::<Handshake>() <= 1_024, "{} bytes", size_of::<Handshake>());
}

const SUITE: Suite = Suite::XSalsa20Poly1305;

fn opener() -> Opener {
    Opener::new(SUITE, &Secret::from_bytes([1; 32]), &[2; 64])
}

/// `count` records of 21 bytes, sealed one after another; each without its length field.
fn records(count: usize) -> Vec<Vec<u8>> {
    let mut sealer = Sealer::new(SUITE, &Secret::from_bytes([1; 32]), &[2; 64]);
    (0..count)
        .map(|_| {
            let mut record = vec![9; 18 + 21];
            sealer.seal_in_place(&mut record).unwrap();
            assert_eq!(record[..2], 37_u16.to_be_bytes());
            record.split_off(2)
        })
        .collect()
}

#[test]
fn a_forged_record_ends_the_direction_for_good() {
    let good = &records(1)[0];
    for at in 0..good.len() {
        for bit in [0x01, 0x80] {
            let (mut opener, mut forged) = (opener(), good.clone());
            forged[at] ^= bit;
            assert_eq!(opener.open_in_place(&mut forged), Err(OpenFailed));
            assert_eq!(opener.open_in_place(&mut good.clone()), Err(OpenFailed), "one failure is enough");
            assert_eq!(opener.counter(), 0, "the counter advances after success only");
        }
    }
    assert_eq!(opener().open_in_place(&mut good.clone()), Ok(()));
}

#[test]
fn a_record_out_of_its_place_is_refused() {
    let records = records(3);
    let opens = |order: &[usize]| {
        let mut opener = opener();
        order.iter().all(|at| opener.open_in_place(&mut records[*at].clone()).is_ok())
    };
    assert!(opens(&[0, 1, 2]));
    for order in [&[1][..], &[0, 0], &[0, 2], &[0, 1, 0]] {
        assert!(!opens(order), "{order:?}");
    }
}

#[test]
fn another_direction_or_session_opens_nothing() {
    let good = &records(1)[0];
    let mut other_key = Opener::new(SUITE, &Secret::from_bytes([3; 32]), &[2; 64]);
    assert_eq!(other_key.open_in_place(&mut good.clone()), Err(OpenFailed));
    let mut other_session = Opener::new(SUITE, &Secret::from_bytes([1; 32]), &[3; 64]);
    assert_eq!(other_session.open_in_place(&mut good.clone()), Err(OpenFailed));
}

#[test]
fn an_impossible_length_is_refused_before_anything_else() {
    let good = &records(1)[0];
    for length in [0, 1, 15, 16, good.len() - 1] {
        assert_eq!(opener().open_in_place(&mut good[..length].to_vec()), Err(OpenFailed));
    }
    assert_eq!(opener().open_in_place(&mut [&good[..], &[0]].concat()), Err(OpenFailed));
    assert_eq!(opener().open_in_place(&mut vec![0; 65_536]), Err(OpenFailed));
    for plain in [1, 65_519] {
        let mut sealer = Sealer::new(SUITE, &Secret::from_bytes([1; 32]), &[2; 64]);
        let mut record = vec![9; 18 + plain];
        sealer.seal_in_place(&mut record).unwrap();
        assert_eq!(opener().open_in_place(&mut record[2..]), Ok(()));
        assert!(record[18..].iter().all(|byte| *byte == 9));
    }
}
