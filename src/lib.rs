//! bowline: the peer-to-peer layer of a blockchain node, as a library.
//!
//! It finds peers, keeps the right number of them, encrypts and multiplexes what they say, shares the bandwidth fairly between
//! them, and keeps out those who misbehave. There is no async runtime: one event-loop thread handles all sockets, three worker threads
//! decide, and every call says whether it blocks.
//!
//! ```
//! use bowline::{Builder, Channel, ChannelId, Event, Identity, generate_identity};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = |bootstrap: &str, seeds: &str| -> Result<bowline::Node, bowline::Error> {
//!     let node = Builder::new()
//!         .set("network.name", "example")?
//!         .set("network.pow_bits", "0")?
//!         .set("network.allow_private", "true")?
//!         .set("listen.addresses", "127.0.0.1:0")?
//!         .set("discovery.bootstrap", bootstrap)?
//!         .set("discovery.seeds", seeds)?
//!         .identity(generate_identity(0, &mut |_, _| true)?.expect("nothing stops this search"))
//!         .channel(Channel::new(0x10, "chat"))?
//!         .build()?;
//!     node.start()?;
//!     Ok(node)
//! };
//! let alice = node("true", "")?;
//! let bob = node("false", &alice.listen_addresses()[0].to_string())?;
//!
//! // Nobody has to say connect: maintenance dials the seed. `Node::connect` is for those who want one peer now.
//! let link = loop {
//!     if let Event::Up(up) = bob.recv_timeout(Duration::from_secs(5))? {
//!         break up.link;
//!     }
//! };
//! bob.send(link, ChannelId(0x10), b"hello")?;
//! loop {
//!     if let Event::Message(message) = alice.recv_timeout(Duration::from_secs(5))? {
//!         assert_eq!(&message.body[..], b"hello");
//!         break;
//!     }
//! }
//! bob.stop(Duration::from_secs(1))?;
//! alice.stop(Duration::from_secs(1))?;
//! # Ok(())
//! # }
//! ```
//!
//! The rooms of the house are modules; a program needs only what is re-exported here.
#![deny(unsafe_code)]

pub mod base;
pub mod bus;
pub mod crypto;
#[cfg(feature = "capi")]
#[allow(unsafe_code, reason = "the C face takes raw pointers; nothing else may")]
pub mod ffi;
pub mod flow;
pub mod node;
pub mod pool;
pub mod reactor;
#[cfg(doctest)]
mod readme;
pub mod session;
pub mod settings;
pub mod sim;
pub mod wire;
pub mod workers;

pub use base::address::{Address, AddressError, Host, Scheme};
pub use base::channel::{Channel, ChannelId, Kind, Overflow, RateFault};
pub use base::link_id::LinkId;
pub use base::peer::PeerId;
pub use base::point::Group;
pub use base::quota::{Quota, QuotaError, RoleQuota};
pub use base::reason::{Blame, CloseReason};
pub use base::subject::{Subject, SubjectError};
pub use base::time::Time;
pub use base::verdict::Direction;
pub use bus::backlog::{ChannelStats, Waiting};
pub use bus::counters::{ChannelTotals, LinkStats, Stats};
pub use bus::event::{Down, Event, Message, NodeState, Response, Sent, Up};
pub use bus::fate::Fate;
pub use bus::outbox::{Notice, NoticeKind};
pub use bus::requests::Outcome;
pub use crypto::identity::Identity;
pub use node::access::{GreyInfo, ListInfo};
pub use node::builder::Builder;
pub use node::error::{Error, FileFault, RecvError, RequestError, SendError, Unsent};
pub use node::identity_file::{
    generate as generate_identity, load as load_identity, load_or_create as load_or_create_identity, save_new as save_identity,
};
pub use node::memnet::MemNet;
pub use node::node::Node;
pub use node::queue::Queue;
pub use node::request::RequestId;
pub use node::roles::Role;
pub use node::sender::{Broadcast, BroadcastOptions, SendOptions, Sender};
pub use node::steering::Round;
pub use node::store_face::ImportError;
pub use node::store_memory::MemoryStore;
#[cfg(feature = "store")]
pub use node::store_redb::FileStore;
pub use node::typed;
pub use pool::dialing::DialError;
pub use pool::keeping::Imported;
pub use pool::lists::{By, Culprit, ListError, Standing};
pub use pool::pages::{AddError, KnownPeer, PointFilter, PointInfo, StateKind};
pub use pool::peers::PeerInfo;
pub use pool::points::{Proof, Source, State};
pub use pool::quotas::RoleTally;
pub use pool::saved::{Anchor, Change, OnList, Saved, SavedList, SavedPeer, SavedPoint, SavedScore, Unread};
pub use pool::score::{Cause, Score, Stage, weight as score_weight};
pub use pool::select::How;
pub use pool::store::{Store, StoreFault};
pub use settings::check::Complaint;
pub use settings::error::SettingError;
pub use settings::table::Settings;
pub use sim::pipe::Way as MemWay;
pub use wire::hello::{Capability, Hello};
pub use wire::refusal::Refusal;
