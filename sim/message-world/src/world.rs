//! Time, and what happens next: one heap of actions, taken in the order of their moments.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use squall_clock::{Mono, Nanos, Now};
use squall_cluster::{BusLink, Closed, Options};

use crate::machine::Machine;
use crate::migration::{Step, Wire};
use crate::network::Connection;
use crate::picture;

/// Nanoseconds of a millisecond.
pub const MS: u64 = 1_000_000;
const UNIX_START_US: u64 = 1_700_000_000_000_000;

pub struct World {
    pub now: u64,
    agenda: BTreeMap<(u64, u64), Action>,
    pub(crate) sequence: u64,
    pub machines: Vec<Machine>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) migration_wires: BTreeMap<u64, Wire>,
    pub(crate) rng: ChaCha8Rng,
    /// Directions in which nothing arrives.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    pub options: Options,
    pub settings: Settings,
    pub messages: Vec<String>,
    pub bytes_sent: u64,
    pub messages_sent: u64,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub latency_min: u64,
    pub latency_spread: u64,
    pub disk_latency: u64,
    /// How many messages in a million are lost on their way, and sent again a fifth of a second later.
    pub lost_per_million: u32,
    /// Write what is said, and what is logged.
    pub keeps_transcript: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            latency_min: MS / 4,
            latency_spread: MS / 4,
            disk_latency: 2 * MS,
            lost_per_million: 0,
            keeps_transcript: false,
        }
    }
}

pub(crate) enum Action {
    Wake { machine: usize, life: u64 },
    Dial { machine: usize, life: u64, link: BusLink, port: u16 },
    Arrive { connection: u64, side: usize, bytes: Bytes },
    Close { machine: usize, life: u64, link: BusLink, how: Closed },
    Persisted { machine: usize, life: u64, generation: u64, text: String },
    Migration { machine: usize, life: u64, step: Step },
}

impl World {
    pub fn new(seed: u64, machines: usize) -> World {
        let mut world = World::empty(seed, machines);
        (0..machines).for_each(|machine| world.start(machine));
        world
    }

    pub fn empty(seed: u64, machines: usize) -> World {
        World {
            now: MS,
            agenda: BTreeMap::new(),
            sequence: 0,
            machines: (0..machines).map(|_| Machine::default()).collect(),
            connections: BTreeMap::new(),
            migration_wires: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            cut: BTreeSet::new(),
            options: Options { node_timeout: Nanos::from_millis(2_000), ..Options::default() },
            settings: Settings::default(),
            messages: Vec::new(),
            bytes_sent: 0,
            messages_sent: 0,
        }
    }

    pub fn run_ms(&mut self, duration_ms: u64) {
        let end = self.now + duration_ms * MS;
        while self.step(end) {}
        self.now = end;
    }

    /// Runs until it is so; returns after how many milliseconds.
    pub fn until(&mut self, what: &str, limit_ms: u64, is_so: impl Fn(&World) -> bool) -> u64 {
        let start = self.now;
        while !is_so(self) {
            let elapsed = (self.now - start) / MS;
            assert!(elapsed < limit_ms, "not within {limit_ms} ms: {what}\n{}", self.describe());
            self.run_ms(10);
        }
        (self.now - start) / MS
    }

    fn step(&mut self, end: u64) -> bool {
        let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= end) else {
            return false;
        };
        let ((at, _), action) = entry.remove_entry();
        self.now = at;
        if let Some(until) = self.resumes_at(&action) {
            self.plan(until, action);
            return true;
        }
        match action {
            Action::Wake { machine, life }
                if self.lives(machine, life) && self.machines[machine].wakes_at == at =>
            {
                self.machines[machine].wakes_at = u64::MAX;
                self.replicate(machine);
                let now = self.time();
                self.machines[machine].cluster.as_mut().expect("it lives").timeout(now);
                self.settle(machine);
            }
            Action::Dial { machine, life, link, port } if self.lives(machine, life) => {
                self.dial(machine, link, port);
            }
            Action::Arrive { connection, side, bytes } => self.arrive(connection, side, &bytes),
            Action::Close { machine, life, link, how } if self.lives(machine, life) => {
                self.machines[machine].links.remove(&link);
                let now = self.time();
                self.machines[machine].cluster.as_mut().expect("it lives").link_closed(link, how, now);
                self.settle(machine);
            }
            Action::Persisted { machine, life, generation, text } if self.lives(machine, life) => {
                self.machines[machine].conf = Some(text);
                let now = self.time();
                self.machines[machine].cluster.as_mut().expect("it lives").persisted(generation, now);
                self.settle(machine);
            }
            Action::Migration { machine, life, step } if self.lives(machine, life) => {
                self.migration_step(machine, step);
            }
            _ => {}
        }
        true
    }

    pub fn time(&self) -> Now {
        Now { mono: Mono(self.now), unix_us: UNIX_START_US + self.now / 1_000 }
    }

    pub(crate) fn lives(&self, machine: usize, life: u64) -> bool {
        self.machines[machine].life == life && self.machines[machine].cluster.is_some()
    }

    pub(crate) fn plan(&mut self, at: u64, action: Action) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), action);
    }

    pub(crate) fn note(&mut self, what: String) {
        if self.settings.keeps_transcript {
            self.messages.push(picture::at(self.now, &what));
        }
    }
}
