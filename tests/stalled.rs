//! A hundred peers that read nothing while 10 MB/s are broadcast to them and to one who does, in virtual time: what waits for them is
//! bounded, every message that they do not get is counted, the heap grows by less than the node computes, and the honest one notices
//! nothing. `benches/fair` tells the same story on sockets. One test, because it counts what the whole program allocates.

use bowline::base::channel::{Channel, ChannelId};
use bowline::base::limits::{FRAME_MAX, WRITE_BUFFER};
use bowline::base::time::Time;
use bowline::bus::event::Event;
use bowline::bus::link::PushError;
use bowline::settings::table::Settings;
use bowline::sim::pipe::Weather;
use star::{Star, Way};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[allow(dead_code, reason = "tests/bandwidth.rs uses the rest")]
#[path = "bandwidth/star.rs"]
mod star;

const STALLED: usize = 100;
const FLOOD: ChannelId = ChannelId(0x20);
const TRIP: ChannelId = ChannelId(0x21);
/// One each millisecond: 10 MB/s.
const MESSAGE: usize = 10_000;
const PERIOD: Duration = Duration::from_millis(1);
const SPAN: Duration = Duration::from_millis(600);
/// Time between two looks at what has arrived.
const LOOK: Duration = Duration::from_micros(100);

/// Bytes that the program has allocated and not given back.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator as it came; counting has no effect on memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

fn channels() -> Vec<Channel> {
    vec![Channel::new(FLOOD.0, "flood"), Channel { priority: 16, ..Channel::new(TRIP.0, "trip") }]
}

fn change(settings: &mut Settings) {
    (settings.pool_max, settings.pool_expected, settings.pool_outbound_max) = (120, 110, Some(2));
}

/// What a run showed.
struct Run {
    /// One-way times to the honest peer, sorted.
    times: Vec<Duration>,
    broadcasts: u64,
    /// Copies that found no room, and that were taken, of each peer.
    full: Vec<u64>,
    taken: Vec<u64>,
    /// Bytes of these that were not written.
    waiting: Vec<u64>,
    grown: usize,
    budget: u64,
}

/// The honest peer is leaf 0; all others stop reading before the broadcast begins.
fn run(stalled: usize) -> Run {
    let mut star = Star::with(1, 1 + stalled as u16, Way::Up, channels(), change);
    star.world.is_prompt = true;
    (1..=stalled).for_each(|leaf| star.freeze(leaf));
    let before: Vec<u64> = (0..=stalled).map(|leaf| star.link_stats(leaf).bytes_out).collect();
    let (mut full, mut taken) = (vec![0; 1 + stalled], vec![0; 1 + stalled]);
    let (mut times, mut asked, mut broadcasts) = (Vec::new(), None::<Time>, 0);
    let message = vec![3; MESSAGE];
    let heap = ALLOCATED.load(Ordering::Relaxed);
    let (begin, mut most) = (star.world.now(), heap);
    while star.world.now().since(begin) < SPAN {
        if star.world.now().since(begin) >= PERIOD * broadcasts {
            broadcasts += 1;
            for leaf in 0..=stalled {
                match star.world.send(star.hub, star.links[leaf], FLOOD, &message) {
                    Ok(()) => taken[leaf] += 1,
                    Err(PushError::Full) => full[leaf] += 1,
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        if asked.is_none() {
            star.world.send(star.hub, star.links[0], TRIP, &[1; 100]).expect("room");
            asked = Some(star.world.now());
        }
        star.world.run_for(LOOK).expect("the rules hold");
        let has_come = |event: &Event| matches!(event, Event::Message(message) if message.channel == TRIP);
        if star.leaf_events(0).iter().any(has_come) {
            times.extend(asked.take().map(|asked| star.world.now().since(asked)));
        }
        most = most.max(ALLOCATED.load(Ordering::Relaxed));
    }
    times.sort_unstable();
    let written = |leaf: usize| star.link_stats(leaf).bytes_out - before[leaf];
    let waiting = (0..=stalled).map(|leaf| (taken[leaf] * MESSAGE as u64).saturating_sub(written(leaf))).collect();
    let settings = star.world.host(star.hub).expect("it lives").settings();
    let budget = settings.memory_bytes_max(&channels()).bytes();
    Run { times, broadcasts: u64::from(broadcasts), full, taken, waiting, grown: most - heap, budget }
}

#[test]
fn a_hundred_peers_that_never_read_cost_what_is_computed_and_nobody_else_notices() {
    let (alone, beside) = (run(0), run(STALLED));
    let p99 = |run: &Run| run.times[run.times.len() - 1 - run.times.len() / 100];
    println!("{} trips alone, {} beside; p99 {:?} and {:?}", alone.times.len(), beside.times.len(), p99(&alone), p99(&beside));
    assert!(p99(&beside) <= 2 * p99(&alone), "{:?} instead of {:?}", p99(&beside), p99(&alone));
    assert!(beside.times.last() <= alone.times.last().map(|most| 2 * *most).as_ref(), "not only most of them");
    // The honest one got all, and of what the others did not get nothing is missing in the count.
    assert_eq!((beside.full[0], beside.taken[0]), (0, beside.broadcasts));
    assert!((0..=STALLED).all(|leaf| beside.full[leaf] + beside.taken[leaf] == beside.broadcasts));
    assert!(beside.full[1..].iter().all(|full| *full > beside.broadcasts / 2), "{:?}", beside.full);
    // What waits for one of them: a queue in the mailbox, one in the reactor's hand, and records that the kernel does not take.
    let queue = u64::from(channels()[0].send_queue_bytes);
    let most = 2 * queue + 2 * (WRITE_BUFFER + FRAME_MAX) as u64;
    let waiting = beside.waiting[1..].iter().max().copied().unwrap_or(0);
    println!("{waiting} bytes wait for one of them, {most} may");
    assert!(waiting > queue && waiting <= most, "{waiting} of {most}");
    // The streams of this network are in the same heap; what a kernel would hold is not the node's.
    let kernel = STALLED * Weather::default().buffer_bytes;
    println!("the heap grew by {} of {} bytes; streams may hold {kernel}", beside.grown, beside.budget);
    assert!(beside.grown > STALLED * queue as usize, "it is measured");
    assert!(beside.grown as u64 <= beside.budget);
    assert!(beside.grown <= 2 * kernel + STALLED * most as usize * 2, "and it is what waits, with buffers half empty");
}
