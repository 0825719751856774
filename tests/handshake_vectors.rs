//! The vectors' sessions through the real session code: messages, session ids and records, byte for byte.

mod handshake_support;

use bowline::base::time::Time;
use bowline::crypto::record::{Opener, Suite};
use bowline::crypto::secret::Secret;
use bowline::session::dialect::{Dialect, Signal};
use handshake_support::sessions::{CLAIM, PUZZLE, Vector, turn, vectors};
use handshake_support::{End, Pair};

/// What the two sides wrote: everything in the order of the turns.
fn transcript(pair: &mut Pair) -> (Vec<u8>, Vec<u8>) {
    pair.run();
    (std::mem::take(&mut pair.a_wrote), std::mem::take(&mut pair.b_wrote))
}

#[test]
fn messages_and_session_ids_agree_with_all_vectors() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 5);
    for vector in &vectors {
        let mut pair = vector.pair();
        let (a_wrote, b_wrote) = transcript(&mut pair);
        assert_eq!((pair.a.error, pair.b.error), (None, None), "{}", vector.name());
        let [m1, m2, m3] = vector.messages();
        // A challenged dialer speaks twice before M2, and the responder answers with 32 bytes more.
        let (skip_a, skip_b) = if vector.has(PUZZLE) { (160, 32) } else { (0, 0) };
        assert_eq!(a_wrote[skip_a..skip_a + 160], m1, "{}: M1", vector.name());
        assert_eq!(b_wrote[skip_b..skip_b + 164], m2, "{}: M2", vector.name());
        assert_eq!(a_wrote[skip_a + 160..skip_a + 288], m3, "{}: M3", vector.name());
        let id = vector.expect().array::<32>("session_id");
        assert_eq!((pair.a.session.session_id(), pair.b.session.session_id()), (Some(&id), Some(&id)));
        assert_eq!(pair.a.session.version().map(u64::from), Some(vector.number("chosen")));
        let ids = ["r_pk", "i_pk"].map(|name| Some(vector.expect().array::<32>(name)));
        assert_eq!([&pair.a, &pair.b].map(|end| end.session.peer().map(|peer| *peer.as_bytes())), ids);
        check_signals(vector, &pair);
    }
    println!("{} sessions: messages, session ids, versions and peers agree", vectors.len());
}

fn check_signals(vector: &Vector, pair: &Pair) {
    let is_claim = pair.b.signals.iter().any(|signal| matches!(signal, Signal::Recognised { is_claim: true, .. }));
    assert_eq!(is_claim, vector.has(CLAIM));
    let observed = |end: &End| {
        end.signals.iter().find_map(|signal| match signal {
            Signal::Introduced { observed, .. } => *observed,
            _ => None,
        })
    };
    let ip = |name: &str| std::net::Ipv6Addr::from(vector.array::<16>(name)).to_canonical();
    let (seen_a, seen_b) = (observed(&pair.a).expect("in M2"), observed(&pair.b).expect("in M3"));
    assert_eq!((seen_a.ip(), u64::from(seen_a.port())), (ip("i_ip"), vector.number("i_port")));
    assert_eq!(seen_b.ip(), ip("r_ip"));
}

/// The vectors' keys open what the sessions seal, through two changes of the key, and their frames are among it.
#[test]
fn records_are_sealed_with_the_keys_of_the_vectors() {
    let mut records = 0;
    for vector in vectors() {
        let mut pair = vector.pair();
        let (mut a_wrote, mut b_wrote) = transcript(&mut pair);
        let (skip_a, skip_b) = if vector.has(PUZZLE) { (448, 196) } else { (288, 164) };
        for turn in 0..2_100 {
            for end in [&mut pair.a, &mut pair.b] {
                let mut pending = bowline::flow::batch::Pending::default();
                pending.push(bowline::base::channel::Kind::Message, 0, b"a record");
                end.give(2, &mut pending);
            }
            let (to_b, to_a) = transcript(&mut pair);
            assert_eq!((pair.a.error, pair.b.error), (None, None), "turn {turn}");
            a_wrote.extend(to_b);
            b_wrote.extend(to_a);
        }
        let expect = vector.expect();
        for (wrote, key) in [(&mut a_wrote[skip_a..], "k_i2r"), (&mut b_wrote[skip_b..], "k_r2i")] {
            let mut opener =
                Opener::new(Suite::XSalsa20Poly1305, &Secret::from_bytes(expect.array(key)), &expect.array::<64>("h"));
            let mut at = 0;
            while at < wrote.len() {
                let length = usize::from(u16::from_be_bytes([wrote[at], wrote[at + 1]]));
                let record = &mut wrote[at + 2..at + 2 + length];
                opener.open_in_place(record).expect("the vector's key opens it");
                let first = if key == "k_i2r" { 1 } else { 4 };
                assert_eq!(record[16], if at == 0 { first } else { 0 }, "hello or ack first, then data");
                at += 2 + length;
                records += 1;
            }
            assert!(opener.counter() > 2_100);
        }
    }
    println!("{records} records of real sessions open with the vectors' keys");
}

/// The puzzle of a vector is asked for and solved within a bounded number of slices.
#[test]
fn challenges_are_those_of_the_vectors() {
    for vector in vectors().into_iter().filter(|vector| vector.has(PUZZLE)) {
        let (mut a, mut b) = (vector.dialer(), vector.acceptor());
        b.deliver(Time::ZERO, &turn(&mut a));
        let challenge = turn(&mut b);
        assert_eq!((challenge.len(), challenge[0], u64::from(challenge[2])), (32, 3, vector.number("puzzle_bits")));
        assert_eq!(challenge[4..20], vector.expect().bytes("cookie"));
        a.deliver(Time::ZERO, &challenge);
        assert_eq!(turn(&mut a), vector.messages()[0]);
    }
}
