//! Seed mode: crawls the book, answers each inbound peer once, lets go. It keeps no links but persistent ones. `Crawl` is maintenance's part,
//! which dials; `Serving` is exchange's, which answers and lets go. Other nodes never come here.

use super::maintenance::{CANDIDATES_PER_DIAL, Findings, dial};
use crate::base::link_id::LinkId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::base::verdict::Direction;
use crate::bus::command::Command;
use crate::bus::outbox::Outbox;
use crate::pool::slots::{Purpose, Slot};
use crate::pool::table::Pool;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two crawls of one address (CometBFT minTimeBetweenCrawls).
const BETWEEN_CRAWLS: Duration = Duration::from_secs(120);
/// Longest life of a link on which nobody asks (CometBFT SeedDisconnectWaitPeriod).
const LONGEST_LINK: Duration = Duration::from_secs(28 * 3_600);
/// A goodbye overtakes what still waits to be sent, so an answer gets so long to leave (CometBFT flushes before it stops).
const FAREWELL: Duration = Duration::from_secs(3);

/// The rounds of the crawl.
#[derive(Debug, Default)]
pub(super) struct Crawl {
    next: Time,
}

impl Crawl {
    /// Dials known addresses, as many as there are places for, until all were crawled; then it rests for `discovery.crawl_period`. Without any
    /// address, the seeds.
    pub fn round(&mut self, now: Time, rng: &mut Rng, pool: &mut Pool, out: &mut Outbox, found: &mut Findings) {
        if now < self.next {
            return found.wait_for(Some(self.next));
        }
        let places = places(pool);
        if places == 0 {
            // The end of a dial or link calls for the next round.
            return;
        }
        let was_crawled = |at| {
            let last = pool.points().get(at).and_then(|point| point.last_dialed);
            last.is_some_and(|last| now.since(last) < BETWEEN_CRAWLS)
        };
        let due = pool.whom_to_dial(now, places * CANDIDATES_PER_DIAL, rng).now.into_iter();
        let due: Vec<_> = due.filter(|at| !was_crawled(*at)).take(places).collect();
        if !due.is_empty() {
            // It stops where no further one can begin now; the next round goes on.
            due.into_iter().all(|at| dial(now, at, None, Purpose::Crawl, pool, out, found));
            return;
        }
        self.next = now + pool.policy().crawl_period;
        found.wait_for(Some(self.next));
        if pool.counts().links_and_dialing() > 0 {
            return;
        }
        for (at, expect) in pool.whom_of_own_to_dial(now, false, rng).0.into_iter().take(places) {
            if !dial(now, at, expect, Purpose::Seed, pool, out, found) {
                return;
            }
        }
    }
}

/// Dials that may begin now.
fn places(pool: &Pool) -> usize {
    let (bounds, counts) = (pool.policy().bounds, pool.counts());
    let links = (bounds.max_target as usize).saturating_sub(counts.links_and_dialing());
    let outbound = (bounds.outbound_max as usize).saturating_sub(counts.outbound_and_dialing());
    links.min(outbound).min(pool.policy().hearsay_dials_max().saturating_sub(counts.dialing))
}

/// Who was answered, and when each is let go.
#[derive(Debug, Default)]
pub(super) struct Serving {
    answered: BTreeSet<LinkId>,
    leaving: BTreeMap<LinkId, Time>,
}

impl Serving {
    /// An inbound peer asks for addresses: true if it is to be answered. It is once.
    pub fn admit(&mut self, link: LinkId, pool: &Pool) -> bool {
        let is_guest = pool.slots().get(link).is_some_and(|slot| slot.direction == Direction::Inbound);
        !(pool.policy().is_seed_mode && is_guest) || self.answered.insert(link)
    }

    /// The purpose of a link that the peer made is fulfilled when we have answered, that of our own when the peer has.
    pub fn note(&mut self, now: Time, link: LinkId, fulfils: Direction, pool: &Pool) {
        let is_over = pool.slots().get(link).is_some_and(|slot| slot.direction == fulfils);
        if pool.policy().is_seed_mode && is_over {
            self.leaving.entry(link).or_insert(now + FAREWELL);
        }
    }

    /// Lets go whose time has come. Gives when to come back.
    pub fn round(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) -> Time {
        let is_open = |link: &LinkId| pool.slots().get(*link).is_some_and(Slot::is_open);
        self.answered.retain(is_open);
        self.leaving.retain(|link, _| is_open(link));
        if !pool.policy().is_seed_mode {
            return Time::MAX;
        }
        let leaves_at = |slot: &Slot| {
            let asked = self.leaving.get(&slot.link).copied().unwrap_or(Time::MAX);
            let is_ours = matches!(slot.purpose, Some(Purpose::Crawl | Purpose::Seed));
            // Who was dialed to be asked, and does not answer, is of no use.
            let longest = if is_ours { pool.policy().pex_request_timeout } else { LONGEST_LINK };
            asked.min(slot.since + longest)
        };
        let guests = pool.slots().iter().filter(|slot| slot.is_open() && !pool.is_persistent(slot));
        let (due, staying): (Vec<_>, Vec<_>) =
            guests.map(|slot| (leaves_at(slot), slot.link)).partition(|(leaves_at, _)| *leaves_at <= now);
        let next = staying.into_iter().map(|(leaves_at, _)| leaves_at).min().unwrap_or(Time::MAX);
        for (_, link) in due {
            pool.doom(now, link, CloseReason::Served);
            out.commands.push(Command::Close { link, reason: CloseReason::Served });
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Exchange;
    use super::super::machine::Machine;
    use super::super::maintenance::Maintenance;
    use super::super::testbed::{at, hello_of, ms, peer, policy};
    use super::super::word::Said;
    use super::*;
    use crate::base::address::Address;
    use crate::base::channel::{ChannelId, Kind};
    use crate::base::link_id::LinkIds;
    use crate::bus::report::Control;
    use crate::pool::policy::Policy;
    use crate::wire::pex::PexMessage;
    use std::net::SocketAddr;

    struct Bench {
        pool: Pool,
        ids: LinkIds,
        rng: Rng,
        exchange: Exchange,
        maintenance: Maintenance,
    }

    impl Bench {
        fn new(seeds: &[Address]) -> Bench {
            let ids = LinkIds::default();
            let pool = Pool::new(peer(0), Policy { is_seed_mode: true, ..policy() }, ids.clone());
            let maintenance = Maintenance::new(Rng::from_seed(4), &[], seeds);
            Bench { pool, ids, rng: Rng::from_seed(2), exchange: Exchange::new(Rng::from_seed(3)), maintenance }
        }

        fn inbound(&mut self, now: Time, number: usize) -> LinkId {
            let link = self.ids.next();
            self.pool.claim_arrival(now, link, at(number)).expect("may come");
            self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
            self.pool.open(now, link);
            link
        }

        /// Somebody answers a dial.
        fn answered(&mut self, now: Time, link: LinkId, number: usize) {
            self.pool.recognise(now, link, peer(number));
            self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
            self.pool.open(now, link);
        }

        fn hear(&mut self, now: Time, link: LinkId, number: usize, message: &PexMessage) -> Outbox {
            let (channel, kind, body) = (ChannelId::PEX, Kind::Message, message.encode().into());
            let said = Said::decode(Control { link, peer: peer(number), channel, kind, request: 0, body });
            let mut out = Outbox::default();
            self.exchange.handle(now, said.into(), &mut self.pool, &mut out);
            out
        }

        fn exchange(&mut self, now: Time) -> Outbox {
            let mut out = Outbox::default();
            self.exchange.wake(now, &mut self.pool, &mut out);
            out
        }

        /// Dials that maintenance orders.
        fn dials(&mut self, now: Time) -> Vec<(LinkId, SocketAddr)> {
            let mut out = Outbox::default();
            self.maintenance.wake(now, &mut self.pool, &mut out);
            let dial = |command: &Command| if let Command::Dial { link, to, .. } = command { Some((*link, *to)) } else { None };
            out.commands.iter().filter_map(dial).collect()
        }
    }

    #[test]
    fn a_crawl_goes_on_as_fast_as_the_pace_allows_and_rests_when_all_were_crawled() {
        let mut bench = Bench::new(&[]);
        for number in 1..101 {
            bench.pool.learn_all(ms(0), [(&Address::of(at(number), None), &[][..])].into_iter(), at(200), None);
        }
        let mut dialed = BTreeMap::new();
        for step in 0..300 {
            let now = ms(step * 100);
            for (link, to) in bench.dials(now) {
                assert_eq!(dialed.insert(to, now), None, "{to} was crawled twice");
                bench.pool.close(now, link, CloseReason::ConnectionRefused, None, &[], &mut bench.rng);
            }
        }
        let last = dialed.values().max().copied();
        assert!(dialed.len() == 100 && last < Some(ms(12_000)), "{} addresses, the last at {last:?}: 10 a second", dialed.len());
    }

    fn answers(out: &Outbox) -> usize {
        let is_answer = |command: &&Command| match command {
            Command::Say { channel: ChannelId::PEX, body, .. } => {
                matches!(PexMessage::decode(body).expect("ours").message, PexMessage::ResponseV2(_))
            }
            _ => false,
        };
        out.commands.iter().filter(is_answer).count()
    }

    fn served(out: &Outbox) -> Vec<LinkId> {
        let of = |command: &Command| match command {
            Command::Close { link, reason: CloseReason::Served } => Some(*link),
            Command::Close { reason, .. } => panic!("{reason}"),
            _ => None,
        };
        out.commands.iter().filter_map(of).collect()
    }

    #[test]
    fn a_seed_answers_once_and_lets_go_when_the_answer_has_left() {
        let mut bench = Bench::new(&[]);
        let link = bench.inbound(ms(0), 1);
        let out = bench.hear(ms(10), link, 1, &PexMessage::RequestV2);
        assert_eq!((answers(&out), served(&out)), (1, vec![]));
        assert!(bench.exchange.deadline().is_some_and(|at| at <= ms(3_010)));
        assert!(served(&bench.exchange(ms(3_009))).is_empty());
        assert_eq!(served(&bench.exchange(ms(3_010))), [link]);
        assert!(served(&bench.exchange(ms(3_011))).is_empty(), "once");
    }

    #[test]
    fn a_second_request_to_a_seed_is_ignored() {
        let mut bench = Bench::new(&[]);
        let link = bench.inbound(ms(0), 1);
        bench.hear(ms(0), link, 1, &PexMessage::RequestV2);
        let out = bench.hear(ms(200), link, 1, &PexMessage::RequestV2);
        assert_eq!((answers(&out), served(&out)), (0, vec![]));
        assert_eq!(served(&bench.exchange(ms(3_000))), [link], "it does not put the end off");
    }

    #[test]
    fn who_asks_a_seed_nothing_is_let_go_after_28_hours() {
        let mut bench = Bench::new(&[]);
        let link = bench.inbound(ms(5), 1);
        let end = 28 * 3_600_000 + 5;
        assert!(served(&bench.exchange(ms(end - 1))).is_empty());
        assert_eq!(served(&bench.exchange(ms(end))), [link]);
    }

    #[test]
    fn a_seed_keeps_its_persistent_peers() {
        let mut bench = Bench::new(&[]);
        bench.pool.fix(ms(0), at(1), Some(peer(1)), true);
        let link = bench.inbound(ms(0), 1);
        assert_eq!(answers(&bench.hear(ms(10), link, 1, &PexMessage::RequestV2)), 1);
        for now in [5_000, 200_000_000] {
            assert!(served(&bench.exchange(ms(now))).is_empty());
        }
    }

    #[test]
    fn a_seed_crawls_its_book_and_lets_go_of_who_has_answered_and_who_does_not() {
        let mut bench = Bench::new(&[Address::of(at(9), None)]);
        let first = bench.dials(ms(0));
        assert_eq!(first.len(), 1, "it knows nobody but its seed: {first:?}");
        bench.answered(ms(1), first[0].0, 9);
        bench.exchange(ms(1));
        let told: Vec<_> = (20..23)
            .map(|number| crate::wire::pex::PexAddress { address: Address::of(at(number), None), capabilities: Vec::new() })
            .collect();
        bench.hear(ms(2), first[0].0, 9, &PexMessage::ResponseV2(told));
        assert!(bench.dials(ms(29_999)).is_empty(), "a round each 30 s");
        let crawled = bench.dials(ms(30_000));
        assert_eq!(crawled.len(), 3, "{crawled:?}");
        for (number, (link, _)) in (20..).zip(&crawled[..2]) {
            bench.answered(ms(30_010), *link, number);
        }
        assert_eq!(served(&bench.exchange(ms(30_010))), [first[0].0], "its seed has answered long ago");
        bench.hear(ms(30_020), crawled[0].0, 20, &PexMessage::ResponseV2(vec![]));
        assert_eq!(served(&bench.exchange(ms(33_020))), [crawled[0].0]);
        assert_eq!(served(&bench.exchange(ms(60_010))), [crawled[1].0], "who is silent");
        for (link, _) in &crawled {
            bench.pool.close(ms(60_020), *link, CloseReason::Served, None, &[], &mut bench.rng);
        }
        assert!(bench.dials(ms(149_999)).is_empty(), "not again within two minutes");
        assert!(!bench.dials(ms(180_000)).is_empty());
    }
}
