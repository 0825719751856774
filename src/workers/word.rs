//! What a peer says on the node's own channels, decoded. Decoding runs before the pool's lock is taken, and contained: the pump calls
//! `Said::decode`, exchange reads the result. Nothing is judged here but whether the bytes are a message.

use crate::base::channel::{ChannelId, Kind};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::bus::report::Control;
use crate::wire::discover::{DiscoverReceived, DiscoverRequest, DiscoverResponse};
use crate::wire::pex::{PexMessage, PexReceived};

/// A control message: who said it, and what.
#[derive(Debug)]
pub struct Said {
    pub link: LinkId,
    pub peer: PeerId,
    /// Pairs discovery's requests and answers.
    pub request: u32,
    pub word: Word,
}

/// What was said.
#[derive(Debug)]
pub enum Word {
    Pex(PexReceived),
    /// A discovery request.
    Question(DiscoverRequest),
    /// A discovery answer; none if it does not decode, which only makes it a failure: it may not even be expected.
    Answer(Option<DiscoverReceived>),
    /// The peer could not answer a discovery request.
    Failure,
    /// The peer does not want an answer any more; ours are sent at once.
    Cancel,
    /// No message of that channel: the reason to close.
    Wrong(CloseReason),
}

impl Said {
    pub fn decode(control: Control) -> Said {
        let Control { link, peer, request, body, .. } = control;
        let word = match (control.channel, control.kind) {
            (ChannelId::PEX, Kind::Message) => {
                PexMessage::decode(&body).map_or_else(|error| Word::Wrong(error.reason()), Word::Pex)
            }
            (ChannelId::DISCOVER, Kind::Request) => {
                DiscoverRequest::decode(&body).map_or(Word::Wrong(CloseReason::PexMalformed), Word::Question)
            }
            (ChannelId::DISCOVER, Kind::Response) => Word::Answer(DiscoverResponse::decode(&body).ok()),
            (ChannelId::DISCOVER, Kind::Error) => Word::Failure,
            (ChannelId::DISCOVER, Kind::Cancel) => Word::Cancel,
            _ => Word::Wrong(CloseReason::UnknownMessage),
        };
        Said { link, peer, request, word }
    }
}
