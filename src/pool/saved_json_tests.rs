//! Rows as text: every row is read back as it was, and what is no row says why.

use super::lists::{By, Culprit};
use super::points::{Proof, Source};
use super::saved::{Anchor, Change, OnList, Saved, SavedList, SavedPeer, SavedPoint, SavedScore};
use super::saved_json::{LINE_MAX, entry, read, row, take};
use super::score::{SCORE_MAX, Stage};
use crate::base::limits::{CAPABILITIES_MAX, FAILURES_MAX, METADATA_BYTES_MAX};
use crate::base::peer::PeerId;
use crate::base::point::{Group, canonical};
use crate::base::reason::CloseReason;
use crate::base::subject::Subject;
use crate::wire::hello::Capability;
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

fn ip() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_map(canonical)
}

fn at() -> impl Strategy<Value = SocketAddr> {
    (ip(), 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn peer() -> impl Strategy<Value = PeerId> {
    any::<[u8; 32]>().prop_map(PeerId::from_bytes)
}

fn failure() -> impl Strategy<Value = (u64, CloseReason)> {
    (any::<u64>(), prop::sample::select(CloseReason::ALL))
}

fn metadata() -> impl Strategy<Value = Box<[u8]>> {
    vec(any::<u8>(), 0..=METADATA_BYTES_MAX).prop_map(Into::into)
}

fn point() -> impl Strategy<Value = SavedPoint> {
    let capability = ("[ -~]{1,32}", any::<u64>()).prop_map(|(name, value)| Capability { name, value });
    let source = prop_oneof![Just(Source::Own), ip().prop_map(|ip| Source::Group(Group::of(ip)))];
    let proof = prop_oneof![Just(Proof::Heard), Just(Proof::Host), Just(Proof::Dialed)];
    let who = (at(), option::of(peer()), vec(capability, 0..=CAPABILITIES_MAX), any::<bool>(), source, proof, any::<bool>());
    let numbers = (any::<u32>(), any::<u8>(), option::of(any::<u64>()), any::<u64>());
    let moments = (option::of(any::<u64>()), option::of(any::<u64>()), option::of(any::<u64>()), option::of(failure()));
    (who, numbers, moments, metadata()).prop_map(|(who, numbers, moments, metadata)| {
        let (at, peer, capabilities, is_own_word, source, proof, is_tried) = who;
        let (attempts, reinstated, bad_until, last_heard) = numbers;
        let (last_dialed, last_seen, last_miss, last_failure) = moments;
        SavedPoint {
            at,
            peer,
            capabilities,
            is_own_word,
            source,
            proof,
            is_tried,
            attempts,
            reinstated,
            bad_until,
            last_heard,
            last_dialed,
            last_seen,
            last_miss,
            last_failure,
            metadata,
        }
    })
}

fn known() -> impl Strategy<Value = SavedPeer> {
    let failures = vec(failure(), 0..=FAILURES_MAX);
    (peer(), any::<u64>(), any::<u64>(), any::<bool>(), failures, metadata()).prop_map(
        |(id, first_seen, last_seen, is_private, failures, metadata)| SavedPeer {
            id,
            first_seen,
            last_seen,
            is_private,
            failures,
            metadata,
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    let net = (ip(), 0..=128_u8).prop_map(|(ip, length)| {
        let length = if ip.is_ipv4() { length.min(32) } else { length };
        Subject::Net(IpNet::new(ip, length).expect("short enough").trunc())
    });
    prop_oneof![peer().prop_map(Subject::Peer), net]
}

fn on_list() -> impl Strategy<Value = OnList> {
    prop_oneof![Just(OnList::Banned), Just(OnList::Trusted), Just(OnList::Greylisted)]
}

fn listed() -> impl Strategy<Value = SavedList> {
    let by = prop_oneof![Just(By::Operator), Just(By::Score)];
    (on_list(), subject(), any::<u64>(), option::of(any::<u64>()), "[ -~]{0,64}…?", by, any::<u32>()).prop_map(
        |(list, subject, since, until, why, by, offences)| {
            // The greylist has no prefixes.
            let is_odd = list == OnList::Greylisted && Culprit::of(&subject).is_none();
            let list = if is_odd { OnList::Trusted } else { list };
            SavedList { list, subject, since, until, why: why.into(), by, offences }
        },
    )
}

fn score() -> impl Strategy<Value = SavedScore> {
    let most = SCORE_MAX * 1_000;
    (peer(), -most..=most, prop::sample::select(&Stage::ALL[..]), any::<bool>(), any::<u64>())
        .prop_map(|(peer, thousandths, stage, is_lifted, at)| SavedScore { peer, thousandths, stage, is_lifted, at })
}

fn kept() -> impl Strategy<Value = Change> {
    let meta = (any::<[u8; 16]>(), any::<u64>());
    let anchor = (at(), peer()).prop_map(|(at, peer)| Anchor { at, peer });
    prop_oneof![
        meta.prop_map(|(key, saved_at)| Change::Meta { key, saved_at }),
        point().prop_map(Change::Point),
        known().prop_map(Change::Peer),
        listed().prop_map(Change::List),
        score().prop_map(Change::Score),
        vec(anchor, 0..=8).prop_map(Change::Anchors),
    ]
}

proptest! {
    #[test]
    fn every_row_is_read_back_as_it_was(change in kept()) {
        let (_, line) = entry(&change);
        let line = line.expect("it is kept");
        prop_assert!(line.len() <= LINE_MAX / 2 && !line.contains('\n'), "{}", line);
        prop_assert_eq!(read(&line), Ok(change));
    }

    #[test]
    fn a_row_goes_by_the_key_that_it_came_by(point in point(), known in known(), entry_of in listed(), score in score()) {
        let pairs = [
            (Change::NoPoint(point.at), Change::Point(point)),
            (Change::NoPeer(known.id), Change::Peer(known)),
            (Change::NoList(entry_of.list, entry_of.subject), Change::List(entry_of)),
            (Change::NoScore(score.peer), Change::Score(score)),
        ];
        for (gone, there) in pairs {
            prop_assert_eq!(entry(&gone), (entry(&there).0, None));
        }
    }

    /// A row of which a character was changed is read or refused; it never panics, and what is read can be written.
    #[test]
    fn a_changed_row_is_read_or_refused(change in kept(), at in any::<prop::sample::Index>(), c in any::<char>()) {
        let line = row(&change).expect("it is kept");
        let mut chars: Vec<char> = line.chars().collect();
        let at = at.index(chars.len());
        chars[at] = c;
        if let Ok(read) = read(&chars.into_iter().collect::<String>()) {
            prop_assert!(row(&read).is_some());
        }
    }
}

#[test]
fn what_is_no_row_says_what_is_wrong_with_it() {
    let id = "ab".repeat(32);
    for (line, expected) in [
        ("".to_owned(), "byte 1: '' where a value"),
        ("7".to_owned(), "a row is an object in braces"),
        ("{}".to_owned(), "'row' is missing"),
        (r#"{"row":"dog"}"#.to_owned(), "'dog' is none of meta, point, peer, list, score, anchors"),
        (r#"{"row":"score","row":"score"}"#.to_owned(), "'row' stands there twice"),
        (format!(r#"{{"row":"score","peer":"{id}","stage":"fine","at":1,"thousandths":1,"x":1}}"#), "'x' is no member"),
        (format!(r#"{{"row":"score","peer":"{id}","stage":"fine","at":1}}"#), "'thousandths' is missing"),
        (format!(r#"{{"row":"score","peer":"{id}","stage":"fine","at":1,"thousandths":1000001}}"#), "is not within"),
        (format!(r#"{{"row":"score","peer":"{id}","stage":"odd","at":1,"thousandths":1}}"#), "'odd' is none of fine, warned"),
        (format!(r#"{{"row":"score","peer":"{id}","stage":"fine","at":-1,"thousandths":1}}"#), "'at': -1 is out of range"),
        (r#"{"row":"score","peer":"ab"}"#.to_owned(), "'peer': 'ab': a peer id is 64 hex digits"),
        (r#"{"row":"point","at":"192.0.2.1:0"}"#.to_owned(), "port 0 cannot be dialed"),
        (r#"{"row":"point","at":"192.0.2.1:65536"}"#.to_owned(), "'at': '192.0.2.1:65536': invalid socket address"),
        (r#"{"row":"point","at":7}"#.to_owned(), "'at': a number where a text is expected"),
        (r#"{"row":"point","at":"192.0.2.1:1","source":"x"}"#.to_owned(), "'x' is neither 'own' nor a group"),
        (r#"{"row":"point","at":"192.0.2.1:1","capabilities":[["",1]]}"#.to_owned(), "is no name of a capability"),
        (r#"{"row":"point","at":"192.0.2.1:1","capabilities":[["a"]]}"#.to_owned(), "1 values where two are expected"),
        (r#"{"row":"list","list":"banned","subject":"192.0.2.0/33"}"#.to_owned(), "is neither a peer id"),
        (
            r#"{"row":"list","list":"greylisted","subject":"192.0.2.0/24","since":1,"by":"score"}"#.to_owned(),
            "'192.0.2.0/24' on the greylist, which has peer ids and single addresses",
        ),
        (format!(r#"{{"row":"meta","key":"{id}"}}"#), "32 bytes, at most 16 are kept"),
        (format!(r#"{{"row":"point","x":"{}"}}"#, "a".repeat(LINE_MAX)), "a row has at most 16384"),
    ] {
        let error = read(&line).expect_err(&line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

/// Whoever tells of an address, its row can be read: also from a /16 whose first /24 is special, as 192.0.0.0/16.
#[test]
fn a_row_may_come_from_any_group() {
    let [Change::Point(point), ..] = first_rows(PeerId::from_bytes([1; 32]), "8.0.2.1:8333".parse().expect("an address")) else {
        panic!("a point")
    };
    let mut groups: Vec<Group> = (0..=u16::MAX).map(|number| Group::V4(number.to_be_bytes())).collect();
    let special = ["10.1.2.3", "192.0.0.9", "64:ff9b:1::1", "::1", "2001:470:f000::1", "2002:c000:4e09::1"];
    groups.extend(special.map(|text| Group::of(text.parse().expect("an address"))));
    for group in groups {
        let change = Change::Point(SavedPoint { source: Source::Group(group), ..point.clone() });
        assert_eq!(read(&row(&change).expect("it is kept")), Ok(change));
    }
}

#[test]
fn a_row_that_cannot_be_read_costs_itself_alone() {
    let id = "ab".repeat(32);
    let ban = Change::List(SavedList {
        list: OnList::Banned,
        subject: "198.51.100.0/24".parse().expect("a prefix"),
        since: 1,
        until: None,
        why: Box::default(),
        by: By::Operator,
        offences: 0,
    });
    let (key, line) = entry(&ban);
    let line = line.expect("it is kept");
    let mut saved = Saved::default();
    take(&mut saved, "point 8.8.8.8:0", "{}");
    take(&mut saved, &key, &line);
    take(&mut saved, &format!("greylisted {id}"), &line);
    assert_eq!(saved.lists.len(), 1);
    assert_eq!(
        saved.unread.first,
        ["row 'point 8.8.8.8:0': 'row' is missing".to_owned(), format!("row 'greylisted {id}': it stands under another's key")]
    );
    (0..100).for_each(|number| take(&mut saved, &format!("\n{number}"), "x"));
    assert_eq!((saved.unread.count, saved.unread.first.len()), (102, 16));
    assert!(saved.unread.first.iter().all(|text| !text.contains('\n')), "it reaches a log");
}

/// Names of members and values are what files hold: whoever changes one has changed the schema.
#[test]
fn the_first_schema_is_this() {
    let peer = PeerId::from_bytes([0xab; 32]);
    let at: SocketAddr = "8.0.2.1:8333".parse().expect("an address");
    let id = "ab".repeat(32);
    let [point, known, entry_of] = first_rows(peer, at);
    let score = SavedScore { peer, thousandths: -5, stage: Stage::Warned, is_lifted: false, at: 9 };
    let lifted = SavedScore { stage: Stage::Banned, is_lifted: true, ..score };
    for (change, key, line) in [
        (
            Change::Meta { key: [1; 16], saved_at: 3 },
            "meta".to_owned(),
            format!(r#"{{"row":"meta","key":"{}","saved_at":3}}"#, "01".repeat(16)),
        ),
        (
            point,
            "point 8.0.2.1:8333".to_owned(),
            format!(
                r#"{{"row":"point","at":"8.0.2.1:8333","peer":"{id}","capabilities":[["archive",7]],"own_word":true,"#
            ) + r#""source":"8.0.0.0/16","proof":"dialed","tried":true,"attempts":1,"reinstated":2,"bad_until":3,"#
                + r#""last_heard":4,"last_dialed":5,"last_seen":6,"last_miss":7,"last_failure":[[8,24]],"metadata":"01ff"}"#,
        ),
        (
            known,
            format!("peer {id}"),
            format!(r#"{{"row":"peer","id":"{id}","first_seen":1,"last_seen":2,"private":true,"failures":[[3,40]]}}"#),
        ),
        (
            entry_of,
            "banned 198.51.100.0/24".to_owned(),
            r#"{"row":"list","list":"banned","subject":"198.51.100.0/24","since":1,"until":2,"why":"said \"no\"","by":"operator"}"#
                .to_owned(),
        ),
        (
            Change::Score(score),
            format!("score {id}"),
            format!(r#"{{"row":"score","peer":"{id}","thousandths":-5,"stage":"warned","at":9}}"#),
        ),
        (
            Change::Score(lifted),
            format!("score {id}"),
            format!(r#"{{"row":"score","peer":"{id}","thousandths":-5,"stage":"banned","lifted":true,"at":9}}"#),
        ),
        (
            Change::Anchors(vec![Anchor { at, peer }]),
            "anchors".to_owned(),
            format!(r#"{{"row":"anchors","anchors":[["8.0.2.1:8333","{id}"]]}}"#),
        ),
    ] {
        assert_eq!(entry(&change), (key, Some(line.clone())));
        let mut saved = Saved::default();
        saved.take(read(&line).expect("a row"));
        assert_ne!(saved, Saved::default());
    }
    let unknown = format!(r#"{{"row":"peer","id":"{id}","first_seen":1,"last_seen":2,"failures":[[3,9999],[4,40]]}}"#);
    let Ok(Change::Peer(known)) = read(&unknown) else { panic!("a reason of a later version is no fault") };
    assert_eq!(known.failures, [(4, CloseReason::Garbage)]);
}

fn first_rows(peer: PeerId, at: SocketAddr) -> [Change; 3] {
    let point = SavedPoint {
        at,
        peer: Some(peer),
        capabilities: vec![Capability { name: "archive".to_owned(), value: 7 }],
        is_own_word: true,
        source: Source::Group(Group::of(at.ip())),
        proof: Proof::Dialed,
        is_tried: true,
        attempts: 1,
        reinstated: 2,
        bad_until: Some(3),
        last_heard: 4,
        last_dialed: Some(5),
        last_seen: Some(6),
        last_miss: Some(7),
        last_failure: Some((8, CloseReason::Reset)),
        metadata: [1, 0xff].into(),
    };
    let known = SavedPeer {
        id: peer,
        first_seen: 1,
        last_seen: 2,
        is_private: true,
        failures: vec![(3, CloseReason::Garbage)],
        metadata: Box::default(),
    };
    let entry_of = SavedList {
        list: OnList::Banned,
        subject: "198.51.100.0/24".parse().expect("a prefix"),
        since: 1,
        until: Some(2),
        why: "said \"no\"".into(),
        by: By::Operator,
        offences: 0,
    };
    [Change::Point(point), Change::Peer(known), Change::List(entry_of)]
}
