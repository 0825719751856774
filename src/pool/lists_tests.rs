//! Precedence, bounds and times of the lists; the table of `docs/operators.md` is checked against them.

use super::lists::{By, Culprit, ENTRIES_MAX, Entry, ListError, Lists, Standing};
use super::testbed::policy;
use crate::base::peer::PeerId;
use crate::base::subject::Subject;
use crate::base::time::Time;
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;

const NOW: Time = Time::ZERO;
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn subject(text: &str) -> Subject {
    text.parse().expect("a subject")
}

fn entry(until: Option<Time>) -> Entry {
    Entry::new(NOW, until, "", By::Operator)
}

fn after(seconds: u64) -> Time {
    NOW + Duration::from_secs(seconds)
}

#[test]
fn a_ban_beats_trust_and_trust_beats_the_greylist() {
    let mut lists = Lists::new(100);
    let peer = PeerId::from_bytes([7; 32]);
    let standing = |lists: &Lists| lists.standing(NOW, Some(ip("192.0.2.9")), Some(&peer));
    assert_eq!(standing(&lists), Standing::Ordinary);
    lists.keep_grey(Culprit::Peer(peer), after(10), 1);
    assert_eq!(standing(&lists), Standing::Greylisted);
    lists.trust(NOW, subject("192.0.2.0/24"), None).expect("not banned");
    assert_eq!(standing(&lists), Standing::Trusted);
    lists.ban(Subject::Peer(peer), entry(None)).expect("there is room");
    assert_eq!(standing(&lists), Standing::Banned);
    assert_eq!(lists.trust(NOW, Subject::Peer(peer), None), Err(ListError::Banned));
    assert!(lists.unban(&Subject::Peer(peer)) && !lists.unban(&Subject::Peer(peer)));
    assert_eq!(lists.trust(NOW, Subject::Peer(peer), None), Ok(()));
    lists.ban(Subject::Peer(peer), entry(None)).expect("there is room");
    lists.unban(&Subject::Peer(peer));
    assert!(!lists.untrust(&Subject::Peer(peer)), "the ban ended the trust");
}

#[test]
fn an_address_within_a_banned_prefix_is_banned_and_cannot_be_trusted() {
    let mut lists = Lists::new(100);
    lists.ban(subject("198.51.100.77/24"), entry(Some(after(60)))).expect("there is room");
    lists.ban(subject("2001:db8::/32"), entry(None)).expect("there is room");
    for (text, standing) in [
        ("198.51.100.1", Standing::Banned),
        ("::ffff:198.51.100.1", Standing::Banned),
        ("198.51.101.1", Standing::Ordinary),
        ("2001:db8:ffff::1", Standing::Banned),
        ("2001:db9::1", Standing::Ordinary),
    ] {
        assert_eq!(lists.standing(NOW, Some(ip(text)), None), standing, "{text}");
    }
    assert_eq!(lists.trust(NOW, subject("198.51.100.3"), None), Err(ListError::Banned));
    assert_eq!(lists.standing(after(60), Some(ip("198.51.100.1")), None), Standing::Ordinary, "it has ended");
    lists.expire(after(60));
    assert_eq!(lists.banned().count(), 1);
}

#[test]
fn the_greylist_is_bounded_and_forgets_what_ends_first() {
    let mut lists = Lists::new(16);
    for n in 0..100_u8 {
        lists.keep_grey(Culprit::Host(ip(&format!("192.0.2.{n}"))), after(1_000 - u64::from(n)), 1);
        assert!(lists.greylisted_count() <= 16);
    }
    assert_eq!(lists.standing(NOW, Some(ip("192.0.2.99")), None), Standing::Greylisted);
    assert_eq!(lists.standing(NOW, Some(ip("192.0.2.50")), None), Standing::Ordinary);
    assert_eq!(lists.greylisted_count(), 16);
    lists.expire(after(902) + WEEK);
    assert!(lists.greylisted_count() > 0 && lists.greylisted().all(|(_, until, _)| until > after(902)));
    assert!(lists.flush_greylist() > 0 && lists.greylisted().count() == 0, "nothing is left of what is shown");
    lists.expire(after(10_000) + WEEK);
}

#[test]
fn ipv6_is_greylisted_by_64_bits() {
    let mut lists = Lists::new(16);
    lists.keep_grey(Culprit::Host(ip("2001:db8:1:2:3::4")), after(10), 1);
    lists.keep_grey(Culprit::Host(ip("2001:db8:1:2:9::9")), after(20), 1);
    assert_eq!(lists.greylisted_count(), 1);
    assert_eq!(lists.standing(after(15), Some(ip("2001:db8:1:2::")), None), Standing::Greylisted);
    assert_eq!(lists.standing(NOW, Some(ip("2001:db8:1:3::")), None), Standing::Ordinary);
    assert!(lists.forgive(&Culprit::Host(ip("2001:db8:1:2::77"))), "any address of it names it");
    assert_eq!(lists.greylisted_count(), 0);
}

#[test]
fn each_offence_within_a_week_lasts_twice_as_long_up_to_a_week() {
    let (mut lists, policy) = (Lists::new(16), policy());
    let who = Culprit::Host(ip("192.0.2.1"));
    let mut now = NOW;
    for (offence, hours) in [(1, 24), (2, 48), (3, 96), (4, 168), (5, 168)] {
        let until = lists.greylist(now, who, &policy);
        assert_eq!(until, now + hours * HOUR, "offence {offence}");
        // What one deed leads to is found out more than once.
        assert_eq!(lists.greylist(now, who, &policy), until);
        assert_eq!(lists.greylisted().collect::<Vec<_>>(), [(who, until, offence)]);
        assert_eq!(lists.standing(until - HOUR, Some(ip("192.0.2.1")), None), Standing::Greylisted);
        assert_eq!(lists.standing(until, Some(ip("192.0.2.1")), None), Standing::Ordinary);
        // The last moment at which it still counts.
        now = until + (WEEK - Duration::from_nanos(1));
        lists.expire(now);
    }
    now = now + 168 * HOUR + WEEK;
    assert_eq!(lists.greylist(now, who, &policy), now + 24 * HOUR, "forgotten after a week");
    assert!(lists.forgive(&who) && !lists.forgive(&who));
    assert_eq!(lists.greylist(now, who, &policy), now + 24 * HOUR, "forgiven is forgotten, too");
}

#[test]
fn an_offence_while_on_the_list_keeps_one_there_as_long_again() {
    let (mut lists, policy) = (Lists::new(16), policy());
    let who = Culprit::Peer(PeerId::from_bytes([7; 32]));
    lists.greylist(NOW, who, &policy);
    assert_eq!(lists.greylist(NOW + 23 * HOUR, who, &policy), NOW + 47 * HOUR);
    assert_eq!(lists.greylisted().next().map(|(_, _, offences)| offences), Some(1));
    // Saved for a longer time than the settings give today: it is not made shorter.
    lists.keep_grey(who, NOW + 900 * HOUR, 3);
    assert_eq!(lists.greylist(NOW + 48 * HOUR, who, &policy), NOW + 900 * HOUR);
}

#[test]
fn an_entry_says_who_put_it_there_and_why_in_safe_words() {
    let mut lists = Lists::new(16);
    let why = format!("two\nlines {}", "x".repeat(100));
    lists.ban(subject("192.0.2.0/24"), Entry::new(after(5), Some(after(9)), &why, By::Operator)).expect("there is room");
    let (named, entry) = lists.banned().next().expect("just put there");
    assert_eq!((named, entry.since, entry.until, entry.by), (subject("192.0.2.0/24"), after(5), Some(after(9)), By::Operator));
    assert!(entry.why.starts_with("two\\nlines xxx") && entry.why.chars().count() <= 65, "{}", entry.why);
}

#[test]
fn overlapping_prefixes_are_each_their_own_and_any_ban_wins() {
    let mut lists = Lists::new(16);
    lists.ban(subject("10.1.2.0/24"), entry(None)).expect("there is room");
    lists.trust(NOW, subject("10.0.0.0/8"), None).expect("only a part of it is banned");
    lists.ban(subject("10.1.0.0/16"), entry(None)).expect("there is room");
    let standing = |lists: &Lists, text| lists.standing(NOW, Some(ip(text)), None);
    assert_eq!((standing(&lists, "10.1.2.3"), standing(&lists, "10.2.0.1")), (Standing::Banned, Standing::Trusted));
    assert!(!lists.unban(&subject("10.1.2.3")) && !lists.unban(&subject("10.0.0.0/8")), "neither was banned as such");
    assert!(lists.unban(&subject("10.1.0.0/16")));
    assert_eq!((standing(&lists, "10.1.2.3"), standing(&lists, "10.1.3.3")), (Standing::Banned, Standing::Trusted));
    assert_eq!(lists.trust(NOW, subject("10.1.2.128/25"), None), Err(ListError::Banned), "all of it is banned");
    assert!(lists.unban(&subject("10.1.2.0/24")));
    assert_eq!(standing(&lists, "10.1.2.3"), Standing::Trusted);
}

/// Something that one of the lists is told.
#[derive(Clone, Debug)]
struct Word {
    list: u8,
    subject: Subject,
    ends: Option<u64>,
}

fn word() -> impl Strategy<Value = Word> {
    // Few addresses and identities, so that entries overlap.
    let net = (0..4_u8, 0..4_u8, prop::sample::select(vec![8_u8, 16, 24, 31, 32])).prop_map(|(a, b, length)| {
        Subject::Net(ipnet::IpNet::new(IpAddr::from([10, a, 0, b]), length).expect("a length").trunc())
    });
    let peer = (0..3_u8).prop_map(|number| Subject::Peer(PeerId::from_bytes([number; 32])));
    (0..3_u8, prop_oneof![net, peer], prop::option::of(1..20_u64)).prop_map(|(list, subject, ends)| Word { list, subject, ends })
}

fn holds(words: &[Word], list: u8, now: Time, who: IpAddr, peer: PeerId) -> bool {
    let is_it = |subject: &Subject| match subject {
        Subject::Peer(named) => *named == peer,
        Subject::Net(net) => net.contains(&who),
    };
    let is_current = |word: &Word| word.ends.is_none_or(|ends| now < after(ends));
    words.iter().any(|word| word.list == list && is_it(&word.subject) && is_current(word))
}

proptest! {
    /// The table of precedence: any ban, else any trust, else the greylist; whatever overlaps, and whatever has ended.
    #[test]
    fn the_standing_is_what_the_table_says(words in prop::collection::vec(word(), 0..24), a in 0..4_u8, b in 0..4_u8, number in 0..3_u8, later in 0..25_u64) {
        let mut lists = Lists::new(64);
        let mut said: Vec<Word> = Vec::new();
        for word in words {
            let until = word.ends.map(after);
            // A later word on the same subject replaces the earlier one, and a ban ends trust.
            let forget = |said: &mut Vec<Word>, list: u8, subject: Subject| said.retain(|old| old.list != list || old.subject != subject);
            match word.list {
                0 => {
                    lists.ban(word.subject, entry(until)).expect("there is room");
                    forget(&mut said, 0, word.subject);
                    forget(&mut said, 1, word.subject);
                }
                1 => {
                    let is_banned = said.iter().any(|old| old.list == 0 && match (&old.subject, &word.subject) {
                        (Subject::Net(around), Subject::Net(net)) => around.contains(net),
                        (one, other) => one == other,
                    });
                    prop_assert_eq!(lists.trust(NOW, word.subject, until), if is_banned { Err(ListError::Banned) } else { Ok(()) });
                    if is_banned {
                        continue;
                    }
                    forget(&mut said, 1, word.subject);
                }
                _ => {
                    let culprit = match word.subject {
                        Subject::Peer(peer) => Culprit::Peer(peer),
                        Subject::Net(net) if net.prefix_len() == 32 => Culprit::Host(net.addr()),
                        Subject::Net(_) => continue,
                    };
                    lists.keep_grey(culprit, until.unwrap_or(Time::MAX), 1);
                    forget(&mut said, 2, word.subject);
                }
            }
            said.push(word);
        }
        let (now, who, peer) = (after(later), IpAddr::from([10, a, 0, b]), PeerId::from_bytes([number; 32]));
        let expected = |peer: PeerId| {
            let standings = [Standing::Banned, Standing::Trusted, Standing::Greylisted];
            let first = (0..3_u8).find(|list| holds(&said, *list, now, who, peer));
            first.map_or(Standing::Ordinary, |list| standings[usize::from(list)])
        };
        prop_assert_eq!(lists.standing(now, Some(who), Some(&peer)), expected(peer));
        // An address alone is judged as that of a stranger, and the door knows no more than that.
        let alone = expected(PeerId::from_bytes([99; 32]));
        prop_assert_eq!(lists.standing(now, Some(who), None), alone);
        let is_shut = matches!(alone, Standing::Banned | Standing::Greylisted);
        prop_assert_eq!(lists.shut(now).turns_away(now, who), is_shut);
        // What was shown a while ago still counts by its own times.
        prop_assert_eq!(lists.shut(NOW).turns_away(now, who), is_shut);
        lists.expire(now);
        prop_assert_eq!(lists.standing(now, Some(who), Some(&peer)), expected(peer));
    }
}

#[test]
fn a_prefix_of_mapped_addresses_is_that_of_ipv4() {
    let mut lists = Lists::new(4);
    let mapped = Subject::Net("::ffff:192.0.2.0/120".parse().expect("a prefix"));
    lists.ban(mapped, Entry::new(Time::ZERO, None, "", By::Operator)).expect("there is room");
    let at = |text: &str| Some(text.parse().expect("an address"));
    assert_eq!(lists.standing(Time::ZERO, at("192.0.2.7"), None), Standing::Banned);
    assert_eq!(lists.standing(Time::ZERO, at("::ffff:192.0.2.7"), None), Standing::Banned);
    assert_eq!(lists.banned().map(|(subject, _)| subject.to_string()).collect::<Vec<_>>(), ["192.0.2.0/24"]);
    assert_eq!(lists.trust(Time::ZERO, mapped, None), Err(ListError::Banned));
    assert!(lists.unban(&"192.0.2.0/24".parse().expect("a prefix")));
    lists.trust(Time::ZERO, mapped, None).expect("not banned any more");
    assert!(lists.untrust(&mapped) && !lists.untrust(&mapped));
}

#[test]
fn the_operators_bans_stand_above_those_for_scores() {
    let mut lists = Lists::new(4);
    let peer = |number: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        PeerId::from_bytes(bytes)
    };
    let until = |seconds: u64| Some(Time::ZERO + Duration::from_secs(seconds));
    let mut ban = |number: u32, until: Option<Time>, by: By| {
        let entry = Entry::new(Time::ZERO + Duration::from_secs(u64::from(number)), until, "", by);
        lists.ban(Subject::Peer(peer(number)), entry)
    };
    ban(0, None, By::Operator).expect("there is room");
    ban(0, until(9), By::Score).expect("he is banned");
    ban(1, until(5), By::Operator).expect("there is room");
    ban(1, until(9), By::Score).expect("it lasts longer");
    for number in 2..ENTRIES_MAX as u32 {
        ban(number, None, By::Score).expect("there is room");
    }
    assert_eq!(ban(ENTRIES_MAX as u32, None, By::Score), Err(ListError::Full));
    ban(ENTRIES_MAX as u32, None, By::Operator).expect("the oldest for a score makes room");
    assert_eq!(lists.ban_of(Time::ZERO, &peer(0)), Some(None), "his own stays as it was");
    assert_eq!(lists.ban_of(Time::ZERO, &peer(1)), None, "the oldest for a score");
    assert_eq!(lists.ban_of(Time::ZERO, &peer(ENTRIES_MAX as u32)), Some(None));
}

/// Whoever reads a list by parts sees each entry once, in order, wherever he stopped.
#[test]
fn lists_are_read_on_from_any_entry() {
    let mut lists = Lists::new(100);
    for (banned, trusted) in
        [("192.0.2.0/24", "192.0.3.0/24"), ("198.51.100.7", "198.51.100.8"), ("2001:db8::/32", "2001:db9::/32")]
    {
        lists.ban(subject(banned), entry(None)).expect("there is room");
        lists.trust(NOW, subject(trusted), None).expect("not banned");
    }
    for number in 1..5 {
        let peer = PeerId::from_bytes([number; 32]);
        lists.ban(Subject::Peer(peer), entry(None)).expect("there is room");
        lists.keep_grey(Culprit::Peer(peer), after(10), 1);
        lists.keep_grey(Culprit::Host(ip(&format!("2001:db8:{number}::1"))), after(10), 1);
    }
    lists.trust_configured(NOW, subject("203.0.113.1")).expect("not banned");
    let banned: Vec<Subject> = lists.banned().map(|(subject, _)| subject).collect();
    let grey: Vec<Culprit> = lists.greylisted().map(|(culprit, ..)| culprit).collect();
    let keys: Vec<_> = lists.keys(None).collect();
    assert_eq!((banned.len(), grey.len(), keys.len()), (7, 8, 7 + 3 + 8), "what the settings name is not saved");
    for (number, last) in banned.iter().enumerate() {
        assert!(lists.banned_behind(Some(*last)).map(|(subject, _)| subject).eq(banned[number + 1..].iter().copied()));
    }
    for (number, last) in grey.iter().enumerate() {
        assert!(lists.greylisted_behind(Some(*last)).map(|(culprit, ..)| culprit).eq(grey[number + 1..].iter().copied()));
    }
    for (number, last) in keys.iter().enumerate() {
        assert!(lists.keys(Some(*last)).eq(keys[number + 1..].iter().copied()), "behind {last:?}");
    }
}
