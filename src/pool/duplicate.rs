//! Two nodes that dial each other, or one that dials twice, end with exactly one link, and both agree on which: pure rules.
//! They look at nothing but the links of one peer. The pool asks them at `Recognised` and `Introduced`.
//!
//! Why it holds. A dial that is recognised refuses itself if a link with that peer is admitted or open on its own side, before the
//! responder has seen more than a connection. So two links can only compete when each was recognised before the other was introduced,
//! and then both sides see both and go by the same order of keys. And since a peer that still has a link would have refused itself, a
//! link of it that arrived after ours opened says that the peer has lost ours.

use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::verdict::Direction;

/// Another link with the same peer: our own dial that it has answered with its key, or a link that we have admitted. Earlier stages
/// show no identity and are no rivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    pub link: LinkId,
    pub direction: Direction,
    /// It opened on our side before the link in question arrived.
    pub is_settled: bool,
}

/// What to do with a link that is introduced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Refuse it with `Duplicate`.
    Refuse,
    /// Admit it; these close with `Duplicate` first.
    Admit { instead_of: Vec<LinkId> },
}

/// True if our dial, at `Recognised`, must refuse itself: any rival is one too many.
pub fn is_superfluous(rivals: &[Rival]) -> bool {
    !rivals.is_empty()
}

/// Rules on a link at `Introduced`. `link` is compared with rivals that the same peer dialed: ids of arrivals grow.
pub fn rule(own: &PeerId, peer: &PeerId, link: LinkId, direction: Direction, rivals: &[Rival]) -> Ruling {
    if rivals.iter().all(|rival| wins(own, peer, link, direction, rival)) {
        Ruling::Admit { instead_of: rivals.iter().map(|rival| rival.link).collect() }
    } else {
        Ruling::Refuse
    }
}

fn wins(own: &PeerId, peer: &PeerId, link: LinkId, direction: Direction, rival: &Rival) -> bool {
    match (direction, rival.direction) {
        // The same initiator: it would not have dialed again had it not lost the other.
        (Direction::Inbound, Direction::Inbound) => link > rival.link,
        (Direction::Outbound, Direction::Outbound) => false,
        (Direction::Inbound, Direction::Outbound) => rival.is_settled || peer < own,
        (Direction::Outbound, Direction::Inbound) => own < peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: PeerId = PeerId::from_bytes([1; 32]);
    const LARGE: PeerId = PeerId::from_bytes([2; 32]);

    fn id(number: u64) -> LinkId {
        LinkId::from_u64(number)
    }

    fn rival(number: u64, direction: Direction, is_settled: bool) -> Rival {
        Rival { link: id(number), direction, is_settled }
    }

    #[test]
    fn of_crossing_dials_the_one_of_the_smaller_key_stays() {
        let ours = [rival(1, Direction::Outbound, false)];
        assert_eq!(rule(&SMALL, &LARGE, id(2), Direction::Inbound, &ours), Ruling::Refuse);
        let admit = Ruling::Admit { instead_of: vec![id(1)] };
        assert_eq!(rule(&LARGE, &SMALL, id(2), Direction::Inbound, &ours), admit);
        let theirs = [rival(1, Direction::Inbound, false)];
        assert_eq!(rule(&LARGE, &SMALL, id(2), Direction::Outbound, &theirs), Ruling::Refuse);
        assert_eq!(rule(&SMALL, &LARGE, id(2), Direction::Outbound, &theirs), admit);
    }

    #[test]
    fn a_peer_that_lost_its_link_gets_a_new_one() {
        let old = [rival(1, Direction::Inbound, false)];
        let admit = Ruling::Admit { instead_of: vec![id(1)] };
        assert_eq!(rule(&SMALL, &LARGE, id(2), Direction::Inbound, &old), admit);
        let settled = [rival(1, Direction::Outbound, true)];
        assert_eq!(rule(&SMALL, &LARGE, id(2), Direction::Inbound, &settled), admit);
        let late = [rival(3, Direction::Inbound, false)];
        assert_eq!(rule(&SMALL, &LARGE, id(2), Direction::Inbound, &late), Ruling::Refuse, "the older one came late");
    }

    #[test]
    fn a_superfluous_dial_refuses_itself() {
        assert!(is_superfluous(&[rival(1, Direction::Inbound, false)]));
        assert!(!is_superfluous(&[]));
        let earlier = [rival(1, Direction::Outbound, false)];
        assert_eq!(rule(&SMALL, &LARGE, id(2), Direction::Outbound, &earlier), Ruling::Refuse);
    }
}
