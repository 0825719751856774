//! Keys that must not open a link: of low order in any position, our own, another than the dialed or the claimed one.

mod handshake_support;

use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::time::Time;
use bowline::crypto::cipher::{Cipher, TAG};
use bowline::crypto::hash;
use bowline::crypto::keys::SecretKey;
use bowline::crypto::secret::Secret;
use bowline::session::dialect::Dialect;
use bowline::session::handshake_message::{Claim, First, M1, prologue};
use bowline::session::local::Profile;
use handshake_support::rogue::{Rogue, first};
use handshake_support::sessions::turn;
use handshake_support::{End, Pair, Script, address, identity, is_introduced, local, profile};

const NOW: Time = Time::ZERO;

fn plain_acceptor() -> End {
    End::acceptor(&local(profile(2)), address("198.51.100.7:2"), Script::seeded(4))
}

fn plain_dialer() -> End {
    End::dialer(&local(profile(1)), address("203.0.113.9:1"), None, Script::seeded(3))
}

/// The seven encodings of low-order points, with and without the bit that X25519 ignores.
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
    let plain = texts.map(|text| text.parse::<PeerId>().expect("64 hex digits"));
    let both = |id: PeerId| {
        [0, 0x80].map(|bit| {
            let mut bytes = *id.as_bytes();
            bytes[31] ^= bit;
            bytes
        })
    };
    plain.into_iter().flat_map(both).collect()
}

/// Noise by hand, as far as a forger needs it: the library does not send a key that it does not own.
struct Forger {
    h: [u8; 64],
    chaining_key: Secret<64>,
    cipher: Option<Cipher>,
}

impl Forger {
    fn new(head: &[u8; 32]) -> Forger {
        let mut h = [0; 64];
        h[..33].copy_from_slice(b"Noise_XX_25519_ChaChaPoly_BLAKE2b");
        let mut forger = Forger { h, chaining_key: Secret::from_bytes(h), cipher: None };
        forger.mix_hash(&prologue(head));
        forger
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.h = hash::blake2b(&[&self.h, data]);
    }

    fn mix_key(&mut self, ours: &SecretKey, theirs: &[u8]) {
        let theirs = PeerId::from_bytes(theirs.try_into().expect("a key"));
        let [chaining_key, key] = hash::hkdf::<2>(&self.chaining_key, ours.dh(&theirs).expect("a good key").as_bytes());
        self.chaining_key = chaining_key;
        self.cipher = Some(Cipher::new(&Secret::from_bytes(key.as_bytes()[..32].try_into().expect("32 bytes"))));
    }

    fn seal(&mut self, text: &[u8]) -> Vec<u8> {
        let mut field = [text, &[0; TAG]].concat();
        self.cipher.as_mut().expect("a key").seal(&self.h, &mut field);
        self.mix_hash(&field);
        field
    }

    fn open(&mut self, field: &[u8]) -> Vec<u8> {
        let (text, tag) = field.split_at(field.len() - TAG);
        let mut text = text.to_vec();
        self.cipher.as_mut().expect("a key").open_detached(&self.h, &mut text, tag).expect("authentic");
        self.mix_hash(field);
        text
    }
}

#[test]
fn low_order_keys_open_nothing_in_any_position() {
    let keys = low_order();
    assert_eq!(keys.len(), 14);
    for low in &keys {
        // Ephemeral keys.
        let (mut a, mut b) = (plain_dialer(), plain_acceptor());
        let mut m1 = turn(&mut a);
        let good = m1.clone();
        m1[32..64].copy_from_slice(low);
        b.deliver(NOW, &m1);
        assert_eq!((b.error, turn(&mut b).len()), (Some(CloseReason::LowOrderKey), 0), "nothing is answered");
        let mut b = plain_acceptor();
        b.deliver(NOW, &good);
        let mut m2 = turn(&mut b);
        m2[4..36].copy_from_slice(low);
        a.deliver(NOW, &m2);
        assert_eq!((a.error, a.signals.len()), (Some(CloseReason::LowOrderKey), 0));
        // A claim of such a key.
        let mut b = plain_acceptor();
        let network_id = local(profile(2)).network_id;
        let claim = Some(Claim { peer: PeerId::from_bytes(*low), stamp: [0; 24] });
        let claimed = First { claim, ..first(network_id) };
        let mut m1: [u8; M1] = [0; M1];
        m1[..32].copy_from_slice(&claimed.head());
        m1[32..64].copy_from_slice(SecretKey::from_bytes([5; 32]).public().as_bytes());
        m1[64..].copy_from_slice(&claimed.payload());
        b.deliver(NOW, &m1);
        let third = forge_third(&mut b, &m1, identity(5).id().as_bytes());
        b.deliver(NOW, &third);
        assert_eq!((b.error, is_introduced(&b)), (Some(CloseReason::WrongIdentity), false));
        // Static keys.
        static_of_responder(low);
        static_of_initiator(low);
    }
    println!("{} low-order keys in five positions: none accepted", keys.len());
}

fn static_of_responder(low: &[u8; 32]) {
    let mut a = plain_dialer();
    let m1 = turn(&mut a);
    let mut forger = Forger::new(m1[..32].try_into().expect("a head"));
    let ephemeral = SecretKey::from_bytes([50; 32]);
    forger.mix_hash(&m1[32..64]);
    forger.mix_hash(&m1[64..]);
    forger.mix_hash(ephemeral.public().as_bytes());
    forger.mix_key(&ephemeral, &m1[32..64]);
    let m2 = [&[2, 1, 0, 0], &ephemeral.public().as_bytes()[..], &forger.seal(low), &[0; 80]].concat();
    a.deliver(NOW, &m2);
    assert_eq!((a.error, a.signals.len()), (Some(CloseReason::LowOrderKey), 0));
}

fn static_of_initiator(low: &[u8; 32]) {
    let mut b = plain_acceptor();
    let first = first(local(profile(2)).network_id);
    let mut m1: [u8; M1] = [0; M1];
    m1[..32].copy_from_slice(&first.head());
    m1[32..64].copy_from_slice(SecretKey::from_bytes([5; 32]).public().as_bytes());
    b.deliver(NOW, &m1);
    let third = forge_third(&mut b, &m1, low);
    b.deliver(NOW, &third);
    assert_eq!((b.error, is_introduced(&b)), (Some(CloseReason::LowOrderKey), false));
}

/// An M3 that shows `key` without owning it.
fn forge_third(b: &mut End, m1: &[u8; M1], key: &[u8; 32]) -> Vec<u8> {
    let ephemeral = SecretKey::from_bytes([5; 32]);
    let m2 = turn(b);
    let mut forger = Forger::new(m1[..32].try_into().expect("a head"));
    forger.mix_hash(&m1[32..64]);
    forger.mix_hash(&m1[64..]);
    forger.mix_hash(&m2[4..36]);
    forger.mix_key(&ephemeral, &m2[4..36]);
    let theirs = forger.open(&m2[36..84]);
    forger.mix_key(&ephemeral, &theirs);
    forger.open(&m2[84..]);
    [&forger.seal(key)[..], &[0; 80]].concat()
}

#[test]
fn our_own_key_is_never_a_peer() {
    let own = |claiming| local(Profile { is_claiming: claiming, ..profile(1) });
    let mut pair = Pair::of(&own(false), &own(false));
    pair.run();
    assert_eq!(pair.a.error, Some(CloseReason::OwnKey));
    let mut pair = Pair::of(&own(true), &own(false));
    pair.run();
    assert_eq!((pair.b.error, pair.b_wrote.len()), (Some(CloseReason::OwnKey), 0));
    // The acceptor notices by itself if the dialer does not.
    let mut b = End::acceptor(&local(profile(77)), address("198.51.100.7:2"), Script::seeded(4));
    Rogue::dial(&mut b, local(profile(77)).profile.hello.clone());
    assert_eq!((b.error, b.session.peer()), (Some(CloseReason::OwnKey), None));
}

#[test]
fn another_identity_than_the_dialed_one_sees_nothing_of_us() {
    let mut a = End::dialer(&local(profile(1)), address("203.0.113.9:1"), Some(identity(7).id()), Script::seeded(3));
    let mut b = plain_acceptor();
    b.deliver(NOW, &turn(&mut a));
    a.deliver(NOW, &turn(&mut b));
    assert_eq!((a.error, a.signals.len(), turn(&mut a).len()), (Some(CloseReason::WrongIdentity), 0, 0));
}

#[test]
fn a_claim_must_be_the_key_that_is_proven() {
    // Seed 1 claims the key of seed 5: its own session would never do that, so the claim is put into its bytes.
    let mut b = plain_acceptor();
    let claim = Some(Claim { peer: identity(5).id(), stamp: *identity(5).stamp() });
    let claimed = First { claim, ..first(local(profile(2)).network_id) };
    let mut m1: [u8; M1] = [0; M1];
    m1[..32].copy_from_slice(&claimed.head());
    m1[32..64].copy_from_slice(SecretKey::from_bytes([5; 32]).public().as_bytes());
    m1[64..].copy_from_slice(&claimed.payload());
    b.deliver(NOW, &m1);
    let third = forge_third(&mut b, &m1, identity(1).id().as_bytes());
    b.deliver(NOW, &third);
    assert_eq!((b.error, b.session.peer()), (Some(CloseReason::WrongIdentity), None));
}
