//! X25519, BLAKE2b and proof-of-work stamps against published data.

use crate::vector::{array, bytes, json, peer};
use bowline::base::peer::unhex;
use bowline::crypto::hash::{blake2b, blake2b_keyed};
use bowline::crypto::keys::{LowOrder, SecretKey};
use bowline::crypto::stamp;

#[test]
fn wycheproof_x25519_agrees_and_zero_is_an_error() {
    let file = json(include_str!("../vectors/wycheproof/x25519_test.json"));
    let groups = file["testGroups"].as_array().unwrap().iter();
    let (mut agreed, mut refused) = (0, 0);
    for case in groups.flat_map(|group| group["tests"].as_array().unwrap()) {
        let shared = SecretKey::from_bytes(array(case, "private")).dh(&peer(case, "public"));
        let expected: [u8; 32] = array(case, "shared");
        if expected == [0; 32] {
            assert_eq!(shared.unwrap_err(), LowOrder, "case {}", case["tcId"]);
            refused += 1;
        } else {
            assert_eq!(shared.unwrap().as_bytes(), &expected, "case {}", case["tcId"]);
            agreed += 1;
        }
    }
    assert_eq!((agreed, refused), (487, 31));
}

#[test]
fn blake2b_agrees() {
    let text = include_str!("../vectors/nacl/blake2b-kat.txt");
    let fields = |label: &'static str| {
        text.lines().filter_map(move |line| line.strip_prefix(label)).map(|hex| unhex(hex.trim()).expect("hex"))
    };
    let mut agreed = 0;
    for ((input, key), hash) in fields("in:").zip(fields("key:")).zip(fields("hash:")) {
        let key: [u8; 64] = key.try_into().unwrap();
        let (left, right) = input.split_at(input.len() / 2);
        assert_eq!(blake2b_keyed::<64, 64>(&key, &[left, right])[..], hash);
        agreed += 1;
    }
    assert_eq!(agreed, 256);
    // RFC 7693, appendix A.
    let abc = unhex(
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    );
    assert_eq!(blake2b::<64>(&[b"abc"])[..], abc.unwrap());
}

#[test]
fn stamps_of_real_identities_are_good() {
    macro_rules! identity {
        ($name:literal) => {
            json(include_str!(concat!("../vectors/tezos_identities/", $name, ".json")))
        };
    }
    let identities = [
        (identity!("tezedge_docker_identity_ocaml"), 26),
        (identity!("tezedge_docker_identity_tezedge"), 29),
        (identity!("tezedge_docker_identity_tezedge_master"), 27),
        (identity!("tezedge_drone_identity_1"), 36),
        (identity!("tezedge_drone_identity_2"), 27),
        (identity!("tezedge_drone_identity_3"), 28),
        (identity!("tezedge_drone_identity_4"), 28),
        (identity!("tezedge_recorder_identity_i"), 26),
        (identity!("tezedge_recorder_identity_r"), 27),
    ];
    for (identity, bits) in &identities {
        let key = SecretKey::from_bytes(array(identity, "secret_key")).public();
        assert_eq!(key, peer(identity, "public_key"));
        let mut proof: [u8; 24] = bytes(identity, "proof_of_work_stamp").try_into().unwrap();
        assert!(stamp::check(&key, &proof, 26));
        assert_eq!(stamp::bits_of(&key, &proof), *bits);
        proof[23] ^= 1;
        assert!(!stamp::check(&key, &proof, 26));
    }
}
