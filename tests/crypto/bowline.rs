//! The sessions of bowline/1: handshake messages, keys, names, cookies, stamps and records, both sides, byte for byte. The layout of the
//! messages is written out here once more, so that the vectors test the crypto and not the session.

use crate::vector::{array, bytes, json, number, peer};
use bowline::base::point::Prefix;
use bowline::crypto::hash;
use bowline::crypto::keys::SecretKey;
use bowline::crypto::noise::{Handshake, Role, Split};
use bowline::crypto::puzzle::{Cookies, Solver, check_solution};
use bowline::crypto::record::{Opener, Sealer, Suite};
use bowline::crypto::secret::Secret;
use bowline::crypto::stamp;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;

const CLAIM: u8 = 1;
const PUZZLE: u8 = 2;

fn sessions() -> Vec<Value> {
    let files =
        [include_str!("../vectors/bowline/bowline1_vectors.json"), include_str!("../vectors/bowline/bowline1_more_vectors.json")];
    files.iter().flat_map(|file| json(file)["vectors"].as_array().unwrap().clone()).collect()
}

fn cookie(session: &Value) -> [u8; 16] {
    let ip: IpAddr = match bytes(session, "ip_prefix")[..] {
        [a, b, c] => [a, b, c, 77].into(),
        [a, b, c, d, e, f, g, h] => [a, b, c, d, e, f, g, h, 7, 7, 7, 7, 7, 7, 7, 7].into(),
        _ => panic!("a prefix is an IPv4 /24 or an IPv6 /64"),
    };
    let prefix = Prefix::of(ip);
    let cookies = Cookies::new(Secret::from_bytes(array(session, "cookie_secret")));
    cookies.issue(&prefix, number(session, "epoch"), number(session, "puzzle_bits"))
}

/// The first 32 bytes of M1, and its Noise payload.
fn first_message(session: &Value) -> (Vec<u8>, Vec<u8>) {
    let flags: u8 = number(session, "flags");
    let mut head = b"BOWLINE1".to_vec();
    head.extend([number(session, "i_vmin"), number(session, "i_vmax"), flags, 0, 0, 0, 0, 0]);
    head.extend(hash::network_id(session["chain"].as_str().unwrap()));
    let mut payload = vec![0; 96];
    if flags & CLAIM != 0 {
        payload[..32].copy_from_slice(&bytes(&session["expect"], "i_pk"));
        payload[32..56].copy_from_slice(&bytes(session, "i_stamp"));
    }
    if flags & PUZZLE != 0 {
        let ephemeral = SecretKey::from_bytes(array(session, "i_eph")).public();
        let mut solver = Solver::new(&cookie(session), &ephemeral, number(session, "puzzle_bits")).unwrap();
        payload[56..72].copy_from_slice(&cookie(session));
        payload[72..80].copy_from_slice(&solver.run(1 << 20).unwrap());
    }
    (head, payload)
}

/// The payload of M2 (`ours` = "r") or M3 ("i").
fn second_payload(session: &Value, ours: &str, theirs: &str) -> Vec<u8> {
    let field = |name: &str| number::<u32>(session, &format!("{ours}_{name}")).to_le_bytes();
    let is_responder = ours == "r";
    let [min, max] = if is_responder { [number(session, "r_vmin"), number(session, "r_vmax")] } else { [0, 0] };
    let port: u16 = number(session, if is_responder { "i_port" } else { "i_listen" });
    let mut payload = vec![number(session, "chosen"), min, max, 0];
    payload.extend(field("caps"));
    payload.extend(bytes(session, &format!("{ours}_stamp")));
    payload.extend(port.to_le_bytes());
    payload.extend(bytes(session, &format!("{theirs}_ip")));
    payload.extend(field("max_frame"));
    payload.resize(64, 0);
    payload
}

/// Runs the handshake, compares every message, and returns what both sides have at the end.
fn shake_hands(session: &Value) -> (Split, Split) {
    let expect = &session["expect"];
    let key = |name: &str| SecretKey::from_bytes(array(session, name));
    let (head, payload1) = first_message(session);
    let prologue = [b"bowline/1\0", &head[..]].concat();
    let mut i = Handshake::xx(Role::Initiator, &prologue, Arc::new(key("i_static")), key("i_eph"));
    let mut r = Handshake::xx(Role::Responder, &prologue, Arc::new(key("r_static")), key("r_eph"));

    let mut m1 = [0; 160];
    m1[..32].copy_from_slice(&head);
    assert_eq!(i.write_message(&payload1, &mut m1[32..]), Ok(128));
    assert_eq!(m1[..], bytes(expect, "M1"));
    let mut read = [0; 96];
    assert_eq!(r.read_message(&m1[32..], &mut read), Ok(96));
    assert_eq!(read[..], payload1);

    let payload2 = second_payload(session, "r", "i");
    let mut m2 = [0; 164];
    m2[..2].copy_from_slice(&[2, number(session, "chosen")]);
    assert_eq!(r.write_message(&payload2, &mut m2[4..]), Ok(160));
    assert_eq!(m2[..], bytes(expect, "M2"));
    let mut read = [0; 64];
    i.expect(peer(expect, "r_pk"));
    assert_eq!(i.read_message(&m2[4..], &mut read), Ok(64));
    assert_eq!((&read[..], i.remote()), (&payload2[..], Some(peer(expect, "r_pk"))));

    let payload3 = second_payload(session, "i", "r");
    let mut m3 = [0; 128];
    assert_eq!(i.write_message(&payload3, &mut m3), Ok(128));
    assert_eq!(m3[..], bytes(expect, "M3"));
    r.expect(peer(expect, "i_pk"));
    assert_eq!(r.read_message(&m3, &mut read), Ok(64));
    assert_eq!((&read[..], r.remote()), (&payload3[..], Some(peer(expect, "i_pk"))));
    (i.split().unwrap(), r.split().unwrap())
}

#[test]
fn handshakes_agree() {
    let sessions = sessions();
    assert_eq!(sessions.len(), 5);
    for session in &sessions {
        let expect = &session["expect"];
        let (i, r) = shake_hands(session);
        assert_eq!((i.h, r.h), (array(expect, "h"), array(expect, "h")));
        assert_eq!((i.sending().as_bytes(), r.receiving().as_bytes()), (&array(expect, "k_i2r"), &array(expect, "k_i2r")));
        assert_eq!((i.receiving().as_bytes(), r.sending().as_bytes()), (&array(expect, "k_r2i"), &array(expect, "k_r2i")));
        assert_eq!(hash::session_id(&i.h), array(expect, "session_id"));
    }
}

#[test]
fn names_stamps_and_puzzles_agree() {
    for session in &sessions() {
        let expect = &session["expect"];
        for side in ["i", "r"] {
            let key = SecretKey::from_bytes(array(session, &format!("{side}_static"))).public();
            assert_eq!(key, peer(expect, &format!("{side}_pk")));
            assert_eq!(hash::fingerprint(&key), array(expect, &format!("{side}_peer_id")));
            let stamp = array(session, &format!("{side}_stamp"));
            let bits = number(session, "pow_bits");
            assert!(stamp::check(&key, &stamp, bits) && !stamp::check(&key, &stamp, 200));
            // The stamps were searched upwards from zero.
            assert_eq!(stamp::Search::new(&key, bits, [0; 24]).run(1 << 20), Some(stamp));
        }
        if number::<u8>(session, "flags") & PUZZLE != 0 {
            assert_eq!(cookie(session), array(expect, "cookie"));
            let ephemeral = SecretKey::from_bytes(array(session, "i_eph")).public();
            let solution = number::<u64>(expect, "puzzle_solution").to_le_bytes();
            assert!(check_solution(&cookie(session), &ephemeral, &solution, number(session, "puzzle_bits")));
        }
    }
}

#[test]
fn records_agree_in_both_directions_and_across_two_rekeys() {
    let mut frames = 0;
    for session in &sessions() {
        let expect = &session["expect"];
        for direction in ["i2r", "r2i"] {
            let key = Secret::from_bytes(array(expect, &format!("k_{direction}")));
            let h = array(expect, "h");
            let mut sealer = Sealer::new(Suite::XSalsa20Poly1305, &key, &h);
            let mut opener = Opener::new(Suite::XSalsa20Poly1305, &key, &h);
            for counter in 0..=2_048_u64 {
                assert_eq!((sealer.counter(), opener.counter()), (counter, counter));
                let row = expect["records"].as_array().unwrap().iter();
                let row = row.into_iter().find(|row| row["dir"] == direction && row["counter"] == counter);
                let plain = match row {
                    Some(row) => [vec![number(row, "type")], bytes(row, "body")].concat(),
                    None => b"between".to_vec(),
                };
                let mut record = [vec![0; 18], plain.clone()].concat();
                sealer.seal_in_place(&mut record).unwrap();
                if let Some(row) = row {
                    assert_eq!(record, bytes(row, "frame"), "{direction} {counter}");
                    frames += 1;
                }
                opener.open_in_place(&mut record[2..]).unwrap();
                assert_eq!(record[18..], plain);
            }
        }
    }
    assert_eq!(frames, 60);
}
