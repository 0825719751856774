//! The story of a network whose nodes come and go all the time, and which is cut in pieces and heals. It says how long anybody was ever
//! without enough links that work.

use super::chat::Talk;
use super::graph::Graph;
use super::scene::{Failure, Outcome, at, outcome, plan, weather};
use crate::base::address::Address;
use crate::base::rng::Rng;
use crate::base::time::Time;
use crate::sim::net::HostId;
use crate::sim::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Time between two looks. Who lives dies, and who is dead comes back, between two of them by chance alone, so that lives have the
/// exponential distribution.
const LOOK: Duration = Duration::from_secs(5);
const MEAN_LIFE: Duration = Duration::from_secs(30 * 60);
const MEAN_AWAY: Duration = Duration::from_secs(2 * 60);
/// How long the network lies in pieces.
const PARTED: Duration = Duration::from_secs(5 * 60);
/// Nobody is to have too few others for longer (row S6 of the reference's test programme).
pub const LONG: Duration = Duration::from_secs(120);
/// Nodes that everybody is told of.
const SEEDS: u16 = 3;

/// How a network is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Halves,
    Tenth,
    /// What the one half sends does not reach the other.
    OneWay,
    /// Four pieces.
    Islands,
}

const CUTS: [Cut; 4] = [Cut::Halves, Cut::Tenth, Cut::OneWay, Cut::Islands];

/// How long, and when, nodes of a network with churn had too few working links.
#[derive(Clone, Debug)]
pub struct Churned {
    pub nodes: u16,
    pub deaths: usize,
    pub cuts: usize,
    /// The longest that a living node had fewer working links with others than `pool.min`, or than there are nodes that it could have one
    /// with: those in its piece, and for who came back into it, those that can be found from there. A cut that came or was healed meanwhile
    /// begins it anew, for until then it may be nobody's fault.
    pub longest_short: Duration,
    /// How often somebody had fewer working links for longer than `LONG`.
    pub long_spells: usize,
    /// The longest that one reached fewer others, over whatever way: the goal is stated for this.
    pub longest_apart: Duration,
    /// The sum of all nodes' lives, in hours.
    pub node_hours: f64,
    /// The share of all looks at nodes in which they were short, in percent.
    pub short_share: f64,
    /// The worst case of `longest_short`: who, until when.
    pub worst: Option<(HostId, Time)>,
    pub outcome: Outcome,
}

/// Nodes live for half an hour on average, crash, lose their power or stop, and come back after two minutes on average with nothing but the
/// seeds. Every `cut_period` the network is cut for five minutes, each time in another way.
///
/// # Errors
/// What went wrong.
pub fn churn(seed: u64, nodes: u16, lasts: Duration, cut_period: Duration) -> Result<Churned, Failure> {
    let mut rng = Rng::from_seed(seed).fork("story");
    let mut world = World::new(seed, weather(&mut rng));
    for number in 0..nodes {
        let mut plan = plan(number, &mut rng);
        plan.settings.discovery_bootstrap = number < SEEDS;
        plan.settings.discovery_seeds =
            (0..SEEDS).filter(|seed| *seed != number).map(|seed| Address::of(at(seed), None)).collect();
        world.add(plan)?;
        world.run_for(Duration::from_millis(rng.below(300)))?;
    }
    let mut tally = Tally { nodes, cut: Pieces::default(), ..Tally::default() };
    let (begins, mut cuts, mut deaths) = (world.now(), 0, 0);
    while world.now().since(begins) < lasts {
        world.run_for(LOOK)?;
        let age = world.now().since(begins);
        let is_time = age.as_secs() % cut_period.as_secs();
        if is_time < LOOK.as_secs() && age >= cut_period && tally.cut.ways.is_empty() {
            tally.cut = Pieces::draw(CUTS[cuts % CUTS.len()], nodes, &mut rng);
            tally.cut.ways.iter().for_each(|(from, to)| world.part_one_way(*from, *to));
            cuts += 1;
            tally.begin_anew();
        } else if !tally.cut.ways.is_empty() && is_time >= PARTED.as_secs() {
            let ways = std::mem::take(&mut tally.cut).ways;
            ways.iter().for_each(|(from, to)| world.join(*from, *to));
            tally.begin_anew();
        }
        deaths += live_and_die(&mut world, nodes, &mut tally.started, &mut rng)?;
        tally.look(&world);
    }
    let (short, apart, looks) = (tally.short, tally.apart, tally.looks.max(1) as f64);
    Ok(Churned {
        nodes,
        deaths,
        cuts,
        longest_short: short.longest,
        long_spells: short.long,
        longest_apart: apart.longest,
        node_hours: looks * LOOK.as_secs_f64() / 3_600.0,
        short_share: 100.0 * tally.short_looks as f64 / looks,
        worst: short.worst,
        outcome: outcome(&world, &Talk::default()),
    })
}

/// Some of the living die, some of the dead come back and are noted in `started`. Gives how many died.
fn live_and_die(world: &mut World, nodes: u16, started: &mut BTreeSet<HostId>, rng: &mut Rng) -> Result<usize, Failure> {
    let mut deaths = 0;
    for id in (0..nodes).map(HostId) {
        let is_alive = world.host(id).is_some_and(|host| !host.has_ended());
        let mean = if is_alive { MEAN_LIFE } else { MEAN_AWAY };
        if rng.below(mean.as_secs() / LOOK.as_secs()) > 0 {
            continue;
        }
        if !is_alive {
            world.start(id)?;
            started.insert(id);
            continue;
        }
        deaths += 1;
        match rng.below(3) {
            0 => world.crash(id),
            1 => world.go_dark(id),
            _ => world.stop(id, Duration::from_secs(3)),
        }
    }
    Ok(deaths)
}

/// Which piece of the network each node is in, and the ways that carry nothing.
#[derive(Debug, Default)]
struct Pieces {
    of: BTreeMap<HostId, usize>,
    ways: BTreeSet<(HostId, HostId)>,
}

impl Pieces {
    fn draw(cut: Cut, nodes: u16, rng: &mut Rng) -> Pieces {
        let mut ids: Vec<HostId> = (0..nodes).map(HostId).collect();
        rng.shuffle(&mut ids);
        let piece = |place: usize| match cut {
            Cut::Halves | Cut::OneWay => place % 2,
            Cut::Tenth => usize::from(place.is_multiple_of(10)),
            Cut::Islands => place % 4,
        };
        let of: BTreeMap<HostId, usize> = ids.iter().enumerate().map(|(place, id)| (*id, piece(place))).collect();
        let is_cut = |from: usize, to: usize| if cut == Cut::OneWay { from < to } else { from != to };
        let ways = of.iter().flat_map(|(from, one)| of.iter().map(move |(to, other)| ((*from, *one), (*to, *other))));
        let ways = ways.filter(|((_, one), (_, other))| is_cut(*one, *other)).map(|((from, _), (to, _))| (from, to)).collect();
        Pieces { of, ways }
    }

    fn carries(&self, from: HostId, to: HostId) -> bool {
        !self.ways.contains(&(from, to)) && !self.ways.contains(&(to, from))
    }
}

/// Since when each node has lacked something, and the longest that any has.
#[derive(Debug, Default)]
struct Lack {
    since: BTreeMap<HostId, Time>,
    longest: Duration,
    worst: Option<(HostId, Time)>,
    /// How many lacks have lasted longer than `LONG`.
    long: usize,
}

impl Lack {
    fn note(&mut self, now: Time, id: HostId, lacks: bool) {
        if !lacks {
            self.since.remove(&id);
            return;
        }
        let lasted = now.since(*self.since.entry(id).or_insert(now));
        if lasted > self.longest {
            (self.longest, self.worst) = (lasted, Some((id, now)));
        }
        // Once for each: there is a look each `LOOK`.
        self.long += usize::from(lasted > LONG && lasted <= LONG + LOOK);
    }
}

#[derive(Debug, Default)]
struct Tally {
    nodes: u16,
    cut: Pieces,
    short: Lack,
    apart: Lack,
    /// Who has come back since the pieces are what they are.
    started: BTreeSet<HostId>,
    looks: usize,
    short_looks: usize,
}

impl Tally {
    /// The pieces are others now.
    fn begin_anew(&mut self) {
        self.short.since.clear();
        self.apart.since.clear();
        self.started.clear();
    }

    /// How many living hosts one can find that has forgotten everybody: by the addresses that it knows, its seeds' first of all, by those that
    /// these know, and so on, as far as the piece of the network reaches. Who came back into a piece whose seeds are dead or have forgotten
    /// everybody, too, can find nobody else, by any rule: others must find it.
    fn to_be_found(&self, world: &World, id: HostId) -> usize {
        let mut found = BTreeSet::from([id]);
        let mut asked = vec![id];
        while let Some(host) = asked.pop().and_then(|id| world.host(id)) {
            let knows = |number: u16| host.pool().points().get(at(number)).is_some();
            let is_near =
                |other: HostId| self.cut.carries(host.id(), other) && world.host(other).is_some_and(|other| !other.has_ended());
            let near = (0..self.nodes).filter(|number| knows(*number)).map(HostId).filter(|other| is_near(*other));
            let new: Vec<HostId> = near.filter(|other| found.insert(*other)).collect();
            asked.extend(new);
        }
        found.len() - 1
    }

    fn look(&mut self, world: &World) {
        let now = world.now();
        let graph = Graph::of(world, |_| true, |from, to| self.cut.carries(from, to));
        let piece = |id: HostId| self.cut.of.get(&id).copied().unwrap_or_default();
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        graph.hosts.iter().for_each(|id| *sizes.entry(piece(*id)).or_default() += 1);
        let reach = graph.reach();
        for (place, id) in graph.hosts.iter().copied().enumerate() {
            let min = world.host(id).map_or(0, |host| host.settings().bounds().min as usize);
            let mut wants = min.min(sizes[&piece(id)] - 1);
            if self.started.contains(&id) && (graph.neighbours[place].len() < wants || reach[place] <= wants) {
                wants = wants.min(self.to_be_found(world, id));
            }
            let is_short = graph.neighbours[place].len() < wants;
            self.short.note(now, id, is_short);
            self.apart.note(now, id, reach[place] <= wants);
            self.looks += 1;
            self.short_looks += usize::from(is_short);
        }
        // Who is dead lacks nothing.
        for id in (0..self.nodes).map(HostId).filter(|id| world.host(*id).is_none_or(|host| host.has_ended())) {
            self.short.note(now, id, false);
            self.apart.note(now, id, false);
        }
    }
}
