//! The storm itself: hosts that send, ask, answer, cancel, hang up, fall asleep and crash as a seed says. What that must lead to is the
//! oracle's.

pub use super::oracle::Counts;
use super::oracle::Oracle;
use bowline::base::channel::{Channel, ChannelId, Kind, Overflow};
use bowline::base::link_id::LinkId;
use bowline::base::reason::CloseReason;
use bowline::base::rng::Rng;
use bowline::base::time::Time;
use bowline::bus::event::{Event, Message};
use bowline::bus::link::PushError;
use bowline::sim::host::Plan;
use bowline::sim::net::HostId;
use bowline::sim::pipe::{Latency, Weather};
use bowline::sim::talk::{NotDone, Options};
use bowline::sim::world::World;
use bowline::wire::refusal::Refusal;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const HOSTS: usize = 4;
const CHAT: ChannelId = ChannelId(0x10);
/// Small windows and queues: a receiver that does not take stops it at once.
const TIGHT: ChannelId = ChannelId(0x11);
const OLDEST: ChannelId = ChannelId(0x12);
const NEWEST: ChannelId = ChannelId(0x13);
const CHANNELS: [ChannelId; 4] = [CHAT, TIGHT, OLDEST, NEWEST];
/// Sends that a host may still think of taking back.
const RECENT: usize = 500;

/// A program with more open outcomes does not crash: they would be lost, and nothing be learned.
const MOURNED: usize = 2_000;

/// True for channels where a message may give way to a newer one.
pub fn gives_way(channel: ChannelId) -> bool {
    channel == OLDEST || channel == NEWEST
}

fn address(host: usize) -> IpAddr {
    [50 + host as u8, 1, 7, 1].into()
}

fn plan(host: usize) -> Plan {
    let mut plan = Plan::new(address(host));
    let tight = |id: ChannelId, overflow| Channel {
        receive_queue_bytes: 64 * 1_024,
        send_queue_bytes: 64 * 1_024,
        send_queue_messages: 200,
        requests_max: 8,
        overflow,
        ..Channel::new(id.0, "tight")
    };
    plan.channels = vec![
        Channel::new(CHAT.0, "chat"),
        tight(TIGHT, Overflow::Refuse),
        tight(OLDEST, Overflow::DropOldest),
        tight(NEWEST, Overflow::Conflate),
    ];
    let settings = &mut plan.settings;
    // Only the storm dials, as often as it likes.
    (settings.discovery_bootstrap, settings.pex_enabled) = (true, false);
    (settings.accept_ip_burst, settings.accept_ip_period, settings.accept_rate) = (1_000, Duration::from_millis(1), 10_000);
    (settings.handshake_half_open_per_ip, settings.handshake_half_open_per_group) = (100, 100);
    // Half of them are slow, so that messages wait long enough to expire.
    settings.bandwidth_up = if host.is_multiple_of(2) { 0 } else { 700_000 };
    plan
}

/// A request that a host has not answered yet.
struct Owed {
    message: Message,
    number: u64,
    at: Time,
}

/// See the file's head.
pub struct Storm {
    world: World,
    rng: Rng,
    oracle: Oracle,
    hosts: Vec<HostId>,
    /// Sends of each host that may be taken back.
    recent: Vec<VecDeque<(LinkId, u64)>>,
    /// Requests of each host, with their channels and numbers.
    asked: Vec<VecDeque<(LinkId, ChannelId, u32, u64)>>,
    owed: Vec<Vec<Owed>>,
    /// When those who do not take begin again.
    asleep: BTreeMap<usize, Time>,
    down: BTreeMap<usize, Time>,
    body: Bytes,
}

impl Storm {
    pub fn new(seed: u64) -> Storm {
        let latency = Latency::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(5) };
        let weather = Weather { latency, jitter: Duration::from_micros(200), ..Weather::default() };
        let mut world = World::new(seed, weather);
        let hosts: Vec<HostId> = (0..HOSTS).map(|host| world.add(plan(host)).expect("a valid plan")).collect();
        let mut storm = Storm {
            world,
            rng: Rng::from_seed(seed).fork("storm"),
            oracle: Oracle::default(),
            hosts,
            recent: (0..HOSTS).map(|_| VecDeque::new()).collect(),
            asked: (0..HOSTS).map(|_| VecDeque::new()).collect(),
            owed: (0..HOSTS).map(|_| Vec::new()).collect(),
            asleep: BTreeMap::new(),
            down: BTreeMap::new(),
            body: Bytes::from(vec![7; 200_000]),
        };
        (0..HOSTS).for_each(|host| storm.dial(host));
        storm.run(Duration::from_secs(1));
        storm
    }

    pub fn counts(&self) -> &Counts {
        &self.oracle.counts
    }

    /// Some actions, and a little time.
    pub fn step(&mut self) {
        let now = self.world.now();
        self.wake(now);
        for host in (0..HOSTS).filter(|host| !self.down.contains_key(host)).collect::<Vec<_>>() {
            match self.rng.below(1_000) {
                0..1 => self.crash(host),
                1..12 => self.hang_up(host),
                12..32 => self.fall_asleep(host),
                32..100 => self.dial(host),
                100..200 => self.cancel_some(host),
                200..450 => self.ask_some(host),
                450..850 => self.send_some(host),
                _ => {}
            }
            self.answer_some(host);
        }
        let micros = if self.rng.percent(80) { 50 + self.rng.below(3_000) } else { self.rng.below(20_000) };
        self.run(Duration::from_micros(micros));
    }

    /// Lets everything come to its end; then nothing may be left.
    pub fn end(mut self) -> (Counts, u128) {
        self.wake(Time::MAX);
        for _ in 0..200 {
            self.run(Duration::from_millis(50));
        }
        self.oracle.end_all();
        for host in &self.hosts {
            let promised = self.world.host(*host).map(|host| host.promised());
            assert_eq!(promised, Some(0), "places for news that never come, at {host}");
        }
        // Nothing is told twice by a stop either.
        self.hosts.clone().into_iter().for_each(|host| self.world.stop(host, Duration::from_secs(1)));
        self.run(Duration::from_secs(5));
        (self.oracle.counts, self.world.trace().hash())
    }

    /// One host does not take what arrives, and sends until its queue has no place for another outcome. Those of messages that gave way
    /// come at once, so that it takes no time.
    pub fn fill_with_news(&mut self) {
        let host = 0;
        self.world.set_taking(self.hosts[host], false);
        let link = self.any_link(host).expect("it was linked at the start");
        let refused = self.counts().refused[1];
        for _ in 0..70_000 {
            let options = Options { tag: Some(0), ttl: self.ttl() };
            self.send(host, link, OLDEST, 8, options);
            if self.counts().refused[1] > refused {
                break;
            }
        }
        assert!(self.counts().refused[1] > refused, "there is no end of room for outcomes");
        self.asleep.insert(host, self.world.now() + Duration::from_millis(20));
    }

    fn run(&mut self, time: Duration) {
        self.world.run_for(time).expect("the rules hold");
        let now = self.world.now();
        for host in 0..HOSTS {
            for event in self.world.take_events(self.hosts[host]) {
                match event {
                    Event::Sent(sent) => self.oracle.told(host, now, &sent),
                    Event::Response(response) => self.oracle.completed(host, now, &response),
                    Event::Down(down) => self.oracle.down(host, down.link),
                    Event::Message(message) => {
                        let number = self.oracle.arrived(host, &message);
                        if message.kind == Kind::Request {
                            let after = if self.rng.percent(60) { 0 } else { self.rng.below(80_000) };
                            self.owed[host].push(Owed { message, number, at: now + Duration::from_micros(after) });
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn links(&self, host: usize) -> Vec<LinkId> {
        self.world.host(self.hosts[host]).map(|host| host.links()).unwrap_or_default()
    }

    /// The host at the other end.
    fn other(&self, host: usize, link: LinkId) -> Option<usize> {
        let at = self.world.host(self.hosts[host])?;
        (0..HOSTS).find(|other| self.world.peer(self.hosts[*other]).is_some_and(|peer| at.link_with(&peer) == Some(link)))
    }

    fn any_link(&mut self, host: usize) -> Option<(LinkId, usize)> {
        let links = self.links(host);
        let link = *links.get(self.rng.index(links.len().max(1)))?;
        Some((link, self.other(host, link)?))
    }

    fn ttl(&mut self) -> Option<Duration> {
        self.rng.percent(40).then(|| Duration::from_micros(self.rng.below(30_000)))
    }

    fn send_some(&mut self, host: usize) {
        let Some(link) = self.any_link(host) else { return };
        let channel = CHANNELS[self.rng.index(CHANNELS.len())];
        let most = if self.rng.percent(20) { 400 } else { 40 };
        let count = 1 + self.rng.below(most);
        let (has_tags, has_life) = (self.rng.percent(85), self.rng.percent(50));
        for _ in 0..count {
            let len = match self.rng.below(200) {
                0 => 20_000 + self.rng.index(150_000),
                1..20 => 8 + self.rng.index(3_000),
                _ => 8 + self.rng.index(100),
            };
            let ttl = if has_life { self.ttl() } else { None };
            self.send(host, link, channel, len, Options { tag: has_tags.then_some(0), ttl });
        }
        if self.rng.percent(20) {
            self.cancel_some(host);
        }
    }

    /// Sends with the next number, which is its tag if it is to have one.
    fn send(&mut self, host: usize, (link, to): (LinkId, usize), channel: ChannelId, len: usize, options: Options) {
        let number = self.oracle.next();
        let body = self.numbered(number, len);
        let options = Options { tag: options.tag.map(|_| number), ..options };
        let due = options.ttl.map(|ttl| self.world.now() + ttl);
        match self.world.send_with(self.hosts[host], link, channel, &body, options) {
            Ok(()) => {
                self.oracle.sent((host, link, channel), to, options.tag.is_some(), due);
                self.recent[host].push_back((link, number));
                if self.recent[host].len() > RECENT {
                    self.recent[host].pop_front();
                }
            }
            Err(error) => self.refused(error),
        }
    }

    fn numbered(&self, number: u64, len: usize) -> Bytes {
        let mut body = self.body[..len].to_vec();
        body[..8].copy_from_slice(&number.to_be_bytes());
        Bytes::from(body)
    }

    fn refused(&mut self, error: NotDone) {
        let why = match error {
            NotDone::Send(PushError::Full) => 0,
            NotDone::TooManyNews => 1,
            NotDone::Send(PushError::Closed(_)) | NotDone::Ask(_) => 2,
            other => panic!("{other:?}"),
        };
        self.oracle.counts.refused[why] += 1;
    }

    fn ask_some(&mut self, host: usize) {
        let Some((link, to)) = self.any_link(host) else { return };
        let channel = CHANNELS[self.rng.index(CHANNELS.len())];
        for _ in 0..1 + self.rng.below(12) {
            let number = self.oracle.next();
            let (len, timeout) = (8 + self.rng.index(2_000), Duration::from_micros(self.rng.below(60_000)));
            let (body, due) = (self.numbered(number, len), self.world.now() + timeout);
            match self.world.ask(self.hosts[host], link, channel, &body, timeout, number) {
                Ok(request) => {
                    self.oracle.asked((host, link, channel), to, request, due);
                    self.asked[host].push_back((link, channel, request, number));
                }
                Err(error) => self.refused(error),
            }
        }
    }

    fn cancel_some(&mut self, host: usize) {
        for _ in 0..1 + self.rng.below(10) {
            // The youngest are the likeliest to wait still.
            let Some(oldest) = self.recent[host].len().checked_sub(1 + self.rng.index(60)) else { break };
            let Some((link, number)) = self.recent[host].remove(oldest) else { break };
            self.oracle.cancelled(number);
            self.world.cancel(self.hosts[host], link, number);
        }
        for _ in 0..self.rng.below(4) {
            let at = self.rng.index(self.asked[host].len().max(1));
            let Some((link, channel, request, number)) = self.asked[host].remove(at) else { return };
            let was_open = self.oracle.is_open(number);
            if self.world.cancel_request(self.hosts[host], link, channel, request) {
                assert!(was_open, "{number} was over");
                self.oracle.cancelled(number);
            }
            // Nobody can take it back twice.
            assert!(!self.world.cancel_request(self.hosts[host], link, channel, request));
        }
    }

    fn answer_some(&mut self, host: usize) {
        let now = self.world.now();
        let (ready, rest) = std::mem::take(&mut self.owed[host]).into_iter().partition(|owed| owed.at <= now);
        self.owed[host] = rest;
        let ready: Vec<Owed> = ready;
        for owed in ready {
            let Message { link, channel, request, .. } = owed.message;
            let refusal = Refusal { code: owed.number as u32, text: "not today".to_owned() };
            let len = 8 + self.rng.index(500);
            let body = self.numbered(owed.number, len);
            let answer = match self.rng.below(10) {
                0 => continue,
                1..4 => Err(&refusal),
                _ => Ok(&body),
            };
            match self.world.answer(self.hosts[host], link, channel, request, answer) {
                Ok(()) => {
                    let again = self.world.answer(self.hosts[host], link, channel, request, answer);
                    assert_eq!(again, Err(NotDone::NoRequest), "answered twice");
                }
                Err(NotDone::NoRequest) => self.oracle.counts.unwanted += 1,
                // It may be answered later.
                Err(_) => self.owed[host].push(Owed { at: now + Duration::from_millis(5), ..owed }),
            }
        }
    }

    fn dial(&mut self, host: usize) {
        let other = (host + 1 + self.rng.index(HOSTS - 1)) % HOSTS;
        let to = SocketAddr::new(address(other), 9_732);
        // It may be linked already, or be dialed.
        let _ = self.world.dial(self.hosts[host], to, None, 0);
    }

    fn hang_up(&mut self, host: usize) {
        if let Some((link, _)) = self.any_link(host) {
            self.world.disconnect(self.hosts[host], link, CloseReason::Requested);
        }
    }

    fn fall_asleep(&mut self, host: usize) {
        let until = self.world.now() + Duration::from_micros(self.rng.below(60_000));
        self.world.set_taking(self.hosts[host], false);
        self.asleep.insert(host, until);
    }

    fn crash(&mut self, host: usize) {
        if self.world.host(self.hosts[host]).is_none_or(|host| host.promised() > MOURNED) {
            return;
        }
        // What it has taken was told.
        self.run(Duration::ZERO);
        self.world.crash(self.hosts[host]);
        self.oracle.crashed(host);
        self.recent[host].clear();
        self.asked[host].clear();
        self.owed[host].clear();
        self.asleep.remove(&host);
        self.down.insert(host, self.world.now() + Duration::from_millis(5 + self.rng.below(30)));
    }

    /// Those whose time has come take again, or start again.
    fn wake(&mut self, now: Time) {
        let due = |until: &Time| *until <= now;
        for host in (0..HOSTS).filter(|host| self.asleep.get(host).is_some_and(due)).collect::<Vec<_>>() {
            self.asleep.remove(&host);
            self.world.set_taking(self.hosts[host], true);
        }
        for host in (0..HOSTS).filter(|host| self.down.get(host).is_some_and(due)).collect::<Vec<_>>() {
            self.down.remove(&host);
            self.world.start(self.hosts[host]).expect("a valid plan");
            self.dial(host);
        }
    }
}
