//! Role quotas in the pool: who counts, who is dialed, who goes and who stays; and what the book knows of capabilities.

use super::points::Proof;
use super::policy::Policy;
use super::slots::Purpose;
use super::table::Pool;
use crate::base::address::Address;
use crate::base::link_id::{LinkId, LinkIds};
use crate::base::peer::PeerId;
use crate::base::quota::{Quota, QuotaError};
use crate::base::reason::CloseReason;
use crate::base::rng::Rng;
use crate::base::subject::Subject;
use crate::base::time::Time;
use crate::base::verdict::{Direction, Verdict};
use crate::settings::check::Bounds;
use crate::settings::table::Settings;
use crate::wire::hello::{Capability, Hello};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const ARCHIVE: &[&str] = &["archive"];
const NOTHING: &[&str] = &[];

fn policy() -> Policy {
    let mut settings =
        Settings { discovery_bootstrap: true, network_allow_private: true, dial_rate: 10_000, ..Settings::new("test") };
    (settings.accept_rate, settings.accept_ip_burst) = (100_000, 10_000);
    Policy::from(&settings.check().expect("valid"))
}

/// Four places for inbound links, three for outbound ones.
fn small() -> Policy {
    let bounds = Bounds {
        min: 1,
        min_threshold: 2,
        min_target: 3,
        expected: 4,
        max_target: 5,
        max_threshold: 6,
        max: 7,
        outbound_target: 2,
        outbound_max: 3,
    };
    Policy { bounds, ..policy() }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn at(number: u8) -> SocketAddr {
    SocketAddr::from(([10, number, 0, 1], 9_000))
}

fn capabilities(names: &[&str]) -> Vec<Capability> {
    names.iter().map(|name| Capability { name: (*name).to_owned(), value: 1 }).collect()
}

fn hello(number: u8, names: &[&str]) -> Arc<Hello> {
    Arc::new(Hello { listen: vec![Address::of(at(number), None)], capabilities: capabilities(names), ..Hello::default() })
}

struct Bench {
    pool: Pool,
    ids: LinkIds,
    rng: Rng,
    now: Time,
}

impl Bench {
    fn new(policy: Policy) -> Bench {
        let ids = LinkIds::default();
        Bench { pool: Pool::new(peer(100), policy, ids.clone()), ids, rng: Rng::from_seed(1), now: Time::ZERO }
    }

    fn wanting(policy: Policy, count: u32) -> Bench {
        let mut bench = Bench::new(policy);
        bench.pool.set_quota("archive", Some(Quota::Count(count))).expect("it fits");
        bench
    }

    fn arrive(&mut self, number: u8, names: &[&str]) -> (LinkId, Verdict, Vec<LinkId>) {
        let link = self.ids.next();
        self.pool.claim_arrival(self.now, link, SocketAddr::new(at(number).ip(), 50_000)).expect("may come");
        let introduced = self.pool.introduce(self.now, link, peer(number), &hello(number, names), &mut self.rng);
        self.pool.open(self.now, link);
        (link, introduced.verdict, introduced.close.into_iter().map(|(link, _)| link).collect())
    }

    fn inbound(&mut self, number: u8, names: &[&str]) -> LinkId {
        let (link, verdict, _) = self.arrive(number, names);
        assert_eq!(verdict, Verdict::Admit);
        link
    }

    fn outbound(&mut self, number: u8, names: &[&str], why: Purpose) -> LinkId {
        let link = self.pool.claim_dial(self.now, at(number), None, why).expect("may dial");
        self.pool.recognise(self.now, link, peer(number));
        self.pool.introduce(self.now, link, peer(number), &hello(number, names), &mut self.rng);
        self.pool.open(self.now, link);
        link
    }

    fn close(&mut self, link: LinkId) {
        self.pool.close(self.now, link, CloseReason::Reset, None, &[], &mut self.rng);
    }

    /// Somebody says that the node with that number is at its address and can do so much.
    fn hear(&mut self, number: u8, names: &[&str]) {
        let (address, capabilities) = (Address::of(at(number), Some(peer(number))), capabilities(names));
        self.pool.learn_all(self.now, [(&address, &capabilities[..])].into_iter(), at(99), None);
    }

    fn archives(&mut self, count: usize) -> Vec<SocketAddr> {
        self.pool.whom_to_dial_for(self.now, "archive", count, &mut self.rng).now
    }

    fn linked(&self) -> usize {
        self.pool.tallies(10)[0].linked
    }

    /// What the point says of capabilities, and whether it is the peer's own word.
    fn known(&self, number: u8) -> (Vec<&str>, bool) {
        let point = self.pool.points().get(at(number)).expect("it is known");
        (point.capabilities.iter().map(|known| known.name.as_str()).collect(), point.is_own_word)
    }

    fn told(&mut self) -> Vec<(PeerId, Vec<Capability>)> {
        let told = self.pool.whom_to_advertise(self.now, &peer(90), &mut self.rng);
        told.into_iter().filter_map(|entry| Some((entry.address.id?, entry.capabilities))).collect()
    }
}

#[test]
fn what_hearsay_promised_is_corrected_by_the_peer_and_not_passed_on() {
    let mut bench = Bench::new(policy());
    bench.hear(1, ARCHIVE);
    bench.hear(2, ARCHIVE);
    bench.hear(3, NOTHING);
    assert_eq!(bench.archives(9).len(), 2);
    // One turns out to have nothing, another something else, a third what nobody knew of.
    for (number, names) in [(1, NOTHING), (2, &["light"][..]), (3, ARCHIVE)] {
        let link = bench.outbound(number, names, Purpose::Role);
        assert_eq!(bench.known(number), (names.to_vec(), true));
        bench.hear(number, &["archive", "oracle"]);
        assert_eq!(bench.known(number), (names.to_vec(), true), "hearsay changes it no more");
        bench.close(link);
    }
    bench.now = bench.now + Duration::from_secs(3_600);
    assert_eq!(bench.archives(9), [at(3)]);
    let told: Vec<_> = bench.told().into_iter().map(|(peer, capabilities)| (peer, capabilities.len())).collect();
    assert_eq!(BTreeSet::from_iter(told), BTreeSet::from([(peer(1), 0), (peer(2), 1), (peer(3), 1)]));
}

#[test]
fn the_hello_of_who_came_counts_for_all_addresses_that_are_said_to_be_its() {
    let mut bench = Bench::new(policy());
    let address = Address::of(at(50), Some(peer(1)));
    bench.pool.learn_all(bench.now, [(&address, &capabilities(ARCHIVE)[..])].into_iter(), at(99), None);
    let link = bench.inbound(1, NOTHING);
    assert_eq!((bench.known(1), bench.known(50)), ((vec![], true), (vec![], true)));
    bench.close(link);
    // Said later of yet another address: its own word still stands.
    let address = Address::of(at(51), Some(peer(1)));
    bench.pool.learn_all(bench.now, [(&address, &capabilities(ARCHIVE)[..])].into_iter(), at(99), None);
    assert_eq!(bench.known(51), (vec!["archive"], false));
    assert!(bench.archives(9).is_empty());
}

#[test]
fn an_address_that_a_feeler_proved_has_what_its_peer_says() {
    let mut bench = Bench::new(policy());
    bench.inbound(1, ARCHIVE);
    bench.hear(50, &["oracle"]);
    let feeler = bench.pool.claim_dial(bench.now, at(50), None, Purpose::Feeler).expect("may dial");
    bench.pool.recognise(bench.now, feeler, peer(1));
    bench.close(feeler);
    assert_eq!(bench.known(50), (vec!["archive"], true));
    // A dial that was refused before the Hello shows who is there, and nothing of what he can do.
    bench.hear(60, ARCHIVE);
    let refused = bench.pool.claim_dial(bench.now, at(60), None, Purpose::Wanted).expect("may dial");
    bench.pool.recognise(bench.now, refused, peer(60));
    bench.close(refused);
    assert_eq!(
        (bench.known(60), bench.pool.points().get(at(60)).map(|point| point.proof)),
        ((vec!["archive"], false), Some(Proof::Dialed))
    );
    assert!(bench.told().contains(&(peer(60), Vec::new())), "a rumour is not passed on");
}

#[test]
fn who_has_said_it_himself_is_dialed_before_those_of_whom_others_say_it() {
    let mut bench = Bench::new(policy());
    for number in 1..=3 {
        let link = bench.outbound(number, ARCHIVE, Purpose::Wanted);
        bench.close(link);
    }
    for number in 10..=30 {
        bench.hear(number, ARCHIVE);
    }
    bench.now = bench.now + Duration::from_secs(3_600);
    for _ in 0..20 {
        let chosen = bench.archives(5);
        assert_eq!(chosen[..3].iter().collect::<BTreeSet<_>>(), [at(1), at(2), at(3)].iter().collect());
        assert!(chosen.len() == 5 && chosen[3..].iter().all(|chosen| (10..=30).any(|number| at(number) == *chosen)));
    }
}

#[test]
fn a_tally_counts_links_and_dials_to_whom_it_may_concern() {
    let mut bench = Bench::new(policy());
    bench.pool.set_quota("archive", Some(Quota::Count(5))).expect("it fits");
    bench.pool.set_quota("light", Some(Quota::Percent(25))).expect("it fits");
    bench.inbound(1, &["light", "archive"]);
    bench.outbound(2, ARCHIVE, Purpose::Role);
    bench.inbound(3, NOTHING);
    bench.hear(4, ARCHIVE);
    bench.hear(5, NOTHING);
    for number in [4, 5] {
        bench.pool.claim_dial(bench.now, at(number), None, Purpose::Wanted).expect("may dial");
    }
    let tallies: Vec<_> =
        bench.pool.tallies(10).iter().map(|tally| (tally.wanted, tally.linked, tally.dialing, tally.missing())).collect();
    assert_eq!(tallies, [(5, 2, 1, 2), (3, 1, 0, 2)]);
    // A link that was given up counts no more.
    bench.pool.doom(bench.now, LinkId::from_u64(1), CloseReason::Evicted);
    assert_eq!(bench.linked(), 1);
}

#[test]
fn quotas_that_cannot_be_change_nothing() {
    let mut bench = Bench::wanting(policy(), 60);
    let before = bench.pool.quotas().to_vec();
    for (capability, quota, error) in [
        ("light", Quota::Percent(41), QuotaError::TooMuch { wanted: 101, max: 100 }),
        ("archive", Quota::Count(101), QuotaError::TooMuch { wanted: 101, max: 100 }),
        ("archive", Quota::Count(0), QuotaError::Zero("archive".to_owned())),
        ("light", Quota::Percent(101), QuotaError::Percent("light".to_owned(), 101)),
        ("a\n", Quota::Count(1), QuotaError::Name("a\\n".to_owned())),
    ] {
        assert_eq!(bench.pool.set_quota(capability, Some(quota)), Err(error));
        assert_eq!(bench.pool.quotas(), before);
    }
    bench.pool.set_quota("archive", Some(Quota::Count(61))).expect("it replaces the first");
    bench.pool.set_quota("oracle", None).expect("there was none");
    bench.pool.set_quota("archive", None).expect("it is gone");
    assert!(bench.pool.quotas().is_empty());
}

#[test]
fn links_that_a_quota_needs_are_not_dropped() {
    for (quota, of_archives) in [(Quota::Count(3), 2), (Quota::Percent(50), 2), (Quota::Percent(100), 0), (Quota::Count(9), 0)] {
        let mut bench = Bench::new(policy());
        bench.pool.set_quota("archive", Some(quota)).expect("it fits");
        let archives: Vec<LinkId> = (1..=5).map(|number| bench.inbound(number, ARCHIVE)).collect();
        for number in 11..=15 {
            bench.inbound(number, NOTHING);
        }
        // The archives have the lowest scores, and would go first.
        (1..=5).for_each(|number| drop(bench.pool.report(bench.now, peer(number), -50, "slow")));
        let dropped = bench.pool.whom_to_drop(bench.now, 5, None, &mut bench.rng);
        let count = dropped.iter().filter(|link| archives.contains(link)).count();
        assert_eq!((dropped.len(), count), (5, of_archives), "{quota:?}");
    }
    // All have it, and all are to have it: then the share is one of fewer links.
    let mut bench = Bench::new(policy());
    bench.pool.set_quota("archive", Some(Quota::Percent(100))).expect("it fits");
    for number in 1..=10 {
        bench.inbound(number, ARCHIVE);
    }
    assert_eq!(bench.pool.whom_to_drop(bench.now, 4, None, &mut bench.rng).len(), 4);
}

#[test]
fn who_goes_for_a_role_has_none_is_unprotected_and_was_best_dialed_in_vain() {
    let mut bench = Bench::wanting(policy(), 4);
    let archive = bench.inbound(1, ARCHIVE);
    let (plain, bad) = (bench.inbound(2, NOTHING), bench.inbound(3, NOTHING));
    bench.inbound(4, NOTHING);
    bench.pool.report(bench.now, peer(3), -50, "slow");
    bench.pool.report(bench.now, peer(1), -80, "slower");
    bench.pool.lists_mut().trust(bench.now, Subject::Peer(peer(4)), None).expect("not banned");
    bench.pool.fix(bench.now, at(5), Some(peer(5)), true);
    bench.inbound(5, NOTHING);
    let next = |bench: &mut Bench, direction| bench.pool.whom_to_replace(bench.now, direction, &mut bench.rng);
    assert_eq!(next(&mut bench, None), Some(bad));
    assert_eq!(next(&mut bench, Some(Direction::Outbound)), None);
    let vain = bench.outbound(6, NOTHING, Purpose::Role);
    let other = bench.outbound(7, NOTHING, Purpose::Wanted);
    bench.outbound(8, ARCHIVE, Purpose::Role);
    for expected in [vain, bad] {
        assert_eq!(next(&mut bench, None), Some(expected));
        bench.pool.doom(bench.now, expected, CloseReason::Evicted);
    }
    let left: BTreeSet<_> = (0..50).filter_map(|_| next(&mut bench, None)).collect();
    assert_eq!(left, BTreeSet::from([plain, other]));
    for link in [plain, other] {
        bench.pool.doom(bench.now, link, CloseReason::Evicted);
    }
    assert_eq!(next(&mut bench, None), None);
    assert!(bench.pool.slots().get(archive).is_some_and(|slot| slot.is_open()));
}

#[test]
fn at_the_limit_an_arrival_with_a_wanted_role_gets_a_place_now_and_then() {
    let mut bench = Bench::wanting(Policy { trusted_extra: 0, ..small() }, 2);
    let links: Vec<LinkId> = (1..=4).map(|number| bench.inbound(number, NOTHING)).collect();
    let (_, verdict, closed) = bench.arrive(5, NOTHING);
    assert!(matches!(verdict, Verdict::Refuse { motive: CloseReason::TooManyLinks, .. }) && closed.is_empty());
    let (_, verdict, closed) = bench.arrive(6, ARCHIVE);
    assert!(verdict == Verdict::Admit && closed.len() == 1 && links.contains(&closed[0]));
    assert_eq!((bench.linked(), bench.pool.counts().inbound), (1, 4));
    let (_, verdict, closed) = bench.arrive(7, ARCHIVE);
    assert!(matches!(verdict, Verdict::Refuse { .. }) && closed.is_empty(), "not two in ten seconds");
    bench.now = bench.now + Duration::from_secs(10);
    assert_eq!(bench.arrive(8, ARCHIVE).1, Verdict::Admit);
    bench.now = bench.now + Duration::from_secs(10);
    assert!(matches!(bench.arrive(9, ARCHIVE).1, Verdict::Refuse { .. }), "two are enough");
    // A trusted peer takes a place that no quota needs, and if there is none any.
    bench.pool.lists_mut().trust(bench.now, "10.16.0.0/12".parse().expect("a prefix"), None).expect("not banned");
    for (number, archives) in [(16, 2), (17, 2), (18, 1)] {
        assert_eq!(bench.arrive(number, NOTHING).1, Verdict::Admit);
        assert_eq!((bench.linked(), bench.pool.counts().inbound), (archives, 4), "{number}");
    }
}

#[test]
fn a_wanted_role_does_not_get_a_host_or_group_more_places() {
    let narrow = Policy { allow_private: false, inbound_per_ip: 1, inbound_per_group: 2, ..small() };
    let mut bench = Bench::wanting(narrow, 4);
    let come = |bench: &mut Bench, number: u8, from: &str| {
        let link = bench.ids.next();
        let from: SocketAddr = from.parse().expect("a socket address");
        bench.pool.claim_arrival(bench.now, link, from).expect("may come");
        let names = if number == 0 { NOTHING } else { ARCHIVE };
        let verdict = bench.pool.introduce(bench.now, link, peer(number), &hello(number, names), &mut bench.rng).verdict;
        bench.pool.open(bench.now, link);
        verdict == Verdict::Admit
    };
    // The first could go for any of the others.
    let admitted: Vec<bool> = ["7.7.1.1:1", "8.8.1.1:1", "8.8.1.1:2", "8.8.1.2:1", "8.8.1.3:1", "9.9.1.1:1"]
        .into_iter()
        .zip(0..)
        .map(|(from, number)| come(&mut bench, number, from))
        .collect();
    assert_eq!(admitted, [true, true, false, true, false, true]);
    assert_eq!((bench.linked(), bench.pool.counts().inbound), (3, 4));
}
