//! What must not open a link: every byte of the vectors' sessions changed, messages swapped, replayed, spliced, short and long, other
//! networks, other versions. `handshake_keys.rs` has the keys. Each test prints how many cases it tried.

mod handshake_support;

use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::time::Time;
use bowline::base::verdict::Verdict;
use bowline::session::dialect::{Dialect, Signal};
use bowline::session::handshake_message::{Claim, First, Introduction, M1, Versions};
use bowline::session::local::Profile;
use handshake_support::rogue::{Rogue, introduction};
use handshake_support::sessions::{CLAIM, PUZZLE, Vector, turn, vectors};
use handshake_support::{End, Pair, Script, address, is_introduced, local, profile};

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

fn plain_dialer() -> End {
    End::dialer(&local(profile(1)), address("203.0.113.9:1"), None, Script::seeded(3))
}

fn plain_acceptor() -> End {
    End::acceptor(&local(profile(2)), address("198.51.100.7:2"), Script::seeded(4))
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
        assert!(pair.b.error == Some(CloseReason::Forged) || at < 2, "byte {at} ^ {bit:#x}: {:?}", pair.b.error);
        assert_eq!(pair.b.write(NOW, 1_000).len(), 0);
        cases += 1;
    }
    let mut pair = Pair::plain().open();
    let bytes = record(&mut pair);
    pair.b.deliver(NOW, &bytes);
    pair.b.deliver(NOW, &bytes);
    assert_eq!((pair.b.error, pair.b.received.len()), (Some(CloseReason::Forged), 1), "a record counts once");
    let mut pair = Pair::plain().open();
    record(&mut pair);
    let later = record(&mut pair);
    pair.b.deliver(NOW, &later);
    assert_eq!((pair.b.error, pair.b.received.len()), (Some(CloseReason::Forged), 0), "none may be left out");
    let mut pair = Pair::plain().open();
    let own = record(&mut pair);
    pair.a.deliver(NOW, &own);
    assert_eq!((pair.a.error, pair.a.received.len()), (Some(CloseReason::Forged), 0), "nor come back to its sender");
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

/// What is sealed may be a lie all the same: each field is checked.
#[test]
fn an_authentic_peer_that_lies_in_its_payload_is_refused() {
    let range = |min, max| Some(Versions { min, max });
    let honest = |chosen| Introduction { chosen, ..introduction([0; 24], range(1, 3)) };
    let ours = local(Profile { versions: (1, 3), ..profile(1) });
    let cases = [
        ("honest", 3, honest(3), None),
        ("an older version than both speak", 2, honest(2), Some(CloseReason::Downgrade)),
        ("another version in clear", 2, honest(3), Some(CloseReason::Downgrade)),
        ("a version beyond its own range", 3, Introduction { versions: range(1, 2), ..honest(3) }, Some(CloseReason::Downgrade)),
        ("a range that we do not share", 4, Introduction { versions: range(4, 5), ..honest(4) }, Some(CloseReason::Downgrade)),
        ("a range upside down", 3, Introduction { versions: range(3, 1), ..honest(3) }, Some(CloseReason::BadHandshake)),
        ("no record suite", 3, Introduction { caps: 2, ..honest(3) }, Some(CloseReason::BadHandshake)),
        ("records too small", 3, Introduction { frame_max: 16_415, ..honest(3) }, Some(CloseReason::BadHandshake)),
        ("records too large", 3, Introduction { frame_max: 65_520, ..honest(3) }, Some(CloseReason::BadHandshake)),
    ];
    for (what, clear, payload, reason) in cases {
        let mut a = End::dialer(&ours, address("203.0.113.9:1"), None, Script::seeded(3));
        Rogue::answer_with(&mut a, [2, clear, 0, 0], &payload);
        assert_eq!((a.error, a.signals.len()), (reason, usize::from(reason.is_none())), "M2: {what}");
    }
    let mut a = End::dialer(&ours, address("203.0.113.9:1"), None, Script::seeded(3));
    Rogue::answer_with(&mut a, [2, 3, 0, 1], &honest(3));
    assert_eq!(a.error, Some(CloseReason::Downgrade), "a head that is not zero");
    let honest = introduction([0; 24], None);
    let cases = [
        ("honest", honest, None),
        ("another version", Introduction { chosen: 2, ..honest }, Some(CloseReason::Downgrade)),
        ("a range", Introduction { versions: range(1, 1), ..honest }, Some(CloseReason::BadHandshake)),
        ("no record suite", Introduction { caps: 0, ..honest }, Some(CloseReason::BadHandshake)),
        ("records too small", Introduction { frame_max: 0, ..honest }, Some(CloseReason::BadHandshake)),
    ];
    for (what, payload, reason) in cases {
        let mut b = plain_acceptor();
        Rogue::dial_with(&mut b, "bowline test", &payload);
        assert_eq!((b.error, b.session.peer().is_some()), (reason, reason.is_none()), "M3: {what}");
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
