//! A star of hosts: one in the middle, which has the cap, and leaves that have a link to it alone. Part of `tests/bandwidth.rs`: it keeps
//! queues full as the test says, and samples every link's counters.

use bowline::base::address::Address;
use bowline::base::channel::{Channel, ChannelId};
use bowline::base::link_id::LinkId;
use bowline::base::time::Time;
use bowline::bus::command::Command;
use bowline::bus::counters::{LinkStats, Stats};
use bowline::bus::event::Event;
use bowline::settings::table::Settings;
use bowline::sim::host::Plan;
use bowline::sim::net::HostId;
use bowline::sim::pipe::Weather;
use bowline::sim::world::World;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Time between two samples.
const STEP: Duration = Duration::from_millis(10);
/// Channels that every host has.
const CHANNELS: u16 = 8;
const FIRST: u16 = 0x10;
/// Bytes of a message of those who send as much as they can.
const LARGE: usize = 16 * 1_024;

/// Which way the bytes go: from the middle, or to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

impl Way {
    pub fn cap(self, settings: &mut Settings, rate: u64) {
        match self {
            Way::Up => settings.bandwidth_up = rate,
            Way::Down => settings.bandwidth_down = rate,
        }
    }

    /// The order that caps all links.
    pub fn rates(self, rate: u64) -> Command {
        match self {
            Way::Up => Command::SetRates { up: rate, down: 0 },
            Way::Down => Command::SetRates { up: 0, down: rate },
        }
    }

    /// The order that caps one link.
    pub fn link_rates(self, link: LinkId, rate: u64) -> Command {
        match self {
            Way::Up => Command::SetLinkRates { link, up: rate, down: 0 },
            Way::Down => Command::SetLinkRates { link, up: 0, down: rate },
        }
    }
}

/// What is sent between the middle and a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Idle,
    /// So many bytes a second.
    Steady {
        rate: u64,
    },
    /// As much as goes, on so many channels.
    Full {
        channels: u16,
    },
}

/// See the file's head.
pub struct Star {
    pub world: World,
    pub hub: HostId,
    leaves: Vec<HostId>,
    /// The middle's links, by leaf.
    pub links: Vec<LinkId>,
    /// The leaves' own numbers of these.
    own: Vec<LinkId>,
    pub loads: Vec<Load>,
    way: Way,
    /// Bytes that each link has moved, at each step.
    samples: Vec<Vec<u64>>,
}

fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [50 + high, low, 7, 1].into()
}

impl Star {
    /// Linked and idle.
    pub fn new(seed: u64, leaves: u16, way: Way, change: impl Fn(&mut Settings)) -> Star {
        let channels = (0..CHANNELS).map(|n| Channel::new(FIRST + n, &format!("load-{n}"))).collect();
        Star::with(seed, leaves, way, channels, change)
    }

    pub fn with(seed: u64, leaves: u16, way: Way, channels: Vec<Channel>, change: impl Fn(&mut Settings)) -> Star {
        let mut world = World::new(seed, Weather::default());
        let plan = |number: u16| {
            let mut plan = Plan::new(address(number));
            plan.channels.clone_from(&channels);
            let settings = &mut plan.settings;
            // Leaves know the middle alone, and ask nobody for more.
            (settings.pex_enabled, settings.pool_outbound_target, settings.pool_min) = (false, 1, 1);
            settings.discovery_period = Duration::from_secs(3_600);
            match number {
                0 => settings.discovery_bootstrap = true,
                _ => settings.discovery_persistent = vec![Address::of(SocketAddr::new(address(0), 9_732), None)],
            }
            plan
        };
        let mut middle = plan(0);
        change(&mut middle.settings);
        let hub = world.add(middle).expect("a valid plan");
        let leaves: Vec<HostId> = (1..=leaves).map(|number| world.add(plan(number)).expect("a valid plan")).collect();
        let count = leaves.len();
        let is_whole = |world: &World| world.host(hub).is_some_and(|hub| hub.links().len() == count);
        assert!(world.run_while_not(Duration::from_secs(60), is_whole).expect("the rules hold"), "seed {seed}: no star");
        world.run_for(Duration::from_secs(1)).expect("the rules hold");
        let link_of = |world: &World, host: HostId, with: HostId| {
            let peer = world.peer(with).expect("it has a plan");
            world.host(host).and_then(|host| host.link_with(&peer)).expect("it is linked")
        };
        let links = leaves.iter().map(|leaf| link_of(&world, hub, *leaf)).collect();
        let own = leaves.iter().map(|leaf| link_of(&world, *leaf, hub)).collect();
        let loads = vec![Load::Idle; count];
        let mut star = Star { world, hub, leaves, links, own, loads, way, samples: Vec::new() };
        star.sample();
        star
    }

    /// Carries the loads for so long.
    pub fn run(&mut self, time: Duration) {
        for _ in 0..time.as_nanos() / STEP.as_nanos() {
            self.step();
        }
    }

    fn step(&mut self) {
        (0..self.leaves.len()).for_each(|leaf| self.load(leaf));
        self.world.run_for(STEP).expect("the rules hold");
        for host in self.leaves.clone().into_iter().chain([self.hub]) {
            self.world.take_events(host);
        }
        self.sample();
    }

    fn load(&mut self, leaf: usize) {
        let (from, link) = match self.way {
            Way::Up => (self.hub, self.links[leaf]),
            Way::Down => (self.leaves[leaf], self.own[leaf]),
        };
        match self.loads[leaf] {
            Load::Idle => {}
            Load::Steady { rate } => {
                let size = rate as usize * STEP.as_millis() as usize / 1_000;
                self.world.send(from, link, ChannelId(FIRST), &vec![1; size]).expect("room for a modest load");
            }
            Load::Full { channels } => {
                let message = [2; LARGE];
                for channel in (FIRST..FIRST + channels).map(ChannelId) {
                    while self.world.send(from, link, channel, &message).is_ok() {}
                }
            }
        }
    }

    fn sample(&mut self) {
        let hub = self.world.host(self.hub).expect("it lives");
        let moved = |link: &LinkId| {
            let stats = hub.link_stats(*link).expect("it is open");
            if self.way == Way::Up { stats.bytes_out } else { stats.bytes_in }
        };
        let sample = self.links.iter().map(moved).collect();
        self.samples.push(sample);
    }

    /// The last sample's place.
    pub fn mark(&self) -> usize {
        self.samples.len() - 1
    }

    /// Bytes that each link has moved since a mark.
    pub fn moved_since(&self, mark: usize) -> Vec<u64> {
        let now = self.samples.last().expect("there is a first");
        self.samples[mark].iter().zip(now).map(|(before, now)| now - before).collect()
    }

    /// Bytes of all links in every stretch of `time` since a mark.
    pub fn windows_since(&self, mark: usize, time: Duration) -> Vec<u64> {
        let steps = (time.as_nanos() / STEP.as_nanos()) as usize;
        let totals: Vec<u64> = self.samples[mark..].iter().map(|sample| sample.iter().sum()).collect();
        totals.iter().zip(&totals[steps..]).map(|(before, after)| after - before).collect()
    }

    /// Runs until these leaves' links have moved nothing for `time`. A thread of the simulated machine may be late by 15 ms.
    pub fn run_until_still(&mut self, leaves: &[usize], time: Duration) {
        for _ in 0..1_000 {
            let before = self.mark();
            self.run(time);
            let moved = self.moved_since(before);
            if leaves.iter().all(|leaf| moved[*leaf] == 0) {
                return;
            }
        }
        panic!("{leaves:?} do not stop moving bytes");
    }

    pub fn order(&mut self, command: Command) {
        self.world.order(self.hub, command);
    }

    pub fn set_weight(&mut self, leaf: usize, weight: u32) {
        self.order(Command::SetWeight { link: self.links[leaf], weight, rank: u64::MAX });
    }

    pub fn hub_stats(&self) -> Stats {
        self.world.host(self.hub).expect("it lives").stats()
    }

    /// The middle's counters of a leaf's link.
    pub fn link_stats(&self, leaf: usize) -> LinkStats {
        self.world.host(self.hub).and_then(|hub| hub.link_stats(self.links[leaf])).expect("it is open")
    }

    /// A leaf's own counters of its link.
    pub fn leaf_stats(&self, leaf: usize) -> LinkStats {
        self.world.host(self.leaves[leaf]).and_then(|host| host.link_stats(self.own[leaf])).expect("it is open")
    }

    /// Whether a leaf's application takes what arrives.
    pub fn set_taking(&mut self, leaf: usize, is_taking: bool) {
        self.world.set_taking(self.leaves[leaf], is_taking);
    }

    /// A leaf's program stands still: it reads nothing any more.
    pub fn freeze(&mut self, leaf: usize) {
        self.world.freeze(self.leaves[leaf]);
    }

    /// What has arrived at a leaf.
    pub fn leaf_events(&mut self, leaf: usize) -> Vec<Event> {
        self.world.take_events(self.leaves[leaf])
    }

    /// Runs until a leaf takes a message of that channel, and says when.
    pub fn wait_for(&mut self, leaf: usize, channel: ChannelId) -> Time {
        for _ in 0..200_000 {
            self.world.run_for(Duration::from_micros(20)).expect("the rules hold");
            let is_it = |event: Event| matches!(event, Event::Message(message) if message.channel == channel);
            if self.leaf_events(leaf).into_iter().any(is_it) {
                return self.world.now();
            }
        }
        panic!("nothing came on {channel} for 4 s");
    }
}
