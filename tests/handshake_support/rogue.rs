//! A peer that keeps the protocol up to the keys and may then say anything: it seals whatever plaintext a test wants.

use super::{End, identity};
use bowline::base::peer::PeerId;
use bowline::base::time::Time;
use bowline::crypto::keys::SecretKey;
use bowline::crypto::noise::{Handshake, Role};
use bowline::crypto::record::{Opener, Sealer, Suite};
use bowline::session::handshake_message::{First, Introduction, Versions, prologue};
use bowline::wire::hello::Hello;
use std::sync::Arc;

pub struct Rogue {
    pub sealer: Sealer,
    pub opener: Opener,
    pub hello: Hello,
}

pub fn first(network_id: [u8; 16]) -> First {
    First { versions: Versions { min: 1, max: 1 }, network_id, claim: None, answer: None }
}

pub fn introduction(stamp: [u8; 24], versions: Option<Versions>) -> Introduction {
    Introduction { chosen: 1, versions, caps: 1, stamp, port: 9, your_ip: None, frame_max: 65_519 }
}

impl Rogue {
    /// Dials `end`, which accepts, with the identity of seed 77, and says nothing yet.
    pub fn dial(end: &mut End, hello: Hello) -> Rogue {
        let noise = Rogue::dial_with(end, &hello.network, &introduction(*identity(77).stamp(), None));
        Rogue::keyed(noise, hello)
    }

    /// Runs the handshake with `end`, which accepts, with that payload in M3.
    pub fn dial_with(end: &mut End, network: &str, payload: &Introduction) -> Handshake {
        let us = identity(77);
        let first = first(bowline::crypto::hash::network_id(network));
        let mut m1 = [0; 160];
        m1[..32].copy_from_slice(&first.head());
        let ephemeral = SecretKey::from_bytes([8; 32]);
        let mut noise = Handshake::xx(Role::Initiator, &prologue(&first.head()), Arc::clone(us.secret()), ephemeral);
        noise.write_message(&first.payload(), &mut m1[32..]).expect("M1");
        end.deliver(Time::ZERO, &m1);
        let m2 = end.write(Time::ZERO, 1_000);
        noise.read_message(&m2[4..164], &mut [0; 64]).expect("M2");
        let mut m3 = [0; 128];
        noise.write_message(&payload.encode(), &mut m3).expect("M3");
        end.deliver(Time::ZERO, &m3);
        noise
    }

    /// Answers `end`, which dials, with the identity of seed 77, and says nothing yet.
    pub fn answer(end: &mut End, hello: Hello) -> Rogue {
        let payload = introduction(*identity(77).stamp(), Some(Versions { min: 1, max: 1 }));
        let mut noise = Rogue::answer_with(end, [2, 1, 0, 0], &payload);
        let m3 = end.write(Time::ZERO, 10_000);
        noise.read_message(&m3[..128], &mut [0; 64]).expect("M3");
        let mut rogue = Rogue::keyed(noise, hello);
        assert_eq!(rogue.open(&m3[128..]).len(), 1, "the hello travels with M3");
        rogue
    }

    /// Answers the M1 of `end`, which dials, with that head and payload in M2.
    pub fn answer_with(end: &mut End, head: [u8; 4], payload: &Introduction) -> Handshake {
        let us = identity(77);
        let m1 = end.write(Time::ZERO, 1_000);
        let first: [u8; 32] = m1[..32].try_into().expect("32 bytes");
        let ephemeral = SecretKey::from_bytes([8; 32]);
        let mut noise = Handshake::xx(Role::Responder, &prologue(&first), Arc::clone(us.secret()), ephemeral);
        noise.read_message(&m1[32..], &mut [0; 96]).expect("M1");
        let mut m2 = [0; 164];
        m2[..4].copy_from_slice(&head);
        noise.write_message(&payload.encode(), &mut m2[4..]).expect("M2");
        end.deliver(Time::ZERO, &m2);
        noise
    }

    /// The records behind a finished handshake.
    pub fn keyed(noise: Handshake, hello: Hello) -> Rogue {
        let split = noise.split().expect("finished");
        let suite = Suite::XSalsa20Poly1305;
        Rogue {
            sealer: Sealer::new(suite, split.sending(), &split.h),
            opener: Opener::new(suite, split.receiving(), &split.h),
            hello,
        }
    }

    /// An open link with `end`, which accepts.
    pub fn open_with(end: &mut End, hello: Hello) -> Rogue {
        let mut rogue = Rogue::dial(end, hello);
        rogue.greet(end);
        assert!(end.is_open(), "{:?}", end.error);
        rogue
    }

    pub fn greet(&mut self, end: &mut End) {
        let hello = self.hello.encode().expect("a valid Hello");
        self.say(end, 1, &hello);
    }

    pub fn sealed(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut record = [&[0; 18][..], &[kind], body].concat();
        self.sealer.seal_in_place(&mut record).expect("a valid length");
        record
    }

    /// Seals a record and delivers it.
    pub fn say(&mut self, end: &mut End, kind: u8, body: &[u8]) {
        let record = self.sealed(kind, body);
        end.deliver(Time::ZERO, &record);
    }

    /// Opens records: type and body of each.
    pub fn open(&mut self, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut bytes = bytes.to_vec();
        let mut rest = &mut bytes[..];
        let mut records = Vec::new();
        while let [a, b, behind @ ..] = rest {
            let (record, after) = behind.split_at_mut(usize::from(u16::from_be_bytes([*a, *b])));
            self.opener.open_in_place(record).expect("an authentic record");
            records.push((record[16], record[17..].to_vec()));
            rest = after;
        }
        records
    }

    /// What `end` says.
    pub fn listen(&mut self, end: &mut End) -> Vec<(u8, Vec<u8>)> {
        let bytes = end.write(Time::ZERO, 1 << 20);
        self.open(&bytes)
    }

    pub fn id() -> PeerId {
        identity(77).id()
    }
}
