//! The calls of a real node that change rates and weights, over loopback. Part of `tests/bandwidth.rs`, which has the exact figures.
#![allow(clippy::disallowed_methods, reason = "tests with real sockets run in real time")]

use super::nodes::{BOOTSTRAP, identity, network};
use bowline::{Channel, ChannelId, CloseReason, Error, Event, LinkId, Node};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);
const CHAT: ChannelId = ChannelId(0x10);

fn built(more: &[(&str, &str)]) -> Node {
    let builder = network(&[BOOTSTRAP, more]).identity(identity());
    builder.channel(Channel::new(CHAT.0, "chat")).expect("a channel").build().expect("valid settings")
}

fn pair(more: &[(&str, &str)]) -> (Node, Node, LinkId) {
    let (a, b) = (built(more), built(more));
    a.start().expect("a free port");
    b.start().expect("a free port");
    let link = a.connect(&b.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
    (a, b, link)
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends 64 messages of 4 KiB and says how long the other end took to have them.
fn pour(a: &Node, b: &Node, link: LinkId) -> Duration {
    let begin = Instant::now();
    let mut got = 0;
    (0..64).for_each(|_| a.send(link, CHAT, &[1; 4_096]).expect("room"));
    while got < 64 {
        got += usize::from(matches!(b.recv_timeout(PATIENCE).expect("it comes"), Event::Message(_)));
    }
    begin.elapsed()
}

#[test]
fn rates_change_under_a_running_node_and_are_shown() {
    let (a, b, link) = pair(&[("bandwidth.peer_up", "1MiB"), ("link.notsent_lowat", "128KiB")]);
    let shown = |node: &Node| node.link_stats(link).map(|stats| [stats.rate_up, stats.rate_down, stats.weight]);
    assert_eq!(shown(&a), Some([1 << 20, 0, 1]), "as the settings say");
    // 256 KiB at 1 MiB/s, of which 20 ms may pass at once.
    assert!(pour(&a, &b, link) >= Duration::from_millis(200));
    a.set_peer_bandwidth(link, 0, 5_000_000).expect("in range");
    a.set_weight(link, 3).expect("in range");
    wait_until("the new rates are shown", || shown(&a) == Some([0, 5_000_000, 3]));
    a.set_bandwidth(512 * 1_024, 0).expect("in range");
    wait_until("the cap is shown", || a.stats().rate_up == 512 * 1_024);
    assert!(pour(&a, &b, link) >= Duration::from_millis(400), "the cap of all links holds");
    a.set_bandwidth(0, 0).expect("no limit");
    wait_until("no cap is shown", || a.stats().rate_up == 0);
    assert!(pour(&a, &b, link) < Duration::from_secs(5));
}

#[test]
fn what_is_out_of_range_is_told_and_changes_nothing() {
    let (a, _b, link) = pair(&[]);
    let before = a.link_stats(link).map(|stats| [stats.rate_up, stats.rate_down, stats.weight]);
    for (result, says) in [
        (a.set_bandwidth(5_645, 0), "bandwidth.up (5645 bytes/s) is too slow: set at least 5646 bytes/s"),
        (a.set_bandwidth(0, u64::MAX), "bandwidth.down (18446744073709551615 bytes/s) is too fast"),
        (a.set_peer_bandwidth(link, 1_023, 0), "bandwidth.peer_up (1023 bytes/s) is too slow: set at least 1024 bytes/s"),
        (a.set_peer_bandwidth(link, 0, 1), "bandwidth.peer_down (1 bytes/s) is too slow"),
        (a.set_weight(link, 0), "weight 0 is out of range: 1 to 4 are allowed (bandwidth.weight_max)"),
        (a.set_weight(link, 5), "weight 5 is out of range: 1 to 4 are allowed (bandwidth.weight_max)"),
    ] {
        let error = result.expect_err(says).to_string();
        assert!(error.starts_with(says), "{error}");
    }
    let nobody = LinkId::from_u64(999);
    for result in [a.set_peer_bandwidth(nobody, 0, 0), a.set_weight(nobody, 1)] {
        assert!(matches!(result, Err(Error::NoLink(link)) if link == nobody), "{result:?}");
    }
    assert_eq!(a.link_stats(link).map(|stats| [stats.rate_up, stats.rate_down, stats.weight]), before);
    assert_eq!([a.stats().rate_up, a.stats().rate_down], [0, 0]);
    assert!(matches!(built(&[]).set_bandwidth(0, 0), Err(Error::State(_))), "before the start");
    a.disconnect(link, CloseReason::Requested).expect("it is open");
    wait_until("the link is gone", || matches!(a.set_weight(link, 1), Err(Error::NoLink(_))));
    a.stop(Duration::ZERO).expect("in time");
    assert!(matches!(a.set_bandwidth(0, 0), Err(Error::Stopped)));
}

/// Sends to a peer that takes nothing until nothing leaves any more.
fn fill(from: &Node, link: LinkId) {
    while from.flush(Some(link), Duration::from_millis(300)).is_ok() {
        while from.try_send(link, CHAT, &[1; 60_000]).is_ok() {}
    }
}

#[test]
fn a_flush_ends_when_everything_has_left() {
    let (a, b, link) = pair(&[]);
    let c = built(&[]);
    c.start().expect("a free port");
    let other = a.connect(&c.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
    a.send(link, CHAT, b"hello").expect("room");
    a.flush(Some(link), PATIENCE).expect("it leaves");
    a.flush(None, PATIENCE).expect("nothing waits");
    fill(&a, link);
    let moment = Duration::from_millis(50);
    for _ in 0..3 {
        assert!(matches!(a.flush(Some(link), moment), Err(Error::Timeout)));
        assert!(matches!(a.flush(None, Duration::ZERO), Err(Error::Timeout)));
    }
    a.flush(Some(other), PATIENCE).expect("the other link has nothing to do with it");
    std::thread::scope(|scope| {
        let all = scope.spawn(|| a.flush(None, PATIENCE));
        std::thread::sleep(moment);
        assert!(!all.is_finished());
        while !all.is_finished() {
            let _ = b.recv_timeout(Duration::from_millis(10));
        }
        all.join().expect("no panic").expect("all was taken");
    });
}

#[test]
fn a_flush_ends_with_its_link_and_with_the_node() {
    let (a, _b, link) = pair(&[]);
    let waiting = |link: Option<LinkId>, end: &dyn Fn()| {
        std::thread::scope(|scope| {
            let flush = scope.spawn(|| a.flush(link, PATIENCE));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!flush.is_finished());
            end();
            flush.join().expect("no panic")
        })
    };
    fill(&a, link);
    let close = || a.disconnect(link, CloseReason::Requested).expect("it is open");
    let ended = waiting(Some(link), &close);
    assert!(matches!(ended, Err(Error::NoLink(gone)) if gone == link), "{ended:?}");
    assert!(matches!(a.flush(Some(link), PATIENCE), Err(Error::NoLink(_))));
    let c = built(&[]);
    c.start().expect("a free port");
    let connect = || a.connect(&c.listen_addresses()[0].to_string(), PATIENCE).expect("a link");
    let again = connect();
    fill(&a, again);
    let close = || a.disconnect(again, CloseReason::Requested).expect("it is open");
    waiting(None, &close).expect("of all links, those that close are passed over");
    wait_until("the link has ended at both ends", || c.find_peer(&a.id()).is_none());
    fill(&a, connect());
    let stop = || drop(a.stop(Duration::ZERO));
    assert!(matches!(waiting(None, &stop), Err(Error::Stopped)));
    assert!(matches!(a.flush(None, PATIENCE), Err(Error::Stopped)));
    assert!(matches!(built(&[]).flush(None, PATIENCE), Err(Error::State(_))));
}
