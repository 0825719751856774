//! Tests of the discovery machine: who is asked when and told what, what callers order, and who counts as healthy.

use super::super::exchange::{Exchange, Input};
use super::super::machine::Machine;
use super::super::testbed::{at, hello_of, ms, peer, policy};
use super::*;
use crate::base::link_id::LinkIds;
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::bus::command::Command;
use crate::bus::report::Control;
use crate::pool::policy::Policy;
use crate::pool::slots::Purpose;
use crate::wire::hello::Hello;

struct Bench {
    pool: Pool,
    ids: LinkIds,
    rng: Rng,
    machine: Exchange,
}

impl Bench {
    fn new(policy: Policy) -> Bench {
        let ids = LinkIds::default();
        let mut pool = Pool::new(peer(0), policy, ids.clone());
        pool.set_own_addresses(vec![Address::of(at(0), Some(peer(0)))]);
        Bench { pool, ids, rng: Rng::from_seed(2), machine: Exchange::new(Rng::from_seed(3)) }
    }

    fn outbound(&mut self, now: Time, number: usize) -> LinkId {
        let link = self.pool.claim_dial(now, at(number), None, Purpose::Asked { tag: Some(0) }).expect("may dial");
        self.pool.recognise(now, link, peer(number));
        self.pool.introduce(now, link, peer(number), &hello_of(number), &mut self.rng);
        self.pool.open(now, link);
        link
    }

    /// A peer that says nothing of where it listens.
    fn inbound(&mut self, now: Time, number: usize) -> LinkId {
        self.inbound_with(now, number, Hello::default())
    }

    fn private(&mut self, now: Time, number: usize) -> LinkId {
        self.inbound_with(now, number, Hello { is_private: true, ..Hello::default() })
    }

    fn inbound_with(&mut self, now: Time, number: usize, hello: Hello) -> LinkId {
        let link = self.ids.next();
        self.pool.claim_arrival(now, link, at(number)).expect("may come");
        let hello = std::sync::Arc::new(hello);
        self.pool.introduce(now, link, peer(number), &hello, &mut self.rng);
        self.pool.open(now, link);
        link
    }

    fn wake(&mut self, now: Time) -> Vec<(LinkId, Kind, u32, Vec<u8>)> {
        let mut out = Outbox::default();
        self.machine.wake(now, &mut self.pool, &mut out);
        said(&out)
    }

    fn hear(&mut self, now: Time, link: LinkId, (kind, request): (Kind, u32), body: Vec<u8>) -> Outbox {
        let peer = self.pool.slots().get(link).and_then(|slot| slot.peer).expect("a link");
        let control = Control { link, peer, channel: ChannelId::DISCOVER, kind, request, body: body.into() };
        let mut out = Outbox::default();
        self.machine.handle(now, Said::decode(control).into(), &mut self.pool, &mut out);
        out
    }
}

fn said(out: &Outbox) -> Vec<(LinkId, Kind, u32, Vec<u8>)> {
    let of = |command: &Command| match command {
        Command::Say { link, channel: ChannelId::DISCOVER, kind, request, body } => Some((*link, *kind, *request, body.to_vec())),
        _ => None,
    };
    out.commands.iter().filter_map(of).collect()
}

fn asks(peer: Option<Address>) -> Vec<u8> {
    DiscoverRequest { peer, ..DiscoverRequest::default() }.encode()
}

fn peers_in(out: &Outbox) -> Vec<Address> {
    let answers = said(out);
    let (.., body) = answers.iter().find(|(_, kind, ..)| *kind == Kind::Response).expect("an answer");
    DiscoverResponse::decode(body).expect("ours are valid").response.peers
}

#[test]
fn every_peer_is_asked_each_period_and_told_our_address() {
    let mut bench = Bench::new(policy());
    assert!(bench.wake(ms(0)).is_empty());
    let link = bench.outbound(ms(5), 1);
    let asked = bench.wake(ms(5));
    assert_eq!(asked.len(), 1, "the cycle begins with the first link");
    let request = DiscoverRequest::decode(&asked[0].3).expect("ours are valid");
    assert_eq!((asked[0].0, asked[0].1, request.peer), (link, Kind::Request, Some(Address::of(at(0), Some(peer(0))))));
    let out = bench.hear(ms(6), link, (Kind::Response, asked[0].2), {
        DiscoverResponse::page(&[Address::of(at(8), Some(peer(8))), Address::of(at(0), Some(peer(0)))], false).encode()
    });
    assert!(out.nudge_maintenance && bench.pool.points().get(at(8)).is_some());
    assert!(bench.pool.points().get(at(0)).is_none(), "our own address is dropped");
    assert!(bench.wake(ms(60_004)).is_empty());
    assert_eq!(bench.wake(ms(60_005)).len(), 1);
}

/// What callers were told in a step.
fn told(out: &Outbox) -> Vec<(u64, Result<usize, NotDiscovered>)> {
    let of = |(ticket, answered): &(u64, Answered)| match answered {
        Answered::Discovered(result) => (*ticket, result.as_ref().map(Vec::len).map_err(|why| *why)),
        _ => panic!("{answered:?}"),
    };
    out.answers.iter().map(of).collect()
}

fn order(bench: &mut Bench, now: Time, ticket: u64, link: LinkId) -> Outbox {
    let mut out = Outbox::default();
    bench.machine.handle(now, Input::Discover { ticket, link }, &mut bench.pool, &mut out);
    out
}

#[test]
fn an_order_gets_all_pages_and_one_answer_is_collected_at_a_time() {
    let mut bench = Bench::new(policy());
    let (one, other) = (bench.outbound(ms(0), 1), bench.outbound(ms(0), 2));
    // The cycle's own questions come first, and their answers are nobody's.
    for (link, _, number, _) in bench.wake(ms(0)) {
        assert!(
            bench.hear(ms(1), link, (Kind::Response, number), DiscoverResponse::page(&[], false).encode()).answers.is_empty()
        );
    }
    let first = said(&order(&mut bench, ms(2), 7, one));
    let second = said(&order(&mut bench, ms(3), 8, other));
    assert_eq!((first[0].0, second[0].0), (one, other), "both are asked at once");
    assert!(said(&order(&mut bench, ms(3), 9, other)).is_empty(), "one question at a time on a link");
    let page = |number, has_more| DiscoverResponse::page(&[Address::of(at(number), None)], has_more).encode();
    let out = bench.hear(ms(4), one, (Kind::Response, first[0].2), page(30, true));
    let next = said(&out);
    assert!(out.answers.is_empty() && next.len() == 1, "the next page");
    let out = bench.hear(ms(4), other, (Kind::Response, second[0].2), page(40, true));
    let ninth = said(&out);
    assert_eq!((told(&out), ninth.len()), (vec![], 1), "one is collected already: the other waits, a third is asked");
    let out = bench.hear(ms(5), one, (Kind::Response, next[0].2), page(31, false));
    assert_eq!(told(&out), [(7, Ok(2))]);
    assert!(said(&out).is_empty(), "the link has a question");
    let out = bench.hear(ms(6), other, (Kind::Error, ninth[0].2), Vec::new());
    assert_eq!(told(&out), [(9, Err(NotDiscovered::Refused))]);
    let again = said(&out);
    assert_eq!(again.len(), 1, "from the first page on");
    assert_eq!(DiscoverRequest::decode(&again[0].3).expect("ours are valid").after, None);
    let out = bench.hear(ms(7), other, (Kind::Response, again[0].2), page(40, true));
    let last = said(&out);
    let out = bench.hear(ms(8), other, (Kind::Response, last[0].2), page(41, false));
    assert_eq!(told(&out), [(8, Ok(2))], "nothing is told twice");
    order(&mut bench, ms(9), 10, one);
    let mut out = Outbox::default();
    bench.machine.wake(ms(30_009), &mut bench.pool, &mut out);
    assert_eq!(told(&out), [(10, Err(NotDiscovered::TimedOut))]);
}

#[test]
fn an_order_to_a_silent_peer_keeps_no_other_caller_waiting() {
    let mut bench = Bench::new(policy());
    let links: Vec<LinkId> = (1..=3).map(|number| bench.outbound(ms(0), number)).collect();
    for (link, _, number, _) in bench.wake(ms(0)) {
        bench.hear(ms(1), link, (Kind::Response, number), DiscoverResponse::page(&[], false).encode());
    }
    order(&mut bench, ms(2), 1, links[0]);
    let asked = said(&order(&mut bench, ms(3), 2, links[1]));
    assert_eq!(asked.len(), 1);
    let out = bench.hear(ms(4), links[1], (Kind::Response, asked[0].2), DiscoverResponse::page(&[], false).encode());
    assert_eq!(told(&out), [(2, Ok(0))]);
}

#[test]
fn silent_peers_do_not_take_the_turns_of_others() {
    let mut bench = Bench::new(policy());
    // The oldest 20 never answer, the youngest 4 always do.
    let links: Vec<LinkId> = (1..=24).map(|number| bench.inbound(ms(0), number)).collect();
    let mut asked = BTreeMap::new();
    for second in 0..600 {
        let now = ms(second * 1_000);
        let mut questions: VecDeque<_> = bench.wake(now).into();
        while let Some((link, _, number, _)) = questions.pop_front() {
            let place = links.iter().position(|known| *known == link).expect("a link");
            *asked.entry(place).or_insert(0) += 1;
            if place >= 20 {
                let answer = DiscoverResponse::page(&[], false).encode();
                questions.extend(said(&bench.hear(now, link, (Kind::Response, number), answer)));
            }
        }
    }
    let least = |places: std::ops::Range<usize>| places.map(|place| asked.get(&place).copied().unwrap_or(0)).min();
    assert!(least(20..24) >= Some(9), "ten periods: {asked:?}");
    assert!(least(0..20) >= Some(5), "the silent ones have their turn too: {asked:?}");
}

#[test]
fn a_private_node_asks_nobody_and_nobody_asks_it() {
    let mut bench = Bench::new(Policy { is_private: true, is_bootstrap: false, ..policy() });
    let link = bench.outbound(ms(0), 1);
    assert!(bench.wake(ms(0)).is_empty() && bench.wake(ms(60_000)).is_empty());
    let out = order(&mut bench, ms(60_001), 1, link);
    assert_eq!((said(&out), told(&out)), (vec![], vec![(1, Err(NotDiscovered::Private))]));
    let out = bench.hear(ms(60_002), link, (Kind::Request, 9), asks(None));
    assert_eq!(said(&out), [(link, Kind::Error, 9, vec![])]);
    let mut bench = Bench::new(policy());
    let private = bench.private(ms(0), 1);
    assert!(bench.wake(ms(0)).is_empty() && bench.wake(ms(60_000)).is_empty());
    let out = order(&mut bench, ms(60_001), 1, private);
    assert_eq!((said(&out), told(&out)), (vec![], vec![(1, Err(NotDiscovered::Private))]));
}

#[test]
fn whoever_waits_for_a_link_that_is_gone_is_told() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    bench.wake(ms(0));
    assert_eq!(told(&order(&mut bench, ms(1), 1, LinkId::from_u64(99))), [(1, Err(NotDiscovered::NoLink))]);
    assert!(told(&order(&mut bench, ms(1), 2, link)).is_empty(), "it waits for the cycle's question");
    for ticket in 3..=66 {
        let is_full = ticket > 65;
        assert_eq!(told(&order(&mut bench, ms(1), ticket, link)).len(), usize::from(is_full), "{ticket}");
    }
    bench.pool.close(ms(2), link, CloseReason::Reset, None, &[], &mut bench.rng);
    let mut out = Outbox::default();
    bench.machine.wake(ms(2), &mut bench.pool, &mut out);
    let waited: Vec<_> = (2..=65).map(|ticket| (ticket, Err(NotDiscovered::NoLink))).collect();
    assert_eq!(told(&out), waited);
}

#[test]
fn only_news_are_told_and_asked_for() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    let told = |bench: &mut Bench, now, since| {
        let request = DiscoverRequest { since, ..DiscoverRequest::default() };
        let out = bench.hear(ms(now), link, (Kind::Request, 5), request.encode());
        let (.., body) = said(&out).into_iter().find(|(_, kind, ..)| *kind == Kind::Response).expect("an answer");
        let response = DiscoverResponse::decode(&body).expect("ours are valid").response;
        (response.peers.len(), response.version)
    };
    let asked = bench.wake(ms(0));
    assert_eq!(told(&mut bench, 1, 0), (1, 1));
    assert_eq!(told(&mut bench, 2, 1), (0, 1));
    bench.outbound(ms(3), 2);
    assert_eq!(told(&mut bench, 3, 1), (1, 2));
    assert_eq!(told(&mut bench, 4, 2), (0, 2));
    assert_eq!(told(&mut bench, 5, 99), (2, 2), "a version that nobody told is none");
    // And we ask so: by the version of the first page, once all pages are there.
    let page = |version, has_more| {
        let page = DiscoverResponse::page(&[Address::of(at(30 + version as usize), None)], has_more);
        DiscoverResponse { version, ..page }.encode()
    };
    let next = said(&bench.hear(ms(6), link, (Kind::Response, asked[0].2), page(7, true)));
    bench.hear(ms(7), link, (Kind::Response, next[0].2), page(8, false));
    let since = |bench: &mut Bench, now| {
        let asked = bench.wake(ms(now));
        let of_link = asked.iter().find(|(to, ..)| *to == link).expect("it is asked");
        let since = DiscoverRequest::decode(&of_link.3).expect("ours are valid").since;
        bench.hear(ms(now + 1), link, (Kind::Response, of_link.2), page(9, false));
        since
    };
    assert_eq!(since(&mut bench, 60_000), 7);
    assert_eq!(since(&mut bench, 120_000), 9);
    assert_eq!(since(&mut bench, 3_700_000), 0, "the whole set once an hour");
    assert_eq!(since(&mut bench, 3_760_000), 9);
}

#[test]
fn a_healthy_peer_without_a_link_is_checked() {
    let mut bench = Bench::new(Policy { discovery_checks: 2, ..policy() });
    bench.outbound(ms(0), 1);
    for number in 2..=5 {
        let link = bench.outbound(ms(number), number as usize);
        bench.pool.close(ms(10 - number), link, CloseReason::Requested, None, &[], &mut bench.rng);
    }
    let checks = |bench: &mut Bench| std::iter::from_fn(|| bench.pool.take_check()).collect::<Vec<_>>();
    bench.wake(ms(10));
    assert!(checks(&mut bench).is_empty(), "they were dialed just now");
    let mut out = Outbox::default();
    bench.machine.wake(ms(120_000), &mut bench.pool, &mut out);
    assert!(out.nudge_maintenance);
    assert_eq!(checks(&mut bench), [at(5), at(4)], "longest unseen first");
    bench.machine.wake(ms(120_001), &mut bench.pool, &mut out);
    assert!(checks(&mut bench).is_empty(), "once in each period");
}

#[test]
fn a_dead_peer_leaves_the_healthy_set_though_nobody_dials_it() {
    let mut bench = Bench::new(policy());
    bench.outbound(ms(0), 1);
    let dead = bench.outbound(ms(0), 2);
    bench.pool.close(ms(1), dead, CloseReason::Requested, None, &[], &mut bench.rng);
    assert!(bench.pool.healthy(ms(1)).contains(&Address::of(at(2), Some(peer(2)))));
    let mut checked = 0;
    for minute in 1..=10 {
        let now = ms(minute * 60_000 + 5_000);
        bench.machine.wake(now, &mut bench.pool, &mut Outbox::default());
        // Nobody but a check dials it; what maintenance does with one, and nobody answers.
        while let Some(to) = bench.pool.take_check() {
            assert_eq!(to, at(2));
            checked += 1;
            let link = bench.pool.claim_dial(now, to, None, Purpose::Feeler).expect("may dial");
            bench.pool.close(now, link, CloseReason::ConnectTimeout, None, &[], &mut bench.rng);
        }
    }
    assert_eq!(checked, 3, "three failures are enough");
    assert!(!bench.pool.healthy(ms(660_000)).contains(&Address::of(at(2), Some(peer(2)))));
    // Even one that nobody could check is not told for ever.
    let mut bench = Bench::new(Policy { discovery_checks: 0, ..policy() });
    let gone = bench.outbound(ms(0), 2);
    bench.pool.close(ms(1), gone, CloseReason::Requested, None, &[], &mut bench.rng);
    let day = 24 * 3_600_000;
    assert_eq!((bench.pool.healthy(ms(day)).len(), bench.pool.healthy(ms(day + 2)).len()), (1, 0));
    let stays = bench.outbound(ms(day), 2);
    assert_eq!(bench.pool.healthy(ms(9 * day)).len(), 1, "a linked one is {stays:?}");
}

#[test]
fn at_most_eight_requests_are_under_way() {
    let mut bench = Bench::new(policy());
    for number in 1..=20 {
        bench.inbound(ms(0), number);
    }
    let asked = bench.wake(ms(0));
    assert_eq!(asked.len(), 8);
    let answer = DiscoverResponse::page(&[], false).encode();
    let out = bench.hear(ms(1), asked[0].0, (Kind::Response, asked[0].2), answer);
    assert_eq!(said(&out).len(), 1, "the next");
}

#[test]
fn the_asker_hears_of_itself_at_once_and_others_once_a_dial_has_proven_it() {
    let mut bench = Bench::new(policy());
    let (asker, other) = (bench.inbound(ms(0), 1), bench.inbound(ms(0), 2));
    let claim = Address::of(at(1), Some(peer(1)));
    let told = peers_in(&bench.hear(ms(1), asker, (Kind::Request, 9), asks(Some(claim.clone()))));
    assert_eq!(told.first(), Some(&claim));
    assert!(bench.pool.points().get(at(1)).is_some(), "a bootstrap node learns it");
    assert!(peers_in(&bench.hear(ms(2), other, (Kind::Request, 9), asks(None))).is_empty());
    let feeler = bench.pool.claim_dial(ms(3), at(1), None, Purpose::Feeler).expect("may dial");
    bench.pool.recognise(ms(3), feeler, peer(1));
    bench.pool.close(ms(3), feeler, CloseReason::Duplicate, None, &[], &mut bench.rng);
    assert_eq!(peers_in(&bench.hear(ms(4), other, (Kind::Request, 10), asks(None))), [claim]);
}

#[test]
fn only_a_bootstrap_node_learns_from_the_request() {
    let mut bench = Bench::new(Policy { is_bootstrap: false, ..policy() });
    let link = bench.inbound(ms(0), 1);
    let unspecified: Address = "0.0.0.0:77".parse().expect("an address");
    let seen = Address { id: Some(peer(1)), host: crate::base::address::Host::Ip(at(1).ip()), ..unspecified.clone() };
    assert_eq!(peers_in(&bench.hear(ms(1), link, (Kind::Request, 1), asks(Some(unspecified)))), [seen]);
    assert!(bench.pool.points().is_empty());
}

#[test]
fn a_long_answer_is_paged_to_its_end() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    let mut asked = bench.wake(ms(0));
    for page in 1..=PAGES_MAX {
        let last = Address::of(at(100 + page as usize), None);
        let body = DiscoverResponse::page(std::slice::from_ref(&last), true).encode();
        let out = bench.hear(ms(1), link, (Kind::Response, asked[0].2), body);
        asked = said(&out);
        assert_eq!(asked.len(), usize::from(page < PAGES_MAX));
        if let Some((.., body)) = asked.first() {
            assert_eq!(DiscoverRequest::decode(body).expect("valid").after, Some(last));
        }
    }
    assert_eq!(bench.pool.points().len(), 1 + PAGES_MAX as usize);
}

#[test]
fn three_failures_in_a_row_make_a_peer_unhealthy_and_an_answer_heals_it() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    for cycle in 0..3 {
        assert_eq!(bench.pool.healthy(ms(240_001)).len(), 1);
        let now = cycle * 60_000;
        let asked = bench.wake(ms(now));
        let mut out = bench.hear(ms(now + 1), link, (Kind::Response, asked[0].2), vec![0xff]);
        assert!(!out.commands.iter().any(|command| matches!(command, Command::Close { .. })), "nobody is closed for it");
        assert!(out.log.remove(0).2.contains(&format!("failed {} times", cycle + 1)));
    }
    assert!(bench.pool.healthy(ms(240_001)).is_empty());
    let asked = bench.wake(ms(180_000));
    bench.wake(ms(210_000));
    assert!(bench.pool.healthy(ms(240_001)).is_empty(), "silence is a failure too");
    let late = DiscoverResponse::page(&[], false).encode();
    bench.hear(ms(210_001), link, (Kind::Response, asked[0].2), late.clone());
    assert!(bench.pool.healthy(ms(240_001)).is_empty(), "nobody waits for it any more");
    let asked = bench.wake(ms(240_000));
    bench.hear(ms(240_001), link, (Kind::Response, asked[0].2), late);
    assert_eq!(bench.pool.healthy(ms(240_001)).len(), 1);
}

#[test]
fn who_refuses_to_answer_is_there_and_stays_healthy() {
    let mut bench = Bench::new(policy());
    let link = bench.outbound(ms(0), 1);
    for cycle in 0..5 {
        let asked = bench.wake(ms(cycle * 60_000));
        bench.hear(ms(cycle * 60_000 + 1), link, (Kind::Error, asked[0].2), Vec::new());
    }
    assert_eq!(bench.pool.healthy(ms(240_001)).len(), 1);
}

#[test]
fn who_asks_too_often_gets_an_error_and_who_asks_nonsense_is_closed() {
    let mut bench = Bench::new(policy());
    let link = bench.inbound(ms(0), 1);
    bench.wake(ms(0));
    let kinds: Vec<Kind> = (0..30).map(|id| said(&bench.hear(ms(1), link, (Kind::Request, id), asks(None)))[0].1).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Response).count(), PAGES_MAX as usize);
    assert_eq!(kinds.last(), Some(&Kind::Error));
    let out = bench.hear(ms(2), link, (Kind::Request, 99), vec![0xff]);
    assert!(out.commands.iter().any(|command| matches!(command, Command::Close { reason: CloseReason::PexMalformed, .. })));
}
