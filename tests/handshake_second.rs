//! A second implementation on the other side: snow speaks Noise, the layout around it is written out here once more. Same keys must give the
//! same bytes, and each of our roles must agree with snow's other one.

mod handshake_support;

use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::crypto::hash;
use bowline::session::local::Profile;
use handshake_support::sessions::{CLAIM, PUZZLE, turn, vectors};
use handshake_support::{End, Script, address, identity, local, profile};
use snow::{Builder, HandshakeState};

const NOISE: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2b";

fn builder<'a>(prologue: &'a [u8], secret: &'a [u8], ephemeral: &'a [u8]) -> Builder<'a> {
    let builder = Builder::new(NOISE.parse().expect("a pattern")).prologue(prologue).expect("set once");
    builder.local_private_key(secret).expect("set once").fixed_ephemeral_key_for_testing_only(ephemeral)
}

fn write(noise: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut out = [0; 300];
    let length = noise.write_message(payload, &mut out).expect("our turn");
    out[..length].to_vec()
}

fn read(noise: &mut HandshakeState, message: &[u8]) -> Vec<u8> {
    let mut payload = [0; 300];
    let length = noise.read_message(message, &mut payload).expect("an authentic message");
    payload[..length].to_vec()
}

fn payload(range: [u8; 3], stamp: &[u8; 24], port: u16, ip: [u8; 16]) -> Vec<u8> {
    let mut payload = vec![range[0], range[1], range[2], 0, 1, 0, 0, 0];
    payload.extend(stamp);
    payload.extend(port.to_le_bytes());
    payload.extend(ip);
    payload.extend(65_519_u32.to_le_bytes());
    payload.resize(64, 0);
    payload
}

fn draw<const N: usize>(rng: &mut Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

fn v4(last: [u8; 4]) -> [u8; 16] {
    [&MAPPED[..], &last].concat().try_into().expect("16 bytes")
}

/// The head of M1 and the prologue, by hand.
fn head(network: &str) -> ([u8; 32], Vec<u8>) {
    let mut head = [0; 32];
    head[..10].copy_from_slice(b"BOWLINE1\x01\x01");
    head[16..].copy_from_slice(&hash::network_id(network));
    (head, [b"bowline/1\0", &head[..]].concat())
}

#[test]
fn snow_answers_our_dialer() {
    let mut rng = Rng::from_seed(1);
    let sessions = 100;
    for seed in 0..sessions {
        let (secret, ephemeral) = (draw::<32>(&mut rng), draw::<32>(&mut rng));
        let mut a = End::dialer(&local(profile(seed)), address("203.0.113.9:9732"), None, Script::seeded(seed));
        let m1 = turn(&mut a);
        let (expected, prologue) = head("bowline test");
        assert_eq!(m1[..32], expected);
        let mut noise = builder(&prologue, &secret, &ephemeral).build_responder().expect("a responder");
        assert_eq!(read(&mut noise, &m1[32..]), [0; 96]);
        let m2 = write(&mut noise, &payload([1, 1, 1], &[0; 24], 51_234, v4([198, 51, 100, 7])));
        a.deliver(Time::ZERO, &[&[2, 1, 0, 0], &m2[..]].concat());
        assert_eq!(a.error, None);
        let m3 = turn(&mut a);
        let theirs = read(&mut noise, &m3[..128]);
        assert_eq!(theirs, payload([1, 0, 0], identity(seed).stamp(), 0, v4([203, 0, 113, 9])));
        let h: [u8; 64] = noise.get_handshake_hash().try_into().expect("64 bytes");
        assert_eq!(a.session.session_id(), Some(&hash::session_id(&h)));
        assert_eq!(noise.get_remote_static(), Some(&local(profile(seed)).profile.identity.id().as_bytes()[..]));
    }
    println!("{sessions} of our dials answered by snow");
}

#[test]
fn snow_dials_our_acceptor() {
    let mut rng = Rng::from_seed(2);
    let sessions = 100;
    for seed in 0..sessions {
        let (secret, ephemeral) = (draw::<32>(&mut rng), draw::<32>(&mut rng));
        let ours = Profile { listen_port: 4_242, ..profile(seed) };
        let mut b = End::acceptor(&local(ours), address("198.51.100.7:51234"), Script::seeded(seed));
        let (head, prologue) = head("bowline test");
        let mut noise = builder(&prologue, &secret, &ephemeral).build_initiator().expect("an initiator");
        b.deliver(Time::ZERO, &[&head[..], &write(&mut noise, &[0; 96])].concat());
        let m2 = turn(&mut b);
        assert_eq!((m2.len(), &m2[..4]), (164, &[2, 1, 0, 0][..]));
        assert_eq!(read(&mut noise, &m2[4..]), payload([1, 1, 1], identity(seed).stamp(), 51_234, v4([198, 51, 100, 7])));
        let m3 = write(&mut noise, &payload([1, 0, 0], &[9; 24], 9_732, v4([203, 0, 113, 9])));
        b.deliver(Time::ZERO, &m3);
        assert_eq!(b.error, None);
        let h: [u8; 64] = noise.get_handshake_hash().try_into().expect("64 bytes");
        assert_eq!(b.session.session_id(), Some(&hash::session_id(&h)));
    }
    println!("{sessions} dials of snow accepted by us");
}

/// snow on both sides, with the vectors' keys: the bytes are those that our sessions write.
#[test]
fn snow_writes_the_bytes_of_the_vectors() {
    let mut messages = 0;
    for vector in vectors() {
        let expect = vector.expect();
        let [m1, m2, m3] = vector.messages();
        let prologue = [b"bowline/1\0", &m1[..32]].concat();
        let keys = ["i_static", "i_eph", "r_static", "r_eph"].map(|name| vector.bytes(name));
        let mut i = builder(&prologue, &keys[0], &keys[1]).build_initiator().expect("an initiator");
        let mut r = builder(&prologue, &keys[2], &keys[3]).build_responder().expect("a responder");
        assert_eq!(write(&mut i, &m1[64..]), m1[32..]);
        read(&mut r, &m1[32..]);
        let answer = read_back(&vector, &mut i, &mut r, &m2[4..]);
        assert_eq!(answer[0], vector.number("chosen") as u8);
        let third = {
            let profile = vector.profile("i");
            let mut payload = vec![answer[0], 0, 0, 0];
            payload.extend(profile.caps.to_le_bytes());
            payload.extend(profile.identity.stamp());
            payload.extend(profile.listen_port.to_le_bytes());
            payload.extend(vector.bytes("r_ip"));
            payload.extend((profile.frame_max as u32).to_le_bytes());
            payload.resize(64, 0);
            payload
        };
        assert_eq!(write(&mut i, &third), m3);
        read(&mut r, &m3);
        assert_eq!((i.get_handshake_hash(), r.get_handshake_hash()), (&expect.bytes("h")[..], &expect.bytes("h")[..]));
        messages += 3;
    }
    println!("{messages} messages of the vectors written by snow, byte for byte");
}

/// snow as the initiator opens the vector's M2; snow as the responder writes the same bytes from what was in it.
fn read_back(
    vector: &handshake_support::sessions::Vector,
    initiator: &mut HandshakeState,
    responder: &mut HandshakeState,
    m2: &[u8],
) -> Vec<u8> {
    let payload = read(initiator, m2);
    assert_eq!(write(responder, &payload), m2, "{} {} {}", vector.name(), vector.has(CLAIM), vector.has(PUZZLE));
    payload
}
