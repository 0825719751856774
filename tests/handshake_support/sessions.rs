//! The deterministic sessions of `tests/vectors/bowline`, run through the real session code.

use super::{End, Pair, Script};
use bowline::base::peer::unhex;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::crypto::identity::Identity;
use bowline::crypto::keys::SecretKey;
use bowline::session::gate::Gate;
use bowline::session::local::{Local, Profile};
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

pub const CLAIM: u64 = 1;
pub const PUZZLE: u64 = 2;

/// One row of the vector files.
#[derive(Clone)]
pub struct Vector(pub Value);

/// All sessions of both files.
pub fn vectors() -> Vec<Vector> {
    let files =
        [include_str!("../vectors/bowline/bowline1_vectors.json"), include_str!("../vectors/bowline/bowline1_more_vectors.json")];
    let rows = |file| serde_json::from_str::<Value>(file).expect("JSON")["vectors"].as_array().expect("rows").clone();
    files.into_iter().flat_map(rows).map(Vector).collect()
}

impl Vector {
    pub fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_else(|| panic!("{name} is a number"))
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        unhex(self.0[name].as_str().unwrap_or_else(|| panic!("{name} is text"))).expect("hex")
    }

    pub fn array<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap_or_else(|_| panic!("{name} has {N} bytes"))
    }

    pub fn expect(&self) -> Vector {
        Vector(self.0["expect"].clone())
    }

    pub fn name(&self) -> &str {
        self.0["name"].as_str().expect("a name")
    }

    pub fn has(&self, flag: u64) -> bool {
        self.number("flags") & flag != 0
    }

    /// One side of the session: "i" or "r".
    pub fn profile(&self, side: &str) -> Profile {
        let field = |name: &str| format!("{side}_{name}");
        let secret = SecretKey::from_bytes(self.array(&field("static")));
        let pow_bits = self.number("pow_bits") as u32;
        let identity = Identity::new(Arc::new(secret), self.array(&field("stamp")), pow_bits).expect("a good stamp");
        let version = |name: &str| self.number(&field(name)) as u8;
        Profile {
            pow_bits,
            versions: (version("vmin"), version("vmax")),
            caps: self.number(&field("caps")) as u32,
            frame_max: self.number(&field("max_frame")) as usize,
            is_claiming: self.has(CLAIM),
            listen_port: self.number("i_listen") as u16,
            channels: super::channels(),
            ..Profile::new(identity, self.0["chain"].as_str().expect("a name"))
        }
    }

    fn ip(&self, name: &str) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.array::<16>(name))).to_canonical()
    }

    /// Both sides, with the session's keys where they draw randomness.
    pub fn pair(&self) -> Pair {
        Pair::new(self.dialer(), self.acceptor())
    }

    pub fn dialer(&self) -> End {
        self.dialer_as(self.profile("i"))
    }

    pub fn dialer_as(&self, profile: Profile) -> End {
        let local = Arc::new(Local::new(profile).expect("valid"));
        let mut entropy = Script::seeded(5);
        // With a puzzle there are two first messages; the vector's second one has this key as well.
        entropy.first.extend(vec![self.bytes("i_eph"); if self.has(PUZZLE) { 2 } else { 1 }]);
        End::dialer(&local, SocketAddr::new(self.ip("r_ip"), 9_732), None, entropy)
    }

    pub fn acceptor(&self) -> End {
        self.acceptor_as(self.profile("r"))
    }

    pub fn acceptor_as(&self, profile: Profile) -> End {
        let local = Arc::new(Local::new(profile).expect("valid"));
        let mut entropy = Script::seeded(6);
        entropy.first.push_back(self.bytes("r_eph"));
        let remote = SocketAddr::new(self.ip("i_ip"), self.number("i_port") as u16);
        let mut end = End::acceptor(&local, remote, entropy);
        let mut secret = Script { first: [self.bytes("cookie_secret")].into(), rest: Rng::from_seed(0) };
        end.gate = Gate::new(&mut secret, self.number("puzzle_bits") as u8, 4);
        end.gate.set_half_open(if self.has(PUZZLE) { 4 } else { 0 });
        end.unix_seconds = self.number("epoch") * 60;
        end
    }

    /// The three messages.
    pub fn messages(&self) -> [Vec<u8>; 3] {
        let expect = self.expect();
        ["M1", "M2", "M3"].map(|name| expect.bytes(name))
    }
}

/// What one side says in its turn.
pub fn turn(end: &mut End) -> Vec<u8> {
    while end.error.is_none() && end.session_deadline() == Some(Time::ZERO) {
        end.pass_time(Time::ZERO);
    }
    end.write(Time::ZERO, 1 << 20)
}
