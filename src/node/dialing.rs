//! How calls dial, and wait for what becomes of it. The pool decides who may be dialed, the reactor dials; here calls only claim, join
//! what is under way already, and wait. A link that has parted never stands in the way, whether the pool has heard of its end or not:
//! who dials on a Down gets a new link. Only `Node` calls it.

use super::error::Error;
use super::shared::{Answer, Shared};
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::command::Command;
use crate::bus::event::NodeState;
use crate::bus::outbox::Ending;
use crate::pool::dialing::DialError;
use crate::pool::slots::{Phase, Purpose};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::net::SocketAddr;

/// How often a call claims, when what was in its way is over: one that comes and goes for ever is not followed.
const CLAIMS_MAX: usize = 4;

impl Shared {
    /// A link with whoever is at `to`, until `until`: one that there is, that of a dial under way, or one of an own dial.
    ///
    /// # Errors
    /// `Dial` when it is refused at once, `Link` with the reason, `Timeout`, `Stopped`, `Failed`.
    pub fn connect(&self, to: SocketAddr, expect: Option<PeerId>, until: Time) -> Result<LinkId, Error> {
        let (mut last, mut sought) = (CloseReason::Reset, expect);
        for _ in 0..CLAIMS_MAX {
            let (answer, wait): (_, Receiver<Answer>) = bounded(1);
            let (link, is_ours, is_dial) = match self.dial(to, sought, None, Some(&answer)) {
                // Somebody dials it already, maintenance perhaps: its link is as good.
                Err(Error::Dial(DialError::Exists(_, link))) => (link, false, self.join(link, &answer)),
                // Another dial on request seeks the same peer elsewhere: if it does not meet it, this address has its turn.
                Err(Error::Dial(DialError::Sought(link))) => {
                    self.join(link, &answer);
                    (link, false, false)
                }
                begun => (begun?, true, true),
            };
            match wait.recv_timeout(self.clock.now().until(until)) {
                Ok(Ok(peer)) if expect.is_some_and(|expect| expect != peer) => {
                    return Err(Error::Link(CloseReason::WrongIdentity));
                }
                // Of a link of others that has parted meanwhile, the caller may have had the Down before it called.
                Ok(Ok(_)) if is_ours || self.roster.find(link).is_some() => return Ok(link),
                Ok(Err(_)) if self.status.state() != NodeState::Running => return Err(self.status.gone()),
                // The peer has a link with us, or its own dial was preferred, or is about to be: that link is as good.
                // And a feeler that was under way has only seen who is there.
                Ok(Err(Ending { reason: reason @ (CloseReason::Duplicate | CloseReason::Probed), peer: Some(peer) })) => {
                    (last, sought) = (reason, Some(peer));
                }
                Ok(Err(ending)) if is_dial => return Err(Error::Link(ending.reason)),
                Ok(ended) => last = ended.err().map_or(last, |ending| ending.reason),
                Err(_) => {
                    self.give_up(link, &answer);
                    if is_ours {
                        self.order(Command::Close { link, reason: CloseReason::Requested });
                    }
                    return Err(Error::Timeout);
                }
            }
        }
        Err(Error::Link(last))
    }

    /// Waits, with others, until a link opens or ends; gets the answer at once if it is open or over. True if it is a dial that is
    /// under way: its failure is as good as that of an own one.
    fn join(&self, link: LinkId, answer: &Sender<Answer>) -> bool {
        self.waiters.lock().entry(link).or_default().push(answer.clone());
        let slot = self.pool.look().slots().get(link).map(|slot| (slot.direction, slot.phase));
        let known = match self.roster.find(link) {
            Some(open) => Some(Ok(open.peer)),
            None if self.status.state() != NodeState::Running => Some(Err(CloseReason::Stopped.into())),
            None if slot.is_none() || self.roster.has_parted(link) => Some(Err(CloseReason::Reset.into())),
            None => None,
        };
        let Some(known) = known else {
            return slot.is_some_and(|(direction, phase)| direction == Direction::Outbound && phase < Phase::Open);
        };
        self.give_up(link, answer);
        // The channel holds one answer, and an earlier one is as true as this.
        let _ = answer.try_send(known);
        false
    }

    /// Begins to dial; whoever listens to `answer` hears of the end.
    ///
    /// # Errors
    /// `Dial` when it is refused at once, `Stopped`, `Failed`.
    pub fn dial(
        &self,
        to: SocketAddr,
        expect: Option<PeerId>,
        tag: Option<u64>,
        answer: Option<&Sender<Answer>>,
    ) -> Result<LinkId, Error> {
        let link = self.claim(to, expect, tag).map_err(|error| match error {
            DialError::Stopping => self.status.gone(),
            error => Error::Dial(error),
        })?;
        if let Some(answer) = answer {
            // Registered before the order goes out, so that the outcome cannot be missed; and the state is looked at after that, so
            // that a stop either finds the waiter or is found here.
            self.waiters.lock().entry(link).or_default().push(answer.clone());
            if self.status.state() != NodeState::Running {
                self.give_up(link, answer);
                return Err(self.status.gone());
            }
        }
        self.order(Command::Dial { link, to, expect, tag });
        Ok(link)
    }

    /// Claims a place for a dial. A link in its way that has parted gives way: welcome only has not heard of it yet.
    fn claim(&self, to: SocketAddr, expect: Option<PeerId>, tag: Option<u64>) -> Result<LinkId, DialError> {
        let (now, why) = (self.clock.now(), Purpose::Asked { tag });
        let mut claimed = self.change_pool(|pool| pool.claim_dial(now, to, expect, why));
        for _ in 1..CLAIMS_MAX {
            let Err(DialError::Exists(_, link)) = claimed else { break };
            let has_parted = self.roster.has_parted(link);
            let again = self.change_pool(|pool| {
                if has_parted {
                    pool.doom(now, link, CloseReason::Requested);
                } else if pool.slots().get(link).is_some() {
                    return None;
                }
                Some(pool.claim_dial(now, to, expect, why))
            });
            let Some(again) = again else { break };
            claimed = again;
        }
        claimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::base::verdict::Verdict;
    use crate::bus::event::Event;
    use crate::bus::link::Link;
    use crate::bus::outbox::{Notice, Outbox};
    use crate::bus::report::Report;
    use crate::node::node::Node;
    use crate::node::testbed::{PATIENCE, started};
    use crate::wire::hello::Hello;
    use crate::workers::machine::Machine;
    use crate::workers::welcome::Welcome;
    use std::sync::Arc;

    /// A node, and a peer of it whose links are moved by hand: the node's reactor knows nothing of them.
    struct Bench {
        node: Node,
        peer: Node,
        welcome: Welcome,
        to: SocketAddr,
    }

    impl Bench {
        fn new() -> Bench {
            let (node, peer) = (started(), started());
            let to = peer.listen_addresses()[0];
            Bench { node, peer, welcome: Welcome::new(Rng::from_seed(1)), to }
        }

        fn shared(&self) -> Arc<Shared> {
            Arc::clone(&self.node.running().expect("started").shared)
        }

        /// A link that the pool has admitted and that is about to open.
        fn admitted(&self, direction: Direction) -> LinkId {
            let (shared, peer) = (self.shared(), self.peer.id());
            let now = shared.clock.now();
            shared.change_pool(|pool| {
                let link = match direction {
                    Direction::Inbound => {
                        let link = LinkId::from_u64(1 << 40);
                        pool.claim_arrival(now, link, SocketAddr::from(([127, 0, 0, 1], 50_000))).expect("may come");
                        link
                    }
                    Direction::Outbound => {
                        let link = pool.claim_dial(now, self.to, None, Purpose::Asked { tag: Some(1) }).expect("may dial");
                        assert_eq!(pool.recognise(now, link, peer), Verdict::Proceed);
                        link
                    }
                };
                let introduction = pool.introduce(now, link, peer, &Arc::new(Hello::default()), &mut Rng::from_seed(2));
                assert_eq!(introduction.verdict, Verdict::Admit);
                link
            })
        }

        /// What the reactor does when a link opens, but for the report.
        fn open(&self, link: LinkId) {
            let mailbox = Link::new(link, self.peer.id(), Direction::Inbound, self.to, Arc::new(Hello::default()), &[]);
            self.shared().roster.insert(Arc::new(mailbox));
        }

        fn report(&mut self, report: Report) {
            let (shared, mut out) = (self.shared(), Outbox::default());
            let now = shared.clock.now();
            shared.change_pool(|pool| self.welcome.handle(now, report.into(), pool, &mut out));
            out.outcomes.iter().for_each(|outcome| shared.answer(outcome));
            out.notices.into_iter().for_each(|notice| shared.routes.notify(notice));
        }

        fn report_closed(&mut self, link: LinkId) {
            self.report(Report::Closed { link, reason: CloseReason::Requested, told: None, alternatives: Vec::new() });
        }

        /// Calls `connect`, does `meanwhile` once it waits for `link`, and gives what the call came to.
        fn connect(&mut self, link: LinkId, meanwhile: impl FnOnce(&mut Bench)) -> Result<LinkId, Error> {
            let (shared, to, peer) = (self.shared(), self.to, self.peer.id());
            std::thread::scope(|scope| {
                let call = scope.spawn(|| shared.connect(to, Some(peer), shared.clock.now() + PATIENCE));
                while !shared.waiters.lock().contains_key(&link) {
                    assert!(!call.is_finished(), "it joins the link that is about to open");
                    std::thread::yield_now();
                }
                meanwhile(self);
                call.join().expect("no panic")
            })
        }
    }

    #[test]
    fn who_joins_an_inbound_link_hears_when_it_opens() {
        let mut bench = Bench::new();
        let link = bench.admitted(Direction::Inbound);
        let joined = bench.connect(link, |bench| {
            bench.open(link);
            bench.report(Report::Opened { link });
        });
        assert_eq!(joined.expect("it is open"), link);
    }

    #[test]
    fn who_joined_an_inbound_link_that_ends_dials() {
        let mut bench = Bench::new();
        let link = bench.admitted(Direction::Inbound);
        let own = bench.connect(link, |bench| bench.report_closed(link)).expect("the peer listens");
        assert_ne!(own, link);
        assert_eq!(bench.shared().roster.find(own).expect("open").peer, bench.peer.id());
    }

    #[test]
    fn who_joined_a_link_that_opens_and_parts_at_once_dials() {
        let mut bench = Bench::new();
        let link = bench.admitted(Direction::Outbound);
        let own = bench.connect(link, |bench| {
            bench.open(link);
            bench.shared().roster.remove(link);
            bench.report(Report::Opened { link });
            bench.report_closed(link);
        });
        assert_ne!(own.expect("the peer listens"), link);
    }

    #[test]
    fn a_joined_dial_that_fails_fails_for_all() {
        let mut bench = Bench::new();
        let link = bench.admitted(Direction::Outbound);
        let joined = bench.connect(link, |bench| bench.report_closed(link));
        assert!(matches!(joined, Err(Error::Link(CloseReason::Requested))), "{joined:?}");
    }

    #[test]
    fn what_has_ended_before_it_is_joined_is_answered_at_once() {
        let bench = Bench::new();
        let (shared, gone) = (bench.shared(), LinkId::from_u64(1 << 40));
        let (answer, wait) = bounded(1);
        assert!(!shared.join(gone, &answer), "it was no dial whose failure counts");
        assert!(matches!(wait.try_recv(), Ok(Err(_))));
        assert!(shared.waiters.lock().is_empty());
    }

    #[test]
    fn a_link_that_has_parted_is_in_nobodys_way_whatever_welcome_has_heard() {
        for direction in [Direction::Inbound, Direction::Outbound] {
            for has_heard_opened in [false, true] {
                let mut bench = Bench::new();
                let (shared, peer) = (bench.shared(), bench.peer.id());
                let link = bench.admitted(direction);
                bench.open(link);
                if has_heard_opened {
                    bench.report(Report::Opened { link });
                }
                let begun = shared.dial(bench.to, Some(peer), Some(2), None);
                assert!(matches!(begun, Err(Error::Dial(DialError::Exists(_, exists))) if exists == link), "{begun:?}");
                shared.roster.remove(link);
                let begun = shared.dial(bench.to, Some(peer), Some(2), None).expect("nothing is in the way");
                // What welcome hears late changes nothing for the new one.
                bench.report(Report::Opened { link });
                bench.report_closed(link);
                let up = loop {
                    match bench.node.recv_timeout(PATIENCE).expect("a link") {
                        Event::Up(up) => break up,
                        Event::Notice(Notice::DialFailed { tag, .. }) => panic!("{tag} has had its Up, or will"),
                        _ => {}
                    }
                };
                assert_eq!((up.link, up.tag), (begun, Some(2)));
            }
        }
    }
}
