//! Welcome: it alone moves existing links through their lives, from the reactor's reports in their order. It decides who may come in
//! and who stays, by the pool's rules, and tells the others what changed. It never dials.

use super::farewell;
use super::machine::Machine;
use crate::base::address::Address;
use crate::base::link_id::LinkId;
use crate::base::peer::PeerId;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::throttle::Throttle;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::bus::command::Command;
use crate::bus::outbox::{Notice, Outbox, Outcome};
use crate::bus::report::Report;
use crate::pool::slots::Phase;
use crate::pool::table::Pool;
use crate::wire::hello::Hello;
use std::net::SocketAddr;
use std::sync::Arc;

const LOG: &str = "bowline::welcome";

/// The welcome worker's machine.
#[derive(Debug)]
pub struct Welcome {
    rng: Rng,
    deadline: Option<Time>,
    /// For lines that anybody who connects can provoke.
    refused_lines: Throttle,
    /// For lines of links that opened, and that closed.
    link_lines: Throttle,
}

impl Welcome {
    pub fn new(rng: Rng) -> Welcome {
        Welcome { rng, deadline: None, refused_lines: Throttle::default(), link_lines: Throttle::default() }
    }

    fn arrived(&mut self, now: Time, link: LinkId, from: SocketAddr, pool: &mut Pool, out: &mut Outbox) {
        match pool.claim_arrival(now, link, from) {
            Ok(evicted) => {
                if let Some(link) = evicted {
                    out.commands.push(Command::Close { link, reason: CloseReason::HalfOpenLimit });
                }
                out.commands.push(Command::Greet { link });
            }
            Err(reason) => {
                out.commands.push(Command::Close { link, reason });
                self.log_refusal(now, out, || format!("{from} not let in: {reason}"));
            }
        }
    }

    fn recognised(&mut self, now: Time, link: LinkId, peer: PeerId, pool: &mut Pool, out: &mut Outbox) {
        let verdict = pool.recognise(now, link, peer);
        if let Verdict::Refuse { motive, .. } = &verdict
            && *motive != CloseReason::Duplicate
        {
            self.log_refusal(now, out, || format!("{link} with {} refused early: {motive}", peer.short()));
        }
        // A dial that met a key has proven an address.
        out.changed |= pool.slots().get(link).is_some_and(|slot| slot.direction == Direction::Outbound);
        out.commands.push(Command::Judge { link, verdict });
    }

    fn introduced(&mut self, now: Time, one: Introduced<'_>, pool: &mut Pool, out: &mut Outbox) {
        let Introduced { link, peer, hello, metadata_score } = one;
        if let Some(judgement) = pool.note_metadata(now, link, peer, metadata_score) {
            farewell::tell_judgement(&judgement, out);
        }
        let remote = pool.slots().get(link).map(|slot| slot.remote);
        let introduction = pool.introduce(now, link, peer, hello, &mut self.rng);
        out.commands.extend(introduction.close.into_iter().map(|(link, reason)| Command::Close { link, reason }));
        if let (Verdict::Refuse { motive, .. }, Some(remote)) = (&introduction.verdict, remote) {
            out.notices.push(Notice::Refused { remote, peer: Some(peer), reason: *motive });
            self.log_refusal(now, out, || format!("{link} with {} at {remote} refused: {motive}", peer.short()));
        }
        out.commands.push(Command::Judge { link, verdict: introduction.verdict });
    }

    fn opened(&mut self, now: Time, link: LinkId, pool: &mut Pool, out: &mut Outbox) {
        let Some(slot) = pool.open(now, link) else { return };
        let Some(peer) = slot.peer else { return };
        // Whoever wants a link with this peer may wait for this one, also if the peer dialed.
        out.outcomes.push(Outcome { link, result: Ok(peer) });
        let way = if slot.direction == Direction::Inbound { "from" } else { "to" };
        let line = self.link_lines.line(now, || format!("{link} open {way} {} with {peer}", slot.remote));
        out.log.extend(line.map(|line| (log::Level::Info, LOG, line)));
        out.changed = true;
        out.nudge_exchange = true;
        // It may have crossed a bound, and it may have claimed an address that wants proof.
        out.nudge_maintenance = true;
    }

    fn closed(&mut self, now: Time, end: End<'_>, pool: &mut Pool, out: &mut Outbox) {
        let End { link, reason, told, alternatives } = end;
        let Some(closed) = pool.close(now, link, reason, told, alternatives, &mut self.rng) else { return };
        let slot = &closed.slot;
        let told_text = told.map(|told| format!(", told: {told}")).unwrap_or_default();
        let (level, what) = if slot.phase == Phase::Open {
            (log::Level::Info, "closed")
        } else if slot.direction == Direction::Outbound {
            (log::Level::Debug, "not opened")
        } else {
            (log::Level::Trace, "not opened")
        };
        if level < log::Level::Trace {
            let line = self.link_lines.line(now, || format!("{link} with {} {what}: {reason}{told_text}", slot.remote));
            out.log.extend(line.map(|line| (level, LOG, line)));
        }
        farewell::tell(&closed, reason, told, out);
    }

    fn log_refusal(&mut self, now: Time, out: &mut Outbox, text: impl FnOnce() -> String) {
        out.log.extend(self.refused_lines.line(now, text).map(|line| (log::Level::Debug, LOG, line)));
    }
}

/// What welcome is told.
#[derive(Debug)]
pub struct Input {
    pub report: Report,
    /// What the application's function says of the metadata of who is introduced, found out before the pool's lock was taken; else 0.
    pub metadata_score: i32,
}

impl From<Report> for Input {
    fn from(report: Report) -> Input {
        Input { report, metadata_score: 0 }
    }
}

/// A `Report::Introduced`, unpacked.
struct Introduced<'a> {
    link: LinkId,
    peer: PeerId,
    hello: &'a Arc<Hello>,
    metadata_score: i32,
}

/// A `Report::Closed`, unpacked.
struct End<'a> {
    link: LinkId,
    reason: CloseReason,
    told: Option<CloseReason>,
    alternatives: &'a [Address],
}

impl Machine for Welcome {
    type Input = Input;

    fn handle(&mut self, now: Time, input: Input, pool: &mut Pool, out: &mut Outbox) {
        let Input { report, metadata_score } = input;
        match report {
            Report::Arrived { link, from } => self.arrived(now, link, from, pool, out),
            Report::Recognised { link, peer, .. } => self.recognised(now, link, peer, pool, out),
            Report::Introduced { link, peer, hello, .. } => {
                self.introduced(now, Introduced { link, peer, hello: &hello, metadata_score }, pool, out);
            }
            Report::Opened { link } => self.opened(now, link, pool, out),
            Report::Closed { link, reason, told, alternatives } => {
                pool.count_end(reason);
                self.closed(now, End { link, reason, told, alternatives: &alternatives }, pool, out);
            }
        }
        self.deadline = pool.slots().next_deadline();
    }

    fn wake(&mut self, now: Time, pool: &mut Pool, out: &mut Outbox) {
        farewell::sweep(now, &mut self.rng, pool, out);
        self.deadline = pool.slots().next_deadline();
    }

    fn deadline(&self) -> Option<Time> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::super::testbed::{at, hello_of, ms, peer, policy};
    use super::*;
    use crate::base::link_id::LinkIds;
    use crate::base::subject::Subject;
    use crate::bus::outbox::Ending;
    use crate::pool::slots::Purpose;
    use std::time::Duration;

    struct Bench {
        pool: Pool,
        ids: LinkIds,
        welcome: Welcome,
    }

    impl Bench {
        fn new() -> Bench {
            let ids = LinkIds::default();
            let pool = Pool::new(peer(0), policy(), ids.clone());
            Bench { pool, ids, welcome: Welcome::new(Rng::from_seed(1)) }
        }

        fn step(&mut self, now: Time, report: impl Into<Input>) -> Outbox {
            let mut out = Outbox::default();
            self.welcome.handle(now, report.into(), &mut self.pool, &mut out);
            out
        }

        fn arrive(&mut self, number: usize) -> (LinkId, Outbox) {
            let link = self.ids.next();
            let out = self.step(ms(0), Report::Arrived { link, from: SocketAddr::new(at(number).ip(), 50_000) });
            (link, out)
        }

        fn introduce(&mut self, link: LinkId, number: usize, direction: Direction) -> Outbox {
            let (peer, remote, hello) = (peer(number), at(number), hello_of(number));
            self.step(ms(0), Report::Introduced { link, peer, direction, remote, hello, observed: None })
        }

        fn asked(&mut self, number: usize) -> LinkId {
            self.pool.claim_dial(ms(0), at(number), None, Purpose::Asked { tag: Some(7) }).expect("may dial")
        }
    }

    fn closed(link: LinkId, reason: CloseReason) -> Report {
        Report::Closed { link, reason, told: None, alternatives: Vec::new() }
    }

    /// The orders, as short texts.
    fn orders(out: &Outbox) -> Vec<String> {
        let text = |command: &Command| match command {
            Command::Greet { link } => format!("greet {}", link.as_u64()),
            Command::Close { link, reason } => format!("close {} {}", link.as_u64(), reason.name()),
            Command::Judge { link, verdict: Verdict::Refuse { motive, .. } } => {
                format!("refuse {} {}", link.as_u64(), motive.name())
            }
            Command::Judge { link, verdict } => format!("{verdict:?} {}", link.as_u64()).to_lowercase(),
            other => format!("{other:?}"),
        };
        out.commands.iter().map(text).collect()
    }

    #[test]
    fn an_arrival_is_greeted_admitted_and_told() {
        let mut bench = Bench::new();
        let (link, out) = bench.arrive(1);
        assert_eq!(orders(&out), ["greet 1"]);
        assert_eq!(bench.welcome.deadline(), Some(ms(7_000)), "its place has a deadline");
        let out = bench.step(ms(0), Report::Recognised { link, peer: peer(1), is_claim: true });
        assert_eq!(orders(&out), ["proceed 1"]);
        assert_eq!(orders(&bench.introduce(link, 1, Direction::Inbound)), ["admit 1"]);
        let out = bench.step(ms(5), Report::Opened { link });
        assert!(out.changed && out.nudge_exchange && out.nudge_maintenance);
        assert_eq!(out.outcomes, [Outcome { link, result: Ok(peer(1)) }], "who wants this peer may wait for it");
        assert_eq!(bench.welcome.deadline(), None);
        let info = &bench.pool.peers(ms(5))[0];
        assert_eq!((info.id, info.since, info.listen.as_ref().and_then(Address::socket)), (peer(1), ms(5), Some(at(1))));
        let out = bench.step(ms(9), closed(link, CloseReason::Reset));
        assert!(out.changed && out.nudge_maintenance && bench.pool.slots().is_empty());
        assert!(bench.step(ms(9), closed(link, CloseReason::Reset)).is_empty(), "it is gone already");
    }

    #[test]
    fn an_arrival_from_a_banned_or_greylisted_address_is_closed_without_a_place() {
        let mut bench = Bench::new();
        bench.pool.ban(ms(0), Subject::host(at(1).ip()), None, "").expect("there is room");
        let (_, out) = bench.arrive(1);
        assert_eq!(orders(&out), ["close 1 Banned"]);
        let (link, _) = bench.arrive(2);
        let out = bench.step(ms(0), closed(link, CloseReason::Garbage));
        assert!(matches!(out.notices[..], [Notice::Greylisted { peer: None, reason: CloseReason::Garbage, .. }]));
        let (_, out) = bench.arrive(2);
        assert_eq!(orders(&out), ["close 3 Greylisted"]);
        assert!(bench.pool.slots().is_empty());
    }

    #[test]
    fn metadata_that_is_worth_too_little_is_told_and_refused() {
        let mut bench = Bench::new();
        let introduce = |bench: &mut Bench, number: usize, metadata_score: i32| {
            let (link, _) = bench.arrive(number);
            let (peer, remote, hello) = (peer(number), at(number), hello_of(number));
            let report = Report::Introduced { link, peer, direction: Direction::Inbound, remote, hello, observed: None };
            bench.step(ms(0), Input { report, metadata_score })
        };
        assert_eq!(orders(&introduce(&mut bench, 1, 900)), ["admit 1"]);
        assert_eq!(bench.pool.scores().value(ms(0), &peer(1)), 900);
        let out = introduce(&mut bench, 2, -150);
        assert_eq!(orders(&out), ["admit 2"]);
        assert_eq!(out.notices, [Notice::Warned { peer: peer(2), score: -150, why: "its metadata".to_owned() }]);
        let out = introduce(&mut bench, 3, -500);
        assert_eq!(orders(&out), ["refuse 3 Greylisted"]);
        let told = |notice: &Notice| matches!(notice, Notice::Greylisted { peer: Some(who), remote: Some(_), reason: CloseReason::ScoreTooLow } if *who == peer(3));
        assert!(told(&out.notices[0]), "{:?}", out.notices);
    }

    #[test]
    fn faults_that_add_up_to_a_ban_are_told_once() {
        let mut bench = Bench::new();
        let mut told = Vec::new();
        for _ in 0..3 {
            bench.pool.lists_mut().flush_greylist();
            let (link, _) = bench.arrive(1);
            assert_eq!(bench.introduce(link, 1, Direction::Inbound).commands.len(), 1);
            bench.step(ms(0), Report::Opened { link });
            let out = bench.step(ms(0), closed(link, CloseReason::BadRecord));
            assert!(matches!(out.notices[0], Notice::Greylisted { reason: CloseReason::BadRecord, .. }));
            told.extend(out.notices.into_iter().skip(1));
        }
        let why = CloseReason::BadRecord.text().to_owned();
        assert_eq!(told, [Notice::Banned { peer: peer(1), score: -1_000, why }]);
    }

    #[test]
    fn a_second_link_of_a_peer_replaces_the_first_before_it_is_admitted() {
        let mut bench = Bench::new();
        for expected in [vec!["admit 1"], vec!["close 1 Duplicate", "admit 2"]] {
            let (link, _) = bench.arrive(1);
            assert_eq!(orders(&bench.introduce(link, 1, Direction::Inbound)), expected);
            bench.step(ms(0), Report::Opened { link });
        }
        bench.step(ms(0), closed(LinkId::from_u64(1), CloseReason::Duplicate));
        assert_eq!(bench.pool.counts().links(), 1);
    }

    #[test]
    fn a_dial_that_was_asked_for_tells_its_end_with_what_the_peer_said() {
        let mut bench = Bench::new();
        let link = bench.asked(1);
        let out = bench.step(ms(0), closed(link, CloseReason::ConnectionRefused));
        assert_eq!(out.outcomes, [Outcome { link, result: Err(CloseReason::ConnectionRefused.into()) }]);
        let link = bench.asked(2);
        bench.step(ms(0), Report::Recognised { link, peer: peer(2), is_claim: false });
        let alternatives = vec![Address::of(at(8), None), Address::of(at(9), None), Address::of(at(9), None)];
        let (reason, told) = (CloseReason::Nacked, Some(CloseReason::TooManyLinks));
        let out = bench.step(ms(0), Report::Closed { link, reason, told, alternatives });
        assert_eq!(
            out.outcomes,
            [Outcome { link, result: Err(Ending { reason: CloseReason::TooManyLinks, peer: Some(peer(2)) }) }]
        );
        let told = Notice::DialFailed { tag: 7, to: at(2), reason: CloseReason::TooManyLinks };
        assert_eq!(out.notices, [told]);
        assert!(out.nudge_maintenance && bench.pool.points().get(at(9)).is_some(), "alternatives are learned");
        let link = bench.asked(3);
        bench.step(ms(0), Report::Recognised { link, peer: peer(3), is_claim: false });
        bench.introduce(link, 3, Direction::Outbound);
        let out = bench.step(ms(0), Report::Opened { link });
        assert_eq!(out.outcomes, [Outcome { link, result: Ok(peer(3)) }]);
        let out = bench.step(ms(0), closed(link, CloseReason::Reset));
        assert_eq!(
            out.outcomes,
            [Outcome { link, result: Err(Ending { reason: CloseReason::Reset, peer: Some(peer(3)) }) }],
            "who joined it late hears of its end"
        );
        assert!(out.notices.is_empty(), "its story goes to the link's readers now");
    }

    #[test]
    fn an_unauthenticated_nack_teaches_nothing() {
        let mut bench = Bench::new();
        let link = bench.asked(1);
        let alternatives = vec![Address::of(at(9), None)];
        bench.step(ms(0), Report::Closed { link, reason: CloseReason::Rejected, told: None, alternatives });
        assert!(bench.pool.points().get(at(9)).is_none());
    }

    #[test]
    fn a_place_whose_reports_were_lost_is_closed_at_its_deadline() {
        let mut bench = Bench::new();
        let (link, _) = bench.arrive(1);
        let dialed = bench.asked(2);
        let mut out = Outbox::default();
        bench.welcome.wake(ms(7_000), &mut bench.pool, &mut out);
        assert_eq!(orders(&out), [format!("close {} HandshakeTimeout", link.as_u64())]);
        let deadline = bench.welcome.deadline().expect("the dial has one");
        let mut out = Outbox::default();
        bench.welcome.wake(deadline, &mut bench.pool, &mut out);
        assert_eq!(orders(&out), [format!("close {} ConnectTimeout", dialed.as_u64())]);
        assert_eq!(out.outcomes.len(), 1);
        assert!(bench.pool.slots().is_empty() && bench.welcome.deadline().is_none());
        let late = bench.introduce(link, 1, Direction::Inbound);
        assert_eq!(orders(&late), [format!("refuse {} HandshakeTimeout", link.as_u64())]);
    }

    #[test]
    fn peers_that_come_and_go_do_not_flood_the_log() {
        let mut bench = Bench::new();
        let mut lines = 0;
        for round in 0..1_000 {
            let (now, link, number) = (ms(round * 3_000), bench.ids.next(), 1 + round as usize % 10);
            let (peer, remote, hello) = (peer(number), at(number), hello_of(number));
            bench.step(now, Report::Arrived { link, from: remote });
            let direction = Direction::Inbound;
            bench.step(now, Report::Introduced { link, peer, direction, remote, hello, observed: None });
            lines += bench.step(now, Report::Opened { link }).log.len();
            lines += bench.step(now, closed(link, CloseReason::Reset)).log.len();
        }
        assert_eq!(lines, 1_000);
    }

    #[test]
    fn reports_of_unknown_links_harm_nobody() {
        let mut bench = Bench::new();
        let link = LinkId::from_u64(99);
        let out = bench.step(ms(0), Report::Recognised { link, peer: peer(1), is_claim: false });
        assert_eq!(orders(&out), ["refuse 99 HandshakeTimeout"]);
        assert!(bench.step(ms(0), Report::Opened { link }).is_empty());
        assert!(bench.step(ms(0), closed(link, CloseReason::Garbage)).is_empty());
        assert!(bench.pool.slots().is_empty() && bench.pool.lists().greylisted_count() == 0);
    }

    #[test]
    fn who_comes_while_the_node_stops_is_refused() {
        let mut bench = Bench::new();
        let (link, _) = bench.arrive(1);
        bench.pool.stop();
        assert_eq!(orders(&bench.introduce(link, 1, Direction::Inbound)), ["refuse 1 Stopped"]);
        let (_, out) = bench.arrive(2);
        assert_eq!(orders(&out), ["close 2 Stopped"]);
    }

    #[test]
    fn a_flood_of_refusals_does_not_flood_the_log() {
        let mut bench = Bench::new();
        bench.pool.ban(ms(0), Subject::host(at(1).ip()), None, "").expect("there is room");
        let lines: usize = (0..5_000).map(|_| bench.arrive(1).1.log.len()).sum();
        assert_eq!(lines, 1_000);
        assert!(bench.welcome.refused_lines.allow(ms(0) + Duration::from_secs(3_600)).is_some());
    }
}
