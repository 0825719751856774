//! A rogue over a real TCP connection: it keeps bowline/1 as far as a test wants, in either role, and then says whatever bytes or sealed
//! plaintexts it wants. It never decides what is wrong; the tables of `tests/rogue.rs` do.

use crate::handshake_support::rogue::{Rogue as Records, first, introduction};
use crate::handshake_support::{local, profile};
use crate::wire::Wire;
use bowline::base::rng::Rng;
use bowline::crypto::hash;
use bowline::crypto::identity::Draft;
use bowline::crypto::keys::SecretKey;
use bowline::crypto::noise::{Handshake, Role};
use bowline::session::handshake_message::{
    Claim, First, Introduction, M1, M1_HEAD, M2, M2_HEAD, M3, PAYLOAD, Refusal, Versions, prologue,
};
use bowline::session::local::Profile;
use bowline::wire::hello::Hello;
use bowline::wire::nack::Nack;
use bowline::wire::record::RecordType;
use bowline::{Channel, CloseReason, Identity, PeerId};
use std::net::SocketAddr;
use std::sync::Arc;

pub const NETWORK: &str = "rogue";
/// Proof of work that the network asks for: 256 tries, so that a stamp may be below it.
pub const POW_BITS: u32 = 8;
/// The head of an honest M2.
pub const SECOND: [u8; M2_HEAD] = [2, 1, 0, 0];

/// An identity that its seed repeats, with a good stamp.
pub fn identity(seed: u64) -> Identity {
    Draft::new(&mut Rng::from_seed(seed), POW_BITS).run(1 << 20).expect("one of 256 stamps is good")
}

/// One whose stamp is below the difficulty.
pub fn weak_identity() -> Identity {
    let drawn = |seed| Draft::new(&mut Rng::from_seed(seed), 0).run(1).expect("every stamp reaches 0 bits");
    (0..).map(drawn).find(|identity| identity.pow_bits() < POW_BITS).expect("nearly every stamp is weak")
}

/// A channel that rogues have, too.
pub fn bulk() -> Channel {
    Channel { receive_queue_bytes: 64 * 1_024, ..Channel::new(0x11, "bulk") }
}

/// What an honest rogue says of itself. It is private, so that nobody asks it for addresses.
pub fn hello() -> Hello {
    let ours = local(Profile { channels: vec![bulk()], ..profile(1) }).profile.hello.clone();
    Hello { network: NETWORK.to_owned(), is_private: true, ..ours }
}

/// What an honest dialer puts into M1.
pub fn honest_first() -> First {
    first(hash::network_id(NETWORK))
}

/// The same with the key of `who` shown.
pub fn claiming(who: &Identity) -> First {
    First { claim: Some(Claim { peer: who.id(), stamp: *who.stamp() }), ..honest_first() }
}

/// An honest payload of M3.
pub fn last_payload(us: &Identity) -> Introduction {
    introduction(*us.stamp(), None)
}

/// An honest payload of M2.
pub fn second_payload(us: &Identity) -> Introduction {
    introduction(*us.stamp(), Some(Versions { min: 1, max: 1 }))
}

fn handshake(role: Role, head: &[u8; M1_HEAD], us: &Identity) -> Handshake {
    Handshake::xx(role, &prologue(head), Arc::clone(us.secret()), SecretKey::from_bytes([8; 32]))
}

/// M1, and the handshake that goes on from it.
pub fn first_message(us: &Identity, first: &First) -> (Handshake, [u8; M1]) {
    let mut noise = handshake(Role::Initiator, &first.head(), us);
    let mut message = [0; M1];
    message[..M1_HEAD].copy_from_slice(&first.head());
    noise.write_message(&first.payload(), &mut message[M1_HEAD..]).expect("it fits");
    (noise, message)
}

/// Says M1, reads M2, and gives M3 with that payload.
pub fn third_message(wire: &mut Wire, us: &Identity, payload: &Introduction) -> (Handshake, [u8; M3]) {
    let (mut noise, first) = first_message(us, &honest_first());
    wire.say(&first);
    noise.read_message(&wire.read::<M2>()[M2_HEAD..], &mut [0; PAYLOAD]).expect("an honest answer");
    let mut message = [0; M3];
    noise.write_message(&payload.encode(), &mut message).expect("it fits");
    (noise, message)
}

/// Reads M1 and gives M2 with that payload.
pub fn second_message(wire: &mut Wire, us: &Identity, payload: &Introduction) -> (Handshake, [u8; M2]) {
    let first = wire.read::<M1>();
    let (head, rest) = first.split_first_chunk::<M1_HEAD>().expect("it is longer");
    let mut noise = handshake(Role::Responder, head, us);
    noise.read_message(rest, &mut [0; M1 - M1_HEAD]).expect("an honest first message");
    let mut message = [0; M2];
    message[..M2_HEAD].copy_from_slice(&SECOND);
    noise.write_message(&payload.encode(), &mut message[M2_HEAD..]).expect("it fits");
    (noise, message)
}

/// The reason in what a node says before there are keys: nothing, or a refusal.
pub fn refusal(said: &[u8]) -> Option<CloseReason> {
    if said.is_empty() {
        return None;
    }
    match Refusal::decode(said.try_into().expect("nothing, or a refusal of 32 bytes")) {
        Some(Refusal::Reject(Some(code))) => Some(code.reason()),
        other => panic!("{other:?} is no refusal that this version knows"),
    }
}

/// A rogue that has agreed on keys with a node and may seal whatever it wants.
pub struct Rogue {
    pub wire: Wire,
    pub id: PeerId,
    records: Records,
}

impl Rogue {
    /// Dials a node and agrees on keys.
    pub fn dial(mut wire: Wire, us: &Identity) -> Rogue {
        let (noise, third) = third_message(&mut wire, us, &last_payload(us));
        wire.say(&third);
        Rogue { wire, id: us.id(), records: Records::keyed(noise, hello()) }
    }

    /// Answers a node's dial and agrees on keys; the node's Hello is read.
    pub fn answer(mut wire: Wire, us: &Identity) -> Rogue {
        let (mut noise, second) = second_message(&mut wire, us, &second_payload(us));
        wire.say(&second);
        noise.read_message(&wire.read::<M3>(), &mut [0; PAYLOAD]).expect("an honest third message");
        let mut rogue = Rogue { wire, id: us.id(), records: Records::keyed(noise, hello()) };
        assert_eq!(rogue.read().0, RecordType::Hello as u8);
        rogue
    }

    /// Dials a node and opens a link with it.
    pub fn open(to: SocketAddr, us: &Identity, hello: &Hello) -> Rogue {
        Rogue::open_on(Wire::dial(to), us, hello)
    }

    /// Opens a link on a connection that is there.
    pub fn open_on(wire: Wire, us: &Identity, hello: &Hello) -> Rogue {
        let mut rogue = Rogue::dial(wire, us);
        rogue.say(RecordType::Hello, &hello.encode().expect("a valid Hello"));
        assert_eq!(rogue.read().0, RecordType::Ack as u8);
        rogue
    }

    /// A record of a type byte and a body.
    pub fn sealed(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        self.records.sealed(kind, body)
    }

    pub fn say(&mut self, kind: RecordType, body: &[u8]) {
        let record = self.sealed(kind as u8, body);
        self.wire.say(&record);
    }

    /// The next record: its type byte and body.
    pub fn read(&mut self) -> (u8, Vec<u8>) {
        let length = self.wire.read::<2>();
        let mut record = length.to_vec();
        record.resize(2 + usize::from(u16::from_be_bytes(length)), 0);
        self.wire.read_into(&mut record[2..]);
        self.records.open(&record).pop().expect("it is whole")
    }

    /// Reads until the node closes, and gives the reason in its last word, if it says one.
    pub fn until_closed(&mut self) -> Option<CloseReason> {
        let said = self.wire.until_closed();
        let (kind, body) = self.records.open(&said).pop()?;
        match RecordType::from_byte(kind) {
            Some(RecordType::Close) => CloseReason::from_code(u16::from_be_bytes(body.try_into().expect("a code has two bytes"))),
            Some(RecordType::Nack) => Nack::decode(&body).expect("a nack").motive,
            _ => None,
        }
    }
}
