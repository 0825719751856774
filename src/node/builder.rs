//! How a node is described before it exists: settings, identity, channels, and what it says of itself.

use super::error::Error;
use super::memnet::MemNet;
use super::node::Node;
use crate::base::channel::{Channel, ChannelId};
use crate::base::limits::{
    CAPABILITIES_MAX, CHANNELS_MAX, HELLO_BYTES_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX, QUOTAS_MAX, RECEIVE_MESSAGES_MIN,
    REQUESTS_MAX, TURN_BYTES_MIN,
};
use crate::base::quota::{self, Quota, QuotaError, RoleQuota};
use crate::base::subject::Subject;
use crate::base::text::{is_name, shown};
use crate::bus::sync::Lock;
use crate::crypto::identity::Identity;
use crate::pool::policy::Grouping;
use crate::pool::store::Store;
use crate::settings::table::Settings;
use crate::wire::hello::Capability;
use crate::wire::refusal::REFUSAL_BYTES_MIN;
use std::net::IpAddr;
use std::sync::Arc;

/// What the application makes of a peer's metadata.
pub type MetadataScore = Arc<dyn Fn(&[u8]) -> i32 + Send + Sync>;

/// A node to be. Every method checks what it is given at once, as far as it can; `build` checks the whole.
#[derive(Clone, Default)]
pub struct Builder {
    pub(super) settings: Settings,
    pub(super) identity: Option<Identity>,
    pub(super) channels: Vec<Channel>,
    /// Typed channels, with the sign by which their declarations are known.
    pub(super) seals: Vec<(ChannelId, Arc<()>)>,
    pub(super) agent: Option<String>,
    pub(super) metadata: Vec<u8>,
    pub(super) capabilities: Vec<Capability>,
    pub(super) application_versions: Vec<u32>,
    pub(super) metadata_score: Option<MetadataScore>,
    pub(super) grouping: Option<Grouping>,
    pub(super) store: GivenStore,
    pub(super) memnet: Option<MemNet>,
}

/// A store of the application's own, until the first node that starts takes it.
pub(super) type GivenStore = Option<Arc<Lock<Option<Box<dyn Store>>>>>;

impl Builder {
    /// A node with default settings, no channels and no identity.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Sets a key of the settings table (`settings::table::TABLE`), as text: `set("pool.max", "100")`.
    ///
    /// # Errors
    /// `Setting` names the unknown key, or the value and what is allowed.
    pub fn set(mut self, key: &str, value: &str) -> Result<Builder, Error> {
        self.settings.set(key, value)?;
        Ok(self)
    }

    /// Replaces all settings.
    pub fn settings(mut self, settings: Settings) -> Builder {
        self.settings = settings;
        self
    }

    /// Who the node is.
    pub fn identity(mut self, identity: Identity) -> Builder {
        self.identity = Some(identity);
        self
    }

    /// Adds a channel. Its id must be 0x10 or more and not yet used.
    ///
    /// # Errors
    /// `Channel` says which rule it breaks.
    pub fn channel(mut self, channel: Channel) -> Result<Builder, Error> {
        self.check_channel(&channel).map_err(Error::Channel)?;
        self.channels.push(channel);
        Ok(self)
    }

    /// The channels added so far.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Name and version of the software, for people; at most 64 bytes go out.
    pub fn agent(mut self, agent: &str) -> Builder {
        self.agent = Some(agent.to_owned());
        self
    }

    /// The application's own bytes in Hello; with everything else they must fit 8 KiB.
    pub fn metadata(mut self, metadata: Vec<u8>) -> Builder {
        self.metadata = metadata;
        self
    }

    /// Keeps address book, lists and scores in a store of the application's own, instead of a file (`store.path`). The first node of this
    /// builder that starts takes it: `start` loads it, and then one thread of its own saves to it. A panic in it is contained, and is a
    /// load or a save that failed.
    pub fn store(mut self, store: Box<dyn Store>) -> Builder {
        self.store = Some(Arc::new(Lock::new(Some(store))));
        self
    }

    /// Puts the node on a memory network, in whose virtual time it lives: no socket, no thread. See `MemNet`.
    pub fn memnet(mut self, net: &MemNet) -> Builder {
        self.memnet = Some(net.clone());
        self
    }

    /// Scores peers by what they say of themselves: `score` gets the metadata of each peer that is about to be admitted, and its answer
    /// is a part of the peer's score until the next introduction. It is called on the welcome thread, so it must be quick; a panic in it
    /// is contained and counts as 0.
    pub fn score_of_metadata(mut self, score: impl Fn(&[u8]) -> i32 + Send + Sync + 'static) -> Builder {
        self.metadata_score = Some(Arc::new(score));
        self
    }

    /// Announces a capability: a name of 1 to 32 printable ASCII characters, and a number that says whatever the application likes. Peers
    /// learn of it in Hello, others through them. Announce first what others look for: in the lists of addresses that nodes exchange,
    /// long ones are cut.
    ///
    /// # Errors
    /// `Capability` for a name that is none or is announced already, and for the 33rd.
    pub fn capability(mut self, name: &str, value: u64) -> Result<Builder, Error> {
        let wrong = if !is_name(name) {
            Some(format!("the capability '{}' is no name of 1 to {NAME_BYTES_MAX} printable ASCII characters", shown(name)))
        } else if self.capabilities.iter().any(|known| known.name == name) {
            Some(format!("the capability '{name}' is announced twice"))
        } else if self.capabilities.len() >= CAPABILITIES_MAX {
            Some(format!("the capability '{name}' is one too many: a node has at most {CAPABILITIES_MAX}"))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            return Err(Error::Capability(wrong));
        }
        self.capabilities.push(Capability { name: name.to_owned(), value });
        Ok(self)
    }

    /// Says which network (AS) an address is in: addresses of one network count as one party's when links and the places of the address book
    /// are spread. Where it gives none, and without a map, that is an IPv4 /16 or an IPv6 /32. It must be quick and always give the same; it
    /// stands above the setting `book.group_map`.
    pub fn group_map(mut self, map: impl Fn(IpAddr) -> Option<u32> + Send + Sync + 'static) -> Builder {
        self.grouping = Some(Grouping::by(map));
        self
    }

    /// Keeps at least so many links, or so many of a hundred, at peers with a capability: an entry of the setting `pool.roles`. A second
    /// quota for a capability replaces the first.
    ///
    /// # Errors
    /// `Quota` for a name or number that cannot be. Whether all of them fit the node is checked by `build`.
    pub fn role_quota(mut self, capability: &str, quota: Quota) -> Result<Builder, Error> {
        let one = RoleQuota { capability: capability.to_owned(), quota };
        quota::check_one(&one)?;
        let roles = &mut self.settings.pool_roles;
        roles.retain(|known| known.capability != capability);
        if roles.len() >= QUOTAS_MAX {
            return Err(QuotaError::TooMany(roles.len() + 1).into());
        }
        roles.push(one);
        Ok(self)
    }

    /// Trusts a peer, an address or a prefix from the start: an entry of the setting `lists.trusted`, of which there are 1,024 at most.
    pub fn trust(mut self, subject: Subject) -> Builder {
        let trusted = &mut self.settings.lists_trusted;
        if !trusted.contains(&subject) {
            trusted.push(subject);
        }
        self
    }

    /// Announces a version of the application's protocol. The highest that both sides announce is `Up::version`.
    pub fn application_version(mut self, version: u32) -> Builder {
        self.application_versions.push(version);
        self
    }

    /// The versions announced so far.
    pub fn application_versions(&self) -> &[u32] {
        &self.application_versions
    }

    /// Whether a peer that shares no version of the application's protocol is refused, with `CloseReason::NoCommonVersion`: the setting
    /// `network.require_version`.
    pub fn require_common_version(mut self, is_required: bool) -> Builder {
        self.settings.network_require_version = is_required;
        self
    }

    /// Checks everything and makes the node. No thread is started and no socket opened.
    ///
    /// # Errors
    /// `Settings` lists everything that does not fit together, `NoIdentity`, `WeakIdentity`, `NoVersion`, `Channel`,
    /// `GroupMap`, `Crypto`.
    pub fn build(self) -> Result<Node, Error> {
        Node::new(self)
    }

    fn check_channel(&self, channel: &Channel) -> Result<(), String> {
        let id = channel.id;
        if id.is_own() {
            let first = ChannelId::FIRST_APPLICATION.0;
            return Err(format!("{id} is the library's own: application channels begin at {first:#04x}"));
        }
        if self.channels.iter().any(|known| known.id == id) {
            return Err(format!("{id} is declared twice"));
        }
        if self.channels.len() + 2 >= CHANNELS_MAX {
            return Err(format!("{id} is one too many: a node has at most {} channels", CHANNELS_MAX - 2));
        }
        if channel.name.is_empty() || channel.name.len() > NAME_BYTES_MAX || !channel.name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("{id}: a name has 1 to {NAME_BYTES_MAX} printable ASCII characters without spaces"));
        }
        if channel.priority == 0 {
            return Err(format!("{id}: a priority is a weight of 1 to 255"));
        }
        if channel.message_bytes_max == 0 || channel.message_bytes_max > MESSAGE_BYTES_MAX {
            return Err(format!(
                "{id}: largest message {} bytes, 1 to {MESSAGE_BYTES_MAX} are allowed",
                channel.message_bytes_max
            ));
        }
        if channel.send_queue_bytes == 0 || channel.send_queue_messages == 0 {
            return Err(format!("{id}: a send queue needs room for at least one byte and one message"));
        }
        // A window must at least hold a full record, or the link could never fill one.
        const WINDOW_MIN: u32 = 64 * 1_024;
        if channel.receive_queue_bytes < WINDOW_MIN || channel.receive_queue_bytes > i32::MAX as u32 {
            return Err(format!(
                "{id}: receive queue {} bytes, {WINDOW_MIN} to {} are allowed",
                channel.receive_queue_bytes,
                i32::MAX
            ));
        }
        if channel.receive_queue_messages < RECEIVE_MESSAGES_MIN {
            return Err(format!(
                "{id}: a receive queue of {} messages, at least {RECEIVE_MESSAGES_MIN} are needed",
                channel.receive_queue_messages
            ));
        }
        if channel.requests_max > REQUESTS_MAX {
            return Err(format!("{id}: {} requests without an answer, at most {REQUESTS_MAX} are allowed", channel.requests_max));
        }
        if channel.requests_max > 0 && channel.message_bytes_max < REFUSAL_BYTES_MIN {
            return Err(format!(
                "{id}: largest message {} bytes, at least {REFUSAL_BYTES_MIN} where requests are served, or 0 requests",
                channel.message_bytes_max
            ));
        }
        if (1..TURN_BYTES_MIN).contains(&channel.bytes_per_turn) {
            return Err(format!(
                "{id}: {} bytes per turn, at least {TURN_BYTES_MIN} are needed, or 0 for a share by priority",
                channel.bytes_per_turn
            ));
        }
        channel.check_rates().map_err(|fault| format!("{id}: {fault}"))?;
        if self.metadata.len() > HELLO_BYTES_MAX {
            return Err(format!("{} bytes of metadata do not fit a Hello of {HELLO_BYTES_MAX}", self.metadata.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_cannot_work_is_refused_and_says_what_would_do() {
        let fault = |change: fn(&mut Channel)| {
            let mut channel = Channel::new(0x10, "chat");
            change(&mut channel);
            let builder = Builder::new().channel(Channel::new(0x20, "other")).expect("a channel");
            builder.channel(channel).err().expect("it cannot work").to_string()
        };
        type Fault = (fn(&mut Channel), &'static str);
        let faults: [Fault; 14] = [
            (|c| c.id = ChannelId(0x0f), "application channels begin at 0x10"),
            (|c| c.id = ChannelId(0x20), "declared twice"),
            (|c| c.name = "a b".to_owned(), "1 to 32 printable ASCII characters without spaces"),
            (|c| c.priority = 0, "a weight of 1 to 255"),
            (|c| c.message_bytes_max = 0, "1 to 104857600 are allowed"),
            (|c| c.message_bytes_max = (100 << 20) + 1, "1 to 104857600 are allowed"),
            (|c| c.message_bytes_max = 3, "at least 4 where requests are served"),
            (|c| c.send_queue_bytes = 0, "at least one byte and one message"),
            (|c| c.send_queue_messages = 0, "at least one byte and one message"),
            (|c| c.receive_queue_bytes = 65_535, "65536 to 2147483647 are allowed"),
            (|c| c.receive_queue_bytes = 1 << 31, "65536 to 2147483647 are allowed"),
            (|c| c.receive_queue_messages = 3, "at least 4 are needed"),
            (|c| c.requests_max = REQUESTS_MAX + 1, "4097 requests without an answer, at most 4096"),
            (|c| c.bytes_per_turn = 63, "at least 64 are needed, or 0"),
        ];
        for (change, expected) in faults {
            let text = fault(change);
            assert!(text.contains(expected), "{text}");
        }
        let full =
            (0..CHANNELS_MAX as u16 - 2).try_fold(Builder::new(), |builder, i| builder.channel(Channel::new(0x10 + i, "c")));
        let text = full.expect("so many fit").channel(Channel::new(0x99, "late")).err().map(|error| error.to_string());
        assert!(text.is_some_and(|text| text.contains("at most 62 channels")));
    }
    /// Else each such message would end its link.
    #[test]
    fn a_largest_message_that_memory_has_no_room_for_is_refused() {
        let built = |memory| {
            let identity =
                crate::node::identity_file::generate(0, &mut |_, _| true).expect("libsodium works").expect("not stopped");
            let set = [("network.name", "test"), ("network.pow_bits", "0"), ("discovery.bootstrap", "true")];
            let set = set.into_iter().chain([("memory.messages_max", memory)]);
            let builder = set.fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("in range"));
            let huge = Channel { message_bytes_max: 100 << 20, ..Channel::new(0x10, "huge") };
            builder.identity(identity).channel(huge).expect("a channel").build().err().map(|error| error.to_string())
        };
        assert!(built("64MiB").is_some_and(|text| text.contains("memory.messages_max: 419430400 there is enough")));
        assert_eq!((built("272MiB"), built("400MiB")), (None, None), "the default and more");
    }

    #[test]
    fn addresses_are_grouped_by_the_map_that_the_application_gives() {
        let builder = || {
            let identity =
                crate::node::identity_file::generate(0, &mut |_, _| true).expect("libsodium works").expect("not stopped");
            let set = [("network.name", "test"), ("network.pow_bits", "0"), ("discovery.bootstrap", "true")];
            let set = set.into_iter().chain([("book.group_map", "/nowhere/map")]);
            set.fold(Builder::new(), |builder, (key, value)| builder.set(key, value).expect("in range")).identity(identity)
        };
        let error = builder().build().err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("map of networks /nowhere/map: ")));
        let node = builder().group_map(|ip| ip.is_ipv4().then_some(7)).build().expect("it stands above the file");
        let group = |ip: &str| node.plan().grouping.group(ip.parse().expect("an address")).to_string();
        assert_eq!((group("8.8.8.8"), group("2606:4700::1")), ("AS7".to_owned(), "2606:4700::/32".to_owned()));
    }
}
