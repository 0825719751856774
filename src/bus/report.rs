//! What the reactor tells the workers: the life of every link to welcome, control messages to exchange. In order, never lost:
//! the reactor opens a link only when the places for all its reports are free.

use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::sizes;
use crate::base::verdict::Direction;
use crate::wire::hello::Hello;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;

/// A step in the life of a link. Only welcome reads these.
#[derive(Clone, Debug)]
pub enum Report {
    /// A connection was accepted and waits for `Greet` or `Close`. The link id is the reactor's.
    Arrived { link: LinkId, from: SocketAddr },
    /// The link waits for `Judge(Proceed | Refuse)`. On a dialed link the responder has shown (and half proven) its key in M2, and
    /// nothing of ours has been shown yet. On an accepted link (`is_claim`) the key is a claim without proof: refuse quietly, blame nobody.
    Recognised { link: LinkId, peer: PeerId, is_claim: bool },
    /// The peer is authenticated and has said Hello; the link waits for `Judge(Admit | Refuse)`. `observed` is our address as the peer sees it.
    Introduced {
        link: LinkId,
        peer: PeerId,
        direction: Direction,
        remote: SocketAddr,
        hello: Arc<Hello>,
        observed: Option<SocketAddr>,
    },
    /// Both sides have admitted it; messages flow.
    Opened { link: LinkId },
    /// The link is gone; always the last report of a link, also of a dial that failed. `told` is the motive that the peer gave, if it
    /// refused us or said goodbye; `alternatives` came with its nack.
    Closed { link: LinkId, reason: CloseReason, told: Option<CloseReason>, alternatives: Vec<crate::base::address::Address> },
}

/// A message on one of the node's own channels. Only exchange reads these.
#[derive(Clone, Debug)]
pub struct Control {
    pub link: LinkId,
    pub peer: PeerId,
    pub channel: ChannelId,
    pub kind: Kind,
    pub request: u32,
    pub body: Bytes,
}

const _: () = assert!(size_of::<Report>() <= sizes::REPORT && size_of::<Control>() <= sizes::CONTROL);
