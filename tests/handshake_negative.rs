//! What must not open a link: every byte of the vectors' sessions changed, messages swapped, replayed, spliced, short and long, low-order
//! keys, our own key, other networks, other versions. Each test prints how many cases it tried.

mod handshake_support;

use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::time::Time;
use bowline::base::verdict::Verdict;
use bowline::crypto::cipher::{Cipher, TAG};
use bowline::crypto::hash;
use bowline::crypto::keys::SecretKey;
use bowline::crypto::secret::Secret;
use bowline::session::dialect::{Dialect, Signal};
use bowline::session::handshake_message::{Claim, First, M1, Versions, prologue};
use bowline::session::local::Profile;
use handshake_support::rogue::{Rogue, first};
use handshake_support::sessions::{CLAIM, PUZZLE, Vector, turn, vectors};
use handshake_support::{End, Pair, Script, address, identity, local, profile};

const NOW: Time = Time::ZERO;

/// Runs a session with `forge` on the wire (which message of the dialogue, its bytes) until nobody speaks.
fn relay(vector: &Vector, mut forge: impl FnMut(usize, &mut Vec<u8>)) -> Pair {
    let mut pair = vector.pair();
    for step in 0..8 {
        let (from, to) = if step % 2 == 0 { (&mut pair.a, &mut pair.b) } else { (&mut pair.b, &mut pair.a) };
        let mut bytes = turn(from);
        if bytes.is_empty() && step > 0 {
            break;
        }
        forge(step, &mut bytes);
        to.deliver(NOW, &bytes);
    }
    pair
}

fn is_introduced(end: &End) -> bool {
    end.signals.iter().any(|signal| matches!(signal, Signal::Introduced { .. }))
}

/// The step in which a session says M1: with a puzzle there is a round before it.
fn first_step(vector: &Vector) -> usize {
    if vector.has(PUZZLE) { 2 } else { 0 }
}

#[test]
fn no_changed_byte_is_accepted() {
    let (mut handshakes, mut records) = (0, 0);
    for vector in vectors() {
        let begin = first_step(&vector);
        // M1, M2, M3 with the hello behind it, and the ack.
        let mut lengths = Vec::new();
        let pair = relay(&vector, |_, bytes| lengths.push(bytes.len()));
        assert!(pair.a.is_open() && pair.b.is_open(), "unchanged it opens: {lengths:?}");
        for (message, length) in lengths[begin..].iter().enumerate() {
            for (at, bit) in (0..*length).flat_map(|at| [(at, 0x01), (at, 0x80)]) {
                let pair = relay(&vector, |step, bytes| {
                    if step == begin + message {
                        bytes[at] ^= bit;
                    }
                });
                let what = format!("{}: message {message}, byte {at} ^ {bit:#x}", vector.name());
                assert!(!pair.a.is_open() && !is_introduced(&pair.a), "{what}: the dialer");
                // The acceptor opens before the ack is on its way; what it was sent until then was unchanged.
                assert!(message == 3 || !pair.b.is_open() && !is_introduced(&pair.b), "{what}: the acceptor");
                if message < 2 || message == 2 && at < 128 {
                    handshakes += 1;
                } else {
                    records += 1;
                }
            }
        }
    }
    assert_eq!(handshakes, 5 * 2 * (160 + 164 + 128));
    println!("{handshakes} changed handshake messages and {records} changed records: none accepted");
}

#[test]
fn no_changed_byte_of_data_is_accepted() {
    let mut cases = 0;
    let record = |pair: &mut Pair| {
        let mut pending = bowline::flow::batch::Pending::default();
        pending.push(bowline::base::channel::Kind::Request, 4, b"a request of some length");
        pair.a.give(2, &mut pending);
        pair.a.write(NOW, 1)
    };
    let length = record(&mut Pair::plain().open()).len();
    for (at, bit) in (0..length).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit))) {
        let mut pair = Pair::plain().open();
        let mut bytes = record(&mut pair);
        bytes[at] ^= bit;
        pair.b.deliver(NOW, &bytes);
        assert!(pair.b.received.is_empty(), "byte {at} ^ {bit:#x}");
        // A longer length only waits for more; every other change ends the link without a word.
        assert!(pair.b.error == Some(CloseReason::BadRecord) || at < 2, "byte {at} ^ {bit:#x}: {:?}", pair.b.error);
        assert_eq!(pair.b.write(NOW, 1_000).len(), 0);
        cases += 1;
    }
    let mut pair = Pair::plain().open();
    let bytes = record(&mut pair);
    pair.b.deliver(NOW, &bytes);
    pair.b.deliver(NOW, &bytes);
    assert_eq!((pair.b.error, pair.b.received.len()), (Some(CloseReason::BadRecord), 1), "a record counts once");
    let mut pair = Pair::plain().open();
    record(&mut pair);
    let later = record(&mut pair);
    pair.b.deliver(NOW, &later);
    assert_eq!((pair.b.error, pair.b.received.len()), (Some(CloseReason::BadRecord), 0), "none may be left out");
    let mut pair = Pair::plain().open();
    let own = record(&mut pair);
    pair.a.deliver(NOW, &own);
    assert_eq!((pair.a.error, pair.a.received.len()), (Some(CloseReason::BadRecord), 0), "nor come back to its sender");
    println!("{} changed, repeated, missing or reflected data records: none accepted", cases + 3);
}

/// The messages of a session as they went over the wire: M1, M2, M3 with the hello, ack.
fn recorded(vector: &Vector) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    relay(vector, |_, bytes| messages.push(bytes.clone()));
    messages.split_off(first_step(vector))
}

#[test]
fn messages_of_other_sessions_open_nothing() {
    let vectors = vectors();
    let recordings: Vec<_> = vectors.iter().map(recorded).collect();
    let mut cases = 0;
    for (i, vector) in vectors.iter().enumerate() {
        let begin = first_step(vector);
        for (j, other) in recordings.iter().enumerate().filter(|(j, _)| *j != i) {
            for (at, foreign) in other.iter().enumerate() {
                let pair = relay(vector, |step, bytes| {
                    if step == begin + at {
                        bytes.clone_from(foreign);
                    }
                });
                assert!(!pair.a.is_open() && !is_introduced(&pair.a), "{i} gets message {at} of {j}");
                assert!(at == 3 || !is_introduced(&pair.b), "{i} gets message {at} of {j}");
                cases += 1;
            }
            // The hello of another session behind the right M3.
            let pair = relay(vector, |step, bytes| {
                if step == begin + 2 {
                    bytes.truncate(128);
                    bytes.extend_from_slice(&other[2][128..]);
                }
            });
            assert!(!pair.b.is_open() && !is_introduced(&pair.b));
            cases += 1;
        }
    }
    println!("{cases} spliced sessions: none accepted");
}

#[test]
fn replays_and_reflections_open_nothing() {
    let mut cases = 0;
    for vector in vectors() {
        let old = recorded(&vector);
        // The dialer's side played to a responder that draws another key.
        let mut b = vector.acceptor();
        b.entropy = Script::seeded(99);
        b.gate.set_half_open(0);
        b.deliver(NOW, &old[0]);
        assert_eq!(turn(&mut b).len(), 164, "a first message can be replayed");
        b.deliver(NOW, &old[2]);
        assert_eq!((b.error, is_introduced(&b)), (Some(CloseReason::BadHandshake), false));
        // The responder's side played to a fresh dialer.
        let mut a = vector.dialer();
        a.entropy = Script::seeded(98);
        let mut fresh = End::dialer(&local(vector.profile("i")), address("203.0.113.9:1"), None, Script::seeded(98));
        fresh.deliver(NOW, &old[1]);
        assert_eq!((fresh.error, fresh.signals.len()), (Some(CloseReason::BadHandshake), 0));
        // Every message to everybody in every state that does not expect it.
        for (message, bytes) in old.iter().enumerate() {
            for state in 0..4 {
                let expected = [1, 0, 3, 2][state];
                if message == expected {
                    continue;
                }
                let mut pair = vector.pair();
                pair.b.gate.set_half_open(0);
                let end = in_state(&mut pair, state);
                end.deliver(NOW, bytes);
                assert!(!end.is_open() && !is_introduced(end), "message {message} in state {state}");
                cases += 1;
            }
        }
        // A dialer that gets its own message back.
        let mut a = vector.dialer();
        let own = turn(&mut a);
        a.deliver(NOW, &own);
        assert!(!a.is_open() && a.error == Some(CloseReason::Garbage));
        // A puzzle that was solved for an earlier connection.
        if vector.has(PUZZLE) {
            let mut b = vector.acceptor();
            b.deliver(NOW, &old[0]);
            assert!(turn(&mut b).len() == 164);
            let mut again = vector.acceptor();
            std::mem::swap(&mut again.gate, &mut b.gate);
            again.deliver(NOW, &old[0]);
            assert_eq!(turn(&mut again)[..1], [3], "it is asked for another");
            again.deliver(NOW, &old[0]);
            assert_eq!(again.error, Some(CloseReason::BadPuzzle));
            cases += 1;
        }
        cases += 3;
    }
    println!("{cases} replayed, reflected or misplaced messages: none accepted");
}

/// One end of a session just before it expects: 0 M2, 1 M1, 2 the ack, 3 M3.
fn in_state(pair: &mut Pair, state: usize) -> &mut End {
    let (a, b) = (&mut pair.a, &mut pair.b);
    let m1 = turn(a);
    match state {
        0 => return a,
        1 => return b,
        _ => b.deliver(NOW, &m1),
    }
    let m2 = turn(b);
    if state == 3 {
        return b;
    }
    a.deliver(NOW, &m2);
    turn(a);
    a
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

fn plain_dialer() -> End {
    End::dialer(&local(profile(1)), address("203.0.113.9:1"), None, Script::seeded(3))
}

fn plain_acceptor() -> End {
    End::acceptor(&local(profile(2)), address("198.51.100.7:2"), Script::seeded(4))
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

#[test]
fn other_networks_weak_stamps_and_hidden_keys_are_sent_away() {
    let told = |end: &End| {
        end.signals.iter().find_map(|signal| match signal {
            Signal::Told { motive, .. } => Some(*motive),
            _ => None,
        })
    };
    let asker = Profile { is_claiming: true, ..profile(1) };
    let cases = [
        (
            asker.clone(),
            Profile { hello: bowline::wire::hello::Hello { network: "x".into(), ..Default::default() }, ..profile(2) },
            CloseReason::WrongNetwork,
        ),
        (Profile { versions: (1, 1), ..asker.clone() }, Profile { versions: (2, 3), ..profile(2) }, CloseReason::WrongVersion),
        (
            Profile { is_claiming: false, ..asker.clone() },
            Profile { is_claim_required: true, ..profile(2) },
            CloseReason::ClaimRequired,
        ),
    ];
    for (a, b, reason) in cases {
        let mut pair = Pair::of(&local(a), &local(b));
        pair.run();
        assert_eq!((pair.b.error, pair.b_wrote.len()), (Some(reason), 32));
        assert_eq!((pair.a.error, told(&pair.a)), (Some(CloseReason::Rejected), Some(Some(reason))));
    }
    // A stamp that is too weak: first as a claim, then in M3, then in M2.
    let strong = Profile { pow_bits: 8, identity: stamped(40, 8), ..profile(2) };
    let mut pair = Pair::of(&local(asker), &local(strong.clone()));
    pair.run();
    assert_eq!((pair.b.error, told(&pair.a)), (Some(CloseReason::BadStamp), Some(Some(CloseReason::BadStamp))));
    let mut pair = Pair::of(&local(profile(1)), &local(strong.clone()));
    pair.run();
    assert_eq!((pair.b.error, pair.b.session.peer()), (Some(CloseReason::BadStamp), None));
    let mut pair = Pair::of(&local(strong), &local(profile(1)));
    pair.run();
    assert_eq!((pair.a.error, pair.a.session.peer()), (Some(CloseReason::BadStamp), None));
}

fn stamped(seed: u64, bits: u32) -> bowline::crypto::identity::Identity {
    let mut draft = bowline::crypto::identity::Draft::new(&mut bowline::base::rng::Rng::from_seed(seed), bits);
    draft.run(1 << 20).expect("a stamp")
}

/// What two honest sides with these ranges agree on.
fn oracle(a: (u8, u8), b: (u8, u8)) -> Option<u8> {
    (0..=u8::MAX).rev().find(|version| (a.0..=a.1).contains(version) && (b.0..=b.1).contains(version))
}

#[test]
fn every_range_of_versions_is_judged_as_the_oracle_does() {
    // All ranges that a first message can name, against one responder; the claim stops it before any curve arithmetic.
    let ours = (3, 200);
    let local_b = local(Profile { versions: ours, ..profile(2) });
    let (mut accepted, mut cases) = (0, 0);
    for (min, max) in (0..=u8::MAX).flat_map(|min| (0..=u8::MAX).map(move |max| (min, max))) {
        let claim = Some(Claim { peer: identity_id(), stamp: [0; 24] });
        let first = First { versions: Versions { min, max }, network_id: local_b.network_id, claim, answer: None };
        let mut m1: [u8; M1] = [9; M1];
        m1[..32].copy_from_slice(&first.head());
        m1[64..].copy_from_slice(&first.payload());
        let mut b = End::acceptor(&local_b, address("198.51.100.7:2"), Script::seeded(1));
        b.verdict = None;
        b.deliver(NOW, &m1);
        let expected =
            if min > max { Err(CloseReason::Garbage) } else { oracle((min, max), ours).ok_or(CloseReason::WrongVersion) };
        assert_eq!(b.error, expected.err(), "{min} to {max}");
        assert_eq!(b.signals.len(), usize::from(expected.is_ok()));
        accepted += b.signals.len();
        cases += 1;
    }
    // Whole handshakes over all ranges within 0..=5.
    let ranges: Vec<(u8, u8)> = (0..=5).flat_map(|min| (min..=5).map(move |max| (min, max))).collect();
    for (a, b) in ranges.iter().flat_map(|a| ranges.iter().map(move |b| (*a, *b))) {
        let mut pair = Pair::of(&local(Profile { versions: a, ..profile(1) }), &local(Profile { versions: b, ..profile(2) }));
        pair.run();
        assert_eq!((pair.a.session.version(), pair.b.session.version()), (oracle(a, b), oracle(a, b)), "{a:?} {b:?}");
        assert_eq!(pair.a.is_open() && pair.b.is_open(), oracle(a, b).is_some());
        cases += 1;
    }
    println!("{cases} pairs of version ranges, {accepted} of the first kind accepted, all as the oracle says");
}

fn identity_id() -> PeerId {
    PeerId::from_bytes([7; 32])
}

#[test]
fn a_header_that_was_changed_towards_an_older_version_is_noticed() {
    let vector = vectors().into_iter().find(|vector| vector.number("i_vmax") == 3).expect("two versions");
    for chosen in (0..=u8::MAX).filter(|chosen| u64::from(*chosen) != vector.number("chosen")) {
        let pair = relay(&vector, |step, bytes| {
            if step == 1 {
                bytes[1] = chosen;
            }
        });
        assert_eq!((pair.a.error, pair.b.is_open()), (Some(CloseReason::Downgrade), false), "{chosen}");
    }
    for (min, max) in [(1, 1), (1, 2), (0, 3), (2, 3)] {
        let pair = relay(&vector, |step, bytes| {
            if step == 0 {
                (bytes[8], bytes[9]) = (min, max);
            }
        });
        assert_eq!((pair.a.error, pair.b.is_open()), (Some(CloseReason::BadHandshake), false), "{min} to {max}");
    }
}

#[test]
fn short_messages_are_not_answered_and_long_ones_open_nothing() {
    let mut cases = 0;
    for vector in vectors() {
        let old = recorded(&vector);
        for cut in 0..160 {
            let mut b = vector.acceptor();
            b.deliver(NOW, &old[0][..cut]);
            assert_eq!((b.error, b.write(NOW, 1_000).len(), b.signals.len()), (None, 0, 0), "M1 cut at {cut}");
            cases += 1;
        }
        for cut in 0..164 {
            let mut a = vector.dialer();
            turn(&mut a);
            a.deliver(NOW, &old[1][..cut]);
            assert_eq!((a.write(NOW, 1_000).len(), a.signals.len()), (0, 0), "M2 cut at {cut}");
            cases += 1;
        }
        for (message, extra) in (0..2).flat_map(|message| [1, 2, 160].map(|extra| (message, extra))) {
            let begin = first_step(&vector);
            let pair = relay(&vector, |step, bytes| {
                if step == begin + message {
                    bytes.extend(vec![0; extra]);
                }
            });
            // What stands behind M2 is read as the beginning of the ack.
            assert!(!pair.a.is_open() && !is_introduced(&pair.a), "{extra} bytes behind message {message}");
            cases += 1;
        }
    }
    println!("{cases} short and long messages: none accepted");
}

#[test]
fn other_protocols_are_cut_off_at_their_first_wrong_byte() {
    for hello in [&b"GET / HTTP/1.1\r\n"[..], b"SSH-2.0-OpenSSH", b"BOWLINE2", b"\x16\x03\x01", b"B\0"] {
        let mut b = plain_acceptor();
        b.deliver(NOW, hello);
        assert_eq!((b.error, b.write(NOW, 1_000).len()), (Some(CloseReason::Garbage), 0), "{hello:?}");
    }
    let mut a = plain_dialer();
    a.deliver(NOW, b"SSH-2.0-OpenSSH");
    assert_eq!(a.error, Some(CloseReason::Garbage));
}

#[test]
fn challenges_lead_to_one_retry_with_the_same_versions_and_never_to_another() {
    let vector = vectors().into_iter().find(|vector| vector.has(PUZZLE) && vector.has(CLAIM)).expect("one with both");
    let challenge = |difficulty: u8| {
        let mut bytes = vec![3, 1, difficulty, 0];
        bytes.extend([7; 16]);
        bytes.resize(32, 0);
        bytes
    };
    let mut a = vector.dialer();
    let first = turn(&mut a);
    a.deliver(NOW, &challenge(8));
    let second = turn(&mut a);
    assert_eq!((first[8..10].to_vec(), second.len()), (second[8..10].to_vec(), 160));
    a.deliver(NOW, &challenge(8));
    assert_eq!(a.error, Some(CloseReason::BadPuzzle));
    let mut a = vector.dialer();
    a.deliver(NOW, &challenge(19));
    assert_eq!(a.error, Some(CloseReason::BadPuzzle));
    for (at, value) in [(3, 1), (20, 1), (31, 1)] {
        let mut a = vector.dialer();
        let mut bad = challenge(8);
        bad[at] = value;
        a.deliver(NOW, &bad);
        assert_eq!(a.error, Some(CloseReason::BadHandshake));
    }
    // A responder under load whose dialer does not solve: one challenge, then the end.
    let mut b = vector.acceptor();
    b.deliver(NOW, &first);
    assert_eq!(turn(&mut b)[..1], [3]);
    b.deliver(NOW, &first);
    assert_eq!((b.error, turn(&mut b).len(), b.signals.len()), (Some(CloseReason::BadPuzzle), 0, 0));
}

#[test]
fn a_refused_claim_gets_silence_unless_the_house_is_full() {
    for (motive, answer) in [(CloseReason::Banned, 0), (CloseReason::Greylisted, 0), (CloseReason::TooManyLinks, 32)] {
        let mut a =
            End::dialer(&local(Profile { is_claiming: true, ..profile(1) }), address("203.0.113.9:1"), None, Script::seeded(3));
        let mut b = plain_acceptor();
        b.verdict = None;
        b.deliver(NOW, &turn(&mut a));
        assert!(b.session.is_waiting() && b.session.peer().is_none());
        assert_eq!(b.judge(NOW, Verdict::refuse(motive)), Err(motive));
        assert_eq!(turn(&mut b).len(), answer, "{motive:?}");
    }
}
