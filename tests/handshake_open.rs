//! Two machines open a link: signals, verdicts, refusals, goodbyes and timeouts, through the interface that the reactor uses.

mod handshake_support;

use bowline::base::peer::PeerId;
use bowline::base::reason::CloseReason;
use bowline::base::time::Time;
use bowline::base::verdict::Verdict;
use bowline::flow::batch::Pending;
use bowline::session::dialect::{Dialect, Signal};
use bowline::session::local::Profile;
use handshake_support::{End, Pair, Script, address, channels, identity, local, profile, welcome};
use std::time::Duration;

fn names(signals: &[Signal]) -> Vec<&'static str> {
    let name = |signal: &Signal| match signal {
        Signal::Recognised { is_claim: false, .. } => "recognised",
        Signal::Recognised { is_claim: true, .. } => "claimed",
        Signal::Introduced { .. } => "introduced",
        Signal::Opened => "opened",
        Signal::Told { .. } => "told",
    };
    signals.iter().map(name).collect()
}

fn told(end: &End) -> Option<(Option<CloseReason>, usize)> {
    end.signals.iter().find_map(|signal| match signal {
        Signal::Told { motive, alternatives } => Some((*motive, alternatives.len())),
        _ => None,
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn two_sessions_open_whatever_the_chunks() {
    for chunk in [1, 7, 100, usize::MAX] {
        let mut pair = Pair::plain();
        pair.chunk = Box::new(move || chunk);
        let pair = pair.open();
        assert_eq!(pair.a.session.session_id(), pair.b.session.session_id());
        assert!(pair.a.session.session_id().is_some());
        assert_eq!(names(&pair.a.signals), ["recognised", "introduced", "opened"]);
        assert_eq!(names(&pair.b.signals), ["introduced", "opened"]);
        assert_eq!([pair.a.session.peer(), pair.b.session.peer()], [2, 1].map(|seed| Some(identity(seed).id())));
        assert!((0..channels().len() + 2).all(|lane| pair.a.session.is_drained(lane)));
        assert!(!pair.a.session.is_drained(99) && pair.a.inbox.is_empty() && pair.b.inbox.is_empty());
    }
}

#[test]
fn a_dialer_shows_nothing_before_its_owner_has_seen_the_peer() {
    let mut pair = Pair::plain();
    pair.a.verdict = None;
    pair.run();
    assert_eq!(names(&pair.a.signals), ["recognised"]);
    assert!(pair.a.session.is_waiting() && !pair.a.session.wants_write() && pair.a_wrote.len() == 160);
    assert_eq!(pair.a.judge(pair.now, Verdict::refuse(CloseReason::Duplicate)), Err(CloseReason::Duplicate));
    pair.run();
    assert_eq!(pair.a_wrote.len(), 160, "nothing more is written");
}

#[test]
fn a_claim_is_judged_before_the_answer() {
    let ours = Profile { is_claiming: true, ..profile(1) };
    let mut pair = Pair::of(&local(ours), &local(Profile { is_claim_required: true, ..profile(2) }));
    pair.b.verdict = None;
    pair.run();
    assert_eq!((names(&pair.b.signals), pair.b_wrote.len()), (vec!["claimed"], 0));
    assert!(pair.b.session.is_waiting() && pair.b.session.peer().is_none());
    pair.b.judge(pair.now, Verdict::Proceed).expect("waited for");
    pair.b.verdict = Some(welcome);
    let pair = pair.open();
    assert_eq!(names(&pair.b.signals), ["claimed", "introduced", "opened"]);
}

#[test]
fn who_is_banned_or_not_trusted_hears_not_a_word() {
    for motive in [CloseReason::Banned, CloseReason::NotTrusted] {
        let refuse = |signal: &Signal| match signal {
            Signal::Introduced { .. } => Some(Verdict::Refuse { motive: CloseReason::Banned, alternatives: Vec::new() }),
            other => welcome(other),
        };
        let mut pair = Pair::plain();
        pair.b.verdict = Some(refuse);
        pair.run();
        assert_eq!((pair.b.error, pair.a.error, told(&pair.a)), (Some(CloseReason::Banned), None, None));
        assert!(!pair.b.session.wants_write());
        // Nor when the link is open already.
        let mut pair = Pair::plain().open();
        let before = pair.b_wrote.len();
        pair.b.session.close(motive);
        assert!(!pair.b.session.wants_write(), "{motive}");
        pair.run();
        assert_eq!((pair.b_wrote.len(), told(&pair.a)), (before, None), "{motive}");
    }
}

#[test]
fn a_refused_peer_learns_the_motive_and_where_else_to_go() {
    let refuse = |signal: &Signal| match signal {
        Signal::Introduced { .. } => Some(Verdict::Refuse {
            motive: CloseReason::TooManyLinks,
            alternatives: vec!["seed.example:9732".parse().expect("an address"); 120],
        }),
        other => welcome(other),
    };
    // The acceptor refuses.
    let mut pair = Pair::plain();
    pair.b.verdict = Some(refuse);
    pair.run();
    assert_eq!((pair.b.error, told(&pair.b)), (Some(CloseReason::TooManyLinks), None));
    assert_eq!((pair.a.error, told(&pair.a)), (Some(CloseReason::Nacked), Some((Some(CloseReason::TooManyLinks), 100))));
    assert_eq!(names(&pair.a.signals), ["recognised", "told"]);
    // The dialer refuses: the acceptor had opened.
    let mut pair = Pair::plain();
    pair.a.verdict = Some(refuse);
    pair.run();
    assert_eq!((pair.a.error, pair.b.error), (Some(CloseReason::TooManyLinks), Some(CloseReason::Nacked)));
    assert_eq!(names(&pair.b.signals), ["introduced", "opened", "told"]);
}

#[test]
fn a_verdict_that_nobody_waits_for_ends_the_session() {
    let mut pair = Pair::plain();
    assert_eq!(pair.a.judge(pair.now, Verdict::Proceed), Err(CloseReason::Internal));
    let mut pair = Pair::plain();
    pair.a.verdict = None;
    pair.run();
    assert_eq!(pair.a.judge(pair.now, Verdict::Admit), Err(CloseReason::Internal));
    let mut pair = Pair::plain();
    pair.b.verdict = None;
    pair.run();
    assert_eq!(pair.b.judge(pair.now, Verdict::Proceed), Err(CloseReason::Internal));
    assert_eq!(pair.b.judge(pair.now, Verdict::Admit), Err(CloseReason::Internal), "the first error stays");
}

#[test]
fn deadlines_of_the_opening_are_absolute() {
    let at = |seconds: u64| Time::ZERO + self::seconds(seconds);
    // 159 bytes, one at a time, and then nothing: three seconds from the start.
    let mut pair = Pair::plain();
    let m1 = pair.a.write(pair.now, 1_000);
    assert_eq!((pair.a.session.deadline(), pair.b.session.deadline()), (Some(at(5)), Some(at(3))));
    for (i, byte) in m1[..159].iter().enumerate() {
        pair.b.deliver(Time::from_nanos(i as u64 * 18_000_000), &[*byte]);
    }
    pair.b.pass_time(Time::from_nanos(2_999_999_999));
    assert_eq!((pair.b.error, pair.b.session.deadline()), (None, Some(at(3))));
    pair.b.pass_time(at(3));
    assert_eq!(pair.b.error, Some(CloseReason::HandshakeTimeout));
    // After the first message: five seconds, also while a verdict is awaited.
    for waits in [1, 2, 3] {
        let mut pair = Pair::plain();
        if waits == 1 {
            pair.b.deliver(Time::ZERO, &pair.a.write(pair.now, 1_000));
        } else {
            let silent = if waits == 2 { &mut pair.a } else { &mut pair.b };
            silent.verdict = None;
            pair.run();
        }
        for end in [&mut pair.a, &mut pair.b] {
            if !end.is_open() {
                assert_eq!(end.session.deadline(), Some(at(5)));
                end.pass_time(at(5));
                assert_eq!(end.error, Some(CloseReason::HandshakeTimeout));
                assert_eq!(end.session.deadline(), None);
            }
        }
    }
}

#[test]
fn pings_keep_an_idle_link_and_measure_it() {
    let mut pair = Pair::plain().open();
    assert_eq!(pair.a.session.rtt(), None);
    for _ in 0..300 {
        pair.wait(seconds(1));
        assert_eq!((pair.a.error, pair.b.error), (None, None));
    }
    assert_eq!((pair.a.session.rtt(), pair.b.session.rtt()), (Some(Duration::ZERO), Some(Duration::ZERO)));
    // A ping and a pong each, at one second and then every thirty: ten times 27 bytes twice.
    assert_eq!((pair.a_wrote.len(), pair.b_wrote.len()), (540, 540));
    // Now the other side is gone.
    let now = pair.now + seconds(60);
    pair.a.pass_time(now);
    assert!(!pair.a.write(now, 1_000).is_empty());
    assert_eq!(pair.a.session.deadline(), Some(now + seconds(60)));
    pair.a.pass_time(now + seconds(60));
    assert_eq!(pair.a.error, Some(CloseReason::PingTimeout));
}

#[test]
fn a_ping_is_not_held_up_by_bulk() {
    let mut pair = Pair::plain().open();
    let mut pending = Pending::default();
    (0..10_000).for_each(|_| pending.push(bowline::base::channel::Kind::Message, 0, &[1; 100]));
    pair.a.give(2, &mut pending);
    let now = pair.now + seconds(1);
    pair.a.pass_time(now);
    let wrote = pair.a.write(now, 1);
    assert_eq!(wrote[..2], [0, 25], "the ping is the first record");
}

#[test]
fn a_goodbye_names_its_reason_and_is_the_last_word() {
    let mut pair = Pair::plain().open();
    let mut pending = Pending::default();
    (0..10).for_each(|_| pending.push(bowline::base::channel::Kind::Message, 0, &[1; 100]));
    pair.a.give(2, &mut pending);
    pair.a.session.close(CloseReason::Evicted);
    pair.a.session.close(CloseReason::Stopped);
    pair.run();
    assert_eq!((pair.b.error, told(&pair.b)), (Some(CloseReason::Goodbye), Some((Some(CloseReason::Evicted), 0))));
    assert_eq!((pair.b.received.len(), pair.a.session.unsent()), (0, (10, 1_000)));
    assert!(!pair.a.session.wants_write() && !pair.b.session.wants_write());
    pair.a.deliver(pair.now, &[1]);
    assert_eq!(pair.a.error, Some(CloseReason::Evicted));
    // Without keys there is nobody to say it to.
    let mut pair = Pair::plain();
    pair.b.session.close(CloseReason::Stopped);
    assert!(!pair.b.session.wants_write());
    // Before the link is open it is a refusal.
    let mut pair = Pair::plain();
    pair.b.verdict = None;
    pair.run();
    pair.b.session.close(CloseReason::Stopped);
    pair.run();
    assert_eq!((pair.a.error, told(&pair.a)), (Some(CloseReason::Nacked), Some((Some(CloseReason::Stopped), 0))));
}

#[test]
fn only_channels_of_both_sides_can_be_used() {
    let ours = Profile { channels: channels(), ..profile(1) };
    let theirs = Profile { channels: channels()[1..].to_vec(), ..profile(2) };
    let mut pair = Pair::of(&local(ours), &local(theirs)).open();
    assert!(!pair.a.session.is_drained(2) && pair.a.session.is_drained(3));
    let mut pending = Pending::default();
    pending.push(bowline::base::channel::Kind::Message, 0, b"x");
    pair.a.session.refill(2, &mut pending);
    assert_eq!((pending.len(), pair.a.session.wants_write()), (1, false), "it stays with its owner");
}

#[test]
fn a_message_that_the_peer_does_not_take_is_left_out_and_reported() {
    let small = channels().into_iter().map(|channel| bowline::base::channel::Channel { message_bytes_max: 100, ..channel });
    let theirs = Profile { channels: small.collect(), ..profile(2) };
    let mut pair = Pair::of(&local(Profile { channels: channels(), ..profile(1) }), &local(theirs)).open();
    let mut pending = Pending::default();
    for len in [100, 101, 7] {
        pending.push(bowline::base::channel::Kind::Message, 0, &vec![1; len]);
    }
    pair.a.give(2, &mut pending);
    pair.run();
    assert_eq!(pair.b.received.iter().map(|message| message.3.len()).collect::<Vec<_>>(), [100, 7]);
    assert_eq!((pair.a.session.unsent(), pair.b.error), ((1, 101), None));
}

#[test]
fn a_puzzle_is_solved_in_slices_within_the_deadline() {
    let mut pair = Pair::plain();
    pair.b.gate.set_half_open(128);
    let m1 = pair.a.write(pair.now, 1_000);
    pair.b.deliver(pair.now, &m1);
    let challenge = pair.b.write(pair.now, 1_000);
    assert_eq!(challenge.len(), 32);
    pair.a.deliver(pair.now, &challenge);
    assert_eq!((pair.a.session.deadline(), pair.a.session.wants_write()), (Some(Time::ZERO), false));
    let mut slices = 0;
    while !pair.a.session.wants_write() {
        pair.a.pass_time(pair.now);
        slices += 1;
        assert!(slices < 100, "4,096 hashes on average, 2,000 at a time");
    }
    pair.open();
    // Who solves for too long gives up like everybody else.
    let mut a = End::dialer(&local(profile(1)), address("203.0.113.9:1"), None, Script::seeded(3));
    a.write(Time::ZERO, 1_000);
    a.deliver(Time::ZERO, &challenge);
    a.pass_time(Time::ZERO + seconds(5));
    assert_eq!(a.error, Some(CloseReason::HandshakeTimeout));
}

#[test]
fn load_is_felt_by_the_next_handshake() {
    let ours = local(profile(1));
    let theirs = local(profile(2));
    let mut gate = bowline::session::gate::Gate::new(&mut bowline::base::rng::Rng::from_seed(1), 8, 1_000_000);
    let (mut answered, mut challenged) = (0, 0);
    for i in 0..2_000 {
        let mut a = End::dialer(&ours, address("203.0.113.9:1"), None, Script::seeded(i));
        let mut b = End::acceptor(&theirs, address("198.51.100.7:2"), Script::seeded(i));
        std::mem::swap(&mut gate, &mut b.gate);
        b.deliver(Time::ZERO, &a.write(Time::ZERO, 1_000));
        std::mem::swap(&mut gate, &mut b.gate);
        match b.write(Time::ZERO, 1_000).len() {
            164 => answered += 1,
            32 => challenged += 1,
            other => panic!("{other} bytes"),
        }
    }
    // 100 ms at 85 µs each.
    assert_eq!((answered, challenged), (1_177, 823));
}

#[test]
fn half_open_sessions_are_small() {
    use bowline::crypto::noise::Handshake;
    use bowline::session::{bowline::Bowline, handshake_initiator::Initiator, handshake_responder::Responder};
    let largest = size_of::<Initiator>().max(size_of::<Responder>());
    let sum = size_of::<Bowline>() + largest + size_of::<Handshake>() + 160;
    println!("a half-open session takes {sum} bytes and its unread input");
    assert!(sum <= 1_024, "{sum}");
    assert_eq!(size_of::<PeerId>(), 32);
}
