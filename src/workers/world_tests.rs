//! What several nodes do together: crossing dials end in one link, a network forms from one bootstrap node and heals.

use super::testbed::{World, at, ms, policy};
use crate::base::address::Address;
use crate::base::rng::Rng;
use crate::pool::policy::Policy;

fn pair() -> World {
    World::new(2, |_| policy(), |_| Vec::new())
}

/// Lets the world run until nothing is under way, taking the given choices, then the first option each time. Gives how many options
/// there were at each step.
fn play(world: &mut World, choices: &[usize]) -> Vec<usize> {
    let mut sizes = Vec::new();
    loop {
        let options = world.options();
        if options.is_empty() {
            return sizes;
        }
        let choice = choices.get(sizes.len()).copied().unwrap_or(0);
        sizes.push(options.len());
        world.happen(options[choice]);
    }
}

/// The next path in depth-first order: the last choice that can be raised is, what follows starts again.
fn next_path(path: &mut Vec<usize>, sizes: &[usize]) -> bool {
    path.resize(sizes.len(), 0);
    while let Some(last) = path.pop() {
        if last + 1 < sizes[path.len()] {
            path.push(last + 1);
            return true;
        }
    }
    false
}

fn assert_one_link(world: &World, how: &dyn std::fmt::Debug) {
    let [here, there] = world.open_wires(0, 1);
    assert_eq!(here.len(), 1, "{how:?}: {here:?} {there:?}");
    assert_eq!(here, there, "{how:?}");
    assert!(world.nodes.iter().all(|node| node.pool.slots().len() == 1), "{how:?}: a place is left over");
}

#[test]
fn crossing_dials_end_in_one_link_in_every_order() {
    let mut path = Vec::new();
    let mut paths = 0;
    loop {
        let mut world = pair();
        world.dial(0, 1);
        world.dial(1, 0);
        let sizes = play(&mut world, &path);
        assert_one_link(&world, &path);
        paths += 1;
        if !next_path(&mut path, &sizes) {
            break;
        }
    }
    assert!(paths > 100, "only {paths} orders were tried");
}

#[test]
fn crossing_dials_end_in_one_link_however_slow_the_workers_are() {
    for seed in 0..20_000 {
        let mut rng = Rng::from_seed(seed);
        let mut world = pair();
        world.has_slow_workers = true;
        world.dial(0, 1);
        let mut has_dialed = false;
        loop {
            let options = world.options();
            let spare = usize::from(!has_dialed);
            if options.len() + spare == 0 {
                break;
            }
            let choice = rng.index(options.len() + spare);
            if choice == options.len() {
                has_dialed = true;
                // It may have the link already.
                if world.nodes[1].pool.counts().links() == 0 {
                    world.dial(1, 0);
                }
            } else {
                world.happen(options[choice]);
            }
        }
        assert_one_link(&world, &seed);
    }
}

#[test]
fn a_link_that_only_one_side_lost_is_replaced() {
    for (dialer, again) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut world = pair();
        let link = world.dial(dialer, 1 - dialer);
        play(&mut world, &[]);
        // The one that dials again has seen a reset, the other has not.
        let link = if again == dialer { link } else { world.nodes[again].pool.peers(world.now)[0].link };
        world.lose(again, link);
        play(&mut world, &[]);
        assert!(world.nodes[again].pool.peers(world.now).is_empty());
        world.dial(again, 1 - again);
        play(&mut world, &[]);
        assert_one_link(&world, &(dialer, again));
    }
}

/// Node 0 is the bootstrap node, all others know only it.
fn network(nodes: usize) -> World {
    let policy = |number| Policy { is_bootstrap: number == 0, ..policy() };
    let seeds = |number| if number == 0 { Vec::new() } else { vec![Address::of(at(0), None)] };
    World::new(nodes, policy, seeds)
}

fn alive(world: &World) -> impl Iterator<Item = usize> {
    (0..world.nodes.len()).filter(|node| world.nodes[*node].is_alive)
}

#[test]
fn thirty_nodes_form_a_network_from_one_bootstrap_node_and_heal() {
    let mut world = network(30);
    world.run_until(ms(10_000));
    for node in 0..30 {
        let counts = world.nodes[node].pool.counts();
        assert!(counts.open >= 23, "node {node}: {counts:?}");
    }
    for node in 20..30 {
        world.kill(node);
    }
    world.run_until(ms(40_000));
    for node in alive(&world) {
        let open = world.nodes[node].pool.counts().open;
        assert_eq!(open, 19, "node {node} has all that are left");
    }
}

#[test]
fn a_network_outlives_its_bootstrap_node() {
    let mut world = network(12);
    world.run_until(ms(5_000));
    assert!((0..12).all(|node| world.nodes[node].pool.healthy(ms(240_001)).len() == 11), "everybody knows everybody");
    world.kill(0);
    world.run_until(ms(130_000));
    for node in alive(&world) {
        let pool = &world.nodes[node].pool;
        assert_eq!(pool.counts().open, 10);
        assert!(
            !pool.healthy(ms(240_001)).contains(&Address::of(at(0), Some(super::testbed::peer(0)))),
            "the dead are not healthy"
        );
        assert_eq!(pool.lists().greylisted_count(), 0, "nobody is blamed");
    }
}

#[test]
fn a_hundred_nodes_find_each_other_though_the_bootstrap_node_has_fifty_places() {
    let mut world = network(100);
    world.run_until(ms(10_000));
    for node in 0..100 {
        let counts = world.nodes[node].pool.counts();
        assert!(counts.links() >= 23 && counts.links() <= 84 && counts.outbound <= 50, "node {node}: {counts:?}");
        assert_eq!(counts.links(), counts.open, "nothing hangs");
    }
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let links = || {
        let mut world = network(15);
        world.run_until(ms(3_000));
        let of = |node: usize| (0..15).map(|other| world.open_wires(node, other)[0].clone()).collect::<Vec<_>>();
        (0..15).map(of).collect::<Vec<_>>()
    };
    assert_eq!(links(), links());
}
