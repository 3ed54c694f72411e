//! What can be counted only in many nodes or many seeds: what gossip costs, how soon a dead primary is replaced,
//! and how often one that lives.

use rand_core::Rng;
use squall_clock::Nanos;

use crate::world::{MS, World};

/// A cluster whose primaries have one replica each, under a configuration.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub nodes: usize,
    pub node_timeout_ms: u64,
    /// Few nodes watch each, where there are many; or all nodes ask all, as other servers' do.
    pub is_sparse: bool,
    /// `cluster-quick-failover`.
    pub is_quick: bool,
}

/// A cluster at rest, per node and second.
#[derive(Clone, Copy, Debug)]
pub struct SteadyCost {
    pub bytes: f64,
    pub messages: f64,
}

/// How a primary dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// Its process ends: connections are reset, and new ones refused.
    OfProcess,
    /// Its machine does: nobody hears anything.
    OfMachine,
}

/// Longer than any cluster needs to become ok, or to replace a primary.
const PATIENCE_MS: u64 = 120_000;
/// What is waited for until the noise of the start has passed: alarms among it.
const SETTLING_TIMEOUTS: u64 = 3;

impl Setting {
    /// The cluster, at rest.
    pub fn world(&self, seed: u64) -> World {
        let mut world = World::empty(seed, self.nodes);
        world.options.node_timeout = Nanos::from_millis(self.node_timeout_ms);
        world.options.quick_failover = self.is_quick;
        world.options.full_gossip_nodes_max = if self.is_sparse { 0 } else { usize::MAX };
        world.preform(self.nodes / 2);
        world.until("all find the cluster ok", PATIENCE_MS, all_ok);
        world.run_ms(self.node_timeout_ms * SETTLING_TIMEOUTS);
        world
    }
}

fn all_ok(world: &World) -> bool {
    world.live().all(squall_cluster::Cluster::is_ok)
}

/// Counts what is sent while nothing happens.
pub fn steady_cost(world: &mut World, seconds: u64) -> SteadyCost {
    let (bytes, messages) = (world.bytes_sent, world.messages_sent);
    world.run_ms(seconds * 1_000);
    let node_seconds = (world.machines.len() as u64 * seconds) as f64;
    SteadyCost {
        bytes: (world.bytes_sent - bytes) as f64 / node_seconds,
        messages: (world.messages_sent - messages) as f64 / node_seconds,
    }
}

/// Lets the primary that is machine `victim` die; after how many milliseconds every other node knows the owner
/// of its slots. The cluster is ok again when this returns.
pub fn replacement_ms(world: &mut World, victim: usize, death: Death) -> u64 {
    let dead = world.id(victim);
    let slot = world.cluster(victim).my_node().slots.iter().next().expect("a primary owns slots");
    match death {
        Death::OfProcess => world.kill(victim),
        Death::OfMachine => world.power_off(victim),
    }
    let died = world.now;
    world.until("the dead primary is replaced", PATIENCE_MS, |world| {
        world.live().all(|cluster| cluster.owner(slot).is_some_and(|node| node.id != dead))
    });
    let replaced = (world.now - died) / MS;
    world.until("all find the cluster ok again", PATIENCE_MS, all_ok);
    replaced
}

/// What a cluster has to bear that is no failure.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How many messages in a million need a second transmission, which holds up all that follow.
    pub lost_per_million: u32,
    /// Every so often some machine stands still, for up to `pause_ms_max`.
    pub pause_every_ms: u64,
    pub pause_ms_max: u64,
    /// Every so often some process is restarted, and is away for up to `restart_ms_max`; zero: never.
    pub restart_every_ms: u64,
    pub restart_ms_max: u64,
}

/// How many primaries were replaced in that weather, although none had failed.
pub fn false_alarms(world: &mut World, weather: Weather, seconds: u64) -> usize {
    let promotions = |world: &World| world.machines.iter().map(|machine| machine.promotions).sum::<usize>();
    let before = promotions(world);
    world.settings.lost_per_million = weather.lost_per_million;
    let end = world.now + seconds * 1_000 * MS;
    let (mut next_pause, mut next_restart) = (world.now, world.now + weather.restart_every_ms * MS);
    let mut away: Option<(u64, usize)> = None;
    while world.now < end {
        if world.now >= next_pause {
            let (machine, ms) = draw(world, weather.pause_ms_max);
            world.pause(machine, ms);
            next_pause += weather.pause_every_ms * MS;
        }
        if weather.restart_every_ms > 0 && world.now >= next_restart && away.is_none() {
            let (machine, ms) = draw(world, weather.restart_ms_max);
            world.kill(machine);
            away = Some((world.now + ms * MS, machine));
            next_restart += weather.restart_every_ms * MS;
        }
        if let Some((_, machine)) = away.take_if(|(until, _)| *until <= world.now) {
            world.start(machine);
        }
        world.run_ms(10);
    }
    promotions(world) - before
}

fn draw(world: &mut World, ms_max: u64) -> (usize, u64) {
    let machine = world.rng.next_u64() % world.machines.len() as u64;
    (machine as usize, world.rng.next_u64() % ms_max.max(1))
}
