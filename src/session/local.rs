//! Who we are towards every peer: identity, network, channels, limits. Made once per node and shared by all its sessions; it never changes.
//! The node builds it from its settings; the reactor and the sessions read it.

use crate::base::address::Address;
use crate::base::channel::{Channel, ChannelId, RateFault};
use crate::base::limits::{
    CHANNELS_MAX, DISCOVER_BYTES_MAX, FRAME_MAX, FRAME_MIN, MESSAGE_BYTES_MAX, PEX_BYTES_MAX, TURN_BYTES_MIN, VERSION_MAX,
    VERSION_MIN,
};
use crate::base::peer::PeerId;
use crate::crypto::hash;
use crate::crypto::identity::Identity;
use crate::crypto::record::Suite;
use crate::flow::pot::{Budget, Pot};
use crate::settings::check::Checked;
use crate::wire::hello::{CREDIT_MIN, ChannelOffer, Hello, HelloError};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a session waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the start of the connection until the link is open, whatever trickles in between (threat T1).
    pub handshake: Duration,
    /// From the start of an accepted connection until its whole first message is there.
    pub first_message: Duration,
    /// Between two pings.
    pub ping: Duration,
    /// From a ping to its pong.
    pub pong: Duration,
    /// A record that has begun to arrive and stands still for so long ends the link.
    pub record: Duration,
    /// A message that has begun to arrive and of which nothing more comes for so long ends the link.
    pub message: Duration,
    /// And so many bytes of it a second must come over time; 0: any byte is enough.
    pub message_rate_min: u64,
}

impl Default for Timeouts {
    /// Security reference 1.1 (T1, T4, T20): 5 s, 3 s, 30 s, 60 s, 30 s. The settings table says where the last two come from.
    fn default() -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(5),
            first_message: Duration::from_secs(3),
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(60),
            record: Duration::from_secs(30),
            message: Duration::from_secs(60),
            message_rate_min: 100,
        }
    }
}

/// How often a peer may make us work with what costs it nothing (threat T38b). More is a flood, which ends the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowances {
    /// Between two pings of the peer's, over time; zero is no limit.
    pub ping: Duration,
    /// Messages on the node's own channels, over time.
    pub controls_per_second: u32,
    /// And of these at once.
    pub controls_at_once: u32,
}

impl Default for Allowances {
    /// Threat T38b: one ping in 5 s; 20 messages a second, 100 at once.
    fn default() -> Allowances {
        Allowances { ping: Duration::from_secs(5), controls_per_second: 20, controls_at_once: 100 }
    }
}

/// What a node decides about its sessions; `Local::new` checks it.
#[derive(Clone, Debug)]
pub struct Profile {
    pub identity: Identity,
    /// Difficulty that the network asks of a stamp.
    pub pow_bits: u32,
    /// Oldest and newest version of bowline's protocol that may be spoken.
    pub versions: (u8, u8),
    /// Record suites and later extensions, as announced.
    pub caps: u32,
    /// Largest record plaintext that we take, type byte included.
    pub frame_max: usize,
    /// What we say of ourselves. Its channels are filled in from `channels`; its network is the name that peers must share.
    pub hello: Hello,
    /// The application's channels.
    pub channels: Vec<Channel>,
    pub timeouts: Timeouts,
    pub allowances: Allowances,
    /// Show our key in the first message when we dial.
    pub is_claiming: bool,
    /// Refuse dialers who do not show theirs.
    pub is_claim_required: bool,
    /// The address that others should dial, wherever we listen.
    pub advertise: Option<Address>,
    /// Where we accept connections; 0 if nowhere.
    pub listen_port: u16,
    /// The node-wide budget that reassembly is charged to.
    pub pot: Pot,
}

impl Profile {
    /// A profile with the defaults: no stamp needed, no claim, no application channels, 256 MiB of reassembly.
    pub fn new(identity: Identity, network: &str) -> Profile {
        Profile {
            identity,
            pow_bits: 0,
            versions: (VERSION_MIN, VERSION_MAX),
            caps: Suite::CAPS,
            frame_max: FRAME_MAX,
            hello: Hello { network: network.to_owned(), ..Hello::default() },
            channels: Vec::new(),
            timeouts: Timeouts::default(),
            allowances: Allowances::default(),
            is_claiming: false,
            is_claim_required: false,
            advertise: None,
            listen_port: 0,
            pot: Pot::new(Budget::divide(256 << 20, 100)),
        }
    }
}

impl Profile {
    /// The profile of a node with these settings that listens there. `hello` says the rest.
    pub fn of(settings: &Checked, identity: Identity, channels: &[Channel], hello: &Hello, listening: &[SocketAddr]) -> Profile {
        let profile = Profile {
            pow_bits: settings.network_pow_bits,
            channels: channels.to_vec(),
            timeouts: Timeouts {
                handshake: settings.handshake_timeout,
                first_message: settings.handshake_first_timeout,
                ping: settings.ping_period,
                pong: settings.ping_timeout,
                record: settings.link_record_timeout,
                message: settings.link_message_timeout,
                message_rate_min: settings.link_message_rate_min,
            },
            allowances: Allowances {
                ping: settings.ping_accept_period,
                controls_per_second: settings.control_rate,
                controls_at_once: settings.control_burst,
            },
            is_claiming: settings.network_require_claim,
            is_claim_required: settings.network_require_claim,
            advertise: settings.listen_advertise.clone(),
            pot: Pot::new(Budget::divide(settings.memory_messages_max, settings.links_max() as u64)),
            hello: hello.clone(),
            ..Profile::new(identity, &settings.network_name)
        };
        profile.listening_at(listening)
    }

    /// The same, but we listen there.
    fn listening_at(mut self, listening: &[SocketAddr]) -> Profile {
        self.hello.listen = advertised(self.advertise.as_ref(), self.identity.id(), listening);
        self.listen_port = self.hello.listen.first().map_or(0, |address| address.port);
        self
    }
}

/// Where a node says that it can be dialed: at `advertise`, or else where it listens.
pub fn advertised(advertise: Option<&Address>, own: PeerId, listening: &[SocketAddr]) -> Vec<Address> {
    match advertise {
        Some(address) => vec![address.clone()],
        None => listening.iter().map(|at| Address::of(*at, Some(own))).collect(),
    }
}

/// A profile that no session could be run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    #[error("versions {0} to {1} are no range")]
    Versions(u8, u8),
    #[error("capabilities {0:#x} lack the mandatory record suite, bit 0")]
    Caps(u32),
    #[error("a largest record of {0} bytes; {FRAME_MIN} to {FRAME_MAX} are allowed")]
    Frame(usize),
    #[error("the identity's stamp reaches {has} bits, this network asks for {needs}: generate another identity")]
    Stamp { has: u32, needs: u32 },
    #[error("{0} is bowline's own: application channels start at {first}", first = ChannelId::FIRST_APPLICATION)]
    OwnChannel(ChannelId),
    #[error("{0}: priority 0; at least 1 is needed")]
    Priority(ChannelId),
    #[error("{0}: {1} bytes per turn; at least {TURN_BYTES_MIN} are needed, or 0 for a share by priority")]
    Turn(ChannelId, u32),
    #[error("{0}: {1}")]
    Rate(ChannelId, RateFault),
    #[error(transparent)]
    Hello(#[from] HelloError),
}

/// See the file's head.
#[derive(Debug)]
pub struct Local {
    pub profile: Profile,
    pub network_id: [u8; 16],
    /// All channels, the node's own first: the index is the lane.
    pub channels: Vec<Channel>,
    /// Our Hello as it goes over the wire.
    pub hello_bytes: Vec<u8>,
    lanes: LaneTable,
}

impl Local {
    /// Checks a profile and prepares what every session needs.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(mut profile: Profile) -> Result<Local, LocalError> {
        let (version_min, version_max) = profile.versions;
        if version_min > version_max {
            return Err(LocalError::Versions(version_min, version_max));
        }
        if profile.caps & 1 == 0 {
            return Err(LocalError::Caps(profile.caps));
        }
        if !(FRAME_MIN..=FRAME_MAX).contains(&profile.frame_max) {
            return Err(LocalError::Frame(profile.frame_max));
        }
        let (has, needs) = (profile.identity.pow_bits(), profile.pow_bits);
        if has < needs {
            return Err(LocalError::Stamp { has, needs });
        }
        if let Some(channel) = profile.channels.iter().find(|channel| channel.id.is_own()) {
            return Err(LocalError::OwnChannel(channel.id));
        }
        if let Some(channel) = profile.channels.iter().find(|channel| channel.priority == 0) {
            return Err(LocalError::Priority(channel.id));
        }
        if let Some(channel) = profile.channels.iter().find(|channel| (1..TURN_BYTES_MIN).contains(&channel.bytes_per_turn)) {
            return Err(LocalError::Turn(channel.id, channel.bytes_per_turn));
        }
        if let Some((id, fault)) = profile.channels.iter().find_map(|channel| Some((channel.id, channel.check_rates().err()?))) {
            return Err(LocalError::Rate(id, fault));
        }
        let channels: Vec<Channel> = own_channels().into_iter().chain(profile.channels.iter().cloned()).collect();
        profile.hello.channels = channels.iter().map(offer).collect();
        let hello_bytes = profile.hello.encode()?;
        let network_id = hash::network_id(&profile.hello.network);
        let lanes = LaneTable::new(&channels);
        Ok(Local { profile, network_id, channels, hello_bytes, lanes })
    }

    /// The same node, listening there: sessions that begin from now on say so. Those that there are go on as they began.
    ///
    /// # Errors
    /// A Hello that would be too long.
    pub fn listening_at(&self, listening: &[SocketAddr]) -> Result<Local, LocalError> {
        Local::new(self.profile.clone().listening_at(listening))
    }

    /// The lane of a channel: its index in `channels`.
    #[inline]
    pub fn lane(&self, channel: ChannelId) -> Option<usize> {
        self.lanes.find(channel)
    }
}

/// Address exchange must not hold up what a node is there for (design, section 5).
const PEX_BYTES_PER_TURN: u32 = 200;

/// The channels that every node has. PEX as in ReactorV2 (design, section 5); discovery carries one page of a thousand peers.
fn own_channels() -> [Channel; 2] {
    let own = |id: ChannelId, name, message_bytes_max: u32| Channel {
        id,
        priority: 1,
        message_bytes_max,
        send_queue_bytes: 10 * message_bytes_max,
        send_queue_messages: 10,
        // Taken at once, so one largest message under way is enough.
        receive_queue_bytes: message_bytes_max.next_multiple_of(CREDIT_MIN),
        // Taken at once; how many may come at once is said in `Allowances`.
        receive_queue_messages: message_bytes_max,
        // Their requests have rules of their own: exchange says how many.
        requests_max: 0,
        ..Channel::new(id.0, name)
    };
    let pex = Channel { bytes_per_turn: PEX_BYTES_PER_TURN, ..own(ChannelId::PEX, "pex", PEX_BYTES_MAX) };
    [pex, own(ChannelId::DISCOVER, "discover", DISCOVER_BYTES_MAX)]
}

fn offer(channel: &Channel) -> ChannelOffer {
    ChannelOffer {
        id: channel.id,
        name: channel.name.clone(),
        message_bytes_max: channel.message_bytes_max,
        credit: channel.window(),
        requests_max: channel.requests_max,
        segment_cost_min: channel.segment_cost_min(),
    }
}

/// From channel id to lane, for every segment that arrives: one load for the ids below 256, a search for the few above.
#[derive(Debug)]
struct LaneTable {
    small: [u8; 256],
    large: Vec<(ChannelId, u8)>,
}

const NO_LANE: u8 = u8::MAX;

impl LaneTable {
    /// `channels` are at most `CHANNELS_MAX`: a Hello with more would not have been encoded.
    fn new(channels: &[Channel]) -> LaneTable {
        const { assert!(CHANNELS_MAX < NO_LANE as usize, "every lane's index fits below the mark of none") };
        let mut table = LaneTable { small: [NO_LANE; 256], large: Vec::new() };
        for (lane, channel) in channels.iter().enumerate() {
            match table.small.get_mut(usize::from(channel.id.0)) {
                Some(slot) => *slot = lane as u8,
                None => table.large.push((channel.id, lane as u8)),
            }
        }
        table
    }

    #[inline]
    fn find(&self, channel: ChannelId) -> Option<usize> {
        let lane = match self.small.get(usize::from(channel.0)) {
            Some(lane) => *lane,
            None => self.large.iter().find(|(id, _)| *id == channel)?.1,
        };
        (lane != NO_LANE).then_some(usize::from(lane))
    }
}

const _: () = assert!(PEX_BYTES_MAX <= MESSAGE_BYTES_MAX && DISCOVER_BYTES_MAX <= MESSAGE_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::crypto::identity::Draft;

    fn profile() -> Profile {
        let mut draft = Draft::new(&mut Rng::from_seed(1), 0);
        Profile::new(draft.run(1).expect("every stamp reaches 0 bits"), "test")
    }

    fn fault(change: impl Fn(&mut Profile)) -> String {
        let mut profile = profile();
        change(&mut profile);
        Local::new(profile).expect_err("is refused").to_string()
    }

    #[test]
    fn own_channels_come_first_and_every_channel_has_its_lane() {
        let mut profile = profile();
        profile.channels = vec![Channel::new(0x20, "a"), Channel::new(0x1234, "b"), Channel::new(0xff, "c")];
        let local = Local::new(profile).expect("valid");
        for (lane, channel) in local.channels.iter().enumerate() {
            assert_eq!(local.lane(channel.id), Some(lane));
            assert_eq!(local.profile.hello.offer(channel.id).map(|offer| offer.credit), Some(channel.receive_queue_bytes));
        }
        assert_eq!((local.lane(ChannelId::PEX), local.lane(ChannelId::DISCOVER)), (Some(0), Some(1)));
        assert_eq!((local.lane(ChannelId(0x21)), local.lane(ChannelId(0x1235))), (None, None));
    }

    #[test]
    fn a_wrong_profile_says_what_is_wrong() {
        assert_eq!(fault(|p| p.versions = (2, 1)), "versions 2 to 1 are no range");
        assert_eq!(fault(|p| p.caps = 2), "capabilities 0x2 lack the mandatory record suite, bit 0");
        assert_eq!(fault(|p| p.frame_max = 16_415), "a largest record of 16415 bytes; 16416 to 65519 are allowed");
        assert!(fault(|p| p.frame_max = 65_520).starts_with("a largest record of 65520"));
        assert!(fault(|p| p.pow_bits = 200).contains("asks for 200"));
        assert!(fault(|p| p.channels = vec![Channel::new(0x0f, "x")]).starts_with("channel 0x0f is bowline's own"));
        assert!(fault(|p| p.channels = vec![Channel { priority: 0, ..Channel::new(0x20, "x") }]).contains("priority 0"));
        let slow = Channel { bytes_per_turn: 63, ..Channel::new(0x20, "x") };
        assert!(fault(|p| p.channels = vec![slow.clone()]).starts_with("channel 0x20: 63 bytes per turn; at least 64"));
        let pressed = Channel { rate_bytes: 1_023, ..Channel::new(0x20, "x") };
        assert!(
            fault(|p| p.channels = vec![pressed.clone()]).starts_with("channel 0x20: a limit of 1023 bytes a second; 1024 to")
        );
        assert!(fault(|p| p.channels = vec![Channel::new(0x20, "x"); 2]).contains("announced twice"));
        assert!(fault(|p| p.channels = (0..63).map(|i| Channel::new(0x20 + i, "x")).collect()).contains("channels: 65 > 64"));
    }
}
