//! The engine over real sockets with things going wrong that no whole node can be made to do: a dialect that panics, a system without
//! descriptors, a transport that counts. Threads are not needed: the test turns the engine itself.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

use bowline::base::channel::{ChannelId, Kind};
use bowline::base::link_id::LinkId;
use bowline::base::reason::CloseReason;
use bowline::base::shut::Shut;
use bowline::base::time::Time;
use bowline::bus::command::Command;
use bowline::bus::link::Body;
use bowline::bus::report::Report;
use bowline::bus::requests::Asker;
use bowline::flow::batch::Ticket;
use bowline::reactor::engine::Next;
use bowline::reactor::limits::Limits;
use bowline::settings::table::Settings;
use bytes::Bytes;
use crossbeam_channel::TryRecvError;
use rig::{ECHO_DEADLINE, FULL, Rig};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

#[path = "reactor/rig.rs"]
mod rig;

#[test]
fn a_panic_while_decoding_costs_the_peer_its_link_and_nobody_else() {
    let mut rig = Rig::new(|_| {});
    let (mut good, _) = rig.greeted();
    rig.echo(&mut good, b"before");
    // A session that has panicked panics again at whatever it is asked: it must not be asked for last words, open or not.
    for (count, first) in [(1, &b"x"[..]), (2, b"+")] {
        let (mut bad, link) = rig.greeted();
        rig.echo(&mut bad, first);
        bad.write_all(b"!").expect("sent");
        assert_eq!(rig.closed(link), CloseReason::PanicContained);
        assert_eq!(rig.counters.read().panics_contained, count);
    }
    rig.echo(&mut good, b"after");
}

/// Who asks for a listener and does not wait for it gets none: it could not know the port.
#[test]
fn a_listener_that_nobody_waits_for_is_closed_again() {
    let mut rig = Rig::new(|_| {});
    let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let (answer, opened) = crossbeam_channel::bounded(1);
    rig.commands.send(Command::Listen { at: free, answer }).expect("room");
    rig.turn_until(|_| !opened.is_empty());
    let bound = opened.recv().expect("an answer").expect("a free port");
    assert_eq!(rig.listening.read(), [rig.at, bound]);
    let taken = TcpListener::bind(free).and_then(|taken| taken.local_addr()).expect("a free port");
    let (answer, opened) = crossbeam_channel::bounded(1);
    drop(opened);
    rig.commands.send(Command::Listen { at: taken, answer }).expect("room");
    rig.turn_until(|rig| rig.commands.is_empty());
    assert_eq!(rig.listening.read(), [rig.at, bound]);
    TcpListener::bind(taken).expect("nobody listens there");
}

/// A door that opens while everybody is sent home would stay open, and a stopped node's list of addresses would be wrong.
#[test]
fn whoever_stops_opens_no_listener_any_more() {
    let mut rig = Rig::new(|_| {});
    let (answer, opened) = crossbeam_channel::bounded(1);
    let (other, closed) = crossbeam_channel::bounded(1);
    let free: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    rig.commands.send(Command::StopListening).expect("room");
    rig.commands.send(Command::Listen { at: free, answer }).expect("room");
    rig.commands.send(Command::Unlisten { at: rig.at, answer: other }).expect("room");
    rig.turn_until(|rig| rig.commands.is_empty());
    rig.turn_until(|_| matches!(opened.try_recv(), Err(TryRecvError::Disconnected)));
    assert_eq!(closed.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(rig.listening.read(), [rig.at], "what it has said stays said");
}

#[test]
fn a_link_that_lingers_with_mail_left_does_not_spin() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, link) = rig.greeted();
    rig.echo(&mut peer, b"+n");
    let mailbox = rig.roster.find(link).expect("it is open");
    let rings = mailbox.push(0, Kind::Message, 0, Body::Slice(b"never sent"), None);
    assert_eq!(rings, Ok(true));
    rig.bell.ring_for(link);
    rig.echo(&mut peer, b"x");
    rig.commands.send(Command::Close { link, reason: CloseReason::Stalled }).expect("room");
    let mut part = [0; 16];
    rig.turn_until(|_| matches!(peer.read(&mut part), Ok(7)));
    let (begin, turns) = (rig.now(), rig.counters.read().turns);
    // The peer keeps its end open, and the goodbye is all there is to say.
    rig.turn_until(|rig| rig.now().since(begin) > Duration::from_millis(200));
    assert_eq!(rig.engine.len(), 1, "it lingers");
    assert!(rig.counters.read().turns - turns < 100, "{} turns", rig.counters.read().turns - turns);
}

#[test]
fn last_words_reach_a_peer_that_still_sends() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, link) = rig.greeted();
    peer.write_all(b"?").expect("sent");
    assert_eq!(rig.closed(link), CloseReason::BadRecord);
    // More that nobody reads any more: closing at once would reset the connection and lose the words.
    peer.write_all(&[b'x'; 100_000]).expect("sent");
    let mut got = Vec::new();
    rig.turn_until(|_| {
        let mut part = [0; 64];
        if let Ok(n) = peer.read(&mut part) {
            got.extend_from_slice(&part[..n]);
        }
        got.len() == b"last words".len()
    });
    drop(peer);
    rig.turn_until(|rig| rig.engine.is_empty());
}

#[test]
fn running_out_of_descriptors_sheds_rests_and_goes_on() {
    let mut rig = Rig::new(|_| {});
    rig.net.failures = 1;
    let shed = TcpStream::connect(rig.at).expect("the kernel accepts");
    rig.turn_until(|rig| rig.net.shed == 1);
    assert!(
        matches!(rig.next, Next::At(at) if rig.now().until(at) <= Duration::from_millis(100)),
        "it waits for a timer: {:?}",
        rig.next
    );
    let turns = rig.counters.read().turns;
    // No edge comes for a connection that waits already; the timer must look.
    let (mut second, _) = rig.greeted();
    rig.echo(&mut second, b"in");
    assert_eq!(rig.counters.read().accept_no_files, 1);
    assert!(rig.counters.read().turns - turns < 1_000, "it does not spin");
    drop(shed);
}

#[test]
fn the_listeners_rest_as_long_as_the_settings_say() {
    let mut settings = Settings { discovery_bootstrap: true, ..Settings::new("test") };
    settings.accept_retry_period = Duration::from_millis(700);
    let rest = Limits::of(&settings.check().expect("valid"), None).accept_rest;
    assert_eq!(rest, Duration::from_millis(700));
    let mut rig = Rig::new(|limits| limits.accept_rest = rest);
    rig.net.failures = 1;
    let _shed = TcpStream::connect(rig.at).expect("the kernel accepts");
    rig.turn_until(|rig| rig.net.shed == 1);
    let begin = rig.now();
    rig.greeted();
    let rested = rig.now().since(begin);
    assert!(rested >= Duration::from_millis(600), "{rested:?}");
}

#[test]
fn arrivals_beyond_the_bound_wait_in_the_kernel() {
    let mut rig = Rig::new(|limits| limits.conns_max = 2);
    let (first, link) = rig.greeted();
    let (_second, _) = rig.greeted();
    let mut third = TcpStream::connect(rig.at).expect("the backlog has room");
    third.write_all(b"hi").expect("sent");
    rig.turn_until(|rig| rig.start.elapsed() > Duration::from_millis(150));
    assert_eq!(rig.engine.len(), 2);
    drop(first);
    assert_eq!(rig.closed(link), CloseReason::Truncated);
    rig.turn_until(|rig| rig.engine.len() == 2);
}

#[test]
fn an_arrival_that_nobody_greets_is_closed() {
    let mut rig = Rig::new(|limits| limits.greet_timeout = Duration::from_millis(50));
    let _mute = TcpStream::connect(rig.at).expect("it listens");
    let mut closed = None;
    rig.turn_until(|rig| {
        let reason = |r| if let Report::Closed { reason, .. } = r { Some(reason) } else { None };
        closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
        closed.is_some()
    });
    assert_eq!(closed, Some(CloseReason::HandshakeTimeout));
}

#[test]
fn a_peer_that_does_not_read_is_closed() {
    let mut rig = Rig::new(|limits| limits.write_stall_timeout = Duration::from_millis(200));
    let (mut deaf, link) = rig.greeted();
    let flood = vec![b'x'; 64 * 1_024];
    let mut closed = None;
    rig.turn_until(|rig| {
        // Everything is echoed, nothing is read: buffers fill, then the echo stands still.
        let _ = deaf.write(&flood);
        let reason = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
        closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
        closed.is_some()
    });
    assert_eq!(closed, Some(CloseReason::WriteStalled));
}

#[test]
fn waiting_for_our_own_tokens_is_no_stall() {
    // A turn of 1,460 bytes every 365 ms.
    let change = |limits: &mut Limits| (limits.link_up, limits.write_stall_timeout) = (4_000, Duration::from_millis(200));
    let mut rig = Rig::new(change);
    let (mut peer, _) = rig.greeted();
    let begin = rig.now();
    rig.echo(&mut peer, &[b'x'; 5_000]);
    assert!(rig.now().since(begin) > Duration::from_millis(365), "it had to wait");
}

#[test]
fn a_stall_begins_when_the_socket_is_found_full() {
    let change = |limits: &mut Limits| (limits.link_up, limits.write_stall_timeout) = (4_000, Duration::from_millis(300));
    let mut rig = Rig::new(change);
    let (mut peer, link) = rig.greeted();
    peer.write_all(&[b'x'; 5_000]).expect("buffered");
    rig.turn_until(|rig| rig.counters.read().bytes_out >= 2_920);
    // The next tokens come in 365 ms: longer than the peer may stall, but not its doing.
    rig.net.is_full = true;
    assert_eq!(rig.closed(link), CloseReason::WriteStalled);
    let full = rig.net.found_full.expect("it was written to").elapsed();
    assert!(full >= Duration::from_millis(299), "{full:?} after it was found full");
}

#[test]
fn only_a_peer_that_does_not_read_is_blamed_for_control_messages_that_wait() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, link) = rig.greeted();
    rig.echo(&mut peer, b"+");
    let say = || Command::Say { link, channel: ChannelId::PEX, kind: Kind::Message, request: FULL, body: Bytes::new() };
    rig.commands.send(say()).expect("room");
    rig.echo(&mut peer, b"still here");
    rig.net.is_full = true;
    peer.write_all(b"x").expect("sent");
    rig.turn_until(|rig| rig.net.found_full.is_some());
    rig.commands.send(say()).expect("room");
    assert_eq!(rig.closed(link), CloseReason::ControlNotRead);
}

#[test]
fn who_waits_for_its_own_tokens_delays_nobody_else() {
    // 2,920 bytes at once, then a turn every 14 s.
    let mut rig = Rig::new(|limits| limits.link_up = 100);
    let (mut slow, _) = rig.greeted();
    rig.echo(&mut slow, b"+");
    slow.write_all(&[b'x'; 5_000]).expect("buffered");
    let (mut free, link) = rig.greeted();
    rig.echo(&mut free, b"+");
    rig.turn_until(|rig| rig.counters.read().bytes_out > 2_800);
    // The goodbye of the free one comes into the turns when the writing of this turn is over.
    let deadline = rig.now() + Duration::from_secs(5);
    rig.commands.send(Command::Drain { deadline }).expect("room");
    assert_eq!(rig.closed(link), CloseReason::Stopped);
    assert_eq!(rig.next, Next::Now);
}

#[test]
fn a_rate_is_kept() {
    // 100 KiB at 200 KiB/s, of which the bucket's depth passes at once.
    let mut rig = Rig::new(|limits| limits.link_up = 200 * 1_024);
    let (mut peer, _) = rig.greeted();
    let begin = rig.start.elapsed();
    peer.write_all(&[b'x'; 100 * 1_024]).expect("buffered");
    let mut got = 0;
    rig.turn_until(|_| {
        let mut part = [0; 4_096];
        while let Ok(n @ 1..) = peer.read(&mut part) {
            got += n;
        }
        got == 100 * 1_024
    });
    assert!(rig.start.elapsed() - begin >= Duration::from_millis(400), "faster than its rate");
}

#[test]
fn a_refused_dial_is_reported_and_a_drain_ends_everything() {
    let mut rig = Rig::new(|_| {});
    let (_peer, link) = rig.greeted();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let dialed = LinkId::from_u64(1_000);
    rig.commands.send(Command::Dial { link: dialed, to: free, expect: None, tag: None }).expect("room");
    assert_eq!(rig.closed(dialed), CloseReason::ConnectionRefused);
    let deadline = rig.now() + Duration::from_millis(200);
    rig.commands.send(Command::Drain { deadline }).expect("room");
    assert_eq!(rig.closed(link), CloseReason::Stopped);
    rig.turn_until(|rig| rig.next == Next::Ended);
    assert!(TcpStream::connect(rig.at).is_err(), "nobody listens any more");
}

#[test]
fn a_deadline_that_is_always_now_gets_one_slice_a_turn() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, _) = rig.greeted();
    peer.write_all(b"*").expect("sent");
    // The turn that reads it, and at least one more for each slice: what else is ready has its chance between them.
    let mut turns = 0;
    rig.turn_until(|rig| {
        turns += u32::from(matches!(rig.next, Next::At(Time::ZERO)));
        let mut part = [0; 8];
        turns > 0 && peer.read(&mut part).is_err() && !matches!(rig.next, Next::At(Time::ZERO))
    });
    assert_eq!(turns, 3, "one slice in each turn");
}

#[test]
fn control_messages_do_not_put_a_missing_pong_off() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, link) = rig.greeted();
    rig.echo(&mut peer, b"+d");
    let mut closed = None;
    let begin = rig.now();
    rig.turn_until(|rig| {
        let _ = peer.write(b"c");
        rig.control.try_iter().for_each(drop);
        let reason = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
        closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
        closed.is_some() || rig.now().since(begin) > 4 * ECHO_DEADLINE
    });
    assert_eq!(closed, Some(CloseReason::PingTimeout));
}

#[test]
fn while_we_do_not_read_a_peer_it_is_not_late_and_in_the_end_it_is_told() {
    let mut rig = Rig::new(|limits| limits.stall_timeout = 3 * ECHO_DEADLINE);
    let (mut peer, link) = rig.greeted();
    rig.echo(&mut peer, b"+d");
    let begin = rig.now();
    // The queue to exchange takes four and nobody takes them from it.
    rig.echo(&mut peer, b"cccccc");
    assert_eq!(rig.closed(link), CloseReason::Stalled);
    assert!(rig.now().since(begin) >= 3 * ECHO_DEADLINE);
    let mut part = [0; 16];
    rig.turn_until(|_| matches!(peer.read(&mut part), Ok(7)));
    assert_eq!(&part[..7], b"goodbye");
}

#[test]
fn a_link_that_is_not_open_holds_one_record_at_most() {
    for (first, reason) in [(b'=', None), (b'#', Some(CloseReason::BadHandshake))] {
        let mut rig = Rig::new(|_| {});
        let (mut peer, link) = rig.greeted();
        let mut flood = vec![b'x'; 200_000];
        flood[0] = first;
        let sent = peer.write(&flood).expect("the kernel takes it");
        assert!(sent > 100_000, "{sent}");
        let begin = rig.now();
        rig.turn_until(|rig| rig.now().since(begin) > Duration::from_millis(100));
        assert!(rig.counters.read().bytes_in <= 2 + 65_535, "{}", rig.counters.read().bytes_in);
        let closed = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
        assert_eq!(rig.reports.try_iter().find_map(closed), reason);
        assert!(rig.counters.read().turns < 1_000, "it does not spin");
    }
}

#[test]
fn who_spoke_while_we_were_stopped_is_not_late() {
    for (said, closes) in [(&b"x"[..], false), (b"", true)] {
        let mut rig = Rig::new(|_| {});
        let (mut peer, link) = rig.greeted();
        rig.echo(&mut peer, b"+d");
        peer.write_all(said).expect("sent");
        // No turn comes for far longer than the deadline: the process had no processor, or was stopped.
        std::thread::park_timeout(ECHO_DEADLINE + Duration::from_millis(1_100));
        let begin = rig.now();
        let mut closed = None;
        rig.turn_until(|rig| {
            let reason = |r| if let Report::Closed { link: l, reason, .. } = r { (l == link).then_some(reason) } else { None };
            closed = closed.or_else(|| rig.reports.try_iter().find_map(reason));
            closed.is_some() || rig.now().since(begin) > ECHO_DEADLINE / 2
        });
        assert_eq!(closed, closes.then_some(CloseReason::PingTimeout));
    }
}

/// Calls that ask again and again where there is no room: each is late while it waits, and none leaves a cancel that nobody sends.
#[test]
fn requests_that_are_late_before_they_are_queued_leave_nothing_in_the_mailbox() {
    let mut rig = Rig::new(|_| {});
    let (mut peer, id) = rig.greeted();
    rig.echo(&mut peer, b"+n");
    let link = rig.roster.find(id).expect("it is open");
    let ask = |rig: &Rig| link.requests.ask(ChannelId(0x10), 4, rig.now(), Asker::Event(Ticket { tag: 1, queue: 0 }));
    for round in 1..=50_u64 {
        let number = ask(&rig).expect("there is a place");
        rig.bell.ring_for(id);
        rig.turn_until(|rig| rig.counters.requests_late.value() == round);
        // The call gives up.
        link.requests.forget(number);
    }
    assert_eq!(link.backlogs(rig.now())[0].messages, 0);
    // One that was sent is taken back.
    let number = ask(&rig).expect("there is a place");
    assert!(!link.requests.queued(number));
    rig.bell.ring_for(id);
    rig.turn_until(|rig| rig.counters.requests_late.value() == 51);
    assert_eq!(link.backlogs(rig.now())[0].messages, 1);
    assert!(!link.requests.is_to_be_told(number), "its place is free behind that");
}

#[test]
fn ten_thousand_connects_from_a_banned_address_make_nothing() {
    let mut rig = Rig::new(|_| {});
    let banned = [("127.0.0.0/8".parse().expect("a prefix"), Time::MAX)].into_iter().collect();
    rig.door.publish(Shut { version: 1, banned, ..Shut::default() });
    let mut shut = 0;
    while shut < 10_000 {
        // As many as wait in the kernel's queue.
        let waiting: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(rig.at).expect("the kernel accepts")).collect();
        shut += waiting.len() as u64;
        rig.turn_until(|rig| {
            assert!(rig.reports.is_empty() && rig.engine.is_empty(), "something was made for it");
            rig.counters.read().arrivals_shut == shut
        });
    }
    let stats = rig.counters.read();
    assert_eq!((stats.arrivals, stats.arrivals_refused, stats.bytes_out), (10_000, 0, 0));
    // The door opens when it is told to.
    rig.door.publish(Shut { version: 2, ..Shut::default() });
    let (mut stream, _) = rig.greeted();
    rig.echo(&mut stream, b"in");
}
